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
    /// Writes rows that were told, in one statement and without an await. The output gate holds every
    /// answer until that is on disk.
    pub fn commit(&self, rows: &str) -> bool {
        // Somebody has asked that nothing be counted for now.
        if self.opened().is_ok() && !self.is_monitored() {
            return true;
        }
        let newest = self.newest_for_listeners();
        let batch = || self.sql().exec(JOURNAL, vec![format!("[{rows}]").into(), number(now().0)]);
        if let Err(error) = self.opened().and_then(|()| batch()) {
            worker::console_error!("{} bytes of beacons could not be stored: {error}", rows.len());
            return false;
        }
        if let Some(newest) = newest {
            self.overhear(newest);
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
    /// The next views whose cells are behind what they told.
    pub(super) fn behind(&self) -> Result<Vec<View>> {
        let cursor = self
            .sql()
            .exec("SELECT view, start, seq, heard, told, counted FROM views WHERE behind LIMIT 500", None)?;
        let mut views = Vec::new();
        for row in cursor.raw() {
            let row = row?;
            let view = match row.as_slice() {
                [
                    SqlStorageValue::String(view),
                    start,
                    seq,
                    heard,
                    SqlStorageValue::String(told),
                    counted,
                ] => view_of(view, [start, seq, heard], told, counted),
                _ => None,
            };
            views
                .push(view.ok_or_else(|| Error::RustError("a journal row is of no version of ours".into()))?);
        }
        Ok(views)
    }

    /// Notes what is now counted of these views.
    pub(super) fn noted(&self, counted: &[(String, Counted)]) -> Result<()> {
        if counted.is_empty() {
            return Ok(());
        }
        let rows = serde_json::to_string(counted).map_err(Error::from)?;
        self.sql().exec(COUNTED, vec![rows.into()]).map(drop)
    }

    /// Forgets the views that may be corrected no more.
    pub(super) fn sweep(&self) -> Result<()> {
        let before = now().before(SETTLED);
        self.send_settled(before)?;
        let settled = vec![number(before.0)];
        self.sql().exec("DELETE FROM views WHERE heard_at < ? AND NOT behind", settled).map(drop)
    }

    pub(super) fn heard_at(&self) -> Result<Option<UnixMillis>> {
        let row = self.sql().exec("SELECT max(heard_at) FROM views", None)?.raw().next();
        Ok(row.transpose()?.as_deref().and_then(|row| whole(row.first()?)).map(UnixMillis))
    }
}

fn view_of(
    view: &str,
    [start, seq, heard]: [&SqlStorageValue; 3],
    told: &str,
    counted: &SqlStorageValue,
) -> Option<View> {
    let counted: Option<Counted> = match counted {
        SqlStorageValue::String(text) => Some(serde_json::from_str(text).ok()?),
        _ => None,
    };
    Some(View {
        key: view.to_owned(),
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
/// one, a repeated one changes nothing. A correction of a view that was swept long ago is passed over:
/// its count stands, and to add it again would count it twice. A report of web-vitals (`~`) has no
/// number. What is reported again has grown, so of two the larger stands, in whatever order they come.
const JOURNAL: &str = "
    INSERT INTO views (view, start, heard_at, seq, heard, behind, told)
    SELECT value ->> 'k', value ->> 's', ?2, value ->> 'q', 1 << (value ->> 'q'), 1, value -> 't'
    FROM json_each(?1)
    WHERE value ->> 'q' = 0 OR value ->> 'a' < 7200000
       OR EXISTS (SELECT 1 FROM views AS known WHERE known.view = value ->> 'k')
    ON CONFLICT (view) DO UPDATE SET
        heard_at = excluded.heard_at,
        told = iif(excluded.seq > seq OR (view LIKE '~%'
            AND (SELECT max(value) FROM json_each(excluded.told, '$.m'))
              > (SELECT max(value) FROM json_each(views.told, '$.m'))), excluded.told, told),
        behind = behind OR excluded.heard & ~heard OR (view LIKE '~%'
            AND (SELECT max(value) FROM json_each(excluded.told, '$.m'))
              > (SELECT max(value) FROM json_each(views.told, '$.m'))),
        heard = heard | excluded.heard,
        seq = max(seq, excluded.seq)";

/// What is now counted of these views.
const COUNTED: &str = "
    UPDATE views SET behind = 0, counted = row.value -> '$[1]'
    FROM json_each(?1) AS row WHERE view = row.value ->> '$[0]'";
