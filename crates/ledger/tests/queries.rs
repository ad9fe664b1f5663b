//! Queries from name to plan to result: dimensions, groups, the days that page sums answer, and templates of routes.

use std::collections::BTreeMap;

use ledger::{
    BotFilter, Cell, DayRange, Dimension, Group, Horizon, MetricCell, NavigationFilter, PageLabels,
    QueryResult, RouteTemplates, SeriesLabels, SeriesQuery, SliceLabels, SumKind, SumSeries, SumSource,
    derive_template, lookback_start,
};
use wire::beacon::Navigation;
use wire::{Device, LimitCounts, Metric, UnixMillis, Window, WindowSpan};

const DAY: u64 = WindowSpan::Day.millis();

/// A moment so many days after the first of 2027.
const fn at(days: u64, millis: u64) -> UnixMillis {
    UnixMillis(20_819 * DAY + days * DAY + millis)
}

fn query(from: UnixMillis, to: UnixMillis) -> SeriesQuery {
    let by = vec![Dimension::Route, Dimension::Device];
    SeriesQuery {
        from,
        to,
        bots: BotFilter::Exclude,
        navigations: NavigationFilter::Hard,
        only: Vec::new(),
        by,
        step: None,
    }
}

#[test]
fn each_dimension_has_a_name_of_its_own_that_is_read_back() {
    let names: Vec<String> =
        Dimension::BUILT_IN.iter().map(|dimension| dimension.name().into_owned()).collect();
    assert_eq!(
        names,
        [
            "route",
            "device",
            "nav",
            "cache",
            "net",
            "release",
            "country",
            "browser",
            "browser_family",
            "os",
            "bot",
            "evidence"
        ]
    );
    let custom = Dimension::Custom("plan".to_owned());
    assert_eq!(custom.name(), "dim.plan");
    for dimension in Dimension::BUILT_IN.into_iter().chain([custom]) {
        assert_eq!(Dimension::from_name(&dimension.name()), Some(dimension));
    }
    for unknown in ["dim.", "plan", ""] {
        assert_eq!(Dimension::from_name(unknown), None, "{unknown:?}");
    }
}

#[test]
fn a_range_of_a_week_begins_with_a_day() {
    let to = at(30, 1234);
    assert_eq!(lookback_start(to, 7 * DAY), at(23, 0));
    assert_eq!(lookback_start(to, 7 * DAY - 1), at(23, 1235));
}

