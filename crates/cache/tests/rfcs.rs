//! The RFCs as tables, with one test for each section: the origin's response, the next request with its
//! delay, and the expected plan.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

use cache::{
    CacheEntry, DecisionLog, DecisionReason, EnvelopeHeader, Headers, LookupCandidate, LookupPlan,
    RequestHead, ResponseHead, RevalidationOutcome, RoutePolicy, UnixMillis, UnusualStorage,
    apply_not_modified, can_serve_stale_on_error, plan_lookup, purge::PurgeStatus, storable_entry,
};

/// Sun, 06 Nov 1994 08:49:37 GMT.
const START: u64 = 784_111_777;
const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const LATER: &str = "Sun, 06 Nov 1994 08:50:37 GMT";
const DAYS_AGO: &str = "Thu, 27 Oct 1994 08:49:37 GMT";

fn at(seconds: u64) -> UnixMillis {
    UnixMillis((START + seconds) * 1000)
}

fn response(status: u16, headers: &str) -> ResponseHead {
    ResponseHead { status, headers: Headers::parse(&lines(headers)), requested: at(0), received: at(0) }
}

/// Splits the fields in a cell of a table, which are separated by bars.
fn lines(fields: &str) -> String {
    fields.replace(" | ", "\n")
}

fn get(headers: &str) -> RequestHead {
    RequestHead::get(Headers::parse(&lines(headers)))
}

fn store(
    request: &RequestHead,
    answer: &ResponseHead,
    policy: &RoutePolicy,
) -> Result<CacheEntry, &'static str> {
    let mut log = DecisionLog::new();
    storable_entry(request, answer, policy, 0, &mut log)
        .ok_or_else(|| log.last().map_or("no ground", DecisionReason::code))
}

fn plan_label(
    entry: &CacheEntry,
    purge_status: PurgeStatus,
    request: &RequestHead,
    policy: &RoutePolicy,
    now: u64,
) -> &'static str {
    let candidate = LookupCandidate { entry, purge_status, is_hot: false };
    match plan_lookup(Some(candidate), request, policy, at(now), &mut DecisionLog::new()) {
        LookupPlan::Serve => "serve",
        LookupPlan::ServeThenRevalidate(_) => "serve, then ask",
        LookupPlan::Revalidate { stale_on_error: false, .. } => "ask",
        LookupPlan::Revalidate { stale_on_error: true, .. } => "ask, or stale",
        LookupPlan::Fetch { stale_on_error: false } => "fetch",
        LookupPlan::Fetch { stale_on_error: true } => "fetch, or stale",
        LookupPlan::GatewayTimeout => "504",
    }
}

/// Checks the plans for a response to a plain GET that is requested again after some seconds.
#[track_caller]
fn check(policy: &RoutePolicy, table: &[(u16, &str, u64, &str)]) {
    for (status, headers, later, expect) in table {
        let plan = match store(&get(""), &response(*status, headers), policy) {
            Ok(entry) => plan_label(&entry, PurgeStatus::NotPurged, &get(""), policy, *later),
            Err(code) => code,
        };
        assert_eq!(plan, *expect, "{status} {headers} after {later} s");
    }
}

