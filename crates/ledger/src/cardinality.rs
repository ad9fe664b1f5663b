//! Cardinality limits of a window. Random routes, releases or dimensions can neither grow the storage without
//! bound nor evict routes with real visits: beyond a limit, views are counted under coarser labels, and no total
//! changes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize, Serializer};
use sketch::space_saving::{Counter, SpaceSaving};
use wire::{OTHER_LABEL, Window, WindowSpan};

use crate::cell::Cell;
use crate::cell_key::CellKey;
use crate::folded_view::UnfoldedView;
use crate::horizon::Horizon;
use crate::labels::{LabelGranularity, SeriesLabels};
use wire::sorting::{CollectOrdered, SortSlice};

/// The limits of a window, for one shard of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CardinalityLimits {
    /// The maximum number of routes.
    pub routes: usize,
    /// The number of routes that are reserved for the most visited ones.
    pub reserved_routes: usize,
    /// The maximum number of series with a browser and an operating system of their own.
    pub browser_series: usize,
    /// The maximum number of further series under all other labels; the same number may be coarse.
    pub series: usize,
}

/// The series of the windows that are being written, and the most visited routes.
#[derive(Clone, Debug, Default)]
pub struct CardinalityGuard {
    limits: CardinalityLimits,
    windows: BTreeMap<Window, WindowSeries>,
    frequent_routes: FrequentRoutes,
}

/// The number of series of each route in one window.
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

/// The label granularity of each series in the windows that a roll-up fills.
#[derive(Clone, Debug, Default)]
pub struct RollupPlacement(BTreeMap<Window, WindowPlacement>);

/// The series that a roll-up moves to one window.
#[derive(Clone, Debug, Default)]
struct WindowPlacement {
    views: BTreeMap<SeriesLabels, u64>,
    routes: BTreeSet<String>,
    full: BTreeSet<SeriesLabels>,
    any_browser: BTreeSet<SeriesLabels>,
    is_over_limit: bool,
}

impl Default for CardinalityLimits {
    fn default() -> Self {
        Self { routes: 512, reserved_routes: 256, browser_series: 2000, series: 2000 }
    }
}

impl CardinalityLimits {
    /// Returns the maximum number of series in a window.
    #[must_use]
    pub const fn max_series(&self) -> usize {
        self.browser_series + 2 * self.series + (self.routes + 1) * COARSE_SERIES_PER_ROUTE
    }
}

impl CardinalityGuard {
    /// Creates a guard without windows.
    #[must_use]
    pub fn new(limits: CardinalityLimits, frequent_routes: FrequentRoutes) -> Self {
        Self { limits, frequent_routes, windows: BTreeMap::new() }
    }

    /// Returns the windows of these views that must be loaded first.
    #[must_use]
    pub fn unknown_windows(&self, views: &[UnfoldedView], horizon: &Horizon) -> BTreeSet<Window> {
        let windows = views.iter().filter_map(|view| horizon.window_at(view.start));
        windows.filter(|window| !self.windows.contains_key(window)).collect_set()
    }

    /// Loads the stored series of a window.
    pub fn load_window(&mut self, window: Window, series: impl IntoIterator<Item = SeriesLabels>) {
        if self.windows.len() >= MAX_WINDOWS {
            self.windows.clear();
        }
        let mut window_series = WindowSeries::default();
        series.into_iter().for_each(|labels| window_series.add(&labels));
        self.windows.insert(window, window_series);
    }

    /// Forgets all windows after a roll-up, and halves the counts of frequent routes.
    pub fn decay(&mut self) {
        self.windows.clear();
        self.frequent_routes.0.decay();
    }

    /// Returns the most visited routes.
    #[must_use]
    pub const fn frequent_routes(&self) -> &FrequentRoutes {
        &self.frequent_routes
    }

    pub(crate) fn record_visit(&mut self, route: &str) {
        self.frequent_routes.0.record(route, 2 * self.limits.routes);
    }

