//! ExtendExpiry: points that would expire soon live longer, also those that are held, should they come back.

use ambient::Time;

use super::book::{Book, plus};
use super::{Lot, Refusal, Reply};

/// The command. It never makes a life shorter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtendExpiry {
    /// The code of the points' currency; empty: the main one.
    pub currency: String,
    /// Points that would expire before this moment.
    pub expiring_before: Time,
    /// When they are to expire.
    pub expire_time: Time,
}

pub(super) fn extend(book: &mut Book<'_>, command: &ExtendExpiry) -> Result<Reply, Refusal> {
    let ExtendExpiry { expiring_before, expire_time, .. } = *command;
    let purse = book.program.spendable(&command.currency)?;
    if expire_time <= book.now {
        return Err(Refusal::ExpiresInPast { expire_time, now: book.now });
    }
    let on_hold = book.points_on_hold()?;
    let mut lots = book.held_lots();
    let emptied = book.lots_of(on_hold.keys().copied());
    let lives = |lot: &Lot| lot.remaining == 0 && lot.expired == 0 && book.lives_until(lot) > book.now;
    lots.extend(emptied.into_iter().filter(lives));
    let mut points = 0;
    for lot in lots {
        if lot.key.purse == purse && book.lives_until(&lot) < expiring_before.min(expire_time) {
            points = plus(points, lot.remaining)?;
            points = plus(points, on_hold.get(&lot.key.number).copied().unwrap_or(0))?;
            book.extend(lot, expire_time);
        }
    }
    book.find_next_expire(purse);
    Ok(Reply::of(purse, points))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::fixture::{DAY, Ledger, at, hold};
    use crate::domain::{Command, Life, Release, VoidRedemption};

    fn extend(expiring_before: Time, expire_time: Time) -> Command {
        Command::ExtendExpiry(ExtendExpiry { currency: String::new(), expiring_before, expire_time })
    }

    #[test]
    fn only_points_that_would_expire_before_live_longer_and_none_shorter() {
        let now = at("2017-01-01T00:00:00Z");
        let (day_10, later) = (now.plus_micros(10 * DAY), now.plus_micros(300 * DAY));
        let mut ledger = Ledger::opened(now);
        ledger.earn(5, now, now).unwrap();
        ledger.earn(7, day_10, day_10).unwrap();
        // The first 5 expire on day 90, which is not before day 90; the others on day 100.
        let none = ledger.run(&extend(now.plus_micros(90 * DAY), later), day_10);
        assert_eq!(none, Ok(Reply::of(0, 0)));
        assert_eq!(ledger.run(&extend(now.plus_micros(95 * DAY), later), day_10), Ok(Reply::of(0, 5)));
        assert_eq!(ledger.state.wallet.next_expire(), now.plus_micros(100 * DAY));
        let shorter = extend(now.plus_micros(400 * DAY), now.plus_micros(99 * DAY));
        assert_eq!(ledger.run(&shorter, day_10), Ok(Reply::of(0, 0)));
        ledger.run(&Command::Settle, now.plus_micros(100 * DAY)).unwrap();
        assert_eq!(ledger.available(), 5);
        ledger.run(&Command::Settle, later).unwrap();
        assert_eq!(ledger.available(), 0);
        let past = Refusal::ExpiresInPast { expire_time: later, now: later };
        assert_eq!(ledger.run(&extend(later, later), later), Err(past));
    }

    #[test]
    fn points_that_are_held_live_longer_too() {
        let now = at("2017-01-01T00:00:00Z");
        let (day_90, later) = (now.plus_micros(90 * DAY), now.plus_micros(300 * DAY));
        let [before, after] = [-300, 100].map(|s: i64| day_90.plus_micros(s.saturating_mul(1_000_000)));
        for earned in [100, 150] {
            let mut ledger = Ledger::opened(now);
            ledger.earn(earned, now, now).unwrap();
            ledger.run(&hold(1, 1, 600), before).unwrap();
            assert_eq!(ledger.run(&extend(after, later), before), Ok(Reply::of(0, earned)));
            assert_eq!(ledger.run(&extend(after, later), before), Ok(Reply::of(0, 0)), "they do already");
            let (redemption_id, note) = (Uuid::from_u128(1), String::new());
            ledger.run(&Command::VoidRedemption(VoidRedemption { redemption_id, note }), after).unwrap();
            assert_eq!((ledger.available(), ledger.state.wallet.next_expire()), (earned, later));
        }
        let mut ledger = Ledger::opened(now);
        ledger.earn(100, now, now).unwrap();
        ledger.run(&hold(1, 1, 600), before).unwrap();
        let ended = ledger.run(&extend(later, later.plus_micros(1)), after);
        ledger.run(&Command::Settle, later).unwrap();
        assert_eq!((ended, ledger.available()), (Ok(Reply::of(0, 0)), 0), "an end that was is not moved");
    }

    #[test]
    fn points_that_expired_already_stay_expired_and_pending_ones_are_extended() {
        let now = at("2017-01-01T00:00:00Z");
        let mut ledger = Ledger::opened(now);
        ledger.earn(5, now, now).unwrap();
        let day_90 = now.plus_micros(90 * DAY);
        let far = now.plus_micros(500 * DAY);
        assert_eq!(ledger.run(&extend(far, far), day_90), Ok(Reply::of(0, 0)));
        ledger.program.release = Release::AfterDays(30);
        ledger.earn(8, day_90, day_90).unwrap();
        assert_eq!(ledger.run(&extend(far, far), day_90), Ok(Reply::of(0, 8)));
        ledger.run(&Command::Settle, far.plus_micros(-1)).unwrap();
        assert_eq!(ledger.available(), 8);
        ledger.run(&Command::Settle, far).unwrap();
        assert_eq!(ledger.available(), 0);
    }

    #[test]
    fn every_activity_gives_all_points_a_new_life_where_they_slide() {
        let now = at("2017-01-01T00:00:00Z");
        let mut ledger = Ledger::opened(now);
        ledger.program.expiry.sliding = true;
        ledger.earn(5, now, now).unwrap();
        let day_89 = now.plus_micros(89 * DAY);
        ledger.earn(0, day_89, day_89).unwrap();
        assert_eq!(ledger.state.wallet.next_expire(), day_89.plus_micros(90 * DAY));
        let day_170 = now.plus_micros(170 * DAY);
        ledger.run(&crate::domain::fixture::adjust(3, None), day_170).unwrap();
        // A correction by hand is no activity of the member: the 5 end on day 179, the 3 on day 260.
        ledger.run(&Command::Settle, now.plus_micros(179 * DAY)).unwrap();
        assert_eq!(ledger.available(), 3);
        assert_eq!(ledger.postings.last().unwrap().effective_time, day_89.plus_micros(90 * DAY));
        // Under another policy nothing slides any more, but what lives goes on to live.
        ledger.program.expiry.sliding = false;
        ledger.program.expiry.life = Life::RollingDays(10);
        let day_259 = now.plus_micros(259 * DAY);
        ledger.earn(1, day_259, day_259).unwrap();
        ledger.run(&Command::Settle, now.plus_micros(260 * DAY)).unwrap();
        assert_eq!(ledger.available(), 1);
    }
}
