//! Causes of slow visits: for each day, page and metric, the subparts of slow values and the elements, resources
//! and scripts in their attribution. Causes are added and removed together with the view, so that a correction
//! moves a cause as it moves a count. `record` decides which attribution a view keeps.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use wire::attribution::{MetricAttribution, SubpartKind};
use wire::{Device, Metric, OTHER_LABEL, UnixMillis, Window, WindowSpan};

use crate::folded_view::FoldedView;
use crate::horizon::Horizon;
use wire::sorting::CollectOrdered;

/// The key of stored causes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CauseKey {
    /// The start of the day.
    pub day: UnixMillis,
    /// The route template.
    pub route: String,
    /// The device class.
    pub device: Device,
    /// The metric.
    pub metric: Metric,
}

/// The causes of slow values of a metric on a page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CauseTotals {
    /// The number of views with attribution.
    pub n: u64,
    /// The number of views with subparts.
    #[serde(rename = "timed")]
    pub with_parts: u64,
    /// The total of each subpart in milliseconds, in the order of [`SubpartKind::for_metric`].
    pub millis: Vec<u64>,
    /// The number of views by element.
    pub elements: BTreeMap<String, u64>,
    /// The number of views by resource or script.
    pub sources: BTreeMap<String, u64>,
}

/// A view that was folded anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CauseDelta {
    /// The start of the view.
    pub start: UnixMillis,
    /// The view as it was folded before.
    pub before: Option<FoldedView>,
    /// The view as it is folded now.
    pub after: FoldedView,
}

/// Returns the keys of the causes that these views read and write.
#[must_use]
pub fn keys_to_load(deltas: &[CauseDelta], horizon: &Horizon) -> BTreeSet<CauseKey> {
    deltas.iter().flat_map(|delta| delta.changes(horizon)).map(|(key, ..)| key).collect_set()
}

/// Applies the changes of views. `causes` are the stored ones among [`keys_to_load`]; the shell removes those that
/// are empty afterwards.
#[must_use]
pub fn apply_deltas(
    deltas: &[CauseDelta],
    mut causes: BTreeMap<CauseKey, CauseTotals>,
    horizon: &Horizon,
) -> BTreeMap<CauseKey, CauseTotals> {
    for (key, reason, is_removed) in deltas.iter().flat_map(|delta| delta.changes(horizon)) {
        let totals = causes.entry(key).or_default();
        if is_removed { totals.remove(reason) } else { totals.add(reason) }
    }
    causes
}

impl CauseDelta {
    /// Returns each changed attribution with its key, removals first.
    fn changes(&self, horizon: &Horizon) -> impl Iterator<Item = (CauseKey, &MetricAttribution, bool)> {
        let is_kept = horizon.window_at(self.start).is_some();
        let day = Window::containing(WindowSpan::Day, self.start).start;
        let sides = [(self.before.as_ref(), true), (Some(&self.after), false)];
        sides.into_iter().filter(move |_| is_kept).flat_map(move |(counted, is_removed)| {
            let folded = counted.filter(|counted| counted.record.labels.is_document_load());
            folded.into_iter().flat_map(move |counted| {
                let labels = counted.record.labels.at_granularity(counted.granularity);
                counted.record.attribution.iter().map(move |(metric, reason)| {
                    let (route, device) = (labels.route.clone(), labels.device);
                    (CauseKey { day, route, device, metric }, reason, is_removed)
                })
            })
        })
    }
}

impl CauseTotals {
    /// Adds the causes of another day or shard.
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

    /// Returns the mean of each subpart in milliseconds, over the views with subparts.
    pub fn mean_parts(&self, metric: Metric) -> impl Iterator<Item = (SubpartKind, f64)> {
        let mean = |millis: &u64| *millis as f64 / self.with_parts.max(1) as f64;
        SubpartKind::for_metric(metric)
            .iter()
            .zip(&self.millis)
            .map(move |(part, millis)| (*part, mean(millis)))
    }

    /// Returns true if no view is counted.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// Returns the text of the row.
    ///
    /// # Errors
    /// Returns an error if the causes cannot be written as JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&(VERSION, self))
    }

    /// Parses a stored row; `None` if its version is not supported.
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

    /// Removes an attribution. A name without a counter is removed from [`OTHER_LABEL`].
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

/// Counts a name, or [`OTHER_LABEL`] beyond [`MAX_NAMES`], so that no total changes.
fn count_name(names: &mut BTreeMap<String, u64>, name: &str, count: u64) {
    let has_room = names.contains_key(name) || names.len() < MAX_NAMES;
    let sum = names.entry(if has_room { name } else { OTHER_LABEL }.to_owned()).or_default();
    *sum = sum.saturating_add(count);
}

const MAX_NAMES: usize = 30;
const VERSION: u8 = 1;
