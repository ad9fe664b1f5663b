//! Lighthouse scores, with its curves and rounding, so that field data is on a familiar scale. Lighthouse 12
//! and 13 give the same scores. Verdicts do not depend on scores.

use wire::{Device, Metric};

/// A measure that Lighthouse scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScoredAudit {
    /// First Contentful Paint, in milliseconds.
    FirstContentfulPaint,
    /// Largest Contentful Paint, in milliseconds.
    LargestContentfulPaint,
    /// Total Blocking Time, in milliseconds.
    TotalBlockingTime,
    /// Cumulative Layout Shift.
    CumulativeLayoutShift,
    /// Speed Index, in milliseconds.
    SpeedIndex,
    /// Interaction to Next Paint, in milliseconds.
    InteractionToNextPaint,
    /// Max Potential First Input Delay, in milliseconds.
    MaxPotentialFid,
}

/// The score of real visits, and the metric scores that it is the weighted mean of.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldScore {
    /// Number of views.
    pub views: u64,
    /// In whole hundredths of 1.
    pub score: f64,
    /// The score of each metric.
    pub parts: Vec<MetricScore>,
}

/// The contribution of a metric to the score of real visits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetricScore {
    /// The metric.
    pub metric: Metric,
    /// Its own score.
    pub score: f64,
    /// Its weight relative to the others.
    pub weight: f64,
}

/// The form factor that scoring curves are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FormFactor {
    /// A phone on a slow connection.
    Mobile,
    /// A computer on a fast one.
    Desktop,
}

/// The two points that fix a log-normal curve: what scores 0.9 and what scores 0.5.
struct ScoreCurve {
    p10: f64,
    median: f64,
}

impl ScoredAudit {
    /// Every audit, in the order of Lighthouse's report.
    pub const ALL: [Self; 7] = [
        Self::FirstContentfulPaint,
        Self::LargestContentfulPaint,
        Self::TotalBlockingTime,
        Self::CumulativeLayoutShift,
        Self::SpeedIndex,
        Self::InteractionToNextPaint,
        Self::MaxPotentialFid,
    ];

    /// The audit's id in Lighthouse.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FirstContentfulPaint => "first-contentful-paint",
            Self::LargestContentfulPaint => "largest-contentful-paint",
            Self::TotalBlockingTime => "total-blocking-time",
            Self::CumulativeLayoutShift => "cumulative-layout-shift",
            Self::SpeedIndex => "speed-index",
            Self::InteractionToNextPaint => "interaction-to-next-paint",
            Self::MaxPotentialFid => "max-potential-fid",
        }
    }

    /// Returns the score of a value, in whole hundredths of 1.
    #[must_use]
    pub fn score(self, value: f64, form_factor: FormFactor) -> f64 {
        let raw = self.curve(form_factor).share_above(value);
        let boosted = if raw > 0.9 { raw + 0.05 * (raw - 0.9) } else { raw };
        (boosted * 100.0).floor() / 100.0
    }

    /// The weight in the performance score of a page load.
    #[must_use]
    pub const fn weight(self) -> f64 {
        match self {
            Self::FirstContentfulPaint | Self::SpeedIndex => 10.0,
            Self::LargestContentfulPaint | Self::CumulativeLayoutShift => 25.0,
            Self::TotalBlockingTime => 30.0,
            Self::InteractionToNextPaint | Self::MaxPotentialFid => 0.0,
        }
    }

    const fn curve(self, form_factor: FormFactor) -> ScoreCurve {
        let (p10, median) = match (self, form_factor) {
            (Self::FirstContentfulPaint, FormFactor::Mobile) => (1800.0, 3000.0),
            (Self::FirstContentfulPaint, FormFactor::Desktop) => (934.0, 1600.0),
            (Self::LargestContentfulPaint, FormFactor::Mobile) => (2500.0, 4000.0),
            (Self::LargestContentfulPaint, FormFactor::Desktop) => (1200.0, 2400.0),
            (Self::TotalBlockingTime, FormFactor::Mobile) => (200.0, 600.0),
            (Self::TotalBlockingTime, FormFactor::Desktop) => (150.0, 350.0),
            (Self::CumulativeLayoutShift, _) => (0.1, 0.25),
            (Self::SpeedIndex, FormFactor::Mobile) => (3387.0, 5800.0),
            (Self::SpeedIndex, FormFactor::Desktop) => (1311.0, 2300.0),
            (Self::InteractionToNextPaint, _) => (200.0, 500.0),
            (Self::MaxPotentialFid, _) => (130.0, 250.0),
        };
        ScoreCurve { p10, median }
    }
}

