//! The joining of declared views with the browser's soft-navigation entries, over random tours: each navigation
//! is one view, whatever is reported of it and in whatever order, and each value belongs to one view.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail by panic")]

use proptest::prelude::*;
use vitals::{BeaconTracker, LayoutShift, PageEvent, ReportState, SoftNavigation};
use wire::Metric;

/// A navigation of a tour, from the click that leads to it.
#[derive(Clone, Copy, Debug)]
struct Navigation {
    /// Time since the last navigation's last event.
    pause: u32,
    /// Time from the click to the declaration, if the application declares it.
    declared: Option<u32>,
    /// Time from the click to the report of the browser, if it comes.
    reported: Option<u32>,
    /// Time from the click to a layout shift.
    shifted: u32,
    /// The shell does not wait any longer before the report comes.
    is_impatient: bool,
    /// The entry has another address than the declaration, as after a redirect.
    is_redirected: bool,
}

/// An event as the shell receives it.
#[derive(Clone, Copy, Debug)]
enum TourEvent {
    Declare { navigation: usize },
    Report { navigation: usize },
    Shift,
    Timeout,
}

/// An entry of the browser.
#[derive(Clone, Copy, Debug)]
enum TourEntry {
    Shift { at: f64 },
    SoftNavigation { start: f64, duration: f64, address: usize },
}

/// The JavaScript around the core, in miniature.
struct Shell {
    tracker: BeaconTracker,
    /// The declaration that waits: its time and its address.
    declared: Option<(f64, usize)>,
    held: Vec<TourEntry>,
    views: Vec<View>,
}

/// A view as its last beacon tells it.
#[derive(Clone, Debug, Default)]
struct View {
    address: usize,
    is_soft: bool,
    is_named: bool,
    values: Vec<(Metric, u32)>,
}

impl Shell {
    fn new() -> Self {
        let mut tracker = BeaconTracker::new();
        let started = PageEvent::ObservationStarted {
            first_hidden: f64::INFINITY,
            activation_start: 0.0,
            duration_threshold: 0.0,
        };
        for event in
            [started, PageEvent::MetricSupported(Metric::Fcp), PageEvent::MetricSupported(Metric::Cls)]
        {
            tracker.handle(event, 0.0);
        }
        tracker.handle(PageEvent::FirstContentfulPaint(1.0), 0.0);
        let load = View { is_named: true, ..View::default() };
        Self { tracker, declared: None, held: Vec::new(), views: vec![load] }
    }

    fn read(&mut self) {
        let values =
            Metric::ALL.iter().filter_map(|&metric| Some((metric, self.tracker.wire_value(metric, 0.0)?)));
        self.views.last_mut().unwrap().values = values.collect();
    }

    fn begin(&mut self, start: f64, state: ReportState, address: usize, count: f64) {
        self.read();
        self.tracker.handle(PageEvent::ViewStarted { start, state }, count);
        self.views.push(View { address, is_named: state != ReportState::Reported, ..View::default() });
    }

    fn navigate(&mut self, report: Option<TourEntry>, count: f64) {
        let declared = self.declared;
        match (declared, report) {
            (Some((at, address)), _) => self.begin(at, ReportState::Declared, address, count),
            (None, Some(TourEntry::SoftNavigation { start, address, .. })) => {
                self.begin(start, ReportState::Reported, address, count);
            }
            _ => return,
        }
        if let Some(entry) = report {
            self.handle(entry, true, count);
        }
        if declared.is_some() {
            self.declared = None;
            for entry in std::mem::take(&mut self.held) {
                self.receive(entry, count);
            }
        }
    }

    fn receive(&mut self, entry: TourEntry, count: f64) {
        let (TourEntry::Shift { at: start } | TourEntry::SoftNavigation { start, .. }) = entry;
        if self.declared.is_some_and(|(declared, _)| start >= declared) {
            self.held.push(entry);
        } else {
            self.handle(entry, false, count);
        }
    }

