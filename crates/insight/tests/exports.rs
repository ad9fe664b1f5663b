//! What is exported, byte for byte, and as the formats' own parsers understand it: promtool (Debian's
//! `prometheus`) and the Python packages of tests/parsers/requirements.txt, with the interpreter named by
//! `PARSERS_PYTHON` or `python3`. Where one is not there, the test says so and checks the rest.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test may fail by panic")]

mod golden;

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use insight::export::prometheus::Format;
use insight::export::sentry::{Failure, Worker};
use insight::export::{Gauge, Totals, View, analytics, otlp, prometheus, sentry, trace};
use ledger::traffic::{Answer, Cached, Class, Method, Record, Traffic};
use ledger::{Cell, Tally};
use serde_json::{Value, json};
use sketch::Sketch;
use wire::beacon::{Navigation, Values};
use wire::{Device, Metric, UnixMillis};

const START: UnixMillis = UnixMillis(1_800_000_000_000);
const NOW: UnixMillis = UnixMillis(1_800_000_060_000);
/// What a label must carry unharmed.
const ODD: &str = "/a\"b\\c/ü{x=\"1\"}";

fn cell(metric: Metric, values: impl IntoIterator<Item = u32>) -> Cell {
    let mut sketch = Sketch::new(metric);
    values.into_iter().for_each(|value| sketch.insert(value, 1));
    let n = sketch.n();
    let tally = Tally { n, kept: BTreeMap::new(), sketch };
    Cell { views: n, visits: n, metrics: [(metric, tally)].into(), ..Cell::default() }
}

fn totals() -> Totals {
    let mut totals = Totals::beginning("shop".into(), START);
    totals.add_visits("/", Device::Phone, &cell(Metric::Lcp, (0..100).map(|index| index * 60)));
    totals.add_visits("/", Device::Phone, &cell(Metric::Lcp, [2500]));
    totals.add_visits(ODD, Device::Desktop, &cell(Metric::Cls, [0, 1000, 1001, 90_000]));
    totals.add_traffic(&traffic());
    totals
}

fn traffic() -> Traffic {
    let mut traffic = Traffic::default();
    let queries = [50.0, 120.0, 700.0].map(|millis| ("products by tag".to_owned(), millis));
    let mut add = |route, method, status, cache, detail: &str, edge| {
        let answer = Answer {
            method: Method::named(method),
            class: Class::of(status),
            cache,
            detail: detail.to_owned(),
        };
        traffic.add(&Record { route, answer, bytes: 1000, edge, origin: None, queries: &queries });
    };
    for edge in [3, 50, 50, 120, 700, 30_000] {
        add("/", "GET", 200, Cached::Hit, "memory", edge);
        add("/", "GET", 503, Cached::Miss, "expired", edge);
        add(ODD, "BREW", 418, Cached::Bypass, "method", edge);
    }
    (0..7).for_each(|_| add("/", "GET", 200, Cached::Miss, "cookie", 1));
    traffic
}

fn gauges() -> [Gauge; 4] {
    [
        Gauge::Health(97),
        Gauge::Backlog(2),
        Gauge::HeardAt(UnixMillis(1_800_000_059_500)),
        Gauge::Memory(1_048_576),
    ]
}

