//! Access rules hold for every reading of a path. The origins here are another implementation: chains of the
//! steps by which servers and frameworks normalize paths, in any order and number.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

use cache::CacheConfig;
use proptest::prelude::*;

/// A step of an origin on a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OriginStep {
    Decode,
    IgnoreCase,
    StripParameters,
    ResolveDots,
    MergeSlashes,
    TurnBackslashes,
    EndAtDelimiter,
    TrimSegments,
    TrimSlash,
}

const STEPS: [OriginStep; 9] = [
    OriginStep::Decode,
    OriginStep::IgnoreCase,
    OriginStep::StripParameters,
    OriginStep::ResolveDots,
    OriginStep::MergeSlashes,
    OriginStep::TurnBackslashes,
    OriginStep::EndAtDelimiter,
    OriginStep::TrimSegments,
    OriginStep::TrimSlash,
];

fn read(steps: &[OriginStep], path: &str) -> String {
    steps.iter().fold(path.to_owned(), |path, step| take_step(*step, &path))
}

fn take_step(step: OriginStep, path: &str) -> String {
    let segments = || path.split('/');
    let each = |change: fn(&str) -> &str| segments().map(change).collect::<Vec<_>>().join("/");
    match step {
        OriginStep::Decode => decode_once(path),
        OriginStep::IgnoreCase => path.to_lowercase(),
        OriginStep::StripParameters => each(|segment| segment.split(';').next().unwrap_or_default()),
        OriginStep::TrimSegments => each(|segment| match segment.trim() {
            dots @ ("." | "..") => dots,
            text => text.trim_end_matches(['.', ' ']),
        }),
        OriginStep::TurnBackslashes => path.replace('\\', "/"),
        OriginStep::EndAtDelimiter => path.split(['?', '#', '\0']).next().unwrap_or_default().to_owned(),
        OriginStep::TrimSlash => path.strip_suffix('/').unwrap_or(path).to_owned(),
        OriginStep::MergeSlashes => {
            let named: Vec<&str> = segments().filter(|segment| !segment.is_empty()).collect();
            format!("/{}{}", named.join("/"), if path.ends_with('/') { "/" } else { "" })
        }
        OriginStep::ResolveDots => {
            let mut kept: Vec<&str> = Vec::new();
            for segment in segments().skip(1) {
                match segment {
                    "." => {}
                    ".." => drop(kept.pop()),
                    _ => kept.push(segment),
                }
            }
            format!("/{}", kept.join("/"))
        }
    }
}

fn decode_once(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| *first == b'%').and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The origin's own matching of a path with a pattern.
fn matches(pattern: &str, path: &str) -> bool {
    if path.trim_matches('/').is_empty() {
        return pattern == "/" || pattern == "/**";
    }
    let mut segments = path.trim_start_matches('/').split('/');
    for part in pattern.trim_start_matches('/').split('/') {
        match (part, segments.next()) {
            ("**", _) => return true,
            ("*", Some(segment)) if !segment.is_empty() => {}
            (literal, Some(segment)) if literal == segment => {}
            _ => return false,
        }
    }
    segments.next().is_none()
}

fn any_path() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "admin",
        "Admin",
        "aDMIN",
        "%61dmin",
        "%2561dmin",
        "%%361dmin",
        "open",
        "OPEN",
        "x",
        "%78",
        "own",
        "/",
        "/",
        "/",
        "//",
        "%2f",
        "%2F",
        "%252f",
        "%25252f",
        "\\",
        "%5c",
        "%255C",
        ";a",
        ";",
        "%3bb",
        "%253b",
        "..",
        "%2e%2e",
        ".%2E",
        "%252e.",
        ".",
        "%2e",
        "%00",
        "%3f",
        "%23",
        "%20",
        "%2520",
        "%",
        "a.css",
        "caf%C3%A9",
    ]);
    prop::collection::vec(token, 0..9).prop_map(|tokens| format!("/{}", tokens.concat()))
}

fn any_origin() -> impl Strategy<Value = Vec<OriginStep>> {
    prop::collection::vec(prop::sample::select(STEPS.to_vec()), 0..9)
}

fn any_pattern() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "/admin",
        "/admin/",
        "/admin/**",
        "/Admin/**",
        "/ADMIN/*",
        "/x/*/admin",
        "/x/*/ADMIN/**",
        "/%61dmin/**",
        "/admin/own",
        "/*/admin",
        "/caf%C3%A9/**",
        "/x%2fadmin/**",
        "/**",
    ])
}

