//! Causes of slow views, by day. They are written in the same step as the cells, so that a view's count and its causes
//! move together.

use std::collections::BTreeMap;

use ledger::causes::{CauseDelta, CauseKey, CauseTotals, apply_deltas, keys_to_load};
use ledger::{CellEffect, FoldedView, Horizon, UnfoldedView};
use report::cause_report::{CauseQuery, PageCauses};
use wire::{Device, UnixMillis};
use worker::{Result, SqlStorageValue};

use super::object::Shard;
use crate::sql::{to_sql_integer, unsupported_row};
use wire::sorting::CollectOrdered;

/// The contributions of views to cells, before they are folded.
pub(super) struct PriorCounts(BTreeMap<String, (UnixMillis, Option<FoldedView>)>);

impl PriorCounts {
    pub(super) fn from_views(views: &[UnfoldedView]) -> Self {
        Self(views.iter().map(|view| (view.key.clone(), (view.start, view.folded.clone()))).collect_map())
    }
}

impl Shard {
    /// Updates the causes of views that were folded.
    pub(super) fn update_causes(
        &self,
        mut before: PriorCounts,
        effects: &[CellEffect],
        horizon: &Horizon,
    ) -> Result<()> {
        let steps: Vec<CauseDelta> = effects
            .iter()
            .filter_map(|effect| {
                let CellEffect::MarkFolded(view, after) = effect else { return None };
                let (start, before) = before.0.remove(view)?;
                Some(CauseDelta { start, before, after: after.clone() })
            })
            .collect();
        let mut known = BTreeMap::new();
        for key in keys_to_load(&steps, horizon) {
            let rows = self.sql().exec(
                "SELECT causes FROM causes WHERE day = ? AND route = ? AND device = ? AND metric = ?",
                cause_row_key(&key),
            )?;
            if let Some(row) = rows.raw().next().transpose()? {
                let causes = row.first().and_then(decode_causes).ok_or_else(unsupported_causes)?;
                known.insert(key, causes);
            }
        }
        for (key, causes) in apply_deltas(&steps, known, horizon) {
            let mut values = cause_row_key(&key);
            if causes.is_empty() {
                let gone = "DELETE FROM causes WHERE day = ? AND route = ? AND device = ? AND metric = ?";
                self.sql().exec(gone, values)?;
                continue;
            }
            values.push(causes.to_json()?.into());
            self.sql().exec(
                "INSERT OR REPLACE INTO causes (day, route, device, metric, causes) VALUES (?, ?, ?, ?, ?)",
                values,
            )?;
        }
        Ok(())
    }

    /// Deletes the causes of days that have expired.
    pub(super) fn expire_causes(&self) -> Result<()> {
        let horizon = self.horizon()?;
        self.sql().exec("DELETE FROM causes WHERE day < ?", vec![to_sql_integer(horizon.days.0)]).map(drop)
    }

    pub(super) fn read_causes(&self, query: &CauseQuery) -> Result<Vec<PageCauses>> {
        let day = wire::Window::containing(wire::WindowSpan::Day, query.from).start;
        let rows = self.sql().exec(
            "SELECT route, device, metric, causes FROM causes WHERE day >= ?1 AND day < ?2
             AND (?3 IS NULL OR route = ?3) AND (?4 IS NULL OR device = ?4)",
            vec![
                to_sql_integer(day.0),
                to_sql_integer(query.to.0),
                query.route.as_deref().map_or(SqlStorageValue::Null, SqlStorageValue::from),
                query.device.map_or(SqlStorageValue::Null, |device| device.name().into()),
            ],
        )?;
        let mut all: BTreeMap<(String, Device, String), CauseTotals> = BTreeMap::new();
        for row in rows.raw() {
            let row = row?;
            let [
                SqlStorageValue::String(route),
                SqlStorageValue::String(device),
                SqlStorageValue::String(metric),
                causes,
            ] = row.as_slice()
            else {
                return Err(unsupported_causes());
            };
            let device = Device::from_name(device).ok_or_else(unsupported_causes)?;
            let of_page = all.entry((route.clone(), device, metric.clone())).or_default();
            of_page.merge(&decode_causes(causes).ok_or_else(unsupported_causes)?);
        }
        let page = |((route, device, metric), causes)| PageCauses { route, device, metric, causes };
        Ok(all.into_iter().map(page).collect())
    }
}

fn cause_row_key(key: &CauseKey) -> Vec<SqlStorageValue> {
    let CauseKey { day, route, device, metric } = key;
    vec![to_sql_integer(day.0), route.as_str().into(), device.name().into(), metric.name().into()]
}

fn decode_causes(value: &SqlStorageValue) -> Option<CauseTotals> {
    match value {
        SqlStorageValue::String(text) => CauseTotals::from_json(text),
        _ => None,
    }
}

fn unsupported_causes() -> worker::Error {
    unsupported_row("causes")
}
