//! How long points live: counted from where their life begins, in the days, months and years of the program's
//! zone.

use ambient::Time;
use chrono::{Datelike, Days, NaiveDate};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::calendar::{add_months, end_of_day, local_date};

/// When points end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expiry {
    /// How long they live.
    pub life: Life,
    /// They live on to the end of the calendar period in which they would end.
    pub round_to: Option<Period>,
    /// Whenever its member is active, all points of a wallet live as long as if they were earned then.
    pub sliding: bool,
}

/// How long points live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Life {
    /// For ever.
    Never,
    /// This many times 24 hours.
    RollingDays(u32),
    /// This many calendar months; a day that the month lacks becomes its last day.
    RollingMonths(u32),
    /// To the end of a day that comes every year.
    Annual {
        /// Which day.
        day: MonthDay,
        /// The day on which their life begins, or the next such day, ends them if 0; otherwise the one so
        /// many years later.
        years_later: u32,
    },
}

/// A day of every year. 29 February is the last day of February in years that lack it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonthDay {
    month: u32,
    day: u32,
}

/// A period of the calendar. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(i32)]
pub enum Period {
    /// A month.
    Month = 1,
    /// January to March, and so on.
    Quarter = 2,
    /// A year.
    Year = 3,
}

/// A year that has every day.
const LEAP_YEAR: i32 = 2000;

impl MonthDay {
    /// A day that some year has, or nothing.
    pub fn try_new(month: u32, day: u32) -> Option<MonthDay> {
        NaiveDate::from_ymd_opt(LEAP_YEAR, month, day).map(|_| MonthDay { month, day })
    }

    /// The month, from 1.
    pub fn month(self) -> u32 {
        self.month
    }

    /// The day of the month, from 1.
    pub fn day(self) -> u32 {
        self.day
    }

    fn in_year(self, year: i32) -> Option<NaiveDate> {
        NaiveDate::from_ymd_opt(year, self.month, self.day)
            .or_else(|| NaiveDate::from_ymd_opt(year, 3, 1)?.checked_sub_days(Days::new(1)))
    }
}

impl Period {
    /// The period with this stored number.
    pub fn from_number(number: i32) -> Option<Period> {
        [Period::Month, Period::Quarter, Period::Year].into_iter().find(|period| *period as i32 == number)
    }

    /// The last day of the period that a day lies in.
    fn last_day(self, date: NaiveDate) -> Option<NaiveDate> {
        let month = date.month();
        let last = match self {
            Period::Month => month,
            Period::Quarter => month.div_ceil(3).saturating_mul(3),
            Period::Year => 12,
        };
        let (year, next) =
            if last == 12 { (date.year().checked_add(1)?, 1) } else { (date.year(), last.saturating_add(1)) };
        NaiveDate::from_ymd_opt(year, next, 1)?.checked_sub_days(Days::new(1))
    }
}

impl Expiry {
    /// Points that live for ever.
    pub const NEVER: Expiry = Expiry { life: Life::Never, round_to: None, sliding: false };

    /// The moment from which points whose life begins at `at` may no longer be spent; never, if it does not
    /// begin.
    pub fn end(self, zone: Tz, at: Time) -> Time {
        const DAY_MICROS: i64 = 86_400_000_000;
        if at.is_never() {
            return Time::NEVER;
        }
        let end = match self.life {
            Life::Never => return Time::NEVER,
            Life::RollingDays(days) => at.plus_micros(DAY_MICROS.saturating_mul(i64::from(days))),
            Life::RollingMonths(months) => add_months(zone, at, months),
            Life::Annual { day, years_later } => annual(zone, at, day, years_later),
        };
        let Some(period) = self.round_to else { return end };
        // Points that end with a period end with that one, not with the next.
        let last_date = local_date(zone, end.plus_micros(-1));
        period.last_day(last_date).map_or(Time::MAX, |date| end_of_day(zone, date))
    }
}

