//! No visitor gets a shared response that was made from another visitor's field value, unless both values
//! are equal under the key. The origin reflects every field that it gets, with any Vary, status and directive.
//! Several isolates share the tiers below memory.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::collections::HashMap;
use std::rc::Rc;

use cache::purge::{PurgeChanges, PurgeClock};
use cache::sharing::{self, Sharing};
use cache::{
    CacheConfig, CacheEntry, Exchange, ExchangeEvent, Headers, RequestHead, RequestStart, SharedState, Step,
    Tier, UnixMillis, UrlParts,
};
use proptest::prelude::*;

/// The head of the request that the origin reflects in its response.
type Reflection = Rc<Headers>;

/// The values of a field, by their meaning: values of one row are equal under the key.
const FIELDS: [(&str, &[&[&str]]); 7] = [
    (
        "accept",
        &[
            &["application/json", "Application/JSON"],
            &["text/html, */*;q=0.8", "*/*;q=0.80,text/html"],
            &["<script>"],
            &["a/b;p=\"X\""],
            &["a/b;p=\"x\""],
        ],
    ),
    ("accept-language", &[&["gsw-CH, de;q=0.9", "de;q=0.9,GSW-ch"], &["gsw-CH"], &["de"], &[""]]),
    (
        "accept-encoding",
        &[
            &["gzip", "GZIP;q=0.5, deflate", "gzip, <script>"],
            &["br, gzip", "gzip, br"],
            &["identity", "deflate"],
        ],
    ),
    ("origin", &[&["https://a.example"], &["https://b.example"], &["null"]]),
    ("x-varied", &[&["1"], &["2"], &["evil"]]),
    ("x-keyed", &[&["1"], &["2"]]),
    ("cookie", &[&["theme=dark", "theme=dark; _ga=1"], &["theme=light"], &["_ga=7"]]),
];
/// Fields that the route does not mention.
const FOREIGN: [&str; 6] =
    ["x-forwarded-host", "x-anything", "user-agent", "referer", "x-original-url", "forwarded"];
/// Fields that the cache sets itself.
const OWN: [&str; 6] =
    ["user-agent", "x-forwarded-host", "x-forwarded-proto", "via", "if-none-match", "if-modified-since"];

const ROUTES: [&str; 5] = [
    r#""vary": ["x-varied"], "key_headers": ["x-keyed"], "cookies": {"key": ["theme"], "ignore": ["*"]}"#,
    r#""cookies": {"ignore": ["*"]}"#,
    r#""inject": "shop", "vary": ["x-varied"], "cookies": {"ignore": ["*"]}"#,
    r#""ttl": 60, "negative_ttl": 60, "stale_while_revalidate": 60, "stale_if_error": 60, "cookies": {"ignore": ["*"]}"#,
    r#""key_headers": ["accept", "accept-language"], "cookies": {"ignore": ["*"]}"#,
];
const HEADS: [&str; 6] = [
    "cache-control: max-age=60",
    "cache-control: public, max-age=5\netag: \"a\"",
    "",
    "cache-control: no-store",
    "cache-control: private, max-age=60",
    "cache-control: max-age=60\ncontent-encoding: gzip",
];
const VARY: [&str; 10] = [
    "",
    "",
    "accept",
    "accept-language",
    "accept-encoding",
    "origin",
    "x-varied",
    "accept, accept-language, x-varied",
    "*",
    "x-unlisted",
];

#[derive(Clone, Debug)]
struct VisitorRequest {
    isolate: usize,
    path: usize,
    /// For each field, its row and the value in it.
    fields: Vec<(usize, usize, usize)>,
    foreign: Vec<usize>,
    /// The origin's status, head and Vary for the first request and for a second one.
    answers: [(u16, usize, usize); 2],
    /// Seconds since the visit before.
    pause: u64,
}

fn any_visit() -> impl Strategy<Value = VisitorRequest> {
    let answer = (
        prop_oneof![6 => Just(200_u16), 2 => 400..=415_u16, 1 => Just(404), 1 => Just(500), 1 => Just(301), 1 => Just(304)],
        0..HEADS.len(),
        0..VARY.len(),
    );
    (
        0..2_usize,
        0..2_usize,
        prop::collection::vec((0..FIELDS.len(), 0..5_usize, 0..3_usize), 0..5),
        prop::collection::vec(0..FOREIGN.len(), 0..2),
        [answer.clone(), answer],
        prop_oneof![4 => Just(0_u64), 1 => 1..90_u64],
    )
        .prop_map(|(isolate, path, fields, foreign, answers, pause)| VisitorRequest {
            isolate,
            path,
            fields,
            foreign,
            answers,
            pause,
        })
}

