//! A moment of business time, exact to the microsecond, as it is stored.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};

/// Microseconds since 1970-01-01T00:00:00Z.
///
/// `Time::NEVER` is later than every other moment: a lot that expires at `NEVER` does not expire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(i64);

const MICROS_PER_SECOND: i64 = 1_000_000;

impl Time {
    /// Later than every moment that can be written as a date.
    pub const NEVER: Time = Time(i64::MAX);

    /// The earliest moment of the wire format's `Timestamp`, 0001-01-01T00:00:00Z.
    pub const MIN: Time = Time(-62_135_596_800 * MICROS_PER_SECOND);

    /// The last microsecond of the wire format's `Timestamp`, 9999-12-31T23:59:59.999999Z.
    pub const MAX: Time = Time(253_402_300_799 * MICROS_PER_SECOND + 999_999);

    /// A moment from its microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Time {
        Time(micros)
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// True for `NEVER`.
    pub const fn is_never(self) -> bool {
        self.0 == i64::MAX
    }

    /// A moment from seconds since the epoch and nanoseconds within the second, which are cut to
    /// microseconds.
    /// `None` outside `MIN..=MAX`.
    pub fn from_parts(seconds: i64, nanos: i32) -> Option<Time> {
        let micros = seconds.checked_mul(MICROS_PER_SECOND)?.checked_add(i64::from(nanos.max(0) / 1_000))?;
        let time = Time(micros);
        (Time::MIN <= time && time <= Time::MAX).then_some(time)
    }

    /// Whole seconds since the epoch (rounded down) and the nanoseconds within the second.
    pub fn parts(self) -> (i64, i32) {
        let nanos = self.0.rem_euclid(MICROS_PER_SECOND) * 1_000;
        (self.0.div_euclid(MICROS_PER_SECOND), i32::try_from(nanos).unwrap_or(0))
    }

    /// This moment moved by `micros`; stays within `MIN..=MAX` unless it is `NEVER`.
    pub fn plus_micros(self, micros: i64) -> Time {
        if self.is_never() {
            return self;
        }
        Time(self.0.saturating_add(micros)).max(Time::MIN).min(Time::MAX)
    }

    /// The same moment in chrono's terms.
    pub fn utc(self) -> DateTime<Utc> {
        let clamped = self.max(Time::MIN).min(Time::MAX);
        DateTime::from_timestamp_micros(clamped.0).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

impl From<DateTime<Utc>> for Time {
    fn from(at: DateTime<Utc>) -> Time {
        Time(at.timestamp_micros())
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_never() {
            return f.write_str("never");
        }
        f.write_str(&self.utc().to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_round_trip_before_and_after_the_epoch() {
        for micros in [-1, 0, 1, 999_999, 1_000_000, -1_000_001, Time::MIN.0, Time::MAX.0] {
            let (seconds, nanos) = Time(micros).parts();
            assert_eq!(Time::from_parts(seconds, nanos), Some(Time(micros)), "{micros}");
        }
    }

    #[test]
    fn parts_outside_the_wire_format_are_refused() {
        assert_eq!(Time::from_parts(i64::MAX, 0), None);
        assert_eq!(Time::from_parts(253_402_300_800, 0), None);
        assert_eq!(Time::from_parts(-62_135_596_801, 0), None);
    }

    #[test]
    fn never_stays_never_and_prints_as_a_word() {
        assert_eq!(Time::NEVER.plus_micros(-5), Time::NEVER);
        assert_eq!(Time::NEVER.to_string(), "never");
        assert_eq!(Time::from_micros(0).to_string(), "1970-01-01T00:00:00Z");
    }
}
