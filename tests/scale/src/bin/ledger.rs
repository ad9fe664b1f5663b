//! What reading costs after ten thousand, a million and ten million views, and what a sketch costs beside
//! those that others use. Prints figures as JSON; `cargo xtask bench ledger` shows them.

use std::hint::black_box;
use std::time::Instant;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2Serializer};
use ledger::{Bots, Dimension, Horizon, Query, Room, Span};
use scale::{Audience, Random, Shard, limits};
use serde_json::{Value, json};
use sketch::Sketch;
use sketches_ddsketch::{Config, DDSketch};
use tdigests::TDigest;
use wire::{Metric, UnixMillis};

fn main() {
    let mut figures = reading();
    figures.extend(sketches());
    println!("{}", json!({ "figures": figures }));
}

const ROUTES: usize = 1000;
const DAYS: u64 = 30;

/// A month of a thousand routes, an hour at a time.
fn reading() -> Vec<Value> {
    let [small, middle, large] = [10_000, 1_000_000, 10_000_000].map(read);
    let per_cell = |read: &Read| read.micros / read.cells as f64;
    vec![
        figure(
            "p75 of 30 days of 1,000 routes after 10,000,000 views",
            large.micros / 1000.0,
            "ms",
            large.micros / middle.micros,
            &format!("after 1,000,000: {:.0} ms of {} cells", middle.micros / 1000.0, middle.cells),
            1.25,
        ),
        figure(
            "a stored cell, read after 10,000,000 views",
            per_cell(&large),
            "µs",
            per_cell(&large) / per_cell(&small),
            &format!("after 10,000: {:.2} µs, {} cells", per_cell(&small), small.cells),
            4.0,
        ),
        figure(
            "a series and window after 10,000,000 views",
            large.bytes as f64 / large.cells as f64,
            "bytes",
            large.bytes as f64 / large.raw as f64,
            &format!("its {} values as numbers of 32 bits", large.raw / 4 / large.cells),
            1.0,
        ),
        figure(
            "a series and window after 1,000,000 views",
            middle.bytes as f64 / middle.cells as f64,
            "bytes",
            middle.bytes as f64 / large.bytes as f64 * large.cells as f64 / middle.cells as f64,
            "after ten times as many",
            1.0,
        ),
    ]
}

struct Read {
    micros: f64,
    cells: u64,
    bytes: u64,
    raw: u64,
}

fn read(views: u64) -> Read {
    let start = UnixMillis(20_000 * Span::Day.millis());
    let end = start.after(DAYS * Span::Day.millis());
    // Hours hold all of it; and a window has room for all of the routes.
    let horizon = Horizon { minutes: end, ..Horizon::default() };
    let room = Room { routes: 2 * ROUTES, heavy: ROUTES, series: 4 * ROUTES };
    let mut shard = Shard::of(room, horizon);
    let mut audience = Audience::of(ROUTES, true, 7);
    let step = DAYS * Span::Day.millis() * 500 / views;
    for block in 0..views / 500 {
        let at = start.after(block * step);
        shard.fold((0..500).map(|_| audience.view(at)).collect(), limits);
    }
    let query = Query {
        from: start,
        to: end,
        bots: Bots::Exclude,
        only: Vec::new(),
        by: vec![Dimension::Route],
        step: None,
    };
    let micros = median((0..3).map(|_| {
        let before = processor();
        let groups = shard.read(&query);
        let p75 =
            groups.cells.values().filter_map(|cell| cell.metrics.get(&Metric::Lcp)?.sketch.percentile(75));
        assert!(black_box(p75.count()) <= ROUTES);
        (processor() - before) / 1000.0
    }));
    // Four or five values a view.
    Read { micros, cells: shard.cells.len() as u64, bytes: shard.bytes(), raw: views * 4 * 46 / 10 }
}

/// A sketch, as this bench needs it.
trait Sketched: Sized {
    const NAME: &'static str;
    fn of(values: &[u32]) -> Self;
    fn merged(all: &[Self]) -> Self;
    fn quantile(&self, share: f64) -> f64;
    fn bytes(&self) -> usize;
}

struct Ours(Sketch);
struct DataDog(DDSketch);
struct Hdr(Histogram<u64>);
struct Digest(TDigest);

impl Sketched for Ours {
    const NAME: &'static str = "ours";
    fn of(values: &[u32]) -> Self {
        let mut sketch = Sketch::new(Metric::Lcp);
        values.iter().for_each(|value| sketch.insert(*value, 1));
        Self(sketch)
    }
    fn merged(all: &[Self]) -> Self {
        let mut sum = Sketch::new(Metric::Lcp);
        all.iter().for_each(|one| sum.merge(&one.0).expect("the same metric"));
        Self(sum)
    }
    fn quantile(&self, share: f64) -> f64 {
        f64::from(self.0.percentile((share * 100.0).round() as u8).expect("values").middle())
    }
    fn bytes(&self) -> usize {
        self.0.encode().len()
    }
}

