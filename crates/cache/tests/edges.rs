//! Values at the edges of rules: empty bodies, fields that are just allowed, full tables, and defaults.

use cache::metrics::{CacheMetrics, HotKeys, LifetimeClass, Log2Histogram};
use cache::prefetch::MarkovTable;
use cache::purge::{PurgeChanges, PurgeClock, PurgeView};
use cache::{
    BodyRange, CacheConfig, CacheEntry, DecisionLog, DecisionReason, Headers, LookupOutcome, Prefetcher,
    RequestHead, ResponseDirectives, ResponseHead, RevalidationOutcome, RoutePolicy, UnixMillis,
    apply_not_modified, select_range, storable_entry, vary_names, warm,
};

const START: UnixMillis = UnixMillis(1_800_000_000_000);

fn store(fields: &str) -> (Option<CacheEntry>, Option<DecisionReason>) {
    let response =
        ResponseHead { status: 200, headers: Headers::parse(fields), requested: START, received: START };
    let mut log = DecisionLog::new();
    let entry =
        storable_entry(&RequestHead::get(Headers::new()), &response, &RoutePolicy::default(), 0, &mut log);
    (entry, log.last().cloned())
}

#[test]
fn no_range_of_an_empty_body_can_be_served() {
    for spec in ["-5", "0-", "0-0"] {
        let request = Headers::parse(&format!("range: bytes={spec}"));
        assert_eq!(select_range(&request, &Headers::new(), 0), BodyRange::Unsatisfiable, "{spec}");
    }
}

#[test]
fn a_negative_number_in_a_targeted_field_has_no_meaning() {
    let max_age = |value: &str| {
        let fields =
            format!("cloudflare-cdn-cache-control: max-age={value}\ncdn-cache-control: max-age={value}");
        ResponseDirectives::from_headers(&Headers::parse(&fields)).max_age
    };
    assert_eq!((max_age("0"), max_age("-1")), (Some(0), None));
}

#[test]
fn a_field_value_may_have_any_letters_and_tabs_but_no_control_characters() {
    for (value, is_kept) in [("caf\u{e9}", true), ("a\tb", true), ("a\rb", false), ("\u{e9}\u{7f}", false)] {
        let mut headers = Headers::new();
        headers.append("x-name", value);
        assert_eq!(headers.has("x-name"), is_kept, "{value:?}");
    }
    assert_eq!(Headers::parse("ab: cde\nf: gh").size(), (2 + 3 + 4) + (1 + 2 + 4));
}

#[test]
fn statistics_have_names_and_totals_and_are_empty_until_something_is_recorded() {
    let classes =
        [0, 60, 61, 300, 301, 600, 601].map(|seconds| LifetimeClass::from_seconds(seconds).as_str());
    assert_eq!(classes, ["short", "short", "medium", "medium", "long", "long", "very_long"]);
    let mut histogram = Log2Histogram::default();
    histogram.add(0, 2);
    histogram.add(1000, 3);
    assert_eq!(histogram.total(), 5);
    let mut metrics = CacheMetrics::default();
    assert!(metrics.is_empty());
    metrics.record_response(LookupOutcome::Hit, 60, 1, "/");
    assert!(!metrics.is_empty());
}

#[test]
fn a_long_key_is_cut_between_characters() {
    let mut keys = HotKeys::default();
    keys.add(&format!("{}\u{e9}{}", "a".repeat(255), "b".repeat(9)));
    assert_eq!(keys.top(1).first().map(|(key, _)| *key), Some(&*"a".repeat(255)));
}

#[test]
fn a_navigation_to_the_same_page_an_overlong_url_or_no_navigation_is_not_recorded() {
    let long = format!("/{}", "a".repeat(5000));
    for (from, to, count) in [("/", "/", 9), (&*long, "/", 9), ("/", &*long, 9), ("/", "/a", 0)] {
        let mut table = MarkovTable::default();
        table.record(from, to, count);
        assert!(table.is_empty(), "{count} from {} to {}", &from[..1], &to[..1]);
    }
}

#[test]
fn the_next_pages_of_a_page_are_bounded_and_forgotten_at_zero() {
    let mut table = MarkovTable::default();
    (0..99).for_each(|page| table.record("/", &format!("/{page}"), 2));
    let (pages, transitions) = table.size();
    assert_eq!(pages, 1);
    let mut more = table.clone();
    more.record("/", "/more", 2);
    assert_eq!(more.size(), (pages, transitions), "a new page takes the place of another");
    let mut table = MarkovTable::default();
    table.record("/", "/often", 9);
    table.record("/", "/once", 1);
    table.decay();
    assert_eq!(table.size(), (1, 1), "half of one navigation is none");
}

