//! The requests that the Worker sends to a shard, and their replies. A request is one byte of version, the length
//! of its JSON in four bytes, the JSON, and an attachment for the two requests that carry binary statistics. A
//! reply is in the version of its request.

use std::collections::BTreeMap;

use alerting::Silence;
use alerting::alert_document::{AcknowledgeRequest, UnsilenceRequest};
use archive::Cursor;
use auth::audit::{AuditEntry, NumberedEntry};
use export::Totals;
use ledger::{HourlyLimitCounts, QueryResult, SeriesQuery};
use report::budget_watch::WatchOutcome;
use report::cause_report::{CauseQuery, PageCauses};
use report::health_inputs::CoordinatorStatus;
use report::operations::BackendStatus;
use report::push_document::PushRetryRequest;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sites::{Registry, RegistryChange, RegistryError, RegistryOutcome};
use traffic::{BatchHeader, TrafficStats, TrafficWindows};
use wire::lab::LabResult;
use wire::live::LiveDelta;
use wire::{UnixMillis, WindowSpan};

pub(crate) use crate::shard_reply::{ArchiveReply, HistoryResult, Merge, ProtocolError, ShardReply};

/// A request with its type of reply.
pub(crate) trait ShardCall {
    /// The reply.
    type Reply: ShardReply;

    /// Wraps the request for sending.
    fn into_request(self) -> ShardRequest;

    /// Encodes a reply to this request.
    fn reply(&self, reply: Self::Reply) -> Result<Vec<u8>, ProtocolError> {
        reply.encode()
    }
}

/// A request to the coordinator of a site, with its type of reply.
pub(crate) trait CoordinatorCall {
    /// The reply.
    type Reply: ShardReply;

    /// Wraps the request for sending.
    fn into_request(self) -> CoordinatorRequest;

    /// Encodes a reply to this request.
    fn reply(&self, reply: Self::Reply) -> Result<Vec<u8>, ProtocolError> {
        reply.encode()
    }
}