#[test]
fn rfc_9111_3_storing() {
    check(
        &RoutePolicy::default(),
        &[
            (200, "cache-control: max-age=60", 10, "serve"),
            (200, "cache-control: max-age=60, no-store", 10, "no-store"),
            (200, "cache-control: max-age=60, private", 10, "private"),
            (200, "cache-control: public, max-age=60", 10, "serve"),
            (200, "", 10, "no-lifetime"),
            (200, "cache-control: s-maxage=60", 10, "serve"),
            (
                200,
                "expires: Sun, 06 Nov 1994 08:50:37 GMT | date: Sun, 06 Nov 1994 08:49:37 GMT",
                10,
                "serve",
            ),
            (302, "cache-control: max-age=60", 10, "serve"),
            (302, "", 10, "no-lifetime"),
            (599, "cache-control: max-age=60", 10, "serve"),
            (103, "cache-control: max-age=60", 10, "not-final"),
            (600, "cache-control: max-age=60", 10, "not-final"),
            (304, "cache-control: max-age=60", 10, "partial"),
            // This cache is stricter than §3.
            (200, "cache-control: max-age=60 | set-cookie: a=b", 10, "set-cookie"),
            // Errors of one moment, unless the origin says how long they hold.
            (400, "", 10, "momentary"),
            (503, "last-modified: Thu, 27 Oct 1994 08:49:37 GMT", 10, "momentary"),
            (429, "cache-control: public", 10, "momentary"),
            (400, "cache-control: max-age=60", 10, "serve"),
            (
                431,
                "expires: Sun, 06 Nov 1994 08:50:37 GMT | date: Sun, 06 Nov 1994 08:49:37 GMT",
                10,
                "serve",
            ),
            (503, "cache-control: max-age=60", 10, "serve"),
            (503, "cdn-cache-control: max-age=60", 10, "serve"),
            (429, "cache-control: public, s-maxage=60", 10, "serve"),
            (503, "cache-control: no-store, max-age=60", 10, "no-store"),
        ],
    );
    for method in ["HEAD", "POST", "PUT", "OPTIONS", "PROPFIND"] {
        let request = RequestHead { method: method.into(), headers: Headers::new() };
        assert_eq!(
            store(&request, &response(200, "cache-control: max-age=60"), &RoutePolicy::default()),
            Err("method")
        );
    }
}

#[test]
fn rfc_9111_7_3_a_response_that_sets_a_cookie_is_stored_where_a_route_asks_for_it() {
    let policy =
        RoutePolicy { ttl: Some(60), stores_also: vec![UnusualStorage::SetCookie], ..RoutePolicy::default() };
    check(
        &policy,
        &[
            (200, "cache-control: max-age=60 | set-cookie: a=b", 10, "serve"),
            // Only with a lifetime of the origin's own.
            (200, "set-cookie: a=b", 10, "set-cookie"),
            (200, "cache-control: private, max-age=60 | set-cookie: a=b", 10, "private"),
        ],
    );
    let cookies = |policy: &RoutePolicy, headers| {
        store(&get(""), &response(200, headers), policy)
            .map(|entry| entry.headers.get_all("set-cookie").map(str::to_owned).collect::<Vec<_>>())
    };
    assert_eq!(
        cookies(&policy, "cache-control: max-age=60 | set-cookie: a=b | set-cookie: c=d"),
        Ok(vec!["a=b".to_owned(), "c=d".to_owned()])
    );
    let hidden = "cache-control: max-age=60, no-cache=\"set-cookie\" | set-cookie: a=b";
    assert_eq!(cookies(&policy, hidden), Ok(vec![]), "the origin hides it");
    assert_eq!(cookies(&RoutePolicy::default(), hidden), Ok(vec![]));
}

#[test]
fn rfc_9110_15_1_heuristically_cacheable_statuses() {
    let modified = format!("last-modified: {DAYS_AGO} | date: {NOW}");
    for status in [200, 203, 204, 300, 301, 308, 405, 414, 501] {
        check(&RoutePolicy::default(), &[(status, &modified, 10, "serve")]);
    }
    for status in [201, 202, 302, 303, 307, 401, 403, 451] {
        check(&RoutePolicy::default(), &[(status, &modified, 10, "no-lifetime")]);
    }
    // The route's lifetime is for pages.
    let policy = RoutePolicy { ttl: Some(600), ..RoutePolicy::default() };
    for status in [405, 414, 501] {
        check(&policy, &[(status, "", 10, "no-lifetime")]);
    }
}

#[test]
fn rfc_9111_3_1_hop_by_hop_headers_are_not_stored() {
    let answer =
        response(200, "cache-control: max-age=60 | connection: x-hop | x-hop: 1 | keep-alive: 5 | x-kept: 2");
    let entry = store(&get(""), &answer, &RoutePolicy::default()).expect("stored");
    let names: Vec<&str> = entry.headers.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["cache-control", "x-kept", "date"]);
}

#[test]
fn rfc_9111_3_3_a_partial_response_is_not_stored() {
    check(
        &RoutePolicy::default(),
        &[(206, "cache-control: max-age=60 | content-range: bytes 0-1/9", 1, "partial")],
    );
}

