//! Lost time against a plain sum over the visits, and advice that follows only from what was measured.

#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::collections::BTreeMap;

use insight::advice::{Advice, Rule, advise};
use insight::bottleneck::{Causes, Culprit, Part, Place, Query, Returns, Subpart, rank};
use ledger::Tally;
use proptest::prelude::*;
use sketch::Sketch;
use wire::beacon::CacheStatus;
use wire::{Device, Metric};

fn tally(metric: Metric, values: impl IntoIterator<Item = u32>) -> Tally {
    let mut sketch = Sketch::new(metric);
    values.into_iter().for_each(|value| sketch.insert(value, 1));
    Tally { n: sketch.n(), kept: BTreeMap::new(), sketch }
}

fn place<'a>(route: &'a str, metric: Metric, limit: u32, tally: &'a Tally, causes: Causes<'a>) -> Place<'a> {
    Place { route, device: Device::Phone, metric, limit, tally, causes }
}

fn lcp<'a>(tally: &'a Tally, causes: Causes<'a>) -> Place<'a> {
    place("/product/:id", Metric::Lcp, 2500, tally, causes)
}

proptest! {
    #[test]
    fn seconds_lost_are_those_of_the_visits(values in proptest::collection::vec(0..20_000_u32, 1..300)) {
        let exact: f64 = values.iter().map(|value| f64::from(value.saturating_sub(2500)) / 1000.0).sum();
        let found = lcp(&tally(Metric::Lcp, values.iter().copied()), Causes::default()).seconds().unwrap();
        // A value is off by at most half a bucket, which is 1/128 of it.
        let off: f64 = values.iter().filter(|value| **value > 2460).map(|value| f64::from(*value) / 128_000.0 + 0.001).sum();
        prop_assert!((found - exact).abs() <= off, "{found} is not {exact} within {off}");
    }
}

#[test]
fn places_are_ranked_by_what_all_visits_lose_and_not_by_the_worst() {
    let slow_and_empty = tally(Metric::Lcp, [30_000; 5]);
    let busy = tally(Metric::Lcp, (0..1000).map(|index| if index % 2 == 0 { 4500 } else { 1000 }));
    let fast = tally(Metric::Lcp, [900; 5000]);
    let first_byte = tally(Metric::Ttfb, [1500; 1000]);
    let shifting = tally(Metric::Cls, [3000; 400]);
    let ranked = rank(&[
        place("/old", Metric::Lcp, 2500, &slow_and_empty, Causes::default()),
        place("/busy", Metric::Ttfb, 800, &first_byte, Causes::default()),
        place("/busy", Metric::Cls, 1000, &shifting, Causes::default()),
        place("/busy", Metric::Lcp, 2500, &busy, Causes::default()),
        place("/fast", Metric::Lcp, 2500, &fast, Causes::default()),
    ]);
    let names: Vec<(&str, &str)> = ranked.iter().map(|one| (one.route.as_str(), one.metric)).collect();
    assert_eq!(names, [("/busy", "LCP"), ("/busy", "TTFB"), ("/old", "LCP"), ("/busy", "CLS")]);
    assert_eq!((ranked[0].over, ranked[0].visits), (500, 1000));
    assert!((ranked[0].seconds.unwrap() - 1000.0).abs() < 16.0);
    // The first byte's seconds are LCP's already, and are not counted twice.
    assert_eq!(ranked[1].part_of, Some("LCP"));
    assert!((ranked[0].share + ranked[2].share - 100.0).abs() < 1e-9);
    assert_eq!((ranked[3].seconds, ranked[3].over), (None, 400));
}

