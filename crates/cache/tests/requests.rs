//! Incoming requests: cache keys, the request to the origin, and protection against cache poisoning.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

use cache::{
    AuthChallenge, CacheConfig, CacheConfigError, Credential, DecisionLog, Headers, RequestHead,
    RequestParts, RequestRejection, RoutedRequest,
};

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

fn route_request<T>(
    method: &str,
    host: &str,
    path: &str,
    query: &str,
    headers: &str,
    then: impl FnOnce(Option<Result<RoutedRequest<'_>, RequestRejection>>, &str) -> T,
) -> T {
    let routes = CacheConfig::parse(ROUTES).expect("routes");
    let head = RequestHead { method: method.into(), headers: Headers::parse(headers) };
    let incoming = RequestParts { scheme: "https", host, path, query, head: &head, client_ip: "192.0.2.1" };
    let mut log = DecisionLog::new();
    let resolved = RoutedRequest::resolve(&routes, &incoming, &mut log);
    let routed = resolved.map(|resolved| resolved.map_err(|(_, rejection)| rejection));
    then(routed, log.last().map_or("", |reason| reason.code()))
}

/// Returns the cache key, or the code of the reason why there is none.
fn cache_key(path: &str, query: &str, headers: &str) -> Result<String, String> {
    route_request("GET", "www.example", path, query, headers, |routed, code| {
        routed.expect("a route").expect("no rejection").target.key.ok_or_else(|| code.to_owned())
    })
}

#[test]
fn requests_share_a_key_only_if_the_origin_sees_the_same() {
    let same = [
        (("/list", "page=1&utm=x", ""), ("/list", "utm=y&page=1", "")),
        (("/users/1", "", "cookie: _ga=1"), ("/users/1", "", "")),
        (("/list", "", "accept-encoding: gzip, deflate"), ("/list", "", "accept-encoding: GZIP;q=0.5")),
        (("/list", "", "accept-language: de"), ("/list", "", "accept: text/html")),
        (("/users/1", "", "x-unkeyed: 1"), ("/users/1", "", "x-forwarded-host: evil")),
        (("/users/1", "", "cookie: theme=a; _ga=1"), ("/users/1", "", "cookie: _ga=2; theme=a")),
    ];
    for ((path, query, headers), (other_path, other_query, other_headers)) in same {
        assert_eq!(cache_key(path, query, headers), cache_key(other_path, other_query, other_headers));
        assert!(cache_key(path, query, headers).is_ok());
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
        (("/list", "", "accept-encoding: gzip"), ("/list", "", "accept-encoding: br")),
        (("/list", "", "origin: https://a.example"), ("/list", "", "")),
        (("/x", "", ""), ("/x/", "", "")),
        (("/x//y", "", ""), ("/x/y", "", "")),
    ];
    for ((path, query, headers), (other_path, other_query, other_headers)) in different {
        assert_ne!(
            cache_key(path, query, headers),
            cache_key(other_path, other_query, other_headers),
            "{path}?{query} {headers}"
        );
    }
}

#[test]
fn possibly_personal_requests_bypass_the_cache() {
    let table = [
        ("/private/x", "", "route"),
        ("/list", "authorization: Basic x", "authorization"),
        ("/list", "cookie: session=1", "cookie"),
        ("/users/1", "cookie: session=1; theme=a", "cookie"),
        ("/users/1", "cookie: _gat=1", "cookie"),
        ("/users/1", "x-preview: 1", "field"),
        ("/list", "if-match: \"a\"", "precondition"),
        ("/list", "if-unmodified-since: Sun, 06 Nov 1994 08:49:37 GMT", "precondition"),
        // Delimiters that origins interpret differently.
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
    for (path, headers, code) in table {
        assert_eq!(cache_key(path, "", headers), Err(code.to_owned()), "{path} {headers}");
    }
}

#[test]
fn shared_requests_forward_only_keyed_headers() {
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
        "traceparent: 1",
    ];
    let forwarded = |headers: &str| {
        route_request("GET", "www.example", "/list", "", headers, |routed, _| {
            routed.expect("a route").expect("no rejection").target.origin_request.headers
        })
    };
    for field in poison {
        assert_eq!(forwarded(field), forwarded(""), "{field}");
    }
    assert_eq!(forwarded("accept-encoding: deflate, br;q=0.1").first("accept-encoding"), Some("br"));
    assert_eq!(forwarded("origin: https://a.example").first("origin"), Some("https://a.example"));
    assert_eq!(forwarded("").first("x-forwarded-host"), Some("www.example"));
    assert_eq!(forwarded("").first("x-forwarded-proto"), Some("https"));
    let upper_case = route_request("GET", "WWW.EXAMPLE", "/list", "", "", |routed, _| {
        routed.expect("a route").expect("no rejection").target.origin_request.headers
    });
    assert_eq!(
        upper_case,
        forwarded(""),
        "the key has the host in lower case, so the origin gets it in lower case"
    );
}

#[test]
fn bypass_requests_forward_all_but_untrusted_headers() {
    let headers = "authorization: x\ncookie: a=b\nx-forwarded-for: 6.6.6.6\nx-original-url: /admin\nx-own: 1\nconnection: x-hop\nx-hop: 1\ncf-connecting-ip: 6.6.6.6\nrange: bytes=0-1";
    let forwarded = route_request("GET", "www.example", "/list", "a=1", headers, |routed, _| {
        routed.expect("a route").expect("no rejection").target.origin_request.headers
    });
    let names: Vec<&str> = forwarded.iter().map(|(name, _)| name).collect();
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
    assert_eq!(forwarded.first("x-forwarded-for"), Some("192.0.2.1"));
}

#[test]
fn rejections_state_what_is_allowed() {
    let rejection = |method: &str, path: &str, headers: &str| {
        route_request(method, "a.example", path, "", headers, |routed, _| routed.expect("a route").err())
    };
    assert_eq!(
        rejection("PUT", "/", ""),
        Some(RequestRejection::MethodNotAllowed { allow: "GET, POST".into() })
    );
    assert_eq!(
        rejection("POST", "/", "content-length: 6"),
        Some(RequestRejection::BodyTooLarge { max_bytes: 5 })
    );
    assert_eq!(rejection("POST", "/", "content-length: 5"), None);
    assert_eq!(
        rejection("GET", "/", &format!("x: {}", "a".repeat(40_000))),
        Some(RequestRejection::HeadTooLarge)
    );
    assert_eq!(
        rejection("GET", &format!("/{}", "a".repeat(40_000)), ""),
        Some(RequestRejection::HeadTooLarge)
    );
}

#[test]
fn the_first_route_matching_host_and_path_wins() {
    let found = |host: &str, path: &str| {
        route_request("GET", host, path, "", "", |routed, _| {
            routed.map(|routed| routed.expect("no rejection").target.route_index)
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
fn tags_are_filled_from_path_captures() {
    let tags = route_request("GET", "www.example", "/users/7", "", "", |routed, _| {
        let routed = routed.expect("a route").expect("no rejection");
        routed.route.tags_for_path("/users/7")
    });
    assert_eq!(tags, ["user:7", "users"]);
}

#[test]
fn config_errors_name_their_line_and_the_remedy() {
    let error = |text: &str| CacheConfig::parse(text).expect_err(text);
    let route = |more: &str| {
        format!(
            "{{\n \"routes\": [\n  {{ \"host\": \"a.b\", \"path\": \"/x/{{id}}\", \"origin\": \"https://o\",\n    {more} }}\n ]\n}}"
        )
    };
    assert!(CacheConfig::parse(&route("\"ttl\": 5")).is_ok());
    let table = [
        (
            "\"ttl\": \"brief\"",
            4,
            "\"brief\" is not a lifetime class; use short, medium, long, very_long or a number of seconds",
        ),
        ("\"ttl\": -1", 4, "a number of seconds, or short, medium, long or very_long"),
        ("\"tll\": 5", 4, "unknown field `tll`"),
        (
            "\"tags\": [\"user:{name}\"]",
            4,
            "the tag \"user:{name}\" uses {name}, which the path \"/x/{id}\" does not capture",
        ),
        ("\"key_headers\": [\"cookie\"]", 4, "for cookies, use `cookies`"),
        ("\"key_headers\": [\"a b\"]", 4, "\"a b\" is not a valid header field name"),
        ("\"bypass\": 1", 4, "expected a boolean"),
    ];
    for (more, line, expected) in table {
        let CacheConfigError { line: found, message, .. } = error(&route(more));
        assert!(found == line && message.contains(expected), "{more}: line {found}: {message}");
    }
    let origin = |text: &str| {
        error(&format!("{{\"routes\": [{{\"host\": \"a\", \"path\": \"/\",\n\"origin\": \"{text}\"}}]}}"))
    };
    for text in ["o", "ftp://o", "https://o/path", "https://", "https://u@o"] {
        assert!(origin(text).to_string().starts_with("line 2, "), "{}", origin(text));
    }
    assert!(error("{\"routes\": []").message.contains("EOF"));
    assert!(error("{\"routes\": [], \"lease_ms\": 5}").message.contains("from 100 to 60000"));
}

#[test]
fn access_rules_apply_to_every_spelling_of_a_path() {
    let routes = CacheConfig::parse(
        r#"{"routes": [
            {"host": "a.example", "path": "/login", "origin": "https://o.example"},
            {"host": "a.example", "path": "/admin/**", "origin": "https://o.example",
             "require": {"cookie": "session", "login": "/login?next={path}"}},
            {"host": "a.example", "path": "/api/**", "origin": "https://o.example", "require": {"bearer": "API_TOKEN"}},
            {"host": "a.example", "path": "/**", "origin": "https://o.example", "ttl": "long"}]}"#,
    )
    .expect("routes");
    let route_request = |path: &str, headers: &str| {
        let head = RequestHead::get(Headers::parse(headers));
        let incoming = RequestParts {
            scheme: "https",
            host: "a.example",
            path,
            query: "a=b",
            head: &head,
            client_ip: "",
        };
        let request = RoutedRequest::resolve(&routes, &incoming, &mut DecisionLog::new())
            .expect("a route")
            .expect("no rejection");
        let credentials: Vec<Credential> =
            request.access_rules.iter().map(|rule| rule.credential(&head.headers)).collect();
        let challenge = request.access_rules.first().map(|rule| rule.challenge(&incoming));
        (request.target.key.is_some(), credentials, challenge)
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
        let (is_shared, credentials, _) = route_request(path, "");
        assert_eq!((is_shared, credentials), (false, vec![Credential::Missing]), "{path}");
    }
    for path in ["/", "/login", "/administration", "/x/admin/a"] {
        assert!(route_request(path, "").1.is_empty(), "{path}");
    }
    assert_eq!(route_request("/admin/a", "cookie: a=b; session=x").1, [Credential::Unverified]);
    assert_eq!(route_request("/admin/a", "cookie: session=; sessio=n").1, [Credential::Missing]);
    let secret = |given: &str| Credential::Secret { name: "API_TOKEN".into(), value: given.into() };
    assert_eq!(route_request("/api/a", "authorization: bearer  abc ").1, [secret("abc")]);
    assert_eq!(route_request("/api/a", "authorization: Basic abc").1, [Credential::Missing]);
    assert_eq!(route_request("/api/a", "").2, Some(AuthChallenge::Unauthorized("Bearer".into())));
    assert_eq!(
        route_request("/admin/a", "").2,
        Some(AuthChallenge::Redirect("/login?next=/admin/a%3Fa%3Db".into()))
    );
}

#[test]
fn access_limit_and_warm_settings_are_validated() {
    for (setting, expected) in [
        (r#""require": {}"#, "one of cookie, header and bearer"),
        (r#""require": {"cookie": "a", "bearer": "B"}"#, "one of cookie, header and bearer"),
        (r#""require": {"cookie": "a b"}"#, "names in require"),
        (r#""require": {"bearer": "A", "secret": "B"}"#, "remove `secret`"),
        (r#""require": {"cookie": "a", "login": "//evil.example"}"#, "login must be a path"),
        (r#""require": {"cookie": "a", "login": "/login"}"#, "put a route for it before"),
        (r#""limit": {"most": 0}"#, "limit needs most"),
        (r#""limit": {"most": 5, "least": 6}"#, "limit needs most"),
        (r#""limit": {"most": 5, "bad": 2}"#, "limit needs bad"),
        (r#""name": "no slash""#, "must begin with a slash"),
        (r#""site": "a b""#, "site must be a site name"),
        (r#""bypass": true, "purge_on_write": true"#, "needs a route that is cached"),
        (r#""purge_on_write": "yes""#, "expected a boolean"),
        (r#""security_headers": {"cache-control": "x"}"#, "a route cannot set"),
    ] {
        let text = format!(
            "{{\"routes\": [\n{{\"host\": \"a\", \"path\": \"/**\", \"origin\": \"https://o\", {setting}}}]}}"
        );
        let error = CacheConfig::parse(&text).expect_err(setting);
        assert!(error.message.contains(expected) && error.line == 2, "{setting}: {error}");
    }
    let routes = CacheConfig::parse(
        r#"{"routes": [
        {"host": "a", "path": "/**", "origin": "https://o", "site": "known"},
        {"host": "b", "path": "/**", "origin": "https://o", "inject": "unknown"}]}"#,
    )
    .expect("routes");
    assert_eq!(
        routes.find_unknown_site("\n\n \"unknown\"", |site| site == "known").map(|error| error.line),
        Some(3)
    );
    assert_eq!(routes.find_unknown_site("", |_| true), None);
    assert!(CacheConfig::parse(r#"{"routes": [], "warm": {"most": 0}}"#).is_err());
}

#[test]
fn a_host_without_a_port_is_meant_with_every_port() {
    let table = [
        ("www.example.com", "www.example.com", true),
        ("www.example.com", "www.example.com:8443", true),
        ("www.example.com", "www.example.com:x", false),
        ("localhost:3000", "localhost:3000", true),
        ("localhost:3000", "localhost", false),
        ("localhost:3000", "localhost:3001", false),
        ("*.example.com", "a.example.com:8443", true),
        ("*.example.com:8443", "a.example.com:8443", true),
        ("*.example.com:8443", "a.example.com", false),
        ("*.example.com", "example.com", false),
    ];
    for (pattern, host, is_meant) in table {
        let text = format!(
            r#"{{"routes": [{{"host": "{pattern}", "path": "/**", "origin": "https://o.example"}}]}}"#
        );
        let config = CacheConfig::parse(&text).expect("a configuration");
        assert_eq!(config.find_route(host, "/a").is_some(), is_meant, "{pattern} for {host}");
    }
}

#[test]
fn a_mistake_in_a_host_or_a_method_says_what_to_write() {
    let host = |host: &str| format!(r#""host": "{host}""#);
    let table = [
        (host("https://www.example.com"), "has no scheme"),
        (host("www.example.com/shop"), "has no path: write it under `path`"),
        (host("WWW.example.com"), "is in lower case"),
        (host("www_example"), "is like www.example.com"),
        (host("*"), "is like www.example.com"),
        (host("www.example.com:http"), "has a port from 0 to 65535 or none"),
        (host("www.example.com:99999"), "has a port from 0 to 65535 or none"),
        (r#""host": "a.example", "methods": ["get"]"#.to_owned(), "methods are in upper case: GET"),
        (
            r#""host": "a.example", "methods": ["M-SEARCH"]"#.to_owned(),
            "forwards no requests with the method \"M-SEARCH\"",
        ),
        (r#""host": "a.example", "rate": {"requests": 1, "per": 7200}"#.to_owned(), "per from 1 to 3600"),
        (
            r#""host": "a.example", "store_also": ["cookies"]"#.to_owned(),
            "expected `set-cookie` or `authorized`",
        ),
    ];
    for (route, mistake) in table {
        let text = format!(r#"{{"routes": [{{{route}, "path": "/**", "origin": "https://o.example"}}]}}"#);
        let error = CacheConfig::parse(&text).expect_err("a mistake");
        assert!(error.message.contains(mistake), "{route}: {}", error.message);
        assert_eq!(error.line, 1);
    }
}
