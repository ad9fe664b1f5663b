//! The latest lab result of each page and device class.

use wire::lab::LabResult;
use worker::{Result, SqlStorageValue};

use super::object::Shard;
use crate::sql::to_sql_integer;

impl Shard {
    /// Stores results, and returns their number.
    pub(super) fn store_lab_results(&self, results: &[LabResult]) -> Result<usize> {
        for known in results {
            let row = vec![
                known.measurement.path.as_str().into(),
                known.measurement.device.name().into(),
                to_sql_integer(known.at.0),
                serde_json::to_string(known)?.into(),
            ];
            self.sql()
                .exec("INSERT OR REPLACE INTO lab (path, device, at, known) VALUES (?1, ?2, ?3, ?4)", row)?;
        }
        // Measured addresses come and go: the oldest results make room.
        self.sql().exec(
            "DELETE FROM lab WHERE (path, device) IN
             (SELECT path, device FROM lab ORDER BY at DESC, path, device LIMIT -1 OFFSET ?1)",
            vec![to_sql_integer(MAX_LAB_PAGES)],
        )?;
        Ok(results.len())
    }

    pub(super) fn lab_results(&self) -> Result<Vec<LabResult>> {
        let rows = self.sql().exec("SELECT known FROM lab ORDER BY path, device", None)?;
        let mut all = Vec::new();
        for row in rows.raw() {
            if let [SqlStorageValue::String(known)] = row?.as_slice() {
                all.push(serde_json::from_str(known)?);
            }
        }
        Ok(all)
    }
}

const MAX_LAB_PAGES: u64 = 500;
