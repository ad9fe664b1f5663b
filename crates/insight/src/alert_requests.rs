//! The calls of `/api/alerts` that change something, and the checks of their fields.

use serde::{Deserialize, Serialize};
use wire::{ApiError, UnixMillis};

use crate::alert::Silence;
use crate::alert_rules::Signal;

/// The body of `POST /api/alerts/ack`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgeRequest {
    /// The key of the alert.
    pub key: String,
    /// The person who looks after it.
    pub by: String,
}

/// The body of `POST /api/alerts/silence`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SilenceRequest {
    signal: Option<Signal>,
    route: Option<String>,
    from: Option<UnixMillis>,
    until: Option<UnixMillis>,
    minutes: Option<u64>,
    by: String,
    reason: String,
}

/// The body of `POST /api/alerts/unsilence`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnsilenceRequest {
    /// The number of the silence.
    pub number: u64,
}

impl AcknowledgeRequest {
    /// Checks both texts.
    ///
    /// # Errors
    /// Refuses texts that are not one short line.
    pub fn validate(self) -> Result<Self, ApiError> {
        Ok(Self { key: checked_text("key", self.key)?, by: checked_text("by", self.by)? })
    }
}

impl SilenceRequest {
    /// Checks the request and fixes its span.
    ///
    /// # Errors
    /// Refuses a span that is empty, over or longer than thirty days, and texts that are not one short line.
    pub fn into_silence(self, now: UnixMillis) -> Result<Silence, ApiError> {
        let Self { signal, route, from, until, minutes, by, reason } = self;
        let from = from.unwrap_or(now);
        let want = "`until`, a moment after `from`, or `minutes`; thirty days from now at most";
        let until = match (until, minutes) {
            (Some(until), None) => until,
            (None, Some(minutes)) => from.saturating_add(minutes.saturating_mul(60_000)),
            _ => return Err(ApiError::OutOfRange { field: "until", expected: want }),
        };
        if until <= from || until <= now || until > now.saturating_add(MAX_SILENCE_MS) {
            return Err(ApiError::OutOfRange { field: "until", expected: want });
        }
        Ok(Silence {
            signal,
            route: checked_optional_text("route", route)?,
            from,
            until,
            by: checked_text("by", by)?,
            reason: checked_text("reason", reason)?,
        })
    }
}

fn checked_text(field: &'static str, text: String) -> Result<String, ApiError> {
    let is_right = (1..=MAX_TEXT_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
    if is_right {
        Ok(text)
    } else {
        Err(ApiError::OutOfRange { field, expected: "1 to 300 bytes in one line" })
    }
}

fn checked_optional_text(field: &'static str, text: Option<String>) -> Result<Option<String>, ApiError> {
    text.map(|text| checked_text(field, text)).transpose()
}

const MAX_SILENCE_MS: u64 = 30 * 24 * 3_600_000;
const MAX_TEXT_BYTES: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn silence(fields: &str) -> Result<Silence, ApiError> {
        let body = format!(r#"{{"by":"ann","reason":"deploy",{fields}}}"#);
        serde_json::from_str::<SilenceRequest>(&body).expect("a body").into_silence(NOW)
    }

    #[test]
    fn a_silence_ends_after_it_begins_and_within_thirty_days() {
        assert_eq!(silence(r#""minutes":5"#).ok().map(|silence| silence.until.0 - NOW.0), Some(300_000));
        assert_eq!(silence(r#""until":1800000000001"#).ok().map(|silence| silence.from), Some(NOW));
        for fields in [
            r#""until":1800000000000"#,
            r#""minutes":0"#,
            r#""minutes":5,"until":1800000000001"#,
            r#""route":"/""#,
            r#""minutes":43201"#,
            r#""minutes":18446744073709551615"#,
        ] {
            assert!(silence(fields).is_err(), "{fields}");
        }
    }

    #[test]
    fn texts_are_one_short_line() {
        let acknowledge = |by: &str| AcknowledgeRequest { key: "k".into(), by: by.into() }.validate().is_ok();
        assert_eq!(
            ["ann", "", "a\nb", &"x".repeat(300), &"x".repeat(301)].map(acknowledge),
            [true, false, false, true, false]
        );
    }
}
