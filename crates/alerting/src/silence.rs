//! Silences: alerts that are not announced for a time, such as during maintenance.

use report::signals::Signal;
use serde::{Deserialize, Serialize};
use wire::UnixMillis;

use crate::subject::AlertSubject;

/// A period in which matching alerts are not announced. Recoveries are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Silence {
    /// The signal; `None` matches all.
    pub signal: Option<Signal>,
    /// The route; `None` matches all.
    pub route: Option<String>,
    /// The start, which may lie in the future.
    pub from: UnixMillis,
    /// The end, exclusive.
    pub until: UnixMillis,
    /// The person who added it.
    pub by: String,
    /// The reason.
    pub reason: String,
}

impl Silence {
    pub(crate) fn covers(&self, subject: &AlertSubject, now: UnixMillis) -> bool {
        (self.from..self.until).contains(&now)
            && self.signal.is_none_or(|signal| signal == subject.signal)
            && self.route.as_ref().is_none_or(|route| Some(route) == subject.route.as_ref())
    }
}
