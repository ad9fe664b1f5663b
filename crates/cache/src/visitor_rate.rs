//! The rate limit of a route for its visitors, by client network and within one isolate. It is approximate: a network
//! whose requests reach several isolates can send up to the limit to each of them.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde::Deserialize;
use wire::UnixMillis;

/// The `rate` of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VisitorRate {
    /// The requests that a network may make in a period.
    pub requests: NonZeroU32,
    /// The length of a period in seconds.
    #[serde(rename = "per")]
    pub period_seconds: NonZeroU32,
    /// The kind of visitor that the limit is for.
    #[serde(default)]
    pub by: RateKey,
}

/// A kind of visitor whose requests are counted together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RateKey {
    /// The client network: an IPv4 address, or the /64 of an IPv6 address.
    #[default]
    Network,
}

/// The requests of an isolate's visitors by route and network. At most [`MAX_NETWORKS`] are counted; the others pass.
#[derive(Clone, Debug, Default)]
pub(crate) struct VisitorLimiter {
    counts: BTreeMap<(usize, String), PeriodCounts>,
    swept_at: UnixMillis,
}

/// The requests of a network in the present period and the one before.
#[derive(Clone, Copy, Debug, Default)]
struct PeriodCounts {
    period: u64,
    present: u32,
    previous: u32,
    /// The end of the next period, until which they count.
    until: u64,
}

impl VisitorRate {
    const fn period_ms(self) -> u64 {
        self.period_seconds.get() as u64 * 1000
    }

    /// Checks the keys against each other.
    pub(crate) fn validate(self) -> Result<(), String> {
        match self.period_seconds.get() <= MAX_PERIOD_SECONDS {
            true => Ok(()),
            false => Err(format!("rate needs per from 1 to {MAX_PERIOD_SECONDS}, in seconds")),
        }
    }
}

impl VisitorLimiter {
    /// Counts a request, or returns the number of seconds after which to retry. The requests of the last period count by
    /// the part of it that is less than a period ago, as if they had been spread evenly.
    pub(crate) fn admit(
        &mut self,
        route: usize,
        network: &str,
        rate: VisitorRate,
        now: UnixMillis,
    ) -> Result<(), u64> {
        self.sweep(now);
        let (period, elapsed_ms) = (now.0 / rate.period_ms(), now.0 % rate.period_ms());
        let key = (route, network.to_owned());
        if self.counts.len() >= MAX_NETWORKS && !self.counts.contains_key(&key) {
            return Ok(());
        }
        let counts = self.counts.entry(key).or_default();
        match period.checked_sub(counts.period) {
            Some(0) => {}
            Some(1) => *counts = PeriodCounts { period, present: 0, previous: counts.present, until: 0 },
            // After a pause, or after the clock was set back.
            _ => *counts = PeriodCounts { period, present: 0, previous: 0, until: 0 },
        }
        counts.until = period.saturating_add(2).saturating_mul(rate.period_ms());
        let rest_ms = rate.period_ms().saturating_sub(elapsed_ms);
        let limit = u64::from(rate.requests.get());
        let weighted = u64::from(counts.previous).saturating_mul(rest_ms) / rate.period_ms();
        if weighted.saturating_add(counts.present.into()) >= limit {
            return Err(rest_ms.div_ceil(1000).max(1));
        }
        counts.present = counts.present.saturating_add(1);
        Ok(())
    }

    /// Forgets the networks whose requests no longer count, once a minute.
    fn sweep(&mut self, now: UnixMillis) {
        if now.0.abs_diff(self.swept_at.0) >= SWEEP_MS {
            self.swept_at = now;
            let counting = now.0..=now.0.saturating_add(2000 * u64::from(MAX_PERIOD_SECONDS));
            self.counts.retain(|_, counts| counting.contains(&counts.until));
        }
    }
}

/// About 3 MB.
const MAX_NETWORKS: usize = 20_000;
const MAX_PERIOD_SECONDS: u32 = 3_600;
const SWEEP_MS: u64 = 60_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(requests: u32, period_seconds: u32) -> VisitorRate {
        let positive = |number| NonZeroU32::new(number).expect("a positive number");
        VisitorRate {
            requests: positive(requests),
            period_seconds: positive(period_seconds),
            by: RateKey::Network,
        }
    }

    #[test]
    fn each_network_of_a_route_has_its_own_limit() {
        let mut limiter = VisitorLimiter::default();
        let mut admit = |route, network, at| limiter.admit(route, network, rate(2, 60), UnixMillis(at));
        assert_eq!((admit(0, "192.0.2.7", 0), admit(0, "192.0.2.7", 1)), (Ok(()), Ok(())));
        assert_eq!(admit(0, "192.0.2.7", 10_000), Err(50));
        assert_eq!(admit(0, "192.0.2.8", 10_000), Ok(()), "another network");
        assert_eq!(admit(1, "192.0.2.7", 10_000), Ok(()), "another route");
        assert_eq!(admit(0, "192.0.2.7", 60_000), Err(60), "both requests of the last period still count");
        assert_eq!(admit(0, "192.0.2.7", 60_001), Ok(()), "one of them, at the most");
        assert_eq!(admit(0, "192.0.2.7", 300_000), Ok(()), "after a pause");
        assert_eq!(admit(0, "192.0.2.7", 0), Ok(()), "after the clock was set back");
    }

    #[test]
    fn memory_is_bounded_and_what_is_not_counted_passes() {
        let mut limiter = VisitorLimiter::default();
        for network in 0..=MAX_NETWORKS {
            assert_eq!(limiter.admit(0, &network.to_string(), rate(1, 60), UnixMillis(0)), Ok(()));
        }
        assert_eq!(limiter.counts.len(), MAX_NETWORKS);
        assert_eq!(limiter.admit(0, "new", rate(1, 60), UnixMillis(200_000)), Ok(()));
        assert_eq!(limiter.counts.len(), 1, "what no longer counts is forgotten");
    }

    proptest! {
        #[test]
        fn no_period_has_more_than_the_limit_and_every_window_less_than_twice_as_many(
            requests in 1_u32..40,
            gaps in proptest::collection::vec(0_u64..1500, 1..300),
        ) {
            let (mut limiter, rate, mut now, mut admitted) = (VisitorLimiter::default(), rate(requests, 10), 0, Vec::new());
            for gap in gaps {
                now += gap;
                if limiter.admit(0, "n", rate, UnixMillis(now)).is_ok() {
                    admitted.push(now);
                }
            }
            for (index, start) in admitted.iter().enumerate() {
                let of_period = admitted.iter().filter(|at| *at / 10_000 == start / 10_000).count();
                prop_assert!(of_period <= requests as usize);
                let of_window = admitted.iter().skip(index).take_while(|at| **at < start + 10_000).count();
                prop_assert!(of_window < 2 * requests as usize || requests == 1 && of_window <= 2);
            }
        }
    }
}
