//! The document of `GET /api/alerts`.

use serde_json::{Value, json};
use wire::UnixMillis;

use crate::alert::Alerts;
use crate::channel::{ChannelConfig, NotificationDeliveries};

/// Lists raised alerts, silences and channels.
///
/// # Errors
/// Fails if a silence cannot be written as JSON.
pub fn alerts_document(
    site: &str,
    alerts: &Alerts,
    deliveries: &NotificationDeliveries,
    channels: &[ChannelConfig],
    now: UnixMillis,
) -> Result<Value, serde_json::Error> {
    let mut silences = Vec::new();
    for (number, silence) in alerts.silences() {
        let mut document = serde_json::to_value(silence)?;
        if let Some(fields) = document.as_object_mut() {
            fields.insert("number".into(), (*number).into());
        }
        silences.push(document);
    }
    let channel = |channel: &ChannelConfig| {
        let waiting = deliveries.pending_count(&channel.name);
        json!({ "name": channel.name, "waiting": waiting, "trouble": deliveries.errors.get(&channel.name) })
    };
    Ok(json!({
        "v": 1,
        "site": site,
        "at": now,
        "raised": alerts.raised(now),
        "mutes": silences,
        "channels": channels.iter().map(channel).collect::<Vec<_>>(),
        "overflow": alerts.overflow,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{AlertInput, Silence};

    #[test]
    fn a_silence_is_listed_with_its_number() {
        let now = UnixMillis(1_800_000_000_000);
        let until = now.saturating_add(60_000);
        let (by, reason) = ("ann".to_owned(), "deploy".to_owned());
        let mut alerts = Alerts::new("shop".into());
        let _ = alerts.handle(
            AlertInput::Silence(Silence { signal: None, route: None, from: now, until, by, reason }),
            now,
        );
        let document = alerts_document("shop", &alerts, &NotificationDeliveries::default(), &[], now);
        let document = document.expect("JSON");
        assert_eq!(document["mutes"][0]["by"], "ann");
        assert_eq!(document["mutes"][0]["number"].as_u64(), alerts.silences().keys().next().copied());
    }
}
