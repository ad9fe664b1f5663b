//! The tables of a shard: made, or brought up from those of an earlier version, a bounded number of rows
//! at a time. What stands in them is the business of the journal and of the cells.

use worker::{Error, Result};

use super::{Shard, whole};

impl Shard {
    /// Storage, where it is of a version that this Worker knows. Until then everything is answered as
    /// unavailable.
    pub(super) fn opened(&self) -> Result<()> {
        if !self.is_open.get() {
            let closed = |error| Error::RustError(format!("the tables could not be opened: {error}"));
            self.open().and_then(|()| self.run(crate::traffic::TABLES)).map_err(closed)?;
            self.is_open.set(true);
        }
        Ok(())
    }

    /// Makes the tables, or brings those of an earlier version up to this one. Those of a later version
    /// are left alone.
    fn open(&self) -> Result<()> {
        let version: Option<u64> = if self.has("facts")? { self.kept("schema")? } else { None };
        match version {
            None => self.run(SCHEMA)?,
            Some(1) => self.bring_up_1()?,
            Some(2) => return self.run(SCHEMA),
            Some(later) => {
                return Err(Error::RustError(format!(
                    "the tables have version {later}; deploy a Worker that knows it"
                )));
            }
        }
        self.keep("schema", &VERSION)
    }

    /// From version 1 to 2, a bounded number of rows at a time. Whatever fails in between, each row
    /// stands in one of the two tables at least, and the next attempt goes on from there.
    fn bring_up_1(&self) -> Result<()> {
        if !self.has("views_1")? {
            self.run(FROM_1)?;
        }
        self.run(SCHEMA)?;
        self.run(BESIDE_2)?;
        for _ in 0..MOST_STEPS {
            self.run(STEP_INTO_2)?;
            let mut rest = self.sql().exec("SELECT EXISTS (SELECT 1 FROM views_1)", None)?.raw();
            if rest.next().transpose()?.as_deref().and_then(|row| whole(row.first()?)) == Some(0) {
                return self.run(&["DROP TABLE views_1"]);
            }
        }
        Err(Error::RustError("the journal of version 1 is being brought up; the next event goes on".into()))
    }

    fn has(&self, table: &str) -> Result<bool> {
        let found = self.sql().exec("SELECT 1 FROM sqlite_master WHERE name = ?", vec![table.into()])?;
        Ok(found.raw().next().transpose()?.is_some())
    }

    fn run(&self, statements: &[&str]) -> Result<()> {
        statements.iter().try_for_each(|statement| self.sql().exec(statement, None).map(drop))
    }
}

/// The version of the tables.
const VERSION: u8 = 2;
/// Of a thousand rows each, in one event.
const MOST_STEPS: usize = 20;

/// Views in the order in which they came: random names in a narrow index, wide rows one after another.
/// Version 1 kept the rows themselves by name, and each beacon wrote a page of its own.
const SCHEMA: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS views (
        view TEXT NOT NULL UNIQUE, start INTEGER NOT NULL, heard_at INTEGER NOT NULL, seq INTEGER NOT NULL,
        heard INTEGER NOT NULL, behind INTEGER NOT NULL, told TEXT NOT NULL, counted TEXT
     )",
    "CREATE INDEX IF NOT EXISTS views_behind ON views (behind) WHERE behind",
    "CREATE INDEX IF NOT EXISTS views_heard_at ON views (heard_at)",
    "CREATE TABLE IF NOT EXISTS cells (
        span INTEGER NOT NULL, start INTEGER NOT NULL, series TEXT NOT NULL, cell BLOB NOT NULL,
        PRIMARY KEY (span, start, series)
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
    // What the first shard of a site owes: documents, and what they were made of when they were told.
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
    // What was exported of each route: it only grows.
    "CREATE TABLE IF NOT EXISTS totals (route TEXT PRIMARY KEY, total BLOB NOT NULL)",
    // What each hour was, by which today is called usual or odd.
    "CREATE TABLE IF NOT EXISTS hours (
        series TEXT NOT NULL, hour INTEGER NOT NULL, n INTEGER NOT NULL, value REAL NOT NULL,
        PRIMARY KEY (series, hour)
     ) WITHOUT ROWID",
];

/// From version 1 to 2: what is there is set aside, and moved in the order in which it was heard.
const FROM_1: &[&str] = &[
    "DROP INDEX IF EXISTS views_behind",
    "DROP INDEX IF EXISTS views_heard_at",
    "ALTER TABLE views RENAME TO views_1",
];
const BESIDE_2: &[&str] = &["CREATE INDEX IF NOT EXISTS views_1_heard_at ON views_1 (heard_at, view)"];
const STEP_INTO_2: &[&str] = &[
    "INSERT OR IGNORE INTO views (view, start, heard_at, seq, heard, behind, told, counted)
     SELECT view, start, heard_at, seq, heard, behind, told, counted FROM views_1
     ORDER BY heard_at, view LIMIT 1000",
    "DELETE FROM views_1 WHERE view IN (SELECT view FROM views_1 ORDER BY heard_at, view LIMIT 1000)",
];
