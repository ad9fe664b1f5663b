//! Uptime as an objective: the share of responses without a server error over thirty days, what is left of the errors that
//! it allows, and how fast they are used up. Times without an evaluation and hours without requests count neither way.

use budget::share_interval;
use serde::{Deserialize, Serialize};
use wire::{UnixMillis, WindowSpan};

use crate::health_status::HealthStatus;
use crate::signals::UPTIME_BOUNDS;
use crate::status_history::StatusHistory;

/// The responses of one hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HourOfResponses {
    /// The start of the hour.
    pub at: UnixMillis,
    /// All responses.
    pub responses: u64,
    /// The responses with a server error.
    pub errors: u64,
}

/// The uptime of a site over thirty days.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UptimeReport {
    /// The objective, in percent.
    pub target: f64,
    /// The share under which an alert is raised, in percent.
    pub alert_below: f64,
    /// All responses of complete hours.
    pub responses: u64,
    /// The responses with a server error.
    pub errors: u64,
    /// The share of responses without one, in percent; absent without responses.
    pub percent: Option<f64>,
    /// Its 95 % confidence interval.
    pub interval: Option<[f64; 2]>,
    /// The share of the allowed errors that is left, in percent; negative once the objective is missed.
    pub budget_left: Option<f64>,
    /// The speed at which allowed errors are used up: at 1 they last for thirty days.
    pub burn_rate: BurnRates,
    /// The share of the evaluated time in which the site was not unhealthy, in percent; absent without an evaluation.
    pub healthy_time: Option<f64>,
}

/// Burn rates; absent without responses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BurnRates {
    /// In the last complete hour.
    pub hour: Option<f64>,
    /// In the last six hours.
    pub six_hours: Option<f64>,
    /// In the last three days.
    pub three_days: Option<f64>,
}

impl UptimeReport {
    /// Evaluates the hours and the status history of the last [`UPTIME_DAYS`].
    #[must_use]
    pub fn new(hours: &[HourOfResponses], history: &StatusHistory, now: UnixMillis) -> Self {
        let sum_since = |hours_ago: u64| {
            let since = now.saturating_sub((hours_ago + 1) * HOUR_MS);
            let recent = hours.iter().filter(|hour| hour.at > since);
            recent.fold((0_u64, 0_u64), |(n, errors), hour| {
                (n.saturating_add(hour.responses), errors.saturating_add(hour.errors))
            })
        };
        let allowed = 1.0 - UPTIME_BOUNDS.target / 100.0;
        let burn_rate = |hours_ago: u64| {
            let (n, errors) = sum_since(hours_ago);
            (n > 0).then(|| errors as f64 / n as f64 / allowed)
        };
        let (n, errors) = sum_since(24 * UPTIME_DAYS);
        let share = |errors: f64| 100.0 * (1.0 - errors);
        let known_ms: u64 = history.status_ms.values().sum();
        let unhealthy_ms = history.status_ms.get(HealthStatus::Unhealthy.name()).copied().unwrap_or_default();
        Self {
            target: UPTIME_BOUNDS.target,
            alert_below: UPTIME_BOUNDS.warning,
            responses: n,
            errors,
            percent: (n > 0).then(|| share(errors as f64 / n as f64)),
            interval: (n > 0).then(|| {
                let [low, high] = share_interval(errors, n, 0.025);
                [share(high), share(low)]
            }),
            budget_left: (n > 0).then(|| 100.0 * (1.0 - errors as f64 / (n as f64 * allowed))),
            burn_rate: BurnRates { hour: burn_rate(1), six_hours: burn_rate(6), three_days: burn_rate(72) },
            healthy_time: (known_ms > 0).then(|| share(unhealthy_ms as f64 / known_ms as f64)),
        }
    }
}

/// The days of the objective.
pub const UPTIME_DAYS: u64 = 30;
const HOUR_MS: u64 = WindowSpan::Hour.millis();

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status_history::StatusPeriod;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn hour(hours_ago: u64, responses: u64, errors: u64) -> HourOfResponses {
        HourOfResponses { at: NOW.saturating_sub(hours_ago * HOUR_MS), responses, errors }
    }

    fn report(hours: &[HourOfResponses]) -> UptimeReport {
        UptimeReport::new(hours, &StatusHistory::between(&[], NOW, NOW), NOW)
    }

    #[test]
    fn errors_use_up_what_the_objective_allows() {
        // 1,000 responses an hour for 30 days allow 720 errors.
        let mut hours: Vec<_> = (1..=720).map(|ago| hour(ago, 1000, 0)).collect();
        let good = report(&hours);
        assert_eq!(
            (good.percent, good.budget_left, good.burn_rate.hour),
            (Some(100.0), Some(100.0), Some(0.0))
        );
        hours[0].errors = 360;
        let half = report(&hours);
        assert_eq!((half.errors, half.budget_left.map(f64::round)), (360, Some(50.0)));
        let rates = [half.burn_rate.hour, half.burn_rate.six_hours, half.burn_rate.three_days];
        assert_eq!(rates.map(|rate| rate.map(f64::round)), [Some(360.0), Some(60.0), Some(5.0)]);
        hours[100].errors = 1000;
        assert!(report(&hours).budget_left.is_some_and(|left| left < 0.0));
    }

    #[test]
    fn hours_before_the_thirty_days_and_missing_ones_do_not_count() {
        let days = report(&[hour(1, 100, 0), hour(24 * 31, 100, 100)]);
        assert_eq!((days.responses, days.errors), (100, 0));
        assert!(days.interval.is_some_and(|[low, high]| low < 97.0 && high == 100.0), "{:?}", days.interval);
        let none = report(&[]);
        assert_eq!((none.percent, none.budget_left, none.burn_rate), (None, None, BurnRates::default()));
    }

    #[test]
    fn time_without_an_evaluation_is_neither_up_nor_down() {
        let at = |minutes: u64| NOW.saturating_sub(minutes * 60_000);
        let period = |from, to, health| StatusPeriod { from: at(from), to: at(to), health, score: 50 };
        let periods = [
            period(600, 400, HealthStatus::Healthy),
            period(120, 45, HealthStatus::Healthy),
            period(30, 15, HealthStatus::Unhealthy),
        ];
        let history = StatusHistory::between(&periods, at(24 * 60), NOW);
        let share = UptimeReport::new(&[], &history, NOW).healthy_time.unwrap_or_default();
        // 215 and 90 minutes up, 30 down.
        assert!((share - 100.0 * 305.0 / 335.0).abs() < 1e-9, "{share}");
    }
}
