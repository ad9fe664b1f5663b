//! Days of the calendar, the precision of an expiry.

use wire::calendar::{date_of_day, day_of_date};
use wire::{UnixMillis, WindowSpan};

/// Parses a day such as `2027-06-30`, and returns its beginning in UTC.
pub(crate) fn parse_day(text: &str) -> Option<UnixMillis> {
    let digits = |part: &str, length: usize| {
        let is_number = part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| part.parse::<u64>().ok()).flatten()
    };
    let mut parts = text.splitn(3, '-');
    let (year, month) = (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?);
    let days = day_of_date(year, month, digits(parts.next()?, 2)?)?;
    Some(UnixMillis(days * WindowSpan::Day.millis()))
}

/// Writes the day of a moment in UTC, as [`parse_day`] reads it.
pub(crate) fn format_day(moment: UnixMillis) -> String {
    let (year, month, day) = date_of_day(moment.0 / WindowSpan::Day.millis());
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_utc() {
        for (text, expected) in [
            ("1970-01-01", 0),
            ("2000-02-29", 951_782_400_000),
            ("2000-03-01", 951_868_800_000),
            ("2027-01-15", 1_799_971_200_000),
            ("2100-03-01", 4_107_542_400_000),
        ] {
            assert_eq!(parse_day(text), Some(UnixMillis(expected)), "{text}");
            assert_eq!(format_day(UnixMillis(expected + 86_399_999)), text);
        }
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in
            ["", "2027", "2027-1-15", "2027-13-01", "2027-00-01", "2027-02-29", "2100-02-29", "2027-04-31"]
        {
            assert_eq!(parse_day(text), None, "{text}");
        }
        for text in ["1969-12-31", "2027-01-15T00:00:00Z", "+027-01-15", "2027-01-1５"] {
            assert_eq!(parse_day(text), None, "{text}");
        }
    }
}
