//! Browser events in, metric values and reports out. A pure machine: every input carries its own
//! time in milliseconds since the time origin, and every answer says what must be done. It knows
//! no clock, no heap and no JavaScript; it keeps numbers only, and the shell keeps the entries,
//! filed where the machine says. The rules are those of the npm package `web-vitals` 6 (FID: 4).

#![no_std]

mod beacon_tracker;
mod callback_tracker;
mod cls;
mod inp;
mod subscription;

pub use beacon_tracker::{BeaconTracker, PageEvent};
pub use callback_tracker::{CallbackTracker, PageHistory};
pub use cls::{LayoutShift, SessionWindow};
pub use inp::{Interaction, LongestInteractions};
pub use subscription::{EntryGrouping, ReportTrigger, Subscription};