#[test]
fn rfc_9111_3_5_a_response_to_an_authorized_request_is_stored_only_if_the_origin_allows_it() {
    let policy = RoutePolicy::default();
    let request = get("authorization: Bearer x");
    let table = [
        ("cache-control: max-age=60", Err("authorized")),
        ("cache-control: max-age=60, public", Ok("serve")),
        ("cache-control: s-maxage=60", Ok("serve")),
        ("cache-control: max-age=60, must-revalidate", Ok("serve")),
        ("cache-control: max-age=60, proxy-revalidate", Ok("serve")),
    ];
    for (headers, expect) in table {
        let plan = store(&request, &response(200, headers), &policy)
            .map(|stored| plan_label(&stored, PurgeStatus::NotPurged, &request, &policy, 1));
        assert_eq!(plan, expect, "{headers}");
    }
}

#[test]
fn rfc_9111_4_1_variants() {
    let policy = RoutePolicy::default();
    let table = [
        ("accept-encoding", Ok(())),
        ("Accept, Accept-Language", Ok(())),
        ("*", Err("vary")),
        ("cookie", Err("vary")),
        ("User-Agent", Err("vary")),
        ("accept | vary: x-unlisted", Err("vary")),
    ];
    for (vary, expect) in table {
        let plan =
            store(&get(""), &response(200, &format!("cache-control: max-age=60 | vary: {vary}")), &policy);
        assert_eq!(plan.map(drop), expect, "{vary}");
    }
}

#[test]
fn rfc_9111_4_2_1_lifetimes() {
    let expires = format!("date: {NOW} | expires: {LATER}");
    let with = |more: &str| format!("{expires} | cache-control: {more}");
    let (shared, own, none) = (with("max-age=10, s-maxage=100"), with("max-age=10"), with("max-age=x"));
    check(
        &RoutePolicy::default(),
        &[
            (200, &expires, 59, "serve"),
            // Fresh while the lifetime exceeds the age, and not when it equals it.
            (200, "cache-control: max-age=60 | etag: \"a\"", 59, "serve"),
            (200, "cache-control: max-age=60 | etag: \"a\"", 60, "ask"),
            (200, "cache-control: max-age=60", 60, "fetch"),
            (200, &shared, 99, "serve"),
            (200, &shared, 100, "fetch"),
            (200, &own, 10, "fetch"),
            (200, &none, 0, "useless"),
            (200, "cache-control: max-age=60, max-age=5", 5, "fetch"),
            (200, "cache-control: MAX-AGE=\"60\"", 59, "serve"),
            (200, "cache-control: max-age=4294967296000", 1 << 30, "serve"),
            (200, "cache-control: max-age=0", 0, "useless"),
        ],
    );
}

#[test]
fn rfc_9111_4_2_2_heuristics_need_no_explicit_lifetime_and_a_suitable_status() {
    let ten_days = format!("last-modified: {DAYS_AGO} | date: {NOW}");
    let with = |more: &str| format!("{ten_days} | {more}");
    let (zero, future, public) = (
        with("cache-control: max-age=0"),
        format!("last-modified: {LATER} | date: {NOW}"),
        with("cache-control: public"),
    );
    check(
        &RoutePolicy::default(),
        &[
            // A tenth of ten days.
            (200, &ten_days, 86_399, "serve"),
            (200, &ten_days, 86_400, "ask"),
            (301, &ten_days, 100, "serve"),
            (302, &ten_days, 100, "no-lifetime"),
            (302, &public, 100, "serve"),
            (200, &zero, 1, "ask"),
            (200, &future, 0, "ask"),
        ],
    );
}

