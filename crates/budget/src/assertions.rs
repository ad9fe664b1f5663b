//! What Lighthouse CI shall assert, and the proof that it did. Its own reading of a budgets file
//! applies every matching entry at once, takes the best of the runs, and is silent about what it
//! never asserted; so the cascade is merged here, for each page and class of device, and the
//! results are held against it. Running Lighthouse is left to the shells.

use wire::{Device, Metric};

use crate::budgets::{Budgets, ResourceMeasure, Severity, TimingMeasure};

/// What one page must keep in the lab.
#[derive(Clone, Debug, PartialEq)]
pub struct PageAssertions {
    /// The address, as a browser shows it.
    pub url: String,
    /// In the order of the decisive lines, the last of the file first.
    pub assertions: Vec<Assertion>,
}

/// One thing that Lighthouse CI asserts: that the median of the runs is at most `max`.
#[derive(Clone, Debug, PartialEq)]
pub struct Assertion {
    /// The key in Lighthouse CI, such as `resource-summary:script:size`.
    pub audit: String,
    /// In the audit's own unit; sizes are in bytes.
    pub max: f64,
    /// What follows when it is more.
    pub severity: Severity,
    /// The metric that the lab cannot measure and that this audit stands in for.
    pub proxy_of: Option<Metric>,
    /// The line of budgets.json that says so.
    pub line: u32,
}

/// A result in Lighthouse CI's assertion-results.json, which must include those that passed.
#[derive(Clone, Debug, PartialEq)]
pub struct LhciResult {
    /// Of which page.
    pub url: String,
    /// The first part of the key.
    pub audit_id: String,
    /// The rest of it, with a dot for each colon.
    pub audit_property: Option<String>,
    /// What was asserted of the audit: `maxNumericValue`, or `auditRan` if it gave no value.
    pub name: String,
    /// What the value was compared with.
    pub expected: f64,
    /// The value, if there was one.
    pub actual: Option<f64>,
    /// Whether it was within.
    pub passed: bool,
}

/// What came of an assertion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AssertionOutcome {
    /// It was made, and holds.
    Passed {
        /// The median of the runs.
        actual: f64,
    },
    /// It was made, and does not hold.
    Failed {
        /// The median of the runs.
        actual: f64,
    },
    /// Lighthouse gave no value for it.
    NotMeasured,
    /// Lighthouse CI never made it: the run says nothing of this budget.
    NotAsserted,
}

impl Budgets {
    /// What the lab must keep on that page. None unless it is an absolute http address.
    #[must_use]
    pub fn page_assertions(&self, url: &str, device: Device) -> Option<PageAssertions> {
        let url = url.split('#').next().unwrap_or(url);
        let (scheme, rest) =
            url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))?;
        let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        // A browser shows the slash of the root even where people leave it out.
        let path = format!("{}{path}", if path.starts_with('/') { "" } else { "/" });
        let url = format!("{scheme}://{host}{path}");
        (!host.is_empty()).then(|| PageAssertions { url, assertions: self.assertions(&path, device) })
    }

    /// What the lab must keep on every page of that path.
    #[must_use]
    pub fn assertions(&self, path: &str, device: Device) -> Vec<Assertion> {
        let timings = self.timings(path, device).filter_map(|timing| {
            let lab = timing.lab?;
            let (audit, proxy_of) = match timing.measure {
                // Blocking time is another quantity than an interaction's: it needs a number of its own.
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
        // A budget for the audit itself, wherever it stands, goes before one for what it stands in for.
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
    /// The regular expression for Lighthouse CI that matches this page and no other.
    #[must_use]
    pub fn url_pattern(&self) -> String {
        let escaped = self.url.chars().flat_map(|char| {
            let special = r"\^$.*+?()[]{}|".contains(char);
            special.then_some('\\').into_iter().chain([char])
        });
        format!("^{}$", escaped.collect::<String>())
    }

    /// What came of each assertion of this page, by the results of a run.
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
            // Somebody else's assertion of the same audit says nothing of ours.
            _ if result.name != "maxNumericValue" || result.expected != assertion.max => None,
            Some(actual) if result.passed => Some(AssertionOutcome::Passed { actual }),
            Some(actual) => Some(AssertionOutcome::Failed { actual }),
        });
        // Of two results for the same page, the good one hides nothing.
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

/// The audit that stands in for a metric which Lighthouse has not when it loads a page.
const fn proxy_audit(metric: Metric) -> Option<&'static str> {
    match metric {
        Metric::Inp => Some("total-blocking-time"),
        Metric::Fid => Some("max-potential-fid"),
        // Of the document alone, without connection and redirects.
        Metric::Ttfb => Some("server-response-time"),
        Metric::Fcp | Metric::Lcp | Metric::Cls => None,
    }
}
