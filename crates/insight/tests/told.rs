//! The document of a closed window: exact, bounded, and what it was.

#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

mod golden;

use std::collections::BTreeMap;

use budget::{Budgets, Verdict};
use insight::told::{Closed, Decided};
use ledger::{Cell, Group, Groups, Kept, Span, Tally, Window};
use sketch::Sketch;
use wire::beacon::Lost;
use wire::push::{Cache, Document, Requests};
use wire::{Device, Metric, UnixMillis};

const HOUR: Window = Window { span: Span::Hour, start: UnixMillis(1_800_000_000_000) };

fn budgets() -> Budgets {
    Budgets::parse(
        r#"[{ "path": "/*", "timings": [{ "metric": "largest-contentful-paint", "budget": 2500 }] }]"#,
    )
    .unwrap()
}

fn cell(n: u64, millis: u32) -> Cell {
    let mut sketch = Sketch::new(Metric::Lcp);
    (0..n).for_each(|index| sketch.insert(millis + u32::try_from(index).unwrap(), 1));
    let kept = Kept { n, k: sketch.within(2500).at_least };
    let tally = Tally { n, kept: [(2500, kept)].into(), sketch };
    Cell {
        views: n + 1,
        visits: n + 1,
        sent: n + 3,
        heard: n + 2,
        lost: [(Lost::Csp, 1)].into(),
        metrics: [(Metric::Lcp, tally)].into(),
    }
}

fn groups(cells: impl IntoIterator<Item = (String, Device, Cell)>) -> Groups {
    let mut groups = Groups::default();
    for (route, device, cell) in cells {
        let group = Group { values: vec![Some(route), Some(device.name().into())], at: None };
        groups.add(group, &cell);
    }
    groups
}

fn document(groups: &Groups) -> Document {
    let closed = Closed {
        site: "shop",
        window: HOUR,
        revision: 0,
        groups,
        requests: Some(Requests { n: 812, errors: 1, p50: Some(41.0), p95: Some(230.0), p99: Some(612.5) }),
        cache: Some(Cache { hits: 640, misses: BTreeMap::from([("expired".into(), 172)]) }),
        transitions: Decided::default().take([("/".into(), Device::Phone, Metric::Lcp, Verdict::Violated)]),
    };
    closed.document(&budgets())
}

#[test]
fn a_closed_window_is_told_as_it_was() {
    let groups = groups([
        ("/".into(), Device::Phone, cell(400, 2200)),
        ("/".into(), Device::Desktop, cell(20, 1000)),
        ("/product/:id".into(), Device::Phone, cell(100, 4000)),
    ]);
    let document = document(&groups);
    let verdicts: Vec<&str> = document.cells.iter().map(|cell| cell.verdict.as_str()).collect();
    assert_eq!(verdicts, ["insufficient", "insufficient", "violated"]);
    let text = serde_json::to_string_pretty(&document).unwrap();
    assert_eq!(serde_json::from_str::<Document>(&text).unwrap(), document);
    golden::check("window.json", &format!("{text}\n"));
}

/// Two thousand routes on every device: nothing is lost, and the body stays small.
#[test]
fn a_document_is_bounded_and_no_total_changes() {
    let routes = 0..2000_u64;
    let all = routes.flat_map(|route| {
        Device::ALL.map(|device| (format!("/{route}/{}", "x".repeat(60)), device, cell(1 + route % 7, 2400)))
    });
    let groups = groups(all);
    let document = document(&groups);
    assert_eq!(document.views, groups.total().views);
    let lcp = &groups.total().metrics[&Metric::Lcp];
    assert_eq!(document.cells.iter().map(|cell| cell.n).sum::<u64>(), lcp.n);
    assert_eq!(document.cells.len(), 151 * 3);
    assert!(serde_json::to_vec(&document).unwrap().len() < 250_000);
}

#[test]
fn a_quiet_hour_is_no_transition() {
    let mut decided = Decided::default();
    let mut take = |verdict| -> Vec<(Option<String>, String)> {
        let changed = decided.take([("/".into(), Device::Phone, Metric::Lcp, verdict)]);
        changed.into_iter().map(|one| (one.from, one.to)).collect()
    };
    assert_eq!(take(Verdict::Insufficient), []);
    assert_eq!(take(Verdict::Met), [(None, "met".into())]);
    assert_eq!(take(Verdict::Unknown), []);
    assert_eq!(take(Verdict::Met), []);
    assert_eq!(take(Verdict::Violated), [(Some("met".into()), "violated".into())]);
}

#[test]
fn every_field_is_documented() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/push.md")).unwrap();
    let told =
        serde_json::to_value(document(&groups([("/".into(), Device::Phone, cell(400, 2200))]))).unwrap();
    let objects = [
        &told,
        &told["cells"][0],
        &told["cells"][0]["budget"],
        &told["scores"][0],
        &told["requests"],
        &told["cache"],
    ];
    for field in objects.into_iter().flat_map(|object| object.as_object().unwrap().keys()) {
        assert!(page.contains(&format!("`{field}`")), "docs/push.md does not tell of `{field}`");
    }
}
