//! Folding of views into cells, and roll-up of cells into longer windows. The shell stores the effects of one
//! call in one transaction, so that cells and journal change together.

use std::collections::{BTreeMap, BTreeSet};

use wire::WindowSpan;

use crate::cardinality::{CardinalityGuard, RollupPlacement};
use crate::cell::Cell;
use crate::cell_key::CellKey;
use crate::folded_view::{FoldedView, UnfoldedView};
use crate::horizon::Horizon;
use crate::labels::{LabelGranularity, SeriesLabels};
use crate::record::MetricLimits;
use crate::sum_rollup::SumDeltas;

/// Work for the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CellEffect {
    /// Replace the stored cell.
    Store(CellKey, Cell),
    /// Remove the cell, which is empty or was rolled up.
    Remove(CellKey),
    /// Record in the journal what the cell now contains of the view.
    MarkFolded(String, FoldedView),
}

/// Returns the keys of the cells that folding these views reads and writes.
#[must_use]
pub fn cells_to_load(
    views: &[UnfoldedView],
    guard: &CardinalityGuard,
    horizon: &Horizon,
) -> BTreeSet<CellKey> {
    let mut keys = BTreeSet::new();
    for view in views {
        let Some(window) = horizon.window_at(view.start) else { continue };
        let granularities = |from: LabelGranularity, with_coarser| {
            from.and_coarser().filter(move |other| with_coarser || *other == from)
        };
        let latest = granularities(
            LabelGranularity::Full,
            window.span != WindowSpan::Minute || guard.is_near_limit(window, views.len()),
        );
        keys.extend(
            latest.map(|granularity| CellKey {
                window,
                labels: view.record.labels.at_granularity(granularity),
            }),
        );
        if let Some(FoldedView { record, granularity, .. }) = &view.folded {
            let folded = granularities(*granularity, window.span != WindowSpan::Minute);
            keys.extend(
                folded
                    .map(|granularity| CellKey { window, labels: record.labels.at_granularity(granularity) }),
            );
        }
    }
    keys
}

/// Folds the latest records into cells. `cells` are the stored ones among [`cells_to_load`], and `guard` knows
/// the windows of the views. Changes of sums are added to `sum_deltas`.
#[must_use]
pub fn fold(
    views: Vec<UnfoldedView>,
    mut cells: BTreeMap<CellKey, Cell>,
    guard: &mut CardinalityGuard,
    horizon: &Horizon,
    limits: impl Fn(&SeriesLabels) -> MetricLimits,
    sum_deltas: &mut SumDeltas,
) -> Vec<CellEffect> {
    let mut touched = BTreeSet::new();
    let mut effects = Vec::with_capacity(views.len());
    let top_routes = guard.top_routes();
    for view in views {
        let window = horizon.window_at(view.start);
        if let (Some(folded), Some(window)) = (&view.folded, window) {
            let mut keys = folded.granularity.and_coarser().map(|granularity| CellKey {
                window,
                labels: folded.record.labels.at_granularity(granularity),
            });
            if let Some(key) = keys.find(|key| cells.contains_key(key))
                && let Some(cell) = cells.get_mut(&key)
            {
                cell.remove(folded);
                sum_deltas.remove(&key, folded, horizon);
                touched.insert(key);
            }
        } else if view.folded.is_none() {
            guard.record_visit(&view.record.labels.route);
        }
        let granularity =
            window.map(|window| guard.granularity_for(window, &view.record.labels, &cells, &top_routes));
        let labels = &view.record.labels;
        let folded = FoldedView {
            limits: if labels.navigation.is_hard() { limits(labels) } else { MetricLimits::default() },
            sent: view.seq.saturating_add(1),
            received: u16::try_from(view.received_bits.count_ones()).unwrap_or(u16::MAX),
            granularity: granularity.unwrap_or_default(),
            record: view.record,
        };
        // A view past the retention is marked as folded without a cell.
        if let Some(window) = window {
            let key = CellKey { window, labels: folded.record.labels.at_granularity(folded.granularity) };
            if !cells.contains_key(&key) {
                guard.add_series(&key);
            }
            cells.entry(key.clone()).or_default().add(&folded);
            sum_deltas.add(&key, &folded, horizon);
            touched.insert(key);
        }
        effects.push(CellEffect::MarkFolded(view.key, folded));
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

/// Rolls cells up into longer windows. `old` are the cells before the new horizon, and `cells` the stored ones
/// that they are merged into. Changes of sums are added to `sum_deltas`.
#[must_use]
pub fn roll_up(
    old: Vec<(CellKey, Cell)>,
    mut cells: BTreeMap<CellKey, Cell>,
    placement: &RollupPlacement,
    horizon: &Horizon,
    sum_deltas: &mut SumDeltas,
) -> Vec<CellEffect> {
    let mut touched = BTreeSet::new();
    let mut effects = Vec::new();
    for (from, cell) in old {
        if from.at_horizon(horizon).as_ref() == Some(&from) {
            continue;
        }
        let into = from.rollup_target(placement, horizon);
        sum_deltas.record_rollup(&from, into.as_ref(), &cell, horizon);
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
