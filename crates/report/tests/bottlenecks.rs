//! Seconds over budget against a plain sum over the visits, and the conditions of each rule of advice.

#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::collections::BTreeMap;

use ledger::MetricCell;
use proptest::prelude::*;
use report::advice::{Advice, AdviceRule, advise};
use report::bottleneck::{
    BackForwardViews, BackendQueryCost, BottleneckCauses, Culprit, PageMetric, Subpart, SubpartKind, rank,
};
use sketch::Sketch;
use wire::beacon::CacheStatus;
use wire::{Device, Metric};

fn tally(metric: Metric, values: impl IntoIterator<Item = u32>) -> MetricCell {
    let mut sketch = Sketch::new(metric);
    values.into_iter().for_each(|value| sketch.insert(value, 1));
    MetricCell { n: sketch.n(), limit_counts: BTreeMap::new(), sketch }
}

fn page_metric<'a>(
    route: &'a str,
    metric: Metric,
    limit: u32,
    tally: &'a MetricCell,
    causes: BottleneckCauses<'a>,
) -> PageMetric<'a> {
    PageMetric { route, device: Device::Phone, metric, limit, tally, causes }
}

fn lcp<'a>(tally: &'a MetricCell, causes: BottleneckCauses<'a>) -> PageMetric<'a> {
    page_metric("/product/:id", Metric::Lcp, 2500, tally, causes)
}

proptest! {
    #[test]
    fn seconds_over_budget_are_the_sum_over_visits(values in proptest::collection::vec(0..20_000_u32, 1..300)) {
        let exact: f64 = values.iter().map(|value| f64::from(value.saturating_sub(2500)) / 1000.0).sum();
        let found = lcp(&tally(Metric::Lcp, values.iter().copied()), BottleneckCauses::default()).seconds_over_budget().unwrap();
        // The error of a value is at most half a bucket, 1/128 of the value.
        let off: f64 = values.iter().filter(|value| **value > 2460).map(|value| f64::from(*value) / 128_000.0 + 0.001).sum();
        prop_assert!((found - exact).abs() <= off, "{found} is not {exact} within {off}");
    }
}

#[test]
fn pages_are_ranked_by_total_lost_seconds() {
    let slow_and_empty = tally(Metric::Lcp, [30_000; 5]);
    let busy = tally(Metric::Lcp, (0..1000).map(|index| if index % 2 == 0 { 4500 } else { 1000 }));
    let fast = tally(Metric::Lcp, [900; 5000]);
    let first_byte = tally(Metric::Ttfb, [1500; 1000]);
    let shifting = tally(Metric::Cls, [3000; 400]);
    let ranked = rank(&[
        page_metric("/old", Metric::Lcp, 2500, &slow_and_empty, BottleneckCauses::default()),
        page_metric("/busy", Metric::Ttfb, 800, &first_byte, BottleneckCauses::default()),
        page_metric("/busy", Metric::Cls, 1000, &shifting, BottleneckCauses::default()),
        page_metric("/busy", Metric::Lcp, 2500, &busy, BottleneckCauses::default()),
        page_metric("/fast", Metric::Lcp, 2500, &fast, BottleneckCauses::default()),
    ]);
    let names: Vec<(&str, &str)> = ranked.iter().map(|one| (one.route.as_str(), one.metric)).collect();
    assert_eq!(names, [("/busy", "LCP"), ("/busy", "TTFB"), ("/old", "LCP"), ("/busy", "CLS")]);
    assert_eq!((ranked[0].over, ranked[0].visits), (500, 1000));
    assert!((ranked[0].seconds.unwrap() - 1000.0).abs() < 16.0);
    // LCP includes the seconds of TTFB, which are not counted twice.
    assert_eq!(ranked[1].part_of, Some("LCP"));
    assert!((ranked[0].share + ranked[2].share - 100.0).abs() < 1e-9);
    assert_eq!((ranked[3].seconds, ranked[3].over), (None, 400));
}

