//! Conditional requests of clients (RFC 9110 §13, RFC 9111 §4.3.2), answered with 304 from a stored or a
//! fetched response, and ranges of complete stored responses (RFC 9110 §14).

use crate::date;
use crate::headers::Headers;

/// Returns true if the request's validators show that the client already has this response of status 200.
#[must_use]
pub fn is_not_modified(request: &Headers, response: &Headers) -> bool {
    // RFC 9110 §13.2.2: If-None-Match takes precedence over If-Modified-Since.
    if request.has("if-none-match") {
        let Some(etag) = response.first("etag") else { return request.members("if-none-match") == ["*"] };
        return request
            .members("if-none-match")
            .iter()
            .any(|known| *known == "*" || weak_etags_match(known, etag));
    }
    let Some(since) = request.first("if-modified-since").and_then(date::parse) else { return false };
    let modified = response.first("last-modified").or_else(|| response.first("date")).and_then(date::parse);
    modified.is_some_and(|modified| modified <= since)
}

/// Returns the header fields of a 304 (RFC 9110 §15.4.5).
#[must_use]
pub fn not_modified_headers(response: &Headers) -> Headers {
    let mut headers = response.clone();
    headers.retain(|name| {
        !(name.starts_with("content-") && name != "content-location" && name != "content-security-policy")
    });
    headers
}

/// The part of a body that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyRange {
    /// The complete body, with 200.
    Full,
    /// From `start` up to, and without, `end`, with 206.
    Bytes {
        /// The first byte.
        start: u64,
        /// The byte after the last.
        end: u64,
    },
    /// The range lies outside the body: 416.
    Unsatisfiable,
}

/// Returns the requested part of a response of status 200 with a body of this length. Requests for several
/// ranges get the complete body, which RFC 9110 §14.2 allows.
#[must_use]
pub fn select_range(request: &Headers, response: &Headers, length: u64) -> BodyRange {
    let Some(text) = request.first("range") else { return BodyRange::Full };
    if request.get_all("range").count() > 1 || !if_range_matches(request, response) {
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

/// Evaluates If-Range (RFC 9110 §13.1.5): it matches by a strong entity tag, or by exactly the
/// Last-Modified of the stored response if that is a strong validator.
fn if_range_matches(request: &Headers, response: &Headers) -> bool {
    let Some(known) = request.first("if-range") else { return true };
    if known.starts_with('"') || known.starts_with("W/") {
        return known.starts_with('"') && response.first("etag") == Some(known);
    }
    let same = response.first("last-modified").filter(|modified| *modified == known).and_then(date::parse);
    let sent = response.first("date").and_then(date::parse);
    // RFC 9110 §8.8.2.2: a response modified in the second in which it was sent may have changed twice.
    matches!((same, sent), (Some(modified), Some(sent)) if modified < sent)
}

/// Compares two entity tags weakly (RFC 9110 §8.8.3.2).
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
        let response =
            Headers::parse("etag: \"a\"\ncontent-type: text/html\ncontent-length: 3\ncontent-location: /b");
        assert_eq!(not_modified_headers(&response), Headers::parse("etag: \"a\"\ncontent-location: /b"));
    }
}
