//! The admission of requests: who calls, by a bearer token, and whether the route table admits them to the site.
//! `auth` decides; this file reads requests and holds the failed sign-ins of the isolate.

use std::cell::{Cell, RefCell};
use std::fmt::Display;

use auth::audit::MAX_DETAIL_LENGTH;
use auth::{ALL_SITES, Caller, SignInLimiter, SiteVisibility};
use serde::de::DeserializeOwned;
use wire::routes::{Endpoint, Right};
use wire::{ApiError, client_network, live};
use worker::{Request, Result};

use crate::access;
use crate::clock::now;
use crate::config::Config;
use crate::outbound;
use crate::rejection_counter::UNKNOWN_SITE;
use crate::response::HandlerError;

/// A request that the route table admits.
#[derive(Debug)]
pub(crate) struct Admission {
    /// The site of the request.
    pub(crate) site: String,
    /// True if anybody may read the site.
    pub(crate) is_public: bool,
    /// True if the request names its site.
    pub(crate) names_site: bool,
    pub(crate) caller: Caller,
    pub(crate) network: String,
    /// The beginning of the body, for the audit log.
    pub(crate) detail: RefCell<String>,
    /// True for the further pages of a long call, which the audit log has already.
    pub(crate) is_continuation: Cell<bool>,
}

impl Admission {
    /// Returns true for a holder of a token that reads the site.
    pub(crate) fn holds_read_token(&self) -> bool {
        self.caller.may(Right::Read, &self.site)
    }

    /// Notes that the audit log has the call already.
    pub(crate) fn continues(&self) {
        self.is_continuation.set(true);
    }

    /// Parses a JSON body; an empty body is an empty object.
    pub(crate) async fn json_body<T: DeserializeOwned>(&self, request: &Request) -> Result<T, HandlerError> {
        let read = outbound::read_bounded(request.inner().body(), MAX_BODY_BYTES).await;
        let bytes = read.ok_or(ApiError::TooLarge { limit: MAX_BODY_BYTES })?;
        let bytes = if bytes.is_empty() { b"{}".as_slice() } else { &bytes };
        let malformed =
            |error: &dyn Display| ApiError::Malformed { field: "body".into(), reason: error.to_string() };
        let text = std::str::from_utf8(bytes).map_err(|error| malformed(&error))?;
        self.detail.replace(text.chars().take(MAX_DETAIL_LENGTH).collect());
        Ok(serde_json::from_str(text).map_err(|error| malformed(&error))?)
    }
}

/// Admits a request to an endpoint. The site is that of the `site` parameter, or the first one.
pub(crate) async fn admit(
    endpoint: Endpoint,
    request: &Request,
    config: &Config,
) -> Result<Admission, HandlerError> {
    let url = request.url()?;
    let in_query = || url.query_pairs().find(|(name, _)| name == "site").map(|(_, value)| value.into_owned());
    let named = endpoint.site_in(url.path()).map(str::to_owned).or_else(in_query);
    let names_site = named.is_some();
    let site = config.site_or_first(named.as_deref()).to_owned();
    let network = network_of(request)?;
    let token = token_of(request)?;
    let caller = match &config.access {
        Some(policy) if token.is_empty() => access::identify(policy, request).await?,
        _ => sign_in(config, &token, &network)?,
    };
    // Without a site, it lists those that the caller may read.
    if endpoint != Endpoint::Metrics || names_site {
        auth::admit(endpoint.access(), visibility(config, &site), &site, &caller)?;
    }
    let is_public = config.sites.get(&site).is_some_and(|site| site.public);
    let (detail, is_continuation) = Default::default();
    Ok(Admission { site, is_public, names_site, caller, network, detail, is_continuation })
}

/// Identifies the holder of a token. A network that tried many wrong ones has to wait, as far as this isolate knows.
pub(crate) fn sign_in(config: &Config, token: &str, network: &str) -> Result<Caller, ApiError> {
    if token.is_empty() {
        return Ok(Caller::default());
    }
    SIGN_INS.with_borrow_mut(|limiter| {
        if let Some(retry_after) = limiter.blocked_seconds(network, token, now()) {
            return Err(ApiError::TooManyRequests { retry_after });
        }
        let caller = config.tokens.identify(token, now());
        if caller.name.is_none() {
            limiter.count_failure(network, token, now());
        }
        Ok(caller)
    })
}

/// Returns the visibility of a site.
pub(crate) fn visibility(config: &Config, site: &str) -> SiteVisibility {
    match config.sites.get(site) {
        Some(site) if site.public => SiteVisibility::Public,
        Some(_) => SiteVisibility::Private,
        None if site == UNKNOWN_SITE || site == ALL_SITES => SiteVisibility::Internal,
        None => SiteVisibility::Unknown,
    }
}

/// Returns the token of a request; empty without one.
fn token_of(request: &Request) -> Result<String> {
    let given = request.headers().get("authorization")?.unwrap_or_default();
    Ok(match bearer_token(&given) {
        Some(token) => token.to_owned(),
        // A browser cannot set this header on a WebSocket, and URLs end up in logs.
        None => {
            live::token_from_protocols(&request.headers().get("sec-websocket-protocol")?.unwrap_or_default())
                .unwrap_or_default()
        }
    })
}

/// Returns the token of an `Authorization` field (RFC 6750 §2.1).
pub(crate) fn bearer_token(authorization: &str) -> Option<&str> {
    authorization.strip_prefix("Bearer ")
}

fn network_of(request: &Request) -> Result<String> {
    Ok(client_network(&request.headers().get("cf-connecting-ip")?.unwrap_or_default()))
}

thread_local! {
    // Plain data: nothing in it belongs to a request.
    static SIGN_INS: RefCell<SignInLimiter> = RefCell::default();
}

const MAX_BODY_BYTES: usize = 16_384;
