//! Rules that were checked and can be evaluated.

use std::collections::BTreeMap;
use std::sync::Arc;

use ambient::Time;
use chrono::{Datelike, Days, NaiveDate, Weekday};
use chrono_tz::Tz;

use super::super::calendar::local_date;
use super::condition::Condition;
use super::evaluate::Counter;
use super::rule::{Cap, CapOf, Effect, Period, Rule, Rules, Scope, Stacking};
use super::window::Times;

/// Rules at most in one set.
pub const RULES_MAX: usize = 100;

/// A rule set that was checked. Clones share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled(Arc<Parts>);

#[derive(Debug, PartialEq, Eq)]
struct Parts {
    rules: Rules,
    zone: Tz,
    conditions: Vec<Option<Condition>>,
    times: Vec<Times>,
    purses: Vec<u32>,
    order: Vec<usize>,
    /// Caps that count over more than one activity, by the places of their rules.
    caps: Vec<(usize, Cap)>,
}

/// What is wrong with a rule set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The rule's place.
    pub rule: usize,
    /// The field.
    pub field: &'static str,
    /// What it must be, or what is wrong with it.
    pub told: String,
}

impl Compiled {
    /// Checks and compiles rules for a program whose days are those of `zone`, and whose purses have the
    /// numbers that `purse_of` tells by the codes of their currencies.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn try_new(
        rules: Rules,
        zone: Tz,
        purse_of: impl Fn(&str) -> Option<u32>,
    ) -> Result<Compiled, Vec<Fault>> {
        let mut faults = Vec::new();
        let (mut conditions, mut times, mut purses) = (Vec::new(), Vec::new(), Vec::new());
        for (place, rule) in rules.rules.iter().enumerate() {
            let mut fault = |field, told: String| faults.push(Fault { rule: place, field, told });
            check_one(&rules, place, &purse_of, &mut fault);
            match purse_of(&rule.currency) {
                Some(purse) => purses.push(purse),
                None => fault("point_currency_code", "must be that of a currency of the program".into()),
            }
            let of_item = rule.scope == Scope::Item;
            let condition =
                (!rule.condition.is_empty()).then(|| Condition::try_new(&rule.condition, of_item));
            match condition.transpose() {
                Ok(condition) => conditions.push(condition),
                Err(wrong) => fault("condition", wrong.to_string()),
            }
            match Times::try_new(&rule.window, zone) {
                Ok(window) => times.push(window),
                Err((field, told)) => fault("window", format!("{field} {told}")),
            }
        }
        check_budgets(&rules, &purse_of, &mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut order: Vec<usize> = (0..rules.rules.len()).collect();
        order.sort_by(|a, b| {
            let (a, b) = (&rules.rules[*a], &rules.rules[*b]);
            b.priority.cmp(&a.priority).then_with(|| a.id.cmp(&b.id))
        });
        let counting = rules.rules.iter().enumerate().flat_map(|(place, rule)| {
            let counting = rule.caps.iter().filter(|cap| cap.period != Period::Activity);
            counting.map(move |cap| (place, cap.clone()))
        });
        let caps = counting.collect();
        Ok(Compiled(Arc::new(Parts { rules, zone, conditions, times, purses, order, caps })))
    }

    /// As they were configured.
    pub fn source(&self) -> &Rules {
        &self.0.rules
    }

    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        &self.0.rules.rules
    }

    /// True if a grant depends on the tier.
    pub fn names_tier(&self) -> bool {
        self.0.conditions.iter().flatten().any(|condition| condition.names_tier)
    }

    /// True if a grant depends on who the member is.
    pub fn names_member(&self) -> bool {
        self.0.conditions.iter().flatten().any(|condition| condition.names_member)
    }

    pub(super) fn order(&self) -> &[usize] {
        &self.0.order
    }

    pub(super) fn condition(&self, place: usize) -> Option<&Condition> {
        self.0.conditions.get(place).and_then(Option::as_ref)
    }

    pub(super) fn times(&self, place: usize) -> &Times {
        &self.0.times[place]
    }

    /// The purse that the rule at a place grants to.
    pub fn purse(&self, place: usize) -> u32 {
        self.0.purses[place]
    }

    pub(super) fn stacking(&self, group: &str) -> Option<Stacking> {
        self.0.rules.groups.get(group).copied()
    }

    pub(super) fn counter(&self, place: usize, cap: &Cap, at: Time) -> Option<Counter> {
        let date = local_date(self.0.zone, at);
        let period_start = period_start(cap.period, date)?;
        let name = counter_name(&self.rules()[place], self.purse(place), cap, date);
        Some(Counter { of: cap.of, name, period_start })
    }

    /// The counters that an activity of this moment may count under, each with its limit.
    pub fn counters(&self, at: Time) -> BTreeMap<Counter, i64> {
        let caps = self.0.caps.iter();
        caps.filter_map(|(place, cap)| Some((self.counter(*place, cap, at)?, cap.points_max))).collect()
    }
}

