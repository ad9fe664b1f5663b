//! The cache policy of a route. It applies where the origin's response leaves a choice.

use serde::Deserialize;

use crate::entry::{CacheEntry, Freshness};
use crate::sharing::{ALWAYS_KEYED, NEGOTIATED};

/// The cache policy of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePolicy {
    /// The lifetime in seconds of responses without an explicit one. None: a heuristic lifetime
    /// (RFC 9111 §4.2.2).
    pub ttl: Option<u64>,
    /// The lifetime in seconds of 404 and 410 responses without an explicit one.
    pub negative_ttl: u64,
    /// Request directives are honored. `only-if-cached` always is.
    pub honors_request_directives: bool,
    /// The request fields that a response may vary on, in lower case.
    pub vary: Vec<String>,
    /// The request fields that are part of the key, in lower case.
    pub keyed: Vec<String>,
    /// The seconds for which a stale response may be served while it is revalidated, unless the origin
    /// states or forbids it (RFC 5861 §3).
    pub stale_while_revalidate: u64,
    /// The seconds for which a stale response may replace an error, likewise (RFC 5861 §4).
    pub stale_if_error: u64,
    /// A tagged response may replace an error while its purge status is unknown.
    pub allows_stale_if_purge_unknown: bool,
    /// The origin is Next.js. It says when it serves a stale page, which is not stored.
    pub is_next: bool,
    /// The kinds of responses that are stored besides the usual ones.
    pub stores_also: Vec<UnusualStorage>,
}

/// A kind of response that RFC 9111 lets a shared cache store, and that is stored only where a route asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnusualStorage {
    /// Responses with an explicit lifetime that set a cookie, which every visitor then gets (RFC 9111 §7.3).
    SetCookie,
    /// Responses to requests with Authorization that the origin shares explicitly (RFC 9111 §3.5).
    Authorized,
}

impl Default for RoutePolicy {
    fn default() -> Self {
        Self {
            ttl: None,
            negative_ttl: 10,
            honors_request_directives: false,
            vary: ALWAYS_KEYED.into_iter().chain(NEGOTIATED).map(str::to_owned).collect(),
            keyed: ALWAYS_KEYED.map(str::to_owned).into(),
            stale_while_revalidate: 0,
            stale_if_error: 0,
            allows_stale_if_purge_unknown: false,
            stores_also: Vec::new(),
            is_next: false,
        }
    }
}

impl RoutePolicy {
    /// Returns true if responses of this kind are stored.
    #[must_use]
    pub fn stores(&self, kind: UnusualStorage) -> bool {
        self.stores_also.contains(&kind)
    }

    /// Returns true if a stored response may be served. The route may have changed since it was stored.
    pub(crate) fn permits(&self, entry: &CacheEntry) -> bool {
        !entry.headers.has("set-cookie") || self.stores(UnusualStorage::SetCookie)
    }

    /// Returns the seconds for which a stale response may be served while it is revalidated.
    pub(crate) fn stale_while_revalidate_seconds(&self, freshness: &Freshness) -> u64 {
        match freshness.stale_while_revalidate {
            Some(seconds) => seconds,
            None if freshness.forbids_implied_stale => 0,
            None => self.stale_while_revalidate,
        }
    }

    /// Returns the seconds for which a stale response may replace an error.
    pub(crate) fn stale_if_error_seconds(&self, freshness: &Freshness) -> u64 {
        match freshness.stale_if_error {
            Some(seconds) => seconds,
            None if freshness.forbids_implied_stale => 0,
            None => self.stale_if_error,
        }
    }
}
