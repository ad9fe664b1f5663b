//! The documents of `/api/alerts…`: raised alerts, silences and channels, and the calls that change them.

use serde::{Deserialize, Serialize};
use wire::{ApiError, UnixMillis};

use report::signals::Signal;

use crate::channel::{ChannelConfig, NotificationDeliveries};
use crate::{AlertView, Alerts, Silence};

/// The version of the documents.
pub const VERSION: u8 = 1;

/// The alerts of a site.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AlertReport {
    /// The version of this document.
    pub v: u8,
    /// The site.
    pub site: String,
    /// The time of this answer.
    pub at: UnixMillis,
    /// The raised alerts.
    pub raised: Vec<AlertView>,
    /// The silences.
    #[serde(rename = "mutes")]
    pub silences: Vec<NumberedSilence>,
    /// The notification channels.
    pub channels: Vec<ChannelStatus>,
    /// Bad observations that were dropped because too many alerts were open.
    pub overflow: u64,
}

/// A silence with its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NumberedSilence {
    /// The number that ends it.
    pub number: u64,
    /// The silence.
    #[serde(flatten)]
    pub silence: Silence,
}

/// The state of a notification channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChannelStatus {
    /// The channel's name.
    pub name: String,
    /// Notifications that it has not accepted yet.
    pub waiting: usize,
    /// The last error in a sentence; null when there is none.
    #[serde(rename = "trouble")]
    pub error: Option<String>,
}

/// The acknowledgement of an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AcknowledgeRequest {
    /// The alert's key.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 300)))]
    pub key: String,
    /// The name of the person who looks after it.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 300)))]
    pub by: String,
}

/// The answer to an acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AcknowledgeResponse {
    /// The version of this document.
    pub v: u8,
    /// The site.
    pub site: String,
    /// True where the alert was raised.
    pub acknowledged: bool,
}

/// A request to silence alerts. Give either `until` or `minutes`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SilenceRequest {
    /// The signal; any signal where it is left out.
    pub signal: Option<Signal>,
    /// The route; any route where it is left out.
    pub route: Option<String>,
    /// The start; now where it is left out.
    pub from: Option<UnixMillis>,
    /// The end, exclusive; thirty days from now at most.
    pub until: Option<UnixMillis>,
    /// The length in minutes.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub minutes: Option<u64>,
    /// The name of the person who asks.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 300)))]
    pub by: String,
    /// The reason.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 300)))]
    pub reason: String,
}

/// The answer to a silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SilenceResponse {
    /// The version of this document.
    pub v: u8,
    /// The site.
    pub site: String,
    /// The number that ends the silence.
    pub number: u64,
}

/// A request to end a silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UnsilenceRequest {
    /// The number of the silence.
    pub number: u64,
}

/// The answer to the end of a silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UnsilenceResponse {
    /// The version of this document.
    pub v: u8,
    /// The site.
    pub site: String,
    /// True where there was such a silence.
    pub was_silenced: bool,
}

impl AlertReport {
    /// Lists the raised alerts, the silences and the channels of a site.
    #[must_use]
    pub fn new(
        site: &str,
        alerts: &Alerts,
        deliveries: &NotificationDeliveries,
        channels: &[ChannelConfig],
        now: UnixMillis,
    ) -> Self {
        let numbered = |(number, silence): (&u64, &Silence)| NumberedSilence {
            number: *number,
            silence: silence.clone(),
        };
        let status = |channel: &ChannelConfig| ChannelStatus {
            name: channel.name.clone(),
            waiting: deliveries.pending_count(&channel.name),
            error: deliveries.errors.get(&channel.name).cloned(),
        };
        Self {
            v: VERSION,
            site: site.to_owned(),
            at: now,
            raised: alerts.raised(now),
            silences: alerts.silences().iter().map(numbered).collect(),
            channels: channels.iter().map(status).collect(),
            overflow: alerts.overflow,
        }
    }
}

impl AcknowledgeRequest {
    /// Checks the lengths of both fields.
    ///
    /// # Errors
    /// Names the first invalid field.
    pub fn validate(self) -> Result<Self, ApiError> {
        Ok(Self { key: checked_text("key", self.key)?, by: checked_text("by", self.by)? })
    }
}

