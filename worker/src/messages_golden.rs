//! The messages between the Worker and its objects, byte for byte. During a gradual deployment a Worker of one release calls
//! objects of another, so a change of this file says that two releases have to understand both forms.

#[path = "../../crates/report/tests/golden/mod.rs"]
mod golden;

use std::collections::BTreeMap;
use std::fmt::Write;

use alerting::Silence;
use alerting::alert_document::{AcknowledgeRequest, UnsilenceRequest};
use archive::Cursor;
use auth::audit::{AuditEntry, NumberedEntry};
use cache::metrics::CacheMetrics;
use cache::prefetch::MarkovTable;
use cache::purge::{PurgeChanges, PurgeClock, PurgeMode, PurgeVersion};
use export::Totals;
use ledger::journal::ReceivedRows;
use ledger::{
    BotFilter, BudgetHistory, BudgetSource, Cell, ClientInfo, Dimension, Group, HourlyLimitCounts,
    JournalRow, NavigationFilter, QueryResult, RouteTemplates, SeriesQuery, ViewRecord,
};
use report::budget_watch::WatchOutcome;
use report::cause_report::{CauseQuery, PageCauses};
use report::health_inputs::CoordinatorStatus;
use report::operations::BackendStatus;
use report::push_document::PushRetryRequest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sites::{Registry, RegistryChange, RegistryError, RegistryOutcome};
use traffic::{BatchHeader, RouteStats, TrafficStats, TrafficWindows};
use wire::lab::LabResult;
use wire::live::LiveDelta;
use wire::{Beacon, Device, UnixMillis, Window, WindowSpan};

use crate::edge::purge_request::{
    AdminCall, ClockAnalytics, PurgeItem, PurgeRequest, RecordedCall, WriteBatch, WriteReceipt,
};
use crate::shard_protocol::*;

const AT: UnixMillis = UnixMillis(1_800_000_000_000);

/// The lines of a golden file.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn add(&mut self, name: &str, bytes: &[u8]) {
        let printable = |text: &mut String, byte: &u8| match byte {
            b' '..=b'~' if *byte != b'\\' => write!(text, "{}", char::from(*byte)),
            _ => write!(text, "\\x{byte:02x}"),
        };
        self.0.push_str(name);
        self.0.push(' ');
        bytes.iter().try_for_each(|byte| printable(&mut self.0, byte)).expect("text");
        self.0.push('\n');
    }

    /// Adds a request, which must survive its codec.
    fn request(&mut self, call: impl ShardCall) {
        let bytes = call.into_request().encode().expect("encodable");
        let decoded = ShardRequest::decode(&bytes).expect("decodable");
        let name = match &decoded {
            ShardRequest::CoordinatorMessage(message) => variant(&message.request),
            request => variant(request),
        };
        self.add(&name, &bytes);
        assert_eq!(decoded.encode().expect("encodable"), bytes, "{name}");
    }

    fn coordinator_request(&mut self, call: impl CoordinatorCall) {
        self.request(CoordinatorMessage { site: "shop".into(), request: call.into_request() });
    }

    /// Adds a reply, which must survive its codec.
    fn reply<R: ShardReply>(&mut self, name: &str, reply: R) {
        let bytes = reply.encode().expect("encodable");
        self.add(name, &bytes);
        let again = R::decode(bytes.clone()).expect("decodable").encode().expect("encodable");
        assert_eq!(again, bytes, "{name}");
    }

    /// Adds a document in JSON, which must survive its codec.
    fn document<T: Serialize + DeserializeOwned>(&mut self, name: &str, document: &T) {
        let text = serde_json::to_string(document).expect(name);
        self.add(name, text.as_bytes());
        let again: T = serde_json::from_str(&text).expect(name);
        assert_eq!(serde_json::to_string(&again).expect(name), text, "{name}");
    }

    /// Adds a reply in JSON that is as given.
    fn json_reply<R: ShardReply + Serialize + DeserializeOwned>(&mut self, name: &str, reply: Value) {
        let read: R = serde_json::from_value(reply.clone()).expect(name);
        assert_eq!(serde_json::to_value(&read).expect(name), reply, "{name}");
        self.reply(name, read);
    }
}

/// The name of a variant that holds a value.
fn variant(request: &impl std::fmt::Debug) -> String {
    format!("{request:?}").split(['(', ' ']).next().unwrap_or_default().to_owned()
}

fn traffic() -> TrafficStats {
    let mut traffic = TrafficStats::default();
    traffic.routes.insert("/".into(), RouteStats::default());
    traffic
}

