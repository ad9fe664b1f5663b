//! The networks behind counts: a violation is proven only without those that sent most (`budget`), and the documents
//! say so.

use budget::{BudgetTally, Limit};
use ledger::{Cell, MetricCell, NetworkCounts};
use wire::network_share::NetworkShare;
use wire::{LimitCounts, Metric};

use crate::stats_format::{display_value, value_at_rank};

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

/// Describes the networks behind the views of a metric against its limit; `None` if none is known.
#[must_use]
pub fn network_share(
    networks: &NetworkCounts,
    limit: &Limit,
    tally: BudgetTally,
    cell: Option<&MetricCell>,
) -> Option<NetworkShare> {
    let views = networks.views();
    (views > 0).then(|| {
        let mut share = NetworkShare {
            networks: networks.estimated_networks(),
            top: networks.top_views(),
            largest: (networks.largest() as f64 / views as f64 * 1e4).round() / 1e4,
            value_without_top: cell.and_then(|cell| bounds_without(cell, tally.top, limit.percentile)),
            unproven: None,
        };
        share.unproven = limit.rests_on_few_networks(tally).then(|| share.unproven_sentence(tally.n()));
        share
    })
}

/// Returns the bounds of a percentile without so many views: the lower one if they were the slowest of all, the upper
/// one if they were the fastest.
fn bounds_without(cell: &MetricCell, views: u64, percentile: u8) -> Option<[f64; 2]> {
    let MetricCell { n, sketch, .. } = cell;
    let rest = n.checked_sub(views).filter(|rest| *rest > 0)?;
    let rank = rest.saturating_mul(percentile.into()).div_ceil(100).max(1);
    let at = |rank| Some(display_value(sketch.metric(), value_at_rank(cell, rank)?.midpoint()));
    Some([at(rank)?, at(views.saturating_add(rank))?])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use sketch::Sketch;

    use super::*;

    fn cell(values: &[u32]) -> MetricCell {
        let mut sketch = Sketch::new(Metric::Lcp);
        values.iter().for_each(|value| sketch.insert(*value, 1));
        MetricCell { n: values.len() as u64, limit_counts: BTreeMap::new(), sketch }
    }

    proptest! {
        #[test]
        fn views_of_few_networks_move_a_percentile_no_further_than_its_bounds(
            honest in proptest::collection::vec(0..60_000_u32, 1..80),
            hostile in proptest::collection::vec(0..60_000_u32, 0..80),
            more in 0..5_u64,
            percentile in 1..=99_u8,
        ) {
            let all = cell(&[honest.as_slice(), &hostile].concat());
            let truth = bounds_without(&cell(&honest), 0, percentile).expect("a value");
            if let Some([low, high]) = bounds_without(&all, hostile.len() as u64 + more, percentile) {
                prop_assert!(low <= truth[0] && truth[0] <= high, "{low} {truth:?} {high}");
            }
        }
    }
}
