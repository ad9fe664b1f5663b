//! What goes out to where people look already. Totals that only grow, made into families of samples
//! once; each format writes the same families. Sampled views and errors have documents of their own.
//! Asking, sending and secrets are the shells'.
//!
//! Vitals are counted when their window has closed, so that a late correction never takes back what was
//! exported: these systems read a total that falls as a restart.

pub mod analytics;
pub mod config;
pub mod otlp;
pub mod prometheus;
pub mod sentry;
pub mod totals_range;
pub mod trace;

use std::collections::{BTreeMap, BTreeSet};

use ledger::traffic::{CacheOutcome, LatencyHistogram, Method, RouteStats, StatusClass, TrafficStats};
use ledger::{Cell, CodecError, OTHER_LABEL, ViewRecord};
use sketch::Sketch;
use sketch::stable_hash::fnv1a_64;
use wire::beacon::{Navigation, Values};
use wire::{Device, Metric, UnixMillis};

/// Everything that was counted since a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Totals {
    site: String,
    since: UnixMillis,
    routes: BTreeSet<String>,
    vitals: BTreeMap<(Metric, String, Device), Sketch>,
    traffic: TrafficStats,
}

/// What is so at the moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gauge {
    /// The health score, from 0 to 100.
    Health(u8),
    /// Windows that the backend has not got.
    Backlog(u64),
    /// When a beacon was last heard.
    LastBeaconAt(UnixMillis),
    /// Bytes of memory in use.
    Memory(u64),
}

/// A view that was chosen to be sent on by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct SampledView {
    /// The random id of the page load.
    pub id: String,
    /// Which view of it.
    pub view: u16,
    /// When it began.
    pub start: UnixMillis,
    /// Milliseconds until its last send.
    pub age: u32,
    /// The route template: the path itself is not kept.
    pub route: String,
    /// The class of devices.
    pub device: Device,
    /// How the visitor came.
    pub navigation: Navigation,
    /// The release.
    pub release: Option<String>,
    /// What was measured, in wire units.
    pub values: Values,
}

/// Samples of one name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MetricFamily {
    pub(crate) name: MetricName,
    pub(crate) help: &'static str,
    pub(crate) data: MetricData,
}

/// A name in each of the two worlds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct MetricName {
    /// Prometheus's, with its unit and without `_total`.
    pub(crate) prometheus: &'static str,
    /// OpenTelemetry's.
    pub(crate) otel: &'static str,
    /// UCUM's unit for OpenTelemetry.
    pub(crate) unit: &'static str,
}

pub(crate) type LabelledSamples<T> = Vec<(Vec<(&'static str, String)>, T)>;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum MetricData {
    Counter(LabelledSamples<u64>),
    Gauge(LabelledSamples<f64>),
    Histogram(LabelledSamples<Histogram>),
}

/// A distribution: one count for each edge, of what lies above the one before, and one beyond the last.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Histogram {
    pub(crate) edges: Vec<f64>,
    pub(crate) counts: Vec<u64>,
    pub(crate) sum: f64,
}

/// Milliseconds. Each is an edge of the sketch's buckets, so that the counts are exact.
pub const DURATION_EDGES_MS: [u32; 18] =
    [50, 100, 200, 300, 400, 500, 800, 1000, 1200, 1600, 1800, 2000, 2500, 3000, 4000, 5000, 8000, 10_000];

/// Ten-thousandths of layout shift.
pub const LAYOUT_SHIFT_EDGES: [u32; 9] = [50, 100, 200, 500, 1000, 1600, 2500, 5000, 10_000];

impl Totals {
    /// Nothing yet.
    #[must_use]
    pub const fn new(site: String, since: UnixMillis) -> Self {
        Self {
            site,
            since,
            routes: BTreeSet::new(),
            vitals: BTreeMap::new(),
            traffic: TrafficStats { routes: BTreeMap::new() },
        }
    }

    /// As it was stored, in the rows of its routes.
    ///
    /// # Errors
    /// Refuses what no version of ours has written.
    pub fn from_rows(
        site: String,
        since: UnixMillis,
        rows: impl IntoIterator<Item = (String, Vec<u8>)>,
    ) -> Result<Self, CodecError> {
        let mut totals = Self::new(site, since);
        for (route, bytes) in rows {
            let Some((&VERSION, rest)) = bytes.split_first() else { return Err(CodecError) };
            let (vitals, served): TotalsRow = postcard::from_bytes(rest).map_err(|_| CodecError)?;
            for (device, sketch) in vitals {
                let sketch = Sketch::decode(&sketch).map_err(|_| CodecError)?;
                totals.vitals.insert((sketch.metric(), route.clone(), device), sketch);
                totals.routes.insert(route.clone());
            }
            if let Some(served) = served {
                totals.traffic.routes.insert(route, RouteStats::decode(&served)?);
            }
        }
        Ok(totals)
    }