fn config(routes: &[(&str, bool)]) -> CacheConfig {
    let route = |(path, is_guarded): &(&str, bool)| {
        let require = if *is_guarded { r#", "require": {"cookie": "session"}"# } else { "" };
        format!(r#"{{"host": "a.example", "path": "{path}", "origin": "https://o.example" {require}}}"#)
    };
    let routes: Vec<String> = routes.iter().map(route).collect();
    CacheConfig::parse(&format!(r#"{{"routes": [{}]}}"#, routes.join(","))).expect("routes")
}

fn is_guarded(config: &CacheConfig, path: &str) -> bool {
    !config.access_rules("a.example", path).is_empty()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_guard_holds_for_every_path_that_an_origin_reads_as_guarded(
        pattern in any_pattern(), path in any_path(), origin in any_origin(),
    ) {
        let config = config(&[(pattern, true), ("/**", false)]);
        if matches(&read(&origin, pattern), &read(&origin, &path)) || matches(pattern, &read(&origin, &path)) {
            prop_assert!(is_guarded(&config, &path), "{pattern} {path} is read as {}", read(&origin, &path));
        }
    }

    #[test]
    fn a_path_without_credentials_stays_on_the_open_route_in_every_reading(
        open in prop::sample::select(vec!["/open/**", "/OPEN/**", "/open/*", "/admin/own", "/caf%C3%A9/**", "/"]),
        pattern in any_pattern(), path in any_path(), origin in any_origin(),
    ) {
        let config = config(&[(open, false), (pattern, true), ("/**", false)]);
        let found = read(&origin, &path);
        let is_of_guard = matches(&read(&origin, pattern), &found) || matches(pattern, &found);
        if is_of_guard && !matches(&read(&origin, open), &found) && !matches(open, &found) {
            prop_assert!(is_guarded(&config, &path), "{open} {pattern} {path} is read as {found}");
        }
    }
}

#[test]
fn of_two_routes_that_may_claim_a_path_the_stricter_decides() {
    let config = config(&[
        ("/", false),
        ("/login", false),
        ("/static/**", false),
        ("/ADMIN/**", false),
        ("/admin/own/**", false),
        ("/Admin/**", true),
        ("/files/{id}", true),
        ("/public/**", false),
        ("/members/**", true),
        ("/**", false),
    ]);
    for open in [
        "/",
        "/login",
        "/LOGIN",
        "/static/caf%C3%A9.css",
        "/static/a%20b",
        "/static//a",
        "/static/a;v=1",
        "/other",
        "/public/x",
        "/members-area",
        "/shop;jsessionid=1/item",
        "/projects/group%2Fname",
        "/wiki/C%23",
        "/wiki/What%3F",
        "/wiki/..%2fwiki",
    ] {
        assert!(!is_guarded(&config, open), "{open}");
    }
    for guarded in [
        "/Admin/x",
        "/admin/x",
        "/ADMIN/x",
        "/admin/own/x",
        "/Admin",
        "/aDmIn/",
        "/static/../Admin/x",
        "/static/..%2fadmin",
        "/static/..%5Cadmin",
        "/static/..;/admin",
        "/public/%2e%2e/members/x",
        "/files/a%2Fb",
        "/FILES/1",
        "/files/1/",
        "/%66iles/1",
        "/members",
        "/x/%2e%2e%2fmembers",
        "/members%3f/x",
        "/members;a=b%2fc",
    ] {
        assert!(is_guarded(&config, guarded), "{guarded}");
    }
    let ordered = self::config(&[("/login", false), ("/a/open/**", false), ("/a/**", true), ("/**", true)]);
    assert!(!is_guarded(&ordered, "/login"));
    assert!(!is_guarded(&ordered, "/a/open/x"));
    assert!(is_guarded(&ordered, "/a/open%2f..%2fx"));
    assert!(is_guarded(&ordered, "/A/open/x"));
}

#[test]
fn a_long_path_is_read_in_linear_time() {
    let config = config(&[("/admin/*/x/**", true), ("/**", false)]);
    for part in ["/", "%2f", "%25", "/..", "..%2f", ";", "%", "/admin", "a%2f", "%2525"] {
        let path = format!("/{}", part.repeat((1 << 20) / part.len()));
        is_guarded(&config, &path);
    }
}
