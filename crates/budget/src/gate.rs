//! Whether a release may pass, by all its budgeted cells together. Asking for the counts, printing
//! the table and exiting are left to the shells.

use crate::{
    assertions::{Assertion, Outcome},
    budgets::{Limit, Severity},
    compare::{Comparison, discoveries},
    verdict::{Tally, Verdict},
    watch::CONVINCING,
};

/// One budget of one page on one class of device, and the visits that tell of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The budget.
    pub limit: Limit,
    /// The visits.
    pub tally: Tally,
    /// Whether another cell judges the same budget over all its pages. Then this one may break the
    /// budget; but that few visit this page is no reason to doubt the release.
    pub part: bool,
}

/// What a gate answers. Each has its exit code: 0, 1 and 2. Of two answers, the greater holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// Every budget that matters is kept, or too near its limit to say otherwise.
    Pass,
    /// None is known to be broken, and of one too little is known.
    Insufficient,
    /// A budget that matters is broken.
    Violated,
}

/// Whether it is time to look, while visits still come. Who looks at verdicts again and again until he
/// likes one, finds one; so this asks only for numbers of visits, which say nothing of how they went,
/// and for evidence that may be read at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Cells that have enough visits for a look.
    pub ready: usize,
    /// Cells that the answer waits for.
    pub of: usize,
    /// Whether a budget is broken, and so clearly that waiting is of no use.
    pub certain: bool,
}

/// The verdict of each cell, and the answer. Many cells are many chances to look bad, so a cell is
/// violated only where its own verdict stands among all of them.
#[must_use]
pub fn gate(cells: &[Cell]) -> (Vec<Verdict>, Answer) {
    let judged = |cell: &&Cell| cell.tally.n() > 0 && cell.tally.n() >= cell.limit.min_samples;
    let p_values: Vec<f64> =
        cells.iter().filter(judged).map(|cell| cell.tally.p_value(cell.limit.percentile)).collect();
    let mut discovered = discoveries(&p_values).into_iter();
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
        Verdict::Violated => Answer::Violated,
        Verdict::Unknown | Verdict::Insufficient if !cell.part => Answer::Insufficient,
        _ => Answer::Pass,
    });
    let answer = answers.max().unwrap_or(Answer::Pass);
    (verdicts, if cells.is_empty() { Answer::Insufficient } else { answer })
}

/// Which of many comparisons with the release before show that it is worse, and the answer. To have
/// nothing to compare is no answer.
#[must_use]
pub fn regressions(comparisons: &[(Severity, Comparison)]) -> (Vec<bool>, Answer) {
    let p_values: Vec<f64> = comparisons.iter().map(|(_, comparison)| comparison.p_value).collect();
    let stands = discoveries(&p_values);
    let worse: Vec<bool> =
        comparisons.iter().zip(stands).map(|((_, found), stands)| stands && found.is_regression()).collect();
    let matters = comparisons.iter().zip(&worse);
    let answer = if matters.clone().any(|((severity, _), worse)| *worse && *severity == Severity::Error) {
        Answer::Violated
    } else if comparisons.is_empty() {
        Answer::Insufficient
    } else {
        Answer::Pass
    };
    (worse, answer)
}

/// Whether it is time to look at these cells.
#[must_use]
pub fn waiting(cells: &[Cell]) -> Waiting {
    let matter: Vec<&Cell> = cells.iter().filter(|cell| cell.limit.severity == Severity::Error).collect();
    let awaited = matter.iter().filter(|cell| !cell.part);
    let ready = |cell: &&&Cell| cell.tally.n() >= cell.limit.min_samples.max(ENOUGH);
    // The mean of e-values is one, however they depend on each other.
    let evidence: f64 = matter.iter().map(|cell| cell.tally.evidence(cell.limit.percentile)).sum();
    Waiting {
        ready: awaited.clone().filter(ready).count(),
        of: awaited.count(),
        // Evidence may convince before there are visits enough for a verdict; the gate closes with both.
        certain: evidence >= CONVINCING * matter.len().max(1) as f64 && gate(cells).1 == Answer::Violated,
    }
}

