//! A comparison with a second implementation, `http-cache-semantics`, on random responses, requests and
//! times. Intended differences are listed, and there must be no others.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

use std::time::{Duration, UNIX_EPOCH};

use cache::{
    DecisionLog, Headers, LookupCandidate, LookupPlan, RequestHead, ResponseDirectives, ResponseHead,
    RoutePolicy, UnixMillis, date, plan_lookup, purge::PurgeStatus, storable_entry,
};
use http_cache_semantics::{BeforeRequest, CacheOptions, CachePolicy};
use proptest::prelude::*;

const START: u64 = 784_111_777;

/// The treatment of the second request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OracleOutcome {
    NotStored,
    Served,
    SentToOrigin,
}

fn ours(
    request: &Headers,
    status: u16,
    response: &Headers,
    next_request: &Headers,
    later: u64,
) -> OracleOutcome {
    let policy = RoutePolicy { honors_request_directives: true, negative_ttl: 0, ..RoutePolicy::default() };
    let at = |seconds: u64| UnixMillis((START + seconds) * 1000);
    let response = ResponseHead { status, headers: response.clone(), requested: at(0), received: at(0) };
    let request = RequestHead::get(request.clone());
    let Some(entry) = storable_entry(&request, &response, &policy, 0, &mut DecisionLog::new()) else {
        return OracleOutcome::NotStored;
    };
    let candidate = LookupCandidate { entry: &entry, purge_status: PurgeStatus::NotPurged, is_hot: false };
    match plan_lookup(
        Some(candidate),
        &RequestHead::get(next_request.clone()),
        &policy,
        at(later),
        &mut DecisionLog::new(),
    ) {
        LookupPlan::Serve => OracleOutcome::Served,
        _ => OracleOutcome::SentToOrigin,
    }
}

fn theirs(
    request: &Headers,
    status: u16,
    response: &Headers,
    next_request: &Headers,
    later: u64,
) -> OracleOutcome {
    let request_of = |headers: &Headers| {
        let mut builder = http::Request::builder().uri("https://a.example/");
        for (name, value) in headers.iter() {
            builder = builder.header(name, value);
        }
        builder.body(()).expect("a request")
    };
    let mut builder = http::Response::builder().status(status);
    for (name, value) in response.iter() {
        builder = builder.header(name, value);
    }
    let response = builder.body(()).expect("a response");
    let start = UNIX_EPOCH + Duration::from_secs(START);
    let options = CacheOptions { shared: true, cache_heuristic: 0.1, ..CacheOptions::default() };
    let policy = CachePolicy::new_options(&request_of(request), &response, start, options);
    if !policy.is_storable() {
        return OracleOutcome::NotStored;
    }
    match policy.before_request(&request_of(next_request), start + Duration::from_secs(later)) {
        BeforeRequest::Fresh(_) => OracleOutcome::Served,
        BeforeRequest::Stale { .. } => OracleOutcome::SentToOrigin,
    }
}

/// Returns the name of a known difference: a deliberate rule of this cache, or a missing one of the other.
/// The conditions are as narrow as possible.
fn known_difference(
    status: u16,
    response: &Headers,
    ours: OracleOutcome,
    theirs: OracleOutcome,
) -> Option<&'static str> {
    let directives = ResponseDirectives::from_headers(response);
    let has_validator = response.has("etag") || response.has("last-modified");
    let has_lifetime =
        directives.max_age.is_some() || directives.s_maxage.is_some() || response.has("expires");
    let is_qualified = !directives.no_cache.fields().is_empty() || !directives.private.fields().is_empty();
    let all = [
        // This cache does not store responses that are stale at once and have no validator.
        (
            "useless",
            (ours, theirs) == (OracleOutcome::NotStored, OracleOutcome::SentToOrigin) && !has_validator,
        ),
        // This cache never stores cookies. The other stores them, and validates each time or serves them if
        // the origin says public.
        ("set-cookie", ours == OracleOutcome::NotStored && response.has("set-cookie")),
        // RFC 9111 §3: errors of one moment are stored if the origin says how long they hold. The other stores none.
        (
            "momentary",
            has_lifetime && theirs == OracleOutcome::NotStored && matches!(status, 400 | 500 | 503),
        ),
        // RFC 9111 §5.2.2.8: proxy-revalidate concerns stale responses. The other validates fresh ones, too.
        (
            "proxy-revalidate",
            directives.must_revalidate
                && theirs == OracleOutcome::SentToOrigin
                && ours == OracleOutcome::Served,
        ),
        // RFC 9111 §3.5 with §5.2.2.8: like must-revalidate, it allows sharing authorized responses.
        ("authorized", directives.must_revalidate && theirs == OracleOutcome::NotStored),
        // RFC 9111 §5.2.2.4 and §5.2.2.7: a qualified directive concerns its fields only. The other treats it
        // like an unqualified one.
        ("qualified", is_qualified),
        // RFC 9111 §5.2.2.3 is newer than the RFC that the other implements.
        (
            "must-understand",
            directives.must_understand && (directives.no_store || ours == OracleOutcome::NotStored),
        ),
        // RFC 9111 §4.2.2: this cache uses heuristics for the listed statuses, except for 404 and 410, which
        // have the route's negative_ttl. The other stores all heuristically cacheable responses.
        ("heuristic", !has_lifetime && (ours == OracleOutcome::NotStored || matches!(status, 404 | 410))),
        // RFC 9111 §3: a status without caching rules of its own counts as understood.
        ("status", theirs == OracleOutcome::NotStored && status == 299),
    ];
    all.iter().find(|(_, holds)| *holds).map(|(name, _)| *name)
}

