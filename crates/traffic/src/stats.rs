//! Request statistics by route. All sums are exact and merge in any order; the number of routes and query
//! names is bounded.

use std::collections::{BTreeMap, BTreeSet};

use wire::beacon::CacheStatus;
use wire::{OTHER_LABEL, Window, WindowSpan};

use crate::latency::LatencyHistogram;
use crate::origin_stats::{OriginOutcome, OriginStats};
use crate::response_class::{ResponseClass, StatusClass};
use wire::sorting::{CollectOrdered, SortSlice};

/// Statistics of all routes in some span of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficStats {
    /// Statistics by route template.
    pub routes: BTreeMap<String, RouteStats>,
}

/// Statistics of one route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteStats {
    /// Responses by class.
    pub responses: BTreeMap<ResponseClass, ResponseStats>,
    /// Queries that the origin ran for these responses, by name.
    pub queries: BTreeMap<String, QueryStats>,
    /// Requests to origins, by the name of the origin.
    pub origins: BTreeMap<String, OriginStats>,
}

/// Sums over the responses of one class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseStats {
    /// The number of responses.
    pub n: u64,
    /// The total size of the bodies, as far as known.
    pub bytes: u64,
    /// The time to the head of the response at the edge.
    pub edge: LatencyHistogram,
    /// The response time of the origin, for requests that reached it.
    pub origin: LatencyHistogram,
}

/// Response counts by cache status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheOutcomeCounts {
    /// Fresh responses from the cache.
    pub hits: u64,
    /// Stale responses from the cache.
    pub stale: u64,
    /// Responses from the origin.
    pub misses: u64,
    /// Responses that bypassed the cache.
    pub bypassed: u64,
}

/// Statistics of one query of the origin, as reported by `Server-Timing`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryStats {
    /// Responses with at least one run.
    pub responses: u64,
    /// Responses with at least [`REPEATED_QUERY_THRESHOLD`] runs, which suggests a loop.
    pub repeated: u64,
    /// The largest number of runs in one response.
    pub max_per_response: u32,
    /// The duration of each run.
    pub latency: LatencyHistogram,
}

/// One response.
#[derive(Clone, Debug, PartialEq)]
pub struct ResponseRecord<'a> {
    /// The route template.
    pub route: &'a str,
    /// Its class.
    pub class: ResponseClass,
    /// The size of its body.
    pub bytes: u64,
    /// The time to its head at the edge.
    pub edge_ms: u64,
    /// The response time of the origin; `None` if the request did not reach it.
    pub origin_ms: Option<u64>,
    /// Each run of a query, with its duration in milliseconds.
    pub queries: &'a [(String, f64)],
}

impl TrafficStats {
    /// Counts a response. Routes beyond [`MAX_ROUTES`] are counted as [`OTHER_LABEL`].
    pub fn add(&mut self, record: &ResponseRecord<'_>) {
        match self.routes.get_mut(record.route) {
            Some(stats) => stats.add(record),
            None => self.route_mut(record.route).add(record),
        }
    }

    /// Adds bytes to a response that was counted before its body was complete.
    pub fn add_bytes(&mut self, route: &str, class: &ResponseClass, bytes: u64) {
        let stats = self.route_mut(route).responses.entry(class.clone()).or_default();
        stats.bytes = stats.bytes.saturating_add(bytes);
    }

    /// Counts a request to an origin for a route.
    pub fn add_origin_request(&mut self, route: &str, origin: &str, outcome: OriginOutcome) {
        self.route_mut(route).origin_mut(origin).add(outcome);
    }

    /// Adds other statistics. The routes with the most responses are added first, so that they keep their names.
    pub fn merge(&mut self, other: &Self) {
        let mut routes: Vec<_> = other.routes.iter().collect();
        routes.order_by_key(|(_, stats)| std::cmp::Reverse(stats.n()));
        for (route, stats) in routes {
            self.route_mut(route).merge(stats);
        }
    }

