//! The lookup policy: the plan for a request, given the stored response (RFC 9111 §4).

use wire::UnixMillis;

use crate::decision_log::{DecisionLog, DecisionReason};
use crate::directives::RequestDirectives;
use crate::entry::CacheEntry;
use crate::http_head::RequestHead;
use crate::policy::RoutePolicy;
use crate::purge::PurgeStatus;

/// The stored response that may answer a request.
#[derive(Clone, Copy, Debug)]
pub struct LookupCandidate<'a> {
    /// The entry.
    pub entry: &'a CacheEntry,
    /// The purge status of the entry.
    pub purge_status: PurgeStatus,
    /// The entry is requested so often that refreshing it before it goes stale pays.
    pub is_hot: bool,
}

/// The plan for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupPlan {
    /// Serve the stored response.
    Serve,
    /// Serve the stored response and revalidate it in the background with these fields.
    ServeThenRevalidate(ConditionalHeaders),
    /// Revalidate the stored response first.
    Revalidate {
        /// The conditional request fields.
        conditions: ConditionalHeaders,
        /// If the origin fails, the stored response may be served (RFC 5861 §4).
        stale_on_error: bool,
    },
    /// Fetch the response.
    Fetch {
        /// If the origin fails, the stored response may be served (RFC 5861 §4).
        stale_on_error: bool,
    },
    /// Respond with 504, because the client wants no request to the origin (RFC 9111 §5.2.1.7).
    GatewayTimeout,
}

