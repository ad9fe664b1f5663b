//! Tags: what is purged at once, however much of it there is. A clock that counts purges is asked before
//! an answer is fetched; the answer carries that count as its stamp, and is void when a tag of it was
//! purged at a later count. No wall clock takes part, so none can be wrong.
//!
//! [`Clock`] is what the one authority knows; [`View`] is what an isolate knows of it, for a while.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sketch::stable_hash::fnv1a_32;
use wire::UnixMillis;

use crate::entry::MAX_RETENTION_SECONDS;
use crate::headers::Headers;

/// What is purged.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PurgeTarget {
    /// All that carries a tag.
    Tag(String),
    /// One address: host, path and query.
    Url(String),
    /// All addresses below one, at a slash.
    Prefix(String),
    /// All.
    Everything,
}

/// How it is purged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PurgeMode {
    /// It is never served again.
    Hard,
    /// It is stale from now on.
    Soft,
}

/// When something was last purged, by the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeVersion {
    /// Hard.
    pub hard: u64,
    /// Soft.
    pub soft: u64,
}

/// How a stored answer stands to what was purged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurgeStatus {
    /// Nothing of it was purged.
    NotPurged,
    /// It was declared stale.
    SoftPurged,
    /// It is void.
    HardPurged,
    /// Nobody knows: the view is too old, and it carries tags.
    Unknown,
}

/// The state of the authority besides its marks, which it looks up one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeClock {
    /// How many purges there were.
    pub seq: u64,
    /// What was stamped before this is purged, whatever it is.
    pub floor: PurgeVersion,
}

/// What a purge makes the authority write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PurgeWrite {
    /// The mark of a name.
    Version {
        /// The name.
        name: String,
        /// What to write.
        version: PurgeVersion,
    },
    /// The clock itself.
    Clock(PurgeClock),
}

/// What was purged since some count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeChanges {
    /// The clock.
    pub clock: PurgeClock,
    /// The marks that changed, with their names; not more than [`MOST_OF_A_PAGE`].
    #[serde(rename = "marks")]
    pub versions: Vec<(String, PurgeVersion)>,
    /// Up to which count these are all.
    pub upto: u64,
    /// When each mark was written, by the authority's wall clock: for the analytics, and for nothing else.
    #[serde(default)]
    #[serde(rename = "at")]
    pub written_at: Vec<UnixMillis>,
}

/// What an isolate knows of the clock.
#[derive(Clone, Debug, Default)]
pub struct PurgeView {
    clock: PurgeClock,
    upto: u64,
    versions: BTreeMap<String, PurgeVersion>,
    /// When the last answer was asked for.
    synced_at: Option<UnixMillis>,
}

impl PurgeClock {
    /// A purge: the clock moves, and one mark is written, however much it concerns.
    pub fn purge(&mut self, target: &PurgeTarget, mode: PurgeMode, known: PurgeVersion) -> Vec<PurgeWrite> {
        self.seq = self.seq.saturating_add(1);
        let seq = self.seq;
        let raise = |mark: PurgeVersion| match mode {
            PurgeMode::Hard => PurgeVersion { hard: seq, ..mark },
            PurgeMode::Soft => PurgeVersion { soft: seq, ..mark },
        };
        let Some(name) = target.version_key() else {
            self.floor = raise(self.floor);
            return vec![PurgeWrite::Clock(*self)];
        };
        vec![PurgeWrite::Version { name, version: raise(known) }, PurgeWrite::Clock(*self)]
    }

    /// A mark is forgotten: what was stamped before it stays purged all the same.
    pub fn raise_floor(&mut self, version: PurgeVersion) {
        self.floor.hard = self.floor.hard.max(version.hard);
        self.floor.soft = self.floor.soft.max(version.soft);
    }
}

impl PurgeTarget {
    /// The name of its mark; none for everything.
    #[must_use]
    pub fn version_key(&self) -> Option<String> {
        match self {
            Self::Tag(tag) => Some(format!("t:{tag}")),
            Self::Url(url) => Some(url_slot_key(url)),
            Self::Prefix(prefix) => Some(format!("p:{prefix}")),
            Self::Everything => None,
        }
    }
}

impl PurgeVersion {
    /// The later of both counts.
    #[must_use]
    pub fn latest(self) -> u64 {
        self.hard.max(self.soft)
    }
}

impl PurgeView {
    /// The count to ask from.
    #[must_use]
    pub const fn upto(&self) -> u64 {
        self.upto
    }

