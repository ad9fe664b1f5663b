//! The shell for pages that only send beacons. Notes come in the order in which things happened, but
//! not when they happened: many at once, when a beacon is due.

use vitals::{BeaconTracker, Interaction, LayoutShift, PageEvent};
use wasm_bindgen::prelude::wasm_bindgen;
use wire::Metric;

use crate::static_cell::StaticCell;

/// What happened, by its number in `pkg/src/watch.js`, when the page had counted so many interactions,
/// with up to five numbers: of an entry its start, duration, interaction, value and whether an input
/// had caused it. All other numbers are a question: what a beacon carries of a metric, −1 if nothing.
#[wasm_bindgen]
pub fn handle(opcode: u32, browser_count: f64, a: f64, b: f64, c: f64, d: f64, e: f64) -> f64 {
    let tracker = TRACKER.get();
    let count = tracker.interaction_count(browser_count);
    let metric = match a as u32 {
        0 => Metric::Fcp,
        1 => Metric::Lcp,
        2 => Metric::Cls,
        3 => Metric::Inp,
        4 => Metric::Fid,
        _ => Metric::Ttfb,
    };
    let event = Interaction { id: c, at: a, duration: b };
    let page_event = match opcode {
        0 => PageEvent::FirstContentfulPaint(a),
        1 => PageEvent::LargestContentfulPaint(a),
        2 if e == 0.0 => PageEvent::LayoutShift(LayoutShift { at: a, score: d }),
        3 | 4 => PageEvent::EventTiming { event, processing_start: d, is_first_input: opcode == 4 },
        5 => PageEvent::FirstByte(a),
        6 => PageEvent::BatchEnded,
        7 => PageEvent::LcpFinalized,
        8 => PageEvent::Hidden(a),
        9 => PageEvent::ObservationStarted { first_hidden: a, activation_start: b, duration_threshold: c },
        10 => PageEvent::ViewStarted { first_hidden: a },
        11 => PageEvent::RestorePaint(a),
        12 => PageEvent::MetricSupported(metric),
        _ => return tracker.wire_value(metric, count).map_or(-1.0, f64::from),
    };
    tracker.handle(page_event, count);
    0.0
}

static TRACKER: StaticCell<BeaconTracker> = StaticCell::new(BeaconTracker::new());
