//! The documents of `/api/vitals/series`, `/routes`, `/distribution`, `/compare` and `/causes`. Their lines share
//! one shape. Values are in display units.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::attribution::SubpartKind;
use crate::beacon::LossReason;
use crate::{Device, ShardCoverage, UnixMillis};

/// The version of the documents.
pub const VERSION: u8 = 1;

/// A page of lines.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct QueryResponse {
    /// The version of this document.
    pub v: u8,
    /// The site.
    pub site: String,
    /// The totals of the query.
    #[serde(flatten)]
    pub totals: QueryTotals,
    /// The lines.
    pub lines: Vec<QueryLine>,
    /// The `offset` of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<usize>,
    /// Absent if every shard answered; otherwise the shards whose counts are included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<ShardCoverage>,
}

/// A time span with its totals.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct QueryTotals {
    /// The start of the time span.
    pub from: UnixMillis,
    /// The end of the time span, exclusive.
    pub to: UnixMillis,
    /// The arrival of the last beacon; absent if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
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
}

/// One metric of one group.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct QueryLine {
    /// The start of the group's time, in a series.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<UnixMillis>,
    /// The value of each dimension; null for views without one.
    pub group: BTreeMap<String, Option<String>>,
    /// The metric's name.
    pub metric: &'static str,
    /// `ms`, or empty for layout shifts.
    pub unit: &'static str,
    /// The statistics.
    #[serde(flatten)]
    pub stats: MetricStats,
    /// The distribution, where it was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buckets: Option<Vec<DistributionBucket>>,
}

/// The statistics of one metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MetricStats {
    /// Views that measured it.
    pub n: u64,
    /// The visits that they stand for, by their sample weights.
    pub visits: u64,
    /// The median over visits, within 1.6 % like every percentile here.
    pub p50: Option<f64>,
    /// The 75th percentile.
    pub p75: Option<f64>,
    /// The 95 % confidence interval of the 75th percentile.
    pub p75_interval: Option<[f64; 2]>,
    /// The 90th percentile.
    pub p90: Option<f64>,
    /// The 95th percentile.
    pub p95: Option<f64>,
    /// The 99th percentile.
    pub p99: Option<f64>,
    /// The share of good visits.
    pub good: f64,
    /// The share of visits that need improvement.
    pub needs_improvement: f64,
    /// The share of poor visits.
    pub poor: f64,
}

/// Visits with values from `low` to `high`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DistributionBucket {
    /// The smallest value.
    pub low: f64,
    /// The largest value.
    pub high: f64,
    /// The number of visits.
    pub visits: u64,
}

/// Two releases or time spans side by side.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ComparisonResponse {
    /// The version of this document.
    pub v: u8,
    /// The site.
    pub site: String,
    /// The earlier one.
    pub a: QueryTotals,
    /// The one compared with it.
    pub b: QueryTotals,
    /// A line for each metric of either.
    pub lines: Vec<ComparisonLine>,
    /// Absent if every shard answered for both; otherwise the shards whose counts are included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<ShardCoverage>,
}

/// One metric of both.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ComparisonLine {
    /// The metric's name.
    pub metric: &'static str,
    /// `ms`, or empty for layout shifts.
    pub unit: &'static str,
    /// The earlier one.
    pub a: MetricStats,
    /// The one compared with it.
    pub b: MetricStats,
    /// The difference against the budgets, stratified by page and device; null without a budget or without a page
    /// that has views of both.
    pub budget: Option<BudgetDifference>,
}

/// The difference of the shares over budget.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BudgetDifference {
    /// The increase of the share of views over budget, in percentage points.
    pub points_worse: f64,
    /// The p-value of the difference.
    pub p_value: f64,
    /// True for a significant and relevant increase.
    pub regression: bool,
}

/// The causes of slow views, in whole days.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CausesResponse {
    /// The version of this document.
    pub v: u8,
    /// The site.
    pub site: String,
    /// The start of the first day.
    pub from: UnixMillis,
    /// The end of the time span, exclusive.
    pub to: UnixMillis,
    /// A line for each page and metric with attributed slow views.
    pub lines: Vec<SlowViewCauses>,
    /// Absent if every shard answered; otherwise the shards whose counts are included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<ShardCoverage>,
}

/// The slow views of a page by one metric: those over budget or, without a budget, those not rated good.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SlowViewCauses {
    /// The route template.
    pub route: String,
    /// The device class.
    pub device: Device,
    /// The metric's name.
    pub metric: &'static str,
    /// Views with attribution.
    pub n: u64,
    /// The subparts of their times, in the order of time.
    pub parts: Vec<SubpartDuration>,
    /// The elements by views; `(other)` for those beyond the limit.
    pub elements: Vec<CauseCount>,
    /// The resources or scripts by views.
    pub sources: Vec<CauseCount>,
}

/// A subpart of a metric's time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SubpartDuration {
    /// The subpart.
    pub part: SubpartKind,
    /// The mean in milliseconds, over the views that report it.
    #[serde(rename = "ms")]
    pub millis: f64,
}

/// An element, a resource or a script in the attribution of views.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CauseCount {
    /// Its selector or address.
    pub name: String,
    /// Views that name it.
    pub n: u64,
}
