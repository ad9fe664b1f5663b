//! Traces of the edge: what a request's `traceparent` says (W3C Trace Context, level 1), what the origin is
//! told, and the spans as an `ExportTraceServiceRequest` of OTLP/HTTP JSON, to post to `/v1/traces`. Random
//! numbers, the clock and sending are the shell's.

use serde_json::{Value, json};
use wire::UnixMillis;

/// Where a request stands in a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// 32 hexadecimal digits.
    trace: String,
    /// 16 of them: the span before this one, if somebody has begun the trace.
    parent: Option<String>,
    /// 16 of them: this one.
    span: String,
    /// Whether it is recorded, here and behind.
    pub is_sampled: bool,
}

/// A request at the edge, as its span tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where it stands.
    pub context: Context,
    /// The site.
    pub site: String,
    /// The route template.
    pub route: String,
    /// The method.
    pub method: &'static str,
    /// The status that was answered.
    pub status: u16,
    /// What the cache did.
    pub cache: &'static str,
    /// When it came.
    pub start: UnixMillis,
    /// When it was answered.
    pub end: UnixMillis,
    /// Milliseconds that the origin took; none where it was not asked.
    pub origin: Option<u64>,
}

impl Context {
    /// The context of a request that comes with that field, if with any; `dice` are any random numbers, and
    /// `share` of the traces that begin here are recorded. Who has begun one decides for all behind.
    #[must_use]
    pub fn of(traceparent: Option<&str>, share: f64, dice: [u64; 3]) -> Self {
        let [high, low, span] = dice.map(|number| number.max(1));
        let span = format!("{span:016x}");
        match traceparent.and_then(parsed) {
            Some((trace, parent, is_sampled)) => {
                Self { trace: trace.to_owned(), parent: Some(parent.to_owned()), span, is_sampled }
            }
            None => {
                let is_sampled = (high >> 11) as f64 / (1_u64 << 53) as f64 <= share && share > 0.0;
                Self { trace: format!("{high:016x}{low:016x}"), parent: None, span, is_sampled }
            }
        }
    }

    /// The field that the origin gets: its spans are children of this one.
    #[must_use]
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace, self.span, u8::from(self.is_sampled))
    }
}

/// §3.2.2: of later versions, as much as this one knows; what is all zeros names nothing.
fn parsed(field: &str) -> Option<(&str, &str, bool)> {
    let field = field.trim();
    let mut parts = field.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_some = |text: &str| text.bytes().any(|byte| byte != b'0');
    let is_right = is_hex(version, 2)
        && version != "ff"
        && (version != "00" || parts.next().is_none())
        && is_hex(trace, 32)
        && is_some(trace)
        && is_hex(parent, 16)
        && is_some(parent)
        && is_hex(flags, 2);
    let flags = u8::from_str_radix(flags, 16).ok()?;
    is_right.then_some((trace, parent, flags & 1 == 1))
}

/// The body of one export.
#[must_use]
pub fn body(spans: &[Span], version: &str) -> Value {
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

fn span(span: &Span) -> Value {
    let Context { trace, parent, span: id, .. } = &span.context;
    let mut attributes = vec![
        attribute("http.request.method", span.method),
        attribute("http.route", &span.route),
        attribute("edge_vitals.site", &span.site),
        attribute("edge_vitals.cache", span.cache),
        json!({ "key": "http.response.status_code", "value": { "intValue": span.status.to_string() } }),
    ];
    if let Some(took) = span.origin {
        attributes.push(json!({ "key": "edge_vitals.origin_ms", "value": { "intValue": took.to_string() } }));
    }
    // Of a server's span only what is its own failure is an error.
    let status = if span.status >= 500 { json!({ "code": 2 }) } else { json!({}) };
    json!({
        "traceId": trace,
        "spanId": id,
        "parentSpanId": parent.as_deref().unwrap_or_default(),
        "name": format!("{} {}", span.method, span.route),
        // SPAN_KIND_SERVER: JSON has enums as numbers.
        "kind": 2,
        "startTimeUnixNano": nanos(span.start),
        "endTimeUnixNano": nanos(span.end),
        "attributes": attributes,
        "status": status,
    })
}

fn attribute(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn nanos(at: UnixMillis) -> String {
    (u128::from(at.0) * 1_000_000).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    #[test]
    fn a_trace_that_somebody_has_begun_goes_on() {
        for (flags, is_sampled) in [("01", true), ("00", false), ("03", true), ("fe", false)] {
            let context = Context::of(Some(&format!("00-{TRACE}-{PARENT}-{flags}")), 1.0, [1, 2, 0xabc]);
            let expect = format!("00-{TRACE}-0000000000000abc-0{}", u8::from(is_sampled));
            assert_eq!((context.traceparent(), context.is_sampled), (expect, is_sampled));
            assert_eq!(context.parent.as_deref(), Some(PARENT));
        }
        // A later version may have more.
        let later = Context::of(Some(&format!("cc-{TRACE}-{PARENT}-01-more")), 0.0, [1, 2, 3]);
        assert_eq!(later.trace, TRACE);
    }

    #[test]
    fn what_is_no_context_begins_a_trace_of_its_own() {
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
            let context = Context::of(Some(&wrong), 0.0, [7, 8, 9]);
            let expect = "00-00000000000000070000000000000008-0000000000000009-00";
            assert_eq!((context.traceparent().as_str(), context.parent), (expect, None), "{wrong}");
        }
    }

    #[test]
    fn a_share_of_the_traces_that_begin_here_is_recorded() {
        let sampled = |share: f64| {
            // Spread over all numbers, as random ones are.
            let dice = (0..1000_u64).map(|index| index * (u64::MAX / 1000));
            dice.filter(|dice| Context::of(None, share, [*dice, 1, 1]).is_sampled).count()
        };
        assert_eq!((sampled(0.0), sampled(1.0)), (0, 1000));
        assert!((240..=260).contains(&sampled(0.25)), "{}", sampled(0.25));
        assert!(!Context::of(None, 1.0, [0, 0, 0]).traceparent().contains(&"0".repeat(17)));
    }
}
