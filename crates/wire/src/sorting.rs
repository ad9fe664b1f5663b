//! Sorting and collecting with one copy of the algorithm for all types. The sort of the standard library, which
//! collecting into its maps and sets also uses, is compiled anew for each type, and adds 4 KB to the Worker each time.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Stable sorting of a slice, as by the standard library.
pub trait SortSlice<T> {
    /// Sorts.
    fn order(&mut self)
    where
        T: Ord;

    /// Sorts by a comparison.
    fn order_by(&mut self, compare: impl Fn(&T, &T) -> Ordering);

    /// Sorts by a key.
    fn order_by_key<K: Ord>(&mut self, key: impl Fn(&T) -> K);
}

/// Collecting into the ordered containers of the standard library.
pub trait CollectOrdered: Iterator + Sized {
    /// Collects into a map; of equal keys the last counts.
    fn collect_map<K: Ord, V>(self) -> BTreeMap<K, V>
    where
        Self: Iterator<Item = (K, V)>,
    {
        let mut map = BTreeMap::new();
        map.extend(self);
        map
    }

    /// Collects into a map, unless there is an error.
    ///
    /// # Errors
    ///
    /// The first error.
    fn try_collect_map<K: Ord, V, E>(self) -> Result<BTreeMap<K, V>, E>
    where
        Self: Iterator<Item = Result<(K, V), E>>,
    {
        let mut map = BTreeMap::new();
        for entry in self {
            let (key, value) = entry?;
            map.insert(key, value);
        }
        Ok(map)
    }

    /// Collects into a set.
    fn collect_set(self) -> BTreeSet<Self::Item>
    where
        Self::Item: Ord,
    {
        let mut set = BTreeSet::new();
        set.extend(self);
        set
    }
}

impl<T> SortSlice<T> for [T] {
    fn order(&mut self)
    where
        T: Ord,
    {
        self.order_by(T::cmp);
    }

    fn order_by(&mut self, compare: impl Fn(&T, &T) -> Ordering) {
        let order = sorted_order(self.len(), &|one, other| match (self.get(one), self.get(other)) {
            (Some(one), Some(other)) => compare(one, other),
            _ => Ordering::Equal,
        });
        permute(self, order);
    }

    fn order_by_key<K: Ord>(&mut self, key: impl Fn(&T) -> K) {
        self.order_by(|one, other| key(one).cmp(&key(other)));
    }
}

impl<I: Iterator> CollectOrdered for I {}

/// Returns the present index of each item of the sorted order.
fn sorted_order(length: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..length).collect();
    order.sort_by(|one, other| compare(*one, *other));
    order
}

/// Moves the items to their order, cycle by cycle.
fn permute<T>(items: &mut [T], mut order: Vec<usize>) {
    for start in 0..order.len() {
        let mut at = start;
        while let Some(slot) = order.get_mut(at) {
            let from = std::mem::replace(slot, at);
            if from == start {
                break;
            }
            items.swap(at, from);
            at = from;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_order_is_that_of_the_standard_library(items in prop::collection::vec((0..20_u8, any::<u16>()), 0..80)) {
            let (mut stable, mut whole, mut expected) = (items.clone(), items.clone(), items.clone());
            stable.order_by_key(|item| item.0);
            expected.sort_by_key(|item| item.0);
            prop_assert_eq!(&stable, &expected, "the second parts show whether equal keys keep their order");
            whole.order();
            expected.sort();
            prop_assert_eq!(whole, expected);
            prop_assert_eq!(items.iter().copied().collect_map(), items.iter().copied().collect());
            prop_assert_eq!(items.iter().collect_set(), items.iter().collect());
        }
    }
}
