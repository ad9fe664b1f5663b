//! Page loads recorded in Chromium (`tests/traces`), replayed through the core: its reports must equal
//! those of web-vitals to the last bit. The replay takes the place of the shell (which observer sees which
//! entries, and what waits for idle time); every decision is the core's.

#![expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a test may panic, and its helpers are of it"
)]

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::path::Path;

use serde::Deserialize;
use vitals::{CallbackTracker, EntryGrouping, Interaction, LayoutShift, ReportTrigger};
use wire::{Metric, Rating};

#[test]
fn replayed_traces_report_what_web_vitals_reported() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/traces");
    let mut replayed = 0;
    let mut wrong = Vec::new();
    for file in fs::read_dir(&folder).expect("the traces are there") {
        let path = file.expect("a file").path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a trace is text");
        let trace: Trace =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(trace.v, 1, "{}: another version", path.display());
        for (index, page) in trace.pages.iter().enumerate() {
            let reports = Replay::run(&trace.subscriptions, &page.events);
            for subscription in 0..trace.subscriptions.len() {
                let of_subscription = |all: &[TraceReport]| -> Vec<TraceReport> {
                    all.iter().filter(|report| report.subscription == subscription).cloned().collect()
                };
                let (expected, actual) = (of_subscription(&page.reports), of_subscription(&reports));
                if expected != actual {
                    wrong.push(format!(
                        "{}\n  page {index}, {}\n  web-vitals {expected:?}\n  ours       {actual:?}",
                        trace.claim, trace.subscriptions[subscription].on
                    ));
                }
            }
        }
        replayed += 1;
    }
    assert!(replayed >= 40, "only {replayed} traces");
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[derive(Deserialize)]
struct Trace {
    v: u32,
    claim: String,
    subscriptions: Vec<TraceSubscription>,
    pages: Vec<TracePage>,
}

