//! The shell for callbacks: every answer comes at once, and what it means follows from the question.

use vitals::{CallbackTracker, EntryGrouping, Interaction, LayoutShift, ReportTrigger};
use wasm_bindgen::prelude::wasm_bindgen;
use wire::{Metric, Rating};

use crate::static_cell::StaticCell;

/// What happened, by its number in `pkg/src/moments.js`, to the subscription in `slot`, when the page
/// had counted so many interactions, with up to three numbers. Not a number: nothing to do.
#[wasm_bindgen]
pub fn handle(opcode: u32, slot: usize, browser_count: f64, a: f64, b: f64, c: f64) -> f64 {
    dispatch(TRACKER.get(), opcode, slot, browser_count, a, b, c).unwrap_or(f64::NAN)
}

#[inline(always)]
fn dispatch(
    tracker: &mut CallbackTracker,
    opcode: u32,
    slot: usize,
    browser_count: f64,
    a: f64,
    b: f64,
    c: f64,
) -> Option<f64> {
    let CallbackTracker { history, subscriptions } = tracker;
    let subscription = subscriptions.get_mut(slot)?;
    let count = history.interaction_count(browser_count);
    match opcode {
        0 => history.first_hidden = a,
        1 => history.record_hidden(a),
        2 => subscription.begin(metric_of_slot(slot), b > 0.0, a > 0.0, count),
        3 if c >= history.first_hidden => {}
        3 => return subscription.record_duration(b - a).then_some(1.0),
        4 => return encode_grouping(subscription.session_window.add(LayoutShift { at: a, score: b })),
        5 => {
            history.record_interaction_id(a);
            return encode_grouping(subscription.interactions.add(Interaction { id: a, at: b, duration: c }));
        }
        6 => return subscription.update_value(count),
        7 => {
            return subscription.report(match a as u32 {
                0 => ReportTrigger::Change,
                1 => ReportTrigger::Hide,
                _ => ReportTrigger::Final,
            });
        }
        8 => return Some(subscription.value()),
        9 => {
            return Some(f64::from(match subscription.rating() {
                Rating::Good => 0,
                Rating::NeedsImprovement => 1,
                Rating::Poor => 2,
            }));
        }
        _ => return subscription.wire_value().map(f64::from),
    }
    None
}

/// A measurement has a slot for each metric.
#[inline(always)]
fn metric_of_slot(slot: usize) -> Metric {
    match slot % Metric::ALL.len() {
        0 => Metric::Fcp,
        1 => Metric::Lcp,
        2 => Metric::Cls,
        3 => Metric::Inp,
        4 => Metric::Fid,
        _ => Metric::Ttfb,
    }
}

#[inline(always)]
fn encode_grouping(grouping: EntryGrouping) -> Option<f64> {
    match grouping {
        EntryGrouping::Discard => None,
        EntryGrouping::StartGroup => Some(0.0),
        EntryGrouping::JoinGroup => Some(1.0),
    }
}

static TRACKER: StaticCell<CallbackTracker> = StaticCell::new(CallbackTracker::new());
