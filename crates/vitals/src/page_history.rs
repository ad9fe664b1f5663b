//! The state that every metric of a page shares: its first hiding, and the interaction ids seen.

/// Page-wide state, common to all metrics and subscriptions.
#[derive(Debug)]
pub struct PageHistory {
    /// Time of the first hiding; infinity while the page has been visible throughout. 0 before
    /// observation starts, so that nothing counts as seen.
    pub first_hidden: f64,
    lowest_id: f64,
    highest_id: f64,
}

impl PageHistory {
    pub(crate) const NONE: Self = Self { first_hidden: 0.0, lowest_id: 0.0, highest_id: 0.0 };

    /// Records that the page went to the background. Only the first time counts.
    #[inline(always)]
    pub fn record_hidden(&mut self, at: f64) {
        if at < self.first_hidden {
            self.first_hidden = at;
        }
    }

    /// Records the id of an interaction, for browsers that do not count interactions.
    #[inline(always)]
    pub fn record_interaction_id(&mut self, id: f64) {
        if id > 0.0 && (self.lowest_id == 0.0 || id < self.lowest_id) {
            self.lowest_id = id;
        }
        if id > self.highest_id {
            self.highest_id = id;
        }
    }

    /// Returns the browser's count of interactions. Where that is not a number, returns an estimate:
    /// ids grow by seven with each interaction.
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
