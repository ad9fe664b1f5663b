//! One budgets.json, and everything that follows from it: the limits of a page, the assertions
//! that Lighthouse CI shall make, and the verdicts that counts of real visits allow. Counting the
//! visits is the ledger's business; telling people is the shells'.

mod binomial;
mod budgets;
mod document;
mod mistake;
mod path;
mod verdict;

pub use budgets::{Budgets, Limit, Severity};
pub use mistake::{Mistake, Wrong};
pub use verdict::{Ranks, Tally, Verdict};
