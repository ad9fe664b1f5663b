//! The longest interactions of a view, of which INP is the longest after ignoring one for every 50
//! interactions. Ten are kept, enough for 500 interactions in one view.

use crate::entry_grouping::EntryGrouping;

/// An event entry of an interaction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interaction {
    /// The browser's id of the interaction; 0 for an event outside any interaction.
    pub id: f64,
    /// Start time of the event.
    pub at: f64,
    /// Duration from the event to the next paint.
    pub duration: f64,
}

/// The longest interactions of this view.
#[derive(Debug)]
#[repr(C)]
pub struct LongestInteractions {
    /// The page's number of interactions when this view began.
    count_at_start: f64,
    /// Longest first; among equals, the earlier entry first. A slot without an id is vacant.
    longest: [Interaction; MAX_INTERACTIONS],
    /// Begun by a restore or a soft navigation, so no `first-input` entry reports fast interactions.
    renewed: bool,
}

impl LongestInteractions {
    pub(crate) const NONE: Self =
        Self { count_at_start: 0.0, longest: [VACANT; MAX_INTERACTIONS], renewed: false };

    #[inline(always)]
    pub(crate) fn begin(&mut self, renewed: bool, count: f64) {
        self.count_at_start = count;
        // The list ends at its first vacant slot; entries beyond it are ignored.
        let [longest, ..] = &mut self.longest;
        longest.id = 0.0;
        self.renewed = renewed;
    }

    /// Returns the interaction that INP reports. If interactions were counted but none took the 16 ms
    /// that produce an entry, it has a duration of 8 ms, as in web-vitals, and no id.
    #[inline(always)]
    pub(crate) fn p98(&self, count: f64) -> Option<Interaction> {
        let mut remaining = count - self.count_at_start;
        let mut candidate = Interaction { duration: 8.0, ..VACANT };
        let counted = self.renewed && remaining > 0.0;
        for &interaction in &self.longest {
            if interaction.id == 0.0 {
                break;
            }
            candidate = interaction;
            remaining -= 50.0;
            if remaining < 0.0 {
                break;
            }
        }
        (counted || candidate.id > 0.0).then_some(candidate)
    }

    /// Adds an event and returns the grouping of its entry.
    #[inline(always)]
    pub fn add(&mut self, event: Interaction) -> EntryGrouping {
        // The entry moving down the list: first the event, then each entry that it displaces.
        let mut moving = event;
        let mut grouping = EntryGrouping::Discard;
        // An event without an id belongs to no interaction. A negative duration marks an event below the
        // threshold; 0 is a valid duration of a first input.
        if !(event.id > 0.0 && event.duration >= 0.0) {
            return grouping;
        }
        for slot in &mut self.longest {
            let own = slot.id == event.id;
            if grouping == EntryGrouping::StartGroup || slot.id == 0.0 || event.duration > slot.duration {
                // Field by field: a swap in memory compiles to ten times the code.
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
