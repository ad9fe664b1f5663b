//! From views to cells, and from short windows to long ones. Each is one step that the shell stores
//! as a whole: what was counted and what was told move together, or not at all.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use wire::beacon::Values;
use wire::{UnixMillis, Window, WindowSpan};

use crate::cardinality::{CardinalityGuard, LabelGranularity, RollupPlacement};
use crate::cell::Cell;
use crate::horizon::Horizon;
use crate::page_rollup::PageDeltas;
use crate::record::{SeriesLabels, ViewRecord};

/// A row of the journal whose cells are behind what it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfoldedView {
    /// Its name.
    pub key: String,
    /// When it began.
    pub start: UnixMillis,
    /// The number of its latest send.
    pub seq: u16,
    /// The sends that arrived, a bit each.
    pub received_bits: u32,
    /// What the latest one told.
    pub record: ViewRecord,
    /// What its cell holds of it.
    pub folded: Option<FoldedView>,
}

/// A view exactly as a cell counted it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoldedView {
    /// What it had told by then.
    #[serde(rename = "t")]
    pub record: ViewRecord,
    /// The limits that it was judged by.
    #[serde(rename = "l")]
    pub limits: MetricLimits,
    /// How many sends it had made.
    #[serde(rename = "s")]
    pub sent: u16,
    /// How many had arrived.
    #[serde(rename = "h")]
    pub received: u16,
    /// Where: what found no place of its own is taken out of where it was put.
    #[serde(rename = "p", default, skip_serializing_if = "LabelGranularity::is_full")]
    pub granularity: LabelGranularity,
}

/// The limits in force for one view, in wire units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MetricLimits(pub Values);

/// Where a cell is stored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellKey {
    /// Its window.
    pub window: Window,
    /// Its series.
    pub labels: SeriesLabels,
}

/// What the shell must do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CellEffect {
    /// Store this cell in place of what is there.
    Store(CellKey, Cell),
    /// Remove this cell: nothing is counted in it, or it was rolled up.
    Remove(CellKey),
    /// Note what is now counted of this view.
    MarkFolded(String, FoldedView),
}

/// The cells that folding these views reads and writes.
#[must_use]
pub fn cells_to_load(
    views: &[UnfoldedView],
    guard: &CardinalityGuard,
    horizon: &Horizon,
) -> BTreeSet<CellKey> {
    let mut keys = BTreeSet::new();
    for view in views {
        let Some(window) = horizon.window_at(view.start) else { continue };
        let places =
            |from: LabelGranularity, all| from.and_coarser().filter(move |place| all || *place == from);
        let told = places(
            LabelGranularity::Full,
            window.span != WindowSpan::Minute || guard.is_near_limit(window, views.len()),
        );
        keys.extend(told.map(|place| CellKey { window, labels: view.record.labels.at_granularity(place) }));
        if let Some(FoldedView { record: told, granularity: place, .. }) = &view.folded {
            let counted = places(*place, window.span != WindowSpan::Minute);
            keys.extend(counted.map(|place| CellKey { window, labels: told.labels.at_granularity(place) }));
        }
    }
    keys
}

/// Brings cells up to what was told. `cells` are the stored ones among [`needed`]; `rooms` know the
/// windows of the views. What this changes of pages is noted in `pages`.
#[must_use]
pub fn fold(
    views: Vec<UnfoldedView>,
    mut cells: BTreeMap<CellKey, Cell>,
    guard: &mut CardinalityGuard,
    horizon: &Horizon,
    limits: impl Fn(&SeriesLabels) -> MetricLimits,
    page_deltas: &mut PageDeltas,
) -> Vec<CellEffect> {
    let mut touched = BTreeSet::new();
    let mut effects = Vec::with_capacity(views.len());
    let heaviest = guard.heaviest_routes();
    for view in views {
        let window = horizon.window_at(view.start);
        if let (Some(counted), Some(window)) = (&view.folded, window) {
            let mut keys = counted
                .granularity
                .and_coarser()
                .map(|place| CellKey { window, labels: counted.record.labels.at_granularity(place) });
            if let Some(key) = keys.find(|key| cells.contains_key(key))
                && let Some(cell) = cells.get_mut(&key)
            {
                cell.remove(counted);
                page_deltas.remove(&key, counted, horizon);
                touched.insert(key);
            }
        } else if view.folded.is_none() {
            guard.record_visit(&view.record.labels.route);
        }
        let place =
            window.map(|window| guard.granularity_for(window, &view.record.labels, &cells, &heaviest));
        let counted = FoldedView {
            limits: limits(&view.record.labels),
            sent: view.seq.saturating_add(1),
            received: u16::try_from(view.received_bits.count_ones()).unwrap_or(u16::MAX),
            granularity: place.unwrap_or_default(),
            record: view.record,
        };
        // A view older than all that is kept is noted as counted, and stands in no cell.
        if let Some(window) = window {
            let key = CellKey { window, labels: counted.record.labels.at_granularity(counted.granularity) };
            if !cells.contains_key(&key) {
                guard.add_series(&key);
            }
            cells.entry(key.clone()).or_default().add(&counted);
            page_deltas.add(&key, &counted, horizon);
            touched.insert(key);
        }
        effects.push(CellEffect::MarkFolded(view.key, counted));
    }
    effects.extend(touched.into_iter().filter_map(|key| {
        let cell = cells.remove(&key)?;
        if !cell.is_empty() {
            return Some(CellEffect::Store(key, cell));
        }
        guard.remove_series(&key);
        Some(CellEffect::Remove(key))
    }));
    effects
}

/// Rolls windows up into longer ones. `old` are cells that the new horizon no longer keeps as they are;
/// `cells` the stored ones that they go into, in the places given. What this changes of pages is noted in
/// `pages`.
#[must_use]
pub fn roll_up(
    old: Vec<(CellKey, Cell)>,
    mut cells: BTreeMap<CellKey, Cell>,
    placement: &RollupPlacement,
    horizon: &Horizon,
    page_deltas: &mut PageDeltas,
) -> Vec<CellEffect> {
    let mut touched = BTreeSet::new();
    let mut effects = Vec::new();
    for (from, cell) in old {
        if from.at_horizon(horizon).as_ref() == Some(&from) {
            continue;
        }
        let into = from.rollup_target(placement, horizon);
        page_deltas.record_rollup(&from, into.as_ref(), &cell, horizon);
        if let Some(into) = into {
            cells.entry(into.clone()).or_default().merge(&cell);
            touched.insert(into);
        }
        effects.push(CellEffect::Remove(from));
    }
    effects.extend(touched.into_iter().filter_map(|key| {
        let cell = cells.remove(&key)?;
        Some(CellEffect::Store(key, cell))
    }));
    effects
}

impl CellKey {
    /// Where the horizon wants what this cell holds.
    #[must_use]
    pub fn at_horizon(&self, horizon: &Horizon) -> Option<Self> {
        Some(Self { window: horizon.window_at(self.window.start)?, labels: self.labels.clone() })
    }

    /// The same, in the place that it is given there.
    #[must_use]
    pub fn rollup_target(&self, placement: &RollupPlacement, horizon: &Horizon) -> Option<Self> {
        let window = horizon.window_at(self.window.start)?;
        Some(Self {
            window,
            labels: self.labels.at_granularity(placement.granularity_for(window, &self.labels)),
        })
    }
}
