//! Whatever the order, the duplicates and the moments of folding and rolling: the cells hold the set
//! of views, each as it was last told, and nothing else.
#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::collections::BTreeMap;

use ledger::{
    Cell, CellKey, Counts, Effect, Heavy, Horizon, Kept, Limits, OTHER, Place, Places, Retention, Room,
    Rooms, Span, Told, View, Visitor, fold, needed, roll,
};
use proptest::prelude::*;
use wire::beacon::Values;
use wire::{Beacon, Metric, UnixMillis};

const T0: UnixMillis = UnixMillis(1_800_000_000_000);
const AGENT: Visitor<'_> = Visitor { agent: "Mozilla/5.0 Chrome/156.0.0.0", mobile_hint: None };

/// One send of a view: which view, its number, when the view began, what it tells.
#[derive(Clone, Debug)]
struct Send {
    view: u8,
    seq: u16,
    told: Told,
}

/// The journal and the cells as the shell keeps them.
#[derive(Default)]
struct Shelf {
    journal: BTreeMap<String, (View, bool)>,
    cells: BTreeMap<CellKey, Cell>,
    horizon: Horizon,
    room: Room,
    rooms: Rooms,
}

impl Shelf {
    fn of(room: Room) -> Self {
        Self { room, rooms: Rooms::new(room, Heavy::default()), ..Self::default() }
    }

    fn hear(&mut self, send: &Send) {
        let key = format!("view{}", send.view);
        let (view, dirty) = self.journal.entry(key.clone()).or_insert_with(|| {
            let start = start(send.view);
            (View { key, start, seq: send.seq, heard: 0, told: send.told.clone(), counted: None }, true)
        });
        if send.seq > view.seq {
            view.seq = send.seq;
            view.told = send.told.clone();
        }
        *dirty = *dirty || view.heard | 1 << send.seq != view.heard;
        view.heard |= 1 << send.seq;
    }

    fn fold(&mut self, limit: u32) {
        let dirty: Vec<View> =
            self.journal.values().filter(|(_, dirty)| *dirty).map(|(view, _)| view.clone()).collect();
        let mut values = Values::default();
        values.set(Metric::Lcp, limit);
        for window in self.rooms.unknown(&dirty, &self.horizon) {
            let series = self.cells.keys().filter(|key| key.window == window);
            self.rooms.learn(window, series.map(|key| key.labels.clone()));
        }
        let cells = self.stored(needed(&dirty, &self.rooms, &self.horizon));
        let effects = fold(dirty, cells, &mut self.rooms, &self.horizon, |_| Limits(values));
        self.perform(effects);
    }

    fn roll(&mut self, now: UnixMillis) {
        self.horizon = self.horizon.advanced(&Retention::default(), now);
        let old: Vec<(CellKey, Cell)> = self.cells.clone().into_iter().collect();
        let mut places = Places::default();
        old.iter().for_each(|(key, cell)| places.count(key, cell, &self.horizon));
        let places = places.given(self.room);
        // In blocks, as the shell does it: what is decided for a series holds for all of its cells.
        for block in old.chunks(3) {
            let into = self.stored(block.iter().filter_map(|(key, _)| key.rolled(&places, &self.horizon)));
            let effects = roll(block.to_vec(), into, &places, &self.horizon);
            self.perform(effects);
        }
        self.rooms.age();
    }

