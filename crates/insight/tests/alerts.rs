//! What people are told, and what they are spared: alerts over readings, mutes, channels that are down
//! and restarts; and what is remembered of each.

#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

mod golden;

use std::collections::{BTreeMap, BTreeSet};

use budget::{Tally, Verdict, Windows};
use insight::alert::{Alerts, Effect, Ended, Input, Measured, Mute, Observation, Reading, Record};
use insight::notice::{Kind, Notice};
use insight::target::{Level, Signal};
use proptest::prelude::*;
use wire::{Device, UnixMillis};

const START: UnixMillis = UnixMillis(1_800_000_000_000);
const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

/// Alerts, a clock, and people who hear at once.
struct Desk {
    alerts: Alerts,
    now: UnixMillis,
    heard: Vec<Notice>,
    deaf: bool,
    wakes_at: Option<UnixMillis>,
    /// As the shell keeps them: by beginning and key.
    recorded: BTreeMap<(UnixMillis, String), Record>,
}

impl Desk {
    fn new() -> Self {
        Self {
            alerts: Alerts::of("shop".into()),
            now: START,
            heard: vec![],
            deaf: false,
            wakes_at: None,
            recorded: BTreeMap::new(),
        }
    }

    /// Every step survives a restart: what is stored is all that there is.
    fn handle(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let effects = self.alerts.handle(input, self.now);
            self.alerts = Alerts::stored(&self.alerts.text()).unwrap();
            self.wakes_at = None;
            for effect in effects {
                match effect {
                    Effect::Notify(notice) if !self.deaf => {
                        inputs.push(Input::Told { notice: notice.number, by: vec!["pager".into()] });
                        self.heard.push(notice);
                    }
                    Effect::Notify(_) => {}
                    Effect::WakeAt(at) => self.wakes_at = Some(at),
                    Effect::Record(record) => {
                        self.recorded.insert((record.incident.opened, record.key.clone()), record);
                    }
                }
            }
        }
    }

    fn look(&mut self, observations: impl IntoIterator<Item = Observation>) {
        self.now = self.now.after(MINUTE);
        self.handle(Input::Look(observations.into_iter().collect()));
    }

    fn wake(&mut self, after: u64) {
        self.now = self.now.after(after);
        self.handle(Input::Woken);
    }

    /// What was heard since the last time, as kinds and keys' routes.
    #[track_caller]
    fn hears(&mut self, expect: &[(Kind, Level)]) {
        let heard: Vec<(Kind, Level)> = self
            .heard
            .drain(..)
            .flat_map(|notice| notice.changes.into_iter().map(|change| (change.kind, change.level)))
            .collect();
        assert_eq!(heard, expect);
    }
}

fn slow(p95: f64) -> Observation {
    Observation::of_site(Reading::ResponseTime(Measured { n: 5000, value: p95 }))
}

fn cell(route: &str, reading: Reading) -> Observation {
    Observation {
        route: Some(route.into()),
        device: Some(Device::Phone),
        series: Some("LCP".into()),
        reading,
    }
}

const WARNING: Level = Level::Warning;
const CRITICAL: Level = Level::Critical;

#[test]
fn one_bad_look_is_not_told_and_two_are_once() {
    let mut desk = Desk::new();
    desk.look([slow(501.0)]);
    desk.hears(&[]);
    desk.look([slow(501.0)]);
    desk.hears(&[(Kind::Raised, WARNING)]);
    for _ in 0..60 {
        desk.look([slow(700.0)]);
    }
    desk.hears(&[]);
}

#[test]
fn a_value_that_wavers_about_the_limit_is_one_alert() {
    let mut desk = Desk::new();
    for _ in 0..50 {
        desk.look([slow(510.0)]);
        desk.look([slow(505.0)]);
        // Good again, but not by enough to clear.
        desk.look([slow(460.0)]);
        desk.look([slow(460.0)]);
    }
    desk.hears(&[(Kind::Raised, WARNING)]);
    desk.look([slow(440.0)]);
    desk.look([slow(440.0)]);
    desk.wake(10 * MINUTE);
    desk.hears(&[(Kind::Recovered, WARNING)]);
    assert_eq!(desk.alerts.raised(desk.now), []);
}

