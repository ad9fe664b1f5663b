//! One request on its way through the cache. Each method is a moment: something was found, the origin
//! answered, a body is whole. Each says in a word what worker/edge.js is to do next.

use std::rc::Rc;

use cache::purge::PurgeStatus;
use cache::{
    AuthChallenge, BodyRange, CacheConfig, CacheEntry, CacheRoute, CacheStatusParams, ConditionalHeaders,
    DecisionLog, DecisionReason, EnvelopeHeader, Headers, LookupCandidate, LookupOutcome, LookupPlan,
    MissReason, OriginLimiter, RequestHead, ResponseHead, RevalidationOutcome, RoutePolicy, UnixMillis,
    apply_not_modified, can_serve_stale_on_error, is_not_modified, not_modified_headers, plan_lookup,
    select_range, server_timing, storable_entry, variant_key, vary_names,
};
use export::trace::{RequestSpan, TraceContext};
use traffic::{Method, ResponseClass, ResponseRecord, StatusClass};
use wire::beacon::CacheStatus;
use worker::js_sys::{Array, Uint8Array};
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::{wasm_bindgen, web_sys};

use crate::edge::ISOLATE;
use crate::edge::memory_cache::MemoryEntry;
use crate::rejection_counter::UNKNOWN_SITE;
use crate::{trace_export, traffic_collector};

/// What a visit is made of.
pub(crate) struct ExchangeParts {
    pub(crate) routes: Rc<CacheConfig>,
    pub(crate) sites: Rc<[String]>,
    pub(crate) index: usize,
    pub(crate) rules: Rc<RoutePolicy>,
    pub(crate) scheme: String,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) address: String,
    pub(crate) target: String,
    pub(crate) request: RequestHead,
    pub(crate) forwarded: RequestHead,
    pub(crate) key: Option<String>,
    pub(crate) decision_log: DecisionLog,
    pub(crate) started_at: UnixMillis,
}

/// A visit.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(missing_debug_implementations, reason = "it holds JavaScript's own values")]
pub struct Visit {
    parts: ExchangeParts,
    found: Option<Rc<MemoryEntry>>,
    /// The tier that it was found in.
    tier: &'static str,
    conditions: ConditionalHeaders,
    or_stale: bool,
    outcome: LookupOutcome,
    /// The stamp of what is asked for now, and when that is.
    asked: (u64, UnixMillis),
    answered: Option<ResponseHead>,
    keeps: Option<CacheEntry>,
    origin_took: Option<u64>,
    collapsed: bool,
    /// What the origin did that kept it from answering.
    failure: (u16, &'static str),
    has_failed: bool,
    /// What was found is new in memory, and the lower tiers do not have it yet.
    is_new: bool,
    /// The limiter waits for word of what was admitted.
    is_admitted: bool,
    /// The origin may not be asked: after so many seconds, perhaps.
    retry_after: Option<u64>,
    /// What is likely to be asked for next.
    next: Vec<String>,
    /// As what it was counted, where its bytes are not known yet.
    counted: Option<(String, ResponseClass)>,
    /// Where it stands in a trace, if anybody traces.
    trace: Option<TraceContext>,
}

// What edge.js is to do.
const LOOK: &str = "look";
const SERVE: &str = "serve";
const SERVE_THEN_ASK: &str = "serve-then-ask";
const FETCH: &str = "fetch";
const PASS: &str = "pass";
const SEND: &str = "send";
const STORE: &str = "store";
const REFUSE: &str = "refuse";
const ASK: &str = "ask";

impl Visit {
    pub(crate) fn new(parts: ExchangeParts) -> Self {
        let trace = trace_export::begin(parts.request.headers.joined("traceparent").as_deref());
        Self {
            trace,
            parts,
            found: None,
            tier: "memory",
            conditions: ConditionalHeaders::new(),
            or_stale: false,
            outcome: LookupOutcome::Bypass,
            asked: (0, UnixMillis(0)),
            answered: None,
            keeps: None,
            origin_took: None,
            collapsed: false,
            failure: (502, "the origin did not answer"),
            has_failed: false,
            is_new: false,
            is_admitted: false,
            retry_after: None,
            next: Vec::new(),
            counted: None,
        }
    }

    /// The answer, where memory alone has it and nothing is left to be done.
    pub(crate) fn at_once(&mut self, now: UnixMillis) -> Option<Array> {
        let lease = self.parts.routes.lease_ms;
        let is_current = ISOLATE.with_borrow(|isolate| isolate.purge_view.is_current(now, lease));
        if !is_current || self.parts.key.is_none() {
            return None;
        }
        self.found = self.in_memory();
        self.found.as_ref()?;
        let before = self.parts.decision_log.iter().count();
        if self.judge(now) == SERVE {
            return Some(self.answer(now.0 as f64));
        }
        self.parts.decision_log.truncate(before);
        None
    }

    fn route(&self) -> Option<&CacheRoute> {
        self.parts.routes.routes.get(self.parts.index)
    }

    fn in_memory(&self) -> Option<Rc<MemoryEntry>> {
        let key = self.parts.key.as_deref()?;
        ISOLATE.with_borrow_mut(|isolate| isolate.memory.get(key, &self.parts.forwarded.headers))
    }

    fn url(&self) -> String {
        format!("{}://{}", self.parts.scheme, self.parts.address)
    }

