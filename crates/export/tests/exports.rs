//! Exports against golden files and the formats' own parsers: promtool (Debian's `prometheus`) and the Python
//! packages of `tests/parsers/requirements.txt`, run by `PARSERS_PYTHON` or `python3`. A missing parser is
//! reported and skipped.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test may fail by panic")]

#[path = "../../report/tests/golden/mod.rs"]
mod golden;

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use export::config::ExportConfig;
use export::prometheus::ExpositionFormat;
use export::sentry::{Deployment, ErrorEvent};
use export::{Gauge, SampledView, Totals, analytics, otlp, prometheus, sentry, trace};
use ledger::{Cell, MetricCell};
use serde_json::{Value, json};
use sketch::Sketch;
use traffic::{OriginOutcome, RequestMethod, ResponseClass, ResponseRecord, StatusClass, TrafficStats};
use wire::beacon::CacheStatus;
use wire::beacon::{Navigation, Values};
use wire::{Device, Metric, UnixMillis};

const START: UnixMillis = UnixMillis(1_800_000_000_000);
const NOW: UnixMillis = UnixMillis(1_800_000_060_000);
/// A route with characters that labels must escape.
const SPECIAL_ROUTE: &str = "/a\"b\\c/ü{x=\"1\"}";

fn cell(metric: Metric, values: impl IntoIterator<Item = u32>) -> Cell {
    let mut sketch = Sketch::new(metric);
    values.into_iter().for_each(|value| sketch.insert(value, 1));
    let n = sketch.n();
    let tally = MetricCell { n, limit_counts: BTreeMap::new(), sketch };
    Cell { views: n, visits: n, metrics: [(metric, tally)].into(), ..Cell::default() }
}

fn totals() -> Totals {
    let mut totals = Totals::new("shop".into(), START);
    totals.add_visits("/", Device::Phone, &cell(Metric::Lcp, (0..100).map(|index| index * 60)));
    totals.add_visits("/", Device::Phone, &cell(Metric::Lcp, [2500]));
    totals.add_visits(SPECIAL_ROUTE, Device::Desktop, &cell(Metric::Cls, [0, 1000, 1001, 90_000]));
    totals.add_traffic(&traffic());
    totals
}

fn traffic() -> TrafficStats {
    let mut traffic = TrafficStats::default();
    let queries = [50.0, 120.0, 700.0].map(|millis| ("products by tag".to_owned(), millis));
    let mut add = |route, method, status, cache, detail: &str, edge| {
        let answer = ResponseClass {
            method: RequestMethod::from_name(method),
            status_class: StatusClass::from_status(status),
            cache,
            detail: detail.to_owned(),
        };
        traffic.add(&ResponseRecord {
            route,
            class: answer,
            bytes: 1000,
            edge_ms: edge,
            origin_ms: None,
            queries: &queries,
        });
    };
    for edge in [3, 50, 50, 120, 700, 30_000] {
        add("/", "GET", 200, CacheStatus::Hit, "memory", edge);
        add("/", "GET", 503, CacheStatus::Miss, "expired", edge);
        add(SPECIAL_ROUTE, "BREW", 418, CacheStatus::Bypass, "method", edge);
    }
    (0..7).for_each(|_| add("/", "GET", 200, CacheStatus::Miss, "cookie", 1));
    for outcome in [OriginOutcome::Responded, OriginOutcome::ServerError, OriginOutcome::Unreachable] {
        traffic.add_origin_request("/products", "shop.example", outcome);
    }
    traffic
}

fn gauges() -> [Gauge; 4] {
    [
        Gauge::Health(97),
        Gauge::Backlog(2),
        Gauge::LastBeaconAt(UnixMillis(1_800_000_059_500)),
        Gauge::Memory(1_048_576),
    ]
}

fn view() -> SampledView {
    let mut values = Values::default();
    [(Metric::Lcp, 2380), (Metric::Cls, 1234), (Metric::Inp, 96), (Metric::Ttfb, 310)]
        .into_iter()
        .for_each(|(metric, value)| values.set(metric, value));
    SampledView {
        id: "0123456789abcdef".into(),
        view: 2,
        start: START,
        age: 45_600,
        route: "/product/:id".into(),
        device: Device::Phone,
        navigation: Navigation::BackForward,
        release: Some("1.4.0".into()),
        values,
    }
}

fn deployment() -> Deployment {
    Deployment { release: "2026.11.1".into(), environment: "production".into() }
}

fn error_event() -> ErrorEvent {
    ErrorEvent {
        at: START,
        kind: "Storage".into(),
        message: "row 17 of ann@example.com: disk full".into(),
        route: "/v1/vitals".into(),
    }
}

fn spans() -> [trace::RequestSpan; 2] {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let known = trace::RequestSpan {
        context: trace::TraceContext::from_traceparent(Some(parent), 0.0, [1, 2, 3]),
        site: "shop".into(),
        route: "/product/:id".into(),
        method: "GET",
        status: 404,
        cache: "miss",
        start: START,
        end: START.saturating_add(42),
        origin_ms: Some(40),
    };
    let begun = trace::RequestSpan {
        context: trace::TraceContext::from_traceparent(None, 1.0, [7, 8, 9]),
        route: "/cart".into(),
        method: "POST",
        status: 502,
        origin_ms: None,
        ..known.clone()
    };
    [known, begun]
}

