//! The signals with their targets, limits and recommended actions, shared by health, advice and alerts.
//! Verdicts, e-values and burn rates, with their limits, are defined by `budget`; `alerting` evaluates the rules.

use serde::{Deserialize, Serialize};

pub use crate::alert_bounds::{AlertBounds, AlertLevel, BadSide, NumericBounds};

/// A measured quantity with an alert rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Signal {
    /// The verdict on a budgeted cell.
    Verdict,
    /// The evidence against a budget since the release.
    Evidence,
    /// The burn rate of a budget.
    #[serde(rename = "burn-rate")]
    Burn,
    /// The 95th percentile of the time that answers take.
    ResponseTime,
    /// The share of requests that the cache answers.
    HitRatio,
    /// The 95th percentile of the time that queries take.
    QueryTime,
    /// The share of answers that are errors.
    ErrorRate,
    /// The share of its memory that the Worker uses.
    Memory,
    /// The number of views expected since the last beacon.
    #[serde(rename = "silence")]
    MissingBeacons,
    /// The number of windows that the backend is behind.
    #[serde(rename = "push-backlog")]
    Backlog,
    /// The deviation of a series from its usual value at this hour.
    Anomaly,
    /// The share of requests to an origin that fail.
    Origin,
    /// The share of responses without a server error, over thirty days.
    Uptime,
}

/// The rule of one signal: a row of the table in `docs/alerts.md`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlertRule {
    /// The signal.
    pub signal: Signal,
    /// The name in stored and sent documents.
    pub name: &'static str,
    /// The description in messages and documents.
    pub description: &'static str,
    /// The target and the limits.
    pub bounds: AlertBounds,
    /// The number of consecutive bad observations that raise an alert.
    pub rise: u32,
    /// The number of consecutive good observations that clear it.
    pub fall: u32,
    /// The recommended action.
    pub action: &'static str,
}

/// The limits of the share of failing requests to an origin.
pub const ORIGIN_BOUNDS: NumericBounds = NumericBounds {
    unit: "%",
    bad_side: BadSide::Above,
    target: 1.0,
    warning: 5.0,
    critical: Some(25.0),
    clears_at: 2.0,
    min_events: 20,
};

/// The objective of uptime, and the limit of its alert.
pub const UPTIME_BOUNDS: NumericBounds = NumericBounds {
    unit: "%",
    bad_side: BadSide::Below,
    target: 99.9,
    warning: 99.5,
    critical: None,
    clears_at: 99.6,
    min_events: 1000,
};

