//! The table of targets and alerts: every number that somebody is woken for, with what to do about it.
//! Its only home. How readings become alerts is in `alert`; what a verdict, an e-value and a burn
//! rate are, and their numbers, is the budget's.

use serde::{Deserialize, Serialize};

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    /// The verdict on a budgeted cell.
    Verdict,
    /// The evidence against a budget since the release.
    Evidence,
    /// How fast a budget is used up.
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
    /// How many views should have been heard of since the last one.
    Silence,
    /// How many windows the backend is behind.
    #[serde(rename = "push-backlog")]
    Backlog,
    /// How far a series is from what is usual at this hour.
    Anomaly,
}

/// How much an alert asks of people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Look at it on the next working day.
    Warning,
    /// Look at it now.
    Critical,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// What is watched.
    pub signal: Signal,
    /// Its name in every document.
    pub name: &'static str,
    /// What it is, for people.
    pub what: &'static str,
    /// Where it is good, and where it is not.
    pub bounds: Bounds,
    /// So many looks in a row must be bad before an alert is raised.
    pub rise: u32,
    /// So many in a row must be good before it clears.
    pub fall: u32,
    /// What to do.
    pub action: &'static str,
}

/// Where good ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bounds {
    /// A number decides.
    Number(Number),
    /// The budget's rules decide; this is how people read of them.
    Rule {
        /// What is wanted.
        target: &'static str,
        /// What warns.
        warning: &'static str,
        /// What is critical, if anything.
        critical: Option<&'static str>,
    },
}

/// A number with its limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number {
    /// In which unit.
    pub unit: &'static str,
    /// Which side is bad.
    pub bad: Side,
    /// What is wanted.
    pub target: f64,
    /// Beyond this it warns.
    pub warning: f64,
    /// Beyond this it is critical.
    pub critical: Option<f64>,
    /// Only up to here is it good again: between this and the warning, an alert stays as it is.
    pub clears: f64,
    /// A reading of fewer events says nothing.
    pub least: u64,
}

/// A side of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Greater is worse.
    Above,
    /// Less is worse.
    Below,
}

