//! The state of the journal in memory: the numbers of the stored rows, the index, and the views that wait.

use std::collections::BTreeMap;

use wire::UnixMillis;
use wire::live::LiveDelta;

use super::codec::{BlockRow, FoldEntry, decode, encode};
use super::error::JournalError;
use super::fold_plan::{FoldPlan, MergedViews};
use super::index::{HashKey, ViewHash, ViewIndex};
use super::received_rows::ReceivedRows;
use crate::folded_view::FoldedView;
use crate::record::ViewRecord;

/// The journal of a shard.
#[derive(Debug)]
pub struct Journal {
    pub(super) stored: StoredRows,
    pub(super) index: ViewIndex,
    /// Folds up to this one are in the index.
    indexed_through: u64,
    /// The views that are not folded yet, with their latest block.
    pub(super) pending: BTreeMap<ViewHash, u64>,
    /// The blocks after the last fold up to `noted_through`, and those from `noted_from` on, are in `pending`.
    noted_through: u64,
    noted_from: u64,
}

/// The numbers of the stored rows, which count from 1; 0 stands for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoredRows {
    /// The first block.
    pub first_block: u64,
    /// The last block.
    pub last_block: u64,
    /// The last fold.
    pub last_fold: u64,
    /// The last block that was folded.
    pub folded_through: u64,
}

/// A block to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBlock {
    /// Its number.
    pub number: u64,
    /// The number of the void block that it takes the place of.
    pub replaced: Option<u64>,
    /// The time of its arrival.
    pub at: UnixMillis,
    /// Its bytes.
    pub body: Vec<u8>,
    views: Vec<ViewHash>,
}

/// A fold to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFold {
    /// Its number.
    pub number: u64,
    /// The last block that is folded with it.
    pub through: u64,
    /// The arrival of the latest of its beacons.
    pub at: UnixMillis,
    /// The bytes of the views' keys.
    pub keys: Vec<u8>,
    /// The bytes of the views.
    pub body: Vec<u8>,
    views: Vec<ViewHash>,
}

/// The work before everything is folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalStep {
    /// Note blocks between these numbers, in order.
    NoteBlocks {
        /// The number before the first.
        after: u64,
        /// The number after the last.
        before: u64,
    },
    /// Index the keys of folds after this one, in order.
    IndexFolds {
        /// The number before the first.
        after: u64,
    },
    /// Fold blocks after this one, in order.
    FoldBlocks {
        /// The number before the first.
        after: u64,
    },
    /// Everything is folded.
    Idle,
}

impl Journal {
    /// Opens a stored journal.
    #[must_use]
    pub fn open(stored: StoredRows, hash_key: HashKey) -> Self {
        let mut journal = Self {
            stored: StoredRows::default(),
            index: ViewIndex::new(hash_key),
            indexed_through: 0,
            pending: BTreeMap::new(),
            noted_through: 0,
            noted_from: 1,
        };
        journal.reload(stored);
        journal
    }

    /// Takes the numbers of the stored rows, after a write that failed.
    pub fn reload(&mut self, stored: StoredRows) {
        let last_block = stored.last_block.max(stored.folded_through);
        let first_block =
            if stored.first_block == 0 { last_block.saturating_add(1) } else { stored.first_block };
        if last_block != self.stored.last_block {
            (self.noted_through, self.noted_from) = (stored.folded_through, last_block.saturating_add(1));
        }
        // Where everything was swept, numbers begin anew.
        self.indexed_through = self.indexed_through.min(stored.last_fold);
        self.stored = StoredRows { first_block, last_block, ..stored };
        self.noted_through = self.noted_through.max(stored.folded_through);
        self.pending.retain(|_, block| *block > stored.folded_through);
    }

    /// Prepares the blocks of the rows of a commit; nearly always one.
    ///
    /// # Errors
    /// Returns an error if a row cannot be encoded.
    pub fn prepare_blocks(
        &self,
        rows: &ReceivedRows<'_>,
        now: UnixMillis,
    ) -> Result<Vec<NewBlock>, JournalError> {
        self.blocks_of(rows.iter().collect(), now)
    }