    /// What to do, given what was found.
    fn judge(&mut self, now: UnixMillis) -> &'static str {
        let lease = self.parts.routes.lease_ms;
        let found = self.found.clone();
        let found = found.as_ref().map(|entry| LookupCandidate {
            entry: &entry.stored,
            purge_status: ISOLATE.with_borrow(|isolate| {
                let CacheEntry { purge_seq: stamp, tags, .. } = &entry.stored;
                isolate.purge_view.purge_status(*stamp, tags, &self.parts.address, now, lease)
            }),
            is_hot: entry.is_hot(),
        });
        let is_purged = found.is_some_and(|found| matches!(found.purge_status, PurgeStatus::HardPurged));
        let plan =
            plan_lookup(found, &self.parts.request, &self.parts.rules, now, &mut self.parts.decision_log);
        let stale = found.is_some_and(|found| {
            found.entry.staleness(now).is_some() || found.purge_status == PurgeStatus::SoftPurged
        });
        self.outcome = match (&plan, stale) {
            (LookupPlan::Serve | LookupPlan::ServeThenRevalidate(_), false) => LookupOutcome::Hit,
            (LookupPlan::Serve | LookupPlan::ServeThenRevalidate(_), true) => LookupOutcome::Stale,
            (LookupPlan::Revalidate { .. }, true) => LookupOutcome::Revalidated,
            (LookupPlan::Revalidate { .. }, false) => LookupOutcome::Miss(MissReason::Request),
            _ if found.is_none() || is_purged => LookupOutcome::Miss(self.nothing()),
            _ => LookupOutcome::Miss(MissReason::Stale),
        };
        let step = match plan {
            LookupPlan::Serve => SERVE,
            LookupPlan::ServeThenRevalidate(conditions) => {
                self.conditions = conditions;
                SERVE_THEN_ASK
            }
            LookupPlan::Revalidate { conditions, stale_on_error: or_stale } => {
                self.conditions = conditions;
                self.or_stale = or_stale;
                FETCH
            }
            LookupPlan::Fetch { stale_on_error: or_stale } => {
                self.conditions = ConditionalHeaders::new();
                self.or_stale = or_stale;
                FETCH
            }
            LookupPlan::GatewayTimeout => {
                self.failure = (504, "nothing usable is stored, and the request wants only that");
                return REFUSE;
            }
        };
        // A part cannot be stored, and a HEAD brings no body: both are the origin's to answer.
        let head = &self.parts.request;
        if step == FETCH && (head.method == "HEAD" || head.headers.has("range") && self.found.is_none()) {
            if head.method == "GET" {
                self.parts.decision_log.record(DecisionReason::HasRange);
            }
            return PASS;
        }
        step
    }

    /// Nothing at all, or nothing for this request.
    fn nothing(&self) -> MissReason {
        let names = self
            .parts
            .key
            .as_deref()
            .and_then(|key| ISOLATE.with_borrow_mut(|isolate| isolate.memory.vary_fields(key)));
        if names.is_some_and(|names| !names.is_empty()) { MissReason::Vary } else { MissReason::Uri }
    }

    fn names(&self, stored: &CacheEntry) -> Vec<String> {
        vary_names(&stored.headers, &self.parts.rules.vary).unwrap_or_default()
    }

    /// Keeps an answer in memory, under the key and its variant.
    fn remember(&mut self, stored: CacheEntry, body: Uint8Array) -> Rc<MemoryEntry> {
        let names = self.names(&stored);
        let key = self.parts.key.clone().unwrap_or_default();
        let place = format!("{key}{}", variant_key(&names, &self.parts.forwarded.headers));
        let entry = Rc::new(MemoryEntry::new(stored, body, self.url()));
        ISOLATE.with_borrow_mut(|isolate| {
            isolate.memory.set_vary_fields(&key, names);
            isolate.memory.insert(place, Rc::clone(&entry));
        });
        entry
    }

    /// The fields as visitors get them.
    fn dress(&self, headers: &mut Headers) {
        headers.remove_hop_by_hop();
        for hidden in ["cache-tag", "surrogate-key", "age", "content-length"] {
            headers.remove(hidden);
        }
        if let Some(route) = self.route() {
            route.security_headers.apply(headers, &self.parts.scheme);
        }
    }

