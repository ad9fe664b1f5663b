//! A page load as its beacons need it: what happened is noted in order, and a value is asked for only
//! when something is sent. So there are no reports, no changes and no entries to keep, and whoever
//! sends beacons alone need not carry the code for them (`Vital` has it). The rules are the same.

use wire::Metric;

use crate::callback_tracker::PageHistory;
use crate::cls::{LayoutShift, SessionWindow};
use crate::inp::{Interaction, LongestInteractions};

/// Something that happened to the page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PageEvent {
    /// The browser tells of this metric.
    MetricSupported(Metric),
    /// When the page was first hidden (never: infinity), since when it was seen (a prerendered one
    /// later than 0), and how long an event takes at least to be an interaction.
    ObservationStarted {
        /// When it was first hidden.
        first_hidden: f64,
        /// Since when it was seen.
        activation_start: f64,
        /// What counts as an interaction.
        duration_threshold: f64,
    },
    /// It went to the background then.
    Hidden(f64),
    /// The first contentful paint.
    FirstContentfulPaint(f64),
    /// The largest paint so far: of several in a batch the last one counts.
    LargestContentfulPaint(f64),
    /// Something moved that no input had moved.
    LayoutShift(LayoutShift),
    /// An event took its time.
    EventTiming {
        /// It.
        event: Interaction,
        /// When its processing began.
        processing_start: f64,
        /// It was the first input, which is an interaction however short it was.
        is_first_input: bool,
    },
    /// The first byte of the document.
    FirstByte(f64),
    /// All entries of a batch have been noted.
    BatchEnded,
    /// The visitor pressed something, or left: no later paint is the largest.
    LcpFinalized,
    /// Another view begins: out of the back/forward cache, never hidden yet, or declared by the
    /// application, hidden from the start as far as paints and first bytes are concerned.
    ViewStarted {
        /// Infinity, or 0.
        first_hidden: f64,
    },
    /// A page out of the back/forward cache was painted again, so long after it had been asked for.
    RestorePaint(f64),
}

/// Every vital of the view at hand. One about which nothing is known is all zeros, so that it is not a
/// byte of the module.
#[derive(Debug)]
#[repr(C)]
pub struct BeaconTracker {
    history: PageHistory,
    activation_start: f64,
    duration_threshold: f64,
    /// The paint of this batch that is the largest so far; 0 is none.
    pending_lcp: f64,
    /// Something was painted: a page that was never seen does not shift.
    painted: bool,
    session_window: SessionWindow,
    metrics: [MetricState; Metric::ALL.len()],
    interactions: LongestInteractions,
}

/// What is known of one metric.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct MetricState {
    /// −1 while unknown.
    value: f64,
    status: MetricStatus,
}

#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
enum MetricStatus {
    /// This browser does not tell.
    Unsupported,
    Open,
    Final,
}

impl BeaconTracker {
    /// A page about which nothing is known.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            history: PageHistory::NONE,
            activation_start: 0.0,
            duration_threshold: 0.0,
            pending_lcp: 0.0,
            painted: false,
            session_window: SessionWindow::NONE,
            metrics: [MetricState { value: 0.0, status: MetricStatus::Unsupported }; Metric::ALL.len()],
            interactions: LongestInteractions::NONE,
        }
    }

    /// How many interactions there were: as the browser has counted, or by an estimate.
    #[inline(always)]
    #[must_use]
    pub fn interaction_count(&self, browser_count: f64) -> f64 {
        self.history.interaction_count(browser_count)
    }

    /// Takes note, when there have been so many interactions.
    #[inline(always)]
    pub fn handle(&mut self, page_event: PageEvent, count: f64) {
        let (metric, duration, occurred_at) = match page_event {
            PageEvent::MetricSupported(metric) => {
                if let Some(metric_state) = self.metrics.get_mut(metric as usize) {
                    *metric_state = MetricState { value: -1.0, status: MetricStatus::Open };
                }
                return;
            }
            PageEvent::ObservationStarted { first_hidden, activation_start, duration_threshold } => {
                self.history.first_hidden = first_hidden;
                self.activation_start = activation_start;
                self.duration_threshold = duration_threshold;
                return;
            }
            PageEvent::Hidden(at) => return self.history.record_hidden(at),
            PageEvent::FirstContentfulPaint(at) => (Metric::Fcp, at - self.activation_start, at),
            PageEvent::LargestContentfulPaint(at) => {
                self.pending_lcp = at;
                return;
            }
            PageEvent::LayoutShift(shift) => {
                self.session_window.add(shift);
                return;
            }
            PageEvent::EventTiming { event, processing_start, is_first_input } => {
                // Every id helps to count the interactions, but only what takes long enough is one.
                self.history.record_interaction_id(event.id);
                if is_first_input || event.duration >= self.duration_threshold {
                    self.interactions.add(event);
                }
                if !is_first_input {
                    return;
                }
                (Metric::Fid, processing_start - event.at, event.at)
            }
            PageEvent::FirstByte(at) => {
                self.metrics[5].status = MetricStatus::Open;
                (Metric::Ttfb, at - self.activation_start, f64::NEG_INFINITY)
            }
            PageEvent::BatchEnded => {
                if self.painted && self.session_window.score > self.metrics[2].value {
                    self.metrics[2].value = self.session_window.score;
                }
                let at = self.pending_lcp;
                if at == 0.0 {
                    return;
                }
                self.pending_lcp = 0.0;
                (Metric::Lcp, at - self.activation_start, at)
            }
            PageEvent::LcpFinalized => return self.metrics[1].finalize(),
            PageEvent::ViewStarted { first_hidden } => {
                self.interactions.begin(true, count);
                self.session_window.score = 0.0;
                self.history.first_hidden = first_hidden;
                for metric_state in &mut self.metrics {
                    metric_state.value = -1.0;
                    if metric_state.status == MetricStatus::Final {
                        metric_state.status = MetricStatus::Open;
                    }
                }
                (Metric::Ttfb, 0.0, 0.0)
            }
            PageEvent::RestorePaint(duration) => {
                for metric_state in &mut self.metrics[..2] {
                    metric_state.value = duration;
                    metric_state.finalize();
                }
                self.painted = true;
                return;
            }
        };
        let Some(metric_state) = self.metrics.get_mut(metric as usize) else { return };
        if metric_state.status == MetricStatus::Open && occurred_at < self.history.first_hidden {
            metric_state.value = if duration > 0.0 { duration } else { 0.0 };
            if metric != Metric::Lcp {
                metric_state.status = MetricStatus::Final;
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
    pub fn wire_value(&self, metric: Metric, count: f64) -> Option<u32> {
        let metric_state = self.metrics.get(metric as usize)?;
        let value = match metric {
            Metric::Inp => self.interactions.p98(count)?.duration,
            _ => metric_state.value,
        };
        (metric_state.status != MetricStatus::Unsupported && value >= 0.0).then(|| metric.to_wire(value))
    }
}

impl Default for BeaconTracker {
    fn default() -> Self {
        Self::new()
    }
}

impl MetricState {
    #[inline(always)]
    fn finalize(&mut self) {
        if self.status == MetricStatus::Open {
            self.status = MetricStatus::Final;
        }
    }
}
