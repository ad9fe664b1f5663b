//! Golden beacons of each version, which stay readable with the same values.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panic")]

use proptest::prelude::*;
use wire::beacon::{Beacon, CacheStatus, LossReason, Navigation, Network};
use wire::{ApiError, Metric};

fn golden(name: &str) -> Beacon {
    let path = format!("{}/tests/v1/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(path).unwrap();
    Beacon::parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn a_complete_version_1_beacon_is_parsed() {
    let beacon = golden("whole");
    assert_eq!((beacon.site.as_str(), beacon.id.as_str()), ("portal", "9f86d081884c7d659a2feaa0"));
    assert_eq!((beacon.view, beacon.seq, beacon.age_ms, beacon.weight), (2, 1, 12345, 4));
    assert_eq!(beacon.navigation, Navigation::BackForwardCache);
    assert_eq!((beacon.path.as_str(), beacon.route.as_deref()), ("/product/42", Some("/product/:id")));
    let values: Vec<(Metric, u32)> = beacon.values.iter().collect();
    let expected = [812, 1204, 12, 56, 3, 120];
    assert_eq!(values, Metric::ALL.into_iter().zip(expected).collect::<Vec<_>>());
    assert_eq!(beacon.release.as_deref(), Some("2026.11.1"));
    assert_eq!(beacon.dimensions.get("plan").map(String::as_str), Some("pro"));
    assert_eq!((beacon.cache, beacon.network), (Some(CacheStatus::Hit), Some(Network::G4)));
    assert!(beacon.is_webdriver);
}

#[test]
fn absent_fields_are_unknown_and_never_zero() {
    let beacon = golden("least");
    assert_eq!(beacon.values.iter().count(), 0);
    assert_eq!((beacon.view, beacon.seq, beacon.weight, beacon.is_webdriver), (0, 0, 1, false));
    assert_eq!((beacon.route, beacon.release, beacon.cache, beacon.loss_reason), (None, None, None, None));
}

#[test]
fn a_view_without_measurements_has_a_loss_reason() {
    assert_eq!(golden("lost").loss_reason, Some(LossReason::Hidden));
}

#[test]
fn unknown_fields_of_the_same_version_are_ignored() {
    assert_eq!(golden("newer").values.get(Metric::Lcp), Some(1));
}

#[test]
fn an_unknown_cache_status_is_ignored_and_the_beacon_is_kept() {
    let beacon = golden("attributed");
    assert_eq!(beacon.values.iter().count(), 6);
    assert_eq!((beacon.id.len(), beacon.cache), (29, None));
}

#[test]
fn attribution_of_lcp_inp_and_cls_is_parsed() {
    let attribution = golden("attributed").attribution;
    let text = |text: &str| Some(text.to_owned());
    let largest = attribution.get(Metric::Lcp).unwrap();
    assert_eq!(largest.element, text("html>body>main>img.big.hero"));
    assert_eq!(largest.source, text("https://portal.example/hero.svg"));
    assert_eq!(largest.parts, [120, 31, 853, 201]);
    let slowest = attribution.get(Metric::Inp).unwrap();
    assert_eq!(
        (&slowest.element, &slowest.source),
        (&text("#press"), &text("https://portal.example/app.js"))
    );
    assert_eq!(slowest.parts, [1, 97, 15]);
    assert_eq!(attribution.get(Metric::Cls).unwrap().element, text("html>body>main>p.intro.lead"));
    assert_eq!(attribution.iter().count(), 3);
}

#[test]
fn attribution_is_stripped_of_identifiers_and_ignored_if_invalid() {
    let parse_attribution = |a: &str| {
        let head = r#"{"v":1,"site":"s","id":"0123456789abcdef","nav":"navigate","path":"/","a":"#;
        Beacon::parse(format!("{head}{a}}}").as_bytes()).unwrap().attribution
    };
    let attribution = parse_attribution(
        r##"{"LCP":{"target":"#order-4711>img.n2x","url":"https://a.example/i.png?member=7#x"}}"##,
    );
    let largest = attribution.get(Metric::Lcp).unwrap();
    assert_eq!(largest.element.as_deref(), Some("#order-*>img.n*x"));
    assert_eq!(largest.source.as_deref(), Some("https://a.example/i.png"));
    let long = "x".repeat(300);
    for wrong in [
        r#"{"LCP":{"target":["html"],"url":7,"timeToFirstByte":"12","elementRenderDelay":-3}}"#.to_owned(),
        r#"{"INP":{"interactionTarget":"a\u0000b"},"XYZ":{"target":"a"}}"#.to_owned(),
        format!(r#"{{"CLS":{{"largestShiftTarget":"{long}"}}}}"#),
    ] {
        assert!(parse_attribution(&wrong).is_empty(), "{wrong}");
    }
}

#[test]
fn a_newer_version_is_rejected_as_unknown() {
    let text = br#"{"v":7,"site":"s","id":"0123456789abcdef","nav":"navigate","path":"/"}"#;
    assert_eq!(Beacon::parse(text), Err(ApiError::UnknownVersion { found: 7 }));
}

#[test]
fn a_json_array_is_rejected() {
    let error = Beacon::parse(br#"[1,"s","0123456789abcdef",0,0,"navigate","/"]"#).unwrap_err();
    assert_eq!((error.code(), error.field()), ("malformed", None));
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_or_rejected(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Beacon::parse(&bytes);
    }

    #[test]
    fn a_damaged_beacon_is_parsed_or_rejected(at in 0..300_usize, byte in any::<u8>()) {
        let path = format!("{}/tests/v1/whole.json", env!("CARGO_MANIFEST_DIR"));
        let mut bytes = std::fs::read(path).unwrap();
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        if let Ok(beacon) = Beacon::parse(&bytes) {
            prop_assert!(beacon.values.iter().all(|(_, value)| value <= 600_000));
        }
    }
}
