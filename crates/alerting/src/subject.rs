//! The subject of an alert, with its deduplication key and display name.

use report::signals::Signal;
use serde::{Deserialize, Serialize};
use sketch::stable_hash::fnv1a_64;
use wire::Device;

/// The identity of an alert: observations with equal subjects belong to one alert.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AlertSubject {
    /// The signal.
    pub signal: Signal,
    /// The route; `None` for the whole site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The device class; `None` for all devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
    /// The metric, query, backend, hourly series or origin, if the signal has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
}

impl AlertSubject {
    /// Returns the key that identifies the alert in every channel, equal for each recurrence. It has at most
    /// 255 characters, PagerDuty's limit.
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

    /// Returns the subject as text, such as `LCP of /cart on phones`.
    #[must_use]
    pub fn display_name(&self) -> String {
        if let (Signal::Origin, Some(origin)) = (self.signal, &self.series) {
            return format!("Origin {origin}");
        }
        let device = self.device.map(|device| format!("on {}s", device.name()));
        let parts = [self.series.clone(), self.route.as_ref().map(|route| format!("of {route}")), device];
        let parts_present: Vec<String> = parts.into_iter().flatten().collect();
        if parts_present.is_empty() { "The site".into() } else { parts_present.join(" ") }
    }
}

const MAX_KEY_BYTES: usize = 255;
