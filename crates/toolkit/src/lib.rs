//! JavaScript bindings of budgets, verdicts, scores and sketches, for the command line and the dashboard. Plain
//! objects in and out; the rules are in the cores.

mod explanation;
mod gate;
mod lighthouse_ci;
mod statistics;

pub use explanation::{
    BudgetErrorReport, BudgetExplanation, BudgetWarningReport, error_report, explain_page, warning_reports,
};
pub use gate::{GateReport, GateRow, gate_report, lab_gate_report};
pub use lighthouse_ci::{
    AssertMatrixRow, CheckedAssertion, LabGateRow, LhciConfig, LhciConfigError, LhciResultInput,
    LhciVerification, MissingAssertion, build_assert_matrix, build_lhci_config, verify_results,
};
pub use statistics::{
    ComparisonReport, Distribution, ForecastReport, MetricInfo, StratumInput, comparison_report,
    distribution, forecast_report, metric_infos, percentile_value,
};

use serde::{Serialize, de::DeserializeOwned};
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::prelude::*;

/// A parsed budgets.json.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Budgets(budget::Budgets);

#[wasm_bindgen]
impl Budgets {
    /// Parses the text of a budgets.json.
    ///
    /// # Errors
    /// Throws an Error with the first error of the file; `budgetError` returns its parts.
    #[wasm_bindgen(constructor)]
    pub fn new(text: &str) -> Result<Self, JsError> {
        Ok(Self(budget::Budgets::parse(text)?))
    }

    /// Returns the limits and lab assertions of a path on a device, each with its line.
    ///
    /// # Errors
    /// Throws on an unknown device.
    pub fn explain(&self, path: &str, device: &str) -> Result<JsValue, JsError> {
        to_js(&explain_page(&self.0, path, explanation::parse_device(device)?))
    }

    /// Returns the limits that are probably not meant, as `{ line, message }`.
    ///
    /// # Errors
    /// Never in practice: the warnings are plain data.
    pub fn warnings(&self) -> Result<JsValue, JsError> {
        to_js(&explanation::warning_reports(&self.0))
    }

    /// Returns the configuration of Lighthouse CI for these URLs: `{ collect, assert }`.
    ///
    /// # Errors
    /// Throws on an invalid URL, device or number of runs.
    pub fn lighthouserc(&self, urls: Vec<String>, device: &str, runs: u8) -> Result<JsValue, JsError> {
        to_js(&build_lhci_config(&self.0, &urls, explanation::parse_device(device)?, runs)?)
    }

    /// Evaluates the deployment gate: the outcome, and a row for each cell of the document of
    /// `GET /api/budgets`, with the lab results.
    ///
    /// # Errors
    /// Throws on an invalid document or invalid lab results.
    pub fn gate(&self, budget_report: JsValue, labs: JsValue) -> Result<JsValue, JsError> {
        let labs: Vec<LhciVerification> = from_js("lab", labs)?;
        to_js(&gate_report(Some(&self.0), &from_js("standing", budget_report)?, &labs))
    }

    /// Returns the outcome of every expected assertion, given the content of assertion-results.json.
    ///
    /// # Errors
    /// Throws on an unknown device, an invalid URL or invalid results.
    pub fn verify(&self, urls: Vec<String>, device: &str, results: JsValue) -> Result<JsValue, JsError> {
        let results: Vec<LhciResultInput> = from_js("results", results)?;
        to_js(&verify_results(&self.0, &urls, explanation::parse_device(device)?, results)?)
    }
}

/// Evaluates the deployment gate by the limits in force at the edge, without a local budgets.json.
///
/// # Errors
/// Throws on an invalid document or invalid lab results.
#[wasm_bindgen(js_name = gateAtEdge)]
pub fn gate_at_edge(budget_report: JsValue, labs: JsValue) -> Result<JsValue, JsError> {
    let labs: Vec<LhciVerification> = from_js("lab", labs)?;
    to_js(&gate_report(None, &from_js("standing", budget_report)?, &labs))
}

