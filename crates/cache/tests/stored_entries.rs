//! Stored entries: how long a tier keeps them, and which of their fields are left out.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

use cache::{
    CacheEntry, DecisionLog, Headers, RequestHead, ResponseHead, RoutePolicy, UnixMillis, storable_entry,
};

fn stored(fields: &str) -> CacheEntry {
    let at = UnixMillis(1_700_000_000_000);
    let headers = Headers::parse(&fields.replace(" | ", "\n"));
    let answer = ResponseHead { status: 200, headers, requested: at, received: at };
    let request = RequestHead::get(Headers::new());
    storable_entry(&request, &answer, &RoutePolicy::default(), 0, &mut DecisionLog::new()).expect("stored")
}

#[test]
fn an_entry_is_kept_for_its_lifetime_and_as_long_as_it_is_useful_when_stale() {
    for (fields, stale_seconds, seconds) in [
        ("cache-control: max-age=600", 0, 600),
        ("cache-control: max-age=600", 30, 630),
        ("cache-control: max-age=600 | age: 200", 0, 400),
        ("cache-control: max-age=600, stale-while-revalidate=50", 30, 650),
        ("cache-control: max-age=600, stale-while-revalidate=50, stale-if-error=90", 30, 690),
        ("cache-control: max-age=600 | etag: \"a\"", 0, 600 + 3600),
        ("cache-control: max-age=600 | last-modified: Sun, 06 Nov 1994 08:49:37 GMT", 0, 600 + 3600),
        ("cache-control: max-age=600, stale-if-error=7200 | etag: \"a\"", 0, 600 + 7200),
        ("cache-control: max-age=1", 0, 60),
        ("cache-control: max-age=31536000", 0, 24 * 3600),
    ] {
        assert_eq!(stored(fields).retention_seconds(stale_seconds), seconds, "{fields}");
    }
}

#[test]
fn a_targeted_directive_with_fields_leaves_them_out() {
    let entry = stored("cdn-cache-control: max-age=60, private=\"x-own\" | x-own: 1 | x-all: 2");
    assert_eq!((entry.headers.has("x-own"), entry.headers.has("x-all")), (false, true));
}