/// Returns the head of a visitor's request.
fn request_of(visit: &VisitorRequest) -> Headers {
    let mut headers = Headers::new();
    for (field, row, value) in &visit.fields {
        let (name, rows) = FIELDS[*field];
        let values = rows[row % rows.len()];
        headers.set(name, values[value % values.len()]);
    }
    for index in &visit.foreign {
        headers.set(FOREIGN[*index], "evil.example");
    }
    headers
}

/// Returns the meaning of a field's value as the origin sees it; none if it is absent or without meaning.
fn meaning(name: &str, value: Option<&str>) -> Option<usize> {
    let value = value?;
    let (_, rows) = FIELDS.iter().find(|(known, _)| *known == name).expect("a field of the test");
    match name {
        // Reduced to what stored responses have.
        "accept-encoding" => match value {
            "br, gzip" | "gzip, br" => Some(1),
            "identity" | "deflate" => None,
            _ => Some(0),
        },
        "cookie" if !value.contains("theme=") => None,
        _ => Some(rows.iter().position(|row| row.contains(&value)).expect("a value of the test")),
    }
}

/// The tiers below memory, by storage key.
#[derive(Default)]
struct Tiers(HashMap<String, (CacheEntry, Reflection)>);

struct Visited {
    reflection: Option<Reflection>,
    /// The response went to this visitor alone.
    is_private: bool,
    status: u16,
    requests: usize,
}

