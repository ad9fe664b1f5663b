//! The cells of a shard: updated from the journal, rolled up into longer windows, and read. `ledger` has the rules;
//! each step is written without an await, so wholly or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use budget::Budgets;
use ledger::journal::{JournalStep, MergedViews};
use ledger::{
    CardinalityGuard, CardinalityLimits, Cell, CellEffect, CellKey, DayRange, FoldedView, Horizon,
    HourlyLimitCounts, MinuteRollup, PageDeltas, QueryResult, RollupPlacement, SeriesLabels, SeriesQuery,
    cells_to_load, fold, roll_up,
};
use report::beacon_verdicts::limits_for;
use wire::{CodecError, UnixMillis, Window, WindowSpan};
use worker::{Delay, Error, Result, SqlStorageValue};

use super::cause_store::PriorCounts;
use super::journal::journal_error;
use super::object::{ActiveBudgets, Shard};
use super::schema::MAX_ADOPTION_STEPS;
use crate::clock::now;
use crate::sql::{from_sql_integer, to_sql_integer};

impl Shard {
    /// Folds the views that arrived before.
    pub(super) async fn fold(&self, max_age_ms: u64) -> Result<()> {
        match self.try_fold(max_age_ms).await? {
            true => Ok(()),
            false => Err(Error::RustError("journal is being migrated, the next event resumes it".into())),
        }
    }

    /// Folds the views that arrived before, a slice at a time; beacons are stored in between. Each slice is
    /// written without an await, so wholly or not at all. Returns false if rows of an earlier journal are left for
    /// the next event.
    pub(super) async fn try_fold(&self, max_age_ms: u64) -> Result<bool> {
        let ActiveBudgets { budgets, .. } = self.active_budgets(max_age_ms).await?;
        for _ in 0..MAX_ADOPTION_STEPS {
            if !self.adopt_earlier_rows()? {
                break;
            }
            yield_to_events().await;
        }
        if !self.earlier_journals.borrow().is_empty() {
            return Ok(false);
        }
        self.index_journal().await?;
        let last = self.with_journal(|journal| Ok(journal.last_block()))?;
        while let JournalStep::FoldBlocks { after } = self.with_journal(|journal| Ok(journal.next_step()))?
            && after < last
        {
            let merged = self.with_journal(|journal| self.merge_blocks(journal, after))?;
            self.fold_slice(&merged, &budgets)?;
            if merged.through() < last {
                yield_to_events().await;
                self.index_journal().await?;
            }
        }
        Ok(true)
    }

    /// Builds the index of the journal, where it is not built yet.
    pub(super) async fn index_journal(&self) -> Result<()> {
        while self.take_index_step()? {
            yield_to_events().await;
        }
        Ok(())
    }

    fn fold_slice(&self, merged: &MergedViews, budgets: &Budgets) -> Result<()> {
        let mut views = merged.unfolded_views();
        self.token_claims.borrow_mut().apply(&mut views);
        let horizon = self.horizon()?;
        let mut cardinality = self.load_cardinality()?;
        for window in cardinality.unknown_windows(&views, &horizon) {
            cardinality.load_window(window, self.window_series(window)?);
        }
        let cells = self.load_cells(cells_to_load(&views, &cardinality, &horizon))?;
        let limits = |labels: &SeriesLabels| limits_for(budgets, labels);
        let before = PriorCounts::from_views(&views);
        let mut minute_rollup = self.minute_rollup.take();
        let mut pages = PageDeltas::for_minute_rollup(minute_rollup.as_ref());
        let effects = fold(views, cells, &mut cardinality, &horizon, limits, &mut pages);
        self.update_causes(before, &effects, &horizon)?;
        let counted = self.apply_effects(effects)?;
        minute_rollup.iter_mut().for_each(|recent| recent.apply(&pages));
        self.apply_page_deltas(pages)?;
        self.with_journal(|journal| {
            let folds = journal.prepare_folds(merged, &counted).map_err(journal_error)?;
            self.write_folds(&folds)?;
            journal.folds_written(folds).map_err(journal_error)
        })?;
        self.store_fact("heavy", cardinality.frequent_routes())?;
        // Where anything has failed, both are learned anew.
        self.cardinality.replace(Some(cardinality));
        self.minute_rollup.replace(minute_rollup);
        Ok(())
    }

