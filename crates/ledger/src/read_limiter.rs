//! A limit of reads. Each read takes processor time of the isolate that asks the shards and writes the document, and
//! beacons share it; so reads beyond a limit wait, which costs nearly nothing, and are refused if that is in vain.
//!
//! The platform may stop a request without an end, so a read counts for a while at most.

use std::collections::VecDeque;

use wire::UnixMillis;

/// The reads that are under way.
#[derive(Debug, Default)]
pub struct ReadLimiter {
    reads: VecDeque<(u64, UnixMillis)>,
    /// The times since which others wait, at most.
    waiting: VecDeque<UnixMillis>,
    last: u64,
}

/// The state of a read that asked for its place at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadAdmission {
    /// It is under way, until it [leaves](ReadLimiter::leave) by this number.
    Admitted(u64),
    /// It asks again after this time.
    Waits {
        /// Milliseconds.
        retry_in_ms: u64,
    },
    /// Too many are before it.
    Refused,
}

impl ReadLimiter {
    /// Creates a limiter without reads.
    #[must_use]
    pub const fn new() -> Self {
        Self { reads: VecDeque::new(), waiting: VecDeque::new(), last: 0 }
    }

    /// Admits a read that has waited since then, if there is a place. Those who are refused at once would ask again at
    /// once, and refusals cost time, too: a read waits first.
    pub fn admit(&mut self, since: UnixMillis, now: UnixMillis) -> ReadAdmission {
        self.reads.retain(|(_, since)| now.0.abs_diff(since.0) < LOST_AFTER_MS);
        if self.reads.len() < MAX_READS {
            self.last = self.last.wrapping_add(1);
            self.reads.push_back((self.last, now));
            return ReadAdmission::Admitted(self.last);
        }
        if since == now {
            self.waiting.retain(|since| now.0.abs_diff(since.0) < MAX_WAIT_MS);
            if self.waiting.len() >= MAX_WAITING {
                return ReadAdmission::Refused;
            }
            self.waiting.push_back(now);
        }
        match now.0.abs_diff(since.0) < MAX_WAIT_MS {
            true => ReadAdmission::Waits { retry_in_ms: RETRY_MS },
            false => ReadAdmission::Refused,
        }
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
const MAX_WAITING: usize = 1_000;
const MAX_WAIT_MS: u64 = 2_000;
const RETRY_MS: u64 = 250;

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for the first time.
    fn ask(limiter: &mut ReadLimiter, now: UnixMillis) -> ReadAdmission {
        limiter.admit(now, now)
    }

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
    const WAITS: ReadAdmission = ReadAdmission::Waits { retry_in_ms: RETRY_MS };

    #[test]
    fn reads_beyond_the_limit_wait_until_one_ends_or_is_lost() {
        let mut limiter = ReadLimiter::new();
        let ReadAdmission::Admitted(first) = ask(&mut limiter, NOW) else { unreachable!("there is room") };
        (1..MAX_READS).for_each(|_| assert!(matches!(ask(&mut limiter, NOW), ReadAdmission::Admitted(_))));
        assert_eq!(ask(&mut limiter, NOW), WAITS);
        limiter.leave(first);
        limiter.leave(first);
        assert!(matches!(limiter.admit(NOW, NOW.saturating_add(1)), ReadAdmission::Admitted(_)));
        let lost_at = NOW.saturating_add(LOST_AFTER_MS);
        assert_eq!(ask(&mut limiter, lost_at.saturating_sub(1)), WAITS);
        assert!(matches!(ask(&mut limiter, lost_at), ReadAdmission::Admitted(_)));
    }

    #[test]
    fn a_read_waits_for_a_while_and_so_do_so_many() {
        let mut limiter = ReadLimiter::new();
        (0..MAX_READS).for_each(|_| assert!(matches!(ask(&mut limiter, NOW), ReadAdmission::Admitted(_))));
        (0..MAX_WAITING).for_each(|_| assert_eq!(ask(&mut limiter, NOW), WAITS));
        assert_eq!(ask(&mut limiter, NOW), ReadAdmission::Refused);
        let end = NOW.saturating_add(MAX_WAIT_MS);
        assert_eq!(limiter.admit(NOW, end.saturating_sub(1)), WAITS);
        assert_eq!(limiter.admit(NOW, end), ReadAdmission::Refused);
        assert_eq!(ask(&mut limiter, end), WAITS, "the others have waited long enough");
        let set_back = NOW.saturating_sub(86_400_000);
        assert!(
            matches!(ask(&mut limiter, set_back), ReadAdmission::Admitted(_)),
            "a clock that was set back holds no place"
        );
    }
}
