//! Page loads recorded in Chromium (`tests/traces`), replayed through the machine in milliseconds:
//! it must report what web-vitals reported on them, to the last bit. The replay stands where the
//! shell stands (which observer sees what, what waits for idle time); every decision is the machine's.

#![expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a test may panic, and its helpers are of it"
)]

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::path::Path;

use serde::Deserialize;
use vitals::{Filing, Interaction, Occasion, Page, Shift};
use wire::{Metric, Rating};

#[test]
fn the_machine_reports_what_web_vitals_reported() {
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
                let of = |all: &[Report]| -> Vec<Report> {
                    all.iter().filter(|report| report.subscription == subscription).cloned().collect()
                };
                let (expected, actual) = (of(&page.reports), of(&reports));
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
    subscriptions: Vec<Subscription>,
    pages: Vec<Load>,
}

#[derive(Deserialize)]
struct Subscription {
    on: String,
    options: Options,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Options {
    report_all_changes: bool,
    report_soft_navs: bool,
    duration_threshold: Option<f64>,
}

#[derive(Deserialize)]
struct Load {
    events: Vec<Event>,
    reports: Vec<Report>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
struct Report {
    subscription: usize,
    value: f64,
    delta: f64,
    rating: String,
    navigation_type: String,
    entries: Vec<f64>,
}

/// What happened on the page; an event has those fields that its kind has.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
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
    navigation: Option<Navigation>,
    #[serde(default)]
    hidden: Vec<Entry>,
    #[serde(default)]
    entries: Vec<Entry>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Navigation {
    response_start: f64,
    activation_start: f64,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
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
    largest_contentful_paint: Option<Painted>,
    largest_interaction_contentful_paint: Option<Box<Self>>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Painted {
    render_time: f64,
    start_time: f64,
}

impl Entry {
    fn end(&self) -> f64 {
        self.start_time + self.duration
    }
}

/// One measurement of one metric, and the entries that the machine has had it file.
struct Measured {
    metric: Metric,
    options: Options,
    /// Whose reports these are. CLS waits for a paint of its own, which it tells nobody of.
    subscription: Option<usize>,
    open: bool,
    /// A first byte was reported; a paint was seen.
    done: bool,
    instance: u32,
    kind: String,
    navigation: Option<Entry>,
    lists: HashMap<u64, Vec<f64>>,
    entries: Vec<f64>,
}

/// What waits for an idle moment.
enum Deferred {
    Batch(usize, Vec<Entry>),
    Final(usize, u32),
}

struct Replay {
    machine: Box<Page>,
    measured: Vec<Measured>,
    /// All entries so far: what a new observer finds in the buffer.
    buffer: Vec<Entry>,
    /// Taken at hide, and not delivered before what the page's listeners do.
    taken: Vec<Entry>,
    idle: VecDeque<Vec<Deferred>>,
    reports: Vec<Report>,
    begun: bool,
    loaded: bool,
    restored: Option<f64>,
    awaits_first_input: bool,
    /// A first input that is none if the page scrolls.
    pressed: Option<(f64, f64)>,
    page: Event,
    count: f64,
}

impl Replay {
    fn run(subscriptions: &[Subscription], events: &[Event]) -> Vec<Report> {
        let Some(page) = events.iter().find(|event| event.is == "observing") else { return Vec::new() };
        let mut replay = Self {
            machine: Box::new(Page::new()),
            measured: Vec::new(),
            buffer: Vec::new(),
            taken: Vec::new(),
            idle: VecDeque::new(),
            reports: Vec::new(),
            begun: false,
            loaded: false,
            restored: None,
            awaits_first_input: false,
            pressed: None,
            page: page.clone(),
            count: 0.0,
        };
        for (index, Subscription { on, options }) in subscriptions.iter().enumerate() {
            let metric = Metric::named(&on[2..]).expect("a metric");
            if metric == Metric::Cls {
                replay.subscribe(Metric::Fcp, Options::default(), None);
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
            // A browser that does not count leaves it to the ids.
            replay.count = event.interaction_count.unwrap_or(if page.interaction_count.is_some() {
                replay.count
            } else {
                f64::NAN
            });
            observing |= event.is == "observing";
            replay.loaded |= event.is == "load";
            replay.happened(event, observing);
        }
        replay.reports
    }

    fn subscribe(&mut self, metric: Metric, options: Options, subscription: Option<usize>) {
        self.measured.push(Measured {
            metric,
            options,
            subscription,
            open: false,
            done: false,
            instance: 0,
            kind: String::new(),
            navigation: None,
            lists: HashMap::new(),
            entries: Vec::new(),
        });
    }

    fn happened(&mut self, event: &Event, observing: bool) {
        match event.is.as_str() {
            "entries" if event.taken => self.taken.clone_from(&event.entries),
            "entries" => {
                self.defer(event.defers);
                if self.begun {
                    self.identify(&event.entries);
                    self.deliver(&event.entries, |_| true);
                }
                self.buffer.extend(event.entries.iter().cloned());
            }
            "idle" => {
                let due = self.idle.pop_front().unwrap_or_default();
                self.deferred(due);
            }
            "keydown" | "click" if event.trusted => {
                self.first_input(event);
                self.defer(true);
                self.finalise();
            }
            "visibilitychange" => self.visibility_changed(event),
            "pageshow" if event.persisted && self.begun => self.restore(event),
            // A task after the restore, when browsers agree on whether the page is visible.
            "awake" if self.begun => self.machine.history.first_hidden = self.hidden_now(),
            "restored" if self.begun => self.repainted(event.now),
            "mousedown" | "touchstart" | "pointerdown" | "pointerup" | "pointercancel" => {
                self.first_input(event)
            }
            _ => {}
        }
        if observing && !self.begun && !self.page.prerendering {
            self.begin();
        }
        self.first_byte();
    }

    fn begin(&mut self) {
        self.begun = true;
        let activation = self.activation();
        let hidden = self
            .page
            .hidden
            .iter()
            .find(|state| state.name == "hidden" && state.start_time >= activation)
            .map(|state| state.start_time);
        self.machine.history.first_hidden = hidden.unwrap_or(self.hidden_now());
        let kept = self.kept();
        self.identify(&kept);
        for slot in 0..self.measured.len() {
            match self.measured[slot].metric {
                Metric::Cls | Metric::Ttfb => {}
                _ => self.open(slot),
            }
        }
    }

    fn start(&mut self, slot: usize) {
        let kind = self.kind();
        let measured = &mut self.measured[slot];
        measured.open = true;
        measured.kind = kind;
        let all_changes = measured.options.report_all_changes;
        self.machine.vitals[slot].begun(measured.metric, all_changes, false, 0.0);
    }

    /// A subscription's observers begin to see, first what the browser has kept for them.
    fn open(&mut self, slot: usize) {
        self.start(slot);
        let kept = self.kept();
        self.deliver(&kept, |other| other == slot);
        if self.measured[slot].metric == Metric::Cls {
            self.ask(slot, Occasion::Change);
        }
    }

    /// What the browser has kept for a new observer: of events only the slow ones.
    fn kept(&self) -> Vec<Entry> {
        self.buffer
            .iter()
            .filter(|entry| entry.entry_type != "event" || entry.duration >= 104.0)
            .cloned()
            .collect()
    }

    /// Ids of interactions, also of those too quick to be measured, tell how many there were.
    fn identify(&mut self, entries: &[Entry]) {
        for entry in entries.iter().filter(|entry| entry.entry_type == "event") {
            if let Some(id) = entry.interaction_id {
                self.machine.history.identified(id);
            }
        }
    }

    /// Gives entries to those who observe their type.
    fn deliver(&mut self, entries: &[Entry], to: impl Fn(usize) -> bool) {
        for slot in (0..self.measured.len()).filter(|slot| to(*slot)) {
            let batch = self.seen_by(slot, entries);
            if !self.measured[slot].open || batch.is_empty() {
                continue;
            }
            match self.idle.back_mut() {
                Some(group)
                    if self.measured[slot].metric == Metric::Inp
                        && self.page.visibility.as_deref() == Some("visible") =>
                {
                    group.push(Deferred::Batch(slot, batch));
                }
                _ => self.take(slot, &batch, Occasion::Change),
            }
        }
    }

    fn seen_by(&self, slot: usize, entries: &[Entry]) -> Vec<Entry> {
        let Measured { metric, options, .. } = &self.measured[slot];
        let mut batch: Vec<Entry> = entries
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
        // Paints and soft navigations come to FCP through observers of their own, all else through one.
        let apart = |entry: &Entry| *metric == Metric::Fcp && entry.entry_type == "soft-navigation";
        batch.sort_by(|one, other| apart(one).cmp(&apart(other)).then(one.end().total_cmp(&other.end())));
        batch
    }

    fn take(&mut self, slot: usize, batch: &[Entry], occasion: Occasion) {
        let Measured { metric, options, .. } = self.measured[slot];
        let every = options.report_all_changes || options.report_soft_navs;
        for (index, entry) in batch.iter().enumerate() {
            let at = entry.start_time;
            match entry.entry_type.as_str() {
                "soft-navigation" => self.turn(slot, entry),
                "paint" if entry.name == "first-contentful-paint" && !self.measured[slot].done => {
                    self.measured[slot].done = true;
                    self.measure(slot, Occasion::End, vec![at], at - self.activation(), at);
                }
                "largest-contentful-paint" if every || index + 1 == batch.len() => {
                    self.measure(slot, Occasion::Change, vec![at], at - self.activation(), at);
                }
                "interaction-contentful-paint" => self.painted_after(slot, entry),
                "layout-shift" if !entry.had_recent_input => {
                    let filing = self.machine.vitals[slot].shifts.shifted(Shift { at, score: entry.value });
                    self.file(slot, 0.0, at, filing);
                }
                "event" | "first-input" if metric == Metric::Inp => {
                    let id = entry.interaction_id.unwrap_or(0.0);
                    if id > 0.0 {
                        let event = Interaction { id, at, duration: entry.duration };
                        let filing = self.machine.vitals[slot].interactions.interacted(event);
                        self.file(slot, id, at, filing);
                    }
                }
                "first-input" => self.measure(slot, Occasion::End, vec![at], entry.processing_start - at, at),
                _ => {}
            }
        }
        self.settle(slot, occasion);
    }

    /// A soft navigation ends this view and begins another.
    fn turn(&mut self, slot: usize, entry: &Entry) {
        let metric = self.measured[slot].metric;
        let at = entry.start_time;
        match metric {
            Metric::Lcp | Metric::Cls | Metric::Inp => self.settle(slot, Occasion::End),
            _ => {}
        }
        self.renew(slot, "soft-navigation", Some(entry.clone()));
        match metric {
            Metric::Fcp => {
                let painted =
                    entry.presentation_time.filter(|time| *time > 0.0).or(entry.paint_time).unwrap_or(0.0);
                self.measure(slot, Occasion::End, Vec::new(), painted - at, f64::NEG_INFINITY);
            }
            Metric::Ttfb => self.measure(slot, Occasion::End, vec![at], 0.0, f64::NEG_INFINITY),
            Metric::Lcp => {
                self.machine.history.first_hidden = f64::INFINITY;
                if let Some(largest) = &entry.largest_interaction_contentful_paint {
                    self.painted_after(slot, largest);
                }
            }
            _ => {}
        }
    }

    /// A paint that an interaction caused: it belongs to the view which that interaction opened.
    fn painted_after(&mut self, slot: usize, entry: &Entry) {
        let Some(navigation) = &self.measured[slot].navigation else { return };
        if navigation.navigation_id.is_none() || entry.interaction_id != navigation.interaction_id {
            return;
        }
        let painted = entry.largest_contentful_paint.as_ref();
        let time = painted.map_or(0.0, |painted| painted.render_time);
        let entries = painted.map(|painted| painted.start_time).into_iter().collect();
        self.measure(slot, Occasion::Change, entries, time - entry.start_time, time);
    }

    fn visibility_changed(&mut self, event: &Event) {
        let hidden = self.page.visibility.as_deref() == Some("hidden");
        let taken = std::mem::take(&mut self.taken);
        if self.begun && hidden {
            for metric in [Metric::Inp, Metric::Cls, Metric::Fid] {
                for slot in 0..self.measured.len() {
                    if self.measured[slot].open && self.measured[slot].metric == metric {
                        let batch = self.seen_by(slot, &taken);
                        self.take(slot, &batch, Occasion::Hide);
                    }
                }
            }
            self.machine.history.hidden(event.time_stamp);
        }
        if self.begun {
            self.finalise();
            // Whatever waited for idle time does not wait for a page that may be gone.
            let waiting: Vec<Deferred> = self.idle.iter_mut().flat_map(std::mem::take).collect();
            self.deferred(waiting);
        }
        let paints =
            |entry: &&Entry| ["paint", "largest-contentful-paint"].contains(&entry.entry_type.as_str());
        let paints: Vec<Entry> = taken.iter().filter(paints).cloned().collect();
        if self.begun {
            self.deliver(&paints, |_| true);
        }
        self.buffer.extend(taken);
    }

    fn restore(&mut self, event: &Event) {
        self.restored = Some(event.time_stamp);
        self.awaits_first_input = true;
        for slot in 0..self.measured.len() {
            if self.measured[slot].open {
                self.renew(slot, "back-forward-cache", None);
                if self.measured[slot].metric == Metric::Ttfb {
                    self.measure(slot, Occasion::End, Vec::new(), 0.0, f64::NEG_INFINITY);
                }
            }
        }
    }

    /// Two frames after the page was restored.
    fn repainted(&mut self, now: f64) {
        let Some(restored) = self.restored else { return };
        for slot in 0..self.measured.len() {
            match self.measured[slot].metric {
                Metric::Fcp | Metric::Lcp if self.measured[slot].open => {
                    self.renew(slot, "back-forward-cache", None);
                    self.measure(slot, Occasion::End, Vec::new(), now - restored, f64::NEG_INFINITY);
                }
                Metric::Cls if self.measured[slot].open => self.ask(slot, Occasion::Change),
                _ => {}
            }
        }
    }

    /// The browser tells of a page's first input only once: after a restore scripts look for themselves.
    fn first_input(&mut self, event: &Event) {
        let (at, delay) = (event.time_stamp, event.now - event.time_stamp);
        let first = match event.is.as_str() {
            _ if !self.awaits_first_input => None,
            "pointerdown" => {
                self.pressed = event.cancelable.then_some((at, delay));
                None
            }
            "pointerup" => self.pressed.take(),
            "pointercancel" => {
                self.pressed = None;
                None
            }
            "mousedown" | "keydown" | "touchstart" if event.cancelable => Some((at, delay)),
            _ => None,
        };
        let Some((at, delay)) = first else { return };
        self.awaits_first_input = false;
        for slot in 0..self.measured.len() {
            if self.measured[slot].open && self.measured[slot].metric == Metric::Fid {
                self.measure(slot, Occasion::End, vec![at], (at + delay) - at, at);
            }
        }
    }

    fn first_byte(&mut self) {
        let Some(navigation) = self.page.navigation.clone().filter(|_| self.loaded && self.begun) else {
            return;
        };
        for slot in 0..self.measured.len() {
            if self.measured[slot].metric == Metric::Ttfb && !self.measured[slot].done && self.trusted() {
                self.measured[slot].done = true;
                self.start(slot);
                let value = navigation.response_start - navigation.activation_start;
                self.measure(slot, Occasion::End, vec![0.0], value, f64::NEG_INFINITY);
                let kept = self.kept();
                self.deliver(&kept, |other| other == slot);
            }
        }
    }

    /// A group of work for the next idle moment, as the page's own record asked for one.
    fn defer(&mut self, asked: bool) {
        if asked && self.page.visibility.as_deref() == Some("visible") {
            self.idle.push_back(Vec::new());
        }
    }

    fn finalise(&mut self) {
        for slot in 0..self.measured.len() {
            if self.measured[slot].open && self.measured[slot].metric == Metric::Lcp {
                let last = Deferred::Final(slot, self.measured[slot].instance);
                match self.idle.back_mut() {
                    Some(group) if self.page.visibility.as_deref() == Some("visible") => group.push(last),
                    _ => self.deferred(vec![last]),
                }
            }
        }
    }

    fn deferred(&mut self, due: Vec<Deferred>) {
        for work in due {
            match work {
                Deferred::Batch(slot, batch) => self.take(slot, &batch, Occasion::Change),
                Deferred::Final(slot, instance) if self.measured[slot].instance == instance => {
                    self.ask(slot, Occasion::End)
                }
                Deferred::Final(..) => {}
            }
        }
    }

    fn renew(&mut self, slot: usize, kind: &str, navigation: Option<Entry>) {
        let measured = &mut self.measured[slot];
        let count = self.machine.history.count(self.count);
        let all_changes = measured.options.report_all_changes;
        self.machine.vitals[slot].begun(measured.metric, all_changes, true, count);
        measured.instance += 1;
        kind.clone_into(&mut measured.kind);
        measured.navigation = navigation.or(measured.navigation.take());
        measured.lists.clear();
        measured.entries.clear();
    }

    /// `seen` is when it was painted or pressed: nothing counts that came after the page was hidden.
    fn measure(&mut self, slot: usize, occasion: Occasion, entries: Vec<f64>, duration: f64, seen: f64) {
        if seen < self.machine.history.first_hidden && self.machine.vitals[slot].measured(duration) {
            self.measured[slot].entries = entries;
            self.ask(slot, occasion);
        }
    }

    fn file(&mut self, slot: usize, list: f64, entry: f64, filing: Filing) {
        let list = self.measured[slot].lists.entry(list.to_bits()).or_default();
        match filing {
            Filing::Nowhere => {}
            Filing::Afresh => *list = vec![entry],
            Filing::Joins => list.push(entry),
        }
    }

    fn settle(&mut self, slot: usize, occasion: Occasion) {
        let count = self.machine.history.count(self.count);
        if let Some(list) = self.machine.vitals[slot].settled(count) {
            self.measured[slot].entries =
                self.measured[slot].lists.get(&list.to_bits()).cloned().unwrap_or_default();
        }
        if matches!(self.measured[slot].metric, Metric::Cls | Metric::Inp) || occasion == Occasion::End {
            self.ask(slot, occasion);
        }
    }

    fn ask(&mut self, slot: usize, occasion: Occasion) {
        let vital = &mut self.machine.vitals[slot];
        let Some(delta) = vital.reported(occasion) else { return };
        let Measured { metric, subscription, kind, entries, .. } = &self.measured[slot];
        if let Some(subscription) = *subscription {
            self.reports.push(Report {
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
        if waits && !self.measured[slot + 1].open {
            self.open(slot + 1);
        }
    }

    /// What began the page as it is now.
    fn kind(&self) -> String {
        let Some(navigation) = self.page.navigation.as_ref().filter(|_| self.trusted()) else {
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

    fn trusted(&self) -> bool {
        self.page.navigation.as_ref().is_some_and(|navigation| {
            navigation.response_start > 0.0 && navigation.response_start < self.page.at
        })
    }

    fn activation(&self) -> f64 {
        let navigation = self.page.navigation.as_ref().filter(|_| self.trusted());
        navigation.map_or(0.0, |navigation| navigation.activation_start)
    }

    fn hidden_now(&self) -> f64 {
        if self.page.visibility.as_deref() == Some("hidden") { 0.0 } else { f64::INFINITY }
    }
}
