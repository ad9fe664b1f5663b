//! The outbox: what the aggregate owes a backend, and when to try. A window that has closed becomes one
//! document, frozen, with a key of its own; it is sent until the backend has it, in order, one at a
//! time. Sending, signing secrets, storing and the clock are the shell's; what a document says is
//! decided before it comes here.
//!
//! The shell stores what it is told to store in one block, and sends only then. So a crash at any
//! point leaves the document in the outbox, and it is sent again under the same key, by which the
//! backend knows it. `docs/push.md` tells the receiving side.

mod config;
mod push_config;
mod response;
mod signature;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use wire::UnixMillis;

use crate::window::{Window, WindowSpan};

pub use config::{Sink, SinkConfigError, is_http_url, parse_signing_keys};
pub use push_config::PushConfig;
use response::Disposition;
pub use response::{AttemptOutcome, RetryAfter};
pub use signature::{IDEMPOTENCY_HEADER, SIGNATURE_HEADER, SigningKey, SigningKeyError, sign};

/// What one site owes one backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbox {
    settings: OutboxSettings,
    state: OutboxState,
    entries: BTreeMap<u64, OutboxEntry>,
    in_flight: Option<InFlight>,
}

/// How a site pushes to a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxSettings {
    /// The site: part of every key.
    pub site: String,
    /// The length of the windows that are pushed.
    pub span: WindowSpan,
    /// Milliseconds after its end at which a window closes: most late beacons have come by then.
    pub grace_ms: u64,
    /// Documents that may wait here. While it is full no window is closed: the cells keep them.
    pub capacity: usize,
    /// Milliseconds until the second attempt; doubled with each further one.
    pub initial_backoff_ms: u64,
    /// Milliseconds that the doubling ends at.
    pub max_backoff_ms: u64,
    /// Milliseconds that a backend may ask for by `Retry-After`.
    pub max_retry_after_ms: u64,
    /// Milliseconds after which an attempt without an answer has failed.
    pub attempt_timeout_ms: u64,
    /// Milliseconds between two documents while there are many to catch up with.
    pub min_interval_ms: u64,
    /// Failures in a row that open the circuit.
    pub circuit_failure_threshold: u32,
}

/// The row that there is one of: where the outbox stands. Stored whole, as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxState {
    v: u8,
    /// The number of the next document.
    next: u64,
    /// The start of the window that closes next.
    due: UnixMillis,
    /// Failures in a row.
    failures: u32,
    /// Documents delivered since the last failure: from these the pace picks up.
    #[serde(rename = "eased")]
    delivered_since_failure: u32,
    /// Until when nothing is sent.
    #[serde(rename = "wait")]
    backoff: Option<Backoff>,
    /// What went wrong last, while it is wrong.
    #[serde(rename = "trouble")]
    error: Option<DeliveryError>,
    /// The last delivery.
    last: Option<DeliveryReceipt>,
}

/// A document that waits. Its body is the shell's to keep, under the same number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxEntry {
    /// Its number: the order of sending.
    pub seq: u64,
    /// The window that it is about.
    pub window: Window,
    /// Which telling of that window: 0 is the first, later ones correct it.
    pub revision: u32,
    /// Attempts that were begun.
    pub attempts: u32,
    /// Why it was put aside.
    #[serde(rename = "parked")]
    pub dead_letter: Option<DeadLetter>,
}

/// Why a document was put aside: the backend will never take it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The backend's answer.
    pub status: u16,
    /// When it came.
    pub at: UnixMillis,
}

/// What went wrong with the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeliveryError {
    /// No answer came.
    Unreachable,
    /// It answered that it cannot now.
    Failing(u16),
    /// It answered that it does not know us, or that nobody listens there.
    Refusing(u16),
}

/// The last document that arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryReceipt {
    /// Its key.
    pub key: String,
    /// When its receipt came.
    pub at: UnixMillis,
}

/// One attempt to send one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The document.
    pub seq: u64,
    /// The attempt, counted from 1.
    pub number: u32,
}

