//! The answers of the edge: how many, how long they took, what the cache did, and which queries the
//! origin ran for them. An isolate adds up what it answers and carries the sums to the site's first
//! shard, which keeps them by window and route. Each sum adds up exactly; times are sketches of whole
//! milliseconds, so their percentiles are as good as those of vitals.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sketch::Sketch;
use wire::Metric;

use crate::cardinality::OTHER_LABEL;
use crate::cell::CodecError;
use crate::window::{Window, WindowSpan};

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

/// What answers are told apart by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ResponseClass {
    /// The method.
    pub method: Method,
    /// The first digit of the status.
    pub status_class: StatusClass,
    /// What the cache did.
    pub cache: CacheOutcome,
    /// The tier that it came from, or why the cache did not have it: a word of ours.
    pub detail: String,
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

/// How long things took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatencyHistogram {
    /// The distribution, in whole milliseconds.
    pub sketch: Sketch,
    /// All of them together, in milliseconds.
    pub sum_ms: u64,
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

/// The methods that are told apart: anybody can send any word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
    /// OPTIONS.
    Options,
    /// Any other.
    Other,
}

/// The classes of statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum StatusClass {
    /// 1xx and what is no status.
    Other,
    /// 2xx.
    Success,
    /// 3xx.
    Redirect,
    /// 4xx.
    ClientError,
    /// 5xx.
    ServerError,
}

/// What the cache did for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CacheOutcome {
    /// It had it.
    Hit,
    /// It had it, stale.
    Stale,
    /// It did not have it.
    Miss,
    /// It was not asked.
    Bypass,
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

    /// The bytes that are carried.
    ///
    /// # Errors
    /// Fails if it cannot be encoded.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        let encoded = |(route, stats): (&String, &RouteStats)| Ok((route.clone(), stats.encode()?));
        let routes: Vec<(String, Vec<u8>)> = self.routes.iter().map(encoded).collect::<Result<_, _>>()?;
        let mut bytes = vec![VERSION];
        bytes.extend(postcard::to_stdvec(&routes).map_err(|_| CodecError)?);
        Ok(bytes)
    }

    /// Reads carried bytes.
    ///
    /// # Errors
    /// Refuses what no version has written.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let Some((&VERSION, rest)) = bytes.split_first() else { return Err(CodecError) };
        let routes: Vec<(String, Vec<u8>)> = postcard::from_bytes(rest).map_err(|_| CodecError)?;
        let read = |(route, bytes): (String, Vec<u8>)| Ok((route, RouteStats::decode(&bytes)?));
        Ok(Self { routes: routes.into_iter().map(read).collect::<Result<_, _>>()? })
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

    /// The bytes that are carried.
    ///
    /// # Errors
    /// Fails if it cannot be encoded.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        let encoded = |(window, traffic): (&Window, &TrafficStats)| Ok((*window, traffic.encode()?));
        let windows: Vec<(Window, Vec<u8>)> = self.0.iter().map(encoded).collect::<Result<_, _>>()?;
        let mut bytes = vec![VERSION];
        bytes.extend(postcard::to_stdvec(&windows).map_err(|_| CodecError)?);
        Ok(bytes)
    }

    /// Reads carried bytes.
    ///
    /// # Errors
    /// Refuses what no version has written.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let Some((&VERSION, rest)) = bytes.split_first() else { return Err(CodecError) };
        let windows: Vec<(Window, Vec<u8>)> = postcard::from_bytes(rest).map_err(|_| CodecError)?;
        let read = |(window, bytes): (Window, Vec<u8>)| Ok((window, TrafficStats::decode(&bytes)?));
        Ok(Self(windows.into_iter().map(read).collect::<Result<_, _>>()?))
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
                CacheOutcome::Hit => &mut outcomes.hits,
                CacheOutcome::Stale => &mut outcomes.stale,
                CacheOutcome::Miss => &mut outcomes.misses,
                CacheOutcome::Bypass => &mut outcomes.bypassed,
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

    /// The bytes that are stored: a version, then the record.
    ///
    /// # Errors
    /// Fails if it cannot be encoded.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        let answers = self.responses.iter().map(|(answer, answered)| {
            let ResponseStats { n, bytes, edge, origin } = answered;
            (answer.clone(), *n, *bytes, edge.to_stored(), origin.to_stored())
        });
        let queries = self.queries.iter().map(|(name, ran)| {
            let QueryStats { responses: answers, repeated, max_per_response: most, latency: times } = ran;
            (name.clone(), *answers, *repeated, *most, times.to_stored())
        });
        let record = StoredRouteStats { responses: answers.collect(), queries: queries.collect() };
        let mut bytes = vec![VERSION];
        bytes.extend(postcard::to_stdvec(&record).map_err(|_| CodecError)?);
        Ok(bytes)
    }

    /// Reads stored bytes.
    ///
    /// # Errors
    /// Refuses what no version has written.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let Some((&VERSION, rest)) = bytes.split_first() else { return Err(CodecError) };
        let stored: StoredRouteStats = postcard::from_bytes(rest).map_err(|_| CodecError)?;
        let mut served = Self::default();
        for (answer, n, bytes, edge, origin) in stored.responses {
            let (edge, origin) =
                (LatencyHistogram::from_stored(&edge)?, LatencyHistogram::from_stored(&origin)?);
            served.responses.insert(answer, ResponseStats { n, bytes, edge, origin });
        }
        for (name, answers, repeated, most, times) in stored.queries {
            let times = LatencyHistogram::from_stored(&times)?;
            served.queries.insert(
                name,
                QueryStats { responses: answers, repeated, max_per_response: most, latency: times },
            );
        }
        Ok(served)
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

