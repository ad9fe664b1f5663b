//! Model of one shard before the isolates that report to it: request statistics and rejected beacons. Buffers and pace are
//! the product's own code.

use cache::report_pace::ReportPace;
use ledger::{RejectionCounts, ShardLayout};
use traffic::{RouteStats, TrafficBuffer};
use wire::UnixMillis;

use crate::Random;

/// The reports of isolates to a shard; all but the first kind must break a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pacing {
    /// As the product does it.
    Sound,
    /// Isolates report each second, whatever the shard says.
    Ignored,
    /// The shard sets the interval of isolates that are few.
    Constant,
    /// The shard tells all isolates the same.
    Unspread,
    /// The shard tells isolates to come back after an hour.
    Endless,
    /// Isolates forget the sums that are not due.
    Forgetful,
}

/// The reports that the shard received, and the counts behind them.
#[derive(Clone, Debug, Default)]
pub struct ReportOutcome {
    /// Requests in each second.
    pub requests: Vec<u64>,
    /// The longest time for which a count waited in an isolate, once the pace had settled.
    pub longest_wait_ms: u64,
    /// Responses of all isolates, and those that were stored or still wait.
    pub responses: u64,
    /// Responses that are stored, or wait in an isolate.
    pub accounted: u64,
}

struct ReportingIsolate {
    traffic: TrafficBuffer,
    rejections: RejectionCounts,
    /// The time of the first count that is not stored: of a response, and of a rejection.
    since: [Option<u64>; 2],
    waiting: u64,
}

/// Returns the number of isolates that report to the coordinator, and to the shard with the most.
#[must_use]
pub fn isolates_of_shards(isolates: usize, shards: u32) -> (usize, usize) {
    let layout = ShardLayout::parse(&shards.to_string()).expect("a layout");
    let mut counts = vec![0; shards as usize];
    let mut random = Random(3);
    for _ in 0..isolates {
        let id = format!("{:013x}{:013x}", random.bits() >> 12, random.bits() >> 12);
        counts[layout.shard_of_isolate(&id) as usize] += 1;
    }
    (counts[0], counts.iter().copied().max().unwrap_or_default())
}

/// Runs isolates that all begin in the same second, and have a response and a rejected beacon each second.
#[must_use]
pub fn run(isolates: usize, seconds: u64, pacing: Pacing) -> ReportOutcome {
    let mut outcome = ReportOutcome { requests: vec![0; seconds as usize], ..ReportOutcome::default() };
    let mut pace = ReportPace::new(60_000);
    let new_isolate = |number: usize| ReportingIsolate {
        traffic: TrafficBuffer::new(format!("{number:026x}")),
        rejections: RejectionCounts::default(),
        since: [None; 2],
        waiting: 0,
    };
    let mut all: Vec<ReportingIsolate> = (0..isolates).map(new_isolate).collect();
    for tick in 0..seconds * TICKS_PER_SECOND {
        let now = UnixMillis(tick * 1_000 / TICKS_PER_SECOND);
        for (number, isolate) in all.iter_mut().enumerate() {
            if (tick + number as u64).is_multiple_of(TICKS_PER_SECOND) {
                outcome.responses += 1;
                isolate.waiting += 1;
                isolate.traffic.sums_mut(SITE).routes.insert("/".to_owned(), RouteStats::default());
                isolate.rejections.count(Some(SITE), "malformed");
                isolate.since.iter_mut().for_each(|since| *since = since.or(Some(now.0)));
            }
            let mut next_due = || {
                let interval_ms = match pacing {
                    Pacing::Constant => 1_000,
                    Pacing::Endless => 3_600_000,
                    // The right mean.
                    Pacing::Unspread => isolates as u64 * 2 * 1_000 / 40,
                    Pacing::Sound | Pacing::Ignored | Pacing::Forgetful => pace.next_in_ms(now),
                };
                outcome.requests[(now.0 / 1_000) as usize] += 1;
                let interval_ms = if pacing == Pacing::Ignored { 1_000 } else { interval_ms };
                now.saturating_add(interval_ms)
            };
            if isolate.traffic.is_due(SITE, now) {
                if let Some(batch) = isolate.traffic.next_batch(SITE, now) {
                    isolate.traffic.acknowledge(SITE, batch.header.number, next_due());
                    outcome.accounted += std::mem::take(&mut isolate.waiting);
                    isolate.since[0] = None;
                }
            } else if pacing == Pacing::Forgetful {
                isolate.waiting = 0;
            }
            if isolate.rejections.next_flush_in_ms(now.0) == Some(0) {
                drop(isolate.rejections.take());
                isolate.rejections.pace(next_due().0);
                isolate.since[1] = None;
            }
            if now.0 >= SETTLED_AFTER_MS {
                let waits = isolate.since.iter().flatten().map(|since| now.0 - since);
                outcome.longest_wait_ms = waits.fold(outcome.longest_wait_ms, u64::max);
            }
        }
    }
    outcome.accounted += all.iter().map(|isolate| isolate.waiting).sum::<u64>();
    outcome
}

impl ReportOutcome {
    /// Returns the requests in the mean second, once the pace had settled.
    #[must_use]
    pub fn mean_requests(&self) -> f64 {
        let settled = self.settled();
        settled.iter().sum::<u64>() as f64 / settled.len() as f64
    }

    /// Returns the requests in the busiest second, once the pace had settled.
    #[must_use]
    pub fn most_requests(&self) -> u64 {
        self.settled().iter().copied().max().unwrap_or_default()
    }

    fn settled(&self) -> &[u64] {
        &self.requests[(SETTLED_AFTER_MS / 1_000) as usize..]
    }
}

const SITE: &str = "shop";
const TICKS_PER_SECOND: u64 = 10;
/// All isolates have reported once, and the last of them waits for the longest.
const SETTLED_AFTER_MS: u64 = 60_000;

/// The planned requests to the coordinator in the mean second.
pub const MAX_REQUESTS: f64 = 50.0;
/// Returns the longest time for which a count may wait in its isolate: two reports of each isolate, at forty in a second.
#[must_use]
pub fn max_wait_ms(isolates: usize) -> u64 {
    2_000 + isolates as u64 * 2 * 1_000 / 40
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISOLATES: usize = 391;
    const SECONDS: u64 = 240;
    const MOST_REQUESTS: u64 = 80;

    fn is_sound(isolates: usize, outcome: &ReportOutcome) -> bool {
        outcome.mean_requests() <= MAX_REQUESTS
            && outcome.most_requests() <= MOST_REQUESTS
            && outcome.longest_wait_ms <= max_wait_ms(isolates)
            && outcome.accounted == outcome.responses
    }

    #[test]
    fn a_shard_hears_few_and_many_isolates_at_a_bounded_rate_and_every_count_in_time() {
        for isolates in [1, 20, ISOLATES, 1_000] {
            let outcome = run(isolates, SECONDS, Pacing::Sound);
            assert!(
                is_sound(isolates, &outcome),
                "{isolates} isolates: {} requests a second, {} at most, {} ms, {} of {}",
                outcome.mean_requests(),
                outcome.most_requests(),
                outcome.longest_wait_ms,
                outcome.accounted,
                outcome.responses
            );
        }
    }

    #[test]
    fn the_model_detects_each_pace_that_does_not_hold() {
        use Pacing::{Constant, Endless, Forgetful, Ignored, Unspread};
        for pacing in [Ignored, Constant, Unspread, Endless, Forgetful] {
            assert!(!is_sound(ISOLATES, &run(ISOLATES, SECONDS, pacing)), "{pacing:?}");
        }
    }
}
