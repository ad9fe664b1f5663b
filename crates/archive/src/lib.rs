//! Backups of a site. Each of its shards is a sequence of pages; a page is text with a document in JSON on each line:
//! a header, rows, and the place where the next page begins or the number of rows of the whole shard.
//!
//! A backup is consistent although beacons arrive meanwhile: nothing is folded until it ends, and the journal comes
//! last, so that blocks that are stored meanwhile are views that are not counted yet.

mod page;
mod restore;
mod value;

pub use page::{Cursor, Header, Page, PageLine, parse_page};
pub use restore::{Restore, RestoreStep};
pub use value::Value;

use core::fmt;

use wire::sorting::SortSlice;

/// The tables in the order of a backup: the journal last. Tables that this list does not have come in between.
#[must_use]
pub fn in_order(mut tables: Vec<String>) -> Vec<String> {
    // Those of SQLite and of the platform.
    tables.retain(|table| !table.starts_with("sqlite_") && !table.starts_with('_'));
    tables.order_by_key(|table| (table == JOURNAL, table.clone()));
    tables
}

/// Returns true for a row that describes the object itself, which the restored object has its own of.
#[must_use]
pub fn is_own_fact(table: &str, row: &[Value]) -> bool {
    table == FACTS && matches!(row.first(), Some(Value::Text(name)) if OWN_FACTS.contains(&name.as_str()))
}

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

/// The journal of views.
const JOURNAL: &str = "journal";
/// The table of facts.
const FACTS: &str = "facts";
/// The version of the tables, and the progress of a restore.
const OWN_FACTS: [&str; 2] = ["schema", RESTORE_FACT];
/// The fact that holds the progress of a restore.
pub const RESTORE_FACT: &str = "restore";
