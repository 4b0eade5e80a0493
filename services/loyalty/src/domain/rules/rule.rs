//! A rule set: what activities earn, as it is configured.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::super::{ActivityKind, Refusal};

/// The rules that hold at the same time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Each with an id of its own.
    pub rules: Vec<Rule>,
    /// How rules that name a group stand together, by the group's id.
    pub groups: BTreeMap<String, Stacking>,
}

/// One rule: when it applies and what it grants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The caller's own identifier; counters go on under it from one version to the next.
    pub id: String,
    /// A name for people.
    pub display_name: String,
    /// Only for activities of these kinds; empty: of all.
    pub kinds: Vec<ActivityKind>,
    /// A CEL expression that is true where the rule applies; empty: everywhere.
    pub condition: String,
    /// What the condition is asked of, and what the effect counts.
    pub scope: Scope,
    /// What it grants.
    pub effect: Effect,
    /// The code of the points currency that it grants, or multiplies; empty: the program's main one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub currency: String,
    /// Higher ones come first.
    pub priority: i32,
    /// The group it stands in; empty: it stands alone.
    pub group: String,
    /// The most it grants.
    pub caps: Vec<Cap>,
    /// When it holds.
    pub window: Window,
}

/// What a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// The activity as a whole.
    Activity,
    /// Each line item; those that meet the condition count.
    Item,
}

/// What a rule grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// `points` for each `per_micros` of the amount, rounded once per activity.
    PerAmount {
        /// Points for each `per_micros`.
        points: i64,
        /// Millionths of the currency's unit; positive.
        per_micros: i64,
        /// How parts of a point count.
        rounding: Rounding,
    },
    /// So many points; for each unit of the items that count, if it looks at items.
    Fixed {
        /// How many.
        points: i64,
    },
    /// Adds to what other rules grant: at 150 percent half of it again. Several add up, they do not multiply
    /// each other.
    Multiplier {
        /// More than 100.
        percent: i64,
    },
}

/// How parts of a point count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rounding {
    /// Not at all.
    Down,
    /// From a half on as one.
    HalfUp,
    /// As one.
    Up,
}

/// How rules of a group stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stacking {
    /// The one that grants most counts; of equal ones the first.
    BestOf,
    /// All count.
    Sum,
    /// The first that applies counts.
    First,
}

/// The most that is granted in a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cap {
    /// Whole points.
    pub points_max: i64,
    /// Whose grants count together.
    pub of: CapOf,
    /// When they start anew.
    pub period: Period,
    /// What happens to what is more.
    pub overflow: Overflow,
    /// Rules that name the same budget count together; empty: the rule counts alone.
    pub budget: String,
}

/// Whose grants count together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CapOf {
    /// Those of one wallet.
    Member,
    /// Those of all wallets of the program.
    Program,
}

/// When a count starts anew, in the program's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Period {
    /// With each activity.
    Activity,
    /// Each day.
    Day,
    /// Each Monday.
    Week,
    /// Each month.
    Month,
    /// Each year.
    Year,
    /// Never.
    Lifetime,
}

/// What happens to points beyond a cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Overflow {
    /// They are not granted.
    Cap,
    /// The activity is refused.
    Reject,
}

/// When a rule holds: between two local times, and within each of the recurrences if there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// From this local time on, `YYYY-MM-DDTHH:MM:SS`; empty: always.
    pub start: String,
    /// Up to but without this local time; empty: for ever.
    pub end: String,
    /// An RFC 5545 recurrence such as `FREQ=WEEKLY;BYDAY=SA,SU`, counted from `start`; empty: none.
    pub recurrence: String,
    /// How long each recurrence lasts, in minutes of local time.
    pub minutes: u32,
}

impl Rules {
    /// One rule: `points` for each `per_micros` of a purchase, rounded down.
    pub fn per_purchase(points: i64, per_micros: i64) -> Rules {
        let rule = Rule {
            id: "purchase".into(),
            display_name: String::new(),
            kinds: vec![ActivityKind::Purchase],
            condition: String::new(),
            scope: Scope::Activity,
            effect: Effect::PerAmount { points, per_micros, rounding: Rounding::Down },
            currency: String::new(),
            priority: 0,
            group: String::new(),
            caps: Vec::new(),
            window: Window::default(),
        };
        Rules { rules: vec![rule], groups: BTreeMap::new() }
    }

    /// Ids of rules that stand in this group.
    pub(super) fn budgets(&self) -> BTreeSet<&str> {
        let named = self.rules.iter().flat_map(|rule| &rule.caps).map(|cap| cap.budget.as_str());
        named.filter(|budget| !budget.is_empty()).collect()
    }
}

impl Period {
    /// Its name in keys.
    pub(in crate::domain) fn name(self) -> &'static str {
        match self {
            Period::Activity => "activity",
            Period::Day => "day",
            Period::Week => "week",
            Period::Month => "month",
            Period::Year => "year",
            Period::Lifetime => "lifetime",
        }
    }
}

impl Rounding {
    /// `amount * points / per` in whole points; `per` is positive, the others are not negative.
    ///
    /// # Errors
    /// `AmountOverflow` if that is more than an `i64` holds.
    pub fn points(self, amount: i64, points: i64, per: i64) -> Result<i64, Refusal> {
        let (product, per) = (i128::from(amount).saturating_mul(i128::from(points)), i128::from(per));
        let rest = match self {
            Rounding::Down => 0,
            Rounding::HalfUp => per / 2,
            Rounding::Up => per.saturating_sub(1),
        };
        let whole = product.saturating_add(rest).checked_div_euclid(per);
        whole.and_then(|points| i64::try_from(points).ok()).ok_or(Refusal::AmountOverflow)
    }
}
