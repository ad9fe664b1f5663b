//! The cache statistics of the last day, as `GET /api/cache/analytics` returns them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{ShardCoverage, UnixMillis};

/// The version of the document.
pub const VERSION: u8 = 1;

/// The cache statistics of the last day.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CacheAnalytics {
    /// The version of this document.
    pub v: u8,
    /// The start of the time span, within a window.
    pub from: UnixMillis,
    /// The end of the time span, exclusive.
    pub to: UnixMillis,
    /// Each route of each site, the most requested first.
    pub routes: Vec<RouteCacheStats>,
    /// Hits by tier.
    pub tiers: Vec<TierStats>,
    /// Responses by class of freshness lifetime.
    pub classes: Vec<LifetimeClassStats>,
    /// Misses by reason.
    pub misses: Vec<ReasonCount>,
    /// Bypasses by reason.
    pub bypassed: Vec<ReasonCount>,
    /// Hits by their age in seconds.
    pub ages: Vec<RangeCount>,
    /// The most requested keys.
    pub keys: Vec<HotKey>,
    /// Purges.
    pub purges: PurgeStats,
    /// The last management calls, the newest first.
    pub calls: Vec<AdminCallRecord>,
    /// Sites whose responses are missing in part; absent if every shard answered.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub shards: BTreeMap<String, ShardCoverage>,
}

/// A route of a site.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RouteCacheStats {
    /// The site; `-` for requests of no site.
    pub site: String,
    /// The route.
    pub route: String,
    /// Responses.
    pub requests: u64,
    /// Responses served fresh from the cache.
    pub hits: u64,
    /// Responses served stale from the cache.
    pub stale: u64,
    /// Cacheable responses fetched from the origin.
    pub misses: u64,
    /// Responses that bypassed the cache.
    pub bypassed: u64,
    /// The share of fresh and stale hits among hits and misses; null without either.
    pub hit_ratio: Option<f64>,
    /// Bytes of the bodies of known length.
    pub bytes: u64,
    /// The median response time of the origin in milliseconds; null without an origin request.
    pub origin_p50: Option<f64>,
    /// Fresh and stale hits times that median; null without an origin request.
    pub saved_ms: Option<f64>,
}

/// A tier: `memory`, `colo`, `kv`, or `stale-if-error` for stale responses in place of errors.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TierStats {
    /// Its name.
    pub tier: String,
    /// Responses from it.
    pub requests: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
}

/// A class of freshness lifetimes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LifetimeClassStats {
    /// `short`, `medium`, `long` or `very_long`.
    pub class: &'static str,
    /// Served fresh.
    pub hits: u64,
    /// Served stale.
    pub stale: u64,
    /// Fetched from the origin and stored.
    pub misses: u64,
    /// The share of fresh and stale hits; null without responses.
    pub hit_ratio: Option<f64>,
}

/// A reason, as in `Cache-Status`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReasonCount {
    /// Its name.
    pub reason: String,
    /// Requests with this reason.
    pub requests: u64,
}

/// The count of values in a range.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RangeCount {
    /// The lower bound.
    pub from: u64,
    /// The upper bound, exclusive.
    pub below: u64,
    /// The count.
    pub n: u64,
}

/// An often requested key.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HotKey {
    /// The cache key.
    pub key: String,
    /// Its requests, an upper bound.
    pub requests: u64,
    /// The largest possible overcount.
    pub over: u64,
}

/// The purges.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PurgeStats {
    /// All purges so far.
    pub count: u64,
    /// Stored purge marks.
    pub marks: usize,
    /// Purges for writes that were refused in the last day, because there were too many. Other isolates
    /// serve the responses until their lifetime ends.
    pub refused: u64,
    /// The delay until an isolate learned of a purge, in milliseconds, in the last day.
    pub lag_ms: Vec<RangeCount>,
}

/// A management call.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AdminCallRecord {
    /// The time.
    pub at: UnixMillis,
    /// The call.
    pub action: String,
    /// Its argument.
    pub what: String,
    /// The result: a status, or the sums of the cron.
    pub outcome: String,
}
