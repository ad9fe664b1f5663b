//! Forecast of the visits that an insufficient tally needs for a verdict.

use crate::verdict::{BudgetTally, MIN_AT_LIMIT_VISITS, Verdict};

/// The visits needed for a verdict if the share within budget stays the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// Additional visits; 0 for a decided tally.
    pub visits_needed: u64,
    /// The expected verdict; `Unknown` without visits.
    pub verdict: Verdict,
}

impl BudgetTally {
    /// Forecasts the verdict, assuming a constant share within budget.
    #[must_use]
    pub fn forecast(self, percentile: u8, min_samples: u64) -> Forecast {
        let n = self.n();
        if n == 0 {
            return Forecast { visits_needed: min_samples, verdict: Verdict::Unknown };
        }
        let verdict = |total: u64| {
            // In u128, so that the product cannot overflow.
            let within = u128::from(self.within) * u128::from(total) / u128::from(n);
            Self::new(total, u64::try_from(within).unwrap_or(u64::MAX)).verdict(percentile, min_samples)
        };
        let decides = |total| verdict(total) != Verdict::Insufficient;
        // From `MIN_AT_LIMIT_VISITS` on, every tally has a verdict.
        let (mut low, mut high) = (n, n.max(MIN_AT_LIMIT_VISITS).max(min_samples));
        if decides(low) {
            high = low;
        }
        while low < high {
            let middle = low.midpoint(high);
            if decides(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Forecast { visits_needed: high - n, verdict: verdict(high) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check((n, within): (u64, u64), expect: (u64, Verdict)) {
        let Forecast { visits_needed: more, verdict } = BudgetTally::new(n, within).forecast(75, 30);
        assert_eq!((more, verdict), expect, "{within} of {n}");
    }

    #[test]
    fn a_decided_tally_needs_no_more_visits() {
        check((100, 83), (0, Verdict::Met));
        check((100, 64), (0, Verdict::Violated));
        check((5000, 3750), (0, Verdict::AtLimit));
    }

    #[test]
    fn a_uniform_page_needs_only_the_minimum_samples() {
        check((10, 10), (20, Verdict::Met));
        check((10, 0), (20, Verdict::Violated));
        check((0, 0), (30, Verdict::Unknown));
    }

    #[test]
    fn a_page_near_its_limit_is_forecast_at_limit() {
        check((100, 75), (1200, Verdict::AtLimit));
    }

    #[test]
    fn the_forecast_visits_reach_the_forecast_verdict() {
        for n in (1..1400).step_by(13) {
            for within in (0..=n).step_by(7) {
                let Forecast { visits_needed: more, verdict } = BudgetTally::new(n, within).forecast(75, 30);
                let total = n + more;
                assert_ne!(verdict, Verdict::Insufficient);
                assert_eq!(BudgetTally::new(total, within * total / n).verdict(75, 30), verdict);
            }
        }
    }
}
