//! What is posted on each channel, byte for byte, and within the limits that the channels publish.

#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

mod golden;

use budget::Verdict;
use insight::alert::{Alerts, Effect, Input, Measured, Observation, Reading};
use insight::notice::{Channel, Notice};
use insight::target::TABLE;
use serde_json::Value;
use wire::{Device, UnixMillis};

const START: UnixMillis = UnixMillis(1_800_000_000_000);
const DASHBOARD: &str = "https://vitals.example.com/?site=shop&view=alerts";

fn told(alerts: &mut Alerts, looks: &[Vec<Observation>], from: UnixMillis) -> Vec<Notice> {
    let mut notices = Vec::new();
    for (index, look) in looks.iter().enumerate() {
        let now = from.after(60_000 * index as u64);
        let mut inputs = vec![Input::Look(look.clone())];
        while let Some(input) = inputs.pop() {
            for effect in alerts.handle(input, now) {
                if let Effect::Notify(notice) = effect {
                    inputs.push(Input::Told { notice: notice.number, by: vec![] });
                    notices.push(notice);
                }
            }
        }
    }
    notices
}

fn violated(route: &str, verdict: Verdict) -> Observation {
    Observation {
        route: Some(route.into()),
        device: Some(Device::Phone),
        series: Some("LCP".into()),
        reading: Reading::Verdict(verdict),
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
    let mut alerts = Alerts::of("shop".into());
    // A route may hold what a channel reads as its own.
    let routes = ["/product/:id", "/a<b>&\"c'"];
    let looks = |verdict| routes.map(|route| violated(route, verdict)).to_vec();
    let raised = told(&mut alerts, &[looks(Verdict::Violated), looks(Verdict::Violated)], START);
    let over = told(&mut alerts, &[looks(Verdict::Met)], START.after(2 * 3_600_000));
    let p95 = |value| vec![Observation::of_site(Reading::ResponseTime(Measured { n: 812, value }))];
    let critical = told(&mut alerts, &[p95(1234.5), p95(1234.5)], START);
    for (name, channel) in channels() {
        for (moment, notices) in [("raised", &raised), ("over", &over), ("critical", &critical)] {
            assert_eq!(notices.len(), 1, "{moment}");
            golden::check(
                &format!("notice-{name}-{moment}.json"),
                &pretty(&notices[0].posts(&channel, DASHBOARD)),
            );
        }
    }
    golden::check("alerts-stored.json", &format!("{}\n", alerts.text()));
}

/// Slack: 50 blocks, 150 characters of header, 3000 of a section. PagerDuty: 1024 characters of
/// summary, 255 of a deduplication key, one of four severities.
#[test]
fn the_largest_notice_keeps_every_channels_limits() {
    let mut alerts = Alerts::of("s".repeat(64));
    // 256 bytes, as a beacon's route may have.
    let route = |index: usize| format!("/{index:03}/{}", "<&é!".repeat(50) + "!");
    let looks = || (0..500).map(|index| violated(&route(index), Verdict::Violated)).collect::<Vec<_>>();
    let notices = told(&mut alerts, &[looks(), looks()], START);
    assert!(notices.len() == 1 && route(1).len() == 256);
    // Before the channels have taken it, it is stored twice.
    let mut untold = Alerts::of("s".repeat(64));
    for _ in 0..2 {
        untold.handle(Input::Look(looks()), START).clear();
    }
    assert!(untold.text().len() < 1_500_000, "{} bytes are too many for a row", untold.text().len());
    let [notice] = notices.as_slice() else { unreachable!("one signal, one look, one notice") };
    let length = |value: &Value| value.as_str().unwrap().chars().count();

    let slack = &notice.posts(&Channel::Slack, DASHBOARD)[0];
    let blocks = slack["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50 && length(&blocks[0]["text"]["text"]) <= 150);
    assert!(
        blocks.iter().filter(|block| block["type"] == "section").all(|b| length(&b["text"]["text"]) <= 3000)
    );
    assert!(slack.to_string().contains("and 480 more"));

    let events = notice.posts(&Channel::PagerDuty { routing_key: "k".into() }, DASHBOARD);
    assert_eq!(events.len(), 500);
    for event in &events {
        assert!(length(&event["dedup_key"]) <= 255 && length(&event["payload"]["summary"]) <= 1024);
        let severity = event["payload"]["severity"].as_str().unwrap();
        assert!(["critical", "error", "warning", "info"].contains(&severity));
    }
    let email = &notice.posts(&channels()[3].1, DASHBOARD)[0];
    assert!(length(&email["subject"]) <= 200 && !email["html"].as_str().unwrap().contains("<&"));
}

/// The page that people read is the table that the alerts obey.
#[test]
fn the_documented_table_is_the_one_in_force() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/alerts.md")).unwrap();
    for target in TABLE {
        let [wanted, warning, critical] = target.bounds.told().map(|text| text.unwrap_or("–".into()));
        let row = format!(
            "| `{}` | {} | {wanted} | {warning} | {critical} | {} of {} | {} |",
            target.name, target.what, target.rise, target.fall, target.action
        );
        assert!(page.contains(&row), "docs/alerts.md lacks this row:\n{row}");
    }
    let rows = page.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, TABLE.len(), "docs/alerts.md has a row too many");
}
