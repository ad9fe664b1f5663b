//! The sample of settled views that is exported before the journal deletes them.

use export::SampledView;
use ledger::journal::{Journal, SettledView};
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Result, SqlStorageValue};

use super::object::Shard;
use crate::sample_export;
use crate::sql::{from_sql_integer, to_sql_integer};

/// The views of a sweep that are considered and chosen.
#[derive(Debug, Default)]
pub(super) struct SampleBudget {
    views_read: usize,
    chosen: Vec<SampledView>,
}

impl Shard {
    /// Chooses a sample of the views of folds up to that one, before they are deleted.
    pub(super) fn choose_samples(
        &self,
        journal: &Journal,
        folds_through: u64,
        samples: &mut SampleBudget,
    ) -> Result<()> {
        let SampleBudget { views_read, chosen } = samples;
        let exports = self.config()?.exports.clone();
        let share = |share: Option<f64>| share.unwrap_or_default();
        let (to_sentry, to_analytics) = (
            share(exports.sentry.as_ref().map(|sentry| sentry.sample_rate)),
            share(exports.analytics.as_ref().map(|analytics| analytics.sample_rate)),
        );
        let is_full = *views_read >= MAX_VIEWS_READ || chosen.len() >= MAX_SENT;
        if to_sentry.max(to_analytics) <= 0.0 || folds_through == 0 || is_full {
            return Ok(());
        }
        let rows = self.sql().exec(
            "SELECT fold, keys, body FROM folded WHERE fold <= ? ORDER BY fold",
            vec![to_sql_integer(folds_through)],
        )?;
        for row in rows.raw() {
            // A damaged row of settled views must not keep the others from being deleted.
            let Some(views) = settled_views(journal, &row?) else {
                worker::console_error!("a row of table folded is damaged, its views are not exported");
                continue;
            };
            *views_read = views_read.saturating_add(views.len());
            let sampled = views.into_iter().filter_map(|view| {
                let SettledView { key, start, heard_at, record } = view;
                SampledView::from_record(&key, start, heard_at, record)
            });
            chosen.extend(sampled.filter(|view| view.is_sampled(to_sentry.max(to_analytics))));
            if *views_read >= MAX_VIEWS_READ || chosen.len() >= MAX_SENT {
                break;
            }
        }
        chosen.truncate(MAX_SENT);
        Ok(())
    }

    /// Sends the views that a sweep has chosen.
    pub(super) fn export_samples(&self, samples: SampleBudget) -> Result<()> {
        if !samples.chosen.is_empty() {
            spawn_local(sample_export::send_views(self.config()?.exports.clone(), samples.chosen));
        }
        Ok(())
    }
}

fn settled_views(journal: &Journal, row: &[SqlStorageValue]) -> Option<Vec<SettledView>> {
    let [fold, SqlStorageValue::Blob(keys), SqlStorageValue::Blob(body)] = row else { return None };
    journal.settled_views(from_sql_integer(fold)?, keys, body).ok()
}

/// Views that are considered at a time.
const MAX_VIEWS_READ: usize = 5_000;
/// Views that are sent at a time.
const MAX_SENT: usize = 200;
