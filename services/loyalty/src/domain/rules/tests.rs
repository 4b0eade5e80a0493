//! What rules grant, and which are refused.
#![expect(clippy::arithmetic_side_effects, reason = "tests count in small numbers")]

use std::collections::BTreeMap;

use super::*;
use crate::domain::fixture::at;
use crate::domain::{ActivityKind, Refusal};

fn rule(id: &str, effect: Effect) -> Rule {
    Rule {
        id: id.into(),
        display_name: String::new(),
        kinds: Vec::new(),
        condition: String::new(),
        scope: Scope::Activity,
        effect,
        currency: String::new(),
        priority: 0,
        group: String::new(),
        caps: Vec::new(),
        window: Window::default(),
    }
}

fn fixed(id: &str, points: i64) -> Rule {
    rule(id, Effect::Fixed { points })
}

fn per_dollar(id: &str, points: i64) -> Rule {
    rule(id, Effect::PerAmount { points, per_micros: 1_000_000, rounding: Rounding::Down })
}

fn multiplier(id: &str, percent: i64) -> Rule {
    rule(id, Effect::Multiplier { percent })
}

fn on(condition: &str, rule: Rule) -> Rule {
    Rule { condition: condition.into(), ..rule }
}

fn of_items(condition: &str, rule: Rule) -> Rule {
    Rule { scope: Scope::Item, ..on(condition, rule) }
}

fn item(category: &str, quantity: i64, cents: i64) -> LineItem {
    LineItem {
        sku: format!("{category}-1"),
        category: category.into(),
        quantity,
        amount_micros: cents * 10_000,
    }
}

fn basket(attributes: &BTreeMap<String, String>) -> Facts<'_> {
    Facts {
        kind: ActivityKind::Purchase,
        at: at("2026-11-28T09:30:00Z"),
        amount_micros: 25_500_000,
        items: vec![item("coffee", 3, 1_050), item("cake", 1, 500), item("coffee", 1, 1_000)],
        external_id: "order-7",
        location: "Paris",
        attributes,
        tier_id: "gold",
        tier_rank: 3,
        earn_percent: 100,
        member: Some(member()),
    }
}

fn member() -> &'static MemberFacts {
    static MEMBER: std::sync::LazyLock<MemberFacts> = std::sync::LazyLock::new(|| MemberFacts {
        external_id: "c-7".into(),
        attributes: BTreeMap::from([("segment".to_owned(), "vip".to_owned())]),
        locale: "de-CH".into(),
        time_zone: String::new(),
        birth_month: 2,
        birth_day: 29,
        join_micros: 0,
    });
    &MEMBER
}

/// Purses of a program without further currencies.
fn main_only(code: &str) -> Option<u32> {
    code.is_empty().then_some(0)
}

fn compiled(rules: Vec<Rule>, groups: &[(&str, Stacking)]) -> Compiled {
    let groups = groups.iter().map(|(id, stacking)| ((*id).to_owned(), *stacking)).collect();
    Compiled::try_new(Rules { rules, groups }, chrono_tz::Europe::Paris, main_only).unwrap()
}

fn of_main(evaluation: &Evaluation) -> i64 {
    evaluation.points.get(&0).copied().unwrap_or(0)
}

fn granted(rules: &Compiled, facts: &Facts<'_>) -> Vec<(String, i64)> {
    let room = rules.counters(facts.at);
    let evaluation = evaluate(rules, facts, &room).unwrap();
    let grants = evaluation.grants.iter().filter(|grant| grant.granted > 0);
    let told: Vec<_> = grants.map(|g| (rules.rules()[g.rule].id.clone(), g.granted)).collect();
    assert_eq!(told.iter().map(|(_, points)| points).sum::<i64>(), of_main(&evaluation));
    told
}

fn points(rules: Vec<Rule>) -> i64 {
    granted(&compiled(rules, &[]), &basket(&BTreeMap::new())).iter().map(|(_, points)| points).sum()
}

