//! The outbox: what the aggregate owes a backend, and when to try. A window that has closed becomes one
//! document, frozen, with a key of its own; it is sent until the backend has it, in order, one at a
//! time. Sending, signing secrets, storing and the clock are the shell's; what a document says is
//! decided before it comes here.
//!
//! The shell stores what it is told to store in one block, and sends only then. So a crash at any
//! point leaves the document in the outbox, and it is sent again under the same key, by which the
//! backend knows it. `docs/push.md` tells the receiving side.

mod answer;
mod signature;
mod sinks;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use wire::UnixMillis;

use crate::window::{Span, Window};

use answer::Meaning;
pub use answer::{Answer, RetryAfter};
pub use signature::{IDEMPOTENCY_HEADER, Key, KeyMistake, SIGNATURE_HEADER, signature};
pub use sinks::{Sink, SinkMistake, is_address, keys};

/// What one site owes one backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbox {
    settings: Settings,
    head: Head,
    entries: BTreeMap<u64, Entry>,
    flight: Option<Flight>,
}

/// How a site pushes to a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The site: part of every key.
    pub site: String,
    /// The length of the windows that are pushed.
    pub span: Span,
    /// Milliseconds after its end at which a window closes: most late beacons have come by then.
    pub grace: u64,
    /// Documents that may wait here. While it is full no window is closed: the cells keep them.
    pub room: usize,
    /// Milliseconds until the second attempt; doubled with each further one.
    pub first_wait: u64,
    /// Milliseconds that the doubling ends at.
    pub longest_wait: u64,
    /// Milliseconds that a backend may ask for by `Retry-After`.
    pub longest_asked: u64,
    /// Milliseconds after which an attempt without an answer has failed.
    pub patience: u64,
    /// Milliseconds between two documents while there are many to catch up with.
    pub pace: u64,
    /// Failures in a row that open the circuit.
    pub opens_after: u32,
}

/// The row that there is one of: where the outbox stands. Stored whole, as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    v: u8,
    /// The number of the next document.
    next: u64,
    /// The start of the window that closes next.
    due: UnixMillis,
    /// Failures in a row.
    failures: u32,
    /// Documents delivered since the last failure: from these the pace picks up.
    eased: u32,
    /// Until when nothing is sent.
    wait: Option<Wait>,
    /// What went wrong last, while it is wrong.
    trouble: Option<Trouble>,
    /// The last delivery.
    last: Option<Delivery>,
}

/// A document that waits. Its body is the shell's to keep, under the same number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number: the order of sending.
    pub seq: u64,
    /// The window that it is about.
    pub window: Window,
    /// Which telling of that window: 0 is the first, later ones correct it.
    pub revision: u32,
    /// Attempts that were begun.
    pub attempts: u32,
    /// Why it was put aside.
    pub parked: Option<Parked>,
}

/// Why a document was put aside: the backend will never take it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// The backend's answer.
    pub status: u16,
    /// When it came.
    pub at: UnixMillis,
}

/// What went wrong with the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trouble {
    /// No answer came.
    Unreachable,
    /// It answered that it cannot now.
    Failing(u16),
    /// It answered that it does not know us, or that nobody listens there.
    Refusing(u16),
}

/// The last document that arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its key.
    pub key: String,
    /// When its receipt came.
    pub at: UnixMillis,
}

/// One attempt to send one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The document.
    pub seq: u64,
    /// The attempt, counted from 1.
    pub attempt: u32,
}

/// A closed window, told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The window.
    pub window: Window,
    /// 0, or the number of the correction.
    pub revision: u32,
    /// The bytes that are sent, now and at every further attempt.
    pub body: Vec<u8>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The alarm went off, or the object started.
    Woken,
    /// An attempt ended.
    Answered {
        /// Which.
        ticket: Ticket,
        /// How.
        answer: Answer,
    },
    /// Somebody asks that what was put aside be sent again.
    Retry(Which),
}

/// Which of the documents that were put aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// The one of that number.
    One(u64),
}

