//! The document of `GET /api/health/advanced`, in three parts: the outline for everybody, the details for
//! readers of the site, and the operations for holders of a token. Queries are left to the shell.

use std::collections::BTreeMap;

use budget::Verdict;
use serde::Serialize;
use wire::beacon::LossReason;
use wire::{Device, ShardCoverage, UnixMillis};

use crate::health::{BudgetedCell, Health, HealthStatus};
use crate::operations::Operations;
use crate::origin_evidence::OriginReport;
use crate::partial_read::verdict_on_shards;
use crate::request_report::{CacheUsage, RequestReport};
use crate::stats_format::{display_unit, display_value, percentile_with_interval};
use crate::uptime::UptimeReport;
use wire::sorting::SortSlice;

/// The health document, in the format of the RFC draft `application/health+json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HealthReport {
    /// The version of the document format.
    pub v: u8,
    /// The draft's status: `pass`, `warn` or `fail`.
    pub status: &'static str,
    /// The status that tells unknown from degraded.
    pub health: HealthStatus,
    /// The score, from 0 to 100.
    pub score: u8,
    /// The site.
    pub site: String,
    /// The time of the evaluation.
    pub at: UnixMillis,
    /// The version of the API.
    pub version: &'static str,
    /// The version of the Worker.
    #[serde(rename = "releaseId")]
    pub release_id: &'static str,
    /// The parts of the score.
    pub parts: Vec<HealthPartSummary>,
    /// Absent if every shard answered; otherwise the shards whose counts are included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<ShardCoverage>,
    /// The part for readers of the site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<HealthDetails>,
    /// The part for holders of a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operations: Option<Operations>,
}

/// A part of the score without its reason.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HealthPartSummary {
    /// The name of the part.
    pub name: &'static str,
    /// The earned points.
    pub points: u8,
    /// The maximum points.
    #[serde(rename = "of")]
    pub max_points: u8,
    /// The status of the part.
    pub status: HealthStatus,
}

/// The reasons for the status, with their data.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HealthDetails {
    /// The sentences of all parts that are not healthy, worst first.
    pub reasons: Vec<String>,
    /// The sentence of each part.
    pub because: BTreeMap<&'static str, String>,
    /// The time of the last beacon.
    #[serde(rename = "heard_at")]
    pub last_beacon_at: Option<UnixMillis>,
    /// The number of views expected since then.
    #[serde(rename = "missed")]
    pub missed_views: f64,
    /// The beacons of the last day and the known losses.
    pub losses: BeaconCounts,
    /// The budgeted cells, worst first.
    pub vitals: Vec<VitalReport>,
    /// The number of cells that were left out.
    pub more_vitals: usize,
    /// The origins behind the edge.
    pub origins: Vec<OriginReport>,
    /// The edge's responses in the last hour; absent if they are not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<RequestReport>,
    /// Cache results in the last hour; absent without a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheUsage>,
    /// The uptime over thirty days; absent if the coordinator did not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime: Option<UptimeReport>,
}

/// Received beacons and known losses.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BeaconCounts {
    /// Counted views.
    pub views: u64,
    /// Beacons sent by browsers.
    pub sent: u64,
    /// Beacons received.
    #[serde(rename = "heard")]
    pub received: u64,
    /// Views without measurements, by reason.
    pub lost: BTreeMap<LossReason, u64>,
    /// Rejected beacons, by reason.
    pub refused: BTreeMap<String, u64>,
}

/// A budgeted cell with its verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VitalReport {
    /// The route, or the path pattern of a budget without views.
    pub route: String,
    /// The device class.
    pub device: Device,
    /// The metric's name.
    pub metric: &'static str,
    /// `ms`, or empty.
    pub unit: &'static str,
    /// The limit.
    pub max: f64,
    /// The percentage of views that must be within the limit.
    pub percentile: u8,
    /// Views counted against the limit.
    pub n: u64,
    /// Views within the limit.
    pub k: u64,
    /// The name of the verdict.
    pub verdict: &'static str,
    /// The percentile of the visits.
    pub value: Option<f64>,
    /// The 95 % confidence interval of the percentile.
    pub interval: Option<[f64; 2]>,
    /// The hour in which the latest view began.
    #[serde(rename = "seen_in")]
    pub last_view_hour: Option<UnixMillis>,
}

impl HealthReport {
    /// Creates the outline; the caller adds details and operations for readers that may see them.
    #[must_use]
    pub fn new(site: &str, health: &Health, release_id: &'static str, at: UnixMillis) -> Self {
        let summarize = |part: &crate::health::HealthPart| HealthPartSummary {
            name: part.name,
            points: part.points,
            max_points: part.max_points,
            status: part.status,
        };
        Self {
            v: VERSION,
            status: match health.status {
                HealthStatus::Healthy => "pass",
                HealthStatus::Insufficient | HealthStatus::Unknown | HealthStatus::Degraded => "warn",
                HealthStatus::Unhealthy => "fail",
            },
            health: health.status,
            score: health.score,
            site: site.to_owned(),
            at,
            version: "1",
            release_id,
            parts: health.parts.iter().map(summarize).collect(),
            shards: None,
            details: None,
            operations: None,
        }
    }
}

impl VitalReport {
    /// Combines a budgeted cell with its measured values.
    #[must_use]
    pub fn new(
        cell: &BudgetedCell,
        measured: Option<&ledger::MetricCell>,
        last_view_hour: Option<UnixMillis>,
        shards: Option<&ShardCoverage>,
    ) -> Self {
        let BudgetedCell { route, device, metric, limit, tally } = cell;
        let (value, interval) = percentile_with_interval(*metric, measured, limit.percentile);
        Self {
            route: route.clone(),
            device: *device,
            metric: metric.name(),
            unit: display_unit(*metric),
            max: display_value(*metric, limit.max),
            percentile: limit.percentile,
            n: tally.n(),
            k: tally.within,
            verdict: verdict_on_shards(limit.verdict(*tally), shards).name(),
            value,
            interval,
            last_view_hour,
        }
    }

    /// Sorts by verdict and views, worst first, and returns at most `MAX_VITALS` with the number left out.
    #[must_use]
    pub fn worst_first(mut all: Vec<Self>) -> (Vec<Self>, usize) {
        let rank = |vital: &Self| match vital.verdict {
            verdict if verdict == Verdict::Violated.name() => 0,
            verdict if verdict == Verdict::AtLimit.name() => 1,
            verdict if verdict == Verdict::Met.name() => 3,
            _ => 2,
        };
        all.order_by(|a, b| (rank(a), b.n, &a.route).cmp(&(rank(b), a.n, &b.route)));
        let more = all.len().saturating_sub(MAX_VITALS);
        all.truncate(MAX_VITALS);
        (all, more)
    }
}

const VERSION: u8 = 1;
const MAX_VITALS: usize = 1000;
