//! Statistics as plain data: forecasts, comparisons and distributions.

use budget::{BudgetTally, Forecast, ReleaseComparison, Stratum};
use serde::{Deserialize, Serialize};
use sketch::{RatingCounts, Sketch, SketchBucket};
use wire::{Metric, Thresholds};

/// Visits of one class before and after a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StratumInput {
    before: CountsInput,
    after: CountsInput,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct CountsInput {
    n: u64,
    within: u64,
}

/// The difference between two releases.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ComparisonReport {
    /// The increase of visits over budget, in percentage points.
    pub points_worse: f64,
    /// The p-value of the difference.
    pub p_value: f64,
    /// True for a significant and relevant increase.
    pub regression: bool,
}

/// The content of a sketch, in the unit of its metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Distribution {
    /// The metric.
    pub metric: &'static str,
    /// Number of values.
    pub n: u64,
    /// Exact count of good values.
    pub good: u64,
    /// Exact count of values that need improvement.
    pub needs_improvement: u64,
    /// Exact count of poor values.
    pub poor: u64,
    /// Percent and value.
    pub percentiles: Vec<(u8, f64)>,
    /// Smallest value, largest value, count.
    pub buckets: Vec<(f64, f64, u64)>,
}

/// The visits that a cell needs for a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ForecastReport {
    /// Additional visits.
    pub more: u64,
    /// The expected verdict.
    pub verdict: &'static str,
}

/// A metric with its thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MetricInfo {
    /// The metric's name.
    pub name: &'static str,
    /// `ms`, or empty for a layout shift.
    pub unit: &'static str,
    /// The largest good value.
    pub good: f64,
    /// The largest value that is not poor.
    pub poor: f64,
}

/// Returns the visits needed for a verdict.
#[must_use]
pub fn forecast_report(tally: BudgetTally, percentile: u8, min_samples: u64) -> ForecastReport {
    let Forecast { visits_needed: more, verdict } = tally.forecast(percentile, min_samples);
    ForecastReport { more, verdict: verdict.name() }
}

/// Returns every metric, in the order of the metric table.
#[must_use]
pub fn metric_infos() -> [MetricInfo; Metric::ALL.len()] {
    Metric::ALL.map(|metric| {
        let Thresholds { good, poor } = metric.thresholds();
        MetricInfo { name: metric.name(), unit: if metric == Metric::Cls { "" } else { "ms" }, good, poor }
    })
}

/// Compares two releases over strata.
#[must_use]
pub fn comparison_report(strata: Vec<StratumInput>) -> Option<ComparisonReport> {
    let tally = |counts: CountsInput| BudgetTally::new(counts.n, counts.within);
    let stratum = |input: StratumInput| Stratum { before: tally(input.before), after: tally(input.after) };
    let found = ReleaseComparison::from_strata(&strata.into_iter().map(stratum).collect::<Vec<_>>())?;
    let ReleaseComparison { points_worse, p_value } = found;
    Some(ComparisonReport { points_worse, p_value, regression: found.is_regression() })
}

/// Returns the content of a sketch.
#[must_use]
pub fn distribution(sketch: &Sketch) -> Distribution {
    let metric = sketch.metric();
    let natural = |value: u32| f64::from(value) / metric.wire_scale();
    let percentile = |percent| Some((percent, percentile_value(sketch, percent)?));
    let RatingCounts { good, needs_improvement, poor } = sketch.ratings();
    let bucket = |(SketchBucket { low, high }, count)| (natural(low), natural(high), count);
    Distribution {
        metric: metric.name(),
        n: sketch.n(),
        good,
        needs_improvement,
        poor,
        percentiles: [50, 75, 90, 95, 99].into_iter().filter_map(percentile).collect(),
        buckets: sketch.buckets().map(bucket).collect(),
    }
}

/// Returns a percentile in the unit of the metric.
#[must_use]
pub fn percentile_value(sketch: &Sketch, percent: u8) -> Option<f64> {
    Some(f64::from(sketch.percentile(percent)?.midpoint()) / sketch.metric().wire_scale())
}
