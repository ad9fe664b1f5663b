//! Comparison with Lighthouse's own code, which wrote the golden files of this test (golden.mjs).

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a helper of tests may do as tests do")]

use budget::{Budgets, FormFactor, ScoredAudit, performance_score};
use proptest::{collection::vec, option, prelude::*, sample::select, sample::subsequence};
use serde_json::{Value, json};
use wire::{Device, Metric};

fn golden_rows(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

#[test]
fn scores_match_lighthouse() {
    let rows = golden_rows(include_str!("lighthouse/scores.json"));
    for row in &rows {
        let audit = ScoredAudit::ALL.into_iter().find(|audit| audit.name() == row[0]).unwrap();
        let form = if row[1] == "mobile" { FormFactor::Mobile } else { FormFactor::Desktop };
        assert_eq!(audit.score(row[2].as_f64().unwrap(), form), row[3].as_f64().unwrap(), "{row}");
    }
    assert_eq!(rows.len(), 7 * 2 * 48);
}

#[test]
fn category_scores_match_lighthouse() {
    let weights = ScoredAudit::ALL.map(ScoredAudit::weight);
    for row in golden_rows(include_str!("lighthouse/categories.json")) {
        let scores = row[0].as_array().unwrap().iter().map(Value::as_f64);
        assert_eq!(performance_score(weights.into_iter().zip(scores)), row[1].as_f64(), "{row}");
    }
}

#[test]
fn path_patterns_match_as_in_lighthouse() {
    for row in golden_rows(include_str!("lighthouse/paths.json")) {
        let timings = json!([{ "metric": "first-contentful-paint", "budget": 1 }]);
        let text = json!([{ "path": row[0], "timings": timings }]).to_string();
        let matches = Budgets::parse(&text)
            .ok()
            .map(|budgets| budgets.limit(row[1].as_str().unwrap(), Device::Phone, Metric::Fcp).is_some());
        assert_eq!(matches, row[2].as_bool(), "{row}");
    }
}

const TIMINGS: [&str; 8] = [
    "first-contentful-paint",
    "interactive",
    "first-meaningful-paint",
    "max-potential-fid",
    "total-blocking-time",
    "speed-index",
    "largest-contentful-paint",
    "cumulative-layout-shift",
];

const RESOURCES: [&str; 9] =
    ["total", "document", "script", "stylesheet", "image", "media", "font", "other", "third-party"];

/// An entry of a budget.json, as Lighthouse 11 validated it. Budgets are not negative.
fn budget_entry() -> impl Strategy<Value = Value> {
    let path = select(vec!["/", "/a", "/a$", "/a/*", "/*.html", "/*b$", "/a*c.html$"]);
    let number = prop_oneof![
        (0..10_000_u32).prop_map(|n| json!(n)),
        (0.0..1e4).prop_map(|n| json!(n)),
        Just(json!(1e300))
    ];
    let budgets = |names: &'static [&'static str], key: &'static str| {
        let named = (subsequence(names, 0..=names.len()).prop_shuffle(), vec(number.clone(), names.len()));
        option::of(named.prop_map(move |(names, numbers)| {
            let budgets = names.into_iter().zip(numbers);
            Value::Array(budgets.map(|(name, number)| json!({ key: name, "budget": number })).collect())
        }))
    };
    let hosts =
        select(vec![json!({}), json!({ "firstPartyHostnames": ["*.example.org", "cdn.example.com"] })]);
    let fields = (
        option::of(path.prop_map(|path| json!(path))),
        option::of(hosts),
        budgets(&TIMINGS, "metric"),
        budgets(&RESOURCES, "resourceType"),
        budgets(&RESOURCES, "resourceType"),
    );
    fields.prop_map(|(path, options, timings, sizes, counts)| {
        let fields = [
            ("path", path),
            ("options", options),
            ("timings", timings),
            ("resourceSizes", sizes),
            ("resourceCounts", counts),
        ];
        Value::Object(fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect())
    })
}

/// A port of Lighthouse's Budget.urlMatchesPattern.
fn lighthouse_matches(path: &str, pattern: &str) -> bool {
    let end = pattern.strip_suffix('$');
    match (pattern.split_once('*'), end) {
        (None, None) => path.starts_with(pattern),
        (None, Some(whole)) => path == whole,
        (Some((before, after)), None) => path.strip_prefix(before).is_some_and(|rest| rest.contains(after)),
        (Some((before, after)), Some(_)) => {
            path.strip_prefix(before).is_some_and(|rest| rest.ends_with(&after[..after.len() - 1]))
        }
    }
}

/// The assertions of an entry by Lighthouse CI's own conversion.
fn lhci_assertions(entry: &Value) -> Vec<(String, f64)> {
    let budgets = |key: &str, name: &str, audit: fn(&str) -> String, unit: f64| {
        let items = entry[key].as_array().cloned().unwrap_or_default();
        let pair =
            |item: Value| (audit(item[name].as_str().unwrap()), item["budget"].as_f64().unwrap() * unit);
        items.into_iter().map(pair).collect::<Vec<_>>()
    };
    [
        budgets("timings", "metric", str::to_owned, 1.0),
        budgets("resourceSizes", "resourceType", |kind| format!("resource-summary:{kind}:size"), 1024.0),
        budgets("resourceCounts", "resourceType", |kind| format!("resource-summary:{kind}:count"), 1.0),
    ]
    .concat()
}

proptest! {
    /// Lighthouse used the last entry that matches a page; Lighthouse CI uses all of them. Here, the last
    /// matching entry wins for each measure.
    #[test]
    fn a_lighthouse_budget_json_keeps_its_meaning(entries in vec(budget_entry(), 0..5), pretty in any::<bool>()) {
        let file = Value::Array(entries.clone());
        let text = if pretty { serde_json::to_string_pretty(&file) } else { serde_json::to_string(&file) }.unwrap();
        let budgets = Budgets::parse(&text).unwrap();
        for path in ["/", "/a", "/a/b", "/a/c.html", "/ab?x=1", "/index.html"] {
            let page = budgets.page_assertions(&format!("https://example.org{path}"), Device::Phone).unwrap();
            let mut found: Vec<_> = page.assertions.iter().map(|found| (found.audit.clone(), found.max)).collect();
            let matching = entries.iter().filter(|entry| lighthouse_matches(path, entry["path"].as_str().unwrap_or("/")));
            let mut expected: Vec<(String, f64)> = Vec::new();
            for pair in matching.rev().flat_map(lhci_assertions) {
                if !expected.iter().any(|(audit, _)| *audit == pair.0) {
                    expected.push(pair);
                }
            }
            for metric in [Metric::Fcp, Metric::Lcp, Metric::Cls] {
                let name = TIMINGS[[0, 6, 7][metric as usize]];
                let lab = expected.iter().find(|(audit, _)| audit == name).map(|(_, max)| max * metric.wire_scale());
                let field = budgets.limit(path, Device::Phone, metric).map(|limit| f64::from(limit.max));
                prop_assert_eq!(lab.is_some(), field.is_some());
                // The field limit is the lab limit rounded down to wire units.
                let (lab, field) = (lab.unwrap_or_default().min(f64::from(u32::MAX)), field.unwrap_or_default());
                prop_assert!(field <= lab + 1e-6 && lab < field + 1.0, "{} {}", lab, field);
            }
            found.sort_by(|a, b| a.0.cmp(&b.0));
            expected.sort_by(|a, b| a.0.cmp(&b.0));
            prop_assert_eq!(found, expected);
        }
    }
}
