//! Values that an application's cache stores in the Worker: rendered pages, results of functions and of fetches. A value
//! has tags and the purge count that its maker knew, as a stored response has, and the same view of purges voids it.
//!
//! The application makes the envelope, and the Worker stores it unchanged: four magic bytes, the lengths of the head and
//! of the body as big-endian 32-bit numbers, the head as JSON, and the body. An envelope that is cut off is no value.

use std::fmt;

use serde::{Deserialize, Serialize};
use wire::UnixMillis;

use crate::entry::MAX_RETENTION_SECONDS;
use crate::purge::{PurgeStatus, PurgeView, are_tags_sound};

/// The head of a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredValue {
    /// The purge count that was known before the value was made.
    pub seq: u64,
    /// The tags.
    pub tags: Vec<String>,
    /// The time from which the value is not used any more.
    pub expires: UnixMillis,
}

/// The reason why an envelope is no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredValueError {
    /// It does not begin as an envelope, or its length is not the one it states.
    Malformed,
    /// The head or the whole is too large.
    TooLarge,
    /// The head cannot be read.
    Head(String),
    /// There are too many tags, or one is too long.
    Tags,
}

impl StoredValue {
    /// Parses the beginning of an envelope that has `length` bytes as a whole.
    pub fn parse(beginning: &[u8], length: usize) -> Result<Self, StoredValueError> {
        let number = |at: usize| {
            let bytes = beginning.get(at..).and_then(|rest| rest.first_chunk::<4>());
            bytes.and_then(|bytes| usize::try_from(u32::from_be_bytes(*bytes)).ok())
        };
        if beginning.first_chunk::<4>() != Some(MAGIC) {
            return Err(StoredValueError::Malformed);
        }
        let (head, body) = number(4).zip(number(8)).ok_or(StoredValueError::Malformed)?;
        if head > MAX_HEAD_BYTES || length > MAX_VALUE_BYTES {
            return Err(StoredValueError::TooLarge);
        }
        let is_whole =
            PREFIX_BYTES.checked_add(head).and_then(|start| start.checked_add(body)) == Some(length);
        let head = beginning.get(PREFIX_BYTES..PREFIX_BYTES.saturating_add(head)).filter(|_| is_whole);
        let value: Self = serde_json::from_slice(head.ok_or(StoredValueError::Malformed)?)
            .map_err(|error| StoredValueError::Head(error.to_string()))?;
        if are_tags_sound(&value.tags) { Ok(value) } else { Err(StoredValueError::Tags) }
    }

    /// Returns true if the value may be handed out. `further_tags` are those of its reader, such as the tags of a path.
    /// A softly purged value may: its reader serves it while it makes another. If the purges are unknown, it may not.
    #[must_use]
    pub fn is_usable(
        &self,
        further_tags: &[String],
        view: &PurgeView,
        now: UnixMillis,
        lease_ms: u64,
    ) -> bool {
        // The status of a value without tags does not depend on the lease, but that of its reader's tags does.
        if now >= self.expires || !view.is_current(now, lease_ms) {
            return false;
        }
        let tags: Vec<String> = self.tags.iter().chain(further_tags).cloned().collect();
        match view.purge_status(self.seq, &tags, "", now, lease_ms) {
            PurgeStatus::NotPurged | PurgeStatus::SoftPurged => true,
            PurgeStatus::HardPurged | PurgeStatus::Unknown => false,
        }
    }

    /// Returns the seconds for which the value is stored; none if it is not worth storing. Purges are remembered for
    /// longer than any value.
    #[must_use]
    pub fn retention_seconds(&self, now: UnixMillis) -> Option<u64> {
        let seconds = self.expires.0.saturating_sub(now.0) / 1000;
        (seconds > 0).then(|| seconds.clamp(MIN_RETENTION_SECONDS, MAX_RETENTION_SECONDS))
    }
}

impl fmt::Display for StoredValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => write!(f, "the body is no envelope, or it was cut off; send it whole"),
            Self::TooLarge => {
                write!(f, "a value may have at most {MAX_VALUE_BYTES} bytes, and its head {MAX_HEAD_BYTES}")
            }
            Self::Head(error) => write!(f, "the head of the value is invalid: {error}"),
            Self::Tags => {
                write!(f, "the value has too many tags, or one that is too long, so it could not be purged")
            }
        }
    }
}

impl std::error::Error for StoredValueError {}

/// Returns true for a key of a value: a SHA-256 in hexadecimal digits.
#[must_use]
pub fn is_value_key(key: &str) -> bool {
    key.len() == 64 && key.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The magic bytes of version 1.
const MAGIC: &[u8; 4] = b"evv1";
/// The magic bytes and both lengths.
pub const PREFIX_BYTES: usize = 12;
/// The head has the tags, and what the application keeps beside the body.
pub const MAX_HEAD_BYTES: usize = 65_536;
/// The largest envelope.
pub const MAX_VALUE_BYTES: usize = 8 << 20;
/// The shortest expiration that Workers KV accepts.
const MIN_RETENTION_SECONDS: u64 = 60;
