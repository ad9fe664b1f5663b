//! Properties of the core, each against a naive oracle: every shift in every window, every interaction
//! sorted, every report kept.

use proptest::prelude::*;
use vitals::{
    BeaconTracker, CallbackTracker, EntryGrouping, Interaction, LayoutShift, PageEvent, ReportState,
    ReportTrigger, Subscription,
};
use wire::Metric;

fn subscribe(subscription: &mut Subscription, metric: Metric) -> &mut Subscription {
    subscription.begin(metric, false, false, 0.0);
    subscription
}

/// Shifts by the time since the previous one, with steps at the bounds of session windows.
fn shifts() -> impl Strategy<Value = Vec<LayoutShift>> {
    prop::collection::vec(
        (prop_oneof![0.0..999.0, Just(999.9), Just(1000.0), 1000.0..4000.0], 0.0001..0.5),
        0..60,
    )
    .prop_map(|steps| {
        let mut at = 0.0;
        steps
            .into_iter()
            .map(|(step, score)| {
                at += step;
                LayoutShift { at, score }
            })
            .collect()
    })
}

/// The largest session window by its definition: shifts are split into windows, then summed.
fn largest_window(shifts: &[LayoutShift]) -> f64 {
    let mut windows: Vec<Vec<LayoutShift>> = Vec::new();
    for &shift in shifts {
        match windows.last_mut() {
            Some(window) if joins(window, shift) => window.push(shift),
            _ => windows.push(vec![shift]),
        }
    }
    windows.iter().map(|window| window.iter().fold(0.0, |sum, shift| sum + shift.score)).fold(0.0, f64::max)
}

fn joins(window: &[LayoutShift], shift: LayoutShift) -> bool {
    let (Some(first), Some(last)) = (window.first(), window.last()) else {
        return false;
    };
    shift.at - last.at < 1000.0 && shift.at - first.at < 5000.0
}

/// Event entries as a browser delivers them, several per interaction.
fn events() -> impl Strategy<Value = Vec<Interaction>> {
    prop::collection::vec((0_u32..300, 0_u32..4, 1_u32..60), 0..300).prop_map(|events| {
        events
            .into_iter()
            .map(|(id, at, duration)| Interaction {
                id: f64::from(id) * 7.0,
                at: f64::from(id * 10 + at),
                duration: f64::from(duration) * 8.0,
            })
            .collect()
    })
}

/// INP from a sorted list of all interactions.
fn p98(events: &[Interaction], count: f64) -> Option<f64> {
    let mut latencies = std::collections::HashMap::<u64, f64>::new();
    for event in events.iter().filter(|event| event.id > 0.0) {
        let latency = latencies.entry(event.id as u64).or_default();
        *latency = latency.max(event.duration);
    }
    let mut sorted: Vec<f64> = latencies.into_values().collect();
    sorted.sort_by(|one, other| other.total_cmp(one));
    sorted.truncate(10);
    let skipped = (count / 50.0).floor() as usize;
    sorted.get(skipped).or(sorted.last()).copied()
}

/// An event in the life of a page.
#[derive(Clone, Debug)]
enum PageAction {
    Paint(f64),
    Shift(f64),
    Interaction(u32, u32),
    Hide,
    Restore,
}

fn page_actions() -> impl Strategy<Value = Vec<PageAction>> {
    let action = prop_oneof![
        (1.0..50.0_f64).prop_map(PageAction::Paint),
        (0.001..0.2_f64).prop_map(PageAction::Shift),
        (1_u32..40, 2_u32..60).prop_map(|(id, duration)| PageAction::Interaction(id, duration)),
        Just(PageAction::Hide),
        Just(PageAction::Restore),
    ];
    prop::collection::vec(action, 0..80)
}

