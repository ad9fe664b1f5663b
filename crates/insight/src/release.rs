//! One release against the one before it, page by page and device by device, so that more phones or
//! another mix of pages are no regression. The test is the budget's; this says what it means, and
//! which pages are behind it.

use budget::{Comparison, Stratum, Tally};
use serde::Serialize;
use wire::{Device, Metric};

/// The visits of one page on one class of devices to both releases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The route.
    pub route: String,
    /// The class of devices.
    pub device: Device,
    /// The metric.
    pub metric: Metric,
    /// Visits to the release before, against the budget.
    pub before: Tally,
    /// Visits to the release.
    pub after: Tally,
}

/// What a release did to one metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The metric's name.
    pub metric: &'static str,
    /// In one word.
    pub outcome: Outcome,
    /// So many more of a hundred visits are over budget.
    pub points_worse: f64,
    /// How likely as large a difference is by chance.
    pub p_value: f64,
    /// Visits before and after, on the pages that both have.
    pub visits: [u64; 2],
    /// The pages behind it, those with most visits too many over budget first.
    pub pages: Vec<Behind>,
    /// In a sentence.
    pub says: String,
}

/// A page that a difference comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Behind {
    /// The route.
    pub route: String,
    /// The class of devices.
    pub device: Device,
    /// Visits over budget beyond those that there would have been as before.
    pub too_many: f64,
}

/// What a release did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It made things worse, certainly and by enough to matter.
    Regression,
    /// It made them better.
    Improvement,
    /// Neither shows, and it would.
    Same,
    /// Too few visits to tell.
    Insufficient,
}

/// What the release did to each metric that both releases have, in the order of tables.
#[must_use]
pub fn compare(pages: &[Page]) -> Vec<Difference> {
    Metric::ALL.into_iter().filter_map(|metric| of_metric(metric, pages)).collect()
}

fn of_metric(metric: Metric, pages: &[Page]) -> Option<Difference> {
    let both = |page: &&Page| page.metric == metric && page.before.n() > 0 && page.after.n() > 0;
    let pages: Vec<&Page> = pages.iter().filter(both).collect();
    let strata: Vec<Stratum> =
        pages.iter().map(|page| Stratum { before: page.before, after: page.after }).collect();
    let found = Comparison::of(&strata)?;
    let sum = |of: fn(&Page) -> Tally| pages.iter().map(|page| of(page).n()).sum::<u64>();
    let visits = [sum(|page| page.before), sum(|page| page.after)];
    let reversed = Comparison { points_worse: -found.points_worse, ..found };
    let outcome = match () {
        () if found.is_regression() => Outcome::Regression,
        () if reversed.is_regression() => Outcome::Improvement,
        // A difference of two points would show.
        () if shows(&pages) => Outcome::Same,
        () => Outcome::Insufficient,
    };
    let mut behind: Vec<Behind> = pages
        .iter()
        .map(|page| {
            let was = page.before.over as f64 / page.before.n() as f64;
            Behind {
                route: page.route.clone(),
                device: page.device,
                too_many: page.after.over as f64 - was * page.after.n() as f64,
            }
        })
        .collect();
    let sign = if outcome == Outcome::Improvement { -1.0 } else { 1.0 };
    behind.retain(|page| page.too_many * sign > 0.0);
    behind.sort_by(|a, b| (b.too_many * sign).total_cmp(&(a.too_many * sign)));
    behind.truncate(MOST_PAGES);
    let name = metric.name();
    let points = format!("{:.1} of a hundred visits", found.points_worse.abs());
    let first = behind
        .first()
        .map_or(String::new(), |page| format!(", most of all {} on {}s", page.route, page.device.name()));
    let says = match outcome {
        Outcome::Regression => format!("{name}: {points} more are over budget{first}."),
        Outcome::Improvement => format!("{name}: {points} fewer are over budget{first}."),
        Outcome::Same => format!("{name}: no difference that matters."),
        Outcome::Insufficient => {
            format!("{name}: {} visits are too few to tell.", visits.iter().min().unwrap_or(&0))
        }
    };
    Some(Difference {
        metric: name,
        outcome,
        points_worse: found.points_worse,
        p_value: found.p_value,
        visits,
        pages: behind,
        says,
    })
}

/// Whether two points more or fewer would be certain, were a quarter of the visits over budget: 2.58
/// standard errors of the common difference.
fn shows(pages: &[&Page]) -> bool {
    let weight = |page: &&Page| {
        let (before, after) = (page.before.n() as f64, page.after.n() as f64);
        before * after / (before + after)
    };
    2.58 * (0.25 * 0.75 / pages.iter().map(weight).sum::<f64>()).sqrt() <= 0.02
}

const MOST_PAGES: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn page(route: &str, device: Device, before: (u64, u64), after: (u64, u64)) -> Page {
        let [before, after] = [before, after].map(|(n, over)| Tally::of(n, n - over));
        Page { route: route.into(), device, metric: Metric::Lcp, before, after }
    }

    #[track_caller]
    fn check(pages: &[Page], outcome: Outcome, says: &str) {
        let found = compare(pages);
        assert_eq!((found[0].outcome, found[0].says.as_str()), (outcome, says), "{found:?}");
    }

    #[test]
    fn a_regression_names_the_page_behind_it() {
        let pages = [
            page("/", Device::Phone, (5000, 1000), (5000, 1005)),
            page("/product/:id", Device::Phone, (5000, 1000), (5000, 1800)),
        ];
        check(
            &pages,
            Outcome::Regression,
            "LCP: 8.1 of a hundred visits more are over budget, most of all /product/:id on phones.",
        );
        let undone: Vec<Page> =
            pages.into_iter().map(|page| Page { before: page.after, after: page.before, ..page }).collect();
        check(
            &undone,
            Outcome::Improvement,
            "LCP: 8.1 of a hundred visits fewer are over budget, most of all /product/:id on phones.",
        );
    }

    #[test]
    fn another_mix_of_devices_is_no_difference() {
        let pages = [
            page("/", Device::Phone, (2000, 800), (30_000, 12_000)),
            page("/", Device::Desktop, (30_000, 3000), (2000, 200)),
        ];
        check(&pages, Outcome::Same, "LCP: no difference that matters.");
    }

    #[test]
    fn too_few_visits_are_not_the_same() {
        check(
            &[page("/", Device::Phone, (100, 20), (100, 22))],
            Outcome::Insufficient,
            "LCP: 100 visits are too few to tell.",
        );
        // A page of only one release compares with nothing.
        assert_eq!(compare(&[page("/", Device::Phone, (100, 20), (0, 0))]), []);
    }
}
