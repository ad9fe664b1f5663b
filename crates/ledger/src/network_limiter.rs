//! The limit of a site for the beacons of one client network, within one isolate. It is approximate: a network whose
//! beacons reach several isolates can send up to the limit to each of them, and minutes are those of the clock, so that
//! a burst across the turn of a minute can be twice the limit.

use std::collections::BTreeMap;

/// The beacons of the present minute by site and network. At most [`MAX_NETWORKS`] are counted; the others pass.
#[derive(Clone, Debug, Default)]
pub struct NetworkLimiter {
    minute: u64,
    counts: BTreeMap<(String, String), u32>,
}

impl NetworkLimiter {
    /// Counts a beacon. Returns false if its network exceeds the limit.
    pub fn admit(&mut self, site: &str, network: &str, per_minute: u32, now_ms: u64) -> bool {
        let minute = now_ms / MINUTE_MS;
        if minute != self.minute {
            *self = Self { minute, counts: BTreeMap::new() };
        }
        let key = (site.to_owned(), network.to_owned());
        if self.counts.len() >= MAX_NETWORKS && !self.counts.contains_key(&key) {
            return true;
        }
        let count = self.counts.entry(key).or_default();
        *count = count.saturating_add(1);
        *count <= per_minute
    }
}

/// About 3 MB.
const MAX_NETWORKS: usize = 20_000;
const MINUTE_MS: u64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_network_of_a_site_has_its_own_minute() {
        let mut limiter = NetworkLimiter::default();
        let mut admit = |site, network, now_ms| limiter.admit(site, network, 2, now_ms);
        assert!(admit("shop", "192.0.2.7", 0) && admit("shop", "192.0.2.7", 1));
        assert!(!admit("shop", "192.0.2.7", 59_999));
        assert!(admit("shop", "192.0.2.8", 59_999), "another network");
        assert!(admit("blog", "192.0.2.7", 59_999), "another site");
        assert!(admit("shop", "192.0.2.7", 60_000), "the next minute");
    }

    #[test]
    fn memory_is_bounded_and_what_is_not_counted_passes() {
        let mut limiter = NetworkLimiter::default();
        let mut admitted = 0;
        for network in 0..=MAX_NETWORKS {
            admitted += usize::from(limiter.admit("shop", &network.to_string(), 0, 0));
        }
        assert_eq!((limiter.counts.len(), admitted), (MAX_NETWORKS, 1));
    }
}
