//! From counts to a summary: each budgeted line with its verdict. The rules are the budget's; this
//! only lays them beside the numbers.

use budget::{Budgets, Comparison, Stratum};
use insight::figures::{natural, stats, unit};
use ledger::{Cell, Dimension, Group, Groups, Query, Tally};
use sketch::Bucket;
use wire::reading::{self, Judged, Stats, Whole};
use wire::summary::{Budget, Line, Summary, VERSION};
use wire::{Device, Metric};

pub(crate) fn summary(site: String, query: &Query, groups: Groups, budgets: &Budgets) -> Summary {
    let Whole { from, to, heard_at, views, visits, sent, heard, lost } = whole(query, &groups);
    let refused = groups.refused;
    let mut summary = Summary {
        v: VERSION,
        site,
        from,
        to,
        heard_at,
        views,
        visits,
        sent,
        heard,
        lost,
        refused,
        cells: Vec::new(),
    };
    for (group, cell) in groups.cells {
        let Some((route, device)) = group.page(&query.by) else { continue };
        for metric in Metric::ALL {
            // A budgeted metric that nobody measured is a line too: silence is never green.
            let tally = cell.metrics.get(&metric);
            let limit = budgets.limit(route, device, metric);
            if tally.is_some() || limit.is_some() {
                summary.cells.push(line(route, device, metric, tally, limit));
            }
        }
    }
    summary
}

fn line(
    route: &str,
    device: Device,
    metric: Metric,
    tally: Option<&Tally>,
    limit: Option<budget::Limit>,
) -> Line {
    let judged = limit.map(|limit| {
        let kept = tally.map(|tally| tally.against(limit.max)).unwrap_or_default();
        let verdict = limit.verdict(budget::Tally::of(kept.n, kept.k));
        let budget = Budget {
            max: natural(metric, limit.max),
            percentile: limit.percentile,
            n: kept.n,
            k: kept.k,
            line: limit.line,
        };
        (budget, verdict.name())
    });
    let Stats { n, p75, p75_interval, good, needs_improvement, poor, .. } = stats(metric, tally);
    Line {
        route: route.to_owned(),
        device,
        metric: metric.name().to_owned(),
        unit: unit(metric).to_owned(),
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

/// What a question comes to, line by line; `with_buckets` lays the distributions beside.
pub(crate) fn lines(
    query: &Query,
    groups: &Groups,
    only: Option<Metric>,
    with_buckets: bool,
) -> Vec<reading::Line> {
    let line = |(group, metric, tally): (&Group, Metric, &Tally)| reading::Line {
        at: group.at,
        group: (query.by.iter())
            .map(|dimension| {
                (dimension.name().into_owned(), group.value(&query.by, dimension).map(str::to_owned))
            })
            .collect(),
        metric: metric.name(),
        unit: unit(metric),
        stats: stats(metric, Some(tally)),
        buckets: with_buckets.then(|| {
            let bucket = |(bucket, visits): (Bucket, u64)| reading::Bucket {
                low: natural(metric, bucket.low),
                high: natural(metric, bucket.high),
                visits,
            };
            tally.sketch.buckets().map(bucket).collect()
        }),
    };
    tallies(groups, only).map(line).collect()
}

/// Each metric of each group, in the order of lines.
pub(crate) fn tallies(
    groups: &Groups,
    only: Option<Metric>,
) -> impl Iterator<Item = (&Group, Metric, &Tally)> {
    let all = groups
        .cells
        .iter()
        .flat_map(|(group, cell)| cell.metrics.iter().map(move |(metric, tally)| (group, *metric, tally)));
    all.filter(move |(_, metric, _)| only.is_none_or(|only| only == *metric))
}

/// How much a question is about.
pub(crate) fn whole(query: &Query, groups: &Groups) -> Whole {
    let Cell { views, visits, sent, heard, lost, .. } = groups.total();
    Whole { from: query.from, to: query.to, heard_at: groups.heard_at, views, visits, sent, heard, lost }
}

/// Two answers to one question by route and device, side by side.
pub(crate) fn differences(
    by: &[Dimension],
    a: &Groups,
    b: &Groups,
    budgets: &Budgets,
) -> Vec<reading::Difference> {
    let (all_a, all_b) = (a.total(), b.total());
    let judged = |metric: Metric| {
        let kept = |groups: &Groups, group: &Group, limit: u32| {
            let tally = groups.cells.get(group).and_then(|cell| cell.metrics.get(&metric));
            let kept = tally.map(|tally| tally.against(limit)).unwrap_or_default();
            budget::Tally::of(kept.n, kept.k)
        };
        let strata: Vec<Stratum> = (a.cells.keys())
            .filter_map(|group| {
                let (route, device) = group.page(by)?;
                let limit = budgets.limit(route, device, metric)?.max;
                Some(Stratum { before: kept(a, group, limit), after: kept(b, group, limit) })
            })
            .collect();
        Comparison::of(&strata).map(|found| Judged {
            points_worse: found.points_worse,
            p_value: found.p_value,
            regression: found.is_regression(),
        })
    };
    let has = |metric: &Metric| all_a.metrics.contains_key(metric) || all_b.metrics.contains_key(metric);
    let line = |metric: Metric| reading::Difference {
        metric: metric.name(),
        unit: unit(metric),
        a: stats(metric, all_a.metrics.get(&metric)),
        b: stats(metric, all_b.metrics.get(&metric)),
        budget: judged(metric),
    };
    Metric::ALL.into_iter().filter(has).map(line).collect()
}
