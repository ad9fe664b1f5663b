//! Refusals, counted by reason for the site that they concern. A flood must not reach the objects, so
//! an isolate adds up what it refuses, and only one request at a time carries the sums there.

use std::cell::RefCell;
use std::collections::BTreeMap;

use worker::{Context, Date, Env};

use crate::shard;

/// Under this name stands what was refused before a site was known.
pub(crate) const NOBODYS: &str = "-";

/// Counts a refusal, once the answer is on its way.
pub(crate) fn note(context: &Context, env: &Env, site: Option<String>, reason: &'static str) {
    let site = site.unwrap_or_else(|| NOBODYS.to_owned());
    let now = Date::now().as_millis();
    let is_carrier = UNCOUNTED.with_borrow_mut(|uncounted| {
        let count = uncounted.sums.entry(site).or_default().entry(reason).or_default();
        *count = count.saturating_add(1);
        // A carrier whose request was cut off is no carrier.
        let is_free = uncounted.carried_since.is_none_or(|since| now.saturating_sub(since) > PATIENCE);
        if is_free {
            uncounted.carried_since = Some(now);
        }
        is_free
    });
    if is_carrier {
        let env = env.clone();
        context.wait_until(carry(env));
    }
}

/// Carries what was added up, and what is added up meanwhile.
async fn carry(env: Env) {
    for _ in 0..MOST_ROUNDS {
        let sums = UNCOUNTED.with_borrow_mut(|uncounted| std::mem::take(&mut uncounted.sums));
        if sums.is_empty() {
            break;
        }
        for (site, reasons) in sums {
            if let Err(error) = shard::refused(&env, &site, &reasons).await {
                worker::console_error!("{error}");
            }
        }
    }
    UNCOUNTED.with_borrow_mut(|uncounted| uncounted.carried_since = None);
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
