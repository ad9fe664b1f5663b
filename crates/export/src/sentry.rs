//! Sentry: views as transactions with the vitals as measurements, errors of the Worker as events, each in an
//! envelope, and Sentry's rate limits. No document identifies a visitor.

use std::collections::BTreeMap;
use std::fmt;

use report::time_format::rfc3339;
use serde_json::{Value, json};
use wire::beacon::Navigation;
use wire::{Metric, UnixMillis};

use crate::sampled_view::{SampledView, hash};

/// The address and authentication of a Sentry project, from its DSN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dsn {
    /// The URL for envelopes.
    pub url: String,
    /// The value of `X-Sentry-Auth`.
    pub auth: String,
}

/// An invalid DSN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidDsn;

/// The release and environment reported to Sentry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The release.
    pub release: String,
    /// The environment.
    pub environment: String,
}

/// An error of the Worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorEvent {
    /// The time of the error.
    pub at: UnixMillis,
    /// The type of the error.
    pub kind: String,
    /// The message.
    pub message: String,
    /// The requested route.
    pub route: String,
}

/// Sentry's data categories with separate rate limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    /// Errors.
    Error,
    /// Transactions.
    Transaction,
}

/// The current rate limits of Sentry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SentryRateLimits {
    all: UnixMillis,
    by_category: BTreeMap<Category, UnixMillis>,
}

/// Recently sent errors. Equal errors are sent once an hour, with their number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecentErrors(BTreeMap<u64, SentError>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SentError {
    sent_at: UnixMillis,
    suppressed: u64,
}

impl Dsn {
    /// Parses `https://KEY@HOST/PROJECT`.
    ///
    /// # Errors
    /// Fails if the text has another form.
    pub fn parse(text: &str) -> Result<Self, InvalidDsn> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidDsn)?;
        let (key, rest) = rest.split_once('@').ok_or(InvalidDsn)?;
        let (host, project) = rest.rsplit_once('/').ok_or(InvalidDsn)?;
        let (host, prefix) =
            host.split_once('/').map_or((host, String::new()), |(host, path)| (host, format!("/{path}")));
        // Older DSNs have a secret after a colon, which is not needed.
        let key = key.split(':').next().unwrap_or_default();
        let is_word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !matches!(scheme, "http" | "https") || host.is_empty() || !is_word(key) || !is_word(project) {
            return Err(InvalidDsn);
        }
        Ok(Self {
            url: format!("{scheme}://{host}{prefix}/api/{project}/envelope/"),
            auth: format!("Sentry sentry_version=7, sentry_client=edge-vitals/1, sentry_key={key}"),
        })
    }
}

/// Returns the envelope of a view.
#[must_use]
pub fn transaction(view: &SampledView, deployment: &Deployment, now: UnixMillis) -> String {
    let operation = match view.navigation {
        Navigation::SoftNavigation | Navigation::View => "navigation",
        _ => "pageload",
    };
    let measurements: serde_json::Map<String, Value> = view
        .values
        .iter()
        .map(|(metric, value)| {
            let unit = if metric == Metric::Cls { "" } else { "millisecond" };
            let value = f64::from(value) / metric.wire_scale();
            (metric.name().to_lowercase(), json!({ "value": value, "unit": unit }))
        })
        .collect();
    let id = view.derive_id("event", 32);
    let payload = json!({
        "type": "transaction",
        "event_id": id,
        "platform": "other",
        "transaction": view.route,
        "transaction_info": { "source": "route" },
        "start_timestamp": unix_seconds(view.start),
        "timestamp": unix_seconds(view.start.saturating_add(view.age.into())),
        "release": view.release.as_ref().unwrap_or(&deployment.release),
        "environment": deployment.environment,
        "contexts": { "trace": {
            "trace_id": view.derive_id("trace", 32),
            "span_id": view.derive_id("span", 16),
            "op": operation,
            "status": "ok",
            "origin": "manual",
        } },
        "tags": { "device.class": view.device.name(), "navigation": view.navigation.name() },
        "measurements": measurements,
        "spans": [],
    });
    envelope(&id, "transaction", &payload, now)
}

