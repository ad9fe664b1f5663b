//! The payloads of each channel: golden files, and the channels' published limits.

#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

#[path = "../../report/tests/golden/mod.rs"]
mod golden;

use alerting::notification::{Channel, Notification};
use alerting::{AlertEffect, AlertInput, AlertObservation, Alerts, SampledValue, SignalReading};
use budget::Verdict;
use report::signals::ALERT_RULES;
use serde_json::Value;
use wire::{Device, UnixMillis};

const START: UnixMillis = UnixMillis(1_800_000_000_000);
const DASHBOARD: &str = "https://vitals.example.com/?site=shop&view=alerts";

fn notify(alerts: &mut Alerts, rounds: &[Vec<AlertObservation>], from: UnixMillis) -> Vec<Notification> {
    let mut notifications = Vec::new();
    for (index, observations) in rounds.iter().enumerate() {
        let now = from.saturating_add(60_000 * index as u64);
        let mut inputs = vec![AlertInput::Observations(observations.clone())];
        while let Some(input) = inputs.pop() {
            for effect in alerts.handle(input, now) {
                if let AlertEffect::Notify(notification) = effect {
                    inputs
                        .push(AlertInput::Delivered { notification: notification.number, channels: vec![] });
                    notifications.push(notification);
                }
            }
        }
    }
    notifications
}

fn verdict_observation(route: &str, verdict: Verdict) -> AlertObservation {
    AlertObservation {
        route: Some(route.into()),
        device: Some(Device::Phone),
        series: Some("LCP".into()),
        reading: SignalReading::Verdict(verdict),
    }
}

fn channels() -> [(&'static str, Channel); 4] {
    [
        ("webhook", Channel::Webhook),
        ("slack", Channel::Slack),
        ("pagerduty", Channel::PagerDuty { routing_key: "0123456789abcdef0123456789abcdef".into() }),
        ("email", Channel::Email { from: "vitals@example.com".into(), to: vec!["team@example.com".into()] }),
    ]
}

fn pretty(posts: &[Value]) -> String {
    posts.iter().map(|post| format!("{}\n", serde_json::to_string_pretty(post).unwrap())).collect()
}

#[test]
fn every_channel_has_its_own_document() {
    let mut alerts = Alerts::new("shop".into());
    // A route may contain control characters of a channel.
    let routes = ["/product/:id", "/a<b>&\"c'"];
    let observations = |verdict| routes.map(|route| verdict_observation(route, verdict)).to_vec();
    let raised =
        notify(&mut alerts, &[observations(Verdict::Violated), observations(Verdict::Violated)], START);
    let over = notify(&mut alerts, &[observations(Verdict::Met)], START.saturating_add(2 * 3_600_000));
    let p95 =
        |value| vec![AlertObservation::for_site(SignalReading::ResponseTime(SampledValue::new(812, value)))];
    let critical = notify(&mut alerts, &[p95(1234.5), p95(1234.5)], START);
    for (name, channel) in channels() {
        for (moment, notifications) in [("raised", &raised), ("over", &over), ("critical", &critical)] {
            assert_eq!(notifications.len(), 1, "{moment}");
            golden::check(
                &format!("notice-{name}-{moment}.json"),
                &pretty(&notifications[0].payloads(&channel, DASHBOARD)),
            );
        }
    }
    golden::check("alerts-stored.json", &format!("{}\n", alerts.to_json().unwrap()));
}

/// Slack: 50 blocks, 150 characters of header, 3000 of a section. PagerDuty: 1024 characters of
/// summary, 255 of a deduplication key, one of four severities.
#[test]
fn the_largest_notification_fits_every_channels_limits() {
    let mut alerts = Alerts::new("s".repeat(64));
    // 256 bytes, as a beacon's route may have.
    let route = |index: usize| format!("/{index:03}/{}", "<&é!".repeat(50) + "!");
    let observations =
        || (0..500).map(|index| verdict_observation(&route(index), Verdict::Violated)).collect::<Vec<_>>();
    let notifications = notify(&mut alerts, &[observations(), observations()], START);
    assert!(notifications.len() == 1 && route(1).len() == 256);
    // An undelivered notification is stored along with the alerts.
    let mut undelivered = Alerts::new("s".repeat(64));
    for _ in 0..2 {
        undelivered.handle(AlertInput::Observations(observations()), START).clear();
    }
    assert!(
        undelivered.to_json().unwrap().len() < 1_500_000,
        "{} bytes exceed the limit of a row",
        undelivered.to_json().unwrap().len()
    );
    let [notification] = notifications.as_slice() else { unreachable!("one signal gives one notification") };
    let length = |value: &Value| value.as_str().unwrap().chars().count();

    let slack = &notification.payloads(&Channel::Slack, DASHBOARD)[0];
    let blocks = slack["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50 && length(&blocks[0]["text"]["text"]) <= 150);
    assert!(
        blocks.iter().filter(|block| block["type"] == "section").all(|b| length(&b["text"]["text"]) <= 3000)
    );
    assert!(slack.to_string().contains("and 480 more"));

    let events = notification.payloads(&Channel::PagerDuty { routing_key: "k".into() }, DASHBOARD);
    assert_eq!(events.len(), 500);
    for event in &events {
        assert!(length(&event["dedup_key"]) <= 255 && length(&event["payload"]["summary"]) <= 1024);
        let severity = event["payload"]["severity"].as_str().unwrap();
        assert!(["critical", "error", "warning", "info"].contains(&severity));
    }
    let email = &notification.payloads(&channels()[3].1, DASHBOARD)[0];
    assert!(length(&email["subject"]) <= 200 && !email["html"].as_str().unwrap().contains("<&"));
}

#[test]
fn the_documented_alert_table_matches_the_rules() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/alerts.md")).unwrap();
    for rule in ALERT_RULES {
        let [target, warning, critical] = rule.bounds.describe().map(|text| text.unwrap_or("–".into()));
        let row = format!(
            "| `{}` | {} | {target} | {warning} | {critical} | {} of {} | {} |",
            rule.name, rule.description, rule.rise, rule.fall, rule.action
        );
        assert!(page.contains(&row), "docs/alerts.md lacks this row:\n{row}");
    }
    let rows = page.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, ALERT_RULES.len(), "docs/alerts.md has a row too many");
}

/// Stored alerts may name routes of any text; Slack shows them as they are.
#[test]
fn slack_formats_no_text_of_a_visitor() {
    let mut alerts = Alerts::new("shop".into());
    let route = "/*SEV1* <!channel> :fire: _now_";
    let observations = || vec![verdict_observation(route, Verdict::Violated)];
    let notifications = notify(&mut alerts, &[observations(), observations()], START);
    let slack = &notifications[0].payloads(&Channel::Slack, DASHBOARD)[0];
    assert_eq!(slack["mrkdwn"], false);
    assert!(!slack["text"].as_str().unwrap().contains("<!channel>"));
    let blocks = slack["blocks"].as_array().unwrap();
    let is_shown_plain =
        |block: &Value| block["text"]["type"] == "plain_text" && block["text"]["emoji"] == false;
    assert!(blocks.iter().filter(|block| block.to_string().contains("SEV1")).all(is_shown_plain));
    assert!(blocks.iter().any(|block| block.to_string().contains("SEV1")));
}
