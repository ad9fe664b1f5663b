//! A simulated site over ninety days with known incidents, from a fixed seed: detection delays and false alarms.
//! Traffic has hourly and weekly patterns, Poisson noise and additional noise. The table in `docs/alerts.md`
//! is printed by `cargo test -p alerting --test simulation -- --nocapture`.

#![expect(clippy::indexing_slicing, reason = "a test may fail by panic")]

use std::collections::{BTreeMap, BTreeSet};

use alerting::notification::AlertChangeKind;
use alerting::{AlertEffect, AlertInput, AlertObservation, Alerts, SampledValue, SignalReading};
use budget::{BudgetTally, BurnWindows, Verdict};
use report::anomaly::{Baseline, Noise};
use report::signals::{AlertLevel, Signal};
use wire::{Device, UnixMillis};

/// The interval between evaluations.
const STEP_MS: u64 = 10 * 60_000;
const STEPS_PER_HOUR: usize = 6;
const STEPS_PER_DAY: usize = 24 * STEPS_PER_HOUR;
const DAYS: usize = 90;
const TOTAL_STEPS: usize = DAYS * STEPS_PER_DAY;
const START: UnixMillis = UnixMillis(1_800_000_000_000);

/// Routes and device classes, with the visits per step at noon and the share of them within budget.
const CELLS: [(&str, Device, f64, f64); 6] = [
    ("/", Device::Phone, 120.0, 0.86),
    ("/", Device::Desktop, 90.0, 0.93),
    ("/product/:id", Device::Phone, 80.0, 0.82),
    ("/product/:id", Device::Desktop, 60.0, 0.90),
    ("/checkout", Device::Phone, 8.0, 0.88),
    ("/about", Device::Desktop, 1.5, 0.95),
];