impl FormFactor {
    /// The form factor that Lighthouse emulates for a device.
    #[must_use]
    pub const fn from_device(device: Device) -> Self {
        match device {
            Device::Phone | Device::Tablet => Self::Mobile,
            Device::Desktop => Self::Desktop,
        }
    }
}

/// Returns the performance score of a report: the weighted mean of the applicable scores, or None without any.
#[must_use]
pub fn performance_score(scores: impl IntoIterator<Item = (f64, Option<f64>)>) -> Option<f64> {
    let (mut sum, mut weights) = (0.0, 0.0);
    for (weight, score) in scores {
        if let Some(score) = score {
            sum += score * weight;
            weights += weight;
        }
    }
    (weights > 0.0).then(|| (sum / weights * 100.0).round() / 100.0)
}

/// Returns the score of real visits from the percentiles of metrics in their own units. Uses Lighthouse's curves
/// and weights, with INP in place of its lab proxy Total Blocking Time, and without Speed Index.
#[must_use]
pub fn field_score(values: impl IntoIterator<Item = (Metric, f64)>, form_factor: FormFactor) -> Option<f64> {
    FieldScore::from_percentiles(0, values, form_factor).map(|whole| whole.score)
}

impl FieldScore {
    /// Scores views by their percentiles; None if no metric is scored.
    #[must_use]
    pub fn from_percentiles(
        views: u64,
        values: impl IntoIterator<Item = (Metric, f64)>,
        form_factor: FormFactor,
    ) -> Option<Self> {
        let part = |(metric, value)| {
            let (audit, counts_as) = match metric {
                Metric::Fcp => (ScoredAudit::FirstContentfulPaint, ScoredAudit::FirstContentfulPaint),
                Metric::Lcp => (ScoredAudit::LargestContentfulPaint, ScoredAudit::LargestContentfulPaint),
                Metric::Cls => (ScoredAudit::CumulativeLayoutShift, ScoredAudit::CumulativeLayoutShift),
                Metric::Inp => (ScoredAudit::InteractionToNextPaint, ScoredAudit::TotalBlockingTime),
                Metric::Fid | Metric::Ttfb => return None,
            };
            Some(MetricScore { metric, score: audit.score(value, form_factor), weight: counts_as.weight() })
        };
        let parts: Vec<MetricScore> = values.into_iter().filter_map(part).collect();
        let score = performance_score(parts.iter().map(|part| (part.weight, Some(part.score))))?;
        Some(Self { views, score, parts })
    }

    /// Combines the scores of device classes, weighted by views.
    #[must_use]
    pub fn combine(classes: &[Self]) -> Option<Self> {
        let views = classes.iter().fold(0_u64, |sum, class| sum.saturating_add(class.views));
        let score = performance_score(classes.iter().map(|class| (class.views as f64, Some(class.score))))?;
        let parts = Metric::ALL.into_iter().filter_map(|metric| {
            let own = |class: &Self| {
                let part = class.parts.iter().find(|part| part.metric == metric)?;
                Some((class.views as f64, *part))
            };
            let all: Vec<(f64, MetricScore)> = classes.iter().filter_map(own).collect();
            let score = performance_score(all.iter().map(|(views, part)| (*views, Some(part.score))))?;
            let weight = all.iter().map(|(views, part)| views * part.weight).sum::<f64>() / views as f64;
            Some(MetricScore { metric, score, weight })
        });
        Some(Self { views, score, parts: parts.collect() })
    }

    /// Iterates over the parts with their share of the total weight.
    pub fn parts_with_share(&self) -> impl Iterator<Item = (&MetricScore, f64)> {
        let whole: f64 = self.parts.iter().map(|part| part.weight).sum();
        self.parts.iter().map(move |part| (part, (part.weight / whole * 100.0).round() / 100.0))
    }
}

impl ScoreCurve {
    /// The share of a log-normal distribution that is worse than the value: Lighthouse's
    /// getLogNormalScore, with the logarithm and exponential that V8 uses too.
    fn share_above(&self, value: f64) -> f64 {
        if value <= 0.0 {
            return 1.0;
        }
        let ratio = (value / self.median).max(f64::from_bits(1));
        let standardized = libm::log(ratio) * INVERSE_ERFC_ONE_FIFTH / -libm::log(self.p10 / self.median);
        let share = (1.0 - erf(standardized)) / 2.0;
        // Rounding must not change the rating of a value.
        if value <= self.p10 {
            share.clamp(0.9, 1.0)
        } else if value <= self.median {
            share.clamp(0.5, 0.9_f64.next_down())
        } else {
            share.clamp(0.0, 0.5_f64.next_down())
        }
    }
}

