//! Properties of the journal: for any order, duplication, slicing, failure, restart and sweep, the cells contain
//! exactly the set of views, each according to its latest beacon.

use std::collections::{BTreeMap, BTreeSet};

use ledger::journal::{EarlierView, JournalStep, ReceivedRows};
use ledger::{CardinalityLimits, VIEW_SETTLED_AFTER_MS, ViewRecord};
use proptest::prelude::*;
use wire::{Metric, UnixMillis};

use crate::test_shard::{JournalStore, SentBeacon, T0, TestShard, row, view_record};

const LIMIT: u32 = 2000;
const HOUR: u64 = 3_600_000;

/// A beacon on its way to the shard.
#[derive(Clone, Debug)]
struct ReceivedBeacon {
    key: u8,
    /// A report of web-vitals has no sequence number.
    is_report: bool,
    seq: u16,
    /// True if its view began more than two hours before.
    is_late: bool,
    record: ViewRecord,
}

#[derive(Clone, Debug)]
enum JournalEvent {
    Commit(Vec<ReceivedBeacon>),
    /// A commit that fails after its first rows, and is sent again.
    FailedCommit(Vec<ReceivedBeacon>, usize),
    /// One step towards folding everything.
    Step,
    Fold,
    Restart,
    /// A sweep some minutes later; a full database does not fold before it.
    Sweep {
        minutes: u64,
        folds: bool,
    },
}

/// A view of the model, from its first beacon until it is swept.
#[derive(Clone, Debug)]
struct ExpectedView {
    seq: u16,
    received_bits: u32,
    record: ViewRecord,
    heard_at: UnixMillis,
}

/// The rules, said once more in the plainest way: a map of the known views, changed when a beacon arrives.
#[derive(Debug, Default)]
struct Model {
    known: BTreeMap<String, ExpectedView>,
    swept: Vec<ExpectedView>,
}

impl ReceivedBeacon {
    fn key(&self) -> String {
        format!("{}view{}", if self.is_report { "~" } else { "" }, self.key)
    }

    fn seq(&self) -> u16 {
        if self.is_report { 0 } else { self.seq }
    }

    fn is_late(&self) -> bool {
        self.is_late && self.seq() > 0
    }

    /// Returns the beacon with a number and a value that are even or odd, so that no other beacon has them.
    fn renumbered(&self, rest: u16) -> Self {
        let mut arrival = Self { seq: self.seq * 2 + rest, ..self.clone() };
        let lcp = self.record.values.get(Metric::Lcp).unwrap_or_default();
        arrival.record.values.set(Metric::Lcp, lcp * 2 + u32::from(rest));
        arrival
    }

    fn row(&self, now: UnixMillis) -> String {
        let age = if self.is_late { VIEW_SETTLED_AFTER_MS } else { 1000 };
        row(&self.key(), self.seq(), now.saturating_sub(age), age, &self.record)
    }
}

impl Model {
    fn receive(&mut self, arrival: &ReceivedBeacon, now: UnixMillis) {
        let lcp = |record: &ViewRecord| record.values.get(Metric::Lcp);
        let (seq, bit) = (arrival.seq(), 1 << arrival.seq());
        match self.known.get_mut(&arrival.key()) {
            Some(view) => {
                let is_larger = arrival.is_report && lcp(&arrival.record) > lcp(&view.record);
                if seq > view.seq || is_larger {
                    (view.seq, view.record) = (seq, arrival.record.clone());
                }
                view.received_bits |= bit;
                view.heard_at = now;
            }
            None if arrival.is_late() => {}
            None => {
                let record = arrival.record.clone();
                let view = ExpectedView { seq, received_bits: bit, record, heard_at: now };
                self.known.insert(arrival.key(), view);
            }
        }
    }

