//! Tests of returns: what is owed, and what is taken.
#![expect(clippy::arithmetic_side_effects, reason = "tests count in small numbers")]

use ambient::Time;
use proptest::prelude::*;

use super::*;
use crate::domain::fixture::{DAY, Ledger, adjust, at, purchase, redeem, reverse, usd_micros};
use crate::domain::rules::{Cap, CapOf, Effect, LineItem, Overflow, Period, Rule, Rules};
use crate::domain::{Command, ConfirmActivity, Context, Release, decide};

fn reversal(answer: Result<Reply, Refusal>) -> Reversal {
    answer.unwrap().reversals().first().copied().unwrap_or_default()
}

fn part(micros: i64) -> Command {
    reverse(Returned::Amount(usd_micros(micros)))
}

fn cancel() -> Command {
    let (member_id, activity) = (Uuid::from_u128(1), ActivityRef::Id(Uuid::from_u128(7)));
    Command::CancelActivity(CancelActivity { member_id, activity, note: String::new() })
}

/// A point for each dollar, and not more than so many in a period.
fn capped(points_max: i64, period: Period) -> Rules {
    let (of, overflow, budget) = (CapOf::Member, Overflow::Cap, String::new());
    let mut rules = Rules::per_purchase(1, 1_000_000);
    rules.rules[0].caps = vec![Cap { points_max, of, period, overflow, budget }];
    rules
}

/// 50 on a day, and 1,000 in a month.
fn capped_by_day_and_month() -> Rules {
    let mut rules = capped(50, Period::Day);
    let month = Cap { period: Period::Month, points_max: 1_000, ..rules.rules[0].caps[0].clone() };
    rules.rules[0].caps.push(month);
    rules
}

fn under(rules: Rules, now: Time) -> Ledger {
    let mut ledger = Ledger::opened(now);
    ledger.program.rule_sets[0].rules = ledger.program.compile(rules).unwrap();
    ledger
}

#[test]
fn caps_of_periods_that_begin_together_count_apart() {
    let first = at("2017-06-01T00:00:00Z");
    let day = |n: i64| first.plus_micros(n * DAY);
    for periods in [[Period::Day, Period::Month], [Period::Month, Period::Day]] {
        let mut rules = capped(0, Period::Day);
        let cap = rules.rules[0].caps[0].clone();
        let points_max = |period| if period == Period::Day { 50 } else { 120 };
        let caps = periods.map(|period| Cap { period, points_max: points_max(period), ..cap.clone() });
        rules.rules[0].caps = caps.to_vec();
        let mut ledger = under(rules, first);
        let mut earned = |occurred: i64, now: i64| {
            ledger.earn(40, day(occurred), day(now)).unwrap().activity().unwrap().main().points
        };
        assert_eq!([earned(0, 0), earned(0, 0), earned(0, 0)], [40, 10, 0]);
        assert_eq!([earned(1, 1), earned(2, 2)], [40, 30], "120 in a month");
        assert_eq!([earned(29, 29), earned(30, 30), earned(0, 30)], [0, 40, 0]);
    }
    // What is late counts on its day, and not against all of the month.
    let rules = capped_by_day_and_month();
    let mut ledger = under(rules, first);
    let mut earned = |occurred: i64, now: i64| {
        ledger.earn(30, day(occurred), day(now)).unwrap().activity().unwrap().main().points
    };
    assert_eq!([earned(0, 0), earned(1, 1), earned(2, 2), earned(0, 3)], [30, 30, 30, 20]);
}

#[test]
fn a_return_knows_the_room_that_was_pinned_for_all_periods() {
    let now = at("2017-06-01T00:00:00Z");
    let rules = capped_by_day_and_month();
    let mut ledger = under(rules, now);
    ledger.earn(40, now, now).unwrap();
    ledger.forget_rooms_of_named_periods();
    assert_eq!(reversal(ledger.run(&part(10_000_000), now)).owed, 10);
}

