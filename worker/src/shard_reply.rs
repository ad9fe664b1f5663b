//! The replies of a shard, and their codecs.

use std::fmt;

use auth::audit::NumberedEntry;
use export::Totals;
use ledger::{HourlyLimitCounts, QueryResult};
use report::budget_watch::WatchOutcome;
use report::cause_report::PageCauses;
use report::health_inputs::CoordinatorStatus;
use report::operations::BackendStatus;
use report::status_history::StatusPeriod;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use traffic::TrafficWindows;
use wire::lab::LabResult;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct HistoryResult {
    /// The oldest first.
    pub(crate) periods: Vec<StatusPeriod>,
    /// The newest first.
    pub(crate) incidents: Vec<Value>,
    /// Incidents beyond those listed.
    pub(crate) more_incidents: u64,
}

/// A reply and its codec.
pub(crate) trait ShardReply: Sized {
    fn encode(self) -> Result<Vec<u8>, ProtocolError>;
    fn decode(bytes: Vec<u8>) -> Result<Self, ProtocolError>;
}

/// A reply that several shards give in part.
pub(crate) trait Merge: ShardReply {
    /// Adds the part of another shard.
    fn merge_with(&mut self, other: Self);
}

impl Merge for QueryResult {
    fn merge_with(&mut self, other: Self) {
        self.merge(other);
    }
}

impl Merge for HourlyLimitCounts {
    fn merge_with(&mut self, other: Self) {
        self.merge(other);
    }
}

impl Merge for TrafficWindows {
    fn merge_with(&mut self, other: Self) {
        self.merge(other);
    }
}

impl Merge for Vec<PageCauses> {
    fn merge_with(&mut self, other: Self) {
        self.extend(other);
    }
}

impl Merge for () {
    fn merge_with(&mut self, (): ()) {}
}

/// Replies with a codec of their own.
macro_rules! binary_replies {
    ($($reply:ty),+) => {
        $(impl ShardReply for $reply {
            fn encode(self) -> Result<Vec<u8>, ProtocolError> {
                Self::encode(&self).map_err(|_| ProtocolError::Malformed)
            }

            fn decode(bytes: Vec<u8>) -> Result<Self, ProtocolError> {
                Self::decode(&bytes).map_err(|_| ProtocolError::Malformed)
            }
        })+
    };
}

binary_replies!(QueryResult, TrafficWindows, Totals);

impl ShardReply for HourlyLimitCounts {
    fn encode(self) -> Result<Vec<u8>, ProtocolError> {
        Self::encode(self).map_err(|_| ProtocolError::Malformed)
    }

    fn decode(bytes: Vec<u8>) -> Result<Self, ProtocolError> {
        Self::decode(&bytes).map_err(|_| ProtocolError::Malformed)
    }
}

/// A reply that another codec has written already.
impl ShardReply for Vec<u8> {
    fn encode(self) -> Result<Vec<u8>, ProtocolError> {
        Ok(self)
    }

    fn decode(bytes: Vec<u8>) -> Result<Self, ProtocolError> {
        Ok(bytes)
    }
}

/// Replies in JSON.
macro_rules! json_replies {
    ($($reply:ty),+) => {
        $(impl ShardReply for $reply {
            fn encode(self) -> Result<Vec<u8>, ProtocolError> {
                Ok(serde_json::to_vec(&self)?)
            }

            fn decode(bytes: Vec<u8>) -> Result<Self, ProtocolError> {
                let text = std::str::from_utf8(&bytes).map_err(|_| ProtocolError::Malformed)?;
                Ok(serde_json::from_str(text)?)
            }
        })+
    };
}

json_replies!(
    (),
    bool,
    usize,
    Option<u64>,
    Value,
    CoordinatorStatus,
    HistoryResult,
    Vec<BackendStatus>,
    Vec<LabResult>,
    Vec<NumberedEntry>,
    Vec<PageCauses>,
    Vec<WatchOutcome>
);

/// A message between the Worker and a shard that cannot be read or written.
#[derive(Debug)]
pub(crate) enum ProtocolError {
    UnsupportedVersion(u8),
    Malformed,
    Json(serde_json::Error),
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnsupportedVersion(version) => {
                write!(f, "unsupported version {version} of a shard message; a deployment is under way")
            }
            Self::Malformed => f.write_str("malformed shard message"),
            Self::Json(error) => write!(f, "malformed shard message: {error}"),
        }
    }
}

impl From<serde_json::Error> for ProtocolError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

impl From<ProtocolError> for worker::Error {
    fn from(error: ProtocolError) -> Self {
        Self::RustError(error.to_string())
    }
}
