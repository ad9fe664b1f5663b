//! HTTP dates (RFC 9110 §5.6.7). They are sent in the preferred format. In what arrives, the case of letters and the
//! name of the day do not matter, as in most caches: they say nothing that the rest of the date does not.

use std::time::{Duration, UNIX_EPOCH};

/// Parses a date in any of the three formats into seconds since the Unix epoch.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let date: httpdate::HttpDate = text.parse().ok().or_else(|| parse_leniently(text))?;
    let since = std::time::SystemTime::from(date).duration_since(UNIX_EPOCH).ok()?;
    Some(since.as_secs())
}

/// Parses a date in unusual case, or with the name of another day.
fn parse_leniently(text: &str) -> Option<httpdate::HttpDate> {
    let text = in_usual_case(text);
    let name_end = text.find([',', ' '])?;
    let (name, rest) = text.split_at_checked(name_end)?;
    let names = [SHORT_DAY_NAMES, LONG_DAY_NAMES].into_iter().find(|names| names.contains(&name))?;
    names.iter().find_map(|name| format!("{name}{rest}").parse().ok())
}

/// Returns a date with its names in the case of the standard: the first letter of each in upper case, and `GMT`.
fn in_usual_case(text: &str) -> String {
    let mut is_first = true;
    let lowered = text.chars().take(MAX_DATE_LENGTH).map(|letter| {
        let in_case = if is_first { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() };
        is_first = !letter.is_ascii_alphabetic();
        in_case
    });
    lowered.collect::<String>().replace("Gmt", "GMT")
}

/// Formats a time in the preferred format. Times after the year 9999 are clamped to its end.
#[must_use]
pub fn format(seconds: u64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds.min(MAX_HTTP_DATE_SECONDS)))
}

const SHORT_DAY_NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const LONG_DAY_NAMES: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
/// Longer texts are no dates.
const MAX_DATE_LENGTH: usize = 64;
/// Fri, 31 Dec 9999 23:59:59 GMT.
const MAX_HTTP_DATE_SECONDS: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_http_date_forms_are_parsed_whatever_their_case_and_the_name_of_the_day() {
        let table = [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777)),
            ("Sun Nov  6 08:49:37 1994", Some(784_111_777)),
            ("Mon, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("sun, 06 NOV 1994 08:49:37 gmt", Some(784_111_777)),
            ("SUNDAY, 06-nov-94 08:49:37 GMT", Some(784_111_777)),
            ("sun nov  6 08:49:37 1994", Some(784_111_777)),
            ("Sun, 06 Nov 1994 08:49:37 UTC", None),
            ("Sun, 06 Nov 1994 08:49:37 +0000", None),
            ("Son, 06 Nov 1994 08:49:37 GMT", None),
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