#[test]
fn a_multiplier_multiplies_grants_of_its_own_currency_and_the_tier_those_of_the_main_one() {
    let coins = |rule: Rule| Rule { currency: "coins".into(), ..rule };
    let half_more = |id: &str| rule(id, Effect::Multiplier { percent: 150 });
    let rules = vec![fixed("a", 10), coins(fixed("b", 100)), coins(half_more("c"))];
    let purses = |code: &str| Some(u32::from(code == "coins"));
    let rules = Compiled::try_new(Rules { rules, groups: BTreeMap::new() }, chrono_tz::UTC, purses).unwrap();
    let attributes = BTreeMap::new();
    let facts = Facts { earn_percent: 200, ..basket(&attributes) };
    let evaluation = evaluate(&rules, &facts, &Room::new()).unwrap();
    assert_eq!(evaluation.points, BTreeMap::from([(0, 20), (1, 150)]));
    assert_eq!(evaluation.tier_bonus, 10);
}

fn fault(condition: &str) -> String {
    let rules = Rules { rules: vec![of_items(condition, fixed("r", 1))], groups: BTreeMap::new() };
    let faults = Compiled::try_new(rules, chrono_tz::UTC, main_only).unwrap_err();
    assert_eq!((faults.len(), faults[0].rule, faults[0].field), (1, 0, "condition"));
    faults[0].told.clone()
}

#[test]
fn effects_count_amounts_and_units_each_rounded_once() {
    assert_eq!(points(vec![per_dollar("r", 1)]), 25);
    assert_eq!(points(vec![per_dollar("r", 2)]), 51, "rounded once, not per dollar");
    let up = Effect::PerAmount { points: 1, per_micros: 10_000_000, rounding: Rounding::Up };
    let half = Effect::PerAmount { points: 1, per_micros: 10_000_000, rounding: Rounding::HalfUp };
    assert_eq!((points(vec![rule("r", up)]), points(vec![rule("r", half)])), (3, 3));
    assert_eq!(points(vec![of_items("item.category == 'coffee'", per_dollar("r", 1))]), 20, "20.50");
    assert_eq!(points(vec![of_items("item.category == 'coffee'", fixed("r", 5))]), 20, "4 cups");
    assert_eq!(points(vec![of_items("", fixed("r", 5))]), 25, "5 pieces");
    assert_eq!(points(vec![of_items("item.category == 'tea'", fixed("r", 5))]), 0);
}

#[test]
fn conditions_see_the_activity_its_items_and_the_tier() {
    for condition in [
        "activity.type == 'PURCHASE' && activity.amount >= 25.5 && activity.amount < 25.51",
        "activity.amount > 25 && activity.location.startsWith('Par')",
        "tier.rank >= 2 && tier.id in ['gold', 'platinum']",
        "activity.items.exists(i, i.category == 'cake' && i.amount == 5.0)",
        "activity.items.all(i, i.quantity > 0) && size(activity.items) == 3",
        "activity.items.filter(i, i.category == 'coffee').size() == 2",
        "activity.items.map(i, i.sku) == ['coffee-1', 'cake-1', 'coffee-1']",
        "now.getHours('Europe/Paris') == 10 && now.getDayOfWeek('Europe/Paris') == 6",
        "now >= timestamp('2026-11-01T00:00:00Z')",
        "activity.attributes['channel'] == 'app' && activity.attributes.channel != 'web'",
        "has(activity.attributes.channel) && !has(activity.attributes.coupon)",
        "'channel' in activity.attributes",
        "member.attributes.segment == 'vip' && !has(member.attributes.card) && member.locale == 'de-CH'",
        "member.birth_month == 2 && member.birth_day == 29 && now - member.join_time > duration('1h')",
        "(tier.rank > 5 ? 'a' : 'b') == 'b' && activity.external_id.endsWith('7')",
    ] {
        let attributes = BTreeMap::from([("channel".to_owned(), "app".to_owned())]);
        let rules = compiled(vec![on(condition, fixed("r", 1))], &[]);
        assert_eq!(granted(&rules, &basket(&attributes)).len(), 1, "{condition}");
    }
}

