//! Any quantile of a metric from a few hundred bytes: a log-linear histogram of wire integers.
//! Sketches merge exactly, in any order, to the same bytes on every machine, because there is not
//! one float in here. Which verdict follows from the counts is the budget's business; which
//! window a sketch belongs to is the ledger's.
//!
//! Two values that share a bucket differ by less than 1/64 (1.5625 %) of the smaller one, so no
//! quantile is further off than that. Every threshold is the upper edge of a bucket, so the good
//! and poor shares are exact.

#![no_std]

extern crate alloc;

mod bucket;
mod encoding;
pub mod stable_hash;

use alloc::vec::Vec;
use core::fmt;

use bucket::BucketIndex;
pub use bucket::SketchBucket;
pub use encoding::SketchDecodeError;
use wire::{Metric, Thresholds};

/// The distribution of one metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sketch {
    metric: Metric,
    /// The index of the first count. Zero while there are none.
    first_index: BucketIndex,
    /// One count for each bucket from `first` on. The outermost two are never zero, so that equal
    /// distributions are equal sketches.
    counts: Vec<u64>,
}

/// How many values are certainly, and at most, within a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountBounds {
    /// Values in buckets that lie wholly within the limit.
    pub at_least: u64,
    /// These, and those in the bucket that the limit cuts.
    pub at_most: u64,
}

/// Exactly how many values are good, need improvement and are poor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RatingCounts {
    /// At most the good threshold.
    pub good: u64,
    /// Between the thresholds.
    pub needs_improvement: u64,
    /// Above the poor threshold.
    pub poor: u64,
}

/// What a sketch will not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SketchError {
    /// Merge the values of another metric.
    MetricMismatch {
        /// What this sketch measures.
        ours: Metric,
        /// What the other one does.
        theirs: Metric,
    },
    /// Take out what was never put in.
    NotInserted {
        /// The value that was to go.
        value: u32,
        /// How many of its bucket there are.
        present: u64,
        /// How many were to go.
        removed: u64,
    },
}

impl Sketch {
    /// An empty sketch.
    #[must_use]
    pub const fn new(metric: Metric) -> Self {
        Self { metric, first_index: 0, counts: Vec::new() }
    }

    /// What is measured.
    #[must_use]
    pub const fn metric(&self) -> Metric {
        self.metric
    }

    /// Counts a value, in wire units, `weight` times. A count stops at [`FULL`] rather than wrap.
    pub fn insert(&mut self, value: u32, weight: u64) {
        self.add(bucket::index_of(value), weight);
    }

    /// Takes a value back out: a later report of the same view replaces an earlier one.
    ///
    /// # Errors
    /// Refuses, and changes nothing, when its bucket holds less than that.
    pub fn remove(&mut self, value: u32, weight: u64) -> Result<(), SketchError> {
        let place = bucket::index_of(value).checked_sub(self.first_index);
        match place.and_then(|place| self.counts.get_mut(usize::from(place))) {
            Some(count) if *count >= weight => *count -= weight,
            _ if weight == 0 => {}
            found => {
                let present = found.map_or(0, |count| *count);
                return Err(SketchError::NotInserted { value, present, removed: weight });
            }
        }
        self.trim();
        Ok(())
    }

    /// Adds everything that another sketch of the same metric has counted.
    ///
    /// # Errors
    /// Refuses, and changes nothing, when the other one is of another metric.
    pub fn merge(&mut self, other: &Self) -> Result<(), SketchError> {
        if self.metric != other.metric {
            return Err(SketchError::MetricMismatch { ours: self.metric, theirs: other.metric });
        }
        if let Some(last) = other.last_index() {
            self.extend_to(other.first_index);
            self.extend_to(last);
            let start = usize::from(other.first_index - self.first_index);
            for (ours, theirs) in self.counts.iter_mut().skip(start).zip(&other.counts) {
                *ours = saturating_sum(*ours, *theirs);
            }
        }
        Ok(())
    }

    /// Takes out everything that another sketch has counted, which was merged in before. A count stops at
    /// nothing.
    ///
    /// # Errors
    /// Refuses, and changes nothing, when the other one is of another metric.
    pub fn subtract(&mut self, other: &Self) -> Result<(), SketchError> {
        if self.metric != other.metric {
            return Err(SketchError::MetricMismatch { ours: self.metric, theirs: other.metric });
        }
        other.indexed_counts().for_each(|(index, count)| self.decrement(index, count));
        self.trim();
        Ok(())
    }

