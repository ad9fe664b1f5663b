//! Alerts: from readings to what people are told, and when. What is bad is said in `target`; how a
//! notice looks on each channel in `notice`. Reading, storing and sending are the shell's.
//!
//! An alert knows two levels: the one it has, and the one that was told. A notice is the difference of
//! the two. So maintenance, silencing, grouping and a channel that is down only delay a notice, and
//! nobody is told twice, nor of the end of what they never heard of.

use std::collections::{BTreeMap, BTreeSet};

use budget::{AlarmState, BudgetTally, BurnAlert, BurnWindows, Verdict};
use serde::{Deserialize, Serialize};
use sketch::stable_hash::fnv1a_64;
use wire::{Device, UnixMillis};

use crate::alert_rules::{AlertBounds, AlertLevel, Signal};
use crate::notification::{AlertChange, AlertChangeKind, Notification};
use crate::time_format;

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

/// What an alert is about. Two readings of one subject are of one alert.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AlertSubject {
    /// What is watched.
    pub signal: Signal,
    /// Of which route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// On which devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
    /// Of which series: a metric, a query, a backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
}

/// One reading of one subject.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertObservation {
    /// The route, where it is of one.
    pub route: Option<String>,
    /// The class of devices, where it is of one.
    pub device: Option<Device>,
    /// The metric, query or backend, where it is of one.
    pub series: Option<String>,
    /// What was read.
    pub reading: SignalReading,
}

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SignalReading {
    /// The verdict of the window that people see.
    Verdict(Verdict),
    /// Every visit since the release, or since this alert last cleared, and the verdict of the window.
    Evidence {
        /// The visits.
        since: BudgetTally,
        /// The verdict.
        verdict: Verdict,
        /// The budget's percentile.
        percentile: u8,
    },
    /// The visits of the last half hour, six hours and three days.
    Burn {
        /// The visits.
        windows: BurnWindows,
        /// The budget's percentile.
        percentile: u8,
    },
    /// Milliseconds of the 95th percentile of so many answers.
    ResponseTime(SampledValue),
    /// The share of so many requests that the cache answered, in percent.
    HitRatio(SampledValue),
    /// Milliseconds of the 95th percentile of so many queries.
    QueryTime(SampledValue),
    /// Answers, and those of them that were errors.
    ErrorRate {
        /// All of them.
        answers: u64,
        /// The errors.
        errors: u64,
    },
    /// The share of its memory that is used, in percent.
    Memory(f64),
    /// How many views should have been heard of since the last one.
    MissingBeacons(f64),
    /// Closed windows that the backend has not got.
    Backlog(u64),
    /// How many deviations a series of so many events is from what is usual.
    Anomaly(SampledValue),
}

/// A number, and of how many events it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampledValue {
    /// So many.
    pub n: u64,
    /// The number.
    pub value: f64,
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

/// What is not told for a while. Recoveries are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Of which signal; of any, where there is none.
    pub signal: Option<Signal>,
    /// Of which route; of any, where there is none.
    pub route: Option<String>,
    /// From this moment: maintenance is planned.
    pub from: UnixMillis,
    /// To before this one.
    pub until: UnixMillis,
    /// Who asked.
    pub by: String,
    /// What for.
    pub reason: String,
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

/// An alert from its beginning to its end, as people read it later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
pub struct IncidentEnd {
    /// When.
    pub at: UnixMillis,
    /// Whether it ended for want of readings, not by a good one.
    pub lapsed: bool,
}

/// An incident with what it is about, as it is stored and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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

/// An alert as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
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