impl SilenceRequest {
    /// Returns the silence that is asked for at `now`.
    ///
    /// # Errors
    /// Names the first invalid field.
    pub fn into_silence(self, now: UnixMillis) -> Result<Silence, ApiError> {
        let Self { signal, route, from, until, minutes, by, reason } = self;
        let from = from.unwrap_or(now);
        let expected = "`until`, a moment after `from`, or `minutes`; thirty days from now at most";
        let until = match (until, minutes) {
            (Some(until), None) => until,
            (None, Some(minutes)) => from.saturating_add(minutes.saturating_mul(60_000)),
            (Some(_), Some(_)) | (None, None) => {
                return Err(ApiError::OutOfRange { field: "until", expected });
            }
        };
        if until <= from || until <= now || until > now.saturating_add(MAX_SILENCE_MS) {
            return Err(ApiError::OutOfRange { field: "until", expected });
        }
        Ok(Silence {
            signal,
            route: route.map(|route| checked_text("route", route)).transpose()?,
            from,
            until,
            by: checked_text("by", by)?,
            reason: checked_text("reason", reason)?,
        })
    }
}

fn checked_text(field: &'static str, text: String) -> Result<String, ApiError> {
    let is_valid = (1..=MAX_TEXT_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
    if is_valid {
        Ok(text)
    } else {
        Err(ApiError::OutOfRange { field, expected: "1 to 300 bytes in one line" })
    }
}

const MAX_SILENCE_MS: u64 = 30 * 24 * 3_600_000;
const MAX_TEXT_BYTES: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    #[track_caller]
    fn check(json: &str, expected: Result<(u64, u64), &str>) {
        let request: SilenceRequest = serde_json::from_str(json).unwrap();
        let silence = request.into_silence(NOW);
        let found = silence.as_ref().map(|silence| (silence.from.0, silence.until.0));
        assert_eq!(found.map_err(|error| error.field().unwrap_or_default()), expected, "{json}");
    }

    #[test]
    fn a_silence_ends_after_its_start_and_within_thirty_days() {
        check(r#"{"by":"a","reason":"b","minutes":2}"#, Ok((1_000_000, 1_120_000)));
        check(r#"{"by":"a","reason":"b","from":5,"until":1000001}"#, Ok((5, 1_000_001)));
        check(r#"{"by":"a","reason":"b"}"#, Err("until"));
        check(r#"{"by":"a","reason":"b","minutes":2,"until":1000001}"#, Err("until"));
        check(r#"{"by":"a","reason":"b","until":1000000}"#, Err("until"));
        check(r#"{"by":"a","reason":"b","minutes":0}"#, Err("until"));
        check(r#"{"by":"a","reason":"b","minutes":43201}"#, Err("until"));
        check(r#"{"by":"a","reason":"b","minutes":18446744073709551615}"#, Err("until"));
    }

    #[test]
    fn a_silence_names_its_author_and_its_reason_in_one_line() {
        check(r#"{"by":"","reason":"b","minutes":2}"#, Err("by"));
        check(r#"{"by":"a","reason":"b\nc","minutes":2}"#, Err("reason"));
        check(r#"{"by":"a","reason":"b","route":"","minutes":2}"#, Err("route"));
    }

    #[test]
    fn an_acknowledgement_is_one_short_line() {
        let acknowledge = |by: &str| AcknowledgeRequest { key: "k".into(), by: by.into() }.validate().is_ok();
        assert_eq!(
            ["ann", "", "a\nb", &"x".repeat(300), &"x".repeat(301)].map(acknowledge),
            [true, false, false, true, false]
        );
    }

    #[test]
    fn a_silence_is_listed_with_its_number() {
        let until = NOW.saturating_add(60_000);
        let (by, reason) = ("ann".to_owned(), "deploy".to_owned());
        let silence = Silence { signal: None, route: None, from: NOW, until, by, reason };
        let mut alerts = Alerts::new("shop".into());
        let _ = alerts.handle(crate::AlertInput::Silence(silence), NOW);
        let report = AlertReport::new("shop", &alerts, &NotificationDeliveries::default(), &[], NOW);
        let document = serde_json::to_value(report).unwrap();
        assert_eq!(document["mutes"][0]["by"], "ann");
        assert_eq!(document["mutes"][0]["number"].as_u64(), alerts.silences().keys().next().copied());
    }
}
