//! The versions of budgets.json. A limit applies to views from the time at which its version took effect, so
//! earlier versions are kept. Parsing and validation belong to `budget`.

use serde::{Deserialize, Serialize};
use wire::UnixMillis;

/// All versions of budgets.json that took effect, in order, and the latest rejected file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetHistory {
    #[serde(rename = "ruled")]
    versions: Vec<BudgetVersion>,
    #[serde(rename = "refused")]
    rejected: Option<RejectedBudgetFile>,
}

/// A version of budgets.json.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetVersion {
    /// The time at which it took effect.
    pub since: UnixMillis,
    /// The source of the file.
    pub source: BudgetSource,
    /// The text of the file.
    pub text: String,
}

/// A budgets.json that did not take effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedBudgetFile {
    /// The time at which it was first read.
    pub at: UnixMillis,
    /// The source of the file.
    pub source: BudgetSource,
    /// The first error in the file.
    #[serde(rename = "why")]
    pub reason: String,
}

/// The source of a budgets.json.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BudgetSource {
    /// The static assets of the Worker.
    Asset,
    /// KV, which can change without a deployment.
    Kv,
}

impl BudgetSource {
    /// Returns the name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asset => "asset",
            Self::Kv => "kv",
        }
    }
}

impl BudgetHistory {
    /// Records a valid file, which takes effect unless it is in effect already. Returns true if anything changed.
    pub fn accept(&mut self, text: &str, source: BudgetSource, now: UnixMillis) -> bool {
        let was_rejected = self.rejected.take().is_some();
        match self.versions.last_mut() {
            Some(last) if last.text == text => {
                let moved = last.source != source;
                last.source = source;
                was_rejected || moved
            }
            _ => {
                self.versions.push(BudgetVersion { since: now, source, text: text.to_owned() });
                let surplus = self.versions.len().saturating_sub(MAX_VERSIONS);
                self.versions.drain(..surplus);
                true
            }
        }
    }

    /// Records an invalid file; the last valid one stays in effect. Returns true if anything changed.
    pub fn reject(&mut self, reason: &str, source: BudgetSource, now: UnixMillis) -> bool {
        let is_new = self
            .rejected
            .as_ref()
            .is_none_or(|known| (known.reason.as_str(), known.source) != (reason, source));
        if is_new {
            self.rejected = Some(RejectedBudgetFile { at: now, source, reason: reason.to_owned() });
        }
        is_new
    }

    /// Returns the version in effect; `None` before the first valid file.
    #[must_use]
    pub fn in_force(&self) -> Option<&BudgetVersion> {
        self.versions.last()
    }

    /// Returns all versions in order.
    #[must_use]
    pub fn versions(&self) -> &[BudgetVersion] {
        &self.versions
    }

    /// Returns the latest rejected file, unless a valid one followed.
    #[must_use]
    pub const fn rejected(&self) -> Option<&RejectedBudgetFile> {
        self.rejected.as_ref()
    }

    /// Returns the later of the histories of two shards; each shard adopts a file at its next fold.
    #[must_use]
    pub fn later(self, other: Self) -> Self {
        let since = |history: &Self| {
            (
                history.in_force().map(|version| version.since),
                history.rejected.as_ref().map(|rejected| rejected.at),
            )
        };
        if since(&other) > since(&self) { other } else { self }
    }
}

/// More changes than a month is likely to see; each file is small.
const MAX_VERSIONS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(u64) -> UnixMillis = UnixMillis;

    #[test]
    fn valid_budgets_take_effect_when_found_and_invalid_ones_never() {
        let mut history = BudgetHistory::default();
        assert!(history.accept("one", BudgetSource::Asset, AT(10)));
        assert!(!history.accept("one", BudgetSource::Asset, AT(20)));
        assert!(history.reject("line 1: wrong", BudgetSource::Kv, AT(30)));
        assert!(!history.reject("line 1: wrong", BudgetSource::Kv, AT(40)));
        let in_force = history.in_force().unwrap();
        assert_eq!((in_force.since, in_force.text.as_str()), (AT(10), "one"));
        assert_eq!(history.rejected().unwrap().at, AT(30));
        assert!(history.accept("two", BudgetSource::Kv, AT(50)));
        let in_force = history.in_force().unwrap();
        assert_eq!((in_force.since, in_force.source, history.rejected()), (AT(50), BudgetSource::Kv, None));
        assert_eq!(history.versions().len(), 2);
    }

    #[test]
    fn the_history_is_bounded() {
        let mut history = BudgetHistory::default();
        (0..100).for_each(|at| assert!(history.accept(&at.to_string(), BudgetSource::Kv, AT(at))));
        assert_eq!(history.versions().len(), MAX_VERSIONS);
        assert_eq!(history.in_force().unwrap().since, AT(99));
    }

    #[test]
    fn of_two_histories_the_later_one_counts_and_of_equal_ones_the_first() {
        let history = |text: &str, at: u64| {
            let mut history = BudgetHistory::default();
            history.accept(text, BudgetSource::Kv, AT(at));
            history
        };
        let (earlier, later) = (history("one", 10), history("two", 20));
        assert_eq!(earlier.clone().later(later.clone()), later);
        assert_eq!(later.clone().later(earlier.clone()), later);
        assert_eq!(earlier.clone().later(history("other", 10)), earlier);
        let mut rejected = earlier.clone();
        rejected.reject("line 1: wrong", BudgetSource::Kv, AT(15));
        assert_eq!(earlier.later(rejected.clone()), rejected);
    }

    #[test]
    fn the_same_budgets_from_another_source_or_after_a_rejection_are_a_change() {
        let mut history = BudgetHistory::default();
        history.accept("one", BudgetSource::Asset, AT(10));
        assert!(history.accept("one", BudgetSource::Kv, AT(20)));
        history.reject("line 1: wrong", BudgetSource::Kv, AT(30));
        assert!(
            history.accept("one", BudgetSource::Kv, AT(40))
                && !history.accept("one", BudgetSource::Kv, AT(50))
        );
        assert_eq!(history.in_force().map(|version| version.since), Some(AT(10)));
        assert_eq!([BudgetSource::Asset, BudgetSource::Kv].map(BudgetSource::name), ["asset", "kv"]);
    }
}
