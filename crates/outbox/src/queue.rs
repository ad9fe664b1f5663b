//! The state machine of the outbox: it closes windows in order, sends one document at a time, and schedules
//! retries.

use std::collections::BTreeMap;

use wire::{UnixMillis, Window, WindowSpan};

use crate::effect::{Attempt, EnqueueError, OutboxDocument, OutboxEffect, OutboxInput, RetryTarget};
use crate::response::{AttemptOutcome, Disposition, RetryAfter};
use crate::state::{Backoff, DeadLetter, DeliveryError, DeliveryReceipt, OutboxEntry, OutboxState};
use wire::sorting::CollectOrdered;

/// The queue of one site for one backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbox {
    settings: OutboxSettings,
    state: OutboxState,
    entries: BTreeMap<u64, OutboxEntry>,
    in_flight: Option<InFlight>,
}

/// The settings of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxSettings {
    /// The site, which is part of every idempotency key.
    pub site: String,
    /// The span of the windows that are pushed.
    pub span: WindowSpan,
    /// The time between the end of a window and its closing, for late beacons.
    pub grace_ms: u64,
    /// The maximum number of documents. A full outbox closes no windows; their cells keep the data.
    pub capacity: usize,
    /// The backoff after the first failure; it doubles with each further one.
    pub initial_backoff_ms: u64,
    /// The upper limit of the backoff.
    pub max_backoff_ms: u64,
    /// The upper limit of `Retry-After`.
    pub max_retry_after_ms: u64,
    /// The timeout of an attempt.
    pub attempt_timeout_ms: u64,
    /// The minimum interval between two documents.
    pub min_interval_ms: u64,
    /// The number of consecutive failures that opens the circuit.
    pub circuit_failure_threshold: u32,
}

/// The state of the circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Circuit {
    /// Documents are sent as they come.
    Closed,
    /// No document is sent before a time; then one document probes the backend.
    Open {
        /// The time of the probe.
        until: UnixMillis,
    },
    /// The probe is in flight.
    Probing,
}

/// The state of the queue, for health documents and alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxStatus {
    /// The number of documents to send.
    pub waiting: usize,
    /// The earliest of their windows.
    pub oldest: Option<Window>,
    /// Rejected documents.
    pub dead_letters: Vec<OutboxEntry>,
    /// The state of the circuit breaker.
    pub circuit: Circuit,
    /// The last error, until a document is delivered.
    pub error: Option<DeliveryError>,
    /// The last delivery.
    pub last_delivery: Option<DeliveryReceipt>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct InFlight {
    attempt: Attempt,
    since: UnixMillis,
}

impl Outbox {
    /// Creates an outbox for all windows from the one that contains `from`. Wake it at once so that its state is
    /// stored: an outbox that is created anew later would skip windows.
    #[must_use]
    pub const fn new(settings: OutboxSettings, from: UnixMillis) -> Self {
        let due = Window::containing(settings.span, from).start;
        Self { settings, state: OutboxState::new(due), entries: BTreeMap::new(), in_flight: None }
    }

    /// Restores an outbox from its rows. An attempt that was in flight is repeated.
    #[must_use]
    pub fn restore(
        settings: OutboxSettings,
        state: OutboxState,
        entries: impl IntoIterator<Item = OutboxEntry>,
    ) -> Self {
        let entries = entries.into_iter().map(|entry| (entry.seq, entry)).collect_map();
        Self { settings, state, entries, in_flight: None }
    }

    /// Returns the next window if it has closed and the outbox has capacity.
    #[must_use]
    pub fn next_due(&self, now: UnixMillis) -> Option<Window> {
        (self.has_capacity() && now >= self.next_close_at())
            .then_some(Window { span: self.settings.span, start: self.state.due })
    }

