//! Views before and after folding.

use serde::{Deserialize, Serialize};
use wire::UnixMillis;

use crate::labels::LabelGranularity;
use crate::record::{MetricLimits, ViewRecord};

/// A row of the journal with a record that is not folded yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfoldedView {
    /// The key of the view.
    pub key: String,
    /// The start of the view.
    pub start: UnixMillis,
    /// The number of the latest beacon.
    pub seq: u16,
    /// The beacons that arrived, one bit each.
    pub received_bits: u32,
    /// The latest record.
    pub record: ViewRecord,
    /// The record that its cell contains.
    pub folded: Option<FoldedView>,
}

/// A view exactly as its cell contains it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoldedView {
    /// The record.
    #[serde(rename = "t")]
    pub record: ViewRecord,
    /// The limits in effect at folding.
    #[serde(rename = "l")]
    pub limits: MetricLimits,
    /// The number of beacons sent.
    #[serde(rename = "s")]
    pub sent: u16,
    /// The number of beacons received.
    #[serde(rename = "h")]
    pub received: u16,
    /// The granularity of the labels that it is counted under.
    #[serde(rename = "p", default, skip_serializing_if = "LabelGranularity::is_full")]
    pub granularity: LabelGranularity,
}
