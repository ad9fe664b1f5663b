//! Counts in, judgement out, as plain data.

use budget::{BudgetTally, Forecast, ReleaseComparison, Stratum};
use serde::{Deserialize, Serialize};
use sketch::{RatingCounts, Sketch, SketchBucket};
use wire::{Metric, Thresholds};

/// One class of visits before and after a release.
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

/// How a release differs from the one before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ComparisonReport {
    /// So many more of a hundred visits are over budget.
    pub points_worse: f64,
    /// How likely as large a difference is by chance.
    pub p_value: f64,
    /// Whether it is certain, and enough to matter.
    pub regression: bool,
}

/// What a sketch knows, in the unit that people use.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Distribution {
    /// Its metric.
    pub metric: &'static str,
    /// How many values it holds.
    pub n: u64,
    /// Exact counts.
    pub good: u64,
    /// Exact counts.
    pub needs_improvement: u64,
    /// Exact counts.
    pub poor: u64,
    /// Percent and value.
    pub percentiles: Vec<(u8, f64)>,
    /// Smallest value, largest value, count.
    pub buckets: Vec<(f64, f64, u64)>,
}

/// What a cell waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ForecastReport {
    /// So many more visits.
    pub more: u64,
    /// What they would prove.
    pub verdict: &'static str,
}

/// A metric, and how its values are rated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MetricInfo {
    /// Its name.
    pub name: &'static str,
    /// `ms`, or empty for a layout shift.
    pub unit: &'static str,
    /// The largest good value.
    pub good: f64,
    /// The largest value that is not poor.
    pub poor: f64,
}

/// What these counts wait for.
#[must_use]
pub fn forecast_report(tally: BudgetTally, percentile: u8, min_samples: u64) -> ForecastReport {
    let Forecast { visits_needed: more, verdict } = tally.forecast(percentile, min_samples);
    ForecastReport { more, verdict: verdict.name() }
}

/// Every metric, in the order of every table.
#[must_use]
pub fn metric_infos() -> [MetricInfo; 6] {
    Metric::ALL.map(|metric| {
        let Thresholds { good, poor } = metric.thresholds();
        MetricInfo { name: metric.name(), unit: if metric == Metric::Cls { "" } else { "ms" }, good, poor }
    })
}

/// The comparison over these strata.
#[must_use]
pub fn comparison_report(strata: Vec<StratumInput>) -> Option<ComparisonReport> {
    let tally = |counts: CountsInput| BudgetTally::new(counts.n, counts.within);
    let stratum = |input: StratumInput| Stratum { before: tally(input.before), after: tally(input.after) };
    let found = ReleaseComparison::from_strata(&strata.into_iter().map(stratum).collect::<Vec<_>>())?;
    let ReleaseComparison { points_worse, p_value } = found;
    Some(ComparisonReport { points_worse, p_value, regression: found.is_regression() })
}

/// All that a sketch knows.
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

/// One percentile.
#[must_use]
pub fn percentile_value(sketch: &Sketch, percent: u8) -> Option<f64> {
    Some(f64::from(sketch.percentile(percent)?.midpoint()) / sketch.metric().wire_scale())
}