    fn particulars(&self, now: UnixMillis) -> CacheStatusParams<'_> {
        let stored = self.found.as_ref().map(|entry| &entry.stored);
        let is_served =
            matches!(self.outcome, LookupOutcome::Hit | LookupOutcome::Stale | LookupOutcome::Revalidated);
        let ttl = stored.filter(|_| is_served).map(|stored| {
            let (left, by) = (stored.remaining_lifetime(now), stored.staleness(now).unwrap_or(0));
            i64::try_from(left).unwrap_or(i64::MAX).saturating_sub(i64::try_from(by).unwrap_or(i64::MAX))
        });
        let detail = match self.outcome {
            LookupOutcome::Hit | LookupOutcome::Stale => Some(self.tier),
            _ if self.retry_after.is_some() => Some("limit"),
            _ if self.has_failed => Some("origin-failed"),
            _ => self.parts.decision_log.last().map(DecisionReason::code).filter(|word| *word != "stored"),
        };
        CacheStatusParams {
            ttl,
            fwd_status: self.answered.as_ref().map(|answer| answer.status),
            stored: self.keeps.is_some(),
            collapsed: self.collapsed,
            detail,
        }
    }

    /// The record of an answer; its site's numbers are made of nothing else.
    fn count(&mut self, now: UnixMillis, status: u16, bytes: u64) -> (String, ResponseClass) {
        self.look_ahead(status, now);
        self.see(now);
        let detail = self.particulars(now).detail.unwrap_or("stored");
        let answer = ResponseClass {
            method: Method::from_name(&self.parts.request.method),
            status_class: StatusClass::from_status(status),
            cache: cached(self.outcome),
            detail: detail.to_owned(),
        };
        let route = self.template_of(status);
        let queries = self.answered.as_ref().map(|answer| server_timing::query_durations(&answer.headers));
        if let Some(context) = self.trace.clone().filter(|context| context.is_sampled) {
            trace_export::buffer_span(RequestSpan {
                context,
                site: self.site().to_owned(),
                route: route.clone(),
                method: answer.method.name(),
                status,
                cache: answer.cache.name(),
                start: self.parts.started_at,
                end: now.max(self.parts.started_at),
                origin_ms: self.origin_took,
            });
        }
        traffic_collector::record(
            self.site(),
            &ResponseRecord {
                route: &route,
                class: answer.clone(),
                bytes,
                edge_ms: now.0.saturating_sub(self.parts.started_at.0),
                origin_ms: self.origin_took,
                queries: &queries.unwrap_or_default(),
            },
        );
        (route, answer)
    }

    /// What the analytics tell beside the record, of what is stored.
    fn see(&self, now: UnixMillis) {
        let see = |stored: &CacheEntry, url: &str| {
            let (lifetime, age) = (stored.freshness.lifetime, stored.age(now));
            ISOLATE
                .with_borrow_mut(|isolate| isolate.metrics.record_response(self.outcome, lifetime, age, url));
        };
        match (&self.keeps, &self.found) {
            (Some(stored), _) => see(stored, &self.url()),
            (None, Some(entry)) => see(&entry.stored, &entry.url),
            (None, None) => {}
        }
    }

    /// Learns from where visitors come to this page, and what is likely next.
    fn look_ahead(&mut self, status: u16, now: UnixMillis) {
        let per_minute = self.parts.routes.predict_per_minute;
        let is_kept =
            matches!(self.outcome, LookupOutcome::Hit | LookupOutcome::Stale) || self.keeps.is_some();
        let headers = &self.parts.request.headers;
        let is_document = match headers.first("sec-fetch-dest") {
            Some(destination) => destination == "document",
            None => headers.first("accept").is_some_and(|accept| accept.contains("text/html")),
        };
        if per_minute == 0 || status != 200 || !is_kept || !is_document || self.parts.request.method != "GET"
        {
            return;
        }
        let page = |host: &str, path: &str| format!("{host}{}", ledger::derive_template(path));
        let referer = headers.first("referer").and_then(crate::edge::UrlParts::parse);
        let from = referer.filter(|from| from.host.eq_ignore_ascii_case(&self.parts.host));
        let from = from.map(|from| page(&self.parts.host, from.path));
        let (url, own) = (self.url(), page(&self.parts.host, &self.parts.path));
        self.next = ISOLATE.with_borrow_mut(|isolate| {
            if let Some(from) = from {
                isolate.prefetcher.record_navigation(&from, &url, now);
            }
            isolate.prefetcher.suggest(&own, per_minute, now)
        });
    }

    /// What was admitted has come to something.
    fn settle(&mut self, failed: bool, now: UnixMillis) {
        let took = self.origin_took.unwrap_or(0);
        if std::mem::take(&mut self.is_admitted) {
            ISOLATE.with_borrow_mut(|isolate| {
                if let Some(limiter) = isolate.limiters.get_mut(&self.parts.index) {
                    limiter.record_outcome(took, failed, now);
                }
            });
        }
    }

    fn site(&self) -> &str {
        self.parts.sites.get(self.parts.index).map_or(UNKNOWN_SITE, String::as_str)
    }

    /// The name under which it is counted. Paths that lead nowhere are one, for anybody can think of more.
    fn template_of(&self, status: u16) -> String {
        match self.route().and_then(|route| route.name.clone()) {
            _ if matches!(status, 404 | 410) => NOT_FOUND.to_owned(),
            Some(name) => name,
            None => ledger::derive_template(&self.parts.path),
        }
    }

    /// What every answer says of itself: Cache-Status and Server-Timing.
    fn signs(&self, now: UnixMillis, earlier: Option<String>) -> (String, String) {
        let member = self.outcome.to_list_member(&self.particulars(now));
        let status = earlier.map_or_else(|| member.clone(), |earlier| format!("{earlier}, {member}"));
        let took = now.0.saturating_sub(self.parts.started_at.0);
        let mut timing = format!("edge;desc={};dur={took}", self.outcome.as_str());
        if let Some(took) = self.origin_took {
            timing.push_str(&format!(", origin;dur={took}"));
        }
        (status, timing)
    }

    fn response(&self) -> ResponseHead {
        self.answered.clone().unwrap_or(ResponseHead {
            status: 502,
            headers: Headers::new(),
            requested: self.asked.1,
            received: self.asked.1,
        })
    }
}

#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
impl Visit {
    /// Whether it must be known first what was purged.
    #[wasm_bindgen(js_name = wantsPurges)]
    pub fn wants_purges(&self, now: f64) -> bool {
        let lease = self.parts.routes.lease_ms;
        self.parts.key.is_some()
            && !ISOLATE.with_borrow(|isolate| isolate.purge_view.is_current(UnixMillis(now as u64), lease))
    }

    /// What to do first.
    pub fn begin(&mut self, now: f64) -> String {
        if self.parts.key.is_none() {
            return PASS.into();
        }
        self.found = self.in_memory();
        if self.found.is_none() { LOOK.into() } else { self.judge(UnixMillis(now as u64)).into() }
    }

