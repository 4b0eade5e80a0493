//! Warning ahead of expiry: what expires up to the end of the next local week is announced once, at most once
//! in a local week.
//!
//! A warning covers the time up to `warned_until`, the end of a local week; the next one is due when that
//! week begins, or a week before points expire, whichever is later. Only [`super::Command::Settle`] warns,
//! because it needs lots that other commands do not load.

use std::collections::BTreeMap;

use ambient::Time;
use chrono::{Datelike, Days, NaiveDate};
use chrono_tz::Tz;

use super::book::{Book, plus};
use super::calendar::{end_of_day, local_date};
use super::{Event, Refusal, State};

const WEEK_MICROS: i64 = 7 * 86_400_000_000;

/// Announces what expires before the end of the next local week and was not announced before.
pub(super) fn warn(book: &mut Book<'_>) -> Result<(), Refusal> {
    let (from, next_expire) = (book.out.wallet.warned_until, book.out.wallet.next_expire());
    if next_warn(book.program.time_zone, next_expire, from) > book.now {
        return Ok(());
    }
    let until = covered_until(book.program.time_zone, book.now);
    let mut expiring: BTreeMap<u32, (i64, Time, Time)> = BTreeMap::new();
    for lot in book.open_lots() {
        let at = book.lives_until(lot);
        if at > from && at <= until {
            let (points, first, last) = expiring.entry(lot.key.purse).or_insert((0, at, at));
            *points = plus(*points, lot.remaining)?;
            (*first, *last) = (at.min(*first), at.max(*last));
        }
    }
    book.out.wallet.warned_until = until;
    for (purse, (points, first_expire_time, last_expire_time)) in expiring {
        let left = book.left(purse);
        book.announce(Event::PointsExpiring { points, first_expire_time, last_expire_time, left });
    }
    Ok(())
}

/// The moment up to which a warning at `now` looks: the lots until there are needed.
pub(super) fn covered_until(zone: Tz, now: Time) -> Time {
    end_of_week(zone, local_date(zone, now).checked_add_days(Days::new(7)))
}

/// When the next warning is due, given when points next expire.
pub(super) fn next_warn(zone: Tz, next_expire: Time, warned_until: Time) -> Time {
    if next_expire.is_never() {
        Time::NEVER
    } else if next_expire > warned_until {
        next_expire.plus_micros(-WEEK_MICROS)
    } else {
        // Something that was announced is still there: the week it belongs to must begin first.
        let in_week = local_date(zone, warned_until.plus_micros(-1));
        end_of_week(zone, in_week.checked_sub_days(Days::new(7)))
    }
}

/// True if a `Settle` at this moment needs lots to warn about.
pub(super) fn is_due(state: &State, now: Time) -> bool {
    state.wallet.next_warn <= now.max(state.wallet.now)
}

/// The first moment after the local week, Monday to Sunday, that a date is in.
fn end_of_week(zone: Tz, date: Option<NaiveDate>) -> Time {
    let sunday = date.and_then(|date| {
        let left = 6_u32.saturating_sub(date.weekday().num_days_from_monday());
        date.checked_add_days(Days::new(u64::from(left)))
    });
    sunday.map_or(Time::NEVER, |sunday| end_of_day(zone, sunday))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        Time::from(chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc())
    }

    #[test]
    fn a_warning_covers_this_week_and_the_next_in_local_time() {
        // 2024-03-28 is a Thursday; in Paris the clocks go forward on Sunday the 31st.
        let paris = chrono_tz::Europe::Paris;
        assert_eq!(covered_until(paris, at("2024-03-28T12:00:00Z")), at("2024-04-07T22:00:00Z"));
        assert_eq!(covered_until(chrono_tz::UTC, at("2024-03-31T23:59:59Z")), at("2024-04-08T00:00:00Z"));
        assert_eq!(covered_until(chrono_tz::UTC, at("2024-04-01T00:00:00Z")), at("2024-04-15T00:00:00Z"));
    }

    #[test]
    fn the_next_warning_is_a_week_ahead_and_never_twice_in_a_week() {
        let utc = chrono_tz::UTC;
        let warned = at("2024-04-08T00:00:00Z");
        assert_eq!(next_warn(utc, Time::NEVER, warned), Time::NEVER);
        let far = at("2024-05-10T10:00:00Z");
        assert_eq!(next_warn(utc, far, warned), at("2024-05-03T10:00:00Z"));
        let soon = at("2024-04-03T10:00:00Z");
        assert_eq!(next_warn(utc, soon, warned), at("2024-04-01T00:00:00Z"), "when that week begins");
        let just_after = at("2024-04-08T00:00:01Z");
        assert!(next_warn(utc, just_after, warned) >= at("2024-04-01T00:00:00Z"), "not in the week before");
    }
}
