//! The growth of memory over the last hours: a leak is told long before the limit is reached. The samples are those of one
//! isolate, and are lost with it, as its memory is.

use std::collections::VecDeque;

use wire::UnixMillis;

use crate::observation::{FORECAST_HOURS, SignalReading};

/// The latest samples of the share of memory in use.
#[derive(Clone, Debug, Default)]
pub struct MemoryTrend(VecDeque<(UnixMillis, f64)>);

impl MemoryTrend {
    /// Adds a sample, and returns the observation: the share now; or in some hours, if it grows steadily.
    pub fn record(&mut self, percent: f64, now: UnixMillis) -> SignalReading {
        let is_due = self.0.back().is_none_or(|(last, _)| now.0.saturating_sub(last.0) >= SAMPLE_INTERVAL_MS);
        if is_due {
            self.0.push_back((now, percent));
            if self.0.len() > MAX_SAMPLES {
                self.0.pop_front();
            }
        }
        SignalReading::Memory { percent, forecast: self.forecast() }
    }

    /// Returns the share in [`FORECAST_HOURS`], by the least growth that both halves of the samples prove; `None` if either
    /// does not grow. Memory that a new isolate takes once is no leak.
    fn forecast(&self) -> Option<f64> {
        if self.0.len() < MAX_SAMPLES {
            return None;
        }
        let samples: Vec<(f64, f64)> =
            self.0.iter().map(|(at, percent)| (at.0 as f64 / HOUR_MS, *percent)).collect();
        let (older, newer) = samples.split_at_checked(MAX_SAMPLES / 2)?;
        let growth = least_growth(older)?.min(least_growth(newer)?).min(least_growth(&samples)?);
        let mean = newer.iter().map(|(_, percent)| percent).sum::<f64>() / newer.len() as f64;
        (growth > 0.0).then_some(mean + growth * FORECAST_HOURS)
    }
}

/// Returns the slope of the regression line less its error, per hour.
fn least_growth(samples: &[(f64, f64)]) -> Option<f64> {
    let n = samples.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| samples.iter().map(of).sum::<f64>() / n;
    let (mean_x, mean_y) = (mean(|sample| sample.0), mean(|sample| sample.1));
    let square: f64 = samples.iter().map(|(x, _)| (x - mean_x) * (x - mean_x)).sum();
    let slope = samples.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>() / square;
    let rest: f64 = samples
        .iter()
        .map(|(x, y)| {
            let error = y - mean_y - slope * (x - mean_x);
            error * error
        })
        .sum();
    let error = (rest / (n - 2.0).max(1.0) / square).sqrt();
    (slope - DEVIATIONS * error).is_finite().then_some(slope - DEVIATIONS * error)
}

const HOUR_MS: f64 = 3_600_000.0;
const SAMPLE_INTERVAL_MS: u64 = 5 * 60_000;
/// Two hours.
const MAX_SAMPLES: usize = 24;
const DEVIATIONS: f64 = 1.5;

#[cfg(test)]
mod tests {
    use super::*;

    /// The forecast after so many samples of a share.
    fn forecast(samples: u64, percent: impl Fn(f64) -> f64) -> Option<f64> {
        let mut trend = MemoryTrend::default();
        let mut last = None;
        for sample in 0..samples {
            let now = UnixMillis(1_800_000_000_000 + sample * SAMPLE_INTERVAL_MS);
            let SignalReading::Memory { forecast, .. } = trend.record(percent(sample as f64 / 12.0), now)
            else {
                unreachable!()
            };
            last = forecast;
        }
        last
    }

    #[test]
    fn steady_growth_is_a_leak_and_a_plateau_is_none() {
        let leak = forecast(30, |hours| 45.0 + 5.0 * hours).expect("a leak");
        assert!((75.0..=90.0).contains(&leak), "{leak}");
        assert_eq!(forecast(23, |hours| 45.0 + 5.0 * hours), None, "too few samples");
        assert_eq!(forecast(48, |_| 45.0), None);
        assert_eq!(forecast(30, |hours| 60.0 * hours.min(0.8)), None, "a new isolate");
        assert_eq!(forecast(30, |hours| 90.0 - 5.0 * hours), None);
    }
}
