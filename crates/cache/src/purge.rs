//! Purges by tag, URL and prefix, in constant time. A logical clock counts purges. A stored response carries
//! the count from before its fetch, and is purged if its URL or one of its tags was purged at a later
//! count. No wall clock takes part in the decision.
//!
//! [`PurgeClock`] is the state of the authority; [`PurgeView`] is an isolate's copy, valid for a lease.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::UnixMillis;
use wire::cache_admin::{PurgeFeed, PurgedAt, PurgedTag};

use crate::entry::MAX_RETENTION_SECONDS;
use crate::headers::Headers;
use crate::url_hash::UrlHash;
use wire::sorting::SortSlice;

/// The target of a purge.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PurgeTarget {
    /// All responses with a tag.
    Tag(String),
    /// One URL: host, path and query.
    Url(String),
    /// One URL, because a visitor wrote to it. Its version is apart from those of the other purges, so that
    /// visitors cannot displace them.
    WrittenUrl(UrlHash),
    /// All URLs with this prefix, which ends with a slash.
    Prefix(String),
    /// All responses.
    Everything,
}

/// The effect of a purge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PurgeMode {
    /// Purged responses are never served again.
    Hard,
    /// Purged responses become stale.
    Soft,
}

/// The purge counts at which a target was last purged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeVersion {
    /// The last hard purge.
    pub hard: u64,
    /// The last soft purge.
    pub soft: u64,
}

/// The purge status of a stored response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurgeStatus {
    /// Not purged since it was fetched.
    NotPurged,
    /// Purged softly: stale.
    SoftPurged,
    /// Purged hard: not usable.
    HardPurged,
    /// Unknown, because the view has outlived its lease and the response has tags.
    Unknown,
}

/// The state of the authority, except for its purge versions, which it looks up individually.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeClock {
    /// The number of purges.
    pub seq: u64,
    /// Every response from before these counts is purged.
    pub floor: PurgeVersion,
}

/// A write that a purge requires of the authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PurgeWrite {
    /// The purge version of a key.
    Version {
        /// The key.
        name: String,
        /// The version.
        version: PurgeVersion,
    },
    /// The clock.
    Clock(PurgeClock),
}

/// The changes since a purge count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeChanges {
    /// The clock.
    pub clock: PurgeClock,
    /// The changed purge versions with their keys, at most [`MAX_VERSIONS_PER_PAGE`].
    #[serde(rename = "marks")]
    pub versions: Vec<(String, PurgeVersion)>,
    /// The purge count up to which the changes are complete.
    pub upto: u64,
    /// The wall-clock time of each write, for analytics only.
    #[serde(default)]
    #[serde(rename = "at")]
    pub written_at: Vec<UnixMillis>,
}

/// An isolate's copy of the clock and the purge versions.
#[derive(Clone, Debug, Default)]
pub struct PurgeView {
    clock: PurgeClock,
    upto: u64,
    versions: BTreeMap<String, PurgeVersion>,
    /// The time at which the last complete update was requested.
    synced_at: Option<UnixMillis>,
}

impl PurgeClock {
    /// Purges a target. At most one version is written, however many responses are affected.
    pub fn purge(&mut self, target: &PurgeTarget, mode: PurgeMode, known: PurgeVersion) -> Vec<PurgeWrite> {
        self.seq = self.seq.saturating_add(1);
        let seq = self.seq;
        let raise = |version: PurgeVersion| match mode {
            PurgeMode::Hard => PurgeVersion { hard: seq, ..version },
            PurgeMode::Soft => PurgeVersion { soft: seq, ..version },
        };
        let Some(name) = target.version_key() else {
            self.floor = raise(self.floor);
            return vec![PurgeWrite::Clock(*self)];
        };
        vec![PurgeWrite::Version { name, version: raise(known) }, PurgeWrite::Clock(*self)]
    }

    /// Raises the floor to a version that is about to be deleted, so that its responses stay purged.
    pub fn raise_floor(&mut self, version: PurgeVersion) {
        self.floor.merge(version);
    }
}

