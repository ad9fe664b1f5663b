//! Reads of cells and daily sums. Each waits for its turn, folds, and pauses often, so that beacons are stored in
//! between.

use ledger::{
    HourlyLimitCounts, PackedCell, QueryResult, RecentRollup, ResultEncoder, SeriesQuery, SumSource, TurnKind,
};
use report::cause_report::{CauseQuery, PageCauses};
use wire::{UnixMillis, Window, WindowSpan};
use worker::Result;

use super::object::{ActiveBudgets, Shard};
use super::pack_store::{END, malformed_error, malformed_row};
use super::turn::{Turn, yield_to_events};
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

    /// Encodes the reply to a query, some cells at a time.
    pub(super) async fn encode_result(&self, result: QueryResult) -> Result<Vec<u8>> {
        let mut encoder = ResultEncoder::new(result);
        while encoder.encode_some().map_err(malformed_error)? {
            yield_to_events().await;
        }
        encoder.finish().map_err(malformed_error)
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
        let turn = self.take_read_turn(TurnKind::Read, budgets::MAX_AGE_MS).await?;
        self.read_causes(&turn, query).await
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
        let (cells, mut recent) = (plan.cells, plan.recent);
        if let Some(sums) = plan.days {
            self.read_sums(turn, query, &sums, &mut groups).await?;
            if let Some((from, _)) = recent
                && self.add_recent(turn, query, sums.source, from, &mut groups).await?
            {
                recent = None;
            }
        }
        for (from, to) in cells.into_iter().chain(recent) {
            for span in WindowSpan::ALL {
                // A longer window belongs to the answer when any part of it does.
                let from = Window::containing(span, from).start;
                self.read_cells(turn, query, span, (from, to), &mut groups).await?;
            }
        }
        Ok(groups)
    }

    /// Adds the sums of recent windows, from a moment on; summed up when they are asked for first.
    async fn add_recent(
        &self,
        turn: &Turn<'_>,
        query: &SeriesQuery,
        source: SumSource,
        from: UnixMillis,
        groups: &mut QueryResult,
    ) -> Result<bool> {
        if !self.recent_rollups.borrow().has(&source) {
            let (horizon, mut rollup) = (self.horizon()?, RecentRollup::new(source));
            for span in [WindowSpan::Minute, WindowSpan::Hour] {
                let take = |cell: &PackedCell<'_>| {
                    let key = cell.key(span).ok_or_else(malformed_row)?;
                    rollup.add(&key, cell.cell, &horizon).map_err(malformed_error)?;
                    Ok(CELL_WORK)
                };
                self.scan_cells(turn, span, (from, END), take).await?;
            }
            self.recent_rollups.borrow_mut().insert(rollup);
        }
        if !self.recent_rollups.borrow().can_answer(query) {
            return Ok(false);
        }
        let mut after = None;
        loop {
            after = self.recent_rollups.borrow().add_some(query, after, groups);
            if after.is_none() {
                return Ok(true);
            }
            turn.pause().await?;
        }
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
