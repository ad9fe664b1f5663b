//! The stored rows of the journal. Rows arrive in batches, which the shim collects; `ledger::journal` decides which
//! rows are written, folded and deleted.

use std::num::NonZeroU32;

use ledger::DayQuota;
use ledger::journal::{
    FoldPlan, HashKey, Journal, JournalError, JournalStep, MergedViews, NewBlock, NewFold, ReceivedRows,
    StoredRows,
};
use wire::UnixMillis;
use wire::live::LiveDelta;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::{Error, Result, SqlStorageValue};

use super::object::Shard;
use super::sample_export::SampleBudget;
use super::turn::Turn;
use crate::clock::{now, random_seed};
use crate::sql::{from_sql_integer, to_sql_integer, unsupported_row};

#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
impl Shard {
    /// Writes rows to the journal, without an await. The output gate holds every response until they are on
    /// disk.
    pub fn commit(&self, rows: &str) -> bool {
        // Monitoring is stopped: beacons are accepted and discarded.
        if self.ensure_open().is_ok() && !self.is_monitored() {
            return true;
        }
        // A beacon is sent again later; while a backup is being restored, its block would be in the way of another.
        if self.is_restoring().unwrap_or(true) {
            return false;
        }
        match self.append(rows) {
            Ok(None) => {}
            Ok(Some(delta)) => self.publish(&delta),
            Err(error) => {
                worker::console_error!("{} bytes of journal rows not stored: {error}", rows.len());
                return false;
            }
        }
        self.schedule_folding();
        true
    }

    /// Counts beacons towards the shard's share of the site's quota. Returns false if they exceed it.
    pub fn admit(&self, beacons: u32, day_share: u32) -> bool {
        let Some(share) = NonZeroU32::new(day_share) else { return true };
        // A quota that cannot be read is no reason to lose beacons.
        let mut quota = match self.day_quota.get() {
            Some(quota) => quota,
            None if self.ensure_open().is_ok() => {
                self.load_fact::<DayQuota>(DAY_QUOTA_FACT).ok().flatten().unwrap_or_default()
            }
            None => return true,
        };
        let is_admitted = quota.admit(beacons, share, now());
        self.day_quota.set(Some(quota));
        is_admitted
    }

    /// Returns the milliseconds for which a commit that begins with these rows collects more.
    pub fn commit_delay(&self, rows: usize, is_awaited: bool) -> u32 {
        let mut window = self.commit_window.get();
        let delay = window.delay_ms(rows, is_awaited, now());
        self.commit_window.set(window);
        delay
    }
}

impl Shard {
    /// Stores the beacons of the day, if the site has a quota.
    pub(super) fn store_day_quota(&self) -> Result<()> {
        self.day_quota.get().map_or(Ok(()), |quota| self.store_fact(DAY_QUOTA_FACT, &quota))
    }

    fn schedule_folding(&self) {
        if self.is_maintaining.get() {
            return;
        }
        let folds_by = self.with_journal(|journal| Ok(journal.folds_by(now()))).unwrap_or_else(|_| now());
        self.note_arrival();
        let maintenance_at = self.maintenance_at.get();
        if maintenance_at > folds_by || maintenance_at == UnixMillis(0) {
            self.maintenance_at.set(folds_by);
            self.alarm.wake_by(folds_by, "folding");
        }
    }

    /// Returns true if so many views wait that they are to be folded at once.
    pub(super) fn waits_to_be_folded(&self) -> Result<bool> {
        self.with_journal(|journal| Ok(journal.folds_by(now()) <= now()))
    }

    /// Appends rows, and returns the counts of their new views for live listeners.
    fn append(&self, rows: &str) -> Result<Option<LiveDelta>> {
        self.ensure_open()?;
        let rows = format!("[{rows}]");
        let rows = ReceivedRows::parse(&rows).map_err(journal_error)?;
        let has_listeners = self.has_live_listeners();
        self.with_journal(|journal| {
            let delta = has_listeners.then(|| journal.live_delta(&rows));
            let blocks = journal.prepare_blocks(&rows, now()).map_err(journal_error)?;
            self.write_blocks(&blocks)?;
            journal.blocks_written(&blocks);
            Ok(delta)
        })
    }

    /// Does something with the journal, which is opened first. After a failure, the stored rows are asked for anew;
    /// the index stays.
    pub(super) fn with_journal<T>(&self, action: impl FnOnce(&mut Journal) -> Result<T>) -> Result<T> {
        let mut slot = self.journal.borrow_mut();
        let journal = match &mut *slot {
            Some(journal) => journal,
            none => {
                none.insert(Journal::open(self.stored_journal()?, HashKey([(); 4].map(|()| random_seed()))))
            }
        };
        let result = action(journal);
        if result.is_err() {
            match self.stored_journal() {
                Ok(stored) => journal.reload(stored),
                Err(_) => *slot = None,
            }
        }
        result
    }

