//! This isolate's copy of the registry: sites and tokens that calls have created. One object holds it and KV spreads
//! it, so that nothing asks the object but calls that change it.

use std::cell::RefCell;

use auth::ALL_SITES;
use sites::{REGISTRY_MAX_AGE_MS, Registry, RegistryChange, RegistryCopy, RegistryError, RegistryOutcome};
use wire::{ApiError, UnixMillis};
use worker::Env;
use worker::wasm_bindgen::prelude::wasm_bindgen;

use crate::clock::now;
use crate::config::Config;
use crate::deadline::with_deadline;
use crate::response::HandlerError;
use crate::shard_client::call_coordinator;
use crate::shard_protocol::{ChangeRegistry, ReadRegistry};

/// Reads the registry from KV, if it was not read lately. Where it cannot be read in time, the last copy counts.
pub(crate) async fn refresh(env: &Env) {
    if !registry_is_stale(env, now().0 as f64) {
        return;
    }
    let read = async {
        let kv = env.kv(BINDING).map_err(|error| error.to_string())?;
        kv.get(KEY).cache_ttl(KV_CACHE_SECONDS).text().await.map_err(|error| error.to_string())
    };
    let read = with_deadline(READ_TIMEOUT_MS, read).await;
    COPY.with_borrow_mut(|copy| copy.note_read(now()));
    let text = match read.unwrap_or_else(|| Err(format!("not read within {READ_TIMEOUT_MS} ms"))) {
        Ok(Some(text)) => text,
        Ok(None) => return,
        Err(why) => return worker::console_error!("the registry of sites, from KV: {why}"),
    };
    match Registry::parse(&text) {
        Ok(registry) => use_copy(env, &registry),
        Err(why) => worker::console_error!("the registry of sites is of another release: {why}"),
    }
}

/// Makes a change, and spreads the registry.
pub(crate) async fn change(
    env: &Env,
    config: &Config,
    change: RegistryChange,
) -> Result<RegistryOutcome, HandlerError> {
    if !config.takes_sites_by_call {
        let reason = "set SITES_BY_CALL = \"true\" in [vars] of wrangler.toml and deploy".to_owned();
        return Err(ApiError::Conflict { reason }.into());
    }
    let outcome = call_coordinator(env, ALL_SITES, ChangeRegistry { change }).await?;
    let outcome = outcome.map_err(|error| match error {
        RegistryError::Name => ApiError::OutOfRange {
            field: "site",
            expected: "1 to 64 letters, digits, dots, dashes or underscores",
        },
        RegistryError::Settings(reason) => ApiError::Malformed { field: String::new(), reason },
        RegistryError::Full | RegistryError::Token(_) | RegistryError::NoToken => {
            ApiError::Conflict { reason: error.to_string() }
        }
    })?;
    spread(env).await?;
    Ok(outcome)
}

/// Reads the registry from its object.
pub(crate) async fn read(env: &Env) -> Result<Registry, HandlerError> {
    call_coordinator(env, ALL_SITES, ReadRegistry).await
}

/// Writes the registry to KV. Of changes at the same time, the writer that finds no later one has written the latest.
async fn spread(env: &Env) -> Result<(), HandlerError> {
    let unavailable = || HandlerError::from(ApiError::Unavailable { component: "registry of sites" });
    let mut registry = read(env).await?;
    for _ in 0..MAX_SPREADS {
        let text = serde_json::to_string(&registry).map_err(worker::Error::from)?;
        let kv = env.kv(BINDING)?;
        let put = async { kv.put(KEY, text.as_str())?.execute().await };
        with_deadline(WRITE_TIMEOUT_MS, put).await.and_then(Result::ok).ok_or_else(unavailable)?;
        use_copy(env, &registry);
        let latest = read(env).await?;
        if latest.revision() == registry.revision() {
            return Ok(());
        }
        registry = latest;
    }
    Err(unavailable())
}

/// Uses a copy, unless this isolate has a later one.
fn use_copy(env: &Env, registry: &Registry) {
    if COPY.with_borrow_mut(|copy| copy.accept(registry.revision()))
        && let Err(mistake) = Config::add_registry(env, registry)
    {
        worker::console_error!("{mistake}");
    }
}

/// Checks whether this isolate is to read the registry.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn registry_is_stale(env: &Env, now: f64) -> bool {
    let is_used = || Config::load(env).is_ok_and(|config| config.takes_sites_by_call);
    COPY.with_borrow(|copy| copy.is_stale(UnixMillis(now as u64))) && is_used()
}

/// Checks whether this isolate has ever asked for the registry.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn has_registry() -> bool {
    COPY.with_borrow(RegistryCopy::was_read)
}

/// Reads the registry, for beacons.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen, wasm_bindgen_futures = worker::wasm_bindgen_futures)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
pub async fn refresh_registry(env: Env) {
    refresh(&env).await;
}

thread_local! {
    // Plain data: nothing in it belongs to a request.
    static COPY: RefCell<RegistryCopy> = const { RefCell::new(RegistryCopy::NONE) };
}

/// After this time, every isolate uses a change: its own age, that of KV's copies, and a minute for KV to spread it.
pub(crate) const EFFECTIVE_WITHIN_SECONDS: u64 = REGISTRY_MAX_AGE_MS / 1000 + KV_CACHE_SECONDS + 60;

const BINDING: &str = "CACHE_KV";
/// Cached responses have names of 64 hexadecimal digits.
const KEY: &str = "sites";
const KV_CACHE_SECONDS: u64 = 60;
const READ_TIMEOUT_MS: u64 = 500;
const WRITE_TIMEOUT_MS: u64 = 5_000;
const MAX_SPREADS: usize = 5;
