//! The most frequent of an unbounded stream of names, in bounded memory (Space-Saving: Metwally, Agrawal and
//! El Abbadi, 2005). A name without a counter replaces the one with the smallest count and inherits that
//! count as its possible error. A name that makes up more than one part in `capacity` of the stream certainly
//! has a counter.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Reverse;

/// Counters of frequent names. The owner passes the capacity and stores the counters in its own format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpaceSaving(BTreeMap<String, Counter>);

/// The count of one name, bounded from both sides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// The largest possible count.
    pub upper_bound: u64,
    /// The part of `upper_bound` that may belong to other names.
    pub error: u64,
}

impl Counter {
    /// Returns the smallest possible count.
    #[must_use]
    pub const fn lower_bound(self) -> u64 {
        self.upper_bound.saturating_sub(self.error)
    }

    const fn plus(self, other: Self) -> Self {
        Self {
            upper_bound: self.upper_bound.saturating_add(other.upper_bound),
            error: self.error.saturating_add(other.error),
        }
    }

    /// The counter of a name that may have occurred up to `count` times before.
    const fn possible(count: u64) -> Self {
        Self { upper_bound: count, error: count }
    }
}

impl SpaceSaving {
    /// Counts one occurrence of a name with at most `capacity` counters.
    pub fn record(&mut self, name: &str, capacity: usize) {
        let once = Counter { upper_bound: 1, error: 0 };
        if let Some(counter) = self.0.get_mut(name) {
            *counter = counter.plus(once);
            return;
        }
        let mut before = Counter::default();
        while self.0.len() >= capacity.max(1) {
            let Some(least) = self.remove_least() else { break };
            before = Counter::possible(least.upper_bound);
        }
        self.0.insert(name.to_owned(), before.plus(once));
    }

    /// Adds the counters of another stream. A name without a counter in a full table may have occurred there
    /// as often as the table's smallest count.
    pub fn merge(&mut self, other: &Self, capacity: usize) {
        let (ours, theirs) =
            [&*self, other].map(|table| Counter::possible(table.missing_upper_bound(capacity))).into();
        for (name, counter) in &mut self.0 {
            *counter = counter.plus(other.0.get(name).copied().unwrap_or(theirs));
        }
        for (name, counter) in &other.0 {
            self.0.entry(name.clone()).or_insert_with(|| counter.plus(ours));
        }
        while self.0.len() > capacity {
            self.remove_least();
        }
    }

    /// Halves all counters, and drops names that have certainly not occurred.
    pub fn decay(&mut self) {
        for counter in self.0.values_mut() {
            let (certain, error) = (counter.lower_bound() / 2, counter.error / 2);
            *counter = Counter { upper_bound: error.saturating_add(certain), error };
        }
        self.0.retain(|_, counter| counter.lower_bound() > 0);
    }

    /// Returns up to `limit` names with the largest `rank`, in descending order; equal ranks are ordered by
    /// name.
    #[must_use]
    pub fn top_by(&self, limit: usize, rank: impl Fn(Counter) -> u64) -> Vec<(&str, Counter)> {
        let mut all: Vec<_> = self.iter().collect();
        all.sort_by_key(|(name, counter)| (Reverse(rank(*counter)), *name));
        all.truncate(limit);
        all
    }

    /// Returns all counters in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Counter)> {
        self.0.iter().map(|(name, counter)| (name.as_str(), *counter))
    }

    /// Returns the number of counters.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The largest possible count of a name without a counter.
    fn missing_upper_bound(&self, capacity: usize) -> u64 {
        if self.0.len() < capacity { 0 } else { self.least().map_or(0, |(_, least)| least.upper_bound) }
    }

    /// The first of the smallest counters.
    fn least(&self) -> Option<(&String, Counter)> {
        let least = self.0.iter().min_by_key(|(_, counter)| counter.upper_bound);
        least.map(|(name, counter)| (name, *counter))
    }

    fn remove_least(&mut self) -> Option<Counter> {
        let name = self.least()?.0.clone();
        self.0.remove(&name)
    }
}

impl FromIterator<(String, Counter)> for SpaceSaving {
    fn from_iter<T: IntoIterator<Item = (String, Counter)>>(counters: T) -> Self {
        // Collecting into a map would compile a sort for this type, which is larger than all the rest.
        let mut map = BTreeMap::new();
        map.extend(counters);
        Self(map)
    }
}
