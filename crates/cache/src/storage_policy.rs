//! The storage policy: RFC 9111 §3 in its order, with the stricter rules that a shared cache in front of
//! arbitrary sites needs.

use std::collections::BTreeSet;

use crate::date;
use crate::decision_log::{DecisionLog, DecisionReason, LifetimeSource};
use crate::directives::{DirectiveScope, ResponseDirectives};
use crate::entry::{CacheEntry, Freshness, date_seconds, initial_age};
use crate::http_head::{RequestHead, ResponseHead};
use crate::policy::{RoutePolicy, UnusualStorage};
use crate::purge;
use crate::vary;
use wire::sorting::CollectOrdered;

/// Returns the entry for a response; none if it must not be stored. The log names the rule that decided.
#[must_use]
pub fn storable_entry(
    request: &RequestHead,
    response: &ResponseHead,
    policy: &RoutePolicy,
    purge_seq: u64,
    log: &mut DecisionLog,
) -> Option<CacheEntry> {
    let directives = ResponseDirectives::from_headers(&response.headers);
    match storage_refusal(request, response, &directives, policy, log) {
        Some(reason) => {
            log.record(reason);
            None
        }
        None => build_entry(response, &directives, policy, purge_seq, log),
    }
}

/// Returns the first reason not to store a response.
fn storage_refusal(
    request: &RequestHead,
    response: &ResponseHead,
    directives: &ResponseDirectives,
    policy: &RoutePolicy,
    log: &mut DecisionLog,
) -> Option<DecisionReason> {
    let status = response.status;
    if request.method != "GET" {
        return Some(DecisionReason::MethodNotCacheable { method: request.method.clone() });
    }
    if !(200..=599).contains(&status) {
        return Some(DecisionReason::NotFinalStatus { status });
    }
    if status == 206 || status == 304 {
        return Some(DecisionReason::PartialResponse);
    }
    let has_explicit_lifetime = Freshness::from_response(response, directives).source != LifetimeSource::None;
    // RFC 9111 §7.1: one request may have provoked such a response. It is shared only if the origin asks for it.
    if TRANSIENT_STATUSES.contains(&status) && !has_explicit_lifetime {
        return Some(DecisionReason::TransientStatus { status });
    }
    match (directives.must_understand, UNDERSTOOD_STATUSES.contains(&status)) {
        (true, false) => return Some(DecisionReason::StatusNotUnderstood { status }),
        // RFC 9111 §5.2.2.3: a cache that understands the status ignores no-store.
        (true, true) => log.record(DecisionReason::MustUnderstand { status }),
        (false, _) if directives.no_store => return Some(DecisionReason::NoStore),
        (false, _) => log.record(DecisionReason::StatusUnderstood { status }),
    }
    if directives.private == DirectiveScope::WholeResponse {
        return Some(DecisionReason::Private);
    }
    if policy.honors_request_directives
        && crate::directives::RequestDirectives::from_headers(&request.headers).no_store
    {
        return Some(DecisionReason::RequestNoStore);
    }
    if request.headers.has("authorization") {
        let is_shared = directives.public || directives.must_revalidate || directives.s_maxage.is_some();
        if !is_shared {
            return Some(DecisionReason::Authorized);
        }
        log.record(DecisionReason::AuthorizedButShared);
    }
    let hidden = |name: &str| {
        let lists_field = |scope: &DirectiveScope| scope.fields().iter().any(|field| field == name);
        lists_field(&directives.private) || lists_field(&directives.no_cache)
    };
    // RFC 9111 §7.3: reject responses with Set-Cookie unless no-cache or private lists the field.
    let may_set_cookies = has_explicit_lifetime && policy.stores(UnusualStorage::SetCookie);
    if response.headers.has("set-cookie") && !hidden("set-cookie") && !may_set_cookies {
        return Some(DecisionReason::SetsCookie);
    }
    if purge::parse_tags(&response.headers).is_none() {
        return Some(DecisionReason::TooManyTags { max: purge::MAX_TAGS_PER_RESPONSE });
    }
    if policy.is_next && response.headers.first("x-nextjs-cache") == Some("STALE") {
        return Some(DecisionReason::NextRegenerates);
    }
    vary::names(&response.headers, &policy.vary).err()
}

