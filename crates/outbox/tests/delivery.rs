//! The outbox against a scripted backend, with crashes between any two steps and clocks that jump. In the end the
//! backend has received exactly the closed windows.

#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test may fail by panic")]

use std::collections::BTreeMap;

use outbox::{
    Attempt, AttemptOutcome, Circuit, DeliveryError, EnqueueError, Outbox, OutboxDocument, OutboxEffect,
    OutboxEntry, OutboxInput, OutboxSettings, OutboxState, RetryAfter, RetryTarget,
};
use proptest::prelude::*;
use wire::UnixMillis;
use wire::{Window, WindowSpan};

const START: UnixMillis = UnixMillis(1_800_000_000_000);

/// The behaviour of the backend for one request.
#[derive(Clone, Debug)]
enum BackendBehavior {
    /// Stores the document and acknowledges it.
    Accepts,
    /// Stores the document, but the connection is reset before the response.
    AcceptsThenResets,
    /// Stores the document and acknowledges it twice.
    AcceptsTwice,
    /// Stores the document and never responds.
    AcceptsThenHangs,
    /// Responds without storing the document.
    RespondsWith(u16, Option<RetryAfter>),
    /// Refuses the connection.
    RefusesConnection,
}

#[derive(Clone, Debug)]
enum ScenarioStep {
    /// Advances the clock and closes windows.
    ClockForward(u64),
    /// Sets the clock back.
    ClockBack(u64),
    /// Fires the alarm, possibly early.
    Wake,
    /// Delivers the request in flight to the backend.
    Deliver(BackendBehavior),
    /// Kills the process and restores it from disk.
    Crash,
    /// Kills the process at the next step before it stores anything.
    CrashBeforeStoring,
    /// Kills the process at the next step after it has stored everything and before it sends.
    CrashBeforeSending,
    /// Corrects a window.
    Correct(u8),
    /// Retries dead letters.
    Retry,
}

/// The shell, its disk and the backend.
struct Simulation {
    now: UnixMillis,
    random: u64,
    outbox: Outbox,
    disk: Disk,
    crash: Option<CrashPoint>,
    in_flight: Option<(Attempt, String)>,
    wake_at: Option<UnixMillis>,
    sent_at: Vec<UnixMillis>,
    received_keys: Vec<String>,
    received: BTreeMap<String, Vec<u8>>,
    enqueued: BTreeMap<String, Vec<u8>>,
    revisions: u32,
}

#[derive(Default)]
struct Disk {
    state: Option<String>,
    entries: BTreeMap<u64, (String, Vec<u8>)>,
}

#[derive(Clone, Copy, PartialEq)]
enum CrashPoint {
    BeforeStoring,
    BeforeSending,
}

impl Simulation {
    fn new() -> Self {
        Self {
            now: START,
            random: 7,
            outbox: Outbox::new(settings(), START),
            disk: Disk::default(),
            crash: None,
            in_flight: None,
            wake_at: None,
            sent_at: Vec::new(),
            received_keys: Vec::new(),
            received: BTreeMap::new(),
            enqueued: BTreeMap::new(),
            revisions: 0,
        }
    }

