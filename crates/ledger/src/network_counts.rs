//! Views by the network that sent them, as far as that is remembered: a network falls into one of [`BUCKETS`] buckets,
//! another one each day, and a bucket stands for many networks. It is enough to tell many senders from few. Counts
//! add and subtract exactly, so they merge over shards, windows and corrections as cells do.

use wire::CodecError;
use wire::network_bucket::{BUCKETS, NetworkBucket};

/// Views by bucket of network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkCounts {
    /// Empty, or one count for each bucket.
    counts: Vec<u32>,
}

impl NetworkCounts {
    pub(crate) fn add(&mut self, bucket: NetworkBucket) {
        self.add_views(bucket.index(), 1);
    }

    pub(crate) fn remove(&mut self, bucket: NetworkBucket) {
        if let Some(count) = self.counts.get_mut(bucket.index()) {
            *count = count.saturating_sub(1);
        }
        self.drop_if_zero();
    }

    /// Adds other counts.
    pub fn merge(&mut self, other: &Self) {
        if self.counts.is_empty() {
            self.counts.clone_from(&other.counts);
            return;
        }
        for (ours, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *ours = ours.saturating_add(*theirs);
        }
    }

    pub(crate) fn subtract(&mut self, other: &Self) {
        for (ours, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *ours = ours.saturating_sub(*theirs);
        }
        self.drop_if_zero();
    }

    /// Returns the views whose network is known.
    #[must_use]
    pub fn views(&self) -> u64 {
        self.counts.iter().map(|count| u64::from(*count)).sum()
    }

    /// Returns the views in the buckets with the most views: at least as many as any [`TOP_NETWORKS`] networks sent
    /// in a day.
    #[must_use]
    pub fn top_views(&self) -> u64 {
        let mut top = [0_u32; TOP_NETWORKS];
        for count in &self.counts {
            let mut rest = *count;
            for place in &mut top {
                if rest > *place {
                    std::mem::swap(&mut rest, place);
                }
            }
        }
        top.into_iter().map(u64::from).sum()
    }

    /// Returns the views in the bucket with the most views: at least as many as any network sent in a day.
    #[must_use]
    pub fn largest(&self) -> u64 {
        self.counts.iter().copied().max().unwrap_or_default().into()
    }

    /// Estimates the number of networks from the number of empty buckets (linear counting). A network counts again
    /// on each day, and from about 600 networks on the estimate no longer grows.
    #[must_use]
    pub fn estimated_networks(&self) -> u64 {
        let used = self.counts.iter().filter(|count| **count > 0).count();
        let all = BUCKETS as f64;
        let empty = BUCKETS.saturating_sub(used).max(1) as f64;
        (all * (all / empty).ln()).round() as u64
    }

    /// Appends the stored form: nothing without counts, else a version byte, the number of used buckets, their
    /// indices or a bit for each bucket, and their counts.
    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) {
        let used: Vec<(u8, u32)> = (0..)
            .zip(&self.counts)
            .filter(|(_, count)| **count > 0)
            .map(|(at, count)| (at, *count))
            .collect();
        let Ok(number) = u8::try_from(used.len()) else { return };
        if number == 0 {
            return;
        }
        bytes.extend([VERSION, number]);
        if used.len() <= BITMAP_BYTES {
            bytes.extend(used.iter().map(|(index, _)| *index));
        } else {
            let bits = used.iter().fold(0_u128, |bits, (index, _)| bits | 1 << index);
            bytes.extend(bits.to_le_bytes());
        }
        used.iter().for_each(|(_, count)| push_varint(*count, bytes));
    }

    /// Adds counts in stored form; no bytes are none.
    ///
    /// # Errors
    /// Returns an error if the bytes are malformed or of an unsupported version.
    pub(crate) fn merge_encoded(&mut self, bytes: &[u8]) -> Result<(), CodecError> {
        let (number, mut rest) = match bytes {
            [] => return Ok(()),
            [VERSION, number, rest @ ..] => (usize::from(*number), rest),
            _ => return Err(CodecError),
        };
        let mut indices = Vec::with_capacity(number);
        if number <= BITMAP_BYTES {
            let (list, counts) = rest.split_at_checked(number).ok_or(CodecError)?;
            indices.extend(list.iter().map(|index| usize::from(*index)));
            rest = counts;
        } else {
            let (bits, counts) = rest.split_first_chunk().ok_or(CodecError)?;
            let bits = u128::from_le_bytes(*bits);
            indices.extend((0..BUCKETS).filter(|index| bits >> index & 1 == 1));
            rest = counts;
        }
        if indices.len() != number || indices.iter().any(|index| *index >= BUCKETS) {
            return Err(CodecError);
        }
        for index in indices {
            let (count, after) = take_varint(rest)?;
            self.add_views(index, count);
            rest = after;
        }
        if rest.is_empty() { Ok(()) } else { Err(CodecError) }
    }

    fn add_views(&mut self, index: usize, views: u32) {
        if self.counts.is_empty() {
            self.counts = vec![0; BUCKETS];
        }
        if let Some(count) = self.counts.get_mut(index) {
            *count = count.saturating_add(views);
        }
    }

    /// Equal counts are equal values.
    fn drop_if_zero(&mut self) {
        if self.counts.iter().all(|count| *count == 0) {
            self.counts.clear();
        }
    }
}

