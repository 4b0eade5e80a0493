//! Tests of points that come back: to which lots, how long they live there, and what they pay first.
#![expect(clippy::arithmetic_side_effects, reason = "tests count in small numbers")]

use proptest::prelude::*;

use super::super::fixture::{DAY, Ledger, at, hold, purchase, redeem, reverse, usd_micros};
use super::super::redemption::Portion;
use super::super::{
    ActivityRef, CaptureRedemption, Command, RecordActivity, RefundRedemption, ReinstatePoints, Reply,
    ReturnPolicy, Returned, ReverseActivity, VoidRedemption,
};
use super::*;

const HELD_SECONDS: i64 = 4;

/// A hundred points, all of which are held a second longer than they live. The hold and the lot are made
/// to be what they would be had they been made somewhere else.
fn held(late_refund: LateRefund) -> (Ledger, Time) {
    let now = at("2026-05-05T10:00:00Z");
    let mut ledger = Ledger::opened(now);
    ledger.program.redemption.late_refund = late_refund;
    ledger.earn(100, now.plus_micros(3_000_000 - 90 * DAY), now).unwrap();
    ledger.run(&hold(1, 1, HELD_SECONDS), now).unwrap();
    (ledger, now)
}

/// The same after the hold's member came here from another wallet.
fn moved(late_refund: LateRefund) -> (Ledger, Time) {
    let (mut ledger, now) = held(late_refund);
    let elsewhere = Uuid::from_u128(2);
    let lot = ledger.state.spent[&1].clone();
    ledger.state.origins.insert((elsewhere, 1), lot);
    ledger.state.holds.values_mut().for_each(|hold| hold.lots_wallet_id = Some(elsewhere));
    (ledger, now.plus_micros(HELD_SECONDS * 1_000_000))
}

#[test]
fn points_that_moved_and_come_back_late_expire_at_once() {
    for late_refund in [LateRefund::Expire, LateRefund::Grace(0)] {
        let (mut ledger, end) = moved(late_refund);
        ledger.run(&Command::Settle, end.plus_micros(DAY)).unwrap();
        let lot = &ledger.state.spent[&2];
        assert_eq!((lot.points, lot.expired, lot.remaining), (100, 100, 0));
        assert_eq!((lot.activate_time, lot.key.expire_time), (end, end), "it held them at no moment");
        assert_eq!(ledger.postings.last().unwrap().effective_time, end);
        assert_eq!(ledger.available(), 0);
    }
}

#[test]
fn points_that_moved_and_expired_are_neither_owed_nor_reinstated_after_a_return() {
    let (mut ledger, end) = moved(LateRefund::Expire);
    ledger.program.return_policy = ReturnPolicy::Unlimited;
    ledger.run(&Command::Settle, end).unwrap();
    let (expired_since, expire_time) = (end, Some(end.plus_micros(DAY)));
    let (member_id, currency, note) = (Uuid::from_u128(1), String::new(), String::new());
    let command = ReinstatePoints { member_id, currency, expired_since, expire_time, note };
    let reinstate = Command::ReinstatePoints(command);
    assert_eq!(ledger.clone().run(&reinstate, end), Ok(Reply::of(0, 100)));
    let taken = ledger.run(&reverse(Returned::Whole), end).unwrap();
    assert_eq!(taken.reversals().first().map(|taken| taken.owed), Some(0));
    assert_eq!(ledger.run(&reinstate, end), Ok(Reply::of(0, 0)));

    let (mut ledger, end) = moved(LateRefund::Expire);
    let taken = ledger.run(&reverse(Returned::Whole), end.plus_micros(-1)).unwrap();
    assert_eq!(taken.reversals().first().map(|taken| (taken.owed, taken.waived)), Some((100, 100)));
    ledger.run(&Command::Settle, end).unwrap();
    assert_eq!(ledger.run(&reinstate, end), Ok(Reply::of(0, 0)), "it was taken back before it came back");
}

#[test]
fn points_that_moved_and_come_back_late_live_on_for_the_days_of_grace() {
    let (mut ledger, end) = moved(LateRefund::Grace(5));
    ledger.run(&Command::Settle, end).unwrap();
    let lot = ledger.state.lots.values().next().unwrap();
    assert_eq!((lot.remaining, lot.activate_time), (100, end), "they were not there before");
    assert_eq!(lot.key.expire_time, end.plus_micros(5 * DAY));
    ledger.run(&Command::Settle, end.plus_micros(5 * DAY)).unwrap();
    assert_eq!(ledger.available(), 0);
}

