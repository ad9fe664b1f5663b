//! A limit of reads. Each read takes processor time of the isolate that asks the shards and writes the document, and
//! beacons share it; so reads beyond a limit are refused at once, and their clients come again.
//!
//! The platform may stop a request without an end, so a read counts for a while at most.

use std::collections::VecDeque;

use wire::UnixMillis;

/// The reads that are under way.
#[derive(Debug, Default)]
pub struct ReadLimiter {
    reads: VecDeque<(u64, UnixMillis)>,
    last: u64,
}

impl ReadLimiter {
    /// Creates a limiter without reads.
    #[must_use]
    pub const fn new() -> Self {
        Self { reads: VecDeque::new(), last: 0 }
    }

    /// Admits a read and returns its number, by which it [leaves](Self::leave); `None` if too many are under way.
    pub fn admit(&mut self, now: UnixMillis) -> Option<u64> {
        self.reads.retain(|(_, since)| now.saturating_sub(since.0).0 < LOST_AFTER_MS);
        if self.reads.len() >= MAX_READS {
            return None;
        }
        self.last = self.last.wrapping_add(1);
        self.reads.push_back((self.last, now));
        Some(self.last)
    }

    /// Ends a read.
    pub fn leave(&mut self, number: u64) {
        self.reads.retain(|(other, _)| *other != number);
    }
}

/// A view of the dashboard makes up to ten reads at once.
const MAX_READS: usize = 32;
/// Longer than the deadline of a read of all shards.
const LOST_AFTER_MS: u64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_beyond_the_limit_are_refused_until_one_ends_or_is_lost() {
        let (mut limiter, now) = (ReadLimiter::new(), UnixMillis(1_800_000_000_000));
        let first = limiter.admit(now).expect("a read");
        (1..MAX_READS).for_each(|_| assert!(limiter.admit(now).is_some()));
        assert_eq!(limiter.admit(now), None);
        limiter.leave(first);
        limiter.leave(first);
        assert!(limiter.admit(now).is_some());
        assert_eq!(limiter.admit(now.saturating_add(LOST_AFTER_MS - 1)), None);
        assert!(limiter.admit(now.saturating_add(LOST_AFTER_MS)).is_some());
    }
}
