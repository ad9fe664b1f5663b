//! The alert state machine under observations, silences, failing channels and restarts, and the recorded
//! incidents.

#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

#[path = "../../report/tests/golden/mod.rs"]
mod golden;

use std::collections::{BTreeMap, BTreeSet};

use alerting::notification::{AlertChangeKind, Notification};
use alerting::{
    AlertEffect, AlertInput, AlertObservation, Alerts, IncidentEnd, IncidentRecord, SampledValue,
    SignalReading, Silence,
};
use budget::{BudgetTally, BurnWindows, Verdict};
use proptest::prelude::*;
use report::signals::{AlertLevel, Signal};
use wire::{Device, UnixMillis};

const START: UnixMillis = UnixMillis(1_800_000_000_000);
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// Alerts with a clock and a channel that accepts at once.
struct AlertHarness {
    alerts: Alerts,
    now: UnixMillis,
    notifications: Vec<Notification>,
    channels_down: bool,
    wake_at: Option<UnixMillis>,
    /// By start and key, as the shell stores them.
    incidents: BTreeMap<(UnixMillis, String), IncidentRecord>,
}

impl AlertHarness {
    fn new() -> Self {
        Self {
            alerts: Alerts::new("shop".into()),
            now: START,
            notifications: vec![],
            channels_down: false,
            wake_at: None,
            incidents: BTreeMap::new(),
        }
    }

    /// Stores and reloads the alerts after every step, as after a restart.
    fn handle(&mut self, input: AlertInput) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let effects = self.alerts.handle(input, self.now);
            self.alerts = Alerts::from_json(&self.alerts.to_json().unwrap()).unwrap();
            self.wake_at = None;
            for effect in effects {
                match effect {
                    AlertEffect::Notify(notification) if !self.channels_down => {
                        inputs.push(AlertInput::Delivered {
                            notification: notification.number,
                            channels: vec!["pager".into()],
                        });
                        self.notifications.push(notification);
                    }
                    AlertEffect::Notify(_) => {}
                    AlertEffect::WakeAt(at) => self.wake_at = Some(at),
                    AlertEffect::RecordIncident(record) => {
                        self.incidents.insert((record.incident.opened, record.key.clone()), record);
                    }
                }
            }
        }
    }

    fn observe(&mut self, observations: impl IntoIterator<Item = AlertObservation>) {
        self.now = self.now.saturating_add(MINUTE_MS);
        self.handle(AlertInput::Observations(observations.into_iter().collect()));
    }

    fn advance(&mut self, after: u64) {
        self.now = self.now.saturating_add(after);
        self.handle(AlertInput::AlarmFired);
    }

    /// Checks the changes announced since the last call.
    #[track_caller]
    fn expect_notified(&mut self, expect: &[(AlertChangeKind, AlertLevel)]) {
        let changes: Vec<(AlertChangeKind, AlertLevel)> = self
            .notifications
            .drain(..)
            .flat_map(|notification| {
                notification.changes.into_iter().map(|change| (change.kind, change.level))
            })
            .collect();
        assert_eq!(changes, expect);
    }
}

fn slow(p95: f64) -> AlertObservation {
    AlertObservation::for_site(SignalReading::ResponseTime(SampledValue::new(5000, p95)))
}

fn cell(route: &str, reading: SignalReading) -> AlertObservation {
    AlertObservation {
        route: Some(route.into()),
        device: Some(Device::Phone),
        series: Some("LCP".into()),
        reading,
    }
}

const WARNING: AlertLevel = AlertLevel::Warning;
const CRITICAL: AlertLevel = AlertLevel::Critical;

#[test]
fn one_bad_observation_is_not_notified_and_two_are_notified_once() {
    let mut harness = AlertHarness::new();
    harness.observe([slow(501.0)]);
    harness.expect_notified(&[]);
    harness.observe([slow(501.0)]);
    harness.expect_notified(&[(AlertChangeKind::Raised, WARNING)]);
    for _ in 0..60 {
        harness.observe([slow(700.0)]);
    }
    harness.expect_notified(&[]);
}