    pub(crate) fn top_routes(&self) -> BTreeSet<String> {
        let top = self.frequent_routes.0.top_by(self.limits.reserved_routes, Counter::lower_bound);
        top.into_iter().map(|(route, _)| route.to_owned()).collect_set()
    }

    /// Returns true if `views` more could exceed a limit of the window.
    pub(crate) fn is_near_limit(&self, window: Window, views: usize) -> bool {
        let unreserved = self.limits.routes - self.limits.reserved_routes;
        self.windows.get(&window).is_none_or(|window_series| {
            window_series.routes.len() + views > unreserved
                || window_series.series + views > self.limits.browser_series
        })
    }

    /// Returns the granularity of a view in a window. `cells` are the loaded cells that may contain it.
    pub(crate) fn granularity_for(
        &self,
        window: Window,
        labels: &SeriesLabels,
        cells: &BTreeMap<CellKey, Cell>,
        top_routes: &BTreeSet<String>,
    ) -> LabelGranularity {
        let has_cell = |granularity: &LabelGranularity| {
            cells.contains_key(&CellKey { window, labels: labels.at_granularity(*granularity) })
        };
        if has_cell(&LabelGranularity::Full) {
            return LabelGranularity::Full;
        }
        // A count that a roll-up moved to coarser labels must be found there, so no new cell is started.
        if window.span != WindowSpan::Minute
            && let Some(granularity) = LabelGranularity::AnyBrowser.and_coarser().find(has_cell)
        {
            return granularity;
        }
        let Some(window_series) = self.windows.get(&window) else { return LabelGranularity::Full };
        let is_frequent = top_routes.contains(&labels.route);
        let CardinalityLimits { routes, reserved_routes, browser_series, series } = self.limits;
        let has_room = window_series.routes.contains_key(&labels.route)
            || window_series.routes.len() < routes - reserved_routes
            || is_frequent && window_series.routes.len() < routes
            || window_series.routes.keys().filter(|route| !top_routes.contains(*route)).count()
                < routes - reserved_routes
                && window_series.routes.len() < routes;
        match window_series.series {
            _ if !has_room => LabelGranularity::Other,
            count if count < browser_series => LabelGranularity::Full,
            count if count < browser_series + series => LabelGranularity::AnyBrowser,
            count if is_frequent || count < browser_series + 2 * series => LabelGranularity::Coarse,
            _ if has_cell(&LabelGranularity::Coarse) => LabelGranularity::Coarse,
            _ => LabelGranularity::Other,
        }
    }

    pub(crate) fn add_series(&mut self, key: &CellKey) {
        self.windows.entry(key.window).or_default().add(&key.labels);
    }

