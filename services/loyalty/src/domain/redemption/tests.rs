//! Holds and what becomes of them, on a ledger of one wallet.
#![expect(clippy::arithmetic_side_effects, reason = "tests count in small numbers")]

use super::super::fixture::{DAY, Ledger, at, hold};
use super::super::{
    CaptureRedemption, Command, Event, ExtendHold, Lot, MemberState, RefundRedemption, Reply, VoidRedemption,
};
use super::*;

const HOUR: i64 = 3_600_000_000;

fn id(of: u128) -> Uuid {
    Uuid::from_u128(of)
}

fn capture(of: u128, portion: Portion) -> Command {
    Command::CaptureRedemption(CaptureRedemption { redemption_id: id(of), portion })
}

fn void(of: u128) -> Command {
    Command::VoidRedemption(VoidRedemption { redemption_id: id(of), note: "changed its mind".into() })
}

fn refund(of: u128, portion: Portion) -> Command {
    Command::RefundRedemption(RefundRedemption { redemption_id: id(of), portion, note: "broken".into() })
}

fn extend(of: u128, seconds: i64) -> Command {
    Command::ExtendHold(ExtendHold { redemption_id: id(of), hold_seconds: Some(seconds) })
}

fn resolved(of: u128, state: RedemptionState) -> Result<Reply, Refusal> {
    Err(RedemptionRefusal::Resolved { redemption_id: id(of), state }.into())
}

/// What the lots hold, by their numbers.
fn lots(ledger: &Ledger) -> Vec<i64> {
    let state = &ledger.state;
    let known = (1..=state.wallet.lot_seq).filter_map(|number| state.lot(number));
    known.map(|lot: &Lot| lot.remaining).collect()
}

/// Three lots of 100 points, earned on three days from this one on, and the moment after them.
fn three_lots() -> (Ledger, Time) {
    let start = at("2026-01-01T00:00:00Z");
    let mut ledger = Ledger::opened(start);
    ledger.program.redemption.hold_max_seconds = 86_400;
    for day in 0..3 {
        let moment = start.plus_micros(day * DAY);
        ledger.earn(100, moment, moment).unwrap();
    }
    (ledger, start.plus_micros(3 * DAY))
}

#[test]
fn what_is_held_goes_back_to_the_lots_that_it_came_from() {
    let (mut ledger, now) = three_lots();
    ledger.run(&hold(9, 2, 60), now).unwrap();
    assert_eq!((ledger.available(), lots(&ledger)), (100, vec![0, 0, 100]));
    assert!(matches!(ledger.events.as_slice(), [Event::RedemptionHeld { .. }]));
    ledger.run(&void(9), now).unwrap();
    assert_eq!((ledger.available(), lots(&ledger)), (300, vec![100, 100, 100]));
    assert!(matches!(ledger.events.as_slice(), [Event::RedemptionVoided { .. }]));
    assert_eq!(ledger.run(&void(9), now), resolved(9, RedemptionState::Voided));
    assert_eq!(ledger.run(&capture(9, Portion::Whole), now), resolved(9, RedemptionState::Voided));
}

#[test]
fn units_cost_what_was_captured_for_all_of_them() {
    let (mut ledger, now) = three_lots();
    ledger.run(&hold(9, 3, 60), now).unwrap();
    ledger.run(&capture(9, Portion::Points(31)), now).unwrap();
    let mut back = Vec::new();
    for _ in 0..3 {
        let Ok(Reply::Refunded(_, points)) = ledger.run(&refund(9, Portion::Quantity(1)), now) else {
            panic!("a unit is refunded");
        };
        back.push(points);
    }
    assert_eq!(back, [11, 10, 10]);
    // What went back otherwise is no unit, as long as it is less than one.
    ledger.run(&hold(8, 3, 60), now).unwrap();
    ledger.run(&capture(8, Portion::Points(31)), now).unwrap();
    ledger.run(&refund(8, Portion::Points(10)), now).unwrap();
    let left = RedemptionRefusal::RefundExceedsRedemption { points: 31, left: 21 };
    assert_eq!(ledger.run(&refund(8, Portion::Quantity(3)), now), Err(left.into()));
    assert!(matches!(ledger.run(&refund(8, Portion::Quantity(2)), now), Ok(Reply::Refunded(_, 21))));
}

