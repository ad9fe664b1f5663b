//! The outbox against a backend that does what backends do, a disk that keeps what was stored in one
//! block, crashes between any two steps, and clocks that jump. Whatever happens, what the backend has
//! is what was closed.

#![expect(clippy::expect_used, clippy::panic, reason = "a test may fail by panic")]

use std::collections::BTreeMap;

use ledger::outbox::{
    Answer, Circuit, Document, Effect, Entry, Head, Input, Outbox, Refusal, RetryAfter, Settings, Ticket,
    Trouble, Which,
};
use ledger::{Span, Window};
use proptest::prelude::*;
use wire::UnixMillis;

const START: UnixMillis = UnixMillis(1_800_000_000_000);

/// What the backend does with one request.
#[derive(Clone, Debug)]
enum Mood {
    /// Stores it and says so.
    Takes,
    /// Stores it, and the connection is reset before the answer.
    TakesAndResets,
    /// Stores it and says so twice.
    TakesTwice,
    /// Never answers.
    Hangs,
    /// Answers so without having stored it.
    Says(u16, Option<RetryAfter>),
    /// The connection is refused.
    Down,
}

#[derive(Clone, Debug)]
enum Step {
    /// The clock goes on, and a window may close.
    Later(u64),
    /// The clock is set back.
    Earlier(u64),
    /// The alarm goes off, however early.
    Wake,
    /// The request that is on its way reaches the backend.
    Arrive(Mood),
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
struct World {
    now: UnixMillis,
    dice: u64,
    outbox: Outbox,
    disk: Disk,
    crash: Option<Crash>,
    on_its_way: Option<(Ticket, String)>,
    wakes_at: Option<UnixMillis>,
    sent_at: Vec<UnixMillis>,
    arrived: Vec<String>,
    backend: BTreeMap<String, Vec<u8>>,
    closed: BTreeMap<String, Vec<u8>>,
    revisions: u32,
}

#[derive(Default)]
struct Disk {
    head: Option<String>,
    entries: BTreeMap<u64, (String, Vec<u8>)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Crash {
    BeforeStoring,
    BeforeSending,
}

impl World {
    fn new() -> Self {
        Self {
            now: START,
            dice: 7,
            outbox: Outbox::beginning(settings(), START),
            disk: Disk::default(),
            crash: None,
            on_its_way: None,
            wakes_at: None,
            sent_at: Vec::new(),
            arrived: Vec::new(),
            backend: BTreeMap::new(),
            closed: BTreeMap::new(),
            revisions: 0,
        }
    }

    fn roll(&mut self) -> u64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.dice >> 16
    }

    fn handle(&mut self, input: Input) {
        let dice = self.roll();
        let effects = self.outbox.handle(input, self.now, dice);
        self.perform(effects);
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        if self.crash == Some(Crash::BeforeStoring) {
            return self.restart();
        }
        let mut sends = Vec::new();
        for effect in effects {
            match effect {
                Effect::Keep(entry, body) => {
                    self.closed.insert(entry.key("shop"), body.clone());
                    self.disk.entries.insert(entry.seq, (entry.text(), body));
                }
                Effect::Note(entry) => {
                    self.disk.entries.get_mut(&entry.seq).expect("a noted entry is kept").0 = entry.text();
                }
                Effect::Forget(seq) => drop(self.disk.entries.remove(&seq)),
                Effect::Remember(head) => self.disk.head = Some(head.text()),
                Effect::Send { ticket, key } => sends.push((ticket, key)),
                Effect::WakeAt(at) => self.wakes_at = Some(at),
            }
        }
        if self.crash == Some(Crash::BeforeSending) {
            return self.restart();
        }
        for send in sends {
            self.sent_at.push(self.now);
            self.on_its_way = Some(send);
        }
    }

