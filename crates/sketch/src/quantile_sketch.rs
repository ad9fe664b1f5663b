//! The quantile sketch of one metric.

use alloc::vec::Vec;
use core::fmt;

use wire::{Metric, Thresholds};

use crate::bucket::{self, BucketIndex, SketchBucket};

/// The distribution of one metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sketch {
    metric: Metric,
    /// The bucket of the first count; zero for an empty sketch.
    first_index: BucketIndex,
    /// One count for each bucket from `first_index` on. The first and the last are never zero, so that equal
    /// distributions are equal sketches.
    counts: Vec<u64>,
}

/// Bounds of the number of values within a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountBounds {
    /// Values in buckets that lie wholly within the limit.
    pub at_least: u64,
    /// These, and all values in the bucket that the limit cuts.
    pub at_most: u64,
}

/// Exact counts of values by rating.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RatingCounts {
    /// Values up to the good threshold.
    pub good: u64,
    /// Values between the thresholds.
    pub needs_improvement: u64,
    /// Values above the poor threshold.
    pub poor: u64,
}

/// An operation that would make a sketch wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SketchError {
    /// A merge or subtraction of values of another metric.
    MetricMismatch {
        /// The metric of this sketch.
        ours: Metric,
        /// The metric of the other sketch.
        theirs: Metric,
    },
    /// A removal of values that were never inserted.
    NotInserted {
        /// The value to remove.
        value: u32,
        /// The count of its bucket.
        present: u64,
        /// The weight to remove.
        removed: u64,
    },
}

impl Sketch {
    /// Returns an empty sketch.
    #[must_use]
    pub const fn new(metric: Metric) -> Self {
        Self { metric, first_index: 0, counts: Vec::new() }
    }

    /// Returns the metric.
    #[must_use]
    pub const fn metric(&self) -> Metric {
        self.metric
    }

    /// Counts a value in wire units `weight` times. Counts saturate at [`MAX_COUNT`].
    pub fn insert(&mut self, value: u32, weight: u64) {
        self.add(bucket::index_of(value), weight);
    }

    /// Removes a value: a later report of a view replaces an earlier one.
    ///
    /// # Errors
    /// Returns an error and changes nothing if the count of its bucket is below `weight`.
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

    /// Adds the counts of another sketch of the same metric.
    ///
    /// # Errors
    /// Returns an error and changes nothing if the metrics differ.
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

    /// Subtracts the counts of another sketch, which was merged before. Counts saturate at zero.
    ///
    /// # Errors
    /// Returns an error and changes nothing if the metrics differ.
    pub fn subtract(&mut self, other: &Self) -> Result<(), SketchError> {
        if self.metric != other.metric {
            return Err(SketchError::MetricMismatch { ours: self.metric, theirs: other.metric });
        }
        other.indexed_counts().for_each(|(index, count)| self.decrement(index, count));
        self.trim();
        Ok(())
    }

    /// Returns the number of values.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.counts.iter().fold(0, |n, count| n.saturating_add(*count))
    }

    /// Returns the bucket of the nearest-rank percentile: of the smallest value that at least `percent` % of
    /// the values do not exceed. `None` for an empty sketch.
    #[must_use]
    pub fn percentile(&self, percent: u8) -> Option<SketchBucket> {
        let hundredths = u128::from(self.n()) * u128::from(percent.min(100));
        self.at_rank(u64::try_from(hundredths.div_ceil(100)).unwrap_or(u64::MAX).max(1))
    }

    /// Returns the bucket of the value of that rank, counted from 1 in ascending order.
    #[must_use]
    pub fn at_rank(&self, rank: u64) -> Option<SketchBucket> {
        let mut below = 0_u64;
        let (index, _) = self.indexed_counts().find(|(_, count)| {
            below = below.saturating_add(*count);
            below >= rank
        })?;
        (rank > 0).then(|| bucket::from_index(index))
    }

    /// Counts the values up to `limit`. The count is exact if the limit is the edge of a bucket, as every
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

    /// Counts the values of each rating, exactly.
    #[must_use]
    pub fn ratings(&self) -> RatingCounts {
        let Thresholds { good, poor } = self.metric.thresholds();
        let good = self.within(self.wire_units(good)).at_least;
        let not_poor = self.within(self.wire_units(poor)).at_least;
        RatingCounts { good, needs_improvement: not_poor - good, poor: self.n() - not_poor }
    }

    /// Returns the non-empty buckets in ascending order, each with its count.
    pub fn buckets(&self) -> impl Iterator<Item = (SketchBucket, u64)> {
        self.indexed_counts().map(|(index, count)| (bucket::from_index(index), count))
    }

    pub(crate) fn indexed_counts(&self) -> impl Iterator<Item = (BucketIndex, u64)> {
        (self.first_index..).zip(self.counts.iter().copied()).filter(|(_, count)| *count > 0)
    }

    pub(crate) fn add(&mut self, index: BucketIndex, weight: u64) {
        if weight == 0 {
            return;
        }
        self.extend_to(index);
        if let Some(count) = self.counts.get_mut(usize::from(index - self.first_index)) {
            *count = saturating_sum(*count, weight);
        }
    }

    /// Subtracts from a bucket; the caller trims the sketch.
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

    /// Extends the counts to the bucket of that index.
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

    /// Converts a threshold to wire units; every threshold is whole in them.
    fn wire_units(&self, threshold: f64) -> u32 {
        (threshold * self.metric.wire_scale() + 0.5) as u32
    }
}

impl fmt::Display for SketchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MetricMismatch { ours, theirs } => {
                write!(f, "cannot combine a sketch of {} with a sketch of {}", ours.name(), theirs.name())
            }
            Self::NotInserted { value, present, removed } => {
                write!(
                    f,
                    "cannot remove {removed} × {value}: the bucket of this value has a count of {present}"
                )
            }
        }
    }
}

impl core::error::Error for SketchError {}

/// The limit of a bucket's count: far beyond any traffic, and small enough for the encoding.
pub const MAX_COUNT: u64 = 1 << 62;

/// Adds two counts. Saturation keeps the operation commutative and associative, as a merge requires.
fn saturating_sum(a: u64, b: u64) -> u64 {
    a.saturating_add(b).min(MAX_COUNT)
}