#[test]
fn a_part_is_captured_of_what_expires_first_and_refunded_from_the_end() {
    let (mut ledger, now) = three_lots();
    ledger.run(&hold(9, 3, 60), now).unwrap();
    ledger.run(&capture(9, Portion::Points(150)), now).unwrap();
    assert_eq!(lots(&ledger), [0, 50, 100]);
    assert_eq!(ledger.state.wallet.main().totals.redeemed, 150);
    ledger.run(&refund(9, Portion::Points(70)), now).unwrap();
    assert_eq!(lots(&ledger), [20, 100, 100]);
    let left = RedemptionRefusal::RefundExceedsRedemption { points: 81, left: 80 };
    assert_eq!(ledger.run(&refund(9, Portion::Points(81)), now), Err(left.into()));
    ledger.run(&refund(9, Portion::Whole), now).unwrap();
    assert_eq!((lots(&ledger), ledger.state.wallet.main().totals.redeemed), (vec![100, 100, 100], 0));
    let nothing = RedemptionRefusal::RefundExceedsRedemption { points: 0, left: 0 };
    assert_eq!(ledger.run(&refund(9, Portion::Whole), now), Err(nothing.into()));
}

#[test]
fn units_are_captured_and_refunded_at_their_price() {
    let (mut ledger, now) = three_lots();
    ledger.run(&hold(9, 3, 60), now).unwrap();
    let Ok(Reply::Redeemed(done)) = ledger.run(&capture(9, Portion::Quantity(2)), now) else { panic!() };
    assert_eq!((done.captured, done.quantity_captured, ledger.available()), (200, 2, 100));
    let Ok(Reply::Refunded(done, points)) = ledger.run(&refund(9, Portion::Quantity(1)), now) else {
        panic!()
    };
    assert_eq!((points, done.kept(), ledger.available()), (100, 100, 200));
    let beyond = ledger.run(&refund(9, Portion::Quantity(2)), now);
    assert_eq!(beyond, Err(RedemptionRefusal::RefundExceedsRedemption { points: 200, left: 100 }.into()));
}

#[test]
fn a_hold_times_out_at_its_own_moment_whenever_that_is_noticed() {
    let (mut ledger, now) = three_lots();
    ledger.run(&hold(9, 1, 60), now).unwrap();
    ledger.run(&hold(10, 1, 120), now).unwrap();
    ledger.run(&Command::Settle, now.plus_micros(59_999_999)).unwrap();
    assert_eq!(ledger.available(), 100);
    let late = now.plus_micros(5 * HOUR);
    let answer = ledger.run(&capture(9, Portion::Whole), late);
    assert_eq!(answer, resolved(9, RedemptionState::Expired));
    assert_eq!(lots(&ledger), [100, 100, 100]);
    let ends: Vec<Time> =
        ledger.postings.iter().filter(|p| p.reason == Reason::Void).map(|p| p.effective_time).collect();
    assert_eq!(ends, [now.plus_micros(60_000_000), now.plus_micros(120_000_000)]);
    assert_eq!(ledger.events.len(), 2, "one for each hold that ended");
}

#[test]
fn held_points_outlive_their_lot_and_expire_when_they_come_back() {
    let (mut ledger, _) = three_lots();
    let start = at("2026-01-01T00:00:00Z");
    let before = start.plus_micros(90 * DAY - HOUR);
    ledger.run(&hold(9, 1, 7_200), before).unwrap();
    let after = start.plus_micros(90 * DAY + HOUR - 1);
    ledger.run(&Command::Settle, after).unwrap();
    assert_eq!(ledger.state.wallet.main().totals.held, 100, "what is held does not expire");
    ledger.run(&void(9), after).unwrap();
    let totals = ledger.state.wallet.main().totals;
    assert_eq!((totals.held, totals.available, totals.expired), (0, 200, 100));
    assert_eq!(lots(&ledger), [0, 100, 100, 0], "in a lot of their own");
    let [.., Event::PointsExpired { lots: expired, .. }] = ledger.events.as_slice() else { panic!() };
    assert_eq!(expired.as_slice(), [(4, 100, after)], "they had not expired before");
}

