//! What those who look on are told while visits come in: counts alone, so that nothing of a visitor
//! leaves by this way.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::beacon::Values;
use crate::{Metric, Rating};

/// The version of the document.
pub const VERSION: u8 = 1;
/// The subprotocol of the socket, which a listener names.
pub const PROTOCOL: &str = "edge-vitals.live.v1";
/// A listener's token is named beside it: after this, in hexadecimal, for it must be a token of HTTP.
pub const TOKEN_PREFIX: &str = "token.";

/// Views that were heard of since the last time that something was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LiveDelta {
    /// The version of this document.
    pub v: u8,
    /// Views of people, each once: when it is first heard of.
    pub views: u64,
    /// Views of browsers that programs drive, which are not among those.
    pub bots: u64,
    /// How what people's views told at first is rated: good, between, poor.
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

    /// Adds what somebody else counted; of metrics that there are.
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

    /// Whether there is nothing to say.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.views == 0 && self.bots == 0
    }
}

/// The token among the subprotocols that a listener names.
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

/// Whether a listener names our subprotocol: then the answer has to.
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
            serde_json::to_string(&delta).unwrap_or_default(),
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
