//! Comparison of a release with an earlier one by page and device class, so that a different mix of either is
//! no regression. The statistical test is `budget::ReleaseComparison`; this module adds the outcome, the
//! contributing pages and the message.

use budget::{BudgetTally, ReleaseComparison, Stratum};
use serde::Serialize;
use wire::sorting::SortSlice;
use wire::{Device, Metric};

/// The visits to a page on a device class in both releases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleasePage {
    /// The route.
    pub route: String,
    /// The device class.
    pub device: Device,
    /// The metric.
    pub metric: Metric,
    /// Visits to the earlier release.
    pub before: BudgetTally,
    /// Visits to the later release.
    pub after: BudgetTally,
}

/// The effect of a release on one metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReleaseDifference {
    /// The metric's name.
    pub metric: &'static str,
    /// The outcome.
    pub outcome: ReleaseOutcome,
    /// The increase of the share of visits over budget, in percentage points.
    pub points_worse: f64,
    /// The p-value of the difference, two-sided.
    pub p_value: f64,
    /// Visits before and after, on pages with visits in both releases.
    pub visits: [u64; 2],
    /// The contributing pages, the largest contribution first.
    pub pages: Vec<Contributor>,
    /// The outcome in a sentence.
    #[serde(rename = "says")]
    pub message: String,
}

/// A page that contributes to a difference.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Contributor {
    /// The route.
    pub route: String,
    /// The device class.
    pub device: Device,
    /// Visits over budget beyond those expected at the earlier rate.
    #[serde(rename = "too_many")]
    pub excess_visits: f64,
}

/// The outcome of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ReleaseOutcome {
    /// Significantly and relevantly worse.
    Regression,
    /// Significantly and relevantly better.
    Improvement,
    /// No relevant difference, with enough visits to detect one.
    Same,
    /// Too few visits to detect a difference.
    Insufficient,
}

/// Compares each metric that both releases have, in the order of [`Metric::ALL`].
#[must_use]
pub fn compare(pages: &[ReleasePage]) -> Vec<ReleaseDifference> {
    Metric::ALL.into_iter().filter_map(|metric| compare_metric(metric, pages)).collect()
}

fn compare_metric(metric: Metric, pages: &[ReleasePage]) -> Option<ReleaseDifference> {
    let is_in_both = |page: &&ReleasePage| page.metric == metric && page.before.n() > 0 && page.after.n() > 0;
    let pages: Vec<&ReleasePage> = pages.iter().filter(is_in_both).collect();
    let strata: Vec<Stratum> =
        pages.iter().map(|page| Stratum { before: page.before, after: page.after }).collect();
    let comparison = ReleaseComparison::from_strata(&strata)?;
    let sum = |of: fn(&ReleasePage) -> BudgetTally| pages.iter().map(|page| of(page).n()).sum::<u64>();
    let visits = [sum(|page| page.before), sum(|page| page.after)];
    let reversed = ReleaseComparison { points_worse: -comparison.points_worse, ..comparison };
    let outcome = match () {
        () if comparison.is_regression() => ReleaseOutcome::Regression,
        () if reversed.is_regression() => ReleaseOutcome::Improvement,
        // A difference of two percentage points would have been significant.
        () if has_enough_visits(&pages) => ReleaseOutcome::Same,
        () => ReleaseOutcome::Insufficient,
    };
    let mut contributors: Vec<Contributor> = pages
        .iter()
        .map(|page| {
            let rate_before = page.before.over as f64 / page.before.n() as f64;
            Contributor {
                route: page.route.clone(),
                device: page.device,
                excess_visits: page.after.over as f64 - rate_before * page.after.n() as f64,
            }
        })
        .collect();
    let sign = if outcome == ReleaseOutcome::Improvement { -1.0 } else { 1.0 };
    contributors.retain(|page| page.excess_visits * sign > 0.0);
    contributors.order_by(|a, b| (b.excess_visits * sign).total_cmp(&(a.excess_visits * sign)));
    contributors.truncate(MAX_PAGES);
    let name = metric.name();
    let points = format!("{:.1} percentage points", comparison.points_worse.abs());
    let main_page = contributors
        .first()
        .map_or(String::new(), |page| format!(", mainly {} on {}s", page.route, page.device.name()));
    let message = match outcome {
        ReleaseOutcome::Regression => {
            format!("{name}: the share of visits over budget rose by {points}{main_page}.")
        }
        ReleaseOutcome::Improvement => {
            format!("{name}: the share of visits over budget fell by {points}{main_page}.")
        }
        ReleaseOutcome::Same => format!("{name}: no relevant difference."),
        ReleaseOutcome::Insufficient => {
            format!("{name}: insufficient data ({} visits).", visits.iter().min().unwrap_or(&0))
        }
    };
    Some(ReleaseDifference {
        metric: name,
        outcome,
        points_worse: comparison.points_worse,
        p_value: comparison.p_value,
        visits,
        pages: contributors,
        message,
    })
}

/// Returns `true` if a difference of two percentage points would be significant (2.58 standard errors of the
/// common difference) with a quarter of the visits over budget.
fn has_enough_visits(pages: &[&ReleasePage]) -> bool {
    let weight = |page: &&ReleasePage| {
        let (before, after) = (page.before.n() as f64, page.after.n() as f64);
        before * after / (before + after)
    };
    2.58 * (0.25 * 0.75 / pages.iter().map(weight).sum::<f64>()).sqrt() <= 0.02
}

const MAX_PAGES: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn page(route: &str, device: Device, before: (u64, u64), after: (u64, u64)) -> ReleasePage {
        let [before, after] = [before, after].map(|(n, over)| BudgetTally::new(n, n - over));
        ReleasePage { route: route.into(), device, metric: Metric::Lcp, before, after }
    }

    #[track_caller]
    fn check(pages: &[ReleasePage], outcome: ReleaseOutcome, message: &str) {
        let found = compare(pages);
        assert_eq!((found[0].outcome, found[0].message.as_str()), (outcome, message), "{found:?}");
    }

    #[test]
    fn a_regression_names_the_page_behind_it() {
        let pages = [
            page("/", Device::Phone, (5000, 1000), (5000, 1005)),
            page("/product/:id", Device::Phone, (5000, 1000), (5000, 1800)),
        ];
        check(
            &pages,
            ReleaseOutcome::Regression,
            "LCP: the share of visits over budget rose by 8.1 percentage points, mainly /product/:id on phones.",
        );
        let undone: Vec<ReleasePage> = pages
            .into_iter()
            .map(|page| ReleasePage { before: page.after, after: page.before, ..page })
            .collect();
        check(
            &undone,
            ReleaseOutcome::Improvement,
            "LCP: the share of visits over budget fell by 8.1 percentage points, mainly /product/:id on phones.",
        );
    }

    #[test]
    fn a_changed_device_mix_is_no_difference() {
        let pages = [
            page("/", Device::Phone, (2000, 800), (30_000, 12_000)),
            page("/", Device::Desktop, (30_000, 3000), (2000, 200)),
        ];
        check(&pages, ReleaseOutcome::Same, "LCP: no relevant difference.");
    }

    #[test]
    fn too_few_visits_are_insufficient() {
        check(
            &[page("/", Device::Phone, (100, 20), (100, 22))],
            ReleaseOutcome::Insufficient,
            "LCP: insufficient data (100 visits).",
        );
        // A page without visits in one release is not compared.
        assert_eq!(compare(&[page("/", Device::Phone, (100, 20), (0, 0))]), []);
    }
}
