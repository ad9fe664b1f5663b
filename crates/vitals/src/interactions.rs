//! The longest interactions of a view, and which of them stands for it: INP is the longest, leaving
//! out one for every 50 interactions. Ten are enough, since nobody interacts 500 times a view, or
//! hardly.

use crate::vital::Filing;

#[derive(Debug)]
pub(crate) struct Interactions {
    /// Longest first; among equals, the one that got there first.
    longest: [Interaction; Filing::LISTS],
    len: usize,
    /// The page's count of interactions when this view began.
    before: f64,
}

#[derive(Clone, Copy, Debug)]
struct Interaction {
    id: f64,
    latency: f64,
    /// The start of the first entry that took so long.
    at: f64,
    list: usize,
}

/// What the ids tell of the number of interactions, where the browser does not count them.
#[derive(Debug)]
pub(crate) struct Ids {
    lowest: f64,
    highest: f64,
}

impl Interactions {
    pub(crate) const NONE: Self = Self {
        longest: [Interaction {
            id: 0.0,
            latency: 0.0,
            at: 0.0,
            list: 0,
        }; Filing::LISTS],
        len: 0,
        before: 0.0,
    };

    pub(crate) fn begin(&mut self, count: f64) {
        self.len = 0;
        self.before = count;
    }

    pub(crate) fn any(&self, count: f64) -> bool {
        count > self.before
    }

    /// The latency that stands for the view, and the list that holds its entries.
    pub(crate) fn p98(&self, count: f64) -> Option<(f64, usize)> {
        let left_out = ((count - self.before) / 50.0) as usize;
        let longest = self.longest.get(..self.len)?;
        longest
            .get(left_out)
            .or(longest.last())
            .map(|interaction| (interaction.latency, interaction.list))
    }

    /// Where the entry belongs; none where it says nothing that a longer one has not said.
    pub(crate) fn interacted(&mut self, id: f64, at: f64, duration: f64) -> Option<Filing> {
        // An event without an id is no interaction.
        if id == 0.0 {
            return None;
        }
        let known = self
            .longest
            .get(..self.len)?
            .iter()
            .position(|interaction| interaction.id == id);
        let place = match known {
            Some(place) => place,
            None if self.len < Filing::LISTS => {
                self.len += 1;
                let list = self.len - 1;
                *self.longest.get_mut(list)? = Interaction {
                    id,
                    latency: -1.0,
                    at,
                    list,
                };
                list
            }
            None => {
                let last = self.longest.last_mut()?;
                if duration <= last.latency {
                    return None;
                }
                *last = Interaction {
                    id,
                    latency: -1.0,
                    at,
                    list: last.list,
                };
                Filing::LISTS - 1
            }
        };
        let interaction = self.longest.get_mut(place)?;
        let list = interaction.list;
        if duration > interaction.latency {
            interaction.latency = duration;
            interaction.at = at;
            self.rise(place);
            return Some(Filing { list, afresh: true });
        }
        (duration == interaction.latency && at == interaction.at).then_some(Filing {
            list,
            afresh: false,
        })
    }

    /// Past every shorter one, and no further.
    fn rise(&mut self, place: usize) {
        if let Some(upto) = self.longest.get_mut(..=place) {
            for above in (1..upto.len()).rev() {
                if let Some([upper, lower]) = upto.get_mut(above - 1..=above)
                    && upper.latency < lower.latency
                {
                    core::mem::swap(upper, lower);
                }
            }
        }
    }
}

impl Ids {
    pub(crate) const NONE: Self = Self {
        lowest: f64::INFINITY,
        highest: 0.0,
    };

    pub(crate) fn seen(&mut self, id: f64) {
        if id < self.lowest {
            self.lowest = id;
        }
        if id > self.highest {
            self.highest = id;
        }
    }

    /// The browser's own count, or else an estimate: ids grow by seven with each interaction.
    pub(crate) fn count(&self, counted: f64) -> f64 {
        if !counted.is_nan() {
            counted
        } else if self.highest > 0.0 {
            (self.highest - self.lowest) / 7.0 + 1.0
        } else {
            0.0
        }
    }
}
