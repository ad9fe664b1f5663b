//! Why. Each rule that a decision meets leaves its ground where it is applied, so that what is
//! explained is what was done. A ground is a sentence with the paragraph it rests on.

use std::fmt;

/// The grounds of a decision, in the order in which its rules were applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DecisionLog(Vec<DecisionReason>);

impl DecisionLog {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds one that a shell has met itself.
    pub fn record(&mut self, reason: DecisionReason) {
        self.0.push(reason);
    }

    /// Returns the number of reasons.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Drops the reasons after the first `count`.
    pub fn truncate(&mut self, count: usize) {
        self.0.truncate(count);
    }

    /// Each in turn.
    pub fn iter(&self) -> impl Iterator<Item = &DecisionReason> {
        self.0.iter()
    }

    /// The one that settled it.
    #[must_use]
    pub fn last(&self) -> Option<&DecisionReason> {
        self.0.last()
    }
}

/// From where a lifetime comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum LifetimeSource {
    /// CDN-Cache-Control.
    Targeted,
    /// `s-maxage`.
    SMaxage,
    /// `max-age`.
    MaxAge,
    /// Expires.
    Expires,
    /// The route's class.
    Route,
    /// The route's word on what is not there.
    Negative,
    /// A tenth of its age when it came.
    Heuristic,
    /// Nobody said any.
    None,
}

/// A rule as it was met.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is a sentence, written out below")]
pub enum DecisionReason {
    // Of a request.
    MethodNotCacheable { method: String },
    HasBody,
    HasAuthorization,
    HasCookie { name: String },
    HasBypassHeader { name: String },
    HasPrecondition { name: &'static str },
    HasRange,
    AmbiguousPath,
    RouteBypass,
    AccessControlled,
    OriginLimited { rate: u32 },
    RequestNoStore,
    RequestNoCache,
    RequestMaxAge { max_age: u64, age: u64 },
    RequestMinFresh { min_fresh: u64, remaining: u64 },
    RequestMaxStale { max_stale: u64 },
    OnlyIfCached,
    // Of what is stored.
    NothingStored,
    NoMatchingVariant { names: String },
    PurgedHard,
    PurgedSoft,
    PurgeStatusUnknown,
    Fresh { age: u64, lifetime: u64, source: LifetimeSource },
    Stale { staleness: u64, lifetime: u64, source: LifetimeSource },
    NoCache,
    RefreshedEarly { remaining: u64 },
    StaleWhileRevalidate { staleness: u64, window: u64 },
    MustRevalidate,
    Revalidates { validator: &'static str },
    NoValidator,
    StaleIfError { staleness: u64, window: u64 },
    TooStaleForError { staleness: u64, window: u64 },
    // Of an answer of the origin.
    StatusUnderstood { status: u16 },
    NotFinalStatus { status: u16 },
    PartialResponse,
    TransientStatus { status: u16 },
    StatusNotUnderstood { status: u16 },
    MustUnderstand { status: u16 },
    NoStore,
    Private,
    PrivateFields { names: String },
    Authorized,
    AuthorizedButShared,
    SetsCookie,
    VariesOnAll,
    VariesOn { name: String },
    TooManyTags { max: usize },
    Lifetime { seconds: u64, source: LifetimeSource },
    NoLifetime { status: u16 },
    StaleWithoutValidator,
    Stored,
}

impl DecisionReason {
    /// A word for it, for statistics and Cache-Status.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MethodNotCacheable { .. } => "method",
            Self::HasBody => "body",
            Self::HasAuthorization => "authorization",
            Self::HasCookie { .. } => "cookie",
            Self::HasBypassHeader { .. } => "field",
            Self::HasPrecondition { .. } => "precondition",
            Self::HasRange => "range",
            Self::AmbiguousPath => "path",
            Self::RouteBypass => "route",
            Self::AccessControlled => "require",
            Self::OriginLimited { .. } => "limit",
            Self::RequestNoStore => "request-no-store",
            Self::RequestNoCache => "request-no-cache",
            Self::RequestMaxAge { .. } => "request-max-age",
            Self::RequestMinFresh { .. } => "request-min-fresh",
            Self::RequestMaxStale { .. } => "request-max-stale",
            Self::OnlyIfCached => "only-if-cached",
            Self::NothingStored => "nothing-stored",
            Self::NoMatchingVariant { .. } => "no-variant",
            Self::PurgedHard => "purged",
            Self::PurgedSoft => "purged-soft",
            Self::PurgeStatusUnknown => "purges-unknown",
            Self::Fresh { .. } => "fresh",
            Self::Stale { .. } => "stale",
            Self::NoCache => "no-cache",
            Self::RefreshedEarly { .. } => "refreshed-early",
            Self::StaleWhileRevalidate { .. } => "stale-while-revalidate",
            Self::MustRevalidate => "must-revalidate",
            Self::Revalidates { .. } => "validates",
            Self::NoValidator => "no-validator",
            Self::StaleIfError { .. } => "stale-if-error",
            Self::TooStaleForError { .. } => "too-stale",
            Self::StatusUnderstood { .. } => "understood",
            Self::NotFinalStatus { .. } => "not-final",
            Self::PartialResponse => "partial",
            Self::TransientStatus { .. } => "momentary",
            Self::StatusNotUnderstood { .. } => "not-understood",
            Self::MustUnderstand { .. } => "must-understand",
            Self::NoStore => "no-store",
            Self::Private => "private",
            Self::PrivateFields { .. } => "private-fields",
            Self::Authorized => "authorized",
            Self::AuthorizedButShared => "shared",
            Self::SetsCookie => "set-cookie",
            Self::VariesOnAll | Self::VariesOn { .. } => "vary",
            Self::TooManyTags { .. } => "tags",
            Self::Lifetime { .. } => "lifetime",
            Self::NoLifetime { .. } => "no-lifetime",
            Self::StaleWithoutValidator => "useless",
            Self::Stored => "stored",
        }
    }

