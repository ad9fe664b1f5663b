//! The metric table: names, order, units, entry types and thresholds. The client's ratings, the
//! sketch's bucket edges and the verdicts are derived from it. `pkg/src/metrics.js` is generated from
//! it; `tests/metric_table.rs` fails where that file, the npm package's types or the beacon's schema
//! differ.

/// Declares the metrics, each in one row: its number, name, entry type, wire units per unit, and bounds of
/// the ratings in wire units.
macro_rules! metrics {
    ($($(#[$doc:meta])* $metric:ident = $number:literal {
        name: $name:literal, entry_type: $entry_type:expr, wire_scale: $wire_scale:literal, good: $good:literal, poor: $poor:literal
    })+) => {
        /// A web vital. The order of the variants is the order of every table. Stored sketches hold the
        /// number of their metric, so a new row is the last one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Metric {
            $($(#[$doc])* $metric = $number,)+
        }

        impl Metric {
            /// Every metric, in table order.
            pub const ALL: [Self; THRESHOLDS.len()] = [$(Self::$metric),+];

            /// The name on the wire and in every table.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$metric => $name),+ }
            }

            /// Returns the metric at this position of the table.
            #[must_use]
            #[inline(always)]
            pub const fn from_index(index: usize) -> Option<Self> {
                match index {
                    $($number => Some(Self::$metric),)+
                    _ => None,
                }
            }

            /// The type of the performance entries that report the metric. TTFB has none: it is read from
            /// the navigation entry.
            #[must_use]
            pub const fn entry_type(self) -> Option<&'static str> {
                match self { $(Self::$metric => $entry_type),+ }
            }

            /// Wire units per unit of the metric. Values cross the wire as integers: milliseconds
            /// unscaled, CLS in ten-thousandths.
            #[must_use]
            pub const fn wire_scale(self) -> f64 {
                match self { $(Self::$metric => $wire_scale),+ }
            }
        }

        /// The published thresholds in wire units, where they are integers.
        static THRESHOLDS: [[u16; 2]; [$($number),+].len()] = [$([$good, $poor]),+];
    };
}

metrics! {
    /// First Contentful Paint.
    Fcp = 0 { name: "FCP", entry_type: Some("paint"), wire_scale: 1.0, good: 1800, poor: 3000 }
    /// Largest Contentful Paint.
    Lcp = 1 { name: "LCP", entry_type: Some("largest-contentful-paint"), wire_scale: 1.0, good: 2500, poor: 4000 }
    /// Cumulative Layout Shift.
    Cls = 2 { name: "CLS", entry_type: Some("layout-shift"), wire_scale: 10_000.0, good: 1000, poor: 2500 }
    /// Interaction to Next Paint.
    Inp = 3 { name: "INP", entry_type: Some("event"), wire_scale: 1.0, good: 200, poor: 500 }
    /// First Input Delay: legacy, retired as a Core Web Vital in 2024.
    Fid = 4 { name: "FID", entry_type: Some("first-input"), wire_scale: 1.0, good: 100, poor: 300 }
    /// Time to First Byte.
    Ttfb = 5 { name: "TTFB", entry_type: None, wire_scale: 1.0, good: 800, poor: 1800 }
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
    /// Returns the metric with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// The published thresholds, in the metric's own unit (milliseconds; CLS has none).
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "the table has a row for every metric, in their order")]
    pub const fn thresholds(self) -> Thresholds {
        let [good, poor] = THRESHOLDS[self as usize];
        Thresholds { good: good as f64 / self.wire_scale(), poor: poor as f64 / self.wire_scale() }
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
