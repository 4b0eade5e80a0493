//! A program: what purchases earn, how long points live, which tiers there are.

use ambient::Time;
use chrono_tz::Tz;

use super::{ActivityKind, Currency, Expiry, Ladder, Refusal, Release, ReturnPolicy};

/// The rules of one program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The caller's own identifier.
    pub id: String,
    /// A name for people.
    pub display_name: String,
    /// In which days, months and years are counted.
    pub time_zone: Tz,
    /// Of every amount.
    pub currency: Currency,
    /// What points are called.
    pub points: PointCurrency,
    /// What purchases earn; nothing without a rule.
    pub rule: Option<EarningRule>,
    /// When points may be spent.
    pub release: Release,
    /// How long points live, from their release on.
    pub expiry: Expiry,
    /// What is taken back when an activity is.
    pub return_policy: ReturnPolicy,
    /// The tiers.
    pub ladder: Ladder,
    /// Grows with every change.
    pub version: i64,
    /// When it was created.
    pub create_time: Time,
}

/// The spendable points currency of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointCurrency {
    /// Short code.
    pub code: String,
    /// A name for people.
    pub display_name: String,
}

/// Points per money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EarningRule {
    /// Points for each `per_micros`.
    pub points: i64,
    /// The amount that earns `points`, in millionths of the unit; positive.
    pub per_micros: i64,
    /// The version that postings pin.
    pub version: i64,
}

impl EarningRule {
    /// Points that one activity of this amount earns: floor(amount * points / per).
    ///
    /// # Errors
    /// `AmountOverflow` if that is more than an `i64` holds.
    pub fn points_for(&self, amount_micros: i64) -> Result<i64, Refusal> {
        let product = i128::from(amount_micros).checked_mul(i128::from(self.points));
        let points = product.and_then(|p| p.checked_div_euclid(i128::from(self.per_micros)));
        points.and_then(|p| i64::try_from(p).ok()).ok_or(Refusal::AmountOverflow)
    }
}

impl Program {
    /// Points that an activity of this kind and amount earns.
    ///
    /// # Errors
    /// `AmountOverflow` if they are more than an `i64` holds.
    pub fn points_for(&self, kind: ActivityKind, amount_micros: i64) -> Result<i64, Refusal> {
        self.rule.map_or(Ok(0), |rule| rule.points_for(kind.spend_micros(amount_micros)))
    }

    /// When points released at `at` expire.
    pub fn expire_time(&self, at: Time) -> Time {
        self.expiry.end(self.time_zone, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE_PER_DOLLAR: EarningRule = EarningRule { points: 1, per_micros: 1_000_000, version: 1 };

    #[test]
    fn points_are_floored_per_activity() {
        for (cents, points) in [(0, 0), (99, 0), (100, 1), (199, 1), (200, 2), (31_415, 314)] {
            assert_eq!(ONE_PER_DOLLAR.points_for(cents * 10_000), Ok(points), "{cents}");
        }
        let three_per_two = EarningRule { points: 3, per_micros: 2_000_000, version: 1 };
        assert_eq!(three_per_two.points_for(1_000_000), Ok(1));
        assert_eq!(three_per_two.points_for(4_000_000), Ok(6));
    }

    #[test]
    fn points_that_do_not_fit_are_refused() {
        let generous = EarningRule { points: i64::MAX, per_micros: 1, version: 1 };
        assert_eq!(generous.points_for(2), Err(Refusal::AmountOverflow));
    }
}
