//! One subscription to one metric: its value, the last reported value, and when a report is due. The
//! value comes from a measured duration, from the session windows or from the interactions.

use wire::{Metric, Rating};

use crate::cls::SessionWindow;
use crate::inp::LongestInteractions;

/// The occasion of a report, with its number in calls from JavaScript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ReportTrigger {
    /// The value may have changed.
    Change = 0,
    /// The page is being hidden, possibly for good.
    Hide = 1,
    /// The value is final. Only the first of these has an effect.
    Final = 2,
}

impl ReportTrigger {
    /// Every trigger, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Change, Self::Hide, Self::Final];

    /// Returns the trigger with this number.
    #[inline(always)]
    #[must_use]
    pub const fn from_code(code: u32) -> Self {
        match code {
            0 => Self::Change,
            1 => Self::Hide,
            _ => Self::Final,
        }
    }
}

/// A subscription.
#[derive(Debug)]
#[repr(C)]
pub struct Subscription {
    metric: Metric,
    report_all_changes: bool,
    has_value: bool,
    has_reported: bool,
    is_final: bool,
    value: f64,
    /// The last reported value; 0 before the first report.
    last_reported: f64,
    /// The session window of this instance, for CLS.
    pub session_window: SessionWindow,
    /// The interactions of this instance, for INP.
    pub interactions: LongestInteractions,
}

impl Subscription {
    pub(crate) const VACANT: Self = Self {
        metric: Metric::Fcp,
        report_all_changes: false,
        has_value: false,
        has_reported: false,
        is_final: false,
        value: 0.0,
        last_reported: 0.0,
        session_window: SessionWindow::NONE,
        interactions: LongestInteractions::NONE,
    };

    /// Begins a new instance of the metric, either with the page or renewed by a restore, a soft
    /// navigation or the application. `count` is the page's number of interactions so far.
    #[inline(always)]
    pub fn begin(&mut self, metric: Metric, report_all_changes: bool, renewed: bool, count: f64) {
        self.metric = metric;
        self.report_all_changes = report_all_changes;
        // A page without shifts is a stable page; a page without paints is not a fast one.
        self.has_value = self.metric == Metric::Cls;
        self.has_reported = false;
        self.is_final = false;
        self.value = 0.0;
        self.last_reported = 0.0;
        self.session_window.score = 0.0;
        self.interactions.begin(renewed, count);
    }

    /// Records a duration that ended: a paint, a first input, a first byte. A negative one, of a page
    /// that was activated later, counts as 0. Returns false once the value is final.
    #[inline(always)]
    pub fn record_duration(&mut self, duration: f64) -> bool {
        if self.is_final {
            return false;
        }
        self.has_value = true;
        self.value = if duration > 0.0 { duration } else { 0.0 };
        true
    }

    /// Updates the value after a batch of entries. Returns the id of the entry list on which a new value
    /// is based: the interaction's id, or 0.
    #[inline(always)]
    pub fn update_value(&mut self, count: f64) -> Option<f64> {
        let (value, list) = match self.metric {
            Metric::Cls if self.session_window.score > self.value => (self.session_window.score, 0.0),
            Metric::Inp => {
                let candidate = self.interactions.p98(count)?;
                if self.has_value && candidate.duration == self.value {
                    return None;
                }
                (candidate.duration, candidate.id)
            }
            _ => return None,
        };
        self.has_value = true;
        self.value = value;
        Some(list)
    }

    /// Returns the change since the last report if a report is due. A value of 0 is reported once.
    #[inline(always)]
    pub fn report(&mut self, trigger: ReportTrigger) -> Option<f64> {
        if trigger == ReportTrigger::Final {
            if self.is_final {
                return None;
            }
            self.is_final = true;
        }
        let wants_report = trigger != ReportTrigger::Change || self.report_all_changes;
        if !wants_report || !self.has_value || (self.has_reported && self.value == self.last_reported) {
            return None;
        }
        let delta = self.value - self.last_reported;
        self.has_reported = true;
        self.last_reported = self.value;
        Some(delta)
    }

    /// The exact value; 0 while unknown.
    #[inline(always)]
    #[must_use]
    pub fn value(&self) -> f64 {
        self.value
    }

    /// The rating of the value.
    #[inline(always)]
    #[must_use]
    pub fn rating(&self) -> Rating {
        self.metric.rate(self.value)
    }

    /// The value as a beacon carries it; `None` while unknown.
    #[inline(always)]
    #[must_use]
    pub fn wire_value(&self) -> Option<u32> {
        self.has_value.then(|| self.metric.to_wire(self.value))
    }
}
