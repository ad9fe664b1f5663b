//! The first tier: the responses that an isolate keeps in memory, least recently used first out. The
//! bodies are the shell's: the cache knows their length alone.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use lru::LruCache;
use wire::UnixMillis;

use crate::entry::CacheEntry;
use crate::headers::Headers;
use crate::vary::variant_key;
use wire::sorting::SortSlice;

/// A response in memory. `B` is the shell's handle of its body.
#[derive(Debug)]
pub struct MemoryEntry<B> {
    /// The stored response.
    pub entry: CacheEntry,
    /// The shell's handle of the body.
    pub body: B,
    /// The length of the body in bytes.
    pub body_length: u32,
    /// The URL that clients request.
    pub url: String,
    size: usize,
    uses: Cell<u32>,
}

/// Responses by storage key, bounded by their total size in bytes.
pub struct MemoryCache<B> {
    entries: LruCache<String, Rc<MemoryEntry<B>>>,
    /// By cache key, the request fields on which its responses vary.
    vary_fields: LruCache<String, Rc<[String]>>,
    /// Cache keys whose responses proved uncacheable, with the end of that knowledge.
    uncacheable_until: HashMap<String, UnixMillis>,
    size: usize,
    max_bytes: usize,
}

impl<B> MemoryEntry<B> {
    /// A response that has not been used yet.
    #[must_use]
    pub fn new(entry: CacheEntry, body: B, body_length: u32, url: String) -> Self {
        // The header fields count three times, for the copies that are made of them.
        let size = body_length as usize + entry.headers.size() * 3 + url.len() + ENTRY_OVERHEAD_BYTES;
        Self { entry, body, body_length, url, size, uses: Cell::new(0) }
    }

    /// Returns true if refreshing the entry before it goes stale pays.
    #[must_use]
    pub fn is_hot(&self) -> bool {
        self.uses.get() >= HOT_USES
    }

    /// Counts one use.
    pub fn record_use(&self) {
        self.uses.set(self.uses.get().saturating_add(1));
    }
}

impl<B> MemoryCache<B> {
    /// Sets the limit for the total size.
    pub const fn set_max_bytes(&mut self, max_bytes: usize) {
        self.max_bytes = max_bytes;
    }

    /// Returns the request fields on which the responses of a cache key vary, if known.
    pub fn vary_fields(&mut self, key: &str) -> Option<Rc<[String]>> {
        self.vary_fields.get(key).cloned()
    }

    /// Returns the request fields on which the responses of a cache key vary, if known. It does not count as a
    /// use.
    pub fn peek_vary_fields(&self, key: &str) -> Option<&[String]> {
        self.vary_fields.peek(key).map(|names| &**names)
    }

    /// Forgets the request fields on which the responses of a cache key vary.
    pub fn forget_vary_fields(&mut self, key: &str) {
        self.vary_fields.pop(key);
    }

    /// Records the request fields on which the responses of a cache key vary.
    pub fn set_vary_fields(&mut self, key: &str, names: Vec<String>) {
        self.vary_fields.put(key.to_owned(), names.into());
        while self.vary_fields.len() > MAX_VARY_KEYS {
            self.vary_fields.pop_lru();
        }
    }

    /// Returns the cache key followed by the request's variant.
    pub fn storage_key(&mut self, key: &str, request: &Headers) -> String {
        match self.vary_fields.get(key) {
            Some(names) => format!("{key}{}", variant_key(names, request)),
            None => key.to_owned(),
        }
    }

    /// Returns the entry for a request.
    pub fn get(&mut self, key: &str, request: &Headers) -> Option<Rc<MemoryEntry<B>>> {
        match self.vary_fields.get(key) {
            Some(names) if !names.is_empty() => {
                let storage_key = format!("{key}{}", variant_key(names, request));
                self.entries.get(&storage_key).cloned()
            }
            _ => self.entries.get(key).cloned(),
        }
    }

    /// Stores an entry, unless it alone exceeds the limit.
    pub fn insert(&mut self, storage_key: String, entry: Rc<MemoryEntry<B>>) {
        if entry.size > self.max_bytes {
            return;
        }
        self.size = self.size.saturating_add(entry.size);
        self.uncacheable_until.remove(&storage_key);
        if let Some(old) = self.entries.put(storage_key, entry) {
            self.size = self.size.saturating_sub(old.size);
        }
        while self.size > self.max_bytes {
            let Some((_, old)) = self.entries.pop_lru() else { break };
            self.size = self.size.saturating_sub(old.size);
        }
    }

    /// Records that the responses of a cache key are not storable, so that concurrent requests need not
    /// wait for each other.
    pub fn mark_uncacheable(&mut self, key: &str, now: UnixMillis) {
        if self.uncacheable_until.len() >= MAX_UNCACHEABLE_KEYS {
            self.uncacheable_until.retain(|_, until| *until > now);
        }
        if self.uncacheable_until.len() < MAX_UNCACHEABLE_KEYS {
            self.uncacheable_until.insert(key.to_owned(), now.saturating_add(UNCACHEABLE_TTL_MS));
        }
    }

    /// Returns true for a minute after [`Self::mark_uncacheable`].
    #[must_use]
    pub fn is_uncacheable(&self, key: &str, now: UnixMillis) -> bool {
        self.uncacheable_until.get(key).is_some_and(|until| *until > now)
    }

    /// Returns the URLs of entries in the last quarter of their lifetime, the most used first.
    #[must_use]
    pub fn expiring_soon(&self, now: UnixMillis, limit: usize) -> Vec<String> {
        let mut expiring: Vec<&MemoryEntry<B>> = self
            .entries
            .iter()
            .map(|(_, entry)| &**entry)
            .filter(|found| found.entry.remaining_lifetime(now) <= found.entry.freshness.lifetime / 4)
            .collect();
        expiring.order_by_key(|entry| std::cmp::Reverse(entry.uses.get()));
        expiring.iter().take(limit).map(|entry| entry.url.clone()).collect()
    }
}

impl<B> Default for MemoryCache<B> {
    fn default() -> Self {
        let (entries, vary_fields) = (LruCache::unbounded(), LruCache::unbounded());
        Self { entries, vary_fields, uncacheable_until: HashMap::new(), size: 0, max_bytes: 0 }
    }
}

impl<B> fmt::Debug for MemoryCache<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCache")
            .field("entries", &self.entries.len())
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// Uses since the fetch that make an entry hot.
const HOT_USES: u32 = 10;
const ENTRY_OVERHEAD_BYTES: usize = 512;
const MAX_VARY_KEYS: usize = 10_000;
const MAX_UNCACHEABLE_KEYS: usize = 10_000;
const UNCACHEABLE_TTL_MS: u64 = 60_000;
