//! What the machine makes of a page's moments, one claim a test.

use vitals::{Interaction, Note, Occasion, Page, Shift, Visit, Vital};
use wire::{Metric, Rating};

fn begun(page: &mut Page, metric: Metric, all_changes: bool) -> &mut Vital {
    let [vital, ..] = &mut page.vitals;
    vital.begun(metric, all_changes, false, 0.0);
    vital
}

#[test]
fn an_unknown_value_is_never_reported() {
    let mut page = Page::new();
    let vital = begun(&mut page, Metric::Lcp, true);
    for occasion in [Occasion::Change, Occasion::Hide, Occasion::End] {
        assert_eq!(vital.reported(occasion), None);
    }
}

#[test]
fn a_page_without_shifts_reports_its_zero_once() {
    let mut page = Page::new();
    let vital = begun(&mut page, Metric::Cls, false);
    assert_eq!(vital.reported(Occasion::Change), None);
    assert_eq!(vital.reported(Occasion::Hide), Some(0.0));
    assert_eq!(vital.reported(Occasion::Hide), None);
}

#[test]
fn every_change_is_reported_only_to_those_who_ask() {
    for all_changes in [false, true] {
        let mut page = Page::new();
        let vital = begun(&mut page, Metric::Lcp, all_changes);
        vital.measured(100.0);
        assert_eq!(vital.reported(Occasion::Change), all_changes.then_some(100.0));
        vital.measured(250.0);
        assert_eq!(vital.reported(Occasion::Change), all_changes.then_some(150.0));
    }
}

#[test]
fn what_is_final_stays_so_until_the_metric_begins_anew() {
    let mut page = Page::new();
    let vital = begun(&mut page, Metric::Lcp, false);
    vital.measured(100.0);
    assert_eq!(vital.reported(Occasion::End), Some(100.0));
    assert!(!vital.measured(900.0));
    assert_eq!(vital.reported(Occasion::End), None);
    vital.begun(Metric::Lcp, false, true, 0.0);
    assert!(vital.measured(20.0));
    assert_eq!(vital.reported(Occasion::End), Some(20.0));
}

#[test]
fn a_moment_before_activation_took_no_time() {
    let mut page = Page::new();
    let vital = begun(&mut page, Metric::Fcp, false);
    vital.measured(80.0 - 300.0);
    assert_eq!(vital.reported(Occasion::End), Some(0.0));
}

#[test]
fn only_the_first_hiding_counts() {
    let mut page = Page::new();
    page.history.first_hidden = f64::INFINITY;
    page.history.hidden(500.0);
    page.history.hidden(900.0);
    assert_eq!(page.history.first_hidden, 500.0);
}

#[test]
fn an_interaction_too_fast_for_an_entry_is_eight_after_a_restore_only() {
    let mut page = Page::new();
    let vital = begun(&mut page, Metric::Inp, false);
    assert_eq!(vital.settled(1.0), None);
    vital.begun(Metric::Inp, false, true, 1.0);
    assert_eq!(vital.settled(1.0), None);
    assert_eq!(vital.settled(2.0), Some(0.0));
    assert_eq!(vital.value(), 8.0);
}

#[test]
fn events_without_an_id_are_no_interactions() {
    let mut page = Page::new();
    let vital = begun(&mut page, Metric::Inp, false);
    vital.interactions.interacted(Interaction { id: 0.0, at: 1.0, duration: 500.0 });
    assert_eq!(vital.settled(1.0), None);
}

#[test]
fn where_the_browser_does_not_count_the_ids_do() {
    let mut page = Page::new();
    assert_eq!(page.history.count(f64::NAN), 0.0);
    for id in [1007.0, 1000.0, 1070.0] {
        page.history.identified(id);
    }
    assert_eq!(page.history.count(f64::NAN), 11.0);
    assert_eq!(page.history.count(3.0), 3.0);
}

#[test]
fn a_beacon_carries_what_is_known_rounded_up() {
    let mut page = Page::new();
    let vital = begun(&mut page, Metric::Lcp, false);
    assert_eq!(vital.asked(), None);
    vital.measured(100.2);
    assert_eq!(vital.asked(), Some(101));
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
            let mut page = Page::new();
            let vital = begun(&mut page, metric, false);
            vital.measured(value);
            assert_eq!(vital.rating(), rating, "{} at {value}", metric.name());
        }
    }
}

