//! Multiple comparisons: many cells tested at once, and one release against another.

use crate::verdict::BudgetTally;
use wire::sorting::SortSlice;

/// Returns the significant p-values, in order, at a false discovery rate of 5 % (Benjamini and Hochberg, 1995).
#[must_use]
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<bool> {
    let mut sorted = p_values.to_vec();
    sorted.order_by(f64::total_cmp);
    let allowed = |rank: usize| FALSE_DISCOVERY_RATE * rank as f64 / sorted.len() as f64;
    let largest = (1..).zip(&sorted).filter(|(rank, p)| **p <= allowed(*rank)).last();
    p_values.iter().map(|p| largest.is_some_and(|(_, limit)| p <= limit)).collect()
}

/// Visits of one class, such as phones, before and after a release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stratum {
    /// Visits to the previous release.
    pub before: BudgetTally,
    /// Visits to the release.
    pub after: BudgetTally,
}

/// The difference between two releases, stratified by class: a larger share of phone visits is not a
/// regression.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReleaseComparison {
    /// The increase of visits over budget, in percentage points (Mantel and Haenszel's common difference).
    pub points_worse: f64,
    /// The two-sided p-value (Cochran, Mantel and Haenszel).
    pub p_value: f64,
}

impl ReleaseComparison {
    /// Compares over all strata; None if no stratum has visits of both releases. An increase is as significant as it is
    /// without the networks that sent most, whichever release they named.
    #[must_use]
    pub fn from_strata(strata: &[Stratum]) -> Option<Self> {
        let found = Self::compare(strata)?;
        if found.points_worse <= 0.0 || strata.iter().all(|each| each.before.top == 0 && each.after.top == 0)
        {
            return Some(found);
        }
        let spread = |each: &Stratum| Stratum {
            before: each.before.without_fast_top(),
            after: each.after.without_top(),
        };
        let spread: Vec<Stratum> = strata.iter().map(spread).collect();
        let p_value = match Self::compare(&spread) {
            Some(spread) if spread.points_worse >= MIN_POINTS_WORSE => found.p_value.max(spread.p_value),
            _ => 1.0,
        };
        Some(Self { p_value, ..found })
    }

    fn compare(strata: &[Stratum]) -> Option<Self> {
        let (mut excess, mut weight, mut variance) = (0.0, 0.0, 0.0);
        for Stratum { before, after } in strata {
            let (n, m) = (after.n() as f64, before.n() as f64);
            let all = n + m;
            if n == 0.0 || m == 0.0 {
                continue;
            }
            let over = after.over as f64 + before.over as f64;
            // Observed minus expected visits over budget after the release.
            excess += after.over as f64 - n * over / all;
            weight += n * m / all;
            variance += n * m / all * (over / all) * ((all - over) / (all - 1.0));
        }
        let p_value = if variance > 0.0 { libm::erfc(excess.abs() / (2.0 * variance).sqrt()) } else { 1.0 };
        (weight > 0.0).then(|| Self { points_worse: 100.0 * excess / weight, p_value })
    }

    /// Returns true for a significant increase of at least two percentage points.
    #[must_use]
    pub fn is_regression(&self) -> bool {
        self.p_value < 0.01 && self.points_worse >= MIN_POINTS_WORSE
    }
}

const FALSE_DISCOVERY_RATE: f64 = 0.05;
const MIN_POINTS_WORSE: f64 = 2.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Benjamini and Hochberg's paper: four of fifteen.
    #[test]
    fn the_papers_own_example_has_four_discoveries() {
        let p_values = [
            0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719,
            0.6528, 0.7590, 1.0000,
        ];
        let found = benjamini_hochberg(&p_values);
        assert_eq!(found.iter().filter(|found| **found).count(), 4);
        assert!(found[..4].iter().all(|found| *found));
    }

    #[test]
    fn discoveries_keep_the_order_of_the_cells() {
        assert_eq!(benjamini_hochberg(&[0.9, 0.001, 0.5, 0.002]), [false, true, false, true]);
        // The second p-value is 0.04 ≤ 5 % · 2/2; the first is smaller, so it is significant too.
        assert_eq!(benjamini_hochberg(&[0.03, 0.04]), [true, true]);
        assert_eq!(benjamini_hochberg(&[]), [] as [bool; 0]);
    }

    /// Admissions to Berkeley, 1973: R's mantelhaen.test(UCBAdmissions, correct = FALSE).
    #[test]
    fn the_berkeley_admissions_compare_as_in_r() {
        let departments = [
            (89, 19, 512, 313),
            (17, 8, 353, 207),
            (202, 391, 120, 205),
            (131, 244, 138, 279),
            (94, 299, 53, 138),
            (24, 317, 22, 351),
        ];
        let strata = departments.map(|(women, women_rejected, men, men_rejected)| Stratum {
            before: BudgetTally::new(women + women_rejected, women),
            after: BudgetTally::new(men + men_rejected, men),
        });
        let found = ReleaseComparison::from_strata(&strata).unwrap();
        assert!((found.p_value - 0.21692).abs() < 1e-5, "{found:?}");
        assert!((found.points_worse - 1.84252).abs() < 1e-5, "{found:?}");
    }

    #[test]
    fn a_shift_from_desktops_to_phones_is_no_regression() {
        let (phone, desktop) = (|n| BudgetTally::new(n, n * 6 / 10), |n| BudgetTally::new(n, n * 9 / 10));
        let phones = Stratum { before: phone(1000), after: phone(9000) };
        let desktops = Stratum { before: desktop(9000), after: desktop(1000) };
        let found = ReleaseComparison::from_strata(&[phones, desktops]).unwrap();
        assert!(!found.is_regression() && found.points_worse.abs() < 1e-9, "{found:?}");
        let mixed = Stratum { before: BudgetTally::new(10_000, 8700), after: BudgetTally::new(10_000, 6300) };
        assert!(ReleaseComparison::from_strata(&[mixed]).unwrap().is_regression());
    }

    #[test]
    fn a_regression_is_certain_and_matters() {
        let release = |n, before, after| {
            ReleaseComparison::from_strata(&[Stratum {
                before: BudgetTally::new(n, before),
                after: BudgetTally::new(n, after),
            }])
            .unwrap()
        };
        assert!(release(5000, 4000, 3800).is_regression());
        assert!(!release(5000, 3800, 4000).is_regression());
        // One point in a million visits is significant, but small.
        assert!(!release(1_000_000, 800_000, 790_000).is_regression());
        // Ten points in fifty visits are large, but not significant.
        assert!(!release(50, 40, 35).is_regression());
    }

    #[test]
    fn a_single_release_has_no_comparison() {
        let only = Stratum { before: BudgetTally::default(), after: BudgetTally::new(100, 10) };
        assert_eq!(ReleaseComparison::from_strata(&[only]), None);
        assert_eq!(ReleaseComparison::from_strata(&[]), None);
        // Beside pages of both releases, one that a single visit of one release saw changes nothing.
        let both = Stratum { before: BudgetTally::new(5000, 4000), after: BudgetTally::new(5000, 3800) };
        let once = Stratum { before: BudgetTally::default(), after: BudgetTally::new(1, 0) };
        assert_eq!(ReleaseComparison::from_strata(&[both, once]), ReleaseComparison::from_strata(&[both]));
        let single = Stratum { before: BudgetTally::new(1, 1), after: BudgetTally::new(1, 1) };
        assert_eq!(
            ReleaseComparison::from_strata(&[single]),
            Some(ReleaseComparison { points_worse: 0.0, p_value: 1.0 })
        );
    }
}
