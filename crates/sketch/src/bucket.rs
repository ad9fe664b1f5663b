//! Which values share a bucket. One scale serves all metrics: 32 units to 25 wire units put every
//! threshold of every metric on an edge, and leave each value below 50 a bucket of its own.
//! Counting is the sketch's business.

/// The position of a bucket; values and indices ascend together.
pub(crate) type Index = u16;

/// The values that are counted as one, in wire units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The smallest of them.
    pub low: u32,
    /// The largest of them.
    pub high: u32,
}

impl Bucket {
    /// The value to show: the middle one.
    #[must_use]
    pub const fn middle(self) -> u32 {
        self.low.midpoint(self.high)
    }
}

/// The bucket that counts a value.
///
/// A value lies in the unit (u, u+1]. Units are buckets up to 64; from there on each octave has 64
/// buckets, every one 1/64 to 1/128 as wide as its lower edge.
pub(crate) fn index(value: u32) -> Index {
    let unit = (u64::from(value) * UNITS).div_ceil(WIRE_UNITS).saturating_sub(1);
    let octave = (unit | STEPS).ilog2() - STEPS.ilog2();
    // Below 28 octaves of 64: it always fits.
    Index::try_from((u64::from(octave) << STEPS.ilog2()) + (unit >> octave)).unwrap_or(LAST)
}

/// The values that a bucket counts.
pub(crate) fn at(index: Index) -> Bucket {
    let index = u64::from(index);
    let octave = (index >> STEPS.ilog2()).saturating_sub(1);
    let step = index - (octave << STEPS.ilog2());
    let wire = |unit: u64| unit * WIRE_UNITS / UNITS;
    let low = if index == 0 { 0 } else { wire(step << octave) + 1 };
    let high = wire((step + 1) << octave);
    Bucket { low: clamp(low), high: clamp(high) }
}

/// Whether any integer falls into the bucket; among the small ones some are narrower than 1.
pub(crate) fn is_used(index: Index) -> bool {
    index <= LAST && at(index).low <= at(index).high
}

fn clamp(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// The buckets of an octave. 64, since 32 would leave the bound at 3.1 %.
const STEPS: u64 = 64;

const UNITS: u64 = 32;
const WIRE_UNITS: u64 = 25;

/// The bucket of the largest value.
const LAST: Index = 1745;

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
                assert_eq!(at(index(value)).high, value, "{metric:?}");
            }
        }
    }

    #[test]
    fn buckets_follow_each_other_without_gap_or_overlap() {
        let used: Vec<Bucket> = (0..=LAST).filter(|index| is_used(*index)).map(at).collect();
        assert_eq!(used[0], Bucket { low: 0, high: 0 });
        assert_eq!(used[used.len() - 1].high, u32::MAX);
        for pair in used.windows(2) {
            assert_eq!(pair[0].high + 1, pair[1].low);
        }
    }

    #[test]
    fn each_bucket_counts_its_own_values_and_no_others() {
        for position in (0..=LAST).filter(|index| is_used(*index)) {
            let Bucket { low, high } = at(position);
            assert_eq!((index(low), index(high)), (position, position));
        }
        assert_eq!(index(u32::MAX), LAST);
    }

    #[test]
    fn values_that_share_a_bucket_are_within_a_sixty_fourth() {
        for bucket in (0..=LAST).filter(|index| is_used(*index)).map(at) {
            assert!(u64::from(bucket.high - bucket.low) * 64 <= u64::from(bucket.low), "{bucket:?}");
        }
    }

    #[test]
    fn values_below_fifty_are_exact() {
        for value in 0..50 {
            assert_eq!(at(index(value)), Bucket { low: value, high: value });
        }
    }
}
