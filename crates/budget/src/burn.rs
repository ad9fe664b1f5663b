//! How fast a page uses up what its budget forgives. The usual rates for alerts, made for
//! objectives of 99.9 %, can never fire here: where a quarter of visits may be slow, the fastest
//! burn is 4. A long window keeps noise out, a short one ends the alert when the burning ends.

use crate::verdict::{Tally, share};

/// The same page over three windows that end now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Windows {
    /// The last 30 minutes.
    pub half_hour: Tally,
    /// The last 6 hours.
    pub six_hours: Tally,
    /// The last 3 days.
    pub three_days: Tally,
}

/// What a burning page asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Burn {
    /// Look at it on the next working day: 1.2 times the budget over 3 days, and still so.
    Ticket,
    /// Wake somebody: twice the budget over 6 hours, and still so.
    Page,
}

impl Windows {
    /// What the page asks for, if anything.
    #[must_use]
    pub fn burn(&self, percentile: u8) -> Option<Burn> {
        let burns = |tally: Tally, rate| tally.n() >= 100 && tally.burn_rate(percentile) >= rate;
        if burns(self.six_hours, 2.0) && burns(self.half_hour, 2.0) {
            Some(Burn::Page)
        } else if burns(self.three_days, 1.2) && burns(self.six_hours, 1.2) {
            Some(Burn::Ticket)
        } else {
            None
        }
    }
}

impl Burn {
    /// The name in every answer.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ticket => "ticket",
            Self::Page => "page",
        }
    }
}

impl Tally {
    /// The share of visits over budget, as a multiple of the share that may be. 0 without visits.
    #[must_use]
    pub fn burn_rate(self, percentile: u8) -> f64 {
        match self.n() {
            0 => 0.0,
            n => self.over as f64 / n as f64 / (1.0 - share(percentile)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(half_hour: (u64, u64), six_hours: (u64, u64), three_days: (u64, u64), expect: Option<Burn>) {
        let [half_hour, six_hours, three_days] =
            [half_hour, six_hours, three_days].map(|(n, over)| Tally::of(n, n - over));
        assert_eq!(Windows { half_hour, six_hours, three_days }.burn(75), expect);
    }

    #[test]
    fn both_windows_must_burn() {
        check((100, 50), (1200, 600), (9000, 2300), Some(Burn::Page));
        check((100, 49), (1200, 600), (9000, 2300), None);
        check((100, 50), (1200, 599), (9000, 2300), None);
        check((100, 10), (1000, 300), (10_000, 3000), Some(Burn::Ticket));
        check((100, 10), (1000, 299), (10_000, 3000), None);
        check((100, 10), (1000, 300), (10_000, 2999), None);
    }

    #[test]
    fn a_few_visits_burn_nothing() {
        check((99, 99), (1200, 1200), (1200, 100), None);
        check((0, 0), (99, 99), (10_000, 10_000), None);
    }

    #[test]
    fn a_quarter_of_visits_may_be_slow() {
        let rates = [0, 25, 100].map(|over| Tally::of(100, 100 - over).burn_rate(75));
        assert_eq!(rates, [0.0, 1.0, 4.0]);
        assert_eq!(Tally::default().burn_rate(75), 0.0);
    }
}