/// The rules of all signals, in the order of [`Signal`].
pub const ALERT_RULES: [AlertRule; 13] = [
    AlertRule {
        signal: Signal::Verdict,
        name: "verdict",
        description: "the verdict on a page's budget for a device class",
        bounds: AlertBounds::BudgetRule {
            target: "met",
            warning: "violated, until it is met again",
            critical: None,
        },
        rise: 2,
        fall: 1,
        action: "Open the route on the dashboard, compare releases and find the slowest part; fix the page, \
                 or the budget if it was never right.",
    },
    AlertRule {
        signal: Signal::Evidence,
        name: "evidence",
        description: "the evidence against a budget since the release",
        bounds: AlertBounds::BudgetRule {
            target: "an e-value under 20",
            warning: "an e-value of 20 or more, until the budget is met again",
            critical: None,
        },
        rise: 1,
        fall: 1,
        action: "The release violates the budget, beyond chance: find what it changed on this route, then fix \
                 it or roll back.",
    },
    AlertRule {
        signal: Signal::Burn,
        name: "burn-rate",
        description: "the burn rate of a budget",
        bounds: AlertBounds::BudgetRule {
            target: "at most 1",
            warning: "1.2 over 3 days and 6 hours",
            critical: Some("2 over 6 hours and 30 minutes"),
        },
        rise: 1,
        fall: 2,
        action: "Visitors are affected now: look for a deployment, a purge or a slower origin in the last \
                 hours, and undo the change.",
    },
    AlertRule {
        signal: Signal::ResponseTime,
        name: "response-time",
        description: "the 95th percentile of response times",
        bounds: AlertBounds::Numeric(NumericBounds {
            unit: "ms",
            bad_side: BadSide::Above,
            target: 500.0,
            warning: 500.0,
            critical: Some(1000.0),
            clears_at: 450.0,
            min_events: 100,
        }),
        rise: 2,
        fall: 2,
        action: "Find the slow routes and compare their hits with their misses: for slow misses, check the \
                 origin and its queries; for slow hits, the edge.",
    },
    AlertRule {
        signal: Signal::HitRatio,
        name: "hit-ratio",
        description: "the cache hit ratio",
        bounds: AlertBounds::Numeric(NumericBounds {
            unit: "%",
            bad_side: BadSide::Below,
            target: 75.0,
            warning: 70.0,
            critical: None,
            clears_at: 73.0,
            min_events: 200,
        }),
        rise: 3,
        fall: 2,
        action: "Check the misses by reason: after a purge, wait or warm the cache; otherwise find the route \
                 whose headers or query parameters prevent caching.",
    },
    AlertRule {
        signal: Signal::QueryTime,
        name: "query-time",
        description: "the 95th percentile of query times",
        bounds: AlertBounds::Numeric(NumericBounds {
            unit: "ms",
            bad_side: BadSide::Above,
            target: 250.0,
            warning: 250.0,
            critical: Some(500.0),
            clears_at: 225.0,
            min_events: 50,
        }),
        rise: 2,
        fall: 2,
        action: "Run EXPLAIN on the slowest query and look for a missing index, a lock or a table that has \
                 grown; meanwhile, cache its route for longer.",
    },
    AlertRule {
        signal: Signal::ErrorRate,
        name: "error-rate",
        description: "the share of responses that are errors",
        bounds: AlertBounds::Numeric(NumericBounds {
            unit: "%",
            bad_side: BadSide::Above,
            target: 0.1,
            warning: 0.1,
            critical: Some(0.5),
            clears_at: 0.08,
            min_events: 1000,
        }),
        rise: 2,
        fall: 2,
        action: "Read the errors of the failing route; roll back if they began with a release; serve stale \
                 responses if the origin is down.",
    },
    AlertRule {
        signal: Signal::Memory,
        name: "memory",
        description: "the share of memory in use",
        bounds: AlertBounds::Numeric(NumericBounds {
            unit: "%",
            bad_side: BadSide::Above,
            target: 70.0,
            warning: 70.0,
            critical: Some(80.0),
            clears_at: 65.0,
            min_events: 1,
        }),
        rise: 2,
        fall: 2,
        action: "Check the queue depths and the number of series; add shards before the isolate exceeds its \
                 memory limit and restarts.",
    },
    AlertRule {
        signal: Signal::MissingBeacons,
        name: "silence",
        description: "the number of views expected since the last beacon",
        bounds: AlertBounds::Numeric(NumericBounds {
            unit: "views",
            bad_side: BadSide::Above,
            target: 3.0,
            warning: 16.0,
            critical: Some(36.0),
            clears_at: 1.0,
            min_events: 1,
        }),
        rise: 1,
        fall: 1,
        action: "Open a page and check that its beacon is sent and acknowledged. Possible causes: a content \
                 security policy, a release without the client, the Worker's route, or the \
                 site is down.",
    },
    AlertRule {
        signal: Signal::Backlog,
        name: "push-backlog",
        description: "the number of closed windows that the backend has not received",
        bounds: AlertBounds::Numeric(NumericBounds {
            unit: "windows",
            bad_side: BadSide::Above,
            target: 2.0,
            warning: 6.0,
            critical: Some(120.0),
            clears_at: 2.0,
            min_events: 1,
        }),
        rise: 1,
        fall: 1,
        action: "Read the push error of the backend: start it, correct its address or key, or retry its dead \
                 letters. No data is lost in the meantime.",
    },
    AlertRule {
        signal: Signal::Anomaly,
        name: "anomaly",
        description: "the deviation of a series from its usual value at this hour",
        bounds: AlertBounds::Numeric(NumericBounds {
            unit: "deviations",
            bad_side: BadSide::Above,
            target: 3.0,
            warning: 5.5,
            critical: None,
            clears_at: 3.0,
            min_events: 20,
        }),
        rise: 1,
        fall: 18,
        action: "Find out what changed at that time: a release, a campaign, a crawler, a provider. It may be \
                 harmless.",
    },
    AlertRule {
        signal: Signal::Origin,
        name: "origin",
        description: "the share of requests to the origin that fail",
        bounds: AlertBounds::Numeric(ORIGIN_BOUNDS),
        rise: 3,
        fall: 2,
        action: "Visitors without a cached page get errors: check that the origin runs and that its address, \
                 certificate and firewall let the edge in; roll back its last release.",
    },
    AlertRule {
        signal: Signal::Uptime,
        name: "uptime",
        description: "the share of responses without a server error over 30 days",
        bounds: AlertBounds::Numeric(UPTIME_BOUNDS),
        rise: 1,
        fall: 1,
        action: "More errors than the objective allows: put reliability before features until the budget has \
                 recovered, and begin with the route and the origin that fail most.",
    },
];