#[test]
fn points_that_moved_and_come_back_late_pay_what_is_owed_first() {
    for late_refund in [LateRefund::Expire, LateRefund::Grace(5)] {
        let (mut ledger, end) = moved(late_refund);
        let totals = &mut ledger.state.wallet.purses[0].totals;
        totals.post(Account::Arrears, Account::Reversed, 100).unwrap();
        ledger.run(&Command::Settle, end).unwrap();
        let lot = &ledger.state.spent[&2];
        assert_eq!((lot.expired, lot.remaining), (0, 0));
        assert!(lot.activate_time <= lot.key.expire_time);
        assert_eq!(ledger.state.wallet.main().totals.arrears, 0);
    }
}

#[test]
fn points_of_somebody_who_left_come_back_to_whoever_redeemed() {
    let (mut ledger, now) = held(LateRefund::Expire);
    let somebody = Uuid::from_u128(3);
    ledger.state.spent.get_mut(&1).unwrap().member_id = somebody;
    let mut stayed = ledger.clone();
    stayed.run(&void(), now).unwrap();
    let lot = stayed.state.lots.values().next().unwrap();
    assert_eq!((lot.key.number, lot.remaining, lot.member_id), (1, 100, somebody));

    ledger.state.spent.get_mut(&1).unwrap().left_behind = true;
    ledger.run(&void(), now).unwrap();
    let lot = ledger.state.lots.values().next().unwrap();
    assert_eq!((lot.key.number, lot.remaining, lot.member_id), (2, 100, Uuid::from_u128(1)));
    assert_eq!(lot.key.expire_time, now.plus_micros(3_000_000), "no longer than before");
    assert_eq!(lot.origin, Some(Origin { wallet_id: Uuid::from_u128(1), lot_number: 1 }));
}

fn void() -> Command {
    let (redemption_id, note) = (Uuid::from_u128(1), String::new());
    Command::VoidRedemption(VoidRedemption { redemption_id, note })
}

fn refund(id: u128, portion: Portion) -> Command {
    let (redemption_id, note) = (Uuid::from_u128(id), String::new());
    Command::RefundRedemption(RefundRedemption { redemption_id, portion, note })
}

fn capture(points: i64) -> Command {
    let (redemption_id, portion) = (Uuid::from_u128(1), Portion::Points(points));
    Command::CaptureRedemption(CaptureRedemption { redemption_id, portion })
}

/// What was taken back of a purchase of so many dollars, of which as many as can be are on hold.
fn returned_on_hold(dollars: i64, returned: Returned, now: Time) -> Ledger {
    let mut ledger = Ledger::opened(now);
    ledger.earn(dollars, now, now).unwrap();
    ledger.run(&hold(1, dollars / 100, HELD_SECONDS), now).unwrap();
    ledger.run(&reverse(returned), now).unwrap();
    ledger
}

#[test]
fn nobody_keeps_points_of_a_return_by_holding_or_spending_them_meanwhile() {
    let now = at("2026-05-05T10:00:00Z");
    let end = now.plus_micros(HELD_SECONDS * 1_000_000);
    for (command, at, left) in [(void(), now, 0), (Command::Settle, end, 0), (capture(60), now, 60)] {
        let mut ledger = returned_on_hold(100, Returned::Whole, now);
        assert_eq!(ledger.state.wallet.main().totals.waived, 100);
        ledger.run(&command, at).unwrap();
        let totals = ledger.state.wallet.main().totals;
        assert_eq!((totals.available, totals.held, totals.waived), (0, 0, left), "{command:?}");
        let taken = ledger.postings.last().unwrap();
        assert_eq!((taken.debit, taken.credit), (Account::Available, Account::Waived));
        assert_eq!((taken.points, taken.effective_time), (100 - left, at));
        assert_eq!(taken.source.activity_id, Uuid::from_u128(7));
    }
    let mut spent = Ledger::opened(now);
    spent.earn(100, now, now).unwrap();
    spent.run(&redeem(1), now).unwrap();
    spent.run(&reverse(Returned::Whole), now).unwrap();
    for (portion, left) in [(Portion::Points(30), 70), (Portion::Whole, 0)] {
        spent.run(&refund(9, portion), now).unwrap();
        assert_eq!((spent.available(), spent.state.wallet.main().totals.waived), (0, left));
    }
}

