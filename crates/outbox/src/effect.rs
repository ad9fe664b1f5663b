//! What goes into the queue and what comes out of it.

use std::fmt;

use wire::{UnixMillis, Window};

use crate::response::AttemptOutcome;
use crate::state::{OutboxEntry, OutboxState};

/// One attempt to send one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The document.
    pub seq: u64,
    /// The attempt, counted from 1.
    pub number: u32,
}

/// A closed window, told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxDocument {
    /// The window.
    pub window: Window,
    /// 0, or the number of the correction.
    pub revision: u32,
    /// The bytes that are sent, now and at every further attempt.
    pub body: Vec<u8>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboxInput {
    /// The alarm went off, or the object started.
    Woken,
    /// An attempt ended.
    AttemptEnded {
        /// Which.
        attempt: Attempt,
        /// How.
        outcome: AttemptOutcome,
    },
    /// Somebody asks that what was put aside be sent again.
    Retry(RetryTarget),
}

/// Which of the documents that were put aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryTarget {
    /// All of them.
    All,
    /// The one of that number.
    One(u64),
}

/// What the shell must do: first store all of it in one block, then send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboxEffect {
    /// Store this document and its body.
    Insert(OutboxEntry, Vec<u8>),
    /// Store what is now known of this document; its body stays.
    Update(OutboxEntry),
    /// Remove this document: the backend has it.
    Remove(u64),
    /// Store this head in place of the one before.
    StoreState(OutboxState),
    /// Send the body of that number, signed, under that key.
    Send {
        /// To be given back with the answer.
        attempt: Attempt,
        /// The value of `Idempotency-Key`.
        idempotency_key: String,
    },
    /// Wake up at that moment, in place of any earlier wish.
    WakeAt(UnixMillis),
}

/// Why a document was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnqueueError {
    /// As many as may wait are waiting.
    Full {
        /// So many.
        capacity: usize,
    },
    /// The window is not the one that closes next, and no correction of an earlier one.
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
            Self::Full { capacity: room } => write!(
                f,
                "{room} documents wait for the backend already; offer the window again when some were taken"
            ),
            Self::OutOfOrder { offered, due } => write!(
                f,
                "the window that starts at {} is not the one that closes next: that starts at {}, and a \
                 correction is of an earlier one and has a revision above 0",
                offered.0, due.0
            ),
        }
    }
}

impl std::error::Error for EnqueueError {}
