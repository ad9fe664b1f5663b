//! Google Analytics 4: the vitals of a view as events of the Measurement Protocol. Nothing that names a
//! visitor goes along: the client's id is that of the page load, and is gone with it.

use serde_json::{Value, json};
use wire::{Metric, Rating, UnixMillis};

use crate::sampled_view::SampledView;

/// The body for one view; none when it measured nothing, or is too old to be taken.
#[must_use]
pub fn body(view: &SampledView, now: UnixMillis) -> Option<Value> {
    let events: Vec<Value> = view.values.iter().map(|(metric, value)| event(view, metric, value)).collect();
    if events.is_empty() || now.0.saturating_sub(view.start.0) > MAX_AGE_MS {
        return None;
    }
    Some(json!({
        "client_id": view.derive_id("client", 32),
        "timestamp_micros": view.start.0.saturating_mul(1000).to_string(),
        "non_personalized_ads": true,
        "events": events,
    }))
}

/// As web-vitals' own example for Analytics names them; `value` is whole, as Analytics' sums are.
fn event(view: &SampledView, metric: Metric, value: u32) -> Value {
    let exact = f64::from(value) / metric.wire_scale();
    let rating = match metric.rate(exact) {
        Rating::Good => "good",
        Rating::NeedsImprovement => "needs-improvement",
        Rating::Poor => "poor",
    };
    let mut event = json!({
        "name": metric.name(),
        "params": {
            // CLS in thousandths.
            "value": if metric == Metric::Cls { value.div_ceil(10) } else { value },
            "metric_id": view.derive_id("metric", 32),
            "metric_value": exact,
            "metric_rating": rating,
            "navigation_type": view.navigation.name(),
            "device": view.device.name(),
            "route": truncate(&view.route),
        },
    });
    if let (Some(release), Some(params)) =
        (&view.release, event.get_mut("params").and_then(Value::as_object_mut))
    {
        params.insert("release".into(), truncate(release).into());
    }
    event
}

/// A parameter's value has at most 100 characters.
fn truncate(text: &str) -> String {
    text.chars().take(100).collect()
}

/// Analytics takes events of up to three days ago.
const MAX_AGE_MS: u64 = 3 * 86_400_000;
