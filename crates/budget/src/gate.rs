//! The deployment gate: judges all budgeted cells of a release together. The shells fetch counts and report.

use crate::{
    assertions::{Assertion, AssertionOutcome},
    budgets::{Limit, Severity},
    compare::{ReleaseComparison, benjamini_hochberg},
    sequential_test::E_VALUE_THRESHOLD,
    verdict::{BudgetTally, Verdict},
};

/// One budget of one page and device class, with its visits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateCell {
    /// The budget.
    pub limit: Limit,
    /// The visits.
    pub tally: BudgetTally,
    /// True if another cell judges the same budget over all its pages. Such a cell can violate the budget, but
    /// insufficient visits to it do not make the gate insufficient.
    pub is_subset: bool,
}

/// The outcome of a gate. Of two outcomes, the greater wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GateOutcome {
    /// Every budget of severity `error` is met or at its limit.
    Pass,
    /// No budget is violated, but at least one lacks data.
    Insufficient,
    /// A budget of severity `error` is violated.
    Violated,
}

/// The readiness of a gate that waits for visits. Repeated looks at verdicts would inflate false positives, so
/// readiness depends only on visit counts and on e-values, which stay valid under repeated looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateReadiness {
    /// Cells with enough visits.
    pub ready: usize,
    /// Cells that the gate waits for.
    pub total: usize,
    /// True if a budget is so clearly violated that waiting is pointless.
    pub certainly_violated: bool,
}

/// Returns the verdict of each cell, and the outcome. Many cells are many chances of a false positive, so a
/// violation must also be significant among all cells (see [`benjamini_hochberg`]).
#[must_use]
pub fn evaluate_gate(cells: &[GateCell]) -> (Vec<Verdict>, GateOutcome) {
    let judged = |cell: &&GateCell| cell.tally.n() > 0 && cell.tally.n() >= cell.limit.min_samples;
    let p_values: Vec<f64> =
        cells.iter().filter(judged).map(|cell| cell.tally.p_value(cell.limit.percentile)).collect();
    let mut discovered = benjamini_hochberg(&p_values).into_iter();
    let verdicts: Vec<Verdict> = cells
        .iter()
        .map(|cell| {
            let stands = judged(&cell) && discovered.next() == Some(true);
            match cell.limit.verdict(cell.tally) {
                Verdict::Violated if !stands => Verdict::undecided(cell.tally.n()),
                verdict => verdict,
            }
        })
        .collect();

    let matters = cells.iter().zip(&verdicts).filter(|(cell, _)| cell.limit.severity == Severity::Error);
    let answers = matters.map(|(cell, verdict)| match verdict {
        Verdict::Violated => GateOutcome::Violated,
        Verdict::Unknown | Verdict::Insufficient if !cell.is_subset => GateOutcome::Insufficient,
        _ => GateOutcome::Pass,
    });
    let answer = answers.max().unwrap_or(GateOutcome::Pass);
    (verdicts, if cells.is_empty() { GateOutcome::Insufficient } else { answer })
}

/// Returns the significant regressions among many comparisons with the previous release, and the outcome;
/// `Insufficient` without comparisons.
#[must_use]
pub fn find_regressions(comparisons: &[(Severity, ReleaseComparison)]) -> (Vec<bool>, GateOutcome) {
    let p_values: Vec<f64> = comparisons.iter().map(|(_, comparison)| comparison.p_value).collect();
    let stands = benjamini_hochberg(&p_values);
    let worse: Vec<bool> =
        comparisons.iter().zip(stands).map(|((_, found), stands)| stands && found.is_regression()).collect();
    let matters = comparisons.iter().zip(&worse);
    let answer = if matters.clone().any(|((severity, _), worse)| *worse && *severity == Severity::Error) {
        GateOutcome::Violated
    } else if comparisons.is_empty() {
        GateOutcome::Insufficient
    } else {
        GateOutcome::Pass
    };
    (worse, answer)
}

/// Returns the readiness of these cells.
#[must_use]
pub fn gate_readiness(cells: &[GateCell]) -> GateReadiness {
    let matter: Vec<&GateCell> = cells.iter().filter(|cell| cell.limit.severity == Severity::Error).collect();
    let awaited = matter.iter().filter(|cell| !cell.is_subset);
    let ready = |cell: &&&GateCell| cell.tally.n() >= cell.limit.min_samples.max(MIN_READY_VISITS);
    // The mean of e-values is an e-value, whatever their dependence.
    let evidence: f64 = matter.iter().map(|cell| cell.tally.e_value(cell.limit.percentile)).sum();
    GateReadiness {
        ready: awaited.clone().filter(ready).count(),
        total: awaited.count(),
        // An e-value may be large before there are enough visits for a verdict; both are required.
        certainly_violated: evidence >= E_VALUE_THRESHOLD * matter.len().max(1) as f64
            && evaluate_gate(cells).1 == GateOutcome::Violated,
    }
}

