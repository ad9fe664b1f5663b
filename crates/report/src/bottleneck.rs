//! Where visitors lose their time: pages ranked by the seconds that all their visits together are over
//! budget, and what is known of the causes. A slow page that nobody visits is no bottleneck. What to
//! do about it is in `advice`.

use std::collections::BTreeSet;

use ledger::MetricCell;
use serde::Serialize;
use sketch::Sketch;
pub use wire::attribution::SubpartKind;
use wire::beacon::CacheStatus;
use wire::{Device, Metric};

/// One metric of one page on one class of devices, over the span that is looked at.
#[derive(Clone, Debug)]
pub struct PageMetric<'a> {
    /// The route.
    pub route: &'a str,
    /// The class of devices.
    pub device: Device,
    /// The metric.
    pub metric: Metric,
    /// The budget, in wire units; the good threshold where there is none.
    pub limit: u32,
    /// The visits.
    pub tally: &'a MetricCell,
    /// What is known of the causes.
    pub causes: BottleneckCauses<'a>,
}

/// What is known of why visits are slow.
#[derive(Clone, Debug, Default)]
pub struct BottleneckCauses<'a> {
    /// The parts of the visits over budget.
    pub subparts: Vec<Subpart>,
    /// The elements or scripts that these visits named.
    pub culprits: Vec<Culprit<'a>>,
    /// The visits by what the edge cache said of the document.
    pub by_cache: Vec<(CacheStatus, &'a MetricCell)>,
    /// The queries behind the page.
    pub queries: Vec<BackendQueryCost<'a>>,
    /// Views by back and forward: those loaded anew, and those restored from memory.
    pub back_forward: Option<BackForwardViews>,
}

/// A part of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Subpart {
    /// Which.
    pub part: SubpartKind,
    /// Milliseconds, in the mean over the visits that are over budget.
    pub millis: f64,
}

/// Something on the page that visits over budget named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Culprit<'a> {
    /// Its selector or address.
    pub name: &'a str,
    /// How many of these visits named it.
    pub visits: u64,
}

/// A query of the backend, as `Server-Timing` told of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackendQueryCost<'a> {
    /// Its name.
    pub name: &'a str,
    /// How often it ran.
    pub n: u64,
    /// Milliseconds of the 95th percentile.
    pub p95: f64,
    /// Seconds above its target, over all runs.
    pub seconds_over: f64,
}

/// Views by back and forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackForwardViews {
    /// Loaded anew.
    pub loaded: u64,
    /// Restored from memory.
    pub restored: u64,
}

/// A place where time is lost.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Bottleneck {
    /// The route.
    pub route: String,
    /// The class of devices.
    pub device: Device,
    /// The metric's name.
    pub metric: &'static str,
    /// Seconds over budget, of all visits together. None for layout shifts, which have no seconds.
    pub seconds: Option<f64>,
    /// Of what all places that are nobody's part lose, so many percent.
    pub share: f64,
    /// Visits.
    pub visits: u64,
    /// Those over budget.
    pub over: u64,
    /// The metric of the same page that these seconds are in already.
    pub part_of: Option<&'static str>,
    /// The part that takes longest, with its milliseconds in visits over budget.
    pub longest: Option<(SubpartKind, f64)>,
    /// The element or script that is named most, with the visits that named it.
    pub culprit: Option<(String, u64)>,
    /// Seconds lost by visits that the cache answered, and by those that it did not.
    pub by_cache: Option<LossByCache>,
    /// The query that costs most.
    pub query: Option<String>,
}

/// What visits lose by what the cache said.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LossByCache {
    /// Visits that it answered.
    pub hits: u64,
    /// Visits that it did not.
    pub misses: u64,
    /// Seconds that a hit loses, in the mean.
    pub per_hit: f64,
    /// Seconds that a miss loses, in the mean.
    pub per_miss: f64,
}

/// The places by what they cost, the dearest first: those with seconds, then layout shifts by the visits
/// that they disturb. Places that cost nothing are left out.
#[must_use]
pub fn rank(metrics: &[PageMetric<'_>]) -> Vec<Bottleneck> {
    let paints = |place: &&PageMetric<'_>| place.metric == Metric::Lcp && place.visits_over_budget() > 0;
    let painted: BTreeSet<(&str, Device)> =
        metrics.iter().filter(paints).map(|place| (place.route, place.device)).collect();
    let mut ranked: Vec<Bottleneck> = metrics.iter().filter_map(|place| place.bottleneck(&painted)).collect();
    let all: f64 =
        ranked.iter().filter(|place| place.part_of.is_none()).filter_map(|place| place.seconds).sum();
    for bottleneck in &mut ranked {
        bottleneck.share =
            bottleneck.seconds.filter(|_| all > 0.0).map_or(0.0, |seconds| 100.0 * seconds / all);
    }
    ranked.sort_by(|a, b| {
        let seconds = |one: &Bottleneck| one.seconds.unwrap_or(-1.0);
        seconds(b).total_cmp(&seconds(a)).then(b.over.cmp(&a.over)).then_with(|| a.route.cmp(&b.route))
    });
    ranked
}

impl PageMetric<'_> {
    /// Seconds over budget, of all visits together.
    #[must_use]
    pub fn seconds_over_budget(&self) -> Option<f64> {
        (self.metric != Metric::Cls).then(|| seconds_over_limit(&self.tally.sketch, self.limit))
    }

    /// Visits over budget, by the weights of their samples.
    #[must_use]
    pub fn visits_over_budget(&self) -> u64 {
        visits_over_limit(&self.tally.sketch, self.limit)
    }

    /// What hits and misses lose, where there are enough of both to say.
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

    /// What it costs; `painted` are the pages whose LCP is over budget, too.
    fn bottleneck(&self, painted: &BTreeSet<(&str, Device)>) -> Option<Bottleneck> {
        let over = self.visits_over_budget();
        if over == 0 {
            return None;
        }
        // What the first byte and the first paint lose, LCP loses, too.
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

/// Fewer visits say nothing of a mean.
const MIN_VISITS: u64 = 100;
