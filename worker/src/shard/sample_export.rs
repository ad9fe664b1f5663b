//! The sample of settled views that is exported before the journal deletes them.

use export::SampledView;
use ledger::ViewRecord;
use wire::UnixMillis;
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Result, SqlStorageValue};

use super::object::Shard;
use super::sql::from_sql_integer;
use crate::sample_export;

impl Shard {
    /// Exports a sample of the views that the query selects, before they are deleted.
    pub(super) fn export_settled_views(&self, query: &str, values: &[SqlStorageValue]) -> Result<()> {
        let exports = self.config()?.exports.clone();
        let share = |share: Option<f64>| share.unwrap_or_default();
        let (to_sentry, to_analytics) = (
            share(exports.sentry.as_ref().map(|sentry| sentry.sample_rate)),
            share(exports.analytics.as_ref().map(|analytics| analytics.sample_rate)),
        );
        if to_sentry.max(to_analytics) <= 0.0 {
            return Ok(());
        }
        let rows = self.sql().exec(query, values.to_vec())?;
        let mut chosen = Vec::new();
        for row in rows.raw().take(MAX_VIEWS_READ) {
            let row = row?;
            let Some(view) = decode_sample(&row) else { continue };
            if view.is_sampled(to_sentry.max(to_analytics)) && chosen.len() < MAX_SENT {
                chosen.push(view);
            }
        }
        if !chosen.is_empty() {
            spawn_local(sample_export::send_views(exports, chosen));
        }
        Ok(())
    }
}

/// Decodes a row; `None` for a view that is not exported.
fn decode_sample(row: &[SqlStorageValue]) -> Option<SampledView> {
    let [SqlStorageValue::String(key), start, last_beacon_at, SqlStorageValue::String(record)] = row else {
        return None;
    };
    let [start, last_beacon_at] = [start, last_beacon_at].map(|at| from_sql_integer(at).map(UnixMillis));
    SampledView::from_record(key, start?, last_beacon_at?, ViewRecord::from_json(record)?)
}

/// Views that are considered at a time.
const MAX_VIEWS_READ: usize = 5_000;
/// Views that are sent at a time.
const MAX_SENT: usize = 200;
