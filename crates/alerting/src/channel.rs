//! The configured channels and the delivery of notifications to them. A notification is complete once each
//! channel has accepted it or never will, so that a channel that is down does not hold back the others.
//! Posting is left to the shell.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use outbox::is_http_url;
use serde::{Deserialize, Serialize};

use crate::notification::Channel;

/// A channel with its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelConfig {
    /// The name, unique within the configuration.
    pub name: String,
    /// The type of channel.
    pub channel: Channel,
    /// The address, which may contain a secret.
    pub url: String,
    /// The bearer token to send.
    pub token: Option<String>,
}

/// An error in the configuration of the channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelConfigError(String);

/// The delivery state of each pending notification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationDeliveries {
    notices: BTreeMap<u64, NotificationDelivery>,
    /// The current error of each failing channel.
    #[serde(rename = "troubles")]
    pub errors: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct NotificationDelivery {
    /// The channels that accepted it.
    #[serde(rename = "taken")]
    accepted: BTreeSet<String>,
    /// The channels that rejected it for good.
    #[serde(rename = "refused")]
    rejected: BTreeSet<String>,
    /// The number of failures by channel.
    #[serde(rename = "failed")]
    failures: BTreeMap<String, u32>,
}

/// A channel's response to a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelResponse {
    /// An HTTP status.
    Status(u16),
    /// No response before the timeout, or a network error.
    NoResponse,
}

impl ChannelConfig {
    /// Parses the JSON list of channels described in `docs/alerts.md`.
    ///
    /// # Errors
    /// Names the invalid channel, and never shows an address or a key, which are secret.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, ChannelConfigError> {
        if text.trim().is_empty() {
            return Ok(Vec::new());
        }
        let to_error = |error: serde_json::Error| {
            // The parser's own message may quote a secret.
            ChannelConfigError(format!(
                "not a JSON list of channels (line {}, column {})",
                error.line(),
                error.column()
            ))
        };
        let raw_channels: Vec<RawChannel> = serde_json::from_str(text).map_err(to_error)?;
        let mut all: Vec<Self> = Vec::new();
        for (index, raw) in raw_channels.into_iter().enumerate() {
            let position = index + 1;
            let channel = raw
                .into_config(position)
                .map_err(|reason| ChannelConfigError(format!("channel {position} {reason}")))?;
            if all.iter().any(|other| other.name == channel.name) {
                let name = &channel.name;
                return Err(ChannelConfigError(format!(
                    "two channels have the name `{name}`; give each a unique `name`"
                )));
            }
            all.push(channel);
        }
        Ok(all)
    }
}

