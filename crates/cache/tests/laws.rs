//! Properties for arbitrary header fields, times and requests: nothing panics, no private response is stored,
//! and responses served as fresh are fresh.

use cache::{
    CacheConfig, CacheEntry, DecisionLog, Headers, LookupCandidate, LookupPlan, RequestHead, RequestParts,
    ResponseDirectives, ResponseHead, RoutePolicy, RoutedRequest, UnixMillis, apply_not_modified,
    is_not_modified, plan_lookup, purge::PurgeStatus, select_range, storable_entry, variant_key, vary_names,
};
use proptest::prelude::*;

/// Adversarial header fields.
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
    fn arbitrary_messages_never_panic_and_only_fresh_responses_are_served_as_fresh(
        request in hostile_headers(), response in hostile_headers(), second in hostile_headers(), update in hostile_headers(),
        status in 0..1000_u16, requested in any_time(), received in any_time(), now in any_time(),
        ttl in prop::option::of(0..100_u64), honors_request_directives in any::<bool>(), length in any::<u64>(),
    ) {
        let policy = RoutePolicy { ttl, honors_request_directives, ..RoutePolicy::default() };
        let request = RequestHead::get(request);
        let response = ResponseHead { status, headers: response, requested, received };
        let _ = (select_range(&second, &response.headers, length), is_not_modified(&second, &response.headers));
        let _ = vary_names(&response.headers, &policy.vary).map(|names| variant_key(&names, &second));
        let Some(entry) = storable_entry(&request, &response, &policy, 0, &mut DecisionLog::new()) else { return Ok(()) };
        let directives = ResponseDirectives::from_headers(&response.headers);
        prop_assert!(!entry.headers.has("set-cookie"), "a cookie is never stored");
        prop_assert!(!directives.no_store || directives.must_understand);
        prop_assert!(directives.private != cache::DirectiveScope::WholeResponse);
        prop_assert!(!request.headers.has("authorization") || directives.public || directives.must_revalidate || directives.s_maxage.is_some());
        prop_assert!(entry.age(now) <= 1 << 31);

        let envelope = entry.encode_head(0);
        prop_assert_eq!(CacheEntry::decode(&envelope), Some((entry.clone(), envelope.len())));

        let second = RequestHead::get(second);
        let candidate = LookupCandidate { entry: &entry, purge_status: PurgeStatus::NotPurged, is_hot: true };
        if plan_lookup(Some(candidate), &second, &RoutePolicy { honors_request_directives: false, ..policy.clone() }, now, &mut DecisionLog::new()) == LookupPlan::Serve {
            prop_assert!(entry.freshness.lifetime > entry.age(now));
            prop_assert!(!entry.freshness.never_without_validation);
        }
        let update = ResponseHead { status: 304, headers: update, requested, received };
        let _ = apply_not_modified(&entry, &request, &update, &policy, 1, &mut DecisionLog::new());
    }

    #[test]
    fn decoding_arbitrary_envelopes_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = CacheEntry::decode(&bytes);
        for version in [b"evc1", b"evc2"] {
            let envelope = [version.as_slice(), &bytes].concat();
            let _ = CacheEntry::decode(&envelope);
            let _ = cache::EnvelopeHeader::parse(&envelope).map(|header| header.is_complete(bytes.len()));
        }
    }

    #[test]
    fn arbitrary_requests_never_panic_and_shared_ones_forward_no_unkeyed_cookie(
        headers in hostile_headers(), path in "/\\PC{0,20}", query in "\\PC{0,20}", host in "[a-z.]{0,9}",
    ) {
        let routes = CacheConfig::parse(r#"{"routes": [{"host": "*.b", "path": "/**", "origin": "https://o", "cookies": {"ignore": ["*"]}}]}"#).expect("routes");
        let head = RequestHead::get(headers);
        let host = format!("{host}.b");
        let incoming = RequestParts { scheme: "https", host: &host, path: &path, query: &query, head: &head, client_ip: "" };
        if let Some(Ok(routed)) = RoutedRequest::resolve(&routes, &incoming, &mut DecisionLog::new()) && routed.target.key.is_some() {
            prop_assert!(!routed.target.origin_request.headers.has("cookie"));
            prop_assert!(!routed.target.origin_request.headers.has("authorization"));
        }
    }

    #[test]
    fn parsing_arbitrary_configurations_never_panics(text in "\\PC{0,60}") {
        let _ = CacheConfig::parse(&text);
    }
}