    fn check(&self, shard: &TestShard) {
        let total = shard.total();
        let all: Vec<&ExpectedView> = self.known.values().chain(&self.swept).collect();
        assert_eq!(total.views, all.len() as u64);
        assert_eq!(total.sent, all.iter().map(|view| u64::from(view.seq) + 1).sum::<u64>());
        assert_eq!(
            total.received,
            all.iter().map(|view| u64::from(view.received_bits.count_ones())).sum::<u64>()
        );
        assert_eq!(total.visits, all.iter().map(|view| u64::from(view.record.weight)).sum::<u64>());
        let mut values: Vec<u32> =
            all.iter().filter_map(|view| view.record.values.get(Metric::Lcp)).collect();
        values.sort_unstable();
        let (n, k) = total
            .metrics
            .get(&Metric::Lcp)
            .map_or((0, 0), |cell| (cell.n, cell.limit_counts.values().map(|counts| counts.k).sum()));
        let judged = all.iter().filter(|view| view.record.labels.navigation.is_hard());
        let within =
            judged.filter_map(|view| view.record.values.get(Metric::Lcp)).filter(|value| *value <= LIMIT);
        assert_eq!((n, k), (values.len() as u64, within.count() as u64));
        let mut routes: BTreeMap<&str, u64> = BTreeMap::new();
        all.iter().for_each(|view| *routes.entry(&view.record.labels.route).or_default() += 1);
        let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
        shard
            .cells
            .iter()
            .for_each(|(key, cell)| *counted.entry(&key.labels.route).or_default() += cell.views);
        assert_eq!(counted, routes);
    }
}

/// A shard beside its model.
#[derive(Default)]
struct TestRun {
    shard: TestShard,
    model: Model,
    now: u64,
}

impl TestRun {
    fn new(slice_blocks: usize) -> Self {
        let mut shard = TestShard::with_limits(CardinalityLimits::default());
        shard.journal.slice_blocks = slice_blocks;
        Self { shard, ..Self::default() }
    }

    fn now(&self) -> UnixMillis {
        T0.saturating_add(self.now)
    }

    fn take(&mut self, event: &JournalEvent) {
        self.now += 10;
        let now = self.now();
        let rows =
            |arrivals: &[ReceivedBeacon]| arrivals.iter().map(|each| each.row(now)).collect::<Vec<_>>();
        match event {
            JournalEvent::Commit(arrivals) => {
                self.shard.journal.commit(&rows(arrivals), now);
                arrivals.iter().for_each(|each| self.model.receive(each, now));
            }
            JournalEvent::FailedCommit(arrivals, written) => {
                let written = (*written).min(arrivals.len());
                self.shard.journal.fail_commit(&rows(arrivals), written, now);
                arrivals[..written].iter().for_each(|each| self.model.receive(each, now));
                self.take(&JournalEvent::Commit(arrivals.clone()));
            }
            JournalEvent::Step => self.shard.fold_slice(LIMIT),
            JournalEvent::Fold => {
                self.shard.fold(LIMIT);
                self.model.check(&self.shard);
            }
            JournalEvent::Restart => self.shard.journal.restart(),
            JournalEvent::Sweep { minutes, folds } => {
                self.now += minutes * 60_000;
                if *folds {
                    self.take(&JournalEvent::Fold);
                }
                self.sweep();
            }
        }
    }

    fn sweep(&mut self) {
        let now = self.now();
        let settled = self.shard.journal.sweep(now);
        // A view is known while a row has it.
        let mut kept: BTreeSet<String> = self.shard.journal.folded_views().into_keys().collect();
        kept.extend(self.shard.journal.pending_keys());
        let mut exported = BTreeMap::new();
        for view in settled {
            assert!(exported.insert(view.key.clone(), view).is_none(), "each view is exported once");
        }
        for (key, view) in std::mem::take(&mut self.model.known) {
            if kept.contains(&key) {
                assert!(!exported.contains_key(&key));
                self.model.known.insert(key, view);
                continue;
            }
            assert!(view.heard_at < now.saturating_sub(VIEW_SETTLED_AFTER_MS), "{key} is not settled");
            let exported = exported.remove(&key).expect("a swept view is exported");
            assert_eq!((exported.record, exported.heard_at), (view.record.clone(), view.heard_at));
            self.model.swept.push(view);
        }
        assert!(exported.is_empty());
    }
}

