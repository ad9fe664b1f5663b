//! Requests as they arrive: what is keyed, what reaches the origin, and that no visitor can put into a
//! shared answer what others get.

#![expect(clippy::expect_used, reason = "a test that cannot go on says so")]

use cache::{Arrival, Grounds, Headers, Incoming, Mistake, Proof, Refusal, RequestHead, Routes, Turned};

const ROUTES: &str = r#"{
  "routes": [
    { "host": "www.example", "path": "/private/**", "origin": "https://origin.example", "bypass": true },
    { "host": "www.example", "path": "/list", "origin": "https://origin.example", "query": ["page"] },
    { "host": "www.example", "path": "/users/{id}", "origin": "https://origin.example", "ttl": "short",
      "tags": ["user:{id}", "users"], "key_headers": ["X-Country"],
      "cookies": { "key": ["theme"], "ignore": ["_ga*"], "bypass": ["_gat"] }, "bypass_headers": ["X-Preview"] },
    { "host": "*.example", "path": "/**", "origin": "http://127.0.0.1:9", "methods": ["GET", "POST"], "most_body_bytes": 5 }
  ]
}"#;

fn arrive<T>(
    method: &str,
    host: &str,
    path: &str,
    query: &str,
    headers: &str,
    then: impl FnOnce(Option<Result<Arrival<'_>, Refusal>>, &str) -> T,
) -> T {
    let routes = Routes::parse(ROUTES).expect("routes");
    let head = RequestHead { method: method.into(), headers: Headers::parse(headers) };
    let incoming = Incoming { scheme: "https", host, path, query, head: &head, client: "192.0.2.1" };
    let mut grounds = Grounds::new();
    let arrival = Arrival::of(&routes, &incoming, &mut grounds);
    let arrival = arrival.map(|arrival| arrival.map_err(|(_, refusal)| refusal));
    then(arrival, grounds.last().map_or("", |ground| ground.word()))
}

/// The key, or the word why there is none.
fn key(path: &str, query: &str, headers: &str) -> Result<String, String> {
    arrive("GET", "www.example", path, query, headers, |arrival, word| {
        arrival.expect("a route").expect("let through").key.ok_or_else(|| word.to_owned())
    })
}

#[test]
fn what_is_the_same_for_the_origin_has_one_key_and_nothing_else_has() {
    let same = [
        (("/list", "page=1&utm=x", ""), ("/list", "utm=y&page=1", "")),
        (("/users/1", "", "cookie: _ga=1"), ("/users/1", "", "")),
        (("/users/1", "", "x-unkeyed: 1"), ("/users/1", "", "x-forwarded-host: evil")),
        (("/users/1", "", "cookie: theme=a; _ga=1"), ("/users/1", "", "cookie: _ga=2; theme=a")),
    ];
    for ((path, query, headers), (other_path, other_query, other_headers)) in same {
        assert_eq!(key(path, query, headers), key(other_path, other_query, other_headers));
        assert!(key(path, query, headers).is_ok());
    }
    let different = [
        (("/list", "page=1", ""), ("/list", "page=2", "")),
        (("/list", "page=1&page=2", ""), ("/list", "page=2&page=1", "")),
        (("/list", "", ""), ("/list", "page", "")),
        (("/users/1", "", ""), ("/users/01", "", "")),
        (("/users/1", "a", ""), ("/users/1", "A", "")),
        (("/users/a", "", ""), ("/users/%61", "", "")),
        (("/users/1", "", "x-country: at"), ("/users/1", "", "x-country: de")),
        (("/users/1", "", "x-country:"), ("/users/1", "", "")),
        (("/users/1", "", "cookie: theme=a"), ("/users/1", "", "cookie: theme=b")),
        (("/x", "", ""), ("/x/", "", "")),
        (("/x//y", "", ""), ("/x/y", "", "")),
    ];
    for ((path, query, headers), (other_path, other_query, other_headers)) in different {
        assert_ne!(
            key(path, query, headers),
            key(other_path, other_query, other_headers),
            "{path}?{query} {headers}"
        );
    }
}

#[test]
fn what_may_be_for_one_visitor_goes_past_the_cache() {
    let table = [
        ("/private/x", "", "route"),
        ("/list", "authorization: Basic x", "authorization"),
        ("/list", "cookie: session=1", "cookie"),
        ("/users/1", "cookie: session=1; theme=a", "cookie"),
        ("/users/1", "cookie: _gat=1", "cookie"),
        ("/users/1", "x-preview: 1", "field"),
        ("/list", "if-match: \"a\"", "precondition"),
        ("/list", "if-unmodified-since: Sun, 06 Nov 1994 08:49:37 GMT", "precondition"),
        // What origins read in different ways.
        ("/account/x;.css", "", "path"),
        ("/account%2fx.css", "", "path"),
        ("/account%2Fx.css", "", "path"),
        ("/account%3Fx.css", "", "path"),
        ("/account%3Bx.css", "", "path"),
        ("/account%00.css", "", "path"),
        ("/account%0a.css", "", "path"),
        ("/account%23.css", "", "path"),
        ("/static/%2e%2e/account", "", "path"),
        ("/static/..%5caccount", "", "path"),
        ("/account%252fx.css", "", "path"),
    ];
    for (path, headers, word) in table {
        assert_eq!(key(path, "", headers), Err(word.to_owned()), "{path} {headers}");
    }
}

#[test]
fn a_shared_answer_is_asked_for_by_nothing_that_is_not_keyed() {
    let poison = [
        "x-forwarded-host: evil",
        "x-forwarded-proto: http",
        "x-forwarded-scheme: http",
        "x-forwarded-port: 1",
        "x-forwarded-for: 1",
        "x-forwarded-prefix: /evil",
        "forwarded: host=evil",
        "x-host: evil",
        "x-original-url: /admin",
        "x-rewrite-url: /admin",
        "x-override-url: /admin",
        "x-http-method-override: POST",
        "x-method-override: POST",
        "true-client-ip: 1",
        "x-real-ip: 1",
        "host: evil",
        "transfer-encoding: chunked",
        "content-length: 5",
        "te: trailers",
        "upgrade: x",
        "connection: x-a",
        "proxy-authorization: x",
        "via: x",
        "x-anything: 1",
        "referer: https://evil/",
        "range: bytes=0-1",
        "if-none-match: \"a\"",
        "if-modified-since: Sun, 06 Nov 1994 08:49:37 GMT",
        "expect: 100-continue",
        "max-forwards: 0",
        "cache-control: no-cache",
        "pragma: no-cache",
        "sec-fetch-mode: cors",
        "cf-connecting-ip: 1",
        "user-agent: <script>",
        "accept: <script>",
        "accept-language: <script>",
        "origin: <script>",
        "traceparent: 1",
    ];
    let reached = |headers: &str| {
        arrive("GET", "www.example", "/list", "", headers, |arrival, _| {
            arrival.expect("a route").expect("let through").forwarded.headers
        })
    };
    for field in poison {
        assert_eq!(reached(field), reached(""), "{field}");
    }
    assert_eq!(reached("accept: text/html").first("accept"), Some("text/html"));
    assert_eq!(reached("").first("x-forwarded-host"), Some("www.example"));
    assert_eq!(reached("").first("x-forwarded-proto"), Some("https"));
    let shouted = arrive("GET", "WWW.EXAMPLE", "/list", "", "", |arrival, _| {
        arrival.expect("a route").expect("let through").forwarded.headers
    });
    assert_eq!(shouted, reached(""), "the key knows no capitals, so the origin does not either");
}

#[test]
fn a_personal_answer_is_asked_for_with_all_but_what_misleads() {
    let headers = "authorization: x\ncookie: a=b\nx-forwarded-for: 6.6.6.6\nx-original-url: /admin\nx-own: 1\nconnection: x-hop\nx-hop: 1\ncf-connecting-ip: 6.6.6.6\nrange: bytes=0-1";
    let reached = arrive("GET", "www.example", "/list", "a=1", headers, |arrival, _| {
        arrival.expect("a route").expect("let through").forwarded.headers
    });
    let names: Vec<&str> = reached.iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "authorization",
            "cookie",
            "x-own",
            "range",
            "x-forwarded-host",
            "x-forwarded-proto",
            "via",
            "x-forwarded-for"
        ]
    );
    assert_eq!(reached.first("x-forwarded-for"), Some("192.0.2.1"));
}

