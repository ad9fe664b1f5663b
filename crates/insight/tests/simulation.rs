//! Ninety days of a site that never was, with incidents on known days, from a fixed seed: how soon each
//! is told, and how often people are called for nothing. Traffic has hours, weekdays, noise that
//! counts have and noise that they need not have. `cargo test -p insight --test simulation --
//! --nocapture` prints the table.

#![expect(clippy::indexing_slicing, reason = "a test may fail by panic")]

use std::collections::{BTreeMap, BTreeSet};

use budget::{Tally, Verdict, Windows};
use insight::alert::{Alerts, Effect, Input, Measured, Observation, Reading};
use insight::anomaly::{Noise, Usual};
use insight::notice::Kind;
use insight::target::{Level, Signal};
use wire::{Device, UnixMillis};

/// A look every ten minutes.
const LOOK: u64 = 10 * 60_000;
const HOUR: usize = 6;
const DAY: usize = 24 * HOUR;
const DAYS: usize = 90;
const LOOKS: usize = DAYS * DAY;
const START: UnixMillis = UnixMillis(1_800_000_000_000);

/// Of a site: routes by devices, with the visits of a look at noon and the share of them in budget.
const CELLS: [(&str, Device, f64, f64); 6] = [
    ("/", Device::Phone, 120.0, 0.86),
    ("/", Device::Desktop, 90.0, 0.93),
    ("/product/:id", Device::Phone, 80.0, 0.82),
    ("/product/:id", Device::Desktop, 60.0, 0.90),
    ("/checkout", Device::Phone, 8.0, 0.88),
    ("/about", Device::Desktop, 1.5, 0.95),
];

/// What goes wrong, when and for how long, and the signals of which any may tell.
struct Incident {
    name: &'static str,
    day: usize,
    hour: usize,
    looks: usize,
    fault: Fault,
    told_by: &'static [Signal],
    /// The longest that it may take.
    within: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// The share in budget falls, on one route.
    Slow(&'static str, f64),
    /// The answers' p95 is so many times what it was.
    Answers(f64),
    Queries(f64),
    Hits(f64),
    Errors(f64),
    Memory(f64),
    /// No beacon arrives.
    Silence,
    /// Of the beacons so many arrive.
    Fewer(f64),
    Backend,
}

const INCIDENTS: [Incident; 13] = [
    Incident {
        name: "a release without the client",
        day: 33,
        hour: 10,
        looks: 3 * HOUR,
        fault: Fault::Silence,
        told_by: &[Signal::Silence],
        within: 1,
    },
    Incident {
        name: "products twice as slow",
        day: 36,
        hour: 9,
        looks: 2 * DAY,
        fault: Fault::Slow("/product/:id", 0.45),
        told_by: &[Signal::Anomaly, Signal::Burn, Signal::Evidence, Signal::Verdict],
        within: HOUR,
    },
    Incident {
        name: "products a little too slow",
        day: 41,
        hour: 9,
        looks: 6 * DAY,
        fault: Fault::Slow("/product/:id", 0.70),
        told_by: &[Signal::Anomaly, Signal::Burn, Signal::Evidence, Signal::Verdict],
        within: 2 * DAY,
    },
    Incident {
        name: "a slow checkout, little visited",
        day: 50,
        hour: 8,
        looks: 4 * DAY,
        fault: Fault::Slow("/checkout", 0.50),
        told_by: &[Signal::Anomaly, Signal::Burn, Signal::Evidence, Signal::Verdict],
        within: 12 * HOUR,
    },
    Incident {
        name: "answers three times as slow",
        day: 56,
        hour: 14,
        looks: 2 * HOUR,
        fault: Fault::Answers(3.0),
        told_by: &[Signal::ResponseTime],
        within: 2,
    },
    Incident {
        name: "answers half as slow again",
        day: 58,
        hour: 12,
        looks: 4 * HOUR,
        fault: Fault::Answers(1.6),
        told_by: &[Signal::Anomaly],
        within: HOUR,
    },
    Incident {
        name: "a query without its index",
        day: 60,
        hour: 11,
        looks: 5 * HOUR,
        fault: Fault::Queries(4.0),
        told_by: &[Signal::QueryTime],
        within: 2,
    },
    Incident {
        name: "a cookie that empties the cache",
        day: 64,
        hour: 9,
        looks: 8 * HOUR,
        fault: Fault::Hits(0.40),
        told_by: &[Signal::HitRatio],
        within: 3,
    },
    Incident {
        name: "one answer in fifty an error",
        day: 67,
        hour: 16,
        looks: HOUR,
        fault: Fault::Errors(0.02),
        told_by: &[Signal::ErrorRate],
        within: 2,
    },
    Incident {
        name: "one answer in 400 an error",
        day: 70,
        hour: 10,
        looks: 6 * HOUR,
        fault: Fault::Errors(0.0025),
        told_by: &[Signal::ErrorRate],
        within: HOUR,
    },
    Incident {
        name: "memory that only grows",
        day: 74,
        hour: 2,
        looks: 9 * HOUR,
        fault: Fault::Memory(90.0),
        told_by: &[Signal::Memory],
        within: 8 * HOUR,
    },
    Incident {
        name: "three of five beacons blocked",
        day: 78,
        hour: 11,
        looks: 6 * HOUR,
        fault: Fault::Fewer(0.4),
        told_by: &[Signal::Anomaly],
        within: 2 * HOUR,
    },
    Incident {
        name: "the backend is down at night",
        day: 82,
        hour: 1,
        looks: 8 * HOUR,
        fault: Fault::Backend,
        told_by: &[Signal::Backlog],
        within: 2 * HOUR,
    },
];

/// What of the past a signal still sees when an incident is over: three days of burn rate, 7 of verdicts.
const AFTERMATH: usize = 8 * DAY;

/// SplitMix64: the same numbers on every machine.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.share()).sum::<f64>() - 6.0
    }

    /// A count of that mean.
    fn poisson(&mut self, mean: f64) -> u64 {
        if mean > 50.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as u64;
        }
        let (least, mut product, mut count) = ((-mean).exp(), self.share(), 0);
        while product > least {
            product *= self.share();
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
            _ => (0..n).filter(|_| self.share() < share).count() as u64,
        }
    }
}

