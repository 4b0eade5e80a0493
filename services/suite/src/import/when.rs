//! Times as files have them: with an offset, or local in a zone that the caller names.
//!
//! A local time that occurs twice (clocks go back) means its first occurrence; one that does not occur
//! (clocks go forward) means the first moment after the gap.

use ambient::Time;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

use crate::money::shortened;

/// Why a text is not a time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Wrong {
    /// Nothing there.
    #[error("the time is missing")]
    Missing,
    /// Not in one of the forms.
    #[error("`{0}` is not a time such as 2017-01-31T12:00:00, 2017-01-31T12:00:00+01:00 or 2017-01-31")]
    NotATime(String),
    /// Before the year 1 or after 9999.
    #[error("`{0}` lies outside the years 1 to 9999")]
    OutOfRange(String),
}

const LOCAL: [&str; 4] = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];

/// Reads a time; without an offset it is local in `zone`. A date is its midnight.
pub(crate) fn parse(text: &str, zone: Tz) -> Result<Time, Wrong> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Wrong::Missing);
    }
    let out_of_range = || Wrong::OutOfRange(shortened(text));
    let time = if let Some(local) = local(text) {
        instant(zone, local).ok_or_else(out_of_range)?
    } else if let Ok(with_offset) = DateTime::parse_from_rfc3339(text) {
        with_offset.to_utc()
    } else {
        return Err(Wrong::NotATime(shortened(text)));
    };
    let time = Time::from(time);
    if time < Time::MIN || time > Time::MAX { Err(out_of_range()) } else { Ok(time) }
}

fn local(text: &str) -> Option<NaiveDateTime> {
    let with_time = LOCAL.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    with_time.or_else(|| {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        Some(date.and_time(NaiveTime::MIN))
    })
}

fn instant(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&local).earliest() {
        Some(at) => Some(at.to_utc()),
        None => after_gap(zone, local),
    }
}

/// The first moment whose local time is not before `local`, found by halving the time around it.
fn after_gap(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    let around = TimeDelta::days(2);
    let mut low = local.checked_sub_signed(around)?.and_utc().timestamp_micros();
    let mut high = local.checked_add_signed(around)?.and_utc().timestamp_micros();
    while high - low > 1 {
        let middle = low.midpoint(high);
        let at = DateTime::from_timestamp_micros(middle)?;
        match zone.from_utc_datetime(&at.naive_utc()).naive_local() < local {
            true => low = middle,
            false => high = middle,
        }
    }
    DateTime::from_timestamp_micros(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, zone: &str) -> String {
        match parse(text, zone.parse().unwrap()) {
            Ok(time) => time.to_string(),
            Err(wrong) => wrong.to_string(),
        }
    }

    #[test]
    fn every_form_is_read_exactly() {
        for (text, expected) in [
            ("2017-01-31T12:00:00", "2017-01-31T11:00:00Z"),
            ("2017-01-31 12:00:00", "2017-01-31T11:00:00Z"),
            ("2017-07-31 12:00", "2017-07-31T10:00:00Z"),
            ("2017-01-31T12:00:00.123456", "2017-01-31T11:00:00.123456Z"),
            ("2017-01-31", "2017-01-30T23:00:00Z"),
            (" 2017-01-31T12:00:00Z ", "2017-01-31T12:00:00Z"),
            ("2017-01-31T12:00:00+05:30", "2017-01-31T06:30:00Z"),
            ("2017-01-31T12:00:00.5-08:00", "2017-01-31T20:00:00.500Z"),
        ] {
            assert_eq!(read(text, "Europe/Berlin"), expected, "{text}");
        }
        assert_eq!(read("2017-01-31T12:00:00", "UTC"), "2017-01-31T12:00:00Z");
    }

    #[test]
    fn clocks_that_jump_have_one_reading() {
        // 02:30 occurs twice on 2017-10-29: at 00:30 UTC and at 01:30 UTC.
        assert_eq!(read("2017-10-29T02:30:00", "Europe/Berlin"), "2017-10-29T00:30:00Z");
        // 02:30 does not occur on 2017-03-26: clocks jump from 02:00 to 03:00 at 01:00 UTC.
        assert_eq!(read("2017-03-26T02:30:00", "Europe/Berlin"), "2017-03-26T01:00:00Z");
        // Samoa left out the whole of 2011-12-30.
        assert_eq!(read("2011-12-30T12:00:00", "Pacific/Apia"), "2011-12-30T10:00:00Z");
    }

    #[test]
    fn what_is_not_a_time_is_refused() {
        for text in
            ["NaN", "yesterday", "2017-02-30", "31.01.2017", "2017-01-31T25:00:00", "1485864000", "12:00"]
        {
            assert!(read(text, "UTC").contains("is not a time"), "{text}: {}", read(text, "UTC"));
        }
        assert_eq!(read("", "UTC"), "the time is missing");
        assert!(read("0000-01-01", "UTC").contains("outside"), "{}", read("0000-01-01", "UTC"));
    }
}
