//! Answers: the one place where a refusal becomes a response, and where CORS is decided.

use wire::Refusal;
use worker::wasm_bindgen::JsValue;
use worker::{Headers, Request, Response, ResponseBuilder, Result, web_sys};

use crate::config::{Config, Mistake};

/// Why a request got no good answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Somebody else's mistake, or a limit.
    Refused(Refusal),
    /// The platform's or ours. Logged, and answered without detail.
    Broken(worker::Error),
}

pub(crate) type Outcome = core::result::Result<Response, Failure>;

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<worker::Error> for Failure {
    fn from(error: worker::Error) -> Self {
        Self::Broken(error)
    }
}

/// Sends what came out, to the page that asked if it may know.
pub(crate) fn finish(outcome: Outcome, config: &Config, origin: Option<&str>) -> Result<Response> {
    let response = match outcome {
        Ok(response) => response,
        Err(Failure::Refused(refusal)) => refused(&refusal)?,
        Err(Failure::Broken(error)) => {
            worker::console_error!("{error}");
            refused(&Refusal::Unavailable { part: "storage" })?
        }
    };
    allow(response.headers(), config, origin)?;
    Ok(response)
}

/// An answer as the shim gives it on.
pub(crate) fn shown(response: Result<Response>) -> JsValue {
    match response {
        Ok(response) => web_sys::Response::from(response).into(),
        // Without memory for a response there is none; the shim answers for itself.
        Err(_) => JsValue::UNDEFINED,
    }
}

/// JSON, not stored by anybody in between.
pub(crate) fn json(text: String) -> Result<Response> {
    Ok(plain("application/json", "no-store")?.fixed(text.into_bytes()))
}

/// The same, where it is no secret and of use to the pages of any origin.
pub(crate) fn open_json(text: String) -> Result<Response> {
    let response = json(text)?;
    response.headers().set("access-control-allow-origin", "*")?;
    Ok(response)
}

/// What was read, in the form asked for. Whoever has it already is told so; how long it may be kept
/// is the reader's to say.
pub(crate) fn read(request: &Request, kind: &str, cache: &str, body: Vec<u8>) -> Outcome {
    // FNV-1a, 64 bits: a name for these bytes, not a secret.
    let hash = body.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let tag = format!("\"{hash:016x}\"");
    let known = request.headers().get("if-none-match")?.unwrap_or_default();
    // The network's own compression weakens a tag (RFC 9110 §13.1.2 compares weakly).
    let is_known = known.split(',').any(|known| known.trim().trim_start_matches("W/") == tag);
    let response = plain(kind, cache)?.with_header("etag", &tag)?.with_header("vary", "Authorization")?;
    Ok(if is_known { response.with_status(304).empty() } else { response.fixed(body) })
}

/// For uptime monitors: whether this deployment can work at all. It depends on nothing that can flap.
pub(crate) fn alive(is_configured: bool) -> Result<Response> {
    let (status, body) =
        if is_configured { (200, r#"{"status":"pass"}"#) } else { (503, r#"{"status":"fail"}"#) };
    Ok(plain("application/health+json", "no-store")?.with_status(status).fixed(body.into()))
}

/// The answer to a browser that asks before it sends JSON from another origin.
pub(crate) fn preflight(config: &Config, origin: Option<&str>) -> Result<Response> {
    let response = plain("text/plain", "no-store")?.with_status(204).empty();
    let headers = response.headers();
    allow(headers, config, origin)?;
    headers.set("access-control-allow-methods", "POST")?;
    headers.set("access-control-allow-headers", "content-type, prefer")?;
    headers.set("access-control-max-age", "86400")?;
    Ok(response)
}

/// A deployment that cannot know its sites says so, rather than drop what is sent.
pub(crate) fn misconfigured(mistake: &Mistake) -> Result<Response> {
    worker::console_error!("{mistake}");
    refused(&Refusal::Unavailable { part: "configuration" })
}

fn refused(refusal: &Refusal) -> Result<Response> {
    let response = plain("application/problem+json", "no-store")?
        .with_status(refusal.status())
        .fixed(refusal.problem().into_bytes());
    match refusal {
        Refusal::WrongMethod { allow } => response.headers().set("allow", allow)?,
        Refusal::TooMany { retry_after } => {
            response.headers().set("retry-after", &retry_after.to_string())?;
        }
        Refusal::Unavailable { .. } => response.headers().set("retry-after", "5")?,
        Refusal::NoSocket => response.headers().set("upgrade", "websocket")?,
        Refusal::Unauthorized | Refusal::NeedsToken { .. } => {
            response.headers().set("www-authenticate", "Bearer")?
        }
        _ => {}
    }
    Ok(response)
}

fn plain(kind: &str, cache: &str) -> Result<ResponseBuilder> {
    ResponseBuilder::new()
        .with_header("content-type", kind)?
        .with_header("cache-control", cache)?
        .with_header("x-content-type-options", "nosniff")
}

fn allow(headers: &Headers, config: &Config, origin: Option<&str>) -> Result<()> {
    headers.append("vary", "Origin")?;
    match origin {
        Some(origin) if config.knows(origin) => headers.set("access-control-allow-origin", origin),
        _ => Ok(()),
    }
}