    fn handle(&mut self, entry: TourEntry, is_repeated: bool, count: f64) {
        match entry {
            // Its score is its time, which tells it from any other.
            TourEntry::Shift { at } => {
                self.tracker.handle(PageEvent::LayoutShift(LayoutShift { at, score: at / 1e5 }), count);
                self.tracker.handle(PageEvent::BatchEnded, count);
            }
            TourEntry::SoftNavigation { start, duration, address } => {
                let is_current = is_repeated || self.views.last().unwrap().address == address;
                let is_pending = self.declared.is_some_and(|(_, declared)| declared == address);
                match self.tracker.view.report(start, is_current, is_pending) {
                    SoftNavigation::Current => {
                        let event = PageEvent::NavigationReported { duration, interaction: start };
                        self.tracker.handle(event, count);
                        self.views.last_mut().unwrap().is_soft = true;
                    }
                    SoftNavigation::New => self.navigate(Some(entry), count),
                    SoftNavigation::Stale => {}
                }
            }
        }
    }

    fn declare(&mut self, at: f64, address: usize, count: f64) {
        self.navigate(None, count);
        let is_current = self.views.last().unwrap().address == address;
        if self.tracker.view.declare(is_current, count) {
            self.views.last_mut().unwrap().is_named = true;
        } else {
            self.declared = Some((at, address));
        }
    }
}

fn tours() -> impl Strategy<Value = Vec<Navigation>> {
    let navigation = (
        1_u32..400,
        prop::option::weighted(0.8, 5_u32..300),
        prop::option::weighted(0.8, 5_u32..300),
        1_u32..300,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(pause, declared, reported, shifted, is_impatient, is_redirected)| Navigation {
            pause,
            declared,
            reported,
            shifted,
            is_impatient,
            is_redirected: is_redirected && declared.is_some() && declared < reported,
        });
    prop::collection::vec(navigation, 0..12)
}

/// The events of a tour in the order in which the shell receives them, each with its time, and the times of the
/// clicks. With `is_hasty`, the next click comes while the last navigation is still under way.
fn timeline(tour: &[Navigation], is_hasty: bool) -> (Vec<(f64, TourEvent)>, Vec<f64>) {
    let (mut events, mut clicks) = (Vec::new(), Vec::new());
    // Steps that no two times share.
    let mut now = 0.0;
    for (index, navigation) in tour.iter().enumerate() {
        let number = index + 1;
        let click = now + f64::from(navigation.pause);
        clicks.push(click);
        now = click;
        let fraction = (number as f64) / 64.0;
        let mut add = |delay: u32, event: TourEvent, order: f64| {
            let at = click + f64::from(delay) + fraction + order / 1024.0;
            events.push((at, event));
            if !is_hasty && at > now {
                now = at;
            }
        };
        if let Some(delay) = navigation.declared {
            add(delay, TourEvent::Declare { navigation: number }, 0.0);
            if navigation.is_impatient {
                add(delay, TourEvent::Timeout, 1.0);
            }
        }
        if let Some(delay) = navigation.reported {
            add(delay, TourEvent::Report { navigation: number }, 2.0);
        }
        add(navigation.shifted, TourEvent::Shift, 3.0);
    }
    events.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    (events, clicks)
}

/// The address in a soft-navigation entry. One after a redirect is no view's.
fn entry_address(number: usize, navigation: &Navigation) -> usize {
    if navigation.is_redirected { 1000 + number } else { number }
}

fn run(tour: &[Navigation], is_hasty: bool) -> Shell {
    let (events, clicks) = timeline(tour, is_hasty);
    let mut shell = Shell::new();
    for (at, event) in events {
        // Every click is an interaction.
        let count = clicks.iter().filter(|&&click| click <= at).count() as f64;
        match event {
            TourEvent::Declare { navigation } => shell.declare(at, navigation, count),
            TourEvent::Report { navigation } => {
                let start = clicks[navigation - 1];
                let address = entry_address(navigation, &tour[navigation - 1]);
                let duration = paint_duration(navigation);
                shell.receive(TourEntry::SoftNavigation { start, duration, address }, count);
            }
            TourEvent::Shift => shell.receive(TourEntry::Shift { at }, count),
            TourEvent::Timeout => shell.navigate(None, count),
        }
    }
    shell.navigate(None, clicks.len() as f64);
    shell.read();
    shell
}

