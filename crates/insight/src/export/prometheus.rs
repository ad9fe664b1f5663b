//! The text that Prometheus scrapes, in its own format and in OpenMetrics. What there is to say is
//! decided one file up.

use std::fmt::Write;

use super::{Data, Family, Gauge, Histogram, Totals, together};

/// One of the two formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus's, version 0.0.4.
    Text,
    /// OpenMetrics, version 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The one that a scraper asks for.
    #[must_use]
    pub fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Text }
    }

    /// The `Content-Type` to answer with.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The page that is scraped, of one or several sites.
#[must_use]
pub fn page<'a>(sites: impl IntoIterator<Item = (&'a Totals, &'a [Gauge])>, format: Format) -> String {
    let mut page = String::new();
    for family in together(sites) {
        // Writing to a text cannot fail.
        let _ = write_family(&mut page, &family, format);
    }
    if format == Format::OpenMetrics {
        page.push_str("# EOF\n");
    }
    page
}

fn write_family(page: &mut String, family: &Family, format: Format) -> std::fmt::Result {
    let Family { name, help, data } = family;
    let name = name.prometheus;
    let kind = match data {
        Data::Counter(_) => "counter",
        Data::Gauge(_) => "gauge",
        Data::Histogram(_) => "histogram",
    };
    // Prometheus's own format names a counter by its sample, OpenMetrics without the ending.
    let described = match (data, format) {
        (Data::Counter(_), Format::Text) => format!("{name}_total"),
        _ => name.to_owned(),
    };
    writeln!(page, "# HELP {described} {help}")?;
    writeln!(page, "# TYPE {described} {kind}")?;
    if format == Format::OpenMetrics {
        for unit in ["seconds", "bytes"].into_iter().filter(|unit| name.ends_with(unit)) {
            writeln!(page, "# UNIT {described} {unit}")?;
        }
    }
    match data {
        Data::Counter(samples) => {
            for (labels, value) in samples {
                writeln!(page, "{name}_total{{{}}} {value}", written(labels))?;
            }
        }
        Data::Gauge(samples) => {
            for (labels, value) in samples {
                writeln!(page, "{name}{{{}}} {value}", written(labels))?;
            }
        }
        Data::Histogram(samples) => {
            for (labels, histogram) in samples {
                write_histogram(page, name, &written(labels), histogram)?;
            }
        }
    }
    Ok(())
}

fn write_histogram(page: &mut String, name: &str, labels: &str, histogram: &Histogram) -> std::fmt::Result {
    let mut below = 0_u64;
    for (edge, count) in histogram.edges.iter().zip(&histogram.counts) {
        below = below.saturating_add(*count);
        // OpenMetrics wants a point in every float; both read it.
        writeln!(page, "{name}_bucket{{{labels},le=\"{edge:?}\"}} {below}")?;
    }
    let n = histogram.n();
    writeln!(page, "{name}_bucket{{{labels},le=\"+Inf\"}} {n}")?;
    writeln!(page, "{name}_sum{{{labels}}} {:?}", histogram.sum)?;
    writeln!(page, "{name}_count{{{labels}}} {n}")
}

fn written(labels: &[(&'static str, String)]) -> String {
    let written: Vec<String> = labels
        .iter()
        .map(|(name, value)| {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            format!("{name}=\"{value}\"")
        })
        .collect();
    written.join(",")
}
