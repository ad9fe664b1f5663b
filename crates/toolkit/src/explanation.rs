//! Reports on a budgets.json: its first error, or the limits of a page.

use std::fmt;

use budget::{BudgetError, BudgetErrorKind, Budgets, FormFactor, Limit};
use serde::Serialize;
use wire::{Device, Metric};

use crate::lighthouse_ci::AssertionReport;

/// An error in parts, for annotations and editors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BudgetErrorReport {
    /// The full message, with its place.
    pub message: String,
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1.
    pub column: u32,
    /// The path of the value.
    pub key: String,
    /// The valid name most similar to the unknown one.
    pub nearest: Option<&'static str>,
}

/// A valid limit that is probably not meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BudgetWarningReport {
    /// Counted from 1.
    pub line: u32,
    /// The doubt, and the usual form.
    pub message: String,
}

/// The limits of a page.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BudgetExplanation {
    /// Limits of real visits.
    pub field: Vec<LimitReport>,
    /// Assertions in the lab.
    pub lab: Vec<AssertionReport>,
}

/// A limit in the unit of its metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitReport {
    /// The metric.
    pub metric: &'static str,
    /// Milliseconds, or layout shift.
    pub max: f64,
    /// The percentage of visits that must be within the limit.
    pub percentile: u8,
    /// `error` or `warn`.
    pub severity: &'static str,
    /// The minimum number of visits for a verdict.
    pub min_samples: u64,
    /// The line of budgets.json.
    pub line: u32,
}

/// An unknown device name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnknownDevice(String);

/// Returns the parts of an error.
#[must_use]
pub fn error_report(error: &BudgetError) -> BudgetErrorReport {
    let nearest = match error.kind {
        BudgetErrorKind::UnknownName { nearest, .. } => nearest,
        _ => None,
    };
    let BudgetError { line, column, .. } = *error;
    BudgetErrorReport { message: error.to_string(), line, column, key: error.key.clone(), nearest }
}

/// Returns the limits that are probably not meant.
#[must_use]
pub fn warning_reports(budgets: &Budgets) -> Vec<BudgetWarningReport> {
    let warnings = budgets.warnings();
    warnings.map(|warning| BudgetWarningReport { line: warning.line, message: warning.to_string() }).collect()
}

/// Returns the limits and lab assertions of a path on a device.
#[must_use]
pub fn explain_page(budgets: &Budgets, path: &str, device: Device) -> BudgetExplanation {
    let limit = |metric: Metric| {
        let Limit { max, percentile, severity, min_samples, line } = budgets.limit(path, device, metric)?;
        let max = f64::from(max) / metric.wire_scale();
        Some(LimitReport {
            metric: metric.name(),
            max,
            percentile,
            severity: severity.name(),
            min_samples,
            line,
        })
    };
    let field = Metric::ALL.into_iter().filter_map(limit).collect();
    BudgetExplanation {
        field,
        lab: budgets.assertions(path, device).iter().map(AssertionReport::from_assertion).collect(),
    }
}

pub(crate) fn parse_device(name: &str) -> Result<Device, UnknownDevice> {
    Device::from_name(name).ok_or_else(|| UnknownDevice(name.to_owned()))
}

pub(crate) const fn form_factor(desktop: bool) -> FormFactor {
    if desktop { FormFactor::Desktop } else { FormFactor::Mobile }
}

impl fmt::Display for UnknownDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Device::ALL.map(Device::name).join(", ");
        write!(f, "unknown device \"{}\"; use one of {known}", self.0)
    }
}

impl std::error::Error for UnknownDevice {}