/// A closed window, told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxDocument {
    /// The window.
    pub window: Window,
    /// 0, or the number of the correction.
    pub revision: u32,
    /// The bytes that are sent, now and at every further attempt.
    pub body: Vec<u8>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboxInput {
    /// The alarm went off, or the object started.
    Woken,
    /// An attempt ended.
    AttemptEnded {
        /// Which.
        attempt: Attempt,
        /// How.
        outcome: AttemptOutcome,
    },
    /// Somebody asks that what was put aside be sent again.
    Retry(RetryTarget),
}

/// Which of the documents that were put aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryTarget {
    /// All of them.
    All,
    /// The one of that number.
    One(u64),
}

/// What the shell must do: first store all of it in one block, then send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboxEffect {
    /// Store this document and its body.
    Insert(OutboxEntry, Vec<u8>),
    /// Store what is now known of this document; its body stays.
    Update(OutboxEntry),
    /// Remove this document: the backend has it.
    Remove(u64),
    /// Store this head in place of the one before.
    StoreState(OutboxState),
    /// Send the body of that number, signed, under that key.
    Send {
        /// To be given back with the answer.
        attempt: Attempt,
        /// The value of `Idempotency-Key`.
        idempotency_key: String,
    },
    /// Wake up at that moment, in place of any earlier wish.
    WakeAt(UnixMillis),
}

/// Why a document was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnqueueError {
    /// As many as may wait are waiting.
    Full {
        /// So many.
        capacity: usize,
    },
    /// The window is not the one that closes next, and no correction of an earlier one.
    OutOfOrder {
        /// The window that was offered.
        offered: UnixMillis,
        /// The window that closes next.
        due: UnixMillis,
    },
}

/// Whether the backend is being sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Circuit {
    /// As documents come.
    Closed,
    /// Not before that moment, and then one document to see.
    Open {
        /// The moment.
        until: UnixMillis,
    },
    /// The one document is on its way.
    Probing,
}