#[test]
fn a_value_oscillating_around_the_limit_is_one_alert() {
    let mut harness = AlertHarness::new();
    for _ in 0..50 {
        harness.observe([slow(510.0)]);
        harness.observe([slow(505.0)]);
        // Below the limit, but not below the clearing limit.
        harness.observe([slow(460.0)]);
        harness.observe([slow(460.0)]);
    }
    harness.expect_notified(&[(AlertChangeKind::Raised, WARNING)]);
    harness.observe([slow(440.0)]);
    harness.observe([slow(440.0)]);
    harness.advance(10 * MINUTE_MS);
    harness.expect_notified(&[(AlertChangeKind::Recovered, WARNING)]);
    assert_eq!(harness.alerts.raised(harness.now), []);
}

#[test]
fn an_escalation_is_notified_at_once_and_never_downgraded() {
    let mut harness = AlertHarness::new();
    for p95 in [600.0, 600.0, 1100.0, 1100.0, 600.0, 600.0, 600.0] {
        harness.observe([slow(p95)]);
    }
    harness.expect_notified(&[(AlertChangeKind::Raised, WARNING), (AlertChangeKind::Escalated, CRITICAL)]);
    assert_eq!(harness.alerts.raised(harness.now)[0].level, CRITICAL);
}

#[test]
fn an_incident_is_recorded_from_start_to_end() {
    let mut harness = AlertHarness::new();
    let (first, key) = (START.saturating_add(MINUTE_MS), "shop|response-time|||".to_owned());
    for p95 in [600.0, 600.0, 1100.0, 1100.0, 600.0] {
        harness.observe([slow(p95)]);
    }
    harness.handle(AlertInput::Acknowledge { key: key.clone(), by: "Ann".into() });
    let open = harness.incidents[&(first, key.clone())].clone();
    assert_eq!((open.incident.level, open.incident.ended), (CRITICAL, None));
    assert!(
        open.incident.message.contains("1100 ms"),
        "the message at the worst level: {}",
        open.incident.message
    );
    assert_eq!(open.incident.notified, [("pager".to_owned(), first.saturating_add(MINUTE_MS))].into());
    assert_eq!(open.incident.acknowledged.as_ref().map(|by| by.by.as_str()), Some("Ann"));
    for _ in 0..3 {
        harness.observe([slow(300.0)]);
    }
    let over = harness.incidents[&(first, key.clone())].clone();
    let ended = Some(IncidentEnd { at: first.saturating_add(6 * MINUTE_MS), lapsed: false });
    assert_eq!(over.incident, alerting::Incident { ended, ..open.incident });
    golden::check("incident-stored.json", &format!("{}\n", serde_json::to_string(&over).unwrap()));
    // A recurrence is a new incident, and an unobserved alert lapses.
    for _ in 0..3 {
        harness.observe([slow(800.0)]);
    }
    harness.advance(3 * 24 * HOUR_MS);
    let ends: Vec<_> =
        harness.incidents.values().map(|record| record.incident.ended.map(|end| end.lapsed)).collect();
    assert_eq!(ends, [Some(false), Some(true)]);
    // An unchanged incident is not written again.
    let mut harness = AlertHarness::new();
    (0..5).for_each(|_| harness.observe([slow(600.0)]));
    let again = harness
        .alerts
        .handle(AlertInput::Observations(vec![slow(650.0)]), harness.now.saturating_add(MINUTE_MS));
    assert!(!again.iter().any(|effect| matches!(effect, AlertEffect::RecordIncident(_))), "{again:?}");
}

#[test]
fn alerts_stored_before_incidents_existed_get_one_at_the_next_observation() {
    let mut alerts = Alerts::from_json(include_str!("golden/alerts-stored-before-incidents.json")).unwrap();
    let [raised] = &alerts.raised(START)[..] else { unreachable!() };
    let since = raised.since;
    let effects =
        alerts.handle(AlertInput::Observations(vec![slow(1200.0)]), START.saturating_add(2 * MINUTE_MS));
    let opened = effects.iter().find_map(|effect| match effect {
        AlertEffect::RecordIncident(record) => Some(record.incident.opened),
        _ => None,
    });
    assert_eq!(opened, Some(since));
}

