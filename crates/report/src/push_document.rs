//! The documents of `/api/push…`: the delivery state of the push backends and the retry of dead letters.

use serde::{Deserialize, Serialize};

use crate::operations::BackendStatus;

/// The version of the documents.
pub const VERSION: u8 = 1;

/// The delivery state of a site's push backends.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PushReport {
    /// The version of this document.
    pub v: u8,
    /// The site.
    pub site: String,
    /// Each backend.
    pub backends: Vec<BackendStatus>,
}

/// A selection of dead letters to retry: all of them where no field is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PushRetryRequest {
    /// The name of one backend.
    pub sink: Option<String>,
    /// The number of one dead letter.
    pub seq: Option<u64>,
}

/// The answer to a retry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PushRetryResponse {
    /// The version of this document.
    pub v: u8,
    /// The site.
    pub site: String,
    /// The number of documents that are sent again.
    #[serde(rename = "again")]
    pub retried: usize,
}