    /// What it rests on.
    #[must_use]
    pub const fn citation(&self) -> &'static str {
        match self {
            Self::MethodNotCacheable { .. }
            | Self::NothingStored
            | Self::StatusUnderstood { .. }
            | Self::Stored => "RFC 9111 §3",
            Self::HasBody => "RFC 9110 §9.3.1",
            Self::HasAuthorization | Self::Authorized | Self::AuthorizedButShared => "RFC 9111 §3.5",
            Self::HasCookie { .. } | Self::SetsCookie => "RFC 9111 §7.3",
            Self::HasBypassHeader { .. }
            | Self::RouteBypass
            | Self::AccessControlled
            | Self::OriginLimited { .. }
            | Self::TooManyTags { .. } => "the route",
            Self::HasPrecondition { .. } => "RFC 9111 §4.3.2",
            Self::HasRange | Self::PartialResponse => "RFC 9111 §3.3",
            Self::AmbiguousPath | Self::TransientStatus { .. } => "RFC 9111 §7.1",
            Self::RequestNoStore => "RFC 9111 §5.2.1.5",
            Self::RequestNoCache => "RFC 9111 §5.2.1.4",
            Self::RequestMaxAge { .. } => "RFC 9111 §5.2.1.1",
            Self::RequestMinFresh { .. } => "RFC 9111 §5.2.1.3",
            Self::RequestMaxStale { .. } => "RFC 9111 §5.2.1.2",
            Self::OnlyIfCached => "RFC 9111 §5.2.1.7",
            Self::NoMatchingVariant { .. } | Self::VariesOnAll | Self::VariesOn { .. } => "RFC 9111 §4.1",
            Self::PurgedHard | Self::PurgedSoft | Self::PurgeStatusUnknown => "a purge",
            Self::Fresh { .. } | Self::Stale { .. } => "RFC 9111 §4.2",
            Self::NoCache => "RFC 9111 §5.2.2.4",
            Self::RefreshedEarly { .. } => "RFC 9111 §4.3",
            Self::StaleWhileRevalidate { .. } => "RFC 5861 §3",
            Self::MustRevalidate => "RFC 9111 §5.2.2.2",
            Self::Revalidates { .. } | Self::NoValidator => "RFC 9111 §4.3.1",
            Self::StaleIfError { .. } => "RFC 5861 §4",
            Self::TooStaleForError { .. } => "RFC 9111 §4.2.4",
            Self::NotFinalStatus { .. } => "RFC 9110 §15",
            Self::StatusNotUnderstood { .. } | Self::MustUnderstand { .. } => "RFC 9111 §5.2.2.3",
            Self::NoStore => "RFC 9111 §5.2.2.5",
            Self::Private | Self::PrivateFields { .. } => "RFC 9111 §5.2.2.7",
            Self::Lifetime { source, .. } => source.citation(),
            Self::NoLifetime { .. } => "RFC 9111 §4.2.2",
            Self::StaleWithoutValidator => "RFC 9111 §4.2.1",
        }
    }
}

impl LifetimeSource {
    const fn citation(self) -> &'static str {
        match self {
            Self::Targeted => "RFC 9213 §2.2",
            Self::SMaxage => "RFC 9111 §5.2.2.10",
            Self::MaxAge => "RFC 9111 §5.2.2.1",
            Self::Expires => "RFC 9111 §5.3",
            Self::Route | Self::Negative => "the route",
            Self::Heuristic => "RFC 9111 §4.2.2",
            Self::None => "RFC 9111 §4.2.1",
        }
    }
}

impl fmt::Display for LifetimeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Targeted => "CDN-Cache-Control",
            Self::SMaxage => "s-maxage",
            Self::MaxAge => "max-age",
            Self::Expires => "Expires",
            Self::Route => "the route's class",
            Self::Negative => "the route's word on what is not there",
            Self::Heuristic => "a tenth of its age when it came",
            Self::None => "nobody",
        })
    }
}