fn buy(id: u128, dollars: i64) -> Command {
    let Command::RecordActivity(command) = purchase(dollars * 1_000_000, None) else { unreachable!() };
    Command::RecordActivity(RecordActivity { activity_id: Uuid::from_u128(id), ..command })
}

fn give_back(id: u128) -> Command {
    let Command::ReverseActivity(command) = reverse(Returned::Whole) else { unreachable!() };
    Command::ReverseActivity(ReverseActivity { activity: ActivityRef::Id(Uuid::from_u128(id)), ..command })
}

#[test]
fn points_that_others_paid_for_stay_unless_these_are_given_back_too() {
    let now = at("2026-05-05T10:00:00Z");
    let mut ledger = Ledger::opened(now);
    for command in [buy(7, 100), hold(1, 1, HELD_SECONDS), buy(8, 100), give_back(7)] {
        ledger.run(&command, now).unwrap();
    }
    assert_eq!((ledger.available(), ledger.state.wallet.main().totals.waived), (0, 0));
    let mut kept = ledger.clone();
    kept.run(&void(), now).unwrap();
    assert_eq!(kept.available(), 100, "they stand for those that were taken");
    ledger.run(&give_back(8), now).unwrap();
    assert_eq!(ledger.state.wallet.main().totals.waived, 100);
    ledger.run(&void(), now).unwrap();
    assert_eq!((ledger.available(), ledger.state.wallet.main().totals.waived), (0, 0));
}

#[test]
fn points_that_were_redeemed_after_a_return_stay() {
    let now = at("2026-05-05T10:00:00Z");
    let later = now.plus_micros(1);
    let mut ledger = Ledger::opened(now);
    for command in [buy(7, 100), redeem(1), give_back(7)] {
        ledger.run(&command, now).unwrap();
    }
    for command in [buy(8, 100), hold(1, 1, HELD_SECONDS), void()] {
        ledger.run(&command, later).unwrap();
    }
    assert_eq!((ledger.available(), ledger.state.wallet.main().totals.waived), (100, 100));
    ledger.run(&refund(9, Portion::Whole), later).unwrap();
    assert_eq!((ledger.available(), ledger.state.wallet.main().totals.waived), (100, 0));
}

#[test]
fn what_several_holds_give_back_at_once_pays_no_more_than_is_outstanding() {
    let now = at("2026-05-05T10:00:00Z");
    let end = now.plus_micros(HELD_SECONDS * 1_000_000);
    let mut ledger = Ledger::opened(now);
    ledger.earn(200, now, now).unwrap();
    ledger.run(&hold(1, 1, HELD_SECONDS), now).unwrap();
    ledger.run(&hold(2, 1, HELD_SECONDS), now).unwrap();
    let part = |dollars: i64| reverse(Returned::Amount(usd_micros(dollars * 1_000_000)));
    ledger.run(&part(120), now).unwrap();
    // The holds end before more is returned, in one decision.
    let answer = ledger.run(&part(30), end).unwrap();
    assert_eq!(answer.activity().map(|activity| activity.points_outstanding(0)), Some(0));
    assert_eq!((ledger.available(), ledger.state.wallet.main().totals.waived), (50, 0));
}

#[test]
fn what_is_waived_whatever_comes_back_stays_waived() {
    let now = at("2026-05-05T10:00:00Z");
    let mut ledger = Ledger::opened(now);
    ledger.program.return_policy = ReturnPolicy::OnlyPending;
    ledger.earn(100, now, now).unwrap();
    ledger.run(&hold(1, 1, HELD_SECONDS), now).unwrap();
    ledger.run(&reverse(Returned::Whole), now).unwrap();
    ledger.run(&void(), now).unwrap();
    assert_eq!((ledger.available(), ledger.state.wallet.main().totals.waived), (100, 100));
}

