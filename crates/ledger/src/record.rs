//! What a view has told, reduced to what is kept: labels and values. The page's own path, the agent
//! string and the address are gone once this is made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::attribution::Attribution;
use wire::beacon::{CacheStatus, LossReason, Navigation, Network, Values};
use wire::web_vitals::WebVitalsReport;
use wire::{Beacon, Device};

use crate::fold::MetricLimits;
use crate::route_template::RouteTemplates;

/// What the edge knows of the visitor of a beacon.
#[derive(Clone, Copy, Debug)]
pub struct ClientInfo<'a> {
    /// The `User-Agent` header.
    pub user_agent: &'a str,
    /// The `Sec-CH-UA-Mobile` header.
    pub mobile_hint: Option<&'a str>,
    /// The country that the edge has of the address, where it is to be kept.
    pub country: Option<&'a str>,
}

/// What all metrics of a view have in common, and what a series is named by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SeriesLabels {
    /// The route template.
    #[serde(rename = "r")]
    pub route: String,
    /// The device class.
    #[serde(rename = "d")]
    pub device: Device,
    /// How the visitor came.
    #[serde(rename = "n")]
    pub navigation: Navigation,
    /// What the edge cache said.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheStatus>,
    /// The effective connection type.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// The release.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Whether a program drove the browser.
    #[serde(rename = "b", default, skip_serializing_if = "std::ops::Not::not")]
    pub bot: bool,
    /// The visitor's country, where the site keeps it: two letters.
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The team's own dimensions.
    #[serde(rename = "x", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dimensions: BTreeMap<String, String>,
}

/// A view as its latest beacon told it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewRecord {
    /// The version of this record.
    v: u8,
    /// Its labels.
    #[serde(rename = "l")]
    pub labels: SeriesLabels,
    /// Its values.
    #[serde(rename = "m")]
    pub values: Values,
    /// One view in how many was sent.
    #[serde(rename = "w")]
    pub weight: u32,
    /// Why it has no values.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub loss_reason: Option<LossReason>,
    /// Why its values are what they are.
    #[serde(rename = "a", default, skip_serializing_if = "Attribution::is_empty")]
    pub attribution: Attribution,
}

impl ViewRecord {
    /// What is kept of a beacon.
    #[must_use]
    pub fn from_beacon(beacon: &Beacon, client: ClientInfo<'_>, templates: &RouteTemplates) -> Self {
        let route = beacon.route.clone().unwrap_or_else(|| templates.template_for(&beacon.path));
        Self {
            v: VERSION,
            labels: SeriesLabels {
                route,
                device: Device::from_user_agent(client.user_agent, client.mobile_hint),
                navigation: beacon.navigation,
                cache: beacon.cache,
                network: beacon.network,
                release: beacon.release.clone(),
                bot: beacon.is_webdriver || is_bot(client.user_agent),
                country: client.country.and_then(parse_country),
                dimensions: beacon.dimensions.clone(),
            },
            values: beacon.values,
            weight: beacon.weight,
            loss_reason: beacon.loss_reason,
            attribution: beacon.attribution.clone(),
        }
    }

    /// What is kept of a report of one metric: a view of its own.
    #[must_use]
    pub fn from_report(report: &WebVitalsReport, client: ClientInfo<'_>, templates: &RouteTemplates) -> Self {
        let mut values = Values::default();
        values.set(report.metric, report.value);
        Self {
            v: VERSION,
            labels: SeriesLabels {
                route: report.route.clone().unwrap_or_else(|| templates.template_for(&report.path)),
                device: Device::from_user_agent(client.user_agent, client.mobile_hint),
                navigation: report.navigation,
                cache: None,
                network: None,
                release: None,
                bot: is_bot(client.user_agent),
                country: client.country.and_then(parse_country),
                dimensions: BTreeMap::new(),
            },
            values,
            weight: 1,
            loss_reason: None,
            attribution: Attribution::default(),
        }
    }

    /// The same with reasons of slow values only: those above their limit, or above what is good where
    /// there is none. Nobody asks why a visit was fast.
    #[must_use]
    pub fn with_slow_attribution(mut self, limits: &MetricLimits) -> Self {
        let values = self.values;
        self.attribution.retain(|metric| {
            let limit = limits.get(metric).unwrap_or_else(|| metric.to_wire(metric.thresholds().good));
            values.get(metric).is_some_and(|value| value > limit)
        });
        self
    }

    /// A record as it was stored; none when it was not written by any version of ours.
    #[must_use]
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|told: &Self| told.v == VERSION)
    }

    /// Writes the record as it is stored.
    ///
    /// # Errors
    /// Fails if it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

impl SeriesLabels {
    /// The name under which a series is stored: equal labels, equal text.
    ///
    /// # Errors
    /// Fails if it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// The labels of a stored name.
    #[must_use]
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// The name of a view in the journal: the page load, and which view of it.
#[must_use]
pub fn view_key(beacon: &Beacon) -> String {
    format!("{}.{}", beacon.id, beacon.view)
}

/// The name in the journal of what a report told. No page load is named so: ids are hexadecimal.
#[must_use]
pub fn report_key(report: &WebVitalsReport) -> String {
    format!("~{}.{}", report.id, report.metric.name())
}

/// A country as ISO 3166 has it; none where the edge knows none, or names a network instead.
fn parse_country(code: &str) -> Option<String> {
    let is_code = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    (is_code && code != "XX").then(|| code.to_owned())
}

/// Agents that say that they are no person's browser. They are kept apart, not thrown away.
fn is_bot(agent: &str) -> bool {
    let agent = agent.to_ascii_lowercase();
    // Each beacon asks this of a short text: word by word from each byte is faster than a searcher for
    // each word.
    let matches_at = |at| {
        agent
            .as_bytes()
            .get(at..)
            .is_some_and(|rest| BOT_MARKERS.iter().any(|word| rest.starts_with(word.as_bytes())))
    };
    agent.is_empty() || (0..agent.len()).any(matches_at)
}

const VERSION: u8 = 1;

const BOT_MARKERS: &[&str] = &[
    "bot",
    "crawl",
    "spider",
    "slurp",
    "headless",
    "lighthouse",
    "pagespeed",
    "phantom",
    "preview",
    "monitor",
    "curl/",
    "wget/",
    "python-",
    "java/",
    "go-http-client",
    "okhttp",
    "axios",
    "node-fetch",
    "undici",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_country_code_is_dropped() {
        for (said, kept) in [
            ("AT", Some("AT")),
            ("XX", None),
            ("T1", None),
            ("at", None),
            ("", None),
            ("AUT", None),
            ("Ö", None),
        ] {
            assert_eq!(parse_country(said).as_deref(), kept, "{said}");
        }
    }

    #[test]
    fn bots_are_recognised_by_their_user_agent() {
        let people = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36";
        assert!(!is_bot(people));
        for agent in ["", "Googlebot/2.1", "HeadlessChrome/156.0.0.0", "Chrome-Lighthouse", "curl/8.5"] {
            assert!(is_bot(agent), "{agent}");
        }
    }
}
