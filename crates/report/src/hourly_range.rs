//! The hours of a site's series that are written next. They are written in steps, so that a large site that is
//! far behind catches up without a pause.

use ledger::{BotFilter, NavigationFilter, SeriesQuery};
use wire::{UnixMillis, Window, WindowSpan};

/// Returns the hours to write, from the last one that was written before: complete ones only, the last few
/// again, since late beacons count.
#[must_use]
pub fn hours_to_write(written_to: Option<UnixMillis>, now: UnixMillis) -> SeriesQuery {
    let current = Window::containing(WindowSpan::Hour, now).start;
    let oldest = oldest_hour(now);
    let from = written_to.map_or(oldest, |written| written.saturating_sub(REWRITE_SPAN_MS)).max(oldest);
    let to = UnixMillis(from.saturating_add(CATCH_UP_SPAN_MS).0.min(current.0));
    SeriesQuery {
        from,
        to,
        bots: BotFilter::default(),
        navigations: NavigationFilter::default(),
        only: Vec::new(),
        by: Vec::new(),
        step: Some(WindowSpan::Hour),
    }
}

/// Returns the query for all views of the last sixty minutes, by the minute.
#[must_use]
pub fn last_hour_query(now: UnixMillis) -> SeriesQuery {
    let minute = Window::containing(WindowSpan::Minute, now).start;
    SeriesQuery {
        from: minute.saturating_sub(HOUR_MS),
        to: minute,
        bots: BotFilter::default(),
        navigations: NavigationFilter::default(),
        only: Vec::new(),
        by: Vec::new(),
        step: Some(WindowSpan::Minute),
    }
}

/// Returns the first hour that is kept.
#[must_use]
pub fn oldest_hour(now: UnixMillis) -> UnixMillis {
    Window::containing(WindowSpan::Hour, now).start.saturating_sub(RETENTION_MS)
}

const HOUR_MS: u64 = WindowSpan::Hour.millis();
/// As long as cells are kept by the hour.
const RETENTION_MS: u64 = 35 * 24 * HOUR_MS;
const CATCH_UP_SPAN_MS: u64 = 48 * HOUR_MS;
const REWRITE_SPAN_MS: u64 = 3 * HOUR_MS;

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: UnixMillis = UnixMillis(1_800_000_000_000);

    #[track_caller]
    fn check(written_ago: Option<u64>, expected: (u64, u64)) {
        let written = written_ago.map(|hours| HOUR.saturating_sub(hours * HOUR_MS));
        let query = hours_to_write(written, HOUR.saturating_add(HOUR_MS / 2));
        let ago = |at: UnixMillis| (HOUR.0 - at.0) / HOUR_MS;
        assert_eq!((ago(query.from), ago(query.to)), expected);
    }

    #[test]
    fn hours_are_caught_up_in_steps_and_the_last_ones_written_again() {
        check(None, (35 * 24, 35 * 24 - 48));
        check(Some(0), (3, 0));
        check(Some(100), (103, 55));
        check(Some(10_000), (35 * 24, 35 * 24 - 48));
    }
}
