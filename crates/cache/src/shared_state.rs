//! The state that all exchanges of one isolate share. Plain data: nothing in it belongs to a request.

use std::collections::BTreeMap;

use wire::UnixMillis;

use crate::memory_cache::MemoryCache;
use crate::metrics::CacheMetrics;
use crate::origin_limiter::{OriginLimiter, OriginLimits};
use crate::prefetcher::Prefetcher;
use crate::purge::PurgeView;
use crate::purge_relay::PurgeSync;
use crate::vary::shared_codings;
use crate::visitor_rate::VisitorLimiter;
use crate::write_purge::WriteLog;

/// An isolate's memory cache, its view of purges, its origin limiters, its prefetcher and its metrics.
#[derive(Debug)]
pub struct SharedState<B> {
    /// The purges known here.
    pub purge_view: PurgeView,
    /// The sync of that view.
    pub purge_sync: PurgeSync,
    /// The writes that went through this isolate.
    pub writes: WriteLog,
    /// The Accept-Encoding of the last client, as sent and in the form of the key; none before the first.
    client_codings: Option<(String, String)>,
    /// The first tier.
    pub memory: MemoryCache<B>,
    /// By the index of the route, the fields on which its last storable response varied: the best guess for a
    /// URL without a stored response.
    pub(crate) expected_vary_fields: BTreeMap<usize, Vec<String>>,
    /// By the index of the route.
    limiters: BTreeMap<usize, OriginLimiter>,
    /// The requests of visitors to routes with a `rate`.
    pub(crate) visitors: VisitorLimiter,
    /// Navigations and the quota of prefetches.
    pub prefetcher: Prefetcher,
    /// The metrics that were not flushed yet.
    pub metrics: CacheMetrics,
}

impl<B> SharedState<B> {
    /// Returns the limiter of a route, once it was asked.
    #[must_use]
    pub fn limiter(&self, route_index: usize) -> Option<&OriginLimiter> {
        self.limiters.get(&route_index)
    }

    /// Records the codings of a visitor, so that requests of the cache's own fill the same entries.
    pub fn record_codings(&mut self, accept_encoding: Option<&str>) {
        let sent = accept_encoding.unwrap_or_default();
        // Fast path: the platform sends the same codings for every client.
        if self.client_codings.as_ref().is_none_or(|(last, _)| last != sent) {
            self.client_codings = Some((sent.to_owned(), shared_codings(sent)));
        }
        if let Some((_, codings)) = &self.client_codings {
            self.metrics.record_codings(codings);
        }
    }

    /// Records the codings of a client that is no visitor. Those of visitors come first.
    pub fn suppose_codings(&mut self, accept_encoding: Option<&str>) {
        let sent = accept_encoding.unwrap_or_default();
        self.client_codings.get_or_insert_with(|| (sent.to_owned(), shared_codings(sent)));
    }

    /// Returns the Accept-Encoding of the last client; empty for none.
    #[must_use]
    pub fn client_codings(&self) -> &str {
        self.client_codings.as_ref().map_or(PLATFORM_CODINGS, |(sent, _)| sent)
    }

    /// Returns each Accept-Encoding whose variants are worth warming: those of visitors of all isolates, as far as they
    /// are known, or else of the last client.
    #[must_use]
    pub fn codings_to_warm(&self, of_all: Option<&CacheMetrics>) -> Vec<String> {
        let mut counts = self.metrics.clone();
        if let Some(of_all) = of_all {
            counts.merge(of_all);
        }
        let frequent = counts.frequent_codings();
        if frequent.is_empty() { vec![self.client_codings().to_owned()] } else { frequent }
    }

    pub(crate) fn limiter_mut(&mut self, route_index: usize) -> Option<&mut OriginLimiter> {
        self.limiters.get_mut(&route_index)
    }

    pub(crate) fn limiter_or_new(
        &mut self,
        route_index: usize,
        limits: OriginLimits,
        now: UnixMillis,
    ) -> &mut OriginLimiter {
        self.limiters.entry(route_index).or_insert_with(|| OriginLimiter::new(limits, now))
    }
}

impl<B> Default for SharedState<B> {
    fn default() -> Self {
        Self {
            purge_view: PurgeView::default(),
            purge_sync: PurgeSync::default(),
            writes: WriteLog::default(),
            client_codings: None,
            memory: MemoryCache::default(),
            expected_vary_fields: BTreeMap::new(),
            limiters: BTreeMap::new(),
            visitors: VisitorLimiter::default(),
            prefetcher: Prefetcher::default(),
            metrics: CacheMetrics::default(),
        }
    }
}

/// The Accept-Encoding that Cloudflare sends to Workers for current browsers.
const PLATFORM_CODINGS: &str = "gzip, br";
