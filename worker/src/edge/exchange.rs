//! The exchange as JavaScript drives it: each method translates an event for `cache::Exchange`, and its
//! answer into an opcode or a record. Responses are recorded here, for the statistics and for traces.

use std::rc::Rc;

use cache::{
    CacheEntry, ENVELOPE_PREFIX_BYTES, EnvelopeHeader, Exchange, ExchangeEvent, ExchangeRecord,
    ExchangeRejection, ForwardedBytes, Headers, MemoryEntry, OriginError, REJECTED_ROUTE, SelectedBody,
    SelectedHeaders, SharedState, Step, StoredResponse, Tier, UnixMillis,
};
use export::trace::{RequestSpan, TraceContext};
use traffic::{OriginOutcome, RequestMethod, ResponseClass, ResponseRecord, StatusClass, origin_name};
use wire::beacon::CacheStatus;
use worker::js_sys::Uint8Array;
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::{Env, wasm_bindgen, web_sys};

use crate::clock::random_seed;
use crate::config::Config;
use crate::edge::isolate::{ISOLATE, StoredBody};
use crate::edge::records::{
    ForwardedHead, OriginRequest, ReadyResponse, TierWrite, error_response, to_js_headers,
};
use crate::rejection_counter::UNKNOWN_SITE;
use crate::{trace_export, traffic_collector};

/// One request's way through the cache.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[derive(Debug)]
pub struct CacheExchange {
    exchange: Exchange<StoredBody>,
    sites: Rc<[String]>,
    trace: Option<TraceContext>,
    /// The route and class of a response that was recorded before its body was complete.
    pending_bytes: Option<(String, ResponseClass)>,
}

impl CacheExchange {
    pub(crate) const fn new(
        exchange: Exchange<StoredBody>,
        sites: Rc<[String]>,
        trace: Option<TraceContext>,
    ) -> Self {
        Self { exchange, sites, trace, pending_bytes: None }
    }

    /// Returns the response if memory alone has it.
    pub(crate) fn respond_from_memory(&mut self, now: UnixMillis) -> Option<ReadyResponse> {
        if !with_shared(|shared| self.exchange.try_memory(now, shared)) {
            return None;
        }
        let response = self.stored_response(now.0 as f64);
        let prefetches = self.exchange.take_prefetches();
        if !prefetches.is_empty() {
            response.set_prefetches(prefetches);
        }
        Some(response)
    }

    /// Issues the page token of a document, if its site uses tokens.
    pub(crate) fn issue_page_token(&mut self, env: &Env, now: UnixMillis) {
        let token = Config::load(env).ok().and_then(|config| {
            let nonce = (random_seed() << 11) ^ random_seed();
            config.page_token(self.site(), now, nonce)
        });
        if let Some(token) = token {
            self.exchange.set_page_token(token);
        }
    }

    fn handle(&mut self, event: ExchangeEvent<StoredBody>, now: f64) -> u8 {
        with_shared(|shared| self.exchange.handle(event, UnixMillis(now as u64), shared)).opcode()
    }

    /// Sends the trace context to the origin.
    fn propagate_trace(&mut self) {
        if let Some(trace) = &self.trace {
            self.exchange.set_traceparent(trace.traceparent());
        }
    }

    fn site(&self) -> &str {
        self.sites.get(self.exchange.route_index()).map_or(UNKNOWN_SITE, String::as_str)
    }

    /// Records a response for the statistics, the metrics and the trace.
    fn record(&mut self, status: u16, bytes: u64, now: UnixMillis) -> (String, ResponseClass) {
        with_shared(|shared| self.exchange.observe(status, now, shared, ledger::derive_template));
        let record = self.exchange.record(status, now);
        let route = record.route.name(ledger::derive_template);
        let class = response_class(&record);
        if let Some(context) = self.trace.clone().filter(|context| context.is_sampled) {
            trace_export::buffer_span(RequestSpan {
                context,
                site: self.site().to_owned(),
                route: route.clone(),
                method: class.method.name(),
                status,
                cache: class.cache.name(),
                start: record.started_at,
                end: now.max(record.started_at),
                origin_ms: record.origin_ms,
            });
        }
        traffic_collector::record(
            self.site(),
            &ResponseRecord {
                route: &route,
                class: class.clone(),
                bytes,
                edge_ms: record.edge_ms,
                origin_ms: record.origin_ms,
                queries: &record.queries,
            },
        );
        (route, class)
    }

