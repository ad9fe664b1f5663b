//! Where a deployment sends what it exports: the texts of its configuration, read once. What is wrong is
//! told before anything is sent.

use std::fmt;

use ledger::outbox::is_address;

use super::sentry::{Dsn, Worker};

/// Every outlet; none of them is there unless it is configured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outlets {
    /// A collector of OpenTelemetry.
    pub otlp: Option<Otlp>,
    /// Sentry.
    pub sentry: Option<Sentry>,
    /// Google Analytics 4.
    pub analytics: Option<Analytics>,
}

/// A collector of OpenTelemetry.
#[derive(Clone, Debug, PartialEq)]
pub struct Otlp {
    /// Where metrics are posted.
    pub metrics: String,
    /// Where traces are posted.
    pub traces: String,
    /// The share of traces that begin at the edge which is recorded.
    pub share: f64,
    /// What goes along, such as a key.
    pub headers: Vec<(String, String)>,
}

/// Sentry.
#[derive(Clone, Debug, PartialEq)]
pub struct Sentry {
    /// Where envelopes are posted.
    pub dsn: Dsn,
    /// The share of views that are sent as transactions.
    pub share: f64,
    /// The Worker as it is to be known there.
    pub worker: Worker,
}

/// Google Analytics 4.
#[derive(Clone, Debug, PartialEq)]
pub struct Analytics {
    /// Where events are posted, with the stream and its secret.
    pub url: String,
    /// The share of views that are sent.
    pub share: f64,
}

/// What is wrong with an outlet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutletMistake {
    name: &'static str,
    want: &'static str,
}

impl Outlets {
    /// Reads the variables and secrets of a deployment; `version` is the Worker's.
    ///
    /// # Errors
    /// Says which one is wrong, and does not show it: many are secret.
    pub fn read(of: impl Fn(&str) -> Option<String>, version: &str) -> Result<Self, OutletMistake> {
        let of = |name: &str| of(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        Ok(Self {
            otlp: of("OTLP_URL")
                .map(|url| {
                    let share = share("TRACE_SAMPLE", of("TRACE_SAMPLE"), 0.0)?;
                    otlp(&url, share, of("OTLP_HEADERS").as_deref())
                })
                .transpose()?,
            sentry: of("SENTRY_DSN")
                .map(|dsn| {
                    let want = "`https://KEY@HOST/PROJECT`, as the project's settings show it";
                    let dsn = Dsn::parse(&dsn).map_err(|_| OutletMistake { name: "SENTRY_DSN", want })?;
                    let release = of("RELEASE").unwrap_or_else(|| format!("edge-vitals@{version}"));
                    let environment = of("ENVIRONMENT").unwrap_or_else(|| "production".into());
                    let share = share("SENTRY_SAMPLE", of("SENTRY_SAMPLE"), 0.0)?;
                    Ok(Sentry { dsn, share, worker: Worker { release, environment } })
                })
                .transpose()?,
            analytics: match (of("GA4_MEASUREMENT_ID"), of("GA4_SECRET")) {
                (None, None) => None,
                (Some(id), Some(secret)) => Some(analytics(&id, &secret, of("GA4_URL"), of("GA4_SAMPLE"))?),
                _ => {
                    let want = "set together with GA4_SECRET, or neither";
                    return Err(OutletMistake { name: "GA4_MEASUREMENT_ID", want });
                }
            },
        })
    }
}

fn otlp(url: &str, share: f64, headers: Option<&str>) -> Result<Otlp, OutletMistake> {
    let url = url.trim_end_matches('/');
    if !is_address(url) {
        let want = "the address of a collector, such as `https://otlp.example.com`, without `/v1/metrics`";
        return Err(OutletMistake { name: "OTLP_URL", want });
    }
    let want = "like `name=value`, several with commas";
    let wrong = || OutletMistake { name: "OTLP_HEADERS", want };
    let is_token = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let is_value = |text: &str| text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    let header = |part: &str| {
        let (name, value) = part.split_once('=').ok_or_else(wrong)?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
        if is_token(&name) && is_value(&value) { Ok((name, value)) } else { Err(wrong()) }
    };
    let parts = headers.unwrap_or_default().split(',').filter(|part| !part.trim().is_empty());
    Ok(Otlp {
        metrics: format!("{url}/v1/metrics"),
        traces: format!("{url}/v1/traces"),
        share,
        headers: parts.map(header).collect::<Result<_, _>>()?,
    })
}

fn analytics(
    id: &str,
    secret: &str,
    url: Option<String>,
    sample: Option<String>,
) -> Result<Analytics, OutletMistake> {
    let is_plain =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if !is_plain(id) || !is_plain(secret) {
        let want = "like `G-XXXXXXXXXX`, and its secret as Analytics shows it";
        return Err(OutletMistake { name: "GA4_MEASUREMENT_ID", want });
    }
    let url = url.unwrap_or_else(|| "https://www.google-analytics.com/mp/collect".into());
    if !is_address(&url) {
        return Err(OutletMistake { name: "GA4_URL", want: "the address of the Measurement Protocol" });
    }
    let share = share("GA4_SAMPLE", sample, 1.0)?;
    Ok(Analytics { url: format!("{url}?measurement_id={id}&api_secret={secret}"), share })
}

fn share(name: &'static str, text: Option<String>, otherwise: f64) -> Result<f64, OutletMistake> {
    let Some(text) = text else { return Ok(otherwise) };
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or(OutletMistake { name, want: "a share, from 0 to 1" })
}

impl fmt::Display for OutletMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must be {}", self.name, self.want)
    }
}

