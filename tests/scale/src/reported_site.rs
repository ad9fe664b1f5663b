//! The budget report of a busy site: a thousand routes by device class, with the counts of three days and as many
//! sequential tests as are stored.

use std::collections::BTreeMap;

use budget::Budgets;
use ledger::{
    BudgetSource, Cell, Dimension, Group, HourlyLimitCounts, LimitHistory, MetricCell, PageLabels,
    QueryResult, SeriesQuery,
};
use report::budget_report::BudgetReportInputs;
use report::budget_watch::{self, WatchKey, WatchOutcome, WatchState};
use report::query_parameters::CellSelection;
use sketch::Sketch;
use wire::{Device, LimitCounts, Metric, UnixMillis, WindowSpan};

use crate::Random;

/// Budgets on five metrics, and a stricter one on a section.
const BUDGETS: &str = r#"[
  { "path": "/", "timings": [
    { "metric": "first-contentful-paint", "budget": 1500 },
    { "metric": "largest-contentful-paint", "budget": 2000 },
    { "metric": "cumulative-layout-shift", "budget": 0.1 },
    { "metric": "interaction-to-next-paint", "budget": 200 },
    { "metric": "time-to-first-byte", "budget": 800 }
  ] },
  { "path": "/section-3/*", "timings": [{ "metric": "largest-contentful-paint", "budget": 1500 }] }
]"#;

const MEDIANS: [(Metric, f64); 5] = [
    (Metric::Fcp, 900.0),
    (Metric::Lcp, 1500.0),
    (Metric::Cls, 150.0),
    (Metric::Inp, 90.0),
    (Metric::Ttfb, 250.0),
];

const NOW: UnixMillis = UnixMillis(20_030 * WindowSpan::Day.millis());

/// A site with all that its budget report needs.
#[derive(Clone, Debug)]
pub struct ReportedSite {
    query: SeriesQuery,
    groups: QueryResult,
    navigations: QueryResult,
    before: QueryResult,
    budgets: Budgets,
    counts: HourlyLimitCounts,
    watches: BTreeMap<WatchKey, WatchOutcome>,
}

impl ReportedSite {
    /// Creates a site with views of each route from each device class.
    #[must_use]
    pub fn new(routes: usize) -> Self {
        let budgets = Budgets::parse(BUDGETS).expect("valid budgets");
        let mut random = Random(5);
        let mut before = page_groups(routes, &budgets, &mut random);
        let mut groups = page_groups(routes, &budgets, &mut random);
        for (result, since) in [(&mut before, 30), (&mut groups, 10)] {
            let since = NOW.saturating_sub(since * WindowSpan::Day.millis());
            result.budget_history.accept(BUDGETS, BudgetSource::Asset, since);
        }
        let counts = hourly_counts(&groups, &mut random);
        let evaluated = budget_watch::evaluate(WatchState::default(), &counts, &budgets, NOW);
        let watches = evaluated.outcomes.into_iter().map(|outcome| (outcome.key.clone(), outcome)).collect();
        Self {
            query: page_query(),
            groups,
            navigations: QueryResult::default(),
            before,
            budgets,
            counts,
            watches,
        }
    }

    /// Returns the inputs of a report that compares two releases.
    #[must_use]
    pub fn inputs(&self, selection: CellSelection) -> BudgetReportInputs<'_> {
        BudgetReportInputs {
            site: "s".to_owned(),
            query: &self.query,
            groups: &self.groups,
            navigations: &self.navigations,
            baseline: Some(("1".to_owned(), self.before.clone())),
            budgets: &self.budgets,
            counts: &self.counts,
            watches: &self.watches,
            now: NOW,
            selection,
            shards: None,
        }
    }
}

fn page_query() -> SeriesQuery {
    SeriesQuery {
        from: NOW.saturating_sub(7 * WindowSpan::Day.millis()),
        to: NOW,
        bots: Default::default(),
        navigations: Default::default(),
        only: vec![(Dimension::Release, "2".to_owned())],
        by: vec![Dimension::Route, Dimension::Device],
        step: None,
    }
}

fn page_groups(routes: usize, budgets: &Budgets, random: &mut Random) -> QueryResult {
    let mut groups = QueryResult::default();
    for route in (0..routes).map(|route| format!("/section-{}/page-{route}", route % 17)) {
        for device in Device::ALL {
            let views = 20 + random.below(400);
            let metrics = MEDIANS.map(|(metric, median)| {
                let max = budgets.limit(&route, device, metric).expect("a budget").max;
                (metric, metric_cell(metric, median, max, views, random))
            });
            let cell = Cell {
                views,
                visits: views,
                sent: views,
                received: views,
                lost: BTreeMap::new(),
                metrics: metrics.into(),
                ..Cell::default()
            };
            let values = vec![Some(route.as_str().into()), Some(device.name().into())];
            groups.add(Group { values, at: None }, &cell);
        }
    }
    groups
}

fn metric_cell(metric: Metric, median: f64, max: u32, views: u64, random: &mut Random) -> MetricCell {
    let mut sketch = Sketch::new(metric);
    (0..views).for_each(|_| sketch.insert(random.log_normal(median), 1));
    let counts = LimitCounts { n: views, k: sketch.within(max).at_least };
    MetricCell { n: views, limit_counts: [(max, counts)].into(), sketch }
}

/// The views of each cell, spread over three days.
fn hourly_counts(groups: &QueryResult, random: &mut Random) -> HourlyLimitCounts {
    let mut counts = HourlyLimitCounts::default();
    let by = page_query().by;
    for (group, cell) in &groups.cells {
        let (route, device) = group.page(&by).expect("a page");
        for (metric, tally) in &cell.metrics {
            for (max, whole) in &tally.limit_counts {
                let page = PageLabels { route: route.to_owned(), device };
                let hour = |ago| NOW.saturating_sub(ago * WindowSpan::Hour.millis());
                let some = LimitCounts { n: whole.n / 20, k: (whole.k / 20).min(whole.n / 20) };
                let hours = (1..=72).filter(|_| random.below(3) == 0).map(|ago| (hour(ago), some)).collect();
                let history = LimitHistory { half_hour: some, hours };
                counts.histories.insert((page, metric.name().to_owned(), *max), history);
            }
        }
    }
    counts.releases.insert("2".to_owned(), 1000);
    counts
}