    /// Records a request to the origin for the statistics; those of revalidations have no response of their own.
    fn record_origin_request(&self, outcome: OriginOutcome, status: Option<u16>) {
        let Some(route) = self.exchange.route() else { return };
        let name = self.exchange.recorded_route(status).name(ledger::derive_template);
        traffic_collector::record_origin_request(
            self.site(),
            &name,
            origin_name(route.origin.as_str()),
            outcome,
        );
    }

    /// Returns the header fields of a stored response. Those that every client gets are made once for
    /// each entry; JavaScript copies them.
    fn select_headers(&self, response: &StoredResponse<StoredBody>) -> web_sys::Headers {
        let StoredResponse { found, headers, .. } = response;
        let make = |make: fn(&Exchange<StoredBody>, &MemoryEntry<StoredBody>) -> Headers| {
            to_js_headers(&make(&self.exchange, found))
        };
        match headers {
            SelectedHeaders::Full => {
                found.body.full_headers.get_or_init(|| make(Exchange::full_headers)).clone()
            }
            SelectedHeaders::NotModified => {
                let headers = &found.body.not_modified_headers;
                headers.get_or_init(|| make(Exchange::not_modified_headers)).clone()
            }
            SelectedHeaders::Range(headers) => to_js_headers(headers),
        }
    }
}

#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
impl CacheExchange {
    // Events. Each returns the opcode of a step.

    /// The request is to be looked up.
    pub fn start(&mut self, now: f64) -> u8 {
        self.handle(ExchangeEvent::Started, now)
    }

    /// A tier below memory has this under the storage key. Anything but a whole envelope counts as nothing.
    #[wasm_bindgen(js_name = tierEntryFound)]
    pub fn tier_entry_found(&mut self, tier: u8, envelope: &Uint8Array, now: f64) -> u8 {
        let found = Tier::from_opcode(tier).zip(decode_envelope(envelope));
        let Some((tier, (entry, body))) = found else { return Step::Lookup.opcode() };
        let (entry, body_length) = (Box::new(entry), body.length());
        let body = StoredBody::new(body);
        self.handle(ExchangeEvent::TierEntryFound { tier, entry, body, body_length }, now)
    }

    /// No tier below memory has the entry.
    #[wasm_bindgen(js_name = tiersExhausted)]
    pub fn tiers_exhausted(&mut self, now: f64) -> u8 {
        self.handle(ExchangeEvent::TiersExhausted, now)
    }

    /// Another request's fetch of the entry is complete.
    #[wasm_bindgen(js_name = fillLanded)]
    pub fn fill_landed(&mut self, now: f64) -> u8 {
        self.handle(ExchangeEvent::FillLanded, now)
    }

    /// The origin is about to be requested.
    #[wasm_bindgen(js_name = originNeeded)]
    pub fn origin_needed(&mut self, now: f64) -> u8 {
        self.handle(ExchangeEvent::OriginNeeded, now)
    }

    /// The head of the origin's response arrived.
    #[wasm_bindgen(js_name = originResponded)]
    pub fn origin_responded(&mut self, status: u16, head: &str, now: f64) -> u8 {
        self.record_origin_request(OriginOutcome::from_status(status), Some(status));
        self.handle(ExchangeEvent::OriginResponded { status, headers: Headers::parse(head) }, now)
    }

    /// The request to the origin ended without a response.
    #[wasm_bindgen(js_name = originFailed)]
    pub fn origin_failed(&mut self, error: u8, now: f64) -> u8 {
        let error = OriginError::from_opcode(error).unwrap_or(OriginError::Unreachable);
        if error.is_of_origin() {
            self.record_origin_request(OriginOutcome::Unreachable, None);
        }
        self.handle(ExchangeEvent::OriginFailed(error), now)
    }

    /// The body of a storable response is complete.
    #[wasm_bindgen(js_name = bodyComplete)]
    pub fn body_complete(&mut self, body: Uint8Array, etag: Option<String>, now: f64) -> u8 {
        let body_length = body.length();
        let body = StoredBody::new(body);
        let step = self.handle(ExchangeEvent::BodyComplete { body, body_length, etag }, now);
        if step == Step::WriteTiers.opcode()
            && let Some((route, class)) = self.pending_bytes.take()
        {
            traffic_collector::add_bytes(self.site(), &route, &class, body_length.into());
        }
        step
    }