/// Sums of visits, so that those of any span of looks are one subtraction.
#[derive(Default)]
struct Visits(Vec<(u64, u64)>);

impl Visits {
    fn push(&mut self, n: u64, within: u64) {
        let (all, kept) = self.0.last().copied().unwrap_or_default();
        self.0.push((all + n, kept + within));
    }

    fn last(&self, looks: usize) -> Tally {
        let (all, kept) = self.0.last().copied().unwrap_or_default();
        let before = self.0.len().checked_sub(looks + 1).map_or((0, 0), |index| self.0[index]);
        Tally::of(all - before.0, kept - before.1)
    }
}

/// What one look saw of the site as a whole.
#[derive(Clone, Copy, Default)]
struct Seen {
    views: u64,
    /// Those of the last hour.
    views_of_hour: u64,
    answers: u64,
    errors: u64,
    p95: f64,
    hits: f64,
    /// The share in budget of the last hour of each cell.
    kept: [f64; CELLS.len()],
}

struct Call {
    look: usize,
    signal: Signal,
    kind: Kind,
    level: Level,
    says: String,
    about: (Option<String>, Option<Device>),
}

impl Call {
    fn cell(&self) -> usize {
        let is_it = |(route, device, ..): &(&str, Device, f64, f64)| {
            self.about == (Some((*route).to_owned()), Some(*device))
        };
        CELLS.iter().position(is_it).unwrap_or_default()
    }
}

/// Visits by the hour of the day and the day of the week.
fn tide(look: usize) -> f64 {
    let hour = (look % DAY) as f64 / HOUR as f64;
    let weekend = if look / DAY % 7 >= 5 { 0.75 } else { 1.0 };
    weekend * (0.525 - 0.475 * (std::f64::consts::TAU * (hour - 1.0) / 24.0).cos())
}

