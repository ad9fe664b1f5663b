//! The index of the journal: the place of each known view in memory, by a hash of its key. The hash has 128 bits and
//! a secret key, so neither chance nor a client makes two views collide.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher, Hasher};

use super::error::JournalError;

/// The secret of an index, random for each. It never leaves memory.
#[derive(Clone, Copy)]
pub struct HashKey(pub [u64; 4]);

/// The hash of a view's key.
pub(super) type ViewHash = (u64, u64);

/// The place of a view among the folds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Location {
    fold: u32,
    position: u32,
}

/// The latest location of each view.
#[derive(Debug)]
pub(super) struct ViewIndex {
    hash_key: HashKey,
    locations: HashMap<ViewHash, Location, BuildHasherDefault<FirstHalf>>,
}

impl ViewIndex {
    pub(super) fn new(hash_key: HashKey) -> Self {
        Self { hash_key, locations: HashMap::default() }
    }

    pub(super) fn hash(&self, view_key: &str) -> ViewHash {
        let HashKey([a, b, c, d]) = self.hash_key;
        let half = |first, second| {
            let mut hasher = DefaultHasher::new();
            hasher.write_u64(first);
            hasher.write_u64(second);
            hasher.write(view_key.as_bytes());
            hasher.finish()
        };
        (half(a, b), half(c, d))
    }

    pub(super) fn get(&self, view: ViewHash) -> Option<Location> {
        self.locations.get(&view).copied()
    }

    /// Notes the views of a fold, which replace earlier ones.
    pub(super) fn insert_fold(
        &mut self,
        fold: u64,
        views: impl IntoIterator<Item = ViewHash>,
    ) -> Result<(), JournalError> {
        let fold = u32::try_from(fold).map_err(|_| JournalError::NotEncodable)?;
        for (position, view) in (0..).zip(views) {
            self.locations.insert(view, Location { fold, position });
        }
        Ok(())
    }

    /// Forgets the views of folds up to that one.
    pub(super) fn forget_through(&mut self, fold: u64) {
        self.locations.retain(|_, location| location.fold() > fold);
    }

    /// Returns the memory of the table, in which each slot has a byte of its own.
    pub(super) fn memory_bytes(&self) -> usize {
        let slots = (self.locations.capacity().saturating_mul(8) / 7).next_power_of_two();
        slots.saturating_mul(size_of::<(ViewHash, Location)>() + 1)
    }
}

impl Location {
    pub(super) fn fold(self) -> u64 {
        self.fold.into()
    }

    pub(super) const fn position(self) -> usize {
        self.position as usize
    }

    /// Returns true if this is the place in that fold.
    pub(super) fn is_at(self, fold: u64, position: usize) -> bool {
        self.fold() == fold && self.position() == position
    }
}

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKey(secret)")
    }
}

/// The keys are hashes already.
#[derive(Clone, Copy, Debug, Default)]
struct FirstHalf(Option<u64>);

impl Hasher for FirstHalf {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64((*byte).into());
        }
    }

    fn write_u64(&mut self, half: u64) {
        self.0.get_or_insert(half);
    }

    fn finish(&self) -> u64 {
        self.0.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_that_of_every_slot_of_the_table() {
        let mut index = ViewIndex::new(HashKey([1, 2, 3, 4]));
        let views: Vec<ViewHash> = (0..1000_u64).map(|view| index.hash(&view.to_string())).collect();
        index.insert_fold(1, views).unwrap();
        // A table of 1,000 entries has 2,048 slots: at most seven of eight are taken.
        assert_eq!(index.memory_bytes(), 2048 * (size_of::<(ViewHash, Location)>() + 1));
    }

    #[test]
    fn the_table_uses_the_first_half_of_a_view_hash() {
        let mut hasher = FirstHalf::default();
        hasher.write_u64(7);
        hasher.write_u64(8);
        assert_eq!(hasher.finish(), 7);
    }

    #[test]
    fn the_hash_depends_on_every_part_of_its_key() {
        let of = |key| ViewIndex::new(HashKey(key)).hash("0123456789abcdef.1");
        let hash = of([1, 2, 3, 4]);
        assert_eq!(hash, of([1, 2, 3, 4]));
        for key in [[9, 2, 3, 4], [1, 9, 3, 4]] {
            assert_ne!(hash.0, of(key).0);
        }
        for key in [[1, 2, 9, 4], [1, 2, 3, 9]] {
            assert_ne!(hash.1, of(key).1);
        }
    }

    #[test]
    fn two_hours_of_fifty_views_a_second_need_at_most_32_megabytes() {
        let mut index = ViewIndex::new(HashKey([1, 2, 3, 4]));
        let views: Vec<ViewHash> =
            (0..2 * 3600 * 50_u64).map(|view| index.hash(&format!("{view:024x}.0"))).collect();
        // Each view is sent twice, the second time ten minutes later.
        let folds = views.chunks(100);
        for (fold, views) in (1..).zip(folds.clone().chain(folds.skip(300))) {
            index.insert_fold(fold, views.iter().copied()).expect("a small number");
        }
        assert_eq!(index.locations.len(), views.len());
        let bytes = index.memory_bytes();
        println!("{} views: {:.1} MB", views.len(), bytes as f64 / 1e6);
        // While the table grows, the former one of half the size exists as well.
        assert!(bytes + bytes / 2 <= 32_000_000, "{bytes} bytes");
    }
}