/// The time to the first paint of a navigation: another for each.
fn paint_duration(navigation: usize) -> f64 {
    100.0 + navigation as f64
}

fn value(view: &View, metric: Metric) -> Option<u32> {
    view.values.iter().find(|(known, _)| *known == metric).map(|&(_, value)| value)
}

proptest! {
    #[test]
    fn each_navigation_is_one_view_with_its_own_paint(tour in tours()) {
        let shell = run(&tour, false);
        let told: Vec<(usize, &Navigation)> = (1..)
            .zip(&tour)
            .filter(|(_, navigation)| navigation.declared.or(navigation.reported).is_some())
            .collect();
        prop_assert_eq!(shell.views.len(), told.len() + 1, "{:?}", shell.views);
        for (view, (number, navigation)) in shell.views.iter().skip(1).zip(told) {
            prop_assert_eq!(view.address, if navigation.declared.is_some() { number } else { entry_address(number, navigation) });
            prop_assert_eq!(view.is_named, navigation.declared.is_some());
            // Once the shell has begun the declared view, a redirected entry is no longer recognized.
            let is_joined = navigation.reported.is_some() && !(navigation.is_redirected && navigation.is_impatient);
            prop_assert_eq!(view.is_soft, is_joined);
            let paint = is_joined.then(|| Metric::Fcp.to_wire(paint_duration(number)));
            prop_assert_eq!(value(view, Metric::Fcp), paint);
        }
    }

    #[test]
    fn a_shift_belongs_to_the_declared_view_in_which_it_happened(tour in tours()) {
        let tour: Vec<Navigation> = tour.into_iter().map(|navigation| Navigation { declared: navigation.declared.or(Some(50)), ..navigation }).filter(|navigation| navigation.declared < navigation.reported.or(Some(1000))).collect();
        let shell = run(&tour, false);
        let (events, _) = timeline(&tour, false);
        let declared = |wanted: usize| events.iter().find_map(|&(at, event)| matches!(event, TourEvent::Declare { navigation } if navigation == wanted).then_some(at));
        for (number, view) in shell.views.iter().enumerate() {
            let start = declared(number).unwrap_or(0.0);
            let end = declared(number + 1).unwrap_or(f64::INFINITY);
            let own = events.iter().filter(|&&(at, event)| matches!(event, TourEvent::Shift) && at >= start && at < end);
            let sum: f64 = own.map(|(at, _)| at / 1e5).sum();
            prop_assert!(value(view, Metric::Cls).unwrap_or(0) <= Metric::Cls.to_wire(sum), "view {number} of {:?}", shell.views);
            prop_assert_eq!(value(view, Metric::Cls).unwrap_or(0) > 0, sum > 0.0);
        }
    }

    #[test]
    fn no_haste_makes_two_views_of_one_navigation_or_gives_one_the_paint_of_another(tour in tours()) {
        // Every navigation is declared: one that is not leaves only its entry, which may come too late.
        let tour: Vec<Navigation> = tour
            .into_iter()
            .map(|navigation| Navigation { declared: navigation.declared.or(Some(7)), is_redirected: false, ..navigation })
            .filter(|navigation| navigation.declared < navigation.reported.or(Some(1000)))
            .collect();
        let shell = run(&tour, true);
        prop_assert_eq!(shell.views.len(), tour.len() + 1, "{:?}", shell.views);
        for view in shell.views.iter().skip(1) {
            let paint = value(view, Metric::Fcp);
            prop_assert!(paint.is_none() || paint == Some(Metric::Fcp.to_wire(paint_duration(view.address))), "{:?}", shell.views);
        }
    }
}
