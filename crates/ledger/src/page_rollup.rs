//! Pages: what all series of a route and a device class come to, people only. Most questions are about
//! these, over many days; so beside the cells stands, for each page and day, the sum of its block of days
//! up to that day. Any number of whole days is then one sum less another, exactly, because cells are
//! integers that can be taken out again.
//!
//! A view stands in its page once its cell is no minute any more; corrections and roll-ups change both in
//! one step. A page has a sum for each day on which it was seen, and no other. The minutes are summed up
//! in memory: see `recent`.

use std::collections::{BTreeMap, BTreeSet};

use wire::{UnixMillis, WindowSpan};

use crate::cell::Cell;
use crate::cell_key::CellKey;
use crate::folded_view::FoldedView;
use crate::horizon::Horizon;
use crate::page::{PageKey, PageLabels};

/// What a fold or a roll-up changes of pages, day by day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageDeltas {
    /// Of the stored sums.
    pub(crate) days: BTreeMap<PageKey, PageDelta>,
    /// Of the minutes, which have no stored sums, where somebody follows these.
    pub(crate) minutes: Option<BTreeMap<PageKey, PageDelta>>,
    /// The latest of these minutes.
    pub(crate) latest_minute: UnixMillis,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PageDelta {
    pub(crate) added: Cell,
    pub(crate) removed: Cell,
}

/// What the shell must do with the sum of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageEffect {
    /// Store it in place of what is there.
    Store(PageKey, Cell),
    /// Remove it: nothing of that day is counted in it.
    Remove(PageKey),
}

impl PageDeltas {
    /// A view came into a cell.
    pub(crate) fn add(&mut self, key: &CellKey, view: &FoldedView, horizon: &Horizon) {
        if let Some(change) = self.delta_for(key, horizon) {
            change.added.add(view);
        }
    }

    /// A view was taken out of a cell.
    pub(crate) fn remove(&mut self, key: &CellKey, view: &FoldedView, horizon: &Horizon) {
        if let Some(change) = self.delta_for(key, horizon) {
            change.removed.add(view);
        }
    }

    /// A cell was rolled up into another, or is kept no longer. What grows out of minutes comes to stand in
    /// its page; what was given another place moves to another page.
    pub(crate) fn record_rollup(
        &mut self,
        from: &CellKey,
        into: Option<&CellKey>,
        cell: &Cell,
        horizon: &Horizon,
    ) {
        let is_new = from.window.span == WindowSpan::Minute;
        if !is_new && into.is_none_or(|into| from.labels.route == into.labels.route) {
            return;
        }
        if let Some(change) = into.and_then(|into| self.delta_for(into, horizon)) {
            change.added.merge(cell);
        }
        if let Some(change) = self.delta_for(from, horizon) {
            change.removed.merge(cell);
        }
    }

    /// A cell of before there were pages comes to stand in its own: the horizon moves past it.
    pub fn backfill(&mut self, key: &CellKey, cell: &Cell) {
        if let Some(key) = PageKey::from_cell_key(key) {
            self.days.entry(key).or_default().added.merge(cell);
        }
    }

    fn delta_for(&mut self, key: &CellKey, horizon: &Horizon) -> Option<&mut PageDelta> {
        let changes = match key.window.span {
            WindowSpan::Minute => {
                self.latest_minute = self.latest_minute.max(key.window.start);
                self.minutes.as_mut()?
            }
            _ if key.window.start < horizon.pages => &mut self.days,
            _ => return None,
        };
        Some(changes.entry(PageKey::from_cell_key(key)?).or_default())
    }

    /// The first day of each page and block that changes. Needed are the sums from there on to the end of
    /// the block, and the last one before.
    #[must_use]
    pub fn first_changed_days(&self) -> BTreeSet<PageKey> {
        let mut first: BTreeMap<(&PageLabels, UnixMillis), UnixMillis> = BTreeMap::new();
        for key in self.days.keys() {
            first.entry((&key.page, key.block_start())).or_insert(key.day);
        }
        first.into_iter().map(|((page, _), day)| PageKey { page: page.clone(), day }).collect()
    }

    /// The sums that are [`needed`](Self::needed) from a first day on, of those that there are.
    pub fn sums_to_load<'a, T>(
        first: &PageKey,
        sums: &'a BTreeMap<PageKey, T>,
    ) -> impl Iterator<Item = (&'a PageKey, &'a T)> + use<'a, T> {
        let key_on = |day| PageKey { page: first.page.clone(), day };
        let before = sums.range(key_on(first.block_start())..key_on(first.day)).next_back();
        sums.range(key_on(before.map_or(first.day, |(key, _)| key.day))..key_on(first.block_end()))
    }

    /// Brings sums up to what has changed. `sums` are the stored ones that are [`needed`](Self::needed).
    #[must_use]
    pub fn apply_to(self, mut sums: BTreeMap<PageKey, Cell>) -> Vec<PageEffect> {
        let mut effects = Vec::new();
        let mut changes = self.days.into_iter().peekable();
        while let Some((first, change)) = changes.next() {
            let (page, start, end) = (first.page.clone(), first.block_start(), first.block_end());
            let is_same = |key: &PageKey| key.page == page && key.block_start() == start;
            let mut days = BTreeMap::from([(first.day, change)]);
            while let Some((key, change)) = changes.next_if(|(key, _)| is_same(key)) {
                days.insert(key.day, change);
            }
            let key_on = |day: UnixMillis| PageKey { page: page.clone(), day };
            let stored = sums.range(key_on(start)..key_on(end)).map(|(key, _)| key.day);
            let all: BTreeSet<UnixMillis> = stored.chain(days.keys().copied()).collect();
            // What has changed up to and with the day at hand.
            let mut so_far = PageDelta::default();
            let (mut stored_sum, mut previous_sum) = (Cell::default(), Cell::default());
            for day in all {
                if let Some(change) = days.remove(&day) {
                    so_far.added.merge(&change.added);
                    so_far.removed.merge(&change.removed);
                }
                let stored = sums.remove(&key_on(day));
                let is_stored = stored.is_some();
                stored_sum = stored.unwrap_or(stored_sum);
                let mut sum = stored_sum.clone();
                sum.merge(&so_far.added);
                sum.subtract(&so_far.removed);
                if day < first.day {
                    previous_sum = sum;
                    continue;
                }
                if sum != previous_sum {
                    effects.push(PageEffect::Store(key_on(day), sum.clone()));
                } else if is_stored {
                    effects.push(PageEffect::Remove(key_on(day)));
                }
                previous_sum = sum;
            }
        }
        effects
    }
}
