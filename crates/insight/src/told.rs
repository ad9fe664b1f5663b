//! A closed window as the backend is told of it. What is counted is the ledger's, when and how it is sent
//! the outbox's; here is what the document says.

use std::collections::{BTreeMap, BTreeSet};

use budget::{Budgets, Form, Verdict, field_score};
use ledger::traffic::Traffic;
use ledger::{Cell, Dimension, Groups, OTHER, Span, Window};
use serde::{Deserialize, Serialize};
use wire::push::{self, Budget, Cache, Document, Requests, Score, Transition};
use wire::{Device, Metric};

use crate::figures::{natural, stats, unit};

/// What a window's document is made of.
#[derive(Clone, Debug)]
pub struct Closed<'a> {
    /// The site.
    pub site: &'a str,
    /// The window.
    pub window: Window,
    /// 0, or the number of the correction.
    pub revision: u32,
    /// Its cells, grouped [by](BY) route and device.
    pub groups: &'a Groups,
    /// The answers of the edge, where they are counted.
    pub requests: Option<Requests>,
    /// What the cache did, where there is one.
    pub cache: Option<Cache>,
    /// Verdicts that changed since the last document.
    pub transitions: Vec<Transition>,
}

/// The last verdict that was decided on each cell. What is unknown or insufficient decides nothing, so
/// an hour without visitors is no transition. Stored by the shell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Decided(BTreeMap<String, String>);

/// What the groups of a window have in common.
pub const BY: [Dimension; 2] = [Dimension::Route, Dimension::Device];

impl Closed<'_> {
    /// The document.
    #[must_use]
    pub fn document(&self, budgets: &Budgets) -> Document {
        let Self { site, window, revision, groups, requests, cache, transitions } = self;
        let total = groups.total();
        let pages = pages(groups);
        let cells = pages.iter().flat_map(|((route, device), cell)| cells(route, *device, cell, budgets));
        let scores = pages.iter().filter_map(|((route, device), cell)| {
            let p75 = |(metric, tally): (&Metric, &ledger::Tally)| {
                Some((*metric, stats(*metric, Some(tally)).p75?))
            };
            let values: Vec<(Metric, f64)> = cell.metrics.iter().filter_map(p75).collect();
            let score = field_score(values, Form::of(*device))?;
            Some(Score { route: route.clone(), device: *device, score })
        });
        Document {
            v: push::VERSION,
            site: (*site).to_owned(),
            span: match window.span {
                Span::Minute => "minute",
                Span::Hour => "hour",
                Span::Day => "day",
            }
            .to_owned(),
            start: window.start,
            end: window.start.after(window.span.millis()),
            revision: *revision,
            views: total.views,
            visits: total.visits,
            sent: total.sent,
            heard: total.heard,
            lost: total.lost,
            cells: cells.collect(),
            scores: scores.collect(),
            requests: requests.clone(),
            cache: cache.clone(),
            transitions: transitions.clone(),
        }
    }
}

/// What the edge answered in a window, as its document says it; nothing of nothing.
#[must_use]
pub fn answered(traffic: &Traffic) -> (Option<Requests>, Option<Cache>) {
    let Some(cache) = crate::bulletin::Cache::of(traffic) else { return (None, None) };
    let (whole, times) = (traffic.whole(), traffic.whole().edge());
    let requests = Requests {
        n: whole.n(),
        errors: whole.errors(),
        p50: times.percentile(50),
        p95: times.percentile(95),
        p99: times.percentile(99),
    };
    (Some(requests), Some(Cache { hits: cache.hits, misses: cache.reasons }))
}

/// The pages with most views, and all others as one: a document is bounded, and no total changes.
fn pages(groups: &Groups) -> BTreeMap<(String, Device), Cell> {
    let mut views: BTreeMap<&str, u64> = BTreeMap::new();
    for (group, cell) in &groups.cells {
        if let Some((route, _)) = group.page(&BY) {
            let sum = views.entry(route).or_default();
            *sum = sum.saturating_add(cell.views);
        }
    }
    let mut routes: Vec<(&str, u64)> = views.into_iter().collect();
    routes.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let kept: BTreeSet<&str> = routes.into_iter().take(MOST_ROUTES).map(|(route, _)| route).collect();
    let mut pages: BTreeMap<(String, Device), Cell> = BTreeMap::new();
    for (group, cell) in &groups.cells {
        let Some((route, device)) = group.page(&BY) else { continue };
        let route = if kept.contains(route) { route } else { OTHER };
        pages.entry((route.to_owned(), device)).or_default().merge(cell);
    }
    pages
}

fn cells<'a>(
    route: &'a str,
    device: Device,
    cell: &'a Cell,
    budgets: &'a Budgets,
) -> impl Iterator<Item = push::Cell> + 'a {
    cell.metrics.iter().map(move |(metric, tally)| {
        let figures = stats(*metric, Some(tally));
        let judged = budgets.limit(route, device, *metric).map(|limit| {
            let kept = tally.against(limit.max);
            let verdict = limit.verdict(budget::Tally::of(kept.n, kept.k));
            let max = natural(*metric, limit.max);
            (Budget { max, percentile: limit.percentile, n: kept.n, k: kept.k }, verdict)
        });
        push::Cell {
            route: route.to_owned(),
            device,
            metric: metric.name().to_owned(),
            unit: unit(*metric).to_owned(),
            n: figures.n,
            p50: figures.p50,
            p75: figures.p75,
            p95: figures.p95,
            good: figures.good,
            needs_improvement: figures.needs_improvement,
            poor: figures.poor,
            verdict: judged.as_ref().map_or("none", |(_, verdict)| verdict.name()).to_owned(),
            budget: judged.map(|(budget, _)| budget),
        }
    })
}

impl Decided {
    /// Takes the verdicts of the span that people see, and says which have changed.
    pub fn take(
        &mut self,
        verdicts: impl IntoIterator<Item = (String, Device, Metric, Verdict)>,
    ) -> Vec<Transition> {
        let mut changed = Vec::new();
        for (route, device, metric, verdict) in verdicts {
            if matches!(verdict, Verdict::Unknown | Verdict::Insufficient) {
                continue;
            }
            let key = format!("{} {} {route}", metric.name(), device.name());
            if !self.0.contains_key(&key) && self.0.len() >= MOST_DECIDED {
                continue;
            }
            let from = self.0.insert(key, verdict.name().to_owned());
            if from.as_deref() != Some(verdict.name()) {
                let (metric, to) = (metric.name().to_owned(), verdict.name().to_owned());
                changed.push(Transition { route, device, metric, from, to });
            }
        }
        changed
    }
}

/// With three classes of devices and six metrics, a document of at most about a megabyte.
const MOST_ROUTES: usize = 150;
const MOST_DECIDED: usize = 5000;
