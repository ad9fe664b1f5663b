//! The networks that sent a page's views of the last days, for sequential tests and burn rates. They are kept by
//! quarters of a day: by hours, the networks with the most views of a quiet page would be most of its views.

use std::collections::BTreeMap;

use wire::{CodecError, UnixMillis, WindowSpan};

use crate::network_counts::NetworkCounts;
use crate::sum_key::PageLabels;

/// The networks of one page by the start of each quarter of a day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkHistory(BTreeMap<UnixMillis, NetworkCounts>);

impl NetworkHistory {
    /// Adds the networks of views that began at a time.
    pub fn add(&mut self, at: UnixMillis, networks: &NetworkCounts) {
        let start = UnixMillis(at.0 - at.0 % QUARTER_DAY_MS);
        self.0.entry(start).or_default().merge(networks);
    }

    /// Adds another history.
    pub fn merge(&mut self, other: &Self) {
        for (start, networks) in &other.0 {
            self.0.entry(*start).or_default().merge(networks);
        }
    }

    /// Returns the networks of the quarters that end after a time.
    #[must_use]
    pub fn since(&self, at: UnixMillis) -> NetworkCounts {
        let mut sum = NetworkCounts::default();
        let from = UnixMillis(at.0 - at.0 % QUARTER_DAY_MS);
        self.0.range(from..).for_each(|(_, networks)| sum.merge(networks));
        sum
    }

    /// Returns the views of the networks that sent most from the start of each quarter on.
    #[must_use]
    pub fn top_views(&self) -> BTreeMap<UnixMillis, u64> {
        let mut sum = NetworkCounts::default();
        let later = self.0.iter().rev().map(|(start, networks)| {
            sum.merge(networks);
            (*start, sum.top_views())
        });
        later.collect()
    }
}

type Encoded = Vec<(PageLabels, Vec<(UnixMillis, Vec<u8>)>)>;

/// Appends the networks of pages and of releases to a message.
pub(crate) fn encode(
    pages: &BTreeMap<PageLabels, NetworkHistory>,
    releases: &BTreeMap<String, NetworkCounts>,
    bytes: Vec<u8>,
) -> Result<Vec<u8>, CodecError> {
    let encoded = |networks: &NetworkCounts| {
        let mut bytes = Vec::new();
        networks.encode(&mut bytes);
        bytes
    };
    let history = |(page, NetworkHistory(quarters)): (&PageLabels, &NetworkHistory)| {
        (page.clone(), quarters.iter().map(|(start, networks)| (*start, encoded(networks))).collect())
    };
    let pages: Encoded = pages.iter().map(history).collect();
    let releases: Vec<(&str, Vec<u8>)> =
        releases.iter().map(|(release, networks)| (release.as_str(), encoded(networks))).collect();
    postcard::to_extend(&(pages, releases), bytes).map_err(|_| CodecError)
}

/// Decodes the networks of pages and of releases.
pub(crate) fn decode(bytes: &[u8]) -> Result<(PageNetworks, ReleaseNetworks), CodecError> {
    let (pages, releases): (Encoded, Vec<(String, Vec<u8>)>) =
        postcard::from_bytes(bytes).map_err(|_| CodecError)?;
    let decoded = |bytes: Vec<u8>| {
        let mut networks = NetworkCounts::default();
        networks.merge_encoded(&bytes).map(|()| networks)
    };
    let history = |(page, quarters): (PageLabels, Vec<(UnixMillis, Vec<u8>)>)| {
        let quarters = quarters.into_iter().map(|(start, bytes)| Ok((start, decoded(bytes)?)));
        Ok((page, NetworkHistory(quarters.collect::<Result<_, CodecError>>()?)))
    };
    let pages = pages.into_iter().map(history).collect::<Result<_, CodecError>>()?;
    let releases = releases
        .into_iter()
        .map(|(release, bytes)| Ok((release, decoded(bytes)?)))
        .collect::<Result<_, CodecError>>()?;
    Ok((pages, releases))
}

type PageNetworks = BTreeMap<PageLabels, NetworkHistory>;
type ReleaseNetworks = BTreeMap<String, NetworkCounts>;

const QUARTER_DAY_MS: u64 = 6 * WindowSpan::Hour.millis();

#[cfg(test)]
mod tests {
    use wire::{Device, NetworkBucket};

    use super::*;
    use crate::limit_counts::HourlyLimitCounts;

    const HOUR_MS: u64 = WindowSpan::Hour.millis();

    fn networks(views: &[(u8, u32)]) -> NetworkCounts {
        let mut counts = NetworkCounts::default();
        for (index, n) in views {
            (0..*n).for_each(|_| counts.add(NetworkBucket::new(*index).expect("a bucket")));
        }
        counts
    }

    fn history() -> NetworkHistory {
        let mut history = NetworkHistory::default();
        history.add(UnixMillis(HOUR_MS), &networks(&[(1, 5), (2, 1)]));
        history.add(UnixMillis(7 * HOUR_MS), &networks(&[(1, 5)]));
        history.add(UnixMillis(11 * HOUR_MS), &networks(&[(3, 2)]));
        history
    }

    #[test]
    fn the_networks_since_a_time_are_those_of_its_quarter_and_later_ones() {
        let history = history();
        assert_eq!(history.since(UnixMillis(5 * HOUR_MS)).views(), 13);
        assert_eq!(history.since(UnixMillis(6 * HOUR_MS)), networks(&[(1, 5), (3, 2)]));
        assert_eq!(history.since(UnixMillis(12 * HOUR_MS)), NetworkCounts::default());
        let top = [(UnixMillis(0), 13), (UnixMillis(6 * HOUR_MS), 7)];
        assert_eq!(history.top_views(), BTreeMap::from(top));
    }

    #[test]
    fn a_message_carries_the_networks_and_one_of_an_earlier_release_has_none() {
        let page = PageLabels { route: "/".into(), device: Device::Phone };
        let counts = HourlyLimitCounts {
            releases: [("1".into(), 8)].into(),
            networks: [(page, history())].into(),
            release_networks: [("1".into(), networks(&[(9, 8)]))].into(),
            ..HourlyLimitCounts::default()
        };
        let bytes = counts.clone().encode().expect("encodable");
        assert_eq!(HourlyLimitCounts::decode(&bytes), Ok(counts.clone()));
        let earlier = postcard::to_stdvec(&counts).expect("encodable");
        let without = HourlyLimitCounts { releases: counts.releases.clone(), ..HourlyLimitCounts::default() };
        assert_eq!(HourlyLimitCounts::decode(&earlier), Ok(without.clone()));
        // An earlier release reads the message that this one writes.
        assert_eq!(postcard::from_bytes::<HourlyLimitCounts>(&bytes), Ok(without));
    }
}