fn pretty(value: &Value) -> String {
    format!("{}\n", serde_json::to_string_pretty(value).unwrap())
}

fn prometheus_text() -> String {
    prometheus::render([(&totals(), gauges().as_slice())], ExpositionFormat::Text)
}

fn openmetrics_text() -> String {
    prometheus::render([(&totals(), gauges().as_slice())], ExpositionFormat::OpenMetrics)
}

#[test]
fn every_format_matches_its_golden_file() {
    golden::check("metrics.txt", &prometheus_text());
    golden::check("metrics.openmetrics.txt", &openmetrics_text());
    golden::check("otlp.json", &pretty(&otlp::body(&totals(), &gauges(), "0.1.0", NOW)));
    golden::check("traces.json", &pretty(&trace::body(&spans(), "0.1.0")));
    golden::check("sentry-transaction.envelope", &sentry::transaction(&view(), &deployment(), NOW));
    golden::check("sentry-event.envelope", &sentry::error_event(&error_event(), 3, &deployment(), NOW));
    golden::check("analytics.json", &pretty(&analytics::body(&view(), NOW).unwrap()));
}

#[test]
fn totals_survive_storage_and_transport() {
    let original = totals();
    assert_eq!(Totals::from_rows("shop".into(), START, original.to_rows().unwrap()), Ok(original.clone()));
    let packed = original.to_packed_rows().unwrap();
    let routes = packed.iter().flat_map(|row| Totals::unpack_row(row).unwrap());
    assert_eq!(Totals::from_rows("shop".into(), START, routes), Ok(original.clone()));
    assert!(Totals::unpack_row(&packed[0][1..]).is_err());
    assert_eq!(Totals::decode(&original.encode().unwrap()), Ok(original.clone()));
    // A row depends on its route only, so that unchanged routes are not written.
    let mut grown = original.clone();
    grown.add_visits("/", Device::Phone, &cell(Metric::Lcp, [1]));
    let (before, after) = (original.to_rows().unwrap(), grown.to_rows().unwrap());
    let changed: Vec<_> = after.iter().filter(|(route, row)| before.get(*route) != Some(row)).collect();
    assert_eq!(changed.iter().map(|(route, _)| route.as_str()).collect::<Vec<_>>(), ["/"]);
    for (route, row) in before {
        assert!(Totals::from_rows("shop".into(), START, [(route, row[1..].to_vec())]).is_err());
    }
}

#[test]
fn several_sites_share_one_page() {
    let other = Totals::from_rows("other".into(), START, totals().to_rows().unwrap()).unwrap();
    let (one, gauges) = (totals(), gauges());
    let both = [(&one, gauges.as_slice()), (&other, gauges.as_slice())];
    let page = prometheus::render(both, ExpositionFormat::Text);
    assert_eq!(page.matches("# TYPE http_requests_total counter").count(), 1);
    assert_eq!(page.matches("edge_vitals_health_score{").count(), 2);
    if let Some(output) = run_tool(Command::new("promtool").args(["check", "metrics"]), &page) {
        assert_eq!(output, Ok(String::new()));
    }
}

#[test]
fn a_scraper_gets_the_format_it_accepts() {
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    assert_eq!(ExpositionFormat::from_accept(accept), ExpositionFormat::OpenMetrics);
    assert_eq!(ExpositionFormat::from_accept("*/*"), ExpositionFormat::Text);
}

/// Analytics' limits: 25 events, names of 40 characters, values of 100 characters, 130 kB, three days.
#[test]
fn analytics_events_fit_the_published_limits() {
    let mut long = view();
    long.route = format!("/{}", "ü".repeat(300));
    Metric::ALL.into_iter().for_each(|metric| long.values.set(metric, 100_000));
    let body = analytics::body(&long, NOW).unwrap();
    let events = body["events"].as_array().unwrap();
    assert!(events.len() == 6 && body.to_string().len() < 130_000);
    for event in events {
        let params = event["params"].as_object().unwrap();
        assert!(params.len() <= 25 && event["name"].as_str().unwrap().len() <= 40);
        for (name, value) in params {
            assert!(
                name.len() <= 40 && value.as_str().is_none_or(|text| text.chars().count() <= 100),
                "{name}"
            );
        }
    }
    assert_eq!(analytics::body(&view(), START.saturating_add(3 * 86_400_000 + 1)), None);
    assert_eq!(analytics::body(&SampledView { values: Values::default(), ..view() }, NOW), None);
}

#[test]
fn no_export_identifies_a_visitor() {
    let sent = [
        sentry::transaction(&view(), &deployment(), NOW),
        sentry::error_event(&error_event(), 1, &deployment(), NOW),
        analytics::body(&view(), NOW).unwrap().to_string(),
    ];
    for document in sent {
        for secret in ["0123456789abcdef", "ann@", "row 17"] {
            assert!(!document.contains(secret), "{secret} is in {document}");
        }
    }
}

