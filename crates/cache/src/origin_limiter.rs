//! How much an origin is asked for: less while it fails or is slow, more again while it is well. Once a
//! second what came of the requests is judged: bad, and the rate is cut by a share (never below its
//! least); good, and it grows by a step (never above its most). So it falls fast and rises slowly, as
//! congestion control does (RFC 5681 §3.1), and for the same reason.

use serde::Deserialize;
use wire::UnixMillis;

/// What a route says of it.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OriginLimits {
    /// Requests a second that the origin gets while it is well, from one isolate.
    #[serde(rename = "most")]
    pub max_rate: f64,
    /// Those that it gets whatever happens, so that it is seen when it is well again.
    #[serde(default = "default_min_rate")]
    #[serde(rename = "least")]
    pub min_rate: f64,
    /// An answer that takes longer than so many milliseconds is as bad as an error.
    #[serde(default = "default_slow_ms")]
    pub slow_ms: u32,
    /// The share of bad answers above which the rate is cut.
    #[serde(default = "default_max_bad_share")]
    #[serde(rename = "bad")]
    pub max_bad_share: f64,
}

/// What is known of an origin.
#[derive(Clone, Debug)]
pub struct OriginLimiter {
    limits: OriginLimits,
    /// Requests a second.
    rate: f64,
    /// What may be asked for at once.
    tokens: f64,
    refilled_at: UnixMillis,
    /// When this judgement began, and what came since.
    window_start: UnixMillis,
    good: u32,
    bad: u32,
    admitted: u32,
    /// Asked and not answered.
    in_flight: u32,
}

impl OriginLimits {
    /// What holds between its keys.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let is_sound = self.min_rate >= 0.1 && self.min_rate <= self.max_rate && self.max_rate <= 100_000.0;
        if !is_sound {
            return Err(
                "limit wants most from 0.1 to 100000 and least from 0.1 to most, in requests a second".into(),
            );
        }
        if !(0.01..=0.9).contains(&self.max_bad_share) || self.slow_ms == 0 {
            return Err("limit wants bad, a share from 0.01 to 0.9, and slow_ms above 0".into());
        }
        Ok(())
    }
}

impl OriginLimiter {
    /// Trusting, until it is known better.
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

    /// Requests a second that the origin gets now.
    #[must_use]
    pub const fn rate(&self) -> f64 {
        self.rate
    }

    /// Whether it is below its most.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        self.rate < self.limits.max_rate
    }

    /// Whether the origin may be asked once more; else after how many seconds to try again.
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

    /// What came of a request that was admitted.
    pub fn record_outcome(&mut self, duration_ms: u64, failed: bool, now: UnixMillis) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let count =
            if failed || duration_ms > self.limits.slow_ms.into() { &mut self.bad } else { &mut self.good };
        *count = count.saturating_add(1);
        self.adjust_rate(now);
    }

    /// A request that was admitted came to nothing: its visitor has gone.
    pub const fn abandon(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    fn adjust_rate(&mut self, now: UnixMillis) {
        let passed = now.0.saturating_sub(self.window_start.0);
        let n = self.good.saturating_add(self.bad);
        // Few answers say little; but one of them in a while says that there are no more.
        if passed < ADJUST_INTERVAL_MS || (n < MIN_RESPONSES && passed < LOW_TRAFFIC_TIMEOUT_MS) {
            return;
        }
        let seconds = passed as f64 / 1000.0;
        let OriginLimits { max_rate: most, min_rate: least, max_bad_share: bad, .. } = self.limits;
        let step = most / RECOVERY_SECONDS;
        let adjusted = match n {
            0 => self.rate,
            _ if f64::from(self.bad) > bad * f64::from(n) => {
                // What was allowed and not asked for says nothing of what the origin bears.
                let request_rate = f64::from(self.admitted) / seconds;
                (self.rate.min(request_rate) * RATE_DECREASE_FACTOR).max(least)
            }
            _ => self.rate + step,
        };
        // Whom nobody asks has time to heal; of requests that nobody answers nothing good can be said.
        let idle = passed.saturating_sub(LOW_TRAFFIC_TIMEOUT_MS) as f64 / 1000.0;
        self.rate = if self.in_flight == 0 { idle.mul_add(step, adjusted) } else { adjusted }.min(most);
        (self.good, self.bad, self.admitted, self.window_start) = (0, 0, 0, now);
    }
}

/// A second's worth may come at once.
fn burst(rate: f64) -> f64 {
    rate.max(1.0)
}

/// Milliseconds.
const ADJUST_INTERVAL_MS: u64 = 1_000;
const LOW_TRAFFIC_TIMEOUT_MS: u64 = 5_000;
const MIN_RESPONSES: u32 = 5;
const RATE_DECREASE_FACTOR: f64 = 0.7;
/// Seconds from nothing to the most.
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
