//! The journal: each view as it was last told, until it may be corrected no more. Rows are told in
//! groups, which the shim brings together; what they come to is the ledger's business.

use std::rc::Rc;

use ledger::{FoldedView, UnfoldedView, ViewRecord};
use wire::UnixMillis;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Error, Result, SqlStorageValue};

use super::{FOLD_DELAY_MS, Shard, from_sql_integer, now, to_sql_integer};

#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
impl Shard {
    /// Writes rows that were told, without an await. The output gate holds every answer until they are on
    /// disk.
    pub fn commit(&self, rows: &str) -> bool {
        // Somebody has asked that nothing be counted for now.
        if self.ensure_open().is_ok() && !self.is_monitored() {
            return true;
        }
        let delta = self.live_delta(rows);
        if let Err(error) = self.ensure_open().and_then(|()| self.write_rows(rows)) {
            self.last_row_id.set(None);
            worker::console_error!("{} bytes of beacons could not be stored: {error}", rows.len());
            return false;
        }
        if let Some(news) = delta {
            self.publish(&news);
        }
        let folds_at = now().saturating_add(FOLD_DELAY_MS);
        let maintenance_at = self.maintenance_at.get();
        if maintenance_at > folds_at || maintenance_at == UnixMillis(0) {
            self.maintenance_at.set(folds_at);
            let alarm = Rc::clone(&self.alarm);
            spawn_local(async move {
                if let Err(error) = alarm.schedule_by(folds_at).await {
                    // The rows are stored; the cron goes on with them.
                    worker::console_error!("the alarm could not be armed: {error}");
                }
            });
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
        // There are fewer rows than bytes of them, and no lack of numbers.
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

    /// The next views that were heard of since the last ones were counted, and the number of the last.
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
            views
                .push(view.ok_or_else(|| Error::RustError("a journal row is of no version of ours".into()))?);
        }
        Ok((views, last))
    }

    /// The number up to which views are counted.
    fn last_folded_id(&self) -> Result<u64> {
        Ok(self.load_fact("folded")?.unwrap_or_default())
    }

    fn max_row_id(&self) -> Result<u64> {
        let row = self.sql().exec("SELECT max(id) FROM views", None)?.raw().next();
        Ok(row.transpose()?.as_deref().and_then(|row| from_sql_integer(row.first()?)).unwrap_or_default())
    }

    /// Notes what is now counted of these views, the last of which has that number.
    pub(super) fn record_counted(&self, counted: &[(String, FoldedView)], last: u64) -> Result<()> {
        let rows = serde_json::to_string(counted).map_err(Error::from)?;
        self.sql().exec(SET_COUNTED_SQL, vec![rows.into()])?;
        self.store_fact("folded", &last)
    }

    /// Forgets the views that may be corrected no more: the first ones, up to one that may.
    pub(super) fn expire_settled_views(&self) -> Result<()> {
        let values = vec![
            to_sql_integer(now().saturating_sub(VIEW_SETTLED_AFTER_MS).0),
            to_sql_integer(self.last_folded_id()?),
        ];
        let settled = "SELECT view, start, heard_at, told FROM views WHERE";
        self.export_settled_views(&format!("{settled} {IS_SETTLED_SQL} ORDER BY id"), &values)?;
        self.sql().exec(&format!("DELETE FROM views WHERE {IS_SETTLED_SQL}"), values).map(drop)
    }

    /// How many views were heard of and are not counted yet.
    pub(crate) fn uncounted_count(&self) -> Result<u64> {
        let after = vec![to_sql_integer(self.last_folded_id()?)];
        let row = self.sql().exec("SELECT count(*) FROM views WHERE id > ?", after)?.raw().next();
        Ok(row.transpose()?.as_deref().and_then(|row| from_sql_integer(row.first()?)).unwrap_or_default())
    }

    pub(super) fn last_beacon_at(&self) -> Result<Option<UnixMillis>> {
        let row = self.sql().exec("SELECT heard_at FROM views ORDER BY id DESC LIMIT 1", None)?.raw().next();
        Ok(row.transpose()?.as_deref().and_then(|row| from_sql_integer(row.first()?)).map(UnixMillis))
    }
}

/// Whether any of these rows may be of a view that was swept: then it is asked.
fn has_late_rows(rows: &str) -> bool {
    rows.split("\"a\":").skip(1).any(|rest| {
        let end = rest.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end).and_then(|age| age.parse().ok()).is_some_and(|age: u64| age >= VIEW_SETTLED_AFTER_MS)
    })
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

/// How long a view may be corrected after it was last heard of, in milliseconds.
const VIEW_SETTLED_AFTER_MS: u64 = 2 * 60 * 60 * 1000;

/// A batch of rows, in one statement and one parameter. A later send of a view replaces an earlier
/// one, a repeated one changes nothing. A report of web-vitals (`~`) has no number. What is reported again
/// has grown, so of two the larger stands, in whatever order they come. Whatever was heard of again goes to
/// the end, where it will be counted anew.
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

/// A correction of a view that was swept long ago is passed over: its count stands, and to add it again
/// would count it twice. What is not in time is therefore asked whether it is known, in a statement of its
/// own: SQLite would set all rows of one aside first that reads what it writes.
const IS_IN_TIME_SQL: &str = "(value ->> 'q' = 0 OR value ->> 'a' < 7200000)";
const IS_KNOWN_SQL: &str = "EXISTS (SELECT 1 FROM views AS known WHERE known.view = value ->> 'k')";

/// What is now counted of these views.
const SET_COUNTED_SQL: &str = "
    UPDATE views SET counted = row.value -> '$[1]'
    FROM json_each(?1) AS row WHERE views.id = CAST(row.value ->> '$[0]' AS INTEGER)";

/// Which views may be corrected no more.
const IS_SETTLED_SQL: &str = "id <= ?2 AND id < coalesce(
    (SELECT id FROM views WHERE heard_at >= ?1 ORDER BY id LIMIT 1), 9223372036854775807)";

/// Rows of a batch whose views are not known yet, each view's last.
pub(super) const NEW_VIEWS_SQL: &str = "
    SELECT value -> 't', max(value ->> 'q') FROM json_each(?1)
    WHERE NOT EXISTS (SELECT 1 FROM views WHERE view = value ->> 'k')
    GROUP BY value ->> 'k'";
