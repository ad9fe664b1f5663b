//! Alerts: from readings to what people are told, and when. What is bad is said in `target`; how a
//! notice looks on each channel in `notice`. Reading, storing and sending are the shell's.
//!
//! An alert knows two levels: the one it has, and the one that was told. A notice is the difference of
//! the two. So maintenance, silencing, grouping and a channel that is down only delay a notice, and
//! nobody is told twice, nor of the end of what they never heard of.

use std::collections::{BTreeMap, BTreeSet};

use budget::{Alarm, Burn, Tally, Verdict, Windows};
use serde::{Deserialize, Serialize};
use wire::{Device, UnixMillis};

use crate::moment;
use crate::notice::{Change, Kind, Notice};
use crate::target::{Bounds, Level, Signal};

/// Every alert of a site, and who asked not to hear of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alerts {
    v: u8,
    /// The site.
    pub site: String,
    #[serde(with = "as_list")]
    open: BTreeMap<Subject, Open>,
    mutes: BTreeMap<u64, Mute>,
    next_mute: u64,
    /// When a signal was last told of: what follows closely is gathered.
    told_at: BTreeMap<Signal, UnixMillis>,
    /// Notices that no channel has taken yet.
    telling: BTreeMap<u64, Telling>,
    next_notice: u64,
    /// Bad readings of subjects that found no room.
    pub overflow: u64,
}

/// What an alert is about. Two readings of one subject are of one alert.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Subject {
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
pub struct Observation {
    /// The route, where it is of one.
    pub route: Option<String>,
    /// The class of devices, where it is of one.
    pub device: Option<Device>,
    /// The metric, query or backend, where it is of one.
    pub series: Option<String>,
    /// What was read.
    pub reading: Reading,
}

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading {
    /// The verdict of the window that people see.
    Verdict(Verdict),
    /// Every visit since the release, or since this alert last cleared, and the verdict of the window.
    Evidence {
        /// The visits.
        since: Tally,
        /// The verdict.
        verdict: Verdict,
        /// The budget's percentile.
        percentile: u8,
    },
    /// The visits of the last half hour, six hours and three days.
    Burn {
        /// The visits.
        windows: Windows,
        /// The budget's percentile.
        percentile: u8,
    },
    /// Milliseconds of the 95th percentile of so many answers.
    ResponseTime(Measured),
    /// The share of so many requests that the cache answered, in percent.
    HitRatio(Measured),
    /// Milliseconds of the 95th percentile of so many queries.
    QueryTime(Measured),
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
    Silence(f64),
    /// Closed windows that the backend has not got.
    Backlog(u64),
    /// How many deviations a series of so many events is from what is usual.
    Anomaly(Measured),
}

/// A number, and of how many events it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// So many.
    pub n: u64,
    /// The number.
    pub value: f64,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The readings of one moment.
    Look(Vec<Observation>),
    /// The alarm went off.
    Woken,
    /// The channels have taken a notice.
    Told {
        /// Its number.
        notice: u64,
        /// Those that have.
        by: Vec<String>,
    },
    /// Somebody looks after an alert: no more reminders, until it gets worse.
    Acknowledge {
        /// Which, by its key.
        key: String,
        /// Who.
        by: String,
    },
    /// Somebody wants not to hear of something for a while.
    Mute(Mute),
    /// Somebody wants to hear of it again.
    Unmute(u64),
}

/// What is not told for a while. Recoveries are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mute {
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
pub enum Effect {
    /// Tell people, by every channel, and say so when they are told.
    Notify(Notice),
    /// Wake up at that moment, in place of any earlier wish.
    WakeAt(UnixMillis),
    /// Remember the incident, in place of what was remembered under its key and beginning.
    Record(Record),
}

/// An alert from its beginning to its end, as people read it later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// When it was first bad.
    pub opened: UnixMillis,
    /// How bad it was at its worst.
    pub level: Level,
    /// What was read when it became so.
    pub says: String,
    /// The channels that have told people of it, each since when.
    pub told: BTreeMap<String, UnixMillis>,
    /// Who looked after it.
    pub acknowledged: Option<Acknowledged>,
    /// Its end, where it has one.
    pub ended: Option<Ended>,
}