#[test]
fn a_group_has_the_values_of_its_dimensions_and_the_start_of_its_span() {
    let labels = SeriesLabels::from_json(r#"{"r":"/cart","d":"phone","n":"navigate"}"#).unwrap();
    let mut query = query(at(0, 0), at(9, 0));
    query.by.push(Dimension::Release);
    let hour = Window { span: WindowSpan::Hour, start: at(3, 5 * WindowSpan::Hour.millis()) };
    let group = query.group_of(hour, &labels);
    assert_eq!(group, Group { values: vec![Some("/cart".into()), Some("phone".into()), None], at: None });
    let values = [Dimension::Route, Dimension::Device, Dimension::Release, Dimension::Cache];
    assert_eq!(
        values.map(|dimension| group.value(&query.by, &dimension)),
        [Some("/cart"), Some("phone"), None, None]
    );
    assert_eq!(group.page(&query.by), Some(("/cart", Device::Phone)));
    assert_eq!(group.page(&[Dimension::Route]), None);
    for (step, start) in [(WindowSpan::Day, at(3, 0)), (WindowSpan::Minute, hour.start)] {
        query.step = Some(step);
        assert_eq!(query.group_of(hour, &labels).at, Some(start), "{step:?}");
    }
}

#[test]
fn the_result_of_a_shard_is_read_back_with_its_counts() {
    let counts = LimitCounts { n: 9, k: 7 };
    let metric_cell = MetricCell {
        n: 9,
        limit_counts: BTreeMap::from([(2000, counts)]),
        sketch: sketch::Sketch::new(Metric::Lcp),
    };
    let cell = Cell { views: 9, metrics: BTreeMap::from([(Metric::Lcp, metric_cell)]), ..Cell::default() };
    let group = Group { values: vec![Some("/cart".into())], at: None };
    let mut result = QueryResult { last_beacon_at: Some(at(1, 2)), ..QueryResult::default() };
    result.add(group.clone(), &cell);
    result.rejections.insert("unknown-site".into(), 3);
    assert_eq!(QueryResult::decode(&result.encode().unwrap()), Ok(result.clone()));
    assert_eq!(result.limit_counts(&group, Metric::Lcp, 2000), counts);
    assert_eq!(result.limit_counts(&group, Metric::Lcp, 2500), LimitCounts::default());
    assert_eq!(result.limit_counts(&Group::default(), Metric::Lcp, 2000), LimitCounts::default());
}

#[test]
fn a_range_of_days_is_split_at_the_edges_of_blocks() {
    // Blocks of 32 days; day 13 of the test begins one.
    let blocks = |from, to| {
        let ranges = DayRange { from: at(from, 0), to: at(to, 0) }.block_ranges();
        ranges.map(|range| (range.block, range.from, range.to)).collect::<Vec<_>>()
    };
    let start = |day| UnixMillis(at(day, 0).0);
    assert_eq!(at(13, 0).0 % (32 * DAY), 0);
    assert_eq!(blocks(13, 45), [(start(13), start(13), start(45))], "exactly one block");
    assert_eq!(
        blocks(20, 46),
        [(start(13), start(20), start(45)), (start(45), start(45), start(46))],
        "one day of the next"
    );
}

#[test]
fn whole_days_are_read_from_page_sums_and_the_edges_from_cells() {
    // Days up to day 10, hours up to day 40, minutes after.
    let horizon = Horizon {
        minutes: at(40, 0),
        hours: at(10, 0),
        pages: at(40, 0),
        days: at(0, 0),
        ..Horizon::default()
    };
    let days = |from, to| query(from, to).plan(&horizon).days.map(|sums| (sums.days.from, sums.days.to));
    assert_eq!(
        days(at(12, 0), at(20, 0)),
        Some((at(12, 0), at(20, 0))),
        "a midnight is the start of its day"
    );
    assert_eq!(days(at(12, 1), at(20, 1)), Some((at(13, 0), at(20, 0))), "hours complete the edges");
    assert_eq!(days(at(2, 1), at(5, 1)), Some((at(2, 0), at(6, 0))), "a day window is read as a whole");
    assert_eq!(days(at(12, 1), at(13, 0)), None, "no whole day is in the range");
    let mut hourly = query(at(12, 0), at(20, 0));
    hourly.step = Some(WindowSpan::Hour);
    assert_eq!(hourly.plan(&horizon).days, None);
}

#[test]
fn a_page_is_included_if_its_route_and_device_are() {
    let page = PageLabels { route: "/cart".into(), device: Device::Phone };
    let accepts = |only: &[(Dimension, &str)]| {
        let mut query = query(at(0, 0), at(9, 0));
        query.only = only.iter().map(|(dimension, value)| (dimension.clone(), (*value).to_owned())).collect();
        query.accepts_series(&SumSeries::Page(page.clone()))
    };
    assert!(accepts(&[(Dimension::Route, "/cart"), (Dimension::Device, "phone")]));
    assert!(!accepts(&[(Dimension::Route, "/")]));
    assert!(!accepts(&[(Dimension::Device, "desktop")]));
    assert!(!accepts(&[(Dimension::Release, "2.0")]), "page sums have no releases");
}

#[test]
fn the_stored_name_of_a_page_is_its_device_and_its_route() {
    let page = SumSeries::Page(PageLabels { route: "/search results".into(), device: Device::Desktop });
    assert_eq!(page.to_stored_key(), "desktop /search results");
    assert_eq!(SumSeries::from_stored_key(SumKind::Pages, "desktop /search results"), Some(page));
    assert_eq!(SumSeries::from_stored_key(SumKind::Pages, "fridge /"), None);
}

#[test]
fn the_stored_name_of_a_slice_begins_with_its_dimension_and_value() {
    let slice = |value| SumSeries::Slice(SliceLabels { value, device: Device::Phone });
    let plan = Dimension::Custom("plan".into());
    for (slice, name) in [
        (slice(None), r#"["","","phone"]"#),
        (slice(Some((Dimension::Release, "1.0".into()))), r#"["release","1.0","phone"]"#),
        (slice(Some((plan, r#"a", "b"#.into()))), r#"["dim.plan","a\", \"b","phone"]"#),
    ] {
        assert_eq!(slice.to_stored_key(), name);
        assert_eq!(SumSeries::from_stored_key(SumKind::Slices, name), Some(slice));
    }
    for unknown in [r#"["speed","1","phone"]"#, r#"["release","1","fridge"]"#, r#"["release","1"]"#] {
        assert_eq!(SumSeries::from_stored_key(SumKind::Slices, unknown), None);
    }
}

#[test]
fn a_query_of_one_dimension_needs_the_names_of_its_slices_alone() {
    let names = |only: &[(Dimension, String)]| {
        let query =
            SeriesQuery { by: vec![Dimension::Release], only: only.to_vec(), ..query(at(0, 0), at(9, 0)) };
        let names = query.sum_names(&query.sum_source().unwrap());
        let stored = |value| SumSeries::Slice(SliceLabels { value, device: Device::Phone }).to_stored_key();
        let all = [
            None,
            Some((Dimension::Release, "1")),
            Some((Dimension::Release, "10")),
            Some((Dimension::Network, "4g")),
            Some((Dimension::Custom("release".into()), "1")),
        ];
        all.map(|value| stored(value.map(|(dimension, value)| (dimension, value.to_owned()))))
            .map(|name| names.iter().any(|(from, to)| *from <= name && name < *to))
    };
    assert_eq!(names(&[]), [true, true, true, false, false]);
    assert_eq!(names(&[(Dimension::Release, "1".into())]), [false, true, false, false, false]);
}

#[test]
fn slices_answer_queries_of_one_dimension_and_devices() {
    use Dimension::{Bot, Device, Evidence, Release, Route};
    let country = || Dimension::Country;
    let source = |by: &[Dimension], only: &[Dimension]| {
        let only = only.iter().map(|dimension| (dimension.clone(), "1".to_owned())).collect();
        SeriesQuery { by: by.to_vec(), only, ..query(at(0, 0), at(9, 0)) }.sum_source()
    };
    let slices = |dimension| Some(SumSource::Slices(dimension));
    assert_eq!(source(&[Route], &[Device]), Some(SumSource::Pages));
    assert_eq!(source(&[], &[]), Some(SumSource::Pages));
    assert_eq!(source(&[Device], &[Release]), slices(Release));
    assert_eq!(source(&[country()], &[]), slices(country()));
    assert_eq!(source(&[Release, country()], &[]), None, "two dimensions");
    assert_eq!(source(&[Route], &[Release]), None, "routes of a release");
    assert_eq!([source(&[Bot], &[]), source(&[Evidence], &[])], [None, None], "sums have neither");
}

#[test]
fn templates_and_literal_segments_may_have_exactly_their_longest_length() {
    let template = |bytes: usize| RouteTemplates::try_from(vec![format!("/{}", "a".repeat(bytes - 1))]);
    assert!(template(200).is_ok() && template(201).is_err());
    let derived = |bytes: usize| derive_template(&format!("/{}", "a".repeat(bytes)));
    assert_eq!((derived(64), derived(65)), (format!("/{}", "a".repeat(64)), "/:id".to_owned()));
}

#[test]
fn navigations_within_a_document_are_left_out_unless_a_query_asks_for_them() {
    let labels = SeriesLabels::from_json(r#"{"r":"/cart","d":"phone","n":"navigate"}"#).unwrap();
    let each = |check: &dyn Fn(Navigation) -> bool| -> Vec<bool> {
        Navigation::ALL.iter().map(|navigation| check(*navigation)).collect()
    };
    let accepts = |navigations, only: &[(Dimension, &str)], by: &[Dimension]| {
        let only = only.iter().map(|(dimension, value)| (dimension.clone(), (*value).to_owned())).collect();
        let query = SeriesQuery { navigations, only, by: by.to_vec(), ..query(at(0, 0), at(1, 0)) };
        each(&|navigation| query.accepts(&SeriesLabels { navigation, ..labels.clone() }))
    };
    let is_hard = each(&Navigation::is_hard);
    assert_eq!(accepts(NavigationFilter::Hard, &[], &[Dimension::Route]), is_hard);
    assert_eq!(
        accepts(NavigationFilter::Soft, &[], &[Dimension::Route]),
        each(&|navigation| !navigation.is_hard())
    );
    assert_eq!(accepts(NavigationFilter::All, &[], &[Dimension::Route]), each(&|_| true));
    assert_eq!(accepts(NavigationFilter::Hard, &[], &[Dimension::Navigation]), each(&|_| true));
    let declared = accepts(NavigationFilter::Hard, &[(Dimension::Navigation, "view")], &[]);
    assert_eq!(declared, each(&|navigation| navigation == Navigation::View));
}
