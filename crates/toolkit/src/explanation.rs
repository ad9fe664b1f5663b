//! What budgets.json says, as people ask for it: the mistake in it, or what applies to a page.

use std::fmt;

use budget::{BudgetError, BudgetErrorKind, Budgets, FormFactor, Limit};
use serde::Serialize;
use wire::{Device, Metric};

use crate::lighthouse_ci::AssertionReport;

/// A mistake in parts, for annotations and editors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BudgetErrorReport {
    /// The whole sentence, with its place.
    pub message: String,
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1.
    pub column: u32,
    /// The way to the value.
    pub key: String,
    /// The valid name most like the one that is there.
    pub nearest: Option<&'static str>,
}

/// Everything that applies to a page.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BudgetExplanation {
    /// Limits of real visits.
    pub field: Vec<LimitReport>,
    /// Assertions in the lab.
    pub lab: Vec<AssertionReport>,
}

/// A limit, in the unit that people use.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitReport {
    /// Its metric.
    pub metric: &'static str,
    /// Milliseconds, or layout shift.
    pub max: f64,
    /// Of a hundred visits, so many must be within.
    pub percentile: u8,
    /// `error` or `warn`.
    pub severity: &'static str,
    /// Fewer visits prove nothing.
    pub min_samples: u64,
    /// The line of budgets.json that says so.
    pub line: u32,
}

/// A name that is not one of those known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnknownDevice(String);

/// The mistake in parts.
#[must_use]
pub fn error_report(error: &BudgetError) -> BudgetErrorReport {
    let nearest = match error.kind {
        BudgetErrorKind::UnknownName { nearest, .. } => nearest,
        _ => None,
    };
    let BudgetError { line, column, .. } = *error;
    BudgetErrorReport { message: error.to_string(), line, column, key: error.key.clone(), nearest }
}

/// What applies to that path on that class of device.
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
        write!(f, "\"{}\" is no device; known are {known}", self.0)
    }
}

impl std::error::Error for UnknownDevice {}
