//! The metric table: names, order, units, entry types and thresholds. The client's ratings, the
//! sketch's bucket edges and the verdicts are derived from it. `pkg/src/metrics.js` is generated from
//! it; `tests/metric_table.rs` fails where that file, the npm package's types or the beacon's schema
//! differ.

/// A web vital. The order of the variants is the order of every table.
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

/// The bounds of the ratings: good ≤ `good` < needs improvement ≤ `poor` < poor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// The largest good value.
    pub good: f64,
    /// The largest value that is not poor.
    pub poor: f64,
}

/// The rating of a value by the metric's thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Rating {
    /// At most the good threshold.
    Good,
    /// Between the two thresholds.
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

    /// Returns the metric with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// Returns the metric at this position of the table.
    #[must_use]
    #[inline(always)]
    pub const fn from_index(index: usize) -> Option<Self> {
        match index {
            0 => Some(Self::Fcp),
            1 => Some(Self::Lcp),
            2 => Some(Self::Cls),
            3 => Some(Self::Inp),
            4 => Some(Self::Fid),
            5 => Some(Self::Ttfb),
            _ => None,
        }
    }

    /// The type of the performance entries that report the metric. TTFB has none: it is read from the
    /// navigation entry.
    #[must_use]
    pub const fn entry_type(self) -> Option<&'static str> {
        match self {
            Self::Fcp => Some("paint"),
            Self::Lcp => Some("largest-contentful-paint"),
            Self::Cls => Some("layout-shift"),
            Self::Inp => Some("event"),
            Self::Fid => Some("first-input"),
            Self::Ttfb => None,
        }
    }

    /// The published thresholds, in the metric's own unit (milliseconds; CLS has none).
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "the table has a row for every metric, in their order")]
    pub const fn thresholds(self) -> Thresholds {
        let [good, poor] = THRESHOLDS[self as usize];
        Thresholds { good: good as f64 / self.wire_scale(), poor: poor as f64 / self.wire_scale() }
    }

    /// Wire units per unit of the metric. Values cross the wire as integers: milliseconds unscaled, CLS
    /// in ten-thousandths.
    #[must_use]
    pub const fn wire_scale(self) -> f64 {
        match self {
            Self::Cls => 10_000.0,
            Self::Fcp | Self::Lcp | Self::Inp | Self::Fid | Self::Ttfb => 1.0,
        }
    }

    /// Converts a value to wire units, rounded up, so that it meets an integer budget after rounding
    /// exactly when it met it before. Floating-point error (0.07 × 10,000 is 700.0000000000001) is not
    /// rounded up.
    #[must_use]
    #[inline(always)]
    pub const fn to_wire(self, value: f64) -> u32 {
        (value * self.wire_scale() + (1.0 - ROUNDING_TOLERANCE)) as u32
    }

    /// Rates an exact value.
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

impl Rating {
    /// Every rating, best first.
    pub const ALL: [Self; 3] = [Self::Good, Self::NeedsImprovement, Self::Poor];

    /// The name in reports, as web-vitals has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::NeedsImprovement => "needs-improvement",
            Self::Poor => "poor",
        }
    }
}

/// The published thresholds in wire units, where they are integers.
static THRESHOLDS: [[u16; 2]; 6] =
    [[1800, 3000], [2500, 4000], [1000, 2500], [200, 500], [100, 300], [800, 1800]];

/// Above the precision that f64 loses in a day of milliseconds, below the resolution of any browser's clock.
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