/// The end of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at: UnixMillis,
    /// Whether it ended for want of readings, not by a good one.
    pub lapsed: bool,
}

/// An incident with what it is about, as it is stored and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    v: u8,
    /// The alert's key.
    pub key: String,
    /// What it is about.
    #[serde(flatten)]
    pub subject: Subject,
    /// How it went.
    #[serde(flatten)]
    pub incident: Incident,
}

/// An alert as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    /// By which it is acknowledged.
    pub key: String,
    /// What it is about.
    #[serde(flatten)]
    pub subject: Subject,
    /// How bad it is.
    pub level: Level,
    /// Since when.
    pub since: UnixMillis,
    /// When it was last read.
    pub read_at: UnixMillis,
    /// What was read, in a sentence.
    pub says: String,
    /// What to do.
    pub action: &'static str,
    /// Who looks after it.
    pub acknowledged: Option<Acknowledged>,
    /// Whether somebody asked not to hear of it.
    pub muted: bool,
}

/// Who looks after an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// Who.
    pub by: String,
    /// Since when.
    pub at: UnixMillis,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Open {
    /// Bad looks in a row, and among the latest of them critical ones.
    bad: u32,
    critical: u32,
    good: u32,
    /// Since when it is bad.
    since: UnixMillis,
    read_at: UnixMillis,
    is: Option<Level>,
    told: Option<Level>,
    told_at: UnixMillis,
    /// Whether it ended for want of readings, not by a good one.
    lapsed: bool,
    acknowledged: Option<Acknowledged>,
    says: String,
    /// What people will read of it; none of what was stored before there were such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    incident: Option<Incident>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Telling {
    at: UnixMillis,
    tries: u32,
    levels: Vec<(Subject, Option<Level>)>,
    notice: Notice,
}

/// What one reading says by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Good,
    Bad(Level),
    /// Too little was seen, or it is neither: whatever was, stays.
    Unclear,
}

impl Alerts {
    /// No alerts.
    #[must_use]
    pub const fn of(site: String) -> Self {
        Self {
            v: VERSION,
            site,
            open: BTreeMap::new(),
            mutes: BTreeMap::new(),
            next_mute: 0,
            told_at: BTreeMap::new(),
            telling: BTreeMap::new(),
            next_notice: 0,
            overflow: 0,
        }
    }

