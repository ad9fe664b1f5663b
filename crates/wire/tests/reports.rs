//! Metrics of web-vitals and Next.js are parsed to the values that the client would have sent.
#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

use proptest::prelude::*;
use wire::beacon::Navigation;
use wire::web_vitals::{MAX_REPORTS, WebVitalsReport};
use wire::{ApiError, Metric};

/// `JSON.stringify` of the metric that `onLCP` of web-vitals 6 reports, with its entries.
const LCP: &str = r#"{"name":"LCP","value":1203.4000000953674,"rating":"good","delta":1203.4000000953674,"entries":[{"name":"","entryType":"largest-contentful-paint","startTime":1203.4,"duration":0,"size":7600,"renderTime":1203.4,"loadTime":0,"firstAnimatedFrameTime":0,"id":"","url":""}],"id":"v6-1700000000000-1234567890123","navigationType":"back-forward"}"#;
/// A metric of Next.js itself.
const NEXT_JS: &str = r#"{"id":"1700000000000-1234567890123","name":"Next.js-hydration","startTime":120.1,"value":33.2,"label":"custom"}"#;

#[track_caller]
fn check_rejected(text: &str, code: &str, field: Option<&str>) {
    let error = WebVitalsReport::parse(text.as_bytes(), "/").unwrap_err();
    assert_eq!((error.code(), error.field()), (code, field), "{text}");
}

#[test]
fn a_report_is_parsed() {
    let expected = WebVitalsReport {
        id: "v6-1700000000000-1234567890123".into(),
        metric: Metric::Lcp,
        value: 1204,
        navigation: Navigation::BackForward,
        path: "/here".into(),
        route: None,
    };
    assert_eq!(WebVitalsReport::parse(LCP.as_bytes(), "/here").unwrap(), std::slice::from_ref(&expected));
    let list = format!("[{LCP},{NEXT_JS}]");
    assert_eq!(
        WebVitalsReport::parse(list.as_bytes(), "/here").unwrap(),
        [expected],
        "what is not ours is passed over"
    );
}

#[test]
fn a_round_value_is_not_rounded_up() {
    for (value, wire) in [("0.1", 1000), ("0.07", 700), ("0.30000000000000004", 3000), ("0.10001", 1001)] {
        let text = format!(r#"{{"name":"CLS","id":"v5-1-2","value":{value}}}"#);
        assert_eq!(WebVitalsReport::parse(text.as_bytes(), "/").unwrap()[0].value, wire, "{value}");
    }
}

#[test]
fn the_path_comes_from_the_report_or_else_the_query() {
    for (own, path) in [
        ("", "/query"),
        (r#","path":"/own?x=1""#, "/own"),
        (r##","url":"https://shop.example/own/2?x#y""##, "/own/2"),
        (r#","url":"https://shop.example?x=/y""#, "/"),
        (r#","path":"/a","url":"https://shop.example/b""#, "/a"),
    ] {
        let text = format!(r#"{{"name":"CLS","id":"v5-1-2","value":0{own}}}"#);
        assert_eq!(WebVitalsReport::parse(text.as_bytes(), "/query").unwrap()[0].path, path, "{own}");
    }
}

#[test]
fn an_invalid_value_is_rejected_with_its_field() {
    check_rejected(r#"{"name":"LCP","id":"v5-1-2","value":36000000}"#, "out-of-range", Some("value"));
    check_rejected(r#"{"name":"CLS","id":"v5-1-2","value":-0.1}"#, "out-of-range", Some("value"));
    check_rejected(r#"{"name":"CLS","id":"v5-1-2","value":11}"#, "out-of-range", Some("value"));
    check_rejected(r#"{"name":"CLS","id":"a b","value":0}"#, "out-of-range", Some("id"));
    check_rejected(
        r#"{"name":"CLS","id":"a","value":0,"navigationType":"teleport"}"#,
        "out-of-range",
        Some("navigationType"),
    );
    check_rejected(r#"{"name":"CLS","id":"a","value":0,"path":"relative"}"#, "out-of-range", Some("path"));
    check_rejected(r#"{"name":"CLS","id":"a"}"#, "malformed", None);
    check_rejected(r#"{"name":"CLS","id":"a","value":null}"#, "malformed", None);
    check_rejected(r#"{"name":"CLS","id":"a","value":1e999}"#, "malformed", None);
    let many = format!("[{}]", vec![NEXT_JS; MAX_REPORTS + 1].join(","));
    check_rejected(&many, "out-of-range", Some("reports"));
    let long = format!(r#"{{"name":"CLS","id":"a","value":0,"entries":"{}"}}"#, "x".repeat(70_000));
    assert!(matches!(WebVitalsReport::parse(long.as_bytes(), "/"), Err(ApiError::TooLarge { .. })));
}

proptest! {
    #[test]
    fn a_value_is_within_an_integer_budget_after_rounding_exactly_when_it_was_before(
        hundredths in 0..60_000_000_u32, budget in 0..600_000_u32,
    ) {
        let value = f64::from(hundredths) / 100.0;
        let text = format!(r#"{{"name":"INP","id":"v5-1-2","value":{value}}}"#);
        let wire = WebVitalsReport::parse(text.as_bytes(), "/").unwrap()[0].value;
        prop_assert_eq!(wire <= budget, value <= f64::from(budget));
    }

    #[test]
    fn any_bytes_are_parsed_or_rejected(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = WebVitalsReport::parse(&bytes, "/");
    }
}
