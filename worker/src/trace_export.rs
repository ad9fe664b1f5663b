//! Spans of the edge on their way to the OpenTelemetry collector. Each is sent at most once. `export::trace`
//! parses `traceparent` and writes the spans.

use std::cell::RefCell;

use export::config::OtlpConfig;
use export::trace::{self, RequestSpan, TraceContext};
use worker::Env;
use worker::js_sys::Math;

use crate::config::Config;
use crate::outbound;

/// Reads the configuration, once.
pub(crate) fn init(env: &Env) {
    BUFFER.with_borrow_mut(|buffer| {
        if buffer.collector.is_none() {
            let collector = Config::load(env).ok().and_then(|config| config.exports.otlp.clone());
            buffer.collector = Some(collector.filter(|collector| collector.trace_sample_rate > 0.0));
        }
    });
}

/// Returns the trace context of a request with that header; `None` if tracing is off.
pub(crate) fn begin(traceparent: Option<&str>) -> Option<TraceContext> {
    let share = BUFFER.with_borrow(|buffer| {
        buffer.collector.as_ref()?.as_ref().map(|collector| collector.trace_sample_rate)
    })?;
    // `random` has 52 bits: two halves make all 64 random.
    let random = || ((Math::random() * 2f64.powi(32)) as u64) << 32 | (Math::random() * 2f64.powi(32)) as u64;
    Some(TraceContext::from_traceparent(traceparent, share, [random(), random(), random()]))
}

/// Buffers a span. The buffer is bounded, because any visitor may request a trace.
pub(crate) fn buffer_span(span: RequestSpan) {
    BUFFER.with_borrow_mut(|buffer| {
        if buffer.spans.len() < MAX_BUFFERED_SPANS {
            buffer.spans.push(span);
        }
    });
}

/// Sends the buffered spans.
pub(crate) async fn flush() {
    let (collector, spans) = BUFFER
        .with_borrow_mut(|buffer| (buffer.collector.clone().flatten(), std::mem::take(&mut buffer.spans)));
    let Some(collector) = collector.filter(|_| !spans.is_empty()) else { return };
    let body = trace::body(&spans, env!("CARGO_PKG_VERSION")).to_string();
    let own = collector.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let fields: Vec<(&str, &str)> = own.chain([("content-type", "application/json")]).collect();
    match outbound::post(&collector.traces_url, &fields, body.into(), EXPORT_TIMEOUT_MS).await {
        Ok(response) if (200..300).contains(&response.status) => {}
        Ok(response) => {
            worker::console_error!("OpenTelemetry collector returned {} to traces", response.status)
        }
        Err(error) => worker::console_error!("traces not sent to the OpenTelemetry collector: {error}"),
    }
}

#[derive(Default)]
struct TraceBuffer {
    /// `None` before it was read; `Some(None)` without a collector.
    collector: Option<Option<OtlpConfig>>,
    spans: Vec<RequestSpan>,
}

thread_local! {
    // Plain data: nothing in it belongs to a request.
    static BUFFER: RefCell<TraceBuffer> = RefCell::default();
}

const MAX_BUFFERED_SPANS: usize = 200;
const EXPORT_TIMEOUT_MS: u32 = 10_000;
