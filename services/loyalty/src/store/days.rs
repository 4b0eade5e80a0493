//! Local dates as they are stored: 20170131 for 31 January 2017, so that the days of a year are a range.

use chrono::{Datelike, NaiveDate};

/// A date as stored.
pub(super) fn number_of(date: NaiveDate) -> i32 {
    let day = i32::try_from(date.month() * 100 + date.day()).unwrap_or(0);
    date.year().saturating_mul(10_000).saturating_add(day)
}

/// A date that may be missing, as stored: 0 then.
pub(super) fn opt_number_of(date: Option<NaiveDate>) -> i32 {
    date.map_or(0, number_of)
}

/// The date of a stored number; none for 0.
pub(super) fn date_of(number: i32) -> Option<NaiveDate> {
    let part = |number: i32| u32::try_from(number).ok();
    NaiveDate::from_ymd_opt(number / 10_000, part(number / 100 % 100)?, part(number % 100)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_they_were_written() {
        for text in ["0001-01-01", "2024-02-29", "9999-12-31"] {
            let date: NaiveDate = text.parse().unwrap();
            assert_eq!(date_of(number_of(date)), Some(date));
        }
        assert_eq!(number_of("2017-01-31".parse().unwrap()), 20_170_131);
        assert_eq!((date_of(0), date_of(20_230_229), opt_number_of(None)), (None, None, 0));
    }
}
