//! Whether a release may pass, by all its budgeted cells together. Asking for the counts, printing
//! the table and exiting are left to the shells.

use crate::{
    assertions::{Assertion, Outcome},
    budgets::{Limit, Severity},
    compare::discoveries,
    verdict::{Tally, Verdict},
};

/// One budget of one page on one class of device, and the visits that tell of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The budget.
    pub limit: Limit,
    /// The visits.
    pub tally: Tally,
}

/// What a gate answers. Each has its exit code: 0, 1 and 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Every budget that matters is kept, or too near its limit to say otherwise.
    Pass,
    /// A budget that matters is broken.
    Violated,
    /// None is known to be broken, and of one too little is known.
    Insufficient,
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
    let matters: Vec<Verdict> = matters.map(|(_, verdict)| *verdict).collect();
    let unknown = |verdict| matches!(verdict, Verdict::Unknown | Verdict::Insufficient);
    let answer = if matters.contains(&Verdict::Violated) {
        Answer::Violated
    } else if cells.is_empty() || matters.into_iter().any(unknown) {
        Answer::Insufficient
    } else {
        Answer::Pass
    };
    (verdicts, answer)
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

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Tally = Tally { within: 190, over: 10 };
    const BAD: Tally = Tally { within: 100, over: 100 };
    const FEW: Tally = Tally { within: 9, over: 0 };
    const NEAR: Tally = Tally { within: 1500, over: 500 };

    fn cell(severity: Severity, tally: Tally) -> Cell {
        Cell { limit: Limit { max: 2000, percentile: 75, severity, min_samples: 30, line: 1 }, tally }
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
}
