//! Who may: what a request's bearer token opens. Tokens are secrets of the deployment, and compared in
//! constant time; where none is set, none opens.

use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq;
use wire::{ApiError, live};
use worker::{Env, Request, Result};

use crate::config::Config;
use crate::outbound;
use crate::response::HandlerError;

/// Reads the numbers of sites that are not public.
pub(crate) const READ_TOKEN: &str = "READ_TOKEN";
/// Changes what the machinery does: sends again, silences, stops.
pub(crate) const MANAGE_TOKEN: &str = "MANAGE_TOKEN";

/// Whether the request carries that secret.
pub(crate) fn has_token(request: &Request, env: &Env, secret: &str) -> Result<bool> {
    let given = request.headers().get("authorization")?.unwrap_or_default();
    let given = match given.strip_prefix("Bearer ") {
        Some(token) => token.to_owned(),
        // A browser cannot put that field on a socket, and an address would be written into logs.
        None => {
            live::token_from_protocols(&request.headers().get("sec-websocket-protocol")?.unwrap_or_default())
                .unwrap_or_default()
        }
    };
    Ok(matches_secret(env, secret, &given))
}

/// Whether what is given is the secret of that name. Where none is set, nothing is.
pub(crate) fn matches_secret(env: &Env, name: &str, given: &str) -> bool {
    let secret = env.secret(name).map(|secret| secret.to_string()).unwrap_or_default();
    let same: bool = given.as_bytes().ct_eq(secret.as_bytes()).into();
    same && !secret.is_empty()
}

/// Who manages may read, too.
pub(crate) fn can_read(request: &Request, env: &Env) -> Result<bool> {
    // Both are compared, whatever the first one says.
    let (reads, manages) = (has_token(request, env, READ_TOKEN)?, has_token(request, env, MANAGE_TOKEN)?);
    Ok(reads | manages)
}

/// Refuses who may not.
pub(crate) const fn require(is_allowed: bool, secret: &'static str) -> Result<(), ApiError> {
    if is_allowed { Ok(()) } else { Err(ApiError::NeedsToken { secret }) }
}

/// The site that is asked for; the first one where none is named.
pub(crate) fn requested_site(request: &Request, config: &Config) -> Result<String, HandlerError> {
    let url = request.url()?;
    let asked = url.query_pairs().find(|(name, _)| name == "site").map(|(_, value)| value.into_owned());
    let name = asked.or_else(|| config.sites.keys().next().cloned()).unwrap_or_default();
    if config.sites.contains_key(&name) { Ok(name) } else { Err(ApiError::UnknownSite { site: name }.into()) }
}

/// What a call says in its body, in JSON; nothing is as good as an empty object.
pub(crate) async fn json_body<T: DeserializeOwned>(request: &Request) -> Result<T, HandlerError> {
    let read = outbound::read_bounded(request.inner().body(), MAX_BODY_BYTES).await;
    let bytes = read.ok_or(ApiError::TooLarge { limit: MAX_BODY_BYTES })?;
    let bytes = if bytes.is_empty() { b"{}".as_slice() } else { &bytes };
    let malformed =
        |error: serde_json::Error| ApiError::Malformed { field: "body".into(), reason: error.to_string() };
    Ok(serde_json::from_slice(bytes).map_err(malformed)?)
}

const MAX_BODY_BYTES: usize = 16_384;
