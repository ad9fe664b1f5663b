//! What follows what: whatever is seen, the table stays in its bounds, a count is never too low, what is
//! gone much is found, and what random addresses do to it is little.

use std::collections::BTreeMap;

use cache::predict::{MOST_PAGES, MOST_WAYS, Transitions};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_is_seen_the_table_stays_in_its_bounds(
        all in prop::collection::vec((0_u32..2000, 0_u32..2000, 0_u32..5), 0..1500),
    ) {
        let mut seen = Transitions::default();
        all.iter().for_each(|(from, to, times)| seen.saw(&format!("/{from}"), &format!("/{to}"), *times));
        let mut twice = seen.clone();
        twice.merge(&seen);
        twice.age();
        for table in [&seen, &twice] {
            let (pages, ways) = table.size();
            prop_assert!(pages <= MOST_PAGES && ways <= pages * MOST_WAYS);
        }
    }

    #[test]
    fn with_few_ways_the_shares_are_exact(
        ways in prop::collection::vec((0_usize..MOST_WAYS, 1_u32..20), 3..60),
    ) {
        let mut seen = Transitions::default();
        let mut exact: BTreeMap<String, u32> = BTreeMap::new();
        for (to, times) in &ways {
            seen.saw("/", &format!("/{to}"), *times);
            *exact.entry(format!("/{to}")).or_default() += times;
        }
        let all: u32 = exact.values().sum();
        let likely = seen.likely("/", 0.0, MOST_WAYS);
        prop_assert_eq!(likely.len(), exact.len());
        for (to, share) in &likely {
            prop_assert!((share - f64::from(exact[*to]) / f64::from(all)).abs() < 1e-9);
        }
        prop_assert!(likely.windows(2).all(|pair| pair[0].1 >= pair[1].1));
    }

    #[test]
    fn a_way_that_is_gone_more_than_one_time_in_eight_is_found_among_any_others(
        noise in prop::collection::vec(0_u32..10_000, 40..400),
        every in 2_usize..5,
    ) {
        let mut seen = Transitions::default();
        let mut least = 0.0;
        for (index, to) in noise.iter().enumerate() {
            seen.saw("/", &format!("/random/{to}"), 1);
            if index % every == 0 {
                seen.saw("/", "/much", 1);
            }
            least = (index / every) as f64;
        }
        // It is there, and the shares of all never come to more than there was.
        let likely = seen.likely("/", 0.0, MOST_WAYS);
        prop_assert!(least < 1.0 || likely.iter().any(|(to, _)| *to == "/much"));
        prop_assert!(likely.iter().map(|(_, share)| share).sum::<f64>() <= 1.0 + 1e-9);
    }
}

#[test]
fn one_visitor_makes_no_prediction() {
    let mut seen = Transitions::default();
    (0..2).for_each(|_| seen.saw("/", "/a", 1));
    assert!(seen.likely("/", 0.1, 3).is_empty());
    seen.saw("/", "/a", 1);
    assert_eq!(seen.likely("/", 0.1, 3), [("/a", 1.0)]);
    assert_eq!(seen.likeliest(0.1, 3), ["/a"]);
}

#[test]
fn random_addresses_displace_no_page_that_is_left_often() {
    let mut seen = Transitions::default();
    (0..50).for_each(|_| seen.saw("/", "/a", 1));
    (0..100_000).for_each(|index| seen.saw(&format!("/random/{index}"), "/x", 1));
    assert_eq!(seen.likely("/", 0.5, 1), [("/a", 1.0)]);
    seen.saw(&"/x".repeat(300), "/a", 1);
    assert_eq!(seen.size().0, MOST_PAGES);
}

#[test]
fn what_was_long_ago_is_forgotten_by_halves() {
    let mut seen = Transitions::default();
    (0..8).for_each(|_| seen.saw("/", "/old", 1));
    seen.age();
    (0..12).for_each(|_| seen.saw("/", "/new", 1));
    assert_eq!(seen.likely("/", 0.1, 3), [("/new", 0.75), ("/old", 0.25)]);
    (0..5).for_each(|_| seen.age());
    assert!(seen.is_empty());
}

#[test]
fn what_version_1_has_stored_is_read_for_ever() {
    let mut seen = Transitions::default();
    seen.saw("a.example/", "https://a.example/b", 2);
    let stored = r#"{"a.example/":{"n":2,"to":[{"to":"https://a.example/b","n":2,"over":0}]}}"#;
    assert_eq!(serde_json::from_str::<Transitions>(stored).unwrap(), seen);
    assert_eq!(serde_json::to_string(&seen).unwrap(), stored);
}
