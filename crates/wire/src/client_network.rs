//! The network of a client, the key of its rate limit. Every client of IPv6 has a /64 of its own, so an address alone
//! would give each of them 2^64 keys; and one address can be written in many ways, so the text would, too.

use std::net::{IpAddr, Ipv6Addr};

/// Returns the network of an address: an IPv4 address, also one that is mapped into IPv6, or the /64 of an IPv6
/// address. Texts that are no address share one key.
#[must_use]
pub fn client_network(address: &str) -> String {
    match address.trim().parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => address.to_string(),
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        Err(_) => UNKNOWN_NETWORK.to_owned(),
    }
}

/// The class of a client network. Its rejections are counted apart, because they fall on some visitors and not on
/// others: behind one IPv4 address there may be thousands of phones, and behind a /64 there is one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkClass {
    /// An IPv4 address.
    Ipv4,
    /// The /64 of an IPv6 address.
    Ipv6,
    /// No address.
    Unknown,
}

impl NetworkClass {
    /// Returns the class of a [`client_network`].
    #[must_use]
    pub fn of(network: &str) -> Self {
        match network {
            UNKNOWN_NETWORK => Self::Unknown,
            _ if network.ends_with("/64") => Self::Ipv6,
            _ => Self::Ipv4,
        }
    }

    /// Returns the reason under which rejections by the limit of a network are counted.
    #[must_use]
    pub const fn rejection_reason(self) -> &'static str {
        match self {
            Self::Ipv4 => "too-many-from-ipv4",
            Self::Ipv6 => "too-many-from-ipv6",
            Self::Unknown => "too-many-from-unknown",
        }
    }
}

const UNKNOWN_NETWORK: &str = "unknown";

/// A network that one sender may own as a whole: the /24 of an IPv4 address, or the /48 of an IPv6 address. A rate
/// limit takes the smallest network, so that no neighbour pays for another; evidence takes the largest that is cheap
/// to get, so that one sender is not many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientNetwork([u8; 7]);

