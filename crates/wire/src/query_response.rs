//! What `/api/vitals/series`, `/routes`, `/distribution`, `/compare` and `/causes` answer: lines of one shape, so
//! that who reads one can read them all. Numbers in the units that people use.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::attribution::SubpartKind;
use crate::beacon::LossReason;
use crate::{Device, UnixMillis};

/// The version of the documents.
pub const VERSION: u8 = 1;

/// Lines, a page of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct QueryResponse {
    /// The version of this document.
    pub v: u8,
    /// The site.
    pub site: String,
    /// All that the question is about.
    #[serde(flatten)]
    pub totals: QueryTotals,
    /// The lines.
    pub lines: Vec<QueryLine>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<usize>,
}

/// A span of time, how fresh what is known of it is, and how much.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct QueryTotals {
    /// The first moment asked for.
    pub from: UnixMillis,
    /// The moment before which all of it lies.
    pub to: UnixMillis,
    /// When a beacon was last heard; absent when never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(rename = "heard_at")]
    pub last_beacon_at: Option<UnixMillis>,
    /// Views, each once.
    pub views: u64,
    /// The visits that they stand for.
    pub visits: u64,
    /// Sends that the browsers made.
    pub sent: u64,
    /// Sends that arrived.
    #[serde(rename = "heard")]
    pub received: u64,
    /// Views without measurements, by reason.
    pub lost: BTreeMap<LossReason, u64>,
}

/// One metric of one group.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct QueryLine {
    /// When the group's time begins, in a series.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<UnixMillis>,
    /// What the group has in common; null where its views have none of it.
    pub group: BTreeMap<String, Option<String>>,
    /// The metric's name.
    pub metric: &'static str,
    /// `ms`, or empty for a layout shift.
    pub unit: &'static str,
    /// The numbers.
    #[serde(flatten)]
    pub stats: MetricStats,
    /// The distribution, where it is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buckets: Option<Vec<DistributionBucket>>,
}

/// What is known of one metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MetricStats {
    /// Views that measured it.
    pub n: u64,
    /// The visits that they stand for.
    pub visits: u64,
    /// The median over visits, within 1.6 %, as every percentile here.
    pub p50: Option<f64>,
    /// The 75th percentile.
    pub p75: Option<f64>,
    /// The values between which the true 75th percentile lies, 95 times in 100.
    pub p75_interval: Option<[f64; 2]>,
    /// The 90th percentile.
    pub p90: Option<f64>,
    /// The 95th percentile.
    pub p95: Option<f64>,
    /// The 99th percentile.
    pub p99: Option<f64>,
    /// The share of visits that is good.
    pub good: f64,
    /// The share between good and poor.
    pub needs_improvement: f64,
    /// The share that is poor.
    pub poor: f64,
}

/// Visits with values from `low` to `high`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DistributionBucket {
    /// The smallest value that is counted here.
    pub low: f64,
    /// The largest.
    pub high: f64,
    /// So many visits.
    pub visits: u64,
}

/// Two releases, or two spans of time, side by side.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ComparisonResponse {
    /// The version of this document.
    pub v: u8,
    /// The site.
    pub site: String,
    /// What came before.
    pub a: QueryTotals,
    /// What is compared with it.
    pub b: QueryTotals,
    /// A line for each metric that either has.
    pub lines: Vec<ComparisonLine>,
}

/// One metric of both.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ComparisonLine {
    /// The metric's name.
    pub metric: &'static str,
    /// `ms`, or empty for a layout shift.
    pub unit: &'static str,
    /// What came before.
    pub a: MetricStats,
    /// What is compared with it.
    pub b: MetricStats,
    /// The views against their budgets, page by page and device by device; null without a budget or
    /// where no page has views of both.
    pub budget: Option<BudgetDifference>,
}

/// How the shares within budget differ.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BudgetDifference {
    /// So many more of a hundred views are over budget.
    pub points_worse: f64,
    /// How likely as large a difference is by chance.
    pub p_value: f64,
    /// Whether that is certain, and enough to matter.
    pub regression: bool,
}

/// Why visits were slow, by whole days.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CausesResponse {
    /// The version of this document.
    pub v: u8,
    /// The site.
    pub site: String,
    /// The first moment of the first day.
    pub from: UnixMillis,
    /// The moment before which all of it lies.
    pub to: UnixMillis,
    /// A line for each page and metric of which slow visits gave reasons.
    pub lines: Vec<SlowViewCauses>,
}

/// The slow visits of a page, by one metric: those over budget, or not good where there is none.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SlowViewCauses {
    /// The route template.
    pub route: String,
    /// The class of devices.
    pub device: Device,
    /// The metric's name.
    pub metric: &'static str,
    /// Views that gave a reason.
    pub n: u64,
    /// The parts of their times, in the order in which they pass.
    pub parts: Vec<SubpartDuration>,
    /// The elements that they named, the most named first; `(other)` for those that found no room.
    pub elements: Vec<CauseCount>,
    /// The resources or scripts.
    pub sources: Vec<CauseCount>,
}

/// A part of a metric's time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SubpartDuration {
    /// Which.
    pub part: SubpartKind,
    /// Milliseconds, in the mean.
    #[serde(rename = "ms")]
    pub millis: f64,
}

/// Something that visits named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CauseCount {
    /// Its selector or address.
    pub name: String,
    /// Views that named it.
    pub n: u64,
}
