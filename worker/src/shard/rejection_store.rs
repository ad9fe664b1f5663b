//! Rejected beacons of a site, by hour and reason.

use std::collections::BTreeMap;

use ledger::SeriesQuery;
use wire::{Window, WindowSpan};
use worker::{Result, SqlStorageValue};

use super::object::Shard;
use crate::clock::now;
use crate::sql::{from_sql_integer, to_sql_integer};

impl Shard {
    pub(super) fn add_rejections(&self, reasons: &BTreeMap<String, u64>) -> Result<()> {
        let hour = Window::containing(WindowSpan::Hour, now()).start;
        for (reason, count) in reasons {
            self.sql().exec(
                "INSERT INTO refused (start, reason, count) VALUES (?1, ?2, ?3)
                 ON CONFLICT (start, reason) DO UPDATE SET count = count + excluded.count",
                vec![to_sql_integer(hour.0), reason.as_str().into(), to_sql_integer(*count)],
            )?;
        }
        Ok(())
    }

    pub(super) fn rejections(&self, query: &SeriesQuery) -> Result<BTreeMap<String, u64>> {
        let rows = self.sql().exec(
            "SELECT reason, sum(count) FROM refused WHERE start >= ? AND start < ? GROUP BY reason",
            vec![
                to_sql_integer(Window::containing(WindowSpan::Hour, query.from).start.0),
                to_sql_integer(query.to.0),
            ],
        )?;
        let mut rejections = BTreeMap::new();
        for row in rows.raw() {
            if let [SqlStorageValue::String(reason), count] = row?.as_slice() {
                rejections.insert(reason.clone(), from_sql_integer(count).unwrap_or_default());
            }
        }
        Ok(rejections)
    }

    pub(super) fn expire_rejections(&self) -> Result<()> {
        let oldest = to_sql_integer(now().saturating_sub(self.retention()?.day_windows_ms).0);
        self.sql().exec("DELETE FROM refused WHERE start < ?", vec![oldest]).map(drop)
    }
}
