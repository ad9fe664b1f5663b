//! Page sums: all series of a route and device class, without bots. Most queries are about pages over many days.
//! For each page and day with views, the sum from the start of the block of days up to that day is stored beside
//! the cells. Any range of whole days is then exactly one sum minus another, because cells are integers.
//!
//! A day is added to the sums of its pages once it is over, because each change of a sum is a row; corrections and
//! roll-ups change cells and sums in one step. What came after is summed up in memory by `recent_rollup`.

use std::collections::{BTreeMap, BTreeSet};

use wire::{CodecError, UnixMillis, WindowSpan};

use crate::cell::Cell;
use crate::cell_key::CellKey;
use crate::folded_view::FoldedView;
use crate::horizon::Horizon;
use crate::page_key::{PageKey, PageLabels};
use wire::sorting::CollectOrdered;

/// Changes of page sums by a fold or a roll-up, by day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageDeltas {
    /// Changes of stored sums.
    pub(crate) days: BTreeMap<PageKey, PageDelta>,
    /// Changes of recent windows, which have no stored sums; `None` without a roll-up of them.
    pub(crate) recent: Option<BTreeMap<PageKey, PageDelta>>,
    /// The latest changed window.
    pub(crate) latest: UnixMillis,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PageDelta {
    pub(crate) added: Cell,
    pub(crate) removed: Cell,
}

/// Work for the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageEffect {
    /// Replace the stored sum.
    Store(PageKey, Cell),
    /// Remove the sum, which no view of its day is in.
    Remove(PageKey),
}

impl PageDeltas {
    /// Records a view that was added to a cell.
    pub(crate) fn add(&mut self, key: &CellKey, view: &FoldedView, horizon: &Horizon) {
        if let Some(delta) = self.delta_for(key, horizon) {
            delta.added.add(view);
        }
    }

    /// Records a view that was removed from a cell.
    pub(crate) fn remove(&mut self, key: &CellKey, view: &FoldedView, horizon: &Horizon) {
        if let Some(delta) = self.delta_for(key, horizon) {
            delta.removed.add(view);
        }
    }

    /// Records a cell that was rolled up into another or deleted. A cell whose route changed moves to another page.
    pub(crate) fn record_rollup(
        &mut self,
        from: &CellKey,
        into: Option<&CellKey>,
        cell: &Cell,
        horizon: &Horizon,
    ) {
        let is_minute = from.window.span == WindowSpan::Minute;
        if into.map_or(!is_minute, |into| from.labels.route == into.labels.route) {
            return;
        }
        if let Some(delta) = into.and_then(|into| self.delta_for(into, horizon)) {
            delta.added.merge(cell);
        }
        if let Some(delta) = self.delta_for(from, horizon) {
            delta.removed.merge(cell);
        }
    }

    /// Adds a stored cell of a day that is added to page sums.
    ///
    /// # Errors
    /// Returns an error if the bytes are malformed or of an unsupported version.
    pub fn add_to_day(&mut self, key: &CellKey, cell: &[u8]) -> Result<(), CodecError> {
        match PageKey::from_cell_key(key) {
            Some(key) => self.days.entry(key).or_default().added.merge_encoded(cell),
            None => Ok(()),
        }
    }

    fn delta_for(&mut self, key: &CellKey, horizon: &Horizon) -> Option<&mut PageDelta> {
        let changes = if key.window.start < horizon.pages {
            &mut self.days
        } else {
            self.latest = self.latest.max(key.window.start);
            self.recent.as_mut()?
        };
        Some(changes.entry(PageKey::from_cell_key(key)?).or_default())
    }

    /// Returns the first changed day of each page and block. The sums from there on to the end of the block, and
    /// the last one before, must be loaded.
    #[must_use]
    pub fn first_changed_days(&self) -> BTreeSet<PageKey> {
        let mut first: BTreeMap<(&PageLabels, UnixMillis), UnixMillis> = BTreeMap::new();
        for key in self.days.keys() {
            first.entry((&key.page, key.block_start())).or_insert(key.day);
        }
        first.into_iter().map(|((page, _), day)| PageKey { page: page.clone(), day }).collect_set()
    }

    /// Returns the stored sums to load for a [first changed day](Self::first_changed_days).
    pub fn sums_to_load<'a, T>(
        first: &PageKey,
        sums: &'a BTreeMap<PageKey, T>,
    ) -> impl Iterator<Item = (&'a PageKey, &'a T)> + use<'a, T> {
        let key_on = |day| PageKey { page: first.page.clone(), day };
        let before = sums.range(key_on(first.block_start())..key_on(first.day)).next_back();
        sums.range(key_on(before.map_or(first.day, |(key, _)| key.day))..key_on(first.block_end()))
    }

    /// Splits the changes of stored sums into parts of about that many; the changes of a page stay together.
    #[must_use]
    pub fn into_parts(self, size: usize) -> Vec<Self> {
        let (mut parts, mut part) = (Vec::new(), Self::default());
        for (key, delta) in self.days {
            let is_full = part.days.len() >= size;
            if is_full && part.days.last_key_value().is_some_and(|(last, _)| last.page != key.page) {
                parts.push(std::mem::take(&mut part));
            }
            part.days.insert(key, delta);
        }
        parts.push(part);
        parts
    }

    /// Applies the changes to `sums`, the stored ones of [`sums_to_load`](Self::sums_to_load).
    #[must_use]
    pub fn apply_to(self, mut sums: BTreeMap<PageKey, Cell>) -> Vec<PageEffect> {
        let mut effects = Vec::new();
        let mut changes = self.days.into_iter().peekable();
        while let Some((first, delta)) = changes.next() {
            let (page, start, end) = (first.page.clone(), first.block_start(), first.block_end());
            let is_same = |key: &PageKey| key.page == page && key.block_start() == start;
            let mut days = BTreeMap::from([(first.day, delta)]);
            while let Some((key, delta)) = changes.next_if(|(key, _)| is_same(key)) {
                days.insert(key.day, delta);
            }
            let key_on = |day: UnixMillis| PageKey { page: page.clone(), day };
            let stored = sums.range(key_on(start)..key_on(end)).map(|(key, _)| key.day);
            let all: BTreeSet<UnixMillis> = stored.chain(days.keys().copied()).collect_set();
            // The changes up to and including the current day.
            let mut so_far = PageDelta::default();
            let (mut stored_sum, mut previous_sum) = (Cell::default(), Cell::default());
            for day in all {
                if let Some(delta) = days.remove(&day) {
                    so_far.added.merge(&delta.added);
                    so_far.removed.merge(&delta.removed);
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
