//! The rules of the core, one claim per test.

use vitals::{
    BeaconTracker, CallbackTracker, Interaction, LayoutShift, PageEvent, ReportState, ReportTrigger,
    Subscription,
};
use wire::{Metric, Rating};

fn begin_subscription(tracker: &mut CallbackTracker, metric: Metric, all_changes: bool) -> &mut Subscription {
    let [subscription, ..] = &mut tracker.subscriptions;
    subscription.begin(metric, all_changes, false, 0.0);
    subscription
}

#[test]
fn an_unknown_value_is_never_reported() {
    let mut tracker = CallbackTracker::new();
    let subscription = begin_subscription(&mut tracker, Metric::Lcp, true);
    for trigger in [ReportTrigger::Change, ReportTrigger::Hide, ReportTrigger::Final] {
        assert_eq!(subscription.report(trigger), None);
    }
}

#[test]
fn a_page_without_shifts_reports_its_zero_once() {
    let mut tracker = CallbackTracker::new();
    let subscription = begin_subscription(&mut tracker, Metric::Cls, false);
    assert_eq!(subscription.report(ReportTrigger::Change), None);
    assert_eq!(subscription.report(ReportTrigger::Hide), Some(0.0));
    assert_eq!(subscription.report(ReportTrigger::Hide), None);
}

#[test]
fn every_change_is_reported_only_with_report_all_changes() {
    for all_changes in [false, true] {
        let mut tracker = CallbackTracker::new();
        let subscription = begin_subscription(&mut tracker, Metric::Lcp, all_changes);
        subscription.record_duration(100.0);
        assert_eq!(subscription.report(ReportTrigger::Change), all_changes.then_some(100.0));
        subscription.record_duration(250.0);
        assert_eq!(subscription.report(ReportTrigger::Change), all_changes.then_some(150.0));
    }
}

#[test]
fn a_final_value_stays_until_the_metric_begins_again() {
    let mut tracker = CallbackTracker::new();
    let subscription = begin_subscription(&mut tracker, Metric::Lcp, false);
    subscription.record_duration(100.0);
    assert_eq!(subscription.report(ReportTrigger::Final), Some(100.0));
    assert!(!subscription.record_duration(900.0));
    assert_eq!(subscription.report(ReportTrigger::Final), None);
    subscription.begin(Metric::Lcp, false, true, 0.0);
    assert!(subscription.record_duration(20.0));
    assert_eq!(subscription.report(ReportTrigger::Final), Some(20.0));
}

#[test]
fn a_paint_before_activation_counts_as_zero() {
    let mut tracker = CallbackTracker::new();
    let subscription = begin_subscription(&mut tracker, Metric::Fcp, false);
    subscription.record_duration(80.0 - 300.0);
    assert_eq!(subscription.report(ReportTrigger::Final), Some(0.0));
}

#[test]
fn only_the_first_time_hidden_counts() {
    let mut tracker = CallbackTracker::new();
    tracker.history.first_hidden = f64::INFINITY;
    tracker.history.record_hidden(500.0);
    tracker.history.record_hidden(900.0);
    assert_eq!(tracker.history.first_hidden, 500.0);
}

#[test]
fn an_interaction_too_fast_for_an_entry_counts_as_8_ms_only_after_a_restore() {
    let mut tracker = CallbackTracker::new();
    let subscription = begin_subscription(&mut tracker, Metric::Inp, false);
    assert_eq!(subscription.update_value(1.0), None);
    subscription.begin(Metric::Inp, false, true, 1.0);
    assert_eq!(subscription.update_value(1.0), None);
    assert_eq!(subscription.update_value(2.0), Some(0.0));
    assert_eq!(subscription.value(), 8.0);
}

#[test]
fn events_without_an_id_are_no_interactions() {
    let mut tracker = CallbackTracker::new();
    let subscription = begin_subscription(&mut tracker, Metric::Inp, false);
    subscription.interactions.add(Interaction { id: 0.0, at: 1.0, duration: 500.0 });
    assert_eq!(subscription.update_value(1.0), None);
}

#[test]
fn interactions_are_estimated_from_ids_without_a_browser_count() {
    let mut tracker = CallbackTracker::new();
    assert_eq!(tracker.history.interaction_count(f64::NAN), 0.0);
    for id in [1007.0, 1000.0, 1070.0] {
        tracker.history.record_interaction_id(id);
    }
    assert_eq!(tracker.history.interaction_count(f64::NAN), 11.0);
    assert_eq!(tracker.history.interaction_count(3.0), 3.0);
}

#[test]
fn a_beacon_carries_the_value_rounded_up() {
    let mut tracker = CallbackTracker::new();
    let subscription = begin_subscription(&mut tracker, Metric::Lcp, false);
    assert_eq!(subscription.wire_value(), None);
    subscription.record_duration(100.2);
    assert_eq!(subscription.wire_value(), Some(101));
}

#[test]
fn ratings_are_the_published_ones_at_both_edges() {
    for metric in Metric::ALL {
        let edges = metric.thresholds();
        for (value, rating) in [
            (edges.good, Rating::Good),
            (edges.good.next_up(), Rating::NeedsImprovement),
            (edges.poor, Rating::NeedsImprovement),
            (edges.poor.next_up(), Rating::Poor),
        ] {
            let mut tracker = CallbackTracker::new();
            let subscription = begin_subscription(&mut tracker, metric, false);
            subscription.record_duration(value);
            assert_eq!(subscription.rating(), rating, "{} at {value}", metric.name());
        }
    }
}