/// A fault with its time and the signals that may detect it.
struct SimulatedIncident {
    name: &'static str,
    day: usize,
    hour: usize,
    duration_steps: usize,
    fault: Fault,
    detected_by: &'static [Signal],
    /// The maximum detection delay.
    max_delay_steps: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// The share within budget of a route falls to this value.
    SlowRoute(&'static str, f64),
    /// The 95th percentile of response times is multiplied.
    SlowResponses(f64),
    SlowQueries(f64),
    LowHitRatio(f64),
    Errors(f64),
    Memory(f64),
    /// All beacons are lost.
    NoBeacons,
    /// Only this share of the beacons arrives.
    LostBeacons(f64),
    BackendDown,
}

const INCIDENTS: [SimulatedIncident; 13] = [
    SimulatedIncident {
        name: "a release without the client",
        day: 33,
        hour: 10,
        duration_steps: 3 * STEPS_PER_HOUR,
        fault: Fault::NoBeacons,
        detected_by: &[Signal::MissingBeacons],
        max_delay_steps: 1,
    },
    SimulatedIncident {
        name: "product pages twice as slow",
        day: 36,
        hour: 9,
        duration_steps: 2 * STEPS_PER_DAY,
        fault: Fault::SlowRoute("/product/:id", 0.45),
        detected_by: &[Signal::Anomaly, Signal::Burn, Signal::Evidence, Signal::Verdict],
        max_delay_steps: STEPS_PER_HOUR,
    },
    SimulatedIncident {
        name: "product pages slightly too slow",
        day: 41,
        hour: 9,
        duration_steps: 6 * STEPS_PER_DAY,
        fault: Fault::SlowRoute("/product/:id", 0.70),
        detected_by: &[Signal::Anomaly, Signal::Burn, Signal::Evidence, Signal::Verdict],
        max_delay_steps: 2 * STEPS_PER_DAY,
    },
    SimulatedIncident {
        name: "a slow checkout with few visits",
        day: 50,
        hour: 8,
        duration_steps: 4 * STEPS_PER_DAY,
        fault: Fault::SlowRoute("/checkout", 0.50),
        detected_by: &[Signal::Anomaly, Signal::Burn, Signal::Evidence, Signal::Verdict],
        max_delay_steps: 12 * STEPS_PER_HOUR,
    },
    SimulatedIncident {
        name: "responses three times as slow",
        day: 56,
        hour: 14,
        duration_steps: 2 * STEPS_PER_HOUR,
        fault: Fault::SlowResponses(3.0),
        detected_by: &[Signal::ResponseTime],
        max_delay_steps: 2,
    },
    SimulatedIncident {
        name: "responses 60 % slower",
        day: 58,
        hour: 12,
        duration_steps: 4 * STEPS_PER_HOUR,
        fault: Fault::SlowResponses(1.6),
        detected_by: &[Signal::Anomaly],
        max_delay_steps: STEPS_PER_HOUR,
    },
    SimulatedIncident {
        name: "a query without its index",
        day: 60,
        hour: 11,
        duration_steps: 5 * STEPS_PER_HOUR,
        fault: Fault::SlowQueries(4.0),
        detected_by: &[Signal::QueryTime],
        max_delay_steps: 2,
    },
    SimulatedIncident {
        name: "a cookie that empties the cache",
        day: 64,
        hour: 9,
        duration_steps: 8 * STEPS_PER_HOUR,
        fault: Fault::LowHitRatio(0.40),
        detected_by: &[Signal::HitRatio],
        max_delay_steps: 3,
    },
    SimulatedIncident {
        name: "one response in 50 an error",
        day: 67,
        hour: 16,
        duration_steps: STEPS_PER_HOUR,
        fault: Fault::Errors(0.02),
        detected_by: &[Signal::ErrorRate],
        max_delay_steps: 2,
    },
    SimulatedIncident {
        name: "one response in 400 an error",
        day: 70,
        hour: 10,
        duration_steps: 6 * STEPS_PER_HOUR,
        fault: Fault::Errors(0.0025),
        detected_by: &[Signal::ErrorRate],
        max_delay_steps: STEPS_PER_HOUR,
    },
    SimulatedIncident {
        name: "a memory leak",
        day: 74,
        hour: 2,
        duration_steps: 9 * STEPS_PER_HOUR,
        fault: Fault::Memory(90.0),
        detected_by: &[Signal::Memory],
        max_delay_steps: 8 * STEPS_PER_HOUR,
    },
    SimulatedIncident {
        name: "three of five beacons blocked",
        day: 78,
        hour: 11,
        duration_steps: 6 * STEPS_PER_HOUR,
        fault: Fault::LostBeacons(0.4),
        detected_by: &[Signal::Anomaly],
        max_delay_steps: 2 * STEPS_PER_HOUR,
    },
    SimulatedIncident {
        name: "a backend down at night",
        day: 82,
        hour: 1,
        duration_steps: 8 * STEPS_PER_HOUR,
        fault: Fault::BackendDown,
        detected_by: &[Signal::Backlog],
        max_delay_steps: 2 * STEPS_PER_HOUR,
    },
];

/// The time after an incident in which signals still include it: three days for burn rates, seven for verdicts.
const AFTERMATH_STEPS: usize = 8 * STEPS_PER_DAY;

/// SplitMix64, for equal numbers on every machine.
struct SimulationRng(u64);

impl SimulationRng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    /// A Poisson-distributed count of that mean.
    fn poisson(&mut self, mean: f64) -> u64 {
        if mean > 50.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as u64;
        }
        let (threshold, mut product, mut count) = ((-mean).exp(), self.uniform(), 0);
        while product > threshold {
            product *= self.uniform();
            count += 1;
        }
        count
    }

    fn binomial(&mut self, n: u64, share: f64) -> u64 {
        let (mean, variance) = (n as f64 * share, n as f64 * share * (1.0 - share));
        match variance {
            _ if variance > 25.0 => {
                (mean + variance.sqrt() * self.normal()).round().clamp(0.0, n as f64) as u64
            }
            _ if share < 0.01 => self.poisson(mean).min(n),
            _ => (0..n).filter(|_| self.uniform() < share).count() as u64,
        }
    }
}

