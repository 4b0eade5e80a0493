//! The wire's shapes of rules, in both directions.

use std::collections::BTreeMap;

use ambient::Time;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};

use super::activity_wire::kinds;
use super::wire::{amount, money, opt_timestamp, timestamp};
use crate::domain::rules::{
    Cap, CapOf, Compiled, Effect, Overflow, Period, Rounding, Rule, Rules, Scope, Stacking, Window,
};
use crate::domain::{Currency, Money, Program};
use crate::store::rule_sets::Stored;

/// Rules from a field, checked and compiled.
pub(super) fn compiled(
    given: &pb::RuleSet,
    program: &Program,
    path: &Path<'_>,
    found: &mut Violations,
) -> Option<Compiled> {
    let before = found.count();
    let rule = |(n, given): (usize, &pb::Rule)| rule(given, program.currency, &path.item("rules", n), found);
    let rules = given.rules.iter().enumerate().filter_map(rule).collect();
    let mut groups = BTreeMap::new();
    for (n, group) in given.groups.iter().enumerate() {
        let stacking = match group.stacking() {
            pb::Stacking::BestOf => Stacking::BestOf,
            pb::Stacking::Sum => Stacking::Sum,
            pb::Stacking::First | pb::Stacking::Unspecified => Stacking::First,
        };
        if groups.insert(group.group_id.clone(), stacking).is_some() {
            found.add(&path.item("groups", n), "group_id", "must be unique within the rule set");
        }
    }
    if found.count() > before {
        return None;
    }
    match program.compile(Rules { rules, groups }) {
        Ok(compiled) => Some(compiled),
        Err(faults) => {
            for fault in faults {
                let field = if fault.field == "group" { "group_id" } else { fault.field };
                found.add(&path.item("rules", fault.rule), field, fault.told);
            }
            None
        }
    }
}

fn rule(given: &pb::Rule, currency: Currency, path: &Path<'_>, found: &mut Violations) -> Option<Rule> {
    let kinds = kinds(&given.activity_types, path, "activity_types", found);
    let effect = match given.effect.as_ref()? {
        pb::rule::Effect::PointsPerAmount(per) => per_amount(per, currency, path, found),
        pb::rule::Effect::FixedPoints(points) => Some(Effect::Fixed { points: *points }),
        pb::rule::Effect::MultiplierPercent(percent) => {
            Some(Effect::Multiplier { percent: i64::from(*percent) })
        }
    };
    let window = given.window.clone().unwrap_or_default();
    Some(Rule {
        id: given.rule_id.clone(),
        display_name: given.display_name.clone(),
        kinds: kinds?,
        condition: given.condition.clone(),
        scope: match given.scope() {
            pb::RuleScope::Item => Scope::Item,
            pb::RuleScope::Activity | pb::RuleScope::Unspecified => Scope::Activity,
        },
        effect: effect?,
        currency: given.point_currency_code.clone(),
        priority: given.priority,
        group: given.group_id.clone(),
        caps: given.caps.iter().map(cap).collect(),
        window: Window {
            start: window.start,
            end: window.end,
            recurrence: window.recurrence,
            minutes: window.duration_minutes.unsigned_abs(),
        },
    })
}

fn per_amount(
    given: &pb::PointsPerAmount,
    currency: Currency,
    path: &Path<'_>,
    found: &mut Violations,
) -> Option<Effect> {
    let rounding = match given.rounding() {
        pb::Rounding::Down | pb::Rounding::Unspecified => Rounding::Down,
        pb::Rounding::HalfUp => Rounding::HalfUp,
        pb::Rounding::Up => Rounding::Up,
    };
    let per_micros = per(given.per.as_ref(), currency, &path.field("points_per_amount"), found)?;
    Some(Effect::PerAmount { points: given.points, per_micros, rounding })
}

/// The amount that earns points: more than nothing, in the program's currency.
pub(super) fn per(
    given: Option<&proto::google::r#type::Money>,
    currency: Currency,
    path: &Path<'_>,
    found: &mut Violations,
) -> Option<i64> {
    let per = amount(given, path, "per", found)?;
    if per.currency != currency {
        found.add(path, "per", "must be in the program's money currency");
    }
    if per.micros == 0 {
        found.add(path, "per", "must be more than zero");
        return None;
    }
    Some(per.micros)
}

