//! What a visitor has already need not be sent again: 304 for what is stored or has just come
//! (RFC 9110 §13, RFC 9111 §4.3.2), and parts of what is stored whole (RFC 9110 §14).

use crate::date;
use crate::headers::Headers;

/// Whether the visitor has this answer, of status 200, already.
#[must_use]
pub fn is_not_modified(request: &Headers, answer: &Headers) -> bool {
    // RFC 9110 §13.2.2: where there is If-None-Match, If-Modified-Since is not looked at.
    if request.has("if-none-match") {
        let Some(etag) = answer.first("etag") else { return request.members("if-none-match") == ["*"] };
        return request
            .members("if-none-match")
            .iter()
            .any(|known| *known == "*" || weak_etags_match(known, etag));
    }
    let Some(since) = request.first("if-modified-since").and_then(date::parse) else { return false };
    let modified = answer.first("last-modified").or_else(|| answer.first("date")).and_then(date::parse);
    modified.is_some_and(|modified| modified <= since)
}

/// The fields that a 304 has (RFC 9110 §15.4.5).
#[must_use]
pub fn not_modified_headers(answer: &Headers) -> Headers {
    let mut headers = answer.clone();
    headers.retain(|name| {
        !(name.starts_with("content-") && name != "content-location" && name != "content-security-policy")
    });
    headers
}

/// What part of a body is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyRange {
    /// All of it, with 200.
    Full,
    /// From the first byte to before the second, with 206.
    Bytes {
        /// The first byte.
        start: u64,
        /// The one after the last.
        end: u64,
    },
    /// Nothing of what was asked for is there: 416.
    Unsatisfiable,
}

/// The part of an answer of this length, of status 200, that is asked for. Several parts at once are
/// answered with the whole, which RFC 9110 §14.2 allows.
#[must_use]
pub fn select_range(request: &Headers, answer: &Headers, length: u64) -> BodyRange {
    let Some(text) = request.first("range") else { return BodyRange::Full };
    if request.get_all("range").count() > 1 || !if_range_matches(request, answer) {
        return BodyRange::Full;
    }
    let Some((unit, spec)) = text.split_once('=') else { return BodyRange::Full };
    let Some((first, last)) = spec.split_once('-').filter(|_| unit.trim().eq_ignore_ascii_case("bytes"))
    else {
        return BodyRange::Full;
    };
    match (first.trim(), last.trim()) {
        ("", suffix) => match parse_digits(suffix) {
            None => BodyRange::Full,
            Some(0) => BodyRange::Unsatisfiable,
            Some(_) if length == 0 => BodyRange::Unsatisfiable,
            Some(suffix) => BodyRange::Bytes { start: length.saturating_sub(suffix), end: length },
        },
        (first, last) => match (parse_digits(first), last, parse_digits(last)) {
            (Some(start), "", _) if start < length => BodyRange::Bytes { start, end: length },
            (Some(start), _, Some(last)) if start > last => BodyRange::Full,
            (Some(start), _, Some(last)) if start < length => {
                BodyRange::Bytes { start, end: last.saturating_add(1).min(length) }
            }
            (Some(_), "", _) | (Some(_), _, Some(_)) => BodyRange::Unsatisfiable,
            _ => BodyRange::Full,
        },
    }
}

/// If-Range (RFC 9110 §13.1.5): by a strong tag, or by a date that is exactly the one of what is stored
/// and old enough to be strong.
fn if_range_matches(request: &Headers, answer: &Headers) -> bool {
    let Some(known) = request.first("if-range") else { return true };
    if known.starts_with('"') || known.starts_with("W/") {
        return known.starts_with('"') && answer.first("etag") == Some(known);
    }
    let same = answer.first("last-modified").filter(|modified| *modified == known).and_then(date::parse);
    let sent = answer.first("date").and_then(date::parse);
    // RFC 9110 §8.8.2.2: what changed in the second in which it was sent may have changed twice.
    matches!((same, sent), (Some(modified), Some(sent)) if modified < sent)
}

/// RFC 9110 §8.8.3.2.
fn weak_etags_match(one: &str, other: &str) -> bool {
    one.trim_start_matches("W/") == other.trim_start_matches("W/")
}

fn parse_digits(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESPONSE: &str =
        "etag: \"a\"\nlast-modified: Sun, 06 Nov 1994 08:49:37 GMT\ndate: Mon, 07 Nov 1994 08:49:37 GMT";

    #[test]
    fn matching_conditional_requests_are_not_modified() {
        let table = [
            ("if-none-match: \"a\"", true),
            ("if-none-match: W/\"a\"", true),
            ("if-none-match: \"b\", \"a\"", true),
            ("if-none-match: *", true),
            ("if-none-match: \"b\"", false),
            ("if-none-match: a", false),
            // If-None-Match settles it.
            ("if-none-match: \"b\"\nif-modified-since: Mon, 07 Nov 1994 08:49:37 GMT", false),
            ("if-modified-since: Sun, 06 Nov 1994 08:49:37 GMT", true),
            ("if-modified-since: Sun, 06 Nov 1994 08:49:36 GMT", false),
            ("if-modified-since: yesterday", false),
            ("", false),
        ];
        for (request, expect) in table {
            assert_eq!(
                is_not_modified(&Headers::parse(request), &Headers::parse(RESPONSE)),
                expect,
                "{request}"
            );
        }
    }

    #[test]
    fn a_satisfiable_single_range_is_selected() {
        let bytes = |start, end| BodyRange::Bytes { start, end };
        let table = [
            ("range: bytes=0-3", bytes(0, 4)),
            ("range: Bytes=0-0", bytes(0, 1)),
            ("range: bytes=7-", bytes(7, 10)),
            ("range: bytes=-3", bytes(7, 10)),
            ("range: bytes=-30", bytes(0, 10)),
            ("range: bytes=5-99999999999999999999999", bytes(5, 10)),
            ("range: bytes=10-", BodyRange::Unsatisfiable),
            ("range: bytes=10-12", BodyRange::Unsatisfiable),
            ("range: bytes=-0", BodyRange::Unsatisfiable),
            ("range: bytes=3-2", BodyRange::Full),
            ("range: bytes=0-1,3-4", BodyRange::Full),
            ("range: lines=0-1", BodyRange::Full),
            ("range: bytes=a-b", BodyRange::Full),
            ("range: bytes=-", BodyRange::Full),
            ("range: bytes", BodyRange::Full),
            ("range: bytes=0-1\nrange: bytes=2-3", BodyRange::Full),
            ("range: bytes=0-3\nif-range: \"a\"", bytes(0, 4)),
            ("range: bytes=0-3\nif-range: \"b\"", BodyRange::Full),
            ("range: bytes=0-3\nif-range: W/\"a\"", BodyRange::Full),
            ("range: bytes=0-3\nif-range: Sun, 06 Nov 1994 08:49:37 GMT", bytes(0, 4)),
            ("range: bytes=0-3\nif-range: Sun, 06 Nov 1994 08:49:38 GMT", BodyRange::Full),
            ("", BodyRange::Full),
        ];
        for (request, expect) in table {
            let part = select_range(&Headers::parse(request), &Headers::parse(RESPONSE), 10);
            assert_eq!(part, expect, "{request}");
        }
    }

    #[test]
    fn a_304_carries_no_body_headers() {
        let answer =
            Headers::parse("etag: \"a\"\ncontent-type: text/html\ncontent-length: 3\ncontent-location: /b");
        assert_eq!(not_modified_headers(&answer), Headers::parse("etag: \"a\"\ncontent-location: /b"));
    }
}
