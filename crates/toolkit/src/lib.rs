//! The shell around budgets, verdicts, scores and sketches for JavaScript: Node's command line and
//! the dashboard. Plain objects in and out; nothing is decided here.

mod explanation;
mod gate;
mod lighthouse_ci;
mod statistics;

pub use explanation::{BudgetErrorReport, BudgetExplanation, error_report, explain_page};
pub use gate::{GateReport, GateRow, LabGateRow, gate_report, lab_gate_report};
pub use lighthouse_ci::{
    AssertMatrixRow, CheckedAssertion, LhciConfig, LhciConfigError, LhciResultInput, LhciVerification,
    MissingAssertion, build_assert_matrix, build_lhci_config, verify_results,
};
pub use statistics::{
    ComparisonReport, Distribution, ForecastReport, MetricInfo, StratumInput, comparison_report,
    distribution, forecast_report, metric_infos, percentile_value,
};

use serde::{Serialize, de::DeserializeOwned};
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::prelude::*;

/// A budgets.json, read once.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Budgets(budget::Budgets);

#[wasm_bindgen]
impl Budgets {
    /// Reads the text of a budgets.json.
    ///
    /// # Errors
    /// Throws an Error that names the first mistake; `mistake` has it in parts.
    #[wasm_bindgen(constructor)]
    pub fn new(text: &str) -> Result<Self, JsError> {
        Ok(Self(budget::Budgets::parse(text)?))
    }

    /// What applies to a path on a class of device, each with its line.
    ///
    /// # Errors
    /// Throws when there is no such device.
    pub fn explain(&self, path: &str, device: &str) -> Result<JsValue, JsError> {
        to_js(&explain_page(&self.0, path, explanation::parse_device(device)?))
    }

    /// What a lighthouserc has to say of these addresses: `{ collect, assert }`.
    ///
    /// # Errors
    /// Throws when Lighthouse cannot visit so.
    pub fn lighthouserc(&self, urls: Vec<String>, device: &str, runs: u8) -> Result<JsValue, JsError> {
        to_js(&build_lhci_config(&self.0, &urls, explanation::parse_device(device)?, runs)?)
    }

    /// Whether a release may pass: a row for each budgeted cell of the document that `GET /api/budgets`
    /// gives, with what the lab found, and the answer.
    ///
    /// # Errors
    /// Throws when the document is none, or what the lab found is not.
    pub fn gate(&self, budget_report: JsValue, labs: JsValue) -> Result<JsValue, JsError> {
        let labs: Vec<LhciVerification> = from_js("lab", labs)?;
        to_js(&gate_report(Some(&self.0), &from_js("standing", budget_report)?, &labs))
    }

    /// What came of every assertion that was to be made, by the content of assertion-results.json.
    ///
    /// # Errors
    /// Throws when there is no such device, an address is none, or the results are not such.
    pub fn verify(&self, urls: Vec<String>, device: &str, results: JsValue) -> Result<JsValue, JsError> {
        let results: Vec<LhciResultInput> = from_js("results", results)?;
        to_js(&verify_results(&self.0, &urls, explanation::parse_device(device)?, results)?)
    }
}

/// Whether a release may pass by the limits in force at the edge, where no budgets are at hand.
///
/// # Errors
/// Throws when the document is none, or what the lab found is not.
#[wasm_bindgen(js_name = gateAtEdge)]
pub fn gate_at_edge(budget_report: JsValue, labs: JsValue) -> Result<JsValue, JsError> {
    let labs: Vec<LhciVerification> = from_js("lab", labs)?;
    to_js(&gate_report(None, &from_js("standing", budget_report)?, &labs))
}

/// What the lab's findings come to where nobody asks the field.
///
/// # Errors
/// Throws when they are nothing of the kind.
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

/// The verdict on `n` visits of which `within` kept their budget.
#[wasm_bindgen]
#[must_use]
pub fn verdict(n: f64, within: f64, percentile: u8, min_samples: f64) -> String {
    budget::BudgetTally::new(n as u64, within as u64)
        .verdict(percentile, min_samples as u64)
        .name()
        .to_owned()
}

/// What is missing for a verdict: so many more visits of the same, and what they would prove.
///
/// # Errors
/// None that is known.
#[wasm_bindgen]
pub fn forecast(n: f64, within: f64, percentile: u8, min_samples: f64) -> Result<JsValue, JsError> {
    to_js(&forecast_report(budget::BudgetTally::new(n as u64, within as u64), percentile, min_samples as u64))
}

/// Every metric with its unit, and where good ends and poor begins.
///
/// # Errors
/// None that is known.
#[wasm_bindgen]
pub fn metrics() -> Result<JsValue, JsError> {
    to_js(&metric_infos())
}

/// How a release differs from the one before: `{ before: { n, within }, after: { n, within } }` for
/// each class of device. Null while no class has both.
///
/// # Errors
/// Throws when the strata are not such.
#[wasm_bindgen]
pub fn compare(strata: JsValue) -> Result<JsValue, JsError> {
    to_js(&comparison_report(from_js("strata", strata)?))
}

/// Lighthouse's score of a value in its audit's own unit. Nothing when there is no such audit.
#[wasm_bindgen]
#[must_use]
pub fn score(audit: &str, value: f64, desktop: bool) -> Option<f64> {
    let audit = budget::ScoredAudit::ALL.into_iter().find(|known| known.name() == audit)?;
    Some(audit.score(value, explanation::form_factor(desktop)))
}

/// The score of real visits by their percentiles, such as `{ LCP: 2100, CLS: 0.05 }`. Null when
/// none of them is scored.
///
/// # Errors
/// Throws when the values are not such.
#[wasm_bindgen(js_name = fieldScore)]
pub fn field_score(values: JsValue, desktop: bool) -> Result<JsValue, JsError> {
    let values: std::collections::BTreeMap<String, f64> = from_js("values", values)?;
    let known = values.iter().filter_map(|(name, value)| Some((wire::Metric::from_name(name)?, *value)));
    to_js(&budget::field_score(known, explanation::form_factor(desktop)))
}

/// What an encoded sketch knows.
///
/// # Errors
/// Throws when the bytes are none.
#[wasm_bindgen]
pub fn sketch(bytes: &[u8]) -> Result<JsValue, JsError> {
    to_js(&distribution(&sketch::Sketch::decode(bytes)?))
}

/// Any percentile of an encoded sketch, in the unit that people use. Nothing where it is empty.
///
/// # Errors
/// Throws when the bytes are none.
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
