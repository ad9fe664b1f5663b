//! The audit log of a site: its latest management calls.

use auth::audit::{AuditEntry, MAX_ENTRIES, NumberedEntry};
use worker::{Result, SqlStorageValue};

use super::object::Shard;
use crate::shard_protocol::ReadAudit;
use crate::sql::{from_sql_integer, to_sql_integer, unsupported_row};

impl Shard {
    /// Appends a call; the oldest make room.
    pub(super) fn record_audit(&self, entry: &AuditEntry) -> Result<()> {
        let row = vec![serde_json::to_string(entry)?.into()];
        self.sql().exec("INSERT INTO audit (entry) VALUES (?)", row)?;
        let surplus = "DELETE FROM audit WHERE number <= (SELECT max(number) FROM audit) - ?";
        self.sql().exec(surplus, vec![to_sql_integer(MAX_ENTRIES)]).map(drop)
    }

    /// Returns the latest calls before a number, the newest first.
    pub(super) fn read_audit(&self, page: &ReadAudit) -> Result<Vec<NumberedEntry>> {
        let before = page.before.unwrap_or(u64::MAX);
        let limit = u64::try_from(page.limit).unwrap_or(u64::MAX);
        let rows = self.sql().exec(
            "SELECT number, entry FROM audit WHERE number < ? ORDER BY number DESC LIMIT ?",
            vec![to_sql_integer(before), to_sql_integer(limit)],
        )?;
        let mut calls = Vec::new();
        for row in rows.raw() {
            let row = row?;
            let [number, SqlStorageValue::String(text)] = row.as_slice() else {
                return Err(unsupported_row("audit"));
            };
            let number = from_sql_integer(number).ok_or_else(|| unsupported_row("audit"))?;
            calls.push(NumberedEntry { number, entry: serde_json::from_str(text)? });
        }
        Ok(calls)
    }
}

/// The tables of this file.
pub(super) const TABLES: &[&str] =
    &["CREATE TABLE IF NOT EXISTS audit (number INTEGER PRIMARY KEY, entry TEXT NOT NULL)"];