#[test]
fn what_was_spent_is_waived_or_owed_and_repaid_first() {
    let now = at("2017-01-01T00:00:00Z");
    for (policy, [pending, available, arrears, waived]) in [
        (ReturnPolicy::OnlyPending, [0, 0, 0, 150]),
        (ReturnPolicy::WithinBalance, [0, 50, 0, 100]),
        (ReturnPolicy::Unlimited, [0, 50, 100, 0]),
    ] {
        let mut ledger = Ledger::opened(now);
        ledger.program.return_policy = policy;
        ledger.earn(150, now, now).unwrap();
        ledger.run(&redeem(1), now).unwrap();
        let taken = reversal(ledger.run(&reverse(Returned::Whole), now));
        let expected = Reversal {
            purse: 0,
            owed: 150,
            from_pending: pending,
            from_available: available,
            arrears,
            waived,
        };
        assert_eq!(taken, expected, "{policy:?}");
        ledger.run(&adjust(130, None), now).unwrap();
        let totals = ledger.state.wallet.main().totals;
        assert_eq!((totals.arrears, totals.available), (0, 50 - available + 130 - arrears));
    }
}

#[test]
fn points_that_expired_are_not_owed() {
    let now = at("2017-01-01T00:00:00Z");
    let mut ledger = Ledger::opened(now);
    ledger.program.return_policy = ReturnPolicy::Unlimited;
    ledger.earn(150, now, now).unwrap();
    ledger.run(&redeem(1), now).unwrap();
    let later = now.plus_micros(90 * DAY);
    let taken = reversal(ledger.run(&reverse(Returned::Whole), later));
    assert_eq!((taken.owed, taken.arrears), (100, 100), "50 expired");
}

#[test]
fn a_return_corrects_the_tier_and_a_second_one_is_refused() {
    let now = at("2017-01-01T00:00:00Z");
    let mut ledger = Ledger::opened(now);
    ledger.earn(1_000, now, now).unwrap();
    assert_eq!(ledger.state.wallet.tier.rank, 2);
    ledger.run(&part(1), now).unwrap();
    assert_eq!(ledger.state.wallet.tier.rank, 1);
    assert_eq!(ledger.state.wallet.tier.progress, 999_999_999);
    let exceeding =
        Refusal::ReturnExceedsActivity { returned_micros: 1_000_000_000, residual_micros: 999_999_999 };
    assert_eq!(ledger.run(&part(1_000_000_000), now), Err(exceeding));
    ledger.run(&reverse(Returned::Whole), now).unwrap();
    let over = Refusal::ActivityOver { activity_id: Uuid::from_u128(7), state: ActivityState::Reversed };
    assert_eq!(ledger.run(&reverse(Returned::Whole), now), Err(over));
    assert_eq!(ledger.state.wallet.main().totals.reversed, 1_000);
}

#[test]
fn only_what_is_pending_can_be_cancelled() {
    let now = at("2017-01-01T00:00:00Z");
    let mut ledger = Ledger::opened(now);
    ledger.program.release = Release::OnConfirmation;
    ledger.earn(70, now, now).unwrap();
    assert_eq!((ledger.state.wallet.main().totals.pending, ledger.available()), (70, 0));
    let mut other = ledger.clone();
    assert_eq!(reversal(other.run(&cancel(), now)).from_pending, 70);
    assert_eq!(other.state.wallet.main().totals.pending, 0);
    let (member_id, activity) = (Uuid::from_u128(1), ActivityRef::Id(Uuid::from_u128(7)));
    let confirm = Command::ConfirmActivity(ConfirmActivity { member_id, activity });
    let later = now.plus_micros(200 * DAY);
    assert_eq!(ledger.run(&confirm, later).unwrap().points(), &Points::from([(0, 70)]));
    assert_eq!(ledger.state.wallet.next_expire(), later.plus_micros(90 * DAY), "counted from the release");
    assert_eq!(ledger.run(&confirm, later).unwrap().points(), &Points::new(), "once");
    let released = Refusal::ActivityReleased { activity_id: Uuid::from_u128(7) };
    assert_eq!(ledger.run(&cancel(), later), Err(released));
}

