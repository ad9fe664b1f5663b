//! The error of reading what an earlier version stored or another shard sent. The codecs themselves belong
//! to the crates whose types they encode.

use std::fmt;

/// Stored or sent bytes that no supported version wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodecError;

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the stored bytes are malformed or of an unsupported version")
    }
}

impl std::error::Error for CodecError {}
