//! A request as it arrives: its route, its key, and what of it reaches the origin. What is shared is
//! asked for with nothing but what is in the key, so that no visitor can make an answer that others get.

use std::rc::Rc;

use crate::ground::{Ground, Grounds};
use crate::guard::{self, Require};
use crate::headers::Headers;
use crate::message::RequestHead;
use crate::pattern::is_ambiguous;
use crate::routes::{FieldName, Route, Routes};
use crate::rules::Rules;
use crate::vary;

/// A request that has found its route.
#[derive(Clone, Debug)]
pub struct Arrival<'a> {
    /// Its route, and which one it is.
    pub route: &'a Route,
    /// Counted from 0.
    pub index: usize,
    /// The rules of the route.
    pub rules: Rc<Rules>,
    /// The address without its scheme: what is purged by address.
    pub address: String,
    /// Where the origin has it.
    pub target: String,
    /// What the origin gets.
    pub forwarded: RequestHead,
    /// The key, if the cache has a part in it.
    pub key: Option<String>,
    /// What the request has to bring.
    pub guards: Vec<&'a Require>,
}

/// Why a request gets no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The route does not let the method through.
    Method {
        /// What it lets through.
        allow: String,
    },
    /// The body is too long.
    Body {
        /// How many bytes it may have.
        most: u64,
    },
    /// The fields are too long, or the address is.
    Head,
}

/// A request as the shell has read it.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// `https` or `http`.
    pub scheme: &'a str,
    /// The host, with a port where it is not the usual one.
    pub host: &'a str,
    /// The path as it came.
    pub path: &'a str,
    /// The query as it came, without its question mark.
    pub query: &'a str,
    /// The head.
    pub head: &'a RequestHead,
    /// The visitor's address.
    pub client: &'a str,
}

impl Refusal {
    /// The status that says so.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Method { .. } => 405,
            Self::Body { .. } => 413,
            Self::Head => 431,
        }
    }

    /// A word for it, for statistics and Cache-Status.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Method { .. } => "method",
            Self::Body { .. } => "body",
            Self::Head => "head",
        }
    }

    /// What is wrong, and what would be right.
    #[must_use]
    pub fn says(&self) -> String {
        match self {
            Self::Method { allow } => format!("this address takes {allow}"),
            Self::Body { most } => format!("a body has at most {most} bytes here"),
            Self::Head => format!("the address and the fields have at most {MOST_HEAD} bytes together here"),
        }
    }
}

impl<'a> Arrival<'a> {
    /// Finds the route; nothing where there is none.
    pub fn of(
        routes: &'a Routes,
        incoming: &Incoming<'_>,
        grounds: &mut Grounds,
    ) -> Option<Result<Self, (usize, Refusal)>> {
        let host = incoming.host.to_ascii_lowercase();
        let (index, route) = routes.of(&host, incoming.path)?;
        if let Some(refusal) = refused(route, incoming) {
            return Some(Err((index, refusal)));
        }
        let rules = route.rules();
        let guards = guard::guards(routes, &host, incoming.path);
        let guarded = guards.first().map(|_| Ground::Guarded);
        let past = guarded.or_else(|| past(route, &rules, incoming, grounds));
        let is_shared = past.is_none();
        if let Some(ground) = past {
            grounds.note(ground);
        }
        let query = match is_shared {
            true => route.query_of(incoming.query),
            false if incoming.query.is_empty() => String::new(),
            false => format!("?{}", incoming.query),
        };
        let target = format!("{}{}{query}", route.origin.as_str(), incoming.path);
        let address = format!("{host}{}{query}", incoming.path);
        let headers = match is_shared {
            true => shared(route, &rules, incoming),
            false => personal(incoming),
        };
        let key = is_shared.then(|| key(route, index, &address, incoming.scheme, &headers));
        let forwarded = RequestHead { method: incoming.head.method.clone(), headers };
        Some(Ok(Self { route, index, rules, address, target, forwarded, key, guards }))
    }
}

fn refused(route: &Route, incoming: &Incoming<'_>) -> Option<Refusal> {
    let head = incoming.head;
    if !route.methods.contains(&head.method) {
        return Some(Refusal::Method { allow: route.methods.join(", ") });
    }
    if head.headers.size() + incoming.path.len() + incoming.query.len() > MOST_HEAD {
        return Some(Refusal::Head);
    }
    let length = head.headers.first("content-length").and_then(crate::directives::seconds).unwrap_or(0);
    (length > route.most_body_bytes).then_some(Refusal::Body { most: route.most_body_bytes })
}