impl LatencyHistogram {
    /// Adds one.
    pub fn add(&mut self, millis: u64) {
        self.sum_ms = self.sum_ms.saturating_add(millis);
        self.sketch.insert(u32::try_from(millis).unwrap_or(u32::MAX), 1);
    }

    /// Adds all of others.
    pub fn merge(&mut self, other: &Self) {
        self.sum_ms = self.sum_ms.saturating_add(other.sum_ms);
        // Both are of one kind, so it cannot be refused.
        let _ = self.sketch.merge(&other.sketch);
    }

    /// How many.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.sketch.n()
    }

    /// A percentile in milliseconds; none of nothing.
    #[must_use]
    pub fn percentile(&self, percent: u8) -> Option<f64> {
        self.sketch.percentile(percent).map(|bucket| f64::from(bucket.midpoint()))
    }

    fn to_stored(&self) -> StoredLatency {
        (self.sketch.encode(), self.sum_ms)
    }

    fn from_stored((sketch, sum): &StoredLatency) -> Result<Self, CodecError> {
        let sketch = Sketch::decode(sketch).map_err(|_| CodecError)?;
        match sketch.metric() == SKETCH_METRIC {
            true => Ok(Self { sketch, sum_ms: *sum }),
            false => Err(CodecError),
        }
    }
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self { sketch: Sketch::new(SKETCH_METRIC), sum_ms: 0 }
    }
}

impl Method {
    /// The one of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            _ => Self::Other,
        }
    }

    /// Its name; `other` for all the others.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Other => "other",
        }
    }
}

impl StatusClass {
    /// The class of a status.
    #[must_use]
    pub const fn from_status(status: u16) -> Self {
        match status / 100 {
            2 => Self::Success,
            3 => Self::Redirect,
            4 => Self::ClientError,
            5 => Self::ServerError,
            _ => Self::Other,
        }
    }

    /// Its name, as `2xx`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::Success => "2xx",
            Self::Redirect => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
        }
    }
}

impl CacheOutcome {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Hit, Self::Stale, Self::Miss, Self::Bypass];

    /// Its name, as in `Server-Timing`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }
}

/// Version 1 of what is stored.
#[derive(Serialize, Deserialize)]
struct StoredRouteStats {
    responses: Vec<StoredResponses>,
    queries: Vec<StoredQuery>,
}

/// With how many there were, their bytes, and their times at the edge and at the origin.
type StoredResponses = (ResponseClass, u64, u64, StoredLatency, StoredLatency);
/// Its name, the answers in which it ran, those in which it ran too often, and how often at most.
type StoredQuery = (String, u64, u64, u32, StoredLatency);
/// A sketch's bytes and the sum.
type StoredLatency = (Vec<u8>, u64);

/// So many runs of one query for one answer are a loop around what could be one query.
pub const REPEATED_QUERY_THRESHOLD: u32 = 5;
/// Times are kept in the sketch of a metric that is counted in milliseconds.
const SKETCH_METRIC: Metric = Metric::Ttfb;
/// A window has room for so many routes, and one more for all the others.
pub const MAX_ROUTES: usize = 200;
const MAX_QUERIES: usize = 50;
const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn record<'a>(route: &'a str, edge: u64, queries: &'a [(String, f64)]) -> ResponseRecord<'a> {
        let answer = ResponseClass {
            method: Method::Get,
            status_class: StatusClass::Success,
            cache: CacheOutcome::Miss,
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
            merged.merge(&TrafficStats::decode(&part.encode().unwrap()).unwrap());
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
        let windows = TrafficWindows::decode(&windows.encode().unwrap()).unwrap();
        let held: Vec<_> = windows.0.iter().map(|(window, held)| (*window, held.total().n())).collect();
        assert_eq!(
            held,
            [(at(WindowSpan::Hour, 0), 2), (at(WindowSpan::Hour, 3_600_000), 1), (at(WindowSpan::Day, 0), 1)]
        );
    }

    #[test]
    fn version_1_bytes_stay_readable() {
        let queries = [("products".to_owned(), 2.5), ("products".to_owned(), 1.0)];
        let mut traffic = TrafficStats::default();
        traffic.add(&record("/product/:id", 120, &queries));
        let bytes: String = traffic.routes["/product/:id"]
            .encode()
            .unwrap()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(bytes, ROUTE_STATS_V1);
        let stored: Vec<u8> = (0..ROUTE_STATS_V1.len() / 2)
            .map(|at| u8::from_str_radix(&ROUTE_STATS_V1[at * 2..at * 2 + 2], 16).unwrap())
            .collect();
        assert_eq!(RouteStats::decode(&stored).unwrap(), traffic.routes["/product/:id"]);
    }

    const ROUTE_STATS_V1: &str =
        "01010001020673746f7265640164041503890178041503890178010870726f64756374730100020315010104";

    #[test]
    fn malformed_bytes_are_refused() {
        let mut traffic = TrafficStats::default();
        traffic.add(&record("/", 1, &[]));
        let bytes = traffic.encode().unwrap();
        assert_eq!(TrafficStats::decode(&[]), Err(CodecError));
        assert_eq!(TrafficStats::decode(&bytes[..bytes.len() - 1]), Err(CodecError));
        assert_eq!(TrafficStats::decode(&[9, 0]), Err(CodecError));
        assert_eq!(RouteStats::decode(&[9, 0]), Err(CodecError));
    }
}
