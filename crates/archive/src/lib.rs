//! Backups of a site. Each of its shards is a sequence of pages; a page is text with a document in JSON on each line:
//! a header, rows, and the place where the next page begins or the number of rows of the whole shard.
//!
//! A backup is consistent although beacons arrive meanwhile: nothing is folded until it ends, and the journal comes
//! last, so that blocks that are stored meanwhile are views that are not counted yet.

mod backup_page;
mod error;
mod restore;
mod value;

pub use backup_page::{BackupPage, Cursor, PageLine, ShardHeader, parse_page};
pub use error::ArchiveError;
pub use restore::{Restore, RestoreStep};
pub use value::SqlValue;

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
pub fn is_own_fact(table: &str, row: &[SqlValue]) -> bool {
    table == FACTS && matches!(row.first(), Some(SqlValue::Text(name)) if OWN_FACTS.contains(&name.as_str()))
}

/// The journal of views.
const JOURNAL: &str = "journal";
/// The table of facts.
const FACTS: &str = "facts";
/// The version of the tables, the name of the site, and the progress of a restore.
const OWN_FACTS: [&str; 3] = ["schema", "site", RESTORE_FACT];
/// The fact that holds the progress of a restore.
pub const RESTORE_FACT: &str = "restore";