fn simulate(seed: u64, incidents: &[Incident]) -> Vec<Call> {
    let mut dice = Dice(seed);
    let mut alerts = Alerts::of("shop".into());
    let mut calls = Vec::new();
    let mut visits: Vec<Visits> = CELLS.iter().map(|_| Visits::default()).collect();
    let mut verdicts = [Verdict::Unknown; CELLS.len()];
    let mut since_release: Vec<Tally> = vec![Tally::default(); CELLS.len()];
    let mut history: Vec<Seen> = Vec::with_capacity(LOOKS);
    let mut heard_at = 0;
    let mut backlog = 0_u64;

    for look in 0..LOOKS {
        let fault = incidents.iter().find(|incident| incident.hits(look));
        let is = fault.map(|incident| incident.fault);
        let mut observations = Vec::new();
        // A release each fortnight begins the evidence anew.
        if look % (14 * DAY) == 10 * HOUR {
            since_release.fill(Tally::default());
        }

        let mut seen = Seen::default();
        let day = 1.0 + 0.04 * dice.normal();
        for (cell, (route, device, noon, share)) in CELLS.iter().enumerate() {
            let arriving = match is {
                Some(Fault::Silence) => 0.0,
                Some(Fault::Fewer(share)) => share,
                _ => 1.0,
            };
            let n = dice.poisson((noon * tide(look) * day).max(0.0) * arriving);
            let share = match is {
                Some(Fault::Slow(slow, share)) if slow == *route => share,
                _ => (share + 0.01 * dice.normal()).clamp(0.0, 1.0),
            };
            let within = dice.binomial(n, share);
            seen.views += n;
            visits[cell].push(n, within);
            let since = &mut since_release[cell];
            *since = Tally { within: since.within + within, over: since.over + n - within };
            // What people see of a week is reckoned by the hour.
            if look % HOUR == 0 {
                verdicts[cell] = visits[cell].last(7 * DAY).verdict(75, 30);
            }
            let verdict = verdicts[cell];
            let windows = Windows {
                half_hour: visits[cell].last(HOUR / 2),
                six_hours: visits[cell].last(6 * HOUR),
                three_days: visits[cell].last(3 * DAY),
            };
            let evidence = Reading::Evidence { since: *since, verdict, percentile: 75 };
            for reading in [Reading::Verdict(verdict), evidence, Reading::Burn { windows, percentile: 75 }] {
                let (route, series) = (Some((*route).into()), Some("LCP".into()));
                observations.push(Observation { route, device: Some(*device), series, reading });
            }
        }

        if seen.views > 0 {
            heard_at = look;
        }
        seen.answers = dice.poisson(2400.0 * tide(look) * day);
        let factor = |wanted: fn(Fault) -> Option<f64>| is.and_then(wanted).unwrap_or(1.0);
        // The p95 of fewer answers wavers more.
        let wavers = (0.05 + 1.2 / (seen.answers.max(1) as f64).sqrt()) * dice.normal();
        let slower = factor(|fault| if let Fault::Answers(by) = fault { Some(by) } else { None });
        seen.p95 = 260.0 * (1.0 + 0.1 * tide(look)) * wavers.exp() * slower;
        let queries = 150.0
            * (0.08 * dice.normal()).exp()
            * factor(|fault| if let Fault::Queries(by) = fault { Some(by) } else { None });
        let hits = match is {
            Some(Fault::Hits(share)) => share,
            _ => 0.82 + 0.01 * dice.normal(),
        };
        seen.hits = 100.0 * dice.binomial(seen.answers, hits) as f64 / seen.answers.max(1) as f64;
        let errors = match is {
            Some(Fault::Errors(share)) => share,
            _ => 0.0001,
        };
        seen.errors = dice.binomial(seen.answers, errors);
        // An error in a thousand is told from none only by thousands: of half an hour.
        let half_hour = || history.iter().rev().take(HOUR / 2 - 1).chain([&seen]);
        let answers: u64 = half_hour().map(|seen| seen.answers).sum();
        let errors: u64 = half_hour().map(|seen| seen.errors).sum();
        let memory = match (is, fault) {
            (Some(Fault::Memory(end)), Some(incident)) => {
                let grown = (look - incident.begins()) as f64 / incident.looks as f64;
                45.0 + (end - 45.0) * grown
            }
            _ => 45.0 + 2.0 * dice.normal(),
        };
        backlog = if is == Some(Fault::Backend) { backlog + 10 } else { dice.poisson(0.3) };

        let measured = |n, value| Measured { n, value };
        observations.extend(
            [
                Reading::ResponseTime(measured(seen.answers, seen.p95)),
                Reading::QueryTime(measured(seen.answers / 5, queries)),
                Reading::HitRatio(measured(seen.answers, seen.hits)),
                Reading::ErrorRate { answers, errors },
                Reading::Memory(memory),
                Reading::Backlog(backlog),
            ]
            .map(Observation::of_site),
        );

        // What is usual: the same moment of the last 35 days, as long as hours are kept.
        let earlier = |of: fn(&Seen) -> f64| -> Vec<f64> {
            let days = (1..=35).filter_map(|days| look.checked_sub(days * DAY));
            days.map(|look| of(&history[look])).collect()
        };
        let unheard: f64 = (heard_at + 1..=look)
            .map(|at| {
                let days = (1..=35).filter_map(|days| at.checked_sub(days * DAY));
                let views: Vec<f64> =
                    days.filter_map(|look| history.get(look)).map(|seen| seen.views as f64).collect();
                Usual::of(&views).map_or(0.0, |usual| usual.middle)
            })
            .sum();
        observations.push(Observation::of_site(Reading::Silence(unheard)));
        let mut odd = |series: &str, n, value, noise, earlier: &[f64]| {
            if let Some(usual) = Usual::of(earlier) {
                let reading = Reading::Anomaly(Measured { n, value: usual.deviations(value, noise) });
                observations.push(Observation {
                    route: None,
                    device: None,
                    series: Some(series.into()),
                    reading,
                });
            }
        };
        seen.views_of_hour =
            history.iter().rev().take(HOUR - 1).map(|seen| seen.views).sum::<u64>() + seen.views;
        let usual_views = earlier(|seen| seen.views_of_hour as f64);
        // A floor on n: of what is usually too few, no number is odd.
        let expected = Usual::of(&usual_views).map_or(0.0, |usual| usual.middle) as u64;
        odd("views", expected, seen.views_of_hour as f64, Noise::Count, &usual_views);
        odd("response time", seen.answers, seen.p95, Noise::Value, &earlier(|seen| seen.p95));
        for (cell, (route, device, ..)) in CELLS.iter().enumerate() {
            let hour = visits[cell].last(HOUR);
            let share = hour.within as f64 / hour.n().max(1) as f64;
            seen.kept[cell] = share;
            let days = (1..=35).filter_map(|days| look.checked_sub(days * DAY));
            let earlier: Vec<f64> = days.map(|look| history[look].kept[cell]).collect();
            odd(
                &format!("LCP of {route} on {}s", device.name()),
                hour.n(),
                share,
                Noise::Share { n: hour.n() },
                &earlier,
            );
        }
        history.push(seen);

        let now = START.after(LOOK * look as u64);
        let mut inputs = vec![Input::Look(observations)];
        while let Some(input) = inputs.pop() {
            for effect in alerts.handle(input, now) {
                let Effect::Notify(notice) = effect else { continue };
                inputs.push(Input::Told { notice: notice.number, by: vec![] });
                // Somebody looks after whatever is told, at once.
                let acknowledge = |change: &insight::notice::Change| Input::Acknowledge {
                    key: change.key.clone(),
                    by: "on-call".into(),
                };
                inputs.extend(notice.changes.iter().map(acknowledge));
                calls.extend(notice.changes.into_iter().map(|change| Call {
                    look,
                    signal: notice.signal,
                    kind: change.kind,
                    level: change.level,
                    says: change.says,
                    about: (change.subject.route, change.subject.device),
                }));
            }
        }
        // An alarm that is over begins the evidence of its cell anew.
        for call in calls.iter().rev().take_while(|call| call.look == look) {
            if call.signal == Signal::Evidence && call.kind == Kind::Recovered {
                since_release[call.cell()] = Tally::default();
            }
        }
    }
    calls
}

