//! Configuration and results of Lighthouse CI, in its own format.

use std::collections::BTreeMap;
use std::fmt;

use budget::{
    Assertion, AssertionOutcome, Budgets, GateOutcome, LhciResult, PageAssertions, Severity,
    evaluate_lab_gate,
};
use serde::{Deserialize, Serialize};
use wire::{Device, Metric};

/// The part of a lighthouserc that follows from a budgets.json.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LhciConfig {
    collect: LhciCollect,
    assert: LhciAssert,
}

/// The settings of the runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct LhciCollect {
    url: Vec<String>,
    number_of_runs: u8,
    settings: LhciSettings,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct LhciSettings {
    only_categories: [&'static str; 1],
    /// Lighthouse emulates a phone by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    preset: Option<&'static str>,
}

/// The assertions on the runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct LhciAssert {
    /// Required to check that every assertion was made.
    include_passed_assertions: bool,
    assert_matrix: Vec<AssertMatrixRow>,
}

/// A row of `assertMatrix`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssertMatrixRow {
    /// A pattern that matches one page.
    pub matching_url_pattern: String,
    /// Level and bound by audit.
    pub assertions: BTreeMap<String, (&'static str, AssertionBound)>,
}

/// The bound of an audit.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssertionBound {
    /// The maximum value.
    pub max_numeric_value: f64,
    /// `median`; Lighthouse CI's default, the best run, misses most regressions.
    pub aggregation_method: &'static str,
}

/// A result in assertion-results.json.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LhciResultInput {
    url: String,
    audit_id: String,
    #[serde(default)]
    audit_property: Option<String>,
    name: String,
    expected: f64,
    /// Null without a value.
    #[serde(default)]
    actual: Option<f64>,
    passed: bool,
}

/// An assertion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AssertionReport {
    /// The key in Lighthouse CI.
    pub audit: String,
    /// In the audit's own unit; sizes are in bytes.
    pub max: f64,
    /// `error` or `warn`.
    pub severity: String,
    /// The metric that it replaces.
    pub proxy_of: Option<String>,
    /// The line of budgets.json.
    pub line: u32,
}

/// The outcomes of all expected assertions of a run. Stored next to its results, where the gate reads it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LhciVerification {
    /// The version of this document.
    pub v: u8,
    /// The emulated device.
    pub device: Device,
    /// The outcome of each assertion of each page.
    pub outcomes: Vec<CheckedAssertion>,
    /// Assertions that were added by hand and never made.
    #[serde(default)]
    #[serde(rename = "unmade")]
    pub missing_assertions: Vec<MissingAssertion>,
}

/// An expected assertion with its outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CheckedAssertion {
    /// The page.
    pub url: String,
    /// The assertion.
    #[serde(flatten)]
    pub assertion: AssertionReport,
    /// Its outcome.
    pub outcome: AssertionOutcomeKind,
    /// The median of the runs, if there was a value.
    pub actual: Option<f64>,
}

/// The kind of an outcome, without the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum AssertionOutcomeKind {
    /// The value is within the bound.
    #[serde(rename = "kept")]
    Passed,
    /// The value exceeds the bound.
    #[serde(rename = "broken")]
    Failed,
    /// Lighthouse measured no value.
    NotMeasured,
    /// Lighthouse CI never made the assertion.
    NotAsserted,
}

/// A row for the gate: an assertion with its device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LabGateRow {
    /// The emulated device.
    pub device: Device,
    /// The assertion.
    #[serde(flatten)]
    pub assertion: CheckedAssertion,
}

/// An assertion that was added to the configuration by hand, and that Lighthouse CI never made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MissingAssertion {
    /// The URL pattern of the row.
    pub pattern: String,
    /// The audit.
    pub audit: String,
    /// The cause.
    pub why: String,
}

/// An error in the input of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LhciConfigError {
    /// Not an absolute http(s) URL.
    InvalidUrl(String),
    /// No URLs.
    NoUrls,
    /// A device that Lighthouse cannot emulate.
    UnsupportedDevice(Device),
    /// A number of runs outside 1 to 99.
    InvalidRunCount(u8),
}

