//! The messages of the WebSocket `/api/live`. They carry counts alone, so that no view can be singled out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::beacon::Values;
use crate::{Metric, Rating};

/// The version of the document.
pub const VERSION: u8 = 1;
/// The subprotocol of the socket.
pub const PROTOCOL: &str = "edge-vitals.live.v1";
/// The prefix of the subprotocol that carries a listener's token, in hexadecimal because a subprotocol must be an HTTP
/// token.
pub const TOKEN_PREFIX: &str = "token.";

/// The views since the last message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LiveDelta {
    /// The version of this document.
    pub v: u8,
    /// Views of people, each counted at its first beacon.
    pub views: u64,
    /// Views of automated browsers, which are not in `views`.
    pub bots: u64,
    /// The ratings of the first values of people's views, by metric: good, needs improvement, poor.
    pub metrics: BTreeMap<String, [u64; 3]>,
}

impl Default for LiveDelta {
    fn default() -> Self {
        Self { v: VERSION, views: 0, bots: 0, metrics: BTreeMap::new() }
    }
}

impl LiveDelta {
    /// Counts one view.
    pub fn record_view(&mut self, is_bot: bool, values: &Values) {
        if is_bot {
            self.bots = self.bots.saturating_add(1);
            return;
        }
        self.views = self.views.saturating_add(1);
        for (metric, value) in values.iter() {
            let [good, between, poor] = self.metrics.entry(metric.name().to_owned()).or_default();
            let count = match metric.rate(f64::from(value) / metric.wire_scale()) {
                Rating::Good => good,
                Rating::NeedsImprovement => between,
                Rating::Poor => poor,
            };
            *count = count.saturating_add(1);
        }
    }

    /// Adds the counts of another delta; unknown metrics are ignored.
    pub fn merge(&mut self, other: &Self) {
        self.views = self.views.saturating_add(other.views);
        self.bots = self.bots.saturating_add(other.bots);
        for (name, counts) in other.metrics.iter().filter(|(name, _)| Metric::from_name(name).is_some()) {
            let own = self.metrics.entry(name.clone()).or_default();
            for (own, count) in own.iter_mut().zip(counts) {
                *own = own.saturating_add(*count);
            }
        }
    }

    /// Returns true without any view.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.views == 0 && self.bots == 0
    }
}

/// Returns the token among the subprotocols of a handshake.
#[must_use]
pub fn token_from_protocols(protocols: &str) -> Option<String> {
    let hex = protocol_names(protocols).find_map(|name| name.strip_prefix(TOKEN_PREFIX))?;
    let digits: Option<Vec<u8>> =
        hex.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(high << 4 | low),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = digits?.chunks(2).map(byte).collect();
    String::from_utf8(bytes?).ok()
}

/// Returns true where a handshake offers [`PROTOCOL`], which the response must then select.
#[must_use]
pub fn offers_protocol(protocols: &str) -> bool {
    protocol_names(protocols).any(|name| name == PROTOCOL)
}

fn protocol_names(protocols: &str) -> impl Iterator<Item = &str> {
    protocols.split(',').map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_counts_once_and_each_value_in_its_rating() {
        let mut values = Values::default();
        values.set(Metric::Lcp, 2500);
        values.set(Metric::Cls, 1001);
        values.set(Metric::Inp, 501);
        let mut delta = LiveDelta::default();
        delta.record_view(false, &values);
        delta.record_view(true, &values);
        assert_eq!(
            serde_json::to_string(&delta).expect("JSON"),
            r#"{"v":1,"views":1,"bots":1,"metrics":{"CLS":[0,1,0],"INP":[0,0,1],"LCP":[1,0,0]}}"#
        );
    }

    #[test]
    fn a_merge_sums_counts_and_ignores_unknown_metrics() {
        let metrics = [("LCP".to_owned(), [1, 2, 3]), ("PWN".to_owned(), [9, 9, 9])];
        let other = LiveDelta { views: 6, bots: 1, metrics: metrics.into(), ..LiveDelta::default() };
        let mut delta = other.clone();
        delta.metrics.remove("PWN");
        delta.merge(&other);
        assert_eq!((delta.views, delta.bots), (12, 2));
        assert_eq!(delta.metrics, [("LCP".to_owned(), [2, 4, 6])].into());
    }

    #[test]
    fn a_token_is_decoded_from_hex_or_rejected() {
        assert_eq!(
            token_from_protocols("edge-vitals.live.v1, token.6f70656e20736573616d65").as_deref(),
            Some("open sesame")
        );
        assert_eq!(token_from_protocols("token.C3bc").as_deref(), Some("ü"));
        for wrong in ["", PROTOCOL, "token.6", "token.6g", "token.ff", "tok.6f"] {
            assert_eq!(token_from_protocols(wrong), None, "{wrong}");
        }
        assert_eq!(token_from_protocols("token.").as_deref(), Some(""));
        assert!(offers_protocol("a,edge-vitals.live.v1") && !offers_protocol("edge-vitals.live.v2"));
    }
}
