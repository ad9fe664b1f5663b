//! A model of purges: several isolates with their own views, an authority that is sometimes down, and purges
//! at any time, also during a fetch. Responses purged longer ago than the lease are never served as fresh.
//! Three plausible variants violate this, which shows that the test can fail.

#![expect(clippy::indexing_slicing, clippy::expect_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;

use cache::purge::{
    PurgeChanges, PurgeClock, PurgeMode, PurgeStatus, PurgeTarget, PurgeVersion, PurgeView, PurgeWrite,
    is_obsolete_key, parse_tags,
};
use cache::{Headers, UnixMillis, UrlHash};
use proptest::prelude::*;

const LEASE_MS: u64 = 1_000;

/// The authority with its purge versions.
#[derive(Default)]
struct Authority {
    clock: PurgeClock,
    versions: BTreeMap<String, PurgeVersion>,
}

impl Authority {
    fn purge(&mut self, target: &PurgeTarget, mode: PurgeMode) {
        let known =
            target.version_key().and_then(|name| self.versions.get(&name).copied()).unwrap_or_default();
        for write in self.clock.purge(target, mode, known) {
            if let PurgeWrite::Version { name, version } = write {
                self.versions.insert(name, version);
            }
        }
    }

    fn changes_since(&self, seq: u64) -> PurgeChanges {
        let versions = self.versions.iter().filter(|(_, version)| version.latest() > seq);
        PurgeChanges {
            clock: self.clock,
            versions: versions.map(|(name, version)| (name.clone(), *version)).collect(),
            upto: self.clock.seq,
            written_at: Vec::new(),
        }
    }

    fn evict_oldest(&mut self) {
        let oldest = self.versions.iter().min_by_key(|(_, version)| version.latest());
        let Some((name, version)) = oldest.map(|(name, version)| (name.clone(), *version)) else { return };
        self.clock.raise_floor(version);
        self.versions.remove(&name);
    }
}

/// The source of the stamp on a fetched response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StampSource {
    /// The view before the fetch, as in the implementation.
    Before,
    /// The view after the fetch.
    After,
    /// The wall clock of the isolate. Purges use that of the authority.
    WallClock,
    /// The generation of the tag, from a copy that may lag.
    Generations,
}

#[derive(Clone, Debug)]
enum SimulationEvent {
    TimePasses { millis: u64 },
    Purge { tag: u8, is_hard: bool },
    PurgeAll,
    PurgeUrl { tag: u8, is_written: bool },
    FetchStarts { isolate: usize, tag: u8 },
    FetchCompletes { isolate: usize, tag: u8 },
    Lookup { isolate: usize, tag: u8 },
    AuthorityDown { is_down: bool },
    EvictOldest,
}

fn any_event() -> impl Strategy<Value = SimulationEvent> {
    let (isolate, tag) = (0..ISOLATES, 0..TAGS);
    prop_oneof![
        3 => (1..700_u64).prop_map(|millis| SimulationEvent::TimePasses { millis }),
        3 => (tag.clone(), any::<bool>()).prop_map(|(tag, is_hard)| SimulationEvent::Purge { tag, is_hard }),
        1 => Just(SimulationEvent::PurgeAll),
        1 => (tag.clone(), any::<bool>()).prop_map(|(tag, is_written)| SimulationEvent::PurgeUrl { tag, is_written }),
        6 => (isolate.clone(), tag.clone()).prop_map(|(isolate, tag)| SimulationEvent::FetchStarts { isolate, tag }),
        6 => (isolate.clone(), tag.clone()).prop_map(|(isolate, tag)| SimulationEvent::FetchCompletes { isolate, tag }),
        9 => (isolate, tag).prop_map(|(isolate, tag)| SimulationEvent::Lookup { isolate, tag }),
        1 => any::<bool>().prop_map(|is_down| SimulationEvent::AuthorityDown { is_down }),
        1 => Just(SimulationEvent::EvictOldest),
    ]
}

const ISOLATES: usize = 4;
const TAGS: u8 = 3;

/// A response, with the number of events before the origin made it.
#[derive(Clone, Copy)]
struct SimulatedEntry {
    made_at_step: usize,
    stamp: u64,
}

