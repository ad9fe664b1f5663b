//! Visits and a shard without a platform: what the bench of the ledger and the model of its scale have in
//! common. The shard folds, rolls and reads with the ledger's own code and keeps stored bytes, as the
//! Worker does; it counts the rows that this takes.

use std::collections::{BTreeMap, BTreeSet};

use ledger::{
    Cell, CellKey, Changes, Counted, Effect, Groups, Heavy, Horizon, Labels, Limits, PageKey, Places, Query,
    Recent, Retention, Room, Rooms, Span, Stretch, Sum, Templates, Told, View, Visitor, Window, fold, needed,
    roll,
};
use wire::beacon::{Navigation, Network, Values};
use wire::{Beacon, Device, Metric, UnixMillis};

/// A generator of numbers (splitmix64).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to 1.
    pub fn share(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Below the bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A value as pages have them: log-normal around a median.
    pub fn paint(&mut self, median: f64) -> u32 {
        // The sum of twelve shares is nearly normal.
        let normal: f64 = (0..12).map(|_| self.share()).sum::<f64>() - 6.0;
        (median * (0.55 * normal).exp()).min(600_000.0) as u32
    }
}

/// Who visits a site.
#[derive(Clone, Debug)]
pub struct Audience {
    random: Random,
    routes: Vec<String>,
    /// The share of the views up to and with each route: the second has half of the first's.
    shares: Vec<f64>,
    is_plain: bool,
    told: Told,
    views: u64,
}

impl Audience {
    /// Visitors of so many routes; plain ones are all alike but for the route.
    #[must_use]
    pub fn of(routes: usize, is_plain: bool, seed: u64) -> Self {
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
            shares: shares.collect(),
            is_plain,
            told: Told::of(
                &beacon,
                Visitor { agent, mobile_hint: None, country: None },
                &Templates::default(),
            ),
            views: 0,
        }
    }

    /// A view that began then, told once.
    pub fn view(&mut self, start: UnixMillis) -> View {
        self.views += 1;
        let share = self.random.share();
        let at = self.shares.partition_point(|sum| *sum < share).min(self.routes.len() - 1);
        let mut told = self.told.clone();
        told.labels.route.clone_from(&self.routes[at]);
        if !self.is_plain {
            let pick = self.random.below(100);
            told.labels.device = if pick < 58 {
                Device::Phone
            } else if pick < 96 {
                Device::Desktop
            } else {
                Device::Tablet
            };
            let pick = self.random.below(100);
            told.labels.navigation = match pick {
                0..75 => Navigation::Navigate,
                75..82 => Navigation::Reload,
                82..92 => Navigation::BackForward,
                _ => Navigation::BackForwardCache,
            };
            told.labels.network = (self.random.below(100) < 70).then_some(Network::G4);
        }
        let mut values = Values::default();
        values.set(Metric::Fcp, self.random.paint(900.0));
        values.set(Metric::Lcp, self.random.paint(1500.0));
        values.set(Metric::Cls, self.random.paint(150.0).min(100_000));
        values.set(Metric::Ttfb, self.random.paint(250.0));
        if self.random.below(100) < 60 {
            values.set(Metric::Inp, self.random.paint(90.0));
        }
        told.values = values;
        View { key: self.views.to_string(), start, seq: 0, heard: 1, told, counted: None }
    }
}

/// A shard of a site as it is stored.
#[derive(Clone, Debug)]
pub struct Shard {
    /// The stored bytes of each cell.
    pub cells: BTreeMap<CellKey, Vec<u8>>,
    /// The stored bytes of each page's sums.
    pub sums: BTreeMap<PageKey, Vec<u8>>,
    /// Up to where windows are rolled up.
    pub horizon: Horizon,
    /// How many views are folded at once.
    pub block: usize,
    /// What is known of minutes, since it was asked for first.
    pub recent: Option<Recent>,
    rooms: Rooms,
    room: Room,
}

/// Rows of cells that something took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Read.
    pub read: u64,
    /// Written or removed.
    pub written: u64,
}

impl Shard {
    /// An empty one.
    #[must_use]
    pub fn of(room: Room, horizon: Horizon) -> Self {
        let (cells, sums) = Default::default();
        Self {
            cells,
            sums,
            horizon,
            block: 500,
            recent: None,
            rooms: Rooms::new(room, Heavy::default()),
            room,
        }
    }

