//! Burn rates: the share of visits over budget relative to the share that the budget allows. The usual alert
//! rates are for objectives of 99.9 % and can never fire here: at p75 a quarter of visits may be slow, so the
//! maximum burn rate is 4. The long window suppresses noise; the short one ends the alert.

use crate::verdict::{BudgetTally, required_share};

/// Counts of one page over three windows that end now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BurnWindows {
    /// The last 30 minutes.
    pub half_hour: BudgetTally,
    /// The last 6 hours.
    pub six_hours: BudgetTally,
    /// The last 3 days.
    pub three_days: BudgetTally,
}

/// The urgency of a burn rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BurnAlert {
    /// Next working day: a burn rate of 1.2 over 3 days and over 6 hours.
    Ticket,
    /// Immediately: a burn rate of 2 over 6 hours and over 30 minutes.
    Page,
}

impl BurnWindows {
    /// Returns the alert of these windows, if any. The networks that sent most do not count.
    #[must_use]
    pub fn alert(&self, percentile: u8) -> Option<BurnAlert> {
        let burns = |tally: BudgetTally, rate| {
            let spread = tally.without_top();
            spread.n() >= 100 && spread.burn_rate(percentile) >= rate
        };
        if burns(self.six_hours, 2.0) && burns(self.half_hour, 2.0) {
            Some(BurnAlert::Page)
        } else if burns(self.three_days, 1.2) && burns(self.six_hours, 1.2) {
            Some(BurnAlert::Ticket)
        } else {
            None
        }
    }
}

impl BurnAlert {
    /// The name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ticket => "ticket",
            Self::Page => "page",
        }
    }
}

impl BudgetTally {
    /// Returns the share of visits over budget, as a multiple of the allowed share. 0 without visits.
    #[must_use]
    pub fn burn_rate(self, percentile: u8) -> f64 {
        match self.n() {
            0 => 0.0,
            n => self.over as f64 / n as f64 / (1.0 - required_share(percentile)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        half_hour: (u64, u64),
        six_hours: (u64, u64),
        three_days: (u64, u64),
        expect: Option<BurnAlert>,
    ) {
        let [half_hour, six_hours, three_days] =
            [half_hour, six_hours, three_days].map(|(n, over)| BudgetTally::new(n, n - over));
        assert_eq!(BurnWindows { half_hour, six_hours, three_days }.alert(75), expect);
    }

    #[test]
    fn both_windows_must_burn() {
        check((100, 50), (1200, 600), (9000, 2300), Some(BurnAlert::Page));
        check((100, 49), (1200, 600), (9000, 2300), None);
        check((100, 50), (1200, 599), (9000, 2300), None);
        check((100, 10), (1000, 300), (10_000, 3000), Some(BurnAlert::Ticket));
        check((100, 10), (1000, 299), (10_000, 3000), None);
        check((100, 10), (1000, 300), (10_000, 2999), None);
    }

    #[test]
    fn an_alert_has_its_name() {
        assert_eq!([BurnAlert::Ticket, BurnAlert::Page].map(BurnAlert::name), ["ticket", "page"]);
    }

    #[test]
    fn fewer_than_100_visits_raise_no_alert() {
        check((99, 99), (1200, 1200), (1200, 100), None);
        check((0, 0), (99, 99), (10_000, 10_000), None);
    }

    #[test]
    fn the_burn_rate_is_one_when_a_quarter_is_over_budget() {
        let rates = [0, 25, 100].map(|over| BudgetTally::new(100, 100 - over).burn_rate(75));
        assert_eq!(rates, [0.0, 1.0, 4.0]);
        assert_eq!(BudgetTally::default().burn_rate(75), 0.0);
    }
}
