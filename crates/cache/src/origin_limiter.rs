//! A rate limiter for requests to the origin. Outcomes are evaluated once per second: if too many are bad,
//! the rate is multiplied by a factor, down to its minimum; otherwise it grows by a step, up to its maximum.
//! Additive increase with multiplicative decrease is stable, as in congestion control (RFC 5681 §3.1).

use serde::Deserialize;
use wire::UnixMillis;

/// The `limit` of a route.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OriginLimits {
    /// The requests a second that one isolate sends to a healthy origin.
    #[serde(rename = "most")]
    pub max_rate: f64,
    /// The requests a second that a failing origin still gets, so that its recovery is noticed.
    #[serde(default = "default_min_rate")]
    #[serde(rename = "least")]
    pub min_rate: f64,
    /// Responses that take more milliseconds than this count as bad, like errors.
    #[serde(default = "default_slow_ms")]
    pub slow_ms: u32,
    /// The share of bad responses above which the rate is reduced.
    #[serde(default = "default_max_bad_share")]
    #[serde(rename = "bad")]
    pub max_bad_share: f64,
}

/// The limiter of one route's origin, a token bucket with an adaptive rate.
#[derive(Clone, Debug)]
pub struct OriginLimiter {
    limits: OriginLimits,
    /// The current rate in requests a second.
    rate: f64,
    /// The requests that may be sent now.
    tokens: f64,
    refilled_at: UnixMillis,
    /// The start of the evaluation window, to which the three counts below belong.
    window_start: UnixMillis,
    good: u32,
    bad: u32,
    admitted: u32,
    /// Admitted requests whose outcome is not known yet.
    in_flight: u32,
}

impl OriginLimits {
    /// Checks the keys against each other.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let is_sound = self.min_rate >= 0.1 && self.min_rate <= self.max_rate && self.max_rate <= 100_000.0;
        if !is_sound {
            return Err(
                "limit needs most from 0.1 to 100000 and least from 0.1 to most, in requests a second".into(),
            );
        }
        if !(0.01..=0.9).contains(&self.max_bad_share) || self.slow_ms == 0 {
            return Err("limit needs bad, a share from 0.01 to 0.9, and slow_ms above 0".into());
        }
        Ok(())
    }
}

impl OriginLimiter {
    /// Creates a limiter that starts at the maximum rate.
    #[must_use]
    pub fn new(limits: OriginLimits, now: UnixMillis) -> Self {
        let rate = limits.max_rate;
        let (good, bad, admitted, in_flight) = (0, 0, 0, 0);
        Self {
            limits,
            rate,
            tokens: burst(rate),
            refilled_at: now,
            window_start: now,
            good,
            bad,
            admitted,
            in_flight,
        }
    }

    /// Returns the current rate in requests a second.
    #[must_use]
    pub const fn rate(&self) -> f64 {
        self.rate
    }

    /// Returns true if the rate is below its maximum.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        self.rate < self.limits.max_rate
    }

    /// Admits a request, or returns the number of seconds after which to retry.
    pub fn admit(&mut self, now: UnixMillis) -> Result<(), u64> {
        self.adjust_rate(now);
        let passed = now.0.saturating_sub(self.refilled_at.0) as f64 / 1000.0;
        self.tokens = passed.mul_add(self.rate, self.tokens).min(burst(self.rate));
        self.refilled_at = self.refilled_at.max(now);
        if self.tokens < 1.0 {
            return Err(((1.0 - self.tokens) / self.rate).ceil().max(1.0) as u64);
        }
        self.tokens -= 1.0;
        self.admitted = self.admitted.saturating_add(1);
        self.in_flight = self.in_flight.saturating_add(1);
        Ok(())
    }

    /// Records the outcome of an admitted request.
    pub fn record_outcome(&mut self, duration_ms: u64, failed: bool, now: UnixMillis) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let count =
            if failed || duration_ms > self.limits.slow_ms.into() { &mut self.bad } else { &mut self.good };
        *count = count.saturating_add(1);
        self.adjust_rate(now);
    }

    /// Records that an admitted request ended without an outcome because its client went away.
    pub const fn abandon(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    fn adjust_rate(&mut self, now: UnixMillis) {
        let passed = now.0.saturating_sub(self.window_start.0);
        let n = self.good.saturating_add(self.bad);
        // Wait for enough outcomes, but on low traffic evaluate the few that there are.
        if passed < ADJUST_INTERVAL_MS || (n < MIN_RESPONSES && passed < LOW_TRAFFIC_TIMEOUT_MS) {
            return;
        }
        let seconds = passed as f64 / 1000.0;
        let OriginLimits { max_rate, min_rate, max_bad_share, .. } = self.limits;
        let step = max_rate / RECOVERY_SECONDS;
        let adjusted = match n {
            0 => self.rate,
            _ if f64::from(self.bad) > max_bad_share * f64::from(n) => {
                // Reduce the rate that was used: unused capacity is no evidence of the origin's health.
                let request_rate = f64::from(self.admitted) / seconds;
                (self.rate.min(request_rate) * RATE_DECREASE_FACTOR).max(min_rate)
            }
            _ => self.rate + step,
        };
        // The rate also recovers while no requests are sent, but not while requests are unanswered.
        let idle = passed.saturating_sub(LOW_TRAFFIC_TIMEOUT_MS) as f64 / 1000.0;
        self.rate = if self.in_flight == 0 { idle.mul_add(step, adjusted) } else { adjusted }.min(max_rate);
        (self.good, self.bad, self.admitted, self.window_start) = (0, 0, 0, now);
    }
}

/// Returns the size of the token bucket: the requests of one second.
fn burst(rate: f64) -> f64 {
    rate.max(1.0)
}

const ADJUST_INTERVAL_MS: u64 = 1_000;
const LOW_TRAFFIC_TIMEOUT_MS: u64 = 5_000;
const MIN_RESPONSES: u32 = 5;
const RATE_DECREASE_FACTOR: f64 = 0.7;
/// The time in which the rate grows from zero to its maximum.
const RECOVERY_SECONDS: f64 = 30.0;

const fn default_min_rate() -> f64 {
    1.0
}

const fn default_slow_ms() -> u32 {
    2_000
}

const fn default_max_bad_share() -> f64 {
    0.1
}
