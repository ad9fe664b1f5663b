//! Simulated visits and a simulated shard, shared by the benchmark of the ledger and the model of its scale. The
//! shard folds, rolls up and queries with the ledger's own code, keeps encoded bytes as the Worker does, and counts
//! rows read and written.

mod browsers;
pub mod design;
pub mod pack_rows;
pub mod price;
pub mod report_model;
pub mod reported_site;

use self::pack_rows::PackRows;
pub use self::pack_rows::RowCounts;

use std::collections::{BTreeMap, BTreeSet};

use ledger::{
    CardinalityGuard, CardinalityLimits, Cell, CellEffect, CellKey, ClientInfo, DaySums, FoldedView,
    FrequentRoutes, Horizon, MAX_SLICE_VALUES, MetricLimits, QueryResult, RecentRollup, RecentRollups,
    Retention, RollupPlacement, RouteTemplates, SeriesLabels, SeriesQuery, SumDeltas, SumEffect, SumKey,
    SumKind, SumRange, UnfoldedView, ViewRecord, cells_to_load, fold, roll_up,
};
use wire::beacon::{Navigation, Network, Values};
use wire::{Beacon, Device, Metric, NetworkBucket, UnixMillis, Window, WindowSpan};

/// A random number generator (splitmix64).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// Returns the next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number from 0 to 1.
    pub fn share(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Returns an integer below the bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// Returns a realistic metric value: log-normal around a median.
    pub fn log_normal(&mut self, median: f64) -> u32 {
        // The sum of twelve shares is nearly normal.
        let normal: f64 = (0..12).map(|_| self.share()).sum::<f64>() - 6.0;
        (median * (0.55 * normal).exp()).min(600_000.0) as u32
    }
}

/// A generator of views of a site.
#[derive(Clone, Debug)]
pub struct Audience {
    random: Random,
    routes: Vec<String>,
    /// The cumulative share of views by route (Zipf): the second route has half of the views of the first.
    cumulative_shares: Vec<f64>,
    is_plain: bool,
    has_browsers: bool,
    record_template: ViewRecord,
    views: u64,
}

impl Audience {
    /// Creates visitors of `routes` routes; plain ones differ in the route only.
    #[must_use]
    pub fn new(routes: usize, is_plain: bool, seed: u64) -> Self {
        let weights: Vec<f64> = (1..=routes).map(|rank| 1.0 / rank as f64).collect();
        let all: f64 = weights.iter().sum();
        let shares = weights.iter().scan(0.0, |sum, weight| {
            *sum += weight / all;
            Some(*sum)
        });
        let agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36";
        let text = br#"{"v":1,"site":"s","id":"0123456789abcdef","nav":"navigate","path":"/","release":"1"}"#;
        let beacon = Beacon::parse(text).expect("a beacon");
        Self {
            random: Random(seed),
            routes: (0..routes).map(|route| format!("/section-{}/page-{route}", route % 17)).collect(),
            cumulative_shares: shares.collect(),
            is_plain,
            has_browsers: false,
            record_template: ViewRecord::from_beacon(
                &beacon,
                ClientInfo { user_agent: agent, ..ClientInfo::default() },
                &RouteTemplates::default(),
            ),
            views: 0,
        }
    }

    /// Records the browsers of visitors, or not.
    #[must_use]
    pub const fn with_browsers(mut self, has_browsers: bool) -> Self {
        self.has_browsers = has_browsers;
        self
    }

    /// Returns a view with one beacon.
    pub fn view(&mut self, start: UnixMillis) -> UnfoldedView {
        self.views += 1;
        let share = self.random.share();
        let at = self.cumulative_shares.partition_point(|sum| *sum < share).min(self.routes.len() - 1);
        let mut record = self.record_template.clone();
        record.labels.route.clone_from(&self.routes[at]);
        // Any odd number spreads the views over all buckets.
        record.network_bucket = Some(NetworkBucket::from_hash((self.views.wrapping_mul(37) & 0x7f) as u8));
        if !self.is_plain {
            let pick = self.random.below(100);
            record.labels.device = if pick < 58 {
                Device::Phone
            } else if pick < 96 {
                Device::Desktop
            } else {
                Device::Tablet
            };
            let pick = self.random.below(100);
            record.labels.navigation = match pick {
                0..75 => Navigation::Navigate,
                75..82 => Navigation::Reload,
                82..92 => Navigation::BackForward,
                _ => Navigation::BackForwardCache,
            };
            record.labels.network = (self.random.below(100) < 70).then_some(Network::G4);
        }
        if self.has_browsers {
            let (browser, os) = browsers::of_visitor(record.labels.device, |bound| self.random.below(bound));
            (record.labels.browser, record.labels.os) = (Some(browser), Some(os));
        }
        let mut values = Values::default();
        values.set(Metric::Fcp, self.random.log_normal(900.0));
        values.set(Metric::Lcp, self.random.log_normal(1500.0));
        values.set(Metric::Cls, self.random.log_normal(150.0).min(100_000));
        values.set(Metric::Ttfb, self.random.log_normal(250.0));
        if self.random.below(100) < 60 {
            values.set(Metric::Inp, self.random.log_normal(90.0));
        }
        record.values = values;
        UnfoldedView { key: self.views.to_string(), start, seq: 0, received_bits: 1, record, folded: None }
    }
}

