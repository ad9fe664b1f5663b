//! Who may: what a request's bearer token opens. Tokens are secrets of the deployment, and compared in
//! constant time; where none is set, none opens.

use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq;
use wire::{Refusal, live};
use worker::{Env, Request, Result};

use crate::answer::Failure;
use crate::config::Config;
use crate::post;

/// Reads the numbers of sites that are not public.
pub(crate) const READ: &str = "READ_TOKEN";
/// Changes what the machinery does: sends again, silences, stops.
pub(crate) const MANAGE: &str = "MANAGE_TOKEN";

/// Whether the request carries that secret.
pub(crate) fn carries(request: &Request, env: &Env, secret: &str) -> Result<bool> {
    let given = request.headers().get("authorization")?.unwrap_or_default();
    let given = match given.strip_prefix("Bearer ") {
        Some(token) => token.to_owned(),
        // A browser cannot put that field on a socket, and an address would be written into logs.
        None => live::token(&request.headers().get("sec-websocket-protocol")?.unwrap_or_default())
            .unwrap_or_default(),
    };
    Ok(is_secret(env, secret, &given))
}

/// Whether what is given is the secret of that name. Where none is set, nothing is.
pub(crate) fn is_secret(env: &Env, name: &str, given: &str) -> bool {
    let secret = env.secret(name).map(|secret| secret.to_string()).unwrap_or_default();
    let same: bool = given.as_bytes().ct_eq(secret.as_bytes()).into();
    same && !secret.is_empty()
}

/// Who manages may read, too.
pub(crate) fn reads(request: &Request, env: &Env) -> Result<bool> {
    // Both are compared, whatever the first one says.
    let (reads, manages) = (carries(request, env, READ)?, carries(request, env, MANAGE)?);
    Ok(reads | manages)
}

/// Refuses who may not.
pub(crate) const fn demand(may: bool, secret: &'static str) -> Result<(), Refusal> {
    if may { Ok(()) } else { Err(Refusal::NeedsToken { secret }) }
}

/// The site that is asked for; the first one where none is named.
pub(crate) fn site(request: &Request, config: &Config) -> Result<String, Failure> {
    let url = request.url()?;
    let asked = url.query_pairs().find(|(name, _)| name == "site").map(|(_, value)| value.into_owned());
    let name = asked.or_else(|| config.sites.keys().next().cloned()).unwrap_or_default();
    if config.sites.contains_key(&name) { Ok(name) } else { Err(Refusal::UnknownSite { site: name }.into()) }
}

/// What a call says in its body, in JSON; nothing is as good as an empty object.
pub(crate) async fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Failure> {
    let read = post::some_of(request.inner().body(), MOST_BYTES).await;
    let bytes = read.ok_or(Refusal::TooLarge { limit: MOST_BYTES })?;
    let bytes = if bytes.is_empty() { b"{}".as_slice() } else { &bytes };
    let malformed =
        |error: serde_json::Error| Refusal::Malformed { field: "body".into(), reason: error.to_string() };
    Ok(serde_json::from_slice(bytes).map_err(malformed)?)
}

const MOST_BYTES: usize = 16_384;