    fn restart(&mut self) {
        self.crash = None;
        self.on_its_way = None;
        self.outbox = match &self.disk.head {
            None => Outbox::beginning(settings(), START),
            Some(head) => Outbox::restored(
                settings(),
                Head::stored(head).expect("the head was stored by this version"),
                self.disk.entries.values().map(|(text, _)| Entry::stored(text).expect("so was the entry")),
            ),
        };
    }

    fn close_windows(&mut self) {
        while let Some(window) = self.outbox.due(self.now) {
            let body = format!("window {} as it stood at {}", window.start.0, self.now.0).into_bytes();
            self.take(Document { window, revision: 0, body });
        }
    }

    fn take(&mut self, document: Document) {
        let dice = self.roll();
        if let Ok(effects) = self.outbox.take(document, self.now, dice) {
            self.perform(effects);
        }
    }

    fn arrive(&mut self, mood: &Mood) {
        let Some((ticket, key)) = self.on_its_way.take() else { return };
        let body = self.disk.entries.get(&ticket.seq).map(|(_, body)| body.clone());
        let store = |world: &mut Self| {
            let body = body.clone().expect("what is sent is kept until it is receipted");
            // By its key the backend knows what it has: a second telling changes nothing.
            if !world.backend.contains_key(&key) {
                world.backend.insert(key.clone(), body);
                world.arrived.push(key.clone());
            }
        };
        let ok = Answer::Status { status: 204, retry_after: None };
        match mood {
            Mood::Takes => {
                store(self);
                self.handle(Input::Answered { ticket, answer: ok });
            }
            Mood::TakesAndResets => {
                store(self);
                self.handle(Input::Answered { ticket, answer: Answer::None });
            }
            Mood::TakesTwice => {
                store(self);
                self.handle(Input::Answered { ticket, answer: ok });
                self.handle(Input::Answered { ticket, answer: ok });
            }
            Mood::Hangs => {
                store(self);
            }
            Mood::Says(status, retry_after) => {
                let answer = Answer::Status { status: *status, retry_after: *retry_after };
                self.handle(Input::Answered { ticket, answer });
            }
            Mood::Down => self.handle(Input::Answered { ticket, answer: Answer::None }),
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Later(span) => {
                self.now = self.now.after(*span);
                self.close_windows();
            }
            Step::Earlier(span) => self.now = self.now.before(*span),
            Step::Wake => self.handle(Input::Woken),
            Step::Arrive(mood) => self.arrive(mood),
            Step::Crash => self.restart(),
            Step::CrashBeforeStoring => self.crash = Some(Crash::BeforeStoring),
            Step::CrashBeforeSending => self.crash = Some(Crash::BeforeSending),
            Step::Correct(back) => {
                self.revisions += 1;
                let start = Window::of(Span::Minute, START).start.after(u64::from(*back) * 60_000);
                let body = format!("correction {}", self.revisions).into_bytes();
                let window = Window { span: Span::Minute, start };
                self.take(Document { window, revision: self.revisions, body });
            }
            Step::Retry => self.handle(Input::Retry(Which::All)),
        }
    }

