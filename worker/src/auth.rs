//! Authorization by bearer token. Tokens are secrets of the deployment, and compared in constant time; without a secret,
//! no token is valid.

use std::fmt::Display;

use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq;
use wire::{ApiError, live};
use worker::{Env, Request, Result};

use crate::config::Config;
use crate::outbound;
use crate::response::HandlerError;

/// The secret that allows to read sites that are not public.
pub(crate) const READ_TOKEN: &str = "READ_TOKEN";
/// The secret that allows to retry, silence, stop and purge.
pub(crate) const MANAGE_TOKEN: &str = "MANAGE_TOKEN";

/// Checks the token of the request against a secret.
pub(crate) fn has_token(request: &Request, env: &Env, secret: &str) -> Result<bool> {
    let given = request.headers().get("authorization")?.unwrap_or_default();
    let given = match given.strip_prefix("Bearer ") {
        Some(token) => token.to_owned(),
        // A browser cannot set this header on a WebSocket, and URLs end up in logs.
        None => {
            live::token_from_protocols(&request.headers().get("sec-websocket-protocol")?.unwrap_or_default())
                .unwrap_or_default()
        }
    };
    Ok(matches_secret(env, secret, &given))
}

/// Compares a token with a secret; false without a secret.
pub(crate) fn matches_secret(env: &Env, name: &str, given: &str) -> bool {
    let secret = env.secret(name).map(|secret| secret.to_string()).unwrap_or_default();
    let same: bool = given.as_bytes().ct_eq(secret.as_bytes()).into();
    same && !secret.is_empty()
}

/// Checks for a token that allows to read; one that allows to manage does too.
pub(crate) fn can_read(request: &Request, env: &Env) -> Result<bool> {
    // Both are compared always, to keep the time constant.
    let (reads, manages) = (has_token(request, env, READ_TOKEN)?, has_token(request, env, MANAGE_TOKEN)?);
    Ok(reads | manages)
}

/// Returns an error unless allowed.
pub(crate) const fn require(is_allowed: bool, secret: &'static str) -> Result<(), ApiError> {
    if is_allowed { Ok(()) } else { Err(ApiError::NeedsToken { secret }) }
}

/// Returns the site of the `site` parameter, or the first one.
pub(crate) fn requested_site(request: &Request, config: &Config) -> Result<String, HandlerError> {
    let url = request.url()?;
    let asked = url.query_pairs().find(|(name, _)| name == "site").map(|(_, value)| value.into_owned());
    let name = asked.or_else(|| config.sites.keys().next().cloned()).unwrap_or_default();
    if config.sites.contains_key(&name) { Ok(name) } else { Err(ApiError::UnknownSite { site: name }.into()) }
}

/// Parses a JSON body; an empty body is an empty object.
pub(crate) async fn json_body<T: DeserializeOwned>(request: &Request) -> Result<T, HandlerError> {
    let read = outbound::read_bounded(request.inner().body(), MAX_BODY_BYTES).await;
    let bytes = read.ok_or(ApiError::TooLarge { limit: MAX_BODY_BYTES })?;
    let bytes = if bytes.is_empty() { b"{}".as_slice() } else { &bytes };
    let malformed =
        |error: &dyn Display| ApiError::Malformed { field: "body".into(), reason: error.to_string() };
    let text = std::str::from_utf8(bytes).map_err(|error| malformed(&error))?;
    Ok(serde_json::from_str(text).map_err(|error| malformed(&error))?)
}

const MAX_BODY_BYTES: usize = 16_384;
