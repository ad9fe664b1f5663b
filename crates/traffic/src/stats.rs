//! DOC

use std::collections::BTreeMap;

use wire::beacon::CacheStatus;
use wire::{OTHER_LABEL, Window, WindowSpan};

use crate::latency::LatencyHistogram;
use crate::response_class::{ResponseClass, StatusClass};

/// What was answered in some span of time, by route template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficStats {
    /// Each route with what was answered on it.
    pub routes: BTreeMap<String, RouteStats>,
}

/// What was answered on a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteStats {
    /// The answers, by what they are told apart by.
    pub responses: BTreeMap<ResponseClass, ResponseStats>,
    /// The queries that the origin ran for them, by name.
    pub queries: BTreeMap<String, QueryStats>,
}

/// How often, how much, how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseStats {
    /// Answers.
    pub n: u64,
    /// Bytes of their bodies, as far as they are known.
    pub bytes: u64,
    /// Milliseconds until the edge had the head of the answer.
    pub edge: LatencyHistogram,
    /// Milliseconds that the origin took, where it was asked.
    pub origin: LatencyHistogram,
}

/// How often the cache did what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheOutcomeCounts {
    /// It had it, fresh.
    pub hits: u64,
    /// It had it, stale.
    pub stale: u64,
    /// It did not have it.
    pub misses: u64,
    /// It was not asked.
    pub bypassed: u64,
}

/// A query of the origin's, as `Server-Timing` tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryStats {
    /// Answers in which it ran.
    pub responses: u64,
    /// Answers in which it ran so often that a loop is to be suspected: see [`REPEATED`].
    pub repeated: u64,
    /// How often it ran in one answer at most.
    pub max_per_response: u32,
    /// How long each run took.
    pub latency: LatencyHistogram,
}

/// One answer, as it was given.
#[derive(Clone, Debug, PartialEq)]
pub struct ResponseRecord<'a> {
    /// The route template.
    pub route: &'a str,
    /// What it is told apart by.
    pub class: ResponseClass,
    /// Bytes of its body.
    pub bytes: u64,
    /// Milliseconds until the edge had it.
    pub edge_ms: u64,
    /// Milliseconds that the origin took; none where it was not asked.
    pub origin_ms: Option<u64>,
    /// Each run of a query, with its milliseconds.
    pub queries: &'a [(String, f64)],
}

impl TrafficStats {
    /// Counts an answer. A route that finds no room is counted as [`OTHER`].
    pub fn add(&mut self, record: &ResponseRecord<'_>) {
        match self.routes.get_mut(record.route) {
            Some(served) => served.add(record),
            None => self.route_mut(record.route).add(record),
        }
    }

    /// Adds bytes to an answer that was counted before its body was whole.
    pub fn add_bytes(&mut self, route: &str, class: &ResponseClass, bytes: u64) {
        let answered = self.route_mut(route).responses.entry(class.clone()).or_default();
        answered.bytes = answered.bytes.saturating_add(bytes);
    }

    /// Adds what was answered elsewhere, or at another time; the routes with most answers find room first.
    pub fn merge(&mut self, other: &Self) {
        let mut routes: Vec<_> = other.routes.iter().collect();
        routes.sort_by_key(|(_, served)| std::cmp::Reverse(served.n()));
        for (route, served) in routes {
            self.route_mut(route).merge(served);
        }
    }

    /// Everything that was answered, whatever the route.
    #[must_use]
    pub fn total(&self) -> RouteStats {
        let mut whole = RouteStats::default();
        self.routes.values().for_each(|served| whole.merge(served));
        whole
    }

    /// Whether nothing was answered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    fn route_mut(&mut self, route: &str) -> &mut RouteStats {
        let has_room = self.routes.len() < MAX_ROUTES || self.routes.contains_key(route);
        self.routes.entry(if has_room { route } else { OTHER_LABEL }.to_owned()).or_default()
    }
}

/// What was answered, by windows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficWindows(pub BTreeMap<Window, TrafficStats>);

impl TrafficWindows {
    /// Adds what one window holds of a route: to the window of at least that span in which it lies.
    pub fn add(&mut self, span: WindowSpan, kept: Window, route: &str, served: &RouteStats) {
        let window = if kept.span < span { Window::containing(span, kept.start) } else { kept };
        self.0.entry(window).or_default().route_mut(route).merge(served);
    }
}