/// Abramowitz and Stegun, formula 7.1.26: the approximation that Lighthouse uses.
fn erf(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.3275911 * x.abs());
    let y = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    // JavaScript's sign of 0 is 0.
    let sign = if x == 0.0 { 0.0 } else { x.signum() };
    sign * (1.0 - y * libm::exp(-x * x))
}

const INVERSE_ERFC_ONE_FIFTH: f64 = 0.9061938024368232;

#[cfg(test)]
mod tests {
    use FormFactor::*;
    use ScoredAudit::*;

    use super::*;

    #[test]
    fn known_values_have_known_scores() {
        let known = [
            (FirstContentfulPaint, Mobile, 1801.0, 0.89),
            (FirstContentfulPaint, Desktop, 1500.0, 0.56),
            (LargestContentfulPaint, Mobile, 2403.1548, 0.91),
            (LargestContentfulPaint, Mobile, 2500.0, 0.90),
            (LargestContentfulPaint, Desktop, 2252.578, 0.54),
            (SpeedIndex, Mobile, 4500.0, 0.72),
            (SpeedIndex, Desktop, 1000.0, 0.97),
            (TotalBlockingTime, Mobile, 350.0, 0.73),
            (TotalBlockingTime, Desktop, 200.0, 0.80),
            (CumulativeLayoutShift, Mobile, 0.048014, 0.99),
            (CumulativeLayoutShift, Desktop, 0.15, 0.76),
            (InteractionToNextPaint, Mobile, 264.0, 0.81),
            (MaxPotentialFid, Mobile, 180.0, 0.74),
        ];
        for (audit, form, value, score) in known {
            assert_eq!(audit.score(value, form), score, "{audit:?} {form:?} {value}");
        }
        assert_eq!(FirstContentfulPaint.curve(Mobile).share_above(1801.0), 0.8997551767122373);
    }

    #[test]
    fn known_reports_have_known_scores() {
        let report = |form, values: [f64; 5]| {
            performance_score(
                ScoredAudit::ALL
                    .into_iter()
                    .zip(values)
                    .map(|(audit, value)| (audit.weight(), Some(audit.score(value, form)))),
            )
        };
        assert_eq!(report(Mobile, [2100.0, 5200.0, 890.0, 0.31, 6100.0]), Some(0.37));
        assert_eq!(report(Desktop, [753.1548, 2403.1548, 181.0, 0.0, 753.1548]), Some(0.82));
    }

    #[test]
    fn field_scores_use_only_metrics_that_visits_measure() {
        let good = [(Metric::Fcp, 900.0), (Metric::Lcp, 1200.0), (Metric::Cls, 0.0), (Metric::Inp, 40.0)];
        assert_eq!(field_score(good, Mobile), Some(1.0));
        // (10 · 0.90 + 30 · 0.50) / 40
        assert_eq!(field_score([(Metric::Fcp, 1800.0), (Metric::Inp, 500.0)], Mobile), Some(0.6));
        assert_eq!(field_score([(Metric::Ttfb, 100.0), (Metric::Fid, 1.0)], Mobile), None);
    }

    #[test]
    fn device_classes_are_weighted_by_their_views() {
        let phones =
            FieldScore::from_percentiles(300, [(Metric::Fcp, 1800.0), (Metric::Inp, 500.0)], Mobile).unwrap();
        let desktops = FieldScore::from_percentiles(100, [(Metric::Fcp, 100.0)], Desktop).unwrap();
        let all = FieldScore::combine(&[phones, desktops]).unwrap();
        // (300 · 0.60 + 100 · 1.00) / 400
        assert_eq!((all.views, all.score), (400, 0.7));
        let parts: Vec<_> =
            all.parts_with_share().map(|(part, share)| (part.metric, part.score, share)).collect();
        // FCP: (300 · 0.90 + 100 · 1.00) / 400, weight 10. INP, on phones only: weight 300 · 30 / 400.
        assert_eq!(parts, [(Metric::Fcp, 0.93, 0.31), (Metric::Inp, 0.5, 0.69)]);
        let weights: Vec<f64> = all.parts.iter().map(|part| part.weight).collect();
        assert_eq!(weights, [10.0, 22.5]);
        assert_eq!(FieldScore::combine(&[]), None);
    }
}
