//! Daily sums of recent windows, in memory. Sums of days that are over are stored, but recent windows change with
//! every fold, and storing their sums would cost a row each time. A shard therefore sums them up at the first query of
//! pages or of a dimension, and keeps the sums up to date while it lives.

use std::collections::BTreeMap;
use std::ops::Bound;

use wire::{CodecError, UnixMillis};

use crate::cell::Cell;
use crate::cell_key::CellKey;
use crate::horizon::{Horizon, SumKind};
use crate::query::{QueryResult, SeriesQuery};
use crate::sum_key::{SumKey, SumSource};
use crate::sum_rollup::SumDeltas;

/// The roll-ups of a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecentRollups(BTreeMap<SumSource, RecentRollup>);

/// Sums of the windows that are not in stored sums, by series and day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentRollup {
    source: SumSource,
    sums: BTreeMap<SumKey, Cell>,
    /// The latest window that was ever added.
    latest: UnixMillis,
    is_too_large: bool,
}

impl RecentRollups {
    /// Returns true if there is a roll-up for these queries.
    #[must_use]
    pub fn has(&self, source: &SumSource) -> bool {
        self.0.contains_key(source)
    }

    /// Adds a roll-up of all recent windows, in the place of the others if they are many.
    pub fn insert(&mut self, rollup: RecentRollup) {
        if self.0.len() >= MAX_ROLLUPS {
            self.0.clear();
        }
        self.0.insert(rollup.source.clone(), rollup);
    }

    /// Applies the changes of a fold or a roll-up.
    pub fn apply(&mut self, deltas: &SumDeltas) {
        self.0.values_mut().for_each(|rollup| rollup.apply(deltas));
    }

    /// Adds all sums to the result and returns true. Returns false if there is no roll-up for the query, if the query
    /// ends before the latest window, or if there are too many series; then the caller reads the cells.
    #[must_use]
    pub fn try_answer(&self, query: &SeriesQuery, groups: &mut QueryResult) -> bool {
        if !self.can_answer(query) {
            return false;
        }
        let mut after = None;
        while let Some(last) = self.add_some(query, after, groups) {
            after = Some(last);
        }
        true
    }

    /// Returns true if a roll-up has the recent views of the query.
    #[must_use]
    pub fn can_answer(&self, query: &SeriesQuery) -> bool {
        self.rollup_of(query).is_some_and(|rollup| !rollup.is_too_large && query.to > rollup.latest)
    }

    /// Adds the next sums to the result, and returns the last of them; `None` after the last of all.
    #[must_use]
    pub fn add_some(
        &self,
        query: &SeriesQuery,
        after: Option<SumKey>,
        groups: &mut QueryResult,
    ) -> Option<SumKey> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut last = None;
        for (key, sum) in self.rollup_of(query)?.sums.range((start, Bound::Unbounded)).take(MAX_ADDED_SUMS) {
            groups.add_sum(query, key, sum);
            last = Some(key);
        }
        last.cloned()
    }

    fn rollup_of(&self, query: &SeriesQuery) -> Option<&RecentRollup> {
        self.0.get(&query.sum_source()?)
    }

    /// Forgets the roll-ups of a kind of sums, to which a day is added.
    pub fn forget(&mut self, kind: SumKind) {
        self.0.retain(|source, _| source.kind() != kind);
    }
}

impl RecentRollup {
    /// Creates a roll-up without windows.
    #[must_use]
    pub const fn new(source: SumSource) -> Self {
        Self { source, sums: BTreeMap::new(), latest: UnixMillis(0), is_too_large: false }
    }

    /// Adds a stored cell, unless it is in stored sums or of bots.
    ///
    /// # Errors
    /// Returns an error if the bytes are malformed or of an unsupported version.
    pub fn add(&mut self, key: &CellKey, cell: &[u8], horizon: &Horizon) -> Result<(), CodecError> {
        if key.window.start < horizon.sums_end(self.source.kind()) || self.is_too_large {
            return Ok(());
        }
        self.latest = self.latest.max(key.window.start);
        for series in self.source.series_of(&key.labels) {
            let day = key.day();
            self.sums.entry(SumKey { series, day }).or_default().merge_encoded(cell)?;
        }
        self.enforce_limit();
        Ok(())
    }

