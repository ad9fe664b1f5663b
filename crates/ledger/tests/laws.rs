//! Properties of the ledger: for any order, duplication, folding and roll-up, the cells contain exactly the set of
//! views, each according to its latest beacon.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may fail by panic"
)]

mod journal_laws;
mod test_shard;

use std::collections::BTreeMap;

use ledger::{
    BotFilter, CardinalityLimits, Cell, ClientInfo, Dimension, MAX_SLICE_VALUES, NavigationFilter,
    QueryResult, Retention, RouteTemplates, SeriesQuery, SumKind, ViewRecord,
};
use proptest::prelude::*;
use wire::beacon::Navigation;
use wire::{Beacon, LimitCounts, Metric, OTHER_LABEL, Window, WindowSpan};

use self::test_shard::{
    AGENTS, SentBeacon, T0, TestShard, any_limits, row, sends, tight_limits, view_record, view_start,
};

/// A query that pages or slices may answer, or parts of it, or not.
fn any_query() -> impl Strategy<Value = SeriesQuery> {
    let moment = || (0..100_u64, 0..1440_u64);
    let of_pages = vec![Dimension::Route, Dimension::Device, Dimension::Release];
    let plan = || Dimension::Custom("plan".to_owned());
    let sliced = prop_oneof![
        Just(Dimension::Release),
        Just(plan()),
        Just(Dimension::Navigation),
        Just(Dimension::Network),
        Just(Dimension::Browser),
        Just(Dimension::BrowserFamily),
        Just(Dimension::Os),
        Just(Dimension::Custom("none".to_owned())),
    ];
    let by = prop_oneof![
        proptest::sample::subsequence(of_pages, 0..3),
        sliced.prop_flat_map(|dimension| proptest::sample::subsequence(
            vec![dimension, Dimension::Device],
            0..=2
        )),
    ];
    let only = proptest::option::weighted(
        0.3,
        prop_oneof![
            Just((Dimension::Route, "/ax".to_owned())),
            Just((Dimension::Route, OTHER_LABEL.to_owned())),
            Just((Dimension::Release, "1".to_owned())),
            Just((plan(), "2".to_owned())),
            Just((Dimension::Navigation, "soft-navigation".to_owned())),
            Just((Dimension::Navigation, "navigate".to_owned())),
            Just((Dimension::Device, "phone".to_owned())),
            Just((Dimension::Browser, "Chrome 156".to_owned())),
            Just((Dimension::Browser, OTHER_LABEL.to_owned())),
            Just((Dimension::BrowserFamily, "Chrome".to_owned())),
            Just((Dimension::Os, "iOS".to_owned())),
        ],
    );
    let bots = prop_oneof![6 => Just(BotFilter::Exclude), 1 => Just(BotFilter::Include)];
    let step =
        prop_oneof![3 => Just(None), 1 => Just(Some(WindowSpan::Day)), 1 => Just(Some(WindowSpan::Hour))];
    let navigations = prop_oneof![4 => Just(NavigationFilter::Hard), 1 => Just(NavigationFilter::Soft), 1 => Just(NavigationFilter::All)];
    let filters = (bots, navigations);
    (moment(), moment(), by, only, filters, step).prop_map(|(a, b, by, only, filters, step)| {
        let (bots, navigations) = filters;
        let at = |(days, minutes): (u64, u64)| {
            Window::containing(WindowSpan::Minute, T0.saturating_sub(WindowSpan::Day.millis() * 3))
                .start
                .saturating_add(days * WindowSpan::Day.millis() / 10)
                .saturating_add(minutes * 60_000)
        };
        let (from, to) = (at(a).min(at(b)), at(a).max(at(b)));
        SeriesQuery { from, to, bots, navigations, only: only.into_iter().collect(), by, step }
    })
}

