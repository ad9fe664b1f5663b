//! The document that a backend receives for each closed window. Counts are exact, so that windows add up;
//! percentiles are of this window alone. Values are in display units. docs/push.md describes delivery and
//! signatures.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::beacon::LossReason;
use crate::{Device, UnixMillis};

/// The version of the document.
pub const VERSION: u8 = 1;

/// A closed window of a site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WindowDocument {
    /// The version of this document.
    pub v: u8,
    /// The site.
    pub site: String,
    /// `minute`, `hour` or `day`.
    pub span: String,
    /// The start of the window.
    pub start: UnixMillis,
    /// The end of the time span, exclusive.
    pub end: UnixMillis,
    /// The number of the correction, from 0. The document with the highest one replaces the others of its window.
    pub revision: u32,
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
    /// A line for each route, device class and metric.
    pub cells: Vec<WindowCell>,
    /// A score for each route and device class that has one.
    pub scores: Vec<WindowScore>,
    /// The responses of the edge; absent where they are not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<WindowRequests>,
    /// The use of the cache; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<WindowCache>,
    /// Changes of verdicts since the last push.
    pub transitions: Vec<VerdictTransition>,
}

/// One metric of one route and device class, in this window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WindowCell {
    /// The route template; `(other)` for routes beyond the limit.
    pub route: String,
    /// The device class.
    pub device: Device,
    /// The metric's name.
    pub metric: String,
    /// `ms`, or empty for layout shifts.
    pub unit: String,
    /// Views that measured it.
    pub n: u64,
    /// The median over visits, within 1.6 % like the other percentiles.
    pub p50: Option<f64>,
    /// The 75th percentile.
    pub p75: Option<f64>,
    /// The 95th percentile.
    pub p95: Option<f64>,
    /// The share of visits that is good.
    pub good: f64,
    /// The share between good and poor.
    pub needs_improvement: f64,
    /// The share that is poor.
    pub poor: f64,
    /// The budget; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<WindowBudget>,
    /// The verdict on this window alone; `none` without a budget.
    pub verdict: String,
}

/// A budget with this window's counts. Sums over windows are exact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WindowBudget {
    /// The limit.
    pub max: f64,
    /// The percentile of views that must be within it.
    pub percentile: u8,
    /// Views that were judged by this limit.
    pub n: u64,
    /// Those within it.
    pub k: u64,
}

/// A Lighthouse score of real visits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WindowScore {
    /// The route template.
    pub route: String,
    /// The device class.
    pub device: Device,
    /// The score, from 0 to 1.
    pub score: f64,
}

/// The responses of the edge in a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WindowRequests {
    /// Responses.
    pub n: u64,
    /// Errors among them.
    pub errors: u64,
    /// The median response time in milliseconds.
    pub p50: Option<f64>,
    /// The 95th percentile.
    pub p95: Option<f64>,
    /// The 99th percentile.
    pub p99: Option<f64>,
}

/// The use of the cache in a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WindowCache {
    /// Requests that it served.
    pub hits: u64,
    /// Requests that it did not serve, by reason.
    pub misses: BTreeMap<String, u64>,
}

/// A change of a verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VerdictTransition {
    /// The route template.
    pub route: String,
    /// The device class.
    pub device: Device,
    /// The metric's name.
    pub metric: String,
    /// The former verdict; absent for the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The new verdict.
    pub to: String,
}