#[test]
fn what_gets_worse_is_told_at_once_and_never_as_getting_better() {
    let mut desk = Desk::new();
    for p95 in [600.0, 600.0, 1100.0, 1100.0, 600.0, 600.0, 600.0] {
        desk.look([slow(p95)]);
    }
    desk.hears(&[(Kind::Raised, WARNING), (Kind::Worse, CRITICAL)]);
    assert_eq!(desk.alerts.raised(desk.now)[0].level, CRITICAL);
}

#[test]
fn an_incident_is_remembered_from_its_beginning_to_its_end() {
    let mut desk = Desk::new();
    let (first, key) = (START.after(MINUTE), "shop|response-time|||".to_owned());
    for p95 in [600.0, 600.0, 1100.0, 1100.0, 600.0] {
        desk.look([slow(p95)]);
    }
    desk.handle(Input::Acknowledge { key: key.clone(), by: "Ann".into() });
    let open = desk.recorded[&(first, key.clone())].clone();
    assert_eq!((open.incident.level, open.incident.ended), (CRITICAL, None));
    assert!(open.incident.says.contains("1100 ms"), "what was read at its worst: {}", open.incident.says);
    assert_eq!(open.incident.told, [("pager".to_owned(), first.after(MINUTE))].into());
    assert_eq!(open.incident.acknowledged.as_ref().map(|by| by.by.as_str()), Some("Ann"));
    for _ in 0..3 {
        desk.look([slow(300.0)]);
    }
    let over = desk.recorded[&(first, key.clone())].clone();
    let ended = Some(Ended { at: first.after(6 * MINUTE), lapsed: false });
    assert_eq!(over.incident, insight::alert::Incident { ended, ..open.incident });
    golden::check("incident-stored.json", &format!("{}\n", serde_json::to_string(&over).unwrap()));
    // What comes again is another incident; what nobody reads any more ends without proof.
    for _ in 0..3 {
        desk.look([slow(800.0)]);
    }
    desk.wake(3 * 24 * HOUR);
    let ends: Vec<_> =
        desk.recorded.values().map(|record| record.incident.ended.map(|end| end.lapsed)).collect();
    assert_eq!(ends, [Some(false), Some(true)]);
    // Nothing is said of what stays as it is, so that nothing is written.
    let mut desk = Desk::new();
    (0..5).for_each(|_| desk.look([slow(600.0)]));
    let again = desk.alerts.handle(Input::Look(vec![slow(650.0)]), desk.now.after(MINUTE));
    assert!(!again.iter().any(|effect| matches!(effect, Effect::Record(_))), "{again:?}");
}

#[test]
fn alerts_that_were_stored_before_incidents_were_have_one_from_the_next_look_on() {
    let mut alerts = Alerts::stored(include_str!("golden/alerts-stored-before-incidents.json")).unwrap();
    let [raised] = &alerts.raised(START)[..] else { unreachable!() };
    let since = raised.since;
    let effects = alerts.handle(Input::Look(vec![slow(1200.0)]), START.after(2 * MINUTE));
    let opened = effects.iter().find_map(|effect| match effect {
        Effect::Record(record) => Some(record.incident.opened),
        _ => None,
    });
    assert_eq!(opened, Some(since));
}

#[test]
fn too_little_neither_raises_nor_clears() {
    let mut desk = Desk::new();
    let errors = |answers, errors| Observation::of_site(Reading::ErrorRate { answers, errors });
    for _ in 0..9 {
        // All of a few; and more than one in a thousand, which may be chance.
        desk.look([errors(999, 999)]);
        desk.look([errors(1000, 4)]);
    }
    desk.hears(&[]);
    desk.look([errors(10_000, 25)]);
    desk.look([errors(10_000, 25)]);
    desk.hears(&[(Kind::Raised, WARNING)]);
    for _ in 0..60 {
        desk.look([errors(999, 0)]);
    }
    desk.look([slow(f64::NAN), slow(f64::NAN)]);
    desk.hears(&[]);
    assert_eq!(desk.alerts.raised(desk.now).len(), 1);
}

#[test]
fn errors_are_critical_when_that_is_certain() {
    let mut desk = Desk::new();
    let errors = |answers, errors| Observation::of_site(Reading::ErrorRate { answers, errors });
    desk.look([errors(10_000, 55), errors(10_000, 55)]);
    desk.hears(&[(Kind::Raised, WARNING)]);
    desk.look([errors(10_000, 70), errors(10_000, 70)]);
    desk.hears(&[(Kind::Worse, CRITICAL)]);
}

