//! The pace at which isolates report their sums to the purge clock. Each is told how long to wait, so that the reports
//! of a hundred thousand isolates arrive as seldom as those of forty that report each second. Sums only grow larger
//! meanwhile; those of an isolate that ends are lost.

use wire::UnixMillis;

/// The reports that one object receives.
#[derive(Clone, Copy, Debug)]
pub struct ReportPace {
    since: UnixMillis,
    reports: u64,
    interval_ms: u64,
}

impl ReportPace {
    /// Begins with the shortest interval.
    #[must_use]
    pub const fn new(now: UnixMillis) -> Self {
        Self { since: now, reports: 0, interval_ms: MIN_REPORT_INTERVAL_MS }
    }

    /// Counts a report. Returns the milliseconds until the next one of the same isolate is due: from half to one and a
    /// half times the interval by `random` from 0 to 1, so that isolates that began together do not stay together.
    pub fn next_in_ms(&mut self, now: UnixMillis, random: f64) -> u64 {
        let elapsed = now.0.saturating_sub(self.since.0);
        // A flood is answered at once, and a quiet time after a while.
        if elapsed >= WINDOW_MS || self.reports >= FLOOD {
            let admitted = elapsed.saturating_mul(REPORTS_PER_SECOND) / 1_000;
            let interval = self.interval_ms.saturating_mul(self.reports) / admitted.max(1);
            let interval_ms = interval.clamp(MIN_REPORT_INTERVAL_MS, MAX_REPORT_INTERVAL_MS);
            *self = Self { since: now, reports: 0, interval_ms };
        }
        self.reports = self.reports.saturating_add(1);
        (self.interval_ms as f64 * (0.5 + random.clamp(0.0, 1.0))) as u64
    }
}

/// The interval of isolates that are few.
pub const MIN_REPORT_INTERVAL_MS: u64 = 1_000;
const MAX_REPORT_INTERVAL_MS: u64 = 3_600_000;
const REPORTS_PER_SECOND: u64 = 40;
const WINDOW_MS: u64 = 10_000;
const FLOOD: u64 = 4 * REPORTS_PER_SECOND * WINDOW_MS / 1_000;

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use super::*;

    /// Returns the reports in the last minute of an hour and a half.
    fn reports_per_second(isolates: u64) -> f64 {
        let mut pace = ReportPace::new(UnixMillis(0));
        let mut due: BinaryHeap<Reverse<u64>> =
            (0..isolates).map(|isolate| Reverse(isolate * 37 % 1_000)).collect();
        let (mut last, end) = (0, 5_400_000);
        while let Some(Reverse(at)) = due.pop() {
            if at > end {
                break;
            }
            last += u64::from(at > end - 60_000);
            let wait = pace.next_in_ms(UnixMillis(at), (at * 7_919 % 1_000) as f64 / 1_000.0);
            due.push(Reverse(at + wait));
        }
        last as f64 / 60.0
    }

    #[test]
    fn few_isolates_report_each_second_and_many_no_more_often_than_forty() {
        let few = reports_per_second(10);
        assert!((8.0..=12.0).contains(&few), "{few}");
        for isolates in [1_000, 100_000] {
            let many = reports_per_second(isolates);
            assert!((15.0..=80.0).contains(&many), "{many} a second from {isolates} isolates");
        }
    }
}
