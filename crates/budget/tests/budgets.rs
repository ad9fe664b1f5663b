//! Parsing of budgets.json: precedence, inheritance and error messages.

#![expect(clippy::unwrap_used, reason = "a helper of tests may do as tests do")]

use budget::{BudgetErrorKind, Budgets, Limit, Severity};
use proptest::{collection::vec, prelude::*, sample::Index, sample::select};
use wire::{Device, Metric};

#[track_caller]
fn limit(text: &str, path: &str, device: Device, metric: Metric) -> Option<Limit> {
    Budgets::parse(text).unwrap().limit(path, device, metric)
}

#[track_caller]
fn max(text: &str, path: &str, device: Device, metric: Metric) -> Option<u32> {
    limit(text, path, device, metric).map(|limit| limit.max)
}

#[test]
fn the_defaults_are_the_projects_own_targets() {
    let defaults = include_str!("../../../lighthouse/budgets.json");
    let targets = [
        (Metric::Fcp, 1500),
        (Metric::Lcp, 2000),
        (Metric::Cls, 1000),
        (Metric::Inp, 200),
        (Metric::Fid, 100),
        (Metric::Ttfb, 800),
    ];
    for (metric, target) in targets {
        for device in Device::ALL {
            let limit = limit(defaults, "/any/page", device, metric).unwrap();
            assert_eq!((limit.max, limit.percentile, limit.min_samples), (target, 75, 30), "{metric:?}");
        }
    }
}

#[test]
fn the_last_matching_entry_wins_for_each_metric() {
    let text = r#"[
        { "timings": [
            { "metric": "largest-contentful-paint", "budget": 2000 },
            { "metric": "first-contentful-paint", "budget": 1500 } ] },
        { "path": "/shop/*", "timings": [{ "metric": "largest-contentful-paint", "budget": 3000 }] },
        { "path": "/shop/cart$", "timings": [{ "metric": "largest-contentful-paint", "budget": 2500 }] }
    ]"#;
    let at = |path, metric| max(text, path, Device::Phone, metric);
    assert_eq!(at("/", Metric::Lcp), Some(2000));
    assert_eq!(at("/shop/:id", Metric::Lcp), Some(3000));
    assert_eq!(at("/shop/cart", Metric::Lcp), Some(2500));
    assert_eq!(at("/shop/cart", Metric::Fcp), Some(1500));
    assert_eq!(at("/shop/cart", Metric::Cls), None);
}

#[test]
fn a_device_has_its_own_budget() {
    let text = r#"[
        { "timings": [
            { "metric": "largest-contentful-paint", "budget": 2000 },
            { "metric": "largest-contentful-paint", "budget": 2500, "device": "phone" } ] },
        { "device": "desktop", "timings": [{ "metric": "largest-contentful-paint", "budget": 1200 }] }
    ]"#;
    let on = |device| max(text, "/", device, Metric::Lcp);
    assert_eq!(Device::ALL.map(on), [Some(2500), Some(2000), Some(1200)]);
}

#[test]
fn each_limit_comes_from_the_rule_that_decides_it() {
    let text = r#"[
        { "timings": [ { "metric": "largest-contentful-paint", "budget": 4000 } ] },
        { "path": "/*", "timings": [ { "metric": "largest-contentful-paint", "budget": 2500 },
                                     { "metric": "speed-index", "budget": 1 } ] },
        { "path": "/cart", "device": "phone",
          "timings": [ { "metric": "largest-contentful-paint", "budget": 2000 } ] },
        { "path": "/cart", "timings": [ { "metric": "first-contentful-paint", "lab": 9 } ] },
        { "path": "/cart", "device": "phone",
          "timings": [ { "metric": "largest-contentful-paint", "budget": 1800 } ] }
    ]"#;
    let budgets = Budgets::parse(text).unwrap();
    // Later rules override the first and the third on all their pages.
    let rules: Vec<_> =
        budgets.rules().map(|rule| (rule.pattern, rule.limit.max, rule.is_sitewide())).collect();
    assert_eq!(rules, [("/*", 2500, true), ("/cart", 1800, false)]);
    for path in ["/", "/cart", "/cart/1", "(other)"] {
        for device in Device::ALL {
            for metric in Metric::ALL {
                let rule = budgets.rule(path, device, metric);
                assert_eq!(
                    rule.map(|rule| rule.limit),
                    budgets.limit(path, device, metric),
                    "{path} {metric:?}"
                );
            }
        }
    }
    assert_eq!(budgets.rule("/cart/1", Device::Phone, Metric::Lcp).unwrap().pattern, "/cart");
}