#[test]
fn a_verdict_alert_clears_only_on_met() {
    let mut desk = Desk::new();
    let verdict = |verdict| cell("/", Reading::Verdict(verdict));
    desk.look([verdict(Verdict::Violated)]);
    desk.look([verdict(Verdict::Violated)]);
    desk.hears(&[(Kind::Raised, WARNING)]);
    for silent in [Verdict::Unknown, Verdict::Insufficient, Verdict::AtLimit] {
        desk.look([verdict(silent)]);
    }
    desk.wake(HOUR);
    desk.hears(&[]);
    desk.look([verdict(Verdict::Met)]);
    desk.hears(&[(Kind::Recovered, WARNING)]);
}

#[test]
fn evidence_raises_by_e_value_and_clears_by_verdict() {
    let mut desk = Desk::new();
    let since = |within, verdict| {
        cell("/", Reading::Evidence { since: Tally::of(200, within), verdict, percentile: 75 })
    };
    desk.look([since(150, Verdict::Insufficient)]);
    desk.hears(&[]);
    desk.look([since(130, Verdict::Insufficient)]);
    desk.hears(&[(Kind::Raised, WARNING)]);
    desk.look([since(150, Verdict::AtLimit)]);
    desk.hears(&[]);
    desk.look([since(170, Verdict::Met)]);
    desk.wake(10 * MINUTE);
    desk.hears(&[(Kind::Recovered, WARNING)]);
}

#[test]
fn a_fast_burn_pages() {
    let mut desk = Desk::new();
    let burn = |over: u64| {
        let tally = Tally::of(1000, 1000 - over);
        let windows = Windows { half_hour: tally, six_hours: tally, three_days: tally };
        cell("/", Reading::Burn { windows, percentile: 75 })
    };
    desk.look([burn(310)]);
    desk.look([burn(510)]);
    desk.hears(&[(Kind::Raised, WARNING), (Kind::Worse, CRITICAL)]);
    let silent = Windows::default();
    desk.look([cell("/", Reading::Burn { windows: silent, percentile: 75 })]);
    assert_eq!(desk.alerts.raised(desk.now).len(), 1, "nobody there is not nobody slow");
}

#[test]
fn silence_is_told_and_its_end_too() {
    let mut desk = Desk::new();
    let silence = |expected| Observation::of_site(Reading::Silence(expected));
    desk.look([silence(11.0)]);
    desk.hears(&[]);
    desk.look([silence(13.0)]);
    desk.look([silence(40.0)]);
    desk.hears(&[(Kind::Raised, WARNING), (Kind::Worse, CRITICAL)]);
    desk.look([silence(0.0)]);
    desk.wake(10 * MINUTE);
    desk.hears(&[(Kind::Recovered, CRITICAL)]);
}

#[test]
fn many_routes_are_one_notice_and_late_ones_follow_together() {
    let mut desk = Desk::new();
    let bad = |route: usize| cell(&format!("/{route}"), Reading::Verdict(Verdict::Violated));
    desk.look((0..30).map(bad));
    desk.look((0..30).map(bad));
    let sizes = |desk: &Desk| desk.heard.iter().map(|notice| notice.changes.len()).collect::<Vec<_>>();
    assert_eq!(sizes(&desk), [30]);
    for route in 30..33 {
        desk.look([bad(route)]);
        desk.look([bad(route)]);
    }
    // Within five minutes nothing more; then all that gathered.
    assert_eq!(sizes(&desk)[0], 30);
    desk.wake(5 * MINUTE);
    assert_eq!(sizes(&desk).iter().sum::<usize>(), 33);
    assert!(desk.heard.len() <= 3, "{:?}", sizes(&desk));
}

#[test]
fn what_came_and_went_while_notices_gather_is_not_told() {
    let mut desk = Desk::new();
    desk.look([cell("/", Reading::Verdict(Verdict::Violated))]);
    desk.look([cell("/", Reading::Verdict(Verdict::Violated))]);
    desk.hears(&[(Kind::Raised, WARNING)]);
    desk.look([cell("/a", Reading::Verdict(Verdict::Violated))]);
    desk.look([cell("/a", Reading::Verdict(Verdict::Violated))]);
    desk.look([cell("/a", Reading::Verdict(Verdict::Met))]);
    desk.wake(HOUR);
    desk.hears(&[]);
}

