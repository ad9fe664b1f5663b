//! From views to cells, and from short windows to long ones. Each is one step that the shell stores
//! as a whole: what was counted and what was told move together, or not at all.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use wire::UnixMillis;
use wire::beacon::Values;

use crate::cell::Cell;
use crate::told::{Labels, Told};
use crate::window::{Horizon, Span, Window};

/// A row of the journal whose cells are behind what it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Its name.
    pub key: String,
    /// When it began.
    pub start: UnixMillis,
    /// The number of its latest send.
    pub seq: u16,
    /// The sends that arrived, a bit each.
    pub heard: u32,
    /// What the latest one told.
    pub told: Told,
    /// What its cell holds of it.
    pub counted: Option<Counted>,
}

/// A view exactly as a cell counted it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// What it had told by then.
    #[serde(rename = "t")]
    pub told: Told,
    /// The limits that it was judged by.
    #[serde(rename = "l")]
    pub limits: Limits,
    /// How many sends it had made.
    #[serde(rename = "s")]
    pub sent: u16,
    /// How many had arrived.
    #[serde(rename = "h")]
    pub heard: u16,
}

/// The limits in force for one view, in wire units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Limits(pub Values);

/// Where a cell is stored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellKey {
    /// Its window.
    pub window: Window,
    /// Its series.
    pub labels: Labels,
}

/// What the shell must do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Store this cell in place of what is there.
    Store(CellKey, Cell),
    /// Remove this cell: nothing is counted in it, or it was rolled up.
    Forget(CellKey),
    /// Note what is now counted of this view.
    Count(String, Counted),
}

/// The cells that folding these views reads and writes.
#[must_use]
pub fn needed(views: &[View], horizon: &Horizon) -> BTreeSet<CellKey> {
    let told = views.iter().map(|view| (view.start, &view.told.labels));
    let counted = views.iter().filter_map(|view| Some((view.start, &view.counted.as_ref()?.told.labels)));
    told.chain(counted).filter_map(|(start, labels)| key(horizon, start, labels)).collect()
}

/// Brings cells up to what was told. `cells` are the stored ones among [`needed`].
#[must_use]
pub fn fold(
    views: Vec<View>,
    mut cells: BTreeMap<CellKey, Cell>,
    horizon: &Horizon,
    limits: impl Fn(&Labels) -> Limits,
) -> Vec<Effect> {
    let mut touched = BTreeSet::new();
    let mut effects = Vec::with_capacity(views.len());
    for view in views {
        if let Some(counted) = &view.counted
            && let Some(key) = key(horizon, view.start, &counted.told.labels)
            && let Some(cell) = cells.get_mut(&key)
        {
            cell.take_out(counted);
            touched.insert(key);
        }
        let counted = Counted {
            limits: limits(&view.told.labels),
            sent: view.seq.saturating_add(1),
            heard: u16::try_from(view.heard.count_ones()).unwrap_or(u16::MAX),
            told: view.told,
        };
        // A view older than all that is kept is noted as counted, and stands in no cell.
        if let Some(key) = key(horizon, view.start, &counted.told.labels) {
            cells.entry(key.clone()).or_default().add(&counted);
            touched.insert(key);
        }
        effects.push(Effect::Count(view.key, counted));
    }
    effects.extend(touched.into_iter().filter_map(|key| {
        let cell = cells.remove(&key)?;
        Some(if cell.is_empty() { Effect::Forget(key) } else { Effect::Store(key, cell) })
    }));
    effects
}

/// Rolls windows up into longer ones. `old` are cells that the new horizon no longer keeps as they are;
/// `cells` the stored ones that they go into.
#[must_use]
pub fn roll(old: Vec<(CellKey, Cell)>, mut cells: BTreeMap<CellKey, Cell>, horizon: &Horizon) -> Vec<Effect> {
    let mut touched = BTreeSet::new();
    let mut effects = Vec::new();
    for (from, cell) in old {
        let into = key(horizon, from.window.start, &from.labels);
        if into.as_ref() == Some(&from) {
            continue;
        }
        if let Some(into) = into {
            cells.entry(into.clone()).or_default().merge(&cell);
            touched.insert(into);
        }
        effects.push(Effect::Forget(from));
    }
    effects.extend(touched.into_iter().filter_map(|key| {
        let cell = cells.remove(&key)?;
        Some(Effect::Store(key, cell))
    }));
    effects
}

fn key(horizon: &Horizon, start: UnixMillis, labels: &Labels) -> Option<CellKey> {
    Some(CellKey { window: horizon.window(start)?, labels: labels.clone() })
}

/// The key of the cell that a rolled-up window goes into.
impl CellKey {
    /// Where the horizon wants what this cell holds.
    #[must_use]
    pub fn under(&self, horizon: &Horizon) -> Option<Self> {
        key(horizon, self.window.start, &self.labels)
    }

    /// The span of its window.
    #[must_use]
    pub const fn span(&self) -> Span {
        self.window.span
    }
}
