//! How healthy a site is: a status with its reasons, and a score whose parts add up. What is unknown
//! earns nothing and is said to be unknown; what a site does not use is left out, and its weight goes
//! to the rest. Which numbers are good is said in `target`; whom to call is the alerts' business.

use budget::{BudgetTally, GateCell, Limit, Severity, Verdict, evaluate_gate};
use serde::{Deserialize, Serialize};
use wire::{Device, Metric, UnixMillis};

use crate::signals::{AlertBounds, AlertLevel, Signal};
use crate::time_format;

/// What is known of a site at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct HealthInputs {
    /// Every budget, with its visits; those without any, too.
    pub vitals: Vec<BudgetedCell>,
    /// The answers of the edge.
    pub requests: Availability<RequestHealth>,
    /// The share of requests that the cache answered, in percent.
    pub hit_ratio: Availability<f64>,
    /// The origin's own health.
    pub origin: Availability<OriginHealth>,
    /// When a beacon was last heard; none when never.
    pub last_beacon_at: Option<UnixMillis>,
    /// How many views should have been heard of since.
    pub missed_views: f64,
}

/// What a site may lack: because it has no such thing, or because nobody knows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Availability<T> {
    /// The site has no such thing.
    NotUsed,
    /// It has one, and nothing is known of it.
    Unknown,
    /// This is known.
    Known(T),
}

/// One budget of one page on one class of device, and the visits that tell of it.
#[derive(Clone, Debug, PartialEq)]
pub struct BudgetedCell {
    /// The route.
    pub route: String,
    /// The class of devices.
    pub device: Device,
    /// The metric.
    pub metric: Metric,
    /// The budget.
    pub limit: Limit,
    /// The visits.
    pub tally: BudgetTally,
}

/// The answers of the edge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RequestHealth {
    /// So many.
    pub n: u64,
    /// Milliseconds of the 95th percentile.
    pub p95: f64,
    /// The errors among them, in percent.
    pub error_percent: f64,
}

/// The origin as it was last asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OriginHealth {
    /// Whether it said that it is well.
    pub is_up: bool,
    /// Milliseconds until it had said so.
    pub response_ms: f64,
}

/// How healthy a site is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Health {
    /// The version of this document.
    pub v: u8,
    /// In one word.
    pub status: HealthStatus,
    /// From 0 to 100: the sum of the parts' points.
    pub score: u8,
    /// What it is made of.
    pub parts: Vec<HealthPart>,
    /// Why it is not healthy, the worst first; empty when it is.
    pub reasons: Vec<String>,
}

/// A part of the score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HealthPart {
    /// Its name.
    pub name: &'static str,
    /// What it has earned.
    pub points: u8,
    /// What it could have earned. All parts together: 100.
    #[serde(rename = "of")]
    pub max_points: u8,
    /// How it is.
    pub status: HealthStatus,
    /// Why, in a sentence.
    pub because: String,
}

/// How something is, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum HealthStatus {
    /// Known to be well.
    Healthy,
    /// Not known to be anything.
    Unknown,
    /// Not as it should be.
    Degraded,
    /// Visitors suffer.
    Unhealthy,
}

