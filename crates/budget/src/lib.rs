//! budgets.json and its consequences: the limits of a page, the assertions of Lighthouse CI, and the
//! verdicts on counts of real visits. The ledger counts visits; the shells report.

mod assertions;
mod binomial;
mod budgets;
mod burn;
mod compare;
mod error;
mod forecast;
mod gate;
mod json_reader;
mod robots_pattern;
mod score;
mod sequential_test;
mod share;
mod verdict;
mod warning;

pub use assertions::{Assertion, AssertionOutcome, LhciResult, PageAssertions};
pub use budgets::{BudgetRule, Budgets, Limit, Severity};
pub use burn::{BurnAlert, BurnWindows};
pub use compare::{ReleaseComparison, Stratum, benjamini_hochberg};
pub use error::{BudgetError, BudgetErrorKind};
pub use forecast::Forecast;
pub use gate::{
    GateCell, GateOutcome, GateReadiness, evaluate_gate, evaluate_lab_gate, find_regressions, gate_readiness,
};
pub use score::{FieldScore, FormFactor, MetricScore, ScoredAudit, field_score, performance_score};
pub use sequential_test::{AlarmState, SequentialTest, TestObservation, TopViews, leading_release};
pub use share::share_interval;
pub use verdict::{BudgetTally, PercentileRanks, Verdict};
pub use warning::BudgetWarning;
