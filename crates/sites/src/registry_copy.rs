//! The copy of the registry that an isolate has: when it is read again, and which one counts.

use wire::UnixMillis;

/// The state of an isolate's copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegistryCopy {
    read_at: Option<UnixMillis>,
    revision: Option<u64>,
}

impl RegistryCopy {
    /// An isolate that has read none.
    pub const NONE: Self = Self { read_at: None, revision: None };

    /// Returns true if the registry has been read, or could not be.
    #[must_use]
    pub const fn was_read(&self) -> bool {
        self.read_at.is_some()
    }

    /// Returns true if it is to be read again. A clock that was set back makes it stale.
    #[must_use]
    pub fn is_stale(&self, now: UnixMillis) -> bool {
        self.read_at.is_none_or(|read_at| now.0.abs_diff(read_at.0) >= REGISTRY_MAX_AGE_MS)
    }

    /// Notes that it was read, or could not be: then the last copy counts until the next time.
    pub const fn note_read(&mut self, now: UnixMillis) {
        self.read_at = Some(now);
    }

    /// Takes a revision, and returns true if it is later than the known one. KV may answer with an earlier one for a while.
    #[must_use]
    pub fn accept(&mut self, revision: u64) -> bool {
        let is_later = self.revision.is_none_or(|known| revision > known);
        if is_later {
            self.revision = Some(revision);
        }
        is_later
    }
}

/// An isolate reads the registry again after this time.
pub const REGISTRY_MAX_AGE_MS: u64 = 30_000;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    #[test]
    fn a_copy_is_read_twice_a_minute_also_after_a_failure() {
        let mut copy = RegistryCopy::NONE;
        assert!(copy.is_stale(NOW) && !copy.was_read());
        copy.note_read(NOW);
        assert!(copy.was_read() && !copy.is_stale(NOW.saturating_add(REGISTRY_MAX_AGE_MS - 1)));
        assert!(copy.is_stale(NOW.saturating_add(REGISTRY_MAX_AGE_MS)));
        assert!(copy.is_stale(UnixMillis(NOW.0 - 86_400_000)), "a clock that was set back");
    }

    #[test]
    fn an_earlier_revision_replaces_no_later_one() {
        let mut copy = RegistryCopy::NONE;
        assert_eq!([3, 2, 3, 4, 1].map(|revision| copy.accept(revision)), [true, false, false, true, false]);
    }
}
