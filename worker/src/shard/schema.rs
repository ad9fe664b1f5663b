//! The tables of a shard, and their migration from earlier versions, a bounded number of rows at a time.

use worker::{Error, Result};

use super::object::Shard;
use super::sql::query_integer;
use super::{history_store, incident_store, traffic_store};

impl Shard {
    /// Creates or migrates the tables, once. Fails for a version that this Worker does not support.
    pub(super) fn ensure_open(&self) -> Result<()> {
        if !self.is_open.get() {
            let failed = |error| Error::RustError(format!("tables of the shard not opened: {error}"));
            let add_tables = || {
                [traffic_store::TABLES, history_store::TABLES, incident_store::TABLES]
                    .into_iter()
                    .try_for_each(|tables| self.execute(tables))
            };
            self.migrate().and_then(|()| add_tables()).map_err(failed)?;
            self.is_open.set(true);
        }
        Ok(())
    }

    /// Creates the tables, or migrates those of an earlier version. Those of a later version are left alone.
    fn migrate(&self) -> Result<()> {
        let version: Option<u64> = if self.has_table("facts")? { self.load_fact("schema")? } else { None };
        match version {
            None => self.execute(SCHEMA)?,
            Some(earlier @ (1 | 2)) => self.migrate_journal(earlier)?,
            Some(3) => return self.execute(SCHEMA),
            Some(later) => {
                return Err(Error::RustError(format!(
                    "tables have version {later}, this Worker supports up to {SCHEMA_VERSION}; deploy a later one"
                )));
            }
        }
        self.store_fact("schema", &SCHEMA_VERSION)
    }

    /// Renames the journal of an earlier version and moves its rows, first folded and then other ones, each in the
    /// order of arrival. After a failure each row is in one of the tables at least, and the next attempt goes on from
    /// there. Cells are unchanged; sums of pages are backfilled later, and until then cells are read.
    fn migrate_journal(&self, version: u64) -> Result<()> {
        if self.query_flag(
            "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'views' AND sql LIKE '%behind%')",
        )? {
            // An unfinished migration from version 1 to 2 has renamed the table already.
            let aside = if version == 1 && !self.has_table("views_1")? { "views_1" } else { "views_2" };
            self.execute(&["DROP INDEX IF EXISTS views_behind", "DROP INDEX IF EXISTS views_heard_at"])?;
            self.execute(&[&format!("ALTER TABLE views RENAME TO {aside}")])?;
        }
        self.execute(SCHEMA)?;
        let mut aside = Vec::new();
        for table in ["views_2", "views_1"] {
            if self.has_table(table)? {
                let order = "CREATE INDEX IF NOT EXISTS {}_order ON {} (behind, heard_at, view)";
                self.execute(&[&order.replace("{}", table)])?;
                aside.push(table);
            }
        }
        let mut steps = MAX_MIGRATION_STEPS;
        aside.iter().try_for_each(|table| self.move_rows(table, "NOT behind", &mut steps))?;
        self.execute(&[
            "INSERT OR IGNORE INTO facts (name, value) SELECT 'folded', coalesce(max(id), 0) FROM views",
        ])?;
        aside.iter().try_for_each(|table| self.move_rows(table, "behind", &mut steps))?;
        aside.iter().try_for_each(|table| self.execute(&[&format!("DROP TABLE {table}")]))
    }

    /// Moves the rows with a condition into the journal, a thousand at a time.
    fn move_rows(&self, table: &str, condition: &str, steps: &mut usize) -> Result<()> {
        let next = format!("FROM {table} WHERE {condition} ORDER BY behind, heard_at, view LIMIT 1000");
        while self.query_flag(&format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE {condition})"))? {
            *steps = steps.checked_sub(1).ok_or_else(|| {
                Error::RustError("journal is being migrated, the next event resumes it".into())
            })?;
            self.execute(&[
                &format!(
                    "INSERT OR IGNORE INTO views (view, start, heard_at, seq, heard, told, counted)
                     SELECT view, start, heard_at, seq, heard, told, counted {next}"
                ),
                &format!("DELETE FROM {table} WHERE view IN (SELECT view {next})"),
            ])?;
        }
        Ok(())
    }

    fn has_table(&self, table: &str) -> Result<bool> {
        let found = self.sql().exec("SELECT 1 FROM sqlite_master WHERE name = ?", vec![table.into()])?;
        Ok(found.raw().next().transpose()?.is_some())
    }

    /// Runs a query whose result is 0 or 1.
    fn query_flag(&self, query: &str) -> Result<bool> {
        Ok(query_integer(&self.sql(), query, Vec::new())? == 1)
    }

    fn execute(&self, statements: &[&str]) -> Result<()> {
        statements.iter().try_for_each(|statement| self.sql().exec(statement, None).map(drop))
    }
}

const SCHEMA_VERSION: u8 = 3;
/// Steps of a thousand rows each in one event.
const MAX_MIGRATION_STEPS: usize = 20;

/// Views are in the order of their latest beacon, by `id`: unfolded ones are the last, expiring ones the first, and
/// neither needs an index. The random keys are in a narrow index, the wide rows one after another. Version 1 stored the
/// rows by key, so each beacon wrote a page of its own; version 2 had an index for each of the two orders.
const SCHEMA: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS views (
        id INTEGER PRIMARY KEY, view TEXT NOT NULL UNIQUE, start INTEGER NOT NULL, heard_at INTEGER NOT NULL,
        seq INTEGER NOT NULL, heard INTEGER NOT NULL, told TEXT NOT NULL, counted TEXT
     )",
    "CREATE TABLE IF NOT EXISTS cells (
        span INTEGER NOT NULL, start INTEGER NOT NULL, series TEXT NOT NULL, cell BLOB NOT NULL,
        PRIMARY KEY (span, start, series)
     ) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS pages (
        block INTEGER NOT NULL, page TEXT NOT NULL, day INTEGER NOT NULL, cell BLOB NOT NULL,
        PRIMARY KEY (block, page, day)
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
    // Exported totals of each route, which only grow.
    "CREATE TABLE IF NOT EXISTS totals (route TEXT PRIMARY KEY, total BLOB NOT NULL)",
    // Hourly series, the baseline of anomalies.
    "CREATE TABLE IF NOT EXISTS hours (
        series TEXT NOT NULL, hour INTEGER NOT NULL, n INTEGER NOT NULL, value REAL NOT NULL,
        PRIMARY KEY (series, hour)
     ) WITHOUT ROWID",
];
