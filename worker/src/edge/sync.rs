//! The exchange of sums between this isolate and the purge clock: purges in, metrics and navigations out.

use cache::purge::PurgeChanges;
use cache::purge_relay::{PurgeSync, RelayRead, SyncContext};
use cache::{SharedState, UnixMillis, UrlHash};
use worker::wasm_bindgen::prelude::wasm_bindgen;

use crate::edge::isolate::ISOLATE;
use crate::edge::purge_request::{WriteBatch, WriteReceipt};

/// Returns the purge count up to which all purges are known here.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn known_purge_seq() -> f64 {
    ISOLATE.with_borrow(|isolate| isolate.shared.purge_view.upto() as f64)
}

/// Applies what was read from the relay of purges. Returns the opcode of a step.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn relay_read(copy: Option<String>, claimed_at: Option<f64>, now: f64, lease_ms: f64, draw: f64) -> u8 {
    let claimed_at = claimed_at.map(|at| UnixMillis(at as u64));
    let read = RelayRead { copy: copy.as_deref(), claimed_at, at: UnixMillis(now as u64) };
    let context = SyncContext { lease_ms: lease_ms as u64, draw };
    ISOLATE.with_borrow_mut(|isolate| {
        let SharedState { purge_view, purge_sync, metrics, .. } = &mut isolate.shared;
        purge_sync.relay_read(purge_view, &mut metrics.purge_lags, read, context).opcode()
    })
}

/// Returns the copy for the relay, once all purges were requested.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn relay_copy() -> Option<String> {
    ISOLATE.with_borrow(|isolate| isolate.shared.purge_sync.copy(&isolate.shared.purge_view))
}

/// Returns true if purges may be relayed under this lease.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn are_purges_relayed(lease_ms: f64) -> bool {
    PurgeSync::is_relayed(lease_ms as u64)
}

/// Returns the time from which to sync in the background.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn purge_sync_due_at() -> f64 {
    ISOLATE.with_borrow(|isolate| isolate.shared.purge_sync.renew_at().0 as f64)
}

/// Applies purges that were requested at `requested_at`. Returns true if there are more to request.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn apply_purges(changes: &str, requested_at: f64, lease_ms: f64) -> bool {
    let changes: PurgeChanges = match serde_json::from_str(changes) {
        Ok(changes) => changes,
        Err(error) => {
            worker::console_error!("the purge clock's response is malformed: {error}");
            return false;
        }
    };
    let requested_at = UnixMillis(requested_at as u64);
    ISOLATE.with_borrow_mut(|isolate| {
        let SharedState { purge_view, purge_sync, metrics, .. } = &mut isolate.shared;
        let lease_ms = lease_ms as u64;
        purge_sync.clock_responded(purge_view, &mut metrics.purge_lags, changes, requested_at, lease_ms)
    })
}

/// Takes the marks of writes that the purge clock is to store, as JSON; none if there are none.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn take_write_marks(now: f64) -> Option<String> {
    let now = UnixMillis(now as u64);
    let batch = ISOLATE.with_borrow_mut(|isolate| isolate.shared.writes.take_batch(now));
    let urls: Vec<String> = batch.iter().map(UrlHash::to_string).collect();
    if urls.is_empty() { None } else { serde_json::to_string(&WriteBatch { urls }).ok() }
}

/// Puts marks back that could not be delivered.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
pub fn restore_write_marks(marks: &str) {
    if let Ok(WriteBatch { urls }) = serde_json::from_str(marks) {
        let batch = urls.iter().filter_map(|text| UrlHash::parse(text)).collect();
        ISOLATE.with_borrow_mut(|isolate| isolate.shared.writes.restore(batch));
    }
}

/// Counts the marks that the purge clock refused.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
pub fn count_refused_marks(receipt: &str) {
    let refused = match serde_json::from_str(receipt) {
        Ok(WriteReceipt { refused }) => refused,
        Err(error) => return worker::console_error!("the purge clock's receipt is malformed: {error}"),
    };
    ISOLATE.with_borrow_mut(|isolate| {
        let count = &mut isolate.shared.metrics.refused_purges;
        *count = count.saturating_add(refused);
    });
}

/// Takes the cache metrics since the last call, as JSON; none if there are none.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn take_cache_metrics() -> Option<String> {
    let metrics = ISOLATE.with_borrow_mut(|isolate| std::mem::take(&mut isolate.shared.metrics));
    if metrics.is_empty() { None } else { serde_json::to_string(&metrics).ok() }
}

/// Merges metrics back that could not be delivered.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
pub fn restore_cache_metrics(metrics: &str) {
    if let Ok(metrics) = serde_json::from_str(metrics) {
        ISOLATE.with_borrow_mut(|isolate| isolate.shared.metrics.merge(&metrics));
    }
}

/// Takes the navigations since the last call, as JSON; none if there are none.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn take_transitions() -> Option<String> {
    let transitions = ISOLATE.with_borrow_mut(|isolate| isolate.shared.prefetcher.take_unsynced());
    if transitions.is_empty() { None } else { serde_json::to_string(&transitions).ok() }
}

/// Takes one origin request from the minute's quota of prefetches. Returns false if none is left.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn take_prefetch_quota(per_minute: u32, now: f64) -> bool {
    let now = UnixMillis(now as u64);
    ISOLATE.with_borrow_mut(|isolate| isolate.shared.prefetcher.take_quota(per_minute, now))
}
