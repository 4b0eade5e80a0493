//! What a program owes its members: how points came and went month by month, and what that costs. Exact.

use std::collections::BTreeMap;

use super::{Account, Month, Refusal};

/// How the points of a currency moved in some time: what the program's accounts did, and by how much the
/// members' own accounts grew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Movements {
    /// Granted for activities.
    pub issued: i64,
    /// Taken back with their activities.
    pub reversed: i64,
    /// Spent on rewards.
    pub redeemed: i64,
    /// Spent before and given back.
    pub refunded: i64,
    /// Expired.
    pub expired: i64,
    /// Expired before and given back.
    pub reinstated: i64,
    /// Given by hand less taken by hand.
    pub adjusted: i64,
    /// Owed and not taken.
    pub waived: i64,
    /// Received from other wallets less given to them.
    pub transferred: i64,
    /// Growth of the member account.
    pub pending: i64,
    /// Growth of the member account.
    pub available: i64,
    /// Growth of the member account.
    pub held: i64,
    /// Growth of the member account: of what is owed.
    pub arrears: i64,
}

impl Movements {
    /// Adds points that moved between two accounts.
    ///
    /// # Errors
    /// `AmountOverflow` if a sum does not fit.
    pub fn post(&mut self, debit: Account, credit: Account, points: i64) -> Result<(), Refusal> {
        self.side(debit, true, points)?;
        self.side(credit, false, points)
    }

    fn side(&mut self, account: Account, debit: bool, points: i64) -> Result<(), Refusal> {
        let (sum, grows) = match account {
            Account::Redeemed if debit => (&mut self.refunded, true),
            Account::Redeemed => (&mut self.redeemed, true),
            Account::Expired if debit => (&mut self.reinstated, true),
            Account::Expired => (&mut self.expired, true),
            Account::Issued => (&mut self.issued, debit),
            Account::Reversed => (&mut self.reversed, !debit),
            Account::Adjusted => (&mut self.adjusted, debit),
            Account::Waived => (&mut self.waived, debit),
            Account::Transfer => (&mut self.transferred, debit),
            Account::Pending => (&mut self.pending, !debit),
            Account::Available => (&mut self.available, !debit),
            Account::Held => (&mut self.held, !debit),
            Account::Arrears => (&mut self.arrears, debit),
        };
        let moved = if grows { sum.checked_add(points) } else { sum.checked_sub(points) };
        *sum = moved.ok_or(Refusal::AmountOverflow)?;
        Ok(())
    }

    /// Adds what moved in another time.
    ///
    /// # Errors
    /// As [`Movements::post`].
    pub fn add(&mut self, other: &Movements) -> Result<(), Refusal> {
        let mut other = *other;
        for (sum, more) in self.all_mut().into_iter().zip(other.all_mut()) {
            *sum = sum.checked_add(*more).ok_or(Refusal::AmountOverflow)?;
        }
        Ok(())
    }

    fn all_mut(&mut self) -> [&mut i64; 13] {
        [
            &mut self.issued,
            &mut self.reversed,
            &mut self.redeemed,
            &mut self.refunded,
            &mut self.expired,
            &mut self.reinstated,
            &mut self.adjusted,
            &mut self.waived,
            &mut self.transferred,
            &mut self.pending,
            &mut self.available,
            &mut self.held,
            &mut self.arrears,
        ]
    }

    /// By how much the liability grew, by what the program's accounts did.
    ///
    /// # Errors
    /// As [`Movements::post`].
    pub fn net(&self) -> Result<i64, Refusal> {
        let more =
            [self.issued, self.refunded, self.reinstated, self.adjusted, self.waived, self.transferred];
        difference(&more, &[self.reversed, self.redeemed, self.expired])
    }

    /// By how much the liability grew, by the members' accounts: the same as [`Movements::net`], because
    /// every movement has two sides.
    ///
    /// # Errors
    /// As [`Movements::post`].
    pub fn owed(&self) -> Result<i64, Refusal> {
        difference(&[self.pending, self.available, self.held], &[self.arrears])
    }
}

fn difference(more: &[i64], less: &[i64]) -> Result<i64, Refusal> {
    let sum = |terms: &[i64]| terms.iter().fold(0_i128, |sum, term| sum.saturating_add(i128::from(*term)));
    i64::try_from(sum(more).saturating_sub(sum(less))).map_err(|_| Refusal::AmountOverflow)
}

/// A month of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which.
    pub month: Month,
    /// What was left of the months before.
    pub opening: i64,
    /// What moved.
    pub moved: Movements,
    /// All that moved up to the end of the month: of this, the members' accounts are what they had then.
    pub until: Movements,
    /// What was left.
    pub closing: i64,
}

