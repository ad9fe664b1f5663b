//! Lighthouse CI's configuration and results, in the shape in which it reads and writes them.

use std::collections::BTreeMap;
use std::fmt;

use budget::{
    Assertion, AssertionOutcome, Budgets, GateOutcome, LhciResult, PageAssertions, Severity,
    evaluate_lab_gate,
};
use serde::{Deserialize, Serialize};
use wire::{Device, Metric};

use crate::gate::LabGateRow;

/// What budgets.json has to say in a lighthouserc: which pages, how, and what they must keep.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LhciConfig {
    collect: LhciCollect,
    assert: LhciAssert,
}

/// How Lighthouse visits.
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
    /// Lighthouse is a phone unless it is told to be a desktop.
    #[serde(skip_serializing_if = "Option::is_none")]
    preset: Option<&'static str>,
}

/// What the runs must keep.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct LhciAssert {
    /// Without them nothing proves that an assertion was made.
    include_passed_assertions: bool,
    assert_matrix: Vec<AssertMatrixRow>,
}

/// A row of `assertMatrix`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssertMatrixRow {
    /// The one page.
    pub matching_url_pattern: String,
    /// By audit: the level, and what is asserted.
    pub assertions: BTreeMap<String, (&'static str, AssertionBound)>,
}

/// What is asserted of an audit.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssertionBound {
    /// The most its value may be.
    pub max_numeric_value: f64,
    /// Of the runs, the median: the default is the best of them, which misses most regressions.
    pub aggregation_method: &'static str,
}

/// A result in assertion-results.json, as far as it is needed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LhciResultInput {
    url: String,
    audit_id: String,
    #[serde(default)]
    audit_property: Option<String>,
    name: String,
    expected: f64,
    /// Null, or not a number, when there was no value.
    #[serde(default)]
    actual: Option<f64>,
    passed: bool,
}

/// An assertion, as people read it.
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
    /// The metric that it stands in for.
    pub proxy_of: Option<String>,
    /// The line of budgets.json that says so.
    pub line: u32,
}

/// Whether a run asserted all that it was to assert, and what came of it. Left beside the results,
/// where the gate finds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LhciVerification {
    /// The version of this document.
    pub v: u8,
    /// The class of device that Lighthouse was.
    pub device: Device,
    /// One for each page and assertion.
    pub outcomes: Vec<CheckedAssertion>,
    /// Assertions of the configuration's own that were never made.
    #[serde(default)]
    #[serde(rename = "unmade")]
    pub missing_assertions: Vec<MissingAssertion>,
}

/// What came of one assertion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CheckedAssertion {
    /// The page.
    pub url: String,
    /// What was to be asserted.
    #[serde(flatten)]
    pub assertion: AssertionReport,
    /// What came of it.
    pub outcome: AssertionOutcomeKind,
    /// The median of the runs, if there was one.
    pub actual: Option<f64>,
}

/// What came of an assertion, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum AssertionOutcomeKind {
    /// Made, and it holds.
    #[serde(rename = "kept")]
    Passed,
    /// Made, and it does not hold.
    #[serde(rename = "broken")]
    Failed,
    /// Lighthouse gave no value.
    NotMeasured,
    /// Lighthouse CI never made it.
    NotAsserted,
}

/// An assertion that somebody wrote into the configuration, and that Lighthouse CI never made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MissingAssertion {
    /// Of the pages that match this.
    pub pattern: String,
    /// What was asserted.
    pub audit: String,
    /// Why it cannot have been.
    pub why: String,
}

/// Why there is no configuration for Lighthouse CI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LhciConfigError {
    /// An address that Lighthouse cannot visit.
    InvalidUrl(String),
    /// No address at all.
    NoUrls,
    /// A class of device that Lighthouse cannot be.
    UnsupportedDevice(Device),
    /// A number of runs without a median.
    InvalidRunCount(u8),
}

/// The configuration for these addresses. Five runs are what makes a median steady.
///
/// # Errors
/// What cannot be visited, or not so.
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

/// The rows for these addresses. They apply side by side, so a page has one row, however often it
/// is named.
///
/// # Errors
/// The first address that is none.
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

/// What came of every assertion that was to be made on these addresses.
///
/// # Errors
/// The first address that is none.
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
    /// What it comes to. An assertion of somebody's own that was never made is a mistake in the set-up
    /// as one of ours is.
    #[must_use]
    pub fn gate_outcome(&self) -> GateOutcome {
        let outcomes: Vec<(Assertion, AssertionOutcome)> =
            self.outcomes.iter().map(CheckedAssertion::to_outcome).collect();
        let answer =
            evaluate_lab_gate(&outcomes.iter().map(|(asked, came)| (asked, *came)).collect::<Vec<_>>());
        if self.missing_assertions.is_empty() { answer } else { answer.max(GateOutcome::Insufficient) }
    }

    pub(crate) fn gate_rows(&self) -> impl Iterator<Item = LabGateRow> {
        self.outcomes.iter().map(|shown| LabGateRow { device: self.device, assertion: shown.clone() })
    }

    /// Of the pages of that route, what came of the assertion that tells of the metric: the worst.
    pub(crate) fn outcomes_for(
        &self,
        device: Option<Device>,
        route: Option<&str>,
        metric: Metric,
    ) -> impl Iterator<Item = &CheckedAssertion> {
        let is_about_metric = move |shown: &&CheckedAssertion| {
            let own = shown.assertion.proxy_of.as_deref() == Some(metric.name())
                || shown.assertion.proxy_of.is_none()
                    && Some(shown.assertion.audit.as_str()) == audit_for_metric(metric);
            own && route.is_none_or(|route| url_matches_route(&shown.url, route))
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

/// Whether a page belongs to a route: that of its path, or a template that its path fits.
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
    /// The name in every report.
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
                    "\"{text}\" is no address of a page; one such as \"https://example.org/\" is needed"
                )
            }
            Self::NoUrls => {
                write!(f, "urls is empty; name at least one page, such as \"http://localhost:3000/\"")
            }
            Self::UnsupportedDevice(device) => {
                write!(f, "Lighthouse cannot be a {}; it can be a phone or a desktop", device.name())
            }
            Self::InvalidRunCount(runs) => {
                write!(f, "{runs} runs have no median; from 1 to 99 are possible, 5 are steady")
            }
        }
    }
}

impl std::error::Error for LhciConfigError {}