    /// Returns the sum over all routes.
    #[must_use]
    pub fn total(&self) -> RouteStats {
        let mut whole = RouteStats::default();
        self.routes.values().for_each(|stats| whole.merge(stats));
        whole
    }

    /// Returns true if no response was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    fn route_mut(&mut self, route: &str) -> &mut RouteStats {
        let has_room = self.routes.len() < MAX_ROUTES || self.routes.contains_key(route);
        self.routes.entry(if has_room { route } else { OTHER_LABEL }.to_owned()).or_default()
    }
}

/// The responses of each route, to find the routes that keep their names.
#[derive(Clone, Debug, Default)]
pub struct RouteRanking(BTreeMap<String, u64>);

/// Statistics by window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficWindows(pub BTreeMap<Window, TrafficStats>);

impl TrafficWindows {
    /// Adds the statistics of a route in a stored window to the window of at least `span` that contains it.
    pub fn add(&mut self, span: WindowSpan, stored: Window, route: &str, stats: &RouteStats) {
        let window = if stored.span < span { Window::containing(span, stored.start) } else { stored };
        self.0.entry(window).or_default().route_mut(route).merge(stats);
    }

    /// Adds the windows of another shard.
    pub fn merge(&mut self, other: Self) {
        for (window, traffic) in other.0 {
            self.0.entry(window).or_default().merge(&traffic);
        }
    }
}

impl RouteRanking {
    /// Adds responses of a route.
    pub fn add(&mut self, route: &str, responses: u64) {
        let sum = match self.0.get_mut(route) {
            Some(sum) => sum,
            None => self.0.entry(route.to_owned()).or_default(),
        };
        *sum = sum.saturating_add(responses);
    }

    /// Returns the routes with the most responses, as many as may keep their names.
    #[must_use]
    pub fn top(self) -> BTreeSet<String> {
        let mut routes: Vec<(String, u64)> = self.0.into_iter().collect();
        routes.order_by(|(a, ours), (b, theirs)| theirs.cmp(ours).then_with(|| a.cmp(b)));
        routes.into_iter().take(MAX_ROUTES).map(|(route, _)| route).collect_set()
    }
}

impl RouteStats {
    fn add(&mut self, record: &ResponseRecord<'_>) {
        // A known class is found without cloning the key.
        match self.responses.get_mut(&record.class) {
            Some(stats) => stats.add(record),
            None => self.responses.entry(record.class.clone()).or_default().add(record),
        }
        if record.queries.is_empty() {
            return;
        }
        let mut runs: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for (name, millis) in record.queries {
            runs.entry(name).or_default().push(millis.max(0.0).ceil() as u64);
        }
        for (name, times) in runs {
            self.query_mut(name).add(&times);
        }
    }

    /// Adds other statistics of the same route.
    pub fn merge(&mut self, other: &Self) {
        for (class, theirs) in &other.responses {
            let ours = self.responses.entry(class.clone()).or_default();
            ours.n = ours.n.saturating_add(theirs.n);
            ours.bytes = ours.bytes.saturating_add(theirs.bytes);
            ours.edge.merge(&theirs.edge);
            ours.origin.merge(&theirs.origin);
        }
        for (name, theirs) in &other.queries {
            self.query_mut(name).merge(theirs);
        }
        for (name, theirs) in &other.origins {
            self.origin_mut(name).merge(theirs);
        }
    }

