//! Which budgets.json rules, since when, and why a newer one does not. A limit judges views from the
//! moment at which it came into force, so what ruled before is remembered. Reading the files, and saying
//! what is wrong in them, is the budget's business.

use serde::{Deserialize, Serialize};
use wire::UnixMillis;

/// Every budgets.json that has ruled, the latest last, and the one that may not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetHistory {
    #[serde(rename = "ruled")]
    versions: Vec<BudgetVersion>,
    #[serde(rename = "refused")]
    rejected: Option<RejectedBudgetFile>,
}

/// A budgets.json, and since when it ruled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetVersion {
    /// From this moment on.
    pub since: UnixMillis,
    /// Where it was found.
    pub source: BudgetSource,
    /// The file.
    pub text: String,
}

/// A budgets.json that was found and does not rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedBudgetFile {
    /// When it was first found.
    pub at: UnixMillis,
    /// Where.
    pub source: BudgetSource,
    /// What is wrong with it.
    #[serde(rename = "why")]
    pub reason: String,
}

/// Where a budgets.json is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BudgetSource {
    /// Among the files that were deployed with the Worker.
    Asset,
    /// In KV, where it can be changed without a deployment.
    Kv,
}

impl BudgetSource {
    /// The name in every answer.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asset => "asset",
            Self::Kv => "kv",
        }
    }
}

impl BudgetHistory {
    /// Takes a file that can rule; one that rules already goes on. Says whether anything changed.
    pub fn accept(&mut self, text: &str, source: BudgetSource, now: UnixMillis) -> bool {
        let was_refused = self.rejected.take().is_some();
        match self.versions.last_mut() {
            Some(last) if last.text == text => {
                let moved = last.source != source;
                last.source = source;
                was_refused || moved
            }
            _ => {
                self.versions.push(BudgetVersion { since: now, source, text: text.to_owned() });
                let surplus = self.versions.len().saturating_sub(MAX_VERSIONS);
                self.versions.drain(..surplus);
                true
            }
        }
    }

    /// Notes a file that cannot rule: the last good one goes on. Says whether that is news.
    pub fn reject(&mut self, reason: &str, source: BudgetSource, now: UnixMillis) -> bool {
        let is_news = self
            .rejected
            .as_ref()
            .is_none_or(|known| (known.reason.as_str(), known.source) != (reason, source));
        if is_news {
            self.rejected = Some(RejectedBudgetFile { at: now, source, reason: reason.to_owned() });
        }
        is_news
    }

    /// The one in force; none where no good one was ever found.
    #[must_use]
    pub fn in_force(&self) -> Option<&BudgetVersion> {
        self.versions.last()
    }

    /// Those that ruled, the earliest first.
    #[must_use]
    pub fn versions(&self) -> &[BudgetVersion] {
        &self.versions
    }

    /// The newer one that does not rule.
    #[must_use]
    pub const fn rejected(&self) -> Option<&RejectedBudgetFile> {
        self.rejected.as_ref()
    }

    /// What two shards know: each adopts a file when it next folds, so the later one is further on.
    #[must_use]
    pub fn later(self, other: Self) -> Self {
        let since = |rulings: &Self| {
            (
                rulings.in_force().map(|ruling| ruling.since),
                rulings.rejected.as_ref().map(|refused| refused.at),
            )
        };
        if since(&other) > since(&self) { other } else { self }
    }
}

/// More changes than a window of a month is likely to see; each file is small.
const MAX_VERSIONS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(u64) -> UnixMillis = UnixMillis;

    #[test]
    fn valid_budgets_take_effect_when_found_and_invalid_ones_never() {
        let mut rulings = BudgetHistory::default();
        assert!(rulings.accept("one", BudgetSource::Asset, AT(10)));
        assert!(!rulings.accept("one", BudgetSource::Asset, AT(20)));
        assert!(rulings.reject("line 1: wrong", BudgetSource::Kv, AT(30)));
        assert!(!rulings.reject("line 1: wrong", BudgetSource::Kv, AT(40)));
        let in_force = rulings.in_force().unwrap();
        assert_eq!((in_force.since, in_force.text.as_str()), (AT(10), "one"));
        assert_eq!(rulings.rejected().unwrap().at, AT(30));
        assert!(rulings.accept("two", BudgetSource::Kv, AT(50)));
        let in_force = rulings.in_force().unwrap();
        assert_eq!((in_force.since, in_force.source, rulings.rejected()), (AT(50), BudgetSource::Kv, None));
        assert_eq!(rulings.versions().len(), 2);
    }

    #[test]
    fn the_history_is_bounded() {
        let mut rulings = BudgetHistory::default();
        (0..100).for_each(|at| assert!(rulings.accept(&at.to_string(), BudgetSource::Kv, AT(at))));
        assert_eq!(rulings.versions().len(), MAX_VERSIONS);
        assert_eq!(rulings.in_force().unwrap().since, AT(99));
    }
}