    /// Under which name the lower tiers may have it.
    pub fn place(&self) -> String {
        let key = self.parts.key.clone().unwrap_or_default();
        let names = ISOLATE.with_borrow_mut(|isolate| isolate.memory.vary_fields(&key)).unwrap_or_default();
        format!("{key}{}", variant_key(&names, &self.parts.forwarded.headers))
    }

    /// A lower tier has this. `look` again, where it is about other requests.
    pub fn found(&mut self, envelope: &Uint8Array, tier: &str, now: f64) -> String {
        // The head alone comes over; the body stays where it is.
        let prefix =
            envelope.subarray(0, u32::try_from(cache::ENVELOPE_PREFIX_BYTES).unwrap_or(u32::MAX)).to_vec();
        let length = envelope.length();
        // What is no envelope, or is cut short, is nothing.
        let frame = EnvelopeHeader::parse(&prefix).filter(|frame| frame.is_complete(length as usize));
        let Some(start) = frame.and_then(|frame| u32::try_from(frame.body_offset).ok()) else {
            return LOOK.into();
        };
        let head = envelope.subarray(0, start).to_vec();
        let Some((stored, _)) = CacheEntry::decode(&head) else { return LOOK.into() };
        let before = self.place();
        let names = self.names(&stored);
        let key = self.parts.key.clone().unwrap_or_default();
        let place = format!("{key}{}", variant_key(&names, &self.parts.forwarded.headers));
        if place != before {
            // What lies under the plain key tells what its answers vary on.
            ISOLATE.with_borrow_mut(|isolate| isolate.memory.set_vary_fields(&key, names));
            return LOOK.into();
        }
        let body = envelope.slice(start, length);
        self.tier = if tier == "kv" { "kv" } else { "colo" };
        self.found = Some(self.remember(stored, body));
        self.judge(UnixMillis(now as u64)).into()
    }

    /// No lower tier has anything. Memory may, by now: somebody else's fill may have come in while they
    /// were asked.
    pub fn absent(&mut self, now: f64) -> String {
        self.found = self.in_memory();
        self.judge(UnixMillis(now as u64)).into()
    }

    /// Somebody else has fetched it meanwhile, perhaps.
    pub fn again(&mut self, now: f64) -> String {
        self.found = self.in_memory();
        let step = self.judge(UnixMillis(now as u64));
        if step != SERVE && step != SERVE_THEN_ASK {
            return step.into();
        }
        // RFC 9211 §2.2: it was asked of the origin, together with others.
        self.outcome = LookupOutcome::Miss(MissReason::Uri);
        self.collapsed = true;
        SERVE.into()
    }

    /// Under which name requests wait for each other; nothing, where they need not.
    pub fn flight(&self, now: f64) -> Option<String> {
        let key = self.parts.key.as_deref()?;
        let is_passed =
            ISOLATE.with_borrow(|isolate| isolate.memory.is_uncacheable(key, UnixMillis(now as u64)));
        (!is_passed).then(|| self.place())
    }

    /// The host that visitors ask.
    pub fn host(&self) -> String {
        self.parts.host.clone()
    }

    /// How long the origin may take, in milliseconds.
    pub fn patience(&self) -> u32 {
        self.parts.routes.origin_timeout_ms
    }

    /// For how long what is known of purges is trusted.
    pub fn lease(&self) -> f64 {
        self.parts.routes.lease_ms as f64
    }

    /// How many bytes of a body are stored at most.
    pub fn largest(&self) -> f64 {
        self.parts.routes.max_stored_body_bytes as f64
    }

    /// How many bytes of a body the origin gets at most.
    #[wasm_bindgen(js_name = mostBody)]
    pub fn most_body(&self) -> f64 {
        self.route().map_or(0.0, |route| route.max_body_bytes as f64)
    }

    /// Whether the origin may be asked now: `ask`, or what is to be done instead.
    pub fn admitted(&mut self, now: f64) -> String {
        let now = UnixMillis(now as u64);
        let Some(limits) = self.route().and_then(|route| route.limit) else { return ASK.into() };
        let (outcome, rate) = ISOLATE.with_borrow_mut(|isolate| {
            let new = || OriginLimiter::new(limits, now);
            let limiter = isolate.limiters.entry(self.parts.index).or_insert_with(new);
            (limiter.admit(now), limiter.rate())
        });
        let Err(wait) = outcome else {
            self.is_admitted = true;
            return ASK.into();
        };
        self.parts.decision_log.record(DecisionReason::OriginLimited { rate: rate as u32 });
        self.retry_after = Some(wait);
        self.failure = (503, "the origin fails or is slow, and is spared for now: try again");
        self.failed_with(now).into()
    }

    /// What is likely to be asked for next; nothing, where nothing is.
    pub fn ahead(&mut self) -> Option<Array> {
        let next = std::mem::take(&mut self.next);
        (!next.is_empty()).then(|| next.into_iter().map(JsValue::from).collect())
    }

    /// How many likely next pages may be fetched in a minute.
    #[wasm_bindgen(js_name = predictPerMinute)]
    pub fn predict_per_minute(&self) -> u32 {
        self.parts.routes.predict_per_minute
    }

