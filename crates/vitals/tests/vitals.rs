//! What the machine makes of a page's moments, one claim a test.

use vitals::{Delivery, Interaction, Occasion, Page, Vital};
use wire::{Metric, Rating};

fn begun(page: &mut Page, metric: Metric, all_changes: bool) -> &mut Vital {
    let [vital, ..] = &mut page.vitals;
    vital.opened(metric, all_changes);
    vital.begun(false, 0.0);
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
    vital.begun(true, 0.0);
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
    vital.begun(true, 1.0);
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
fn a_view_is_sent_once_and_again_only_if_it_changed_on_the_wire() {
    let mut page = Page::new();
    begun(&mut page, Metric::Lcp, false).measured(100.2);
    let Page { delivery, vitals, .. } = &mut page;
    assert_eq!((vitals[0].sent(delivery), delivery.due()), (101, Some(0)));
    vitals[0].measured(100.9);
    assert_eq!((vitals[0].sent(delivery), delivery.due()), (101, None));
    vitals[0].measured(101.1);
    assert_eq!((vitals[0].sent(delivery), delivery.due()), (102, Some(1)));
}

#[test]
fn a_view_without_any_value_is_sent_too() {
    let mut page = Page::new();
    begun(&mut page, Metric::Lcp, false);
    let Page { delivery, vitals, .. } = &mut page;
    assert_eq!((vitals[0].sent(delivery), delivery.due()), (-1, Some(0)));
}

#[test]
fn a_send_that_was_called_back_gives_its_number_back() {
    let mut delivery = Delivery::NEW;
    assert_eq!(delivery.due(), Some(0));
    delivery.revoked();
    assert_eq!(delivery.due(), Some(0));
    assert_eq!(delivery.due(), None);
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
