//! What rules grant for one activity: the same facts and the same room give the same grants, bit for bit.
//!
//! Rules are asked in the order of their priority. Of those that apply, each group keeps those that its
//! stacking says, by what their caps leave of them; multipliers then add to what the others grant; caps cut;
//! the tier adds at last.

use std::collections::{BTreeMap, BTreeSet};

use cel::Context;
use serde::{Deserialize, Serialize};

use ambient::Time;

use super::super::Refusal;
use super::super::purse::{Points, add};
use super::compile::Compiled;
use super::condition::Condition;
use super::facts::Facts;
use super::rule::{Cap, Effect, Overflow, Period, Rule, Scope, Stacking};

/// What a rule did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The rule's place in its set.
    pub rule: usize,
    /// Whether it applied, and if not why.
    pub outcome: Matched,
    /// Places of the items that count.
    pub items: Vec<usize>,
    /// Points before caps.
    pub desired: i64,
    /// Points granted.
    pub granted: i64,
    /// The place of the cap among those of the rule that left the least.
    pub capped_by: Option<usize>,
}

/// Whether a rule applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matched {
    /// It did.
    Applied,
    /// It did, but its group keeps others.
    StackedOut,
    /// It is for activities of other kinds.
    Kind,
    /// It did not hold at that moment.
    Window,
    /// Its condition is not true, or of no item.
    Condition,
    /// Its condition could not be answered: why.
    Error(String),
}

/// What all rules did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evaluation {
    /// Points granted over all rules, and for the tier, by purse; positive.
    pub points: Points,
    /// What the tier adds to the points of the main currency of rules that do not multiply; no cap counts it.
    pub tier_bonus: i64,
    /// One for each rule, in the order in which they were asked.
    pub grants: Vec<Grant>,
    /// Points that count for caps.
    pub counted: BTreeMap<Counter, i64>,
    /// Counters of all rules for the kind and the moment of the activity: those of a rule that does not apply
    /// to the whole, too, for it may apply to a part.
    pub looked_at: BTreeSet<Counter>,
}

/// What points are counted under.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Counter {
    /// Whose.
    pub of: super::CapOf,
    /// `rule:` and the rule, or `budget:` and the budget; then `/` and the period, if a longer one begins on
    /// the same day.
    pub name: String,
    /// The first local day of its period as `20261231`; 0 if it never starts anew.
    pub period_start: i32,
}

impl Counter {
    /// The same without its period.
    fn unnamed(&self) -> Counter {
        let name = self.name.split_once('/').map_or(self.name.clone(), |(name, period)| {
            let currency = period.split_once('@').map_or(String::new(), |(_, code)| format!("@{code}"));
            format!("{name}{currency}")
        });
        Counter { name, ..self.clone() }
    }
}

/// How many points may still be granted under each counter; those that are missing are full.
pub type Room = BTreeMap<Counter, i64>;

/// Evaluates all rules.
///
/// # Errors
/// `AmountOverflow`, or `LimitReached` if a cap rejects.
pub fn evaluate(rules: &Compiled, facts: &Facts<'_>, room: &Room) -> Result<Evaluation, Refusal> {
    with_caps(rules, facts, room, (true, None))
}

/// Evaluates all rules again for an activity that was granted with this room: caps that reject cut.
///
/// # Errors
/// `AmountOverflow`.
pub fn evaluate_again(rules: &Compiled, facts: &Facts<'_>, room: &Room) -> Result<Evaluation, Refusal> {
    with_caps(rules, facts, room, (false, None))
}

/// The same for what is left of an activity that still holds so many points: no more are granted than these,
/// to the rules in their order.
///
/// # Errors
/// `AmountOverflow`.
pub fn evaluate_rest(
    rules: &Compiled,
    facts: &Facts<'_>,
    room: &Room,
    held: &Points,
) -> Result<Evaluation, Refusal> {
    with_caps(rules, facts, room, (false, Some(held)))
}