proptest! {
    #[test]
    fn cls_is_the_largest_window_and_never_falls(shifts in shifts()) {
        let mut page = CallbackTracker::new();
        let subscription = subscribe(&mut page.subscriptions[0], Metric::Cls);
        let mut before = 0.0;
        for (index, &shift) in shifts.iter().enumerate() {
            subscription.session_window.add(shift);
            subscription.update_value(0.0);
            prop_assert!(subscription.value() >= before);
            before = subscription.value();
            prop_assert_eq!(before, largest_window(&shifts[..=index]));
        }
    }

    #[test]
    fn inp_equals_that_of_all_interactions_sorted(events in events(), extra in 0_u32..600) {
        let mut page = CallbackTracker::new();
        let subscription = subscribe(&mut page.subscriptions[0], Metric::Inp);
        for &event in &events {
            subscription.interactions.add(event);
        }
        let count = f64::from(extra);
        subscription.update_value(count);
        let inp = subscription.report(ReportTrigger::Hide).map(|_| subscription.value());
        prop_assert_eq!(inp, p98(&events, count));
    }

    #[test]
    fn grouped_entries_have_the_duration_of_the_interaction(events in events()) {
        let mut page = CallbackTracker::new();
        let subscription = subscribe(&mut page.subscriptions[0], Metric::Inp);
        let mut lists = std::collections::HashMap::<u64, Vec<Interaction>>::new();
        for &event in &events {
            match subscription.interactions.add(event) {
                EntryGrouping::Discard => {}
                EntryGrouping::StartGroup => {
                    lists.insert(event.id as u64, vec![event]);
                }
                EntryGrouping::JoinGroup => lists.get_mut(&(event.id as u64)).unwrap().push(event),
            }
            if let Some(list) = subscription.update_value(0.0) {
                for entry in &lists[&(list as u64)] {
                    prop_assert_eq!(entry.duration, subscription.value());
                }
            }
        }
    }

    #[test]
    fn final_values_are_reported_once_and_sent_in_beacons(actions in page_actions()) {
        let mut page = CallbackTracker::new();
        let metrics = [Metric::Lcp, Metric::Cls, Metric::Inp];
        for (slot, metric) in metrics.into_iter().enumerate() {
            subscribe(&mut page.subscriptions[slot], metric);
        }
        page.history.first_hidden = f64::INFINITY;
        let (mut now, mut count) = (0.0, 0.0);
        // The reported values of each instance, beside a tracker for beacons with the same events.
        let mut reported = [const { Vec::<f64>::new() }; 3];
        let mut beacons = BeaconTracker::new();
        beacons.handle(PageEvent::ObservationStarted { first_hidden: f64::INFINITY, activation_start: 0.0, duration_threshold: 0.0 }, 0.0);
        for metric in metrics {
            beacons.handle(PageEvent::MetricSupported(metric), 0.0);
        }
        beacons.handle(PageEvent::MetricSupported(Metric::Fcp), 0.0);
        beacons.handle(PageEvent::FirstContentfulPaint(1.0), 0.0);
        beacons.handle(PageEvent::BatchEnded, 0.0);
        for action in actions {
            now += 10.0;
            match action {
                PageAction::Paint(took) => {
                    if now < page.history.first_hidden {
                        page.subscriptions[0].record_duration(took);
                    }
                    // Both trackers measure from the same start.
                    beacons.handle(PageEvent::ObservationStarted { first_hidden: page.history.first_hidden, activation_start: now - took, duration_threshold: 0.0 }, count);
                    beacons.handle(PageEvent::LargestContentfulPaint(now), count);
                    beacons.handle(PageEvent::BatchEnded, count);
                }
                PageAction::Shift(score) => {
                    page.subscriptions[1].session_window.add(LayoutShift { at: now, score });
                    page.subscriptions[1].update_value(count);
                    beacons.handle(PageEvent::LayoutShift(LayoutShift { at: now, score }), count);
                    beacons.handle(PageEvent::BatchEnded, count);
                }
                PageAction::Interaction(id, duration) => {
                    count += 1.0;
                    let event = Interaction { id: f64::from(id), at: now, duration: f64::from(duration) * 8.0 };
                    page.subscriptions[2].interactions.add(event);
                    page.subscriptions[2].update_value(count);
                    beacons.handle(PageEvent::EventTiming { event, processing_start: now, is_first_input: false }, count);
                }
                PageAction::Hide => {
                    page.history.record_hidden(now);
                    for (slot, reported) in reported.iter_mut().enumerate() {
                        let trigger = if slot == 0 { ReportTrigger::Final } else { ReportTrigger::Hide };
                        let before = reported.last().copied();
                        if let Some(delta) = page.subscriptions[slot].report(trigger) {
                            let value = page.subscriptions[slot].value();
                            prop_assert_eq!(delta, value - before.unwrap_or(0.0));
                            prop_assert_ne!(Some(value), before, "a value is reported once");
                            reported.push(value);
                        }
                    }
                    beacons.handle(PageEvent::Hidden(now), count);
                    beacons.handle(PageEvent::LcpFinalized, count);
                    for (slot, metric) in metrics.into_iter().enumerate() {
                        prop_assert_eq!(beacons.wire_value(metric, count), page.subscriptions[slot].wire_value(), "{}", metric.name());
                    }
                }
                PageAction::Restore => {
                    page.history.first_hidden = f64::INFINITY;
                    beacons.handle(PageEvent::ViewStarted { start: now, state: ReportState::Complete }, count);
                    beacons.handle(PageEvent::BatchEnded, count);
                    for (slot, reported) in reported.iter_mut().enumerate() {
                        reported.clear();
                        page.subscriptions[slot].begin(metrics[slot], false, true, count);
                    }
                }
            }
        }
    }
}