fn responses() -> impl Strategy<Value = Headers> {
    let directive = prop_oneof![
        4 => (0..200_u64).prop_map(|seconds| format!("max-age={seconds}")),
        2 => (0..200_u64).prop_map(|seconds| format!("s-maxage={seconds}")),
        1 => (0..200_u64).prop_map(|seconds| format!("stale-while-revalidate={seconds}")),
        6 => prop::sample::select(vec![
            "public", "private", "no-cache", "no-store", "must-revalidate", "proxy-revalidate", "must-understand",
            "private=\"x\"", "no-cache=\"x\"", "no-transform",
        ]).prop_map(str::to_owned),
    ];
    let field = |name: &'static str, value: BoxedStrategy<String>| {
        prop::option::weighted(0.3, value).prop_map(move |value| value.map(|value| (name, value)))
    };
    let moments = || (START - 400_000..START + 400).prop_map(date::format).boxed();
    let control = prop::collection::vec(directive, 0..4).prop_map(|all| {
        // The other uses the first of conflicting directives, so each name occurs once.
        let mut names = Vec::new();
        let once: Vec<String> = all
            .into_iter()
            .filter(|text| {
                let name = text.split('=').next().unwrap_or_default().to_owned();
                let is_new = !names.contains(&name);
                names.push(name);
                is_new
            })
            .collect();
        (!once.is_empty()).then(|| ("cache-control", once.join(", ")))
    });
    let expires = prop_oneof![4 => (START - 100..START + 300).prop_map(date::format).boxed(), 1 => Just("0".to_owned()).boxed()].boxed();
    (
        control,
        field("expires", expires),
        field("last-modified", moments()),
        field("etag", Just("\"a\"".to_owned()).boxed()),
        field("age", (0..100_u64).prop_map(|age| age.to_string()).boxed()),
        prop::option::weighted(0.1, Just(("set-cookie", "a=b".to_owned()))),
        Just(Some(("date", date::format(START)))),
    )
        .prop_map(|(control, expires, modified, etag, age, cookie, date)| {
            [control, expires, modified, etag, age, cookie, date].into_iter().flatten().fold(
                Headers::new(),
                |mut headers, (name, value)| {
                    headers.append(name, &value);
                    headers
                },
            )
        })
}

fn requests() -> impl Strategy<Value = Headers> {
    let field = prop_oneof![
        Just(String::new()),
        (0..200_u64).prop_map(|seconds| format!("cache-control: max-age={seconds}")),
        (0..200_u64).prop_map(|seconds| format!("cache-control: min-fresh={seconds}")),
        prop::sample::select(vec![
            "cache-control: no-cache",
            "cache-control: no-store",
            "pragma: no-cache",
            "authorization: x"
        ])
        .prop_map(str::to_owned),
    ];
    field.prop_map(|text| Headers::parse(&text))
}

#[test]
fn http_cache_semantics_agrees_except_for_the_known_differences() {
    let statuses = prop::sample::select(vec![200_u16, 203, 204, 300, 301, 302, 404, 410, 400, 500, 503, 299]);
    let all = (requests(), statuses, responses(), requests(), 0..250_u64);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut same = [0_u32; 3];
    let mut differences = std::collections::BTreeMap::<&str, u32>::new();
    for _ in 0..8_000 {
        let (request, status, response, mut next_request, later) = {
            let tree = all.new_tree(&mut runner).expect("a case");
            proptest::strategy::ValueTree::current(&tree)
        };
        // Both requests come from the same client.
        if request.has("authorization") {
            next_request.set("authorization", "x");
        }
        let (own, other) = (
            ours(&request, status, &response, &next_request, later),
            theirs(&request, status, &response, &next_request, later),
        );
        if own == other {
            same[own as usize] += 1;
            continue;
        }
        let reason = known_difference(status, &response, own, other);
        let Some(reason) = reason else {
            panic!(
                "{own:?} here, {other:?} there: {request:?} {status} {response:?} then {next_request:?} after {later} s"
            )
        };
        *differences.entry(reason).or_default() += 1;
    }
    // The agreement is meaningful only if every outcome is common.
    assert!(same.iter().all(|count| *count > 250), "agreed on {same:?}, differed by {differences:?}");
    println!("agreed on {same:?}, differed by {differences:?}");
}
