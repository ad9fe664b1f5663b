//! Session windows for CLS: the score of the window that is open. Which window was the largest, and
//! who is told, is the vital's business.

use crate::subscription::EntryGrouping;

/// A layout shift without recent input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayoutShift {
    /// When.
    pub at: f64,
    /// Its layout shift score.
    pub score: f64,
}

/// The window that is open.
#[derive(Debug)]
pub struct SessionWindow {
    /// The sum of its scores; 0 where none is open.
    pub(crate) score: f64,
    first: f64,
    last: f64,
}

impl SessionWindow {
    pub(crate) const NONE: Self = Self { score: 0.0, first: 0.0, last: 0.0 };

    /// A shift joins the window less than 1 s after the previous one and less than 5 s after the
    /// first; otherwise it opens a new one.
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
