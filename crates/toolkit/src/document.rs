//! What budgets.json says, as people ask for it: the mistake in it, or what applies to a page.

use std::fmt;

use budget::{Budgets, Form, Limit, Mistake, Wrong};
use serde::Serialize;
use wire::{Device, Metric};

use crate::lab::Asked;

/// A mistake in parts, for annotations and editors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
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
pub struct Explained {
    /// Limits of real visits.
    pub field: Vec<LimitShown>,
    /// Assertions in the lab.
    pub lab: Vec<Asked>,
}

/// A limit, in the unit that people use.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitShown {
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
pub(crate) struct NoDevice(String);

/// The mistake in parts.
#[must_use]
pub fn told(mistake: &Mistake) -> Told {
    let nearest = match mistake.wrong {
        Wrong::Name { nearest, .. } => nearest,
        _ => None,
    };
    let Mistake { line, column, .. } = *mistake;
    Told { message: mistake.to_string(), line, column, key: mistake.key.clone(), nearest }
}

/// What applies to that path on that class of device.
#[must_use]
pub fn explained(budgets: &Budgets, path: &str, device: Device) -> Explained {
    let limit = |metric: Metric| {
        let Limit { max, percentile, severity, min_samples, line } = budgets.limit(path, device, metric)?;
        let max = f64::from(max) / metric.wire_scale();
        Some(LimitShown {
            metric: metric.name(),
            max,
            percentile,
            severity: severity.name(),
            min_samples,
            line,
        })
    };
    let field = Metric::ALL.into_iter().filter_map(limit).collect();
    Explained { field, lab: budgets.assertions(path, device).iter().map(Asked::of).collect() }
}

pub(crate) fn device(name: &str) -> Result<Device, NoDevice> {
    Device::named(name).ok_or_else(|| NoDevice(name.to_owned()))
}

pub(crate) const fn form(desktop: bool) -> Form {
    if desktop { Form::Desktop } else { Form::Mobile }
}

impl fmt::Display for NoDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Device::ALL.map(Device::name).join(", ");
        write!(f, "\"{}\" is no device; known are {known}", self.0)
    }
}

impl std::error::Error for NoDevice {}
