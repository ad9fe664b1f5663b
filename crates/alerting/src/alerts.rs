//! The state machine of a site's alerts: observations and requests in, notifications to send, incidents to
//! store and the next wake-up out. Storing and sending are left to the shell.
//!
//! An alert has two levels, the current one and the announced one, and a notification is their difference.
//! Maintenance, silences, grouping and a channel that is down therefore only delay a notification: nothing is
//! announced twice, and there is no recovery notice for an alert that was never announced.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use report::signals::{AlertLevel, Signal};
use serde::{Deserialize, Serialize};
use wire::UnixMillis;

use crate::incident::{Acknowledgement, Incident, IncidentRecord};
use crate::notification::{AlertChange, Notification};
use crate::observation::{AlertObservation, Assessment};
use crate::open_alert::OpenAlert;
use crate::outage::Outage;
use crate::silence::Silence;
use crate::subject::AlertSubject;
use wire::sorting::{CollectOrdered, SortSlice};

/// All alerts of a site, with its silences and undelivered notifications.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alerts {
    v: u8,
    /// The site's name.
    pub site: String,
    #[serde(with = "as_list")]
    #[serde(rename = "open")]
    open_alerts: BTreeMap<AlertSubject, OpenAlert>,
    #[serde(rename = "mutes")]
    silences: BTreeMap<u64, Silence>,
    #[serde(rename = "next_mute")]
    next_silence: u64,
    /// The latest notification of each signal: changes that follow closely are grouped.
    #[serde(rename = "told_at")]
    notified_at: BTreeMap<Signal, UnixMillis>,
    /// Notifications that no channel has accepted yet.
    #[serde(rename = "telling")]
    pending: BTreeMap<u64, PendingNotification>,
    #[serde(rename = "next_notice")]
    next_notification: u64,
    /// Number of bad observations dropped because `MAX_OPEN_ALERTS` was reached.
    pub overflow: u64,
    /// The last outage of an origin, as long as others follow from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outage: Option<Outage>,
}

/// An event that the state machine handles.
#[derive(Clone, Debug, PartialEq)]
pub enum AlertInput {
    /// The observations of one evaluation.
    Observations(Vec<AlertObservation>),
    /// The wake-up that was asked for with [`AlertEffect::WakeAt`].
    AlarmFired,
    /// Delivery of a notification is complete.
    Delivered {
        /// The notification's number.
        notification: u64,
        /// The channels that accepted it.
        channels: Vec<String>,
    },
    /// Stops the reminders of an alert until it escalates.
    Acknowledge {
        /// The alert's key.
        key: String,
        /// The person who handles the alert.
        by: String,
    },
    /// Adds a silence.
    Silence(Silence),
    /// Removes the silence of that number.
    Unsilence(u64),
}

/// An action for the shell, after it has stored the alerts.
#[derive(Clone, Debug, PartialEq)]
pub enum AlertEffect {
    /// Post the notification to every channel, then report it with [`AlertInput::Delivered`].
    Notify(Notification),
    /// EarliestWake up at this time, which replaces any earlier request.
    WakeAt(UnixMillis),
    /// Store the incident, replacing the one with the same key and start.
    RecordIncident(IncidentRecord),
}

/// A raised alert in the form that the API returns.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AlertView {
    /// The key for acknowledging the alert.
    pub key: String,
    /// The subject, inlined.
    #[serde(flatten)]
    pub subject: AlertSubject,
    /// The current level.
    pub level: AlertLevel,
    /// The time of the first bad observation.
    pub since: UnixMillis,
    /// The time of the latest observation.
    #[serde(rename = "read_at")]
    pub observed_at: UnixMillis,
    /// The latest observation as a sentence.
    #[serde(rename = "says")]
    pub message: String,
    /// The recommended action.
    pub action: &'static str,
    /// The acknowledgement, if there is one.
    pub acknowledged: Option<Acknowledgement>,
    /// `true` while a silence covers the alert.
    #[serde(rename = "muted")]
    pub silenced: bool,
    /// `true` for a consequence of an origin that is down: it is not announced by itself.
    pub follows_from_origin: bool,
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

/// The earliest of several requested times.
#[derive(Default)]
struct EarliestWake(Option<UnixMillis>);

