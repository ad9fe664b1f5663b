//! Daily sums: all series of a page, or of a slice, without bots. Most queries are about pages or one dimension over
//! many days. For each of these and each day with views, the sum from the start of the block of days up to that day is
//! stored beside the cells. Any range of whole days is then exactly one sum minus another, because cells are integers.
//!
//! A day is added to the sums once it is over, because each change of a sum is a row; corrections and roll-ups change
//! cells and sums in one step. What came after is summed up in memory by `recent_rollup`.

use std::collections::{BTreeMap, BTreeSet};

use wire::{UnixMillis, WindowSpan};

use crate::cell::Cell;
use crate::cell_key::CellKey;
use crate::folded_view::FoldedView;
use crate::horizon::{Horizon, SumKind};
use crate::labels::SeriesLabels;
use crate::sum_key::{SumKey, SumSeries, SumSource};
use wire::sorting::CollectOrdered;

/// Changes of daily sums by a fold or a roll-up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SumDeltas {
    /// Changes of stored sums.
    pub(crate) days: BTreeMap<SumKey, SumDelta>,
    /// Changes of recent windows, which have no stored sums, for each roll-up of them.
    pub(crate) recent: BTreeMap<SumSource, BTreeMap<SumKey, SumDelta>>,
    /// The latest changed window.
    pub(crate) latest: UnixMillis,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SumDelta {
    pub(crate) added: Cell,
    pub(crate) removed: Cell,
}

/// Work for the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SumEffect {
    /// Replace the stored sum.
    Store(SumKey, Cell),
    /// Remove the sum, which no view of its day is in.
    Remove(SumKey),
}

impl SumDeltas {
    /// Records a view that was added to a cell.
    pub(crate) fn add(&mut self, key: &CellKey, view: &FoldedView, horizon: &Horizon) {
        self.change(key, None, horizon, |delta| delta.added.add(view));
    }

    /// Records a view that was removed from a cell.
    pub(crate) fn remove(&mut self, key: &CellKey, view: &FoldedView, horizon: &Horizon) {
        self.change(key, None, horizon, |delta| delta.removed.add(view));
    }

    /// Records a cell that was rolled up into another or deleted. A cell whose labels changed moves to other sums.
    pub(crate) fn record_rollup(
        &mut self,
        from: &CellKey,
        into: Option<&CellKey>,
        cell: &Cell,
        horizon: &Horizon,
    ) {
        // Deleted days stay in their sums, which end with their block.
        let is_minute = from.window.span == WindowSpan::Minute;
        if into.map_or(!is_minute, |into| from.labels == into.labels) {
            return;
        }
        if let Some(into) = into {
            self.change(into, Some(from), horizon, |delta| delta.added.merge(cell));
        }
        self.change(from, into, horizon, |delta| delta.removed.merge(cell));
    }

    /// Changes each sum that a cell is in, and another one is not.
    fn change(
        &mut self,
        key: &CellKey,
        other: Option<&CellKey>,
        horizon: &Horizon,
        change: impl Fn(&mut SumDelta),
    ) {
        let start = key.window.start;
        for kind in SumKind::ALL {
            if start < horizon.sums_end(kind) {
                for key in changed_keys(|labels| kind.series_of(labels), key, other) {
                    if key.is_summed(horizon) {
                        change(self.days.entry(key).or_default());
                    }
                }
                continue;
            }
            self.latest = self.latest.max(start);
            for (source, deltas) in self.recent.iter_mut().filter(|(source, _)| source.kind() == kind) {
                for key in changed_keys(|labels| source.series_of(labels), key, other) {
                    change(deltas.entry(key).or_default());
                }
            }
        }
    }

    /// Returns the first changed day of each series and block. The sums from there on to the end of the block, and
    /// the last one before, must be loaded.
    #[must_use]
    pub fn first_changed_days(&self) -> BTreeSet<SumKey> {
        let mut first: BTreeMap<(&SumSeries, UnixMillis), UnixMillis> = BTreeMap::new();
        for key in self.days.keys() {
            first.entry((&key.series, key.block_start())).or_insert(key.day);
        }
        first.into_iter().map(|((series, _), day)| SumKey { series: series.clone(), day }).collect_set()
    }

    /// Returns the stored sums to load for a [first changed day](Self::first_changed_days).
    pub fn sums_to_load<'a, T>(
        first: &SumKey,
        sums: &'a BTreeMap<SumKey, T>,
    ) -> impl Iterator<Item = (&'a SumKey, &'a T)> + use<'a, T> {
        let key_on = |day| SumKey { series: first.series.clone(), day };
        let before = sums.range(key_on(first.block_start())..key_on(first.day)).next_back();
        sums.range(key_on(before.map_or(first.day, |(key, _)| key.day))..key_on(first.block_end()))
    }

    /// Splits the changes of stored sums into parts of about that many; the changes of a series stay together.
    #[must_use]
    pub fn into_parts(self, size: usize) -> Vec<Self> {
        let (mut parts, mut part) = (Vec::new(), Self::default());
        for (key, delta) in self.days {
            let is_full = part.days.len() >= size;
            if is_full && part.days.last_key_value().is_some_and(|(last, _)| last.series != key.series) {
                parts.push(std::mem::take(&mut part));
            }
            part.days.insert(key, delta);
        }
        parts.push(part);
        parts
    }

    /// Applies the changes to `sums`, the stored ones of [`sums_to_load`](Self::sums_to_load).
    #[must_use]
    pub fn apply_to(self, mut sums: BTreeMap<SumKey, Cell>) -> Vec<SumEffect> {
        let mut effects = Vec::new();
        let mut changes = self.days.into_iter().peekable();
        while let Some((first, delta)) = changes.next() {
            let (series, start, end) = (first.series.clone(), first.block_start(), first.block_end());
            let is_same = |key: &SumKey| key.series == series && key.block_start() == start;
            let mut days = BTreeMap::from([(first.day, delta)]);
            while let Some((key, delta)) = changes.next_if(|(key, _)| is_same(key)) {
                days.insert(key.day, delta);
            }
            let key_on = |day: UnixMillis| SumKey { series: series.clone(), day };
            let stored = sums.range(key_on(start)..key_on(end)).map(|(key, _)| key.day);
            let all: BTreeSet<UnixMillis> = stored.chain(days.keys().copied()).collect_set();
            // The changes up to and including the current day.
            let mut so_far = SumDelta::default();
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
                    effects.push(SumEffect::Store(key_on(day), sum.clone()));
                } else if is_stored {
                    effects.push(SumEffect::Remove(key_on(day)));
                }
                previous_sum = sum;
            }
        }
        effects
    }
}

/// Returns the sums that a cell is in, without those that another one of its day is in, too.
fn changed_keys(
    series_of: impl Fn(&SeriesLabels) -> Vec<SumSeries>,
    key: &CellKey,
    other: Option<&CellKey>,
) -> impl Iterator<Item = SumKey> {
    let others = other.map(|other| series_of(&other.labels)).unwrap_or_default();
    let series = series_of(&key.labels).into_iter().filter(move |series| !others.contains(series));
    let day = key.day();
    series.map(move |series| SumKey { series, day })
}
