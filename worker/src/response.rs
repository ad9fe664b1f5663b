//! Answers: the one place where a refusal becomes a response, and where CORS is decided.

use sketch::stable_hash::fnv1a_64;
use wire::ApiError;
use worker::wasm_bindgen::JsValue;
use worker::{Headers, Request, Response, ResponseBuilder, Result, web_sys};

use crate::config::{Config, ConfigError};

/// Why a request got no good answer.
#[derive(Debug)]
pub(crate) enum HandlerError {
    /// Somebody else's mistake, or a limit.
    Rejected(ApiError),
    /// The platform's or ours. Logged, and answered without detail.
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

/// Sends what came out, to the page that asked if it may know.
pub(crate) fn finish(outcome: HandlerResult, config: &Config, origin: Option<&str>) -> Result<Response> {
    let response = match outcome {
        Ok(response) => response,
        Err(HandlerError::Rejected(refusal)) => problem(&refusal)?,
        Err(HandlerError::Internal(error)) => {
            worker::console_error!("{error}");
            problem(&ApiError::Unavailable { component: "storage" })?
        }
    };
    allow_origin(response.headers(), config, origin)?;
    Ok(response)
}

/// An answer as the shim gives it on.
pub(crate) fn into_js(response: Result<Response>) -> JsValue {
    match response {
        Ok(response) => web_sys::Response::from(response).into(),
        // Without memory for a response there is none; the shim answers for itself.
        Err(_) => JsValue::UNDEFINED,
    }
}

/// A document in JSON that no cache stores.
pub(crate) fn document(document: &impl serde::Serialize) -> HandlerResult {
    Ok(json(serde_json::to_string(document).map_err(worker::Error::from)?)?)
}

/// JSON, not stored by anybody in between.
pub(crate) fn json(text: String) -> Result<Response> {
    Ok(builder("application/json", "no-store")?.fixed(text.into_bytes()))
}

/// The same, where it is no secret and of use to the pages of any origin.
pub(crate) fn public_json(text: String) -> Result<Response> {
    let response = json(text)?;
    response.headers().set("access-control-allow-origin", "*")?;
    Ok(response)
}

/// What was read, in the form asked for. Whoever has it already is told so; how long it may be kept
/// is the reader's to say.
pub(crate) fn conditional(
    request: &Request,
    content_type: &str,
    cache_control: &str,
    body: Vec<u8>,
) -> HandlerResult {
    let hash = fnv1a_64(body.iter().copied());
    let tag = format!("\"{hash:016x}\"");
    let known = request.headers().get("if-none-match")?.unwrap_or_default();
    // The network's own compression weakens a tag (RFC 9110 §13.1.2 compares weakly).
    let is_known = known.split(',').any(|known| known.trim().trim_start_matches("W/") == tag);
    let response = builder(content_type, cache_control)?
        .with_header("etag", &tag)?
        .with_header("vary", "Authorization")?;
    Ok(if is_known { response.with_status(304).empty() } else { response.fixed(body) })
}

/// For uptime monitors: whether this deployment can work at all. It depends on nothing that can flap.
pub(crate) fn liveness(is_configured: bool) -> Result<Response> {
    let (status, body) =
        if is_configured { (200, r#"{"status":"pass"}"#) } else { (503, r#"{"status":"fail"}"#) };
    Ok(builder("application/health+json", "no-store")?.with_status(status).fixed(body.into()))
}

/// The answer to a browser that asks before it sends JSON from another origin.
pub(crate) fn preflight(config: &Config, origin: Option<&str>) -> Result<Response> {
    let response = builder("text/plain", "no-store")?.with_status(204).empty();
    let headers = response.headers();
    allow_origin(headers, config, origin)?;
    headers.set("access-control-allow-methods", "POST")?;
    headers.set("access-control-allow-headers", "content-type, prefer")?;
    headers.set("access-control-max-age", "86400")?;
    Ok(response)
}

/// A deployment that cannot know its sites says so, rather than drop what is sent.
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
        ApiError::TooManyRequests { retry_after } => {
            response.headers().set("retry-after", &retry_after.to_string())?;
        }
        ApiError::Unavailable { .. } => response.headers().set("retry-after", "5")?,
        ApiError::UpgradeRequired => response.headers().set("upgrade", "websocket")?,
        ApiError::Unauthorized | ApiError::NeedsToken { .. } => {
            response.headers().set("www-authenticate", "Bearer")?
        }
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
    match origin {
        Some(origin) if config.any_site_allows(origin) => headers.set("access-control-allow-origin", origin),
        _ => Ok(()),
    }
}
