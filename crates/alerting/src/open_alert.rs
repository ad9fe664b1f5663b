//! One alert: its streaks of observations, its current and announced levels, and its incident.

use std::collections::BTreeMap;

use report::signals::AlertLevel;
use report::time_format;
use serde::{Deserialize, Serialize};
use wire::UnixMillis;

use crate::incident::{Acknowledgement, Incident, IncidentEnd};
use crate::notification::AlertChangeKind;
use crate::observation::{AlertObservation, Assessment};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct OpenAlert {
    /// Number of consecutive bad observations.
    #[serde(rename = "bad")]
    pub(crate) bad_streak: u32,
    /// Number of consecutive critical observations, which are bad ones too.
    #[serde(rename = "critical")]
    critical_streak: u32,
    #[serde(rename = "good")]
    good_streak: u32,
    /// The time of the first bad observation.
    pub(crate) since: UnixMillis,
    #[serde(rename = "read_at")]
    pub(crate) observed_at: UnixMillis,
    #[serde(rename = "is")]
    pub(crate) level: Option<AlertLevel>,
    #[serde(rename = "told")]
    pub(crate) notified_level: Option<AlertLevel>,
    #[serde(rename = "told_at")]
    notified_at: UnixMillis,
    /// The alert was closed for lack of observations, not by a good one.
    lapsed: bool,
    pub(crate) acknowledged: Option<Acknowledgement>,
    #[serde(rename = "says")]
    pub(crate) message: String,
    /// `None` in alerts stored before incidents existed.
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

    /// Updates the streaks and the level. An unclear observation changes nothing.
    pub(crate) fn observe(
        &mut self,
        observation: &AlertObservation,
        assessment: Assessment,
        now: UnixMillis,
    ) {
        match assessment {
            Assessment::Unclear => return,
            Assessment::Good => self.observe_good(observation),
            Assessment::Bad(level) => self.observe_bad(observation, level, now),
        }
        self.observed_at = now;
    }

    fn observe_good(&mut self, observation: &AlertObservation) {
        self.good_streak = self.good_streak.saturating_add(1);
        (self.bad_streak, self.critical_streak) = (0, 0);
        if self.good_streak >= observation.reading.signal().rule().fall && self.level.is_some() {
            self.level = None;
            self.message = observation.message();
        }
    }

    fn observe_bad(&mut self, observation: &AlertObservation, level: AlertLevel, now: UnixMillis) {
        if self.bad_streak == 0 && self.level.is_none() {
            self.since = now;
        }
        self.good_streak = 0;
        self.lapsed = false;
        self.bad_streak = self.bad_streak.saturating_add(1);
        self.critical_streak = match level {
            AlertLevel::Warning => 0,
            AlertLevel::Critical => self.critical_streak.saturating_add(1),
        };
        self.message = observation.message();
        let rise = observation.reading.signal().rule().rise;
        if self.critical_streak >= rise {
            self.level = Some(AlertLevel::Critical);
        } else if self.bad_streak >= rise {
            // The level of an open alert never falls.
            self.level = self.level.max(Some(AlertLevel::Warning));
        }
    }

    /// Returns true if the last clear observation was bad.
    pub(crate) const fn is_bad_now(&self) -> bool {
        self.bad_streak > 0
    }

    /// Returns true if the last clear observation was critical.
    pub(crate) const fn is_critical_now(&self) -> bool {
        self.critical_streak > 0
    }

    pub(crate) const fn unobserved_ms(&self, now: UnixMillis) -> u64 {
        now.0.saturating_sub(self.observed_at.0)
    }

    /// Closes the alert as lapsed, not as recovered, after too long without an observation.
    pub(crate) fn lapse_if_unobserved(&mut self, now: UnixMillis) {
        if self.level.is_some() && self.unobserved_ms(now) >= LAPSE_AFTER_MS {
            self.level = None;
            self.lapsed = true;
        }
    }

    /// Brings the incident in line with the current level.
    pub(crate) fn update_incident(&mut self, now: UnixMillis) {
        match (self.level, &mut self.incident) {
            (Some(level), Some(incident)) if incident.opened == self.since => {
                if level > incident.level {
                    (incident.level, incident.message) = (level, self.message.clone());
                }
                // A lapsed incident that turns bad again continues.
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

    /// Marks the level as announced by the channels.
    pub(crate) fn record_delivery(
        &mut self,
        level: Option<AlertLevel>,
        channels: &[String],
        now: UnixMillis,
    ) {
        // An acknowledgement does not cover a later escalation.
        if level > self.notified_level && self.notified_level.is_some() {
            self.acknowledged = None;
        }
        if let Some(incident) = self.incident.as_mut().filter(|_| level.is_some()) {
            for channel in channels {
                incident.notified.entry(channel.clone()).or_insert(now);
            }
        }
        self.notified_level = level;
        self.notified_at = now;
        if level.is_none() {
            self.acknowledged = None;
        }
    }

    /// Returns the change that has not been announced yet.
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

    /// Returns the time of the next reminder; `None` for an acknowledged alert.
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
