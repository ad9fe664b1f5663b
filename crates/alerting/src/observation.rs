//! One observation of a signal, its assessment against the rule, and its message.

use budget::{AlarmState, BudgetTally, BurnAlert, BurnWindows, Verdict};
use report::origin_evidence::{OriginEvidence, OriginState};
use report::signals::{AlertBounds, AlertLevel, Signal};
use wire::Device;

use crate::subject::AlertSubject;

/// The time to which growing memory is extrapolated, in hours.
pub(crate) const FORECAST_HOURS: f64 = 6.0;

/// One observation of one subject.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertObservation {
    /// The route; `None` for the whole site.
    pub route: Option<String>,
    /// The device class; `None` for all devices.
    pub device: Option<Device>,
    /// The metric, query, backend, hourly series or origin, if the signal has several.
    pub series: Option<String>,
    /// The observed value.
    pub reading: SignalReading,
}

/// The observed value of a signal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SignalReading {
    /// The verdict in the window that the dashboard shows.
    Verdict(Verdict),
    /// The visits since the release, or since this alert last cleared, with the verdict of the window.
    Evidence {
        /// The visits since then.
        since: BudgetTally,
        /// The verdict of the window.
        verdict: Verdict,
        /// The budget's percentile.
        percentile: u8,
    },
    /// The burn rates of the last half hour, six hours and three days.
    Burn {
        /// The visits in each window.
        windows: BurnWindows,
        /// The budget's percentile.
        percentile: u8,
    },
    /// The 95th percentile of response times, in milliseconds.
    ResponseTime(SampledValue),
    /// The share of cache lookups that were hits, in percent.
    HitRatio(SampledValue),
    /// The 95th percentile of query times, in milliseconds.
    QueryTime(SampledValue),
    /// The responses and the errors among them.
    ErrorRate {
        /// All responses.
        answers: u64,
        /// The responses with a server error.
        errors: u64,
    },
    /// The share of memory in use.
    Memory {
        /// In percent, now.
        percent: f64,
        /// In percent, some hours later, if it grows steadily.
        forecast: Option<f64>,
    },
    /// The number of views expected since the last beacon.
    MissingBeacons(f64),
    /// The number of closed windows that the backend has not received.
    Backlog(u64),
    /// The deviation of a series from its usual value, in standard deviations.
    Anomaly(SampledValue),
    /// The latest requests to an origin, and its health check.
    Origin(OriginEvidence),
    /// The share of responses without a server error over thirty days, in percent.
    Uptime(SampledValue),
}

/// A value and the number of events that it is computed from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampledValue {
    /// The number of events.
    pub n: u64,
    /// The value.
    pub value: f64,
    /// The end of its 95 % confidence interval on the good side: what the events prove.
    pub proven: f64,
}

impl SampledValue {
    /// A value without an interval.
    #[must_use]
    pub const fn new(n: u64, value: f64) -> Self {
        Self { n, value, proven: value }
    }
}

/// The assessment of one observation by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Assessment {
    Good,
    Bad(AlertLevel),
    /// Too few events, or a value between the limits: the alert keeps its state.
    Unclear,
}

impl AlertObservation {
    /// An observation of the whole site.
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

    /// Describes the observation in a sentence without a full stop.
    pub(crate) fn message(&self) -> String {
        format!("{}: {}", self.subject().display_name(), self.reading.message())
    }
}

