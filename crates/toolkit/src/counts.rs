//! Counts in, judgement out, as plain data.

use budget::{Comparison, Stratum, Tally};
use serde::{Deserialize, Serialize};
use sketch::{Bucket, Ratings, Sketch};

/// One class of visits before and after a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StratumAsked {
    before: Counts,
    after: Counts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counts {
    n: u64,
    within: u64,
}

/// How a release differs from the one before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Compared {
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

/// The comparison over these strata.
#[must_use]
pub fn compared(strata: Vec<StratumAsked>) -> Option<Compared> {
    let tally = |counts: Counts| Tally::of(counts.n, counts.within);
    let stratum = |asked: StratumAsked| Stratum { before: tally(asked.before), after: tally(asked.after) };
    let found = Comparison::of(&strata.into_iter().map(stratum).collect::<Vec<_>>())?;
    let Comparison { points_worse, p_value } = found;
    Some(Compared { points_worse, p_value, regression: found.is_regression() })
}

/// All that a sketch knows.
#[must_use]
pub fn distribution(sketch: &Sketch) -> Distribution {
    let metric = sketch.metric();
    let natural = |value: u32| f64::from(value) / metric.wire_scale();
    let percentile = |percent| Some((percent, natural(sketch.percentile(percent)?.middle())));
    let Ratings { good, needs_improvement, poor } = sketch.ratings();
    let bucket = |(Bucket { low, high }, count)| (natural(low), natural(high), count);
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
