//! The documents of `/api/performance/…`: bottlenecks, recommendations, queries and trends of a site in a
//! time span.

use std::collections::BTreeMap;

use serde::Serialize;
use wire::query_response::MetricStats;
use wire::{ShardCoverage, UnixMillis};

use crate::advice::Advice;
use crate::backend_queries::{BackendQueries, BackendQuery};
use crate::bottleneck::Bottleneck;
use crate::endpoint_findings::EndpointFinding;
use crate::health::HealthStatus;
use crate::health_document::{HealthDetails, HealthPartSummary};
use crate::operations::AlertCounts;
use crate::release::ReleaseDifference;
use crate::request_report::{CacheUsage, RequestReport};
use crate::trend::Trend;

/// The version of the documents.
pub const VERSION: u8 = 1;

/// The site and the time span that a document covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PerformanceScope {
    /// The version of this document.
    pub v: u8,
    /// The site.
    pub site: String,
    /// The start of the time span.
    pub from: UnixMillis,
    /// The end of the time span, exclusive.
    pub to: UnixMillis,
    /// Absent if every shard answered; otherwise the shards whose counts are included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<ShardCoverage>,
}

/// The overview: health, bottlenecks and recommendations.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PerformanceDashboard {
    /// The site and the time span.
    #[serde(flatten)]
    pub scope: PerformanceScope,
    /// The health of the site now.
    pub health: HealthStatus,
    /// The health score, from 0 to 100.
    pub score: u8,
    /// The parts of the score.
    pub parts: Vec<HealthPartSummary>,
    /// The details of the health; null without read access to the site.
    pub details: Option<HealthDetails>,
    /// The most expensive bottlenecks.
    pub bottlenecks: Vec<Bottleneck>,
    /// The recommendations with the largest gains.
    pub recommendations: Vec<Advice>,
    /// The number of raised alerts; null without a token.
    pub alerts: Option<AlertCounts>,
}

/// The metrics, requests, cache and queries of a site.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PerformanceMetrics {
    /// The site and the time span.
    #[serde(flatten)]
    pub scope: PerformanceScope,
    /// Views, each counted once.
    pub views: u64,
    /// The statistics of each measured metric.
    pub vitals: BTreeMap<&'static str, MetricStats>,
    /// The responses of the edge; null where none were counted.
    pub requests: Option<RequestReport>,
    /// The use of the cache; null where there is none.
    pub cache: Option<CacheUsage>,
    /// The backend queries, the slowest first.
    pub queries: Vec<BackendQuery>,
}

/// The backend queries of a page or of the whole site.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct QueryReport {
    /// The site and the time span.
    #[serde(flatten)]
    pub scope: PerformanceScope,
    /// The requested route; null for the whole site.
    pub page: Option<String>,
    /// The queries.
    #[serde(flatten)]
    pub queries: BackendQueries,
}

/// The places where visitors lose time.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BottleneckReport {
    /// The site and the time span.
    #[serde(flatten)]
    pub scope: PerformanceScope,
    /// The bottlenecks, the most expensive first.
    pub bottlenecks: Vec<Bottleneck>,
    /// Slow endpoints and queries of the edge's routes, the most costly first.
    pub endpoints: Vec<EndpointFinding>,
}

/// The recommendations for a site.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RecommendationReport {
    /// The site and the time span.
    #[serde(flatten)]
    pub scope: PerformanceScope,
    /// The recommendations, the largest gain first.
    pub recommendations: Vec<Advice>,
    /// Slow endpoints and queries of the edge's routes with an action for each, the most costly first.
    pub endpoints: Vec<EndpointFinding>,
}

/// The trends of a site's metrics.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TrendReport {
    /// The site and the time span.
    #[serde(flatten)]
    pub scope: PerformanceScope,
    /// The trend of each measured metric.
    pub trends: BTreeMap<&'static str, Trend>,
    /// The effect of a release; null where no two releases were named.
    pub release: Option<ReleaseEffect>,
}

/// The effect of a release.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReleaseEffect {
    /// The earlier release.
    pub against: String,
    /// The difference in each metric.
    pub differences: Vec<ReleaseDifference>,
}

/// The answer to starting or stopping the counting of a site's beacons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MonitoringResponse {
    /// The version of this document.
    pub v: u8,
    /// The site.
    pub site: String,
    /// `on` or `stopped`.
    pub monitoring: &'static str,
}

impl PerformanceScope {
    /// Creates the scope of a document.
    #[must_use]
    pub const fn new(site: String, from: UnixMillis, to: UnixMillis, shards: Option<ShardCoverage>) -> Self {
        Self { v: VERSION, site, from, to, shards }
    }
}
