//! What is seen of the cache beside its answers' records: hits by class of lifetime, how old answers are
//! when they are served, which keys are asked for most, and how long a purge takes to be known. All of it
//! bounded, and summed up wherever it comes together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};
use sketch::space_saving::{Counter, SpaceSaving};

use crate::cache_status::LookupOutcome;

/// What was seen in some span of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheMetrics {
    /// Answers by class of lifetime.
    pub classes: BTreeMap<LifetimeClass, HitCounts>,
    /// Hits by their age, in seconds.
    pub ages: Log2Histogram,
    /// Purges by how long after them they were known here, in milliseconds.
    #[serde(rename = "lags")]
    pub purge_lags: Log2Histogram,
    /// The keys that are asked for most.
    pub keys: HotKeys,
}

/// How long an answer is fresh. The words are those of `ttl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LifetimeClass {
    /// Up to a minute.
    Short,
    /// Up to five.
    Medium,
    /// Up to ten.
    Long,
    /// Longer.
    VeryLong,
}

/// What the cache did, so often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HitCounts {
    /// Served fresh.
    pub hits: u64,
    /// Served stale.
    pub stale: u64,
    /// Asked of the origin.
    pub misses: u64,
}

/// Numbers by their size: how many are 0, 1, 2 to 3, 4 to 7 and so on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log2Histogram(Vec<u64>);

/// The most requested keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "BTreeMap<String, KeyCount>")]
pub struct HotKeys(SpaceSaving);

/// How often, and by how much that may be too high.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyCount {
    /// So often at most.
    pub n: u64,
    /// So often less at least.
    #[serde(rename = "over")]
    pub overcount: u64,
}

impl CacheMetrics {
    /// An answer of that lifetime and age, in seconds.
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

    /// Adds what was seen elsewhere, or at another time.
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
    }

    /// Whether nothing was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl LifetimeClass {
    /// Of so many seconds.
    #[must_use]
    pub const fn from_seconds(lifetime: u64) -> Self {
        match lifetime {
            0..=60 => Self::Short,
            61..=300 => Self::Medium,
            301..=600 => Self::Long,
            _ => Self::VeryLong,
        }
    }

    /// Its word.
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
    /// Adds a number, so many times.
    pub fn add(&mut self, number: u64, times: u64) {
        let index = (u64::BITS - number.leading_zeros()) as usize;
        if self.0.len() <= index {
            self.0.resize(index + 1, 0);
        }
        if let Some(count) = self.0.get_mut(index) {
            *count = count.saturating_add(times);
        }
    }

    /// Each size that there is: its least number, the one above its largest, and how many.
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

    /// How many.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }

    fn merge(&mut self, other: &Self) {
        // What comes from elsewhere may be longer than any that is made here.
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

    /// Adds the counts of another isolate or another time.
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

fn truncate_key(name: &str) -> &str {
    let mut end = MAX_KEY_BYTES.min(name.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or(name)
}

/// A name with more than one in so many of all is among them for certain.
pub const MAX_KEYS: usize = 200;
const MAX_KEY_BYTES: usize = 256;
