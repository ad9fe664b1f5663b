//! Tags: what is purged at once, however much of it there is. A clock that counts purges is asked before
//! an answer is fetched; the answer carries that count as its stamp, and is void when a tag of it was
//! purged at a later count. No wall clock takes part, so none can be wrong.
//!
//! [`Clock`] is what the one authority knows; [`View`] is what an isolate knows of it, for a while.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::UnixMillis;

use crate::headers::Headers;
use crate::stored::MOST_KEPT;

/// What is purged.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
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
pub enum Force {
    /// It is never served again.
    Hard,
    /// It is stale from now on.
    Soft,
}

/// When something was last purged, by the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Hard.
    pub hard: u64,
    /// Soft.
    pub soft: u64,
}

/// How a stored answer stands to what was purged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing of it was purged.
    Good,
    /// It was declared stale.
    Stale,
    /// It is void.
    Purged,
    /// Nobody knows: the view is too old, and it carries tags.
    Unknown,
}

/// The state of the authority besides its marks, which it looks up one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// How many purges there were.
    pub seq: u64,
    /// What was stamped before this is purged, whatever it is.
    pub floor: Mark,
}

/// What a purge makes the authority write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The mark of a name.
    Mark {
        /// The name.
        name: String,
        /// What to write.
        mark: Mark,
    },
    /// The clock itself.
    Clock(Clock),
}

/// What was purged since some count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// The clock.
    pub clock: Clock,
    /// The marks that changed, with their names; not more than [`MOST_OF_A_PAGE`].
    pub marks: Vec<(String, Mark)>,
    /// Up to which count these are all.
    pub upto: u64,
    /// When each mark was written, by the authority's wall clock: for the analytics, and for nothing else.
    #[serde(default)]
    pub at: Vec<UnixMillis>,
}

/// What an isolate knows of the clock.
#[derive(Clone, Debug, Default)]
pub struct View {
    clock: Clock,
    upto: u64,
    marks: BTreeMap<String, Mark>,
    /// When the last answer was asked for.
    known_at: Option<UnixMillis>,
}

impl Clock {
    /// A purge: the clock moves, and one mark is written, however much it concerns.
    pub fn purge(&mut self, target: &Target, force: Force, known: Mark) -> Vec<Effect> {
        self.seq = self.seq.saturating_add(1);
        let seq = self.seq;
        let raise = |mark: Mark| match force {
            Force::Hard => Mark { hard: seq, ..mark },
            Force::Soft => Mark { soft: seq, ..mark },
        };
        let Some(name) = target.name() else {
            self.floor = raise(self.floor);
            return vec![Effect::Clock(*self)];
        };
        vec![Effect::Mark { name, mark: raise(known) }, Effect::Clock(*self)]
    }

    /// A mark is forgotten: what was stamped before it stays purged all the same.
    pub fn forget(&mut self, mark: Mark) {
        self.floor.hard = self.floor.hard.max(mark.hard);
        self.floor.soft = self.floor.soft.max(mark.soft);
    }
}

impl Target {
    /// The name of its mark; none for everything.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        match self {
            Self::Tag(tag) => Some(format!("t:{tag}")),
            Self::Url(url) => Some(slot(url)),
            Self::Prefix(prefix) => Some(format!("p:{prefix}")),
            Self::Everything => None,
        }
    }
}

impl Mark {
    /// The later of both counts.
    #[must_use]
    pub fn last(self) -> u64 {
        self.hard.max(self.soft)
    }
}

impl View {
    /// The count to ask from.
    #[must_use]
    pub const fn upto(&self) -> u64 {
        self.upto
    }

    /// The stamp of what is asked of the origin now. It is taken **before** that.
    #[must_use]
    pub const fn stamp(&self) -> u64 {
        self.upto
    }

    /// Whether it is known well enough, that is asked for no longer ago than the lease.
    #[must_use]
    pub fn is_current(&self, now: UnixMillis, lease: u64) -> bool {
        self.known_at.is_some_and(|at| now.0.saturating_sub(at.0) <= lease)
    }