    fn next_random(&mut self) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.random >> 16
    }

    fn handle(&mut self, input: OutboxInput) {
        let random = self.next_random();
        let effects = self.outbox.handle(input, self.now, random);
        self.perform(effects);
    }

    fn perform(&mut self, effects: Vec<OutboxEffect>) {
        if self.crash == Some(CrashPoint::BeforeStoring) {
            return self.restart();
        }
        let mut sends = Vec::new();
        for effect in effects {
            match effect {
                OutboxEffect::Insert(entry, body) => {
                    self.enqueued.insert(entry.idempotency_key("shop"), body.clone());
                    self.disk.entries.insert(entry.seq, (entry.to_json().unwrap(), body));
                }
                OutboxEffect::Update(entry) => {
                    self.disk.entries.get_mut(&entry.seq).expect("an updated entry was inserted before").0 =
                        entry.to_json().unwrap();
                }
                OutboxEffect::Remove(seq) => drop(self.disk.entries.remove(&seq)),
                OutboxEffect::StoreState(state) => self.disk.state = Some(state.to_json().unwrap()),
                OutboxEffect::Send { attempt, idempotency_key } => sends.push((attempt, idempotency_key)),
                OutboxEffect::WakeAt(at) => self.wake_at = Some(at),
            }
        }
        if self.crash == Some(CrashPoint::BeforeSending) {
            return self.restart();
        }
        for send in sends {
            self.sent_at.push(self.now);
            self.in_flight = Some(send);
        }
    }

    fn restart(&mut self) {
        self.crash = None;
        self.in_flight = None;
        self.outbox = match &self.disk.state {
            None => Outbox::new(settings(), START),
            Some(state) => Outbox::restore(
                settings(),
                OutboxState::from_json(state).expect("the state was stored by this version"),
                self.disk.entries.values().map(|(text, _)| {
                    OutboxEntry::from_json(text).expect("the entry was stored by this version")
                }),
            ),
        };
    }

    fn close_windows(&mut self) {
        while let Some(window) = self.outbox.next_due(self.now) {
            let body = format!("window {} as it stood at {}", window.start.0, self.now.0).into_bytes();
            self.enqueue(OutboxDocument { window, revision: 0, body });
        }
    }

    fn enqueue(&mut self, document: OutboxDocument) {
        let random = self.next_random();
        if let Ok(effects) = self.outbox.enqueue(document, self.now, random) {
            self.perform(effects);
        }
    }

    fn deliver(&mut self, behavior: &BackendBehavior) {
        let Some((attempt, key)) = self.in_flight.take() else { return };
        let body = self.disk.entries.get(&attempt.seq).map(|(_, body)| body.clone());
        let store = |simulation: &mut Self| {
            let body = body.clone().expect("a document is stored until it is acknowledged");
            // The backend detects duplicates by the idempotency key.
            if !simulation.received.contains_key(&key) {
                simulation.received.insert(key.clone(), body);
                simulation.received_keys.push(key.clone());
            }
        };
        let ok = AttemptOutcome::Response { status: 204, retry_after: None };
        match behavior {
            BackendBehavior::Accepts => {
                store(self);
                self.handle(OutboxInput::AttemptEnded { attempt, outcome: ok });
            }
            BackendBehavior::AcceptsThenResets => {
                store(self);
                self.handle(OutboxInput::AttemptEnded { attempt, outcome: AttemptOutcome::NoResponse });
            }
            BackendBehavior::AcceptsTwice => {
                store(self);
                self.handle(OutboxInput::AttemptEnded { attempt, outcome: ok });
                self.handle(OutboxInput::AttemptEnded { attempt, outcome: ok });
            }
            BackendBehavior::AcceptsThenHangs => {
                store(self);
            }
            BackendBehavior::RespondsWith(status, retry_after) => {
                let outcome = AttemptOutcome::Response { status: *status, retry_after: *retry_after };
                self.handle(OutboxInput::AttemptEnded { attempt, outcome });
            }
            BackendBehavior::RefusesConnection => {
                self.handle(OutboxInput::AttemptEnded { attempt, outcome: AttemptOutcome::NoResponse })
            }
        }
    }

    fn step(&mut self, step: &ScenarioStep) {
        match step {
            ScenarioStep::ClockForward(span) => {
                self.now = self.now.saturating_add(*span);
                self.close_windows();
            }
            ScenarioStep::ClockBack(span) => self.now = self.now.saturating_sub(*span),
            ScenarioStep::Wake => self.handle(OutboxInput::Woken),
            ScenarioStep::Deliver(behavior) => self.deliver(behavior),
            ScenarioStep::Crash => self.restart(),
            ScenarioStep::CrashBeforeStoring => self.crash = Some(CrashPoint::BeforeStoring),
            ScenarioStep::CrashBeforeSending => self.crash = Some(CrashPoint::BeforeSending),
            ScenarioStep::Correct(back) => {
                self.revisions += 1;
                let start = Window::containing(WindowSpan::Minute, START)
                    .start
                    .saturating_add(u64::from(*back) * 60_000);
                let body = format!("correction {}", self.revisions).into_bytes();
                let window = Window { span: WindowSpan::Minute, start };
                self.enqueue(OutboxDocument { window, revision: self.revisions, body });
            }
            ScenarioStep::Retry => self.handle(OutboxInput::Retry(RetryTarget::All)),
        }
    }

    /// Lets the backend accept everything, retries dead letters, and fires alarms on time. Returns the number of
    /// steps.
    fn recover(&mut self) -> usize {
        self.crash = None;
        self.step(&ScenarioStep::Retry);
        for steps in 0..10_000 {
            if self.outbox.status().waiting == 0 && self.in_flight.is_none() {
                return steps;
            }
            if self.in_flight.is_some() {
                self.deliver(&BackendBehavior::Accepts);
            } else {
                let at = self.wake_at.take().expect("an alarm is set while documents wait");
                // A restarted process sets its alarm first; the old one fires nevertheless.
                self.now = self.now.max(at);
                self.close_windows();
                self.handle(OutboxInput::Woken);
            }
        }
        panic!("not all documents were delivered: {:?}", self.outbox.status());
    }
}

