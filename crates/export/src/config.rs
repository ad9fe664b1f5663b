//! The configuration of exports, parsed from the variables and secrets of a deployment.

use std::fmt;

use outbox::is_http_url;

use crate::sentry::{Deployment, Dsn};

/// The configured exports.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExportConfig {
    /// The OpenTelemetry collector.
    pub otlp: Option<OtlpConfig>,
    /// Sentry.
    pub sentry: Option<SentryConfig>,
    /// Google Analytics 4.
    pub analytics: Option<AnalyticsConfig>,
}

/// An OpenTelemetry collector.
#[derive(Clone, Debug, PartialEq)]
pub struct OtlpConfig {
    /// The URL for metrics.
    pub metrics_url: String,
    /// The URL for traces.
    pub traces_url: String,
    /// The sampled share of traces that start at the edge.
    pub trace_sample_rate: f64,
    /// Additional request headers, such as a key.
    pub headers: Vec<(String, String)>,
}

/// Sentry.
#[derive(Clone, Debug, PartialEq)]
pub struct SentryConfig {
    /// The address for envelopes.
    pub dsn: Dsn,
    /// The share of views sent as transactions.
    pub sample_rate: f64,
    /// The release and environment of the Worker.
    pub deployment: Deployment,
}

/// Google Analytics 4.
#[derive(Clone, Debug, PartialEq)]
pub struct AnalyticsConfig {
    /// The URL for events, including the stream and its secret.
    pub url: String,
    /// The share of views to send.
    pub sample_rate: f64,
}

/// An invalid variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportConfigError {
    name: &'static str,
    expected: &'static str,
}

impl ExportConfig {
    /// Parses the variables and secrets of a deployment. `version` is that of the Worker.
    ///
    /// # Errors
    /// Names the invalid variable, and does not show its value, which may be secret.
    pub fn from_variables(
        read_variable: impl Fn(&str) -> Option<String>,
        version: &str,
    ) -> Result<Self, ExportConfigError> {
        let variable = |name: &str| {
            read_variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
        };
        Ok(Self {
            otlp: variable("OTLP_URL")
                .map(|url| {
                    let sample_rate = parse_sample_rate("TRACE_SAMPLE", variable("TRACE_SAMPLE"), 0.0)?;
                    parse_otlp(&url, sample_rate, variable("OTLP_HEADERS").as_deref())
                })
                .transpose()?,
            sentry: variable("SENTRY_DSN")
                .map(|dsn| {
                    let expected = "`https://KEY@HOST/PROJECT`, as shown in the Sentry project's settings";
                    let dsn =
                        Dsn::parse(&dsn).map_err(|_| ExportConfigError { name: "SENTRY_DSN", expected })?;
                    let release = variable("RELEASE").unwrap_or_else(|| format!("edge-vitals@{version}"));
                    let environment = variable("ENVIRONMENT").unwrap_or_else(|| "production".into());
                    let sample_rate = parse_sample_rate("SENTRY_SAMPLE", variable("SENTRY_SAMPLE"), 0.0)?;
                    Ok(SentryConfig { dsn, sample_rate, deployment: Deployment { release, environment } })
                })
                .transpose()?,
            analytics: match (variable("GA4_MEASUREMENT_ID"), variable("GA4_SECRET")) {
                (None, None) => None,
                (Some(id), Some(secret)) => {
                    Some(parse_analytics(&id, &secret, variable("GA4_URL"), variable("GA4_SAMPLE"))?)
                }
                _ => {
                    let expected = "set together with GA4_SECRET, or neither of them";
                    return Err(ExportConfigError { name: "GA4_MEASUREMENT_ID", expected });
                }
            },
        })
    }
}

fn parse_otlp(
    url: &str,
    trace_sample_rate: f64,
    headers: Option<&str>,
) -> Result<OtlpConfig, ExportConfigError> {
    let url = url.trim_end_matches('/');
    if !is_http_url(url) {
        let expected = "the URL of a collector, such as `https://otlp.example.com`, without `/v1/metrics`";
        return Err(ExportConfigError { name: "OTLP_URL", expected });
    }
    let expected = "a comma-separated list of `name=value`";
    let invalid = || ExportConfigError { name: "OTLP_HEADERS", expected };
    let is_token = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let is_value = |text: &str| text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    let header = |part: &str| {
        let (name, value) = part.split_once('=').ok_or_else(invalid)?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
        if is_token(&name) && is_value(&value) { Ok((name, value)) } else { Err(invalid()) }
    };
    let parts = headers.unwrap_or_default().split(',').filter(|part| !part.trim().is_empty());
    Ok(OtlpConfig {
        metrics_url: format!("{url}/v1/metrics"),
        traces_url: format!("{url}/v1/traces"),
        trace_sample_rate,
        headers: parts.map(header).collect::<Result<_, _>>()?,
    })
}

