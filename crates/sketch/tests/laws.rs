//! Properties of a sketch against an exact sorted array.

use proptest::{collection::vec, prelude::*, sample::select};
use sketch::{MAX_COUNT, RatingCounts, Sketch, SketchDecodeError, SketchError};
use wire::{Metric, Rating};

fn metrics() -> impl Strategy<Value = Metric> {
    select(&Metric::ALL[..])
}

/// Realistic values, and any others.
fn values() -> impl Strategy<Value = Vec<(u32, u64)>> {
    let value = prop_oneof![0..60_u32, 0..5_000_u32, 0..120_000_u32, any::<u32>()];
    vec((value, 1..5_u64), 1..70)
}

fn sketch_of(metric: Metric, values: &[(u32, u64)]) -> Sketch {
    let mut sketch = Sketch::new(metric);
    for (value, weight) in values {
        sketch.insert(*value, *weight);
    }
    sketch
}

fn sorted_values(values: &[(u32, u64)]) -> Vec<u32> {
    let mut all: Vec<u32> =
        values.iter().flat_map(|(value, weight)| std::iter::repeat_n(*value, *weight as usize)).collect();
    all.sort_unstable();
    all
}

proptest! {
    #[test]
    fn every_percentile_is_within_a_sixty_fourth(metric in metrics(), values in values(), percent in 0..=100_u8) {
        let exact = sorted_values(&values);
        let rank = (exact.len() * usize::from(percent)).div_ceil(100).max(1);
        let exact = exact[rank - 1];
        let bucket = sketch_of(metric, &values).percentile(percent).unwrap();
        prop_assert!((bucket.low..=bucket.high).contains(&exact));
        prop_assert!(u64::from(bucket.midpoint().abs_diff(exact)) * 64 <= u64::from(exact));
    }

    #[test]
    fn every_rank_finds_its_own_bucket(values in values(), rank in any::<prop::sample::Index>()) {
        let sketch = sketch_of(Metric::Lcp, &values);
        let exact = sorted_values(&values);
        let rank = rank.index(exact.len());
        let bucket = sketch.at_rank(rank as u64 + 1).unwrap();
        prop_assert!((bucket.low..=bucket.high).contains(&exact[rank]));
        prop_assert_eq!(sketch.at_rank(0), None);
        prop_assert_eq!(sketch.at_rank(sketch.n() + 1), None);
    }

    #[test]
    fn ranks_and_limits_agree_with_a_count_of_each_bucket(
        values in vec((0..120_000_u32, prop_oneof![1..5_u64, any::<u64>()]), 0..200),
        rank in any::<u64>(),
        limit in 0..130_000_u32,
    ) {
        let sketch = sketch_of(Metric::Lcp, &values);
        let count = |is_counted: &dyn Fn(u32, u32) -> bool| {
            let counted = sketch.buckets().filter(|(bucket, _)| is_counted(bucket.low, bucket.high));
            counted.fold(0_u64, |sum, (_, count)| sum.saturating_add(count))
        };
        prop_assert_eq!(sketch.n(), count(&|_, _| true));
        let within = sketch.within(limit);
        prop_assert_eq!(within.at_least, count(&|_, high| high <= limit));
        prop_assert_eq!(within.at_most, count(&|low, _| low <= limit));
        for rank in [rank, rank % 400 + 1, sketch.n(), sketch.n() / 2] {
            let first = sketch.buckets().find(|(at, _)| rank <= count(&|low, _| low <= at.low));
            prop_assert_eq!(sketch.at_rank(rank), first.filter(|_| rank > 0).map(|(bucket, _)| bucket));
        }
    }

    #[test]
    fn ratings_are_exact(metric in metrics(), values in vec((0..6_000_u32, 1..5_u64), 0..200)) {
        let mut exact = RatingCounts::default();
        for (value, weight) in &values {
            match metric.rate(f64::from(*value) / metric.wire_scale()) {
                Rating::Good => exact.good += weight,
                Rating::NeedsImprovement => exact.needs_improvement += weight,
                Rating::Poor => exact.poor += weight,
            }
        }
        prop_assert_eq!(sketch_of(metric, &values).ratings(), exact);
    }

    #[test]
    fn the_count_within_a_limit_lies_between_its_bounds(values in values(), limit in 0..10_000_u32) {
        let exact = sorted_values(&values).partition_point(|value| *value <= limit) as u64;
        let within = sketch_of(Metric::Lcp, &values).within(limit);
        prop_assert!(within.at_least <= exact && exact <= within.at_most);
    }

    #[test]
    fn a_split_of_the_values_merges_to_the_sketch_of_all(values in values(), cut in any::<prop::sample::Index>()) {
        let (left, right) = values.split_at(cut.index(values.len()));
        let (left, right) = (sketch_of(Metric::Inp, left), sketch_of(Metric::Inp, right));
        let (mut there, mut back) = (left.clone(), right.clone());
        there.merge(&right).unwrap();
        back.merge(&left).unwrap();
        prop_assert_eq!(&there, &back);
        prop_assert_eq!(there.encode(), sketch_of(Metric::Inp, &values).encode());
    }

    #[test]
    fn insertion_order_does_not_change_the_encoding(values in values()) {
        let mut reversed = values.clone();
        reversed.reverse();
        prop_assert_eq!(sketch_of(Metric::Cls, &values).encode(), sketch_of(Metric::Cls, &reversed).encode());
    }

    #[test]
    fn merging_saturated_counts_is_associative(weights in prop::array::uniform3(any::<u64>())) {
        let [a, b, c] = weights.map(|weight| sketch_of(Metric::Lcp, &[(900, weight)]));
        let merge = |left: &Sketch, right: &Sketch| {
            let mut merged = left.clone();
            merged.merge(right).unwrap();
            merged
        };
        prop_assert_eq!(merge(&merge(&a, &b), &c), merge(&a, &merge(&b, &c)));
    }

    #[test]
    fn removing_an_inserted_value_restores_the_sketch(values in values(), value in any::<u32>(), weight in 1..9_u64) {
        let before = sketch_of(Metric::Ttfb, &values);
        let mut after = before.clone();
        after.insert(value, weight);
        after.remove(value, weight).unwrap();
        prop_assert_eq!(after, before);
    }

    #[test]
    fn removing_a_value_that_was_never_inserted_is_refused(values in values(), value in any::<u32>()) {
        let before = sketch_of(Metric::Ttfb, &values);
        let mut after = before.clone();
        let present = before.buckets().find(|(bucket, _)| (bucket.low..=bucket.high).contains(&value));
        let present = present.map_or(0, |(_, count)| count);
        let refusal = SketchError::NotInserted { value, present, removed: present + 1 };
        prop_assert_eq!(after.remove(value, present + 1), Err(refusal));
        prop_assert_eq!(after, before);
    }

    #[test]
    fn a_sketch_round_trips_through_its_encoding(metric in metrics(), values in values()) {
        let sketch = sketch_of(metric, &values);
        prop_assert_eq!(Sketch::decode(&sketch.encode()), Ok(sketch));
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_canonical(bytes in vec(any::<u8>(), 0..400)) {
        if let Ok(sketch) = Sketch::decode(&bytes) {
            prop_assert_eq!(sketch.encode(), bytes);
        }
    }

    #[test]
    fn corrupted_bytes_are_refused_or_canonical(values in values(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut bytes = sketch_of(Metric::Fcp, &values).encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes.truncate(1 + cut.index(bytes.len()));
        if let Ok(sketch) = Sketch::decode(&bytes) {
            prop_assert_eq!(sketch.encode(), bytes);
        }
    }
}

#[test]
fn two_metrics_do_not_merge() {
    let mut paint = sketch_of(Metric::Lcp, &[(1200, 1)]);
    let before = paint.clone();
    let refusal = SketchError::MetricMismatch { ours: Metric::Lcp, theirs: Metric::Inp };
    assert_eq!(paint.merge(&sketch_of(Metric::Inp, &[(1200, 1)])), Err(refusal));
    assert_eq!(paint, before);
}

#[test]
fn counts_saturate_and_do_not_wrap() {
    let mut sketch = sketch_of(Metric::Lcp, &[(900, u64::MAX), (900, u64::MAX), (9_000, 7)]);
    assert_eq!(sketch.n(), MAX_COUNT + 7);
    assert_eq!(Sketch::decode(&sketch.encode()), Ok(sketch.clone()));
    for value in 1..9 {
        sketch.insert(value, u64::MAX);
    }
    assert_eq!(sketch.n(), u64::MAX);
}

#[test]
fn an_empty_sketch_has_no_percentile() {
    let empty = Sketch::new(Metric::Cls);
    assert_eq!((empty.n(), empty.percentile(75), empty.ratings()), (0, None, RatingCounts::default()));
}

/// Stored sketches stay readable, so these bytes never change.
#[test]
fn encoded_bytes_are_stable() {
    let sketch = sketch_of(Metric::Lcp, &[(0, 2), (1, 1), (812, 3), (1204, 1), (1204, 70), (60_000, 1)]);
    assert_eq!(sketch.encode(), [0x11, 0x04, 0x00, 0x0b, 0xbb, 0x02, 0x9b, 0x02, 0x1c, 0x03, 0xe6, 0x02]);
}

#[test]
fn malformed_bytes_are_refused_with_a_reason() {
    let expected = [
        (&[][..], SketchDecodeError::Empty),
        (&[0x21], SketchDecodeError::UnknownHeader { header: 0x21 }),
        (&[0x16], SketchDecodeError::UnknownHeader { header: 0x16 }),
        (&[0x11, 0x80], SketchDecodeError::Truncated),
        (&[0x11, 0x03], SketchDecodeError::Truncated),
        (&[0x11, 0x84, 0x00], SketchDecodeError::InvalidNumber { offset: 1 }),
        (
            &[0x11, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
            SketchDecodeError::InvalidNumber { offset: 1 },
        ),
        (&[0x11, 0x00, 0x03, 0xff, 0xff, 0x7f], SketchDecodeError::InvalidBucket { offset: 2 }),
        (&[0x11, 0x03, 0x01], SketchDecodeError::InvalidBucket { offset: 1 }),
    ];
    for (bytes, reason) in expected {
        assert_eq!(Sketch::decode(bytes), Err(reason), "{bytes:x?}");
    }
}

/// Log-normal load times of median 1800 ms, evenly spread by the golden ratio.
#[test]
fn the_encoded_size_is_bounded() {
    let load_time = |i: u32, n: u32| {
        let (share, turn) = ((f64::from(i) + 0.5) / f64::from(n), f64::from(i) * 0.618_033_988_749_895);
        let normal = (-2.0 * share.ln()).sqrt() * (turn * std::f64::consts::TAU).cos();
        (1800.0 * (0.6 * normal).exp()).ceil() as u32
    };
    for (n, limit) in [(100, 120), (10_000, 500), (100_000, 800)] {
        let mut sketch = Sketch::new(Metric::Lcp);
        (0..n).for_each(|i| sketch.insert(load_time(i, n), 1));
        let bytes = sketch.encode().len();
        assert!(bytes <= limit, "{n} values took {bytes} bytes");
    }
}