/// Performs the steps as the shell does.
fn visit(
    visit: &VisitorRequest,
    config: &Rc<CacheConfig>,
    shared: &mut SharedState<Reflection>,
    tiers: &mut Tiers,
    now: UnixMillis,
) -> Visited {
    let url = format!("https://www.example/{}", visit.path);
    let request = RequestStart {
        url: UrlParts::parse(&url).expect("a URL"),
        head: RequestHead::get(request_of(visit)),
        client_ip: "192.0.2.1",
    };
    let mut exchange: Exchange<Reflection> = Exchange::start_for_client(config, request, now, |_, _| true)
        .expect("a route")
        .expect("no rejection");
    let mut step = exchange.handle(ExchangeEvent::Started, now, shared);
    for _ in 0..2 {
        if step != Step::Lookup {
            break;
        }
        let storage_key = exchange.storage_key(shared);
        if let Some((entry, body)) = tiers.0.get(&storage_key) {
            let (entry, body) = (Box::new(entry.clone()), Rc::clone(body));
            step = exchange.handle(
                ExchangeEvent::TierEntryFound { tier: Tier::Kv, entry, body, body_length: 1 },
                now,
                shared,
            );
        }
        if step == Step::Lookup && exchange.storage_key(shared) == storage_key {
            break;
        }
    }
    if step == Step::Lookup {
        step = exchange.handle(ExchangeEvent::TiersExhausted, now, shared);
    }
    let served = |exchange: &Exchange<Reflection>| {
        exchange.stored_response(now).map(|response| Rc::clone(&response.found.body))
    };
    let mut visited = Visited { reflection: None, is_private: false, status: 0, requests: 0 };
    if step == Step::ServeThenRevalidate || step == Step::Serve {
        visited.reflection = served(&exchange);
    }
    let is_passed = step == Step::Pass;
    if matches!(step, Step::Serve | Step::Refuse) {
        return visited;
    }
    step = exchange.handle(ExchangeEvent::OriginNeeded, now, shared);
    while matches!(step, Step::ContactOrigin | Step::Fetch) {
        let (status, head, vary) = visit.answers[visited.requests.min(1)];
        visited.requests += 1;
        assert!(visited.requests <= 3, "the cache asks again once");
        let sent = match is_passed {
            true => exchange.pass_request(now, shared),
            false => exchange.origin_request(now, shared),
        };
        // An origin answers 304 only to a condition.
        let status = if status == 304 && !sent.headers.has("if-none-match") { 200 } else { status };
        let vary = if VARY[vary].is_empty() { String::new() } else { format!("\nvary: {}", VARY[vary]) };
        let headers = Headers::parse(&format!("{}{vary}", HEADS[head]));
        step = exchange.handle(ExchangeEvent::OriginResponded { status, headers }, now, shared);
        let body: Reflection = Rc::new(sent.headers);
        match step {
            Step::Store => {
                let names = exchange.storage_key(shared);
                let complete =
                    ExchangeEvent::BodyComplete { body: Rc::clone(&body), body_length: 1, etag: None };
                visited.reflection.get_or_insert(body);
                assert_eq!(exchange.handle(complete, now, shared), Step::WriteTiers, "{names}");
            }
            Step::Send => {
                visited.is_private = visited.reflection.is_none();
                visited.reflection.get_or_insert(body);
            }
            Step::Serve => visited.reflection = visited.reflection.or_else(|| served(&exchange)),
            _ => {}
        }
        visited.status = status;
    }
    if let Some(write) = exchange.tier_write() {
        let stored = (write.found.entry.clone(), Rc::clone(&write.found.body));
        tiers.0.insert(exchange.storage_key(shared), stored.clone());
        tiers.0.insert(write.key, stored);
    }
    visited
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_visitor_gets_a_response_made_from_the_field_value_of_another(
        route in 0..ROUTES.len(), visits in prop::collection::vec(any_visit(), 1..16),
    ) {
        let text = format!(r#"{{"routes": [{{"host": "www.example", "path": "/*", "origin": "https://o.example", {}}}]}}"#, ROUTES[route]);
        let config = Rc::new(CacheConfig::parse(&text).expect("a route"));
        let mut isolates = [SharedState::default(), SharedState::default()];
        let mut tiers = Tiers::default();
        let mut now = UnixMillis(1_700_000_000_000);
        for each in &visits {
            now = now.saturating_add(each.pause * 1000);
            let shared = &mut isolates[each.isolate];
            shared.memory.set_max_bytes(1 << 20);
            shared.purge_view.apply(PurgeChanges { clock: PurgeClock::default(), ..PurgeChanges::default() }, now);
            let visited = visit(each, &config, shared, &mut tiers, now);
            let Some(reflection) = &visited.reflection else { continue };
            let own = request_of(each);
            for (name, value) in reflection.iter().filter(|(name, _)| !OWN.contains(name)) {
                prop_assert!(FIELDS.iter().any(|(known, _)| *known == name), "{name} reached the origin");
                let sent = own.joined(name);
                prop_assert_eq!(
                    meaning(name, Some(value)), meaning(name, sent.as_deref()),
                    "{:?} got what was made for {}: {}", sent, name, value
                );
            }
            for name in OWN.into_iter().filter(|name| FOREIGN.contains(name)) {
                prop_assert!(reflection.first(name).is_none_or(|value| !value.contains("evil")), "{name}");
            }
            // A response for this visitor alone was made from all that the visitor sent.
            if visited.is_private && visited.requests == 1 && visited.status < 500 {
                for name in ["accept", "accept-language"] {
                    prop_assert_eq!(reflection.joined(name), own.joined(name), "{}", name);
                }
            }
        }
    }

    #[test]
    fn a_shared_response_has_said_that_it_varies_on_all_that_reached_the_origin(
        varies_on in prop::option::of(prop::collection::vec("[a-d]", 0..4)),
        fields in prop::collection::hash_map("[a-d]", any::<bool>(), 0..4),
    ) {
        let of = |is_forwarded: bool| -> Vec<String> {
            fields.iter().filter(|(_, forwarded)| **forwarded == is_forwarded).map(|(name, _)| name.clone()).collect()
        };
        let (forwarded, withheld) = (of(true), of(false));
        let decision = sharing::decide(varies_on.as_deref(), &forwarded, &withheld);
        let is_covered = |names: &[String]| {
            forwarded.iter().all(|name| names.contains(name)) && !withheld.iter().any(|name| names.contains(name))
        };
        prop_assert_eq!(decision == Sharing::Shared, varies_on.as_deref().is_some_and(is_covered));
        if decision == Sharing::AskAgain {
            prop_assert!(!withheld.is_empty());
        }
    }
}

fn isolate() -> SharedState<Reflection> {
    let mut shared = SharedState::default();
    shared.memory.set_max_bytes(1 << 20);
    shared.purge_view.apply(PurgeChanges::default(), UnixMillis(1_700_000_000_000));
    shared
}

/// Visits one path in order, each time with these fields, and returns what the origin got for the response
/// and how often it was asked.
fn walk(route: &str, vary: usize, head: usize, visitors: &[&str]) -> Vec<(Option<Headers>, usize)> {
    let text = format!(
        r#"{{"routes": [{{"host": "www.example", "path": "/*", "origin": "https://o.example" {route}}}]}}"#
    );
    let config = Rc::new(CacheConfig::parse(&text).expect("a route"));
    let (mut shared, mut tiers) = (isolate(), Tiers::default());
    let find = |line: &str| {
        let (name, value) = line.split_once(": ").expect("a field");
        let field = FIELDS.iter().position(|(known, _)| *known == name).expect("a field");
        let row = FIELDS[field].1.iter().position(|row| row.contains(&value)).expect("a row");
        let at = FIELDS[field].1[row].iter().position(|known| *known == value).expect("a value");
        (field, row, at)
    };
    visitors
        .iter()
        .map(|lines| {
            let fields = lines.lines().map(find).collect();
            let one = VisitorRequest {
                isolate: 0,
                path: 0,
                fields,
                foreign: vec![],
                answers: [(200, head, vary); 2],
                pause: 0,
            };
            let visited = visit(&one, &config, &mut shared, &mut tiers, UnixMillis(1_700_000_000_000));
            (visited.reflection.map(|reflection| (*reflection).clone()), visited.requests)
        })
        .collect()
}

#[test]
fn the_origin_gets_whole_fields_and_its_vary_chooses_the_variant() {
    let swiss = "accept-language: gsw-CH, de;q=0.9";
    let visits = walk("", 3, 0, &[swiss, "accept-language: de", "accept-language: de;q=0.9,GSW-ch", ""]);
    let languages: Vec<Option<String>> =
        visits.iter().map(|(got, _)| got.as_ref().and_then(|got| got.joined("accept-language"))).collect();
    let expect = ["gsw-CH, de;q=0.9", "de", "gsw-CH, de;q=0.9"].map(|text| Some(text.to_owned()));
    assert_eq!(languages, [&expect[..], &[None]].concat());
    assert_eq!(visits.iter().map(|(_, requests)| *requests).collect::<Vec<_>>(), [1, 1, 0, 1]);
}

#[test]
fn a_response_that_ignores_negotiation_is_shared_from_the_second_visitor_on() {
    let browser = |language: &str| format!("accept: text/html, */*;q=0.8\naccept-language: {language}");
    let visits = walk("", 0, 0, &[&browser("gsw-CH, de;q=0.9"), &browser("de"), &browser("gsw-CH")]);
    let got = |index: usize| visits[index].0.clone().expect("a response");
    assert_eq!(
        got(0).joined("accept-language").as_deref(),
        Some("gsw-CH, de;q=0.9"),
        "for this visitor alone"
    );
    assert!(!got(1).has("accept") && !got(1).has("accept-language"));
    assert_eq!(visits.iter().map(|(_, requests)| *requests).collect::<Vec<_>>(), [1, 1, 0]);
}

#[test]
fn a_response_that_is_not_stored_is_made_from_the_whole_request() {
    let visits =
        walk("", 0, 3, &["accept: application/json", "accept: application/json\naccept-language: de"]);
    for (got, requests) in visits {
        assert_eq!(got.expect("a response").first("accept"), Some("application/json"));
        assert_eq!(requests, 1);
    }
}

#[test]
fn requests_of_the_cache_itself_have_the_codings_of_visitors() {
    let mut shared = isolate();
    assert_eq!(shared.client_codings(), "gzip, br", "what the platform sends");
    shared.suppose_codings(Some("gzip"));
    assert_eq!(shared.client_codings(), "gzip");
    shared.record_codings(None);
    shared.suppose_codings(Some("br"));
    assert_eq!(shared.client_codings(), "");
    shared.record_codings(Some("gzip, br, zstd"));
    assert_eq!(shared.client_codings(), "gzip, br, zstd");
}
