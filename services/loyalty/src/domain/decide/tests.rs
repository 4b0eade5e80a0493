//! What commands do to one wallet.
#![expect(clippy::arithmetic_side_effects, reason = "tests count in small numbers")]

use proptest::prelude::*;

use super::*;
use crate::domain::fixture::{DAY, Ledger, adjust, at, purchase, redeem, reward, usd};
use crate::domain::{Account, Currency, Event, Expiry, Money, Reason, Supply};

#[test]
fn points_live_until_the_microsecond_of_their_expiry() {
    let earned = at("2017-01-01T13:39:43Z");
    let expiry = earned.plus_micros(90 * DAY);
    for (shift, left) in [(-1, 100), (0, 0), (1, 0)] {
        let mut ledger = Ledger::opened(earned);
        ledger.earn(100, earned, earned).unwrap();
        let now = expiry.plus_micros(shift);
        assert_eq!(view(&ledger.state, &ledger.program, now).main().totals.available, left, "{shift} us");
        ledger.run(&Command::Settle, now).unwrap();
        assert_eq!(ledger.available(), left, "{shift} us");
        assert_eq!(ledger.state.wallet.main().totals.expired, 100 - left);
    }
}

#[test]
fn expiry_takes_effect_at_its_own_moment_whenever_it_is_settled() {
    let earned = at("2017-01-01T00:00:00Z");
    let mut ledger = Ledger::opened(earned);
    ledger.earn(10, earned, earned).unwrap();
    ledger.earn(20, earned.plus_micros(DAY), earned.plus_micros(DAY)).unwrap();
    let late = earned.plus_micros(300 * DAY);
    ledger.run(&Command::Settle, late).unwrap();
    let expired: Vec<_> = ledger.postings.iter().filter(|p| p.reason == Reason::Expire).collect();
    let when: Vec<_> = expired.iter().map(|p| (p.points, p.effective_time, p.create_time)).collect();
    let due = |days: i64| earned.plus_micros(days * DAY);
    assert_eq!(when, [(10, due(90), late), (20, due(91), late)]);
    let [Event::PointsExpired { lots, left: super::super::Left { available: 0, .. } }] =
        ledger.events.as_slice()
    else {
        panic!("one event for all that expired: {:?}", ledger.events)
    };
    assert_eq!(lots.len(), 2);
}

#[test]
fn an_activity_that_earns_nothing_is_an_activity_and_nothing_else() {
    let now = at("2017-01-01T00:00:00Z");
    let mut ledger = Ledger::opened(now);
    ledger.run(&purchase(990_000, None), now).unwrap();
    assert!(matches!(ledger.events.as_slice(), [Event::ActivityRecorded { .. }]));
    assert!(ledger.postings.is_empty() && ledger.state.lots.is_empty());
    assert_eq!(ledger.state.wallet.version, 2);
    assert_eq!(ledger.state.wallet.tier.progress, 990_000);
}

#[test]
fn a_backdated_purchase_is_opened_and_expired_in_one_commit() {
    let now = at("2026-01-01T00:00:00Z");
    let occurred = at("2017-03-01T10:00:00Z");
    let mut ledger = Ledger::opened(now);
    ledger.earn(5, now, now).unwrap();
    ledger.earn(30, occurred, now).unwrap();
    assert_eq!(ledger.available(), 5);
    let effective: Vec<_> = ledger.postings[1..].iter().map(|p| (p.reason, p.effective_time)).collect();
    assert_eq!(effective, [(Reason::Earn, occurred), (Reason::Expire, occurred.plus_micros(90 * DAY))]);
    assert_eq!(ledger.state.wallet.tier.progress, 5_000_000, "2017 is not the current year");
}