    /// What is stored: a row for each route, so that no row is large and only those that grew are written.
    ///
    /// # Errors
    /// Fails if it cannot be encoded.
    pub fn to_rows(&self) -> Result<BTreeMap<String, Vec<u8>>, CodecError> {
        let mut rows: BTreeMap<&String, TotalsRow> = BTreeMap::new();
        for ((_, route, device), sketch) in &self.vitals {
            rows.entry(route).or_default().0.push((*device, sketch.encode()));
        }
        for (route, served) in &self.traffic.routes {
            rows.entry(route).or_default().1 = Some(served.encode()?);
        }
        let bytes = |row: TotalsRow| {
            let mut bytes = vec![VERSION];
            bytes.extend(postcard::to_stdvec(&row).map_err(|_| CodecError)?);
            Ok(bytes)
        };
        rows.into_iter().map(|(route, row)| Ok((route.clone(), bytes(row)?))).collect()
    }

    /// The bytes that are carried.
    ///
    /// # Errors
    /// Fails if it cannot be encoded.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        postcard::to_stdvec(&(&self.site, self.since, self.to_rows()?)).map_err(|_| CodecError)
    }

    /// Reads carried bytes.
    ///
    /// # Errors
    /// Refuses what nobody of this version carries.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let (site, since, rows): (String, UnixMillis, BTreeMap<String, Vec<u8>>) =
            postcard::from_bytes(bytes).map_err(|_| CodecError)?;
        Self::from_rows(site, since, rows)
    }

    /// Adds the visits of one page in a window that has closed.
    pub fn add_visits(&mut self, route: &str, device: Device, cell: &Cell) {
        let route = self.capped_route(route);
        for (metric, tally) in &cell.metrics {
            let key = (*metric, route.clone(), device);
            // Both are of this metric, so it cannot be refused.
            let _ = self.vitals.entry(key).or_insert_with(|| Sketch::new(*metric)).merge(&tally.sketch);
        }
    }

    /// Adds what the edge answered.
    pub fn add_traffic(&mut self, traffic: &TrafficStats) {
        self.traffic.merge(traffic);
    }

    /// A route's own name while there is room, so that nobody can grow what is scraped.
    fn capped_route(&mut self, route: &str) -> String {
        cap_cardinality(&mut self.routes, route, MAX_ROUTES)
    }

    pub(crate) fn families(&self, gauges: &[Gauge]) -> Vec<MetricFamily> {
        let site = || ("site", self.site.clone());
        let mut families = Vec::new();
        for (metric, name, help) in VITAL_FAMILIES {
            let of_metric = self.vitals.iter().filter(|((other, ..), _)| *other == metric);
            let samples: LabelledSamples<Histogram> = of_metric
                .map(|((_, route, device), sketch)| {
                    let labels = vec![site(), ("route", route.clone()), ("device", device.name().to_owned())];
                    (labels, Histogram::from_sketch(sketch))
                })
                .collect();
            families.push(MetricFamily { name, help, data: MetricData::Histogram(samples) });
        }
        families.extend(self.traffic_families());
        families.extend(gauges.iter().map(|gauge| {
            let (name, help, value) = gauge.describe();
            MetricFamily { name, help, data: MetricData::Gauge(vec![(vec![site()], value)]) }
        }));
        families.retain(|family| !family.data.is_empty());
        families
    }

    fn traffic_families(&self) -> [MetricFamily; 5] {
        let mut requests: BTreeMap<(&str, Method, StatusClass), LatencyHistogram> = BTreeMap::new();
        let mut hits: BTreeMap<&str, u64> = BTreeMap::new();
        let mut misses: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for (route, served) in &self.traffic.routes {
            for (answer, answered) in &served.responses {
                let key = (route.as_str(), answer.method, answer.status_class);
                requests.entry(key).or_default().merge(&answered.edge);
                let sum = match answer.cache {
                    CacheOutcome::Hit | CacheOutcome::Stale => hits.entry(route).or_default(),
                    CacheOutcome::Miss => misses.entry((route, &answer.detail)).or_default(),
                    CacheOutcome::Bypass => continue,
                };
                *sum = sum.saturating_add(answered.n);
            }
        }
        let site = || ("site", self.site.clone());
        let route = |route: &str| ("route", route.to_owned());
        let of_request = |(path, method, class): &(&str, Method, StatusClass)| {
            let (method, class) = (method.name().to_owned(), class.name().to_owned());
            vec![site(), route(path), ("method", method), ("status", class)]
        };
        let whole = self.traffic.total();
        [
            MetricFamily {
                name: MetricName {
                    prometheus: "http_requests",
                    otel: "http.server.requests",
                    unit: "{request}",
                },
                help: "Requests that were answered.",
                data: MetricData::Counter(
                    requests.iter().map(|(key, times)| (of_request(key), times.n())).collect(),
                ),
            },
            MetricFamily {
                name: MetricName {
                    prometheus: "http_request_duration_seconds",
                    otel: "http.server.request.duration",
                    unit: "s",
                },
                help: "How long answers took.",
                data: MetricData::Histogram(
                    requests
                        .iter()
                        .map(|(key, times)| (of_request(key), Histogram::from_latencies(times)))
                        .collect(),
                ),
            },
            MetricFamily {
                name: MetricName { prometheus: "cache_hits", otel: "cache.hits", unit: "{request}" },
                help: "Requests that the cache answered.",
                data: MetricData::Counter(
                    hits.iter().map(|(path, n)| (vec![site(), route(path)], *n)).collect(),
                ),
            },
            MetricFamily {
                name: MetricName { prometheus: "cache_misses", otel: "cache.misses", unit: "{request}" },
                help: "Requests that the cache did not answer, by reason.",
                data: MetricData::Counter(
                    misses
                        .iter()
                        .map(|((path, why), n)| {
                            (vec![site(), route(path), ("reason", (*why).to_owned())], *n)
                        })
                        .collect(),
                ),
            },
            MetricFamily {
                name: MetricName {
                    prometheus: "db_query_duration_seconds",
                    otel: "db.client.operation.duration",
                    unit: "s",
                },
                help: "How long queries of the backend took, as Server-Timing told.",
                data: MetricData::Histogram(
                    whole
                        .queries
                        .iter()
                        .map(|(name, ran)| {
                            (vec![site(), ("query", name.clone())], Histogram::from_latencies(&ran.latency))
                        })
                        .collect(),
                ),
            },
        ]
    }
}

