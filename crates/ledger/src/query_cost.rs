//! The estimated cost of a query, before it runs: the rows that each shard would read. It depends on the query and the
//! time alone, so that anybody can tell why a query is refused.

use wire::{UnixMillis, WindowSpan};

use crate::horizon::{Horizon, Retention, SumKind};
use crate::query::SeriesQuery;

impl SeriesQuery {
    /// Estimates the rows that the query reads from one shard of an ordinary busy site.
    #[must_use]
    pub fn estimated_rows(&self, retention: &Retention, now: UnixMillis) -> u64 {
        let horizon = Horizon::default()
            .advanced(retention, now)
            .after_adding_day(SumKind::Pages, None)
            .after_adding_day(SumKind::Slices, None);
        let plan = self.plan(&horizon);
        let ranges = plan.cells.iter().chain(&plan.recent);
        let windows: u64 = ranges.map(|(from, to)| windows_between(&horizon, *from, (*to).min(now))).sum();
        let blocks = plan.days.map_or(0, |sums| sums.days.block_ranges().fold(0, |count: u64, _| count + 1));
        windows.saturating_mul(ROWS_PER_WINDOW).saturating_add(blocks.saturating_mul(ROWS_PER_BLOCK))
    }
}

/// Counts the windows of a range: minutes of the last hours, hours of the last weeks, days before.
fn windows_between(horizon: &Horizon, from: UnixMillis, to: UnixMillis) -> u64 {
    let parts = [
        (horizon.days, horizon.hours, WindowSpan::Day),
        (horizon.hours, horizon.minutes, WindowSpan::Hour),
        (horizon.minutes, UnixMillis(u64::MAX), WindowSpan::Minute),
    ];
    let count = |(start, end, span): (UnixMillis, UnixMillis, WindowSpan)| {
        to.min(end).0.saturating_sub(from.max(start).0).div_ceil(span.millis())
    };
    parts.into_iter().map(count).sum()
}

/// The rows that a query of a caller without a token may read: all that is kept by default, which the dashboard shows
/// of any dimension, or ten years by page.
pub const MAX_PUBLIC_ROWS: u64 = 150_000;
/// Series of a window of a busy site; there may be thousands.
const ROWS_PER_WINDOW: u64 = 100;
/// Pages of a block, at both of its ends.
const ROWS_PER_BLOCK: u64 = 400;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wire::Window;

    use super::*;
    use crate::dimension::Dimension;
    use crate::query::{BotFilter, NavigationFilter};

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn rows(days: u64, by: &[Dimension], step: Option<WindowSpan>) -> u64 {
        let from = crate::query::lookback_start(NOW, days * WindowSpan::Day.millis());
        query(from, NOW, by, step).estimated_rows(&Retention::default(), NOW)
    }

    fn query(from: UnixMillis, to: UnixMillis, by: &[Dimension], step: Option<WindowSpan>) -> SeriesQuery {
        let only = Vec::new();
        SeriesQuery {
            from,
            to,
            bots: BotFilter::Exclude,
            navigations: NavigationFilter::Hard,
            only,
            by: by.to_vec(),
            step,
        }
    }

    #[test]
    fn what_the_dashboard_and_the_badge_ask_for_is_within_the_limit() {
        use Dimension::{Device, Release, Route};
        for (days, by, step) in [
            (1, &[Route, Device] as &[_], None),
            (1, &[Release], Some(WindowSpan::Minute)),
            (28, &[Route, Device], None),
            (28, &[Release, Dimension::Country], Some(WindowSpan::Hour)),
            (28, &[], Some(WindowSpan::Hour)),
            (400, &[Route, Device], None),
            (400, &[Route], Some(WindowSpan::Day)),
            (400, &[Release], Some(WindowSpan::Day)),
        ] {
            assert!(
                rows(days, by, step) <= MAX_PUBLIC_ROWS,
                "{days} days by {by:?}: {}",
                rows(days, by, step)
            );
        }
    }

    #[test]
    fn ten_years_are_too_dear_unless_daily_sums_answer_them() {
        use Dimension::{Country, Release, Route};
        let rows = |by: &[Dimension], step| {
            let all = query(UnixMillis(0), UnixMillis(u64::MAX), by, step);
            all.estimated_rows(&Retention::from_days(3650), NOW)
        };
        for (by, step) in [
            (&[Release, Country] as &[_], None),
            (&[Release, Route], None),
            (&[Route], Some(WindowSpan::Hour)),
        ] {
            assert!(rows(by, step) > MAX_PUBLIC_ROWS, "{by:?}: {}", rows(by, step));
        }
        for by in [Route, Release] {
            assert!(rows(std::slice::from_ref(&by), None) <= MAX_PUBLIC_ROWS, "{by:?}");
        }
    }

    proptest! {
        #[test]
        fn a_shorter_span_never_costs_more(
            from in 0_u64..500, length in 0_u64..500, less in 0_u64..500, is_by_release in any::<bool>(),
        ) {
            let day = WindowSpan::Day.millis();
            let start = Window::containing(WindowSpan::Day, NOW.saturating_sub(from * day)).start;
            let by: &[Dimension] = if is_by_release { &[Dimension::Release] } else { &[Dimension::Route] };
            let cost = |days: u64| {
                query(start, start.saturating_add(days * day), by, None).estimated_rows(&Retention::default(), NOW)
            };
            prop_assert!(cost(length.saturating_sub(less)) <= cost(length));
        }
    }
}
