//! The state machine: from observations to what people are told, and when. Storing and sending are the
//! shell's.
//!
//! An alert knows two levels: the one it has, and the one that was told. A notice is the difference of
//! the two. So maintenance, silencing, grouping and a channel that is down only delay a notice, and
//! nobody is told twice, nor of the end of what they never heard of.

use std::collections::{BTreeMap, BTreeSet};

use report::signals::{AlertLevel, Signal};
use serde::{Deserialize, Serialize};
use wire::UnixMillis;

use crate::incident::{Acknowledgement, Incident, IncidentRecord};
use crate::notification::{AlertChange, AlertChangeKind, Notification};
use crate::observation::{AlertObservation, Assessment};
use crate::open_alert::OpenAlert;
use crate::silence::Silence;
use crate::subject::AlertSubject;

/// Every alert of a site, and who asked not to hear of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alerts {
    v: u8,
    /// The site.
    pub site: String,
    #[serde(with = "as_list")]
    #[serde(rename = "open")]
    open_alerts: BTreeMap<AlertSubject, OpenAlert>,
    #[serde(rename = "mutes")]
    silences: BTreeMap<u64, Silence>,
    #[serde(rename = "next_mute")]
    next_silence: u64,
    /// When a signal was last told of: what follows closely is gathered.
    #[serde(rename = "told_at")]
    notified_at: BTreeMap<Signal, UnixMillis>,
    /// Notices that no channel has taken yet.
    #[serde(rename = "telling")]
    pending: BTreeMap<u64, PendingNotification>,
    #[serde(rename = "next_notice")]
    next_notification: u64,
    /// Bad readings of subjects that found no room.
    pub overflow: u64,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum AlertInput {
    /// The readings of one moment.
    Observations(Vec<AlertObservation>),
    /// The alarm went off.
    AlarmFired,
    /// The channels have taken a notice.
    Delivered {
        /// Its number.
        notification: u64,
        /// Those that have.
        channels: Vec<String>,
    },
    /// Somebody looks after an alert: no more reminders, until it gets worse.
    Acknowledge {
        /// Which, by its key.
        key: String,
        /// Who.
        by: String,
    },
    /// Somebody wants not to hear of something for a while.
    Silence(Silence),
    /// Somebody wants to hear of it again.
    Unsilence(u64),
}

/// What the shell must do, after it has stored the alerts.
#[derive(Clone, Debug, PartialEq)]
pub enum AlertEffect {
    /// Tell people, by every channel, and say so when they are told.
    Notify(Notification),
    /// Wake up at that moment, in place of any earlier wish.
    WakeAt(UnixMillis),
    /// Remember the incident, in place of what was remembered under its key and beginning.
    RecordIncident(IncidentRecord),
}

/// An alert as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AlertView {
    /// By which it is acknowledged.
    pub key: String,
    /// What it is about.
    #[serde(flatten)]
    pub subject: AlertSubject,
    /// How bad it is.
    pub level: AlertLevel,
    /// Since when.
    pub since: UnixMillis,
    /// When it was last read.
    #[serde(rename = "read_at")]
    pub observed_at: UnixMillis,
    /// What was read, in a sentence.
    #[serde(rename = "says")]
    pub message: String,
    /// What to do.
    pub action: &'static str,
    /// Who looks after it.
    pub acknowledged: Option<Acknowledgement>,
    /// Whether somebody asked not to hear of it.
    #[serde(rename = "muted")]
    pub silenced: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct PendingNotification {
    at: UnixMillis,
    #[serde(rename = "tries")]
    attempts: u32,
    levels: Vec<(AlertSubject, Option<AlertLevel>)>,
    #[serde(rename = "notice")]
    notification: Notification,
}

impl Alerts {
    /// No alerts.
    #[must_use]
    pub const fn new(site: String) -> Self {
        Self {
            v: VERSION,
            site,
            open_alerts: BTreeMap::new(),
            silences: BTreeMap::new(),
            next_silence: 0,
            notified_at: BTreeMap::new(),
            pending: BTreeMap::new(),
            next_notification: 0,
            overflow: 0,
        }
    }

