//! Periodic work of a shard, by its alarm.

use worker::Result;

use super::object::{ADOPTION_DELAY_MS, FOLD_DELAY_MS, NEVER, ROLLUP_DELAY_MS, SWEEP_DELAY_MS, Shard};
use crate::budgets;
use crate::sql::from_sql_integer;

impl Shard {
    /// Deletes settled views, folds, rolls up, deletes what has expired, and schedules the next maintenance.
    pub(super) async fn maintain(&self) -> Result<()> {
        self.maintenance_at.set(NEVER);
        // Before anything is written, so that a full database becomes usable again.
        self.sweep_journal().await?;
        if !self.try_fold(budgets::MAX_AGE_MS).await? {
            return self.schedule_maintenance(ADOPTION_DELAY_MS).await;
        }
        self.roll_up()?;
        let has_more = self.backfill_page_rollups()?;
        self.expire_causes()?;
        self.roll_up_traffic()?;
        self.expire_rejections()?;
        let mut rest = self
            .sql()
            .exec(
                "SELECT EXISTS (SELECT 1 FROM journal) OR EXISTS (SELECT 1 FROM folded), EXISTS (SELECT 1 FROM cells WHERE span < 2)
                 OR EXISTS (SELECT 1 FROM traffic WHERE span < 2)",
                None,
            )?
            .raw();
        let (views, cells) = match rest.next().transpose()?.as_deref() {
            Some([views, cells]) => (from_sql_integer(views) != Some(0), from_sql_integer(cells) != Some(0)),
            _ => (true, true),
        };
        match (views, cells) {
            _ if has_more => self.schedule_maintenance(FOLD_DELAY_MS).await,
            (true, _) => self.schedule_maintenance(SWEEP_DELAY_MS).await,
            (false, true) => self.schedule_maintenance(ROLLUP_DELAY_MS).await,
            // Everything is rolled up into days: the object sleeps until the next beacon.
            (false, false) => Ok(()),
        }
    }
}