/// Why the cache has no part in it, if it has none.
fn past(route: &Route, rules: &Rules, incoming: &Incoming<'_>, grounds: &mut Grounds) -> Option<Ground> {
    let head = incoming.head;
    if !head.is_read() {
        return Some(Ground::NotARead { method: head.method.clone() });
    }
    if route.bypass {
        return Some(Ground::RouteBypasses);
    }
    if head.headers.has("authorization") {
        return Some(Ground::HasAuthorization);
    }
    if is_ambiguous(incoming.path) {
        return Some(Ground::AmbiguousPath);
    }
    if let Some(name) = ["if-match", "if-unmodified-since"].into_iter().find(|name| head.headers.has(name)) {
        return Some(Ground::HasPrecondition { name });
    }
    if let Some(name) = route.bypass_headers.iter().find(|name| head.headers.has(&name.0)) {
        return Some(Ground::HasField { name: name.0.clone() });
    }
    if rules.heeds_visitors && crate::directives::Wishes::of(&head.headers).no_store {
        return Some(Ground::VisitorForbidsStore);
    }
    if head.headers.first("content-length").is_some_and(|length| length != "0") {
        grounds.note(Ground::HasBody);
    }
    let is_personal = |name: &str| {
        let is = |list: &[String]| list.iter().any(|pattern| fits(pattern, name));
        is(&route.cookies.bypass) || !(is(&route.cookies.key) || is(&route.cookies.ignore))
    };
    cookies(&head.headers).into_iter().map(|(name, _)| name).find(|name| is_personal(name)).map(|name| {
        // A name is what a visitor sent: not more of it than can be read.
        Ground::HasCookie { name: name.chars().take(64).collect() }
    })
}

/// What reaches the origin of a request whose answer others may get.
fn shared(route: &Route, rules: &Rules, incoming: &Incoming<'_>) -> Headers {
    let is_for_all = |name: &str| INERT.contains(&name) || rules.vary.iter().any(|allowed| allowed == name);
    let mut headers: Headers = incoming.head.headers.iter().filter(|(name, _)| is_for_all(name)).collect();
    vary::normalise(&mut headers);
    for name in ["accept", "accept-language", "origin"] {
        if headers.joined(name).is_some_and(|value| !value.bytes().all(is_plain)) {
            headers.remove(name);
        }
    }
    headers.set("user-agent", PROGRAM);
    let keyed: Vec<String> = cookies(&incoming.head.headers)
        .into_iter()
        .filter(|(name, _)| route.cookies.key.iter().any(|pattern| fits(pattern, name)))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    if !keyed.is_empty() {
        headers.set("cookie", &keyed.join("; "));
    }
    introduce(&mut headers, incoming);
    headers
}

/// What reaches the origin of a request whose answer nobody else gets.
fn personal(incoming: &Incoming<'_>) -> Headers {
    let mut headers = incoming.head.headers.clone();
    headers.end_hop();
    headers.retain(|name| {
        let misleads =
            MISLEADING.contains(&name) || name.starts_with("x-forwarded-") || name.starts_with("cf-");
        let is_ours = ["host", "content-length", "expect"].contains(&name);
        let is_empty_reads = incoming.head.is_read() && name == "content-type";
        !(misleads || is_ours || is_empty_reads)
    });
    introduce(&mut headers, incoming);
    headers.append("x-forwarded-for", incoming.client);
    headers
}

/// What media ranges, languages and origins are made of, and markup is not: an origin that repeats one
/// in a body must not repeat a script.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'*' | b'/' | b'+' | b'-' | b'.' | b';' | b'=' | b',' | b' ' | b':' | b'_')
}

/// Says on whose behalf we ask: by our own words, never by the visitor's. The host is as it is in the key,
/// for an origin may repeat it.
fn introduce(headers: &mut Headers, incoming: &Incoming<'_>) {
    headers.set("x-forwarded-host", &incoming.host.to_ascii_lowercase());
    headers.set("x-forwarded-proto", incoming.scheme);
    headers.append("via", "1.1 edge-vitals");
}

fn key(route: &Route, index: usize, address: &str, scheme: &str, headers: &Headers) -> String {
    // Versioned: a key of another shape must not be taken for this one. The route is part of it, since
    // another route of the same address may have another origin.
    let mut key = format!("1 {} {index} {scheme}://{address}", route.origin.as_str());
    for FieldName(name) in &route.key_headers {
        key.push_str(&vary::variant(std::slice::from_ref(name), headers));
    }
    if !route.cookies.key.is_empty() {
        key.push_str(&vary::variant(&["cookie".to_owned()], headers));
    }
    key
}

/// Each cookie of a request (RFC 6265 §5.4).
pub(crate) fn cookies(headers: &Headers) -> Vec<(&str, &str)> {
    let pairs = headers.all("cookie").flat_map(|value| value.split(';'));
    pairs
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').map_or((pair, ""), |(name, value)| (name.trim(), value.trim())))
        .collect()
}

fn fits(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

/// What origins negotiate by. They have to say Vary; who does not has one answer for all.
const INERT: &[&str] = &["accept", "accept-encoding", "accept-language", "origin"];
/// Who asks for what is shared: the cache, and no visitor.
const PROGRAM: &str = "edge-vitals";
/// What some origins believe more than the request itself.
const MISLEADING: &[&str] = &[
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
/// As long as the platform's own limit for one field.
const MOST_HEAD: usize = 32 * 1024;