impl NotificationDeliveries {
    /// Returns the channels that have neither accepted nor rejected the notification.
    #[must_use]
    pub fn pending_channels<'a>(
        &self,
        notification: u64,
        channels: &'a [ChannelConfig],
    ) -> Vec<&'a ChannelConfig> {
        let delivery = self.notices.get(&notification);
        let is_open = |channel: &&ChannelConfig| {
            delivery.is_none_or(|known| {
                !known.accepted.contains(&channel.name) && !known.rejected.contains(&channel.name)
            })
        };
        channels.iter().filter(is_open).collect()
    }

    /// Records the response of a channel.
    pub fn record_response(&mut self, notification: u64, channel: &str, response: ChannelResponse) {
        let delivery = self.notices.entry(notification).or_default();
        let error = match response {
            ChannelResponse::Status(200..=299) => {
                delivery.accepted.insert(channel.to_owned());
                self.errors.remove(channel);
                return;
            }
            // Temporary errors.
            ChannelResponse::Status(status @ (408 | 409 | 425 | 429 | 500..=599)) => {
                format!("responded with {status}")
            }
            ChannelResponse::Status(status) => {
                delivery.rejected.insert(channel.to_owned());
                format!("rejected the notification with {status}; check its address and key")
            }
            ChannelResponse::NoResponse => "did not respond".to_owned(),
        };
        let failures = delivery.failures.entry(channel.to_owned()).or_default();
        *failures = failures.saturating_add(1);
        self.errors.insert(channel.to_owned(), error);
    }

    /// Returns `true` if nothing remains to be tried. A channel that fails too often is given up once another
    /// one has accepted the notification; until then, all are retried.
    #[must_use]
    pub fn is_complete(&self, notification: u64, channels: &[ChannelConfig]) -> bool {
        let Some(delivery) = self.notices.get(&notification) else { return channels.is_empty() };
        let is_pending = |channel: &ChannelConfig| {
            let is_over =
                delivery.accepted.contains(&channel.name) || delivery.rejected.contains(&channel.name);
            let failures = delivery.failures.get(&channel.name).copied().unwrap_or_default();
            !is_over && (delivery.accepted.is_empty() || failures < MAX_FAILURES)
        };
        !channels.iter().any(is_pending)
    }

    /// Returns the channels that accepted the notification.
    #[must_use]
    pub fn accepted_by(&self, notification: u64) -> Vec<String> {
        self.notices
            .get(&notification)
            .map(|known| known.accepted.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// Returns the number of pending notifications that the channel has not accepted.
    #[must_use]
    pub fn pending_count(&self, channel: &str) -> usize {
        let is_pending = |delivery: &&NotificationDelivery| {
            !delivery.accepted.contains(channel) && !delivery.rejected.contains(channel)
        };
        self.notices.values().filter(is_pending).count()
    }

    /// Removes a complete notification.
    pub fn remove(&mut self, notification: u64) {
        self.notices.remove(&notification);
    }
}

impl fmt::Display for ChannelConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ALERT_CHANNELS: {}; see docs/alerts.md for the format", self.0)
    }
}

impl std::error::Error for ChannelConfigError {}

/// A channel in the configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChannel {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    url: Option<String>,
    token: Option<String>,
    routing_key: Option<String>,
    from: Option<String>,
    to: Option<Vec<String>>,
}

impl RawChannel {
    fn into_config(self, position: usize) -> Result<ChannelConfig, String> {
        let Self { kind, name, url, token, routing_key, from, to } = self;
        let needs = |field: &str| format!("({kind}) needs `{field}`");
        let (channel, url) = match (kind.as_str(), routing_key, from, to) {
            ("webhook", None, None, None) => (Channel::Webhook, url),
            ("slack", None, None, None) => (Channel::Slack, url),
            ("pagerduty", key, None, None) => {
                let routing_key = key.ok_or_else(|| needs("routing_key"))?;
                (Channel::PagerDuty { routing_key }, url.or_else(|| Some(PAGERDUTY_URL.to_owned())))
            }
            ("email", None, from, to) => {
                let to = to.filter(|to| !to.is_empty()).ok_or_else(|| needs("to"))?;
                (Channel::Email { from: from.ok_or_else(|| needs("from"))?, to }, url)
            }
            ("webhook" | "slack" | "pagerduty" | "email", ..) => {
                return Err(format!("({kind}) has a field that belongs to another channel type"));
            }
            _ => return Err("has no valid `type`: use `webhook`, `slack`, `pagerduty` or `email`".into()),
        };
        let url = url.ok_or_else(|| needs("url"))?;
        if !is_http_url(&url) {
            return Err(format!("({kind}) has an invalid `url`"));
        }
        let name =
            name.unwrap_or_else(|| if position == 1 { kind.clone() } else { format!("{kind}-{position}") });
        Ok(ChannelConfig { name, channel, url, token })
    }
}

