//! One page load: what all its subscriptions share (when it was first hidden, how many interactions
//! the ids betray), and the vitals they subscribed to. What an event
//! means for one metric is the vital's business.

use crate::subscription::Subscription;

/// A page load and all who listen to it. One about which nothing is known is all zeros, so that it
/// is not a byte of the module.
#[derive(Debug)]
#[repr(C)]
pub struct CallbackTracker {
    /// When it was hidden, and how often it was interacted with.
    pub history: PageHistory,
    /// The subscriptions, by slot.
    pub subscriptions: [Subscription; Self::MAX_SUBSCRIPTIONS],
}

/// What the page has been through.
#[derive(Debug)]
pub struct PageHistory {
    /// When the page was first hidden: infinity while it was not. Nobody has looked yet where it is
    /// 0, and nothing is known to have been seen.
    pub first_hidden: f64,
    lowest_id: f64,
    highest_id: f64,
}

impl CallbackTracker {
    /// How many subscriptions a page may have at once.
    pub const MAX_SUBSCRIPTIONS: usize = 384;

    /// A page about which nothing is known.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            history: PageHistory::NONE,
            subscriptions: [const { Subscription::VACANT }; Self::MAX_SUBSCRIPTIONS],
        }
    }
}

impl Default for CallbackTracker {
    fn default() -> Self {
        Self::new()
    }
}

impl PageHistory {
    pub(crate) const NONE: Self = Self { first_hidden: 0.0, lowest_id: 0.0, highest_id: 0.0 };

    /// The page went to the background; only the first time counts.
    #[inline(always)]
    pub fn record_hidden(&mut self, at: f64) {
        if at < self.first_hidden {
            self.first_hidden = at;
        }
    }

    /// An interaction's id was seen, in a browser that does not count interactions.
    #[inline(always)]
    pub fn record_interaction_id(&mut self, id: f64) {
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
    pub fn interaction_count(&self, browser_count: f64) -> f64 {
        if !browser_count.is_nan() {
            browser_count
        } else if self.highest_id > 0.0 {
            (self.highest_id - self.lowest_id) / 7.0 + 1.0
        } else {
            0.0
        }
    }
}