fn with_caps(
    rules: &Compiled,
    facts: &Facts<'_>,
    room: &Room,
    (may_reject, held): (bool, Option<&Points>),
) -> Result<Evaluation, Refusal> {
    let mut grants = matched(rules, facts);
    for grant in grants.iter_mut().filter(|grant| grant.outcome == Matched::Applied) {
        grant.desired = base(&rules.rules()[grant.rule], facts, &grant.items)?;
    }
    let worth = |grant: &Grant| worth(rules, grant, facts.at, room);
    stack(rules, &mut grants, worth, |grant| !is_multiplier(rules, grant));
    let plain: Vec<Grant> = grants
        .iter()
        .filter(|g| g.outcome == Matched::Applied && !is_multiplier(rules, g))
        .cloned()
        .collect();
    for grant in grants.iter_mut().filter(|g| g.outcome == Matched::Applied && is_multiplier(rules, g)) {
        grant.desired = multiplied(rules, grant, &plain, facts)?;
    }
    stack(rules, &mut grants, worth, |grant| is_multiplier(rules, grant));
    cut(rules, grants, facts, room, (may_reject, held.cloned()))
}

fn matched(rules: &Compiled, facts: &Facts<'_>) -> Vec<Grant> {
    // Most rules are told apart by kind and window; what conditions see is made when one is asked.
    let mut context: Option<Context<'_, '_>> = None;
    let mut items: Option<Vec<cel::Value>> = None;
    let mut one = |place: usize| {
        let rule = &rules.rules()[place];
        let mut grant = Grant {
            rule: place,
            outcome: Matched::Applied,
            items: Vec::new(),
            desired: 0,
            granted: 0,
            capped_by: None,
        };
        if !rule.kinds.is_empty() && !rule.kinds.contains(&facts.kind) {
            grant.outcome = Matched::Kind;
        } else if !rules.times(place).holds(facts.at) {
            grant.outcome = Matched::Window;
        } else if facts.member.is_none() && rules.condition(place).is_some_and(|of| of.names_member) {
            grant.outcome = Matched::Condition;
        } else if let Some(condition) = rules.condition(place) {
            let context = context.get_or_insert_with(|| Condition::context(facts.asked()));
            let values = items.get_or_insert_with(|| facts.items.iter().map(|item| item.value()).collect());
            ask(rule.scope, condition, context, values, &mut grant);
        } else if rule.scope == Scope::Item {
            grant.items = (0..facts.items.len()).collect();
        }
        if rule.scope == Scope::Item && grant.items.is_empty() && grant.outcome == Matched::Applied {
            grant.outcome = Matched::Condition;
        }
        grant
    };
    rules.order().iter().map(|place| one(*place)).collect()
}

fn ask(
    scope: Scope,
    condition: &Condition,
    context: &Context<'_, '_>,
    items: &[cel::Value],
    grant: &mut Grant,
) {
    if scope == Scope::Activity {
        match condition.holds(context) {
            Ok(true) => {}
            Ok(false) => grant.outcome = Matched::Condition,
            Err(told) => grant.outcome = Matched::Error(told),
        }
        return;
    }
    let mut told = None;
    for (place, item) in items.iter().enumerate() {
        let mut within = context.new_inner_scope();
        within.add_variable_from_value("item", item.clone());
        match condition.holds(&within) {
            Ok(true) => grant.items.push(place),
            Ok(false) => {}
            Err(error) => told = Some(error),
        }
    }
    if let Some(told) = told.filter(|_| grant.items.is_empty()) {
        grant.outcome = Matched::Error(told);
    }
}

/// What a rule that is no multiplier grants for the items at these places.
fn base(rule: &Rule, facts: &Facts<'_>, places: &[usize]) -> Result<i64, Refusal> {
    let items = || places.iter().filter_map(|place| facts.items.get(*place));
    match (rule.effect, rule.scope) {
        (Effect::PerAmount { points, per_micros, rounding }, Scope::Activity) => {
            rounding.points(facts.amount_micros, points, per_micros)
        }
        (Effect::PerAmount { points, per_micros, rounding }, Scope::Item) => {
            rounding.points(total(items().map(|item| item.amount_micros))?, points, per_micros)
        }
        (Effect::Fixed { points }, Scope::Activity) => Ok(points),
        (Effect::Fixed { points }, Scope::Item) => {
            let units = total(items().map(|item| item.quantity))?;
            points.checked_mul(units).ok_or(Refusal::AmountOverflow)
        }
        (Effect::Multiplier { .. }, _) => Ok(0),
    }
}