impl std::error::Error for OutletMistake {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(given: &[(&str, &str)]) -> Result<Outlets, OutletMistake> {
        let given: BTreeMap<&str, &str> = given.iter().copied().collect();
        Outlets::read(|name| given.get(name).map(|text| (*text).to_owned()), "1.2.3")
    }

    #[test]
    fn nothing_is_sent_where_nothing_is_configured() {
        assert_eq!(read(&[]), Ok(Outlets::default()));
        assert_eq!(read(&[("OTLP_URL", " "), ("SENTRY_SAMPLE", "1")]), Ok(Outlets::default()));
    }

    #[test]
    fn each_outlet_is_read() {
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
        assert_eq!(otlp.metrics, "https://otlp.example/base/v1/metrics");
        let headers = [("x-key", "a=b"), ("authorization", "Bearer t")];
        assert_eq!(otlp.headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let sentry = all.sentry.unwrap();
        assert_eq!((sentry.share, sentry.worker.release.as_str()), (0.25, "edge-vitals@1.2.3"));
        let analytics = all.analytics.unwrap();
        assert_eq!(analytics.share, 1.0);
        assert!(analytics.url.ends_with("/mp/collect?measurement_id=G-ABC&api_secret=s3cret"));
    }

    #[test]
    fn a_mistake_names_the_variable_and_shows_no_secret() {
        for (given, name) in [
            (vec![("OTLP_URL", "secret")], "OTLP_URL"),
            (vec![("OTLP_URL", "https://a"), ("OTLP_HEADERS", "secret")], "OTLP_HEADERS"),
            (vec![("OTLP_URL", "https://a"), ("OTLP_HEADERS", "a=secret\nb")], "OTLP_HEADERS"),
            (vec![("SENTRY_DSN", "https://secret")], "SENTRY_DSN"),
            (vec![("SENTRY_DSN", "https://secret@a/1"), ("SENTRY_SAMPLE", "2")], "SENTRY_SAMPLE"),
            (vec![("GA4_SECRET", "secret")], "GA4_MEASUREMENT_ID"),
            (vec![("GA4_SECRET", "secret&x"), ("GA4_MEASUREMENT_ID", "G-1")], "GA4_MEASUREMENT_ID"),
        ] {
            let says = read(&given).unwrap_err().to_string();
            assert!(
                says.starts_with(name) && !says.contains("secret&") && !says.contains("secret@"),
                "{says}"
            );
        }
    }
}
