//! Traces of the edge: the `traceparent` header (W3C Trace Context, level 1) in and out, and the spans as an
//! OTLP/HTTP JSON `ExportTraceServiceRequest` to post to `/v1/traces`. The shell provides random numbers and the
//! time, and sends the body.

use serde_json::{Value, json};
use wire::UnixMillis;

use crate::otlp::{attribute, nanos};

/// The position of a request in a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// 32 hexadecimal digits.
    trace_id: String,
    /// 16 hexadecimal digits: the parent span, if the trace was started by a caller.
    parent_id: Option<String>,
    /// 16 hexadecimal digits: the span of this request.
    span_id: String,
    /// `true` if the trace is recorded, here and downstream.
    pub is_sampled: bool,
}

/// The span of a request at the edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestSpan {
    /// The position in the trace.
    pub context: TraceContext,
    /// The site.
    pub site: String,
    /// The route template.
    pub route: String,
    /// The method.
    pub method: &'static str,
    /// The status of the response.
    pub status: u16,
    /// The cache status.
    pub cache: &'static str,
    /// The time of the request.
    pub start: UnixMillis,
    /// The time of the response.
    pub end: UnixMillis,
    /// Milliseconds of the origin; `None` if it was not contacted.
    pub origin_ms: Option<u64>,
}

impl TraceContext {
    /// Continues the trace of a valid `traceparent`, with its sampling decision, or starts a new one of which the
    /// share `sample_rate` is recorded. `random` are any random numbers.
    #[must_use]
    pub fn from_traceparent(traceparent: Option<&str>, sample_rate: f64, random: [u64; 3]) -> Self {
        let [high, low, span] = random.map(|number| number.max(1));
        let span = format!("{span:016x}");
        match traceparent.and_then(parse_traceparent) {
            Some((trace, parent, is_sampled)) => Self {
                trace_id: trace.to_owned(),
                parent_id: Some(parent.to_owned()),
                span_id: span,
                is_sampled,
            },
            None => {
                let is_sampled =
                    (high >> 11) as f64 / (1_u64 << 53) as f64 <= sample_rate && sample_rate > 0.0;
                Self {
                    trace_id: format!("{high:016x}{low:016x}"),
                    parent_id: None,
                    span_id: span,
                    is_sampled,
                }
            }
        }
    }

    /// Returns the `traceparent` for the origin, whose spans are children of this one.
    #[must_use]
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace_id, self.span_id, u8::from(self.is_sampled))
    }
}

/// Trace Context §3.2.2: later versions are read as far as known, and ids of only zeros are invalid.
fn parse_traceparent(field: &str) -> Option<(&str, &str, bool)> {
    let field = field.trim();
    let mut parts = field.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_nonzero = |text: &str| text.bytes().any(|byte| byte != b'0');
    let is_valid = is_hex(version, 2)
        && version != "ff"
        && (version != "00" || parts.next().is_none())
        && is_hex(trace, 32)
        && is_nonzero(trace)
        && is_hex(parent, 16)
        && is_nonzero(parent)
        && is_hex(flags, 2);
    let flags = u8::from_str_radix(flags, 16).ok()?;
    is_valid.then_some((trace, parent, flags & 1 == 1))
}

/// Returns the request body.
#[must_use]
pub fn body(spans: &[RequestSpan], version: &str) -> Value {
    let spans: Vec<Value> = spans.iter().map(span).collect();
    json!({
        "resourceSpans": [{
            "resource": { "attributes": [
                attribute("service.name", "edge-vitals"),
                attribute("service.version", version),
            ] },
            "scopeSpans": [{ "scope": { "name": "edge-vitals", "version": version }, "spans": spans }],
        }],
    })
}

fn span(span: &RequestSpan) -> Value {
    let TraceContext { trace_id: trace, parent_id: parent, span_id: id, .. } = &span.context;
    let mut attributes = vec![
        attribute("http.request.method", span.method),
        attribute("http.route", &span.route),
        attribute("edge_vitals.site", &span.site),
        attribute("edge_vitals.cache", span.cache),
        json!({ "key": "http.response.status_code", "value": { "intValue": span.status.to_string() } }),
    ];
    if let Some(origin_ms) = span.origin_ms {
        attributes
            .push(json!({ "key": "edge_vitals.origin_ms", "value": { "intValue": origin_ms.to_string() } }));
    }
    // Semantic conventions: a server span is an error for 5xx only.
    let status = if span.status >= 500 { json!({ "code": 2 }) } else { json!({}) };
    json!({
        "traceId": trace,
        "spanId": id,
        "parentSpanId": parent.as_deref().unwrap_or_default(),
        "name": format!("{} {}", span.method, span.route),
        // SPAN_KIND_SERVER; OTLP/JSON writes enums as numbers.
        "kind": 2,
        "startTimeUnixNano": nanos(span.start),
        "endTimeUnixNano": nanos(span.end),
        "attributes": attributes,
        "status": status,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    #[test]
    fn an_incoming_trace_is_continued() {
        for (flags, is_sampled) in [("01", true), ("00", false), ("03", true), ("fe", false)] {
            let context = TraceContext::from_traceparent(
                Some(&format!("00-{TRACE}-{PARENT}-{flags}")),
                1.0,
                [1, 2, 0xabc],
            );
            let expect = format!("00-{TRACE}-0000000000000abc-0{}", u8::from(is_sampled));
            assert_eq!((context.traceparent(), context.is_sampled), (expect, is_sampled));
            assert_eq!(context.parent_id.as_deref(), Some(PARENT));
        }
        // A later version may have more fields.
        let later =
            TraceContext::from_traceparent(Some(&format!("cc-{TRACE}-{PARENT}-01-more")), 0.0, [1, 2, 3]);
        assert_eq!(later.trace_id, TRACE);
    }

    #[test]
    fn an_invalid_traceparent_starts_a_new_trace() {
        let zeros = "0".repeat(32);
        for wrong in [
            String::new(),
            TRACE.to_owned(),
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("00-{TRACE}-{PARENT}-01-more"),
            format!("00-{TRACE}-{PARENT}"),
            format!("00-{zeros}-{PARENT}-01"),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}é-{PARENT}-01"),
            format!("00-{TRACE}-{PARENT}-1"),
        ] {
            let context = TraceContext::from_traceparent(Some(&wrong), 0.0, [7, 8, 9]);
            let expect = "00-00000000000000070000000000000008-0000000000000009-00";
            assert_eq!((context.traceparent().as_str(), context.parent_id), (expect, None), "{wrong}");
        }
    }

    #[test]
    fn new_traces_are_sampled_at_the_given_rate() {
        let sampled = |sample_rate: f64| {
            // Evenly spread numbers.
            let numbers = (0..1000_u64).map(|index| index * (u64::MAX / 1000));
            numbers
                .filter(|number| {
                    TraceContext::from_traceparent(None, sample_rate, [*number, 1, 1]).is_sampled
                })
                .count()
        };
        assert_eq!((sampled(0.0), sampled(1.0)), (0, 1000));
        assert!((240..=260).contains(&sampled(0.25)), "{}", sampled(0.25));
        assert!(
            !TraceContext::from_traceparent(None, 1.0, [0, 0, 0]).traceparent().contains(&"0".repeat(17))
        );
    }
}
