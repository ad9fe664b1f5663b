//! Simulations of the limiter in front of an origin that is overloaded, fails and recovers: the rate falls
//! quickly, settles near the origin's capacity, recovers, and never falls below its minimum.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

use cache::{OriginLimiter, OriginLimits, UnixMillis};

/// An origin with a capacity in requests a second. Further requests wait, and fail after ten seconds.
struct SimulatedOrigin {
    capacity: f64,
    queue: Vec<u64>,
    is_broken: bool,
}

struct SecondStats {
    admitted: u32,
    refused: u32,
    failed: u32,
    rate: f64,
}

fn simulate(
    origin: &mut SimulatedOrigin,
    limiter: &mut OriginLimiter,
    from: u64,
    seconds: u64,
    offered: u64,
) -> Vec<SecondStats> {
    let mut done = 0.0;
    (0..seconds)
        .map(|second| {
            let mut sums = SecondStats { admitted: 0, refused: 0, failed: 0, rate: 0.0 };
            for tick in 0..100 {
                let now = from + second * 1000 + tick * 10;
                let due = (offered * (tick + 1)) / 100 - (offered * tick) / 100;
                for _ in 0..due {
                    match limiter.admit(UnixMillis(now)) {
                        Ok(()) if origin.is_broken => {
                            limiter.record_outcome(5, true, UnixMillis(now));
                            (sums.admitted, sums.failed) = (sums.admitted + 1, sums.failed + 1);
                        }
                        Ok(()) => {
                            sums.admitted += 1;
                            origin.queue.push(now);
                        }
                        Err(seconds) => {
                            assert!(seconds >= 1);
                            sums.refused += 1;
                        }
                    }
                }
                done += origin.capacity / 100.0;
                while done >= 1.0 {
                    done -= 1.0;
                    if origin.queue.is_empty() {
                        done = 0.0;
                        break;
                    }
                    let requested_at = origin.queue.remove(0);
                    limiter.record_outcome(
                        now - requested_at + 20,
                        now - requested_at > 10_000,
                        UnixMillis(now),
                    );
                }
            }
            sums.rate = limiter.rate();
            sums
        })
        .collect()
}

fn limits() -> OriginLimits {
    serde_json::from_str(r#"{"most": 400, "least": 4, "slow_ms": 500}"#).expect("limits")
}

fn origin_and_limiter(capacity: f64) -> (SimulatedOrigin, OriginLimiter) {
    let origin = SimulatedOrigin { capacity, queue: Vec::new(), is_broken: false };
    (origin, OriginLimiter::new(limits(), UnixMillis(0)))
}

fn mean(seconds: &[SecondStats], value: impl Fn(&SecondStats) -> f64) -> f64 {
    seconds.iter().map(value).sum::<f64>() / seconds.len() as f64
}

#[test]
fn a_healthy_origin_is_not_limited() {
    let (mut origin, mut limiter) = origin_and_limiter(500.0);
    let seconds = simulate(&mut origin, &mut limiter, 0, 60, 300);
    assert!(seconds.iter().all(|second| second.refused == 0 && second.rate >= 400.0));
}

#[test]
fn an_overloaded_origin_is_limited_to_its_capacity_within_ten_seconds() {
    let (mut origin, mut limiter) = origin_and_limiter(100.0);
    let first = simulate(&mut origin, &mut limiter, 0, 10, 300);
    assert!(first.last().is_some_and(|second| second.rate <= 100.0), "{}", limiter.rate());
    let later = simulate(&mut origin, &mut limiter, 10_000, 300, 300);
    let settled = &later[30..];
    let rate = mean(settled, |second| f64::from(second.admitted));
    assert!((60.0..=105.0).contains(&rate), "{rate} of the capacity of 100 a second");
    // The oscillation of decreases by 30 % stays within these bounds.
    let (low, high) =
        settled.iter().fold((f64::MAX, 0.0_f64), |(low, high), s| (low.min(s.rate), high.max(s.rate)));
    assert!(low >= 20.0 && high <= 220.0, "from {low} to {high}");
    assert!(origin.queue.len() < 400, "{} requests wait", origin.queue.len());
}

#[test]
fn a_failing_origin_gets_the_minimum_rate_and_recovers_fully() {
    let (mut origin, mut limiter) = origin_and_limiter(500.0);
    simulate(&mut origin, &mut limiter, 0, 10, 300);
    origin.is_broken = true;
    let broken = simulate(&mut origin, &mut limiter, 10_000, 60, 300);
    let first = broken.iter().position(|second| second.rate <= 8.0).expect("the rate is reduced");
    assert!(first <= 20, "after {first} s");
    assert!(broken.iter().all(|second| second.rate >= 4.0));
    assert!(mean(&broken[30..], |second| f64::from(second.failed)) <= 5.0);
    origin.is_broken = false;
    let recovered = simulate(&mut origin, &mut limiter, 70_000, 60, 300);
    let last = recovered.iter().rposition(|second| second.refused > 0).expect("requests were refused");
    assert!(last <= 40, "requests are refused for {last} s");
}

#[test]
fn an_unresponsive_origin_is_not_considered_healthy() {
    let (mut origin, mut limiter) = origin_and_limiter(500.0);
    origin.is_broken = true;
    simulate(&mut origin, &mut limiter, 0, 60, 300);
    let reduced = limiter.rate();
    origin.is_broken = false;
    origin.capacity = 0.0;
    simulate(&mut origin, &mut limiter, 60_000, 60, 300);
    assert!(limiter.rate() <= reduced + 0.01, "{} after {reduced}", limiter.rate());
}

#[test]
fn an_idle_origin_is_trusted_again() {
    let (mut origin, mut limiter) = origin_and_limiter(500.0);
    origin.is_broken = true;
    simulate(&mut origin, &mut limiter, 0, 30, 300);
    assert!(limiter.is_throttled());
    assert!(limiter.admit(UnixMillis(120_000)).is_ok());
    assert!(!limiter.is_throttled());
}