/// A page that every metric can be measured on, visible from the start.
fn visible() -> Visit {
    let mut visit = Visit::new();
    visit.noted(Note::Watched { first_hidden: f64::INFINITY, origin: 0.0, threshold: 40.0 }, 0.0);
    for metric in Metric::ALL {
        visit.noted(Note::Begun(metric), 0.0);
    }
    visit
}

#[track_caller]
fn check(notes: &[Note], expect: [Option<u32>; 6]) {
    let mut visit = visible();
    for &note in notes {
        visit.noted(note, 0.0);
    }
    assert_eq!(Metric::ALL.map(|metric| visit.asked(metric, 0.0)), expect);
}

#[test]
fn a_page_that_was_never_painted_does_not_shift() {
    let shift = Note::Shifted(Shift { at: 1.0, score: 0.5 });
    check(&[shift, Note::Settled], [None; 6]);
    check(&[shift, Note::Painted(7.5), Note::Settled], [Some(8), None, Some(5000), None, None, None]);
}

#[test]
fn what_is_painted_once_the_page_was_hidden_does_not_count() {
    check(
        &[Note::Hidden(20.0), Note::Largest(20.0), Note::Settled, Note::Painted(19.5), Note::Settled],
        [Some(20), None, Some(0), None, None, None],
    );
}

#[test]
fn the_last_of_a_batch_of_paints_is_the_largest() {
    check(
        &[Note::Largest(10.0), Note::Largest(30.0), Note::Settled],
        [None, Some(30), None, None, None, None],
    );
    check(&[Note::Hidden(20.0), Note::Largest(10.0), Note::Largest(30.0), Note::Settled], [None; 6]);
}

#[test]
fn no_paint_is_the_largest_once_something_was_pressed() {
    check(
        &[Note::Largest(10.0), Note::Settled, Note::Finished, Note::Largest(30.0), Note::Settled],
        [None, Some(10), None, None, None, None],
    );
}

#[test]
fn the_first_input_is_an_interaction_however_short() {
    let event = Interaction { id: 7.0, at: 100.0, duration: 16.0 };
    check(&[Note::Event { event, processed: 101.0, first: false }], [None; 6]);
    check(
        &[Note::Event { event, processed: 101.0, first: true }],
        [None, None, None, Some(16), Some(1), None],
    );
    let event = Interaction { duration: 0.0, ..event };
    check(
        &[Note::Event { event, processed: 101.0, first: true }],
        [None, None, None, Some(0), Some(1), None],
    );
}

#[test]
fn a_prerendered_page_is_measured_from_when_it_was_seen() {
    check(
        &[
            Note::Watched { first_hidden: f64::INFINITY, origin: 50.0, threshold: 40.0 },
            Note::Responded(20.0),
            Note::Painted(20.0),
            Note::Largest(60.0),
            Note::Settled,
        ],
        [Some(0), Some(10), Some(0), None, None, Some(0)],
    );
}

#[test]
fn a_restored_view_is_measured_anew_and_a_declared_one_has_no_paints() {
    let load =
        [Note::Painted(8.0), Note::Responded(5.0), Note::Largest(9.0), Note::Settled, Note::Hidden(99.0)];
    let restored = [Note::Renewed { first_hidden: f64::INFINITY }, Note::Repainted(33.0), Note::Settled];
    check(&[&load[..], &restored].concat(), [Some(33), Some(33), Some(0), None, None, Some(0)]);
    let declared = [Note::Renewed { first_hidden: 0.0 }, Note::Largest(120.0), Note::Settled];
    check(&[&load[..], &declared].concat(), [None, None, Some(0), None, None, None]);
}

#[test]
fn a_browser_that_does_not_tell_of_a_metric_has_none_after_a_restore_either() {
    let mut visit = Visit::new();
    visit.noted(Note::Begun(Metric::Fcp), 0.0);
    visit.noted(Note::Renewed { first_hidden: f64::INFINITY }, 0.0);
    visit.noted(Note::Repainted(33.0), 0.0);
    visit.noted(Note::Settled, 0.0);
    assert_eq!(Metric::ALL.map(|metric| visit.asked(metric, 0.0)), [Some(33), None, None, None, None, None]);
}
