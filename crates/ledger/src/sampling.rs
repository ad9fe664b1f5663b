//! The sampling rates of a site. A page that measures one load in ten sends the weight 10, and each of its views counts
//! as ten visits. Anybody can send a beacon, so a weight counts only if the site says that its pages send it.

use serde::Deserialize;
use wire::Beacon;

/// The weights that the pages of a site send. Every page may measure all its loads, so 1 is always among them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<u32>")]
pub struct SamplingRates(Vec<u32>);

impl SamplingRates {
    /// Reduces the weight of a beacon to 1 unless the site has configured it. Returns true if it was reduced.
    pub fn reduce_weight(&self, beacon: &mut Beacon) -> bool {
        let is_known = beacon.weight == 1 || self.0.contains(&beacon.weight);
        if !is_known {
            beacon.weight = 1;
        }
        !is_known
    }
}

impl TryFrom<Vec<u32>> for SamplingRates {
    type Error = String;

    fn try_from(rates: Vec<u32>) -> Result<Self, String> {
        match rates.iter().find(|rate| !(1..=wire::beacon::MAX_WEIGHT).contains(*rate)) {
            Some(rate) => Err(format!(
                "sampling: {rate} is no rate; 10 means that pages with `sample: 10` measure one load in ten, and the \
                 largest is {}",
                wire::beacon::MAX_WEIGHT
            )),
            None => Ok(Self(rates)),
        }
    }
}

/// The reason under which reduced weights are counted, beside those of rejected beacons.
pub const UNKNOWN_WEIGHT: &str = "weight-not-configured";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sketch::Sketch;
    use wire::Metric;

    use super::*;

    fn beacon(weight: u32, lcp: u32) -> Beacon {
        let text = format!(
            r#"{{"v":1,"site":"s","id":"0123456789abcdef","nav":"navigate","path":"/","w":{weight},"m":{{"LCP":{lcp}}}}}"#
        );
        Beacon::parse(text.as_bytes()).expect("a valid beacon")
    }

    #[test]
    fn a_weight_counts_only_if_the_site_has_configured_it() {
        let weight = |rates: &[u32], weight| {
            let mut beacon = beacon(weight, 1);
            let is_reduced = SamplingRates(rates.to_vec()).reduce_weight(&mut beacon);
            (beacon.weight, is_reduced)
        };
        assert_eq!([weight(&[], 1), weight(&[], 10_000)], [(1, false), (1, true)]);
        assert_eq!(
            [weight(&[10], 1), weight(&[10], 10), weight(&[10], 11)],
            [(1, false), (10, false), (1, true)]
        );
    }

    #[test]
    fn a_rate_is_what_a_beacon_may_carry() {
        let parse =
            |text: &str| serde_json::from_str::<SamplingRates>(text).map_err(|error| error.to_string());
        assert_eq!(parse("[1, 10, 10000]"), Ok(SamplingRates(vec![1, 10, 10_000])));
        for text in ["[0]", "[10, 10001]", "[1.5]", "10", "[-1]"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("[0]").is_err_and(|why| why.starts_with("sampling: 0 is no rate")));
    }

    /// The p-th percentile of values that each count once, or as often as their weight.
    fn percentile(views: &[(u32, u32)], percent: u8) -> Option<u32> {
        let mut sketch = Sketch::new(Metric::Lcp);
        views.iter().for_each(|(value, weight)| sketch.insert(*value, u64::from(*weight)));
        sketch.percentile(percent).map(|bucket| bucket.high)
    }

    proptest! {
        #[test]
        fn one_beacon_moves_no_percentile_further_than_a_true_view(
            honest in proptest::collection::vec(0..60_000_u32, 1..60),
            rates in proptest::collection::vec(1..=100_u32, 0..3),
            claimed in 1..=10_000_u32,
            value in 0..60_000_u32,
            percent in prop_oneof![Just(50_u8), Just(75), Just(90), Just(95), Just(99)],
        ) {
            let rates = SamplingRates(rates);
            let mut hostile = beacon(claimed, value);
            rates.reduce_weight(&mut hostile);
            let mut views: Vec<(u32, u32)> = honest.into_iter().map(|value| (value, 1)).collect();
            let with = |value, weight| percentile(&[views.as_slice(), &[(value, weight)]].concat(), percent);
            // The fastest and the slowest view that a page of this site can truly report.
            let most = rates.0.iter().copied().max().unwrap_or(1);
            let (low, high) = (with(0, most), with(60_000, most));
            views.push((value, hostile.weight));
            let moved = percentile(&views, percent);
            prop_assert!(low <= moved && moved <= high, "{low:?} {moved:?} {high:?}");
        }
    }
}