    /// As they were stored; none when no version of ours has written it.
    #[must_use]
    pub fn stored(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|alerts: &Self| alerts.v == VERSION)
    }

    /// The text to store.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Takes what happened.
    #[must_use]
    pub fn handle(&mut self, input: Input, now: UnixMillis) -> Vec<Effect> {
        let before = self.incidents();
        match input {
            Input::Look(observations) => {
                for observation in &observations {
                    self.look(observation, now);
                }
            }
            Input::Woken => {}
            Input::Told { notice, by } => self.heard(notice, &by, now),
            Input::Acknowledge { key, by } => self.acknowledge(&key, by, now),
            Input::Mute(mute) => {
                if self.mutes.len() < MOST_MUTES {
                    self.mutes.insert(self.next_mute, mute);
                    self.next_mute = self.next_mute.saturating_add(1);
                }
            }
            Input::Unmute(mute) => drop(self.mutes.remove(&mute)),
        }
        self.lapse(now);
        self.open.values_mut().for_each(|open| open.note(now));
        let mut effects = self.records(&before);
        self.forget(now);
        effects.extend(self.tell(now));
        effects
    }

    /// Every alert that is raised, the worst and oldest first.
    #[must_use]
    pub fn raised(&self, now: UnixMillis) -> Vec<Shown> {
        let mut raised: Vec<Shown> = self
            .open
            .iter()
            .filter_map(|(subject, open)| {
                Some(Shown {
                    key: subject.key(&self.site),
                    level: open.is?,
                    since: open.since,
                    read_at: open.read_at,
                    says: open.says.clone(),
                    action: subject.signal.target().action,
                    acknowledged: open.acknowledged.clone(),
                    muted: self.is_muted(subject, now),
                    subject: subject.clone(),
                })
            })
            .collect();
        raised.sort_by_key(|shown| (std::cmp::Reverse(shown.level), shown.since));
        raised
    }

    /// What people asked not to hear of, by number.
    #[must_use]
    pub const fn mutes(&self) -> &BTreeMap<u64, Mute> {
        &self.mutes
    }

    /// How many notices are on their way to people.
    #[must_use]
    pub fn untold(&self) -> usize {
        self.telling.len()
    }

    fn look(&mut self, observation: &Observation, now: UnixMillis) {
        let subject = observation.subject();
        let was = self.open.get(&subject).and_then(|open| open.is);
        let look = observation.reading.look(was);
        if !self.open.contains_key(&subject) {
            if !matches!(look, Look::Bad(_)) {
                return;
            }
            if self.open.len() >= MOST_OPEN {
                self.overflow = self.overflow.saturating_add(1);
                return;
            }
        }
        let target = subject.signal.target();
        let open = self.open.entry(subject).or_insert_with(|| Open::since(now));
        match look {
            Look::Unclear => return,
            Look::Good => {
                open.good = open.good.saturating_add(1);
                (open.bad, open.critical) = (0, 0);
                if open.good >= target.fall && open.is.is_some() {
                    open.is = None;
                    open.says = observation.says();
                }
            }
            Look::Bad(level) => {
                if open.bad == 0 && open.is.is_none() {
                    open.since = now;
                }
                open.good = 0;
                open.lapsed = false;
                open.bad = open.bad.saturating_add(1);
                open.critical = if level == Level::Critical { open.critical.saturating_add(1) } else { 0 };
                open.says = observation.says();
                if open.critical >= target.rise {
                    open.is = Some(Level::Critical);
                } else if open.bad >= target.rise {
                    // An alert only gets worse until it is over.
                    open.is = open.is.max(Some(Level::Warning));
                }
            }
        }
        open.read_at = now;
    }

    fn acknowledge(&mut self, key: &str, by: String, now: UnixMillis) {
        let site = &self.site;
        if let Some((_, open)) = self.open.iter_mut().find(|(subject, _)| subject.key(site) == key) {
            open.acknowledged = Some(Acknowledged { by, at: now });
        }
    }

    fn incidents(&self) -> BTreeMap<Subject, Incident> {
        let incident = |(subject, open): (&Subject, &Open)| Some((subject.clone(), open.incident.clone()?));
        self.open.iter().filter_map(incident).collect()
    }

    /// The incidents that are not as they were.
    fn records(&self, before: &BTreeMap<Subject, Incident>) -> Vec<Effect> {
        let changed =
            self.incidents().into_iter().filter(|(subject, incident)| before.get(subject) != Some(incident));
        let record = |(subject, incident): (Subject, Incident)| {
            Effect::Record(Record { v: VERSION, key: subject.key(&self.site), subject, incident })
        };
        changed.map(record).collect()
    }

    /// What nobody reads any more is over, and said to be so without proof.
    fn lapse(&mut self, now: UnixMillis) {
        for open in self.open.values_mut() {
            let unread = now.0.saturating_sub(open.read_at.0);
            if open.is.is_some() && unread >= LAPSES_AFTER {
                open.is = None;
                open.lapsed = true;
            }
        }
    }

    /// What never became an alert is forgotten, and what is over and told.
    fn forget(&mut self, now: UnixMillis) {
        let telling: BTreeSet<&Subject> = self
            .telling
            .values()
            .flat_map(|telling| telling.levels.iter().map(|(subject, _)| subject))
            .collect();
        self.open.retain(|subject, open| {
            // Of what is on its way to people they will want to hear the end.
            let is_over = open.is.is_none() && open.told.is_none() && !telling.contains(subject);
            let unread = now.0.saturating_sub(open.read_at.0);
            !is_over || (open.bad > 0 && unread < FORGETS_AFTER)
        });
        self.mutes.retain(|_, mute| now < mute.until);
        self.told_at.retain(|_, at| now.0.saturating_sub(at.0) < GATHERS && *at <= now);
    }

    fn tell(&mut self, now: UnixMillis) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut wake: Option<UnixMillis> = None;
        let mut wake_at = |at: UnixMillis| wake = Some(wake.map_or(at, |earlier| earlier.min(at)));

        for telling in self.telling.values_mut() {
            let again = telling.at.after(TELLS_AGAIN << telling.tries.min(6));
            if now >= again || now < telling.at {
                telling.at = now;
                telling.tries = telling.tries.saturating_add(1);
                effects.push(Effect::Notify(telling.notice.clone()));
            }
            wake_at(telling.at.after(TELLS_AGAIN << telling.tries.min(6)));
        }

        let being_told: BTreeSet<&Subject> = self
            .telling
            .values()
            .flat_map(|telling| telling.levels.iter().map(|(subject, _)| subject))
            .collect();
        let mut changes: BTreeMap<Signal, Vec<(Subject, Change)>> = BTreeMap::new();
        for (subject, open) in &self.open {
            if being_told.contains(subject) {
                continue;
            }
            let Some(kind) = open.change(now) else { continue };
            if let Some(end) = self.muted_until(subject, now).filter(|_| !kind.is_over()) {
                wake_at(end);
                continue;
            }
            let change = Change {
                kind,
                key: subject.key(&self.site),
                subject: subject.clone(),
                level: open.is.or(open.told).unwrap_or(Level::Warning),
                since: open.since,
                says: open.sentence(kind, now),
            };
            changes.entry(subject.signal).or_default().push((subject.clone(), change));
        }
        for (signal, changes) in changes {
            let is_pressing = changes.iter().any(|(_, change)| {
                change.level == Level::Critical && matches!(change.kind, Kind::Raised | Kind::Worse)
            });
            let may_be_told = self.told_at.get(&signal).map(|at| at.after(GATHERS));
            if let Some(at) = may_be_told.filter(|at| now < *at && !is_pressing) {
                wake_at(at);
                continue;
            }
            self.told_at.insert(signal, now);
            let number = self.next_notice;
            self.next_notice = self.next_notice.saturating_add(1);
            let levels = changes
                .iter()
                .map(|(subject, _)| (subject.clone(), self.open.get(subject).and_then(|open| open.is)))
                .collect();
            let notice = Notice {
                number,
                site: self.site.clone(),
                at: now,
                signal,
                changes: changes.into_iter().map(|(_, change)| change).collect(),
            };
            effects.push(Effect::Notify(notice.clone()));
            self.telling.insert(number, Telling { at: now, tries: 0, levels, notice });
            wake_at(now.after(TELLS_AGAIN));
        }
        let reminders = self.open.values().filter_map(Open::reminds_at);
        for at in reminders {
            wake_at(at.max(now.after(GATHERS)));
        }
        effects.extend(wake.map(Effect::WakeAt));
        effects
    }

    /// Only what the channels have taken is told.
    fn heard(&mut self, notice: u64, by: &[String], now: UnixMillis) {
        let Some(telling) = self.telling.remove(&notice) else { return };
        for (subject, level) in telling.levels {
            if let Some(open) = self.open.get_mut(&subject) {
                // An acknowledgement was of what was known then.
                if level > open.told && open.told.is_some() {
                    open.acknowledged = None;
                }
                if let Some(incident) = open.incident.as_mut().filter(|_| level.is_some()) {
                    for channel in by {
                        incident.told.entry(channel.clone()).or_insert(now);
                    }
                }
                open.told = level;
                open.told_at = now;
                if level.is_none() {
                    open.acknowledged = None;
                }
            }
        }
    }

    fn is_muted(&self, subject: &Subject, now: UnixMillis) -> bool {
        self.muted_until(subject, now).is_some()
    }

    fn muted_until(&self, subject: &Subject, now: UnixMillis) -> Option<UnixMillis> {
        let mutes = self.mutes.values().filter(|mute| mute.covers(subject, now));
        mutes.map(|mute| mute.until).max()
    }
}