#[test]
fn a_slip_of_the_pen_is_told_where_it_is() {
    assert_eq!(
        fault("activity.amuont > 5"),
        "1:9: `activity` has no `amuont`; it has type, amount, external_id, location, attributes, \
         occurred_time, items"
    );
    assert_eq!(fault("tier.rank >\n  'gold'"), "1:11: `>` cannot be applied to a whole number and text");
    assert_eq!(fault("activity.amount"), "1:9: is a number, but a condition is true or false");
    assert!(fault("points > 5").starts_with("1:1: `points` is not known"));
    assert!(fault("activity.items.exists(i, i.price > 5)").starts_with("1:27: `item` has no `price`"));
    assert!(fault("item.quantity > 1 &&").starts_with("1:21: "));
    assert!(fault("item.sku.matches('a+')").contains("`matches` cannot be applied"));
    assert!(fault("[1, 'a'] == [1]").contains("is text in a list of a whole number"));
    let on_activity = Rules { rules: vec![on("item.quantity > 1", fixed("r", 1))], ..Rules::default() };
    let faults = Compiled::try_new(on_activity, chrono_tz::UTC, main_only).unwrap_err();
    assert!(faults[0].told.contains("only by rules that look at items"), "{faults:?}");
}

#[test]
fn what_a_condition_may_cost_is_bounded_when_it_is_saved() {
    let nested = "activity.items.exists(a, activity.items.exists(b, a.sku == b.sku))";
    assert!(fault(nested).contains("steps, more than 20000"), "{}", fault(nested));
    let long = format!("item.sku == '{}'", "x".repeat(2_000));
    assert!(fault(&long).contains("is longer than 2000 bytes"));
    let deep = format!("{}true{}", "(".repeat(500), ")".repeat(500));
    assert!(!fault(&deep).is_empty());
}

#[test]
fn an_error_of_a_condition_grants_nothing_and_says_why() {
    let attributes = BTreeMap::new();
    let rules = compiled(vec![on("activity.attributes['channel'] == 'app'", fixed("r", 1))], &[]);
    let evaluation = evaluate(&rules, &basket(&attributes), &Room::new()).unwrap();
    assert!(
        matches!(&evaluation.grants[0].outcome, Matched::Error(told) if told.contains("channel")),
        "{evaluation:?}"
    );
    assert_eq!(evaluation.points, BTreeMap::new());
}

#[test]
fn groups_keep_the_best_the_first_or_all() {
    let rules = || {
        let grouped = |rule: Rule, priority| Rule { group: "promo".into(), priority, ..rule };
        vec![grouped(fixed("low", 10), 1), grouped(fixed("high", 30), 1), grouped(fixed("early", 20), 2)]
    };
    for (stacking, expected) in [
        (Stacking::BestOf, vec![("high", 30)]),
        (Stacking::First, vec![("early", 20)]),
        (Stacking::Sum, vec![("early", 20), ("high", 30), ("low", 10)]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|(id, points)| (id.to_owned(), points)).collect();
        let rules = compiled(rules(), &[("promo", stacking)]);
        assert_eq!(granted(&rules, &basket(&BTreeMap::new())), expected, "{stacking:?}");
    }
}

#[test]
fn multipliers_add_to_what_others_grant_and_do_not_multiply_each_other() {
    let rules = vec![
        per_dollar("base", 1),
        on("tier.id == 'gold'", multiplier("gold", 150)),
        multiplier("weekend", 200),
    ];
    assert_eq!(points(rules), 25 + 12 + 25);
    let rules = vec![
        of_items("", per_dollar("items", 1)),
        fixed("visit", 100),
        of_items("item.category == 'cake'", multiplier("cake", 300)),
    ];
    assert_eq!(points(rules), 25 + 100 + 10, "only the cake's 5 points three times");
}

