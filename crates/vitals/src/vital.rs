//! One subscription to one metric: its value, what of it has been reported, and when that is due.
//! Where the value comes from is told by the page (a measured duration), by the shifts or by the
//! interactions.

use wire::{Metric, Rating};

use crate::interactions::Interactions;
use crate::shifts::Shifts;

/// Where the shell keeps an entry until the machine says whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filing {
    /// The list it belongs to, below [`Filing::LISTS`].
    pub list: usize,
    /// The list begins anew with this entry.
    pub afresh: bool,
}

impl Filing {
    /// How many lists of entries a subscription keeps at most.
    pub const LISTS: usize = 10;
}

/// How an instance of a metric began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Birth {
    /// With the page.
    Loaded,
    /// By a restore or a soft navigation.
    Renewed,
    /// By a view the application declared: nothing is painted for it that a browser would tell.
    Declared,
}

/// Why a value may be reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// It may have changed.
    Change,
    /// It is as good as final: the page hides, or the moment it measures is over.
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
    ended: bool,
    birth: Birth,
    /// What the last beacon carried.
    pub(crate) sent: i32,
    /// −1 while unknown.
    value: f64,
    /// −1 until the first report.
    reported: f64,
    /// The shifts of this instance, for CLS.
    pub shifts: Shifts,
    /// The interactions of this instance, for INP.
    pub interactions: Interactions,
}

impl Vital {
    /// Nobody's subscription.
    pub const VACANT: Self = Self {
        metric: Metric::Fcp,
        all_changes: false,
        ended: false,
        birth: Birth::Loaded,
        sent: 0,
        value: 0.0,
        reported: 0.0,
        shifts: Shifts::NONE,
        interactions: Interactions::NONE,
    };

    /// Somebody subscribed: to every change, or only to what is final.
    #[inline(always)]
    pub fn opened(&mut self, metric: Metric, all_changes: bool) {
        self.metric = metric;
        self.all_changes = all_changes;
    }

    /// A new instance of the metric begins, when the page has counted so many interactions.
    #[inline(always)]
    pub fn begun(&mut self, birth: Birth, count: f64) {
        // A page without shifts is a stable page; a page without paints is not a fast one.
        self.value = if self.metric == Metric::Cls { 0.0 } else { -1.0 };
        self.reported = -1.0;
        self.ended = false;
        self.birth = birth;
        self.shifts = Shifts::NONE;
        self.interactions.begin(count);
    }

    /// A duration ended: a paint, a first input, a first byte. Where an activation lies after its
    /// end, it is none. Nothing counts any more once the value is final, and nothing at all in a
    /// declared view.
    #[inline(always)]
    pub fn measured(&mut self, duration: f64) -> bool {
        if self.ended || self.birth == Birth::Declared {
            return false;
        }
        self.value = if duration > 0.0 { duration } else { 0.0 };
        true
    }

    /// The entries at hand have all been given: adopts what they come to. The list of those that
    /// the new value stands on.
    #[inline(always)]
    pub fn settled(&mut self, count: f64) -> Option<usize> {
        let (value, list) = match self.metric {
            Metric::Cls if self.shifts.score > self.value => (self.shifts.score, 0),
            Metric::Inp => self.interactions.p98(count, self.birth == Birth::Loaded)?,
            _ => return None,
        };
        if value == self.value {
            return None;
        }
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
        if !asked || self.value < 0.0 || self.value == self.reported {
            return None;
        }
        let before = if self.reported > 0.0 { self.reported } else { 0.0 };
        self.reported = self.value;
        Some(self.value - before)
    }

    /// The exact value, −1 while unknown.
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

    #[inline(always)]
    pub(crate) fn wire(&self) -> i32 {
        if self.value < 0.0 { -1 } else { self.metric.to_wire(self.value) as i32 }
    }
}
