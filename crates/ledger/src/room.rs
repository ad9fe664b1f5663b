//! How much one window may hold. Whoever posts random routes, releases or dimensions cannot grow what
//! is stored, nor push aside what is really visited: a series that finds no place is counted under
//! coarser labels, so that no total changes. Storing it is the fold's business.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::fold::{CellKey, View};
use crate::told::Labels;
use crate::window::{Horizon, Span, Window};

/// The route of the views whose own found no place. No path is named so: a path starts with `/`.
pub const OTHER: &str = "(other)";

/// Under which labels a view is counted. From each place one step leads to the next coarser one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Place {
    /// Its own.
    #[default]
    #[serde(rename = "own")]
    Own,
    /// Its route, device class, navigation type and bot class: every set of labels has at most 48 of
    /// these for each route.
    #[serde(rename = "coarse")]
    Coarse,
    /// The same without the route.
    #[serde(rename = "other")]
    Other,
}

/// The limits of a window, for one shard of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Routes.
    pub routes: usize,
    /// Those of them that are kept for the routes that were visited most.
    pub heavy: usize,
    /// Series that are counted under their own labels; as many again may be coarse.
    pub series: usize,
}

/// Who is in the windows that are written to, and which routes are visited most.
#[derive(Clone, Debug, Default)]
pub struct Rooms {
    room: Room,
    crowds: BTreeMap<Window, Crowd>,
    heavy: Heavy,
}

/// The series of one window: how many of each route.
#[derive(Clone, Debug, Default)]
struct Crowd {
    routes: BTreeMap<String, usize>,
    series: usize,
}

/// The routes that are visited most, by the space-saving rule (Metwally, Agrawal and El Abbadi, 2005):
/// a route that is not among the counters takes over the smallest one and inherits its count as its
/// possible error. What is visited more often than one time in as many as there are counters is
/// certainly among them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Heavy(BTreeMap<String, Count>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Count {
    /// At most so many views.
    #[serde(rename = "n")]
    most: u64,
    /// So many of them may be another route's.
    #[serde(rename = "e", default)]
    error: u64,
}

/// Who gets which place in the windows that a roll-up fills.
#[derive(Clone, Debug, Default)]
pub struct Places(BTreeMap<Window, Ranked>);

/// What a roll-up would put into one window.
#[derive(Clone, Debug, Default)]
struct Ranked {
    views: BTreeMap<Labels, u64>,
    routes: BTreeSet<String>,
    own: BTreeSet<Labels>,
    is_tight: bool,
}

impl Labels {
    /// The labels under which a view of these is counted in that place.
    #[must_use]
    pub fn at(&self, place: Place) -> Self {
        let route = match place {
            Place::Own => return self.clone(),
            Place::Coarse => self.route.clone(),
            Place::Other => OTHER.to_owned(),
        };
        Self {
            route,
            device: self.device,
            navigation: self.navigation,
            bot: self.bot,
            cache: None,
            network: None,
            release: None,
            country: None,
            dimensions: BTreeMap::new(),
        }
    }
}

impl Place {
    const ALL: [Self; 3] = [Self::Own, Self::Coarse, Self::Other];

    /// This place, and the coarser ones that a roll-up may have moved a count to.
    pub(crate) fn onwards(self) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |place| *place >= self)
    }

    pub(crate) fn is_own(&self) -> bool {
        *self == Self::Own
    }
}

impl Default for Room {
    fn default() -> Self {
        Self { routes: 512, heavy: 256, series: 2000 }
    }
}

impl Room {
    /// The most series that a window may come to hold.
    #[must_use]
    pub const fn most(&self) -> usize {
        2 * self.series + (self.routes + 1) * COARSE
    }
}

impl Rooms {
    /// Rooms of that size.
    #[must_use]
    pub fn new(room: Room, heavy: Heavy) -> Self {
        Self { room, heavy, crowds: BTreeMap::new() }
    }

    /// The windows of these views whose series are not known yet.
    #[must_use]
    pub fn unknown(&self, views: &[View], horizon: &Horizon) -> BTreeSet<Window> {
        let windows = views.iter().filter_map(|view| horizon.window(view.start));
        windows.filter(|window| !self.crowds.contains_key(window)).collect()
    }