fn total(mut values: impl Iterator<Item = i64>) -> Result<i64, Refusal> {
    values.try_fold(0_i64, i64::checked_add).ok_or(Refusal::AmountOverflow)
}

/// What a multiplier adds: of all other rules of its currency, or of those that look at items for the items
/// that count.
fn multiplied(rules: &Compiled, grant: &Grant, plain: &[Grant], facts: &Facts<'_>) -> Result<i64, Refusal> {
    let rule = &rules.rules()[grant.rule];
    let Effect::Multiplier { percent } = rule.effect else { return Ok(0) };
    let mut sum = 0_i64;
    for other in plain.iter().filter(|other| rules.purse(other.rule) == rules.purse(grant.rule)) {
        let of = &rules.rules()[other.rule];
        let desired = match (rule.scope, of.scope) {
            (Scope::Activity, _) => other.desired,
            (Scope::Item, Scope::Activity) => 0,
            (Scope::Item, Scope::Item) => {
                let counts: BTreeSet<usize> = grant.items.iter().copied().collect();
                let both: Vec<usize> = other.items.iter().copied().filter(|i| counts.contains(i)).collect();
                base(of, facts, &both)?
            }
        };
        sum = sum.checked_add(desired).ok_or(Refusal::AmountOverflow)?;
    }
    more(sum, percent)
}

fn is_multiplier(rules: &Compiled, grant: &Grant) -> bool {
    matches!(rules.rules()[grant.rule].effect, Effect::Multiplier { .. })
}

/// What so many percent of points are more than the points.
fn more(points: i64, percent: i64) -> Result<i64, Refusal> {
    super::Rounding::Down.points(points, percent.saturating_sub(100), 100)
}

/// What the caps of a rule leave of what it desires; caps that reject do so after the choice.
fn worth(rules: &Compiled, grant: &Grant, at: Time, room: &Room) -> i64 {
    let cuts = rules.rules()[grant.rule].caps.iter().filter(|cap| cap.overflow == Overflow::Cap);
    let left = cuts.map(|cap| {
        let counter = rules.counter(grant.rule, cap, at);
        left(cap, counter.as_ref(), room, &Used::default())
    });
    left.fold(grant.desired, i64::min)
}

/// Leaves in each group those that count.
fn stack(
    rules: &Compiled,
    grants: &mut [Grant],
    worth: impl Fn(&Grant) -> i64,
    looked_at: impl Fn(&Grant) -> bool,
) {
    let mut kept: BTreeMap<&str, usize> = BTreeMap::new();
    let mut groups: BTreeMap<&str, Stacking> = BTreeMap::new();
    for (place, grant) in grants.iter().enumerate() {
        let group = rules.rules()[grant.rule].group.as_str();
        let Some(stacking) = rules.stacking(group) else { continue };
        if grant.outcome != Matched::Applied || !looked_at(grant) {
            continue;
        }
        groups.insert(group, stacking);
        let best = kept.entry(group).or_insert(place);
        if stacking == Stacking::BestOf && worth(grant) > worth(&grants[*best]) {
            *best = place;
        }
    }
    for (place, grant) in grants.iter_mut().enumerate() {
        let group = rules.rules()[grant.rule].group.as_str();
        let one = groups.get(group).is_some_and(|stacking| *stacking != Stacking::Sum);
        let looked_at = grant.outcome == Matched::Applied && looked_at(grant);
        if one && looked_at && kept.get(group) != Some(&place) {
            grant.outcome = Matched::StackedOut;
        }
    }
}

