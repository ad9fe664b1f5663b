//! Cache-Status (RFC 9211): this cache's member of a list that caches closer to the origin may have begun.

use std::fmt::Write;

use wire::beacon::CacheStatus;

/// The outcome of a cache lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupOutcome {
    /// A fresh stored response was served.
    Hit,
    /// A stale stored response was served.
    Stale,
    /// No stored response was usable for this request.
    Miss(MissReason),
    /// The stored response was stale, and the origin was asked to validate it.
    Revalidated,
    /// The request bypassed the cache.
    Bypass,
}

/// The reason for a miss (`fwd`, RFC 9211 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissReason {
    /// Nothing is stored under the key.
    Uri,
    /// Only other variants are stored.
    Vary,
    /// The stored response is stale.
    Stale,
    /// The request's directives rule out the stored response.
    Request,
}

/// The parameters of the list member (RFC 9211 §2).
#[derive(Clone, Copy, Debug, Default)]
pub struct CacheStatusParams<'a> {
    /// The remaining freshness in seconds; negative if the response is stale.
    pub ttl: Option<i64>,
    /// The origin's status, if it differs from the status sent.
    pub fwd_status: Option<u16>,
    /// The response was stored.
    pub stored: bool,
    /// The request was collapsed with others into one request to the origin.
    pub collapsed: bool,
    /// The code of the deciding reason.
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

    /// Returns the list member of this cache.
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
            // Details are codes of letters and dashes, so they are valid tokens.
            member.push_str("; detail=");
            member.push_str(detail);
        }
        member
    }
}

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
