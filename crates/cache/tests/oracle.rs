//! A second implementation, `http-cache-semantics`, asked the same: random answers, requests and clocks.
//! Where the two must differ, the difference is named, and nothing else may differ.

#![expect(clippy::expect_used, reason = "a test that cannot go on says so")]

use std::time::{Duration, UNIX_EPOCH};

use cache::{
    DecisionLog, Headers, LookupCandidate, LookupPlan, RequestHead, ResponseDirectives, ResponseHead,
    RoutePolicy, UnixMillis, date, plan_lookup, purge::PurgeStatus, storable_entry,
};
use http_cache_semantics::{BeforeRequest, CacheOptions, CachePolicy};
use proptest::prelude::*;

const START: u64 = 784_111_777;

/// What is done for the second request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OracleOutcome {
    NotStored,
    Served,
    SentToOrigin,
}

fn ours(
    request: &Headers,
    status: u16,
    answer: &Headers,
    next_request: &Headers,
    later: u64,
) -> OracleOutcome {
    let policy = RoutePolicy { honors_request_directives: true, negative_ttl: 0, ..RoutePolicy::default() };
    let at = |seconds: u64| UnixMillis((START + seconds) * 1000);
    let response = ResponseHead { status, headers: answer.clone(), requested: at(0), received: at(0) };
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
    answer: &Headers,
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
    for (name, value) in answer.iter() {
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

/// Why the two differ, where they must. Each is a decision of ours or a lack of theirs, as narrow as it
/// can be said.
fn known_difference(
    status: u16,
    answer: &Headers,
    ours: OracleOutcome,
    theirs: OracleOutcome,
) -> Option<&'static str> {
    let said = ResponseDirectives::from_headers(answer);
    let can_be_asked_about = answer.has("etag") || answer.has("last-modified");
    let has_lifetime = said.max_age.is_some() || said.s_maxage.is_some() || answer.has("expires");
    let is_qualified = !said.no_cache.fields().is_empty() || !said.private.fields().is_empty();
    let all = [
        // What is stale at once and cannot be asked about is of no use, so it is not stored here.
        (
            "useless",
            (ours, theirs) == (OracleOutcome::NotStored, OracleOutcome::SentToOrigin) && !can_be_asked_about,
        ),
        // A cookie is for one visitor and never stored here; they store it and ask each time, or serve
        // it where the origin says public.
        ("set-cookie", ours == OracleOutcome::NotStored && answer.has("set-cookie")),
        // An error of the moment is never stored here.
        ("momentary", ours == OracleOutcome::NotStored && matches!(status, 400 | 500 | 503)),
        // RFC 9111 §5.2.2.8: proxy-revalidate is about what is stale; they ask at once.
        (
            "proxy-revalidate",
            said.must_revalidate && theirs == OracleOutcome::SentToOrigin && ours == OracleOutcome::Served,
        ),
        // RFC 9111 §3.5 with §5.2.2.8: it lets an authorized answer be shared as must-revalidate does.
        ("authorized", said.must_revalidate && theirs == OracleOutcome::NotStored),
        // RFC 9111 §5.2.2.4 and §5.2.2.7: a qualified directive is about its fields alone. They take
        // it for one that is not qualified.
        ("qualified", is_qualified),
        // RFC 9111 §5.2.2.3 is newer than what they implement.
        ("must-understand", said.must_understand && (said.no_store || ours == OracleOutcome::NotStored)),
        // RFC 9111 §4.2.2: a lifetime is guessed for the statuses that it names, and not for 404 and
        // 410, of which the route has its own word. They store whatever could be guessed.
        ("guess", !has_lifetime && (ours == OracleOutcome::NotStored || matches!(status, 404 | 410))),
        // RFC 9111 §3: a status is understood that has no rules of its own for caches.
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
        // Theirs takes the first of two that contradict each other; each name once.
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
    let wish = prop_oneof![
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
    wish.prop_map(|text| Headers::parse(&text))
}

#[test]
fn http_cache_semantics_agrees_except_for_the_known_differences() {
    let statuses = prop::sample::select(vec![200_u16, 203, 204, 300, 301, 302, 404, 410, 400, 500, 503, 299]);
    let all = (requests(), statuses, responses(), requests(), 0..250_u64);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut same = [0_u32; 3];
    let mut named = std::collections::BTreeMap::<&str, u32>::new();
    for _ in 0..8_000 {
        let (request, status, answer, mut again, later) = {
            let tree = all.new_tree(&mut runner).expect("a case");
            proptest::strategy::ValueTree::current(&tree)
        };
        // What is asked first decides whether it is authorized; asked again, it is the same visitor.
        if request.has("authorization") {
            again.set("authorization", "x");
        }
        let (own, other) = (
            ours(&request, status, &answer, &again, later),
            theirs(&request, status, &answer, &again, later),
        );
        if own == other {
            same[own as usize] += 1;
            continue;
        }
        let reason = known_difference(status, &answer, own, other);
        let Some(reason) = reason else {
            panic!(
                "{own:?} here, {other:?} there: {request:?} {status} {answer:?} then {again:?} after {later} s"
            )
        };
        *named.entry(reason).or_default() += 1;
    }
    // The agreement is worth something only where each fate is common.
    assert!(same.iter().all(|count| *count > 250), "agreed on {same:?}, differed by {named:?}");
    println!("agreed on {same:?}, differed by {named:?}");
}