/// Cumulative sums of visits, so that any span takes one subtraction.
#[derive(Default)]
struct CumulativeVisits(Vec<(u64, u64)>);

impl CumulativeVisits {
    fn push(&mut self, n: u64, within: u64) {
        let (all, total_within) = self.0.last().copied().unwrap_or_default();
        self.0.push((all + n, total_within + within));
    }

    fn last(&self, steps: usize) -> BudgetTally {
        let (all, total_within) = self.0.last().copied().unwrap_or_default();
        let before = self.0.len().checked_sub(steps + 1).map_or((0, 0), |index| self.0[index]);
        BudgetTally::new(all - before.0, total_within - before.1)
    }
}

/// The site-wide values of one step.
#[derive(Clone, Copy, Default)]
struct SiteSample {
    views: u64,
    /// The views of the last hour.
    views_of_hour: u64,
    answers: u64,
    errors: u64,
    p95: f64,
    hits: f64,
    /// The share within budget of each cell in the last hour.
    shares_in_budget: [f64; CELLS.len()],
}

struct NotifiedChange {
    step: usize,
    signal: Signal,
    kind: AlertChangeKind,
    level: AlertLevel,
    message: String,
    about: (Option<String>, Option<Device>),
}

impl NotifiedChange {
    fn cell(&self) -> usize {
        let is_it = |(route, device, ..): &(&str, Device, f64, f64)| {
            self.about == (Some((*route).to_owned()), Some(*device))
        };
        CELLS.iter().position(is_it).unwrap_or_default()
    }
}

/// The visit rate by hour and weekday.
fn traffic_level(step: usize) -> f64 {
    let hour = (step % STEPS_PER_DAY) as f64 / STEPS_PER_HOUR as f64;
    let weekend = if step / STEPS_PER_DAY % 7 >= 5 { 0.75 } else { 1.0 };
    weekend * (0.525 - 0.475 * (std::f64::consts::TAU * (hour - 1.0) / 24.0).cos())
}

