//! Counts against one limit, as cells store them and verdicts read them.

use serde::{Deserialize, Serialize};

/// Views against one limit, from the moment at which it took effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitCounts {
    /// Views that the limit was applied to.
    pub n: u64,
    /// Views within the limit.
    pub k: u64,
}

impl LimitCounts {
    /// Adds other views against the same limit.
    pub const fn add(&mut self, other: Self) {
        self.n = self.n.saturating_add(other.n);
        self.k = self.k.saturating_add(other.k);
    }
}
