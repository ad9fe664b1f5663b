//! The relay of purges: the model of `purge_model` with clocks that differ, far and failing parts and herds; variants
//! that must not hold; and the stored copy.

#![expect(clippy::indexing_slicing, clippy::expect_used, reason = "a test that cannot go on fails")]
#![expect(unreachable_pub, reason = "`cargo xtask model fan-in` shares the model")]

mod purge_model;

use cache::UnixMillis;
use cache::metrics::Log2Histogram;
use cache::purge::{PurgeChanges, PurgeClock, PurgeVersion, PurgeView};
use cache::purge_relay::{
    CLAIM_MS, MAX_CLOCK_SKEW_MS, MAX_RELAYED_PURGES, PurgeSync, RelayRead, SyncContext, SyncStep,
};
use proptest::prelude::*;
use purge_model::{Relay, World, run};

/// Two locations, one of which is busy, with many purges.
const WORLD: World = World {
    locations: 2,
    isolates_per_location: 40,
    lookups_per_second: 5.0,
    lease_ms: 2_000,
    skew_ms: MAX_CLOCK_SKEW_MS,
    write_ms: 15,
    clock_ms: (40, 200),
    failing_reads: 50,
    purges_per_second: 20.0,
    tags: 40,
    lifetime_ms: 60_000.0,
    duration_ms: 20_000,
    relay: Relay::Sound,
    seed: 1,
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_lookup_trusts_a_response_purged_longer_ago_than_the_lease(
        seed in any::<u64>(),
        isolates_per_location in 1..60_usize,
        lookups in 1..80_u32,
        lease_ms in prop_oneof![Just(1_000_u64), Just(2_000), Just(5_000)],
        skew_ms in 0..=MAX_CLOCK_SKEW_MS,
        write_ms in 1..400_u64,
        slowest_ms in 1..900_u64,
        purges in 1..400_u32,
        lifetime_ms in prop_oneof![Just(3_000.0), Just(60_000.0)],
    ) {
        let world = World {
            isolates_per_location, lease_ms, skew_ms, write_ms, lifetime_ms, seed,
            lookups_per_second: f64::from(lookups) / 10.0,
            clock_ms: (1, slowest_ms),
            purges_per_second: f64::from(purges) / 10.0,
            duration_ms: 9_000,
            ..WORLD
        };
        prop_assert_eq!(run(world).violations, 0);
    }
}

#[track_caller]
fn check_violates(world: World) {
    let sound = run(World { relay: Relay::Sound, ..world });
    assert_eq!(sound.violations, 0, "{world:?}");
    assert!(sound.lookups > 2 * sound.unknown, "most views are current: {sound:?}");
    let outcome = run(world);
    assert!(outcome.violations > 0, "the variant must not hold: {world:?}, {outcome:?}");
}

#[test]
fn a_copy_that_counts_from_its_arrival_serves_purged_entries() {
    check_violates(World { relay: Relay::StampedOnArrival, clock_ms: (200, 900), ..WORLD });
}

#[test]
fn readers_that_ignore_the_skew_serve_purged_entries() {
    check_violates(World { relay: Relay::SkewIgnored, ..WORLD });
}

#[test]
fn readers_that_ignore_a_gap_serve_purged_entries() {
    // Isolates with few lookups are further behind than a copy reaches back.
    // A copy that holds every tag would hide the gap.
    let rare = World { tags: 1_000_000, lookups_per_second: 0.2, isolates_per_location: 30, ..WORLD };
    check_violates(World { relay: Relay::GapIgnored, purges_per_second: 200.0, ..rare });
}

#[test]
fn a_herd_asks_about_once_for_a_location_and_lease() {
    let herd = World { isolates_per_location: 200, failing_reads: 0, lifetime_ms: 1e9, ..WORLD };
    let requests = |world| run(world).mean_requests();
    assert!(requests(herd) <= 2.0, "{} requests a second for 2 locations", requests(herd));
    assert!(requests(World { relay: Relay::Absent, ..herd }) > 200.0, "without a relay, each isolate asks");
}

#[test]
fn a_herd_that_ignores_claims_asks_all_at_once() {
    // The response of the purge clock comes when the readers are due.
    let far = World {
        isolates_per_location: 200,
        failing_reads: 0,
        lifetime_ms: 1e9,
        clock_ms: (400, 500),
        ..WORLD
    };
    let sound = run(far).mean_requests();
    assert!(sound <= 6.0, "{sound} requests a second for 2 locations");
    assert!(run(World { relay: Relay::HerdIgnored, ..far }).mean_requests() > 10.0 * sound);
}

#[test]
fn clocks_that_differ_by_more_than_the_allowance_may_violate_the_bound() {
    // The bound names its condition, and this is what it excludes.
    assert!(run(World { skew_ms: 8 * MAX_CLOCK_SKEW_MS, ..WORLD }).violations > 0);
}

