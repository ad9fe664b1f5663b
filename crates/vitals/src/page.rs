//! One page load: what all its subscriptions share (when it was first hidden, how many interactions
//! the ids betray, what the beacon has carried), and the vitals they subscribed to. What an event
//! means for one metric is the vital's business.

use crate::delivery::Delivery;
use crate::vital::Vital;

/// A page load and all who listen to it.
#[derive(Debug)]
#[repr(C)]
pub struct Page {
    /// When the page was first hidden: infinity while it was not. Nobody has looked yet where it is
    /// 0, and nothing is known to have been seen.
    pub first_hidden: f64,
    /// What the beacon has carried.
    pub delivery: Delivery,
    lowest_id: f64,
    highest_id: f64,
    vitals: [Vital; Self::SLOTS],
}

impl Page {
    /// How many subscriptions a page may have at once.
    pub const SLOTS: usize = 384;

    /// A page about which nothing is known. All zeros, so that it is not a byte of the module.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            first_hidden: 0.0,
            delivery: Delivery::NEW,
            lowest_id: 0.0,
            highest_id: 0.0,
            vitals: [const { Vital::VACANT }; Self::SLOTS],
        }
    }

    /// The subscription in a slot.
    #[inline(always)]
    pub fn vital(&mut self, slot: usize) -> Option<&mut Vital> {
        self.vitals.get_mut(slot)
    }

    /// The page went to the background; only the first time counts.
    #[inline(always)]
    pub fn hidden(&mut self, at: f64) {
        if at < self.first_hidden {
            self.first_hidden = at;
        }
    }

    /// What the beacon carries of a subscription, −1 while unknown.
    #[inline(always)]
    pub fn sent(&mut self, slot: usize) -> Option<i32> {
        let vital = self.vitals.get_mut(slot)?;
        let wire = vital.wire();
        if wire != vital.sent {
            vital.sent = wire;
            self.delivery.changed();
        }
        Some(wire)
    }

    /// An interaction's id was seen, in a browser that does not count interactions.
    #[inline(always)]
    pub fn identified(&mut self, id: f64) {
        if self.lowest_id == 0.0 || id < self.lowest_id {
            self.lowest_id = id;
        }
        if id > self.highest_id {
            self.highest_id = id;
        }
    }

    /// The browser's own count of interactions, or where that is not a number an estimate: ids grow
    /// by seven with each interaction.
    #[must_use]
    #[inline(always)]
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

impl Default for Page {
    fn default() -> Self {
        Self::new()
    }
}
