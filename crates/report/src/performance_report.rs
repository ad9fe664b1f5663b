//! The contents of `GET /api/performance/analytics`: daily values with their trend, and the pages of two releases
//! against their budgets.

use std::collections::BTreeMap;

use budget::Budgets;
use ledger::QueryResult;
use wire::{Metric, WindowSpan};

use crate::query_parameters::BY_PAGE;
use crate::release::ReleasePage;
use crate::stats_format::display_value;
use crate::trend::{DailyValue, Trend};
use wire::sorting::CollectOrdered;

/// Returns the trend of each metric's 75th percentile, from a result by day.
#[must_use]
pub fn trends(groups: &QueryResult) -> BTreeMap<&'static str, Trend> {
    let mut days: BTreeMap<Metric, Vec<DailyValue>> = BTreeMap::new();
    for (group, cell) in &groups.cells {
        let Some(at) = group.at else { continue };
        let index = u32::try_from(at.0 / WindowSpan::Day.millis()).unwrap_or(u32::MAX);
        for (metric, tally) in &cell.metrics {
            let Some(p75) = tally.sketch.percentile(75) else { continue };
            let value = display_value(*metric, p75.midpoint());
            days.entry(*metric).or_default().push(DailyValue { index, n: tally.n, value });
        }
    }
    days.iter().map(|(metric, days)| (metric.name(), Trend::from_days(days))).collect_map()
}

/// Returns the visits of two releases against their budgets, page by page.
#[must_use]
pub fn release_pages(before: &QueryResult, after: &QueryResult, budgets: &Budgets) -> Vec<ReleasePage> {
    let mut pages = Vec::new();
    for (group, cell) in &after.cells {
        let Some((route, device)) = group.page(BY_PAGE) else { continue };
        for metric in cell.metrics.keys() {
            let Some(limit) = budgets.limit(route, device, *metric) else { continue };
            let tally = |release: &QueryResult| release.limit_counts(group, *metric, limit.max).into();
            let (before, after) = (tally(before), tally(after));
            pages.push(ReleasePage { route: route.to_owned(), device, metric: *metric, before, after });
        }
    }
    pages
}

#[cfg(test)]
mod tests {
    use ledger::{Cell, Group, MetricCell};
    use sketch::Sketch;

    use super::*;

    #[test]
    fn only_budgeted_metrics_of_pages_are_compared() {
        let file = r#"[{ "timings": [{ "metric": "largest-contentful-paint", "budget": 2500 }] }]"#;
        let budgets = Budgets::parse(file).expect("a valid file");
        let tally = |metric| MetricCell { n: 3, limit_counts: BTreeMap::new(), sketch: Sketch::new(metric) };
        let metrics = [Metric::Lcp, Metric::Inp].map(|metric| (metric, tally(metric)));
        let cell = Cell { metrics: metrics.into_iter().collect(), ..Cell::default() };
        let page = Group { at: None, values: vec![Some("/".into()), Some("phone".into())] };
        let after = QueryResult { cells: [(page, cell)].into_iter().collect(), ..QueryResult::default() };
        let pages = release_pages(&QueryResult::default(), &after, &budgets);
        assert_eq!(
            pages.iter().map(|page| (page.metric, page.before.n())).collect::<Vec<_>>(),
            [(Metric::Lcp, 0)]
        );
    }
}
