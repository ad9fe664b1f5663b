//! The outbox against a backend that does what backends do, a disk that keeps what was stored in one
//! block, crashes between any two steps, and clocks that jump. Whatever happens, what the backend has
//! is what was closed.

#![expect(clippy::expect_used, clippy::panic, reason = "a test may fail by panic")]

use std::collections::BTreeMap;

use ledger::outbox::{
    Attempt, AttemptOutcome, Circuit, DeliveryError, EnqueueError, Outbox, OutboxDocument, OutboxEffect,
    OutboxEntry, OutboxInput, OutboxSettings, OutboxState, RetryAfter, RetryTarget,
};
use ledger::{Window, WindowSpan};
use proptest::prelude::*;
use wire::UnixMillis;

const START: UnixMillis = UnixMillis(1_800_000_000_000);

/// What the backend does with one request.
#[derive(Clone, Debug)]
enum BackendBehavior {
    /// Stores it and says so.
    Accepts,
    /// Stores it, and the connection is reset before the answer.
    AcceptsThenResets,
    /// Stores it and says so twice.
    AcceptsTwice,
    /// Never answers.
    AcceptsThenHangs,
    /// Answers so without having stored it.
    RespondsWith(u16, Option<RetryAfter>),
    /// The connection is refused.
    RefusesConnection,
}

#[derive(Clone, Debug)]
enum ScenarioStep {
    /// The clock goes on, and a window may close.
    ClockForward(u64),
    /// The clock is set back.
    ClockBack(u64),
    /// The alarm goes off, however early.
    Wake,
    /// The request that is on its way reaches the backend.
    Deliver(BackendBehavior),
    /// The process is killed, and starts again from its disk.
    Crash,
    /// What comes next is killed before anything is stored.
    CrashBeforeStoring,
    /// What comes next is killed when all is stored and nothing is sent.
    CrashBeforeSending,
    /// A late beacon corrects a window.
    Correct(u8),
    /// Somebody asks for what was put aside.
    Retry,
}

