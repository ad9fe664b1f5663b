//! The pages of one shard.

use serde::{Deserialize, Serialize};
use wire::UnixMillis;

use crate::error::ArchiveError;
use crate::value::SqlValue;

/// The shard that a backup is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardHeader {
    /// The number of the shard, from 0.
    pub shard: u32,
    /// The shards of the site.
    pub shards: u32,
    /// The version of the tables.
    pub tables: u8,
    /// The start of the backup.
    pub at: UnixMillis,
}

/// The last row of a page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cursor {
    /// Its table.
    pub table: String,
    /// Its primary key; empty before the first row.
    pub key: Vec<SqlValue>,
    /// The rows of the shard so far.
    pub rows: u64,
}

/// A line of a page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PageLine {
    /// The first line of the first page.
    Header(ShardHeader),
    /// The first line of any other page: its shard, and the number of rows before it.
    Follows(u32, u64),
    /// A row of a table.
    Row(String, Vec<SqlValue>),
    /// The last line of a page that others follow.
    Next(Cursor),
    /// The last line of a shard: the number of its rows.
    Rows(u64),
}

/// A page while it is written.
#[derive(Clone, Debug)]
pub struct BackupPage {
    text: String,
    rows: u64,
}

impl BackupPage {
    /// Begins the first page of a shard.
    #[must_use]
    pub fn first(header: ShardHeader) -> Self {
        let mut page = Self { text: String::new(), rows: 0 };
        page.add(&PageLine::Header(header));
        page
    }

    /// Begins a page that follows others.
    #[must_use]
    pub fn following(shard: u32, cursor: &Cursor) -> Self {
        let mut page = Self { text: String::new(), rows: cursor.rows };
        page.add(&PageLine::Follows(shard, cursor.rows));
        page
    }

    /// Adds a row.
    pub fn add_row(&mut self, table: &str, row: Vec<SqlValue>) {
        self.add(&PageLine::Row(table.to_owned(), row));
        self.rows = self.rows.saturating_add(1);
    }

    /// Returns true once the page has so much text that the next row is of the next page.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.text.len() >= PAGE_BYTES
    }

    /// Ends a page that others follow.
    #[must_use]
    pub fn next_after(mut self, table: &str, key: Vec<SqlValue>) -> String {
        let cursor = Cursor { table: table.to_owned(), key, rows: self.rows };
        self.add(&PageLine::Next(cursor));
        self.text
    }

    /// Ends the last page of a shard.
    #[must_use]
    pub fn end(mut self) -> String {
        self.add(&PageLine::Rows(self.rows));
        self.text
    }

    fn add(&mut self, line: &PageLine) {
        // Numbers, texts and lists: JSON has all of them.
        self.text.push_str(&serde_json::to_string(line).unwrap_or_default());
        self.text.push('\n');
    }
}

/// Parses the lines of a page.
///
/// # Errors
/// `Malformed` with the first line that is not of a backup.
pub fn parse_page(text: &str) -> Result<Vec<PageLine>, ArchiveError> {
    let parse = |(index, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|_| ArchiveError::Malformed { line: index.saturating_add(1) })
    };
    text.lines().enumerate().map(parse).collect()
}

/// A page is written and read within a slice of an object's time.
const PAGE_BYTES: usize = 300_000;