    /// The backend is well again, somebody asks for what was put aside, and alarms go off when they
    /// were asked for. Says how many steps it took.
    fn heal(&mut self) -> usize {
        self.crash = None;
        self.step(&Step::Retry);
        for steps in 0..10_000 {
            if self.outbox.status().waiting == 0 && self.on_its_way.is_none() {
                return steps;
            }
            if self.on_its_way.is_some() {
                self.arrive(&Mood::Takes);
            } else {
                let at = self.wakes_at.take().expect("what waits has an alarm");
                // A process that starts again sets its alarm first; the old one goes off all the same.
                self.now = self.now.max(at);
                self.close_windows();
                self.handle(Input::Woken);
            }
        }
        panic!("what waits is delivered in the end: {:?}", self.outbox.status());
    }
}

fn settings() -> Settings {
    Settings { room: 40, ..Settings::of("shop".into(), Span::Minute) }
}

fn minute(index: u64) -> Window {
    let first = Window::of(Span::Minute, START).start;
    Window { span: Span::Minute, start: first.after(index * 60_000) }
}

fn moods() -> impl Strategy<Value = Mood> {
    let after = prop_oneof![
        (0..100_000_u64).prop_map(RetryAfter::Span),
        (0..200_000_u64).prop_map(|span| RetryAfter::At(START.after(span))),
        Just(RetryAfter::Span(u64::MAX)),
    ];
    prop_oneof![
        4 => Just(Mood::Takes),
        2 => Just(Mood::TakesAndResets),
        1 => Just(Mood::TakesTwice),
        1 => Just(Mood::Hangs),
        1 => Just(Mood::Down),
        4 => (100..600_u16, proptest::option::of(after))
            .prop_filter("2xx is a receipt", |(status, _)| !(200..300).contains(status))
            .prop_map(|(status, after)| Mood::Says(status, after)),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..400_000_u64).prop_map(Step::Later),
        1 => (0..10_000_000_u64).prop_map(Step::Earlier),
        4 => Just(Step::Wake),
        8 => moods().prop_map(Step::Arrive),
        1 => Just(Step::Crash),
        1 => Just(Step::CrashBeforeStoring),
        1 => Just(Step::CrashBeforeSending),
        1 => (0..12_u8).prop_map(Step::Correct),
        1 => Just(Step::Retry),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn the_backend_has_what_was_closed(steps in proptest::collection::vec(steps(), 0..80)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        world.heal();
        prop_assert_eq!(&world.backend, &world.closed);
        prop_assert!(world.disk.entries.is_empty(), "a receipted document is kept no longer");
    }

    #[test]
    fn the_same_inputs_have_the_same_effects(steps in proptest::collection::vec(steps(), 0..40)) {
        let (mut one, mut two) = (World::new(), World::new());
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
        let speaks_of_bytes = |step: &Step| matches!(step, Step::Arrive(Mood::Says(400 | 413 | 415 | 422, _)));
        let mut world = World::new();
        for step in steps.iter().filter(|step| !speaks_of_bytes(step) && !matches!(step, Step::Correct(_))) {
            world.step(step);
        }
        world.heal();
        let starts: Vec<u64> =
            world.arrived.iter().map(|key| key.split('.').nth(2).unwrap().parse().unwrap()).collect();
        prop_assert!(starts.windows(2).all(|pair| pair[0] + 60_000 == pair[1]), "{starts:?}");
    }
}

#[test]
fn a_day_without_a_backend_is_caught_up_in_minutes_and_one_at_a_time() {
    let mut world = World::new();
    let day = Settings { room: 2000, ..settings() };
    world.outbox = Outbox::beginning(day, START);
    let mut attempts = 0;
    for _ in 0..24 * 60 {
        world.step(&Step::Later(60_000));
        if world.on_its_way.is_some() {
            attempts += 1;
            world.arrive(&Mood::Down);
        }
        if world.wakes_at.is_some_and(|at| at <= world.now) {
            world.handle(Input::Woken);
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
    world.heal();
    assert_eq!(world.backend, world.closed);
    let gaps: Vec<u64> = world.sent_at.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(gaps.iter().all(|gap| *gap >= 100), "never more than ten a second");
    assert!(gaps[..3].iter().zip([500, 250, 125]).all(|(gap, least)| *gap >= least), "slowly at first");
    let took = world.now.0 - began.0;
    assert!(took < 25 * 60_000, "{took} ms, the last wait included");
}

#[test]
fn while_it_is_full_windows_stay_in_their_cells() {
    let mut world = World::new();
    world.step(&Step::Later(60 * 60_000));
    assert_eq!(world.outbox.status().waiting, 40);
    assert_eq!(world.outbox.due(world.now), None);
    let refused = world.outbox.take(Document { window: minute(40), revision: 0, body: vec![] }, world.now, 0);
    assert_eq!(refused, Err(Refusal::Full { room: 40 }));
    world.heal();
    world.close_windows();
    world.heal();
    // The windows of an hour but for its last minute, which has its grace.
    assert_eq!(world.backend.len(), 59);
    assert_eq!(world.backend, world.closed);
}

#[test]
fn a_window_out_of_its_turn_is_refused() {
    let mut outbox = Outbox::beginning(settings(), START);
    let offer = |window: Window, revision| Document { window, revision, body: vec![] };
    let out = |window: Window| Err(Refusal::OutOfOrder { offered: window.start, due: minute(0).start });
    assert_eq!(outbox.take(offer(minute(1), 0), START, 0), out(minute(1)));
    assert_eq!(outbox.take(offer(minute(0), 1), START, 0), out(minute(0)));
    let hour = Window { span: Span::Hour, ..minute(0) };
    assert_eq!(outbox.take(offer(hour, 0), START, 0), out(hour));
    assert!(outbox.take(offer(minute(0), 0), START, 0).is_ok());
    let twice = outbox.take(offer(minute(0), 0), START, 0);
    assert!(matches!(twice, Err(Refusal::OutOfOrder { .. })));
}

#[test]
fn a_document_that_can_never_arrive_makes_way_and_comes_back_by_call() {
    let mut world = World::new();
    world.step(&Step::Later(4 * 60_000));
    world.arrive(&Mood::Says(422, None));
    let parked = world.outbox.status().parked;
    assert_eq!(
        parked.iter().map(|entry| (entry.seq, entry.parked.unwrap().status)).collect::<Vec<_>>(),
        [(0, 422)]
    );
    world.step(&Step::Crash);
    assert_eq!(world.outbox.status().parked, parked, "it stays aside over a restart");
    world.handle(Input::Woken);
    for _ in 0..8 {
        world.arrive(&Mood::Takes);
        world.now = world.now.after(1000);
        world.handle(Input::Woken);
    }
    assert_eq!(world.arrived, [1, 2].map(|index| format!("shop.minute.{}.0", minute(index).start.0)));
    world.handle(Input::Retry(Which::One(99)));
    assert_eq!(world.outbox.status().parked.len(), 1, "only the one that is meant");
    world.handle(Input::Retry(Which::One(0)));
    world.heal();
    assert_eq!(world.backend, world.closed);
}

#[test]
fn a_wrong_key_holds_the_queue_and_puts_nothing_aside() {
    let mut world = World::new();
    world.step(&Step::Later(4 * 60_000));
    world.arrive(&Mood::Says(401, None));
    let status = world.outbox.status();
    assert_eq!((status.waiting, status.parked.len()), (3, 0));
    assert_eq!(status.trouble, Some(Trouble::Refusing(401)));
    // The key is put right, and somebody says so.
    world.heal();
    assert_eq!(world.backend, world.closed);
    assert_eq!(world.outbox.status().trouble, None);
}

#[test]
fn a_backend_that_asks_for_time_gets_it() {
    let mut world = World::new();
    world.step(&Step::Later(3 * 60_000));
    world.arrive(&Mood::Says(429, Some(RetryAfter::Span(120_000))));
    let asked = world.now;
    world.handle(Input::Retry(Which::All));
    assert_eq!(world.on_its_way, None, "a call does not overrule it");
    world.now = asked.after(119_999);
    world.handle(Input::Woken);
    assert_eq!(world.on_its_way, None);
    world.now = asked.after(121_000);
    world.handle(Input::Woken);
    assert!(world.on_its_way.is_some());
    // A year is more than a backend may ask for.
    world.arrive(&Mood::Says(503, Some(RetryAfter::Span(u64::MAX))));
    world.now = world.now.after(24 * 3_600_000 + 1000);
    world.handle(Input::Woken);
    assert!(world.on_its_way.is_some());
}

#[test]
fn an_attempt_that_hangs_is_given_up_and_its_late_receipt_counts() {
    let mut world = World::new();
    world.step(&Step::Later(4 * 60_000));
    let (first, _) = world.on_its_way.clone().unwrap();
    world.arrive(&Mood::Hangs);
    world.now = world.now.after(60_000);
    world.handle(Input::Woken);
    world.now = world.now.after(5_000);
    world.handle(Input::Woken);
    let (second, _) = world.on_its_way.clone().unwrap();
    assert_eq!((first.seq, first.attempt, second.seq, second.attempt), (0, 1, 0, 2));
    // What became of the first attempt otherwise is no news …
    let late = Answer::Status { status: 500, retry_after: None };
    let before = world.outbox.status();
    world.handle(Input::Answered { ticket: first, answer: late });
    assert_eq!(world.outbox.status(), before);
    // … but a receipt is a receipt.
    let receipt = Answer::Status { status: 200, retry_after: None };
    world.handle(Input::Answered { ticket: first, answer: receipt });
    assert!(!world.disk.entries.contains_key(&0));
    // And the next document need not wait for the second attempt to be given up.
    world.now = world.now.after(1000);
    world.handle(Input::Woken);
    assert_eq!(world.on_its_way.as_ref().map(|(ticket, _)| ticket.seq), Some(1));
}

#[test]
fn a_clock_that_is_set_back_prolongs_no_wait() {
    let mut world = World::new();
    world.step(&Step::Later(2 * 60_000));
    world.arrive(&Mood::Down);
    let failed = world.outbox.status();
    assert_eq!(failed.trouble, Some(Trouble::Unreachable));
    world.step(&Step::Earlier(30 * 24 * 3_600_000));
    world.handle(Input::Woken);
    assert_eq!(world.on_its_way, None, "the wait begins anew");
    world.now = world.now.after(1000);
    world.handle(Input::Woken);
    assert!(world.on_its_way.is_some(), "and is as long as it was");
    // Nor is an attempt awaited longer.
    world.step(&Step::Earlier(24 * 3_600_000));
    world.handle(Input::Woken);
    world.arrive(&Mood::Hangs);
    world.now = world.now.after(60_000);
    world.handle(Input::Woken);
    world.now = world.now.after(2000);
    world.handle(Input::Woken);
    assert!(world.on_its_way.is_some());
}

#[test]
fn a_correction_is_a_document_of_its_own() {
    let mut world = World::new();
    world.step(&Step::Later(2 * 60_000));
    world.take(Document { window: minute(0), revision: 1, body: b"corrected".to_vec() });
    world.heal();
    let [first, corrected] = [0, 1].map(|revision| format!("shop.minute.{}.{revision}", minute(0).start.0));
    assert_eq!(world.arrived, [first, corrected.clone()]);
    assert_eq!(world.backend[&corrected], b"corrected");
}

/// Rows outlive deployments: what version 1 stored is read for ever.
#[test]
fn stored_rows_are_pinned() {
    let mut world = World::new();
    world.step(&Step::Later(2 * 60_000));
    world.arrive(&Mood::Says(503, Some(RetryAfter::Span(9000))));
    let head = world.disk.head.clone().unwrap();
    assert_eq!(
        head,
        r#"{"v":1,"next":1,"due":1800000060000,"failures":1,"eased":0,"wait":{"since":1800000120000,"until":1800000129139,"asked":true},"trouble":{"Failing":503},"last":null}"#
    );
    assert_eq!(
        world.disk.entries[&0].0,
        r#"[1,{"seq":0,"window":{"span":"Minute","start":1800000000000},"revision":0,"attempts":1,"parked":null}]"#
    );
    assert_eq!(Head::stored(&head).unwrap().text(), head);
    assert_eq!(Head::stored(&head.replace("\"v\":1", "\"v\":9")), None);
    assert_eq!(Entry::stored("[9,{}]"), None);
}