    fn stored_journal(&self) -> Result<StoredRows> {
        let numbers = |query: &str| -> Result<[u64; 2]> {
            let row = self.sql().exec(query, None)?.raw().next().transpose()?;
            let mut numbers = row.iter().flatten().map(|value| from_sql_integer(value).unwrap_or_default());
            Ok([(); 2].map(|()| numbers.next().unwrap_or_default()))
        };
        let [first_block, last_block] =
            numbers("SELECT (SELECT min(block) FROM journal), (SELECT max(block) FROM journal)")?;
        let [last_fold, folded_through] =
            numbers("SELECT fold, through FROM folded ORDER BY fold DESC LIMIT 1")?;
        Ok(StoredRows { first_block, last_block, last_fold, folded_through })
    }

    pub(super) fn write_blocks(&self, blocks: &[NewBlock]) -> Result<()> {
        for NewBlock { number, replaced, at, body, .. } in blocks {
            let mut values =
                vec![to_sql_integer(*number), to_sql_integer(at.0), SqlStorageValue::Blob(body.clone())];
            let statement = match replaced {
                Some(replaced) => {
                    values.push(to_sql_integer(*replaced));
                    "UPDATE journal SET block = ?, at = ?, body = ? WHERE block = ?"
                }
                None => "INSERT INTO journal (block, at, body) VALUES (?, ?, ?)",
            };
            // A beacon that replaced no row would be lost.
            if self.sql().exec(statement, values)?.rows_written() == 0 {
                return Err(unsupported_row("journal"));
            }
        }
        Ok(())
    }

    pub(super) fn write_folds(&self, folds: &[NewFold]) -> Result<()> {
        for NewFold { number, through, at, keys, body, .. } in folds {
            let values = vec![
                to_sql_integer(*number),
                to_sql_integer(*through),
                to_sql_integer(at.0),
                SqlStorageValue::Blob(keys.clone()),
                SqlStorageValue::Blob(body.clone()),
            ];
            self.sql()
                .exec("INSERT INTO folded (fold, through, at, keys, body) VALUES (?, ?, ?, ?, ?)", values)?;
        }
        Ok(())
    }

    /// Takes a step towards the index of the journal, and returns false if there is none.
    pub(super) fn take_index_step(&self) -> Result<bool> {
        self.with_journal(|journal| match journal.next_step() {
            JournalStep::NoteBlocks { after, before } => {
                self.note_blocks(journal, after, before).map(|()| true)
            }
            JournalStep::IndexFolds { after } => self.index_folds(journal, after).map(|()| true),
            JournalStep::FoldBlocks { .. } | JournalStep::Idle => Ok(false),
        })
    }

    fn note_blocks(&self, journal: &mut Journal, after: u64, before: u64) -> Result<()> {
        let rows = self.sql().exec(
            "SELECT block, body FROM journal WHERE block > ? AND block < ? ORDER BY block LIMIT 500",
            vec![to_sql_integer(after), to_sql_integer(before)],
        )?;
        let mut views = 0_usize;
        for row in rows.raw() {
            match row?.as_slice() {
                [block, SqlStorageValue::Blob(body)] => {
                    let noted = journal.note_block(row_number(block)?, body).map_err(journal_error)?;
                    views = views.saturating_add(noted);
                }
                _ => return Err(unsupported_row("journal")),
            }
            if views >= MAX_NOTED_VIEWS {
                break;
            }
        }
        // Every block has a row.
        if views == 0 { Err(unsupported_row("journal")) } else { Ok(()) }
    }

    fn index_folds(&self, journal: &mut Journal, after: u64) -> Result<()> {
        let rows = self.sql().exec(
            "SELECT fold, keys FROM folded WHERE fold > ? ORDER BY fold LIMIT 25",
            vec![to_sql_integer(after)],
        )?;
        let mut is_empty = true;
        for row in rows.raw() {
            match row?.as_slice() {
                [fold, SqlStorageValue::Blob(keys)] => {
                    journal.index_fold(row_number(fold)?, keys).map_err(journal_error)?;
                    is_empty = false;
                }
                _ => return Err(unsupported_row("folded")),
            }
        }
        if is_empty { Err(unsupported_row("folded")) } else { Ok(()) }
    }

