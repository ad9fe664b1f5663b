//! What is stored, as version 1 wrote it: read for ever, and written to the same bytes.
#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::collections::{BTreeMap, BTreeSet};

use ledger::{
    Cell, CellKey, Changes, Effect, Horizon, Labels, Limits, Rooms, Span, Templates, Told, View, Visitor,
    Window, fold, needed,
};
use wire::beacon::Values;
use wire::{Beacon, Metric, UnixMillis};

const LABELS: &str = r#"{"r":"/product/:id","d":"phone","n":"back-forward-cache","c":"hit","e":"4g","v":"2026.11.1","b":true,"x":{"plan":"pro"}}"#;
const TOLD: &str = r#"{"v":1,"l":{"r":"/product/:id","d":"phone","n":"back-forward-cache","c":"hit","e":"4g","v":"2026.11.1","b":true,"x":{"plan":"pro"}},"m":[812,1204,12,56,3,120],"w":4}"#;

fn told() -> Told {
    let bytes = include_bytes!("../../wire/tests/v1/whole.json");
    let visitor = Visitor {
        agent: "Mozilla/5.0 (Linux; Android 10; K) Mobile",
        mobile_hint: Some("?1"),
        country: None,
    };
    Told::of(&Beacon::parse(bytes).unwrap(), visitor, &Templates::default())
}

#[test]
fn a_view_is_stored_as_it_was_by_version_1() {
    assert_eq!(told().text(), TOLD);
    assert_eq!(Told::stored(TOLD), Some(told()));
    assert_eq!(
        Told::stored(&TOLD.replace(r#"{"v":1"#, r#"{"v":9"#)),
        None,
        "a later version is not guessed at"
    );
}

#[test]
fn a_series_is_named_as_it_was_by_version_1() {
    assert_eq!(told().labels.text(), LABELS);
    assert_eq!(Labels::stored(LABELS), Some(told().labels));
}

#[test]
fn a_cell_is_stored_as_it_was_by_version_1() {
    let start = UnixMillis(1_800_000_000_000);
    let view = View { key: "9f86.2".into(), start, seq: 1, heard: 0b11, told: told(), counted: None };
    let mut limits = Values::default();
    limits.set(Metric::Lcp, 2000);
    let mut rooms = Rooms::default();
    rooms.learn(Window::of(Span::Minute, start), []);
    assert_eq!(needed(std::slice::from_ref(&view), &rooms, &Horizon::default()).len(), 1);
    let (horizon, mut pages) = (Horizon::default(), Changes::default());
    let effects = fold(vec![view], BTreeMap::new(), &mut rooms, &horizon, |_| Limits(limits), &mut pages);
    let cells: BTreeSet<String> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Store(_, cell) => Some(cell.encode().iter().map(|byte| format!("{byte:02x}")).collect()),
            _ => None,
        })
        .collect();
    assert_eq!(cells, BTreeSet::from([CELL.to_owned()]));
    let bytes: Vec<u8> =
        (0..CELL.len() / 2).map(|at| u8::from_str_radix(&CELL[at * 2..at * 2 + 2], 16).unwrap()).collect();
    assert_eq!(Cell::decode(&bytes).unwrap().metrics.len(), 6);
    let key = CellKey { window: Window::of(Span::Minute, start), labels: told().labels };
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Store(stored, _) if *stored == key)));
}

const CELL: &str = concat!(
    "0101040202000603464350010004100fbd02034c43500101d00f010104110fdd0203434c53010003120f0c",
    "03494e50010003130f4403464944010003140f000454544642010004150f8901",
);
