//! What a visitor has already need not be sent again: 304 for what is stored or has just come
//! (RFC 9110 §13, RFC 9111 §4.3.2), and parts of what is stored whole (RFC 9110 §14).

use crate::date;
use crate::headers::Headers;

/// Whether the visitor has this answer, of status 200, already.
#[must_use]
pub fn not_modified(request: &Headers, answer: &Headers) -> bool {
    // RFC 9110 §13.2.2: where there is If-None-Match, If-Modified-Since is not looked at.
    if request.has("if-none-match") {
        let Some(etag) = answer.first("etag") else { return request.members("if-none-match") == ["*"] };
        return request
            .members("if-none-match")
            .iter()
            .any(|known| *known == "*" || weakly_same(known, etag));
    }
    let Some(since) = request.first("if-modified-since").and_then(date::parse) else { return false };
    let modified = answer.first("last-modified").or_else(|| answer.first("date")).and_then(date::parse);
    modified.is_some_and(|modified| modified <= since)
}

/// The fields that a 304 has (RFC 9110 §15.4.5).
#[must_use]
pub fn without_body(answer: &Headers) -> Headers {
    let mut headers = answer.clone();
    headers.retain(|name| {
        !(name.starts_with("content-") && name != "content-location" && name != "content-security-policy")
    });
    headers
}

/// What part of a body is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it, with 200.
    Whole,
    /// From the first byte to before the second, with 206.
    Bytes {
        /// The first byte.
        start: u64,
        /// The one after the last.
        end: u64,
    },
    /// Nothing of what was asked for is there: 416.
    Beyond,
}

/// The part of an answer of this length, of status 200, that is asked for. Several parts at once are
/// answered with the whole, which RFC 9110 §14.2 allows.
#[must_use]
pub fn range(request: &Headers, answer: &Headers, length: u64) -> Part {
    let Some(text) = request.first("range") else { return Part::Whole };
    if request.all("range").count() > 1 || !still_the_same(request, answer) {
        return Part::Whole;
    }
    let Some((unit, spec)) = text.split_once('=') else { return Part::Whole };
    let Some((first, last)) = spec.split_once('-').filter(|_| unit.trim().eq_ignore_ascii_case("bytes"))
    else {
        return Part::Whole;
    };
    match (first.trim(), last.trim()) {
        ("", suffix) => match number(suffix) {
            None => Part::Whole,
            Some(0) => Part::Beyond,
            Some(_) if length == 0 => Part::Beyond,
            Some(suffix) => Part::Bytes { start: length.saturating_sub(suffix), end: length },
        },
        (first, last) => match (number(first), last, number(last)) {
            (Some(start), "", _) if start < length => Part::Bytes { start, end: length },
            (Some(start), _, Some(last)) if start > last => Part::Whole,
            (Some(start), _, Some(last)) if start < length => {
                Part::Bytes { start, end: last.saturating_add(1).min(length) }
            }
            (Some(_), "", _) | (Some(_), _, Some(_)) => Part::Beyond,
            _ => Part::Whole,
        },
    }
}

/// If-Range (RFC 9110 §13.1.5): by a strong tag, or by a date that is exactly the one of what is stored
/// and old enough to be strong.
fn still_the_same(request: &Headers, answer: &Headers) -> bool {
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
fn weakly_same(one: &str, other: &str) -> bool {
    one.trim_start_matches("W/") == other.trim_start_matches("W/")
}

fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str =
        "etag: \"a\"\nlast-modified: Sun, 06 Nov 1994 08:49:37 GMT\ndate: Mon, 07 Nov 1994 08:49:37 GMT";

    #[test]
    fn who_has_it_is_told_so() {
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
            assert_eq!(not_modified(&Headers::parse(request), &Headers::parse(ANSWER)), expect, "{request}");
        }
    }

    #[test]
    fn a_part_is_what_was_asked_for_of_what_is_there() {
        let bytes = |start, end| Part::Bytes { start, end };
        let table = [
            ("range: bytes=0-3", bytes(0, 4)),
            ("range: Bytes=0-0", bytes(0, 1)),
            ("range: bytes=7-", bytes(7, 10)),
            ("range: bytes=-3", bytes(7, 10)),
            ("range: bytes=-30", bytes(0, 10)),
            ("range: bytes=5-99999999999999999999999", bytes(5, 10)),
            ("range: bytes=10-", Part::Beyond),
            ("range: bytes=10-12", Part::Beyond),
            ("range: bytes=-0", Part::Beyond),
            ("range: bytes=3-2", Part::Whole),
            ("range: bytes=0-1,3-4", Part::Whole),
            ("range: lines=0-1", Part::Whole),
            ("range: bytes=a-b", Part::Whole),
            ("range: bytes=-", Part::Whole),
            ("range: bytes", Part::Whole),
            ("range: bytes=0-1\nrange: bytes=2-3", Part::Whole),
            ("range: bytes=0-3\nif-range: \"a\"", bytes(0, 4)),
            ("range: bytes=0-3\nif-range: \"b\"", Part::Whole),
            ("range: bytes=0-3\nif-range: W/\"a\"", Part::Whole),
            ("range: bytes=0-3\nif-range: Sun, 06 Nov 1994 08:49:37 GMT", bytes(0, 4)),
            ("range: bytes=0-3\nif-range: Sun, 06 Nov 1994 08:49:38 GMT", Part::Whole),
            ("", Part::Whole),
        ];
        for (request, expect) in table {
            let part = range(&Headers::parse(request), &Headers::parse(ANSWER), 10);
            assert_eq!(part, expect, "{request}");
        }
    }

    #[test]
    fn a_304_speaks_of_no_body() {
        let answer =
            Headers::parse("etag: \"a\"\ncontent-type: text/html\ncontent-length: 3\ncontent-location: /b");
        assert_eq!(without_body(&answer), Headers::parse("etag: \"a\"\ncontent-location: /b"));
    }
}
