//! Statistics of each kind of request: number, durations and errors; and their check against the
//! thresholds.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::workload::{LoadThresholds, Workload};

/// The statistics of one kind of request.
#[derive(Clone, Debug)]
pub struct RequestStats {
    /// Microseconds from the due time.
    times: Histogram<u64>,
    /// The number of correct responses.
    pub right: u64,
    /// The number of each error.
    pub wrong: BTreeMap<String, u64>,
}

impl RequestStats {
    /// Creates empty statistics.
    pub fn new() -> Self {
        let times = Histogram::new_with_bounds(1, 120_000_000, 3).expect("bounds that a histogram can have");
        Self { times, right: 0, wrong: BTreeMap::new() }
    }

    /// Adds a request. The duration of a failure counts, too.
    pub fn add(&mut self, took: Duration, outcome: Result<(), String>) {
        self.times.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        match outcome {
            Ok(()) => self.right += 1,
            Err(what) => *self.wrong.entry(what).or_default() += 1,
        }
    }

    /// Adds the requests of another one.
    pub fn merge(&mut self, other: &Self) {
        self.times.add(&other.times).expect("the same bounds");
        self.right += other.right;
        for (what, count) in &other.wrong {
            *self.wrong.entry(what.clone()).or_default() += count;
        }
    }

    /// The number of requests.
    pub fn total(&self) -> u64 {
        self.times.len()
    }

    /// The share of wrong responses; 1 without any request.
    pub fn errors(&self) -> f64 {
        if self.total() == 0 { 1.0 } else { (self.total() - self.right) as f64 / self.total() as f64 }
    }

    /// Returns a quantile of the durations in milliseconds.
    pub fn quantile(&self, share: f64) -> f64 {
        self.times.value_at_quantile(share) as f64 / 1000.0
    }

    fn cells(&self, name: &str, seconds: f64) -> Vec<String> {
        let millis = |share| format!("{:.1}", self.quantile(share));
        let wrong = self.total() - self.right;
        let rate = format!("{:.0}", self.total() as f64 / seconds);
        vec![
            name.into(),
            self.total().to_string(),
            rate,
            millis(0.5),
            millis(0.95),
            millis(0.99),
            millis(1.0),
            wrong.to_string(),
        ]
    }
}

/// Adds up all kinds.
pub fn sum(stats_by_kind: &[RequestStats]) -> RequestStats {
    stats_by_kind.iter().fold(RequestStats::new(), |mut sum, stats| {
        sum.merge(stats);
        sum
    })
}

/// Formats a table with a row for each kind.
pub fn table(workload: &Workload, stats_by_kind: &[RequestStats], seconds: f64) -> String {
    let head = ["", "requests", "a second", "p50 ms", "p95 ms", "p99 ms", "max ms", "wrong"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(workload.mix.iter().zip(stats_by_kind).map(|(kind, stats)| stats.cells(&kind.name, seconds)));
    rows.push(sum(stats_by_kind).cells("all", seconds));
    let lines = rows.iter().map(|cells| {
        let (name, numbers) = cells.split_first().expect("a name");
        let numbers: String = numbers.iter().map(|cell| format!("{cell:>10}")).collect();
        format!("  {name:<10}{numbers}\n")
    });
    lines.collect()
}

/// Returns the thresholds that each kind exceeds.
pub fn failures(workload: &Workload, stats_by_kind: &[RequestStats], timed: bool) -> Vec<String> {
    let LoadThresholds { p95_ms, p99_ms, errors } = workload.thresholds;
    let mut failures = Vec::new();
    for (kind, stats) in workload.mix.iter().zip(stats_by_kind) {
        for (name, share, most) in [("p95", 0.95, p95_ms), ("p99", 0.99, p99_ms)] {
            let found = stats.quantile(share);
            if timed && found >= most {
                failures.push(format!("{}: {name} is {found:.0} ms; the limit is {most} ms", kind.name));
            }
        }
        if stats.errors() >= errors {
            let most = stats.wrong.iter().max_by_key(|(_, count)| **count);
            let most =
                most.map_or_else(|| "nothing was sent".to_owned(), |(what, _)| format!("most often: {what}"));
            failures.push(format!(
                "{}: {:.1} % are wrong; the limit is {:.0} %; {most}",
                kind.name,
                stats.errors() * 100.0,
                errors * 100.0
            ));
        }
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures_with(workload: &Workload, slow: usize, wrong: usize) -> Vec<String> {
        let stats_by_kind: Vec<RequestStats> = workload
            .mix
            .iter()
            .map(|_| {
                let mut stats = RequestStats::new();
                for number in 0..1000 {
                    let took = Duration::from_millis(if number < slow { 700 } else { 5 });
                    stats.add(took, if number < wrong { Err("status 503".into()) } else { Ok(()) });
                }
                stats
            })
            .collect();
        failures(workload, &stats_by_kind, true)
    }

    #[test]
    fn each_threshold_applies_exactly_and_to_each_kind() {
        let workload = Workload::parse(include_str!("../traffic.json")).expect("the file");
        assert_eq!(failures_with(&workload, 49, 49), Vec::<String>::new());
        let slow = failures_with(&workload, 51, 0);
        assert_eq!(slow.len(), 5);
        assert_eq!(slow[0], "health: p95 is 700 ms; the limit is 500 ms");
        let wrong = failures_with(&workload, 0, 50);
        assert_eq!(wrong[4], "beacons: 5.0 % are wrong; the limit is 5 %; most often: status 503");
    }

    #[test]
    fn a_kind_without_requests_fails() {
        let workload = Workload::parse(include_str!("../traffic.json")).expect("the file");
        let none: Vec<RequestStats> = workload.mix.iter().map(|_| RequestStats::new()).collect();
        assert_eq!(failures(&workload, &none, false).len(), 5);
    }
}
