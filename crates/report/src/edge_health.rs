//! The parts of a site's health that the edge counts: its responses, its cache, and the origins behind it. Limits count as
//! exceeded if the counts prove it, so that a single request changes no status.

use traffic::RouteStats;

use crate::health_status::HealthStatus;
use crate::origin_evidence::OriginState;
use crate::signal_score::{MIN_EVENTS, is_share_above, score_counted};
use crate::signals::{AlertBounds, AlertLevel, Signal};

/// The responses of the edge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RequestHealth {
    /// The number of responses.
    pub n: u64,
    /// The responses with a server error.
    pub errors: u64,
    /// The 95th percentile of response times, in milliseconds.
    pub p95: f64,
    /// The responses that were slower than the warning limit of the percentile, and than its critical limit.
    pub slower: [u64; 2],
}

/// The lookups of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheHealth {
    /// All lookups.
    pub lookups: u64,
    /// Those that the cache answered.
    pub hits: u64,
}

/// The origin that is worst off.
#[derive(Clone, Debug, PartialEq)]
pub struct OriginHealth {
    /// The host of the origin.
    pub name: String,
    /// Its state.
    pub state: OriginState,
    /// The evidence in a sentence without a full stop.
    pub message: String,
}

impl RequestHealth {
    /// Summarises responses.
    #[must_use]
    pub fn from_stats(stats: &RouteStats) -> Self {
        let latency = stats.edge_latency();
        let n = latency.n();
        // The sketch is exact at the edges of its buckets, and off by 1.6 % elsewhere.
        let slower_than = |limit: f64| n.saturating_sub(latency.sketch.within(limit as u32).at_most);
        Self {
            n: stats.n(),
            errors: stats.server_errors(),
            p95: latency.percentile(95).unwrap_or_default(),
            slower: limits_of_response_time().map(slower_than),
        }
    }

    pub(crate) fn score(&self) -> (f64, HealthStatus, String) {
        let Self { n, errors, p95, slower: [slower, much_slower] } = *self;
        if n == 0 {
            return (0.0, HealthStatus::Unknown, "No requests were served.".into());
        }
        let error_percent = 100.0 * errors as f64 / n as f64;
        let [warning, _] = limits_of_response_time();
        let (fast, slow) = score_counted(Signal::ResponseTime, n, p95, |limit| {
            let count = if limit > warning { much_slower } else { slower };
            is_share_above(count, n, 1.0 - P95)
        });
        let (sound, failing) = score_counted(Signal::ErrorRate, n, error_percent, |limit| {
            is_share_above(errors, n, limit / 100.0)
        });
        let because = format!(
            "The 95th percentile of response times is {p95:.0} ms; {error_percent:.2} % of responses are errors{}",
            too_few("responses", n, slow.max(failing))
        );
        (fast.min(sound), slow.max(failing), because)
    }
}

impl CacheHealth {
    pub(crate) fn score(&self) -> (f64, HealthStatus, String) {
        let Self { lookups: n, hits } = *self;
        let percent = 100.0 * hits as f64 / n.max(1) as f64;
        let misses = n.saturating_sub(hits);
        let (share, status) = score_counted(Signal::HitRatio, n, percent, |limit| {
            is_share_above(misses, n, 1.0 - limit / 100.0)
        });
        (share, status, format!("The cache hit ratio is {percent:.1} %{}", too_few("lookups", n, status)))
    }
}

impl OriginHealth {
    pub(crate) fn score(&self) -> (f64, HealthStatus, String) {
        let Self { name, state, message } = self;
        let (share, status) = match state {
            OriginState::Up => (1.0, HealthStatus::Healthy),
            OriginState::Unclear | OriginState::Insufficient => (0.0, HealthStatus::Insufficient),
            OriginState::Failing(AlertLevel::Warning) => (0.0, HealthStatus::Degraded),
            OriginState::Failing(AlertLevel::Critical) => (0.0, HealthStatus::Unhealthy),
        };
        (share, status, format!("Origin {name}: {message}."))
    }
}

/// Ends a sentence, and adds one if the status is insufficient.
fn too_few(events: &str, n: u64, status: HealthStatus) -> String {
    match status {
        HealthStatus::Insufficient if n < MIN_EVENTS => format!(". {n} {events} are too few to tell."),
        HealthStatus::Insufficient => format!(". With {n} {events} that may be chance."),
        HealthStatus::Healthy | HealthStatus::Unknown | HealthStatus::Degraded | HealthStatus::Unhealthy => {
            ".".into()
        }
    }
}

/// Returns the warning limit and the critical limit in milliseconds.
fn limits_of_response_time() -> [f64; 2] {
    match Signal::ResponseTime.rule().bounds {
        AlertBounds::Numeric(number) => [number.warning, number.critical.unwrap_or(f64::MAX)],
        AlertBounds::BudgetRule { .. } => [f64::MAX; 2],
    }
}

const P95: f64 = 0.95;
