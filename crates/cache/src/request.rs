//! Incoming requests: the route, the cache key, and the request to the origin. A request whose response is
//! shared carries only what is in the key, so that no client can influence responses for others.

use std::rc::Rc;

use crate::access::AccessRule;
use crate::decision_log::{DecisionLog, DecisionReason};
use crate::headers::{Headers, parse_cookies};
use crate::http_head::{RequestHead, RequestParts};
use crate::pattern::is_ambiguous;
use crate::policy::{RoutePolicy, UnusualStorage};
use crate::route::CacheRoute;
use crate::routes::CacheConfig;
use crate::vary;

/// A request with its route.
#[derive(Clone, Debug)]
pub struct RoutedRequest<'a> {
    /// The route.
    pub route: &'a CacheRoute,
    /// The place of the response in the cache and at the origin.
    pub target: RequestTarget,
    /// The credentials that the request needs.
    pub access_rules: Vec<&'a AccessRule>,
}

/// The place of a response in the cache and at the origin.
#[derive(Clone, Debug)]
pub struct RequestTarget {
    /// The index of the route, from 0.
    pub route_index: usize,
    /// The cache policy of the route.
    pub policy: Rc<RoutePolicy>,
    /// The URL without its scheme, by which the response is purged.
    pub purge_url: String,
    /// The URL at the origin.
    pub origin_url: String,
    /// The head of the request to the origin, without the fields of content negotiation if the response may
    /// be shared.
    pub origin_request: RequestHead,
    /// The client's fields of content negotiation, as sent, which select the variant of a shared response.
    pub negotiation: Headers,
    /// The cache key. None if the request bypasses the cache.
    pub key: Option<String>,
}

/// The reason why a request is rejected before the cache is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestRejection {
    /// The route does not allow the method.
    MethodNotAllowed {
        /// The allowed methods.
        allow: String,
    },
    /// The body is too large.
    BodyTooLarge {
        /// The limit in bytes.
        max_bytes: u64,
    },
    /// The URL and the header fields are too large together.
    HeadTooLarge,
    /// The visitor's network has made too many requests.
    TooManyRequests {
        /// The number of seconds after which to retry.
        retry_after: u64,
    },
}

impl RequestRejection {
    /// Returns the status code of the response.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::MethodNotAllowed { .. } => 405,
            Self::BodyTooLarge { .. } => 413,
            Self::HeadTooLarge => 431,
            Self::TooManyRequests { .. } => 429,
        }
    }

    /// Returns the code in statistics and Cache-Status.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MethodNotAllowed { .. } => "method",
            Self::BodyTooLarge { .. } => "body",
            Self::HeadTooLarge => "head",
            Self::TooManyRequests { .. } => "rate",
        }
    }

    /// Returns the message for the client.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::MethodNotAllowed { allow } => format!("this route allows {allow}"),
            Self::BodyTooLarge { max_bytes } => {
                format!("a request body may have at most {max_bytes} bytes on this route")
            }
            Self::HeadTooLarge => {
                format!("the URL and the header fields may have at most {MAX_HEAD_BYTES} bytes together")
            }
            Self::TooManyRequests { retry_after } => {
                format!("too many requests from this network; try again in {retry_after} s")
            }
        }
    }
}

