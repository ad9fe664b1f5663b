//! The counts of the windows that are pushed: read in blocks, cut into windows, and identified, so that a late
//! change is noticed and sent as a correction.

use ledger::{BotFilter, Cell, Group, Horizon, NavigationFilter, QueryResult, SeriesQuery};
use sketch::stable_hash::fnv1a_64;
use traffic::{TrafficStats, TrafficWindows};
use wire::{CodecError, UnixMillis, Window, WindowSpan};

use crate::window_document::GROUP_BY;
use wire::sorting::CollectOrdered;

/// Returns the query for the windows from the first to the last.
#[must_use]
pub fn windows_query(first: Window, last: Window) -> SeriesQuery {
    SeriesQuery {
        from: first.start,
        to: last.start.saturating_add(last.span.millis()),
        bots: BotFilter::default(),
        navigations: NavigationFilter::default(),
        only: Vec::new(),
        by: GROUP_BY.to_vec(),
        step: Some(first.span),
    }
}

/// Returns the first moment whose windows are still corrected. Minutes that were rolled up are gone.
#[must_use]
pub fn corrections_start(span: WindowSpan, horizon: &Horizon, now: UnixMillis) -> UnixMillis {
    match span {
        WindowSpan::Minute => horizon.minutes,
        WindowSpan::Hour | WindowSpan::Day => now.saturating_sub(CORRECTION_PERIOD_MS),
    }
}

/// Returns the counts of one window. A longer window counts where it begins, so that sums stay the same.
#[must_use]
pub fn counts_in_window(
    groups: &QueryResult,
    traffic_windows: &TrafficWindows,
    window: Window,
) -> (QueryResult, TrafficStats) {
    let is_in_window = |(group, _): &(&Group, &Cell)| group.at == Some(window.start);
    let cells = groups
        .cells
        .iter()
        .filter(is_in_window)
        .map(|(group, cell)| (group.clone(), cell.clone()))
        .collect_map();
    let mut traffic = TrafficStats::default();
    let is_in_window = |(other, _): &(&Window, &TrafficStats)| other.start == window.start;
    traffic_windows.0.iter().filter(is_in_window).for_each(|(_, stats)| traffic.merge(stats));
    (QueryResult { cells, ..QueryResult::default() }, traffic)
}

/// Returns an identifier of a window's counts that changes with any of them.
///
/// # Errors
/// Fails if the counts cannot be encoded.
pub fn fingerprint(groups: &QueryResult, traffic: &TrafficStats) -> Result<String, CodecError> {
    let mut bytes = Vec::new();
    for (group, cell) in &groups.cells {
        bytes.extend(format!("{:?}", group.values).into_bytes());
        bytes.extend(cell.encode()?);
    }
    bytes.extend(traffic.encode()?);
    Ok(format!("{:016x}", fnv1a_64(bytes)))
}

/// A view lasts a day at most, and is settled two hours after its last beacon.
pub const CORRECTION_PERIOD_MS: u64 = 27 * 3_600_000;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const START: UnixMillis = UnixMillis(1_800_000_000_000);

    fn window(offset: u64) -> Window {
        Window { span: WindowSpan::Minute, start: START.saturating_add(offset) }
    }

    fn groups(views: [u64; 2]) -> QueryResult {
        let cell = |(index, views): (u64, u64)| {
            let at = Some(window(index * 60_000).start);
            (Group { at, values: Vec::new() }, Cell { views, ..Cell::default() })
        };
        QueryResult { cells: (0_u64..).zip(views).map(cell).collect(), ..QueryResult::default() }
    }

    #[test]
    fn a_window_has_the_counts_that_begin_in_it() {
        let (first, _) = counts_in_window(&groups([3, 5]), &TrafficWindows(BTreeMap::new()), window(0));
        let (second, _) = counts_in_window(&groups([3, 5]), &TrafficWindows(BTreeMap::new()), window(60_000));
        assert_eq!((first.total().views, second.total().views), (3, 5));
    }

    #[test]
    fn a_fingerprint_changes_with_the_counts_alone() {
        let fingerprint = |views| fingerprint(&groups(views), &TrafficStats::default()).expect("encodable");
        assert_eq!(fingerprint([3, 5]), fingerprint([3, 5]));
        assert_ne!(fingerprint([3, 5]), fingerprint([4, 5]));
    }

    #[test]
    fn a_query_covers_its_last_window() {
        let query = windows_query(window(0), window(60_000));
        assert_eq!((query.from, query.to), (START, START.saturating_add(120_000)));
    }
}
