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
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// Where good ends and poor begins, in the metric's own unit (milliseconds; CLS has none).
    #[must_use]
    pub const fn thresholds(self) -> Thresholds {
        let (good, poor) = match self {
            Self::Fcp => (1800.0, 3000.0),
            Self::Lcp => (2500.0, 4000.0),
            Self::Cls => (0.1, 0.25),
            Self::Inp => (200.0, 500.0),
            Self::Fid => (100.0, 300.0),
            Self::Ttfb => (800.0, 1800.0),
        };
        Thresholds { good, poor }
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
