//! Errors of backups and restores.

use core::fmt;

/// An error in a page of a backup, or of its place in the sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveError {
    /// A line that is not of a backup.
    Malformed {
        /// Its number, from 1.
        line: usize,
    },
    /// Written by a release with other tables.
    OtherTables {
        /// The version in the backup.
        backup: u8,
        /// That of this Worker.
        worker: u8,
    },
    /// A site with another number of shards.
    OtherShards {
        /// The number in the backup.
        backup: u32,
        /// That of this site.
        site: u32,
    },
    /// A page of another shard.
    OtherShard,
    /// The first page of a shard that holds data.
    NotEmpty,
    /// A page that does not follow the last one that was restored.
    OutOfOrder,
    /// The last page of a shard of which rows are missing.
    Incomplete {
        /// The rows that were restored.
        restored: u64,
        /// The rows of the backup.
        expected: u64,
    },
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { line } => write!(f, "line {line} is not of a backup"),
            Self::OtherTables { backup, worker } => write!(
                f,
                "the backup has tables of version {backup}, this Worker has version {worker}; deploy the release that wrote it"
            ),
            Self::OtherShards { backup, site } => write!(
                f,
                "the backup has {backup} shards, this site has {site}; set `shards` of the site as it was"
            ),
            Self::OtherShard => f.write_str("the page is of another shard"),
            Self::NotEmpty => {
                f.write_str("the site holds data; erase it first, or restore under another name")
            }
            Self::OutOfOrder => f.write_str(
                "the page does not follow the last one that was restored; erase the site and begin again",
            ),
            Self::Incomplete { restored, expected } => {
                write!(f, "{restored} of {expected} rows were restored; erase the site and begin again")
            }
        }
    }
}
