//! Roll-up: cells move into longer windows, and days that are over are added to page sums. Both are made in slices
//! beside what is read, and count once the horizon moves, which is one write. What an attempt that was interrupted has
//! left is removed by the next.

use ledger::{
    CardinalityLimits, Cell, CellEffect, CellKey, PackedCell, PageDeltas, RollupPlacement, roll_up,
};
use wire::{UnixMillis, WindowSpan};
use worker::Result;

use super::object::Shard;
use super::pack_store::{END, SLICE_WORK, malformed_error, malformed_row};
use super::turn::Turn;
use crate::clock::now;
use crate::sql::to_sql_integer;

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
        let mut recent_rollup = self.recent_rollup.take();
        let mut pages = PageDeltas::for_recent_rollup(recent_rollup.as_ref());
        for (span, end) in old {
            let mut slice = Vec::new();
            let mut copy = |slice: &mut Vec<(CellKey, Cell)>| {
                let old = std::mem::take(slice);
                let into = old.iter().filter_map(|(key, _)| key.rollup_target(&placement, &after)).collect();
                let (packs, cells) = self.load_cells(into)?;
                let effects = roll_up(old, cells, &placement, &after, &mut pages);
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
        recent_rollup.iter_mut().for_each(|recent| recent.apply(&pages));
        self.apply_page_deltas(pages)?;
        let mut cardinality = self.load_cardinality()?;
        cardinality.decay();
        self.store_fact("heavy", cardinality.frequent_routes())?;
        self.store_fact("horizon", &after)?;
        self.cardinality.replace(Some(cardinality));
        // Once a day is over, it is summed up anew, without it.
        self.recent_rollup.replace(recent_rollup.filter(|_| after.has_all_pages()));
        for (span, end) in [
            (WindowSpan::Minute, after.minutes),
            (WindowSpan::Hour, after.hours),
            (WindowSpan::Day, after.days),
        ] {
            self.remove_cells(turn, span, UnixMillis(0), end).await?;
        }
        self.remove_page_sums(turn, "block < ?", after.oldest_block()).await
    }

    /// Adds the next day that is over to page sums. Returns the number of its cells; `None` if there is no such day.
    pub(super) async fn add_page_day(&self, turn: &Turn<'_>) -> Result<Option<usize>> {
        let horizon = self.horizon()?;
        if horizon.has_all_pages() {
            return Ok(None);
        }
        let (begun, horizon) = (horizon, horizon.before_partial_page_day());
        self.recent_rollup.replace(None);
        if begun != horizon || self.load_fact::<UnixMillis>(ADDED_DAY_FACT)?.is_some() {
            self.store_fact("horizon", &horizon)?;
            self.remove_page_sums(turn, "day >= ?", horizon.pages).await?;
        }
        self.store_fact(ADDED_DAY_FACT, &horizon.pages)?;
        let mut first = None;
        for span in [WindowSpan::Hour, WindowSpan::Day] {
            let start = self.first_window(span, horizon.pages)?;
            first = [first, start].into_iter().flatten().min();
        }
        let after = horizon.after_adding_pages(first);
        let (mut pages, mut cells) = (PageDeltas::default(), 0_usize);
        for span in [WindowSpan::Hour, WindowSpan::Day] {
            let take = |cell: &PackedCell<'_>| {
                let key = cell.key(span).ok_or_else(malformed_row)?;
                pages.add_to_day(&key, cell.cell).map_err(malformed_error)?;
                cells = cells.saturating_add(1);
                Ok(2)
            };
            self.scan_cells(turn, span, (horizon.pages, after.pages), take).await?;
        }
        for part in pages.into_parts(MAX_WRITTEN_SUMS) {
            self.apply_page_deltas(part)?;
            turn.pause().await?;
        }
        self.store_fact("horizon", &after)?;
        self.sql().exec("DELETE FROM facts WHERE name = ?", vec![ADDED_DAY_FACT.into()])?;
        Ok(Some(cells))
    }

    async fn remove_page_sums(&self, turn: &Turn<'_>, condition: &str, time: UnixMillis) -> Result<()> {
        let statement = format!(
            "DELETE FROM pages WHERE (block, page, day) IN (SELECT block, page, day FROM pages WHERE {condition} LIMIT 500)"
        );
        while self.sql().exec(&statement, vec![to_sql_integer(time.0)])?.rows_written() > 0 {
            turn.pause().await?;
        }
        Ok(())
    }
}

/// The day that is being added to page sums.
const ADDED_DAY_FACT: &str = "added_day";
/// Cells that are copied in one slice.
const MAX_COPIED_CELLS: usize = 250;
/// Page sums that are written in one slice.
const MAX_WRITTEN_SUMS: usize = 100;
