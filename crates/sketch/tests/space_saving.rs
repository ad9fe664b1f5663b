//! Space-Saving against exact counts.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sketch::space_saving::{Counter, SpaceSaving};

const CAPACITY: usize = 10;

fn count(names: &[u8]) -> (SpaceSaving, BTreeMap<String, u64>) {
    let (mut table, mut exact) = (SpaceSaving::default(), BTreeMap::new());
    for name in names {
        table.record(&name.to_string(), CAPACITY);
        *exact.entry(name.to_string()).or_insert(0) += 1;
    }
    (table, exact)
}

fn check(table: &SpaceSaving, exact: &BTreeMap<String, u64>, total: usize) -> Result<(), TestCaseError> {
    prop_assert!(table.len() <= CAPACITY);
    for (name, counter) in table.iter() {
        let truth = exact.get(name).copied().unwrap_or(0);
        prop_assert!(
            counter.lower_bound() <= truth && truth <= counter.upper_bound,
            "{name}: {counter:?} of {truth}"
        );
    }
    for (name, truth) in exact {
        let has_counter = table.iter().any(|(other, _)| other == name);
        prop_assert!(
            has_counter || *truth as usize * CAPACITY <= total,
            "{name} occurred {truth} of {total} times"
        );
    }
    Ok(())
}

fn skewed_names() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![2 => 0..5_u8, 1 => any::<u8>()], 0..400)
}

proptest! {
    #[test]
    fn counters_bound_the_exact_counts_and_frequent_names_have_one(names in skewed_names()) {
        let (table, exact) = count(&names);
        check(&table, &exact, names.len())?;
    }

    #[test]
    fn merged_counters_bound_the_exact_counts_of_both_streams(a in skewed_names(), b in skewed_names()) {
        let ((mut table, mut exact), (other, more)) = (count(&a), count(&b));
        table.merge(&other, CAPACITY);
        more.into_iter().for_each(|(name, n)| *exact.entry(name).or_insert(0) += n);
        check(&table, &exact, a.len() + b.len())?;
    }
}

#[test]
fn a_flood_of_names_evicts_no_frequent_name() {
    let mut table = SpaceSaving::default();
    for flood in 0..10_000 {
        table.record(&format!("/random/{flood}"), 20);
        if flood % 10 == 0 {
            table.record("/home", 20);
        }
        if flood % 15 == 0 {
            table.record("/cart", 20);
        }
    }
    let top: Vec<&str> = table.top_by(2, Counter::lower_bound).into_iter().map(|(name, _)| name).collect();
    assert_eq!((table.len(), top), (20, vec!["/home", "/cart"]));
}

#[test]
fn names_that_stop_occurring_decay_to_nothing() {
    let mut table = SpaceSaving::default();
    (0..100).for_each(|_| table.record("/sale", CAPACITY));
    (0..7).for_each(|_| table.decay());
    assert!(table.is_empty());
}

#[test]
fn equal_ranks_are_ordered_by_name() {
    let (table, _) = count(&[3, 1, 2, 1]);
    let top: Vec<&str> =
        table.top_by(9, |counter| counter.upper_bound).into_iter().map(|(name, _)| name).collect();
    assert_eq!(top, ["1", "2", "3"]);
}

#[test]
fn counters_survive_a_round_trip_through_their_owners_format() {
    let (table, _) = count(&[1, 1, 2]);
    assert_eq!(
        table.iter().map(|(name, counter)| (name.to_owned(), counter)).collect::<SpaceSaving>(),
        table
    );
}
