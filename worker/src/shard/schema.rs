//! The tables of a shard, and their migration from earlier versions, a bounded number of rows at a time.

use ledger::journal::{AdoptedRows, EarlierView};
use wire::UnixMillis;
use worker::{Error, Result, SqlStorageValue};

use super::journal::journal_error;
use super::object::{EarlierJournal, Shard};
use super::{audit_store, history_store, incident_store, traffic_store};
use crate::sql::{from_sql_integer, query_integer, unsupported_row};

impl Shard {
    /// Creates or migrates the tables, once. Fails for a version that this Worker does not support.
    pub(super) fn ensure_open(&self) -> Result<()> {
        if !self.is_open.get() {
            let failed = |error| Error::RustError(format!("tables of the shard not opened: {error}"));
            let add_tables = || {
                [audit_store::TABLES, traffic_store::TABLES, history_store::TABLES, incident_store::TABLES]
                    .into_iter()
                    .try_for_each(|tables| self.execute(tables))
            };
            self.migrate().and_then(|()| add_tables()).map_err(failed)?;
            self.is_open.set(true);
        }
        Ok(())
    }

    /// Creates the tables, also beside those of an earlier version. Those of a later version are left alone.
    fn migrate(&self) -> Result<()> {
        let version: Option<u8> = if self.has_table("facts")? { self.load_fact("schema")? } else { None };
        if let Some(later) = version.filter(|version| *version > SCHEMA_VERSION) {
            return Err(Error::RustError(format!(
                "tables have version {later}, this Worker supports up to {SCHEMA_VERSION}; deploy a later one"
            )));
        }
        self.execute(SCHEMA)?;
        let mut earlier = Vec::new();
        for table in EARLIER_JOURNALS {
            if self.has_table(table)? {
                earlier.push(self.earlier_journal(table, version)?);
            }
        }
        self.earlier_journals.replace(earlier);
        self.has_earlier_cells.set(self.has_table("cells")?);
        self.store_fact("schema", &SCHEMA_VERSION)
    }

    /// Finds out which rows of an earlier journal are not counted. Versions 1 and 2 marked them; version 3 had the
    /// number of the last row that was counted, and a migration to it that was interrupted moved counted rows first.
    fn earlier_journal(&self, table: &'static str, version: Option<u8>) -> Result<EarlierJournal> {
        let is_marked = self.query_flag(&format!(
            "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = '{table}' AND sql LIKE '%behind%')"
        ))?;
        if is_marked {
            return Ok(EarlierJournal { table, is_behind: "behind".to_owned() });
        }
        let folded = match self.load_fact(FOLDED_FACT)? {
            Some(folded) => folded,
            None if version < Some(3) => {
                let last = query_integer(&self.sql(), &format!("SELECT max(id) FROM {table}"), Vec::new())?;
                self.store_fact(FOLDED_FACT, &last)?;
                last
            }
            None => 0,
        };
        Ok(EarlierJournal { table, is_behind: format!("id > {folded}") })
    }

    /// Moves the next rows of an earlier journal into that of this version, and returns false if there are none.
    /// Rows are moved in the order of their keys; the new journal does not depend on it. After a failure the next
    /// event goes on from there. Cells are unchanged.
    pub(super) fn adopt_earlier_rows(&self) -> Result<bool> {
        let Some(EarlierJournal { table, is_behind }) = self.earlier_journals.borrow().last().cloned() else {
            if self.has_earlier_cells.get() && !self.adopt_earlier_cells()? {
                self.execute(&["DROP TABLE cells"])?;
                self.has_earlier_cells.set(false);
            }
            return Ok(self.has_earlier_cells.get());
        };
        let rows = self.sql().exec(
            &format!(
                "SELECT view, start, heard_at, seq, heard, told, counted, {is_behind} FROM {table}
                 ORDER BY view LIMIT {ADOPTED_ROWS}"
            ),
            None,
        )?;
        let mut views = Vec::new();
        for row in rows.raw() {
            views.push(decode_earlier_view(&row?).ok_or_else(|| unsupported_row(table))?);
        }
        if views.is_empty() {
            self.execute(&[&format!("DROP TABLE {table}")])?;
            self.earlier_journals.borrow_mut().pop();
            if self.earlier_journals.borrow().is_empty() {
                self.sql().exec("DELETE FROM facts WHERE name = ?", vec![FOLDED_FACT.into()])?;
            }
            return Ok(true);
        }
        self.with_journal(|journal| {
            let AdoptedRows { folds, blocks } = journal.adopt(&views).map_err(journal_error)?;
            // First, so that a full database has room for the rows.
            self.execute(&[&format!(
                "DELETE FROM {table} WHERE view IN (SELECT view FROM {table} ORDER BY view LIMIT {ADOPTED_ROWS})"
            )])?;
            self.write_folds(&folds)?;
            self.write_blocks(&blocks)?;
            journal.blocks_written(&blocks);
            journal.folds_written(folds).map_err(journal_error)
        })?;
        Ok(true)
    }

    /// Returns true while tables of an earlier version have rows.
    pub(super) fn has_earlier_rows(&self) -> bool {
        self.has_earlier_cells.get() || !self.earlier_journals.borrow().is_empty()
    }

