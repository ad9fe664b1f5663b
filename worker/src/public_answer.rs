//! Answers of public sites to callers without a token: shared for a few seconds, and made by one request at a time.
//! worker/js/reads.js waits for them, because one request must not wake the Rust future of another.

use std::cell::RefCell;
use std::rc::Rc;

use auth::shares_answer;
use export::prometheus::ExpositionFormat;
use report::public_answers::{PublicAnswer, PublicAnswers, question_key};
use wire::routes::{Access, Endpoint, Resolution, resolve};
use wire::{ApiError, UnixMillis};
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::{Env, Headers, Response, ResponseBuilder, Url};

use crate::admission;
use crate::config::{Config, RATE_LIMIT_PERIOD_SECONDS};
use crate::query_api::parameter;
use crate::response::{self, HandlerError, is_current};

/// Returns the key of a question that anybody may ask, or undefined for every other request.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn public_question(
    env: &Env,
    method: &str,
    url: &str,
    accept: &str,
    authorization: &str,
    address: &str,
) -> Option<String> {
    let config = Config::load(env).ok()?;
    let url = Url::parse(url).ok()?;
    let Resolution::Endpoint(endpoint) = resolve(method, url.path()) else { return None };
    // A socket is not shared.
    if endpoint.access() != Access::SiteReader || endpoint == Endpoint::Live {
        return None;
    }
    let mut pairs: Vec<(String, String)> =
        url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let token = admission::bearer_token(authorization).unwrap_or_default();
    let caller = admission::sign_in(&config, token, &wire::client_network(address)).ok()?;
    let named = parameter(&pairs, "site");
    let is_of_all = endpoint == Endpoint::Metrics && named.is_none();
    let is_shared = match is_of_all {
        // A token may show more sites in the same answer.
        true => config.sites.values().any(|site| site.public) && caller.name.is_none(),
        false => {
            let site = config.site_or_first(named);
            shares_answer(admission::visibility(&config, site), site, &caller)
        }
    };
    if !is_shared {
        return None;
    }
    if endpoint == Endpoint::Metrics {
        pairs.push(("accept".into(), ExpositionFormat::from_accept(accept).content_type().into()));
    }
    Some(question_key(url.path(), &pairs))
}

/// Returns the answer to a question, if there is one of the last seconds.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn public_answer(
    env: &Env,
    key: &str,
    method: &str,
    if_none_match: &str,
    origin: Option<String>,
    now: f64,
) -> JsValue {
    respond(env, method, if_none_match, origin.as_deref(), now, |config, now| {
        ANSWERS.with_borrow(|answers| answers.get(key, now, config.public_answer_age_ms))
    })
}

/// Keeps an answer for the next readers, if it may be shared.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
pub fn keep_public_answer(key: &str, status: u16, head: String, body: Vec<u8>, now: f64) {
    let answer = PublicAnswer { status, head, body, at: UnixMillis(now as u64) };
    ANSWERS.with_borrow_mut(|answers| answers.insert(key, answer));
}

/// Returns the response of one of the readers that waited for an answer together.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(clippy::too_many_arguments, reason = "one crossing for an answer and its reader")]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn shared_answer(
    env: &Env,
    status: u16,
    head: String,
    body: Vec<u8>,
    method: &str,
    if_none_match: &str,
    origin: Option<String>,
    now: f64,
) -> JsValue {
    respond(env, method, if_none_match, origin.as_deref(), now, |_, at| {
        Some(Rc::new(PublicAnswer { status, head, body, at }))
    })
}

/// Refuses a reader: `too-many` for a network that asked for too much, anything else where no answer came in time.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn refuse_read(env: &Env, reason: &str, origin: Option<String>) -> JsValue {
    let refusal = match reason {
        "too-many" => ApiError::TooManyRequests { retry_after: RATE_LIMIT_PERIOD_SECONDS },
        _ => ApiError::Unavailable { component: "ledger" },
    };
    let Ok(config) = Config::load(env) else { return JsValue::UNDEFINED };
    response::into_js(response::finish(Err(HandlerError::Rejected(refusal)), &config, origin.as_deref()))
}

/// Returns an answer as its reader gets it, or undefined if there is none.
fn respond(
    env: &Env,
    method: &str,
    if_none_match: &str,
    origin: Option<&str>,
    now: f64,
    find: impl FnOnce(&Config, UnixMillis) -> Option<Rc<PublicAnswer>>,
) -> JsValue {
    let Ok(config) = Config::load(env) else { return JsValue::UNDEFINED };
    let now = UnixMillis(now as u64);
    let Some(answer) = find(&config, now) else { return JsValue::UNDEFINED };
    let reader = AnswerReader { config: &config, method, if_none_match, origin, now };
    response::into_js(reader.respond(&answer))
}

/// The parts of a request that an answer depends on.
struct AnswerReader<'r> {
    config: &'r Config,
    method: &'r str,
    if_none_match: &'r str,
    origin: Option<&'r str>,
    now: UnixMillis,
}

impl AnswerReader<'_> {
    fn respond(&self, answer: &PublicAnswer) -> worker::Result<Response> {
        let headers = Headers::new();
        let mut etag = "";
        for (name, value) in answer.head.lines().filter_map(|line| line.split_once(':')) {
            headers.append(name, value)?;
            if name == "etag" {
                etag = value;
            }
        }
        let age = self.now.0.saturating_sub(answer.at.0) / 1000;
        if age > 0 {
            headers.set("age", &age.to_string())?;
        }
        response::set_allowed_origin(&headers, self.config, self.origin)?;
        let builder = ResponseBuilder::new().with_headers(headers);
        if !etag.is_empty() && is_current(self.if_none_match, etag) {
            return Ok(builder.with_status(304).empty());
        }
        let builder = builder.with_status(answer.status);
        Ok(if self.method == "HEAD" { builder.empty() } else { builder.fixed(answer.body.clone()) })
    }
}

thread_local! {
    // Plain data: nothing in it belongs to a request.
    static ANSWERS: RefCell<PublicAnswers> = RefCell::default();
}
