//! Adoption of the journals of earlier table versions, which had a row for each view. A row becomes an entry of a
//! fold, and one that is not counted as of its latest beacon also a row of a block, which folds it.

use wire::UnixMillis;

use super::codec::{BlockRow, FoldEntry};
use super::error::JournalError;
use super::index::ViewHash;
use super::state::{Journal, NewBlock, NewFold};
use crate::folded_view::FoldedView;

/// A row of an earlier journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierView {
    /// The key of the view.
    pub key: String,
    /// The start of the view.
    pub start: UnixMillis,
    /// The arrival of the latest beacon.
    pub heard_at: UnixMillis,
    /// The number of the latest beacon.
    pub seq: u16,
    /// The beacons that arrived, one bit each.
    pub received_bits: u32,
    /// The latest record, as JSON.
    pub record: String,
    /// The view as it is counted, as JSON.
    pub folded: Option<String>,
    /// True if it is not counted as of its latest beacon.
    pub is_behind: bool,
}

/// The rows to write in place of earlier ones.
#[derive(Clone, Debug)]
pub struct AdoptedRows {
    /// Folds to write.
    pub folds: Vec<NewFold>,
    /// Blocks to write.
    pub blocks: Vec<NewBlock>,
}

impl Journal {
    /// Prepares the rows that take the place of earlier ones. To adopt a view twice changes nothing.
    ///
    /// # Errors
    /// Returns an error if a row is of a version that this code does not know.
    pub fn adopt(&self, views: &[EarlierView]) -> Result<AdoptedRows, JournalError> {
        let mut entries: Vec<(&str, ViewHash, FoldEntry<'_>)> = Vec::with_capacity(views.len());
        let mut rows: Vec<BlockRow<'_>> = Vec::new();
        for view in views {
            let is_behind = view.is_behind || view.folded.is_none();
            let seq = match &view.folded {
                None => 0,
                Some(json) => {
                    let folded: FoldedView =
                        serde_json::from_str(json).map_err(|_| JournalError::MalformedBlock)?;
                    if is_behind { folded.sent.saturating_sub(1) } else { view.seq }
                }
            };
            let entry = FoldEntry {
                start: view.start.0,
                heard_at: view.heard_at.0,
                seq,
                received_bits: view.received_bits,
                folded: view.folded.as_deref(),
            };
            entries.push((&view.key, self.index.hash(&view.key), entry));
            if is_behind {
                rows.push(BlockRow {
                    key: &view.key,
                    start: view.start.0,
                    seq: view.seq,
                    received_bits: view.received_bits,
                    is_late: false,
                    record: &view.record,
                });
            }
        }
        let at = views.iter().map(|view| view.heard_at).max().unwrap_or_default();
        Ok(AdoptedRows {
            folds: self.folds_of(&entries, self.stored.folded_through, at)?,
            blocks: self.blocks_of(rows, at)?,
        })
    }
}
