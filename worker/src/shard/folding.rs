//! Folding: views of the journal are counted in cells. `ledger` has the rules; each slice is written without an await,
//! so wholly or not at all.

use budget::Budgets;
use ledger::journal::{JournalStep, MergedViews};
use ledger::{CardinalityGuard, CardinalityLimits, Horizon, SeriesLabels, SumDeltas, cells_to_load, fold};
use report::beacon_verdicts::limits_for;
use worker::{Error, Result};

use super::cause_store::PriorCounts;
use super::journal::journal_error;
use super::object::Shard;
use super::schema::MAX_ADOPTION_STEPS;
use super::turn::Turn;

impl Shard {
    /// Folds the views that arrived before.
    pub(super) async fn fold(&self, turn: &Turn<'_>, budgets: &Budgets) -> Result<()> {
        match self.try_fold(turn, budgets).await? {
            true => Ok(()),
            false => Err(Error::RustError("tables are being migrated, the next event resumes it".into())),
        }
    }

    /// Folds the views that arrived before, a slice at a time; beacons are stored in between. Returns false if rows of
    /// an earlier version are left for the next event.
    pub(super) async fn try_fold(&self, turn: &Turn<'_>, budgets: &Budgets) -> Result<bool> {
        if self.is_frozen() {
            return Ok(true);
        }
        for _ in 0..MAX_ADOPTION_STEPS {
            if !self.adopt_earlier_rows()? {
                break;
            }
            turn.pause().await?;
        }
        if self.has_earlier_rows() {
            return Ok(false);
        }
        self.index_journal(turn).await?;
        let last = self.with_journal(|journal| Ok(journal.last_block()))?;
        let mut is_any = false;
        while let JournalStep::FoldBlocks { after } = self.with_journal(|journal| Ok(journal.next_step()))?
            && after < last
        {
            let merged = self.with_journal(|journal| self.merge_blocks(journal, after))?;
            self.fold_slice(&merged, budgets)?;
            is_any = true;
            if merged.through() < last {
                turn.pause().await?;
                self.index_journal(turn).await?;
            }
        }
        if is_any {
            let cardinality = self.load_cardinality()?;
            self.store_fact("heavy", cardinality.frequent_routes())?;
            self.store_day_quota()?;
            self.cardinality.replace(Some(cardinality));
        }
        Ok(true)
    }

    /// Builds the index of the journal, where it is not built yet.
    pub(super) async fn index_journal(&self, turn: &Turn<'_>) -> Result<()> {
        while self.take_index_step()? {
            turn.pause().await?;
        }
        Ok(())
    }

    fn fold_slice(&self, merged: &MergedViews, budgets: &Budgets) -> Result<()> {
        let mut views = merged.unfolded_views();
        self.token_claims.borrow_mut().apply(&mut views);
        let horizon = self.horizon()?;
        let mut cardinality = self.load_cardinality()?;
        for window in cardinality.unknown_windows(&views, &horizon) {
            cardinality.load_window(window, self.window_series(window)?);
        }
        let (packs, cells) = self.load_cells(cells_to_load(&views, &cardinality, &horizon))?;
        let limits = |labels: &SeriesLabels| limits_for(budgets, labels);
        let before = PriorCounts::from_views(&views);
        let mut recent_rollups = self.recent_rollups.take();
        let mut sums = SumDeltas::for_recent_rollups(&recent_rollups);
        let effects = fold(views, cells, &mut cardinality, &horizon, limits, &mut sums);
        self.update_causes(before, &effects, &horizon)?;
        let counted = self.apply_effects(packs, effects)?;
        recent_rollups.apply(&sums);
        self.apply_sum_deltas(sums)?;
        self.with_journal(|journal| {
            let folds = journal.prepare_folds(merged, &counted).map_err(journal_error)?;
            self.write_folds(&folds)?;
            journal.folds_written(folds).map_err(journal_error)
        })?;
        // Where anything has failed, both are learned anew.
        self.cardinality.replace(Some(cardinality));
        self.recent_rollups.replace(recent_rollups);
        Ok(())
    }

    pub(super) fn load_cardinality(&self) -> Result<CardinalityGuard> {
        if let Some(cardinality) = self.cardinality.take() {
            return Ok(cardinality);
        }
        Ok(CardinalityGuard::new(CardinalityLimits::default(), self.load_fact("heavy")?.unwrap_or_default()))
    }

    pub(crate) fn horizon(&self) -> Result<Horizon> {
        Ok(self.load_fact("horizon")?.unwrap_or_default())
    }
}
