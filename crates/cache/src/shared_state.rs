//! The state that all exchanges of one isolate share. Plain data: nothing in it belongs to a request.

use std::collections::BTreeMap;

use wire::UnixMillis;

use crate::memory_cache::MemoryCache;
use crate::metrics::CacheMetrics;
use crate::origin_limiter::{OriginLimiter, OriginLimits};
use crate::prefetcher::Prefetcher;
use crate::purge::PurgeView;
use crate::write_purge::WriteLog;

/// An isolate's memory cache, its view of purges, its origin limiters, its prefetcher and its metrics.
#[derive(Debug)]
pub struct SharedState<B> {
    /// The purges known here.
    pub purge_view: PurgeView,
    /// The writes that went through this isolate.
    pub writes: WriteLog,
    /// The first tier.
    pub memory: MemoryCache<B>,
    /// By the index of the route.
    limiters: BTreeMap<usize, OriginLimiter>,
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
            writes: WriteLog::default(),
            memory: MemoryCache::default(),
            limiters: BTreeMap::new(),
            prefetcher: Prefetcher::default(),
            metrics: CacheMetrics::default(),
        }
    }
}