    /// The counts of the last days.
    pub(super) fn limit_counts(&self) -> Result<HourlyLimitCounts> {
        let now = now();
        let mut counts = HourlyLimitCounts::default();
        let from = to_sql_integer(
            Window::containing(WindowSpan::Hour, now.saturating_sub(HourlyLimitCounts::SPAN_MS)).start.0,
        );
        let rows = self
            .sql()
            .exec("SELECT span, start, series, cell FROM cells WHERE span < 2 AND start >= ?", vec![from])?;
        for row in rows.raw() {
            let is_counted = match row?.as_slice() {
                [span, start, SqlStorageValue::String(series), SqlStorageValue::Blob(cell)] => {
                    decode_cell_key(span, start, series).and_then(|key| counts.add(&key, cell, now).ok())
                }
                _ => None,
            };
            is_counted.ok_or_else(malformed_row)?;
        }
        Ok(counts)
    }

    fn load_cardinality(&self) -> Result<CardinalityGuard> {
        if let Some(cardinality) = self.cardinality.take() {
            return Ok(cardinality);
        }
        Ok(CardinalityGuard::new(CardinalityLimits::default(), self.load_fact("heavy")?.unwrap_or_default()))
    }

    /// The series of a window.
    fn window_series(&self, window: Window) -> Result<Vec<SeriesLabels>> {
        let rows = self.sql().exec(
            "SELECT series FROM cells WHERE span = ? AND start = ?",
            vec![to_sql_integer(window.span.code().into()), to_sql_integer(window.start.0)],
        )?;
        let mut series = Vec::new();
        for row in rows.raw() {
            let labels = match row?.as_slice() {
                [SqlStorageValue::String(text)] => SeriesLabels::from_json(text),
                _ => None,
            };
            series.push(
                labels.ok_or_else(|| Error::RustError("a stored series is of no version of ours".into()))?,
            );
        }
        Ok(series)
    }

    pub(super) fn roll_up(&self) -> Result<()> {
        let (before, retention) = (self.horizon()?, self.retention()?);
        let after = before.advanced(&retention, now());
        if after == before {
            return Ok(());
        }
        // In blocks, because an hour of many series need not fit into memory at once; all of them
        // without an await, because the horizon must move together with what it describes.
        let mut places = RollupPlacement::default();
        let mut last: Option<CellKey> = None;
        loop {
            let old = self.cells_to_roll_up(&after, last.as_ref())?;
            let Some((key, _)) = old.last() else { break };
            last = Some(key.clone());
            old.iter().for_each(|(key, cell)| places.count(key, cell, &after));
        }
        let places = places.assigned(CardinalityLimits::default());
        let mut minute_rollup = self.minute_rollup.take();
        loop {
            let old = self.cells_to_roll_up(&after, None)?;
            if old.is_empty() {
                break;
            }
            let into: BTreeSet<CellKey> =
                old.iter().filter_map(|(key, _)| key.rollup_target(&places, &after)).collect();
            let cells = self.load_cells(into)?;
            let mut pages = PageDeltas::for_minute_rollup(minute_rollup.as_ref());
            self.apply_effects(roll_up(old, cells, &places, &after, &mut pages))?;
            minute_rollup.iter_mut().for_each(|recent| recent.apply(&pages));
            self.apply_page_deltas(pages)?;
        }
        self.sql().exec("DELETE FROM pages WHERE block < ?", vec![to_sql_integer(after.oldest_block().0)])?;
        let mut cardinality = self.load_cardinality()?;
        cardinality.decay();
        self.store_fact("heavy", cardinality.frequent_routes())?;
        self.store_fact("horizon", &after)?;
        self.cardinality.replace(Some(cardinality));
        self.minute_rollup.replace(minute_rollup);
        Ok(())
    }

