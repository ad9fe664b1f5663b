//! The limits of a signal, and the levels of alerts that they separate. The limits themselves are in `signals`.

use serde::{Deserialize, Serialize};

/// The urgency of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum AlertLevel {
    /// Look at it on the next working day.
    Warning,
    /// Look at it now.
    Critical,
}

/// The target and limits of a signal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AlertBounds {
    /// Numeric limits.
    Numeric(NumericBounds),
    /// The rules of `budget` decide; these are their descriptions.
    BudgetRule {
        /// The target.
        target: &'static str,
        /// The warning condition.
        warning: &'static str,
        /// The critical condition, if there is one.
        critical: Option<&'static str>,
    },
}

/// Numeric limits of a signal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NumericBounds {
    /// The unit.
    pub unit: &'static str,
    /// The direction of worse values.
    pub bad_side: BadSide,
    /// The target.
    pub target: f64,
    /// The warning limit.
    pub warning: f64,
    /// The critical limit, if there is one.
    pub critical: Option<f64>,
    /// The limit for clearing. Between it and the warning limit, an alert keeps its state.
    pub clears_at: f64,
    /// The minimum number of events of an observation.
    pub min_events: u64,
}

/// The direction of worse values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadSide {
    /// Greater values are worse.
    Above,
    /// Smaller values are worse.
    Below,
}

impl AlertLevel {
    /// The name in stored and sent documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl NumericBounds {
    /// Returns `true` if the value is worse than the limit.
    #[must_use]
    pub const fn is_beyond(&self, value: f64, limit: f64) -> bool {
        match self.bad_side {
            BadSide::Above => value > limit,
            BadSide::Below => value < limit,
        }
    }

    /// Returns the level of the value, if it is beyond a limit.
    #[must_use]
    pub fn level(&self, value: f64) -> Option<AlertLevel> {
        match self.critical {
            Some(critical) if self.is_beyond(value, critical) => Some(AlertLevel::Critical),
            _ => self.is_beyond(value, self.warning).then_some(AlertLevel::Warning),
        }
    }

    /// Formats a value with its unit.
    #[must_use]
    pub fn format_value(&self, value: f64) -> String {
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

impl AlertBounds {
    /// Describes the target, the warning limit and the critical limit.
    #[must_use]
    pub fn describe(&self) -> [Option<String>; 3] {
        match self {
            Self::BudgetRule { target, warning, critical } => {
                [Some((*target).into()), Some((*warning).into()), critical.map(Into::into)]
            }
            Self::Numeric(number) => {
                let (within, broken) = match number.bad_side {
                    BadSide::Above => ("at most", "over"),
                    BadSide::Below => ("at least", "under"),
                };
                let beyond = |limit| format!("{broken} {}", number.format_value(limit));
                [
                    Some(format!("{within} {}", number.format_value(number.target))),
                    Some(beyond(number.warning)),
                    number.critical.map(beyond),
                ]
            }
        }
    }
}