#[test]
fn rfc_9111_4_2_3_age() {
    let policy = RoutePolicy::default();
    let table = [
        ("", 0, 7, 7),
        ("age: 30", 0, 7, 37),
        ("age: 30", 5, 7, 42),
        ("age: 30, 90", 0, 0, 30),
        ("age: -1", 0, 0, 0),
        ("age: 1.5", 0, 0, 0),
        ("age: 99999999999999999999", 0, 0, 1 << 31),
        // By the origin's clock, the response is a minute old.
        ("date: Sun, 06 Nov 1994 08:48:37 GMT", 0, 0, 60),
        ("date: Sun, 06 Nov 1994 08:48:37 GMT | age: 70", 0, 0, 70),
        // A Date in the future is ignored.
        ("date: Sun, 06 Nov 1994 08:50:37 GMT", 0, 0, 0),
        ("date: nonsense", 0, 3, 3),
    ];
    for (headers, delay, later, expect) in table {
        let mut answer =
            response(200, &format!("cache-control: max-age=2147483648, stale-if-error=9 | {headers}"));
        answer.requested = at(0);
        answer.received = at(delay);
        // The Date of the response is compared with the time of its arrival.
        let entry = store(&get(""), &answer, &policy).expect(headers);
        assert_eq!(entry.age(at(delay + later)), expect, "{headers}");
    }
}

#[test]
fn rfc_9111_4_2_4_stale_is_served_only_if_allowed() {
    let plain = RoutePolicy::default();
    let lenient = RoutePolicy { stale_while_revalidate: 30, stale_if_error: 300, ..plain.clone() };
    check(&plain, &[(200, "cache-control: max-age=60 | etag: \"a\"", 61, "ask")]);
    check(
        &lenient,
        &[
            (200, "cache-control: max-age=60 | etag: \"a\"", 61, "serve, then ask"),
            (200, "cache-control: max-age=60 | etag: \"a\"", 90, "serve, then ask"),
            (200, "cache-control: max-age=60 | etag: \"a\"", 91, "ask, or stale"),
            (200, "cache-control: max-age=60 | etag: \"a\"", 361, "ask"),
            // The origin can forbid what the route allows.
            (200, "cache-control: max-age=60, must-revalidate | etag: \"a\"", 61, "ask"),
            (200, "cache-control: max-age=60, proxy-revalidate | etag: \"a\"", 61, "ask"),
            (200, "cache-control: s-maxage=60 | etag: \"a\"", 61, "ask"),
            (200, "cache-control: no-cache | etag: \"a\"", 1, "ask"),
        ],
    );
}

#[test]
fn rfc_9111_4_3_1_revalidation_sends_the_stored_validators() {
    let table: [(&str, &[(&str, &str)]); 4] = [
        ("etag: \"a\"", &[("if-none-match", "\"a\"")]),
        ("etag: W/\"a\"", &[("if-none-match", "W/\"a\"")]),
        (
            "etag: \"a\" | last-modified: Thu, 27 Oct 1994 08:49:37 GMT",
            &[("if-none-match", "\"a\""), ("if-modified-since", DAYS_AGO)],
        ),
        ("last-modified: Thu, 27 Oct 1994 08:49:37 GMT", &[("if-modified-since", DAYS_AGO)]),
    ];
    for (headers, expect) in table {
        let answer = response(200, &format!("cache-control: no-cache | {headers}"));
        let entry = store(&get(""), &answer, &RoutePolicy::default()).expect(headers);
        // The client's own validators are not those of the cache.
        let request = get("if-none-match: \"visitors\"");
        let candidate =
            LookupCandidate { entry: &entry, purge_status: PurgeStatus::NotPurged, is_hot: false };
        let LookupPlan::Revalidate { conditions, .. } =
            plan_lookup(Some(candidate), &request, &RoutePolicy::default(), at(1), &mut DecisionLog::new())
        else {
            panic!("{headers} is not revalidated")
        };
        let conditions: Vec<(&str, &str)> =
            conditions.iter().map(|(name, value)| (*name, &**value)).collect();
        assert_eq!(conditions, expect, "{headers}");
    }
}

fn revalidate(own: &str, update: &str, policy: &RoutePolicy) -> RevalidationOutcome {
    let entry = store(&get(""), &response(200, own), policy).expect(own);
    let mut update = response(304, update);
    (update.requested, update.received) = (at(100), at(100));
    apply_not_modified(&entry, &get(""), &update, policy, 5, &mut DecisionLog::new())
}

