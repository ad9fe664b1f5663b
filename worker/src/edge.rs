//! The cache before other people's origins. What is decided is decided by the crate `cache`; what is
//! waited for is waited for in worker/edge.js, because promises, streams and bodies are JavaScript's.
//! Here is what lies between: what this isolate knows, and a visit on its way through.

mod ahead;
mod clock;
mod manage;
mod memory;
mod visit;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use cache::seen::Seen;
use cache::tags::{Changes, View};
use cache::{Arrival, Grounds, Headers, Incoming, Limiter, Proof, RequestHead, Require, Routes, UnixMillis};
use worker::Env;
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;

use crate::config::Config;
use crate::refusals::NOBODYS;
use crate::traces;
use memory::Memory;
use visit::Visit;

/// What this isolate knows. Plain data: nothing in it belongs to a request.
#[derive(Default)]
struct Isolate {
    configured: Option<Configured>,
    view: View,
    memory: Memory,
    /// By route.
    limiters: BTreeMap<usize, Limiter>,
    ahead: ahead::Ahead,
    seen: Seen,
}

/// What the variable EDGE says; with the site of each route.
#[derive(Clone)]
enum Configured {
    Nothing,
    Routes(Rc<Routes>, Rc<[String]>),
    Mistake(String),
}

thread_local! {
    static ISOLATE: RefCell<Isolate> = RefCell::default();
}

fn configured(env: &Env) -> Configured {
    traces::learn(env);
    let known = ISOLATE.with_borrow(|isolate| isolate.configured.clone());
    known.unwrap_or_else(|| {
        let read = read(env);
        ISOLATE.with_borrow_mut(|isolate| {
            if let Configured::Routes(routes, _) = &read {
                isolate.memory.allow(routes.memory_bytes);
            }
            isolate.configured = Some(read.clone());
        });
        read
    })
}

/// Whether nothing is wrong with what EDGE says, if it says anything.
pub(crate) fn is_configured(env: &Env) -> bool {
    !matches!(configured(env), Configured::Mistake(_))
}

fn read(env: &Env) -> Configured {
    let text = env.var("EDGE").map(|text| text.to_string()).unwrap_or_default();
    if text.trim().is_empty() {
        return Configured::Nothing;
    }
    let mistake =
        |says: &dyn std::fmt::Display| Configured::Mistake(format!("EDGE in wrangler.toml: {says}"));
    let routes = match Routes::parse(&text) {
        Ok(routes) => routes,
        Err(wrong) => return mistake(&wrong),
    };
    let config = match Config::of(env) {
        Ok(config) => config,
        Err(wrong) => return mistake(&wrong),
    };
    if let Some(wrong) = routes.unknown_site(&text, |site| config.sites.contains_key(site)) {
        return mistake(&wrong);
    }
    // The dashboard measures itself, but nobody's origin is behind it.
    let mut others = config.sites.keys().filter(|site| *site != "vitals-dashboard");
    let only = others.next().filter(|_| others.next().is_none()).map_or(NOBODYS, String::as_str);
    let sites = routes.routes.iter().map(|route| route.site().unwrap_or(only).to_owned()).collect();
    Configured::Routes(Rc::new(routes), sites)
}

/// A request arrives. Undefined: it is none of the cache's. A list: the answer. Else a visit that has to
/// wait for something.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn arrive(env: &Env, method: &str, url: &str, head: &str, client: &str, now: f64) -> JsValue {
    let (routes, sites) = match configured(env) {
        Configured::Nothing => return JsValue::UNDEFINED,
        Configured::Mistake(mistake) => {
            worker::console_error!("{mistake}");
            return visit::problem(503, "the configuration of the cache is wrong; the log says where", &[]);
        }
        Configured::Routes(routes, sites) => (routes, sites),
    };
    let now = UnixMillis(now as u64);
    let Some(address) = Address::of(url) else { return JsValue::UNDEFINED };
    let head = RequestHead { method: method.to_owned(), headers: Headers::parse(head) };
    match arrived(Some(env), (&routes, &sites), &address, head, client, now) {
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
    let Configured::Routes(routes, sites) = configured(env) else { return None };
    let head = RequestHead::get(Headers::parse(head));
    let now = UnixMillis(now as u64);
    arrived(None, (&routes, &sites), &Address::of(url)?, head, "", now)?.ok()
}