/// An event of a tour through an application.
#[derive(Clone, Copy, Debug)]
enum TourEvent {
    FirstByte,
    Paint,
    LargestPaint,
    Shift,
    Interaction { is_first_input: bool },
    Hide,
    Declare,
    Restore,
}

fn tours() -> impl Strategy<Value = Vec<TourEvent>> {
    let event = prop_oneof![
        Just(TourEvent::FirstByte),
        Just(TourEvent::Paint),
        Just(TourEvent::LargestPaint),
        Just(TourEvent::Shift),
        any::<bool>().prop_map(|is_first_input| TourEvent::Interaction { is_first_input }),
        Just(TourEvent::Hide),
        Just(TourEvent::Declare),
        Just(TourEvent::Restore),
    ];
    prop::collection::vec(event, 0..60)
}

/// The values that one view of a tour produced, as a beacon carries them.
struct ViewEvidence {
    values: Vec<(Metric, u32)>,
    shifts: f64,
    is_declared: bool,
}

impl ViewEvidence {
    fn new(is_declared: bool) -> Self {
        Self { values: Vec::new(), shifts: 0.0, is_declared }
    }

    fn add(&mut self, metric: Metric, value: f64) {
        self.values.push((metric, metric.to_wire(value)));
    }

    fn check(&self, metric: Metric, value: Option<u32>) -> Result<(), TestCaseError> {
        let Some(value) = value else { return Ok(()) };
        prop_assert!(
            !self.is_declared || matches!(metric, Metric::Cls | Metric::Inp),
            "a declared view carries {}",
            metric.name()
        );
        let is_own = match metric {
            Metric::Cls => value <= metric.to_wire(self.shifts),
            _ => self.values.contains(&(metric, value)),
        };
        prop_assert!(is_own, "{} is {value}, which is none of {:?}", metric.name(), self.values);
        Ok(())
    }
}