    /// What to ask the origin: the address, the method and the fields. From here on purges count.
    pub fn ask(&mut self, now: f64) -> Array {
        let stamp = ISOLATE.with_borrow(|isolate| isolate.purge_view.purge_seq());
        self.asked = (stamp, UnixMillis(now as u64));
        let mut headers = self.parts.forwarded.headers.clone();
        if self.outcome == LookupOutcome::Bypass || self.parts.key.is_none() {
            // Everything of the visitor's goes along.
        } else {
            for (name, value) in &self.conditions {
                headers.set(name, value);
            }
        }
        if let Some(trace) = &self.trace {
            headers.set("traceparent", &trace.traceparent());
        }
        // What is written into cannot be compressed on the way.
        if self.route().is_some_and(|route| route.inject.is_some()) {
            headers.remove("accept-encoding");
        }
        Array::of3(
            &self.parts.target.as_str().into(),
            &self.parts.forwarded.method.as_str().into(),
            &pairs(&headers),
        )
    }

    /// What to ask the origin that nobody else gets the answer of.
    #[wasm_bindgen(js_name = askAlone)]
    pub fn ask_alone(&mut self, now: f64) -> Array {
        self.outcome = LookupOutcome::Bypass;
        self.conditions.clear();
        self.or_stale = false;
        let asked = self.ask(now);
        if self.parts.key.is_some() {
            let mut headers = self.parts.forwarded.headers.clone();
            for name in ["range", "if-range", "if-none-match", "if-modified-since"] {
                if let Some(value) = self.parts.request.headers.joined(name) {
                    headers.set(name, &value);
                }
            }
            asked.set(2, pairs(&headers).into());
        }
        asked
    }

    /// The origin answers.
    pub fn answered(&mut self, status: u16, head: &str, now: f64) -> String {
        let now = UnixMillis(now as u64);
        let (stamp, requested) = self.asked;
        self.origin_took = Some(now.0.saturating_sub(requested.0));
        let answer = ResponseHead { status, headers: Headers::parse(head), requested, received: now };
        self.answered = Some(answer.clone());
        self.settle(status >= 500 || status == 429, now);
        if !(200..=599).contains(&status) {
            self.failure = (502, "the origin answered with a status that is none");
            return self.failed_with(now).into();
        }
        if answer.headers.size() > MAX_HEADER_BYTES {
            self.failure = (502, "the origin's fields are longer than can be passed on");
            return self.failed_with(now).into();
        }
        // RFC 9112 §6.1: what is still in a coding that was for the hop is nobody's body.
        if answer
            .headers
            .members("transfer-encoding")
            .iter()
            .any(|name| !name.eq_ignore_ascii_case("chunked"))
        {
            self.failure = (502, "the origin's body is in a transfer coding that is not known here");
            return self.failed_with(now).into();
        }
        if self.parts.key.is_none() || self.outcome == LookupOutcome::Bypass {
            return SEND.into();
        }
        if status == 304 {
            return self.still(&answer, stamp).into();
        }
        if matches!(status, 500 | 502..=504) && self.or_stale {
            self.stand_in(now);
            return SERVE.into();
        }
        let request = &self.parts.forwarded;
        self.keeps = storable_entry(request, &answer, &self.parts.rules, stamp, &mut self.parts.decision_log);
        if let Some(stored) = &mut self.keeps
            && let Some(route) = self.parts.routes.routes.get(self.parts.index)
        {
            stored.tags.extend(route.tags_for_path(&self.parts.path));
        }
        if self.keeps.is_some() {
            return STORE.into();
        }
        // Who asks for it next need not wait for somebody else's answer. An error passes sooner.
        if status < 500
            && let Some(key) = &self.parts.key
        {
            ISOLATE.with_borrow_mut(|isolate| isolate.memory.mark_uncacheable(key, now));
        }
        SEND.into()
    }

    /// The origin did not answer in time (504), or not at all (502), or the body was too long (413).
    pub fn failed(&mut self, status: u16, now: f64) -> String {
        self.failure = match status {
            504 => (504, "the origin did not answer in time"),
            413 => (413, "the body is longer than may be sent here"),
            _ => (502, "the origin did not answer"),
        };
        let now = UnixMillis(now as u64);
        self.origin_took = Some(now.0.saturating_sub(self.asked.1.0));
        self.settle(status != 413, now);
        self.failed_with(now).into()
    }

    /// The answer in place of the origin's.
    pub fn refusal(&mut self, now: f64) -> Array {
        let now = UnixMillis(now as u64);
        let (status, says) = self.failure;
        let (cache_status, timing) = self.signs(now, None);
        self.count(now, status, 0);
        let retry_after = self.retry_after.map(|seconds| seconds.to_string());
        let mut fields = vec![("cache-status", &*cache_status), ("server-timing", &*timing)];
        fields.extend(retry_after.as_deref().map(|seconds| ("retry-after", seconds)));
        Array::from(&problem_response(status, says, &fields))
    }

