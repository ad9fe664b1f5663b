//! The decision log. Each rule records its reason at the place where it is applied, so that the explanation
//! is what was done. A reason is a sentence with the paragraph that it rests on.

use std::fmt;

/// The reasons of a decision, in the order in which its rules were applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DecisionLog(Vec<DecisionReason>);

impl DecisionLog {
    /// Creates an empty log.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Appends a reason.
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

    /// Returns the reasons in order.
    pub fn iter(&self) -> impl Iterator<Item = &DecisionReason> {
        self.0.iter()
    }

    /// Returns the reason that decided.
    #[must_use]
    pub fn last(&self) -> Option<&DecisionReason> {
        self.0.last()
    }
}

/// The source of a lifetime.
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
    /// The route's `ttl`.
    Route,
    /// The route's `negative_ttl`.
    Negative,
    /// A tenth of the time since the last modification.
    Heuristic,
    /// No source.
    None,
}

/// A rule that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is a sentence, in Display")]
pub enum DecisionReason {
    // Requests.
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
    // Stored responses.
    NothingStored,
    NoMatchingVariant { names: String },
    PurgedHard,
    PurgedSoft,
    PurgeStatusUnknown,
    OvertakenByWrite,
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
    // The origin's responses.
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
    NotVaried { name: String },
    VariesUnexpectedly,
    TooManyTags { max: usize },
    NextRegenerates,
    Lifetime { seconds: u64, source: LifetimeSource },
    NoLifetime { status: u16 },
    StaleWithoutValidator,
    Stored,
}

impl DecisionReason {
    /// Returns the code in statistics and Cache-Status.
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
            Self::OvertakenByWrite => "written",
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
            Self::NotVaried { .. } => "not-varied",
            Self::VariesUnexpectedly => "varies",
            Self::TooManyTags { .. } => "tags",
            Self::NextRegenerates => "next-stale",
            Self::Lifetime { .. } => "lifetime",
            Self::NoLifetime { .. } => "no-lifetime",
            Self::StaleWithoutValidator => "useless",
            Self::Stored => "stored",
        }
    }

    /// Returns the clause of the standard, or the part of the configuration.
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
            | Self::TooManyTags { .. }
            | Self::NextRegenerates => "the route",
            Self::HasPrecondition { .. } => "RFC 9111 §4.3.2",
            Self::HasRange | Self::PartialResponse => "RFC 9111 §3.3",
            Self::AmbiguousPath | Self::TransientStatus { .. } => "RFC 9111 §7.1",
            Self::RequestNoStore => "RFC 9111 §5.2.1.5",
            Self::RequestNoCache => "RFC 9111 §5.2.1.4",
            Self::RequestMaxAge { .. } => "RFC 9111 §5.2.1.1",
            Self::RequestMinFresh { .. } => "RFC 9111 §5.2.1.3",
            Self::RequestMaxStale { .. } => "RFC 9111 §5.2.1.2",
            Self::OnlyIfCached => "RFC 9111 §5.2.1.7",
            Self::NoMatchingVariant { .. }
            | Self::VariesOnAll
            | Self::VariesOn { .. }
            | Self::NotVaried { .. }
            | Self::VariesUnexpectedly => "RFC 9111 §4.1",
            Self::PurgedHard | Self::PurgedSoft | Self::PurgeStatusUnknown => "a purge",
            Self::OvertakenByWrite => "RFC 9111 §4.4",
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
            Self::Route => "the route's ttl",
            Self::Negative => "the route's negative_ttl",
            Self::Heuristic => "a tenth of its age on arrival",
            Self::None => "no one",
        })
    }
}

