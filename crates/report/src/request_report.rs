//! Requests and cache results of a span, from the edge's traffic statistics.

use std::collections::BTreeMap;

use ledger::traffic::{CacheOutcome, RouteStats, TrafficStats};
use serde::Serialize;

/// The answers of the edge in some span.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RequestReport {
    /// All routes together.
    #[serde(flatten)]
    pub total: RequestLoad,
    /// Each route, those with most answers first.
    pub routes: Vec<RouteRequestLoad>,
}

/// The answers on one route.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RouteRequestLoad {
    /// The route.
    pub route: String,
    /// What was answered on it.
    #[serde(flatten)]
    pub load: RequestLoad,
}

/// How much, how fast, how well.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RequestLoad {
    /// Answers.
    pub n: u64,
    /// Errors among them.
    pub errors: u64,
    /// Their share, in percent.
    pub error_rate: f64,
    /// Answers in a second.
    pub per_second: f64,
    /// Milliseconds of the median.
    pub p50: Option<f64>,
    /// Of the 95th percentile.
    pub p95: Option<f64>,
    /// Of the 99th.
    pub p99: Option<f64>,
}

/// What the cache did in some span.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CacheUsage {
    /// Requests that it answered.
    pub hits: u64,
    /// Those of them that it answered stale.
    pub stale: u64,
    /// Requests that it did not answer.
    pub misses: u64,
    /// Requests that it was not asked for.
    pub bypassed: u64,
    /// Hits of a hundred hits and misses; absent where there was neither.
    pub hit_ratio: Option<f64>,
    /// Misses, by reason.
    pub reasons: BTreeMap<String, u64>,
}

impl RequestReport {
    /// What was answered in so many milliseconds; none where nothing was counted.
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
        routes.sort_by(|a, b| b.load.n.cmp(&a.load.n).then_with(|| a.route.cmp(&b.route)));
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
            per_second: n as f64 * 1000.0 / millis.max(1) as f64,
            p50: times.percentile(50),
            p95: times.percentile(95),
            p99: times.percentile(99),
        }
    }
}

impl CacheUsage {
    /// What the cache did; none where nothing was counted.
    #[must_use]
    pub fn from_traffic(traffic: &TrafficStats) -> Option<Self> {
        if traffic.is_empty() {
            return None;
        }
        let whole = traffic.total();
        let outcomes = whole.cache_outcomes();
        let mut reasons = BTreeMap::new();
        for (answer, answered) in
            whole.responses.iter().filter(|(answer, _)| answer.cache == CacheOutcome::Miss)
        {
            let sum: &mut u64 = reasons.entry(answer.detail.clone()).or_default();
            *sum = sum.saturating_add(answered.n);
        }
        Some(Self {
            hits: outcomes.served_from_cache(),
            stale: outcomes.stale,
            misses: outcomes.misses,
            bypassed: outcomes.bypassed,
            hit_ratio: outcomes.hit_ratio().map(|ratio| 100.0 * ratio),
            reasons,
        })
    }
}
