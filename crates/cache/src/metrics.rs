//! Metrics of the cache: hits by lifetime class, the age of served responses, the most requested keys, and
//! the propagation time of purges. Their size is bounded, and they can be merged.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};
use sketch::space_saving::{Counter, SpaceSaving};
use wire::sorting::SortSlice;

use crate::cache_status::LookupOutcome;

/// The metrics of one period.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheMetrics {
    /// Responses by lifetime class.
    pub classes: BTreeMap<LifetimeClass, HitCounts>,
    /// Hits by age in seconds.
    pub ages: Log2Histogram,
    /// Purges by their propagation time to this isolate, in milliseconds.
    #[serde(rename = "lags")]
    pub purge_lags: Log2Histogram,
    /// The most requested keys.
    pub keys: HotKeys,
    /// Purges for writes that were refused, because there were too many.
    #[serde(default, rename = "refused", skip_serializing_if = "is_zero")]
    pub refused_purges: u64,
    /// The requests of visitors by the codings that they accept, in the form of the key: at most eight.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub codings: BTreeMap<String, u64>,
}

/// A class of freshness lifetimes, named like the classes of `ttl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LifetimeClass {
    /// Up to 1 minute.
    Short,
    /// Up to 5 minutes.
    Medium,
    /// Up to 10 minutes.
    Long,
    /// More than 10 minutes.
    VeryLong,
}

/// Counts of responses by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HitCounts {
    /// Served fresh.
    pub hits: u64,
    /// Served stale.
    pub stale: u64,
    /// Fetched from the origin or validated by it.
    pub misses: u64,
}

/// A histogram of integers with the buckets 0, 1, 2 to 3, 4 to 7 and so on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log2Histogram(Vec<u64>);

/// The most requested keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "BTreeMap<String, KeyCount>")]
pub struct HotKeys(SpaceSaving);

/// The number of requests of a key, with its error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyCount {
    /// An upper bound of the count.
    pub n: u64,
    /// The largest possible error: the count is at least `n - overcount`.
    #[serde(rename = "over")]
    pub overcount: u64,
}

impl CacheMetrics {
    /// Records a response with its lifetime and age in seconds.
    pub fn record_response(&mut self, outcome: LookupOutcome, lifetime: u64, age: u64, key: &str) {
        let counts = self.classes.entry(LifetimeClass::from_seconds(lifetime)).or_default();
        let count = match outcome {
            LookupOutcome::Hit => &mut counts.hits,
            LookupOutcome::Stale => &mut counts.stale,
            LookupOutcome::Miss(_) | LookupOutcome::Revalidated => &mut counts.misses,
            LookupOutcome::Bypass => return,
        };
        *count = count.saturating_add(1);
        if matches!(outcome, LookupOutcome::Hit | LookupOutcome::Stale) {
            self.ages.add(age, 1);
        }
        self.keys.add(key);
    }

    /// Records the codings that a visitor accepts, in the form of the key.
    pub fn record_codings(&mut self, codings: &str) {
        match self.codings.get_mut(codings) {
            Some(count) => *count = count.saturating_add(1),
            None => drop(self.codings.insert(codings.to_owned(), 1)),
        }
    }

    /// Returns the codings that at least a tenth of the visitors accept, the most frequent first: their variants are
    /// worth warming.
    #[must_use]
    pub fn frequent_codings(&self) -> Vec<String> {
        let total = self.codings.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
        let mut frequent: Vec<(&String, u64)> = self
            .codings
            .iter()
            .map(|(codings, count)| (codings, *count))
            .filter(|(_, count)| count.saturating_mul(MIN_CODINGS_SHARE) >= total)
            .collect();
        frequent.order_by_key(|(_, count)| std::cmp::Reverse(*count));
        frequent.into_iter().map(|(codings, _)| codings.clone()).collect()
    }

