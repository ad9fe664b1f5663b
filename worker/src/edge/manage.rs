//! The management calls below /api/cache/: who may, and what is asked for. What is done then is
//! worker/edge.js's to do, and each call is recorded.

use serde::Deserialize;
use subtle::ConstantTimeEq;
use worker::Env;
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;

use cache::tags::Force;

use crate::edge::clock::{Purge, What};
use crate::edge::visit::problem;

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

const CALLS: &[(&str, &str)] = &[
    ("/api/cache/purge", "POST"),
    ("/api/cache/warm", "POST"),
    ("/api/cache/analytics", "GET"),
    ("/api/cache/explain", "GET"),
];