/// Each currency is counted by itself, also where a later version lets the same rule grant another one. A
/// period that begins on the same day as a longer one is named, whatever else is counted: so a count goes on
/// when other caps come or go.
fn counter_name(rule: &Rule, purse: u32, cap: &Cap, date: NaiveDate) -> String {
    let first = first_day(cap.period, date);
    let begins_longer = match cap.period {
        Period::Day => first.day() == 1 || first.weekday() == Weekday::Mon,
        Period::Week => first.day() == 1,
        Period::Month => first.month() == 1,
        Period::Activity | Period::Year | Period::Lifetime => false,
    };
    let period = if begins_longer { format!("/{}", cap.period.name()) } else { String::new() };
    let name = match cap.budget.as_str() {
        "" => format!("rule:{}{period}", rule.id),
        budget => format!("budget:{budget}{period}"),
    };
    if purse == 0 { name } else { format!("{name}@{}", rule.currency) }
}

/// The first day of the period that a day lies in; `None` if nothing is counted over time.
pub(in crate::domain) fn period_start(period: Period, date: NaiveDate) -> Option<i32> {
    match period {
        Period::Activity => return None,
        Period::Lifetime => return Some(0),
        Period::Day | Period::Week | Period::Month | Period::Year => {}
    }
    let first = first_day(period, date);
    let day = i32::try_from(first.month().saturating_mul(100).saturating_add(first.day())).unwrap_or(0);
    Some(first.year().saturating_mul(10_000).saturating_add(day))
}

/// The day itself, if nothing begins anew.
fn first_day(period: Period, date: NaiveDate) -> NaiveDate {
    let first = match period {
        Period::Activity | Period::Day | Period::Lifetime => Some(date),
        Period::Week => date.checked_sub_days(Days::new(u64::from(date.weekday().num_days_from_monday()))),
        Period::Month => date.with_day(1),
        Period::Year => NaiveDate::from_ymd_opt(date.year(), 1, 1),
    };
    first.unwrap_or(date)
}

fn check_one(
    rules: &Rules,
    place: usize,
    purse_of: impl Fn(&str) -> Option<u32>,
    fault: &mut impl FnMut(&'static str, String),
) {
    let rule = &rules.rules[place];
    if rules.rules.iter().take(place).any(|other| other.id == rule.id) {
        fault("rule_id", "must be unique within the rule set".into());
    }
    if !rule.group.is_empty() && !rules.groups.contains_key(&rule.group) {
        fault("group", format!("`{}` is not one of the groups of the rule set", rule.group));
    }
    let multiplies = |rule: &Rule| matches!(rule.effect, Effect::Multiplier { .. });
    let grouped = |other: &&Rule| !rule.group.is_empty() && other.group == rule.group;
    let others = || rules.rules.iter().take(place).filter(grouped);
    if others().any(|other| multiplies(other) != multiplies(rule)) {
        fault("group", "must not hold multipliers and other rules together".into());
    }
    if others().any(|other| purse_of(&other.currency) != purse_of(&rule.currency)) {
        fault("group", "must not hold rules of different points currencies together".into());
    }
    // Two caps of one rule that differ in whose and when count apart; the same twice says two limits.
    for (n, cap) in rule.caps.iter().enumerate() {
        let same =
            |other: &&Cap| (other.of, other.period, &other.budget) == (cap.of, cap.period, &cap.budget);
        if rule.caps.iter().take(n).any(|other| same(&other)) {
            fault("caps", "must differ in whose points they count, when, or under which budget".into());
        }
        if cap.period == Period::Activity && cap.of == CapOf::Program {
            fault("caps", "must be of a member if they count each activity alone".into());
        }
    }
}

/// A budget is one limit, whichever rules name it.
fn check_budgets(rules: &Rules, purse_of: impl Fn(&str) -> Option<u32>, faults: &mut Vec<Fault>) {
    for budget in rules.budgets() {
        let mut first: Option<(&Cap, Option<u32>)> = None;
        for (rule, cap) in
            rules.rules.iter().enumerate().flat_map(|(n, r)| r.caps.iter().map(move |c| (n, c)))
        {
            if cap.budget != budget {
                continue;
            }
            let purse = purse_of(&rules.rules[rule].currency);
            let (known, of) = *first.get_or_insert((cap, purse));
            if of != purse {
                let told = format!("must not count several points currencies under budget `{budget}`");
                faults.push(Fault { rule, field: "caps", told });
            }
            if (known.points_max, known.of, known.period) != (cap.points_max, cap.of, cap.period) {
                let told = format!("must give budget `{budget}` the same limit, owner and period everywhere");
                faults.push(Fault { rule, field: "caps", told });
            }
        }
    }
}