    fn stored(&self, keys: impl IntoIterator<Item = CellKey>) -> BTreeMap<CellKey, Cell> {
        keys.into_iter().filter_map(|key| Some((key.clone(), self.cells.get(&key)?.clone()))).collect()
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Store(key, cell) => {
                    // Stored bytes are what is read back.
                    self.cells.insert(key, Cell::decode(&cell.encode()).unwrap());
                }
                Effect::Forget(key) => {
                    self.cells.remove(&key);
                }
                Effect::Count(key, counted) => {
                    let (view, dirty) = self.journal.get_mut(&key).unwrap();
                    view.counted = Some(counted);
                    *dirty = false;
                }
            }
        }
    }

    /// The cells made anew from what is noted of each view: the first place that stands from where it
    /// was put.
    fn recounted(&self) -> BTreeMap<CellKey, Cell> {
        let mut views: BTreeMap<CellKey, Vec<View>> = BTreeMap::new();
        for (view, _) in self.journal.values() {
            let counted = view.counted.as_ref().unwrap();
            let Some(window) = self.horizon.window(view.start) else { continue };
            let places = [Place::Own, Place::Coarse, Place::Other].into_iter();
            let mut keys = places
                .filter(|place| *place >= counted.place)
                .map(|place| CellKey { window, labels: counted.told.labels.at(place) });
            let key = keys.find(|key| self.cells.contains_key(key)).unwrap();
            views.entry(key).or_default().push(view.clone());
        }
        let one = |key: CellKey, view: View| {
            let mut view = view;
            let limits = view.counted.take().unwrap().limits;
            view.told.labels = key.labels;
            let mut rooms = Rooms::default();
            let effects = fold(vec![view], BTreeMap::new(), &mut rooms, &self.horizon, |_| limits);
            effects.into_iter().find_map(|effect| match effect {
                Effect::Store(_, cell) => Some(cell),
                _ => None,
            })
        };
        let sum = |key: CellKey, views: Vec<View>| {
            let mut sum = Cell::default();
            views.into_iter().for_each(|view| sum.merge(&one(key.clone(), view).unwrap()));
            (key, sum)
        };
        views.into_iter().map(|(key, views)| sum(key, views)).collect()
    }

    /// What the counts without distributions say of largest paints, over a shard for each cell and all hours.
    fn counted(&self, limit: u32) -> Kept {
        let mut all = Counts::default();
        for (key, cell) in &self.cells {
            let mut shard = Counts::default();
            shard.add(key, &cell.encode(), T0).unwrap();
            all.merge(Counts::decode(&shard.encode()).unwrap());
        }
        let of_limit = all.tracks.iter().filter(|((_, metric, max), _)| metric == "LCP" && *max == limit);
        let kept = of_limit.map(|(_, track)| track.since(UnixMillis(0)));
        kept.fold(Kept::default(), |sum, kept| Kept { n: sum.n + kept.n, k: sum.k + kept.k })
    }

    fn total(&self) -> Cell {
        self.cells.values().fold(Cell::default(), |mut total, cell| {
            total.merge(cell);
            total
        })
    }
}

fn start(view: u8) -> UnixMillis {
    T0.after(u64::from(view) * 17_000)
}

