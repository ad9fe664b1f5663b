//! Spans of the edge, on their way from an isolate to a collector of OpenTelemetry. What a `traceparent` says
//! and how spans are written is `insight::export::trace`'s. A span that does not arrive is not sent again.

use std::cell::RefCell;

use insight::export::outlets::Otlp;
use insight::export::trace::{self, Context, Span};
use worker::Env;
use worker::js_sys::Math;

use crate::config::Config;
use crate::post;

/// Reads once whether this deployment traces.
pub(crate) fn learn(env: &Env) {
    KEPT.with_borrow_mut(|kept| {
        if kept.outlet.is_none() {
            let outlet = Config::of(env).ok().and_then(|config| config.outlets.otlp.clone());
            kept.outlet = Some(outlet.filter(|outlet| outlet.share > 0.0));
        }
    });
}

/// Where a request stands that comes with that field; nothing where nobody traces.
pub(crate) fn begun(traceparent: Option<&str>) -> Option<Context> {
    let share = KEPT.with_borrow(|kept| kept.outlet.as_ref()?.as_ref().map(|outlet| outlet.share))?;
    // 52 random bits in two of them make every digit random.
    let random = || ((Math::random() * 2f64.powi(32)) as u64) << 32 | (Math::random() * 2f64.powi(32)) as u64;
    Some(Context::of(traceparent, share, [random(), random(), random()]))
}

/// Keeps a span until it is sent. A visitor may ask for a trace of each request: there is room for so many.
pub(crate) fn note(span: Span) {
    KEPT.with_borrow_mut(|kept| {
        if kept.spans.len() < MOST_SPANS {
            kept.spans.push(span);
        }
    });
}

/// Sends what was kept.
pub(crate) async fn send() {
    let (outlet, spans) =
        KEPT.with_borrow_mut(|kept| (kept.outlet.clone().flatten(), std::mem::take(&mut kept.spans)));
    let Some(outlet) = outlet.filter(|_| !spans.is_empty()) else { return };
    let body = trace::body(&spans, env!("CARGO_PKG_VERSION")).to_string();
    let own = outlet.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let fields: Vec<(&str, &str)> = own.chain([("content-type", "application/json")]).collect();
    match post::post(&outlet.traces, &fields, body.into(), PATIENCE).await {
        Ok(answered) if (200..300).contains(&answered.status) => {}
        Ok(answered) => worker::console_error!("the collector answers {} to traces", answered.status),
        Err(error) => worker::console_error!("the collector does not take traces: {error}"),
    }
}

#[derive(Default)]
struct Kept {
    /// Not read yet; not there; there.
    outlet: Option<Option<Otlp>>,
    spans: Vec<Span>,
}

thread_local! {
    // Plain data: nothing in it belongs to a request.
    static KEPT: RefCell<Kept> = RefCell::default();
}

const MOST_SPANS: usize = 200;
const PATIENCE: u32 = 10_000;
