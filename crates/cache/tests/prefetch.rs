//! The table of next pages: its size is bounded, frequent transitions are found, and random URLs have little
//! effect.

use std::collections::BTreeMap;

use cache::prefetch::{MAX_NEXT_PAGES, MAX_SOURCE_PAGES, MarkovTable};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_table_stays_within_its_bounds(
        navigations in prop::collection::vec((0_u32..2000, 0_u32..2000, 0_u32..5), 0..1500),
    ) {
        let mut table = MarkovTable::default();
        navigations.iter().for_each(|(from, to, times)| table.record(&format!("/{from}"), &format!("/{to}"), *times));
        let mut merged = table.clone();
        merged.merge(&table);
        merged.decay();
        for table in [&table, &merged] {
            let (pages, transitions) = table.size();
            prop_assert!(pages <= MAX_SOURCE_PAGES && transitions <= pages * MAX_NEXT_PAGES);
        }
    }

    #[test]
    fn the_shares_of_few_transitions_are_exact(
        transitions in prop::collection::vec((0_usize..MAX_NEXT_PAGES, 1_u32..20), 3..60),
    ) {
        let mut table = MarkovTable::default();
        let mut exact: BTreeMap<String, u32> = BTreeMap::new();
        for (to, times) in &transitions {
            table.record("/", &format!("/{to}"), *times);
            *exact.entry(format!("/{to}")).or_default() += times;
        }
        let total: u32 = exact.values().sum();
        let likely = table.likely_next("/", 0.0, MAX_NEXT_PAGES);
        prop_assert_eq!(likely.len(), exact.len());
        for (to, share) in &likely {
            prop_assert!((share - f64::from(exact[*to]) / f64::from(total)).abs() < 1e-9);
        }
        prop_assert!(likely.windows(2).all(|pair| pair[0].1 >= pair[1].1));
    }

    #[test]
    fn a_transition_with_more_than_an_eighth_of_the_navigations_is_found(
        noise in prop::collection::vec(0_u32..10_000, 40..400),
        every in 2_usize..5,
    ) {
        let mut table = MarkovTable::default();
        let mut least = 0.0;
        for (index, to) in noise.iter().enumerate() {
            table.record("/", &format!("/random/{to}"), 1);
            if index % every == 0 {
                table.record("/", "/frequent", 1);
            }
            least = (index / every) as f64;
        }
        // It is found, and the shares never exceed 1 in total.
        let likely = table.likely_next("/", 0.0, MAX_NEXT_PAGES);
        prop_assert!(least < 1.0 || likely.iter().any(|(to, _)| *to == "/frequent"));
        prop_assert!(likely.iter().map(|(_, share)| share).sum::<f64>() <= 1.0 + 1e-9);
    }
}

#[test]
fn too_few_visits_make_no_prediction() {
    let mut table = MarkovTable::default();
    (0..2).for_each(|_| table.record("/", "/a", 1));
    assert!(table.likely_next("/", 0.1, 3).is_empty());
    table.record("/", "/a", 1);
    assert_eq!(table.likely_next("/", 0.1, 3), [("/a", 1.0)]);
    assert_eq!(table.most_likely_pages(0.1, 3), ["/a"]);
}

#[test]
fn random_urls_do_not_evict_frequent_pages() {
    let mut table = MarkovTable::default();
    (0..50).for_each(|_| table.record("/", "/a", 1));
    (0..100_000).for_each(|index| table.record(&format!("/random/{index}"), "/x", 1));
    assert_eq!(table.likely_next("/", 0.5, 1), [("/a", 1.0)]);
    table.record(&"/x".repeat(300), "/a", 1);
    assert_eq!(table.size().0, MAX_SOURCE_PAGES);
}

#[test]
fn decay_halves_old_counts() {
    let mut table = MarkovTable::default();
    (0..8).for_each(|_| table.record("/", "/old", 1));
    table.decay();
    (0..12).for_each(|_| table.record("/", "/new", 1));
    assert_eq!(table.likely_next("/", 0.1, 3), [("/new", 0.75), ("/old", 0.25)]);
    (0..5).for_each(|_| table.decay());
    assert!(table.is_empty());
}

#[test]
fn stored_version_1_round_trips() {
    let mut table = MarkovTable::default();
    table.record("a.example/", "https://a.example/b", 2);
    let stored = r#"{"a.example/":{"n":2,"to":[{"to":"https://a.example/b","n":2,"over":0}]}}"#;
    assert_eq!(serde_json::from_str::<MarkovTable>(stored).unwrap(), table);
    assert_eq!(serde_json::to_string(&table).unwrap(), stored);
}
