//! The networks that sent the views of a count, as documents tell them.

use serde::{Deserialize, Serialize};

/// The networks that sent the views of a count. A network is the /24 of an IPv4 address or the /48 of an IPv6 address;
/// it counts again on each day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NetworkShare {
    /// Their number, estimated; it ends near 600.
    pub networks: u64,
    /// The views of the four networks that sent most, at most. A violation must be proven without them.
    pub top: u64,
    /// The share of the network that sent most, at most, from 0 to 1.
    pub largest: f64,
    /// The bounds of the value at the budget's percentile without these views, however slow they were; absent if they
    /// are all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_without_top: Option<[f64; 2]>,
    /// Present if a violation is not proven because it rests on few networks: a sentence that says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unproven: Option<String>,
}

impl NetworkShare {
    /// Returns the sentence about a violation of `n` views that rests on few networks.
    #[must_use]
    pub fn unproven_sentence(&self, n: u64) -> String {
        let senders = if self.largest > 0.5 {
            format!("one network sent {:.0} % of the views", 100.0 * self.largest)
        } else {
            format!("four networks sent {} of {n} views", self.top.min(n))
        };
        format!("insufficient evidence: {senders}, and the others prove no violation")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_names_the_largest_sender() {
        let share =
            |largest| NetworkShare { networks: 9, top: 90, largest, value_without_top: None, unproven: None };
        assert_eq!(
            [share(0.92), share(0.3)].map(|share| share.unproven_sentence(100)),
            [
                "insufficient evidence: one network sent 92 % of the views, and the others prove no violation",
                "insufficient evidence: four networks sent 90 of 100 views, and the others prove no violation"
            ]
        );
    }
}
