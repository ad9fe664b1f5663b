//! Verdicts on budgets from counts of visits. "p75 ≤ budget" means that at least 75 % of visits are within
//! budget, so a verdict needs two exact counts and no quantile. The ledger decides which visits are counted.

use serde::{Deserialize, Serialize};
use wire::LimitCounts;

use crate::{
    binomial::{at_least, at_most},
    budgets::Limit,
};

/// Measured visits within and over a budget. A sampled visit counts once, because its weight is no evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetTally {
    /// At most the budget.
    pub within: u64,
    /// Above it.
    pub over: u64,
    /// The visits of the networks that sent most, within or over the budget; 0 if no network is known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub top: u64,
}

impl From<LimitCounts> for BudgetTally {
    fn from(counts: LimitCounts) -> Self {
        Self::new(counts.n, counts.k)
    }
}

/// The verdict on a tally.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// No measured visits.
    Unknown,
    /// Too few visits.
    Insufficient,
    /// Proven to be within budget.
    Met,
    /// Neither proven, despite enough visits to show a clear difference from the limit.
    AtLimit,
    /// Proven to be over budget.
    Violated,
}

/// The ranks, in ascending order of values, that bound a percentile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PercentileRanks {
    /// Counted from 1.
    pub low: u64,
    /// Counted from 1.
    pub high: u64,
}

impl BudgetTally {
    /// A tally of `n` visits, `within` of them within budget.
    #[must_use]
    pub const fn new(n: u64, within: u64) -> Self {
        Self { within, over: n.saturating_sub(within), top: 0 }
    }

    /// Sets the visits of the networks that sent most.
    #[must_use]
    pub const fn with_top(self, top: u64) -> Self {
        Self { top, ..self }
    }

    /// Returns the least that other networks than those that sent most prove against the budget: these are taken out
    /// as if all their visits had been over it.
    #[must_use]
    pub fn without_top(self) -> Self {
        Self { over: self.over.saturating_sub(self.top), top: 0, ..self }
    }

    /// Returns the most that other networks prove for the budget.
    #[must_use]
    pub(crate) fn without_fast_top(self) -> Self {
        Self { within: self.within.saturating_sub(self.top), top: 0, ..self }
    }

    /// The number of visits.
    #[must_use]
    pub const fn n(self) -> u64 {
        self.within.saturating_add(self.over)
    }

    /// Tests if at least `percentile` % of visits are within budget. A single look calls at most 1 % of pages
    /// exactly at the limit violated, and at most 5 % met. A violation that rests on few networks is not proven.
    #[must_use]
    pub fn verdict(self, percentile: u8, min_samples: u64) -> Verdict {
        match self.verdict_on_all(percentile, min_samples) {
            Verdict::Violated if self.rests_on_few_networks(percentile, min_samples) => Verdict::Insufficient,
            verdict => verdict,
        }
    }

    /// Returns true if the visits prove a violation, but not without the networks that sent most.
    #[must_use]
    pub fn rests_on_few_networks(self, percentile: u8, min_samples: u64) -> bool {
        let is_violated = |tally: Self| tally.verdict_on_all(percentile, min_samples) == Verdict::Violated;
        is_violated(self) && !is_violated(self.without_top())
    }

    fn verdict_on_all(self, percentile: u8, min_samples: u64) -> Verdict {
        let (n, share) = (self.n(), required_share(percentile));
        if n == 0 {
            Verdict::Unknown
        } else if n < min_samples {
            Verdict::Insufficient
        } else if at_most(self.within, n, share) <= MAX_VIOLATED_P_VALUE {
            Verdict::Violated
        } else if at_least(self.within, n, share) <= MAX_MET_P_VALUE {
            Verdict::Met
        } else {
            Verdict::undecided(n)
        }
    }

    /// Returns the views over the limit in excess of the allowed share; negative below it.
    #[must_use]
    pub fn excess_visits(self, percentile: u8) -> f64 {
        self.over as f64 - self.n() as f64 * (1.0 - required_share(percentile))
    }

    /// Returns the p-value: the probability that a page exactly at its limit looks at least as bad, without the
    /// networks that sent most. To be corrected when many cells are judged together.
    #[must_use]
    pub fn p_value(self, percentile: u8) -> f64 {
        let spread = self.without_top();
        at_most(spread.within, spread.n(), required_share(percentile))
    }
}

impl Limit {
    /// Returns the verdict on a tally.
    #[must_use]
    pub fn verdict(&self, tally: BudgetTally) -> Verdict {
        tally.verdict(self.percentile, self.min_samples)
    }