#[test]
fn requests_are_sent_as_before() {
    let mut lines = Lines::default();
    let query = SeriesQuery {
        from: AT,
        to: UnixMillis(AT.0 + 60_000),
        bots: BotFilter::Include,
        navigations: NavigationFilter::default(),
        only: vec![(Dimension::Route, "/".into())],
        by: vec![Dimension::Device, Dimension::Custom("plan".into())],
        step: Some(WindowSpan::Hour),
    };
    lines.request(RunQuery { query, with_latest_budgets: true });
    lines.request(ReadLimitCounts);
    lines.request(EvaluateWatches::default());
    lines.request(CauseQuery { from: AT, to: AT, route: Some("/".into()), device: Some(Device::Phone) });
    lines.request(StartForwarding { site: "shop".into() });
    lines.request(RelayLiveCounts(LiveDelta::default()));
    lines.request(AddRejections(BTreeMap::from([("malformed".into(), 3)])));
    let header = BatchHeader { isolate: "a".into(), number: 7, at: AT };
    lines.request(AddTraffic { header, traffic: traffic() });
    lines.request(TrafficQuery { span: WindowSpan::Day, from: AT, to: AT });
    lines.request(SetMonitoring { is_on: false });
    lines.request(Wake { coordinated_site: Some("shop".into()) });
    let after = Cursor { table: "packs".into(), key: vec![archive::SqlValue::Integer(1)], rows: 7 };
    lines.request(ReadBackup { shard: 1, shards: 4, after: Some(after) });
    lines.request(RestorePage { shard: 1, shards: 4, text: "{}".into() });
    lines.request(Erase);
    lines.coordinator_request(ReadStatus { last_beacon_at: Some(AT) });
    lines.coordinator_request(ReadPushStatus);
    lines.coordinator_request(PushRetryRequest { sink: Some("backend".into()), seq: Some(3) });
    lines.coordinator_request(ReadLabResults);
    lines.coordinator_request(StoreLabResults(vec![serde_json::from_value(lab_result()).expect("a result")]));
    lines.coordinator_request(ReadTotals);
    lines.coordinator_request(HistoryQuery { from: AT, to: AT, with_incidents: true });
    lines.coordinator_request(ReadAlerts);
    lines.coordinator_request(AcknowledgeRequest { key: "k".into(), by: "ann".into() });
    lines.coordinator_request(Silence {
        signal: None,
        route: Some("/".into()),
        from: AT,
        until: AT,
        by: "ann".into(),
        reason: "a test".into(),
    });
    lines.coordinator_request(UnsilenceRequest { number: 2 });
    lines.coordinator_request(RecordAudit(audit_entry()));
    lines.coordinator_request(ReadAudit { before: Some(3), limit: 4 });
    lines.coordinator_request(ReadRegistry);
    lines.coordinator_request(ChangeRegistry { change: RegistryChange::RemoveSite { site: "shop".into() } });
    let names: Vec<&str> = lines.0.lines().filter_map(|line| line.split(' ').next()).collect();
    let all: Vec<&str> = ShardRequest::NAMES.iter().chain(CoordinatorRequest::NAMES).copied().collect();
    let is_message = |name: &&&str| **name == "CoordinatorMessage";
    assert_eq!(names, all.iter().filter(|name| !is_message(name)).copied().collect::<Vec<_>>());
    golden::check("shard-requests-1.txt", &lines.0);
}

