//! Lighthouse CI's configuration and results, in the shape in which it reads and writes them.

use std::collections::BTreeMap;
use std::fmt;

use budget::{Answer, Asserted, Assertion, Budgets, Outcome, Page, Severity, lab_gate};
use serde::{Deserialize, Serialize};
use wire::{Device, Metric};

use crate::gate::LabRow;

/// What budgets.json has to say in a lighthouserc: which pages, how, and what they must keep.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rc {
    collect: Collect,
    assert: Assert,
}

/// How Lighthouse visits.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Collect {
    url: Vec<String>,
    number_of_runs: u8,
    settings: Settings,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    only_categories: [&'static str; 1],
    /// Lighthouse is a phone unless it is told to be a desktop.
    #[serde(skip_serializing_if = "Option::is_none")]
    preset: Option<&'static str>,
}

/// What the runs must keep.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Assert {
    /// Without them nothing proves that an assertion was made.
    include_passed_assertions: bool,
    assert_matrix: Vec<Row>,
}

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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
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
pub struct LabFound {
    /// The version of this document.
    pub v: u8,
    /// The class of device that Lighthouse was.
    pub device: Device,
    /// One for each page and assertion.
    pub outcomes: Vec<Shown>,
    /// Assertions of the configuration's own that were never made.
    #[serde(default)]
    pub unmade: Vec<Unmade>,
}

/// What came of one assertion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// The page.
    pub url: String,
    /// What was to be asserted.
    #[serde(flatten)]
    pub asked: Asked,
    /// What came of it.
    pub outcome: Came,
    /// The median of the runs, if there was one.
    pub actual: Option<f64>,
}

/// What came of an assertion, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Came {
    /// Made, and it holds.
    Kept,
    /// Made, and it does not hold.
    Broken,
    /// Lighthouse gave no value.
    NotMeasured,
    /// Lighthouse CI never made it.
    NotAsserted,
}

/// An assertion that somebody wrote into the configuration, and that Lighthouse CI never made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmade {
    /// Of the pages that match this.
    pub pattern: String,
    /// What was asserted.
    pub audit: String,
    /// Why it cannot have been.
    pub why: String,
}

/// Why there is no configuration for Lighthouse CI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoLab {
    /// An address that Lighthouse cannot visit.
    Page(String),
    /// No address at all.
    NoPages,
    /// A class of device that Lighthouse cannot be.
    Device(Device),
    /// A number of runs without a median.
    Runs(u8),
}

/// The configuration for these addresses. Five runs are what makes a median steady.
///
/// # Errors
/// What cannot be visited, or not so.
pub fn lighthouserc(budgets: &Budgets, urls: &[String], device: Device, runs: u8) -> Result<Rc, NoLab> {
    let preset = match device {
        Device::Phone => None,
        Device::Desktop => Some("desktop"),
        Device::Tablet => return Err(NoLab::Device(device)),
    };
    if urls.is_empty() {
        return Err(NoLab::NoPages);
    }
    if !(1..=99).contains(&runs) {
        return Err(NoLab::Runs(runs));
    }
    let url = pages(budgets, urls, device)?.into_iter().map(|page| page.url).collect();
    let settings = Settings { only_categories: ["performance"], preset };
    let assert_matrix = matrix(budgets, urls, device)?;
    Ok(Rc {
        collect: Collect { url, number_of_runs: runs, settings },
        assert: Assert { include_passed_assertions: true, assert_matrix },
    })
}

/// The rows for these addresses. They apply side by side, so a page has one row, however often it
/// is named.
///
/// # Errors
/// The first address that is none.
pub fn matrix(budgets: &Budgets, urls: &[String], device: Device) -> Result<Vec<Row>, NoLab> {
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
) -> Result<LabFound, NoLab> {
    let results: Vec<Asserted> = results.into_iter().map(Reported::into_asserted).collect();
    let pages = pages(budgets, urls, device)?;
    let outcomes = pages.iter().flat_map(|page| {
        let shown = |(assertion, outcome): (&Assertion, Outcome)| {
            let (outcome, actual) = match outcome {
                Outcome::Kept { actual } => (Came::Kept, Some(actual)),
                Outcome::Broken { actual } => (Came::Broken, Some(actual)),
                Outcome::NotMeasured => (Came::NotMeasured, None),
                Outcome::NotAsserted => (Came::NotAsserted, None),
            };
            Shown { url: page.url.clone(), asked: Asked::of(assertion), outcome, actual }
        };
        page.outcomes(&results).into_iter().map(shown).collect::<Vec<_>>()
    });
    Ok(LabFound { v: 1, device, outcomes: outcomes.collect(), unmade: Vec::new() })
}

