//! One alert that is not forgotten yet: its levels, and what people do not know of it.

use std::collections::BTreeMap;

use report::signals::AlertLevel;
use report::time_format;
use serde::{Deserialize, Serialize};
use wire::UnixMillis;

use crate::incident::{Acknowledgement, Incident, IncidentEnd};
use crate::notification::AlertChangeKind;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct OpenAlert {
    /// Bad looks in a row, and among the latest of them critical ones.
    #[serde(rename = "bad")]
    pub(crate) bad_streak: u32,
    #[serde(rename = "critical")]
    pub(crate) critical_streak: u32,
    #[serde(rename = "good")]
    pub(crate) good_streak: u32,
    /// Since when it is bad.
    pub(crate) since: UnixMillis,
    #[serde(rename = "read_at")]
    pub(crate) observed_at: UnixMillis,
    #[serde(rename = "is")]
    pub(crate) level: Option<AlertLevel>,
    #[serde(rename = "told")]
    pub(crate) notified_level: Option<AlertLevel>,
    #[serde(rename = "told_at")]
    pub(crate) notified_at: UnixMillis,
    /// Whether it ended for want of readings, not by a good one.
    pub(crate) lapsed: bool,
    pub(crate) acknowledged: Option<Acknowledgement>,
    #[serde(rename = "says")]
    pub(crate) message: String,
    /// What people will read of it; none of what was stored before there were such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) incident: Option<Incident>,
}

impl OpenAlert {
    pub(crate) const fn new(now: UnixMillis) -> Self {
        Self {
            bad_streak: 0,
            critical_streak: 0,
            good_streak: 0,
            since: now,
            observed_at: now,
            level: None,
            notified_level: None,
            notified_at: now,
            lapsed: false,
            acknowledged: None,
            message: String::new(),
            incident: None,
        }
    }

    /// Brings what people will read up to what it is now.
    pub(crate) fn update_incident(&mut self, now: UnixMillis) {
        match (self.level, &mut self.incident) {
            (Some(level), Some(incident)) if incident.opened == self.since => {
                if level > incident.level {
                    (incident.level, incident.message) = (level, self.message.clone());
                }
                // What was closed without proof goes on.
                incident.ended = None;
            }
            (Some(level), incident) => {
                let (opened, message) = (self.since, self.message.clone());
                let (notified, acknowledged, ended) = (BTreeMap::new(), None, None);
                *incident = Some(Incident { opened, level, message, notified, acknowledged, ended });
            }
            (None, Some(incident)) if incident.ended.is_none() => {
                incident.ended = Some(IncidentEnd { at: now, lapsed: self.lapsed });
            }
            (None, _) => {}
        }
        if let Some((incident, acknowledged)) = self.incident.as_mut().zip(self.acknowledged.clone()) {
            incident.acknowledged = Some(acknowledged);
        }
    }

    /// What people do not know yet.
    pub(crate) fn pending_change(&self, now: UnixMillis) -> Option<AlertChangeKind> {
        match (self.notified_level, self.level) {
            (None, Some(_)) => Some(AlertChangeKind::Raised),
            (Some(notified), Some(current)) if current > notified => Some(AlertChangeKind::Escalated),
            (Some(_), Some(_)) => {
                self.reminder_at().filter(|at| now >= *at).map(|_| AlertChangeKind::Reminder)
            }
            (Some(_), None) if self.lapsed => Some(AlertChangeKind::Lapsed),
            (Some(_), None) => Some(AlertChangeKind::Recovered),
            (None, None) => None,
        }
    }

    /// When people are reminded of what nobody looks after.
    pub(crate) fn reminder_at(&self) -> Option<UnixMillis> {
        let (notified, current) = (self.notified_level?, self.level?);
        let interval_ms = match notified {
            AlertLevel::Critical => CRITICAL_REMINDER_MS,
            AlertLevel::Warning => WARNING_REMINDER_MS,
        };
        (current == notified && self.acknowledged.is_none())
            .then(|| self.notified_at.saturating_add(interval_ms))
    }

    pub(crate) fn change_message(&self, kind: AlertChangeKind, now: UnixMillis) -> String {
        let lasted = time_format::duration(now.0.saturating_sub(self.since.0));
        match kind {
            AlertChangeKind::Raised | AlertChangeKind::Escalated => format!("{}.", self.message),
            AlertChangeKind::Reminder => format!("{}; ongoing for {lasted}.", self.message),
            AlertChangeKind::Recovered => format!("{}; recovered after {lasted}.", self.message),
            AlertChangeKind::Lapsed => format!(
                "{}. Closed after {} without observations; recovery is unproven.",
                self.message,
                time_format::duration(LAPSE_AFTER_MS)
            ),
        }
    }
}

const CRITICAL_REMINDER_MS: u64 = 4 * 3_600_000;
const WARNING_REMINDER_MS: u64 = 3 * 86_400_000;
const LAPSE_AFTER_MS: u64 = 3 * 86_400_000;
