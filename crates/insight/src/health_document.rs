//! The bulletin: what `GET /api/health/advanced` answers. Three parts for three readers: the outline is
//! everybody's, the details are for whoever may read the site's numbers, and what the machinery does is for
//! those who hold the token. How healthy a site is, is `health`'s to say; asking is the shell's.

use std::collections::BTreeMap;

use budget::Verdict;
use outbox::{Circuit, OutboxStatus as Pushed};
use serde::{Deserialize, Serialize};
use traffic::{RouteStats, TrafficStats};
use wire::beacon::CacheStatus;
use wire::beacon::LossReason;
use wire::{Device, UnixMillis};

use crate::health::{BudgetedCell, Health, HealthStatus};
use crate::stats_format::{display_unit, display_value, percentile_with_interval};

/// The document.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HealthReport {
    /// The version of this document.
    pub v: u8,
    /// In the words of the RFC draft: `pass`, `warn` or `fail`.
    pub status: &'static str,
    /// In ours, which know what is not known.
    pub health: HealthStatus,
    /// From 0 to 100.
    pub score: u8,
    /// The site.
    pub site: String,
    /// When this was so.
    pub at: UnixMillis,
    /// The version of the API.
    pub version: &'static str,
    /// The version of the Worker.
    #[serde(rename = "releaseId")]
    pub release_id: &'static str,
    /// What the score is made of.
    pub parts: Vec<HealthPartSummary>,
    /// For whoever may read the site's numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<HealthDetails>,
    /// For whoever holds the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operations: Option<Operations>,
}

/// A part of the score, without its numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HealthPartSummary {
    /// Its name.
    pub name: &'static str,
    /// What it has earned.
    pub points: u8,
    /// What it could have earned.
    #[serde(rename = "of")]
    pub max_points: u8,
    /// How it is.
    pub status: HealthStatus,
}

/// What is known of the site.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HealthDetails {
    /// Why it is not healthy, the worst first.
    pub reasons: Vec<String>,
    /// Each part's sentence.
    pub because: BTreeMap<&'static str, String>,
    /// When a beacon was last heard.
    #[serde(rename = "heard_at")]
    pub last_beacon_at: Option<UnixMillis>,
    /// How many views should have been heard of since.
    #[serde(rename = "missed")]
    pub missed_views: f64,
    /// What was heard in the last day, and what is known to be lost.
    pub losses: BeaconCounts,
    /// The budgeted cells, the worst first.
    pub vitals: Vec<VitalReport>,
    /// So many cells found no place here.
    pub more_vitals: usize,
    /// The answers of the edge in the last hour; absent where nobody counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<RequestReport>,
    /// What the cache did in the last hour; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheUsage>,
}

/// What was heard, and what is known to be lost.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BeaconCounts {
    /// Views.
    pub views: u64,
    /// Beacons that browsers sent.
    pub sent: u64,
    /// Beacons that arrived.
    #[serde(rename = "heard")]
    pub received: u64,
    /// Views without measurements, by reason.
    pub lost: BTreeMap<LossReason, u64>,
    /// Refusals, by reason.
    pub refused: BTreeMap<String, u64>,
}

/// A budgeted cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VitalReport {
    /// The route, or the pattern of a budget that no view has met.
    pub route: String,
    /// The class of devices.
    pub device: Device,
    /// The metric's name.
    pub metric: &'static str,
    /// `ms`, or empty.
    pub unit: &'static str,
    /// The limit.
    pub max: f64,
    /// The percentile of views that must be within it.
    pub percentile: u8,
    /// Views that were judged by it.
    pub n: u64,
    /// Those within it.
    pub k: u64,
    /// What they prove.
    pub verdict: &'static str,
    /// That percentile over visits.
    pub value: Option<f64>,
    /// Between which the true one lies, 95 times in 100.
    pub interval: Option<[f64; 2]>,
    /// The hour in which the latest of the views began.
    #[serde(rename = "seen_in")]
    pub last_view_hour: Option<UnixMillis>,
}

/// The answers of the edge in some span.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequestReport {
    /// All routes together.
    #[serde(flatten)]
    pub total: RequestLoad,
    /// Each route, those with most answers first.
    pub routes: Vec<RouteRequestLoad>,
}

/// The answers on one route.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RouteRequestLoad {
    /// The route.
    pub route: String,
    /// What was answered on it.
    #[serde(flatten)]
    pub load: RequestLoad,
}

