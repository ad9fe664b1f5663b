//! The errors of the journal.

use std::fmt;

/// The reason for which rows cannot be stored or read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalError {
    /// Rows that arrived are not those of a beacon.
    MalformedRows(String),
    /// A stored block is of a version that this code does not know.
    UnsupportedVersion(u8),
    /// A stored block is damaged.
    MalformedBlock,
    /// A record cannot be encoded.
    NotEncodable,
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MalformedRows(error) => write!(f, "the rows of a beacon are malformed: {error}"),
            Self::UnsupportedVersion(version) => write!(
                f,
                "a block of the journal has version {version}; deploy the version that wrote it, or a later one"
            ),
            Self::MalformedBlock => {
                write!(f, "a block of the journal is damaged; restore the object's storage")
            }
            Self::NotEncodable => write!(f, "a record of the journal cannot be encoded"),
        }
    }
}

impl std::error::Error for JournalError {}
