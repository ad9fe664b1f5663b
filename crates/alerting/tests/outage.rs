//! An origin that is down, and the alerts that follow from it.

use alerting::inputs::origin_observations;
use alerting::notification::{AlertChangeKind, Notification};
use alerting::{AlertEffect, AlertInput, AlertObservation, Alerts, SampledValue, SignalReading};
use report::origin_evidence::with_check;
use report::signals::Signal;
use traffic::OriginStats;
use wire::UnixMillis;

const MINUTE_MS: u64 = 60_000;

struct Site {
    alerts: Alerts,
    now: UnixMillis,
    notified: Vec<Notification>,
}

impl Site {
    fn new() -> Self {
        Self { alerts: Alerts::new("shop".into()), now: UnixMillis(1_800_000_000_000), notified: Vec::new() }
    }

    /// Lets a minute pass with that share of requests to the origin that fail, and that hit ratio.
    fn minute(&mut self, failures: u64, hit_percent: f64) {
        self.now = self.now.saturating_add(MINUTE_MS);
        let requests = OriginStats { requests: 60, unreachable: failures, server_errors: 0 };
        let mut all = origin_observations(&with_check([("shop.example".to_owned(), requests)].into(), None));
        all.push(AlertObservation::for_site(SignalReading::HitRatio(SampledValue::new(900, hit_percent))));
        let mut inputs = vec![AlertInput::Observations(all)];
        while let Some(input) = inputs.pop() {
            for effect in self.alerts.handle(input, self.now) {
                let AlertEffect::Notify(notification) = effect else { continue };
                inputs.push(AlertInput::Delivered { notification: notification.number, channels: vec![] });
                self.notified.push(notification);
            }
        }
    }

    fn changes(&self) -> Vec<(Signal, AlertChangeKind)> {
        let of = |one: &Notification| {
            one.changes.iter().map(|change| (change.subject.signal, change.kind)).collect::<Vec<_>>()
        };
        self.notified.iter().flat_map(of).collect()
    }
}

#[test]
fn what_follows_from_an_outage_is_named_in_its_notification_and_not_announced() {
    let mut site = Site::new();
    (0..5).for_each(|_| site.minute(0, 80.0));
    (0..10).for_each(|_| site.minute(60, 10.0));
    assert_eq!(site.changes(), [(Signal::Origin, AlertChangeKind::Raised)]);
    let message = site
        .notified
        .iter()
        .flat_map(|one| &one.changes)
        .map(|change| change.message.clone())
        .collect::<String>();
    assert!(message.starts_with("Origin shop.example: 60 of the latest 60 requests failed"), "{message}");
    assert!(message.ends_with("From this follows: The site: the cache hit ratio is 10 %."), "{message}");
    let raised = site.alerts.raised(site.now);
    let follows: Vec<_> = raised.iter().map(|one| (one.subject.signal, one.follows_from_origin)).collect();
    assert_eq!(follows, [(Signal::Origin, false), (Signal::HitRatio, true)]);
    // The cache fills again, a while after the origin is back.
    (0..10).for_each(|_| site.minute(0, 40.0));
    (0..5).for_each(|_| site.minute(0, 80.0));
    assert_eq!(
        site.changes(),
        [(Signal::Origin, AlertChangeKind::Raised), (Signal::Origin, AlertChangeKind::Recovered)]
    );
}

#[test]
fn what_outlasts_an_outage_is_announced_then() {
    let mut site = Site::new();
    (0..10).for_each(|_| site.minute(60, 10.0));
    (0..15).for_each(|_| site.minute(0, 10.0));
    assert!(!site.changes().contains(&(Signal::HitRatio, AlertChangeKind::Raised)));
    (0..10).for_each(|_| site.minute(0, 10.0));
    assert!(site.changes().contains(&(Signal::HitRatio, AlertChangeKind::Raised)));
}

#[test]
fn a_short_failure_announces_nothing_and_hides_nothing() {
    let mut site = Site::new();
    (0..5).for_each(|_| site.minute(0, 10.0));
    (0..2).for_each(|_| site.minute(60, 10.0));
    (0..5).for_each(|_| site.minute(0, 10.0));
    assert_eq!(site.changes(), [(Signal::HitRatio, AlertChangeKind::Raised)]);
}
