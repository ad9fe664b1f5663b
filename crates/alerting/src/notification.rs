//! Notifications and their payloads: the exact documents posted to each channel. The state machine decides
//! when to notify; posting is left to the shell.

use report::signals::{AlertLevel, Signal};
use report::time_format::rfc3339;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wire::UnixMillis;

use crate::subject::AlertSubject;

/// Changes of one signal that are announced together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// The number, unique within the site.
    pub number: u64,
    /// The site.
    pub site: String,
    /// The time of creation.
    pub at: UnixMillis,
    /// The signal.
    pub signal: Signal,
    /// The changes, one per alert.
    pub changes: Vec<AlertChange>,
}

/// The change of one alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertChange {
    /// The kind of change.
    pub kind: AlertChangeKind,
    /// The alert's key.
    pub key: String,
    /// The alert's subject.
    pub subject: AlertSubject,
    /// The current level, or the last one if the alert has ended.
    pub level: AlertLevel,
    /// The time of the first bad observation.
    pub since: UnixMillis,
    /// The observation in a sentence.
    #[serde(rename = "says")]
    pub message: String,
}

/// The kinds of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertChangeKind {
    /// The alert began.
    Raised,
    /// The level rose to critical.
    #[serde(rename = "worse")]
    Escalated,
    /// The alert continues and is not acknowledged.
    #[serde(rename = "still")]
    Reminder,
    /// Good observations ended the alert.
    Recovered,
    /// The alert ended for lack of observations.
    Lapsed,
}

/// The types of channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channel {
    /// The JSON document of edge-vitals, to any address.
    Webhook,
    /// A Slack incoming webhook.
    Slack,
    /// PagerDuty's Events API, version 2.
    PagerDuty {
        /// The integration key.
        routing_key: String,
    },
    /// A JSON document with the fields of an e-mail, for a mail-sending service.
    Email {
        /// The sender.
        from: String,
        /// The recipients.
        to: Vec<String>,
    },
}

impl Notification {
    /// Returns the bodies to post, in order. `dashboard` is the URL to link to.
    #[must_use]
    pub fn payloads(&self, channel: &Channel, dashboard: &str) -> Vec<Value> {
        match channel {
            Channel::Webhook => vec![self.webhook(dashboard)],
            Channel::Slack => vec![self.slack(dashboard)],
            Channel::PagerDuty { routing_key } => self.pagerduty_events(routing_key, dashboard),
            Channel::Email { from, to } => vec![self.email(from, to, dashboard)],
        }
    }

    /// Returns a one-line summary.
    #[must_use]
    pub fn headline(&self) -> String {
        let rule = self.signal.rule();
        let (is_over, worst) = (self.is_over(), self.worst_level().name());
        match self.changes.as_slice() {
            [one] if is_over => {
                format!("{}: resolved, {} ({})", self.site, rule.name, one.subject.display_name())
            }
            [one] => format!("{}: {worst}, {} ({})", self.site, rule.name, one.subject.display_name()),
            several if is_over => {
                format!("{}: resolved, {} ({} alerts)", self.site, rule.name, several.len())
            }
            several => format!("{}: {worst}, {} ({} alerts)", self.site, rule.name, several.len()),
        }
    }

    fn is_over(&self) -> bool {
        self.changes.iter().all(|change| change.kind.is_over())
    }

    /// The worst level of the open alerts, or of the ended ones if none is open.
    fn worst_level(&self) -> AlertLevel {
        let level = |is_over: bool| {
            self.changes
                .iter()
                .filter(move |change| change.kind.is_over() == is_over)
                .map(|change| change.level)
                .max()
        };
        level(false).or_else(|| level(true)).unwrap_or(AlertLevel::Warning)
    }

    fn webhook(&self, dashboard: &str) -> Value {
        let rule = self.signal.rule();
        let [target, warning, critical] = rule.bounds.describe();
        json!({
            "v": 1,
            "notice": self.number,
            "site": self.site,
            "at": self.at,
            "headline": self.headline(),
            "signal": rule.name,
            "level": self.worst_level(),
            "over": self.is_over(),
            "target": target,
            "warning": warning,
            "critical": critical,
            "action": rule.action,
            "dashboard": dashboard,
            "changes": self.changes,
        })
    }

