//! Spans of the edge, on their way from an isolate to a collector of OpenTelemetry. What a `traceparent` says
//! and how spans are written is `export::trace`'s. A span that does not arrive is not sent again.

use std::cell::RefCell;

use export::config::OtlpConfig;
use export::trace::{self, RequestSpan, TraceContext};
use worker::Env;
use worker::js_sys::Math;

use crate::config::Config;
use crate::outbound;

/// Reads once whether this deployment traces.
pub(crate) fn init(env: &Env) {
    KEPT.with_borrow_mut(|kept| {
        if kept.collector.is_none() {
            let outlet = Config::load(env).ok().and_then(|config| config.exports.otlp.clone());
            kept.collector = Some(outlet.filter(|outlet| outlet.trace_sample_rate > 0.0));
        }
    });
}

/// Where a request stands that comes with that field; nothing where nobody traces.
pub(crate) fn begin(traceparent: Option<&str>) -> Option<TraceContext> {
    let share =
        KEPT.with_borrow(|kept| kept.collector.as_ref()?.as_ref().map(|outlet| outlet.trace_sample_rate))?;
    // 52 random bits in two of them make every digit random.
    let random = || ((Math::random() * 2f64.powi(32)) as u64) << 32 | (Math::random() * 2f64.powi(32)) as u64;
    Some(TraceContext::from_traceparent(traceparent, share, [random(), random(), random()]))
}

/// Keeps a span until it is sent. A visitor may ask for a trace of each request: there is room for so many.
pub(crate) fn buffer_span(span: RequestSpan) {
    KEPT.with_borrow_mut(|kept| {
        if kept.spans.len() < MAX_BUFFERED_SPANS {
            kept.spans.push(span);
        }
    });
}

/// Sends what was kept.
pub(crate) async fn flush() {
    let (outlet, spans) =
        KEPT.with_borrow_mut(|kept| (kept.collector.clone().flatten(), std::mem::take(&mut kept.spans)));
    let Some(outlet) = outlet.filter(|_| !spans.is_empty()) else { return };
    let body = trace::body(&spans, env!("CARGO_PKG_VERSION")).to_string();
    let own = outlet.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let fields: Vec<(&str, &str)> = own.chain([("content-type", "application/json")]).collect();
    match outbound::post(&outlet.traces_url, &fields, body.into(), EXPORT_TIMEOUT_MS).await {
        Ok(answered) if (200..300).contains(&answered.status) => {}
        Ok(answered) => worker::console_error!("the collector answers {} to traces", answered.status),
        Err(error) => worker::console_error!("the collector does not take traces: {error}"),
    }
}

#[derive(Default)]
struct TraceBuffer {
    /// Not read yet; not there; there.
    collector: Option<Option<OtlpConfig>>,
    spans: Vec<RequestSpan>,
}

thread_local! {
    // Plain data: nothing in it belongs to a request.
    static KEPT: RefCell<TraceBuffer> = RefCell::default();
}

const MAX_BUFFERED_SPANS: usize = 200;
const EXPORT_TIMEOUT_MS: u32 = 10_000;
