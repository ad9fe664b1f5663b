//! Prefetching in one isolate: learns from navigations, suggests likely next pages, and keeps to the
//! configured number of origin requests a minute.

use std::fmt;

use lru::LruCache;
use wire::UnixMillis;

use crate::prefetch::MarkovTable;

/// The navigations known to an isolate, and its request quota.
pub struct Prefetcher {
    known: MarkovTable,
    /// Navigations that were not handed over by [`Self::take_unsynced`] yet.
    unsynced: MarkovTable,
    recently_suggested: LruCache<String, UnixMillis>,
    /// The current minute and its number of origin requests.
    requests_this_minute: (u64, u32),
    decayed_at: UnixMillis,
}

impl Prefetcher {
    /// Records that a visitor went from a page to a URL.
    pub fn record_navigation(&mut self, from: &str, to: &str, now: UnixMillis) {
        if now.0.saturating_sub(self.decayed_at.0) > DECAY_INTERVAL_MS {
            self.known.decay();
            self.decayed_at = now;
        }
        self.known.record(from, to, 1);
        self.unsynced.record(from, to, 1);
    }

    /// Returns the likely next pages that were not suggested within the last ten seconds. Returns none
    /// while the quota is used up.
    pub fn suggest(&mut self, page: &str, per_minute: u32, now: UnixMillis) -> Vec<String> {
        if !self.has_quota(per_minute, now) {
            return Vec::new();
        }
        let likely = self.known.likely_next(page, MIN_SHARE, MAX_SUGGESTIONS);
        let mut suggestions = Vec::new();
        for (to, _) in likely {
            let is_new = self
                .recently_suggested
                .get(to)
                .is_none_or(|at| now.0.saturating_sub(at.0) > SUGGEST_INTERVAL_MS);
            if is_new {
                self.recently_suggested.put(to.to_owned(), now);
                suggestions.push(to.to_owned());
            }
        }
        while self.recently_suggested.len() > MAX_RECENTLY_SUGGESTED {
            self.recently_suggested.pop_lru();
        }
        suggestions
    }

    /// Takes one origin request from the minute's quota. Returns false if none is left.
    pub fn take_quota(&mut self, per_minute: u32, now: UnixMillis) -> bool {
        let has_quota = self.has_quota(per_minute, now);
        if has_quota {
            let minute = now.0 / MINUTE_MS;
            let used = if self.requests_this_minute.0 == minute { self.requests_this_minute.1 } else { 0 };
            self.requests_this_minute = (minute, used.saturating_add(1));
        }
        has_quota
    }

    /// Takes the navigations recorded since the last call.
    pub fn take_unsynced(&mut self) -> MarkovTable {
        std::mem::take(&mut self.unsynced)
    }

    const fn has_quota(&self, per_minute: u32, now: UnixMillis) -> bool {
        let (minute, used) = self.requests_this_minute;
        per_minute > 0 && (minute != now.0 / MINUTE_MS || used < per_minute)
    }
}

impl Default for Prefetcher {
    fn default() -> Self {
        Self {
            known: MarkovTable::default(),
            unsynced: MarkovTable::default(),
            recently_suggested: LruCache::unbounded(),
            requests_this_minute: (0, 0),
            decayed_at: UnixMillis(0),
        }
    }
}

impl fmt::Debug for Prefetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prefetcher").field("known", &self.known).finish_non_exhaustive()
    }
}

/// Pages that follow less often are not worth a request.
pub const MIN_SHARE: f64 = 0.2;
const MAX_SUGGESTIONS: usize = 3;
const MAX_RECENTLY_SUGGESTED: usize = 1_000;
const MINUTE_MS: u64 = 60_000;
const SUGGEST_INTERVAL_MS: u64 = 10_000;
const DECAY_INTERVAL_MS: u64 = 6 * 60 * MINUTE_MS;
