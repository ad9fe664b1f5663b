//! Incidents: alerts from their beginning to their end, as they are stored and shown.

use std::collections::BTreeMap;

use report::signals::AlertLevel;
use serde::{Deserialize, Serialize};
use wire::UnixMillis;

use crate::subject::AlertSubject;

/// An alert from its beginning to its end, as people read it later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Incident {
    /// When it was first bad.
    pub opened: UnixMillis,
    /// How bad it was at its worst.
    pub level: AlertLevel,
    /// What was read when it became so.
    #[serde(rename = "says")]
    pub message: String,
    /// The channels that have told people of it, each since when.
    #[serde(rename = "told")]
    pub notified: BTreeMap<String, UnixMillis>,
    /// Who looked after it.
    pub acknowledged: Option<Acknowledgement>,
    /// Its end, where it has one.
    pub ended: Option<IncidentEnd>,
}

/// The end of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IncidentEnd {
    /// When.
    pub at: UnixMillis,
    /// Whether it ended for want of readings, not by a good one.
    pub lapsed: bool,
}

/// An incident with what it is about, as it is stored and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IncidentRecord {
    v: u8,
    /// The alert's key.
    pub key: String,
    /// What it is about.
    #[serde(flatten)]
    pub subject: AlertSubject,
    /// How it went.
    #[serde(flatten)]
    pub incident: Incident,
}

/// Who looks after an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Acknowledgement {
    /// Who.
    pub by: String,
    /// Since when.
    pub at: UnixMillis,
}

impl IncidentRecord {
    pub(crate) const fn new(key: String, subject: AlertSubject, incident: Incident) -> Self {
        Self { v: VERSION, key, subject, incident }
    }
}

const VERSION: u8 = 1;
