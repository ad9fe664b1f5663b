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
            add_counts(self.counts.get_mut(start..).unwrap_or_default(), &other.counts);
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
        sum(&self.counts)
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
        let mut left = rank.checked_sub(1)?;
        let mut skip = |count| {
            left.checked_sub(count).is_some_and(|rest| {
                left = rest;
                true
            })
        };
        let blocks = self.counts.chunks(BLOCK).take_while(|block| skip(sum(block))).count();
        let skipped = blocks * BLOCK;
        let rest = self.counts.get(skipped..)?;
        let place = skipped + rest.iter().position(|count| !skip(*count))?;
        BucketIndex::try_from(place).ok().map(|place| bucket::from_index(self.first_index + place))
    }

    /// Counts the values up to `limit`. The count is exact if the limit is the edge of a bucket, as every
    /// threshold is.
    #[must_use]
    pub fn within(&self, limit: u32) -> CountBounds {
        let index = bucket::index_of(limit);
        let Some(place) = index.checked_sub(self.first_index).map(usize::from) else {
            return CountBounds { at_least: 0, at_most: 0 };
        };
        let below = sum(self.counts.get(..place).unwrap_or(&self.counts));
        let at_most = below.saturating_add(self.counts.get(place).copied().unwrap_or(0));
        let is_edge = bucket::from_index(index).high == limit;
        CountBounds { at_least: if is_edge { at_most } else { below }, at_most }
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
        let place = usize::from(index.wrapping_sub(self.first_index));
        if let Some(count) = self.counts.get_mut(place) {
            *count = saturating_sum(*count, weight);
        } else if weight > 0 {
            self.add_beyond(index, weight);
        }
    }

    /// Adds to a bucket below or above all counts.
    fn add_beyond(&mut self, index: BucketIndex, weight: u64) {
        self.extend_to(index);
        if let Some(count) = self.counts.get_mut(usize::from(index - self.first_index)) {
            *count = weight.min(MAX_COUNT);
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

/// Adds counts bucket by bucket.
fn add_counts(ours: &mut [u64], theirs: &[u64]) {
    let mut bits = 0;
    for (ours, theirs) in ours.iter_mut().zip(theirs) {
        // Two counts never overflow, and nearly always stay within the limit. Without a comparison for each,
        // the compiler adds several at once.
        *ours = ours.wrapping_add(*theirs);
        bits |= *ours;
    }
    if bits > MAX_COUNT {
        ours.iter_mut().for_each(|count| *count = (*count).min(MAX_COUNT));
    }
}

/// Returns the sum of counts.
fn sum(counts: &[u64]) -> u64 {
    let add = |(sum, bits): (u64, u64), count: &u64| (sum.wrapping_add(*count), bits | count);
    let (sum, bits) = counts.iter().fold((0, 0), add);
    // There are fewer than 2^11 counts, so small ones need no check of each and are added several at once.
    if bits >> 52 == 0 { sum } else { counts.iter().fold(0, |sum, count| sum.saturating_add(*count)) }
}

/// Counts that a search of a rank skips at once.
const BLOCK: usize = 32;
