//! The inputs and outputs of an exchange: events from the shell, and the step that each leads to.

use wire::UnixMillis;

use crate::entry::CacheEntry;
use crate::headers::Headers;

/// An event of an exchange. `B` is the shell's handle of a body.
#[derive(Debug)]
pub enum ExchangeEvent<B> {
    /// The request arrived, and the known purges are as current as they can be made.
    Started,
    /// A tier below memory has an envelope under the storage key.
    TierEntryFound {
        /// The tier.
        tier: Tier,
        /// The head of the envelope.
        entry: Box<CacheEntry>,
        /// The body of the envelope.
        body: B,
        /// The length of the body in bytes.
        body_length: u32,
    },
    /// No tier below memory has a usable envelope.
    TiersExhausted,
    /// Another request's fetch of the same storage key is complete.
    FillLanded,
    /// The origin is about to be requested.
    OriginNeeded,
    /// The head of the origin's response arrived.
    OriginResponded {
        /// The status code.
        status: u16,
        /// The header fields.
        headers: Headers,
    },
    /// The request to the origin ended without a response.
    OriginFailed(OriginError),
    /// The body of a storable response is complete.
    BodyComplete {
        /// The body.
        body: B,
        /// The length of the body in bytes.
        body_length: u32,
        /// An entity tag made from the body, where [`needs_etag`](super::Exchange::needs_etag) asks for one.
        etag: Option<String>,
    },
    /// The body of a storable response was cut short or exceeds the size limit.
    BodyAborted,
}

/// The next thing for the shell to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Step {
    /// Look up the storage key in the tiers below memory.
    Lookup = 0,
    /// Respond from the candidate. After a 304 of the origin, write it to the tiers below memory.
    Serve = 1,
    /// Respond from the candidate, and ask the origin in the background.
    ServeThenRevalidate = 2,
    /// Request the origin on behalf of every client that waits for the storage key.
    Fetch = 3,
    /// Forward the client's request to the origin for this client alone.
    Pass = 4,
    /// Send the origin request now.
    ContactOrigin = 5,
    /// Respond with the origin's response without storing it.
    Send = 6,
    /// Respond with the origin's response and store it once its body is complete.
    Store = 7,
    /// Respond with the error response.
    Refuse = 8,
    /// Write the candidate to the tiers below memory.
    WriteTiers = 9,
    /// Nothing is left to be done.
    Done = 10,
}

/// A tier that can hold an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Tier {
    /// The isolate's memory.
    Memory = 0,
    /// The Cache API of the location.
    Colo = 1,
    /// Workers KV.
    Kv = 2,
}

/// A request to the origin that ended without a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum OriginError {
    /// The connection failed.
    Unreachable = 0,
    /// The head of the response did not arrive in time.
    Timeout = 1,
    /// The request body exceeds the route's limit.
    RequestBodyTooLarge = 2,
}

/// The reason for an error response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExchangeFailure {
    Origin(OriginError),
    Limited { retry_after: u64 },
    OnlyIfCached,
    UnexpectedNotModified,
    InvalidStatus,
    ResponseHeadersTooLarge,
    UnknownTransferCoding,
}

/// The time of a request to the origin, and the purge count just before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OriginRequestMark {
    pub(crate) purge_seq: u64,
    pub(crate) requested: UnixMillis,
}

impl Step {
    /// Every step, by opcode.
    pub const ALL: [Self; 11] = [
        Self::Lookup,
        Self::Serve,
        Self::ServeThenRevalidate,
        Self::Fetch,
        Self::Pass,
        Self::ContactOrigin,
        Self::Send,
        Self::Store,
        Self::Refuse,
        Self::WriteTiers,
        Self::Done,
    ];