/// Returns the envelope of an error with its number of occurrences since the last one.
#[must_use]
pub fn error_event(failure: &ErrorEvent, times: u64, deployment: &Deployment, now: UnixMillis) -> String {
    let message = scrub(&failure.message);
    let fingerprint = failure.fingerprint();
    let id = format!("{:016x}{:016x}", fingerprint, hash(&format!("{fingerprint}/{}", failure.at.0)));
    let payload = json!({
        "event_id": id,
        "platform": "other",
        "level": "error",
        "timestamp": unix_seconds(failure.at),
        "transaction": failure.route,
        "release": deployment.release,
        "environment": deployment.environment,
        "exception": { "values": [{ "type": failure.kind, "value": message }] },
        "fingerprint": [format!("{fingerprint:016x}")],
        "extra": { "times": times },
    });
    envelope(&id, "event", &payload, now)
}

impl ErrorEvent {
    /// Equal for errors that differ only in scrubbed parts.
    fn fingerprint(&self) -> u64 {
        hash(&format!("{}\n{}\n{}", self.kind, self.route, scrub(&self.message)))
    }
}

impl RecentErrors {
    /// Returns the number of occurrences to send now; `None` while the error is suppressed.
    pub fn admit(&mut self, error: &ErrorEvent) -> Option<u64> {
        let at = error.at;
        self.0.retain(|_, sent| at.0.abs_diff(sent.sent_at.0) < REPEAT_INTERVAL_MS || sent.suppressed > 0);
        let fingerprint = error.fingerprint();
        if let Some(sent) = self.0.get_mut(&fingerprint) {
            sent.suppressed = sent.suppressed.saturating_add(1);
            if at.0.abs_diff(sent.sent_at.0) < REPEAT_INTERVAL_MS {
                return None;
            }
            let times = sent.suppressed;
            *sent = SentError { sent_at: at, suppressed: 0 };
            return Some(times);
        }
        // The first two hundred of a flood of different errors are enough.
        if self.0.len() >= MAX_RECENT_ERRORS {
            self.0.retain(|_, sent| at.0.abs_diff(sent.sent_at.0) < REPEAT_INTERVAL_MS);
        }
        if self.0.len() >= MAX_RECENT_ERRORS {
            return None;
        }
        self.0.insert(fingerprint, SentError { sent_at: at, suppressed: 0 });
        Some(1)
    }
}

impl SentryRateLimits {
    /// Reads `X-Sentry-Rate-Limits`, or for a 429 without it, `Retry-After` in seconds.
    pub fn update(
        &mut self,
        status: u16,
        rate_limits: Option<&str>,
        retry_after: Option<u64>,
        now: UnixMillis,
    ) {
        let Some(limits) = rate_limits else {
            if status == 429 {
                let until =
                    now.saturating_add(retry_after.unwrap_or(60).min(MAX_LIMIT_SECONDS).saturating_mul(1000));
                self.all = self.all.max(until);
            }
            return;
        };
        for limit in limits.split(',') {
            let mut parts = limit.trim().split(':');
            let Some(seconds) = parts.next().and_then(|text| text.parse::<u64>().ok()) else { continue };
            let until = now.saturating_add(seconds.min(MAX_LIMIT_SECONDS).saturating_mul(1000));
            let categories = parts.next().unwrap_or_default();
            if categories.is_empty() {
                self.all = self.all.max(until);
            }
            for category in categories.split(';') {
                let category = match category {
                    "error" | "default" => Category::Error,
                    "transaction" => Category::Transaction,
                    _ => continue,
                };
                let known = self.by_category.entry(category).or_default();
                *known = until.max(*known);
            }
        }
    }

    /// Returns `true` if an envelope of that category may be sent.
    #[must_use]
    pub fn is_allowed(&self, category: Category, now: UnixMillis) -> bool {
        now >= self.all && self.by_category.get(&category).is_none_or(|until| now >= *until)
    }
}

impl fmt::Display for InvalidDsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a Sentry DSN must be `https://KEY@HOST/PROJECT`, as shown in the project's settings")
    }
}

impl std::error::Error for InvalidDsn {}

fn envelope(id: &str, kind: &str, payload: &Value, now: UnixMillis) -> String {
    let payload = payload.to_string();
    let header =
        json!({ "event_id": id, "sent_at": rfc3339(now), "sdk": { "name": "edge-vitals", "version": "1" } });
    let item = json!({ "type": kind, "length": payload.len(), "content_type": "application/json" });
    format!("{header}\n{item}\n{payload}\n")
}