impl RouteStats {
    fn add(&mut self, record: &ResponseRecord<'_>) {
        // What was counted before is found without a copy of its name.
        match self.responses.get_mut(&record.class) {
            Some(answered) => answered.add(record),
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

    /// Adds what was answered elsewhere, or at another time.
    pub fn merge(&mut self, other: &Self) {
        for (answer, theirs) in &other.responses {
            let ours = self.responses.entry(answer.clone()).or_default();
            ours.n = ours.n.saturating_add(theirs.n);
            ours.bytes = ours.bytes.saturating_add(theirs.bytes);
            ours.edge.merge(&theirs.edge);
            ours.origin.merge(&theirs.origin);
        }
        for (name, theirs) in &other.queries {
            self.query_mut(name).merge(theirs);
        }
    }

    /// How many answers.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.responses.values().fold(0, |n, answered| n.saturating_add(answered.n))
    }

    /// How many of them the edge or the origin failed to give.
    #[must_use]
    pub fn server_errors(&self) -> u64 {
        let failed =
            self.responses.iter().filter(|(answer, _)| answer.status_class == StatusClass::ServerError);
        failed.fold(0, |n, (_, answered)| n.saturating_add(answered.n))
    }

    /// What the cache did for them.
    #[must_use]
    pub fn cache_outcomes(&self) -> CacheOutcomeCounts {
        let mut outcomes = CacheOutcomeCounts::default();
        for (answer, answered) in &self.responses {
            let count = match answer.cache {
                CacheStatus::Hit => &mut outcomes.hits,
                CacheStatus::Stale => &mut outcomes.stale,
                CacheStatus::Miss => &mut outcomes.misses,
                CacheStatus::Bypass => &mut outcomes.bypassed,
            };
            *count = count.saturating_add(answered.n);
        }
        outcomes
    }

    /// How long answers took, all of them together.
    #[must_use]
    pub fn edge_latency(&self) -> LatencyHistogram {
        let mut all = LatencyHistogram::default();
        self.responses.values().for_each(|answered| all.merge(&answered.edge));
        all
    }

    fn query_mut(&mut self, name: &str) -> &mut QueryStats {
        let has_room = self.queries.len() < MAX_QUERIES || self.queries.contains_key(name);
        self.queries.entry(if has_room { name } else { OTHER_LABEL }.to_owned()).or_default()
    }
}

impl CacheOutcomeCounts {
    /// How often it had it.
    #[must_use]
    pub const fn served_from_cache(&self) -> u64 {
        self.hits.saturating_add(self.stale)
    }

    /// How often it was asked.
    #[must_use]
    pub const fn lookups(&self) -> u64 {
        self.served_from_cache().saturating_add(self.misses)
    }

    /// Of what was its own, the share that it answered itself; none where it was never asked.
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
    /// Adds the runs of one answer.
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

/// So many runs of one query for one answer are a loop around what could be one query.
pub const REPEATED_QUERY_THRESHOLD: u32 = 5;
/// A window has room for so many routes, and one more for all the others.
pub const MAX_ROUTES: usize = 200;
const MAX_QUERIES: usize = 50;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::response_class::Method;

    pub(crate) fn record<'a>(route: &'a str, edge: u64, queries: &'a [(String, f64)]) -> ResponseRecord<'a> {
        let answer = ResponseClass {
            method: Method::Get,
            status_class: StatusClass::Success,
            cache: CacheStatus::Miss,
            detail: "stored".into(),
        };
        ResponseRecord { route, class: answer, bytes: 100, edge_ms: edge, origin_ms: Some(edge), queries }
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
            merged.merge(&TrafficStats::decode(&part.encode()).unwrap());
        }
        assert_eq!(merged, whole);
        let served = whole.total();
        assert_eq!(
            (served.n(), served.edge_latency().n(), served.edge_latency().sum_ms),
            (300, 300, 299 * 300 / 2)
        );
        let ran = &served.queries["products"];
        assert_eq!((ran.max_per_response, ran.responses), (6, 300 - 43));
        // Five and six runs: of every seven answers, two.
        assert_eq!(ran.repeated, 2 * 42 + 1);
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
        let answered = &traffic.routes["/"].responses[&record.class];
        assert_eq!((answered.n, answered.bytes), (1, 150));
    }

    #[test]
    fn windows_have_the_requested_span_or_longer() {
        let mut one = TrafficStats::default();
        one.add(&record("/", 1, &[]));
        let served = &one.routes["/"];
        let mut windows = TrafficWindows::default();
        let at = |span, start| Window { span, start: wire::UnixMillis(start) };
        for minute in [0, 60_000, 3_600_000] {
            windows.add(WindowSpan::Hour, at(WindowSpan::Minute, minute), "/", served);
        }
        windows.add(WindowSpan::Hour, at(WindowSpan::Day, 0), "/", served);
        let windows = TrafficWindows::decode(&windows.encode()).unwrap();
        let held: Vec<_> = windows.0.iter().map(|(window, held)| (*window, held.total().n())).collect();
        assert_eq!(
            held,
            [(at(WindowSpan::Hour, 0), 2), (at(WindowSpan::Hour, 3_600_000), 1), (at(WindowSpan::Day, 0), 1)]
        );
    }
}
