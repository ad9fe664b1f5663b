//! The management calls below /api/cache/: who may, and what is asked for. What is done then is
//! worker/edge.js's to do, and each call is recorded.

use serde::Deserialize;
use subtle::ConstantTimeEq;
use worker::Env;
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;

use cache::tags::Force;
use ledger::Span;
use wire::UnixMillis;

use crate::edge::clock::{Purge, What};
use crate::edge::visit::problem;
use crate::traffic;

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
    let token = env.secret("CACHE_TOKEN").map(|token| token.to_string()).unwrap_or_default();
    let same: bool = given.as_bytes().ct_eq(token.as_bytes()).into();
    // Where no token is set, none opens.
    match same && !token.is_empty() {
        true => JsValue::UNDEFINED,
        false => {
            problem(401, "send the secret CACHE_TOKEN as a bearer token", &[("www-authenticate", "Bearer")])
        }
    }
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

/// The last day of every site, beside what the clock tells of itself.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen, wasm_bindgen_futures = worker::wasm_bindgen_futures)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
pub async fn analytics(env: Env, clock: String, now: f64) -> JsValue {
    let now = UnixMillis(now as u64);
    let mut counts = Vec::new();
    for site in crate::edge::sites(&env) {
        let traffic = match traffic::read(&env, &site, now.before(Span::Day.millis()), now.after(1)).await {
            Ok(traffic) => traffic,
            Err(failure) => {
                worker::console_error!("what {site} was answered cannot be read: {failure:?}");
                return problem(503, "the ledger did not answer: try again", &[]);
            }
        };
        for (route, served) in &traffic.routes {
            counts.extend(served.answers.iter().map(|(answer, answered)| {
                serde_json::json!({
                    "site": site, "route": route, "outcome": answer.cache.name(), "detail": answer.detail,
                    "requests": answered.n, "bytes": answered.bytes, "origin": answered.origin.sum,
                })
            }));
        }
    }
    let mut said: serde_json::Value = serde_json::from_str(&clock).unwrap_or_default();
    if let Some(said) = said.as_object_mut() {
        said.insert("counts".into(), counts.into());
    }
    said.to_string().into()
}

const CALLS: &[(&str, &str)] = &[
    ("/api/cache/purge", "POST"),
    ("/api/cache/warm", "POST"),
    ("/api/cache/analytics", "GET"),
    ("/api/cache/explain", "GET"),
];
