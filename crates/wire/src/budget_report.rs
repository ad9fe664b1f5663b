//! The standing: what `GET /api/budgets` answers. How each budgeted cell stands against its limit, for
//! people and for the gate of a deployment, which judges a release by the counts in here. Numbers in the
//! units that people use; how they come about is the budget's and the ledger's business.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Device, UnixMillis};

/// The version of the document.
pub const VERSION: u8 = 1;

/// How a site stands against its budgets in a span of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BudgetReport {
    /// The version of this document.
    pub v: u8,
    /// The site.
    pub site: String,
    /// The first moment that is counted.
    pub from: UnixMillis,
    /// The moment before which all of it lies.
    pub to: UnixMillis,
    /// When a beacon was last heard; absent when never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(rename = "heard_at")]
    pub last_beacon_at: Option<UnixMillis>,
    /// The release that was asked for; absent where all releases count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The release that it is compared with, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
    /// Views, each once.
    pub views: u64,
    /// Which budgets.json rules.
    pub budgets: BudgetsInForce,
    /// How many cells there are of each verdict.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub verdicts: BTreeMap<String, u64>,
    /// A cell for each budget of each route and device class; and those of the whole site. Of a page, those
    /// that stand on it.
    pub cells: Vec<BudgetCell>,
    /// How the release compares; empty where nothing was to compare with. With a page of cells, the site and
    /// the routes that stand on it.
    pub regressions: Vec<Regression>,
    /// Lighthouse's score of what visitors felt. With a page of cells, of the site and of the routes that
    /// stand on it.
    pub scores: Vec<BudgetReportScore>,
    /// The first cell of the next page, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<usize>,
}

/// The budgets.json in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BudgetsInForce {
    /// Since when views are judged by it.
    pub since: UnixMillis,
    /// Where it was found: `asset` or `kv`.
    pub source: String,
    /// The newer one that does not rule, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<BudgetsRejection>,
}

/// A budgets.json that was found and does not rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BudgetsRejection {
    /// When it was first found.
    pub at: UnixMillis,
    /// Where it was found: `asset` or `kv`.
    pub source: String,
    /// What is wrong with it.
    #[serde(rename = "why")]
    pub reason: String,
}

/// One budget, and the views that it judges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BudgetCell {
    /// The `path` of the budget; `/` where it names none.
    pub pattern: String,
    /// The route template; null for all routes that the budget rules. That is said of budgets of the
    /// whole site, and of those that no view has met.
    pub route: Option<String>,
    /// The device class; null where no view has met the budget and it names none.
    pub device: Option<Device>,
    /// The metric's name.
    pub metric: String,
    /// `ms`, or empty for a layout shift.
    pub unit: String,
    /// The limit.
    pub max: f64,
    /// The percentile of views that must be within it.
    pub percentile: u8,
    /// `error` or `warn`.
    pub severity: String,
    /// Fewer views than this prove nothing.
    pub min_samples: u64,
    /// The line of budgets.json that says so.
    pub line: u32,
    /// Views that were judged by it.
    pub n: u64,
    /// Those within it.
    pub k: u64,
    /// What these counts prove, looked at alone and once.
    pub verdict: String,
    /// How likely a page that just keeps the budget is to look at least as bad: what to correct when
    /// many cells are judged together.
    pub p_value: f64,
    /// The value at the budget's percentile, over the visits of the whole span, within 1.6 %.
    pub value: Option<f64>,
    /// The values between which the true one lies, 95 times in 100.
    pub interval: Option<[f64; 2]>,
    /// The moment from which views were judged by this limit, where that is later than `from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counting_since: Option<UnixMillis>,
    /// What continuous watching says, of all releases and up to now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<SequentialTestReport>,
    /// How fast the cell uses up what its budget forgives, of all releases and up to now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burn: Option<BurnRates>,
}

/// Evidence that may be read at any time without crying wolf.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SequentialTestReport {
    /// The evidence that the budget is broken: a page that keeps it reaches 20 with a chance of one in
    /// twenty, however long it is watched. At most 1e9.
    pub e_value: f64,
    /// Whether the alarm is raised. It clears only when a whole day's views prove the budget kept.
    pub alarm: bool,
    /// Since when the alarm is as it is.
    pub changed_at: UnixMillis,
    /// The hour since which the evidence is gathered: it begins anew with a release, with another limit
    /// and after an alarm.
    pub since: UnixMillis,
    /// Views that are evidence.
    pub n: u64,
    /// Those within the limit.
    pub k: u64,
}

/// Shares over budget, as multiples of the share that may be; null without views.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BurnRates {
    /// Over the last 30 minutes.
    pub half_hour: Option<f64>,
    /// Over the last 6 hours.
    pub six_hours: Option<f64>,
    /// Over the last 3 days.
    pub three_days: Option<f64>,
    /// `page`: wake somebody; `ticket`: look at it on the next working day; null: neither.
    #[serde(rename = "asks")]
    pub urgency: Option<String>,
}

/// How a release differs from the one before, for one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Regression {
    /// The route template; null for the whole site.
    pub route: Option<String>,
    /// The metric's name.
    pub metric: String,
    /// The device classes that are compared; for the whole site those of every route, which are not
    /// repeated here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strata: Vec<DeviceStratum>,
    /// So many more of a hundred views are over budget.
    pub points_worse: f64,
    /// How likely as large a difference is by chance, either way.
    pub p_value: f64,
    /// Whether that is certain, and enough to matter.
    pub regression: bool,
}

/// One device class, before the release and with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeviceStratum {
    /// The device class.
    pub device: Device,
    /// Views of the release before.
    pub before: StratumCounts,
    /// Views of the release.
    pub after: StratumCounts,
}

/// Views, by whether they kept a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StratumCounts {
    /// Views that were judged.
    pub n: u64,
    /// Those within the limit.
    pub k: u64,
}

/// Lighthouse's curves on the 75th percentiles of visits: INP in the place of Total Blocking Time, and
/// no Speed Index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BudgetReportScore {
    /// The route template; null for the whole site.
    pub route: Option<String>,
    /// The device class; null for all of them, each by its share of the views.
    pub device: Option<Device>,
    /// Views that the score is of.
    pub views: u64,
    /// From 0 to 1.
    pub score: f64,
    /// What it is the mean of; told of the site's scores.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<ScorePart>,
}

/// A vital's part of a score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScorePart {
    /// The metric.
    pub metric: String,
    /// Its own score, from 0 to 1.
    pub score: f64,
    /// The share of the whole score that it counts for.
    pub weight: f64,
}
