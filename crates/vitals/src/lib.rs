//! The web vitals as a pure state machine: browser events in, metric values and reports out. Every
//! input carries its own time in milliseconds since the time origin. The crate has no clock, no heap
//! and no JavaScript. It keeps numbers only; the shell keeps the performance entries, grouped as the
//! machine decides. The rules are those of the npm package `web-vitals` 6 (FID: 4).

#![no_std]

mod beacon_tracker;
mod callback_tracker;
mod cls;
mod current_view;
mod entry_grouping;
mod inp;
pub mod opcode;
mod page_history;
mod subscription;

pub use beacon_tracker::{BeaconTracker, PageEvent};
pub use callback_tracker::CallbackTracker;
pub use cls::{LayoutShift, SessionWindow};
pub use current_view::{CurrentView, ReportState, SoftNavigation};
pub use entry_grouping::EntryGrouping;
pub use inp::{Interaction, LongestInteractions};
pub use page_history::PageHistory;
pub use subscription::{ReportTrigger, Subscription};