/// Families of several sites: those of one name are one.
pub(crate) fn merge_families<'a>(
    sites: impl IntoIterator<Item = (&'a Totals, &'a [Gauge])>,
) -> Vec<MetricFamily> {
    let mut all: Vec<MetricFamily> = Vec::new();
    for family in sites.into_iter().flat_map(|(totals, gauges)| totals.families(gauges)) {
        match all.iter_mut().find(|known| known.name == family.name) {
            Some(known) => known.data.extend(family.data),
            None => all.push(family),
        }
    }
    all
}

impl Histogram {
    /// In the units of Prometheus: seconds, and layout shifts as they are.
    fn from_sketch(sketch: &Sketch) -> Self {
        let (edges, scale): (&[u32], f64) = match sketch.metric() {
            Metric::Cls => (&LAYOUT_SHIFT_EDGES, Metric::Cls.wire_scale()),
            _ => (&DURATION_EDGES_MS, 1000.0),
        };
        let mut below = 0;
        let mut counts: Vec<u64> = edges
            .iter()
            .map(|edge| {
                let within = sketch.within(*edge).at_least;
                let count = within.saturating_sub(below);
                below = within;
                count
            })
            .collect();
        counts.push(sketch.n().saturating_sub(below));
        // Within 0.8 %: a bucket's middle stands for its values.
        let sum =
            sketch.buckets().map(|(bucket, n)| f64::from(bucket.midpoint()) * n as f64).sum::<f64>() / scale;
        Self { edges: edges.iter().map(|edge| f64::from(*edge) / scale).collect(), counts, sum }
    }

    /// In seconds. The sum is exact.
    fn from_latencies(times: &LatencyHistogram) -> Self {
        Self { sum: times.sum_ms as f64 / 1000.0, ..Self::from_sketch(&times.sketch) }
    }

    pub(crate) fn n(&self) -> u64 {
        self.counts.iter().fold(0, |n, count| n.saturating_add(*count))
    }
}

