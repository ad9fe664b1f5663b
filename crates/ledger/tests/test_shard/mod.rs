//! A shard in memory, which does what the shell does with the stored rows.

mod journal_store;

use std::collections::BTreeMap;

use ledger::{
    CardinalityGuard, CardinalityLimits, Cell, CellEffect, CellKey, ClientInfo, DaySums, Dimension,
    FoldedView, FrequentRoutes, Group, Horizon, HourlyLimitCounts, LabelGranularity, MAX_SLICE_VALUES,
    MetricLimits, QueryResult, RecentRollup, RecentRollups, Retention, RollupPlacement, RouteTemplates,
    SeriesQuery, SumDeltas, SumEffect, SumKey, SumKind, SumSeries, SumSource, UnfoldedView, ViewRecord,
    cells_to_load, fold, roll_up,
};
use proptest::prelude::*;
use wire::beacon::Values;
use wire::browser::{Browser, BrowserHeaders, OperatingSystem};
use wire::{Beacon, LimitCounts, Metric, NetworkBucket, UnixMillis, Window, WindowSpan};

pub(crate) use self::journal_store::JournalStore;

pub(crate) const T0: UnixMillis = UnixMillis(1_800_000_000_000);
pub(crate) const AGENTS: [&str; 3] =
    ["Mozilla/5.0 Chrome/156.0.0.0", "Mozilla/5.0 (iPhone) Mobile", "Googlebot/2.1"];

const BROWSERS: [&str; 5] = [
    "Windows NT 10.0 Chrome/156.0.0.0 Safari/537.36",
    "Windows NT 10.0 Chrome/155.0.0.0 Safari/537.36",
    "Linux; Android 16 Chrome/156.0.0.0 Mobile Safari/537.36",
    "iPhone OS 18_6 Version/26.1 Safari/604.1",
    "",
];

/// A beacon of a view.
#[derive(Clone, Debug)]
pub(crate) struct SentBeacon {
    pub(crate) view: u8,
    pub(crate) seq: u16,
    pub(crate) record: ViewRecord,
}

/// The journal and the cells as the shell keeps them.
pub(crate) struct TestShard {
    pub(crate) journal: JournalStore,
    pub(crate) cells: BTreeMap<CellKey, Cell>,
    pub(crate) sums: BTreeMap<SumKey, Cell>,
    pub(crate) recent_rollups: RecentRollups,
    /// The sums that recent windows are rolled up for.
    pub(crate) sources: Vec<SumSource>,
    pub(crate) max_slice_values: usize,
    pub(crate) horizon: Horizon,
    pub(crate) retention: Retention,
    pub(crate) limits: CardinalityLimits,
    pub(crate) guard: CardinalityGuard,
}

impl Default for TestShard {
    fn default() -> Self {
        Self::with_limits(CardinalityLimits::default())
    }
}

impl TestShard {
    pub(crate) fn with_limits(limits: CardinalityLimits) -> Self {
        let sources = [
            Dimension::Release,
            Dimension::Navigation,
            Dimension::Browser,
            Dimension::Custom("plan".to_owned()),
        ];
        let sources = sources.map(SumSource::Slices).into_iter().chain([SumSource::Pages]).collect();
        let (journal, cells, sums, recent_rollups, horizon, retention) = Default::default();
        let guard = CardinalityGuard::new(limits, FrequentRoutes::default());
        let max_slice_values = MAX_SLICE_VALUES;
        let mut shard = Self {
            journal,
            cells,
            sums,
            recent_rollups,
            sources,
            max_slice_values,
            horizon,
            retention,
            limits,
            guard,
        };
        shard.recent_rollups = shard.fresh_recent_rollups();
        shard
    }

    pub(crate) fn receive(&mut self, send: &SentBeacon) {
        self.receive_at(send, view_start(send.view));
    }

    pub(crate) fn receive_at(&mut self, send: &SentBeacon, start: UnixMillis) {
        self.journal.commit(&[row(&format!("view{}", send.view), send.seq, start, 0, &send.record)], start);
    }

    /// Folds everything, slice by slice.
    pub(crate) fn fold(&mut self, limit: u32) {
        while !self.journal.is_idle() {
            self.fold_slice(limit);
        }
    }

    /// Takes one step towards folding everything.
    pub(crate) fn fold_slice(&mut self, limit: u32) {
        let Some(merged) = self.journal.step() else { return };
        let views = merged.unfolded_views();
        let counted = self.fold_views(views, limit);
        self.journal.record(&merged, &counted);
    }