fn settings() -> OutboxSettings {
    OutboxSettings { capacity: 40, ..OutboxSettings::new("shop".into(), WindowSpan::Minute) }
}

fn minute_window(index: u64) -> Window {
    let first = Window::containing(WindowSpan::Minute, START).start;
    Window { span: WindowSpan::Minute, start: first.saturating_add(index * 60_000) }
}

fn behaviors() -> impl Strategy<Value = BackendBehavior> {
    let after = prop_oneof![
        (0..100_000_u64).prop_map(RetryAfter::Delay),
        (0..200_000_u64).prop_map(|span| RetryAfter::At(START.saturating_add(span))),
        Just(RetryAfter::Delay(u64::MAX)),
    ];
    prop_oneof![
        4 => Just(BackendBehavior::Accepts),
        2 => Just(BackendBehavior::AcceptsThenResets),
        1 => Just(BackendBehavior::AcceptsTwice),
        1 => Just(BackendBehavior::AcceptsThenHangs),
        1 => Just(BackendBehavior::RefusesConnection),
        4 => (100..600_u16, proptest::option::of(after))
            .prop_filter("2xx is an acknowledgement", |(status, _)| !(200..300).contains(status))
            .prop_map(|(status, after)| BackendBehavior::RespondsWith(status, after)),
    ]
}