    /// Slack's limits: 50 blocks, 150 characters in a header, 3000 in a section.
    fn slack(&self, dashboard: &str) -> Value {
        let rule = self.signal.rule();
        let mark = match (self.is_over(), self.worst_level()) {
            (true, _) => ":large_green_circle:",
            (false, AlertLevel::Warning) => ":large_yellow_circle:",
            (false, AlertLevel::Critical) => ":red_circle:",
        };
        let mut blocks = vec![json!({
            "type": "header",
            "text": { "type": "plain_text", "text": truncate(&self.headline(), 150), "emoji": false },
        })];
        for change in self.changes.iter().take(MAX_LINES) {
            // Plain text: a message may name a route, which anybody may send.
            let line = format!("{} · {}", change.kind.label(), change.message);
            let text = json!({ "type": "plain_text", "text": truncate(&line, 3000), "emoji": false });
            blocks.push(json!({ "type": "section", "text": text }));
        }
        if let Some(more) = self.changes.len().checked_sub(MAX_LINES).filter(|more| *more > 0) {
            let line = format!("… and {more} more.");
            blocks.push(json!({ "type": "section", "text": { "type": "mrkdwn", "text": line } }));
        }
        let footer = format!("{} <{}|Dashboard>", escape_slack(rule.action), escape_slack(dashboard));
        blocks.push(json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": footer }] }));
        let text = format!("{mark} {}", escape_slack(&self.headline()));
        json!({ "text": text, "mrkdwn": false, "blocks": blocks })
    }

    /// One event per alert, so that each maps to one PagerDuty incident.
    fn pagerduty_events(&self, routing_key: &str, dashboard: &str) -> Vec<Value> {
        let rule = self.signal.rule();
        let event = |change: &AlertChange| {
            let (is_over, severity) = (change.kind.is_over(), change.level);
            let mut event = json!({
                "routing_key": routing_key,
                "event_action": if is_over { "resolve" } else { "trigger" },
                "dedup_key": change.key,
            });
            if let (false, Some(fields)) = (is_over, event.as_object_mut()) {
                let payload = json!({
                    "summary": truncate(&format!("{}: {}", self.site, change.message), 1024),
                    "source": self.site,
                    "severity": severity.name(),
                    "timestamp": rfc3339(change.since),
                    "component": change.subject.route.as_deref().unwrap_or("site"),
                    "group": self.site,
                    "class": rule.name,
                    "custom_details": { "action": rule.action, "level": severity.name() },
                });
                fields.insert("payload".into(), payload);
                fields.insert("client".into(), "edge-vitals".into());
                fields.insert("client_url".into(), dashboard.into());
            }
            event
        };
        self.changes.iter().map(event).collect()
    }

    fn email(&self, from: &str, to: &[String], dashboard: &str) -> Value {
        let action = self.signal.rule().action;
        let lines = || self.changes.iter().take(MAX_LINES);
        let more = self.changes.len().saturating_sub(MAX_LINES);
        let more = if more > 0 { format!("… and {more} more.\n") } else { String::new() };
        let more_html = if more.is_empty() { String::new() } else { format!("<p>{}</p>", more.trim_end()) };
        let text: String = lines()
            .map(|change| format!("- {}: {}\n", change.kind.label(), change.message))
            .chain([more])
            .collect();
        let items: String = lines()
            .map(|change| {
                format!("<li><strong>{}</strong>: {}</li>", change.kind.label(), escape_html(&change.message))
            })
            .collect();
        json!({
            "from": from,
            "to": to,
            "subject": truncate(&self.headline(), 200),
            "text": format!("{text}\n{action}\n\n{dashboard}\n"),
            "html": format!(
                "<ul>{items}</ul>{more_html}<p>{}</p><p><a href=\"{url}\">{url}</a></p>",
                escape_html(action),
                url = escape_html(dashboard),
            ),
            "headers": { "X-Edge-Vitals-Notice": format!("{}.{}", self.site, self.number) },
        })
    }
}

impl AlertChange {
    /// Returns `true` for a new critical level, which is announced without grouping.
    pub(crate) fn is_urgent(&self) -> bool {
        self.level == AlertLevel::Critical
            && matches!(self.kind, AlertChangeKind::Raised | AlertChangeKind::Escalated)
    }
}

impl AlertChangeKind {
    /// The name in stored and sent documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Escalated => "worse",
            Self::Reminder => "still",
            Self::Recovered => "recovered",
            Self::Lapsed => "lapsed",
        }
    }

    /// The word in messages to people.
    const fn label(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Escalated => "escalated",
            Self::Reminder => "ongoing",
            Self::Recovered => "recovered",
            Self::Lapsed => "lapsed",
        }
    }

    /// Returns `true` if the change ends the alert.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Recovered | Self::Lapsed)
    }
}

/// Shortens the text to at most `max_chars` characters.
fn truncate(text: &str, max_chars: usize) -> String {
    if text.chars().count() <= max_chars {
        return text.to_owned();
    }
    text.chars().take(max_chars.saturating_sub(1)).chain(['…']).collect()
}

/// Escapes the three control characters of Slack's mrkdwn.
fn escape_slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn escape_html(text: &str) -> String {
    escape_slack(text).replace('"', "&quot;").replace('\'', "&#39;")
}

/// Fewer than Slack's limit of 50 blocks, for readability.
const MAX_LINES: usize = 20;
