//! The journal: each view as of its latest beacon, until it is settled. Rows arrive in batches, which the shim
//! collects; `ledger` folds them into cells.

use ledger::{FoldedView, UnfoldedView, VIEW_SETTLED_AFTER_MS, ViewRecord, has_late_rows};
use wire::UnixMillis;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::{Result, SqlStorageValue};

use super::object::{FOLD_DELAY_MS, Shard};
use super::sql::{from_sql_integer, query_integer, to_sql_integer, unsupported_row};
use crate::clock::now;

#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
impl Shard {
    /// Writes rows to the journal, without an await. The output gate holds every response until they are on
    /// disk.
    pub fn commit(&self, rows: &str) -> bool {
        // Monitoring is stopped: beacons are accepted and discarded.
        if self.ensure_open().is_ok() && !self.is_monitored() {
            return true;
        }
        let delta = self.live_delta(rows);
        if let Err(error) = self.ensure_open().and_then(|()| self.write_rows(rows)) {
            self.last_row_id.set(None);
            worker::console_error!("{} bytes of journal rows not stored: {error}", rows.len());
            return false;
        }
        if let Some(delta) = delta {
            self.publish(&delta);
        }
        let folds_at = now().saturating_add(FOLD_DELAY_MS);
        let maintenance_at = self.maintenance_at.get();
        if maintenance_at > folds_at || maintenance_at == UnixMillis(0) {
            self.maintenance_at.set(folds_at);
            self.alarm.wake_by(folds_at, "folding");
        }
        true
    }
}

impl Shard {
    fn write_rows(&self, rows: &str) -> Result<()> {
        let last = match self.last_row_id.get() {
            Some(last) => last,
            None => self.max_row_id()?.max(self.last_folded_id()?),
        };
        let mut values = vec![format!("[{rows}]").into(), to_sql_integer(now().0), to_sql_integer(last)];
        self.sql()
            .exec(&format!("{INSERT_ROWS_SQL} WHERE {IS_IN_TIME_SQL} {MERGE_ROWS_SQL}"), values.clone())?;
        // There are fewer rows than bytes, and 63 bits of numbers suffice.
        let mut next = last.saturating_add(rows.len() as u64);
        if has_late_rows(rows) {
            values.truncate(2);
            values.push(to_sql_integer(next));
            self.sql().exec(
                &format!(
                    "{INSERT_ROWS_SQL} WHERE NOT ({IS_IN_TIME_SQL}) AND {IS_KNOWN_SQL} {MERGE_ROWS_SQL}"
                ),
                values,
            )?;
            next = next.saturating_add(rows.len() as u64);
        }
        self.last_row_id.set(Some(next));
        Ok(())
    }

    /// Returns the next views that are not folded yet, and the number of the last of them.
    pub(super) fn uncounted_views(&self) -> Result<(Vec<UnfoldedView>, u64)> {
        let mut last = self.last_folded_id()?;
        let cursor = self.sql().exec(
            "SELECT id, start, seq, heard, told, counted FROM views WHERE id > ? ORDER BY id LIMIT 500",
            vec![to_sql_integer(last)],
        )?;
        let mut views = Vec::new();
        for row in cursor.raw() {
            let row = row?;
            let view = match row.as_slice() {
                [id, start, seq, heard, SqlStorageValue::String(told), counted] => {
                    last = from_sql_integer(id).unwrap_or(last);
                    decode_view(last, [start, seq, heard], told, counted)
                }
                _ => None,
            };
            views.push(view.ok_or_else(|| unsupported_row("views"))?);
        }
        Ok((views, last))
    }

    /// Returns the number of the last view that was folded.
    fn last_folded_id(&self) -> Result<u64> {
        Ok(self.load_fact("folded")?.unwrap_or_default())
    }

    fn max_row_id(&self) -> Result<u64> {
        query_integer(&self.sql(), "SELECT max(id) FROM views", Vec::new())
    }

    /// Stores what is now counted of these views, the last of which has that number.
    pub(super) fn record_counted(&self, counted: &[(String, FoldedView)], last: u64) -> Result<()> {
        let rows = serde_json::to_string(counted)?;
        self.sql().exec(SET_COUNTED_SQL, vec![rows.into()])?;
        self.store_fact("folded", &last)
    }