    /// Returns the step of an opcode.
    #[must_use]
    pub fn from_opcode(opcode: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.opcode() == opcode)
    }

    /// Returns the number that stands for the step between JavaScript and Rust.
    #[must_use]
    pub const fn opcode(self) -> u8 {
        self as u8
    }

    /// Returns the name that `explain` reports as `does`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Lookup => "look",
            Self::Serve => "serve",
            Self::ServeThenRevalidate => "serve-then-ask",
            Self::Fetch => "fetch",
            Self::Pass => "pass",
            Self::ContactOrigin => "ask",
            Self::Send => "send",
            Self::Store => "store",
            Self::Refuse => "refuse",
            Self::WriteTiers => "write-tiers",
            Self::Done => "done",
        }
    }
}

impl Tier {
    /// Every tier, by opcode.
    pub const ALL: [Self; 3] = [Self::Memory, Self::Colo, Self::Kv];

    /// Returns the tier of an opcode.
    #[must_use]
    pub fn from_opcode(opcode: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.opcode() == opcode)
    }

    /// Returns the number that stands for the tier between JavaScript and Rust.
    #[must_use]
    pub const fn opcode(self) -> u8 {
        self as u8
    }

    /// Returns the name in `Cache-Status` and in the analytics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Colo => "colo",
            Self::Kv => "kv",
        }
    }
}

impl OriginError {
    /// Every error, by opcode.
    pub const ALL: [Self; 3] = [Self::Unreachable, Self::Timeout, Self::RequestBodyTooLarge];

    /// Returns the error of an opcode.
    #[must_use]
    pub fn from_opcode(opcode: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|error| error.opcode() == opcode)
    }

    /// Returns the number that stands for the error between JavaScript and Rust.
    #[must_use]
    pub const fn opcode(self) -> u8 {
        self as u8
    }
}

impl OriginError {
    /// Returns true if the origin is to blame, and not the request.
    #[must_use]
    pub const fn is_of_origin(self) -> bool {
        match self {
            Self::Unreachable | Self::Timeout => true,
            Self::RequestBodyTooLarge => false,
        }
    }
}

impl ExchangeFailure {
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::Origin(OriginError::RequestBodyTooLarge) => 413,
            Self::Limited { .. } => 503,
            Self::Origin(OriginError::Timeout) | Self::OnlyIfCached => 504,
            Self::Origin(OriginError::Unreachable)
            | Self::UnexpectedNotModified
            | Self::InvalidStatus
            | Self::ResponseHeadersTooLarge
            | Self::UnknownTransferCoding => 502,
        }
    }

    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::Origin(OriginError::Unreachable) => "the origin did not respond",
            Self::Origin(OriginError::Timeout) => "the origin did not respond in time",
            Self::Origin(OriginError::RequestBodyTooLarge) => "the request body exceeds this route's limit",
            Self::Limited { .. } => {
                "the origin is failing or slow, and requests to it are limited: try again later"
            }
            Self::OnlyIfCached => "the request says only-if-cached, and no usable response is stored",
            Self::UnexpectedNotModified => "the origin returned 304 to an unconditional request",
            Self::InvalidStatus => "the origin returned an invalid status code",
            Self::ResponseHeadersTooLarge => "the origin's response header is too large to be forwarded",
            Self::UnknownTransferCoding => "the origin's response has an unsupported transfer coding",
        }
    }

    /// Returns true if the origin is to blame, so that a stale response may be served instead.
    pub(crate) const fn allows_stale(self) -> bool {
        match self {
            Self::Origin(OriginError::Unreachable | OriginError::Timeout)
            | Self::Limited { .. }
            | Self::InvalidStatus
            | Self::ResponseHeadersTooLarge
            | Self::UnknownTransferCoding => true,
            Self::Origin(OriginError::RequestBodyTooLarge)
            | Self::OnlyIfCached
            | Self::UnexpectedNotModified => false,
        }
    }

    /// Returns the detail of `Cache-Status`. None: the last decision is the detail.
    pub(crate) const fn code(self) -> Option<&'static str> {
        match self {
            Self::Limited { .. } => Some("limit"),
            Self::Origin(_)
            | Self::InvalidStatus
            | Self::ResponseHeadersTooLarge
            | Self::UnknownTransferCoding => Some("origin-failed"),
            Self::OnlyIfCached | Self::UnexpectedNotModified => None,
        }
    }
}