#[test]
fn maintenance_is_quiet_and_what_outlasts_it_is_told() {
    let mut desk = Desk::new();
    let mute = Mute {
        signal: None,
        route: None,
        from: START,
        until: START.after(HOUR),
        by: "ops".into(),
        reason: "a new database".into(),
    };
    desk.handle(Input::Mute(mute));
    for _ in 0..10 {
        desk.look([slow(2000.0)]);
    }
    desk.hears(&[]);
    assert!(desk.alerts.raised(desk.now)[0].muted, "it is shown all the same");
    assert_eq!(desk.wakes_at, Some(START.after(HOUR)));
    desk.wake(HOUR);
    desk.hears(&[(Kind::Raised, CRITICAL)]);
    assert!(desk.alerts.mutes().is_empty());
}

#[test]
fn what_is_over_before_its_maintenance_ends_is_never_told() {
    let mut desk = Desk::new();
    let until = START.after(HOUR);
    let mute = Mute {
        signal: Some(Signal::ResponseTime),
        route: None,
        from: START,
        until,
        by: "ops".into(),
        reason: "known".into(),
    };
    desk.handle(Input::Mute(mute));
    for p95 in [900.0, 900.0, 900.0, 100.0, 100.0] {
        // Another signal is heard.
        let memory = Observation::of_site(Reading::Memory(75.0));
        desk.look([slow(p95), memory]);
    }
    desk.wake(2 * HOUR);
    desk.hears(&[(Kind::Raised, WARNING)]);
}

#[test]
fn the_end_of_what_was_told_is_told_even_while_it_is_muted() {
    let mut desk = Desk::new();
    desk.look([slow(600.0)]);
    desk.look([slow(600.0)]);
    let until = desk.now.after(24 * HOUR);
    let mute =
        Mute { signal: None, route: None, from: START, until, by: "ann".into(), reason: "seen".into() };
    desk.handle(Input::Mute(mute));
    desk.look([slow(100.0)]);
    desk.look([slow(100.0)]);
    desk.wake(10 * MINUTE);
    desk.hears(&[(Kind::Raised, WARNING), (Kind::Recovered, WARNING)]);
    desk.look([slow(600.0)]);
    desk.look([slow(600.0)]);
    let mute = *desk.alerts.mutes().keys().next().unwrap();
    desk.hears(&[]);
    desk.handle(Input::Unmute(mute));
    desk.wake(10 * MINUTE);
    desk.hears(&[(Kind::Raised, WARNING)]);
}

#[test]
fn nobody_is_reminded_of_what_somebody_looks_after_until_it_gets_worse() {
    let mut desk = Desk::new();
    desk.look([slow(1500.0)]);
    desk.look([slow(1500.0)]);
    desk.hears(&[(Kind::Raised, CRITICAL)]);
    desk.wake(4 * HOUR + 6 * MINUTE);
    desk.hears(&[(Kind::Still, CRITICAL)]);
    let key = desk.alerts.raised(desk.now)[0].key.clone();
    desk.handle(Input::Acknowledge { key, by: "ann".into() });
    assert_eq!(desk.alerts.raised(desk.now)[0].acknowledged.as_ref().unwrap().by, "ann");
    desk.wake(20 * HOUR);
    desk.hears(&[]);

    let mut desk = Desk::new();
    desk.look([slow(600.0)]);
    desk.look([slow(600.0)]);
    let key = desk.alerts.raised(desk.now)[0].key.clone();
    desk.handle(Input::Acknowledge { key, by: "ann".into() });
    desk.look([slow(1500.0)]);
    desk.look([slow(1500.0)]);
    desk.hears(&[(Kind::Raised, WARNING), (Kind::Worse, CRITICAL)]);
    assert_eq!(desk.alerts.raised(desk.now)[0].acknowledged, None);
}

#[test]
fn a_channel_that_is_down_is_told_again_and_people_once() {
    let mut desk = Desk::new();
    desk.deaf = true;
    desk.look([slow(600.0)]);
    desk.look([slow(600.0)]);
    // It ends before anybody could be told, but the notice may be on its way.
    desk.look([slow(100.0)]);
    desk.look([slow(100.0)]);
    desk.deaf = false;
    desk.wake(5 * MINUTE);
    desk.wake(6 * MINUTE);
    desk.hears(&[(Kind::Raised, WARNING), (Kind::Recovered, WARNING)]);
}

