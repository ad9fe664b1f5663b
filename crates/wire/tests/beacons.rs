//! Beacons as clients of each version have sent them: read for ever, and to the same values.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panic")]

use proptest::prelude::*;
use wire::beacon::{Beacon, CacheStatus, Lost, Navigation, Network};
use wire::{Metric, Refusal};

fn golden(name: &str) -> Beacon {
    let path = format!("{}/tests/v1/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(path).unwrap();
    Beacon::parse(&bytes).unwrap_or_else(|refusal| panic!("{name}: {refusal}"))
}

#[test]
fn a_whole_beacon_of_version_1_is_read_to_its_values() {
    let beacon = golden("whole");
    assert_eq!((beacon.site.as_str(), beacon.id.as_str()), ("portal", "9f86d081884c7d659a2feaa0"));
    assert_eq!((beacon.view, beacon.seq, beacon.age, beacon.weight), (2, 1, 12345, 4));
    assert_eq!(beacon.navigation, Navigation::BackForwardCache);
    assert_eq!((beacon.path.as_str(), beacon.route.as_deref()), ("/product/42", Some("/product/:id")));
    let values: Vec<(Metric, u32)> = beacon.values.iter().collect();
    let expected = [812, 1204, 12, 56, 3, 120];
    assert_eq!(values, Metric::ALL.into_iter().zip(expected).collect::<Vec<_>>());
    assert_eq!(beacon.release.as_deref(), Some("2026.11.1"));
    assert_eq!(beacon.dimensions.get("plan").map(String::as_str), Some("pro"));
    assert_eq!((beacon.cache, beacon.network), (Some(CacheStatus::Hit), Some(Network::G4)));
    assert!(beacon.driven);
}

#[test]
fn what_a_beacon_leaves_out_is_unknown_and_never_zero() {
    let beacon = golden("least");
    assert_eq!(beacon.values.iter().count(), 0);
    assert_eq!((beacon.view, beacon.seq, beacon.weight, beacon.driven), (0, 0, 1, false));
    assert_eq!((beacon.route, beacon.release, beacon.cache, beacon.lost), (None, None, None, None));
}

#[test]
fn a_view_without_measurements_says_why() {
    assert_eq!(golden("lost").lost, Some(Lost::Hidden));
}

#[test]
fn what_a_newer_client_adds_to_the_same_version_is_passed_over() {
    assert_eq!(golden("newer").values.get(Metric::Lcp), Some(1));
}

#[test]
fn another_caches_words_are_passed_over_and_no_visit_is_refused_for_them() {
    let beacon = golden("attributed");
    assert_eq!(beacon.values.iter().count(), 6);
    assert_eq!((beacon.id.len(), beacon.cache), (29, None));
}

#[test]
fn the_reasons_that_people_act_on_are_read() {
    let reasons = golden("attributed").reasons;
    let text = |text: &str| Some(text.to_owned());
    let largest = reasons.of(Metric::Lcp).unwrap();
    assert_eq!(largest.element, text("html>body>main>img.big.hero"));
    assert_eq!(largest.source, text("https://portal.example/hero.svg"));
    assert_eq!(largest.parts, [120, 31, 853, 201]);
    let slowest = reasons.of(Metric::Inp).unwrap();
    assert_eq!(
        (&slowest.element, &slowest.source),
        (&text("#press"), &text("https://portal.example/app.js"))
    );
    assert_eq!(slowest.parts, [1, 97, 15]);
    assert_eq!(reasons.of(Metric::Cls).unwrap().element, text("html>body>main>p.intro.lead"));
    assert_eq!(reasons.iter().count(), 3);
}

#[test]
fn reasons_name_no_member_and_a_wrong_one_costs_no_visit() {
    let read = |a: &str| {
        let head = r#"{"v":1,"site":"s","id":"0123456789abcdef","nav":"navigate","path":"/","a":"#;
        Beacon::parse(format!("{head}{a}}}").as_bytes()).unwrap().reasons
    };
    let reasons =
        read(r##"{"LCP":{"target":"#order-4711>img.n2x","url":"https://a.example/i.png?member=7#x"}}"##);
    let largest = reasons.of(Metric::Lcp).unwrap();
    assert_eq!(largest.element.as_deref(), Some("#order-*>img.n*x"));
    assert_eq!(largest.source.as_deref(), Some("https://a.example/i.png"));
    let long = "x".repeat(300);
    for wrong in [
        r#"{"LCP":{"target":["html"],"url":7,"timeToFirstByte":"12","elementRenderDelay":-3}}"#.to_owned(),
        r#"{"INP":{"interactionTarget":"a\u0000b"},"XYZ":{"target":"a"}}"#.to_owned(),
        format!(r#"{{"CLS":{{"largestShiftTarget":"{long}"}}}}"#),
    ] {
        assert!(read(&wrong).is_empty(), "{wrong}");
    }
}

#[test]
fn a_newer_version_is_refused_by_name() {
    let text = br#"{"v":7,"site":"s","id":"0123456789abcdef","nav":"navigate","path":"/"}"#;
    assert_eq!(Beacon::parse(text), Err(Refusal::UnknownVersion { found: 7 }));
}

#[test]
fn a_list_is_no_beacon_though_its_items_are_a_beacons() {
    let refusal = Beacon::parse(br#"[1,"s","0123456789abcdef",0,0,"navigate","/"]"#).unwrap_err();
    assert_eq!((refusal.reason(), refusal.field()), ("malformed", None));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Beacon::parse(&bytes);
    }

    #[test]
    fn a_damaged_beacon_is_read_or_refused(at in 0..300_usize, byte in any::<u8>()) {
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
