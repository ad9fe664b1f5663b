//! Baselines: the usual value at an hour, as the median of the same hour of earlier days with a spread that is
//! robust against a few bad days, and the deviation of a value from it.

use wire::sorting::SortSlice;
/// The usual value of a series at one hour of the day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Baseline {
    /// The median of earlier days.
    pub median: f64,
    /// A robust estimate of the standard deviation, from the median absolute deviation.
    pub spread: f64,
    /// The number of days.
    pub days: usize,
}

/// The sampling noise of a value, which is the least spread to assume.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Noise {
    /// A count of independent events: the square root of its mean.
    Count,
    /// A share of `n` events.
    Share {
        /// The number of events.
        n: u64,
    },
    /// A 95th percentile of times: 5 %, and the sampling error of so many lognormal times.
    Percentile {
        /// The number of events.
        n: u64,
    },
}

impl Baseline {
    /// Computes the baseline from the same hour of earlier days, yesterday first; `None` with fewer than seven.
    /// With four weeks or more it uses the same weekday only, so that a quiet Sunday is no anomaly.
    #[must_use]
    pub fn from_history(earlier: &[f64]) -> Option<Self> {
        let days = earlier.len();
        if days < DAYS_PER_WEEK {
            return None;
        }
        if days < MIN_WEEKS * DAYS_PER_WEEK {
            let middle = median(earlier.to_vec())?;
            // Weekdays are indistinguishable so far, so the furthest day still counts as usual.
            let furthest = earlier.iter().map(|value| (value - middle).abs()).fold(0.0, f64::max);
            return Some(Self { median: middle, spread: furthest / 3.0, days });
        }
        let weekday = |first: usize| earlier.iter().skip(first).step_by(DAYS_PER_WEEK).copied();
        // The last of every seven days has today's weekday.
        let middle = median(weekday(DAYS_PER_WEEK - 1).collect())?;
        // The spread is estimated from the deviations of all weekdays.
        let deviations =
            (0..DAYS_PER_WEEK).filter_map(|first| Some((first, median(weekday(first).collect())?)));
        let deviations =
            deviations.flat_map(|(first, middle)| weekday(first).map(move |value| (value - middle).abs()));
        Some(Self {
            median: middle,
            spread: median(deviations.collect())? * MAD_TO_STANDARD_DEVIATION * SMALL_SAMPLE_FACTOR,
            days,
        })
    }

    /// Returns the distance from the median in standard deviations, negative below it.
    #[must_use]
    pub fn deviations(&self, value: f64, noise: Noise) -> f64 {
        let noise_floor = match noise {
            Noise::Count => self.median.max(1.0).sqrt(),
            Noise::Share { n } => {
                // One event keeps a share of 0 or 1 from having no noise at all.
                let rest = 1.0 / n.max(2) as f64;
                let share = self.median.clamp(rest, 1.0 - rest);
                (share * (1.0 - share) / n.max(1) as f64).sqrt()
            }
            Noise::Percentile { n } => {
                let relative = 0.05_f64.hypot(PERCENTILE_ERROR / (n.max(1) as f64).sqrt());
                (self.median * relative).abs()
            }
        };
        // The median of few days is uncertain itself: the variance of a median is π/2 times that of a mean.
        let values =
            if self.days < MIN_WEEKS * DAYS_PER_WEEK { self.days } else { self.days / DAYS_PER_WEEK };
        let of_median = std::f64::consts::FRAC_PI_2 / values.max(1) as f64;
        let spread = (self.spread * self.spread + noise_floor * noise_floor * (1.0 + of_median)).sqrt();
        if spread > 0.0 { (value - self.median) / spread } else { 0.0 }
    }
}

/// Returns the median; `None` without values.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.order_by(f64::total_cmp);
    let half = values.len() / 2;
    let upper = *values.get(half)?;
    Some(match values.len() % 2 {
        0 => f64::midpoint(*values.get(half.checked_sub(1)?)?, upper),
        _ => upper,
    })
}

