//! Next.js behind the cache: the routes of `"next": true`, and what its responses say of themselves.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::rc::Rc;

use cache::purge::{PurgeChanges, PurgeClock, PurgeVersion};
use cache::{
    CacheConfig, DecisionLog, Exchange, ExchangeEvent, Headers, RequestHead, RequestParts, RequestStart,
    RoutedRequest, SelectedHeaders, SharedState, Step, UnixMillis, UrlParts,
};

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

fn config(route: &str) -> CacheConfig {
    let text = format!(
        r#"{{"routes": [{{"host": "www.example", "origin": "https://origin.example", "next": true, {route}}}]}}"#
    );
    CacheConfig::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Returns the key of a GET, or the code of the reason why there is none.
fn key(config: &CacheConfig, target: &str, headers: &str) -> Result<String, String> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let head = RequestHead::get(Headers::parse(&headers.replace(" | ", "\n")));
    let incoming = RequestParts {
        scheme: "https",
        host: "www.example",
        path,
        query,
        head: &head,
        client_ip: "192.0.2.1",
    };
    let mut log = DecisionLog::new();
    let routed = RoutedRequest::resolve(config, &incoming, &mut log).expect("a route").expect("no rejection");
    routed.target.key.ok_or_else(|| log.last().map_or("", |reason| reason.code()).to_owned())
}