    pub(super) fn has_table(&self, table: &str) -> Result<bool> {
        let found = self.sql().exec("SELECT 1 FROM sqlite_master WHERE name = ?", vec![table.into()])?;
        Ok(found.raw().next().transpose()?.is_some())
    }

    /// Runs a query whose result is 0 or 1.
    fn query_flag(&self, query: &str) -> Result<bool> {
        Ok(query_integer(&self.sql(), query, Vec::new())? == 1)
    }

    pub(super) fn execute(&self, statements: &[&str]) -> Result<()> {
        statements.iter().try_for_each(|statement| self.sql().exec(statement, None).map(drop))
    }
}

fn decode_earlier_view(row: &[SqlStorageValue]) -> Option<EarlierView> {
    let [
        SqlStorageValue::String(key),
        start,
        heard_at,
        seq,
        received_bits,
        SqlStorageValue::String(record),
        folded,
        is_behind,
    ] = row
    else {
        return None;
    };
    Some(EarlierView {
        key: key.clone(),
        start: UnixMillis(from_sql_integer(start)?),
        heard_at: UnixMillis(from_sql_integer(heard_at)?),
        seq: u16::try_from(from_sql_integer(seq)?).ok()?,
        received_bits: u32::try_from(from_sql_integer(received_bits)?).ok()?,
        record: record.clone(),
        folded: match folded {
            SqlStorageValue::String(json) => Some(json.clone()),
            _ => None,
        },
        is_behind: from_sql_integer(is_behind)? != 0,
    })
}

pub(super) const SCHEMA_VERSION: u8 = 7;
/// The journals of versions 1 to 3, and those that an interrupted migration had put aside.
const EARLIER_JOURNALS: [&str; 3] = ["views", "views_2", "views_1"];
/// The number of the last row of version 3 that was counted.
const FOLDED_FACT: &str = "folded";
/// Rows of an earlier journal in one step.
const ADOPTED_ROWS: usize = 500;
/// Steps in one event.
pub(super) const MAX_ADOPTION_STEPS: usize = 40;

/// A row of `journal` is a commit, and one of `folded` some views as a fold left them; both are in the order of their
/// numbers, and need no index. Versions 1 to 3 had a row for each view, and updated it. A row of `packs` has many cells;
/// versions 1 to 4 had a row for each, in `cells`. Versions 1 to 5 had no `slices`: maintenance adds the days that are
/// over, oldest first, and until then cells answer. Versions 1 to 6 had series without browsers, which an earlier release would merge.
const SCHEMA: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS journal (block INTEGER PRIMARY KEY, at INTEGER NOT NULL, body BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS folded (
        fold INTEGER PRIMARY KEY, through INTEGER NOT NULL, at INTEGER NOT NULL, keys BLOB NOT NULL,
        body BLOB NOT NULL
     )",
    "CREATE TABLE IF NOT EXISTS packs (
        span INTEGER NOT NULL, start INTEGER NOT NULL, series TEXT NOT NULL, cells BLOB NOT NULL,
        PRIMARY KEY (span, start, series)
     ) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS pages (
        block INTEGER NOT NULL, page TEXT NOT NULL, day INTEGER NOT NULL, cell BLOB NOT NULL,
        PRIMARY KEY (block, page, day)
     ) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS slices (
        block INTEGER NOT NULL, slice TEXT NOT NULL, day INTEGER NOT NULL, cell BLOB NOT NULL,
        PRIMARY KEY (block, slice, day)
     ) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS watched (cell TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS causes (
        day INTEGER NOT NULL, route TEXT NOT NULL, device TEXT NOT NULL, metric TEXT NOT NULL,
        causes TEXT NOT NULL, PRIMARY KEY (day, route, device, metric)
     ) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS lab (
        path TEXT NOT NULL, device TEXT NOT NULL, at INTEGER NOT NULL, known TEXT NOT NULL,
        PRIMARY KEY (path, device)
     ) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS refused (
        start INTEGER NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (start, reason)
     ) WITHOUT ROWID",
    // The documents to push, and the fingerprints of the counts that they were made of.
    "CREATE TABLE IF NOT EXISTS outbox (
        queue TEXT NOT NULL, seq INTEGER NOT NULL, entry TEXT NOT NULL, PRIMARY KEY (queue, seq)
     ) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS bodies (
        queue TEXT NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (queue, seq)
     )",
    "CREATE TABLE IF NOT EXISTS told (
        queue TEXT NOT NULL, start INTEGER NOT NULL, revision INTEGER NOT NULL, print TEXT NOT NULL,
        PRIMARY KEY (queue, start)
     ) WITHOUT ROWID",
    // Exported totals of some routes, which only grow.
    "CREATE TABLE IF NOT EXISTS packed_totals (number INTEGER PRIMARY KEY, totals BLOB NOT NULL)",
    // Hourly series, the baseline of anomalies.
    "CREATE TABLE IF NOT EXISTS hours (
        series TEXT NOT NULL, hour INTEGER NOT NULL, n INTEGER NOT NULL, value REAL NOT NULL,
        PRIMARY KEY (series, hour)
     ) WITHOUT ROWID",
];
