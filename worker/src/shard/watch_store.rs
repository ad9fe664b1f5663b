//! The stored sequential tests of a site's budgets.

use std::collections::BTreeMap;

use budget::Budgets;
use ledger::HourlyLimitCounts;
use report::budget_watch::{WatchChange, WatchEvaluation, WatchKey, WatchOutcome, WatchState, evaluate};
use worker::{Result, SqlStorageValue};

use super::object::Shard;
use crate::clock::now;

impl Shard {
    /// Evaluates the tests against the counts of all shards. Without an await, so that two evaluations never mix.
    pub(super) fn evaluate_watches(
        &self,
        counts: &HourlyLimitCounts,
        budgets: &Budgets,
    ) -> Result<Vec<WatchOutcome>> {
        let state = WatchState { release: self.load_fact("release")?, tests: self.load_tests()? };
        let WatchEvaluation { release, outcomes, changes } = evaluate(state, counts, budgets, now());
        if release.is_some() {
            self.store_fact("release", &release)?;
        }
        for change in changes {
            match change {
                WatchChange::Store(key, test) => {
                    let row = vec![serde_json::to_string(&key)?.into(), serde_json::to_string(&test)?.into()];
                    self.sql().exec("INSERT OR REPLACE INTO watched (cell, state) VALUES (?, ?)", row)?;
                }
                WatchChange::Remove(key) => {
                    let row = vec![serde_json::to_string(&key)?.into()];
                    self.sql().exec("DELETE FROM watched WHERE cell = ?", row)?;
                }
            }
        }
        Ok(outcomes)
    }

    fn load_tests(&self) -> Result<BTreeMap<WatchKey, budget::SequentialTest>> {
        let mut tests = BTreeMap::new();
        for row in self.sql().exec("SELECT cell, state FROM watched", None)?.raw() {
            if let [SqlStorageValue::String(key), SqlStorageValue::String(test)] = row?.as_slice() {
                tests.insert(serde_json::from_str(key)?, serde_json::from_str(test)?);
            }
        }
        Ok(tests)
    }
}
