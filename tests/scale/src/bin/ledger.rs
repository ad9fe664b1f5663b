//! Benchmark of queries after ten thousand, a million and ten million views, of the budget report of a thousand
//! routes, and of the sketch in comparison with other sketches. It prints figures as JSON for `cargo xtask bench ledger`.

use std::hint::black_box;
use std::time::Instant;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2Serializer};
use ledger::{
    BotFilter, CardinalityLimits, Dimension, Horizon, NavigationFilter, SeriesQuery, SumKind, lookback_start,
};
use report::query_parameters::CellSelection;
use scale::reported_site::ReportedSite;
use scale::{Audience, Random, SimulatedShard, shipped_limits, thread_cpu_ns};
use serde_json::{Value, json};
use sketch::Sketch;
use sketches_ddsketch::{Config, DDSketch};
use tdigests::TDigest;
use wire::{Metric, UnixMillis, Window, WindowSpan};

fn main() {
    let mut figures = bench_queries();
    figures.extend(bench_budget_report());
    figures.extend(bench_sketches());
    println!("{}", json!({ "figures": figures }));
}

const ROUTES: usize = 1000;
const DAYS: u64 = 30;

/// Queries a month of a thousand routes: from sums of pages, from those of slices, and from cells.
fn bench_queries() -> Vec<Value> {
    let mut months = [10_000, 1_000_000, 10_000_000].map(Month::simulate);
    let mut figures = Vec::new();
    for kind in query_kinds() {
        let QueryKind { name, .. } = &kind;
        let [small, middle, large] = [0, 1, 2].map(|at| months[at].run_query(&kind));
        if let Some(limit) = kind.limit_ms {
            let against = format!("the limit of {limit} ms");
            let name = format!("{name} after 10,000,000 views, {} rows", large.rows);
            figures.push(figure(&name, large.millis, "ms", large.millis / limit, &against, 1.0));
            continue;
        }
        let against = |views: &str, read: &QueryCost| {
            format!("after {views}: {:.2} ms of {} rows", read.millis, read.rows)
        };
        figures.push(figure(
            &format!("{name} after 10,000,000 views, {} rows", large.rows),
            large.millis,
            "ms",
            large.millis / middle.millis,
            &against("1,000,000", &middle),
            1.25,
        ));
        figures.push(figure(
            &format!("{name} after 1,000,000 views"),
            middle.millis,
            "ms",
            middle.millis / small.millis,
            &against("10,000", &small),
            1.25,
        ));
    }
    let [_, middle, large] = &months;
    let a_cell = |month: &Month| month.shard.cell_bytes() as f64 / month.shard.cells.len() as f64;
    let (sums, sum_bytes) = large.shard.sum_bytes(SumKind::Pages);
    figures.push(figure(
        "a series and window after 10,000,000 views",
        a_cell(large),
        "bytes",
        // A view has four or five values of 32 bits.
        large.shard.cell_bytes() as f64 / (large.views * 4 * 46 / 10) as f64,
        "its values as numbers of 32 bits",
        1.0,
    ));
    figures.push(figure(
        "a series and window after 1,000,000 views",
        a_cell(middle),
        "bytes",
        a_cell(middle) / a_cell(large),
        "after ten times as many",
        1.0,
    ));
    figures.push(figure(
        "a page and day after 10,000,000 views",
        sum_bytes as f64 / sums as f64,
        "bytes",
        sum_bytes as f64 / large.shard.cell_bytes() as f64,
        "all pages to all series",
        1.0,
    ));
    figures
}

/// A query of 30 days.
struct QueryKind {
    name: &'static str,
    by: Vec<Dimension>,
    only: Vec<(Dimension, String)>,
    /// The limit of its time; without one, its time is compared over the numbers of views.
    limit_ms: Option<f64>,
}

