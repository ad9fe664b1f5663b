//! The cache before other people's origins. What is decided is decided by the crate `cache`; what is
//! waited for is waited for in worker/edge.js, because promises, streams and bodies are JavaScript's.
//! Here is what lies between: what this isolate knows, and a visit on its way through.

mod admin;
mod exchange;
mod memory_cache;
mod prefetch;
mod purge_clock;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use cache::metrics::CacheMetrics;
use cache::purge::{PurgeChanges, PurgeView};
use cache::{
    AccessRule, CacheConfig, Credential, DecisionLog, Headers, OriginLimiter, RequestHead, RequestParts,
    RoutedRequest, UnixMillis,
};
use worker::Env;
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;

use crate::config::Config;
use crate::rejection_counter::UNKNOWN_SITE;
use crate::trace_export;
use exchange::Visit;
use memory_cache::MemoryCache;

/// What this isolate knows. Plain data: nothing in it belongs to a request.
#[derive(Default)]
struct IsolateState {
    config: Option<EdgeConfig>,
    purge_view: PurgeView,
    memory: MemoryCache,
    /// By route.
    limiters: BTreeMap<usize, OriginLimiter>,
    prefetcher: prefetch::Prefetcher,
    metrics: CacheMetrics,
}

/// What the variable EDGE says; with the site of each route.
#[derive(Clone)]
enum EdgeConfig {
    Disabled,
    Routes(Rc<CacheConfig>, Rc<[String]>),
    Invalid(String),
}

thread_local! {
    static ISOLATE: RefCell<IsolateState> = RefCell::default();
}

fn edge_config(env: &Env) -> EdgeConfig {
    trace_export::init(env);
    let known = ISOLATE.with_borrow(|isolate| isolate.config.clone());
    known.unwrap_or_else(|| {
        let read = parse_config(env);
        ISOLATE.with_borrow_mut(|isolate| {
            if let EdgeConfig::Routes(routes, _) = &read {
                isolate.memory.set_max_bytes(routes.memory_bytes);
            }
            isolate.config = Some(read.clone());
        });
        read
    })
}

/// Whether nothing is wrong with what EDGE says, if it says anything.
pub(crate) fn has_valid_config(env: &Env) -> bool {
    !matches!(edge_config(env), EdgeConfig::Invalid(_))
}

fn parse_config(env: &Env) -> EdgeConfig {
    let text = env.var("EDGE").map(|text| text.to_string()).unwrap_or_default();
    if text.trim().is_empty() {
        return EdgeConfig::Disabled;
    }
    let mistake =
        |says: &dyn std::fmt::Display| EdgeConfig::Invalid(format!("EDGE in wrangler.toml: {says}"));
    let routes = match CacheConfig::parse(&text) {
        Ok(routes) => routes,
        Err(wrong) => return mistake(&wrong),
    };
    let config = match Config::load(env) {
        Ok(config) => config,
        Err(wrong) => return mistake(&wrong),
    };
    if let Some(wrong) = routes.find_unknown_site(&text, |site| config.sites.contains_key(site)) {
        return mistake(&wrong);
    }
    // The dashboard measures itself, but nobody's origin is behind it.
    let mut others = config.sites.keys().filter(|site| *site != "vitals-dashboard");
    let only = others.next().filter(|_| others.next().is_none()).map_or(UNKNOWN_SITE, String::as_str);
    let sites = routes.routes.iter().map(|route| route.site().unwrap_or(only).to_owned()).collect();
    EdgeConfig::Routes(Rc::new(routes), sites)
}

/// A request arrives. Undefined: it is none of the cache's. A list: the answer. Else a visit that has to
/// wait for something.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn arrive(env: &Env, method: &str, url: &str, head: &str, client: &str, now: f64) -> JsValue {
    let (routes, sites) = match edge_config(env) {
        EdgeConfig::Disabled => return JsValue::UNDEFINED,
        EdgeConfig::Invalid(mistake) => {
            worker::console_error!("{mistake}");
            return exchange::problem_response(
                503,
                "the configuration of the cache is wrong; the log says where",
                &[],
            );
        }
        EdgeConfig::Routes(routes, sites) => (routes, sites),
    };
    let now = UnixMillis(now as u64);
    let Some(address) = UrlParts::parse(url) else { return JsValue::UNDEFINED };
    let head = RequestHead { method: method.to_owned(), headers: Headers::parse(head) };
    match open_exchange(Some(env), (&routes, &sites), &address, head, client, now) {
        None => JsValue::UNDEFINED,
        Some(Err(refused)) => refused,
        Some(Ok(mut visit)) => match visit.at_once(now) {
            Some(answer) => {
                // A fifth in the list: what follows this page is worth fetching.
                if let Some(next) = visit.ahead() {
                    answer.push(&next);
                }
                answer.into()
            }
            None => visit.into(),
        },
    }
}