    pub(crate) fn remove_series(&mut self, key: &CellKey) {
        if let Some(window_series) = self.windows.get_mut(&key.window) {
            window_series.remove(&key.labels);
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
    /// Counts a stored cell that is to be rolled up.
    pub fn count(&mut self, key: &CellKey, views_of_cell: u64, horizon: &Horizon) {
        if let Some(into) = key.at_horizon(horizon)
            && into != *key
            && key.labels.route != OTHER_LABEL
        {
            let views = self.0.entry(into.window).or_default().views.entry(into.labels).or_default();
            *views = views.saturating_add(views_of_cell);
        }
    }

    /// Assigns the full labels to the routes and series with the most views.
    #[must_use]
    pub fn assigned(mut self, limits: CardinalityLimits) -> Self {
        self.0.values_mut().for_each(|placement| placement.assign(limits));
        self
    }

    pub(crate) fn granularity_for(&self, window: Window, labels: &SeriesLabels) -> LabelGranularity {
        match self.0.get(&window).filter(|placement| placement.is_over_limit) {
            Some(placement) if !placement.routes.contains(&labels.route) => LabelGranularity::Other,
            Some(placement) if placement.full.contains(labels) => LabelGranularity::Full,
            Some(placement) => {
                match placement.any_browser.contains(&labels.at_granularity(LabelGranularity::AnyBrowser)) {
                    true => LabelGranularity::AnyBrowser,
                    false => LabelGranularity::Coarse,
                }
            }
            None => LabelGranularity::Full,
        }
    }
}

impl CellKey {
    /// Returns the key that a roll-up moves this cell to.
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
        self.is_over_limit = routes.len() > limits.routes || views.len() > limits.browser_series;
        if !self.is_over_limit {
            return;
        }
        self.routes = top_by_views(routes, limits.routes).map(str::to_owned).collect_set();
        self.full = top_by_views(views.clone(), limits.browser_series).collect();
        let mut any_browser: BTreeMap<SeriesLabels, u64> = BTreeMap::new();
        for (labels, views) in views.iter().filter(|(labels, _)| !self.full.contains(labels)) {
            let sum = any_browser.entry(labels.at_granularity(LabelGranularity::AnyBrowser)).or_default();
            *sum = sum.saturating_add(*views);
        }
        self.any_browser = top_by_views(any_browser, limits.series).collect();
    }
}

/// Returns the first `count` keys by views, then by key.
fn top_by_views<K: Ord>(views: BTreeMap<K, u64>, count: usize) -> impl Iterator<Item = K> {
    let mut ranked: Vec<(K, u64)> = views.into_iter().collect();
    ranked.order_by(|(a, ours), (b, theirs)| theirs.cmp(ours).then(a.cmp(b)));
    ranked.into_iter().take(count).map(|(key, _)| key)
}

/// Device classes × navigation types × bot classes.
const COARSE_SERIES_PER_ROUTE: usize = 48;
/// More windows than are written at once: minutes for three hours, hours for a day.
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

    const WINDOW: Window = Window { span: wire::WindowSpan::Minute, start: wire::UnixMillis(0) };
    const LIMITS: CardinalityLimits =
        CardinalityLimits { routes: 4, reserved_routes: 2, browser_series: 3, series: 2 };

