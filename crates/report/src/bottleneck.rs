//! Bottlenecks: pages ranked by the seconds over budget of all their visits together, with the known causes.
//! A slow page without visits is no bottleneck. Recommendations are in `advice`.

use std::collections::BTreeSet;

use ledger::MetricCell;
use serde::Serialize;
use sketch::Sketch;
pub use wire::attribution::SubpartKind;
use wire::beacon::CacheStatus;
use wire::sorting::{CollectOrdered, SortSlice};
use wire::{Device, Metric};

/// A metric of a page on a device class in the examined time span.
#[derive(Clone, Debug)]
pub struct PageMetric<'a> {
    /// The route.
    pub route: &'a str,
    /// The device class.
    pub device: Device,
    /// The metric.
    pub metric: Metric,
    /// The budget in wire units, or the good threshold without one.
    pub limit: u32,
    /// The measured visits.
    pub tally: &'a MetricCell,
    /// The known causes.
    pub causes: BottleneckCauses<'a>,
}

/// The known causes of slow visits.
#[derive(Clone, Debug, Default)]
pub struct BottleneckCauses<'a> {
    /// The subparts of the metric in visits over budget.
    pub subparts: Vec<Subpart>,
    /// The elements or scripts that these visits reported.
    pub culprits: Vec<Culprit<'a>>,
    /// The visits by the cache status of the document.
    pub by_cache: Vec<(CacheStatus, &'a MetricCell)>,
    /// The backend's queries behind the page.
    pub queries: Vec<BackendQueryCost<'a>>,
    /// Back/forward navigations.
    pub back_forward: Option<BackForwardViews>,
}

/// A subpart of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Subpart {
    /// The kind of subpart.
    pub part: SubpartKind,
    /// The mean over visits over budget, in milliseconds.
    pub millis: f64,
}

/// An element or script that visits over budget reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Culprit<'a> {
    /// The selector or URL.
    pub name: &'a str,
    /// The number of these visits that reported it.
    pub visits: u64,
}

/// The cost of a backend query, from `Server-Timing`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackendQueryCost<'a> {
    /// The name of the query.
    pub name: &'a str,
    /// The number of runs.
    pub n: u64,
    /// The 95th percentile of its duration, in milliseconds.
    pub p95: f64,
    /// The seconds beyond its target of all runs together.
    pub seconds_over: f64,
}

/// Numbers of back/forward navigations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackForwardViews {
    /// Reloaded views.
    pub loaded: u64,
    /// Views restored from the back/forward cache.
    pub restored: u64,
}

/// A metric of a page whose visits exceed the budget.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Bottleneck {
    /// The route.
    pub route: String,
    /// The device class.
    pub device: Device,
    /// The metric's name.
    pub metric: &'static str,
    /// Seconds over budget of all visits together; `None` for layout shifts.
    pub seconds: Option<f64>,
    /// The percentage of all seconds over budget, not counting metrics that are part of another.
    pub share: f64,
    /// Measured visits.
    pub visits: u64,
    /// Visits over budget.
    pub over: u64,
    /// The metric of the same page that already includes these seconds.
    pub part_of: Option<&'static str>,
    /// The longest subpart, with its mean milliseconds in visits over budget.
    pub longest: Option<(SubpartKind, f64)>,
    /// The element or script reported most, with the number of visits.
    pub culprit: Option<(String, u64)>,
    /// The time over budget by cache status.
    pub by_cache: Option<LossByCache>,
    /// The most expensive query.
    pub query: Option<String>,
}

/// The time over budget of cache hits and misses.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LossByCache {
    /// Visits with a cache hit.
    pub hits: u64,
    /// Visits with a cache miss.
    pub misses: u64,
    /// Mean seconds over budget of a hit.
    pub per_hit: f64,
    /// Mean seconds over budget of a miss.
    pub per_miss: f64,
}

