//! Rejected beacons of this isolate, on their way to a shard of their site: the one that also has the isolate's request
//! statistics, so that no shard hears all isolates. Reads add those of all shards up. One request at a time sends them.

use std::cell::RefCell;
use std::time::Duration;

use ledger::RejectionCounts;
pub(crate) use ledger::UNKNOWN_SITE;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::{Delay, Env};

use crate::clock::now;
use crate::config::Config;
use crate::shard_client::{COORDINATOR, report};
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
        let Some(wait_ms) = COUNTS.with_borrow(|counts| counts.next_flush_in_ms(now().0)) else { return };
        if wait_ms > 0 {
            Delay::from(Duration::from_millis(wait_ms)).await;
        }
        let mut sums = COUNTS.with_borrow_mut(RejectionCounts::take).into_iter();
        while let Some((site, reasons)) = sums.next() {
            let shard = Config::load(env).map_or(COORDINATOR, |config| shard_of_this_isolate(&config, &site));
            match report(env, &site, shard, AddRejections(reasons.clone())).await {
                Ok(due_at) => COUNTS.with_borrow_mut(|counts| counts.pace(due_at.0)),
                Err(failure) => {
                    worker::console_error!(
                        "rejections of {site} not stored, the next flush does it: {failure:?}"
                    );
                    COUNTS
                        .with_borrow_mut(|counts| counts.restore([(site, reasons)].into_iter().chain(sums)));
                    return;
                }
            }
        }
    }
}

thread_local! {
    // Plain data: nothing in it belongs to a request.
    static COUNTS: RefCell<RejectionCounts> = RefCell::default();
}

const MAX_FLUSH_ROUNDS: usize = 4;
