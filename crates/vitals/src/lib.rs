//! Browser events in, metric values and reports out. A pure machine: every input carries its own
//! time in milliseconds since the time origin, and every answer says what must be done. It knows
//! no clock, no heap and no JavaScript; it keeps numbers only, and the shell keeps the entries,
//! filed where the machine says. The rules are those of the npm package `web-vitals` 6 (FID: 4).

#![no_std]

mod interactions;
mod page;
mod shifts;
mod visit;
mod vital;

pub use interactions::{Interaction, Interactions};
pub use page::{History, Page};
pub use shifts::{Shift, Shifts};
pub use visit::{Note, Visit};
pub use vital::{Filing, Occasion, Vital};
