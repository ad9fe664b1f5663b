//! Requests and cache results in a time span, from the edge's traffic statistics.

use std::collections::BTreeMap;

use budget::{PercentileRanks, share_interval};
use serde::Serialize;
use traffic::{RouteStats, TrafficStats};
use wire::beacon::CacheStatus;
use wire::sorting::SortSlice;

/// The load of the edge in a time span.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RequestReport {
    /// All routes together.
    #[serde(flatten)]
    pub total: RequestLoad,
    /// Each route, the busiest first.
    pub routes: Vec<RouteRequestLoad>,
}

/// The load of one route.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RouteRequestLoad {
    /// The route.
    pub route: String,
    /// The load, inlined.
    #[serde(flatten)]
    pub load: RequestLoad,
}

/// Number, errors and durations of responses.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RequestLoad {
    /// Responses.
    pub n: u64,
    /// Responses with a server error.
    pub errors: u64,
    /// The share of errors, in percent.
    pub error_rate: f64,
    /// Its 95 % confidence interval.
    pub error_interval: [f64; 2],
    /// Responses per second.
    pub per_second: f64,
    /// The median response time, in milliseconds.
    pub p50: Option<f64>,
    /// The 95th percentile, in milliseconds.
    pub p95: Option<f64>,
    /// Its 95 % confidence interval; absent with too few responses.
    pub p95_interval: Option<[f64; 2]>,
    /// The 99th percentile, in milliseconds.
    pub p99: Option<f64>,
}

/// Cache results in a time span.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CacheUsage {
    /// Requests served from the cache, stale ones included.
    pub hits: u64,
    /// Hits that were stale.
    pub stale: u64,
    /// Requests that missed the cache.
    pub misses: u64,
    /// Requests that bypassed the cache.
    pub bypassed: u64,
    /// Hits as a percentage of hits and misses; absent without either.
    pub hit_ratio: Option<f64>,
    /// Its 95 % confidence interval.
    pub hit_ratio_interval: Option<[f64; 2]>,
    /// Misses, by reason.
    pub reasons: BTreeMap<String, u64>,
}

impl RequestReport {
    /// Summarises the traffic of a span of that many milliseconds; `None` if nothing was counted.
    #[must_use]
    pub fn from_traffic(traffic: &TrafficStats, millis: u64) -> Option<Self> {
        if traffic.is_empty() {
            return None;
        }
        let load = |(route, served): (&String, &RouteStats)| RouteRequestLoad {
            route: route.clone(),
            load: RequestLoad::from_stats(served, millis),
        };
        let mut routes: Vec<RouteRequestLoad> = traffic.routes.iter().map(load).collect();
        routes.order_by(|a, b| b.load.n.cmp(&a.load.n).then_with(|| a.route.cmp(&b.route)));
        Some(Self { total: RequestLoad::from_stats(&traffic.total(), millis), routes })
    }
}

impl RequestLoad {
    fn from_stats(served: &RouteStats, millis: u64) -> Self {
        let (n, errors, times) = (served.n(), served.server_errors(), served.edge_latency());
        Self {
            n,
            errors,
            error_rate: 100.0 * errors as f64 / n.max(1) as f64,
            error_interval: percent_interval(errors, n),
            per_second: n as f64 * 1000.0 / millis.max(1) as f64,
            p50: times.percentile(50),
            p95: times.percentile(95),
            p95_interval: PercentileRanks::for_percentile(times.n(), 95).and_then(|ranks| {
                let at = |rank| times.sketch.at_rank(rank).map(|bucket| f64::from(bucket.midpoint()));
                Some([at(ranks.low)?, at(ranks.high)?])
            }),
            p99: times.percentile(99),
        }
    }
}

impl CacheUsage {
    /// Summarises the cache results; `None` if nothing was counted.
    #[must_use]
    pub fn from_traffic(traffic: &TrafficStats) -> Option<Self> {
        if traffic.is_empty() {
            return None;
        }
        let total = traffic.total();
        let outcomes = total.cache_outcomes();
        let mut reasons = BTreeMap::new();
        for (class, stats) in total.responses.iter().filter(|(class, _)| class.cache == CacheStatus::Miss) {
            let sum: &mut u64 = reasons.entry(class.detail.clone()).or_default();
            *sum = sum.saturating_add(stats.n);
        }
        Some(Self {
            hits: outcomes.served_from_cache(),
            stale: outcomes.stale,
            misses: outcomes.misses,
            bypassed: outcomes.bypassed,
            hit_ratio: outcomes.hit_ratio().map(|ratio| 100.0 * ratio),
            hit_ratio_interval: (outcomes.lookups() > 0)
                .then(|| percent_interval(outcomes.served_from_cache(), outcomes.lookups())),
            reasons,
        })
    }
}

/// Returns the 95 % confidence interval of a share in percent.
fn percent_interval(k: u64, n: u64) -> [f64; 2] {
    share_interval(k, n, 0.025).map(|share| 100.0 * share)
}
