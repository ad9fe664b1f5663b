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
    /// The page's count of interactions when this view began.
    before: f64,
    /// Longest first; among equals, the one that got there first.
    longest: [Longest; Filing::LISTS],
}

#[derive(Clone, Copy, Debug)]
struct Longest {
    event: Interaction,
    list: usize,
}

impl Interactions {
    /// No interactions yet.
    pub const NONE: Self = Self {
        len: 0,
        before: 0.0,
        longest: [Longest { event: Interaction { id: 0.0, at: 0.0, duration: 0.0 }, list: 0 }; Filing::LISTS],
    };

    /// A view begins when the page has counted so many.
    #[inline(always)]
    pub fn begin(&mut self, count: f64) {
        self.len = 0;
        self.before = count;
    }

    /// The latency that stands for the view, and the list that holds its entries. Where interactions
    /// were counted but none took the 16 ms that make an entry, 8 is the best guess, and no list
    /// holds it; a page's own first input always makes an entry, so there the guess is not needed.
    #[inline(always)]
    #[must_use]
    pub fn p98(&self, count: f64, first_input: bool) -> Option<(f64, usize)> {
        let count = count - self.before;
        if let Some(last) = self.len.checked_sub(1) {
            let left_out = (count / 50.0) as usize;
            let stands = self.longest.get(if left_out < last { left_out } else { last })?;
            Some((stands.event.duration, stands.list))
        } else if count > 0.0 && !first_input {
            Some((8.0, Filing::LISTS))
        } else {
            None
        }
    }

    /// Where the entry belongs; nowhere if it says nothing that a longer one has not said.
    #[inline(always)]
    pub fn interacted(&mut self, event: Interaction) -> Option<Filing> {
        if event.id == 0.0 {
            return None;
        }
        let mut place = 0;
        let mut list = 0;
        for known in &self.longest {
            if place == self.len {
                self.len += 1;
                list = place;
                break;
            }
            let same = known.event.id == event.id;
            // Its own place, or else the shortest's, if it is longer.
            if same || place == Filing::LISTS - 1 {
                list = known.list;
                if event.duration > known.event.duration {
                    break;
                }
                let joins = same && event.duration == known.event.duration && event.at == known.event.at;
                return joins.then_some(Filing { list, afresh: false });
            }
            place += 1;
        }
        // Past every shorter one, and no further.
        while let Some(&above) = self.longest.get(place.wrapping_sub(1))
            && above.event.duration < event.duration
        {
            *self.longest.get_mut(place)? = above;
            place -= 1;
        }
        *self.longest.get_mut(place)? = Longest { event, list };
        Some(Filing { list, afresh: true })
    }
}
