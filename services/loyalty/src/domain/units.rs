//! Units of rewards: they go from the stock to a wallet, which may have so many of them, and back.

use super::book::{Book, minus, plus};
use super::rules::Counter;
use super::{Redemption, Refusal, Supply};

impl Book<'_> {
    /// What was counted for the limit of a reward so far, this command included.
    pub(super) fn counted(&self, counter: &Counter) -> i64 {
        let before = self.before.counted.get(counter).copied().unwrap_or(0);
        let now = self.out.counted.iter().filter(|((of, _), _)| of == counter);
        now.fold(before, |sum, (_, units)| sum.saturating_add(*units))
    }

    /// Units go from the stock to the wallet. They count for the limit of their reward in the period in which
    /// they were asked for.
    pub(super) fn take_units(&mut self, redemption: &Redemption, units: i64) -> Result<(), Refusal> {
        if redemption.supply != Supply::Unlimited {
            let taken = self.out.stock.entry(redemption.reward_id.clone()).or_default();
            *taken = plus(*taken, units)?;
        }
        match redemption.counter(self.program) {
            Some(counter) => self.count(redemption.member_id, counter, units),
            None => Ok(()),
        }
    }

    /// Units that were not handed out go back to the stock, and count no more.
    pub(super) fn give_units_back(&mut self, redemption: &Redemption, units: i64) -> Result<(), Refusal> {
        if let Some(counter) = redemption.counter(self.program) {
            let known = self.counted(&counter).clamp(0, units);
            self.count(redemption.member_id, counter, minus(0, known)?)?;
        }
        if redemption.supply != Supply::Unlimited {
            let taken = self.out.stock.entry(redemption.reward_id.clone()).or_default();
            *taken = minus(*taken, units)?;
        }
        Ok(())
    }

    /// Hands out a code for each unit that was captured, if the reward has a pool of them.
    pub(super) fn hand_out(&mut self, redemption: &mut Redemption) {
        let units = usize::try_from(redemption.quantity_captured).unwrap_or(0);
        if redemption.supply == Supply::Codes && units > 0 {
            let codes = self.codes.get(..units).expect("a pool has the codes that its stock counts");
            redemption.codes = codes.to_vec();
            self.out.handed_out = Some((redemption.reward_id.clone(), units));
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::fixture::{Ledger, adjust, at, hold, purchase, redeem};
    use super::super::rules::Period;
    use super::super::{
        CaptureRedemption, Command, Portion, Refusal, RewardRefusal, RewardTerms, Supply, UnitLimit,
        VoidRedemption,
    };

    fn capture(id: u128, portion: Portion) -> Command {
        Command::CaptureRedemption(CaptureRedemption { redemption_id: Uuid::from_u128(id), portion })
    }

    fn limited(units_max: i64, period: Period) -> RewardTerms {
        RewardTerms { limit: Some(UnitLimit { units_max, period }), ..RewardTerms::default() }
    }

    #[test]
    fn what_is_held_counts_until_it_is_given_back() {
        let now = at("2026-05-05T10:00:00Z");
        let mut ledger = Ledger::opened(now);
        ledger.reward.terms = limited(5, Period::Lifetime);
        ledger.run(&adjust(10_000, None), now).unwrap();
        let beyond = |quantity, left| Err(RewardRefusal::LimitReached { quantity, left }.into());
        ledger.run(&hold(1, 4, 60), now).unwrap();
        assert_eq!(ledger.run(&redeem(2), now), beyond(2, 1));
        ledger.run(&capture(1, Portion::Quantity(3)), now).unwrap();
        assert_eq!(ledger.run(&redeem(3), now), beyond(3, 2), "one unit of four went back");
        ledger.run(&hold(2, 2, 60), now).unwrap();
        let void = VoidRedemption { redemption_id: Uuid::from_u128(2), note: String::new() };
        ledger.run(&Command::VoidRedemption(void), now).unwrap();
        ledger.run(&hold(3, 2, 60), now).unwrap();
        assert_eq!(ledger.run(&redeem(1), now.plus_micros(59_000_000)), beyond(1, 0));
        // The hold times out, in the very decision that asks for its units.
        assert!(ledger.run(&redeem(2), now.plus_micros(60_000_000)).is_ok());
        assert_eq!(ledger.run(&redeem(1), now.plus_micros(60_000_000)), beyond(1, 0));
    }

    #[test]
    fn a_purchase_that_ends_a_hold_gives_its_units_back() {
        let now = at("2026-05-05T10:00:00Z");
        let mut ledger = Ledger::opened(now);
        ledger.reward.terms = limited(1, Period::Lifetime);
        ledger.run(&adjust(10_000, None), now).unwrap();
        ledger.run(&hold(1, 1, 60), now).unwrap();
        let later = now.plus_micros(60_000_000);
        ledger.run(&purchase(3_000_000, None), later).unwrap();
        assert!(ledger.run(&redeem(1), later).is_ok());
    }

    #[test]
    fn a_hold_of_yesterday_counts_for_yesterday() {
        let evening = at("2026-05-05T23:59:00Z");
        let mut ledger = Ledger::opened(evening);
        ledger.reward.terms = limited(1, Period::Day);
        ledger.run(&adjust(10_000, None), evening).unwrap();
        ledger.run(&hold(1, 1, 600), evening).unwrap();
        let morning = at("2026-05-06T00:01:00Z");
        assert!(ledger.run(&redeem(1), morning).is_ok());
        let void = VoidRedemption { redemption_id: Uuid::from_u128(1), note: String::new() };
        ledger.run(&Command::VoidRedemption(void), morning).unwrap();
        let beyond = Err(RewardRefusal::LimitReached { quantity: 1, left: 0 }.into());
        assert_eq!(ledger.run(&redeem(1), morning), beyond, "what went back was one of yesterday");
    }

    #[test]
    fn codes_are_handed_out_one_by_one_when_they_are_captured() {
        let now = at("2026-05-05T10:00:00Z");
        let mut ledger = Ledger::opened(now);
        ledger.reward.supply = Supply::Codes;
        ledger.codes = ["A", "B", "C", "D"].map(str::to_owned).to_vec();
        ledger.run(&adjust(10_000, None), now).unwrap();
        let codes = |ledger: &Ledger, id| ledger.redemption(id).codes.join(" ");
        ledger.run(&hold(1, 3, 60), now).unwrap();
        assert_eq!(codes(&ledger, 1), "");
        ledger.run(&redeem(1), now).unwrap();
        assert_eq!(codes(&ledger, 9), "A");
        let out = Refusal::OutOfStock { reward_id: "mug".into(), remaining: 0 };
        assert_eq!(ledger.run(&hold(2, 1, 60), now), Err(out), "three of four are held");
        ledger.run(&capture(1, Portion::Quantity(2)), now).unwrap();
        assert_eq!(codes(&ledger, 1), "B C");
        assert_eq!(ledger.codes, ["D"]);
        ledger.run(&hold(2, 1, 60), now).unwrap();
    }
}
