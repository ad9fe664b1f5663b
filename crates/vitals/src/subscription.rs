//! One subscription to one metric: its value, what of it has been reported, and when that is due.
//! Where the value comes from is told by the page (a measured duration), by the shifts or by the
//! interactions.

use wire::{Metric, Rating};

use crate::cls::SessionWindow;
use crate::inp::LongestInteractions;

/// What becomes of an entry. The shell keeps the entries: those of a window of shifts in one list,
/// those of an interaction in one list each, by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryGrouping {
    /// It says nothing new.
    Discard,
    /// Its list begins anew with it.
    StartGroup,
    /// It is one more of its list.
    JoinGroup,
}

/// Why a value may be reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportTrigger {
    /// It may have changed.
    Change,
    /// The page hides: this may be the last moment.
    Hide,
    /// It is final, and becomes so only once.
    Final,
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
    /// What was reported last.
    last_reported: f64,
    /// The shifts of this instance, for CLS.
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

    /// A new instance of the metric begins: with the page, or renewed by a restore, a soft navigation
    /// or the application, when the page has counted so many interactions. Every change is reported, or
    /// only what is final.
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

    /// A duration ended: a paint, a first input, a first byte. It is none where the page was only
    /// activated later, and it does not count once the value is final.
    #[inline(always)]
    pub fn record_duration(&mut self, duration: f64) -> bool {
        if self.is_final {
            return false;
        }
        self.has_value = true;
        self.value = if duration > 0.0 { duration } else { 0.0 };
        true
    }

    /// The entries at hand have all been given: adopts what they come to. The list of those that
    /// the new value stands on: the interaction's id, or 0.
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

    /// The change since the last report, where one is due. A value of 0 is reported once.
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

    /// The exact value, once it is known.
    #[inline(always)]
    #[must_use]
    pub fn value(&self) -> f64 {
        self.value
    }

    /// How the value rates.
    #[inline(always)]
    #[must_use]
    pub fn rating(&self) -> Rating {
        self.metric.rate(self.value)
    }

    /// What a beacon carries of it; nothing while unknown.
    #[inline(always)]
    #[must_use]
    pub fn wire_value(&self) -> Option<u32> {
        self.has_value.then(|| self.metric.to_wire(self.value))
    }
}
