//! Assertions for Lighthouse CI, and the check that a run made them.

#![expect(clippy::unwrap_used, reason = "a helper of tests may do as tests do")]

use budget::{AssertionOutcome, Budgets, LhciResult, PageAssertions, Severity};
use wire::{Device, Metric};

fn page(text: &str, url: &str) -> PageAssertions {
    Budgets::parse(text).unwrap().page_assertions(url, Device::Phone).unwrap()
}

/// Audits with their bounds, as in the configuration of Lighthouse CI.
fn audit_limits(page: &PageAssertions) -> Vec<(&str, f64)> {
    let mut pairs: Vec<_> =
        page.assertions.iter().map(|assertion| (assertion.audit.as_str(), assertion.max)).collect();
    pairs.sort_by_key(|(audit, _)| *audit);
    pairs
}

#[test]
fn the_defaults_assert_what_the_lab_can_measure() {
    let page = page(include_str!("../../../lighthouse/budgets.json"), "http://localhost:3000/");
    assert_eq!(
        audit_limits(&page),
        [
            ("cumulative-layout-shift", 0.1),
            ("first-contentful-paint", 1500.0),
            ("largest-contentful-paint", 2000.0),
            ("max-potential-fid", 100.0),
            ("resource-summary:script:size", 170.0 * 1024.0),
            ("resource-summary:total:size", 500.0 * 1024.0),
            ("server-response-time", 800.0),
            ("total-blocking-time", 240.0),
        ]
    );
    let proxies = page.assertions.iter().filter_map(|assertion| assertion.proxy_of);
    assert_eq!(proxies.collect::<Vec<_>>(), [Metric::Ttfb, Metric::Fid, Metric::Inp]);
}

#[test]
fn the_cascade_is_merged() {
    let text = r#"[
        { "timings": [
            { "metric": "largest-contentful-paint", "budget": 2000 },
            { "metric": "speed-index", "budget": 3000 } ],
          "resourceCounts": [{ "resourceType": "third-party", "budget": 10 }] },
        { "path": "/shop*", "severity": "warn",
          "timings": [{ "metric": "largest-contentful-paint", "budget": 3000 }],
          "resourceCounts": [{ "resourceType": "third-party", "budget": 20 }] },
        { "device": "desktop", "timings": [{ "metric": "largest-contentful-paint", "budget": 1000 }] }
    ]"#;
    let at = |path: &str, device| {
        let page = Budgets::parse(text)
            .unwrap()
            .page_assertions(&format!("https://example.org{path}"), device)
            .unwrap();
        audit_limits(&page).into_iter().map(|(_, max)| max).collect::<Vec<_>>()
    };
    assert_eq!(at("/", Device::Phone), [2000.0, 10.0, 3000.0]);
    assert_eq!(at("/shop?page=2", Device::Phone), [3000.0, 20.0, 3000.0]);
    assert_eq!(at("/shop", Device::Desktop), [1000.0, 20.0, 3000.0]);
    let shop = page(text, "https://example.org/shop");
    let severities = shop.assertions.iter().map(|assertion| (assertion.severity, assertion.line));
    assert_eq!(
        severities.collect::<Vec<_>>(),
        [(Severity::Warn, 7), (Severity::Error, 4), (Severity::Warn, 8)]
    );
}

