//! Refusals, counted by reason for the site that they concern. A flood must not reach the objects, so
//! an isolate adds up what it refuses, and only one request at a time carries the sums there.

use std::cell::RefCell;
use std::collections::BTreeMap;

use worker::Env;
use worker::wasm_bindgen::prelude::wasm_bindgen;

use crate::shard;

/// Under this name stands what was refused before a site was known.
pub(crate) const NOBODYS: &str = "-";

/// Counts a refusal.
pub(crate) fn note(site: Option<String>, reason: &'static str) {
    let site = site.unwrap_or_else(|| NOBODYS.to_owned());
    UNCOUNTED.with_borrow_mut(|uncounted| {
        let count = uncounted.sums.entry(site).or_default().entry(reason).or_default();
        *count = count.saturating_add(1);
    });
}

/// Whether the request that asks shall carry, once its answer is on its way.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn carries_refusals(now: f64) -> bool {
    let now = now as u64;
    UNCOUNTED.with_borrow_mut(|uncounted| {
        // A carrier whose request was cut off is no carrier.
        let is_free = uncounted.carried_since.is_none_or(|since| now.saturating_sub(since) > PATIENCE);
        let carries = is_free && !uncounted.sums.is_empty();
        if carries {
            uncounted.carried_since = Some(now);
        }
        carries
    })
}

/// Carries what was added up, and what is added up meanwhile.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen, wasm_bindgen_futures = worker::wasm_bindgen_futures)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
pub async fn carry_refusals(env: Env) {
    for _ in 0..MOST_ROUNDS {
        let sums = UNCOUNTED.with_borrow_mut(|uncounted| std::mem::take(&mut uncounted.sums));
        if sums.is_empty() {
            break;
        }
        let mut sums = sums.into_iter();
        while let Some((site, reasons)) = sums.next() {
            if let Err(error) = shard::refused(&env, &site, &reasons).await {
                worker::console_error!("{error}; they are carried again with the next");
                put_back([(site, reasons)].into_iter().chain(sums));
                return UNCOUNTED.with_borrow_mut(|uncounted| uncounted.carried_since = None);
            }
        }
    }
    UNCOUNTED.with_borrow_mut(|uncounted| uncounted.carried_since = None);
}

fn put_back(sums: impl Iterator<Item = (String, BTreeMap<&'static str, u64>)>) {
    UNCOUNTED.with_borrow_mut(|uncounted| {
        for (site, reasons) in sums {
            let of_site = uncounted.sums.entry(site).or_default();
            for (reason, count) in reasons {
                let sum = of_site.entry(reason).or_default();
                *sum = sum.saturating_add(count);
            }
        }
    });
}

/// Bounded by the configured sites and the reasons that there are.
#[derive(Default)]
struct Uncounted {
    sums: BTreeMap<String, BTreeMap<&'static str, u64>>,
    carried_since: Option<u64>,
}

thread_local! {
    // Plain data: nothing in it belongs to a request.
    static UNCOUNTED: RefCell<Uncounted> = RefCell::default();
}

/// Milliseconds.
const PATIENCE: u64 = 10_000;
const MOST_ROUNDS: usize = 100;
