//! Health: parts that add up to the score, and missing data that is never green.

use std::collections::BTreeSet;

use budget::{BudgetTally, Limit, Severity};
use proptest::prelude::*;
use report::health::{
    Availability, BudgetedCell, CacheHealth, Health, HealthInputs, HealthStatus, OriginHealth, RequestHealth,
};
use report::origin_evidence::OriginState;
use report::signals::AlertLevel;
use wire::{Device, Metric, ShardCoverage, UnixMillis};

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

fn cell(n: u64, within: u64) -> BudgetedCell {
    BudgetedCell {
        route: "/".into(),
        device: Device::Phone,
        metric: Metric::Lcp,
        limit: Limit { max: 2500, percentile: 75, severity: Severity::Error, min_samples: 30, line: 1 },
        tally: BudgetTally::new(n, within),
    }
}

fn healthy_inputs() -> HealthInputs {
    HealthInputs {
        vitals: vec![cell(1000, 950), cell(500, 480)],
        requests: Availability::Known(RequestHealth { n: 9000, errors: 1, p95: 240.0, slower: [90, 9] }),
        cache: Availability::Known(CacheHealth { lookups: 9000, hits: 7380 }),
        origin: origin(OriginState::Up),
        last_beacon_at: Some(NOW.saturating_sub(2000)),
        missed_views: 0.1,
        shards: None,
    }
}

fn origin(state: OriginState) -> Availability<OriginHealth> {
    Availability::Known(OriginHealth {
        name: "shop.example".into(),
        state,
        message: "its health check passes".into(),
    })
}

#[track_caller]
fn check(inputs: &HealthInputs, status: HealthStatus, score: u8, expected: &str) {
    let health = Health::evaluate(inputs, NOW);
    assert_eq!((health.status, health.score), (status, score), "{health:#?}");
    let said: Vec<&str> = health
        .reasons
        .iter()
        .map(String::as_str)
        .chain(health.parts.iter().map(|part| part.because.as_str()))
        .collect();
    assert!(said.iter().any(|because| because.contains(expected)), "{said:#?}");
}

#[test]
fn a_healthy_site_has_all_points_and_no_reasons() {
    check(&healthy_inputs(), HealthStatus::Healthy, 100, "The last beacon was received 2 s ago.");
    assert!(Health::evaluate(&healthy_inputs(), NOW).reasons.is_empty());
}

#[test]
fn missing_beacons_lower_the_score() {
    let says = "No beacon received for 1 h while 50 views were expected.";
    let silent = HealthInputs {
        last_beacon_at: Some(NOW.saturating_sub(3_600_000)),
        missed_views: 50.0,
        ..healthy_inputs()
    };
    check(&silent, HealthStatus::Unhealthy, 85, says);
    check(
        &HealthInputs { missed_views: 20.0, ..silent },
        HealthStatus::Degraded,
        92,
        "20 views were expected",
    );
    check(
        &HealthInputs { last_beacon_at: None, ..healthy_inputs() },
        HealthStatus::Unknown,
        85,
        "No beacon has been received yet.",
    );
}

#[test]
fn too_little_data_is_never_healthy() {
    let few = HealthInputs { vitals: vec![cell(20, 20), cell(0, 0)], ..healthy_inputs() };
    check(
        &few,
        HealthStatus::Insufficient,
        60,
        "Insufficient data for 100 % of budgets, weighted by visits.",
    );
    check(
        &HealthInputs { vitals: vec![], ..healthy_inputs() },
        HealthStatus::Unknown,
        60,
        "No budget applies",
    );
    let some = HealthInputs { vitals: vec![cell(1000, 950), cell(0, 0)], ..healthy_inputs() };
    check(
        &some,
        HealthStatus::Healthy,
        98,
        "97 % of budgets, weighted by visits, are met; insufficient data for 3 %.",
    );
}

#[test]
fn a_broken_budget_names_the_page() {
    let says = "LCP of / on phones violates its budget: 500 of 1000 visits exceed it.";
    let half = HealthInputs { vitals: vec![cell(1000, 500), cell(1000, 950)], ..healthy_inputs() };
    check(&half, HealthStatus::Unhealthy, 80, says);
    let little = HealthInputs { vitals: vec![cell(100, 50), cell(1000, 950)], ..healthy_inputs() };
    check(&little, HealthStatus::Degraded, 96, "50 of 100 visits");
}

