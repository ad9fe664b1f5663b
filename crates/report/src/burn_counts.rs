//! The views of the spans that burn rates are computed over. They add up, so that a site's need no history of its
//! own; which rates raise an alert is up to `budget`.

use budget::{BudgetTally, BurnWindows};
use ledger::LimitHistory;
use wire::{LimitCounts, UnixMillis, Window, WindowSpan};

/// Views against a limit, by span.
#[derive(Clone, Copy, Default)]
pub(crate) struct BurnCounts {
    half_hour: LimitCounts,
    six_hours: LimitCounts,
    three_days: LimitCounts,
}

impl BurnCounts {
    pub(crate) fn of(history: &LimitHistory, now: UnixMillis) -> Self {
        let six_hours =
            Window::containing(WindowSpan::Hour, now).start.saturating_sub(6 * WindowSpan::Hour.millis());
        let mut counts = Self { half_hour: history.half_hour, ..Self::default() };
        for (hour, views) in &history.hours {
            counts.three_days.add(*views);
            if *hour >= six_hours {
                counts.six_hours.add(*views);
            }
        }
        counts
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.half_hour.add(other.half_hour);
        self.six_hours.add(other.six_hours);
        self.three_days.add(other.three_days);
    }

    pub(crate) fn windows(self) -> BurnWindows {
        BurnWindows {
            half_hour: BudgetTally::from(self.half_hour),
            six_hours: BudgetTally::from(self.six_hours),
            three_days: BudgetTally::from(self.three_days),
        }
    }
}
