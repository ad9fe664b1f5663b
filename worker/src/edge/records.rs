//! The records that Rust hands to JavaScript, as classes of `worker/js/records.js`. One call makes one
//! record, so that a hit in memory crosses the border no more often than it must.

use cache::{ErrorResponse, Headers};
use worker::js_sys::Uint8Array;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::web_sys;

#[wasm_bindgen(raw_module = "./records.js", wasm_bindgen = worker::wasm_bindgen)]
extern "C" {
    /// A response that is complete.
    pub type ReadyResponse;

    /// `varying` has the values of Age, Cache-Status and Server-Timing, a line each.
    #[wasm_bindgen(constructor)]
    pub(crate) fn new(
        status: u16,
        headers: &web_sys::Headers,
        body: &JsValue,
        varying: Option<String>,
    ) -> ReadyResponse;

    /// Sets the URLs of pages that are worth prefetching.
    #[wasm_bindgen(method, setter)]
    pub(crate) fn set_prefetches(this: &ReadyResponse, urls: Vec<String>);

    /// The head of a response whose body comes from the origin.
    pub type ForwardedHead;

    #[wasm_bindgen(constructor)]
    pub(crate) fn new(status: u16, headers: &web_sys::Headers) -> ForwardedHead;

    /// A request to the origin.
    pub type OriginRequest;

    #[wasm_bindgen(constructor)]
    pub(crate) fn new(url: &str, method: &str, headers: &web_sys::Headers) -> OriginRequest;

    /// An envelope for the tiers below memory.
    pub type TierWrite;

    #[wasm_bindgen(constructor)]
    pub(crate) fn new(
        head: &Uint8Array,
        body: &Uint8Array,
        storage_key: &str,
        cache_key: &str,
        retention_seconds: f64,
        is_for_kv: bool,
    ) -> TierWrite;
}

/// Makes an error response that no exchange stands behind.
pub(crate) fn problem_response(status: u16, detail: &str, headers: &[(&str, &str)]) -> ReadyResponse {
    error_response(&ErrorResponse::new(status, detail, headers.iter().copied().collect()))
}

pub(crate) fn error_response(response: &ErrorResponse) -> ReadyResponse {
    let body = JsValue::from_str(&response.body);
    ReadyResponse::new(response.status, &to_js_headers(&response.headers), &body, None)
}

pub(crate) fn to_js_headers(headers: &Headers) -> web_sys::Headers {
    let js_headers = web_sys::Headers::new().unwrap_or_else(|_| JsValue::UNDEFINED.unchecked_into());
    for (name, value) in headers.iter() {
        // The platform refuses a field that HTTP does not allow; the rest of the response is sound.
        let _ = js_headers.append(name, value);
    }
    js_headers
}