/// Without an environment nobody is at the door: what is imagined is not asked for proofs.
fn arrived(
    env: Option<&Env>,
    (routes, sites): (&Rc<Routes>, &Rc<[String]>),
    address: &Address<'_>,
    head: RequestHead,
    client: &str,
    now: UnixMillis,
) -> Option<Result<Visit, JsValue>> {
    let mut grounds = Grounds::new();
    let Address { scheme, host, path, query } = *address;
    let incoming = Incoming { scheme, host, path, query, head: &head, client };
    let arrival = match Arrival::of(routes, &incoming, &mut grounds)? {
        Ok(arrival) => arrival,
        Err((index, refusal)) => {
            let site = sites.get(index).map_or(NOBODYS, String::as_str);
            return Some(Err(visit::refused(site, &head.method, &refusal)));
        }
    };
    let mut guards =
        arrival.guards.iter().filter(|guard| env.is_some_and(|env| !holds(env, guard, &head.headers)));
    if let Some(guard) = guards.next() {
        let site = sites.get(arrival.index).map_or(NOBODYS, String::as_str);
        return Some(Err(visit::turned(site, &head.method, guard.turned(&incoming))));
    }
    let Arrival { index, rules, address, target, forwarded, key, .. } = arrival;
    Some(Ok(Visit::new(visit::Parts {
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
        grounds,
        began: now,
    })))
}

/// Whether a request brings what a guard wants.
fn holds(env: &Env, guard: &Require, headers: &Headers) -> bool {
    match guard.proof(headers) {
        Proof::None => false,
        Proof::Given => true,
        Proof::Secret { name, given } => crate::leave::is_secret(env, &name, &given),
    }
}

/// The address of a request in its parts, each as it came.
struct Address<'a> {
    scheme: &'a str,
    host: &'a str,
    path: &'a str,
    query: &'a str,
}

impl<'a> Address<'a> {
    fn of(url: &'a str) -> Option<Self> {
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
    ISOLATE.with_borrow(|isolate| isolate.view.upto() as f64)
}

/// Takes in what was purged, asked for at that moment. Whether there is more to ask for.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn learn_purges(changes: &str, asked: f64) -> bool {
    let changes: Changes = match serde_json::from_str(changes) {
        Ok(changes) => changes,
        Err(error) => {
            worker::console_error!("what the clock says cannot be read: {error}");
            return false;
        }
    };
    let asked = UnixMillis(asked as u64);
    ISOLATE.with_borrow_mut(|isolate| {
        // Who knows nothing yet learns what is long ago: that is no lag.
        if isolate.view.upto() > 0 {
            let lags = changes.at.iter().map(|at| asked.0.saturating_sub(at.0));
            lags.for_each(|lag| isolate.seen.lags.add(lag, 1));
        }
        isolate.view.absorb(changes, asked)
    })
}

/// What was seen since it was last taken, as JSON; nothing, where nothing was.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn take_seen() -> Option<String> {
    let seen = ISOLATE.with_borrow_mut(|isolate| std::mem::take(&mut isolate.seen));
    if seen.is_empty() { None } else { serde_json::to_string(&seen).ok() }
}

/// What could not be carried is seen again.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
pub fn put_back_seen(seen: &str) {
    if let Ok(seen) = serde_json::from_str(seen) {
        ISOLATE.with_borrow_mut(|isolate| isolate.seen.merge(&seen));
    }
}

/// The sites whose answers are given here.
fn sites(env: &Env) -> BTreeSet<String> {
    match configured(env) {
        Configured::Routes(_, sites) => sites.iter().cloned().collect(),
        Configured::Nothing | Configured::Mistake(_) => BTreeSet::new(),
    }
}
