//! The shell for pages that only send beacons. Calls come in the order of the events they report, but
//! not at the time of those events: JavaScript queues them until a beacon is due.

use vitals::opcode::BeaconCall;
use vitals::{BeaconTracker, Interaction, LayoutShift, PageEvent, ReportState, SoftNavigation};
use wasm_bindgen::prelude::wasm_bindgen;
use wire::Metric;

use crate::static_cell::StaticCell;

/// Makes the [`BeaconCall`] with this opcode and these operands. `browser_count` is the browser's number
/// of interactions at the time of the event, not a number where it has none.
#[wasm_bindgen]
pub fn handle(opcode: u32, browser_count: f64, a: f64, b: f64, c: f64, d: f64, e: f64) -> f64 {
    dispatch(TRACKER.get(), opcode, browser_count, [a, b, c, d, e]).unwrap_or(-1.0)
}

#[inline(always)]
fn dispatch(tracker: &mut BeaconTracker, opcode: u32, browser_count: f64, operands: [f64; 5]) -> Option<f64> {
    let count = tracker.interaction_count(browser_count);
    let call = BeaconCall::decode(opcode, operands)?;
    let event = match call {
        BeaconCall::PaintEntry { start_time, .. } => PageEvent::FirstContentfulPaint(start_time),
        BeaconCall::LargestPaintEntry { start_time, .. } => PageEvent::LargestContentfulPaint(start_time),
        // A shift soon after an input is expected, and does not count.
        BeaconCall::LayoutShiftEntry { had_recent_input, .. } if had_recent_input > 0.0 => return None,
        BeaconCall::LayoutShiftEntry { start_time, detail, .. } => {
            PageEvent::LayoutShift(LayoutShift { at: start_time, score: detail })
        }
        BeaconCall::EventEntry { start_time, duration, interaction_id, detail, .. }
        | BeaconCall::FirstInputEntry { start_time, duration, interaction_id, detail, .. } => {
            PageEvent::EventTiming {
                event: Interaction { id: interaction_id, at: start_time, duration },
                processing_start: detail,
                is_first_input: matches!(call, BeaconCall::FirstInputEntry { .. }),
            }
        }
        BeaconCall::FirstByte { at } => PageEvent::FirstByte(at),
        BeaconCall::BatchEnded {} => PageEvent::BatchEnded,
        BeaconCall::LcpFinalized {} => PageEvent::LcpFinalized,
        BeaconCall::PageHidden { at } => PageEvent::Hidden(at),
        BeaconCall::ObservationStarted { first_hidden, activation_start, duration_threshold } => {
            PageEvent::ObservationStarted { first_hidden, activation_start, duration_threshold }
        }
        BeaconCall::ViewStarted { start, state } => {
            PageEvent::ViewStarted { start, state: ReportState::from_code(state as u32) }
        }
        BeaconCall::RestorePaint { duration } => PageEvent::RestorePaint(duration),
        BeaconCall::InteractionPaintEntry { start_time, duration, interaction_id, .. } => {
            PageEvent::InteractionPaint { duration, at: start_time + duration, interaction: interaction_id }
        }
        BeaconCall::SoftNavigationEntry {
            start_time,
            duration,
            interaction_id,
            detail,
            had_recent_input,
        } => {
            let meaning = tracker.view.report(start_time, detail > 0.0, had_recent_input > 0.0);
            if meaning == SoftNavigation::Current {
                let event = PageEvent::NavigationReported { duration, interaction: interaction_id };
                tracker.handle(event, count);
            }
            return meaning.code().map(f64::from);
        }
        BeaconCall::DeclareView { is_current } => {
            return tracker.view.declare(is_current > 0.0, count).then_some(1.0);
        }
        BeaconCall::MetricSupported { metric } => {
            PageEvent::MetricSupported(Metric::from_index(metric as usize)?)
        }
        BeaconCall::ReadMetric { metric } => {
            return tracker.wire_value(Metric::from_index(metric as usize)?, count).map(f64::from);
        }
    };
    tracker.handle(event, count);
    None
}

static TRACKER: StaticCell<BeaconTracker> = StaticCell::new(BeaconTracker::new());