#[test]
fn what_does_not_pass_is_told_what_would() {
    let refused = |method: &str, path: &str, headers: &str| {
        arrive(method, "a.example", path, "", headers, |arrival, _| arrival.expect("a route").err())
    };
    assert_eq!(refused("PUT", "/", ""), Some(Refusal::Method { allow: "GET, POST".into() }));
    assert_eq!(refused("POST", "/", "content-length: 6"), Some(Refusal::Body { most: 5 }));
    assert_eq!(refused("POST", "/", "content-length: 5"), None);
    assert_eq!(refused("GET", "/", &format!("x: {}", "a".repeat(40_000))), Some(Refusal::Head));
    assert_eq!(refused("GET", &format!("/{}", "a".repeat(40_000)), ""), Some(Refusal::Head));
}

#[test]
fn a_route_is_found_by_host_and_path_and_the_first_counts() {
    let found = |host: &str, path: &str| {
        arrive("GET", host, path, "", "", |arrival, _| {
            arrival.map(|arrival| arrival.expect("let through").index)
        })
    };
    assert_eq!(found("www.example", "/list"), Some(1));
    assert_eq!(found("WWW.example", "/list"), Some(1));
    assert_eq!(found("www.example", "/other"), Some(3));
    assert_eq!(found("a.example", "/list"), Some(3));
    assert_eq!(found("example", "/list"), None);
    assert_eq!(found("evilwww.example", "/list"), Some(3));
    assert_eq!(found("www.example.evil", "/list"), None);
}

