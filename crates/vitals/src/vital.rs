//! One subscription to one metric: its value, what of it has been reported, and when that is due.
//! Where the value comes from is told by the page (a measured duration), by the shifts or by the
//! interactions.

use wire::{Metric, Rating};

use crate::interactions::Interactions;
use crate::shifts::Shifts;

/// What becomes of an entry. The shell keeps the entries: those of a window of shifts in one list,
/// those of an interaction in one list each, by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filing {
    /// It says nothing new.
    Nowhere,
    /// Its list begins anew with it.
    Afresh,
    /// It is one more of its list.
    Joins,
}

/// Why a value may be reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// It may have changed.
    Change,
    /// The page hides: this may be the last moment.
    Hide,
    /// It is final, and becomes so only once.
    End,
}

/// A subscription.
#[derive(Debug)]
#[repr(C)]
pub struct Vital {
    metric: Metric,
    all_changes: bool,
    known: bool,
    told: bool,
    ended: bool,
    value: f64,
    /// What was reported last.
    reported: f64,
    /// The shifts of this instance, for CLS.
    pub shifts: Shifts,
    /// The interactions of this instance, for INP.
    pub interactions: Interactions,
}

impl Vital {
    pub(crate) const VACANT: Self = Self {
        metric: Metric::Fcp,
        all_changes: false,
        known: false,
        told: false,
        ended: false,
        value: 0.0,
        reported: 0.0,
        shifts: Shifts::NONE,
        interactions: Interactions::NONE,
    };

    /// A new instance of the metric begins: with the page, or renewed by a restore, a soft navigation
    /// or the application, when the page has counted so many interactions. Every change is reported, or
    /// only what is final.
    #[inline(always)]
    pub fn begun(&mut self, metric: Metric, all_changes: bool, renewed: bool, count: f64) {
        self.metric = metric;
        self.all_changes = all_changes;
        // A page without shifts is a stable page; a page without paints is not a fast one.
        self.known = self.metric == Metric::Cls;
        self.told = false;
        self.ended = false;
        self.value = 0.0;
        self.reported = 0.0;
        self.shifts.score = 0.0;
        self.interactions.begin(renewed, count);
    }

    /// A duration ended: a paint, a first input, a first byte. It is none where the page was only
    /// activated later, and it does not count once the value is final.
    #[inline(always)]
    pub fn measured(&mut self, duration: f64) -> bool {
        if self.ended {
            return false;
        }
        self.known = true;
        self.value = if duration > 0.0 { duration } else { 0.0 };
        true
    }

    /// The entries at hand have all been given: adopts what they come to. The list of those that
    /// the new value stands on: the interaction's id, or 0.
    #[inline(always)]
    pub fn settled(&mut self, count: f64) -> Option<f64> {
        let (value, list) = match self.metric {
            Metric::Cls if self.shifts.score > self.value => (self.shifts.score, 0.0),
            Metric::Inp => {
                let stands = self.interactions.p98(count)?;
                if self.known && stands.duration == self.value {
                    return None;
                }
                (stands.duration, stands.id)
            }
            _ => return None,
        };
        self.known = true;
        self.value = value;
        Some(list)
    }

    /// The change since the last report, where one is due. A value of 0 is reported once.
    #[inline(always)]
    pub fn reported(&mut self, occasion: Occasion) -> Option<f64> {
        if occasion == Occasion::End {
            if self.ended {
                return None;
            }
            self.ended = true;
        }
        let asked = occasion != Occasion::Change || self.all_changes;
        if !asked || !self.known || (self.told && self.value == self.reported) {
            return None;
        }
        let delta = self.value - self.reported;
        self.told = true;
        self.reported = self.value;
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
    pub fn asked(&self) -> Option<u32> {
        self.known.then(|| self.metric.to_wire(self.value))
    }
}