/// Returns the outcome of a lab run. A missing assertion is a configuration error, whatever its severity.
#[must_use]
pub fn evaluate_lab_gate(outcomes: &[(&Assertion, AssertionOutcome)]) -> GateOutcome {
    let broken = |(assertion, outcome): &(&Assertion, AssertionOutcome)| {
        assertion.severity == Severity::Error && matches!(outcome, AssertionOutcome::Failed { .. })
    };
    let silent = |(_, outcome): &(_, AssertionOutcome)| {
        matches!(outcome, AssertionOutcome::NotMeasured | AssertionOutcome::NotAsserted)
    };
    if outcomes.iter().any(broken) {
        GateOutcome::Violated
    } else if outcomes.is_empty() || outcomes.iter().any(silent) {
        GateOutcome::Insufficient
    } else {
        GateOutcome::Pass
    }
}

impl GateOutcome {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Violated => "violated",
            Self::Insufficient => "insufficient",
        }
    }

    /// The exit code: 0, 1 or 2.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Violated => 1,
            Self::Insufficient => 2,
        }
    }
}

/// Visits that suffice for a page well within its budget: 85 % within where 75 % are required.
const MIN_READY_VISITS: u64 = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Stratum;

    const GOOD: BudgetTally = BudgetTally::new(200, 190);
    const BAD: BudgetTally = BudgetTally::new(200, 100);
    const FEW: BudgetTally = BudgetTally::new(9, 9);
    const NEAR: BudgetTally = BudgetTally::new(2000, 1500);

    fn cell(severity: Severity, tally: BudgetTally) -> GateCell {
        GateCell {
            limit: Limit { max: 2000, percentile: 75, severity, min_samples: 30, line: 1 },
            tally,
            is_subset: false,
        }
    }

    #[track_caller]
    fn check(tallies: &[(Severity, BudgetTally)], expect: GateOutcome) {
        let cells: Vec<GateCell> = tallies.iter().map(|(severity, tally)| cell(*severity, *tally)).collect();
        assert_eq!(evaluate_gate(&cells).1, expect);
    }

    #[test]
    fn one_violated_budget_fails_the_gate() {
        use Severity::{Error, Warn};
        check(&[(Error, GOOD)], GateOutcome::Pass);
        check(&[(Error, NEAR)], GateOutcome::Pass);
        check(&[(Error, GOOD), (Error, BAD), (Error, FEW)], GateOutcome::Violated);
        check(&[(Error, GOOD), (Warn, BAD), (Warn, FEW)], GateOutcome::Pass);
        check(&[(Error, GOOD), (Error, FEW)], GateOutcome::Insufficient);
        check(&[(Error, BudgetTally::default())], GateOutcome::Insufficient);
        check(&[], GateOutcome::Insufficient);
    }

    #[test]
    fn a_lab_run_passes_only_if_every_assertion_was_made() {
        let assertion = |severity| Assertion {
            audit: "speed-index".into(),
            max: 3000.0,
            severity,
            proxy_of: None,
            line: 1,
        };
        let (hard, mild) = (assertion(Severity::Error), assertion(Severity::Warn));
        let (kept, broken) =
            (AssertionOutcome::Passed { actual: 1.0 }, AssertionOutcome::Failed { actual: 1e4 });
        let runs: [(&[(&Assertion, AssertionOutcome)], GateOutcome); 7] = [
            (&[(&hard, kept), (&mild, kept)], GateOutcome::Pass),
            (&[(&hard, kept), (&mild, broken)], GateOutcome::Pass),
            (&[(&hard, broken), (&mild, AssertionOutcome::NotAsserted)], GateOutcome::Violated),
            (&[(&hard, kept), (&mild, AssertionOutcome::NotAsserted)], GateOutcome::Insufficient),
            (&[(&hard, AssertionOutcome::NotAsserted)], GateOutcome::Insufficient),
            (&[(&hard, AssertionOutcome::NotMeasured)], GateOutcome::Insufficient),
            (&[], GateOutcome::Insufficient),
        ];
        for (run, answer) in runs {
            assert_eq!(evaluate_lab_gate(run), answer, "{run:?}");
        }
    }

    #[test]
    fn a_cell_violated_by_chance_is_not_violated_among_many() {
        // 64 of 100 is a violation on its own, at p = 0.0094.
        let unlucky = cell(Severity::Error, BudgetTally::new(100, 64));
        let fine = cell(Severity::Error, GOOD);
        assert_eq!(evaluate_gate(&[unlucky]), (vec![Verdict::Violated], GateOutcome::Violated));
        let mut cells = vec![fine; 20];
        cells.insert(7, unlucky);
        let (verdicts, answer) = evaluate_gate(&cells);
        assert_eq!((verdicts[7], answer), (Verdict::Insufficient, GateOutcome::Insufficient));
        // It is significant among other violations.
        cells.extend([cell(Severity::Error, BAD); 5]);
        assert_eq!(evaluate_gate(&cells).0[7], Verdict::Violated);
    }

    #[test]
    fn few_networks_fail_no_gate() {
        let few = cell(Severity::Error, BAD.with_top(90));
        assert_eq!(evaluate_gate(&[few]), (vec![Verdict::Insufficient], GateOutcome::Insufficient));
        assert!(!gate_readiness(&[few]).certainly_violated);
        assert_eq!(evaluate_gate(&[cell(Severity::Error, BAD.with_top(12))]).1, GateOutcome::Violated);
        // Nor by the number of their visits: at the limit is no violation, but no pass either.
        let many = cell(Severity::Error, BudgetTally::new(4000, 2000).with_top(2000));
        assert_eq!(evaluate_gate(&[many]).1, GateOutcome::Insufficient);
    }

    #[test]
    fn cells_with_few_visits_do_not_mask_a_violation() {
        let mut cells = vec![cell(Severity::Warn, FEW); 500];
        cells.push(cell(Severity::Error, BudgetTally::new(100, 64)));
        assert_eq!(evaluate_gate(&cells).1, GateOutcome::Violated);
    }

    #[test]
    fn a_subset_with_few_visits_does_not_block_the_gate() {
        let whole = cell(Severity::Error, GOOD);
        let part = |tally| GateCell { is_subset: true, ..cell(Severity::Error, tally) };
        assert_eq!(evaluate_gate(&[whole, part(FEW), part(BudgetTally::default())]).1, GateOutcome::Pass);
        assert_eq!(evaluate_gate(&[whole, part(BAD)]).1, GateOutcome::Violated);
        assert_eq!(evaluate_gate(&[cell(Severity::Error, FEW), part(GOOD)]).1, GateOutcome::Insufficient);
    }

    #[test]
    fn readiness_depends_on_visit_counts_and_not_on_verdicts() {
        let readiness = |tallies: &[BudgetTally]| {
            let cells: Vec<GateCell> = tallies.iter().map(|tally| cell(Severity::Error, *tally)).collect();
            let GateReadiness { ready, total: of, certainly_violated: certain } = gate_readiness(&cells);
            (ready, of, certain)
        };
        assert_eq!(readiness(&[GOOD, FEW, BudgetTally::new(199, 199)]), (1, 3, false));
        // 150 of 200, at the limit, is as ready as 200 of 200.
        assert_eq!(readiness(&[BudgetTally::new(200, 150), BudgetTally::new(200, 200)]), (2, 2, false));
        assert_eq!(readiness(&[BAD, FEW]), (1, 2, true));
        // Evidence that suffices for one cell does not suffice among a hundred.
        let mut many = vec![GOOD; 100];
        many.push(BudgetTally::new(100, 60));
        assert!(readiness(&[BudgetTally::new(100, 60)]).2 && !readiness(&many).2);
        // A verdict that stands among sixty others is not yet certain at every look.
        let alone = BudgetTally::new(100, 57);
        let mut some = vec![GOOD; 60];
        some.push(alone);
        let cells: Vec<GateCell> = some.iter().map(|tally| cell(Severity::Error, *tally)).collect();
        assert_eq!(evaluate_gate(&cells).1, GateOutcome::Violated);
        assert!(readiness(&[alone]).2 && !readiness(&some).2);
        let mild = [cell(Severity::Warn, BAD), GateCell { is_subset: true, ..cell(Severity::Error, FEW) }];
        assert_eq!(gate_readiness(&mild), GateReadiness { ready: 0, total: 0, certainly_violated: false });
    }

    #[test]
    fn a_significant_regression_fails_the_gate() {
        let compared = |before, after| {
            ReleaseComparison::from_strata(&[Stratum {
                before: BudgetTally::new(5000, before),
                after: BudgetTally::new(5000, after),
            }])
            .unwrap()
        };
        let (worse, same) = (compared(4000, 3800), compared(4000, 3990));
        use Severity::{Error, Warn};
        assert_eq!(
            find_regressions(&[(Error, same), (Error, worse)]),
            (vec![false, true], GateOutcome::Violated)
        );
        assert_eq!(find_regressions(&[(Error, same), (Warn, worse)]), (vec![false, true], GateOutcome::Pass));
        assert_eq!(find_regressions(&[]), (vec![], GateOutcome::Insufficient));
    }

    #[test]
    fn an_outcome_has_its_name_and_its_exit_code() {
        let all = [GateOutcome::Pass, GateOutcome::Violated, GateOutcome::Insufficient];
        assert_eq!(all.map(GateOutcome::name), ["pass", "violated", "insufficient"]);
        assert_eq!(all.map(GateOutcome::code), [0, 1, 2]);
    }

    #[test]
    fn one_worse_page_in_hundreds_may_be_chance() {
        let unlucky = ReleaseComparison { points_worse: 5.0, p_value: 0.009 };
        let mut all = vec![(Severity::Error, ReleaseComparison { points_worse: 0.0, p_value: 0.5 }); 100];
        all.push((Severity::Error, unlucky));
        assert_eq!(find_regressions(&all).1, GateOutcome::Pass);
        assert_eq!(find_regressions(&[(Severity::Error, unlucky)]).1, GateOutcome::Violated);
    }
}
