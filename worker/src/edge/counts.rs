//! What the cache did, counted where Cache-Status is made, so that both say the same. An isolate adds
//! up; the clock's object keeps the sums.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Of what a count is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Of {
    /// The route, counted from 0.
    pub(crate) route: usize,
    /// `hit`, `stale`, `miss` or `bypass`.
    pub(crate) outcome: String,
    /// The tier that it came from, or why not.
    pub(crate) detail: String,
}

/// What there was of it.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sum {
    pub(crate) requests: u64,
    pub(crate) bytes: u64,
    /// Milliseconds that the origin took.
    pub(crate) origin: u64,
}

/// The sums of this isolate.
#[derive(Default)]
pub(crate) struct Counts(BTreeMap<Of, Sum>);

impl Counts {
    pub(crate) fn add(&mut self, of: Of, more: Sum) {
        // Routes and words are few: this bound is only for a mistake of ours.
        if self.0.len() < MOST || self.0.contains_key(&of) {
            let sum = self.0.entry(of).or_default();
            sum.requests = sum.requests.saturating_add(more.requests);
            sum.bytes = sum.bytes.saturating_add(more.bytes);
            sum.origin = sum.origin.saturating_add(more.origin);
        }
    }

    pub(crate) fn take(&mut self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let all: Vec<(Of, Sum)> = std::mem::take(&mut self.0).into_iter().collect();
        serde_json::to_string(&all).ok()
    }
}

const MOST: usize = 5_000;