impl Observation {
    /// A reading of the site as a whole.
    #[must_use]
    pub const fn of_site(reading: Reading) -> Self {
        Self { route: None, device: None, series: None, reading }
    }

    fn subject(&self) -> Subject {
        Subject {
            signal: self.reading.signal(),
            route: self.route.clone(),
            device: self.device,
            series: self.series.clone(),
        }
    }

    /// What was read, in a sentence.
    fn says(&self) -> String {
        format!("{}: {}", self.subject().name(), self.reading.says())
    }
}

impl Reading {
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
            Self::Silence(_) => Signal::Silence,
            Self::Backlog(_) => Signal::Backlog,
            Self::Anomaly(_) => Signal::Anomaly,
        }
    }

    fn look(&self, was: Option<Level>) -> Look {
        match *self {
            Self::Verdict(Verdict::Met) => Look::Good,
            Self::Verdict(Verdict::Violated) => Look::Bad(Level::Warning),
            Self::Verdict(_) => Look::Unclear,
            // Evidence since a release long ago does not speak against a page that people see kept.
            Self::Evidence { verdict: Verdict::Met, .. } => Look::Good,
            Self::Evidence { since, verdict, percentile } => {
                let alarm = if was.is_some() { Alarm::Raised } else { Alarm::Quiet };
                match alarm.after(since, verdict, percentile) {
                    Alarm::Raised => Look::Bad(Level::Warning),
                    // Nothing convinces, which is not the same as all being well.
                    Alarm::Quiet => Look::Unclear,
                }
            }
            Self::Burn { windows, percentile } => match windows.burn(percentile) {
                Some(Burn::Page) => Look::Bad(Level::Critical),
                Some(Burn::Ticket) => Look::Bad(Level::Warning),
                // Too few visits burn nothing, and prove nothing.
                None if windows.six_hours.n() < ENOUGH => Look::Unclear,
                // What still spends more than it may is not over.
                None if windows.six_hours.burn_rate(percentile) > 1.0 => Look::Unclear,
                None => Look::Good,
            },
            Self::ErrorRate { answers, errors } => match self.number().map(|measured| self.look_at(measured))
            {
                Some(Look::Bad(level)) => proved(level, answers, errors),
                look => look.unwrap_or(Look::Unclear),
            },
            _ => self.number().map_or(Look::Unclear, |measured| self.look_at(measured)),
        }
    }

    fn look_at(&self, Measured { n, value }: Measured) -> Look {
        let Bounds::Number(number) = self.signal().target().bounds else { return Look::Unclear };
        if n < number.least || !value.is_finite() {
            return Look::Unclear;
        }
        match number.level(value) {
            Some(level) => Look::Bad(level),
            None if number.is_beyond(value, number.clears) => Look::Unclear,
            None => Look::Good,
        }
    }

    /// The number that decides, where one does.
    fn number(&self) -> Option<Measured> {
        Some(match *self {
            Self::ResponseTime(measured) | Self::HitRatio(measured) | Self::QueryTime(measured) => measured,
            Self::ErrorRate { answers, errors } => {
                Measured { n: answers, value: 100.0 * errors as f64 / answers.max(1) as f64 }
            }
            // Far below what is usual is as odd as far above.
            Self::Anomaly(Measured { n, value }) => Measured { n, value: value.abs() },
            Self::Memory(value) | Self::Silence(value) => Measured { n: 1, value },
            Self::Backlog(windows) => Measured { n: 1, value: windows as f64 },
            Self::Verdict(_) | Self::Evidence { .. } | Self::Burn { .. } => return None,
        })
    }

    fn says(&self) -> String {
        match *self {
            Self::Verdict(verdict) => format!("the budget is {}", verdict.name()),
            Self::Evidence { since, percentile, .. } => {
                let evidence = since.evidence(percentile).min(1e6);
                format!(
                    "{} of {} visits since the release were over budget (e-value {evidence:.1})",
                    since.over,
                    since.n()
                )
            }
            Self::Burn { windows, percentile } => {
                let rate = |tally: Tally| tally.burn_rate(percentile);
                format!(
                    "the budget burns at {:.2} over 30 minutes, {:.2} over 6 hours, {:.2} over 3 days",
                    rate(windows.half_hour),
                    rate(windows.six_hours),
                    rate(windows.three_days)
                )
            }
            _ => {
                let Bounds::Number(number) = self.signal().target().bounds else { return String::new() };
                let value = self.number().map_or(0.0, |measured| measured.value);
                match *self {
                    Self::Anomaly(Measured { value, .. }) if value < 0.0 => {
                        format!("{} below what is usual at this hour", number.told(-value))
                    }
                    Self::Anomaly(_) => format!("{} above what is usual at this hour", number.told(value)),
                    Self::Silence(_) if value < 1.0 => "beacons are heard".into(),
                    Self::Silence(_) => {
                        format!("nothing is heard, where {} were to be expected", number.told(value.round()))
                    }
                    Self::Backlog(_) => format!("the backend is {} behind", number.told(value)),
                    _ => format!("{} is {}", self.signal().target().what, number.told(value)),
                }
            }
        }
    }
}

