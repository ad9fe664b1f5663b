//! Invalidation by unsafe methods (RFC 9111 §4.4).

use url::Url;
use wire::UnixMillis;

use super::Exchange;
use crate::route::CacheRoute;
use crate::shared_state::SharedState;
use wire::sorting::SortSlice;

/// A URL that a write invalidates.
#[derive(Debug, PartialEq, Eq)]
struct InvalidatedUrl {
    url: String,
    /// Its route purges it everywhere.
    is_purged: bool,
}

impl<B> Exchange<B> {
    /// Invalidates the URLs of a successful write in this isolate: the requested one, and those in
    /// `Location` and `Content-Location`. Returns the milliseconds after which the shell is to send the
    /// batch of marks to the purge clock; none if there is nothing to send, or another write sends it.
    pub fn invalidate(&self, now: UnixMillis, shared: &mut SharedState<B>) -> Option<u64> {
        let invalidated = self.invalidated_urls().unwrap_or_default();
        for InvalidatedUrl { url, .. } in &invalidated {
            shared.writes.record(url, now);
        }
        let purged = invalidated.iter().filter(|invalidated| invalidated.is_purged);
        let marks = shared.writes.enqueue(purged.map(|InvalidatedUrl { url, .. }| &**url), now);
        shared.metrics.refused_purges = shared.metrics.refused_purges.saturating_add(marks.refused);
        marks.send_in_ms
    }

    fn invalidated_urls(&self) -> Option<Vec<InvalidatedUrl>> {
        let response = self.origin.response.as_ref()?;
        let is_write = self.request.head.is_unsafe() && (200..400).contains(&response.status);
        let route = self.route().filter(|route| is_write && !route.bypass)?;
        let base = Url::parse(&self.url()).ok()?;
        let linked =
            ["location", "content-location"].into_iter().filter_map(|name| response.headers.first(name));
        let mut urls: Vec<InvalidatedUrl> = linked
            .filter_map(|reference| base.join(reference).ok())
            // RFC 9111 §4.4: a response must not invalidate the URLs of another origin.
            .filter(|url| url.origin() == base.origin())
            .chain(std::iter::once(base.clone()))
            .map(|url| self.invalidated_url(&url, route))
            .collect();
        urls.order_by(|one, other| one.url.cmp(&other.url));
        urls.dedup();
        Some(urls)
    }

    fn invalidated_url(&self, url: &Url, route: &CacheRoute) -> InvalidatedUrl {
        let host = &self.request.host;
        let found = self.config().find_route(host, url.path()).map_or(route, |(_, found)| found);
        let query = found.keyed_query(url.query().unwrap_or_default());
        InvalidatedUrl {
            url: format!("{host}{}{query}", url.path()),
            // Both routes have to agree, because the origin may let visitors choose the Location.
            is_purged: route.purge_on_write && found.purge_on_write,
        }
    }
}
