//! The incidents of a site: alerts from their beginning to their end.

use alerting::IncidentRecord;
use serde_json::Value;
use wire::{UnixMillis, WindowSpan};
use worker::{Result, SqlStorage, SqlStorageValue};

use crate::clock::now;
use crate::sql::{query_integer, to_sql_integer, unsupported_row};

/// Returns the incidents that overlap a span, the newest first, and the number of those beyond the limit.
pub(super) fn incidents_between(
    sql: &SqlStorage,
    from: UnixMillis,
    to: UnixMillis,
) -> Result<(Vec<Value>, u64)> {
    let span = vec![to_sql_integer(from.0), to_sql_integer(to.0)];
    let going_on = "FROM incidents WHERE opened < ?2 AND coalesce(ended, ?1) >= ?1";
    let all = query_integer(sql, &format!("SELECT count(*) {going_on}"), span.clone())?;
    let newest = format!("SELECT incident {going_on} ORDER BY opened DESC, key LIMIT {MAX_INCIDENTS_SHOWN}");
    let mut incidents = Vec::new();
    for row in sql.exec(&newest, span)?.raw() {
        let Some(SqlStorageValue::String(text)) = row?.into_iter().next() else {
            return Err(unsupported_row("incidents"));
        };
        incidents.push(serde_json::from_str(&text)?);
    }
    let more = all.saturating_sub(incidents.len() as u64);
    Ok((incidents, more))
}

/// Stores an incident as it is now, and deletes those that are too old or too many.
pub(super) fn record_incident(sql: &SqlStorage, record: &IncidentRecord) -> Result<()> {
    let ended = record.incident.ended.map_or(SqlStorageValue::Null, |ended| to_sql_integer(ended.at.0));
    let text = serde_json::to_string(record)?;
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

/// The tables of this file.
pub(super) const TABLES: &[&str] = &["CREATE TABLE IF NOT EXISTS incidents (
        opened INTEGER NOT NULL, key TEXT NOT NULL, ended INTEGER, incident TEXT NOT NULL,
        PRIMARY KEY (opened, key)
     ) WITHOUT ROWID"];

/// As long as cells are kept by the day.
pub(super) const RETENTION_MS: u64 = 400 * WindowSpan::Day.millis();
const MAX_INCIDENTS: u64 = 1000;
/// Incidents of one response.
const MAX_INCIDENTS_SHOWN: u64 = 200;
