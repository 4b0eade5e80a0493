//! Points as money: how much of a bill they pay, at the rate of a reward.
//!
//! Every number is whole. Points pay for what they are worth in steps of the rate, and no more of them are
//! taken than that needs.

use serde::{Deserialize, Serialize};

use super::{Money, Refusal, RewardRefusal};

/// What the points of a reward's price are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentRate {
    /// So much money; more than nothing.
    pub per: Money,
    /// What points pay of a bill is a multiple of this, unless they pay all of it; in millionths of the
    /// currency's unit, more than nothing.
    pub step_micros: i64,
}

/// What points are worth to a wallet, as it is agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worth {
    /// So many points; at least 1.
    pub points: i64,
    /// Are worth this.
    pub rate: PaymentRate,
}

/// What is to be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bill {
    /// All of it.
    pub amount: Money,
    /// Points to spend on it at most; none: as many as there are.
    pub points: Option<i64>,
}

/// What points pay of a bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// How many.
    pub points: i64,
    /// How much they pay.
    pub paid: Money,
    /// How much is left to be paid in money.
    pub rest: Money,
}

impl PaymentRate {
    /// What at most `points_max` points pay of a bill if `price` of them are worth [`PaymentRate::per`].
    ///
    /// # Errors
    /// `OtherCurrency`, or `AmountOverflow` if more points are needed than can be counted.
    pub fn share(&self, price: i64, amount: Money, points_max: i64) -> Result<Share, Refusal> {
        if amount.currency != self.per.currency {
            let (expected, given) = (self.per.currency, amount.currency);
            return Err(RewardRefusal::OtherCurrency { expected, given }.into());
        }
        let all = self.points_for(price, amount.micros)?;
        let (points, paid_micros) = if all <= points_max {
            (all, amount.micros)
        } else {
            let micros = self.worth(price, points_max.max(0));
            let micros = micros.saturating_sub(micros.rem_euclid(self.step_micros.max(1)));
            (self.points_for(price, micros)?, micros)
        };
        let of = |micros| Money { micros, ..amount };
        let rest = amount.micros.saturating_sub(paid_micros);
        Ok(Share { points, paid: of(paid_micros), rest: of(rest) })
    }

    /// The fewest points that pay for so much.
    ///
    /// # Errors
    /// `AmountOverflow` if they are too many to be counted.
    pub fn points_for(&self, price: i64, micros: i64) -> Result<i64, Refusal> {
        let product = i128::from(micros).saturating_mul(i128::from(price));
        let per = i128::from(self.per.micros.max(1));
        let points = product.saturating_add(per.saturating_sub(1)).div_euclid(per);
        i64::try_from(points).map_err(|_| Refusal::AmountOverflow)
    }

    /// What so many points are worth at most, in millionths of the currency's unit.
    fn worth(&self, price: i64, points: i64) -> i64 {
        let product = i128::from(points).saturating_mul(i128::from(self.per.micros));
        i64::try_from(product.div_euclid(i128::from(price.max(1)))).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests count in small numbers")]
mod tests {
    use proptest::prelude::*;

    use super::super::fixture::usd_micros;
    use super::*;

    const CENT: i64 = 10_000;

    fn rate(per: i64, step_micros: i64) -> PaymentRate {
        PaymentRate { per: usd_micros(per), step_micros }
    }

    #[test]
    fn a_bill_is_paid_in_whole_or_in_steps() {
        // 150 points are worth a dollar: one point two thirds of a cent.
        let rate = rate(1_000_000, CENT);
        let paid = |cents: i64, points_max| {
            let share = rate.share(150, usd_micros(cents * CENT), points_max).unwrap();
            (share.points, share.paid.micros, share.rest.micros)
        };
        assert_eq!(paid(1_000, 1_500), (1_500, 1_000 * CENT, 0));
        assert_eq!(paid(1_000, 9_999), (1_500, 1_000 * CENT, 0));
        assert_eq!(paid(1_000, 1_499), (1_499, 999 * CENT, CENT));
        assert_eq!(paid(1_000, 100), (99, 66 * CENT, 934 * CENT), "one point would pay for no further cent");
        assert_eq!(paid(1_000, 1), (0, 0, 1_000 * CENT));
        assert_eq!(paid(1, 2), (2, CENT, 0));
    }

    #[test]
    fn other_money_and_endless_sums_are_refused() {
        let euro = super::super::Currency::try_new("EUR").unwrap();
        let rate = rate(1_000_000, CENT);
        let refused = rate.share(150, Money { currency: euro, micros: CENT }, 10).unwrap_err();
        let (expected, given) = (rate.per.currency, euro);
        assert_eq!(refused, RewardRefusal::OtherCurrency { expected, given }.into());
        let refused = rate.share(i64::MAX, usd_micros(Money::MICROS_MAX), 10);
        assert_eq!(refused, Err(Refusal::AmountOverflow));
    }

    proptest! {
        #[test]
        fn points_pay_what_they_are_worth_and_no_more_are_taken(
            price in 1_i64..100_000,
            per in 1_i64..10_000_000_000,
            step in 1_i64..10_000_000,
            amount in 1_i64..1_000_000_000_000,
            points_max in 0_i64..10_000_000,
        ) {
            let rate = rate(per, step);
            let share = rate.share(price, usd_micros(amount), points_max).unwrap();
            let (points, paid) = (i128::from(share.points), i128::from(share.paid.micros));
            let (price, per) = (i128::from(price), i128::from(per));
            prop_assert_eq!(share.paid.micros + share.rest.micros, amount);
            prop_assert!(share.points <= points_max && share.rest.micros >= 0);
            prop_assert!(points * per >= paid * price, "never paid for more than it is worth");
            prop_assert!(points == 0 || (points - 1) * per < paid * price, "never one point too many");
            let whole = share.rest.micros == 0;
            prop_assert!(whole || share.paid.micros % step == 0);
            let next = i128::from((share.paid.micros + step).min(amount));
            let beyond = next * price > i128::from(points_max) * per;
            prop_assert!(whole || beyond, "the next step was too much");
        }
    }
}