    /// Merges the views of the next blocks.
    pub(super) fn merge_blocks(&self, journal: &Journal, after: u64) -> Result<MergedViews> {
        let rows = self.sql().exec(
            "SELECT block, at, body FROM journal WHERE block > ? ORDER BY block LIMIT 500",
            vec![to_sql_integer(after)],
        )?;
        let mut plan = FoldPlan::default();
        for row in rows.raw() {
            match row?.as_slice() {
                [block, at, SqlStorageValue::Blob(body)] => {
                    let at = UnixMillis(row_number(at)?);
                    journal.plan_block(&mut plan, row_number(block)?, at, body).map_err(journal_error)?;
                }
                _ => return Err(unsupported_row("journal")),
            }
            if plan.is_full() {
                break;
            }
        }
        if plan.is_empty() {
            return Err(unsupported_row("journal"));
        }
        for fold in plan.folds_to_load() {
            let (keys, body) = self.read_fold(fold)?;
            plan.take_fold(fold, &keys, &body).map_err(journal_error)?;
        }
        plan.merge().map_err(journal_error)
    }

    fn read_fold(&self, fold: u64) -> Result<(Vec<u8>, Vec<u8>)> {
        let rows =
            self.sql().exec("SELECT keys, body FROM folded WHERE fold = ?", vec![to_sql_integer(fold)])?;
        match rows.raw().next().transpose()?.as_deref() {
            Some([SqlStorageValue::Blob(keys), SqlStorageValue::Blob(body)]) => {
                Ok((keys.clone(), body.clone()))
            }
            _ => Err(unsupported_row("folded")),
        }
    }

    /// Deletes settled views, once no earlier journal is left.
    pub(super) async fn sweep_journal(&self, turn: &Turn<'_>) -> Result<()> {
        self.index_journal(turn).await?;
        let mut samples = SampleBudget::default();
        while self.earlier_journals.borrow().is_empty() && self.sweep_slice(&mut samples)? {
            turn.pause().await?;
        }
        self.export_samples(samples)
    }

    /// Deletes the next settled views, and returns false if there are none.
    fn sweep_slice(&self, samples: &mut SampleBudget) -> Result<bool> {
        self.with_journal(|journal| {
            let sweep = journal.prepare_sweep(
                now(),
                self.row_times("SELECT block, at FROM journal ORDER BY block LIMIT 500")?,
                self.row_times("SELECT fold, at FROM folded ORDER BY fold LIMIT 25")?,
            );
            if (sweep.blocks_through, sweep.folds_through) == (0, 0) {
                return Ok(false);
            }
            self.choose_samples(journal, sweep.folds_through, samples)?;
            for (statement, through) in [
                ("DELETE FROM journal WHERE block <= ?", sweep.blocks_through),
                ("DELETE FROM folded WHERE fold <= ?", sweep.folds_through),
            ] {
                self.sql().exec(statement, vec![to_sql_integer(through)])?;
            }
            journal.swept(&sweep);
            Ok(true)
        })
    }

    fn row_times(&self, query: &str) -> Result<Vec<(u64, UnixMillis)>> {
        let rows = self.sql().exec(query, None)?.raw();
        rows.map(|row| match row?.as_slice() {
            [number, at] => Ok((row_number(number)?, UnixMillis(row_number(at)?))),
            _ => Err(unsupported_row("journal")),
        })
        .collect()
    }

    /// Returns the number of views that are not folded yet.
    pub(super) fn uncounted_count(&self) -> Result<u64> {
        self.with_journal(|journal| {
            while let JournalStep::NoteBlocks { after, before } = journal.next_step() {
                self.note_blocks(journal, after, before)?;
            }
            Ok(journal.pending_count())
        })
    }

    pub(super) fn last_beacon_at(&self) -> Result<Option<UnixMillis>> {
        for query in [
            "SELECT at FROM journal ORDER BY block DESC LIMIT 1",
            "SELECT at FROM folded ORDER BY fold DESC LIMIT 1",
        ] {
            let row = self.sql().exec(query, None)?.raw().next().transpose()?;
            if let Some(at) = row.as_deref().and_then(|row| from_sql_integer(row.first()?)) {
                return Ok(Some(UnixMillis(at)));
            }
        }
        Ok(None)
    }
}

fn row_number(value: &SqlStorageValue) -> Result<u64> {
    from_sql_integer(value).ok_or_else(|| unsupported_row("journal"))
}

pub(super) fn journal_error(error: JournalError) -> Error {
    Error::RustError(error.to_string())
}

/// Views of waiting blocks that are noted in one step.
const MAX_NOTED_VIEWS: usize = 2_500;

/// The fact that holds the beacons of the day.
const DAY_QUOTA_FACT: &str = "day_quota";
