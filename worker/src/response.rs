//! Responses: the one place that maps errors to problem documents, and decides CORS.

use serde::Serialize;
use sketch::stable_hash::fnv1a_64;
use wire::ApiError;
use worker::wasm_bindgen::JsValue;
use worker::{Headers, Request, Response, ResponseBuilder, Result, web_sys};

use crate::config::{Config, ConfigError};

/// The failure of a request.
#[derive(Debug)]
pub(crate) enum HandlerError {
    /// An invalid request, or a limit.
    Rejected(ApiError),
    /// An error of the platform or of the Worker. Logged, and reported without detail.
    Internal(worker::Error),
}

pub(crate) type HandlerResult = core::result::Result<Response, HandlerError>;

impl From<ApiError> for HandlerError {
    fn from(refusal: ApiError) -> Self {
        Self::Rejected(refusal)
    }
}

impl From<worker::Error> for HandlerError {
    fn from(error: worker::Error) -> Self {
        Self::Internal(error)
    }
}

/// Finishes a request: errors become problem documents, and CORS headers are added.
pub(crate) fn finish(outcome: HandlerResult, config: &Config, origin: Option<&str>) -> Result<Response> {
    let response = match outcome {
        Ok(response) => response,
        Err(HandlerError::Rejected(refusal)) => {
            let response = problem(&refusal)?;
            // The page whose beacons are refused may read the reason, so that its tools can tell its developer.
            if let (ApiError::ForeignOrigin { .. } | ApiError::UnknownSite { .. }, Some(origin)) =
                (&refusal, origin)
            {
                response.headers().set("access-control-allow-origin", origin)?;
            }
            response
        }
        Err(HandlerError::Internal(error)) => {
            worker::console_error!("{error}");
            problem(&ApiError::Unavailable { component: "storage" })?
        }
    };
    allow_origin(response.headers(), config, origin)?;
    Ok(response)
}

/// Converts a response for the shim.
pub(crate) fn into_js(response: Result<Response>) -> JsValue {
    match response {
        Ok(response) => web_sys::Response::from(response).into(),
        // Out of memory; the shim responds by itself.
        Err(_) => JsValue::UNDEFINED,
    }
}

/// A document in JSON that no cache stores.
pub(crate) fn document(document: &impl serde::Serialize) -> HandlerResult {
    Ok(json(serde_json::to_string(document).map_err(worker::Error::from)?)?)
}

/// An export that no cache stores.
pub(crate) fn export(content_type: &str, text: String) -> HandlerResult {
    Ok(builder(content_type, "no-store")?.fixed(text.into_bytes()))
}

/// Returns JSON that is not to be stored.
pub(crate) fn json(text: String) -> Result<Response> {
    Ok(builder("application/json", "no-store")?.fixed(text.into_bytes()))
}

/// Returns JSON for the pages of any origin.
pub(crate) fn public_json(text: String) -> Result<Response> {
    let response = json(text)?;
    response.headers().set("access-control-allow-origin", "*")?;
    Ok(response)
}

/// Returns a body with its ETag, or 304 to a client that has it already.
pub(crate) fn conditional(
    request: &Request,
    content_type: &str,
    cache_control: &str,
    body: Vec<u8>,
) -> HandlerResult {
    let hash = fnv1a_64(body.iter().copied());
    let tag = format!("\"{hash:016x}\"");
    let known = request.headers().get("if-none-match")?.unwrap_or_default();
    let is_known = is_current(&known, &tag);
    let response = builder(content_type, cache_control)?
        .with_header("etag", &tag)?
        .with_header("vary", "Authorization")?;
    Ok(if is_known { response.with_status(304).empty() } else { response.fixed(body) })
}

/// Returns a document as JSON with its ETag, or 304 to a client that has it already.
pub(crate) fn conditional_json(
    request: &Request,
    cache_control: &str,
    document: &impl Serialize,
) -> HandlerResult {
    let body = serde_json::to_vec(document).map_err(worker::Error::from)?;
    conditional(request, CONTENT_TYPE_JSON, cache_control, body)
}

/// Checks an `If-None-Match` field. RFC 9110 §13.1.2: it compares weakly; compression by the network weakens tags.
pub(crate) fn is_current(if_none_match: &str, tag: &str) -> bool {
    if_none_match.split(',').any(|known| known.trim().trim_start_matches("W/") == tag)
}

/// Returns the liveness of this deployment for uptime monitors. It depends on the configuration alone.
pub(crate) fn liveness(is_configured: bool) -> Result<Response> {
    let (status, body) =
        if is_configured { (200, r#"{"status":"pass"}"#) } else { (503, r#"{"status":"fail"}"#) };
    Ok(builder("application/health+json", "no-store")?.with_status(status).fixed(body.into()))
}

/// Responds to the preflight request of a cross-origin beacon.
pub(crate) fn preflight(config: &Config, origin: Option<&str>) -> Result<Response> {
    let response = builder("text/plain", "no-store")?.with_status(204).empty();
    let headers = response.headers();
    allow_origin(headers, config, origin)?;
    headers.set("access-control-allow-methods", "POST")?;
    headers.set("access-control-allow-headers", "content-type, prefer")?;
    headers.set("access-control-max-age", "86400")?;
    Ok(response)
}

/// Returns 503 for an invalid configuration, so that no beacon is lost silently.
pub(crate) fn misconfigured(mistake: &ConfigError) -> Result<Response> {
    worker::console_error!("{mistake}");
    problem(&ApiError::Unavailable { component: "configuration" })
}

fn problem(refusal: &ApiError) -> Result<Response> {
    let response = builder("application/problem+json", "no-store")?
        .with_status(refusal.status())
        .fixed(refusal.problem_json().into_bytes());
    match refusal {
        ApiError::MethodNotAllowed { allow } => response.headers().set("allow", allow)?,
        ApiError::TooManyRequests { retry_after } | ApiError::OverQuota { retry_after } => {
            response.headers().set("retry-after", &retry_after.to_string())?;
        }
        ApiError::Unavailable { .. } => response.headers().set("retry-after", "5")?,
        ApiError::UpgradeRequired => response.headers().set("upgrade", "websocket")?,
        ApiError::Unauthorized { .. } => response.headers().set("www-authenticate", "Bearer")?,
        _ => {}
    }
    Ok(response)
}

fn builder(content_type: &str, cache_control: &str) -> Result<ResponseBuilder> {
    ResponseBuilder::new()
        .with_header("content-type", content_type)?
        .with_header("cache-control", cache_control)?
        .with_header("x-content-type-options", "nosniff")
}

fn allow_origin(headers: &Headers, config: &Config, origin: Option<&str>) -> Result<()> {
    headers.append("vary", "Origin")?;
    set_allowed_origin(headers, config, origin)
}

/// Lets the pages of an allowed origin read a response that varies by origin already.
pub(crate) fn set_allowed_origin(headers: &Headers, config: &Config, origin: Option<&str>) -> Result<()> {
    match origin {
        Some(origin) if config.any_site_allows(origin) => headers.set("access-control-allow-origin", origin),
        _ => Ok(()),
    }
}

pub(crate) const CONTENT_TYPE_JSON: &str = "application/json";
