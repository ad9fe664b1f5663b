//! View records: the labels and values of a beacon. They contain neither the path of the page nor the user
//! agent nor the IP address.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::attribution::Attribution;
use wire::beacon::{LossReason, Values};
use wire::browser::{Browser, OperatingSystem};
use wire::web_vitals::WebVitalsReport;
use wire::{Beacon, Device, Metric, NetworkBucket};

use crate::labels::SeriesLabels;
use crate::route_label::route_or_other;
use crate::route_template::RouteTemplates;

/// Request metadata of the sender of a beacon.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientInfo<'a> {
    /// The `User-Agent` header.
    pub user_agent: &'a str,
    /// The `Sec-CH-UA-Mobile` header.
    pub mobile_hint: Option<&'a str>,
    /// The country of the IP address, if the site records it.
    pub country: Option<&'a str>,
    /// The browser, if the site records it.
    pub browser: Option<Browser>,
    /// The operating system, if the site records it.
    pub os: Option<OperatingSystem>,
    /// The bucket of its network.
    pub network_bucket: Option<NetworkBucket>,
}

/// A view according to its latest beacon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewRecord {
    /// The format version.
    v: u8,
    /// The labels of its series.
    #[serde(rename = "l")]
    pub labels: SeriesLabels,
    /// The metric values.
    #[serde(rename = "m")]
    pub values: Values,
    /// The sample weight: one of this many views was sent.
    #[serde(rename = "w")]
    pub weight: u32,
    /// The reason for missing values.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub loss_reason: Option<LossReason>,
    /// The attribution of its values.
    #[serde(rename = "a", default, skip_serializing_if = "Attribution::is_empty")]
    pub attribution: Attribution,
    /// The bucket of the sender's network, if its address tells one.
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
    pub network_bucket: Option<NetworkBucket>,
    /// The nonce of the page token that verifies it.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub page_token: Option<u64>,
}

/// The limits in effect for one view, in wire units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MetricLimits(pub Values);

impl ViewRecord {
    /// Returns the record of a beacon.
    #[must_use]
    pub fn from_beacon(beacon: &Beacon, client: ClientInfo<'_>, templates: &RouteTemplates) -> Self {
        let route = beacon.route.clone().unwrap_or_else(|| templates.template_for(&beacon.path));
        Self {
            v: VERSION,
            labels: SeriesLabels {
                route: route_or_other(route),
                device: Device::from_user_agent(client.user_agent, client.mobile_hint),
                navigation: beacon.navigation,
                cache: beacon.cache,
                network: beacon.network,
                release: beacon.release.clone(),
                bot: beacon.is_webdriver || is_bot(client.user_agent),
                unverified: false,
                country: client.country.and_then(parse_country),
                browser: client.browser.map(|browser| browser.label()),
                os: client.os,
                dimensions: beacon.dimensions.clone(),
            },
            values: beacon.values,
            weight: beacon.weight,
            loss_reason: beacon.loss_reason,
            attribution: beacon.attribution.clone(),
            network_bucket: client.network_bucket,
            page_token: None,
        }
    }

    /// Returns the record of a report of one metric, which counts as a view of its own.
    #[must_use]
    pub fn from_report(report: &WebVitalsReport, client: ClientInfo<'_>, templates: &RouteTemplates) -> Self {
        let route = report.route.clone().unwrap_or_else(|| templates.template_for(&report.path));
        let mut values = Values::default();
        values.set(report.metric, report.value);
        Self {
            v: VERSION,
            labels: SeriesLabels {
                route: route_or_other(route),
                device: Device::from_user_agent(client.user_agent, client.mobile_hint),
                navigation: report.navigation,
                cache: None,
                network: None,
                release: None,
                bot: is_bot(client.user_agent),
                unverified: false,
                country: client.country.and_then(parse_country),
                browser: client.browser.map(|browser| browser.label()),
                os: client.os,
                dimensions: BTreeMap::new(),
            },
            values,
            weight: 1,
            loss_reason: None,
            attribution: Attribution::default(),
            network_bucket: client.network_bucket,
            page_token: None,
        }
    }

    /// Drops the attribution of fast values: those within their limit, or within the good threshold if there is
    /// no limit.
    #[must_use]
    pub fn with_slow_attribution(mut self, limits: &MetricLimits) -> Self {
        let values = self.values;
        self.attribution.retain(|metric| {
            let limit = limits.get(metric).unwrap_or_else(|| metric.to_wire(metric.thresholds().good));
            values.get(metric).is_some_and(|value| value > limit)
        });
        self
    }

    /// Parses a stored record; `None` if its version is not supported.
    #[must_use]
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|record: &Self| record.v == VERSION)
    }

    /// Returns the stored form.
    ///
    /// # Errors
    /// Returns an error if the record cannot be written as JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

impl MetricLimits {
    pub(crate) fn get(&self, metric: Metric) -> Option<u32> {
        self.0.get(metric)
    }
}

/// Returns the journal key of a view: the page load and the number of the view.
#[must_use]
pub fn view_key(beacon: &Beacon) -> String {
    format!("{}.{}", beacon.id, beacon.view)
}

/// Returns the journal key of a report. It never equals the key of a view, whose ids are hexadecimal.
#[must_use]
pub fn report_key(report: &WebVitalsReport) -> String {
    format!("~{}.{}", report.id, report.metric.name())
}

/// Parses an ISO 3166 code; `None` for an unknown country (`XX`) and for networks such as Tor (`T1`).
fn parse_country(code: &str) -> Option<String> {
    let is_code = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    (is_code && code != "XX").then(|| code.to_owned())
}

/// Returns true for user agents of bots, whose views are counted separately.
fn is_bot(agent: &str) -> bool {
    let agent = agent.to_ascii_lowercase();
    // The text is short: comparing all markers at each byte is faster than one search for each marker.
    let matches_at = |at| {
        agent
            .as_bytes()
            .get(at..)
            .is_some_and(|rest| BOT_MARKERS.iter().any(|marker| rest.starts_with(marker.as_bytes())))
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
        for (code, country) in [
            ("AT", Some("AT")),
            ("XX", None),
            ("T1", None),
            ("at", None),
            ("", None),
            ("AUT", None),
            ("Ö", None),
        ] {
            assert_eq!(parse_country(code).as_deref(), country, "{code}");
        }
    }

    #[test]
    fn bots_are_recognised_by_their_user_agent() {
        let browser = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36";
        assert!(!is_bot(browser));
        for agent in ["", "Googlebot/2.1", "HeadlessChrome/156.0.0.0", "Chrome-Lighthouse", "curl/8.5"] {
            assert!(is_bot(agent), "{agent}");
        }
    }
}