/// Declares an enum of requests; each variant holds the type of the same name and has one type of reply.
macro_rules! requests {
    ($(#[$enum_doc:meta])* $request:ident, $call:ident: $($(#[$doc:meta])* $name:ident -> $reply:ty,)+) => {
        $(#[$enum_doc])*
        #[derive(Debug, Serialize, Deserialize)]
        pub(crate) enum $request {
            $($(#[$doc])* $name($name),)+
        }

        #[cfg(test)]
        impl $request {
            /// The names of all variants.
            pub(crate) const NAMES: &[&str] = &[$(stringify!($name)),+];
        }

        $(impl $call for $name {
            type Reply = $reply;

            fn into_request(self) -> $request {
                $request::$name(self)
            }
        })+
    };
}

requests! {
    /// A request to any shard.
    ShardRequest, ShardCall:
    /// Read series.
    RunQuery -> QueryResult,
    /// Read the views of the last days against their limits.
    ReadLimitCounts -> HourlyLimitCounts,
    /// Evaluate the sequential tests of the site (coordinator).
    EvaluateWatches -> Vec<WatchOutcome>,
    /// Read the causes of slow views.
    CauseQuery -> Vec<PageCauses>,
    /// Send live counts to the coordinator from now on.
    StartForwarding -> (),
    /// Publish live counts of another shard; the reply is the number of listeners (coordinator).
    RelayLiveCounts -> usize,
    /// Add rejected beacons (coordinator).
    AddRejections -> (),
    /// Add statistics of responses.
    AddTraffic -> (),
    /// Read statistics of responses.
    TrafficQuery -> TrafficWindows,
    /// Start or stop the counting of beacons.
    SetMonitoring -> (),
    /// Do everything that is due.
    Wake -> (),
    /// Read a page of the shard's backup.
    ReadBackup -> ArchiveReply,
    /// Restore a page of a backup.
    RestorePage -> ArchiveReply,
    /// Erase the shard.
    Erase -> (),
    /// A request that concerns the whole site (coordinator).
    CoordinatorMessage -> Vec<u8>,
}

requests! {
    /// A request that only the coordinator of a site replies to.
    CoordinatorRequest, CoordinatorCall:
    /// Read the state of queues, backends, origin and alerts.
    ReadStatus -> CoordinatorStatus,
    /// Read the state of the push.
    ReadPushStatus -> Vec<BackendStatus>,
    /// Send dead letters again; the reply is their number.
    PushRetryRequest -> usize,
    /// Read the results of lab runs.
    ReadLabResults -> Vec<LabResult>,
    /// Store results of lab runs; the reply is their number.
    StoreLabResults -> usize,
    /// Read the totals for export.
    ReadTotals -> Totals,
    /// Read the status history.
    HistoryQuery -> HistoryResult,
    /// Read the alerts.
    ReadAlerts -> Value,
    /// Acknowledge an alert; the reply is false if it is not raised.
    AcknowledgeRequest -> bool,
    /// Silence alerts; the reply is the number of the silence, or `None` if there are too many.
    Silence -> Option<u64>,
    /// End a silence; the reply is false if there is none of that number.
    UnsilenceRequest -> bool,
    /// Append a management call to the audit log.
    RecordAudit -> (),
    /// Read the audit log, the newest first.
    ReadAudit -> Vec<NumberedEntry>,
    /// Read the sites and tokens that calls have created (the object of the deployment).
    ReadRegistry -> Registry,
    /// Create, change or remove some (the object of the deployment).
    ChangeRegistry -> Result<RegistryOutcome, RegistryError>,
}

/// A query over the series of a shard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RunQuery {
    pub(crate) query: SeriesQuery,
    /// Read budgets.json before, however recently it was read.
    pub(crate) with_latest_budgets: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ReadLimitCounts;

/// The page after that row; the first one without it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReadBackup {
    pub(crate) shard: u32,
    pub(crate) shards: u32,
    pub(crate) after: Option<Cursor>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RestorePage {
    pub(crate) shard: u32,
    pub(crate) shards: u32,
    pub(crate) text: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Erase;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReadRegistry;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ChangeRegistry {
    pub(crate) change: RegistryChange,
}

/// The counts of all shards, to evaluate the site by.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct EvaluateWatches {
    /// Sent as the attachment.
    #[serde(skip)]
    pub(crate) counts: HourlyLimitCounts,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StartForwarding {
    pub(crate) site: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RelayLiveCounts(pub(crate) LiveDelta);

/// Rejections by reason.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AddRejections(pub(crate) BTreeMap<String, u64>);

/// A batch of an isolate's statistics.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AddTraffic {
    pub(crate) header: BatchHeader,
    /// Sent as the attachment.
    #[serde(skip)]
    pub(crate) traffic: TrafficStats,
}

/// Windows of a span; where only longer ones are kept, those. A window that overlaps the range is included.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct TrafficQuery {
    pub(crate) span: WindowSpan,
    pub(crate) from: UnixMillis,
    pub(crate) to: UnixMillis,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SetMonitoring {
    pub(crate) is_on: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Wake {
    /// Set for the coordinator, which has more to do.
    pub(crate) coordinated_site: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CoordinatorMessage {
    pub(crate) site: String,
    pub(crate) request: CoordinatorRequest,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ReadStatus {
    /// The arrival of the last beacon at any shard.
    pub(crate) last_beacon_at: Option<UnixMillis>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ReadPushStatus;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ReadLabResults;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StoreLabResults(pub(crate) Vec<LabResult>);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ReadTotals;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct HistoryQuery {
    pub(crate) from: UnixMillis,
    pub(crate) to: UnixMillis,
    pub(crate) with_incidents: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ReadAlerts;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RecordAudit(pub(crate) AuditEntry);

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct ReadAudit {
    /// Only calls with lower numbers.
    pub(crate) before: Option<u64>,
    pub(crate) limit: usize,
}

impl ShardRequest {
    /// Encodes the request.
    pub(crate) fn encode(self) -> Result<Vec<u8>, ProtocolError> {
        let json = serde_json::to_vec(&self)?;
        let length = u32::try_from(json.len()).map_err(|_| ProtocolError::Malformed)?;
        let mut bytes = vec![VERSION];
        bytes.extend(length.to_be_bytes());
        bytes.extend(json);
        match self {
            Self::EvaluateWatches(EvaluateWatches { counts }) => {
                bytes.extend(counts.encode().map_err(|_| ProtocolError::Malformed)?)
            }
            Self::AddTraffic(AddTraffic { traffic, .. }) => {
                bytes.extend(traffic.encode().map_err(|_| ProtocolError::Malformed)?)
            }
            Self::RunQuery(_)
            | Self::ReadLimitCounts(_)
            | Self::CauseQuery(_)
            | Self::StartForwarding(_)
            | Self::RelayLiveCounts(_)
            | Self::AddRejections(_)
            | Self::TrafficQuery(_)
            | Self::SetMonitoring(_)
            | Self::Wake(_)
            | Self::ReadBackup(_)
            | Self::RestorePage(_)
            | Self::Erase(_)
            | Self::CoordinatorMessage(_) => {}
        }
        Ok(bytes)
    }

    /// Decodes a request of this version.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, ProtocolError> {
        let (version, rest) = bytes.split_first().ok_or(ProtocolError::Malformed)?;
        if *version != VERSION {
            return Err(ProtocolError::UnsupportedVersion(*version));
        }
        let (length, rest) = rest.split_first_chunk::<4>().ok_or(ProtocolError::Malformed)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| ProtocolError::Malformed)?;
        let (json, attachment) = rest.split_at_checked(length).ok_or(ProtocolError::Malformed)?;
        let json = std::str::from_utf8(json).map_err(|_| ProtocolError::Malformed)?;
        let mut request = serde_json::from_str(json)?;
        match &mut request {
            Self::EvaluateWatches(EvaluateWatches { counts }) => {
                *counts = HourlyLimitCounts::decode(attachment).map_err(|_| ProtocolError::Malformed)?;
            }
            Self::AddTraffic(AddTraffic { traffic, .. }) => {
                *traffic = TrafficStats::decode(attachment).map_err(|_| ProtocolError::Malformed)?;
            }
            Self::RunQuery(_)
            | Self::ReadLimitCounts(_)
            | Self::CauseQuery(_)
            | Self::StartForwarding(_)
            | Self::RelayLiveCounts(_)
            | Self::AddRejections(_)
            | Self::TrafficQuery(_)
            | Self::SetMonitoring(_)
            | Self::Wake(_)
            | Self::ReadBackup(_)
            | Self::RestorePage(_)
            | Self::Erase(_)
            | Self::CoordinatorMessage(_) => {}
        }
        Ok(request)
    }
}

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use traffic::RouteStats;

    use super::*;

    fn traffic() -> AddTraffic {
        let header = BatchHeader { isolate: "a".into(), number: 7, at: UnixMillis(1) };
        let mut traffic = TrafficStats::default();
        traffic.routes.insert("/".into(), RouteStats::default());
        AddTraffic { header, traffic }
    }

    #[test]
    fn statistics_travel_as_an_attachment() {
        let bytes = traffic().into_request().encode().expect("encodable");
        match ShardRequest::decode(&bytes) {
            Ok(ShardRequest::AddTraffic(decoded)) => {
                assert_eq!((decoded.header, decoded.traffic), (traffic().header, traffic().traffic));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn another_version_or_a_truncated_message_is_an_error() {
        let bytes = traffic().into_request().encode().expect("encodable");
        let mut newer = bytes.clone();
        newer[0] = VERSION + 1;
        assert!(matches!(ShardRequest::decode(&newer), Err(ProtocolError::UnsupportedVersion(2))));
        for length in [0, 1, 4, 5, 20, bytes.len() - 1] {
            assert!(ShardRequest::decode(&bytes[..length]).is_err(), "{length} bytes");
        }
    }
}