/// The stored state of a shard.
#[derive(Clone, Debug)]
pub struct SimulatedShard {
    /// The encoded cells.
    pub cells: BTreeMap<CellKey, Vec<u8>>,
    /// The encoded sums.
    pub sums: BTreeMap<SumKey, Vec<u8>>,
    /// The horizon of the roll-up.
    pub horizon: Horizon,
    /// The rows of packs; `None` if each cell is a row.
    pub packs: Option<PackRows>,
    /// The number of views in one slice of a fold.
    pub fold_block: usize,
    /// The roll-ups of recent windows, from the first query of each kind on.
    pub recent_rollups: RecentRollups,
    guard: CardinalityGuard,
    limits: CardinalityLimits,
}

impl SimulatedShard {
    /// Creates an empty shard.
    #[must_use]
    pub fn new(limits: CardinalityLimits, horizon: Horizon) -> Self {
        let (cells, sums) = Default::default();
        Self {
            cells,
            sums,
            horizon,
            packs: None,
            fold_block: 125,
            recent_rollups: RecentRollups::default(),
            guard: CardinalityGuard::new(limits, FrequentRoutes::default()),
            limits,
        }
    }

    /// Folds views in blocks.
    pub fn fold(
        &mut self,
        views: Vec<UnfoldedView>,
        limits: impl Fn(&SeriesLabels) -> MetricLimits,
    ) -> RowCounts {
        let mut rows = RowCounts::default();
        let mut left = views.into_iter().peekable();
        while left.peek().is_some() {
            let block: Vec<UnfoldedView> = left.by_ref().take(self.fold_block).collect();
            for window in self.guard.unknown_windows(&block, &self.horizon) {
                let from = self.cells.range(first_key(window)..).take_while(|(key, _)| key.window == window);
                let series: Vec<SeriesLabels> = from.map(|(key, _)| key.labels.clone()).collect();
                rows.read += series.len() as u64;
                self.guard.load_window(window, series);
            }
            let cells = self.load(cells_to_load(&block, &self.guard, &self.horizon), &mut rows);
            let mut sums = SumDeltas::for_recent_rollups(&self.recent_rollups);
            let effects = fold(block, cells, &mut self.guard, &self.horizon, &limits, &mut sums);
            self.apply(effects, false, &mut rows);
            self.apply_sum_deltas(sums, &mut rows);
        }
        rows
    }

    /// Rolls up windows past their retention.
    pub fn roll_up(&mut self, now: UnixMillis) -> RowCounts {
        let mut rows = RowCounts::default();
        let after = self.horizon.advanced(&Retention::default(), now);
        if after == self.horizon {
            return rows;
        }
        let spans = WindowSpan::ALL.into_iter().zip([after.minutes, after.hours, after.days]);
        let old: Vec<(CellKey, Cell)> = spans
            .flat_map(|(span, end)| {
                let [from, to] = [UnixMillis(0), end].map(|start| first_key(Window { span, start }));
                self.cells.range(from..to)
            })
            .map(|(key, bytes)| (key.clone(), decode_cell(bytes)))
            .collect();
        let mut placement = RollupPlacement::default();
        old.iter().for_each(|(key, cell)| placement.count(key, cell.views, &after));
        let placement = placement.assigned(self.limits);
        // Each cell is read twice: to rank the series, and to move it.
        rows.read += 2 * old.len() as u64;
        for block in old.chunks(150) {
            let into = block.iter().filter_map(|(key, _)| key.rollup_target(&placement, &after)).collect();
            let cells = self.load(into, &mut rows);
            let mut sums = SumDeltas::for_recent_rollups(&self.recent_rollups);
            let effects = roll_up(block.to_vec(), cells, &placement, &after, &mut sums);
            self.apply(effects, true, &mut rows);
            self.apply_sum_deltas(sums, &mut rows);
        }
        self.guard.decay();
        self.horizon = after;
        if let Some(packs) = &mut self.packs {
            for (span, end) in WindowSpan::ALL.into_iter().zip([after.minutes, after.hours, after.days]) {
                packs.remove_before(span, end, &mut rows);
            }
        }
        rows
    }

