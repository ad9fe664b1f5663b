//! The state of an origin, from the latest requests to it and from the check of its health address. Visitors are the
//! better evidence; the check decides where they are few.

use std::collections::BTreeMap;

use budget::share_interval;
use serde::Serialize;
use traffic::{OriginStats, TrafficWindows};
use wire::UnixMillis;

use crate::origin_check::OriginCheck;
use crate::signals::{AlertLevel, ORIGIN_BOUNDS};

/// The evidence about one origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OriginEvidence {
    /// The latest requests of visitors.
    pub requests: OriginStats,
    /// The result of the health check: true if it passed. `None` without one.
    pub check: Option<bool>,
}

/// The state of an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OriginState {
    /// There were too few requests, and no check.
    Insufficient,
    /// It responds.
    Up,
    /// There were enough requests, and they prove neither.
    Unclear,
    /// It fails, beyond chance.
    Failing(AlertLevel),
}

/// An origin in the health document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OriginReport {
    /// The host of the origin, with its port.
    pub name: String,
    /// `up`, `degraded`, `down`, `unclear` or `insufficient`.
    pub state: &'static str,
    /// The latest requests to it: at least 20, or those of fifteen minutes.
    pub requests: u64,
    /// Requests that ended without a response.
    pub unreachable: u64,
    /// Responses with a 5xx status.
    pub server_errors: u64,
    /// The result of its health check, if one is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<bool>,
}

/// Returns the latest requests to each origin: those of as many minutes, newest first, as hold enough of them; of fifteen at
/// most.
#[must_use]
pub fn latest_requests(minutes: &TrafficWindows, now: UnixMillis) -> BTreeMap<String, OriginStats> {
    let mut latest: BTreeMap<String, OriginStats> = BTreeMap::new();
    let since = now.saturating_sub(MAX_AGE_MS);
    for (_, traffic) in minutes.0.iter().rev().take_while(|(window, _)| window.start >= since) {
        let mut of_minute: BTreeMap<&str, OriginStats> = BTreeMap::new();
        for (name, stats) in traffic.routes.values().flat_map(|route| &route.origins) {
            of_minute.entry(name).or_default().merge(stats);
        }
        for (name, stats) in of_minute {
            let sum = latest.entry(name.to_owned()).or_default();
            if sum.requests < ORIGIN_BOUNDS.min_events {
                sum.merge(&stats);
            }
        }
    }
    latest
}

/// Returns true if the requests of visitors are too few to judge an origin by.
#[must_use]
pub const fn needs_check(requests: &OriginStats) -> bool {
    requests.requests < ORIGIN_BOUNDS.min_events
}

/// Adds the check of a health address to the requests to origins.
#[must_use]
pub fn with_check(
    requests: BTreeMap<String, OriginStats>,
    check: Option<&OriginCheck>,
) -> BTreeMap<String, OriginEvidence> {
    let mut all: BTreeMap<String, OriginEvidence> = BTreeMap::new();
    for (name, requests) in requests {
        all.insert(name, OriginEvidence { requests, check: None });
    }
    if let Some(check) = check {
        all.entry(check.name.clone()).or_default().check = check.confirmed();
    }
    all
}

impl OriginEvidence {
    /// Judges the origin. A handful of failures proves nothing: the lower bound of their share decides.
    #[must_use]
    pub fn state(&self) -> OriginState {
        let OriginStats { requests: n, unreachable, .. } = self.requests;
        let of_failures = level(self.requests.failures(), n, ORIGIN_BOUNDS.min_events);
        let of_unreachable = level(unreachable, n, MIN_UNREACHABLE);
        if let Some(level) = of_failures.max(of_unreachable) {
            return OriginState::Failing(level);
        }
        match (n >= ORIGIN_BOUNDS.min_events, self.check) {
            // Visitors are served, but not the check.
            (true, Some(false)) => OriginState::Failing(AlertLevel::Warning),
            (true, _) if self.failure_percent() <= ORIGIN_BOUNDS.clears_at => OriginState::Up,
            (true, _) => OriginState::Unclear,
            (false, Some(false)) => OriginState::Failing(AlertLevel::Critical),
            (false, Some(true)) if self.requests.failures() == 0 => OriginState::Up,
            (false, Some(true)) => OriginState::Unclear,
            (false, None) => OriginState::Insufficient,
        }
    }

    /// Describes the evidence in a sentence without a full stop.
    #[must_use]
    pub fn message(&self) -> String {
        let OriginStats { requests, unreachable, server_errors } = self.requests;
        let check = match self.check {
            None => "",
            Some(true) => "its health check passes",
            Some(false) => "its health check fails",
        };
        match (requests, check) {
            (0, "") => "there were no requests".into(),
            (0, check) => format!("there were no requests of visitors; {check}"),
            (_, check) => {
                let failures = format!(
                    "{} of the latest {requests} requests failed ({unreachable} without a response, \
                     {server_errors} with a 5xx status)",
                    self.requests.failures()
                );
                if check.is_empty() { failures } else { format!("{failures}; {check}") }
            }
        }
    }