/// How much, how fast, how well.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequestLoad {
    /// Answers.
    pub n: u64,
    /// Errors among them.
    pub errors: u64,
    /// Their share, in percent.
    pub error_rate: f64,
    /// Answers in a second.
    pub per_second: f64,
    /// Milliseconds of the median.
    pub p50: Option<f64>,
    /// Of the 95th percentile.
    pub p95: Option<f64>,
    /// Of the 99th.
    pub p99: Option<f64>,
}

/// What the cache did in some span.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CacheUsage {
    /// Requests that it answered.
    pub hits: u64,
    /// Those of them that it answered stale.
    pub stale: u64,
    /// Requests that it did not answer.
    pub misses: u64,
    /// Requests that it was not asked for.
    pub bypassed: u64,
    /// Hits of a hundred hits and misses; absent where there was neither.
    pub hit_ratio: Option<f64>,
    /// Misses, by reason.
    pub reasons: BTreeMap<String, u64>,
}

/// What the machinery does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operations {
    /// `on`, or `stopped` where somebody has asked that nothing be counted.
    pub monitoring: String,
    /// The memory of the module.
    pub memory: MemoryUsage,
    /// How much waits, and where.
    pub queues: QueueDepths,
    /// Each backend that windows are pushed to.
    pub push: Vec<BackendStatus>,
    /// The origin's own health, where it is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<OriginCheck>,
    /// Alerts that are raised, and those of them that are critical.
    pub alerts: AlertCounts,
}

/// The memory of the module in the first shard's isolate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MemoryUsage {
    /// Bytes.
    pub bytes: u64,
    /// Bytes that an isolate may have.
    pub limit: u64,
    /// The share, in percent.
    pub percent: f64,
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueDepths {
    /// Views of the first shard that are not counted yet.
    pub journal: u64,
    /// Documents that wait to be pushed.
    pub push: u64,
    /// Documents that were put aside.
    #[serde(rename = "parked")]
    pub dead_letters: u64,
    /// Notices that a channel has not taken yet.
    pub notices: u64,
}

/// A backend, as the push knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackendStatus {
    /// By which it is known.
    pub name: String,
    /// `closed`, `open` or `probing`.
    pub circuit: String,
    /// Until when nothing is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_until: Option<UnixMillis>,
    /// Documents that wait.
    pub waiting: u64,
    /// When the window began that has waited longest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<UnixMillis>,
    /// What is wrong, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(rename = "trouble")]
    pub error: Option<String>,
    /// The last delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastDelivery>,
    /// Documents that were put aside.
    #[serde(rename = "parked")]
    pub dead_letters: Vec<DeadLetterSummary>,
}

/// A document that arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastDelivery {
    /// Its `Idempotency-Key`.
    pub key: String,
    /// When its receipt came.
    pub at: UnixMillis,
}

/// A document that was put aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterSummary {
    /// Its number, by which it is sent again.
    pub seq: u64,
    /// Its `Idempotency-Key`.
    pub key: String,
    /// The backend's answer.
    pub status: u16,
    /// When it came.
    pub at: UnixMillis,
}

/// The origin, as it answered when it was last asked for its health.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OriginCheck {
    /// Whether it said that it is well.
    pub is_up: bool,
    /// The status; absent where no answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Milliseconds until it answered, or until nobody waited any more.
    #[serde(rename = "took")]
    pub response_ms: f64,
    /// When it was asked.
    #[serde(rename = "asked_at")]
    pub checked_at: UnixMillis,
    /// What it says of its database, as it says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<serde_json::Value>,
}

/// Alerts that are raised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertCounts {
    /// All of them.
    pub raised: u64,
    /// The critical ones.
    pub critical: u64,
}

impl HealthReport {
    /// The document for everybody; details and operations are put in for those who may know them.
    #[must_use]
    pub fn new(site: &str, health: &Health, release_id: &'static str, at: UnixMillis) -> Self {
        let summarize = |part: &crate::health::HealthPart| HealthPartSummary {
            name: part.name,
            points: part.points,
            max_points: part.max_points,
            status: part.status,
        };
        Self {
            v: VERSION,
            status: match health.status {
                HealthStatus::Healthy => "pass",
                HealthStatus::Unknown | HealthStatus::Degraded => "warn",
                HealthStatus::Unhealthy => "fail",
            },
            health: health.status,
            score: health.score,
            site: site.to_owned(),
            at,
            version: "1",
            release_id,
            parts: health.parts.iter().map(summarize).collect(),
            details: None,
            operations: None,
        }
    }
}

