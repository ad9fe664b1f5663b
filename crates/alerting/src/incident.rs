//! Incidents: alerts from start to end, in the form that is stored and shown.

use std::collections::BTreeMap;

use report::signals::AlertLevel;
use serde::{Deserialize, Serialize};
use wire::UnixMillis;

use crate::subject::AlertSubject;

/// An alert from start to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Incident {
    /// The time of the first bad observation.
    pub opened: UnixMillis,
    /// The worst level.
    pub level: AlertLevel,
    /// The observation that reached this level.
    #[serde(rename = "says")]
    pub message: String,
    /// The channels that announced it, with the time of the first announcement.
    #[serde(rename = "told")]
    pub notified: BTreeMap<String, UnixMillis>,
    /// The latest acknowledgement.
    pub acknowledged: Option<Acknowledgement>,
    /// The end; `None` while it lasts.
    pub ended: Option<IncidentEnd>,
}

/// The end of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IncidentEnd {
    /// The time of the end.
    pub at: UnixMillis,
    /// `true` if it ended for lack of observations, not by a good one.
    pub lapsed: bool,
}

/// An incident with its key and subject: the stored and shown document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IncidentRecord {
    v: u8,
    /// The alert's key.
    pub key: String,
    /// The subject, inlined.
    #[serde(flatten)]
    pub subject: AlertSubject,
    /// The incident, inlined.
    #[serde(flatten)]
    pub incident: Incident,
}

/// The person who handles an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Acknowledgement {
    /// The name.
    pub by: String,
    /// The time of the acknowledgement.
    pub at: UnixMillis,
}

impl IncidentRecord {
    pub(crate) const fn new(key: String, subject: AlertSubject, incident: Incident) -> Self {
        Self { v: VERSION, key, subject, incident }
    }
}

const VERSION: u8 = 1;