#[test]
fn rfc_9111_4_3_4_a_304_updates_the_stored_headers() {
    let own =
        "cache-control: max-age=60 | etag: \"a\" | content-length: 3 | x-old: 1 | age: 7 | cache-tag: t";
    let update =
        "cache-control: max-age=90 | etag: \"a\" | content-length: 0 | content-encoding: br | x-new: 2";
    let RevalidationOutcome::Updated(fresh) = revalidate(own, update, &RoutePolicy::default()) else {
        panic!("the entry is not updated")
    };
    let field = |name| fresh.headers.first(name);
    assert_eq!(
        [
            field("cache-control"),
            field("content-length"),
            field("content-encoding"),
            field("x-old"),
            field("x-new"),
            field("age")
        ],
        [Some("max-age=90"), Some("3"), None, Some("1"), Some("2"), None]
    );
    assert_eq!((fresh.age(at(100)), fresh.freshness.lifetime, fresh.purge_seq), (0, 90, 5));
    assert_eq!(fresh.tags, ["t"], "a 304 without tags removes none");
}

#[test]
fn rfc_9111_4_3_4_a_304_with_another_strong_etag_updates_nothing() {
    let own = "cache-control: max-age=60 | etag: \"a\"";
    assert_eq!(revalidate(own, "etag: \"b\"", &RoutePolicy::default()), RevalidationOutcome::Mismatch);
    assert!(matches!(
        revalidate(own, "etag: W/\"b\"", &RoutePolicy::default()),
        RevalidationOutcome::Updated(_)
    ));
    assert!(matches!(revalidate(own, "", &RoutePolicy::default()), RevalidationOutcome::Updated(_)));
    assert!(matches!(
        revalidate(own, "cache-control: no-store", &RoutePolicy::default()),
        RevalidationOutcome::UseOnce(_)
    ));
    assert!(matches!(
        revalidate(own, "set-cookie: a=b", &RoutePolicy::default()),
        RevalidationOutcome::UseOnce(_)
    ));
}

#[test]
fn rfc_9111_5_2_1_request_directives_are_honored_if_the_route_allows_it() {
    let honoring = RoutePolicy { honors_request_directives: true, ..RoutePolicy::default() };
    let origin = "cache-control: max-age=60 | etag: \"a\"";
    let table = [
        // Request fields, delay in seconds, plan if honored, plan if not honored.
        ("cache-control: no-cache", 10, "ask", "serve"),
        ("pragma: no-cache", 10, "ask", "serve"),
        ("pragma: no-cache | cache-control: max-age=30", 10, "serve", "serve"),
        ("cache-control: max-age=5", 10, "ask", "serve"),
        ("cache-control: max-age=10", 10, "serve", "serve"),
        ("cache-control: max-age=5, max-stale=5", 10, "serve", "serve"),
        ("cache-control: min-fresh=50", 10, "serve", "serve"),
        ("cache-control: min-fresh=51", 10, "ask", "serve"),
        ("cache-control: max-stale", 600, "serve", "ask"),
        ("cache-control: max-stale=10", 70, "serve", "ask"),
        ("cache-control: max-stale=10", 71, "ask", "ask"),
        ("cache-control: only-if-cached", 10, "serve", "serve"),
        ("cache-control: only-if-cached", 61, "504", "504"),
    ];
    let entry = store(&get(""), &response(200, origin), &honoring).expect("stored");
    for (directive, later, honored, ignored) in table {
        assert_eq!(
            plan_label(&entry, PurgeStatus::NotPurged, &get(directive), &honoring, later),
            honored,
            "{directive}"
        );
        assert_eq!(
            plan_label(&entry, PurgeStatus::NotPurged, &get(directive), &RoutePolicy::default(), later),
            ignored,
            "{directive}"
        );
    }
    let strict = self::store(
        &get(""),
        &response(200, "cache-control: max-age=60, must-revalidate | etag: \"a\""),
        &honoring,
    );
    assert_eq!(
        plan_label(
            &strict.expect("stored"),
            PurgeStatus::NotPurged,
            &get("cache-control: max-stale"),
            &honoring,
            61
        ),
        "ask",
        "the origin's must-revalidate overrides the client's max-stale"
    );
    let no_store = get("cache-control: no-store");
    assert_eq!(self::store(&no_store, &response(200, origin), &honoring).map(drop), Err("request-no-store"));
}

