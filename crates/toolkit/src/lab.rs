//! Lighthouse CI's configuration and results, in the shape in which it reads and writes them.

use std::collections::BTreeMap;
use std::fmt;

use budget::{Asserted, Assertion, Budgets, Outcome, Page, lab_gate};
use serde::{Deserialize, Serialize};
use wire::Device;

/// A row of `assertMatrix`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The one page.
    pub matching_url_pattern: String,
    /// By audit: the level, and what is asserted.
    pub assertions: BTreeMap<String, (&'static str, Bound)>,
}

/// What is asserted of an audit.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bound {
    /// The most its value may be.
    pub max_numeric_value: f64,
    /// Of the runs, the median: the default is the best of them, which misses most regressions.
    pub aggregation_method: &'static str,
}

/// A result in assertion-results.json, as far as it is needed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reported {
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
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// The key in Lighthouse CI.
    pub audit: String,
    /// In the audit's own unit; sizes are in bytes.
    pub max: f64,
    /// `error` or `warn`.
    pub severity: &'static str,
    /// The metric that it stands in for.
    pub proxy_of: Option<&'static str>,
    /// The line of budgets.json that says so.
    pub line: u32,
}

/// Whether a run asserted all that it was to assert, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabProof {
    /// `pass`, `violated` or `insufficient`.
    pub answer: &'static str,
    /// The exit code.
    pub code: u8,
    /// One for each page and assertion.
    pub outcomes: Vec<Shown>,
}

/// What came of one assertion.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    /// The page.
    pub url: String,
    /// What was to be asserted.
    #[serde(flatten)]
    pub asked: Asked,
    /// `kept`, `broken`, `not-measured` or `not-asserted`.
    pub outcome: &'static str,
    /// The median of the runs, if there was one.
    pub actual: Option<f64>,
}

/// An address that Lighthouse cannot visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoPage(String);

/// The rows for these addresses. They apply side by side, so a page has one row, however often it
/// is named.
///
/// # Errors
/// The first address that is none.
pub fn matrix(budgets: &Budgets, urls: &[String], device: Device) -> Result<Vec<Row>, NoPage> {
    let row = |page: &Page| {
        let bound = |max| Bound { max_numeric_value: max, aggregation_method: "median" };
        let assertions = page.assertions.iter();
        let assertions =
            assertions.map(|one| (one.audit.clone(), (one.severity.name(), bound(one.max)))).collect();
        Row { matching_url_pattern: page.pattern(), assertions }
    };
    Ok(pages(budgets, urls, device)?.iter().map(row).collect())
}

/// What came of every assertion that was to be made on these addresses.
///
/// # Errors
/// The first address that is none.
pub fn proof(
    budgets: &Budgets,
    urls: &[String],
    device: Device,
    results: Vec<Reported>,
) -> Result<LabProof, NoPage> {
    let results: Vec<Asserted> = results.into_iter().map(Reported::into_asserted).collect();
    let pages = pages(budgets, urls, device)?;
    let outcomes: Vec<_> = pages
        .iter()
        .flat_map(|page| page.outcomes(&results).into_iter().map(move |came| (page, came)))
        .collect();
    let answer = lab_gate(&outcomes.iter().map(|(_, came)| *came).collect::<Vec<_>>());
    let shown = outcomes.into_iter().map(|(page, (assertion, outcome))| {
        let (name, actual) = match outcome {
            Outcome::Kept { actual } => ("kept", Some(actual)),
            Outcome::Broken { actual } => ("broken", Some(actual)),
            Outcome::NotMeasured => ("not-measured", None),
            Outcome::NotAsserted => ("not-asserted", None),
        };
        Shown { url: page.url.clone(), asked: Asked::of(assertion), outcome: name, actual }
    });
    Ok(LabProof { answer: answer.name(), code: answer.code(), outcomes: shown.collect() })
}

fn pages(budgets: &Budgets, urls: &[String], device: Device) -> Result<Vec<Page>, NoPage> {
    let page = |url: &String| budgets.page(url, device).ok_or_else(|| NoPage(url.clone()));
    let mut pages: Vec<Page> = urls.iter().map(page).collect::<Result<_, _>>()?;
    pages.sort_by(|a, b| a.url.cmp(&b.url));
    pages.dedup_by(|a, b| a.url == b.url);
    Ok(pages)
}

impl Asked {
    pub(crate) fn of(assertion: &Assertion) -> Self {
        let Assertion { max, severity, proxy_of, line, .. } = *assertion;
        let audit = assertion.audit.clone();
        Self { audit, max, severity: severity.name(), proxy_of: proxy_of.map(wire::Metric::name), line }
    }
}

impl Reported {
    fn into_asserted(self) -> Asserted {
        let Self { url, audit_id, audit_property, name, expected, actual, passed } = self;
        let actual = actual.filter(|actual| actual.is_finite());
        Asserted { url, audit_id, audit_property, name, expected, actual, passed }
    }
}

impl fmt::Display for NoPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" is no address of a page; one such as \"https://example.org/\" is needed", self.0)
    }
}

impl std::error::Error for NoPage {}