impl VitalReport {
    /// A budgeted cell with the values that were measured.
    #[must_use]
    pub fn new(
        cell: &BudgetedCell,
        measured: Option<&ledger::MetricCell>,
        last_view_hour: Option<UnixMillis>,
    ) -> Self {
        let BudgetedCell { route, device, metric, limit, tally } = cell;
        let (value, interval) = percentile_with_interval(*metric, measured, limit.percentile);
        Self {
            route: route.clone(),
            device: *device,
            metric: metric.name(),
            unit: display_unit(*metric),
            max: display_value(*metric, limit.max),
            percentile: limit.percentile,
            n: tally.n(),
            k: tally.within,
            verdict: limit.verdict(*tally).name(),
            value,
            interval,
            last_view_hour,
        }
    }

    /// The worst first, at most so many; and how many there are more.
    #[must_use]
    pub fn worst_first(mut all: Vec<Self>) -> (Vec<Self>, usize) {
        let rank = |vital: &Self| match vital.verdict {
            verdict if verdict == Verdict::Violated.name() => 0,
            verdict if verdict == Verdict::AtLimit.name() => 1,
            verdict if verdict == Verdict::Met.name() => 3,
            _ => 2,
        };
        all.sort_by(|a, b| (rank(a), b.n, &a.route).cmp(&(rank(b), a.n, &b.route)));
        let more = all.len().saturating_sub(MAX_VITALS);
        all.truncate(MAX_VITALS);
        (all, more)
    }
}

impl RequestReport {
    /// What was answered in so many milliseconds; none where nothing was counted.
    #[must_use]
    pub fn from_traffic(traffic: &TrafficStats, millis: u64) -> Option<Self> {
        if traffic.is_empty() {
            return None;
        }
        let load = |(route, served): (&String, &RouteStats)| RouteRequestLoad {
            route: route.clone(),
            load: RequestLoad::from_stats(served, millis),
        };
        let mut routes: Vec<RouteRequestLoad> = traffic.routes.iter().map(load).collect();
        routes.sort_by(|a, b| b.load.n.cmp(&a.load.n).then_with(|| a.route.cmp(&b.route)));
        Some(Self { total: RequestLoad::from_stats(&traffic.total(), millis), routes })
    }
}

impl RequestLoad {
    fn from_stats(served: &RouteStats, millis: u64) -> Self {
        let (n, errors, times) = (served.n(), served.server_errors(), served.edge_latency());
        Self {
            n,
            errors,
            error_rate: 100.0 * errors as f64 / n.max(1) as f64,
            per_second: n as f64 * 1000.0 / millis.max(1) as f64,
            p50: times.percentile(50),
            p95: times.percentile(95),
            p99: times.percentile(99),
        }
    }
}

impl CacheUsage {
    /// What the cache did; none where nothing was counted.
    #[must_use]
    pub fn from_traffic(traffic: &TrafficStats) -> Option<Self> {
        if traffic.is_empty() {
            return None;
        }
        let whole = traffic.total();
        let outcomes = whole.cache_outcomes();
        let mut reasons = BTreeMap::new();
        for (answer, answered) in
            whole.responses.iter().filter(|(answer, _)| answer.cache == CacheStatus::Miss)
        {
            let sum: &mut u64 = reasons.entry(answer.detail.clone()).or_default();
            *sum = sum.saturating_add(answered.n);
        }
        Some(Self {
            hits: outcomes.served_from_cache(),
            stale: outcomes.stale,
            misses: outcomes.misses,
            bypassed: outcomes.bypassed,
            hit_ratio: outcomes.hit_ratio().map(|ratio| 100.0 * ratio),
            reasons,
        })
    }
}

