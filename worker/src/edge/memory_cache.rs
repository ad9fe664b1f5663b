//! The first tier: what this isolate keeps, the least recently used going first. Bodies stay in
//! JavaScript's memory, where they are answered from.

use std::collections::HashMap;
use std::rc::Rc;

use cache::{CacheEntry, Headers, UnixMillis, variant_key};
use lru::LruCache;
use worker::js_sys::Uint8Array;

/// What is kept of an answer.
pub(crate) struct MemoryEntry {
    pub(crate) stored: CacheEntry,
    pub(crate) body: Uint8Array,
    /// Where visitors ask for it.
    pub(crate) url: String,
    size: usize,
    uses: std::cell::Cell<u32>,
    /// The fields as visitors get them, made when the first does.
    pub(crate) response_headers: std::cell::OnceCell<worker::web_sys::Headers>,
    /// The same of a 304.
    pub(crate) not_modified_headers: std::cell::OnceCell<worker::web_sys::Headers>,
}

/// Answers by their keys.
pub(crate) struct MemoryCache {
    entries: LruCache<String, Rc<MemoryEntry>>,
    /// The fields that the answers under a key vary on.
    vary_fields: LruCache<String, Rc<[String]>>,
    /// Keys whose answers turned out not to be for the cache, and until when that is believed.
    uncacheable_until: HashMap<String, UnixMillis>,
    size: usize,
    max_bytes: usize,
}

impl Default for MemoryCache {
    fn default() -> Self {
        let (entries, vary_fields) = (LruCache::unbounded(), LruCache::unbounded());
        Self { entries, vary_fields, uncacheable_until: HashMap::new(), size: 0, max_bytes: 0 }
    }
}

impl MemoryEntry {
    pub(crate) fn new(stored: CacheEntry, body: Uint8Array, url: String) -> Self {
        // A head's weight is near enough its fields', three times for what is made of them.
        let size = body.length() as usize + stored.headers.size() * 3 + url.len() + ENTRY_OVERHEAD_BYTES;
        let (response_headers, not_modified_headers) =
            (std::cell::OnceCell::new(), std::cell::OnceCell::new());
        Self { stored, body, url, size, uses: 0.into(), response_headers, not_modified_headers }
    }

    /// Whether it is asked for so often that it pays to fetch it before it is stale.
    pub(crate) fn is_hot(&self) -> bool {
        self.uses.get() >= HOT_USES
    }

    pub(crate) fn record_use(&self) {
        self.uses.set(self.uses.get().saturating_add(1));
    }
}

impl MemoryCache {
    pub(crate) fn set_max_bytes(&mut self, max_bytes: usize) {
        self.max_bytes = max_bytes;
    }

    /// The fields that the answers under a key vary on, if they are known.
    pub(crate) fn vary_fields(&mut self, key: &str) -> Option<Rc<[String]>> {
        self.vary_fields.get(key).cloned()
    }

    pub(crate) fn set_vary_fields(&mut self, key: &str, names: Vec<String>) {
        self.vary_fields.put(key.to_owned(), names.into());
        while self.vary_fields.len() > MAX_VARY_KEYS {
            self.vary_fields.pop_lru();
        }
    }

    /// What is kept for a request.
    pub(crate) fn get(&mut self, key: &str, request: &Headers) -> Option<Rc<MemoryEntry>> {
        match self.vary_fields.get(key) {
            Some(names) if !names.is_empty() => {
                let place = format!("{key}{}", variant_key(names, request));
                self.entries.get(&place).cloned()
            }
            _ => self.entries.get(key).cloned(),
        }
    }

    pub(crate) fn insert(&mut self, key: String, entry: Rc<MemoryEntry>) {
        if entry.size > self.max_bytes {
            return;
        }
        self.size = self.size.saturating_add(entry.size);
        self.uncacheable_until.remove(&key);
        if let Some(old) = self.entries.put(key, entry) {
            self.size = self.size.saturating_sub(old.size);
        }
        while self.size > self.max_bytes {
            let Some((_, old)) = self.entries.pop_lru() else { break };
            self.size = self.size.saturating_sub(old.size);
        }
    }

    /// What is known of an address is no longer believed.
    pub(crate) fn evict_url(&mut self, address: &str) {
        let of_it =
            |entry: &MemoryEntry| entry.url.split_once("://").is_some_and(|(_, rest)| rest == address);
        let places: Vec<String> =
            self.entries.iter().filter(|(_, entry)| of_it(entry)).map(|(place, _)| place.clone()).collect();
        for place in places {
            if let Some(old) = self.entries.pop(&place) {
                self.size = self.size.saturating_sub(old.size);
            }
        }
    }

    /// Answers under this key are not for the cache: those who ask meanwhile need not wait for each other.
    pub(crate) fn mark_uncacheable(&mut self, key: &str, now: UnixMillis) {
        if self.uncacheable_until.len() >= MAX_UNCACHEABLE_KEYS {
            self.uncacheable_until.retain(|_, until| *until > now);
        }
        if self.uncacheable_until.len() < MAX_UNCACHEABLE_KEYS {
            self.uncacheable_until.insert(key.to_owned(), now.saturating_add(UNCACHEABLE_TTL_MS));
        }
    }

    pub(crate) fn is_uncacheable(&self, key: &str, now: UnixMillis) -> bool {
        self.uncacheable_until.get(key).is_some_and(|until| *until > now)
    }

    pub(crate) fn expiring_soon(&self, now: UnixMillis, max: usize) -> Vec<String> {
        let mut hot: Vec<&MemoryEntry> = self
            .entries
            .iter()
            .map(|(_, entry)| &**entry)
            .filter(|entry| entry.stored.remaining_lifetime(now) <= entry.stored.freshness.lifetime / 4)
            .collect();
        hot.sort_by_key(|entry| std::cmp::Reverse(entry.uses.get()));
        hot.iter().take(max).map(|entry| entry.url.clone()).collect()
    }
}

/// So often since it was fetched.
const HOT_USES: u32 = 10;
const ENTRY_OVERHEAD_BYTES: usize = 512;
const MAX_VARY_KEYS: usize = 10_000;
const MAX_UNCACHEABLE_KEYS: usize = 10_000;
/// Milliseconds.
const UNCACHEABLE_TTL_MS: u64 = 60_000;