    /// Returns the number of responses.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.responses.values().fold(0, |n, stats| n.saturating_add(stats.n))
    }

    /// Returns the number of responses with a 5xx status.
    #[must_use]
    pub fn server_errors(&self) -> u64 {
        let failed =
            self.responses.iter().filter(|(class, _)| class.status_class == StatusClass::ServerError);
        failed.fold(0, |n, (_, stats)| n.saturating_add(stats.n))
    }

    /// Counts the responses by cache status.
    #[must_use]
    pub fn cache_outcomes(&self) -> CacheOutcomeCounts {
        let mut outcomes = CacheOutcomeCounts::default();
        for (class, stats) in &self.responses {
            let count = match class.cache {
                CacheStatus::Hit => &mut outcomes.hits,
                CacheStatus::Stale => &mut outcomes.stale,
                CacheStatus::Miss => &mut outcomes.misses,
                CacheStatus::Bypass => &mut outcomes.bypassed,
            };
            *count = count.saturating_add(stats.n);
        }
        outcomes
    }

    /// Returns the latencies of all responses at the edge.
    #[must_use]
    pub fn edge_latency(&self) -> LatencyHistogram {
        let mut all = LatencyHistogram::default();
        self.responses.values().for_each(|stats| all.merge(&stats.edge));
        all
    }

    fn query_mut(&mut self, name: &str) -> &mut QueryStats {
        let has_room = self.queries.len() < MAX_QUERIES || self.queries.contains_key(name);
        self.queries.entry(if has_room { name } else { OTHER_LABEL }.to_owned()).or_default()
    }

    fn origin_mut(&mut self, name: &str) -> &mut OriginStats {
        let has_room = self.origins.len() < MAX_ORIGINS || self.origins.contains_key(name);
        self.origins.entry(if has_room { name } else { OTHER_LABEL }.to_owned()).or_default()
    }
}

impl CacheOutcomeCounts {
    /// Returns the number of responses from the cache, fresh or stale.
    #[must_use]
    pub const fn served_from_cache(&self) -> u64 {
        self.hits.saturating_add(self.stale)
    }

    /// Returns the number of responses that did not bypass the cache.
    #[must_use]
    pub const fn lookups(&self) -> u64 {
        self.served_from_cache().saturating_add(self.misses)
    }

    /// Returns the share of lookups that the cache stats; `None` without lookups.
    #[must_use]
    pub fn hit_ratio(&self) -> Option<f64> {
        (self.lookups() > 0).then(|| self.served_from_cache() as f64 / self.lookups() as f64)
    }
}

impl ResponseStats {
    fn add(&mut self, record: &ResponseRecord<'_>) {
        self.n = self.n.saturating_add(1);
        self.bytes = self.bytes.saturating_add(record.bytes);
        self.edge.add(record.edge_ms);
        if let Some(millis) = record.origin_ms {
            self.origin.add(millis);
        }
    }
}

impl QueryStats {
    /// Adds the runs of a query during one response.
    fn add(&mut self, times: &[u64]) {
        let count = u32::try_from(times.len()).unwrap_or(u32::MAX);
        self.responses = self.responses.saturating_add(1);
        self.repeated = self.repeated.saturating_add((count >= REPEATED_QUERY_THRESHOLD).into());
        self.max_per_response = self.max_per_response.max(count);
        times.iter().for_each(|millis| self.latency.add(*millis));
    }

    fn merge(&mut self, other: &Self) {
        self.responses = self.responses.saturating_add(other.responses);
        self.repeated = self.repeated.saturating_add(other.repeated);
        self.max_per_response = self.max_per_response.max(other.max_per_response);
        self.latency.merge(&other.latency);
    }
}

