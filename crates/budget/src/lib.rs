//! One budgets.json, and everything that follows from it: the limits of a page, the assertions
//! that Lighthouse CI shall make, and the verdicts that counts of real visits allow. Counting the
//! visits is the ledger's business; telling people is the shells'.

mod ahead;
mod assertions;
mod binomial;
mod budgets;
mod burn;
mod compare;
mod document;
mod gate;
mod mistake;
mod path;
mod score;
mod verdict;
mod watch;

pub use ahead::Ahead;
pub use assertions::{Asserted, Assertion, Outcome, Page};
pub use budgets::{Budgets, Limit, Rule, Severity};
pub use burn::{Burn, Windows};
pub use compare::{Comparison, Stratum, discoveries};
pub use gate::{Answer, Cell, Waiting, gate, lab_gate, regressions, waiting};
pub use mistake::{Mistake, Wrong};
pub use score::{Audit, FieldScore, Form, Part, category, field_score};
pub use verdict::{Ranks, Tally, Verdict};
pub use watch::{Alarm, Look, Watched, leading};