fn cap(given: &pb::Cap) -> Cap {
    Cap {
        points_max: given.points_max,
        of: match given.owner() {
            pb::CapOwner::Program => CapOf::Program,
            pb::CapOwner::Member | pb::CapOwner::Unspecified => CapOf::Member,
        },
        period: match given.period() {
            pb::CapPeriod::Activity | pb::CapPeriod::Unspecified => Period::Activity,
            pb::CapPeriod::Day => Period::Day,
            pb::CapPeriod::Week => Period::Week,
            pb::CapPeriod::Month => Period::Month,
            pb::CapPeriod::Year => Period::Year,
            pb::CapPeriod::Lifetime => Period::Lifetime,
        },
        overflow: match given.overflow() {
            pb::CapOverflow::Reject => Overflow::Reject,
            pb::CapOverflow::Cap | pb::CapOverflow::Unspecified => Overflow::Cap,
        },
        budget: given.budget_id.clone(),
    }
}

/// A rule set as it is at `now`.
pub(super) fn rule_set_message(set: &Stored, currency: Currency, now: Time) -> pb::RuleSet {
    let state = if !set.active {
        pb::RuleSetState::Draft
    } else if set.end <= now || set.end == set.start {
        pb::RuleSetState::Retired
    } else if now < set.start {
        pb::RuleSetState::Scheduled
    } else {
        pb::RuleSetState::Active
    };
    let group = |(id, stacking): (&String, &Stacking)| {
        let stacking = match stacking {
            Stacking::BestOf => pb::Stacking::BestOf,
            Stacking::Sum => pb::Stacking::Sum,
            Stacking::First => pb::Stacking::First,
        };
        pb::RuleGroup { group_id: id.clone(), stacking: stacking.into() }
    };
    pb::RuleSet {
        program_id: set.program_id.clone(),
        version: set.version,
        display_name: set.display_name.clone(),
        rules: set.rules.rules.iter().map(|rule| rule_message(rule, currency)).collect(),
        groups: set.rules.groups.iter().map(group).collect(),
        state: state.into(),
        start_time: set.active.then(|| timestamp(set.start)),
        end_time: if set.active { opt_timestamp(set.end) } else { None },
        create_time: Some(timestamp(set.create_time)),
    }
}

fn rule_message(rule: &Rule, currency: Currency) -> pb::Rule {
    let effect = match rule.effect {
        Effect::PerAmount { points, per_micros, rounding } => {
            let rounding = match rounding {
                Rounding::Down => pb::Rounding::Down,
                Rounding::HalfUp => pb::Rounding::HalfUp,
                Rounding::Up => pb::Rounding::Up,
            };
            let per = Some(money(Money { currency, micros: per_micros }));
            pb::rule::Effect::PointsPerAmount(pb::PointsPerAmount { points, per, rounding: rounding.into() })
        }
        Effect::Fixed { points } => pb::rule::Effect::FixedPoints(points),
        Effect::Multiplier { percent } => {
            pb::rule::Effect::MultiplierPercent(i32::try_from(percent).unwrap_or(i32::MAX))
        }
    };
    let scope = match rule.scope {
        Scope::Activity => pb::RuleScope::Activity,
        Scope::Item => pb::RuleScope::Item,
    };
    let window = &rule.window;
    let window = (*window != Window::default()).then(|| pb::RuleWindow {
        start: window.start.clone(),
        end: window.end.clone(),
        recurrence: window.recurrence.clone(),
        duration_minutes: i32::try_from(window.minutes).unwrap_or(i32::MAX),
    });
    pb::Rule {
        rule_id: rule.id.clone(),
        display_name: rule.display_name.clone(),
        activity_types: rule.kinds.iter().map(|kind| *kind as i32).collect(),
        condition: rule.condition.clone(),
        scope: scope.into(),
        effect: Some(effect),
        priority: rule.priority,
        group_id: rule.group.clone(),
        caps: rule.caps.iter().map(cap_message).collect(),
        window,
        point_currency_code: rule.currency.clone(),
    }
}

/// A cap.
pub(super) fn cap_message(cap: &Cap) -> pb::Cap {
    let owner = match cap.of {
        CapOf::Member => pb::CapOwner::Member,
        CapOf::Program => pb::CapOwner::Program,
    };
    let period = match cap.period {
        Period::Activity => pb::CapPeriod::Activity,
        Period::Day => pb::CapPeriod::Day,
        Period::Week => pb::CapPeriod::Week,
        Period::Month => pb::CapPeriod::Month,
        Period::Year => pb::CapPeriod::Year,
        Period::Lifetime => pb::CapPeriod::Lifetime,
    };
    let overflow = match cap.overflow {
        Overflow::Cap => pb::CapOverflow::Cap,
        Overflow::Reject => pb::CapOverflow::Reject,
    };
    pb::Cap {
        points_max: cap.points_max,
        owner: owner.into(),
        period: period.into(),
        overflow: overflow.into(),
        budget_id: cap.budget.clone(),
    }
}