/// How bad so many errors certainly are. Two errors in a thousand answers are over one in a thousand,
/// and may be chance: the root of a count wavers by a half whatever its mean (Anscombe), so 2.33
/// deviations leave one look in a hundred.
fn proved(level: Level, answers: u64, errors: u64) -> Look {
    let Bounds::Number(number) = Signal::ErrorRate.target().bounds else { return Look::Unclear };
    let is_certain = |percent: f64| {
        let allowed = answers as f64 * percent / 100.0;
        2.0 * ((errors as f64).sqrt() - allowed.sqrt()) > CERTAIN
    };
    match number.critical {
        Some(critical) if level == Level::Critical && is_certain(critical) => Look::Bad(Level::Critical),
        _ if is_certain(number.warning) => Look::Bad(Level::Warning),
        _ => Look::Unclear,
    }
}

impl Subject {
    /// By which an alert is known everywhere: the same from its beginning to its end, and whenever it
    /// comes again. At most 255 characters, as PagerDuty takes them.
    #[must_use]
    pub fn key(&self, site: &str) -> String {
        let device = self.device.map_or("", Device::name);
        let [route, series] = [&self.route, &self.series].map(|part| part.as_deref().unwrap_or_default());
        let key = format!("{site}|{}|{route}|{device}|{series}", self.signal.name());
        if key.len() <= LONGEST_KEY && key.is_ascii() {
            return key;
        }
        // FNV-1a, 64 bits: names a route, and guards nothing.
        let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        format!("{site}|{}|{hash:016x}", self.signal.name())
    }