const PAGERDUTY_URL: &str = "https://events.pagerduty.com/v2/enqueue";
/// With the delays between attempts, about an hour.
const MAX_FAILURES: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn two_channels() -> Vec<ChannelConfig> {
        let text = r#"[{"type":"webhook","url":"https://a.example/x","token":"t"},
                       {"type":"pagerduty","routing_key":"secret","name":"night"}]"#;
        ChannelConfig::parse_list(text).unwrap()
    }

    #[test]
    fn channels_are_parsed_and_named() {
        let all = two_channels();
        assert_eq!(all[0].token.as_deref(), Some("t"));
        assert_eq!(
            (all[0].name.as_str(), all[1].name.as_str(), all[1].url.as_str()),
            ("webhook", "night", PAGERDUTY_URL)
        );
        assert_eq!(ChannelConfig::parse_list(" ").unwrap(), []);
    }

    #[test]
    fn the_documented_channels_parse() {
        let page =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/alerts.md")).unwrap();
        let example = page.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
        assert_eq!(ChannelConfig::parse_list(example).unwrap().len(), 4);
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let error = ChannelConfig::parse_list(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn an_error_names_the_channel_and_shows_no_secret() {
        check("{", "not a JSON list of channels");
        check(r#"["secret"]"#, "line 1");
        check(r#"[{"type":"pager"}]"#, "channel 1 has no valid `type`");
        check(r#"[{"type":"slack"}]"#, "channel 1 (slack) needs `url`");
        check(r#"[{"type":"slack","url":"secret"}]"#, "invalid `url`");
        check(r#"[{"type":"pagerduty","url":"https://secret.example"}]"#, "needs `routing_key`");
        check(r#"[{"type":"email","url":"https://secret.example","from":"a"}]"#, "needs `to`");
        check(
            r#"[{"type":"slack","url":"https://secret.example","routing_key":"secret"}]"#,
            "another channel type",
        );
        let twice = r#"{"type":"slack","name":"a","url":"https://secret.example"}"#;
        check(&format!("[{twice},{twice}]"), "two channels have the name `a`");
    }

    #[test]
    fn a_notification_is_complete_when_each_channel_accepted_it() {
        let (channels, mut deliveries) = (two_channels(), NotificationDeliveries::default());
        assert!(!deliveries.is_complete(1, &channels));
        deliveries.record_response(1, "webhook", ChannelResponse::Status(202));
        deliveries.record_response(1, "night", ChannelResponse::NoResponse);
        assert!(!deliveries.is_complete(1, &channels));
        assert_eq!(
            deliveries.pending_channels(1, &channels),
            [&channels[1]],
            "a channel that accepted it does not get it again"
        );
        assert_eq!(["webhook", "night"].map(|name| deliveries.pending_count(name)), [0, 1]);
        deliveries.record_response(1, "night", ChannelResponse::Status(202));
        assert!(deliveries.is_complete(1, &channels) && deliveries.errors.is_empty());
    }

    #[test]
    fn a_failing_channel_is_given_up_after_max_failures() {
        let (channels, mut deliveries) = (two_channels(), NotificationDeliveries::default());
        deliveries.record_response(1, "webhook", ChannelResponse::Status(200));
        for _ in 0..MAX_FAILURES {
            assert!(!deliveries.is_complete(1, &channels));
            deliveries.record_response(1, "night", ChannelResponse::Status(500));
        }
        assert!(deliveries.is_complete(1, &channels));
        assert_eq!(deliveries.errors["night"], "responded with 500");
    }

    #[test]
    fn a_notification_that_no_channel_accepted_is_retried() {
        let (channels, mut deliveries) = (two_channels(), NotificationDeliveries::default());
        for _ in 0..100 {
            deliveries.record_response(1, "webhook", ChannelResponse::NoResponse);
            deliveries.record_response(1, "night", ChannelResponse::Status(429));
        }
        assert!(!deliveries.is_complete(1, &channels));
        // A rejection is final.
        deliveries.record_response(2, "webhook", ChannelResponse::Status(403));
        deliveries.record_response(2, "night", ChannelResponse::Status(400));
        assert!(deliveries.is_complete(2, &channels));
    }
}