impl MetricData {
    /// A name is always of one kind.
    fn extend(&mut self, other: Self) {
        match (self, other) {
            (Self::Counter(samples), Self::Counter(more)) => samples.extend(more),
            (Self::Gauge(samples), Self::Gauge(more)) => samples.extend(more),
            (Self::Histogram(samples), Self::Histogram(more)) => samples.extend(more),
            _ => {}
        }
    }

    const fn is_empty(&self) -> bool {
        match self {
            Self::Counter(samples) => samples.is_empty(),
            Self::Gauge(samples) => samples.is_empty(),
            Self::Histogram(samples) => samples.is_empty(),
        }
    }
}

impl Gauge {
    const fn describe(self) -> (MetricName, &'static str, f64) {
        match self {
            Self::Health(score) => (
                MetricName { prometheus: "edge_vitals_health_score", otel: "edge_vitals.health", unit: "1" },
                "The health of the site, from 0 to 100.",
                score as f64,
            ),
            Self::Backlog(windows) => (
                MetricName {
                    prometheus: "edge_vitals_push_backlog",
                    otel: "edge_vitals.push.backlog",
                    unit: "{window}",
                },
                "Closed windows that the backend has not got.",
                windows as f64,
            ),
            Self::LastBeaconAt(at) => (
                MetricName {
                    prometheus: "edge_vitals_last_beacon_timestamp_seconds",
                    otel: "edge_vitals.last_beacon",
                    unit: "s",
                },
                "When a beacon was last heard, in seconds since the Unix epoch.",
                at.0 as f64 / 1000.0,
            ),
            Self::Memory(bytes) => (
                MetricName { prometheus: "edge_vitals_memory_bytes", otel: "edge_vitals.memory", unit: "By" },
                "Bytes of memory in use.",
                bytes as f64,
            ),
        }
    }
}

impl SampledView {
    /// A name of so many hexadecimal digits, the same each time it is asked for, for each purpose.
    pub(crate) fn derive_id(&self, purpose: &str, digits: usize) -> String {
        let text = format!("{purpose}/{}.{}", self.id, self.view);
        let mut name = format!("{:016x}{:016x}", hash(&text), hash(&format!("{text}/")));
        name.truncate(digits);
        name
    }

    /// Takes a settled view of the journal: its key, the times of its start and its last beacon, and its record.
    /// Bots and views without measurements are not exported.
    #[must_use]
    pub fn from_record(
        key: &str,
        start: UnixMillis,
        last_beacon_at: UnixMillis,
        record: ViewRecord,
    ) -> Option<Self> {
        if record.labels.bot || record.loss_reason.is_some() {
            return None;
        }
        let (id, view) = key.rsplit_once('.').unwrap_or((key, "0"));
        Some(Self {
            id: id.to_owned(),
            view: view.parse().unwrap_or_default(),
            start,
            age: u32::try_from(last_beacon_at.0.saturating_sub(start.0)).unwrap_or(u32::MAX),
            route: record.labels.route,
            device: record.labels.device,
            navigation: record.labels.navigation,
            release: record.labels.release,
            values: record.values,
        })
    }

    /// Whether it is one of the share that is sent on: the same answer for every view of a page load.
    #[must_use]
    pub fn is_sampled(&self, share: f64) -> bool {
        (hash(&self.id) >> 11) as f64 / (1_u64 << 53) as f64 <= share && share > 0.0
    }
}

/// A stable hash whose high bits are mixed as well as its low ones.
pub(crate) fn hash(text: &str) -> u64 {
    let hash = fnv1a_64(text.bytes());
    let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 33)
}

fn cap_cardinality(known: &mut BTreeSet<String>, name: &str, max: usize) -> String {
    if known.contains(name) {
        return name.to_owned();
    }
    if known.len() >= max {
        return OTHER_LABEL.to_owned();
    }
    known.insert(name.to_owned());
    name.to_owned()
}

const MAX_ROUTES: usize = 200;

/// A route's vitals by class of devices, and its answers.
type TotalsRow = (Vec<(Device, Vec<u8>)>, Option<Vec<u8>>);
const VERSION: u8 = 1;