#[test]
fn caps_cut_or_refuse_and_budgets_are_shared() {
    let cap = |points_max, period| Cap {
        points_max,
        of: CapOf::Member,
        period,
        overflow: Overflow::Cap,
        budget: String::new(),
    };
    let capped = |cap: Cap| Rule { caps: vec![cap], ..fixed("r", 40) };
    let facts_of = BTreeMap::new();
    let facts = basket(&facts_of);
    let rules = compiled(vec![capped(cap(30, Period::Activity))], &[]);
    assert_eq!(granted(&rules, &facts), [("r".to_owned(), 30)]);
    let rules = compiled(vec![capped(cap(100, Period::Day))], &[]);
    let counter = Counter { of: CapOf::Member, name: "rule:r".into(), period_start: 20_261_128 };
    for (left, expected) in [(100, 40), (40, 40), (39, 39), (0, 0), (-5, 0)] {
        let room = Room::from([(counter.clone(), left)]);
        let evaluation = evaluate(&rules, &facts, &room).unwrap();
        assert_eq!((of_main(&evaluation), evaluation.grants[0].desired), (expected, 40));
        assert_eq!(evaluation.counted.get(&counter).copied().unwrap_or(0), expected);
    }
    let reject = Cap { overflow: Overflow::Reject, ..cap(100, Period::Day) };
    let rules = compiled(vec![capped(reject)], &[]);
    let refused = evaluate(&rules, &facts, &Room::from([(counter, 39)]));
    assert_eq!(refused, Err(Refusal::LimitReached { rule_id: "r".into(), desired: 40, left: 39 }));
    let shared = |rule: Rule| {
        let of = CapOf::Program;
        Rule { caps: vec![Cap { of, budget: "autumn".into(), ..cap(70, Period::Lifetime) }], ..rule }
    };
    let rules = compiled(vec![shared(fixed("a", 40)), shared(fixed("b", 40))], &[]);
    assert_eq!(granted(&rules, &facts), [("a".to_owned(), 40), ("b".to_owned(), 30)]);
    let of_basket = |rule: Rule| Rule {
        caps: vec![Cap { budget: "basket".into(), ..cap(70, Period::Activity) }],
        ..rule
    };
    let rules = compiled(vec![of_basket(fixed("a", 40)), fixed("b", 5), of_basket(fixed("c", 40))], &[]);
    let expected = [("a".to_owned(), 40), ("b".to_owned(), 5), ("c".to_owned(), 30)];
    assert_eq!(granted(&rules, &facts), expected);
}

#[test]
fn counters_start_anew_with_the_local_period() {
    let of = |period| {
        let cap =
            Cap { points_max: 9, of: CapOf::Member, period, overflow: Overflow::Cap, budget: String::new() };
        compiled(vec![Rule { caps: vec![cap], ..fixed("r", 1) }], &[])
    };
    // 2026-03-28T23:30Z is 00:30 on Sunday the 29th in Paris.
    let late = at("2026-03-28T23:30:00Z");
    for (period, start) in [
        (Period::Day, 20_260_329),
        (Period::Week, 20_260_323),
        (Period::Month, 20_260_301),
        (Period::Year, 20_260_101),
        (Period::Lifetime, 0),
    ] {
        let counters = of(period).counters(late);
        assert_eq!(counters.keys().map(|counter| counter.period_start).collect::<Vec<_>>(), [start]);
    }
    assert!(of(Period::Activity).counters(late).is_empty());
}