impl ClientNetwork {
    /// Returns the network of an address on the internet; `None` for others, among which a proxy's own address stands
    /// for every visitor.
    #[must_use]
    pub fn of_internet_address(address: &str) -> Option<Self> {
        match address.trim().parse::<IpAddr>().ok()?.to_canonical() {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                let is_shared_space = a == 100 && b & 0xc0 == 64;
                let is_local = address.is_private()
                    || address.is_loopback()
                    || address.is_link_local()
                    || address.is_unspecified()
                    || is_shared_space;
                (!is_local).then_some(Self([4, a, b, c, 0, 0, 0]))
            }
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, ..] = address.octets();
                let is_local = address.is_loopback()
                    || address.is_unspecified()
                    || address.is_unique_local()
                    || address.is_unicast_link_local();
                (!is_local).then_some(Self([6, a, b, c, d, e, f]))
            }
        }
    }

    /// Returns bytes that differ for each network.
    #[must_use]
    pub const fn bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(addresses: &[&str], network: &str) {
        for address in addresses {
            assert_eq!(client_network(address), network, "{address}");
        }
    }

    #[test]
    fn one_network_has_one_key_however_it_is_written() {
        check(&["192.0.2.7", "::ffff:192.0.2.7", "::FFFF:c000:207", " 192.0.2.7 "], "192.0.2.7");
        check(
            &[
                "2001:db8::1",
                "2001:DB8:0:0::9",
                "2001:0db8:0000:0000:ffff:ffff:ffff:ffff",
                "2001:db8:0:0:1::",
            ],
            "2001:db8::/64",
        );
        check(&["2001:db8:0:1::1", "2001:db8:0:1:2:3:4:5"], "2001:db8:0:1::/64");
        check(&["::1", "::2:3"], "::/64");
        check(
            &["", "unknown", "192.0.2.256", "2001:db8::1%eth0", "2001:db8:::1", "1:2:3:4:5:6:7:8:9"],
            "unknown",
        );
    }

    #[test]
    fn a_network_has_a_class() {
        for (address, class) in [
            ("192.0.2.7", NetworkClass::Ipv4),
            ("::ffff:192.0.2.7", NetworkClass::Ipv4),
            ("2001:db8::1", NetworkClass::Ipv6),
            ("somewhere", NetworkClass::Unknown),
        ] {
            assert_eq!(NetworkClass::of(&client_network(address)), class, "{address}");
        }
    }

    /// An address in one of the notations of RFC 4291 §2.2.
    fn written(segments: [u16; 8], notation: u8) -> String {
        let hex =
            |segments: &[u16]| segments.iter().map(|each| format!("{each:x}")).collect::<Vec<_>>().join(":");
        let zeros = (0..8).find(|at| segments.iter().skip(*at).take(2).all(|each| *each == 0) && *at < 7);
        match (notation, zeros) {
            (0, Some(at)) => format!("{}::{}", hex(&segments[..at]), hex(&segments[at + 2..])),
            (1, _) => segments.map(|each| format!("{each:04X}")).join(":"),
            (2, _) => Ipv6Addr::from(segments).to_string(),
            _ => hex(&segments),
        }
    }

    fn segment() -> impl Strategy<Value = u16> {
        prop_oneof![Just(0), any::<u16>()]
    }

    #[test]
    fn only_addresses_of_the_internet_have_a_network() {
        let local = [
            "",
            "unknown",
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.1.1",
            "100.64.0.1",
            "0.0.0.0",
            "::",
            "::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ];
        for address in local {
            assert_eq!(ClientNetwork::of_internet_address(address), None, "{address}");
        }
        let network = |address| ClientNetwork::of_internet_address(address).expect("a network");
        assert_eq!(network("198.51.100.7"), network("::ffff:198.51.100.250"));
        assert_ne!(network("198.51.100.7"), network("198.51.101.7"));
        assert_eq!(network("2001:db8:1:2::3"), network("2001:db8:1:ffff::9"));
        assert_ne!(network("2001:db8:1::3"), network("2001:db8:2::3"));
        assert!(["100.128.0.1", "172.32.0.1", "64:ff9b::1"].map(network).len() == 3);
    }

    proptest! {
        #[test]
        fn a_network_of_ipv6_is_one_key(
            network in proptest::array::uniform4(segment()),
            hosts in proptest::array::uniform2(proptest::array::uniform4(segment())),
            notations in proptest::array::uniform2(0..4_u8),
        ) {
            // ::ffff:0:0/96 is IPv4.
            prop_assume!(hosts.iter().all(|host| network != [0; 4] || host[..2] != [0, 0xffff]));
            let [one, other] = [0, 1].map(|at| {
                let ([a, b, c, d], [e, f, g, h]) = (network, hosts[at]);
                client_network(&written([a, b, c, d, e, f, g, h], notations[at]))
            });
            prop_assert_eq!(&one, &other);
            prop_assert_ne!(one, UNKNOWN_NETWORK);
        }

        #[test]
        fn two_networks_are_two_keys(one in any::<[u16; 8]>(), other in any::<[u16; 8]>()) {
            prop_assume!(one[..4] != other[..4]);
            prop_assert_ne!(client_network(&written(one, 3)), client_network(&written(other, 3)));
        }

        #[test]
        fn an_address_of_ipv4_is_its_own_network(bits in any::<u32>()) {
            let address = Ipv4Addr::from_bits(bits);
            prop_assert_eq!(client_network(&address.to_string()), address.to_string());
            prop_assert_eq!(client_network(&address.to_ipv6_mapped().to_string()), address.to_string());
        }

        #[test]
        fn no_text_makes_a_longer_key(text in ".{0,80}") {
            prop_assert!(client_network(&text).len() <= "ffff:ffff:ffff:ffff::/64".len());
        }
    }
}