/// A visit of our own: what a plain GET of an address would be, to warm it or to explain it.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn imagine(env: &Env, url: &str, head: &str, now: f64) -> Option<Visit> {
    let EdgeConfig::Routes(routes, sites) = edge_config(env) else { return None };
    let head = RequestHead::get(Headers::parse(head));
    let now = UnixMillis(now as u64);
    open_exchange(None, (&routes, &sites), &UrlParts::parse(url)?, head, "", now)?.ok()
}

/// Without an environment nobody is at the door: what is imagined is not asked for proofs.
fn open_exchange(
    env: Option<&Env>,
    (routes, sites): (&Rc<CacheConfig>, &Rc<[String]>),
    address: &UrlParts<'_>,
    head: RequestHead,
    client: &str,
    now: UnixMillis,
) -> Option<Result<Visit, JsValue>> {
    let mut decision_log = DecisionLog::new();
    let UrlParts { scheme, host, path, query } = *address;
    let incoming = RequestParts { scheme, host, path, query, head: &head, client_ip: client };
    let arrival = match RoutedRequest::resolve(routes, &incoming, &mut decision_log)? {
        Ok(arrival) => arrival,
        Err((index, refusal)) => {
            let site = sites.get(index).map_or(UNKNOWN_SITE, String::as_str);
            return Some(Err(exchange::rejection_response(site, &head.method, &refusal)));
        }
    };
    let mut guards = arrival
        .access_rules
        .iter()
        .filter(|guard| env.is_some_and(|env| !satisfies_rule(env, guard, &head.headers)));
    if let Some(guard) = guards.next() {
        let site = sites.get(arrival.route_index).map_or(UNKNOWN_SITE, String::as_str);
        return Some(Err(exchange::challenge_response(site, &head.method, guard.challenge(&incoming))));
    }
    let RoutedRequest {
        route_index: index,
        policy: rules,
        purge_url: address,
        origin_url: target,
        origin_request: forwarded,
        key,
        ..
    } = arrival;
    Some(Ok(Visit::new(exchange::ExchangeParts {
        routes: Rc::clone(routes),
        sites: Rc::clone(sites),
        index,
        rules,
        scheme: scheme.to_owned(),
        host: host.to_ascii_lowercase(),
        path: path.to_owned(),
        address,
        target,
        request: head,
        forwarded,
        key,
        decision_log,
        started_at: now,
    })))
}

/// Whether a request brings what a guard wants.
fn satisfies_rule(env: &Env, rule: &AccessRule, headers: &Headers) -> bool {
    match rule.credential(headers) {
        Credential::Missing => false,
        Credential::Unverified => true,
        Credential::Secret { name, value: given } => crate::auth::matches_secret(env, &name, &given),
    }
}

/// The address of a request in its parts, each as it came.
struct UrlParts<'a> {
    scheme: &'a str,
    host: &'a str,
    path: &'a str,
    query: &'a str,
}

impl<'a> UrlParts<'a> {
    fn parse(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once(':')?;
        let rest = rest.strip_prefix("//")?;
        let rest = rest.split('#').next().unwrap_or_default();
        let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
        let at = before.find('/')?;
        Some(Self { scheme, host: before.get(..at)?, path: before.get(at..)?, query })
    }
}

/// From which purge on to ask for more.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn purges_known() -> f64 {
    ISOLATE.with_borrow(|isolate| isolate.purge_view.upto() as f64)
}

/// Takes in what was purged, asked for at that moment. Whether there is more to ask for.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn learn_purges(changes: &str, asked_at: f64) -> bool {
    let changes: PurgeChanges = match serde_json::from_str(changes) {
        Ok(changes) => changes,
        Err(error) => {
            worker::console_error!("what the clock says cannot be read: {error}");
            return false;
        }
    };
    let asked = UnixMillis(asked_at as u64);
    ISOLATE.with_borrow_mut(|isolate| {
        // Who knows nothing yet learns what is long ago: that is no lag.
        if isolate.purge_view.upto() > 0 {
            let lags = changes.written_at.iter().map(|at| asked.0.saturating_sub(at.0));
            lags.for_each(|lag| isolate.metrics.purge_lags.add(lag, 1));
        }
        isolate.purge_view.apply(changes, asked)
    })
}

/// What was seen since it was last taken, as JSON; nothing, where nothing was.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn take_seen() -> Option<String> {
    let seen = ISOLATE.with_borrow_mut(|isolate| std::mem::take(&mut isolate.metrics));
    if seen.is_empty() { None } else { serde_json::to_string(&seen).ok() }
}

/// What could not be carried is seen again.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
pub fn put_back_seen(metrics: &str) {
    if let Ok(seen) = serde_json::from_str(metrics) {
        ISOLATE.with_borrow_mut(|isolate| isolate.metrics.merge(&seen));
    }
}

/// The sites whose answers are given here.
fn site_names(env: &Env) -> BTreeSet<String> {
    match edge_config(env) {
        EdgeConfig::Routes(_, sites) => sites.iter().cloned().collect(),
        EdgeConfig::Disabled | EdgeConfig::Invalid(_) => BTreeSet::new(),
    }
}
