//! The management calls below /api/cache/: who may, and what is asked for. What is done then is
//! worker/edge.js's to do, and each call is recorded.

use worker::Env;
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;

use cache::WarmSchedule;
use cache::metrics::{HitCounts, KeyCount, Log2Histogram};
use cache::purge::PurgeMode;
use traffic::CacheOutcomeCounts;
use wire::cache_admin::PurgeBody;
use wire::cache_analytics::{CacheAnalytics, HotKey, LifetimeClassStats, PurgeStats, RangeCount, VERSION};
use wire::routes::{self, Resolution};
use wire::{UnixMillis, WindowSpan};

use crate::edge::exchange::problem_response;
use crate::edge::purge_clock::{AdminCall, ClockAnalytics, PurgeItem, PurgeRequest, RecordedCall};
use crate::edge::{EdgeConfig, ISOLATE, edge_config};
use crate::{auth, traffic_collector};

/// Whether a call may be made: undefined, or the answer that says why not.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn may_manage(env: &Env, method: &str, path: &str, authorization: &str) -> JsValue {
    match routes::resolve(method, path) {
        Resolution::Endpoint(_) => {}
        Resolution::MethodNotAllowed { allow } => {
            return problem_response(405, &format!("this call is made with {allow}"), &[("allow", &allow)]);
        }
        Resolution::NotFound => {
            return problem_response(
                404,
                "there is no such call; there are purge, warm, analytics and explain",
                &[],
            );
        }
    }
    let given = authorization.strip_prefix("Bearer ").unwrap_or_default();
    match auth::matches_secret(env, "CACHE_TOKEN", given) {
        true => JsValue::UNDEFINED,
        false => problem_response(
            401,
            "send the secret CACHE_TOKEN as a bearer token",
            &[("www-authenticate", "Bearer")],
        ),
    }
}

/// What is to be warmed, as JSON of how often the origins may be asked and of addresses; or the answer
/// that says what is wrong.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn to_warm(strategy: &str, body: &str, max: Option<String>, now: f64) -> JsValue {
    let most = match max.as_deref().map(str::parse::<usize>) {
        None => DEFAULT_WARMED,
        Some(Ok(most)) if (1..=MAX_WARMED).contains(&most) => most,
        Some(_) => return problem_response(400, &format!("most is a number from 1 to {MAX_WARMED}"), &[]),
    };
    let urls = match strategy {
        "listed" => match cache::warm::parse_list(body, MAX_WARMED) {
            Ok(urls) => urls,
            Err(wrong) => return problem_response(400, &wrong.to_string(), &[]),
        },
        "popular" => {
            ISOLATE.with_borrow(|isolate| isolate.memory.expiring_soon(UnixMillis(now as u64), most))
        }
        // The clock has said it.
        "predicted" => serde_json::from_str(body).unwrap_or_default(),
        _ => {
            let says = "strategy is listed, with a body of addresses or a sitemap, or popular, or predicted";
            return problem_response(400, says, &[]);
        }
    };
    serde_json::json!({ "most": most, "urls": urls }).to_string().into()
}

