//! What this isolate knows of the ways that visitors go, and how much of what is likely next it may
//! still fetch.

use cache::UnixMillis;
use cache::prefetch::MarkovTable;
use lru::LruCache;
use worker::wasm_bindgen::prelude::wasm_bindgen;

use crate::edge::ISOLATE;

/// Plain data of the isolate.
pub(crate) struct Prefetcher {
    known: MarkovTable,
    /// What the clock does not know yet.
    unsynced: MarkovTable,
    /// What was thought of lately.
    recently_suggested: LruCache<String, UnixMillis>,
    /// The minute, and how often an origin was asked in it.
    requests_this_minute: (u64, u32),
    aged_at: UnixMillis,
}

impl Default for Prefetcher {
    fn default() -> Self {
        let (known, unsynced) = Default::default();
        Self {
            known,
            unsynced,
            recently_suggested: LruCache::unbounded(),
            requests_this_minute: (0, 0),
            aged_at: UnixMillis(0),
        }
    }
}

impl Prefetcher {
    /// A visitor went from a page to an address.
    pub(crate) fn record_navigation(&mut self, from: &str, to: &str, now: UnixMillis) {
        if now.0.saturating_sub(self.aged_at.0) > AGING_INTERVAL_MS {
            self.known.decay();
            self.aged_at = now;
        }
        self.known.record(from, to, 1);
        self.unsynced.record(from, to, 1);
    }

    /// What is likely after a page and was not thought of lately, where more may be asked for.
    pub(crate) fn suggest(&mut self, page: &str, per_minute: u32, now: UnixMillis) -> Vec<String> {
        if !self.has_quota(per_minute, now) {
            return Vec::new();
        }
        let likely = self.known.likely_next(page, MIN_SHARE, MAX_SUGGESTIONS);
        let mut next = Vec::new();
        for (to, _) in likely {
            let is_news = self
                .recently_suggested
                .get(to)
                .is_none_or(|at| now.0.saturating_sub(at.0) > SUGGEST_INTERVAL_MS);
            if is_news {
                self.recently_suggested.put(to.to_owned(), now);
                next.push(to.to_owned());
            }
        }
        while self.recently_suggested.len() > MAX_RECENTLY_SUGGESTED {
            self.recently_suggested.pop_lru();
        }
        next
    }

    fn has_quota(&self, per_minute: u32, now: UnixMillis) -> bool {
        let (minute, asked) = self.requests_this_minute;
        per_minute > 0 && (minute != now.0 / MINUTE_MS || asked < per_minute)
    }

    /// Takes one of the minute's requests, if one is left.
    fn take_quota(&mut self, per_minute: u32, now: UnixMillis) -> bool {
        let may = self.has_quota(per_minute, now);
        if may {
            let minute = now.0 / MINUTE_MS;
            let asked = if self.requests_this_minute.0 == minute { self.requests_this_minute.1 } else { 0 };
            self.requests_this_minute = (minute, asked.saturating_add(1));
        }
        may
    }
}

/// Whether an origin may be asked for a likely next page: each time that it may counts.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn may_ask_ahead(per_minute: u32, now: f64) -> bool {
    ISOLATE.with_borrow_mut(|isolate| isolate.prefetcher.take_quota(per_minute, UnixMillis(now as u64)))
}

/// The ways that the clock does not know yet, as JSON; nothing, where it knows all.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn take_ways() -> Option<String> {
    let news = ISOLATE.with_borrow_mut(|isolate| std::mem::take(&mut isolate.prefetcher.unsynced));
    if news.is_empty() { None } else { serde_json::to_string(&news).ok() }
}

/// A page that follows more seldom is not worth a request.
pub(crate) const MIN_SHARE: f64 = 0.2;
const MAX_SUGGESTIONS: usize = 3;
const MAX_RECENTLY_SUGGESTED: usize = 1_000;
/// Milliseconds.
const MINUTE_MS: u64 = 60_000;
const SUGGEST_INTERVAL_MS: u64 = 10_000;
const AGING_INTERVAL_MS: u64 = 6 * 60 * MINUTE_MS;
