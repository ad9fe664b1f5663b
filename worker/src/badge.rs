//! `GET /badge.svg`: how a site, a route or one metric stands against its budgets, as a picture. It
//! takes the questions that every read takes; a site that is not public has no badge without its token.

use std::collections::BTreeMap;

use budget::{Budgets, GateCell, GateOutcome, evaluate_gate};
use ledger::QueryResult;
use report::stats_format;
use wire::badge::{Badge, BadgeState};
use wire::{Device, Metric};
use worker::{Env, Request};

use crate::config::Config;
use crate::query_api::{BY_PAGE, QueryRequest};
use crate::response::{self, HandlerResult};
use crate::{budgets, shard};

pub(crate) async fn badge(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let asked = QueryRequest::from_request(request, env, config)?;
    let query = asked.parameters.query("", BY_PAGE, None)?;
    let metric = asked.parameters.metric()?;
    let groups = shard::query(env, config, &asked.site, &query).await?;
    let cells = gate_cells(&groups, &query.by, metric, &budgets::in_force(&groups.budget_history)?);
    let value = metric.and_then(|metric| {
        let total = groups.total();
        let p75 = stats_format::stats(metric, total.metrics.get(&metric)).p75?;
        Some(match metric {
            Metric::Cls => format!("{p75:.2}, "),
            _ => format!("{p75:.0} ms, "),
        })
    });
    let (words, tone) = match evaluate_gate(&cells).1 {
        GateOutcome::Pass => ("within budget", BadgeState::Passing),
        GateOutcome::Violated => ("over budget", BadgeState::Failing),
        GateOutcome::Insufficient if cells.iter().all(|cell| cell.tally.n() == 0) => {
            ("no data", BadgeState::Unknown)
        }
        GateOutcome::Insufficient => ("too few to tell", BadgeState::Unknown),
    };
    let message = format!("{}{words}", value.unwrap_or_default());
    let badge = Badge { label: metric.map_or("web vitals", Metric::name), message: &message, state: tone };
    response::conditional(request, "image/svg+xml", asked.cache_control(&query), badge.to_svg().into_bytes())
}

/// A cell for each budget and class of device, over all routes that it rules.
fn gate_cells(
    groups: &QueryResult,
    by: &[ledger::Dimension],
    only: Option<Metric>,
    budgets: &Budgets,
) -> Vec<GateCell> {
    let mut cells: BTreeMap<(u32, Device, Metric), GateCell> = BTreeMap::new();
    for (group, counted) in &groups.cells {
        let Some((route, device)) = group.page(by) else { continue };
        for metric in Metric::ALL.into_iter().filter(|metric| only.is_none_or(|only| only == *metric)) {
            let Some(limit) = budgets.limit(route, device, metric) else { continue };
            let kept = counted
                .metrics
                .get(&metric)
                .map(|tally| tally.counts_for_limit(limit.max))
                .unwrap_or_default();
            let cell = cells.entry((limit.line, device, metric)).or_insert(GateCell {
                limit,
                tally: budget::BudgetTally::default(),
                is_subset: false,
            });
            let (n, k) = (cell.tally.n().saturating_add(kept.n), cell.tally.within.saturating_add(kept.k));
            cell.tally = budget::BudgetTally::new(n, k);
        }
    }
    cells.into_values().collect()
}