impl SignalReading {
    /// The observed signal.
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
            Self::Memory { .. } => Signal::Memory,
            Self::MissingBeacons(_) => Signal::MissingBeacons,
            Self::Backlog(_) => Signal::Backlog,
            Self::Anomaly(_) => Signal::Anomaly,
            Self::Origin(_) => Signal::Origin,
            Self::Uptime(_) => Signal::Uptime,
        }
    }

    /// Returns the size of an anomaly; 0 for other signals.
    pub(crate) const fn deviations(&self) -> f64 {
        match self {
            Self::Anomaly(SampledValue { value, .. }) => value.abs(),
            _ => 0.0,
        }
    }

    pub(crate) fn assess(&self, previous: Option<AlertLevel>) -> Assessment {
        match *self {
            Self::Verdict(Verdict::Met) => Assessment::Good,
            Self::Verdict(Verdict::Violated) => Assessment::Bad(AlertLevel::Warning),
            Self::Verdict(_) => Assessment::Unclear,
            // Evidence since an old release does not outweigh a budget that is met now.
            Self::Evidence { verdict: Verdict::Met, .. } => Assessment::Good,
            Self::Evidence { since, verdict, percentile } => {
                let alarm = if previous.is_some() { AlarmState::Raised } else { AlarmState::Quiet };
                match alarm.advance(since, verdict, percentile) {
                    AlarmState::Raised => Assessment::Bad(AlertLevel::Warning),
                    // Lack of evidence is not proof that the budget is met.
                    AlarmState::Quiet => Assessment::Unclear,
                }
            }
            Self::Burn { windows, percentile } => match windows.alert(percentile) {
                Some(BurnAlert::Page) => Assessment::Bad(AlertLevel::Critical),
                Some(BurnAlert::Ticket) => Assessment::Bad(AlertLevel::Warning),
                // Too few visits for a burn rate.
                None if windows.six_hours.n() < MIN_BURN_VISITS => Assessment::Unclear,
                // A budget that still burns too fast has not recovered.
                None if windows.six_hours.burn_rate(percentile) > 1.0 => Assessment::Unclear,
                None => Assessment::Good,
            },
            // A leak is a warning as long as there is time to act.
            Self::Memory { forecast: Some(later), .. } => {
                match self.decisive_value().map(|measured| self.assess_value(measured)) {
                    Some(Assessment::Bad(level)) => Assessment::Bad(level),
                    _ if is_critical_memory(later) => Assessment::Bad(AlertLevel::Warning),
                    assessment => assessment.unwrap_or(Assessment::Unclear),
                }
            }
            Self::Origin(evidence) => match evidence.state() {
                OriginState::Failing(level) => Assessment::Bad(level),
                OriginState::Up => Assessment::Good,
                OriginState::Unclear | OriginState::Insufficient => Assessment::Unclear,
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

    fn assess_value(&self, SampledValue { n, value, proven }: SampledValue) -> Assessment {
        let AlertBounds::Numeric(number) = self.signal().rule().bounds else { return Assessment::Unclear };
        if n < number.min_events || !value.is_finite() {
            return Assessment::Unclear;
        }
        match number.level(proven) {
            Some(level) => Assessment::Bad(level),
            None if number.is_beyond(value, number.clears_at) => Assessment::Unclear,
            None => Assessment::Good,
        }
    }

    /// The value that is compared with numeric bounds.
    fn decisive_value(&self) -> Option<SampledValue> {
        Some(match *self {
            Self::ResponseTime(measured)
            | Self::HitRatio(measured)
            | Self::QueryTime(measured)
            | Self::Uptime(measured) => measured,
            Self::ErrorRate { answers, errors } => {
                SampledValue::new(answers, 100.0 * errors as f64 / answers.max(1) as f64)
            }
            // Deviations below count as much as deviations above.
            Self::Anomaly(SampledValue { n, value, .. }) => SampledValue::new(n, value.abs()),
            Self::Memory { percent: value, .. } | Self::MissingBeacons(value) => SampledValue::new(1, value),
            Self::Backlog(windows) => SampledValue::new(1, windows as f64),
            Self::Verdict(_) | Self::Evidence { .. } | Self::Burn { .. } | Self::Origin(_) => return None,
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
            Self::Origin(evidence) => evidence.message(),
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
                    Self::Memory { forecast: Some(later), .. } if is_critical_memory(later) => format!(
                        "{} is {}; at its growth it is {} in {FORECAST_HOURS:.0} hours",
                        self.signal().rule().description,
                        number.format_value(value),
                        number.format_value(later.min(100.0))
                    ),
                    Self::Backlog(_) => format!("the backend is {} behind", number.format_value(value)),
                    _ => format!("{} is {}", self.signal().rule().description, number.format_value(value)),
                }
            }
        }
    }
}

fn is_critical_memory(percent: f64) -> bool {
    let AlertBounds::Numeric(number) = Signal::Memory.rule().bounds else { return false };
    number.level(percent) == Some(AlertLevel::Critical)
}

/// Limits the level to what the number of errors proves. Two errors in 1000 responses exceed a limit of one
/// in 1000, but may be chance. The square root of a Poisson count has a standard deviation of about ½
/// (Anscombe's transform), so 2.33 deviations leave one false result in a hundred.
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
/// The same minimum as for a burn rate.
const MIN_BURN_VISITS: u64 = 100;
