//! The record of a response, of which statistics and traces are made, and what the isolate learns of it.

use std::borrow::Cow;

use wire::UnixMillis;
use wire::beacon::CacheStatus;

use super::Exchange;
use crate::cache_status::LookupOutcome;
use crate::http_head::UrlParts;
use crate::server_timing;
use crate::shared_state::SharedState;

/// The record of a response.
#[derive(Clone, Debug, PartialEq)]
pub struct ExchangeRecord<'a> {
    /// The route under which the response is counted.
    pub route: RecordedRoute<'a>,
    /// The request's method.
    pub method: &'a str,
    /// The status code.
    pub status: u16,
    /// The part that the cache had in it.
    pub cache: CacheStatus,
    /// The detail of `Cache-Status`.
    pub detail: &'static str,
    /// The time at which the request arrived.
    pub started_at: UnixMillis,
    /// The time from then to the head of the response.
    pub edge_ms: u64,
    /// The origin's part of that time.
    pub origin_ms: Option<u64>,
    /// The origin's queries, with their durations in milliseconds.
    pub queries: Vec<(String, f64)>,
}

/// The route under which a response is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordedRoute<'a> {
    /// The page does not exist. All such paths are one route, because anyone can make up more.
    NotFound,
    /// The name that the configuration gives the route.
    Named(&'a str),
    /// A path, whose template the shell derives.
    Path(&'a str),
}

impl<B> Exchange<B> {
    /// Returns the record of a response with this status.
    #[must_use]
    pub fn record(&self, status: u16, now: UnixMillis) -> ExchangeRecord<'_> {
        let response = self.origin.response.as_ref();
        ExchangeRecord {
            route: self.recorded_route(Some(status)),
            method: &self.request.head.method,
            status,
            cache: self.outcome.cache_status(),
            detail: self.cache_status_params(now).detail.unwrap_or("stored"),
            started_at: self.request.started_at,
            edge_ms: now.0.saturating_sub(self.request.started_at.0),
            origin_ms: self.origin.duration_ms,
            queries: response
                .map(|response| server_timing::query_durations(&response.headers))
                .unwrap_or_default(),
        }
    }

    /// Returns the route under which a response with this status is counted, or a request that got none.
    #[must_use]
    pub fn recorded_route(&self, status: Option<u16>) -> RecordedRoute<'_> {
        match (status, self.route().and_then(|route| route.name.as_deref())) {
            (Some(404 | 410), _) => RecordedRoute::NotFound,
            (_, Some(name)) => RecordedRoute::Named(name),
            (_, None) => RecordedRoute::Path(&self.request.path),
        }
    }

    /// Counts a response in the isolate's metrics and learns from its navigation. `page_template` reduces
    /// a path to the template of its pages.
    pub fn observe(
        &mut self,
        status: u16,
        now: UnixMillis,
        shared: &mut SharedState<B>,
        page_template: impl Fn(&str) -> String,
    ) {
        if self.learns_from(status) {
            self.learn_navigation(now, shared, page_template);
        }
        let (entry, url) = match (&self.origin.storable, &self.candidate) {
            (Some(entry), _) => (entry, Cow::Owned(self.url())),
            (None, Some(candidate)) => (&candidate.found.entry, Cow::Borrowed(&*candidate.found.url)),
            (None, None) => return,
        };
        let (lifetime, age) = (entry.freshness.lifetime, entry.age(now));
        shared.metrics.record_response(self.outcome, lifetime, age, &url);
    }

    /// Takes the pages that are likely to follow.
    pub fn take_prefetches(&mut self) -> Vec<String> {
        std::mem::take(&mut self.prefetches)
    }

    /// Returns true for a document that came from the cache or goes into it.
    fn learns_from(&self, status: u16) -> bool {
        let is_cached = matches!(self.outcome, LookupOutcome::Hit | LookupOutcome::Stale)
            || self.origin.storable.is_some();
        let head = &self.request.head;
        let is_prefetching = self.config().predict_per_minute > 0;
        is_prefetching && status == 200 && is_cached && head.method == "GET" && head.is_for_document()
    }

    fn learn_navigation(
        &mut self,
        now: UnixMillis,
        shared: &mut SharedState<B>,
        page_template: impl Fn(&str) -> String,
    ) {
        let host = &self.request.host;
        let page = |path: &str| format!("{host}{}", page_template(path));
        let referer = self.request.head.headers.first("referer").and_then(UrlParts::parse);
        let from = referer.filter(|from| from.host.eq_ignore_ascii_case(host)).map(|from| page(from.path));
        let (url, page) = (self.url(), page(&self.request.path));
        if let Some(from) = from {
            shared.prefetcher.record_navigation(&from, &url, now);
        }
        self.prefetches = shared.prefetcher.suggest(&page, self.config().predict_per_minute, now);
    }
}

impl RecordedRoute<'_> {
    /// Returns the name for the statistics.
    #[must_use]
    pub fn name(self, page_template: impl Fn(&str) -> String) -> String {
        match self {
            Self::NotFound => NOT_FOUND_ROUTE.to_owned(),
            Self::Named(name) => name.to_owned(),
            Self::Path(path) => page_template(path),
        }
    }
}

const NOT_FOUND_ROUTE: &str = "(not found)";
/// The route of requests that are rejected before the cache is asked.
pub const REJECTED_ROUTE: &str = "(refused)";