fn query_kinds() -> Vec<QueryKind> {
    let release = END.0 / (7 * WindowSpan::Day.millis()) % 10;
    let of_release = || vec![(Dimension::Release, release.to_string())];
    let kind = |name, by: &[Dimension], only, limit_ms| QueryKind { name, by: by.to_vec(), only, limit_ms };
    vec![
        kind("p75 of 30 days of 1,000 routes", &[Dimension::Route], Vec::new(), None),
        kind("p75 of 30 days of one release", &[Dimension::Device], of_release(), Some(SLICE_LIMIT_MS)),
        kind("p75 of 30 days by release", &[Dimension::Release], Vec::new(), Some(SLICE_LIMIT_MS)),
        kind("p75 of 30 days of 1,000 routes of one release", &[Dimension::Route], of_release(), None),
    ]
}

const SLICE_LIMIT_MS: f64 = 100.0;

struct Month {
    shard: SimulatedShard,
    views: u64,
}

struct QueryCost {
    millis: f64,
    rows: u64,
}

impl Month {
    fn simulate(views: u64) -> Self {
        eprint!("\rfolds {views} views of a month  ");
        // The limits allow all routes.
        let limits = CardinalityLimits {
            routes: 2 * ROUTES,
            reserved_routes: ROUTES,
            browser_series: 4 * ROUTES,
            series: 4 * ROUTES,
        };
        // The last two hours are in minutes; earlier views are in hours, as after a roll-up.
        let minutes =
            Window::containing(WindowSpan::Hour, END.saturating_sub(2 * WindowSpan::Hour.millis())).start;
        let days = Window::containing(WindowSpan::Day, minutes).start;
        let mut shard =
            SimulatedShard::new(limits, Horizon { minutes, pages: days, slices: days, ..Horizon::default() });
        shard.fold_block = 20_000;
        let mut audience = Audience::new(ROUTES, true, 7);
        let at = |view: u64| START.saturating_add(view * (END.0 - START.0) / views);
        let block = views.div_ceil(DAYS * 24);
        for first in (0..views).step_by(block as usize) {
            let all = first..(first + block).min(views);
            let views = all.map(|view| {
                let mut view = audience.view(at(view));
                // A release a week.
                view.record.labels.release =
                    Some((view.start.0 / (7 * WindowSpan::Day.millis()) % 10).to_string());
                view
            });
            shard.fold(views.collect(), shipped_limits);
        }
        eprint!("\r                               \r");
        Self { shard, views }
    }

    fn run_query(&mut self, kind: &QueryKind) -> QueryCost {
        let query = SeriesQuery {
            from: lookback_start(END, DAYS * WindowSpan::Day.millis()),
            to: END,
            bots: BotFilter::Exclude,
            navigations: NavigationFilter::default(),
            only: kind.only.clone(),
            by: kind.by.clone(),
            step: None,
        };
        let mut rows = 0;
        // The clock of a thread moves by milliseconds.
        let repeats: u32 = if kind.limit_ms.is_some() { 100 } else { 1 };
        let millis = median((0..5).map(|_| {
            let before = thread_cpu_ns();
            for _ in 0..repeats {
                let (groups, usage) = self.shard.query(&query);
                let p75 = groups
                    .cells
                    .values()
                    .filter_map(|cell| cell.metrics.get(&Metric::Lcp)?.sketch.percentile(75));
                assert!(black_box(p75.count()) <= ROUTES);
                rows = usage.read;
            }
            (thread_cpu_ns() - before) / 1e6 / f64::from(repeats)
        }));
        QueryCost { millis, rows }
    }
}

/// Builds the report of `GET /api/budgets`: whole, and the page of it that the dashboard shows.
fn bench_budget_report() -> [Value; 2] {
    let site = ReportedSite::new(ROUTES);
    let first_page = CellSelection { worst_first: true, limit: Some(50), ..CellSelection::default() };
    [("all cells", CellSelection::default()), ("50 cells", first_page)].map(|(name, selection)| {
        let inputs = site.inputs(selection);
        let millis = median((0..7).map(|_| {
            let before = thread_cpu_ns();
            assert!(!black_box(inputs.report()).expect("valid budgets").cells.is_empty());
            (thread_cpu_ns() - before) / 1e6
        }));
        figure(
            &format!("budget report of 1,000 routes, 3 devices and 5 metrics: {name}"),
            millis,
            "ms",
            millis / REPORT_LIMIT_MS,
            "the limit of 100 ms",
            1.0,
        )
    })
}