fn arrivals() -> impl Strategy<Value = Vec<ReceivedBeacon>> {
    let record = (0..4000_u32, 0..3_u8, 1..3_u32)
        .prop_map(|(lcp, route, weight)| view_record(lcp, None, route, 0, weight));
    let arrival = (0..8_u8, prop::bool::weighted(0.2), 0..4_u16, prop::bool::weighted(0.3), record).prop_map(
        |(key, is_report, seq, is_late, record)| ReceivedBeacon { key, is_report, seq, is_late, record },
    );
    proptest::collection::vec(arrival, 1..5)
}

fn events() -> impl Strategy<Value = Vec<JournalEvent>> {
    let event = prop_oneof![
        8 => arrivals().prop_map(JournalEvent::Commit),
        1 => (arrivals(), 0..4_usize).prop_map(|(arrivals, written)| JournalEvent::FailedCommit(arrivals, written)),
        4 => Just(JournalEvent::Step),
        2 => Just(JournalEvent::Fold),
        2 => Just(JournalEvent::Restart),
        2 => (prop_oneof![Just(1_u64), Just(70), Just(130)], prop::bool::weighted(0.7))
            .prop_map(|(minutes, folds)| JournalEvent::Sweep { minutes, folds }),
    ];
    proptest::collection::vec(event, 1..40)
}

proptest! {
    #[test]
    fn the_cells_contain_each_view_as_of_its_latest_beacon(events in events(), slice_blocks in 1..4_usize) {
        let mut run = TestRun::new(slice_blocks);
        events.iter().for_each(|event| run.take(event));
        run.take(&JournalEvent::Fold);
        // Two hours after the last beacon nothing is left but the counts.
        run.take(&JournalEvent::Sweep { minutes: 121, folds: true });
        prop_assert!(run.shard.journal.blocks.is_empty() && run.shard.journal.folds.is_empty());
        prop_assert!(run.model.known.is_empty());
        run.take(&JournalEvent::Fold);
    }

    #[test]
    fn adopted_rows_of_an_earlier_table_count_once(
        // The views of the earlier table: whether and when each was counted, and whether it is adopted twice.
        earlier in proptest::collection::vec((arrivals(), 0..3_u8, any::<bool>()), 1..6),
        between in proptest::collection::vec(arrivals(), 0..4),
        later in arrivals(),
        restarts in any::<bool>(),
    ) {
        let mut run = TestRun::new(2);
        let mut views: Vec<EarlierView> = Vec::new();
        for (number, (arrivals, counted, _)) in earlier.iter().enumerate() {
            let is_report = arrivals[0].is_report;
            let own = |each: &ReceivedBeacon| ReceivedBeacon { key: number as u8, is_late: false, is_report, ..each.renumbered(0) };
            let arrivals: Vec<ReceivedBeacon> = arrivals.iter().map(own).collect();
            let counted = arrivals.len() * usize::from(*counted) / 2;
            views.push(run.earlier_view(&arrivals, counted));
        }
        let (first, second) = views.split_at(views.len() / 2);
        let again: Vec<EarlierView> = earlier.iter().zip(&views).filter(|((.., twice), _)| *twice).map(|(_, view)| view.clone()).collect();
        for (step, views) in [first, second, &again].into_iter().enumerate() {
            if let Some(arrivals) = between.get(step) {
                run.take(&JournalEvent::Commit(arrivals.iter().map(|each| each.renumbered(1)).collect()));
            }
            let adopted = run.shard.journal.journal.adopt(views).unwrap();
            adopted.blocks.iter().for_each(|block| run.shard.journal.write_block(block));
            run.shard.journal.journal.blocks_written(&adopted.blocks);
            run.shard.journal.write_folds(adopted.folds);
            if restarts {
                run.take(&JournalEvent::Restart);
            }
        }
        run.take(&JournalEvent::Fold);
        run.take(&JournalEvent::Commit(later));
        run.take(&JournalEvent::Fold);
    }
}

