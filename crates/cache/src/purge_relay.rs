//! The relay of purges: a copy of the latest ones, which the isolates of one location share through its Cache API, so
//! that locations ask the purge clock, and not isolates. [`PurgeSync`] is an isolate's side of it, without I/O: a
//! shell reads and writes the relay.
//!
//! **The bound.** A purged entry is served for at most one lease, whoever asked the clock. A relayed copy is as old as
//! its *request* to the clock, by the wall clock of the machine that made it; a reader takes it for
//! [`MAX_CLOCK_SKEW_MS`] older than that, so it is never younger than it seems while the clocks of one location differ
//! by less. If they differ by more, the bound grows by the excess.
//!
//! **The herd.** The Cache API does not collapse requests. The isolate that wrote the copy renews it first. If it is
//! gone, each of the others waits until a random moment: most of them late, so that the first is usually alone,
//! however many they are. An isolate that asks leaves a claim, and the others wait for its copy.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use wire::UnixMillis;

use crate::metrics::Log2Histogram;
use crate::purge::{PurgeChanges, PurgeVersion, PurgeView};

/// An isolate's part in the sync of purges.
#[derive(Clone, Debug, Default)]
pub struct PurgeSync {
    recent: RecentPurges,
    /// The request time of the newest copy that this isolate wrote or applied.
    copy_requested_at: Option<UnixMillis>,
    /// The time from which the copy is to be renewed.
    renew_at: UnixMillis,
}

/// The next step of a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncStep {
    /// The view is current.
    Done,
    /// Another isolate asks the purge clock. Read the relay again soon.
    Wait,
    /// Ask the purge clock for the changes since the view's count, and write the relay.
    AskClock,
}

/// A read of the relay, by one isolate.
#[derive(Clone, Copy, Debug, Default)]
pub struct RelayRead<'a> {
    /// The copy.
    pub copy: Option<&'a str>,
    /// The time of the last claim, by the clock of its isolate.
    pub claimed_at: Option<UnixMillis>,
    /// The time of the read.
    pub at: UnixMillis,
}

/// The circumstances of a sync.
#[derive(Clone, Copy, Debug)]
pub struct SyncContext {
    /// The milliseconds for which a view is trusted.
    pub lease_ms: u64,
    /// A random number from 0 to 1.
    pub draw: f64,
}

/// The shared copy, as stored. Version 1; its version is part of the key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct PurgeCopy {
    requested_at: UnixMillis,
    /// The purge count from which the changes are complete.
    from: u64,
    changes: PurgeChanges,
}

/// The latest purges in their order, complete from a count on.
#[derive(Clone, Debug, Default)]
struct RecentPurges {
    from: u64,
    purges: VecDeque<(String, PurgeVersion, UnixMillis)>,
}

impl SyncStep {
    /// Every step, by opcode.
    pub const ALL: [Self; 3] = [Self::Done, Self::Wait, Self::AskClock];

    /// Returns the number that stands for the step between JavaScript and Rust.
    #[must_use]
    pub const fn opcode(self) -> u8 {
        self as u8
    }
}

impl PurgeSync {
    /// Returns true if the lease is long enough to pass purges on. Otherwise isolates ask the purge clock.
    #[must_use]
    pub const fn is_relayed(lease_ms: u64) -> bool {
        lease_ms >= MIN_RELAYED_LEASE_MS
    }

    /// Returns the time from which to sync in the background, before any request has to wait.
    #[must_use]
    pub const fn renew_at(&self) -> UnixMillis {
        self.renew_at
    }

    /// Applies what was read from the relay, and decides about the next step.
    pub fn relay_read(
        &mut self,
        view: &mut PurgeView,
        lags: &mut Log2Histogram,
        read: RelayRead<'_>,
        context: SyncContext,
    ) -> SyncStep {
        // An unreadable copy counts as none.
        let copy = read.copy.and_then(|text| serde_json::from_str::<PurgeCopy>(text).ok());
        if let Some(copy) = copy {
            // A copy from the future was stamped by a clock that is wrong by more than the bound allows for.
            let is_plausible = copy.requested_at.0 <= read.at.0.saturating_add(MAX_CLOCK_SKEW_MS);
            if !is_plausible || copy.from > view.upto() || copy.changes.upto < copy.changes.clock.seq {
                return SyncStep::AskClock;
            }
            self.apply_copy(view, lags, copy, read.at, context);
        }
        let is_current = view.is_current(read.at, context.lease_ms);
        if is_current && read.at < self.renew_at {
            return SyncStep::Done;
        }
        match read.claimed_at {
            Some(at) if at.0.abs_diff(read.at.0) < CLAIM_MS && is_current => {
                self.renew_at = UnixMillis(read.at.0.saturating_add(CLAIM_MS));
                SyncStep::Done
            }
            Some(at) if at.0.abs_diff(read.at.0) < CLAIM_MS => SyncStep::Wait,
            _ => SyncStep::AskClock,
        }
    }

