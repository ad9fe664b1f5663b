//! Invalidation by writes (RFC 9111 §4.4). An isolate forgets the older responses of a written URL at once
//! and for itself. Other isolates learn of the write only on routes with `purge_on_write`, in batches:
//! anybody can write, so the number of batches, their size and the marks that the purge clock accepts are
//! bounded. Marks beyond a bound are refused and counted.

use std::collections::BTreeSet;

use lru::LruCache;
use wire::UnixMillis;

use crate::url_hash::UrlHash;

/// The writes that one isolate forwarded.
#[derive(Debug)]
pub struct WriteLog {
    /// The time of each URL's last write, the least recent first out.
    written: LruCache<UrlHash, UnixMillis>,
    /// The URLs whose writes other isolates are to learn of.
    pending: BTreeSet<UrlHash>,
    /// The time of the next batch, or of the last one.
    batch_at: UnixMillis,
}

/// The marks of one write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueuedMarks {
    /// The number of marks for which the batch has no room.
    pub refused: u64,
    /// The milliseconds until the batch is to be sent. None: another write sends it.
    pub send_in_ms: Option<u64>,
}

/// The limit of the purge clock for marks by writes: a token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteMarkLimiter {
    /// In thousandths of a mark.
    tokens: u64,
    refilled_at: UnixMillis,
}

impl WriteLog {
    /// Records a write to a URL. Responses requested up to now are void in this isolate.
    pub fn record(&mut self, url: &str, now: UnixMillis) {
        self.written.put(UrlHash::from_url(url), now);
        while self.written.len() > MAX_RECORDED_WRITES {
            self.written.pop_lru();
        }
    }

    /// Returns true if the URL was written at this time or later.
    #[must_use]
    pub fn is_written_since(&self, url: &str, time: UnixMillis) -> bool {
        // Fast path: most isolates forward no writes.
        !self.written.is_empty()
            && self.written.peek(&UrlHash::from_url(url)).is_some_and(|written| *written >= time)
    }

    /// Adds URLs to the next batch. A batch takes what was written until it is sent, so that no write is
    /// left out, and a URL has at most one mark in [`BATCH_INTERVAL_MS`].
    pub fn enqueue<'a>(&mut self, urls: impl IntoIterator<Item = &'a str>, now: UnixMillis) -> QueuedMarks {
        let mut marks = QueuedMarks::default();
        let is_scheduled = !self.pending.is_empty() && self.batch_at >= now;
        for url in urls {
            let hash = UrlHash::from_url(url);
            if self.pending.len() < MAX_BATCH_MARKS || self.pending.contains(&hash) {
                self.pending.insert(hash);
            } else {
                marks.refused += 1;
            }
        }
        if !is_scheduled && !self.pending.is_empty() {
            self.batch_at = now.max(self.batch_at.saturating_add(BATCH_INTERVAL_MS));
            marks.send_in_ms = Some(self.batch_at.0.saturating_sub(now.0));
        }
        marks
    }

    /// Takes the batch.
    pub fn take_batch(&mut self, now: UnixMillis) -> BTreeSet<UrlHash> {
        self.batch_at = self.batch_at.max(now);
        std::mem::take(&mut self.pending)
    }

    /// Puts a batch back that was not delivered. The next one delivers it.
    pub fn restore(&mut self, batch: BTreeSet<UrlHash>) {
        self.pending.extend(batch.into_iter().take(MAX_BATCH_MARKS));
    }
}

impl Default for WriteLog {
    fn default() -> Self {
        Self { written: LruCache::unbounded(), pending: BTreeSet::new(), batch_at: UnixMillis(0) }
    }
}

impl WriteMarkLimiter {
    /// Creates a full bucket.
    #[must_use]
    pub const fn new(now: UnixMillis) -> Self {
        Self { tokens: MARKS_BURST * 1000, refilled_at: now }
    }

    /// Returns the number of marks to store, of those in a batch.
    pub fn admit(&mut self, marks: usize, stored: usize, now: UnixMillis) -> usize {
        let elapsed = now.0.saturating_sub(self.refilled_at.0);
        self.refilled_at = self.refilled_at.max(now);
        let refill = elapsed.saturating_mul(MARKS_PER_SECOND);
        self.tokens = self.tokens.saturating_add(refill).min(MARKS_BURST * 1000);
        let available = usize::try_from(self.tokens / 1000).unwrap_or(usize::MAX);
        let admitted = marks.min(available).min(MAX_WRITE_VERSIONS.saturating_sub(stored));
        self.tokens = self.tokens.saturating_sub((admitted as u64).saturating_mul(1000));
        admitted
    }
}

/// The shortest time between two batches of an isolate.
pub const BATCH_INTERVAL_MS: u64 = 2_000;
/// The maximum number of marks in a batch.
pub const MAX_BATCH_MARKS: usize = 100;
/// The marks that the purge clock stores per second, from all isolates.
pub const MARKS_PER_SECOND: u64 = 20;
/// The marks that the purge clock stores at once after a quiet time.
pub const MARKS_BURST: u64 = 400;
/// The maximum number of purge versions of writes. The other purges evict the oldest versions and raise the
/// floor instead, which purges more; a visitor must not be able to.
pub const MAX_WRITE_VERSIONS: usize = 50_000;
/// The number of URLs whose last write an isolate remembers.
const MAX_RECORDED_WRITES: usize = 10_000;