fn changes(seqs: std::ops::RangeInclusive<u64>) -> PurgeChanges {
    let seq = *seqs.end();
    PurgeChanges {
        clock: PurgeClock { seq, ..PurgeClock::default() },
        versions: seqs.clone().map(|seq| (format!("t:{seq}"), PurgeVersion { hard: seq, soft: 0 })).collect(),
        upto: seq,
        written_at: seqs.map(|seq| UnixMillis(900 + seq)).collect(),
    }
}

/// An isolate.
#[derive(Default)]
struct Isolate {
    view: PurgeView,
    sync: PurgeSync,
    lags: Log2Histogram,
}

impl Isolate {
    fn respond(&mut self, changes: PurgeChanges, requested_at: u64) -> Option<String> {
        let Self { view, sync, lags } = self;
        sync.clock_responded(view, lags, changes, UnixMillis(requested_at), CONTEXT.lease_ms);
        sync.copy(view)
    }

    fn read(&mut self, copy: Option<&str>, claimed_at: Option<u64>, at: u64) -> SyncStep {
        let Self { view, sync, lags } = self;
        let read = RelayRead { copy, claimed_at: claimed_at.map(UnixMillis), at: UnixMillis(at) };
        sync.relay_read(view, lags, read, CONTEXT)
    }
}

const CONTEXT: SyncContext = SyncContext { lease_ms: 2_000, draw: 0.5 };

#[test]
fn the_copy_has_its_stored_form() {
    let copy = Isolate::default().respond(changes(1..=2), 1_000).expect("a copy");
    assert_eq!(copy, include_str!("purge-copy-1.json").trim_end());
    let mut reader = Isolate::default();
    assert_eq!(reader.read(Some(&copy), None, 1_100), SyncStep::Done);
    assert_eq!(reader.view.upto(), 2);
}

#[test]
fn readers_take_a_copy_for_older_than_it_says() {
    let copy = Isolate::default().respond(changes(1..=2), 10_000).expect("a copy");
    let mut reader = Isolate::default();
    assert_eq!(reader.read(Some(&copy), None, 10_100), SyncStep::Done);
    assert!(reader.view.is_current(UnixMillis(12_000 - MAX_CLOCK_SKEW_MS), 2_000));
    assert!(!reader.view.is_current(UnixMillis(12_001 - MAX_CLOCK_SKEW_MS), 2_000));
}

#[test]
fn what_no_copy_can_answer_is_asked_of_the_clock() {
    let copy =
        Isolate::default().respond(changes(1..=MAX_RELAYED_PURGES as u64 + 5), 10_000).expect("a copy");
    assert_eq!(Isolate::default().read(Some(&copy), None, 10_100), SyncStep::AskClock, "it begins at 5");
    let mut follower = Isolate::default();
    follower.respond(changes(1..=5), 8_000);
    assert_eq!(follower.read(Some(&copy), None, 10_100), SyncStep::Done);
    let mut behind = Isolate::default();
    assert_eq!(
        behind.read(Some(&copy), None, 10_000 - MAX_CLOCK_SKEW_MS - 1),
        SyncStep::AskClock,
        "the future"
    );
    assert_eq!(behind.read(Some("{"), None, 10_100), SyncStep::AskClock);
    assert_eq!(behind.read(None, None, 10_100), SyncStep::AskClock);
}

#[test]
fn a_claim_holds_others_back_for_a_while() {
    let mut isolate = Isolate::default();
    assert_eq!(isolate.read(None, Some(10_000), 10_000 + CLAIM_MS - 1), SyncStep::Wait);
    assert_eq!(isolate.read(None, Some(10_000), 10_000 + CLAIM_MS), SyncStep::AskClock);
    isolate.respond(changes(1..=2), 10_000);
    let due = isolate.sync.renew_at().0;
    assert_eq!(isolate.read(None, Some(due), due), SyncStep::Done, "the view lasts until the other's copy");
    assert!(isolate.sync.renew_at().0 > due);
}

#[test]
fn the_delay_of_a_purge_is_recorded_once() {
    let mut writer = Isolate::default();
    writer.respond(changes(1..=2), 1_000);
    let mut reader = writer.sync.clone();
    let (mut view, mut lags) = (writer.view.clone(), Log2Histogram::default());
    let copy = writer.respond(changes(3..=4), 2_000).expect("a copy");
    for at in [2_100, 2_200] {
        let read = RelayRead { copy: Some(&copy), claimed_at: None, at: UnixMillis(at) };
        reader.relay_read(&mut view, &mut lags, read, CONTEXT);
    }
    assert_eq!(lags.buckets().map(|(.., n)| n).sum::<u64>(), 2);
}
