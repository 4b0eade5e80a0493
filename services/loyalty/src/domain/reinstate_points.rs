//! ReinstatePoints: points that expired are given back to the lots that held them.
//!
//! A lot whose activity was taken back, even in part, keeps what expired of it: those points were not owed,
//! because they had expired. So does one whose member has left the wallet since.

use ambient::Time;
use uuid::Uuid;

use super::book::{Book, plus};
use super::{Refusal, Reply, Source};

/// The command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReinstatePoints {
    /// Whose points.
    pub member_id: Uuid,
    /// The code of their currency; empty: the main one.
    pub currency: String,
    /// Points that expired at this moment or later.
    pub expired_since: Time,
    /// When they are to expire; as if they were earned now if not given.
    pub expire_time: Option<Time>,
    /// Reason and approver.
    pub note: String,
}

pub(super) fn reinstate(book: &mut Book<'_>, command: &ReinstatePoints) -> Result<Reply, Refusal> {
    let purse = book.program.spendable(&command.currency)?;
    let expire_time = command.expire_time.unwrap_or_else(|| book.program.expire_time(purse, book.now));
    if expire_time <= book.now {
        return Err(Refusal::ExpiresInPast { expire_time, now: book.now });
    }
    let source =
        Source { actor_member_id: command.member_id, note: command.note.clone(), ..Source::default() };
    let mut points = 0;
    for lot in book.expired_lots() {
        if lot.key.purse == purse && lot.key.expire_time >= command.expired_since {
            points = plus(points, lot.expired)?;
            // What it has beside lives no shorter for that.
            let holds = lot.remaining > 0;
            let expire_time = if holds { expire_time.max(lot.key.expire_time) } else { expire_time };
            book.reinstate(lot, expire_time, &source)?;
        }
    }
    book.find_next_expire(purse);
    book.repay(purse, book.now)?;
    Ok(Reply::of(purse, points))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fixture::{DAY, Ledger, at, redeem, reverse, usd_micros};
    use crate::domain::{Command, Event, Portion, RefundRedemption, ReturnPolicy, Returned};

    fn reinstate(expired_since: Time, expire_time: Option<Time>) -> Command {
        let (member_id, note) = (Uuid::from_u128(1), "goodwill".to_owned());
        let currency = String::new();
        Command::ReinstatePoints(ReinstatePoints { member_id, currency, expired_since, expire_time, note })
    }

    #[test]
    fn what_expired_is_there_again_and_expires_again() {
        let now = at("2017-01-01T00:00:00Z");
        let (day_90, day_91) = (now.plus_micros(90 * DAY), now.plus_micros(91 * DAY));
        let mut ledger = Ledger::opened(now);
        ledger.earn(150, now, now).unwrap();
        ledger.run(&redeem(1), now).unwrap();
        let too_late = ledger.run(&reinstate(day_90.plus_micros(1), None), day_91);
        assert_eq!((too_late, ledger.available()), (Ok(Reply::of(0, 0)), 0));
        let past = Refusal::ExpiresInPast { expire_time: day_91, now: day_91 };
        assert_eq!(ledger.run(&reinstate(day_90, Some(day_91)), day_91), Err(past));
        assert_eq!(ledger.run(&reinstate(day_90, None), day_91), Ok(Reply::of(0, 50)));
        assert_eq!((ledger.available(), ledger.state.wallet.main().totals.expired), (50, 0));
        assert_eq!(ledger.run(&reinstate(day_90, None), day_91), Ok(Reply::of(0, 0)));
        // The same lot as before: a return takes it back, and none of its points count as expired.
        let mut returned = ledger.clone();
        returned.program.return_policy = ReturnPolicy::Unlimited;
        returned.run(&reverse(Returned::Whole), day_91).unwrap();
        assert_eq!((returned.available(), returned.state.wallet.main().totals.arrears), (0, 100));
        ledger.run(&Command::Settle, day_91.plus_micros(90 * DAY)).unwrap();
        assert_eq!((ledger.available(), ledger.state.wallet.main().totals.expired), (0, 50));
    }

    #[test]
    fn what_came_back_late_expired_then_and_not_with_the_rest_of_its_lot() {
        let now = at("2017-01-01T00:00:00Z");
        let [day_91, day_95, day_96] = [91, 95, 96].map(|days| now.plus_micros(days * DAY));
        for (earned, expired_before) in [(150, 50), (100, 0)] {
            let mut ledger = Ledger::opened(now);
            ledger.earn(earned, now, now).unwrap();
            ledger.run(&redeem(1), now).unwrap();
            ledger.run(&Command::Settle, day_91).unwrap();
            let (redemption_id, portion) = (Uuid::from_u128(9), Portion::Whole);
            let refund = RefundRedemption { redemption_id, portion, note: String::new() };
            ledger.run(&Command::RefundRedemption(refund), day_95).unwrap();
            let mut since = |since| ledger.run(&reinstate(since, None), day_96);
            assert_eq!(since(day_95.plus_micros(1)), Ok(Reply::of(0, 0)));
            assert_eq!(since(day_91), Ok(Reply::of(0, 100)));
            assert_eq!(since(now), Ok(Reply::of(0, expired_before)));
        }
    }

    #[test]
    fn it_is_told_until_when_points_live_that_slide() {
        let now = at("2017-01-01T00:00:00Z");
        let day = |days: i64| now.plus_micros(days * DAY);
        let mut ledger = Ledger::opened(now);
        ledger.program.expiry.sliding = true;
        ledger.earn(150, now, now).unwrap();
        ledger.earn(10, day(91), day(91)).unwrap();
        assert_eq!(ledger.run(&reinstate(day(90), Some(day(100))), day(92)), Ok(Reply::of(0, 150)));
        let told = ledger.events.iter().find_map(|event| match event {
            Event::PointsReinstated { lots, .. } => Some(lots.clone()),
            _ => None,
        });
        assert_eq!(told, Some(vec![(1, 150, day(91 + 90))]));
    }

    #[test]
    fn what_expired_of_a_returned_activity_stays_expired() {
        let now = at("2017-01-01T00:00:00Z");
        let day_90 = now.plus_micros(90 * DAY);
        let mut ledger = Ledger::opened(now);
        ledger.earn(150, now, now).unwrap();
        ledger.run(&reverse(Returned::Amount(usd_micros(10_000_000))), now).unwrap();
        assert_eq!(ledger.run(&reinstate(now, None), day_90), Ok(Reply::of(0, 0)));
        assert_eq!((ledger.available(), ledger.state.wallet.main().totals.expired), (0, 140));
    }

    #[test]
    fn what_is_given_back_repays_what_is_owed() {
        let now = at("2017-01-01T00:00:00Z");
        let mut ledger = Ledger::opened(now);
        ledger.program.return_policy = ReturnPolicy::Unlimited;
        ledger.run(&crate::domain::fixture::adjust(30, None), now).unwrap();
        let day_90 = now.plus_micros(90 * DAY);
        ledger.earn(100, day_90, day_90).unwrap();
        ledger.run(&redeem(1), day_90).unwrap();
        ledger.run(&reverse(Returned::Whole), day_90).unwrap();
        assert_eq!(ledger.state.wallet.main().totals.arrears, 100);
        assert_eq!(ledger.run(&reinstate(now, None), day_90), Ok(Reply::of(0, 30)));
        assert_eq!((ledger.available(), ledger.state.wallet.main().totals.arrears), (0, 70));
    }
}