fn simulate(seed: u64, incidents: &[SimulatedIncident]) -> Vec<NotifiedChange> {
    let mut rng = SimulationRng(seed);
    let mut alerts = Alerts::new("shop".into());
    let mut notified = Vec::new();
    let mut visits: Vec<CumulativeVisits> = CELLS.iter().map(|_| CumulativeVisits::default()).collect();
    let mut verdicts = [Verdict::Unknown; CELLS.len()];
    let mut since_release: Vec<BudgetTally> = vec![BudgetTally::default(); CELLS.len()];
    let mut history: Vec<SiteSample> = Vec::with_capacity(TOTAL_STEPS);
    let mut last_beacon_step = 0;
    let mut backlog = 0_u64;

    for step in 0..TOTAL_STEPS {
        let active_incident = incidents.iter().find(|incident| incident.is_active(step));
        let active_fault = active_incident.map(|incident| incident.fault);
        let mut observations = Vec::new();
        // Every two weeks a release resets the evidence.
        if step % (14 * STEPS_PER_DAY) == 10 * STEPS_PER_HOUR {
            since_release.fill(BudgetTally::default());
        }

        let mut sample = SiteSample::default();
        let day = 1.0 + 0.04 * rng.normal();
        for (cell, (route, device, noon, share)) in CELLS.iter().enumerate() {
            let arriving = match active_fault {
                Some(Fault::NoBeacons) => 0.0,
                Some(Fault::LostBeacons(share)) => share,
                _ => 1.0,
            };
            let n = rng.poisson((noon * traffic_level(step) * day).max(0.0) * arriving);
            let share = match active_fault {
                Some(Fault::SlowRoute(slow, share)) if slow == *route => share,
                _ => (share + 0.01 * rng.normal()).clamp(0.0, 1.0),
            };
            let within = rng.binomial(n, share);
            sample.views += n;
            visits[cell].push(n, within);
            let since = &mut since_release[cell];
            *since = BudgetTally::new(since.n() + n, since.within + within);
            // The weekly window advances by the hour.
            if step % STEPS_PER_HOUR == 0 {
                verdicts[cell] = visits[cell].last(7 * STEPS_PER_DAY).verdict(75, 30);
            }
            let verdict = verdicts[cell];
            let windows = BurnWindows {
                half_hour: visits[cell].last(STEPS_PER_HOUR / 2),
                six_hours: visits[cell].last(6 * STEPS_PER_HOUR),
                three_days: visits[cell].last(3 * STEPS_PER_DAY),
            };
            let evidence = SignalReading::Evidence { since: *since, verdict, percentile: 75 };
            for reading in
                [SignalReading::Verdict(verdict), evidence, SignalReading::Burn { windows, percentile: 75 }]
            {
                let (route, series) = (Some((*route).into()), Some("LCP".into()));
                observations.push(AlertObservation { route, device: Some(*device), series, reading });
            }
        }

        if sample.views > 0 {
            last_beacon_step = step;
        }
        sample.answers = rng.poisson(2400.0 * traffic_level(step) * day);
        let factor = |wanted: fn(Fault) -> Option<f64>| active_fault.and_then(wanted).unwrap_or(1.0);
        // The percentile of fewer responses is noisier.
        let jitter = (0.05 + 1.2 / (sample.answers.max(1) as f64).sqrt()) * rng.normal();
        let slower = factor(|fault| if let Fault::SlowResponses(by) = fault { Some(by) } else { None });
        sample.p95 = 260.0 * (1.0 + 0.1 * traffic_level(step)) * jitter.exp() * slower;
        let queries = 150.0
            * (0.08 * rng.normal()).exp()
            * factor(|fault| if let Fault::SlowQueries(by) = fault { Some(by) } else { None });
        let hits = match active_fault {
            Some(Fault::LowHitRatio(share)) => share,
            _ => 0.82 + 0.01 * rng.normal(),
        };
        sample.hits = 100.0 * rng.binomial(sample.answers, hits) as f64 / sample.answers.max(1) as f64;
        let errors = match active_fault {
            Some(Fault::Errors(share)) => share,
            _ => 0.0001,
        };
        sample.errors = rng.binomial(sample.answers, errors);
        // An error rate of 1 in 1000 needs thousands of responses: those of half an hour.
        let half_hour = || history.iter().rev().take(STEPS_PER_HOUR / 2 - 1).chain([&sample]);
        let answers: u64 = half_hour().map(|sample| sample.answers).sum();
        let errors: u64 = half_hour().map(|sample| sample.errors).sum();
        let memory = match (active_fault, active_incident) {
            (Some(Fault::Memory(end)), Some(incident)) => {
                let grown = (step - incident.start_step()) as f64 / incident.duration_steps as f64;
                45.0 + (end - 45.0) * grown
            }
            _ => 45.0 + 2.0 * rng.normal(),
        };
        backlog = if active_fault == Some(Fault::BackendDown) { backlog + 10 } else { rng.poisson(0.3) };

        let measured = |n, value| SampledValue { n, value };
        observations.extend(
            [
                SignalReading::ResponseTime(measured(sample.answers, sample.p95)),
                SignalReading::QueryTime(measured(sample.answers / 5, queries)),
                SignalReading::HitRatio(measured(sample.answers, sample.hits)),
                SignalReading::ErrorRate { answers, errors },
                SignalReading::Memory(memory),
                SignalReading::Backlog(backlog),
            ]
            .map(AlertObservation::for_site),
        );

        // The baseline: the same time on the last 35 days, the retention of hourly values.
        let earlier = |of: fn(&SiteSample) -> f64| -> Vec<f64> {
            let days = (1..=35).filter_map(|days| step.checked_sub(days * STEPS_PER_DAY));
            days.map(|past_step| of(&history[past_step])).collect()
        };
        let missed_views: f64 = (last_beacon_step + 1..=step)
            .map(|at| {
                let days = (1..=35).filter_map(|days| at.checked_sub(days * STEPS_PER_DAY));
                let views: Vec<f64> = days
                    .filter_map(|past_step| history.get(past_step))
                    .map(|sample| sample.views as f64)
                    .collect();
                Baseline::from_history(&views).map_or(0.0, |usual| usual.median)
            })
            .sum();
        observations.push(AlertObservation::for_site(SignalReading::MissingBeacons(missed_views)));
        let mut observe_anomaly = |series: &str, n, value, noise, earlier: &[f64]| {
            if let Some(usual) = Baseline::from_history(earlier) {
                let reading =
                    SignalReading::Anomaly(SampledValue { n, value: usual.deviations(value, noise) });
                observations.push(AlertObservation {
                    route: None,
                    device: None,
                    series: Some(series.into()),
                    reading,
                });
            }
        };
        sample.views_of_hour =
            history.iter().rev().take(STEPS_PER_HOUR - 1).map(|sample| sample.views).sum::<u64>()
                + sample.views;
        let usual_views = earlier(|sample| sample.views_of_hour as f64);
        // `n` is the usual number, so that series with few events give no anomaly.
        let expected = Baseline::from_history(&usual_views).map_or(0.0, |usual| usual.median) as u64;
        observe_anomaly("views", expected, sample.views_of_hour as f64, Noise::Count, &usual_views);
        observe_anomaly(
            "response time",
            sample.answers,
            sample.p95,
            Noise::Value,
            &earlier(|sample| sample.p95),
        );
        for (cell, (route, device, ..)) in CELLS.iter().enumerate() {
            let hour = visits[cell].last(STEPS_PER_HOUR);
            let share = hour.within as f64 / hour.n().max(1) as f64;
            sample.shares_in_budget[cell] = share;
            let days = (1..=35).filter_map(|days| step.checked_sub(days * STEPS_PER_DAY));
            let earlier: Vec<f64> = days.map(|past_step| history[past_step].shares_in_budget[cell]).collect();
            observe_anomaly(
                &format!("LCP of {route} on {}s", device.name()),
                hour.n(),
                share,
                Noise::Share { n: hour.n() },
                &earlier,
            );
        }
        history.push(sample);

        let now = START.saturating_add(STEP_MS * step as u64);
        let mut inputs = vec![AlertInput::Observations(observations)];
        while let Some(input) = inputs.pop() {
            for effect in alerts.handle(input, now) {
                let AlertEffect::Notify(notification) = effect else { continue };
                inputs.push(AlertInput::Delivered { notification: notification.number, channels: vec![] });
                // Every alert is acknowledged at once.
                let acknowledge = |change: &alerting::notification::AlertChange| AlertInput::Acknowledge {
                    key: change.key.clone(),
                    by: "on-change".into(),
                };
                inputs.extend(notification.changes.iter().map(acknowledge));
                notified.extend(notification.changes.into_iter().map(|change| NotifiedChange {
                    step,
                    signal: notification.signal,
                    kind: change.kind,
                    level: change.level,
                    message: change.message,
                    about: (change.subject.route, change.subject.device),
                }));
            }
        }
        // A cleared evidence alert resets the evidence of its cell.
        for change in notified.iter().rev().take_while(|change| change.step == step) {
            if change.signal == Signal::Evidence && change.kind == AlertChangeKind::Recovered {
                since_release[change.cell()] = BudgetTally::default();
            }
        }
    }
    notified
}

