//! From counts to a summary: each budgeted line with its verdict. The rules are the budget's; this
//! only lays them beside the numbers.

use budget::{Budgets, Ranks};
use ledger::{Group, Groups, Query, Tally};
use sketch::Bucket;
use wire::summary::{Budget, Line, Summary, VERSION};
use wire::{Device, Metric};

pub(crate) fn summary(site: String, query: &Query, groups: Groups, budgets: &Budgets) -> Summary {
    let mut summary = Summary {
        v: VERSION,
        site,
        from: query.from,
        to: query.to,
        heard_at: groups.heard_at,
        views: 0,
        visits: 0,
        sent: 0,
        heard: 0,
        lost: Default::default(),
        refused: groups.refused,
        cells: Vec::new(),
    };
    for (Group { route, device }, cell) in groups.cells {
        summary.views = summary.views.saturating_add(cell.views);
        summary.visits = summary.visits.saturating_add(cell.visits);
        summary.sent = summary.sent.saturating_add(cell.sent);
        summary.heard = summary.heard.saturating_add(cell.heard);
        for (reason, count) in &cell.lost {
            let sum = summary.lost.entry(*reason).or_default();
            *sum = sum.saturating_add(*count);
        }
        for metric in Metric::ALL {
            // A budgeted metric that nobody measured is a line too: silence is never green.
            let tally = cell.metrics.get(&metric);
            let limit = budgets.limit(&route, device, metric);
            if tally.is_some() || limit.is_some() {
                summary.cells.push(line(&route, device, metric, tally, limit));
            }
        }
    }
    summary
}

/// A value in the unit that people use.
pub(crate) fn natural(metric: Metric, value: u32) -> f64 {
    f64::from(value) / metric.wire_scale()
}

fn line(
    route: &str,
    device: Device,
    metric: Metric,
    tally: Option<&Tally>,
    limit: Option<budget::Limit>,
) -> Line {
    let n = tally.map_or(0, |tally| tally.n);
    let visits = tally.map_or(0, |tally| tally.sketch.n());
    let ratings = tally.map(|tally| tally.sketch.ratings()).unwrap_or_default();
    let share =
        |count: u64| if visits == 0 { 0.0 } else { (count as f64 / visits as f64 * 1e4).round() / 1e4 };
    let middle = |bucket: Bucket| natural(metric, bucket.middle());
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
    Line {
        route: route.to_owned(),
        device,
        metric: metric.name().to_owned(),
        unit: if metric == Metric::Cls { "" } else { "ms" }.to_owned(),
        n,
        p75: tally.and_then(|tally| tally.sketch.percentile(75)).map(middle),
        p75_interval: tally.and_then(|tally| {
            let Ranks { low, high } = Ranks::of_percentile(tally.n, 75)?;
            // Ranks are of views measured, the sketch is of the visits that they stand for.
            let at = |rank: u64| {
                let visit = (u128::from(rank) * u128::from(visits)).div_ceil(u128::from(tally.n.max(1)));
                tally.sketch.at_rank(u64::try_from(visit).unwrap_or(u64::MAX)).map(middle)
            };
            Some([at(low)?, at(high)?])
        }),
        good: share(ratings.good),
        needs_improvement: share(ratings.needs_improvement),
        poor: share(ratings.poor),
        verdict: judged.as_ref().map_or("none", |(_, verdict)| verdict).to_owned(),
        budget: judged.map(|(budget, _)| budget),
    }
}
