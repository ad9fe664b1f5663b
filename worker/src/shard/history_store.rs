//! The status history of a site.

use report::health::HealthStatus;
use report::status_history::StatusPeriod;
use wire::UnixMillis;
use worker::{Result, SqlStorageValue};

use super::incident_store::{RETENTION_MS, incidents_between};
use super::object::Shard;
use crate::clock::now;
use crate::shard_protocol::{HistoryQuery, HistoryResult};
use crate::sql::{from_sql_integer, to_sql_integer, unsupported_row};

impl Shard {
    /// Reads periods and incidents of a span.
    pub(super) fn read_history(&self, span: &HistoryQuery) -> Result<HistoryResult> {
        let HistoryQuery { from, to, with_incidents } = span;
        let (incidents, more_incidents) =
            if *with_incidents { incidents_between(&self.sql(), *from, *to)? } else { (Vec::new(), 0) };
        Ok(HistoryResult { periods: self.status_runs(*from, *to)?, incidents, more_incidents })
    }

    /// Stores the status of the site as of now.
    pub(super) fn store_status(&self, health: HealthStatus, score: u8) -> Result<()> {
        let before =
            self.select_runs("start <= ?1 ORDER BY start DESC LIMIT 1", vec![to_sql_integer(now().0)])?;
        let run = StatusPeriod::extend_or_start(before.into_iter().next(), now(), health, score);
        self.sql().exec(
            "INSERT OR REPLACE INTO statuses (start, until, health, score) VALUES (?, ?, ?, ?)",
            vec![
                to_sql_integer(run.from.0),
                to_sql_integer(run.to.0),
                run.health.name().into(),
                to_sql_integer(run.score.into()),
            ],
        )?;
        self.sql().exec(
            "DELETE FROM statuses WHERE until < ?",
            vec![to_sql_integer(now().saturating_sub(RETENTION_MS).0)],
        )?;
        let surplus = "DELETE FROM statuses WHERE start IN
            (SELECT start FROM statuses ORDER BY start DESC LIMIT -1 OFFSET ?)";
        self.sql().exec(surplus, vec![to_sql_integer(MAX_RUNS)]).map(drop)
    }

    /// Returns the periods of a span, and those around it.
    pub(super) fn status_runs(&self, from: UnixMillis, to: UnixMillis) -> Result<Vec<StatusPeriod>> {
        // The periods around the span may reach into it.
        self.select_runs(
            "start >= coalesce((SELECT max(start) FROM statuses WHERE start <= ?1), 0)
             AND start <= coalesce((SELECT min(start) FROM statuses WHERE start >= ?2), ?2) ORDER BY start",
            vec![to_sql_integer(from.0), to_sql_integer(to.0)],
        )
    }

    fn select_runs(&self, condition: &str, values: Vec<SqlStorageValue>) -> Result<Vec<StatusPeriod>> {
        let query = format!("SELECT start, until, health, score FROM statuses WHERE {condition}");
        let mut runs = Vec::new();
        for row in self.sql().exec(&query, values)?.raw() {
            let row = row?;
            let [start, until, SqlStorageValue::String(health), score] = row.as_slice() else {
                return Err(unsupported_row("statuses"));
            };
            let run = || {
                let score = u8::try_from(from_sql_integer(score)?).ok()?;
                let [from, to] = [UnixMillis(from_sql_integer(start)?), UnixMillis(from_sql_integer(until)?)];
                Some(StatusPeriod { from, to, health: HealthStatus::from_name(health)?, score })
            };
            runs.push(run().ok_or_else(|| unsupported_row("statuses"))?);
        }
        Ok(runs)
    }
}

/// The tables of this file.
pub(super) const TABLES: &[&str] = &["CREATE TABLE IF NOT EXISTS statuses (
        start INTEGER PRIMARY KEY, until INTEGER NOT NULL, health TEXT NOT NULL, score INTEGER NOT NULL
     )"];

/// A status that changes at each evaluation fills them in a month; a stable one, in years.
const MAX_RUNS: u64 = 3000;