    /// Returns the entry of the health document.
    #[must_use]
    pub fn report(&self, name: &str) -> OriginReport {
        let OriginStats { requests, unreachable, server_errors } = self.requests;
        let (name, state) = (name.to_owned(), self.state().name());
        OriginReport { name, state, requests, unreachable, server_errors, check: self.check }
    }

    fn failure_percent(&self) -> f64 {
        100.0 * self.requests.failures() as f64 / self.requests.requests.max(1) as f64
    }
}

impl OriginState {
    const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Failing(AlertLevel::Warning) => "degraded",
            Self::Failing(AlertLevel::Critical) => "down",
            Self::Unclear => "unclear",
            Self::Insufficient => "insufficient",
        }
    }
}

/// Returns the level that the lower bound of a share proves.
fn level(failures: u64, n: u64, min_events: u64) -> Option<AlertLevel> {
    let is_enough = n >= min_events && failures > 0;
    is_enough
        .then(|| share_interval(failures, n, ERROR_PROBABILITY))
        .and_then(|[low, _]| ORIGIN_BOUNDS.level(100.0 * low))
}

const MAX_AGE_MS: u64 = 15 * 60_000;
/// A request without any response is rarely the visitor's doing, so that fewer of them prove something.
const MIN_UNREACHABLE: u64 = 6;
/// The probability that a sound origin looks like a failing one, in one look.
const ERROR_PROBABILITY: f64 = 0.001;

#[cfg(test)]
mod tests {
    use traffic::OriginOutcome;
    use wire::{Window, WindowSpan};

    use super::*;

    fn evidence(ok: u64, server_errors: u64, unreachable: u64, check: Option<bool>) -> OriginEvidence {
        let requests = ok + server_errors + unreachable;
        OriginEvidence { requests: OriginStats { requests, unreachable, server_errors }, check }
    }

    #[test]
    fn a_handful_of_failures_proves_nothing() {
        use OriginState::{Failing, Insufficient, Unclear, Up};
        for (ok, errors, unreachable, check, state) in [
            (0, 0, 0, None, Insufficient),
            (1, 1, 0, None, Insufficient),
            (0, 0, 5, None, Insufficient),
            (0, 0, 6, None, Failing(AlertLevel::Critical)),
            (0, 19, 0, None, Insufficient),
            (0, 20, 0, None, Failing(AlertLevel::Critical)),
            (30, 2, 0, None, Unclear),
            (100, 1, 0, None, Up),
            (80, 20, 0, None, Failing(AlertLevel::Warning)),
            (60, 0, 60, None, Failing(AlertLevel::Critical)),
            // The check decides where visitors are few.
            (0, 0, 0, Some(false), Failing(AlertLevel::Critical)),
            (3, 0, 0, Some(true), Up),
            (3, 1, 0, Some(true), Unclear),
            (100, 0, 0, Some(false), Failing(AlertLevel::Warning)),
        ] {
            let given = evidence(ok, errors, unreachable, check);
            assert_eq!(given.state(), state, "{}", given.message());
        }
    }

    #[test]
    fn the_latest_minutes_that_hold_enough_requests_are_judged() {
        let mut windows = TrafficWindows::default();
        let mut minute = |at: u64, n: u64, outcome| {
            let window = Window { span: WindowSpan::Minute, start: UnixMillis(at * 60_000) };
            let traffic = windows.0.entry(window).or_default();
            (0..n).for_each(|index| {
                traffic.add_origin_request(&format!("/{}", index % 3), "shop.example", outcome)
            });
        };
        minute(1, 60, OriginOutcome::Responded);
        minute(2, 15, OriginOutcome::Responded);
        minute(3, 10, OriginOutcome::Unreachable);
        let requests_at = |minute: u64| {
            let latest = latest_requests(&windows, UnixMillis(minute * 60_000));
            let stats = latest.get("shop.example").copied().unwrap_or_default();
            (stats.requests, stats.unreachable)
        };
        assert_eq!(requests_at(3), (25, 10));
        assert_eq!([requests_at(18), requests_at(19)], [(10, 10), (0, 0)], "of fifteen minutes at most");
    }

    #[test]
    fn a_check_adds_an_origin_that_nobody_visits() {
        let check = |previous: Option<&OriginCheck>| {
            let url = "https://shop.example/health";
            OriginCheck::from_response(url, previous, None, b"", 5_000.0, UnixMillis(1))
        };
        let all = with_check(BTreeMap::new(), Some(&check(Some(&check(None)))));
        let evidence = all.get("shop.example").copied().unwrap_or_default();
        assert_eq!(evidence.message(), "there were no requests of visitors; its health check fails");
        assert_eq!(evidence.report("shop.example").state, "down");
        assert_eq!(with_check(BTreeMap::new(), None), BTreeMap::new());
    }
}
