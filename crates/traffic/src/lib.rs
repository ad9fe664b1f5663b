//! Request statistics of the edge: response counts, bytes, latencies, cache statuses, and the queries that
//! the origin ran, by route and window. An isolate adds up its own responses and sends the sums to the
//! site's coordinator shard, which stores them. Sums merge exactly, in any order.

mod buffer;
mod codec;
mod latency;
mod origin_stats;
mod report;
mod response_class;
mod stats;

pub use buffer::{BatchHeader, MAX_PACE_WAIT_MS, TrafficBatch, TrafficBuffer};
pub use latency::LatencyHistogram;
pub use origin_stats::{OriginOutcome, OriginStats, origin_name};
pub use report::fill_report;
pub use response_class::{RequestMethod, ResponseClass, StatusClass};
pub use stats::{
    CacheOutcomeCounts, MAX_ROUTES, QueryStats, REPEATED_QUERY_THRESHOLD, ResponseRecord, ResponseStats,
    RouteRanking, RouteStats, TrafficStats, TrafficWindows,
};
