//! The document of `GET /api/health/history`: statuses, and the incidents that explain them.

use report::status_history::StatusHistory;
use serde::Serialize;
use wire::UnixMillis;

/// The status history of a site.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HealthHistory {
    /// The version of this document.
    pub v: u8,
    /// The site.
    pub site: String,
    /// The start of the time span.
    pub from: UnixMillis,
    /// The end of the time span, exclusive.
    pub to: UnixMillis,
    /// The statuses.
    #[serde(flatten)]
    pub history: StatusHistory,
    /// For token holders: the incidents of the time span as they were recorded, the newest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<crate::IncidentRecord>>"))]
    pub incidents: Option<Vec<serde_json::Value>>,
    /// For token holders: the number of incidents that are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub more_incidents: Option<u64>,
}