    /// Folds views, a block at a time.
    pub fn fold(&mut self, views: Vec<View>, limits: impl Fn(&Labels) -> Limits) -> Rows {
        let mut rows = Rows::default();
        let mut left = views.into_iter().peekable();
        while left.peek().is_some() {
            let block: Vec<View> = left.by_ref().take(self.block).collect();
            for window in self.rooms.unknown(&block, &self.horizon) {
                let from = self.cells.range(first(window)..).take_while(|(key, _)| key.window == window);
                let series: Vec<Labels> = from.map(|(key, _)| key.labels.clone()).collect();
                rows.read += series.len() as u64;
                self.rooms.learn(window, series);
            }
            let cells = self.load(needed(&block, &self.rooms, &self.horizon), &mut rows);
            let mut pages = Changes::for_recent(self.recent.as_ref());
            let effects = fold(block, cells, &mut self.rooms, &self.horizon, &limits, &mut pages);
            self.perform(effects, &mut rows);
            self.settle(pages, &mut rows);
        }
        rows
    }

    /// Rolls up what is due.
    pub fn roll(&mut self, now: UnixMillis) -> Rows {
        let mut rows = Rows::default();
        let after = self.horizon.advanced(&Retention::default(), now);
        if after == self.horizon {
            return rows;
        }
        let spans = Span::ALL.into_iter().zip([after.minutes, after.hours, after.days]);
        let old: Vec<(CellKey, Cell)> = spans
            .flat_map(|(span, end)| {
                let [from, to] = [UnixMillis(0), end].map(|start| first(Window { span, start }));
                self.cells.range(from..to)
            })
            .map(|(key, bytes)| (key.clone(), decoded(bytes)))
            .collect();
        let mut places = Places::default();
        old.iter().for_each(|(key, cell)| places.count(key, cell, &after));
        let places = places.given(self.room);
        // Each is read twice: to rank them, and to move them.
        rows.read += 2 * old.len() as u64;
        for block in old.chunks(500) {
            let into = block.iter().filter_map(|(key, _)| key.rolled(&places, &after)).collect();
            let cells = self.load(into, &mut rows);
            let mut pages = Changes::for_recent(self.recent.as_ref());
            let effects = roll(block.to_vec(), cells, &places, &after, &mut pages);
            self.perform(effects, &mut rows);
            self.settle(pages, &mut rows);
        }
        self.rooms.age();
        self.horizon = after;
        rows
    }

    /// Reads as a shard does, and counts the stored rows that this takes.
    #[must_use]
    pub fn read(&mut self, query: &Query) -> (Groups, Rows) {
        let (mut groups, mut rows) = (Groups::default(), Rows::default());
        let plan = query.plan(&self.horizon);
        for stretch in plan.days.into_iter().flat_map(ledger::Days::stretches) {
            self.read_sums(query, stretch, &mut groups, &mut rows);
        }
        let minutes = plan.minutes.filter(|_| {
            let recent = self.recent.get_or_insert_with(|| {
                let mut recent = Recent::default();
                for (key, bytes) in self.cells.iter().filter(|(key, _)| key.window.span == Span::Minute) {
                    recent.add(key, &decoded(bytes));
                    rows.read += 1;
                }
                recent
            });
            !recent.answer(query, &mut groups)
        });
        for (from, to) in plan.cells.into_iter().chain(minutes) {
            for span in Span::ALL {
                let window = Window::of(span, from);
                let from = self.cells.range(first(window)..);
                let cells = from.take_while(|(key, _)| key.window.span == span && key.window.start < to);
                for (key, bytes) in cells.filter(|(key, _)| query.accepts(&key.labels)) {
                    groups.add_stored(query, key, bytes).expect(OURS);
                    rows.read += 1;
                }
            }
        }
        (groups, rows)
    }

    fn read_sums(&self, query: &Query, stretch: Stretch, groups: &mut Groups, rows: &mut Rows) {
        let mut next = self.sums.keys().next();
        while let Some(PageKey { page, .. }) = next {
            let of = |day| PageKey { page: page.clone(), day };
            let last_before = |end| {
                self.sums.range(of(stretch.block)..of(end)).next_back().map(|(key, sum)| (key.day, sum))
            };
            let (last, less) = (last_before(stretch.to), last_before(stretch.from));
            if let Some((day, sum)) = last
                && last != less
                && query.accepts_page(page)
            {
                groups.add_days(query, &of(day), sum, less.map(|(_, less)| less.as_slice())).expect(OURS);
                rows.read += 1 + u64::from(less.is_some());
            }
            next = self.sums.range(of(UnixMillis(u64::MAX))..).next().map(|(key, _)| key);
        }
    }