impl BackendStatus {
    /// A backend of that name.
    #[must_use]
    pub fn new(name: String, site: &str, pushed: Pushed) -> Self {
        let (circuit, open_until) = match pushed.circuit {
            Circuit::Closed => ("closed", None),
            Circuit::Open { until } => ("open", Some(until)),
            Circuit::Probing => ("probing", None),
        };
        let dead_letters = pushed.dead_letters.into_iter().filter_map(|entry| {
            let parked = entry.dead_letter?;
            Some(DeadLetterSummary {
                seq: entry.seq,
                key: entry.idempotency_key(site),
                status: parked.status,
                at: parked.at,
            })
        });
        Self {
            name,
            circuit: circuit.to_owned(),
            open_until,
            waiting: pushed.waiting as u64,
            oldest: pushed.oldest.map(|window| window.start),
            error: pushed.error.map(|trouble| trouble.to_string()),
            last: pushed.last_delivery.map(|last| LastDelivery { key: last.key, at: last.at }),
            dead_letters: dead_letters.collect(),
        }
    }
}

impl MemoryUsage {
    /// So many bytes of those that an isolate may have.
    #[must_use]
    pub fn from_bytes(bytes: u64) -> Self {
        Self {
            bytes,
            limit: ISOLATE_MEMORY_BYTES,
            percent: 100.0 * bytes as f64 / ISOLATE_MEMORY_BYTES as f64,
        }
    }
}

impl OriginCheck {
    /// Reads what an origin says of its health: a status, and a body that may follow the RFC draft
    /// (`application/health+json`) or say as much in a field of its own.
    #[must_use]
    pub fn from_response(status: Option<u16>, body: &[u8], response_ms: f64, checked_at: UnixMillis) -> Self {
        let document: Option<serde_json::Value> = serde_json::from_slice(body).ok();
        let word = document.as_ref().and_then(|said| said.get("status")?.as_str()).unwrap_or_default();
        let is_ill = ["fail", "error", "down", "unhealthy"].contains(&word.to_ascii_lowercase().as_str());
        Self {
            is_up: status.is_some_and(|status| (200..300).contains(&status)) && !is_ill,
            status,
            response_ms,
            checked_at,
            database: document.as_ref().and_then(database_status),
        }
    }
}

/// `checks` of the draft are named `database:connections` and the like; others have a field `database`.
fn database_status(document: &serde_json::Value) -> Option<serde_json::Value> {
    let is_named = |name: &str| {
        let name = name.split(':').next().unwrap_or_default().to_ascii_lowercase();
        ["database", "db", "postgres", "postgresql", "mysql", "sqlite"].contains(&name.as_str())
    };
    let database_field = |fields: &serde_json::Value| {
        let found = fields.as_object()?.iter().find(|(name, _)| is_named(name))?;
        Some(found.1.clone())
    };
    let found = document.get("checks").and_then(database_field).or_else(|| database_field(document))?;
    // What an origin says is passed on, and not without end.
    (found.to_string().len() <= MAX_DATABASE_BYTES).then_some(found)
}

const VERSION: u8 = 1;
const MAX_VITALS: usize = 1000;
const MAX_DATABASE_BYTES: usize = 4096;
/// 128 MB, as the platform has it.
const ISOLATE_MEMORY_BYTES: u64 = 128 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(status: Option<u16>, body: &str, is_up: bool, database: Option<serde_json::Value>) {
        let origin = OriginCheck::from_response(status, body.as_bytes(), 12.0, UnixMillis(1));
        assert_eq!((origin.is_up, origin.database), (is_up, database), "{body}");
    }

    #[test]
    fn origin_health_is_read_from_status_and_body() {
        check(Some(200), "", true, None);
        check(Some(204), "ok", true, None);
        check(Some(503), r#"{"status":"pass"}"#, false, None);
        check(Some(200), r#"{"status":"fail"}"#, false, None);
        check(Some(200), r#"{"status":"DOWN"}"#, false, None);
        check(Some(200), r#"{"status":"warn"}"#, true, None);
        check(None, "", false, None);
    }

    #[test]
    fn only_the_origins_database_status_is_passed_on() {
        let check_of = json!([{ "status": "pass", "observedValue": 3, "observedUnit": "ms" }]);
        let document =
            json!({ "status": "pass", "checks": { "cpu:usage": [], "database:responseTime": check_of } });
        check(Some(200), &document.to_string(), true, Some(check_of));
        check(Some(200), r#"{"database":{"status":"ok"},"secret":1}"#, true, Some(json!({ "status": "ok" })));
        let long = json!({ "database": "x".repeat(5000) });
        check(Some(200), &long.to_string(), true, None);
    }
}
