//! Single views and errors that go out, to Sentry and to Google Analytics: a share of the views once they are
//! settled, and the Worker's own errors, each kind once an hour. What they say, and what Sentry's own limits
//! forbid, is `insight::export`'s. Each is sent once at most: they are samples, and nobody counts by them.

use std::cell::RefCell;

use insight::export::outlets::{Outlets, Sentry};
use insight::export::sentry::{self, Category, Failure, Limits, Recent};
use insight::export::{View, analytics};
use ledger::Told;
use wire::UnixMillis;
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Env, Result, SqlStorageValue};

use crate::config::Config;
use crate::post;
use crate::shard::{Shard, now, whole};

impl Shard {
    /// Sends on the views that are about to be forgotten, as many of them as are chosen.
    /// The query names them.
    pub(crate) fn send_settled(&self, query: &str, values: &[SqlStorageValue]) -> Result<()> {
        let outlets = self.config()?.outlets.clone();
        let share = |share: Option<f64>| share.unwrap_or_default();
        let (to_sentry, to_analytics) = (
            share(outlets.sentry.as_ref().map(|sentry| sentry.share)),
            share(outlets.analytics.as_ref().map(|analytics| analytics.share)),
        );
        if to_sentry.max(to_analytics) <= 0.0 {
            return Ok(());
        }
        let rows = self.sql().exec(query, values.to_vec())?;
        let mut chosen = Vec::new();
        for row in rows.raw().take(MOST_READ) {
            let row = row?;
            let Some(view) = view_of(&row) else { continue };
            if view.is_sampled(to_sentry.max(to_analytics)) && chosen.len() < MOST_SENT {
                chosen.push(view);
            }
        }
        if !chosen.is_empty() {
            spawn_local(send(outlets, chosen));
        }
        Ok(())
    }
}

fn view_of(row: &[SqlStorageValue]) -> Option<View> {
    let [SqlStorageValue::String(key), start, heard_at, SqlStorageValue::String(told)] = row else {
        return None;
    };
    let told = Told::stored(told).filter(|told| !told.labels.bot && told.lost.is_none())?;
    let (start, heard_at) = (whole(start)?, whole(heard_at)?);
    let (id, view) = key.rsplit_once('.').unwrap_or((key, "0"));
    Some(View {
        id: id.to_owned(),
        view: view.parse().unwrap_or_default(),
        start: UnixMillis(start),
        age: u32::try_from(heard_at.saturating_sub(start)).unwrap_or(u32::MAX),
        route: told.labels.route,
        device: told.labels.device,
        navigation: told.labels.navigation,
        release: told.labels.release,
        values: told.values,
    })
}

/// One after the other: nobody waits for them.
async fn send(outlets: Outlets, views: Vec<View>) {
    for view in views {
        if let Some(outlet) = outlets.sentry.as_ref().filter(|outlet| view.is_sampled(outlet.share)) {
            let envelope = sentry::transaction(&view, &outlet.worker, now());
            to_sentry(outlet, Category::Transaction, envelope).await;
        }
        let Some(outlet) = outlets.analytics.as_ref().filter(|outlet| view.is_sampled(outlet.share)) else {
            continue;
        };
        let Some(body) = analytics::body(&view, now()) else { continue };
        let fields = [("content-type", "application/json")];
        if let Err(error) = post::post(&outlet.url, &fields, body.to_string().into(), PATIENCE).await {
            worker::console_error!("Analytics did not take a view: {error}");
            return;
        }
    }
}

/// Posts an envelope, unless Sentry has asked for less.
async fn to_sentry(outlet: &Sentry, category: Category, envelope: String) {
    if !KEPT.with_borrow(|kept| kept.limits.allow(category, now())) {
        return;
    }
    let fields =
        [("content-type", "application/x-sentry-envelope"), ("x-sentry-auth", outlet.dsn.auth.as_str())];
    let Ok(answered) = post::post(&outlet.dsn.url, &fields, envelope.into(), PATIENCE).await else { return };
    let header = |name: &str| answered.headers.get(name).ok().flatten();
    let (limits, retry_after) = (header("x-sentry-rate-limits"), header("retry-after"));
    let retry_after = retry_after.and_then(|seconds| seconds.trim().parse().ok());
    KEPT.with_borrow_mut(|kept| kept.limits.heard(answered.status, limits.as_deref(), retry_after, now()));
}

/// Notes an error of our own. Whether there is something to send.
pub(crate) fn note(kind: &str, message: String, route: &str) -> bool {
    let failure = Failure { at: now(), kind: kind.to_owned(), message, route: route.to_owned() };
    KEPT.with_borrow_mut(|kept| {
        let Some(times) = kept.recent.sends(&failure).filter(|_| kept.failures.len() < MOST_SENT) else {
            return false;
        };
        kept.failures.push((failure, times));
        true
    })
}

/// Sends the errors that were noted.
pub(crate) async fn send_failures(env: Env) {
    let failures = KEPT.with_borrow_mut(|kept| std::mem::take(&mut kept.failures));
    let Some(config) = Config::of(&env).ok() else { return };
    let Some(outlet) = &config.outlets.sentry else { return };
    for (failure, times) in failures {
        let envelope = sentry::failure(&failure, times, &outlet.worker, now());
        to_sentry(outlet, Category::Error, envelope).await;
    }
}

/// Bounded: errors by kind, those that are to be sent, and Sentry's limits.
#[derive(Default)]
struct Kept {
    limits: Limits,
    recent: Recent,
    failures: Vec<(Failure, u64)>,
}

thread_local! {
    // Plain data: nothing in it belongs to a request.
    static KEPT: RefCell<Kept> = RefCell::default();
}

const PATIENCE: u32 = 10_000;
/// Views that are looked at before they are forgotten, and those that are sent, at a time.
const MOST_READ: usize = 5_000;
const MOST_SENT: usize = 200;