#[derive(Deserialize)]
struct TraceSubscription {
    on: String,
    options: TraceOptions,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TraceOptions {
    report_all_changes: bool,
    report_soft_navs: bool,
    duration_threshold: Option<f64>,
}

#[derive(Deserialize)]
struct TracePage {
    events: Vec<TraceEvent>,
    reports: Vec<TraceReport>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
struct TraceReport {
    subscription: usize,
    value: f64,
    delta: f64,
    rating: String,
    navigation_type: String,
    entries: Vec<f64>,
}

/// An event on the page, with the fields of all kinds of events.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TraceEvent {
    is: String,
    at: f64,
    #[serde(default)]
    time_stamp: f64,
    #[serde(default)]
    now: f64,
    #[serde(default)]
    trusted: bool,
    #[serde(default)]
    cancelable: bool,
    #[serde(default)]
    persisted: bool,
    #[serde(default)]
    taken: bool,
    #[serde(default)]
    defers: bool,
    #[serde(default)]
    prerendering: bool,
    #[serde(default)]
    was_discarded: bool,
    visibility: Option<String>,
    interaction_count: Option<f64>,
    navigation: Option<TraceNavigation>,
    #[serde(default)]
    hidden: Vec<TraceEntry>,
    #[serde(default)]
    entries: Vec<TraceEntry>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TraceNavigation {
    response_start: f64,
    activation_start: f64,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TraceEntry {
    #[serde(default)]
    entry_type: String,
    #[serde(default)]
    name: String,
    start_time: f64,
    #[serde(default)]
    duration: f64,
    #[serde(default)]
    value: f64,
    #[serde(default)]
    had_recent_input: bool,
    #[serde(default)]
    processing_start: f64,
    interaction_id: Option<f64>,
    navigation_id: Option<f64>,
    presentation_time: Option<f64>,
    paint_time: Option<f64>,
    largest_contentful_paint: Option<TracePaint>,
    largest_interaction_contentful_paint: Option<Box<Self>>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TracePaint {
    render_time: f64,
    start_time: f64,
}

impl TraceEntry {
    fn end(&self) -> f64 {
        self.start_time + self.duration
    }
}

/// One measurement of one metric, with its entries as the core grouped them.
struct TracedSubscription {
    metric: Metric,
    options: TraceOptions,
    /// The index of the subscription. The measurement of FCP that CLS waits for has none.
    subscription: Option<usize>,
    open: bool,
    /// The first byte was reported, or a paint was seen.
    done: bool,
    instance: u32,
    navigation_type: String,
    navigation: Option<TraceEntry>,
    lists: HashMap<u64, Vec<f64>>,
    entries: Vec<f64>,
}

/// Work that waits for an idle moment.
enum DeferredWork {
    Batch(usize, Vec<TraceEntry>),
    Final(usize, u32),
}

struct Replay {
    tracker: Box<CallbackTracker>,
    subscriptions: Vec<TracedSubscription>,
    /// All entries so far, which a new observer finds in the buffer.
    buffer: Vec<TraceEntry>,
    /// Entries taken when the page was hidden, to be delivered after the page's listeners.
    taken: Vec<TraceEntry>,
    idle: VecDeque<Vec<DeferredWork>>,
    reports: Vec<TraceReport>,
    begun: bool,
    loaded: bool,
    restored: Option<f64>,
    awaits_first_input: bool,
    /// A candidate for the first input, discarded if the page scrolls.
    pending_first_input: Option<(f64, f64)>,
    page: TraceEvent,
    count: f64,
}

impl Replay {
    fn run(subscriptions: &[TraceSubscription], events: &[TraceEvent]) -> Vec<TraceReport> {
        let Some(page) = events.iter().find(|event| event.is == "observing") else { return Vec::new() };
        let mut replay = Self {
            tracker: Box::new(CallbackTracker::new()),
            subscriptions: Vec::new(),
            buffer: Vec::new(),
            taken: Vec::new(),
            idle: VecDeque::new(),
            reports: Vec::new(),
            begun: false,
            loaded: false,
            restored: None,
            awaits_first_input: false,
            pending_first_input: None,
            page: page.clone(),
            count: 0.0,
        };
        for (index, TraceSubscription { on, options }) in subscriptions.iter().enumerate() {
            let metric = Metric::from_name(&on[2..]).expect("a metric");
            if metric == Metric::Cls {
                replay.subscribe(Metric::Fcp, TraceOptions::default(), None);
            }
            replay.subscribe(metric, *options, Some(index));
        }
        let mut observing = false;
        for event in events {
            if let Some(visibility) = &event.visibility {
                replay.page.visibility = Some(visibility.clone());
                replay.page.navigation.clone_from(&event.navigation);
                replay.page.prerendering = event.prerendering;
            }
            replay.page.at = event.at;
            // Without a browser count, the core estimates it from the ids.
            replay.count = event.interaction_count.unwrap_or(if page.interaction_count.is_some() {
                replay.count
            } else {
                f64::NAN
            });
            observing |= event.is == "observing";
            replay.loaded |= event.is == "load";
            replay.apply_event(event, observing);
        }
        replay.reports
    }

    fn subscribe(&mut self, metric: Metric, options: TraceOptions, subscription: Option<usize>) {
        self.subscriptions.push(TracedSubscription {
            metric,
            options,
            subscription,
            open: false,
            done: false,
            instance: 0,
            navigation_type: String::new(),
            navigation: None,
            lists: HashMap::new(),
            entries: Vec::new(),
        });
    }

    fn apply_event(&mut self, event: &TraceEvent, observing: bool) {
        match event.is.as_str() {
            "entries" if event.taken => self.taken.clone_from(&event.entries),
            "entries" => {
                self.defer(event.defers);
                if self.begun {
                    self.record_interaction_ids(&event.entries);
                    self.deliver(&event.entries, |_| true);
                }
                self.buffer.extend(event.entries.iter().cloned());
            }
            "idle" => {
                let due = self.idle.pop_front().unwrap_or_default();
                self.run_deferred(due);
            }
            "keydown" | "click" if event.trusted => {
                self.detect_first_input(event);
                self.defer(true);
                self.finalize_lcp();
            }
            "visibilitychange" => self.handle_visibility_change(event),
            "pageshow" if event.persisted && self.begun => self.restore(event),
            // A task after the restore, when all browsers report whether the page is visible.
            "awake" if self.begun => self.tracker.history.first_hidden = self.first_hidden_now(),
            "restored" if self.begun => self.record_restore_paint(event.now),
            "mousedown" | "touchstart" | "pointerdown" | "pointerup" | "pointercancel" => {
                self.detect_first_input(event)
            }
            _ => {}
        }
        if observing && !self.begun && !self.page.prerendering {
            self.begin();
        }
        self.report_first_byte();
    }

    fn begin(&mut self) {
        self.begun = true;
        let activation = self.activation_start();
        let hidden = self
            .page
            .hidden
            .iter()
            .find(|state| state.name == "hidden" && state.start_time >= activation)
            .map(|state| state.start_time);
        self.tracker.history.first_hidden = hidden.unwrap_or(self.first_hidden_now());
        let buffered = self.buffered_entries();
        self.record_interaction_ids(&buffered);
        for slot in 0..self.subscriptions.len() {
            match self.subscriptions[slot].metric {
                Metric::Cls | Metric::Ttfb => {}
                _ => self.open(slot),
            }
        }
    }

    fn start(&mut self, slot: usize) {
        let navigation_type = self.navigation_type();
        let measurement = &mut self.subscriptions[slot];
        measurement.open = true;
        measurement.navigation_type = navigation_type;
        let all_changes = measurement.options.report_all_changes;
        self.tracker.subscriptions[slot].begin(measurement.metric, all_changes, false, 0.0);
    }

    /// Starts the observers of a subscription, which first receive the buffered entries.
    fn open(&mut self, slot: usize) {
        self.start(slot);
        let buffered = self.buffered_entries();
        self.deliver(&buffered, |other| other == slot);
        if self.subscriptions[slot].metric == Metric::Cls {
            self.report(slot, ReportTrigger::Change);
        }
    }

    /// The entries in the browser's buffer for a new observer: of events, only the slow ones.
    fn buffered_entries(&self) -> Vec<TraceEntry> {
        self.buffer
            .iter()
            .filter(|entry| entry.entry_type != "event" || entry.duration >= 104.0)
            .cloned()
            .collect()
    }

    /// Records interaction ids, also of events too fast to be measured, for the estimated count.
    fn record_interaction_ids(&mut self, entries: &[TraceEntry]) {
        for entry in entries.iter().filter(|entry| entry.entry_type == "event") {
            if let Some(id) = entry.interaction_id {
                self.tracker.history.record_interaction_id(id);
            }
        }
    }

    /// Delivers entries to the observers of their types.
    fn deliver(&mut self, entries: &[TraceEntry], to: impl Fn(usize) -> bool) {
        for slot in (0..self.subscriptions.len()).filter(|slot| to(*slot)) {
            let batch = self.observed_by(slot, entries);
            if !self.subscriptions[slot].open || batch.is_empty() {
                continue;
            }
            match self.idle.back_mut() {
                Some(group)
                    if self.subscriptions[slot].metric == Metric::Inp
                        && self.page.visibility.as_deref() == Some("visible") =>
                {
                    group.push(DeferredWork::Batch(slot, batch));
                }
                _ => self.process_batch(slot, &batch, ReportTrigger::Change),
            }
        }
    }

    fn observed_by(&self, slot: usize, entries: &[TraceEntry]) -> Vec<TraceEntry> {
        let TracedSubscription { metric, options, .. } = &self.subscriptions[slot];
        let mut batch: Vec<TraceEntry> = entries
            .iter()
            .filter(|entry| match (entry.entry_type.as_str(), metric) {
                ("paint", Metric::Fcp)
                | ("largest-contentful-paint", Metric::Lcp)
                | ("layout-shift", Metric::Cls)
                | ("first-input", Metric::Inp | Metric::Fid) => true,
                ("event", Metric::Inp) => entry.duration >= options.duration_threshold.unwrap_or(40.0),
                ("interaction-contentful-paint", Metric::Lcp) => options.report_soft_navs,
                ("soft-navigation", Metric::Fid) => false,
                ("soft-navigation", _) => options.report_soft_navs,
                _ => false,
            })
            .cloned()
            .collect();
        // FCP observes paints and soft navigations separately, everything else through one observer.
        let apart = |entry: &TraceEntry| *metric == Metric::Fcp && entry.entry_type == "soft-navigation";
        batch.sort_by(|one, other| apart(one).cmp(&apart(other)).then(one.end().total_cmp(&other.end())));
        batch
    }

    fn process_batch(&mut self, slot: usize, batch: &[TraceEntry], trigger: ReportTrigger) {
        let TracedSubscription { metric, options, .. } = self.subscriptions[slot];
        let every = options.report_all_changes || options.report_soft_navs;
        for (index, entry) in batch.iter().enumerate() {
            let at = entry.start_time;
            match entry.entry_type.as_str() {
                "soft-navigation" => self.start_soft_navigation(slot, entry),
                "paint" if entry.name == "first-contentful-paint" && !self.subscriptions[slot].done => {
                    self.subscriptions[slot].done = true;
                    self.measure(slot, ReportTrigger::Final, vec![at], at - self.activation_start(), at);
                }
                "largest-contentful-paint" if every || index + 1 == batch.len() => {
                    self.measure(slot, ReportTrigger::Change, vec![at], at - self.activation_start(), at);
                }
                "interaction-contentful-paint" => self.record_interaction_paint(slot, entry),
                "layout-shift" if !entry.had_recent_input => {
                    let filing = self.tracker.subscriptions[slot]
                        .session_window
                        .add(LayoutShift { at, score: entry.value });
                    self.group_entry(slot, 0.0, at, filing);
                }
                "event" | "first-input" if metric == Metric::Inp => {
                    let id = entry.interaction_id.unwrap_or(0.0);
                    if id > 0.0 {
                        let event = Interaction { id, at, duration: entry.duration };
                        let filing = self.tracker.subscriptions[slot].interactions.add(event);
                        self.group_entry(slot, id, at, filing);
                    }
                }
                "first-input" => {
                    self.measure(slot, ReportTrigger::Final, vec![at], entry.processing_start - at, at)
                }
                _ => {}
            }
        }
        self.update_value(slot, trigger);
    }

    /// Ends the view and begins another, for a soft navigation.
    fn start_soft_navigation(&mut self, slot: usize, entry: &TraceEntry) {
        let metric = self.subscriptions[slot].metric;
        let at = entry.start_time;
        match metric {
            Metric::Lcp | Metric::Cls | Metric::Inp => self.update_value(slot, ReportTrigger::Final),
            _ => {}
        }
        self.renew(slot, "soft-navigation", Some(entry.clone()));
        match metric {
            Metric::Fcp => {
                let painted =
                    entry.presentation_time.filter(|time| *time > 0.0).or(entry.paint_time).unwrap_or(0.0);
                self.measure(slot, ReportTrigger::Final, Vec::new(), painted - at, f64::NEG_INFINITY);
            }
            Metric::Ttfb => self.measure(slot, ReportTrigger::Final, vec![at], 0.0, f64::NEG_INFINITY),
            Metric::Lcp => {
                self.tracker.history.first_hidden = f64::INFINITY;
                if let Some(largest) = &entry.largest_interaction_contentful_paint {
                    self.record_interaction_paint(slot, largest);
                }
            }
            _ => {}
        }
    }

    /// Records a paint caused by an interaction, for the view that the interaction started.
    fn record_interaction_paint(&mut self, slot: usize, entry: &TraceEntry) {
        let Some(navigation) = &self.subscriptions[slot].navigation else { return };
        if navigation.navigation_id.is_none() || entry.interaction_id != navigation.interaction_id {
            return;
        }
        let painted = entry.largest_contentful_paint.as_ref();
        let time = painted.map_or(0.0, |painted| painted.render_time);
        let entries = painted.map(|painted| painted.start_time).into_iter().collect();
        self.measure(slot, ReportTrigger::Change, entries, time - entry.start_time, time);
    }

    fn handle_visibility_change(&mut self, event: &TraceEvent) {
        let hidden = self.page.visibility.as_deref() == Some("hidden");
        let taken = std::mem::take(&mut self.taken);
        if self.begun && hidden {
            for metric in [Metric::Inp, Metric::Cls, Metric::Fid] {
                for slot in 0..self.subscriptions.len() {
                    if self.subscriptions[slot].open && self.subscriptions[slot].metric == metric {
                        let batch = self.observed_by(slot, &taken);
                        self.process_batch(slot, &batch, ReportTrigger::Hide);
                    }
                }
            }
            self.tracker.history.record_hidden(event.time_stamp);
        }
        if self.begun {
            self.finalize_lcp();
            // Deferred work runs at once: the page may be gone before it is idle.
            let waiting: Vec<DeferredWork> = self.idle.iter_mut().flat_map(std::mem::take).collect();
            self.run_deferred(waiting);
        }
        let paints =
            |entry: &&TraceEntry| ["paint", "largest-contentful-paint"].contains(&entry.entry_type.as_str());
        let paints: Vec<TraceEntry> = taken.iter().filter(paints).cloned().collect();
        if self.begun {
            self.deliver(&paints, |_| true);
        }
        self.buffer.extend(taken);
    }

    fn restore(&mut self, event: &TraceEvent) {
        self.restored = Some(event.time_stamp);
        self.awaits_first_input = true;
        for slot in 0..self.subscriptions.len() {
            if self.subscriptions[slot].open {
                self.renew(slot, "back-forward-cache", None);
                if self.subscriptions[slot].metric == Metric::Ttfb {
                    self.measure(slot, ReportTrigger::Final, Vec::new(), 0.0, f64::NEG_INFINITY);
                }
            }
        }
    }

    /// Records the paint of a restored page, two frames after the restore.
    fn record_restore_paint(&mut self, now: f64) {
        let Some(restored) = self.restored else { return };
        for slot in 0..self.subscriptions.len() {
            match self.subscriptions[slot].metric {
                Metric::Fcp | Metric::Lcp if self.subscriptions[slot].open => {
                    self.renew(slot, "back-forward-cache", None);
                    self.measure(slot, ReportTrigger::Final, Vec::new(), now - restored, f64::NEG_INFINITY);
                }
                Metric::Cls if self.subscriptions[slot].open => self.report(slot, ReportTrigger::Change),
                _ => {}
            }
        }
    }

    /// Detects the first input after a restore, which the browser does not report again.
    fn detect_first_input(&mut self, event: &TraceEvent) {
        let (at, delay) = (event.time_stamp, event.now - event.time_stamp);
        let first = match event.is.as_str() {
            _ if !self.awaits_first_input => None,
            "pointerdown" => {
                self.pending_first_input = event.cancelable.then_some((at, delay));
                None
            }
            "pointerup" => self.pending_first_input.take(),
            "pointercancel" => {
                self.pending_first_input = None;
                None
            }
            "mousedown" | "keydown" | "touchstart" if event.cancelable => Some((at, delay)),
            _ => None,
        };
        let Some((at, delay)) = first else { return };
        self.awaits_first_input = false;
        for slot in 0..self.subscriptions.len() {
            if self.subscriptions[slot].open && self.subscriptions[slot].metric == Metric::Fid {
                self.measure(slot, ReportTrigger::Final, vec![at], (at + delay) - at, at);
            }
        }
    }

    fn report_first_byte(&mut self) {
        let Some(navigation) = self.page.navigation.clone().filter(|_| self.loaded && self.begun) else {
            return;
        };
        for slot in 0..self.subscriptions.len() {
            if self.subscriptions[slot].metric == Metric::Ttfb
                && !self.subscriptions[slot].done
                && self.has_valid_navigation_timing()
            {
                self.subscriptions[slot].done = true;
                self.start(slot);
                let value = navigation.response_start - navigation.activation_start;
                self.measure(slot, ReportTrigger::Final, vec![0.0], value, f64::NEG_INFINITY);
                let buffered = self.buffered_entries();
                self.deliver(&buffered, |other| other == slot);
            }
        }
    }

    /// Begins a group of work for the next idle moment, where the trace has one.
    fn defer(&mut self, is_requested: bool) {
        if is_requested && self.page.visibility.as_deref() == Some("visible") {
            self.idle.push_back(Vec::new());
        }
    }

    fn finalize_lcp(&mut self) {
        for slot in 0..self.subscriptions.len() {
            if self.subscriptions[slot].open && self.subscriptions[slot].metric == Metric::Lcp {
                let last = DeferredWork::Final(slot, self.subscriptions[slot].instance);
                match self.idle.back_mut() {
                    Some(group) if self.page.visibility.as_deref() == Some("visible") => group.push(last),
                    _ => self.run_deferred(vec![last]),
                }
            }
        }
    }

    fn run_deferred(&mut self, due: Vec<DeferredWork>) {
        for work in due {
            match work {
                DeferredWork::Batch(slot, batch) => self.process_batch(slot, &batch, ReportTrigger::Change),
                DeferredWork::Final(slot, instance) if self.subscriptions[slot].instance == instance => {
                    self.report(slot, ReportTrigger::Final)
                }
                DeferredWork::Final(..) => {}
            }
        }
    }

    fn renew(&mut self, slot: usize, navigation_type: &str, navigation: Option<TraceEntry>) {
        let measurement = &mut self.subscriptions[slot];
        let count = self.tracker.history.interaction_count(self.count);
        let all_changes = measurement.options.report_all_changes;
        self.tracker.subscriptions[slot].begin(measurement.metric, all_changes, true, count);
        measurement.instance += 1;
        navigation_type.clone_into(&mut measurement.navigation_type);
        measurement.navigation = navigation.or(measurement.navigation.take());
        measurement.lists.clear();
        measurement.entries.clear();
    }

    /// Records a duration. `seen` is the time of the paint or the input; nothing after the page was hidden counts.
    fn measure(
        &mut self,
        slot: usize,
        trigger: ReportTrigger,
        entries: Vec<f64>,
        duration: f64,
        occurred_at: f64,
    ) {
        if occurred_at < self.tracker.history.first_hidden
            && self.tracker.subscriptions[slot].record_duration(duration)
        {
            self.subscriptions[slot].entries = entries;
            self.report(slot, trigger);
        }
    }

    fn group_entry(&mut self, slot: usize, list: f64, entry: f64, grouping: EntryGrouping) {
        let list = self.subscriptions[slot].lists.entry(list.to_bits()).or_default();
        match grouping {
            EntryGrouping::Discard => {}
            EntryGrouping::StartGroup => *list = vec![entry],
            EntryGrouping::JoinGroup => list.push(entry),
        }
    }

    fn update_value(&mut self, slot: usize, trigger: ReportTrigger) {
        let count = self.tracker.history.interaction_count(self.count);
        if let Some(list) = self.tracker.subscriptions[slot].update_value(count) {
            self.subscriptions[slot].entries =
                self.subscriptions[slot].lists.get(&list.to_bits()).cloned().unwrap_or_default();
        }
        if matches!(self.subscriptions[slot].metric, Metric::Cls | Metric::Inp)
            || trigger == ReportTrigger::Final
        {
            self.report(slot, trigger);
        }
    }

    fn report(&mut self, slot: usize, trigger: ReportTrigger) {
        let vital = &mut self.tracker.subscriptions[slot];
        let Some(delta) = vital.report(trigger) else { return };
        let TracedSubscription { metric, subscription, navigation_type: kind, entries, .. } =
            &self.subscriptions[slot];
        if let Some(subscription) = *subscription {
            self.reports.push(TraceReport {
                subscription,
                value: vital.value(),
                delta,
                rating: match vital.rating() {
                    Rating::Good => "good",
                    Rating::NeedsImprovement => "needs-improvement",
                    Rating::Poor => "poor",
                }
                .to_owned(),
                navigation_type: kind.clone(),
                entries: entries.clone(),
            });
        }
        // A page that was never seen does not shift.
        let waits = *metric == Metric::Fcp && subscription.is_none();
        if waits && !self.subscriptions[slot + 1].open {
            self.open(slot + 1);
        }
    }

    /// The navigation type of the page.
    fn navigation_type(&self) -> String {
        let Some(navigation) = self.page.navigation.as_ref().filter(|_| self.has_valid_navigation_timing())
        else {
            return "navigate".to_owned();
        };
        if self.restored.is_some() {
            "back-forward-cache".to_owned()
        } else if navigation.activation_start > 0.0 {
            "prerender".to_owned()
        } else if self.page.was_discarded {
            "restore".to_owned()
        } else {
            navigation.kind.replace('_', "-")
        }
    }

    fn has_valid_navigation_timing(&self) -> bool {
        self.page.navigation.as_ref().is_some_and(|navigation| {
            navigation.response_start > 0.0 && navigation.response_start < self.page.at
        })
    }

    fn activation_start(&self) -> f64 {
        let navigation = self.page.navigation.as_ref().filter(|_| self.has_valid_navigation_timing());
        navigation.map_or(0.0, |navigation| navigation.activation_start)
    }

    fn first_hidden_now(&self) -> f64 {
        if self.page.visibility.as_deref() == Some("hidden") { 0.0 } else { f64::INFINITY }
    }
}