/// Returns the first response that is served as fresh although it was purged longer ago than the lease.
fn find_violation(stamping: StampSource, events: &[SimulationEvent]) -> Option<String> {
    let mut authority = Authority::default();
    let mut views: Vec<PurgeView> = vec![PurgeView::default(); ISOLATES];
    // Wall clocks differ by up to two seconds.
    let skew = [0_u64, 2_000, 700, 1_300];
    let mut in_flight: BTreeMap<(usize, u8), SimulatedEntry> = BTreeMap::new();
    // A tier that all isolates share, like Workers KV.
    let mut stored: BTreeMap<u8, SimulatedEntry> = BTreeMap::new();
    let mut purged: BTreeMap<u8, (usize, u64)> = BTreeMap::new();
    let mut wall: BTreeMap<u8, u64> = BTreeMap::new();
    let (mut generations, mut lagging) = (BTreeMap::<u8, u64>::new(), BTreeMap::<u8, u64>::new());
    let mut now = 10_000;
    let mut is_down = false;
    for (step, event) in events.iter().enumerate() {
        match *event {
            SimulationEvent::TimePasses { millis } => {
                now += millis;
                // The copy catches up from time to time.
                if millis > 600 {
                    lagging = generations.clone();
                }
            }
            SimulationEvent::Purge { tag, is_hard } => {
                let mode = if is_hard { PurgeMode::Hard } else { PurgeMode::Soft };
                authority.purge(&PurgeTarget::Tag(format!("tag{tag}")), mode);
                purged.insert(tag, (step, now));
                wall.insert(tag, now);
                *generations.entry(tag).or_default() += 1;
            }
            SimulationEvent::PurgeUrl { tag, is_written } => {
                let url = format!("host/{tag}");
                let target = match is_written {
                    true => PurgeTarget::WrittenUrl(UrlHash::from_url(&url)),
                    false => PurgeTarget::Url(url),
                };
                authority.purge(&target, PurgeMode::Hard);
                purged.insert(tag, (step, now));
                wall.insert(tag, now);
                *generations.entry(tag).or_default() += 1;
            }
            SimulationEvent::PurgeAll => {
                authority.purge(&PurgeTarget::Everything, PurgeMode::Hard);
                for tag in 0..TAGS {
                    purged.insert(tag, (step, now));
                    wall.insert(tag, now);
                    *generations.entry(tag).or_default() += 1;
                }
            }
            SimulationEvent::FetchStarts { isolate, tag } => {
                refresh(&mut views[isolate], &authority, now, is_down);
                let stamp = match stamping {
                    StampSource::WallClock => now + skew[isolate],
                    StampSource::Generations => lagging.get(&tag).copied().unwrap_or_default(),
                    StampSource::Before | StampSource::After => views[isolate].purge_seq(),
                };
                in_flight.insert((isolate, tag), SimulatedEntry { made_at_step: step, stamp });
            }
            SimulationEvent::FetchCompletes { isolate, tag } => {
                if let Some(mut entry) = in_flight.remove(&(isolate, tag)) {
                    if stamping == StampSource::After {
                        refresh(&mut views[isolate], &authority, now, is_down);
                        entry.stamp = views[isolate].purge_seq();
                    }
                    stored.insert(tag, entry);
                }
            }
            SimulationEvent::Lookup { isolate, tag } => {
                let Some(entry) = stored.get(&tag).copied() else { continue };
                refresh(&mut views[isolate], &authority, now, is_down);
                let is_fresh = match stamping {
                    StampSource::Before | StampSource::After => {
                        let tags = [format!("tag{tag}")];
                        let url = format!("host/{tag}");
                        views[isolate].purge_status(entry.stamp, &tags, &url, UnixMillis(now), LEASE_MS)
                            == PurgeStatus::NotPurged
                    }
                    StampSource::WallClock => wall.get(&tag).is_none_or(|at| *at < entry.stamp),
                    StampSource::Generations => lagging.get(&tag).copied().unwrap_or_default() <= entry.stamp,
                };
                let purged_at =
                    purged.get(&tag).filter(|(at_step, _)| *at_step > entry.made_at_step).map(|(_, at)| *at);
                if let Some(at) = purged_at.filter(|at| is_fresh && now - at > LEASE_MS) {
                    return Some(format!("at {now} isolate {isolate} serves tag{tag}, purged at {at}"));
                }
            }
            SimulationEvent::AuthorityDown { is_down: down } => is_down = down,
            SimulationEvent::EvictOldest => authority.evict_oldest(),
        }
    }
    None
}

