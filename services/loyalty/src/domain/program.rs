//! A program: what purchases earn, how long points live, which tiers there are.

use ambient::Time;
use chrono_tz::Tz;

use super::rules::{Compiled, Rules};
use super::{Currency, Expiry, Ladder, ReferralPolicy, Release, ReturnPolicy, VelocityLimit};

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
    /// What purchases earn unless a rule set says otherwise; nothing without a rule.
    pub rule: Option<EarningRule>,
    /// What activities earn, by when: one rule set at a time.
    pub rule_sets: Vec<RuleSet>,
    /// When points may be spent.
    pub release: Release,
    /// How long points live, from their release on.
    pub expiry: Expiry,
    /// What is taken back when an activity is.
    pub return_policy: ReturnPolicy,
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
        let rules = Compiled::try_new(Rules::per_purchase(self.points, self.per_micros), zone).ok()?;
        Some(RuleSet { version: EarningRule::VERSION, start: Time::MIN, end, rules })
    }
}

impl Program {
    /// The rules at a moment; none if no rule set holds.
    pub fn rules_at(&self, at: Time) -> Option<&RuleSet> {
        self.rule_sets.iter().find(|set| set.start <= at && at < set.end)
    }

    /// The rules of a version.
    pub fn rule_set(&self, version: i64) -> Option<&RuleSet> {
        self.rule_sets.iter().find(|set| set.version == version)
    }

    /// When points released at `at` expire.
    pub fn expire_time(&self, at: Time) -> Time {
        self.expiry.end(self.time_zone, at)
    }
}
