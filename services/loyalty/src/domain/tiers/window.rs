//! The window over whose days credits are counted.

use chrono::{Datelike, Days, Months, NaiveDate};

/// Which days count together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Window {
    /// Those of a calendar year.
    #[default]
    CalendarYear,
    /// Those of a year that begins on the day of the year on which the member joined.
    Anniversary,
    /// Those of so many months up to today, today included.
    RollingMonths(u32),
    /// All.
    Lifetime,
}

impl Window {
    /// True for windows that follow each other, so that each day is in one of them.
    pub fn is_period(self) -> bool {
        !matches!(self, Window::RollingMonths(_))
    }

    /// The first day of the period that a date is in, for a member who joined on `opened`. A rolling window
    /// has none: the date itself.
    pub(super) fn start(self, opened: NaiveDate, date: NaiveDate) -> NaiveDate {
        match self {
            Window::RollingMonths(_) => date,
            Window::Lifetime => first_day(),
            Window::CalendarYear => day_of_year(date.year(), 1, 1),
            Window::Anniversary => {
                let this_year = day_of_year(date.year(), opened.month(), opened.day());
                if this_year <= date {
                    this_year
                } else {
                    day_of_year(date.year().saturating_sub(1), opened.month(), opened.day())
                }
            }
        }
    }

    /// The first day after the period that begins on `start`; none for the last.
    pub(super) fn next(self, opened: NaiveDate, start: NaiveDate) -> Option<NaiveDate> {
        let next = start.year().checked_add(1)?;
        match self {
            Window::RollingMonths(_) | Window::Lifetime => None,
            Window::CalendarYear => Some(day_of_year(next, 1, 1)),
            Window::Anniversary => Some(day_of_year(next, opened.month(), opened.day())),
        }
    }

    /// The first day on which the credits of `date` do not count any more.
    pub(in crate::domain) fn drop_day(self, opened: NaiveDate, date: NaiveDate) -> Option<NaiveDate> {
        match self {
            Window::RollingMonths(months) => date.checked_add_months(Months::new(months)),
            _ => self.next(opened, self.start(opened, date)),
        }
    }

    /// The first day on which a tier has ended that was qualified for on `date`: with the period after this
    /// one, or so many months later.
    pub(super) fn end_of_hold(self, opened: NaiveDate, date: NaiveDate) -> Option<NaiveDate> {
        let dropped = self.drop_day(opened, date)?;
        if self.is_period() { self.next(opened, dropped) } else { Some(dropped) }
    }
}

/// The first day that can be told on the wire.
pub(super) fn first_day() -> NaiveDate {
    NaiveDate::from_ymd_opt(1, 1, 1).unwrap_or_default()
}

/// A date so many days later.
pub(super) fn days_later(date: NaiveDate, days: u32) -> NaiveDate {
    date.checked_add_days(Days::new(u64::from(days))).unwrap_or(NaiveDate::MAX)
}

/// 29 February is the 28th in years that lack it.
fn day_of_year(year: i32, month: u32, day: u32) -> NaiveDate {
    let date = NaiveDate::from_ymd_opt(year, month, day);
    date.or_else(|| NaiveDate::from_ymd_opt(year, month, day.saturating_sub(1))).unwrap_or(NaiveDate::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_year_from_29_february_begins_on_the_28th_unless_there_is_a_29th() {
        let opened = day("2024-02-29");
        for (date, start, next) in [
            ("2024-02-29", "2024-02-29", "2025-02-28"),
            ("2025-02-27", "2024-02-29", "2025-02-28"),
            ("2025-02-28", "2025-02-28", "2026-02-28"),
            ("2028-02-28", "2027-02-28", "2028-02-29"),
            ("2028-02-29", "2028-02-29", "2029-02-28"),
            ("2023-12-31", "2023-02-28", "2024-02-29"),
        ] {
            let found = Window::Anniversary.start(opened, day(date));
            assert_eq!(
                (found, Window::Anniversary.next(opened, found)),
                (day(start), Some(day(next))),
                "{date}"
            );
        }
    }

    #[test]
    fn a_rolling_window_drops_a_day_with_the_same_day_months_later() {
        let opened = day("2020-01-01");
        let rolling = Window::RollingMonths(1);
        assert_eq!(rolling.drop_day(opened, day("2024-01-30")), Some(day("2024-02-29")));
        assert_eq!(rolling.drop_day(opened, day("2023-01-31")), Some(day("2023-02-28")));
        assert_eq!(rolling.end_of_hold(opened, day("2023-03-15")), Some(day("2023-04-15")));
    }

    #[test]
    fn a_tier_of_a_period_is_held_through_the_next() {
        let opened = day("2020-05-10");
        for (window, date, end) in [
            (Window::CalendarYear, "2024-01-01", Some("2026-01-01")),
            (Window::CalendarYear, "2024-12-31", Some("2026-01-01")),
            (Window::Anniversary, "2024-05-09", Some("2025-05-10")),
            (Window::Anniversary, "2024-05-10", Some("2026-05-10")),
            (Window::Lifetime, "2024-05-10", None),
        ] {
            assert_eq!(window.end_of_hold(opened, day(date)), end.map(day), "{window:?} {date}");
        }
    }
}