/// What the shell must do: first store all of it in one block, then send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Store this document and its body.
    Keep(Entry, Vec<u8>),
    /// Store what is now known of this document; its body stays.
    Note(Entry),
    /// Remove this document: the backend has it.
    Forget(u64),
    /// Store this head in place of the one before.
    Remember(Head),
    /// Send the body of that number, signed, under that key.
    Send {
        /// To be given back with the answer.
        ticket: Ticket,
        /// The value of `Idempotency-Key`.
        key: String,
    },
    /// Wake up at that moment, in place of any earlier wish.
    WakeAt(UnixMillis),
}

/// Why a document was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// As many as may wait are waiting.
    Full {
        /// So many.
        room: usize,
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
pub struct Status {
    /// Documents that wait to be sent.
    pub waiting: usize,
    /// The window that has waited longest.
    pub oldest: Option<Window>,
    /// Documents that were put aside.
    pub parked: Vec<Entry>,
    /// Whether the backend is being sent to.
    pub circuit: Circuit,
    /// What is wrong, if anything.
    pub trouble: Option<Trouble>,
    /// The last delivery.
    pub last: Option<Delivery>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Wait {
    since: UnixMillis,
    until: UnixMillis,
    /// Whether the backend asked for it.
    asked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Flight {
    ticket: Ticket,
    since: UnixMillis,
}

impl Outbox {
    /// An outbox that owes every window from the one that holds this moment. It is to be woken at once, so
    /// that its head is stored: one that is begun anew later would owe less.
    #[must_use]
    pub const fn beginning(settings: Settings, from: UnixMillis) -> Self {
        let due = Window::of(settings.span, from).start;
        let head =
            Head { v: VERSION, next: 0, due, failures: 0, eased: 0, wait: None, trouble: None, last: None };
        Self { settings, head, entries: BTreeMap::new(), flight: None }
    }

    /// The outbox as its rows tell it. What was on its way is sent again.
    #[must_use]
    pub fn restored(settings: Settings, head: Head, entries: impl IntoIterator<Item = Entry>) -> Self {
        let entries = entries.into_iter().map(|entry| (entry.seq, entry)).collect();
        Self { settings, head, entries, flight: None }
    }

    /// The window to tell next: it has closed, and there is room.
    #[must_use]
    pub fn due(&self, now: UnixMillis) -> Option<Window> {
        (self.has_room() && now >= self.closes_at())
            .then_some(Window { span: self.settings.span, start: self.head.due })
    }

    /// The windows to tell next, in their order: at most so many, and no more than there is room for.
    #[must_use]
    pub fn all_due(&self, now: UnixMillis, most: usize) -> Vec<Window> {
        let most = most.min(self.settings.room.saturating_sub(self.entries.len()));
        let length = self.settings.span.millis();
        let starts = (0..most as u64).map(|index| self.head.due.after(index.saturating_mul(length)));
        starts
            .take_while(|start| now >= start.after(length).after(self.settings.grace))
            .map(|start| Window { span: self.settings.span, start })
            .collect()
    }

    /// Takes in a window that has closed, or the correction of one that had.
    ///
    /// # Errors
    /// Refuses a window out of its turn, and any while it is full: its cells keep it meanwhile.
    pub fn take(&mut self, document: Document, now: UnixMillis, dice: u64) -> Result<Vec<Effect>, Refusal> {
        let Document { window, revision, body } = document;
        if !self.has_room() {
            return Err(Refusal::Full { room: self.settings.room });
        }
        let is_next = window.start == self.head.due && revision == 0;
        let is_correction = window.start < self.head.due && revision > 0;
        if window.span != self.settings.span || !(is_next || is_correction) {
            return Err(Refusal::OutOfOrder { offered: window.start, due: self.head.due });
        }
        if is_next {
            self.head.due = window.start.after(window.span.millis());
        }
        let entry = Entry { seq: self.head.next, window, revision, attempts: 0, parked: None };
        self.head.next = self.head.next.saturating_add(1);
        self.entries.insert(entry.seq, entry.clone());
        let mut effects = vec![Effect::Keep(entry, body)];
        self.go_on(now, dice, &mut effects);
        Ok(effects)
    }

    /// Takes what happened. `dice` is any random number: it spreads the attempts of many sites.
    #[must_use]
    pub fn handle(&mut self, input: Input, now: UnixMillis, dice: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Woken => {}
            Input::Answered { ticket, answer } => self.answered(ticket, answer, now, dice, &mut effects),
            Input::Retry(which) => self.retry(which, &mut effects),
        }
        self.go_on(now, dice, &mut effects);
        effects
    }

    /// How the push stands.
    #[must_use]
    pub fn status(&self) -> Status {
        let circuit = match (self.head.failures >= self.settings.opens_after, self.flight, self.head.wait) {
            (false, ..) => Circuit::Closed,
            (true, None, Some(wait)) => Circuit::Open { until: wait.until },
            (true, ..) => Circuit::Probing,
        };
        let waiting = || self.entries.values().filter(|entry| entry.parked.is_none());
        Status {
            waiting: waiting().count(),
            oldest: waiting().map(|entry| entry.window).min_by_key(|window| window.start),
            parked: self.entries.values().filter(|entry| entry.parked.is_some()).cloned().collect(),
            circuit,
            trouble: self.head.trouble,
            last: self.head.last.clone(),
        }
    }

    fn has_room(&self) -> bool {
        self.entries.len() < self.settings.room
    }

    const fn closes_at(&self) -> UnixMillis {
        self.head.due.after(self.settings.span.millis()).after(self.settings.grace)
    }

    fn answered(
        &mut self,
        ticket: Ticket,
        answer: Answer,
        now: UnixMillis,
        dice: u64,
        effects: &mut Vec<Effect>,
    ) {
        let is_awaited = self.flight.is_some_and(|flight| flight.ticket == ticket);
        if is_awaited {
            self.flight = None;
        }
        match answer.meaning() {
            // A receipt is true whenever it comes, and however often.
            Meaning::Delivered => {
                let Some(entry) = self.entries.remove(&ticket.seq) else { return };
                effects.push(Effect::Forget(entry.seq));
                if self.flight.is_some_and(|flight| flight.ticket.seq == entry.seq) {
                    self.flight = None;
                }
                self.head.last = Some(Delivery { key: entry.key(&self.settings.site), at: now });
                self.works(now, dice);
            }
            // What became of an attempt that was given up is no news.
            _ if !is_awaited => {}
            Meaning::Never(status) => {
                if let Some(entry) = self.entries.get_mut(&ticket.seq) {
                    entry.parked = Some(Parked { status, at: now });
                    effects.push(Effect::Note(entry.clone()));
                }
                self.works(now, dice);
            }
            Meaning::NotNow { trouble, retry_after } => self.fails(trouble, retry_after, now, dice),
        }
    }

    /// The backend answers for itself. It is not run over by what has gathered: after trouble the
    /// first documents go slowly.
    fn works(&mut self, now: UnixMillis, dice: u64) {
        let gap = self.settings.first_wait >> self.head.eased.min(63);
        self.head.failures = 0;
        self.head.trouble = None;
        self.head.eased = self.head.eased.saturating_add(1);
        let gap = gap.max(self.settings.pace);
        self.wait(gap / 2, gap / 2, false, now, dice);
    }

    fn fails(&mut self, trouble: Trouble, retry_after: Option<RetryAfter>, now: UnixMillis, dice: u64) {
        let doubled = self.settings.first_wait.saturating_mul(1 << self.head.failures.min(30));
        let backoff = match trouble {
            // A wrong key or address is put right by people, so there is no hurry.
            Trouble::Refusing(_) => self.settings.longest_wait,
            _ => doubled.min(self.settings.longest_wait),
        };
        let asked = retry_after.map(|after| after.span(now).min(self.settings.longest_asked));
        self.head.failures = self.head.failures.saturating_add(1);
        self.head.eased = 0;
        self.head.trouble = Some(trouble);
        // Never earlier than was asked, and never all sites at once.
        let half = backoff / 2;
        self.wait(asked.unwrap_or(0).max(half), half, asked.is_some(), now, dice);
    }

    /// So long for certain, and up to so much longer by chance.
    fn wait(&mut self, certain: u64, chance: u64, asked: bool, now: UnixMillis, dice: u64) {
        let until = now.after(certain.saturating_add(dice % chance.saturating_add(1)));
        self.head.wait = Some(Wait { since: now, until, asked });
    }

    fn retry(&mut self, which: Which, effects: &mut Vec<Effect>) {
        for entry in self.entries.values_mut() {
            let is_meant = matches!(which, Which::All) || which == Which::One(entry.seq);
            if is_meant && entry.parked.take().is_some() {
                effects.push(Effect::Note(entry.clone()));
            }
        }
        // Who asks has put something right. What the backend itself asked for stands.
        self.head.wait = self.head.wait.filter(|wait| wait.asked);
    }

    /// Sends what may be sent, and says when to look again.
    fn go_on(&mut self, now: UnixMillis, dice: u64, effects: &mut Vec<Effect>) {
        self.give_up(now, dice);
        let waits_until = self.waits_until(now);
        let next = match (self.flight, waits_until) {
            (None, None) => self.entries.values_mut().find(|entry| entry.parked.is_none()),
            _ => None,
        };
        let mut send = None;
        if let Some(entry) = next {
            entry.attempts = entry.attempts.saturating_add(1);
            let ticket = Ticket { seq: entry.seq, attempt: entry.attempts };
            effects.push(Effect::Note(entry.clone()));
            send = Some(Effect::Send { ticket, key: entry.key(&self.settings.site) });
            self.flight = Some(Flight { ticket, since: now });
        }
        effects.push(Effect::Remember(self.head.clone()));
        let has_waiting = self.entries.values().any(|entry| entry.parked.is_none());
        let wake = match (self.flight, waits_until) {
            (Some(flight), _) => Some(flight.since.after(self.settings.patience)),
            (None, Some(until)) if has_waiting => Some(until),
            _ => None,
        };
        // A window that the shell could not tell yet is asked for again, not at once.
        let closing = self.has_room().then(|| self.closes_at().max(now.after(self.settings.first_wait)));
        if let Some(at) = [wake, closing].into_iter().flatten().min() {
            effects.push(Effect::WakeAt(at));
        }
        effects.extend(send);
    }

    /// An attempt without an answer has failed. One that began in the future did so by another clock.
    fn give_up(&mut self, now: UnixMillis, dice: u64) {
        let Some(flight) = self.flight else { return };
        if now < flight.since {
            self.flight = Some(Flight { since: now, ..flight });
        } else if now >= flight.since.after(self.settings.patience) {
            self.flight = None;
            self.fails(Trouble::Unreachable, None, now, dice);
        }
    }

    /// A clock that ran back starts a wait anew, so that none lasts longer than it was meant to.
    fn waits_until(&mut self, now: UnixMillis) -> Option<UnixMillis> {
        let wait = self.head.wait?;
        if now >= wait.until {
            self.head.wait = None;
        } else if now < wait.since {
            let span = wait.until.0.saturating_sub(wait.since.0);
            self.head.wait = Some(Wait { since: now, until: now.after(span), ..wait });
        }
        self.head.wait.map(|wait| wait.until)
    }
}

impl Settings {
    /// The settings of a site that pushes windows of that length.
    #[must_use]
    pub const fn of(site: String, span: Span) -> Self {
        Self {
            site,
            span,
            grace: 30_000,
            room: 2000,
            first_wait: 1000,
            longest_wait: 15 * 60_000,
            longest_asked: 24 * 3_600_000,
            patience: 60_000,
            pace: 200,
            opens_after: 5,
        }
    }
}

impl Entry {
    /// The value of `Idempotency-Key`: the same for every attempt, and of no other document.
    #[must_use]
    pub fn key(&self, site: &str) -> String {
        let span = match self.window.span {
            Span::Minute => "minute",
            Span::Hour => "hour",
            Span::Day => "day",
        };
        format!("{site}.{span}.{}.{}", self.window.start.0, self.revision)
    }

    /// The row's text.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(&(VERSION, self)).unwrap_or_default()
    }

    /// A row as it was stored; none when no version of ours has written it.
    #[must_use]
    pub fn stored(text: &str) -> Option<Self> {
        let (version, entry): (u8, Self) = serde_json::from_str(text).ok()?;
        (version == VERSION).then_some(entry)
    }
}

impl Head {
    /// The row's text.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The row as it was stored; none when no version of ours has written it.
    #[must_use]
    pub fn stored(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|head: &Self| head.v == VERSION)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { room } => write!(
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

impl std::error::Error for Refusal {}

impl fmt::Display for Trouble {
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