#[test]
fn late_points_live_on_for_the_days_of_grace() {
    let (mut ledger, now) = three_lots();
    ledger.program.redemption.late_refund = LateRefund::Grace(10);
    ledger.run(&hold(9, 1, 60), now).unwrap();
    ledger.run(&capture(9, Portion::Whole), now).unwrap();
    let late = at("2026-01-01T00:00:00Z").plus_micros(90 * DAY + HOUR);
    ledger.run(&refund(9, Portion::Points(40)), late).unwrap();
    assert_eq!(lots(&ledger), [0, 100, 100, 40]);
    ledger.run(&refund(9, Portion::Points(10)), late.plus_micros(DAY)).unwrap();
    for (end, left) in [(10, [40, 10]), (11, [0, 10])] {
        ledger.run(&Command::Settle, late.plus_micros(end * DAY - 1)).unwrap();
        assert_eq!(lots(&ledger)[3..], left, "each for its own days");
    }
    assert_eq!(lots(&ledger)[..3], [0, 0, 0], "the others expired meanwhile");
    ledger.run(&Command::Settle, late.plus_micros(11 * DAY)).unwrap();
    assert_eq!(lots(&ledger), [0; 5]);
}

#[test]
fn what_comes_back_pays_what_is_owed_before_it_expires() {
    let (mut ledger, now) = three_lots();
    ledger.program.return_policy = super::super::ReturnPolicy::Unlimited;
    ledger.run(&hold(9, 3, 60), now).unwrap();
    ledger.run(&capture(9, Portion::Whole), now).unwrap();
    ledger.state.wallet.purse_mut(0).totals.post(Account::Arrears, Account::Adjusted, 130).unwrap();
    let late = at("2026-01-01T00:00:00Z").plus_micros(92 * DAY - HOUR);
    ledger.run(&refund(9, Portion::Whole), late).unwrap();
    let totals = ledger.state.wallet.main().totals;
    assert_eq!((totals.arrears, totals.available, totals.expired), (0, 100, 70));
    assert_eq!(lots(&ledger), [0, 0, 100, 0, 0]);
}

#[test]
fn a_hold_is_extended_within_its_limits_and_never_cut_short() {
    let (mut ledger, now) = three_lots();
    let too_long = RedemptionRefusal::HoldTooLong { seconds: 86_401, max_seconds: 86_400 };
    assert_eq!(ledger.run(&hold(9, 1, 86_401), now), Err(too_long.into()));
    ledger.run(&hold(9, 1, 600), now).unwrap();
    let Ok(Reply::Redeemed(held)) = ledger.run(&extend(9, 60), now) else { panic!() };
    assert_eq!(held.hold_expire_time, now.plus_micros(600_000_000));
    let end = now.plus_micros(30 * DAY);
    for half_days in 0..59 {
        let moment = now.plus_micros(half_days * 12 * HOUR);
        assert!(ledger.run(&extend(9, 86_400), moment).is_ok(), "{half_days}");
    }
    let last = now.plus_micros(59 * 12 * HOUR);
    let ends = Err(RedemptionRefusal::HoldEnds { last: end }.into());
    assert_eq!(ledger.run(&extend(9, 86_400), last), ends);
    assert_eq!(ledger.run(&extend(9, 600), end), resolved(9, RedemptionState::Expired));
}

#[test]
fn whoever_leaves_forfeits_what_is_held() {
    let (mut ledger, now) = three_lots();
    ledger.run(&hold(9, 1, 600), now).unwrap();
    let close = Command::ChangeState(super::super::ChangeState {
        member_id: id(1),
        to: MemberState::Closed,
        note: String::new(),
    });
    ledger.run(&close, now).unwrap();
    let totals = ledger.state.wallet.main().totals;
    assert_eq!((totals.held, totals.available, totals.expired), (0, 0, 300));
    assert!(ledger.state.wallet.next_hold.is_never());
}

#[test]
fn the_list_of_lots_is_cut_by_points() {
    let (mut ledger, now) = three_lots();
    let Ok(Reply::Redeemed(held)) = ledger.run(&hold(9, 3, 60), now) else { panic!() };
    assert_eq!(held.lots, [(1, 100), (2, 100), (3, 100)]);
    assert_eq!(held.between(0, 300), held.lots);
    assert_eq!(held.between(50, 210), [(1, 50), (2, 100), (3, 10)]);
    assert_eq!(held.between(100, 200), [(2, 100)]);
    assert_eq!(held.between(70, 70), []);
}
