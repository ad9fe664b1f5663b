//! The keyed hash of a network. Seven bits of it are all that leaves the request: each value stands for hundreds of
//! thousands of networks, and on the next day for others.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use wire::{ClientNetwork, NetworkBucket, UnixMillis};

/// Returns the bucket of a network on the day of `now`. A network has one bucket on all shards of a site, and nothing
/// in common with its bucket on another site or day. Without a secret, who knows the method can compute the bucket of a
/// network, but not the network of a bucket.
#[must_use]
pub fn network_bucket(
    secret: &[u8],
    site: &str,
    network: ClientNetwork,
    now: UnixMillis,
) -> Option<NetworkBucket> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    let day = now.0 / DAY_MS;
    // The names of sites contain no newline.
    mac.update(format!("edge-vitals network 1\n{site}\n{day}\n").as_bytes());
    mac.update(network.bytes());
    mac.finalize().into_bytes().first().map(|byte| NetworkBucket::from_hash(*byte))
}

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn bucket(secret: &[u8], site: &str, address: &str, now: UnixMillis) -> NetworkBucket {
        let network = ClientNetwork::of_internet_address(address).expect("a network");
        network_bucket(secret, site, network, now).expect("a key of any length")
    }

    fn buckets(of: impl Fn(u8) -> NetworkBucket) -> Vec<NetworkBucket> {
        (0..64).map(of).collect()
    }

    #[test]
    fn a_bucket_depends_on_key_site_day_and_network_alone() {
        let address = |at: u8| format!("8.8.{at}.1");
        let one = buckets(|at| bucket(b"key", "s", &address(at), NOW));
        assert_eq!(one, buckets(|at| bucket(b"key", "s", &format!("8.8.{at}.77"), UnixMillis(NOW.0 + 1))));
        for other in [
            buckets(|at| bucket(b"another", "s", &address(at), NOW)),
            buckets(|at| bucket(b"", "s", &address(at), NOW)),
            buckets(|at| bucket(b"key", "t", &address(at), NOW)),
            buckets(|at| bucket(b"key", "s", &address(at), UnixMillis(NOW.0 + DAY_MS))),
        ] {
            assert_ne!(one, other);
        }
        assert!(one.into_iter().collect::<BTreeSet<_>>().len() > 32, "the hash spreads");
    }

    proptest! {
        #[test]
        fn every_secret_and_network_has_a_bucket(secret in proptest::collection::vec(any::<u8>(), 0..200), bits in any::<u128>()) {
            let address = std::net::Ipv6Addr::from_bits(bits).to_string();
            if let Some(network) = ClientNetwork::of_internet_address(&address) {
                prop_assert!(network_bucket(&secret, "s", network, NOW).is_some());
            }
        }
    }
}
