//! The operations and request parts of documents, made from the state of the outbox and from traffic.

use outbox::{Circuit, DeadLetter, DeliveryError, DeliveryReceipt, OutboxEntry, OutboxStatus};
use report::operations::{BackendStatus, MemoryUsage};
use report::request_report::{CacheUsage, RequestReport};
use traffic::{RequestMethod, ResponseClass, ResponseRecord, StatusClass, TrafficStats};
use wire::beacon::CacheStatus;
use wire::{UnixMillis, Window, WindowSpan};

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

fn outbox() -> OutboxStatus {
    let window = Window { span: WindowSpan::Minute, start: NOW };
    let rejected = OutboxEntry {
        seq: 7,
        window,
        revision: 1,
        attempts: 3,
        dead_letter: Some(DeadLetter { status: 422, at: NOW }),
    };
    OutboxStatus {
        waiting: 2,
        oldest: Some(window),
        dead_letters: vec![rejected],
        circuit: Circuit::Closed,
        error: Some(DeliveryError::Refusing(401)),
        last_delivery: Some(DeliveryReceipt { key: "shop.minute.1.0".into(), at: NOW }),
    }
}

#[test]
fn a_backend_shows_its_circuit_its_queue_and_its_dead_letters() {
    let status = BackendStatus::new("pager".into(), "shop", outbox());
    assert_eq!((status.circuit.as_str(), status.open_until, status.waiting), ("closed", None, 2));
    assert_eq!(
        (status.oldest, status.last.map(|last| last.key)),
        (Some(NOW), Some("shop.minute.1.0".into()))
    );
    let [letter] = status.dead_letters.as_slice() else { panic!("one dead letter") };
    let key = format!("shop.minute.{}.1", NOW.0);
    assert_eq!((letter.seq, letter.key.as_str(), letter.status), (7, key.as_str(), 422));
    assert!(status.error.is_some_and(|error| error.contains("401")));
}

#[test]
fn an_open_circuit_says_until_when() {
    for (circuit, name, until) in
        [(Circuit::Open { until: NOW }, "open", Some(NOW)), (Circuit::Probing, "probing", None)]
    {
        let status = BackendStatus::new("pager".into(), "shop", OutboxStatus { circuit, ..outbox() });
        assert_eq!((status.circuit.as_str(), status.open_until), (name, until));
    }
}

#[test]
fn memory_is_related_to_the_limit_of_an_isolate() {
    let memory = MemoryUsage::from_bytes(32 << 20);
    assert_eq!((memory.bytes, memory.limit, memory.percent), (32 << 20, 128 << 20, 25.0));
}

fn traffic() -> TrafficStats {
    let mut traffic = TrafficStats::default();
    let mut add = |route: &str, status_class, cache, detail: &str, edge_ms| {
        let class = ResponseClass { method: RequestMethod::Get, status_class, cache, detail: detail.into() };
        traffic.add(&ResponseRecord { route, class, bytes: 10, edge_ms, origin_ms: None, queries: &[] });
    };
    for _ in 0..3 {
        add("/b", StatusClass::Success, CacheStatus::Hit, "memory", 1);
    }
    add("/a", StatusClass::Success, CacheStatus::Stale, "memory", 1);
    add("/a", StatusClass::Success, CacheStatus::Miss, "nothing-stored", 100);
    add("/a", StatusClass::ServerError, CacheStatus::Miss, "expired", 1000);
    add("/a", StatusClass::Success, CacheStatus::Miss, "expired", 100);
    add("/c", StatusClass::Success, CacheStatus::Bypass, "cookie", 10);
    traffic
}

#[test]
fn requests_are_summed_and_the_busiest_route_is_first() {
    let report = RequestReport::from_traffic(&traffic(), 4000).expect("a report");
    assert_eq!((report.total.n, report.total.errors), (8, 1));
    assert_eq!((report.total.error_rate, report.total.per_second), (12.5, 2.0));
    assert!(report.total.p50 < report.total.p95 && report.total.p95 <= report.total.p99);
    let routes: Vec<(&str, u64)> = report.routes.iter().map(|one| (&*one.route, one.load.n)).collect();
    assert_eq!(routes, [("/a", 4), ("/b", 3), ("/c", 1)]);
    assert_eq!(RequestReport::from_traffic(&TrafficStats::default(), 4000), None);
}

#[test]
fn a_bypass_is_neither_a_hit_nor_a_miss() {
    let usage = CacheUsage::from_traffic(&traffic()).expect("usage");
    assert_eq!((usage.hits, usage.stale, usage.misses, usage.bypassed), (4, 1, 3, 1));
    assert!(usage.hit_ratio.is_some_and(|ratio| (ratio - 400.0 / 7.0).abs() < 1e-9));
    let reasons: Vec<(&str, u64)> = usage.reasons.iter().map(|(reason, n)| (&**reason, *n)).collect();
    assert_eq!(reasons, [("expired", 2), ("nothing-stored", 1)]);
    assert_eq!(CacheUsage::from_traffic(&TrafficStats::default()), None);
}