#[test]
fn too_little_data_neither_raises_nor_clears() {
    let mut harness = AlertHarness::new();
    let errors = |answers, errors| AlertObservation::for_site(SignalReading::ErrorRate { answers, errors });
    for _ in 0..9 {
        // Few events, and an error rate above the limit that may be chance.
        harness.observe([errors(999, 999)]);
        harness.observe([errors(1000, 4)]);
    }
    harness.expect_notified(&[]);
    harness.observe([errors(10_000, 25)]);
    harness.observe([errors(10_000, 25)]);
    harness.expect_notified(&[(AlertChangeKind::Raised, WARNING)]);
    for _ in 0..60 {
        harness.observe([errors(999, 0)]);
    }
    harness.observe([slow(f64::NAN), slow(f64::NAN)]);
    harness.expect_notified(&[]);
    assert_eq!(harness.alerts.raised(harness.now).len(), 1);
}

#[test]
fn errors_are_critical_only_when_significant() {
    let mut harness = AlertHarness::new();
    let errors = |answers, errors| AlertObservation::for_site(SignalReading::ErrorRate { answers, errors });
    harness.observe([errors(10_000, 55), errors(10_000, 55)]);
    harness.expect_notified(&[(AlertChangeKind::Raised, WARNING)]);
    harness.observe([errors(10_000, 70), errors(10_000, 70)]);
    harness.expect_notified(&[(AlertChangeKind::Escalated, CRITICAL)]);
}

#[test]
fn a_verdict_alert_clears_only_on_met() {
    let mut harness = AlertHarness::new();
    let verdict = |verdict| cell("/", SignalReading::Verdict(verdict));
    harness.observe([verdict(Verdict::Violated)]);
    harness.observe([verdict(Verdict::Violated)]);
    harness.expect_notified(&[(AlertChangeKind::Raised, WARNING)]);
    for silent in [Verdict::Unknown, Verdict::Insufficient, Verdict::AtLimit] {
        harness.observe([verdict(silent)]);
    }
    harness.advance(HOUR_MS);
    harness.expect_notified(&[]);
    harness.observe([verdict(Verdict::Met)]);
    harness.expect_notified(&[(AlertChangeKind::Recovered, WARNING)]);
}

#[test]
fn evidence_raises_by_e_value_and_clears_by_verdict() {
    let mut harness = AlertHarness::new();
    let since = |within, verdict| {
        cell("/", SignalReading::Evidence { since: BudgetTally::new(200, within), verdict, percentile: 75 })
    };
    harness.observe([since(150, Verdict::Insufficient)]);
    harness.expect_notified(&[]);
    harness.observe([since(130, Verdict::Insufficient)]);
    harness.expect_notified(&[(AlertChangeKind::Raised, WARNING)]);
    harness.observe([since(150, Verdict::AtLimit)]);
    harness.expect_notified(&[]);
    harness.observe([since(170, Verdict::Met)]);
    harness.advance(10 * MINUTE_MS);
    harness.expect_notified(&[(AlertChangeKind::Recovered, WARNING)]);
}

#[test]
fn a_fast_burn_pages() {
    let mut harness = AlertHarness::new();
    let burn = |over: u64| {
        let tally = BudgetTally::new(1000, 1000 - over);
        let windows = BurnWindows { half_hour: tally, six_hours: tally, three_days: tally };
        cell("/", SignalReading::Burn { windows, percentile: 75 })
    };
    harness.observe([burn(310)]);
    harness.observe([burn(510)]);
    harness.expect_notified(&[(AlertChangeKind::Raised, WARNING), (AlertChangeKind::Escalated, CRITICAL)]);
    let silent = BurnWindows::default();
    harness.observe([cell("/", SignalReading::Burn { windows: silent, percentile: 75 })]);
    assert_eq!(harness.alerts.raised(harness.now).len(), 1, "no visitors do not prove a recovery");
}