impl HealthStatus {
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
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// A part before its points are reckoned.
struct UnscoredPart {
    name: &'static str,
    weight: u32,
    /// From 0 to 1.
    share: f64,
    status: HealthStatus,
    because: String,
}

impl Health {
    /// The health of a site of which that is known.
    #[must_use]
    pub fn evaluate(inputs: &HealthInputs, now: UnixMillis) -> Self {
        let unscored: Vec<UnscoredPart> = [
            Some(score_vitals(&inputs.vitals)),
            score_if_used("requests", 20, inputs.requests, score_requests),
            score_if_used("origin", 15, inputs.origin, score_origin),
            score_if_used("cache", 10, inputs.hit_ratio, score_cache),
            Some(score_freshness(inputs, now)),
        ]
        .into_iter()
        .flatten()
        .collect();
        let max_points = apportion_points(&unscored.iter().map(|part| part.weight).collect::<Vec<_>>());
        let parts: Vec<HealthPart> = unscored
            .into_iter()
            .zip(max_points)
            .map(|(part, of)| HealthPart {
                name: part.name,
                // Rounded down: what is not whole is not earned.
                points: (part.share.clamp(0.0, 1.0) * f64::from(of) + 1e-9) as u8,
                max_points: of,
                status: part.status,
                because: part.because,
            })
            .collect();
        let status = parts.iter().map(|part| part.status).max().unwrap_or(HealthStatus::Unknown);
        let mut bad: Vec<&HealthPart> =
            parts.iter().filter(|part| part.status != HealthStatus::Healthy).collect();
        bad.sort_by_key(|part| std::cmp::Reverse(part.status));
        let reasons = bad.into_iter().map(|part| part.because.clone()).collect();
        Self { v: VERSION, status, score: parts.iter().map(|part| part.points).sum(), parts, reasons }
    }
}

fn score_if_used<T>(
    name: &'static str,
    weight: u32,
    input: Availability<T>,
    judge: impl Fn(T) -> (f64, HealthStatus, String),
) -> Option<UnscoredPart> {
    let (share, status, because) = match input {
        Availability::NotUsed => return None,
        Availability::Unknown => (0.0, HealthStatus::Unknown, format!("No data about the {name}.")),
        Availability::Known(known) => judge(known),
    };
    Some(UnscoredPart { name, weight, share, status, because })
}

/// By visits: a budget that a tenth of them speak for counts a tenth. One that too few speak for counts
/// as if it had just enough, so that not to be visited is no way to be healthy.
fn score_vitals(cells: &[BudgetedCell]) -> UnscoredPart {
    let judged: Vec<GateCell> = cells
        .iter()
        .map(|cell| GateCell { limit: cell.limit, tally: cell.tally, is_subset: false })
        .collect();
    let (verdicts, _) = evaluate_gate(&judged);
    let weight = |cell: &BudgetedCell| cell.tally.n().max(cell.limit.min_samples).max(1) as f64;
    let all: f64 = cells.iter().map(weight).sum();
    let sum = |wanted: &[Verdict]| -> f64 {
        let of_those = cells.iter().zip(&verdicts).filter(|(_, verdict)| wanted.contains(verdict));
        of_those.map(|(cell, _)| weight(cell)).sum::<f64>() / all.max(1.0)
    };
    let (met, at_limit, violated) =
        (sum(&[Verdict::Met]), sum(&[Verdict::AtLimit]), sum(&[Verdict::Violated]));
    let undecided = sum(&[Verdict::Unknown, Verdict::Insufficient]);
    let broken: Vec<&BudgetedCell> = cells
        .iter()
        .zip(&verdicts)
        .filter(|(cell, verdict)| **verdict == Verdict::Violated && cell.limit.severity == Severity::Error)
        .map(|(cell, _)| cell)
        .collect();
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let (status, because) = if cells.is_empty() {
        (HealthStatus::Unknown, "No budget applies to any page.".into())
    } else if let Some(worst) = broken.iter().max_by(|a, b| weight(a).total_cmp(&weight(b))) {
        let status = if violated > 0.25 { HealthStatus::Unhealthy } else { HealthStatus::Degraded };
        let more = match broken.len() {
            1 => String::new(),
            2 => "; 1 more budget is violated".into(),
            all => format!("; {} more budgets are violated", all - 1),
        };
        let BudgetedCell { route, device, metric, tally, .. } = worst;
        let because = format!(
            "{} of {route} on {}s violates its budget: {} of {} visits exceed it{more}.",
            metric.name(),
            device.name(),
            tally.over,
            tally.n()
        );
        (status, because)
    } else if undecided > 0.5 {
        (
            HealthStatus::Unknown,
            format!("Insufficient data for {} of budgets, weighted by visits.", percent(undecided)),
        )
    } else {
        let rest = match (at_limit > 0.0, undecided > 0.0) {
            (false, false) => String::new(),
            (true, false) => format!("; {} are at the limit", percent(at_limit)),
            (false, true) => format!("; insufficient data for {}", percent(undecided)),
            (true, true) => {
                format!(
                    "; {} are at the limit; insufficient data for {}",
                    percent(at_limit),
                    percent(undecided)
                )
            }
        };
        (HealthStatus::Healthy, format!("{} of budgets, weighted by visits, are met{rest}.", percent(met)))
    };
    UnscoredPart { name: "vitals", weight: 40, share: met + at_limit / 2.0, status, because }
}

fn score_requests(
    RequestHealth { n, p95, error_percent: errors }: RequestHealth,
) -> (f64, HealthStatus, String) {
    if n == 0 {
        return (0.0, HealthStatus::Unknown, "No requests were served.".into());
    }
    let [(fast, slow), (sound, failing)] = [(Signal::ResponseTime, p95), (Signal::ErrorRate, errors)]
        .map(|(signal, value)| score_signal(signal, value));
    let because = format!(
        "The 95th percentile of response times is {p95:.0} ms; {errors:.2} % of responses are errors."
    );
    (fast.min(sound), slow.max(failing), because)
}

fn score_origin(OriginHealth { is_up, response_ms: took }: OriginHealth) -> (f64, HealthStatus, String) {
    if !is_up {
        return (0.0, HealthStatus::Unhealthy, "The origin reports a failure or does not respond.".into());
    }
    let (share, status) = score_signal(Signal::ResponseTime, took);
    (share, status, format!("The origin is healthy and responded in {took:.0} ms."))
}

fn score_cache(hit_ratio: f64) -> (f64, HealthStatus, String) {
    let (share, status) = score_signal(Signal::HitRatio, hit_ratio);
    (share, status, format!("The cache hit ratio is {hit_ratio:.1} %."))
}

fn score_freshness(inputs: &HealthInputs, now: UnixMillis) -> UnscoredPart {
    let (share, status, because) = match inputs.last_beacon_at {
        None => (0.0, HealthStatus::Unknown, "No beacon has been received yet.".into()),
        Some(at) => {
            let ago = time_format::duration(now.0.saturating_sub(at.0));
            match score_signal(Signal::MissingBeacons, inputs.missed_views) {
                (share, HealthStatus::Healthy) => {
                    (share, HealthStatus::Healthy, format!("The last beacon was received {ago} ago."))
                }
                (share, status) => (
                    share,
                    status,
                    format!(
                        "No beacon received for {ago} while {:.0} views were expected.",
                        inputs.missed_views
                    ),
                ),
            }
        }
    };
    UnscoredPart { name: "freshness", weight: 15, share, status, because }
}

/// The share of its points that a value earns, and its status: all of them up to the target, none from
/// where it is critical; where nothing is critical, none from five times as far from the target as the
/// warning is.
fn score_signal(signal: Signal, value: f64) -> (f64, HealthStatus) {
    let AlertBounds::Numeric(number) = signal.rule().bounds else { return (0.0, HealthStatus::Unknown) };
    if !value.is_finite() {
        return (0.0, HealthStatus::Unknown);
    }
    let status = match number.level(value) {
        None => HealthStatus::Healthy,
        Some(AlertLevel::Warning) => HealthStatus::Degraded,
        Some(AlertLevel::Critical) => HealthStatus::Unhealthy,
    };
    let zero_at = number.critical.unwrap_or(number.target + 5.0 * (number.warning - number.target));
    if !number.is_beyond(value, number.target) {
        return (1.0, status);
    }
    (((zero_at - value) / (zero_at - number.target)).clamp(0.0, 1.0), status)
}

/// Whole points in proportion to the weights, together 100: the largest remainders are rounded up.
fn apportion_points(weights: &[u32]) -> Vec<u8> {
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
