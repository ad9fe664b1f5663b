//! The metrics, and where good ends and poor begins. Their only home: the client's ratings, the
//! sketch's bucket edges and the verdicts are all derived from this table.

/// A vital, in the order in which every table lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Metric {
    /// First Contentful Paint.
    Fcp,
    /// Largest Contentful Paint.
    Lcp,
    /// Cumulative Layout Shift.
    Cls,
    /// Interaction to Next Paint.
    Inp,
    /// First Input Delay: legacy, retired as a Core Web Vital in 2024.
    Fid,
    /// Time to First Byte.
    Ttfb,
}

/// The edges of the ratings: good ≤ `good` < needs improvement ≤ `poor` < poor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// The largest good value.
    pub good: f64,
    /// The largest value that is not poor.
    pub poor: f64,
}

/// How a value feels to visitors, by the metric's thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rating {
    /// At most the good threshold.
    Good,
    /// Between the two.
    NeedsImprovement,
    /// Above the poor threshold.
    Poor,
}

impl Metric {
    /// Every metric, in table order.
    pub const ALL: [Self; 6] = [Self::Fcp, Self::Lcp, Self::Cls, Self::Inp, Self::Fid, Self::Ttfb];

    /// The name on the wire and in every table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fcp => "FCP",
            Self::Lcp => "LCP",
            Self::Cls => "CLS",
            Self::Inp => "INP",
            Self::Fid => "FID",
            Self::Ttfb => "TTFB",
        }
    }

    /// The metric of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// Where good ends and poor begins, in the metric's own unit (milliseconds; CLS has none).
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "the table has a row for every metric, in their order")]
    pub const fn thresholds(self) -> Thresholds {
        let [good, poor] = THRESHOLDS[self as usize];
        Thresholds { good: good as f64 / self.wire_scale(), poor: poor as f64 / self.wire_scale() }
    }

    /// How many wire units make one of the metric's own: integers cross the wire, milliseconds as
    /// they are and CLS in ten-thousandths.
    #[must_use]
    pub const fn wire_scale(self) -> f64 {
        match self {
            Self::Cls => 10_000.0,
            _ => 1.0,
        }
    }

    /// The value as it crosses the wire: rounded up, so that it meets an integer budget after
    /// rounding exactly when it met it before. What floating point adds to a round number
    /// (0.07 × 10,000 is 700.0000000000001) is not part of the value, and is not rounded up.
    #[must_use]
    #[inline(always)]
    pub const fn to_wire(self, value: f64) -> u32 {
        (value * self.wire_scale() + (1.0 - ROUNDING_TOLERANCE)) as u32
    }

    /// The rating of an exact value.
    #[must_use]
    pub const fn rate(self, value: f64) -> Rating {
        let Thresholds { good, poor } = self.thresholds();
        if value > poor {
            Rating::Poor
        } else if value > good {
            Rating::NeedsImprovement
        } else {
            Rating::Good
        }
    }
}

/// Where good and where poor begins, in wire units: they divide into exactly the published numbers.
static THRESHOLDS: [[u16; 2]; 6] =
    [[1800, 3000], [2500, 4000], [1000, 2500], [200, 500], [100, 300], [800, 1800]];

/// Above what f64 loses in a day of milliseconds, below the finest clock a browser has.
const ROUNDING_TOLERANCE: f64 = 1e-6;

#[cfg(test)]
mod tests {
    use super::Metric;

    #[track_caller]
    fn check(metric: Metric, value: f64, wire: u32) {
        assert_eq!(metric.to_wire(value), wire);
    }

    #[test]
    fn wire_values_are_rounded_up() {
        check(Metric::Lcp, 0.0, 0);
        check(Metric::Lcp, 2500.0, 2500);
        check(Metric::Lcp, 2500.005, 2501);
        check(Metric::Cls, 0.25001, 2501);
    }

    #[test]
    fn floating_point_noise_is_not_rounded_up() {
        check(Metric::Cls, 0.1, 1000);
        check(Metric::Cls, 0.07, 700);
        check(Metric::Cls, 0.1 + 0.2, 3000);
        check(Metric::Ttfb, 1000.1 - 200.1, 800);
    }

    #[test]
    fn every_ten_thousandth_is_exact_on_the_wire() {
        for wire in 0..20_000_u32 {
            check(Metric::Cls, f64::from(wire) / 10_000.0, wire);
        }
    }
}
