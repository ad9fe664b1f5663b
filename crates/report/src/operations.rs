//! The operator's part of the health document: memory, queues, push, origin and alerts.

use ledger::outbox::{Circuit, OutboxStatus};
use serde::{Deserialize, Serialize};
use wire::UnixMillis;

use crate::origin_check::OriginCheck;

/// What the machinery does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Operations {
    /// `on`, or `stopped` where somebody has asked that nothing be counted.
    pub monitoring: String,
    /// The memory of the module.
    pub memory: MemoryUsage,
    /// How much waits, and where.
    pub queues: QueueDepths,
    /// Each backend that windows are pushed to.
    pub push: Vec<BackendStatus>,
    /// The origin's own health, where it is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<OriginCheck>,
    /// Alerts that are raised, and those of them that are critical.
    pub alerts: AlertCounts,
}

/// The memory of the module in the first shard's isolate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MemoryUsage {
    /// Bytes.
    pub bytes: u64,
    /// Bytes that an isolate may have.
    pub limit: u64,
    /// The share, in percent.
    pub percent: f64,
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct QueueDepths {
    /// Views of the first shard that are not counted yet.
    pub journal: u64,
    /// Documents that wait to be pushed.
    pub push: u64,
    /// Documents that were put aside.
    #[serde(rename = "parked")]
    pub dead_letters: u64,
    /// Notices that a channel has not taken yet.
    pub notices: u64,
}

/// A backend, as the push knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BackendStatus {
    /// By which it is known.
    pub name: String,
    /// `closed`, `open` or `probing`.
    pub circuit: String,
    /// Until when nothing is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_until: Option<UnixMillis>,
    /// Documents that wait.
    pub waiting: u64,
    /// When the window began that has waited longest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<UnixMillis>,
    /// What is wrong, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(rename = "trouble")]
    pub error: Option<String>,
    /// The last delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastDelivery>,
    /// Documents that were put aside.
    #[serde(rename = "parked")]
    pub dead_letters: Vec<DeadLetterSummary>,
}

/// A document that arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LastDelivery {
    /// Its `Idempotency-Key`.
    pub key: String,
    /// When its receipt came.
    pub at: UnixMillis,
}

/// A document that was put aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeadLetterSummary {
    /// Its number, by which it is sent again.
    pub seq: u64,
    /// Its `Idempotency-Key`.
    pub key: String,
    /// The backend's answer.
    pub status: u16,
    /// When it came.
    pub at: UnixMillis,
}

/// Alerts that are raised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AlertCounts {
    /// All of them.
    pub raised: u64,
    /// The critical ones.
    pub critical: u64,
}

impl BackendStatus {
    /// A backend of that name.
    #[must_use]
    pub fn new(name: String, site: &str, pushed: OutboxStatus) -> Self {
        let (circuit, open_until) = match pushed.circuit {
            Circuit::Closed => ("closed", None),
            Circuit::Open { until } => ("open", Some(until)),
            Circuit::Probing => ("probing", None),
        };
        let dead_letters = pushed.dead_letters.into_iter().filter_map(|entry| {
            let parked = entry.dead_letter?;
            Some(DeadLetterSummary {
                seq: entry.seq,
                key: entry.idempotency_key(site),
                status: parked.status,
                at: parked.at,
            })
        });
        Self {
            name,
            circuit: circuit.to_owned(),
            open_until,
            waiting: pushed.waiting as u64,
            oldest: pushed.oldest.map(|window| window.start),
            error: pushed.error.map(|trouble| trouble.to_string()),
            last: pushed.last_delivery.map(|last| LastDelivery { key: last.key, at: last.at }),
            dead_letters: dead_letters.collect(),
        }
    }
}

impl MemoryUsage {
    /// So many bytes of those that an isolate may have.
    #[must_use]
    pub fn from_bytes(bytes: u64) -> Self {
        Self {
            bytes,
            limit: ISOLATE_MEMORY_BYTES,
            percent: 100.0 * bytes as f64 / ISOLATE_MEMORY_BYTES as f64,
        }
    }
}

/// 128 MB, as the platform has it.
const ISOLATE_MEMORY_BYTES: u64 = 128 * 1024 * 1024;