/// Compares the shard with the set of views, counted independently.
fn check(shard: &TestShard, sends: &[SentBeacon], limit: Option<u32>) {
    let mut last: BTreeMap<u8, &SentBeacon> = BTreeMap::new();
    let mut received = 0;
    for send in sends {
        received += 1;
        let latest = last.entry(send.view).or_insert(send);
        if send.seq > latest.seq {
            *latest = send;
        }
    }
    let total = shard.total();
    assert_eq!(total.views, last.len() as u64);
    assert_eq!(total.visits, last.values().map(|send| u64::from(send.record.weight)).sum::<u64>());
    assert_eq!(total.received, received);
    assert_eq!(total.sent, last.values().map(|send| u64::from(send.seq) + 1).sum::<u64>());
    for metric in Metric::ALL {
        let values: Vec<u32> = last.values().filter_map(|send| send.record.values.get(metric)).collect();
        let tally = total.metrics.get(&metric);
        assert_eq!(tally.map_or(0, |tally| tally.n), values.len() as u64, "{metric:?}");
        if let (Metric::Lcp, Some(limit), Some(tally)) = (metric, limit, tally) {
            // Budgets judge loads of documents alone.
            let expected = |with_bots: bool| {
                let judged = last.values().map(|send| &send.record);
                let judged = judged.filter(|record| record.labels.navigation.is_hard());
                let judged = judged.filter(|record| with_bots || !record.labels.bot);
                let values: Vec<u32> = judged.filter_map(|record| record.values.get(metric)).collect();
                let k = values.iter().filter(|value| **value <= limit).count() as u64;
                LimitCounts { n: values.len() as u64, k }
            };
            let counts = tally.counts_for_limit(limit);
            assert_eq!(counts, expected(true));
            assert_eq!(
                tally.limit_counts.len(),
                usize::from(counts.n > 0),
                "a limit without views is dropped"
            );
            assert_eq!(shard.limit_counts(limit), expected(false), "hourly counts without bots");
        }
    }
}

