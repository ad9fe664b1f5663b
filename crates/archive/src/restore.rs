//! The restore of a shard, page by page. A page that arrives again, because its answer was lost, changes nothing.

use serde::{Deserialize, Serialize};

use crate::backup_page::{PageLine, ShardHeader};
use crate::error::ArchiveError;
use crate::value::SqlValue;

/// The progress of a restore, which the object stores with the rows of each page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    /// The rows so far.
    rows: u64,
    /// True once all rows are there, and the object counts again.
    pub is_complete: bool,
}

/// The rows of a page that are to be inserted, with the progress after them.
#[derive(Clone, Debug, PartialEq)]
pub struct RestoreStep {
    /// Tables and rows; empty for a page that was restored before.
    pub rows: Vec<(String, Vec<SqlValue>)>,
    /// The progress after them.
    pub progress: Restore,
}

impl Restore {
    /// Takes the next page. `object` describes the object that is restored, and `is_empty` is true if it holds no data.
    ///
    /// # Errors
    /// The page is of another shard, of other tables, or not the next one; or the object holds data.
    pub fn take(
        progress: Option<Self>,
        object: &ShardHeader,
        is_empty: bool,
        lines: Vec<PageLine>,
    ) -> Result<RestoreStep, ArchiveError> {
        let mut lines = lines.into_iter();
        let before = match lines.next() {
            Some(PageLine::Header(header)) => {
                if header.tables != object.tables {
                    return Err(ArchiveError::OtherTables { backup: header.tables, worker: object.tables });
                }
                if header.shards != object.shards {
                    return Err(ArchiveError::OtherShards { backup: header.shards, site: object.shards });
                }
                if header.shard != object.shard {
                    return Err(ArchiveError::OtherShard);
                }
                if progress.is_none() && !is_empty {
                    return Err(ArchiveError::NotEmpty);
                }
                0
            }
            Some(PageLine::Follows(shard, rows)) if shard == object.shard => rows,
            Some(PageLine::Follows(..)) => return Err(ArchiveError::OtherShard),
            _ => return Err(ArchiveError::Malformed { line: 1 }),
        };
        let (rows, progress_after) = read_rows(before, lines)?;
        match progress {
            Some(known) if known == progress_after => Ok(RestoreStep { rows: Vec::new(), progress: known }),
            Some(known) if known.is_complete || known.rows != before => Err(ArchiveError::OutOfOrder),
            None if before > 0 => Err(ArchiveError::OutOfOrder),
            _ => Ok(RestoreStep { rows, progress: progress_after }),
        }
    }
}

type Rows = Vec<(String, Vec<SqlValue>)>;

/// Reads the lines after the first one.
fn read_rows(before: u64, lines: impl Iterator<Item = PageLine>) -> Result<(Rows, Restore), ArchiveError> {
    let mut rows = Vec::new();
    let mut end = None;
    for (index, line) in lines.enumerate() {
        match line {
            PageLine::Row(table, row) if end.is_none() => rows.push((table, row)),
            PageLine::Next(cursor) if end.is_none() => end = Some((cursor.rows, false)),
            PageLine::Rows(rows) if end.is_none() => end = Some((rows, true)),
            _ => return Err(ArchiveError::Malformed { line: index.saturating_add(2) }),
        }
    }
    let restored = before.saturating_add(rows.len() as u64);
    match end {
        Some((expected, is_complete)) if expected == restored => {
            Ok((rows, Restore { rows: restored, is_complete }))
        }
        Some((expected, _)) => Err(ArchiveError::Incomplete { restored, expected }),
        None => Err(ArchiveError::Malformed { line: rows.len().saturating_add(2) }),
    }
}