impl TestRun {
    /// Makes the row of an earlier table for a view that received these beacons, of which the first are counted.
    fn earlier_view(&mut self, arrivals: &[ReceivedBeacon], counted: usize) -> EarlierView {
        let now = self.now();
        let key = arrivals[0].key();
        let mut model = Model::default();
        let mut folded = None;
        for (index, arrival) in arrivals.iter().enumerate() {
            if index == counted && index > 0 {
                folded = Some(self.count(&key, &model.known[&key]));
            }
            model.receive(arrival, now);
        }
        let view = model.known[&key].clone();
        if counted == arrivals.len() {
            folded = Some(self.count(&key, &view));
        }
        self.model.known.insert(key.clone(), view.clone());
        EarlierView {
            key,
            start: now.saturating_sub(1000),
            heard_at: now,
            seq: view.seq,
            received_bits: view.received_bits,
            record: view.record.to_json().unwrap(),
            folded,
            is_behind: counted < arrivals.len(),
        }
    }

    /// Counts a view in the cells, and returns its stored form.
    fn count(&mut self, key: &str, view: &ExpectedView) -> String {
        let unfolded = ledger::UnfoldedView {
            key: key.to_owned(),
            start: self.now().saturating_sub(1000),
            seq: view.seq,
            received_bits: view.received_bits,
            record: view.record.clone(),
            folded: None,
        };
        let folded = self.shard.fold_views(vec![unfolded], LIMIT);
        serde_json::to_string(&folded[0].1).unwrap()
    }
}

fn send(key: u8, seq: u16, lcp: u32) -> ReceivedBeacon {
    ReceivedBeacon { key, is_report: false, seq, is_late: false, record: view_record(lcp, None, 0, 0, 1) }
}

/// The model detects an index that misses a fold after a restart: a correction is added a second time.
#[test]
#[should_panic(expected = "left == right")]
fn the_law_detects_an_index_without_a_fold() {
    let mut run = TestRun::new(1);
    run.take(&JournalEvent::Commit(vec![send(0, 0, 900)]));
    run.take(&JournalEvent::Fold);
    run.take(&JournalEvent::Restart);
    assert_eq!(run.shard.journal.journal.next_step(), JournalStep::IndexFolds { after: 0 });
    let no_keys = [1, 0];
    run.shard.journal.journal.index_fold(1, &no_keys).unwrap();
    run.take(&JournalEvent::Commit(vec![send(0, 1, 2400)]));
    run.take(&JournalEvent::Fold);
}

/// The model detects a fold that is swept although a correction of its view waits.
#[test]
#[should_panic(expected = "left == right")]
fn the_law_detects_a_sweep_of_a_fold_that_is_needed() {
    let mut run = TestRun::new(1);
    run.take(&JournalEvent::Commit(vec![send(0, 0, 900)]));
    run.take(&JournalEvent::Fold);
    run.take(&JournalEvent::Commit(vec![send(0, 1, 2400)]));
    run.shard.journal.folds.clear();
    run.shard.journal.restart();
    run.take(&JournalEvent::Fold);
}

#[test]
fn a_fold_stays_while_a_correction_waits_and_goes_afterwards() {
    let mut run = TestRun::new(1);
    run.take(&JournalEvent::Commit(vec![send(0, 0, 900)]));
    run.take(&JournalEvent::Fold);
    run.take(&JournalEvent::Commit(vec![send(0, 1, 2400)]));
    run.take(&JournalEvent::Sweep { minutes: 130, folds: false });
    assert_eq!(run.shard.journal.folds.len(), 1);
    run.take(&JournalEvent::Fold);
    run.sweep();
    assert!(run.shard.journal.folds.is_empty());
}