proptest! {
    #[test]
    fn any_order_duplicates_and_folds_give_the_counts_of_the_set(
        limits in any_limits(),
        (sends, order) in sends().prop_flat_map(|sends| {
            let indices: Vec<usize> = (0..sends.len()).chain(0..sends.len()).collect();
            (Just(sends), Just(indices).prop_shuffle())
        }),
        folds in proptest::collection::vec(any::<bool>(), 80),
    ) {
        let mut shard = TestShard::with_limits(limits);
        for (index, folds) in order.iter().zip(&folds) {
            shard.receive(&sends[*index]);
            if *folds {
                shard.fold(2000);
            }
        }
        shard.fold(2000);
        check(&shard, &sends, Some(2000));
        prop_assert_eq!(shard.recount(), shard.cells);
    }

    #[test]
    fn rolling_up_never_changes_a_count(
        sends in sends(),
        limits in any_limits(),
        cut in 0..40_usize,
        hours in 1..2000_u64,
        later in 0..2000_u64,
    ) {
        let cut = cut.min(sends.len());
        let mut shard = TestShard::with_limits(limits);
        sends[..cut].iter().for_each(|send| shard.receive(send));
        shard.fold(2500);
        shard.roll_up(T0.saturating_add(hours * WindowSpan::Hour.millis()));
        // Corrections after the roll-up find the cell that contains their view.
        sends[cut..].iter().for_each(|send| shard.receive(send));
        shard.fold(2500);
        check(&shard, &sends, Some(2500));
        prop_assert_eq!(&shard.recount(), &shard.cells);
        shard.roll_up(T0.saturating_add((hours + later) * WindowSpan::Hour.millis()));
        check(&shard, &sends, Some(2500));
        prop_assert_eq!(&shard.recount(), &shard.cells);
        prop_assert!(shard.cells.keys().all(|key| key.at_horizon(&shard.horizon).as_ref() == Some(key)));
    }

    #[test]
    fn sums_answer_as_cells_do(
        // The start of each view: some within one day, some across the edge of a block.
        hours in proptest::collection::vec(prop_oneof![0..24_u64, 0..1200_u64], 12),
        sends in sends().prop_shuffle(),
        limits in any_limits(),
        // A shard from before the introduction of sums, or a new one; its retention in days.
        is_old in any::<bool>(),
        max_slice_values in prop_oneof![Just(MAX_SLICE_VALUES), 0..3_usize],
        retention_days in prop_oneof![Just(400_u64), 1..60_u64],
        steps in proptest::collection::vec((1..8_usize, prop_oneof![0..30_u64, 0..900_u64], any::<[bool; 2]>()), 1..12),
        queries in proptest::collection::vec(any_query(), 8),
    ) {
        let mut shard = TestShard {
            retention: Retention::from_days(retention_days),
            max_slice_values,
            ..TestShard::with_limits(limits)
        };
        let (mut now, mut is_old, mut left) = (T0, is_old, sends.iter());
        for (sends, later, adds) in steps {
            for send in left.by_ref().take(sends) {
                shard.receive_at(send, view_start(send.view).saturating_add(hours[usize::from(send.view)] * WindowSpan::Hour.millis()));
            }
            shard.fold(2000);
            now = now.saturating_add(later * WindowSpan::Hour.millis());
            shard.roll_up(now);
            if std::mem::take(&mut is_old) {
                (shard.sums, shard.horizon.pages, shard.horizon.slices) = Default::default();
            }
            for (kind, _) in SumKind::ALL.into_iter().zip(adds).filter(|(_, adds)| *adds) {
                if !shard.horizon.has_all_sums(kind) {
                    shard.add_day(kind);
                }
            }
            for query in &queries {
                let by_cells = shard.answer_from_cells(query);
                prop_assert_eq!(&shard.answer_from_sums(query, &shard.recent_rollups), &by_cells, "{:?} {:?}", query, shard.horizon);
                prop_assert_eq!(&shard.answer_from_sums(query, &shard.fresh_recent_rollups()), &by_cells, "{:?} {:?}", query, shard.horizon);
            }
        }
    }

    #[test]
    fn included_labels_contain_the_fragments_of_the_query(sends in sends(), route in "[\\PC]{1,12}", only in 0..2_usize) {
        let all = [Dimension::Route, Dimension::Device, Dimension::Navigation, Dimension::Cache, Dimension::Network, Dimension::Release, Dimension::Browser, Dimension::BrowserFamily, Dimension::Os, Dimension::Bot, Dimension::Custom("plan".into())];
        for SentBeacon { record, .. } in &sends {
            let mut labels = record.labels.clone();
            labels.route = format!("/{route}");
            labels.dimensions.insert("plan".into(), route.clone());
            let only = all.iter().skip(only).filter_map(|dimension| Some((dimension.clone(), dimension.value_in(&labels)?.to_owned())));
            let query = SeriesQuery { from: T0, to: T0, bots: BotFilter::Include, navigations: NavigationFilter::All, only: only.collect(), by: Vec::new(), step: None };
            prop_assert!(query.accepts(&labels));
            for fragment in query.label_fragments() {
                prop_assert!(labels.to_json().unwrap().contains(&fragment), "{fragment} in {}", labels.to_json().unwrap());
            }
        }
    }

    #[test]
    fn no_window_exceeds_its_cardinality_limits(sends in sends(), limits in tight_limits(), hours in 0..2000_u64) {
        let mut shard = TestShard::with_limits(limits);
        sends.iter().for_each(|send| {
            shard.receive(send);
            shard.fold(2000);
        });
        shard.roll_up(T0.saturating_add(hours * WindowSpan::Hour.millis()));
        let mut windows: BTreeMap<_, Vec<&str>> = BTreeMap::new();
        for key in shard.cells.keys() {
            windows.entry(key.window).or_default().push(&key.labels.route);
        }
        for routes in windows.values_mut() {
            prop_assert!(routes.len() <= limits.max_series());
            routes.retain(|route| *route != OTHER_LABEL);
            routes.sort_unstable();
            routes.dedup();
            prop_assert!(routes.len() <= limits.routes, "{routes:?} in {limits:?}");
        }
    }

    #[test]
    fn merging_commutes_and_associates(a in sends(), b in sends(), c in sends()) {
        let total = |sends: &[SentBeacon]| {
            let mut shard = TestShard::with_limits(CardinalityLimits::default());
            sends.iter().for_each(|send| shard.receive(send));
            shard.fold(2000);
            shard.total()
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
    fn arbitrary_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(cell) = Cell::decode(&bytes) {
            prop_assert_eq!(Cell::decode(&cell.encode().unwrap()), Ok(cell));
        }
    }
}

/// A query of all views from some days before to some days after the start.
fn query_by(by: Dimension, days_before: u64, days_after: u64) -> SeriesQuery {
    SeriesQuery {
        from: T0.saturating_sub(days_before * WindowSpan::Day.millis()),
        to: T0.saturating_add(days_after * WindowSpan::Day.millis()),
        bots: BotFilter::Exclude,
        navigations: NavigationFilter::default(),
        only: Vec::new(),
        by: vec![by],
        step: None,
    }
}

/// The comparison of sums and cells detects a sum that misses a correction.
#[test]
fn the_law_of_sums_detects_a_missing_correction() {
    for (by, misses_correction) in
        [Dimension::Route, Dimension::Release].into_iter().flat_map(|by| [(by.clone(), false), (by, true)])
    {
        let query = query_by(by, 1, 3);
        let mut shard = TestShard::with_limits(CardinalityLimits::default());
        shard.receive(&SentBeacon { view: 0, seq: 0, record: view_record(900, None, 0, 0, 1) });
        shard.fold(2000);
        shard.roll_up(T0.saturating_add(2 * WindowSpan::Day.millis()));
        shard.add_days();
        assert_eq!(shard.answer_from_sums(&query, &shard.recent_rollups), shard.answer_from_cells(&query));
        let sums = shard.sums.clone();
        shard.receive(&SentBeacon { view: 0, seq: 1, record: view_record(2400, None, 0, 0, 1) });
        shard.fold(2000);
        if misses_correction {
            shard.sums = sums;
        }
        let answer = shard.answer_from_sums(&query, &shard.recent_rollups);
        assert_eq!(answer == shard.answer_from_cells(&query), !misses_correction, "{query:?}");
    }
}

/// The comparison detects a roll-up of recent windows that misses a fold.
#[test]
fn the_recent_law_detects_a_missed_fold() {
    for by in [Dimension::Route, Dimension::Release] {
        let query = SeriesQuery { to: T0.saturating_add(WindowSpan::Hour.millis()), ..query_by(by, 3, 0) };
        let mut shard = TestShard::with_limits(CardinalityLimits::default());
        shard
            .receive_at(&SentBeacon { view: 1, seq: 0, record: view_record(900, None, 0, 0, 1) }, query.from);
        shard.receive(&SentBeacon { view: 0, seq: 0, record: view_record(900, None, 0, 0, 1) });
        shard.fold(2000);
        shard.roll_up(T0);
        shard.add_days();
        assert!(query.plan(&shard.horizon).recent.is_some(), "the query includes recent windows");
        let stale_rollups = shard.recent_rollups.clone();
        shard.receive(&SentBeacon { view: 0, seq: 1, record: view_record(2400, None, 0, 0, 1) });
        shard.fold(2000);
        assert_eq!(shard.answer_from_sums(&query, &shard.recent_rollups), shard.answer_from_cells(&query));
        assert_ne!(shard.answer_from_sums(&query, &stale_rollups), shard.answer_from_cells(&query));
        // A query that ends before the latest window is answered from cells.
        let earlier = SeriesQuery { to: T0.saturating_sub(1), ..query };
        assert!(!shard.recent_rollups.try_answer(&earlier, &mut QueryResult::default()));
        assert_eq!(shard.answer_from_sums(&earlier, &stale_rollups), shard.answer_from_cells(&earlier));
    }
}

/// Every view of the first day has a release of its own, and those of the next day have two.
#[test]
fn a_flood_of_values_grows_no_sums_and_changes_no_answer() {
    let mut shard = TestShard { max_slice_values: 5, ..TestShard::with_limits(CardinalityLimits::default()) };
    for view in 0..60_u64 {
        let (day, release) = if view < 40 { (0, view) } else { (1, view % 2) };
        let mut record = view_record(1, None, 0, 0, 1);
        record.labels.release = Some(release.to_string());
        (record.labels.browser, record.labels.os) = (None, None);
        let start = T0.saturating_add(day * WindowSpan::Day.millis() + view * 1000);
        shard.journal.commit(&[row(&view.to_string(), 0, start, 0, &record)], start);
    }
    shard.fold(2000);
    shard.roll_up(T0.saturating_add(4 * WindowSpan::Day.millis()));
    shard.add_days();
    let slices = shard.sums.keys().filter(|key| key.series.kind() == SumKind::Slices);
    assert_eq!(
        slices.count(),
        6,
        "all views and one navigation type on each day, two releases on the second"
    );
    for (query, days) in [
        (query_by(Dimension::Release, 1, 4), 3),
        (query_by(Dimension::Navigation, 1, 4), 4),
        (
            SeriesQuery {
                only: vec![(Dimension::Release, "1".into())],
                ..query_by(Dimension::Release, 1, 4)
            },
            3,
        ),
    ] {
        let sums = query.plan(&shard.horizon).days.unwrap();
        assert_eq!((sums.days.to.0 - sums.days.from.0) / WindowSpan::Day.millis(), days, "{query:?}");
        assert_eq!(shard.answer_from_sums(&query, &shard.recent_rollups), shard.answer_from_cells(&query));
    }
}

#[test]
fn a_new_limit_starts_its_own_counters_and_leaves_the_old_ones() {
    let mut shard = TestShard::with_limits(CardinalityLimits::default());
    shard.receive(&SentBeacon { view: 0, seq: 0, record: view_record(1900, None, 0, 0, 1) });
    shard.fold(2000);
    shard.receive(&SentBeacon { view: 1, seq: 0, record: view_record(1900, None, 0, 0, 1) });
    shard.fold(1500);
    let tally = &shard.total().metrics[&Metric::Lcp];
    assert_eq!((tally.counts_for_limit(2000).n, tally.counts_for_limit(2000).k), (1, 1));
    assert_eq!((tally.counts_for_limit(1500).n, tally.counts_for_limit(1500).k), (1, 0));
}

#[test]
fn a_flood_of_random_routes_neither_hides_visited_routes_nor_grows_storage() {
    let limits = CardinalityLimits { routes: 20, reserved_routes: 10, browser_series: 0, series: 30 };
    let mut shard = TestShard::with_limits(limits);
    let mut sends = Vec::new();
    let record_of = |path: &str| {
        let text = format!(
            r#"{{"v":1,"site":"s","id":"0123456789abcdef","nav":"navigate","path":"{path}","m":{{"LCP":900}}}}"#
        );
        ViewRecord::from_beacon(
            &Beacon::parse(text.as_bytes()).unwrap(),
            ClientInfo { user_agent: AGENTS[0], ..ClientInfo::default() },
            &RouteTemplates::default(),
        )
    };
    let real_routes = ["/", "/cart", "/search"];
    // The real routes are visited before the flood; then nine of ten views belong to the flood.
    for index in 0..2000_u64 {
        let path = match (index < 100, index % 10) {
            (true, _) | (_, 0) => real_routes[index as usize / 10 % 3].to_owned(),
            (..) => format!("/flood-{}", (b'a' + (index % 26) as u8) as char).repeat(1 + index as usize % 30),
        };
        sends.push((T0.saturating_add(index * 100), record_of(&path)));
    }
    for (index, (start, record)) in sends.iter().enumerate() {
        shard.journal.commit(&[row(&index.to_string(), 0, *start, 0, record)], *start);
        if index % 50 == 49 {
            shard.fold(2000);
        }
    }
    assert_eq!(shard.total().views, 2000);
    for route in real_routes {
        let counted: u64 = (shard.cells.iter())
            .filter(|(key, _)| key.labels.route == route)
            .map(|(_, cell)| cell.views)
            .sum();
        let sent = sends.iter().filter(|(_, record)| record.labels.route == route).count() as u64;
        assert_eq!(counted, sent, "{route}");
    }
    let windows: Vec<_> = shard.cells.keys().map(|key| key.window).collect();
    assert!(windows.chunk_by(|a, b| a == b).all(|window| window.len() <= limits.max_series()));
    let others =
        shard.cells.iter().filter(|(key, _)| key.labels.route == OTHER_LABEL).map(|(_, cell)| cell.views);
    assert!(others.sum::<u64>() > 1000, "most of the flood is counted as other");
}

#[test]
fn a_navigation_within_a_document_is_counted_and_judged_by_no_budget() {
    let mut shard = TestShard::with_limits(CardinalityLimits::default());
    for (view, &navigation) in (0..).zip(Navigation::ALL) {
        let mut record = view_record(900, None, 0, 0, 1);
        record.labels.navigation = navigation;
        shard.receive(&SentBeacon { view, seq: 0, record });
    }
    shard.fold(2000);
    let cell = shard.total();
    assert_eq!(cell.views, Navigation::ALL.len() as u64);
    let hard = Navigation::ALL.iter().filter(|navigation| navigation.is_hard()).count() as u64;
    assert_eq!(cell.limit_counts(Metric::Lcp, 2000), LimitCounts { n: hard, k: hard });
    assert_eq!(hard, 6);
}
