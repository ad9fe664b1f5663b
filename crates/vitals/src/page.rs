//! One page load: what all its subscriptions share (when it was first hidden, how many interactions
//! the ids betray), and the vitals they subscribed to. What an event
//! means for one metric is the vital's business.

use crate::vital::Vital;

/// A page load and all who listen to it. One about which nothing is known is all zeros, so that it
/// is not a byte of the module.
#[derive(Debug)]
#[repr(C)]
pub struct Page {
    /// When it was hidden, and how often it was interacted with.
    pub history: History,
    /// The subscriptions, by slot.
    pub vitals: [Vital; Self::SLOTS],
}

/// What the page has been through.
#[derive(Debug)]
pub struct History {
    /// When the page was first hidden: infinity while it was not. Nobody has looked yet where it is
    /// 0, and nothing is known to have been seen.
    pub first_hidden: f64,
    lowest_id: f64,
    highest_id: f64,
}

impl Page {
    /// How many subscriptions a page may have at once.
    pub const SLOTS: usize = 384;

    /// A page about which nothing is known.
    #[must_use]
    pub const fn new() -> Self {
        Self { history: History::NONE, vitals: [const { Vital::VACANT }; Self::SLOTS] }
    }
}

impl Default for Page {
    fn default() -> Self {
        Self::new()
    }
}

impl History {
    pub(crate) const NONE: Self = Self { first_hidden: 0.0, lowest_id: 0.0, highest_id: 0.0 };

    /// The page went to the background; only the first time counts.
    #[inline(always)]
    pub fn hidden(&mut self, at: f64) {
        if at < self.first_hidden {
            self.first_hidden = at;
        }
    }

    /// An interaction's id was seen, in a browser that does not count interactions.
    #[inline(always)]
    pub fn identified(&mut self, id: f64) {
        if id > 0.0 && (self.lowest_id == 0.0 || id < self.lowest_id) {
            self.lowest_id = id;
        }
        if id > self.highest_id {
            self.highest_id = id;
        }
    }

    /// The browser's own count of interactions, or where that is not a number an estimate: ids grow
    /// by seven with each interaction.
    #[inline(always)]
    #[must_use]
    pub fn count(&self, counted: f64) -> f64 {
        if !counted.is_nan() {
            counted
        } else if self.highest_id > 0.0 {
            (self.highest_id - self.lowest_id) / 7.0 + 1.0
        } else {
            0.0
        }
    }
}
