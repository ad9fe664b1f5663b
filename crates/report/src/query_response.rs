//! The documents of `GET /api/vitals/…`: the summary with its verdicts, lines of statistics, and the
//! differences between two results.

use budget::{Budgets, ReleaseComparison, Stratum};
use ledger::{Cell, Dimension, Group, MetricCell, QueryResult, SeriesQuery};
use sketch::SketchBucket;
use wire::beacon::Navigation;
use wire::query_response::{self, BudgetDifference, MetricStats, QueryTotals};
use wire::sorting::CollectOrdered;
use wire::summary::{NavigationMetric, NavigationSummary, Summary, SummaryBudget, SummaryCell, VERSION};
use wire::{Device, Metric, ShardCoverage};

use crate::network_evidence::judged_tally;
use crate::partial_read::verdict_on_shards;
use crate::stats_format::{display_unit, display_value, stats};

/// Lists each route, device class and metric with its verdict.
#[must_use]
pub fn summary(
    site: String,
    query: &SeriesQuery,
    groups: QueryResult,
    navigations: &QueryResult,
    budgets: &Budgets,
    shards: Option<ShardCoverage>,
) -> Summary {
    let QueryTotals { from, to, last_beacon_at: heard_at, views, visits, sent, received: heard, lost } =
        totals(query, &groups);
    let refused = groups.rejections;
    let mut summary = Summary {
        v: VERSION,
        site,
        from,
        to,
        last_beacon_at: heard_at,
        views,
        visits,
        sent,
        received: heard,
        lost,
        refused,
        navigations: navigations_within_documents(navigations),
        cells: Vec::new(),
        shards,
    };
    for (group, cell) in groups.cells {
        let Some((route, device)) = group.page(&query.by) else { continue };
        for metric in Metric::ALL {
            // A budgeted metric without measurements is listed too: no data is never green.
            let tally = cell.metrics.get(&metric);
            let limit = budgets.limit(route, device, metric);
            if tally.is_some() || limit.is_some() {
                let shards = summary.shards.as_ref();
                summary.cells.push(summary_line((route, device), metric, &cell, limit, shards));
            }
        }
    }
    summary
}

/// Summarises the navigations within documents of a query [by navigation](SeriesQuery::by_navigation).
pub(crate) fn navigations_within_documents(groups: &QueryResult) -> Vec<NavigationSummary> {
    let summary = |(group, cell): (&Group, &Cell)| {
        let navigation = Navigation::from_name(group.values.first()?.as_deref()?)?;
        let metrics = cell.metrics.iter().map(|(metric, tally)| {
            let MetricStats { n, p75, .. } = stats(*metric, Some(tally));
            NavigationMetric {
                metric: metric.name().to_owned(),
                unit: display_unit(*metric).to_owned(),
                n,
                p75,
            }
        });
        (!navigation.is_hard()).then(|| NavigationSummary {
            navigation,
            views: cell.views,
            metrics: metrics.collect(),
        })
    };
    groups.cells.iter().filter_map(summary).collect()
}

fn summary_line(
    (route, device): (&str, Device),
    metric: Metric,
    cell: &Cell,
    limit: Option<budget::Limit>,
    shards: Option<&ShardCoverage>,
) -> SummaryCell {
    let judged = limit.map(|limit| {
        let kept = judged_tally(cell, metric, limit.max);
        let verdict = verdict_on_shards(limit.verdict(kept), shards);
        let budget = SummaryBudget {
            max: display_value(metric, limit.max),
            percentile: limit.percentile,
            n: kept.n(),
            k: kept.within,
            line: limit.line,
        };
        (budget, verdict.name())
    });
    let MetricStats { n, p75, p75_interval, good, needs_improvement, poor, .. } =
        stats(metric, cell.metrics.get(&metric));
    SummaryCell {
        route: route.to_owned(),
        device,
        metric: metric.name().to_owned(),
        unit: display_unit(metric).to_owned(),
        n,
        p75,
        p75_interval,
        good,
        needs_improvement,
        poor,
        verdict: judged.as_ref().map_or("none", |(_, verdict)| verdict).to_owned(),
        budget: judged.map(|(budget, _)| budget),
    }
}

/// Lists the statistics of each group and metric; `with_buckets` adds the distributions.
#[must_use]
pub fn query_lines(
    query: &SeriesQuery,
    groups: &QueryResult,
    only: Option<Metric>,
    with_buckets: bool,
) -> Vec<query_response::QueryLine> {
    let line = |(group, metric, tally): (&Group, Metric, &MetricCell)| query_response::QueryLine {
        at: group.at,
        group: (query.by.iter())
            .map(|dimension| {
                (dimension.name().into_owned(), group.value(&query.by, dimension).map(str::to_owned))
            })
            .collect_map(),
        metric: metric.name(),
        unit: display_unit(metric),
        stats: stats(metric, Some(tally)),
        buckets: with_buckets.then(|| {
            let bucket = |(bucket, visits): (SketchBucket, u64)| query_response::DistributionBucket {
                low: display_value(metric, bucket.low),
                high: display_value(metric, bucket.high),
                visits,
            };
            tally.sketch.buckets().map(bucket).collect()
        }),
    };
    metric_tallies(groups, only).map(line).collect()
}

/// Iterates over each metric of each group, in the order of [`query_lines`].
pub fn metric_tallies(
    groups: &QueryResult,
    only: Option<Metric>,
) -> impl Iterator<Item = (&Group, Metric, &MetricCell)> {
    let all = groups
        .cells
        .iter()
        .flat_map(|(group, cell)| cell.metrics.iter().map(move |(metric, tally)| (group, *metric, tally)));
    all.filter(move |(_, metric, _)| only.is_none_or(|only| only == *metric))
}

/// Sums up a result over all its groups.
#[must_use]
pub fn totals(query: &SeriesQuery, groups: &QueryResult) -> QueryTotals {
    let Cell { views, visits, sent, received: heard, lost, .. } = groups.total();
    QueryTotals {
        from: query.from,
        to: query.to,
        last_beacon_at: groups.last_beacon_at,
        views,
        visits,
        sent,
        received: heard,
        lost,
    }
}

/// Compares two results that are grouped by route and device.
#[must_use]
pub fn differences(
    by: &[Dimension],
    a: &QueryResult,
    b: &QueryResult,
    budgets: &Budgets,
) -> Vec<query_response::ComparisonLine> {
    let (all_a, all_b) = (a.total(), b.total());
    let judged = |metric: Metric| {
        let strata: Vec<Stratum> = (a.cells.keys())
            .filter_map(|group| {
                let (route, device) = group.page(by)?;
                let limit = budgets.limit(route, device, metric)?.max;
                let tally = |result: &QueryResult| {
                    result.cells.get(group).map(|cell| judged_tally(cell, metric, limit)).unwrap_or_default()
                };
                Some(Stratum { before: tally(a), after: tally(b) })
            })
            .collect();
        ReleaseComparison::from_strata(&strata).map(|found| BudgetDifference {
            points_worse: found.points_worse,
            p_value: found.p_value,
            regression: found.is_regression(),
        })
    };
    let has = |metric: &Metric| all_a.metrics.contains_key(metric) || all_b.metrics.contains_key(metric);
    let line = |metric: Metric| query_response::ComparisonLine {
        metric: metric.name(),
        unit: display_unit(metric),
        a: stats(metric, all_a.metrics.get(&metric)),
        b: stats(metric, all_b.metrics.get(&metric)),
        budget: judged(metric),
    };
    Metric::ALL.into_iter().filter(has).map(line).collect()
}
