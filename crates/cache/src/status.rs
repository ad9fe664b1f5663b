//! Cache-Status (RFC 9211): what the cache did, in one member of a list that earlier caches may have
//! begun.

use std::fmt::Write;

/// What the cache did for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Served from what is stored.
    Hit,
    /// Served from what is stored, though it is stale.
    Stale,
    /// Nothing usable was stored under the key, or nothing of it was for this request.
    Miss(Miss),
    /// What was stored was stale, and the origin was asked about it.
    Revalidated,
    /// It never was for the cache.
    Bypass,
}

/// Why nothing that is stored was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
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
pub struct Particulars<'a> {
    /// Seconds of freshness that are left; below 0 for what is stale.
    pub ttl: Option<i64>,
    /// The origin's status, where it differs from what is sent.
    pub forwarded: Option<u16>,
    /// It was stored.
    pub stored: bool,
    /// It was not asked of the origin alone.
    pub collapsed: bool,
    /// In a word, why.
    pub detail: Option<&'a str>,
}

impl Outcome {
    /// A word for it, as in Server-Timing.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Miss(_) | Self::Revalidated => "miss",
            Self::Bypass => "bypass",
        }
    }

    /// The member of the list, by the name of this cache.
    #[must_use]
    pub fn member(self, particulars: &Particulars<'_>) -> String {
        let mut member = NAME.to_owned();
        member.push_str(match self {
            Self::Hit | Self::Stale => "; hit",
            Self::Miss(Miss::Uri) => "; fwd=uri-miss",
            Self::Miss(Miss::Vary) => "; fwd=vary-miss",
            Self::Miss(Miss::Stale) | Self::Revalidated => "; fwd=stale",
            Self::Miss(Miss::Request) => "; fwd=request",
            Self::Bypass => "; fwd=bypass",
        });
        if let Some(ttl) = particulars.ttl {
            // Writing to a String does not fail.
            let _ = write!(member, "; ttl={ttl}");
        }
        if let Some(status) = particulars.forwarded {
            let _ = write!(member, "; fwd-status={status}");
        }
        if particulars.stored {
            member.push_str("; stored");
        }
        if particulars.collapsed {
            member.push_str("; collapsed");
        }
        if let Some(detail) = particulars.detail {
            // Details are our own words: letters and dashes, which are tokens.
            member.push_str("; detail=");
            member.push_str(detail);
        }
        member
    }
}

/// The name of this cache.
const NAME: &str = "edge-vitals";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_a_list_of_structured_fields() {
        let all = [
            Outcome::Hit,
            Outcome::Stale,
            Outcome::Revalidated,
            Outcome::Bypass,
            Outcome::Miss(Miss::Uri),
            Outcome::Miss(Miss::Vary),
            Outcome::Miss(Miss::Stale),
            Outcome::Miss(Miss::Request),
        ];
        for outcome in all {
            let particulars = Particulars {
                ttl: Some(-5),
                forwarded: Some(304),
                stored: true,
                collapsed: true,
                detail: Some("no-store"),
            };
            let member = outcome.member(&particulars);
            let list: sfv::List = sfv::Parser::new(&member).parse().expect(&member);
            assert_eq!(list.len(), 1, "{member}");
        }
        assert_eq!(Outcome::Hit.member(&Particulars::default()), "edge-vitals; hit");
    }
}
