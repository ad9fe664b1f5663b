//! One page load: everything its subscriptions share (when it was first hidden, how many
//! interactions the ids betray, what the beacon has carried) and the table of the subscriptions.
//! What an input means for one metric is the vital's business.

use wire::{Metric, Rating};

use crate::delivery::Delivery;
use crate::interactions::Ids;
use crate::vital::{Birth, Filing, Vital};

/// A page load and all who listen to it.
#[derive(Debug)]
pub struct Page {
    first_hidden: f64,
    ids: Ids,
    delivery: Delivery,
    vitals: [Vital; Self::SLOTS],
}

/// What happened. Times are milliseconds since the time origin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Input {
    /// Somebody subscribed to a metric.
    Opened {
        /// The metric asked for.
        metric: Metric,
        /// Every change is to be reported, not only the final value.
        all_changes: bool,
        /// The subscription is the beacon's own.
        beacon: bool,
    },
    /// The subscriber left.
    Stopped,
    /// The page's first-hidden time is known afresh: at the start, after a restore from the
    /// back/forward cache, at a soft navigation. Infinity while it has not been hidden.
    Watched {
        /// That time.
        first_hidden: f64,
    },
    /// The page went to the background.
    Hidden {
        /// When.
        at: f64,
    },
    /// A duration is known that counts only if it ended before the page was first hidden:
    /// a paint, a first input, a first byte.
    Measured {
        /// Where the duration begins.
        since: f64,
        /// Where it ends.
        until: f64,
        /// The moment that must lie before the first hiding; minus infinity always does.
        seen: f64,
    },
    /// A layout shift without recent input.
    Shifted {
        /// When.
        at: f64,
        /// Its layout shift score.
        score: f64,
    },
    /// An event that belongs to an interaction took its time.
    Interacted {
        /// The browser's id of the interaction.
        id: f64,
        /// The event's start.
        at: f64,
        /// From the event to the next paint.
        duration: f64,
    },
    /// An interaction's id was seen, in a browser that does not count interactions.
    Identified {
        /// The id.
        id: f64,
    },
    /// The entries at hand have all been given.
    Settled {
        /// The browser's own count of interactions; not a number where it has none.
        count: f64,
    },
    /// The value may be reported; it must be if forced.
    Asked {
        /// Report even where not every change is wanted.
        force: bool,
    },
    /// The value is final: report it, once.
    Finalised,
    /// A new instance of the metric begins (a restore, a soft navigation, a declared view).
    Renewed {
        /// The browser's own count of interactions; not a number where it has none.
        count: f64,
        /// The application said so, not the browser.
        declared: bool,
    },
    /// A new view begins for the beacon.
    Turned,
    /// The moment to send has come.
    Due,
    /// The last send was called back before it left.
    Revoked,
    /// What is the value?
    Value,
    /// What is the value as it crosses the wire?
    Wire,
    /// How does the value rate?
    Rating,
}

/// What must be done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Output {
    /// Nothing.
    Nothing,
    /// The subscription was given this slot.
    Slot(usize),
    /// The entry belongs in a list.
    File(Filing),
    /// The metric's entries are now those of this list.
    Entries(usize),
    /// Report the value; this is the change since the last report.
    Report(f64),
    /// Send the beacon with this sequence number.
    Send(u32),
    /// The value asked for, −1 while unknown.
    Value(f64),
    /// The value on the wire, −1 while unknown.
    Wire(i32),
    /// The rating asked for.
    Rating(Rating),
}

impl Page {
    /// How many subscriptions a page may have at once.
    pub const SLOTS: usize = 64;

    /// A page about which nothing is known.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            first_hidden: f64::INFINITY,
            ids: Ids::NONE,
            delivery: Delivery::NEW,
            vitals: [const { Vital::VACANT }; Self::SLOTS],
        }
    }

    /// Takes what happened (to the subscription in `slot`, where it concerns one) and says what
    /// must be done.
    pub fn handle(&mut self, slot: usize, input: Input) -> Output {
        if let Input::Opened {
            metric,
            all_changes,
            beacon,
        } = input
        {
            for (slot, vital) in self.vitals.iter_mut().enumerate() {
                if vital.metric.is_none() {
                    vital.open(metric, all_changes, beacon);
                    return Output::Slot(slot);
                }
            }
            return Output::Nothing;
        }
        if let Input::Due = input {
            return self.delivery.due(&mut self.vitals);
        }
        let Some(vital) = self.vitals.get_mut(slot) else {
            return Output::Nothing;
        };
        match input {
            Input::Opened { .. } | Input::Due => {}
            Input::Stopped => {
                vital.metric = None;
                vital.beacon = false;
            }
            Input::Watched { first_hidden } => self.first_hidden = first_hidden,
            Input::Hidden { at } => {
                if self.first_hidden == f64::INFINITY {
                    self.first_hidden = at;
                }
            }
            Input::Measured { since, until, seen } => {
                if seen < self.first_hidden && vital.measured(until - since) {
                    return Output::File(Filing {
                        list: 0,
                        afresh: true,
                    });
                }
            }
            Input::Shifted { at, score } => return Output::File(vital.shifts.shifted(at, score)),
            Input::Interacted { id, at, duration } => {
                return vital
                    .interactions
                    .interacted(id, at, duration)
                    .map_or(Output::Nothing, Output::File);
            }
            Input::Identified { id } => self.ids.seen(id),
            Input::Settled { count } => {
                return vital
                    .settled(self.ids.count(count))
                    .map_or(Output::Nothing, Output::Entries);
            }
            Input::Asked { force } => {
                return vital.report(force).map_or(Output::Nothing, Output::Report);
            }
            Input::Finalised => return vital.finalised().map_or(Output::Nothing, Output::Report),
            Input::Renewed { count, declared } => {
                vital.begin(
                    if declared {
                        Birth::Declared
                    } else {
                        Birth::Renewed
                    },
                    self.ids.count(count),
                );
            }
            Input::Turned => self.delivery = Delivery::NEW,
            Input::Revoked => self.delivery.revoked(),
            Input::Value => return Output::Value(vital.value),
            Input::Wire => return Output::Wire(vital.wire()),
            Input::Rating => {
                return vital.metric.map_or(Output::Nothing, |metric| {
                    Output::Rating(metric.rate(vital.value))
                });
            }
        }
        Output::Nothing
    }
}

impl Default for Page {
    fn default() -> Self {
        Self::new()
    }
}
