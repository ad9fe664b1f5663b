//! The state of a shard in memory, and its access to storage and configuration.

use std::cell::{Cell as Slot, RefCell};
use std::rc::Rc;

use alerting::memory_trend::MemoryTrend;
use alerting::schedule::EvaluationSchedule;
use budget::Budgets;
use cache::report_pace::ReportPace;
use ledger::journal::CommitWindow;
use ledger::journal::Journal;
use ledger::{BudgetHistory, CardinalityGuard, DayQuota, RecentRollups, Retention, TokenClaims, Turns};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::UnixMillis;
use worker::{Env, Error, Result, SqlStorage, State, durable_object, wasm_bindgen};

use super::alarm::AlarmScheduler;
use super::alert_dispatcher::AlertDispatcher;
use super::live_state::LiveState;
use super::origin_probe::OriginHealthProbe;
use super::push_dispatcher::PushDispatcher;
use crate::budgets;
use crate::clock::now;
use crate::config::Config;
use crate::sql;

/// A shard of a site: its journal of views, and the cells they are counted in. Each file of this folder adds what
/// it does with one kind of data.
#[durable_object]
#[derive(Debug)]
pub struct Shard {
    pub(super) state: Rc<State>,
    pub(super) env: Env,
    pub(super) live: Rc<LiveState>,
    pub(super) is_open: Slot<bool>,
    pub(super) alarm: Rc<AlarmScheduler>,
    /// The next maintenance; 0 while unknown.
    pub(super) maintenance_at: Slot<UnixMillis>,
    pub(super) is_maintaining: Slot<bool>,
    /// The time at which the last page of a backup was read.
    pub(super) backup_read_at: Slot<UnixMillis>,
    /// True while a backup is being restored; `None` before it was read.
    pub(super) is_restoring: Slot<Option<bool>>,
    /// The tables were erased or restored: nothing in memory counts any more.
    pub(super) is_replaced: Slot<bool>,
    /// The next sweep and roll-up; 0 while unknown.
    pub(super) sweep_at: Slot<UnixMillis>,
    pub(super) commit_window: Slot<CommitWindow>,
    /// The beacons of the day, for a site with a quota; `None` before it was read.
    pub(super) day_quota: Slot<Option<DayQuota>>,
    pub(super) turns: RefCell<Turns>,
    /// False while beacons are discarded; `None` before it was read.
    pub(super) monitored: Slot<Option<bool>>,
    pub(super) origin_probe: OriginHealthProbe,
    pub(super) evaluations: Slot<EvaluationSchedule>,
    pub(super) memory_trend: RefCell<MemoryTrend>,
    pub(super) push_dispatcher: Rc<PushDispatcher>,
    pub(super) alert_dispatcher: Rc<AlertDispatcher>,
    /// `None` before the first use.
    pub(super) journal: RefCell<Option<Journal>>,
    /// The tables of an earlier version that still have rows of the journal.
    pub(super) earlier_journals: RefCell<Vec<EarlierJournal>>,
    /// True while the table of cells of an earlier version has rows.
    pub(super) has_earlier_cells: Slot<bool>,
    /// `None` after a failed write, and then read again.
    pub(super) cardinality: RefCell<Option<CardinalityGuard>>,
    /// The page loads that page tokens were used for.
    pub(super) token_claims: RefCell<TokenClaims>,
    /// Those of queries since the object woke. A failed write forgets all.
    pub(super) recent_rollups: RefCell<RecentRollups>,
    pub(super) active_budgets: RefCell<Option<ActiveBudgets>>,
    pub(super) report_pace: Slot<ReportPace>,
}

/// A table of an earlier version with a row for each view.
#[derive(Clone, Debug)]
pub(super) struct EarlierJournal {
    pub(super) table: &'static str,
    /// The condition of rows that are not counted as of their latest beacon.
    pub(super) is_behind: String,
}

/// The budgets in force, and their history.
#[derive(Clone, Debug)]
pub(super) struct ActiveBudgets {
    pub(super) history: BudgetHistory,
    pub(super) budgets: Rc<Budgets>,
}

