//! One page load as its callbacks see it: the page-wide state and one subscription per slot. The
//! value of each metric is the subscription's business.

use crate::current_view::CurrentView;
use crate::page_history::PageHistory;
use crate::subscription::Subscription;

/// A page load and its subscriptions. The initial state is all zeros, so that it takes no byte of the
/// wasm module.
#[derive(Debug)]
#[repr(C)]
pub struct CallbackTracker {
    /// The current view of the page's beacons.
    pub view: CurrentView,
    /// Page-wide state.
    pub history: PageHistory,
    /// The subscriptions, by slot.
    pub subscriptions: [Subscription; Self::MAX_SUBSCRIPTIONS],
}

impl CallbackTracker {
    /// The number of subscriptions that a page may have at once.
    pub const MAX_SUBSCRIPTIONS: usize = 384;

    /// A page before observation starts.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            view: CurrentView::PAGE_LOAD,
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
