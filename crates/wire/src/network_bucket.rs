//! The bucket of a network: all that is remembered of a sender's address. A keyed hash of the network, which changes
//! each day, chooses one of 128; `evidence` computes it.

use serde::{Deserialize, Deserializer, Serialize};

/// The number of buckets.
pub const BUCKETS: usize = 128;

/// One of [`BUCKETS`] buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct NetworkBucket(u8);

impl NetworkBucket {
    /// Returns the bucket of an index below [`BUCKETS`].
    #[must_use]
    pub const fn new(index: u8) -> Option<Self> {
        if (index as usize) < BUCKETS { Some(Self(index)) } else { None }
    }

    /// Returns the bucket of a hash.
    #[must_use]
    pub const fn from_hash(byte: u8) -> Self {
        Self(byte & 0x7f)
    }

    /// Returns the index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl<'de> Deserialize<'de> for NetworkBucket {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let index = u8::deserialize(deserializer)?;
        Self::new(index).ok_or_else(|| serde::de::Error::custom("no bucket of a network"))
    }
}