const REPORT_LIMIT_MS: f64 = 100.0;

const START: UnixMillis = UnixMillis(20_000 * WindowSpan::Day.millis());
/// An arbitrary time of day.
const END: UnixMillis = UnixMillis(START.0 + DAYS * WindowSpan::Day.millis() + 34_567_890);

/// The operations of a sketch that are measured.
trait BenchSketch: Sized {
    const NAME: &'static str;
    fn from_values(values: &[u32]) -> Self;
    fn merge_all(all: &[Self]) -> Self;
    fn quantile(&self, share: f64) -> f64;
    fn encoded_bytes(&self) -> usize;
}

struct OurSketch(Sketch);
struct DataDogSketch(DDSketch);
struct HdrSketch(Histogram<u64>);
struct DigestSketch(TDigest);

impl BenchSketch for OurSketch {
    const NAME: &'static str = "ours";
    fn from_values(values: &[u32]) -> Self {
        let mut sketch = Sketch::new(Metric::Lcp);
        values.iter().for_each(|value| sketch.insert(*value, 1));
        Self(sketch)
    }
    fn merge_all(all: &[Self]) -> Self {
        let mut sum = Sketch::new(Metric::Lcp);
        all.iter().for_each(|one| sum.merge(&one.0).expect("the same metric"));
        Self(sum)
    }
    fn quantile(&self, share: f64) -> f64 {
        f64::from(self.0.percentile((share * 100.0).round() as u8).expect("values").midpoint())
    }
    fn encoded_bytes(&self) -> usize {
        self.0.encode().len()
    }
}

impl BenchSketch for DataDogSketch {
    const NAME: &'static str = "sketches-ddsketch";
    fn from_values(values: &[u32]) -> Self {
        // 1/128 on either side is the bound of our sketch, too.
        let mut sketch = DDSketch::new(Config::new(1.0 / 128.0, 2048, 1.0));
        values.iter().for_each(|value| sketch.add(f64::from(*value)));
        Self(sketch)
    }
    fn merge_all(all: &[Self]) -> Self {
        let mut sum = DDSketch::new(Config::new(1.0 / 128.0, 2048, 1.0));
        all.iter().for_each(|one| sum.merge(&one.0).expect("the same configuration"));
        Self(sum)
    }
    fn quantile(&self, share: f64) -> f64 {
        self.0.quantile(share).ok().flatten().expect("values")
    }
    fn encoded_bytes(&self) -> usize {
        self.0.to_java_bytes().len()
    }
}

impl BenchSketch for HdrSketch {
    const NAME: &'static str = "hdrhistogram";
    fn from_values(values: &[u32]) -> Self {
        let mut histogram = Histogram::new_with_bounds(1, 600_000, 2).expect("bounds");
        values.iter().for_each(|value| histogram.record(u64::from(*value)).expect("within bounds"));
        Self(histogram)
    }
    fn merge_all(all: &[Self]) -> Self {
        let mut sum = Histogram::new_with_bounds(1, 600_000, 2).expect("bounds");
        all.iter().for_each(|one| sum.add(&one.0).expect("the same bounds"));
        Self(sum)
    }
    fn quantile(&self, share: f64) -> f64 {
        self.0.value_at_quantile(share) as f64
    }
    fn encoded_bytes(&self) -> usize {
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(&self.0, &mut bytes).expect("bytes")
    }
}

impl BenchSketch for DigestSketch {
    const NAME: &'static str = "tdigests";
    fn from_values(values: &[u32]) -> Self {
        // Values arrive one by one, but this digest takes blocks.
        let mut digest: Option<TDigest> = None;
        for block in values.chunks(500) {
            let next = TDigest::from_values(block.iter().map(|value| f64::from(*value)).collect());
            let mut sum = digest.map_or_else(|| next.clone(), |digest| digest.merge(&next));
            sum.compress(100);
            digest = Some(sum);
        }
        Self(digest.expect("values"))
    }
    fn merge_all(all: &[Self]) -> Self {
        let mut sum = all.first().expect("one at least").0.clone();
        for one in all.iter().skip(1) {
            sum = sum.merge(&one.0);
            sum.compress(100);
        }
        Self(sum)
    }
    fn quantile(&self, share: f64) -> f64 {
        self.0.estimate_quantile(share)
    }
    fn encoded_bytes(&self) -> usize {
        self.0.centroids().len() * 16
    }
}

