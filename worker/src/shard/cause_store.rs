//! Causes of slow views, by day. They are written in the same step as the cells, so that a view's count and its causes
//! move together.

use std::collections::BTreeMap;

use ledger::causes::{CauseDelta, CauseKey, CauseTotals, apply_deltas, keys_to_load};
use ledger::{CellEffect, FoldedView, Horizon, UnfoldedView};
use report::cause_report::{CauseQuery, PageCauses};
use wire::{Device, UnixMillis};
use worker::{Result, SqlStorageValue};

use super::object::Shard;
use super::turn::Turn;
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
    pub(super) async fn expire_causes(&self, turn: &Turn<'_>) -> Result<()> {
        let expired = "DELETE FROM causes WHERE (day, route, device, metric) IN
            (SELECT day, route, device, metric FROM causes WHERE day < ? LIMIT 500)";
        let days = to_sql_integer(self.horizon()?.days.0);
        while self.sql().exec(expired, vec![days.clone()])?.rows_written() > 0 {
            turn.pause().await?;
        }
        Ok(())
    }

    /// Reads the causes of some days, a number of rows at a time.
    pub(super) async fn read_causes(&self, turn: &Turn<'_>, query: &CauseQuery) -> Result<Vec<PageCauses>> {
        let first = wire::Window::containing(wire::WindowSpan::Day, query.from).start;
        let mut last = vec![to_sql_integer(first.0), "".into(), "".into(), "".into()];
        let mut all: BTreeMap<(String, Device, String), CauseTotals> = BTreeMap::new();
        loop {
            let mut values = last.clone();
            values.extend([
                to_sql_integer(query.to.0),
                query.route.as_deref().map_or(SqlStorageValue::Null, SqlStorageValue::from),
                query.device.map_or(SqlStorageValue::Null, |device| device.name().into()),
            ]);
            let mut is_any = false;
            for row in self.sql().exec(CAUSES_SQL, values)?.raw() {
                let row = row?;
                let [
                    day,
                    SqlStorageValue::String(route),
                    SqlStorageValue::String(device),
                    SqlStorageValue::String(metric),
                    causes,
                ] = row.as_slice()
                else {
                    return Err(unsupported_causes());
                };
                let key = Device::from_name(device).ok_or_else(unsupported_causes)?;
                let of_page = all.entry((route.clone(), key, metric.clone())).or_default();
                of_page.merge(&decode_causes(causes).ok_or_else(unsupported_causes)?);
                last =
                    vec![day.clone(), route.as_str().into(), device.as_str().into(), metric.as_str().into()];
                is_any = true;
            }
            if !is_any {
                break;
            }
            turn.pause().await?;
        }
        let page = |((route, device, metric), causes)| PageCauses { route, device, metric, causes };
        Ok(all.into_iter().map(page).collect())
    }
}

/// The next causes after a row, in the order of the table.
const CAUSES_SQL: &str = "
    SELECT day, route, device, metric, causes FROM causes
    WHERE (day, route, device, metric) > (?1, ?2, ?3, ?4) AND day < ?5
        AND (?6 IS NULL OR route = ?6) AND (?7 IS NULL OR device = ?7)
    ORDER BY day, route, device, metric LIMIT 100";

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
