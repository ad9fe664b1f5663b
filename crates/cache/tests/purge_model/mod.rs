//! A model of isolates that sync their purges through the relay of their location: a queue of events in true time,
//! clocks that differ, a Cache API whose writes take a moment and whose reads fail at times, a purge clock that is
//! far away, isolates that come and go. The test and `cargo xtask model fan-in` share it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use cache::UnixMillis;
use cache::metrics::Log2Histogram;
use cache::purge::{
    PurgeChanges, PurgeClock, PurgeMode, PurgeStatus, PurgeTarget, PurgeVersion, PurgeView, PurgeWrite,
};
use cache::purge_relay::{PurgeSync, RelayRead, SyncContext, SyncStep};

/// The size and the behaviour of the simulated world. Times are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct World {
    pub locations: usize,
    pub isolates_per_location: usize,
    /// The lookups of one isolate in a second.
    pub lookups_per_second: f64,
    pub lease_ms: u64,
    /// The largest difference between two clocks of one location.
    pub skew_ms: u64,
    /// The time until the Cache API returns what was written.
    pub write_ms: u64,
    /// The shortest and the longest response time of the purge clock.
    pub clock_ms: (u64, u64),
    /// One read of the Cache API in so many fails; none for 0.
    pub failing_reads: u64,
    pub purges_per_second: f64,
    /// The number of tags, of which each purge takes one.
    pub tags: u64,
    /// The mean lifetime of an isolate.
    pub lifetime_ms: f64,
    pub duration_ms: u64,
    pub relay: Relay,
    pub seed: u64,
}

/// The relay as it is, and variants that must not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relay {
    /// As in the implementation.
    Sound,
    /// Without a relay: each isolate asks the purge clock.
    Absent,
    /// A copy counts from its arrival, not from its request.
    StampedOnArrival,
    /// Readers make no allowance for the writer's clock.
    SkewIgnored,
    /// Readers apply copies that begin after what they know.
    GapIgnored,
    /// Nobody claims, and readers renew a copy as soon as its writer may.
    HerdIgnored,
}

/// The outcome of a run.
#[derive(Clone, Debug, Default)]
pub struct ModelResult {
    /// The requests to the purge clock in each second.
    pub clock_requests: Vec<u64>,
    pub lookups: u64,
    /// Lookups whose view was too old to tell.
    pub unknown: u64,
    /// Lookups that take a response for valid although it was purged longer ago than the lease.
    pub violations: u64,
}

impl ModelResult {
    /// Returns the mean requests to the purge clock in a second, after the world's start.
    pub fn mean_requests(&self) -> f64 {
        let steady = self.clock_requests.get(START_SECONDS..).unwrap_or_default();
        steady.iter().sum::<u64>() as f64 / steady.len().max(1) as f64
    }
}

/// The seconds at the start in which every isolate of the world is new.
pub const START_SECONDS: usize = 5;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Lookup {
        isolate: usize,
    },
    /// A lookup had to wait for a sync.
    Waited {
        isolate: usize,
    },
    Purge,
    RelayRead {
        isolate: usize,
        life: u64,
        round: u32,
    },
    ClockAsked {
        isolate: usize,
        life: u64,
        requested_at: u64,
        since: u64,
    },
    ClockResponded {
        isolate: usize,
        life: u64,
        requested_at: u64,
        arrived_at: u64,
        since: u64,
    },
}

#[derive(Default)]
struct Isolate {
    view: PurgeView,
    sync: PurgeSync,
    clock_ahead_ms: u64,
    life: u64,
    is_syncing: bool,
}

/// The Cache API of a location; writes become visible later.
#[derive(Default)]
struct ColoCache {
    copies: Vec<(u64, String)>,
    claims: Vec<(u64, u64)>,
}

struct ModelRun {
    world: World,
    random: ModelRandom,
    now: u64,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    scheduled: u64,
    isolates: Vec<Isolate>,
    locations: Vec<ColoCache>,
    clock: PurgeClock,
    /// The versions by tag, and each purge with its time: what the purge clock stores.
    versions: BTreeMap<String, PurgeVersion>,
    purges: Vec<(u64, String)>,
    outcome: ModelResult,
}

/// Runs a world.
pub fn run(world: World) -> ModelResult {
    let mut run = ModelRun {
        world,
        random: ModelRandom(world.seed),
        now: 0,
        events: BinaryHeap::new(),
        scheduled: 0,
        isolates: Vec::new(),
        locations: (0..world.locations).map(|_| ColoCache::default()).collect(),
        clock: PurgeClock::default(),
        versions: BTreeMap::new(),
        purges: Vec::new(),
        outcome: ModelResult::default(),
    };
    for isolate in 0..world.locations * world.isolates_per_location {
        let clock_ahead_ms = run.random.below(world.skew_ms + 1);
        run.isolates.push(Isolate { clock_ahead_ms, ..Isolate::default() });
        let first = run.random.wait(1_000.0 / world.lookups_per_second);
        run.schedule(first, Event::Lookup { isolate });
    }
    run.schedule(0, Event::Purge);
    while let Some(Reverse((at, _, event))) = run.events.pop() {
        if at > world.duration_ms {
            break;
        }
        run.now = at;
        run.handle(event);
    }
    run.outcome
}