    /// The body of a storable response was cut short or is too long.
    #[wasm_bindgen(js_name = bodyAborted)]
    pub fn body_aborted(&mut self, now: f64) -> u8 {
        self.handle(ExchangeEvent::BodyAborted, now)
    }

    // Inputs of steps.

    #[wasm_bindgen(js_name = originRequest)]
    pub fn origin_request(&mut self, now: f64) -> OriginRequest {
        self.propagate_trace();
        let request = with_shared(|shared| self.exchange.origin_request(UnixMillis(now as u64), shared));
        OriginRequest::new(&request.url, &request.method, &to_js_headers(&request.headers))
    }

    #[wasm_bindgen(js_name = passRequest)]
    pub fn pass_request(&mut self, now: f64) -> OriginRequest {
        self.propagate_trace();
        let request = with_shared(|shared| self.exchange.pass_request(UnixMillis(now as u64), shared));
        OriginRequest::new(&request.url, &request.method, &to_js_headers(&request.headers))
    }

    #[wasm_bindgen(js_name = storedResponse)]
    pub fn stored_response(&mut self, now: f64) -> ReadyResponse {
        let at = UnixMillis(now as u64);
        let Some(response) = self.exchange.stored_response(at) else { return self.error_response(now) };
        let bytes = &response.found.body.bytes;
        let (body, length) = match response.body {
            SelectedBody::Full => (bytes.clone().into(), response.found.body_length),
            SelectedBody::Range { start, end } => {
                (bytes.subarray(start, end).into(), end.saturating_sub(start))
            }
            SelectedBody::Empty => (JsValue::NULL, 0),
        };
        self.record(response.status, length.into(), at);
        let StoredResponse { age, cache_status, server_timing, .. } = &response;
        let varying = format!("{age}\n{cache_status}\n{server_timing}");
        ReadyResponse::new(response.status, &self.select_headers(&response), &body, Some(varying))
    }

    #[wasm_bindgen(js_name = errorResponse)]
    pub fn error_response(&mut self, now: f64) -> ReadyResponse {
        let now = UnixMillis(now as u64);
        let response = self.exchange.error_response(now);
        self.record(response.status, 0, now);
        error_response(&response)
    }

    #[wasm_bindgen(js_name = forwardedHead)]
    pub fn forwarded_head(&mut self, now: f64) -> ForwardedHead {
        let now = UnixMillis(now as u64);
        let head = self.exchange.forwarded_head(now);
        match head.bytes {
            ForwardedBytes::Declared(bytes) => drop(self.record(head.status, bytes, now)),
            ForwardedBytes::Pending => self.pending_bytes = Some(self.record(head.status, 0, now)),
        }
        ForwardedHead::new(head.status, &to_js_headers(&head.headers))
    }

    /// The element to write into the head of an HTML response.
    pub fn injection(&mut self) -> Option<String> {
        self.exchange.injection()
    }

    #[wasm_bindgen(js_name = tierWrite)]
    pub fn tier_write(&self) -> Option<TierWrite> {
        let write = self.exchange.tier_write()?;
        let storage_key = with_shared(|shared| self.exchange.storage_key(shared));
        let head = Uint8Array::from(write.envelope_head.as_slice());
        let body = &write.found.body.bytes;
        let retention_seconds = write.retention_seconds as f64;
        Some(TierWrite::new(&head, body, &storage_key, &write.key, retention_seconds, write.is_for_kv))
    }

    /// Invalidates what a successful write demands (RFC 9111 §4.4). Returns the milliseconds until the
    /// batch of marks is to be sent, if this request is to send it.
    pub fn invalidate(&self, now: f64) -> Option<f64> {
        let now = UnixMillis(now as u64);
        with_shared(|shared| self.exchange.invalidate(now, shared)).map(|delay| delay as f64)
    }

    /// The decision in sentences, as JSON.
    pub fn explain(&self, step: u8, now: f64) -> String {
        let step = Step::from_opcode(step).unwrap_or(Step::Done);
        let now = UnixMillis(now as u64);
        with_shared(|shared| self.exchange.explain(step, now, shared)).to_string()
    }

    /// The URLs of pages that are worth prefetching.
    #[wasm_bindgen(js_name = takePrefetches)]
    pub fn take_prefetches(&mut self) -> Option<Vec<String>> {
        Some(self.exchange.take_prefetches()).filter(|urls| !urls.is_empty())
    }

