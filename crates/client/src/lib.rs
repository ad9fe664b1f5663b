//! The browser's shell around the machine: one export that takes and returns numbers, so that
//! nothing is serialised, allocated or formatted on the way. The page's objects, strings and
//! network belong to the JavaScript beside it (`pkg/src`), every decision to `vitals`.

#![cfg_attr(target_arch = "wasm32", no_std)]

#[cfg(target_arch = "wasm32")]
mod bare;

use core::cell::UnsafeCell;

use vitals::{Input, Output, Page};
use wasm_bindgen::prelude::wasm_bindgen;
use wire::{Metric, Rating};

/// What happened, by its number in `pkg/src/moments.js`; to the subscription in `slot`, with up to
/// three numbers. The answer's meaning follows from the question; not a number means nothing to do.
#[wasm_bindgen]
pub fn handle(moment: u32, slot: usize, a: f64, b: f64, c: f64) -> f64 {
    let input = match moment {
        0 => {
            let Some(&metric) = Metric::ALL.get(slot) else {
                return f64::NAN;
            };
            Input::Opened {
                metric,
                all_changes: a > 0.0,
                beacon: b > 0.0,
            }
        }
        1 => Input::Stopped,
        2 => Input::Watched { first_hidden: a },
        3 => Input::Hidden { at: a },
        4 => Input::Measured {
            since: a,
            until: b,
            seen: c,
        },
        5 => Input::Shifted { at: a, score: b },
        6 => Input::Interacted {
            id: a,
            at: b,
            duration: c,
        },
        7 => Input::Identified { id: a },
        8 => Input::Settled { count: a },
        9 => Input::Asked { force: a > 0.0 },
        10 => Input::Finalised,
        11 => Input::Renewed {
            count: a,
            declared: b > 0.0,
        },
        12 => Input::Turned,
        13 => Input::Due,
        14 => Input::Revoked,
        15 => Input::Value,
        16 => Input::Wire,
        _ => Input::Rating,
    };
    match with_page(|page| page.handle(slot, input)) {
        Output::Nothing => f64::NAN,
        Output::Slot(slot) => slot as f64,
        Output::File(filing) => (filing.list * 2 + usize::from(filing.afresh)) as f64,
        Output::Entries(list) => list as f64,
        Output::Report(delta) => delta,
        Output::Send(seq) => f64::from(seq),
        Output::Value(value) => value,
        Output::Wire(wire) => f64::from(wire),
        Output::Rating(Rating::Good) => 0.0,
        Output::Rating(Rating::NeedsImprovement) => 1.0,
        Output::Rating(Rating::Poor) => 2.0,
    }
}

struct Only(UnsafeCell<Page>);

#[expect(
    unsafe_code,
    reason = "a page has one thread, and a static is the only state that needs no allocator"
)]
// SAFETY: the module is instantiated on one thread, without shared memory.
unsafe impl Sync for Only {}

static PAGE: Only = Only(UnsafeCell::new(Page::new()));

#[expect(
    unsafe_code,
    reason = "a RefCell's check and its panic would be bytes that nothing can reach"
)]
fn with_page(handle: impl FnOnce(&mut Page) -> Output) -> Output {
    // SAFETY: the machine calls nobody back, so no second borrow begins while this one lives.
    handle(unsafe { &mut *PAGE.0.get() })
}
