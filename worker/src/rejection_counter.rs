//! Rejected beacons of this isolate, on their way to a shard of their site: the one that also has the isolate's request
//! statistics, so that no shard hears all isolates. Reads add those of all shards up. One request at a time sends them.

use std::cell::RefCell;

use ledger::RejectionCounts;
pub(crate) use ledger::UNKNOWN_SITE;
use worker::Env;
use worker::wasm_bindgen::prelude::wasm_bindgen;

use crate::config::Config;
use crate::shard_client::{COORDINATOR, call};
use crate::shard_protocol::AddRejections;
use crate::traffic_collector::shard_of_this_isolate;

/// Counts a rejection.
pub(crate) fn count(site: Option<&str>, reason: &'static str) {
    COUNTS.with_borrow_mut(|counts| counts.count(site, reason));
}

/// Decides whether the request sends the counts, once its response is on its way.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn has_uncounted_rejections(now: f64) -> bool {
    COUNTS.with_borrow_mut(|counts| counts.begin_flush(now as u64))
}

/// Sends all counts, and those that are added meanwhile.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen, wasm_bindgen_futures = worker::wasm_bindgen_futures)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
pub async fn flush_rejections(env: Env) {
    flush(&env).await;
    COUNTS.with_borrow_mut(RejectionCounts::end_flush);
}

async fn flush(env: &Env) {
    for _ in 0..MAX_FLUSH_ROUNDS {
        let mut sums = COUNTS.with_borrow_mut(RejectionCounts::take).into_iter();
        if sums.len() == 0 {
            return;
        }
        while let Some((site, reasons)) = sums.next() {
            let shard = Config::load(env).map_or(COORDINATOR, |config| shard_of_this_isolate(&config, &site));
            if let Err(failure) = call(env, &site, shard, AddRejections(reasons.clone())).await {
                worker::console_error!(
                    "rejections of {site} not stored, the next flush does it: {failure:?}"
                );
                COUNTS.with_borrow_mut(|counts| counts.restore([(site, reasons)].into_iter().chain(sums)));
                return;
            }
        }
    }
}

thread_local! {
    // Plain data: nothing in it belongs to a request.
    static COUNTS: RefCell<RejectionCounts> = RefCell::default();
}

const MAX_FLUSH_ROUNDS: usize = 100;
