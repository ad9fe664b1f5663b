//! Roll-up: cells move into longer windows, and days that are over are added to daily sums. Both are made in slices
//! beside what is read, and count once the horizon moves, which is one write. What an attempt that was interrupted has
//! left is removed by the next.

use ledger::{
    CardinalityLimits, Cell, CellEffect, CellKey, DaySums, MAX_SLICE_VALUES, PackedCell, RollupPlacement,
    SumDeltas, SumKind, roll_up,
};
use wire::{UnixMillis, WindowSpan};
use worker::Result;

use super::object::Shard;
use super::pack_store::{END, SLICE_WORK, malformed_error, malformed_row};
use super::turn::Turn;
use crate::clock::now;

impl Shard {
    pub(super) async fn roll_up(&self, turn: &Turn<'_>) -> Result<()> {
        let (before, retention) = (self.horizon()?, self.retention()?);
        let after = before.advanced(&retention, now());
        if after == before {
            return Ok(());
        }
        self.remove_cells(turn, WindowSpan::Hour, before.minutes, END).await?;
        self.remove_cells(turn, WindowSpan::Day, before.hours, END).await?;
        let old = [(WindowSpan::Minute, after.minutes), (WindowSpan::Hour, after.hours)];
        let mut placement = RollupPlacement::default();
        for (span, end) in old {
            let take = |cell: &PackedCell<'_>| {
                let key = cell.key(span).ok_or_else(malformed_row)?;
                placement.count(&key, Cell::encoded_views(cell.cell).map_err(malformed_error)?, &after);
                Ok(1)
            };
            self.scan_cells(turn, span, (UnixMillis(0), end), take).await?;
        }
        let placement = placement.assigned(CardinalityLimits::default());
        let mut recent_rollups = self.recent_rollups.take();
        let mut sums = SumDeltas::for_recent_rollups(&recent_rollups);
        for (span, end) in old {
            let mut slice = Vec::new();
            let mut copy = |slice: &mut Vec<(CellKey, Cell)>| {
                let old = std::mem::take(slice);
                let into = old.iter().filter_map(|(key, _)| key.rollup_target(&placement, &after)).collect();
                let (packs, cells) = self.load_cells(into)?;
                let effects = roll_up(old, cells, &placement, &after, &mut sums);
                // The old ones count until the horizon moves.
                let copies = effects.into_iter().filter(|effect| matches!(effect, CellEffect::Store(..)));
                self.apply_effects(packs, copies.collect()).map(drop)
            };
            let take = |cell: &PackedCell<'_>| {
                let key = cell.key(span).ok_or_else(malformed_row)?;
                slice.push((key, Cell::decode(cell.cell).map_err(malformed_error)?));
                if slice.len() < MAX_COPIED_CELLS {
                    return Ok(0);
                }
                copy(&mut slice)?;
                Ok(SLICE_WORK)
            };
            self.scan_cells(turn, span, (UnixMillis(0), end), take).await?;
            copy(&mut slice)?;
        }
        recent_rollups.apply(&sums);
        self.apply_sum_deltas(sums)?;
        let mut cardinality = self.load_cardinality()?;
        cardinality.decay();
        self.store_fact("heavy", cardinality.frequent_routes())?;
        self.store_fact("horizon", &after)?;
        self.cardinality.replace(Some(cardinality));
        // Once a day is over, recent windows are summed up anew, without it.
        for kind in SumKind::ALL.into_iter().filter(|kind| !after.has_all_sums(*kind)) {
            recent_rollups.forget(kind);
        }
        self.recent_rollups.replace(recent_rollups);
        for (span, end) in [
            (WindowSpan::Minute, after.minutes),
            (WindowSpan::Hour, after.hours),
            (WindowSpan::Day, after.days),
        ] {
            self.remove_cells(turn, span, UnixMillis(0), end).await?;
        }
        for kind in SumKind::ALL {
            self.remove_sums(turn, kind, "block < ?", after.oldest_block()).await?;
        }
        Ok(())
    }

    /// Adds the next day that is over to the sums of a kind. Returns the number of its cells; `None` if there is no such
    /// day.
    pub(super) async fn add_day(&self, turn: &Turn<'_>, kind: SumKind) -> Result<Option<usize>> {
        let begun = self.horizon()?;
        if begun.has_all_sums(kind) {
            return Ok(None);
        }
        let horizon = begun.before_partial_day(kind);
        let (end, fact) = (horizon.sums_end(kind), added_day_fact(kind));
        self.recent_rollups.borrow_mut().forget(kind);
        if begun != horizon || self.load_fact::<UnixMillis>(fact)?.is_some() {
            self.store_fact("horizon", &horizon)?;
            self.remove_sums(turn, kind, "day >= ?", end).await?;
        }
        self.store_fact(fact, &end)?;
        let mut first = None;
        for span in [WindowSpan::Hour, WindowSpan::Day] {
            let start = self.first_window(span, end)?;
            first = [first, start].into_iter().flatten().min();
        }
        let mut after = horizon.after_adding_day(kind, first);
        let (mut sums, mut cells) = (DaySums::new(kind, MAX_SLICE_VALUES), 0_usize);
        for span in [WindowSpan::Hour, WindowSpan::Day] {
            let take = |cell: &PackedCell<'_>| {
                let key = cell.key(span).ok_or_else(malformed_row)?;
                let changed = sums.add(&key, cell.cell).map_err(malformed_error)?;
                cells = cells.saturating_add(1);
                Ok(changed.saturating_add(1))
            };
            self.scan_cells(turn, span, (end, after.sums_end(kind)), take).await?;
        }
        for part in sums.finish(&mut after).into_parts(MAX_WRITTEN_SUMS) {
            self.apply_sum_deltas(part)?;
            turn.pause().await?;
        }
        self.store_fact("horizon", &after)?;
        self.sql().exec("DELETE FROM facts WHERE name = ?", vec![fact.into()])?;
        Ok(Some(cells))
    }
}

/// Returns the fact with the day that is being added to the sums of a kind.
const fn added_day_fact(kind: SumKind) -> &'static str {
    match kind {
        SumKind::Pages => "added_day",
        SumKind::Slices => "added_slices_day",
    }
}

/// Cells that are copied in one slice.
const MAX_COPIED_CELLS: usize = 150;
/// Sums that are written in one slice.
const MAX_WRITTEN_SUMS: usize = 50;
