//! Silences: planned maintenance, and what somebody asked not to hear of.

use report::signals::Signal;
use serde::{Deserialize, Serialize};
use wire::UnixMillis;

use crate::subject::AlertSubject;

/// What is not told for a while. Recoveries are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Silence {
    /// Of which signal; of any, where there is none.
    pub signal: Option<Signal>,
    /// Of which route; of any, where there is none.
    pub route: Option<String>,
    /// From this moment: maintenance is planned.
    pub from: UnixMillis,
    /// To before this one.
    pub until: UnixMillis,
    /// Who asked.
    pub by: String,
    /// What for.
    pub reason: String,
}

impl Silence {
    pub(crate) fn covers(&self, subject: &AlertSubject, now: UnixMillis) -> bool {
        (self.from..self.until).contains(&now)
            && self.signal.is_none_or(|signal| signal == subject.signal)
            && self.route.as_ref().is_none_or(|route| Some(route) == subject.route.as_ref())
    }
}
