//! The channels that a team has configured, and which of them has taken which notice. A notice is told when
//! each channel has taken it, or will never; one channel that is down must not keep the others from hearing
//! what comes next. Posting is the shell's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use outbox::is_http_url;
use serde::{Deserialize, Serialize};

use crate::notification::Channel;

/// A channel with its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelConfig {
    /// By which it is known.
    pub name: String,
    /// What is posted.
    pub channel: Channel,
    /// Where to. It may hold a secret itself.
    pub url: String,
    /// What goes along as a bearer token.
    pub token: Option<String>,
}

/// What is wrong with the text of the channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelConfigError(String);

/// Which channels have taken which notice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationDeliveries {
    notices: BTreeMap<u64, NotificationDelivery>,
    /// What is wrong with each channel, while it is.
    #[serde(rename = "troubles")]
    pub errors: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct NotificationDelivery {
    /// Channels that have taken it.
    #[serde(rename = "taken")]
    accepted: BTreeSet<String>,
    /// Channels that never will.
    #[serde(rename = "refused")]
    rejected: BTreeSet<String>,
    /// How often each has failed.
    #[serde(rename = "failed")]
    failures: BTreeMap<String, u32>,
}

/// How a channel answered a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelResponse {
    /// With that status.
    Status(u16),
    /// Not at all.
    NoResponse,
}

impl ChannelConfig {
    /// Reads a list of channels in JSON, as `docs/alerts.md` shows it.
    ///
    /// # Errors
    /// Says which one is wrong, and never shows an address or a key: they are secret.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, ChannelConfigError> {
        if text.trim().is_empty() {
            return Ok(Vec::new());
        }
        let wrong = |error: serde_json::Error| {
            // The parser's own words may quote a secret.
            ChannelConfigError(format!(
                "it is no list of channels (line {}, column {})",
                error.line(),
                error.column()
            ))
        };
        let raw_channels: Vec<RawChannel> = serde_json::from_str(text).map_err(wrong)?;
        let mut all: Vec<Self> = Vec::new();
        for (index, raw) in raw_channels.into_iter().enumerate() {
            let place = index + 1;
            let channel =
                raw.into_config(place).map_err(|why| ChannelConfigError(format!("channel {place} {why}")))?;
            if all.iter().any(|other| other.name == channel.name) {
                let name = &channel.name;
                return Err(ChannelConfigError(format!(
                    "two channels are called `{name}`; give each a `name`"
                )));
            }
            all.push(channel);
        }
        Ok(all)
    }
}

impl NotificationDeliveries {
    /// The channels that a notice is to be posted to.
    #[must_use]
    pub fn pending_channels<'a>(&self, notice: u64, channels: &'a [ChannelConfig]) -> Vec<&'a ChannelConfig> {
        let delivery = self.notices.get(&notice);
        let is_open = |channel: &&ChannelConfig| {
            delivery.is_none_or(|known| {
                !known.accepted.contains(&channel.name) && !known.rejected.contains(&channel.name)
            })
        };
        channels.iter().filter(is_open).collect()
    }

    /// Takes an answer.
    pub fn record_response(&mut self, notice: u64, channel: &str, response: ChannelResponse) {
        let delivery = self.notices.entry(notice).or_default();
        let error = match response {
            ChannelResponse::Status(200..=299) => {
                delivery.accepted.insert(channel.to_owned());
                self.errors.remove(channel);
                return;
            }
            // These pass.
            ChannelResponse::Status(status @ (408 | 409 | 425 | 429 | 500..=599)) => {
                format!("it answers {status}")
            }
            ChannelResponse::Status(status) => {
                delivery.rejected.insert(channel.to_owned());
                format!("it answers {status}: its address, its key or the notice is not right")
            }
            ChannelResponse::NoResponse => "it does not answer".to_owned(),
        };
        let failures = delivery.failures.entry(channel.to_owned()).or_default();
        *failures = failures.saturating_add(1);
        self.errors.insert(channel.to_owned(), error);
    }

    /// Whether people have been told, and nothing more is to be tried. A channel that failed often is
    /// given up where another has taken the notice; while none has, all are tried again.
    #[must_use]
    pub fn is_complete(&self, notice: u64, channels: &[ChannelConfig]) -> bool {
        let Some(delivery) = self.notices.get(&notice) else { return channels.is_empty() };
        let waits = |channel: &ChannelConfig| {
            let is_over =
                delivery.accepted.contains(&channel.name) || delivery.rejected.contains(&channel.name);
            let failures = delivery.failures.get(&channel.name).copied().unwrap_or_default();
            !is_over && (delivery.accepted.is_empty() || failures < MAX_FAILURES)
        };
        !channels.iter().any(waits)
    }

    /// The channels that have taken a notice.
    #[must_use]
    pub fn accepted_by(&self, notice: u64) -> Vec<String> {
        self.notices.get(&notice).map(|known| known.accepted.iter().cloned().collect()).unwrap_or_default()
    }

    /// How many notices that are on their way a channel has not taken.
    #[must_use]
    pub fn pending_count(&self, channel: &str) -> usize {
        let waits = |delivery: &&NotificationDelivery| {
            !delivery.accepted.contains(channel) && !delivery.rejected.contains(channel)
        };
        self.notices.values().filter(waits).count()
    }

    /// Forgets a notice that was told.
    pub fn remove(&mut self, notice: u64) {
        self.notices.remove(&notice);
    }
}

