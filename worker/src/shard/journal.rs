//! The journal: each view as it was last told, until it may be corrected no more. Rows are told in
//! groups, which the shim brings together; what they come to is the ledger's business.

use std::rc::Rc;

use ledger::{Counted, Told, View};
use wire::UnixMillis;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Error, Result, SqlStorageValue};

use super::{FOLD_AFTER, Shard, now, number, whole};

#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
impl Shard {
    /// Writes rows that were told, without an await. The output gate holds every answer until they are on
    /// disk.
    pub fn commit(&self, rows: &str) -> bool {
        // Somebody has asked that nothing be counted for now.
        if self.opened().is_ok() && !self.is_monitored() {
            return true;
        }
        let news = self.news_for_listeners(rows);
        if let Err(error) = self.opened().and_then(|()| self.write(rows)) {
            self.last.set(None);
            worker::console_error!("{} bytes of beacons could not be stored: {error}", rows.len());
            return false;
        }
        if let Some(news) = news {
            self.say_of(&news);
        }
        let folds_at = now().after(FOLD_AFTER);
        let tends_at = self.tends_at.get();
        if tends_at > folds_at || tends_at == UnixMillis(0) {
            self.tends_at.set(folds_at);
            let alarm = Rc::clone(&self.alarm);
            spawn_local(async move {
                if let Err(error) = alarm.by(folds_at).await {
                    // The rows are stored; the cron goes on with them.
                    worker::console_error!("the alarm could not be armed: {error}");
                }
            });
        }
        true
    }
}

impl Shard {
    fn write(&self, rows: &str) -> Result<()> {
        let last = match self.last.get() {
            Some(last) => last,
            None => self.last_heard()?.max(self.folded()?),
        };
        let mut values = vec![format!("[{rows}]").into(), number(now().0), number(last)];
        self.sql().exec(&format!("{JOURNAL_HEAD} WHERE {IN_TIME} {JOURNAL_TAIL}"), values.clone())?;
        // There are fewer rows than bytes of them, and no lack of numbers.
        let mut next = last.saturating_add(rows.len() as u64);
        if has_late(rows) {
            values.truncate(2);
            values.push(number(next));
            self.sql()
                .exec(&format!("{JOURNAL_HEAD} WHERE NOT ({IN_TIME}) AND {KNOWN} {JOURNAL_TAIL}"), values)?;
            next = next.saturating_add(rows.len() as u64);
        }
        self.last.set(Some(next));
        Ok(())
    }

    /// The next views that were heard of since the last ones were counted, and the number of the last.
    pub(super) fn behind(&self) -> Result<(Vec<View>, u64)> {
        let mut last = self.folded()?;
        let cursor = self.sql().exec(
            "SELECT id, start, seq, heard, told, counted FROM views WHERE id > ? ORDER BY id LIMIT 500",
            vec![number(last)],
        )?;
        let mut views = Vec::new();
        for row in cursor.raw() {
            let row = row?;
            let view = match row.as_slice() {
                [id, start, seq, heard, SqlStorageValue::String(told), counted] => {
                    last = whole(id).unwrap_or(last);
                    view_of(last, [start, seq, heard], told, counted)
                }
                _ => None,
            };
            views
                .push(view.ok_or_else(|| Error::RustError("a journal row is of no version of ours".into()))?);
        }
        Ok((views, last))
    }

    /// The number up to which views are counted.
    fn folded(&self) -> Result<u64> {
        Ok(self.kept("folded")?.unwrap_or_default())
    }

    fn last_heard(&self) -> Result<u64> {
        let row = self.sql().exec("SELECT max(id) FROM views", None)?.raw().next();
        Ok(row.transpose()?.as_deref().and_then(|row| whole(row.first()?)).unwrap_or_default())
    }

    /// Notes what is now counted of these views, the last of which has that number.
    pub(super) fn noted(&self, counted: &[(String, Counted)], last: u64) -> Result<()> {
        let rows = serde_json::to_string(counted).map_err(Error::from)?;
        self.sql().exec(COUNTED, vec![rows.into()])?;
        self.keep("folded", &last)
    }