    /// Deletes settled views: the first ones, up to one that is not settled.
    pub(super) fn expire_settled_views(&self) -> Result<()> {
        let values = vec![
            to_sql_integer(now().saturating_sub(VIEW_SETTLED_AFTER_MS).0),
            to_sql_integer(self.last_folded_id()?),
        ];
        let settled = "SELECT view, start, heard_at, told FROM views WHERE";
        self.export_settled_views(&format!("{settled} {IS_SETTLED_SQL} ORDER BY id"), &values)?;
        self.sql().exec(&format!("DELETE FROM views WHERE {IS_SETTLED_SQL}"), values).map(drop)
    }

    /// Returns the number of views that are not folded yet.
    pub(super) fn uncounted_count(&self) -> Result<u64> {
        let after = vec![to_sql_integer(self.last_folded_id()?)];
        query_integer(&self.sql(), "SELECT count(*) FROM views WHERE id > ?", after)
    }

    pub(super) fn last_beacon_at(&self) -> Result<Option<UnixMillis>> {
        let row = self.sql().exec("SELECT heard_at FROM views ORDER BY id DESC LIMIT 1", None)?.raw().next();
        Ok(row.transpose()?.as_deref().and_then(|row| from_sql_integer(row.first()?)).map(UnixMillis))
    }
}

fn decode_view(
    id: u64,
    [start, seq, heard]: [&SqlStorageValue; 3],
    record: &str,
    counted: &SqlStorageValue,
) -> Option<UnfoldedView> {
    let counted: Option<FoldedView> = match counted {
        SqlStorageValue::String(text) => Some(serde_json::from_str(text).ok()?),
        _ => None,
    };
    Some(UnfoldedView {
        key: id.to_string(),
        start: UnixMillis(from_sql_integer(start)?),
        seq: u16::try_from(from_sql_integer(seq)?).ok()?,
        received_bits: u32::try_from(from_sql_integer(heard)?).ok()?,
        record: ViewRecord::from_json(record)?,
        folded: counted,
    })
}

/// Inserts a batch of rows, in one statement and one parameter. A later beacon of a view replaces an earlier one, a
/// repeated one changes nothing. A report of web-vitals (`~`) has no sequence number; its value only grows, so the
/// larger of two wins in either order. An updated view moves to the end, where it is folded again.
const INSERT_ROWS_SQL: &str = "
    INSERT INTO views (id, view, start, heard_at, seq, heard, told)
    SELECT ?3 + 1 + key, value ->> 'k', value ->> 's', ?2, value ->> 'q', 1 << (value ->> 'q'), value -> 't'
    FROM json_each(?1)";
const MERGE_ROWS_SQL: &str = "
    ON CONFLICT (view) DO UPDATE SET
        id = excluded.id,
        heard_at = excluded.heard_at,
        told = iif(excluded.seq > seq OR (view LIKE '~%'
            AND (SELECT max(value) FROM json_each(excluded.told, '$.m'))
              > (SELECT max(value) FROM json_each(views.told, '$.m'))), excluded.told, told),
        heard = heard | excluded.heard,
        seq = max(seq, excluded.seq)";

/// A correction of a view that was deleted is ignored: its count stands, and to add it again would count it twice. A
/// late row is therefore inserted only if its view is known. It has a statement of its own, because SQLite copies all
/// rows of a statement that reads the table it writes.
const IS_IN_TIME_SQL: &str = "(value ->> 'q' = 0 OR value ->> 'a' < 7200000)";
const IS_KNOWN_SQL: &str = "EXISTS (SELECT 1 FROM views AS known WHERE known.view = value ->> 'k')";

/// Stores what is counted of these views.
const SET_COUNTED_SQL: &str = "
    UPDATE views SET counted = row.value -> '$[1]'
    FROM json_each(?1) AS row WHERE views.id = CAST(row.value ->> '$[0]' AS INTEGER)";

/// The condition for settled views.
const IS_SETTLED_SQL: &str = "id <= ?2 AND id < coalesce(
    (SELECT id FROM views WHERE heard_at >= ?1 ORDER BY id LIMIT 1), 9223372036854775807)";

/// Selects the rows of a batch whose views are new, the last of each view.
pub(super) const NEW_VIEWS_SQL: &str = "
    SELECT value -> 't', max(value ->> 'q') FROM json_each(?1)
    WHERE NOT EXISTS (SELECT 1 FROM views WHERE view = value ->> 'k')
    GROUP BY value ->> 'k'";
