//! Golden rows and bytes of version 1: they stay readable, and are written unchanged.
#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::collections::{BTreeMap, BTreeSet};

use ledger::{
    CardinalityGuard, Cell, CellEffect, CellKey, ClientInfo, Horizon, MetricLimits, RouteTemplates,
    SeriesLabels, SumDeltas, UnfoldedView, ViewRecord, cells_to_load, fold,
};
use wire::beacon::Values;
use wire::{Beacon, Metric, NetworkBucket, UnixMillis, Window, WindowSpan};

const LABELS: &str = r#"{"r":"/product/:id","d":"phone","n":"back-forward-cache","c":"hit","e":"4g","v":"2026.11.1","b":true,"x":{"plan":"pro"}}"#;
const RECORD: &str = r#"{"v":1,"l":{"r":"/product/:id","d":"phone","n":"back-forward-cache","c":"hit","e":"4g","v":"2026.11.1","b":true,"x":{"plan":"pro"}},"m":[812,1204,12,56,3,120],"w":4}"#;

fn view_record() -> ViewRecord {
    let bytes = include_bytes!("../../wire/tests/v1/whole.json");
    let visitor = ClientInfo {
        user_agent: "Mozilla/5.0 (Linux; Android 10; K) Mobile",
        mobile_hint: Some("?1"),
        ..ClientInfo::default()
    };
    ViewRecord::from_beacon(&Beacon::parse(bytes).unwrap(), visitor, &RouteTemplates::default())
}

#[test]
fn a_view_record_matches_its_version_1_text() {
    assert_eq!(view_record().to_json().unwrap(), RECORD);
    assert_eq!(ViewRecord::from_json(RECORD), Some(view_record()));
    assert_eq!(
        ViewRecord::from_json(&RECORD.replace(r#"{"v":1"#, r#"{"v":9"#)),
        None,
        "a later version is refused"
    );
}

#[test]
fn a_view_record_keeps_the_bucket_of_its_network_and_its_page_token() {
    let mut record = view_record();
    (record.network_bucket, record.page_token) = (NetworkBucket::new(77), Some(u64::MAX));
    let text = RECORD.replace(r#""w":4}"#, r#""w":4,"h":77,"e":18446744073709551615}"#);
    assert_eq!(record.to_json().unwrap(), text);
    assert_eq!(ViewRecord::from_json(&text), Some(record));
    assert_eq!(ViewRecord::from_json(&text.replace("77", "128")), None, "no bucket");
}

#[test]
fn unverified_labels_match_their_version_1_text() {
    let labels = SeriesLabels { unverified: true, ..view_record().labels };
    let text = LABELS.replace(r#""b":true"#, r#""b":true,"u":true"#);
    assert_eq!(labels.to_json().unwrap(), text);
    assert_eq!(SeriesLabels::from_json(&text), Some(labels));
}

/// The counts by network follow the record: an earlier release reads the record and ignores them.
#[test]
fn the_networks_of_a_cell_follow_its_version_1_bytes() {
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len() / 2).map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).unwrap()).collect()
    };
    let cell = Cell::decode(&hex(CELL)).unwrap();
    assert_eq!(cell.networks.views(), 0);
    let bytes = hex(&format!("{CELL}01024d7f0501"));
    let with_networks = Cell::decode(&bytes).unwrap();
    assert_eq!((with_networks.networks.views(), with_networks.networks.largest()), (6, 5));
    assert_eq!(with_networks.encode().unwrap(), bytes);
    assert_eq!(Cell { networks: cell.networks.clone(), ..with_networks }, cell);
    let mut sum = cell;
    sum.merge_encoded(&bytes).unwrap();
    assert_eq!(sum.networks.top_views(), 6);
    assert!(Cell::decode(&bytes[..bytes.len() - 1]).is_err());
}

#[test]
fn series_labels_match_their_version_1_text() {
    assert_eq!(view_record().labels.to_json().unwrap(), LABELS);
    assert_eq!(SeriesLabels::from_json(LABELS), Some(view_record().labels));
}

#[test]
fn a_cell_matches_its_version_1_bytes() {
    let start = UnixMillis(1_800_000_000_000);
    let view = UnfoldedView {
        key: "9f86.2".into(),
        start,
        seq: 1,
        received_bits: 0b11,
        record: view_record(),
        folded: None,
    };
    let mut limits = Values::default();
    limits.set(Metric::Lcp, 2000);
    let mut guard = CardinalityGuard::default();
    guard.load_window(Window::containing(WindowSpan::Minute, start), []);
    assert_eq!(cells_to_load(std::slice::from_ref(&view), &guard, &Horizon::default()).len(), 1);
    let (horizon, mut sums) = (Horizon::default(), SumDeltas::default());
    let effects =
        fold(vec![view], BTreeMap::new(), &mut guard, &horizon, |_| MetricLimits(limits), &mut sums);
    let cells: BTreeSet<String> = effects
        .iter()
        .filter_map(|effect| match effect {
            CellEffect::Store(_, cell) => {
                Some(cell.encode().unwrap().iter().map(|byte| format!("{byte:02x}")).collect())
            }
            _ => None,
        })
        .collect();
    assert_eq!(cells, BTreeSet::from([CELL.to_owned()]));
    let bytes: Vec<u8> =
        (0..CELL.len() / 2).map(|at| u8::from_str_radix(&CELL[at * 2..at * 2 + 2], 16).unwrap()).collect();
    assert_eq!(Cell::decode(&bytes).unwrap().metrics.len(), 6);
    let key = CellKey { window: Window::containing(WindowSpan::Minute, start), labels: view_record().labels };
    assert!(effects.iter().any(|effect| matches!(effect, CellEffect::Store(stored, _) if *stored == key)));
}

const CELL: &str = concat!(
    "0101040202000603464350010004100fbd02034c43500101d00f010104110fdd0203434c53010003120f0c",
    "03494e50010003130f4403464944010003140f000454544642010004150f8901",
);
