//! The channels that a team has configured, and which of them has taken which notice. A notice is told when
//! each channel has taken it, or will never; one channel that is down must not keep the others from hearing
//! what comes next. Posting is the shell's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ledger::outbox::is_address;
use serde::{Deserialize, Serialize};

use crate::notice::Channel;

/// A channel with its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configured {
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
pub struct ChannelMistake(String);

/// Which channels have taken which notice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deliveries {
    notices: BTreeMap<u64, Delivery>,
    /// What is wrong with each channel, while it is.
    pub troubles: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Delivery {
    /// Channels that have taken it.
    taken: BTreeSet<String>,
    /// Channels that never will.
    refused: BTreeSet<String>,
    /// How often each has failed.
    failed: BTreeMap<String, u32>,
}

/// How a channel answered a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// With that status.
    Status(u16),
    /// Not at all.
    None,
}

impl Configured {
    /// Reads a list of channels in JSON, as `docs/alerts.md` shows it.
    ///
    /// # Errors
    /// Says which one is wrong, and never shows an address or a key: they are secret.
    pub fn read(text: &str) -> Result<Vec<Self>, ChannelMistake> {
        if text.trim().is_empty() {
            return Ok(Vec::new());
        }
        let wrong = |error: serde_json::Error| {
            // The parser's own words may quote a secret.
            ChannelMistake(format!(
                "it is no list of channels (line {}, column {})",
                error.line(),
                error.column()
            ))
        };
        let written: Vec<Written> = serde_json::from_str(text).map_err(wrong)?;
        let mut all: Vec<Self> = Vec::new();
        for (index, written) in written.into_iter().enumerate() {
            let place = index + 1;
            let channel =
                written.configured(place).map_err(|why| ChannelMistake(format!("channel {place} {why}")))?;
            if all.iter().any(|other| other.name == channel.name) {
                let name = &channel.name;
                return Err(ChannelMistake(format!("two channels are called `{name}`; give each a `name`")));
            }
            all.push(channel);
        }
        Ok(all)
    }
}

impl Deliveries {
    /// The channels that a notice is to be posted to.
    #[must_use]
    pub fn open<'a>(&self, notice: u64, channels: &'a [Configured]) -> Vec<&'a Configured> {
        let known = self.notices.get(&notice);
        let is_open = |channel: &&Configured| {
            known.is_none_or(|known| {
                !known.taken.contains(&channel.name) && !known.refused.contains(&channel.name)
            })
        };
        channels.iter().filter(is_open).collect()
    }

    /// Takes an answer.
    pub fn heard(&mut self, notice: u64, channel: &str, answer: Answered) {
        let delivery = self.notices.entry(notice).or_default();
        let trouble = match answer {
            Answered::Status(200..=299) => {
                delivery.taken.insert(channel.to_owned());
                self.troubles.remove(channel);
                return;
            }
            // These pass.
            Answered::Status(status @ (408 | 409 | 425 | 429 | 500..=599)) => format!("it answers {status}"),
            Answered::Status(status) => {
                delivery.refused.insert(channel.to_owned());
                format!("it answers {status}: its address, its key or the notice is not right")
            }
            Answered::None => "it does not answer".to_owned(),
        };
        let failed = delivery.failed.entry(channel.to_owned()).or_default();
        *failed = failed.saturating_add(1);
        self.troubles.insert(channel.to_owned(), trouble);
    }

    /// Whether people have been told, and nothing more is to be tried. A channel that failed often is
    /// given up where another has taken the notice; while none has, all are tried again.
    #[must_use]
    pub fn is_told(&self, notice: u64, channels: &[Configured]) -> bool {
        let Some(known) = self.notices.get(&notice) else { return channels.is_empty() };
        let waits = |channel: &Configured| {
            let is_over = known.taken.contains(&channel.name) || known.refused.contains(&channel.name);
            let failed = known.failed.get(&channel.name).copied().unwrap_or_default();
            !is_over && (known.taken.is_empty() || failed < MOST_FAILURES)
        };
        !channels.iter().any(waits)
    }

    /// The channels that have taken a notice.
    #[must_use]
    pub fn taken(&self, notice: u64) -> Vec<String> {
        self.notices.get(&notice).map(|known| known.taken.iter().cloned().collect()).unwrap_or_default()
    }

    /// How many notices that are on their way a channel has not taken.
    #[must_use]
    pub fn waiting(&self, channel: &str) -> usize {
        let waits =
            |delivery: &&Delivery| !delivery.taken.contains(channel) && !delivery.refused.contains(channel);
        self.notices.values().filter(waits).count()
    }

    /// Forgets a notice that was told.
    pub fn forget(&mut self, notice: u64) {
        self.notices.remove(&notice);
    }
}

