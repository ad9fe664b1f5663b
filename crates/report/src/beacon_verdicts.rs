//! The limits that a view is counted against, and the reply to a sender that asks for its verdicts.

use budget::Budgets;
use ledger::{MetricLimits, SeriesLabels, ViewRecord};
use wire::Metric;
use wire::beacon::Values;

/// Returns the limits for a view with these labels.
#[must_use]
pub fn limits_for(budgets: &Budgets, labels: &SeriesLabels) -> MetricLimits {
    let mut values = Values::default();
    for metric in Metric::ALL {
        if let Some(limit) = budgets.limit(&labels.route, labels.device, metric) {
            values.set(metric, limit.max);
        }
    }
    MetricLimits(values)
}

/// Writes which values of the views were within budget, such as `{"within":{"LCP":true}}`.
#[must_use]
pub fn within_budget_json<'a>(
    records: impl IntoIterator<Item = &'a ViewRecord>,
    budgets: Option<&Budgets>,
) -> String {
    let verdicts = |record: &'a ViewRecord| {
        let MetricLimits(limits) =
            budgets.map(|budgets| limits_for(budgets, &record.labels)).unwrap_or_default();
        record.values.iter().filter_map(move |(metric, value)| {
            Some(format!(r#""{}":{}"#, metric.name(), value <= limits.get(metric)?))
        })
    };
    let all: Vec<String> = records.into_iter().flat_map(verdicts).collect();
    format!(r#"{{"within":{{{}}}}}"#, all.join(","))
}

#[cfg(test)]
mod tests {
    use ledger::{ClientInfo, RouteTemplates};
    use wire::web_vitals::WebVitalsReport;

    use super::*;

    #[test]
    fn only_budgeted_values_have_a_verdict() {
        let file = r#"[{ "timings": [{ "metric": "largest-contentful-paint", "budget": 2500 }] }]"#;
        let budgets = Budgets::parse(file).expect("a valid file");
        let record = |name: &str, value: u32| {
            let body = format!(r#"{{"name":"{name}","value":{value},"id":"v5-1-2"}}"#);
            let report = WebVitalsReport::parse(body.as_bytes(), "/").expect("a report").remove(0);
            let client = ClientInfo::default();
            ViewRecord::from_report(&report, client, &RouteTemplates::default())
        };
        let within = |name, value| within_budget_json([&record(name, value)], Some(&budgets));
        assert_eq!(within("LCP", 2500), r#"{"within":{"LCP":true}}"#);
        assert_eq!(within("LCP", 2501), r#"{"within":{"LCP":false}}"#);
        assert_eq!(within("INP", 1), r#"{"within":{}}"#);
        assert_eq!(within_budget_json([&record("LCP", 1)], None), r#"{"within":{}}"#);
    }
}
