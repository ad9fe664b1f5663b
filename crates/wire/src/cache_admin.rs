//! The bodies and answers of the management calls below `/api/cache/`, other than the analytics.

use serde::{Deserialize, Serialize};

/// The body of a purge: exactly one of `url`, `tag`, `tags`, `prefix` and `all`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PurgeBody {
    /// One address with all its variants.
    pub url: Option<String>,
    /// All responses with this tag.
    pub tag: Option<String>,
    /// All responses with any of these tags, at most 128.
    pub tags: Vec<String>,
    /// All addresses below this one; it ends with a slash.
    pub prefix: Option<String>,
    /// Every response.
    pub all: bool,
    /// Permission to serve the purged responses as stale ones while they are fetched again.
    pub soft: bool,
}

/// The answer to a purge. The answering isolate applies it at once, all others within the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PurgeResponse {
    /// Always true.
    pub purged: bool,
    /// The sequence number of the purge; a later purge has a higher one.
    pub seq: u64,
}

/// The purges by tag since a purge count. Apply them in order, and ask again until `upto` is `seq`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PurgeFeed {
    /// The sequence number of the latest purge.
    pub seq: u64,
    /// The sequence number up to which this answer is complete.
    pub upto: u64,
    /// Everything from before these sequence numbers is purged.
    pub floor: PurgedAt,
    /// The latest purges of tags.
    pub tags: Vec<PurgedTag>,
}

/// The sequence numbers of the latest purges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PurgedAt {
    /// The latest purge; 0 if there was none.
    pub hard: u64,
    /// The latest purge that lets stale responses be served; 0 if there was none.
    pub soft: u64,
}

/// A tag with its latest purges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PurgedTag {
    /// The tag.
    pub tag: String,
    /// Its latest purges.
    #[serde(flatten)]
    pub at: PurgedAt,
}

/// The answer to a value that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ValueStored {
    /// False for a value that has expired.
    pub stored: bool,
}

/// The answer to a warming: the number of addresses by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WarmResponse {
    /// Addresses that were fetched.
    pub warmed: u64,
    /// Addresses that were fresh already.
    pub fresh: u64,
    /// Addresses that could not be fetched.
    pub failed: u64,
    /// Addresses without a route.
    pub foreign: u64,
    /// Addresses that were left because of the limit.
    pub left: u64,
}

/// The cache decision for a request, with its reasons.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CacheExplanation<'a> {
    /// The address.
    pub url: String,
    /// The fields of the request that is explained.
    pub request: Vec<String>,
    /// The names of the fields that a current browser sends and that were added.
    pub assumed: Vec<&'a str>,
    /// The path pattern of its route; null without a route.
    pub route: Option<&'a str>,
    /// The address at the origin.
    pub origin: &'a str,
    /// The cache key; null where the cache is bypassed.
    pub key: Option<&'a str>,
    /// The next step.
    pub does: &'a str,
    /// The reasons, in the order of the decision.
    pub because: Vec<String>,
    /// The stored response, if there is one.
    pub stored: Option<StoredEntryReport<'a>>,
    /// The request limit of the origin, if the route has one.
    pub limit: Option<OriginLimitReport>,
}

/// A stored response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StoredEntryReport<'a> {
    /// Its status.
    pub status: u16,
    /// Its age in seconds.
    pub age: u64,
    /// Its freshness lifetime in seconds.
    pub lifetime: u64,
    /// Its tags.
    pub tags: &'a [String],
    /// The sequence number of the last purge before it was stored.
    #[serde(rename = "stamp")]
    pub purge_seq: u64,
    /// The bytes of its body.
    pub bytes: usize,
    /// The tier that it was found in.
    pub tier: &'a str,
}

/// The request limit of an origin, in requests per second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OriginLimitReport {
    /// The current rate.
    pub rate: f64,
    /// The lowest rate.
    #[serde(rename = "least")]
    pub min_rate: f64,
    /// The highest rate.
    #[serde(rename = "most")]
    pub max_rate: f64,
}

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CacheProblem {
    /// The HTTP status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The cause and the remedy, in a sentence.
    pub detail: String,
}
