//! One reading of one signal: what it says by itself, and how people read of it.

use budget::{AlarmState, BudgetTally, BurnAlert, BurnWindows, Verdict};
use report::signals::{AlertBounds, AlertLevel, Signal};
use wire::Device;

use crate::subject::AlertSubject;

/// One reading of one subject.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertObservation {
    /// The route, where it is of one.
    pub route: Option<String>,
    /// The class of devices, where it is of one.
    pub device: Option<Device>,
    /// The metric, query or backend, where it is of one.
    pub series: Option<String>,
    /// What was read.
    pub reading: SignalReading,
}

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SignalReading {
    /// The verdict of the window that people see.
    Verdict(Verdict),
    /// Every visit since the release, or since this alert last cleared, and the verdict of the window.
    Evidence {
        /// The visits.
        since: BudgetTally,
        /// The verdict.
        verdict: Verdict,
        /// The budget's percentile.
        percentile: u8,
    },
    /// The visits of the last half hour, six hours and three days.
    Burn {
        /// The visits.
        windows: BurnWindows,
        /// The budget's percentile.
        percentile: u8,
    },
    /// Milliseconds of the 95th percentile of so many answers.
    ResponseTime(SampledValue),
    /// The share of so many requests that the cache answered, in percent.
    HitRatio(SampledValue),
    /// Milliseconds of the 95th percentile of so many queries.
    QueryTime(SampledValue),
    /// Answers, and those of them that were errors.
    ErrorRate {
        /// All of them.
        answers: u64,
        /// The errors.
        errors: u64,
    },
    /// The share of its memory that is used, in percent.
    Memory(f64),
    /// How many views should have been heard of since the last one.
    MissingBeacons(f64),
    /// Closed windows that the backend has not got.
    Backlog(u64),
    /// How many deviations a series of so many events is from what is usual.
    Anomaly(SampledValue),
}

/// A number, and of how many events it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampledValue {
    /// So many.
    pub n: u64,
    /// The number.
    pub value: f64,
}

/// What one reading says by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Assessment {
    Good,
    Bad(AlertLevel),
    /// Too little was seen, or it is neither: whatever was, stays.
    Unclear,
}

impl AlertObservation {
    /// A reading of the site as a whole.
    #[must_use]
    pub const fn for_site(reading: SignalReading) -> Self {
        Self { route: None, device: None, series: None, reading }
    }

    pub(crate) fn subject(&self) -> AlertSubject {
        AlertSubject {
            signal: self.reading.signal(),
            route: self.route.clone(),
            device: self.device,
            series: self.series.clone(),
        }
    }

    /// What was read, in a sentence.
    pub(crate) fn message(&self) -> String {
        format!("{}: {}", self.subject().display_name(), self.reading.message())
    }
}

impl SignalReading {
    /// What it is a reading of.
    #[must_use]
    pub const fn signal(&self) -> Signal {
        match self {
            Self::Verdict(_) => Signal::Verdict,
            Self::Evidence { .. } => Signal::Evidence,
            Self::Burn { .. } => Signal::Burn,
            Self::ResponseTime(_) => Signal::ResponseTime,
            Self::HitRatio(_) => Signal::HitRatio,
            Self::QueryTime(_) => Signal::QueryTime,
            Self::ErrorRate { .. } => Signal::ErrorRate,
            Self::Memory(_) => Signal::Memory,
            Self::MissingBeacons(_) => Signal::MissingBeacons,
            Self::Backlog(_) => Signal::Backlog,
            Self::Anomaly(_) => Signal::Anomaly,
        }
    }

    pub(crate) fn assess(&self, previous: Option<AlertLevel>) -> Assessment {
        match *self {
            Self::Verdict(Verdict::Met) => Assessment::Good,
            Self::Verdict(Verdict::Violated) => Assessment::Bad(AlertLevel::Warning),
            Self::Verdict(_) => Assessment::Unclear,
            // Evidence since a release long ago does not speak against a page that people see kept.
            Self::Evidence { verdict: Verdict::Met, .. } => Assessment::Good,
            Self::Evidence { since, verdict, percentile } => {
                let alarm = if previous.is_some() { AlarmState::Raised } else { AlarmState::Quiet };
                match alarm.advance(since, verdict, percentile) {
                    AlarmState::Raised => Assessment::Bad(AlertLevel::Warning),
                    // Nothing convinces, which is not the same as all being well.
                    AlarmState::Quiet => Assessment::Unclear,
                }
            }
            Self::Burn { windows, percentile } => match windows.alert(percentile) {
                Some(BurnAlert::Page) => Assessment::Bad(AlertLevel::Critical),
                Some(BurnAlert::Ticket) => Assessment::Bad(AlertLevel::Warning),
                // Too few visits burn nothing, and prove nothing.
                None if windows.six_hours.n() < MIN_BURN_VISITS => Assessment::Unclear,
                // What still spends more than it may is not over.
                None if windows.six_hours.burn_rate(percentile) > 1.0 => Assessment::Unclear,
                None => Assessment::Good,
            },
            Self::ErrorRate { answers, errors } => {
                match self.decisive_value().map(|measured| self.assess_value(measured)) {
                    Some(Assessment::Bad(level)) => assess_error_rate(level, answers, errors),
                    assessment => assessment.unwrap_or(Assessment::Unclear),
                }
            }
            _ => self.decisive_value().map_or(Assessment::Unclear, |measured| self.assess_value(measured)),
        }
    }

