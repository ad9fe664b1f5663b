//! The budgets.json that is offered: an asset, or a value in KV, so that changing a budget needs no new
//! wasm. What of it rules is each shard's to remember (`ledger::Rulings`); this reads, and says what is
//! wrong.

use std::cell::RefCell;
use std::rc::Rc;

use budget::Budgets;
use ledger::{BudgetHistory, BudgetSource, MetricLimits, SeriesLabels};
use wire::Metric;
use wire::beacon::Values;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::{Date, Env, Error, Result};

/// A budgets.json as it was last found.
#[derive(Debug)]
pub(crate) struct BudgetFile {
    read_at: u64,
    /// Where.
    pub(crate) source: BudgetSource,
    /// The file, and what it says; or why it cannot rule.
    pub(crate) contents: core::result::Result<(String, Rc<Budgets>), String>,
}

/// What is offered, as it was found at most that many milliseconds ago.
pub(crate) async fn load(env: &Env, max_age_ms: u64) -> Rc<BudgetFile> {
    let now = Date::now().as_millis();
    let known = KEPT.with_borrow(|kept| kept.file.clone());
    if let Some(known) = known
        && now.saturating_sub(known.read_at) < max_age_ms
    {
        return known;
    }
    let (source, found) = fetch_file(env).await;
    let read = |text: String| match Budgets::parse(&text) {
        Ok(budgets) => Ok((text, Rc::new(budgets))),
        Err(mistake) => Err(mistake.to_string()),
    };
    let offered = Rc::new(BudgetFile { read_at: now, source, contents: found.and_then(read) });
    KEPT.with_borrow_mut(|kept| {
        match &offered.contents {
            Ok((_, budgets)) => kept.last_good = Some(Rc::clone(budgets)),
            Err(why) => worker::console_error!("budgets.json ({}): {why}", source.name()),
        }
        kept.file = Some(Rc::clone(&offered));
    });
    offered
}

/// The last good ones that this isolate has read.
pub(crate) async fn current(env: &Env) -> Result<Rc<Budgets>> {
    let offered = load(env, MAX_AGE_MS).await;
    match (&offered.contents, last_good()) {
        (Ok((_, budgets)), _) => Ok(Rc::clone(budgets)),
        (Err(_), Some(last_good)) => Ok(last_good),
        (Err(why), None) => Err(Error::RustError(format!("budgets.json: {why}"))),
    }
}

/// Those that rule, by what the shards say.
pub(crate) fn in_force(rulings: &BudgetHistory) -> Result<Budgets> {
    let in_force = rulings.in_force().ok_or_else(|| Error::RustError("no budgets.json rules yet".into()))?;
    Budgets::parse(&in_force.text).map_err(|mistake| Error::RustError(mistake.to_string()))
}

/// The budgets as they were last read, however long ago.
pub(crate) fn last_good() -> Option<Rc<Budgets>> {
    KEPT.with_borrow(|kept| kept.last_good.clone())
}

/// Whether it is time to read them again.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn budgets_are_stale(now: f64) -> bool {
    let is_old = |offered: &Rc<BudgetFile>| (now as u64).saturating_sub(offered.read_at) >= MAX_AGE_MS;
    KEPT.with_borrow(|kept| kept.file.as_ref().is_none_or(is_old))
}

/// Reads them again. A beacon is taken without them, and judged when it is folded.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen, wasm_bindgen_futures = worker::wasm_bindgen_futures)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
pub async fn refresh_budgets(env: Env) {
    load(&env, MAX_AGE_MS).await;
}

/// The limits that a view of these labels is judged by.
pub(crate) fn limits_for(budgets: &Budgets, labels: &SeriesLabels) -> MetricLimits {
    let mut values = Values::default();
    for metric in Metric::ALL {
        if let Some(limit) = budgets.limit(&labels.route, labels.device, metric) {
            values.set(metric, limit.max);
        }
    }
    MetricLimits(values)
}

/// What is in KV goes before what was deployed; what is there and cannot be read does not give way to
/// an older file.
async fn fetch_file(env: &Env) -> (BudgetSource, core::result::Result<String, String>) {
    if let Ok(kv) = env.kv("BUDGETS") {
        match kv.get("budgets.json").text().await {
            Ok(Some(text)) => return (BudgetSource::Kv, check_size(text)),
            Ok(None) => {}
            Err(error) => return (BudgetSource::Kv, Err(format!("KV did not give it: {error}"))),
        }
    }
    (BudgetSource::Asset, fetch_asset(env).await.map_err(|error| error.to_string()).and_then(check_size))
}

async fn fetch_asset(env: &Env) -> Result<String> {
    // The host is of no account: the binding serves this deployment's own files.
    let mut response = env.assets("ASSETS")?.fetch("https://assets.invalid/v1/budgets.json", None).await?;
    match response.status_code() {
        200 => response.text().await,
        status => Err(Error::RustError(format!("the asset answers {status}"))),
    }
}

fn check_size(text: String) -> core::result::Result<String, String> {
    if text.len() > MAX_FILE_BYTES {
        return Err(format!("it has {} bytes; {MAX_FILE_BYTES} are the most", text.len()));
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
    static KEPT: RefCell<CachedBudgets> = RefCell::default();
}

/// Milliseconds after which a file is read again.
pub(crate) const MAX_AGE_MS: u64 = 60_000;
const MAX_FILE_BYTES: usize = 65_536;
