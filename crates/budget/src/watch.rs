//! Looking again and again without crying wolf. A verdict is for one look; who looks after every
//! visit needs evidence that stays honest however often it is read. Raising the alarm with people
//! is left to the shells.

use crate::verdict::{Tally, Verdict, share};

/// Whether people should know that a page breaks its budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Alarm {
    /// Nothing is to be said.
    #[default]
    Quiet,
    /// The budget is broken, and not yet seen to be kept again.
    Raised,
}

impl Alarm {
    /// The alarm after another look. The evidence is every visit since the release, or since an
    /// alarm last cleared; the verdict is of the window that people see. Raised by the one and
    /// cleared only by the other, an alarm does not flap.
    #[must_use]
    pub fn after(self, evidence: Tally, verdict: Verdict, percentile: u8) -> Self {
        match self {
            Self::Quiet if evidence.evidence(percentile) >= CONVINCING => Self::Raised,
            Self::Raised if verdict == Verdict::Met => Self::Quiet,
            unchanged => unchanged,
        }
    }
}

impl Tally {
    /// The e-value against "the budget is kept": however often and whenever it is read, a page
    /// that keeps its budget ever reaches E with a chance of at most 1/E (Ville's inequality).
    /// A mixture of bets on eight worse shares, so that slight and gross breaches both show.
    #[must_use]
    pub fn evidence(self, percentile: u8) -> f64 {
        let kept = share(percentile);
        let bet = |of_kept: f64| {
            let share = kept * of_kept;
            self.within as f64 * of_kept.ln() + self.over as f64 * ((1.0 - share) / (1.0 - kept)).ln()
        };
        let bets = BETS.map(|share| bet(share / 0.75));
        let best = bets.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = bets.iter().map(|bet| (bet - best).exp()).sum();
        (best + (sum / bets.len() as f64).ln()).exp()
    }
}

/// One false alarm in twenty pages that are watched for ever.
pub(crate) const CONVINCING: f64 = 20.0;

/// The shares of a p75; other percentiles are scaled to it.
const BETS: [f64; 8] = [0.74, 0.73, 0.72, 0.70, 0.67, 0.63, 0.55, 0.40];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_the_mean_of_eight_bets() {
        for (n, within, expect) in [(100, 60, 54.26), (200, 130, 38.31), (500, 350, 7.47)] {
            let found = Tally::of(n, within).evidence(75);
            assert!((found - expect).abs() < 0.005, "{found} is not {expect}");
        }
    }

    #[test]
    fn no_visits_are_no_evidence() {
        assert_eq!(Tally::default().evidence(75), 1.0);
    }

    #[test]
    fn evidence_of_a_billion_visits_is_a_number() {
        assert_eq!(Tally::of(1_000_000_000, 500_000_000).evidence(75), f64::INFINITY);
        assert_eq!(Tally::of(1_000_000_000, 999_000_000).evidence(75), 0.0);
    }

    /// The law behind Ville's inequality: one more visit does not raise the expected evidence.
    #[test]
    fn a_page_that_keeps_its_budget_gains_no_evidence() {
        for percentile in [50, 75, 90, 99] {
            for (n, within) in [(0, 0), (10, 4), (100, 60), (100, 90)] {
                let now = Tally::of(n, within);
                let kept = Tally::of(n + 1, within + 1).evidence(percentile);
                let broken = Tally::of(n + 1, within).evidence(percentile);
                let share = share(percentile);
                let next = share * kept + (1.0 - share) * broken;
                assert!((next / now.evidence(percentile) - 1.0).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn an_alarm_clears_only_when_the_budget_is_met_again() {
        let (calm, loud) = (Tally::of(500, 350), Tally::of(100, 60));
        let looks = [
            (calm, Verdict::Insufficient, Alarm::Quiet),
            (loud, Verdict::Violated, Alarm::Raised),
            (calm, Verdict::Insufficient, Alarm::Raised),
            (calm, Verdict::AtLimit, Alarm::Raised),
            (calm, Verdict::Unknown, Alarm::Raised),
            (calm, Verdict::Met, Alarm::Quiet),
        ];
        let mut alarm = Alarm::default();
        for (evidence, verdict, expect) in looks {
            alarm = alarm.after(evidence, verdict, 75);
            assert_eq!(alarm, expect, "after {verdict:?}");
        }
    }
}