    /// Folds views, and returns them as they are counted.
    pub(crate) fn fold_views(&mut self, dirty: Vec<UnfoldedView>, limit: u32) -> Vec<(String, FoldedView)> {
        let mut values = Values::default();
        values.set(Metric::Lcp, limit);
        for window in self.guard.unknown_windows(&dirty, &self.horizon) {
            let series = self.cells.keys().filter(|key| key.window == window);
            self.guard.load_window(window, series.map(|key| key.labels.clone()));
        }
        let cells = self.load(cells_to_load(&dirty, &self.guard, &self.horizon));
        let mut sums = SumDeltas::for_recent_rollups(&self.recent_rollups);
        let limits = |_: &_| MetricLimits(values);
        let effects = fold(dirty, cells, &mut self.guard, &self.horizon, limits, &mut sums);
        let counted = self.apply(effects);
        self.apply_sum_deltas(sums);
        counted
    }

    pub(crate) fn roll_up(&mut self, now: UnixMillis) {
        self.horizon = self.horizon.advanced(&self.retention, now);
        let old: Vec<(CellKey, Cell)> = self.cells.clone().into_iter().collect();
        let mut placement = RollupPlacement::default();
        old.iter().for_each(|(key, cell)| placement.count(key, cell.views, &self.horizon));
        let placement = placement.assigned(self.limits);
        // In blocks, as in the shell: the placement of a series applies to all of its cells.
        for block in old.chunks(3) {
            let into =
                self.load(block.iter().filter_map(|(key, _)| key.rollup_target(&placement, &self.horizon)));
            let mut sums = SumDeltas::for_recent_rollups(&self.recent_rollups);
            let effects = roll_up(block.to_vec(), into, &placement, &self.horizon, &mut sums);
            self.apply(effects);
            self.apply_sum_deltas(sums);
        }
        self.guard.decay();
    }

    /// Adds one more day to the sums of a kind, after those of an attempt that was interrupted are removed.
    pub(crate) fn add_day(&mut self, kind: SumKind) {
        self.horizon = self.horizon.before_partial_day(kind);
        let end = self.horizon.sums_end(kind);
        self.sums.retain(|key, _| key.series.kind() != kind || key.day < end);
        let is_left = |key: &&CellKey| key.window.span != WindowSpan::Minute && key.window.start >= end;
        let first = self.cells.keys().filter(is_left).map(|key| key.window.start).min();
        let mut after = self.horizon.after_adding_day(kind, first);
        let mut sums = DaySums::new(kind, self.max_slice_values);
        for (key, cell) in &self.cells {
            if is_left(&key) && key.window.start < after.sums_end(kind) {
                sums.add(key, &cell.encode().unwrap()).unwrap();
            }
        }
        for part in sums.finish(&mut after).into_parts(2) {
            self.apply_sum_deltas(part);
        }
        self.horizon = after;
        self.recent_rollups = self.fresh_recent_rollups();
    }

    /// Adds all days that are over to sums.
    pub(crate) fn add_days(&mut self) {
        for kind in SumKind::ALL {
            while !self.horizon.has_all_sums(kind) {
                self.add_day(kind);
            }
        }
    }

    pub(crate) fn apply_sum_deltas(&mut self, deltas: SumDeltas) {
        self.recent_rollups.apply(&deltas);
        let mut sums = BTreeMap::new();
        for first in deltas.first_changed_days() {
            let all = SumDeltas::sums_to_load(&first, &self.sums);
            sums.extend(all.map(|(key, sum)| (key.clone(), Cell::decode(&sum.encode().unwrap()).unwrap())));
        }
        for sum in deltas.apply_to(sums) {
            match sum {
                SumEffect::Store(key, sum) => self.sums.insert(key, sum),
                SumEffect::Remove(key) => self.sums.remove(&key),
            };
        }
    }

    /// Answers from sums where possible, as the shell does, with encoded groups.
    pub(crate) fn answer_from_sums(
        &self,
        query: &SeriesQuery,
        recent_rollups: &RecentRollups,
    ) -> BTreeMap<Group, Vec<u8>> {
        let plan = query.plan(&self.horizon);
        let mut groups = QueryResult::default();
        if let Some(sums) = plan.days {
            let mut stored: Vec<(String, &SumKey, &Cell)> = (self.sums.iter())
                .filter(|(key, _)| key.series.kind() == sums.source.kind())
                .map(|(key, sum)| (key.series.to_stored_key(), key, sum))
                .collect();
            stored.sort_by_key(|(name, key, _)| (name.clone(), key.day));
            let names = query.sum_names(&sums.source);
            for range in sums.days.block_ranges() {
                let is_needed = |name: &str| names.iter().any(|(from, to)| name >= from && name < to);
                let block = stored.iter().filter(|(name, key, _)| {
                    key.block_start() == range.block && key.day < range.to && is_needed(name)
                });
                let mut before: Option<(&SumKey, &Cell)> = None;
                for (name, key, sum) in block {
                    assert_eq!(
                        SumSeries::from_stored_key(key.series.kind(), name).as_ref(),
                        Some(&key.series)
                    );
                    let less = before.filter(|(other, _)| other.series == key.series);
                    let less = less.map(|(_, sum)| sum.encode().unwrap());
                    if key.day >= range.from {
                        groups.add_days(query, key, &sum.encode().unwrap(), less.as_deref()).unwrap();
                    }
                    before = Some((key, sum));
                }
            }
        }
        let recent = plan.recent.filter(|_| !recent_rollups.try_answer(query, &mut groups));
        let cells =
            plan.cells.into_iter().chain(recent).flat_map(|(from, to)| self.cells_between(query, from, to));
        cells.for_each(|(key, cell)| groups.add_encoded(query, key, &cell.encode().unwrap()).unwrap());
        groups.cells.into_iter().map(|(group, cell)| (group, cell.encode().unwrap())).collect()
    }

