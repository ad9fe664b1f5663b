//! Exports to Sentry and Google Analytics: a sample of settled views, and the Worker's own errors, each kind once an
//! hour. Each is sent at most once. `export` writes them, and keeps Sentry's rate limits.

use std::cell::RefCell;

use export::config::{ExportConfig, SentryConfig};
use export::sentry::{self, Category, ErrorEvent, RecentErrors, SentryRateLimits};
use export::{SampledView, analytics};
use worker::Env;

use crate::clock::now;
use crate::config::Config;
use crate::outbound;

/// Sends views one after the other, to limit the open connections.
pub(crate) async fn send_views(exports: ExportConfig, views: Vec<SampledView>) {
    for view in views {
        if let Some(sink) = exports.sentry.as_ref().filter(|sink| view.is_sampled(sink.sample_rate)) {
            let envelope = sentry::transaction(&view, &sink.deployment, now());
            send_to_sentry(sink, Category::Transaction, envelope).await;
        }
        let Some(sink) = exports.analytics.as_ref().filter(|sink| view.is_sampled(sink.sample_rate)) else {
            continue;
        };
        let Some(body) = analytics::body(&view, now()) else { continue };
        let fields = [("content-type", "application/json")];
        if let Err(error) =
            outbound::post(&sink.url, &fields, body.to_string().into(), EXPORT_TIMEOUT_MS).await
        {
            worker::console_error!("view not exported to Google Analytics: {error}");
            return;
        }
    }
}

/// Posts an envelope, unless a rate limit of Sentry is in force.
async fn send_to_sentry(sink: &SentryConfig, category: Category, envelope: String) {
    if !STATE.with_borrow(|state| state.limits.is_allowed(category, now())) {
        return;
    }
    let fields =
        [("content-type", "application/x-sentry-envelope"), ("x-sentry-auth", sink.dsn.auth.as_str())];
    let Ok(response) = outbound::post(&sink.dsn.url, &fields, envelope.into(), EXPORT_TIMEOUT_MS).await
    else {
        return;
    };
    let header = |name: &str| response.headers.get(name).ok().flatten();
    let (limits, retry_after) = (header("x-sentry-rate-limits"), header("retry-after"));
    let retry_after = retry_after.and_then(|seconds| seconds.trim().parse().ok());
    STATE
        .with_borrow_mut(|state| state.limits.update(response.status, limits.as_deref(), retry_after, now()));
}

/// Queues an internal error. Returns true if there is anything to send.
pub(crate) fn queue_error(kind: &str, message: String, route: &str) -> bool {
    let failure = ErrorEvent { at: now(), kind: kind.to_owned(), message, route: route.to_owned() };
    STATE.with_borrow_mut(|state| {
        let Some(times) = state.recent.admit(&failure).filter(|_| state.failures.len() < MAX_QUEUED_ERRORS)
        else {
            return false;
        };
        state.failures.push((failure, times));
        true
    })
}

/// Sends the queued errors.
pub(crate) async fn send_errors(env: Env) {
    let failures = STATE.with_borrow_mut(|state| std::mem::take(&mut state.failures));
    let Some(config) = Config::load(&env).ok() else { return };
    let Some(sink) = &config.exports.sentry else { return };
    for (failure, times) in failures {
        let envelope = sentry::error_event(&failure, times, &sink.deployment, now());
        send_to_sentry(sink, Category::Error, envelope).await;
    }
}

/// Sentry's rate limits, recent errors by kind, and queued errors; all of them bounded.
#[derive(Default)]
struct SentryState {
    limits: SentryRateLimits,
    recent: RecentErrors,
    failures: Vec<(ErrorEvent, u64)>,
}

thread_local! {
    // Plain data: nothing in it belongs to a request.
    static STATE: RefCell<SentryState> = RefCell::default();
}

const EXPORT_TIMEOUT_MS: u32 = 10_000;
const MAX_QUEUED_ERRORS: usize = 200;
