//! A strict, bounded parser of the origin's `Server-Timing` (W3C Server Timing §3). Entries about queries of
//! databases and of Redis are recognized by their name.

use crate::headers::{Headers, is_token_byte, members};

/// An entry.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerTimingEntry {
    /// The name.
    pub name: String,
    /// The duration in milliseconds.
    pub dur: Option<f64>,
    /// The description, if it is not empty.
    pub desc: Option<String>,
}

/// Returns the first [`MAX_ENTRIES`] entries of all `Server-Timing` fields. Malformed entries are ignored; an
/// unclosed quote extends to the end of its field.
#[must_use]
pub fn parse_entries(headers: &Headers) -> Vec<ServerTimingEntry> {
    headers.get_all("server-timing").flat_map(members).filter_map(parse_entry).take(MAX_ENTRIES).collect()
}

/// Returns the query entries: the description, or else the name, and the duration in milliseconds, or else 0.
#[must_use]
pub fn query_durations(headers: &Headers) -> Vec<(String, f64)> {
    let queries = parse_entries(headers).into_iter().filter(|entry| is_query(&entry.name));
    queries.map(|ServerTimingEntry { name, dur, desc }| (desc.unwrap_or(name), dur.unwrap_or(0.0))).collect()
}

/// Returns true for `db`, `sql` and `redis`, alone or followed by `-`, `_` or `.`, as in `db-read` or
/// `sql.active_record`.
fn is_query(name: &str) -> bool {
    ["db", "sql", "redis"].into_iter().any(|kind| {
        let start = name.get(..kind.len()).filter(|start| start.eq_ignore_ascii_case(kind));
        let rest = start.and_then(|_| name.get(kind.len()..));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_', '.']))
    })
}

fn parse_entry(text: &str) -> Option<ServerTimingEntry> {
    let mut parts = split_params(text);
    let name = parts.next()?;
    if !is_name(name) || name.len() > MAX_NAME_BYTES {
        return None;
    }
    let mut entry = ServerTimingEntry { name: name.to_owned(), dur: None, desc: None };
    let (mut has_dur, mut has_desc) = (false, false);
    for part in parts {
        let (key, value) = part.split_once('=').map_or((part, None), |(key, value)| (key, Some(value)));
        let value = value.map(str::trim).and_then(parse_value);
        // The first of repeated parameters applies, even if it is invalid.
        if key.trim().eq_ignore_ascii_case("dur") && !std::mem::replace(&mut has_dur, true) {
            entry.dur = value.as_deref().and_then(parse_duration_ms);
        } else if key.trim().eq_ignore_ascii_case("desc") && !std::mem::replace(&mut has_desc, true) {
            entry.desc = value.map(|text| truncate_description(&text)).filter(|text| !text.is_empty());
        }
    }
    Some(entry)
}

/// Parses a token or a quoted string.
fn parse_value(value: &str) -> Option<String> {
    let Some(quoted) = value.strip_prefix('"') else { return is_name(value).then(|| value.to_owned()) };
    let mut text = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            // Characters after the closing quote are ignored.
            '"' => return Some(text),
            '\\' => text.push(chars.next()?),
            char => text.push(char),
        }
    }
}

/// Parses a decimal number of milliseconds without sign or exponent, clamped to one hour.
fn parse_duration_ms(text: &str) -> Option<f64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let millis: f64 = text.parse().ok().filter(|_| is_number)?;
    Some(millis.min(MAX_DURATION_MS))
}

fn truncate_description(text: &str) -> String {
    text.chars()
        .filter(|char| !char.is_control())
        .take(MAX_DESCRIPTION_CHARS)
        .collect::<String>()
        .trim()
        .to_owned()
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// Returns the parts of an entry. Semicolons within quotes do not separate parts.
fn split_params(text: &str) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |char| {
        let escapes = is_quoted && char == '\\' && !is_escaped;
        if char == '"' && !is_escaped {
            is_quoted = !is_quoted;
        }
        is_escaped = escapes;
        char == ';' && !is_quoted
    })
    .map(str::trim)
}

/// The maximum number of entries parsed from a response.
pub const MAX_ENTRIES: usize = 200;
const MAX_NAME_BYTES: usize = 64;
const MAX_DESCRIPTION_CHARS: usize = 100;
const MAX_DURATION_MS: f64 = 3_600_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(field: &str, expect: &[(&str, Option<f64>, Option<&str>)]) {
        let headers = [("server-timing", field)].into_iter().collect();
        let found = parse_entries(&headers);
        let found: Vec<_> =
            found.iter().map(|entry| (&*entry.name, entry.dur, entry.desc.as_deref())).collect();
        assert_eq!(found, expect, "{field}");
    }

    #[test]
    fn an_entry_has_a_name_and_optional_duration_and_description() {
        check("db", &[("db", None, None)]);
        check("db;dur=1.5", &[("db", Some(1.5), None)]);
        check("db ; DUR = 1.5 ; desc=users", &[("db", Some(1.5), Some("users"))]);
        check(
            "db;desc=\"a, \\\"b\\\"; c\";dur=2, app",
            &[("db", Some(2.0), Some("a, \"b\"; c")), ("app", None, None)],
        );
        check("db;dur=\"3\"", &[("db", Some(3.0), None)]);
    }

    #[test]
    fn malformed_entries_are_ignored_without_affecting_others() {
        check("db;dur=-1, db;dur=1e3, db;dur=inf, db;dur=, db;dur", &[("db", None, None); 5]);
        check("db;dur=1;dur=2;x=y;;", &[("db", Some(1.0), None)]);
        check("d b;dur=1, =, ;dur=1, ok;dur=.5", &[("ok", Some(0.5), None)]);
        check("db;desc=\"never closed", &[("db", None, None)]);
        check("db;dur=99999999999999", &[("db", Some(MAX_DURATION_MS), None)]);
        check(&"x".repeat(65), &[]);
    }

    #[test]
    fn queries_are_recognised_by_entry_name() {
        let field =
            "db;dur=1;desc=a, db-read;dur=2, sql.active_record;dur=3, SQL;desc=b, dbx;dur=9, cache;dur=9";
        let headers = [("server-timing", field)].into_iter().collect();
        let expect = [("a", 1.0), ("db-read", 2.0), ("sql.active_record", 3.0), ("b", 0.0)];
        assert_eq!(query_durations(&headers), expect.map(|(name, millis)| (name.to_owned(), millis)));
    }
}
