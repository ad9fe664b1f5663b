//! Comparison with Lighthouse CI's own code, which wrote these results from these rows
//! (lighthouse-ci/golden.mjs).

use budget::Budgets;
use serde_json::{Value, json};
use toolkit::{LhciVerification, build_assert_matrix, verify_results};
use wire::Device;

const BUDGETS: &str = r#"[
    { "timings": [
        { "metric": "largest-contentful-paint", "budget": 2000 },
        { "metric": "cumulative-layout-shift", "budget": 0.1 },
        { "metric": "interaction-to-next-paint", "field": 200, "lab": 240 }
      ],
      "resourceSizes": [{ "resourceType": "script", "budget": 170 }] },
    { "path": "/shop", "severity": "warn", "timings": [{ "metric": "largest-contentful-paint", "budget": 2500 }] }
]"#;

#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper of tests may do as tests do")]
fn verify_visit(visit: &str) -> LhciVerification {
    let results: Value = serde_json::from_str(include_str!("lighthouse-ci/results.json")).unwrap();
    let results = serde_json::from_value(results[visit].clone()).unwrap();
    verify_results(&Budgets::parse(BUDGETS).unwrap(), &urls(), Device::Phone, results).unwrap()
}

fn urls() -> Vec<String> {
    ["http://localhost:3000", "http://localhost:3000/shop"].map(str::to_owned).to_vec()
}

#[test]
fn the_assert_matrix_matches_the_golden_rows() {
    let rows: Value = serde_json::from_str(include_str!("lighthouse-ci/rows.json")).unwrap();
    assert_eq!(
        json!(build_assert_matrix(&Budgets::parse(BUDGETS).unwrap(), &urls(), Device::Phone).unwrap()),
        rows
    );
}

#[track_caller]
fn check(visit: &str, answer: &str, others: &[(&str, &str, &str)]) {
    let proof = verify_visit(visit);
    assert_eq!(proof.gate_outcome().name(), answer);
    assert_eq!(proof.outcomes.len(), 8);
    let not_kept = proof.outcomes.iter().filter(|one| one.outcome.name() != "kept");
    let not_kept: Vec<_> =
        not_kept.map(|one| (one.url.as_str(), one.assertion.audit.as_str(), one.outcome.name())).collect();
    assert_eq!(not_kept, others);
}

#[test]
fn a_page_passes_by_the_median_of_its_runs() {
    check("kept", "pass", &[]);
}

#[test]
fn a_slow_page_fails_on_exactly_that_audit() {
    check("slow", "violated", &[("http://localhost:3000/", "largest-contentful-paint", "broken")]);
}

#[test]
fn a_page_without_a_paint_does_not_pass() {
    check("blank", "insufficient", &[("http://localhost:3000/", "largest-contentful-paint", "not-measured")]);
}

#[test]
fn a_redirected_page_does_not_pass() {
    let here = "http://localhost:3000/";
    check(
        "redirected",
        "insufficient",
        &[
            (here, "cumulative-layout-shift", "not-asserted"),
            (here, "largest-contentful-paint", "not-asserted"),
            (here, "resource-summary:script:size", "not-asserted"),
            (here, "total-blocking-time", "not-asserted"),
        ],
    );
}