#[test]
fn promtool_accepts_the_metrics() {
    let Some(output) = run_tool(Command::new("promtool").args(["check", "metrics"]), &prometheus_text())
    else {
        println!("skipped: promtool is not installed (Debian package `prometheus`)");
        return;
    };
    assert_eq!(output, Ok(String::new()));
    // promtool rejects an invalid page.
    let wrong =
        run_tool(Command::new("promtool").args(["check", "metrics"]), "# TYPE a counter\na 1\n").unwrap();
    assert!(wrong.is_err());
}

#[test]
fn each_formats_own_parser_reads_the_values_back() {
    let python = std::env::var("PARSERS_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parsers/read.py");
    if !matches!(run_tool(Command::new(&python).args([script, "ready"]), ""), Some(Ok(_))) {
        println!("skipped: {python} lacks the packages of crates/export/tests/parsers/requirements.txt");
        return;
    }
    let read = |format: &str, document: &str| -> Value {
        let output = run_tool(Command::new(&python).args([script, format]), document).expect("python");
        serde_json::from_str(&output.unwrap_or_else(|error| format!("{:?}", (format, error))))
            .expect("a readable document")
    };
    let sent = trace::body(&spans(), "0.1.0").to_string();
    let (trace_id, span_id) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let expect = json!([
        ["GET /product/:id", trace_id, span_id, 0],
        ["POST /cart", "00000000000000070000000000000008", "", 2]
    ]);
    assert_eq!(read("traces", &sent), expect);
    for (format, page) in [("text", prometheus_text()), ("openmetrics", openmetrics_text())] {
        let found = read(format, &page);
        let expect = json!({
            "web_vitals_lcp_seconds_count": 101.0,
            "web_vitals_cls_count": 4.0,
            "http_requests_total": 25.0,
            "http_request_duration_seconds_count": 25.0,
            "origin_requests_total": 3.0,
            "cache_hits_total": 6.0,
            "cache_misses_total": 13.0,
            "db_query_duration_seconds_count": 75.0,
            "edge_vitals_health_score": 97.0,
            "edge_vitals_push_backlog": 2.0,
            "edge_vitals_last_beacon_timestamp_seconds": 1_800_000_059.5,
            "edge_vitals_memory_bytes": 1_048_576.0,
            "routes": ["/", SPECIAL_ROUTE],
        });
        assert_eq!(found, expect, "{format}");
    }
    let found = read("otlp", &otlp::body(&totals(), &gauges(), "0.1.0", NOW).to_string());
    let expect = json!({
        "web_vitals.lcp": 101.0,
        "web_vitals.cls": 4.0,
        "http.server.requests": 25.0,
        "http.server.request.duration": 25.0,
        "cache.hits": 6.0,
        "cache.misses": 13.0,
        "origin.requests": 3.0,
        "db.client.operation.duration": 75.0,
        "edge_vitals.health": 97.0,
        "edge_vitals.push.backlog": 2.0,
        "edge_vitals.last_beacon": 1_800_000_059.5,
        "edge_vitals.memory": 1_048_576.0,
    });
    assert_eq!(found, expect);

    let found = read("sentry", &sentry::transaction(&view(), &deployment(), NOW));
    assert_eq!(found["measurements"], json!({ "lcp": 2380.0, "cls": 0.1234, "inp": 96.0, "ttfb": 310.0 }));
    assert_eq!((&found["type"], &found["category"]), (&json!("transaction"), &json!("transaction")));
    assert!((found["seconds"].as_f64().unwrap() - 45.6).abs() < 1e-3 && found["release"] == "1.4.0");
    let found = read("sentry", &sentry::error_event(&error_event(), 3, &deployment(), NOW));
    assert_eq!((&found["type"], &found["category"]), (&json!("event"), &json!("error")));
}

/// Returns the output of the program or its error; `None` if it is not installed.
fn run_tool(command: &mut Command, input: &str) -> Option<Result<String, String>> {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.ok()?;
    // A program that does not read its input closes the pipe.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("an exit status");
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Some(if output.status.success() { Ok(stdout) } else { Err(stdout + &stderr) })
}

#[test]
fn every_export_is_sent_and_documented() {
    // A new field must be named here, with its row below.
    let ExportConfig { otlp: _, sentry: _, analytics: _ } = ExportConfig::default();
    let read = |file: &str| {
        let path = format!("{}/../../{file}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    };
    let worker = read("worker/src/export.rs") + &read("worker/src/sample_export.rs");
    let documents = read("docs/monitoring.md");
    for (field, variable) in
        [("otlp", "OTLP_URL"), ("sentry", "SENTRY_DSN"), ("analytics", "GA4_MEASUREMENT_ID")]
    {
        assert!(worker.contains(&format!("exports.{field}")), "the Worker does not send `{field}`");
        assert!(documents.contains(&format!("`{variable}`")), "docs/monitoring.md lacks `{variable}`");
    }
}
