//! The views of the spans that burn rates are computed over. They add up, so that a site's need no history of its
//! own; which rates raise an alert is up to `budget`.

use budget::{BudgetTally, BurnWindows};
use ledger::{LimitHistory, NetworkCounts, NetworkHistory};
use wire::{LimitCounts, UnixMillis, Window, WindowSpan};

use crate::network_evidence::tally_with_networks;

/// Views against a limit, by span.
#[derive(Clone, Default)]
pub(crate) struct BurnCounts {
    half_hour: LimitCounts,
    six_hours: LimitCounts,
    three_days: LimitCounts,
    six_hours_networks: NetworkCounts,
    three_days_networks: NetworkCounts,
}

impl BurnCounts {
    pub(crate) fn of(history: &LimitHistory, networks: Option<&NetworkHistory>, now: UnixMillis) -> Self {
        let six_hours =
            Window::containing(WindowSpan::Hour, now).start.saturating_sub(6 * WindowSpan::Hour.millis());
        let networks_since = |at| networks.map(|networks| networks.since(at)).unwrap_or_default();
        let mut counts = Self {
            half_hour: history.half_hour,
            six_hours_networks: networks_since(six_hours),
            three_days_networks: networks_since(UnixMillis(0)),
            ..Self::default()
        };
        for (hour, views) in &history.hours {
            counts.three_days.add(*views);
            if *hour >= six_hours {
                counts.six_hours.add(*views);
            }
        }
        counts
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.half_hour.add(other.half_hour);
        self.six_hours.add(other.six_hours);
        self.three_days.add(other.three_days);
        self.six_hours_networks.merge(&other.six_hours_networks);
        self.three_days_networks.merge(&other.three_days_networks);
    }

    /// The networks of the half hour are left out: it never raises an alert without the six hours.
    pub(crate) fn windows(&self) -> BurnWindows {
        BurnWindows {
            half_hour: BudgetTally::from(self.half_hour),
            six_hours: tally_with_networks(self.six_hours, &self.six_hours_networks),
            three_days: tally_with_networks(self.three_days, &self.three_days_networks),
        }
    }
}
