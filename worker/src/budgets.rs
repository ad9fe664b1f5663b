//! The deployed budgets.json. It is an asset, so that changing a budget needs no new wasm. It is read
//! again after a minute; one that cannot be read or is wrong leaves the last good one in force.

use std::cell::RefCell;
use std::rc::Rc;

use budget::Budgets;
use ledger::{Labels, Limits};
use wire::Metric;
use wire::beacon::Values;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::{Date, Env, Result};

/// The budgets in force.
pub(crate) async fn in_force(env: &Env) -> Result<Rc<Budgets>> {
    let now = Date::now().as_millis();
    let known = KEPT.with_borrow(|kept| kept.clone());
    if let Some(kept) = &known
        && now.saturating_sub(kept.at) < FRESH
    {
        return Ok(Rc::clone(&kept.budgets));
    }
    let budgets = match (read(env).await, known) {
        (Ok(budgets), _) => Rc::new(budgets),
        (Err(error), Some(last_good)) => {
            worker::console_error!("budgets.json: {error}; the last good one stays in force");
            last_good.budgets
        }
        (Err(error), None) => return Err(error),
    };
    KEPT.set(Some(Kept { at: now, budgets: Rc::clone(&budgets) }));
    Ok(budgets)
}

/// The budgets as they were last read, however long ago.
pub(crate) fn last_known() -> Option<Rc<Budgets>> {
    KEPT.with_borrow(|kept| kept.as_ref().map(|kept| Rc::clone(&kept.budgets)))
}

/// Whether it is time to read them again.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn budgets_are_old(now: f64) -> bool {
    KEPT.with_borrow(|kept| kept.as_ref().is_none_or(|kept| (now as u64).saturating_sub(kept.at) >= FRESH))
}

/// Reads them again. A beacon is taken without them, and judged when it is folded.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen, wasm_bindgen_futures = worker::wasm_bindgen_futures)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
pub async fn read_budgets(env: Env) {
    if let Err(error) = in_force(&env).await {
        worker::console_error!("budgets.json: {error}; it is not known what keeps them");
    }
}

/// The limits that a view of these labels is judged by.
pub(crate) fn limits(budgets: &Budgets, labels: &Labels) -> Limits {
    let mut values = Values::default();
    for metric in Metric::ALL {
        if let Some(limit) = budgets.limit(&labels.route, labels.device, metric) {
            values.set(metric, limit.max);
        }
    }
    Limits(values)
}

async fn read(env: &Env) -> Result<Budgets> {
    // The host is of no account: the binding serves this deployment's own files.
    let mut response = env.assets("ASSETS")?.fetch("https://assets.invalid/v1/budgets.json", None).await?;
    if response.status_code() != 200 {
        return Err(worker::Error::RustError(format!("the asset answers {}", response.status_code())));
    }
    Budgets::parse(&response.text().await?).map_err(|mistake| worker::Error::RustError(mistake.to_string()))
}

#[derive(Clone)]
struct Kept {
    at: u64,
    budgets: Rc<Budgets>,
}

thread_local! {
    // Plain data: nothing in it belongs to a request.
    static KEPT: RefCell<Option<Kept>> = const { RefCell::new(None) };
}

const FRESH: u64 = 60_000;
