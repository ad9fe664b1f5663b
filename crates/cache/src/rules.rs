//! What a route says about storing: only what the origin left open, and what it is not asked about.

use crate::stored::Terms;

/// The rules of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// For how long an answer is fresh whose origin does not say it, in seconds. None: only what the
    /// RFC's heuristics give.
    pub ttl: Option<u64>,
    /// For how long "there is nothing here" is fresh where the origin does not say it.
    pub negative_ttl: u64,
    /// Whether what visitors' requests say about caching is heeded. `only-if-cached` always is.
    pub heeds_visitors: bool,
    /// The request fields that an answer may vary on, in lower case.
    pub vary: Vec<String>,
    /// For how long a stale answer may be served while a new one is fetched, where the origin says
    /// nothing and forbids nothing.
    pub stale_while_revalidate: u64,
    /// For how long a stale answer may be served in place of an error, likewise.
    pub stale_if_error: u64,
    /// Whether a tagged answer may stand in for an error while it cannot be known whether it was purged.
    pub trusts_unknown: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            ttl: None,
            negative_ttl: 10,
            heeds_visitors: false,
            vary: ["accept", "accept-encoding", "accept-language", "origin"].map(str::to_owned).into(),
            stale_while_revalidate: 0,
            stale_if_error: 0,
            trusts_unknown: false,
        }
    }
}

impl Rules {
    /// For how long after it went stale an answer may be served while a new one is fetched.
    pub(crate) fn while_revalidating(&self, terms: &Terms) -> u64 {
        match terms.stale_while_revalidate {
            Some(said) => said,
            None if terms.forbids_implied_stale => 0,
            None => self.stale_while_revalidate,
        }
    }

    /// For how long after it went stale an answer may stand in for an error.
    pub(crate) fn in_place_of_error(&self, terms: &Terms) -> u64 {
        match terms.stale_if_error {
            Some(said) => said,
            None if terms.forbids_implied_stale => 0,
            None => self.stale_if_error,
        }
    }
}
