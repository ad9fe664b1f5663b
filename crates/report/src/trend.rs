//! The trend of a daily series: the Theil–Sen slope, which is robust against outliers, and the Mann–Kendall test
//! for its significance. Days with too few events are left out.

use serde::Serialize;

use crate::anomaly::median;
use wire::sorting::SortSlice;

/// The value of one day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DailyValue {
    /// The day, counted from any fixed day.
    pub index: u32,
    /// The number of events.
    pub n: u64,
    /// The measured value; greater is worse.
    pub value: f64,
}

/// The trend of a series.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Trend {
    /// The direction.
    #[serde(rename = "course")]
    pub direction: TrendDirection,
    /// The change per week: the median of the slopes between any two days.
    pub per_week: f64,
    /// The p-value of the Mann–Kendall test.
    pub p_value: f64,
    /// The number of days with enough events.
    pub days: usize,
}

/// The direction of a trend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum TrendDirection {
    /// The value falls.
    Better,
    /// No significant change.
    Steady,
    /// The value rises.
    Worse,
    /// Too few days.
    Unknown,
}

impl Trend {
    /// Computes the trend over these days.
    #[must_use]
    pub fn from_days(days: &[DailyValue]) -> Self {
        let days: Vec<&DailyValue> =
            days.iter().filter(|day| day.n >= MIN_EVENTS && day.value.is_finite()).collect();
        if days.len() < MIN_DAYS {
            return Self {
                direction: TrendDirection::Unknown,
                per_week: 0.0,
                p_value: 1.0,
                days: days.len(),
            };
        }
        let (mut slopes, mut rises) = (Vec::new(), 0_i64);
        for (index, earlier) in days.iter().enumerate() {
            for later in days.iter().skip(index + 1).filter(|later| later.index != earlier.index) {
                let rise = (later.value - earlier.value)
                    * (f64::from(later.index) - f64::from(earlier.index)).signum();
                rises += i64::from(rise > 0.0) - i64::from(rise < 0.0);
                slopes.push(
                    (later.value - earlier.value) / (f64::from(later.index) - f64::from(earlier.index)),
                );
            }
        }
        let per_week = 7.0 * median(slopes).unwrap_or(0.0);
        let p_value = mann_kendall_p_value(rises, &days);
        let direction = match () {
            () if p_value >= SIGNIFICANCE_LEVEL => TrendDirection::Steady,
            () if rises < 0 => TrendDirection::Better,
            () => TrendDirection::Worse,
        };
        Self { direction, per_week, p_value, days: days.len() }
    }
}

/// The Mann–Kendall test in its normal approximation, corrected for ties and for continuity.
fn mann_kendall_p_value(rises: i64, days: &[&DailyValue]) -> f64 {
    let spread = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    let mut values: Vec<f64> = days.iter().map(|day| day.value).collect();
    values.order_by(f64::total_cmp);
    let ties: f64 = values.chunk_by(|a, b| a == b).map(|tied| spread(tied.len() as f64)).sum();
    let variance = (spread(days.len() as f64) - ties) / 18.0;
    if variance <= 0.0 || rises == 0 {
        return 1.0;
    }
    let z = (rises.unsigned_abs() as f64 - 1.0) / variance.sqrt();
    libm::erfc(z / std::f64::consts::SQRT_2)
}

const MIN_EVENTS: u64 = 30;
const MIN_DAYS: usize = 8;
const SIGNIFICANCE_LEVEL: f64 = 0.01;

#[cfg(test)]
mod tests {
    use super::*;

    fn days(values: impl IntoIterator<Item = f64>) -> Vec<DailyValue> {
        (0..).zip(values).map(|(index, value)| DailyValue { index, n: 100, value }).collect()
    }

    #[test]
    fn a_steady_rise_is_worse_and_its_slope_is_known() {
        let trend = Trend::from_days(&days((0..14).map(|day| 2000.0 + 10.0 * f64::from(day))));
        assert_eq!((trend.direction, trend.per_week), (TrendDirection::Worse, 70.0));
        let falling = Trend::from_days(&days((0..14).map(|day| 2000.0 - 10.0 * f64::from(day))));
        assert_eq!((falling.direction, falling.per_week), (TrendDirection::Better, -70.0));
    }

    #[test]
    fn one_outlier_day_does_not_change_the_slope() {
        let mut values: Vec<f64> = (0..20).map(|day| 2000.0 + 10.0 * f64::from(day)).collect();
        values[3] = 90_000.0;
        let trend = Trend::from_days(&days(values));
        assert_eq!(trend.direction, TrendDirection::Worse);
        assert!((trend.per_week - 70.0).abs() < 1.0, "{trend:?}");
    }

    #[test]
    fn weeks_that_go_up_and_down_are_steady() {
        let trend = Trend::from_days(&days((0..28).map(|day| f64::from(day * 5 % 7))));
        assert_eq!(trend.direction, TrendDirection::Steady);
        assert_eq!(Trend::from_days(&days([5.0; 20])).direction, TrendDirection::Steady);
    }

    #[test]
    fn too_few_days_or_visits_give_an_unknown_trend() {
        assert_eq!(Trend::from_days(&days((0..7).map(f64::from))).direction, TrendDirection::Unknown);
        let mut thin = days((0..30).map(f64::from));
        thin.iter_mut().for_each(|day| day.n = 29);
        assert_eq!(Trend::from_days(&thin).direction, TrendDirection::Unknown);
    }

    /// R: Kendall::MannKendall(c(10,15,14,20)…) has the exact p; this is the approximation's own example
    /// of Gilbert (1987), §16.4: n = 10 without ties and S = 29 have Z = 2.504.
    #[test]
    fn the_p_value_matches_mann_kendall() {
        let days = days((0..10).map(f64::from));
        let p = mann_kendall_p_value(29, &days.iter().collect::<Vec<_>>());
        let z: f64 = 28.0 / 125.0_f64.sqrt();
        assert!((z - 2.504).abs() < 1e-3 && (p - 0.01227).abs() < 1e-4, "{p}");
    }
}
