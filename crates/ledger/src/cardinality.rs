//! How much one window may hold. Whoever posts random routes, releases or dimensions cannot grow what
//! is stored, nor push aside what is really visited: a series that finds no place is counted under
//! coarser labels, so that no total changes. Storing it is the fold's business.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize, Serializer};
use sketch::space_saving::{Counter, SpaceSaving};
use wire::{OTHER_LABEL, Window, WindowSpan};

use crate::cell::Cell;
use crate::cell_key::CellKey;
use crate::folded_view::UnfoldedView;
use crate::horizon::Horizon;
use crate::labels::{LabelGranularity, SeriesLabels};

/// The limits of a window, for one shard of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CardinalityLimits {
    /// Routes.
    pub routes: usize,
    /// Those of them that are kept for the routes that were visited most.
    pub reserved_routes: usize,
    /// Series that are counted under their own labels; as many again may be coarse.
    pub series: usize,
}

/// Who is in the windows that are written to, and which routes are visited most.
#[derive(Clone, Debug, Default)]
pub struct CardinalityGuard {
    limits: CardinalityLimits,
    windows: BTreeMap<Window, WindowSeries>,
    frequent_routes: FrequentRoutes,
}

/// The series of one window: how many of each route.
#[derive(Clone, Debug, Default)]
struct WindowSeries {
    routes: BTreeMap<String, usize>,
    series: usize,
}

/// The most visited routes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "BTreeMap<String, StoredCounter>")]
pub struct FrequentRoutes(SpaceSaving);

/// The stored form of a route's [`Counter`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct StoredCounter {
    #[serde(rename = "n")]
    upper_bound: u64,
    #[serde(rename = "e", default)]
    error: u64,
}

/// Who gets which place in the windows that a roll-up fills.
#[derive(Clone, Debug, Default)]
pub struct RollupPlacement(BTreeMap<Window, WindowPlacement>);

/// What a roll-up would put into one window.
#[derive(Clone, Debug, Default)]
struct WindowPlacement {
    views: BTreeMap<SeriesLabels, u64>,
    routes: BTreeSet<String>,
    full: BTreeSet<SeriesLabels>,
    is_over_limit: bool,
}

impl Default for CardinalityLimits {
    fn default() -> Self {
        Self { routes: 512, reserved_routes: 256, series: 2000 }
    }
}

impl CardinalityLimits {
    /// The most series that a window may come to hold.
    #[must_use]
    pub const fn max_series(&self) -> usize {
        2 * self.series + (self.routes + 1) * COARSE_SERIES_PER_ROUTE
    }
}

impl CardinalityGuard {
    /// Rooms of that size.
    #[must_use]
    pub fn new(limits: CardinalityLimits, frequent_routes: FrequentRoutes) -> Self {
        Self { limits, frequent_routes, windows: BTreeMap::new() }
    }

    /// The windows of these views whose series are not known yet.
    #[must_use]
    pub fn unknown_windows(&self, views: &[UnfoldedView], horizon: &Horizon) -> BTreeSet<Window> {
        let windows = views.iter().filter_map(|view| horizon.window_at(view.start));
        windows.filter(|window| !self.windows.contains_key(window)).collect()
    }

    /// Notes which series a window holds.
    pub fn load_window(&mut self, window: Window, series: impl IntoIterator<Item = SeriesLabels>) {
        if self.windows.len() >= MAX_WINDOWS {
            self.windows.clear();
        }
        let mut crowd = WindowSeries::default();
        series.into_iter().for_each(|labels| crowd.add(&labels));
        self.windows.insert(window, crowd);
    }

    /// Forgets the windows that were rolled up, and lets what was visited long ago count for less.
    pub fn decay(&mut self) {
        self.windows.clear();
        self.frequent_routes.0.decay();
    }

    /// The routes that are visited most.
    #[must_use]
    pub const fn frequent_routes(&self) -> &FrequentRoutes {
        &self.frequent_routes
    }

    pub(crate) fn record_visit(&mut self, route: &str) {
        self.frequent_routes.0.record(route, 2 * self.limits.routes);
    }

    pub(crate) fn heaviest_routes(&self) -> BTreeSet<String> {
        let top = self.frequent_routes.0.top_by(self.limits.reserved_routes, Counter::lower_bound);
        top.into_iter().map(|(route, _)| route.to_owned()).collect()
    }

    /// Whether `views` more might find no place in the window.
    pub(crate) fn is_near_limit(&self, window: Window, views: usize) -> bool {
        let newcomers = self.limits.routes - self.limits.reserved_routes;
        self.windows.get(&window).is_none_or(|crowd| {
            crowd.routes.len() + views > newcomers || crowd.series + views > self.limits.series
        })
    }