    /// Returns true if a violation is not proven because it rests on few networks.
    #[must_use]
    pub fn rests_on_few_networks(&self, tally: BudgetTally) -> bool {
        tally.rests_on_few_networks(self.percentile, self.min_samples)
    }
}

impl Verdict {
    /// Returns the verdict on `n` visits that prove neither side.
    pub(crate) const fn undecided(n: u64) -> Self {
        if n < MIN_AT_LIMIT_VISITS { Self::Insufficient } else { Self::AtLimit }
    }

    /// Returns what the verdict proves when only a part of the visits was counted: that part cannot prove a budget
    /// met, because the visits that are missing may be those over it.
    #[must_use]
    pub const fn on_partial_data(self) -> Self {
        match self {
            Self::Met => Self::Insufficient,
            Self::Unknown | Self::Insufficient | Self::AtLimit | Self::Violated => self,
        }
    }

    /// The name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Insufficient => "insufficient",
            Self::Met => "met",
            Self::AtLimit => "at-limit",
            Self::Violated => "violated",
        }
    }
}

impl PercentileRanks {
    /// Returns the 95 % confidence interval of a percentile of `n` values; None if `n` is too small.
    #[must_use]
    pub fn for_percentile(n: u64, percentile: u8) -> Option<Self> {
        let share = required_share(percentile);
        let mean = n as f64 * share;
        let spread = 1.96 * (mean * (1.0 - share)).sqrt();
        let low = first_true((mean - spread) as u64, n, |rank| at_most(rank, n, share) > INTERVAL_TAIL);
        let high =
            first_true((mean + spread) as u64, n + 1, |rank| at_least(rank, n, share) <= INTERVAL_TAIL);
        (low > 0 && high <= n).then_some(Self { low, high })
    }
}

/// The share of visits that must be within budget.
pub(crate) fn required_share(percentile: u8) -> f64 {
    f64::from(percentile.clamp(1, 99)) / 100.0
}

