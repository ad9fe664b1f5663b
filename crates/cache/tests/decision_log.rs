//! The reasons of the decision log: each code, as statistics count it, and each sentence, as `explain` shows it.

#[path = "../../report/tests/golden/mod.rs"]
mod golden;

use std::collections::BTreeSet;

use cache::{DecisionLog, DecisionReason, LifetimeSource};

fn reasons() -> Vec<DecisionReason> {
    use DecisionReason as Reason;
    let name = || "x-field".to_owned();
    let source = LifetimeSource::SMaxage;
    let mut all = vec![
        Reason::MethodNotCacheable { method: "PUT".into() },
        Reason::HasBody,
        Reason::HasAuthorization,
        Reason::HasCookie { name: "session".into() },
        Reason::HasBypassHeader { name: name() },
        Reason::HasPrecondition { name: "If-Match" },
        Reason::HasRange,
        Reason::AmbiguousPath,
        Reason::RouteBypass,
        Reason::AccessControlled,
        Reason::OriginLimited { rate: 5 },
        Reason::RequestNoStore,
        Reason::RequestNoCache,
        Reason::RequestMaxAge { max_age: 10, age: 20 },
        Reason::RequestMinFresh { min_fresh: 10, remaining: 5 },
        Reason::RequestMaxStale { max_stale: 60 },
        Reason::OnlyIfCached,
        Reason::NothingStored,
        Reason::NoMatchingVariant { names: "accept".into() },
        Reason::PurgedHard,
        Reason::PurgedSoft,
        Reason::PurgeStatusUnknown,
        Reason::OvertakenByWrite,
        Reason::Fresh { age: 1, lifetime: 60, source },
        Reason::Stale { staleness: 1, lifetime: 60, source },
        Reason::NoCache,
        Reason::RefreshedEarly { remaining: 3 },
        Reason::StaleWhileRevalidate { staleness: 1, window: 30 },
        Reason::MustRevalidate,
        Reason::Revalidates { validator: "its ETag" },
        Reason::NoValidator,
        Reason::StaleIfError { staleness: 1, window: 30 },
        Reason::TooStaleForError { staleness: 60, window: 30 },
        Reason::StatusUnderstood { status: 200 },
        Reason::NotFinalStatus { status: 103 },
        Reason::PartialResponse,
        Reason::TransientStatus { status: 401 },
        Reason::StatusNotUnderstood { status: 299 },
        Reason::MustUnderstand { status: 200 },
        Reason::NoStore,
        Reason::Private,
        Reason::PrivateFields { names: name() },
        Reason::Authorized,
        Reason::AuthorizedButShared,
        Reason::SetsCookie,
        Reason::VariesOnAll,
        Reason::VariesOn { name: name() },
        Reason::NotVaried { name: name() },
        Reason::VariesUnexpectedly,
        Reason::TooManyTags { max: 64 },
        Reason::NextRegenerates,
        Reason::NoLifetime { status: 418 },
        Reason::StaleWithoutValidator,
        Reason::Stored,
    ];
    all.extend(
        [
            LifetimeSource::Targeted,
            LifetimeSource::SMaxage,
            LifetimeSource::MaxAge,
            LifetimeSource::Expires,
            LifetimeSource::Route,
            LifetimeSource::Negative,
            LifetimeSource::Heuristic,
            LifetimeSource::None,
        ]
        .map(|source| Reason::Lifetime { seconds: 60, source }),
    );
    all
}

#[test]
fn every_reason_has_its_code_and_its_sentence() {
    let line = |reason: &DecisionReason| format!("{}: {reason}\n", reason.code());
    golden::check("decision-reasons.txt", &reasons().iter().map(line).collect::<String>());
}

/// The list above has each reason of the enum.
#[test]
fn no_reason_is_left_out() {
    let source =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/decision_log.rs")).unwrap();
    let declared: BTreeSet<&str> = source
        .split_once("pub enum DecisionReason {")
        .and_then(|(_, rest)| rest.split_once("\n}"))
        .unwrap()
        .0
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with(|letter: char| letter.is_ascii_uppercase()))
        .map(|line| line.split([' ', ',']).next().unwrap())
        .collect();
    let tested: Vec<String> = reasons().iter().map(|reason| format!("{reason:?}")).collect();
    let tested: BTreeSet<&str> = tested.iter().map(|text| text.split(' ').next().unwrap()).collect();
    assert_eq!(declared, tested);
}

#[test]
fn a_log_keeps_its_reasons_in_order_until_it_is_truncated() {
    let mut log = DecisionLog::new();
    assert!(log.is_empty() && log.last().is_none());
    reasons().into_iter().for_each(|reason| log.record(reason));
    assert!(!log.is_empty() && log.iter().eq(reasons().iter()));
    assert_eq!(log.last(), reasons().last());
    log.truncate(2);
    assert_eq!((log.len(), log.last()), (2, Some(&DecisionReason::HasBody)));
}