    /// The next cells that the horizon no longer keeps as they are, in the order of their places.
    fn cells_to_roll_up(&self, horizon: &Horizon, after: Option<&CellKey>) -> Result<Vec<(CellKey, Cell)>> {
        let mut values = vec![
            to_sql_integer(horizon.minutes.0),
            to_sql_integer(horizon.hours.0),
            to_sql_integer(horizon.days.0),
        ];
        match after {
            Some(key) => values.extend(cell_row_key(key)?),
            None => values.extend([to_sql_integer(0), to_sql_integer(0), String::new().into()]),
        }
        self.select_cells(
            "SELECT span, start, series, cell FROM cells
             WHERE ((span = 0 AND start < ?1) OR (span = 1 AND start < ?2) OR start < ?3)
               AND (span, start, series) > (?4, ?5, ?6)
             ORDER BY span, start, series LIMIT 500",
            values,
        )
    }

    pub(super) fn query_local(&self, query: &SeriesQuery) -> Result<QueryResult> {
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
                None => self.read_days(query, stretch, &mut groups)?,
                Some(_) => self.read_each_day(query, stretch, &mut groups)?,
            }
        }
        let minutes = match plan.minutes {
            Some((from, to)) if !self.add_recent_minutes(query, from, &mut groups)? => Some((from, to)),
            _ => None,
        };
        for (from, to) in plan.cells.into_iter().chain(minutes) {
            for span in WindowSpan::ALL {
                // A longer window belongs to the answer when any part of it does.
                let from = Window::containing(span, from).start;
                self.read_cells(query, [span.code().into(), from.0, to.0], &mut groups)?;
            }
        }
        Ok(groups)
    }

    /// Adds what pages count in minutes, from a moment on, if that is known; summed up when it is asked for
    /// first.
    fn add_recent_minutes(
        &self,
        query: &SeriesQuery,
        from: UnixMillis,
        groups: &mut QueryResult,
    ) -> Result<bool> {
        let mut recent = self.minute_rollup.borrow_mut();
        let recent = match &mut *recent {
            Some(recent) => recent,
            none => {
                let mut known = MinuteRollup::default();
                let minutes = "SELECT span, start, series, cell FROM cells WHERE span = 0 AND start >= ?";
                self.for_each_cell(minutes, vec![to_sql_integer(from.0)], |key, cell| {
                    known.add(&key, &cell)
                })?;
                none.insert(known)
            }
        };
        Ok(recent.try_answer(query, groups))
    }

    /// Adds the cells of a span that began between two moments. What has not the values that are asked for
    /// is passed over by SQLite, as well as its names can tell.
    fn read_cells(&self, query: &SeriesQuery, within: [u64; 3], groups: &mut QueryResult) -> Result<()> {
        let mut values: Vec<SqlStorageValue> = within.into_iter().map(to_sql_integer).collect();
        let mut all =
            "SELECT span, start, series, cell FROM cells WHERE span = ? AND start >= ? AND start < ?"
                .to_owned();
        for mark in query.label_fragments() {
            all.push_str(" AND instr(series, ?) > 0");
            values.push(mark.into());
        }
        for row in self.sql().exec(&all, values)?.raw() {
            match row?.as_slice() {
                [span, start, SqlStorageValue::String(series), SqlStorageValue::Blob(cell)] => {
                    let key = decode_cell_key(span, start, series).ok_or_else(malformed_row)?;
                    if query.accepts(&key.labels) {
                        groups.add_encoded(query, &key, cell).map_err(malformed_error)?;
                    }
                }
                _ => return Err(malformed_row()),
            }
        }
        Ok(())
    }

    /// Stores cells; what is to be noted of views comes back.
    fn apply_effects(&self, effects: Vec<CellEffect>) -> Result<Vec<(String, FoldedView)>> {
        let sql = self.sql();
        let mut counted = Vec::new();
        for effect in effects {
            match effect {
                CellEffect::Store(key, cell) => {
                    let mut values = cell_row_key(&key)?;
                    values.push(SqlStorageValue::Blob(cell.encode().map_err(malformed_error)?));
                    sql.exec(
                        "INSERT OR REPLACE INTO cells (span, start, series, cell) VALUES (?, ?, ?, ?)",
                        values,
                    )?;
                }
                CellEffect::Remove(key) => {
                    sql.exec(
                        "DELETE FROM cells WHERE span = ? AND start = ? AND series = ?",
                        cell_row_key(&key)?,
                    )?;
                }
                CellEffect::MarkFolded(view, record) => counted.push((view, record)),
            }
        }
        Ok(counted)
    }

    fn load_cells(&self, keys: BTreeSet<CellKey>) -> Result<BTreeMap<CellKey, Cell>> {
        let mut cells = BTreeMap::new();
        for key in keys {
            let rows = self.select_cells(
                "SELECT span, start, series, cell FROM cells WHERE span = ? AND start = ? AND series = ?",
                cell_row_key(&key)?,
            )?;
            cells.extend(rows);
        }
        Ok(cells)
    }

    pub(super) fn select_cells(
        &self,
        query: &str,
        values: Vec<SqlStorageValue>,
    ) -> Result<Vec<(CellKey, Cell)>> {
        let mut cells = Vec::new();
        self.for_each_cell(query, values, |key, cell| cells.push((key, cell)))?;
        Ok(cells)
    }

    /// Takes the cells that are asked for one by one: all of them need not fit into memory.
    fn for_each_cell(
        &self,
        query: &str,
        values: Vec<SqlStorageValue>,
        mut take: impl FnMut(CellKey, Cell),
    ) -> Result<()> {
        for row in self.sql().exec(query, values)?.raw() {
            let row = row?;
            let cell = match row.as_slice() {
                [span, start, SqlStorageValue::String(series), SqlStorageValue::Blob(cell)] => {
                    decode_cell(span, start, series, cell)
                }
                _ => None,
            };
            let (key, cell) = cell.ok_or_else(malformed_row)?;
            take(key, cell);
        }
        Ok(())
    }

    pub(crate) fn horizon(&self) -> Result<Horizon> {
        Ok(self.load_fact("horizon")?.unwrap_or_default())
    }
}

