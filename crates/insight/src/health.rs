//! How healthy a site is: a status with its reasons, and a score whose parts add up. What is unknown
//! earns nothing and is said to be unknown; what a site does not use is left out, and its weight goes
//! to the rest. Which numbers are good is said in `target`; whom to call is the alerts' business.

use budget::{Cell, Limit, Severity, Tally, Verdict, gate};
use serde::{Deserialize, Serialize};
use wire::{Device, Metric, UnixMillis};

use crate::moment;
use crate::target::{Bounds, Level, Signal};

/// What is known of a site at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// Every budget, with its visits; those without any, too.
    pub vitals: Vec<Budgeted>,
    /// The answers of the edge.
    pub requests: Has<Requests>,
    /// The share of requests that the cache answered, in percent.
    pub hit_ratio: Has<f64>,
    /// The origin's own health.
    pub origin: Has<Origin>,
    /// When a beacon was last heard; none when never.
    pub heard_at: Option<UnixMillis>,
    /// How many views should have been heard of since.
    pub missed: f64,
}

/// What a site may lack: because it has no such thing, or because nobody knows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Has<T> {
    /// The site has no such thing.
    NotUsed,
    /// It has one, and nothing is known of it.
    Unknown,
    /// This is known.
    Known(T),
}

/// One budget of one page on one class of device, and the visits that tell of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Budgeted {
    /// The route.
    pub route: String,
    /// The class of devices.
    pub device: Device,
    /// The metric.
    pub metric: Metric,
    /// The budget.
    pub limit: Limit,
    /// The visits.
    pub tally: Tally,
}

/// The answers of the edge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Requests {
    /// So many.
    pub n: u64,
    /// Milliseconds of the 95th percentile.
    pub p95: f64,
    /// The errors among them, in percent.
    pub errors: f64,
}

/// The origin as it was last asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Origin {
    /// Whether it said that it is well.
    pub is_up: bool,
    /// Milliseconds until it had said so.
    pub took: f64,
}

/// How healthy a site is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Health {
    /// The version of this document.
    pub v: u8,
    /// In one word.
    pub status: Status,
    /// From 0 to 100: the sum of the parts' points.
    pub score: u8,
    /// What it is made of.
    pub parts: Vec<Part>,
    /// Why it is not healthy, the worst first; empty when it is.
    pub reasons: Vec<String>,
}

/// A part of the score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// Its name.
    pub name: &'static str,
    /// What it has earned.
    pub points: u8,
    /// What it could have earned. All parts together: 100.
    pub of: u8,
    /// How it is.
    pub status: Status,
    /// Why, in a sentence.
    pub because: String,
}

/// How something is, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Known to be well.
    Healthy,
    /// Not known to be anything.
    Unknown,
    /// Not as it should be.
    Degraded,
    /// Visitors suffer.
    Unhealthy,
}

impl Status {
    /// All of them, the best first.
    pub const ALL: [Self; 4] = [Self::Healthy, Self::Unknown, Self::Degraded, Self::Unhealthy];

