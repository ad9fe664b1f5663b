//! One subscription to one metric: its value, what of it has been reported, and when that is due.
//! Where the value comes from is told by the page (a measured duration), by the shifts or by the
//! interactions.

use wire::Metric;

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

#[derive(Debug)]
pub(crate) struct Vital {
    /// None: nobody has subscribed.
    pub(crate) metric: Option<Metric>,
    /// −1 while unknown.
    pub(crate) value: f64,
    pub(crate) shifts: Shifts,
    pub(crate) interactions: Interactions,
    pub(crate) beacon: bool,
    /// What the last beacon of this view carried.
    pub(crate) sent: i32,
    all_changes: bool,
    /// −1 until the first report.
    reported: f64,
    finalised: bool,
    birth: Birth,
}

/// How this instance of the metric began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Birth {
    /// With the page.
    Loaded,
    /// By a restore or a soft navigation: no first-input entry vouches for fast interactions.
    Renewed,
    /// By a view the application declared: nothing is painted for it that a browser would tell.
    Declared,
}

impl Vital {
    pub(crate) const VACANT: Self = Self {
        metric: None,
        value: -1.0,
        shifts: Shifts::NONE,
        interactions: Interactions::NONE,
        beacon: false,
        sent: -1,
        all_changes: false,
        reported: -1.0,
        finalised: false,
        birth: Birth::Loaded,
    };

    pub(crate) fn open(&mut self, metric: Metric, all_changes: bool, beacon: bool) {
        self.metric = Some(metric);
        self.all_changes = all_changes;
        self.beacon = beacon;
        self.begin(Birth::Loaded, 0.0);
    }

    pub(crate) fn begin(&mut self, birth: Birth, count: f64) {
        // A page without shifts is a stable page; a page without paints is not a fast one.
        self.value = if self.metric == Some(Metric::Cls) {
            0.0
        } else {
            -1.0
        };
        self.reported = -1.0;
        self.finalised = false;
        self.birth = birth;
        self.shifts = Shifts::NONE;
        self.interactions.begin(count);
    }

    /// Where an activation or a restore lies after the moment itself, the duration is none.
    pub(crate) fn measured(&mut self, duration: f64) -> bool {
        if self.birth == Birth::Declared {
            return false;
        }
        self.value = if duration > 0.0 { duration } else { 0.0 };
        true
    }

    /// Adopts what the shifts or the interactions have come to; the list whose entries say so.
    pub(crate) fn settled(&mut self, count: f64) -> Option<usize> {
        let (value, list) = match self.metric {
            Some(Metric::Cls) => {
                if self.shifts.score <= self.value {
                    return None;
                }
                (self.shifts.score, 0)
            }
            _ => match self.interactions.p98(count) {
                Some(longest) => longest,
                None if self.birth != Birth::Loaded && self.interactions.any(count) => UNSEEN,
                None => return None,
            },
        };
        if value == self.value {
            return None;
        }
        self.value = value;
        Some(list)
    }

    /// The change since the last report, where one is due. A value of 0 is reported once.
    pub(crate) fn report(&mut self, force: bool) -> Option<f64> {
        let known = self.value >= 0.0 && (force || self.all_changes);
        if !known || self.value == self.reported {
            return None;
        }
        let delta = if self.reported < 0.0 {
            self.value
        } else {
            self.value - self.reported
        };
        self.reported = self.value;
        Some(delta)
    }

    pub(crate) fn finalised(&mut self) -> Option<f64> {
        if self.finalised {
            return None;
        }
        self.finalised = true;
        self.report(true)
    }

    pub(crate) fn wire(&self) -> i32 {
        match self.metric {
            Some(metric) if self.value >= 0.0 => metric.to_wire(self.value) as i32,
            _ => -1,
        }
    }
}

/// Interactions were counted, but none took the 16 ms that make an entry: 8 is the best guess, and
/// no list holds its entries.
const UNSEEN: (f64, usize) = (8.0, Filing::LISTS);