    /// Forgets the views that may be corrected no more: the first ones, up to one that may.
    pub(super) fn sweep(&self) -> Result<()> {
        let values = vec![number(now().before(SETTLED).0), number(self.folded()?)];
        let settled = "SELECT view, start, heard_at, told FROM views WHERE";
        self.send_settled(&format!("{settled} {SWEPT} ORDER BY id"), &values)?;
        self.sql().exec(&format!("DELETE FROM views WHERE {SWEPT}"), values).map(drop)
    }

    /// How many views were heard of and are not counted yet.
    pub(crate) fn uncounted(&self) -> Result<u64> {
        let after = vec![number(self.folded()?)];
        let row = self.sql().exec("SELECT count(*) FROM views WHERE id > ?", after)?.raw().next();
        Ok(row.transpose()?.as_deref().and_then(|row| whole(row.first()?)).unwrap_or_default())
    }

    pub(super) fn heard_at(&self) -> Result<Option<UnixMillis>> {
        let row = self.sql().exec("SELECT heard_at FROM views ORDER BY id DESC LIMIT 1", None)?.raw().next();
        Ok(row.transpose()?.as_deref().and_then(|row| whole(row.first()?)).map(UnixMillis))
    }
}

/// Whether any of these rows may be of a view that was swept: then it is asked.
fn has_late(rows: &str) -> bool {
    rows.split("\"a\":").skip(1).any(|rest| {
        let end = rest.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end).and_then(|age| age.parse().ok()).is_some_and(|age: u64| age >= SETTLED)
    })
}

fn view_of(
    id: u64,
    [start, seq, heard]: [&SqlStorageValue; 3],
    told: &str,
    counted: &SqlStorageValue,
) -> Option<View> {
    let counted: Option<Counted> = match counted {
        SqlStorageValue::String(text) => Some(serde_json::from_str(text).ok()?),
        _ => None,
    };
    Some(View {
        key: id.to_string(),
        start: UnixMillis(whole(start)?),
        seq: u16::try_from(whole(seq)?).ok()?,
        heard: u32::try_from(whole(heard)?).ok()?,
        told: Told::stored(told)?,
        counted,
    })
}

/// How long a view may be corrected after it was last heard of, in milliseconds.
const SETTLED: u64 = 2 * 60 * 60 * 1000;

/// A batch of rows, in one statement and one parameter. A later send of a view replaces an earlier
/// one, a repeated one changes nothing. A report of web-vitals (`~`) has no number. What is reported again
/// has grown, so of two the larger stands, in whatever order they come. Whatever was heard of again goes to
/// the end, where it will be counted anew.
const JOURNAL_HEAD: &str = "
    INSERT INTO views (id, view, start, heard_at, seq, heard, told)
    SELECT ?3 + 1 + key, value ->> 'k', value ->> 's', ?2, value ->> 'q', 1 << (value ->> 'q'), value -> 't'
    FROM json_each(?1)";
const JOURNAL_TAIL: &str = "
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
const IN_TIME: &str = "(value ->> 'q' = 0 OR value ->> 'a' < 7200000)";
const KNOWN: &str = "EXISTS (SELECT 1 FROM views AS known WHERE known.view = value ->> 'k')";

/// What is now counted of these views.
const COUNTED: &str = "
    UPDATE views SET counted = row.value -> '$[1]'
    FROM json_each(?1) AS row WHERE views.id = CAST(row.value ->> '$[0]' AS INTEGER)";

/// Which views may be corrected no more.
const SWEPT: &str = "id <= ?2 AND id < coalesce(
    (SELECT id FROM views WHERE heard_at >= ?1 ORDER BY id LIMIT 1), 9223372036854775807)";

/// Rows of a batch whose views are not known yet, each view's last.
pub(super) const NEW: &str = "
    SELECT value -> 't', max(value ->> 'q') FROM json_each(?1)
    WHERE NOT EXISTS (SELECT 1 FROM views WHERE view = value ->> 'k')
    GROUP BY value ->> 'k'";