impl fmt::Display for ChannelMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ALERT_CHANNELS: {}; docs/alerts.md shows how each is written", self.0)
    }
}

impl std::error::Error for ChannelMistake {}

/// A channel as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    url: Option<String>,
    token: Option<String>,
    routing_key: Option<String>,
    from: Option<String>,
    to: Option<Vec<String>>,
}

impl Written {
    fn configured(self, place: usize) -> Result<Configured, String> {
        let Self { kind, name, url, token, routing_key, from, to } = self;
        let needs = |what: &str| format!("({kind}) needs `{what}`");
        let (channel, url) = match (kind.as_str(), routing_key, from, to) {
            ("webhook", None, None, None) => (Channel::Webhook, url),
            ("slack", None, None, None) => (Channel::Slack, url),
            ("pagerduty", key, None, None) => {
                let routing_key = key.ok_or_else(|| needs("routing_key"))?;
                (Channel::PagerDuty { routing_key }, url.or_else(|| Some(PAGERDUTY.to_owned())))
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
        if !is_address(&url) {
            return Err(format!("({kind}) has a `url` that is no address"));
        }
        let name = name.unwrap_or_else(|| if place == 1 { kind.clone() } else { format!("{kind}-{place}") });
        Ok(Configured { name, channel, url, token })
    }
}

const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";
/// With the waits between them, about an hour.
const MOST_FAILURES: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Vec<Configured> {
        let text = r#"[{"type":"webhook","url":"https://a.example/x","token":"t"},
                       {"type":"pagerduty","routing_key":"secret","name":"night"}]"#;
        Configured::read(text).unwrap()
    }

    #[test]
    fn channels_are_read_and_named() {
        let all = two();
        assert_eq!(all[0].token.as_deref(), Some("t"));
        assert_eq!(
            (all[0].name.as_str(), all[1].name.as_str(), all[1].url.as_str()),
            ("webhook", "night", PAGERDUTY)
        );
        assert_eq!(Configured::read(" ").unwrap(), []);
    }

    #[test]
    fn the_page_shows_channels_as_they_are_read() {
        let page =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/alerts.md")).unwrap();
        let shown = page.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
        assert_eq!(Configured::read(shown).unwrap().len(), 4);
    }

    #[track_caller]
    fn check(text: &str, says: &str) {
        let mistake = Configured::read(text).unwrap_err().to_string();
        assert!(mistake.contains(says), "{mistake}");
        assert!(!mistake.contains("secret"), "{mistake}");
    }

    #[test]
    fn a_mistake_names_the_channel_and_shows_no_secret() {
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
    fn a_notice_is_told_when_each_channel_has_it() {
        let (channels, mut deliveries) = (two(), Deliveries::default());
        assert!(!deliveries.is_told(1, &channels));
        deliveries.heard(1, "webhook", Answered::Status(202));
        deliveries.heard(1, "night", Answered::None);
        assert!(!deliveries.is_told(1, &channels));
        assert_eq!(deliveries.open(1, &channels), [&channels[1]], "who has it is not told twice");
        assert_eq!(["webhook", "night"].map(|name| deliveries.waiting(name)), [0, 1]);
        deliveries.heard(1, "night", Answered::Status(202));
        assert!(deliveries.is_told(1, &channels) && deliveries.troubles.is_empty());
    }

    #[test]
    fn a_channel_that_is_down_holds_up_the_others_for_a_while_and_no_longer() {
        let (channels, mut deliveries) = (two(), Deliveries::default());
        deliveries.heard(1, "webhook", Answered::Status(200));
        for _ in 0..MOST_FAILURES {
            assert!(!deliveries.is_told(1, &channels));
            deliveries.heard(1, "night", Answered::Status(500));
        }
        assert!(deliveries.is_told(1, &channels));
        assert_eq!(deliveries.troubles["night"], "it answers 500");
    }

    #[test]
    fn what_no_channel_took_is_tried_on() {
        let (channels, mut deliveries) = (two(), Deliveries::default());
        for _ in 0..100 {
            deliveries.heard(1, "webhook", Answered::None);
            deliveries.heard(1, "night", Answered::Status(429));
        }
        assert!(!deliveries.is_told(1, &channels));
        // Whoever refuses does so for ever.
        deliveries.heard(2, "webhook", Answered::Status(403));
        deliveries.heard(2, "night", Answered::Status(400));
        assert!(deliveries.is_told(2, &channels));
    }
}
