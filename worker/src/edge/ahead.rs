//! What this isolate knows of the ways that visitors go, and how much of what is likely next it may
//! still fetch.

use cache::UnixMillis;
use cache::predict::Transitions;
use lru::LruCache;
use worker::wasm_bindgen::prelude::wasm_bindgen;

use crate::edge::ISOLATE;

/// Plain data of the isolate.
pub(crate) struct Ahead {
    known: Transitions,
    /// What the clock does not know yet.
    news: Transitions,
    /// What was thought of lately.
    thought_of: LruCache<String, UnixMillis>,
    /// The minute, and how often an origin was asked in it.
    asked: (u64, u32),
    aged_at: UnixMillis,
}

impl Default for Ahead {
    fn default() -> Self {
        let (known, news) = Default::default();
        Self { known, news, thought_of: LruCache::unbounded(), asked: (0, 0), aged_at: UnixMillis(0) }
    }
}

impl Ahead {
    /// A visitor went from a page to an address.
    pub(crate) fn saw(&mut self, from: &str, to: &str, now: UnixMillis) {
        if now.0.saturating_sub(self.aged_at.0) > AGES_EVERY {
            self.known.age();
            self.aged_at = now;
        }
        self.known.saw(from, to, 1);
        self.news.saw(from, to, 1);
    }

    /// What is likely after a page and was not thought of lately, where more may be asked for.
    pub(crate) fn next(&mut self, page: &str, per_minute: u32, now: UnixMillis) -> Vec<String> {
        if !self.may_ask(per_minute, now) {
            return Vec::new();
        }
        let likely = self.known.likely(page, LEAST_SHARE, MOST_NEXT);
        let mut next = Vec::new();
        for (to, _) in likely {
            let is_news =
                self.thought_of.get(to).is_none_or(|at| now.0.saturating_sub(at.0) > THOUGHT_OF_EVERY);
            if is_news {
                self.thought_of.put(to.to_owned(), now);
                next.push(to.to_owned());
            }
        }
        while self.thought_of.len() > MOST_THOUGHT_OF {
            self.thought_of.pop_lru();
        }
        next
    }

    fn may_ask(&self, per_minute: u32, now: UnixMillis) -> bool {
        let (minute, asked) = self.asked;
        per_minute > 0 && (minute != now.0 / MINUTE || asked < per_minute)
    }

    /// Takes one of the minute's requests, if one is left.
    fn ask(&mut self, per_minute: u32, now: UnixMillis) -> bool {
        let may = self.may_ask(per_minute, now);
        if may {
            let minute = now.0 / MINUTE;
            let asked = if self.asked.0 == minute { self.asked.1 } else { 0 };
            self.asked = (minute, asked.saturating_add(1));
        }
        may
    }
}

/// Whether an origin may be asked for a likely next page: each time that it may counts.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn may_ask_ahead(per_minute: u32, now: f64) -> bool {
    ISOLATE.with_borrow_mut(|isolate| isolate.ahead.ask(per_minute, UnixMillis(now as u64)))
}

/// The ways that the clock does not know yet, as JSON; nothing, where it knows all.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn take_ways() -> Option<String> {
    let news = ISOLATE.with_borrow_mut(|isolate| std::mem::take(&mut isolate.ahead.news));
    if news.is_empty() { None } else { serde_json::to_string(&news).ok() }
}

/// A page that follows more seldom is not worth a request.
pub(crate) const LEAST_SHARE: f64 = 0.2;
const MOST_NEXT: usize = 3;
const MOST_THOUGHT_OF: usize = 1_000;
/// Milliseconds.
const MINUTE: u64 = 60_000;
const THOUGHT_OF_EVERY: u64 = 10_000;
const AGES_EVERY: u64 = 6 * 60 * MINUTE;