    /// What it is about, for people.
    #[must_use]
    pub fn name(&self) -> String {
        let device = self.device.map(|device| format!("on {}s", device.name()));
        let parts = [self.series.clone(), self.route.as_ref().map(|route| format!("of {route}")), device];
        let named: Vec<String> = parts.into_iter().flatten().collect();
        if named.is_empty() { "The site".into() } else { named.join(" ") }
    }
}

impl Mute {
    fn covers(&self, subject: &Subject, now: UnixMillis) -> bool {
        (self.from..self.until).contains(&now)
            && self.signal.is_none_or(|signal| signal == subject.signal)
            && self.route.as_ref().is_none_or(|route| Some(route) == subject.route.as_ref())
    }
}

impl Open {
    const fn since(now: UnixMillis) -> Self {
        Self {
            bad: 0,
            critical: 0,
            good: 0,
            since: now,
            read_at: now,
            is: None,
            told: None,
            told_at: now,
            lapsed: false,
            acknowledged: None,
            says: String::new(),
            incident: None,
        }
    }

    /// Brings what people will read up to what it is now.
    fn note(&mut self, now: UnixMillis) {
        match (self.is, &mut self.incident) {
            (Some(level), Some(incident)) if incident.opened == self.since => {
                if level > incident.level {
                    (incident.level, incident.says) = (level, self.says.clone());
                }
                // What was closed without proof goes on.
                incident.ended = None;
            }
            (Some(level), incident) => {
                let (opened, says) = (self.since, self.says.clone());
                let (told, acknowledged, ended) = (BTreeMap::new(), None, None);
                *incident = Some(Incident { opened, level, says, told, acknowledged, ended });
            }
            (None, Some(incident)) if incident.ended.is_none() => {
                incident.ended = Some(Ended { at: now, lapsed: self.lapsed });
            }
            (None, _) => {}
        }
        if let Some((incident, acknowledged)) = self.incident.as_mut().zip(self.acknowledged.clone()) {
            incident.acknowledged = Some(acknowledged);
        }
    }

