//! The field's budgets as the file says them, one by one. What a page may measure is the budgets'
//! business; here is what must be found again where somebody else has counted.

use wire::{Device, Metric};

use crate::budgets::{Budgets, Entry, Limit, Measure, Timing};

/// A budget for real visits, and what it is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule<'a> {
    /// Its place among the budgets of the file, by which rules are told apart.
    pub place: usize,
    /// The pages, as the file names them; `/` where it names none.
    pub pattern: &'a str,
    /// The device class; none where it is for all of them.
    pub device: Option<Device>,
    /// The metric.
    pub metric: Metric,
    /// The limit.
    pub limit: Limit,
}

impl Budgets {
    /// Every budget for real visits that a page may be judged by, in the order of the file: those that
    /// a later one takes the place of on all their pages are left out.
    pub fn rules(&self) -> impl Iterator<Item = Rule<'_>> {
        self.written().filter(move |rule| !self.written().any(|other| other.overrules(rule)))
    }

    /// The budget that decides what [`limit`](Self::limit) says.
    #[must_use]
    pub fn rule(&self, path: &str, device: Device, metric: Metric) -> Option<Rule<'_>> {
        let here = self.placed().filter(|(_, entry, _)| entry.is_for(path));
        here.filter_map(Rule::of)
            .filter(|rule| rule.metric == metric && rule.device.is_none_or(|only| only == device))
            .last()
    }

    /// The budget of that very path for that class of device: the last that says so, for it or for all.
    #[must_use]
    pub fn rule_of(&self, pattern: &str, device: Option<Device>, metric: Metric) -> Option<Rule<'_>> {
        let says = |rule: &Rule<'_>| {
            (rule.pattern, rule.metric) == (pattern, metric)
                && rule.device.is_none_or(|only| device == Some(only))
        };
        self.written().filter(says).last()
    }

    fn written(&self) -> impl Iterator<Item = Rule<'_>> {
        self.placed().filter_map(Rule::of)
    }
}

impl<'a> Rule<'a> {
    fn of((place, entry, timing): (usize, &'a Entry, &'a Timing)) -> Option<Self> {
        let Measure::Field(metric) = timing.measure else { return None };
        Some(Self { place, pattern: entry.pattern(), device: timing.device, metric, limit: timing.field? })
    }

    fn overrules(&self, other: &Self) -> bool {
        self.place > other.place
            && self.metric == other.metric
            && (self.device.is_none() || self.device == other.device)
            && (self.is_sitewide() || self.pattern == other.pattern)
    }

    /// Whether it is for every page of the site.
    #[must_use]
    pub fn is_sitewide(&self) -> bool {
        matches!(self.pattern, "/" | "/*")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"[
        { "timings": [{ "metric": "largest-contentful-paint", "budget": 2000 },
                      { "metric": "speed-index", "budget": 3000 },
                      { "metric": "total-blocking-time", "lab": 200 }] },
        { "path": "/shop", "timings": [{ "metric": "largest-contentful-paint", "budget": 2500, "device": "phone" }] }
    ]"#;

    #[test]
    fn every_budget_of_the_field_is_listed_with_its_path() {
        let budgets = Budgets::parse(TEXT).unwrap();
        let rules: Vec<_> =
            budgets.rules().map(|rule| (rule.pattern, rule.device, rule.limit.line)).collect();
        assert_eq!(rules, [("/", None, 2), ("/shop", Some(Device::Phone), 5)]);
    }

    #[test]
    fn a_budget_that_rules_nothing_is_not_listed() {
        let lcp = |max: u32, more: &str| {
            format!(r#"{{ "metric": "largest-contentful-paint", "budget": {max} {more} }}"#)
        };
        let phone = r#", "device": "phone""#;
        let text = format!(
            r#"[{{ "path": "/a", "timings": [{}] }}, {{ "path": "/b", "timings": [{}, {}] }},
                {{ "timings": [{}] }}, {{ "path": "/b", "timings": [{}] }}]"#,
            lcp(1, phone),
            lcp(2, phone),
            lcp(3, ""),
            lcp(4, phone),
            lcp(5, ""),
        );
        let budgets = Budgets::parse(&text).unwrap();
        let listed: Vec<u32> = budgets.rules().map(|rule| rule.limit.max).collect();
        assert_eq!(listed, [4, 5]);
    }

    #[test]
    fn a_budget_is_found_again_by_its_path_and_device() {
        let budgets = Budgets::parse(TEXT).unwrap();
        let max = |pattern, device| Some(budgets.rule_of(pattern, device, Metric::Lcp)?.limit.max);
        assert_eq!(max("/", Some(Device::Desktop)), Some(2000));
        assert_eq!(max("/", None), Some(2000));
        assert_eq!(max("/shop", Some(Device::Phone)), Some(2500));
        assert_eq!(max("/shop", None), None);
        assert_eq!(max("/sho", Some(Device::Phone)), None);
    }
}
