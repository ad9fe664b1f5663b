//! Why visits were slow, kept by the day beside the cells: written in the same step as they, so that a
//! view's count and its reasons move together.

use std::collections::BTreeMap;

use ledger::causes::{CauseKey, Causes, Moved, moved, touched};
use ledger::{Counted, Effect, Horizon, View};
use serde::{Deserialize, Serialize};
use wire::{Device, UnixMillis};
use worker::{Error, Result, SqlStorageValue};

use super::{Shard, number};

/// Which causes are asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// The first moment; the day that holds it belongs to the answer.
    pub(crate) from: UnixMillis,
    /// The moment before which all of it lies.
    pub(crate) to: UnixMillis,
    pub(crate) route: Option<String>,
    pub(crate) device: Option<Device>,
}

/// Causes of a page, as they cross from a shard: the route, the device class, the metric's name.
pub(crate) type Caused = (String, Device, String, Causes);

/// What the cells hold of views before they are folded.
pub(super) struct Before(BTreeMap<String, (UnixMillis, Option<Counted>)>);

impl Before {
    pub(super) fn of(views: &[View]) -> Self {
        Self(views.iter().map(|view| (view.key.clone(), (view.start, view.counted.clone()))).collect())
    }
}

impl Shard {
    /// Moves the causes of views that were folded.
    pub(super) fn blame(&self, mut before: Before, effects: &[Effect], horizon: &Horizon) -> Result<()> {
        let steps: Vec<Moved> = effects
            .iter()
            .filter_map(|effect| {
                let Effect::Count(view, after) = effect else { return None };
                let (start, before) = before.0.remove(view)?;
                Some(Moved { start, before, after: after.clone() })
            })
            .collect();
        let mut known = BTreeMap::new();
        for key in touched(&steps, horizon) {
            let rows = self.sql().exec(
                "SELECT causes FROM causes WHERE day = ? AND route = ? AND device = ? AND metric = ?",
                place(&key),
            )?;
            if let Some(row) = rows.raw().next().transpose()? {
                let causes = row.first().and_then(stored).ok_or_else(unknown)?;
                known.insert(key, causes);
            }
        }
        for (key, causes) in moved(&steps, known, horizon) {
            let mut values = place(&key);
            if causes.is_empty() {
                let gone = "DELETE FROM causes WHERE day = ? AND route = ? AND device = ? AND metric = ?";
                self.sql().exec(gone, values)?;
                continue;
            }
            values.push(causes.text().into());
            self.sql().exec(
                "INSERT OR REPLACE INTO causes (day, route, device, metric, causes) VALUES (?, ?, ?, ?, ?)",
                values,
            )?;
        }
        Ok(())
    }

    /// Forgets the causes of days that are no longer kept.
    pub(super) fn forgive(&self) -> Result<()> {
        let horizon = self.horizon()?;
        self.sql().exec("DELETE FROM causes WHERE day < ?", vec![number(horizon.days.0)]).map(drop)
    }

    pub(super) fn causes(&self, asked: &Asked) -> Result<Vec<Caused>> {
        let day = ledger::Window::of(ledger::Span::Day, asked.from).start;
        let rows = self.sql().exec(
            "SELECT route, device, metric, causes FROM causes WHERE day >= ?1 AND day < ?2
             AND (?3 IS NULL OR route = ?3) AND (?4 IS NULL OR device = ?4)",
            vec![
                number(day.0),
                number(asked.to.0),
                asked.route.as_deref().map_or(SqlStorageValue::Null, SqlStorageValue::from),
                asked.device.map_or(SqlStorageValue::Null, |device| device.name().into()),
            ],
        )?;
        let mut all: BTreeMap<(String, Device, String), Causes> = BTreeMap::new();
        for row in rows.raw() {
            let row = row?;
            let [
                SqlStorageValue::String(route),
                SqlStorageValue::String(device),
                SqlStorageValue::String(metric),
                causes,
            ] = row.as_slice()
            else {
                return Err(unknown());
            };
            let device = Device::named(device).ok_or_else(unknown)?;
            let of_page = all.entry((route.clone(), device, metric.clone())).or_default();
            of_page.merge(&stored(causes).ok_or_else(unknown)?);
        }
        Ok(all.into_iter().map(|((route, device, metric), causes)| (route, device, metric, causes)).collect())
    }
}

fn place(key: &CauseKey) -> Vec<SqlStorageValue> {
    let CauseKey { day, route, device, metric } = key;
    vec![number(day.0), route.as_str().into(), device.name().into(), metric.name().into()]
}

fn stored(value: &SqlStorageValue) -> Option<Causes> {
    match value {
        SqlStorageValue::String(text) => Causes::stored(text),
        _ => None,
    }
}

fn unknown() -> Error {
    Error::RustError("a stored cause is of no version of ours".into())
}