#[test]
fn replies_are_sent_as_before() {
    let mut lines = Lines::default();
    let mut budget_history = BudgetHistory::default();
    budget_history.accept("[]", BudgetSource::Kv, AT);
    let group = Group { values: vec![Some("/".into()), None], at: Some(AT) };
    lines.reply(
        "RunQuery",
        QueryResult {
            cells: BTreeMap::from([(group, Cell::default())]),
            last_beacon_at: Some(AT),
            rejections: BTreeMap::from([("malformed".into(), 3)]),
            budget_history,
        },
    );
    lines.reply("ReadLimitCounts", HourlyLimitCounts::default());
    lines.json_reply::<Vec<WatchOutcome>>(
        "EvaluateWatches",
        json!([{
            "name": { "route": "/", "device": "phone", "metric": "LCP", "pattern": "" },
            "watched": {
                "max": 2000, "percentile": 75, "since": AT.0, "settled": { "within": 1, "over": 2 },
                "settled_to": AT.0, "alarm": "raised", "changed_at": AT.0
            },
            "evidence": { "within": 3, "over": 4, "top": 1 }
        }]),
    );
    lines.json_reply::<Vec<PageCauses>>(
        "CauseQuery",
        json!([{
            "route": "/", "device": "phone", "metric": "LCP",
            "causes": { "n": 2, "timed": 1, "millis": [1, 2, 3, 4], "elements": { "img": 2 }, "sources": {} }
        }]),
    );
    lines.reply("StartForwarding, AddRejections, AddTraffic, SetMonitoring, Wake, RecordAudit", ());
    lines.reply("RelayLiveCounts, PushRetryRequest, StoreLabResults", 3_usize);
    let window = Window::containing(WindowSpan::Hour, AT);
    lines.reply("TrafficQuery", TrafficWindows(BTreeMap::from([(window, traffic())])));
    let backend = json!({
        "name": "backend", "circuit": "open", "open_until": AT.0, "waiting": 2, "oldest": AT.0, "trouble": "503",
        "last": { "key": "a", "at": AT.0 }, "parked": [{ "seq": 1, "key": "b", "status": 400, "at": AT.0 }]
    });
    lines.json_reply::<CoordinatorStatus>(
        "ReadStatus",
        json!({
            "operations": {
                "monitoring": "on", "memory": { "bytes": 1, "limit": 2, "percent": 50.0 },
                "queues": { "journal": 1, "push": 2, "parked": 3, "notices": 4 }, "push": [backend],
                "origin": {
                    "name": "shop.example", "failures": 2, "is_up": false, "status": 500, "took": 1.5,
                    "asked_at": AT.0, "database": { "status": "up" }
                },
                "alerts": { "raised": 2, "critical": 1 }
            },
            "heard_at": AT.0, "missed": 0.5, "uptime": null
        }),
    );
    lines.json_reply::<Vec<BackendStatus>>("ReadPushStatus", json!([backend]));
    lines.json_reply::<Vec<LabResult>>("ReadLabResults", json!([lab_result()]));
    lines.reply("ReadTotals", Totals::new("shop".into(), AT));
    lines.json_reply::<HistoryResult>(
        "HistoryQuery",
        json!({
            "periods": [{ "from": AT.0, "to": AT.0, "health": "degraded", "score": 70 }],
            "incidents": [{ "key": "k" }], "more_incidents": 1
        }),
    );
    lines.reply("ReadAlerts", json!({ "v": 1 }));
    lines.reply("AcknowledgeRequest, UnsilenceRequest", true);
    lines.reply("Silence", Some(3_u64));
    lines.reply("ReadBackup", ArchiveReply::Page("{}".into()));
    lines.reply("RestorePage", ArchiveReply::Restored { rows: 3, complete: true });
    lines.json_reply::<Registry>(
        "ReadRegistry",
        json!({
            "revision": 2,
            "sites": { "shop": { "settings": { "public": true }, "created_at": AT.0, "changed_at": AT.0, "changed_by": "ann" } },
            "tokens": { "shop": [{ "name": "ci", "rights": ["read"], "sha256": "00", "expires": "2027-06-30" }] }
        }),
    );
    lines.reply("ChangeRegistry", Ok::<_, RegistryError>(RegistryOutcome::SitePut(true)));
    lines.reply("ReadAudit", vec![NumberedEntry { number: 3, entry: audit_entry() }]);
    golden::check("shard-replies-1.txt", &lines.0);
}

#[test]
fn rows_are_appended_as_before() {
    let body = br#"{"v":1,"site":"shop","id":"0123456789abcdef01234567","view":1,"seq":2,"nav":"reload","path":"/a","age":5,"m":{"LCP":1234,"CLS":20}}"#;
    let beacon = Beacon::parse(body).expect("a beacon");
    let client = ClientInfo { user_agent: "Mozilla/5.0", country: Some("AT"), ..ClientInfo::default() };
    let record = ViewRecord::from_beacon(&beacon, client, &RouteTemplates::default());
    let row = JournalRow::from_beacon(&beacon, &record, AT).and_then(|row| row.to_json()).expect("a row");
    assert!(ReceivedRows::parse(&format!("[{row}]")).is_ok());
    golden::check("appended-row-1.json", &format!("{row}\n"));
}

#[test]
fn the_purge_clock_is_called_as_before() {
    let mut lines = Lines::default();
    let version = PurgeVersion { hard: 7, soft: 5 };
    let clock = PurgeClock { seq: 9, floor: PurgeVersion { hard: 1, soft: 2 } };
    let versions = vec![("t:a".to_owned(), version)];
    lines.document("/since", &PurgeChanges { clock, versions, upto: 9, written_at: vec![AT] });
    let targets = vec![
        PurgeItem::Tag("a".into()),
        PurgeItem::Url("b/".into()),
        PurgeItem::Prefix("c/".into()),
        PurgeItem::All,
    ];
    lines.document("/purge", &PurgeRequest { targets, mode: PurgeMode::Soft });
    lines.document("/writes", &WriteBatch { urls: vec!["0123456789abcdef0123456789abcdef".into()] });
    lines.document("/writes reply", &WriteReceipt { refused: 3 });
    let call = || AdminCall { action: "purge".into(), what: "a".into(), outcome: "9".into() };
    lines.document("/record", &call());
    lines.document("/seen", &CacheMetrics::default());
    lines.document("/ways", &MarkovTable::default());
    let calls = vec![RecordedCall { at: AT.0, call: call() }];
    lines.document(
        "/analytics",
        &ClockAnalytics { purges: 1, marks: 2, metrics: CacheMetrics::default(), calls },
    );
    golden::check("purge-clock-1.txt", &lines.0);
}

fn lab_result() -> Value {
    json!({
        "route": "/", "at": AT.0, "release": "1", "path": "/", "device": "phone", "runs": 3,
        "medians": { "LCP": 1200.5 }, "score": 0.9
    })
}

fn audit_entry() -> AuditEntry {
    AuditEntry::new(AT, "ci", "/api/lab", "{}", "192.0.2.1", 200)
}
