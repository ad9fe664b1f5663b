//! The document that is pushed for each closed window: what a backend receives. Exact counts, so that
//! windows add up; percentiles of this window alone, for people. Numbers in the units that people use.
//! How it is sent and signed is in docs/push.md.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::beacon::LossReason;
use crate::{Device, UnixMillis};

/// The version of the document.
pub const VERSION: u8 = 1;

/// One closed window of a site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WindowDocument {
    /// The version of this document.
    pub v: u8,
    /// The site.
    pub site: String,
    /// `minute`, `hour` or `day`.
    pub span: String,
    /// The window's first moment.
    pub start: UnixMillis,
    /// The moment before which all of it lies.
    pub end: UnixMillis,
    /// 0, or the number of the correction: the highest one of a window counts.
    pub revision: u32,
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
    /// A line for each route, device class and metric.
    pub cells: Vec<WindowCell>,
    /// A score for each route and device class that has one.
    pub scores: Vec<WindowScore>,
    /// The answers of the edge; absent where nobody counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<WindowRequests>,
    /// What the cache did; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<WindowCache>,
    /// Verdicts of the site that changed since the last push.
    pub transitions: Vec<VerdictTransition>,
}

/// One metric of one route and device class, in this window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WindowCell {
    /// The route template; `(other)` for those that found no place.
    pub route: String,
    /// The device class.
    pub device: Device,
    /// The metric's name.
    pub metric: String,
    /// `ms`, or empty for a layout shift.
    pub unit: String,
    /// Views that measured it.
    pub n: u64,
    /// The median over visits, within 1.6 %, as the other percentiles.
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
    /// What this window alone says of the budget; `none` where there is none.
    pub verdict: String,
}

/// A budget, and this window's counts against it. Sums of these over windows are exact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WindowBudget {
    /// The limit.
    pub max: f64,
    /// The percentile of views that must be within it.
    pub percentile: u8,
    /// Views that were judged by it.
    pub n: u64,
    /// Those within it.
    pub k: u64,
}

/// Lighthouse's score of real visits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WindowScore {
    /// The route template.
    pub route: String,
    /// The device class.
    pub device: Device,
    /// From 0 to 1.
    pub score: f64,
}

/// The answers of the edge in a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WindowRequests {
    /// So many.
    pub n: u64,
    /// Errors among them.
    pub errors: u64,
    /// Milliseconds of the median.
    pub p50: Option<f64>,
    /// Of the 95th percentile.
    pub p95: Option<f64>,
    /// Of the 99th.
    pub p99: Option<f64>,
}

/// What the cache did in a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WindowCache {
    /// Requests that it answered.
    pub hits: u64,
    /// Requests that it did not, by reason.
    pub misses: BTreeMap<String, u64>,
}

/// A verdict that changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VerdictTransition {
    /// The route template.
    pub route: String,
    /// The device class.
    pub device: Device,
    /// The metric's name.
    pub metric: String,
    /// What it was; absent where nothing had been decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What it is.
    pub to: String,
}
