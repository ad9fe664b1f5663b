//! Display values and statistics of a metric cell, in display units.

use budget::PercentileRanks;
use ledger::MetricCell;
use sketch::SketchBucket;
use wire::Metric;
use wire::query_response::MetricStats;

/// Converts a wire value to its display unit.
#[must_use]
pub fn display_value(metric: Metric, value: u32) -> f64 {
    f64::from(value) / metric.wire_scale()
}

/// Returns `ms`, or the empty string for CLS.
#[must_use]
pub const fn display_unit(metric: Metric) -> &'static str {
    match metric {
        Metric::Cls => "",
        _ => "ms",
    }
}

/// Returns percentiles and rating shares of a cell.
#[must_use]
pub fn stats(metric: Metric, tally: Option<&MetricCell>) -> MetricStats {
    let Some(MetricCell { n, sketch, .. }) = tally else { return MetricStats::default() };
    let visits = sketch.n();
    let ratings = sketch.ratings();
    let share =
        |count: u64| if visits == 0 { 0.0 } else { (count as f64 / visits as f64 * 1e4).round() / 1e4 };
    let midpoint = |bucket: SketchBucket| display_value(metric, bucket.midpoint());
    let percentile = |percent| sketch.percentile(percent).map(midpoint);
    let (p75, p75_interval) = percentile_with_interval(metric, tally, 75);
    MetricStats {
        n: *n,
        visits,
        p50: percentile(50),
        p75,
        p75_interval,
        p90: percentile(90),
        p95: percentile(95),
        p99: percentile(99),
        good: share(ratings.good),
        needs_improvement: share(ratings.needs_improvement),
        poor: share(ratings.poor),
    }
}

/// Returns the value of the measured view of that rank, counted from 1 in ascending order. The sketch counts the visits
/// that the views represent.
pub(crate) fn value_at_rank(MetricCell { n, sketch, .. }: &MetricCell, rank: u64) -> Option<SketchBucket> {
    let visit = (u128::from(rank) * u128::from(sketch.n())).div_ceil(u128::from((*n).max(1)));
    sketch.at_rank(u64::try_from(visit).unwrap_or(u64::MAX))
}

/// Returns a percentile of the visits with its 95 % confidence interval.
#[must_use]
pub fn percentile_with_interval(
    metric: Metric,
    tally: Option<&MetricCell>,
    percentile: u8,
) -> (Option<f64>, Option<[f64; 2]>) {
    let Some(cell) = tally else { return (None, None) };
    let MetricCell { n, sketch, .. } = cell;
    let midpoint = |bucket: SketchBucket| display_value(metric, bucket.midpoint());
    let at = |rank: u64| value_at_rank(cell, rank).map(midpoint);
    let between = |PercentileRanks { low, high }| Some([at(low)?, at(high)?]);
    (
        sketch.percentile(percentile).map(midpoint),
        PercentileRanks::for_percentile(*n, percentile).and_then(between),
    )
}
