//! The shell for callbacks: every answer comes at once, and what it means follows from the question.

use vitals::{Filing, Interaction, Occasion, Page, Shift};
use wasm_bindgen::prelude::wasm_bindgen;
use wire::{Metric, Rating};

use crate::only::Only;

/// What happened, by its number in `pkg/src/moments.js`, to the subscription in `slot`, when the page
/// had counted so many interactions, with up to three numbers. Not a number: nothing to do.
#[wasm_bindgen]
pub fn handle(moment: u32, slot: usize, counted: f64, a: f64, b: f64, c: f64) -> f64 {
    answer(PAGE.get(), moment, slot, counted, a, b, c).unwrap_or(f64::NAN)
}

#[inline(always)]
fn answer(page: &mut Page, moment: u32, slot: usize, counted: f64, a: f64, b: f64, c: f64) -> Option<f64> {
    let Page { history, vitals } = page;
    let vital = vitals.get_mut(slot)?;
    let count = history.count(counted);
    match moment {
        0 => history.first_hidden = a,
        1 => history.hidden(a),
        2 => vital.begun(metric(slot), b > 0.0, a > 0.0, count),
        3 if c >= history.first_hidden => {}
        3 => return vital.measured(b - a).then_some(1.0),
        4 => return place(vital.shifts.shifted(Shift { at: a, score: b })),
        5 => {
            history.identified(a);
            return place(vital.interactions.interacted(Interaction { id: a, at: b, duration: c }));
        }
        6 => return vital.settled(count),
        7 => {
            return vital.reported(match a as u32 {
                0 => Occasion::Change,
                1 => Occasion::Hide,
                _ => Occasion::End,
            });
        }
        8 => return Some(vital.value()),
        9 => {
            return Some(f64::from(match vital.rating() {
                Rating::Good => 0,
                Rating::NeedsImprovement => 1,
                Rating::Poor => 2,
            }));
        }
        _ => return vital.asked().map(f64::from),
    }
    None
}

/// A measurement has a slot for each metric.
#[inline(always)]
fn metric(slot: usize) -> Metric {
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
fn place(filing: Filing) -> Option<f64> {
    match filing {
        Filing::Nowhere => None,
        Filing::Afresh => Some(0.0),
        Filing::Joins => Some(1.0),
    }
}

static PAGE: Only<Page> = Only::new(Page::new());