/// Removes e-mail addresses, query strings and numbers, which may be personal.
fn scrub(message: &str) -> String {
    let words: Vec<String> = message.split(' ').map(scrub_word).collect();
    words.join(" ").chars().take(MAX_MESSAGE_CHARS).collect()
}

fn scrub_word(word: &str) -> String {
    if word.contains('@') {
        return "[address]".to_owned();
    }
    let (word, query) = word.split_once('?').map_or((word, ""), |(before, _)| (before, "?…"));
    let mut scrubbed = String::with_capacity(word.len());
    for char in word.chars() {
        match (char.is_ascii_digit(), scrubbed.ends_with('0')) {
            (false, _) => scrubbed.push(char),
            (true, false) => scrubbed.push('0'),
            // Each number is replaced by one zero.
            (true, true) => {}
        }
    }
    scrubbed + query
}

fn unix_seconds(at: UnixMillis) -> f64 {
    at.0 as f64 / 1000.0
}

const REPEAT_INTERVAL_MS: u64 = 3_600_000;
const MAX_RECENT_ERRORS: usize = 200;
/// One day; longer limits are capped.
const MAX_LIMIT_SECONDS: u64 = 86_400;
const MAX_MESSAGE_CHARS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    #[test]
    fn a_dsn_gives_the_url_and_the_auth_header() {
        let dsn = Dsn::parse("https://0123abc@o1.ingest.example.com/42").unwrap();
        assert_eq!(dsn.url, "https://o1.ingest.example.com/api/42/envelope/");
        assert!(dsn.auth.ends_with("sentry_key=0123abc"));
        assert_eq!(Dsn::parse("http://k:s@h/sub/7").unwrap().url, "http://h/sub/api/7/envelope/");
        for wrong in [
            "",
            "https://example.com/1",
            "https://k@h",
            "https://@h/1",
            "ftp://k@h/1",
            "https://k@h/",
            "https://k\n@h/1",
        ] {
            assert_eq!(Dsn::parse(wrong), Err(InvalidDsn), "{wrong:?}");
        }
    }

    #[test]
    fn rate_limit_headers_are_respected() {
        let mut limits = SentryRateLimits::default();
        limits.update(200, Some("60:transaction:key, 2700:default;security:organization"), None, NOW);
        let may = |limits: &SentryRateLimits, seconds: u64| {
            let at = NOW.saturating_add(seconds * 1000);
            (limits.is_allowed(Category::Error, at), limits.is_allowed(Category::Transaction, at))
        };
        assert_eq!(
            [0, 59, 60, 2700].map(|at| may(&limits, at)),
            [(false, false), (false, false), (false, true), (true, true)]
        );
        let mut limits = SentryRateLimits::default();
        limits.update(429, Some("10::organization, nonsense"), Some(500), NOW);
        assert_eq!([9, 10].map(|at| may(&limits, at)), [(false, false), (true, true)]);
        let mut limits = SentryRateLimits::default();
        limits.update(429, None, None, NOW);
        limits.update(200, None, None, NOW);
        assert_eq!([59, 60].map(|at| may(&limits, at)), [(false, false), (true, true)]);
    }

    #[test]
    fn the_same_error_is_sent_once_an_hour_with_its_count() {
        let mut recent = RecentErrors::default();
        let failure = |minutes: u64, order: u32| ErrorEvent {
            at: NOW.saturating_add(minutes * 60_000),
            kind: "Storage".into(),
            message: format!(
                "order {order} of ann@example.com at https://x.example/a?token=1 was not stored"
            ),
            route: "/orders/:id".into(),
        };
        assert_eq!(recent.admit(&failure(0, 17)), Some(1));
        for minutes in 1..60 {
            assert_eq!(recent.admit(&failure(minutes, 18)), None);
        }
        assert_eq!(recent.admit(&failure(60, 4_711)), Some(60));
        assert_eq!(
            scrub(&failure(0, 17).message),
            "order 0 of [address] at https://x.example/a?… was not stored"
        );
        let mut flood = RecentErrors::default();
        let sent = (0..5000).filter(|index| {
            let kind = format!("k{}", (0..*index % 700).map(|_| 'x').collect::<String>());
            flood.admit(&ErrorEvent { kind, ..failure(0, 0) }).is_some()
        });
        assert_eq!(sent.count(), MAX_RECENT_ERRORS);
        assert_eq!(flood.0.len(), MAX_RECENT_ERRORS);
    }
}
