//! Purses: what a wallet holds of one points currency of its program.

use std::collections::BTreeMap;

use ambient::Time;
use serde::{Deserialize, Serialize};

use super::book::plus;
use super::{Account, Refusal};

/// Points by the numbers of their purses.
pub type Points = BTreeMap<u32, i64>;

/// Adds points of a purse.
pub(super) fn add(sums: &mut Points, purse: u32, points: i64) -> Result<(), Refusal> {
    let sum = sums.entry(purse).or_default();
    *sum = plus(*sum, points)?;
    Ok(())
}

/// One purse. The main currency of a program has the number 0, further ones follow in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purse {
    /// Running totals.
    pub totals: Totals,
    /// The first expiry of its lots.
    pub first_expire: Time,
    /// What keeps its points from expiring.
    pub alive: Alive,
}

/// What slides keep alive: points that had not expired at one moment do not before another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alive {
    /// Since then without a gap.
    pub since: Time,
    /// Until then.
    pub until: Time,
}

impl Purse {
    /// A purse that never held anything.
    pub const EMPTY: Purse = Purse { totals: Totals::ZERO, first_expire: Time::NEVER, alive: Alive::NOTHING };

    /// When its points next expire.
    pub fn next_expire(&self) -> Time {
        self.alive.lives_until(self.first_expire)
    }
}

impl Alive {
    /// Nothing slid yet.
    pub const NOTHING: Alive = Alive { since: Time::MIN, until: Time::MIN };

    /// When points expire that would expire at `expire_time` if nothing kept them alive.
    pub fn lives_until(&self, expire_time: Time) -> Time {
        if expire_time <= self.since { expire_time } else { expire_time.max(self.until) }
    }

    /// Keeps points alive from `at` until a moment: those that have not expired by then.
    pub(super) fn slide(&mut self, at: Time, until: Time) {
        let is_gap = at >= self.until;
        // What becomes known late may leave no gap.
        let joins = at < self.since && until > self.since;
        if is_gap || joins {
            self.since = at;
        }
        self.until = self.until.max(until);
    }
}

/// Totals of the accounts of a purse, in points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Member account.
    pub pending: i64,
    /// Member account; never negative.
    pub available: i64,
    /// Member account.
    pub held: i64,
    /// Member account: what is owed.
    pub arrears: i64,
    /// The purse's part of the program account.
    pub issued: i64,
    /// The purse's part of the program account.
    pub reversed: i64,
    /// The purse's part of the program account.
    pub redeemed: i64,
    /// The purse's part of the program account.
    pub expired: i64,
    /// The purse's part of the program account; negative if more was taken than given.
    pub adjusted: i64,
    /// The purse's part of the program account.
    pub waived: i64,
    /// The purse's part of the program account: received from other wallets less given to them.
    pub transferred: i64,
}

impl Totals {
    /// Nothing was ever moved.
    pub const ZERO: Totals = Totals {
        pending: 0,
        available: 0,
        held: 0,
        arrears: 0,
        issued: 0,
        reversed: 0,
        redeemed: 0,
        expired: 0,
        adjusted: 0,
        waived: 0,
        transferred: 0,
    };

    /// The total of one account.
    pub fn of(&self, account: Account) -> i64 {
        match account {
            Account::Pending => self.pending,
            Account::Available => self.available,
            Account::Held => self.held,
            Account::Arrears => self.arrears,
            Account::Issued => self.issued,
            Account::Reversed => self.reversed,
            Account::Redeemed => self.redeemed,
            Account::Expired => self.expired,
            Account::Adjusted => self.adjusted,
            Account::Waived => self.waived,
            Account::Transfer => self.transferred,
        }
    }

    fn of_mut(&mut self, account: Account) -> &mut i64 {
        match account {
            Account::Pending => &mut self.pending,
            Account::Available => &mut self.available,
            Account::Held => &mut self.held,
            Account::Arrears => &mut self.arrears,
            Account::Issued => &mut self.issued,
            Account::Reversed => &mut self.reversed,
            Account::Redeemed => &mut self.redeemed,
            Account::Expired => &mut self.expired,
            Account::Adjusted => &mut self.adjusted,
            Account::Waived => &mut self.waived,
            Account::Transfer => &mut self.transferred,
        }
    }

    /// Moves points between two accounts. All that ever came in fits into one of them, so nothing that falls
    /// due later can overflow.
    ///
    /// # Errors
    /// `AmountOverflow` if a total does not fit.
    pub fn post(&mut self, debit: Account, credit: Account, points: i64) -> Result<(), Refusal> {
        for (account, grows) in [(debit, debit.grows_by_debit()), (credit, !credit.grows_by_debit())] {
            let total = self.of_mut(account);
            let moved = if grows { total.checked_add(points) } else { total.checked_sub(points) };
            *total = moved.ok_or(Refusal::AmountOverflow)?;
        }
        let comes_in = |account| matches!(account, Account::Issued | Account::Adjusted | Account::Transfer);
        let came = [self.issued, self.adjusted, self.transferred].map(|points| i128::from(points.max(0)));
        if [debit, credit].into_iter().any(comes_in) && came.iter().sum::<i128>() > i128::from(i64::MAX) {
            return Err(Refusal::AmountOverflow);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_released_will_fit_beside_what_is_there() {
        let mut totals = Totals::ZERO;
        totals.post(Account::Issued, Account::Pending, i64::MAX - 10).unwrap();
        totals.post(Account::Adjusted, Account::Available, 10).unwrap();
        let (whole, mut more) = (totals, totals);
        assert_eq!(more.post(Account::Adjusted, Account::Available, 1), Err(Refusal::AmountOverflow));
        let mut released = whole;
        released.post(Account::Pending, Account::Available, i64::MAX - 10).unwrap();
        released.post(Account::Available, Account::Expired, i64::MAX).unwrap();
        assert_eq!(released.available, 0);
    }
}
