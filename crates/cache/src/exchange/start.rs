//! The beginning of an exchange: the route, the access rules, and the rejections of requests that get no
//! further.

use std::rc::Rc;

use wire::UnixMillis;

use super::response::ErrorResponse;
use super::{ClientRequest, Exchange, OriginContact, Revalidation};
use crate::access::{AccessRule, AuthChallenge, Credential};
use crate::cache_status::LookupOutcome;
use crate::decision_log::DecisionLog;
use crate::headers::Headers;
use crate::http_head::{RequestHead, RequestParts, UrlParts};
use crate::request::{RequestRejection, RoutedRequest};
use crate::routes::CacheConfig;
use crate::shared_state::SharedState;

/// A request as it arrives.
#[derive(Clone, Debug)]
pub struct RequestStart<'a> {
    /// The URL.
    pub url: UrlParts<'a>,
    /// The head.
    pub head: RequestHead,
    /// The client's IP address.
    pub client_ip: &'a str,
}

/// A request that is rejected before the cache is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeRejection {
    /// The index of the route.
    pub route_index: usize,
    /// The detail of `Cache-Status`.
    pub detail: &'static str,
    /// The response.
    pub response: ErrorResponse,
}

impl<B> Exchange<B> {
    /// Starts an exchange of a client. Returns none if no route matches. `matches_secret` compares the
    /// secret of a name with the given value.
    pub fn start_for_client(
        config: &Rc<CacheConfig>,
        request: RequestStart<'_>,
        now: UnixMillis,
        matches_secret: impl Fn(&str, &str) -> bool,
    ) -> Option<Result<Self, ExchangeRejection>> {
        let is_met = |rule: &AccessRule, headers: &Headers| match rule.credential(headers) {
            Credential::Missing => false,
            Credential::Unverified => true,
            Credential::Secret { name, value } => matches_secret(&name, &value),
        };
        Self::start_with(config, request, now, is_met)
    }

    /// Starts an exchange on the cache's own behalf, to warm or to explain a URL. Access rules do not apply.
    pub fn simulate(
        config: &Rc<CacheConfig>,
        url: UrlParts<'_>,
        headers: Headers,
        now: UnixMillis,
    ) -> Option<Result<Self, ExchangeRejection>> {
        let request = RequestStart { url, head: RequestHead::get(headers), client_ip: "" };
        Self::start_with(config, request, now, |_, _| true)
    }

    /// Counts the request towards the route's rate limit for visitors. Returns the rejection of one too many.
    pub fn limit_visitor(
        &self,
        client_ip: &str,
        now: UnixMillis,
        shared: &mut SharedState<B>,
    ) -> Option<ExchangeRejection> {
        let rate = self.route()?.rate?;
        let route_index = self.target.route_index;
        let network = wire::client_network(client_ip);
        let retry_after = shared.visitors.admit(route_index, &network, rate, now).err()?;
        Some(reject(route_index, &RequestRejection::TooManyRequests { retry_after }))
    }

    /// Sets the `traceparent` of requests to the origin.
    pub fn set_traceparent(&mut self, traceparent: String) {
        self.request.traceparent = Some(traceparent);
    }

    /// Sets the page token that the response tells the page, beside the cache's decision.
    pub fn set_page_token(&mut self, token: String) {
        self.request.page_token = Some(token);
    }

    fn start_with(
        config: &Rc<CacheConfig>,
        request: RequestStart<'_>,
        now: UnixMillis,
        is_met: impl Fn(&AccessRule, &Headers) -> bool,
    ) -> Option<Result<Self, ExchangeRejection>> {
        let RequestStart { url: UrlParts { scheme, host, path, query }, head, client_ip } = request;
        let parts = RequestParts { scheme, host, path, query, head: &head, client_ip };
        let mut log = DecisionLog::new();
        let routed = match RoutedRequest::resolve(config, &parts, &mut log)? {
            Ok(routed) => routed,
            Err((route_index, rejection)) => return Some(Err(reject(route_index, &rejection))),
        };
        if let Some(rule) = routed.access_rules.iter().find(|rule| !is_met(rule, &head.headers)) {
            return Some(Err(challenge(routed.target.route_index, rule.challenge(&parts))));
        }
        Some(Ok(Self {
            target: routed.target,
            config: Rc::clone(config),
            request: ClientRequest {
                scheme: scheme.to_owned(),
                host: host.to_ascii_lowercase(),
                path: path.to_owned(),
                head,
                traceparent: None,
                page_token: None,
                started_at: now,
            },
            log,
            outcome: LookupOutcome::Bypass,
            candidate: None,
            revalidation: Revalidation::default(),
            origin: OriginContact::default(),
            failure: None,
            is_collapsed: false,
            prefetches: Vec::new(),
        }))
    }
}

fn reject(route_index: usize, rejection: &RequestRejection) -> ExchangeRejection {
    let detail = rejection.code();
    let cache_status = format!("edge-vitals; detail={detail}");
    let mut headers: Headers = [("cache-status", &*cache_status)].into_iter().collect();
    match rejection {
        RequestRejection::MethodNotAllowed { allow } => headers.append("allow", allow),
        RequestRejection::TooManyRequests { retry_after } => {
            headers.append("retry-after", &retry_after.to_string());
        }
        RequestRejection::BodyTooLarge { .. } | RequestRejection::HeadTooLarge => {}
    }
    let response = ErrorResponse::new(rejection.status(), &rejection.message(), headers);
    ExchangeRejection { route_index, detail, response }
}

fn challenge(route_index: usize, challenge: AuthChallenge) -> ExchangeRejection {
    let (status, message, name, value) = match challenge {
        AuthChallenge::Redirect(url) => (302, "this route requires a login", "location", url),
        AuthChallenge::Unauthorized(challenge) => (
            401,
            "this route requires a credential, which is missing or wrong",
            "www-authenticate",
            challenge,
        ),
    };
    let headers = [(name, &*value), ("cache-status", "edge-vitals; detail=require")];
    let response = ErrorResponse::new(status, message, headers.into_iter().collect());
    ExchangeRejection { route_index, detail: "require", response }
}
