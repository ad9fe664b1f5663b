//! Whatever the order, the duplicates and the moments of folding and rolling: the cells hold the set
//! of views, each as it was last told, and nothing else.
#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::collections::BTreeMap;

use ledger::{
    Bots, Cell, CellKey, Changes, Counts, Days, Dimension, Effect, Group, Groups, Heavy, Horizon, Kept,
    Limits, OTHER, PageKey, Place, Places, Query, Recent, Retention, Room, Rooms, Span, Sum, Templates, Told,
    View, Visitor, Window, fold, needed, roll,
};
use proptest::prelude::*;
use wire::beacon::Values;
use wire::{Beacon, Metric, UnixMillis};

const T0: UnixMillis = UnixMillis(1_800_000_000_000);
const AGENTS: [&str; 3] = ["Mozilla/5.0 Chrome/156.0.0.0", "Mozilla/5.0 (iPhone) Mobile", "Googlebot/2.1"];

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
    sums: BTreeMap<PageKey, Cell>,
    recent: Recent,
    horizon: Horizon,
    retention: Retention,
    room: Room,
    rooms: Rooms,
}

impl Shelf {
    fn of(room: Room) -> Self {
        Self { room, rooms: Rooms::new(room, Heavy::default()), ..Self::default() }
    }

    fn hear(&mut self, send: &Send) {
        self.hear_at(send, start(send.view));
    }