impl Alerts {
    /// Creates the state of a site without alerts.
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
            outage: None,
        }
    }

    /// Reads the stored state; `None` for an unsupported version.
    #[must_use]
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|alerts: &Self| alerts.v == VERSION)
    }

    /// Writes the state for storage.
    ///
    /// # Errors
    /// Fails if serialization fails, so that an empty state is never stored.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// Handles one event.
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
            AlertInput::Delivered { notification, channels } => {
                self.record_delivery(notification, &channels, now)
            }
            AlertInput::Acknowledge { key, by } => self.acknowledge(&key, by, now),
            AlertInput::Silence(silence) => self.add_silence(silence),
            AlertInput::Unsilence(number) => drop(self.silences.remove(&number)),
        }
        for open in self.open_alerts.values_mut() {
            open.lapse_if_unobserved(now);
            open.update_incident(now);
        }
        self.outage = Outage::update(self.outage, &self.open_alerts, now);
        let mut effects = self.changed_incidents(&before);
        self.remove_finished(now);
        effects.extend(self.notify(now));
        effects
    }

    /// Returns all raised alerts, by level and age, the worst and oldest first.
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
                    silenced: self.silenced_until(subject, now).is_some(),
                    follows_from_origin: self.outage.is_some_and(|outage| outage.explains(subject, open)),
                    subject: subject.clone(),
                })
            })
            .collect();
        raised.order_by_key(|alert| (Reverse(alert.level), alert.since));
        raised
    }

    /// Returns the silences by number.
    #[must_use]
    pub const fn silences(&self) -> &BTreeMap<u64, Silence> {
        &self.silences
    }

    /// Returns the number of undelivered notifications.
    #[must_use]
    pub fn pending_count(&self) -> usize {
        self.pending.len()
    }

    fn observe(&mut self, observation: &AlertObservation, now: UnixMillis) {
        let subject = observation.subject();
        let previous = self.open_alerts.get(&subject).and_then(|open| open.level);
        let assessment = observation.reading.assess(previous);
        if !self.open_alerts.contains_key(&subject) {
            match assessment {
                Assessment::Good | Assessment::Unclear => return,
                Assessment::Bad(_) if self.open_alerts.len() >= MAX_OPEN_ALERTS => {
                    self.overflow = self.overflow.saturating_add(1);
                    return;
                }
                Assessment::Bad(_) => {}
            }
        }
        let open = self.open_alerts.entry(subject).or_insert_with(|| OpenAlert::new(now));
        open.observe(observation, assessment, now);
    }

    fn acknowledge(&mut self, key: &str, by: String, now: UnixMillis) {
        let site = &self.site;
        let alert = self.open_alerts.iter_mut().find(|(subject, _)| subject.dedup_key(site) == key);
        if let Some((_, open)) = alert {
            open.acknowledged = Some(Acknowledgement { by, at: now });
        }
    }

    fn add_silence(&mut self, silence: Silence) {
        if self.silences.len() < MAX_SILENCES {
            self.silences.insert(self.next_silence, silence);
            self.next_silence = self.next_silence.saturating_add(1);
        }
    }

    fn incidents(&self) -> BTreeMap<AlertSubject, Incident> {
        let incident =
            |(subject, open): (&AlertSubject, &OpenAlert)| Some((subject.clone(), open.incident.clone()?));
        self.open_alerts.iter().filter_map(incident).collect_map()
    }

    fn changed_incidents(&self, before: &BTreeMap<AlertSubject, Incident>) -> Vec<AlertEffect> {
        let changed =
            self.incidents().into_iter().filter(|(subject, incident)| before.get(subject) != Some(incident));
        let record = |(subject, incident): (AlertSubject, Incident)| {
            let key = subject.dedup_key(&self.site);
            AlertEffect::RecordIncident(IncidentRecord::new(key, subject, incident))
        };
        changed.map(record).collect()
    }

    /// Removes alerts that were never raised, or whose end has been announced.
    fn remove_finished(&mut self, now: UnixMillis) {
        let pending = self.pending_subjects();
        self.open_alerts.retain(|subject, open| {
            // The end of an alert in an undelivered notification must still be announced.
            let is_over = open.level.is_none() && open.notified_level.is_none() && !pending.contains(subject);
            !is_over || (open.bad_streak > 0 && open.unobserved_ms(now) < FORGET_AFTER_MS)
        });
        self.silences.retain(|_, silence| now < silence.until);
        self.notified_at.retain(|_, at| now.0.saturating_sub(at.0) < GROUP_INTERVAL_MS && *at <= now);
    }

    fn pending_subjects(&self) -> BTreeSet<AlertSubject> {
        let levels = self.pending.values().flat_map(|pending| &pending.levels);
        levels.map(|(subject, _)| subject.clone()).collect_set()
    }

    fn notify(&mut self, now: UnixMillis) -> Vec<AlertEffect> {
        let mut wake = EarliestWake::default();
        let mut effects = self.retry_pending(now, &mut wake);
        for (signal, changes) in self.unannounced_changes(now, &mut wake) {
            let next_group_at = self.notified_at.get(&signal).map(|at| at.saturating_add(GROUP_INTERVAL_MS));
            let is_urgent = changes.iter().any(AlertChange::is_urgent);
            if let Some(at) = next_group_at.filter(|at| now < *at && !is_urgent) {
                wake.at(at);
                continue;
            }
            effects.push(AlertEffect::Notify(self.announce(signal, changes, now)));
            wake.at(now.saturating_add(RETRY_DELAY_MS));
        }
        for at in self.open_alerts.values().filter_map(OpenAlert::reminder_at) {
            wake.at(at.max(now.saturating_add(GROUP_INTERVAL_MS)));
        }
        effects.extend(wake.0.map(AlertEffect::WakeAt));
        effects
    }

    fn retry_pending(&mut self, now: UnixMillis, wake: &mut EarliestWake) -> Vec<AlertEffect> {
        let mut effects = Vec::new();
        for pending in self.pending.values_mut() {
            // A clock that was set back must not postpone the retry.
            if now >= pending.retry_at() || now < pending.at {
                pending.at = now;
                pending.attempts = pending.attempts.saturating_add(1);
                effects.push(AlertEffect::Notify(pending.notification.clone()));
            }
            wake.at(pending.retry_at());
        }
        effects
    }

    /// Returns the changes that are neither announced, nor being announced, nor silenced.
    fn unannounced_changes(
        &self,
        now: UnixMillis,
        wake: &mut EarliestWake,
    ) -> BTreeMap<Signal, Vec<AlertChange>> {
        let pending = self.pending_subjects();
        let mut changes: BTreeMap<Signal, Vec<AlertChange>> = BTreeMap::new();
        for (subject, open) in self.open_alerts.iter().filter(|(subject, _)| !pending.contains(subject)) {
            let Some(kind) = open.pending_change(now) else { continue };
            if let Some(end) = self.silenced_until(subject, now).filter(|_| !kind.is_over()) {
                wake.at(end);
                continue;
            }
            if let Some(outage) = self.outage.filter(|outage| outage.holds_back(subject, open, kind)) {
                wake.at(outage.until);
                continue;
            }
            let mut message = open.change_message(kind, now);
            if let Some(outage) = self.outage.filter(|_| subject.signal == Signal::Origin && !kind.is_over())
            {
                message.push_str(&outage.consequences(&self.open_alerts));
            }
            changes.entry(subject.signal).or_default().push(AlertChange {
                kind,
                key: subject.dedup_key(&self.site),
                subject: subject.clone(),
                level: open.level.or(open.notified_level).unwrap_or(AlertLevel::Warning),
                since: open.since,
                message,
            });
        }
        changes
    }

    fn announce(&mut self, signal: Signal, changes: Vec<AlertChange>, now: UnixMillis) -> Notification {
        let number = self.next_notification;
        self.next_notification = self.next_notification.saturating_add(1);
        self.notified_at.insert(signal, now);
        let level = |subject: &AlertSubject| self.open_alerts.get(subject).and_then(|open| open.level);
        let levels = changes.iter().map(|change| (change.subject.clone(), level(&change.subject))).collect();
        let notification = Notification { number, site: self.site.clone(), at: now, signal, changes };
        let delivery =
            PendingNotification { at: now, attempts: 0, levels, notification: notification.clone() };
        self.pending.insert(number, delivery);
        notification
    }

    /// Marks the levels of a notification as announced; until then they are not.
    fn record_delivery(&mut self, number: u64, channels: &[String], now: UnixMillis) {
        let Some(pending) = self.pending.remove(&number) else { return };
        for (subject, level) in pending.levels {
            if let Some(open) = self.open_alerts.get_mut(&subject) {
                open.record_delivery(level, channels, now);
            }
        }
    }

    fn silenced_until(&self, subject: &AlertSubject, now: UnixMillis) -> Option<UnixMillis> {
        let silences = self.silences.values().filter(|silence| silence.covers(subject, now));
        silences.map(|silence| silence.until).max()
    }
}

impl PendingNotification {
    fn retry_at(&self) -> UnixMillis {
        self.at.saturating_add(RETRY_DELAY_MS << self.attempts.min(6))
    }
}

impl EarliestWake {
    fn at(&mut self, at: UnixMillis) {
        self.0 = Some(self.0.map_or(at, |earlier| earlier.min(at)));
    }
}

/// JSON object keys are strings, so the map is stored as a list of pairs.
mod as_list {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use wire::sorting::CollectOrdered;

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
        Vec::<(AlertSubject, OpenAlert)>::deserialize(deserializer).map(|list| list.into_iter().collect_map())
    }
}

const VERSION: u8 = 1;
/// Changes of one signal within this interval share one notification.
const GROUP_INTERVAL_MS: u64 = 5 * 60_000;
/// The delay before the first retry; it doubles with each further attempt.
const RETRY_DELAY_MS: u64 = 60_000;
const FORGET_AFTER_MS: u64 = 3_600_000;
/// With the longest routes, and every alert in an undelivered notification, the state stays below 2 MB.
const MAX_OPEN_ALERTS: usize = 500;
const MAX_SILENCES: usize = 200;