    /// Notes which series a window holds.
    pub fn learn(&mut self, window: Window, series: impl IntoIterator<Item = Labels>) {
        if self.crowds.len() >= MOST_CROWDS {
            self.crowds.clear();
        }
        let mut crowd = Crowd::default();
        series.into_iter().for_each(|labels| crowd.enter(&labels));
        self.crowds.insert(window, crowd);
    }

    /// Forgets the windows that were rolled up, and lets what was visited long ago count for less.
    pub fn age(&mut self) {
        self.crowds.clear();
        self.heavy.fade();
    }

    /// The routes that are visited most.
    #[must_use]
    pub const fn heavy(&self) -> &Heavy {
        &self.heavy
    }

    pub(crate) fn saw(&mut self, route: &str) {
        self.heavy.saw(route, 2 * self.room.routes);
    }

    pub(crate) fn heaviest(&self) -> BTreeSet<String> {
        self.heavy.heaviest(self.room.heavy)
    }

    /// Whether `views` more might find no place in the window.
    pub(crate) fn is_tight(&self, window: Window, views: usize) -> bool {
        let newcomers = self.room.routes - self.room.heavy;
        self.crowds.get(&window).is_none_or(|crowd| {
            crowd.routes.len() + views > newcomers || crowd.series + views > self.room.series
        })
    }

    /// The place of a view in a window, where `cells` are the stored ones that it may have to do with.
    pub(crate) fn place(
        &self,
        window: Window,
        labels: &Labels,
        cells: &BTreeMap<CellKey, Cell>,
        heaviest: &BTreeSet<String>,
    ) -> Place {
        let stands = |place: &Place| cells.contains_key(&CellKey { window, labels: labels.at(*place) });
        if stands(&Place::Own) {
            return Place::Own;
        }
        // What was moved to a coarser place by a roll-up must be found there, so none begins anew.
        if window.span != Span::Minute
            && let Some(place) = Place::Coarse.onwards().find(stands)
        {
            return place;
        }
        let Some(crowd) = self.crowds.get(&window) else { return Place::Own };
        let is_heavy = heaviest.contains(&labels.route);
        let Room { routes, heavy, series } = self.room;
        let has_room = crowd.routes.contains_key(&labels.route)
            || crowd.routes.len() < routes - heavy
            || is_heavy && crowd.routes.len() < routes
            || crowd.routes.keys().filter(|route| !heaviest.contains(*route)).count() < routes - heavy
                && crowd.routes.len() < routes;
        match crowd.series {
            _ if !has_room => Place::Other,
            count if count < series => Place::Own,
            count if is_heavy || count < 2 * series => Place::Coarse,
            _ if stands(&Place::Coarse) => Place::Coarse,
            _ => Place::Other,
        }
    }

    pub(crate) fn enter(&mut self, key: &CellKey) {
        self.crowds.entry(key.window).or_default().enter(&key.labels);
    }

    pub(crate) fn leave(&mut self, key: &CellKey) {
        if let Some(crowd) = self.crowds.get_mut(&key.window) {
            crowd.leave(&key.labels);
        }
    }
}

impl Crowd {
    fn enter(&mut self, labels: &Labels) {
        self.series += 1;
        if labels.route != OTHER {
            *self.routes.entry(labels.route.clone()).or_default() += 1;
        }
    }

    fn leave(&mut self, labels: &Labels) {
        self.series = self.series.saturating_sub(1);
        if let Some(series) = self.routes.get_mut(&labels.route) {
            *series = series.saturating_sub(1);
            if *series == 0 {
                self.routes.remove(&labels.route);
            }
        }
    }
}

impl Heavy {
    fn saw(&mut self, route: &str, counters: usize) {
        if let Some(count) = self.0.get_mut(route) {
            count.most = count.most.saturating_add(1);
            return;
        }
        let mut count = Count { most: 1, error: 0 };
        if self.0.len() >= counters
            && let Some(least) =
                self.0.iter().min_by_key(|(_, count)| count.most).map(|(name, _)| name.clone())
        {
            let error = self.0.remove(&least).unwrap_or_default().most;
            count = Count { most: error.saturating_add(1), error };
        }
        self.0.insert(route.to_owned(), count);
    }