    /// The answer from what is stored: status, fields, body, and what is of this moment: age, Cache-Status
    /// and Server-Timing, a line each.
    pub fn answer(&mut self, now: f64) -> Array {
        let now = UnixMillis(now as u64);
        let Some(entry) = self.found.clone() else { return self.refusal(now.0 as f64) };
        entry.record_use();
        let (cache_status, timing) = self.signs(now, entry.stored.headers.joined("cache-status"));
        let request = &self.parts.request;
        let stored = &entry.stored;
        let length = entry.body.length();
        let is_whole = stored.status == 200;
        let mut status = stored.status;
        let mut body: JsValue = entry.body.clone().into();
        let fields: JsValue;
        if is_whole && is_not_modified(&request.headers, &stored.headers) {
            (status, body, fields) = (304, JsValue::NULL, self.bare(&entry));
        } else {
            let part = match is_whole && request.method == "GET" {
                true => select_range(&request.headers, &stored.headers, length.into()),
                false => BodyRange::Full,
            };
            match part {
                BodyRange::Full => fields = self.template(&entry),
                BodyRange::Bytes { start, end } => {
                    let mut headers = stored.headers.clone();
                    self.dress(&mut headers);
                    headers
                        .set("content-range", &format!("bytes {start}-{}/{length}", end.saturating_sub(1)));
                    let at = |byte: u64| u32::try_from(byte).unwrap_or(u32::MAX);
                    body = entry.body.subarray(at(start), at(end)).into();
                    (status, fields) = (206, own(&headers).into());
                }
                BodyRange::Unsatisfiable => {
                    let mut headers = not_modified_headers(&stored.headers);
                    self.dress(&mut headers);
                    headers.set("content-range", &format!("bytes */{length}"));
                    (status, body, fields) = (416, JsValue::NULL, own(&headers).into());
                }
            }
        }
        if request.method == "HEAD" || matches!(status, 204 | 205 | 304) {
            body = JsValue::NULL;
        }
        let bytes = body.dyn_ref::<Uint8Array>().map_or(0, |body| u64::from(body.length()));
        self.count(now, status, bytes);
        let moment = format!("{}\n{cache_status}\n{timing}", stored.age(now));
        Array::of4(&status.into(), &fields, &body, &moment.into())
    }

    /// The head of the origin's answer as the visitor gets it: status, fields. 304, where the visitor has
    /// it already.
    pub fn head(&mut self, now: f64) -> Array {
        let now = UnixMillis(now as u64);
        let answer = self.response();
        let is_known = self.keeps.is_some()
            && answer.status == 200
            && is_not_modified(&self.parts.request.headers, &answer.headers);
        let mut headers =
            if is_known { not_modified_headers(&answer.headers) } else { answer.headers.clone() };
        let (length, age) = (headers.joined("content-length"), headers.joined("age"));
        let (cache_status, timing) = self.signs(now, headers.joined("cache-status"));
        self.dress(&mut headers);
        headers.set("cache-status", &cache_status);
        headers.append("server-timing", &timing);
        if let Some(age) = age {
            headers.set("age", &age);
        }
        // A HEAD has the length of what it does not bring.
        if self.parts.request.method == "HEAD"
            && let Some(length) = length
        {
            headers.set("content-length", &length);
        }
        // What is kept is counted when it is whole; of the rest, the word of the origin is taken.
        let length = answer.headers.first("content-length").filter(|_| self.keeps.is_none());
        let status = if is_known { 304 } else { answer.status };
        let counted = self.count(now, status, length.and_then(|text| text.parse().ok()).unwrap_or(0));
        self.counted = (self.keeps.is_some() && !is_known).then_some(counted);
        Array::of2(&status.into(), &pairs(&headers))
    }

    /// What is written into an HTML answer, if anything is.
    pub fn injection(&mut self) -> Option<String> {
        let site = self.route()?.inject.clone()?;
        let answer = self.answered.as_mut()?;
        let is_html = answer.headers.first("content-type").is_some_and(|kind| {
            let kind = kind.split(';').next().unwrap_or_default().trim();
            kind.eq_ignore_ascii_case("text/html")
        });
        if !is_html
            || answer.status != 200
            || answer.headers.has("content-encoding")
            || self.parts.request.method != "GET"
        {
            return None;
        }
        let nonce = nonce(&answer.headers).map(|nonce| format!(" nonce=\"{nonce}\"")).unwrap_or_default();
        // It is no longer the origin's to the byte.
        for headers in
            std::iter::once(&mut answer.headers).chain(self.keeps.as_mut().map(|kept| &mut kept.headers))
        {
            for name in
                ["content-length", "content-digest", "repr-digest", "digest", "content-md5", "accept-ranges"]
            {
                headers.remove(name);
            }
            if let Some(etag) =
                headers.first("etag").filter(|etag| !etag.starts_with("W/")).map(|etag| format!("W/{etag}"))
            {
                headers.set("etag", &etag);
            }
        }
        Some(format!(
            "<script type=\"module\"{nonce}>import {{ start }} from \"/v1/client.js\"; start({{ endpoint: \"/v1/vitals\", site: \"{site}\" }});</script>"
        ))
    }

    /// How many bytes the body has by its own word; below 0 where there is none.
    pub fn promised(&self) -> f64 {
        let length = self.answered.as_ref().and_then(|answer| answer.headers.first("content-length"));
        length.and_then(|text| text.parse::<u32>().ok()).map_or(-1.0, f64::from)
    }

    /// Whether a name should be made for the body, for the origin gave none.
    #[wasm_bindgen(js_name = wantsEtag)]
    pub fn wants_etag(&self) -> bool {
        self.keeps.as_ref().is_some_and(|kept| kept.status == 200 && !kept.headers.has("etag"))
    }

    /// The body is whole: it is kept. What stands before it in the lower tiers, for how many seconds they
    /// keep it, and for how many it is fresh.
    pub fn store(&mut self, body: Uint8Array, etag: Option<String>) -> JsValue {
        if let Some((route, answer)) = self.counted.take() {
            traffic_collector::add_bytes(self.site(), &route, &answer, body.length().into());
        }
        let Some(mut stored) = self.keeps.take() else { return JsValue::UNDEFINED };
        if let Some(etag) = etag {
            stored.headers.set("etag", &etag);
            stored.etag_is_ours = true;
        }
        let entry = self.remember(stored, body);
        self.found = Some(entry);
        self.is_new = true;
        self.sealed()
    }