impl<'a> RoutedRequest<'a> {
    /// Resolves a request to its route. Returns none if no route matches.
    pub fn resolve(
        routes: &'a CacheConfig,
        incoming: &RequestParts<'_>,
        log: &mut DecisionLog,
    ) -> Option<Result<Self, (usize, RequestRejection)>> {
        let host = incoming.host.to_ascii_lowercase();
        let (index, route) = routes.find_route(&host, incoming.path)?;
        if let Some(rejection) = rejection(route, incoming) {
            return Some(Err((index, rejection)));
        }
        let policy = route.policy();
        let access_rules = routes.access_rules(&host, incoming.path);
        let access_controlled = access_rules.first().map(|_| DecisionReason::AccessControlled);
        let bypass = access_controlled.or_else(|| bypass_reason(route, &policy, incoming, log));
        let is_shared = bypass.is_none();
        if let Some(reason) = bypass {
            log.record(reason);
        }
        let query = match is_shared {
            true => route.keyed_query(incoming.query),
            false if incoming.query.is_empty() => String::new(),
            false => format!("?{}", incoming.query),
        };
        let origin_url = format!("{}{}{query}", route.origin.as_str(), incoming.path);
        let purge_url = format!("{host}{}{query}", incoming.path);
        let (mut headers, negotiation) = match is_shared {
            true => (keyed_headers(route, &policy, incoming), negotiation_headers(&policy, incoming)),
            false => (bypass_request_headers(incoming), Headers::new()),
        };
        // A script cannot be injected into a compressed body.
        if route.inject.is_some() {
            headers.remove("accept-encoding");
        }
        let place = format!("{} {index} {}://{purge_url}", route.origin.as_str(), incoming.scheme);
        let key = is_shared.then(|| cache_key(route, &policy, &place, &headers));
        let origin_request = RequestHead { method: incoming.head.method.clone(), headers };
        let route_index = index;
        let target =
            RequestTarget { route_index, policy, purge_url, origin_url, origin_request, negotiation, key };
        Some(Ok(Self { route, target, access_rules }))
    }
}

fn rejection(route: &CacheRoute, incoming: &RequestParts<'_>) -> Option<RequestRejection> {
    let head = incoming.head;
    if !route.methods.contains(&head.method) {
        return Some(RequestRejection::MethodNotAllowed { allow: route.methods.join(", ") });
    }
    if head.headers.size() + incoming.path.len() + incoming.query.len() > MAX_HEAD_BYTES {
        return Some(RequestRejection::HeadTooLarge);
    }
    let length =
        head.headers.first("content-length").and_then(crate::directives::parse_delta_seconds).unwrap_or(0);
    (length > route.max_body_bytes)
        .then_some(RequestRejection::BodyTooLarge { max_bytes: route.max_body_bytes })
}

/// Returns the reason why a request bypasses the cache.
fn bypass_reason(
    route: &CacheRoute,
    policy: &RoutePolicy,
    incoming: &RequestParts<'_>,
    log: &mut DecisionLog,
) -> Option<DecisionReason> {
    let head = incoming.head;
    if !head.is_get_or_head() {
        return Some(DecisionReason::MethodNotCacheable { method: head.method.clone() });
    }
    if route.bypass {
        return Some(DecisionReason::RouteBypass);
    }
    if head.headers.has("authorization") && !policy.stores(UnusualStorage::Authorized) {
        return Some(DecisionReason::HasAuthorization);
    }
    if is_ambiguous(incoming.path) {
        return Some(DecisionReason::AmbiguousPath);
    }
    if let Some(name) = ["if-match", "if-unmodified-since"].into_iter().find(|name| head.headers.has(name)) {
        return Some(DecisionReason::HasPrecondition { name });
    }
    if let Some(name) = route.bypass_headers.iter().find(|name| head.headers.has(&name.0)) {
        return Some(DecisionReason::HasBypassHeader { name: name.0.clone() });
    }
    if policy.honors_request_directives
        && crate::directives::RequestDirectives::from_headers(&head.headers).no_store
    {
        return Some(DecisionReason::RequestNoStore);
    }
    if head.headers.first("content-length").is_some_and(|length| length != "0") {
        log.record(DecisionReason::HasBody);
    }
    let is_personal = |name: &str| {
        let is = |list: &[String]| list.iter().any(|pattern| matches_pattern(pattern, name));
        is(&route.cookies.bypass) || !(is(&route.cookies.key) || is(&route.cookies.ignore))
    };
    parse_cookies(&head.headers).into_iter().map(|(name, _)| name).find(|name| is_personal(name)).map(
        |name| {
            // The client chooses the name, so its length is limited.
            DecisionReason::HasCookie { name: name.chars().take(64).collect() }
        },
    )
}

