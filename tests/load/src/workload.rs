//! The workload of traffic.json: the kinds of requests, their shares, and their correct responses. The k6
//! script reads the same file.

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The contents of traffic.json.
#[derive(Clone, Debug, Deserialize)]
pub struct Workload {
    /// The thresholds of each kind.
    pub thresholds: LoadThresholds,
    shapes: std::collections::BTreeMap<String, Shape>,
    /// The kinds, whose shares add up to 100.
    pub mix: Vec<Kind>,
}

/// The limits of a passing test.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct LoadThresholds {
    /// The 95th percentile must be below this.
    pub p95_ms: f64,
    /// The 99th percentile must be below this.
    pub p99_ms: f64,
    /// The share of wrong responses must be below this.
    pub errors: f64,
}

/// The rate and duration of a test.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Shape {
    /// Requests per second.
    pub rate: f64,
    /// Duration of the test, or of a step.
    pub seconds: u64,
    /// True if the thresholds of time apply; they do not for a test that runs beside other work.
    pub timed: bool,
    /// The minimum of correct responses per second.
    #[serde(default)]
    pub least: f64,
    /// The factor between the rates of two steps.
    pub factor: Option<f64>,
    /// The highest rate of a stress test.
    pub most: Option<f64>,
}

/// A kind of request.
#[derive(Clone, Debug, Deserialize)]
pub struct Kind {
    /// Its name in the table.
    pub name: String,
    share: u64,
    path: String,
    #[serde(default)]
    of: u64,
    #[serde(default)]
    bytes: usize,
    body: Option<String>,
    site: Option<String>,
}

/// A request to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedRequest {
    /// The index of its kind.
    pub kind: usize,
    /// The path with its query.
    pub path: String,
    /// The body of a POST.
    pub body: Option<String>,
    /// The correct body of the response.
    pub expected: Expected,
}

/// The correct body of a response with status 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// This text.
    Text(String),
    /// The path and a newline, repeated up to this number of bytes.
    Path(usize),
    /// Anything; the summary is checked afterwards.
    Anything,
}

impl Workload {
    /// Parses traffic.json.
    pub fn parse(text: &str) -> Result<Self> {
        let workload: Self = serde_json::from_str(text).context("traffic.json is invalid")?;
        let all: u64 = workload.mix.iter().map(|kind| kind.share).sum();
        if all != 100 {
            bail!("the shares in traffic.json add up to {all}; they must add up to 100");
        }
        Ok(workload)
    }

    /// Returns the shape of that name.
    pub fn shape(&self, name: &str) -> Result<Shape> {
        let names: Vec<&str> = self.shapes.keys().map(String::as_str).collect();
        let shape = self.shapes.get(name).copied();
        shape.with_context(|| format!("there is no load `{name}`; choose one of {}", names.join(", ")))
    }

    /// Returns the request of that number, with a pseudo-random kind and path that are the same in every run.
    pub fn draw(&self, number: u64) -> PlannedRequest {
        let mut left = hash(number) % 100;
        let mut kinds = self.mix.iter().enumerate();
        let (index, kind) = kinds
            .find(|(_, kind)| {
                let is_it = left < kind.share;
                left = left.saturating_sub(kind.share);
                is_it
            })
            .expect("the shares add up to 100");
        let item = hash(hash(number)) % kind.of.max(1);
        let path = kind.path.replace("{n}", &item.to_string());
        let body = kind.site.as_ref().map(|site| beacon(site, number));
        let expected = match (&kind.body, kind.bytes) {
            (Some(text), _) => Expected::Text(text.clone()),
            (None, 0) => Expected::Anything,
            (None, bytes) => Expected::Path(bytes),
        };
        PlannedRequest { kind: index, path, body, expected }
    }

    /// The kind of the beacons, and their site.
    pub fn beacons(&self) -> Option<(usize, &str)> {
        let mut kinds = self.mix.iter().enumerate();
        kinds.find_map(|(index, kind)| Some((index, kind.site.as_deref()?)))
    }
}

impl PlannedRequest {
    /// True if this is the correct body of the response.
    pub fn accepts(&self, body: &[u8]) -> bool {
        match &self.expected {
            Expected::Text(text) => body == text.as_bytes(),
            Expected::Path(bytes) => {
                let line = self.path.as_bytes().iter().chain(b"\n").cycle();
                body.len() == *bytes && body.iter().zip(line).all(|(one, other)| one == other)
            }
            Expected::Anything => true,
        }
    }
}

/// Creates a beacon of a new view.
fn beacon(site: &str, number: u64) -> String {
    let slow = hash(number ^ 0xbeac) % 4000;
    serde_json::json!({
        "v": 1, "site": site, "id": format!("{number:024x}"), "view": 0, "seq": 0, "nav": "navigate",
        "path": format!("/details/{}", number % 20), "age": 5000 + slow,
        "m": { "LCP": 800 + slow, "FCP": 500 + slow / 2, "CLS": slow, "INP": 40 + slow / 20, "TTFB": 100 + slow / 8 },
    })
    .to_string()
}

/// Hashes a number (splitmix64).
fn hash(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload() -> Workload {
        Workload::parse(include_str!("../traffic.json")).expect("the file")
    }

    #[test]
    fn the_drawn_mix_has_the_shares_of_the_file() {
        let workload = workload();
        let mut counts = vec![0_u64; workload.mix.len()];
        (0..100_000).for_each(|number| counts[workload.draw(number).kind] += 1);
        for (kind, count) in workload.mix.iter().zip(counts) {
            assert!((count / 1000).abs_diff(kind.share) <= 1, "{}: {count} of 100,000", kind.name);
        }
    }

    #[test]
    fn a_correct_body_equals_that_of_its_path_in_every_byte() {
        let request = PlannedRequest { kind: 0, path: "/a".into(), body: None, expected: Expected::Path(7) };
        assert!(request.accepts(b"/a\n/a\n/"));
        for wrong in [&b"/a\n/a\n"[..], b"/b\n/b\n/", b"/a\n/a\n/a", b"", b"/a\n/a\nx"] {
            assert!(!request.accepts(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn each_beacon_is_a_view_of_its_own() {
        let workload = workload();
        let bodies: Vec<String> = (0..5000).filter_map(|number| workload.draw(number).body).collect();
        let distinct: std::collections::BTreeSet<&str> =
            bodies.iter().filter_map(|body| body.get(body.find("\"id\"")?..)?.get(..32)).collect();
        assert!(bodies.len() > 200 && distinct.len() == bodies.len());
    }

    #[test]
    fn wrong_shares_and_unknown_loads_are_rejected() {
        let text = include_str!("../traffic.json").replace("\"share\": 40", "\"share\": 41");
        let error = Workload::parse(&text).expect_err("101").to_string();
        assert_eq!(error, "the shares in traffic.json add up to 101; they must add up to 100");
        let error = workload().shape("more").expect_err("none").to_string();
        assert_eq!(error, "there is no load `more`; choose one of load, smoke, stress");
    }
}
