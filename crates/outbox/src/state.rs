//! The stored rows of an outbox: one state, and one entry for each document.

use std::fmt;

use serde::{Deserialize, Serialize};
use wire::{UnixMillis, Window, WindowSpan};

/// The progress of the outbox, stored as one row of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxState {
    v: u8,
    /// The number of the next document.
    pub(crate) next: u64,
    /// The start of the window that closes next.
    pub(crate) due: UnixMillis,
    /// Consecutive failures.
    pub(crate) failures: u32,
    /// Documents delivered since the last failure, which set the pace of sending.
    #[serde(rename = "eased")]
    pub(crate) delivered_since_failure: u32,
    /// The pause before the next attempt.
    #[serde(rename = "wait")]
    pub(crate) backoff: Option<Backoff>,
    /// The last error, until a document is delivered.
    #[serde(rename = "trouble")]
    pub(crate) error: Option<DeliveryError>,
    /// The last delivery.
    pub(crate) last: Option<DeliveryReceipt>,
}

/// A queued document. The shell stores its body under the same number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxEntry {
    /// The number of the document, in the order of sending.
    pub seq: u64,
    /// The window of the document.
    pub window: Window,
    /// 0 for the first document of the window, or the number of a correction.
    pub revision: u32,
    /// Attempts that were started.
    pub attempts: u32,
    /// The rejection, if the backend rejected the document.
    #[serde(rename = "parked")]
    pub dead_letter: Option<DeadLetter>,
}

/// The rejection of a document that the backend will never accept as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The status of the backend's response.
    pub status: u16,
    /// The time of the response.
    pub at: UnixMillis,
}

/// An error of the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeliveryError {
    /// No response.
    Unreachable,
    /// A temporary error.
    Failing(u16),
    /// An error of authentication or addressing.
    Refusing(u16),
}

/// The last delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryReceipt {
    /// The idempotency key of the document.
    pub key: String,
    /// The time of the acknowledgement.
    pub at: UnixMillis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Backoff {
    pub(crate) since: UnixMillis,
    pub(crate) until: UnixMillis,
    /// True if the backend requested it by `Retry-After`.
    #[serde(rename = "asked")]
    pub(crate) is_requested: bool,
}

impl OutboxEntry {
    /// Returns the value of `Idempotency-Key`: unique to the document, and the same for every attempt.
    #[must_use]
    pub fn idempotency_key(&self, site: &str) -> String {
        let span = match self.window.span {
            WindowSpan::Minute => "minute",
            WindowSpan::Hour => "hour",
            WindowSpan::Day => "day",
        };
        format!("{site}.{span}.{}.{}", self.window.start.0, self.revision)
    }

    /// Returns the text of the row.
    ///
    /// # Errors
    /// Returns an error if the entry cannot be written as JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&(VERSION, self))
    }

    /// Parses a stored row; `None` if its version is not supported.
    #[must_use]
    pub fn from_json(text: &str) -> Option<Self> {
        let (version, entry): (u8, Self) = serde_json::from_str(text).ok()?;
        (version == VERSION).then_some(entry)
    }
}

impl OutboxState {
    /// Returns the state of a new outbox; the window that starts at `due` closes next.
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

    /// Returns the text of the row.
    ///
    /// # Errors
    /// Returns an error if the state cannot be written as JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Parses a stored row; `None` if its version is not supported.
    #[must_use]
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|state: &Self| state.v == VERSION)
    }
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => write!(f, "the backend does not respond"),
            Self::Failing(status) => write!(f, "the backend responds with {status}; delivery is retried"),
            Self::Refusing(status) => {
                write!(f, "the backend responds with {status}; check its URL and the signing key")
            }
        }
    }
}

const VERSION: u8 = 1;
