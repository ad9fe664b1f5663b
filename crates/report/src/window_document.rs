//! The document of a closed window that is pushed to backends. The counts come from the ledger; the outbox
//! decides when to send it.

use std::collections::{BTreeMap, BTreeSet};

use budget::{Budgets, FormFactor, Verdict, field_score};
use ledger::{Cell, Dimension, QueryResult};
use serde::{Deserialize, Serialize};
use traffic::TrafficStats;
use wire::push::{
    self, VerdictTransition, WindowBudget, WindowCache, WindowDocument, WindowRequests, WindowScore,
};
use wire::{Device, Metric, OTHER_LABEL, Window, WindowSpan};

use crate::network_evidence::judged_tally;
use crate::request_report::CacheUsage;
use crate::stats_format::{display_unit, display_value, stats};
use wire::sorting::{CollectOrdered, SortSlice};

/// The data of a closed window.
#[derive(Clone, Debug)]
pub struct ClosedWindow<'a> {
    /// The site.
    pub site: &'a str,
    /// The window.
    pub window: Window,
    /// 0, or the number of the correction.
    pub revision: u32,
    /// The cells, grouped by [`GROUP_BY`].
    pub groups: &'a QueryResult,
    /// The edge's responses, if they are counted.
    pub requests: Option<WindowRequests>,
    /// Cache results, if there is a cache.
    pub cache: Option<WindowCache>,
    /// Verdicts that changed since the last document.
    pub transitions: Vec<VerdictTransition>,
}

/// The last decisive verdict on each cell. `unknown` and `insufficient` are not decisive, so an hour without
/// visits is no transition. Stored by the shell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LastVerdicts(BTreeMap<String, String>);

/// The dimensions to group a window by.
pub const GROUP_BY: [Dimension; 2] = [Dimension::Route, Dimension::Device];

impl ClosedWindow<'_> {
    /// Creates the document.
    #[must_use]
    pub fn document(&self, budgets: &Budgets) -> WindowDocument {
        let Self { site, window, revision, groups, requests, cache, transitions } = self;
        let total = groups.total();
        let pages = busiest_pages(groups);
        let cells =
            pages.iter().flat_map(|((route, device), cell)| document_cells(route, *device, cell, budgets));
        let scores = pages.iter().filter_map(|((route, device), cell)| {
            let p75 = |(metric, tally): (&Metric, &ledger::MetricCell)| {
                Some((*metric, stats(*metric, Some(tally)).p75?))
            };
            let values: Vec<(Metric, f64)> = cell.metrics.iter().filter_map(p75).collect();
            let score = field_score(values, FormFactor::from_device(*device))?;
            Some(WindowScore { route: route.clone(), device: *device, score })
        });
        WindowDocument {
            v: push::VERSION,
            site: (*site).to_owned(),
            span: match window.span {
                WindowSpan::Minute => "minute",
                WindowSpan::Hour => "hour",
                WindowSpan::Day => "day",
            }
            .to_owned(),
            start: window.start,
            end: window.start.saturating_add(window.span.millis()),
            revision: *revision,
            views: total.views,
            visits: total.visits,
            sent: total.sent,
            received: total.received,
            lost: total.lost,
            cells: cells.collect(),
            scores: scores.collect(),
            requests: requests.clone(),
            cache: cache.clone(),
            transitions: transitions.clone(),
        }
    }
}

/// Summarises the edge's traffic for the document; `None` if nothing was counted.
#[must_use]
pub fn traffic_sections(traffic: &TrafficStats) -> (Option<WindowRequests>, Option<WindowCache>) {
    let Some(cache) = CacheUsage::from_traffic(traffic) else { return (None, None) };
    let total = traffic.total();
    let times = total.edge_latency();
    let requests = WindowRequests {
        n: total.n(),
        errors: total.server_errors(),
        p50: times.percentile(50),
        p95: times.percentile(95),
        p99: times.percentile(99),
    };
    (Some(requests), Some(WindowCache { hits: cache.hits, misses: cache.reasons }))
}

/// Returns the pages with the most views and all others merged, which bounds the document and keeps totals.
fn busiest_pages(groups: &QueryResult) -> BTreeMap<(String, Device), Cell> {
    let mut views: BTreeMap<&str, u64> = BTreeMap::new();
    for (group, cell) in &groups.cells {
        if let Some((route, _)) = group.page(&GROUP_BY) {
            let sum = views.entry(route).or_default();
            *sum = sum.saturating_add(cell.views);
        }
    }
    let mut routes: Vec<(&str, u64)> = views.into_iter().collect();
    routes.order_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let named_routes: BTreeSet<&str> =
        routes.into_iter().take(MAX_ROUTES).map(|(route, _)| route).collect_set();
    let mut pages: BTreeMap<(String, Device), Cell> = BTreeMap::new();
    for (group, cell) in &groups.cells {
        let Some((route, device)) = group.page(&GROUP_BY) else { continue };
        let route = if named_routes.contains(route) { route } else { OTHER_LABEL };
        pages.entry((route.to_owned(), device)).or_default().merge(cell);
    }
    pages
}

fn document_cells<'a>(
    route: &'a str,
    device: Device,
    cell: &'a Cell,
    budgets: &'a Budgets,
) -> impl Iterator<Item = push::WindowCell> + 'a {
    cell.metrics.iter().map(move |(metric, tally)| {
        let summary = stats(*metric, Some(tally));
        let judged = budgets.limit(route, device, *metric).map(|limit| {
            let counts = judged_tally(cell, *metric, limit.max);
            let max = display_value(*metric, limit.max);
            let budget = WindowBudget { max, percentile: limit.percentile, n: counts.n(), k: counts.within };
            (budget, limit.verdict(counts))
        });
        push::WindowCell {
            route: route.to_owned(),
            device,
            metric: metric.name().to_owned(),
            unit: display_unit(*metric).to_owned(),
            n: summary.n,
            p50: summary.p50,
            p75: summary.p75,
            p95: summary.p95,
            good: summary.good,
            needs_improvement: summary.needs_improvement,
            poor: summary.poor,
            verdict: judged.as_ref().map_or("none", |(_, verdict)| verdict.name()).to_owned(),
            budget: judged.map(|(budget, _)| budget),
        }
    })
}

impl LastVerdicts {
    /// Records the verdicts of the window that the dashboard shows, and returns the changes.
    pub fn record(
        &mut self,
        verdicts: impl IntoIterator<Item = (String, Device, Metric, Verdict)>,
    ) -> Vec<VerdictTransition> {
        let mut changed = Vec::new();
        for (route, device, metric, verdict) in verdicts {
            if matches!(verdict, Verdict::Unknown | Verdict::Insufficient) {
                continue;
            }
            let key = format!("{} {} {route}", metric.name(), device.name());
            if !self.0.contains_key(&key) && self.0.len() >= MAX_CELLS {
                continue;
            }
            let from = self.0.insert(key, verdict.name().to_owned());
            if from.as_deref() != Some(verdict.name()) {
                let (metric, to) = (metric.name().to_owned(), verdict.name().to_owned());
                changed.push(VerdictTransition { route, device, metric, from, to });
            }
        }
        changed
    }
}

/// With three device classes and six metrics, a document stays below about one megabyte.
const MAX_ROUTES: usize = 150;
const MAX_CELLS: usize = 5000;
