//! Which budgets.json rules, since when, and why a newer one does not. A limit judges views from the
//! moment at which it came into force, so what ruled before is remembered. Reading the files, and saying
//! what is wrong in them, is the budget's business.

use serde::{Deserialize, Serialize};
use wire::UnixMillis;

/// Every budgets.json that has ruled, the latest last, and the one that may not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rulings {
    ruled: Vec<Ruling>,
    refused: Option<Refused>,
}

/// A budgets.json, and since when it ruled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    /// From this moment on.
    pub since: UnixMillis,
    /// Where it was found.
    pub source: Source,
    /// The file.
    pub text: String,
}

/// A budgets.json that was found and does not rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// When it was first found.
    pub at: UnixMillis,
    /// Where.
    pub source: Source,
    /// What is wrong with it.
    pub why: String,
}

/// Where a budgets.json is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// Among the files that were deployed with the Worker.
    Asset,
    /// In KV, where it can be changed without a deployment.
    Kv,
}

impl Source {
    /// The name in every answer.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asset => "asset",
            Self::Kv => "kv",
        }
    }
}

impl Rulings {
    /// Takes a file that can rule; one that rules already goes on. Says whether anything changed.
    pub fn accept(&mut self, text: &str, source: Source, now: UnixMillis) -> bool {
        let was_refused = self.refused.take().is_some();
        match self.ruled.last_mut() {
            Some(last) if last.text == text => {
                let moved = last.source != source;
                last.source = source;
                was_refused || moved
            }
            _ => {
                self.ruled.push(Ruling { since: now, source, text: text.to_owned() });
                let surplus = self.ruled.len().saturating_sub(MOST);
                self.ruled.drain(..surplus);
                true
            }
        }
    }

    /// Notes a file that cannot rule: the last good one goes on. Says whether that is news.
    pub fn refuse(&mut self, why: &str, source: Source, now: UnixMillis) -> bool {
        let is_news =
            self.refused.as_ref().is_none_or(|known| (known.why.as_str(), known.source) != (why, source));
        if is_news {
            self.refused = Some(Refused { at: now, source, why: why.to_owned() });
        }
        is_news
    }

    /// The one in force; none where no good one was ever found.
    #[must_use]
    pub fn in_force(&self) -> Option<&Ruling> {
        self.ruled.last()
    }

    /// Those that ruled, the earliest first.
    #[must_use]
    pub fn ruled(&self) -> &[Ruling] {
        &self.ruled
    }

    /// The newer one that does not rule.
    #[must_use]
    pub const fn refused(&self) -> Option<&Refused> {
        self.refused.as_ref()
    }

    /// What two shards know: each adopts a file when it next folds, so the later one is further on.
    #[must_use]
    pub fn later(self, other: Self) -> Self {
        let since = |rulings: &Self| {
            (
                rulings.in_force().map(|ruling| ruling.since),
                rulings.refused.as_ref().map(|refused| refused.at),
            )
        };
        if since(&other) > since(&self) { other } else { self }
    }
}

/// More changes than a window of a month is likely to see; each file is small.
const MOST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(u64) -> UnixMillis = UnixMillis;

    #[test]
    fn a_file_rules_from_when_it_was_found_and_a_wrong_one_never() {
        let mut rulings = Rulings::default();
        assert!(rulings.accept("one", Source::Asset, AT(10)));
        assert!(!rulings.accept("one", Source::Asset, AT(20)));
        assert!(rulings.refuse("line 1: wrong", Source::Kv, AT(30)));
        assert!(!rulings.refuse("line 1: wrong", Source::Kv, AT(40)));
        let in_force = rulings.in_force().unwrap();
        assert_eq!((in_force.since, in_force.text.as_str()), (AT(10), "one"));
        assert_eq!(rulings.refused().unwrap().at, AT(30));
        assert!(rulings.accept("two", Source::Kv, AT(50)));
        let in_force = rulings.in_force().unwrap();
        assert_eq!((in_force.since, in_force.source, rulings.refused()), (AT(50), Source::Kv, None));
        assert_eq!(rulings.ruled().len(), 2);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut rulings = Rulings::default();
        (0..100).for_each(|at| assert!(rulings.accept(&at.to_string(), Source::Kv, AT(at))));
        assert_eq!(rulings.ruled().len(), MOST);
        assert_eq!(rulings.in_force().unwrap().since, AT(99));
    }
}
