//! Single views and errors that go out, to Sentry and to Google Analytics: a share of the views once they are
//! settled, and the Worker's own errors, each kind once an hour. What they say, and what Sentry's own limits
//! forbid, is `export`'s. Each is sent once at most: they are samples, and nobody counts by them.

use std::cell::RefCell;

use export::config::{ExportConfig, SentryConfig};
use export::sentry::{self, Category, ErrorEvent, RecentErrors, SentryRateLimits};
use export::{SampledView, analytics};
use ledger::ViewRecord;
use wire::UnixMillis;
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Env, Result, SqlStorageValue};

use crate::config::Config;
use crate::outbound;
use crate::shard::{Shard, from_sql_integer, now};

impl Shard {
    /// Sends on the views that are about to be forgotten, as many of them as are chosen.
    /// The query names them.
    pub(crate) fn export_settled_views(&self, query: &str, values: &[SqlStorageValue]) -> Result<()> {
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
            spawn_local(send_views(exports, chosen));
        }
        Ok(())
    }
}

fn decode_sample(row: &[SqlStorageValue]) -> Option<SampledView> {
    let [SqlStorageValue::String(key), start, heard_at, SqlStorageValue::String(told)] = row else {
        return None;
    };
    let record = ViewRecord::from_json(told).filter(|told| !told.labels.bot && told.loss_reason.is_none())?;
    let (start, heard_at) = (from_sql_integer(start)?, from_sql_integer(heard_at)?);
    let (id, view) = key.rsplit_once('.').unwrap_or((key, "0"));
    Some(SampledView {
        id: id.to_owned(),
        view: view.parse().unwrap_or_default(),
        start: UnixMillis(start),
        age: u32::try_from(heard_at.saturating_sub(start)).unwrap_or(u32::MAX),
        route: record.labels.route,
        device: record.labels.device,
        navigation: record.labels.navigation,
        release: record.labels.release,
        values: record.values,
    })
}

/// One after the other: nobody waits for them.
async fn send_views(exports: ExportConfig, views: Vec<SampledView>) {
    for view in views {
        if let Some(outlet) = exports.sentry.as_ref().filter(|outlet| view.is_sampled(outlet.sample_rate)) {
            let envelope = sentry::transaction(&view, &outlet.deployment, now());
            send_to_sentry(outlet, Category::Transaction, envelope).await;
        }
        let Some(outlet) = exports.analytics.as_ref().filter(|outlet| view.is_sampled(outlet.sample_rate))
        else {
            continue;
        };
        let Some(body) = analytics::body(&view, now()) else { continue };
        let fields = [("content-type", "application/json")];
        if let Err(error) =
            outbound::post(&outlet.url, &fields, body.to_string().into(), EXPORT_TIMEOUT_MS).await
        {
            worker::console_error!("Analytics did not take a view: {error}");
            return;
        }
    }
}

/// Posts an envelope, unless Sentry has asked for less.
async fn send_to_sentry(outlet: &SentryConfig, category: Category, envelope: String) {
    if !KEPT.with_borrow(|kept| kept.limits.is_allowed(category, now())) {
        return;
    }
    let fields =
        [("content-type", "application/x-sentry-envelope"), ("x-sentry-auth", outlet.dsn.auth.as_str())];
    let Ok(answered) = outbound::post(&outlet.dsn.url, &fields, envelope.into(), EXPORT_TIMEOUT_MS).await
    else {
        return;
    };
    let header = |name: &str| answered.headers.get(name).ok().flatten();
    let (limits, retry_after) = (header("x-sentry-rate-limits"), header("retry-after"));
    let retry_after = retry_after.and_then(|seconds| seconds.trim().parse().ok());
    KEPT.with_borrow_mut(|kept| kept.limits.update(answered.status, limits.as_deref(), retry_after, now()));
}

/// Notes an error of our own. Whether there is something to send.
pub(crate) fn queue_error(kind: &str, message: String, route: &str) -> bool {
    let failure = ErrorEvent { at: now(), kind: kind.to_owned(), message, route: route.to_owned() };
    KEPT.with_borrow_mut(|kept| {
        let Some(times) = kept.recent.admit(&failure).filter(|_| kept.failures.len() < MAX_SENT) else {
            return false;
        };
        kept.failures.push((failure, times));
        true
    })
}

/// Sends the errors that were noted.
pub(crate) async fn send_errors(env: Env) {
    let failures = KEPT.with_borrow_mut(|kept| std::mem::take(&mut kept.failures));
    let Some(config) = Config::load(&env).ok() else { return };
    let Some(outlet) = &config.exports.sentry else { return };
    for (failure, times) in failures {
        let envelope = sentry::error_event(&failure, times, &outlet.deployment, now());
        send_to_sentry(outlet, Category::Error, envelope).await;
    }
}

/// Bounded: errors by kind, those that are to be sent, and Sentry's limits.
#[derive(Default)]
struct SentryState {
    limits: SentryRateLimits,
    recent: RecentErrors,
    failures: Vec<(ErrorEvent, u64)>,
}

thread_local! {
    // Plain data: nothing in it belongs to a request.
    static KEPT: RefCell<SentryState> = RefCell::default();
}

const EXPORT_TIMEOUT_MS: u32 = 10_000;
/// Views that are looked at before they are forgotten, and those that are sent, at a time.
const MAX_VIEWS_READ: usize = 5_000;
const MAX_SENT: usize = 200;
