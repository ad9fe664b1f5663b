//! The document of a closed window: golden file, bounds and totals.

#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

mod golden;

use std::collections::BTreeMap;

use budget::{Budgets, Verdict};
use ledger::{Cell, Group, MetricCell, QueryResult};
use report::window_document::{ClosedWindow, LastVerdicts};
use sketch::Sketch;
use wire::beacon::LossReason;
use wire::push::{WindowCache, WindowDocument, WindowRequests};
use wire::{Device, LimitCounts, Metric, UnixMillis, Window, WindowSpan};

const HOUR_WINDOW: Window = Window { span: WindowSpan::Hour, start: UnixMillis(1_800_000_000_000) };

fn budgets() -> Budgets {
    Budgets::parse(
        r#"[{ "path": "/*", "timings": [{ "metric": "largest-contentful-paint", "budget": 2500 }] }]"#,
    )
    .unwrap()
}

fn cell(n: u64, millis: u32) -> Cell {
    let mut sketch = Sketch::new(Metric::Lcp);
    (0..n).for_each(|index| sketch.insert(millis + u32::try_from(index).unwrap(), 1));
    let counts = LimitCounts { n, k: sketch.within(2500).at_least };
    let tally = MetricCell { n, limit_counts: [(2500, counts)].into(), sketch };
    Cell {
        views: n + 1,
        visits: n + 1,
        sent: n + 3,
        received: n + 2,
        lost: [(LossReason::Csp, 1)].into(),
        metrics: [(Metric::Lcp, tally)].into(),
        ..Cell::default()
    }
}

fn groups(cells: impl IntoIterator<Item = (String, Device, Cell)>) -> QueryResult {
    let mut groups = QueryResult::default();
    for (route, device, cell) in cells {
        let group = Group { values: vec![Some(route), Some(device.name().into())], at: None };
        groups.add(group, &cell);
    }
    groups
}

fn document(groups: &QueryResult) -> WindowDocument {
    let closed = ClosedWindow {
        site: "shop",
        window: HOUR_WINDOW,
        revision: 0,
        groups,
        requests: Some(WindowRequests {
            n: 812,
            errors: 1,
            p50: Some(41.0),
            p95: Some(230.0),
            p99: Some(612.5),
        }),
        cache: Some(WindowCache { hits: 640, misses: BTreeMap::from([("expired".into(), 172)]) }),
        transitions: LastVerdicts::default().record([(
            "/".into(),
            Device::Phone,
            Metric::Lcp,
            Verdict::Violated,
        )]),
    };
    closed.document(&budgets())
}

#[test]
fn a_closed_window_matches_its_golden_document() {
    let groups = groups([
        ("/".into(), Device::Phone, cell(400, 2200)),
        ("/".into(), Device::Desktop, cell(20, 1000)),
        ("/product/:id".into(), Device::Phone, cell(100, 4000)),
    ]);
    let document = document(&groups);
    let verdicts: Vec<&str> = document.cells.iter().map(|cell| cell.verdict.as_str()).collect();
    assert_eq!(verdicts, ["insufficient", "insufficient", "violated"]);
    let text = serde_json::to_string_pretty(&document).unwrap();
    assert_eq!(serde_json::from_str::<WindowDocument>(&text).unwrap(), document);
    golden::check("window.json", &format!("{text}\n"));
}

/// Two thousand routes on every device class.
#[test]
fn a_document_is_bounded_and_keeps_its_totals() {
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
    let mut last_verdicts = LastVerdicts::default();
    let mut record = |verdict| -> Vec<(Option<String>, String)> {
        let changed = last_verdicts.record([("/".into(), Device::Phone, Metric::Lcp, verdict)]);
        changed.into_iter().map(|one| (one.from, one.to)).collect()
    };
    assert_eq!(record(Verdict::Insufficient), []);
    assert_eq!(record(Verdict::Met), [(None, "met".into())]);
    assert_eq!(record(Verdict::Unknown), []);
    assert_eq!(record(Verdict::Met), []);
    assert_eq!(record(Verdict::Violated), [(Some("met".into()), "violated".into())]);
}

#[test]
fn every_field_is_documented() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/push.md")).unwrap();
    let document_value =
        serde_json::to_value(document(&groups([("/".into(), Device::Phone, cell(400, 2200))]))).unwrap();
    let objects = [
        &document_value,
        &document_value["cells"][0],
        &document_value["cells"][0]["budget"],
        &document_value["scores"][0],
        &document_value["requests"],
        &document_value["cache"],
    ];
    for field in objects.into_iter().flat_map(|object| object.as_object().unwrap().keys()) {
        assert!(page.contains(&format!("`{field}`")), "docs/push.md does not describe `{field}`");
    }
}
