//! From views to cells, and from short windows to long ones. Each is one step that the shell stores
//! as a whole: what was counted and what was told move together, or not at all.

use std::collections::{BTreeMap, BTreeSet};

use wire::WindowSpan;

use crate::cardinality::{CardinalityGuard, RollupPlacement};
use crate::cell::Cell;
use crate::cell_key::CellKey;
use crate::folded_view::{FoldedView, UnfoldedView};
use crate::horizon::Horizon;
use crate::labels::{LabelGranularity, SeriesLabels};
use crate::page_rollup::PageDeltas;
use crate::record::MetricLimits;

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
