//! The management calls below /api/cache/: authorization, requests and documents. worker/js/admin.js
//! performs them, and records each call at the purge clock.

use std::collections::BTreeMap;

use worker::Env;
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;

use cache::WarmSchedule;
use cache::metrics::{HitCounts, KeyCount, Log2Histogram};
use cache::purge::{MAX_PREFIX_SLASHES, PurgeMode};
use cache::warm::{self, WarmListError};
use traffic::CacheOutcomeCounts;
use wire::cache_admin::PurgeBody;
use wire::cache_analytics::{CacheAnalytics, HotKey, LifetimeClassStats, PurgeStats, RangeCount, VERSION};
use wire::routes::{self, Resolution, Right};
use wire::{ApiError, UnixMillis, WindowSpan};

use crate::config::Config;
use crate::edge::isolate::{EdgeConfig, ISOLATE, edge_config, site_names};
use crate::edge::purge_request::{AdminCall, ClockAnalytics, PurgeItem, PurgeRequest, RecordedCall};
use crate::edge::records::problem_response;
use crate::shard_client::SiteRead;
use crate::{admission, traffic_collector};

/// Checks that a call exists and that it is authorized. Returns the name of the token, or the error response. The
/// Accept-Encoding of a permitted call stands for that of visitors until one comes.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn authorize_call(
    env: &Env,
    method: &str,
    path: &str,
    authorization: &str,
    address: &str,
    accept_encoding: Option<String>,
) -> JsValue {
    match routes::resolve(method, path) {
        Resolution::Endpoint(_) => {}
        Resolution::MethodNotAllowed { allow } => {
            return problem_response(405, &format!("use {allow} for this call"), &[("allow", &allow)]).into();
        }
        Resolution::NotFound => {
            let detail = "unknown call; the calls are purge, warm, analytics, explain, entries and purges";
            return problem_response(404, detail, &[]).into();
        }
    }
    let Ok(config) = Config::load(env) else {
        return problem_response(503, "the configuration is invalid; the log names the place", &[]).into();
    };
    let token = admission::bearer_token(authorization).unwrap_or_default();
    match admission::sign_in(&config, token, &wire::client_network(address)) {
        Ok(caller) if caller.may_for_all(Right::Cache) => {
            ISOLATE.with_borrow_mut(|isolate| isolate.shared.suppose_codings(accept_encoding.as_deref()));
            caller.name.unwrap_or_default().into()
        }
        Ok(_) => {
            let detail = "send the secret CACHE_TOKEN, or a token for all sites that has the right `cache`, as a bearer token";
            problem_response(401, detail, &[("www-authenticate", "Bearer")]).into()
        }
        Err(refusal) => {
            let seconds = match refusal {
                ApiError::TooManyRequests { retry_after } => retry_after.to_string(),
                _ => "60".to_owned(),
            };
            problem_response(429, &refusal.to_string(), &[("retry-after", &seconds)]).into()
        }
    }
}

/// Returns the URLs to warm and the limit of origin requests, as JSON, or an error response.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn warm_list(strategy: &str, body: &str, max: Option<String>, now: f64) -> JsValue {
    match list_urls(strategy, body, max.as_deref(), UnixMillis(now as u64)) {
        Ok((urls, max)) => serde_json::json!({ "most": max, "urls": urls }).to_string().into(),
        Err(WarmRefusal::Invalid(detail)) => problem_response(400, &detail, &[]).into(),
        Err(WarmRefusal::MalformedPrediction(error)) => {
            worker::console_error!("{error}");
            problem_response(503, &error.to_string(), &[]).into()
        }
    }
}

/// The reason why no list can be warmed.
enum WarmRefusal {
    /// The call is at fault.
    Invalid(String),
    /// The purge clock is at fault.
    MalformedPrediction(WarmListError),
}

fn list_urls(
    strategy: &str,
    body: &str,
    max: Option<&str>,
    now: UnixMillis,
) -> Result<(Vec<String>, usize), WarmRefusal> {
    let max = match max.map(str::parse::<usize>) {
        None => DEFAULT_WARMED,
        Some(Ok(max)) if (1..=MAX_WARMED).contains(&max) => max,
        Some(_) => {
            return Err(WarmRefusal::Invalid(format!("most must be a number from 1 to {MAX_WARMED}")));
        }
    };
    let urls = match strategy {
        "listed" => warm::parse_list(body, MAX_WARMED)
            .map_err(|error: WarmListError| WarmRefusal::Invalid(error.to_string()))?,
        "popular" => ISOLATE.with_borrow(|isolate| isolate.shared.memory.expiring_soon(now, max)),
        // The purge clock has made the list.
        "predicted" => warm::parse_prediction(body).map_err(WarmRefusal::MalformedPrediction)?,
        _ => {
            let detail = "strategy must be listed (with URLs or a sitemap in the body), popular or predicted";
            return Err(WarmRefusal::Invalid(detail.into()));
        }
    };
    Ok((urls, max))
}

/// Returns the configured warming of the cron, as JSON; none if none is configured.
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

