//! The buckets of all sketches. One scale serves all metrics: with 32 units to 25 wire units, every threshold
//! of every metric is the edge of a bucket, and each value below 50 has a bucket of its own.

/// The position of a bucket; values and indices ascend together.
pub(crate) type BucketIndex = u16;

/// A range of values that are counted together, in wire units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SketchBucket {
    /// The smallest value.
    pub low: u32,
    /// The largest value.
    pub high: u32,
}

impl SketchBucket {
    /// Returns the value to display for the bucket.
    #[must_use]
    pub const fn midpoint(self) -> u32 {
        self.low.midpoint(self.high)
    }
}

/// Returns the bucket of a value.
///
/// A value lies in the unit (u, u+1]. Units are buckets up to 64; from there on each octave has 64
/// buckets, every one 1/64 to 1/128 as wide as its lower edge.
pub(crate) fn index_of(value: u32) -> BucketIndex {
    let unit = (u64::from(value) * SCALE_UNITS).div_ceil(SCALE_WIRE_UNITS).saturating_sub(1);
    let octave = (unit | BUCKETS_PER_OCTAVE).ilog2() - BUCKETS_PER_OCTAVE.ilog2();
    // There are fewer than 28 octaves of 64 buckets, so the index always fits.
    BucketIndex::try_from((u64::from(octave) << BUCKETS_PER_OCTAVE.ilog2()) + (unit >> octave))
        .unwrap_or(LAST_INDEX)
}

/// Returns the values of a bucket.
pub(crate) fn from_index(index: BucketIndex) -> SketchBucket {
    let index = u64::from(index);
    let octave = (index >> BUCKETS_PER_OCTAVE.ilog2()).saturating_sub(1);
    let step = index - (octave << BUCKETS_PER_OCTAVE.ilog2());
    let wire = |unit: u64| unit * SCALE_WIRE_UNITS / SCALE_UNITS;
    let low = if index == 0 { 0 } else { wire(step << octave) + 1 };
    let high = wire((step + 1) << octave);
    SketchBucket { low: saturating_u32(low), high: saturating_u32(high) }
}

/// Returns true if the bucket contains an integer; the buckets of a unit are narrower than 1.
pub(crate) fn is_reachable(index: BucketIndex) -> bool {
    match index {
        0..FIRST_WIDE_INDEX => from_index(index).low <= from_index(index).high,
        FIRST_WIDE_INDEX..=LAST_INDEX => true,
        _ => false,
    }
}

fn saturating_u32(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// 64 buckets bound the error at 1.6 %; 32 would at 3.1 %.
const BUCKETS_PER_OCTAVE: u64 = 64;

const SCALE_UNITS: u64 = 32;
const SCALE_WIRE_UNITS: u64 = 25;

/// The first bucket of two units, which contain an integer wherever they begin.
const FIRST_WIDE_INDEX: BucketIndex = 128;

/// The bucket of the largest value.
const LAST_INDEX: BucketIndex = 1745;

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use wire::Metric;

    use super::*;

    #[test]
    fn every_threshold_is_the_upper_edge_of_a_bucket() {
        for metric in Metric::ALL {
            let thresholds = metric.thresholds();
            for threshold in [thresholds.good, thresholds.poor] {
                let value = (threshold * metric.wire_scale()) as u32;
                assert_eq!(from_index(index_of(value)).high, value, "{metric:?}");
            }
        }
    }

    #[test]
    fn buckets_follow_each_other_without_gap_or_overlap() {
        let used: Vec<SketchBucket> =
            (0..=LAST_INDEX).filter(|index| is_reachable(*index)).map(from_index).collect();
        assert_eq!(used[0], SketchBucket { low: 0, high: 0 });
        assert_eq!(used[used.len() - 1].high, u32::MAX);
        for pair in used.windows(2) {
            assert_eq!(pair[0].high + 1, pair[1].low);
        }
    }

    #[test]
    fn each_bucket_counts_its_own_values_and_no_others() {
        for position in (0..=LAST_INDEX).filter(|index| is_reachable(*index)) {
            let SketchBucket { low, high } = from_index(position);
            assert_eq!((index_of(low), index_of(high)), (position, position));
        }
        assert_eq!(index_of(u32::MAX), LAST_INDEX);
    }

    #[test]
    fn values_that_share_a_bucket_are_within_a_sixty_fourth() {
        for bucket in (0..=LAST_INDEX).filter(|index| is_reachable(*index)).map(from_index) {
            assert!(u64::from(bucket.high - bucket.low) * 64 <= u64::from(bucket.low), "{bucket:?}");
        }
    }

    #[test]
    fn values_below_fifty_are_exact() {
        for value in 0..50 {
            assert_eq!(from_index(index_of(value)), SketchBucket { low: value, high: value });
        }
    }
}
