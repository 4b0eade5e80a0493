//! Warning ahead of expiry: what expires up to the end of the next local week is announced once, at most once
//! in a local week.
//!
//! A warning covers the time up to `warned_until`, the end of a local week; the next one is due when that
//! week begins, or a week before points expire, whichever is later. It tells also of what came since the last
//! one and ends in the time that was covered. Only [`super::Command::Settle`] warns, because it needs lots
//! that other commands do not load.

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
    let until = covered_until(book.program.time_zone, book.now);
    let is_due = next_warn(book.program.time_zone, next_expire, from) <= book.now;
    // What is due only since the lots were read is left to the next time, which is given all of them.
    if !is_due || until > book.before.lots_until {
        return Ok(());
    }
    let known = book.out.wallet.warned_lot;
    let mut expiring: BTreeMap<u32, (i64, Time, Time)> = BTreeMap::new();
    for lot in book.open_lots() {
        let at = book.lives_until(lot);
        let is_news = at > from || (known >= 0 && lot.key.number > known);
        if is_news && at <= until {
            let (points, first, last) = expiring.entry(lot.key.purse).or_insert((0, at, at));
            *points = plus(*points, lot.remaining)?;
            (*first, *last) = (at.min(*first), at.max(*last));
        }
    }
    (book.out.wallet.warned_until, book.out.wallet.warned_lot) = (until, book.out.wallet.lot_seq);
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
        // A week with a change of clocks is longer, or shorter: not before the week that reaches so far.
        let in_week = local_date(zone, next_expire.plus_micros(-1));
        let begins = end_of_week(zone, in_week.checked_sub_days(Days::new(14)));
        next_expire.plus_micros(-WEEK_MICROS).max(begins)
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
    use uuid::Uuid;

    use super::super::fixture::{DAY, Ledger, at, hold, redeem};
    use super::super::redemption::Portion;
    use super::super::{Command, Expiry, Life, RefundRedemption};
    use super::*;

    /// What a worker that comes by announces.
    fn announced(ledger: &mut Ledger, now: Time) -> Vec<i64> {
        ledger.run(&Command::Settle, now).unwrap();
        let points = |event: &Event| match event {
            Event::PointsExpiring { points, .. } => Some(*points),
            _ => None,
        };
        ledger.events.iter().filter_map(points).collect()
    }

    #[test]
    fn what_came_since_and_ends_in_the_time_that_was_covered_is_announced_with_the_next_week() {
        let monday = at("2024-05-06T10:00:00Z");
        let mut ledger = Ledger::opened(monday);
        ledger.program.expiry = Expiry { life: Life::RollingDays(7), ..ledger.program.expiry };
        ledger.earn(100, monday, monday).unwrap();
        assert_eq!(announced(&mut ledger, monday), [100]);
        let wednesday = monday.plus_micros(2 * DAY);
        ledger.earn(200, wednesday, wednesday).unwrap();
        assert_eq!(announced(&mut ledger, wednesday), [0; 0], "once in a week");
        let next_week = at("2024-05-13T00:00:00Z");
        assert_eq!(ledger.state.wallet.next_warn, next_week);
        assert_eq!(announced(&mut ledger, next_week), [200], "the first hundred were announced");
        assert_eq!(announced(&mut ledger, next_week.plus_micros(DAY)), [0; 0]);
    }

    #[test]
    fn what_came_back_is_announced_with_the_next_week() {
        let monday = at("2024-05-06T10:00:00Z");
        let day = |n: i64| monday.plus_micros(n * DAY);
        let mut ledger = Ledger::opened(monday);
        ledger.earn(100, day(2), day(2)).unwrap();
        ledger.earn(10, day(3), day(3)).unwrap();
        ledger.run(&redeem(1), day(50)).unwrap();
        assert_eq!(announced(&mut ledger, day(86)), [10]);
        let redemption_id = Uuid::from_u128(9);
        let back = RefundRedemption { redemption_id, portion: Portion::Whole, note: String::new() };
        ledger.run(&Command::RefundRedemption(back), day(87)).unwrap();
        let next = ledger.state.wallet.next_warn;
        assert_eq!(announced(&mut ledger, next), [110]);
    }

    #[test]
    fn what_is_due_only_since_a_decision_is_announced_by_the_next() {
        let earned = at("2024-01-01T10:00:00Z");
        let day = |n: i64| earned.plus_micros(n * DAY);
        let mut ledger = Ledger::opened(earned);
        ledger.earn(100, earned, earned).unwrap();
        ledger.run(&hold(1, 1, 600), day(85)).unwrap();
        assert!(ledger.state.wallet.next_warn.is_never());
        let ends = day(85).plus_micros(600_000_000);
        ledger.state.lots_until = ends;
        assert_eq!(announced(&mut ledger, ends), [0; 0], "the lot that comes back was all it was given");
        assert!(ledger.state.wallet.next_warn <= ends);
        ledger.state.lots_until = Time::NEVER;
        assert_eq!(announced(&mut ledger, ends), [100]);
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
        // The clocks go forward in the night before: a week of 167 hours.
        let berlin = chrono_tz::Europe::Berlin;
        let early = at("2026-03-29T22:30:00Z");
        let next = next_warn(berlin, early, Time::MIN);
        assert_eq!(next, at("2026-03-22T23:00:00Z"), "Monday, not the Sunday before");
        assert!(covered_until(berlin, next) >= early);
        let just_after = at("2024-04-08T00:00:01Z");
        assert!(next_warn(utc, just_after, warned) >= at("2024-04-01T00:00:00Z"), "not in the week before");
    }
}
