//! How much an origin is asked for: less while it fails or is slow, more again while it is well. Once a
//! second what came of the requests is judged: bad, and the rate is cut by a share (never below its
//! least); good, and it grows by a step (never above its most). So it falls fast and rises slowly, as
//! congestion control does (RFC 5681 §3.1), and for the same reason.

use serde::Deserialize;
use wire::UnixMillis;

/// What a route says of it.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Requests a second that the origin gets while it is well, from one isolate.
    pub most: f64,
    /// Those that it gets whatever happens, so that it is seen when it is well again.
    #[serde(default = "least")]
    pub least: f64,
    /// An answer that takes longer than so many milliseconds is as bad as an error.
    #[serde(default = "slow")]
    pub slow_ms: u32,
    /// The share of bad answers above which the rate is cut.
    #[serde(default = "bad")]
    pub bad: f64,
}

/// What is known of an origin.
#[derive(Clone, Debug)]
pub struct Limiter {
    limits: Limits,
    /// Requests a second.
    rate: f64,
    /// What may be asked for at once.
    tokens: f64,
    filled_at: UnixMillis,
    /// When this judgement began, and what came since.
    since: UnixMillis,
    good: u32,
    bad: u32,
    admitted: u32,
    /// Asked and not answered.
    waiting: u32,
}

impl Limits {
    /// What holds between its keys.
    pub(crate) fn check(&self) -> Result<(), String> {
        let is_sound = self.least >= 0.1 && self.least <= self.most && self.most <= 100_000.0;
        if !is_sound {
            return Err(
                "limit wants most from 0.1 to 100000 and least from 0.1 to most, in requests a second".into(),
            );
        }
        if !(0.01..=0.9).contains(&self.bad) || self.slow_ms == 0 {
            return Err("limit wants bad, a share from 0.01 to 0.9, and slow_ms above 0".into());
        }
        Ok(())
    }
}

impl Limiter {
    /// Trusting, until it is known better.
    #[must_use]
    pub fn new(limits: Limits, now: UnixMillis) -> Self {
        let rate = limits.most;
        let (good, bad, admitted, waiting) = (0, 0, 0, 0);
        Self { limits, rate, tokens: burst(rate), filled_at: now, since: now, good, bad, admitted, waiting }
    }

    /// Requests a second that the origin gets now.
    #[must_use]
    pub const fn rate(&self) -> f64 {
        self.rate
    }

    /// Whether it is below its most.
    #[must_use]
    pub fn is_tight(&self) -> bool {
        self.rate < self.limits.most
    }

    /// Whether the origin may be asked once more; else after how many seconds to try again.
    pub fn admit(&mut self, now: UnixMillis) -> Result<(), u64> {
        self.judge(now);
        let passed = now.0.saturating_sub(self.filled_at.0) as f64 / 1000.0;
        self.tokens = passed.mul_add(self.rate, self.tokens).min(burst(self.rate));
        self.filled_at = self.filled_at.max(now);
        if self.tokens < 1.0 {
            return Err(((1.0 - self.tokens) / self.rate).ceil().max(1.0) as u64);
        }
        self.tokens -= 1.0;
        self.admitted = self.admitted.saturating_add(1);
        self.waiting = self.waiting.saturating_add(1);
        Ok(())
    }

    /// What came of a request that was admitted.
    pub fn settle(&mut self, took: u64, failed: bool, now: UnixMillis) {
        self.waiting = self.waiting.saturating_sub(1);
        let count = if failed || took > self.limits.slow_ms.into() { &mut self.bad } else { &mut self.good };
        *count = count.saturating_add(1);
        self.judge(now);
    }

    /// A request that was admitted came to nothing: its visitor has gone.
    pub const fn drop_one(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
    }

    fn judge(&mut self, now: UnixMillis) {
        let passed = now.0.saturating_sub(self.since.0);
        let n = self.good.saturating_add(self.bad);
        // Few answers say little; but one of them in a while says that there are no more.
        if passed < JUDGED_EVERY || (n < ENOUGH && passed < PATIENCE) {
            return;
        }
        let seconds = passed as f64 / 1000.0;
        let Limits { most, least, bad, .. } = self.limits;
        let step = most / RISES_IN;
        let judged = match n {
            0 => self.rate,
            _ if f64::from(self.bad) > bad * f64::from(n) => {
                // What was allowed and not asked for says nothing of what the origin bears.
                let asked = f64::from(self.admitted) / seconds;
                (self.rate.min(asked) * CUT).max(least)
            }
            _ => self.rate + step,
        };
        // Whom nobody asks has time to heal; of requests that nobody answers nothing good can be said.
        let idle = passed.saturating_sub(PATIENCE) as f64 / 1000.0;
        self.rate = if self.waiting == 0 { idle.mul_add(step, judged) } else { judged }.min(most);
        (self.good, self.bad, self.admitted, self.since) = (0, 0, 0, now);
    }
}

/// A second's worth may come at once.
fn burst(rate: f64) -> f64 {
    rate.max(1.0)
}

/// Milliseconds.
const JUDGED_EVERY: u64 = 1_000;
const PATIENCE: u64 = 5_000;
const ENOUGH: u32 = 5;
const CUT: f64 = 0.7;
/// Seconds from nothing to the most.
const RISES_IN: f64 = 30.0;

const fn least() -> f64 {
    1.0
}

const fn slow() -> u32 {
    2_000
}

const fn bad() -> f64 {
    0.1
}