impl Shard {
    /// Makes the object of an isolate, from nothing but its storage.
    pub(super) fn create(state: State, env: Env) -> Self {
        let (live, is_open, maintenance_at, monitored, origin_probe, evaluations) = Default::default();
        let (is_maintaining, sweep_at, commit_window, turns, memory_trend) = Default::default();
        let (backup_read_at, is_restoring, is_replaced, day_quota) = Default::default();
        let (journal, earlier_journals, has_earlier_cells) = Default::default();
        let (cardinality, token_claims, recent_rollups, active_budgets) = Default::default();
        let report_pace = Slot::new(ReportPace::new(MAX_REPORT_WAIT_MS));
        let alarm = Rc::new(AlarmScheduler::new(state.storage()));
        let push_dispatcher = Rc::new(PushDispatcher::new(state.storage(), env.clone(), Rc::clone(&alarm)));
        let alert_dispatcher = Rc::new(AlertDispatcher::new(state.storage(), env.clone(), Rc::clone(&alarm)));
        let state = Rc::new(state);
        Self {
            state,
            env,
            live,
            is_open,
            alarm,
            maintenance_at,
            is_maintaining,
            backup_read_at,
            is_restoring,
            is_replaced,
            sweep_at,
            commit_window,
            day_quota,
            turns,
            monitored,
            origin_probe,
            evaluations,
            memory_trend,
            push_dispatcher,
            alert_dispatcher,
            journal,
            earlier_journals,
            has_earlier_cells,
            cardinality,
            token_claims,
            recent_rollups,
            active_budgets,
            report_pace,
        }
    }

    /// Reads budgets.json, if it was last read longer ago than that, and returns the budgets in force. The last
    /// valid ones stay in force while the file is invalid or cannot be read.
    pub(super) async fn active_budgets(&self, max_age_ms: u64) -> Result<ActiveBudgets> {
        let offered = budgets::load(&self.env, max_age_ms).await;
        let mut history: BudgetHistory = match self.active_budgets.take() {
            Some(active) => active.history,
            None => self.load_fact("budgets")?.unwrap_or_default(),
        };
        let (budgets, has_changed) = match &offered.contents {
            Ok((text, budgets)) => (Rc::clone(budgets), history.accept(text, offered.source, now())),
            Err(why) => {
                let has_changed = history.reject(why, offered.source, now());
                let never_valid = |_| Error::RustError(format!("no valid budgets.json yet: {why}"));
                (Rc::new(budgets::in_force(&history).map_err(never_valid)?), has_changed)
            }
        };
        if has_changed {
            self.store_fact("budgets", &history)?;
        }
        let active = ActiveBudgets { history, budgets };
        self.active_budgets.replace(Some(active.clone()));
        Ok(active)
    }

    pub(super) fn retention(&self) -> Result<Retention> {
        Ok(self.config()?.retention)
    }

    pub(super) fn load_fact<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        sql::load_fact(&self.sql(), name)
    }

    pub(super) fn store_fact(&self, name: &str, value: &impl Serialize) -> Result<()> {
        sql::store_fact(&self.sql(), name, value)
    }

    pub(super) fn config(&self) -> Result<Rc<Config>> {
        Config::load(&self.env).map_err(|mistake| Error::RustError(mistake.to_string()))
    }

    /// Schedules maintenance after that many milliseconds at the latest.
    pub(super) async fn schedule_maintenance(&self, delay: u64) -> Result<()> {
        let at = now().saturating_add(delay).min(self.maintenance_at.get());
        self.maintenance_at.set(at);
        self.alarm.schedule_by(at).await
    }

    pub(super) fn sql(&self) -> SqlStorage {
        self.state.storage().sql()
    }
}

/// The adoption of an earlier journal goes on after this time.
pub(super) const ADOPTION_DELAY_MS: u64 = 1_000;
/// Journal rows are checked for expiry this often.
pub(super) const SWEEP_DELAY_MS: u64 = 15 * 60_000;
/// Cells are rolled up this often.
pub(super) const ROLLUP_DELAY_MS: u64 = 60 * 60_000;
/// The sums of an isolate wait no longer than this, unless it is idle.
const MAX_REPORT_WAIT_MS: u64 = 60_000;
/// No maintenance is due.
pub(super) const NEVER: UnixMillis = UnixMillis(u64::MAX);
