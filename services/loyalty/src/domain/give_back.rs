//! Points of redemptions come back to the lots that they were taken from.
//!
//! Of points that come back, that is taken first which was waived of returns because these points were gone:
//! what a return takes in the end does not depend on what was on hold or spent when it was made.

use std::collections::BTreeMap;

use ambient::Time;
use uuid::Uuid;

use super::book::{Book, minus, next, plus};
use super::movements::of_lot;
use super::redemption::{LateRefund, Redemption};
use super::{Account, Allocation, Lot, LotKey, Origin, Reason, Refusal, Source};

impl Book<'_> {
    /// Gives points of a redemption back from an account to the lots that they came from: those between two
    /// places of its list. What is outstanding of returns and what is owed is paid of them first; what is
    /// left in lots that expired meanwhile follows the program's policy.
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
        let seq = self.post((purse, debit, Account::Available), points, reason, at, source.clone())?;
        let (mut back, mut late) = (Vec::new(), Vec::new());
        for (number, points) in redemption.between(from, to) {
            let lot = match redemption.lots_wallet_id {
                None => self.lots_of([number].into_iter()).pop(),
                Some(wallet_id) => self.before.origins.get(&(wallet_id, number)).cloned(),
            };
            let lot = lot.expect("lots that points may come back to are known");
            let end = self.end_of(redemption, &lot);
            let wallet_id = redemption.lots_wallet_id.unwrap_or(self.out.wallet.id);
            let is_elsewhere = redemption.lots_wallet_id.is_some();
            let is_late = end <= at || (lot.expired > 0 && !is_elsewhere);
            // Where it has been, points may have lived for longer or shorter than those of the lot do here.
            // The lot keeps its end, by which others come back, too.
            let ends_apart = is_late || end != self.lives_until(&lot);
            let number = if is_elsewhere || lot.left_behind || ends_apart {
                self.reopen((redemption, end), (lot, wallet_id), points, at)?
            } else {
                self.return_to(lot, points, seq, at)?
            };
            back.push((number, points));
            if is_late {
                late.push(number);
            }
        }
        self.pay_outstanding(redemption, back, (&source, at))?;
        self.repay(purse, at)?;
        for lot in self.lots_of(late.into_iter()) {
            self.end_late(lot, at)?;
        }
        self.find_next_expire(purse);
        Ok(())
    }

    /// When points of a lot end that come back to where their redemption is now: as they would have where it
    /// has been. What had ended before it left a wallet stays ended.
    fn end_of(&self, redemption: &Redemption, lot: &Lot) -> Time {
        let mut end = lot.key.expire_time;
        for stay in &redemption.stays {
            end = stay.alive.lives_until(end);
            if end <= stay.left {
                return end;
            }
        }
        self.out.wallet.purse(lot.key.purse).alive.lives_until(end)
    }

    /// Gives points back to a lot of this wallet. Returns its number.
    fn return_to(&mut self, mut lot: Lot, points: i64, posting_seq: i64, at: Time) -> Result<i64, Refusal> {
        lot.remaining = plus(lot.remaining, points)?;
        let (lot_number, credit) = (lot.key.number, true);
        self.out.allocations.push(Allocation { posting_seq, lot_number, points, credit, effective_time: at });
        self.keep(lot);
        Ok(lot_number)
    }

    /// Opens a lot for points of a lot that they do not come back to. It is in the same name; if that one's
    /// points are elsewhere, in the name of the member who redeemed. Returns its number.
    fn reopen(
        &mut self,
        (redemption, expire_time): (&Redemption, Time),
        (origin, wallet_id): (Lot, Uuid),
        points: i64,
        at: Time,
    ) -> Result<i64, Refusal> {
        let number = next(&mut self.out.wallet.lot_seq)?;
        let left = origin.left_behind || wallet_id != self.out.wallet.id;
        let is_here = !left || self.before.here.contains(&origin.member_id);
        let member_id = if is_here { origin.member_id } else { redemption.member_id };
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
        self.keep(lot);
        Ok(number)
    }

    /// Pays of points that came back to lots, by the numbers of these, what is outstanding of returns that
    /// were made since these points were redeemed, the first of them first.
    fn pay_outstanding(
        &mut self,
        redemption: &Redemption,
        back: Vec<(i64, i64)>,
        (source, at): (&Source, Time),
    ) -> Result<(), Refusal> {
        let mut due = BTreeMap::new();
        let stored = self.before.owing.iter().filter(|(id, _)| !self.out.changed.contains_key(id));
        for (id, activity) in stored.chain(&self.out.changed) {
            let of_purse = activity.outstanding.iter().filter(|of| of.purse == redemption.purse);
            for of in of_purse.filter(|of| of.since >= redemption.create_time) {
                let sum = due.entry((of.since, *id)).or_insert(0);
                *sum = plus(*sum, of.points)?;
            }
        }
        for (number, mut left) in back {
            for ((since, id), owed) in &mut due {
                let points = left.min(*owed);
                if points > 0 {
                    (left, *owed) = (minus(left, points)?, minus(*owed, points)?);
                    self.pay_return(*id, (redemption.purse, *since), (number, points), (source, at))?;
                }
            }
        }
        Ok(())
    }

    /// Pays with points of a lot what is outstanding of one return of an activity.
    fn pay_return(
        &mut self,
        id: Uuid,
        (purse, since): (u32, Time),
        (number, points): (i64, i64),
        (source, at): (&Source, Time),
    ) -> Result<(), Refusal> {
        let activity = self.out.changed.get(&id).or_else(|| self.before.owing.get(&id));
        let mut activity = activity.expect("it is owing").clone();
        let mut left = points;
        for of in activity.outstanding.iter_mut().filter(|of| (of.purse, of.since) == (purse, since)) {
            let paid = left.min(of.points);
            (left, of.points) = (minus(left, paid)?, minus(of.points, paid)?);
        }
        activity.outstanding.retain(|of| of.points > 0);
        let source = Source { activity_id: id, rule_version: activity.pinned.rule_version, ..source.clone() };
        let accounts = (purse, Account::Available, Account::Waived);
        let seq = self.post(accounts, points, Reason::Repay, at, source)?;
        self.out.changed.insert(id, activity);
        let lot = self.lots_of([number].into_iter()).pop().expect("points came back to it");
        self.allocate(seq, lot, points, at)
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
        // Nothing ends before it begins.
        if points > 0 || lot.key.expire_time < lot.activate_time {
            self.set_expiry(&mut lot, at);
        }
        if points == 0 {
            self.keep(lot);
            return Ok(());
        }
        let accounts = (purse, Account::Available, Account::Expired);
        let seq = self.post(accounts, points, Reason::Expire, at, of_lot(&lot))?;
        self.expired.entry(purse).or_default().push((lot.key.number, points, at));
        lot.expired = plus(lot.expired, points)?;
        // This is its end, whatever keeps others alive.
        self.take(seq, &mut lot, points, at)?;
        self.keep(lot);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