#[test]
fn debits_take_the_earliest_expiry_first_and_say_from_which_lots() {
    let now = at("2017-06-01T00:00:00Z");
    let mut ledger = Ledger::opened(now);
    ledger.earn(80, now, now).unwrap();
    ledger.earn(50, now.plus_micros(-DAY), now).unwrap();
    let mug = reward(100);
    let context = Context { reward: Some((&mug, Stock::Unlimited)), ..Context::of(&ledger.program) };
    let decision = decide(&ledger.state, &redeem(1), context, now);
    let taken: Vec<_> = decision.outcome.allocations.iter().map(|a| (a.lot_number, a.points)).collect();
    assert_eq!(taken, [(2, 50), (1, 50)]);
    assert_eq!(decision.outcome.wallet.main().totals.available, 30);
    assert_eq!(decision.outcome.postings[0].credit, Account::Redeemed);
    assert_eq!(decision.outcome.wallet.next_expire(), now.plus_micros(90 * DAY));
}

#[test]
fn a_refused_command_still_settles_what_was_due() {
    let now = at("2017-01-01T00:00:00Z");
    let mut ledger = Ledger::opened(now);
    ledger.earn(150, now, now).unwrap();
    let refused = ledger.run(&redeem(1), now.plus_micros(90 * DAY));
    assert_eq!(refused, Err(Refusal::InsufficientPoints { needed: 100, available: 0 }));
    assert_eq!(ledger.state.wallet.main().totals.expired, 150);
    assert_eq!(ledger.state.wallet.main().totals.redeemed, 0);
}

#[test]
fn business_time_never_goes_back_behind_the_last_decision() {
    let now = at("2017-01-01T00:00:00Z");
    let mut ledger = Ledger::opened(now);
    ledger.earn(150, now, now).unwrap();
    ledger.run(&Command::Settle, now.plus_micros(90 * DAY)).unwrap();
    ledger.run(&adjust(1, None), now).unwrap();
    assert_eq!(ledger.postings.last().unwrap().create_time, now.plus_micros(90 * DAY));
}

#[test]
fn a_tier_rises_at_once_and_falls_after_the_following_year() {
    let now = at("2017-05-01T00:00:00Z");
    let mut ledger = Ledger::opened(now);
    ledger.earn(2_500, now, now).unwrap();
    assert_eq!(ledger.state.wallet.tier.rank, 3);
    assert!(matches!(ledger.events.last(), Some(Event::TierChanged { to_tier_id: to, .. }) if to == "gold"));
    ledger.run(&Command::Settle, at("2018-12-31T23:59:59.999999Z")).unwrap();
    assert_eq!(ledger.state.wallet.tier.rank, 3);
    let end = at("2019-01-01T00:00:00Z");
    assert_eq!(ledger.state.wallet.next_due, end);
    ledger.run(&Command::Settle, at("2019-07-01T00:00:00Z")).unwrap();
    assert_eq!(ledger.state.wallet.tier.rank, 1);
    assert!(matches!(
        ledger.events.last(),
        Some(Event::TierChanged { effective_time, .. }) if *effective_time == end
    ));
}

#[test]
fn refusals_leave_everything_as_it_was() {
    let now = at("2017-05-01T00:00:00Z");
    let mut ledger = Ledger::opened(now);
    ledger.earn(10, now, now).unwrap();
    let before = ledger.state.clone();
    let foreign = Money { currency: Currency::try_new("EUR").unwrap(), micros: 1 };
    let mut in_euro = purchase(0, None);
    if let Command::RecordActivity(record) = &mut in_euro {
        record.amount = Some(foreign);
    }
    let future = now.plus_micros(DAY);
    for (command, refusal) in [
        (redeem(1), Refusal::InsufficientPoints { needed: 100, available: 10 }),
        (redeem(i64::MAX), Refusal::AmountOverflow),
        (adjust(-11, None), Refusal::InsufficientPoints { needed: 11, available: 10 }),
        (adjust(1, Some(9)), Refusal::VersionMismatch { expected: 9, actual: 2 }),
        (in_euro, Refusal::CurrencyMismatch { expected: usd(), given: foreign.currency }),
        (purchase(1, Some(future)), Refusal::OccurredInFuture { occurred: future, now }),
    ] {
        assert_eq!(ledger.run(&command, now), Err(refusal));
        assert_eq!(ledger.state, before);
    }
}

