//! Periodic work of a shard, by its alarm.

use std::cell::Cell;

use ledger::{SumKind, TurnKind};
use worker::Result;

use super::archive_store::FREEZE_MS;
use super::object::{ADOPTION_DELAY_MS, NEVER, ROLLUP_DELAY_MS, SWEEP_DELAY_MS, Shard};
use crate::budgets;
use crate::clock::now;
use crate::sql::from_sql_integer;

/// Maintenance under way. It ends also where the platform drops it without an end, or commits would never schedule
/// folding again.
struct Maintaining<'a>(&'a Cell<bool>);

impl<'a> Maintaining<'a> {
    fn begin(is_maintaining: &'a Cell<bool>) -> Self {
        is_maintaining.set(true);
        Self(is_maintaining)
    }
}

impl Drop for Maintaining<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Shard {
    /// Folds; and if it is due, deletes settled views, rolls up, deletes what has expired. Schedules the next
    /// maintenance. Commits do not schedule any meanwhile.
    pub(super) async fn maintain(&self, is_cron: bool) -> Result<()> {
        if self.is_frozen() {
            self.maintenance_at.set(NEVER);
            return self.schedule_maintenance(FREEZE_MS).await;
        }
        let maintaining = Maintaining::begin(&self.is_maintaining);
        let done = self.maintain_tables(is_cron).await;
        drop(maintaining);
        // After an error, the next commit schedules it.
        self.maintenance_at.set(if done.is_ok() { NEVER } else { wire::UnixMillis(0) });
        let mut delay = done?;
        if self.waits_to_be_folded()? {
            delay = delay.map(|_| 0);
        }
        match delay {
            Some(delay) => self.schedule_maintenance(delay).await,
            // Everything is rolled up into days: the object sleeps until the next beacon.
            None => Ok(()),
        }
    }

    /// Returns the delay of the next maintenance.
    async fn maintain_tables(&self, is_cron: bool) -> Result<Option<u64>> {
        let budgets = self.active_budgets(budgets::MAX_AGE_MS).await?.budgets;
        let turn = self.take_turn(TurnKind::Maintenance).await?;
        let until_sweep = self.sweep_at.get().saturating_sub(now().0).0;
        if until_sweep > 0 && !is_cron {
            let is_folded = self.try_fold(&turn, &budgets).await?;
            return Ok(Some(if is_folded { until_sweep } else { ADOPTION_DELAY_MS }));
        }
        // Before anything is written, so that a full database becomes usable again.
        self.sweep_journal(&turn).await?;
        if !self.try_fold(&turn, &budgets).await? {
            return Ok(Some(ADOPTION_DELAY_MS));
        }
        self.roll_up(&turn).await?;
        drop(turn);
        let has_more = self.add_days().await?;
        let turn = self.take_turn(TurnKind::Maintenance).await?;
        self.expire_causes(&turn).await?;
        self.roll_up_traffic(&turn).await?;
        drop(turn);
        self.expire_rejections()?;
        if has_more {
            return Ok(Some(ADOPTION_DELAY_MS));
        }
        self.sweep_at.set(now().saturating_add(SWEEP_DELAY_MS));
        Ok(match self.has_views_and_short_windows()? {
            (true, _) => Some(SWEEP_DELAY_MS),
            (false, true) => Some(ROLLUP_DELAY_MS),
            (false, false) => None,
        })
    }

    /// Adds days that are over to daily sums, and returns true if some are left for the next event.
    async fn add_days(&self) -> Result<bool> {
        let mut cells = 0_usize;
        for kind in SumKind::ALL {
            while cells <= MAX_ADDED_CELLS {
                let turn = self.take_turn(TurnKind::Maintenance).await?;
                match self.add_day(&turn, kind).await? {
                    Some(more) => cells = cells.saturating_add(more),
                    None => break,
                }
            }
        }
        Ok(cells > MAX_ADDED_CELLS)
    }

    fn has_views_and_short_windows(&self) -> Result<(bool, bool)> {
        let mut rest = self
            .sql()
            .exec(
                "SELECT EXISTS (SELECT 1 FROM journal) OR EXISTS (SELECT 1 FROM folded),
                 EXISTS (SELECT 1 FROM packs WHERE span < 2) OR EXISTS (SELECT 1 FROM traffic WHERE span < 2)",
                None,
            )?
            .raw();
        Ok(match rest.next().transpose()?.as_deref() {
            Some([views, cells]) => (from_sql_integer(views) != Some(0), from_sql_integer(cells) != Some(0)),
            _ => (true, true),
        })
    }
}

/// Cells in one event; a day more, because it is added as a whole.
const MAX_ADDED_CELLS: usize = 20_000;