#[test]
fn each_response_of_the_router_has_a_key_of_its_own() {
    let config = config(r#""path": "/**", "cookies": {"ignore": ["*"]}"#);
    let requests = [
        ("/a", ""),
        ("/b", ""),
        ("/a?page=2", ""),
        ("/a?_rsc=x1", "rsc: 1"),
        ("/a?_rsc=x2", "rsc: 1 | next-router-state-tree: t"),
        ("/a?_rsc=x2", "rsc: 1 | next-router-state-tree: u"),
        ("/a?_rsc=x3", "rsc: 1 | next-router-prefetch: 1"),
        ("/a?_rsc=x4", "rsc: 1 | next-router-prefetch: 1 | next-router-segment-prefetch: /_tree"),
        ("/a?_rsc=x5", "rsc: 1 | next-url: /b"),
        ("/_next/data/build/a.json", ""),
        ("/_next/data/build/a.json", "x-nextjs-data: 1"),
    ];
    let keys: Vec<_> =
        requests.iter().map(|(target, headers)| key(&config, target, headers).expect("a key")).collect();
    for (index, one) in keys.iter().enumerate() {
        assert!(!keys[..index].contains(one), "{:?}", requests[index]);
    }
    assert_eq!(key(&config, "/a", "cookie: session=1"), key(&config, "/a", ""));
}

#[test]
fn the_query_of_a_route_still_lets_the_router_s_hash_through() {
    let config = config(r#""path": "/**", "query": ["page"]"#);
    assert_eq!(key(&config, "/a?page=2&utm=1&_rsc=x", "rsc: 1"), key(&config, "/a?page=2&_rsc=x", "rsc: 1"));
    assert_ne!(key(&config, "/a?_rsc=x", "rsc: 1"), key(&config, "/a?_rsc=y", "rsc: 1"));
}

#[test]
fn files_and_images_are_shared_whatever_the_visitor_sends() {
    let config = config(r#""path": "/shop/**", "query": ["page"], "inject": "shop""#);
    for target in ["/shop/_next/static/chunks/a.js", "/shop/_next/image?url=%2Fa.png&w=640&q=75"] {
        let plain = key(&config, target, "").expect("a key");
        for headers in ["cookie: session=1", "rsc: 1", "cookie: __prerender_bypass=x"] {
            assert_eq!(key(&config, target, headers).as_ref(), Ok(&plain), "{target} {headers}");
        }
    }
    let image = |query: &str| key(&config, &format!("/shop/_next/image?{query}"), "");
    assert_ne!(image("url=%2Fa.png&w=640&q=75"), image("url=%2Fa.png&w=828&q=75"));
    assert_eq!(image("url=%2Fa.png&w=640&q=75&x=1"), image("url=%2Fa.png&w=640&q=75"));
    assert_eq!(config.routes.iter().map(|route| route.site()).collect::<Vec<_>>(), [Some("shop"); 3]);
    assert_eq!(config.routes.iter().filter(|route| route.inject.is_some()).count(), 1);
}

#[test]
fn previews_and_requests_of_next_js_to_itself_bypass_the_cache() {
    let config = config(r#""path": "/**", "cookies": {"ignore": ["*"]}"#);
    let table = [
        ("cookie: __prerender_bypass=x", "cookie"),
        ("cookie: a=1; __next_preview_data=x", "cookie"),
        ("x-prerender-revalidate: x", "field"),
        ("next-resume: 1", "field"),
        ("next-action: 7f", "field"),
    ];
    for (headers, code) in table {
        assert_eq!(key(&config, "/a", headers), Err(code.to_owned()), "{headers}");
    }
}

#[test]
fn a_route_that_cannot_be_one_of_next_js_is_refused() {
    let table = [
        (r#""path": "/a""#, "base path"),
        (r#""path": "/{lang}/**""#, "base path"),
        (r#""path": "/*/**""#, "base path"),
        (r#""path": "/**", "bypass": true"#, "bypass"),
    ];
    for (route, message) in table {
        let text = format!(
            r#"{{"routes": [{{"host": "www.example", "origin": "https://origin.example", "next": true, {route}}}]}}"#
        );
        let error = CacheConfig::parse(&text).expect_err(route);
        assert!(error.message.contains(message), "{route}: {error}");
        assert!(error.column > 1, "{route}: {error}");
    }
}

/// An isolate that knows of 10 purges, and of these as the last ones of their tags.
fn isolate(purges: &[(&str, PurgeVersion)]) -> SharedState<&'static str> {
    let mut shared = SharedState::default();
    shared.memory.set_max_bytes(1 << 20);
    sync(&mut shared, purges);
    shared
}

fn sync(shared: &mut SharedState<&'static str>, purges: &[(&str, PurgeVersion)]) {
    let seq = 10;
    let changes = PurgeChanges {
        clock: PurgeClock { seq, ..PurgeClock::default() },
        versions: purges.iter().map(|(tag, version)| (format!("t:{tag}"), *version)).collect(),
        upto: seq,
        written_at: Vec::new(),
    };
    shared.purge_view.apply(changes, NOW);
}

fn get(config: &Rc<CacheConfig>) -> Exchange<&'static str> {
    let url = UrlParts::parse("https://www.example/a").expect("a URL");
    let request = RequestStart { url, head: RequestHead::get(Headers::new()), client_ip: "192.0.2.1" };
    let exchange = Exchange::start_for_client(config, request, NOW, |_, _| false);
    exchange.expect("a route").expect("no rejection")
}

/// Fetches a page, and returns the exchange and its last step.
fn fetch(
    config: &Rc<CacheConfig>,
    shared: &mut SharedState<&'static str>,
    response: &str,
) -> (Exchange<&'static str>, Step) {
    let mut exchange = get(config);
    if exchange.handle(ExchangeEvent::Started, NOW, shared) == Step::Lookup {
        exchange.handle(ExchangeEvent::TiersExhausted, NOW, shared);
    }
    exchange.handle(ExchangeEvent::OriginNeeded, NOW, shared);
    exchange.origin_request(NOW, shared);
    let headers = Headers::parse(&response.replace(" | ", "\n"));
    let step = exchange.handle(ExchangeEvent::OriginResponded { status: 200, headers }, NOW, shared);
    if step == Step::Store {
        let complete = ExchangeEvent::BodyComplete { body: "page", body_length: 4, etag: None };
        exchange.handle(complete, NOW, shared);
    }
    (exchange, step)
}

#[test]
fn a_page_is_stored_with_the_purges_that_its_maker_knew() {
    let hard = PurgeVersion { hard: 8, soft: 0 };
    let soft = PurgeVersion { hard: 0, soft: 8 };
    let table = [
        // The origin had heard of all purges, of none, of those before the last one.
        ("x-edge-vitals-purge-seq: 10", hard, Step::Serve),
        ("x-edge-vitals-purge-seq: 7", hard, Step::Fetch),
        ("x-edge-vitals-purge-seq: 8", hard, Step::Serve),
        ("x-edge-vitals-purge-seq: 7", soft, Step::ServeThenRevalidate),
        // It cannot know of more than there are, nor say it twice.
        ("x-edge-vitals-purge-seq: 99", hard, Step::Serve),
        ("x-edge-vitals-purge-seq: 99 | x-edge-vitals-purge-seq: 3", hard, Step::Fetch),
        ("x-edge-vitals-purge-seq: none", hard, Step::Fetch),
        // An origin without a cache of its own says nothing.
        ("x-other: 1", hard, Step::Serve),
    ];
    let config = Rc::new(config(r#""path": "/**""#));
    for (field, version, expected) in table {
        let mut shared = isolate(&[("a", version)]);
        let lifetime = "cache-control: s-maxage=60, stale-while-revalidate=60";
        fetch(&config, &mut shared, &format!("{lifetime} | cache-tag: a | {field}"));
        let step = get(&config).handle(ExchangeEvent::Started, NOW, &mut shared);
        assert_eq!(step, expected, "{field} {version:?}");
    }
}

#[test]
fn a_page_that_next_js_regenerates_is_not_stored() {
    let config = Rc::new(config(r#""path": "/**""#));
    let mut shared = isolate(&[]);
    let page = "cache-control: s-maxage=60 | x-nextjs-cache: ";
    let (exchange, step) = fetch(&config, &mut shared, &format!("{page}STALE"));
    assert_eq!(step, Step::Send);
    let explained = exchange.forwarded_head(NOW).headers.joined("cache-status").unwrap_or_default();
    assert_eq!(explained.rsplit("detail=").next(), Some("next-stale"), "{explained}");
    assert_eq!(fetch(&config, &mut shared, &format!("{page}HIT")).1, Step::Store);
}

#[test]
fn tags_of_next_js_purge_its_pages_and_stay_inside() {
    let config = Rc::new(config(r#""path": "/**""#));
    let mut shared = isolate(&[]);
    let response = "cache-control: s-maxage=60 | x-next-cache-tags: a,_N_T_/b | x-edge-vitals-purge-seq: 10";
    let (exchange, step) = fetch(&config, &mut shared, response);
    assert_eq!(step, Step::Store);
    let fields = ["x-next-cache-tags", "x-edge-vitals-purge-seq"];
    let forwarded = exchange.forwarded_head(NOW).headers;
    assert!(!fields.iter().any(|name| forwarded.has(name)), "{forwarded:?}");

    let mut hit = get(&config);
    assert_eq!(hit.handle(ExchangeEvent::Started, NOW, &mut shared), Step::Serve);
    let stored = hit.stored_response(NOW).expect("a response");
    assert_eq!(stored.headers, SelectedHeaders::Full);
    assert!(!fields.iter().any(|name| hit.full_headers(&stored.found).has(name)));
    assert_eq!(stored.found.entry.tags, ["_N_T_/b", "a"]);

    sync(&mut shared, &[("_N_T_/b", PurgeVersion { hard: 11, soft: 0 })]);
    assert_eq!(get(&config).handle(ExchangeEvent::Started, NOW, &mut shared), Step::Fetch);
}
