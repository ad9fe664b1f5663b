//! A row of the journal as it travels from the request that brought a view to the shard that stores it.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use wire::web_vitals::WebVitalsReport;
use wire::{Beacon, UnixMillis};

use crate::record::{ViewRecord, report_key, view_key};

/// One row. Shards read its keys ([`ReceivedRows`](crate::journal::ReceivedRows)).
#[derive(Clone, Debug, Serialize)]
pub struct JournalRow {
    #[serde(rename = "k")]
    view_key: String,
    /// The number of the send.
    #[serde(rename = "q")]
    seq: u16,
    #[serde(rename = "s")]
    start: UnixMillis,
    /// Milliseconds from the start of the view to the send.
    #[serde(rename = "a")]
    age_ms: u32,
    #[serde(rename = "t")]
    record: Box<RawValue>,
}

impl JournalRow {
    /// Makes the row of a beacon that arrived at `now`.
    ///
    /// # Errors
    /// Fails if the record cannot be written as JSON.
    pub fn from_beacon(
        beacon: &Beacon,
        record: &ViewRecord,
        now: UnixMillis,
    ) -> Result<Self, serde_json::Error> {
        Ok(Self {
            view_key: view_key(beacon),
            seq: beacon.seq,
            start: now.saturating_sub(beacon.age_ms.into()),
            age_ms: beacon.age_ms,
            record: to_raw_value(record)?,
        })
    }

    /// Makes the row of a report of web-vitals. It is a view of its own, begun when it arrived.
    ///
    /// # Errors
    /// Fails if the record cannot be written as JSON.
    pub fn from_report(
        report: &WebVitalsReport,
        record: &ViewRecord,
        now: UnixMillis,
    ) -> Result<Self, serde_json::Error> {
        let record = to_raw_value(record)?;
        Ok(Self { view_key: report_key(report), seq: 0, start: now, age_ms: 0, record })
    }

    /// Returns the start of the view.
    #[must_use]
    pub const fn start(&self) -> UnixMillis {
        self.start
    }

    /// Writes the row.
    ///
    /// # Errors
    /// Fails if it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// A view may be corrected for this long after its last beacon.
pub const VIEW_SETTLED_AFTER_MS: u64 = 2 * 60 * 60 * 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::ClientInfo;
    use crate::route_template::RouteTemplates;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    #[test]
    fn a_report_is_a_view_of_its_own() {
        let body = br#"{"name":"LCP","value":1200,"id":"v5-1-2","navigationType":"navigate"}"#;
        let report = WebVitalsReport::parse(body, "/").expect("a report").remove(0);
        let client = ClientInfo::default();
        let record = ViewRecord::from_report(&report, client, &RouteTemplates::default());
        let row = JournalRow::from_report(&report, &record, NOW).expect("a row");
        let json: serde_json::Value = serde_json::from_str(&row.to_json().expect("JSON")).expect("JSON");
        let keys: Vec<&str> = json.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(keys, ["a", "k", "q", "s", "t"]);
        assert_eq!((&json["s"], &json["q"], &json["a"]), (&NOW.0.into(), &0.into(), &0.into()));
        assert!(json["k"].as_str().is_some_and(|key| key.starts_with('~')));
    }
}
