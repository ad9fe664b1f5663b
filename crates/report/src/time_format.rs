//! Formats of timestamps and durations.

use wire::UnixMillis;
use wire::calendar::date_of_day;

/// Formats a timestamp as RFC 3339 in UTC with milliseconds.
#[must_use]
pub fn rfc3339(at: UnixMillis) -> String {
    let (days, rest) = (at.0 / DAY_MS, at.0 % DAY_MS);
    let (year, month, day) = date_of_day(days);
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, millis) = (rest / 1000 % 60, rest % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Formats a duration in its two largest units, such as `1 d 2 h`.
#[must_use]
pub fn duration(millis: u64) -> String {
    let (days, hours) = (millis / DAY_MS, millis / 3_600_000 % 24);
    let (minutes, seconds) = (millis / 60_000 % 60, millis / 1000 % 60);
    let units = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")];
    let parts: Vec<String> = units
        .iter()
        .skip_while(|(count, _)| *count == 0)
        .take(2)
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    if parts.is_empty() { "0 s".into() } else { parts.join(" ") }
}

const DAY_MS: u64 = 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_written_as_rfc_3339() {
        for (millis, expect) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_800_000_000_000, "2027-01-15T08:00:00.000Z"),
            (4_107_542_400_001, "2100-03-01T00:00:00.001Z"),
        ] {
            assert_eq!(rfc3339(UnixMillis(millis)), expect);
        }
    }

    #[test]
    fn durations_have_at_most_two_units() {
        for (millis, expect) in [
            (0, "0 s"),
            (999, "0 s"),
            (61_000, "1 min 1 s"),
            (3_600_000, "1 h"),
            (90_061_000, "1 d 1 h"),
            (86_400_000 * 3, "3 d"),
        ] {
            assert_eq!(duration(millis), expect);
        }
    }
}