    /// The same query, answered from cells alone.
    pub(crate) fn answer_from_cells(&self, query: &SeriesQuery) -> BTreeMap<Group, Vec<u8>> {
        let mut groups = QueryResult::default();
        for (key, cell) in self.cells_between(query, query.from, query.to) {
            groups.add(query.group_of(key.window, &key.labels), cell);
        }
        groups.cells.into_iter().map(|(group, cell)| (group, cell.encode().unwrap())).collect()
    }

    pub(crate) fn cells_between(
        &self,
        query: &SeriesQuery,
        from: UnixMillis,
        to: UnixMillis,
    ) -> impl Iterator<Item = (&CellKey, &Cell)> {
        self.cells.iter().filter(move |(CellKey { window, labels }, _)| {
            window.start >= Window::containing(window.span, from).start
                && window.start < to
                && query.accepts(labels)
        })
    }

    /// Returns the roll-ups of recent windows of a shard that has just started.
    pub(crate) fn fresh_recent_rollups(&self) -> RecentRollups {
        let mut rollups = RecentRollups::default();
        for source in &self.sources {
            let mut rollup = RecentRollup::new(source.clone());
            for (key, cell) in &self.cells {
                rollup.add(key, &cell.encode().unwrap(), &self.horizon).unwrap();
            }
            rollups.insert(rollup);
        }
        rollups
    }

    pub(crate) fn load(&self, keys: impl IntoIterator<Item = CellKey>) -> BTreeMap<CellKey, Cell> {
        keys.into_iter().filter_map(|key| Some((key.clone(), self.cells.get(&key)?.clone()))).collect()
    }

    pub(crate) fn apply(&mut self, effects: Vec<CellEffect>) -> Vec<(String, FoldedView)> {
        let mut folded = Vec::new();
        for effect in effects {
            match effect {
                CellEffect::Store(key, cell) => {
                    // Stored bytes are what is read back.
                    self.cells.insert(key, Cell::decode(&cell.encode().unwrap()).unwrap());
                }
                CellEffect::Remove(key) => {
                    self.cells.remove(&key);
                }
                CellEffect::MarkFolded(key, counted) => folded.push((key, counted)),
            }
        }
        folded
    }

    /// The cells made anew from what is noted of each view: the first place that stands from where it
    /// was put.
    pub(crate) fn recount(&self) -> BTreeMap<CellKey, Cell> {
        let mut views: BTreeMap<CellKey, Vec<UnfoldedView>> = BTreeMap::new();
        for view in self.journal.folded_views().into_values() {
            let folded = view.folded.as_ref().unwrap();
            let Some(window) = self.horizon.window_at(view.start) else { continue };
            use LabelGranularity::{AnyBrowser, Coarse, Full, Other};
            let all = [Full, AnyBrowser, Coarse, Other];
            let coarser = all.into_iter().filter(|granularity| *granularity >= folded.granularity);
            let mut keys = coarser.map(|granularity| CellKey {
                window,
                labels: folded.record.labels.at_granularity(granularity),
            });
            let key = keys.find(|key| self.cells.contains_key(key)).unwrap();
            views.entry(key).or_default().push(view.clone());
        }
        let one = |key: CellKey, view: UnfoldedView| {
            let mut view = view;
            let limits = view.folded.take().unwrap().limits;
            view.record.labels = key.labels;
            let mut guard = CardinalityGuard::default();
            let mut sums = SumDeltas::for_recent_rollups(&self.recent_rollups);
            let limits = |_: &_| limits;
            let effects = fold(vec![view], BTreeMap::new(), &mut guard, &self.horizon, limits, &mut sums);
            effects.into_iter().find_map(|effect| match effect {
                CellEffect::Store(_, cell) => Some(cell),
                _ => None,
            })
        };
        let sum = |key: CellKey, views: Vec<UnfoldedView>| {
            let mut sum = Cell::default();
            views.into_iter().for_each(|view| sum.merge(&one(key.clone(), view).unwrap()));
            (key, sum)
        };
        views.into_iter().map(|(key, views)| sum(key, views)).collect()
    }

