//! The first tier: what this isolate keeps, the least recently used going first. Bodies stay in
//! JavaScript's memory, where they are answered from.

use std::collections::HashMap;
use std::rc::Rc;

use cache::{Headers, Stored, UnixMillis, variant};
use lru::LruCache;
use worker::js_sys::Uint8Array;

/// What is kept of an answer.
pub(crate) struct Entry {
    pub(crate) stored: Stored,
    pub(crate) body: Uint8Array,
    /// Where visitors ask for it.
    pub(crate) url: String,
    size: usize,
    uses: std::cell::Cell<u32>,
    /// The fields as visitors get them, made when the first does.
    pub(crate) dressed: std::cell::OnceCell<worker::web_sys::Headers>,
    /// The same of a 304.
    pub(crate) bare: std::cell::OnceCell<worker::web_sys::Headers>,
}

/// Answers by their keys.
pub(crate) struct Memory {
    entries: LruCache<String, Rc<Entry>>,
    /// The fields that the answers under a key vary on.
    names: LruCache<String, Rc<[String]>>,
    /// Keys whose answers turned out not to be for the cache, and until when that is believed.
    passed: HashMap<String, UnixMillis>,
    size: usize,
    most: usize,
}

impl Default for Memory {
    fn default() -> Self {
        let (entries, names) = (LruCache::unbounded(), LruCache::unbounded());
        Self { entries, names, passed: HashMap::new(), size: 0, most: 0 }
    }
}

impl Entry {
    pub(crate) fn new(stored: Stored, body: Uint8Array, url: String) -> Self {
        // A head's weight is near enough its fields', three times for what is made of them.
        let size = body.length() as usize + stored.headers.size() * 3 + url.len() + OVERHEAD;
        let (dressed, bare) = (std::cell::OnceCell::new(), std::cell::OnceCell::new());
        Self { stored, body, url, size, uses: 0.into(), dressed, bare }
    }

    /// Whether it is asked for so often that it pays to fetch it before it is stale.
    pub(crate) fn is_hot(&self) -> bool {
        self.uses.get() >= HOT
    }

    pub(crate) fn used(&self) {
        self.uses.set(self.uses.get().saturating_add(1));
    }
}

impl Memory {
    pub(crate) fn allow(&mut self, most: usize) {
        self.most = most;
    }

    /// The fields that the answers under a key vary on, if they are known.
    pub(crate) fn names(&mut self, key: &str) -> Option<Rc<[String]>> {
        self.names.get(key).cloned()
    }

    pub(crate) fn vary(&mut self, key: &str, names: Vec<String>) {
        self.names.put(key.to_owned(), names.into());
        while self.names.len() > MOST_NAMES {
            self.names.pop_lru();
        }
    }

    /// What is kept for a request.
    pub(crate) fn find(&mut self, key: &str, request: &Headers) -> Option<Rc<Entry>> {
        match self.names.get(key) {
            Some(names) if !names.is_empty() => {
                let place = format!("{key}{}", variant(names, request));
                self.entries.get(&place).cloned()
            }
            _ => self.entries.get(key).cloned(),
        }
    }

    pub(crate) fn keep(&mut self, place: String, entry: Rc<Entry>) {
        if entry.size > self.most {
            return;
        }
        self.size = self.size.saturating_add(entry.size);
        self.passed.remove(&place);
        if let Some(old) = self.entries.put(place, entry) {
            self.size = self.size.saturating_sub(old.size);
        }
        while self.size > self.most {
            let Some((_, old)) = self.entries.pop_lru() else { break };
            self.size = self.size.saturating_sub(old.size);
        }
    }

    /// What is known of an address is no longer believed.
    pub(crate) fn forget(&mut self, address: &str) {
        let of_it = |entry: &Entry| entry.url.split_once("://").is_some_and(|(_, rest)| rest == address);
        let places: Vec<String> =
            self.entries.iter().filter(|(_, entry)| of_it(entry)).map(|(place, _)| place.clone()).collect();
        for place in places {
            if let Some(old) = self.entries.pop(&place) {
                self.size = self.size.saturating_sub(old.size);
            }
        }
    }

    /// Answers under this key are not for the cache: those who ask meanwhile need not wait for each other.
    pub(crate) fn pass(&mut self, key: &str, now: UnixMillis) {
        if self.passed.len() >= MOST_PASSED {
            self.passed.retain(|_, until| *until > now);
        }
        if self.passed.len() < MOST_PASSED {
            self.passed.insert(key.to_owned(), now.after(PASSED_FOR));
        }
    }

    pub(crate) fn is_passed(&self, key: &str, now: UnixMillis) -> bool {
        self.passed.get(key).is_some_and(|until| *until > now)
    }

    pub(crate) fn soon_stale(&self, now: UnixMillis, most: usize) -> Vec<String> {
        let mut hot: Vec<&Entry> = self
            .entries
            .iter()
            .map(|(_, entry)| &**entry)
            .filter(|entry| entry.stored.left(now) <= entry.stored.terms.lifetime / 4)
            .collect();
        hot.sort_by_key(|entry| std::cmp::Reverse(entry.uses.get()));
        hot.iter().take(most).map(|entry| entry.url.clone()).collect()
    }
}

/// So often since it was fetched.
const HOT: u32 = 10;
const OVERHEAD: usize = 512;
const MOST_NAMES: usize = 10_000;
const MOST_PASSED: usize = 10_000;
/// Milliseconds.
const PASSED_FOR: u64 = 60_000;