    /// Those with the most views that are certainly theirs.
    fn heaviest(&self, most: usize) -> BTreeSet<String> {
        let mut routes: Vec<(u64, &String)> =
            self.0.iter().map(|(route, count)| (count.most - count.error, route)).collect();
        routes.sort_by(|(a, ours), (b, theirs)| b.cmp(a).then(ours.cmp(theirs)));
        routes.into_iter().take(most).map(|(_, route)| route.clone()).collect()
    }

    fn fade(&mut self) {
        for count in self.0.values_mut() {
            let certain = (count.most - count.error) / 2;
            count.error /= 2;
            count.most = count.error + certain;
        }
        self.0.retain(|_, count| count.most > count.error);
    }
}

impl Places {
    /// Counts a stored cell that will be rolled up.
    pub fn count(&mut self, key: &CellKey, cell: &Cell, horizon: &Horizon) {
        if let Some(into) = key.under(horizon)
            && into != *key
            && key.labels.route != OTHER
        {
            let views = self.0.entry(into.window).or_default().views.entry(into.labels).or_default();
            *views = views.saturating_add(cell.views);
        }
    }

    /// Gives the places to those with the most views.
    #[must_use]
    pub fn given(mut self, room: Room) -> Self {
        self.0.values_mut().for_each(|ranked| ranked.give(room));
        self
    }

    pub(crate) fn of(&self, window: Window, labels: &Labels) -> Place {
        match self.0.get(&window).filter(|ranked| ranked.is_tight) {
            Some(ranked) if !ranked.routes.contains(&labels.route) => Place::Other,
            Some(ranked) if !ranked.own.contains(labels) => Place::Coarse,
            _ => Place::Own,
        }
    }
}

impl Ranked {
    fn give(&mut self, room: Room) {
        let views = std::mem::take(&mut self.views);
        let mut routes: BTreeMap<&str, u64> = BTreeMap::new();
        for (labels, views) in &views {
            let sum = routes.entry(&labels.route).or_default();
            *sum = sum.saturating_add(*views);
        }
        self.is_tight = routes.len() > room.routes || views.len() > room.series;
        if !self.is_tight {
            return;
        }
        self.routes = most(routes, room.routes).map(str::to_owned).collect();
        self.own = most(views, room.series).collect();
    }
}

/// The first so many by views; of equals, by name.
fn most<K: Ord>(views: BTreeMap<K, u64>, count: usize) -> impl Iterator<Item = K> {
    let mut ranked: Vec<(K, u64)> = views.into_iter().collect();
    ranked.sort_by(|(a, ours), (b, theirs)| theirs.cmp(ours).then(a.cmp(b)));
    ranked.into_iter().take(count).map(|(key, _)| key)
}

/// Device classes × navigation types × bot classes.
const COARSE: usize = 48;
/// More windows than are written to at once: minutes for three hours, hours for a day.
const MOST_CROWDS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_routes_pushes_no_visited_one_aside() {
        let mut heavy = Heavy::default();
        for flood in 0..10_000 {
            heavy.saw(&format!("/random/{flood}"), 20);
            if flood % 10 == 0 {
                heavy.saw("/home", 20);
            }
            if flood % 15 == 0 {
                heavy.saw("/cart", 20);
            }
        }
        assert_eq!(heavy.0.len(), 20);
        assert_eq!(heavy.heaviest(2), BTreeSet::from(["/cart".to_owned(), "/home".to_owned()]));
    }

    #[test]
    fn what_is_visited_no_more_fades() {
        let mut heavy = Heavy::default();
        (0..100).for_each(|_| heavy.saw("/sale", 10));
        (0..7).for_each(|_| heavy.fade());
        assert_eq!(heavy, Heavy::default());
    }

    #[test]
    fn coarse_labels_are_as_many_as_is_said() {
        use wire::Device;
        use wire::beacon::Navigation;
        assert_eq!(COARSE, Device::ALL.len() * Navigation::ALL.len() * 2);
    }
}
