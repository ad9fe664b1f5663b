//! The browser's shell around the machine: one export that takes and returns numbers, so that
//! nothing is serialised, allocated or formatted on the way. The page's objects, strings and
//! network belong to the JavaScript beside it (`pkg/src`), every decision to `vitals`.

#![cfg_attr(target_arch = "wasm32", no_std)]

#[cfg(target_arch = "wasm32")]
mod bare;

use core::cell::UnsafeCell;

use vitals::{Delivery, Filing, Interaction, Occasion, Page, Shift};
use wasm_bindgen::prelude::wasm_bindgen;
use wire::Metric;
#[cfg(feature = "reports")]
use wire::Rating;

/// What happened, by its number in `pkg/src/moments.js`, to the subscription in `slot`, with up to
/// three numbers. What the answer means follows from the question; not a number: nothing to do.
#[wasm_bindgen]
pub fn handle(moment: u32, slot: usize, a: f64, b: f64, c: f64) -> f64 {
    answer(page(), moment, slot, a, b, c).unwrap_or(f64::NAN)
}

#[inline(always)]
fn answer(page: &mut Page, moment: u32, slot: usize, a: f64, b: f64, c: f64) -> Option<f64> {
    let Page { history, delivery, vitals } = page;
    let vital = vitals.get_mut(slot)?;
    let count = history.count(b);
    match moment {
        0 => history.first_hidden = a,
        1 => history.hidden(a),
        2 => history.identified(a),
        3 => *delivery = Delivery::NEW,
        4 => return delivery.due().map(f64::from),
        5 => delivery.revoked(),
        6 => return Some(f64::from(vital.sent(delivery))),
        7 => vital.opened(metric(a), cfg!(feature = "reports") && b > 0.0),
        8 => vital.begun(a > 0.0, count),
        9 => return (c < history.first_hidden && vital.measured(b - a)).then_some(1.0),
        10 => return place(vital.shifts.shifted(Shift { at: a, score: b })),
        11 => return place(vital.interactions.interacted(Interaction { id: a, at: b, duration: c })),
        12 => return vital.settled(count).filter(|_| cfg!(feature = "reports")),
        13 => {
            return vital.reported(match a as u32 {
                0 => Occasion::Change,
                1 => Occasion::Hide,
                _ => Occasion::End,
            });
        }
        #[cfg(feature = "reports")]
        14 => return Some(vital.value()),
        #[cfg(feature = "reports")]
        15 => {
            return Some(f64::from(match vital.rating() {
                Rating::Good => 0,
                Rating::NeedsImprovement => 1,
                Rating::Poor => 2,
            }));
        }
        _ => {}
    }
    None
}

#[inline(always)]
fn metric(number: f64) -> Metric {
    match number as u32 {
        0 => Metric::Fcp,
        1 => Metric::Lcp,
        2 => Metric::Cls,
        3 => Metric::Inp,
        4 => Metric::Fid,
        _ => Metric::Ttfb,
    }
}

#[inline(always)]
fn place(filing: Filing) -> Option<f64> {
    match filing {
        // Who keeps no entries need not know where they belong.
        _ if cfg!(not(feature = "reports")) => None,
        Filing::Nowhere => None,
        Filing::Afresh => Some(0.0),
        Filing::Joins => Some(1.0),
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

#[expect(unsafe_code, reason = "a RefCell's check and its panic would be bytes that nothing can reach")]
fn page() -> &'static mut Page {
    // SAFETY: `handle` alone asks, once a call, and the machine calls nobody back: no second borrow
    // begins while the first lives.
    unsafe { &mut *PAGE.0.get() }
}