    /// As they were stored; none when no version of ours has written it.
    #[must_use]
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|alerts: &Self| alerts.v == VERSION)
    }

    /// The text to store.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Takes what happened.
    #[must_use]
    pub fn handle(&mut self, input: AlertInput, now: UnixMillis) -> Vec<AlertEffect> {
        let before = self.incidents();
        match input {
            AlertInput::Observations(observations) => {
                for observation in &observations {
                    self.observe(observation, now);
                }
            }
            AlertInput::AlarmFired => {}
            AlertInput::Delivered { notification: notice, channels: by } => {
                self.record_delivery(notice, &by, now)
            }
            AlertInput::Acknowledge { key, by } => self.acknowledge(&key, by, now),
            AlertInput::Silence(silence) => {
                if self.silences.len() < MAX_SILENCES {
                    self.silences.insert(self.next_silence, silence);
                    self.next_silence = self.next_silence.saturating_add(1);
                }
            }
            AlertInput::Unsilence(number) => drop(self.silences.remove(&number)),
        }
        self.lapse_unobserved(now);
        self.open_alerts.values_mut().for_each(|open| open.update_incident(now));
        let mut effects = self.changed_incidents(&before);
        self.remove_finished(now);
        effects.extend(self.notify(now));
        effects
    }

    /// Every alert that is raised, the worst and oldest first.
    #[must_use]
    pub fn raised(&self, now: UnixMillis) -> Vec<AlertView> {
        let mut raised: Vec<AlertView> = self
            .open_alerts
            .iter()
            .filter_map(|(subject, open)| {
                Some(AlertView {
                    key: subject.dedup_key(&self.site),
                    level: open.level?,
                    since: open.since,
                    observed_at: open.observed_at,
                    message: open.message.clone(),
                    action: subject.signal.rule().action,
                    acknowledged: open.acknowledged.clone(),
                    silenced: self.is_silenced(subject, now),
                    subject: subject.clone(),
                })
            })
            .collect();
        raised.sort_by_key(|alert| (std::cmp::Reverse(alert.level), alert.since));
        raised
    }

    /// What people asked not to hear of, by number.
    #[must_use]
    pub const fn silences(&self) -> &BTreeMap<u64, Silence> {
        &self.silences
    }

    /// How many notices are on their way to people.
    #[must_use]
    pub fn pending_count(&self) -> usize {
        self.pending.len()
    }

    fn observe(&mut self, observation: &AlertObservation, now: UnixMillis) {
        let subject = observation.subject();
        let previous = self.open_alerts.get(&subject).and_then(|open| open.level);
        let assessment = observation.reading.assess(previous);
        if !self.open_alerts.contains_key(&subject) {
            if !matches!(assessment, Assessment::Bad(_)) {
                return;
            }
            if self.open_alerts.len() >= MAX_OPEN_ALERTS {
                self.overflow = self.overflow.saturating_add(1);
                return;
            }
        }
        let target = subject.signal.rule();
        let open = self.open_alerts.entry(subject).or_insert_with(|| OpenAlert::new(now));
        match assessment {
            Assessment::Unclear => return,
            Assessment::Good => {
                open.good_streak = open.good_streak.saturating_add(1);
                (open.bad_streak, open.critical_streak) = (0, 0);
                if open.good_streak >= target.fall && open.level.is_some() {
                    open.level = None;
                    open.message = observation.message();
                }
            }
            Assessment::Bad(level) => {
                if open.bad_streak == 0 && open.level.is_none() {
                    open.since = now;
                }
                open.good_streak = 0;
                open.lapsed = false;
                open.bad_streak = open.bad_streak.saturating_add(1);
                open.critical_streak =
                    if level == AlertLevel::Critical { open.critical_streak.saturating_add(1) } else { 0 };
                open.message = observation.message();
                if open.critical_streak >= target.rise {
                    open.level = Some(AlertLevel::Critical);
                } else if open.bad_streak >= target.rise {
                    // An alert only gets worse until it is over.
                    open.level = open.level.max(Some(AlertLevel::Warning));
                }
            }
        }
        open.observed_at = now;
    }

    fn acknowledge(&mut self, key: &str, by: String, now: UnixMillis) {
        let site = &self.site;
        if let Some((_, open)) =
            self.open_alerts.iter_mut().find(|(subject, _)| subject.dedup_key(site) == key)
        {
            open.acknowledged = Some(Acknowledgement { by, at: now });
        }
    }

    fn incidents(&self) -> BTreeMap<AlertSubject, Incident> {
        let incident =
            |(subject, open): (&AlertSubject, &OpenAlert)| Some((subject.clone(), open.incident.clone()?));
        self.open_alerts.iter().filter_map(incident).collect()
    }

    /// The incidents that are not as they were.
    fn changed_incidents(&self, before: &BTreeMap<AlertSubject, Incident>) -> Vec<AlertEffect> {
        let changed =
            self.incidents().into_iter().filter(|(subject, incident)| before.get(subject) != Some(incident));
        let record = |(subject, incident): (AlertSubject, Incident)| {
            AlertEffect::RecordIncident(IncidentRecord::new(subject.dedup_key(&self.site), subject, incident))
        };
        changed.map(record).collect()
    }

    /// What nobody reads any more is over, and said to be so without proof.
    fn lapse_unobserved(&mut self, now: UnixMillis) {
        for open in self.open_alerts.values_mut() {
            let unobserved_ms = now.0.saturating_sub(open.observed_at.0);
            if open.level.is_some() && unobserved_ms >= LAPSE_AFTER_MS {
                open.level = None;
                open.lapsed = true;
            }
        }
    }

    /// What never became an alert is forgotten, and what is over and told.
    fn remove_finished(&mut self, now: UnixMillis) {
        let pending: BTreeSet<&AlertSubject> = self
            .pending
            .values()
            .flat_map(|telling| telling.levels.iter().map(|(subject, _)| subject))
            .collect();
        self.open_alerts.retain(|subject, open| {
            // Of what is on its way to people they will want to hear the end.
            let is_over = open.level.is_none() && open.notified_level.is_none() && !pending.contains(subject);
            let unobserved_ms = now.0.saturating_sub(open.observed_at.0);
            !is_over || (open.bad_streak > 0 && unobserved_ms < FORGET_AFTER_MS)
        });
        self.silences.retain(|_, mute| now < mute.until);
        self.notified_at.retain(|_, at| now.0.saturating_sub(at.0) < GROUP_INTERVAL_MS && *at <= now);
    }

    fn notify(&mut self, now: UnixMillis) -> Vec<AlertEffect> {
        let mut effects = Vec::new();
        let mut wake: Option<UnixMillis> = None;
        let mut wake_at = |at: UnixMillis| wake = Some(wake.map_or(at, |earlier| earlier.min(at)));

        for pending in self.pending.values_mut() {
            let retry_at = pending.at.saturating_add(RETRY_DELAY_MS << pending.attempts.min(6));
            if now >= retry_at || now < pending.at {
                pending.at = now;
                pending.attempts = pending.attempts.saturating_add(1);
                effects.push(AlertEffect::Notify(pending.notification.clone()));
            }
            wake_at(pending.at.saturating_add(RETRY_DELAY_MS << pending.attempts.min(6)));
        }

        let pending: BTreeSet<&AlertSubject> = self
            .pending
            .values()
            .flat_map(|telling| telling.levels.iter().map(|(subject, _)| subject))
            .collect();
        let mut changes: BTreeMap<Signal, Vec<(AlertSubject, AlertChange)>> = BTreeMap::new();
        for (subject, open) in &self.open_alerts {
            if pending.contains(subject) {
                continue;
            }
            let Some(kind) = open.pending_change(now) else { continue };
            if let Some(end) = self.silenced_until(subject, now).filter(|_| !kind.is_over()) {
                wake_at(end);
                continue;
            }
            let change = AlertChange {
                kind,
                key: subject.dedup_key(&self.site),
                subject: subject.clone(),
                level: open.level.or(open.notified_level).unwrap_or(AlertLevel::Warning),
                since: open.since,
                message: open.change_message(kind, now),
            };
            changes.entry(subject.signal).or_default().push((subject.clone(), change));
        }
        for (signal, changes) in changes {
            let is_urgent = changes.iter().any(|(_, change)| {
                change.level == AlertLevel::Critical
                    && matches!(change.kind, AlertChangeKind::Raised | AlertChangeKind::Escalated)
            });
            let next_group_at = self.notified_at.get(&signal).map(|at| at.saturating_add(GROUP_INTERVAL_MS));
            if let Some(at) = next_group_at.filter(|at| now < *at && !is_urgent) {
                wake_at(at);
                continue;
            }
            self.notified_at.insert(signal, now);
            let number = self.next_notification;
            self.next_notification = self.next_notification.saturating_add(1);
            let levels = changes
                .iter()
                .map(|(subject, _)| {
                    (subject.clone(), self.open_alerts.get(subject).and_then(|open| open.level))
                })
                .collect();
            let notification = Notification {
                number,
                site: self.site.clone(),
                at: now,
                signal,
                changes: changes.into_iter().map(|(_, change)| change).collect(),
            };
            effects.push(AlertEffect::Notify(notification.clone()));
            self.pending.insert(number, PendingNotification { at: now, attempts: 0, levels, notification });
            wake_at(now.saturating_add(RETRY_DELAY_MS));
        }
        let reminders = self.open_alerts.values().filter_map(OpenAlert::reminder_at);
        for at in reminders {
            wake_at(at.max(now.saturating_add(GROUP_INTERVAL_MS)));
        }
        effects.extend(wake.map(AlertEffect::WakeAt));
        effects
    }

    /// Only what the channels have taken is told.
    fn record_delivery(&mut self, number: u64, channels: &[String], now: UnixMillis) {
        let Some(pending) = self.pending.remove(&number) else { return };
        for (subject, level) in pending.levels {
            if let Some(open) = self.open_alerts.get_mut(&subject) {
                // An acknowledgement was of what was known then.
                if level > open.notified_level && open.notified_level.is_some() {
                    open.acknowledged = None;
                }
                if let Some(incident) = open.incident.as_mut().filter(|_| level.is_some()) {
                    for channel in channels {
                        incident.notified.entry(channel.clone()).or_insert(now);
                    }
                }
                open.notified_level = level;
                open.notified_at = now;
                if level.is_none() {
                    open.acknowledged = None;
                }
            }
        }
    }

    fn is_silenced(&self, subject: &AlertSubject, now: UnixMillis) -> bool {
        self.silenced_until(subject, now).is_some()
    }

    fn silenced_until(&self, subject: &AlertSubject, now: UnixMillis) -> Option<UnixMillis> {
        let silences = self.silences.values().filter(|mute| mute.covers(subject, now));
        silences.map(|mute| mute.until).max()
    }
}

/// A map's keys are text in JSON, and a subject is more.
mod as_list {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{AlertSubject, OpenAlert};

    pub(super) fn serialize<S: Serializer>(
        map: &BTreeMap<AlertSubject, OpenAlert>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<AlertSubject, OpenAlert>, D::Error> {
        Vec::<(AlertSubject, OpenAlert)>::deserialize(deserializer).map(|list| list.into_iter().collect())
    }
}

const VERSION: u8 = 1;
/// Notices of one signal that follow within this are one notice.
const GROUP_INTERVAL_MS: u64 = 5 * 60_000;
/// A notice that no channel took is sent again after this, and twice as long each further time.
const RETRY_DELAY_MS: u64 = 60_000;
const LAPSE_AFTER_MS: u64 = 3 * 86_400_000;
const FORGET_AFTER_MS: u64 = 3_600_000;
/// With the longest routes, and all of them on their way to people, stored in less than two megabytes.
const MAX_OPEN_ALERTS: usize = 500;
const MAX_SILENCES: usize = 200;
