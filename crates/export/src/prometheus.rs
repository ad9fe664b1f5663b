//! The exposition for scrapers, in Prometheus's text format and in OpenMetrics.

use std::fmt::Write;

use crate::families::merge_families;
use crate::family::{MetricData, MetricFamily};
use crate::gauge::Gauge;
use crate::histogram::Histogram;
use crate::totals::Totals;

/// The exposition formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpositionFormat {
    /// Prometheus's text format, version 0.0.4.
    Text,
    /// OpenMetrics, version 1.0.0.
    OpenMetrics,
}

impl ExpositionFormat {
    /// Selects the format from the `Accept` header.
    #[must_use]
    pub fn from_accept(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Text }
    }

    /// Returns the `Content-Type` of the response.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Renders the page of one or several sites.
#[must_use]
pub fn render<'a>(
    sites: impl IntoIterator<Item = (&'a Totals, &'a [Gauge])>,
    format: ExpositionFormat,
) -> String {
    let mut page = String::new();
    for family in merge_families(sites) {
        // Writing to a `String` cannot fail.
        let _ = write_family(&mut page, &family, format);
    }
    if format == ExpositionFormat::OpenMetrics {
        page.push_str("# EOF\n");
    }
    page
}

fn write_family(page: &mut String, family: &MetricFamily, format: ExpositionFormat) -> std::fmt::Result {
    let MetricFamily { name, help, data } = family;
    let name = name.prometheus;
    let kind = match data {
        MetricData::Counter(_) => "counter",
        MetricData::Gauge(_) => "gauge",
        MetricData::Histogram(_) => "histogram",
    };
    // The text format names a counter by its sample; OpenMetrics omits the suffix.
    let described = match (data, format) {
        (MetricData::Counter(_), ExpositionFormat::Text) => format!("{name}_total"),
        _ => name.to_owned(),
    };
    writeln!(page, "# HELP {described} {help}")?;
    writeln!(page, "# TYPE {described} {kind}")?;
    if format == ExpositionFormat::OpenMetrics {
        for unit in ["seconds", "bytes"].into_iter().filter(|unit| name.ends_with(unit)) {
            writeln!(page, "# UNIT {described} {unit}")?;
        }
    }
    match data {
        MetricData::Counter(samples) => {
            for (labels, value) in samples {
                writeln!(page, "{name}_total{{{}}} {value}", format_labels(labels))?;
            }
        }
        MetricData::Gauge(samples) => {
            for (labels, value) in samples {
                writeln!(page, "{name}{{{}}} {value}", format_labels(labels))?;
            }
        }
        MetricData::Histogram(samples) => {
            for (labels, histogram) in samples {
                write_histogram(page, name, &format_labels(labels), histogram)?;
            }
        }
    }
    Ok(())
}

fn write_histogram(page: &mut String, name: &str, labels: &str, histogram: &Histogram) -> std::fmt::Result {
    let mut below = 0_u64;
    for (edge, count) in histogram.edges.iter().zip(&histogram.counts) {
        below = below.saturating_add(*count);
        // OpenMetrics requires canonical floats such as `1.0`; the text format accepts them.
        writeln!(page, "{name}_bucket{{{labels},le=\"{edge:?}\"}} {below}")?;
    }
    let n = histogram.n();
    writeln!(page, "{name}_bucket{{{labels},le=\"+Inf\"}} {n}")?;
    writeln!(page, "{name}_sum{{{labels}}} {:?}", histogram.sum)?;
    writeln!(page, "{name}_count{{{labels}}} {n}")
}

fn format_labels(labels: &[(&'static str, String)]) -> String {
    let written: Vec<String> = labels
        .iter()
        .map(|(name, value)| {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            format!("{name}=\"{value}\"")
        })
        .collect();
    written.join(",")
}
