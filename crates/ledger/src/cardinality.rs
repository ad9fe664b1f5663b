//! How much one window may hold. Whoever posts random routes, releases or dimensions cannot grow what
//! is stored, nor push aside what is really visited: a series that finds no place is counted under
//! coarser labels, so that no total changes. Storing it is the fold's business.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
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
    frequent_routes: SpaceSaving,
}

/// The series of one window: how many of each route.
#[derive(Clone, Debug, Default)]
struct WindowSeries {
    routes: BTreeMap<String, usize>,
    series: usize,
}

/// The routes that are visited most, by the space-saving rule (Metwally, Agrawal and El Abbadi, 2005):
/// a route that is not among the counters takes over the smallest one and inherits its count as its
/// possible error. What is visited more often than one time in as many as there are counters is
/// certainly among them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SpaceSaving(BTreeMap<String, SpaceSavingCounter>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct SpaceSavingCounter {
    /// At most so many views.
    #[serde(rename = "n")]
    upper_bound: u64,
    /// So many of them may be another route's.
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
    pub fn new(limits: CardinalityLimits, frequent_routes: SpaceSaving) -> Self {
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
        self.frequent_routes.decay();
    }

    /// The routes that are visited most.
    #[must_use]
    pub const fn frequent_routes(&self) -> &SpaceSaving {
        &self.frequent_routes
    }

    pub(crate) fn record_visit(&mut self, route: &str) {
        self.frequent_routes.record(route, 2 * self.limits.routes);
    }

    pub(crate) fn heaviest_routes(&self) -> BTreeSet<String> {
        self.frequent_routes.top(self.limits.reserved_routes)
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

impl SpaceSaving {
    fn record(&mut self, route: &str, counters: usize) {
        if let Some(count) = self.0.get_mut(route) {
            count.upper_bound = count.upper_bound.saturating_add(1);
            return;
        }
        let mut count = SpaceSavingCounter { upper_bound: 1, error: 0 };
        if self.0.len() >= counters
            && let Some(least) =
                self.0.iter().min_by_key(|(_, count)| count.upper_bound).map(|(name, _)| name.clone())
        {
            let error = self.0.remove(&least).unwrap_or_default().upper_bound;
            count = SpaceSavingCounter { upper_bound: error.saturating_add(1), error };
        }
        self.0.insert(route.to_owned(), count);
    }

    /// Those with the most views that are certainly theirs.
    fn top(&self, most: usize) -> BTreeSet<String> {
        let mut routes: Vec<(u64, &String)> =
            self.0.iter().map(|(route, count)| (count.upper_bound - count.error, route)).collect();
        routes.sort_by(|(a, ours), (b, theirs)| b.cmp(a).then(ours.cmp(theirs)));
        routes.into_iter().take(most).map(|(_, route)| route.clone()).collect()
    }

    fn decay(&mut self) {
        for count in self.0.values_mut() {
            let certain = (count.upper_bound - count.error) / 2;
            count.error /= 2;
            count.upper_bound = count.error + certain;
        }
        self.0.retain(|_, count| count.upper_bound > count.error);
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
    fn a_flood_of_routes_evicts_no_frequent_route() {
        let mut heavy = SpaceSaving::default();
        for flood in 0..10_000 {
            heavy.record(&format!("/random/{flood}"), 20);
            if flood % 10 == 0 {
                heavy.record("/home", 20);
            }
            if flood % 15 == 0 {
                heavy.record("/cart", 20);
            }
        }
        assert_eq!(heavy.0.len(), 20);
        assert_eq!(heavy.top(2), BTreeSet::from(["/cart".to_owned(), "/home".to_owned()]));
    }

    #[test]
    fn unvisited_routes_decay_to_nothing() {
        let mut heavy = SpaceSaving::default();
        (0..100).for_each(|_| heavy.record("/sale", 10));
        (0..7).for_each(|_| heavy.decay());
        assert_eq!(heavy, SpaceSaving::default());
    }

    #[test]
    fn coarse_series_per_route_matches_the_label_enums() {
        use wire::Device;
        use wire::beacon::Navigation;
        assert_eq!(COARSE_SERIES_PER_ROUTE, Device::ALL.len() * Navigation::ALL.len() * 2);
    }
}