/// The answer of a lab run. A budget that was to be asserted and was not is a mistake in the
/// set-up, however mild the budget.
#[must_use]
pub fn lab_gate(outcomes: &[(&Assertion, Outcome)]) -> Answer {
    let broken = |(assertion, outcome): &(&Assertion, Outcome)| {
        assertion.severity == Severity::Error && matches!(outcome, Outcome::Broken { .. })
    };
    let silent = |(_, outcome): &(_, Outcome)| matches!(outcome, Outcome::NotMeasured | Outcome::NotAsserted);
    if outcomes.iter().any(broken) {
        Answer::Violated
    } else if outcomes.is_empty() || outcomes.iter().any(silent) {
        Answer::Insufficient
    } else {
        Answer::Pass
    }
}

impl Answer {
    /// The name in every report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Violated => "violated",
            Self::Insufficient => "insufficient",
        }
    }

    /// The exit code of a gate.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Violated => 1,
            Self::Insufficient => 2,
        }
    }
}

/// So many visits show a page that keeps its budget well: 85 % of them within where 75 % must be.
const ENOUGH: u64 = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Stratum;

    const GOOD: Tally = Tally { within: 190, over: 10 };
    const BAD: Tally = Tally { within: 100, over: 100 };
    const FEW: Tally = Tally { within: 9, over: 0 };
    const NEAR: Tally = Tally { within: 1500, over: 500 };

    fn cell(severity: Severity, tally: Tally) -> Cell {
        Cell {
            limit: Limit { max: 2000, percentile: 75, severity, min_samples: 30, line: 1 },
            tally,
            part: false,
        }
    }

    #[track_caller]
    fn check(tallies: &[(Severity, Tally)], expect: Answer) {
        let cells: Vec<Cell> = tallies.iter().map(|(severity, tally)| cell(*severity, *tally)).collect();
        assert_eq!(gate(&cells).1, expect);
    }

    #[test]
    fn one_broken_budget_closes_the_gate() {
        use Severity::{Error, Warn};
        check(&[(Error, GOOD)], Answer::Pass);
        check(&[(Error, NEAR)], Answer::Pass);
        check(&[(Error, GOOD), (Error, BAD), (Error, FEW)], Answer::Violated);
        check(&[(Error, GOOD), (Warn, BAD), (Warn, FEW)], Answer::Pass);
        check(&[(Error, GOOD), (Error, FEW)], Answer::Insufficient);
        check(&[(Error, Tally::default())], Answer::Insufficient);
        check(&[], Answer::Insufficient);
    }

    #[test]
    fn a_lab_run_passes_only_if_everything_was_asserted() {
        let assertion = |severity| Assertion {
            audit: "speed-index".into(),
            max: 3000.0,
            severity,
            proxy_of: None,
            line: 1,
        };
        let (hard, mild) = (assertion(Severity::Error), assertion(Severity::Warn));
        let (kept, broken) = (Outcome::Kept { actual: 1.0 }, Outcome::Broken { actual: 1e4 });
        let runs: [(&[(&Assertion, Outcome)], Answer); 7] = [
            (&[(&hard, kept), (&mild, kept)], Answer::Pass),
            (&[(&hard, kept), (&mild, broken)], Answer::Pass),
            (&[(&hard, broken), (&mild, Outcome::NotAsserted)], Answer::Violated),
            (&[(&hard, kept), (&mild, Outcome::NotAsserted)], Answer::Insufficient),
            (&[(&hard, Outcome::NotAsserted)], Answer::Insufficient),
            (&[(&hard, Outcome::NotMeasured)], Answer::Insufficient),
            (&[], Answer::Insufficient),
        ];
        for (run, answer) in runs {
            assert_eq!(lab_gate(run), answer, "{run:?}");
        }
    }

    #[test]
    fn a_cell_that_is_bad_by_chance_is_not_violated_among_many() {
        // 64 of 100 is violated on its own, at p = 0.0094.
        let unlucky = cell(Severity::Error, Tally::of(100, 64));
        let fine = cell(Severity::Error, GOOD);
        assert_eq!(gate(&[unlucky]), (vec![Verdict::Violated], Answer::Violated));
        let mut cells = vec![fine; 20];
        cells.insert(7, unlucky);
        let (verdicts, answer) = gate(&cells);
        assert_eq!((verdicts[7], answer), (Verdict::Insufficient, Answer::Insufficient));
        // In company it stands.
        cells.extend([cell(Severity::Error, BAD); 5]);
        assert_eq!(gate(&cells).0[7], Verdict::Violated);
    }

    #[test]
    fn cells_that_say_nothing_hide_nothing() {
        let mut cells = vec![cell(Severity::Warn, FEW); 500];
        cells.push(cell(Severity::Error, Tally::of(100, 64)));
        assert_eq!(gate(&cells).1, Answer::Violated);
    }

    #[test]
    fn a_page_that_few_visit_is_no_reason_to_doubt_the_whole() {
        let whole = cell(Severity::Error, GOOD);
        let part = |tally| Cell { part: true, ..cell(Severity::Error, tally) };
        assert_eq!(gate(&[whole, part(FEW), part(Tally::default())]).1, Answer::Pass);
        assert_eq!(gate(&[whole, part(BAD)]).1, Answer::Violated);
        assert_eq!(gate(&[cell(Severity::Error, FEW), part(GOOD)]).1, Answer::Insufficient);
    }

    #[test]
    fn the_look_waits_for_visits_and_not_for_a_verdict() {
        let waits = |tallies: &[Tally]| {
            let cells: Vec<Cell> = tallies.iter().map(|tally| cell(Severity::Error, *tally)).collect();
            let Waiting { ready, of, certain } = waiting(&cells);
            (ready, of, certain)
        };
        assert_eq!(waits(&[GOOD, FEW, Tally::of(199, 199)]), (1, 3, false));
        // 150 of 200 on the edge of its budget is as ready as 200 of 200.
        assert_eq!(waits(&[Tally::of(200, 150), Tally::of(200, 200)]), (2, 2, false));
        assert_eq!(waits(&[BAD, FEW]), (1, 2, true));
        // What convinces of one cell does not convince among a hundred.
        let mut many = vec![GOOD; 100];
        many.push(Tally::of(100, 60));
        assert!(waits(&[Tally::of(100, 60)]).2 && !waits(&many).2);
        let mild = [cell(Severity::Warn, BAD), Cell { part: true, ..cell(Severity::Error, FEW) }];
        assert_eq!(waiting(&mild), Waiting { ready: 0, of: 0, certain: false });
    }

    #[test]
    fn a_release_that_is_certainly_worse_closes_the_gate() {
        let compared = |before, after| {
            Comparison::of(&[Stratum { before: Tally::of(5000, before), after: Tally::of(5000, after) }])
                .unwrap()
        };
        let (worse, same) = (compared(4000, 3800), compared(4000, 3990));
        use Severity::{Error, Warn};
        assert_eq!(regressions(&[(Error, same), (Error, worse)]), (vec![false, true], Answer::Violated));
        assert_eq!(regressions(&[(Error, same), (Warn, worse)]), (vec![false, true], Answer::Pass));
        assert_eq!(regressions(&[]), (vec![], Answer::Insufficient));
    }

    #[test]
    fn one_worse_page_in_hundreds_may_be_chance() {
        let unlucky = Comparison { points_worse: 5.0, p_value: 0.009 };
        let mut all = vec![(Severity::Error, Comparison { points_worse: 0.0, p_value: 0.5 }); 100];
        all.push((Severity::Error, unlucky));
        assert_eq!(regressions(&all).1, Answer::Pass);
        assert_eq!(regressions(&[(Severity::Error, unlucky)]).1, Answer::Violated);
    }
}