fn parse_analytics(
    id: &str,
    secret: &str,
    url: Option<String>,
    sample_rate_text: Option<String>,
) -> Result<AnalyticsConfig, ExportConfigError> {
    let is_plain =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if !is_plain(id) || !is_plain(secret) {
        let expected = "like `G-XXXXXXXXXX`, and GA4_SECRET as Analytics shows it";
        return Err(ExportConfigError { name: "GA4_MEASUREMENT_ID", expected });
    }
    let url = url.unwrap_or_else(|| "https://www.google-analytics.com/mp/collect".into());
    if !is_http_url(&url) {
        return Err(ExportConfigError { name: "GA4_URL", expected: "the URL of the Measurement Protocol" });
    }
    let sample_rate = parse_sample_rate("GA4_SAMPLE", sample_rate_text, 1.0)?;
    Ok(AnalyticsConfig { url: format!("{url}?measurement_id={id}&api_secret={secret}"), sample_rate })
}

fn parse_sample_rate(
    name: &'static str,
    text: Option<String>,
    default: f64,
) -> Result<f64, ExportConfigError> {
    let Some(text) = text else { return Ok(default) };
    let rate = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    rate.ok_or(ExportConfigError { name, expected: "a number from 0 to 1" })
}

impl fmt::Display for ExportConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must be {}", self.name, self.expected)
    }
}

impl std::error::Error for ExportConfigError {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(given: &[(&str, &str)]) -> Result<ExportConfig, ExportConfigError> {
        let given: BTreeMap<&str, &str> = given.iter().copied().collect();
        ExportConfig::from_variables(|name| given.get(name).map(|text| (*text).to_owned()), "1.2.3")
    }

    #[test]
    fn nothing_is_exported_unless_configured() {
        assert_eq!(read(&[]), Ok(ExportConfig::default()));
        assert_eq!(read(&[("OTLP_URL", " "), ("SENTRY_SAMPLE", "1")]), Ok(ExportConfig::default()));
    }

    #[test]
    fn each_exporter_is_configured() {
        let all = read(&[
            ("OTLP_URL", "https://otlp.example/base/"),
            ("OTLP_HEADERS", "X-Key=a=b, authorization=Bearer t"),
            ("SENTRY_DSN", "https://key@sentry.example/7"),
            ("SENTRY_SAMPLE", "0.25"),
            ("GA4_MEASUREMENT_ID", "G-ABC"),
            ("GA4_SECRET", "s3cret"),
        ])
        .unwrap();
        let otlp = all.otlp.unwrap();
        assert_eq!(otlp.metrics_url, "https://otlp.example/base/v1/metrics");
        let headers = [("x-key", "a=b"), ("authorization", "Bearer t")];
        assert_eq!(otlp.headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let sentry = all.sentry.unwrap();
        assert_eq!((sentry.sample_rate, sentry.deployment.release.as_str()), (0.25, "edge-vitals@1.2.3"));
        let analytics = all.analytics.unwrap();
        assert_eq!(analytics.sample_rate, 1.0);
        assert!(analytics.url.ends_with("/mp/collect?measurement_id=G-ABC&api_secret=s3cret"));
    }

    #[test]
    fn an_error_names_the_variable_and_shows_no_secret() {
        for (given, name) in [
            (vec![("OTLP_URL", "secret")], "OTLP_URL"),
            (vec![("OTLP_URL", "https://a"), ("OTLP_HEADERS", "secret")], "OTLP_HEADERS"),
            (vec![("OTLP_URL", "https://a"), ("OTLP_HEADERS", "a=secret\nb")], "OTLP_HEADERS"),
            (vec![("SENTRY_DSN", "https://secret")], "SENTRY_DSN"),
            (vec![("SENTRY_DSN", "https://secret@a/1"), ("SENTRY_SAMPLE", "2")], "SENTRY_SAMPLE"),
            (vec![("GA4_SECRET", "secret")], "GA4_MEASUREMENT_ID"),
            (vec![("GA4_SECRET", "secret&x"), ("GA4_MEASUREMENT_ID", "G-1")], "GA4_MEASUREMENT_ID"),
        ] {
            let message = read(&given).unwrap_err().to_string();
            assert!(
                message.starts_with(name) && !message.contains("secret&") && !message.contains("secret@"),
                "{message}"
            );
        }
    }
}
