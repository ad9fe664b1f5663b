//! Attribution of metrics, sent by `edge-vitals/start/attribution` in a beacon's field `a`. Only actionable parts
//! are kept: subparts, the element, and the resource or script. Invalid attribution is ignored and the beacon
//! kept, because a view counts whatever its attribution.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Metric;
use crate::sorting::CollectOrdered;

/// The attribution of a view, by metric.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attribution(BTreeMap<MetricKey, MetricAttribution>);

/// The attribution of one metric.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricAttribution {
    /// The element: a selector of names, ids and classes.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub element: Option<String>,
    /// The address of the painted resource or of the script, without its query.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Milliseconds of each of [`SubpartKind::for_metric`], in that order; empty if unknown.
    #[serde(rename = "p", default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<u32>,
}

/// A subpart of LCP or INP, as web-vitals' attribution defines them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SubpartKind {
    /// LCP: up to the document's first byte.
    TimeToFirstByte,
    /// LCP: from there to the request of the resource.
    ResourceLoadDelay,
    /// LCP: the loading time of the resource.
    ResourceLoadDuration,
    /// LCP: from the loaded resource to its paint.
    ElementRenderDelay,
    /// INP: up to the first event handler.
    InputDelay,
    /// INP: the run time of the event handlers.
    ProcessingDuration,
    /// INP: from the last event handler to the next frame.
    PresentationDelay,
}

/// A metric stored by name, so that a new metric does not shift stored data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "&'static str")]
struct MetricKey(Metric);

impl Attribution {
    /// Returns the attribution of a metric.
    #[must_use]
    pub fn get(&self, metric: Metric) -> Option<&MetricAttribution> {
        self.0.get(&MetricKey(metric))
    }

    /// Iterates over all metrics with attribution.
    pub fn iter(&self) -> impl Iterator<Item = (Metric, &MetricAttribution)> {
        self.0.iter().map(|(MetricKey(metric), reason)| (*metric, reason))
    }

    /// Keeps the metrics that satisfy the predicate.
    pub fn retain(&mut self, is_kept: impl Fn(Metric) -> bool) {
        self.0.retain(|MetricKey(metric), _| is_kept(*metric));
    }

    /// Returns true without any attribution.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads the attribution of a beacon and ignores unknown fields.
    pub(crate) fn parse(fields_by_metric: &BTreeMap<String, BTreeMap<String, AttributionValue<'_>>>) -> Self {
        let parse_metric = |metric: Metric| {
            let sent_fields = fields_by_metric.get(metric.name())?;
            let (element, source, parts) = field_names(metric)?;
            let text = |name: &str, max_bytes| match sent_fields.get(name) {
                Some(AttributionValue::Text(text)) => parse_text(text, max_bytes),
                _ => None,
            };
            let parts: Vec<u32> = parts.iter().map(|name| parse_millis(sent_fields.get(*name))).collect();
            let reason = MetricAttribution {
                element: text(element, MAX_ELEMENT_BYTES).map(|element| mask_numbers(&element)),
                source: text(source, MAX_SOURCE_BYTES).map(|address| strip_query(&address)),
                parts: if parts.iter().all(|part| *part == 0) { Vec::new() } else { parts },
            };
            (reason != MetricAttribution::default()).then_some((MetricKey(metric), reason))
        };
        Self(Metric::ALL.into_iter().filter_map(parse_metric).collect_map())
    }
}

impl SubpartKind {
    /// Returns the subparts of a metric in the order of time; none for a metric without subparts.
    #[must_use]
    pub const fn for_metric(metric: Metric) -> &'static [Self] {
        match metric {
            Metric::Lcp => &[
                Self::TimeToFirstByte,
                Self::ResourceLoadDelay,
                Self::ResourceLoadDuration,
                Self::ElementRenderDelay,
            ],
            Metric::Inp => &[Self::InputDelay, Self::ProcessingDuration, Self::PresentationDelay],
            _ => &[],
        }
    }

    /// The description in sentences.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::TimeToFirstByte => "the time to the first byte",
            Self::ResourceLoadDelay => "the wait before its resource is asked for",
            Self::ResourceLoadDuration => "the loading of its resource",
            Self::ElementRenderDelay => "the wait before it is painted",
            Self::InputDelay => "the wait before handlers run",
            Self::ProcessingDuration => "the handlers",
            Self::PresentationDelay => "the wait for the next frame",
        }
    }
}

/// A value in the attribution of a beacon.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum AttributionValue<'a> {
    Number(u64),
    Text(#[serde(borrow)] Cow<'a, str>),
    Other(serde::de::IgnoredAny),
}

/// The field names of a metric's element, source and subparts.
const fn field_names(metric: Metric) -> Option<(&'static str, &'static str, &'static [&'static str])> {
    Some(match metric {
        Metric::Lcp => (
            "target",
            "url",
            &["timeToFirstByte", "resourceLoadDelay", "resourceLoadDuration", "elementRenderDelay"],
        ),
        Metric::Inp => {
            ("interactionTarget", "script", &["inputDelay", "processingDuration", "presentationDelay"])
        }
        Metric::Cls => ("largestShiftTarget", "", &[]),
        _ => return None,
    })
}

fn parse_millis(value: Option<&AttributionValue<'_>>) -> u32 {
    match value {
        Some(AttributionValue::Number(millis)) => {
            u32::try_from(*millis).unwrap_or(u32::MAX).min(MAX_DURATION_MS)
        }
        _ => 0,
    }
}

fn parse_text(text: &str, max_bytes: usize) -> Option<String> {
    let is_good = (1..=max_bytes).contains(&text.len()) && !text.chars().any(char::is_control);
    is_good.then(|| text.to_owned())
}

/// Replaces the numbers in ids and classes, such as those of a customer or an order: they identify people and
/// make every element unique.
fn mask_numbers(element: &str) -> String {
    let mut masked = String::with_capacity(element.len());
    for character in element.chars() {
        match character.is_ascii_digit() {
            true if masked.ends_with('*') => {}
            true => masked.push('*'),
            false => masked.push(character),
        }
    }
    masked
}

/// Removes the query and the fragment.
fn strip_query(address: &str) -> String {
    address.split(['?', '#']).next().unwrap_or_default().to_owned()
}

impl TryFrom<Cow<'_, str>> for MetricKey {
    type Error = String;

    fn try_from(name: Cow<'_, str>) -> Result<Self, Self::Error> {
        Metric::from_name(&name).map(Self).ok_or_else(|| format!("`{name}` is not a metric"))
    }
}

impl From<MetricKey> for &'static str {
    fn from(MetricKey(metric): MetricKey) -> Self {
        metric.name()
    }
}

const MAX_ELEMENT_BYTES: usize = 100;
const MAX_SOURCE_BYTES: usize = 200;
/// Ten minutes, as for the metrics themselves.
const MAX_DURATION_MS: u32 = 600_000;