#[test]
fn missing_beacons_and_their_return_are_notified() {
    let mut harness = AlertHarness::new();
    let missing_beacons = |expected| AlertObservation::for_site(SignalReading::MissingBeacons(expected));
    harness.observe([missing_beacons(15.0)]);
    harness.expect_notified(&[]);
    harness.observe([missing_beacons(17.0)]);
    harness.observe([missing_beacons(40.0)]);
    harness.expect_notified(&[(AlertChangeKind::Raised, WARNING), (AlertChangeKind::Escalated, CRITICAL)]);
    harness.observe([missing_beacons(0.0)]);
    harness.advance(10 * MINUTE_MS);
    harness.expect_notified(&[(AlertChangeKind::Recovered, CRITICAL)]);
}

#[test]
fn many_routes_share_one_notification_and_late_ones_are_grouped() {
    let mut harness = AlertHarness::new();
    let bad = |route: usize| cell(&format!("/{route}"), SignalReading::Verdict(Verdict::Violated));
    harness.observe((0..30).map(bad));
    harness.observe((0..30).map(bad));
    let sizes = |harness: &AlertHarness| {
        harness.notifications.iter().map(|notification| notification.changes.len()).collect::<Vec<_>>()
    };
    assert_eq!(sizes(&harness), [30]);
    for route in 30..33 {
        harness.observe([bad(route)]);
        harness.observe([bad(route)]);
    }
    // Later changes wait for five minutes and are then sent together.
    assert_eq!(sizes(&harness)[0], 30);
    harness.advance(5 * MINUTE_MS);
    assert_eq!(sizes(&harness).iter().sum::<usize>(), 33);
    assert!(harness.notifications.len() <= 3, "{:?}", sizes(&harness));
}

#[test]
fn an_alert_that_recovers_within_the_group_interval_is_not_notified() {
    let mut harness = AlertHarness::new();
    harness.observe([cell("/", SignalReading::Verdict(Verdict::Violated))]);
    harness.observe([cell("/", SignalReading::Verdict(Verdict::Violated))]);
    harness.expect_notified(&[(AlertChangeKind::Raised, WARNING)]);
    harness.observe([cell("/a", SignalReading::Verdict(Verdict::Violated))]);
    harness.observe([cell("/a", SignalReading::Verdict(Verdict::Violated))]);
    harness.observe([cell("/a", SignalReading::Verdict(Verdict::Met))]);
    harness.advance(HOUR_MS);
    harness.expect_notified(&[]);
}

#[test]
fn a_silence_delays_notifications_until_it_ends() {
    let mut harness = AlertHarness::new();
    let silence = Silence {
        signal: None,
        route: None,
        from: START,
        until: START.saturating_add(HOUR_MS),
        by: "ops".into(),
        reason: "a new database".into(),
    };
    harness.handle(AlertInput::Silence(silence));
    for _ in 0..10 {
        harness.observe([slow(2000.0)]);
    }
    harness.expect_notified(&[]);
    assert!(harness.alerts.raised(harness.now)[0].silenced, "a silenced alert is still listed");
    assert_eq!(harness.wake_at, Some(START.saturating_add(HOUR_MS)));
    harness.advance(HOUR_MS);
    harness.expect_notified(&[(AlertChangeKind::Raised, CRITICAL)]);
    assert!(harness.alerts.silences().is_empty());
}

#[test]
fn an_alert_that_recovers_while_silenced_is_never_notified() {
    let mut harness = AlertHarness::new();
    let until = START.saturating_add(HOUR_MS);
    let silence = Silence {
        signal: Some(Signal::ResponseTime),
        route: None,
        from: START,
        until,
        by: "ops".into(),
        reason: "known".into(),
    };
    harness.handle(AlertInput::Silence(silence));
    for p95 in [900.0, 900.0, 900.0, 100.0, 100.0] {
        // Another signal is not silenced.
        let memory = AlertObservation::for_site(SignalReading::Memory { percent: 75.0, forecast: None });
        harness.observe([slow(p95), memory]);
    }
    harness.advance(2 * HOUR_MS);
    harness.expect_notified(&[(AlertChangeKind::Raised, WARNING)]);
}

