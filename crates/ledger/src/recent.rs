//! What pages count in minutes. Stored sums hold what is older; the minutes change with every fold, and
//! to store their sums as often would cost a row each time. So a shard that is asked for pages sums its
//! minutes up once, and keeps the sums in memory, up to date, while it lives.

use std::collections::BTreeMap;

use wire::UnixMillis;

use crate::cell::Cell;
use crate::fold::CellKey;
use crate::pages::{Changes, PageKey};
use crate::read::{Groups, Query};
use crate::window::Span;

/// Sums of minutes, for each page and day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recent {
    sums: BTreeMap<PageKey, Cell>,
    /// The latest minute that was ever among them.
    last: UnixMillis,
    is_too_large: bool,
}

impl Recent {
    /// Adds a stored cell, if it is of a minute and of people.
    pub fn add(&mut self, key: &CellKey, cell: &Cell) {
        if key.window.span != Span::Minute || self.is_too_large {
            return;
        }
        self.last = self.last.max(key.window.start);
        if let Some(page) = PageKey::of(key) {
            self.sums.entry(page).or_default().merge(cell);
            self.bound();
        }
    }

    /// Follows what a fold or a roll-up has changed.
    pub fn follow(&mut self, changes: &Changes) {
        if self.is_too_large {
            return;
        }
        self.last = self.last.max(changes.last);
        for (page, change) in changes.minutes.iter().flatten() {
            let sum = self.sums.entry(page.clone()).or_default();
            sum.merge(&change.added);
            sum.subtract(&change.taken);
        }
        self.sums.retain(|_, sum| !sum.is_empty());
        self.bound();
    }

    /// Adds all minutes to the answer; or nothing, where the question ends before the last of them, or
    /// where there are more pages than are kept in mind. Then the cells have to be asked.
    #[must_use]
    pub fn answer(&self, query: &Query, groups: &mut Groups) -> bool {
        if self.is_too_large || query.to <= self.last {
            return false;
        }
        let asked = self.sums.iter().filter(|(key, _)| query.accepts_page(&key.page));
        asked.for_each(|(key, sum)| groups.add_page(query, key, sum));
        true
    }

    fn bound(&mut self) {
        if self.sums.len() > MOST_PAGES {
            (self.sums, self.is_too_large) = (BTreeMap::new(), true);
        }
    }
}

/// Some kilobytes each, of the 128 MB that an object has.
const MOST_PAGES: usize = 4000;

#[cfg(test)]
mod tests {
    use wire::beacon::Navigation;
    use wire::{Device, UnixMillis};

    use super::*;
    use crate::read::Bots;
    use crate::told::Labels;
    use crate::window::Window;

    fn key(page: usize) -> CellKey {
        let labels = Labels {
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
        CellKey { window: Window::of(Span::Minute, UnixMillis(0)), labels }
    }

    #[test]
    fn of_more_pages_than_are_kept_in_mind_nothing_is_answered() {
        let cell = Cell { views: 1, visits: 1, ..Cell::default() };
        let query = Query {
            from: UnixMillis(0),
            to: UnixMillis(60_000),
            bots: Bots::Exclude,
            only: Vec::new(),
            by: Vec::new(),
            step: None,
        };
        let mut recent = Recent::default();
        (0..MOST_PAGES).for_each(|page| recent.add(&key(page), &cell));
        let mut groups = Groups::default();
        assert!(recent.answer(&query, &mut groups));
        assert_eq!(groups.total().views, MOST_PAGES as u64);

        recent.add(&key(MOST_PAGES), &cell);
        recent.add(&key(0), &cell);
        assert!(recent.sums.is_empty(), "it takes no room any more");
        let mut groups = Groups::default();
        assert!(!recent.answer(&query, &mut groups));
        assert_eq!(groups, Groups::default());
    }
}
