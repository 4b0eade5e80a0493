//! Points of redemptions come back to the lots that they were taken from.

use ambient::Time;
use uuid::Uuid;

use super::book::{Book, minus, next, plus};
use super::movements::of_lot;
use super::redemption::{LateRefund, Redemption};
use super::{Account, Allocation, Lot, LotKey, Origin, Reason, Refusal};

impl Book<'_> {
    /// Gives points of a redemption back from an account to the lots that they came from: those between two
    /// places of its list. What is owed is paid of them first; what is left in lots that expired meanwhile
    /// follows the program's policy.
    pub(super) fn give_back(
        &mut self,
        redemption: &Redemption,
        (from, to): (i64, i64),
        (debit, reason): (Account, Reason),
        (at, note): (Time, &str),
    ) -> Result<(), Refusal> {
        let points = minus(to, from)?;
        if points == 0 {
            return Ok(());
        }
        let source = redemption.source(note);
        let purse = redemption.purse;
        let seq = self.post((purse, debit, Account::Available), points, reason, at, source)?;
        let mut late = Vec::new();
        for (number, points) in redemption.between(from, to) {
            let lot = match redemption.lots_wallet_id {
                None => self.return_to(number, points, (seq, redemption.member_id), at)?,
                Some(wallet_id) => {
                    let origin = self.before.origins.get(&(wallet_id, number));
                    let origin = origin.expect("lots that points may come back to are known").clone();
                    self.reopen(origin, points, (wallet_id, redemption.member_id), at)?
                }
            };
            if self.lives_until(&lot) <= at {
                late.push(lot.key.number);
            }
        }
        self.repay(purse, at)?;
        for lot in self.lots_of(late.into_iter()) {
            self.end_late(lot, at)?;
        }
        self.find_next_expire(purse);
        Ok(())
    }

    /// Gives points back to a lot of this wallet; to a new one if it was left behind, or if others of its
    /// points expired before.
    fn return_to(
        &mut self,
        number: i64,
        points: i64,
        (posting_seq, member_id): (i64, Uuid),
        at: Time,
    ) -> Result<Lot, Refusal> {
        let lot = self.lots_of([number].into_iter()).pop();
        let mut lot = lot.expect("lots that points may come back to are known");
        if lot.left_behind || lot.expired > 0 {
            return self.reopen(lot, points, (self.out.wallet.id, member_id), at);
        }
        lot.remaining = plus(lot.remaining, points)?;
        let (lot_number, credit) = (number, true);
        self.out.allocations.push(Allocation { posting_seq, lot_number, points, credit, effective_time: at });
        self.keep(lot.clone());
        Ok(lot)
    }

    /// Opens a lot for points of a lot that they do not come back to. It ends when that would, and is in the
    /// same name; if that one's points are elsewhere, in the name of the member who redeemed.
    fn reopen(
        &mut self,
        origin: Lot,
        points: i64,
        (wallet_id, member_id): (Uuid, Uuid),
        at: Time,
    ) -> Result<Lot, Refusal> {
        let number = next(&mut self.out.wallet.lot_seq)?;
        let expire_time = self.lives_until(&origin);
        let left = origin.left_behind || wallet_id != self.out.wallet.id;
        let is_here = !left || self.before.here.contains(&origin.member_id);
        let member_id = if is_here { origin.member_id } else { member_id };
        let returned = self.before.returned.contains(&(origin.activity_id, origin.member_id));
        let lot = Lot {
            key: LotKey { number, expire_time, ..origin.key },
            points,
            remaining: points,
            activate_time: at,
            pending: false,
            expired: 0,
            returned: origin.returned || returned,
            left_behind: false,
            member_id,
            origin: Some(Origin { wallet_id, lot_number: origin.key.number }),
            ..origin
        };
        self.keep(lot.clone());
        Ok(lot)
    }

    /// What becomes of points that came back to a lot after its end: that is `at` now, or some days later.
    fn end_late(&mut self, mut lot: Lot, at: Time) -> Result<(), Refusal> {
        const DAY_MICROS: i64 = 86_400_000_000;
        let (purse, points) = (lot.key.purse, lot.remaining);
        if let LateRefund::Grace(days @ 1..) = self.program.redemption.late_refund
            && points > 0
        {
            let expire_time = at.plus_micros(DAY_MICROS.saturating_mul(i64::from(days)));
            self.extend(lot, expire_time);
            return Ok(());
        }
        self.set_expiry(&mut lot, at);
        if points == 0 {
            self.keep(lot);
            return Ok(());
        }
        let accounts = (purse, Account::Available, Account::Expired);
        let seq = self.post(accounts, points, Reason::Expire, at, of_lot(&lot))?;
        self.expired.entry(purse).or_default().push((lot.key.number, points, at));
        lot.expired = plus(lot.expired, points)?;
        self.allocate(seq, lot, points, at)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{DAY, Ledger, at, hold, reverse};
    use super::super::{Command, ReinstatePoints, Reply, ReturnPolicy, Returned, VoidRedemption};
    use super::*;

    const HELD_SECONDS: i64 = 4;

    /// A hundred points, all of which are held a second longer than they live. The hold and the lot are made
    /// to be what they would be had they been made somewhere else.
    fn held(late_refund: LateRefund) -> (Ledger, Time) {
        let now = at("2026-05-05T10:00:00Z");
        let mut ledger = Ledger::opened(now);
        ledger.program.redemption.late_refund = late_refund;
        ledger.earn(100, now.plus_micros(3_000_000 - 90 * DAY), now).unwrap();
        ledger.run(&hold(1, 1, HELD_SECONDS), now).unwrap();
        (ledger, now)
    }

    /// The same after the hold's member came here from another wallet.
    fn moved(late_refund: LateRefund) -> (Ledger, Time) {
        let (mut ledger, now) = held(late_refund);
        let elsewhere = Uuid::from_u128(2);
        let lot = ledger.state.spent[&1].clone();
        ledger.state.origins.insert((elsewhere, 1), lot);
        ledger.state.holds.values_mut().for_each(|hold| hold.lots_wallet_id = Some(elsewhere));
        (ledger, now.plus_micros(HELD_SECONDS * 1_000_000))
    }

    #[test]
    fn points_that_moved_and_come_back_late_expire_at_once() {
        for late_refund in [LateRefund::Expire, LateRefund::Grace(0)] {
            let (mut ledger, end) = moved(late_refund);
            ledger.run(&Command::Settle, end.plus_micros(DAY)).unwrap();
            let lot = &ledger.state.spent[&2];
            assert_eq!((lot.points, lot.expired, lot.remaining), (100, 100, 0));
            assert_eq!((lot.activate_time, lot.key.expire_time), (end, end), "it held them at no moment");
            assert_eq!(ledger.postings.last().unwrap().effective_time, end);
            assert_eq!(ledger.available(), 0);
        }
    }

    #[test]
    fn points_that_moved_and_expired_are_neither_owed_nor_reinstated_after_a_return() {
        let (mut ledger, end) = moved(LateRefund::Expire);
        ledger.program.return_policy = ReturnPolicy::Unlimited;
        ledger.run(&Command::Settle, end).unwrap();
        let (expired_since, expire_time) = (end, Some(end.plus_micros(DAY)));
        let (member_id, currency, note) = (Uuid::from_u128(1), String::new(), String::new());
        let command = ReinstatePoints { member_id, currency, expired_since, expire_time, note };
        let reinstate = Command::ReinstatePoints(command);
        assert_eq!(ledger.clone().run(&reinstate, end), Ok(Reply::of(0, 100)));
        let taken = ledger.run(&reverse(Returned::Whole), end).unwrap();
        assert_eq!(taken.reversals().first().map(|taken| taken.owed), Some(0));
        assert_eq!(ledger.run(&reinstate, end), Ok(Reply::of(0, 0)));

        let (mut ledger, end) = moved(LateRefund::Expire);
        let taken = ledger.run(&reverse(Returned::Whole), end.plus_micros(-1)).unwrap();
        assert_eq!(taken.reversals().first().map(|taken| (taken.owed, taken.waived)), Some((100, 100)));
        ledger.run(&Command::Settle, end).unwrap();
        assert_eq!(ledger.run(&reinstate, end), Ok(Reply::of(0, 0)), "it was taken back before it came back");
    }

    #[test]
    fn points_that_moved_and_come_back_late_live_on_for_the_days_of_grace() {
        let (mut ledger, end) = moved(LateRefund::Grace(5));
        ledger.run(&Command::Settle, end).unwrap();
        let lot = ledger.state.lots.values().next().unwrap();
        assert_eq!((lot.remaining, lot.activate_time), (100, end), "they were not there before");
        assert_eq!(lot.key.expire_time, end.plus_micros(5 * DAY));
        ledger.run(&Command::Settle, end.plus_micros(5 * DAY)).unwrap();
        assert_eq!(ledger.available(), 0);
    }

    #[test]
    fn points_that_moved_and_come_back_late_pay_what_is_owed_first() {
        for late_refund in [LateRefund::Expire, LateRefund::Grace(5)] {
            let (mut ledger, end) = moved(late_refund);
            let totals = &mut ledger.state.wallet.purses[0].totals;
            totals.post(Account::Arrears, Account::Reversed, 100).unwrap();
            ledger.run(&Command::Settle, end).unwrap();
            let lot = &ledger.state.spent[&2];
            assert_eq!((lot.expired, lot.remaining), (0, 0));
            assert!(lot.activate_time <= lot.key.expire_time);
            assert_eq!(ledger.state.wallet.main().totals.arrears, 0);
        }
    }

    #[test]
    fn points_of_somebody_who_left_come_back_to_whoever_redeemed() {
        let (mut ledger, now) = held(LateRefund::Expire);
        let somebody = Uuid::from_u128(3);
        ledger.state.spent.get_mut(&1).unwrap().member_id = somebody;
        let void = Command::VoidRedemption(VoidRedemption {
            redemption_id: Uuid::from_u128(1),
            note: String::new(),
        });
        let mut stayed = ledger.clone();
        stayed.run(&void, now).unwrap();
        let lot = stayed.state.lots.values().next().unwrap();
        assert_eq!((lot.key.number, lot.remaining, lot.member_id), (1, 100, somebody));

        ledger.state.spent.get_mut(&1).unwrap().left_behind = true;
        ledger.run(&void, now).unwrap();
        let lot = ledger.state.lots.values().next().unwrap();
        assert_eq!((lot.key.number, lot.remaining, lot.member_id), (2, 100, Uuid::from_u128(1)));
        assert_eq!(lot.key.expire_time, now.plus_micros(3_000_000), "no longer than before");
        assert_eq!(lot.origin, Some(Origin { wallet_id: Uuid::from_u128(1), lot_number: 1 }));
    }
}