#[test]
fn a_recovery_is_notified_even_while_silenced() {
    let mut harness = AlertHarness::new();
    harness.observe([slow(600.0)]);
    harness.observe([slow(600.0)]);
    let until = harness.now.saturating_add(24 * HOUR_MS);
    let silence =
        Silence { signal: None, route: None, from: START, until, by: "ann".into(), reason: "seen".into() };
    harness.handle(AlertInput::Silence(silence));
    harness.observe([slow(100.0)]);
    harness.observe([slow(100.0)]);
    harness.advance(10 * MINUTE_MS);
    harness.expect_notified(&[(AlertChangeKind::Raised, WARNING), (AlertChangeKind::Recovered, WARNING)]);
    harness.observe([slow(600.0)]);
    harness.observe([slow(600.0)]);
    let number = *harness.alerts.silences().keys().next().unwrap();
    harness.expect_notified(&[]);
    harness.handle(AlertInput::Unsilence(number));
    harness.advance(10 * MINUTE_MS);
    harness.expect_notified(&[(AlertChangeKind::Raised, WARNING)]);
}

#[test]
fn an_acknowledged_alert_has_no_reminders_until_it_escalates() {
    let mut harness = AlertHarness::new();
    harness.observe([slow(1500.0)]);
    harness.observe([slow(1500.0)]);
    harness.expect_notified(&[(AlertChangeKind::Raised, CRITICAL)]);
    harness.advance(4 * HOUR_MS + 6 * MINUTE_MS);
    harness.expect_notified(&[(AlertChangeKind::Reminder, CRITICAL)]);
    let key = harness.alerts.raised(harness.now)[0].key.clone();
    harness.handle(AlertInput::Acknowledge { key, by: "ann".into() });
    assert_eq!(harness.alerts.raised(harness.now)[0].acknowledged.as_ref().unwrap().by, "ann");
    harness.advance(20 * HOUR_MS);
    harness.expect_notified(&[]);

    let mut harness = AlertHarness::new();
    harness.observe([slow(600.0)]);
    harness.observe([slow(600.0)]);
    let key = harness.alerts.raised(harness.now)[0].key.clone();
    harness.handle(AlertInput::Acknowledge { key, by: "ann".into() });
    harness.observe([slow(1500.0)]);
    harness.observe([slow(1500.0)]);
    harness.expect_notified(&[(AlertChangeKind::Raised, WARNING), (AlertChangeKind::Escalated, CRITICAL)]);
    assert_eq!(harness.alerts.raised(harness.now)[0].acknowledged, None);
}

#[test]
fn an_undelivered_notification_is_retried_and_delivered_once() {
    let mut harness = AlertHarness::new();
    harness.channels_down = true;
    harness.observe([slow(600.0)]);
    harness.observe([slow(600.0)]);
    // The alert ends before delivery, but the notification may be on its way.
    harness.observe([slow(100.0)]);
    harness.observe([slow(100.0)]);
    harness.channels_down = false;
    harness.advance(5 * MINUTE_MS);
    harness.advance(6 * MINUTE_MS);
    harness.expect_notified(&[(AlertChangeKind::Raised, WARNING), (AlertChangeKind::Recovered, WARNING)]);
}

#[test]
fn an_unobserved_alert_lapses_and_is_not_reported_as_recovered() {
    let mut harness = AlertHarness::new();
    harness.observe([slow(600.0)]);
    harness.observe([slow(600.0)]);
    harness.expect_notified(&[(AlertChangeKind::Raised, WARNING)]);
    harness.advance(3 * 24 * HOUR_MS);
    assert!(
        harness.notifications[0].changes[0].message.contains("recovery is unproven"),
        "{:?}",
        harness.notifications
    );
    harness.expect_notified(&[(AlertChangeKind::Lapsed, WARNING)]);
}