/// The months from `first` to `last`, one after the other, whether or not something moved in them.
///
/// # Errors
/// `AmountOverflow` if a sum does not fit.
pub fn lines(months: &BTreeMap<Month, Movements>, first: Month, last: Month) -> Result<Vec<Line>, Refusal> {
    let mut until = Movements::default();
    for (_, moved) in months.range(..first) {
        until.add(moved)?;
    }
    let mut lines = Vec::new();
    let mut month = first;
    while month <= last {
        let opening = until.net()?;
        let moved = months.get(&month).copied().unwrap_or_default();
        until.add(&moved)?;
        lines.push(Line { month, opening, moved, until, closing: until.net()? });
        month = month.plus(1);
    }
    Ok(lines)
}

/// What is left after all months.
///
/// # Errors
/// `AmountOverflow` if a sum does not fit.
pub fn total(months: &BTreeMap<Month, Movements>) -> Result<Movements, Refusal> {
    let mut sum = Movements::default();
    months.values().try_for_each(|moved| sum.add(moved))?;
    Ok(sum)
}

/// What so many points cost, in millionths of the unit.
pub fn cost_micros(points: i64, unit_cost_micros: i64) -> i128 {
    i128::from(points).saturating_mul(i128::from(unit_cost_micros))
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests count in small numbers")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn month(number: i32) -> Month {
        Month::from_number(number).unwrap()
    }

    fn moved(postings: &[(Account, Account, i64)]) -> Movements {
        let mut moved = Movements::default();
        for (debit, credit, points) in postings {
            moved.post(*debit, *credit, *points).unwrap();
        }
        moved
    }

    #[test]
    fn every_account_has_its_line_on_both_sides() {
        use Account::*;
        let moved = moved(&[
            (Issued, Pending, 100),
            (Pending, Available, 60),
            (Available, Redeemed, 20),
            (Available, Held, 10),
            (Held, Redeemed, 7),
            (Held, Available, 3),
            (Redeemed, Available, 5),
            (Available, Expired, 6),
            (Expired, Available, 2),
            (Adjusted, Available, 9),
            (Available, Adjusted, 4),
            (Arrears, Reversed, 8),
            (Waived, Reversed, 3),
            (Available, Arrears, 1),
            (Available, Transfer, 11),
            (Transfer, Available, 11),
        ]);
        let program = (moved.issued, moved.reversed, moved.redeemed, moved.refunded);
        assert_eq!(program, (100, 11, 27, 5));
        assert_eq!((moved.expired, moved.reinstated, moved.adjusted, moved.waived), (6, 2, 5, 3));
        assert_eq!((moved.pending, moved.available, moved.held, moved.arrears), (40, 38, 0, 7));
        assert_eq!(moved.transferred, 0);
        assert_eq!((moved.net(), moved.owed()), (Ok(71), Ok(71)));
    }

    #[test]
    fn months_follow_each_other_over_gaps_and_begin_with_what_was_before() {
        let issued = |issued| Movements { issued, available: issued, ..Movements::default() };
        let months = BTreeMap::from([(month(202311), issued(5)), (month(202401), issued(7))]);
        let lines = lines(&months, month(202312), month(202402)).unwrap();
        let told: Vec<_> = lines.iter().map(|l| (l.month.to_string(), l.opening, l.closing)).collect();
        let expected = [("2023-12", 5, 5), ("2024-01", 5, 12), ("2024-02", 12, 12)];
        assert_eq!(told, expected.map(|(month, opening, closing)| (month.to_owned(), opening, closing)));
        assert_eq!(lines[1].until.available, 12);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut moved = Movements { issued: i64::MAX, ..Movements::default() };
        let more = moved.post(Account::Issued, Account::Available, 1);
        assert_eq!(more, Err(Refusal::AmountOverflow));
        assert_eq!(cost_micros(i64::MAX, 1_000_000), i128::from(i64::MAX) * 1_000_000);
        assert_eq!(cost_micros(-3, 4_500), -13_500);
    }

    proptest! {
        #[test]
        fn each_closing_is_the_next_opening_and_both_sides_agree(
            postings in prop::collection::vec((0_i32..40, 0_usize..11, 1_usize..11, 1_i64..9_999), 1..200),
            first in -5_i32..45,
            length in 0_i32..60,
        ) {
            let start = month(202001);
            let mut months: BTreeMap<Month, Movements> = BTreeMap::new();
            for (at, debit, apart, points) in postings {
                let credit = Account::ALL[(debit + apart) % 11];
                months.entry(start.plus(at)).or_default().post(Account::ALL[debit], credit, points).unwrap();
            }
            let lines = lines(&months, start.plus(first), start.plus(first + length)).unwrap();
            for pair in lines.windows(2) {
                prop_assert_eq!(pair[0].closing, pair[1].opening);
                prop_assert_eq!(pair[1].month.since(pair[0].month), 1);
            }
            for line in &lines {
                prop_assert_eq!(line.opening + line.moved.net().unwrap(), line.closing);
                prop_assert_eq!(line.until.owed().unwrap(), line.closing);
            }
            if start.plus(first + length) >= start.plus(39) {
                prop_assert_eq!(lines.last().unwrap().closing, total(&months).unwrap().net().unwrap());
            }
        }
    }
}