/// Evaluates the gate by lab results alone.
///
/// # Errors
/// Throws on invalid lab results.
#[wasm_bindgen(js_name = labGate)]
pub fn lab_gate(labs: JsValue) -> Result<JsValue, JsError> {
    let labs: Vec<LhciVerification> = from_js("lab", labs)?;
    to_js(&lab_gate_report(&labs))
}

/// Returns the first error in the text of a budgets.json as `{ message, line, column, key, nearest }`, or null.
///
/// # Errors
/// Never in practice: the error is plain data.
#[wasm_bindgen(js_name = budgetError)]
pub fn budget_error(text: &str) -> Result<JsValue, JsError> {
    to_js(&budget::Budgets::parse(text).err().as_ref().map(error_report))
}

/// Returns the verdict on `n` visits, `within` of them within budget.
#[wasm_bindgen]
#[must_use]
pub fn verdict(n: f64, within: f64, percentile: u8, min_samples: f64) -> String {
    budget::BudgetTally::new(n as u64, within as u64)
        .verdict(percentile, min_samples as u64)
        .name()
        .to_owned()
}

/// Returns the additional visits needed for a verdict, and the expected verdict.
///
/// # Errors
/// Never in practice: the forecast is plain data.
#[wasm_bindgen]
pub fn forecast(n: f64, within: f64, percentile: u8, min_samples: f64) -> Result<JsValue, JsError> {
    to_js(&forecast_report(budget::BudgetTally::new(n as u64, within as u64), percentile, min_samples as u64))
}

/// Returns every metric with its unit and thresholds.
///
/// # Errors
/// Never in practice: the table is plain data.
#[wasm_bindgen]
pub fn metrics() -> Result<JsValue, JsError> {
    to_js(&metric_infos())
}

/// Compares two releases, given `{ before: { n, within }, after: { n, within } }` for each device. Null if no
/// device has visits of both.
///
/// # Errors
/// Throws on invalid strata.
#[wasm_bindgen]
pub fn compare(strata: JsValue) -> Result<JsValue, JsError> {
    to_js(&comparison_report(from_js("strata", strata)?))
}

/// Returns Lighthouse's score of a value in its audit's own unit; undefined for an unknown audit.
#[wasm_bindgen]
#[must_use]
pub fn score(audit: &str, value: f64, desktop: bool) -> Option<f64> {
    let audit = budget::ScoredAudit::ALL.into_iter().find(|known| known.name() == audit)?;
    Some(audit.score(value, explanation::form_factor(desktop)))
}

/// Returns the score of real visits from their percentiles, such as `{ LCP: 2100, CLS: 0.05 }`. Null if no
/// metric is scored.
///
/// # Errors
/// Throws on invalid values.
#[wasm_bindgen(js_name = fieldScore)]
pub fn field_score(values: JsValue, desktop: bool) -> Result<JsValue, JsError> {
    let values: std::collections::BTreeMap<String, f64> = from_js("values", values)?;
    let known = values.iter().filter_map(|(name, value)| Some((wire::Metric::from_name(name)?, *value)));
    to_js(&budget::field_score(known, explanation::form_factor(desktop)))
}

/// Returns the counts, percentiles and buckets of an encoded sketch.
///
/// # Errors
/// Throws on invalid bytes.
#[wasm_bindgen]
pub fn sketch(bytes: &[u8]) -> Result<JsValue, JsError> {
    to_js(&distribution(&sketch::Sketch::decode(bytes)?))
}

/// Returns a percentile of an encoded sketch, in milliseconds or layout shift; undefined for an empty sketch.
///
/// # Errors
/// Throws on invalid bytes.
#[wasm_bindgen]
pub fn percentile(bytes: &[u8], percent: u8) -> Result<Option<f64>, JsError> {
    Ok(percentile_value(&sketch::Sketch::decode(bytes)?, percent))
}

fn to_js(value: &impl Serialize) -> Result<JsValue, JsError> {
    Ok(value.serialize(&Serializer::json_compatible())?)
}

fn from_js<T: DeserializeOwned>(name: &str, value: JsValue) -> Result<T, JsError> {
    serde_wasm_bindgen::from_value(value).map_err(|error| {
        let message = error.to_string();
        JsError::new(&format!("{name}: {}", message.strip_prefix("Error: ").unwrap_or(&message)))
    })
}