    // Questions.

    #[wasm_bindgen(js_name = needsPurgeSync)]
    pub fn needs_purge_sync(&self, now: f64) -> bool {
        with_shared(|shared| self.exchange.needs_purge_sync(UnixMillis(now as u64), shared))
    }

    #[wasm_bindgen(js_name = needsEtag)]
    pub fn needs_etag(&self, body_length: u32) -> bool {
        self.exchange.needs_etag(body_length)
    }

    #[wasm_bindgen(js_name = isInMemory)]
    pub fn is_in_memory(&self) -> bool {
        with_shared(|shared| self.exchange.is_in_memory(shared))
    }

    /// The key under which every tier has the entry.
    #[wasm_bindgen(js_name = storageKey)]
    pub fn storage_key(&self) -> String {
        with_shared(|shared| self.exchange.storage_key(shared))
    }

    /// The key under which concurrent fetches are collapsed into one, if they are.
    #[wasm_bindgen(js_name = fillKey)]
    pub fn fill_key(&self, now: f64) -> Option<String> {
        with_shared(|shared| self.exchange.fill_key(UnixMillis(now as u64), shared))
    }

    #[wasm_bindgen(getter)]
    pub fn host(&self) -> String {
        self.exchange.host().to_owned()
    }

    #[wasm_bindgen(getter, js_name = leaseMs)]
    pub fn lease_ms(&self) -> f64 {
        self.exchange.config().lease_ms as f64
    }

    #[wasm_bindgen(getter, js_name = originTimeoutMs)]
    pub fn origin_timeout_ms(&self) -> u32 {
        self.exchange.config().origin_timeout_ms
    }

    #[wasm_bindgen(getter, js_name = maxStoredBodyBytes)]
    pub fn max_stored_body_bytes(&self) -> f64 {
        self.exchange.config().max_stored_body_bytes as f64
    }

    #[wasm_bindgen(getter, js_name = maxRequestBodyBytes)]
    pub fn max_request_body_bytes(&self) -> f64 {
        self.exchange.route().map_or(0.0, |route| route.max_body_bytes as f64)
    }

    #[wasm_bindgen(getter, js_name = prefetchesPerMinute)]
    pub fn prefetches_per_minute(&self) -> u32 {
        self.exchange.config().predict_per_minute
    }
}

impl Drop for CacheExchange {
    fn drop(&mut self) {
        with_shared(|shared| self.exchange.abandon(shared));
    }
}

/// Records a request that was rejected before the cache was asked, and returns its response.
pub(crate) fn rejection_response(
    sites: &[String],
    method: &str,
    rejection: &ExchangeRejection,
) -> ReadyResponse {
    let site = sites.get(rejection.route_index).map_or(UNKNOWN_SITE, String::as_str);
    let class = ResponseClass {
        method: RequestMethod::from_name(method),
        status_class: StatusClass::from_status(rejection.response.status),
        cache: CacheStatus::Bypass,
        detail: rejection.detail.to_owned(),
    };
    let route = REJECTED_ROUTE;
    let record = ResponseRecord { route, class, bytes: 0, edge_ms: 0, origin_ms: None, queries: &[] };
    traffic_collector::record(site, &record);
    error_response(&rejection.response)
}

/// Splits an envelope into its entry and its body. The head alone is copied into Rust's memory.
fn decode_envelope(envelope: &Uint8Array) -> Option<(CacheEntry, Uint8Array)> {
    let length = envelope.length();
    let prefix = envelope.subarray(0, u32::try_from(ENVELOPE_PREFIX_BYTES).ok()?).to_vec();
    let header = EnvelopeHeader::parse(&prefix).filter(|header| header.is_complete(length as usize))?;
    let body_offset = u32::try_from(header.body_offset).ok()?;
    let (entry, _) = CacheEntry::decode(&envelope.subarray(0, body_offset).to_vec())?;
    Some((entry, envelope.slice(body_offset, length)))
}

fn response_class(record: &ExchangeRecord<'_>) -> ResponseClass {
    ResponseClass {
        method: RequestMethod::from_name(record.method),
        status_class: StatusClass::from_status(record.status),
        cache: record.cache,
        detail: record.detail.to_owned(),
    }
}

fn with_shared<T>(run: impl FnOnce(&mut SharedState<StoredBody>) -> T) -> T {
    ISOLATE.with_borrow_mut(|isolate| run(&mut isolate.shared))
}
