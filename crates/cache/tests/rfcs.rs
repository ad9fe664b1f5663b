//! The RFCs as tables, a test for each section: what the origin answered, what is asked how long after,
//! and what becomes of it.

#![expect(clippy::expect_used, reason = "a test that cannot go on says so")]

use cache::{
    Found, Frame, Freshened, Ground, Grounds, Headers, Plan, RequestHead, ResponseHead, Rules, Stored,
    UnixMillis, freshen, plan, stands_in, storable, tags::Standing,
};

/// Sun, 06 Nov 1994 08:49:37 GMT.
const START: u64 = 784_111_777;
const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const LATER: &str = "Sun, 06 Nov 1994 08:50:37 GMT";
const DAYS_AGO: &str = "Thu, 27 Oct 1994 08:49:37 GMT";

fn at(seconds: u64) -> UnixMillis {
    UnixMillis((START + seconds) * 1000)
}

fn answer(status: u16, headers: &str) -> ResponseHead {
    ResponseHead { status, headers: Headers::parse(&lines(headers)), requested: at(0), received: at(0) }
}

/// Fields in one line of a table are parted by a bar.
fn lines(fields: &str) -> String {
    fields.replace(" | ", "\n")
}

fn get(headers: &str) -> RequestHead {
    RequestHead::get(Headers::parse(&lines(headers)))
}

fn stored(request: &RequestHead, answer: &ResponseHead, rules: &Rules) -> Result<Stored, &'static str> {
    let mut grounds = Grounds::new();
    storable(request, answer, rules, 0, &mut grounds)
        .ok_or_else(|| grounds.last().map_or("no ground", Ground::word))
}

fn planned(
    stored: &Stored,
    standing: Standing,
    request: &RequestHead,
    rules: &Rules,
    now: u64,
) -> &'static str {
    let found = Found { stored, standing, is_hot: false };
    match plan(Some(found), request, rules, at(now), &mut Grounds::new()) {
        Plan::Serve => "serve",
        Plan::ServeThenRevalidate(_) => "serve, then ask",
        Plan::Revalidate { or_stale: false, .. } => "ask",
        Plan::Revalidate { or_stale: true, .. } => "ask, or stale",
        Plan::Fetch { or_stale: false } => "fetch",
        Plan::Fetch { or_stale: true } => "fetch, or stale",
        Plan::NotCached => "504",
    }
}

/// What becomes of an answer to a plain GET when the same is asked for some seconds later.
#[track_caller]
fn check(rules: &Rules, table: &[(u16, &str, u64, &str)]) {
    for (status, headers, later, expect) in table {
        let fate = match stored(&get(""), &answer(*status, headers), rules) {
            Ok(stored) => planned(&stored, Standing::Good, &get(""), rules, *later),
            Err(word) => word,
        };
        assert_eq!(fate, *expect, "{status} {headers} after {later} s");
    }
}

#[test]
fn rfc_9111_3_storing() {
    check(
        &Rules::default(),
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
            // A cache that is shared between strangers is more careful than §3.
            (200, "cache-control: max-age=60 | set-cookie: a=b", 10, "set-cookie"),
            (400, "cache-control: max-age=60", 10, "momentary"),
            (431, "cache-control: max-age=60", 10, "momentary"),
            (503, "cache-control: max-age=60", 10, "momentary"),
            (429, "cache-control: public, s-maxage=60", 10, "momentary"),
        ],
    );
    for method in ["HEAD", "POST", "PUT", "OPTIONS", "PROPFIND"] {
        let request = RequestHead { method: method.into(), headers: Headers::new() };
        assert_eq!(
            stored(&request, &answer(200, "cache-control: max-age=60"), &Rules::default()),
            Err("method")
        );
    }
}

#[test]
fn rfc_9111_3_1_fields_for_the_next_hop_are_not_stored() {
    let answer =
        answer(200, "cache-control: max-age=60 | connection: x-hop | x-hop: 1 | keep-alive: 5 | x-kept: 2");
    let stored = stored(&get(""), &answer, &Rules::default()).expect("stored");
    let names: Vec<&str> = stored.headers.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["cache-control", "x-kept", "date"]);
}

