//! Histograms with fixed edges, computed from sketches.

use sketch::Sketch;
use traffic::LatencyHistogram;
use wire::Metric;

/// A histogram with one count per edge (not cumulative) and one for values beyond the last edge.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Histogram {
    pub(crate) edges: Vec<f64>,
    pub(crate) counts: Vec<u64>,
    pub(crate) sum: f64,
}

/// Edges in milliseconds. Each is an edge of a sketch bucket, so the counts are exact.
pub const DURATION_EDGES_MS: [u32; 18] =
    [50, 100, 200, 300, 400, 500, 800, 1000, 1200, 1600, 1800, 2000, 2500, 3000, 4000, 5000, 8000, 10_000];

/// Edges in ten-thousandths of layout shift.
pub const LAYOUT_SHIFT_EDGES: [u32; 9] = [50, 100, 200, 500, 1000, 1600, 2500, 5000, 10_000];

impl Histogram {
    /// Converts a sketch to Prometheus's units: seconds, or the unitless CLS.
    pub(crate) fn from_sketch(sketch: &Sketch) -> Self {
        let (edges, scale): (&[u32], f64) = match sketch.metric() {
            Metric::Cls => (&LAYOUT_SHIFT_EDGES, Metric::Cls.wire_scale()),
            _ => (&DURATION_EDGES_MS, 1000.0),
        };
        let mut below = 0;
        let mut counts: Vec<u64> = edges
            .iter()
            .map(|edge| {
                let within = sketch.within(*edge).at_least;
                let count = within.saturating_sub(below);
                below = within;
                count
            })
            .collect();
        counts.push(sketch.n().saturating_sub(below));
        // The sum uses bucket midpoints, with an error of at most 0.8 %.
        let sum =
            sketch.buckets().map(|(bucket, n)| f64::from(bucket.midpoint()) * n as f64).sum::<f64>() / scale;
        Self { edges: edges.iter().map(|edge| f64::from(*edge) / scale).collect(), counts, sum }
    }

    /// Converts latencies to seconds, with an exact sum.
    pub(crate) fn from_latencies(times: &LatencyHistogram) -> Self {
        Self { sum: times.sum_ms as f64 / 1000.0, ..Self::from_sketch(&times.sketch) }
    }

    pub(crate) fn n(&self) -> u64 {
        self.counts.iter().fold(0, |n, count| n.saturating_add(*count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_edge_is_a_sketch_bucket_edge_so_counts_are_exact() {
        for (metric, edges) in [(Metric::Lcp, &DURATION_EDGES_MS[..]), (Metric::Cls, &LAYOUT_SHIFT_EDGES[..])]
        {
            let mut sketch = Sketch::new(metric);
            (0..12_000).for_each(|value| sketch.insert(value, 1));
            for edge in edges {
                let within = sketch.within(*edge);
                assert_eq!((within.at_least, within.at_most), (u64::from(*edge) + 1, u64::from(*edge) + 1));
            }
            let histogram = Histogram::from_sketch(&sketch);
            assert_eq!(histogram.n(), 12_000);
            let exact =
                (0..12_000_u32).map(f64::from).sum::<f64>() / if metric == Metric::Cls { 1e4 } else { 1e3 };
            assert!((histogram.sum / exact - 1.0).abs() < 0.008, "{} is not {exact}", histogram.sum);
        }
    }

    #[test]
    fn every_threshold_is_an_edge() {
        for metric in Metric::ALL {
            let edges = if metric == Metric::Cls { &LAYOUT_SHIFT_EDGES[..] } else { &DURATION_EDGES_MS[..] };
            let thresholds = metric.thresholds();
            for value in [thresholds.good, thresholds.poor] {
                assert!(edges.contains(&metric.to_wire(value)), "{} {value}", metric.name());
            }
        }
    }

    #[test]
    fn latencies_are_counted_up_to_their_edge() {
        let mut times = LatencyHistogram::default();
        [0, 50, 51, 99_999].into_iter().for_each(|millis| times.add(millis));
        let histogram = Histogram::from_latencies(&times);
        let counts = [0, 1, 18].map(|edge| histogram.counts[edge]);
        assert_eq!((counts, histogram.sum), ([2, 1, 1], 100.1));
    }
}
