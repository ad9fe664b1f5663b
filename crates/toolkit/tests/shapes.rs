//! The shapes that JavaScript meets, and the judgements in them.

#![expect(clippy::unwrap_used, reason = "a helper of tests may do as tests do")]

use budget::Budgets;
use serde_json::{Value, json};
use sketch::Sketch;
use toolkit::{compared, distribution, explained, gated, matrix, proof, told};
use wire::{Device, Metric};

fn budgets() -> Budgets {
    Budgets::parse(
        r#"[{ "timings": [
            { "metric": "largest-contentful-paint", "budget": 2000 },
            { "metric": "cumulative-layout-shift", "budget": 0.1, "severity": "warn" },
            { "metric": "interaction-to-next-paint", "field": 200, "lab": 240 }
        ], "resourceSizes": [{ "resourceType": "script", "budget": 170 }] }]"#,
    )
    .unwrap()
}

fn urls(urls: &[&str]) -> Vec<String> {
    urls.iter().map(|url| (*url).to_owned()).collect()
}

#[test]
fn a_mistake_comes_in_parts() {
    let mistake = Budgets::parse("[\n  { \"timing\": [] }\n]").unwrap_err();
    assert_eq!(
        json!(told(&mistake)),
        json!({
            "message": "line 2, column 5: [0].timing: \"timing\" is no known key; did you mean \"timings\"?",
            "line": 2, "column": 5, "key": "[0].timing", "nearest": "timings",
        })
    );
}

#[test]
fn a_path_is_explained_with_its_lines() {
    let explained = json!(explained(&budgets(), "/shop", Device::Phone));
    assert_eq!(
        explained["field"][1],
        json!({ "metric": "CLS", "max": 0.1, "percentile": 75, "severity": "warn", "minSamples": 30, "line": 3 })
    );
    assert_eq!(
        explained["lab"][3],
        json!({ "audit": "total-blocking-time", "max": 240.0, "severity": "error", "proxyOf": "INP", "line": 4 })
    );
}

#[test]
fn lighthouse_ci_gets_one_row_for_each_page() {
    let urls = urls(&["http://localhost:3000", "http://localhost:3000/#top", "http://localhost:3000/a.b"]);
    let rows = json!(matrix(&budgets(), &urls, Device::Phone).unwrap());
    let patterns: Vec<&Value> =
        rows.as_array().unwrap().iter().map(|row| &row["matchingUrlPattern"]).collect();
    assert_eq!(patterns, [r"^http://localhost:3000/$", r"^http://localhost:3000/a\.b$"]);
    let bound = |max: f64| json!({ "maxNumericValue": max, "aggregationMethod": "median" });
    assert_eq!(
        rows[0]["assertions"],
        json!({
            "largest-contentful-paint": ["error", bound(2000.0)],
            "cumulative-layout-shift": ["warn", bound(0.1)],
            "total-blocking-time": ["error", bound(240.0)],
            "resource-summary:script:size": ["error", bound(174_080.0)],
        })
    );
}

#[test]
fn what_is_no_page_is_told() {
    let refusal = matrix(&budgets(), &urls(&["/shop"]), Device::Phone).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "\"/shop\" is no address of a page; one such as \"https://example.org/\" is needed"
    );
}

/// As Lighthouse CI 0.15.1 writes them.
fn results() -> Value {
    json!([
        { "name": "maxNumericValue", "expected": 2000, "actual": 2100.5, "values": [2100.5], "operator": "<=",
          "passed": false, "auditId": "largest-contentful-paint", "level": "error", "url": "http://localhost:3000/",
          "auditTitle": "Largest Contentful Paint" },
        { "name": "maxNumericValue", "expected": 0.1, "actual": null, "values": [null], "operator": "<=",
          "passed": false, "auditId": "cumulative-layout-shift", "level": "warn", "url": "http://localhost:3000/" },
        { "name": "maxNumericValue", "expected": 174_080, "actual": 9, "values": [9], "operator": "<=",
          "passed": true, "auditProperty": "script.size", "auditId": "resource-summary", "level": "error",
          "url": "http://localhost:3000/" },
    ])
}

