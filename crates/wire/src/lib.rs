//! The words every side speaks: metrics and their thresholds, the beacon, and why something was
//! refused. One crate, so that the browser, the edge and the gate cannot disagree.

#![cfg_attr(not(feature = "documents"), no_std)]

#[cfg(feature = "documents")]
pub mod badge;
#[cfg(feature = "documents")]
pub mod beacon;
#[cfg(feature = "documents")]
pub mod caching;
mod device;
#[cfg(feature = "documents")]
pub mod lab;
#[cfg(feature = "documents")]
pub mod live;
mod metric;
#[cfg(feature = "documents")]
pub mod push;
#[cfg(feature = "documents")]
pub mod reading;
#[cfg(feature = "documents")]
pub mod reasons;
#[cfg(feature = "documents")]
mod refusal;
#[cfg(feature = "documents")]
pub mod report;
#[cfg(feature = "documents")]
pub mod standing;
#[cfg(feature = "documents")]
pub mod summary;
mod time;

#[cfg(feature = "documents")]
pub use beacon::Beacon;
pub use device::Device;
pub use metric::{Metric, Rating, Thresholds};
#[cfg(feature = "documents")]
pub use refusal::Refusal;
pub use time::UnixMillis;
