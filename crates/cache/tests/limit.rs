//! The limiter before an origin that is overloaded, breaks and heals, second by second: it tightens
//! soon, settles near what the origin bears, relaxes when it is well, and never falls below its least.

#![expect(clippy::expect_used, reason = "a test that cannot go on says so")]

use cache::{Limiter, Limits, UnixMillis};

/// An origin that bears so many requests a second: what comes beyond waits, and what waits longer than
/// ten seconds fails.
struct Origin {
    bears: f64,
    waiting: Vec<u64>,
    is_broken: bool,
}

struct Second {
    admitted: u32,
    refused: u32,
    failed: u32,
    rate: f64,
}

fn run(origin: &mut Origin, limiter: &mut Limiter, from: u64, seconds: u64, offered: u64) -> Vec<Second> {
    let mut done = 0.0;
    (0..seconds)
        .map(|second| {
            let mut sums = Second { admitted: 0, refused: 0, failed: 0, rate: 0.0 };
            for tick in 0..100 {
                let now = from + second * 1000 + tick * 10;
                let due = (offered * (tick + 1)) / 100 - (offered * tick) / 100;
                for _ in 0..due {
                    match limiter.admit(UnixMillis(now)) {
                        Ok(()) if origin.is_broken => {
                            limiter.settle(5, true, UnixMillis(now));
                            (sums.admitted, sums.failed) = (sums.admitted + 1, sums.failed + 1);
                        }
                        Ok(()) => {
                            sums.admitted += 1;
                            origin.waiting.push(now);
                        }
                        Err(seconds) => {
                            assert!(seconds >= 1);
                            sums.refused += 1;
                        }
                    }
                }
                done += origin.bears / 100.0;
                while done >= 1.0 {
                    done -= 1.0;
                    if origin.waiting.is_empty() {
                        done = 0.0;
                        break;
                    }
                    let asked = origin.waiting.remove(0);
                    limiter.settle(now - asked + 20, now - asked > 10_000, UnixMillis(now));
                }
            }
            sums.rate = limiter.rate();
            sums
        })
        .collect()
}

fn limits() -> Limits {
    serde_json::from_str(r#"{"most": 400, "least": 4, "slow_ms": 500}"#).expect("limits")
}

fn begun(bears: f64) -> (Origin, Limiter) {
    let origin = Origin { bears, waiting: Vec::new(), is_broken: false };
    (origin, Limiter::new(limits(), UnixMillis(0)))
}

fn mean(seconds: &[Second], of: impl Fn(&Second) -> f64) -> f64 {
    seconds.iter().map(of).sum::<f64>() / seconds.len() as f64
}

#[test]
fn a_well_origin_gets_all_that_is_asked_for() {
    let (mut origin, mut limiter) = begun(500.0);
    let seconds = run(&mut origin, &mut limiter, 0, 60, 300);
    assert!(seconds.iter().all(|second| second.refused == 0 && second.rate >= 400.0));
}

#[test]
fn an_overloaded_origin_is_spared_within_ten_seconds_and_used_as_far_as_it_bears() {
    let (mut origin, mut limiter) = begun(100.0);
    let first = run(&mut origin, &mut limiter, 0, 10, 300);
    assert!(first.last().is_some_and(|second| second.rate <= 100.0), "{}", limiter.rate());
    let later = run(&mut origin, &mut limiter, 10_000, 300, 300);
    let settled = &later[30..];
    let rate = mean(settled, |second| f64::from(second.admitted));
    assert!((60.0..=105.0).contains(&rate), "{rate} of the 100 a second that it bears");
    // No oscillation beyond these: a saw whose teeth are cuts of three tenths.
    let (low, high) =
        settled.iter().fold((f64::MAX, 0.0_f64), |(low, high), s| (low.min(s.rate), high.max(s.rate)));
    assert!(low >= 20.0 && high <= 220.0, "from {low} to {high}");
    assert!(origin.waiting.len() < 400, "{} wait", origin.waiting.len());
}

#[test]
fn a_broken_origin_gets_its_least_and_no_less_and_all_again_once_it_heals() {
    let (mut origin, mut limiter) = begun(500.0);
    run(&mut origin, &mut limiter, 0, 10, 300);
    origin.is_broken = true;
    let broken = run(&mut origin, &mut limiter, 10_000, 60, 300);
    let first = broken.iter().position(|second| second.rate <= 8.0).expect("it is spared");
    assert!(first <= 20, "after {first} s");
    assert!(broken.iter().all(|second| second.rate >= 4.0));
    assert!(mean(&broken[30..], |second| f64::from(second.failed)) <= 5.0);
    origin.is_broken = false;
    let healed = run(&mut origin, &mut limiter, 70_000, 60, 300);
    let last = healed.iter().rposition(|second| second.refused > 0).expect("it was tight");
    assert!(last <= 40, "all is let through after {last} s");
}

#[test]
fn an_origin_that_answers_nothing_is_not_taken_for_well() {
    let (mut origin, mut limiter) = begun(500.0);
    origin.is_broken = true;
    run(&mut origin, &mut limiter, 0, 60, 300);
    let tight = limiter.rate();
    origin.is_broken = false;
    origin.bears = 0.0;
    run(&mut origin, &mut limiter, 60_000, 60, 300);
    assert!(limiter.rate() <= tight + 0.01, "{} after {tight}", limiter.rate());
}

#[test]
fn an_origin_that_nobody_asks_is_trusted_again() {
    let (mut origin, mut limiter) = begun(500.0);
    origin.is_broken = true;
    run(&mut origin, &mut limiter, 0, 30, 300);
    assert!(limiter.is_tight());
    assert!(limiter.admit(UnixMillis(120_000)).is_ok());
    assert!(!limiter.is_tight());
}
