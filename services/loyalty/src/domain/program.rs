//! A program: what purchases earn, how long points live, which tiers there are.

use ambient::Time;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::rules::{Compiled, Fault, Rules};
use super::{
    Currency, Expiry, Ladder, RedemptionPolicy, ReferralPolicy, Refusal, Release, ReturnPolicy,
    VelocityLimit, Wallet, end_of_day, local_date,
};

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
    /// What points of its main currency are called.
    pub points: PointCurrency,
    /// Further currencies: their purses have the numbers from 1 on.
    pub further: Vec<FurtherCurrency>,
    /// What purchases earn unless a rule set says otherwise; nothing without a rule.
    pub rule: Option<EarningRule>,
    /// What activities earn, by when: one rule set at a time.
    pub rule_sets: Vec<RuleSet>,
    /// When points may be spent.
    pub release: Release,
    /// How long points of its main currency live, from their release on.
    pub expiry: Expiry,
    /// What is taken back when an activity is.
    pub return_policy: ReturnPolicy,
    /// How long rewards may be held, and what becomes of points that come back late.
    pub redemption: RedemptionPolicy,
    /// The tiers.
    pub ladder: Ladder,
    /// What a friend must do; none: members bring no friends.
    pub referral: Option<ReferralPolicy>,
    /// How much may move, and how often.
    pub velocity: Vec<VelocityLimit>,
    /// Grows with every change.
    pub version: i64,
    /// When it was created.
    pub create_time: Time,
}

/// A points currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointCurrency {
    /// Short code.
    pub code: String,
    /// A name for people.
    pub display_name: String,
    /// What a point costs, in millionths of the unit of the program's money currency; 0: nobody says.
    #[serde(default)]
    pub unit_cost_micros: i64,
}

/// A points currency beside the main one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FurtherCurrency {
    /// What its points are called.
    pub points: PointCurrency,
    /// What they are for.
    pub kind: CurrencyKind,
}

/// What points of a currency are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CurrencyKind {
    /// They are kept in lots and live so long.
    Spendable(Expiry),
    /// They are credits for tiers, and never spent.
    Qualifying,
}

/// Points per money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EarningRule {
    /// Points for each `per_micros`.
    pub points: i64,
    /// The amount that earns `points`, in millionths of the unit; positive.
    pub per_micros: i64,
}

/// Rules that hold, or held, for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSet {
    /// The version that activities and postings pin.
    pub version: i64,
    /// From when it holds.
    pub start: Time,
    /// Up to when; `NEVER` if no end is set.
    pub end: Time,
    /// What it says.
    pub rules: Compiled,
}

impl EarningRule {
    /// The version of the rule set that is this rule.
    pub const VERSION: i64 = 1;

    /// The rule as a rule set that holds up to `end`.
    pub fn rule_set(self, zone: Tz, end: Time) -> Option<RuleSet> {
        let rules =
            Compiled::try_new(Rules::per_purchase(self.points, self.per_micros), zone, |_| Some(0)).ok()?;
        Some(RuleSet { version: EarningRule::VERSION, start: Time::MIN, end, rules })
    }
}

impl Program {
    /// Checks and compiles rules of this program.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn compile(&self, rules: Rules) -> Result<Compiled, Vec<Fault>> {
        Compiled::try_new(rules, self.time_zone, |code| self.purse_of(code))
    }

    /// The rules at a moment; none if no rule set holds.
    pub fn rules_at(&self, at: Time) -> Option<&RuleSet> {
        self.rule_sets.iter().find(|set| set.start <= at && at < set.end)
    }

    /// The rules of a version.
    pub fn rule_set(&self, version: i64) -> Option<&RuleSet> {
        self.rule_sets.iter().find(|set| set.version == version)
    }

    /// Up to when a balance is true that is told at `now`, if nothing is done: until something falls due, or
    /// the ladder may be another one, which it becomes only when a local day begins.
    pub fn balance_valid_until(&self, wallet: &Wallet, now: Time) -> Time {
        wallet.next_due.min(end_of_day(self.time_zone, local_date(self.time_zone, now)))
    }

    /// How long points of a purse live.
    pub fn expiry_of(&self, purse: u32) -> Expiry {
        match self.further(purse).map(|further| further.kind) {
            None => self.expiry,
            Some(CurrencyKind::Spendable(expiry)) => expiry,
            Some(CurrencyKind::Qualifying) => Expiry::NEVER,
        }
    }

    /// When points of a purse expire that are released at `at`.
    pub fn expire_time(&self, purse: u32, at: Time) -> Time {
        self.expiry_of(purse).end(self.time_zone, at)
    }

    /// The further currency of a purse; none: it has the main one.
    fn further(&self, purse: u32) -> Option<&FurtherCurrency> {
        self.further.get(usize::try_from(purse).ok()?.checked_sub(1)?)
    }

    /// The purse of the currency with this code, whatever it is for; of the main one if it is empty.
    pub fn purse_of(&self, code: &str) -> Option<u32> {
        if code.is_empty() || code == self.points.code {
            return Some(0);
        }
        (1..).zip(&self.further).find(|(_, further)| further.points.code == code).map(|(number, _)| number)
    }

    /// The numbers of its purses: that of the main currency, then those of the further ones.
    pub fn purses(&self) -> impl Iterator<Item = u32> + use<> {
        (0..).take(self.further.len().saturating_add(1))
    }

    /// The code of the currency of a purse.
    pub fn code_of(&self, purse: u32) -> &str {
        if purse == 0 { &self.points.code } else { self.further(purse).map_or("", |of| &of.points.code) }
    }

    /// What a point of a purse costs, in millionths of the unit of the money currency; 0: nobody says.
    pub fn unit_cost_micros(&self, purse: u32) -> i64 {
        self.further(purse).map_or(self.points.unit_cost_micros, |of| of.points.unit_cost_micros)
    }

    /// True if grants of this purse are credits for tiers.
    pub fn qualifies(&self, purse: u32) -> bool {
        self.further(purse).is_some_and(|further| further.kind == CurrencyKind::Qualifying)
    }

    /// The purse whose grants are credits for tiers.
    pub fn qualifying(&self) -> Option<u32> {
        (1..).zip(&self.further).map(|(purse, _)| purse).find(|purse| self.qualifies(*purse))
    }

    /// The purse of the currency with this code; of the main one if it is empty.
    ///
    /// # Errors
    /// `PointCurrencyNotFound`, or `NotSpendable` if its points are none that a wallet holds.
    pub fn spendable(&self, code: &str) -> Result<u32, Refusal> {
        let missing = || Refusal::PointCurrencyNotFound { code: code.to_owned() };
        let purse = self.purse_of(code).ok_or_else(missing)?;
        if self.qualifies(purse) {
            return Err(Refusal::NotSpendable { code: code.to_owned() });
        }
        Ok(purse)
    }
}
