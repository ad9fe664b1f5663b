//! Page sums of minute windows, in memory. Page sums of older windows are stored, but minutes delta with every
//! fold, and storing their sums would cost a row each time. A shard therefore sums up its minutes at the first
//! query, and keeps the sums up to date while it lives.

use std::collections::BTreeMap;
use wire::{UnixMillis, WindowSpan};

use crate::cell::Cell;
use crate::cell_key::CellKey;
use crate::page_key::PageKey;
use crate::page_rollup::PageDeltas;
use crate::query::{QueryResult, SeriesQuery};

/// Sums of minute windows by page and day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MinuteRollup {
    sums: BTreeMap<PageKey, Cell>,
    /// The latest minute that was ever added.
    latest_minute: UnixMillis,
    is_too_large: bool,
}

impl MinuteRollup {
    /// Adds a stored cell, unless it is of a longer window or of bots.
    pub fn add(&mut self, key: &CellKey, cell: &Cell) {
        if key.window.span != WindowSpan::Minute || self.is_too_large {
            return;
        }
        self.latest_minute = self.latest_minute.max(key.window.start);
        if let Some(page) = PageKey::from_cell_key(key) {
            self.sums.entry(page).or_default().merge(cell);
            self.enforce_page_limit();
        }
    }

    /// Applies the changes of a fold or a roll-up.
    pub fn apply(&mut self, deltas: &PageDeltas) {
        if self.is_too_large {
            return;
        }
        self.latest_minute = self.latest_minute.max(deltas.latest_minute);
        for (page, delta) in deltas.minutes.iter().flatten() {
            let sum = self.sums.entry(page.clone()).or_default();
            sum.merge(&delta.added);
            sum.subtract(&delta.removed);
        }
        self.sums.retain(|_, sum| !sum.is_empty());
        self.enforce_page_limit();
    }

    /// Adds all minutes to the result and returns true. Returns false if the query ends before the latest minute,
    /// or if there are too many pages; then the caller reads the cells.
    #[must_use]
    pub fn try_answer(&self, query: &SeriesQuery, groups: &mut QueryResult) -> bool {
        if self.is_too_large || query.to <= self.latest_minute {
            return false;
        }
        let matching = self.sums.iter().filter(|(key, _)| query.accepts_page(&key.page));
        matching.for_each(|(key, sum)| groups.add_page(query, key, sum));
        true
    }

    fn enforce_page_limit(&mut self) {
        if self.sums.len() > MAX_PAGES {
            (self.sums, self.is_too_large) = (BTreeMap::new(), true);
        }
    }
}

impl PageDeltas {
    /// Creates deltas that include minutes if a roll-up of minutes exists.
    #[must_use]
    pub fn for_minute_rollup(rollup: Option<&MinuteRollup>) -> Self {
        Self { minutes: rollup.map(|_| BTreeMap::new()), ..Self::default() }
    }
}

/// A page takes some kilobytes of the 128 MB of an object.
const MAX_PAGES: usize = 4000;

#[cfg(test)]
mod tests {
    use wire::beacon::Navigation;
    use wire::{Device, UnixMillis};

    use super::*;
    use crate::labels::SeriesLabels;
    use crate::query::BotFilter;
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
            dimensions: BTreeMap::new(),
        };
        CellKey { window: Window::containing(WindowSpan::Minute, UnixMillis(0)), labels }
    }

    #[test]
    fn above_the_page_limit_the_rollup_answers_nothing() {
        let cell = Cell { views: 1, visits: 1, ..Cell::default() };
        let query = SeriesQuery {
            from: UnixMillis(0),
            to: UnixMillis(60_000),
            bots: BotFilter::Exclude,
            only: Vec::new(),
            by: Vec::new(),
            step: None,
        };
        let mut rollup = MinuteRollup::default();
        (0..MAX_PAGES).for_each(|page| rollup.add(&key(page), &cell));
        let mut groups = QueryResult::default();
        assert!(rollup.try_answer(&query, &mut groups));
        assert_eq!(groups.total().views, MAX_PAGES as u64);

        rollup.add(&key(MAX_PAGES), &cell);
        rollup.add(&key(0), &cell);
        assert!(rollup.sums.is_empty(), "the sums are dropped");
        let mut groups = QueryResult::default();
        assert!(!rollup.try_answer(&query, &mut groups));
        assert_eq!(groups, QueryResult::default());
    }
}