/// Builds the configuration for these URLs. Five runs give a stable median.
///
/// # Errors
/// Returns the first invalid input.
pub fn build_lhci_config(
    budgets: &Budgets,
    urls: &[String],
    device: Device,
    runs: u8,
) -> Result<LhciConfig, LhciConfigError> {
    let preset = match device {
        Device::Phone => None,
        Device::Desktop => Some("desktop"),
        Device::Tablet => return Err(LhciConfigError::UnsupportedDevice(device)),
    };
    if urls.is_empty() {
        return Err(LhciConfigError::NoUrls);
    }
    if !(1..=99).contains(&runs) {
        return Err(LhciConfigError::InvalidRunCount(runs));
    }
    let url = collect_pages(budgets, urls, device)?.into_iter().map(|page| page.url).collect();
    let settings = LhciSettings { only_categories: ["performance"], preset };
    let assert_matrix = build_assert_matrix(budgets, urls, device)?;
    Ok(LhciConfig {
        collect: LhciCollect { url, number_of_runs: runs, settings },
        assert: LhciAssert { include_passed_assertions: true, assert_matrix },
    })
}

/// Builds the rows of `assertMatrix`. All matching rows apply, so each page has one row, even if listed twice.
///
/// # Errors
/// Returns the first invalid URL.
pub fn build_assert_matrix(
    budgets: &Budgets,
    urls: &[String],
    device: Device,
) -> Result<Vec<AssertMatrixRow>, LhciConfigError> {
    let row = |page: &PageAssertions| {
        let bound = |max| AssertionBound { max_numeric_value: max, aggregation_method: "median" };
        let assertions = page.assertions.iter();
        let assertions =
            assertions.map(|one| (one.audit.clone(), (one.severity.name(), bound(one.max)))).collect();
        AssertMatrixRow { matching_url_pattern: page.url_pattern(), assertions }
    };
    Ok(collect_pages(budgets, urls, device)?.iter().map(row).collect())
}

/// Returns the outcome of every expected assertion on these URLs.
///
/// # Errors
/// Returns the first invalid URL.
pub fn verify_results(
    budgets: &Budgets,
    urls: &[String],
    device: Device,
    results: Vec<LhciResultInput>,
) -> Result<LhciVerification, LhciConfigError> {
    let results: Vec<LhciResult> = results.into_iter().map(LhciResultInput::into_lhci_result).collect();
    let pages = collect_pages(budgets, urls, device)?;
    let outcomes = pages.iter().flat_map(|page| {
        let check = |(assertion, outcome): (&Assertion, AssertionOutcome)| {
            let (outcome, actual) = match outcome {
                AssertionOutcome::Passed { actual } => (AssertionOutcomeKind::Passed, Some(actual)),
                AssertionOutcome::Failed { actual } => (AssertionOutcomeKind::Failed, Some(actual)),
                AssertionOutcome::NotMeasured => (AssertionOutcomeKind::NotMeasured, None),
                AssertionOutcome::NotAsserted => (AssertionOutcomeKind::NotAsserted, None),
            };
            CheckedAssertion {
                url: page.url.clone(),
                assertion: AssertionReport::from_assertion(assertion),
                outcome,
                actual,
            }
        };
        page.outcomes(&results).into_iter().map(check).collect::<Vec<_>>()
    });
    Ok(LhciVerification { v: 1, device, outcomes: outcomes.collect(), missing_assertions: Vec::new() })
}

impl LhciVerification {
    /// Returns the gate outcome. A missing assertion that was added by hand counts as one from the budgets.
    #[must_use]
    pub fn gate_outcome(&self) -> GateOutcome {
        let outcomes: Vec<(Assertion, AssertionOutcome)> =
            self.outcomes.iter().map(CheckedAssertion::to_outcome).collect();
        let answer = evaluate_lab_gate(
            &outcomes.iter().map(|(assertion, outcome)| (assertion, *outcome)).collect::<Vec<_>>(),
        );
        if self.missing_assertions.is_empty() { answer } else { answer.max(GateOutcome::Insufficient) }
    }

    pub(crate) fn gate_rows(&self) -> impl Iterator<Item = LabGateRow> {
        self.outcomes.iter().map(|checked| LabGateRow { device: self.device, assertion: checked.clone() })
    }

    /// Iterates over the outcomes of a metric on the pages of a route.
    pub(crate) fn outcomes_for(
        &self,
        device: Option<Device>,
        route: Option<&str>,
        metric: Metric,
    ) -> impl Iterator<Item = &CheckedAssertion> {
        let is_about_metric = move |checked: &&CheckedAssertion| {
            let own = checked.assertion.proxy_of.as_deref() == Some(metric.name())
                || checked.assertion.proxy_of.is_none()
                    && Some(checked.assertion.audit.as_str()) == audit_for_metric(metric);
            own && route.is_none_or(|route| url_matches_route(&checked.url, route))
        };
        let here = device.is_none_or(|device| device == self.device);
        self.outcomes.iter().filter(is_about_metric).filter(move |_| here)
    }
}