fn only(places: &[Place<'_>]) -> Advice {
    let given = advise(places);
    assert_eq!(given.len(), 1, "{given:#?}");
    given.into_iter().next().unwrap()
}

#[test]
fn misses_that_lose_what_hits_do_not_are_the_caches_to_save() {
    let (hits, misses) = (tally(Metric::Lcp, [2000; 380]), tally(Metric::Lcp, [4000; 620]));
    let all = tally(Metric::Lcp, [2000; 380].into_iter().chain([4000; 620]));
    let by_cache = vec![(CacheStatus::Hit, &hits), (CacheStatus::Miss, &misses)];
    let causes = Causes { by_cache: by_cache.clone(), ..Causes::default() };
    let given = only(&[lcp(&all, causes)]);
    assert_eq!(given.rule, Rule::CacheMisses);
    assert_eq!(
        given.finding,
        "LCP of /product/:id on phones: 62 % of the visits miss the cache and lose 1.48 s each, hits lose 0.00 s."
    );
    let gain = given.gain.unwrap();
    assert!((gain - 620.0 * 1.5).abs() < 20.0, "{gain}");
    assert_eq!((given.place.visits, given.place.over, given.place.limit), (1000, 620, 2500.0));
    let [low, high] = given.place.interval.unwrap();
    assert!(
        low <= 4000.0 * 1.016 && high >= 4000.0 / 1.016 && given.place.share == 100.0,
        "{:?}",
        given.place
    );
    assert!(gain <= lcp(&all, Causes::default()).seconds().unwrap());

    // Few misses are no evidence, and misses that are as good as hits no cause.
    let few = tally(Metric::Lcp, [9000; 99]);
    let causes =
        Causes { by_cache: vec![(CacheStatus::Hit, &hits), (CacheStatus::Miss, &few)], ..Causes::default() };
    assert_eq!(advise(&[lcp(&all, causes)]), []);
    let causes = Causes {
        by_cache: vec![(CacheStatus::Hit, &misses), (CacheStatus::Miss, &misses)],
        ..Causes::default()
    };
    assert_eq!(advise(&[lcp(&all, causes)]), []);
}

#[test]
fn each_part_that_takes_too_much_has_its_rule() {
    let slow = tally(Metric::Lcp, [5000; 200]);
    let slow_inp = tally(Metric::Inp, [600; 200]);
    for (metric, part, rule) in [
        (Metric::Lcp, Part::TimeToFirstByte, Rule::SlowOrigin),
        (Metric::Lcp, Part::ResourceLoadDelay, Rule::LateResource),
        (Metric::Lcp, Part::ResourceLoadDuration, Rule::HeavyResource),
        (Metric::Lcp, Part::ElementRenderDelay, Rule::LateRender),
        (Metric::Inp, Part::InputDelay, Rule::BusyThread),
        (Metric::Inp, Part::ProcessingDuration, Rule::SlowHandler),
        (Metric::Inp, Part::PresentationDelay, Rule::SlowFrame),
    ] {
        let (tally, limit, millis) =
            if metric == Metric::Lcp { (&slow, 2500, 3500.0) } else { (&slow_inp, 200, 400.0) };
        let causes = Causes {
            subparts: vec![Subpart { part, millis }],
            culprits: vec![Culprit { name: "img.hero", visits: 150 }, Culprit { name: "p", visits: 3 }],
            ..Causes::default()
        };
        let place = place("/", metric, limit, tally, causes);
        let given = only(std::slice::from_ref(&place));
        assert_eq!(given.rule, rule);
        assert!(given.finding.contains("img.hero") && given.finding.contains("100 %"), "{}", given.finding);
        assert!(given.gain.unwrap() <= place.seconds().unwrap() + 1e-9, "no more can be won than is lost");
        assert_eq!(given.evidence.len(), 3);
    }
}

#[test]
fn a_part_within_its_share_is_not_blamed() {
    let slow = tally(Metric::Lcp, [5000; 200]);
    let parts = |first: f64, load: f64| {
        vec![
            Subpart { part: Part::TimeToFirstByte, millis: first },
            Subpart { part: Part::ResourceLoadDuration, millis: load },
        ]
    };
    let causes = Causes { subparts: parts(900.0, 4100.0), ..Causes::default() };
    assert_eq!(only(&[lcp(&slow, causes)]).rule, Rule::HeavyResource);
    // Of few visits nothing follows.
    let few = tally(Metric::Lcp, [5000; 99]);
    let causes = Causes { subparts: parts(900.0, 4100.0), ..Causes::default() };
    assert_eq!(advise(&[lcp(&few, causes)]), []);
}

#[test]
fn a_slow_first_byte_is_the_origins_only_where_no_cache_explains_it() {
    let (hits, misses) = (tally(Metric::Lcp, [2000; 200]), tally(Metric::Lcp, [6000; 200]));
    let all = tally(Metric::Lcp, [2000; 200].into_iter().chain([6000; 200]));
    let subparts = vec![Subpart { part: Part::TimeToFirstByte, millis: 4000.0 }];
    let by_cache = vec![(CacheStatus::Hit, &hits), (CacheStatus::Miss, &misses)];
    let cached = Causes { subparts: subparts.clone(), by_cache, ..Causes::default() };
    assert_eq!(only(&[lcp(&all, cached)]).rule, Rule::CacheMisses);
    let uncached = Causes { subparts, ..Causes::default() };
    assert_eq!(only(&[lcp(&all, uncached)]).rule, Rule::SlowOrigin);
}

#[test]
fn a_slow_query_wins_no_more_than_the_page_loses() {
    let slow = tally(Metric::Lcp, [2600; 300]);
    let query = |p95, n| Query { name: "products by tag", n, p95, seconds_over: 900.0 };
    let causes = |query| Causes { queries: vec![query], ..Causes::default() };
    let given = only(&[lcp(&slow, causes(query(612.0, 3000)))]);
    assert_eq!(given.rule, Rule::SlowQuery);
    assert!((given.gain.unwrap() - 30.0).abs() < 8.0, "{given:?}");
    assert_eq!(advise(&[lcp(&slow, causes(query(250.0, 3000)))]), [], "at its target");
    assert_eq!(advise(&[lcp(&slow, causes(query(612.0, 49)))]), [], "too few runs");
}

#[test]
fn shifts_and_returns_have_rules_of_their_own() {
    let shifting = tally(Metric::Cls, [3000; 150]);
    let causes = Causes { culprits: vec![Culprit { name: "#banner", visits: 140 }], ..Causes::default() };
    let given = only(&[place("/", Metric::Cls, 1000, &shifting, causes)]);
    assert_eq!((given.rule, given.gain), (Rule::ShiftingElement, None));
    assert!(given.finding.contains("in 140 of 150 visits over budget, `#banner` moves"), "{}", given.finding);

    let slow = tally(Metric::Lcp, [4500; 1000]);
    let back = |loaded, restored| Causes { returns: Some(Returns { loaded, restored }), ..Causes::default() };
    let given = only(&[lcp(&slow, back(180, 20))]);
    assert_eq!(given.rule, Rule::BackForwardCache);
    assert!((given.gain.unwrap() - 360.0).abs() < 8.0, "{given:?}");
    assert_eq!(advise(&[lcp(&slow, back(90, 110))]), []);
}

#[test]
fn the_greatest_gain_comes_first() {
    let (slow, slower) = (tally(Metric::Lcp, [3000; 200]), tally(Metric::Lcp, [9000; 200]));
    let late = || Causes {
        subparts: vec![Subpart { part: Part::ResourceLoadDelay, millis: 2000.0 }],
        ..Causes::default()
    };
    let given = advise(&[
        place("/a", Metric::Lcp, 2500, &slow, late()),
        place("/b", Metric::Lcp, 2500, &slower, late()),
    ]);
    assert_eq!(given.iter().map(|one| one.route.as_str()).collect::<Vec<_>>(), ["/b", "/a"]);
}
