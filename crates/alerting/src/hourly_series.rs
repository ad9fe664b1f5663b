//! Values of a series by the hour: its usual value at a time of the day, deviations from it, and the views to expect.

use std::collections::BTreeMap;

use report::anomaly::{Baseline, Noise};
use wire::{UnixMillis, WindowSpan};

use crate::observation::{AlertObservation, SampledValue, SignalReading};

/// Values by hour since the Unix epoch. A missing hour after the first one counts as zero.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HourlySeries(pub BTreeMap<u64, f64>);

impl HourlySeries {
    /// Returns the baseline of an hour from the same hour of all earlier days that are kept.
    fn baseline(&self, hour: u64) -> Option<Baseline> {
        let (first, _) = self.0.first_key_value()?;
        let earlier: Vec<f64> = (1..=HISTORY_DAYS)
            .filter_map(|days| hour.checked_sub(24 * days))
            .take_while(|hour| hour >= first)
            .map(|hour| self.0.get(&hour).copied().unwrap_or(0.0))
            .collect();
        Baseline::from_history(&earlier)
    }

    /// Returns the baseline of the sixty minutes before a time, which are parts of two hours.
    fn sliding_baseline(&self, now: UnixMillis) -> Option<Baseline> {
        let (first, _) = self.0.first_key_value()?;
        let (current, part) = (now.0 / HOUR_MS, (now.0 % HOUR_MS) as f64 / HOUR_MS as f64);
        let value = |hour: u64| self.0.get(&hour).copied().unwrap_or(0.0);
        let earlier: Vec<f64> = (1..=HISTORY_DAYS)
            .filter_map(|days| current.checked_sub(24 * days))
            .take_while(|hour| hour > first)
            .map(|hour| part * value(hour) + (1.0 - part) * value(hour.saturating_sub(1)))
            .collect();
        Baseline::from_history(&earlier)
    }

    /// Returns the deviation of a value of the last minutes, or `None` without a baseline. `n` is the number of events behind
    /// the value; counts use the usual number instead, since a series that stopped has no events.
    #[must_use]
    pub fn anomaly(
        &self,
        series: &str,
        n: u64,
        value: f64,
        noise: Noise,
        now: UnixMillis,
    ) -> Option<AlertObservation> {
        let baseline = self.sliding_baseline(now)?;
        let n = match noise {
            // An hour that stopped has no events, either.
            Noise::Count if n > 0 || value == 0.0 => baseline.median.max(0.0) as u64,
            _ => n,
        };
        let reading = SignalReading::Anomaly(SampledValue::new(n, baseline.deviations(value, noise)));
        Some(AlertObservation { route: None, device: None, series: Some(series.to_owned()), reading })
    }

    /// Returns the number of views expected between two times, from the baseline of each hour. Hours without a
    /// baseline count as zero.
    #[must_use]
    pub fn expected_views(&self, since: UnixMillis, now: UnixMillis) -> f64 {
        let length = HOUR_MS;
        let (first, last) = (since.0 / length, now.0 / length);
        // Longer silences change nothing, so the work is bounded.
        let from = first.max(last.saturating_sub(24 * MAX_SILENCE_DAYS));
        (from..=last)
            .map(|hour| {
                let begins = (hour * length).max(since.0);
                let ends = (hour * length + length).min(now.0);
                let share = ends.saturating_sub(begins) as f64 / length as f64;
                self.baseline(hour).map_or(0.0, |usual| usual.median * share)
            })
            .sum()
    }
}

const HOUR_MS: u64 = WindowSpan::Hour.millis();
/// The retention of hourly values.
const HISTORY_DAYS: u64 = 35;
const MAX_SILENCE_DAYS: u64 = 3;

#[cfg(test)]
mod tests {
    use report::signals::AlertLevel;

    use super::*;
    use crate::observation::Assessment;

    /// An hour at noon UTC.
    const NOON_HOUR: u64 = 500_004;

    /// Sixty views per hour from 8 to 20 h and none at night, up to the hour before noon.
    fn views(days: u64) -> HourlySeries {
        let hours = NOON_HOUR - 24 * days..NOON_HOUR;
        HourlySeries(hours.filter(|hour| (8..20).contains(&(hour % 24))).map(|hour| (hour, 60.0)).collect())
    }

    fn at(hour: u64, minutes: u64) -> UnixMillis {
        UnixMillis(hour * HOUR_MS + minutes * 60_000)
    }

    #[test]
    fn expected_views_follow_the_hourly_baseline() {
        let views = views(30);
        assert!((views.expected_views(at(NOON_HOUR, 0), at(NOON_HOUR, 15)) - 15.0).abs() < 1e-9);
        assert!((views.expected_views(at(NOON_HOUR, 30), at(NOON_HOUR + 1, 30)) - 60.0).abs() < 1e-9);
        // From 18:58 to 8:00 the next day.
        assert!((views.expected_views(at(NOON_HOUR - 18, 58), at(NOON_HOUR - 4, 0)) - 62.0).abs() < 1e-9);
        assert_eq!(
            views.expected_views(at(NOON_HOUR + 9, 0), at(NOON_HOUR + 18, 0)),
            0.0,
            "no views at night"
        );
        assert_eq!(
            views.expected_views(at(NOON_HOUR, 15), at(NOON_HOUR, 0)),
            0.0,
            "a clock that was set back"
        );
        assert!(views.expected_views(UnixMillis(0), at(NOON_HOUR, 0)) <= 4.0 * 12.0 * 60.0);
    }

    #[test]
    fn a_new_site_has_no_expected_views() {
        assert_eq!(HourlySeries::default().expected_views(at(NOON_HOUR, 0), at(NOON_HOUR + 5, 0)), 0.0);
        assert_eq!(views(6).expected_views(at(NOON_HOUR, 0), at(NOON_HOUR + 5, 0)), 0.0);
        assert_eq!(views(6).anomaly("views", 0, 0.0, Noise::Count, at(NOON_HOUR, 0)), None);
    }

    #[track_caller]
    fn check(n: u64, value: f64, time: UnixMillis, expect: Assessment) {
        let anomaly = views(40).anomaly("views", n, value, Noise::Count, time).expect("a baseline");
        assert_eq!(anomaly.reading.assess(None), expect, "{anomaly:?}");
    }

    #[test]
    fn the_last_sixty_minutes_are_compared_with_the_same_time_of_earlier_days() {
        check(60, 60.0, at(NOON_HOUR, 5), Assessment::Good);
        check(5, 5.0, at(NOON_HOUR, 5), Assessment::Bad(AlertLevel::Warning));
        // Views begin at 8.
        check(0, 0.0, at(NOON_HOUR - 4, 0), Assessment::Unclear);
        check(30, 30.0, at(NOON_HOUR - 4, 30), Assessment::Good);
        check(60, 60.0, at(NOON_HOUR - 3, 0), Assessment::Good);
    }

    #[test]
    fn an_hour_of_few_networks_has_no_events_and_a_silent_one_has_those_that_are_missing() {
        check(900, 900.0, at(NOON_HOUR, 5), Assessment::Bad(AlertLevel::Warning));
        check(0, 900.0, at(NOON_HOUR, 5), Assessment::Unclear);
        check(0, 0.0, at(NOON_HOUR, 5), Assessment::Bad(AlertLevel::Warning));
    }
}