#[test]
fn tags_are_filled_with_what_the_path_caught() {
    let tags = arrive("GET", "www.example", "/users/7", "", "", |arrival, _| {
        let arrival = arrival.expect("a route").expect("let through");
        arrival.route.tags_of("/users/7")
    });
    assert_eq!(tags, ["user:7", "users"]);
}

#[test]
fn a_mistake_names_its_line_and_what_would_be_right() {
    let wrong = |text: &str| Routes::parse(text).expect_err(text);
    let route = |more: &str| {
        format!(
            "{{\n \"routes\": [\n  {{ \"host\": \"a.b\", \"path\": \"/x/{{id}}\", \"origin\": \"https://o\",\n    {more} }}\n ]\n}}"
        )
    };
    assert!(Routes::parse(&route("\"ttl\": 5")).is_ok());
    let table = [
        (
            "\"ttl\": \"brief\"",
            4,
            "\"brief\" is no class; there are short, medium, long and very_long, or a number of seconds",
        ),
        ("\"ttl\": -1", 4, "a number of seconds, or short, medium, long or very_long"),
        ("\"tll\": 5", 4, "unknown field `tll`"),
        (
            "\"tags\": [\"user:{name}\"]",
            4,
            "the tag \"user:{name}\" names {name}, which the path \"/x/{id}\" does not catch",
        ),
        ("\"key_headers\": [\"cookie\"]", 4, "for cookies there is `cookies`"),
        ("\"key_headers\": [\"a b\"]", 4, "\"a b\" is no name of a header field"),
        ("\"bypass\": 1", 4, "expected a boolean"),
    ];
    for (more, line, says) in table {
        let Mistake { line: found, says: said, .. } = wrong(&route(more));
        assert!(found == line && said.contains(says), "{more}: line {found}: {said}");
    }
    let origin = |text: &str| {
        wrong(&format!("{{\"routes\": [{{\"host\": \"a\", \"path\": \"/\",\n\"origin\": \"{text}\"}}]}}"))
    };
    for text in ["o", "ftp://o", "https://o/path", "https://", "https://u@o"] {
        assert!(origin(text).to_string().starts_with("line 2, "), "{}", origin(text));
    }
    assert!(wrong("{\"routes\": []").says.contains("EOF"));
    assert!(wrong("{\"routes\": [], \"lease_ms\": 5}").says.contains("from 100 to 60000"));
}