#[test]
fn what_nobody_reads_any_more_lapses_and_is_not_called_good() {
    let mut desk = Desk::new();
    desk.look([slow(600.0)]);
    desk.look([slow(600.0)]);
    desk.hears(&[(Kind::Raised, WARNING)]);
    desk.wake(3 * 24 * HOUR);
    assert!(desk.heard[0].changes[0].says.contains("not proved to be over"), "{:?}", desk.heard);
    desk.hears(&[(Kind::Lapsed, WARNING)]);
}

#[test]
fn keys_are_of_one_alert_and_fit_every_channel() {
    let mut desk = Desk::new();
    let route = format!("/{}", "ü".repeat(400));
    let bad = |route: &str, device| Observation {
        route: Some(route.into()),
        device,
        series: None,
        reading: Reading::Verdict(Verdict::Violated),
    };
    for _ in 0..2 {
        desk.look([bad(&route, None), bad(&route, Some(Device::Phone)), bad("/a", None), bad("/b", None)]);
    }
    let keys: BTreeSet<String> = desk.alerts.raised(desk.now).into_iter().map(|shown| shown.key).collect();
    assert_eq!(keys.len(), 4);
    assert!(keys.iter().all(|key| key.len() <= 255 && key.is_ascii()), "{keys:?}");
}

#[test]
fn a_flood_of_subjects_is_bounded_and_counted() {
    let mut desk = Desk::new();
    let bad = |route: usize| cell(&format!("/{route}"), Reading::Verdict(Verdict::Violated));
    desk.alerts.handle(Input::Look((0..2500).map(bad).collect()), START).clear();
    assert_eq!(desk.alerts.overflow, 2000);
}

#[derive(Clone, Debug)]
enum Step {
    Look(usize, f64),
    Deaf(bool),
    Later(u64),
    Mute(u64),
}

proptest! {
    /// For each alert, what people hear is: it began, perhaps it got worse or went on, it ended. Never an
    /// end of what they had not heard of, never a beginning twice.
    #[test]
    fn people_hear_stories_that_make_sense(
        steps in proptest::collection::vec(prop_oneof![
            8 => (0..3_usize, prop_oneof![Just(100.0), Just(470.0), Just(600.0), Just(1200.0)])
                .prop_map(|(route, p95)| Step::Look(route, p95)),
            1 => any::<bool>().prop_map(Step::Deaf),
            2 => (0..6 * HOUR).prop_map(Step::Later),
            1 => (0..2 * HOUR).prop_map(Step::Mute),
        ], 0..120),
    ) {
        let mut desk = Desk::new();
        let read = |route: usize, p95| Observation {
            route: Some(format!("/{route}")),
            device: None,
            series: None,
            reading: Reading::ResponseTime(Measured { n: 1000, value: p95 }),
        };
        for step in steps {
            match step {
                Step::Look(route, p95) => desk.look([read(route, p95)]),
                Step::Deaf(deaf) => desk.deaf = deaf,
                Step::Later(span) => desk.wake(span),
                Step::Mute(span) => desk.handle(Input::Mute(Mute {
                    signal: None, route: None, from: desk.now, until: desk.now.after(span),
                    by: "x".into(), reason: String::new(),
                })),
            }
        }
        desk.deaf = false;
        for _ in 0..2 {
            desk.look((0..3).map(|route| read(route, 100.0)));
        }
        for _ in 0..4 {
            desk.wake(2 * HOUR);
        }
        prop_assert_eq!(desk.alerts.raised(desk.now), vec![]);
        let mut open: BTreeMap<String, Level> = BTreeMap::new();
        for change in desk.heard.iter().flat_map(|notice| &notice.changes) {
            let known = open.get(&change.key).copied();
            match (change.kind, known) {
                (Kind::Raised, None) => drop(open.insert(change.key.clone(), change.level)),
                (Kind::Worse, Some(Level::Warning)) => drop(open.insert(change.key.clone(), change.level)),
                (Kind::Still, Some(level)) => prop_assert_eq!(level, change.level),
                (Kind::Recovered | Kind::Lapsed, Some(_)) => drop(open.remove(&change.key)),
                (kind, known) => panic!("{kind:?} after {known:?} of {}", change.key),
            }
        }
        prop_assert!(open.is_empty(), "an alert without its end: {:?}", open);
    }
}
