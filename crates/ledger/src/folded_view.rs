//! Views on their way into cells.

use serde::{Deserialize, Serialize};
use wire::UnixMillis;

use crate::labels::LabelGranularity;
use crate::record::{MetricLimits, ViewRecord};

/// A row of the journal whose cells are behind what it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfoldedView {
    /// Its name.
    pub key: String,
    /// When it began.
    pub start: UnixMillis,
    /// The number of its latest send.
    pub seq: u16,
    /// The sends that arrived, a bit each.
    pub received_bits: u32,
    /// What the latest one told.
    pub record: ViewRecord,
    /// What its cell holds of it.
    pub folded: Option<FoldedView>,
}

/// A view exactly as a cell counted it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoldedView {
    /// What it had told by then.
    #[serde(rename = "t")]
    pub record: ViewRecord,
    /// The limits that it was judged by.
    #[serde(rename = "l")]
    pub limits: MetricLimits,
    /// How many sends it had made.
    #[serde(rename = "s")]
    pub sent: u16,
    /// How many had arrived.
    #[serde(rename = "h")]
    pub received: u16,
    /// Where: what found no place of its own is taken out of where it was put.
    #[serde(rename = "p", default, skip_serializing_if = "LabelGranularity::is_full")]
    pub granularity: LabelGranularity,
}
