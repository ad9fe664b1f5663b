//! From views to cells, and from short windows to long ones. Each is one step that the shell stores
//! as a whole: what was counted and what was told move together, or not at all.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use wire::UnixMillis;
use wire::beacon::Values;

use crate::cell::Cell;
use crate::pages::Changes;
use crate::room::{Place, Places, Rooms};
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
    /// Where: what found no place of its own is taken out of where it was put.
    #[serde(rename = "p", default, skip_serializing_if = "Place::is_own")]
    pub place: Place,
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
pub fn needed(views: &[View], rooms: &Rooms, horizon: &Horizon) -> BTreeSet<CellKey> {
    let mut keys = BTreeSet::new();
    for view in views {
        let Some(window) = horizon.window(view.start) else { continue };
        let places = |from: Place, all| from.onwards().filter(move |place| all || *place == from);
        let told = places(Place::Own, window.span != Span::Minute || rooms.is_tight(window, views.len()));
        keys.extend(told.map(|place| CellKey { window, labels: view.told.labels.at(place) }));
        if let Some(Counted { told, place, .. }) = &view.counted {
            let counted = places(*place, window.span != Span::Minute);
            keys.extend(counted.map(|place| CellKey { window, labels: told.labels.at(place) }));
        }
    }
    keys
}

/// Brings cells up to what was told. `cells` are the stored ones among [`needed`]; `rooms` know the
/// windows of the views. What this changes of pages is noted in `pages`.
#[must_use]
pub fn fold(
    views: Vec<View>,
    mut cells: BTreeMap<CellKey, Cell>,
    rooms: &mut Rooms,
    horizon: &Horizon,
    limits: impl Fn(&Labels) -> Limits,
    pages: &mut Changes,
) -> Vec<Effect> {
    let mut touched = BTreeSet::new();
    let mut effects = Vec::with_capacity(views.len());
    let heaviest = rooms.heaviest();
    for view in views {
        let window = horizon.window(view.start);
        if let (Some(counted), Some(window)) = (&view.counted, window) {
            let mut keys = counted
                .place
                .onwards()
                .map(|place| CellKey { window, labels: counted.told.labels.at(place) });
            if let Some(key) = keys.find(|key| cells.contains_key(key))
                && let Some(cell) = cells.get_mut(&key)
            {
                cell.take_out(counted);
                pages.take_out(&key, counted, horizon);
                touched.insert(key);
            }
        } else if view.counted.is_none() {
            rooms.saw(&view.told.labels.route);
        }
        let place = window.map(|window| rooms.place(window, &view.told.labels, &cells, &heaviest));
        let counted = Counted {
            limits: limits(&view.told.labels),
            sent: view.seq.saturating_add(1),
            heard: u16::try_from(view.heard.count_ones()).unwrap_or(u16::MAX),
            place: place.unwrap_or_default(),
            told: view.told,
        };
        // A view older than all that is kept is noted as counted, and stands in no cell.
        if let Some(window) = window {
            let key = CellKey { window, labels: counted.told.labels.at(counted.place) };
            if !cells.contains_key(&key) {
                rooms.enter(&key);
            }
            cells.entry(key.clone()).or_default().add(&counted);
            pages.add(&key, &counted, horizon);
            touched.insert(key);
        }
        effects.push(Effect::Count(view.key, counted));
    }
    effects.extend(touched.into_iter().filter_map(|key| {
        let cell = cells.remove(&key)?;
        if !cell.is_empty() {
            return Some(Effect::Store(key, cell));
        }
        rooms.leave(&key);
        Some(Effect::Forget(key))
    }));
    effects
}

/// Rolls windows up into longer ones. `old` are cells that the new horizon no longer keeps as they are;
/// `cells` the stored ones that they go into, in the places given. What this changes of pages is noted in
/// `pages`.
#[must_use]
pub fn roll(
    old: Vec<(CellKey, Cell)>,
    mut cells: BTreeMap<CellKey, Cell>,
    places: &Places,
    horizon: &Horizon,
    pages: &mut Changes,
) -> Vec<Effect> {
    let mut touched = BTreeSet::new();
    let mut effects = Vec::new();
    for (from, cell) in old {
        if from.under(horizon).as_ref() == Some(&from) {
            continue;
        }
        let into = from.rolled(places, horizon);
        pages.rolled(&from, into.as_ref(), &cell, horizon);
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

impl CellKey {
    /// Where the horizon wants what this cell holds.
    #[must_use]
    pub fn under(&self, horizon: &Horizon) -> Option<Self> {
        Some(Self { window: horizon.window(self.window.start)?, labels: self.labels.clone() })
    }

    /// The same, in the place that it is given there.
    #[must_use]
    pub fn rolled(&self, places: &Places, horizon: &Horizon) -> Option<Self> {
        let window = horizon.window(self.window.start)?;
        Some(Self { window, labels: self.labels.at(places.of(window, &self.labels)) })
    }
}