    fn apply(&mut self, deltas: &SumDeltas) {
        if self.is_too_large {
            return;
        }
        self.latest = self.latest.max(deltas.latest);
        for (key, delta) in deltas.recent.get(&self.source).into_iter().flatten() {
            let sum = self.sums.entry(key.clone()).or_default();
            sum.merge(&delta.added);
            sum.subtract(&delta.removed);
        }
        self.sums.retain(|_, sum| !sum.is_empty());
        self.enforce_limit();
    }

    fn enforce_limit(&mut self) {
        if self.sums.len() > MAX_SUMS {
            (self.sums, self.is_too_large) = (BTreeMap::new(), true);
        }
    }
}

impl SumDeltas {
    /// Creates deltas that include recent windows, for the roll-ups of them that exist.
    #[must_use]
    pub fn for_recent_rollups(rollups: &RecentRollups) -> Self {
        let recent = rollups.0.keys().map(|source| (source.clone(), BTreeMap::new())).collect();
        Self { recent, ..Self::default() }
    }
}

/// A sum takes some kilobytes of the 128 MB of an object.
const MAX_SUMS: usize = 4000;
/// Sums that are added without a pause, which takes some milliseconds.
const MAX_ADDED_SUMS: usize = 500;
/// One of pages, and some of dimensions.
const MAX_ROLLUPS: usize = 8;

#[cfg(test)]
mod tests {
    use wire::beacon::Navigation;
    use wire::{Device, UnixMillis, WindowSpan};

    use super::*;
    use crate::dimension::Dimension;
    use crate::labels::SeriesLabels;
    use crate::query::{BotFilter, NavigationFilter};
    use wire::Window;

    fn key(page: usize) -> CellKey {
        let labels = SeriesLabels {
            route: format!("/{page}"),
            device: Device::Phone,
            navigation: Navigation::Navigate,
            cache: None,
            network: None,
            release: None,
            bot: false,
            unverified: false,
            country: None,
            browser: None,
            os: None,
            dimensions: BTreeMap::new(),
        };
        CellKey { window: Window::containing(WindowSpan::Minute, UnixMillis(0)), labels }
    }

    #[test]
    fn above_its_limit_a_rollup_answers_nothing() {
        let cell = Cell { views: 1, visits: 1, ..Cell::default() };
        let query = SeriesQuery {
            from: UnixMillis(0),
            to: UnixMillis(60_000),
            bots: BotFilter::Exclude,
            navigations: NavigationFilter::default(),
            only: Vec::new(),
            by: Vec::new(),
            step: None,
        };
        let mut rollup = RecentRollup::new(SumSource::Pages);
        let cell = cell.encode().expect("encodable");
        let add = |rollup: &mut RecentRollup, page| {
            rollup.add(&key(page), &cell, &Horizon::default()).expect("decodable");
        };
        let answer = |rollup: &RecentRollup| {
            let mut rollups = RecentRollups::default();
            rollups.insert(rollup.clone());
            let mut groups = QueryResult::default();
            rollups.try_answer(&query, &mut groups).then_some(groups)
        };
        (0..MAX_SUMS).for_each(|page| add(&mut rollup, page));
        assert_eq!(answer(&rollup).map(|groups| groups.total().views), Some(MAX_SUMS as u64));

        add(&mut rollup, MAX_SUMS);
        add(&mut rollup, 0);
        assert!(rollup.sums.is_empty(), "the sums are dropped");
        assert_eq!(answer(&rollup), None);
    }

    #[test]
    fn many_dimensions_make_place_for_the_next() {
        let mut rollups = RecentRollups::default();
        let source = |number: usize| SumSource::Slices(Dimension::Custom(number.to_string()));
        (0..MAX_ROLLUPS).for_each(|number| rollups.insert(RecentRollup::new(source(number))));
        assert!((0..MAX_ROLLUPS).all(|number| rollups.has(&source(number))));
        rollups.insert(RecentRollup::new(source(MAX_ROLLUPS)));
        assert!(rollups.has(&source(MAX_ROLLUPS)) && !rollups.has(&source(0)));
    }
}