#[test]
fn rfc_9111_3_3_a_part_is_not_stored() {
    check(
        &Rules::default(),
        &[(206, "cache-control: max-age=60 | content-range: bytes 0-1/9", 1, "partial")],
    );
}

#[test]
fn rfc_9111_3_5_an_authorized_answer_is_shared_only_where_the_origin_says_so() {
    let rules = Rules::default();
    let request = get("authorization: Bearer x");
    let table = [
        ("cache-control: max-age=60", Err("authorized")),
        ("cache-control: max-age=60, public", Ok("serve")),
        ("cache-control: s-maxage=60", Ok("serve")),
        ("cache-control: max-age=60, must-revalidate", Ok("serve")),
        ("cache-control: max-age=60, proxy-revalidate", Ok("serve")),
    ];
    for (headers, expect) in table {
        let fate = stored(&request, &answer(200, headers), &rules)
            .map(|stored| planned(&stored, Standing::Good, &request, &rules, 1));
        assert_eq!(fate, expect, "{headers}");
    }
}

#[test]
fn rfc_9111_4_1_variants() {
    let rules = Rules::default();
    let table = [
        ("accept-encoding", Ok(())),
        ("Accept, Accept-Language", Ok(())),
        ("*", Err("vary")),
        ("cookie", Err("vary")),
        ("User-Agent", Err("vary")),
        ("accept | vary: x-unlisted", Err("vary")),
    ];
    for (vary, expect) in table {
        let fate =
            stored(&get(""), &answer(200, &format!("cache-control: max-age=60 | vary: {vary}")), &rules);
        assert_eq!(fate.map(drop), expect, "{vary}");
    }
}