/// Every target and alert that there is.
pub const TABLE: [Target; 11] = [
    Target {
        signal: Signal::Verdict,
        name: "verdict",
        what: "the budget of a page on a class of devices",
        bounds: Bounds::Rule { target: "met", warning: "violated, until it is met again", critical: None },
        rise: 2,
        fall: 1,
        action: "Open the route on the dashboard, compare the releases, and look at what its slowest part is; \
                 correct the page, or the budget if it was never right.",
    },
    Target {
        signal: Signal::Evidence,
        name: "evidence",
        what: "the evidence against a budget since the release",
        bounds: Bounds::Rule {
            target: "an e-value under 20",
            warning: "an e-value of 20 or more, until the budget is met again",
            critical: None,
        },
        rise: 1,
        fall: 1,
        action: "This release breaks the budget, beyond chance: find what it changed on this route, and correct \
                 it or roll back.",
    },
    Target {
        signal: Signal::Burn,
        name: "burn-rate",
        what: "how fast a budget is used up",
        bounds: Bounds::Rule {
            target: "at most 1",
            warning: "1.2 over 3 days and 6 hours",
            critical: Some("2 over 6 hours and 30 minutes"),
        },
        rise: 1,
        fall: 2,
        action: "Visitors feel it now: look for a deployment, a purge or an origin that slowed within the last \
                 hours, and undo it.",
    },
    Target {
        signal: Signal::ResponseTime,
        name: "response-time",
        what: "the 95th percentile of the time that answers take",
        bounds: Bounds::Number(Number {
            unit: "ms",
            bad: Side::Above,
            target: 500.0,
            warning: 500.0,
            critical: Some(1000.0),
            clears: 450.0,
            least: 100,
        }),
        rise: 2,
        fall: 2,
        action: "See which routes are slow, and whether hits or misses are: if misses, look at the origin and its \
                 queries; if hits, at the edge.",
    },
    Target {
        signal: Signal::HitRatio,
        name: "hit-ratio",
        what: "the share of requests that the cache answers",
        bounds: Bounds::Number(Number {
            unit: "%",
            bad: Side::Below,
            target: 75.0,
            warning: 70.0,
            critical: None,
            clears: 73.0,
            least: 200,
        }),
        rise: 3,
        fall: 2,
        action: "Look at the misses by reason: after a purge wait or warm; otherwise find the route whose headers \
                 or query parameters keep it out of the cache.",
    },
    Target {
        signal: Signal::QueryTime,
        name: "query-time",
        what: "the 95th percentile of the time that queries take",
        bounds: Bounds::Number(Number {
            unit: "ms",
            bad: Side::Above,
            target: 250.0,
            warning: 250.0,
            critical: Some(500.0),
            clears: 225.0,
            least: 50,
        }),
        rise: 2,
        fall: 2,
        action: "Explain the slowest query, look for a missing index, a lock or a table that grew, and cache its \
                 route for longer meanwhile.",
    },
    Target {
        signal: Signal::ErrorRate,
        name: "error-rate",
        what: "the share of answers that are errors",
        bounds: Bounds::Number(Number {
            unit: "%",
            bad: Side::Above,
            target: 0.1,
            warning: 0.1,
            critical: Some(0.5),
            clears: 0.08,
            least: 1000,
        }),
        rise: 2,
        fall: 2,
        action: "Read the errors of the failing route; roll back if they began with a release; serve stale if the \
                 origin is down.",
    },
    Target {
        signal: Signal::Memory,
        name: "memory",
        what: "the share of its memory that the Worker uses",
        bounds: Bounds::Number(Number {
            unit: "%",
            bad: Side::Above,
            target: 70.0,
            warning: 70.0,
            critical: Some(80.0),
            clears: 65.0,
            least: 1,
        }),
        rise: 2,
        fall: 2,
        action: "Look at the queue depths and the number of series; add shards before the isolate is restarted \
                 for it.",
    },
    Target {
        signal: Signal::Silence,
        name: "silence",
        what: "the views that should have been heard of since the last one",
        bounds: Bounds::Number(Number {
            unit: "views",
            bad: Side::Above,
            target: 3.0,
            warning: 12.0,
            critical: Some(36.0),
            clears: 1.0,
            least: 1,
        }),
        rise: 1,
        fall: 1,
        action: "Open a page and look whether its beacon is sent and acknowledged: a content security policy, a \
                 release without the client, the route of the Worker or the site itself may be down.",
    },
    Target {
        signal: Signal::Backlog,
        name: "push-backlog",
        what: "the closed windows that the backend has not got",
        bounds: Bounds::Number(Number {
            unit: "windows",
            bad: Side::Above,
            target: 2.0,
            warning: 15.0,
            critical: Some(120.0),
            clears: 2.0,
            least: 1,
        }),
        rise: 1,
        fall: 1,
        action: "Read what the push says of the backend: start it, correct its address or key, or ask again for \
                 the documents that were put aside. Nothing is lost meanwhile.",
    },
    Target {
        signal: Signal::Anomaly,
        name: "anomaly",
        what: "how far a series is from what is usual at this hour",
        bounds: Bounds::Number(Number {
            unit: "deviations",
            bad: Side::Above,
            target: 3.0,
            warning: 5.0,
            critical: None,
            clears: 3.0,
            least: 30,
        }),
        rise: 3,
        fall: 3,
        action: "See what changed at that time: a release, a campaign, a crawler, a provider. It may be nothing.",
    },
];

impl Signal {
    /// Its row.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "the table has a row for every signal, in their order")]
    pub const fn target(self) -> &'static Target {
        const ROWS: &[Target; 11] = &TABLE;
        &ROWS[self as usize]
    }

    /// The name in every document.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.target().name
    }
}

