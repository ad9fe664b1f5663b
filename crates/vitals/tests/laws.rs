//! Laws of the machine, each against an oracle that does the work the long way round: every shift in
//! every window, every interaction sorted, every report kept.

use proptest::prelude::*;
use vitals::{
    BeaconTracker, CallbackTracker, EntryGrouping, Interaction, LayoutShift, PageEvent, ReportTrigger,
    Subscription,
};
use wire::Metric;

fn subscribe(subscription: &mut Subscription, metric: Metric) -> &mut Subscription {
    subscription.begin(metric, false, false, 0.0);
    subscription
}

/// Shifts by the time since the one before, in the steps that matter to the windows.
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

/// The largest window, by the definition: windows are cut first, summed up later.
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

/// Interactions of up to three events each, as a browser tells them.
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

/// The interaction that stands for all, from a sorted list of every one.
fn p98(events: &[Interaction], count: f64) -> Option<f64> {
    let mut latencies = std::collections::HashMap::<u64, f64>::new();
    for event in events.iter().filter(|event| event.id > 0.0) {
        let latency = latencies.entry(event.id as u64).or_default();
        *latency = latency.max(event.duration);
    }
    let mut sorted: Vec<f64> = latencies.into_values().collect();
    sorted.sort_by(|one, other| other.total_cmp(one));
    sorted.truncate(10);
    let left_out = (count / 50.0).floor() as usize;
    sorted.get(left_out).or(sorted.last()).copied()
}

/// What can happen to a page, in any order.
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
        let vital = subscribe(&mut page.subscriptions[0], Metric::Cls);
        let mut before = 0.0;
        for (told, &shift) in shifts.iter().enumerate() {
            vital.session_window.add(shift);
            vital.update_value(0.0);
            prop_assert!(vital.value() >= before);
            before = vital.value();
            prop_assert_eq!(before, largest_window(&shifts[..=told]));
        }
    }

    #[test]
    fn inp_is_what_sorting_every_interaction_gives(events in events(), extra in 0_u32..600) {
        let mut page = CallbackTracker::new();
        let vital = subscribe(&mut page.subscriptions[0], Metric::Inp);
        for &event in &events {
            vital.interactions.add(event);
        }
        let count = f64::from(extra);
        vital.update_value(count);
        let inp = vital.report(ReportTrigger::Hide).map(|_| vital.value());
        prop_assert_eq!(inp, p98(&events, count));
    }

    #[test]
    fn the_entries_filed_are_those_of_the_interaction_s_longest(events in events()) {
        let mut page = CallbackTracker::new();
        let vital = subscribe(&mut page.subscriptions[0], Metric::Inp);
        let mut lists = std::collections::HashMap::<u64, Vec<Interaction>>::new();
        for &event in &events {
            match vital.interactions.add(event) {
                EntryGrouping::Discard => {}
                EntryGrouping::StartGroup => {
                    lists.insert(event.id as u64, vec![event]);
                }
                EntryGrouping::JoinGroup => lists.get_mut(&(event.id as u64)).unwrap().push(event),
            }
            if let Some(list) = vital.update_value(0.0) {
                for entry in &lists[&(list as u64)] {
                    prop_assert_eq!(entry.duration, vital.value());
                }
            }
        }
    }

    #[test]
    fn every_final_value_is_reported_exactly_once_and_beacons_carry_it(happenings in page_actions()) {
        let mut page = CallbackTracker::new();
        let metrics = [Metric::Lcp, Metric::Cls, Metric::Inp];
        for (slot, metric) in metrics.into_iter().enumerate() {
            subscribe(&mut page.subscriptions[slot], metric);
        }
        page.history.first_hidden = f64::INFINITY;
        let (mut now, mut count) = (0.0, 0.0);
        // What has been reported of each instance; and the machine without reports, told the same.
        let mut told = [const { Vec::<f64>::new() }; 3];
        let mut visit = BeaconTracker::new();
        visit.handle(PageEvent::ObservationStarted { first_hidden: f64::INFINITY, activation_start: 0.0, duration_threshold: 0.0 }, 0.0);
        for metric in metrics {
            visit.handle(PageEvent::MetricSupported(metric), 0.0);
        }
        visit.handle(PageEvent::MetricSupported(Metric::Fcp), 0.0);
        visit.handle(PageEvent::FirstContentfulPaint(1.0), 0.0);
        visit.handle(PageEvent::BatchEnded, 0.0);
        for happening in happenings {
            now += 10.0;
            match happening {
                PageAction::Paint(took) => {
                    if now < page.history.first_hidden {
                        page.subscriptions[0].record_duration(took);
                    }
                    // Two machines that count from the same moment.
                    visit.handle(PageEvent::ObservationStarted { first_hidden: page.history.first_hidden, activation_start: now - took, duration_threshold: 0.0 }, count);
                    visit.handle(PageEvent::LargestContentfulPaint(now), count);
                    visit.handle(PageEvent::BatchEnded, count);
                }
                PageAction::Shift(score) => {
                    page.subscriptions[1].session_window.add(LayoutShift { at: now, score });
                    page.subscriptions[1].update_value(count);
                    visit.handle(PageEvent::LayoutShift(LayoutShift { at: now, score }), count);
                    visit.handle(PageEvent::BatchEnded, count);
                }
                PageAction::Interaction(id, duration) => {
                    count += 1.0;
                    let event = Interaction { id: f64::from(id), at: now, duration: f64::from(duration) * 8.0 };
                    page.subscriptions[2].interactions.add(event);
                    page.subscriptions[2].update_value(count);
                    visit.handle(PageEvent::EventTiming { event, processing_start: now, is_first_input: false }, count);
                }
                PageAction::Hide => {
                    page.history.record_hidden(now);
                    for (slot, told) in told.iter_mut().enumerate() {
                        let occasion = if slot == 0 { ReportTrigger::Final } else { ReportTrigger::Hide };
                        let before = told.last().copied();
                        if let Some(delta) = page.subscriptions[slot].report(occasion) {
                            let value = page.subscriptions[slot].value();
                            prop_assert_eq!(delta, value - before.unwrap_or(0.0));
                            prop_assert_ne!(Some(value), before, "a value is reported once");
                            told.push(value);
                        }
                    }
                    visit.handle(PageEvent::Hidden(now), count);
                    visit.handle(PageEvent::LcpFinalized, count);
                    for (slot, metric) in metrics.into_iter().enumerate() {
                        prop_assert_eq!(visit.wire_value(metric, count), page.subscriptions[slot].wire_value(), "{}", metric.name());
                    }
                }
                PageAction::Restore => {
                    page.history.first_hidden = f64::INFINITY;
                    visit.handle(PageEvent::ViewStarted { first_hidden: f64::INFINITY }, count);
                    visit.handle(PageEvent::BatchEnded, count);
                    for (slot, told) in told.iter_mut().enumerate() {
                        told.clear();
                        page.subscriptions[slot].begin(metrics[slot], false, true, count);
                    }
                }
            }
        }
    }
}