#[test]
fn points_of_long_ago_are_released_and_expire_each_at_its_own_moment() {
    let (occurred, now) = (at("2017-01-01T00:00:00Z"), at("2018-01-01T00:00:00Z"));
    let mut ledger = Ledger::opened(now);
    ledger.program.release = Release::AfterDays(14);
    ledger.earn(30, occurred, now).unwrap();
    let when: Vec<_> = ledger.postings.iter().map(|p| (p.reason, p.effective_time)).collect();
    let day = |n: i64| occurred.plus_micros(n * DAY);
    let expected = [(Reason::Earn, occurred), (Reason::Release, day(14)), (Reason::Expire, day(104))];
    assert_eq!(when, expected);
}

#[test]
fn a_release_repays_arrears_at_its_own_moment() {
    let now = at("2017-01-01T00:00:00Z");
    let mut ledger = Ledger::opened(now);
    ledger.program.return_policy = ReturnPolicy::Unlimited;
    ledger.earn(100, now, now).unwrap();
    ledger.run(&redeem(1), now).unwrap();
    ledger.run(&reverse(Returned::Whole), now).unwrap();
    ledger.program.release = Release::AfterDays(5);
    ledger.run(&purchase(300_000_000, None), now).unwrap();
    assert_eq!(ledger.state.wallet.main().totals.arrears, 100, "pending points do not repay");
    ledger.run(&Command::Settle, now.plus_micros(400 * DAY)).unwrap();
    let tail: Vec<_> = ledger.postings.iter().rev().take(3).map(|p| (p.reason, p.points)).collect();
    assert_eq!(tail, [(Reason::Expire, 200), (Reason::Repay, 100), (Reason::Release, 300)]);
    let repaid = ledger.postings.iter().find(|p| p.reason == Reason::Repay).unwrap();
    assert_eq!(repaid.effective_time, now.plus_micros(5 * DAY));
}

#[test]
fn what_is_taken_back_is_taken_off_the_name_that_it_was_counted_in() {
    let now = at("2017-01-01T00:00:00Z");
    let mut ledger = under(capped(100, Period::Day), now);
    let earned = ledger.earn(130, now, now).unwrap();
    let Command::ReverseActivity(of_owner) = part(100_000_000) else { panic!("a return") };
    let member_id = Uuid::from_u128(2);
    let by_another = Command::ReverseActivity(ReverseActivity { member_id, ..of_owner });
    let context = Context { activity: earned.activity(), ..Context::of(&ledger.program) };
    let counted = decide(&ledger.state, &by_another, context, now).outcome.counted;
    let counted: Vec<_> = counted.into_iter().map(|((_, name), points)| (name, points)).collect();
    assert_eq!(counted, [(Uuid::from_u128(1), -70)]);
}

proptest! {
    /// Any split and any order of returns owes what one return of the whole owes.
    #[test]
    fn parts_owe_what_the_whole_owes(
        micros in 1..5_000_000_000_i64,
        weights in proptest::collection::vec(0..1_000_i64, 1..12),
        spent in any::<bool>(),
    ) {
        let now = at("2017-01-01T00:00:00Z");
        let mut ledger = Ledger::opened(now);
        ledger.program.return_policy = ReturnPolicy::Unlimited;
        ledger.run(&purchase(micros, None), now).unwrap();
        let granted = ledger.state.wallet.main().totals.issued;
        if spent {
            let _ = ledger.run(&redeem(1), now);
        }
        let (mut owed, mut left) = (0, micros);
        for weight in weights {
            let returned = micros / 3_000 * weight / 4;
            if returned < left {
                owed += reversal(ledger.run(&part(returned), now)).owed;
                left -= returned;
            }
        }
        owed += reversal(ledger.run(&reverse(Returned::Whole), now)).owed;
        prop_assert_eq!(owed, granted);
        prop_assert_eq!(ledger.state.wallet.main().totals.reversed, granted);
    }
}

