//! Health that nobody can be fooled by: parts that add up, and silence that is never green.

use budget::{Limit, Severity, Tally};
use insight::health::{Budgeted, Has, Health, Known, Origin, Requests, Status};
use proptest::prelude::*;
use wire::{Device, Metric, UnixMillis};

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

fn cell(n: u64, within: u64) -> Budgeted {
    Budgeted {
        route: "/".into(),
        device: Device::Phone,
        metric: Metric::Lcp,
        limit: Limit { max: 2500, percentile: 75, severity: Severity::Error, min_samples: 30, line: 1 },
        tally: Tally::of(n, within),
    }
}

fn well() -> Known {
    Known {
        vitals: vec![cell(1000, 950), cell(500, 480)],
        requests: Has::Known(Requests { n: 9000, p95: 240.0, errors: 0.01 }),
        hit_ratio: Has::Known(82.0),
        origin: Has::Known(Origin { is_up: true, took: 35.0 }),
        heard_at: Some(NOW.before(2000)),
        missed: 0.1,
    }
}

#[track_caller]
fn check(known: &Known, status: Status, score: u8, says: &str) {
    let health = Health::of(known, NOW);
    assert_eq!((health.status, health.score), (status, score), "{health:#?}");
    let said: Vec<&str> = health
        .reasons
        .iter()
        .map(String::as_str)
        .chain(health.parts.iter().map(|part| part.because.as_str()))
        .collect();
    assert!(said.iter().any(|because| because.contains(says)), "{said:#?}");
}

#[test]
fn a_site_that_is_well_has_all_points_and_no_reasons() {
    check(&well(), Status::Healthy, 100, "A beacon was heard 2 s ago.");
    assert!(Health::of(&well(), NOW).reasons.is_empty());
}

#[test]
fn silence_is_a_finding() {
    let says = "No beacon was heard for 1 h, where 50 views were to be expected.";
    let silent = Known { heard_at: Some(NOW.before(3_600_000)), missed: 50.0, ..well() };
    check(&silent, Status::Unhealthy, 85, says);
    check(&Known { missed: 20.0, ..silent }, Status::Degraded, 92, "20 views were to be expected");
    check(&Known { heard_at: None, ..well() }, Status::Unknown, 85, "No beacon was ever heard.");
}

#[test]
fn too_little_is_never_good() {
    let few = Known { vitals: vec![cell(20, 20), cell(0, 0)], ..well() };
    check(&few, Status::Unknown, 60, "Of 100 % of the budgets, by visits, too little is known.");
    check(&Known { vitals: vec![], ..well() }, Status::Unknown, 60, "No budget applies");
    let some = Known { vitals: vec![cell(1000, 950), cell(0, 0)], ..well() };
    check(&some, Status::Healthy, 98, "97 % of the budgets, by visits, are met; of 3 % too little is known.");
}

#[test]
fn a_broken_budget_names_the_page() {
    let says = "LCP of / on phones breaks its budget: 500 of 1000 visits are over it.";
    let half = Known { vitals: vec![cell(1000, 500), cell(1000, 950)], ..well() };
    check(&half, Status::Unhealthy, 80, says);
    let little = Known { vitals: vec![cell(100, 50), cell(1000, 950)], ..well() };
    check(&little, Status::Degraded, 96, "50 of 100 visits");
}

#[test]
fn what_a_site_does_not_use_is_left_out_and_what_is_unknown_is_not() {
    let small = Known { origin: Has::NotUsed, hit_ratio: Has::NotUsed, ..well() };
    check(&small, Status::Healthy, 100, "met");
    assert_eq!(Health::of(&small, NOW).parts.len(), 3);
    let unknown = Known { origin: Has::Unknown, ..well() };
    check(&unknown, Status::Unknown, 85, "Nothing is known of the origin.");
}

