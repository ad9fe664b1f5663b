//! The document of `GET /api/vitals/summary`. Values are in display units: milliseconds and layout shift scores.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::beacon::{LossReason, Navigation};
use crate::{Device, ShardCoverage, UnixMillis};

/// The version of the document.
pub const VERSION: u8 = 1;

/// The metrics of a site in a time span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Summary {
    /// The version of this document.
    pub v: u8,
    /// The site.
    pub site: String,
    /// The start of the time span.
    pub from: UnixMillis,
    /// The end of the time span, exclusive.
    pub to: UnixMillis,
    /// The arrival of the last beacon; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(rename = "heard_at")]
    pub last_beacon_at: Option<UnixMillis>,
    /// Views, each counted once.
    pub views: u64,
    /// The visits that they stand for, by their sample weights.
    pub visits: u64,
    /// Beacons that the browsers sent.
    pub sent: u64,
    /// Beacons that arrived.
    #[serde(rename = "heard")]
    pub received: u64,
    /// Views without measurements, by reason.
    pub lost: BTreeMap<LossReason, u64>,
    /// Rejected requests by reason, in the hours of the time span.
    #[serde(default)]
    pub refused: BTreeMap<String, u64>,
    /// Navigations within documents, which are not among `views` and `cells`, and which no budget judges.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub navigations: Vec<NavigationSummary>,
    /// A line for each route, device class and metric.
    pub cells: Vec<SummaryCell>,
    /// Absent if every shard answered; otherwise the shards whose counts are included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<ShardCoverage>,
}

/// Navigations of one type: soft navigations, or declared views.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NavigationSummary {
    /// The type.
    pub navigation: Navigation,
    /// Views, each counted once.
    pub views: u64,
    /// The metrics that they measured.
    pub metrics: Vec<NavigationMetric>,
}

/// One metric of navigations of one type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NavigationMetric {
    /// The metric's name.
    pub metric: String,
    /// `ms`, or empty for layout shifts.
    pub unit: String,
    /// Views that measured it.
    pub n: u64,
    /// The 75th percentile over visits, within 1.6 %.
    pub p75: Option<f64>,
}

/// One metric of one route and device class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SummaryCell {
    /// The route template.
    pub route: String,
    /// The device class.
    pub device: Device,
    /// The metric's name.
    pub metric: String,
    /// `ms`, or empty for layout shifts.
    pub unit: String,
    /// Views that measured it.
    pub n: u64,
    /// The 75th percentile over visits, within 1.6 %.
    pub p75: Option<f64>,
    /// The 95 % confidence interval of the 75th percentile.
    pub p75_interval: Option<[f64; 2]>,
    /// The share of good visits.
    pub good: f64,
    /// The share of visits that need improvement.
    pub needs_improvement: f64,
    /// The share of poor visits.
    pub poor: f64,
    /// The budget; null where there is none.
    pub budget: Option<SummaryBudget>,
    /// The verdict; `none` without a budget.
    pub verdict: String,
}

/// A budget with the counts against it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SummaryBudget {
    /// The limit.
    pub max: f64,
    /// The percentile of views that must be within it.
    pub percentile: u8,
    /// Views that were judged by this limit.
    pub n: u64,
    /// Those within it.
    pub k: u64,
    /// The line of budgets.json that sets it.
    pub line: u32,
}