impl fmt::Display for DecisionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MethodNotCacheable { method } => write!(f, "{method} is answered by the origin alone"),
            Self::HasBody => write!(f, "a read with a body is answered by the origin, without the body"),
            Self::HasAuthorization => write!(f, "the request is authorized, so its answer is nobody else's"),
            Self::HasCookie { name } => {
                write!(f, "the cookie `{name}` is neither part of the key nor ignored by the route")
            }
            Self::HasBypassHeader { name } => {
                write!(f, "the route lets requests with `{name}` past the cache")
            }
            Self::HasPrecondition { name } => write!(f, "{name} is for the origin to judge"),
            Self::HasRange => write!(f, "nothing whole is stored, and a part is not"),
            Self::AmbiguousPath => {
                write!(f, "the path holds an encoded delimiter, which origins read in different ways")
            }
            Self::RouteBypass => write!(f, "the route caches nothing"),
            Self::AccessControlled => write!(f, "the route wants a proof, so its answers are nobody else's"),
            Self::OriginLimited { rate } => {
                write!(f, "the origin fails or is slow, and gets {rate} requests a second until it is well")
            }
            Self::RequestNoStore => write!(f, "the visitor says no-store"),
            Self::RequestNoCache => write!(f, "the visitor says no-cache"),
            Self::RequestMaxAge { max_age, age } => {
                write!(f, "the visitor takes what is at most {max_age} s old, and this is {age} s")
            }
            Self::RequestMinFresh { min_fresh, remaining: left } => {
                write!(f, "the visitor wants {min_fresh} s of freshness, and {left} s are left")
            }
            Self::RequestMaxStale { max_stale } => {
                write!(f, "the visitor takes what has been stale for up to {max_stale} s")
            }
            Self::OnlyIfCached => write!(f, "the visitor wants nothing of the origin"),
            Self::NothingStored => write!(f, "nothing is stored under this key"),
            Self::NoMatchingVariant { names } => {
                write!(f, "what is stored varies on {names}, and nothing of it is for this request")
            }
            Self::PurgedHard => write!(f, "what is stored was purged after it was fetched"),
            Self::PurgedSoft => write!(f, "what is stored was declared stale after it was fetched"),
            Self::PurgeStatusUnknown => {
                write!(f, "it cannot be known whether what is stored was purged, for nobody says so")
            }
            Self::Fresh { age, lifetime, source } => {
                write!(f, "it is {age} s old and fresh for {lifetime} s, by {source}")
            }
            Self::Stale { staleness: by, lifetime, source } => {
                write!(f, "it was fresh for {lifetime} s, by {source}, and has been stale for {by} s")
            }
            Self::NoCache => {
                write!(f, "the origin says no-cache: it must be asked each time")
            }
            Self::RefreshedEarly { remaining: left } => {
                write!(f, "it is much asked for and has {left} s left, so it is fetched anew meanwhile")
            }
            Self::StaleWhileRevalidate { staleness: by, window } => write!(
                f,
                "it has been stale for {by} s and may be served for {window} s while a new one is fetched"
            ),
            Self::MustRevalidate => write!(f, "the origin forbids to serve it stale"),
            Self::Revalidates { validator: with } => {
                write!(f, "the origin is asked whether it still holds, by {with}")
            }
            Self::NoValidator => write!(f, "it has neither ETag nor Last-Modified to ask about"),
            Self::StaleIfError { staleness: by, window } => {
                write!(f, "it has been stale for {by} s and may stand in for an error for {window} s")
            }
            Self::TooStaleForError { staleness: by, window } => {
                write!(f, "it has been stale for {by} s and may stand in for an error for {window} s only")
            }
            Self::StatusUnderstood { status } => write!(f, "a {status} can be stored"),
            Self::NotFinalStatus { status } => write!(f, "a {status} is no final answer"),
            Self::PartialResponse => write!(f, "a part is not stored"),
            Self::TransientStatus { status } => {
                write!(f, "a {status} is about one request or one moment, so it is for nobody else")
            }
            Self::StatusNotUnderstood { status } => {
                write!(f, "the origin says must-understand, and {status} is not understood here")
            }
            Self::MustUnderstand { status } => {
                write!(f, "the origin says must-understand, and {status} is, so no-store does not apply")
            }
            Self::NoStore => write!(f, "the origin says no-store"),
            Self::Private => write!(f, "the origin says private, and this cache is shared"),
            Self::PrivateFields { names } => write!(f, "it is stored without {names}"),
            Self::Authorized => write!(f, "the request was authorized, and the origin does not say public"),
            Self::AuthorizedButShared => {
                write!(f, "the request was authorized, and the origin says that the answer may be shared")
            }
            Self::SetsCookie => write!(f, "it sets a cookie, which is for one visitor"),
            Self::VariesOnAll => write!(f, "it varies on everything"),
            Self::VariesOn { name } => write!(f, "it varies on {name}, which the route does not list"),
            Self::TooManyTags { max: most } => {
                write!(f, "it has more than {most} tags, so it could not be purged")
            }
            Self::Lifetime { seconds, source } => write!(f, "it is fresh for {seconds} s, by {source}"),
            Self::NoLifetime { status } => {
                write!(f, "nobody says for how long this {status} is fresh, and it cannot be guessed")
            }
            Self::StaleWithoutValidator => {
                write!(f, "it is stale at once and has nothing to be validated by")
            }
            Self::Stored => write!(f, "it is stored"),
        }?;
        write!(f, " ({}).", self.citation())
    }
}