    fn labels(route: &str) -> SeriesLabels {
        SeriesLabels::from_json(&format!(r#"{{"r":"{route}","d":"phone","n":"navigate"}}"#))
            .unwrap_or_else(|| panic!("labels of {route}"))
    }

    fn guard(series: &[&str]) -> CardinalityGuard {
        let mut guard = CardinalityGuard::new(LIMITS, FrequentRoutes::default());
        guard.load_window(WINDOW, series.iter().map(|route| labels(route)));
        guard
    }

    fn granularity(guard: &CardinalityGuard, route: &str) -> LabelGranularity {
        guard.granularity_for(WINDOW, &labels(route), &BTreeMap::new(), &guard.top_routes())
    }

    /// Two of the four places are kept for frequent routes.
    #[test]
    fn a_route_has_a_place_up_to_the_limit_and_a_frequent_one_a_reserved_place() {
        assert_eq!(granularity(&guard(&["/a"]), "/b"), LabelGranularity::Full);
        let mut full = guard(&["/a", "/b"]);
        assert_eq!(granularity(&full, "/b"), LabelGranularity::Full);
        assert_eq!(granularity(&full, "/c"), LabelGranularity::Other);
        full.record_visit("/c");
        assert_eq!(granularity(&full, "/c"), LabelGranularity::Full);
    }

    #[test]
    fn series_beyond_each_limit_are_coarser() {
        use LabelGranularity::{AnyBrowser, Coarse, Full, Other};
        let granularity_with = |count: usize| granularity(&guard(&vec!["/a"; count]), "/a");
        assert_eq!(
            [2, 3, 4, 5, 6, 7].map(granularity_with),
            [Full, AnyBrowser, AnyBrowser, Coarse, Coarse, Other]
        );
    }

    #[test]
    fn a_removed_series_makes_room_and_the_last_one_of_a_route_frees_its_place() {
        let mut guard = guard(&["/a", "/a", "/b"]);
        let key = |route: &str| CellKey { window: WINDOW, labels: labels(route) };
        guard.remove_series(&key("/a"));
        assert_eq!(
            [granularity(&guard, "/a"), granularity(&guard, "/c")],
            [LabelGranularity::Full, LabelGranularity::Other]
        );
        guard.remove_series(&key("/a"));
        assert_eq!(granularity(&guard, "/c"), LabelGranularity::Full);
    }

    #[test]
    fn the_limit_is_near_once_the_views_could_be_more_routes_or_series_than_fit() {
        let is_near = |series: &[&str], views: usize| guard(series).is_near_limit(WINDOW, views);
        assert_eq!(
            [1, 2].map(|views| is_near(&["/a"], views)),
            [false, true],
            "two routes without a reserve"
        );
        assert_eq!([1, 2].map(|views| is_near(&["/a", "/a"], views)), [false, true], "three series");
        let unknown = CardinalityGuard::new(LIMITS, FrequentRoutes::default());
        assert!(unknown.is_near_limit(WINDOW, 1), "the series of the window are not loaded");
    }

    #[test]
    fn a_bounded_number_of_windows_is_kept() {
        let mut guard = CardinalityGuard::default();
        let window = |minute: usize| Window { start: wire::UnixMillis(minute as u64 * 60_000), ..WINDOW };
        (0..MAX_WINDOWS).for_each(|minute| guard.load_window(window(minute), []));
        assert_eq!(guard.windows.len(), MAX_WINDOWS);
        guard.load_window(window(MAX_WINDOWS), []);
        assert_eq!(guard.windows.len(), 1);
    }

    /// Returns the granularity of each series in the hour that a roll-up fills from minutes.
    fn rolled_up(limits: CardinalityLimits, series: &[(SeriesLabels, u64)]) -> Vec<LabelGranularity> {
        let now = WINDOW.start.saturating_add(3 * WindowSpan::Hour.millis());
        let horizon = Horizon::default().advanced(&crate::horizon::Retention::default(), now);
        let mut placement = RollupPlacement::default();
        for (labels, views) in series {
            let key = CellKey { window: WINDOW, labels: labels.clone() };
            placement.count(&key, *views, &horizon);
        }
        let placement = placement.assigned(limits);
        let target = |labels: &SeriesLabels| {
            let hour = Window::containing(WindowSpan::Hour, WINDOW.start);
            placement.granularity_for(hour, labels)
        };
        series.iter().map(|(labels, _)| target(labels)).collect()
    }

    #[test]
    fn a_roll_up_keeps_the_routes_and_series_with_the_most_views() {
        let routes = [(labels("/a"), 5), (labels("/b"), 9), (labels("/c"), 7)];
        let limits =
            |routes, series| CardinalityLimits { routes, reserved_routes: 1, browser_series: series, series };
        use LabelGranularity::{AnyBrowser, Coarse, Full, Other};
        assert_eq!(rolled_up(limits(3, 3), &routes), [Full; 3]);
        assert_eq!(rolled_up(limits(2, 9), &routes), [Other, Full, Full]);
        assert_eq!(rolled_up(limits(9, 1), &routes), [Coarse, Full, AnyBrowser]);
    }

    #[test]
    fn rare_browsers_of_a_roll_up_are_other_before_any_other_label_is_lost() {
        let visits = |route, browser: &str, views| {
            let labels = SeriesLabels { browser: Some(browser.to_owned()), ..labels(route) };
            (labels, views)
        };
        let series = [
            visits("/a", "Chrome 156", 9),
            visits("/a", "Chrome 155", 3),
            visits("/a", "Safari 26", 2),
            visits("/b", "Chrome 156", 4),
        ];
        let limits = CardinalityLimits { routes: 9, reserved_routes: 1, browser_series: 1, series: 1 };
        use LabelGranularity::{AnyBrowser, Coarse, Full};
        assert_eq!(rolled_up(limits, &series), [Full, AnyBrowser, AnyBrowser, Coarse]);
    }
}