/// Ranks the metrics by seconds over budget, then layout shifts by visits over budget. Metrics without visits
/// over budget are left out.
#[must_use]
pub fn rank(metrics: &[PageMetric<'_>]) -> Vec<Bottleneck> {
    let is_slow_paint = |page: &&PageMetric<'_>| page.metric == Metric::Lcp && page.visits_over_budget() > 0;
    let painted: BTreeSet<(&str, Device)> =
        metrics.iter().filter(is_slow_paint).map(|page| (page.route, page.device)).collect_set();
    let mut ranked: Vec<Bottleneck> = metrics.iter().filter_map(|page| page.bottleneck(&painted)).collect();
    let all: f64 = ranked.iter().filter(|one| one.part_of.is_none()).filter_map(|one| one.seconds).sum();
    for bottleneck in &mut ranked {
        bottleneck.share =
            bottleneck.seconds.filter(|_| all > 0.0).map_or(0.0, |seconds| 100.0 * seconds / all);
    }
    ranked.order_by(|a, b| {
        let seconds = |one: &Bottleneck| one.seconds.unwrap_or(-1.0);
        seconds(b).total_cmp(&seconds(a)).then(b.over.cmp(&a.over)).then_with(|| a.route.cmp(&b.route))
    });
    ranked
}

impl PageMetric<'_> {
    /// Returns the seconds over budget of all visits together.
    #[must_use]
    pub fn seconds_over_budget(&self) -> Option<f64> {
        (self.metric != Metric::Cls).then(|| seconds_over_limit(&self.tally.sketch, self.limit))
    }

    /// Returns the visits over budget, weighted by their sample rate.
    #[must_use]
    pub fn visits_over_budget(&self) -> u64 {
        visits_over_limit(&self.tally.sketch, self.limit)
    }

    /// Returns the time over budget of hits and misses if there are enough of both.
    #[must_use]
    pub fn loss_by_cache(&self) -> Option<LossByCache> {
        let (mut hits, mut misses, mut hit_seconds, mut miss_seconds) = (0, 0, 0.0, 0.0);
        for (status, tally) in &self.causes.by_cache {
            let (visits, seconds) = (tally.sketch.n(), seconds_over_limit(&tally.sketch, self.limit));
            match status {
                CacheStatus::Hit | CacheStatus::Stale => {
                    hits += visits;
                    hit_seconds += seconds;
                }
                CacheStatus::Miss => {
                    misses += visits;
                    miss_seconds += seconds;
                }
                CacheStatus::Bypass => {}
            }
        }
        let is_enough = self.metric != Metric::Cls && hits.min(misses) >= MIN_VISITS;
        is_enough.then(|| LossByCache {
            hits,
            misses,
            per_hit: hit_seconds / hits as f64,
            per_miss: miss_seconds / misses as f64,
        })
    }

    /// Summarises the metric; `painted` has the pages whose LCP is also over budget.
    fn bottleneck(&self, painted: &BTreeSet<(&str, Device)>) -> Option<Bottleneck> {
        let over = self.visits_over_budget();
        if over == 0 {
            return None;
        }
        // LCP includes the time to first byte and to the first paint.
        let is_part =
            matches!(self.metric, Metric::Ttfb | Metric::Fcp) && painted.contains(&(self.route, self.device));
        let longest = self.causes.subparts.iter().max_by(|a, b| a.millis.total_cmp(&b.millis));
        let query = self.causes.queries.iter().filter(|query| query.seconds_over > 0.0);
        Some(Bottleneck {
            route: self.route.to_owned(),
            device: self.device,
            metric: self.metric.name(),
            seconds: self.seconds_over_budget(),
            share: 0.0,
            visits: self.tally.sketch.n(),
            over,
            part_of: is_part.then(|| Metric::Lcp.name()),
            longest: longest.map(|subpart| (subpart.part, subpart.millis)),
            culprit: self
                .causes
                .culprits
                .iter()
                .max_by_key(|culprit| culprit.visits)
                .map(|culprit| (culprit.name.to_owned(), culprit.visits)),
            by_cache: self.loss_by_cache(),
            query: query
                .max_by(|a, b| a.seconds_over.total_cmp(&b.seconds_over))
                .map(|query| query.name.to_owned()),
        })
    }
}

fn seconds_over_limit(sketch: &Sketch, limit: u32) -> f64 {
    let beyond =
        sketch.buckets().map(|(bucket, n)| bucket.midpoint().saturating_sub(limit) as f64 * n as f64);
    beyond.sum::<f64>() / 1000.0
}

fn visits_over_limit(sketch: &Sketch, limit: u32) -> u64 {
    sketch.n().saturating_sub(sketch.within(limit).at_most)
}

/// The minimum number of visits for a mean.
const MIN_VISITS: u64 = 100;
