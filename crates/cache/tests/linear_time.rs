//! Parsers of outside text take a mebibyte of any pattern in linear time. A quadratic one takes minutes.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use cache::purge::{PurgeChanges, PurgeClock, PurgeVersion, PurgeView, parse_tags};
use cache::{
    CacheConfig, DecisionLog, Headers, RequestDirectives, RequestHead, RequestParts, ResponseDirectives,
    ResponseHead, RoutePolicy, RoutedRequest, UnixMillis, apply_not_modified, is_not_modified, select_range,
    server_timing, storable_entry, variant_key, vary_names, warm,
};

const BYTES: usize = 1 << 20;
const LIMIT: Duration = Duration::from_secs(20);

const PATTERNS: [&str; 32] = [
    "&",
    "&amp",
    "&#",
    "<",
    "<loc ",
    "<loc>",
    "<loc></loc>",
    "<!--",
    "<urlset",
    "&;",
    ",",
    ", ",
    "a,",
    "a=",
    "\"",
    "\\\"",
    ";",
    "a;",
    "a;b=\"",
    "=",
    "db;dur=1,",
    "db;desc=\"a\",",
    ";dur=",
    "q=",
    "a;q=0.1,",
    "W/\"a\",",
    "0-,",
    "*",
    "/",
    "%2f",
    "{b}",
    " ",
];

/// Runs a parser on every pattern.
#[track_caller]
fn check(name: &str, parse: impl Fn(&str) + Send + Clone + 'static) {
    for pattern in PATTERNS {
        let text = pattern.repeat(BYTES / pattern.len());
        let (done, wait) = mpsc::channel();
        let parse = parse.clone();
        thread::spawn(move || {
            parse(&text);
            let _ = done.send(());
        });
        assert!(wait.recv_timeout(LIMIT).is_ok(), "{name} takes too long for {pattern:?}");
    }
}

fn field(name: &str, value: &str) -> Headers {
    [(name, value)].into_iter().collect()
}

fn response(headers: Headers) -> ResponseHead {
    ResponseHead { status: 200, headers, requested: UnixMillis(0), received: UnixMillis(0) }
}

#[test]
fn lists_of_urls_are_parsed_in_linear_time() {
    check("a list", |text| drop(warm::parse_list(text, 1_000)));
    for start in ["<urlset>", "<urlset><loc>", "<urlset><loc>&", "<urlset><loc ", "<sitemapindex", "<a>"] {
        check(start, move |text| drop(warm::parse_list(&format!("{start}{text}"), 1_000)));
    }
}

#[test]
fn header_fields_are_parsed_in_linear_time() {
    check("Server-Timing", |text| drop(server_timing::query_durations(&field("server-timing", text))));
    check("Cache-Control", |text| drop(ResponseDirectives::from_headers(&field("cache-control", text))));
    check("private", |text| {
        drop(ResponseDirectives::from_headers(&field("cache-control", &format!("private=\"{text}"))));
    });
    check("CDN-Cache-Control", |text| {
        drop(ResponseDirectives::from_headers(&field("cdn-cache-control", text)));
    });
    check("Cache-Control of a request", |text| {
        let _ = RequestDirectives::from_headers(&field("cache-control", text));
    });
    check("Vary", |text| drop(vary_names(&field("vary", text), &["a".to_owned()])));
    check("Cache-Tag", |text| drop(parse_tags(&field("cache-tag", text))));
    check("Surrogate-Key", |text| drop(parse_tags(&field("surrogate-key", text))));
    check("Range", |text| {
        let _ = select_range(&field("range", &format!("bytes={text}")), &Headers::new(), 10);
    });
    check("If-None-Match", |text| {
        let _ = is_not_modified(&field("if-none-match", text), &field("etag", "\"b\""));
    });
    for name in ["accept", "accept-language", "x-other"] {
        check(name, move |text| drop(variant_key(&[name.to_owned()], &field(name, text))));
    }
}

#[test]
fn many_fields_are_handled_in_linear_time() {
    // Each field of a response may be named by another one.
    let names = |index: usize| format!("x{index:x}");
    let count = BYTES / 12;
    let (done, wait) = mpsc::channel();
    thread::spawn(move || {
        let all: Vec<String> = (0..count).map(names).collect();
        let fields: String = all.iter().map(|name| format!("{name}: 1\n")).collect();
        let list = all.iter().rev().cloned().collect::<Vec<_>>().join(",");
        for own in [
            format!("connection: {list}\n"),
            format!("cache-control: max-age=60, private=\"{list}\"\n"),
            format!("cache-control: max-age=60\nvary: {list}\n"),
            "cache-control: max-age=60\netag: \"a\"\n".to_owned(),
        ] {
            let head = response(Headers::parse(&format!("{own}{fields}")));
            head.headers.clone().remove_hop_by_hop();
            let request = RequestHead::get(Headers::new());
            let (policy, mut log) = (RoutePolicy::default(), DecisionLog::new());
            if let Some(entry) = storable_entry(&request, &head, &policy, 0, &mut log) {
                drop(apply_not_modified(&entry, &request, &head, &policy, 0, &mut log));
            }
        }
        let _ = done.send(());
    });
    assert!(wait.recv_timeout(LIMIT).is_ok());
}

#[test]
fn requests_are_routed_in_linear_time() {
    let text = r#"{"routes": [
        {"host": "a", "path": "/x/{a}/{b}", "origin": "https://o", "tags": ["{a}{b}{a}"]},
        {"host": "a", "path": "/admin/*/x", "origin": "https://o", "require": {"cookie": "s"}},
        {"host": "a", "path": "/**", "origin": "https://o", "query": ["a"], "cookies": {"key": ["a*"], "ignore": ["*"]}}]}"#;
    check("a request", move |text_of_request| {
        let Ok(config) = CacheConfig::parse(text) else { return };
        for path in [format!("/{text_of_request}"), format!("/x/{text_of_request}/{text_of_request}")] {
            let head = RequestHead::get(field("cookie", text_of_request));
            let incoming = RequestParts {
                scheme: "https",
                host: "a",
                path: &path,
                query: text_of_request,
                head: &head,
                client_ip: "",
            };
            drop(RoutedRequest::resolve(&config, &incoming, &mut DecisionLog::new()));
            drop(config.access_rules("a", &path));
            if let Some((_, route)) = config.find_route("a", &path) {
                drop(route.tags_for_path(&path));
                drop(route.keyed_query(text_of_request));
            }
        }
    });
    check("a purged URL", |text| {
        let mut view = PurgeView::default();
        let versions =
            ["p:a/", "t:a", "w:0"].map(|name| (name.to_owned(), PurgeVersion { hard: 1, soft: 0 })).into();
        view.apply(
            PurgeChanges { clock: PurgeClock::default(), versions, upto: 1, written_at: Vec::new() },
            UnixMillis(0),
        );
        let _ = view.purge_status(1, &[], &format!("a/{text}"), UnixMillis(0), 1_000);
    });
}

#[test]
fn a_captured_value_is_not_filled_in_again() {
    let text = r#"{"routes": [{"host": "a", "path": "/{a}/{b}", "origin": "https://o", "tags": ["x:{a}-{b}", "plain"]}]}"#;
    let config = CacheConfig::parse(text);
    let route = config.as_ref().ok().and_then(|config| config.find_route("a", "/{b}/2"));
    let tags = route.map(|(_, route)| route.tags_for_path("/{b}/2"));
    assert_eq!(tags, Some(vec!["x:{b}-2".to_owned(), "plain".to_owned()]));
}