#[test]
fn a_fold_stays_while_a_correction_waits_that_a_failed_commit_wrote() {
    let mut run = TestRun::new(1);
    run.take(&JournalEvent::Commit(vec![send(0, 0, 900)]));
    run.take(&JournalEvent::Fold);
    let (correction, now) = (send(0, 1, 2400), run.now());
    run.shard.journal.fail_commit(&[correction.row(now)], 1, now);
    run.model.receive(&correction, now);
    assert!(matches!(run.shard.journal.journal.next_step(), JournalStep::NoteBlocks { .. }));
    run.take(&JournalEvent::Step);
    run.take(&JournalEvent::Sweep { minutes: 130, folds: false });
    assert_eq!(run.shard.journal.folds.len(), 1);
    run.take(&JournalEvent::Fold);
}

#[test]
fn the_last_fold_stays_while_void_blocks_do() {
    let mut run = TestRun::new(usize::MAX);
    (0..3).for_each(|key| run.take(&JournalEvent::Commit(vec![send(key, 0, 900)])));
    run.take(&JournalEvent::Fold);
    let JournalStore { blocks, folds, journal, .. } = &run.shard.journal;
    let later = T0.saturating_add(3 * HOUR);
    let blocks = || blocks.iter().map(|(number, (at, _))| (*number, *at));
    let folds = || folds.iter().map(|(number, fold)| (*number, fold.at));
    // The shell reads a part of the blocks at a time.
    let part = journal.prepare_sweep(later, blocks().take(2), folds());
    assert_eq!((part.blocks_through, part.folds_through), (2, 0));
    let all = journal.prepare_sweep(later, blocks(), folds());
    assert_eq!((all.blocks_through, all.folds_through), (3, 1));
}

#[test]
fn a_commit_and_a_fold_write_a_row_each() {
    let mut run = TestRun::new(usize::MAX);
    for round in 0..10 {
        let arrivals: Vec<ReceivedBeacon> = (0..50).map(|key| send(key, round, 900)).collect();
        arrivals.chunks(5).for_each(|group| run.take(&JournalEvent::Commit(group.to_vec())));
        run.take(&JournalEvent::Fold);
    }
    assert_eq!(run.shard.journal.rows_written, 10 * (10 + 1));
    assert_eq!(run.shard.journal.blocks.len(), 10, "void blocks are replaced");
}

#[test]
fn the_first_acknowledgement_after_waking_needs_no_index() {
    let mut run = TestRun::new(1);
    for key in 0..20 {
        run.take(&JournalEvent::Commit(vec![send(key, 0, 900)]));
        run.take(&JournalEvent::Fold);
    }
    run.take(&JournalEvent::Restart);
    run.take(&JournalEvent::Commit(vec![send(3, 1, 2400)]));
    assert_eq!(run.shard.journal.journal.next_step(), JournalStep::IndexFolds { after: 0 });
    run.take(&JournalEvent::Fold);
}

#[test]
fn a_large_commit_is_several_blocks() {
    let mut run = TestRun::new(usize::MAX);
    let arrivals: Vec<ReceivedBeacon> =
        (0..4).flat_map(|seq| (0..250).map(move |key| send(key, seq, 900))).collect();
    run.take(&JournalEvent::Commit(arrivals));
    assert_eq!(run.shard.journal.blocks.len(), 14, "75 beacons at most in each");
    run.take(&JournalEvent::Fold);
    assert_eq!(run.shard.journal.folds.len(), 2, "a fold of up to 150 views is one row");
}

#[test]
fn live_counts_contain_new_views_only() {
    let mut run = TestRun::new(1);
    let count = |run: &TestRun, arrivals: &[ReceivedBeacon]| {
        let rows: Vec<String> = arrivals.iter().map(|each| each.row(run.now())).collect();
        let json = format!("[{}]", rows.join(","));
        run.shard.journal.journal.live_delta(&ReceivedRows::parse(&json).unwrap()).views
    };
    let late = ReceivedBeacon { is_late: true, ..send(7, 2, 900) };
    assert_eq!(count(&run, &[send(0, 0, 900), send(0, 1, 900), send(1, 2, 900), late]), 2);
    run.take(&JournalEvent::Commit(vec![send(0, 0, 900)]));
    assert_eq!(count(&run, &[send(0, 1, 900), send(1, 2, 900)]), 1, "a view that is not folded yet is known");
    run.take(&JournalEvent::Fold);
    assert_eq!(count(&run, &[send(0, 1, 900), send(1, 2, 900)]), 1, "a folded view is known");
    run.take(&JournalEvent::Restart);
    assert_eq!(
        count(&run, &[send(0, 1, 900), send(1, 0, 900)]),
        1,
        "without an index, a first beacon is new"
    );
}

