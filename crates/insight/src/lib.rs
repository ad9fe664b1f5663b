//! What the counts mean to people: how healthy a site is, what to wake somebody for, where visitors
//! lose time and what would help. Counting is the ledger's business and judging a budget the
//! budget's; this lays their answers side by side, and writes the documents that others read.
//! Sending these, and asking the time, are left to the shells.

pub mod advice;
pub mod alert;
pub mod anomaly;
pub mod bottleneck;
pub mod bulletin;
pub mod channel;
pub mod export;
pub mod figures;
pub mod findings;
pub mod health;
pub mod history;
pub mod look;
pub mod moment;
pub mod notice;
pub mod queries;
pub mod release;
pub mod target;
pub mod told;
pub mod trend;