    /// By which documents know it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unknown => "unknown",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// A part before its points are reckoned.
struct Earned {
    name: &'static str,
    weight: u32,
    /// From 0 to 1.
    share: f64,
    status: Status,
    because: String,
}

impl Health {
    /// The health of a site of which that is known.
    #[must_use]
    pub fn of(known: &Known, now: UnixMillis) -> Self {
        let earned: Vec<Earned> = [
            Some(vitals(&known.vitals)),
            part("requests", 20, known.requests, requests),
            part("origin", 15, known.origin, origin),
            part("cache", 10, known.hit_ratio, cache),
            Some(freshness(known, now)),
        ]
        .into_iter()
        .flatten()
        .collect();
        let of = hundred(&earned.iter().map(|part| part.weight).collect::<Vec<_>>());
        let parts: Vec<Part> = earned
            .into_iter()
            .zip(of)
            .map(|(part, of)| Part {
                name: part.name,
                // Rounded down: what is not whole is not earned.
                points: (part.share.clamp(0.0, 1.0) * f64::from(of) + 1e-9) as u8,
                of,
                status: part.status,
                because: part.because,
            })
            .collect();
        let status = parts.iter().map(|part| part.status).max().unwrap_or(Status::Unknown);
        let mut bad: Vec<&Part> = parts.iter().filter(|part| part.status != Status::Healthy).collect();
        bad.sort_by_key(|part| std::cmp::Reverse(part.status));
        let reasons = bad.into_iter().map(|part| part.because.clone()).collect();
        Self { v: VERSION, status, score: parts.iter().map(|part| part.points).sum(), parts, reasons }
    }
}

fn part<T>(
    name: &'static str,
    weight: u32,
    has: Has<T>,
    judge: impl Fn(T) -> (f64, Status, String),
) -> Option<Earned> {
    let (share, status, because) = match has {
        Has::NotUsed => return None,
        Has::Unknown => (0.0, Status::Unknown, format!("Nothing is known of the {name}.")),
        Has::Known(known) => judge(known),
    };
    Some(Earned { name, weight, share, status, because })
}

/// By visits: a budget that a tenth of them speak for counts a tenth. One that too few speak for counts
/// as if it had just enough, so that not to be visited is no way to be healthy.
fn vitals(cells: &[Budgeted]) -> Earned {
    let judged: Vec<Cell> =
        cells.iter().map(|cell| Cell { limit: cell.limit, tally: cell.tally, part: false }).collect();
    let (verdicts, _) = gate(&judged);
    let weight = |cell: &Budgeted| cell.tally.n().max(cell.limit.min_samples).max(1) as f64;
    let all: f64 = cells.iter().map(weight).sum();
    let sum = |wanted: &[Verdict]| -> f64 {
        let of_those = cells.iter().zip(&verdicts).filter(|(_, verdict)| wanted.contains(verdict));
        of_those.map(|(cell, _)| weight(cell)).sum::<f64>() / all.max(1.0)
    };
    let (met, at_limit, violated) =
        (sum(&[Verdict::Met]), sum(&[Verdict::AtLimit]), sum(&[Verdict::Violated]));
    let undecided = sum(&[Verdict::Unknown, Verdict::Insufficient]);
    let broken: Vec<&Budgeted> = cells
        .iter()
        .zip(&verdicts)
        .filter(|(cell, verdict)| **verdict == Verdict::Violated && cell.limit.severity == Severity::Error)
        .map(|(cell, _)| cell)
        .collect();
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let (status, because) = if cells.is_empty() {
        (Status::Unknown, "No budget applies to any page.".into())
    } else if let Some(worst) = broken.iter().max_by(|a, b| weight(a).total_cmp(&weight(b))) {
        let status = if violated > 0.25 { Status::Unhealthy } else { Status::Degraded };
        let more = match broken.len() {
            1 => String::new(),
            all => format!(", and {} more", all - 1),
        };
        let Budgeted { route, device, metric, tally, .. } = worst;
        let because = format!(
            "{} of {route} on {}s breaks its budget: {} of {} visits are over it{more}.",
            metric.name(),
            device.name(),
            tally.over,
            tally.n()
        );
        (status, because)
    } else if undecided > 0.5 {
        (
            Status::Unknown,
            format!("Of {} of the budgets, by visits, too little is known.", percent(undecided)),
        )
    } else {
        let rest = match (at_limit > 0.0, undecided > 0.0) {
            (false, false) => String::new(),
            (true, false) => format!("; {} is at the limit", percent(at_limit)),
            (false, true) => format!("; of {} too little is known", percent(undecided)),
            (true, true) => {
                format!(
                    "; {} is at the limit, of {} too little is known",
                    percent(at_limit),
                    percent(undecided)
                )
            }
        };
        (Status::Healthy, format!("{} of the budgets, by visits, are met{rest}.", percent(met)))
    };
    Earned { name: "vitals", weight: 40, share: met + at_limit / 2.0, status, because }
}

fn requests(Requests { n, p95, errors }: Requests) -> (f64, Status, String) {
    if n == 0 {
        return (0.0, Status::Unknown, "No request was answered.".into());
    }
    let [(fast, slow), (sound, failing)] = [(Signal::ResponseTime, p95), (Signal::ErrorRate, errors)]
        .map(|(signal, value)| judged(signal, value));
    let because =
        format!("Answers take {p95:.0} ms at the 95th percentile, and {errors:.2} % of them are errors.");
    (fast.min(sound), slow.max(failing), because)
}

fn origin(Origin { is_up, took }: Origin) -> (f64, Status, String) {
    if !is_up {
        return (0.0, Status::Unhealthy, "The origin says that it is not well, or does not answer.".into());
    }
    let (share, status) = judged(Signal::ResponseTime, took);
    (share, status, format!("The origin is well, and took {took:.0} ms to say so."))
}

fn cache(hit_ratio: f64) -> (f64, Status, String) {
    let (share, status) = judged(Signal::HitRatio, hit_ratio);
    (share, status, format!("The cache answers {hit_ratio:.1} % of requests."))
}

fn freshness(known: &Known, now: UnixMillis) -> Earned {
    let (share, status, because) = match known.heard_at {
        None => (0.0, Status::Unknown, "No beacon was ever heard.".into()),
        Some(at) => {
            let ago = moment::span(now.0.saturating_sub(at.0));
            match judged(Signal::Silence, known.missed) {
                (share, Status::Healthy) => {
                    (share, Status::Healthy, format!("A beacon was heard {ago} ago."))
                }
                (share, status) => (
                    share,
                    status,
                    format!(
                        "No beacon was heard for {ago}, where {:.0} views were to be expected.",
                        known.missed
                    ),
                ),
            }
        }
    };
    Earned { name: "freshness", weight: 15, share, status, because }
}

/// The share of its points that a value earns, and its status: all of them up to the target, none from
/// where it is critical; where nothing is critical, none from five times as far from the target as the
/// warning is.
fn judged(signal: Signal, value: f64) -> (f64, Status) {
    let Bounds::Number(number) = signal.target().bounds else { return (0.0, Status::Unknown) };
    if !value.is_finite() {
        return (0.0, Status::Unknown);
    }
    let status = match number.level(value) {
        None => Status::Healthy,
        Some(Level::Warning) => Status::Degraded,
        Some(Level::Critical) => Status::Unhealthy,
    };
    let nothing = number.critical.unwrap_or(number.target + 5.0 * (number.warning - number.target));
    if !number.is_beyond(value, number.target) {
        return (1.0, status);
    }
    (((nothing - value) / (nothing - number.target)).clamp(0.0, 1.0), status)
}

/// Whole points in proportion to the weights, together 100: the largest remainders are rounded up.
fn hundred(weights: &[u32]) -> Vec<u8> {
    let all = weights.iter().sum::<u32>().max(1);
    let mut points: Vec<u32> = weights.iter().map(|weight| weight * 100 / all).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(weights.get(*index).map_or(0, |weight| weight * 100 % all)));
    let missing = 100_u32.saturating_sub(points.iter().sum());
    for index in order.into_iter().take(missing as usize) {
        if let Some(point) = points.get_mut(index) {
            *point += 1;
        }
    }
    points.into_iter().map(|point| u8::try_from(point).unwrap_or(100)).collect()
}

const VERSION: u8 = 1;