    /// The place of a view in a window, where `cells` are the stored ones that it may have to do with.
    pub(crate) fn granularity_for(
        &self,
        window: Window,
        labels: &SeriesLabels,
        cells: &BTreeMap<CellKey, Cell>,
        heaviest: &BTreeSet<String>,
    ) -> LabelGranularity {
        let stands = |place: &LabelGranularity| {
            cells.contains_key(&CellKey { window, labels: labels.at_granularity(*place) })
        };
        if stands(&LabelGranularity::Full) {
            return LabelGranularity::Full;
        }
        // What was moved to a coarser place by a roll-up must be found there, so none begins anew.
        if window.span != WindowSpan::Minute
            && let Some(place) = LabelGranularity::Coarse.and_coarser().find(stands)
        {
            return place;
        }
        let Some(crowd) = self.windows.get(&window) else { return LabelGranularity::Full };
        let is_heavy = heaviest.contains(&labels.route);
        let CardinalityLimits { routes, reserved_routes: heavy, series } = self.limits;
        let has_room = crowd.routes.contains_key(&labels.route)
            || crowd.routes.len() < routes - heavy
            || is_heavy && crowd.routes.len() < routes
            || crowd.routes.keys().filter(|route| !heaviest.contains(*route)).count() < routes - heavy
                && crowd.routes.len() < routes;
        match crowd.series {
            _ if !has_room => LabelGranularity::Other,
            count if count < series => LabelGranularity::Full,
            count if is_heavy || count < 2 * series => LabelGranularity::Coarse,
            _ if stands(&LabelGranularity::Coarse) => LabelGranularity::Coarse,
            _ => LabelGranularity::Other,
        }
    }

    pub(crate) fn add_series(&mut self, key: &CellKey) {
        self.windows.entry(key.window).or_default().add(&key.labels);
    }

    pub(crate) fn remove_series(&mut self, key: &CellKey) {
        if let Some(crowd) = self.windows.get_mut(&key.window) {
            crowd.remove(&key.labels);
        }
    }
}

impl WindowSeries {
    fn add(&mut self, labels: &SeriesLabels) {
        self.series += 1;
        if labels.route != OTHER_LABEL {
            *self.routes.entry(labels.route.clone()).or_default() += 1;
        }
    }

    fn remove(&mut self, labels: &SeriesLabels) {
        self.series = self.series.saturating_sub(1);
        if let Some(series) = self.routes.get_mut(&labels.route) {
            *series = series.saturating_sub(1);
            if *series == 0 {
                self.routes.remove(&labels.route);
            }
        }
    }
}

impl From<BTreeMap<String, StoredCounter>> for FrequentRoutes {
    fn from(stored: BTreeMap<String, StoredCounter>) -> Self {
        let counter = |StoredCounter { upper_bound, error }| Counter { upper_bound, error };
        Self(stored.into_iter().map(|(route, stored)| (route, counter(stored))).collect())
    }
}

impl Serialize for FrequentRoutes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stored = |Counter { upper_bound, error }| StoredCounter { upper_bound, error };
        serializer.collect_map(self.0.iter().map(|(route, counter)| (route, stored(counter))))
    }
}

impl RollupPlacement {
    /// Counts a stored cell that will be rolled up.
    pub fn count(&mut self, key: &CellKey, cell: &Cell, horizon: &Horizon) {
        if let Some(into) = key.at_horizon(horizon)
            && into != *key
            && key.labels.route != OTHER_LABEL
        {
            let views = self.0.entry(into.window).or_default().views.entry(into.labels).or_default();
            *views = views.saturating_add(cell.views);
        }
    }

    /// Gives the places to those with the most views.
    #[must_use]
    pub fn assigned(mut self, limits: CardinalityLimits) -> Self {
        self.0.values_mut().for_each(|ranked| ranked.assign(limits));
        self
    }

    pub(crate) fn granularity_for(&self, window: Window, labels: &SeriesLabels) -> LabelGranularity {
        match self.0.get(&window).filter(|ranked| ranked.is_over_limit) {
            Some(ranked) if !ranked.routes.contains(&labels.route) => LabelGranularity::Other,
            Some(ranked) if !ranked.full.contains(labels) => LabelGranularity::Coarse,
            _ => LabelGranularity::Full,
        }
    }
}

impl CellKey {
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

impl WindowPlacement {
    fn assign(&mut self, limits: CardinalityLimits) {
        let views = std::mem::take(&mut self.views);
        let mut routes: BTreeMap<&str, u64> = BTreeMap::new();
        for (labels, views) in &views {
            let sum = routes.entry(&labels.route).or_default();
            *sum = sum.saturating_add(*views);
        }
        self.is_over_limit = routes.len() > limits.routes || views.len() > limits.series;
        if !self.is_over_limit {
            return;
        }
        self.routes = top_by_views(routes, limits.routes).map(str::to_owned).collect();
        self.full = top_by_views(views, limits.series).collect();
    }
}

/// The first so many by views; of equals, by name.
fn top_by_views<K: Ord>(views: BTreeMap<K, u64>, count: usize) -> impl Iterator<Item = K> {
    let mut ranked: Vec<(K, u64)> = views.into_iter().collect();
    ranked.sort_by(|(a, ours), (b, theirs)| theirs.cmp(ours).then(a.cmp(b)));
    ranked.into_iter().take(count).map(|(key, _)| key)
}

/// Device classes × navigation types × bot classes.
const COARSE_SERIES_PER_ROUTE: usize = 48;
/// More windows than are written to at once: minutes for three hours, hours for a day.
const MAX_WINDOWS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_of_the_frequent_routes_stays_readable() {
        let stored = r#"{"/cart":{"n":9,"e":4},"/home":{"n":3,"e":0}}"#;
        let routes: FrequentRoutes = serde_json::from_str(stored).unwrap();
        assert_eq!(serde_json::to_string(&routes).unwrap(), stored);
        assert_eq!(serde_json::from_str::<FrequentRoutes>(&stored.replace(",\"e\":0", "")).unwrap(), routes);
    }

    #[test]
    fn coarse_series_per_route_matches_the_label_enums() {
        use wire::Device;
        use wire::beacon::Navigation;
        assert_eq!(COARSE_SERIES_PER_ROUTE, Device::ALL.len() * Navigation::ALL.len() * 2);
    }
}