impl PurgeChanges {
    /// Returns the purges by tag, for an application that has a cache of its own.
    #[must_use]
    pub fn tag_feed(&self) -> PurgeFeed {
        let at = |PurgeVersion { hard, soft }: PurgeVersion| PurgedAt { hard, soft };
        let tag = |(name, version): &(String, PurgeVersion)| {
            let tag = name.strip_prefix(TAG_KEY)?.to_owned();
            Some(PurgedTag { tag, at: at(*version) })
        };
        let tags = self.versions.iter().filter_map(tag).collect();
        PurgeFeed { seq: self.clock.seq, upto: self.upto, floor: at(self.clock.floor), tags }
    }
}

impl PurgeTarget {
    /// Returns the key of the purge version; none for everything.
    #[must_use]
    pub fn version_key(&self) -> Option<String> {
        match self {
            Self::Tag(tag) => Some(format!("{TAG_KEY}{tag}")),
            Self::Url(url) => Some(format!("{URL_KEY}{}", UrlHash::from_url(url))),
            Self::WrittenUrl(hash) => Some(format!("{WRITTEN_URL_KEY}{hash}")),
            Self::Prefix(prefix) => Some(format!("p:{prefix}")),
            Self::Everything => None,
        }
    }
}

impl PurgeVersion {
    /// Returns the later of both counts.
    #[must_use]
    pub fn latest(self) -> u64 {
        self.hard.max(self.soft)
    }

    fn merge(&mut self, other: Self) {
        self.hard = self.hard.max(other.hard);
        self.soft = self.soft.max(other.soft);
    }
}

impl PurgeView {
    /// Returns the purge count from which to request changes.
    #[must_use]
    pub const fn upto(&self) -> u64 {
        self.upto
    }

    /// Returns the state of the clock, as far as it is known here.
    pub(crate) const fn clock(&self) -> PurgeClock {
        self.clock
    }

    /// Returns the purge count for a response that is about to be fetched. Take it **before** the fetch.
    #[must_use]
    pub const fn purge_seq(&self) -> u64 {
        self.upto
    }

    /// Returns true if the last update was requested within the lease. After a clock that was set back, nothing is
    /// known of the purges since.
    #[must_use]
    pub fn is_current(&self, now: UnixMillis, lease_ms: u64) -> bool {
        self.synced_at.is_some_and(|at| now.0.checked_sub(at.0).is_some_and(|passed| passed <= lease_ms))
    }

    /// Applies changes. `requested_at` is the time of the request for them, because they may lack purges
    /// made since. Returns true if there are more changes to request.
    pub fn apply(&mut self, changes: PurgeChanges, requested_at: UnixMillis) -> bool {
        for (name, version) in changes.versions {
            if is_obsolete_key(&name) {
                self.clock.floor.merge(version);
            } else {
                self.versions.entry(name).or_default().merge(version);
            }
        }
        let has_more = changes.upto < changes.clock.seq;
        self.upto = self.upto.max(changes.upto);
        self.clock.seq = self.clock.seq.max(changes.clock.seq);
        self.clock.floor.merge(changes.clock.floor);
        // Versions below the floor have no effect.
        let floor = self.clock.floor;
        self.versions.retain(|_, version| version.hard > floor.hard || version.soft > floor.soft);
        if !has_more {
            // A request overtakes another by seconds. A later time than that is one before the clock was set back.
            let known =
                self.synced_at.filter(|known| known.0 < requested_at.0.saturating_add(MAX_OVERTAKING_MS));
            self.synced_at = Some(known.map_or(requested_at, |known| known.max(requested_at)));
        }
        has_more
    }

    /// Returns the purge status of a response with this purge count, these tags and this URL (host, path and
    /// query).
    #[must_use]
    pub fn purge_status(
        &self,
        purge_seq: u64,
        tags: &[String],
        url: &str,
        now: UnixMillis,
        lease_ms: u64,
    ) -> PurgeStatus {
        let mut last = self.clock.floor;
        let mut include = |name: &str| {
            if let Some(version) = self.versions.get(name) {
                last.merge(*version);
            }
        };
        if !self.versions.is_empty() {
            if self.has_url_versions() {
                let hash = UrlHash::from_url(url);
                include(&format!("{URL_KEY}{hash}"));
                include(&format!("{WRITTEN_URL_KEY}{hash}"));
            }
            for prefix in url_prefixes(url) {
                include(&format!("p:{prefix}"));
            }
            for tag in tags {
                include(&format!("{TAG_KEY}{tag}"));
            }
        }
        if last.hard > purge_seq {
            return PurgeStatus::HardPurged;
        }
        // Responses without tags stay usable while the purge clock does not respond.
        if !tags.is_empty() && !self.is_current(now, lease_ms) {
            return PurgeStatus::Unknown;
        }
        if last.soft > purge_seq { PurgeStatus::SoftPurged } else { PurgeStatus::NotPurged }
    }

