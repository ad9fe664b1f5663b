//! What is usual at this hour, and how far today is from it: the median of the same hour of earlier
//! days, and a spread that a few bad days cannot widen. Whether somebody is told is the alerts'
//! business; that a budget is broken is the budget's, and no anomaly is needed for it.

/// What a series is at one hour of the day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Baseline {
    /// The median of earlier days.
    pub median: f64,
    /// About one standard deviation of ordinary days: 1.4826 times the median absolute deviation.
    pub spread: f64,
    /// From so many days.
    pub days: usize,
}

/// The least noise that a reading has by its nature: no spread is believed to be smaller.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Noise {
    /// Of a count: the root of its mean, as events that know nothing of each other have.
    Count,
    /// Of a share of so many.
    Share {
        /// So many.
        n: u64,
    },
    /// Of a measured value: one in twenty.
    Value,
}

impl Baseline {
    /// From the same hour of earlier days, yesterday first. None with fewer than a week of them. From
    /// four weeks on, which is when it becomes sharp, it is the same hour of the same weekday: a quiet Sunday is not odd.
    #[must_use]
    pub fn from_history(earlier: &[f64]) -> Option<Self> {
        let days = earlier.len();
        if days < DAYS_PER_WEEK {
            return None;
        }
        if days < MIN_WEEKS * DAYS_PER_WEEK {
            let middle = median(earlier.to_vec())?;
            // Weekdays cannot be told apart yet, so the oddest day of these counts as ordinary.
            let furthest = earlier.iter().map(|value| (value - middle).abs()).fold(0.0, f64::max);
            return Some(Self { median: middle, spread: furthest / 3.0, days });
        }
        let weekday = |first: usize| earlier.iter().skip(first).step_by(DAYS_PER_WEEK).copied();
        // Seven days ago was such a day as today.
        let middle = median(weekday(DAYS_PER_WEEK - 1).collect())?;
        // How far days are from the middle of their kind is learnt from all of them.
        let off = (0..DAYS_PER_WEEK).filter_map(|first| Some((first, median(weekday(first).collect())?)));
        let off = off.flat_map(|(first, middle)| weekday(first).map(move |value| (value - middle).abs()));
        Some(Self {
            median: middle,
            spread: median(off.collect())? * MAD_TO_STANDARD_DEVIATION * SMALL_SAMPLE_FACTOR,
            days,
        })
    }

    /// How many deviations a value is away; below what is usual it is negative.
    #[must_use]
    pub fn deviations(&self, value: f64, noise: Noise) -> f64 {
        let noise_floor = match noise {
            Noise::Count => self.median.max(1.0).sqrt(),
            Noise::Share { n } => {
                // One case keeps a share of 0 or 1 from having no noise at all.
                let rest = 1.0 / n.max(2) as f64;
                let share = self.median.clamp(rest, 1.0 - rest);
                (share * (1.0 - share) / n.max(1) as f64).sqrt()
            }
            Noise::Value => (self.median / 20.0).abs(),
        };
        let spread = (self.spread * self.spread + noise_floor * noise_floor).sqrt();
        if spread > 0.0 { (value - self.median) / spread } else { 0.0 }
    }
}

/// The middle value; the mean of the two middle ones where there are two. None of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    let upper = *values.get(half)?;
    Some(match values.len() % 2 {
        0 => f64::midpoint(*values.get(half.checked_sub(1)?)?, upper),
        _ => upper,
    })
}

const DAYS_PER_WEEK: usize = 7;
/// Fewer make no weekday.
const MIN_WEEKS: usize = 4;
/// The middle of four or five values is near to each of them, and unsure itself: their distances from it
/// are about 0.85 of a deviation, and those of the next value from it 1.15.
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
        // With less history nobody knows which of the two it is.
        assert!(Baseline::from_history(&days[..20]).unwrap().deviations(305.0, Noise::Count).abs() < 4.0);
    }

    #[test]
    fn sampling_noise_is_no_anomaly() {
        let flat = |middle| Baseline { median: middle, spread: 0.0, days: 28 };
        assert_eq!(flat(100.0).deviations(130.0, Noise::Count), 3.0);
        assert_eq!(flat(0.0).deviations(2.0, Noise::Count), 2.0);
        assert!((flat(0.8).deviations(0.76, Noise::Share { n: 100 }) + 1.0).abs() < 1e-9);
        assert!(flat(0.0).deviations(0.01, Noise::Share { n: 100 }) < 1.1);
        assert_eq!(flat(200.0).deviations(230.0, Noise::Value), 3.0);
        assert_eq!(flat(0.0).deviations(9.0, Noise::Value), 0.0);
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