/// The shell, its disk, and the other side.
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
        let dice = self.next_random();
        let effects = self.outbox.handle(input, self.now, dice);
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
                    self.disk.entries.get_mut(&entry.seq).expect("a noted entry is kept").0 =
                        entry.to_json().unwrap();
                }
                OutboxEffect::Remove(seq) => drop(self.disk.entries.remove(&seq)),
                OutboxEffect::StoreState(head) => self.disk.state = Some(head.to_json().unwrap()),
                OutboxEffect::Send { attempt: ticket, idempotency_key: key } => sends.push((ticket, key)),
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
            Some(head) => Outbox::restore(
                settings(),
                OutboxState::from_json(head).expect("the head was stored by this version"),
                self.disk
                    .entries
                    .values()
                    .map(|(text, _)| OutboxEntry::from_json(text).expect("so was the entry")),
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
        let dice = self.next_random();
        if let Ok(effects) = self.outbox.enqueue(document, self.now, dice) {
            self.perform(effects);
        }
    }

    fn deliver(&mut self, behavior: &BackendBehavior) {
        let Some((ticket, key)) = self.in_flight.take() else { return };
        let body = self.disk.entries.get(&ticket.seq).map(|(_, body)| body.clone());
        let store = |world: &mut Self| {
            let body = body.clone().expect("what is sent is kept until it is receipted");
            // By its key the backend knows what it has: a second telling changes nothing.
            if !world.received.contains_key(&key) {
                world.received.insert(key.clone(), body);
                world.received_keys.push(key.clone());
            }
        };
        let ok = AttemptOutcome::Response { status: 204, retry_after: None };
        match behavior {
            BackendBehavior::Accepts => {
                store(self);
                self.handle(OutboxInput::AttemptEnded { attempt: ticket, outcome: ok });
            }
            BackendBehavior::AcceptsThenResets => {
                store(self);
                self.handle(OutboxInput::AttemptEnded {
                    attempt: ticket,
                    outcome: AttemptOutcome::NoResponse,
                });
            }
            BackendBehavior::AcceptsTwice => {
                store(self);
                self.handle(OutboxInput::AttemptEnded { attempt: ticket, outcome: ok });
                self.handle(OutboxInput::AttemptEnded { attempt: ticket, outcome: ok });
            }
            BackendBehavior::AcceptsThenHangs => {
                store(self);
            }
            BackendBehavior::RespondsWith(status, retry_after) => {
                let answer = AttemptOutcome::Response { status: *status, retry_after: *retry_after };
                self.handle(OutboxInput::AttemptEnded { attempt: ticket, outcome: answer });
            }
            BackendBehavior::RefusesConnection => self
                .handle(OutboxInput::AttemptEnded { attempt: ticket, outcome: AttemptOutcome::NoResponse }),
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
            ScenarioStep::Deliver(mood) => self.deliver(mood),
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

    /// The backend is well again, somebody asks for what was put aside, and alarms go off when they
    /// were asked for. Says how many steps it took.
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
                let at = self.wake_at.take().expect("what waits has an alarm");
                // A process that starts again sets its alarm first; the old one goes off all the same.
                self.now = self.now.max(at);
                self.close_windows();
                self.handle(OutboxInput::Woken);
            }
        }
        panic!("what waits is delivered in the end: {:?}", self.outbox.status());
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
            .prop_filter("2xx is a receipt", |(status, _)| !(200..300).contains(status))
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
    fn the_backend_has_what_was_closed(steps in proptest::collection::vec(steps(), 0..80)) {
        let mut world = Simulation::new();
        for step in &steps {
            world.step(step);
        }
        world.recover();
        prop_assert_eq!(&world.received, &world.enqueued);
        prop_assert!(world.disk.entries.is_empty(), "a receipted document is kept no longer");
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
    fn what_is_not_put_aside_arrives_in_the_order_of_windows(
        steps in proptest::collection::vec(steps(), 0..80),
    ) {
        let speaks_of_bytes = |step: &ScenarioStep| matches!(step, ScenarioStep::Deliver(BackendBehavior::RespondsWith(400 | 413 | 415 | 422, _)));
        let mut world = Simulation::new();
        for step in steps.iter().filter(|step| !speaks_of_bytes(step) && !matches!(step, ScenarioStep::Correct(_))) {
            world.step(step);
        }
        world.recover();
        let starts: Vec<u64> =
            world.received_keys.iter().map(|key| key.split('.').nth(2).unwrap().parse().unwrap()).collect();
        prop_assert!(starts.windows(2).all(|pair| pair[0] + 60_000 == pair[1]), "{starts:?}");
    }
}

#[test]
fn a_day_of_outage_is_delivered_within_minutes_one_document_at_a_time() {
    let mut world = Simulation::new();
    let day = OutboxSettings { capacity: 2000, ..settings() };
    world.outbox = Outbox::new(day, START);
    let mut attempts = 0;
    for _ in 0..24 * 60 {
        world.step(&ScenarioStep::ClockForward(60_000));
        if world.in_flight.is_some() {
            attempts += 1;
            world.deliver(&BackendBehavior::RefusesConnection);
        }
        if world.wake_at.is_some_and(|at| at <= world.now) {
            world.handle(OutboxInput::Woken);
        }
    }
    assert!(
        (90..=220).contains(&attempts),
        "a dead backend is asked every 7 to 15 minutes, not {attempts} times"
    );
    assert!(matches!(world.outbox.status().circuit, Circuit::Open { .. } | Circuit::Probing));
    let waiting = world.outbox.status().waiting;
    assert!(waiting >= 24 * 60 - 1, "{waiting}");

    world.sent_at.clear();
    let began = world.now;
    world.recover();
    assert_eq!(world.received, world.enqueued);
    let gaps: Vec<u64> = world.sent_at.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(gaps.iter().all(|gap| *gap >= 100), "never more than ten a second");
    assert!(gaps[..3].iter().zip([500, 250, 125]).all(|(gap, least)| *gap >= least), "slowly at first");
    let took = world.now.0 - began.0;
    assert!(took < 25 * 60_000, "{took} ms, the last wait included");
}

