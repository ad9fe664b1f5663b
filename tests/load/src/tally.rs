//! What came of it: for each kind of request how many, how long, and what was wrong; and whether that is
//! good enough.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::traffic::{Thresholds, Traffic};

/// What came of one kind of request.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Microseconds from the moment at which it was due.
    times: Histogram<u64>,
    /// How many were answered as they should be.
    pub right: u64,
    /// What was wrong, and how often.
    pub wrong: BTreeMap<String, u64>,
}

impl Tally {
    /// Nothing yet.
    pub fn new() -> Self {
        let times = Histogram::new_with_bounds(1, 120_000_000, 3).expect("bounds that a histogram can have");
        Self { times, right: 0, wrong: BTreeMap::new() }
    }

    /// One more. What fails takes its time, too.
    pub fn add(&mut self, took: Duration, outcome: Result<(), String>) {
        self.times.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        match outcome {
            Ok(()) => self.right += 1,
            Err(what) => *self.wrong.entry(what).or_default() += 1,
        }
    }

    /// All of another one's besides.
    pub fn merge(&mut self, other: &Self) {
        self.times.add(&other.times).expect("the same bounds");
        self.right += other.right;
        for (what, count) in &other.wrong {
            *self.wrong.entry(what.clone()).or_default() += count;
        }
    }

    /// How many there were.
    pub fn all(&self) -> u64 {
        self.times.len()
    }

    /// The share of wrong answers; all of them, where there was none.
    pub fn errors(&self) -> f64 {
        if self.all() == 0 { 1.0 } else { (self.all() - self.right) as f64 / self.all() as f64 }
    }

    /// Milliseconds that this share takes at most.
    pub fn quantile(&self, share: f64) -> f64 {
        self.times.value_at_quantile(share) as f64 / 1000.0
    }

    fn cells(&self, name: &str, seconds: f64) -> Vec<String> {
        let millis = |share| format!("{:.1}", self.quantile(share));
        let wrong = self.all() - self.right;
        let rate = format!("{:.0}", self.all() as f64 / seconds);
        vec![
            name.into(),
            self.all().to_string(),
            rate,
            millis(0.5),
            millis(0.95),
            millis(0.99),
            millis(1.0),
            wrong.to_string(),
        ]
    }
}

/// All kinds together.
pub fn sum(tallies: &[Tally]) -> Tally {
    tallies.iter().fold(Tally::new(), |mut sum, tally| {
        sum.merge(tally);
        sum
    })
}

/// The table.
pub fn table(traffic: &Traffic, tallies: &[Tally], seconds: f64) -> String {
    let head = ["", "requests", "a second", "p50 ms", "p95 ms", "p99 ms", "max ms", "wrong"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(traffic.mix.iter().zip(tallies).map(|(kind, tally)| tally.cells(&kind.name, seconds)));
    rows.push(sum(tallies).cells("all", seconds));
    let lines = rows.iter().map(|cells| {
        let (name, numbers) = cells.split_first().expect("a name");
        let numbers: String = numbers.iter().map(|cell| format!("{cell:>10}")).collect();
        format!("  {name:<10}{numbers}\n")
    });
    lines.collect()
}

/// What is not good enough, kind by kind.
pub fn failures(traffic: &Traffic, tallies: &[Tally], timed: bool) -> Vec<String> {
    let Thresholds { p95_ms, p99_ms, errors } = traffic.thresholds;
    let mut failures = Vec::new();
    for (kind, tally) in traffic.mix.iter().zip(tallies) {
        for (name, share, most) in [("p95", 0.95, p95_ms), ("p99", 0.99, p99_ms)] {
            let found = tally.quantile(share);
            if timed && found >= most {
                failures
                    .push(format!("{}: {name} is {found:.0} ms, and has to be below {most} ms", kind.name));
            }
        }
        if tally.errors() >= errors {
            let most = tally.wrong.iter().max_by_key(|(_, count)| **count);
            let most =
                most.map_or_else(|| "nothing was sent".to_owned(), |(what, _)| format!("mostly: {what}"));
            failures.push(format!(
                "{}: {:.1} % are wrong, and less than {:.0} % may be; {most}",
                kind.name,
                tally.errors() * 100.0,
                errors * 100.0
            ));
        }
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tallied(traffic: &Traffic, slow: usize, wrong: usize) -> Vec<String> {
        let tallies: Vec<Tally> = traffic
            .mix
            .iter()
            .map(|_| {
                let mut tally = Tally::new();
                for number in 0..1000 {
                    let took = Duration::from_millis(if number < slow { 700 } else { 5 });
                    tally.add(took, if number < wrong { Err("status 503".into()) } else { Ok(()) });
                }
                tally
            })
            .collect();
        failures(traffic, &tallies, true)
    }

    #[test]
    fn each_threshold_is_held_at_its_edge_and_for_each_kind() {
        let traffic = Traffic::parse(include_str!("../traffic.json")).expect("the file");
        assert_eq!(tallied(&traffic, 49, 49), Vec::<String>::new());
        let slow = tallied(&traffic, 51, 0);
        assert_eq!(slow.len(), 5);
        assert_eq!(slow[0], "health: p95 is 700 ms, and has to be below 500 ms");
        let wrong = tallied(&traffic, 0, 50);
        assert_eq!(wrong[4], "beacons: 5.0 % are wrong, and less than 5 % may be; mostly: status 503");
    }

    #[test]
    fn nothing_sent_is_not_good_enough() {
        let traffic = Traffic::parse(include_str!("../traffic.json")).expect("the file");
        let none: Vec<Tally> = traffic.mix.iter().map(|_| Tally::new()).collect();
        assert_eq!(failures(&traffic, &none, false).len(), 5);
    }
}
