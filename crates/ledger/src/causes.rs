//! Why visits are slow: for each day, page and metric, the parts of the slow visits' times and the
//! elements, resources and scripts that they named. Counted and taken out together with the view, so a
//! correction moves a cause as it moves a count. Which reasons a view keeps is decided when it is told.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use wire::reasons::{Part, Reason};
use wire::{Device, Metric, UnixMillis};

use crate::fold::Counted;
use crate::room::OTHER;
use crate::window::{Horizon, Span, Window};

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
pub struct Causes {
    /// Views that gave a reason.
    pub n: u64,
    /// Those of them that gave the parts.
    pub timed: u64,
    /// Milliseconds of each part, of all of them together, in the order of `wire::reasons::Part::of`.
    pub millis: Vec<u64>,
    /// How many views named each element.
    pub elements: BTreeMap<String, u64>,
    /// How many named each resource or script.
    pub sources: BTreeMap<String, u64>,
}

/// A view whose count has moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// When it began.
    pub start: UnixMillis,
    /// What was counted of it before.
    pub before: Option<Counted>,
    /// What is counted now.
    pub after: Counted,
}

/// The causes that these views read and write.
#[must_use]
pub fn touched(moved: &[Moved], horizon: &Horizon) -> BTreeSet<CauseKey> {
    moved.iter().flat_map(|moved| moved.sides(horizon)).map(|(key, ..)| key).collect()
}

/// Brings causes up to what is counted. `causes` are the stored ones among [`touched`]; what comes back
/// empty is to be removed.
#[must_use]
pub fn moved(
    moved: &[Moved],
    mut causes: BTreeMap<CauseKey, Causes>,
    horizon: &Horizon,
) -> BTreeMap<CauseKey, Causes> {
    for (key, reason, is_taken_out) in moved.iter().flat_map(|moved| moved.sides(horizon)) {
        let of_page = causes.entry(key).or_default();
        if is_taken_out { of_page.take_out(reason) } else { of_page.add(reason) }
    }
    causes
}

impl Moved {
    /// Each reason with its place, first those that go out.
    fn sides(&self, horizon: &Horizon) -> impl Iterator<Item = (CauseKey, &Reason, bool)> {
        let is_kept = horizon.window(self.start).is_some();
        let day = Window::of(Span::Day, self.start).start;
        let sides = [(self.before.as_ref(), true), (Some(&self.after), false)];
        sides.into_iter().filter(move |_| is_kept).flat_map(move |(counted, is_taken_out)| {
            let people = counted.filter(|counted| !counted.told.labels.bot);
            people.into_iter().flat_map(move |counted| {
                let labels = counted.told.labels.at(counted.place);
                counted.told.reasons.iter().map(move |(metric, reason)| {
                    let (route, device) = (labels.route.clone(), labels.device);
                    (CauseKey { day, route, device, metric }, reason, is_taken_out)
                })
            })
        })
    }
}

impl Causes {
    /// Adds what was counted on another day or in another shard.
    pub fn merge(&mut self, other: &Self) {
        self.n = self.n.saturating_add(other.n);
        self.timed = self.timed.saturating_add(other.timed);
        self.millis.resize(self.millis.len().max(other.millis.len()), 0);
        for (ours, theirs) in self.millis.iter_mut().zip(&other.millis) {
            *ours = ours.saturating_add(*theirs);
        }
        for (ours, theirs) in [(&mut self.elements, &other.elements), (&mut self.sources, &other.sources)] {
            theirs.iter().for_each(|(name, count)| named(ours, name, *count));
        }
    }

    /// Milliseconds of each part of the metric, in the mean over the views that told of them.
    pub fn parts(&self, metric: Metric) -> impl Iterator<Item = (Part, f64)> {
        let mean = |millis: &u64| *millis as f64 / self.timed.max(1) as f64;
        Part::of(metric).iter().zip(&self.millis).map(move |(part, millis)| (*part, mean(millis)))
    }

    /// Whether nothing is counted in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// The row's text.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(&(VERSION, self)).unwrap_or_default()
    }

    /// A row as it was stored; none when no version of ours has written it.
    #[must_use]
    pub fn stored(text: &str) -> Option<Self> {
        let (version, causes): (u8, Self) = serde_json::from_str(text).ok()?;
        (version == VERSION).then_some(causes)
    }

    fn add(&mut self, reason: &Reason) {
        self.n = self.n.saturating_add(1);
        if !reason.parts.is_empty() {
            self.timed = self.timed.saturating_add(1);
            self.millis.resize(self.millis.len().max(reason.parts.len()), 0);
            for (sum, part) in self.millis.iter_mut().zip(&reason.parts) {
                *sum = sum.saturating_add((*part).into());
            }
        }
        if let Some(element) = &reason.element {
            named(&mut self.elements, element, 1);
        }
        if let Some(source) = &reason.source {
            named(&mut self.sources, source, 1);
        }
    }

    /// Takes out again what was added. A name that found no room is taken out of the others.
    fn take_out(&mut self, reason: &Reason) {
        self.n = self.n.saturating_sub(1);
        if !reason.parts.is_empty() {
            self.timed = self.timed.saturating_sub(1);
            for (sum, part) in self.millis.iter_mut().zip(&reason.parts) {
                *sum = sum.saturating_sub((*part).into());
            }
        }
        for (names, name) in [(&mut self.elements, &reason.element), (&mut self.sources, &reason.source)] {
            let Some(name) = name else { continue };
            let name = if names.contains_key(name) { name } else { OTHER };
            if let Some(count) = names.get_mut(name) {
                *count = count.saturating_sub(1);
            }
            names.retain(|_, count| *count > 0);
        }
    }
}

/// Counts a name while there is room for it, else among the others: no total changes.
fn named(names: &mut BTreeMap<String, u64>, name: &str, count: u64) {
    let has_room = names.contains_key(name) || names.len() < MOST_NAMES;
    let sum = names.entry(if has_room { name } else { OTHER }.to_owned()).or_default();
    *sum = sum.saturating_add(count);
}

const MOST_NAMES: usize = 30;
const VERSION: u8 = 1;