#[test]
fn points_that_moved_and_come_back_are_taken() {
    let (mut ledger, end) = moved(LateRefund::Grace(5));
    ledger.run(&reverse(Returned::Whole), end.plus_micros(-1)).unwrap();
    let mut elsewhere = ledger.clone();
    ledger.run(&Command::Settle, end).unwrap();
    assert_eq!((ledger.available(), ledger.state.wallet.main().totals.waived), (0, 0));
    // Whoever earned them took the activity along.
    elsewhere.state.owing.clear();
    elsewhere.run(&Command::Settle, end).unwrap();
    assert_eq!((elsewhere.available(), elsewhere.state.wallet.main().totals.waived), (100, 100));
}

proptest! {
    #[test]
    fn returns_take_the_same_whether_points_are_there_or_come_back(
        parts in (0..=300_i64, 0..=50_i64),
        captured in 1..=300_i64,
        order in Just([0, 1, 2, 3, 4, 5]).prop_shuffle(),
    ) {
        let now = at("2026-05-05T10:00:00Z");
        let mut ledger = Ledger::opened(now);
        ledger.run(&buy(7, 350), now).unwrap();
        ledger.run(&hold(1, 3, HELD_SECONDS), now).unwrap();
        let part = |dollars: i64| reverse(Returned::Amount(usd_micros(dollars * 1_000_000)));
        let refund = refund(1, Portion::Whole);
        let [first, second] = [part(parts.0), part(parts.1)];
        let steps = [first, second, capture(captured), refund.clone(), buy(8, 80), give_back(8)];
        let mut steps: Vec<_> = order.iter().map(|n| steps[*n].clone()).collect();
        // What was captured before can be refunded, and what was bought given back.
        for (first, then) in [(capture(captured), refund), (buy(8, 80), give_back(8))] {
            let [a, b] = [&first, &then].map(|of| steps.iter().position(|step| step == of).unwrap());
            if a > b {
                steps.swap(a, b);
            }
        }
        for step in steps {
            ledger.run(&step, now).unwrap();
        }
        let totals = ledger.state.wallet.main().totals;
        prop_assert_eq!((totals.available, totals.waived), (350 - parts.0 - parts.1, 0));
    }
}

/// A day of 2026, from 0.
fn day(n: i64) -> Time {
    at("2026-01-01T10:00:00Z").plus_micros(n * DAY)
}

/// A hundred points that slide, so many of which were redeemed on day 10, and five of another day.
fn slid(late_refund: LateRefund, price: i64, next: i64) -> Ledger {
    let mut ledger = Ledger::opened(day(0));
    ledger.program.expiry.sliding = true;
    ledger.program.redemption.late_refund = late_refund;
    ledger.reward.price.points = price;
    ledger.earn(100, day(0), day(0)).unwrap();
    ledger.run(&redeem(1), day(10)).unwrap();
    ledger.earn(5, day(next), day(next)).unwrap();
    ledger
}

#[test]
fn points_of_a_lot_that_ended_do_not_live_on_by_what_was_done_later() {
    for (late_refund, price, next, expected) in [
        // Ninety days after the reward the lot ends, and the next purchase comes later.
        (LateRefund::Expire, 60, 110, 5),
        (LateRefund::Expire, 100, 110, 5),
        (LateRefund::Grace(10), 60, 110, 65),
        (LateRefund::Grace(10), 100, 110, 105),
        // Or in time.
        (LateRefund::Expire, 60, 99, 105),
        (LateRefund::Expire, 100, 99, 105),
    ] {
        let mut ledger = slid(late_refund, price, next);
        ledger.run(&refund(9, Portion::Whole), day(115)).unwrap();
        assert_eq!(ledger.available(), expected, "{late_refund:?} of {price}, then {next}");
    }
}

#[test]
fn parts_of_what_had_ended_end_alike() {
    let mut ledger = slid(LateRefund::Expire, 100, 110);
    for points in [40, 60] {
        ledger.run(&refund(9, Portion::Points(points)), day(115)).unwrap();
        assert_eq!(ledger.available(), 5, "after {points}");
    }
}

#[test]
fn what_is_told_late_may_fill_the_gap_in_which_points_had_ended() {
    for (told, expected) in [(95, 106), (101, 6)] {
        let mut ledger = slid(LateRefund::Expire, 100, 110);
        ledger.earn(1, day(told), day(112)).unwrap();
        ledger.run(&refund(9, Portion::Whole), day(115)).unwrap();
        assert_eq!(ledger.available(), expected, "told of day {told}");
    }
}