/// Lets events that wait, such as beacons, come first.
async fn yield_to_events() {
    Delay::from(Duration::ZERO).await;
}

fn decode_cell(
    span: &SqlStorageValue,
    start: &SqlStorageValue,
    series: &str,
    cell: &[u8],
) -> Option<(CellKey, Cell)> {
    Some((decode_cell_key(span, start, series)?, Cell::decode(cell).ok()?))
}

fn decode_cell_key(span: &SqlStorageValue, start: &SqlStorageValue, series: &str) -> Option<CellKey> {
    let span = WindowSpan::from_code(i64::try_from(from_sql_integer(span)?).ok()?)?;
    let window = Window { span, start: UnixMillis(from_sql_integer(start)?) };
    Some(CellKey { window, labels: SeriesLabels::from_json(series)? })
}

fn cell_row_key(key: &CellKey) -> Result<Vec<SqlStorageValue>> {
    let CellKey { window, labels } = key;
    let start = to_sql_integer(window.start.0);
    Ok(vec![to_sql_integer(window.span.code().into()), start, labels.to_json()?.into()])
}

pub(super) fn malformed_error(error: CodecError) -> Error {
    Error::RustError(error.to_string())
}

pub(super) fn malformed_row() -> Error {
    malformed_error(CodecError)
}