/// Returns a purge as JSON for the purge clock, or an error response.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn read_purge(body: &str) -> JsValue {
    let request = parse_purge(body).and_then(|request| {
        serde_json::to_string(&request).map_err(|error| format!("the purge cannot be encoded: {error}"))
    });
    match request {
        Ok(request) => request.into(),
        Err(detail) => problem_response(400, &detail, &[]).into(),
    }
}

fn parse_purge(body: &str) -> Result<PurgeRequest, String> {
    let PurgeBody { url, tag, tags, prefix, all, soft } =
        serde_json::from_str(body).map_err(|error| format!("invalid purge: {error}"))?;
    let without_scheme = |url: &str| url.split_once("://").map_or(url, |(_, rest)| rest).to_owned();
    let [url, prefix] = [url, prefix].map(|url| url.as_deref().map(without_scheme));
    let mode = if soft { PurgeMode::Soft } else { PurgeMode::Hard };
    if !tags.is_empty() {
        let is_alone = url.is_none() && tag.is_none() && prefix.is_none() && !all;
        if !is_alone || tags.len() > MAX_PURGED_TAGS || tags.iter().any(String::is_empty) {
            return Err(format!("tags must be the only target, at most {MAX_PURGED_TAGS}, and none empty"));
        }
        return Ok(PurgeRequest { targets: tags.into_iter().map(PurgeItem::Tag).collect(), mode });
    }
    let target = match (url, tag, prefix, all) {
        (Some(url), None, None, false) if url.contains('/') => PurgeItem::Url(url),
        (None, Some(tag), None, false) if !tag.is_empty() => PurgeItem::Tag(tag),
        (None, None, Some(prefix), false) if prefix.matches('/').count() > MAX_PREFIX_SLASHES => {
            return Err(format!(
                "prefix must have at most {MAX_PREFIX_SLASHES} slashes after its scheme; purge a shorter one"
            ));
        }
        (None, None, Some(prefix), false) if prefix.ends_with('/') => PurgeItem::Prefix(prefix),
        (None, None, Some(_), false) => {
            return Err("prefix must end with a slash, as https://www.example.com/blog/".into());
        }
        (None, None, None, true) => PurgeItem::All,
        _ => {
            return Err("send exactly one of {\"url\": \"https://…/…\"}, {\"tag\": \"…\"}, {\"prefix\": \"https://…/\"} and {\"all\": true}; add \"soft\": true to mark entries as stale".into());
        }
    };
    Ok(PurgeRequest { targets: vec![target], mode })
}

/// Returns the analytics of the last day as JSON: the responses of every site, and the purge clock's part.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen, wasm_bindgen_futures = worker::wasm_bindgen_futures)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
pub async fn analytics(env: Env, clock: String, now: f64) -> JsValue {
    let to = UnixMillis(now as u64).saturating_add(1);
    let from = to.saturating_sub(WindowSpan::Day.millis());
    let (mut sites, mut shards) = (Vec::new(), BTreeMap::new());
    for site in site_names(&env) {
        match traffic_collector::read_total(&env, &site, from, to).await {
            Ok(SiteRead { merged, shards: missing }) => {
                shards.extend(missing.map(|missing| (site.clone(), missing)));
                sites.push((site, merged));
            }
            Err(failure) => {
                worker::console_error!("reading the traffic of {site} failed: {failure:?}");
                return problem_response(503, "no shard of a site responded: try again", &[]).into();
            }
        }
    }
    let clock: ClockAnalytics = match serde_json::from_str(&clock) {
        Ok(clock) => clock,
        Err(error) => {
            worker::console_error!("the analytics of the purge clock are malformed: {error}");
            return problem_response(503, "the purge clock did not respond: try again", &[]).into();
        }
    };
    let mut document = CacheAnalytics { v: VERSION, from, to, shards, ..CacheAnalytics::default() };
    traffic::fill_report(sites.iter().map(|(site, traffic)| (site.as_str(), traffic)), &mut document);
    add_clock_analytics(clock, &mut document);
    serde_json::to_string(&document).map_or(JsValue::UNDEFINED, JsValue::from)
}

/// Adds the purge clock's part to the document.
fn add_clock_analytics(analytics: ClockAnalytics, document: &mut CacheAnalytics) {
    let sizes = |histogram: &Log2Histogram| {
        histogram.buckets().map(|(from, below, n)| RangeCount { from, below, n }).collect::<Vec<_>>()
    };
    let ClockAnalytics { purges, marks, metrics, calls } = analytics;
    document.ages = sizes(&metrics.ages);
    document.purges = PurgeStats {
        count: purges,
        marks,
        refused: metrics.refused_purges,
        lag_ms: sizes(&metrics.purge_lags),
    };
    document.classes = metrics
        .classes
        .iter()
        .map(|(class, &HitCounts { hits, stale, misses })| {
            let hit_ratio = CacheOutcomeCounts { hits, stale, misses, bypassed: 0 }.hit_ratio();
            LifetimeClassStats { class: class.as_str(), hits, stale, misses, hit_ratio }
        })
        .collect();
    document.keys = metrics
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
/// URLs and origin requests of one call. The platform limits the requests of one invocation.
const MAX_WARMED: usize = 1_000;
const DEFAULT_WARMED: usize = 100;
/// A response has no more tags than that, either.
const MAX_PURGED_TAGS: usize = 128;