#[test]
fn lab_and_field_limits_are_inherited_separately() {
    let text = r#"[
        { "timings": [{ "metric": "first-contentful-paint", "lab": 1200, "field": 1800 }] },
        { "path": "/slow", "timings": [{ "metric": "first-contentful-paint", "lab": 2400 }] },
        { "path": "/both", "timings": [{ "metric": "first-contentful-paint", "budget": 900, "lab": 700 }] }
    ]"#;
    assert_eq!(max(text, "/slow", Device::Tablet, Metric::Fcp), Some(1800));
    assert_eq!(max(text, "/both", Device::Tablet, Metric::Fcp), Some(900));
}

#[test]
fn budgets_inherit_the_settings_of_their_entry() {
    let text = r#"[{
        "percentile": 90, "severity": "warn", "minSamples": 200,
        "timings": [
            { "metric": "first-contentful-paint", "budget": 1500 },
            { "metric": "largest-contentful-paint", "budget": 2000,
              "percentile": 75, "severity": "error", "minSamples": 50 }
        ]
    }]"#;
    let limit_of = |metric| limit(text, "/", Device::Phone, metric).unwrap();
    let fcp = Limit { max: 1500, percentile: 90, severity: Severity::Warn, min_samples: 200, line: 4 };
    let lcp = Limit { max: 2000, percentile: 75, severity: Severity::Error, min_samples: 50, line: 5 };
    assert_eq!((limit_of(Metric::Fcp), limit_of(Metric::Lcp)), (fcp, lcp));
}

