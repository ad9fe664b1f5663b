//! The beginning of exchanges: of clients' requests, and of the cache's own.

use cache::metrics::CacheMetrics;
use cache::{Exchange, Headers, RequestHead, RequestStart, UnixMillis, UrlParts, complete_as_browser};
use worker::Env;
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;

use crate::edge::exchange::{CacheExchange, rejection_response};
use crate::edge::isolate::{EdgeConfig, ISOLATE, edge_config};
use crate::edge::records::problem_response;
use crate::trace_export;

/// Begins the exchange of a client's request. Returns undefined if no route matches, a `ReadyResponse`
/// if the response is at hand, and otherwise a `CacheExchange`.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn begin_exchange(env: &Env, method: &str, url: &str, head: &str, client_ip: &str, now: f64) -> JsValue {
    let (config, sites) = match edge_config(env) {
        EdgeConfig::Disabled => return JsValue::UNDEFINED,
        EdgeConfig::Invalid(error) => {
            worker::console_error!("{error}");
            let detail = "the configuration of the cache is invalid; the Worker's log has the error";
            return problem_response(503, detail, &[]).into();
        }
        EdgeConfig::Routes(config, sites) => (config, sites),
    };
    let now = UnixMillis(now as u64);
    let Some(url) = UrlParts::parse(url) else { return JsValue::UNDEFINED };
    let head = RequestHead { method: method.to_owned(), headers: Headers::parse(head) };
    let codings = head.headers.first("accept-encoding");
    ISOLATE.with_borrow_mut(|isolate| isolate.shared.record_codings(codings));
    let trace = trace_export::begin(head.headers.joined("traceparent").as_deref());
    let is_navigation = is_navigation(&head.headers);
    let request = RequestStart { url, head, client_ip };
    let matches_secret = |name: &str, value: &str| {
        let secret = env.secret(name).map(|secret| secret.to_string()).unwrap_or_default();
        auth::is_secret(value, &secret)
    };
    match Exchange::start_for_client(&config, request, now, matches_secret) {
        None => JsValue::UNDEFINED,
        Some(Err(rejection)) => rejection_response(&sites, method, &rejection).into(),
        Some(Ok(exchange)) => {
            let limited = ISOLATE
                .with_borrow_mut(|isolate| exchange.limit_visitor(client_ip, now, &mut isolate.shared));
            if let Some(rejection) = limited {
                return rejection_response(&sites, method, &rejection).into();
            }
            let mut exchange = CacheExchange::new(exchange, sites, trace);
            if is_navigation {
                exchange.issue_page_token(env, now);
            }
            match exchange.respond_from_memory(now) {
                Some(response) => response.into(),
                None => exchange.into(),
            }
        }
    }
}

/// Returns true for requests of documents. Browsers without fetch metadata accept HTML by name.
fn is_navigation(headers: &Headers) -> bool {
    match headers.first("sec-fetch-dest") {
        Some(destination) => destination == "document",
        None => headers.first("accept").is_some_and(|accept| accept.contains("text/html")),
    }
}

/// Returns each Accept-Encoding whose variants are worth warming, with the metrics of all isolates as the purge clock
/// tells them.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn codings_to_warm(of_all: Option<String>) -> Vec<String> {
    let of_all = of_all.and_then(|text| serde_json::from_str::<CacheMetrics>(&text).ok());
    ISOLATE.with_borrow(|isolate| isolate.shared.codings_to_warm(of_all.as_ref()))
}

/// Begins the exchange of a plain GET of the cache's own, to warm a URL, with these codings or those of the last client.
/// Returns none if no route matches.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn warming_exchange(env: &Env, url: &str, codings: Option<String>, now: f64) -> Option<CacheExchange> {
    let codings = codings.unwrap_or_else(client_codings);
    let codings = Some(("accept-encoding", &*codings)).filter(|(_, codings)| !codings.is_empty());
    simulate(env, url, codings.into_iter().collect(), now)
}

/// Begins the exchange of a browser's GET, with these fields instead of its own, to explain it. Returns none if no route
/// matches.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn explained_exchange(env: &Env, url: &str, head: &str, now: f64) -> Option<CacheExchange> {
    simulate(env, url, complete_as_browser(Headers::parse(head), &client_codings()), now)
}

fn simulate(env: &Env, url: &str, headers: Headers, now: f64) -> Option<CacheExchange> {
    let EdgeConfig::Routes(config, sites) = edge_config(env) else { return None };
    let trace = trace_export::begin(headers.joined("traceparent").as_deref());
    let exchange =
        Exchange::simulate(&config, UrlParts::parse(url)?, headers, UnixMillis(now as u64))?.ok()?;
    Some(CacheExchange::new(exchange, sites, trace))
}

fn client_codings() -> String {
    ISOLATE.with_borrow(|isolate| isolate.shared.client_codings().to_owned())
}