impl ModelRun {
    fn schedule(&mut self, after_ms: u64, event: Event) {
        self.scheduled += 1;
        self.events.push(Reverse((self.now + after_ms, self.scheduled, event)));
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Lookup { isolate } => self.look_up(isolate),
            Event::Waited { isolate } => self.check(isolate),
            Event::Purge => self.purge(),
            Event::RelayRead { isolate, life, round } if self.isolates[isolate].life == life => {
                self.read_relay(isolate, round);
            }
            Event::ClockAsked { isolate, life, requested_at, since } => {
                let second = usize::try_from(self.now / 1_000).unwrap_or_default();
                self.outcome.clock_requests.resize(self.outcome.clock_requests.len().max(second + 1), 0);
                self.outcome.clock_requests[second] += 1;
                let response =
                    Event::ClockResponded { isolate, life, requested_at, arrived_at: self.now, since };
                let half = self.random.between(self.world.clock_ms) / 2;
                self.schedule(half, response);
            }
            Event::ClockResponded { isolate, life, requested_at, arrived_at, since }
                if self.isolates[isolate].life == life =>
            {
                self.respond(isolate, requested_at, arrived_at, since);
            }
            // The isolate ended meanwhile.
            Event::RelayRead { .. } | Event::ClockResponded { .. } => {}
        }
    }

    fn purge(&mut self) {
        let tag = format!("tag{}", self.random.below(self.world.tags));
        let target = PurgeTarget::Tag(tag.clone());
        let known = self.versions.get(&format!("t:{tag}")).copied().unwrap_or_default();
        for write in self.clock.purge(&target, PurgeMode::Hard, known) {
            if let PurgeWrite::Version { name, version } = write {
                self.versions.insert(name, version);
            }
        }
        self.purges.push((self.now, tag));
        let next = self.random.wait(1_000.0 / self.world.purges_per_second);
        self.schedule(next, Event::Purge);
    }

    fn look_up(&mut self, index: usize) {
        let next = self.random.wait(1_000.0 / self.world.lookups_per_second);
        self.schedule(next, Event::Lookup { isolate: index });
        if self.random.unit() < next as f64 / self.world.lifetime_ms {
            let Isolate { clock_ahead_ms, life, .. } = self.isolates[index];
            self.isolates[index] = Isolate { clock_ahead_ms, life: life + 1, ..Isolate::default() };
        }
        self.outcome.lookups += 1;
        let isolate = &self.isolates[index];
        let local = self.local(index);
        let is_current = isolate.view.is_current(local, self.world.lease_ms);
        if !isolate.is_syncing && (!is_current || local >= isolate.sync.renew_at()) {
            let life = isolate.life;
            self.isolates[index].is_syncing = true;
            self.schedule(0, Event::RelayRead { isolate: index, life, round: 0 });
        }
        match is_current {
            true => self.check(index),
            false => self.schedule(self.world.clock_ms.1, Event::Waited { isolate: index }),
        }
    }

    /// Checks what a lookup takes for valid.
    fn check(&mut self, index: usize) {
        let local = self.local(index);
        if !self.isolates[index].view.is_current(local, self.world.lease_ms) {
            self.outcome.unknown += 1;
            return;
        }
        // The latest purge that everybody has to know by now, and one of those before it.
        let due = self.purges.partition_point(|(at, _)| at + self.world.lease_ms < self.now);
        for number in [due as u64, 1 + self.random.below(due.max(1) as u64)] {
            let Some((_, tag)) = number.checked_sub(1).and_then(|at| self.purges.get(at as usize)) else {
                continue;
            };
            let status = self.isolates[index].view.purge_status(
                number - 1,
                std::slice::from_ref(tag),
                "host/",
                local,
                self.world.lease_ms,
            );
            if number <= due as u64 && status == PurgeStatus::NotPurged {
                self.outcome.violations += 1;
            }
        }
    }

    fn read_relay(&mut self, index: usize, round: u32) {
        let is_failing = self.world.failing_reads > 0 && self.random.below(self.world.failing_reads) == 0;
        if self.world.relay == Relay::Absent || is_failing || round == MAX_READS {
            return self.ask_clock(index);
        }
        let now = self.now;
        let location = &mut self.locations[index / self.world.isolates_per_location];
        let visible = location.copies.partition_point(|(at, _)| *at <= now);
        location.copies.drain(..visible.saturating_sub(1));
        let visible_claims = location.claims.partition_point(|(at, _)| *at <= now);
        location.claims.drain(..visible_claims.saturating_sub(1));
        let copy = location.copies.first().filter(|(at, _)| *at <= now).map(|(_, copy)| copy.clone());
        let claim = location.claims.first().filter(|(at, _)| *at <= now).map(|(_, claimed)| *claimed);
        let copy = copy.map(|copy| tamper(self.world.relay, copy));
        let draw = self.random.unit();
        let local = self.local(index);
        let read = RelayRead {
            copy: copy.as_deref(),
            claimed_at: claim.filter(|_| self.world.relay != Relay::HerdIgnored).map(UnixMillis),
            at: local,
        };
        let draw = if self.world.relay == Relay::HerdIgnored { f64::MIN_POSITIVE } else { draw };
        let context = SyncContext { lease_ms: self.world.lease_ms, draw };
        let Isolate { view, sync, life, .. } = &mut self.isolates[index];
        let life = *life;
        match sync.relay_read(view, &mut Log2Histogram::default(), read, context) {
            SyncStep::Done => self.isolates[index].is_syncing = false,
            SyncStep::Wait => {
                self.schedule(CLAIM_POLL_MS, Event::RelayRead { isolate: index, life, round: round + 1 });
            }
            SyncStep::AskClock => self.ask_clock(index),
        }
    }

    fn ask_clock(&mut self, index: usize) {
        let local = self.local(index).0;
        let location = &mut self.locations[index / self.world.isolates_per_location];
        location.claims.push((self.now + self.world.write_ms, local));
        let Isolate { life, view, .. } = &self.isolates[index];
        let asked =
            Event::ClockAsked { isolate: index, life: *life, requested_at: local, since: view.upto() };
        let half = self.random.between(self.world.clock_ms) / 2;
        self.schedule(half, asked);
    }

    fn respond(&mut self, index: usize, requested_at: u64, arrived_at: u64, since: u64) {
        let changes = self.changes_at(arrived_at, since);
        let local = self.local(index).0;
        let lease_ms = self.world.lease_ms;
        let requested_at = if self.world.relay == Relay::StampedOnArrival { local } else { requested_at };
        let Isolate { view, sync, is_syncing, .. } = &mut self.isolates[index];
        let lags = &mut Log2Histogram::default();
        sync.clock_responded(view, lags, changes, UnixMillis(requested_at), lease_ms);
        *is_syncing = false;
        if let Some(copy) = sync.copy(view) {
            let visible_at = self.now + self.world.write_ms;
            self.locations[index / self.world.isolates_per_location].copies.push((visible_at, copy));
        }
    }

    /// Returns the changes that the purge clock knew at a time.
    fn changes_at(&self, at: u64, since: u64) -> PurgeChanges {
        let seq = self.purges.partition_point(|(time, _)| *time <= at) as u64;
        let mut versions: BTreeMap<&str, u64> = BTreeMap::new();
        for number in since..seq {
            if let Some((_, tag)) = self.purges.get(number as usize) {
                versions.insert(tag, number + 1);
            }
        }
        let mut versions: Vec<(String, PurgeVersion)> = versions
            .into_iter()
            .map(|(tag, hard)| (format!("t:{tag}"), PurgeVersion { hard, soft: 0 }))
            .collect();
        versions.sort_by_key(|(_, version)| version.hard);
        let written_at = versions.iter().map(|_| UnixMillis(at)).collect();
        PurgeChanges { clock: PurgeClock { seq, ..PurgeClock::default() }, versions, upto: seq, written_at }
    }

    fn local(&self, isolate: usize) -> UnixMillis {
        UnixMillis(EPOCH_MS + self.now + self.isolates[isolate].clock_ahead_ms)
    }
}

/// Changes what a reader sees of a copy, as the variants would.
fn tamper(relay: Relay, copy: String) -> String {
    if !matches!(relay, Relay::SkewIgnored | Relay::GapIgnored) {
        return copy;
    }
    let mut document: serde_json::Value = serde_json::from_str(&copy).expect("a copy");
    match relay {
        Relay::SkewIgnored => {
            let requested_at = document["requested_at"].as_u64().expect("a time");
            document["requested_at"] = (requested_at + cache::purge_relay::MAX_CLOCK_SKEW_MS).into();
        }
        _ => document["from"] = 0.into(),
    }
    document.to_string()
}

/// SplitMix64.
struct ModelRandom(u64);

impl ModelRandom {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number above 0 and up to 1.
    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    fn between(&mut self, (from, to): (u64, u64)) -> u64 {
        from + self.below(to - from + 1)
    }

    /// Returns an exponentially distributed time.
    fn wait(&mut self, mean_ms: f64) -> u64 {
        ((-self.unit().ln() * mean_ms) as u64).max(1)
    }
}

const EPOCH_MS: u64 = 1_000_000;
/// As in `worker/js/purge_relay.js`.
const MAX_READS: u32 = 8;
const CLAIM_POLL_MS: u64 = 50;
