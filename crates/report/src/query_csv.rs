//! Query results as CSV. Routes and dimensions come from anybody who sends a beacon, and people open the table in a
//! spreadsheet, which would run a cell that looks like a formula.

use ledger::SeriesQuery;
use wire::query_response::QueryLine;

/// Writes lines as CSV (RFC 4180) under a header. Unknown values are empty, numbers are bare, and a text that a
/// spreadsheet would take for a formula begins with an apostrophe.
#[must_use]
pub fn to_csv(query: &SeriesQuery, lines: &[QueryLine]) -> String {
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let mut head = vec!["at".to_owned()];
    head.extend(query.by.iter().map(|dimension| text_field(&dimension.name())));
    head.extend(CSV_COLUMNS.iter().map(|&name| name.to_owned()));
    let mut rows = vec![head.join(",")];
    for QueryLine { at, group, metric, unit, stats, .. } in lines {
        let mut row = vec![at.map(|at| at.0.to_string()).unwrap_or_default()];
        row.extend(query.by.iter().map(|dimension| {
            text_field(group.get(dimension.name().as_ref()).cloned().flatten().as_deref().unwrap_or_default())
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

/// Writes a text. Its first character decides whether a spreadsheet takes it for a formula
/// (OWASP, CSV Injection).
fn text_field(text: &str) -> String {
    let defused = match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text.to_owned(),
    };
    match defused.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", defused.replace('"', "\"\"")),
        false => defused,
    }
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

    use ledger::{BotFilter, Dimension, NavigationFilter};
    use proptest::prelude::*;
    use wire::UnixMillis;
    use wire::query_response::MetricStats;

    use super::*;

    fn csv_by(by: Dimension, value: &str) -> String {
        let group = BTreeMap::from([(by.name().into_owned(), Some(value.to_owned()))]);
        let query = SeriesQuery {
            from: UnixMillis(0),
            to: UnixMillis(60_000),
            bots: BotFilter::default(),
            navigations: NavigationFilter::default(),
            only: Vec::new(),
            by: vec![by],
            step: None,
        };
        let line = QueryLine {
            at: None,
            group,
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
        to_csv(&query, &[line])
    }

    #[test]
    fn a_route_with_a_comma_or_a_quote_is_quoted() {
        assert_eq!(
            csv_by(Dimension::Route, "/a,\"b\""),
            "at,route,metric,unit,n,visits,p50,p75,p75_low,p75_high,p90,p95,p99,good,needs_improvement,poor\r\n\
             ,\"/a,\"\"b\"\"\",LCP,ms,2,2,,1.5,1,2,,,,0,0,0\r\n"
        );
    }

    #[test]
    fn what_a_spreadsheet_would_run_is_text() {
        for (value, cell) in [
            ("=HYPERLINK(\"//evil\")", "\"'=HYPERLINK(\"\"//evil\"\")\""),
            ("@SUM(1)", "'@SUM(1)"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("\t=1", "'\t=1"),
            ("\r=1", "\"'\r=1\""),
            ("1.5", "1.5"),
        ] {
            assert_eq!(text_field(value), cell, "{value:?}");
        }
    }

    /// Reads a table as RFC 4180 says.
    fn cells(csv: &str) -> Vec<Vec<String>> {
        let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
        let (mut is_quoted, mut rest) = (false, csv.chars().peekable());
        while let Some(next) = rest.next() {
            match (next, is_quoted) {
                ('"', true) if rest.next_if_eq(&'"').is_some() => cell.push('"'),
                ('"', _) => is_quoted = !is_quoted,
                (',', false) => row.push(std::mem::take(&mut cell)),
                ('\r', false) if rest.next_if_eq(&'\n').is_some() => {
                    row.push(std::mem::take(&mut cell));
                    rows.push(std::mem::take(&mut row));
                }
                (other, _) => cell.push(other),
            }
        }
        rows
    }

    proptest! {
        #[test]
        fn no_cell_begins_like_a_formula_and_no_value_is_lost(
            value in prop_oneof!["[=+@\t\r\",\n-]{0,3}.{0,20}", ".{0,20}"],
            dimension in "[a-z=+@-]{1,8}",
        ) {
            let table = cells(&csv_by(Dimension::Custom(dimension), &value));
            prop_assert_eq!(table.len(), 2);
            prop_assert!(table.iter().all(|row| row.len() == CSV_COLUMNS.len() + 2));
            for cell in table.iter().flatten() {
                prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:?}");
            }
            let shown = &table[1][1];
            prop_assert!(shown == &value || shown.strip_prefix('\'') == Some(&value), "{shown:?}");
        }
    }
}