/// A purchase of two items of 50 dollars each.
fn two_items() -> Command {
    let Command::RecordActivity(mut of) = purchase(100_000_000, None) else { panic!("a purchase") };
    let item = |sku: &str| LineItem {
        sku: sku.into(),
        category: String::new(),
        quantity: 1,
        amount_micros: 50_000_000,
    };
    of.detail.lines = ["a", "b"].map(|sku| Line { item: item(sku), returned: 0 }).into();
    Command::RecordActivity(of)
}

#[test]
fn items_and_amounts_owe_the_same_in_any_order() {
    let now = at("2017-01-01T00:00:00Z");
    let mut rules = Rules::per_purchase(1, 1_000_000);
    let welcome =
        Rule { id: "welcome".into(), effect: Effect::Fixed { points: 500 }, ..rules.rules[0].clone() };
    rules.rules.push(welcome);
    let mut ledger = under(rules, now);
    ledger.run(&two_items(), now).unwrap();
    assert_eq!(ledger.available(), 600);
    let item = || reverse(Returned::Items(vec![(1, None)]));
    for parts in [[part(50_000_000), item()], [item(), part(50_000_000)]] {
        let mut ledger = ledger.clone();
        let owed: i64 = parts.iter().map(|part| reversal(ledger.run(part, now)).owed).sum();
        assert_eq!((owed, ledger.available()), (600, 0), "{parts:?}");
        assert!(matches!(ledger.run(&item(), now), Err(Refusal::ActivityOver { .. })));
    }
}

#[test]
fn a_rule_that_is_for_the_rest_alone_has_the_room_of_then() {
    let now = at("2017-01-01T00:00:00Z");
    let mut rules = capped(500, Period::Month);
    rules.rules[0].condition = "activity.amount < 100.0".into();
    let mut large = Rules::per_purchase(2, 1_000_000).rules.remove(0);
    (large.id, large.condition) = ("large".into(), "activity.amount >= 100.0".into());
    rules.rules.push(large);
    let mut ledger = under(rules, now);
    ledger.run(&purchase(120_000_000, None), now).unwrap();
    assert_eq!(ledger.available(), 240);
    assert_eq!(reversal(ledger.run(&part(30_000_000), now)).owed, 240 - 90);
    assert_eq!(reversal(ledger.run(&reverse(Returned::Whole), now)).owed, 90);
}

#[test]
fn what_is_left_counts_by_the_rule_that_grants_it_and_no_more_than_is_kept() {
    let now = at("2017-01-01T00:00:00Z");
    for (points, kept) in [(200, 90), (50, 50)] {
        let mut rules = capped(500, Period::Month);
        rules.rules[0].condition = "activity.amount < 100.0".into();
        let fixed = Effect::Fixed { points };
        let large = Rule { id: "large".into(), effect: fixed, caps: Vec::new(), ..rules.rules[0].clone() };
        rules.rules.push(Rule { condition: "activity.amount >= 100.0".into(), ..large });
        let mut ledger = under(rules, now);
        ledger.run(&purchase(120_000_000, None), now).unwrap();
        let counted = |ledger: &Ledger| ledger.used.values().sum::<i64>();
        assert_eq!((ledger.available(), counted(&ledger)), (points, 0));
        assert_eq!(reversal(ledger.run(&part(30_000_000), now)).owed, points - kept);
        assert_eq!(counted(&ledger), kept);
        assert_eq!(reversal(ledger.run(&part(50_000_000), now)).owed, kept - 40);
        assert_eq!(counted(&ledger), 40);
        assert_eq!(reversal(ledger.run(&reverse(Returned::Whole), now)).owed, 40);
        assert_eq!(counted(&ledger), 0);
    }
}

/// An activity may be given back item by item, by amounts, or both, in any order: whatever rules granted it,
/// what is owed in the end is what it earned.
mod parts {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::rules::{Rounding, Scope, Stacking};
    use crate::domain::{CurrencyKind, FurtherCurrency, Ladder, PointCurrency, Tier};