impl Level {
    /// The name in every document.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl Number {
    /// Whether the value is beyond a limit.
    #[must_use]
    pub const fn is_beyond(&self, value: f64, limit: f64) -> bool {
        match self.bad {
            Side::Above => value > limit,
            Side::Below => value < limit,
        }
    }

    /// The level that the value has by itself.
    #[must_use]
    pub fn level(&self, value: f64) -> Option<Level> {
        match self.critical {
            Some(critical) if self.is_beyond(value, critical) => Some(Level::Critical),
            _ => self.is_beyond(value, self.warning).then_some(Level::Warning),
        }
    }

    /// A value as people read it.
    #[must_use]
    pub fn told(&self, value: f64) -> String {
        let digits = if value.fract() == 0.0 || value.abs() >= 100.0 {
            0
        } else {
            2 - usize::from(value.abs() >= 10.0)
        };
        match self.unit {
            "%" => format!("{value:.digits$} %"),
            unit => format!("{value:.digits$} {unit}"),
        }
    }
}

impl Bounds {
    /// What is wanted, what warns and what is critical, as people read it.
    #[must_use]
    pub fn told(&self) -> [Option<String>; 3] {
        match self {
            Self::Rule { target, warning, critical } => {
                [Some((*target).into()), Some((*warning).into()), critical.map(Into::into)]
            }
            Self::Number(number) => {
                let (kept, broken) = match number.bad {
                    Side::Above => ("at most", "over"),
                    Side::Below => ("at least", "under"),
                };
                let beyond = |limit| format!("{broken} {}", number.told(limit));
                [
                    Some(format!("{kept} {}", number.told(number.target))),
                    Some(beyond(number.warning)),
                    number.critical.map(beyond),
                ]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_has_its_row_and_an_action() {
        for (index, target) in TABLE.iter().enumerate() {
            assert_eq!(target.signal as usize, index);
            assert_eq!(target.signal.target(), target);
            assert_eq!(serde_json::to_value(target.signal).unwrap(), target.name);
            assert!(target.rise > 0 && target.fall > 0 && target.action.ends_with('.'), "{}", target.name);
        }
    }

    #[test]
    fn an_alert_clears_only_on_the_good_side_of_what_raised_it() {
        for target in TABLE {
            let Bounds::Number(number) = target.bounds else { continue };
            let in_order = [number.critical.unwrap_or(number.warning), number.warning, number.clears];
            assert!(in_order.is_sorted_by(|a, b| !number.is_beyond(*b, *a)), "{}", target.name);
            assert!(number.is_beyond(number.warning, number.clears), "{}: no hysteresis", target.name);
            assert!(number.level(number.clears).is_none());
        }
    }

    #[test]
    fn the_limits_are_the_ones_that_were_promised() {
        let limits = |signal: Signal| match signal.target().bounds {
            Bounds::Number(Number { target, warning, critical, .. }) => (target, warning, critical),
            Bounds::Rule { .. } => unreachable!(),
        };
        assert_eq!(limits(Signal::ResponseTime), (500.0, 500.0, Some(1000.0)));
        assert_eq!(limits(Signal::HitRatio), (75.0, 70.0, None));
        assert_eq!(limits(Signal::QueryTime), (250.0, 250.0, Some(500.0)));
        assert_eq!(limits(Signal::ErrorRate), (0.1, 0.1, Some(0.5)));
        assert_eq!(limits(Signal::Memory), (70.0, 70.0, Some(80.0)));
    }

    #[test]
    fn people_read_round_numbers() {
        let Bounds::Number(percent) = Signal::ErrorRate.target().bounds else { unreachable!() };
        for (value, expect) in
            [(0.1, "0.10 %"), (12.34, "12.3 %"), (100.0, "100 %"), (734.6, "735 %"), (2.0, "2 %")]
        {
            assert_eq!(percent.told(value), expect);
        }
        assert_eq!(
            Signal::HitRatio.target().bounds.told(),
            [Some("at least 75 %".into()), Some("under 70 %".into()), None]
        );
    }
}
