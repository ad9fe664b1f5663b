//! The promises that verdicts make, kept by simulated sites: how often they cry wolf, and how soon
//! they notice. Every run draws the same numbers.

use budget::{Alarm, Tally, Verdict};

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Dice(u64);

impl Dice {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly between 0 and 1, and neither.
    fn share(&mut self) -> f64 {
        ((self.bits() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.share().ln()).sqrt() * (std::f64::consts::TAU * self.share()).cos()
    }
}

/// A page whose p75 is so many times its budget: log-normal, as load times are.
fn visit(dice: &mut Dice, overshoot: f64) -> bool {
    let p75_of_normal = 0.674_489_75;
    overshoot * (0.6 * (dice.normal() - p75_of_normal)).exp() <= 1.0
}

fn count(tally: &mut Tally, within: bool) {
    *(if within { &mut tally.within } else { &mut tally.over }) += 1;
}

/// Three standard deviations of a rate that is found by so many trials.
fn tolerance(rate: f64, trials: u32) -> f64 {
    3.0 * (rate * (1.0 - rate) / f64::from(trials)).sqrt()
}

#[test]
fn one_look_at_a_page_on_its_budget_cries_wolf_in_at_most_one_of_a_hundred() {
    let trials = 10_000;
    let mut dice = Dice(1);
    for n in [30, 100, 400] {
        let (mut violated, mut met) = (0, 0);
        for _ in 0..trials {
            let within = (0..n).filter(|_| visit(&mut dice, 1.0)).count() as u64;
            match Tally::of(n, within).verdict(75, 30) {
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

/// The first visit after which the alarm is up, if any of them is.
fn alarmed(dice: &mut Dice, overshoot: f64, visits: u64) -> Option<u64> {
    let mut tally = Tally::default();
    (1..=visits).find(|_| {
        let within = visit(dice, overshoot);
        count(&mut tally, within);
        // A visit within budget takes evidence away.
        !within && Alarm::Quiet.after(tally, Verdict::Unknown, 75) == Alarm::Raised
    })
}

#[test]
fn a_month_watched_visit_by_visit_cries_wolf_in_at_most_one_of_twenty() {
    let trials = 1_000;
    let mut dice = Dice(2);
    let wolves = (0..trials).filter(|_| alarmed(&mut dice, 1.0, 30 * 200).is_some()).count();
    let rate = wolves as f64 / f64::from(trials);
    println!("{rate} of months");
    assert!(rate <= 0.05, "{rate}");
}

#[test]
fn a_page_a_fifth_over_its_budget_is_found_within_three_days_at_200_views_a_day() {
    let trials = 1_000;
    let mut dice = Dice(3);
    let mut found: Vec<u64> = (0..trials).filter_map(|_| alarmed(&mut dice, 1.2, 3 * 200)).collect();
    found.sort_unstable();
    let rate = found.len() as f64 / f64::from(trials);
    println!("{rate} found, half of them within {} views", found[found.len() / 2]);
    assert!(rate >= 0.99, "{rate}");
}
