//! An origin that is down, and the alerts that follow from it: they are named in its notification, and held back from
//! one of their own while it is down and until their signals have recovered from it.

use std::collections::BTreeMap;

use report::signals::{AlertLevel, Signal};
use serde::{Deserialize, Serialize};
use wire::UnixMillis;

use crate::notification::AlertChangeKind;
use crate::open_alert::OpenAlert;
use crate::subject::AlertSubject;

/// The last outage of an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outage {
    /// The first bad observation.
    since: UnixMillis,
    /// The time until which alerts that follow from it are held back.
    pub(crate) until: UnixMillis,
}

impl Outage {
    /// Extends the outage while an origin is down, or looks so, and ends it later.
    pub(crate) fn update(
        before: Option<Self>,
        alerts: &BTreeMap<AlertSubject, OpenAlert>,
        now: UnixMillis,
    ) -> Option<Self> {
        let extends = |(subject, open): (&AlertSubject, &OpenAlert)| {
            let is_down = open.level == Some(AlertLevel::Critical);
            let held_ms = match (subject.signal == Signal::Origin, is_down) {
                (true, true) => AFTERMATH_MS,
                (true, false) if open.is_critical_now() => SUSPICION_MS,
                _ => return None,
            };
            Some(Self { since: open.since, until: now.saturating_add(held_ms) })
        };
        let current = alerts
            .iter()
            .filter_map(extends)
            .reduce(|a, b| Self { since: a.since.min(b.since), until: a.until.max(b.until) });
        current.or(before.filter(|before| now < before.until))
    }

    /// Returns true for an alert that began with the outage or after it, and whose signal follows from it.
    pub(crate) const fn explains(&self, subject: &AlertSubject, open: &OpenAlert) -> bool {
        subject.signal.follows_from_origin() && open.since.saturating_add(LEAD_MS).0 >= self.since.0
    }

    /// Returns true for a change that needs no notification of its own for now.
    pub(crate) const fn holds_back(
        &self,
        subject: &AlertSubject,
        open: &OpenAlert,
        kind: AlertChangeKind,
    ) -> bool {
        matches!(kind, AlertChangeKind::Raised | AlertChangeKind::Escalated) && self.explains(subject, open)
    }

    /// Names the alerts that follow from the outage, as the end of its sentence; empty if there are none.
    pub(crate) fn consequences(&self, alerts: &BTreeMap<AlertSubject, OpenAlert>) -> String {
        let named: Vec<&str> = alerts
            .iter()
            .filter(|(subject, open)| open.is_bad_now() && self.explains(subject, open))
            .map(|(_, open)| open.message.as_str())
            .collect();
        if named.is_empty() { String::new() } else { format!(" From this follows: {}.", named.join("; ")) }
    }
}

/// Signals look back for fifteen minutes, and need two looks to recover.
const AFTERMATH_MS: u64 = 20 * 60_000;
/// The outage is raised in this time, or was none.
const SUSPICION_MS: u64 = 4 * 60_000;
/// Another signal may notice the outage first.
const LEAD_MS: u64 = 5 * 60_000;