    /// Adds the days that are over to sums.
    pub fn add_days(&mut self) -> RowCounts {
        let mut rows = RowCounts::default();
        for kind in SumKind::ALL {
            while !self.horizon.has_all_sums(kind) {
                let end = self.horizon.sums_end(kind);
                let is_left = |(key, _): &(&CellKey, &Vec<u8>)| {
                    key.window.span != WindowSpan::Minute && key.window.start >= end
                };
                let first = self.cells.iter().filter(is_left).map(|(key, _)| key.window.start).min();
                let mut after = self.horizon.after_adding_day(kind, first);
                let mut sums = DaySums::new(kind, MAX_SLICE_VALUES);
                for (key, bytes) in self.cells.iter().filter(is_left) {
                    if key.window.start < after.sums_end(kind) {
                        sums.add(key, bytes).expect(OWN_BYTES);
                        rows.read += 1;
                    }
                }
                self.apply_sum_deltas(sums.finish(&mut after), &mut rows);
                self.horizon = after;
                self.recent_rollups.forget(kind);
            }
        }
        rows
    }

    /// Answers a query as a shard does, and counts the rows read.
    #[must_use]
    pub fn query(&mut self, query: &SeriesQuery) -> (QueryResult, RowCounts) {
        let (mut groups, mut rows) = (QueryResult::default(), RowCounts::default());
        let plan = query.plan(&self.horizon);
        let mut recent = plan.recent;
        if let Some(sums) = plan.days {
            self.query_sums(query, &sums, &mut groups, &mut rows);
            if recent.is_some() && !self.recent_rollups.has(&sums.source) {
                let end = self.horizon.sums_end(sums.source.kind());
                let mut rollup = RecentRollup::new(sums.source);
                for (key, bytes) in self.cells.iter().filter(|(key, _)| key.window.start >= end) {
                    rollup.add(key, bytes, &self.horizon).expect(OWN_BYTES);
                    rows.read += 1;
                }
                self.recent_rollups.insert(rollup);
            }
            recent = recent.filter(|_| !self.recent_rollups.try_answer(query, &mut groups));
        }
        for (from, to) in plan.cells.into_iter().chain(recent) {
            for span in WindowSpan::ALL {
                let window = Window::containing(span, from);
                let from = self.cells.range(first_key(window)..);
                let cells = from.take_while(|(key, _)| key.window.span == span && key.window.start < to);
                for (key, bytes) in cells.filter(|(key, _)| query.accepts(&key.labels)) {
                    groups.add_encoded(query, key, bytes).expect(OWN_BYTES);
                    rows.read += 1;
                }
            }
        }
        (groups, rows)
    }

    fn query_sums(
        &self,
        query: &SeriesQuery,
        sums: &SumRange,
        groups: &mut QueryResult,
        rows: &mut RowCounts,
    ) {
        let names = query.sum_names(&sums.source);
        let is_needed = |key: &SumKey| {
            let is_named = |name: String| names.iter().any(|(from, to)| name >= *from && name < *to);
            key.series.kind() == sums.source.kind() && is_named(key.series.to_stored_key())
        };
        for range in sums.days.block_ranges() {
            let mut next = self.sums.keys().next();
            while let Some(key) = next {
                let series = &key.series;
                let key_on = |day| SumKey { series: series.clone(), day };
                let last_before = |end| {
                    let sums = self.sums.range(key_on(range.block)..key_on(end));
                    sums.map(|(key, sum)| (key.day, sum)).next_back()
                };
                if is_needed(key) {
                    let (last, earlier) = (last_before(range.to), last_before(range.from));
                    if let Some((day, sum)) = last
                        && last != earlier
                    {
                        let less = earlier.map(|(_, earlier)| earlier.as_slice());
                        groups.add_days(query, &key_on(day), sum, less).expect(OWN_BYTES);
                        rows.read += 1 + u64::from(earlier.is_some());
                    }
                }
                next = self.sums.range(key_on(UnixMillis(u64::MAX))..).next().map(|(key, _)| key);
            }
        }
    }

    /// Returns the size of all cells and their keys.
    #[must_use]
    pub fn cell_bytes(&self) -> u64 {
        let cells = self
            .cells
            .iter()
            .map(|(key, bytes)| key.labels.to_json().map_or(0, |text| text.len()) + bytes.len() + 12);
        cells.map(|bytes| bytes as u64).sum()
    }

