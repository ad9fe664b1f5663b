//! A page load as its beacons need it: what happened is noted in order, and a value is asked for only
//! when something is sent. So there are no reports, no changes and no entries to keep, and whoever
//! sends beacons alone need not carry the code for them (`Vital` has it). The rules are the same.

use wire::Metric;

use crate::interactions::{Interaction, Interactions};
use crate::page::History;
use crate::shifts::{Shift, Shifts};

/// Something that happened to the page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Note {
    /// The browser tells of this metric.
    Begun(Metric),
    /// When the page was first hidden (never: infinity), since when it was seen (a prerendered one
    /// later than 0), and how long an event takes at least to be an interaction.
    Watched {
        /// When it was first hidden.
        first_hidden: f64,
        /// Since when it was seen.
        origin: f64,
        /// What counts as an interaction.
        threshold: f64,
    },
    /// It went to the background then.
    Hidden(f64),
    /// The first contentful paint.
    Painted(f64),
    /// The largest paint so far: of several in a batch the last one counts.
    Largest(f64),
    /// Something moved that no input had moved.
    Shifted(Shift),
    /// An event took its time.
    Event {
        /// It.
        event: Interaction,
        /// When its processing began.
        processed: f64,
        /// It was the first input, which is an interaction however short it was.
        first: bool,
    },
    /// The first byte of the document.
    Responded(f64),
    /// All entries of a batch have been noted.
    Settled,
    /// The visitor pressed something, or left: no later paint is the largest.
    Finished,
    /// Another view begins: out of the back/forward cache, never hidden yet, or declared by the
    /// application, hidden from the start as far as paints and first bytes are concerned.
    Renewed {
        /// Infinity, or 0.
        first_hidden: f64,
    },
    /// A page out of the back/forward cache was painted again, so long after it had been asked for.
    Repainted(f64),
}

/// Every vital of the view at hand. One about which nothing is known is all zeros, so that it is not a
/// byte of the module.
#[derive(Debug)]
#[repr(C)]
pub struct Visit {
    history: History,
    origin: f64,
    threshold: f64,
    /// The paint of this batch that is the largest so far; 0 is none.
    largest: f64,
    /// Something was painted: a page that was never seen does not shift.
    painted: bool,
    shifts: Shifts,
    marks: [Mark; Metric::ALL.len()],
    interactions: Interactions,
}

/// What is known of one metric.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Mark {
    /// −1 while unknown.
    value: f64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
enum State {
    /// This browser does not tell.
    Absent,
    Open,
    Final,
}

impl Visit {
    /// A page about which nothing is known.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            history: History::NONE,
            origin: 0.0,
            threshold: 0.0,
            largest: 0.0,
            painted: false,
            shifts: Shifts::NONE,
            marks: [Mark { value: 0.0, state: State::Absent }; Metric::ALL.len()],
            interactions: Interactions::NONE,
        }
    }

    /// How many interactions there were: as the browser has counted, or by an estimate.
    #[inline(always)]
    #[must_use]
    pub fn count(&self, counted: f64) -> f64 {
        self.history.count(counted)
    }

    /// Takes note, when there have been so many interactions.
    #[inline(always)]
    pub fn noted(&mut self, note: Note, count: f64) {
        let (metric, duration, seen) = match note {
            Note::Begun(metric) => {
                if let Some(mark) = self.marks.get_mut(metric as usize) {
                    *mark = Mark { value: -1.0, state: State::Open };
                }
                return;
            }
            Note::Watched { first_hidden, origin, threshold } => {
                self.history.first_hidden = first_hidden;
                self.origin = origin;
                self.threshold = threshold;
                return;
            }
            Note::Hidden(at) => return self.history.hidden(at),
            Note::Painted(at) => (Metric::Fcp, at - self.origin, at),
            Note::Largest(at) => {
                self.largest = at;
                return;
            }
            Note::Shifted(shift) => {
                self.shifts.shifted(shift);
                return;
            }
            Note::Event { event, processed, first } => {
                // Every id helps to count the interactions, but only what takes long enough is one.
                self.history.identified(event.id);
                if first || event.duration >= self.threshold {
                    self.interactions.interacted(event);
                }
                if !first {
                    return;
                }
                (Metric::Fid, processed - event.at, event.at)
            }
            Note::Responded(at) => {
                self.marks[5].state = State::Open;
                (Metric::Ttfb, at - self.origin, f64::NEG_INFINITY)
            }
            Note::Settled => {
                if self.painted && self.shifts.score > self.marks[2].value {
                    self.marks[2].value = self.shifts.score;
                }
                let at = self.largest;
                if at == 0.0 {
                    return;
                }
                self.largest = 0.0;
                (Metric::Lcp, at - self.origin, at)
            }
            Note::Finished => return self.marks[1].finish(),
            Note::Renewed { first_hidden } => {
                self.interactions.begin(true, count);
                self.shifts.score = 0.0;
                self.history.first_hidden = first_hidden;
                for mark in &mut self.marks {
                    mark.value = -1.0;
                    if mark.state == State::Final {
                        mark.state = State::Open;
                    }
                }
                (Metric::Ttfb, 0.0, 0.0)
            }
            Note::Repainted(duration) => {
                for mark in &mut self.marks[..2] {
                    mark.value = duration;
                    mark.finish();
                }
                self.painted = true;
                return;
            }
        };
        let Some(mark) = self.marks.get_mut(metric as usize) else { return };
        if mark.state == State::Open && seen < self.history.first_hidden {
            mark.value = if duration > 0.0 { duration } else { 0.0 };
            if metric != Metric::Lcp {
                mark.state = State::Final;
            }
            if metric == Metric::Fcp {
                self.painted = true;
            }
        }
    }

    /// What a beacon carries of a metric, when there have been so many interactions; nothing while
    /// that is not known.
    #[inline(always)]
    #[must_use]
    pub fn asked(&self, metric: Metric, count: f64) -> Option<u32> {
        let mark = self.marks.get(metric as usize)?;
        let value = match metric {
            Metric::Inp => self.interactions.p98(count)?.duration,
            _ => mark.value,
        };
        (mark.state != State::Absent && value >= 0.0).then(|| metric.to_wire(value))
    }
}

impl Default for Visit {
    fn default() -> Self {
        Self::new()
    }
}

impl Mark {
    #[inline(always)]
    fn finish(&mut self) {
        if self.state == State::Open {
            self.state = State::Final;
        }
    }
}
