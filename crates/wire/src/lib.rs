//! The words every side speaks: metrics and their thresholds, the beacon, and the documents that
//! the Worker answers with. One crate, so that the browser, the edge and the gate cannot disagree.

#![cfg_attr(not(feature = "documents"), no_std)]

mod device;
mod metric;

pub use device::Device;
pub use metric::{Metric, Rating, Thresholds};
