//! `GET /badge.svg`: how a site, a route or one metric stands against its budgets, as a picture. It
//! takes the questions that every read takes; a site that is not public has no badge without its token.

use std::collections::BTreeMap;

use budget::{Answer, Budgets, Cell, gate};
use insight::figures;
use ledger::Groups;
use wire::badge::{Badge, Tone};
use wire::{Device, Metric};
use worker::{Env, Request};

use crate::answer::{self, Outcome};
use crate::config::Config;
use crate::read::{Asked, PAGE};
use crate::{budgets, shard};

pub(crate) async fn badge(request: &Request, env: &Env, config: &Config) -> Outcome {
    let asked = Asked::of(request, env, config)?;
    let query = asked.parameters.query("", PAGE, None)?;
    let metric = asked.parameters.metric()?;
    let groups = shard::read(env, config, &asked.site, &query).await?;
    let cells = cells(&groups, &query.by, metric, &budgets::ruling(&groups.rulings)?);
    let value = metric.and_then(|metric| {
        let total = groups.total();
        let p75 = figures::stats(metric, total.metrics.get(&metric)).p75?;
        Some(match metric {
            Metric::Cls => format!("{p75:.2}, "),
            _ => format!("{p75:.0} ms, "),
        })
    });
    let (words, tone) = match gate(&cells).1 {
        Answer::Pass => ("within budget", Tone::Kept),
        Answer::Violated => ("over budget", Tone::Broken),
        Answer::Insufficient if cells.iter().all(|cell| cell.tally.n() == 0) => ("no data", Tone::Silent),
        Answer::Insufficient => ("too few to tell", Tone::Silent),
    };
    let message = format!("{}{words}", value.unwrap_or_default());
    let badge = Badge { label: metric.map_or("web vitals", Metric::name), message: &message, tone };
    answer::read(request, "image/svg+xml", asked.cache(&query), badge.svg().into_bytes())
}

/// A cell for each budget and class of device, over all routes that it rules.
fn cells(groups: &Groups, by: &[ledger::Dimension], only: Option<Metric>, budgets: &Budgets) -> Vec<Cell> {
    let mut cells: BTreeMap<(u32, Device, Metric), Cell> = BTreeMap::new();
    for (group, counted) in &groups.cells {
        let Some((route, device)) = group.page(by) else { continue };
        for metric in Metric::ALL.into_iter().filter(|metric| only.is_none_or(|only| only == *metric)) {
            let Some(limit) = budgets.limit(route, device, metric) else { continue };
            let kept = counted.metrics.get(&metric).map(|tally| tally.against(limit.max)).unwrap_or_default();
            let cell = cells.entry((limit.line, device, metric)).or_insert(Cell {
                limit,
                tally: budget::Tally::default(),
                part: false,
            });
            let (n, k) = (cell.tally.n().saturating_add(kept.n), cell.tally.within.saturating_add(kept.k));
            cell.tally = budget::Tally::of(n, k);
        }
    }
    cells.into_values().collect()
}
