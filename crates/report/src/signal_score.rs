//! The points and the status that a value of a signal earns, by the limits of `signals`.

use budget::share_interval;

use crate::health_status::HealthStatus;
use crate::signals::{AlertBounds, AlertLevel, NumericBounds, Signal};

/// Returns the share of points that a value earns, and its status. The share falls linearly from 1 at the
/// target to 0 at the critical limit; without one, to 0 at five times the distance of the warning limit.
pub(crate) fn score_signal(signal: Signal, value: f64) -> (f64, HealthStatus) {
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

/// Returns the same for a value that counts of events stand behind. A limit is exceeded if the events prove it, as
/// `is_proven` tells of a limit. Too few events, or a value beyond the limit by chance, are insufficient and earn nothing.
pub(crate) fn score_counted(
    signal: Signal,
    n: u64,
    value: f64,
    is_proven: impl Fn(f64) -> bool,
) -> (f64, HealthStatus) {
    let AlertBounds::Numeric(number) = signal.rule().bounds else { return (0.0, HealthStatus::Unknown) };
    let (share, apparent) = score_signal(signal, value);
    let NumericBounds { warning, critical, .. } = number;
    match apparent {
        HealthStatus::Unknown => (0.0, HealthStatus::Unknown),
        // Failures of one visitor are not independent of each other.
        _ if n < LEAST_EVENTS => (0.0, HealthStatus::Insufficient),
        _ if critical.is_some_and(&is_proven) => (share, HealthStatus::Unhealthy),
        _ if is_proven(warning) => (share, HealthStatus::Degraded),
        HealthStatus::Healthy if n >= MIN_EVENTS => (share, HealthStatus::Healthy),
        _ => (0.0, HealthStatus::Insufficient),
    }
}

/// Returns true if the share of `k` in `n` is beyond a limit, except with a probability of one in a thousand.
pub(crate) fn is_share_above(k: u64, n: u64, limit: f64) -> bool {
    share_interval(k, n, ERROR_PROBABILITY)[0] > limit
}

/// The least events of a part that is healthy: without a bad one among them, at most 3 % are bad, with 95 % confidence.
pub(crate) const MIN_EVENTS: u64 = 100;
/// The least events of any judgement.
const LEAST_EVENTS: u64 = 20;
/// The probability that a healthy site looks otherwise, in one look.
const ERROR_PROBABILITY: f64 = 0.001;
