//! Latencies in whole milliseconds: a sketch, so that percentiles are as precise as those of Web Vitals, and
//! an exact sum.

use sketch::Sketch;
use wire::Metric;

/// A distribution of latencies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatencyHistogram {
    /// The distribution, in whole milliseconds.
    pub sketch: Sketch,
    /// The exact sum in milliseconds.
    pub sum_ms: u64,
}

impl LatencyHistogram {
    /// Adds a latency.
    pub fn add(&mut self, millis: u64) {
        self.sum_ms = self.sum_ms.saturating_add(millis);
        self.sketch.insert(u32::try_from(millis).unwrap_or(u32::MAX), 1);
    }

    /// Adds other latencies.
    pub fn merge(&mut self, other: &Self) {
        self.sum_ms = self.sum_ms.saturating_add(other.sum_ms);
        // Both sketches are of `SKETCH_METRIC`, so the merge cannot fail.
        let _ = self.sketch.merge(&other.sketch);
    }

    /// Returns the number of latencies.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.sketch.n()
    }

    /// Returns a percentile in milliseconds; `None` if empty.
    #[must_use]
    pub fn percentile(&self, percent: u8) -> Option<f64> {
        self.sketch.percentile(percent).map(|bucket| f64::from(bucket.midpoint()))
    }
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self { sketch: Sketch::new(SKETCH_METRIC), sum_ms: 0 }
    }
}

/// The sketch is that of a metric in milliseconds.
pub(crate) const SKETCH_METRIC: Metric = Metric::Ttfb;
