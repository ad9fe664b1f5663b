//! Why visits are slow: for each day, page and metric, the parts of the slow visits' times and the
//! elements, resources and scripts that they named. Counted and taken out together with the view, so a
//! correction moves a cause as it moves a count. Which reasons a view keeps is decided when it is told.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use wire::attribution::{MetricAttribution, SubpartKind};
use wire::{Device, Metric, UnixMillis};

use crate::cardinality::OTHER_LABEL;
use crate::fold::FoldedView;
use crate::window::{Horizon, Window, WindowSpan};

/// Where causes are stored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CauseKey {
    /// The first moment of the day.
    pub day: UnixMillis,
    /// The route template.
    pub route: String,
    /// The class of devices.
    pub device: Device,
    /// The metric.
    pub metric: Metric,
}

/// What the slow visits of a page say of a metric.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CauseTotals {
    /// Views that gave a reason.
    pub n: u64,
    /// Those of them that gave the parts.
    #[serde(rename = "timed")]
    pub with_parts: u64,
    /// Milliseconds of each part, of all of them together, in the order of `wire::reasons::Part::of`.
    pub millis: Vec<u64>,
    /// How many views named each element.
    pub elements: BTreeMap<String, u64>,
    /// How many named each resource or script.
    pub sources: BTreeMap<String, u64>,
}

/// A view whose count has moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CauseDelta {
    /// When it began.
    pub start: UnixMillis,
    /// What was counted of it before.
    pub before: Option<FoldedView>,
    /// What is counted now.
    pub after: FoldedView,
}

/// The causes that these views read and write.
#[must_use]
pub fn keys_to_load(deltas: &[CauseDelta], horizon: &Horizon) -> BTreeSet<CauseKey> {
    deltas.iter().flat_map(|moved| moved.changes(horizon)).map(|(key, ..)| key).collect()
}

/// Brings causes up to what is counted. `causes` are the stored ones among [`touched`]; what comes back
/// empty is to be removed.
#[must_use]
pub fn apply_deltas(
    deltas: &[CauseDelta],
    mut causes: BTreeMap<CauseKey, CauseTotals>,
    horizon: &Horizon,
) -> BTreeMap<CauseKey, CauseTotals> {
    for (key, reason, is_taken_out) in deltas.iter().flat_map(|moved| moved.changes(horizon)) {
        let of_page = causes.entry(key).or_default();
        if is_taken_out { of_page.remove(reason) } else { of_page.add(reason) }
    }
    causes
}

impl CauseDelta {
    /// Each reason with its place, first those that go out.
    fn changes(&self, horizon: &Horizon) -> impl Iterator<Item = (CauseKey, &MetricAttribution, bool)> {
        let is_kept = horizon.window_at(self.start).is_some();
        let day = Window::containing(WindowSpan::Day, self.start).start;
        let sides = [(self.before.as_ref(), true), (Some(&self.after), false)];
        sides.into_iter().filter(move |_| is_kept).flat_map(move |(counted, is_taken_out)| {
            let people = counted.filter(|counted| !counted.record.labels.bot);
            people.into_iter().flat_map(move |counted| {
                let labels = counted.record.labels.at_granularity(counted.granularity);
                counted.record.attribution.iter().map(move |(metric, reason)| {
                    let (route, device) = (labels.route.clone(), labels.device);
                    (CauseKey { day, route, device, metric }, reason, is_taken_out)
                })
            })
        })
    }
}

impl CauseTotals {
    /// Adds what was counted on another day or in another shard.
    pub fn merge(&mut self, other: &Self) {
        self.n = self.n.saturating_add(other.n);
        self.with_parts = self.with_parts.saturating_add(other.with_parts);
        self.millis.resize(self.millis.len().max(other.millis.len()), 0);
        for (ours, theirs) in self.millis.iter_mut().zip(&other.millis) {
            *ours = ours.saturating_add(*theirs);
        }
        for (ours, theirs) in [(&mut self.elements, &other.elements), (&mut self.sources, &other.sources)] {
            theirs.iter().for_each(|(name, count)| count_name(ours, name, *count));
        }
    }

    /// Milliseconds of each part of the metric, in the mean over the views that told of them.
    pub fn mean_parts(&self, metric: Metric) -> impl Iterator<Item = (SubpartKind, f64)> {
        let mean = |millis: &u64| *millis as f64 / self.with_parts.max(1) as f64;
        SubpartKind::for_metric(metric)
            .iter()
            .zip(&self.millis)
            .map(move |(part, millis)| (*part, mean(millis)))
    }

    /// Whether nothing is counted in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// Writes the row.
    ///
    /// # Errors
    /// Fails if it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&(VERSION, self))
    }

    /// A row as it was stored; none when no version of ours has written it.
    #[must_use]
    pub fn from_json(text: &str) -> Option<Self> {
        let (version, causes): (u8, Self) = serde_json::from_str(text).ok()?;
        (version == VERSION).then_some(causes)
    }

    fn add(&mut self, reason: &MetricAttribution) {
        self.n = self.n.saturating_add(1);
        if !reason.parts.is_empty() {
            self.with_parts = self.with_parts.saturating_add(1);
            self.millis.resize(self.millis.len().max(reason.parts.len()), 0);
            for (sum, part) in self.millis.iter_mut().zip(&reason.parts) {
                *sum = sum.saturating_add((*part).into());
            }
        }
        if let Some(element) = &reason.element {
            count_name(&mut self.elements, element, 1);
        }
        if let Some(source) = &reason.source {
            count_name(&mut self.sources, source, 1);
        }
    }

    /// Takes out again what was added. A name that found no room is taken out of the others.
    fn remove(&mut self, reason: &MetricAttribution) {
        self.n = self.n.saturating_sub(1);
        if !reason.parts.is_empty() {
            self.with_parts = self.with_parts.saturating_sub(1);
            for (sum, part) in self.millis.iter_mut().zip(&reason.parts) {
                *sum = sum.saturating_sub((*part).into());
            }
        }
        for (names, name) in [(&mut self.elements, &reason.element), (&mut self.sources, &reason.source)] {
            let Some(name) = name else { continue };
            let name = if names.contains_key(name) { name } else { OTHER_LABEL };
            if let Some(count) = names.get_mut(name) {
                *count = count.saturating_sub(1);
            }
            names.retain(|_, count| *count > 0);
        }
    }
}

/// Counts a name while there is room for it, else among the others: no total changes.
fn count_name(names: &mut BTreeMap<String, u64>, name: &str, count: u64) {
    let has_room = names.contains_key(name) || names.len() < MAX_NAMES;
    let sum = names.entry(if has_room { name } else { OTHER_LABEL }.to_owned()).or_default();
    *sum = sum.saturating_add(count);
}

const MAX_NAMES: usize = 30;
const VERSION: u8 = 1;