#[derive(Clone, Copy)]
struct SketchCost {
    insert_ns: f64,
    merge_ns: f64,
    quantile_ns: f64,
    bytes: f64,
    error: f64,
}

type CostField = fn(&SketchCost) -> f64;

fn bench_sketches() -> Vec<Value> {
    let mut random = Random(11);
    let values: Vec<u32> = (0..100_000).map(|_| random.log_normal(1500.0).max(1)).collect();
    let mut sorted = values.clone();
    sorted.sort_unstable();
    // The ratio is taken within each round, because the speed of a shared machine varies between rounds.
    let rounds: Vec<[SketchCost; 4]> = (0..7)
        .map(|_| {
            [
                measure_sketch::<OurSketch>(&values, &sorted),
                measure_sketch::<DataDogSketch>(&values, &sorted),
                measure_sketch::<HdrSketch>(&values, &sorted),
                measure_sketch::<DigestSketch>(&values, &sorted),
            ]
        })
        .collect();
    let kinds: [(&str, &str, CostField); 5] = [
        ("insert", "ns", |cost| cost.insert_ns),
        ("merge of 1,000 values", "ns", |cost| cost.merge_ns),
        ("quantile of 100,000 values", "ns", |cost| cost.quantile_ns),
        ("bytes of 1,000 values", "bytes", |cost| cost.bytes),
        ("largest error of a quantile", "%", |cost| 100.0 * cost.error),
    ];
    let peers = [DataDogSketch::NAME, HdrSketch::NAME, DigestSketch::NAME];
    let mut figures = Vec::new();
    for (kind, unit, field) in kinds {
        for (at, peer) in (1..).zip(peers) {
            let ours = median(rounds.iter().map(|round| field(&round[0])));
            let theirs = median(rounds.iter().map(|round| field(&round[at])));
            let ratio = median(rounds.iter().map(|round| field(&round[0]) / field(&round[at])));
            let against = format!("{peer}, {theirs:.2} {unit}");
            figures.push(figure(&format!("sketch: {kind}"), ours, unit, ratio, &against, 1.0));
        }
    }
    figures
}

fn measure_sketch<S: BenchSketch>(values: &[u32], sorted: &[u32]) -> SketchCost {
    let started = Instant::now();
    let whole = black_box(S::from_values(black_box(values)));
    let insert = elapsed_ns(started) / values.len() as f64;
    let parts: Vec<S> = values.chunks(1000).map(S::from_values).collect();
    let started = Instant::now();
    black_box(S::merge_all(black_box(&parts)));
    let merge = elapsed_ns(started) / parts.len() as f64;
    let shares = [0.5, 0.75, 0.9, 0.95, 0.99];
    let started = Instant::now();
    for _ in 0..200 {
        shares.iter().for_each(|share| {
            black_box(whole.quantile(black_box(*share)));
        });
    }
    let quantile = elapsed_ns(started) / (200.0 * shares.len() as f64);
    let exact = |share: f64| f64::from(sorted[(sorted.len() as f64 * share).ceil() as usize - 1]);
    let errors = shares.iter().map(|share| (whole.quantile(*share) / exact(*share) - 1.0).abs());
    let bytes = parts.iter().map(|part| part.encoded_bytes() as f64).sum::<f64>() / parts.len() as f64;
    SketchCost {
        insert_ns: insert,
        merge_ns: merge,
        quantile_ns: quantile,
        bytes,
        error: errors.fold(0.0, f64::max),
    }
}

fn elapsed_ns(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1e9
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn figure(name: &str, value: f64, unit: &str, ratio: f64, against: &str, goal: f64) -> Value {
    json!({
        "name": name, "value": value, "unit": unit, "ratio": ratio, "against": against, "goal": goal,
        "met": ratio <= goal,
    })
}
