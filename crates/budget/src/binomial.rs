//! Exact tails of the binomial distribution, for any n that a site can have.
//!
//! A tail is its largest term times a sum of ratios, all positive, so nothing cancels. The term is
//! Loader's (Fast and Accurate Computation of Binomial Probabilities, 2000). Near the mean the sum
//! takes some nine standard deviations of steps: 120,000 for a billion visits.

/// P(X ≤ k) for X ~ Bin(n, p).
pub(crate) fn at_most(k: u64, n: u64, p: f64) -> f64 {
    if k >= n {
        1.0
    } else if k as f64 <= n as f64 * p {
        tail(k, n, p)
    } else {
        1.0 - tail(n - k - 1, n, 1.0 - p)
    }
}

/// P(X ≥ k) for X ~ Bin(n, p).
pub(crate) fn at_least(k: u64, n: u64, p: f64) -> f64 {
    match k {
        0 => 1.0,
        // Count failures: P(X ≥ k) = P(n − X ≤ n − k).
        _ if k <= n => at_most(n - k, n, 1.0 - p),
        _ => 0.0,
    }
}

/// P(X ≤ k), for k not above the mean: the terms fall from k downwards.
fn tail(k: u64, n: u64, p: f64) -> f64 {
    let odds = (1.0 - p) / p;
    let (mut sum, mut ratio) = (1.0, 1.0);
    for j in (1..=k).rev() {
        ratio *= odds * j as f64 / (n - j + 1) as f64;
        sum += ratio;
        if ratio < sum * 1e-17 {
            break;
        }
    }
    term(k, n, p) * sum
}

/// P(X = k), for 0 ≤ k < n.
fn term(k: u64, n: u64, p: f64) -> f64 {
    let (x, n) = (k as f64, n as f64);
    if k == 0 {
        return (n * libm::log1p(-p)).exp();
    }
    let rest = n - x;
    let exponent = stirling_error(n)
        - stirling_error(x)
        - stirling_error(rest)
        - deviance(x, n * p)
        - deviance(rest, n * (1.0 - p));
    (n / (std::f64::consts::TAU * x * rest)).sqrt() * exponent.exp()
}

/// ln n! less Stirling's formula for it.
fn stirling_error(n: f64) -> f64 {
    if n < 16.0 {
        let factorial: f64 = (1..=n as u64).map(|i| i as f64).product();
        return factorial.ln() - ((n + 0.5) * n.ln() - n + 0.5 * std::f64::consts::TAU.ln());
    }
    let square = n * n;
    (1.0 / 12.0
        - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / 1188.0 / square) / square) / square) / square)
        / n
}

/// x ln(x/mean) + mean − x, without the cancellation where x is near the mean.
fn deviance(x: f64, mean: f64) -> f64 {
    let off = x - mean;
    if off.abs() >= 0.1 * (x + mean) {
        return x * (x / mean).ln() - off;
    }
    let v = off / (x + mean);
    let mut sum = off * v;
    let mut power = 2.0 * x * v;
    for odd in (3..).step_by(2) {
        power *= v * v;
        let next = sum + power / f64::from(odd);
        if next == sum {
            break;
        }
        sum = next;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pascal's rule: no logarithm, no cancellation, and slow.
    fn pascal_row(n: usize, p: f64) -> Vec<f64> {
        let mut row = vec![1.0];
        for _ in 0..n {
            let mut next = vec![0.0; row.len() + 1];
            for (k, share) in row.iter().enumerate() {
                next[k] += share * (1.0 - p);
                next[k + 1] += share * p;
            }
            row = next;
        }
        row
    }

    #[track_caller]
    fn assert_close(given: f64, expect: f64) {
        assert!((given - expect).abs() <= expect * 1e-11 + 1e-300, "{given:e} is not {expect:e}");
    }

    #[test]
    fn tails_are_the_sums_of_their_terms() {
        for p in [0.01, 0.5, 0.75, 0.9, 0.99] {
            for n in [1, 2, 7, 15, 16, 17, 30, 100, 400] {
                let row = pascal_row(n, p);
                for k in 0..=n {
                    let (below, above) = (row[..=k].iter().sum::<f64>(), row[k..].iter().sum::<f64>());
                    assert_close(at_most(k as u64, n as u64, p), below);
                    assert_close(at_least(k as u64, n as u64, p), above);
                }
            }
        }
    }

    #[test]
    fn certain_and_impossible_tails_are_exact() {
        assert_eq!((at_least(0, 9, 0.75), at_least(10, 9, 0.75)), (1.0, 0.0));
        assert_eq!((at_most(9, 9, 0.75), at_most(0, 0, 0.75)), (1.0, 1.0));
    }

    /// By 40-digit arithmetic.
    #[test]
    fn a_billion_visits_are_as_exact_as_a_hundred() {
        for (k, n, below) in REFERENCE {
            let given = at_most(k, n, 0.75);
            assert!((given - below).abs() <= below * 1e-9, "{k} of {n}: {given:e} is not {below:e}");
        }
    }

    const REFERENCE: [(u64, u64, f64); 7] = [
        (64, 100, 0.009406965929982728),
        (938, 1300, 0.01029378972829911),
        (3677, 5000, 0.009243915452480522),
        (749_000, 1_000_000, 0.01051583861101481),
        (750_000_000, 1_000_000_000, 0.5000121394270047),
        (749_968_000, 1_000_000_000, 0.009_722_558_428_346_58),
        (749_900_000, 1_000_000_000, 1.411165746905645e-13),
    ];
}
