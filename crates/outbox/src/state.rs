//! The stored rows of an outbox.

use std::fmt;

use serde::{Deserialize, Serialize};
use wire::{UnixMillis, Window, WindowSpan};

/// The row that there is one of: where the outbox stands. Stored whole, as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxState {
    v: u8,
    /// The number of the next document.
    pub(crate) next: u64,
    /// The start of the window that closes next.
    pub(crate) due: UnixMillis,
    /// Failures in a row.
    pub(crate) failures: u32,
    /// Documents delivered since the last failure: from these the pace picks up.
    #[serde(rename = "eased")]
    pub(crate) delivered_since_failure: u32,
    /// Until when nothing is sent.
    #[serde(rename = "wait")]
    pub(crate) backoff: Option<Backoff>,
    /// What went wrong last, while it is wrong.
    #[serde(rename = "trouble")]
    pub(crate) error: Option<DeliveryError>,
    /// The last delivery.
    pub(crate) last: Option<DeliveryReceipt>,
}

/// A document that waits. Its body is the shell's to keep, under the same number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxEntry {
    /// Its number: the order of sending.
    pub seq: u64,
    /// The window that it is about.
    pub window: Window,
    /// Which telling of that window: 0 is the first, later ones correct it.
    pub revision: u32,
    /// Attempts that were begun.
    pub attempts: u32,
    /// Why it was put aside.
    #[serde(rename = "parked")]
    pub dead_letter: Option<DeadLetter>,
}

/// Why a document was put aside: the backend will never take it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The backend's answer.
    pub status: u16,
    /// When it came.
    pub at: UnixMillis,
}

/// What went wrong with the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeliveryError {
    /// No answer came.
    Unreachable,
    /// It answered that it cannot now.
    Failing(u16),
    /// It answered that it does not know us, or that nobody listens there.
    Refusing(u16),
}

/// The last document that arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryReceipt {
    /// Its key.
    pub key: String,
    /// When its receipt came.
    pub at: UnixMillis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Backoff {
    pub(crate) since: UnixMillis,
    pub(crate) until: UnixMillis,
    /// Whether the backend asked for it.
    #[serde(rename = "asked")]
    pub(crate) is_requested: bool,
}

impl OutboxEntry {
    /// The value of `Idempotency-Key`: the same for every attempt, and of no other document.
    #[must_use]
    pub fn idempotency_key(&self, site: &str) -> String {
        let span = match self.window.span {
            WindowSpan::Minute => "minute",
            WindowSpan::Hour => "hour",
            WindowSpan::Day => "day",
        };
        format!("{site}.{span}.{}.{}", self.window.start.0, self.revision)
    }

    /// The row's text.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(&(VERSION, self)).unwrap_or_default()
    }

    /// A row as it was stored; none when no version of ours has written it.
    #[must_use]
    pub fn from_json(text: &str) -> Option<Self> {
        let (version, entry): (u8, Self) = serde_json::from_str(text).ok()?;
        (version == VERSION).then_some(entry)
    }
}

impl OutboxState {
    /// The state of an outbox that has sent nothing, and closes the window that starts at `due` next.
    pub(crate) const fn new(due: UnixMillis) -> Self {
        Self {
            v: VERSION,
            next: 0,
            due,
            failures: 0,
            delivered_since_failure: 0,
            backoff: None,
            error: None,
            last: None,
        }
    }

    /// The row's text.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The row as it was stored; none when no version of ours has written it.
    #[must_use]
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|head: &Self| head.v == VERSION)
    }
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => write!(f, "the backend does not answer"),
            Self::Failing(status) => write!(f, "the backend answers {status}, and is asked again"),
            Self::Refusing(status) => {
                write!(f, "the backend answers {status}: its address or the signing key is not right")
            }
        }
    }
}

const VERSION: u8 = 1;
