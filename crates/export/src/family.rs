//! Metric families: all samples of one metric, with its names for Prometheus and OpenTelemetry.

use crate::histogram::Histogram;

/// The samples of one metric.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MetricFamily {
    pub(crate) name: MetricName,
    pub(crate) help: &'static str,
    pub(crate) data: MetricData,
}

/// The names of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct MetricName {
    /// The Prometheus name, with its unit and without `_total`.
    pub(crate) prometheus: &'static str,
    /// The OpenTelemetry name.
    pub(crate) otel: &'static str,
    /// The UCUM unit for OpenTelemetry.
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
    /// Adds samples of the same kind; a name has one kind only.
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
