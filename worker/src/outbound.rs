//! Requests to configured addresses: with a deadline, without redirects, and with a bounded response body.

use worker::js_sys::{Reflect, Uint8Array};
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::wasm_bindgen_futures::JsFuture;
use worker::{
    AbortSignal, Fetch, Headers, Method, Request, RequestInit, RequestRedirect, Response, Result, web_sys,
};

/// Posts a body, and cancels the body of the response.
pub(crate) async fn post(
    url: &str,
    fields: &[(&str, &str)],
    body: JsValue,
    timeout_ms: u32,
) -> Result<OutboundResponse> {
    let response = send(Method::Post, url, fields, Some(body), timeout_ms).await?;
    let (status, headers) = (response.status_code(), response.headers().clone());
    // An unread body would hold its connection.
    if let Some(body) = web_sys::Response::from(response).body() {
        drop(body.cancel());
    }
    Ok(OutboundResponse { status, headers })
}

/// Sends a request, and leaves the body of the response to the caller.
pub(crate) async fn send(
    method: Method,
    url: &str,
    fields: &[(&str, &str)],
    body: Option<JsValue>,
    timeout_ms: u32,
) -> Result<Response> {
    let headers = Headers::new();
    for (name, value) in fields {
        headers.set(name, value)?;
    }
    let mut init = RequestInit::new();
    init.with_method(method).with_headers(headers).with_body(body).with_redirect(RequestRedirect::Manual);
    let signal = AbortSignal::from(web_sys::AbortSignal::timeout_with_u32(timeout_ms));
    Fetch::Request(Request::new_with_init(url, &init)?).send_with_signal(&signal).await
}

/// Reads a body; `None` if it is longer than the limit, or breaks off.
pub(crate) async fn read_bounded(body: Option<web_sys::ReadableStream>, max_bytes: usize) -> Option<Vec<u8>> {
    let mut read = Vec::new();
    let Some(body) = body else { return Some(read) };
    let reader: web_sys::ReadableStreamDefaultReader = body.get_reader().dyn_into().ok()?;
    loop {
        let next = JsFuture::from(reader.read()).await.ok()?;
        let value = Reflect::get(&next, &JsValue::from_str("value")).ok()?;
        let Ok(chunk) = value.dyn_into::<Uint8Array>() else { return Some(read) };
        if read.len().saturating_add(chunk.length() as usize) > max_bytes {
            drop(reader.cancel());
            return None;
        }
        read.extend(chunk.to_vec());
    }
}

/// A response without its body.
pub(crate) struct OutboundResponse {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
}