impl fmt::Display for ChannelConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ALERT_CHANNELS: {}; docs/alerts.md shows how each is written", self.0)
    }
}

impl std::error::Error for ChannelConfigError {}

/// A channel as it is written.
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
    fn into_config(self, place: usize) -> Result<ChannelConfig, String> {
        let Self { kind, name, url, token, routing_key, from, to } = self;
        let needs = |what: &str| format!("({kind}) needs `{what}`");
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
                return Err(format!("({kind}) has a field of another type of channel"));
            }
            _ => return Err("has no `type` of `webhook`, `slack`, `pagerduty` or `email`".into()),
        };
        let url = url.ok_or_else(|| needs("url"))?;
        if !is_http_url(&url) {
            return Err(format!("({kind}) has a `url` that is no address"));
        }
        let name = name.unwrap_or_else(|| if place == 1 { kind.clone() } else { format!("{kind}-{place}") });
        Ok(ChannelConfig { name, channel, url, token })
    }
}

const PAGERDUTY_URL: &str = "https://events.pagerduty.com/v2/enqueue";
/// With the waits between them, about an hour.
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
        let shown = page.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
        assert_eq!(ChannelConfig::parse_list(shown).unwrap().len(), 4);
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let mistake = ChannelConfig::parse_list(text).unwrap_err().to_string();
        assert!(mistake.contains(expected), "{mistake}");
        assert!(!mistake.contains("secret"), "{mistake}");
    }

    #[test]
    fn an_error_names_the_channel_and_shows_no_secret() {
        check("{", "no list of channels");
        check(r#"["secret"]"#, "line 1");
        check(r#"[{"type":"pager"}]"#, "channel 1 has no `type`");
        check(r#"[{"type":"slack"}]"#, "channel 1 (slack) needs `url`");
        check(r#"[{"type":"slack","url":"secret"}]"#, "no address");
        check(r#"[{"type":"pagerduty","url":"https://secret.example"}]"#, "needs `routing_key`");
        check(r#"[{"type":"email","url":"https://secret.example","from":"a"}]"#, "needs `to`");
        check(r#"[{"type":"slack","url":"https://secret.example","routing_key":"secret"}]"#, "another type");
        let twice = r#"{"type":"slack","name":"a","url":"https://secret.example"}"#;
        check(&format!("[{twice},{twice}]"), "two channels are called `a`");
    }

    #[test]
    fn a_notification_is_complete_when_each_channel_accepted_it() {
        let (channels, mut deliveries) = (two_channels(), NotificationDeliveries::default());
        assert!(!deliveries.is_complete(1, &channels));
        deliveries.record_response(1, "webhook", ChannelResponse::Status(202));
        deliveries.record_response(1, "night", ChannelResponse::NoResponse);
        assert!(!deliveries.is_complete(1, &channels));
        assert_eq!(deliveries.pending_channels(1, &channels), [&channels[1]], "who has it is not told twice");
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
        assert_eq!(deliveries.errors["night"], "it answers 500");
    }

    #[test]
    fn a_notification_that_no_channel_accepted_is_retried() {
        let (channels, mut deliveries) = (two_channels(), NotificationDeliveries::default());
        for _ in 0..100 {
            deliveries.record_response(1, "webhook", ChannelResponse::NoResponse);
            deliveries.record_response(1, "night", ChannelResponse::Status(429));
        }
        assert!(!deliveries.is_complete(1, &channels));
        // Whoever refuses does so for ever.
        deliveries.record_response(2, "webhook", ChannelResponse::Status(403));
        deliveries.record_response(2, "night", ChannelResponse::Status(400));
        assert!(deliveries.is_complete(2, &channels));
    }
}
