//! Google Analytics 4: the vitals of a view as events of the Measurement Protocol. No event identifies a
//! visitor: the client id is derived from the page load.

use serde_json::{Value, json};
use wire::{Metric, Rating, UnixMillis};

use crate::sampled_view::SampledView;

/// Returns the body for one view; `None` without measurements or for a view that is too old.
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

/// Names as in web-vitals' example for Analytics. `value` is an integer, because Analytics sums it.
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

/// Shortens a parameter value to Analytics' limit of 100 characters.
fn truncate(text: &str) -> String {
    text.chars().take(100).collect()
}

/// Analytics accepts events of the last three days.
const MAX_AGE_MS: u64 = 3 * 86_400_000;