    /// Whether others find it in memory. What memory has no room for, they find below, once it is there.
    #[wasm_bindgen(js_name = isRemembered)]
    pub fn is_remembered(&self) -> bool {
        self.in_memory().is_some()
    }

    /// The envelope of what is in memory, its places, for how long, and whether KV gets it: after a 304, the lower tiers get it too.
    pub fn sealed(&self) -> JsValue {
        let Some(entry) = self.found.as_ref().filter(|_| self.is_new) else { return JsValue::UNDEFINED };
        let rules = &self.parts.rules;
        let extra = rules.stale_while_revalidate.max(rules.stale_if_error);
        let seal = entry.stored.encode_head(entry.body.length());
        let key = self.parts.key.clone().unwrap_or_default();
        let all: [JsValue; 6] = [
            Uint8Array::from(seal.as_slice()).into(),
            (entry.stored.retention_seconds(extra) as f64).into(),
            entry.stored.is_for_kv().into(),
            self.place().into(),
            key.into(),
            entry.body.clone().into(),
        ];
        all.into_iter().collect::<Array>().into()
    }

    /// The body did not come whole, or was too long: nothing is kept.
    pub fn spoilt(&mut self, now: f64) {
        self.keeps = None;
        if let Some(key) = &self.parts.key {
            ISOLATE.with_borrow_mut(|isolate| isolate.memory.mark_uncacheable(key, UnixMillis(now as u64)));
        }
    }

    /// What a write makes void (RFC 9111 §4.4): addresses, as the clock takes them.
    pub fn voids(&self) -> Option<String> {
        let answer = self.answered.as_ref()?;
        let is_write = self.parts.request.is_unsafe() && (200..400).contains(&answer.status);
        let route = self.route()?;
        if !is_write || route.bypass {
            return None;
        }
        let base = worker::Url::parse(&self.url()).ok()?;
        let named =
            ["location", "content-location"].into_iter().filter_map(|name| answer.headers.first(name));
        let mut addresses: Vec<String> = named
            .filter_map(|text| base.join(text).ok())
            // RFC 9111 §4.4: of another origin, it has nothing to say.
            .filter(|url| url.origin() == base.origin())
            .chain(std::iter::once(base.clone()))
            .map(|url| {
                let (_, route) =
                    self.parts.routes.find_route(&self.parts.host, url.path()).unwrap_or((0, route));
                format!(
                    "{}{}{}",
                    self.parts.host,
                    url.path(),
                    route.keyed_query(url.query().unwrap_or_default())
                )
            })
            .collect();
        addresses.sort();
        addresses.dedup();
        ISOLATE.with_borrow_mut(|isolate| {
            addresses.iter().for_each(|address| isolate.memory.evict_url(address))
        });
        let what = addresses.into_iter().map(crate::edge::purge_clock::PurgeItem::Url).collect();
        serde_json::to_string(&crate::edge::purge_clock::PurgeRequest {
            targets: what,
            mode: cache::purge::PurgeMode::Hard,
        })
        .ok()
    }

    /// The decision in sentences, as JSON.
    pub fn explain(&self, step: &str, now: f64) -> String {
        let now = UnixMillis(now as u64);
        let stored = self.found.as_ref().map(|entry| {
            let CacheEntry { status, tags, purge_seq: stamp, .. } = &entry.stored;
            serde_json::json!({
                "status": status, "age": entry.stored.age(now), "lifetime": entry.stored.freshness.lifetime,
                "tags": tags, "stamp": stamp, "bytes": entry.body.length(), "tier": self.tier,
            })
        });
        let because: Vec<String> = self.parts.decision_log.iter().map(ToString::to_string).collect();
        let pattern = self.route().map(|route| route.path.as_str());
        let limit = self.route().and_then(|route| route.limit).map(|limits| {
            let rate = ISOLATE.with_borrow(|isolate| isolate.limiters.get(&self.parts.index).map(OriginLimiter::rate));
            serde_json::json!({ "rate": rate.unwrap_or(limits.max_rate), "least": limits.min_rate, "most": limits.max_rate })
        });
        serde_json::json!({
            "url": self.url(), "route": pattern, "origin": self.parts.target, "key": self.parts.key,
            "does": step, "because": because, "stored": stored, "limit": limit,
        })
        .to_string()
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if self.is_admitted {
            ISOLATE.with_borrow_mut(|isolate| {
                if let Some(limiter) = isolate.limiters.get_mut(&self.parts.index) {
                    limiter.abandon();
                }
            });
        }
    }
}

