//! Months of the calendar, as people in a time zone count them.

use std::fmt;

use ambient::Time;
use chrono::{Datelike, NaiveDate};
use chrono_tz::Tz;

use super::{local_date, start_of_day};

/// A month of a year. Months sort as they follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(i32);

impl Month {
    /// The first one that a ledger is summed up by: what took effect before counts in it.
    pub const FIRST: Month = Month(2_000 * 12);

    /// The month of a moment.
    pub fn of(zone: Tz, at: Time) -> Month {
        let date = local_date(zone, at);
        Month::counted(date.year(), i32::try_from(date.month0()).unwrap_or(0))
    }

    /// The month with this number, such as 202401; none if there is no such month from the year 0 to 9999.
    pub fn from_number(number: i32) -> Option<Month> {
        let (year, month) = (number.checked_div(100)?, number.checked_rem(100)?);
        let exists = (0..=9_999).contains(&year) && (1..=12).contains(&month);
        exists.then(|| Month::counted(year, month.saturating_sub(1)))
    }

    /// A month as people write it: `2024-01`.
    pub fn parse(text: &str) -> Option<Month> {
        let (year, month) = text.split_once('-')?;
        let digits = year.bytes().chain(month.bytes()).all(|byte| byte.is_ascii_digit());
        let of_digits = digits && (year.len(), month.len()) == (4, 2);
        let number = |part: &str| part.parse::<i32>().ok();
        let number = number(year)?.checked_mul(100)?.checked_add(number(month)?)?;
        if of_digits { Month::from_number(number) } else { None }
    }

    fn counted(year: i32, month0: i32) -> Month {
        Month(year.saturating_mul(12).saturating_add(month0))
    }

    /// Its number, such as 202401.
    pub fn number(self) -> i32 {
        self.year().saturating_mul(100).saturating_add(self.0.rem_euclid(12)).saturating_add(1)
    }

    fn year(self) -> i32 {
        self.0.div_euclid(12)
    }

    /// The month so many months later.
    pub fn plus(self, months: i32) -> Month {
        Month(self.0.saturating_add(months))
    }

    /// How many months it lies after another one; negative if it lies before.
    pub fn since(self, other: Month) -> i32 {
        self.0.saturating_sub(other.0)
    }

    /// Its first moment.
    pub fn start(self, zone: Tz) -> Time {
        let month = u32::try_from(self.0.rem_euclid(12).saturating_add(1)).unwrap_or(1);
        NaiveDate::from_ymd_opt(self.year(), month, 1).map_or(Time::MAX, |date| start_of_day(zone, date))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year(), self.0.rem_euclid(12).saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_read_as_they_are_written_and_follow_each_other() {
        for text in ["0000-01", "1999-12", "2024-02", "9999-12"] {
            let month = Month::parse(text).unwrap();
            assert_eq!(month.to_string(), text);
            assert_eq!(Month::from_number(month.number()), Some(month));
        }
        for text in ["2024", "2024-13", "2024-00", "24-01", "2024-1", "+024-01", "-024-01", "2024-+1"] {
            assert_eq!(Month::parse(text), None, "{text}");
        }
        let december = Month::parse("2023-12").unwrap();
        assert_eq!(december.plus(1).to_string(), "2024-01");
        assert_eq!(Month::FIRST.to_string(), "2000-01");
        assert_eq!((december.plus(14).since(december), december.since(december.plus(1))), (14, -1));
    }

    #[test]
    fn a_month_begins_at_local_midnight() {
        let tokyo: Tz = "Asia/Tokyo".parse().unwrap();
        let january = Month::parse("2018-01").unwrap();
        assert_eq!(january.start(tokyo).to_string(), "2017-12-31T15:00:00Z");
        let start = january.start(tokyo);
        assert_eq!(Month::of(tokyo, start), january);
        assert_eq!(Month::of(tokyo, start.plus_micros(-1)), january.plus(-1));
    }
}
