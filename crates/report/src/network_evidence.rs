//! The networks behind counts: a violation is proven only without those that sent most (`budget`), and the documents
//! say so.

use budget::{BudgetTally, Limit};
use ledger::{Cell, NetworkCounts};
use wire::network_share::NetworkShare;
use wire::{LimitCounts, Metric};

/// Returns the views of a cell against a limit, with those of the networks that sent most.
#[must_use]
pub fn judged_tally(cell: &Cell, metric: Metric, limit: u32) -> BudgetTally {
    tally_with_networks(cell.limit_counts(metric, limit), &cell.networks)
}

/// Returns counts with the views of the networks that sent most.
#[must_use]
pub fn tally_with_networks(counts: LimitCounts, networks: &NetworkCounts) -> BudgetTally {
    BudgetTally::from(counts).with_top(networks.top_views())
}

/// Describes the networks behind a tally; `None` if none is known.
#[must_use]
pub fn network_share(networks: &NetworkCounts, limit: &Limit, tally: BudgetTally) -> Option<NetworkShare> {
    let views = networks.views();
    (views > 0).then(|| {
        let mut share = NetworkShare {
            networks: networks.estimated_networks(),
            top: networks.top_views(),
            largest: (networks.largest() as f64 / views as f64 * 1e4).round() / 1e4,
            unproven: None,
        };
        share.unproven = limit.rests_on_few_networks(tally).then(|| share.unproven_sentence(tally.n()));
        share
    })
}