impl Incident {
    const fn begins(&self) -> usize {
        self.day * DAY + self.hour * HOUR
    }

    fn hits(&self, look: usize) -> bool {
        (self.begins()..self.begins() + self.looks).contains(&look)
    }

    fn explains(&self, call: &Call) -> bool {
        (self.begins()..self.begins() + self.looks + AFTERMATH).contains(&call.look)
            && (self.told_by.contains(&call.signal) || self.also().contains(&call.signal))
    }

    /// What else it may well be told by.
    fn also(&self) -> &'static [Signal] {
        match self.fault {
            Fault::Silence | Fault::Fewer(_) | Fault::Answers(_) => &[Signal::Anomaly, Signal::ResponseTime],
            _ => &[],
        }
    }
}

const fn begins(call: &Call) -> bool {
    matches!(call.kind, Kind::Raised | Kind::Worse)
}

fn spell(looks: usize) -> String {
    insight::moment::span(LOOK * looks as u64)
}

#[test]
fn incidents_are_told_in_time_and_few_calls_are_false() {
    let calls = simulate(7, &INCIDENTS);
    println!("| incident | lasted | first told by | after |\n| --- | --- | --- | --- |");
    let page = include_str!("../../../docs/alerts.md");
    let mut late = Vec::new();
    for incident in &INCIDENTS {
        let told = calls
            .iter()
            .find(|call| begins(call) && incident.told_by.contains(&call.signal) && incident.hits(call.look));
        let after = told.map(|call| call.look - incident.begins());
        let (by, delay) = match (told, after) {
            (Some(call), Some(after)) => {
                (format!("{} ({})", call.signal.name(), call.level.name()), spell(after))
            }
            _ => ("nobody".into(), "never".into()),
        };
        let row = format!("| {} | {} | {by} | {delay} |", incident.name, spell(incident.looks));
        println!("{row}");
        assert!(page.contains(&row), "docs/alerts.md does not say so");
        if after.is_none_or(|after| after > incident.within) {
            late.push(format!("{}: {delay}, not within {}", incident.name, spell(incident.within)));
        }
    }
    let false_calls: Vec<&Call> = calls
        .iter()
        .filter(|call| begins(call) && !INCIDENTS.iter().any(|incident| incident.explains(call)))
        .collect();
    let mut by_signal: BTreeMap<&str, usize> = BTreeMap::new();
    for call in &false_calls {
        *by_signal.entry(call.signal.name()).or_default() += 1;
        println!("false: day {}, {}: {}", call.look / DAY, call.signal.name(), call.says);
    }
    let notices: BTreeSet<(usize, Signal)> = calls.iter().map(|call| (call.look, call.signal)).collect();
    println!(
        "{} false calls, and {} notices of {} changes in {DAYS} days: {by_signal:?}",
        false_calls.len(),
        notices.len(),
        calls.len()
    );
    assert!(late.is_empty(), "{late:#?}");
    assert!(false_calls.len() <= 3, "people were called {} times for nothing", false_calls.len());
    assert!(false_calls.iter().all(|call| call.level == Level::Warning), "nobody is woken for nothing");

    assert!(notices.len() <= 100, "{} notices of {} incidents are a flood", notices.len(), INCIDENTS.len());

    // Whatever was told has an end, and the site is quiet at last.
    let ends = calls.iter().filter(|call| call.kind.is_over()).count();
    let begun = calls.iter().filter(|call| call.kind == Kind::Raised).count();
    assert_eq!(ends, begun, "what began has ended a week after the last incident");
}

#[test]
fn ninety_quiet_days_wake_nobody() {
    for seed in [1, 2] {
        let calls = simulate(seed, &[]);
        let began: Vec<&Call> = calls.iter().filter(|call| begins(call)).collect();
        println!("seed {seed}: {} calls in {DAYS} quiet days", began.len());
        for call in &began {
            println!("  day {}, {}: {}", call.look / DAY, call.signal.name(), call.says);
        }
        assert!(began.len() <= 2, "seed {seed}: {}", began.len());
        assert!(began.iter().all(|call| call.level == Level::Warning), "seed {seed}");
    }
}
