//! The part of a site's shards that a document is made of. A document of all shards carries none, so that its
//! presence alone says that counts are missing.

use std::collections::BTreeSet;

use crate::sorting::CollectOrdered;
use serde::{Deserialize, Serialize};

/// Shards that answered a read of which others did not: the counts of the others are missing, and no verdict is
/// `met`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ShardCoverage {
    /// Shards whose counts are included.
    pub answered: u32,
    /// The shards of the site.
    pub of: u32,
    /// The numbers of the shards that did not answer in time.
    pub unanswered: BTreeSet<u32>,
}

impl ShardCoverage {
    /// Returns the coverage of a read; `None` if every shard answered.
    #[must_use]
    pub fn new(of: u32, unanswered: BTreeSet<u32>) -> Option<Self> {
        let missing = u32::try_from(unanswered.len()).unwrap_or(u32::MAX);
        (missing > 0).then(|| Self { answered: of.saturating_sub(missing), of, unanswered })
    }

    /// Returns the coverage of a document that is made of two reads: a shard must have answered both.
    #[must_use]
    pub fn of_both(a: Option<Self>, b: Option<Self>) -> Option<Self> {
        match (a, b) {
            (Some(a), Some(b)) => {
                Self::new(a.of.max(b.of), a.unanswered.union(&b.unanswered).copied().collect_set())
            }
            (a, b) => a.or(b),
        }
    }

    /// Says in a sentence what is missing, as people read it.
    #[must_use]
    pub fn sentence(&self) -> String {
        let named: Vec<String> = self.unanswered.iter().take(MAX_NAMED).map(u32::to_string).collect();
        let more = self.unanswered.len().saturating_sub(MAX_NAMED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!(
            "{} of {} shards answered; the counts of {} {}{more} are missing.",
            self.answered,
            self.of,
            if self.unanswered.len() == 1 { "shard" } else { "shards" },
            named.join(", ")
        )
    }
}

const MAX_NAMED: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn without(of: u32, unanswered: &[u32]) -> Option<ShardCoverage> {
        ShardCoverage::new(of, unanswered.iter().copied().collect())
    }

    #[test]
    fn a_whole_read_has_no_coverage() {
        assert_eq!(without(64, &[]), None);
        assert_eq!(without(64, &[17]).map(|shards| (shards.answered, shards.of)), Some((63, 64)));
    }

    #[test]
    fn a_shard_must_answer_every_read_of_a_document() {
        let both = ShardCoverage::of_both(without(4, &[0, 2]), without(4, &[2, 3]));
        assert_eq!(both, without(4, &[0, 2, 3]));
        assert_eq!(ShardCoverage::of_both(None, without(4, &[1])), without(4, &[1]));
        assert_eq!(ShardCoverage::of_both(None, None), None);
    }

    #[test]
    fn the_sentence_names_the_missing_shards() {
        let sentence = |of, unanswered: &[u32]| without(of, unanswered).map(|shards| shards.sentence());
        let one = "63 of 64 shards answered; the counts of shard 17 are missing.";
        assert_eq!(sentence(64, &[17]).as_deref(), Some(one));
        let many =
            "54 of 64 shards answered; the counts of shards 0, 1, 2, 3, 4, 5, 6, 7 and 2 more are missing.";
        assert_eq!(sentence(64, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]).as_deref(), Some(many));
    }
}
