//! False alarm rates and detection delays of verdicts, measured on simulated sites with a fixed seed.

use budget::{
    AlarmState, BudgetTally, GateCell, GateOutcome, Limit, Severity, Verdict, evaluate_gate, gate_readiness,
};

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct SplitMix64(u64);

impl SplitMix64 {
    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A uniform value between 0 and 1, exclusive.
    fn next_share(&mut self) -> f64 {
        ((self.next_u64() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }

    fn next_normal(&mut self) -> f64 {
        (-2.0 * self.next_share().ln()).sqrt() * (std::f64::consts::TAU * self.next_share()).cos()
    }
}

/// A visit to a page with a log-normal load time whose p75 is `overshoot` times the budget.
fn simulate_visit(rng: &mut SplitMix64, overshoot: f64) -> bool {
    let p75_of_normal = 0.674_489_75;
    overshoot * (0.6 * (rng.next_normal() - p75_of_normal)).exp() <= 1.0
}

fn record_visit(tally: &mut BudgetTally, within: bool) {
    *(if within { &mut tally.within } else { &mut tally.over }) += 1;
}

/// Three standard deviations of an estimated rate.
fn tolerance(rate: f64, trials: u32) -> f64 {
    3.0 * (rate * (1.0 - rate) / f64::from(trials)).sqrt()
}

#[test]
fn a_single_verdict_at_the_budget_is_a_false_alarm_at_most_once_in_100() {
    let trials = 10_000;
    let mut rng = SplitMix64(1);
    for n in [30, 100, 400] {
        let (mut violated, mut met) = (0, 0);
        for _ in 0..trials {
            let within = (0..n).filter(|_| simulate_visit(&mut rng, 1.0)).count() as u64;
            match BudgetTally::new(n, within).verdict(75, 30) {
                Verdict::Violated => violated += 1,
                Verdict::Met => met += 1,
                _ => {}
            }
        }
        let [violated, met] = [violated, met].map(|count| f64::from(count) / f64::from(trials));
        println!("{n} visits: violated {violated}, met {met}");
        assert!(violated <= 0.01 + tolerance(0.01, trials), "{violated} of {n}");
        assert!(met <= 0.05 + tolerance(0.05, trials), "{met} of {n}");
    }
}

/// The number of visits until the alarm is raised, if it is.
fn visits_until_alarm(rng: &mut SplitMix64, overshoot: f64, visits: u64) -> Option<u64> {
    let mut tally = BudgetTally::default();
    (1..=visits).find(|_| {
        let within = simulate_visit(rng, overshoot);
        record_visit(&mut tally, within);
        // A visit within budget lowers the evidence.
        !within && AlarmState::Quiet.advance(tally, Verdict::Unknown, 75) == AlarmState::Raised
    })
}

#[test]
fn a_month_tested_after_every_visit_is_a_false_alarm_at_most_once_in_20() {
    let trials = 1_000;
    let mut rng = SplitMix64(2);
    let false_alarms = (0..trials).filter(|_| visits_until_alarm(&mut rng, 1.0, 30 * 200).is_some()).count();
    let rate = false_alarms as f64 / f64::from(trials);
    println!("{rate} of months");
    assert!(rate <= 0.05, "{rate}");
}

#[test]
fn a_page_a_fifth_over_its_budget_is_found_within_three_days_at_200_views_a_day() {
    let trials = 1_000;
    let mut rng = SplitMix64(3);
    let mut found: Vec<u64> =
        (0..trials).filter_map(|_| visits_until_alarm(&mut rng, 1.2, 3 * 200)).collect();
    found.sort_unstable();
    let rate = found.len() as f64 / f64::from(trials);
    println!("{rate} found, half of them within {} views", found[found.len() / 2]);
    assert!(rate >= 0.99, "{rate}");
}

/// The outcome of a gate that waits for visits and checks after every twenty: immediately on a certain
/// violation, once when there are enough visits, and at the end.
fn wait_for_gate(rng: &mut SplitMix64, overshoot: f64, visits: u64) -> GateOutcome {
    let limit = Limit { max: 1, percentile: 75, severity: Severity::Error, min_samples: 30, line: 1 };
    let mut cell = GateCell { limit, tally: BudgetTally::default(), is_subset: false };
    let mut judged_once = false;
    for visited in 1..=visits {
        record_visit(&mut cell.tally, simulate_visit(rng, overshoot));
        if visited % 20 != 0 && visited != visits {
            continue;
        }
        let readiness = gate_readiness(&[cell]);
        let due = readiness.ready == readiness.total && !judged_once;
        let (_, answer) = evaluate_gate(&[cell]);
        if visited == visits || readiness.certainly_violated || due && answer != GateOutcome::Insufficient {
            return answer;
        }
        judged_once |= due;
    }
    GateOutcome::Insufficient
}

#[test]
fn a_waiting_gate_is_not_fooled_by_repeated_checks() {
    let trials = 1_000;
    let mut rng = SplitMix64(4);
    let mut rate = |overshoot, answer| {
        let found = (0..trials).filter(|_| wait_for_gate(&mut rng, overshoot, 1000) == answer).count();
        found as f64 / f64::from(trials)
    };
    let (false_alarms, passed) = (rate(1.0, GateOutcome::Violated), rate(1.0, GateOutcome::Pass));
    println!("on its budget: violated {false_alarms}, passed {passed}");
    // 1 in 20 from the sequential test, and two looks at 1 in 100.
    assert!(false_alarms <= 0.07, "{false_alarms}");
    // Two looks at 1 in 20.
    assert!(passed <= 0.1 + tolerance(0.1, trials), "{passed}");
    let (stopped, kept) = (rate(1.3, GateOutcome::Violated), rate(0.7, GateOutcome::Pass));
    println!("a third over: violated {stopped}; a third under: passed {kept}");
    assert!(stopped >= 0.95 && kept >= 0.95, "{stopped} and {kept}");
}