    /// Adds the metrics of another isolate or another period.
    pub fn merge(&mut self, other: &Self) {
        for (class, counts) in &other.classes {
            let own = self.classes.entry(*class).or_default();
            own.hits = own.hits.saturating_add(counts.hits);
            own.stale = own.stale.saturating_add(counts.stale);
            own.misses = own.misses.saturating_add(counts.misses);
        }
        self.ages.merge(&other.ages);
        self.purge_lags.merge(&other.purge_lags);
        self.keys.merge(&other.keys);
        self.refused_purges = self.refused_purges.saturating_add(other.refused_purges);
        for (codings, count) in &other.codings {
            let own = self.codings.entry(codings.clone()).or_default();
            *own = own.saturating_add(*count);
        }
    }

    /// Returns true if nothing was recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl LifetimeClass {
    /// Returns the class of a lifetime in seconds.
    #[must_use]
    pub const fn from_seconds(lifetime: u64) -> Self {
        match lifetime {
            0..=60 => Self::Short,
            61..=300 => Self::Medium,
            301..=600 => Self::Long,
            _ => Self::VeryLong,
        }
    }

    /// Returns the name of the class, as in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Medium => "medium",
            Self::Long => "long",
            Self::VeryLong => "very_long",
        }
    }
}

impl Log2Histogram {
    /// Adds a number `times` times.
    pub fn add(&mut self, number: u64, times: u64) {
        let index = (u64::BITS - number.leading_zeros()) as usize;
        if self.0.len() <= index {
            self.0.resize(index + 1, 0);
        }
        if let Some(count) = self.0.get_mut(index) {
            *count = count.saturating_add(times);
        }
    }

    /// Returns the non-empty buckets: the inclusive lower bound, the exclusive upper bound and the count.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        let bounds = |index: u32| match index {
            0 => (0, 1),
            _ => (1_u64 << (index - 1), 1_u64.checked_shl(index).unwrap_or(u64::MAX)),
        };
        let all = (0_u32..).zip(&self.0).filter(|(_, n)| **n > 0);
        all.map(move |(index, n)| {
            let (from, below) = bounds(index);
            (from, below, *n)
        })
    }

    /// Returns the number of recorded values.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }

    fn merge(&mut self, other: &Self) {
        // A deserialized histogram may have more buckets than 64-bit numbers can fill.
        for ((from, _, n), _) in other.buckets().zip(0..=u64::BITS) {
            self.add(from, n);
        }
    }
}

impl HotKeys {
    /// Counts one request of a key.
    pub fn add(&mut self, key: &str) {
        self.0.record(truncate_key(key), MAX_KEYS);
    }

    /// Returns the most requested keys, in descending order.
    #[must_use]
    pub fn top(&self, limit: usize) -> Vec<(&str, KeyCount)> {
        let top = self.0.top_by(limit, |counter| counter.upper_bound);
        top.into_iter().map(|(key, counter)| (key, counter.into())).collect()
    }

    /// Adds the counts of another isolate or another period.
    fn merge(&mut self, other: &Self) {
        self.0.merge(&other.0, MAX_KEYS);
    }
}

impl From<BTreeMap<String, KeyCount>> for HotKeys {
    fn from(stored: BTreeMap<String, KeyCount>) -> Self {
        let counter = |KeyCount { n, overcount }| Counter { upper_bound: n, error: overcount };
        Self(stored.into_iter().map(|(key, count)| (key, counter(count))).collect())
    }
}

impl Serialize for HotKeys {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, counter)| (key, KeyCount::from(counter))))
    }
}

impl From<Counter> for KeyCount {
    fn from(Counter { upper_bound, error }: Counter) -> Self {
        Self { n: upper_bound, overcount: error }
    }
}

const fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn truncate_key(name: &str) -> &str {
    let mut end = MAX_KEY_BYTES.min(name.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or(name)
}

/// The number of counters. Every key with more than 1/200 of all requests is among them.
pub const MAX_KEYS: usize = 200;
const MAX_KEY_BYTES: usize = 256;
/// Codings are frequent if one in so many visitors accepts them.
const MIN_CODINGS_SHARE: u64 = 10;
