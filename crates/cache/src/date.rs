//! HTTP dates (RFC 9110 §5.6.7), parsed strictly.

use std::time::{Duration, UNIX_EPOCH};

/// Parses a date in any of the three formats into seconds since the Unix epoch.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let date: httpdate::HttpDate = text.parse().ok()?;
    // The parser does not check the day of the week. Check it in the preferred format.
    if text.ends_with("GMT") && text.get(3..4) == Some(",") && date.to_string() != text {
        return None;
    }
    let since = std::time::SystemTime::from(date).duration_since(UNIX_EPOCH).ok()?;
    Some(since.as_secs())
}

/// Formats a time in the preferred format. Times after the year 9999 are clamped to its end.
#[must_use]
pub fn format(seconds: u64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds.min(MAX_HTTP_DATE_SECONDS)))
}

/// Fri, 31 Dec 9999 23:59:59 GMT.
const MAX_HTTP_DATE_SECONDS: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_three_http_date_forms_are_parsed() {
        let table = [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777)),
            ("Sun Nov  6 08:49:37 1994", Some(784_111_777)),
            ("Mon, 06 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37 UTC", None),
            ("Sun, 06 Nov 1994 08:49:37 +0000", None),
            ("Sun, 6 Nov 1994 08:49:37 GMT", None),
            ("Sun, 31 Feb 1994 08:49:37 GMT", None),
            ("0", None),
            ("-1", None),
            ("", None),
            ("784111777", None),
        ];
        for (text, expect) in table {
            assert_eq!(parse(text), expect, "{text}");
        }
    }

    #[test]
    fn formatting_is_capped_at_the_year_9999() {
        assert_eq!(format(u64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