    fn hear_at(&mut self, send: &Send, start: UnixMillis) {
        let key = format!("view{}", send.view);
        let (view, dirty) = self.journal.entry(key.clone()).or_insert_with(|| {
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
        let mut pages = Changes::for_recent(Some(&self.recent));
        let limits = |_: &_| Limits(values);
        let effects = fold(dirty, cells, &mut self.rooms, &self.horizon, limits, &mut pages);
        self.perform(effects);
        self.settle(pages);
    }

    fn roll(&mut self, now: UnixMillis) {
        self.horizon = self.horizon.advanced(&self.retention, now);
        let old: Vec<(CellKey, Cell)> = self.cells.clone().into_iter().collect();
        let mut places = Places::default();
        old.iter().for_each(|(key, cell)| places.count(key, cell, &self.horizon));
        let places = places.given(self.room);
        // In blocks, as the shell does it: what is decided for a series holds for all of its cells.
        for block in old.chunks(3) {
            let into = self.stored(block.iter().filter_map(|(key, _)| key.rolled(&places, &self.horizon)));
            let mut pages = Changes::for_recent(Some(&self.recent));
            let effects = roll(block.to_vec(), into, &places, &self.horizon, &mut pages);
            self.perform(effects);
            self.settle(pages);
        }
        self.rooms.age();
    }

    /// Brings one more day of what was stored before there were pages into them.
    fn bring_in(&mut self) {
        let is_left =
            |key: &&CellKey| key.window.span != Span::Minute && key.window.start >= self.horizon.pages;
        let after = self.horizon.paged(self.cells.keys().filter(is_left).map(|key| key.window.start).min());
        let cells: Vec<(CellKey, Cell)> = (self.cells.iter())
            .filter(|(key, _)| is_left(key) && key.window.start < after.pages)
            .map(|(key, cell)| (key.clone(), cell.clone()))
            .collect();
        for block in cells.chunks(2) {
            let mut pages = Changes::for_recent(Some(&self.recent));
            block.iter().for_each(|(key, cell)| pages.bring_in(key, cell));
            self.settle(pages);
        }
        self.horizon = after;
    }

    fn settle(&mut self, pages: Changes) {
        self.recent.follow(&pages);
        let mut sums = BTreeMap::new();
        for first in pages.needed() {
            let all = Changes::needed_from(&first, &self.sums);
            sums.extend(all.map(|(key, sum)| (key.clone(), Cell::decode(&sum.encode()).unwrap())));
        }
        for sum in pages.settle(sums) {
            match sum {
                Sum::Store(key, sum) => self.sums.insert(key, sum),
                Sum::Forget(key) => self.sums.remove(&key),
            };
        }
    }

    /// Answers from pages where they say it, as the shell does, each group in its bytes.
    fn answered(&self, query: &Query, recent: &Recent) -> BTreeMap<Group, Vec<u8>> {
        let plan = query.plan(&self.horizon);
        let mut groups = Groups::default();
        for stretch in plan.days.into_iter().flat_map(Days::stretches) {
            let mut before: Option<(&PageKey, &Cell)> = None;
            let block =
                self.sums.iter().filter(|(key, _)| key.block() == stretch.block && key.day < stretch.to);
            for (key, sum) in block.filter(|(key, _)| query.accepts_page(&key.page)) {
                let less = before.filter(|(other, _)| other.page == key.page).map(|(_, sum)| sum.encode());
                if key.day >= stretch.from {
                    groups.add_days(query, key, &sum.encode(), less.as_deref()).unwrap();
                }
                before = Some((key, sum));
            }
        }
        let minutes = plan.minutes.filter(|_| !recent.answer(query, &mut groups));
        let cells = plan.cells.into_iter().chain(minutes).flat_map(|(from, to)| self.began(query, from, to));
        cells.for_each(|(key, cell)| groups.add_stored(query, key, &cell.encode()).unwrap());
        groups.cells.into_iter().map(|(group, cell)| (group, cell.encode())).collect()
    }

    /// The same question, answered from cells alone.
    fn answered_by_cells(&self, query: &Query) -> BTreeMap<Group, Vec<u8>> {
        let mut groups = Groups::default();
        for (key, cell) in self.began(query, query.from, query.to) {
            groups.add(query.group(key.window, &key.labels), cell);
        }
        groups.cells.into_iter().map(|(group, cell)| (group, cell.encode())).collect()
    }

    fn began(
        &self,
        query: &Query,
        from: UnixMillis,
        to: UnixMillis,
    ) -> impl Iterator<Item = (&CellKey, &Cell)> {
        self.cells.iter().filter(move |(CellKey { window, labels }, _)| {
            window.start >= Window::of(window.span, from).start && window.start < to && query.accepts(labels)
        })
    }

    /// What is known of minutes by one who has just begun.
    fn summed_up(&self) -> Recent {
        let mut recent = Recent::default();
        self.cells.iter().for_each(|(key, cell)| recent.add(key, cell));
        recent
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
            let mut pages = Changes::for_recent(Some(&self.recent));
            let limits = |_: &_| limits;
            let effects = fold(vec![view], BTreeMap::new(), &mut rooms, &self.horizon, limits, &mut pages);
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
    let agent = AGENTS.get(lcp as usize % 3).unwrap();
    let cls = cls.map(|cls| format!(r#","CLS":{cls}"#)).unwrap_or_default();
    let text = format!(
        r#"{{"v":1,"site":"s","id":"0123456789abcdef","nav":"navigate","path":"/{route}x","release":"{release}","w":{weight},"m":{{"LCP":{lcp}{cls}}}}}"#
    );
    Told::of(
        &Beacon::parse(text.as_bytes()).unwrap(),
        Visitor { agent, mobile_hint: None, country: None },
        &Templates::default(),
    )
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

/// A question that pages may answer, or parts of it, or not.
fn question() -> impl Strategy<Value = Query> {
    let moment = || (0..100_u64, 0..1440_u64);
    let by =
        proptest::sample::subsequence(vec![Dimension::Route, Dimension::Device, Dimension::Release], 0..3);
    let only = proptest::option::weighted(0.2, prop_oneof![Just("/ax".to_owned()), Just(OTHER.to_owned())]);
    let bots = prop_oneof![4 => Just(Bots::Exclude), 1 => Just(Bots::Include)];
    let step = prop_oneof![3 => Just(None), 1 => Just(Some(Span::Day)), 1 => Just(Some(Span::Hour))];
    (moment(), moment(), by, only, bots, step).prop_map(|(a, b, by, only, bots, step)| {
        let at = |(days, minutes): (u64, u64)| {
            Window::of(Span::Minute, T0.before(Span::Day.millis() * 3))
                .start
                .after(days * Span::Day.millis() / 10)
                .after(minutes * 60_000)
        };
        let (from, to) = (at(a).min(at(b)), at(a).max(at(b)));
        let only = only.map(|route| (Dimension::Route, route)).into_iter().collect();
        Query { from, to, bots, only, by, step }
    })
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
            let people = last.values().filter(|send| !send.told.labels.bot);
            let values: Vec<u32> = people.filter_map(|send| send.told.values.get(metric)).collect();
            let k = values.iter().filter(|value| **value <= limit).count() as u64;
            assert_eq!(shelf.counted(limit), Kept { n: values.len() as u64, k }, "people, hour by hour");
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
    fn pages_answer_as_the_cells_do(
        // When views begin: some in one day, some of them across a block's end.
        hours in proptest::collection::vec(prop_oneof![0..24_u64, 0..1200_u64], 12),
        sends in sends().prop_shuffle(),
        room in room(),
        // Whether it was stored before there were pages; how long it is kept.
        is_old in any::<bool>(),
        kept in prop_oneof![Just(400_u64), 1..60_u64],
        steps in proptest::collection::vec((1..8_usize, prop_oneof![0..30_u64, 0..900_u64], any::<bool>()), 1..12),
        questions in proptest::collection::vec(question(), 8),
    ) {
        let mut shelf = Shelf { retention: Retention::of_days(kept), ..Shelf::of(room) };
        let (mut now, mut is_old, mut left) = (T0, is_old, sends.iter());
        for (sends, later, brings_in) in steps {
            for send in left.by_ref().take(sends) {
                shelf.hear_at(send, start(send.view).after(hours[usize::from(send.view)] * Span::Hour.millis()));
            }
            shelf.fold(2000);
            now = now.after(later * Span::Hour.millis());
            shelf.roll(now);
            if std::mem::take(&mut is_old) {
                (shelf.sums, shelf.horizon.pages) = Default::default();
            }
            if brings_in && !shelf.horizon.has_all_pages() {
                shelf.bring_in();
            }
            for query in &questions {
                let by_cells = shelf.answered_by_cells(query);
                prop_assert_eq!(&shelf.answered(query, &shelf.recent), &by_cells, "{:?} {:?}", query, shelf.horizon);
                prop_assert_eq!(&shelf.answered(query, &shelf.summed_up()), &by_cells, "{:?} {:?}", query, shelf.horizon);
            }
        }
    }

    #[test]
    fn what_is_asked_for_has_the_marks_that_are_looked_for(sends in sends(), route in "[\\PC]{1,12}", only in 0..2_usize) {
        let all = [Dimension::Route, Dimension::Device, Dimension::Navigation, Dimension::Cache, Dimension::Network, Dimension::Release, Dimension::Bot, Dimension::Own("plan".into())];
        for Send { told, .. } in &sends {
            let mut labels = told.labels.clone();
            labels.route = format!("/{route}");
            labels.dimensions.insert("plan".into(), route.clone());
            let only = all.iter().skip(only).filter_map(|dimension| Some((dimension.clone(), dimension.of(&labels)?.to_owned())));
            let query = Query { from: T0, to: T0, bots: Bots::Include, only: only.collect(), by: Vec::new(), step: None };
            prop_assert!(query.accepts(&labels));
            for mark in query.marks() {
                prop_assert!(labels.text().contains(&mark), "{mark} in {}", labels.text());
            }
        }
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

/// The law of pages can fail: a shelf that forgets to correct a page is found out by it.
#[test]
fn a_page_that_misses_a_correction_answers_otherwise_than_its_cells() {
    let question = Query {
        from: T0.before(Span::Day.millis()),
        to: T0.after(3 * Span::Day.millis()),
        bots: Bots::Exclude,
        only: Vec::new(),
        by: vec![Dimension::Route],
        step: None,
    };
    for forgets in [false, true] {
        let mut shelf = Shelf::of(Room::default());
        shelf.hear(&Send { view: 0, seq: 0, told: beacon(900, None, 0, 0, 1) });
        shelf.fold(2000);
        shelf.roll(T0.after(2 * Span::Day.millis()));
        assert_eq!(shelf.sums.len(), 1, "it stands in its page");
        assert_eq!(shelf.answered(&question, &shelf.recent), shelf.answered_by_cells(&question));
        let sums = shelf.sums.clone();
        shelf.hear(&Send { view: 0, seq: 1, told: beacon(2400, None, 0, 0, 1) });
        shelf.fold(2000);
        if forgets {
            shelf.sums = sums;
        }
        let answered = shelf.answered(&question, &shelf.recent);
        assert_eq!(answered == shelf.answered_by_cells(&question), !forgets);
    }
}

/// So can that of minutes: what is known of them has to follow each fold.
#[test]
fn minutes_that_are_not_followed_answer_otherwise_than_their_cells() {
    let question = Query {
        from: T0.before(3 * Span::Day.millis()),
        to: T0.after(Span::Hour.millis()),
        bots: Bots::Exclude,
        only: Vec::new(),
        by: vec![Dimension::Route],
        step: None,
    };
    let mut shelf = Shelf::of(Room::default());
    shelf.hear_at(&Send { view: 1, seq: 0, told: beacon(900, None, 0, 0, 1) }, question.from);
    shelf.hear(&Send { view: 0, seq: 0, told: beacon(900, None, 0, 0, 1) });
    shelf.fold(2000);
    shelf.roll(T0);
    assert!(question.plan(&shelf.horizon).minutes.is_some(), "it is about minutes, too");
    let then = shelf.recent.clone();
    shelf.hear(&Send { view: 0, seq: 1, told: beacon(2400, None, 0, 0, 1) });
    shelf.fold(2000);
    assert_eq!(shelf.answered(&question, &shelf.recent), shelf.answered_by_cells(&question));
    assert_ne!(shelf.answered(&question, &then), shelf.answered_by_cells(&question));
    // Who asks up to an earlier moment is answered from the cells.
    let earlier = Query { to: T0.before(1), ..question };
    assert!(!shelf.recent.answer(&earlier, &mut Groups::default()));
    assert_eq!(shelf.answered(&earlier, &then), shelf.answered_by_cells(&earlier));
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
        Told::of(
            &Beacon::parse(text.as_bytes()).unwrap(),
            Visitor { agent: AGENTS[0], mobile_hint: None, country: None },
            &Templates::default(),
        )
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