    pub(super) fn blocks_of(
        &self,
        rows: Vec<BlockRow<'_>>,
        at: UnixMillis,
    ) -> Result<Vec<NewBlock>, JournalError> {
        let mut blocks = Vec::new();
        let mut left = rows.as_slice();
        while !left.is_empty() {
            let mut bytes = 0_usize;
            let fits = |row: &&BlockRow<'_>| {
                bytes = bytes.saturating_add(row.key.len()).saturating_add(row.record.len());
                bytes <= MAX_BLOCK_BYTES
            };
            let count = left.iter().take(MAX_BLOCK_ROWS).take_while(fits).count().max(1);
            let (block, rest) = left.split_at(count);
            left = rest;
            let index = blocks.len() as u64;
            let void = self.stored.first_block.saturating_add(index);
            blocks.push(NewBlock {
                number: self.stored.last_block.saturating_add(1).saturating_add(index),
                replaced: (void <= self.stored.folded_through).then_some(void),
                at,
                body: encode(&block)?,
                views: block.iter().map(|row| self.index.hash(row.key)).collect(),
            });
        }
        Ok(blocks)
    }

    /// Notes that blocks were written.
    pub fn blocks_written(&mut self, blocks: &[NewBlock]) {
        for block in blocks {
            if let Some(replaced) = block.replaced {
                self.stored.first_block = replaced.saturating_add(1);
            }
            self.stored.last_block = block.number;
            self.pending.extend(block.views.iter().map(|view| (*view, block.number)));
        }
    }

    /// Counts the new views of a commit, before it is written. While the index is not built, a first beacon stands
    /// for a new view.
    #[must_use]
    pub fn live_delta(&self, rows: &ReceivedRows<'_>) -> LiveDelta {
        let mut latest: BTreeMap<&str, BlockRow<'_>> = BTreeMap::new();
        let all: Vec<BlockRow<'_>> = rows.iter().collect();
        for row in all.iter().filter(|row| self.is_new(row)) {
            let known = latest.entry(row.key).or_insert(*row);
            if row.seq > known.seq {
                *known = *row;
            }
        }
        let mut delta = LiveDelta::default();
        for record in latest.values().filter_map(|row| ViewRecord::from_json(row.record)) {
            delta.record_view(!record.labels.is_visitor(), &record.values);
        }
        delta
    }

    fn is_new(&self, row: &BlockRow<'_>) -> bool {
        let view = self.index.hash(row.key);
        let is_known = self.index.get(view).is_some() || self.pending.contains_key(&view);
        !row.is_late && !is_known && (self.is_ready() || row.seq == 0)
    }

    /// Returns the number of views that are not folded yet, once all blocks are noted.
    #[must_use]
    pub fn pending_count(&self) -> u64 {
        self.pending.len() as u64
    }

    /// Returns the time by which the waiting views are folded, if nothing asks for them before: soon if they are many,
    /// otherwise late, because a fold writes some rows however few views it has.
    #[must_use]
    pub fn folds_by(&self, now: UnixMillis) -> UnixMillis {
        let is_large = self.pending_count() >= MAX_WAITING_VIEWS;
        if is_large { now } else { now.saturating_add(MAX_WAIT_MS) }
    }

    /// Returns the number of the last block.
    #[must_use]
    pub const fn last_block(&self) -> u64 {
        self.stored.last_block
    }

    /// Returns the next step of the work.
    #[must_use]
    pub const fn next_step(&self) -> JournalStep {
        let StoredRows { last_fold, folded_through, last_block, .. } = self.stored;
        if self.noted_through.saturating_add(1) < self.noted_from {
            JournalStep::NoteBlocks { after: self.noted_through, before: self.noted_from }
        } else if self.indexed_through < last_fold {
            JournalStep::IndexFolds { after: self.indexed_through }
        } else if folded_through < last_block {
            JournalStep::FoldBlocks { after: folded_through }
        } else {
            JournalStep::Idle
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(self.next_step(), JournalStep::FoldBlocks { .. } | JournalStep::Idle)
    }

    /// Notes the views of a stored block, and returns their number.
    ///
    /// # Errors
    /// Returns an error if the block is damaged, or of an unsupported version.
    pub fn note_block(&mut self, number: u64, body: &[u8]) -> Result<usize, JournalError> {
        let rows: Vec<BlockRow<'_>> = decode(body)?;
        for row in &rows {
            let latest = self.pending.entry(self.index.hash(row.key)).or_default();
            *latest = number.max(*latest);
        }
        self.noted_through = number;
        Ok(rows.len())
    }

    /// Indexes the keys of a stored fold, and returns their number.
    ///
    /// # Errors
    /// Returns an error if the keys are damaged, or of an unsupported version.
    pub fn index_fold(&mut self, number: u64, keys: &[u8]) -> Result<usize, JournalError> {
        let keys: Vec<&str> = decode(keys)?;
        let hashes: Vec<ViewHash> = keys.iter().map(|key| self.index.hash(key)).collect();
        self.index.insert_fold(number, hashes)?;
        self.indexed_through = number;
        Ok(keys.len())
    }

    /// Adds the next block to a slice.
    ///
    /// # Errors
    /// Returns an error if the block is damaged, or of an unsupported version.
    pub fn plan_block(
        &self,
        plan: &mut FoldPlan,
        number: u64,
        at: UnixMillis,
        body: &[u8],
    ) -> Result<(), JournalError> {
        plan.push(&self.index, number, at, body)
    }

    /// Prepares the folds of a slice whose views are now counted as given. There is one at least, because blocks
    /// whose rows are all ignored are folded as well.
    ///
    /// # Errors
    /// Returns an error if a view cannot be encoded.
    pub fn prepare_folds(
        &self,
        merged: &MergedViews,
        folded: &[(String, FoldedView)],
    ) -> Result<Vec<NewFold>, JournalError> {
        let mut entries = Vec::with_capacity(folded.len());
        for (key, folded) in folded {
            let state = merged.states.get(key).ok_or(JournalError::NotEncodable)?;
            let json = serde_json::to_string(folded).map_err(|_| JournalError::NotEncodable)?;
            entries.push((key.as_str(), state, json));
        }
        let entries: Vec<(&str, ViewHash, FoldEntry<'_>)> = entries
            .iter()
            .map(|(key, state, json)| {
                let entry = FoldEntry {
                    start: state.start.0,
                    heard_at: state.heard_at.0,
                    seq: state.seq,
                    received_bits: state.received_bits,
                    folded: Some(json),
                };
                (*key, state.hash, entry)
            })
            .collect();
        self.folds_of(&entries, merged.through, merged.at)
    }

    pub(super) fn folds_of(
        &self,
        entries: &[(&str, ViewHash, FoldEntry<'_>)],
        through: u64,
        at: UnixMillis,
    ) -> Result<Vec<NewFold>, JournalError> {
        let chunks = entries.chunks(MAX_FOLD_VIEWS).chain(entries.is_empty().then_some(entries));
        let fold = |(number, chunk): (u64, &[(&str, ViewHash, FoldEntry<'_>)])| {
            let keys: Vec<&str> = chunk.iter().map(|(key, ..)| *key).collect();
            let rows: Vec<FoldEntry<'_>> = chunk.iter().map(|(.., entry)| *entry).collect();
            Ok(NewFold {
                number,
                through,
                at,
                keys: encode(&keys)?,
                body: encode(&rows)?,
                views: chunk.iter().map(|(_, hash, _)| *hash).collect(),
            })
        };
        (self.stored.last_fold.saturating_add(1)..).zip(chunks).map(fold).collect()
    }

    /// Notes that folds were written.
    ///
    /// # Errors
    /// Returns an error if there are more folds than the index can number.
    pub fn folds_written(&mut self, folds: Vec<NewFold>) -> Result<(), JournalError> {
        for fold in folds {
            if self.indexed_through == self.stored.last_fold {
                self.index.insert_fold(fold.number, fold.views)?;
                self.indexed_through = fold.number;
            }
            (self.stored.last_fold, self.stored.folded_through) = (fold.number, fold.through);
        }
        let through = self.stored.folded_through;
        self.noted_through = self.noted_through.max(through);
        self.pending.retain(|_, block| *block > through);
        Ok(())
    }

    /// Returns the memory of the index.
    #[must_use]
    pub fn index_bytes(&self) -> usize {
        self.index.memory_bytes()
    }
}

/// Views wait to be folded until they are this many, or for this time.
const MAX_WAITING_VIEWS: u64 = 2_000;
const MAX_WAIT_MS: u64 = 15 * 60_000;
/// A block holds this many rows and bytes at most, so that a slice of folding stays short and a row of SQLite small.
const MAX_BLOCK_ROWS: usize = 75;
const MAX_BLOCK_BYTES: usize = 256 * 1024;
/// A fold holds this many views at most, because a correction of one reads all of them.
const MAX_FOLD_VIEWS: usize = 150;
