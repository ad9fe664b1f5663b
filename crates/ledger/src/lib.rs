//! What the aggregate knows: views as they were told, and the cells they are counted in. Nothing in
//! here stores, waits or asks the time: a shell loads rows, calls [`fold`] or [`roll`], and stores
//! what comes back.
//!
//! A view is told by beacons, each of which carries the whole view again. The journal keeps the
//! latest one for each view, so that duplicates, resends and reordering change nothing. Folding takes
//! what was counted of a view out of its cell and puts what was told in, so that a correction moves a
//! count and never adds one.

pub mod caching;
pub mod causes;
mod cell;
mod counts;
mod fold;
pub mod live;
pub mod outbox;
mod pages;
mod read;
mod recent;
mod room;
mod route;
mod rulings;
mod told;
pub mod traffic;
mod window;

pub use cell::{Cell, Kept, Malformed, Tally};
pub use counts::{Counts, Track};
pub use fold::{CellKey, Counted, Effect, Limits, View, fold, needed, roll};
pub use pages::{Changes, Days, Page, PageKey, Plan, Stretch, Sum};
pub use read::{Bots, Dimension, Group, Groups, Query, reaching_back};
pub use recent::Recent;
pub use room::{Heavy, OTHER, Place, Places, Room, Rooms};
pub use route::{Templates, template};
pub use rulings::{Refused, Ruling, Rulings, Source};
pub use told::{Labels, Told, Visitor, report_key, view_key};
pub use window::{Horizon, Retention, Span, Window};
