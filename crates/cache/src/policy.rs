//! What a route says about storing: only what the origin left open, and what it is not asked about.

use crate::entry::Freshness;

/// The rules of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePolicy {
    /// For how long an answer is fresh whose origin does not say it, in seconds. None: only what the
    /// RFC's heuristics give.
    pub ttl: Option<u64>,
    /// For how long "there is nothing here" is fresh where the origin does not say it.
    pub negative_ttl: u64,
    /// Whether what visitors' requests say about caching is heeded. `only-if-cached` always is.
    pub honors_request_directives: bool,
    /// The request fields that an answer may vary on, in lower case.
    pub vary: Vec<String>,
    /// For how long a stale answer may be served while a new one is fetched, where the origin says
    /// nothing and forbids nothing.
    pub stale_while_revalidate: u64,
    /// For how long a stale answer may be served in place of an error, likewise.
    pub stale_if_error: u64,
    /// Whether a tagged answer may stand in for an error while it cannot be known whether it was purged.
    pub allows_stale_if_purge_unknown: bool,
}

impl Default for RoutePolicy {
    fn default() -> Self {
        Self {
            ttl: None,
            negative_ttl: 10,
            honors_request_directives: false,
            vary: ["accept", "accept-encoding", "accept-language", "origin"].map(str::to_owned).into(),
            stale_while_revalidate: 0,
            stale_if_error: 0,
            allows_stale_if_purge_unknown: false,
        }
    }
}

impl RoutePolicy {
    /// For how long after it went stale an answer may be served while a new one is fetched.
    pub(crate) fn stale_while_revalidate_seconds(&self, freshness: &Freshness) -> u64 {
        match freshness.stale_while_revalidate {
            Some(said) => said,
            None if freshness.forbids_implied_stale => 0,
            None => self.stale_while_revalidate,
        }
    }

    /// For how long after it went stale an answer may stand in for an error.
    pub(crate) fn stale_if_error_seconds(&self, freshness: &Freshness) -> u64 {
        match freshness.stale_if_error {
            Some(said) => said,
            None if freshness.forbids_implied_stale => 0,
            None => self.stale_if_error,
        }
    }
}
