//! CLS session windows: the score of the open window. Choosing the largest window and reporting it is
//! left to `subscription` and `beacon_tracker`.

use crate::entry_grouping::EntryGrouping;

/// A layout shift without recent input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayoutShift {
    /// Start time, in milliseconds since the time origin.
    pub at: f64,
    /// Layout shift score.
    pub score: f64,
}

/// The open session window.
#[derive(Debug)]
pub struct SessionWindow {
    /// The sum of the window's scores; 0 while no window is open.
    pub(crate) score: f64,
    first: f64,
    last: f64,
}

impl SessionWindow {
    pub(crate) const NONE: Self = Self { score: 0.0, first: 0.0, last: 0.0 };

    /// Adds a shift: to the open window if it comes less than 1 s after the previous shift and less
    /// than 5 s after the first, otherwise to a new window.
    #[inline(always)]
    pub fn add(&mut self, LayoutShift { at, score }: LayoutShift) -> EntryGrouping {
        let joins = self.score > 0.0 && at - self.last < 1000.0 && at - self.first < 5000.0;
        self.last = at;
        self.score = score
            + if joins {
                self.score
            } else {
                self.first = at;
                0.0
            };
        if joins { EntryGrouping::JoinGroup } else { EntryGrouping::StartGroup }
    }
}
