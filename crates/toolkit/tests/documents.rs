//! Documents for JavaScript, and their content.

#![expect(clippy::unwrap_used, reason = "a helper of tests may do as tests do")]

use budget::Budgets;
use serde_json::{Value, json};
use sketch::Sketch;
use toolkit::{
    LhciVerification, MissingAssertion, build_assert_matrix, build_lhci_config, comparison_report,
    distribution, error_report, explain_page, gate_report, lab_gate_report, verify_results,
};
use wire::budget_report::BudgetReport;
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
fn an_error_is_reported_in_parts() {
    let mistake = Budgets::parse("[\n  { \"timing\": [] }\n]").unwrap_err();
    assert_eq!(
        json!(error_report(&mistake)),
        json!({
            "message": "line 2, column 5: [0].timing: unknown key \"timing\"; did you mean \"timings\"?",
            "line": 2, "column": 5, "key": "[0].timing", "nearest": "timings",
        })
    );
}

#[test]
fn a_path_is_explained_with_its_lines() {
    let explained = json!(explain_page(&budgets(), "/shop", Device::Phone));
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
    let rows = json!(build_assert_matrix(&budgets(), &urls, Device::Phone).unwrap());
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
fn an_invalid_url_is_rejected() {
    let refusal = build_assert_matrix(&budgets(), &urls(&["/shop"]), Device::Phone).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "\"/shop\" is not a page URL; use an absolute one, such as \"https://example.org/\""
    );
}