#[test]
fn unused_parts_are_left_out_and_unknown_parts_are_not() {
    let small =
        HealthInputs { origin: Availability::NotUsed, cache: Availability::NotUsed, ..healthy_inputs() };
    check(&small, HealthStatus::Healthy, 100, "met");
    assert_eq!(Health::evaluate(&small, NOW).parts.len(), 3);
    let unknown = HealthInputs { origin: Availability::Unknown, ..healthy_inputs() };
    check(&unknown, HealthStatus::Unknown, 85, "No data about the origin.");
}

#[test]
fn each_part_can_be_the_reason() {
    let requests = |p95, slower, errors| HealthInputs {
        requests: Availability::Known(RequestHealth { n: 1000, errors, p95, slower }),
        ..healthy_inputs()
    };
    let slow = requests(750.0, [120, 20], 0);
    check(&slow, HealthStatus::Degraded, 90, "95th percentile of response times is 750 ms");
    check(&requests(200.0, [0, 0], 40), HealthStatus::Unhealthy, 80, "4.00 % of responses are errors");
    let cache = |lookups, hits| HealthInputs {
        cache: Availability::Known(CacheHealth { lookups, hits }),
        ..healthy_inputs()
    };
    check(&cache(1000, 625), HealthStatus::Degraded, 95, "hit ratio is 62.5 %.");
    let down =
        HealthInputs { origin: origin(OriginState::Failing(AlertLevel::Critical)), ..healthy_inputs() };
    check(&down, HealthStatus::Unhealthy, 85, "Origin shop.example: its health check passes.");
    check(&requests(f64::NAN, [0, 0], 0), HealthStatus::Unknown, 80, "NaN");
}

#[test]
fn a_single_request_changes_no_status() {
    use HealthStatus::{Degraded, Healthy, Insufficient, Unhealthy};
    let with = |n, errors, lookups, hits| HealthInputs {
        requests: Availability::Known(RequestHealth { n, errors, p95: 200.0, slower: [0, 0] }),
        cache: Availability::Known(CacheHealth { lookups, hits }),
        ..healthy_inputs()
    };
    for (n, errors, lookups, hits, status) in [
        // A fresh site with one miss, and one 500 of two responses.
        (1, 0, 1, 0, Insufficient),
        (2, 1, 2, 1, Insufficient),
        (19, 19, 19, 0, Insufficient),
        (20, 20, 20, 20, Unhealthy),
        (99, 0, 99, 99, Insufficient),
        (100, 0, 100, 80, Healthy),
        (100, 1, 100, 80, Insufficient),
        (100, 0, 100, 65, Insufficient),
        // Beyond chance.
        (100, 3, 100, 80, Degraded),
        (100, 0, 100, 50, Degraded),
        (100, 8, 100, 80, Unhealthy),
        (100_000, 100, 100_000, 80_000, Healthy),
        (100_000, 110, 100_000, 80_000, Insufficient),
        (100_000, 200, 100_000, 80_000, Degraded),
    ] {
        let health = Health::evaluate(&with(n, errors, lookups, hits), NOW);
        assert_eq!(health.status, status, "{errors} of {n}, {hits} of {lookups}: {:#?}", health.reasons);
    }
}

#[test]
fn an_origin_that_is_down_is_the_first_reason() {
    let inputs = HealthInputs {
        requests: Availability::Known(RequestHealth { n: 1000, errors: 900, p95: 200.0, slower: [0, 0] }),
        origin: origin(OriginState::Failing(AlertLevel::Critical)),
        ..healthy_inputs()
    };
    let reasons = Health::evaluate(&inputs, NOW).reasons;
    assert!(reasons.len() == 2 && reasons[0].starts_with("Origin shop.example"), "{reasons:#?}");
}