impl fmt::Display for DecisionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MethodNotCacheable { method } => write!(f, "only the origin answers {method}"),
            Self::HasBody => write!(f, "the request has a body, which is not forwarded"),
            Self::HasAuthorization => {
                write!(f, "the request has Authorization, so its response is not shared")
            }
            Self::HasCookie { name } => {
                write!(f, "the route neither keys nor ignores the cookie `{name}`")
            }
            Self::HasBypassHeader { name } => {
                write!(f, "requests with `{name}` bypass the cache on this route")
            }
            Self::HasPrecondition { name } => write!(f, "the origin evaluates {name}"),
            Self::HasRange => write!(f, "no complete response is stored, and a range cannot be stored"),
            Self::AmbiguousPath => {
                write!(f, "the path has an encoded delimiter, which origins interpret differently")
            }
            Self::RouteBypass => write!(f, "the route bypasses the cache"),
            Self::AccessControlled => {
                write!(f, "the route requires a credential, so its responses are not shared")
            }
            Self::OriginLimited { rate } => {
                write!(
                    f,
                    "the origin is failing or slow, and is limited to {rate} requests a second until it recovers"
                )
            }
            Self::RequestNoStore => write!(f, "the request says no-store"),
            Self::RequestNoCache => write!(f, "the request says no-cache"),
            Self::RequestMaxAge { max_age, age } => {
                write!(
                    f,
                    "the request accepts an age of at most {max_age} s, and the response is {age} s old"
                )
            }
            Self::RequestMinFresh { min_fresh, remaining } => {
                write!(f, "the request wants at least {min_fresh} s of freshness, and {remaining} s remain")
            }
            Self::RequestMaxStale { max_stale } => {
                write!(f, "the request accepts responses that have been stale for up to {max_stale} s")
            }
            Self::OnlyIfCached => write!(f, "the request says only-if-cached"),
            Self::NothingStored => write!(f, "nothing is stored under this key"),
            Self::NoMatchingVariant { names } => {
                write!(f, "the stored responses vary on {names}, and none matches this request")
            }
            Self::PurgedHard => write!(f, "the stored response was purged after it was fetched"),
            Self::PurgedSoft => write!(f, "the stored response was marked stale after it was fetched"),
            Self::OvertakenByWrite => {
                write!(f, "a write to the URL came before the response, which may lack it")
            }
            Self::PurgeStatusUnknown => {
                write!(
                    f,
                    "the purge clock does not respond, so it is unknown if the stored response was purged"
                )
            }
            Self::Fresh { age, lifetime, source } => {
                write!(f, "the response is {age} s old and fresh for {lifetime} s, by {source}")
            }
            Self::Stale { staleness, lifetime, source } => {
                write!(
                    f,
                    "the response was fresh for {lifetime} s, by {source}, and has been stale for {staleness} s"
                )
            }
            Self::NoCache => {
                write!(f, "the origin says no-cache: every use needs validation")
            }
            Self::RefreshedEarly { remaining } => {
                write!(
                    f,
                    "the response is in demand and fresh for only {remaining} s more, so it is refreshed in the background"
                )
            }
            Self::StaleWhileRevalidate { staleness, window } => write!(
                f,
                "the response has been stale for {staleness} s, and may be served for {window} s while it is revalidated"
            ),
            Self::MustRevalidate => write!(f, "the origin forbids stale responses"),
            Self::Revalidates { validator } => {
                write!(f, "the response is validated by {validator}")
            }
            Self::NoValidator => {
                write!(f, "the response has neither ETag nor Last-Modified, so it cannot be validated")
            }
            Self::StaleIfError { staleness, window } => {
                write!(
                    f,
                    "the response has been stale for {staleness} s, and may replace an error for {window} s"
                )
            }
            Self::TooStaleForError { staleness, window } => {
                write!(
                    f,
                    "the response has been stale for {staleness} s, and may replace an error for only {window} s"
                )
            }
            Self::StatusUnderstood { status } => write!(f, "status {status} is cacheable"),
            Self::NotFinalStatus { status } => write!(f, "status {status} is not a final response"),
            Self::PartialResponse => write!(f, "partial responses are not stored"),
            Self::TransientStatus { status } => {
                write!(f, "status {status} concerns one request or one moment, so it is not shared")
            }
            Self::StatusNotUnderstood { status } => {
                write!(
                    f,
                    "the origin says must-understand, and this cache does not understand status {status}"
                )
            }
            Self::MustUnderstand { status } => {
                write!(
                    f,
                    "the origin says must-understand, and this cache understands status {status}, so no-store does not apply"
                )
            }
            Self::NoStore => write!(f, "the origin says no-store"),
            Self::Private => write!(f, "the origin says private, and this cache is shared"),
            Self::PrivateFields { names } => write!(f, "the response is stored without {names}"),
            Self::Authorized => {
                write!(f, "the request had Authorization, and the origin does not say public")
            }
            Self::AuthorizedButShared => {
                write!(f, "the request had Authorization, and the origin allows a shared response")
            }
            Self::SetsCookie => write!(f, "the response sets a cookie, which is for one client"),
            Self::NotVaried { name } => {
                write!(f, "the origin got {name}, and the response does not say that it varies on it")
            }
            Self::VariesUnexpectedly => {
                write!(f, "the response is not shared, and the origin did not get all fields of this client")
            }
            Self::VariesOnAll => write!(f, "the response varies on everything"),
            Self::VariesOn { name } => {
                write!(f, "the response varies on {name}, which the route does not list")
            }
            Self::TooManyTags { max } => {
                write!(
                    f,
                    "the response has more than {max} tags, or one that is too long, so it could not be purged"
                )
            }
            Self::NextRegenerates => {
                write!(f, "Next.js serves a stale page while it regenerates it")
            }
            Self::Lifetime { seconds, source } => {
                write!(f, "the response is fresh for {seconds} s, by {source}")
            }
            Self::NoLifetime { status } => {
                write!(f, "no explicit lifetime, and {status} has no heuristic one")
            }
            Self::StaleWithoutValidator => {
                write!(f, "the response is stale at once and has no validator")
            }
            Self::Stored => write!(f, "the response is stored"),
        }?;
        write!(f, " ({}).", self.citation())
    }
}
