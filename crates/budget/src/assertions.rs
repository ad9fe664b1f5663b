//! Assertions of Lighthouse CI, and the check that it made them. Given a budgets file, Lighthouse CI applies
//! every matching entry at once, takes the best run, and does not report assertions that it never made. So
//! entries are merged here for each page and device, and the results are checked. The shells run Lighthouse.

use wire::{Device, Metric};

use crate::budgets::{Budgets, ResourceMeasure, Severity, TimingMeasure};

/// The lab assertions of one page.
#[derive(Clone, Debug, PartialEq)]
pub struct PageAssertions {
    /// The URL as a browser shows it.
    pub url: String,
    /// Assertions of later lines first.
    pub assertions: Vec<Assertion>,
}

/// An assertion of Lighthouse CI: the median of the runs is at most `max`.
#[derive(Clone, Debug, PartialEq)]
pub struct Assertion {
    /// The key in Lighthouse CI, such as `resource-summary:script:size`.
    pub audit: String,
    /// In the audit's own unit; sizes are in bytes.
    pub max: f64,
    /// The consequence of a larger value.
    pub severity: Severity,
    /// The metric, not measurable in the lab, that this audit replaces.
    pub proxy_of: Option<Metric>,
    /// The line of budgets.json.
    pub line: u32,
}

/// A result of Lighthouse CI's assertion-results.json, written with `includePassedAssertions`.
#[derive(Clone, Debug, PartialEq)]
pub struct LhciResult {
    /// The URL of the page.
    pub url: String,
    /// The first part of the assertion's key.
    pub audit_id: String,
    /// The rest of the key, with a dot for each colon.
    pub audit_property: Option<String>,
    /// The kind of assertion: `maxNumericValue`, or `auditRan` if there was no value.
    pub name: String,
    /// The bound.
    pub expected: f64,
    /// The measured value, if there was one.
    pub actual: Option<f64>,
    /// True for a value within the bound.
    pub passed: bool,
}

/// The outcome of an assertion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AssertionOutcome {
    /// The value is within the bound.
    Passed {
        /// The median of the runs.
        actual: f64,
    },
    /// The value exceeds the bound.
    Failed {
        /// The median of the runs.
        actual: f64,
    },
    /// Lighthouse measured no value.
    NotMeasured,
    /// Lighthouse CI never made the assertion.
    NotAsserted,
}

impl Budgets {
    /// Returns the assertions of a page; None unless the URL is absolute and http(s).
    #[must_use]
    pub fn page_assertions(&self, url: &str, device: Device) -> Option<PageAssertions> {
        let url = url.split('#').next().unwrap_or(url);
        let (scheme, rest) =
            url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))?;
        let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        // A browser adds the slash of the root.
        let path = format!("{}{path}", if path.starts_with('/') { "" } else { "/" });
        let url = format!("{scheme}://{host}{path}");
        (!host.is_empty()).then(|| PageAssertions { url, assertions: self.assertions(&path, device) })
    }

    /// Returns the assertions of a path.
    #[must_use]
    pub fn assertions(&self, path: &str, device: Device) -> Vec<Assertion> {
        let timings = self.timings(path, device).filter_map(|timing| {
            let lab = timing.lab?;
            let (audit, proxy_of) = match timing.measure {
                // An INP budget does not transfer to Total Blocking Time, so the proxy needs its own limit.
                TimingMeasure::Field(Metric::Inp) if !lab.is_lab_specific => return None,
                TimingMeasure::Field(metric) => match proxy_audit(metric) {
                    Some(audit) => (audit, Some(metric)),
                    None => (timing.measure.name(), None),
                },
                TimingMeasure::Lab(audit) => (audit, None),
            };
            Some(Assertion {
                audit: audit.to_owned(),
                max: lab.max,
                severity: lab.severity,
                proxy_of,
                line: lab.line,
            })
        });
        let resources = self.resources(path, device).map(|resource| {
            let (counted, unit) = match resource.measure {
                ResourceMeasure::Size => ("size", 1024.0),
                ResourceMeasure::Requests => ("count", 1.0),
            };
            Assertion {
                audit: format!("resource-summary:{}:{counted}", resource.resource_type),
                max: resource.max * unit,
                severity: resource.severity,
                proxy_of: None,
                line: resource.line,
            }
        });
        // A budget for the audit itself takes precedence over one for the metric that it replaces.
        let (own, proxies): (Vec<_>, Vec<_>) =
            timings.chain(resources).partition(|assertion| assertion.proxy_of.is_none());
        let mut decisive: Vec<Assertion> = Vec::new();
        for assertion in own.into_iter().chain(proxies) {
            if !decisive.iter().any(|earlier| earlier.audit == assertion.audit) {
                decisive.push(assertion);
            }
        }
        decisive
    }
}

impl PageAssertions {
    /// Returns a regular expression that matches this page only.
    #[must_use]
    pub fn url_pattern(&self) -> String {
        let escaped = self.url.chars().flat_map(|char| {
            let special = r"\^$.*+?()[]{}|".contains(char);
            special.then_some('\\').into_iter().chain([char])
        });
        format!("^{}$", escaped.collect::<String>())
    }

    /// Returns the outcome of each assertion of this page, given the results of a run.
    #[must_use]
    pub fn outcomes(&self, results: &[LhciResult]) -> Vec<(&Assertion, AssertionOutcome)> {
        let outcome = |assertion| (assertion, self.outcome(assertion, results));
        self.assertions.iter().map(outcome).collect()
    }

    fn outcome(&self, assertion: &Assertion, results: &[LhciResult]) -> AssertionOutcome {
        let here =
            results.iter().filter(|result| result.url == self.url && result.audit_key() == assertion.audit);
        let outcomes = here.filter_map(|result| match result.actual {
            _ if result.name == "auditRan" => Some(AssertionOutcome::NotMeasured),
            None => Some(AssertionOutcome::NotMeasured),
            // An assertion with another bound, added by hand, is ignored.
            _ if result.name != "maxNumericValue" || result.expected != assertion.max => None,
            Some(actual) if result.passed => Some(AssertionOutcome::Passed { actual }),
            Some(actual) => Some(AssertionOutcome::Failed { actual }),
        });
        // Of several results for one page, the worst counts.
        let worst_first_rank = |outcome: &AssertionOutcome| match outcome {
            AssertionOutcome::Passed { .. } => 0,
            AssertionOutcome::NotMeasured => 1,
            AssertionOutcome::Failed { .. } => 2,
            AssertionOutcome::NotAsserted => 3,
        };
        outcomes.max_by_key(worst_first_rank).unwrap_or(AssertionOutcome::NotAsserted)
    }
}

impl LhciResult {
    fn audit_key(&self) -> String {
        match &self.audit_property {
            Some(property) => format!("{}:{}", self.audit_id, property.replace('.', ":")),
            None => self.audit_id.clone(),
        }
    }
}

/// The audit that replaces a metric which a page load in the lab does not have.
const fn proxy_audit(metric: Metric) -> Option<&'static str> {
    match metric {
        Metric::Inp => Some("total-blocking-time"),
        Metric::Fid => Some("max-potential-fid"),
        // The document's response time only, without connection and redirects.
        Metric::Ttfb => Some("server-response-time"),
        Metric::Fcp | Metric::Lcp | Metric::Cls => None,
    }
}
