//! Inputs and effects of the queue.

use std::fmt;

use wire::{UnixMillis, Window};

use crate::response::AttemptOutcome;
use crate::state::{OutboxEntry, OutboxState};

/// An attempt to send a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The number of the document.
    pub seq: u64,
    /// The number of the attempt, counted from 1.
    pub number: u32,
}

/// The document of a closed window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxDocument {
    /// The window.
    pub window: Window,
    /// 0, or the number of a correction.
    pub revision: u32,
    /// The bytes of every attempt.
    pub body: Vec<u8>,
}

/// An event for the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboxInput {
    /// The alarm fired, or the object started.
    Woken,
    /// An attempt ended.
    AttemptEnded {
        /// The attempt.
        attempt: Attempt,
        /// Its outcome.
        outcome: AttemptOutcome,
    },
    /// A request to send dead letters again.
    Retry(RetryTarget),
}

/// The dead letters to retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryTarget {
    /// All dead letters.
    All,
    /// The dead letter of that number.
    One(u64),
}

/// Work for the shell, which stores all effects in one transaction and sends only then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboxEffect {
    /// Store this document and its body.
    Insert(OutboxEntry, Vec<u8>),
    /// Update the row of this document; its body stays.
    Update(OutboxEntry),
    /// Remove this document, which the backend has acknowledged.
    Remove(u64),
    /// Replace the stored state.
    StoreState(OutboxState),
    /// Sign and send the body of a document.
    Send {
        /// The attempt, to be returned with its outcome.
        attempt: Attempt,
        /// The value of `Idempotency-Key`.
        idempotency_key: String,
    },
    /// Set the alarm, replacing any earlier one.
    WakeAt(UnixMillis),
}

/// The reason for not accepting a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnqueueError {
    /// The outbox is full.
    Full {
        /// The capacity.
        capacity: usize,
    },
    /// The window is neither the next one to close nor a correction of an earlier one.
    OutOfOrder {
        /// The window that was offered.
        offered: UnixMillis,
        /// The window that closes next.
        due: UnixMillis,
    },
}

impl fmt::Display for EnqueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { capacity } => write!(
                f,
                "the outbox is full: {capacity} documents wait for the backend; enqueue the window again later"
            ),
            Self::OutOfOrder { offered, due } => write!(
                f,
                "the window that starts at {} is out of order: the next window to close starts at {}, and a \
                 correction is of an earlier window and has a revision above 0",
                offered.0, due.0
            ),
        }
    }
}

impl std::error::Error for EnqueueError {}