#[test]
fn likely_pages_are_ordered_by_their_navigations() {
    let mut table = MarkovTable::default();
    table.record("/busy", "/a", 900);
    table.record("/quiet", "/z", 30);
    table.record("/quiet-too", "/z", 30);
    assert_eq!(table.most_likely_pages(0.5, 9), ["/a", "/z"]);
}

#[test]
fn a_page_is_suggested_again_after_ten_seconds_and_within_the_quota_of_the_minute() {
    let mut prefetcher = Prefetcher::default();
    (0..99).for_each(|_| prefetcher.record_navigation("/", "/next", START));
    let mut suggest = |millis: u64| prefetcher.suggest("/", 2, START.saturating_add(millis)).len();
    assert_eq!([0, 10_000, 10_001, 25_000].map(&mut suggest), [1, 0, 1, 1]);
    let mut take = |millis: u64| prefetcher.take_quota(2, START.saturating_add(millis));
    assert_eq!(
        [0, 1, 2, 59_999, 60_000, 60_001, 60_002].map(&mut take),
        [true, true, false, false, true, true, false]
    );
    assert!(!prefetcher.take_quota(0, START.saturating_add(600_000)));
}

#[test]
fn a_view_of_purges_asks_on_until_it_has_them_all() {
    let changes = |upto: u64, seq: u64| PurgeChanges {
        upto,
        clock: PurgeClock { seq, ..PurgeClock::default() },
        ..PurgeChanges::default()
    };
    let mut view = PurgeView::default();
    assert!(view.apply(changes(5, 9), START));
    assert!(!view.is_current(START, 1000), "a part is no update");
    assert!(!view.apply(changes(9, 9), START));
    assert!(view.is_current(START, 1000));
}

#[test]
fn a_response_that_sets_a_cookie_is_stored_only_if_that_very_field_is_private() {
    let cookie =
        |private: &str| store(&format!("cache-control: max-age=60, private=\"{private}\"\nset-cookie: a=b"));
    assert!(cookie("set-cookie").0.is_some());
    assert_eq!(cookie("x-other"), (None, Some(DecisionReason::SetsCookie)));
}

#[test]
fn a_response_for_one_origin_varies_by_origin_and_one_for_all_does_not() {
    let names = |origin: &str| {
        vary_names(&Headers::parse(&format!("access-control-allow-origin: {origin}")), &["origin".to_owned()])
    };
    assert_eq!(names("https://shop.example"), Ok(vec!["origin".to_owned()]));
    assert_eq!(names("*"), Ok(Vec::new()));
}

#[test]
fn a_refreshed_response_that_may_not_be_stored_is_used_once_as_of_now() {
    let (entry, _) = store("cache-control: max-age=60\netag: \"1\"");
    let later = START.saturating_add(90_000);
    let update = ResponseHead {
        status: 304,
        headers: Headers::parse("cache-control: no-store\netag: \"1\""),
        requested: later,
        received: later,
    };
    let outcome = apply_not_modified(
        &entry.expect("stored"),
        &RequestHead::get(Headers::new()),
        &update,
        &RoutePolicy::default(),
        0,
        &mut DecisionLog::new(),
    );
    let RevalidationOutcome::UseOnce(entry) = outcome else { unreachable!("not stored: {outcome:?}") };
    assert_eq!((entry.received, entry.initial_age), (later, 0));
}

#[test]
fn a_configuration_has_its_documented_defaults_and_up_to_its_limit_of_routes() {
    let route = r#"{ "host": "www.example", "path": "/", "origin": "https://origin.example" }"#;
    let config = |routes: usize| {
        let routes = vec![route; routes].join(",");
        CacheConfig::parse(&format!(r#"{{ "routes": [{routes}], "warm": {{ "popular": true }} }}"#))
    };
    let defaults = config(1).expect("valid");
    assert_eq!((defaults.lease_ms, defaults.memory_bytes), (2000, 16_777_216));
    assert_eq!((defaults.max_stored_body_bytes, defaults.origin_timeout_ms), (2_097_152, 30_000));
    assert_eq!(defaults.warm.map(|warm| warm.max_requests), Some(100));
    let most = (1..300).take_while(|routes| config(*routes).is_ok()).last();
    let message = config(most.map_or(0, |most| most + 1)).expect_err("too many").message;
    assert!(message.ends_with(&format!("at most {} are allowed", most.unwrap_or_default())), "{message}");
}

#[test]
fn the_entities_of_a_sitemap_are_read() {
    let sitemap = "<urlset><url><loc>https://www.example/?a=1&amp;b=&lt;2&gt;&quot;&apos;&#65;&#x42;&no;</loc></url></urlset>";
    assert_eq!(warm::parse_list(sitemap, 9), Ok(vec!["https://www.example/?a=1&b=<2>\"'AB&no;".to_owned()]));
}
