//! The summary: what `GET /api/vitals/summary` answers. Numbers in the units that people use:
//! milliseconds, and layout shifts as they are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::beacon::LossReason;
use crate::{Device, UnixMillis};

/// The version of the document.
pub const VERSION: u8 = 1;

/// What a site's visitors felt in a span of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Summary {
    /// The version of this document.
    pub v: u8,
    /// The site.
    pub site: String,
    /// The first moment asked for.
    pub from: UnixMillis,
    /// The moment before which all of it lies.
    pub to: UnixMillis,
    /// When a beacon was last heard; absent when never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(rename = "heard_at")]
    pub last_beacon_at: Option<UnixMillis>,
    /// Views, each once.
    pub views: u64,
    /// The visits that they stand for, by their sample weights.
    pub visits: u64,
    /// Sends that the browsers made.
    pub sent: u64,
    /// Sends that arrived.
    #[serde(rename = "heard")]
    pub received: u64,
    /// Views without measurements, by reason.
    pub lost: BTreeMap<LossReason, u64>,
    /// What was refused, by reason, in the hours that the span touches.
    #[serde(default)]
    pub refused: BTreeMap<String, u64>,
    /// A line for each route, device class and metric.
    pub cells: Vec<SummaryCell>,
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
    /// `ms`, or empty for a layout shift.
    pub unit: String,
    /// Views that measured it.
    pub n: u64,
    /// The 75th percentile over visits, within 1.6 %.
    pub p75: Option<f64>,
    /// The values between which the true 75th percentile lies, 95 times in 100.
    pub p75_interval: Option<[f64; 2]>,
    /// The share of visits that is good.
    pub good: f64,
    /// The share between good and poor.
    pub needs_improvement: f64,
    /// The share that is poor.
    pub poor: f64,
    /// The budget; absent where there is none.
    pub budget: Option<SummaryBudget>,
    /// What the counts say of the budget; `none` where there is none.
    pub verdict: String,
}

/// A budget, and the counts against it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SummaryBudget {
    /// The limit.
    pub max: f64,
    /// The percentile of views that must be within it.
    pub percentile: u8,
    /// Views that were judged by it.
    pub n: u64,
    /// Those within it.
    pub k: u64,
    /// The line of budgets.json that says so.
    pub line: u32,
}