proptest! {
    #[test]
    fn no_view_carries_a_value_of_another_view(tour in tours()) {
        let mut beacons = BeaconTracker::new();
        let mut page = CallbackTracker::new();
        page.history.first_hidden = f64::INFINITY;
        beacons.handle(PageEvent::ObservationStarted { first_hidden: f64::INFINITY, activation_start: 0.0, duration_threshold: 0.0 }, 0.0);
        for (slot, metric) in Metric::ALL.into_iter().enumerate() {
            if metric != Metric::Ttfb {
                beacons.handle(PageEvent::MetricSupported(metric), 0.0);
            }
            page.subscriptions[slot].begin(metric, false, false, 0.0);
        }
        let mut view = ViewEvidence::new(false);
        let (mut is_load, mut now, mut count) = (true, 0.0, 0.0);
        for event in tour {
            // Times and durations differ between any two events of the tour.
            now += 16.0;
            let mut send = |page_event| beacons.handle(page_event, count);
            match event {
                TourEvent::FirstByte => {
                    send(PageEvent::FirstByte(now));
                    if is_load {
                        view.add(Metric::Ttfb, now);
                        page.subscriptions[Metric::Ttfb as usize].record_duration(now);
                    }
                }
                TourEvent::Paint => {
                    send(PageEvent::FirstContentfulPaint(now));
                    if page.subscriptions[Metric::Fcp as usize].record_duration(now) {
                        view.add(Metric::Fcp, now);
                    }
                    page.subscriptions[Metric::Fcp as usize].report(ReportTrigger::Final);
                }
                TourEvent::LargestPaint => {
                    send(PageEvent::LargestContentfulPaint(now));
                    send(PageEvent::BatchEnded);
                    if page.subscriptions[Metric::Lcp as usize].record_duration(now) {
                        view.add(Metric::Lcp, now);
                    }
                }
                TourEvent::Shift => {
                    let shift = LayoutShift { at: now, score: now / 1e5 };
                    send(PageEvent::LayoutShift(shift));
                    send(PageEvent::BatchEnded);
                    view.shifts += shift.score;
                    let cls = &mut page.subscriptions[Metric::Cls as usize];
                    cls.session_window.add(shift);
                    cls.update_value(count);
                }
                TourEvent::Interaction { is_first_input } => {
                    count += 1.0;
                    let event = Interaction { id: now, at: now, duration: now };
                    beacons.handle(PageEvent::EventTiming { event, processing_start: now * 2.0, is_first_input }, count);
                    view.add(Metric::Inp, now);
                    let inp = &mut page.subscriptions[Metric::Inp as usize];
                    inp.interactions.add(event);
                    inp.update_value(count);
                    if is_first_input && page.subscriptions[Metric::Fid as usize].record_duration(now) {
                        view.add(Metric::Fid, now);
                    }
                }
                TourEvent::Hide => {
                    send(PageEvent::Hidden(now));
                    send(PageEvent::LcpFinalized);
                }
                TourEvent::Declare | TourEvent::Restore => {
                    let is_declared = matches!(event, TourEvent::Declare);
                    is_load = false;
                    view = ViewEvidence::new(is_declared);
                    send(PageEvent::ViewStarted { start: now, state: if is_declared { ReportState::Declared } else { ReportState::Complete } });
                    for (slot, metric) in Metric::ALL.into_iter().enumerate() {
                        page.subscriptions[slot].begin(metric, false, true, count);
                    }
                    if is_declared {
                        for metric in [Metric::Fcp, Metric::Lcp, Metric::Fid, Metric::Ttfb] {
                            page.subscriptions[metric as usize].report(ReportTrigger::Final);
                        }
                    } else {
                        view.add(Metric::Ttfb, 0.0);
                        page.subscriptions[Metric::Ttfb as usize].record_duration(0.0);
                        for page_event in [PageEvent::RestorePaint(now), PageEvent::BatchEnded] {
                            beacons.handle(page_event, count);
                        }
                        for metric in [Metric::Fcp, Metric::Lcp] {
                            view.add(metric, now);
                            page.subscriptions[metric as usize].record_duration(now);
                        }
                    }
                }
            }
            for (slot, metric) in Metric::ALL.into_iter().enumerate() {
                view.check(metric, beacons.wire_value(metric, count))?;
                view.check(metric, page.subscriptions[slot].wire_value())?;
            }
        }
    }
}
