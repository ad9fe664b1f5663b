//! Whatever the order, the duplicates and the moments of folding and rolling: the cells hold the set
//! of views, each as it was last told, and nothing else.
#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::collections::BTreeMap;

use ledger::{
    Cell, CellKey, Effect, Horizon, Limits, Retention, Span, Told, View, Visitor, fold, needed, roll,
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
}

impl Shelf {
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
        let cells = self.stored(needed(&dirty, &self.horizon));
        let effects = fold(dirty, cells, &self.horizon, |_| Limits(values));
        self.perform(effects);
    }

    fn roll(&mut self, now: UnixMillis) {
        self.horizon = self.horizon.advanced(&Retention::default(), now);
        let old: Vec<(CellKey, Cell)> = self.cells.clone().into_iter().collect();
        let into = self.stored(old.iter().filter_map(|(key, _)| key.under(&self.horizon)));
        let effects = roll(old, into, &self.horizon);
        self.perform(effects);
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

    fn total(&self) -> Cell {
        self.cells.values().fold(Cell::default(), |mut total, cell| {
            total.merge(cell);
            total
        })
    }
}

fn start(view: u8) -> UnixMillis {
    T0.after(u64::from(view) * 37_000)
}

fn beacon(lcp: u32, cls: Option<u32>, route: u8, weight: u32) -> Told {
    let cls = cls.map(|cls| format!(r#","CLS":{cls}"#)).unwrap_or_default();
    let text = format!(
        r#"{{"v":1,"site":"s","id":"0123456789abcdef","nav":"navigate","path":"/{route}x","w":{weight},"m":{{"LCP":{lcp}{cls}}}}}"#
    );
    Told::of(&Beacon::parse(text.as_bytes()).unwrap(), AGENT)
}

fn sends() -> impl Strategy<Value = Vec<Send>> {
    let told = (0..9000_u32, proptest::option::of(0..5000_u32), 0..3_u8, 1..5_u32)
        .prop_map(|(lcp, cls, route, weight)| beacon(lcp, cls, route, weight));
    proptest::collection::btree_map((0..12_u8, 0..4_u16), told, 1..40)
        .prop_map(|sends| sends.into_iter().map(|((view, seq), told)| Send { view, seq, told }).collect())
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
        }
    }
}

proptest! {
    #[test]
    fn any_order_duplicates_and_moments_of_folding_give_the_counts_of_the_set(
        (sends, order) in sends().prop_flat_map(|sends| {
            let indices: Vec<usize> = (0..sends.len()).chain(0..sends.len()).collect();
            (Just(sends), Just(indices).prop_shuffle())
        }),
        folds in proptest::collection::vec(any::<bool>(), 80),
    ) {
        let mut shelf = Shelf::default();
        for (index, folds) in order.iter().zip(&folds) {
            shelf.hear(&sends[*index]);
            if *folds {
                shelf.fold(2000);
            }
        }
        shelf.fold(2000);
        check(&shelf, &sends, Some(2000));
    }

    #[test]
    fn rolling_up_never_changes_a_count(sends in sends(), cut in 0..40_usize, hours in 1..2000_u64) {
        let cut = cut.min(sends.len());
        let mut shelf = Shelf::default();
        sends[..cut].iter().for_each(|send| shelf.hear(send));
        shelf.fold(2500);
        shelf.roll(T0.after(hours * Span::Hour.millis()));
        // Corrections that come after the roll-up find their count where it went.
        sends[cut..].iter().for_each(|send| shelf.hear(send));
        shelf.fold(2500);
        check(&shelf, &sends, Some(2500));
        prop_assert!(shelf.cells.keys().all(|key| key.under(&shelf.horizon).as_ref() == Some(key)));
    }

    #[test]
    fn merging_commutes_and_associates(a in sends(), b in sends(), c in sends()) {
        let total = |sends: &[Send]| {
            let mut shelf = Shelf::default();
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
    let mut shelf = Shelf::default();
    shelf.hear(&Send { view: 0, seq: 0, told: beacon(1900, None, 0, 1) });
    shelf.fold(2000);
    shelf.hear(&Send { view: 1, seq: 0, told: beacon(1900, None, 0, 1) });
    shelf.fold(1500);
    let tally = &shelf.total().metrics[&Metric::Lcp];
    assert_eq!((tally.against(2000).n, tally.against(2000).k), (1, 1));
    assert_eq!((tally.against(1500).n, tally.against(1500).k), (1, 0));
}