#[test]
fn a_proxy_needs_its_own_limit_and_yields_to_the_audit() {
    let text = |timings: &str| format!(r#"[{{ "timings": [{timings}] }}]"#);
    let inp = r#"{ "metric": "interaction-to-next-paint", "budget": 200 }"#;
    let inp_in_lab = r#"{ "metric": "interaction-to-next-paint", "budget": 200, "lab": 300 }"#;
    let blocking = r#"{ "metric": "total-blocking-time", "budget": 150 }"#;
    let at = |timings: &str| {
        let page = page(&text(timings), "https://example.org/");
        page.assertions.iter().map(|assertion| (assertion.max, assertion.proxy_of)).collect::<Vec<_>>()
    };
    assert_eq!(at(inp), []);
    assert_eq!(at(inp_in_lab), [(300.0, Some(Metric::Inp))]);
    assert_eq!(at(&format!("{blocking}, {inp_in_lab}")), [(150.0, None)]);
}

#[test]
fn a_pattern_matches_its_own_page_only() {
    let at = |url: &str| page("[]", url);
    assert_eq!(at("https://example.org").url, "https://example.org/");
    assert_eq!(at("https://example.org?a=1").url, "https://example.org/?a=1");
    assert_eq!(
        at("http://[::1]:80/a+b.html?x=(1)#top").url_pattern(),
        r"^http://\[::1\]:80/a\+b\.html\?x=\(1\)$"
    );
    for url in ["/", "example.org", "ftp://example.org/", "https://", "https:///path"] {
        assert_eq!(Budgets::parse("[]").unwrap().page_assertions(url, Device::Phone), None, "{url}");
    }
}

/// A result as Lighthouse CI writes it for the paint or the scripts of a page.
fn result(
    audit_id: &str,
    audit_property: Option<&str>,
    name: &str,
    expected: f64,
    actual: Option<f64>,
) -> LhciResult {
    LhciResult {
        url: "http://localhost:3000/".into(),
        audit_id: audit_id.into(),
        audit_property: audit_property.map(str::to_owned),
        name: name.into(),
        expected,
        actual,
        passed: actual.is_some_and(|actual| actual <= expected),
    }
}

#[test]
fn a_run_proves_only_what_it_asserted() {
    let text = r#"[{
        "timings": [{ "metric": "first-contentful-paint", "budget": 1500 }],
        "resourceSizes": [{ "resourceType": "script", "budget": 100 }]
    }]"#;
    let page = page(text, "http://localhost:3000");
    let outcomes = |results: &[LhciResult]| {
        page.outcomes(results).iter().map(|(_, outcome)| *outcome).collect::<Vec<_>>()
    };

    let paint = |actual| result("first-contentful-paint", None, "maxNumericValue", 1500.0, actual);
    let script = result("resource-summary", Some("script.size"), "maxNumericValue", 102_400.0, Some(99.0));
    let kept = AssertionOutcome::Passed { actual: 1500.0 };
    let broken = AssertionOutcome::Failed { actual: 1501.0 };
    let small = AssertionOutcome::Passed { actual: 99.0 };
    assert_eq!(outcomes(&[paint(Some(1500.0)), script.clone()]), [kept, small]);
    assert_eq!(outcomes(&[paint(Some(1501.0)), script.clone()]), [broken, small]);
    assert_eq!(outcomes(&[paint(None), script.clone()]), [AssertionOutcome::NotMeasured, small]);
    assert_eq!(outcomes(&[]), [AssertionOutcome::NotAsserted, AssertionOutcome::NotAsserted]);

    let did_not_run =
        LhciResult { passed: false, ..result("first-contentful-paint", None, "auditRan", 1.0, Some(0.0)) };
    assert_eq!(outcomes(&[did_not_run]), [AssertionOutcome::NotMeasured, AssertionOutcome::NotAsserted]);
    // The good result of one run does not hide the bad one of another, in either order.
    assert_eq!(outcomes(&[paint(Some(1501.0)), paint(Some(1500.0))])[0], broken);
    assert_eq!(outcomes(&[paint(Some(1500.0)), paint(Some(1501.0))])[0], broken);
    // A result with another bound, page or audit does not count.
    let lax = LhciResult { expected: 9000.0, ..paint(Some(1500.0)) };
    let elsewhere = LhciResult { url: "http://localhost:3000/about".into(), ..paint(Some(1500.0)) };
    let default_score = LhciResult { name: "minScore".into(), ..paint(Some(1.0)) };
    for other in [lax, elsewhere, default_score] {
        assert_eq!(outcomes(&[other])[0], AssertionOutcome::NotAsserted);
    }
}
