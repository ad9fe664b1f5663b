//! Exact intervals of a share of counted events, for signals that must not be judged by a handful of them.

use crate::binomial::{at_least, at_most};

/// Returns the interval of Clopper and Pearson for the share behind `k` of `n` events: the true share is below it, or
/// above it, with at most the probability `tail` each. Without events it is everything.
#[must_use]
pub fn share_interval(k: u64, n: u64, tail: f64) -> [f64; 2] {
    let low = if k == 0 { 0.0 } else { bisect(|share| at_least(k, n, share) < tail) };
    let high = if k >= n { 1.0 } else { bisect(|share| at_most(k, n, share) >= tail) };
    [low, high]
}

/// Returns the share up to which a condition holds.
fn bisect(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..BISECTIONS {
        let middle = f64::midpoint(low, high);
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// To within a billionth.
const BISECTIONS: u32 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(k: u64, n: u64, expect: [f64; 2]) {
        let given = share_interval(k, n, 0.025);
        let is_close = given.iter().zip(expect).all(|(given, expect)| (given - expect).abs() < 5e-5);
        assert!(is_close, "{k} of {n}: {given:?} is not {expect:?}");
    }

    /// By R's `binom.test(k, n)$conf.int`.
    #[test]
    fn the_interval_is_that_of_clopper_and_pearson() {
        check(0, 0, [0.0, 1.0]);
        check(0, 10, [0.0, 0.30850]);
        check(1, 2, [0.01258, 0.98742]);
        check(5, 10, [0.18709, 0.81291]);
        check(10, 10, [0.69150, 1.0]);
        check(3, 1000, [0.000_62, 0.008_74]);
    }

    #[test]
    fn more_events_of_the_same_share_narrow_the_interval() {
        let width = |n| {
            let [low, high] = share_interval(n / 10, n, 0.025);
            high - low
        };
        let widths: Vec<f64> = [10, 100, 1000, 10_000].map(width).to_vec();
        assert!(widths.is_sorted_by(|a, b| a > b), "{widths:?}");
    }
}
