//! What is sent, as traffic.json says it: which kinds of requests, how many of each, and what a right
//! answer to one is. The k6 scripts read the same file.

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The file.
#[derive(Clone, Debug, Deserialize)]
pub struct Traffic {
    /// When it is good enough.
    pub thresholds: Thresholds,
    shapes: std::collections::BTreeMap<String, Shape>,
    /// The kinds; their shares make a hundred.
    pub mix: Vec<Kind>,
}

/// When it is good enough.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Thresholds {
    /// Milliseconds that 95 of 100 answers take less than.
    pub p95_ms: f64,
    /// Milliseconds that 99 of 100 answers take less than.
    pub p99_ms: f64,
    /// The share of wrong answers that there is less of.
    pub errors: f64,
}

/// How much, and for how long.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Shape {
    /// Requests a second.
    pub rate: f64,
    /// For how long.
    pub seconds: u64,
    /// Whether it is held against the thresholds of time; a test that anybody may run beside other work is not.
    pub timed: bool,
    /// Right answers a second that there must be.
    #[serde(default)]
    pub least: f64,
    /// What the rate is multiplied by from step to step.
    pub factor: Option<f64>,
    /// The rate at which climbing ends.
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

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Which kind it is of.
    pub kind: usize,
    /// Its path.
    pub path: String,
    /// What it brings, if it is a POST.
    pub body: Option<String>,
    /// What the right answer brings.
    pub expected: Expected,
}

/// What a right answer brings, beside the status 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// This.
    Text(String),
    /// The path and a line's end, again and again, so many bytes of it.
    Path(usize),
    /// Anything: that it was taken is asked for afterwards.
    Anything,
}

impl Traffic {
    /// Reads the file.
    pub fn parse(text: &str) -> Result<Self> {
        let traffic: Self = serde_json::from_str(text).context("traffic.json cannot be read")?;
        let all: u64 = traffic.mix.iter().map(|kind| kind.share).sum();
        if all != 100 {
            bail!("the shares in traffic.json make {all}; they have to make 100");
        }
        Ok(traffic)
    }

    /// The shape of that name.
    pub fn shape(&self, name: &str) -> Result<Shape> {
        let names: Vec<&str> = self.shapes.keys().map(String::as_str).collect();
        let shape = self.shapes.get(name).copied();
        shape.with_context(|| format!("there is no load `{name}`; there are {}", names.join(", ")))
    }

    /// The request of that number: of the kind and with the path that chance gives it, the same in every
    /// run.
    pub fn draw(&self, number: u64) -> Sent {
        let mut left = mixed(number) % 100;
        let mut kinds = self.mix.iter().enumerate();
        let (index, kind) = kinds
            .find(|(_, kind)| {
                let is_it = left < kind.share;
                left = left.saturating_sub(kind.share);
                is_it
            })
            .expect("the shares make a hundred");
        let which = mixed(mixed(number)) % kind.of.max(1);
        let path = kind.path.replace("{n}", &which.to_string());
        let body = kind.site.as_ref().map(|site| beacon(site, number));
        let expected = match (&kind.body, kind.bytes) {
            (Some(text), _) => Expected::Text(text.clone()),
            (None, 0) => Expected::Anything,
            (None, bytes) => Expected::Path(bytes),
        };
        Sent { kind: index, path, body, expected }
    }

    /// The site that beacons are of, and which kind they are.
    pub fn beacons(&self) -> Option<(usize, &str)> {
        let mut kinds = self.mix.iter().enumerate();
        kinds.find_map(|(index, kind)| Some((index, kind.site.as_deref()?)))
    }
}

impl Sent {
    /// Whether that is what the answer has to bring.
    pub fn is_answered_by(&self, body: &[u8]) -> bool {
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

/// A view of its own.
fn beacon(site: &str, number: u64) -> String {
    let slow = mixed(number ^ 0xbeac) % 4000;
    serde_json::json!({
        "v": 1, "site": site, "id": format!("{number:024x}"), "view": 0, "seq": 0, "nav": "navigate",
        "path": format!("/details/{}", number % 20), "age": 5000 + slow,
        "m": { "LCP": 800 + slow, "FCP": 500 + slow / 2, "CLS": slow, "INP": 40 + slow / 20, "TTFB": 100 + slow / 8 },
    })
    .to_string()
}

/// A number that tells nothing of the one before it (splitmix64).
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic() -> Traffic {
        Traffic::parse(include_str!("../traffic.json")).expect("the file")
    }

    #[test]
    fn the_mix_is_what_the_file_says() {
        let traffic = traffic();
        let mut counts = vec![0_u64; traffic.mix.len()];
        (0..100_000).for_each(|number| counts[traffic.draw(number).kind] += 1);
        for (kind, count) in traffic.mix.iter().zip(counts) {
            assert!((count / 1000).abs_diff(kind.share) <= 1, "{}: {count} of 100,000", kind.name);
        }
    }

    #[test]
    fn a_right_answer_is_of_its_path_to_the_last_byte() {
        let sent = Sent { kind: 0, path: "/a".into(), body: None, expected: Expected::Path(7) };
        assert!(sent.is_answered_by(b"/a\n/a\n/"));
        for wrong in [&b"/a\n/a\n"[..], b"/b\n/b\n/", b"/a\n/a\n/a", b"", b"/a\n/a\nx"] {
            assert!(!sent.is_answered_by(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn each_beacon_is_a_view_of_its_own() {
        let traffic = traffic();
        let bodies: Vec<String> = (0..5000).filter_map(|number| traffic.draw(number).body).collect();
        let distinct: std::collections::BTreeSet<&str> =
            bodies.iter().filter_map(|body| body.get(body.find("\"id\"")?..)?.get(..32)).collect();
        assert!(bodies.len() > 200 && distinct.len() == bodies.len());
    }

    #[test]
    fn shares_that_make_no_hundred_are_told() {
        let text = include_str!("../traffic.json").replace("\"share\": 40", "\"share\": 41");
        let error = Traffic::parse(&text).expect_err("101").to_string();
        assert_eq!(error, "the shares in traffic.json make 101; they have to make 100");
        let error = traffic().shape("more").expect_err("none").to_string();
        assert_eq!(error, "there is no load `more`; there are load, smoke, stress");
    }
}