    /// Returns the counts of LCP over all hours, with each cell in a shard of its own.
    pub(crate) fn limit_counts(&self, limit: u32) -> LimitCounts {
        let mut all = HourlyLimitCounts::default();
        for (key, cell) in &self.cells {
            let mut shard = HourlyLimitCounts::default();
            shard.add(key, &cell.encode().unwrap(), T0).unwrap();
            all.merge(HourlyLimitCounts::decode(&shard.encode().unwrap()).unwrap());
        }
        let of_limit = all.histories.iter().filter(|((_, metric, max), _)| metric == "LCP" && *max == limit);
        let counts = of_limit.map(|(_, history)| history.since(UnixMillis(0)));
        counts.fold(LimitCounts::default(), |sum, counts| LimitCounts {
            n: sum.n + counts.n,
            k: sum.k + counts.k,
        })
    }

    pub(crate) fn total(&self) -> Cell {
        self.cells.values().fold(Cell::default(), |mut total, cell| {
            total.merge(cell);
            total
        })
    }
}

pub(crate) fn view_start(view: u8) -> UnixMillis {
    T0.saturating_add(u64::from(view) * 17_000)
}

pub(crate) fn view_record(lcp: u32, cls: Option<u32>, route: u8, release: u8, weight: u32) -> ViewRecord {
    let agent = AGENTS.get(lcp as usize % 3).unwrap();
    // Some views, and some corrections of a view, have no network.
    let network_bucket = (!lcp.is_multiple_of(4)).then(|| NetworkBucket::from_hash(lcp.to_le_bytes()[0]));
    let headers =
        BrowserHeaders { user_agent: BROWSERS.get(lcp as usize % 5).unwrap(), ..BrowserHeaders::default() };
    // Some sites record no browsers.
    let is_recorded = !lcp.is_multiple_of(7);
    let browser = is_recorded.then(|| Browser::from_headers(headers));
    let os = is_recorded.then(|| OperatingSystem::from_headers(headers));
    let cls = cls.map(|cls| format!(r#","CLS":{cls}"#)).unwrap_or_default();
    // Views of the third release do not say so, and few have a plan.
    let release = if release < 2 { format!(r#""release":"{release}","#) } else { String::new() };
    let plan =
        if lcp.is_multiple_of(3) { format!(r#""dim":{{"plan":"{}"}},"#, lcp / 3 % 3) } else { String::new() };
    let navigation = match lcp % 10 {
        0 | 5 => "reload",
        3 => "soft-navigation",
        _ => "navigate",
    };
    let text = format!(
        r#"{{"v":1,"site":"s","id":"0123456789abcdef","nav":"{navigation}","path":"/{route}x",{release}{plan}"w":{weight},"m":{{"LCP":{lcp}{cls}}}}}"#
    );
    ViewRecord::from_beacon(
        &Beacon::parse(text.as_bytes()).unwrap(),
        ClientInfo { user_agent: agent, browser, os, network_bucket, ..ClientInfo::default() },
        &RouteTemplates::default(),
    )
}

pub(crate) fn sends() -> impl Strategy<Value = Vec<SentBeacon>> {
    let content = (0..9000_u32, proptest::option::of(0..5000_u32), 0..6_u8, 0..3_u8, 1..5_u32)
        .prop_map(|(lcp, cls, route, release, weight)| view_record(lcp, cls, route, release, weight));
    proptest::collection::btree_map((0..12_u8, 0..4_u16), content, 1..40).prop_map(|sends| {
        sends.into_iter().map(|((view, seq), record)| SentBeacon { view, seq, record }).collect()
    })
}

/// A window that is soon full.
pub(crate) fn tight_limits() -> impl Strategy<Value = CardinalityLimits> {
    (1..4_usize, 0..3_usize, 0..4_usize, 0..4_usize).prop_map(
        |(newcomers, reserved_routes, browser_series, series)| CardinalityLimits {
            routes: newcomers + reserved_routes,
            reserved_routes,
            browser_series,
            series,
        },
    )
}

pub(crate) fn any_limits() -> impl Strategy<Value = CardinalityLimits> {
    prop_oneof![Just(CardinalityLimits::default()), tight_limits()]
}

/// Writes the row of a beacon.
pub(crate) fn row(key: &str, seq: u16, start: UnixMillis, age_ms: u64, record: &ViewRecord) -> String {
    let (start, record) = (start.0, record.to_json().unwrap());
    format!(r#"{{"k":"{key}","q":{seq},"s":{start},"a":{age_ms},"t":{record}}}"#)
}
