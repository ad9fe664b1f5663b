//! The budget report of `GET /api/budgets`: each budgeted cell with its counts and verdict. The deploy gate
//! judges a release by these counts. Values are in display units.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::network_share::NetworkShare;
use crate::summary::NavigationSummary;
use crate::{Device, LimitCounts, ShardCoverage, UnixMillis};

/// The version of the document.
pub const VERSION: u8 = 1;

/// The budget report of a site in a time span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BudgetReport {
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
    /// The requested release; absent where all releases count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The release to compare with, if one was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
    /// The other filters of the query by their parameters; watches and burn rates are of all visitors.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub filters: BTreeMap<String, String>,
    /// Views, each counted once.
    pub views: u64,
    /// Navigations within documents, which are not among `views`, and which no budget judges.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub navigations: Vec<NavigationSummary>,
    /// The budgets.json in force.
    pub budgets: BudgetsInForce,
    /// The number of cells of each verdict, on all pages.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub verdicts: BTreeMap<String, u64>,
    /// A cell for each budget of each route and device class, and of the whole site; those of the requested page
    /// of cells alone.
    pub cells: Vec<BudgetCell>,
    /// The differences from the other release; empty without one. With a page of cells, those of the site and of
    /// the routes on it.
    pub regressions: Vec<Regression>,
    /// Lighthouse scores of real visits. With a page of cells, those of the site and of the routes on it.
    pub scores: Vec<BudgetReportScore>,
    /// The `offset` of the next page of cells, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<usize>,
    /// Absent if every shard answered; otherwise the shards whose counts are included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<ShardCoverage>,
}

/// The budgets.json in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BudgetsInForce {
    /// The time from which views are judged by it.
    pub since: UnixMillis,
    /// Its source: `asset` or `kv`.
    pub source: String,
    /// A newer budgets.json that was rejected, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<BudgetsRejection>,
}

/// A rejected budgets.json.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BudgetsRejection {
    /// The time of its discovery.
    pub at: UnixMillis,
    /// Its source: `asset` or `kv`.
    pub source: String,
    /// The error in it.
    #[serde(rename = "why")]
    pub reason: String,
}

/// One budget with the counts of the views that it judges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BudgetCell {
    /// The `path` of the budget; `/` where it names none.
    pub pattern: String,
    /// The route template; null for all routes of the budget: a budget of the whole site, or one without views.
    pub route: Option<String>,
    /// The device class; null for a budget that names none and has no views.
    pub device: Option<Device>,
    /// The metric's name.
    pub metric: String,
    /// `ms`, or empty for layout shifts.
    pub unit: String,
    /// The limit.
    pub max: f64,
    /// The percentile of views that must be within it.
    pub percentile: u8,
    /// `error` or `warn`.
    pub severity: String,
    /// The minimum number of views for a verdict.
    pub min_samples: u64,
    /// The line of budgets.json that sets it.
    pub line: u32,
    /// Views that were judged by this limit.
    pub n: u64,
    /// Those within it.
    pub k: u64,
    /// The verdict on these counts, without correction for other cells or earlier looks.
    pub verdict: String,
    /// The probability of counts at least as bad from a page that just meets the budget, without the networks that
    /// sent most. Correct it where many cells are judged together.
    pub p_value: f64,
    /// The value at the budget's percentile, over the visits of the whole span, within 1.6 %.
    pub value: Option<f64>,
    /// The 95 % confidence interval of that value.
    pub interval: Option<[f64; 2]>,
    /// The time from which views were judged by this limit, if later than `from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counting_since: Option<UnixMillis>,
    /// The networks that sent the views of the page, or of all pages of the budget; absent if none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networks: Option<NetworkShare>,
    /// The sequential test over all releases up to now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<SequentialTestReport>,
    /// The burn rates over all releases up to now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burn: Option<BurnRates>,
}

/// A sequential test, valid at every look.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SequentialTestReport {
    /// The e-value against the budget, at most 1e9. A page that meets its budget ever reaches 20 with a
    /// probability of at most 5 %.
    pub e_value: f64,
    /// True while the alarm is raised. It clears when a whole day's views prove the budget met.
    pub alarm: bool,
    /// The time of the last change of the alarm.
    pub changed_at: UnixMillis,
    /// The first hour of the evidence. It restarts with a release, with another limit and after an alarm.
    pub since: UnixMillis,
    /// Views in the evidence.
    pub n: u64,
    /// Those within the limit.
    pub k: u64,
}

/// Burn rates: shares of views over budget as multiples of the allowed share; null without views.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BurnRates {
    /// Over the last 30 minutes.
    pub half_hour: Option<f64>,
    /// Over the last 6 hours.
    pub six_hours: Option<f64>,
    /// Over the last 3 days.
    pub three_days: Option<f64>,
    /// The urgency: `page` for now, `ticket` for the next working day, null for none.
    #[serde(rename = "asks")]
    pub urgency: Option<String>,
}

/// The difference of a release from the other one in one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Regression {
    /// The route template; null for the whole site.
    pub route: Option<String>,
    /// The metric's name.
    pub metric: String,
    /// The compared device classes; absent for the whole site, where they are those of every route.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strata: Vec<DeviceStratum>,
    /// The increase of the share of views over budget, in percentage points.
    pub points_worse: f64,
    /// The two-sided p-value of the difference.
    pub p_value: f64,
    /// True for a significant and relevant increase.
    pub regression: bool,
}

/// One device class in both releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeviceStratum {
    /// The device class.
    pub device: Device,
    /// Views of the other release.
    pub before: LimitCounts,
    /// Views of the release.
    pub after: LimitCounts,
    /// Views of the other release from the networks that sent most.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub before_top: u64,
    /// Views of the release from the networks that sent most.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub after_top: u64,
}

const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A Lighthouse score of the 75th percentiles of visits, with INP in place of Total Blocking Time and without Speed
/// Index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BudgetReportScore {
    /// The route template; null for the whole site.
    pub route: Option<String>,
    /// The device class; null for all classes, weighted by views.
    pub device: Option<Device>,
    /// Views behind the score.
    pub views: u64,
    /// The score, from 0 to 1.
    pub score: f64,
    /// The parts of the weighted mean, for scores of the site alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<ScorePart>,
}

/// One metric of a score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScorePart {
    /// The metric.
    pub metric: String,
    /// Its own score, from 0 to 1.
    pub score: f64,
    /// Its weight in the score.
    pub weight: f64,
}