impl LabFound {
    /// What it comes to. An assertion of somebody's own that was never made is a mistake in the set-up
    /// as one of ours is.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let outcomes: Vec<(Assertion, Outcome)> = self.outcomes.iter().map(Shown::parts).collect();
        let answer = lab_gate(&outcomes.iter().map(|(asked, came)| (asked, *came)).collect::<Vec<_>>());
        if self.unmade.is_empty() { answer } else { answer.max(Answer::Insufficient) }
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = LabRow> {
        self.outcomes.iter().map(|shown| LabRow { device: self.device, shown: shown.clone() })
    }

    /// Of the pages of that route, what came of the assertion that tells of the metric: the worst.
    pub(crate) fn of(
        &self,
        device: Option<Device>,
        route: Option<&str>,
        metric: Metric,
    ) -> impl Iterator<Item = &Shown> {
        let tells = move |shown: &&Shown| {
            let own = shown.asked.proxy_of.as_deref() == Some(metric.name())
                || shown.asked.proxy_of.is_none() && Some(shown.asked.audit.as_str()) == audit(metric);
            own && route.is_none_or(|route| is_of(&shown.url, route))
        };
        let here = device.is_none_or(|device| device == self.device);
        self.outcomes.iter().filter(tells).filter(move |_| here)
    }
}

/// The audit that measures the metric itself.
const fn audit(metric: Metric) -> Option<&'static str> {
    match metric {
        Metric::Fcp => Some("first-contentful-paint"),
        Metric::Lcp => Some("largest-contentful-paint"),
        Metric::Cls => Some("cumulative-layout-shift"),
        Metric::Inp | Metric::Fid | Metric::Ttfb => None,
    }
}

/// Whether a page belongs to a route: that of its path, or a template that its path fits.
fn is_of(url: &str, route: &str) -> bool {
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

fn pages(budgets: &Budgets, urls: &[String], device: Device) -> Result<Vec<Page>, NoLab> {
    let page = |url: &String| budgets.page(url, device).ok_or_else(|| NoLab::Page(url.clone()));
    let mut pages: Vec<Page> = urls.iter().map(page).collect::<Result<_, _>>()?;
    pages.sort_by(|a, b| a.url.cmp(&b.url));
    pages.dedup_by(|a, b| a.url == b.url);
    Ok(pages)
}

impl Asked {
    pub(crate) fn of(assertion: &Assertion) -> Self {
        let Assertion { max, severity, proxy_of, line, .. } = *assertion;
        let proxy_of = proxy_of.map(|metric| metric.name().to_owned());
        Self { audit: assertion.audit.clone(), max, severity: severity.name().to_owned(), proxy_of, line }
    }
}

impl Shown {
    fn parts(&self) -> (Assertion, Outcome) {
        let Asked { audit, max, severity, proxy_of, line } = &self.asked;
        let assertion = Assertion {
            audit: audit.clone(),
            max: *max,
            severity: if severity == Severity::Warn.name() { Severity::Warn } else { Severity::Error },
            proxy_of: proxy_of.as_deref().and_then(Metric::named),
            line: *line,
        };
        let outcome = match (self.outcome, self.actual) {
            (Came::Kept, Some(actual)) => Outcome::Kept { actual },
            (Came::Broken, Some(actual)) => Outcome::Broken { actual },
            (Came::NotAsserted, _) => Outcome::NotAsserted,
            (Came::NotMeasured | Came::Kept | Came::Broken, _) => Outcome::NotMeasured,
        };
        (assertion, outcome)
    }
}

impl Came {
    /// The name in every report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Broken => "broken",
            Self::NotMeasured => "not-measured",
            Self::NotAsserted => "not-asserted",
        }
    }
}

impl Reported {
    fn into_asserted(self) -> Asserted {
        let Self { url, audit_id, audit_property, name, expected, actual, passed } = self;
        let actual = actual.filter(|actual| actual.is_finite());
        Asserted { url, audit_id, audit_property, name, expected, actual, passed }
    }
}

impl fmt::Display for NoLab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Page(text) => {
                write!(
                    f,
                    "\"{text}\" is no address of a page; one such as \"https://example.org/\" is needed"
                )
            }
            Self::NoPages => {
                write!(f, "urls is empty; name at least one page, such as \"http://localhost:3000/\"")
            }
            Self::Device(device) => {
                write!(f, "Lighthouse cannot be a {}; it can be a phone or a desktop", device.name())
            }
            Self::Runs(runs) => {
                write!(f, "{runs} runs have no median; from 1 to 99 are possible, 5 are steady")
            }
        }
    }
}

impl std::error::Error for NoLab {}
