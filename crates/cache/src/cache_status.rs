//! Cache-Status (RFC 9211): what the cache did, in one member of a list that earlier caches may have
//! begun.

use std::fmt::Write;

use wire::beacon::CacheStatus;

/// What the cache did for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupOutcome {
    /// Served from what is stored.
    Hit,
    /// Served from what is stored, though it is stale.
    Stale,
    /// Nothing usable was stored under the key, or nothing of it was for this request.
    Miss(MissReason),
    /// What was stored was stale, and the origin was asked about it.
    Revalidated,
    /// It never was for the cache.
    Bypass,
}

/// Why nothing that is stored was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissReason {
    /// Nothing is stored under the key.
    Uri,
    /// What is stored is for other requests.
    Vary,
    /// What is stored is stale.
    Stale,
    /// The request asks for more.
    Request,
}

/// The rest of what is to be said.
#[derive(Clone, Copy, Debug, Default)]
pub struct CacheStatusParams<'a> {
    /// Seconds of freshness that are left; below 0 for what is stale.
    pub ttl: Option<i64>,
    /// The origin's status, where it differs from what is sent.
    pub fwd_status: Option<u16>,
    /// It was stored.
    pub stored: bool,
    /// It was not asked of the origin alone.
    pub collapsed: bool,
    /// In a word, why.
    pub detail: Option<&'a str>,
}

impl LookupOutcome {
    /// Reduces the outcome to the status that clients and statistics know.
    #[must_use]
    pub const fn cache_status(self) -> CacheStatus {
        match self {
            Self::Hit => CacheStatus::Hit,
            Self::Stale => CacheStatus::Stale,
            Self::Miss(_) | Self::Revalidated => CacheStatus::Miss,
            Self::Bypass => CacheStatus::Bypass,
        }
    }

    /// Returns the name of the status, as in `Server-Timing`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.cache_status().name()
    }

    /// The member of the list, by the name of this cache.
    #[must_use]
    pub fn to_list_member(self, params: &CacheStatusParams<'_>) -> String {
        let mut member = CACHE_NAME.to_owned();
        member.push_str(match self {
            Self::Hit | Self::Stale => "; hit",
            Self::Miss(MissReason::Uri) => "; fwd=uri-miss",
            Self::Miss(MissReason::Vary) => "; fwd=vary-miss",
            Self::Miss(MissReason::Stale) | Self::Revalidated => "; fwd=stale",
            Self::Miss(MissReason::Request) => "; fwd=request",
            Self::Bypass => "; fwd=bypass",
        });
        if let Some(ttl) = params.ttl {
            // Writing to a String does not fail.
            let _ = write!(member, "; ttl={ttl}");
        }
        if let Some(status) = params.fwd_status {
            let _ = write!(member, "; fwd-status={status}");
        }
        if params.stored {
            member.push_str("; stored");
        }
        if params.collapsed {
            member.push_str("; collapsed");
        }
        if let Some(detail) = params.detail {
            // Details are our own words: letters and dashes, which are tokens.
            member.push_str("; detail=");
            member.push_str(detail);
        }
        member
    }
}

/// The name of this cache.
const CACHE_NAME: &str = "edge-vitals";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_a_valid_structured_field_list() {
        let all = [
            LookupOutcome::Hit,
            LookupOutcome::Stale,
            LookupOutcome::Revalidated,
            LookupOutcome::Bypass,
            LookupOutcome::Miss(MissReason::Uri),
            LookupOutcome::Miss(MissReason::Vary),
            LookupOutcome::Miss(MissReason::Stale),
            LookupOutcome::Miss(MissReason::Request),
        ];
        for outcome in all {
            let params = CacheStatusParams {
                ttl: Some(-5),
                fwd_status: Some(304),
                stored: true,
                collapsed: true,
                detail: Some("no-store"),
            };
            let member = outcome.to_list_member(&params);
            let list: sfv::List = sfv::Parser::new(&member).parse().expect(&member);
            assert_eq!(list.len(), 1, "{member}");
        }
        assert_eq!(LookupOutcome::Hit.to_list_member(&CacheStatusParams::default()), "edge-vitals; hit");
    }
}
