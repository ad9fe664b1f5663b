//! Query results as CSV.

use ledger::SeriesQuery;
use wire::query_response::QueryLine;

/// Writes lines as CSV (RFC 4180) under a header. Unknown values are empty.
#[must_use]
pub fn to_csv(query: &SeriesQuery, lines: &[QueryLine]) -> String {
    let quoted = |text: &str| match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    };
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let mut head = vec!["at".to_owned()];
    head.extend(query.by.iter().map(|dimension| quoted(&dimension.name())));
    head.extend(CSV_COLUMNS.iter().map(|&name| name.to_owned()));
    let mut rows = vec![head.join(",")];
    for QueryLine { at, group, metric, unit, stats, .. } in lines {
        let mut row = vec![at.map(|at| at.0.to_string()).unwrap_or_default()];
        row.extend(query.by.iter().map(|dimension| {
            quoted(group.get(dimension.name().as_ref()).cloned().flatten().as_deref().unwrap_or_default())
        }));
        row.extend([(*metric).to_owned(), (*unit).to_owned(), stats.n.to_string(), stats.visits.to_string()]);
        let [low, high] = stats.p75_interval.map_or([None, None], |interval| interval.map(Some));
        let [good, middling, poor] = [stats.good, stats.needs_improvement, stats.poor].map(Some);
        let numbers =
            [stats.p50, stats.p75, low, high, stats.p90, stats.p95, stats.p99, good, middling, poor];
        row.extend(numbers.map(number));
        rows.push(row.join(","));
    }
    rows.push(String::new());
    rows.join("\r\n")
}

const CSV_COLUMNS: &[&str] = &[
    "metric",
    "unit",
    "n",
    "visits",
    "p50",
    "p75",
    "p75_low",
    "p75_high",
    "p90",
    "p95",
    "p99",
    "good",
    "needs_improvement",
    "poor",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ledger::{BotFilter, Dimension};
    use wire::UnixMillis;
    use wire::query_response::MetricStats;

    use super::*;

    #[test]
    fn a_route_with_a_comma_or_a_quote_is_quoted() {
        let query = SeriesQuery {
            from: UnixMillis(0),
            to: UnixMillis(60_000),
            bots: BotFilter::default(),
            only: Vec::new(),
            by: vec![Dimension::Route],
            step: None,
        };
        let line = QueryLine {
            at: None,
            group: BTreeMap::from([("route".to_owned(), Some("/a,\"b\"".to_owned()))]),
            metric: "LCP",
            unit: "ms",
            stats: MetricStats {
                n: 2,
                visits: 2,
                p75: Some(1.5),
                p75_interval: Some([1.0, 2.0]),
                ..MetricStats::default()
            },
            buckets: None,
        };
        assert_eq!(
            to_csv(&query, &[line]),
            "at,route,metric,unit,n,visits,p50,p75,p75_low,p75_high,p90,p95,p99,good,needs_improvement,poor\r\n\
             ,\"/a,\"\"b\"\"\",LCP,ms,2,2,,1.5,1,2,,,,0,0,0\r\n"
        );
    }
}
