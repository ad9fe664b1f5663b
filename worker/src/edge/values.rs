//! The values of applications' caches: requests and decisions. worker/js/values.js performs them.

use cache::purge::PurgeChanges;
use cache::stored_value::{StoredValue, is_value_key};
use cache::{CacheConfig, UnixMillis};
use wire::cache_admin::ValueStored;
use worker::Env;
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;

use crate::edge::isolate::{EdgeConfig, ISOLATE, edge_config};
use crate::edge::records::problem_response;

/// Returns true if the key is one of a value.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn has_value_key(key: &str) -> bool {
    is_value_key(key)
}

/// Returns true if the purges must be synced before a value is read.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn needs_sync_for_values(env: &Env, now: f64) -> bool {
    let lease_ms = lease_ms(env);
    ISOLATE.with_borrow(|isolate| !isolate.shared.purge_view.is_current(UnixMillis(now as u64), lease_ms))
}

/// Returns true if a stored envelope of that length, of which this is the beginning, may be handed to a reader with
/// these tags.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn may_read_value(env: &Env, beginning: &[u8], length: u32, tags: Vec<String>, now: f64) -> bool {
    let Ok(length) = usize::try_from(length) else { return false };
    let Ok(value) = StoredValue::parse(beginning, length) else { return false };
    let lease_ms = lease_ms(env);
    ISOLATE.with_borrow(|isolate| {
        value.is_usable(&tags, &isolate.shared.purge_view, UnixMillis(now as u64), lease_ms)
    })
}

/// Returns the seconds for which an envelope is to be stored: 0 for one that is not worth it. An error response for one
/// that is invalid.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn value_retention(beginning: &[u8], length: u32, now: f64) -> JsValue {
    match StoredValue::parse(beginning, usize::try_from(length).unwrap_or(usize::MAX)) {
        Ok(value) => {
            let seconds = value.retention_seconds(UnixMillis(now as u64)).unwrap_or(0);
            JsValue::from_f64(seconds as f64)
        }
        Err(error) => problem_response(400, &error.to_string(), &[]).into(),
    }
}

/// Returns the answer to a value that was sent.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn value_stored(stored: bool) -> Option<String> {
    serde_json::to_string(&ValueStored { stored }).ok()
}

/// Returns the purges by tag among the changes of the purge clock, as JSON.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn purge_feed(changes: &str) -> Option<String> {
    let changes: PurgeChanges = serde_json::from_str(changes).ok()?;
    serde_json::to_string(&changes.tag_feed()).ok()
}

/// Returns the lease of purges; the default where no route is cached.
fn lease_ms(env: &Env) -> u64 {
    match edge_config(env) {
        EdgeConfig::Routes(routes, _) => routes.lease_ms,
        EdgeConfig::Disabled | EdgeConfig::Invalid(_) => CacheConfig::DEFAULT_LEASE_MS,
    }
}
