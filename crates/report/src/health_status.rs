//! The status of a site and of the parts of its health.

use serde::{Deserialize, Serialize};

/// Health status, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum HealthStatus {
    /// Known to be healthy.
    Healthy,
    /// Too little data to tell.
    Insufficient,
    /// No data.
    Unknown,
    /// Beyond a warning limit.
    Degraded,
    /// Beyond a critical limit.
    Unhealthy,
}

impl HealthStatus {
    /// All statuses, from best to worst.
    pub const ALL: [Self; 5] =
        [Self::Healthy, Self::Insufficient, Self::Unknown, Self::Degraded, Self::Unhealthy];

    /// The name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Insufficient => "insufficient",
            Self::Unknown => "unknown",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }

    /// Returns the status of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}
