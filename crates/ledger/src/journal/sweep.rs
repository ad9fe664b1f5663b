//! Sweeping: settled views leave the journal, a whole fold at a time, and with them void blocks that nothing replaced.

use wire::UnixMillis;

use super::codec::decode_fold;
use super::error::JournalError;
use super::state::Journal;
use crate::folded_view::FoldedView;
use crate::journal_row::VIEW_SETTLED_AFTER_MS;
use crate::record::ViewRecord;

/// The rows to delete. Blocks are deleted first, or together with folds: a block without a later fold is not void.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// Blocks up to this one; 0 for none.
    pub blocks_through: u64,
    /// Folds up to this one; 0 for none.
    pub folds_through: u64,
}

/// A view that leaves the journal, as of its latest beacon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledView {
    /// Its key.
    pub key: String,
    /// Its start.
    pub start: UnixMillis,
    /// The arrival of its latest beacon.
    pub heard_at: UnixMillis,
    /// Its latest record.
    pub record: ViewRecord,
}

impl Journal {
    /// Selects what is settled. `blocks` are the void ones and `folds` all, by number and time, in order. A fold
    /// stays while a beacon of one of its views waits to be folded, and all folds stay until the index is built. To
    /// sweep needs no write before it, so a full database becomes usable again.
    #[must_use]
    pub fn prepare_sweep(
        &self,
        now: UnixMillis,
        blocks: impl IntoIterator<Item = (u64, UnixMillis)>,
        folds: impl IntoIterator<Item = (u64, UnixMillis)>,
    ) -> Sweep {
        let settled = now.saturating_sub(VIEW_SETTLED_AFTER_MS);
        let through = self.stored.folded_through;
        let blocks = blocks.into_iter().take_while(|(number, at)| *number <= through && *at < settled);
        let blocks_through = blocks.last().map_or(0, |(number, _)| number);
        // The last fold tells which blocks are void.
        let has_void_blocks = self.stored.first_block.max(blocks_through.saturating_add(1)) <= through;
        let needed = has_void_blocks.then_some(self.stored.last_fold);
        let waiting =
            self.pending.keys().filter_map(|view| self.index.get(*view)).map(|location| location.fold());
        let kept_from = match self.is_ready() {
            true => waiting.chain(needed).min().unwrap_or(u64::MAX),
            false => 0,
        };
        let folds = folds.into_iter().take_while(|(number, at)| *number < kept_from && *at < settled);
        Sweep { blocks_through, folds_through: folds.last().map_or(0, |(number, _)| number) }
    }

    /// Returns the views of a fold that is to be swept, without those that a later fold has.
    ///
    /// # Errors
    /// Returns an error if the fold is damaged, or of an unsupported version.
    pub fn settled_views(
        &self,
        fold: u64,
        keys: &[u8],
        body: &[u8],
    ) -> Result<Vec<SettledView>, JournalError> {
        let mut views = Vec::new();
        for (position, (key, entry)) in decode_fold(keys, body)?.into_iter().enumerate() {
            let location = self.index.get(self.index.hash(key));
            let Some(json) = entry.folded.filter(|_| location.is_some_and(|it| it.is_at(fold, position)))
            else {
                continue;
            };
            let FoldedView { record, .. } =
                serde_json::from_str(json).map_err(|_| JournalError::MalformedBlock)?;
            views.push(SettledView {
                key: key.to_owned(),
                start: UnixMillis(entry.start),
                heard_at: UnixMillis(entry.heard_at),
                record,
            });
        }
        Ok(views)
    }

    /// Notes that rows were deleted.
    pub fn swept(&mut self, sweep: &Sweep) {
        let Sweep { blocks_through, folds_through } = *sweep;
        if blocks_through > 0 {
            self.stored.first_block = blocks_through.saturating_add(1);
        }
        if folds_through > 0 {
            self.index.forget_through(folds_through);
        }
    }
}
