//! Valid budgets that are probably not meant: a limit in the wrong unit.

use std::fmt;

use wire::Metric;

use crate::budgets::{Budgets, TimingMeasure};

/// A limit that hardly any page could meet, or that every page meets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BudgetWarning {
    /// The line of budgets.json.
    pub line: u32,
    metric: Metric,
    /// The limit as it is written.
    max: f64,
}

impl Budgets {
    /// Iterates over the limits that are probably in the wrong unit, in the order of the file.
    pub fn warnings(&self) -> impl Iterator<Item = BudgetWarning> {
        let timings = self.entries.iter().flat_map(|entry| &entry.timings);
        timings
            .flat_map(|timing| {
                let TimingMeasure::Field(metric) = timing.measure else { return [None, None] };
                let warning =
                    |line, max| is_implausible(metric, max).then_some(BudgetWarning { line, metric, max });
                let field = timing
                    .field
                    .and_then(|limit| warning(limit.line, f64::from(limit.max) / metric.wire_scale()));
                let lab = timing.lab.filter(|limit| timing.field.map(|field| field.line) != Some(limit.line));
                [field, lab.and_then(|limit| warning(limit.line, limit.max))]
            })
            .flatten()
    }
}

/// The bounds are far below what the fastest pages reach: a page on the same machine is painted after some
/// 30 ms, and a frame takes 8 ms on a screen with 120 Hz.
fn is_implausible(metric: Metric, max: f64) -> bool {
    match metric {
        Metric::Fcp | Metric::Lcp => max < 50.0,
        Metric::Inp | Metric::Fid => max < 8.0,
        Metric::Ttfb => max < 5.0,
        Metric::Cls => max > 5.0,
    }
}

impl fmt::Display for BudgetWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metric, max, .. } = self;
        let name = metric.name();
        match metric {
            Metric::Cls => write!(
                f,
                "every page meets a {name} of {max}; layout shifts have no unit, and 0.1 is a good value"
            ),
            _ => write!(
                f,
                "hardly any page meets {max} ms for {name}; limits are in milliseconds, 2000 for two seconds"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(timing: &str, warnings: &[&str]) {
        let budgets = Budgets::parse(&format!("[{{\"timings\": [\n{timing}\n]}}]")).unwrap();
        let found: Vec<String> =
            budgets.warnings().map(|warning| format!("{}: {warning}", warning.line)).collect();
        assert_eq!(found, warnings, "{timing}");
    }

    #[test]
    fn a_limit_in_the_wrong_unit_is_a_warning_with_its_line() {
        check(
            r#"{ "metric": "largest-contentful-paint", "budget": 2 }"#,
            &["2: hardly any page meets 2 ms for LCP; limits are in milliseconds, 2000 for two seconds"],
        );
        check(
            r#"{ "metric": "cumulative-layout-shift", "budget": 10 }"#,
            &["2: every page meets a CLS of 10; layout shifts have no unit, and 0.1 is a good value"],
        );
        check(
            "{ \"metric\": \"interaction-to-next-paint\",\n\"field\": 200,\n\"lab\": 0.24 }",
            &["4: hardly any page meets 0.24 ms for INP; limits are in milliseconds, 2000 for two seconds"],
        );
    }

    #[test]
    fn limits_of_fast_pages_and_measures_of_the_lab_are_none() {
        for (metric, budget) in [
            ("largest-contentful-paint", 50.0),
            ("interaction-to-next-paint", 8.0),
            ("time-to-first-byte", 5.0),
            ("cumulative-layout-shift", 0.0),
            ("total-blocking-time", 2.0),
        ] {
            check(&format!(r#"{{ "metric": "{metric}", "budget": {budget} }}"#), &[]);
        }
    }
}