/// The audit that measures the metric itself.
const fn audit_for_metric(metric: Metric) -> Option<&'static str> {
    match metric {
        Metric::Fcp => Some("first-contentful-paint"),
        Metric::Lcp => Some("largest-contentful-paint"),
        Metric::Cls => Some("cumulative-layout-shift"),
        Metric::Inp | Metric::Fid | Metric::Ttfb => None,
    }
}

/// Returns true if the path of a URL equals a route or matches its template.
fn url_matches_route(url: &str, route: &str) -> bool {
    let path = url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
    let path = format!("/{}", path.split('?').next().unwrap_or_default());
    if path == route {
        return true;
    }
    let (own, template): (Vec<&str>, Vec<&str>) = (path.split('/').collect(), route.split('/').collect());
    let fits = |(own, part): (&&str, &&str)| {
        own == part || !own.is_empty() && (part.starts_with(':') || part.starts_with('['))
    };
    own.len() == template.len() && own.iter().zip(&template).all(fits)
}

fn collect_pages(
    budgets: &Budgets,
    urls: &[String],
    device: Device,
) -> Result<Vec<PageAssertions>, LhciConfigError> {
    let page = |url: &String| {
        budgets.page_assertions(url, device).ok_or_else(|| LhciConfigError::InvalidUrl(url.clone()))
    };
    let mut pages: Vec<PageAssertions> = urls.iter().map(page).collect::<Result<_, _>>()?;
    pages.sort_by(|a, b| a.url.cmp(&b.url));
    pages.dedup_by(|a, b| a.url == b.url);
    Ok(pages)
}

impl AssertionReport {
    pub(crate) fn from_assertion(assertion: &Assertion) -> Self {
        let Assertion { max, severity, proxy_of, line, .. } = *assertion;
        let proxy_of = proxy_of.map(|metric| metric.name().to_owned());
        Self { audit: assertion.audit.clone(), max, severity: severity.name().to_owned(), proxy_of, line }
    }
}

impl CheckedAssertion {
    fn to_outcome(&self) -> (Assertion, AssertionOutcome) {
        let AssertionReport { audit, max, severity, proxy_of, line } = &self.assertion;
        let assertion = Assertion {
            audit: audit.clone(),
            max: *max,
            severity: if severity == Severity::Warn.name() { Severity::Warn } else { Severity::Error },
            proxy_of: proxy_of.as_deref().and_then(Metric::from_name),
            line: *line,
        };
        let outcome = match (self.outcome, self.actual) {
            (AssertionOutcomeKind::Passed, Some(actual)) => AssertionOutcome::Passed { actual },
            (AssertionOutcomeKind::Failed, Some(actual)) => AssertionOutcome::Failed { actual },
            (AssertionOutcomeKind::NotAsserted, _) => AssertionOutcome::NotAsserted,
            (
                AssertionOutcomeKind::NotMeasured
                | AssertionOutcomeKind::Passed
                | AssertionOutcomeKind::Failed,
                _,
            ) => AssertionOutcome::NotMeasured,
        };
        (assertion, outcome)
    }
}

impl AssertionOutcomeKind {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "kept",
            Self::Failed => "broken",
            Self::NotMeasured => "not-measured",
            Self::NotAsserted => "not-asserted",
        }
    }
}

impl LhciResultInput {
    fn into_lhci_result(self) -> LhciResult {
        let Self { url, audit_id, audit_property, name, expected, actual, passed } = self;
        let actual = actual.filter(|actual| actual.is_finite());
        LhciResult { url, audit_id, audit_property, name, expected, actual, passed }
    }
}

impl fmt::Display for LhciConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidUrl(text) => {
                write!(
                    f,
                    "\"{text}\" is not a page URL; use an absolute one, such as \"https://example.org/\""
                )
            }
            Self::NoUrls => {
                write!(f, "urls is empty; list at least one page, such as \"http://localhost:3000/\"")
            }
            Self::UnsupportedDevice(device) => {
                write!(f, "Lighthouse cannot emulate a {}; use phone or desktop", device.name())
            }
            Self::InvalidRunCount(runs) => {
                write!(f, "{runs} runs are out of range; use 1 to 99, such as 5")
            }
        }
    }
}

impl std::error::Error for LhciConfigError {}