#[test]
fn rfc_9111_4_2_1_lifetimes() {
    let expires = format!("date: {NOW} | expires: {LATER}");
    let with = |more: &str| format!("{expires} | cache-control: {more}");
    let (shared, own, none) = (with("max-age=10, s-maxage=100"), with("max-age=10"), with("max-age=x"));
    check(
        &Rules::default(),
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
fn rfc_9111_4_2_2_heuristics_only_where_nobody_says_and_the_status_allows() {
    let ten_days = format!("last-modified: {DAYS_AGO} | date: {NOW}");
    let with = |more: &str| format!("{ten_days} | {more}");
    let (zero, future, public) = (
        with("cache-control: max-age=0"),
        format!("last-modified: {LATER} | date: {NOW}"),
        with("cache-control: public"),
    );
    check(
        &Rules::default(),
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
    let rules = Rules::default();
    let table = [
        ("", 0, 7, 7),
        ("age: 30", 0, 7, 37),
        ("age: 30", 5, 7, 42),
        ("age: 30, 90", 0, 0, 30),
        ("age: -1", 0, 0, 0),
        ("age: 1.5", 0, 0, 0),
        ("age: 99999999999999999999", 0, 0, 1 << 31),
        // The origin's own clock says that it is a minute old.
        ("date: Sun, 06 Nov 1994 08:48:37 GMT", 0, 0, 60),
        ("date: Sun, 06 Nov 1994 08:48:37 GMT | age: 70", 0, 0, 70),
        // A clock ahead of ours says nothing.
        ("date: Sun, 06 Nov 1994 08:50:37 GMT", 0, 0, 0),
        ("date: nonsense", 0, 3, 3),
    ];
    for (headers, delay, later, expect) in table {
        let mut answer =
            answer(200, &format!("cache-control: max-age=2147483648, stale-if-error=9 | {headers}"));
        answer.requested = at(0);
        answer.received = at(delay);
        // What the origin says by its clock is judged by when it came.
        let stored = stored(&get(""), &answer, &rules).expect(headers);
        assert_eq!(stored.age(at(delay + later)), expect, "{headers}");
    }
}

#[test]
fn rfc_9111_4_2_4_stale_is_served_only_where_it_is_allowed() {
    let plain = Rules::default();
    let lenient = Rules { stale_while_revalidate: 30, stale_if_error: 300, ..plain.clone() };
    check(&plain, &[(200, "cache-control: max-age=60 | etag: \"a\"", 61, "ask")]);
    check(
        &lenient,
        &[
            (200, "cache-control: max-age=60 | etag: \"a\"", 61, "serve, then ask"),
            (200, "cache-control: max-age=60 | etag: \"a\"", 90, "serve, then ask"),
            (200, "cache-control: max-age=60 | etag: \"a\"", 91, "ask, or stale"),
            (200, "cache-control: max-age=60 | etag: \"a\"", 361, "ask"),
            // What the route implies, the origin can forbid.
            (200, "cache-control: max-age=60, must-revalidate | etag: \"a\"", 61, "ask"),
            (200, "cache-control: max-age=60, proxy-revalidate | etag: \"a\"", 61, "ask"),
            (200, "cache-control: s-maxage=60 | etag: \"a\"", 61, "ask"),
            (200, "cache-control: no-cache | etag: \"a\"", 1, "ask"),
        ],
    );
}

#[test]
fn rfc_9111_4_3_1_the_origin_is_asked_by_what_it_gave() {
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
        let answer = answer(200, &format!("cache-control: no-cache | {headers}"));
        let stored = stored(&get(""), &answer, &Rules::default()).expect(headers);
        // The visitor's own validators are not the cache's.
        let request = get("if-none-match: \"visitors\"");
        let found = Found { stored: &stored, standing: Standing::Good, is_hot: false };
        let Plan::Revalidate { conditions, .. } =
            plan(Some(found), &request, &Rules::default(), at(1), &mut Grounds::new())
        else {
            panic!("{headers} is not asked about")
        };
        let conditions: Vec<(&str, &str)> =
            conditions.iter().map(|(name, value)| (*name, &**value)).collect();
        assert_eq!(conditions, expect, "{headers}");
    }
}

fn freshened(own: &str, update: &str, rules: &Rules) -> Freshened {
    let stored = stored(&get(""), &answer(200, own), rules).expect(own);
    let mut update = answer(304, update);
    (update.requested, update.received) = (at(100), at(100));
    freshen(&stored, &get(""), &update, rules, 5, &mut Grounds::new())
}

#[test]
fn rfc_9111_4_3_4_a_304_makes_it_fresh_again_with_the_fields_that_it_brings() {
    let own =
        "cache-control: max-age=60 | etag: \"a\" | content-length: 3 | x-old: 1 | age: 7 | cache-tag: t";
    let update =
        "cache-control: max-age=90 | etag: \"a\" | content-length: 0 | content-encoding: br | x-new: 2";
    let Freshened::Still(fresh) = freshened(own, update, &Rules::default()) else { panic!("it still holds") };
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
    assert_eq!((fresh.age(at(100)), fresh.terms.lifetime, fresh.stamp), (0, 90, 5));
    assert_eq!(fresh.tags, ["t"], "a 304 that names no tags takes none away");
}

#[test]
fn rfc_9111_4_3_4_a_304_about_something_else_makes_nothing_fresh() {
    let own = "cache-control: max-age=60 | etag: \"a\"";
    assert_eq!(freshened(own, "etag: \"b\"", &Rules::default()), Freshened::Another);
    assert!(matches!(freshened(own, "etag: W/\"b\"", &Rules::default()), Freshened::Still(_)));
    assert!(matches!(freshened(own, "", &Rules::default()), Freshened::Still(_)));
    assert!(matches!(freshened(own, "cache-control: no-store", &Rules::default()), Freshened::Once(_)));
    assert!(matches!(freshened(own, "set-cookie: a=b", &Rules::default()), Freshened::Once(_)));
}

#[test]
fn rfc_9111_5_2_1_what_visitors_wish_is_heeded_where_the_route_says_so() {
    let heeding = Rules { heeds_visitors: true, ..Rules::default() };
    let origin = "cache-control: max-age=60 | etag: \"a\"";
    let table = [
        // Asked how, seconds later, heeded, not heeded.
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
    let stored = stored(&get(""), &answer(200, origin), &heeding).expect("stored");
    for (wish, later, heeded, unheeded) in table {
        assert_eq!(planned(&stored, Standing::Good, &get(wish), &heeding, later), heeded, "{wish}");
        assert_eq!(
            planned(&stored, Standing::Good, &get(wish), &Rules::default(), later),
            unheeded,
            "{wish}"
        );
    }
    let strict = self::stored(
        &get(""),
        &answer(200, "cache-control: max-age=60, must-revalidate | etag: \"a\""),
        &heeding,
    );
    assert_eq!(
        planned(&strict.expect("stored"), Standing::Good, &get("cache-control: max-stale"), &heeding, 61),
        "ask",
        "the origin's must-revalidate is above the visitor's max-stale"
    );
    let no_store = get("cache-control: no-store");
    assert_eq!(self::stored(&no_store, &answer(200, origin), &heeding).map(drop), Err("request-no-store"));
}

#[test]
fn rfc_9111_5_2_1_7_only_if_cached_without_anything_is_504() {
    let plan =
        plan(None, &get("cache-control: only-if-cached"), &Rules::default(), at(0), &mut Grounds::new());
    assert_eq!(plan, Plan::NotCached);
}

#[test]
fn rfc_9111_5_2_2_3_who_understands_ignores_no_store() {
    check(
        &Rules::default(),
        &[
            (200, "cache-control: max-age=60, must-understand, no-store", 1, "serve"),
            (299, "cache-control: max-age=60, must-understand", 1, "not-understood"),
            (299, "cache-control: max-age=60", 1, "serve"),
        ],
    );
}

#[test]
fn rfc_9111_5_2_2_4_and_7_qualified_directives_are_about_their_fields() {
    let answer = answer(
        200,
        "cache-control: max-age=60, private=\"set-cookie, X-Own\", no-cache=\"x-moment\" | set-cookie: a=b | x-own: 1 | x-moment: 2 | x-all: 3",
    );
    let stored = stored(&get(""), &answer, &Rules::default()).expect("stored");
    let has = |name| stored.headers.has(name);
    assert_eq!([has("set-cookie"), has("x-own"), has("x-moment"), has("x-all")], [false, false, false, true]);
    assert_eq!(planned(&stored, Standing::Good, &get(""), &Rules::default(), 1), "serve");
}

#[test]
fn rfc_9111_5_3_an_expires_that_is_no_date_is_past() {
    for expires in ["0", "-1", "never", "Sun, 06 Nov 1994 08:50:37 UTC", ""] {
        let headers = format!("expires: {expires} | etag: \"a\"");
        check(&Rules::default(), &[(200, &headers, 0, "ask")]);
    }
}

#[test]
fn rfc_9213_what_is_addressed_to_caches_like_this_one_counts_alone() {
    check(
        &Rules::default(),
        &[
            (200, "cache-control: no-store | cdn-cache-control: max-age=60", 59, "serve"),
            (200, "cache-control: max-age=60 | cdn-cache-control: no-store", 1, "no-store"),
            (200, "cache-control: max-age=5 | cdn-cache-control: max-age=60", 59, "serve"),
            (200, "expires: 0 | cdn-cache-control: max-age=60", 59, "serve"),
            (200, "cache-control: private | cdn-cache-control: max-age=60", 1, "serve"),
            (200, "cache-control: max-age=5 | cdn-cache-control: max-age=60, Not Valid", 4, "serve"),
            (200, "cache-control: max-age=5 | cdn-cache-control: max-age=60, Not Valid", 5, "fetch"),
            (200, "cache-control: max-age=5 | cdn-cache-control: ", 5, "fetch"),
            // Valid, and without any lifetime: then Expires says nothing either.
            (200, "expires: Sun, 06 Nov 1994 08:50:37 GMT | cdn-cache-control: public", 1, "useless"),
        ],
    );
}

#[test]
fn rfc_5861_stale_while_and_if_error() {
    check(
        &Rules::default(),
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
            // RFC 9111 §5.2.2.2 forbids it whatever else is said.
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
    let rules = Rules { stale_if_error: 100, ..Rules::default() };
    let stored = stored(&get(""), &answer(200, "cache-control: max-age=60, stale-if-error=0"), &rules)
        .expect("stored");
    assert!(
        !stands_in(&stored, &rules, at(70), &mut Grounds::new()),
        "the origin's own word is above the route's"
    );
}

#[test]
fn classes_and_negative_answers_fill_only_what_the_origin_left_open() {
    let rules = Rules { ttl: Some(300), ..Rules::default() };
    check(
        &rules,
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
fn what_was_purged_is_not_served_and_what_nobody_knows_is_not_either() {
    let rules = Rules::default();
    let trusting = Rules { trusts_unknown: true, ..rules.clone() };
    let origin = "cache-control: max-age=60, stale-while-revalidate=30, stale-if-error=30 | etag: \"a\"";
    let stored = stored(&get(""), &answer(200, origin), &rules).expect("stored");
    let table = [
        (Standing::Good, &rules, "serve"),
        (Standing::Purged, &rules, "fetch"),
        (Standing::Purged, &trusting, "fetch"),
        (Standing::Stale, &rules, "serve, then ask"),
        (Standing::Unknown, &rules, "fetch"),
        (Standing::Unknown, &trusting, "fetch, or stale"),
    ];
    for (standing, rules, expect) in table {
        assert_eq!(planned(&stored, standing, &get(""), rules, 1), expect, "{standing:?}");
    }
}

#[test]
fn what_is_hot_is_fetched_anew_before_it_goes_stale() {
    let rules = Rules::default();
    let stored =
        stored(&get(""), &answer(200, "cache-control: max-age=100 | etag: \"a\""), &rules).expect("stored");
    let at_age = |age, is_hot| {
        let found = Found { stored: &stored, standing: Standing::Good, is_hot };
        plan(Some(found), &get(""), &rules, at(age), &mut Grounds::new())
    };
    assert_eq!(at_age(95, false), Plan::Serve);
    assert_eq!(at_age(50, true), Plan::Serve);
    assert!(matches!(at_age(95, true), Plan::ServeThenRevalidate(_)));
}

#[test]
fn every_ground_is_a_sentence_that_cites() {
    let mut grounds = Grounds::new();
    let answer = answer(200, "cache-control: max-age=60, private=\"x\" | etag: \"a\"");
    let stored = storable(&get(""), &answer, &Rules::default(), 0, &mut grounds).expect("stored");
    let found = Found { stored: &stored, standing: Standing::Stale, is_hot: true };
    let _ = plan(Some(found), &get(""), &Rules::default(), at(70), &mut grounds);
    let sentences: Vec<String> = grounds.iter().map(ToString::to_string).collect();
    assert_eq!(
        sentences,
        [
            "a 200 can be stored (RFC 9111 §3).",
            "it is fresh for 60 s, by max-age (RFC 9111 §5.2.2.1).",
            "it is stored without x (RFC 9111 §5.2.2.7).",
            "it is stored (RFC 9111 §3).",
            "what is stored was declared stale after it was fetched (a purge).",
            "it was fresh for 60 s, by max-age, and has been stale for 10 s (RFC 9111 §4.2).",
            "the origin is asked whether it still holds, by its ETag (RFC 9111 §4.3.1).",
        ]
    );
}

#[test]
fn what_is_stored_is_read_back_and_what_is_not_ours_is_not() {
    let answer = answer(200, "cache-control: max-age=60 | etag: \"a\" | x: ä");
    let stored = stored(&get(""), &answer, &Rules::default()).expect("stored");
    let mut envelope = stored.seal(8);
    let start = envelope.len();
    envelope.extend_from_slice(b"the body");
    let frame = Frame::of(&envelope).expect("a frame");
    assert_eq!(frame.start, start);
    for bytes in 0..start + 20 {
        assert_eq!(frame.is_whole(bytes), bytes == start + 8, "{bytes} bytes");
    }
    assert_eq!(Stored::open(&envelope), Some((stored, start)));
    for end in 0..start {
        assert_eq!(Stored::open(&envelope[..end]), None, "cut at {end}");
    }
    envelope[3] = b'3';
    assert_eq!(Stored::open(&envelope), None, "of another version");
}

#[test]
fn an_envelope_is_what_it_was_and_those_of_version_1_are_read_for_ever() {
    let answer = answer(200, "cache-control: max-age=60 | etag: \"a\" | cache-tag: red");
    let stored = storable(&get(""), &answer, &Rules::default(), 7, &mut Grounds::new()).expect("stored");
    let hex: String = stored.seal(8).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, include_str!("envelope-2.hex").trim(), "another shape needs another version");
    let first = bytes(include_str!("envelope-1.hex").trim());
    assert_eq!(Stored::open(&first), Some((stored, first.len())));
    assert!(Frame::of(&first).is_some_and(|frame| frame.is_whole(first.len() + 8)));
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).expect("ASCII"), 16).expect("hex"))
        .collect()
}
