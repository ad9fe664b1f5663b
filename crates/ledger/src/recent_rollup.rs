//! Page sums of recent windows, in memory. Page sums of days that are over are stored, but recent windows change with
//! every fold, and storing their sums would cost a row each time. A shard therefore sums them up at the first query,
//! and keeps the sums up to date while it lives.

use std::collections::BTreeMap;
use wire::{CodecError, UnixMillis};

use crate::cell::Cell;
use crate::cell_key::CellKey;
use crate::horizon::Horizon;
use crate::page_key::PageKey;
use crate::page_rollup::PageDeltas;
use crate::query::{QueryResult, SeriesQuery};

/// Sums of the windows that are not in page sums, by page and day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecentRollup {
    sums: BTreeMap<PageKey, Cell>,
    /// The latest window that was ever added.
    latest: UnixMillis,
    is_too_large: bool,
}

impl RecentRollup {
    /// Adds a stored cell, unless it is in page sums or of bots.
    ///
    /// # Errors
    /// Returns an error if the bytes are malformed or of an unsupported version.
    pub fn add(&mut self, key: &CellKey, cell: &[u8], horizon: &Horizon) -> Result<(), CodecError> {
        if key.window.start < horizon.pages || self.is_too_large {
            return Ok(());
        }
        self.latest = self.latest.max(key.window.start);
        if let Some(page) = PageKey::from_cell_key(key) {
            self.sums.entry(page).or_default().merge_encoded(cell)?;
            self.enforce_page_limit();
        }
        Ok(())
    }

    /// Applies the changes of a fold or a roll-up.
    pub fn apply(&mut self, deltas: &PageDeltas) {
        if self.is_too_large {
            return;
        }
        self.latest = self.latest.max(deltas.latest);
        for (page, delta) in deltas.recent.iter().flatten() {
            let sum = self.sums.entry(page.clone()).or_default();
            sum.merge(&delta.added);
            sum.subtract(&delta.removed);
        }
        self.sums.retain(|_, sum| !sum.is_empty());
        self.enforce_page_limit();
    }

    /// Adds all sums to the result and returns true. Returns false if the query ends before the latest window,
    /// or if there are too many pages; then the caller reads the cells.
    #[must_use]
    pub fn try_answer(&self, query: &SeriesQuery, groups: &mut QueryResult) -> bool {
        if self.is_too_large || query.to <= self.latest {
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
    /// Creates deltas that include recent windows if a roll-up of them exists.
    #[must_use]
    pub fn for_recent_rollup(rollup: Option<&RecentRollup>) -> Self {
        Self { recent: rollup.map(|_| BTreeMap::new()), ..Self::default() }
    }
}

/// A page takes some kilobytes of the 128 MB of an object.
const MAX_PAGES: usize = 4000;

#[cfg(test)]
mod tests {
    use wire::beacon::Navigation;
    use wire::{Device, UnixMillis, WindowSpan};

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
        let mut rollup = RecentRollup::default();
        let cell = cell.encode().expect("encodable");
        let add = |rollup: &mut RecentRollup, page| {
            rollup.add(&key(page), &cell, &Horizon::default()).expect("decodable");
        };
        (0..MAX_PAGES).for_each(|page| add(&mut rollup, page));
        let mut groups = QueryResult::default();
        assert!(rollup.try_answer(&query, &mut groups));
        assert_eq!(groups.total().views, MAX_PAGES as u64);

        add(&mut rollup, MAX_PAGES);
        add(&mut rollup, 0);
        assert!(rollup.sums.is_empty(), "the sums are dropped");
        let mut groups = QueryResult::default();
        assert!(!rollup.try_answer(&query, &mut groups));
        assert_eq!(groups, QueryResult::default());
    }
}
