//! The field's budgets as the file says them, one by one. Which of them wins on a page is the budgets'
//! business; here is what must be found again where somebody else has counted.

use wire::{Device, Metric};

use crate::budgets::{Budgets, Limit, Measure};

/// A budget of real visits, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule<'a> {
    /// The path of its entry; `/` where that names none, which matches as much.
    pub pattern: &'a str,
    /// The only class of device that it is for.
    pub device: Option<Device>,
    /// The metric.
    pub metric: Metric,
    /// The limit.
    pub limit: Limit,
}

impl Budgets {
    /// Every budget of real visits, in the order of the file, but for those that a later one of as many
    /// pages and devices leaves nothing to rule.
    pub fn rules(&self) -> impl Iterator<Item = Rule<'_>> {
        let all: Vec<Rule<'_>> = self.written().collect();
        let rules =
            |(at, rule): &(usize, Rule<'_>)| !all.iter().skip(at + 1).any(|later| later.takes_all_from(rule));
        let ruling: Vec<Rule<'_>> =
            all.iter().copied().enumerate().filter(rules).map(|(_, rule)| rule).collect();
        ruling.into_iter()
    }

    fn written(&self) -> impl Iterator<Item = Rule<'_>> {
        self.entries.iter().flat_map(|entry| {
            entry.timings.iter().filter_map(|timing| match timing.measure {
                Measure::Field(metric) => {
                    let (pattern, device) = (entry.pattern(), timing.device);
                    Some(Rule { pattern, device, metric, limit: timing.field? })
                }
                Measure::Lab(_) => None,
            })
        })
    }

    /// The budget of that very path for that class of device: the last that says so, for it or for all.
    #[must_use]
    pub fn rule(&self, pattern: &str, device: Option<Device>, metric: Metric) -> Option<Rule<'_>> {
        let says = |rule: &Rule<'_>| {
            (rule.pattern, rule.metric) == (pattern, metric)
                && rule.device.is_none_or(|only| device == Some(only))
        };
        self.written().filter(says).last()
    }
}

impl Rule<'_> {
    fn takes_all_from(&self, earlier: &Self) -> bool {
        let pages = self.pattern == earlier.pattern || matches!(self.pattern, "/" | "/*");
        let devices = self.device.is_none() || self.device == earlier.device;
        self.metric == earlier.metric && pages && devices
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
        let max = |pattern, device| Some(budgets.rule(pattern, device, Metric::Lcp)?.limit.max);
        assert_eq!(max("/", Some(Device::Desktop)), Some(2000));
        assert_eq!(max("/", None), Some(2000));
        assert_eq!(max("/shop", Some(Device::Phone)), Some(2500));
        assert_eq!(max("/shop", None), None);
        assert_eq!(max("/sho", Some(Device::Phone)), None);
    }
}