fn steps() -> impl Strategy<Value = ScenarioStep> {
    prop_oneof![
        6 => (0..400_000_u64).prop_map(ScenarioStep::ClockForward),
        1 => (0..10_000_000_u64).prop_map(ScenarioStep::ClockBack),
        4 => Just(ScenarioStep::Wake),
        8 => behaviors().prop_map(ScenarioStep::Deliver),
        1 => Just(ScenarioStep::Crash),
        1 => Just(ScenarioStep::CrashBeforeStoring),
        1 => Just(ScenarioStep::CrashBeforeSending),
        1 => (0..12_u8).prop_map(ScenarioStep::Correct),
        1 => Just(ScenarioStep::Retry),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn the_backend_receives_every_enqueued_document(steps in proptest::collection::vec(steps(), 0..80)) {
        let mut simulation = Simulation::new();
        for step in &steps {
            simulation.step(step);
        }
        simulation.recover();
        prop_assert_eq!(&simulation.received, &simulation.enqueued);
        prop_assert!(simulation.disk.entries.is_empty(), "acknowledged documents are removed");
    }

    #[test]
    fn the_same_inputs_have_the_same_effects(steps in proptest::collection::vec(steps(), 0..40)) {
        let (mut one, mut two) = (Simulation::new(), Simulation::new());
        for step in &steps {
            one.step(step);
            two.step(step);
            prop_assert_eq!(&one.outbox, &two.outbox);
        }
    }

    #[test]
    fn documents_that_are_not_rejected_arrive_in_window_order(
        steps in proptest::collection::vec(steps(), 0..80),
    ) {
        let rejects_body = |step: &ScenarioStep| matches!(step, ScenarioStep::Deliver(BackendBehavior::RespondsWith(400 | 413 | 415 | 422, _)));
        let mut simulation = Simulation::new();
        for step in steps.iter().filter(|step| !rejects_body(step) && !matches!(step, ScenarioStep::Correct(_))) {
            simulation.step(step);
        }
        simulation.recover();
        let starts: Vec<u64> =
            simulation.received_keys.iter().map(|key| key.split('.').nth(2).unwrap().parse().unwrap()).collect();
        prop_assert!(starts.windows(2).all(|pair| pair[0] + 60_000 == pair[1]), "{starts:?}");
    }
}

#[test]
fn a_day_of_outage_is_delivered_within_minutes_one_document_at_a_time() {
    let mut simulation = Simulation::new();
    let day = OutboxSettings { capacity: 2000, ..settings() };
    simulation.outbox = Outbox::new(day, START);
    let mut attempts = 0;
    for _ in 0..24 * 60 {
        simulation.step(&ScenarioStep::ClockForward(60_000));
        if simulation.in_flight.is_some() {
            attempts += 1;
            simulation.deliver(&BackendBehavior::RefusesConnection);
        }
        if simulation.wake_at.is_some_and(|at| at <= simulation.now) {
            simulation.handle(OutboxInput::Woken);
        }
    }
    assert!(
        (90..=220).contains(&attempts),
        "a dead backend must be tried every 7 to 15 minutes, not {attempts} times a day"
    );
    assert!(matches!(simulation.outbox.status().circuit, Circuit::Open { .. } | Circuit::Probing));
    let waiting = simulation.outbox.status().waiting;
    assert!(waiting >= 24 * 60 - 1, "{waiting}");

    simulation.sent_at.clear();
    let began = simulation.now;
    simulation.recover();
    assert_eq!(simulation.received, simulation.enqueued);
    let gaps: Vec<u64> = simulation.sent_at.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(gaps.iter().all(|gap| *gap >= 100), "at most ten a second");
    assert!(
        gaps[..3].iter().zip([500, 250, 125]).all(|(gap, least)| *gap >= least),
        "the first documents are sent slowly"
    );
    let took = simulation.now.0 - began.0;
    assert!(took < 25 * 60_000, "recovery took {took} ms including the last backoff");
}

#[test]
fn a_full_outbox_closes_no_windows() {
    let mut simulation = Simulation::new();
    simulation.step(&ScenarioStep::ClockForward(60 * 60_000));
    assert_eq!(simulation.outbox.status().waiting, 40);
    assert_eq!(simulation.outbox.next_due(simulation.now), None);
    let refused = simulation.outbox.enqueue(
        OutboxDocument { window: minute_window(40), revision: 0, body: vec![] },
        simulation.now,
        0,
    );
    assert_eq!(refused, Err(EnqueueError::Full { capacity: 40 }));
    simulation.recover();
    simulation.close_windows();
    simulation.recover();
    // All minutes of an hour but the last one, which is within its grace period.
    assert_eq!(simulation.received.len(), 59);
    assert_eq!(simulation.received, simulation.enqueued);
}

#[test]
fn a_window_out_of_order_is_refused() {
    let mut outbox = Outbox::new(settings(), START);
    let offer = |window: Window, revision| OutboxDocument { window, revision, body: vec![] };
    let out =
        |window: Window| Err(EnqueueError::OutOfOrder { offered: window.start, due: minute_window(0).start });
    assert_eq!(outbox.enqueue(offer(minute_window(1), 0), START, 0), out(minute_window(1)));
    assert_eq!(outbox.enqueue(offer(minute_window(0), 1), START, 0), out(minute_window(0)));
    let hour = Window { span: WindowSpan::Hour, ..minute_window(0) };
    assert_eq!(outbox.enqueue(offer(hour, 0), START, 0), out(hour));
    assert!(outbox.enqueue(offer(minute_window(0), 0), START, 0).is_ok());
    let twice = outbox.enqueue(offer(minute_window(0), 0), START, 0);
    assert!(matches!(twice, Err(EnqueueError::OutOfOrder { .. })));
}

#[test]
fn a_rejected_document_becomes_a_dead_letter_and_can_be_retried() {
    let mut simulation = Simulation::new();
    simulation.step(&ScenarioStep::ClockForward(4 * 60_000));
    simulation.deliver(&BackendBehavior::RespondsWith(422, None));
    let dead_letters = simulation.outbox.status().dead_letters;
    assert_eq!(
        dead_letters.iter().map(|entry| (entry.seq, entry.dead_letter.unwrap().status)).collect::<Vec<_>>(),
        [(0, 422)]
    );
    simulation.step(&ScenarioStep::Crash);
    assert_eq!(simulation.outbox.status().dead_letters, dead_letters, "dead letters survive a restart");
    simulation.handle(OutboxInput::Woken);
    for _ in 0..8 {
        simulation.deliver(&BackendBehavior::Accepts);
        simulation.now = simulation.now.saturating_add(1000);
        simulation.handle(OutboxInput::Woken);
    }
    assert_eq!(
        simulation.received_keys,
        [1, 2].map(|index| format!("shop.minute.{}.0", minute_window(index).start.0))
    );
    simulation.handle(OutboxInput::Retry(RetryTarget::One(99)));
    assert_eq!(simulation.outbox.status().dead_letters.len(), 1, "only the given one is retried");
    simulation.handle(OutboxInput::Retry(RetryTarget::One(0)));
    simulation.recover();
    assert_eq!(simulation.received, simulation.enqueued);
}

#[test]
fn a_wrong_key_blocks_the_queue_without_dead_letters() {
    let mut simulation = Simulation::new();
    simulation.step(&ScenarioStep::ClockForward(4 * 60_000));
    simulation.deliver(&BackendBehavior::RespondsWith(401, None));
    let status = simulation.outbox.status();
    assert_eq!((status.waiting, status.dead_letters.len()), (3, 0));
    assert_eq!(status.error, Some(DeliveryError::Refusing(401)));
    // The key is corrected, and a retry is requested.
    simulation.recover();
    assert_eq!(simulation.received, simulation.enqueued);
    assert_eq!(simulation.outbox.status().error, None);
}

#[test]
fn retry_after_is_respected() {
    let mut simulation = Simulation::new();
    simulation.step(&ScenarioStep::ClockForward(3 * 60_000));
    simulation.deliver(&BackendBehavior::RespondsWith(429, Some(RetryAfter::Delay(120_000))));
    let rejected_at = simulation.now;
    simulation.handle(OutboxInput::Retry(RetryTarget::All));
    assert_eq!(simulation.in_flight, None, "a manual retry does not override Retry-After");
    simulation.now = rejected_at.saturating_add(119_999);
    simulation.handle(OutboxInput::Woken);
    assert_eq!(simulation.in_flight, None);
    simulation.now = rejected_at.saturating_add(121_000);
    simulation.handle(OutboxInput::Woken);
    assert!(simulation.in_flight.is_some());
    // Retry-After is limited to a day.
    simulation.deliver(&BackendBehavior::RespondsWith(503, Some(RetryAfter::Delay(u64::MAX))));
    simulation.now = simulation.now.saturating_add(24 * 3_600_000 + 1000);
    simulation.handle(OutboxInput::Woken);
    assert!(simulation.in_flight.is_some());
}

#[test]
fn a_hanging_attempt_times_out_and_its_late_acknowledgement_counts() {
    let mut simulation = Simulation::new();
    simulation.step(&ScenarioStep::ClockForward(4 * 60_000));
    let (first, _) = simulation.in_flight.clone().unwrap();
    simulation.deliver(&BackendBehavior::AcceptsThenHangs);
    simulation.now = simulation.now.saturating_add(60_000);
    simulation.handle(OutboxInput::Woken);
    simulation.now = simulation.now.saturating_add(5_000);
    simulation.handle(OutboxInput::Woken);
    let (second, _) = simulation.in_flight.clone().unwrap();
    assert_eq!((first.seq, first.number, second.seq, second.number), (0, 1, 0, 2));
    // Another outcome of the first attempt is ignored …
    let late = AttemptOutcome::Response { status: 500, retry_after: None };
    let before = simulation.outbox.status();
    simulation.handle(OutboxInput::AttemptEnded { attempt: first, outcome: late });
    assert_eq!(simulation.outbox.status(), before);
    // … but an acknowledgement counts.
    let acknowledgement = AttemptOutcome::Response { status: 200, retry_after: None };
    simulation.handle(OutboxInput::AttemptEnded { attempt: first, outcome: acknowledgement });
    assert!(!simulation.disk.entries.contains_key(&0));
    // The next document does not wait for the timeout of the second attempt.
    simulation.now = simulation.now.saturating_add(1000);
    simulation.handle(OutboxInput::Woken);
    assert_eq!(simulation.in_flight.as_ref().map(|(attempt, _)| attempt.seq), Some(1));
}

#[test]
fn a_clock_set_back_prolongs_no_backoff() {
    let mut simulation = Simulation::new();
    simulation.step(&ScenarioStep::ClockForward(2 * 60_000));
    simulation.deliver(&BackendBehavior::RefusesConnection);
    let failed = simulation.outbox.status();
    assert_eq!(failed.error, Some(DeliveryError::Unreachable));
    simulation.step(&ScenarioStep::ClockBack(30 * 24 * 3_600_000));
    simulation.handle(OutboxInput::Woken);
    assert_eq!(simulation.in_flight, None, "the backoff starts anew");
    simulation.now = simulation.now.saturating_add(1000);
    simulation.handle(OutboxInput::Woken);
    assert!(simulation.in_flight.is_some(), "the backoff is as long as before");
    // The timeout of an attempt is not prolonged either.
    simulation.step(&ScenarioStep::ClockBack(24 * 3_600_000));
    simulation.handle(OutboxInput::Woken);
    simulation.deliver(&BackendBehavior::AcceptsThenHangs);
    simulation.now = simulation.now.saturating_add(60_000);
    simulation.handle(OutboxInput::Woken);
    simulation.now = simulation.now.saturating_add(2000);
    simulation.handle(OutboxInput::Woken);
    assert!(simulation.in_flight.is_some());
}

#[test]
fn a_correction_is_sent_as_its_own_document() {
    let mut simulation = Simulation::new();
    simulation.step(&ScenarioStep::ClockForward(2 * 60_000));
    simulation.enqueue(OutboxDocument { window: minute_window(0), revision: 1, body: b"corrected".to_vec() });
    simulation.recover();
    let [first, corrected] =
        [0, 1].map(|revision| format!("shop.minute.{}.{revision}", minute_window(0).start.0));
    assert_eq!(simulation.received_keys, [first, corrected.clone()]);
    assert_eq!(simulation.received[&corrected], b"corrected");
}

/// Rows outlive deployments, so rows of version 1 stay readable.
#[test]
fn version_1_rows_stay_readable() {
    let mut simulation = Simulation::new();
    simulation.step(&ScenarioStep::ClockForward(2 * 60_000));
    simulation.deliver(&BackendBehavior::RespondsWith(503, Some(RetryAfter::Delay(9000))));
    let state = simulation.disk.state.clone().unwrap();
    assert_eq!(
        state,
        r#"{"v":1,"next":1,"due":1800000060000,"failures":1,"eased":0,"wait":{"since":1800000120000,"until":1800000129139,"asked":true},"trouble":{"Failing":503},"last":null}"#
    );
    assert_eq!(
        simulation.disk.entries[&0].0,
        r#"[1,{"seq":0,"window":{"span":"Minute","start":1800000000000},"revision":0,"attempts":1,"parked":null}]"#
    );
    assert_eq!(OutboxState::from_json(&state).unwrap().to_json().unwrap(), state);
    assert_eq!(OutboxState::from_json(&state.replace("\"v\":1", "\"v\":9")), None);
    assert_eq!(OutboxEntry::from_json("[9,{}]"), None);
}
