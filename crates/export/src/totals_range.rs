//! The span of time that a site's totals cover, and the minutes that are to be added next.

use ledger::{BotFilter, Horizon, NavigationFilter, SeriesQuery};
use serde::{Deserialize, Serialize};
use wire::{UnixMillis, Window, WindowSpan};

use report::query_parameters::BY_PAGE;

/// The start of counting, and the end of the last minute that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TotalsRange {
    /// The start of counting.
    pub since: UnixMillis,
    /// The end of the last minute that was added.
    pub to: UnixMillis,
}

impl TotalsRange {
    /// Begins with the first minute that is kept, so that what arrived before the first call is counted, too.
    #[must_use]
    pub fn starting(horizon: &Horizon, now: UnixMillis) -> Self {
        let closed = last_closed_minute(now);
        let kept = closed.saturating_sub(KEPT_MINUTES_MS).max(horizon.minutes).min(closed);
        Self { since: kept, to: kept }
    }

    /// Returns the query for the minutes that have closed since, or `None` if there are none.
    ///
    /// Minutes that were rolled up before they were added are part of an hour that may have been added in part;
    /// only whole hours can be caught up.
    #[must_use]
    pub fn next_query(&self, horizon: &Horizon, now: UnixMillis) -> Option<SeriesQuery> {
        let closed = last_closed_minute(now);
        let from = match self.to {
            to if to < horizon.minutes => {
                let hour = Window::containing(WindowSpan::Hour, to).start;
                if hour == to { to } else { hour.saturating_add(WindowSpan::Hour.millis()) }
            }
            to => to,
        };
        (from < closed).then(|| SeriesQuery {
            from,
            to: closed,
            bots: BotFilter::default(),
            navigations: NavigationFilter::default(),
            only: Vec::new(),
            by: BY_PAGE.to_vec(),
            step: None,
        })
    }
}

fn last_closed_minute(now: UnixMillis) -> UnixMillis {
    Window::containing(WindowSpan::Minute, now.saturating_sub(LATE_BEACON_GRACE_MS)).start
}

/// Cells are kept by the minute for two hours, and the cron calls every quarter of one.
const KEPT_MINUTES_MS: u64 = 2 * WindowSpan::Hour.millis();
/// A minute closes this long after its end: most late beacons have arrived by then.
const LATE_BEACON_GRACE_MS: u64 = 30_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// The start of an hour.
    const HOUR: UnixMillis = UnixMillis(1_800_000_000_000);
    const MINUTE_MS: u64 = 60_000;

    #[track_caller]
    fn check(to_minute: u64, rolled_up_to: u64, now_ms: u64, expected: Option<(u64, u64)>) {
        let range = TotalsRange { since: HOUR, to: HOUR.saturating_add(to_minute * MINUTE_MS) };
        let minutes = HOUR.saturating_add(rolled_up_to * MINUTE_MS);
        let horizon = Horizon { minutes, ..Horizon::default() };
        let query = range.next_query(&horizon, HOUR.saturating_add(now_ms));
        let minute = |at: UnixMillis| (at.0 - HOUR.0) / MINUTE_MS;
        assert_eq!(query.map(|query| (minute(query.from), minute(query.to))), expected);
    }

    #[test]
    fn a_minute_is_added_half_a_minute_after_its_end() {
        check(1, 0, 2 * MINUTE_MS + 29_999, None);
        check(1, 0, 2 * MINUTE_MS + 30_000, Some((1, 2)));
    }

    #[test]
    fn counting_begins_with_the_minutes_that_are_kept() {
        let start = |minutes| {
            let horizon = Horizon { minutes, ..Horizon::default() };
            TotalsRange::starting(&horizon, HOUR.saturating_add(30_000))
        };
        let two_hours = HOUR.saturating_sub(2 * 3_600_000);
        assert_eq!(start(UnixMillis(0)), TotalsRange { since: two_hours, to: two_hours });
        assert_eq!(start(HOUR.saturating_sub(60_000)).to, HOUR.saturating_sub(60_000));
        assert_eq!(start(HOUR.saturating_add(60_000)).to, HOUR);
    }

    #[test]
    fn a_rolled_up_hour_is_added_whole_or_not_at_all() {
        check(0, 120, 180 * MINUTE_MS + 30_000, Some((0, 180)));
        check(1, 120, 180 * MINUTE_MS + 30_000, Some((60, 180)));
        check(1, 120, 50 * MINUTE_MS, None);
    }
}
