//! Refusals, counted by reason for the site that they concern. A flood must not reach the objects, so
//! an isolate adds up what it refuses, and only one request at a time carries the sums there.

use std::cell::RefCell;
use std::collections::BTreeMap;

use worker::Env;
use worker::wasm_bindgen::prelude::wasm_bindgen;

use crate::shard;

/// Under this name stands what was refused before a site was known.
pub(crate) const UNKNOWN_SITE: &str = "-";

/// Counts a refusal.
pub(crate) fn count(site: Option<String>, reason: &'static str) {
    let site = site.unwrap_or_else(|| UNKNOWN_SITE.to_owned());
    UNCOUNTED.with_borrow_mut(|uncounted| {
        let count = uncounted.sums.entry(site).or_default().entry(reason).or_default();
        *count = count.saturating_add(1);
    });
}

/// Whether the request that asks shall carry, once its answer is on its way.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn has_uncounted_rejections(now: f64) -> bool {
    let now = now as u64;
    UNCOUNTED.with_borrow_mut(|uncounted| {
        // A carrier whose request was cut off is no carrier.
        let is_free =
            uncounted.flushing_since.is_none_or(|since| now.saturating_sub(since) > FLUSH_TIMEOUT_MS);
        let carries = is_free && !uncounted.sums.is_empty();
        if carries {
            uncounted.flushing_since = Some(now);
        }
        carries
    })
}

/// Carries what was added up, and what is added up meanwhile.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen, wasm_bindgen_futures = worker::wasm_bindgen_futures)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
pub async fn flush_rejections(env: Env) {
    for _ in 0..MAX_FLUSH_ROUNDS {
        let sums = UNCOUNTED.with_borrow_mut(|uncounted| std::mem::take(&mut uncounted.sums));
        if sums.is_empty() {
            break;
        }
        let mut sums = sums.into_iter();
        while let Some((site, reasons)) = sums.next() {
            if let Err(error) = shard::report_rejections(&env, &site, &reasons).await {
                worker::console_error!("{error}; they are carried again with the next");
                restore([(site, reasons)].into_iter().chain(sums));
                return UNCOUNTED.with_borrow_mut(|uncounted| uncounted.flushing_since = None);
            }
        }
    }
    UNCOUNTED.with_borrow_mut(|uncounted| uncounted.flushing_since = None);
}

fn restore(sums: impl Iterator<Item = (String, BTreeMap<&'static str, u64>)>) {
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
struct RejectionCounts {
    sums: BTreeMap<String, BTreeMap<&'static str, u64>>,
    flushing_since: Option<u64>,
}

thread_local! {
    // Plain data: nothing in it belongs to a request.
    static UNCOUNTED: RefCell<RejectionCounts> = RefCell::default();
}

/// Milliseconds.
const FLUSH_TIMEOUT_MS: u64 = 10_000;
const MAX_FLUSH_ROUNDS: usize = 100;
