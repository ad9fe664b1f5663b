//! Metrics of the cache: merging, histogram buckets, and the most requested keys.

use std::collections::BTreeMap;

use cache::metrics::{CacheMetrics, LifetimeClass, MAX_KEYS};
use cache::{LookupOutcome, MissReason, SharedState};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn merged_parts_equal_the_whole(
        responses in prop::collection::vec((0_usize..4, 0_u64..5000, 0_u64..5000, 0_usize..50), 0..200),
    ) {
        let outcomes = [LookupOutcome::Hit, LookupOutcome::Stale, LookupOutcome::Miss(MissReason::Uri), LookupOutcome::Bypass];
        let (mut whole, mut parts) = (CacheMetrics::default(), [CacheMetrics::default(), CacheMetrics::default()]);
        for (index, (outcome, lifetime, age, key)) in responses.iter().enumerate() {
            whole.record_response(outcomes[*outcome], *lifetime, *age, &format!("/{key}"));
            parts[index % 2].record_response(outcomes[*outcome], *lifetime, *age, &format!("/{key}"));
            whole.purge_lags.add(*age, 1);
            parts[index % 2].purge_lags.add(*age, 1);
            whole.refused_purges += *age;
            parts[index % 2].refused_purges += *age;
        }
        let [mut sum, other] = parts;
        sum.merge(&serde_json::from_str(&serde_json::to_string(&other).unwrap()).unwrap());
        prop_assert_eq!(&sum.classes, &whole.classes);
        prop_assert_eq!(&sum.ages, &whole.ages);
        prop_assert_eq!(&sum.purge_lags, &whole.purge_lags);
        prop_assert_eq!(sum.refused_purges, whole.refused_purges);
        prop_assert_eq!(sum.keys.top(99), whole.keys.top(99));
    }

    #[test]
    fn key_counts_are_upper_bounds_within_their_error(
        others in prop::collection::vec(0_u32..1000, 0..4000), frequent in 0_usize..3000,
    ) {
        let mut exact: BTreeMap<String, u64> = BTreeMap::new();
        let mut parts = [CacheMetrics::default(), CacheMetrics::default()];
        for (index, key) in others.iter().map(|key| format!("/{key}")).chain((0..frequent).map(|_| "/frequent".into())).enumerate() {
            parts[index % 2].record_response(LookupOutcome::Hit, 1, 1, &key);
            *exact.entry(key).or_default() += 1;
        }
        let [mut sum, other] = parts;
        sum.merge(&other);
        let top = sum.keys.top(usize::MAX);
        prop_assert!(top.len() <= MAX_KEYS);
        for (key, count) in &top {
            let exact = exact.get(*key).copied().unwrap_or(0);
            prop_assert!(count.n >= exact && count.n - count.overcount <= exact, "{key}: {count:?} of {exact}");
        }
        // The factor 2 accounts for the error of merging two tables.
        if frequent * MAX_KEYS > 2 * (others.len() + frequent) {
            prop_assert!(top.iter().any(|(key, _)| *key == "/frequent"));
        }
    }
}

#[test]
fn histogram_buckets_hold_each_number_once() {
    let mut metrics = CacheMetrics::default();
    for number in [0, 1, 2, 3, 4, 7, 8, 1023, 1024, u64::MAX] {
        metrics.ages.add(number, 1);
    }
    let sizes: Vec<_> = metrics.ages.buckets().collect();
    let expect = [(0, 1, 1), (1, 2, 1), (2, 4, 2), (4, 8, 2), (8, 16, 1), (512, 1024, 1), (1024, 2048, 1)];
    assert_eq!(sizes[..7], expect);
    assert_eq!(sizes[7], (1 << 63, u64::MAX, 1));
    assert_eq!(
        [60, 61, 300, 600, 601].map(LifetimeClass::from_seconds),
        [
            LifetimeClass::Short,
            LifetimeClass::Medium,
            LifetimeClass::Medium,
            LifetimeClass::Long,
            LifetimeClass::VeryLong
        ]
    );
    metrics.record_response(LookupOutcome::Hit, 1, 1, &"ä".repeat(300));
    assert!(metrics.keys.top(1)[0].0.len() <= 256);
}

#[test]
fn stored_version_1_round_trips() {
    let mut metrics = CacheMetrics::default();
    metrics.record_response(LookupOutcome::Hit, 60, 3, "https://a.example/");
    metrics.record_response(LookupOutcome::Miss(MissReason::Uri), 1800, 0, "https://a.example/b");
    metrics.purge_lags.add(250, 1);
    let stored = r#"{"classes":{"short":{"hits":1,"stale":0,"misses":0},"very_long":{"hits":0,"stale":0,"misses":1}},"ages":[0,0,1],"lags":[0,0,0,0,0,0,0,0,1],"keys":{"https://a.example/":{"n":1,"over":0},"https://a.example/b":{"n":1,"over":0}}}"#;
    assert_eq!(serde_json::from_str::<CacheMetrics>(stored).unwrap(), metrics);
    assert_eq!(serde_json::to_string(&metrics).unwrap(), stored);
}

#[test]
fn codings_of_a_tenth_of_the_visitors_are_warmed_the_most_frequent_first() {
    let mut shared = SharedState::<()>::default();
    let warmed = |shared: &SharedState<()>, of_all: Option<&CacheMetrics>| shared.codings_to_warm(of_all);
    assert_eq!(warmed(&shared, None), ["gzip, br"], "what the platform sends");
    for (sent, times) in [
        ("gzip", 3),
        ("gzip, deflate, br, zstd", 4),
        // The same in another order, and with a coding that no response has.
        ("zstd, br;q=0.9, gzip;q=0.1, x-other", 4),
        ("identity", 1),
    ] {
        for _ in 0..times {
            shared.record_codings(Some(sent));
        }
    }
    assert_eq!(warmed(&shared, None), ["zstd, br, gzip", "gzip"]);
    // Those of other isolates count as well.
    let mut of_all = CacheMetrics::default();
    (0..30).for_each(|_| of_all.record_codings(""));
    assert_eq!(warmed(&shared, Some(&of_all)), ["", "zstd, br, gzip"]);
    let restored: CacheMetrics =
        serde_json::from_str(&serde_json::to_string(&shared.metrics).unwrap()).unwrap();
    assert_eq!(restored.codings, shared.metrics.codings);
}
