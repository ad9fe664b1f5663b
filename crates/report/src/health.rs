//! The health of a site: a status with its reasons, and a score that is the sum of its parts. An unknown part
//! earns no points. A feature that the site does not use is left out, and its weight goes to the other parts.
//! The limits are those of `signals`.

use budget::{BudgetTally, GateCell, Limit, Severity, Verdict, evaluate_gate};
use serde::Serialize;
use wire::{Device, Metric, ShardCoverage, UnixMillis};

pub use crate::edge_health::{CacheHealth, OriginHealth, RequestHealth};
pub use crate::health_status::HealthStatus;
use crate::partial_read::verdict_on_shards;
use crate::signal_score::score_signal;
use crate::signals::Signal;
use crate::time_format;
use wire::sorting::SortSlice;

/// The data that the health of a site is computed from.
#[derive(Clone, Debug, PartialEq)]
pub struct HealthInputs {
    /// All budgeted cells, including those without visits.
    pub vitals: Vec<BudgetedCell>,
    /// The responses of the edge.
    pub requests: Availability<RequestHealth>,
    /// The lookups of the cache.
    pub cache: Availability<CacheHealth>,
    /// The origin that is worst off.
    pub origin: Availability<OriginHealth>,
    /// The time of the last beacon; `None` before the first.
    pub last_beacon_at: Option<UnixMillis>,
    /// The number of views expected since then.
    pub missed_views: f64,
    /// The shards that answered, unless all did.
    pub shards: Option<ShardCoverage>,
}

/// A value that may be unknown, or not apply to the site.
#[derive(Clone, Debug, PartialEq)]
pub enum Availability<T> {
    /// The site does not use the feature.
    NotUsed,
    /// The feature is used, but there is no data.
    Unknown,
    /// The known value.
    Known(T),
}

/// The budget for a metric of a page on a device class, with its visits.
#[derive(Clone, Debug, PartialEq)]
pub struct BudgetedCell {
    /// The route.
    pub route: String,
    /// The device class.
    pub device: Device,
    /// The metric.
    pub metric: Metric,
    /// The budget.
    pub limit: Limit,
    /// The visits.
    pub tally: BudgetTally,
}

/// The health of a site.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Health {
    /// The version of this document.
    pub v: u8,
    /// The worst status of the parts.
    pub status: HealthStatus,
    /// The sum of the parts' points, from 0 to 100.
    pub score: u8,
    /// The parts of the score.
    pub parts: Vec<HealthPart>,
    /// The sentences of all parts that are not healthy, worst first.
    pub reasons: Vec<String>,
}

/// A part of the score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HealthPart {
    /// The name of the part.
    pub name: &'static str,
    /// The earned points.
    pub points: u8,
    /// The maximum points; those of all parts add up to 100.
    #[serde(rename = "of")]
    pub max_points: u8,
    /// The status of the part.
    pub status: HealthStatus,
    /// The reason in a sentence.
    pub because: String,
}

/// A part before its points are computed.
struct UnscoredPart {
    name: &'static str,
    weight: u32,
    /// From 0 to 1.
    share: f64,
    status: HealthStatus,
    because: String,
}

impl Health {
    /// Computes the health of a site.
    #[must_use]
    pub fn evaluate(inputs: &HealthInputs, now: UnixMillis) -> Self {
        let unscored: Vec<UnscoredPart> = [
            Some(score_vitals(&inputs.vitals, inputs.shards.as_ref())),
            score_if_used("requests", 20, &inputs.requests, RequestHealth::score),
            score_if_used("origin", 15, &inputs.origin, OriginHealth::score),
            score_if_used("cache", 10, &inputs.cache, CacheHealth::score),
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
                // Only whole points are earned; the addend absorbs float errors.
                points: (part.share.clamp(0.0, 1.0) * f64::from(of) + 1e-9) as u8,
                max_points: of,
                status: part.status,
                because: part.because,
            })
            .collect();
        // A missing view might be a bad one.
        let missing = inputs.shards.as_ref().map(|shards| (HealthStatus::Degraded, shards.sentence()));
        let statuses = parts.iter().map(|part| part.status).chain(missing.iter().map(|(status, _)| *status));
        let status = statuses.max().unwrap_or(HealthStatus::Unknown);
        let mut bad: Vec<&HealthPart> =
            parts.iter().filter(|part| part.status != HealthStatus::Healthy).collect();
        // An origin that is down explains the other parts.
        bad.order_by_key(|part| (std::cmp::Reverse(part.status), part.name != "origin"));
        let missing = missing.into_iter().map(|(_, sentence)| sentence);
        let reasons = missing.chain(bad.into_iter().map(|part| part.because.clone())).collect();
        Self { v: VERSION, status, score: parts.iter().map(|part| part.points).sum(), parts, reasons }
    }
}

fn score_if_used<T>(
    name: &'static str,
    weight: u32,
    input: &Availability<T>,
    judge: impl Fn(&T) -> (f64, HealthStatus, String),
) -> Option<UnscoredPart> {
    let (share, status, because) = match input {
        Availability::NotUsed => return None,
        Availability::Unknown => (0.0, HealthStatus::Unknown, format!("No data about the {name}.")),
        Availability::Known(known) => judge(known),
    };
    Some(UnscoredPart { name, weight, share, status, because })
}

/// Weighs the budgets by their visits. A budget with too few visits counts as if it had just enough, so that
/// a lack of visits does not make a site look healthy.
fn score_vitals(cells: &[BudgetedCell], shards: Option<&ShardCoverage>) -> UnscoredPart {
    let judged: Vec<GateCell> = cells
        .iter()
        .map(|cell| GateCell { limit: cell.limit, tally: cell.tally, is_subset: false })
        .collect();
    let verdicts: Vec<Verdict> =
        evaluate_gate(&judged).0.into_iter().map(|verdict| verdict_on_shards(verdict, shards)).collect();
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
        let status = match cells.iter().any(|cell| cell.tally.n() > 0) {
            true => HealthStatus::Insufficient,
            false => HealthStatus::Unknown,
        };
        (status, format!("Insufficient data for {} of budgets, weighted by visits.", percent(undecided)))
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
    let because = format!("{because}{}", few_networks(cells));
    UnscoredPart { name: "vitals", weight: 40, share: met + at_limit / 2.0, status, because }
}

/// Tells of the budgets that only the views of few networks violate.
fn few_networks(cells: &[BudgetedCell]) -> String {
    match cells.iter().filter(|cell| cell.limit.rests_on_few_networks(cell.tally)).count() {
        0 => String::new(),
        1 => {
            " Few networks sent most of the slow visits to 1 budget, which is no evidence against it.".into()
        }
        n => format!(
            " Few networks sent most of the slow visits to {n} budgets, which is no evidence against them."
        ),
    }
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

/// Distributes 100 whole points in proportion to the weights, by the largest-remainder method.
fn apportion_points(weights: &[u32]) -> Vec<u8> {
    let all = weights.iter().sum::<u32>().max(1);
    let mut points: Vec<u32> = weights.iter().map(|weight| weight * 100 / all).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.order_by_key(|index| std::cmp::Reverse(weights.get(*index).map_or(0, |weight| weight * 100 % all)));
    let missing = 100_u32.saturating_sub(points.iter().sum());
    for index in order.into_iter().take(missing as usize) {
        if let Some(point) = points.get_mut(index) {
            *point += 1;
        }
    }
    points.into_iter().map(|point| u8::try_from(point).unwrap_or(100)).collect()
}

const VERSION: u8 = 1;