    /// The bytes of all cells, with their names.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let cells = self.cells.iter().map(|(key, bytes)| key.labels.text().len() + bytes.len() + 12);
        cells.map(|bytes| bytes as u64).sum()
    }

    /// The bytes of all sums, with their names.
    #[must_use]
    pub fn bytes_of_sums(&self) -> u64 {
        let sums = self.sums.iter().map(|(key, bytes)| key.page.text().len() + bytes.len() + 12);
        sums.map(|bytes| bytes as u64).sum()
    }

    fn load(&self, keys: BTreeSet<CellKey>, rows: &mut Rows) -> BTreeMap<CellKey, Cell> {
        let found = keys.into_iter().filter_map(|key| Some((decoded(self.cells.get(&key)?), key)));
        let cells: BTreeMap<CellKey, Cell> = found.map(|(cell, key)| (key, cell)).collect();
        rows.read += cells.len() as u64;
        cells
    }

    fn settle(&mut self, pages: Changes, rows: &mut Rows) {
        self.recent.iter_mut().for_each(|recent| recent.follow(&pages));
        let mut sums = BTreeMap::new();
        for first in pages.needed() {
            let all = Changes::needed_from(&first, &self.sums);
            sums.extend(all.map(|(key, bytes)| (key.clone(), decoded(bytes))));
        }
        rows.read += sums.len() as u64;
        for sum in pages.settle(sums) {
            rows.written += 1;
            match sum {
                Sum::Store(key, sum) => self.sums.insert(key, sum.encode()),
                Sum::Forget(key) => self.sums.remove(&key),
            };
        }
    }

    fn perform(&mut self, effects: Vec<Effect>, rows: &mut Rows) {
        for effect in effects {
            match effect {
                Effect::Store(key, cell) => {
                    self.cells.insert(key, cell.encode());
                    rows.written += 1;
                }
                Effect::Forget(key) => {
                    self.cells.remove(&key);
                    rows.written += 1;
                }
                Effect::Count(_, Counted { .. }) => {}
            }
        }
    }
}

/// The budgets that ship.
#[must_use]
pub fn limits(_: &Labels) -> Limits {
    let mut values = Values::default();
    let all = [1500, 2000, 1000, 200, 100, 800];
    Metric::ALL.into_iter().zip(all).for_each(|(metric, max)| values.set(metric, max));
    Limits(values)
}

fn decoded(bytes: &[u8]) -> Cell {
    Cell::decode(bytes).expect(OURS)
}

const OURS: &str = "what this very program has stored";

fn first(window: Window) -> CellKey {
    let text = r#"{"r":"","d":"phone","n":"navigate"}"#;
    CellKey { window, labels: Labels::stored(text).expect("the least labels") }
}

#[cfg(test)]
mod tests {
    use ledger::{Bots, Dimension, Span};

    use super::*;

    #[test]
    fn a_shard_counts_every_view_and_the_rows_that_it_takes() {
        let noon = UnixMillis(500_000 * Span::Hour.millis());
        let mut shard = Shard::of(Room::default(), Horizon::default());
        let mut audience = Audience::of(50, false, 1);
        let views: Vec<View> = (0..3000).map(|at| audience.view(noon.after(at * 100))).collect();
        let rows = shard.fold(views, limits);
        assert!(rows.written >= shard.cells.len() as u64 && rows.read < rows.written, "{rows:?}");
        let query = Query {
            from: noon,
            to: noon.after(Span::Day.millis()),
            bots: Bots::Exclude,
            only: Vec::new(),
            by: vec![Dimension::Route],
            step: None,
        };
        let before = shard.read(&query);
        assert_eq!(before.0.total().views, 3000);
        let cells = shard.cells.len();
        shard.roll(noon.after(4 * Span::Hour.millis()));
        assert!(shard.cells.len() < cells);
        assert_eq!(shard.read(&query).0, before.0);
    }
}
