//! Status history: periods of consecutive evaluations with equal status. An evaluation holds until the next
//! one, or for a quarter of an hour; longer without one is a gap, which has no status. Storing is left to the
//! shell.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::UnixMillis;

use crate::health::HealthStatus;

/// A period of consecutive evaluations with equal status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StatusPeriod {
    /// The first evaluation.
    pub from: UnixMillis,
    /// The last evaluation; in a [`StatusHistory`], the end of its validity.
    pub to: UnixMillis,
    /// The status.
    pub health: HealthStatus,
    /// The lowest score.
    pub score: u8,
}

/// The status history of a time span.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StatusHistory {
    /// The periods, oldest first. Gaps between them are not evaluated.
    pub statuses: Vec<StatusPeriod>,
    /// Milliseconds by status.
    #[serde(rename = "spent")]
    pub status_ms: BTreeMap<&'static str, u64>,
    /// Milliseconds without an evaluation.
    #[serde(rename = "unseen")]
    pub unevaluated_ms: u64,
}

impl StatusPeriod {
    /// Extends the previous period by an evaluation, or starts a new one.
    #[must_use]
    pub fn extend_or_start(before: Option<Self>, at: UnixMillis, health: HealthStatus, score: u8) -> Self {
        let new_period = Self { from: at, to: at, health, score };
        match before {
            Some(before) if before.health == health && at >= before.to && !before.is_stale_at(at) => {
                Self { to: at, score: before.score.min(score), ..before }
            }
            _ => new_period,
        }
    }

    /// Returns `true` if an evaluation at that time leaves a gap.
    const fn is_stale_at(&self, at: UnixMillis) -> bool {
        at.0.saturating_sub(self.to.0) > MAX_EVALUATION_GAP_MS
    }
}

impl StatusHistory {
    /// Clips periods, given oldest first, to a time span.
    #[must_use]
    pub fn between(periods: &[StatusPeriod], from: UnixMillis, to: UnixMillis) -> Self {
        let ends_at = |index: usize, period: &StatusPeriod| match periods.get(index + 1) {
            Some(next) if !period.is_stale_at(next.from) => next.from,
            _ => period.to.saturating_add(EVALUATION_INTERVAL_MS),
        };
        let within = |(index, period): (usize, &StatusPeriod)| {
            let clipped =
                StatusPeriod { from: period.from.max(from), to: ends_at(index, period).min(to), ..*period };
            (clipped.from < clipped.to).then_some(clipped)
        };
        let statuses: Vec<StatusPeriod> = periods.iter().enumerate().filter_map(within).collect();
        let mut status_ms = BTreeMap::new();
        let mut unevaluated_ms = to.0.saturating_sub(from.0);
        for period in &statuses {
            let lasted = period.to.0.saturating_sub(period.from.0);
            let sum: &mut u64 = status_ms.entry(period.health.name()).or_default();
            *sum = sum.saturating_add(lasted);
            unevaluated_ms = unevaluated_ms.saturating_sub(lasted);
        }
        Self { statuses, status_ms, unevaluated_ms }
    }
}

/// The interval of the cron trigger.
const EVALUATION_INTERVAL_MS: u64 = 15 * 60_000;
/// One failed evaluation leaves no gap, two do.
const MAX_EVALUATION_GAP_MS: u64 = 40 * 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: u64 = 60_000;

    /// Periods from evaluations at the given minutes.
    fn periods(evaluations: &[(u64, HealthStatus, u8)]) -> Vec<StatusPeriod> {
        let mut all: Vec<StatusPeriod> = Vec::new();
        for (minute, health, score) in evaluations {
            let period = StatusPeriod::extend_or_start(
                all.last().copied(),
                UnixMillis(minute * MINUTE_MS),
                *health,
                *score,
            );
            if all.last().is_some_and(|last| last.from == period.from) {
                all.pop();
            }
            all.push(period);
        }
        all
    }

    #[test]
    fn equal_statuses_form_one_period_and_a_gap_ends_it() {
        use HealthStatus::{Degraded, Healthy};
        let evaluations =
            [(0, Healthy, 95), (15, Healthy, 91), (30, Degraded, 60), (45, Healthy, 92), (75, Healthy, 99)];
        let all = periods(&evaluations);
        let runs: Vec<_> = all
            .iter()
            .map(|run| (run.from.0 / MINUTE_MS, run.to.0 / MINUTE_MS, run.health, run.score))
            .collect();
        assert_eq!(runs, [(0, 15, Healthy, 91), (30, 30, Degraded, 60), (45, 75, Healthy, 92)]);
        // 30 minutes are one failed evaluation; 60 minutes are a gap even if the status is equal.
        let all = periods(&[(0, Healthy, 95), (30, Healthy, 95), (90, Healthy, 95)]);
        assert_eq!(all.len(), 2);
    }

    #[test]
    fn a_gap_has_no_status_and_all_time_is_accounted_for() {
        use HealthStatus::{Healthy, Unhealthy};
        let all = periods(&[(0, Healthy, 95), (15, Unhealthy, 20), (30, Unhealthy, 10), (120, Healthy, 95)]);
        let [from, to] = [5, 180].map(|minute| UnixMillis(minute * MINUTE_MS));
        let history = StatusHistory::between(&all, from, to);
        let periods: Vec<_> = history
            .statuses
            .iter()
            .map(|run| (run.from.0 / MINUTE_MS, run.to.0 / MINUTE_MS, run.health))
            .collect();
        assert_eq!(periods, [(5, 15, Healthy), (15, 45, Unhealthy), (120, 135, Healthy)]);
        assert_eq!(history.status_ms, [("healthy", 25 * MINUTE_MS), ("unhealthy", 30 * MINUTE_MS)].into());
        assert_eq!(history.unevaluated_ms, 120 * MINUTE_MS);
        assert_eq!(StatusHistory::between(&[], from, to).unevaluated_ms, 175 * MINUTE_MS);
    }

    #[test]
    fn a_clock_going_back_starts_a_new_period() {
        let all = periods(&[(60, HealthStatus::Healthy, 95), (30, HealthStatus::Healthy, 90)]);
        assert_eq!(all.len(), 2);
    }
}