    /// How many values were counted.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.counts.iter().fold(0, |n, count| n.saturating_add(*count))
    }

    /// The bucket of the nearest-rank percentile: the smallest value that at least `percent` of a
    /// hundred values do not exceed. None when there are no values.
    #[must_use]
    pub fn percentile(&self, percent: u8) -> Option<SketchBucket> {
        let hundredths = u128::from(self.n()) * u128::from(percent.min(100));
        self.at_rank(u64::try_from(hundredths.div_ceil(100)).unwrap_or(u64::MAX).max(1))
    }

    /// The bucket of the value of that rank, counted from 1 in ascending order.
    #[must_use]
    pub fn at_rank(&self, rank: u64) -> Option<SketchBucket> {
        let mut below = 0_u64;
        let (index, _) = self.indexed_counts().find(|(_, count)| {
            below = below.saturating_add(*count);
            below >= rank
        })?;
        (rank > 0).then(|| bucket::from_index(index))
    }

    /// How many values are at most `limit`. Exact when the limit is on a bucket's edge, as every
    /// threshold is.
    #[must_use]
    pub fn within(&self, limit: u32) -> CountBounds {
        let mut within = CountBounds { at_least: 0, at_most: 0 };
        for (bucket, count) in self.buckets().take_while(|(bucket, _)| bucket.low <= limit) {
            within.at_most = within.at_most.saturating_add(count);
            if bucket.high <= limit {
                within.at_least = within.at_least.saturating_add(count);
            }
        }
        within
    }

    /// How many values earn each rating, exactly.
    #[must_use]
    pub fn ratings(&self) -> RatingCounts {
        let Thresholds { good, poor } = self.metric.thresholds();
        let good = self.within(self.wire_units(good)).at_least;
        let not_poor = self.within(self.wire_units(poor)).at_least;
        RatingCounts { good, needs_improvement: not_poor - good, poor: self.n() - not_poor }
    }

    /// The buckets that hold anything, in ascending order, each with its count.
    pub fn buckets(&self) -> impl Iterator<Item = (SketchBucket, u64)> {
        self.indexed_counts().map(|(index, count)| (bucket::from_index(index), count))
    }

    fn indexed_counts(&self) -> impl Iterator<Item = (BucketIndex, u64)> {
        (self.first_index..).zip(self.counts.iter().copied()).filter(|(_, count)| *count > 0)
    }

    fn add(&mut self, index: BucketIndex, weight: u64) {
        if weight == 0 {
            return;
        }
        self.extend_to(index);
        if let Some(count) = self.counts.get_mut(usize::from(index - self.first_index)) {
            *count = saturating_sum(*count, weight);
        }
    }

    /// Takes out of a bucket, which leaves the sketch to be trimmed.
    fn decrement(&mut self, index: BucketIndex, weight: u64) {
        let place = index.checked_sub(self.first_index);
        if let Some(count) = place.and_then(|place| self.counts.get_mut(usize::from(place))) {
            *count = count.saturating_sub(weight);
        }
    }

    fn last_index(&self) -> Option<BucketIndex> {
        let beyond = self.counts.len().checked_sub(1)?;
        Some(self.first_index + BucketIndex::try_from(beyond).ok()?)
    }

    /// Makes room, so that the bucket of that index has a count.
    fn extend_to(&mut self, index: BucketIndex) {
        if self.counts.is_empty() {
            self.first_index = index;
        }
        if index < self.first_index {
            let missing = usize::from(self.first_index - index);
            self.counts.splice(..0, core::iter::repeat_n(0, missing));
            self.first_index = index;
        }
        let needed = usize::from(index - self.first_index) + 1;
        if needed > self.counts.len() {
            self.counts.resize(needed, 0);
        }
    }

    fn trim(&mut self) {
        let used = self.counts.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        self.counts.truncate(used);
        let unused = self.counts.iter().take_while(|count| **count == 0).count();
        self.counts.drain(..unused);
        self.first_index = match self.counts.len() {
            0 => 0,
            _ => self.first_index + BucketIndex::try_from(unused).unwrap_or(0),
        };
    }

    /// A threshold as the integer that crosses the wire; every one is whole in wire units.
    fn wire_units(&self, threshold: f64) -> u32 {
        (threshold * self.metric.wire_scale() + 0.5) as u32
    }
}

impl fmt::Display for SketchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MetricMismatch { ours, theirs } => {
                write!(f, "a sketch of {} cannot take in one of {}", ours.name(), theirs.name())
            }
            Self::NotInserted { value, present, removed } => {
                write!(f, "{removed} of the value {value} cannot be taken out where {present} are in")
            }
        }
    }
}

impl core::error::Error for SketchError {}

/// Where a bucket's count stops: far beyond any traffic, and small enough for its code.
pub const MAX_COUNT: u64 = 1 << 62;

/// Commutes and associates even where it stops, as a merge must.
fn saturating_sum(a: u64, b: u64) -> u64 {
    a.saturating_add(b).min(MAX_COUNT)
}