impl Visit {
    fn still(&mut self, answer: &ResponseHead, stamp: u64) -> &'static str {
        let Some(entry) = self.found.clone().filter(|_| !self.conditions.is_empty()) else {
            self.failure = (502, "the origin says that something holds that it was not asked about");
            return REFUSE;
        };
        let request = &self.parts.forwarded;
        let rules = &self.parts.rules;
        match apply_not_modified(&entry.stored, request, answer, rules, stamp, &mut self.parts.decision_log) {
            RevalidationOutcome::Updated(stored) => {
                self.found = Some(self.remember(*stored, entry.body.clone()));
                self.is_new = true;
                self.outcome = LookupOutcome::Revalidated;
                SERVE
            }
            RevalidationOutcome::UseOnce(stored) => {
                self.found = Some(Rc::new(MemoryEntry::new(*stored, entry.body.clone(), self.url())));
                SERVE
            }
            RevalidationOutcome::Mismatch => {
                self.found = None;
                self.conditions.clear();
                FETCH
            }
        }
    }

    fn failed_with(&mut self, now: UnixMillis) -> &'static str {
        if self.or_stale && self.found.is_some() && self.failure.0 != 413 {
            self.stand_in(now);
            return SERVE;
        }
        self.has_failed = true;
        REFUSE
    }

    fn stand_in(&mut self, now: UnixMillis) {
        if let Some(entry) = &self.found {
            let _ =
                can_serve_stale_on_error(&entry.stored, &self.parts.rules, now, &mut self.parts.decision_log);
        }
        self.outcome = LookupOutcome::Stale;
        self.tier = "stale-if-error";
    }

    /// The fields of an answer that is served as it is stored: made once, and copied from then on.
    fn template(&self, entry: &MemoryEntry) -> JsValue {
        entry.response_headers.get_or_init(|| self.made(entry.stored.headers.clone())).clone().into()
    }

    /// The same of a 304.
    fn bare(&self, entry: &MemoryEntry) -> JsValue {
        entry
            .not_modified_headers
            .get_or_init(|| self.made(not_modified_headers(&entry.stored.headers)))
            .clone()
            .into()
    }

    fn made(&self, mut headers: Headers) -> web_sys::Headers {
        self.dress(&mut headers);
        own(&headers)
    }
}

/// What is answered to a request that brings no proof.
pub(crate) fn challenge_response(site: &str, method: &str, turned: AuthChallenge) -> JsValue {
    let cache_status = ("cache-status", "edge-vitals; detail=require");
    match turned {
        AuthChallenge::Redirect(place) => {
            record_rejection(site, method, 302, "require");
            problem_response(302, "this wants to be logged in", &[("location", &place), cache_status])
        }
        AuthChallenge::Unauthorized(challenge) => {
            record_rejection(site, method, 401, "require");
            let says = "this address wants a proof of who asks, which is missing or wrong";
            problem_response(401, says, &[("www-authenticate", &challenge), cache_status])
        }
    }
}

fn record_rejection(site: &str, method: &str, status: u16, detail: &str) {
    let (method, class) = (Method::from_name(method), StatusClass::from_status(status));
    let answer =
        ResponseClass { method, status_class: class, cache: CacheStatus::Bypass, detail: detail.to_owned() };
    let route = REFUSED_ROUTE;
    traffic_collector::record(
        site,
        &ResponseRecord { route, class: answer, bytes: 0, edge_ms: 0, origin_ms: None, queries: &[] },
    );
}

/// What is answered to a request that gets no further: nobody has asked the cache.
pub(crate) fn rejection_response(site: &str, method: &str, refusal: &cache::RequestRejection) -> JsValue {
    record_rejection(site, method, refusal.status(), refusal.code());
    let cache_status = format!("edge-vitals; detail={}", refusal.code());
    let mut fields = vec![("cache-status", &*cache_status)];
    if let cache::RequestRejection::MethodNotAllowed { allow } = refusal {
        fields.push(("allow", allow));
    }
    problem_response(refusal.status(), &refusal.message(), &fields)
}

const fn cached(outcome: LookupOutcome) -> CacheStatus {
    match outcome {
        LookupOutcome::Hit => CacheStatus::Hit,
        LookupOutcome::Stale => CacheStatus::Stale,
        LookupOutcome::Miss(_) | LookupOutcome::Revalidated => CacheStatus::Miss,
        LookupOutcome::Bypass => CacheStatus::Bypass,
    }
}

/// An answer of our own: status, fields, body.
pub(crate) fn problem_response(status: u16, says: &str, fields: &[(&str, &str)]) -> JsValue {
    let mut headers: Headers = fields.iter().copied().collect();
    headers.append("content-type", "application/problem+json");
    headers.append("cache-control", "no-store");
    headers.append("x-content-type-options", "nosniff");
    let body = serde_json::json!({ "status": status, "detail": says }).to_string();
    Array::of3(&status.into(), &pairs(&headers), &body.into()).into()
}

/// Fields as JavaScript has them.
fn own(headers: &Headers) -> web_sys::Headers {
    let own = web_sys::Headers::new().unwrap_or_else(|_| JsValue::UNDEFINED.unchecked_into());
    for (name, value) in headers.iter() {
        let _ = own.append(name, value);
    }
    own
}

/// Fields as a list of pairs.
fn pairs(headers: &Headers) -> Array {
    headers.iter().map(|(name, value)| Array::of2(&name.into(), &value.into())).collect()
}

/// The nonce that the page's policy lets scripts run by.
fn nonce(headers: &Headers) -> Option<String> {
    let policy = headers.joined("content-security-policy")?;
    let at = policy.find("'nonce-")?;
    let nonce: String = policy.get(at + 7..)?.chars().take_while(|char| *char != '\'').collect();
    let is_sound = nonce.chars().all(|char| char.is_ascii_alphanumeric() || "+/=-_".contains(char));
    is_sound.then_some(nonce)
}

/// As what is counted that is not there, and what was refused: random paths make no routes.
const NOT_FOUND: &str = "(not found)";
const REFUSED_ROUTE: &str = "(refused)";
/// As long as the platform's own limit for an answer's fields.
const MAX_HEADER_BYTES: usize = 128 * 1024;
