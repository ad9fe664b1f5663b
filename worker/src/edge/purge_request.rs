//! The documents that the Worker and the purge clock exchange, as JSON.

use cache::metrics::CacheMetrics;
use cache::purge::PurgeMode;
use serde::{Deserialize, Serialize};

/// A purge.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PurgeRequest {
    #[serde(rename = "what")]
    pub(crate) targets: Vec<PurgeItem>,
    #[serde(rename = "force")]
    pub(crate) mode: PurgeMode,
}

/// One target of a purge.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PurgeItem {
    Tag(String),
    Url(String),
    Prefix(String),
    All,
}

/// The marks of an isolate's writes: hashes of URLs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WriteBatch {
    pub(crate) urls: Vec<String>,
}

/// The purge clock's response to a batch.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WriteReceipt {
    /// The marks that were not stored, because there were too many.
    pub(crate) refused: u64,
}

/// A call of the management API.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AdminCall {
    pub(crate) action: String,
    pub(crate) what: String,
    pub(crate) outcome: String,
}

/// The purge clock's part of the analytics.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ClockAnalytics {
    pub(crate) purges: u64,
    pub(crate) marks: usize,
    #[serde(rename = "seen")]
    pub(crate) metrics: CacheMetrics,
    pub(crate) calls: Vec<RecordedCall>,
}

/// A call of the management API and its time.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RecordedCall {
    pub(crate) at: u64,
    #[serde(flatten)]
    pub(crate) call: AdminCall,
}