/// Returns the header fields that every origin request for the key has.
fn keyed_headers(route: &CacheRoute, policy: &RoutePolicy, incoming: &RequestParts<'_>) -> Headers {
    let is_keyed = |name: &str| policy.keyed.iter().any(|keyed| keyed == name);
    let mut headers: Headers = incoming.head.headers.iter().filter(|(name, _)| is_keyed(name)).collect();
    vary::normalize_codings(&mut headers);
    // It selects no variant: a response that the origin does not share explicitly is not stored (RFC 9111 §3.5).
    if policy.stores(UnusualStorage::Authorized)
        && let Some(credentials) = incoming.head.headers.joined("authorization")
    {
        headers.set("authorization", &credentials);
    }
    headers.set("user-agent", USER_AGENT);
    let keyed: Vec<String> = parse_cookies(&incoming.head.headers)
        .into_iter()
        .filter(|(name, _)| route.cookies.key.iter().any(|pattern| matches_pattern(pattern, name)))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    if !keyed.is_empty() {
        headers.set("cookie", &keyed.join("; "));
    }
    add_proxy_headers(&mut headers, incoming);
    headers
}

/// Returns the client's fields of content negotiation.
fn negotiation_headers(policy: &RoutePolicy, incoming: &RequestParts<'_>) -> Headers {
    let is_of = |names: &[String], name: &str| names.iter().any(|known| known == name);
    let fields = incoming.head.headers.iter();
    fields.filter(|(name, _)| is_of(&policy.vary, name) && !is_of(&policy.keyed, name)).collect()
}

/// Returns the header fields of an origin request whose response this client alone gets.
fn bypass_request_headers(incoming: &RequestParts<'_>) -> Headers {
    let mut headers = incoming.head.headers.clone();
    headers.remove_hop_by_hop();
    headers.retain(|name| {
        let is_untrusted =
            UNTRUSTED_HEADERS.contains(&name) || name.starts_with("x-forwarded-") || name.starts_with("cf-");
        let is_ours = ["host", "content-length", "expect"].contains(&name);
        let is_content_type_of_read = incoming.head.is_get_or_head() && name == "content-type";
        !(is_untrusted || is_ours || is_content_type_of_read)
    });
    add_proxy_headers(&mut headers, incoming);
    headers.append("x-forwarded-for", incoming.client_ip);
    headers
}

/// Adds the fields that describe the client's request, replacing those the client sent. The host is as in the
/// cache key, because an origin may echo it.
fn add_proxy_headers(headers: &mut Headers, incoming: &RequestParts<'_>) {
    headers.set("x-forwarded-host", &incoming.host.to_ascii_lowercase());
    headers.set("x-forwarded-proto", incoming.scheme);
    headers.append("via", "1.1 edge-vitals");
}

/// `place` has the origin, the route and the URL. The route is part of the key, because another route for the
/// same URL may have another origin.
fn cache_key(route: &CacheRoute, policy: &RoutePolicy, place: &str, headers: &Headers) -> String {
    // The number is the version of the key format.
    let mut key = format!("2 {place}{}", vary::variant_key(&policy.keyed, headers));
    if !route.cookies.key.is_empty() {
        key.push_str(&vary::variant_key(&["cookie".to_owned()], headers));
    }
    key
}

fn matches_pattern(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

/// The user agent of origin requests whose response is shared.
const USER_AGENT: &str = "edge-vitals";
/// Fields that some origins trust more than the request itself.
const UNTRUSTED_HEADERS: &[&str] = &[
    "forwarded",
    "true-client-ip",
    "via",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-host",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-url",
    "x-override-url",
    "x-real-ip",
    "x-rewrite-url",
];
/// The platform's own limit for a single field.
const MAX_HEAD_BYTES: usize = 32 * 1024;
