//! The Gregorian calendar by days since 1970-01-01. The computations use eras of 400 years that begin in March, so that
//! the leap day is the last day of a year.

/// Converts days since 1970-01-01 to year, month and day.
#[must_use]
pub const fn date_of_day(days: u64) -> (u64, u64, u64) {
    let shifted = days + DAYS_BEFORE_1970;
    let (era, day_of_era) = (shifted / DAYS_OF_ERA, shifted % DAYS_OF_ERA);
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year + era * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

/// Converts a date from 1970 on to days since 1970-01-01; `None` for a date that does not exist.
#[must_use]
pub fn day_of_date(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (shifted_year, shifted_month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year_of_era) = (shifted_year / 400, shifted_year % 400);
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = (era * DAYS_OF_ERA + day_of_era).checked_sub(DAYS_BEFORE_1970)?;
    // The 30th of February is another day.
    (date_of_day(days) == (year, month, day)).then_some(days)
}

const DAYS_OF_ERA: u64 = 146_097;
/// From the first of March of the year 0.
const DAYS_BEFORE_1970: u64 = 719_468;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn days_that_do_not_exist_are_refused() {
        for (year, month, day) in [
            (1969, 12, 31),
            (10_000, 1, 1),
            (2027, 0, 1),
            (2027, 13, 1),
            (2027, 4, 31),
            (2027, 2, 29),
            (2100, 2, 29),
            (2000, 2, 30),
            (2027, 1, 0),
        ] {
            assert_eq!(day_of_date(year, month, day), None, "{year}-{month}-{day}");
        }
        assert_eq!(day_of_date(2000, 2, 29), Some(11_016));
    }

    proptest! {
        #[test]
        fn each_day_has_one_date_and_the_next_day_the_next(days in 0_u64..2_932_896) {
            let (year, month, day) = date_of_day(days);
            prop_assert_eq!(day_of_date(year, month, day), Some(days));
            let next = date_of_day(days + 1);
            prop_assert!(next > (year, month, day));
        }
    }
}