#[test]
fn dedup_keys_are_unique_and_fit_every_channel() {
    let mut harness = AlertHarness::new();
    let route = format!("/{}", "ü".repeat(400));
    let bad = |route: &str, device| AlertObservation {
        route: Some(route.into()),
        device,
        series: None,
        reading: SignalReading::Verdict(Verdict::Violated),
    };
    for _ in 0..2 {
        harness.observe([
            bad(&route, None),
            bad(&route, Some(Device::Phone)),
            bad("/a", None),
            bad("/b", None),
        ]);
    }
    let keys: BTreeSet<String> =
        harness.alerts.raised(harness.now).into_iter().map(|alert| alert.key).collect();
    assert_eq!(keys.len(), 4);
    assert!(keys.iter().all(|key| key.len() <= 255 && key.is_ascii()), "{keys:?}");
}

#[test]
fn a_flood_of_subjects_is_bounded_and_counted() {
    let mut harness = AlertHarness::new();
    let bad = |route: usize| cell(&format!("/{route}"), SignalReading::Verdict(Verdict::Violated));
    harness.alerts.handle(AlertInput::Observations((0..2500).map(bad).collect()), START).clear();
    assert_eq!(harness.alerts.overflow, 2000);
}

#[derive(Clone, Debug)]
enum AlertStep {
    Observe(usize, f64),
    ChannelsDown(bool),
    Advance(u64),
    Silence(u64),
}

proptest! {
    /// The announced changes of an alert are a beginning, then escalations and reminders, then an end. No end
    /// without a beginning, and no second beginning.
    #[test]
    fn announced_changes_form_a_consistent_sequence(
        steps in proptest::collection::vec(prop_oneof![
            8 => (0..3_usize, prop_oneof![Just(100.0), Just(470.0), Just(600.0), Just(1200.0)])
                .prop_map(|(route, p95)| AlertStep::Observe(route, p95)),
            1 => any::<bool>().prop_map(AlertStep::ChannelsDown),
            2 => (0..6 * HOUR_MS).prop_map(AlertStep::Advance),
            1 => (0..2 * HOUR_MS).prop_map(AlertStep::Silence),
        ], 0..120),
    ) {
        let mut harness = AlertHarness::new();
        let observation = |route: usize, p95| AlertObservation {
            route: Some(format!("/{route}")),
            device: None,
            series: None,
            reading: SignalReading::ResponseTime(SampledValue::new(1000, p95)),
        };
        for step in steps {
            match step {
                AlertStep::Observe(route, p95) => harness.observe([observation(route, p95)]),
                AlertStep::ChannelsDown(is_down) => harness.channels_down = is_down,
                AlertStep::Advance(span) => harness.advance(span),
                AlertStep::Silence(span) => harness.handle(AlertInput::Silence(Silence {
                    signal: None, route: None, from: harness.now, until: harness.now.saturating_add(span),
                    by: "x".into(), reason: String::new(),
                })),
            }
        }
        harness.channels_down = false;
        for _ in 0..2 {
            harness.observe((0..3).map(|route| observation(route, 100.0)));
        }
        for _ in 0..4 {
            harness.advance(2 * HOUR_MS);
        }
        prop_assert_eq!(harness.alerts.raised(harness.now), vec![]);
        let mut open: BTreeMap<String, AlertLevel> = BTreeMap::new();
        for change in harness.notifications.iter().flat_map(|notification| &notification.changes) {
            let known = open.get(&change.key).copied();
            match (change.kind, known) {
                (AlertChangeKind::Raised, None) => drop(open.insert(change.key.clone(), change.level)),
                (AlertChangeKind::Escalated, Some(AlertLevel::Warning)) => drop(open.insert(change.key.clone(), change.level)),
                (AlertChangeKind::Reminder, Some(level)) => prop_assert_eq!(level, change.level),
                (AlertChangeKind::Recovered | AlertChangeKind::Lapsed, Some(_)) => drop(open.remove(&change.key)),
                (kind, known) => panic!("{kind:?} after {known:?} of {}", change.key),
            }
        }
        prop_assert!(open.is_empty(), "alerts without an end: {:?}", open);
    }
}