#[test]
fn totals_that_would_not_fit_are_refused() {
    let now = at("2017-05-01T00:00:00Z");
    let mut ledger = Ledger::opened(now);
    ledger.program.expiry = Expiry::NEVER;
    ledger.run(&adjust(i64::MAX - 1, None), now).unwrap();
    assert_eq!(ledger.run(&adjust(2, None), now), Err(Refusal::AmountOverflow));
    assert_eq!(ledger.available(), i64::MAX - 1);
}

#[test]
fn the_last_units_of_a_counted_stock() {
    let now = at("2017-05-01T00:00:00Z");
    let mut ledger = Ledger::opened(now);
    ledger.earn(500, now, now).unwrap();
    let reward = Reward { supply: Supply::Counted, ..reward(100) };
    let decide_with = |remaining: i64, quantity: i64| {
        let stock = Some((&reward, Stock::Remaining(remaining)));
        let context = Context { reward: stock, ..Context::of(&ledger.program) };
        decide(&ledger.state, &redeem(quantity), context, now)
    };
    assert_eq!(decide_with(2, 2).outcome.stock.get("mug"), Some(&2));
    let refused = decide_with(1, 2);
    let told = Refusal::OutOfStock { reward_id: "mug".into(), remaining: 1 };
    assert_eq!((refused.answer, refused.outcome.stock.len()), (Err(told), 0));
}

#[derive(Clone, Debug)]
enum Step {
    Earn { units: i64, days_ago: i64 },
    Redeem,
    Adjust(i64),
    Wait(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..400_i64, 0..200_i64).prop_map(|(units, days_ago)| Step::Earn { units, days_ago }),
        Just(Step::Redeem),
        (-200..200_i64).prop_filter("not zero", |p| *p != 0).prop_map(Step::Adjust),
        (0..120_i64).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..60)
}

/// Plays the steps, settling before each one that `worker` says. Every decision asserts its own
/// invariants.
fn play(steps: &[Step], worker: impl Fn(usize) -> bool) -> (Ledger, Vec<Result<Reply, Refusal>>) {
    let mut now = at("2017-01-01T00:00:00Z");
    let mut ledger = Ledger::opened(now);
    let mut answers = Vec::new();
    for (i, step) in steps.iter().enumerate() {
        if worker(i) {
            ledger.run(&Command::Settle, now).unwrap();
        }
        match step {
            Step::Earn { units, days_ago } => {
                answers.push(ledger.earn(*units, now.plus_micros(-days_ago * DAY), now));
            }
            Step::Redeem => answers.push(ledger.run(&redeem(1), now)),
            Step::Adjust(points) => answers.push(ledger.run(&adjust(*points, None), now)),
            Step::Wait(days) => now = now.plus_micros(days * DAY),
        }
    }
    ledger.run(&Command::Settle, now).unwrap();
    (ledger, answers)
}

proptest! {
    /// No answer depends on when a worker came by.
    #[test]
    fn workers_change_nothing_but_when(steps in steps(), seed in any::<u64>()) {
        let (alone, answers) = play(&steps, |_| false);
        let (helped, same) = play(&steps, |i| seed.rotate_left(u32::try_from(i % 64).unwrap()) & 1 == 1);
        prop_assert_eq!(answers, same);
        prop_assert_eq!(alone.state.wallet.main().totals, helped.state.wallet.main().totals);
        prop_assert_eq!(alone.state.wallet.tier.rank, helped.state.wallet.tier.rank);
        prop_assert_eq!(&alone.state.lots, &helped.state.lots);
    }
}
