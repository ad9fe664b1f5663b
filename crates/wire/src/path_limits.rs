//! The limits of a path, as `GET /api/budgets/limits` returns them, and the answer to a beacon that asks for
//! its values to be judged by them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::Device;

/// The version of the document.
pub const VERSION: u8 = 1;

/// The limits of real visits to a path.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PathLimits {
    /// The version of this document.
    pub v: u8,
    /// The path.
    pub path: String,
    /// The device class.
    pub device: Device,
    /// The limit of each budgeted metric.
    pub limits: BTreeMap<&'static str, PathLimit>,
}

/// The limit of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PathLimit {
    /// The limit: milliseconds, or a layout shift score.
    pub max: f64,
    /// The percentile of views that must be within it.
    pub percentile: u8,
    /// The line of budgets.json that sets it.
    pub line: u32,
}

/// The answer to a beacon with `Prefer: return=representation`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IngestResponse {
    /// By metric, true for a value within its budget. Metrics without a budget are left out.
    pub within: BTreeMap<&'static str, bool>,
}