/// From this number of runs in one response on, a query is probably in a loop.
pub const REPEATED_QUERY_THRESHOLD: u32 = 5;
/// The limit of named routes in a window; all others share one more.
pub const MAX_ROUTES: usize = 200;
const MAX_QUERIES: usize = 50;
/// Origins are those of the configuration; a route rarely has two.
const MAX_ORIGINS: usize = 20;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::response_class::RequestMethod;

    pub(crate) fn record<'a>(route: &'a str, edge: u64, queries: &'a [(String, f64)]) -> ResponseRecord<'a> {
        let class = ResponseClass {
            method: RequestMethod::Get,
            status_class: StatusClass::Success,
            cache: CacheStatus::Miss,
            detail: "stored".into(),
        };
        ResponseRecord { route, class, bytes: 100, edge_ms: edge, origin_ms: Some(edge), queries }
    }

    #[test]
    fn the_routes_with_the_most_responses_keep_their_names() {
        let mut ranking = RouteRanking::default();
        for route in 0..MAX_ROUTES + 50 {
            ranking.add(&route.to_string(), 1);
        }
        ranking.add(&(MAX_ROUTES + 49).to_string(), 1);
        let top = ranking.top();
        assert_eq!(top.len(), MAX_ROUTES);
        assert!(top.contains(&(MAX_ROUTES + 49).to_string()));
    }

    #[test]
    fn merging_parts_in_any_order_gives_the_same_stats() {
        let queries: Vec<_> = (0..7).map(|index| ("products".to_owned(), f64::from(index) + 0.2)).collect();
        let mut whole = TrafficStats::default();
        let mut parts = [TrafficStats::default(), TrafficStats::default(), TrafficStats::default()];
        for index in 0..300_usize {
            let route = format!("/{}", index % 7);
            let record = record(&route, index as u64, queries.get(..index % 7).unwrap());
            whole.add(&record);
            parts[index % 3].add(&record);
        }
        let mut merged = TrafficStats::default();
        for part in parts.iter().rev() {
            merged.merge(&TrafficStats::decode(&part.encode().unwrap()).unwrap());
        }
        assert_eq!(merged, whole);
        let stats = whole.total();
        assert_eq!(
            (stats.n(), stats.edge_latency().n(), stats.edge_latency().sum_ms),
            (300, 300, 299 * 300 / 2)
        );
        let query = &stats.queries["products"];
        assert_eq!((query.max_per_response, query.responses), (6, 300 - 43));
        // Two of every seven responses have five or six runs.
        assert_eq!(query.repeated, 2 * 42 + 1);
    }

    #[test]
    fn random_routes_neither_grow_storage_nor_change_totals() {
        let mut traffic = TrafficStats::default();
        for index in 0..5000 {
            let queries = [(format!("q{index}"), 1.0)];
            traffic.add(&record(&format!("/{index}"), 1, &queries));
            traffic.add(&record("/", 1, &queries));
        }
        assert_eq!((traffic.routes.len(), traffic.total().n()), (MAX_ROUTES + 1, 10_000));
        assert_eq!(traffic.routes["/"].queries.len(), MAX_QUERIES + 1);
    }

    #[test]
    fn the_busiest_routes_are_kept_when_merging() {
        let (mut full, mut more) = (TrafficStats::default(), TrafficStats::default());
        (1..MAX_ROUTES).for_each(|index| full.add(&record(&format!("/{index}"), 1, &[])));
        more.add(&record("/a", 1, &[]));
        (0..2).for_each(|_| more.add(&record("/b", 1, &[])));
        full.merge(&more);
        assert_eq!((full.routes["/b"].n(), full.routes[OTHER_LABEL].n()), (2, 1));
    }

    #[test]
    fn late_bytes_change_no_response_count() {
        let mut traffic = TrafficStats::default();
        let record = record("/", 1, &[]);
        traffic.add(&record);
        traffic.add_bytes("/", &record.class, 50);
        let stats = &traffic.routes["/"].responses[&record.class];
        assert_eq!((stats.n, stats.bytes), (1, 150));
    }

    #[test]
    fn windows_have_the_requested_span_or_longer() {
        let mut one = TrafficStats::default();
        one.add(&record("/", 1, &[]));
        let stats = &one.routes["/"];
        let mut windows = TrafficWindows::default();
        let at = |span, start| Window { span, start: wire::UnixMillis(start) };
        for minute in [0, 60_000, 3_600_000] {
            windows.add(WindowSpan::Hour, at(WindowSpan::Minute, minute), "/", stats);
        }
        windows.add(WindowSpan::Hour, at(WindowSpan::Day, 0), "/", stats);
        let windows = TrafficWindows::decode(&windows.encode().unwrap()).unwrap();
        let totals: Vec<_> = windows.0.iter().map(|(window, stats)| (*window, stats.total().n())).collect();
        assert_eq!(
            totals,
            [(at(WindowSpan::Hour, 0), 2), (at(WindowSpan::Hour, 3_600_000), 1), (at(WindowSpan::Day, 0), 1)]
        );
    }
}