    /// Takes in what changed. `asked` is when it was asked for, not when it came: what happened in
    /// between may not be in it. Whether there is more to ask for.
    pub fn absorb(&mut self, changes: Changes, asked: UnixMillis) -> bool {
        for (name, mark) in changes.marks {
            let known = self.marks.entry(name).or_default();
            known.hard = known.hard.max(mark.hard);
            known.soft = known.soft.max(mark.soft);
        }
        let has_more = changes.upto < changes.clock.seq;
        self.upto = self.upto.max(changes.upto);
        self.clock.seq = self.clock.seq.max(changes.clock.seq);
        let floor = changes.clock.floor;
        self.clock.floor.hard = self.clock.floor.hard.max(floor.hard);
        self.clock.floor.soft = self.clock.floor.soft.max(floor.soft);
        // Below the floor a mark says nothing more.
        let floor = self.clock.floor;
        self.marks.retain(|_, mark| mark.hard > floor.hard || mark.soft > floor.soft);
        if !has_more {
            self.known_at = Some(self.known_at.map_or(asked, |known| known.max(asked)));
        }
        has_more
    }

    /// How an answer stands that was stamped thus, has these tags, and was asked for at this address
    /// (host, path and query).
    #[must_use]
    pub fn standing(&self, stamp: u64, tags: &[String], url: &str, now: UnixMillis, lease: u64) -> Standing {
        let mut last = self.clock.floor;
        let mut meet = |name: &str| {
            if let Some(mark) = self.marks.get(name) {
                last.hard = last.hard.max(mark.hard);
                last.soft = last.soft.max(mark.soft);
            }
        };
        if !self.marks.is_empty() {
            meet(&slot(url));
            for prefix in prefixes(url) {
                meet(&format!("p:{prefix}"));
            }
            for tag in tags {
                meet(&format!("t:{tag}"));
            }
        }
        if last.hard > stamp {
            return Standing::Purged;
        }
        // What carries no tag is known by its lifetime alone, and is not held up when nobody answers.
        if !tags.is_empty() && !self.is_current(now, lease) {
            return Standing::Unknown;
        }
        if last.soft > stamp { Standing::Stale } else { Standing::Good }
    }
}

/// The tags that an origin gave an answer, which are for us and not for visitors; nothing if there are
/// more than can be looked up for each hit.
#[must_use]
pub fn of(answer: &Headers) -> Option<Vec<String>> {
    let commas = answer.all("cache-tag").flat_map(|value| value.split(','));
    let blanks = answer.all("surrogate-key").flat_map(str::split_whitespace);
    let mut tags: Vec<String> =
        commas.chain(blanks).map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    tags.sort();
    tags.dedup();
    let is_sound = tags.len() <= MOST_OF_AN_ANSWER && tags.iter().all(|tag| tag.len() <= LONGEST);
    is_sound.then_some(tags)
}

/// The addresses that this one lies below: each up to a slash of its path.
fn prefixes(url: &str) -> impl Iterator<Item = &str> {
    let path = url.split('?').next().unwrap_or_default();
    path.match_indices('/').filter_map(|(at, _)| url.get(..=at))
}

/// Every write to an address marks it, and visitors write. So addresses share marks, and their number
/// is bounded; at worst, a purge takes one other answer in 65,536 with it.
fn slot(url: &str) -> String {
    let hash =
        url.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("u:{:04x}", (hash ^ (hash >> 16)) & 0xffff)
}

/// More tags than this on an answer, and it is not stored.
pub const MOST_OF_AN_ANSWER: usize = 128;
/// A longer tag, and the answer is not stored.
const LONGEST: usize = 256;
/// How many marks are told at once.
pub const MOST_OF_A_PAGE: usize = 5_000;
/// More marks than this, and the oldest are forgotten.
pub const MOST_MARKS: usize = 150_000;
/// For how long a mark is remembered, in milliseconds: longer than anything is kept.
pub const REMEMBERED: u64 = (MOST_KEPT + 3600) * 1000;