fn cut(
    rules: &Compiled,
    mut grants: Vec<Grant>,
    facts: &Facts<'_>,
    room: &Room,
    (may_reject, mut held): (bool, Option<Points>),
) -> Result<Evaluation, Refusal> {
    let mut of_held = |purse: u32, points: i64| {
        let Some(held) = &mut held else { return points };
        let left = held.entry(purse).or_default();
        let points = points.min(*left);
        *left = left.saturating_sub(points);
        points
    };
    let (mut evaluation, mut used) = (Evaluation::default(), Used::default());
    let ruled_out = |grant: &&mut Grant| matches!(grant.outcome, Matched::Kind | Matched::Window);
    for grant in grants.iter_mut().filter(|grant| !ruled_out(grant)) {
        let rule = &rules.rules()[grant.rule];
        let counter = |cap: &Cap| rules.counter(grant.rule, cap, facts.at);
        let counters: Vec<Option<Counter>> = rule.caps.iter().map(counter).collect();
        evaluation.looked_at.extend(counters.iter().flatten().cloned());
        if grant.outcome != Matched::Applied {
            continue;
        }
        grant.granted = grant.desired;
        for (place, (cap, counter)) in rule.caps.iter().zip(&counters).enumerate() {
            let left = left(cap, counter.as_ref(), room, &used);
            if left < grant.granted {
                if may_reject && cap.overflow == Overflow::Reject {
                    return Err(Refusal::LimitReached {
                        rule_id: rule.id.clone(),
                        desired: grant.desired,
                        left,
                    });
                }
                (grant.granted, grant.capped_by) = (left, Some(place));
            }
        }
        grant.granted = of_held(rules.purse(grant.rule), grant.granted);
        // Two caps of one rule may count under one budget: it counts once.
        let counters: BTreeSet<Counter> = counters.into_iter().flatten().collect();
        let granted = grant.granted;
        for counter in counters.into_iter().filter(|_| granted > 0) {
            add_to(used.counted.entry(counter).or_default(), granted)?;
        }
        let budgets = rule.caps.iter().filter(|cap| cap.period == Period::Activity && !cap.budget.is_empty());
        let budgets: BTreeSet<&str> = budgets.map(|cap| cap.budget.as_str()).collect();
        for budget in budgets {
            add_to(used.of_activity.entry(budget).or_default(), granted)?;
        }
        add(&mut evaluation.points, rules.purse(grant.rule), grant.granted)?;
    }
    let plain = grants.iter().filter(|grant| rules.purse(grant.rule) == 0 && !is_multiplier(rules, grant));
    evaluation.tier_bonus = of_held(0, more(total(plain.map(|grant| grant.granted))?, facts.earn_percent)?);
    add(&mut evaluation.points, 0, evaluation.tier_bonus)?;
    evaluation.points.retain(|_, points| *points > 0);
    (evaluation.grants, evaluation.counted) = (grants, used.counted);
    Ok(evaluation)
}

/// What the rules before one were granted of an activity.
#[derive(Default)]
struct Used<'a> {
    counted: BTreeMap<Counter, i64>,
    /// By budgets that start anew with each activity.
    of_activity: BTreeMap<&'a str, i64>,
}

fn left(cap: &Cap, counter: Option<&Counter>, room: &Room, used: &Used<'_>) -> i64 {
    let (room, used) = match counter {
        None => (cap.points_max, used.of_activity.get(cap.budget.as_str())),
        Some(counter) => (room_under(room, counter).unwrap_or(0), used.counted.get(counter)),
    };
    room.saturating_sub(used.copied().unwrap_or(0)).max(0)
}

fn add_to(sum: &mut i64, points: i64) -> Result<(), Refusal> {
    *sum = sum.checked_add(points).ok_or(Refusal::AmountOverflow)?;
    Ok(())
}

/// How many points may still be granted under a counter, if that is known.
pub fn room_under(room: &Room, counter: &Counter) -> Option<i64> {
    // Of activities that were granted before periods were named, one room is known for all.
    room.get(counter).or_else(|| room.get(&counter.unnamed())).copied()
}
