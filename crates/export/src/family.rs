//! Metric families: the samples of one name, in the two worlds' words.

use crate::histogram::Histogram;

/// Samples of one name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MetricFamily {
    pub(crate) name: MetricName,
    pub(crate) help: &'static str,
    pub(crate) data: MetricData,
}

/// A name in each of the two worlds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct MetricName {
    /// Prometheus's, with its unit and without `_total`.
    pub(crate) prometheus: &'static str,
    /// OpenTelemetry's.
    pub(crate) otel: &'static str,
    /// UCUM's unit for OpenTelemetry.
    pub(crate) unit: &'static str,
}

pub(crate) type LabelledSamples<T> = Vec<(Vec<(&'static str, String)>, T)>;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum MetricData {
    Counter(LabelledSamples<u64>),
    Gauge(LabelledSamples<f64>),
    Histogram(LabelledSamples<Histogram>),
}

impl MetricData {
    /// A name is always of one kind.
    pub(crate) fn extend(&mut self, other: Self) {
        match (self, other) {
            (Self::Counter(samples), Self::Counter(more)) => samples.extend(more),
            (Self::Gauge(samples), Self::Gauge(more)) => samples.extend(more),
            (Self::Histogram(samples), Self::Histogram(more)) => samples.extend(more),
            _ => {}
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        match self {
            Self::Counter(samples) => samples.is_empty(),
            Self::Gauge(samples) => samples.is_empty(),
            Self::Histogram(samples) => samples.is_empty(),
        }
    }
}