impl Signal {
    /// Returns the rule of the signal.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "the table has a row for every signal, in their order")]
    pub const fn rule(self) -> &'static AlertRule {
        const ROWS: &[AlertRule; 13] = &ALERT_RULES;
        &ROWS[self as usize]
    }

    /// The name in stored and sent documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.rule().name
    }

    /// Returns true for what follows from an origin that is down: it needs no notification of its own then.
    #[must_use]
    pub const fn follows_from_origin(self) -> bool {
        match self {
            Self::ResponseTime
            | Self::HitRatio
            | Self::QueryTime
            | Self::ErrorRate
            | Self::MissingBeacons
            | Self::Anomaly => true,
            // Budgets are judged by visits that got a page; memory and push do not depend on the origin.
            Self::Verdict
            | Self::Evidence
            | Self::Burn
            | Self::Memory
            | Self::Backlog
            | Self::Origin
            // Its notification is of a month.
            | Self::Uptime => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_has_a_rule_with_an_action() {
        for (index, rule) in ALERT_RULES.iter().enumerate() {
            assert_eq!(rule.signal as usize, index);
            assert_eq!(rule.signal.rule(), rule);
            assert_eq!(serde_json::to_value(rule.signal).unwrap(), rule.name);
            assert!(rule.rise > 0 && rule.fall > 0 && rule.action.ends_with('.'), "{}", rule.name);
        }
    }

    #[test]
    fn every_numeric_rule_has_hysteresis() {
        for rule in ALERT_RULES {
            let AlertBounds::Numeric(number) = rule.bounds else { continue };
            let in_order = [number.critical.unwrap_or(number.warning), number.warning, number.clears_at];
            assert!(in_order.is_sorted_by(|a, b| !number.is_beyond(*b, *a)), "{}", rule.name);
            assert!(number.is_beyond(number.warning, number.clears_at), "{}: no hysteresis", rule.name);
            assert!(number.level(number.clears_at).is_none());
        }
    }

    #[test]
    fn the_limits_are_the_documented_ones() {
        let limits = |signal: Signal| match signal.rule().bounds {
            AlertBounds::Numeric(NumericBounds { target, warning, critical, .. }) => {
                (target, warning, critical)
            }
            AlertBounds::BudgetRule { .. } => unreachable!(),
        };
        assert_eq!(limits(Signal::ResponseTime), (500.0, 500.0, Some(1000.0)));
        assert_eq!(limits(Signal::HitRatio), (75.0, 70.0, None));
        assert_eq!(limits(Signal::QueryTime), (250.0, 250.0, Some(500.0)));
        assert_eq!(limits(Signal::ErrorRate), (0.1, 0.1, Some(0.5)));
        assert_eq!(limits(Signal::Memory), (70.0, 70.0, Some(80.0)));
    }

    #[test]
    fn values_are_rounded_for_display() {
        let AlertBounds::Numeric(percent) = Signal::ErrorRate.rule().bounds else { unreachable!() };
        for (value, expect) in
            [(0.1, "0.10 %"), (12.34, "12.3 %"), (100.0, "100 %"), (734.6, "735 %"), (2.0, "2 %")]
        {
            assert_eq!(percent.format_value(value), expect);
        }
        assert_eq!(
            Signal::HitRatio.rule().bounds.describe(),
            [Some("at least 75 %".into()), Some("under 70 %".into()), None]
        );
    }
}