fn build_entry(
    response: &ResponseHead,
    directives: &ResponseDirectives,
    policy: &RoutePolicy,
    purge_seq: u64,
    log: &mut DecisionLog,
) -> Option<CacheEntry> {
    let mut freshness = Freshness::from_response(response, directives);
    if freshness.source == LifetimeSource::None
        && let Some((lifetime, source)) = implied_lifetime(response, directives, policy)
    {
        (freshness.lifetime, freshness.source) = (lifetime, source);
    }
    // RFC 9111 §3, last condition: no-cache alone does not make every status storable.
    let is_cacheable_status =
        HEURISTIC_STATUSES.contains(&response.status) || NEGATIVE_STATUSES.contains(&response.status);
    let never_needs_lifetime =
        directives.public || directives.no_cache == DirectiveScope::WholeResponse && is_cacheable_status;
    if freshness.source == LifetimeSource::None && !never_needs_lifetime {
        log.record(DecisionReason::NoLifetime { status: response.status });
        return None;
    }
    log.record(DecisionReason::Lifetime { seconds: freshness.lifetime, source: freshness.source });

    let mut headers = response.headers.clone();
    headers.remove_hop_by_hop();
    let hidden: Vec<&str> =
        directives.private.fields().iter().chain(directives.no_cache.fields()).map(String::as_str).collect();
    if !hidden.is_empty() {
        log.record(DecisionReason::PrivateFields { names: hidden.join(", ") });
        let hidden: BTreeSet<&str> = hidden.into_iter().collect_set();
        headers.retain(|name| !hidden.contains(name));
    }
    headers.retain(|name| !UNSTORED_HEADERS.contains(&name));
    if !policy.stores(UnusualStorage::SetCookie) {
        headers.remove("set-cookie");
    }
    if date::parse(headers.first("date").unwrap_or_default()).is_none() {
        headers.set("date", &date::format(response.received.0 / 1000));
    }
    let entry = CacheEntry {
        status: response.status,
        headers,
        initial_age: initial_age(response),
        received: response.received,
        purge_seq,
        tags: purge::parse_tags(&response.headers).unwrap_or_default(),
        freshness,
        etag_is_ours: false,
    };
    let is_stale = entry.freshness.never_without_validation || entry.staleness(response.received).is_some();
    let may_be_stale = policy
        .stale_while_revalidate_seconds(&entry.freshness)
        .max(policy.stale_if_error_seconds(&entry.freshness))
        > 0;
    if is_stale && !may_be_stale && entry.validators().next().is_none() {
        log.record(DecisionReason::StaleWithoutValidator);
        return None;
    }
    log.record(DecisionReason::Stored);
    Some(entry)
}

/// Returns the lifetime of a response without an explicit one: the route's, or else a heuristic one.
fn implied_lifetime(
    response: &ResponseHead,
    directives: &ResponseDirectives,
    policy: &RoutePolicy,
) -> Option<(u64, LifetimeSource)> {
    let status = response.status;
    if directives.no_cache == DirectiveScope::WholeResponse {
        return None;
    }
    if NEGATIVE_STATUSES.contains(&status) {
        return (policy.negative_ttl > 0).then_some((policy.negative_ttl, LifetimeSource::Negative));
    }
    if !HEURISTIC_STATUSES.contains(&status) && !directives.public {
        return None;
    }
    if let Some(ttl) = policy.ttl
        && PAGE_STATUSES.contains(&status)
    {
        return Some((ttl, LifetimeSource::Route));
    }
    // RFC 9111 §4.2.2: 10 % of the time since the last modification, at most a day.
    let modified = date::parse(response.headers.first("last-modified")?)?;
    let lifetime = (date_seconds(response).saturating_sub(modified) / 10).min(MAX_HEURISTIC_SECONDS);
    Some((lifetime, LifetimeSource::Heuristic))
}

/// The heuristically cacheable status codes (RFC 9110 §15.1), except for 206 and [`NEGATIVE_STATUSES`].
const HEURISTIC_STATUSES: &[u16] = &[200, 203, 204, 300, 301, 308, 405, 414, 501];
/// The status codes to which the `ttl` of a route applies.
const PAGE_STATUSES: &[u16] = &[200, 203, 204, 300, 301, 308];
/// The status codes to which `negative_ttl` applies.
const NEGATIVE_STATUSES: &[u16] = &[404, 410];
/// The status codes whose caching behavior this cache implements (RFC 9111 §3).
const UNDERSTOOD_STATUSES: &[u16] =
    &[200, 203, 204, 300, 301, 302, 303, 307, 308, 401, 402, 403, 404, 405, 410, 414, 451, 501];
/// Status codes that concern one request or one moment, unless the origin says how long they hold.
const TRANSIENT_STATUSES: &[u16] =
    &[400, 408, 413, 417, 421, 425, 426, 428, 429, 431, 500, 502, 503, 504, 505];
/// Fields that this cache sends itself, or that are addressed to caches.
const UNSTORED_HEADERS: &[&str] = &[
    "age",
    "cache-tag",
    "surrogate-key",
    purge::NEXT_TAGS_FIELD,
    purge::PURGE_SEQ_FIELD,
    "alt-svc",
    "server-timing",
];
const MAX_HEURISTIC_SECONDS: u64 = 24 * 3600;
