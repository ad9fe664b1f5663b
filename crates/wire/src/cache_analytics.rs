//! What `GET /api/cache/analytics` answers: what the cache did in the last day, and what it was worth.

use serde::Serialize;

use crate::UnixMillis;

/// The version of the document.
pub const VERSION: u8 = 1;

/// The document.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CacheAnalytics {
    /// The version of this document.
    pub v: u8,
    /// The first moment that it is about, give or take a window.
    pub from: UnixMillis,
    /// The moment before which all of it lies.
    pub to: UnixMillis,
    /// Each route of each site, the most asked for first.
    pub routes: Vec<RouteCacheStats>,
    /// Where hits came from.
    pub tiers: Vec<TierStats>,
    /// Answers by how long they are fresh.
    pub classes: Vec<LifetimeClassStats>,
    /// Why the origin was asked.
    pub misses: Vec<ReasonCount>,
    /// Why the cache had no part in it.
    pub bypassed: Vec<ReasonCount>,
    /// Hits by their age in seconds.
    pub ages: Vec<RangeCount>,
    /// The keys that are asked for most.
    pub keys: Vec<HotKey>,
    /// Purges.
    pub purges: PurgeStats,
    /// The last management calls, the latest first.
    pub calls: Vec<AdminCallRecord>,
}

/// A route of a site.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RouteCacheStats {
    /// The site; `-` for nobody's.
    pub site: String,
    /// The route.
    pub route: String,
    /// Answers.
    pub requests: u64,
    /// Of them, served fresh.
    pub hits: u64,
    /// Of them, served stale.
    pub stale: u64,
    /// Of them, asked of the origin for everybody.
    pub misses: u64,
    /// Of them, not the cache's.
    pub bypassed: u64,
    /// Hits, stale ones among them, of all that were the cache's; null where there was none.
    pub hit_ratio: Option<f64>,
    /// Bytes of bodies, as far as they are known.
    pub bytes: u64,
    /// The median of the origin's milliseconds; null where it was not asked.
    pub origin_p50: Option<f64>,
    /// Hits, stale ones among them, times that median; null where it was not asked.
    pub saved_ms: Option<f64>,
}

/// A tier: `memory`, `colo`, `kv`, or `stale-if-error` for what stood in for an error.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TierStats {
    /// Its name.
    pub tier: String,
    /// Answers from it.
    pub requests: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
}

/// A class of lifetimes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LifetimeClassStats {
    /// `short`, `medium`, `long` or `very_long`.
    pub class: &'static str,
    /// Served fresh.
    pub hits: u64,
    /// Served stale.
    pub stale: u64,
    /// Asked of the origin, and stored.
    pub misses: u64,
    /// Hits, stale ones among them, of all.
    pub hit_ratio: Option<f64>,
}

/// A reason, as in Cache-Status.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReasonCount {
    /// A word for it.
    pub reason: String,
    /// How often.
    pub requests: u64,
}

/// So many from a number to below another.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RangeCount {
    /// The least.
    pub from: u64,
    /// The one above the largest.
    pub below: u64,
    /// How many.
    pub n: u64,
}

/// A key.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HotKey {
    /// The address.
    pub key: String,
    /// How often it was asked for, at most.
    pub requests: u64,
    /// By how much that may be too high.
    pub over: u64,
}

/// Purges.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PurgeStats {
    /// Since there is a clock.
    pub count: u64,
    /// What is remembered of them.
    pub marks: usize,
    /// Of the last day, by how many milliseconds after them an isolate knew of them.
    pub lag_ms: Vec<RangeCount>,
}

/// A call.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AdminCallRecord {
    /// When.
    pub at: UnixMillis,
    /// What was called.
    pub action: String,
    /// What with.
    pub what: String,
    /// What came of it: a status, or the cron's sums.
    pub outcome: String,
}