/// The relative standard error of the 95th percentile of one time with a spread of 0.8, as responses have.
const PERCENTILE_ERROR: f64 = 1.7;
const DAYS_PER_WEEK: usize = 7;
/// The minimum for a baseline by weekday.
const MIN_WEEKS: usize = 4;
/// The median of four or five values is close to each of them and uncertain itself: their distances from it
/// are about 0.85 standard deviations, those of the next value about 1.15.
const SMALL_SAMPLE_FACTOR: f64 = 1.35;
/// The median absolute deviation of a normal distribution is 1/1.4826 of its standard deviation.
const MAD_TO_STANDARD_DEVIATION: f64 = 1.4826;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_baseline_needs_at_least_a_week() {
        assert_eq!(Baseline::from_history(&[5.0; 6]), None);
        assert_eq!(Baseline::from_history(&[5.0; 7]), Some(Baseline { median: 5.0, spread: 0.0, days: 7 }));
    }

    #[test]
    fn outlier_days_neither_move_nor_widen_the_baseline() {
        let quiet: Vec<f64> = (0..35).map(|day| f64::from(100 + day * 37 % 11 - 5)).collect();
        let mut with_bad_days = quiet.clone();
        with_bad_days[2] = 0.0;
        with_bad_days[7] = 90_000.0;
        let (plain, robust) =
            (Baseline::from_history(&quiet).unwrap(), Baseline::from_history(&with_bad_days).unwrap());
        assert!((plain.median - robust.median).abs() <= 4.0);
        assert!(robust.spread < 2.0 * plain.spread, "{robust:?}");
    }

    #[test]
    fn a_quiet_sunday_is_no_anomaly_and_a_quiet_monday_is() {
        // Yesterday first: today is like every seventh day before it.
        let days: Vec<f64> = (1..=35)
            .map(|ago| if ago % 7 == 0 { 300.0 } else { 1000.0 } + f64::from(ago * 37 % 11 - 5))
            .collect();
        let sunday = Baseline::from_history(&days).unwrap();
        assert!(sunday.deviations(305.0, Noise::Count).abs() < 1.0, "{sunday:?}");
        let monday = Baseline::from_history(&days[1..]).unwrap();
        assert!(monday.deviations(305.0, Noise::Count) < -10.0, "{monday:?}");
        // With less history the weekdays are indistinguishable.
        assert!(Baseline::from_history(&days[..20]).unwrap().deviations(305.0, Noise::Count).abs() < 4.0);
    }

    #[test]
    fn sampling_noise_is_no_anomaly() {
        // The median of many days is certain.
        let check = |middle: f64, value, noise, expect: f64| {
            let given = Baseline { median: middle, spread: 0.0, days: 28_000 }.deviations(value, noise);
            assert!((given - expect).abs() < 0.01, "{value} beside {middle}: {given}");
        };
        check(100.0, 130.0, Noise::Count, 3.0);
        check(0.0, 2.0, Noise::Count, 2.0);
        check(0.8, 0.76, Noise::Share { n: 100 }, -1.0);
        check(0.0, 0.01, Noise::Share { n: 100 }, 1.0);
        check(200.0, 230.0, Noise::Percentile { n: 1_000_000 }, 3.0);
        check(200.0, 230.0, Noise::Percentile { n: 1156 }, 2.12);
        check(0.0, 9.0, Noise::Percentile { n: 1_000_000 }, 0.0);
    }

    #[test]
    fn the_median_of_few_days_is_uncertain_itself() {
        let of_weeks = |weeks: usize| Baseline { median: 100.0, spread: 0.0, days: 7 * weeks };
        let deviations = [4, 5].map(|weeks| of_weeks(weeks).deviations(130.0, Noise::Count));
        assert!(deviations[0] < deviations[1] && deviations[1] < 2.7, "{deviations:?}");
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
