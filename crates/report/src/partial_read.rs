//! Verdicts from a part of a site's shards. A view that is missing might be the one that breaks a budget, so such a
//! read proves no budget met; that a budget is violated, the views of a random part prove as well.

use budget::Verdict;
use wire::ShardCoverage;

/// Returns the verdict of a read that these shards answered; `None` for all of them.
#[must_use]
pub const fn verdict_on_shards(verdict: Verdict, shards: Option<&ShardCoverage>) -> Verdict {
    match shards {
        Some(_) => verdict.on_partial_data(),
        None => verdict,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use budget::BudgetTally;
    use proptest::prelude::*;

    use super::*;

    fn without_one_shard() -> Option<ShardCoverage> {
        ShardCoverage::new(64, BTreeSet::from([17]))
    }

    proptest! {
        #[test]
        fn a_part_of_the_shards_proves_nothing_but_violations(n in 0..5000_u64, share in 0.0..=1.0_f64) {
            let whole = BudgetTally::new(n, (n as f64 * share) as u64).verdict(75, 30);
            let partial = verdict_on_shards(whole, without_one_shard().as_ref());
            prop_assert_ne!(partial, Verdict::Met);
            prop_assert!(partial == whole || whole == Verdict::Met);
            prop_assert_eq!(verdict_on_shards(whole, None), whole);
        }
    }
}
