//! The shell for pages with callbacks. Every call is answered at once.

use vitals::opcode::CallbackCall;
use vitals::{CallbackTracker, EntryGrouping, Interaction, LayoutShift, ReportState, ReportTrigger};
use wasm_bindgen::prelude::wasm_bindgen;
use wire::Metric;

use crate::static_cell::StaticCell;

/// Makes the [`CallbackCall`] with this opcode and these operands for the subscription in `slot`.
/// `browser_count` is the browser's number of interactions, not a number where it has none. Not a
/// number is also the answer where there is nothing to do.
#[wasm_bindgen]
pub fn handle(opcode: u32, slot: usize, browser_count: f64, a: f64, b: f64, c: f64) -> f64 {
    dispatch(TRACKER.get(), opcode, slot, browser_count, [a, b, c]).unwrap_or(f64::NAN)
}

#[inline(always)]
fn dispatch(
    tracker: &mut CallbackTracker,
    opcode: u32,
    slot: usize,
    browser_count: f64,
    operands: [f64; 3],
) -> Option<f64> {
    let CallbackTracker { view, history, subscriptions } = tracker;
    let subscription = subscriptions.get_mut(slot)?;
    let count = history.interaction_count(browser_count);
    match CallbackCall::decode(opcode, operands)? {
        CallbackCall::SetFirstHidden { at } => {
            history.first_hidden = at;
            None
        }
        CallbackCall::RecordHidden { at } => {
            history.record_hidden(at);
            None
        }
        CallbackCall::BeginInstance { is_renewed, report_all_changes } => {
            subscription.begin(metric_of_slot(slot)?, report_all_changes > 0.0, is_renewed > 0.0, count);
            None
        }
        CallbackCall::RecordDuration { seen_at, .. } if seen_at >= history.first_hidden => None,
        CallbackCall::RecordDuration { start, end, .. } => {
            subscription.record_duration(end - start).then_some(1.0)
        }
        CallbackCall::AddLayoutShift { at, score } => {
            encode(subscription.session_window.add(LayoutShift { at, score }))
        }
        CallbackCall::AddInteraction { id, at, duration } => {
            history.record_interaction_id(id);
            encode(subscription.interactions.add(Interaction { id, at, duration }))
        }
        CallbackCall::UpdateValue {} => subscription.update_value(count),
        CallbackCall::Report { trigger } => subscription.report(ReportTrigger::from_code(trigger as u32)),
        CallbackCall::ReadValue {} => Some(subscription.value()),
        CallbackCall::ReadRating {} => Some(f64::from(subscription.rating() as u8)),
        CallbackCall::ReadWireValue {} => subscription.wire_value().map(f64::from),
        CallbackCall::BeginBeaconView { start, state } => {
            view.begin(start, ReportState::from_code(state as u32), count);
            None
        }
        CallbackCall::DeclareBeaconView { is_current } => {
            view.declare(is_current > 0.0, count).then_some(1.0)
        }
        CallbackCall::ReportBeaconNavigation { start, is_current, is_pending } => {
            view.report(start, is_current > 0.0, is_pending > 0.0).code().map(f64::from)
        }
    }
}

/// Each measurement occupies one slot per metric, in table order.
#[inline(always)]
fn metric_of_slot(slot: usize) -> Option<Metric> {
    Metric::from_index(slot % Metric::ALL.len())
}

#[inline(always)]
fn encode(grouping: EntryGrouping) -> Option<f64> {
    grouping.code().map(f64::from)
}

static TRACKER: StaticCell<CallbackTracker> = StaticCell::new(CallbackTracker::new());