#[test]
fn a_run_is_proved_pair_by_pair() {
    let reported = serde_json::from_value(results()).unwrap();
    let proof = proof(&budgets(), &urls(&["http://localhost:3000"]), Device::Phone, reported).unwrap();
    assert_eq!((proof.answer, proof.code), ("violated", 1));
    let mut outcomes: Vec<_> =
        proof.outcomes.iter().map(|one| (one.asked.audit.as_str(), one.outcome, one.actual)).collect();
    outcomes.sort_by_key(|(audit, ..)| *audit);
    assert_eq!(
        outcomes,
        [
            ("cumulative-layout-shift", "not-measured", None),
            ("largest-contentful-paint", "broken", Some(2100.5)),
            ("resource-summary:script:size", "kept", Some(9.0)),
            ("total-blocking-time", "not-asserted", None),
        ]
    );
    assert_eq!(json!(proof.outcomes[0])["url"], "http://localhost:3000/");
}

fn line(metric: &str, budget: Value) -> Value {
    json!({
        "route": "/shop", "device": "phone", "metric": metric, "unit": "ms", "n": 200, "p75": 1800.0,
        "p75_interval": [1700.0, 1900.0], "good": 0.9, "needs_improvement": 0.05, "poor": 0.05,
        "budget": budget, "verdict": "met",
    })
}

fn summary(cells: &[Value]) -> wire::summary::Summary {
    serde_json::from_value(json!({
        "v": 1, "site": "shop", "from": 0, "to": 1, "views": 200, "visits": 200, "sent": 200, "heard": 200,
        "lost": {}, "cells": cells,
    }))
    .unwrap()
}

#[test]
fn the_gate_judges_what_was_counted_against_its_own_limits() {
    let budget = |max: f64, k: u32| json!({ "max": max, "percentile": 75, "n": 200, "k": k, "line": 9 });
    let good = line("LCP", budget(2000.0, 190));
    let shifting = line("CLS", budget(0.1, 20));
    let report = gated(&budgets(), &summary(&[good.clone(), shifting, line("FCP", Value::Null)]));
    assert_eq!((report.answer, report.code), ("pass", 0));
    let verdicts: Vec<_> = report.rows.iter().map(|row| (row.metric, row.verdict, row.line)).collect();
    assert_eq!(verdicts, [("LCP", "met", 2), ("CLS", "violated", 3)]);

    let laxer = line("INP", budget(500.0, 200));
    let report = gated(&budgets(), &summary(&[good, laxer]));
    assert_eq!((report.answer, report.code), ("insufficient", 2));
    let inp = json!(report.rows[1]);
    assert_eq!(
        (&inp["verdict"], &inp["n"], &inp["countedAgainst"]),
        (&json!("unknown"), &json!(0), &json!(500.0))
    );

    let broken = line("LCP", budget(2000.0, 100));
    assert_eq!(gated(&budgets(), &summary(&[broken])).code, 1);
    assert_eq!(gated(&budgets(), &summary(&[])).code, 2);
}

#[test]
fn releases_are_compared_class_by_class() {
    let strata = json!([
        { "before": { "n": 5000, "within": 4000 }, "after": { "n": 5000, "within": 3800 } },
        { "before": { "n": 0, "within": 0 }, "after": { "n": 10, "within": 1 } },
    ]);
    let compared = compared(serde_json::from_value(strata).unwrap()).unwrap();
    assert!(compared.regression && (compared.points_worse - 4.0).abs() < 1e-9, "{compared:?}");
}

#[test]
fn a_sketch_is_read_in_peoples_units() {
    let mut sketch = Sketch::new(Metric::Cls);
    for (value, weight) in [(0, 5), (1000, 3), (1001, 1), (2501, 1)] {
        sketch.insert(value, weight);
    }
    let known = json!(distribution(&sketch));
    assert_eq!(
        (&known["n"], &known["good"], &known["needsImprovement"], &known["poor"]),
        (&json!(10), &json!(8), &json!(1), &json!(1))
    );
    assert_eq!(known["percentiles"][0], json!([50, 0.0]));
    assert_eq!(known["buckets"][0], json!([0.0, 0.0, 5]));
}