#[test]
fn rfc_9111_5_2_1_7_only_if_cached_without_an_entry_is_504() {
    let plan = plan_lookup(
        None,
        &get("cache-control: only-if-cached"),
        &RoutePolicy::default(),
        at(0),
        &mut DecisionLog::new(),
    );
    assert_eq!(plan, LookupPlan::GatewayTimeout);
}

#[test]
fn rfc_9111_5_2_2_3_must_understand_overrides_no_store_for_known_statuses() {
    check(
        &RoutePolicy::default(),
        &[
            (200, "cache-control: max-age=60, must-understand, no-store", 1, "serve"),
            (299, "cache-control: max-age=60, must-understand", 1, "not-understood"),
            (299, "cache-control: max-age=60", 1, "serve"),
        ],
    );
}

#[test]
fn rfc_9111_5_2_2_4_and_7_qualified_directives_apply_to_their_fields() {
    let answer = response(
        200,
        "cache-control: max-age=60, private=\"set-cookie, X-Own\", no-cache=\"x-moment\" | set-cookie: a=b | x-own: 1 | x-moment: 2 | x-all: 3",
    );
    let entry = store(&get(""), &answer, &RoutePolicy::default()).expect("stored");
    let has = |name| entry.headers.has(name);
    assert_eq!([has("set-cookie"), has("x-own"), has("x-moment"), has("x-all")], [false, false, false, true]);
    assert_eq!(plan_label(&entry, PurgeStatus::NotPurged, &get(""), &RoutePolicy::default(), 1), "serve");
}

#[test]
fn rfc_9111_5_3_an_invalid_expires_is_in_the_past() {
    for expires in ["0", "-1", "never", "Sun, 06 Nov 1994 08:50:37 UTC", ""] {
        let headers = format!("expires: {expires} | etag: \"a\"");
        check(&RoutePolicy::default(), &[(200, &headers, 0, "ask")]);
    }
}

#[test]
fn rfc_9213_cdn_cache_control_replaces_cache_control() {
    check(
        &RoutePolicy::default(),
        &[
            (200, "cache-control: no-store | cdn-cache-control: max-age=60", 59, "serve"),
            (200, "cache-control: max-age=60 | cdn-cache-control: no-store", 1, "no-store"),
            (200, "cache-control: max-age=5 | cdn-cache-control: max-age=60", 59, "serve"),
            (200, "expires: 0 | cdn-cache-control: max-age=60", 59, "serve"),
            (200, "cache-control: private | cdn-cache-control: max-age=60", 1, "serve"),
            (200, "cache-control: max-age=5 | cdn-cache-control: max-age=60, Not Valid", 4, "serve"),
            (200, "cache-control: max-age=5 | cdn-cache-control: max-age=60, Not Valid", 5, "fetch"),
            (200, "cache-control: max-age=5 | cdn-cache-control: ", 5, "fetch"),
            // A valid targeted field without a lifetime still replaces Expires.
            (200, "expires: Sun, 06 Nov 1994 08:50:37 GMT | cdn-cache-control: public", 1, "useless"),
        ],
    );
}