fn any_health_inputs() -> impl Strategy<Value = HealthInputs> {
    let cells = proptest::collection::vec((0..3000_u64, 0.0..1.0_f64), 0..6)
        .prop_map(|cells| cells.into_iter().map(|(n, share)| cell(n, (n as f64 * share) as u64)).collect());
    let has = || prop_oneof![1 => Just(Availability::NotUsed), 1 => Just(Availability::Unknown), 4 => (0.0..1500.0_f64).prop_map(Availability::Known)];
    (cells, has(), has(), has(), proptest::option::of(0..100_000_u64), 0.0..60.0_f64).prop_map(
        |(vitals, requests, hit_ratio, known_origin, heard, missed)| HealthInputs {
            vitals,
            requests: match requests {
                Availability::Known(p95) => Availability::Known(RequestHealth {
                    n: 500,
                    errors: (p95 / 100.0) as u64,
                    p95,
                    slower: [(p95 / 10.0) as u64, (p95 / 40.0) as u64],
                }),
                Availability::Unknown => Availability::Unknown,
                Availability::NotUsed => Availability::NotUsed,
            },
            cache: match hit_ratio {
                Availability::Known(value) => {
                    Availability::Known(CacheHealth { lookups: 1500, hits: value as u64 })
                }
                Availability::Unknown => Availability::Unknown,
                Availability::NotUsed => Availability::NotUsed,
            },
            origin: match known_origin {
                Availability::Known(took) => origin(match took as u64 % 5 {
                    0 => OriginState::Failing(AlertLevel::Critical),
                    1 => OriginState::Failing(AlertLevel::Warning),
                    2 => OriginState::Unclear,
                    _ => OriginState::Up,
                }),
                Availability::Unknown => Availability::Unknown,
                Availability::NotUsed => Availability::NotUsed,
            },
            last_beacon_at: heard.map(|ago| NOW.saturating_sub(ago)),
            missed_views: missed,
            shards: None,
        },
    )
}

fn without_one_shard() -> Option<ShardCoverage> {
    ShardCoverage::new(64, BTreeSet::from([17]))
}

#[test]
fn a_site_whose_shards_do_not_all_answer_is_degraded_and_says_which() {
    let partial = HealthInputs { shards: without_one_shard(), ..healthy_inputs() };
    check(
        &partial,
        HealthStatus::Degraded,
        60,
        "63 of 64 shards answered; the counts of shard 17 are missing.",
    );
    let health = Health::evaluate(&partial, NOW);
    assert_eq!(health.parts.iter().find(|part| part.name == "vitals").map(|part| part.points), Some(0));
}

proptest! {
    #[test]
    fn a_part_of_the_shards_is_never_healthy_and_never_scores_more(known in any_health_inputs()) {
        let partial = HealthInputs { shards: without_one_shard(), ..known.clone() };
        let (whole, partial) = (Health::evaluate(&known, NOW), Health::evaluate(&partial, NOW));
        prop_assert!(partial.status >= HealthStatus::Degraded.max(whole.status));
        prop_assert!(partial.score <= whole.score);
    }

    #[test]
    fn the_parts_add_up_to_the_score(known in any_health_inputs()) {
        let health = Health::evaluate(&known, NOW);
        prop_assert_eq!(health.parts.iter().map(|part| u32::from(part.points)).sum::<u32>(), u32::from(health.score));
        prop_assert_eq!(health.parts.iter().map(|part| u32::from(part.max_points)).sum::<u32>(), 100);
        prop_assert!(health.parts.iter().all(|part| part.points <= part.max_points));
        prop_assert_eq!(health.status == HealthStatus::Healthy, health.reasons.is_empty());
    }

    #[test]
    fn less_data_never_improves_the_health(known in any_health_inputs(), which in 0..4) {
        let mut less = known.clone();
        match which {
            0 if known.requests != Availability::NotUsed => less.requests = Availability::Unknown,
            1 if known.origin != Availability::NotUsed => less.origin = Availability::Unknown,
            2 if known.cache != Availability::NotUsed => less.cache = Availability::Unknown,
            3 => less.last_beacon_at = None,
            _ => {}
        }
        let (more, less) = (Health::evaluate(&known, NOW), Health::evaluate(&less, NOW));
        prop_assert!(less.score <= more.score);
        prop_assert!(less.status != HealthStatus::Healthy || more.status == HealthStatus::Healthy);
    }

    #[test]
    fn a_faster_page_never_lowers_the_score(known in any_health_inputs(), n in 0..3000_u64, a in 0.0..1.0_f64, b in 0.0..1.0_f64) {
        let with = |share: f64| {
            let mut known = known.clone();
            // A single cell: among several, the verdict depends on the others.
            known.vitals = vec![cell(n, (n as f64 * share) as u64)];
            Health::evaluate(&known, NOW).score
        };
        prop_assert!(with(a.min(b)) <= with(a.max(b)));
    }
}