fn view() -> View {
    let mut values = Values::default();
    [(Metric::Lcp, 2380), (Metric::Cls, 1234), (Metric::Inp, 96), (Metric::Ttfb, 310)]
        .into_iter()
        .for_each(|(metric, value)| values.set(metric, value));
    View {
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

fn worker() -> Worker {
    Worker { release: "2026.11.1".into(), environment: "production".into() }
}

fn failure() -> Failure {
    Failure {
        at: START,
        kind: "Storage".into(),
        message: "row 17 of ann@example.com: disk full".into(),
        route: "/v1/vitals".into(),
    }
}

fn spans() -> [trace::Span; 2] {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let known = trace::Span {
        context: trace::Context::of(Some(parent), 0.0, [1, 2, 3]),
        site: "shop".into(),
        route: "/product/:id".into(),
        method: "GET",
        status: 404,
        cache: "miss",
        start: START,
        end: START.after(42),
        origin: Some(40),
    };
    let begun = trace::Span {
        context: trace::Context::of(None, 1.0, [7, 8, 9]),
        route: "/cart".into(),
        method: "POST",
        status: 502,
        origin: None,
        ..known.clone()
    };
    [known, begun]
}

fn pretty(value: &Value) -> String {
    format!("{}\n", serde_json::to_string_pretty(value).unwrap())
}

fn text() -> String {
    prometheus::page([(&totals(), gauges().as_slice())], Format::Text)
}

fn openmetrics() -> String {
    prometheus::page([(&totals(), gauges().as_slice())], Format::OpenMetrics)
}

#[test]
fn every_format_is_what_it_was() {
    golden::check("metrics.txt", &text());
    golden::check("metrics.openmetrics.txt", &openmetrics());
    golden::check("otlp.json", &pretty(&otlp::body(&totals(), &gauges(), "0.1.0", NOW)));
    golden::check("traces.json", &pretty(&trace::body(&spans(), "0.1.0")));
    golden::check("sentry-transaction.envelope", &sentry::transaction(&view(), &worker(), NOW));
    golden::check("sentry-event.envelope", &sentry::failure(&failure(), 3, &worker(), NOW));
    golden::check("analytics.json", &pretty(&analytics::body(&view(), NOW).unwrap()));
}

#[test]
fn totals_are_what_they_were_when_they_are_stored_and_carried() {
    let whole = totals();
    assert_eq!(Totals::restored("shop".into(), START, whole.rows()), Ok(whole.clone()));
    assert_eq!(Totals::decode(&whole.encode()), Ok(whole.clone()));
    // A row is that of its route alone, so that what did not grow is not written.
    let mut grown = whole.clone();
    grown.add_visits("/", Device::Phone, &cell(Metric::Lcp, [1]));
    let (before, after) = (whole.rows(), grown.rows());
    let changed: Vec<_> = after.iter().filter(|(route, row)| before.get(*route) != Some(row)).collect();
    assert_eq!(changed.iter().map(|(route, _)| route.as_str()).collect::<Vec<_>>(), ["/"]);
    for (route, row) in before {
        assert!(Totals::restored("shop".into(), START, [(route, row[1..].to_vec())]).is_err());
    }
}

#[test]
fn several_sites_share_one_page() {
    let other = Totals::restored("other".into(), START, totals().rows()).unwrap();
    let (one, gauges) = (totals(), gauges());
    let both = [(&one, gauges.as_slice()), (&other, gauges.as_slice())];
    let page = prometheus::page(both, Format::Text);
    assert_eq!(page.matches("# TYPE http_requests_total counter").count(), 1);
    assert_eq!(page.matches("edge_vitals_health_score{").count(), 2);
    if let Some(said) = run(Command::new("promtool").args(["check", "metrics"]), &page) {
        assert_eq!(said, Ok(String::new()));
    }
}

#[test]
fn a_scraper_gets_the_format_that_it_asks_for() {
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    assert_eq!(Format::accepted(accept), Format::OpenMetrics);
    assert_eq!(Format::accepted("*/*"), Format::Text);
}

/// Of Analytics' published limits: 25 events, names of 40 characters, values of 100, 130 kB, three days.
#[test]
fn analytics_takes_what_it_is_sent() {
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
    assert_eq!(analytics::body(&view(), START.after(3 * 86_400_000 + 1)), None);
    assert_eq!(analytics::body(&View { values: Values::default(), ..view() }, NOW), None);
}

#[test]
fn nothing_that_names_a_visitor_goes_out() {
    let sent = [
        sentry::transaction(&view(), &worker(), NOW),
        sentry::failure(&failure(), 1, &worker(), NOW),
        analytics::body(&view(), NOW).unwrap().to_string(),
    ];
    for document in sent {
        for secret in ["0123456789abcdef", "ann@", "row 17"] {
            assert!(!document.contains(secret), "{secret} is in {document}");
        }
    }
}

#[test]
fn promtool_finds_nothing_to_complain_of() {
    let Some(said) = run(Command::new("promtool").args(["check", "metrics"]), &text()) else {
        println!("not checked: promtool is not here (Debian has it in `prometheus`)");
        return;
    };
    assert_eq!(said, Ok(String::new()));
    // It would complain.
    let wrong = run(Command::new("promtool").args(["check", "metrics"]), "# TYPE a counter\na 1\n").unwrap();
    assert!(wrong.is_err());
}

#[test]
fn the_formats_own_parsers_read_what_was_put_in() {
    let python = std::env::var("PARSERS_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parsers/read.py");
    if !matches!(run(Command::new(&python).args([script, "ready"]), ""), Some(Ok(_))) {
        println!("not checked: {python} lacks the packages of crates/insight/tests/parsers/requirements.txt");
        return;
    }
    let read = |format: &str, document: &str| -> Value {
        let said = run(Command::new(&python).args([script, format]), document).expect("python is here");
        serde_json::from_str(&said.unwrap_or_else(|error| format!("{:?}", (format, error))))
            .expect("it reads it")
    };
    let sent = trace::body(&spans(), "0.1.0").to_string();
    let (trace_id, span_id) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let expect = json!([
        ["GET /product/:id", trace_id, span_id, 0],
        ["POST /cart", "00000000000000070000000000000008", "", 2]
    ]);
    assert_eq!(read("traces", &sent), expect);
    for (format, page) in [("text", text()), ("openmetrics", openmetrics())] {
        let found = read(format, &page);
        let expect = json!({
            "web_vitals_lcp_seconds_count": 101.0,
            "web_vitals_cls_count": 4.0,
            "http_requests_total": 25.0,
            "http_request_duration_seconds_count": 25.0,
            "cache_hits_total": 6.0,
            "cache_misses_total": 13.0,
            "db_query_duration_seconds_count": 75.0,
            "edge_vitals_health_score": 97.0,
            "edge_vitals_push_backlog": 2.0,
            "edge_vitals_last_beacon_timestamp_seconds": 1_800_000_059.5,
            "edge_vitals_memory_bytes": 1_048_576.0,
            "routes": ["/", ODD],
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
        "db.client.operation.duration": 75.0,
        "edge_vitals.health": 97.0,
        "edge_vitals.push.backlog": 2.0,
        "edge_vitals.last_beacon": 1_800_000_059.5,
        "edge_vitals.memory": 1_048_576.0,
    });
    assert_eq!(found, expect);

    let found = read("sentry", &sentry::transaction(&view(), &worker(), NOW));
    assert_eq!(found["measurements"], json!({ "lcp": 2380.0, "cls": 0.1234, "inp": 96.0, "ttfb": 310.0 }));
    assert_eq!((&found["type"], &found["category"]), (&json!("transaction"), &json!("transaction")));
    assert!((found["seconds"].as_f64().unwrap() - 45.6).abs() < 1e-3 && found["release"] == "1.4.0");
    let found = read("sentry", &sentry::failure(&failure(), 3, &worker(), NOW));
    assert_eq!((&found["type"], &found["category"]), (&json!("event"), &json!("error")));
}

/// What the program said, or why it failed; none where there is no such program.
fn run(command: &mut Command, input: &str) -> Option<Result<String, String>> {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.ok()?;
    // A program that reads nothing closes its end.
    let _ = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let [said, complained] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Some(if output.status.success() { Ok(said) } else { Err(said + &complained) })
}
