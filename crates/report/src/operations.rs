//! The operations part of the health document: memory, queues, push, origin and alerts.

use outbox::{Circuit, OutboxStatus};
use serde::{Deserialize, Serialize};
use wire::UnixMillis;

use crate::origin_check::OriginCheck;

/// The state of the deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Operations {
    /// `on`, or `stopped` while counting is switched off.
    pub monitoring: String,
    /// The memory use of the WebAssembly module.
    pub memory: MemoryUsage,
    /// The queue depths.
    pub queues: QueueDepths,
    /// The backends that windows are pushed to.
    pub push: Vec<BackendStatus>,
    /// The origin's last health check, if one is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<OriginCheck>,
    /// The raised alerts.
    pub alerts: AlertCounts,
}

/// The memory of the WebAssembly module in the coordinator's isolate. The platform does not tell of the heap of
/// JavaScript beside it, which the same limit includes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MemoryUsage {
    /// Used bytes.
    pub bytes: u64,
    /// The limit of an isolate, in bytes.
    pub limit: u64,
    /// The used share, in percent.
    pub percent: f64,
}

/// Queue depths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct QueueDepths {
    /// Views in the coordinator's journal that are not counted yet.
    pub journal: u64,
    /// Documents waiting to be sent.
    pub push: u64,
    /// Documents that a backend rejected for good.
    #[serde(rename = "parked")]
    pub dead_letters: u64,
    /// Notifications that a channel has not accepted yet.
    pub notices: u64,
}

/// The push state of a backend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BackendStatus {
    /// The name of the backend.
    pub name: String,
    /// The circuit breaker: `closed`, `open` or `probing`.
    pub circuit: String,
    /// The end of the pause while the circuit is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_until: Option<UnixMillis>,
    /// Documents waiting to be sent.
    pub waiting: u64,
    /// The start of the oldest waiting window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<UnixMillis>,
    /// The last error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(rename = "trouble")]
    pub error: Option<String>,
    /// The last delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastDelivery>,
    /// Documents that the backend rejected for good.
    #[serde(rename = "parked")]
    pub dead_letters: Vec<DeadLetterSummary>,
}

/// A delivered document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LastDelivery {
    /// Its `Idempotency-Key`.
    pub key: String,
    /// The time of the receipt.
    pub at: UnixMillis,
}

/// A rejected document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeadLetterSummary {
    /// The number for a retry.
    pub seq: u64,
    /// Its `Idempotency-Key`.
    pub key: String,
    /// The status of the backend's response.
    pub status: u16,
    /// The time of the response.
    pub at: UnixMillis,
}

/// Numbers of raised alerts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AlertCounts {
    /// All raised alerts.
    pub raised: u64,
    /// The critical alerts.
    pub critical: u64,
}

impl BackendStatus {
    /// Creates the status from the state of the outbox.
    #[must_use]
    pub fn new(name: String, site: &str, outbox: OutboxStatus) -> Self {
        let (circuit, open_until) = match outbox.circuit {
            Circuit::Closed => ("closed", None),
            Circuit::Open { until } => ("open", Some(until)),
            Circuit::Probing => ("probing", None),
        };
        let dead_letters = outbox.dead_letters.into_iter().filter_map(|entry| {
            let letter = entry.dead_letter?;
            Some(DeadLetterSummary {
                seq: entry.seq,
                key: entry.idempotency_key(site),
                status: letter.status,
                at: letter.at,
            })
        });
        Self {
            name,
            circuit: circuit.to_owned(),
            open_until,
            waiting: outbox.waiting as u64,
            oldest: outbox.oldest.map(|window| window.start),
            error: outbox.error.map(|error| error.to_string()),
            last: outbox.last_delivery.map(|last| LastDelivery { key: last.key, at: last.at }),
            dead_letters: dead_letters.collect(),
        }
    }
}

impl MemoryUsage {
    /// Relates the used bytes to the limit of an isolate.
    #[must_use]
    pub fn from_bytes(bytes: u64) -> Self {
        Self {
            bytes,
            limit: ISOLATE_MEMORY_BYTES,
            percent: 100.0 * bytes as f64 / ISOLATE_MEMORY_BYTES as f64,
        }
    }
}

/// The platform's limit of 128 MB.
const ISOLATE_MEMORY_BYTES: u64 = 128 * 1024 * 1024;