impl Sketched for DataDog {
    const NAME: &'static str = "sketches-ddsketch";
    fn of(values: &[u32]) -> Self {
        // Half of 1/64: the same bound as ours.
        let mut sketch = DDSketch::new(Config::new(1.0 / 128.0, 2048, 1.0));
        values.iter().for_each(|value| sketch.add(f64::from(*value)));
        Self(sketch)
    }
    fn merged(all: &[Self]) -> Self {
        let mut sum = DDSketch::new(Config::new(1.0 / 128.0, 2048, 1.0));
        all.iter().for_each(|one| sum.merge(&one.0).expect("the same configuration"));
        Self(sum)
    }
    fn quantile(&self, share: f64) -> f64 {
        self.0.quantile(share).ok().flatten().expect("values")
    }
    fn bytes(&self) -> usize {
        self.0.to_java_bytes().len()
    }
}

impl Sketched for Hdr {
    const NAME: &'static str = "hdrhistogram";
    fn of(values: &[u32]) -> Self {
        let mut histogram = Histogram::new_with_bounds(1, 600_000, 2).expect("bounds");
        values.iter().for_each(|value| histogram.record(u64::from(*value)).expect("within bounds"));
        Self(histogram)
    }
    fn merged(all: &[Self]) -> Self {
        let mut sum = Histogram::new_with_bounds(1, 600_000, 2).expect("bounds");
        all.iter().for_each(|one| sum.add(&one.0).expect("the same bounds"));
        Self(sum)
    }
    fn quantile(&self, share: f64) -> f64 {
        self.0.value_at_quantile(share) as f64
    }
    fn bytes(&self) -> usize {
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(&self.0, &mut bytes).expect("bytes")
    }
}

impl Sketched for Digest {
    const NAME: &'static str = "tdigests";
    fn of(values: &[u32]) -> Self {
        // Values come one after the other; it takes them in blocks.
        let mut digest: Option<TDigest> = None;
        for block in values.chunks(500) {
            let next = TDigest::from_values(block.iter().map(|value| f64::from(*value)).collect());
            let mut sum = digest.map_or_else(|| next.clone(), |digest| digest.merge(&next));
            sum.compress(100);
            digest = Some(sum);
        }
        Self(digest.expect("values"))
    }
    fn merged(all: &[Self]) -> Self {
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
    fn bytes(&self) -> usize {
        self.0.centroids().len() * 16
    }
}

#[derive(Clone, Copy)]
struct Cost {
    insert: f64,
    merge: f64,
    quantile: f64,
    bytes: f64,
    error: f64,
}

type Part = fn(&Cost) -> f64;

fn sketches() -> Vec<Value> {
    let mut random = Random(11);
    let values: Vec<u32> = (0..100_000).map(|_| random.paint(1500.0).max(1)).collect();
    let mut sorted = values.clone();
    sorted.sort_unstable();
    // Round by round, because the machine's mood changes between rounds.
    let rounds: Vec<[Cost; 4]> = (0..7)
        .map(|_| {
            [
                cost::<Ours>(&values, &sorted),
                cost::<DataDog>(&values, &sorted),
                cost::<Hdr>(&values, &sorted),
                cost::<Digest>(&values, &sorted),
            ]
        })
        .collect();
    let kinds: [(&str, &str, Part); 5] = [
        ("insert", "ns", |cost| cost.insert),
        ("merge of 1,000 values", "ns", |cost| cost.merge),
        ("quantile of 100,000 values", "ns", |cost| cost.quantile),
        ("bytes of 1,000 values", "bytes", |cost| cost.bytes),
        ("largest error of a quantile", "%", |cost| 100.0 * cost.error),
    ];
    let peers = [DataDog::NAME, Hdr::NAME, Digest::NAME];
    let mut figures = Vec::new();
    for (kind, unit, of) in kinds {
        for (at, peer) in (1..).zip(peers) {
            let ours = median(rounds.iter().map(|round| of(&round[0])));
            let theirs = median(rounds.iter().map(|round| of(&round[at])));
            let ratio = median(rounds.iter().map(|round| of(&round[0]) / of(&round[at])));
            let against = format!("{peer}, {theirs:.2} {unit}");
            figures.push(figure(&format!("sketch: {kind}"), ours, unit, ratio, &against, 1.0));
        }
    }
    figures
}

fn cost<S: Sketched>(values: &[u32], sorted: &[u32]) -> Cost {
    let started = Instant::now();
    let whole = black_box(S::of(black_box(values)));
    let insert = nanos(started) / values.len() as f64;
    let parts: Vec<S> = values.chunks(1000).map(S::of).collect();
    let started = Instant::now();
    black_box(S::merged(black_box(&parts)));
    let merge = nanos(started) / parts.len() as f64;
    let shares = [0.5, 0.75, 0.9, 0.95, 0.99];
    let started = Instant::now();
    for _ in 0..200 {
        shares.iter().for_each(|share| {
            black_box(whole.quantile(black_box(*share)));
        });
    }
    let quantile = nanos(started) / (200.0 * shares.len() as f64);
    let exact = |share: f64| f64::from(sorted[(sorted.len() as f64 * share).ceil() as usize - 1]);
    let errors = shares.iter().map(|share| (whole.quantile(*share) / exact(*share) - 1.0).abs());
    let bytes = parts.iter().map(|part| part.bytes() as f64).sum::<f64>() / parts.len() as f64;
    Cost { insert, merge, quantile, bytes, error: errors.fold(0.0, f64::max) }
}

/// The time that this thread has had a processor, in nanoseconds: a shared machine takes none of it away.
fn processor() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace()
        .next()
        .and_then(|nanos| nanos.parse().ok())
        .expect("Linux counts the time of a thread")
}

fn nanos(started: Instant) -> f64 {
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