    /// Returns up to `max` closed windows in order, limited by the free capacity.
    #[must_use]
    pub fn due_windows(&self, now: UnixMillis, max: usize) -> Vec<Window> {
        let count = max.min(self.settings.capacity.saturating_sub(self.entries.len()));
        let length = self.settings.span.millis();
        let starts =
            (0..count as u64).map(|index| self.state.due.saturating_add(index.saturating_mul(length)));
        starts
            .take_while(|start| now >= start.saturating_add(length).saturating_add(self.settings.grace_ms))
            .map(|start| Window { span: self.settings.span, start })
            .collect()
    }

    /// Adds the document of the next closed window, or a correction of an earlier one.
    ///
    /// # Errors
    /// Returns an error for a window out of order, and for any window while the outbox is full.
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

    /// Handles an event. `random` is any random number; it spreads the attempts of many sites.
    #[must_use]
    pub fn handle(&mut self, input: OutboxInput, now: UnixMillis, random: u64) -> Vec<OutboxEffect> {
        let mut effects = Vec::new();
        match input {
            OutboxInput::Woken => {}
            OutboxInput::AttemptEnded { attempt, outcome } => {
                self.on_attempt_ended(attempt, outcome, now, random, &mut effects)
            }
            OutboxInput::Retry(target) => self.retry(target, &mut effects),
        }
        self.advance(now, random, &mut effects);
        effects
    }

    /// Returns the state of the queue.
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
            // An acknowledgement is valid at any time, and also when it is repeated.
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
            // Other outcomes of an attempt that timed out are ignored.
            _ if !is_awaited => {}
            Disposition::Rejected(status) => {
                if let Some(entry) = self.entries.get_mut(&attempt.seq) {
                    entry.dead_letter = Some(DeadLetter { status, at: now });
                    effects.push(OutboxEffect::Update(entry.clone()));
                }
                self.on_success(now, random);
            }
            Disposition::RetryLater { error, retry_after } => {
                self.on_failure(error, retry_after, now, random)
            }
        }
    }

    /// Resets the failures. After a failure the first documents are sent slowly, so that the backlog does not
    /// overload the backend.
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
            // A wrong key or URL needs manual correction, so there is no hurry.
            DeliveryError::Refusing(_) => self.settings.max_backoff_ms,
            _ => doubled.min(self.settings.max_backoff_ms),
        };
        let requested_ms = retry_after.map(|after| after.delay_ms(now).min(self.settings.max_retry_after_ms));
        self.state.failures = self.state.failures.saturating_add(1);
        self.state.delivered_since_failure = 0;
        self.state.error = Some(error);
        // Never earlier than requested, and with jitter, so that sites do not retry at the same time.
        let half = backoff / 2;
        self.back_off(requested_ms.unwrap_or(0).max(half), half, requested_ms.is_some(), now, random);
    }

    /// Schedules the next attempt after `fixed_ms` and a random part of `jitter_ms`.
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
        // A manual retry ends the backoff, but not the delay that the backend requested.
        self.state.backoff = self.state.backoff.filter(|wait| wait.is_requested);
    }

    /// Sends the next document if possible, and sets the alarm.
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
        // A window that the shell could not render yet is requested again after a delay.
        let closing = self
            .has_capacity()
            .then(|| self.next_close_at().max(now.saturating_add(self.settings.initial_backoff_ms)));
        if let Some(at) = [wake, closing].into_iter().flatten().min() {
            effects.push(OutboxEffect::WakeAt(at));
        }
        effects.extend(send);
    }

    /// Fails an attempt that has timed out. An attempt from the future started before the clock was set back.
    fn time_out_attempt(&mut self, now: UnixMillis, random: u64) {
        let Some(flight) = self.in_flight else { return };
        if now < flight.since {
            self.in_flight = Some(InFlight { since: now, ..flight });
        } else if now >= flight.since.saturating_add(self.settings.attempt_timeout_ms) {
            self.in_flight = None;
            self.on_failure(DeliveryError::Unreachable, None, now, random);
        }
    }

    /// Returns the end of the backoff. If the clock was set back, the backoff starts anew, so that it never lasts
    /// longer than intended.
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
    /// Returns the default settings.
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