    const CATEGORIES: [&str; 3] = ["wine", "bread", "coffee"];

    /// A rule of each kind, and some that look at what is left.
    fn rules() -> Vec<Rule> {
        let rule = Rules::per_purchase(1, 1_000_000).rules.remove(0);
        let per_amount = |points, per_micros, rounding| Effect::PerAmount { points, per_micros, rounding };
        let named = |id: &str, effect| Rule { id: id.into(), effect, ..rule.clone() };
        let on = |condition: &str, rule: Rule| Rule { condition: condition.into(), ..rule };
        let of_items = |category: &str, rule: Rule| {
            let scope = Scope::Item;
            Rule { scope, ..on(&format!("item.category == \"{category}\""), rule) }
        };
        let in_group = |rule: Rule| Rule { group: "campaign".into(), ..rule };
        vec![
            named("down", per_amount(1, 1_000_000, Rounding::Down)),
            named("half up", per_amount(3, 2_000_000, Rounding::HalfUp)),
            named("up", per_amount(1, 700_000, Rounding::Up)),
            named("fixed", Effect::Fixed { points: 120 }),
            of_items("wine", named("wine", per_amount(5, 1_000_000, Rounding::Up))),
            of_items("bread", named("bread", Effect::Fixed { points: 7 })),
            on("activity.amount >= 20.0", named("large", Effect::Fixed { points: 300 })),
            on("activity.amount < 20.0", named("small", per_amount(4, 1_000_000, Rounding::Down))),
            on("size(activity.items) > 1", named("several", Effect::Fixed { points: 45 })),
            in_group(named("best of amount", per_amount(2, 1_000_000, Rounding::Down))),
            in_group(named("best of fixed", Effect::Fixed { points: 33 })),
            named("more", Effect::Multiplier { percent: 150 }),
            on("activity.amount >= 10.0", named("much more", Effect::Multiplier { percent: 130 })),
            Rule { currency: "status".into(), ..named("status", per_amount(1, 3_000_000, Rounding::HalfUp)) },
        ]
    }

    /// What one case is made of.
    #[derive(Clone, Debug)]
    struct Case {
        /// Which rules hold, a bit each.
        rules: u32,
        stacking: usize,
        /// Of each rule that has one, by its place.
        caps: BTreeMap<usize, i64>,
        earn_percent: i64,
        /// Category, quantity and cents.
        items: Vec<(usize, i64, i64)>,
        /// What was paid beside the items, in cents.
        beside: i64,
        /// By which units and parts of the amount are put in order.
        order: Vec<u32>,
    }

    fn case() -> impl Strategy<Value = Case> {
        let items = proptest::collection::vec((0..CATEGORIES.len(), 1..4_i64, 0..3_000_i64), 0..5);
        let caps = proptest::collection::btree_map(0..14_usize, 0..200_i64, 0..4);
        let order = proptest::collection::vec(any::<u32>(), 24);
        let rules = (1..1_u32 << 14, 0..3_usize, caps);
        (rules, prop_oneof![Just(100), 101..200_i64], items, 0..4_000_i64, order).prop_map(
            |((rules, stacking, caps), earn_percent, items, beside, order)| Case {
                rules,
                stacking,
                caps,
                earn_percent,
                items,
                beside,
                order,
            },
        )
    }