fn refresh(view: &mut PurgeView, authority: &Authority, now: u64, is_down: bool) {
    if !is_down && !view.is_current(UnixMillis(now), LEASE_MS) {
        view.apply(authority.changes_since(view.upto()), UnixMillis(now));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn responses_purged_longer_ago_than_the_lease_are_never_fresh(events in prop::collection::vec(any_event(), 1..120)) {
        prop_assert_eq!(find_violation(StampSource::Before, &events), None);
    }
}

/// Returns true if some sequence of events violates the guarantee.
fn has_violation(stamping: StampSource) -> bool {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let runs = prop::collection::vec(any_event(), 1..120);
    (0..3000).any(|_| {
        let run = runs.new_tree(&mut runner).expect("a run");
        find_violation(stamping, &proptest::strategy::ValueTree::current(&run)).is_some()
    })
}

#[test]
fn stamping_after_the_fetch_serves_purged_entries() {
    assert!(has_violation(StampSource::After));
}

#[test]
fn stamping_by_wall_clock_serves_purged_entries() {
    assert!(has_violation(StampSource::WallClock));
}

#[test]
fn generations_from_a_lagging_copy_serve_purged_entries() {
    assert!(has_violation(StampSource::Generations));
}

#[test]
fn a_purge_writes_one_version_regardless_of_size() {
    let mut clock = PurgeClock { seq: 7, ..PurgeClock::default() };
    let writes =
        clock.purge(&PurgeTarget::Tag("a".into()), PurgeMode::Soft, PurgeVersion { hard: 3, soft: 4 });
    let expect = [
        PurgeWrite::Version { name: "t:a".into(), version: PurgeVersion { hard: 3, soft: 8 } },
        PurgeWrite::Clock(PurgeClock { seq: 8, ..PurgeClock::default() }),
    ];
    assert_eq!(writes, expect);
    assert_eq!(
        clock.purge(&PurgeTarget::Everything, PurgeMode::Hard, PurgeVersion::default()),
        [PurgeWrite::Clock(PurgeClock { seq: 9, floor: PurgeVersion { hard: 9, soft: 0 } })]
    );
}

#[test]
fn purge_targets_match_only_what_they_name() {
    let purged = |target: &PurgeTarget, url: &str, tags: &[&str]| {
        let mut authority = Authority::default();
        authority.purge(target, PurgeMode::Hard);
        let mut view = PurgeView::default();
        view.apply(authority.changes_since(0), UnixMillis(0));
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        view.purge_status(0, &tags, url, UnixMillis(0), LEASE_MS) == PurgeStatus::HardPurged
    };
    let url = |text: &str| PurgeTarget::Url(text.into());
    let prefix = |text: &str| PurgeTarget::Prefix(text.into());
    assert!(purged(&url("a.example/x?y"), "a.example/x?y", &[]));
    assert!(!purged(&url("a.example/x?y"), "a.example/x", &[]));
    assert!(purged(&prefix("a.example/"), "a.example/x/y", &[]));
    assert!(purged(&prefix("a.example/x/"), "a.example/x/y?z=/", &[]));
    assert!(!purged(&prefix("a.example/x/"), "a.example/x", &[]));
    assert!(!purged(&prefix("a.example/x/"), "a.example/y?q=a.example/x/", &[]));
    assert!(purged(&PurgeTarget::Tag("t".into()), "any/", &["s", "t"]));
    assert!(!purged(&PurgeTarget::Tag("t".into()), "any/", &["s"]));
    assert!(purged(&PurgeTarget::Everything, "any/", &[]));
}

/// Returns the view of an authority that has purged these URLs.
fn view_of_purged(urls: impl IntoIterator<Item = PurgeTarget>) -> PurgeView {
    let mut authority = Authority::default();
    urls.into_iter().for_each(|url| authority.purge(&url, PurgeMode::Hard));
    let mut view = PurgeView::default();
    view.apply(authority.changes_since(0), UnixMillis(0));
    view
}

#[test]
fn a_hundred_thousand_purged_urls_purge_no_other() {
    let query = |query: u32| format!("www.example/?x={query}");
    let view = view_of_purged((0..100_000).map(|index| match index % 2 {
        0 => PurgeTarget::Url(query(index)),
        _ => PurgeTarget::WrittenUrl(UrlHash::from_url(&query(index))),
    }));
    let status = |url: &str| view.purge_status(0, &[], url, UnixMillis(0), LEASE_MS);
    for index in 0..1_000 {
        assert_eq!(status(&format!("www.example/page/{index}")), PurgeStatus::NotPurged);
        assert_eq!(status(&query(index)), PurgeStatus::HardPurged);
    }
}

proptest! {
    #[test]
    fn a_written_url_purges_itself_alone(victim in "[a-c]/[a-c?&=]{0,6}", written in "[a-c]/[a-c?&=]{0,6}") {
        let view = view_of_purged([PurgeTarget::WrittenUrl(UrlHash::from_url(&written))]);
        let is_purged = view.purge_status(0, &[], &victim, UnixMillis(0), LEASE_MS) == PurgeStatus::HardPurged;
        prop_assert_eq!(is_purged, victim == written);
    }
}

#[test]
fn versions_of_the_first_format_purge_everything_before_them() {
    assert!(is_obsolete_key("u:00ff"));
    for target in [PurgeTarget::Url("a/".into()), PurgeTarget::Tag("u:00ff".into())] {
        assert!(!target.version_key().is_some_and(|name| is_obsolete_key(&name)));
    }
    let mut view = PurgeView::default();
    let version = PurgeVersion { hard: 7, soft: 0 };
    let clock = PurgeClock { seq: 9, ..PurgeClock::default() };
    let versions = vec![("u:00ff".to_owned(), version)];
    view.apply(PurgeChanges { clock, versions, upto: 9, written_at: Vec::new() }, UnixMillis(0));
    let status = |seq: u64| view.purge_status(seq, &[], "a/", UnixMillis(0), LEASE_MS);
    assert_eq!([status(6), status(7)], [PurgeStatus::HardPurged, PurgeStatus::NotPurged]);
}

#[test]
fn an_unsynced_view_does_not_know_the_status_of_tagged_entries() {
    let view = PurgeView::default();
    let status = |tags: &[String]| view.purge_status(0, tags, "a/", UnixMillis(9_999_999), LEASE_MS);
    assert_eq!(status(&["t".into()]), PurgeStatus::Unknown);
    assert_eq!(status(&[]), PurgeStatus::NotPurged, "an untagged entry needs no purge status");
}

#[test]
fn a_clock_that_was_set_back_ends_the_lease_until_the_next_sync() {
    let changes = || PurgeChanges {
        clock: PurgeClock { seq: 1, ..PurgeClock::default() },
        versions: Vec::new(),
        upto: 1,
        written_at: Vec::new(),
    };
    let (before, after) = (UnixMillis(200_000_000), UnixMillis(100_000_000));
    let mut view = PurgeView::default();
    view.apply(changes(), before);
    assert!(view.is_current(before, LEASE_MS) && !view.is_current(after, LEASE_MS));
    view.apply(changes(), after);
    assert!(view.is_current(after, LEASE_MS));
    view.apply(changes(), UnixMillis(after.0 - LEASE_MS));
    assert!(view.is_current(UnixMillis(after.0 + LEASE_MS), LEASE_MS), "the later of two requests counts");
}

#[test]
fn tags_are_parsed_from_both_headers() {
    let tags = parse_tags(&Headers::parse("cache-tag: b, a,,\nsurrogate-key: c  a\ncache-tag: d"));
    assert_eq!(tags, Some(["a", "b", "c", "d"].map(str::to_owned).into()));
    let many: String = (0..200).map(|index| format!("t{index},")).collect();
    assert_eq!(parse_tags(&Headers::parse(&format!("cache-tag: {many}"))), None);
}

#[test]
fn an_application_gets_the_purges_of_tags_alone() {
    let version = |hard, soft| PurgeVersion { hard, soft };
    let changes = PurgeChanges {
        clock: PurgeClock { seq: 9, floor: version(2, 1) },
        versions: vec![
            ("p:www.example/".into(), version(3, 0)),
            ("t:a".into(), version(4, 0)),
            ("t:b".into(), version(0, 5)),
        ],
        upto: 5,
        written_at: Vec::new(),
    };
    let feed = serde_json::to_string(&changes.tag_feed()).expect("a document");
    let expected = r#"{"seq":9,"upto":5,"floor":{"hard":2,"soft":1},"tags":[{"tag":"a","hard":4,"soft":0},{"tag":"b","hard":0,"soft":5}]}"#;
    assert_eq!(feed, expected);
}
