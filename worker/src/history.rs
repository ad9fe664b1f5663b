//! `GET /api/health/history`: how a site was, and what was called about. At each look of the cron the first
//! shard of a site writes down how it stands, and each alert from its beginning to its end. What a look
//! means is `report::status_history`'s, what an incident is `alerting`'s.

use alerting::IncidentRecord;
use alerting::health_history::HealthHistory;
use report::health::HealthStatus;
use report::status_history::{StatusHistory, StatusPeriod};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wire::{UnixMillis, WindowSpan};
use worker::{Env, Error, Request, Result, SqlStorage, SqlStorageValue};

use crate::auth;
use crate::config::Config;
use crate::query_api::{CONTENT_TYPE_JSON, QueryRequest};
use crate::response::{self, HandlerResult};
use crate::shard::{self, Shard, from_sql_integer, now, to_sql_integer};

/// The status over a span for whoever may read the site; its incidents for whoever holds a token.
pub(crate) async fn history(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let asked = QueryRequest::from_request(request, env, config)?;
    let query = asked.parameters.query("", &[], None)?;
    let (from, to) = (query.from, query.to.min(now()));
    let with_incidents = auth::can_read(request, env)?;
    let span = HistoryQuery { from, to, with_incidents };
    let HistoryResult { runs, incidents, more } =
        shard::call_coordinator(env, &asked.site, "history", &span).await?;
    let document = HealthHistory {
        v: 1,
        site: asked.site.clone(),
        from,
        to,
        history: StatusHistory::between(&runs, from, to),
        incidents: with_incidents.then_some(incidents),
        more_incidents: with_incidents.then_some(more),
    };
    let cache = if with_incidents { "private, max-age=5" } else { asked.cache_control(&query) };
    response::conditional(
        request,
        CONTENT_TYPE_JSON,
        cache,
        serde_json::to_vec(&document).map_err(Error::from)?,
    )
}

/// What is asked of the first shard.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HistoryQuery {
    from: UnixMillis,
    to: UnixMillis,
    with_incidents: bool,
}

/// What it knows.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HistoryResult {
    /// The oldest first.
    runs: Vec<StatusPeriod>,
    /// The newest first.
    incidents: Vec<Value>,
    more: u64,
}

impl Shard {
    /// What was written down of a span.
    pub(crate) fn read_history(&self, span: &HistoryQuery) -> Result<HistoryResult> {
        let HistoryQuery { from, to, with_incidents } = span;
        let (incidents, more) = if *with_incidents { self.incidents(*from, *to)? } else { (Vec::new(), 0) };
        Ok(HistoryResult { runs: self.status_runs(*from, *to)?, incidents, more })
    }

    /// Writes down how the site stands.
    pub(crate) fn store_status(&self, health: HealthStatus, score: u8) -> Result<()> {
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

    fn status_runs(&self, from: UnixMillis, to: UnixMillis) -> Result<Vec<StatusPeriod>> {
        // The one before the span may speak for its beginning, and the one after it for its end.
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
                return Err(unsupported_version());
            };
            let run = || {
                let score = u8::try_from(from_sql_integer(score)?).ok()?;
                let [from, to] = [UnixMillis(from_sql_integer(start)?), UnixMillis(from_sql_integer(until)?)];
                Some(StatusPeriod { from, to, health: HealthStatus::from_name(health)?, score })
            };
            runs.push(run().ok_or_else(unsupported_version)?);
        }
        Ok(runs)
    }

    /// Those that were going on in a span, the newest first; and how many more there are.
    fn incidents(&self, from: UnixMillis, to: UnixMillis) -> Result<(Vec<Value>, u64)> {
        let span = vec![to_sql_integer(from.0), to_sql_integer(to.0)];
        let going_on = "FROM incidents WHERE opened < ?2 AND coalesce(ended, ?1) >= ?1";
        let counted = self.sql().exec(&format!("SELECT count(*) {going_on}"), span.clone())?;
        let all = counted.raw().next().transpose()?.as_deref().and_then(|row| from_sql_integer(row.first()?));
        let newest =
            format!("SELECT incident {going_on} ORDER BY opened DESC, key LIMIT {MAX_INCIDENTS_SHOWN}");
        let mut incidents = Vec::new();
        for row in self.sql().exec(&newest, span)?.raw() {
            let Some(SqlStorageValue::String(text)) = row?.into_iter().next() else {
                return Err(unsupported_version());
            };
            incidents.push(serde_json::from_str(&text)?);
        }
        let more = all.unwrap_or_default().saturating_sub(incidents.len() as u64);
        Ok((incidents, more))
    }
}

/// Writes down an incident as it is now, and lets go of those that are too old or too many.
pub(crate) fn record_incident(sql: &SqlStorage, record: &IncidentRecord) -> Result<()> {
    let ended = record.incident.ended.map_or(SqlStorageValue::Null, |ended| to_sql_integer(ended.at.0));
    let text = serde_json::to_string(record).map_err(Error::from)?;
    sql.exec(
        "INSERT OR REPLACE INTO incidents (opened, key, ended, incident) VALUES (?, ?, ?, ?)",
        vec![to_sql_integer(record.incident.opened.0), record.key.as_str().into(), ended, text.into()],
    )?;
    sql.exec(
        "DELETE FROM incidents WHERE ended < ?",
        vec![to_sql_integer(now().saturating_sub(RETENTION_MS).0)],
    )?;
    let surplus = "DELETE FROM incidents WHERE (opened, key) IN
        (SELECT opened, key FROM incidents ORDER BY opened DESC, key LIMIT -1 OFFSET ?)";
    sql.exec(surplus, vec![to_sql_integer(MAX_INCIDENTS)]).map(drop)
}

fn unsupported_version() -> Error {
    Error::RustError("what is stored of the history is of no version of ours".into())
}

/// Beside the shard's own tables.
pub(crate) const TABLES: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS statuses (
        start INTEGER PRIMARY KEY, until INTEGER NOT NULL, health TEXT NOT NULL, score INTEGER NOT NULL
     )",
    "CREATE TABLE IF NOT EXISTS incidents (
        opened INTEGER NOT NULL, key TEXT NOT NULL, ended INTEGER, incident TEXT NOT NULL,
        PRIMARY KEY (opened, key)
     ) WITHOUT ROWID",
];

/// As long as days are kept.
const RETENTION_MS: u64 = 400 * WindowSpan::Day.millis();
/// A status that changes at each look fills them in a month; one that seldom does, in years.
const MAX_RUNS: u64 = 3000;
const MAX_INCIDENTS: u64 = 1000;
/// What a page reads at once.
const MAX_INCIDENTS_SHOWN: u64 = 200;