#[test]
fn rfc_5861_stale_while_revalidate_and_stale_if_error() {
    check(
        &RoutePolicy::default(),
        &[
            (
                200,
                "cache-control: max-age=60, stale-while-revalidate=30 | etag: \"a\"",
                60,
                "serve, then ask",
            ),
            (
                200,
                "cache-control: max-age=60, stale-while-revalidate=30 | etag: \"a\"",
                90,
                "serve, then ask",
            ),
            (200, "cache-control: max-age=60, stale-while-revalidate=30 | etag: \"a\"", 91, "ask"),
            (200, "cache-control: max-age=60, stale-while-revalidate=30", 70, "serve, then ask"),
            (200, "cache-control: s-maxage=60, stale-while-revalidate=30", 70, "serve, then ask"),
            (200, "cache-control: max-age=60, stale-if-error=30 | etag: \"a\"", 90, "ask, or stale"),
            (200, "cache-control: max-age=60, stale-if-error=30 | etag: \"a\"", 91, "ask"),
            (200, "cache-control: max-age=60, stale-if-error=30", 90, "fetch, or stale"),
            // RFC 9111 §5.2.2.2: must-revalidate overrides stale-while-revalidate and stale-if-error.
            (
                200,
                "cache-control: max-age=60, must-revalidate, stale-while-revalidate=30 | etag: \"a\"",
                61,
                "ask",
            ),
            (200, "cache-control: max-age=60, must-revalidate, stale-if-error=30 | etag: \"a\"", 61, "ask"),
            (200, "cache-control: max-age=0, stale-while-revalidate=30", 10, "serve, then ask"),
        ],
    );
    let policy = RoutePolicy { stale_if_error: 100, ..RoutePolicy::default() };
    let entry = store(&get(""), &response(200, "cache-control: max-age=60, stale-if-error=0"), &policy)
        .expect("stored");
    assert!(
        !can_serve_stale_on_error(&entry, &policy, at(70), &mut DecisionLog::new()),
        "the origin's directive overrides the route's setting"
    );
}

#[test]
fn ttl_classes_and_negative_ttl_apply_only_without_an_explicit_lifetime() {
    let policy = RoutePolicy { ttl: Some(300), ..RoutePolicy::default() };
    check(
        &policy,
        &[
            (200, "", 299, "serve"),
            (200, "", 300, "fetch"),
            (200, "cache-control: max-age=5", 5, "fetch"),
            (200, "cache-control: no-store", 1, "no-store"),
            (200, "cache-control: private", 1, "private"),
            (200, "cache-control: no-cache", 1, "useless"),
            (200, "cache-control: no-cache | etag: \"a\"", 1, "ask"),
            (200, "set-cookie: a=b", 1, "set-cookie"),
            (200, "expires: 0", 1, "useless"),
            (302, "", 1, "no-lifetime"),
            (404, "", 9, "serve"),
            (410, "", 10, "fetch"),
            (404, "cache-control: max-age=60", 59, "serve"),
            (403, "", 1, "no-lifetime"),
            (500, "", 1, "momentary"),
        ],
    );
}

#[test]
fn entries_purged_or_of_unknown_purge_status_are_not_served() {
    let policy = RoutePolicy::default();
    let trusting = RoutePolicy { allows_stale_if_purge_unknown: true, ..policy.clone() };
    let origin = "cache-control: max-age=60, stale-while-revalidate=30, stale-if-error=30 | etag: \"a\"";
    let entry = store(&get(""), &response(200, origin), &policy).expect("stored");
    let table = [
        (PurgeStatus::NotPurged, &policy, "serve"),
        (PurgeStatus::HardPurged, &policy, "fetch"),
        (PurgeStatus::HardPurged, &trusting, "fetch"),
        (PurgeStatus::SoftPurged, &policy, "serve, then ask"),
        (PurgeStatus::Unknown, &policy, "fetch"),
        (PurgeStatus::Unknown, &trusting, "fetch, or stale"),
    ];
    for (purge_status, policy, expect) in table {
        assert_eq!(plan_label(&entry, purge_status, &get(""), policy, 1), expect, "{purge_status:?}");
    }
}

#[test]
fn hot_entries_are_refreshed_before_they_go_stale() {
    let policy = RoutePolicy::default();
    let entry =
        store(&get(""), &response(200, "cache-control: max-age=100 | etag: \"a\""), &policy).expect("stored");
    let at_age = |age, is_hot| {
        let candidate = LookupCandidate { entry: &entry, purge_status: PurgeStatus::NotPurged, is_hot };
        plan_lookup(Some(candidate), &get(""), &policy, at(age), &mut DecisionLog::new())
    };
    assert_eq!(at_age(95, false), LookupPlan::Serve);
    assert_eq!(at_age(50, true), LookupPlan::Serve);
    assert!(matches!(at_age(95, true), LookupPlan::ServeThenRevalidate(_)));
}

