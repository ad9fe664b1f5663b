//! The shell for pages that only send beacons. Notes come in the order in which things happened, but
//! not when they happened: many at once, when a beacon is due.

use vitals::{Interaction, Note, Shift, Visit};
use wasm_bindgen::prelude::wasm_bindgen;
use wire::Metric;

use crate::only::Only;

/// What happened, by its number in `pkg/src/watch.js`, when the page had counted so many interactions,
/// with up to five numbers: of an entry its start, duration, interaction, value and whether an input
/// had caused it. All other numbers are a question: what a beacon carries of a metric, −1 if nothing.
#[wasm_bindgen]
pub fn handle(moment: u32, counted: f64, a: f64, b: f64, c: f64, d: f64, e: f64) -> f64 {
    let visit = VISIT.get();
    let count = visit.count(counted);
    let metric = match a as u32 {
        0 => Metric::Fcp,
        1 => Metric::Lcp,
        2 => Metric::Cls,
        3 => Metric::Inp,
        4 => Metric::Fid,
        _ => Metric::Ttfb,
    };
    let event = Interaction { id: c, at: a, duration: b };
    let note = match moment {
        0 => Note::Painted(a),
        1 => Note::Largest(a),
        2 if e == 0.0 => Note::Shifted(Shift { at: a, score: d }),
        3 | 4 => Note::Event { event, processed: d, first: moment == 4 },
        5 => Note::Responded(a),
        6 => Note::Settled,
        7 => Note::Finished,
        8 => Note::Hidden(a),
        9 => Note::Watched { first_hidden: a, origin: b, threshold: c },
        10 => Note::Renewed { first_hidden: a },
        11 => Note::Repainted(a),
        12 => Note::Begun(metric),
        _ => return visit.asked(metric, count).map_or(-1.0, f64::from),
    };
    visit.noted(note, count);
    0.0
}

static VISIT: Only<Visit> = Only::new(Visit::new());
