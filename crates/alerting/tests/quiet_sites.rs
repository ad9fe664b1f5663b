//! A healthy site with few requests for a year, from a fixed seed: how often a monitor of the health document, and the
//! alerts, would page.

use std::collections::VecDeque;

use alerting::inputs::origin_observations;
use alerting::{AlertEffect, AlertInput, AlertObservation, Alerts, SampledValue, SignalReading};
use budget::share_interval;
use report::health::{Availability, CacheHealth, Health, HealthInputs, HealthStatus, RequestHealth};
use report::origin_evidence::with_check;
use report::signals::AlertLevel;
use traffic::OriginStats;
use wire::UnixMillis;

const START: UnixMillis = UnixMillis(1_800_000_000_000);
const MINUTES_PER_DAY: u64 = 24 * 60;
const MINUTES: u64 = 365 * MINUTES_PER_DAY;

/// One response in ten thousand is an error, one in fifty is slower than 500 ms, four of five lookups are hits.
const ERROR_SHARE: f64 = 0.0001;
const SLOW_SHARE: f64 = 0.02;
const HIT_SHARE: f64 = 0.8;

/// SplitMix64, for equal numbers on every machine.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn poisson(&mut self, mean: f64) -> u64 {
        let (threshold, mut product, mut count) = ((-mean).exp(), self.uniform(), 0);
        while product > threshold {
            product *= self.uniform();
            count += 1;
        }
        count
    }
}

#[derive(Clone, Copy, Default)]
struct Counts {
    n: u64,
    errors: u64,
    slow: u64,
    hits: u64,
}

impl Counts {
    fn add(&mut self, other: Self, sign: i64) {
        let add = |a: &mut u64, b: u64| *a = a.wrapping_add_signed(sign * i64::try_from(b).unwrap_or(0));
        add(&mut self.n, other.n);
        add(&mut self.errors, other.errors);
        add(&mut self.slow, other.slow);
        add(&mut self.hits, other.hits);
    }
}

/// The sums of the last minutes.
struct Sliding {
    span: usize,
    minutes: VecDeque<Counts>,
    sum: Counts,
}

impl Sliding {
    fn new(span: usize) -> Self {
        Self { span, minutes: VecDeque::new(), sum: Counts::default() }
    }

    fn push(&mut self, counts: Counts) {
        self.minutes.push_back(counts);
        self.sum.add(counts, 1);
        if self.minutes.len() > self.span
            && let Some(old) = self.minutes.pop_front()
        {
            self.sum.add(old, -1);
        }
    }
}

/// Returns the pages of a monitor that reads the health document, and of the alerts, in a year.
fn pages_in_a_year(requests_per_day: f64, seed: u64) -> (u64, u64) {
    let mut random = Random(seed);
    let mut alerts = Alerts::new("quiet".into());
    let (mut hour, mut day, mut quarter) = (Sliding::new(60), Sliding::new(24 * 60), Sliding::new(15));
    let (mut was_unhealthy, mut monitor_pages, mut alert_pages) = (false, 0, 0);
    for minute in 0..MINUTES {
        let mut counts =
            Counts { n: random.poisson(requests_per_day / MINUTES_PER_DAY as f64), ..Counts::default() };
        for _ in 0..counts.n {
            counts.errors += u64::from(random.uniform() < ERROR_SHARE);
            counts.slow += u64::from(random.uniform() < SLOW_SHARE);
            counts.hits += u64::from(random.uniform() < HIT_SHARE);
        }
        for sums in [&mut hour, &mut day, &mut quarter] {
            sums.push(counts);
        }
        // A busy site is judged every five minutes, a quiet one when something has changed.
        if counts.n == 0 || (requests_per_day > 1000.0 && minute % 5 > 0) {
            continue;
        }
        let now = START.saturating_add(minute * 60_000);
        let judged = if hour.sum.n < 100 { day.sum } else { hour.sum };
        let is_unhealthy = is_unhealthy(judged, now);
        monitor_pages += u64::from(is_unhealthy && !was_unhealthy);
        was_unhealthy = is_unhealthy;
        let mut inputs = vec![AlertInput::Observations(observations(quarter.sum))];
        while let Some(input) = inputs.pop() {
            for effect in alerts.handle(input, now) {
                let AlertEffect::Notify(notification) = effect else { continue };
                alert_pages += notification
                    .changes
                    .iter()
                    .filter(|change| change.level == AlertLevel::Critical && !change.kind.is_over())
                    .count() as u64;
                inputs.push(AlertInput::Delivered { notification: notification.number, channels: vec![] });
            }
        }
    }
    (monitor_pages, alert_pages)
}

fn is_unhealthy(Counts { n, errors, slow, hits }: Counts, now: UnixMillis) -> bool {
    let inputs = HealthInputs {
        vitals: Vec::new(),
        requests: Availability::Known(RequestHealth { n, errors, p95: 300.0, slower: [slow, slow / 10] }),
        cache: Availability::Known(CacheHealth { lookups: n, hits }),
        origin: Availability::NotUsed,
        last_beacon_at: Some(now),
        missed_views: 0.0,
        shards: None,
    };
    Health::evaluate(&inputs, now).status == HealthStatus::Unhealthy
}

fn observations(Counts { n, errors, hits, .. }: Counts) -> Vec<AlertObservation> {
    let [_, proven] = share_interval(hits, n, 0.025).map(|share| 100.0 * share);
    let value = 100.0 * hits as f64 / n.max(1) as f64;
    let requests = OriginStats { requests: n - hits, unreachable: 0, server_errors: errors.min(n - hits) };
    let mut all = origin_observations(&with_check([("shop.example".to_owned(), requests)].into(), None));
    all.push(AlertObservation::for_site(SignalReading::ErrorRate { answers: n, errors }));
    all.push(AlertObservation::for_site(SignalReading::HitRatio(SampledValue { n, value, proven })));
    all
}

#[test]
fn a_quiet_healthy_site_pages_at_most_once_a_year() {
    for requests_per_day in [10.0, 100.0, 10_000.0] {
        let (monitor, alerts) = pages_in_a_year(requests_per_day, 11);
        println!(
            "{requests_per_day} requests a day: {monitor} pages of a monitor, {alerts} of alerts in a year"
        );
        assert!(monitor + alerts <= 1, "{requests_per_day} requests a day: {monitor} and {alerts}");
    }
}

#[test]
fn a_site_that_is_not_healthy_pages_at_every_size() {
    for (n, errors) in [(100, 10), (1000, 30), (10_000, 100)] {
        assert!(is_unhealthy(Counts { n, errors, slow: 0, hits: n }, START), "{errors} of {n}");
    }
}
