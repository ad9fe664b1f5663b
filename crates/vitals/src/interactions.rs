//! The longest interactions of a view, and which of them stands for it: INP is the longest, leaving
//! out one for every 50 interactions. Ten are enough, since hardly anybody interacts 500 times in
//! one view.

use crate::vital::Filing;

/// An event entry that took its time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interaction {
    /// The browser's id of the interaction; 0 where the event belongs to none.
    pub id: f64,
    /// The event's start.
    pub at: f64,
    /// From the event to the next paint.
    pub duration: f64,
}

/// The longest interactions of this view.
#[derive(Debug)]
#[repr(C)]
pub struct Interactions {
    len: usize,
    /// Since a restore or a soft navigation: no first-input entry vouches for fast interactions.
    renewed: bool,
    /// The page's count of interactions when this view began.
    before: f64,
    /// Longest first; among equals, the one that got there first.
    longest: [Interaction; MOST],
}

impl Interactions {
    pub(crate) const NONE: Self = Self {
        len: 0,
        renewed: false,
        before: 0.0,
        longest: [Interaction { id: 0.0, at: 0.0, duration: 0.0 }; MOST],
    };

    #[inline(always)]
    pub(crate) fn begin(&mut self, renewed: bool, count: f64) {
        self.len = 0;
        self.renewed = renewed;
        self.before = count;
    }

    /// The interaction that stands for the view. Where some were counted but none took the 16 ms
    /// that make an entry, 8 is the best guess, and it has no id.
    #[inline(always)]
    pub(crate) fn p98(&self, count: f64) -> Option<Interaction> {
        let count = count - self.before;
        if self.len == 0 {
            let unseen = self.renewed && count > 0.0;
            return unseen.then_some(Interaction { id: 0.0, at: 0.0, duration: 8.0 });
        }
        let last = self.len - 1;
        let left_out = (count / 50.0) as usize;
        self.longest.get(if left_out < last { left_out } else { last }).copied()
    }

    /// Where the entry belongs; nowhere if it says nothing that a longer one has not said.
    #[inline(always)]
    pub fn interacted(&mut self, event: Interaction) -> Filing {
        if event.id == 0.0 {
            return Filing::Nowhere;
        }
        let mut place = 0;
        for known in &self.longest {
            if place == self.len {
                self.len += 1;
                break;
            }
            let same = known.id == event.id;
            // Its own place, or else the shortest's, if it is longer.
            if same || place == MOST - 1 {
                if event.duration > known.duration {
                    break;
                }
                let joins = same && event.duration == known.duration && event.at == known.at;
                return if joins { Filing::Joins } else { Filing::Nowhere };
            }
            place += 1;
        }
        // Past every shorter one, and no further.
        while let Some(&above) = self.longest.get(place.wrapping_sub(1))
            && above.duration < event.duration
        {
            if let Some(below) = self.longest.get_mut(place) {
                *below = above;
            }
            place -= 1;
        }
        if let Some(free) = self.longest.get_mut(place) {
            *free = event;
        }
        Filing::Afresh
    }
}

const MOST: usize = 10;
