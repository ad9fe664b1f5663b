//! Reads of cells and page sums. Each waits for its turn, folds, and pauses often, so that beacons are stored in
//! between.

use ledger::{DayRange, HourlyLimitCounts, PackedCell, QueryResult, RecentRollup, SeriesQuery, TurnKind};
use report::cause_report::{CauseQuery, PageCauses};
use wire::{UnixMillis, Window, WindowSpan};
use worker::Result;

use super::object::{ActiveBudgets, Shard};
use super::pack_store::{END, malformed_error, malformed_row};
use super::turn::Turn;
use crate::budgets;
use crate::clock::now;

impl Shard {
    /// Reads series, of everything that was stored before. Budgets may have been read that long ago.
    pub(super) async fn run_query(
        &self,
        kind: TurnKind,
        query: &SeriesQuery,
        max_age_ms: u64,
    ) -> Result<QueryResult> {
        let turn = self.take_read_turn(kind, max_age_ms).await?;
        self.query_local(&turn, query).await
    }

    /// Reads the views of the last days against their limits.
    pub(super) async fn read_limit_counts(&self, kind: TurnKind) -> Result<HourlyLimitCounts> {
        let turn = self.take_read_turn(kind, budgets::MAX_AGE_MS).await?;
        let now = now();
        let mut counts = HourlyLimitCounts::default();
        let from = Window::containing(WindowSpan::Hour, now.saturating_sub(HourlyLimitCounts::SPAN_MS)).start;
        for span in [WindowSpan::Minute, WindowSpan::Hour] {
            let take = |cell: &PackedCell<'_>| {
                let key = cell.key(span).ok_or_else(malformed_row)?;
                counts.add(&key, cell.cell, now).map_err(malformed_error)?;
                Ok(1)
            };
            self.scan_cells(&turn, span, (from, END), take).await?;
        }
        Ok(counts)
    }

    /// Reads the causes of slow views.
    pub(super) async fn run_cause_query(&self, query: &CauseQuery) -> Result<Vec<PageCauses>> {
        let _turn = self.take_read_turn(TurnKind::Read, budgets::MAX_AGE_MS).await?;
        self.read_causes(query)
    }

    async fn take_read_turn(&self, kind: TurnKind, max_age_ms: u64) -> Result<Turn<'_>> {
        let ActiveBudgets { budgets, .. } = self.active_budgets(max_age_ms).await?;
        let turn = self.take_turn(kind).await?;
        self.fold(&turn, &budgets).await?;
        Ok(turn)
    }

    async fn query_local(&self, turn: &Turn<'_>, query: &SeriesQuery) -> Result<QueryResult> {
        let history =
            self.active_budgets.borrow().as_ref().map(|active| active.history.clone()).unwrap_or_default();
        let mut groups = QueryResult {
            last_beacon_at: self.last_beacon_at()?,
            budget_history: history,
            rejections: self.rejections(query)?,
            ..QueryResult::default()
        };
        let plan = query.plan(&self.horizon()?);
        for stretch in plan.days.into_iter().flat_map(DayRange::block_ranges) {
            match query.step {
                None => self.read_days(turn, query, stretch, &mut groups).await?,
                Some(_) => self.read_each_day(turn, query, stretch, &mut groups).await?,
            }
        }
        let recent = match plan.recent {
            Some((from, to)) if !self.add_recent(turn, query, from, &mut groups).await? => Some((from, to)),
            _ => None,
        };
        for (from, to) in plan.cells.into_iter().chain(recent) {
            for span in WindowSpan::ALL {
                // A longer window belongs to the answer when any part of it does.
                let from = Window::containing(span, from).start;
                self.read_cells(turn, query, span, (from, to), &mut groups).await?;
            }
        }
        Ok(groups)
    }

    /// Adds what pages count in recent windows, from a moment on, if that is known; summed up when it is asked for
    /// first.
    async fn add_recent(
        &self,
        turn: &Turn<'_>,
        query: &SeriesQuery,
        from: UnixMillis,
        groups: &mut QueryResult,
    ) -> Result<bool> {
        if self.recent_rollup.borrow().is_none() {
            let (horizon, mut known) = (self.horizon()?, RecentRollup::default());
            for span in [WindowSpan::Minute, WindowSpan::Hour] {
                let take = |cell: &PackedCell<'_>| {
                    let key = cell.key(span).ok_or_else(malformed_row)?;
                    known.add(&key, cell.cell, &horizon).map_err(malformed_error)?;
                    Ok(CELL_WORK)
                };
                self.scan_cells(turn, span, (from, END), take).await?;
            }
            self.recent_rollup.replace(Some(known));
        }
        let recent = self.recent_rollup.borrow();
        Ok(recent.as_ref().is_some_and(|recent| recent.try_answer(query, groups)))
    }

    async fn read_cells(
        &self,
        turn: &Turn<'_>,
        query: &SeriesQuery,
        span: WindowSpan,
        within: (UnixMillis, UnixMillis),
        groups: &mut QueryResult,
    ) -> Result<()> {
        let fragments = query.label_fragments();
        let take = |cell: &PackedCell<'_>| {
            // Most cells without the values are passed over before their labels are parsed.
            if !fragments.iter().all(|fragment| cell.series.contains(fragment.as_str())) {
                return Ok(0);
            }
            let key = cell.key(span).ok_or_else(malformed_row)?;
            if query.accepts(&key.labels) {
                groups.add_encoded(query, &key, cell.cell).map_err(malformed_error)?;
            }
            Ok(CELL_WORK)
        };
        self.scan_cells(turn, span, within, take).await
    }
}

/// The sketches of a cell are merged.
const CELL_WORK: usize = 2;
