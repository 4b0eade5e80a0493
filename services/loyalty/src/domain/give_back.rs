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
                None => self.return_to(number, points, seq, at)?,
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

    fn return_to(&mut self, number: i64, points: i64, posting_seq: i64, at: Time) -> Result<Lot, Refusal> {
        let lot = self.lots_of([number].into_iter()).pop();
        let mut lot = lot.expect("lots that points may come back to are known");
        lot.remaining = plus(lot.remaining, points)?;
        let (lot_number, credit) = (number, true);
        self.out.allocations.push(Allocation { posting_seq, lot_number, points, credit, effective_time: at });
        self.keep(lot.clone());
        Ok(lot)
    }

    /// Opens a lot for points of a lot of another wallet, whose member came here since.
    fn reopen(
        &mut self,
        origin: Lot,
        points: i64,
        (wallet_id, member_id): (Uuid, Uuid),
        at: Time,
    ) -> Result<Lot, Refusal> {
        let number = next(&mut self.out.wallet.lot_seq)?;
        let lot = Lot {
            key: LotKey { number, ..origin.key },
            points,
            remaining: points,
            activate_time: at,
            pending: false,
            expired: 0,
            member_id,
            origin: Some(Origin { wallet_id, lot_number: origin.key.number }),
            ..origin
        };
        self.keep(lot.clone());
        Ok(lot)
    }

    /// What becomes of points that came back to a lot after its end.
    fn end_late(&mut self, mut lot: Lot, at: Time) -> Result<(), Refusal> {
        const DAY_MICROS: i64 = 86_400_000_000;
        let (purse, points) = (lot.key.purse, lot.remaining);
        if points == 0 {
            return Ok(());
        }
        match self.program.redemption.late_refund {
            LateRefund::Expire => {
                let accounts = (purse, Account::Available, Account::Expired);
                let seq = self.post(accounts, points, Reason::Expire, at, of_lot(&lot))?;
                self.expired.entry(purse).or_default().push((lot.key.number, points, at));
                lot.expired = plus(lot.expired, points)?;
                self.allocate(seq, lot, points, at)
            }
            LateRefund::Grace(days) => {
                let expire_time = at.plus_micros(DAY_MICROS.saturating_mul(i64::from(days)));
                self.extend(lot, expire_time);
                Ok(())
            }
        }
    }
}