fn push_varint(mut value: u32, bytes: &mut Vec<u8>) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take_varint(bytes: &[u8]) -> Result<(u32, &[u8]), CodecError> {
    let mut value = 0_u32;
    for (place, byte) in bytes.iter().enumerate().take(5) {
        value |= u32::from(byte & 0x7f).checked_shl(7 * place as u32).ok_or(CodecError)?;
        if byte & 0x80 == 0 {
            return Ok((value, bytes.get(place + 1..).unwrap_or_default()));
        }
    }
    Err(CodecError)
}

/// A violation must be proven without the views of this many networks.
pub const TOP_NETWORKS: usize = 4;

const VERSION: u8 = 1;
const BITMAP_BYTES: usize = BUCKETS / 8;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn bucket(index: u8) -> NetworkBucket {
        NetworkBucket::new(index).expect("a bucket")
    }

    fn counts(views: &[u8]) -> NetworkCounts {
        let mut counts = NetworkCounts::default();
        views.iter().for_each(|index| counts.add(bucket(*index)));
        counts
    }

    fn encoded(counts: &NetworkCounts) -> Vec<u8> {
        let mut bytes = Vec::new();
        counts.encode(&mut bytes);
        bytes
    }

    fn views() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(0..BUCKETS as u8, 0..400),
            proptest::collection::vec(0..3_u8, 0..400),
        ]
    }

    #[test]
    fn counts_match_their_version_1_bytes() {
        assert_eq!(encoded(&counts(&[])), b"");
        assert_eq!(encoded(&counts(&[7])), b"\x01\x01\x07\x01");
        assert_eq!(
            encoded(&counts(&[[3; 200].as_slice(), &[127]].concat())),
            b"\x01\x02\x03\x7f\xc8\x01\x01"
        );
        let many: Vec<u8> = (0..17).collect();
        let bitmap = [b"\x01\x11\xff\xff\x01".as_slice(), &[0; 13], &[1; 17]].concat();
        assert_eq!(encoded(&counts(&many)), bitmap);
    }

    #[test]
    fn the_number_of_networks_is_estimated() {
        let estimate = |networks: u32| {
            // A keyed hash spreads as well as this one.
            let bucket = |at: u32| {
                let mixed = (u64::from(at) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                ((mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb) >> 57) as u8
            };
            let views: Vec<u8> = (0..networks).map(bucket).collect();
            counts(&views).estimated_networks()
        };
        assert_eq!([estimate(0), estimate(1), estimate(4)], [0, 1, 4]);
        assert!((75..=130).contains(&estimate(100)), "{}", estimate(100));
    }

    proptest! {
        #[test]
        fn stored_counts_are_read_again_and_damaged_ones_are_errors(views in views(), damage in any::<(usize, u8)>()) {
            let counts = counts(&views);
            let bytes = encoded(&counts);
            let mut read = NetworkCounts::default();
            prop_assert_eq!(read.merge_encoded(&bytes), Ok(()));
            prop_assert_eq!(&read, &counts);
            prop_assert_eq!(read.views(), views.len() as u64);
            for length in 1..bytes.len() {
                prop_assert!(NetworkCounts::default().merge_encoded(&bytes[..length]).is_err(), "{length}");
            }
            // Any bytes are counts or an error.
            if !bytes.is_empty() {
                let mut damaged = bytes;
                let at = damage.0 % damaged.len();
                damaged[at] = damage.1;
                let _ = NetworkCounts::default().merge_encoded(&damaged);
            }
        }

        #[test]
        fn counts_add_and_subtract_exactly(one in views(), other in views()) {
            let mut sum = counts(&one);
            sum.merge(&counts(&other));
            prop_assert_eq!(&sum, &counts(&[one.as_slice(), &other].concat()));
            let mut taken_back = sum.clone();
            taken_back.subtract(&counts(&other));
            prop_assert_eq!(&taken_back, &counts(&one));
            other.iter().for_each(|index| sum.remove(bucket(*index)));
            prop_assert_eq!(sum, taken_back);
        }

        #[test]
        fn no_few_networks_sent_more_than_the_top(
            views in views(),
            networks in proptest::collection::btree_set(0..BUCKETS as u8, 0..=TOP_NETWORKS),
        ) {
            let mut of = BTreeMap::<u8, u64>::new();
            views.iter().for_each(|index| *of.entry(*index).or_default() += 1);
            let sent: u64 = networks.iter().filter_map(|index| of.get(index)).sum();
            let counts = counts(&views);
            prop_assert!(sent <= counts.top_views());
            prop_assert!(counts.top_views() <= counts.views());
            prop_assert_eq!(counts.largest(), of.values().copied().max().unwrap_or_default());
        }
    }
}
