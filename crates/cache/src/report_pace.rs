//! The pace at which isolates report their sums to one object: to the purge clock, or to the shard that they hash to.
//! Each is told how long to wait until a slot of its own, so that the reports of a hundred thousand isolates arrive as
//! seldom as those of forty that report each second. Sums only grow larger meanwhile; those of an isolate that ends are
//! lost.

use wire::UnixMillis;

/// The slots of the reports that one object receives.
#[derive(Clone, Copy, Debug)]
pub struct ReportPace {
    next_slot: UnixMillis,
    max_wait_ms: u64,
}

impl ReportPace {
    /// Begins without reports. No isolate waits for longer than that, however many they are.
    #[must_use]
    pub const fn new(max_wait_ms: u64) -> Self {
        Self { next_slot: UnixMillis(0), max_wait_ms }
    }

    /// Returns the milliseconds until the next report of the isolate that has just reported. Slots that isolates leave
    /// unused make room within one round.
    pub fn next_in_ms(&mut self, now: UnixMillis) -> u64 {
        let [first, last] = [MIN_WAIT_MS, self.max_wait_ms].map(|wait_ms| now.saturating_add(wait_ms));
        let slot = self.next_slot.max(first).min(last);
        self.next_slot = slot.saturating_add(SLOT_MS);
        slot.saturating_sub(now.0).0
    }
}

/// The wait of isolates that are few.
const MIN_WAIT_MS: u64 = 1_000;
/// Forty reports in a second.
const SLOT_MS: u64 = 25;

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use super::*;

    const HOUR_MS: u64 = 3_600_000;

    /// Returns the reports in the last minute of an hour and a half, and the most in a second after the first three.
    fn reports_per_second(isolates: u64, max_wait_ms: u64) -> (f64, u64) {
        let mut pace = ReportPace::new(max_wait_ms);
        let mut due: BinaryHeap<Reverse<u64>> =
            (0..isolates).map(|isolate| Reverse(isolate * 37 % 1_000)).collect();
        let mut seconds = vec![0_u64; 5_400];
        while let Some(Reverse(at)) = due.pop() {
            let Some(second) = seconds.get_mut(at as usize / 1_000) else { break };
            *second += 1;
            due.push(Reverse(at + pace.next_in_ms(UnixMillis(at))));
        }
        (seconds[5_340..].iter().sum::<u64>() as f64 / 60.0, seconds[3..].iter().copied().max().unwrap_or(0))
    }

    #[test]
    fn few_isolates_report_each_second_and_many_no_more_often_than_forty() {
        assert_eq!(reports_per_second(10, HOUR_MS), (10.0, 10));
        for isolates in [41, 1_000, 100_000] {
            let (mean, most) = reports_per_second(isolates, HOUR_MS);
            assert!((38.0..=42.0).contains(&mean) && most <= 42, "{mean} a second, {most} at most");
        }
    }

    #[test]
    fn no_isolate_waits_for_longer_than_the_limit() {
        let mut pace = ReportPace::new(60_000);
        let waits = (0..10_000).map(|_| pace.next_in_ms(UnixMillis(0)));
        assert_eq!(waits.max(), Some(60_000));
        assert_eq!(pace.next_in_ms(UnixMillis(60_000)), 1_000, "a quiet time makes room");
    }
}
