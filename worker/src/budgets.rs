//! The budgets.json of this deployment: an asset, or a value in KV, so that a changed budget needs no deploy. Each
//! shard stores the versions that were in force (`ledger::BudgetHistory`).

use std::cell::RefCell;
use std::rc::Rc;

use budget::Budgets;
use ledger::{BudgetHistory, BudgetSource};
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::{Date, Env, Error, Result};

use crate::deadline::with_deadline;

/// A budgets.json as it was last read.
#[derive(Debug)]
pub(crate) struct BudgetFile {
    read_at: u64,
    /// The place that it was read from.
    pub(crate) source: BudgetSource,
    /// The text and the parsed budgets, or the error.
    pub(crate) contents: core::result::Result<(String, Rc<Budgets>), String>,
}

/// Reads the file, unless it was read less than that long ago. Where it cannot be read in time, the last valid budgets
/// stay in force, and it is read again soon.
pub(crate) async fn load(env: &Env, max_age_ms: u64) -> Rc<BudgetFile> {
    let now = Date::now().as_millis();
    let known = CACHE.with_borrow(|cache| cache.file.clone());
    if let Some(known) = known
        && now.saturating_sub(known.read_at) < max_age_ms.min(known.max_age_ms())
    {
        return known;
    }
    let late = || {
        let source = if env.kv("BUDGETS").is_ok() { BudgetSource::Kv } else { BudgetSource::Asset };
        (source, Err(format!("not read within {READ_TIMEOUT_MS} ms")))
    };
    let (source, found) = with_deadline(READ_TIMEOUT_MS, fetch_file(env)).await.unwrap_or_else(late);
    let read = |text: String| match Budgets::parse(&text) {
        Ok(budgets) => Ok((text, Rc::new(budgets))),
        Err(mistake) => Err(mistake.to_string()),
    };
    let offered = Rc::new(BudgetFile { read_at: now, source, contents: found.and_then(read) });
    CACHE.with_borrow_mut(|cache| {
        match &offered.contents {
            Ok((_, budgets)) => cache.last_good = Some(Rc::clone(budgets)),
            Err(why) => worker::console_error!("budgets.json ({}): {why}", source.name()),
        }
        cache.file = Some(Rc::clone(&offered));
    });
    offered
}

/// Returns the last valid budgets that this isolate has read.
pub(crate) async fn current(env: &Env) -> Result<Rc<Budgets>> {
    let offered = load(env, MAX_AGE_MS).await;
    match (&offered.contents, last_good()) {
        (Ok((_, budgets)), _) => Ok(Rc::clone(budgets)),
        (Err(_), Some(last_good)) => Ok(last_good),
        (Err(why), None) => Err(Error::RustError(format!("budgets.json: {why}"))),
    }
}

/// Returns the budgets in force, by the history of the shards.
pub(crate) fn in_force(history: &BudgetHistory) -> Result<Budgets> {
    let in_force = history
        .in_force()
        .ok_or_else(|| Error::RustError("no valid budgets.json has been read yet".into()))?;
    Budgets::parse(&in_force.text).map_err(|mistake| Error::RustError(mistake.to_string()))
}

/// Returns the last valid budgets of this isolate, however old.
pub(crate) fn last_good() -> Option<Rc<Budgets>> {
    CACHE.with_borrow(|cache| cache.last_good.clone())
}

/// Checks whether the file is to be read again.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn budgets_are_stale(now: f64) -> bool {
    let is_old =
        |offered: &Rc<BudgetFile>| (now as u64).saturating_sub(offered.read_at) >= offered.max_age_ms();
    CACHE.with_borrow(|cache| cache.file.as_ref().is_none_or(is_old))
}

/// Checks whether this isolate has ever read valid budgets.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn has_budgets() -> bool {
    last_good().is_some()
}

/// Reads the file again, within a deadline. A beacon is accepted without budgets, and judged when it is folded.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen, wasm_bindgen_futures = worker::wasm_bindgen_futures)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
pub async fn refresh_budgets(env: Env) {
    load(&env, MAX_AGE_MS).await;
}

/// Reads KV before the asset. An unreadable value in KV is an error, and does not fall back to an older asset.
async fn fetch_file(env: &Env) -> (BudgetSource, core::result::Result<String, String>) {
    if let Ok(kv) = env.kv("BUDGETS") {
        match kv.get("budgets.json").text().await {
            Ok(Some(text)) => return (BudgetSource::Kv, check_size(text)),
            Ok(None) => {}
            Err(error) => return (BudgetSource::Kv, Err(format!("cannot be read from KV: {error}"))),
        }
    }
    (BudgetSource::Asset, fetch_asset(env).await.map_err(|error| error.to_string()).and_then(check_size))
}

async fn fetch_asset(env: &Env) -> Result<String> {
    // The binding serves the files of this deployment, whatever the host.
    let mut response = env.assets("ASSETS")?.fetch("https://assets.invalid/v1/budgets.json", None).await?;
    match response.status_code() {
        200 => response.text().await,
        status => Err(Error::RustError(format!("asset /v1/budgets.json returned {status}"))),
    }
}

fn check_size(text: String) -> core::result::Result<String, String> {
    if text.len() > MAX_FILE_BYTES {
        return Err(format!("{} bytes; the limit is {MAX_FILE_BYTES}", text.len()));
    }
    Ok(text)
}

#[derive(Default)]
struct CachedBudgets {
    file: Option<Rc<BudgetFile>>,
    last_good: Option<Rc<Budgets>>,
}

thread_local! {
    // Plain data: nothing in it belongs to a request.
    static CACHE: RefCell<CachedBudgets> = RefCell::default();
}

impl BudgetFile {
    /// Returns the time until the file is read again.
    const fn max_age_ms(&self) -> u64 {
        if self.contents.is_ok() { MAX_AGE_MS } else { RETRY_AFTER_MS }
    }
}

/// The file is read again after this time.
pub(crate) const MAX_AGE_MS: u64 = 60_000;
/// The file is read again after this time if it was invalid or not read.
const RETRY_AFTER_MS: u64 = 5_000;
/// KV answers within a fraction of this, or not at all.
const READ_TIMEOUT_MS: u64 = 1_500;
const MAX_FILE_BYTES: usize = 65_536;