#[test]
fn a_full_outbox_closes_no_windows() {
    let mut world = Simulation::new();
    world.step(&ScenarioStep::ClockForward(60 * 60_000));
    assert_eq!(world.outbox.status().waiting, 40);
    assert_eq!(world.outbox.next_due(world.now), None);
    let refused = world.outbox.enqueue(
        OutboxDocument { window: minute_window(40), revision: 0, body: vec![] },
        world.now,
        0,
    );
    assert_eq!(refused, Err(EnqueueError::Full { capacity: 40 }));
    world.recover();
    world.close_windows();
    world.recover();
    // The windows of an hour but for its last minute, which has its grace.
    assert_eq!(world.received.len(), 59);
    assert_eq!(world.received, world.enqueued);
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
    let mut world = Simulation::new();
    world.step(&ScenarioStep::ClockForward(4 * 60_000));
    world.deliver(&BackendBehavior::RespondsWith(422, None));
    let parked = world.outbox.status().dead_letters;
    assert_eq!(
        parked.iter().map(|entry| (entry.seq, entry.dead_letter.unwrap().status)).collect::<Vec<_>>(),
        [(0, 422)]
    );
    world.step(&ScenarioStep::Crash);
    assert_eq!(world.outbox.status().dead_letters, parked, "it stays aside over a restart");
    world.handle(OutboxInput::Woken);
    for _ in 0..8 {
        world.deliver(&BackendBehavior::Accepts);
        world.now = world.now.saturating_add(1000);
        world.handle(OutboxInput::Woken);
    }
    assert_eq!(
        world.received_keys,
        [1, 2].map(|index| format!("shop.minute.{}.0", minute_window(index).start.0))
    );
    world.handle(OutboxInput::Retry(RetryTarget::One(99)));
    assert_eq!(world.outbox.status().dead_letters.len(), 1, "only the one that is meant");
    world.handle(OutboxInput::Retry(RetryTarget::One(0)));
    world.recover();
    assert_eq!(world.received, world.enqueued);
}

#[test]
fn a_wrong_key_blocks_the_queue_without_dead_letters() {
    let mut world = Simulation::new();
    world.step(&ScenarioStep::ClockForward(4 * 60_000));
    world.deliver(&BackendBehavior::RespondsWith(401, None));
    let status = world.outbox.status();
    assert_eq!((status.waiting, status.dead_letters.len()), (3, 0));
    assert_eq!(status.error, Some(DeliveryError::Refusing(401)));
    // The key is put right, and somebody says so.
    world.recover();
    assert_eq!(world.received, world.enqueued);
    assert_eq!(world.outbox.status().error, None);
}

#[test]
fn retry_after_is_respected() {
    let mut world = Simulation::new();
    world.step(&ScenarioStep::ClockForward(3 * 60_000));
    world.deliver(&BackendBehavior::RespondsWith(429, Some(RetryAfter::Delay(120_000))));
    let asked = world.now;
    world.handle(OutboxInput::Retry(RetryTarget::All));
    assert_eq!(world.in_flight, None, "a call does not overrule it");
    world.now = asked.saturating_add(119_999);
    world.handle(OutboxInput::Woken);
    assert_eq!(world.in_flight, None);
    world.now = asked.saturating_add(121_000);
    world.handle(OutboxInput::Woken);
    assert!(world.in_flight.is_some());
    // A year is more than a backend may ask for.
    world.deliver(&BackendBehavior::RespondsWith(503, Some(RetryAfter::Delay(u64::MAX))));
    world.now = world.now.saturating_add(24 * 3_600_000 + 1000);
    world.handle(OutboxInput::Woken);
    assert!(world.in_flight.is_some());
}