/// Returns the smallest number up to `end` for which a monotonic predicate is true; it must be true for `end`.
/// Gallops away from the guess until both sides are known, then bisects.
fn first_true(guess: u64, end: u64, is_true: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, end);
    let mut step = 1;
    if guess >= end || is_true(guess) {
        high = guess.min(end);
        while let Some(at) = high.checked_sub(step) {
            if !is_true(at) {
                low = at + 1;
                break;
            }
            high = at;
            step *= 2;
        }
    } else {
        low = guess + 1;
        while low + step < end {
            let at = low + step;
            if is_true(at) {
                high = at;
                break;
            }
            low = at + 1;
            step *= 2;
        }
    }
    while low < high {
        let middle = low.midpoint(high);
        if is_true(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

const fn is_zero(count: &u64) -> bool {
    *count == 0
}

const MAX_VIOLATED_P_VALUE: f64 = 0.01;
const MAX_MET_P_VALUE: f64 = 0.05;
/// With this many visits, an undecided page is within about 2.5 points of its limit.
pub(crate) const MIN_AT_LIMIT_VISITS: u64 = 1300;
/// The probability of each tail outside a 95 % interval.
const INTERVAL_TAIL: f64 = 0.025;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The top is at least what the sender's networks sent.
        #[test]
        fn no_sender_of_the_top_networks_turns_a_budget_violated(
            honest in (0..2000_u64, 0..2000_u64),
            hostile in (0..2000_u64, 0..2000_u64),
            more in 0..50_u64,
            percentile in 1..=99_u8,
        ) {
            let true_tally = BudgetTally::new(honest.0 + honest.1, honest.0);
            let all = BudgetTally::new(true_tally.n() + hostile.0 + hostile.1, honest.0 + hostile.0);
            let all = all.with_top(hostile.0 + hostile.1 + more);
            let (told, truth) = (all.verdict(percentile, 30), true_tally.verdict(percentile, 30));
            prop_assert!(told != Verdict::Violated || truth == Verdict::Violated, "{told:?} {truth:?}");
            prop_assert!(all.e_value(percentile) <= true_tally.e_value(percentile) * (1.0 + 1e-9));
            prop_assert!(all.p_value(percentile) >= true_tally.p_value(percentile) * (1.0 - 1e-9));
        }

        #[test]
        fn a_violation_that_many_networks_saw_stands(over in 200..1000_u64) {
            // 128 buckets, each with its share of the visits.
            let tally = BudgetTally::new(1000, 1000 - over).with_top(4 * 1000 / 128);
            prop_assert_eq!(tally.verdict(90, 30), Verdict::Violated);
        }
    }

    #[test]
    fn a_violation_that_rests_on_few_networks_is_insufficient() {
        let tally = BudgetTally::new(300, 100).with_top(190);
        assert_eq!(tally.verdict(75, 30), Verdict::Insufficient);
        assert!(tally.rests_on_few_networks(75, 30));
        assert_eq!(tally.with_top(20).verdict(75, 30), Verdict::Violated);
        // It is no reason to call a budget met.
        assert_eq!(BudgetTally::new(300, 225).with_top(300).verdict(75, 30), Verdict::Insufficient);
        assert_eq!(BudgetTally::new(300, 290).with_top(300).verdict(75, 30), Verdict::Met);
    }

    /// n, violated up to, met from.
    const CRITICAL: [(u64, u64, u64); 6] =
        [(30, 16, 27), (100, 64, 83), (200, 134, 161), (500, 351, 392), (1000, 717, 773), (5000, 3677, 3801)];

    #[test]
    fn verdicts_change_at_the_critical_values() {
        for (n, violated, met) in CRITICAL {
            let between = if n < 1300 { Verdict::Insufficient } else { Verdict::AtLimit };
            let verdict = |within| BudgetTally::new(n, within).verdict(75, 30);
            let found = [violated, violated + 1, met - 1, met].map(verdict);
            assert_eq!(found, [Verdict::Violated, between, between, Verdict::Met], "{n}");
        }
    }

    #[test]
    fn excess_visits_are_those_above_the_allowance() {
        assert_eq!(
            [(100, 64), (100, 75), (8, 8), (0, 0)].map(|(n, k)| BudgetTally::new(n, k).excess_visits(75)),
            [11.0, 0.0, -2.0, 0.0]
        );
    }

    #[test]
    fn too_few_visits_are_never_met() {
        assert_eq!(BudgetTally::new(0, 0).verdict(75, 30), Verdict::Unknown);
        assert_eq!(BudgetTally::new(29, 29).verdict(75, 30), Verdict::Insufficient);
        assert_eq!(BudgetTally::new(29, 0).verdict(75, 30), Verdict::Insufficient);
        assert_eq!(BudgetTally::new(199, 199).verdict(75, 200), Verdict::Insufficient);
    }

    #[test]
    fn verdicts_worsen_as_fewer_visits_keep_the_budget() {
        for (n, percentile) in [(30, 75), (400, 90), (1300, 50), (2000, 99), (2000, 1)] {
            let verdicts: Vec<_> =
                (0..=n).map(|within| BudgetTally::new(n, within).verdict(percentile, 30)).collect();
            let rank = |verdict: &Verdict| match verdict {
                Verdict::Violated => 0,
                Verdict::Met => 2,
                _ => 1,
            };
            assert!(verdicts.is_sorted_by_key(rank), "{n} at {percentile}");
        }
    }

    #[test]
    fn a_billion_visits_have_a_verdict() {
        let verdict = |within| BudgetTally::new(1_000_000_000, within).verdict(75, 30);
        assert_eq!(verdict(749_968_000), Verdict::Violated);
        assert_eq!(verdict(749_970_000), Verdict::AtLimit);
        assert_eq!(verdict(750_030_000), Verdict::Met);
    }

    #[test]
    fn the_interval_of_p75_has_these_ranks() {
        let ranks = [
            (30, 18, 28),
            (100, 66, 84),
            (200, 138, 163),
            (500, 356, 395),
            (1000, 723, 778),
            (5000, 3690, 3811),
        ];
        for (n, low, high) in ranks {
            assert_eq!(PercentileRanks::for_percentile(n, 75), Some(PercentileRanks { low, high }), "{n}");
        }
    }

    #[test]
    fn the_search_finds_the_first_true_from_any_guess() {
        for end in 0..40 {
            for (guess, answer) in
                (0..=end + 2).flat_map(|guess| (0..=end).map(move |answer| (guess, answer)))
            {
                assert_eq!(first_true(guess, end, |at| at >= answer), answer, "from {guess} up to {end}");
            }
        }
    }

    #[test]
    fn too_few_values_give_no_interval() {
        let bounded = (0..40).find(|n| PercentileRanks::for_percentile(*n, 75).is_some());
        // 0.75^n is the chance that the largest of n values is below p75.
        assert_eq!(bounded, Some(13));
        assert_eq!(PercentileRanks::for_percentile(100, 99), None);
        // The smallest of ten values may be above the 10th percentile.
        assert_eq!(PercentileRanks::for_percentile(10, 10), None);
    }

    #[test]
    fn a_verdict_has_its_name() {
        let all =
            [Verdict::Unknown, Verdict::Insufficient, Verdict::Met, Verdict::AtLimit, Verdict::Violated];
        assert_eq!(all.map(Verdict::name), ["unknown", "insufficient", "met", "at-limit", "violated"]);
    }
}