#[test]
fn a_budget_in_wire_units_judges_like_the_original() {
    fn units(metric: &str, budget: &str, unit_of: Metric) -> u32 {
        let text = format!(r#"[{{"timings": [{{"metric": "{metric}", "budget": {budget}}}]}}]"#);
        max(&text, "/", Device::Phone, unit_of).unwrap()
    }
    let cls = |budget: &str| units("cumulative-layout-shift", budget, Metric::Cls);
    // As float products, all of these are slightly off their integers.
    for whole in 0..=10_000_u32 {
        assert_eq!(cls(&format!("{}.{:04}", whole / 10_000, whole % 10_000)), whole);
    }
    assert_eq!((cls("0.00019"), cls("1e-1"), cls("0")), (1, 1000, 0));
    let lcp = |budget: &str| units("largest-contentful-paint", budget, Metric::Lcp);
    assert_eq!((lcp("2000.9"), lcp("1e300")), (2000, u32::MAX));
}

#[track_caller]
fn check(text: &str, expect: &str) {
    assert_eq!(Budgets::parse(text).unwrap_err().to_string(), expect);
}

#[test]
fn an_error_names_its_line_and_the_remedy() {
    check(
        "[\n  {\n    \"timings\": [{\n      \"metric\": \"largest-contentful-pain\", \"budget\": 1 }] } ]",
        "line 4, column 17: [0].timings[0].metric: unknown metric \"largest-contentful-pain\"; did you mean \"largest-contentful-paint\"?",
    );
    check(
        r#"[{"timings": [{"metric": "LCP", "budget": 1}]}]"#,
        "line 1, column 26: [0].timings[0].metric: unknown metric \"LCP\"; did you mean \"largest-contentful-paint\"?",
    );
    check(
        "[{\"path\": \"/\",\n  \"timing\": []}]",
        "line 2, column 3: [0].timing: unknown key \"timing\"; did you mean \"timings\"?",
    );
    check(
        r#"[{"resourceSizes": [{"resourceType": "scripts", "budget": 1}]}]"#,
        "line 1, column 38: [0].resourceSizes[0].resourceType: unknown resource type \"scripts\"; did you mean \"script\"?",
    );
    check(
        r#"[{"severity": "fatal"}]"#,
        "line 1, column 15: [0].severity: unknown severity \"fatal\"; use one of error, warn",
    );
    check(
        r#"[{"device": "mobile"}]"#,
        "line 1, column 13: [0].device: unknown device \"mobile\"; use one of phone, tablet, desktop",
    );
    check(
        r#"[{"percentile": 100}]"#,
        "line 1, column 17: [0].percentile: must be a whole number from 1 to 99",
    );
    check(
        r#"[{"minSamples": 0}]"#,
        "line 1, column 17: [0].minSamples: must be a whole number from 1 to a billion",
    );
    check(r#"[{"path": "cat"}]"#, "line 1, column 11: [0].path: must start with \"/\"");
    check(r#"[{"timings": [{"budget": 1}]}]"#, "line 1, column 15: [0].timings[0]: missing key \"metric\"");
    check(
        r#"[{"timings": [{"metric": "interactive"}]}]"#,
        "line 1, column 15: [0].timings[0]: missing key \"budget\"",
    );
    check(
        r#"[{"timings": [{"metric": "interactive", "budget": "3s"}]}]"#,
        "line 1, column 51: [0].timings[0].budget: expected a number, found a string",
    );
    check(
        r#"[{"timings": [{"metric": "interactive", "budget": -1}]}]"#,
        "line 1, column 51: [0].timings[0].budget: must be zero or more",
    );
    check(
        r#"[{"timings": [{"metric": "speed-index", "budget": 1}, {"metric": "speed-index", "budget": 2}]}]"#,
        "line 1, column 55: [0].timings[1]: duplicate budget for \"speed-index\"; remove one of them",
    );
    check(
        r#"[{"timings": [{"metric": "speed-index", "field": 1}]}]"#,
        "line 1, column 50: [0].timings[0].field: must be omitted: real visits do not measure this",
    );
    check(r#"{"path": "/"}"#, "line 1, column 1: expected an array of budgets, found an object");
    check("", "line 1, column 1: invalid JSON: EOF while parsing a value");
    check("[\n  {},\n]", "line 3, column 1: invalid JSON: expected value");
    check(r#"[{"path": null}]"#, "line 1, column 11: [0].path: expected a path, found null");
}

#[test]
fn json_that_lighthouse_rejects_is_rejected() {
    for text in [
        "[{}",
        "[{},]",
        "[{} {}]",
        "[// all\n]",
        "[{'path': '/'}]",
        "[{path: '/'}]",
        "[{}] []",
        "[{\"percentile\": NaN}]",
    ] {
        let error = Budgets::parse(text).unwrap_err();
        assert!(matches!(error.kind, BudgetErrorKind::NotJson { .. }), "{text}: {error}");
    }
}

#[test]
fn deep_nesting_does_not_overflow_the_parser() {
    let deep = "[".repeat(100_000);
    assert!(matches!(Budgets::parse(&deep).unwrap_err().kind, BudgetErrorKind::NotJson { .. }));
}

#[test]
fn columns_count_characters() {
    let error = Budgets::parse("[\r\n{\"päth\": 1}]").unwrap_err();
    assert_eq!((error.line, error.column), (2, 2));
    let error = Budgets::parse("[{\"path\": \"/ä→\", \"percentil\": 1}]").unwrap_err();
    assert_eq!((error.line, error.column), (1, 18));
}

#[test]
fn the_schema_lists_the_same_names() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../../lighthouse/budgets.schema.json")).unwrap();
    let known = |text: &str| match Budgets::parse(text).unwrap_err().kind {
        BudgetErrorKind::UnknownName { known, .. } => serde_json::json!(known),
        wrong => panic!("{text}: {wrong}"),
    };
    let names = [
        (r#"[{"timings": [{"metric": "?"}]}]"#, "/definitions/timing/properties/metric/enum"),
        (
            r#"[{"resourceSizes": [{"resourceType": "?"}]}]"#,
            "/definitions/resource/properties/resourceType/enum",
        ),
        (r#"[{"device": "?"}]"#, "/definitions/device/enum"),
        (r#"[{"severity": "?"}]"#, "/definitions/severity/enum"),
    ];
    for (text, at) in names {
        assert_eq!(known(text), *schema.pointer(at).unwrap());
    }
    let keys = [
        (r#"[{"?": 1}]"#, "entry"),
        (r#"[{"timings": [{"?": 1}]}]"#, "timing"),
        (r#"[{"resourceCounts": [{"?": 1}]}]"#, "resource"),
    ];
    for (text, definition) in keys {
        let properties = schema["definitions"][definition]["properties"].as_object().unwrap();
        let properties: std::collections::BTreeSet<_> = properties.keys().cloned().collect();
        let known: std::collections::BTreeSet<String> = serde_json::from_value(known(text)).unwrap();
        assert_eq!(known, properties);
    }
}

/// Tokens of JSON, and invalid look-alikes.
fn json_fragment() -> impl Strategy<Value = &'static str> {
    select(vec![
        "[", "]", "{", "}", ",", ":", "\"", "'", "\\", "\\u00e9", "\\ud800", "\\x41", "0", "01", "-", "+",
        ".", "1e5", "0x1", "null", "true", "NaN", "path", "//", "/*", "*/", "$", " ", "\n", "\t", "\u{0}",
        "\u{a0}", "\u{feff}", "ä",
    ])
}

proptest! {
    #[test]
    fn an_edited_file_parses_only_if_it_is_json(
        edits in vec((any::<Index>(), json_fragment(), any::<bool>()), 1..4),
    ) {
        let mut chars: Vec<char> = include_str!("../../../lighthouse/budgets.json").chars().collect();
        for (at, piece, replaces) in edits {
            let at = at.index(chars.len());
            chars.splice(at..at + usize::from(replaces), piece.chars());
        }
        let text: String = chars.into_iter().collect();
        match Budgets::parse(&text) {
            Ok(_) => prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text),
            Err(error) => prop_assert!(text.lines().count().max(1) >= error.line as usize - 1, "{}", error),
        }
    }

    #[test]
    fn arbitrary_text_parses_only_if_it_is_json(pieces in vec(json_fragment(), 0..30)) {
        let text = pieces.concat();
        if Budgets::parse(&text).is_ok() {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
        }
    }
}