    /// Applies changes that the purge clock sent for a request at `requested_at`. Returns true if there are more to
    /// request.
    pub fn clock_responded(
        &mut self,
        view: &mut PurgeView,
        lags: &mut Log2Histogram,
        changes: PurgeChanges,
        requested_at: UnixMillis,
        lease_ms: u64,
    ) -> bool {
        self.learn(view, lags, &changes, requested_at);
        let has_more = view.apply(changes, requested_at);
        if !has_more {
            self.copy_requested_at = self.copy_requested_at.max(Some(requested_at));
            let age = usable_ms(lease_ms).saturating_mul(WRITER_RENEWS_AT) / 100;
            self.renew_at = UnixMillis(requested_at.0.saturating_add(age));
        }
        has_more
    }

    /// Returns the copy to write after the purge clock has responded.
    #[must_use]
    pub fn copy(&self, view: &PurgeView) -> Option<String> {
        let purges = self.recent.purges.iter();
        let changes = PurgeChanges {
            clock: view.clock(),
            versions: purges.clone().map(|(name, version, _)| (name.clone(), *version)).collect(),
            upto: view.upto(),
            written_at: purges.map(|(.., at)| *at).collect(),
        };
        let copy = PurgeCopy { requested_at: self.copy_requested_at?, from: self.recent.from, changes };
        serde_json::to_string(&copy).ok()
    }

    fn apply_copy(
        &mut self,
        view: &mut PurgeView,
        lags: &mut Log2Histogram,
        copy: PurgeCopy,
        now: UnixMillis,
        context: SyncContext,
    ) {
        if self.copy_requested_at >= Some(copy.requested_at) {
            return;
        }
        self.copy_requested_at = Some(copy.requested_at);
        self.renew_at = reader_renews_at(copy.requested_at, context);
        self.learn(view, lags, &copy.changes, now);
        view.apply(copy.changes, UnixMillis(copy.requested_at.0.saturating_sub(MAX_CLOCK_SKEW_MS)));
    }

    /// Remembers the changes that the view does not have yet, and records their delay.
    fn learn(&mut self, view: &PurgeView, lags: &mut Log2Histogram, changes: &PurgeChanges, now: UnixMillis) {
        let known = view.upto();
        for ((name, version), at) in changes.versions.iter().zip(&changes.written_at) {
            if version.latest() > known {
                self.recent.push((name.clone(), *version, *at));
                // The purges before an isolate's first sync are history, and say nothing about delays.
                if known > 0 {
                    lags.add(now.0.saturating_sub(at.0), 1);
                }
            }
        }
        if changes.written_at.len() < changes.versions.len() {
            self.recent = RecentPurges { from: changes.upto, purges: VecDeque::new() };
        }
    }
}

impl RecentPurges {
    fn push(&mut self, purge: (String, PurgeVersion, UnixMillis)) {
        self.purges.push_back(purge);
        while self.purges.len() > MAX_RELAYED_PURGES {
            if let Some((_, version, _)) = self.purges.pop_front() {
                self.from = self.from.max(version.latest());
            }
        }
    }
}

/// Returns the time at which a reader renews a copy that its writer did not. The chance that one of the readers is
/// due rises e-fold with each seventh of the span, so that for up to a thousand readers the first is usually alone.
fn reader_renews_at(requested_at: UnixMillis, context: SyncContext) -> UnixMillis {
    let usable = usable_ms(context.lease_ms);
    let (first, last) =
        (usable.saturating_mul(READERS_RENEW_FROM) / 100, usable.saturating_mul(READERS_RENEW_BY) / 100);
    let scale = last.saturating_sub(first) as f64 / 7.0;
    let before_last = -context.draw.clamp(f64::MIN_POSITIVE, 1.0).ln() * scale;
    let age = last.saturating_sub(before_last as u64).max(first);
    UnixMillis(requested_at.0.saturating_add(age))
}

/// The part of the lease for which readers trust a copy.
const fn usable_ms(lease_ms: u64) -> u64 {
    lease_ms.saturating_sub(MAX_CLOCK_SKEW_MS)
}

/// The difference between the clocks of two machines of one location for which the bound holds.
pub const MAX_CLOCK_SKEW_MS: u64 = 250;
/// With a shorter lease, the skew would leave too little of it.
pub const MIN_RELAYED_LEASE_MS: u64 = 1_000;
/// Isolates that are further behind ask the purge clock.
pub const MAX_RELAYED_PURGES: usize = 500;
/// The time for which a claim keeps other isolates from asking: longer than most responses of the purge clock take.
pub const CLAIM_MS: u64 = 300;
/// In percent of the usable lease.
const WRITER_RENEWS_AT: u64 = 75;
const READERS_RENEW_FROM: u64 = 84;
const READERS_RENEW_BY: u64 = 93;