#[test]
fn windows_are_local_and_survive_dst_and_leap_days() {
    let holds = |window: &Window, moment: &str| {
        let rules = compiled(vec![Rule { window: window.clone(), ..fixed("r", 1) }], &[]);
        let attributes = BTreeMap::new();
        let facts = Facts { at: at(moment), ..basket(&attributes) };
        !granted(&rules, &facts).is_empty()
    };
    let recurring = |start: &str, recurrence: &str, minutes| Window {
        start: start.into(),
        end: String::new(),
        recurrence: recurrence.into(),
        minutes,
    };
    // Saturdays and Sundays, whole local days; on 2026-03-29 the clocks go forward in Paris.
    let weekend = recurring("2026-01-03T00:00:00", "FREQ=WEEKLY;BYDAY=SA,SU", 1_440);
    assert!(!holds(&weekend, "2026-03-27T22:59:59.999999Z"));
    assert!(holds(&weekend, "2026-03-27T23:00:00Z"));
    assert!(holds(&weekend, "2026-03-29T21:59:59.999999Z"));
    assert!(!holds(&weekend, "2026-03-29T22:00:00Z"), "Monday begins an hour earlier in UTC");
    let leap = recurring("2024-02-29T00:00:00", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", 1_440);
    assert!(holds(&leap, "2028-02-29T12:00:00Z"));
    assert!(!holds(&leap, "2027-03-01T12:00:00Z") && !holds(&leap, "2027-02-28T12:00:00Z"));
    let happy_hour = recurring("2026-10-01T17:00:00", "FREQ=DAILY;COUNT=40", 120);
    assert!(holds(&happy_hour, "2026-10-24T15:30:00Z"), "17:30 in summer");
    assert!(holds(&happy_hour, "2026-10-26T16:30:00Z"), "17:30 in winter");
    assert!(!holds(&happy_hour, "2026-11-10T16:30:00Z"), "it recurs 40 times");
    let season = Window {
        start: "2026-12-01T00:00:00".into(),
        end: "2027-01-01T00:00:00".into(),
        ..Window::default()
    };
    assert!(!holds(&season, "2026-11-30T22:59:59Z") && holds(&season, "2026-11-30T23:00:00Z"));
    assert!(holds(&season, "2026-12-31T22:59:59Z") && !holds(&season, "2026-12-31T23:00:00Z"));
}

#[test]
fn windows_and_sets_that_make_no_sense_are_refused() {
    let told = |rule: Rule| {
        let rules = Rules { rules: vec![rule], groups: BTreeMap::new() };
        let faults = Compiled::try_new(rules, chrono_tz::UTC, main_only).unwrap_err();
        format!("{} {}", faults[0].field, faults[0].told)
    };
    let windowed = |start: &str, end: &str, recurrence: &str, minutes| {
        let window = Window { start: start.into(), end: end.into(), recurrence: recurrence.into(), minutes };
        told(Rule { window, ..fixed("r", 1) })
    };
    assert!(windowed("soon", "", "", 0).starts_with("window start must be a local time"));
    assert!(windowed("2026-01-02T00:00:00", "2026-01-01T00:00:00", "", 0).contains("later than start"));
    assert!(windowed("", "", "FREQ=DAILY", 60).contains("start is needed"));
    assert!(windowed("2026-01-02T00:00:00", "", "FREQ=SECONDLY", 60).contains("FREQ=DAILY"));
    assert!(windowed("2026-01-02T00:00:00", "", "FREQ=DAILY;BYDAY=XX", 60).contains("RFC 5545"));
    assert!(windowed("2026-01-02T00:00:00", "", "FREQ=DAILY", 0).contains("duration_minutes must be from 1"));
    assert!(told(Rule { group: "promo".into(), ..fixed("r", 1) }).contains("is not one of the groups"));
    let twice = Rules { rules: vec![fixed("r", 1), fixed("r", 2)], groups: BTreeMap::new() };
    assert_eq!(Compiled::try_new(twice, chrono_tz::UTC, main_only).unwrap_err()[0].field, "rule_id");
}

#[test]
fn grants_that_do_not_fit_are_refused() {
    let attributes = BTreeMap::new();
    let rules = compiled(vec![fixed("a", i64::MAX), fixed("b", 1)], &[]);
    assert_eq!(evaluate(&rules, &basket(&attributes), &Room::new()), Err(Refusal::AmountOverflow));
    let rules = compiled(vec![fixed("a", i64::MAX), multiplier("m", 200)], &[]);
    assert_eq!(evaluate(&rules, &basket(&attributes), &Room::new()), Err(Refusal::AmountOverflow));
}

#[test]
fn the_best_of_a_group_is_what_its_caps_leave_most_of() {
    let capped = |points_max: i64, overflow: Overflow, rule: Rule| {
        let (of, period) = (CapOf::Member, Period::Month);
        let cap = Cap { points_max, of, period, overflow, budget: String::new() };
        Rule { caps: vec![cap], group: "one".into(), ..rule }
    };
    let base = || Rule { group: "one".into(), ..per_dollar("base", 1) };
    let of = |promo: Rule| {
        let rules = compiled(vec![promo, base()], &[("one", Stacking::BestOf)]);
        granted(&rules, &basket(&BTreeMap::new()))
    };
    let promo = || per_dollar("promo", 10);
    assert_eq!(of(capped(30, Overflow::Cap, promo())), [("promo".to_owned(), 30)]);
    assert_eq!(of(capped(24, Overflow::Cap, promo())), [("base".to_owned(), 25)]);
    assert_eq!(of(capped(25, Overflow::Cap, promo())), [("base".to_owned(), 25)], "the first of equal ones");
    let rejecting =
        compiled(vec![capped(24, Overflow::Reject, promo()), base()], &[("one", Stacking::BestOf)]);
    let facts = BTreeMap::new();
    let facts = basket(&facts);
    let refused = evaluate(&rejecting, &facts, &rejecting.counters(facts.at));
    assert!(matches!(refused, Err(Refusal::LimitReached { left: 24, .. })), "{refused:?}");
}