#[test]
fn a_hanging_attempt_times_out_and_its_late_receipt_counts() {
    let mut world = Simulation::new();
    world.step(&ScenarioStep::ClockForward(4 * 60_000));
    let (first, _) = world.in_flight.clone().unwrap();
    world.deliver(&BackendBehavior::AcceptsThenHangs);
    world.now = world.now.saturating_add(60_000);
    world.handle(OutboxInput::Woken);
    world.now = world.now.saturating_add(5_000);
    world.handle(OutboxInput::Woken);
    let (second, _) = world.in_flight.clone().unwrap();
    assert_eq!((first.seq, first.number, second.seq, second.number), (0, 1, 0, 2));
    // What became of the first attempt otherwise is no news …
    let late = AttemptOutcome::Response { status: 500, retry_after: None };
    let before = world.outbox.status();
    world.handle(OutboxInput::AttemptEnded { attempt: first, outcome: late });
    assert_eq!(world.outbox.status(), before);
    // … but a receipt is a receipt.
    let receipt = AttemptOutcome::Response { status: 200, retry_after: None };
    world.handle(OutboxInput::AttemptEnded { attempt: first, outcome: receipt });
    assert!(!world.disk.entries.contains_key(&0));
    // And the next document need not wait for the second attempt to be given up.
    world.now = world.now.saturating_add(1000);
    world.handle(OutboxInput::Woken);
    assert_eq!(world.in_flight.as_ref().map(|(ticket, _)| ticket.seq), Some(1));
}

#[test]
fn a_clock_set_back_prolongs_no_backoff() {
    let mut world = Simulation::new();
    world.step(&ScenarioStep::ClockForward(2 * 60_000));
    world.deliver(&BackendBehavior::RefusesConnection);
    let failed = world.outbox.status();
    assert_eq!(failed.error, Some(DeliveryError::Unreachable));
    world.step(&ScenarioStep::ClockBack(30 * 24 * 3_600_000));
    world.handle(OutboxInput::Woken);
    assert_eq!(world.in_flight, None, "the wait begins anew");
    world.now = world.now.saturating_add(1000);
    world.handle(OutboxInput::Woken);
    assert!(world.in_flight.is_some(), "and is as long as it was");
    // Nor is an attempt awaited longer.
    world.step(&ScenarioStep::ClockBack(24 * 3_600_000));
    world.handle(OutboxInput::Woken);
    world.deliver(&BackendBehavior::AcceptsThenHangs);
    world.now = world.now.saturating_add(60_000);
    world.handle(OutboxInput::Woken);
    world.now = world.now.saturating_add(2000);
    world.handle(OutboxInput::Woken);
    assert!(world.in_flight.is_some());
}

#[test]
fn a_correction_is_sent_as_its_own_document() {
    let mut world = Simulation::new();
    world.step(&ScenarioStep::ClockForward(2 * 60_000));
    world.enqueue(OutboxDocument { window: minute_window(0), revision: 1, body: b"corrected".to_vec() });
    world.recover();
    let [first, corrected] =
        [0, 1].map(|revision| format!("shop.minute.{}.{revision}", minute_window(0).start.0));
    assert_eq!(world.received_keys, [first, corrected.clone()]);
    assert_eq!(world.received[&corrected], b"corrected");
}

/// Rows outlive deployments: what version 1 stored is read for ever.
#[test]
fn stored_rows_are_pinned() {
    let mut world = Simulation::new();
    world.step(&ScenarioStep::ClockForward(2 * 60_000));
    world.deliver(&BackendBehavior::RespondsWith(503, Some(RetryAfter::Delay(9000))));
    let head = world.disk.state.clone().unwrap();
    assert_eq!(
        head,
        r#"{"v":1,"next":1,"due":1800000060000,"failures":1,"eased":0,"wait":{"since":1800000120000,"until":1800000129139,"asked":true},"trouble":{"Failing":503},"last":null}"#
    );
    assert_eq!(
        world.disk.entries[&0].0,
        r#"[1,{"seq":0,"window":{"span":"Minute","start":1800000000000},"revision":0,"attempts":1,"parked":null}]"#
    );
    assert_eq!(OutboxState::from_json(&head).unwrap().to_json().unwrap(), head);
    assert_eq!(OutboxState::from_json(&head.replace("\"v\":1", "\"v\":9")), None);
    assert_eq!(OutboxEntry::from_json("[9,{}]"), None);
}