    /// Hashing takes longer than the rest of a lookup. Purges by URL are rarer than those by tag, and have
    /// the last of all keys.
    fn has_url_versions(&self) -> bool {
        self.versions.last_key_value().is_some_and(|(name, _)| name.as_str() >= URL_KEY)
    }
}

/// Returns the tags in Cache-Tag, Surrogate-Key and X-Next-Cache-Tags; none if there are too many to look up for
/// each hit, or one is too long.
#[must_use]
pub fn parse_tags(headers: &Headers) -> Option<Vec<String>> {
    let commas = ["cache-tag", NEXT_TAGS_FIELD].into_iter().flat_map(|name| headers.get_all(name));
    let commas = commas.flat_map(|value| value.split(','));
    let blanks = headers.get_all("surrogate-key").flat_map(str::split_whitespace);
    let mut tags: Vec<String> =
        commas.chain(blanks).map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    tags.order();
    tags.dedup();
    are_tags_sound(&tags).then_some(tags)
}

/// Returns true if the tags are few and short enough to be looked up for each hit.
pub(crate) fn are_tags_sound(tags: &[String]) -> bool {
    tags.len() <= MAX_TAGS_PER_RESPONSE && tags.iter().all(|tag| tag.len() <= MAX_TAG_BYTES)
}

/// Returns the purge count that a response may claim: the edge's, or a lower one that the origin states. An origin
/// with a cache of its own may have rendered the response before it knew of the latest purges. A statement that cannot
/// be read claims nothing.
#[must_use]
pub fn known_purge_seq(headers: &Headers, at_edge: u64) -> u64 {
    let stated = headers.get_all(PURGE_SEQ_FIELD).map(|value| value.trim().parse().unwrap_or(0));
    stated.fold(at_edge, u64::min)
}

/// Returns the prefixes of a URL that can be purged, each up to a slash of its path.
fn url_prefixes(url: &str) -> impl Iterator<Item = &str> {
    let path = url.split('?').next().unwrap_or_default();
    path.match_indices('/').take(MAX_PREFIX_SLASHES).filter_map(|(at, _)| url.get(..=at))
}

/// Returns true for a key of the first version of the format, in which 65,536 keys stood for all URLs. Its
/// purges are kept by the floor: once, they affect more than they named.
#[must_use]
pub fn is_obsolete_key(name: &str) -> bool {
    name.starts_with(OBSOLETE_URL_KEY)
}

/// The field in which an origin states the purges that it knew of when it rendered a response.
pub const PURGE_SEQ_FIELD: &str = "x-edge-vitals-purge-seq";
/// The field in which Next.js states its tags. `next start` removes it, other hosts may not.
pub const NEXT_TAGS_FIELD: &str = "x-next-cache-tags";
/// The beginning of the keys of URLs in the first version of the format.
pub const OBSOLETE_URL_KEY: &str = "u:";
/// The beginning of the keys of tags.
const TAG_KEY: &str = "t:";
/// The beginning of the keys of URLs. Those of tags and prefixes sort before it.
const URL_KEY: &str = "u2:";
/// The beginning of the keys of URLs that visitors wrote to.
pub const WRITTEN_URL_KEY: &str = "w:";
/// A prefix with more slashes cannot be purged, because each hit looks all its prefixes up.
pub const MAX_PREFIX_SLASHES: usize = 32;
/// Responses with more tags are not stored.
pub const MAX_TAGS_PER_RESPONSE: usize = 128;
/// Responses with a longer tag are not stored.
const MAX_TAG_BYTES: usize = 256;
/// The time by which the response to an earlier request may be applied after that to a later one, at most.
const MAX_OVERTAKING_MS: u64 = 60_000;
/// The maximum number of versions in [`PurgeChanges`].
pub const MAX_VERSIONS_PER_PAGE: usize = 5_000;
/// The maximum number of stored purge versions. The oldest are deleted first.
pub const MAX_PURGE_VERSIONS: usize = 150_000;
/// The time for which a purge version is retained: longer than any stored response.
pub const VERSION_RETENTION_MS: u64 = (MAX_RETENTION_SECONDS + 3600) * 1000;