impl SimulatedIncident {
    const fn start_step(&self) -> usize {
        self.day * STEPS_PER_DAY + self.hour * STEPS_PER_HOUR
    }

    fn is_active(&self, step: usize) -> bool {
        (self.start_step()..self.start_step() + self.duration_steps).contains(&step)
    }

    fn explains(&self, change: &NotifiedChange) -> bool {
        (self.start_step()..self.start_step() + self.duration_steps + AFTERMATH_STEPS).contains(&change.step)
            && (self.detected_by.contains(&change.signal) || self.also_detected_by().contains(&change.signal))
    }

    /// Other signals that the fault may affect.
    fn also_detected_by(&self) -> &'static [Signal] {
        match self.fault {
            Fault::NoBeacons | Fault::LostBeacons(_) | Fault::SlowResponses(_) => {
                &[Signal::Anomaly, Signal::ResponseTime]
            }
            _ => &[],
        }
    }
}

const fn is_raised_or_escalated(change: &NotifiedChange) -> bool {
    matches!(change.kind, AlertChangeKind::Raised | AlertChangeKind::Escalated)
}

fn steps_as_duration(steps: usize) -> String {
    report::time_format::duration(STEP_MS * steps as u64)
}

#[test]
fn incidents_are_detected_in_time_with_few_false_alerts() {
    let changes = simulate(7, &INCIDENTS);
    println!("| incident | duration | first announced by | delay |\n| --- | --- | --- | --- |");
    let page = include_str!("../../../docs/alerts.md");
    let mut late = Vec::new();
    for incident in &INCIDENTS {
        let detection = changes.iter().find(|change| {
            is_raised_or_escalated(change)
                && incident.detected_by.contains(&change.signal)
                && incident.is_active(change.step)
        });
        let after = detection.map(|change| change.step - incident.start_step());
        let (by, delay) = match (detection, after) {
            (Some(change), Some(after)) => {
                (format!("{} ({})", change.signal.name(), change.level.name()), steps_as_duration(after))
            }
            _ => ("none".into(), "undetected".into()),
        };
        let row = format!(
            "| {} | {} | {by} | {delay} |",
            incident.name,
            steps_as_duration(incident.duration_steps)
        );
        println!("{row}");
        assert!(page.contains(&row), "docs/alerts.md lacks this row: {row}");
        if after.is_none_or(|after| after > incident.max_delay_steps) {
            late.push(format!(
                "{}: {delay}, not within {}",
                incident.name,
                steps_as_duration(incident.max_delay_steps)
            ));
        }
    }
    let false_alerts: Vec<&NotifiedChange> = changes
        .iter()
        .filter(|change| {
            is_raised_or_escalated(change) && !INCIDENTS.iter().any(|incident| incident.explains(change))
        })
        .collect();
    let mut by_signal: BTreeMap<&str, usize> = BTreeMap::new();
    for change in &false_alerts {
        *by_signal.entry(change.signal.name()).or_default() += 1;
        println!(
            "false alarm: day {}, {}: {}",
            change.step / STEPS_PER_DAY,
            change.signal.name(),
            change.message
        );
    }
    let notifications: BTreeSet<(usize, Signal)> =
        changes.iter().map(|change| (change.step, change.signal)).collect();
    println!(
        "{} false alarms, {} notifications of {} changes in {DAYS} days: {by_signal:?}",
        false_alerts.len(),
        notifications.len(),
        changes.len()
    );
    assert!(late.is_empty(), "{late:#?}");
    assert!(false_alerts.len() <= 3, "{} false alarms", false_alerts.len());
    assert!(
        false_alerts.iter().all(|change| change.level == AlertLevel::Warning),
        "a false alarm is critical"
    );

    assert!(
        notifications.len() <= 100,
        "{} notifications for {} incidents are too many",
        notifications.len(),
        INCIDENTS.len()
    );

    // Every announced alert ends, and no alert is open at the end.
    let ends = changes.iter().filter(|change| change.kind.is_over()).count();
    let begun = changes.iter().filter(|change| change.kind == AlertChangeKind::Raised).count();
    assert_eq!(ends, begun, "an alert is still open a week after the last incident");
}

#[test]
fn ninety_quiet_days_raise_almost_no_alerts() {
    for seed in [1, 2] {
        let changes = simulate(seed, &[]);
        let raised: Vec<&NotifiedChange> =
            changes.iter().filter(|change| is_raised_or_escalated(change)).collect();
        println!("seed {seed}: {} alerts in {DAYS} quiet days", raised.len());
        for change in &raised {
            println!("  day {}, {}: {}", change.step / STEPS_PER_DAY, change.signal.name(), change.message);
        }
        assert!(raised.len() <= 2, "seed {seed}: {}", raised.len());
        assert!(raised.iter().all(|change| change.level == AlertLevel::Warning), "seed {seed}");
    }
}
