//! The longest interactions of a view, and which of them stands for it: INP is the longest, leaving
//! out one for every 50 interactions. Ten are enough, since hardly anybody interacts 500 times in
//! one view.

use crate::subscription::EntryGrouping;

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
pub struct LongestInteractions {
    /// The page's count of interactions when this view began.
    count_at_start: f64,
    /// Longest first; among equals, the one that got there first. Without an id, it is vacant.
    longest: [Interaction; MAX_INTERACTIONS],
    /// Since a restore or a soft navigation: no first-input entry vouches for fast interactions.
    renewed: bool,
}

impl LongestInteractions {
    pub(crate) const NONE: Self =
        Self { count_at_start: 0.0, longest: [VACANT; MAX_INTERACTIONS], renewed: false };

    #[inline(always)]
    pub(crate) fn begin(&mut self, renewed: bool, count: f64) {
        self.count_at_start = count;
        // The list ends at its first vacancy; what lies beyond says nothing any more.
        let [longest, ..] = &mut self.longest;
        longest.id = 0.0;
        self.renewed = renewed;
    }

    /// The interaction that stands for the view. Where some were counted but none took the 16 ms
    /// that make an entry, 8 is the best guess, and it has no id.
    #[inline(always)]
    pub(crate) fn p98(&self, count: f64) -> Option<Interaction> {
        let mut left_out = count - self.count_at_start;
        let mut candidate = Interaction { duration: 8.0, ..VACANT };
        let counted = self.renewed && left_out > 0.0;
        for &interaction in &self.longest {
            if interaction.id == 0.0 {
                break;
            }
            candidate = interaction;
            left_out -= 50.0;
            if left_out < 0.0 {
                break;
            }
        }
        (counted || candidate.id > 0.0).then_some(candidate)
    }

    /// Where the entry belongs; nowhere if it says nothing that a longer one has not said.
    #[inline(always)]
    pub fn add(&mut self, event: Interaction) -> EntryGrouping {
        // What is on its way down the list: the event, then each that it displaces.
        let mut moving = event;
        let mut grouping = EntryGrouping::Discard;
        // Without an id it is of no interaction. A duration below 0 is that of an event too short to be
        // one; a first input may well seem to have taken no time at all.
        if !(event.id > 0.0 && event.duration >= 0.0) {
            return grouping;
        }
        for slot in &mut self.longest {
            let own = slot.id == event.id;
            if grouping == EntryGrouping::StartGroup || slot.id == 0.0 || event.duration > slot.duration {
                // Field by field: a swap in memory would be ten times the code.
                let Interaction { id, at, duration } = *slot;
                *slot = moving;
                moving = Interaction { id, at, duration };
                grouping = EntryGrouping::StartGroup;
            } else if own && event.duration == slot.duration && event.at == slot.at {
                grouping = EntryGrouping::JoinGroup;
            }
            if own {
                break;
            }
        }
        grouping
    }
}

const MAX_INTERACTIONS: usize = 10;
const VACANT: Interaction = Interaction { id: 0.0, at: 0.0, duration: 0.0 };
