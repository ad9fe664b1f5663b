//! The limit of failed sign-ins of a client network. It counts wrong tokens that differ: a client that repeats an
//! expired token learns nothing from it, and must not lock out its colleagues.

use std::collections::BTreeMap;

use wire::UnixMillis;

use crate::digest::TokenDigest;

/// The failed sign-ins of the last minute, as one isolate knows them.
#[derive(Clone, Debug, Default)]
pub struct SignInLimiter {
    networks: BTreeMap<String, Failures>,
}

#[derive(Clone, Debug)]
struct Failures {
    since: UnixMillis,
    tokens: Vec<u64>,
}

impl SignInLimiter {
    /// Returns the seconds to wait where a network may not try another token.
    #[must_use]
    pub fn blocked_seconds(&self, network: &str, token: &str, now: UnixMillis) -> Option<u32> {
        let failures = self.networks.get(network)?;
        let age = now.0.saturating_sub(failures.since.0);
        let is_known = failures.tokens.contains(&TokenDigest::of(token).prefix());
        if age >= PERIOD_MS || failures.tokens.len() < MAX_WRONG_TOKENS || is_known {
            return None;
        }
        u32::try_from((PERIOD_MS - age).div_ceil(1000)).ok()
    }

    /// Counts a wrong token.
    pub fn count_failure(&mut self, network: &str, token: &str, now: UnixMillis) {
        let is_over = |failures: &Failures| now.0.saturating_sub(failures.since.0) >= PERIOD_MS;
        if !self.networks.contains_key(network) && self.networks.len() >= MAX_NETWORKS {
            self.networks.retain(|_, failures| !is_over(failures));
            if self.networks.len() >= MAX_NETWORKS {
                self.forget_least();
            }
        }
        let fresh = || Failures { since: now, tokens: Vec::new() };
        let failures = self.networks.entry(network.to_owned()).or_insert_with(fresh);
        if is_over(failures) {
            *failures = fresh();
        }
        let prefix = TokenDigest::of(token).prefix();
        if failures.tokens.len() < MAX_WRONG_TOKENS && !failures.tokens.contains(&prefix) {
            failures.tokens.push(prefix);
        }
    }

    /// Forgets the network with the fewest failures, and of those the oldest: blocked ones stay.
    fn forget_least(&mut self) {
        let least = self.networks.iter().min_by_key(|(_, failures)| (failures.tokens.len(), failures.since));
        if let Some(network) = least.map(|(network, _)| network.clone()) {
            self.networks.remove(&network);
        }
    }
}

/// Different wrong tokens of a network within the period.
const MAX_WRONG_TOKENS: usize = 10;
const PERIOD_MS: u64 = 60_000;
/// About 200 KB of memory.
const MAX_NETWORKS: usize = 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn fail(limiter: &mut SignInLimiter, network: &str, guesses: usize, at: UnixMillis) {
        (0..guesses).for_each(|guess| limiter.count_failure(network, &format!("guess {guess}"), at));
    }

    #[test]
    fn the_eleventh_guess_of_a_minute_waits_and_the_right_token_with_it() {
        let mut limiter = SignInLimiter::default();
        fail(&mut limiter, "192.0.2.1", 9, NOW);
        assert_eq!(limiter.blocked_seconds("192.0.2.1", "right", NOW), None);
        fail(&mut limiter, "192.0.2.1", 10, NOW);
        assert_eq!(limiter.blocked_seconds("192.0.2.1", "right", NOW), Some(60));
        assert_eq!(limiter.blocked_seconds("192.0.2.2", "right", NOW), None);
        assert_eq!(limiter.blocked_seconds("192.0.2.1", "right", NOW.saturating_add(59_001)), Some(1));
        let later = NOW.saturating_add(60_000);
        assert_eq!(limiter.blocked_seconds("192.0.2.1", "right", later), None);
        limiter.count_failure("192.0.2.1", "guess", later);
        assert_eq!(limiter.blocked_seconds("192.0.2.1", "right", later), None);
    }

    #[test]
    fn one_wrong_token_however_often_blocks_nobody() {
        let mut limiter = SignInLimiter::default();
        (0..1000).for_each(|_| limiter.count_failure("192.0.2.1", "expired", NOW));
        assert_eq!(limiter.blocked_seconds("192.0.2.1", "right", NOW), None);
    }

    #[test]
    fn many_networks_do_not_lift_the_block_of_one() {
        let mut limiter = SignInLimiter::default();
        fail(&mut limiter, "192.0.2.1", 10, NOW);
        (0..5000).for_each(|host| limiter.count_failure(&format!("2001:db8:{host:x}::/64"), "guess", NOW));
        assert_eq!(limiter.networks.len(), MAX_NETWORKS);
        assert!(limiter.blocked_seconds("192.0.2.1", "right", NOW).is_some());
    }

    proptest! {
        #[test]
        fn no_order_of_guesses_tries_more_tokens_in_a_period(
            guesses in proptest::collection::vec((0..40_u8, 0..2_u8, 0..5_000_u64), 0..200)
        ) {
            let (mut limiter, mut now) = (SignInLimiter::default(), NOW);
            let mut tried: BTreeMap<String, Vec<(u64, u8)>> = BTreeMap::new();
            for (token, network, pause) in guesses {
                now = now.saturating_add(pause);
                let (text, network) = (token.to_string(), network.to_string());
                if limiter.blocked_seconds(&network, &text, now).is_none() {
                    limiter.count_failure(&network, &text, now);
                    tried.entry(network).or_default().push((now.0, token));
                }
            }
            for tries in tried.values() {
                for (start, _) in tries {
                    let within = tries.iter().filter(|(at, _)| (*start..start + PERIOD_MS).contains(at));
                    let tokens: std::collections::BTreeSet<u8> = within.map(|(_, token)| *token).collect();
                    // Fixed periods: a window over the edge of two has at most twice as many.
                    prop_assert!(tokens.len() <= 2 * MAX_WRONG_TOKENS);
                }
            }
        }
    }
}
