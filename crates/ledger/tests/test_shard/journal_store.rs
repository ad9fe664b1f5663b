//! The rows of a journal as the shell stores them.

use std::collections::BTreeMap;

use ledger::journal::{
    FoldPlan, HashKey, Journal, JournalStep, MergedViews, NewBlock, NewFold, ReceivedRows, SettledView,
    StoredRows,
};
use ledger::{FoldedView, UnfoldedView};
use wire::UnixMillis;

/// The stored rows, and the journal in memory.
pub(crate) struct JournalStore {
    pub(crate) blocks: BTreeMap<u64, (UnixMillis, Vec<u8>)>,
    pub(crate) folds: BTreeMap<u64, NewFold>,
    pub(crate) journal: Journal,
    /// The number of blocks in one slice.
    pub(crate) slice_blocks: usize,
    pub(crate) rows_written: usize,
    restarts: u64,
}

impl Default for JournalStore {
    fn default() -> Self {
        Self {
            blocks: BTreeMap::new(),
            folds: BTreeMap::new(),
            journal: Journal::open(StoredRows::default(), HashKey([0; 4])),
            slice_blocks: usize::MAX,
            rows_written: 0,
            restarts: 0,
        }
    }
}

impl JournalStore {
    pub(crate) fn stored_rows(&self) -> StoredRows {
        StoredRows {
            first_block: self.blocks.keys().next().copied().unwrap_or_default(),
            last_block: self.blocks.keys().next_back().copied().unwrap_or_default(),
            last_fold: self.folds.keys().next_back().copied().unwrap_or_default(),
            folded_through: self.folds.values().next_back().map(|fold| fold.through).unwrap_or_default(),
        }
    }

    /// Forgets what is in memory.
    pub(crate) fn restart(&mut self) {
        self.restarts += 1;
        self.journal = Journal::open(self.stored_rows(), HashKey([self.restarts, 2, 3, 4]));
    }

    pub(crate) fn commit(&mut self, rows: &[String], now: UnixMillis) {
        let json = format!("[{}]", rows.join(","));
        let blocks = self.journal.prepare_blocks(&ReceivedRows::parse(&json).unwrap(), now).unwrap();
        blocks.iter().for_each(|block| self.write_block(block));
        self.journal.blocks_written(&blocks);
    }

    /// Writes the first blocks of a commit, then fails.
    pub(crate) fn fail_commit(&mut self, rows: &[String], written: usize, now: UnixMillis) {
        for row in &rows[..written] {
            let json = format!("[{row}]");
            let blocks = self.journal.prepare_blocks(&ReceivedRows::parse(&json).unwrap(), now).unwrap();
            blocks.iter().for_each(|block| self.write_block(block));
            self.journal.reload(self.stored_rows());
        }
        self.journal.reload(self.stored_rows());
    }

    pub(crate) fn write_block(&mut self, block: &NewBlock) {
        if let Some(replaced) = block.replaced {
            assert!(self.blocks.remove(&replaced).is_some(), "block {replaced} is there to be replaced");
        }
        self.rows_written += 1;
        assert!(self.blocks.insert(block.number, (block.at, block.body.clone())).is_none());
    }

    pub(crate) fn write_folds(&mut self, folds: Vec<NewFold>) {
        for fold in &folds {
            self.rows_written += 1;
            assert!(self.folds.insert(fold.number, fold.clone()).is_none());
        }
        self.journal.folds_written(folds).unwrap();
    }

    /// Takes one step: notes blocks, indexes folds, or returns the next views to fold.
    pub(crate) fn step(&mut self) -> Option<MergedViews> {
        match self.journal.next_step() {
            JournalStep::NoteBlocks { after, before } => {
                for (number, (_, body)) in self.blocks.range(after + 1..before).take(self.slice_blocks) {
                    self.journal.note_block(*number, body).unwrap();
                }
                None
            }
            JournalStep::IndexFolds { after } => {
                for (number, fold) in self.folds.range(after + 1..).take(self.slice_blocks) {
                    self.journal.index_fold(*number, &fold.keys).unwrap();
                }
                None
            }
            JournalStep::FoldBlocks { after } => {
                let mut plan = FoldPlan::default();
                for (number, (at, body)) in self.blocks.range(after + 1..).take(self.slice_blocks) {
                    self.journal.plan_block(&mut plan, *number, *at, body).unwrap();
                }
                Some(self.merge(plan))
            }
            JournalStep::Idle => None,
        }
    }

    fn merge(&self, mut plan: FoldPlan) -> MergedViews {
        for fold in plan.folds_to_load() {
            let NewFold { keys, body, .. } = &self.folds[&fold];
            plan.take_fold(fold, keys, body).unwrap();
        }
        plan.merge().unwrap()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.journal.next_step() == JournalStep::Idle
    }

    pub(crate) fn record(&mut self, merged: &MergedViews, folded: &[(String, FoldedView)]) {
        let folds = self.journal.prepare_folds(merged, folded).unwrap();
        self.write_folds(folds);
    }

    pub(crate) fn sweep(&mut self, now: UnixMillis) -> Vec<SettledView> {
        let sweep = self.journal.prepare_sweep(
            now,
            self.blocks.iter().map(|(number, (at, _))| (*number, *at)),
            self.folds.iter().map(|(number, fold)| (*number, fold.at)),
        );
        let swept = self.folds.range(..=sweep.folds_through);
        let settled = swept
            .flat_map(|(number, fold)| self.journal.settled_views(*number, &fold.keys, &fold.body).unwrap())
            .collect();
        self.blocks.retain(|number, _| *number > sweep.blocks_through);
        self.folds.retain(|number, _| *number > sweep.folds_through);
        self.journal.swept(&sweep);
        settled
    }

    /// Returns the keys of the views in blocks that are not folded.
    pub(crate) fn pending_keys(&self) -> Vec<String> {
        let pending = self.blocks.range(self.stored_rows().folded_through + 1..);
        let rows = pending.flat_map(|(_, (_, body))| -> Vec<(String, u64, u16, u32, bool, String)> {
            postcard::from_bytes(body.strip_prefix(&[1]).unwrap()).unwrap()
        });
        rows.map(|(key, ..)| key).collect()
    }

    /// Returns each view in stored folds, as the latest has it.
    pub(crate) fn folded_views(&self) -> BTreeMap<String, UnfoldedView> {
        let mut views = BTreeMap::new();
        for NewFold { keys, body, .. } in self.folds.values() {
            let keys: Vec<String> = postcard::from_bytes(keys.strip_prefix(&[1]).unwrap()).unwrap();
            let entries: Vec<(u64, u64, u16, u32, Option<String>)> =
                postcard::from_bytes(body.strip_prefix(&[1]).unwrap()).unwrap();
            for (key, (start, _, seq, received_bits, folded)) in keys.into_iter().zip(entries) {
                let folded: FoldedView = serde_json::from_str(&folded.unwrap()).unwrap();
                let (start, record) = (UnixMillis(start), folded.record.clone());
                let folded = Some(folded);
                views.insert(key.clone(), UnfoldedView { key, start, seq, received_bits, record, folded });
            }
        }
        views
    }
}