/// The fields of a conditional request to the origin (RFC 9111 §4.3.1).
pub type ConditionalHeaders = Vec<(&'static str, String)>;

/// Plans a request that may be answered from the cache.
#[must_use]
pub fn plan_lookup(
    candidate: Option<LookupCandidate<'_>>,
    request: &RequestHead,
    policy: &RoutePolicy,
    now: UnixMillis,
    log: &mut DecisionLog,
) -> LookupPlan {
    let directives = RequestDirectives::from_headers(&request.headers);
    let plan = match candidate {
        None => {
            log.record(DecisionReason::NothingStored);
            LookupPlan::Fetch { stale_on_error: false }
        }
        Some(found) => plan_for_candidate(found, &honored_directives(directives, policy), policy, now, log),
    };
    match plan {
        // RFC 9111 §5.2.1.7: honored even where other directives are not, because it saves an origin request.
        LookupPlan::Fetch { .. } | LookupPlan::Revalidate { .. } if directives.only_if_cached => {
            log.record(DecisionReason::OnlyIfCached);
            LookupPlan::GatewayTimeout
        }
        plan => plan,
    }
}

/// Returns true if the stored response may be served in place of an error of the origin (RFC 5861 §4).
#[must_use]
pub fn can_serve_stale_on_error(
    entry: &CacheEntry,
    policy: &RoutePolicy,
    now: UnixMillis,
    log: &mut DecisionLog,
) -> bool {
    let staleness = entry.staleness(now).unwrap_or(0);
    if entry.freshness.must_revalidate || entry.freshness.never_without_validation {
        log.record(DecisionReason::MustRevalidate);
        return false;
    }
    let window = policy.stale_if_error_seconds(&entry.freshness);
    let is_allowed = window > 0 && staleness <= window;
    log.record(match is_allowed {
        true => DecisionReason::StaleIfError { staleness, window },
        false => DecisionReason::TooStaleForError { staleness, window },
    });
    is_allowed
}

fn honored_directives(directives: RequestDirectives, policy: &RoutePolicy) -> RequestDirectives {
    match policy.honors_request_directives {
        true => directives,
        false => {
            RequestDirectives { only_if_cached: directives.only_if_cached, ..RequestDirectives::default() }
        }
    }
}

fn plan_for_candidate(
    candidate: LookupCandidate<'_>,
    directives: &RequestDirectives,
    policy: &RoutePolicy,
    now: UnixMillis,
    log: &mut DecisionLog,
) -> LookupPlan {
    let entry = candidate.entry;
    match candidate.purge_status {
        PurgeStatus::HardPurged => {
            log.record(DecisionReason::PurgedHard);
            return LookupPlan::Fetch { stale_on_error: false };
        }
        PurgeStatus::Unknown => {
            log.record(DecisionReason::PurgeStatusUnknown);
            let stale_on_error =
                policy.allows_stale_if_purge_unknown && can_serve_stale_on_error(entry, policy, now, log);
            return LookupPlan::Fetch { stale_on_error };
        }
        PurgeStatus::SoftPurged => log.record(DecisionReason::PurgedSoft),
        PurgeStatus::NotPurged => {}
    }
    let staleness = match (candidate.purge_status, entry.staleness(now)) {
        (PurgeStatus::SoftPurged, staleness) => Some(staleness.unwrap_or(0)),
        (_, staleness) => staleness,
    };
    let lifetime = entry.freshness.lifetime;
    let source = entry.freshness.source;
    match staleness {
        None => log.record(DecisionReason::Fresh { age: entry.age(now), lifetime, source }),
        Some(staleness) => log.record(DecisionReason::Stale { staleness, lifetime, source }),
    }
    if entry.freshness.never_without_validation {
        log.record(DecisionReason::NoCache);
        return plan_revalidation(entry, policy, now, log);
    }
    if let Some(reason) = unmet_request_directive(entry, directives, now) {
        log.record(reason);
        return plan_revalidation(entry, policy, now, log);
    }
    match staleness {
        None => plan_fresh(candidate, now, log),
        Some(staleness) => plan_stale(entry, staleness, directives, policy, now, log),
    }
}

/// Returns the request directive that the stored response does not meet.
fn unmet_request_directive(
    entry: &CacheEntry,
    directives: &RequestDirectives,
    now: UnixMillis,
) -> Option<DecisionReason> {
    let age = entry.age(now);
    let remaining = entry.remaining_lifetime(now);
    if directives.no_cache {
        return Some(DecisionReason::RequestNoCache);
    }
    // RFC 9111 §5.2.1.1: max-stale extends max-age.
    if let Some(max_age) = directives.max_age
        && age > max_age.saturating_add(directives.max_stale.unwrap_or(0))
    {
        return Some(DecisionReason::RequestMaxAge { max_age, age });
    }
    match directives.min_fresh {
        Some(min_fresh) if remaining < min_fresh => {
            Some(DecisionReason::RequestMinFresh { min_fresh, remaining })
        }
        _ => None,
    }
}

fn plan_fresh(candidate: LookupCandidate<'_>, now: UnixMillis, log: &mut DecisionLog) -> LookupPlan {
    let remaining = candidate.entry.remaining_lifetime(now);
    let lifetime = candidate.entry.freshness.lifetime;
    // A refresh in the background spares clients the wait once the response is stale.
    if candidate.is_hot && lifetime >= MIN_EARLY_REFRESH_SECONDS && remaining <= lifetime / 10 {
        log.record(DecisionReason::RefreshedEarly { remaining });
        return LookupPlan::ServeThenRevalidate(conditional_headers(candidate.entry, log));
    }
    LookupPlan::Serve
}

fn plan_stale(
    entry: &CacheEntry,
    staleness: u64,
    directives: &RequestDirectives,
    policy: &RoutePolicy,
    now: UnixMillis,
    log: &mut DecisionLog,
) -> LookupPlan {
    // RFC 9111 §5.2.2.2: must-revalidate overrides every permission to serve stale.
    if entry.freshness.must_revalidate {
        log.record(DecisionReason::MustRevalidate);
        return plan_revalidation(entry, policy, now, log);
    }
    let window = policy.stale_while_revalidate_seconds(&entry.freshness);
    if window > 0 && staleness <= window {
        log.record(DecisionReason::StaleWhileRevalidate { staleness, window });
        return LookupPlan::ServeThenRevalidate(conditional_headers(entry, log));
    }
    if let Some(max_stale) = directives.max_stale
        && !entry.freshness.forbids_implied_stale
        && staleness <= max_stale
    {
        log.record(DecisionReason::RequestMaxStale { max_stale });
        return LookupPlan::Serve;
    }
    plan_revalidation(entry, policy, now, log)
}

fn plan_revalidation(
    entry: &CacheEntry,
    policy: &RoutePolicy,
    now: UnixMillis,
    log: &mut DecisionLog,
) -> LookupPlan {
    let conditions = conditional_headers(entry, log);
    // The reason is logged if the origin fails, not here.
    let stale_on_error = can_serve_stale_on_error(entry, policy, now, &mut DecisionLog::new());
    match conditions.is_empty() {
        true => LookupPlan::Fetch { stale_on_error },
        false => LookupPlan::Revalidate { conditions, stale_on_error },
    }
}

fn conditional_headers(entry: &CacheEntry, log: &mut DecisionLog) -> ConditionalHeaders {
    let conditions: ConditionalHeaders =
        entry.validators().map(|(name, value)| (name, value.to_owned())).collect();
    log.record(match conditions.first() {
        Some(("if-none-match", _)) => DecisionReason::Revalidates { validator: "its ETag" },
        Some(_) => DecisionReason::Revalidates { validator: "Last-Modified" },
        None => DecisionReason::NoValidator,
    });
    conditions
}

/// Shorter lifetimes are not refreshed early: that would multiply requests to the origin.
const MIN_EARLY_REFRESH_SECONDS: u64 = 20;