/// What the cron is to warm, as JSON; nothing, where the configuration says nothing of it.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn scheduled_warming(env: &Env) -> Option<String> {
    let EdgeConfig::Routes(routes, _) = edge_config(env) else { return None };
    let WarmSchedule { sitemap, popular, predicted, max_requests: most } = routes.warm.as_ref()?;
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
    let refused = |says: &str| problem_response(400, says, &[]);
    let asked: PurgeBody = match serde_json::from_str(body) {
        Ok(asked) => asked,
        Err(error) => return refused(&format!("the body is no purge: {error}")),
    };
    let force = if asked.soft { PurgeMode::Soft } else { PurgeMode::Hard };
    let address = |url: &str| url.split_once("://").map_or(url, |(_, rest)| rest).to_owned();
    let what = match (asked.url, asked.tag, asked.prefix, asked.all) {
        (Some(url), None, None, false) if address(&url).contains('/') => PurgeItem::Url(address(&url)),
        (None, Some(tag), None, false) if !tag.is_empty() => PurgeItem::Tag(tag),
        (None, None, Some(prefix), false) if address(&prefix).ends_with('/') => {
            PurgeItem::Prefix(address(&prefix))
        }
        (None, None, Some(_), false) => {
            return refused("a prefix ends with a slash, as https://www.example.com/blog/");
        }
        (None, None, None, true) => PurgeItem::All,
        _ => {
            return refused(
                "say one of {\"url\": \"https://…/…\"}, {\"tag\": \"…\"}, {\"prefix\": \"https://…/\"} and {\"all\": true}, and \"soft\": true beside it if you like",
            );
        }
    };
    serde_json::to_string(&PurgeRequest { targets: vec![what], mode: force })
        .map_or(JsValue::UNDEFINED, JsValue::from)
}

/// The last day: what every site was answered, and what the clock tells.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen, wasm_bindgen_futures = worker::wasm_bindgen_futures)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
pub async fn analytics(env: Env, clock: String, now: f64) -> JsValue {
    let to = UnixMillis(now as u64).saturating_add(1);
    let from = to.saturating_sub(WindowSpan::Day.millis());
    let mut sites = Vec::new();
    for site in crate::edge::site_names(&env) {
        match traffic_collector::read_total(&env, &site, from, to).await {
            Ok(traffic) => sites.push((site, traffic)),
            Err(failure) => {
                worker::console_error!("what {site} was answered cannot be read: {failure:?}");
                return problem_response(503, "the ledger did not answer: try again", &[]);
            }
        }
    }
    let told: ClockAnalytics = match serde_json::from_str(&clock) {
        Ok(told) => told,
        Err(error) => {
            worker::console_error!("what the clock says cannot be read: {error}");
            return problem_response(503, "the clock did not answer: try again", &[]);
        }
    };
    let mut document = CacheAnalytics { v: VERSION, from, to, ..CacheAnalytics::default() };
    traffic::fill_report(sites.iter().map(|(site, traffic)| (site.as_str(), traffic)), &mut document);
    add_clock_analytics(told, &mut document);
    serde_json::to_string(&document).map_or(JsValue::UNDEFINED, JsValue::from)
}

/// What the clock tells, in the words of the document.
fn add_clock_analytics(analytics: ClockAnalytics, document: &mut CacheAnalytics) {
    let sizes = |spread: &Log2Histogram| {
        spread.buckets().map(|(from, below, n)| RangeCount { from, below, n }).collect::<Vec<_>>()
    };
    let ClockAnalytics { purges, marks, metrics: seen, calls } = analytics;
    document.ages = sizes(&seen.ages);
    document.purges = PurgeStats { count: purges, marks, lag_ms: sizes(&seen.purge_lags) };
    document.classes = seen
        .classes
        .iter()
        .map(|(class, &HitCounts { hits, stale, misses })| {
            let hit_ratio = CacheOutcomeCounts { hits, stale, misses, bypassed: 0 }.hit_ratio();
            LifetimeClassStats { class: class.as_str(), hits, stale, misses, hit_ratio }
        })
        .collect();
    document.keys = seen
        .keys
        .top(MAX_REPORTED_KEYS)
        .into_iter()
        .map(|(key, KeyCount { n, overcount: over })| HotKey { key: key.to_owned(), requests: n, over })
        .collect();
    document.calls = calls
        .into_iter()
        .map(|RecordedCall { at, call: AdminCall { action, what, outcome } }| {
            let at = UnixMillis(at);
            wire::cache_analytics::AdminCallRecord { at, action, what, outcome }
        })
        .collect();
}

const MAX_REPORTED_KEYS: usize = 50;
/// Of a call, addresses and origin requests. The platform allows an invocation so many of its own.
const MAX_WARMED: usize = 1_000;
const DEFAULT_WARMED: usize = 100;