fn annual(zone: Tz, at: Time, day: MonthDay, years_later: u32) -> Time {
    let earned = local_date(zone, at);
    let end = || {
        let passed = day.in_year(earned.year())? < earned;
        let year = earned.year().checked_add(i32::from(passed))?.checked_add_unsigned(years_later)?;
        day.in_year(year)
    };
    end().map_or(Time::MAX, |date| end_of_day(zone, date))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn at(text: &str) -> Time {
        Time::from(chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc())
    }

    fn zone(name: &str) -> Tz {
        name.parse().unwrap()
    }

    #[test]
    fn what_does_not_begin_does_not_end() {
        let lives = [
            Life::Never,
            Life::RollingDays(30),
            Life::RollingMonths(12),
            Life::Annual { day: MonthDay::try_new(12, 31).unwrap(), years_later: 1 },
        ];
        for (life, round_to) in lives.into_iter().flat_map(|life| [(life, None), (life, Some(Period::Year))])
        {
            let expiry = Expiry { life, round_to, sliding: false };
            assert!(expiry.end(zone("Europe/Berlin"), Time::NEVER).is_never(), "{expiry:?}");
        }
    }

    fn annual_on(month: u32, day: u32, years_later: u32) -> Life {
        Life::Annual { day: MonthDay::try_new(month, day).unwrap(), years_later }
    }

    #[test]
    fn points_live_as_long_as_the_policy_says() {
        use Life::{RollingDays, RollingMonths};
        use Period::{Month, Quarter, Year};
        let cases = [
            ("UTC", RollingDays(90), None, "2017-01-01T13:39:43Z", "2017-04-01T13:39:43Z"),
            ("UTC", RollingDays(90), Some(Month), "2017-01-01T13:39:43Z", "2017-05-01T00:00:00Z"),
            // What ends with a month already is not rounded to the next.
            ("UTC", RollingDays(31), Some(Month), "2017-01-01T00:00:00Z", "2017-02-01T00:00:00Z"),
            ("UTC", RollingDays(31), Some(Month), "2017-01-01T00:00:00.000001Z", "2017-03-01T00:00:00Z"),
            ("UTC", RollingDays(1), Some(Quarter), "2017-03-30T12:00:00Z", "2017-04-01T00:00:00Z"),
            ("UTC", RollingDays(1), Some(Quarter), "2017-10-05T12:00:00Z", "2018-01-01T00:00:00Z"),
            ("UTC", RollingMonths(12), Some(Year), "2016-02-29T12:00:00Z", "2018-01-01T00:00:00Z"),
            // A month later is 28 February, in a leap year 29 February.
            ("UTC", RollingMonths(12), None, "2016-02-29T12:00:00Z", "2017-02-28T12:00:00Z"),
            ("UTC", RollingMonths(48), None, "2016-02-29T12:00:00Z", "2020-02-29T12:00:00Z"),
            ("UTC", RollingMonths(1), Some(Month), "2020-01-31T12:00:00Z", "2020-03-01T00:00:00Z"),
            ("UTC", annual_on(12, 31, 0), None, "2017-12-31T23:59:59Z", "2018-01-01T00:00:00Z"),
            ("UTC", annual_on(12, 31, 1), None, "2017-01-01T00:00:00Z", "2019-01-01T00:00:00Z"),
            ("UTC", annual_on(6, 30, 1), None, "2017-07-01T00:00:00Z", "2019-07-01T00:00:00Z"),
            ("UTC", annual_on(2, 29, 0), None, "2019-01-15T00:00:00Z", "2019-03-01T00:00:00Z"),
            ("UTC", annual_on(2, 29, 1), None, "2019-01-15T00:00:00Z", "2020-03-01T00:00:00Z"),
            ("UTC", annual_on(2, 29, 0), None, "2019-03-01T00:00:00Z", "2020-03-01T00:00:00Z"),
            // Already the next day, and the next year, in Tokyo.
            ("Asia/Tokyo", annual_on(12, 31, 0), None, "2017-12-31T14:59:59Z", "2017-12-31T15:00:00Z"),
            ("Asia/Tokyo", annual_on(12, 31, 0), None, "2017-12-31T15:00:00Z", "2018-12-31T15:00:00Z"),
            // The month of the changed clocks ends at local midnight: 23:00 UTC before, 22:00 UTC after.
            ("Europe/Berlin", RollingDays(3), Some(Month), "2017-03-20T12:00:00Z", "2017-03-31T22:00:00Z"),
            ("Europe/Berlin", RollingDays(3), Some(Month), "2017-10-20T12:00:00Z", "2017-10-31T23:00:00Z"),
            // Midnight does not occur in Havana on 12 March 2017.
            ("America/Havana", annual_on(3, 11, 0), None, "2017-03-01T12:00:00Z", "2017-03-12T05:00:00Z"),
        ];
        for (name, life, round_to, earned, end) in cases {
            let expiry = Expiry { life, round_to, sliding: false };
            assert_eq!(expiry.end(zone(name), at(earned)), at(end), "{expiry:?} of {earned} in {name}");
        }
        let never = Expiry { round_to: Some(Year), ..Expiry::NEVER };
        assert_eq!(never.end(Tz::UTC, at("2017-01-01T00:00:00Z")), Time::NEVER);
    }

    #[test]
    fn a_day_that_no_year_has_is_none() {
        for (month, day) in [(0, 1), (13, 1), (1, 0), (1, 32), (2, 30), (4, 31)] {
            assert_eq!(MonthDay::try_new(month, day), None, "{month}-{day}");
        }
    }

    fn life() -> impl Strategy<Value = Life> {
        let day = (1..=12_u32, 1..=31_u32).prop_filter_map("a day", |(m, d)| MonthDay::try_new(m, d));
        prop_oneof![
            (1..=36_500_u32).prop_map(Life::RollingDays),
            (1..=1_200_u32).prop_map(Life::RollingMonths),
            (day, 0..50_u32).prop_map(|(day, years_later)| Life::Annual { day, years_later }),
        ]
    }

    proptest! {
        #[test]
        fn points_end_after_they_were_earned_and_rounding_never_takes_from_them(
            life in life(),
            period in select(vec![Period::Month, Period::Quarter, Period::Year]),
            zone in select(vec!["UTC", "Europe/Berlin", "America/Havana", "Asia/Kathmandu", "Pacific/Apia"]),
            micros in prop_oneof![
                0..4_000_000_000_000_000_i64,
                Just(Time::MAX.micros()),
                Just(Time::MIN.micros()),
            ],
        ) {
            let (zone, earned): (Tz, Time) = (zone.parse().unwrap(), Time::from_micros(micros));
            let exact = Expiry { life, round_to: None, sliding: false }.end(zone, earned);
            let rounded = Expiry { life, round_to: Some(period), sliding: false }.end(zone, earned);
            prop_assert!(exact >= earned);
            prop_assert!(rounded >= exact);
            prop_assert!(rounded <= exact.plus_micros(367 * 86_400_000_000));
            // The last moment of their life and the end lie in the same period, and nothing of it is left.
            if rounded < Time::MAX && exact > Time::MIN {
                let last_day = local_date(zone, rounded.plus_micros(-1));
                prop_assert_eq!(period.last_day(local_date(zone, exact.plus_micros(-1))), Some(last_day));
            }
        }
    }
}