#[test]
fn every_decision_reason_is_a_sentence_with_a_citation() {
    let mut log = DecisionLog::new();
    let answer = response(200, "cache-control: max-age=60, private=\"x\" | etag: \"a\"");
    let entry = storable_entry(&get(""), &answer, &RoutePolicy::default(), 0, &mut log).expect("stored");
    let candidate = LookupCandidate { entry: &entry, purge_status: PurgeStatus::SoftPurged, is_hot: true };
    let _ = plan_lookup(Some(candidate), &get(""), &RoutePolicy::default(), at(70), &mut log);
    let sentences: Vec<String> = log.iter().map(ToString::to_string).collect();
    assert_eq!(
        sentences,
        [
            "status 200 is cacheable (RFC 9111 §3).",
            "the response is fresh for 60 s, by max-age (RFC 9111 §5.2.2.1).",
            "the response is stored without x (RFC 9111 §5.2.2.7).",
            "the response is stored (RFC 9111 §3).",
            "the stored response was marked stale after it was fetched (a purge).",
            "the response was fresh for 60 s, by max-age, and has been stale for 10 s (RFC 9111 §4.2).",
            "the response is validated by its ETag (RFC 9111 §4.3.1).",
        ]
    );
}

#[test]
fn envelopes_round_trip_and_invalid_ones_are_refused() {
    let answer = response(200, "cache-control: max-age=60 | etag: \"a\" | x: ä");
    let entry = store(&get(""), &answer, &RoutePolicy::default()).expect("stored");
    let mut envelope = entry.encode_head(8);
    let start = envelope.len();
    envelope.extend_from_slice(b"the body");
    let header = EnvelopeHeader::parse(&envelope).expect("a frame");
    assert_eq!(header.body_offset, start);
    for bytes in 0..start + 20 {
        assert_eq!(header.is_complete(bytes), bytes == start + 8, "{bytes} bytes");
    }
    assert_eq!(CacheEntry::decode(&envelope), Some((entry, start)));
    for end in 0..start {
        assert_eq!(CacheEntry::decode(&envelope[..end]), None, "cut at {end}");
    }
    envelope[3] = b'3';
    assert_eq!(CacheEntry::decode(&envelope), None, "unsupported version");
}

#[test]
fn the_envelope_format_is_stable_and_version_1_is_still_read() {
    let answer = response(200, "cache-control: max-age=60 | etag: \"a\" | cache-tag: red");
    let entry = storable_entry(&get(""), &answer, &RoutePolicy::default(), 7, &mut DecisionLog::new())
        .expect("stored");
    let hex: String = entry.encode_head(8).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, include_str!("envelope-2.hex").trim(), "a new format needs a new version");
    let first = decode_hex(include_str!("envelope-1.hex").trim());
    assert_eq!(CacheEntry::decode(&first), Some((entry, first.len())));
    assert!(EnvelopeHeader::parse(&first).is_some_and(|frame| frame.is_complete(first.len() + 8)));
}

fn decode_hex(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).expect("ASCII"), 16).expect("hex"))
        .collect()
}

#[test]
fn every_reason_of_storage_policy_has_a_row() {
    let read = |file: &str| {
        std::fs::read_to_string(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).expect("a source file")
    };
    let policy = read("src/storage_policy.rs");
    let log = read("src/decision_log.rs");
    let rows = read("tests/rfcs.rs") + &read("tests/requests.rs") + &read("tests/next.rs");
    let refusals = policy.split("Some(DecisionReason::").skip(1);
    for reason in refusals.map(|rest| rest.split(|char: char| !char.is_alphanumeric()).next().unwrap_or("")) {
        let code = log.lines().find_map(|line| {
            let (variant, code) = line.trim().strip_prefix("Self::")?.split_once(" => \"")?;
            let is_meant = variant.split(' ').next() == Some(reason);
            is_meant.then(|| code.trim_end_matches(['"', ',']).to_owned())
        });
        let code = code.expect("a code of the reason");
        assert!(rows.contains(&format!("\"{code}\"")), "no row of the tests is refused as {reason} ({code})");
    }
}
