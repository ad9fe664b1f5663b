//! What pages count in minutes. Stored sums hold what is older; the minutes change with every fold, and
//! to store their sums as often would cost a row each time. So a shard that is asked for pages sums its
//! minutes up once, and keeps the sums in memory, up to date, while it lives.

use std::collections::BTreeMap;
use wire::{UnixMillis, WindowSpan};

use crate::cell::Cell;
use crate::cell_key::CellKey;
use crate::page::PageKey;
use crate::page_rollup::PageDeltas;
use crate::query::{QueryResult, SeriesQuery};

/// Sums of minutes, for each page and day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MinuteRollup {
    sums: BTreeMap<PageKey, Cell>,
    /// The latest minute that was ever among them.
    latest_minute: UnixMillis,
    is_too_large: bool,
}

impl MinuteRollup {
    /// Adds a stored cell, if it is of a minute and of people.
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

    /// Follows what a fold or a roll-up has changed.
    pub fn apply(&mut self, deltas: &PageDeltas) {
        if self.is_too_large {
            return;
        }
        self.latest_minute = self.latest_minute.max(deltas.latest_minute);
        for (page, change) in deltas.minutes.iter().flatten() {
            let sum = self.sums.entry(page.clone()).or_default();
            sum.merge(&change.added);
            sum.subtract(&change.removed);
        }
        self.sums.retain(|_, sum| !sum.is_empty());
        self.enforce_page_limit();
    }

    /// Adds all minutes to the answer; or nothing, where the question ends before the last of them, or
    /// where there are more pages than are kept in mind. Then the cells have to be asked.
    #[must_use]
    pub fn try_answer(&self, query: &SeriesQuery, groups: &mut QueryResult) -> bool {
        if self.is_too_large || query.to <= self.latest_minute {
            return false;
        }
        let asked = self.sums.iter().filter(|(key, _)| query.accepts_page(&key.page));
        asked.for_each(|(key, sum)| groups.add_page(query, key, sum));
        true
    }

    fn enforce_page_limit(&mut self) {
        if self.sums.len() > MAX_PAGES {
            (self.sums, self.is_too_large) = (BTreeMap::new(), true);
        }
    }
}

impl PageDeltas {
    /// Changes that are noted for what is known of minutes, too.
    #[must_use]
    pub fn for_minute_rollup(recent: Option<&MinuteRollup>) -> Self {
        Self { minutes: recent.map(|_| BTreeMap::new()), ..Self::default() }
    }
}

/// Some kilobytes each, of the 128 MB that an object has.
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
        let mut recent = MinuteRollup::default();
        (0..MAX_PAGES).for_each(|page| recent.add(&key(page), &cell));
        let mut groups = QueryResult::default();
        assert!(recent.try_answer(&query, &mut groups));
        assert_eq!(groups.total().views, MAX_PAGES as u64);

        recent.add(&key(MAX_PAGES), &cell);
        recent.add(&key(0), &cell);
        assert!(recent.sums.is_empty(), "it takes no room any more");
        let mut groups = QueryResult::default();
        assert!(!recent.try_answer(&query, &mut groups));
        assert_eq!(groups, QueryResult::default());
    }
}