/// A page on which every metric is supported, visible from the start.
fn visible_tracker() -> BeaconTracker {
    let mut tracker = BeaconTracker::new();
    tracker.handle(
        PageEvent::ObservationStarted {
            first_hidden: f64::INFINITY,
            activation_start: 0.0,
            duration_threshold: 40.0,
        },
        0.0,
    );
    for metric in Metric::ALL {
        tracker.handle(PageEvent::MetricSupported(metric), 0.0);
    }
    tracker
}

#[track_caller]
fn check(page_events: &[PageEvent], expect: [Option<u32>; 6]) {
    let mut tracker = visible_tracker();
    for &page_event in page_events {
        tracker.handle(page_event, 0.0);
    }
    assert_eq!(Metric::ALL.map(|metric| tracker.wire_value(metric, 0.0)), expect);
}

#[test]
fn a_page_that_was_never_painted_does_not_shift() {
    let shift = PageEvent::LayoutShift(LayoutShift { at: 1.0, score: 0.5 });
    check(&[shift, PageEvent::BatchEnded], [None; 6]);
    check(
        &[shift, PageEvent::FirstContentfulPaint(7.5), PageEvent::BatchEnded],
        [Some(8), None, Some(5000), None, None, None],
    );
}

#[test]
fn paints_after_the_page_was_hidden_do_not_count() {
    check(
        &[
            PageEvent::Hidden(20.0),
            PageEvent::LargestContentfulPaint(20.0),
            PageEvent::BatchEnded,
            PageEvent::FirstContentfulPaint(19.5),
            PageEvent::BatchEnded,
        ],
        [Some(20), None, Some(0), None, None, None],
    );
}

#[test]
fn the_last_of_a_batch_of_paints_is_the_largest() {
    check(
        &[
            PageEvent::LargestContentfulPaint(10.0),
            PageEvent::LargestContentfulPaint(30.0),
            PageEvent::BatchEnded,
        ],
        [None, Some(30), None, None, None, None],
    );
    check(
        &[
            PageEvent::Hidden(20.0),
            PageEvent::LargestContentfulPaint(10.0),
            PageEvent::LargestContentfulPaint(30.0),
            PageEvent::BatchEnded,
        ],
        [None; 6],
    );
}

#[test]
fn no_paint_after_an_input_becomes_the_lcp() {
    check(
        &[
            PageEvent::LargestContentfulPaint(10.0),
            PageEvent::BatchEnded,
            PageEvent::LcpFinalized,
            PageEvent::LargestContentfulPaint(30.0),
            PageEvent::BatchEnded,
        ],
        [None, Some(10), None, None, None, None],
    );
}

#[test]
fn the_first_input_is_an_interaction_however_short() {
    let event = Interaction { id: 7.0, at: 100.0, duration: 16.0 };
    check(&[PageEvent::EventTiming { event, processing_start: 101.0, is_first_input: false }], [None; 6]);
    check(
        &[PageEvent::EventTiming { event, processing_start: 101.0, is_first_input: true }],
        [None, None, None, Some(16), Some(1), None],
    );
    let event = Interaction { duration: 0.0, ..event };
    check(
        &[PageEvent::EventTiming { event, processing_start: 101.0, is_first_input: true }],
        [None, None, None, Some(0), Some(1), None],
    );
}

#[test]
fn a_prerendered_page_is_measured_from_its_activation() {
    check(
        &[
            PageEvent::ObservationStarted {
                first_hidden: f64::INFINITY,
                activation_start: 50.0,
                duration_threshold: 40.0,
            },
            PageEvent::FirstByte(20.0),
            PageEvent::FirstContentfulPaint(20.0),
            PageEvent::LargestContentfulPaint(60.0),
            PageEvent::BatchEnded,
        ],
        [Some(0), Some(10), Some(0), None, None, Some(0)],
    );
}

#[test]
fn a_restored_view_is_measured_anew_and_a_declared_one_has_no_paints() {
    let load = [
        PageEvent::FirstContentfulPaint(8.0),
        PageEvent::FirstByte(5.0),
        PageEvent::LargestContentfulPaint(9.0),
        PageEvent::BatchEnded,
        PageEvent::Hidden(99.0),
    ];
    let restored = [
        PageEvent::ViewStarted { start: 5000.0, state: ReportState::Complete },
        PageEvent::RestorePaint(33.0),
        PageEvent::BatchEnded,
    ];
    check(&[&load[..], &restored].concat(), [Some(33), Some(33), Some(0), None, None, Some(0)]);
    let declared = [
        PageEvent::ViewStarted { start: 9000.0, state: ReportState::Declared },
        PageEvent::LargestContentfulPaint(120.0),
        PageEvent::BatchEnded,
    ];
    check(&[&load[..], &declared].concat(), [None, None, Some(0), None, None, None]);
}

#[test]
fn an_unsupported_metric_stays_unknown_after_a_restore() {
    let mut tracker = BeaconTracker::new();
    tracker.handle(PageEvent::MetricSupported(Metric::Fcp), 0.0);
    tracker.handle(PageEvent::ViewStarted { start: 5000.0, state: ReportState::Complete }, 0.0);
    tracker.handle(PageEvent::RestorePaint(33.0), 0.0);
    tracker.handle(PageEvent::BatchEnded, 0.0);
    assert_eq!(
        Metric::ALL.map(|metric| tracker.wire_value(metric, 0.0)),
        [Some(33), None, None, None, None, None]
    );
}
