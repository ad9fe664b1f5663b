//! The subject of an alert: its key, and its name for people.

use report::signals::Signal;
use serde::{Deserialize, Serialize};
use sketch::stable_hash::fnv1a_64;
use wire::Device;

/// What an alert is about. Two readings of one subject are of one alert.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AlertSubject {
    /// What is watched.
    pub signal: Signal,
    /// Of which route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// On which devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
    /// Of which series: a metric, a query, a backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
}

impl AlertSubject {
    /// By which an alert is known everywhere: the same from its beginning to its end, and whenever it
    /// comes again. At most 255 characters, as PagerDuty takes them.
    #[must_use]
    pub fn dedup_key(&self, site: &str) -> String {
        let device = self.device.map_or("", Device::name);
        let [route, series] = [&self.route, &self.series].map(|part| part.as_deref().unwrap_or_default());
        let key = format!("{site}|{}|{route}|{device}|{series}", self.signal.name());
        if key.len() <= MAX_KEY_BYTES && key.is_ascii() {
            return key;
        }
        format!("{site}|{}|{:016x}", self.signal.name(), fnv1a_64(key.bytes()))
    }

    /// What it is about, for people.
    #[must_use]
    pub fn display_name(&self) -> String {
        let device = self.device.map(|device| format!("on {}s", device.name()));
        let parts = [self.series.clone(), self.route.as_ref().map(|route| format!("of {route}")), device];
        let parts_present: Vec<String> = parts.into_iter().flatten().collect();
        if parts_present.is_empty() { "The site".into() } else { parts_present.join(" ") }
    }
}

const MAX_KEY_BYTES: usize = 255;