#[test]
fn a_guarded_route_wants_its_proof_however_the_path_is_written() {
    let routes = Routes::parse(
        r#"{"routes": [
            {"host": "a.example", "path": "/login", "origin": "https://o.example"},
            {"host": "a.example", "path": "/admin/**", "origin": "https://o.example",
             "require": {"cookie": "session", "login": "/login?next={path}"}},
            {"host": "a.example", "path": "/api/**", "origin": "https://o.example", "require": {"bearer": "API_TOKEN"}},
            {"host": "a.example", "path": "/**", "origin": "https://o.example", "ttl": "long"}]}"#,
    )
    .expect("routes");
    let arrive = |path: &str, headers: &str| {
        let head = RequestHead::get(Headers::parse(headers));
        let incoming =
            Incoming { scheme: "https", host: "a.example", path, query: "a=b", head: &head, client: "" };
        let arrival =
            Arrival::of(&routes, &incoming, &mut Grounds::new()).expect("a route").expect("no refusal");
        let proofs: Vec<Proof> = arrival.guards.iter().map(|guard| guard.proof(&head.headers)).collect();
        let turned = arrival.guards.first().map(|guard| guard.turned(&incoming));
        (arrival.key.is_some(), proofs, turned)
    };
    for path in [
        "/admin",
        "/admin/",
        "/admin/a",
        "/%61dmin/a",
        "/%2561dmin/a",
        "//admin/a",
        "/x/%2e%2e/admin/a",
        "/ADMIN/a",
        "/x/..;/admin",
        "/admin;a/b",
        "/./admin/a",
        "/admin%2fa",
        "/x\\..\\admin/a",
        "/admin%00/a",
    ] {
        let (is_shared, proofs, _) = arrive(path, "");
        assert_eq!((is_shared, proofs), (false, vec![Proof::None]), "{path}");
    }
    for path in ["/", "/login", "/administration", "/x/admin/a"] {
        assert!(arrive(path, "").1.is_empty(), "{path}");
    }
    assert_eq!(arrive("/admin/a", "cookie: a=b; session=x").1, [Proof::Given]);
    assert_eq!(arrive("/admin/a", "cookie: session=; sessio=n").1, [Proof::None]);
    let secret = |given: &str| Proof::Secret { name: "API_TOKEN".into(), given: given.into() };
    assert_eq!(arrive("/api/a", "authorization: bearer  abc ").1, [secret("abc")]);
    assert_eq!(arrive("/api/a", "authorization: Basic abc").1, [Proof::None]);
    assert_eq!(arrive("/api/a", "").2, Some(Turned::Away("Bearer".into())));
    assert_eq!(arrive("/admin/a", "").2, Some(Turned::To("/login?next=/admin/a%3Fa%3Db".into())));
}

#[test]
fn what_a_route_says_of_proofs_limits_and_warming_is_checked() {
    for (says, why) in [
        (r#""require": {}"#, "one of cookie, header and bearer"),
        (r#""require": {"cookie": "a", "bearer": "B"}"#, "one of cookie, header and bearer"),
        (r#""require": {"cookie": "a b"}"#, "a name in require"),
        (r#""require": {"bearer": "A", "secret": "B"}"#, "leave `secret` out"),
        (r#""require": {"cookie": "a", "login": "//evil.example"}"#, "login must be a path"),
        (r#""require": {"cookie": "a", "login": "/login"}"#, "put a route for it before"),
        (r#""limit": {"most": 0}"#, "limit wants most"),
        (r#""limit": {"most": 5, "least": 6}"#, "limit wants most"),
        (r#""limit": {"most": 5, "bad": 2}"#, "limit wants bad"),
        (r#""name": "no slash""#, "begins with a slash"),
        (r#""site": "a b""#, "site must be the name"),
        (r#""security_headers": {"cache-control": "x"}"#, "no field that a route can set"),
    ] {
        let text = format!(
            "{{\"routes\": [\n{{\"host\": \"a\", \"path\": \"/**\", \"origin\": \"https://o\", {says}}}]}}"
        );
        let mistake = Routes::parse(&text).expect_err(says);
        assert!(mistake.says.contains(why) && mistake.line == 2, "{says}: {mistake}");
    }
    let routes = Routes::parse(
        r#"{"routes": [
        {"host": "a", "path": "/**", "origin": "https://o", "site": "known"},
        {"host": "b", "path": "/**", "origin": "https://o", "inject": "unknown"}]}"#,
    )
    .expect("routes");
    assert_eq!(
        routes.unknown_site("\n\n \"unknown\"", |site| site == "known").map(|mistake| mistake.line),
        Some(3)
    );
    assert_eq!(routes.unknown_site("", |_| true), None);
    assert!(Routes::parse(r#"{"routes": [], "warm": {"most": 0}}"#).is_err());
}
