//! The management calls below /api/cache/: who may, and what is asked for. What is done then is
//! worker/edge.js's to do, and each call is recorded.

use serde::Deserialize;
use worker::Env;
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;

use cache::Schedule;
use cache::seen::{Count, Did, Spread};
use cache::tags::Force;
use ledger::traffic::Outcomes;
use ledger::{Span, caching};
use wire::UnixMillis;
use wire::caching::{Caching, Class, Key, Purges, Size, VERSION};

use crate::edge::clock::{Call, Purge, Recorded, Told, What};
use crate::edge::visit::problem;
use crate::edge::{Configured, ISOLATE, configured};
use crate::{leave, traffic};

/// What a purge is asked for with: one of the four, and whether softly.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    url: Option<String>,
    tag: Option<String>,
    prefix: Option<String>,
    all: bool,
    soft: bool,
}

/// Whether a call may be made: undefined, or the answer that says why not.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn may_manage(env: &Env, method: &str, path: &str, authorization: &str) -> JsValue {
    let Some((_, allow)) = CALLS.iter().find(|(known, _)| *known == path) else {
        return problem(404, "there is no such call; there are purge, warm, analytics and explain", &[]);
    };
    if method != *allow {
        return problem(405, &format!("this call is made with {allow}"), &[("allow", allow)]);
    }
    let given = authorization.strip_prefix("Bearer ").unwrap_or_default();
    match leave::is_secret(env, "CACHE_TOKEN", given) {
        true => JsValue::UNDEFINED,
        false => {
            problem(401, "send the secret CACHE_TOKEN as a bearer token", &[("www-authenticate", "Bearer")])
        }
    }
}

/// What is to be warmed, as JSON of how often the origins may be asked and of addresses; or the answer
/// that says what is wrong.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn to_warm(strategy: &str, body: &str, most: Option<String>, now: f64) -> JsValue {
    let most = match most.as_deref().map(str::parse::<usize>) {
        None => USUALLY_WARMED,
        Some(Ok(most)) if (1..=MOST_WARMED).contains(&most) => most,
        Some(_) => return problem(400, &format!("most is a number from 1 to {MOST_WARMED}"), &[]),
    };
    let urls = match strategy {
        "listed" => match cache::warm::listed(body, MOST_WARMED) {
            Ok(urls) => urls,
            Err(wrong) => return problem(400, &wrong.to_string(), &[]),
        },
        "popular" => ISOLATE.with_borrow(|isolate| isolate.memory.soon_stale(UnixMillis(now as u64), most)),
        // The clock has said it.
        "predicted" => serde_json::from_str(body).unwrap_or_default(),
        _ => {
            let says = "strategy is listed, with a body of addresses or a sitemap, or popular, or predicted";
            return problem(400, says, &[]);
        }
    };
    serde_json::json!({ "most": most, "urls": urls }).to_string().into()
}

/// What the cron is to warm, as JSON; nothing, where the configuration says nothing of it.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn scheduled_warming(env: &Env) -> Option<String> {
    let Configured::Routes(routes, _) = configured(env) else { return None };
    let Schedule { sitemap, popular, predicted, most } = routes.warm.as_ref()?;
    Some(
        serde_json::json!({ "sitemap": sitemap, "popular": popular, "predicted": predicted, "most": most })
            .to_string(),
    )
}

/// What a body asks to purge, as the clock takes it; or the answer that says what is wrong.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn read_purge(body: &str) -> JsValue {
    let refused = |says: &str| problem(400, says, &[]);
    let asked: Asked = match serde_json::from_str(body) {
        Ok(asked) => asked,
        Err(error) => return refused(&format!("the body is no purge: {error}")),
    };
    let force = if asked.soft { Force::Soft } else { Force::Hard };
    let address = |url: &str| url.split_once("://").map_or(url, |(_, rest)| rest).to_owned();
    let what = match (asked.url, asked.tag, asked.prefix, asked.all) {
        (Some(url), None, None, false) if address(&url).contains('/') => What::Url(address(&url)),
        (None, Some(tag), None, false) if !tag.is_empty() => What::Tag(tag),
        (None, None, Some(prefix), false) if address(&prefix).ends_with('/') => {
            What::Prefix(address(&prefix))
        }
        (None, None, Some(_), false) => {
            return refused("a prefix ends with a slash, as https://www.example.com/blog/");
        }
        (None, None, None, true) => What::All,
        _ => {
            return refused(
                "say one of {\"url\": \"https://…/…\"}, {\"tag\": \"…\"}, {\"prefix\": \"https://…/\"} and {\"all\": true}, and \"soft\": true beside it if you like",
            );
        }
    };
    serde_json::to_string(&Purge { what: vec![what], force }).map_or(JsValue::UNDEFINED, JsValue::from)
}

/// The last day: what every site was answered, and what the clock tells.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen, wasm_bindgen_futures = worker::wasm_bindgen_futures)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
pub async fn analytics(env: Env, clock: String, now: f64) -> JsValue {
    let to = UnixMillis(now as u64).after(1);
    let from = to.before(Span::Day.millis());
    let mut sites = Vec::new();
    for site in crate::edge::sites(&env) {
        match traffic::read(&env, &site, from, to).await {
            Ok(traffic) => sites.push((site, traffic)),
            Err(failure) => {
                worker::console_error!("what {site} was answered cannot be read: {failure:?}");
                return problem(503, "the ledger did not answer: try again", &[]);
            }
        }
    }
    let told: Told = match serde_json::from_str(&clock) {
        Ok(told) => told,
        Err(error) => {
            worker::console_error!("what the clock says cannot be read: {error}");
            return problem(503, "the clock did not answer: try again", &[]);
        }
    };
    let mut document = Caching { v: VERSION, from, to, ..Caching::default() };
    caching::told(sites.iter().map(|(site, traffic)| (site.as_str(), traffic)), &mut document);
    put_down(told, &mut document);
    serde_json::to_string(&document).map_or(JsValue::UNDEFINED, JsValue::from)
}

/// What the clock tells, in the words of the document.
fn put_down(told: Told, document: &mut Caching) {
    let sizes =
        |spread: &Spread| spread.iter().map(|(from, below, n)| Size { from, below, n }).collect::<Vec<_>>();
    let Told { purges, marks, seen, calls } = told;
    document.ages = sizes(&seen.ages);
    document.purges = Purges { count: purges, marks, lag_ms: sizes(&seen.lags) };
    document.classes = seen
        .classes
        .iter()
        .map(|(class, &Did { hits, stale, misses })| {
            let hit_ratio = Outcomes { hits, stale, misses, bypassed: 0 }.ratio();
            Class { class: class.word(), hits, stale, misses, hit_ratio }
        })
        .collect();
    document.keys = seen
        .keys
        .top(MOST_KEYS_TOLD)
        .into_iter()
        .map(|(key, Count { n, over })| Key { key: key.to_owned(), requests: n, over })
        .collect();
    document.calls = calls
        .into_iter()
        .map(|Recorded { at, call: Call { action, what, outcome } }| {
            let at = UnixMillis(at);
            wire::caching::Call { at, action, what, outcome }
        })
        .collect();
}

const MOST_KEYS_TOLD: usize = 50;
/// Of a call, addresses and origin requests. The platform allows an invocation so many of its own.
const MOST_WARMED: usize = 1_000;
const USUALLY_WARMED: usize = 100;

const CALLS: &[(&str, &str)] = &[
    ("/api/cache/purge", "POST"),
    ("/api/cache/warm", "POST"),
    ("/api/cache/analytics", "GET"),
    ("/api/cache/explain", "GET"),
];
