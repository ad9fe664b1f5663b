//! The bulletin: what `GET /api/health/advanced` answers. Three parts for three readers: the outline is
//! everybody's, the details are for whoever may read the site's numbers, and what the machinery does is for
//! those who hold the token. How healthy a site is, is `health`'s to say; asking is the shell's.

use std::collections::BTreeMap;

use budget::Verdict;
use serde::Serialize;
use wire::beacon::LossReason;
use wire::{Device, UnixMillis};

use crate::health::{BudgetedCell, Health, HealthStatus};
use crate::operations::Operations;
use crate::request_report::{CacheUsage, RequestReport};
use crate::stats_format::{display_unit, display_value, percentile_with_interval};

/// The document.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HealthReport {
    /// The version of this document.
    pub v: u8,
    /// In the words of the RFC draft: `pass`, `warn` or `fail`.
    pub status: &'static str,
    /// In ours, which know what is not known.
    pub health: HealthStatus,
    /// From 0 to 100.
    pub score: u8,
    /// The site.
    pub site: String,
    /// When this was so.
    pub at: UnixMillis,
    /// The version of the API.
    pub version: &'static str,
    /// The version of the Worker.
    #[serde(rename = "releaseId")]
    pub release_id: &'static str,
    /// What the score is made of.
    pub parts: Vec<HealthPartSummary>,
    /// For whoever may read the site's numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<HealthDetails>,
    /// For whoever holds the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operations: Option<Operations>,
}

/// A part of the score, without its numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HealthPartSummary {
    /// Its name.
    pub name: &'static str,
    /// What it has earned.
    pub points: u8,
    /// What it could have earned.
    #[serde(rename = "of")]
    pub max_points: u8,
    /// How it is.
    pub status: HealthStatus,
}

/// What is known of the site.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HealthDetails {
    /// Why it is not healthy, the worst first.
    pub reasons: Vec<String>,
    /// Each part's sentence.
    pub because: BTreeMap<&'static str, String>,
    /// When a beacon was last heard.
    #[serde(rename = "heard_at")]
    pub last_beacon_at: Option<UnixMillis>,
    /// How many views should have been heard of since.
    #[serde(rename = "missed")]
    pub missed_views: f64,
    /// What was heard in the last day, and what is known to be lost.
    pub losses: BeaconCounts,
    /// The budgeted cells, the worst first.
    pub vitals: Vec<VitalReport>,
    /// So many cells found no place here.
    pub more_vitals: usize,
    /// The answers of the edge in the last hour; absent where nobody counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<RequestReport>,
    /// What the cache did in the last hour; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheUsage>,
}

/// What was heard, and what is known to be lost.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BeaconCounts {
    /// Views.
    pub views: u64,
    /// Beacons that browsers sent.
    pub sent: u64,
    /// Beacons that arrived.
    #[serde(rename = "heard")]
    pub received: u64,
    /// Views without measurements, by reason.
    pub lost: BTreeMap<LossReason, u64>,
    /// Refusals, by reason.
    pub refused: BTreeMap<String, u64>,
}

/// A budgeted cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VitalReport {
    /// The route, or the pattern of a budget that no view has met.
    pub route: String,
    /// The class of devices.
    pub device: Device,
    /// The metric's name.
    pub metric: &'static str,
    /// `ms`, or empty.
    pub unit: &'static str,
    /// The limit.
    pub max: f64,
    /// The percentile of views that must be within it.
    pub percentile: u8,
    /// Views that were judged by it.
    pub n: u64,
    /// Those within it.
    pub k: u64,
    /// What they prove.
    pub verdict: &'static str,
    /// That percentile over visits.
    pub value: Option<f64>,
    /// Between which the true one lies, 95 times in 100.
    pub interval: Option<[f64; 2]>,
    /// The hour in which the latest of the views began.
    #[serde(rename = "seen_in")]
    pub last_view_hour: Option<UnixMillis>,
}

impl HealthReport {
    /// The document for everybody; details and operations are put in for those who may know them.
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
                HealthStatus::Unknown | HealthStatus::Degraded => "warn",
                HealthStatus::Unhealthy => "fail",
            },
            health: health.status,
            score: health.score,
            site: site.to_owned(),
            at,
            version: "1",
            release_id,
            parts: health.parts.iter().map(summarize).collect(),
            details: None,
            operations: None,
        }
    }
}

impl VitalReport {
    /// A budgeted cell with the values that were measured.
    #[must_use]
    pub fn new(
        cell: &BudgetedCell,
        measured: Option<&ledger::MetricCell>,
        last_view_hour: Option<UnixMillis>,
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
            verdict: limit.verdict(*tally).name(),
            value,
            interval,
            last_view_hour,
        }
    }

    /// The worst first, at most so many; and how many there are more.
    #[must_use]
    pub fn worst_first(mut all: Vec<Self>) -> (Vec<Self>, usize) {
        let rank = |vital: &Self| match vital.verdict {
            verdict if verdict == Verdict::Violated.name() => 0,
            verdict if verdict == Verdict::AtLimit.name() => 1,
            verdict if verdict == Verdict::Met.name() => 3,
            _ => 2,
        };
        all.sort_by(|a, b| (rank(a), b.n, &a.route).cmp(&(rank(b), a.n, &b.route)));
        let more = all.len().saturating_sub(MAX_VITALS);
        all.truncate(MAX_VITALS);
        (all, more)
    }
}

const VERSION: u8 = 1;
const MAX_VITALS: usize = 1000;
