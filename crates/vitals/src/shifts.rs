//! Session windows for CLS: the score of the window that is open. Which window was the largest, and
//! who is told, is the vital's business.

use crate::vital::Filing;

#[derive(Debug)]
pub(crate) struct Shifts {
    /// The open window's score.
    pub(crate) score: f64,
    first: f64,
    last: f64,
}

impl Shifts {
    pub(crate) const NONE: Self = Self {
        score: 0.0,
        first: 0.0,
        last: 0.0,
    };

    /// A shift joins the window less than 1 s after the previous one and less than 5 s after the
    /// first; otherwise it opens a new one.
    pub(crate) fn shifted(&mut self, at: f64, score: f64) -> Filing {
        let joins = self.score > 0.0 && at - self.last < 1000.0 && at - self.first < 5000.0;
        self.last = at;
        if joins {
            self.score += score;
        } else {
            self.first = at;
            self.score = score;
        }
        Filing {
            list: 0,
            afresh: !joins,
        }
    }
}
