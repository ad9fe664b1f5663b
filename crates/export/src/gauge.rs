//! Gauges: health, backlog, last beacon and memory.

use wire::UnixMillis;

use crate::family::MetricName;

/// A current value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gauge {
    /// The health score, from 0 to 100.
    Health(u8),
    /// Closed windows that the backend has not received.
    Backlog(u64),
    /// The time of the last beacon.
    LastBeaconAt(UnixMillis),
    /// Bytes of the memory of WebAssembly.
    Memory(u64),
}

impl Gauge {
    pub(crate) const fn describe(self) -> (MetricName, &'static str, f64) {
        match self {
            Self::Health(score) => (
                MetricName { prometheus: "edge_vitals_health_score", otel: "edge_vitals.health", unit: "1" },
                "The health of the site, from 0 to 100.",
                score as f64,
            ),
            Self::Backlog(windows) => (
                MetricName {
                    prometheus: "edge_vitals_push_backlog",
                    otel: "edge_vitals.push.backlog",
                    unit: "{window}",
                },
                "Closed windows that the backend has not received.",
                windows as f64,
            ),
            Self::LastBeaconAt(at) => (
                MetricName {
                    prometheus: "edge_vitals_last_beacon_timestamp_seconds",
                    otel: "edge_vitals.last_beacon",
                    unit: "s",
                },
                "Time of the last beacon, in seconds since the Unix epoch.",
                at.0 as f64 / 1000.0,
            ),
            Self::Memory(bytes) => (
                MetricName { prometheus: "edge_vitals_memory_bytes", otel: "edge_vitals.memory", unit: "By" },
                "Bytes of the WebAssembly memory of the coordinator, without the heap of JavaScript. It never shrinks.",
                bytes as f64,
            ),
        }
    }
}
