//! The badge of a site, a route or a metric: the verdict of its budgets as a picture.

use std::collections::BTreeMap;

use budget::{BudgetTally, Budgets, GateCell, GateOutcome, evaluate_gate};
use ledger::{Dimension, NetworkCounts, QueryResult};
use wire::badge::{Badge, BadgeState};
use wire::{Device, Metric, ShardCoverage};

use crate::stats_format::stats;

/// Draws the badge of a result that is grouped by route and device, of one metric or of all.
#[must_use]
pub fn badge_svg(
    groups: &QueryResult,
    by: &[Dimension],
    metric: Option<Metric>,
    budgets: &Budgets,
    shards: Option<&ShardCoverage>,
) -> String {
    let cells = gate_cells(groups, by, metric, budgets);
    let value = metric.and_then(|metric| {
        let p75 = stats(metric, groups.total().metrics.get(&metric)).p75?;
        Some(match metric {
            Metric::Cls => format!("{p75:.2}, "),
            Metric::Fcp | Metric::Lcp | Metric::Inp | Metric::Fid | Metric::Ttfb => format!("{p75:.0} ms, "),
        })
    });
    let (verdict, state) = match evaluate_gate(&cells).1 {
        GateOutcome::Violated => ("over budget", BadgeState::Failing),
        GateOutcome::Pass | GateOutcome::Insufficient if shards.is_some() => {
            ("data incomplete", BadgeState::Unknown)
        }
        GateOutcome::Pass => ("within budget", BadgeState::Passing),
        GateOutcome::Insufficient if cells.iter().all(|cell| cell.tally.n() == 0) => {
            ("no data", BadgeState::Unknown)
        }
        GateOutcome::Insufficient => ("too few to tell", BadgeState::Unknown),
    };
    let message = format!("{}{verdict}", value.unwrap_or_default());
    Badge { label: metric.map_or("web vitals", Metric::name), message: &message, state }.to_svg()
}

/// Returns a cell for each budget and device class, over all routes that the budget applies to.
fn gate_cells(
    groups: &QueryResult,
    by: &[Dimension],
    only: Option<Metric>,
    budgets: &Budgets,
) -> Vec<GateCell> {
    let mut cells: BTreeMap<(u32, Device, Metric), (GateCell, NetworkCounts)> = BTreeMap::new();
    for (group, counted) in &groups.cells {
        let Some((route, device)) = group.page(by) else { continue };
        for metric in Metric::ALL.into_iter().filter(|metric| only.is_none_or(|only| only == *metric)) {
            let Some(limit) = budgets.limit(route, device, metric) else { continue };
            let counts = counted.limit_counts(metric, limit.max);
            let (cell, networks) = cells.entry((limit.line, device, metric)).or_insert_with(|| {
                let cell = GateCell { limit, tally: BudgetTally::default(), is_subset: false };
                (cell, NetworkCounts::default())
            });
            networks.merge(&counted.networks);
            let (n, k) =
                (cell.tally.n().saturating_add(counts.n), cell.tally.within.saturating_add(counts.k));
            cell.tally = BudgetTally::new(n, k).with_top(networks.top_views());
        }
    }
    cells.into_values().map(|(cell, _)| cell).collect()
}