fn beacon(lcp: u32, cls: Option<u32>, route: u8, release: u8, weight: u32) -> Told {
    let cls = cls.map(|cls| format!(r#","CLS":{cls}"#)).unwrap_or_default();
    let text = format!(
        r#"{{"v":1,"site":"s","id":"0123456789abcdef","nav":"navigate","path":"/{route}x","release":"{release}","w":{weight},"m":{{"LCP":{lcp}{cls}}}}}"#
    );
    Told::of(&Beacon::parse(text.as_bytes()).unwrap(), AGENT)
}

fn sends() -> impl Strategy<Value = Vec<Send>> {
    let told = (0..9000_u32, proptest::option::of(0..5000_u32), 0..6_u8, 0..2_u8, 1..5_u32)
        .prop_map(|(lcp, cls, route, release, weight)| beacon(lcp, cls, route, release, weight));
    proptest::collection::btree_map((0..12_u8, 0..4_u16), told, 1..40)
        .prop_map(|sends| sends.into_iter().map(|((view, seq), told)| Send { view, seq, told }).collect())
}

/// A window that is soon full.
fn narrow() -> impl Strategy<Value = Room> {
    (1..4_usize, 0..3_usize, 0..4_usize).prop_map(|(newcomers, heavy, series)| Room {
        routes: newcomers + heavy,
        heavy,
        series,
    })
}

fn room() -> impl Strategy<Value = Room> {
    prop_oneof![Just(Room::default()), narrow()]
}

/// The set of views, each as it was last told, counted by hand.
fn check(shelf: &Shelf, sends: &[Send], limit: Option<u32>) {
    let mut last: BTreeMap<u8, &Send> = BTreeMap::new();
    let mut heard = 0;
    for send in sends {
        heard += 1;
        let latest = last.entry(send.view).or_insert(send);
        if send.seq > latest.seq {
            *latest = send;
        }
    }
    let total = shelf.total();
    assert_eq!(total.views, last.len() as u64);
    assert_eq!(total.visits, last.values().map(|send| u64::from(send.told.weight)).sum::<u64>());
    assert_eq!(total.heard, heard);
    assert_eq!(total.sent, last.values().map(|send| u64::from(send.seq) + 1).sum::<u64>());
    for metric in Metric::ALL {
        let values: Vec<u32> = last.values().filter_map(|send| send.told.values.get(metric)).collect();
        let tally = total.metrics.get(&metric);
        assert_eq!(tally.map_or(0, |tally| tally.n), values.len() as u64, "{metric:?}");
        if let (Metric::Lcp, Some(limit), Some(tally)) = (metric, limit, tally) {
            let kept = tally.against(limit);
            assert_eq!(kept.n, values.len() as u64);
            assert_eq!(kept.k, values.iter().filter(|value| **value <= limit).count() as u64);
            assert_eq!(tally.kept.len(), 1, "a limit that judges nobody any more is forgotten");
            assert_eq!(shelf.counted(limit), kept, "hour by hour the same");
        }
    }
}

proptest! {
    #[test]
    fn any_order_duplicates_and_moments_of_folding_give_the_counts_of_the_set(
        room in room(),
        (sends, order) in sends().prop_flat_map(|sends| {
            let indices: Vec<usize> = (0..sends.len()).chain(0..sends.len()).collect();
            (Just(sends), Just(indices).prop_shuffle())
        }),
        folds in proptest::collection::vec(any::<bool>(), 80),
    ) {
        let mut shelf = Shelf::of(room);
        for (index, folds) in order.iter().zip(&folds) {
            shelf.hear(&sends[*index]);
            if *folds {
                shelf.fold(2000);
            }
        }
        shelf.fold(2000);
        check(&shelf, &sends, Some(2000));
        prop_assert_eq!(shelf.recounted(), shelf.cells);
    }

    #[test]
    fn rolling_up_never_changes_a_count(
        sends in sends(),
        room in room(),
        cut in 0..40_usize,
        hours in 1..2000_u64,
        later in 0..2000_u64,
    ) {
        let cut = cut.min(sends.len());
        let mut shelf = Shelf::of(room);
        sends[..cut].iter().for_each(|send| shelf.hear(send));
        shelf.fold(2500);
        shelf.roll(T0.after(hours * Span::Hour.millis()));
        // Corrections that come after the roll-up find their count where it went.
        sends[cut..].iter().for_each(|send| shelf.hear(send));
        shelf.fold(2500);
        check(&shelf, &sends, Some(2500));
        prop_assert_eq!(&shelf.recounted(), &shelf.cells);
        shelf.roll(T0.after((hours + later) * Span::Hour.millis()));
        check(&shelf, &sends, Some(2500));
        prop_assert_eq!(&shelf.recounted(), &shelf.cells);
        prop_assert!(shelf.cells.keys().all(|key| key.under(&shelf.horizon).as_ref() == Some(key)));
    }

    #[test]
    fn no_window_holds_more_than_its_room(sends in sends(), room in narrow(), hours in 0..2000_u64) {
        let mut shelf = Shelf::of(room);
        sends.iter().for_each(|send| {
            shelf.hear(send);
            shelf.fold(2000);
        });
        shelf.roll(T0.after(hours * Span::Hour.millis()));
        let mut windows: BTreeMap<_, Vec<&str>> = BTreeMap::new();
        for key in shelf.cells.keys() {
            windows.entry(key.window).or_default().push(&key.labels.route);
        }
        for routes in windows.values_mut() {
            prop_assert!(routes.len() <= room.most());
            routes.retain(|route| *route != OTHER);
            routes.sort_unstable();
            routes.dedup();
            prop_assert!(routes.len() <= room.routes, "{routes:?} in {room:?}");
        }
    }

    #[test]
    fn merging_commutes_and_associates(a in sends(), b in sends(), c in sends()) {
        let total = |sends: &[Send]| {
            let mut shelf = Shelf::of(Room::default());
            sends.iter().for_each(|send| shelf.hear(send));
            shelf.fold(2000);
            shelf.total()
        };
        let (a, b, c) = (total(&a), total(&b), total(&c));
        let merged = |first: &Cell, second: &Cell| {
            let mut sum = first.clone();
            sum.merge(second);
            sum
        };
        prop_assert_eq!(merged(&a, &b), merged(&b, &a));
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
    }

    #[test]
    fn stored_bytes_of_any_kind_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(cell) = Cell::decode(&bytes) {
            prop_assert_eq!(Cell::decode(&cell.encode()), Ok(cell));
        }
    }
}

#[test]
fn a_new_limit_starts_its_own_counters_and_leaves_the_old_ones() {
    let mut shelf = Shelf::of(Room::default());
    shelf.hear(&Send { view: 0, seq: 0, told: beacon(1900, None, 0, 0, 1) });
    shelf.fold(2000);
    shelf.hear(&Send { view: 1, seq: 0, told: beacon(1900, None, 0, 0, 1) });
    shelf.fold(1500);
    let tally = &shelf.total().metrics[&Metric::Lcp];
    assert_eq!((tally.against(2000).n, tally.against(2000).k), (1, 1));
    assert_eq!((tally.against(1500).n, tally.against(1500).k), (1, 0));
}

#[test]
fn a_flood_of_random_routes_hides_no_visited_one_and_grows_nothing() {
    let room = Room { routes: 20, heavy: 10, series: 30 };
    let mut shelf = Shelf::of(room);
    let mut sends = Vec::new();
    let told = |path: &str| {
        let text = format!(
            r#"{{"v":1,"site":"s","id":"0123456789abcdef","nav":"navigate","path":"{path}","m":{{"LCP":900}}}}"#
        );
        Told::of(&Beacon::parse(text.as_bytes()).unwrap(), AGENT)
    };
    let honest = ["/", "/cart", "/search"];
    // What is visited is known before the flood; then nine of ten views are the flood's, minute by minute.
    for index in 0..2000_u64 {
        let path = match (index < 100, index % 10) {
            (true, _) | (_, 0) => honest[index as usize / 10 % 3].to_owned(),
            (..) => format!("/flood-{}", (b'a' + (index % 26) as u8) as char).repeat(1 + index as usize % 30),
        };
        sends.push((T0.after(index * 100), told(&path)));
    }
    for (index, (start, told)) in sends.iter().enumerate() {
        let key = format!("{index}");
        let view =
            View { key: key.clone(), start: *start, seq: 0, heard: 1, told: told.clone(), counted: None };
        shelf.journal.insert(key, (view, true));
        if index % 50 == 49 {
            shelf.fold(2000);
        }
    }
    assert_eq!(shelf.total().views, 2000);
    for route in honest {
        let counted: u64 = (shelf.cells.iter())
            .filter(|(key, _)| key.labels.route == route)
            .map(|(_, cell)| cell.views)
            .sum();
        let sent = sends.iter().filter(|(_, told)| told.labels.route == route).count() as u64;
        assert_eq!(counted, sent, "{route}");
    }
    let windows: Vec<_> = shelf.cells.keys().map(|key| key.window).collect();
    assert!(windows.chunk_by(|a, b| a == b).all(|window| window.len() <= room.most()));
    let others = shelf.cells.iter().filter(|(key, _)| key.labels.route == OTHER).map(|(_, cell)| cell.views);
    assert!(others.sum::<u64>() > 1000, "the flood has no places of its own");
}
