//! The cache before other people's origins. What is decided is decided by the crate `cache`; what is
//! waited for is waited for in worker/edge.js, because promises, streams and bodies are JavaScript's.
//! Here is what lies between: what this isolate knows, and a visit on its way through.

mod clock;
mod counts;
mod manage;
mod memory;
mod visit;

use std::cell::RefCell;
use std::rc::Rc;

use cache::tags::{Changes, View};
use cache::{Arrival, Grounds, Headers, Incoming, RequestHead, Routes, UnixMillis};
use worker::Env;
use worker::js_sys::Array;
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;

use memory::Memory;
use visit::Visit;

/// What this isolate knows. Plain data: nothing in it belongs to a request.
#[derive(Default)]
struct Isolate {
    configured: Option<Configured>,
    view: View,
    memory: Memory,
    counts: counts::Counts,
}

/// What the variable EDGE says.
#[derive(Clone)]
enum Configured {
    Nothing,
    Routes(Rc<Routes>),
    Mistake(String),
}

thread_local! {
    static ISOLATE: RefCell<Isolate> = RefCell::default();
}

fn configured(env: &Env) -> Configured {
    let known = ISOLATE.with_borrow(|isolate| isolate.configured.clone());
    known.unwrap_or_else(|| {
        let read = read(env);
        ISOLATE.with_borrow_mut(|isolate| {
            if let Configured::Routes(routes) = &read {
                isolate.memory.allow(routes.memory_bytes);
            }
            isolate.configured = Some(read.clone());
        });
        read
    })
}

fn read(env: &Env) -> Configured {
    let text = env.var("EDGE").map(|text| text.to_string()).unwrap_or_default();
    if text.trim().is_empty() {
        return Configured::Nothing;
    }
    match Routes::parse(&text) {
        Ok(routes) => Configured::Routes(Rc::new(routes)),
        Err(mistake) => Configured::Mistake(format!("EDGE in wrangler.toml: {mistake}")),
    }
}

/// A request arrives. Undefined: it is none of the cache's. A list: the answer. Else a visit that has to
/// wait for something.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn arrive(env: &Env, method: &str, url: &str, head: &str, client: &str, now: f64) -> JsValue {
    let routes = match configured(env) {
        Configured::Nothing => return JsValue::UNDEFINED,
        Configured::Mistake(mistake) => {
            worker::console_error!("{mistake}");
            return visit::problem(503, "the configuration of the cache is wrong; the log says where", &[]);
        }
        Configured::Routes(routes) => routes,
    };
    let now = UnixMillis(now as u64);
    let Some(address) = Address::of(url) else { return JsValue::UNDEFINED };
    let head = RequestHead { method: method.to_owned(), headers: Headers::parse(head) };
    match arrived(&routes, &address, head, client, now) {
        None => JsValue::UNDEFINED,
        Some(Err(refused)) => refused,
        Some(Ok(mut visit)) => match visit.at_once(now) {
            Some(answer) => answer,
            None => visit.into(),
        },
    }
}

/// A visit of our own: what a plain GET of an address would be, to warm it or to explain it.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn imagine(env: &Env, url: &str, head: &str, now: f64) -> Option<Visit> {
    let Configured::Routes(routes) = configured(env) else { return None };
    let head = RequestHead::get(Headers::parse(head));
    let now = UnixMillis(now as u64);
    arrived(&routes, &Address::of(url)?, head, "", now)?.ok()
}

fn arrived(
    routes: &Rc<Routes>,
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
        Err(refusal) => {
            let fields: &[(&str, &str)] = match &refusal {
                cache::Refusal::Method { allow } => &[("allow", allow)],
                _ => &[],
            };
            return Some(Err(visit::problem(refusal.status(), &refusal.says(), fields)));
        }
    };
    let Arrival { index, rules, address, target, forwarded, key, .. } = arrival;
    Some(Ok(Visit::new(visit::Parts {
        routes: Rc::clone(routes),
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
    ISOLATE.with_borrow_mut(|isolate| isolate.view.absorb(changes, UnixMillis(asked as u64)))
}

/// The addresses of what is asked for often and is soon stale.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn popular(now: f64, most: usize) -> Array {
    let now = UnixMillis(now as u64);
    ISOLATE
        .with_borrow(|isolate| isolate.memory.soon_stale(now, most).into_iter().map(JsValue::from).collect())
}

/// What was counted since it was last taken.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn take_counts() -> Option<String> {
    ISOLATE.with_borrow_mut(|isolate| isolate.counts.take())
}
