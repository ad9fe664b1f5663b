//! OTLP/HTTP in JSON: an `ExportMetricsServiceRequest` to post to `/v1/metrics`. Protobuf's JSON mapping writes
//! 64-bit integers as strings.

use serde_json::{Value, json};
use wire::UnixMillis;

use crate::families::families;
use crate::family::{LabelledSamples, MetricData, MetricFamily};
use crate::gauge::Gauge;
use crate::histogram::Histogram;
use crate::totals::Totals;

/// Returns the request body with the cumulative totals up to now.
#[must_use]
pub fn body(totals: &Totals, gauges: &[Gauge], version: &str, now: UnixMillis) -> Value {
    let span = TimeRange { from: nanos(totals.since()), to: nanos(now) };
    let metrics: Vec<Value> = families(totals, gauges).iter().map(|family| metric(family, &span)).collect();
    json!({
        "resourceMetrics": [{
            "resource": { "attributes": [
                attribute("service.name", "edge-vitals"),
                attribute("service.version", version),
                attribute("service.instance.id", totals.site()),
            ] },
            "scopeMetrics": [{ "scope": { "name": "edge-vitals", "version": version }, "metrics": metrics }],
        }],
    })
}

struct TimeRange {
    from: String,
    to: String,
}

fn metric(family: &MetricFamily, span: &TimeRange) -> Value {
    let mut metric = json!({
        "name": family.name.otel,
        "description": family.help,
        "unit": family.name.unit,
    });
    let (kind, data) = match &family.data {
        MetricData::Counter(samples) => {
            let points = points(samples, span, |value| json!({ "asInt": value.to_string() }));
            (
                "sum",
                json!({ "aggregationTemporality": CUMULATIVE, "isMonotonic": true, "dataPoints": points }),
            )
        }
        MetricData::Gauge(samples) => {
            ("gauge", json!({ "dataPoints": points(samples, span, |value| json!({ "asDouble": value })) }))
        }
        MetricData::Histogram(samples) => {
            let points = points(samples, span, histogram);
            ("histogram", json!({ "aggregationTemporality": CUMULATIVE, "dataPoints": points }))
        }
    };
    if let Some(fields) = metric.as_object_mut() {
        fields.insert(kind.into(), data);
    }
    metric
}

fn points<T>(samples: &LabelledSamples<T>, span: &TimeRange, value: impl Fn(&T) -> Value) -> Vec<Value> {
    let point = |(labels, sample): &(Vec<(&'static str, String)>, T)| {
        let mut point = value(sample);
        if let Some(fields) = point.as_object_mut() {
            let attributes = labels.iter().map(|(name, value)| attribute(name, value)).collect();
            fields.insert("attributes".into(), Value::Array(attributes));
            fields.insert("startTimeUnixNano".into(), span.from.clone().into());
            fields.insert("timeUnixNano".into(), span.to.clone().into());
        }
        point
    };
    samples.iter().map(point).collect()
}

fn histogram(histogram: &Histogram) -> Value {
    json!({
        "count": histogram.n().to_string(),
        "sum": histogram.sum,
        "bucketCounts": histogram.counts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "explicitBounds": histogram.edges,
    })
}

pub(crate) fn attribute(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

pub(crate) fn nanos(at: UnixMillis) -> String {
    (u128::from(at.0) * 1_000_000).to_string()
}

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`; OTLP/JSON writes enums as numbers.
const CUMULATIVE: u8 = 2;