    /// What people do not know yet.
    fn change(&self, now: UnixMillis) -> Option<Kind> {
        match (self.told, self.is) {
            (None, Some(_)) => Some(Kind::Raised),
            (Some(told), Some(is)) if is > told => Some(Kind::Worse),
            (Some(_), Some(_)) => self.reminds_at().filter(|at| now >= *at).map(|_| Kind::Still),
            (Some(_), None) if self.lapsed => Some(Kind::Lapsed),
            (Some(_), None) => Some(Kind::Recovered),
            (None, None) => None,
        }
    }

    /// When people are reminded of what nobody looks after.
    fn reminds_at(&self) -> Option<UnixMillis> {
        let (told, is) = (self.told?, self.is?);
        let waits = match told {
            Level::Critical => REMINDS_OF_CRITICAL,
            Level::Warning => REMINDS_OF_WARNING,
        };
        (is == told && self.acknowledged.is_none()).then(|| self.told_at.after(waits))
    }

    fn sentence(&self, kind: Kind, now: UnixMillis) -> String {
        let lasted = moment::span(now.0.saturating_sub(self.since.0));
        match kind {
            Kind::Raised | Kind::Worse => format!("{}.", self.says),
            Kind::Still => format!("{}, for {lasted} now.", self.says),
            Kind::Recovered => format!("{}; it was bad for {lasted}.", self.says),
            Kind::Lapsed => format!(
                "{}. Nothing was read of it for {}: it is closed, not proved to be over.",
                self.says,
                moment::span(LAPSES_AFTER)
            ),
        }
    }
}

/// A map's keys are text in JSON, and a subject is more.
mod as_list {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Open, Subject};

    pub(super) fn serialize<S: Serializer>(
        map: &BTreeMap<Subject, Open>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Subject, Open>, D::Error> {
        Vec::<(Subject, Open)>::deserialize(deserializer).map(|list| list.into_iter().collect())
    }
}

const VERSION: u8 = 1;
/// Notices of one signal that follow within this are one notice.
const GATHERS: u64 = 5 * 60_000;
/// A notice that no channel took is sent again after this, and twice as long each further time.
const TELLS_AGAIN: u64 = 60_000;
const REMINDS_OF_CRITICAL: u64 = 4 * 3_600_000;
const REMINDS_OF_WARNING: u64 = 3 * 86_400_000;
const LAPSES_AFTER: u64 = 3 * 86_400_000;
const FORGETS_AFTER: u64 = 3_600_000;
/// With the longest routes, and all of them on their way to people, stored in less than two megabytes.
const MOST_OPEN: usize = 500;
const MOST_MUTES: usize = 200;
const LONGEST_KEY: usize = 255;
const CERTAIN: f64 = 2.33;
/// As for a burn rate.
const ENOUGH: u64 = 100;