#[test]
fn a_start_stays_that_of_the_first_beacon() {
    let mut shard = TestShard::with_limits(CardinalityLimits::default());
    shard.receive(&SentBeacon { view: 0, seq: 0, record: view_record(900, None, 0, 0, 1) });
    shard.fold(LIMIT);
    let later = T0.saturating_add(HOUR);
    shard.receive_at(&SentBeacon { view: 0, seq: 1, record: view_record(1200, None, 0, 0, 1) }, later);
    shard.fold(LIMIT);
    assert_eq!(shard.cells.keys().map(|key| key.window.start).collect::<Vec<_>>(), [T0]);
}

/// The beacons of views, each with its number and its LCP.
fn beacons(sends: &[(&str, u16, u32)]) -> Vec<String> {
    let record = |lcp: u32| {
        let json = format!(
            r#"{{"v":1,"l":{{"r":"/","d":"phone","n":"navigate"}},"m":[null,{lcp},null,null,null,null],"w":1}}"#
        );
        ViewRecord::from_json(&json).unwrap()
    };
    sends.iter().map(|(key, seq, lcp)| row(key, *seq, T0, 0, &record(*lcp))).collect()
}

#[test]
fn a_view_is_pending_from_its_commit_to_its_fold() {
    let mut shard = TestShard::default();
    let counts =
        |shard: &TestShard| (shard.journal.journal.pending_count(), shard.journal.journal.last_block());
    assert_eq!(counts(&shard), (0, 0));
    shard.journal.commit(&beacons(&[("a.0", 0, 900), ("b.0", 0, 900)]), T0);
    shard.journal.commit(&beacons(&[("b.0", 1, 950)]), T0);
    assert_eq!(counts(&shard), (2, 2));
    shard.fold(LIMIT);
    assert_eq!(counts(&shard), (0, 2));
}

#[test]
fn after_a_failed_write_the_stored_blocks_are_noted_and_nothing_pending_is_forgotten() {
    let mut shard = TestShard::default();
    shard.journal.commit(&beacons(&[("a.0", 0, 900)]), T0);
    let stored = shard.journal.stored_rows();
    shard.journal.journal.reload(stored);
    assert_eq!(shard.journal.journal.pending_count(), 1);
    assert_eq!(shard.journal.journal.next_step(), JournalStep::FoldBlocks { after: 0 });
    shard.journal.fail_commit(&beacons(&[("b.0", 0, 900), ("c.0", 0, 900)]), 1, T0);
    assert_eq!(shard.journal.journal.next_step(), JournalStep::NoteBlocks { after: 0, before: 3 });
    shard.journal.step();
    assert_eq!(shard.journal.journal.pending_count(), 2);
}

#[test]
fn a_new_view_is_live_once_with_its_latest_beacon() {
    let shard = TestShard::default();
    let delta = |sends: &[(&str, u16, u32)]| {
        let json = format!("[{}]", beacons(sends).join(","));
        shard.journal.journal.live_delta(&ReceivedRows::parse(&json).unwrap())
    };
    let latest = delta(&[("a.0", 1, 3000)]);
    assert_ne!(latest, delta(&[("a.0", 0, 900)]));
    assert_eq!(delta(&[("a.0", 0, 900), ("a.0", 1, 3000)]), latest);
    assert_eq!(delta(&[("a.0", 1, 3000), ("a.0", 0, 900)]), latest);
}