/// Results as Lighthouse CI 0.15.1 writes them.
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
fn a_run_is_verified_assertion_by_assertion() {
    let reported = serde_json::from_value(results()).unwrap();
    let proof =
        verify_results(&budgets(), &urls(&["http://localhost:3000"]), Device::Phone, reported).unwrap();
    assert_eq!(proof.gate_outcome().code(), 1);
    let mut outcomes: Vec<_> = proof
        .outcomes
        .iter()
        .map(|one| (one.assertion.audit.as_str(), one.outcome.name(), one.actual))
        .collect();
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

#[test]
fn the_configuration_follows_from_the_budgets() {
    let at = |device| build_lhci_config(&budgets(), &urls(&["http://localhost:3000"]), device, 5);
    let phone = json!(at(Device::Phone).unwrap());
    assert_eq!(
        phone["collect"],
        json!({ "url": ["http://localhost:3000/"], "numberOfRuns": 5, "settings": { "onlyCategories": ["performance"] } })
    );
    assert_eq!(phone["assert"]["includePassedAssertions"], true);
    let rows =
        json!(build_assert_matrix(&budgets(), &urls(&["http://localhost:3000"]), Device::Phone).unwrap());
    assert_eq!(phone["assert"]["assertMatrix"], rows);
    assert_eq!(json!(at(Device::Desktop).unwrap())["collect"]["settings"]["preset"], "desktop");
    assert_eq!(
        at(Device::Tablet).unwrap_err().to_string(),
        "Lighthouse cannot emulate a tablet; use phone or desktop"
    );
    assert!(build_lhci_config(&budgets(), &[], Device::Phone, 5).is_err());
    assert!(build_lhci_config(&budgets(), &urls(&["http://a/"]), Device::Phone, 0).is_err());
}

/// A cell of the edge's document: 200 views of a route on phones.
fn cell(pattern: &str, route: Option<&str>, metric: &str, max: f64, k: u32) -> Value {
    json!({
        "pattern": pattern, "route": route, "device": "phone", "metric": metric, "unit": "ms", "max": max,
        "percentile": 75, "severity": "error", "min_samples": 30, "line": 9, "n": 200, "k": k,
        "verdict": "met", "p_value": 0.5, "value": 1800.0, "interval": [1700.0, 1900.0],
    })
}

fn budget_report(cells: &[Value], more: Value) -> BudgetReport {
    let mut document = json!({
        "v": 1, "site": "shop", "from": 0, "to": 1, "release": "2.0", "views": 200,
        "budgets": { "since": 0, "source": "asset" }, "cells": cells, "regressions": [], "scores": [],
    });
    document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(document).unwrap()
}

fn report(cells: &[Value]) -> Value {
    json!(gate_report(Some(&budgets()), &budget_report(cells, json!({})), &[]))
}

#[test]
fn the_gate_uses_only_counts_against_its_own_limits() {
    let (lcp, cls, inp) = (
        cell("/", None, "LCP", 2000.0, 190),
        cell("/", None, "CLS", 0.1, 20),
        cell("/", None, "INP", 200.0, 200),
    );
    let document = report(&[lcp.clone(), cls.clone(), inp.clone(), cell("/", None, "FCP", 1500.0, 0)]);
    assert_eq!((&document["answer"], &document["code"]), (&json!("pass"), &json!(0)));
    let rows: Vec<_> = document["rows"].as_array().unwrap().iter().collect();
    let verdicts: Vec<_> = rows.iter().map(|row| (&row["metric"], &row["verdict"], &row["line"])).collect();
    // The warning comes first; FCP no longer has a budget.
    assert_eq!(json!(verdicts), json!([["CLS", "violated", 3], ["LCP", "met", 2], ["INP", "met", 4]]));

    let laxer = cell("/", None, "INP", 500.0, 200);
    let document = report(&[lcp.clone(), cls.clone(), laxer]);
    assert_eq!((&document["answer"], &document["code"]), (&json!("insufficient"), &json!(2)));
    let inp = &document["rows"][2];
    assert_eq!(
        (&inp["verdict"], &inp["n"], &inp["countedAgainst"]),
        (&json!("unknown"), &json!(0), &json!(500.0))
    );

    let broken = cell("/", None, "LCP", 2000.0, 100);
    assert_eq!(report(&[broken, cls])["code"], 1);
}

#[test]
fn views_of_few_networks_turn_no_gate_and_the_report_says_why() {
    let mut lcp = cell("/", None, "LCP", 2000.0, 100);
    lcp["networks"] = json!({ "networks": 3, "top": 95, "largest": 0.92 });
    let document =
        report(&[lcp.clone(), cell("/", None, "CLS", 0.1, 200), cell("/", None, "INP", 200.0, 200)]);
    let row = &document["rows"][0];
    assert_eq!((&document["code"], &row["verdict"]), (&json!(2), &json!("insufficient")));
    let why = "insufficient evidence: one network sent 92 % of the views, and the others prove no violation";
    assert_eq!(row["unproven"], why);
    // The same views of many networks do.
    lcp["networks"] = json!({ "networks": 150, "top": 14, "largest": 0.02 });
    let document = report(&[lcp]);
    assert_eq!((&document["code"], &document["rows"][0]["unproven"]), (&json!(1), &Value::Null));
}

#[test]
fn a_release_named_by_few_networks_is_no_regression() {
    let compared = |top: u64| {
        let strata = json!([{
            "device": "phone",
            "before": { "n": 5000, "k": 4000 },
            "after": { "n": 1000, "k": 500 },
            "after_top": top,
        }]);
        let more = json!({
            "against": "1",
            "regressions": [{
                "route": "/", "metric": "LCP", "strata": strata,
                "points_worse": 30.0, "p_value": 0.0, "regression": true,
            }],
        });
        let cells = [cell("/", Some("/"), "LCP", 2000.0, 190)];
        let document = json!(gate_report(Some(&budgets()), &budget_report(&cells, more), &[]));
        document["regressions"][0]["regression"].clone()
    };
    assert_eq!([compared(0), compared(40), compared(900)], [json!(true), json!(true), json!(false)]);
}

#[test]
fn a_budget_missing_at_the_edge_is_unknown() {
    let document = report(&[cell("/", None, "LCP", 2000.0, 190)]);
    assert_eq!(document["code"], 2);
    let unknown = &document["rows"][2];
    assert_eq!(
        (&unknown["metric"], &unknown["route"], &unknown["verdict"], &unknown["line"]),
        (&json!("INP"), &Value::Null, &json!("unknown"), &json!(4))
    );
}

#[test]
fn a_rare_route_of_a_sitewide_budget_does_not_block_the_gate() {
    let whole = ["LCP", "CLS", "INP"].into_iter().zip([2000.0, 0.1, 200.0]);
    let mut cells: Vec<Value> = whole.map(|(metric, max)| cell("/", None, metric, max, 190)).collect();
    let mut rare = cell("/", Some("/imprint"), "LCP", 2000.0, 3);
    rare["n"] = json!(3);
    cells.push(rare);
    let document = report(&cells);
    assert_eq!(
        (&document["code"], &document["rows"][3]["part"], &document["rows"][3]["verdict"]),
        (&json!(0), &json!(true), &json!("insufficient"))
    );
    cells.push(cell("/", Some("/cart"), "LCP", 2000.0, 60));
    let document = report(&cells);
    assert_eq!((&document["code"], &document["rows"][0]["route"]), (&json!(1), &json!("/cart")));
}

#[test]
fn without_local_budgets_the_limits_of_the_edge_apply() {
    let document =
        |k| json!(gate_report(None, &budget_report(&[cell("/", None, "LCP", 2000.0, k)], json!({})), &[]));
    assert_eq!((&document(190)["code"], &document(190)["rows"][0]["line"]), (&json!(0), &json!(9)));
    assert_eq!(document(100)["code"], 1);
    assert_eq!(json!(gate_report(None, &budget_report(&[], json!({})), &[]))["code"], 2);
}

#[test]
fn a_part_of_the_shards_proves_no_budget_met() {
    let on_shards = |k| {
        let shards = json!({ "shards": { "answered": 63, "of": 64, "unanswered": [17] } });
        json!(gate_report(None, &budget_report(&[cell("/", None, "LCP", 2000.0, k)], shards), &[]))
    };
    let met = on_shards(190);
    assert_eq!(
        (&met["answer"], &met["code"], &met["rows"][0]["verdict"], &met["shards"]["unanswered"]),
        (&json!("insufficient"), &json!(2), &json!("insufficient"), &json!([17]))
    );
    assert_eq!((&met["waiting"]["ready"], &met["waiting"]["of"]), (&json!(0), &json!(1)));
    // Views over the limit are not fewer for those that are missing.
    assert_eq!((&on_shards(100)["answer"], &on_shards(100)["code"]), (&json!("violated"), &json!(1)));
}

#[test]
fn a_release_is_compared_with_the_one_before() {
    let cells: Vec<Value> = ["LCP", "CLS", "INP"]
        .into_iter()
        .zip([2000.0, 0.1, 200.0])
        .map(|(metric, max)| cell("/", None, metric, max, 190))
        .collect();
    let document = |metric: &str, after: u32| {
        let strata = json!([{ "device": "phone", "before": { "n": 5000, "k": 4000 }, "after": { "n": 5000, "k": after } }]);
        let found = json!({ "route": "/cart", "metric": metric, "strata": strata, "points_worse": 0.0, "p_value": 1.0, "regression": false });
        json!(gate_report(
            Some(&budgets()),
            &budget_report(&cells, json!({ "against": "1.0", "regressions": [found] })),
            &[]
        ))
    };
    let worse = document("LCP", 3800);
    assert_eq!(
        (&worse["code"], &worse["regressions"][0]["regression"], &worse["regressions"][0]["line"]),
        (&json!(1), &json!(true), &json!(2))
    );
    assert_eq!(document("LCP", 3990)["code"], 0);
    // Layout shifts have severity `warn`.
    assert_eq!(
        (&document("CLS", 3800)["code"], &document("CLS", 3800)["regressions"][0]["severity"]),
        (&json!(0), &json!("warn"))
    );
    let nothing = budget_report(&cells, json!({ "against": "1.0" }));
    assert_eq!(json!(gate_report(Some(&budgets()), &nothing, &[]))["answer"], "insufficient");
}

#[test]
fn field_and_lab_are_reported_side_by_side() {
    let reported = serde_json::from_value(results()).unwrap();
    let found =
        verify_results(&budgets(), &urls(&["http://localhost:3000"]), Device::Phone, reported).unwrap();
    let cells = [cell("/", None, "LCP", 2000.0, 190), cell("/", Some("/:lang"), "LCP", 2000.0, 190)];
    let document =
        json!(gate_report(Some(&budgets()), &budget_report(&cells, json!({})), std::slice::from_ref(&found)));
    assert_eq!(
        document["rows"][0]["lab"],
        json!({ "audit": "largest-contentful-paint", "actual": 2100.5, "max": 2000.0, "outcome": "broken" })
    );
    assert_eq!(document["rows"][1]["lab"], Value::Null, "the root page belongs to another route");
    assert_eq!((&document["code"], document["lab"].as_array().unwrap().len()), (&json!(1), 4));
    let alone = json!(lab_gate_report(std::slice::from_ref(&found)));
    assert_eq!((&alone["code"], &alone["site"], &alone["lab"]), (&json!(1), &Value::Null, &document["lab"]));
    assert_eq!(lab_gate_report(&[]).answer, "insufficient");
    let again: LhciVerification = serde_json::from_value(json!(found)).unwrap();
    assert_eq!(again, found);
}

#[test]
fn a_lab_page_belongs_to_the_route_that_its_path_matches() {
    let results = json!([{ "name": "maxNumericValue", "expected": 2000, "actual": 900, "passed": true,
        "auditId": "largest-contentful-paint", "url": "http://localhost:3000/product/42?a=1" }]);
    let url = urls(&["http://localhost:3000/product/42?a=1"]);
    let found =
        verify_results(&budgets(), &url, Device::Phone, serde_json::from_value(results).unwrap()).unwrap();
    let actual = |route: &str| {
        let cells = [cell("/", Some(route), "LCP", 2000.0, 190)];
        json!(gate_report(Some(&budgets()), &budget_report(&cells, json!({})), std::slice::from_ref(&found)))
            ["rows"][0]["lab"]["actual"]
            .clone()
    };
    assert_eq!(
        [actual("/product/:id"), actual("/product/[slug]"), actual("/product/42")],
        [json!(900.0), json!(900.0), json!(900.0)]
    );
    assert_eq!([actual("/product"), actual("/:a/:b/:c")], [Value::Null, Value::Null]);
}

#[test]
fn a_missing_custom_assertion_does_not_pass() {
    let mut found = LhciVerification {
        v: 1,
        device: Device::Phone,
        outcomes: Vec::new(),
        missing_assertions: Vec::new(),
    };
    let all: Vec<_> = results().as_array().unwrap()[2..].to_vec();
    let budgets =
        Budgets::parse(r#"[{ "resourceSizes": [{ "resourceType": "script", "budget": 170 }] }]"#).unwrap();
    let url = urls(&["http://localhost:3000"]);
    found.outcomes =
        verify_results(&budgets, &url, Device::Phone, serde_json::from_value(json!(all)).unwrap())
            .unwrap()
            .outcomes;
    assert_eq!(found.gate_outcome().name(), "pass");
    found.missing_assertions.push(MissingAssertion {
        pattern: ".*".into(),
        audit: "uses-http3".into(),
        why: "it is no audit".into(),
    });
    assert_eq!(found.gate_outcome().name(), "insufficient");
}

#[test]
fn releases_are_compared_class_by_class() {
    let strata = json!([
        { "before": { "n": 5000, "within": 4000 }, "after": { "n": 5000, "within": 3800 } },
        { "before": { "n": 0, "within": 0 }, "after": { "n": 10, "within": 1 } },
    ]);
    let compared = comparison_report(serde_json::from_value(strata).unwrap()).unwrap();
    assert!(compared.regression && (compared.points_worse - 4.0).abs() < 1e-9, "{compared:?}");
}

#[test]
fn a_sketch_is_read_in_display_units() {
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