/// The state of the push, for people and for alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxStatus {
    /// Documents that wait to be sent.
    pub waiting: usize,
    /// The window that has waited longest.
    pub oldest: Option<Window>,
    /// Documents that were put aside.
    pub dead_letters: Vec<OutboxEntry>,
    /// Whether the backend is being sent to.
    pub circuit: Circuit,
    /// What is wrong, if anything.
    pub error: Option<DeliveryError>,
    /// The last delivery.
    pub last_delivery: Option<DeliveryReceipt>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Backoff {
    since: UnixMillis,
    until: UnixMillis,
    /// Whether the backend asked for it.
    #[serde(rename = "asked")]
    is_requested: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct InFlight {
    attempt: Attempt,
    since: UnixMillis,
}

impl Outbox {
    /// An outbox that owes every window from the one that holds this moment. It is to be woken at once, so
    /// that its head is stored: one that is begun anew later would owe less.
    #[must_use]
    pub const fn new(settings: OutboxSettings, from: UnixMillis) -> Self {
        let due = Window::containing(settings.span, from).start;
        let head = OutboxState {
            v: VERSION,
            next: 0,
            due,
            failures: 0,
            delivered_since_failure: 0,
            backoff: None,
            error: None,
            last: None,
        };
        Self { settings, state: head, entries: BTreeMap::new(), in_flight: None }
    }

    /// The outbox as its rows tell it. What was on its way is sent again.
    #[must_use]
    pub fn restore(
        settings: OutboxSettings,
        state: OutboxState,
        entries: impl IntoIterator<Item = OutboxEntry>,
    ) -> Self {
        let entries = entries.into_iter().map(|entry| (entry.seq, entry)).collect();
        Self { settings, state, entries, in_flight: None }
    }

    /// The window to tell next: it has closed, and there is room.
    #[must_use]
    pub fn next_due(&self, now: UnixMillis) -> Option<Window> {
        (self.has_capacity() && now >= self.next_close_at())
            .then_some(Window { span: self.settings.span, start: self.state.due })
    }

    /// The windows to tell next, in their order: at most so many, and no more than there is room for.
    #[must_use]
    pub fn due_windows(&self, now: UnixMillis, max: usize) -> Vec<Window> {
        let most = max.min(self.settings.capacity.saturating_sub(self.entries.len()));
        let length = self.settings.span.millis();
        let starts =
            (0..most as u64).map(|index| self.state.due.saturating_add(index.saturating_mul(length)));
        starts
            .take_while(|start| now >= start.saturating_add(length).saturating_add(self.settings.grace_ms))
            .map(|start| Window { span: self.settings.span, start })
            .collect()
    }

    /// Takes in a window that has closed, or the correction of one that had.
    ///
    /// # Errors
    /// Refuses a window out of its turn, and any while it is full: its cells keep it meanwhile.
    pub fn enqueue(
        &mut self,
        document: OutboxDocument,
        now: UnixMillis,
        random: u64,
    ) -> Result<Vec<OutboxEffect>, EnqueueError> {
        let OutboxDocument { window, revision, body } = document;
        if !self.has_capacity() {
            return Err(EnqueueError::Full { capacity: self.settings.capacity });
        }
        let is_next = window.start == self.state.due && revision == 0;
        let is_correction = window.start < self.state.due && revision > 0;
        if window.span != self.settings.span || !(is_next || is_correction) {
            return Err(EnqueueError::OutOfOrder { offered: window.start, due: self.state.due });
        }
        if is_next {
            self.state.due = window.start.saturating_add(window.span.millis());
        }
        let entry = OutboxEntry { seq: self.state.next, window, revision, attempts: 0, dead_letter: None };
        self.state.next = self.state.next.saturating_add(1);
        self.entries.insert(entry.seq, entry.clone());
        let mut effects = vec![OutboxEffect::Insert(entry, body)];
        self.advance(now, random, &mut effects);
        Ok(effects)
    }

    /// Takes what happened. `dice` is any random number: it spreads the attempts of many sites.
    #[must_use]
    pub fn handle(&mut self, input: OutboxInput, now: UnixMillis, random: u64) -> Vec<OutboxEffect> {
        let mut effects = Vec::new();
        match input {
            OutboxInput::Woken => {}
            OutboxInput::AttemptEnded { attempt: ticket, outcome: answer } => {
                self.on_attempt_ended(ticket, answer, now, random, &mut effects)
            }
            OutboxInput::Retry(which) => self.retry(which, &mut effects),
        }
        self.advance(now, random, &mut effects);
        effects
    }

    /// How the push stands.
    #[must_use]
    pub fn status(&self) -> OutboxStatus {
        let circuit = match (
            self.state.failures >= self.settings.circuit_failure_threshold,
            self.in_flight,
            self.state.backoff,
        ) {
            (false, ..) => Circuit::Closed,
            (true, None, Some(wait)) => Circuit::Open { until: wait.until },
            (true, ..) => Circuit::Probing,
        };
        let waiting = || self.entries.values().filter(|entry| entry.dead_letter.is_none());
        OutboxStatus {
            waiting: waiting().count(),
            oldest: waiting().map(|entry| entry.window).min_by_key(|window| window.start),
            dead_letters: self
                .entries
                .values()
                .filter(|entry| entry.dead_letter.is_some())
                .cloned()
                .collect(),
            circuit,
            error: self.state.error,
            last_delivery: self.state.last.clone(),
        }
    }

    fn has_capacity(&self) -> bool {
        self.entries.len() < self.settings.capacity
    }

    const fn next_close_at(&self) -> UnixMillis {
        self.state.due.saturating_add(self.settings.span.millis()).saturating_add(self.settings.grace_ms)
    }

    fn on_attempt_ended(
        &mut self,
        attempt: Attempt,
        outcome: AttemptOutcome,
        now: UnixMillis,
        random: u64,
        effects: &mut Vec<OutboxEffect>,
    ) {
        let is_awaited = self.in_flight.is_some_and(|flight| flight.attempt == attempt);
        if is_awaited {
            self.in_flight = None;
        }
        match outcome.disposition() {
            // A receipt is true whenever it comes, and however often.
            Disposition::Delivered => {
                let Some(entry) = self.entries.remove(&attempt.seq) else { return };
                effects.push(OutboxEffect::Remove(entry.seq));
                if self.in_flight.is_some_and(|flight| flight.attempt.seq == entry.seq) {
                    self.in_flight = None;
                }
                self.state.last =
                    Some(DeliveryReceipt { key: entry.idempotency_key(&self.settings.site), at: now });
                self.on_success(now, random);
            }
            // What became of an attempt that was given up is no news.
            _ if !is_awaited => {}
            Disposition::Rejected(status) => {
                if let Some(entry) = self.entries.get_mut(&attempt.seq) {
                    entry.dead_letter = Some(DeadLetter { status, at: now });
                    effects.push(OutboxEffect::Update(entry.clone()));
                }
                self.on_success(now, random);
            }
            Disposition::RetryLater { error: trouble, retry_after } => {
                self.on_failure(trouble, retry_after, now, random)
            }
        }
    }

    /// The backend answers for itself. It is not run over by what has gathered: after trouble the
    /// first documents go slowly.
    fn on_success(&mut self, now: UnixMillis, random: u64) {
        let gap = self.settings.initial_backoff_ms >> self.state.delivered_since_failure.min(63);
        self.state.failures = 0;
        self.state.error = None;
        self.state.delivered_since_failure = self.state.delivered_since_failure.saturating_add(1);
        let gap = gap.max(self.settings.min_interval_ms);
        self.back_off(gap / 2, gap / 2, false, now, random);
    }

    fn on_failure(
        &mut self,
        error: DeliveryError,
        retry_after: Option<RetryAfter>,
        now: UnixMillis,
        random: u64,
    ) {
        let doubled = self.settings.initial_backoff_ms.saturating_mul(1 << self.state.failures.min(30));
        let backoff = match error {
            // A wrong key or address is put right by people, so there is no hurry.
            DeliveryError::Refusing(_) => self.settings.max_backoff_ms,
            _ => doubled.min(self.settings.max_backoff_ms),
        };
        let asked = retry_after.map(|after| after.delay_ms(now).min(self.settings.max_retry_after_ms));
        self.state.failures = self.state.failures.saturating_add(1);
        self.state.delivered_since_failure = 0;
        self.state.error = Some(error);
        // Never earlier than was asked, and never all sites at once.
        let half = backoff / 2;
        self.back_off(asked.unwrap_or(0).max(half), half, asked.is_some(), now, random);
    }

    /// So long for certain, and up to so much longer by chance.
    fn back_off(&mut self, fixed_ms: u64, jitter_ms: u64, is_requested: bool, now: UnixMillis, random: u64) {
        let until = now.saturating_add(fixed_ms.saturating_add(random % jitter_ms.saturating_add(1)));
        self.state.backoff = Some(Backoff { since: now, until, is_requested });
    }

    fn retry(&mut self, target: RetryTarget, effects: &mut Vec<OutboxEffect>) {
        for entry in self.entries.values_mut() {
            let is_meant = matches!(target, RetryTarget::All) || target == RetryTarget::One(entry.seq);
            if is_meant && entry.dead_letter.take().is_some() {
                effects.push(OutboxEffect::Update(entry.clone()));
            }
        }
        // Who asks has put something right. What the backend itself asked for stands.
        self.state.backoff = self.state.backoff.filter(|wait| wait.is_requested);
    }

    /// Sends what may be sent, and says when to look again.
    fn advance(&mut self, now: UnixMillis, random: u64, effects: &mut Vec<OutboxEffect>) {
        self.time_out_attempt(now, random);
        let waits_until = self.backoff_until(now);
        let next = match (self.in_flight, waits_until) {
            (None, None) => self.entries.values_mut().find(|entry| entry.dead_letter.is_none()),
            _ => None,
        };
        let mut send = None;
        if let Some(entry) = next {
            entry.attempts = entry.attempts.saturating_add(1);
            let attempt = Attempt { seq: entry.seq, number: entry.attempts };
            effects.push(OutboxEffect::Update(entry.clone()));
            send = Some(OutboxEffect::Send {
                attempt,
                idempotency_key: entry.idempotency_key(&self.settings.site),
            });
            self.in_flight = Some(InFlight { attempt, since: now });
        }
        effects.push(OutboxEffect::StoreState(self.state.clone()));
        let has_waiting = self.entries.values().any(|entry| entry.dead_letter.is_none());
        let wake = match (self.in_flight, waits_until) {
            (Some(flight), _) => Some(flight.since.saturating_add(self.settings.attempt_timeout_ms)),
            (None, Some(until)) if has_waiting => Some(until),
            _ => None,
        };
        // A window that the shell could not tell yet is asked for again, not at once.
        let closing = self
            .has_capacity()
            .then(|| self.next_close_at().max(now.saturating_add(self.settings.initial_backoff_ms)));
        if let Some(at) = [wake, closing].into_iter().flatten().min() {
            effects.push(OutboxEffect::WakeAt(at));
        }
        effects.extend(send);
    }

    /// An attempt without an answer has failed. One that began in the future did so by another clock.
    fn time_out_attempt(&mut self, now: UnixMillis, random: u64) {
        let Some(flight) = self.in_flight else { return };
        if now < flight.since {
            self.in_flight = Some(InFlight { since: now, ..flight });
        } else if now >= flight.since.saturating_add(self.settings.attempt_timeout_ms) {
            self.in_flight = None;
            self.on_failure(DeliveryError::Unreachable, None, now, random);
        }
    }

    /// A clock that ran back starts a wait anew, so that none lasts longer than it was meant to.
    fn backoff_until(&mut self, now: UnixMillis) -> Option<UnixMillis> {
        let wait = self.state.backoff?;
        if now >= wait.until {
            self.state.backoff = None;
        } else if now < wait.since {
            let span = wait.until.0.saturating_sub(wait.since.0);
            self.state.backoff = Some(Backoff { since: now, until: now.saturating_add(span), ..wait });
        }
        self.state.backoff.map(|wait| wait.until)
    }
}

impl OutboxSettings {
    /// The settings of a site that pushes windows of that length.
    #[must_use]
    pub const fn new(site: String, span: WindowSpan) -> Self {
        Self {
            site,
            span,
            grace_ms: 30_000,
            capacity: 2000,
            initial_backoff_ms: 1000,
            max_backoff_ms: 15 * 60_000,
            max_retry_after_ms: 24 * 3_600_000,
            attempt_timeout_ms: 60_000,
            min_interval_ms: 200,
            circuit_failure_threshold: 5,
        }
    }
}

impl OutboxEntry {
    /// The value of `Idempotency-Key`: the same for every attempt, and of no other document.
    #[must_use]
    pub fn idempotency_key(&self, site: &str) -> String {
        let span = match self.window.span {
            WindowSpan::Minute => "minute",
            WindowSpan::Hour => "hour",
            WindowSpan::Day => "day",
        };
        format!("{site}.{span}.{}.{}", self.window.start.0, self.revision)
    }

    /// Writes the row.
    ///
    /// # Errors
    /// Fails if it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&(VERSION, self))
    }

    /// A row as it was stored; none when no version of ours has written it.
    #[must_use]
    pub fn from_json(text: &str) -> Option<Self> {
        let (version, entry): (u8, Self) = serde_json::from_str(text).ok()?;
        (version == VERSION).then_some(entry)
    }
}

impl OutboxState {
    /// Writes the row.
    ///
    /// # Errors
    /// Fails if it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// The row as it was stored; none when no version of ours has written it.
    #[must_use]
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|head: &Self| head.v == VERSION)
    }
}

impl fmt::Display for EnqueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { capacity: room } => write!(
                f,
                "{room} documents wait for the backend already; offer the window again when some were taken"
            ),
            Self::OutOfOrder { offered, due } => write!(
                f,
                "the window that starts at {} is not the one that closes next: that starts at {}, and a \
                 correction is of an earlier one and has a revision above 0",
                offered.0, due.0
            ),
        }
    }
}

impl std::error::Error for EnqueueError {}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => write!(f, "the backend does not answer"),
            Self::Failing(status) => write!(f, "the backend answers {status}, and is asked again"),
            Self::Refusing(status) => {
                write!(f, "the backend answers {status}: its address or the signing key is not right")
            }
        }
    }
}

const VERSION: u8 = 1;