#[test]
fn each_part_can_be_the_reason() {
    let requests = |p95, errors| Known { requests: Has::Known(Requests { n: 1, p95, errors }), ..well() };
    check(&requests(750.0, 0.0), Status::Degraded, 90, "750 ms at the 95th percentile");
    check(&requests(200.0, 0.6), Status::Unhealthy, 80, "0.60 % of them are errors");
    check(
        &Known { hit_ratio: Has::Known(62.5), ..well() },
        Status::Degraded,
        95,
        "answers 62.5 % of requests",
    );
    let down = Has::Known(Origin { is_up: false, took: 0.0 });
    check(&Known { origin: down, ..well() }, Status::Unhealthy, 85, "The origin says that it is not well");
    check(&requests(f64::NAN, 0.0), Status::Unknown, 80, "NaN");
}

fn knowns() -> impl Strategy<Value = Known> {
    let cells = proptest::collection::vec((0..3000_u64, 0.0..1.0_f64), 0..6)
        .prop_map(|cells| cells.into_iter().map(|(n, share)| cell(n, (n as f64 * share) as u64)).collect());
    let has = || prop_oneof![1 => Just(Has::NotUsed), 1 => Just(Has::Unknown), 4 => (0.0..1500.0_f64).prop_map(Has::Known)];
    (cells, has(), has(), has(), proptest::option::of(0..100_000_u64), 0.0..60.0_f64).prop_map(
        |(vitals, requests, hit_ratio, origin, heard, missed)| Known {
            vitals,
            requests: match requests {
                Has::Known(p95) => Has::Known(Requests { n: 100, p95, errors: p95 / 2000.0 }),
                Has::Unknown => Has::Unknown,
                Has::NotUsed => Has::NotUsed,
            },
            hit_ratio: match hit_ratio {
                Has::Known(value) => Has::Known(value / 15.0),
                other => other,
            },
            origin: match origin {
                Has::Known(took) => Has::Known(Origin { is_up: took < 1200.0, took }),
                Has::Unknown => Has::Unknown,
                Has::NotUsed => Has::NotUsed,
            },
            heard_at: heard.map(|ago| NOW.before(ago)),
            missed,
        },
    )
}

proptest! {
    #[test]
    fn the_parts_add_up_to_the_score(known in knowns()) {
        let health = Health::of(&known, NOW);
        prop_assert_eq!(health.parts.iter().map(|part| u32::from(part.points)).sum::<u32>(), u32::from(health.score));
        prop_assert_eq!(health.parts.iter().map(|part| u32::from(part.of)).sum::<u32>(), 100);
        prop_assert!(health.parts.iter().all(|part| part.points <= part.of));
        prop_assert_eq!(health.status == Status::Healthy, health.reasons.is_empty());
    }

    #[test]
    fn to_know_less_never_looks_better(known in knowns(), which in 0..4) {
        let mut less = known.clone();
        match which {
            0 if known.requests != Has::NotUsed => less.requests = Has::Unknown,
            1 if known.origin != Has::NotUsed => less.origin = Has::Unknown,
            2 if known.hit_ratio != Has::NotUsed => less.hit_ratio = Has::Unknown,
            3 => less.heard_at = None,
            _ => {}
        }
        let (more, less) = (Health::of(&known, NOW), Health::of(&less, NOW));
        prop_assert!(less.score <= more.score);
        prop_assert!(less.status != Status::Healthy || more.status == Status::Healthy);
    }

    #[test]
    fn a_page_that_gets_faster_never_looks_worse(known in knowns(), n in 0..3000_u64, a in 0.0..1.0_f64, b in 0.0..1.0_f64) {
        let with = |share: f64| {
            let mut known = known.clone();
            // Alone: among many cells a verdict leans on the others, too.
            known.vitals = vec![cell(n, (n as f64 * share) as u64)];
            Health::of(&known, NOW).score
        };
        prop_assert!(with(a.min(b)) <= with(a.max(b)));
    }
}