const VITAL_FAMILIES: [(Metric, MetricName, &str); 6] = [
    (
        Metric::Fcp,
        MetricName { prometheus: "web_vitals_fcp_seconds", otel: "web_vitals.fcp", unit: "s" },
        "First Contentful Paint of visits.",
    ),
    (
        Metric::Lcp,
        MetricName { prometheus: "web_vitals_lcp_seconds", otel: "web_vitals.lcp", unit: "s" },
        "Largest Contentful Paint of visits.",
    ),
    (
        Metric::Cls,
        MetricName { prometheus: "web_vitals_cls", otel: "web_vitals.cls", unit: "1" },
        "Cumulative Layout Shift of visits.",
    ),
    (
        Metric::Inp,
        MetricName { prometheus: "web_vitals_inp_seconds", otel: "web_vitals.inp", unit: "s" },
        "Interaction to Next Paint of visits.",
    ),
    (
        Metric::Fid,
        MetricName { prometheus: "web_vitals_fid_seconds", otel: "web_vitals.fid", unit: "s" },
        "First Input Delay of visits.",
    ),
    (
        Metric::Ttfb,
        MetricName { prometheus: "web_vitals_ttfb_seconds", otel: "web_vitals.ttfb", unit: "s" },
        "Time to First Byte of visits.",
    ),
];

#[cfg(test)]
mod tests {
    use ledger::MetricCell;

    use super::*;

    #[test]
    fn every_edge_is_a_sketch_bucket_edge_so_counts_are_exact() {
        for (metric, edges) in [(Metric::Lcp, &DURATION_EDGES_MS[..]), (Metric::Cls, &LAYOUT_SHIFT_EDGES[..])]
        {
            let mut sketch = Sketch::new(metric);
            (0..12_000).for_each(|value| sketch.insert(value, 1));
            for edge in edges {
                let within = sketch.within(*edge);
                assert_eq!((within.at_least, within.at_most), (u64::from(*edge) + 1, u64::from(*edge) + 1));
            }
            let histogram = Histogram::from_sketch(&sketch);
            assert_eq!(histogram.n(), 12_000);
            let exact =
                (0..12_000_u32).map(f64::from).sum::<f64>() / if metric == Metric::Cls { 1e4 } else { 1e3 };
            assert!((histogram.sum / exact - 1.0).abs() < 0.008, "{} is not {exact}", histogram.sum);
        }
    }

    #[test]
    fn every_threshold_is_an_edge() {
        for metric in Metric::ALL {
            let edges = if metric == Metric::Cls { &LAYOUT_SHIFT_EDGES[..] } else { &DURATION_EDGES_MS[..] };
            let thresholds = metric.thresholds();
            for value in [thresholds.good, thresholds.poor] {
                assert!(edges.contains(&metric.to_wire(value)), "{} {value}", metric.name());
            }
        }
    }

    #[test]
    fn latencies_are_counted_up_to_their_edge() {
        let mut times = LatencyHistogram::default();
        [0, 50, 51, 99_999].into_iter().for_each(|millis| times.add(millis));
        let histogram = Histogram::from_latencies(&times);
        let counts = [0, 1, 18].map(|edge| histogram.counts[edge]);
        assert_eq!((counts, histogram.sum), ([2, 1, 1], 100.1));
    }

    #[test]
    fn random_routes_do_not_grow_the_totals() {
        let mut totals = Totals::new("shop".into(), UnixMillis(0));
        let tally = || MetricCell { n: 1, limit_counts: BTreeMap::new(), sketch: Sketch::new(Metric::Lcp) };
        for route in 0..5000 {
            let metrics = [(Metric::Lcp, tally())].into();
            let cell = Cell { views: 1, metrics, ..Cell::default() };
            totals.add_visits(&format!("/{route}"), Device::Phone, &cell);
        }
        assert_eq!(totals.vitals.len(), MAX_ROUTES + 1);
    }

    #[test]
    fn views_are_sampled_by_page_load() {
        let view = |index: u64| SampledView {
            id: format!("{index:016x}"),
            view: 0,
            start: UnixMillis(0),
            age: 0,
            route: "/".into(),
            device: Device::Phone,
            navigation: Navigation::Navigate,
            release: None,
            values: Values::default(),
        };
        let sampled = |share| (0..10_000).filter(|index| view(*index).is_sampled(share)).count();
        assert_eq!((sampled(0.0), sampled(1.0)), (0, 10_000));
        assert!((950..1050).contains(&sampled(0.1)), "{}", sampled(0.1));
        let again = SampledView { view: 3, ..view(7) };
        assert_eq!(again.is_sampled(0.5), view(7).is_sampled(0.5));
        assert_ne!(again.derive_id("event", 32), view(7).derive_id("event", 32));
    }
}