    fn assess_value(&self, SampledValue { n, value }: SampledValue) -> Assessment {
        let AlertBounds::Numeric(number) = self.signal().rule().bounds else { return Assessment::Unclear };
        if n < number.min_events || !value.is_finite() {
            return Assessment::Unclear;
        }
        match number.level(value) {
            Some(level) => Assessment::Bad(level),
            None if number.is_beyond(value, number.clears_at) => Assessment::Unclear,
            None => Assessment::Good,
        }
    }

    /// The number that decides, where one does.
    fn decisive_value(&self) -> Option<SampledValue> {
        Some(match *self {
            Self::ResponseTime(measured) | Self::HitRatio(measured) | Self::QueryTime(measured) => measured,
            Self::ErrorRate { answers, errors } => {
                SampledValue { n: answers, value: 100.0 * errors as f64 / answers.max(1) as f64 }
            }
            // Far below what is usual is as odd as far above.
            Self::Anomaly(SampledValue { n, value }) => SampledValue { n, value: value.abs() },
            Self::Memory(value) | Self::MissingBeacons(value) => SampledValue { n: 1, value },
            Self::Backlog(windows) => SampledValue { n: 1, value: windows as f64 },
            Self::Verdict(_) | Self::Evidence { .. } | Self::Burn { .. } => return None,
        })
    }

    pub(crate) fn message(&self) -> String {
        match *self {
            Self::Verdict(verdict) => format!("the budget is {}", verdict.name()),
            Self::Evidence { since, percentile, .. } => {
                let evidence = since.e_value(percentile).min(1e6);
                format!(
                    "{} of {} visits since the release were over budget (e-value {evidence:.1})",
                    since.over,
                    since.n()
                )
            }
            Self::Burn { windows, percentile } => {
                let rate = |tally: BudgetTally| tally.burn_rate(percentile);
                format!(
                    "the budget's burn rate is {:.2} over 30 minutes, {:.2} over 6 hours and {:.2} over 3 days",
                    rate(windows.half_hour),
                    rate(windows.six_hours),
                    rate(windows.three_days)
                )
            }
            _ => {
                let AlertBounds::Numeric(number) = self.signal().rule().bounds else { return String::new() };
                let value = self.decisive_value().map_or(0.0, |measured| measured.value);
                match *self {
                    Self::Anomaly(SampledValue { value, .. }) if value < 0.0 => {
                        format!("{} below the usual value at this hour", number.format_value(-value))
                    }
                    Self::Anomaly(_) => {
                        format!("{} above the usual value at this hour", number.format_value(value))
                    }
                    Self::MissingBeacons(_) if value < 1.0 => "beacons are arriving".into(),
                    Self::MissingBeacons(_) => {
                        format!(
                            "no beacon received while {} were expected",
                            number.format_value(value.round())
                        )
                    }
                    Self::Backlog(_) => format!("the backend is {} behind", number.format_value(value)),
                    _ => format!("{} is {}", self.signal().rule().description, number.format_value(value)),
                }
            }
        }
    }
}

/// How bad so many errors certainly are. Two errors in a thousand answers are over one in a thousand,
/// and may be chance: the root of a count wavers by a half whatever its mean (Anscombe), so 2.33
/// deviations leave one look in a hundred.
fn assess_error_rate(level: AlertLevel, answers: u64, errors: u64) -> Assessment {
    let AlertBounds::Numeric(number) = Signal::ErrorRate.rule().bounds else { return Assessment::Unclear };
    let is_certain = |percent: f64| {
        let allowed = answers as f64 * percent / 100.0;
        2.0 * ((errors as f64).sqrt() - allowed.sqrt()) > SIGNIFICANT_DEVIATIONS
    };
    match number.critical {
        Some(critical) if level == AlertLevel::Critical && is_certain(critical) => {
            Assessment::Bad(AlertLevel::Critical)
        }
        _ if is_certain(number.warning) => Assessment::Bad(AlertLevel::Warning),
        _ => Assessment::Unclear,
    }
}

const SIGNIFICANT_DEVIATIONS: f64 = 2.33;
/// As for a burn rate.
const MIN_BURN_VISITS: u64 = 100;