    /// Returns the number of sums of a kind, and their size with their keys.
    #[must_use]
    pub fn sum_bytes(&self, kind: SumKind) -> (u64, u64) {
        let sums = self.sums.iter().filter(|(key, _)| key.series.kind() == kind);
        let sizes = sums.map(|(key, bytes)| (key.series.to_stored_key().len() + bytes.len() + 12) as u64);
        sizes.fold((0, 0), |(count, sum), bytes| (count + 1, sum + bytes))
    }

    fn load(&self, keys: BTreeSet<CellKey>, rows: &mut RowCounts) -> BTreeMap<CellKey, Cell> {
        let found = keys.into_iter().filter_map(|key| Some((decode_cell(self.cells.get(&key)?), key)));
        let cells: BTreeMap<CellKey, Cell> = found.map(|(cell, key)| (key, cell)).collect();
        rows.read += cells.len() as u64;
        cells
    }

    fn apply_sum_deltas(&mut self, deltas: SumDeltas, rows: &mut RowCounts) {
        self.recent_rollups.apply(&deltas);
        let mut sums = BTreeMap::new();
        for first in deltas.first_changed_days() {
            let all = SumDeltas::sums_to_load(&first, &self.sums);
            sums.extend(all.map(|(key, bytes)| (key.clone(), decode_cell(bytes))));
        }
        rows.read += sums.len() as u64;
        for sum in deltas.apply_to(sums) {
            rows.written += 1;
            match sum {
                SumEffect::Store(key, sum) => self.sums.insert(key, sum.encode().expect("encodable")),
                SumEffect::Remove(key) => self.sums.remove(&key),
            };
        }
    }

    fn apply(&mut self, effects: Vec<CellEffect>, is_rollup: bool, rows: &mut RowCounts) {
        let cell_rows = match &mut self.packs {
            Some(packs) => {
                packs.apply(&effects, is_rollup, rows);
                0
            }
            None => 1,
        };
        for effect in effects {
            match effect {
                CellEffect::Store(key, cell) => {
                    self.cells.insert(key, cell.encode().expect("encodable"));
                    rows.written += cell_rows;
                }
                CellEffect::Remove(key) => {
                    self.cells.remove(&key);
                    rows.written += cell_rows;
                }
                CellEffect::MarkFolded(_, FoldedView { .. }) => {}
            }
        }
    }
}

/// Returns the CPU time of this thread in nanoseconds, which other processes do not affect.
#[must_use]
pub fn thread_cpu_ns() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace()
        .next()
        .and_then(|nanos| nanos.parse().ok())
        .expect("Linux provides the CPU time of a thread")
}

/// Returns the limits of the default budgets.
#[must_use]
pub fn shipped_limits(_: &SeriesLabels) -> MetricLimits {
    let mut values = Values::default();
    let all = [1500, 2000, 1000, 200, 100, 800];
    Metric::ALL.into_iter().zip(all).for_each(|(metric, max)| values.set(metric, max));
    MetricLimits(values)
}

fn decode_cell(bytes: &[u8]) -> Cell {
    Cell::decode(bytes).expect(OWN_BYTES)
}

const OWN_BYTES: &str = "the bytes were encoded by this program";

fn first_key(window: Window) -> CellKey {
    let text = r#"{"r":"","d":"phone","n":"navigate"}"#;
    CellKey { window, labels: SeriesLabels::from_json(text).expect("minimal labels") }
}

#[cfg(test)]
mod tests {
    use ledger::{BotFilter, Dimension, NavigationFilter};
    use wire::WindowSpan;

    use super::*;

    #[test]
    fn a_simulated_shard_counts_every_view_and_row() {
        let noon = UnixMillis(500_000 * WindowSpan::Hour.millis());
        let mut shard = SimulatedShard::new(CardinalityLimits::default(), Horizon::default());
        let mut audience = Audience::new(50, false, 1);
        let views: Vec<UnfoldedView> =
            (0..3000).map(|at| audience.view(noon.saturating_add(at * 100))).collect();
        let rows = shard.fold(views, shipped_limits);
        assert!(rows.written >= shard.cells.len() as u64 && rows.read < rows.written, "{rows:?}");
        let query = SeriesQuery {
            from: noon,
            to: noon.saturating_add(WindowSpan::Day.millis()),
            bots: BotFilter::Exclude,
            navigations: NavigationFilter::default(),
            only: Vec::new(),
            by: vec![Dimension::Route],
            step: None,
        };
        let before = shard.query(&query);
        assert_eq!(before.0.total().views, 3000);
        let cells = shard.cells.len();
        shard.roll_up(noon.saturating_add(4 * WindowSpan::Hour.millis()));
        assert!(shard.cells.len() < cells);
        assert_eq!(shard.query(&query).0, before.0);
    }
}