    /// The stamp of what is asked of the origin now. It is taken **before** that.
    #[must_use]
    pub const fn purge_seq(&self) -> u64 {
        self.upto
    }

    /// Whether it is known well enough, that is asked for no longer ago than the lease.
    #[must_use]
    pub fn is_current(&self, now: UnixMillis, lease_ms: u64) -> bool {
        self.synced_at.is_some_and(|at| now.0.saturating_sub(at.0) <= lease_ms)
    }

    /// Takes in what changed. `asked` is when it was asked for, not when it came: what happened in
    /// between may not be in it. Whether there is more to ask for.
    pub fn apply(&mut self, changes: PurgeChanges, requested_at: UnixMillis) -> bool {
        for (name, version) in changes.versions {
            let known = self.versions.entry(name).or_default();
            known.hard = known.hard.max(version.hard);
            known.soft = known.soft.max(version.soft);
        }
        let has_more = changes.upto < changes.clock.seq;
        self.upto = self.upto.max(changes.upto);
        self.clock.seq = self.clock.seq.max(changes.clock.seq);
        let floor = changes.clock.floor;
        self.clock.floor.hard = self.clock.floor.hard.max(floor.hard);
        self.clock.floor.soft = self.clock.floor.soft.max(floor.soft);
        // Below the floor a mark says nothing more.
        let floor = self.clock.floor;
        self.versions.retain(|_, mark| mark.hard > floor.hard || mark.soft > floor.soft);
        if !has_more {
            self.synced_at = Some(self.synced_at.map_or(requested_at, |known| known.max(requested_at)));
        }
        has_more
    }

    /// How an answer stands that was stamped thus, has these tags, and was asked for at this address
    /// (host, path and query).
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
            if let Some(mark) = self.versions.get(name) {
                last.hard = last.hard.max(mark.hard);
                last.soft = last.soft.max(mark.soft);
            }
        };
        if !self.versions.is_empty() {
            include(&url_slot_key(url));
            for prefix in url_prefixes(url) {
                include(&format!("p:{prefix}"));
            }
            for tag in tags {
                include(&format!("t:{tag}"));
            }
        }
        if last.hard > purge_seq {
            return PurgeStatus::HardPurged;
        }
        // What carries no tag is known by its lifetime alone, and is not held up when nobody answers.
        if !tags.is_empty() && !self.is_current(now, lease_ms) {
            return PurgeStatus::Unknown;
        }
        if last.soft > purge_seq { PurgeStatus::SoftPurged } else { PurgeStatus::NotPurged }
    }
}

/// The tags that an origin gave an answer, which are for us and not for visitors; nothing if there are
/// more than can be looked up for each hit.
#[must_use]
pub fn parse_tags(answer: &Headers) -> Option<Vec<String>> {
    let commas = answer.get_all("cache-tag").flat_map(|value| value.split(','));
    let blanks = answer.get_all("surrogate-key").flat_map(str::split_whitespace);
    let mut tags: Vec<String> =
        commas.chain(blanks).map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    tags.sort();
    tags.dedup();
    let is_sound = tags.len() <= MAX_TAGS_PER_RESPONSE && tags.iter().all(|tag| tag.len() <= MAX_TAG_BYTES);
    is_sound.then_some(tags)
}

/// The addresses that this one lies below: each up to a slash of its path.
fn url_prefixes(url: &str) -> impl Iterator<Item = &str> {
    let path = url.split('?').next().unwrap_or_default();
    path.match_indices('/').filter_map(|(at, _)| url.get(..=at))
}

/// Every write to an address marks it, and visitors write. So addresses share marks, and their number
/// is bounded; at worst, a purge takes one other answer in 65,536 with it.
fn url_slot_key(url: &str) -> String {
    let hash = fnv1a_32(url.bytes());
    format!("u:{:04x}", (hash ^ (hash >> 16)) & 0xffff)
}

/// More tags than this on an answer, and it is not stored.
pub const MAX_TAGS_PER_RESPONSE: usize = 128;
/// A longer tag, and the answer is not stored.
const MAX_TAG_BYTES: usize = 256;
/// How many marks are told at once.
pub const MAX_VERSIONS_PER_PAGE: usize = 5_000;
/// More marks than this, and the oldest are forgotten.
pub const MAX_PURGE_VERSIONS: usize = 150_000;
/// For how long a mark is remembered, in milliseconds: longer than anything is kept.
pub const VERSION_RETENTION_MS: u64 = (MAX_RETENTION_SECONDS + 3600) * 1000;
