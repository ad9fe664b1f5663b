//! Invalidation by unsafe methods (RFC 9111 §4.4).

use url::Url;

use super::Exchange;
use crate::purge::PurgeTarget;
use crate::shared_state::SharedState;

impl<B> Exchange<B> {
    /// Returns the URLs that a successful write invalidates, and evicts them from memory: the requested
    /// one, and those in `Location` and `Content-Location`. Returns none for any other response.
    pub fn invalidate(&self, shared: &mut SharedState<B>) -> Vec<PurgeTarget> {
        let urls = self.invalidated_urls().unwrap_or_default();
        urls.iter().for_each(|url| shared.memory.evict_url(url));
        urls.into_iter().map(PurgeTarget::Url).collect()
    }

    fn invalidated_urls(&self) -> Option<Vec<String>> {
        let response = self.origin.response.as_ref()?;
        let is_write = self.request.head.is_unsafe() && (200..400).contains(&response.status);
        let route = self.route().filter(|route| is_write && !route.bypass)?;
        let base = Url::parse(&self.url()).ok()?;
        let linked =
            ["location", "content-location"].into_iter().filter_map(|name| response.headers.first(name));
        let mut urls: Vec<String> = linked
            .filter_map(|reference| base.join(reference).ok())
            // RFC 9111 §4.4: a response must not invalidate the URLs of another origin.
            .filter(|url| url.origin() == base.origin())
            .chain(std::iter::once(base.clone()))
            .map(|url| {
                let host = &self.request.host;
                let (_, route) = self.config().find_route(host, url.path()).unwrap_or((0, route));
                let query = route.keyed_query(url.query().unwrap_or_default());
                format!("{host}{}{query}", url.path())
            })
            .collect();
        urls.sort();
        urls.dedup();
        Some(urls)
    }
}
