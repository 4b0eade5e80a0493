//! Days, months and years as people in a time zone count them.
//!
//! A local time that occurs twice (clocks go back) means its first occurrence; one that does not occur
//! (clocks go forward) means the first moment after the gap.

use ambient::Time;
use chrono::{Days, Months, NaiveDate, NaiveDateTime, TimeDelta, TimeZone};
use chrono_tz::Tz;

/// The local date at a moment.
pub fn local_date(zone: Tz, at: Time) -> NaiveDate {
    zone.from_utc_datetime(&at.utc().naive_utc()).date_naive()
}

/// The first moment of a local year.
pub fn start_of_year(zone: Tz, year: i32) -> Time {
    match NaiveDate::from_ymd_opt(year, 1, 1) {
        Some(date) => instant(zone, date.and_time(chrono::NaiveTime::MIN)),
        None => Time::MAX,
    }
}

/// The first moment of a local date.
pub fn start_of_day(zone: Tz, date: NaiveDate) -> Time {
    instant(zone, date.and_time(chrono::NaiveTime::MIN))
}

/// The first moment after a local date.
pub fn end_of_day(zone: Tz, date: NaiveDate) -> Time {
    match date.checked_add_days(Days::new(1)) {
        Some(next) => instant(zone, next.and_time(chrono::NaiveTime::MIN)),
        None => Time::MAX,
    }
}

/// The same local time of day `months` later; a day that the month lacks becomes its last day.
pub(crate) fn add_months(zone: Tz, at: Time, months: u32) -> Time {
    let local = zone.from_utc_datetime(&at.utc().naive_utc()).naive_local();
    match local.checked_add_months(Months::new(months)) {
        Some(later) => instant(zone, later),
        None => Time::MAX,
    }
}

/// The moment of a local time. The calendar reaches further than moments on the wire: what lies beyond is the
/// last of them.
pub(crate) fn instant(zone: Tz, local: NaiveDateTime) -> Time {
    if let Some(at) = zone.from_local_datetime(&local).earliest() {
        return Time::from(at.to_utc()).min(Time::MAX);
    }
    // In a gap: take the offset that held before it, which lands just as far after the gap as `local` is
    // into it, and go back to the first moment whose local time is past the gap.
    let before = local.checked_sub_signed(TimeDelta::days(1)).unwrap_or(local);
    let offset_before = zone.from_local_datetime(&before).earliest();
    match offset_before {
        Some(day_before) => after_gap(zone, Time::from(day_before.to_utc())),
        None => Time::MAX,
    }
}

/// The moment within the two days after `from` at which the zone's clocks jump forward.
fn after_gap(zone: Tz, from: Time) -> Time {
    const DAY_MICROS: i64 = 86_400_000_000;
    let offset = |at: Time| {
        zone.from_utc_datetime(&at.utc().naive_utc())
            .naive_local()
            .signed_duration_since(at.utc().naive_utc())
    };
    let before = offset(from);
    let (mut low, mut high) = (from.micros(), from.plus_micros(DAY_MICROS.saturating_mul(2)).micros());
    while high.saturating_sub(low) > 1 {
        let middle = low.midpoint(high);
        if offset(Time::from_micros(middle)) == before {
            low = middle;
        } else {
            high = middle;
        }
    }
    Time::from_micros(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        Time::from(chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc())
    }

    #[test]
    fn a_month_ends_on_its_last_day_and_keeps_the_local_hour_over_dst() {
        let berlin: Tz = "Europe/Berlin".parse().unwrap();
        assert_eq!(add_months(berlin, at("2017-01-31T12:00:00Z"), 1), at("2017-02-28T12:00:00Z"));
        assert_eq!(add_months(berlin, at("2020-01-31T12:00:00Z"), 1), at("2020-02-29T12:00:00Z"));
        // 13:00 local in winter is 12:00 UTC, in summer 11:00 UTC.
        assert_eq!(add_months(berlin, at("2017-03-01T12:00:00Z"), 1), at("2017-04-01T11:00:00Z"));
    }

    #[test]
    fn a_time_in_the_gap_is_the_first_moment_after_it_and_a_double_time_its_first() {
        let berlin: Tz = "Europe/Berlin".parse().unwrap();
        // 02:30 on 2017-03-26 does not occur: clocks jump from 02:00 to 03:00 at 01:00 UTC.
        assert_eq!(add_months(berlin, at("2017-02-26T01:30:00Z"), 1), at("2017-03-26T01:00:00Z"));
        // 02:30 on 2017-10-29 occurs at 00:30 UTC and again at 01:30 UTC.
        assert_eq!(add_months(berlin, at("2017-09-29T00:30:00Z"), 1), at("2017-10-29T00:30:00Z"));
    }

    #[test]
    fn a_day_without_midnight_starts_after_the_gap() {
        // In Havana clocks jump from 00:00 to 01:00 on 2017-03-12.
        let havana: Tz = "America/Havana".parse().unwrap();
        let date = NaiveDate::from_ymd_opt(2017, 3, 11).unwrap();
        assert_eq!(end_of_day(havana, date), at("2017-03-12T05:00:00Z"));
    }

    #[test]
    fn years_start_at_local_midnight() {
        let tokyo: Tz = "Asia/Tokyo".parse().unwrap();
        assert_eq!(start_of_year(tokyo, 2018), at("2017-12-31T15:00:00Z"));
        assert_eq!(start_of_day(tokyo, "2018-01-01".parse().unwrap()), at("2017-12-31T15:00:00Z"));
    }
}