fn only_advice(metrics: &[PageMetric<'_>]) -> Advice {
    let given = advise(metrics);
    assert_eq!(given.len(), 1, "{given:#?}");
    given.into_iter().next().unwrap()
}

#[test]
fn cache_misses_are_advised_when_they_lose_more_than_hits() {
    let (hits, misses) = (tally(Metric::Lcp, [2000; 380]), tally(Metric::Lcp, [4000; 620]));
    let all = tally(Metric::Lcp, [2000; 380].into_iter().chain([4000; 620]));
    let by_cache = vec![(CacheStatus::Hit, &hits), (CacheStatus::Miss, &misses)];
    let causes = BottleneckCauses { by_cache: by_cache.clone(), ..BottleneckCauses::default() };
    let given = only_advice(&[lcp(&all, causes)]);
    assert_eq!(given.rule, AdviceRule::CacheMisses);
    assert_eq!(
        given.finding,
        "LCP of /product/:id on phones: 62 % of visits miss the cache and exceed the budget by 1.48 s on average, hits by 0.00 s."
    );
    let gain = given.gain.unwrap();
    assert!((gain - 620.0 * 1.5).abs() < 20.0, "{gain}");
    assert_eq!((given.impact.visits, given.impact.over, given.impact.limit), (1000, 620, 2500.0));
    let [low, high] = given.impact.interval.unwrap();
    assert!(
        low <= 4000.0 * 1.016 && high >= 4000.0 / 1.016 && given.impact.share == 100.0,
        "{:?}",
        given.impact
    );
    assert!(gain <= lcp(&all, BottleneckCauses::default()).seconds_over_budget().unwrap());

    // Few misses give no advice, and neither do misses as fast as hits.
    let few = tally(Metric::Lcp, [9000; 99]);
    let causes = BottleneckCauses {
        by_cache: vec![(CacheStatus::Hit, &hits), (CacheStatus::Miss, &few)],
        ..BottleneckCauses::default()
    };
    assert_eq!(advise(&[lcp(&all, causes)]), []);
    let causes = BottleneckCauses {
        by_cache: vec![(CacheStatus::Hit, &misses), (CacheStatus::Miss, &misses)],
        ..BottleneckCauses::default()
    };
    assert_eq!(advise(&[lcp(&all, causes)]), []);
}

#[test]
fn each_long_subpart_has_its_rule() {
    let slow = tally(Metric::Lcp, [5000; 200]);
    let slow_inp = tally(Metric::Inp, [600; 200]);
    for (metric, part, rule) in [
        (Metric::Lcp, SubpartKind::TimeToFirstByte, AdviceRule::SlowOrigin),
        (Metric::Lcp, SubpartKind::ResourceLoadDelay, AdviceRule::LateResource),
        (Metric::Lcp, SubpartKind::ResourceLoadDuration, AdviceRule::HeavyResource),
        (Metric::Lcp, SubpartKind::ElementRenderDelay, AdviceRule::LateRender),
        (Metric::Inp, SubpartKind::InputDelay, AdviceRule::BusyThread),
        (Metric::Inp, SubpartKind::ProcessingDuration, AdviceRule::SlowHandler),
        (Metric::Inp, SubpartKind::PresentationDelay, AdviceRule::SlowFrame),
    ] {
        let (tally, limit, millis) =
            if metric == Metric::Lcp { (&slow, 2500, 3500.0) } else { (&slow_inp, 200, 400.0) };
        let causes = BottleneckCauses {
            subparts: vec![Subpart { part, millis }],
            culprits: vec![Culprit { name: "img.hero", visits: 150 }, Culprit { name: "p", visits: 3 }],
            ..BottleneckCauses::default()
        };
        let page = page_metric("/", metric, limit, tally, causes);
        let given = only_advice(std::slice::from_ref(&page));
        assert_eq!(given.rule, rule);
        assert!(given.finding.contains("img.hero") && given.finding.contains("100 %"), "{}", given.finding);
        assert!(
            given.gain.unwrap() <= page.seconds_over_budget().unwrap() + 1e-9,
            "the gain is at most the loss"
        );
        assert_eq!(given.evidence.len(), 3);
    }
}

#[test]
fn a_subpart_within_its_share_gets_no_advice() {
    let slow = tally(Metric::Lcp, [5000; 200]);
    let parts = |first: f64, load: f64| {
        vec![
            Subpart { part: SubpartKind::TimeToFirstByte, millis: first },
            Subpart { part: SubpartKind::ResourceLoadDuration, millis: load },
        ]
    };
    let causes = BottleneckCauses { subparts: parts(900.0, 4100.0), ..BottleneckCauses::default() };
    assert_eq!(only_advice(&[lcp(&slow, causes)]).rule, AdviceRule::HeavyResource);
    // Few visits give no advice.
    let few = tally(Metric::Lcp, [5000; 99]);
    let causes = BottleneckCauses { subparts: parts(900.0, 4100.0), ..BottleneckCauses::default() };
    assert_eq!(advise(&[lcp(&few, causes)]), []);
}

#[test]
fn slow_origin_is_advised_only_when_cache_misses_do_not_explain_it() {
    let (hits, misses) = (tally(Metric::Lcp, [2000; 200]), tally(Metric::Lcp, [6000; 200]));
    let all = tally(Metric::Lcp, [2000; 200].into_iter().chain([6000; 200]));
    let subparts = vec![Subpart { part: SubpartKind::TimeToFirstByte, millis: 4000.0 }];
    let by_cache = vec![(CacheStatus::Hit, &hits), (CacheStatus::Miss, &misses)];
    let cached = BottleneckCauses { subparts: subparts.clone(), by_cache, ..BottleneckCauses::default() };
    assert_eq!(only_advice(&[lcp(&all, cached)]).rule, AdviceRule::CacheMisses);
    let uncached = BottleneckCauses { subparts, ..BottleneckCauses::default() };
    assert_eq!(only_advice(&[lcp(&all, uncached)]).rule, AdviceRule::SlowOrigin);
}

#[test]
fn a_slow_query_gains_at_most_what_the_page_loses() {
    let slow = tally(Metric::Lcp, [2600; 300]);
    let query = |p95, n| BackendQueryCost { name: "products by tag", n, p95, seconds_over: 900.0 };
    let causes = |query| BottleneckCauses { queries: vec![query], ..BottleneckCauses::default() };
    let given = only_advice(&[lcp(&slow, causes(query(612.0, 3000)))]);
    assert_eq!(given.rule, AdviceRule::SlowQuery);
    assert!((given.gain.unwrap() - 30.0).abs() < 8.0, "{given:?}");
    assert_eq!(advise(&[lcp(&slow, causes(query(250.0, 3000)))]), [], "at its target");
    assert_eq!(advise(&[lcp(&slow, causes(query(612.0, 49)))]), [], "too few runs");
}

#[test]
fn layout_shifts_and_back_forward_views_have_their_own_rules() {
    let shifting = tally(Metric::Cls, [3000; 150]);
    let causes = BottleneckCauses {
        culprits: vec![Culprit { name: "#banner", visits: 140 }],
        ..BottleneckCauses::default()
    };
    let given = only_advice(&[page_metric("/", Metric::Cls, 1000, &shifting, causes)]);
    assert_eq!((given.rule, given.gain), (AdviceRule::ShiftingElement, None));
    assert!(given.finding.contains("`#banner` shifts in 140 of 150 visits over budget"), "{}", given.finding);

    let slow = tally(Metric::Lcp, [4500; 1000]);
    let back = |loaded, restored| BottleneckCauses {
        back_forward: Some(BackForwardViews { loaded, restored }),
        ..BottleneckCauses::default()
    };
    let given = only_advice(&[lcp(&slow, back(180, 20))]);
    assert_eq!(given.rule, AdviceRule::BackForwardCache);
    assert!((given.gain.unwrap() - 360.0).abs() < 8.0, "{given:?}");
    assert_eq!(advise(&[lcp(&slow, back(90, 110))]), []);
}

#[test]
fn the_greatest_gain_comes_first() {
    let (slow, slower) = (tally(Metric::Lcp, [3000; 200]), tally(Metric::Lcp, [9000; 200]));
    let late = || BottleneckCauses {
        subparts: vec![Subpart { part: SubpartKind::ResourceLoadDelay, millis: 2000.0 }],
        ..BottleneckCauses::default()
    };
    let given = advise(&[
        page_metric("/a", Metric::Lcp, 2500, &slow, late()),
        page_metric("/b", Metric::Lcp, 2500, &slower, late()),
    ]);
    assert_eq!(given.iter().map(|one| one.route.as_str()).collect::<Vec<_>>(), ["/b", "/a"]);
}