    impl Case {
        fn ledger(&self) -> Ledger {
            let now = at("2017-01-01T00:00:00Z");
            let mut ledger = Ledger::opened(now);
            let program = &mut ledger.program;
            let code = "status".to_owned();
            let points = PointCurrency { code, display_name: String::new(), unit_cost_micros: 0 };
            program.further = vec![FurtherCurrency { points, kind: CurrencyKind::Qualifying }];
            program.ladder =
                Ladder::of(vec![Tier { earn_percent: self.earn_percent, ..Tier::plain("base", 0) }]);
            program.return_policy = ReturnPolicy::Unlimited;
            let mut held = Vec::new();
            for (place, mut rule) in rules().into_iter().enumerate() {
                if let Some(points_max) = self.caps.get(&place)
                    && !matches!(rule.effect, Effect::Multiplier { .. })
                {
                    let (of, period, overflow) = (CapOf::Member, Period::Day, Overflow::Cap);
                    rule.caps.push(Cap {
                        points_max: *points_max,
                        of,
                        period,
                        overflow,
                        budget: String::new(),
                    });
                }
                if self.rules >> place & 1 == 1 {
                    held.push(rule);
                }
            }
            let stacking = [Stacking::BestOf, Stacking::Sum, Stacking::First][self.stacking];
            let is_named = held.iter().any(|rule| !rule.group.is_empty());
            let groups = is_named.then(|| ("campaign".to_owned(), stacking)).into_iter().collect();
            let rules = program.compile(Rules { rules: held, groups }).unwrap();
            program.rule_sets[0].rules = rules;
            ledger
        }

        fn purchase(&self) -> Command {
            let cents: i64 = self.items.iter().map(|(_, _, cents)| cents).sum();
            let Command::RecordActivity(mut of) = purchase((cents + self.beside) * 10_000, None) else {
                panic!("a purchase")
            };
            let line = |(category, quantity, cents): &(usize, i64, i64)| {
                let (sku, category) = (String::new(), CATEGORIES[*category].to_owned());
                let item = LineItem { sku, category, quantity: *quantity, amount_micros: cents * 10_000 };
                Line { item, returned: 0 }
            };
            of.detail.lines = self.items.iter().map(line).collect();
            Command::RecordActivity(of)
        }

        /// Each unit of each item, and as many parts of the amount as there is order left, in their order.
        fn parts(&self) -> Vec<Returned> {
            let units = self.items.iter().enumerate().flat_map(|(place, (_, quantity, _))| {
                (0..*quantity).map(move |_| Returned::Items(vec![(place, Some(1))]))
            });
            let amounts = (1..4).map(|part| Returned::Amount(usd_micros(part * 1_370_000 + 10_000)));
            let mut parts: Vec<_> = self.order.iter().zip(units.chain(amounts)).collect();
            parts.sort_by_key(|(order, _)| **order);
            parts.into_iter().map(|(_, part)| part).collect()
        }
    }

    proptest! {
        #[test]
        fn any_parts_in_any_order_owe_what_was_earned(case in case()) {
            let now = at("2017-01-01T10:00:00Z");
            let mut ledger = case.ledger();
            let earned = ledger.run(&case.purchase(), now).unwrap();
            let granted: i64 = earned.activity().unwrap().earned.iter().map(|earning| earning.points).sum();
            prop_assert_eq!(ledger.available(), granted);
            let mut owed = 0;
            let mut state = ActivityState::Recorded;
            for returned in case.parts().into_iter().chain([Returned::Whole]) {
                match ledger.run(&reverse(returned), now) {
                    Ok(reply) => {
                        let taken: Vec<i64> = reply.reversals().iter().map(|of| of.owed).collect();
                        prop_assert!(taken.iter().all(|owed| *owed >= 0));
                        owed += taken.iter().sum::<i64>();
                        state = reply.activity().unwrap().state;
                    }
                    Err(Refusal::ActivityOver { .. }) => prop_assert_eq!(state, ActivityState::Reversed),
                    // Less is left than this part.
                    Err(Refusal::ReturnExceedsActivity { .. } | Refusal::ItemNotLeft { .. }) => {}
                    Err(other) => prop_assert!(false, "{:?}", other),
                }
            }
            prop_assert_eq!((owed, ledger.available(), state), (granted, 0, ActivityState::Reversed));
            prop_assert_eq!(ledger.activity().credits, 0);
            prop_assert_eq!(ledger.used.values().sum::<i64>(), 0, "nothing of it counts for caps");
        }
    }
}