/// Who looks after an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Who.
    pub by: String,
    /// Since when.
    pub at: UnixMillis,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct OpenAlert {
    /// Bad looks in a row, and among the latest of them critical ones.
    #[serde(rename = "bad")]
    bad_streak: u32,
    #[serde(rename = "critical")]
    critical_streak: u32,
    #[serde(rename = "good")]
    good_streak: u32,
    /// Since when it is bad.
    since: UnixMillis,
    #[serde(rename = "read_at")]
    observed_at: UnixMillis,
    #[serde(rename = "is")]
    level: Option<AlertLevel>,
    #[serde(rename = "told")]
    notified_level: Option<AlertLevel>,
    #[serde(rename = "told_at")]
    notified_at: UnixMillis,
    /// Whether it ended for want of readings, not by a good one.
    lapsed: bool,
    acknowledged: Option<Acknowledgement>,
    #[serde(rename = "says")]
    message: String,
    /// What people will read of it; none of what was stored before there were such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    incident: Option<Incident>,
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

/// What one reading says by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Assessment {
    Good,
    Bad(AlertLevel),
    /// Too little was seen, or it is neither: whatever was, stays.
    Unclear,
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

    /// Writes the alerts as they are stored.
    ///
    /// # Errors
    /// Fails if it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
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
            AlertEffect::RecordIncident(IncidentRecord {
                v: VERSION,
                key: subject.dedup_key(&self.site),
                subject,
                incident,
            })
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

impl AlertObservation {
    /// A reading of the site as a whole.
    #[must_use]
    pub const fn for_site(reading: SignalReading) -> Self {
        Self { route: None, device: None, series: None, reading }
    }

    fn subject(&self) -> AlertSubject {
        AlertSubject {
            signal: self.reading.signal(),
            route: self.route.clone(),
            device: self.device,
            series: self.series.clone(),
        }
    }

    /// What was read, in a sentence.
    fn message(&self) -> String {
        format!("{}: {}", self.subject().display_name(), self.reading.message())
    }
}

impl SignalReading {
    /// What it is a reading of.
    #[must_use]
    pub const fn signal(&self) -> Signal {
        match self {
            Self::Verdict(_) => Signal::Verdict,
            Self::Evidence { .. } => Signal::Evidence,
            Self::Burn { .. } => Signal::Burn,
            Self::ResponseTime(_) => Signal::ResponseTime,
            Self::HitRatio(_) => Signal::HitRatio,
            Self::QueryTime(_) => Signal::QueryTime,
            Self::ErrorRate { .. } => Signal::ErrorRate,
            Self::Memory(_) => Signal::Memory,
            Self::MissingBeacons(_) => Signal::MissingBeacons,
            Self::Backlog(_) => Signal::Backlog,
            Self::Anomaly(_) => Signal::Anomaly,
        }
    }

    fn assess(&self, previous: Option<AlertLevel>) -> Assessment {
        match *self {
            Self::Verdict(Verdict::Met) => Assessment::Good,
            Self::Verdict(Verdict::Violated) => Assessment::Bad(AlertLevel::Warning),
            Self::Verdict(_) => Assessment::Unclear,
            // Evidence since a release long ago does not speak against a page that people see kept.
            Self::Evidence { verdict: Verdict::Met, .. } => Assessment::Good,
            Self::Evidence { since, verdict, percentile } => {
                let alarm = if previous.is_some() { AlarmState::Raised } else { AlarmState::Quiet };
                match alarm.advance(since, verdict, percentile) {
                    AlarmState::Raised => Assessment::Bad(AlertLevel::Warning),
                    // Nothing convinces, which is not the same as all being well.
                    AlarmState::Quiet => Assessment::Unclear,
                }
            }
            Self::Burn { windows, percentile } => match windows.alert(percentile) {
                Some(BurnAlert::Page) => Assessment::Bad(AlertLevel::Critical),
                Some(BurnAlert::Ticket) => Assessment::Bad(AlertLevel::Warning),
                // Too few visits burn nothing, and prove nothing.
                None if windows.six_hours.n() < MIN_BURN_VISITS => Assessment::Unclear,
                // What still spends more than it may is not over.
                None if windows.six_hours.burn_rate(percentile) > 1.0 => Assessment::Unclear,
                None => Assessment::Good,
            },
            Self::ErrorRate { answers, errors } => {
                match self.decisive_value().map(|measured| self.assess_value(measured)) {
                    Some(Assessment::Bad(level)) => assess_error_rate(level, answers, errors),
                    assessment => assessment.unwrap_or(Assessment::Unclear),
                }
            }
            _ => self.decisive_value().map_or(Assessment::Unclear, |measured| self.assess_value(measured)),
        }
    }

    fn assess_value(&self, SampledValue { n, value }: SampledValue) -> Assessment {
        let AlertBounds::Numeric(number) = self.signal().rule().bounds else { return Assessment::Unclear };
        if n < number.min_events || !value.is_finite() {
            return Assessment::Unclear;
        }
        match number.level(value) {
            Some(level) => Assessment::Bad(level),
            None if number.is_beyond(value, number.clears_at) => Assessment::Unclear,
            None => Assessment::Good,
        }
    }

    /// The number that decides, where one does.
    fn decisive_value(&self) -> Option<SampledValue> {
        Some(match *self {
            Self::ResponseTime(measured) | Self::HitRatio(measured) | Self::QueryTime(measured) => measured,
            Self::ErrorRate { answers, errors } => {
                SampledValue { n: answers, value: 100.0 * errors as f64 / answers.max(1) as f64 }
            }
            // Far below what is usual is as odd as far above.
            Self::Anomaly(SampledValue { n, value }) => SampledValue { n, value: value.abs() },
            Self::Memory(value) | Self::MissingBeacons(value) => SampledValue { n: 1, value },
            Self::Backlog(windows) => SampledValue { n: 1, value: windows as f64 },
            Self::Verdict(_) | Self::Evidence { .. } | Self::Burn { .. } => return None,
        })
    }

    fn message(&self) -> String {
        match *self {
            Self::Verdict(verdict) => format!("the budget is {}", verdict.name()),
            Self::Evidence { since, percentile, .. } => {
                let evidence = since.e_value(percentile).min(1e6);
                format!(
                    "{} of {} visits since the release were over budget (e-value {evidence:.1})",
                    since.over,
                    since.n()
                )
            }
            Self::Burn { windows, percentile } => {
                let rate = |tally: BudgetTally| tally.burn_rate(percentile);
                format!(
                    "the budget burns at {:.2} over 30 minutes, {:.2} over 6 hours, {:.2} over 3 days",
                    rate(windows.half_hour),
                    rate(windows.six_hours),
                    rate(windows.three_days)
                )
            }
            _ => {
                let AlertBounds::Numeric(number) = self.signal().rule().bounds else { return String::new() };
                let value = self.decisive_value().map_or(0.0, |measured| measured.value);
                match *self {
                    Self::Anomaly(SampledValue { value, .. }) if value < 0.0 => {
                        format!("{} below what is usual at this hour", number.format_value(-value))
                    }
                    Self::Anomaly(_) => {
                        format!("{} above what is usual at this hour", number.format_value(value))
                    }
                    Self::MissingBeacons(_) if value < 1.0 => "beacons are heard".into(),
                    Self::MissingBeacons(_) => {
                        format!(
                            "nothing is heard, where {} were to be expected",
                            number.format_value(value.round())
                        )
                    }
                    Self::Backlog(_) => format!("the backend is {} behind", number.format_value(value)),
                    _ => format!("{} is {}", self.signal().rule().description, number.format_value(value)),
                }
            }
        }
    }
}

/// How bad so many errors certainly are. Two errors in a thousand answers are over one in a thousand,
/// and may be chance: the root of a count wavers by a half whatever its mean (Anscombe), so 2.33
/// deviations leave one look in a hundred.
fn assess_error_rate(level: AlertLevel, answers: u64, errors: u64) -> Assessment {
    let AlertBounds::Numeric(number) = Signal::ErrorRate.rule().bounds else { return Assessment::Unclear };
    let is_certain = |percent: f64| {
        let allowed = answers as f64 * percent / 100.0;
        2.0 * ((errors as f64).sqrt() - allowed.sqrt()) > SIGNIFICANT_DEVIATIONS
    };
    match number.critical {
        Some(critical) if level == AlertLevel::Critical && is_certain(critical) => {
            Assessment::Bad(AlertLevel::Critical)
        }
        _ if is_certain(number.warning) => Assessment::Bad(AlertLevel::Warning),
        _ => Assessment::Unclear,
    }
}

impl AlertSubject {
    /// By which an alert is known everywhere: the same from its beginning to its end, and whenever it
    /// comes again. At most 255 characters, as PagerDuty takes them.
    #[must_use]
    pub fn dedup_key(&self, site: &str) -> String {
        let device = self.device.map_or("", Device::name);
        let [route, series] = [&self.route, &self.series].map(|part| part.as_deref().unwrap_or_default());
        let key = format!("{site}|{}|{route}|{device}|{series}", self.signal.name());
        if key.len() <= MAX_KEY_BYTES && key.is_ascii() {
            return key;
        }
        format!("{site}|{}|{:016x}", self.signal.name(), fnv1a_64(key.bytes()))
    }

    /// What it is about, for people.
    #[must_use]
    pub fn display_name(&self) -> String {
        let device = self.device.map(|device| format!("on {}s", device.name()));
        let parts = [self.series.clone(), self.route.as_ref().map(|route| format!("of {route}")), device];
        let parts_present: Vec<String> = parts.into_iter().flatten().collect();
        if parts_present.is_empty() { "The site".into() } else { parts_present.join(" ") }
    }
}

impl Silence {
    fn covers(&self, subject: &AlertSubject, now: UnixMillis) -> bool {
        (self.from..self.until).contains(&now)
            && self.signal.is_none_or(|signal| signal == subject.signal)
            && self.route.as_ref().is_none_or(|route| Some(route) == subject.route.as_ref())
    }
}

impl OpenAlert {
    const fn new(now: UnixMillis) -> Self {
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
    fn update_incident(&mut self, now: UnixMillis) {
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
    fn pending_change(&self, now: UnixMillis) -> Option<AlertChangeKind> {
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
    fn reminder_at(&self) -> Option<UnixMillis> {
        let (notified, current) = (self.notified_level?, self.level?);
        let interval_ms = match notified {
            AlertLevel::Critical => CRITICAL_REMINDER_MS,
            AlertLevel::Warning => WARNING_REMINDER_MS,
        };
        (current == notified && self.acknowledged.is_none())
            .then(|| self.notified_at.saturating_add(interval_ms))
    }

    fn change_message(&self, kind: AlertChangeKind, now: UnixMillis) -> String {
        let lasted = time_format::duration(now.0.saturating_sub(self.since.0));
        match kind {
            AlertChangeKind::Raised | AlertChangeKind::Escalated => format!("{}.", self.message),
            AlertChangeKind::Reminder => format!("{}, for {lasted} now.", self.message),
            AlertChangeKind::Recovered => format!("{}; it was bad for {lasted}.", self.message),
            AlertChangeKind::Lapsed => format!(
                "{}. Nothing was read of it for {}: it is closed, not proved to be over.",
                self.message,
                time_format::duration(LAPSE_AFTER_MS)
            ),
        }
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
const CRITICAL_REMINDER_MS: u64 = 4 * 3_600_000;
const WARNING_REMINDER_MS: u64 = 3 * 86_400_000;
const LAPSE_AFTER_MS: u64 = 3 * 86_400_000;
const FORGET_AFTER_MS: u64 = 3_600_000;
/// With the longest routes, and all of them on their way to people, stored in less than two megabytes.
const MAX_OPEN_ALERTS: usize = 500;
const MAX_SILENCES: usize = 200;
const MAX_KEY_BYTES: usize = 255;
const SIGNIFICANT_DEVIATIONS: f64 = 2.33;
/// As for a burn rate.
const MIN_BURN_VISITS: u64 = 100;
