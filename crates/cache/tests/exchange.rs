//! The exchange as a state machine: the step after each event, and the response that the client gets.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::rc::Rc;

use cache::purge::{PurgeChanges, PurgeClock, PurgeVersion};
use cache::{
    CacheConfig, CacheEntry, Exchange, ExchangeEvent, ForwardedBytes, Headers, OriginError, RecordedRoute,
    RequestHead, RequestStart, SelectedBody, SelectedHeaders, SharedState, Step, Tier, UnixMillis, UrlHash,
    UrlParts,
};
use wire::beacon::CacheStatus;

type Body = &'static str;
type Event = ExchangeEvent<Body>;

const START: UnixMillis = UnixMillis(1_700_000_000_000);
const PAGE: &str = "cache-control: max-age=60\ncontent-type: text/html";
const TAGGED: &str = "cache-control: max-age=60\ncache-tag: a";

/// A configuration and the state of one isolate, whose view of purges is current.
struct Isolate {
    config: Rc<CacheConfig>,
    shared: SharedState<Body>,
    now: UnixMillis,
}

impl Isolate {
    fn new(route: &str) -> Self {
        let text = format!(
            r#"{{"predict_per_minute": 10, "routes": [{{"host": "www.example", "path": "/*", "origin": "https://origin.example" {route}}}]}}"#
        );
        let config = CacheConfig::parse(&text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        let mut isolate = Self { config: Rc::new(config), shared: SharedState::default(), now: START };
        isolate.shared.memory.set_max_bytes(1 << 20);
        isolate.sync(&[], 0);
        isolate
    }

    /// Applies the purges of names, up to a count.
    fn sync(&mut self, names: &[&str], seq: u64) {
        let version = PurgeVersion { hard: seq, soft: 0 };
        let changes = PurgeChanges {
            clock: PurgeClock { seq, ..PurgeClock::default() },
            versions: names.iter().map(|name| ((*name).to_owned(), version)).collect(),
            upto: seq,
            written_at: Vec::new(),
        };
        self.shared.purge_view.apply(changes, self.now);
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now.saturating_add(seconds * 1000);
        let seq = self.shared.purge_view.upto();
        self.sync(&[], seq);
    }

    fn request(&self, method: &str, path: &str, headers: &str) -> Exchange<Body> {
        let url = format!("https://www.example{path}");
        let request = RequestStart {
            url: UrlParts::parse(&url).expect("a URL"),
            head: RequestHead { method: method.into(), headers: Headers::parse(headers) },
            client_ip: "192.0.2.1",
        };
        Exchange::start_for_client(&self.config, request, self.now, |_, value| value == "right")
            .expect("a route")
            .expect("no rejection")
    }

    fn get(&self, headers: &str) -> Exchange<Body> {
        self.request("GET", "/a", headers)
    }

    fn step(&mut self, exchange: &mut Exchange<Body>, event: Event) -> Step {
        exchange.handle(event, self.now, &mut self.shared)
    }

    /// Reports events, each with the step that it must lead to.
    #[track_caller]
    fn walk(&mut self, exchange: &mut Exchange<Body>, walk: impl IntoIterator<Item = (Event, Step)>) {
        for (index, (event, expect)) in walk.into_iter().enumerate() {
            let name = format!("{event:?}");
            let step = self.step(exchange, event);
            assert_eq!(step, expect, "step {index}: {name}");
            if step == Step::ContactOrigin {
                exchange.origin_request(self.now, &self.shared);
            }
        }
    }

    /// Fetches and stores a page.
    #[track_caller]
    fn fill(&mut self, head: &str) {
        let mut exchange = self.get("");
        self.walk(&mut exchange, fetch(200, head, Step::Store));
        self.walk(&mut exchange, [(complete(), Step::WriteTiers)]);
    }
}

const fn complete() -> Event {
    ExchangeEvent::BodyComplete { body: "body", body_length: 4, etag: None }
}

fn responded(status: u16, head: &str) -> Event {
    ExchangeEvent::OriginResponded { status, headers: Headers::parse(head) }
}

/// A miss in every tier and the origin's response.
fn fetch(status: u16, head: &str, expect: Step) -> [(Event, Step); 4] {
    [
        (ExchangeEvent::Started, Step::Lookup),
        (ExchangeEvent::TiersExhausted, Step::Fetch),
        (ExchangeEvent::OriginNeeded, Step::ContactOrigin),
        (responded(status, head), expect),
    ]
}

/// A lookup in memory that needs the origin, and the origin's response.
fn revalidate(status: u16, head: &str, expect: Step) -> [(Event, Step); 3] {
    [
        (ExchangeEvent::Started, Step::Fetch),
        (ExchangeEvent::OriginNeeded, Step::ContactOrigin),
        (responded(status, head), expect),
    ]
}

#[track_caller]
fn check_cache_status(isolate: &Isolate, exchange: &Exchange<Body>, expect: &str) {
    let response = exchange.stored_response(isolate.now).expect("a candidate");
    assert_eq!(response.cache_status, format!("edge-vitals; {expect}"));
}

#[track_caller]
fn check_error(isolate: &Isolate, exchange: &Exchange<Body>, status: u16, cache_status: &str) {
    let response = exchange.error_response(isolate.now);
    let found = response.headers.first("cache-status").unwrap_or_default();
    assert_eq!((response.status, found), (status, &*format!("edge-vitals; {cache_status}")));
    assert!(response.body.contains(&format!("\"status\":{status}")), "{}", response.body);
}

#[test]
fn a_miss_is_fetched_stored_and_then_served_from_memory() {
    let mut isolate = Isolate::new("");
    let mut exchange = isolate.get("");
    isolate.walk(&mut exchange, fetch(200, PAGE, Step::Store));
    let head = exchange.forwarded_head(isolate.now);
    assert_eq!((head.status, head.bytes), (200, ForwardedBytes::Pending));
    assert_eq!(head.headers.first("cache-status"), Some("edge-vitals; fwd=uri-miss; fwd-status=200; stored"));
    isolate.walk(&mut exchange, [(complete(), Step::WriteTiers)]);
    let write = exchange.tier_write().expect("a new entry");
    assert_eq!((write.found.body, write.is_for_kv), ("body", false));
    let (entry, _) = CacheEntry::decode(&write.envelope_head).expect("an envelope");
    assert_eq!(entry.status, 200);

    isolate.wait(1);
    let mut hit = isolate.get("");
    assert!(hit.try_memory(isolate.now, &mut isolate.shared));
    let response = hit.stored_response(isolate.now).expect("a candidate");
    assert_eq!((response.status, response.age, response.body), (200, 1, SelectedBody::Full));
    assert_eq!(response.headers, SelectedHeaders::Full);
    assert_eq!(response.cache_status, "edge-vitals; hit; ttl=59; detail=memory");
    assert_eq!(response.server_timing, "edge;desc=hit;dur=0");
    assert!(hit.tier_write().is_none());
}

#[test]
fn only_a_plain_hit_is_served_from_memory_at_once() {
    let mut isolate = Isolate::new(r#", "stale_while_revalidate": 60"#);
    let mut miss = isolate.get("");
    assert!(!miss.try_memory(isolate.now, &mut isolate.shared));
    isolate.fill(PAGE);
    let mut passed = isolate.get("authorization: Basic x");
    assert!(!passed.try_memory(isolate.now, &mut isolate.shared));
    isolate.wait(90);
    let mut stale = isolate.get("");
    assert!(!stale.try_memory(isolate.now, &mut isolate.shared));
    // The attempt leaves no reason behind.
    isolate.walk(&mut stale, [(ExchangeEvent::Started, Step::ServeThenRevalidate)]);
    let explained = stale.explain(Step::ServeThenRevalidate, isolate.now, &isolate.shared);
    assert_eq!(explained["because"].as_array().map(Vec::len), Some(3), "{explained}");
    isolate.now = isolate.now.saturating_add(60_000);
    let mut unsynced = isolate.get("");
    assert!(unsynced.needs_purge_sync(isolate.now, &isolate.shared));
    assert!(!unsynced.try_memory(isolate.now, &mut isolate.shared));
}

#[test]
fn an_envelope_of_a_tier_is_served_or_tells_the_variant() {
    let mut isolate = Isolate::new("");
    isolate.fill("cache-control: max-age=600\nvary: accept-language");
    let entry = {
        let mut exchange = isolate.get("");
        isolate.walk(&mut exchange, [(ExchangeEvent::Started, Step::Serve)]);
        exchange.stored_response(isolate.now).expect("a candidate").found.entry.clone()
    };
    let found = |tier| ExchangeEvent::TierEntryFound {
        tier,
        entry: Box::new(entry.clone()),
        body: "tier",
        body_length: 4,
    };
    for (tier, detail) in [(Tier::Colo, "colo"), (Tier::Kv, "kv")] {
        let mut other = Isolate::new("");
        let mut exchange = other.get("");
        let plain = exchange.storage_key(&mut other.shared);
        // The first envelope lies under the plain key and tells that the responses vary.
        other.walk(&mut exchange, [(ExchangeEvent::Started, Step::Lookup), (found(tier), Step::Lookup)]);
        assert_ne!(exchange.storage_key(&mut other.shared), plain);
        other.walk(&mut exchange, [(found(tier), Step::Serve)]);
        check_cache_status(&other, &exchange, &format!("hit; ttl=600; detail={detail}"));
        assert!(exchange.tier_write().is_none());
        // Another language is another variant.
        let mut german = other.get("accept-language: de");
        other.walk(
            &mut german,
            [(ExchangeEvent::Started, Step::Lookup), (ExchangeEvent::TiersExhausted, Step::Fetch)],
        );
        check_error(&other, &german, 502, "fwd=vary-miss; detail=nothing-stored");
    }
}

#[test]
fn stale_entries_are_served_while_they_are_revalidated() {
    let mut isolate = Isolate::new(r#", "stale_while_revalidate": 60"#);
    isolate.fill("cache-control: max-age=60\netag: \"a\"");
    isolate.wait(90);
    let mut exchange = isolate.get("");
    isolate.walk(&mut exchange, [(ExchangeEvent::Started, Step::ServeThenRevalidate)]);
    check_cache_status(&isolate, &exchange, "hit; ttl=-30; detail=memory");
    let request = {
        isolate.walk(&mut exchange, [(ExchangeEvent::OriginNeeded, Step::ContactOrigin)]);
        exchange.origin_request(isolate.now, &isolate.shared)
    };
    assert_eq!(request.headers.first("if-none-match"), Some("\"a\""));
    isolate.walk(&mut exchange, [(responded(304, ""), Step::Serve)]);
    assert!(exchange.tier_write().is_some(), "the lower tiers get the fresh entry");
    let mut hit = isolate.get("");
    assert!(hit.try_memory(isolate.now, &mut isolate.shared));
}

#[test]
fn a_304_of_the_origin_updates_replaces_or_is_an_error() {
    let stale = "cache-control: max-age=60\netag: \"a\"";
    let table = [
        (stale, "cache-control: max-age=60", Step::Serve),
        (stale, "cache-control: no-store", Step::Serve),
        (stale, "etag: \"b\"", Step::Fetch),
    ];
    for (stored, head, expect) in table {
        let mut isolate = Isolate::new("");
        isolate.fill(stored);
        isolate.wait(90);
        let mut exchange = isolate.get("");
        isolate.walk(&mut exchange, revalidate(304, head, expect));
        if expect == Step::Fetch {
            // The second request is unconditional, and a second 304 is an error of the origin.
            let request = exchange.origin_request(isolate.now, &isolate.shared);
            assert!(!request.headers.has("if-none-match"), "{head}");
            isolate.walk(&mut exchange, [(responded(304, ""), Step::Refuse)]);
            check_error(&isolate, &exchange, 502, "fwd=stale; fwd-status=304; detail=validates");
        }
    }
    let mut isolate = Isolate::new("");
    let mut exchange = isolate.get("");
    isolate.walk(&mut exchange, fetch(304, "", Step::Refuse));
    check_error(&isolate, &exchange, 502, "fwd=uri-miss; fwd-status=304; detail=nothing-stored");
}

#[test]
fn a_stale_entry_replaces_an_error_only_where_it_may() {
    let table = [
        (r#", "stale_if_error": 300"#, 500, Step::Serve),
        (r#", "stale_if_error": 300"#, 503, Step::Serve),
        (r#", "stale_if_error": 300"#, 501, Step::Send),
        (r#", "stale_if_error": 300"#, 404, Step::Store),
        (r#", "stale_if_error": 10"#, 500, Step::Send),
        ("", 500, Step::Send),
    ];
    for (route, status, expect) in table {
        let mut isolate = Isolate::new(route);
        isolate.fill(PAGE);
        isolate.wait(90);
        let mut exchange = isolate.get("");
        isolate.walk(&mut exchange, revalidate(status, "", expect));
        if expect == Step::Serve {
            let detail = format!("hit; ttl=-30; fwd-status={status}; detail=stale-if-error");
            check_cache_status(&isolate, &exchange, &detail);
        }
    }
}

#[test]
fn failures_of_the_origin_are_replaced_or_reported() {
    let responses = [
        (responded(99, ""), 502),
        (responded(600, ""), 502),
        (responded(200, &format!("x: {}", "x".repeat(128 * 1024))), 502),
        (responded(200, "transfer-encoding: gzip, chunked"), 502),
        (ExchangeEvent::OriginFailed(OriginError::Unreachable), 502),
        (ExchangeEvent::OriginFailed(OriginError::Timeout), 504),
    ];
    for (event, status) in responses {
        let name = format!("{event:.60?}");
        let mut isolate = Isolate::new(r#", "stale_if_error": 300"#);
        let mut cold = isolate.get("");
        isolate.walk(
            &mut cold,
            [
                (ExchangeEvent::Started, Step::Lookup),
                (ExchangeEvent::TiersExhausted, Step::Fetch),
                (ExchangeEvent::OriginNeeded, Step::ContactOrigin),
            ],
        );
        assert_eq!(isolate.step(&mut cold, event), Step::Refuse, "{name}");
        let response = cold.error_response(isolate.now);
        let detail = response.headers.first("cache-status").unwrap_or_default();
        assert_eq!(response.status, status, "{name}");
        assert!(detail.ends_with("; detail=origin-failed"), "{name}: {detail}");

        isolate.fill(PAGE);
        isolate.wait(90);
        let mut stale = isolate.get("");
        let started = [
            (ExchangeEvent::Started, Step::Fetch),
            (ExchangeEvent::OriginNeeded, Step::ContactOrigin),
            (ExchangeEvent::OriginFailed(OriginError::Unreachable), Step::Serve),
        ];
        isolate.walk(&mut stale, started);
    }
    // A transfer coding of chunks alone is the platform's business.
    let mut isolate = Isolate::new("");
    let mut exchange = isolate.get("");
    isolate.walk(&mut exchange, fetch(200, "transfer-encoding: chunked", Step::Send));
}

#[test]
fn requests_do_not_wait_for_unstorable_responses() {
    let table = [
        (200, "cache-control: no-store", Step::Send, false),
        (200, "set-cookie: a=b\ncache-control: max-age=60", Step::Send, false),
        (500, "", Step::Send, true),
    ];
    for (status, head, expect, waits) in table {
        let mut isolate = Isolate::new("");
        let mut exchange = isolate.get("");
        assert!(exchange.fill_key(isolate.now, &mut isolate.shared).is_some());
        isolate.walk(&mut exchange, fetch(status, head, expect));
        let fill_key = exchange.fill_key(isolate.now, &mut isolate.shared);
        assert_eq!(fill_key.is_some(), waits, "{status} {head}");
        isolate.wait(61);
        assert!(exchange.fill_key(isolate.now, &mut isolate.shared).is_some());
    }
}

#[test]
fn requests_that_waited_for_a_fill_are_collapsed_into_it() {
    let mut isolate = Isolate::new("");
    let mut waiting = isolate.get("");
    let mut in_vain = isolate.get("");
    let missed = || [(ExchangeEvent::Started, Step::Lookup), (ExchangeEvent::TiersExhausted, Step::Fetch)];
    isolate.walk(&mut waiting, missed());
    isolate.walk(&mut in_vain, missed());
    isolate.walk(&mut in_vain, [(ExchangeEvent::FillLanded, Step::Fetch)]);
    isolate.fill(PAGE);
    isolate.walk(&mut waiting, [(ExchangeEvent::FillLanded, Step::Serve)]);
    let response = waiting.stored_response(isolate.now).expect("a candidate");
    assert_eq!(response.cache_status, "edge-vitals; fwd=uri-miss; collapsed; detail=fresh");
    assert_eq!(waiting.record(200, isolate.now).cache, CacheStatus::Miss);
    // A fill that lands while the tiers are asked is found in memory.
    let mut late = isolate.get("");
    isolate.walk(&mut late, [(ExchangeEvent::TiersExhausted, Step::Serve)]);
}

#[test]
fn the_limiter_refuses_or_serves_stale() {
    let limit = r#", "stale_if_error": 300, "limit": {"most": 1, "least": 1}"#;
    let mut isolate = Isolate::new(limit);
    isolate.fill(PAGE);
    isolate.walk(&mut Isolate::new(limit).get("authorization: x"), [(ExchangeEvent::Started, Step::Pass)]);
    let mut refused = isolate.request("GET", "/other", "");
    let missed = [
        (ExchangeEvent::Started, Step::Lookup),
        (ExchangeEvent::TiersExhausted, Step::Fetch),
        (ExchangeEvent::OriginNeeded, Step::Refuse),
    ];
    isolate.walk(&mut refused, missed);
    check_error(&isolate, &refused, 503, "fwd=uri-miss; detail=limit");
    assert_eq!(refused.error_response(isolate.now).headers.first("retry-after"), Some("1"));
    isolate.wait(90);
    // One request is admitted each second; the next gets the stale entry.
    let mut admitted = isolate.request("GET", "/other", "");
    isolate.walk(&mut admitted, [(ExchangeEvent::OriginNeeded, Step::ContactOrigin)]);
    let mut stale = isolate.get("");
    isolate.walk(
        &mut stale,
        [(ExchangeEvent::Started, Step::Fetch), (ExchangeEvent::OriginNeeded, Step::Serve)],
    );
    check_cache_status(&isolate, &stale, "hit; ttl=-30; detail=stale-if-error");
    let limiter = isolate.shared.limiter(0).expect("a limiter").clone();
    admitted.abandon(&mut isolate.shared);
    assert_ne!(format!("{limiter:?}"), format!("{:?}", isolate.shared.limiter(0).expect("a limiter")));
}

#[test]
fn purges_decide_and_are_counted_from_before_the_request() {
    let mut isolate = Isolate::new("");
    isolate.fill(TAGGED);
    isolate.sync(&["t:a"], 1);
    let mut purged = isolate.get("");
    isolate.walk(&mut purged, [(ExchangeEvent::Started, Step::Fetch)]);
    check_error(&isolate, &purged, 502, "fwd=uri-miss; detail=purged");
    // A purge between the request and the response voids the response.
    let mut late = isolate.get("");
    isolate.walk(
        &mut late,
        [(ExchangeEvent::Started, Step::Fetch), (ExchangeEvent::OriginNeeded, Step::ContactOrigin)],
    );
    isolate.sync(&["t:a"], 2);
    isolate.walk(&mut late, [(responded(200, TAGGED), Step::Store), (complete(), Step::WriteTiers)]);
    isolate.walk(&mut isolate.get(""), [(ExchangeEvent::Started, Step::Fetch)]);
}

#[test]
fn what_the_cache_cannot_answer_is_passed() {
    // (method, fields, field that the origin gets)
    let table = [
        ("POST", "content-type: text/plain", "content-type"),
        ("GET", "authorization: Basic x", "authorization"),
        ("GET", "cookie: session=1", "cookie"),
        ("GET", "if-match: \"a\"", "if-match"),
    ];
    for (method, head, field) in table {
        let mut isolate = Isolate::new(r#", "methods": ["GET", "HEAD", "POST"]"#);
        let mut exchange = isolate.request(method, "/a", head);
        isolate.walk(
            &mut exchange,
            [(ExchangeEvent::Started, Step::Pass), (ExchangeEvent::OriginNeeded, Step::ContactOrigin)],
        );
        let request = exchange.pass_request(isolate.now, &isolate.shared);
        assert_eq!(request.method, method);
        assert!(request.headers.has(field), "{method} {head}");
        isolate.walk(&mut exchange, [(responded(200, PAGE), Step::Send)]);
        let head = exchange.forwarded_head(isolate.now);
        assert!(head.headers.first("cache-status").is_some_and(|status| status.contains("fwd=bypass")));
        assert_eq!(exchange.record(200, isolate.now).cache, CacheStatus::Bypass);
    }
    for (method, head) in [("HEAD", ""), ("GET", "range: bytes=0-1")] {
        let mut isolate = Isolate::new("");
        let mut exchange = isolate.request(method, "/a", head);
        isolate.walk(
            &mut exchange,
            [(ExchangeEvent::Started, Step::Lookup), (ExchangeEvent::TiersExhausted, Step::Pass)],
        );
        let request = exchange.pass_request(isolate.now, &isolate.shared);
        assert_eq!(request.headers.first("range"), Headers::parse(head).first("range"));
        isolate.walk(&mut exchange, [(responded(206, "content-length: 2"), Step::Send)]);
        let forwarded = exchange.forwarded_head(isolate.now);
        assert_eq!(forwarded.bytes, ForwardedBytes::Declared(2));
        assert_eq!(forwarded.headers.has("content-length"), method == "HEAD");
    }
    let mut isolate = Isolate::new("");
    let mut too_large = isolate.get("authorization: x");
    let failed = ExchangeEvent::OriginFailed(OriginError::RequestBodyTooLarge);
    isolate.walk(&mut too_large, [(ExchangeEvent::Started, Step::Pass), (failed, Step::Refuse)]);
    check_error(&isolate, &too_large, 413, "fwd=bypass; detail=origin-failed");
}

#[test]
fn rfc_9111_3_5_what_the_origin_shares_explicitly_serves_authorized_requests_where_a_route_asks_for_it() {
    let route = r#", "store_also": ["authorized"]"#;
    for (fields, is_shared) in [
        ("cache-control: public, max-age=60", true),
        ("cache-control: s-maxage=60", true),
        ("cache-control: must-revalidate, max-age=60", true),
        ("cache-control: max-age=60", false),
        ("cache-control: private, max-age=60", false),
    ] {
        let mut isolate = Isolate::new(route);
        let mut first = isolate.get("authorization: Bearer one");
        isolate.walk(
            &mut first,
            [
                (ExchangeEvent::Started, Step::Lookup),
                (ExchangeEvent::TiersExhausted, Step::Fetch),
                (ExchangeEvent::OriginNeeded, Step::ContactOrigin),
            ],
        );
        let request = first.origin_request(isolate.now, &isolate.shared);
        assert_eq!(request.headers.first("authorization"), Some("Bearer one"), "the origin decides");
        if !is_shared {
            isolate.walk(&mut first, [(responded(200, fields), Step::Send)]);
            continue;
        }
        isolate.walk(&mut first, [(responded(200, fields), Step::Store), (complete(), Step::WriteTiers)]);
        for head in ["authorization: Bearer two", ""] {
            isolate.walk(&mut isolate.get(head), [(ExchangeEvent::Started, Step::Serve)]);
        }
    }
}

#[test]
fn a_stored_cookie_is_not_served_once_the_route_no_longer_stores_it() {
    let cookie = "cache-control: max-age=60\nset-cookie: a=b";
    let mut isolate = Isolate::new(r#", "store_also": ["set-cookie"]"#);
    isolate.fill(cookie);
    let mut hit = isolate.get("");
    isolate.walk(&mut hit, [(ExchangeEvent::Started, Step::Serve)]);
    let served = hit.stored_response(isolate.now).expect("a response");
    assert_eq!(hit.full_headers(&served.found).first("set-cookie"), Some("a=b"));
    let entry = Box::new(served.found.entry.clone());
    let mut later = Isolate::new("");
    let found = ExchangeEvent::TierEntryFound { tier: Tier::Kv, entry, body: "body", body_length: 4 };
    let mut exchange = later.get("");
    later.walk(&mut exchange, [(ExchangeEvent::Started, Step::Lookup), (found, Step::Lookup)]);
}

#[test]
fn a_network_over_the_rate_of_a_route_is_refused_and_no_other() {
    let mut isolate = Isolate::new(r#", "rate": {"requests": 2, "per": 60}"#);
    let mut limit = |address: &str| {
        let exchange = isolate.get("");
        exchange.limit_visitor(address, isolate.now, &mut isolate.shared)
    };
    assert_eq!((limit("2001:db8::1"), limit("2001:db8::2")), (None, None), "one /64");
    let refused = limit("2001:db8::3").expect("a refusal");
    assert_eq!((refused.response.status, refused.detail), (429, "rate"));
    assert!(refused.response.headers.first("retry-after").is_some_and(|seconds| seconds != "0"));
    assert_eq!(limit("2001:db8:0:1::1"), None, "another network");
    let mut unlimited = Isolate::new("");
    assert_eq!(unlimited.get("").limit_visitor("", START, &mut unlimited.shared), None);
}

#[test]
fn only_if_cached_is_answered_with_504() {
    let mut isolate = Isolate::new("");
    let mut exchange = isolate.get("cache-control: only-if-cached");
    isolate.walk(
        &mut exchange,
        [(ExchangeEvent::Started, Step::Lookup), (ExchangeEvent::TiersExhausted, Step::Refuse)],
    );
    check_error(&isolate, &exchange, 504, "fwd=uri-miss; detail=only-if-cached");
}

#[test]
fn the_client_gets_the_part_that_it_asks_for() {
    let stored = "cache-control: max-age=60\netag: \"a\"\ncontent-type: text/plain";
    let bytes = |start, end| SelectedBody::Range { start, end };
    let table = [
        ("GET", "", 200, SelectedBody::Full, None),
        ("HEAD", "", 200, SelectedBody::Empty, None),
        ("GET", "if-none-match: \"a\"", 304, SelectedBody::Empty, None),
        ("HEAD", "if-none-match: \"a\"", 304, SelectedBody::Empty, None),
        ("GET", "range: bytes=1-2", 206, bytes(1, 3), Some("bytes 1-2/4")),
        ("GET", "range: bytes=-1", 206, bytes(3, 4), Some("bytes 3-3/4")),
        ("GET", "range: bytes=4-", 416, SelectedBody::Empty, Some("bytes */4")),
        ("GET", "range: bytes=1-2\nif-range: \"b\"", 200, SelectedBody::Full, None),
        ("HEAD", "range: bytes=1-2", 200, SelectedBody::Empty, None),
    ];
    for (method, head, status, body, content_range) in table {
        let mut isolate = Isolate::new("");
        isolate.fill(stored);
        let mut exchange = isolate.request(method, "/a", head);
        isolate.walk(&mut exchange, [(ExchangeEvent::Started, Step::Serve)]);
        let response = exchange.stored_response(isolate.now).expect("a candidate");
        assert_eq!((response.status, response.body), (status, body), "{method} {head}");
        let range = match &response.headers {
            SelectedHeaders::Range(headers) => headers.first("content-range"),
            SelectedHeaders::Full | SelectedHeaders::NotModified => None,
        };
        assert_eq!(range, content_range, "{method} {head}");
        assert_eq!(response.headers == SelectedHeaders::NotModified, status == 304, "{method} {head}");
        let headers = exchange.not_modified_headers(&response.found);
        assert_eq!((headers.has("content-type"), headers.has("etag")), (false, true));
    }
    // A client that has the response already gets a 304 while the entry is stored.
    let mut isolate = Isolate::new("");
    let mut exchange = isolate.get("if-none-match: \"a\"");
    isolate.walk(&mut exchange, fetch(200, stored, Step::Store));
    let head = exchange.forwarded_head(isolate.now);
    assert_eq!((head.status, head.bytes), (304, ForwardedBytes::Declared(0)));
}

#[test]
fn bodies_are_stored_only_whole() {
    let head = "cache-control: max-age=60\ncontent-length: 4";
    let complete = |body_length| ExchangeEvent::BodyComplete { body: "body", body_length, etag: None };
    let table = [
        (complete(4), Step::WriteTiers),
        (complete(3), Step::Done),
        (complete(5), Step::Done),
        (ExchangeEvent::BodyAborted, Step::Done),
    ];
    for (event, expect) in table {
        let mut isolate = Isolate::new("");
        let mut exchange = isolate.get("");
        isolate.walk(&mut exchange, fetch(200, head, Step::Store));
        isolate.walk(&mut exchange, [(event, expect)]);
        let is_stored = expect == Step::WriteTiers;
        assert_eq!(exchange.is_in_memory(&mut isolate.shared), is_stored);
        assert_eq!(exchange.tier_write().is_some(), is_stored);
        assert_eq!(exchange.fill_key(isolate.now, &mut isolate.shared).is_some(), is_stored);
    }
    // Memory refuses an entry that is larger than all of it; the tiers below get it.
    let mut isolate = Isolate::new("");
    isolate.shared.memory.set_max_bytes(100);
    let mut exchange = isolate.get("");
    isolate.walk(&mut exchange, fetch(200, head, Step::Store));
    isolate.walk(&mut exchange, [(complete(4), Step::WriteTiers)]);
    assert!(!exchange.is_in_memory(&mut isolate.shared) && exchange.tier_write().is_some());
}

#[test]
fn an_entity_tag_is_made_where_the_origin_gives_none() {
    let table = [
        (200, "cache-control: max-age=60", 4, true),
        (200, "cache-control: max-age=60\netag: \"a\"", 4, false),
        (200, "cache-control: max-age=60\ncontent-length: 5", 4, false),
        (200, "cache-control: max-age=60", (1 << 20) + 1, false),
        (301, "cache-control: max-age=60\nlocation: /b", 0, false),
    ];
    for (status, head, body_length, expect) in table {
        let mut isolate = Isolate::new("");
        let mut exchange = isolate.get("");
        isolate.walk(&mut exchange, fetch(status, head, Step::Store));
        assert_eq!(exchange.needs_etag(body_length), expect, "{status} {head} {body_length}");
    }
    let mut isolate = Isolate::new("");
    let mut exchange = isolate.get("");
    isolate.walk(&mut exchange, fetch(200, PAGE, Step::Store));
    let etag = Some("\"ours\"".to_owned());
    let body = ExchangeEvent::BodyComplete { body: "body", body_length: 4, etag };
    isolate.walk(&mut exchange, [(body, Step::WriteTiers)]);
    isolate.wait(90);
    // The origin does not know the tag, so it is not asked about it.
    let mut stale = isolate.get("");
    isolate.walk(
        &mut stale,
        [(ExchangeEvent::Started, Step::Fetch), (ExchangeEvent::OriginNeeded, Step::ContactOrigin)],
    );
    assert!(!stale.origin_request(isolate.now, &isolate.shared).headers.has("if-none-match"));
}

#[test]
fn scripts_are_injected_into_plain_html_only() {
    let csp = "content-type: text/html; charset=utf-8\ncontent-security-policy: script-src 'nonce-n1'";
    let table = [
        ("GET", 200, "content-type: text/html", Some("<script type=\"module\">")),
        ("GET", 200, csp, Some("<script type=\"module\" nonce=\"n1\">")),
        ("GET", 200, "content-type: application/json", None),
        ("GET", 200, "content-type: text/html\ncontent-encoding: gzip", None),
        ("GET", 404, "content-type: text/html", None),
        ("HEAD", 200, "content-type: text/html", None),
    ];
    for (method, status, head, expect) in table {
        let mut isolate = Isolate::new(r#", "inject": "shop""#);
        let mut exchange = isolate.request(method, "/a", "accept-encoding: gzip");
        let request = exchange.origin_request(isolate.now, &isolate.shared);
        assert!(!request.headers.has("accept-encoding"));
        isolate.step(&mut exchange, responded(status, head));
        let script = exchange.injection();
        assert_eq!(script.is_some(), expect.is_some(), "{method} {status} {head}");
        if let (Some(script), Some(start)) = (script, expect) {
            assert!(script.starts_with(start) && script.contains("site: \"shop\""), "{script}");
        }
    }
    let mut isolate = Isolate::new(r#", "inject": "shop""#);
    let mut exchange = isolate.get("");
    isolate.walk(&mut exchange, fetch(200, &format!("{PAGE}\netag: \"a\"\ncontent-length: 3"), Step::Store));
    assert!(exchange.injection().is_some());
    // The length of the page with the script is another than the origin's.
    isolate.walk(&mut exchange, [(complete(), Step::WriteTiers)]);
    let response = exchange.stored_response(isolate.now).expect("a candidate");
    assert_eq!(response.found.entry.headers.first("etag"), Some("W/\"a\""));
}

/// Sends a write, and returns the hashes that the purge clock is to get.
#[track_caller]
fn write(isolate: &mut Isolate, method: &str, path: &str, status: u16, head: &str) -> Vec<UrlHash> {
    let mut exchange = isolate.request(method, path, "");
    exchange.pass_request(isolate.now, &isolate.shared);
    isolate.walk(&mut exchange, [(responded(status, head), Step::Send)]);
    exchange.invalidate(isolate.now, &mut isolate.shared);
    isolate.shared.writes.take_batch(isolate.now).into_iter().collect()
}

#[test]
fn successful_writes_invalidate_their_urls() {
    let table = [
        ("POST", 200, "", vec!["www.example/a"]),
        ("PUT", 303, "location: /b", vec!["www.example/a", "www.example/b"]),
        ("PATCH", 201, "content-location: c?x=1", vec!["www.example/a", "www.example/c?x=1"]),
        ("DELETE", 204, "location: https://other.example/b", vec!["www.example/a"]),
        ("POST", 404, "location: /b", vec![]),
        ("GET", 200, "location: /b", vec![]),
        ("OPTIONS", 200, "", vec![]),
    ];
    let methods = r#", "methods": ["GET", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]"#;
    for (method, status, head, expect) in table {
        for purges in [true, false] {
            let mut isolate = Isolate::new(&format!(r#"{methods}, "purge_on_write": {purges}"#));
            isolate.fill(PAGE);
            let marks = write(&mut isolate, method, "/a", status, head);
            let mut hashes: Vec<_> = expect.iter().map(|url| UrlHash::from_url(url)).collect();
            hashes.sort();
            let expected_marks = if purges { hashes } else { Vec::new() };
            assert_eq!(marks, expected_marks, "{method} {status} {head}");
            let mut read = isolate.get("");
            let is_served = read.try_memory(isolate.now, &mut isolate.shared);
            assert_eq!(is_served, expect.is_empty(), "{method} {status}");
        }
    }
    let mut isolate = Isolate::new(r#", "bypass": true, "methods": ["POST"]"#);
    write(&mut isolate, "POST", "/a", 200, "");
    let is_written = isolate.shared.writes.is_written_since("www.example/a", START);
    assert!(!is_written, "a route without a cache has no entries");
}

#[test]
fn a_location_is_purged_everywhere_only_if_its_own_route_allows_it() {
    let text = r#"{"routes": [
        {"host": "www.example", "path": "/form", "origin": "https://o.example", "purge_on_write": true},
        {"host": "www.example", "path": "/**", "origin": "https://o.example"}]}"#;
    let mut isolate = Isolate::new("");
    isolate.config = Rc::new(CacheConfig::parse(text).expect("routes"));
    let marks = write(&mut isolate, "POST", "/form", 303, "location: /page");
    assert_eq!(marks, [UrlHash::from_url("www.example/form")]);
    assert!(isolate.shared.writes.is_written_since("www.example/page", START), "this isolate knows");
}

#[test]
fn a_written_url_is_fetched_anew_whichever_tier_has_it() {
    let mut isolate = Isolate::new("");
    isolate.fill(PAGE);
    let held = isolate.get("").try_memory(isolate.now, &mut isolate.shared);
    assert!(held);
    let (entry, _) = {
        let mut exchange = isolate.get("");
        exchange.try_memory(isolate.now, &mut isolate.shared);
        let found = exchange.stored_response(isolate.now).expect("a candidate").found;
        CacheEntry::decode(&found.entry.encode_head(4)).expect("an entry")
    };
    isolate.wait(1);
    // A fetch that was in progress during the write brings what the origin had before it.
    let mut late = isolate.request("GET", "/late", "");
    isolate.walk(
        &mut late,
        [
            (ExchangeEvent::Started, Step::Lookup),
            (ExchangeEvent::TiersExhausted, Step::Fetch),
            (ExchangeEvent::OriginNeeded, Step::ContactOrigin),
        ],
    );
    isolate.wait(1);
    write(&mut isolate, "POST", "/a", 200, "location: /late");
    isolate.wait(1);
    isolate.walk(&mut late, [(responded(200, PAGE), Step::Send)]);
    let mut read = isolate.get("");
    assert!(!read.try_memory(isolate.now, &mut isolate.shared));
    let below = ExchangeEvent::TierEntryFound {
        tier: Tier::Kv,
        entry: Box::new(entry),
        body: "body",
        body_length: 4,
    };
    isolate.walk(&mut read, [(below, Step::Fetch)]);
    isolate.walk(&mut read, [(ExchangeEvent::OriginNeeded, Step::ContactOrigin)]);
    isolate.walk(&mut read, [(responded(200, PAGE), Step::Store), (complete(), Step::WriteTiers)]);
    assert!(isolate.get("").try_memory(isolate.now, &mut isolate.shared), "the new response is served");
}

#[test]
fn requests_are_rejected_before_the_cache_is_asked() {
    let table = [
        (r#", "methods": ["GET"]"#, "POST", "", 405, "method", Some(("allow", "GET"))),
        ("", "GET", &*format!("x: {}", "x".repeat(32 * 1024)), 431, "head", None),
        (r#", "require": {"bearer": "S"}"#, "GET", "", 401, "require", Some(("www-authenticate", "Bearer"))),
        (r#", "require": {"bearer": "S"}"#, "GET", "authorization: Bearer wrong", 401, "require", None),
        (
            r#", "require": {"cookie": "c", "login": "https://login.example/?next={path}"}"#,
            "GET",
            "",
            302,
            "require",
            Some(("location", "https://login.example/?next=/a")),
        ),
    ];
    for (route, method, head, status, detail, field) in table {
        let isolate = Isolate::new(route);
        let request = RequestStart {
            url: UrlParts::parse("https://www.example/a").expect("a URL"),
            head: RequestHead { method: method.into(), headers: Headers::parse(head) },
            client_ip: "",
        };
        let begun =
            Exchange::<Body>::start_for_client(&isolate.config, request, START, |_, value| value == "right");
        let rejection = begun.expect("a route").expect_err("a rejection");
        assert_eq!((rejection.response.status, rejection.detail), (status, detail), "{route}");
        let cache_status = format!("edge-vitals; detail={detail}");
        assert_eq!(rejection.response.headers.first("cache-status"), Some(&*cache_status));
        if let Some((name, value)) = field {
            assert_eq!(rejection.response.headers.first(name), Some(value), "{route}");
        }
    }
    let isolate = Isolate::new(r#", "require": {"bearer": "S"}"#);
    let mut allowed = isolate.get("authorization: Bearer right");
    let mut shared = SharedState::default();
    assert_eq!(allowed.handle(ExchangeEvent::Started, START, &mut shared), Step::Pass);
    let url = UrlParts::parse("https://www.example/a").expect("a URL");
    let simulated = Exchange::<Body>::simulate(&isolate.config, url, Headers::new(), START);
    assert!(simulated.expect("a route").is_ok(), "access rules are for clients");
    let other = UrlParts::parse("https://other.example/a").expect("a URL");
    assert!(Exchange::<Body>::simulate(&isolate.config, other, Headers::new(), START).is_none());
}

#[test]
fn the_record_of_a_response_has_its_route_status_and_times() {
    let mut isolate = Isolate::new("");
    let mut exchange = isolate.get("");
    isolate.walk(
        &mut exchange,
        [
            (ExchangeEvent::Started, Step::Lookup),
            (ExchangeEvent::TiersExhausted, Step::Fetch),
            (ExchangeEvent::OriginNeeded, Step::ContactOrigin),
        ],
    );
    isolate.now = isolate.now.saturating_add(30);
    let head = format!("{PAGE}\nserver-timing: db;dur=2");
    isolate.walk(&mut exchange, [(responded(200, &head), Step::Store)]);
    let record = exchange.record(200, isolate.now);
    assert_eq!(record.route, RecordedRoute::Path("/a"));
    assert_eq!((record.cache, record.detail), (CacheStatus::Miss, "stored"));
    assert_eq!((record.edge_ms, record.origin_ms), (30, Some(30)));
    assert_eq!(record.queries, [("db".to_owned(), 2.0)]);
    assert_eq!(exchange.record(404, isolate.now).route, RecordedRoute::NotFound);
    let named = Isolate::new(r#", "name": "/page""#);
    assert_eq!(named.get("").record(200, isolate.now).route, RecordedRoute::Named("/page"));
    assert_eq!(RecordedRoute::NotFound.name(str::to_owned), "(not found)");
}

#[test]
fn navigations_between_documents_are_learned_and_suggested() {
    let mut isolate = Isolate::new("");
    isolate.fill(PAGE);
    let visit = |isolate: &mut Isolate, path: &str, headers: &str| {
        let mut exchange = isolate.request("GET", path, &format!("accept: text/html\n{headers}"));
        isolate.walk(&mut exchange, fetch(200, &format!("{PAGE}\ndate: x"), Step::Store));
        exchange.observe(200, isolate.now, &mut isolate.shared, str::to_owned);
        exchange.take_prefetches()
    };
    for _ in 0..5 {
        assert!(visit(&mut isolate, "/b", "referer: https://www.example/a").is_empty());
        isolate.wait(11);
    }
    assert_eq!(visit(&mut isolate, "/a?x", "").len(), 1);
    assert!(!isolate.shared.prefetcher.take_unsynced().is_empty());
    assert!(!isolate.shared.metrics.is_empty());
    let foreign = visit(&mut isolate, "/c", "referer: https://other.example/a");
    assert!(foreign.is_empty() && isolate.shared.prefetcher.take_unsynced().is_empty());
}

#[test]
fn explain_reports_the_step_with_its_reasons() {
    let mut isolate = Isolate::new(r#", "limit": {"most": 5}"#);
    isolate.fill(PAGE);
    let mut exchange = isolate.get("");
    let step = isolate.step(&mut exchange, ExchangeEvent::Started);
    let explained = exchange.explain(step, isolate.now, &isolate.shared);
    assert_eq!(explained["does"], "serve");
    assert_eq!(explained["url"], "https://www.example/a");
    assert_eq!(explained["origin"], "https://origin.example/a");
    assert_eq!(explained["stored"]["bytes"], 4);
    assert_eq!(explained["stored"]["tier"], "memory");
    assert_eq!(explained["limit"]["most"], 5.0);
    assert_eq!(explained["because"].as_array().map(Vec::len), Some(1));
    let codes: std::collections::BTreeSet<_> = Step::ALL.iter().map(|step| step.code()).collect();
    assert_eq!(codes.len(), Step::ALL.len());
}

#[test]
fn an_exchange_knows_its_route_and_host_and_a_ranged_head_passes_as_a_head() {
    let text = r#"{"routes": [
        {"host": "shop.example", "path": "/*", "origin": "https://origin.example"},
        {"host": "www.example", "path": "/*", "origin": "https://origin.example"}
    ]}"#;
    let config = Rc::new(CacheConfig::parse(text).expect("a configuration"));
    let mut isolate = Isolate { config, ..Isolate::new("") };
    let mut exchange = isolate.request("HEAD", "/a", "range: bytes=0-1");
    assert_eq!((exchange.route_index(), exchange.host()), (1, "www.example"));
    let passed = || [(ExchangeEvent::Started, Step::Lookup), (ExchangeEvent::TiersExhausted, Step::Pass)];
    isolate.walk(&mut exchange, passed());
    let explained = exchange.explain(Step::Pass, isolate.now, &isolate.shared).to_string();
    assert!(!explained.contains("a range cannot be stored"), "{explained}");
    let mut ranged = isolate.request("GET", "/a", "range: bytes=0-1");
    isolate.walk(&mut ranged, passed());
    let explained = ranged.explain(Step::Pass, isolate.now, &isolate.shared).to_string();
    assert!(explained.contains("a range cannot be stored"), "{explained}");
}

/// The router of Next.js adds a hash of its fields to the address; without one of them, Next.js redirects.
#[test]
fn a_redirect_made_without_a_field_is_asked_again_with_all_of_them() {
    let mut isolate = Isolate::new(r#", "query": ["_rsc"], "vary": ["rsc", "next-url"]"#);
    let fields = "accept: */*\nrsc: 1\nnext-url: /a";
    let page = "cache-control: max-age=60\nvary: rsc\ncontent-type: text/x-component";
    let redirect = "cache-control: max-age=60\nlocation: /a?_rsc=y";
    let forwarded = |exchange: &mut Exchange<Body>, isolate: &Isolate| {
        let headers = exchange.origin_request(isolate.now, &isolate.shared).headers;
        ["accept", "rsc", "next-url"].map(|name| headers.has(name))
    };
    for round in 0..3 {
        let mut exchange = isolate.request("GET", "/a?_rsc=x", fields);
        let needs = [
            (ExchangeEvent::Started, Step::Lookup),
            (ExchangeEvent::TiersExhausted, Step::Fetch),
            (ExchangeEvent::OriginNeeded, Step::ContactOrigin),
        ];
        isolate.walk(&mut exchange, needs);
        let got = forwarded(&mut exchange, &isolate);
        if got == [true; 3] {
            isolate.walk(&mut exchange, [(responded(200, page), Step::Send)]);
            continue;
        }
        assert!(got[1], "round {round}");
        isolate.walk(&mut exchange, [(responded(307, redirect), Step::Fetch)]);
        isolate.walk(&mut exchange, [(ExchangeEvent::OriginNeeded, Step::ContactOrigin)]);
        assert_eq!(forwarded(&mut exchange, &isolate), [true; 3], "round {round}");
        isolate.walk(&mut exchange, [(responded(200, page), Step::Send)]);
    }
}
