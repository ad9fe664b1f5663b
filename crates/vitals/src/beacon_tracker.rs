//! One page load as its beacons see it. Events are applied in order, and values are read only when a
//! beacon is due, so there are no reports and no entries to keep, and a page that only sends beacons
//! does not load the code for them. The rules are those of [`crate::Subscription`].

use wire::Metric;

use crate::cls::{LayoutShift, SessionWindow};
use crate::current_view::{CurrentView, ReportState};
use crate::inp::{Interaction, LongestInteractions};
use crate::page_history::PageHistory;

/// An event of the page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PageEvent {
    /// The browser supports this metric.
    MetricSupported(Metric),
    /// Observation started, or the page was restored.
    ObservationStarted {
        /// Time of the first hiding so far; infinity if there was none.
        first_hidden: f64,
        /// Activation time of a prerendered page; 0 for any other.
        activation_start: f64,
        /// The shortest event that counts as an interaction.
        duration_threshold: f64,
    },
    /// The page was hidden at this time.
    Hidden(f64),
    /// The first contentful paint, at this time.
    FirstContentfulPaint(f64),
    /// The largest contentful paint so far, at this time. Of several in a batch the last one counts.
    LargestContentfulPaint(f64),
    /// A layout shift without recent input.
    LayoutShift(LayoutShift),
    /// An event entry.
    EventTiming {
        /// The event.
        event: Interaction,
        /// Start of its processing.
        processing_start: f64,
        /// The entry is of type `first-input`, and so an interaction of any duration.
        is_first_input: bool,
    },
    /// The first byte of the document, at this time. It counts for the view of the page load alone.
    FirstByte(f64),
    /// Every entry of a batch has been applied.
    BatchEnded,
    /// An input or a hiding of the page: no later paint is the largest.
    LcpFinalized,
    /// A view began. Until the browser reports its navigation, it has no paints and no first byte of its own,
    /// unless it was restored.
    ViewStarted {
        /// Start of the view.
        start: f64,
        /// The reports of its navigation that may still come.
        state: ReportState,
    },
    /// The browser reported the navigation of the current view.
    NavigationReported {
        /// Time from its start to the first paint.
        duration: f64,
        /// The interaction that caused it.
        interaction: f64,
    },
    /// The largest paint so far that an interaction caused.
    InteractionPaint {
        /// Time from the interaction to the paint.
        duration: f64,
        /// Time of the paint.
        at: f64,
        /// The interaction. The paint counts if it led to the view.
        interaction: f64,
    },
    /// A restored page was painted again, this long after the restore.
    RestorePaint(f64),
}

/// Every metric of the current view. The initial state is all zeros, so that it takes no byte of the
/// wasm module.
#[derive(Debug)]
#[repr(C)]
pub struct BeaconTracker {
    history: PageHistory,
    activation_start: f64,
    duration_threshold: f64,
    /// The largest paint of the current batch; 0 for none.
    pending_lcp: f64,
    /// The page was painted. A page that was never seen does not shift.
    painted: bool,
    session_window: SessionWindow,
    metrics: [MetricState; Metric::ALL.len()],
    interactions: LongestInteractions,
    /// The interaction that led to the last soft navigation; 0 for none.
    interaction: f64,
    /// The current view, for joining what is reported of its navigation.
    pub view: CurrentView,
}

/// The state of one metric.
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
    /// The browser does not report the metric.
    Unsupported,
    Open,
    Final,
}

impl BeaconTracker {
    /// A page before observation starts.
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
            interaction: 0.0,
            view: CurrentView::PAGE_LOAD,
        }
    }

    /// Returns the browser's count of interactions, or an estimate where the browser has none.
    #[inline(always)]
    #[must_use]
    pub fn interaction_count(&self, browser_count: f64) -> f64 {
        self.history.interaction_count(browser_count)
    }

    /// Applies an event. `count` is the page's number of interactions so far.
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
                // Every id helps to estimate the count; only an event of sufficient duration is an interaction.
                self.history.record_interaction_id(event.id);
                // An interaction that began before the view, such as the click that led to it, is not its own.
                if event.at > self.view.start()
                    && (is_first_input || event.duration >= self.duration_threshold)
                {
                    self.interactions.add(event);
                }
                if !is_first_input {
                    return;
                }
                (Metric::Fid, processing_start - event.at, event.at)
            }
            PageEvent::FirstByte(at) => {
                // The first byte belongs to the page load, and later views leave the metric final.
                if self.metrics[TTFB].status == MetricStatus::Unsupported {
                    self.metrics[TTFB].status = MetricStatus::Open;
                }
                (Metric::Ttfb, at - self.activation_start, f64::NEG_INFINITY)
            }
            PageEvent::BatchEnded => {
                if self.painted && self.session_window.score > self.metrics[CLS].value {
                    self.metrics[CLS].value = self.session_window.score;
                }
                let at = self.pending_lcp;
                if at == 0.0 {
                    return;
                }
                self.pending_lcp = 0.0;
                (Metric::Lcp, at - self.activation_start, at)
            }
            PageEvent::LcpFinalized => return self.metrics[LCP].finalize(),
            PageEvent::ViewStarted { start, state } => {
                self.view.begin(start, state, count);
                self.interactions.begin(true, count);
                self.session_window.score = 0.0;
                let has_paints = state == ReportState::Complete;
                self.history.first_hidden = if has_paints { f64::INFINITY } else { 0.0 };
                for metric_state in &mut self.metrics {
                    metric_state.value = -1.0;
                    if metric_state.status == MetricStatus::Final {
                        metric_state.status = MetricStatus::Open;
                    }
                }
                let ttfb = &mut self.metrics[TTFB];
                if ttfb.status != MetricStatus::Unsupported && has_paints {
                    ttfb.value = 0.0;
                }
                ttfb.status = MetricStatus::Final;
                return;
            }
            PageEvent::NavigationReported { duration, interaction } => {
                self.interaction = interaction;
                // A soft navigation is a visible view again, and may be reported after a hide.
                self.history.first_hidden = f64::INFINITY;
                let [_, lcp, .., ttfb] = &mut self.metrics;
                lcp.status = MetricStatus::Open;
                if ttfb.status != MetricStatus::Unsupported {
                    ttfb.value = 0.0;
                }
                (Metric::Fcp, duration, 0.0)
            }
            PageEvent::InteractionPaint { interaction, .. } if interaction != self.interaction => return,
            PageEvent::InteractionPaint { duration, at, .. } => (Metric::Lcp, duration, at),
            PageEvent::RestorePaint(duration) => {
                let [fcp, lcp, ..] = &mut self.metrics;
                for metric_state in [fcp, lcp] {
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

    /// Returns a metric's value as a beacon carries it; `None` while unknown. `count` is the page's
    /// number of interactions so far.
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

const LCP: usize = Metric::Lcp as usize;
const CLS: usize = Metric::Cls as usize;
const TTFB: usize = Metric::Ttfb as usize;
