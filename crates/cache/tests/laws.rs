//! What holds for any header, clock and request: nothing panics, nothing private is stored, and what is
//! served fresh is fresh.

use cache::{
    CacheConfig, CacheEntry, DecisionLog, Headers, LookupCandidate, LookupPlan, RequestHead, RequestParts,
    ResponseDirectives, ResponseHead, RoutePolicy, RoutedRequest, UnixMillis, apply_not_modified,
    is_not_modified, plan_lookup, purge::PurgeStatus, select_range, storable_entry, variant_key, vary_names,
};
use proptest::prelude::*;

/// Fields as somebody might send them who wants us to fall.
fn hostile_headers() -> impl Strategy<Value = Headers> {
    let name = prop::sample::select(vec![
        "cache-control",
        "cdn-cache-control",
        "expires",
        "date",
        "age",
        "etag",
        "last-modified",
        "vary",
        "cache-tag",
        "surrogate-key",
        "set-cookie",
        "connection",
        "pragma",
        "range",
        "if-range",
        "if-none-match",
        "if-modified-since",
        "cookie",
        "accept-encoding",
        "accept-language",
        "authorization",
        "x-any",
        "content-length",
    ]);
    let piece = prop_oneof![
        prop::sample::select(vec![
            "max-age",
            "=",
            "60",
            "s-maxage=5",
            ",",
            ", ",
            "\"",
            "\\",
            "no-store",
            "private",
            "no-cache=\"",
            "public",
            "must-understand",
            "stale-while-revalidate=9",
            "stale-if-error",
            "*",
            "bytes=",
            "-",
            "18446744073709551616",
            "W/\"a\"",
            "\"a\"",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "q=0.5",
            ";",
            "gzip",
            "br",
            "cookie",
            "accept",
            "\t",
            "a=b",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,4}",
        any::<u64>().prop_map(|number| number.to_string()),
    ];
    let value = prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat());
    prop::collection::vec((name, value), 0..8)
        .prop_map(|all| all.iter().map(|(name, value)| (*name, value.as_str())).collect())
}

fn any_time() -> impl Strategy<Value = UnixMillis> {
    prop_oneof![
        (0..2_000_000_000_000_u64).prop_map(UnixMillis),
        Just(UnixMillis(0)),
        Just(UnixMillis(u64::MAX)),
        (784_111_000_000..784_112_000_000_u64).prop_map(UnixMillis),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_is_sent_panics_and_what_is_served_fresh_is_fresh(
        asked in hostile_headers(), answered in hostile_headers(), again in hostile_headers(), updated in hostile_headers(),
        status in 0..1000_u16, requested in any_time(), received in any_time(), now in any_time(),
        ttl in prop::option::of(0..100_u64), heeds in any::<bool>(), length in any::<u64>(),
    ) {
        let rules = RoutePolicy { ttl, honors_request_directives: heeds, ..RoutePolicy::default() };
        let request = RequestHead::get(asked);
        let answer = ResponseHead { status, headers: answered, requested, received };
        let _ = (select_range(&again, &answer.headers, length), is_not_modified(&again, &answer.headers));
        let _ = vary_names(&answer.headers, &rules.vary).map(|names| variant_key(&names, &again));
        let Some(stored) = storable_entry(&request, &answer, &rules, 0, &mut DecisionLog::new()) else { return Ok(()) };
        let directives = ResponseDirectives::from_headers(&answer.headers);
        prop_assert!(!stored.headers.has("set-cookie"), "a cookie is never stored");
        prop_assert!(!directives.no_store || directives.must_understand);
        prop_assert!(directives.private != cache::DirectiveScope::WholeResponse);
        prop_assert!(!request.headers.has("authorization") || directives.public || directives.must_revalidate || directives.s_maxage.is_some());
        prop_assert!(stored.age(now) <= 1 << 31);

        let sealed = stored.encode_head(0);
        prop_assert_eq!(CacheEntry::decode(&sealed), Some((stored.clone(), sealed.len())));

        let second = RequestHead::get(again);
        let found = LookupCandidate { entry: &stored, purge_status: PurgeStatus::NotPurged, is_hot: true };
        if plan_lookup(Some(found), &second, &RoutePolicy { honors_request_directives: false, ..rules.clone() }, now, &mut DecisionLog::new()) == LookupPlan::Serve {
            prop_assert!(stored.freshness.lifetime > stored.age(now));
            prop_assert!(!stored.freshness.never_without_validation);
        }
        let update = ResponseHead { status: 304, headers: updated, requested, received };
        let _ = apply_not_modified(&stored, &request, &update, &rules, 1, &mut DecisionLog::new());
    }

    #[test]
    fn no_envelope_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = CacheEntry::decode(&bytes);
        for version in [b"evc1", b"evc2"] {
            let envelope = [version.as_slice(), &bytes].concat();
            let _ = CacheEntry::decode(&envelope);
            let _ = cache::EnvelopeHeader::parse(&envelope).map(|frame| frame.is_complete(bytes.len()));
        }
    }

    #[test]
    fn no_arrival_panics_and_a_shared_one_carries_no_cookie_that_is_not_keyed(
        headers in hostile_headers(), path in "/\\PC{0,20}", query in "\\PC{0,20}", host in "[a-z.]{0,9}",
    ) {
        let routes = CacheConfig::parse(r#"{"routes": [{"host": "*.b", "path": "/**", "origin": "https://o", "cookies": {"ignore": ["*"]}}]}"#).expect("routes");
        let head = RequestHead::get(headers);
        let host = format!("{host}.b");
        let incoming = RequestParts { scheme: "https", host: &host, path: &path, query: &query, head: &head, client_ip: "" };
        if let Some(Ok(arrival)) = RoutedRequest::resolve(&routes, &incoming, &mut DecisionLog::new()) && arrival.key.is_some() {
            prop_assert!(!arrival.origin_request.headers.has("cookie"));
            prop_assert!(!arrival.origin_request.headers.has("authorization"));
        }
    }

    #[test]
    fn no_configuration_panics(text in "\\PC{0,60}") {
        let _ = CacheConfig::parse(&text);
    }
}
