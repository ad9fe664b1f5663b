//! The protocol of edge-vitals: metrics and thresholds, the beacon, the route table, the documents of the API and
//! its errors. The browser, the edge and the deploy gate share this crate, so that they cannot disagree.

#![cfg_attr(not(feature = "documents"), no_std)]

#[cfg(feature = "documents")]
pub mod attribution;
#[cfg(feature = "documents")]
pub mod badge;
#[cfg(feature = "documents")]
pub mod beacon;
#[cfg(feature = "documents")]
mod beacon_version;
#[cfg(feature = "documents")]
pub mod browser;
#[cfg(feature = "documents")]
pub mod budget_report;
#[cfg(feature = "documents")]
pub mod cache_admin;
#[cfg(feature = "documents")]
pub mod cache_analytics;
#[cfg(feature = "documents")]
pub mod calendar;
#[cfg(feature = "documents")]
mod client_network;
#[cfg(feature = "documents")]
mod codec;
mod device;
#[cfg(feature = "documents")]
mod error;
#[cfg(feature = "documents")]
pub mod hex;
#[cfg(feature = "documents")]
pub mod lab;
#[cfg(feature = "documents")]
mod limit_counts;
#[cfg(feature = "documents")]
pub mod live;
mod metric;
#[cfg(feature = "documents")]
pub mod network_bucket;
#[cfg(feature = "documents")]
pub mod network_share;
#[cfg(feature = "documents")]
pub mod path_limits;
#[cfg(feature = "documents")]
pub mod push;
#[cfg(feature = "documents")]
pub mod query_response;
#[cfg(feature = "documents")]
pub mod routes;
#[cfg(feature = "documents")]
mod shard_coverage;
#[cfg(feature = "documents")]
pub mod sorting;
#[cfg(feature = "documents")]
pub mod summary;
mod time;
#[cfg(feature = "documents")]
pub mod web_vitals;
#[cfg(feature = "documents")]
mod window;

#[cfg(feature = "documents")]
pub use beacon::Beacon;
#[cfg(feature = "documents")]
pub use client_network::{ClientNetwork, NetworkClass, client_network};
#[cfg(feature = "documents")]
pub use codec::CodecError;
pub use device::Device;
#[cfg(feature = "documents")]
pub use error::{ApiError, Problem};
#[cfg(feature = "documents")]
pub use limit_counts::LimitCounts;
pub use metric::{Metric, Rating, Thresholds};
#[cfg(feature = "documents")]
pub use network_bucket::NetworkBucket;
#[cfg(feature = "documents")]
pub use shard_coverage::ShardCoverage;
pub use time::UnixMillis;
#[cfg(feature = "documents")]
pub use window::{Window, WindowSpan};

/// The label under which everything beyond a cardinality limit is counted.
pub const OTHER_LABEL: &str = "(other)";
