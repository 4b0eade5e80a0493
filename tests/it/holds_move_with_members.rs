//! What a member holds, or had, when it goes from one wallet to another: its points come back, its units
//! count, and nothing of it is left where nobody can reach it.

use ambient::Time;
use harness::calls::{
    PROGRAM, balance, balance_of, create_program, create_program_like, create_reward, enroll, program,
    reason, redeem, redemption, timestamp, update_program,
};
use harness::holds::{capture, captured, held, hold, refund, refunded, void, voided};
use harness::house::House;
use harness::moves::{buys, day, household, join, leave, merge, merger, reverse, unmerge};
use harness::offers::{offer, reward};
use pb::points_service_client::PointsServiceClient;
use proto::rapport::loyalty::v1 as pb;
use proto::rapport::loyalty::v1::HouseholdRole::Redeemer;
use rpc::client::Client;

use crate::points_live_longer::{extend, reinstate, reinstatement};
use crate::rewards_are_held::numbers;

in_process! {
    points_that_moved_come_back_late;
    points_that_moved_pay_what_is_owed_when_they_come_back_late;
    points_of_who_left_come_back_to_who_redeemed;
    points_of_who_stayed_come_back_to_their_owner;
    what_moved_and_expired_is_neither_owed_nor_reinstated;
    what_came_back_after_its_return_is_not_reinstated;
    held_points_are_extended;
    units_that_are_held_count_where_their_hold_is;
    a_hold_that_joins_counts_once;
    the_ledger_is_sound_whoever_is_named;
}

const SECOND: i64 = 1_000_000;

async fn available(client: &Client, member_id: &str) -> i64 {
    balance_of(client, member_id).await.available
}

async fn makes(client: &Client, member_id: &str, reward_id: &str, hold_seconds: i64) -> pb::Redemption {
    let asked = hold(member_id, reward_id, hold_seconds);
    held(client, asked).await.expect("it is held").redemption.expect("a redemption")
}

pub(crate) async fn has(client: &Client, member_id: &str, reward_id: &str) -> pb::Redemption {
    let done = redeem(client, redemption(member_id, reward_id)).await;
    done.expect("it is redeemed").redemption.expect("a redemption")
}

/// Why a member cannot have one more.
async fn refusal(client: &Client, member_id: &str, reward_id: &str) -> String {
    reason(&redeem(client, redemption(member_id, reward_id)).await.expect_err("it is refused"))
}

/// The redemption as it is named by another member.
fn named(redemption: &pb::Redemption, member_id: &str) -> pb::Redemption {
    pb::Redemption { member_id: member_id.into(), ..redemption.clone() }
}

fn graceful(days: i32) -> pb::RedemptionPolicy {
    pb::RedemptionPolicy {
        late_refund_policy: pb::LateRefundPolicy::Grace.into(),
        late_refund_grace_days: days,
        ..Default::default()
    }
}

async fn points_at(client: &Client, member_id: &str, at: Time) -> (i64, Vec<i64>) {
    let request = pb::GetBalanceRequest {
        member_id: member_id.into(),
        view: pb::BalanceView::Full.into(),
        as_of: Some(timestamp(at)),
        ..Default::default()
    };
    let then = balance(client, request).await.unwrap().balance.unwrap();
    (then.available, then.expiries.iter().map(|expiry| expiry.points).collect())
}

async fn points_that_moved_come_back_late(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 30, None).await;
    let (anna, card) = (enroll(&client, "anna").await, enroll(&client, "card").await);
    let (ben, carla) = (enroll(&client, "ben").await, enroll(&client, "carla").await);
    let home = household(&client, PROGRAM).await;
    buys(&client, &card, 60).await;
    buys(&client, &ben, 30).await;
    let spent = has(&client, &card, "mug").await;
    let end = day(90);
    house.clock().advance_to(end.plus_micros(-60 * SECOND));
    makes(&client, &card, "mug", 120).await;
    makes(&client, &ben, "mug", 120).await;
    merge(&client, merger(&card, &anna)).await.unwrap();
    join(&client, &home, &carla, Redeemer).await.unwrap();
    join(&client, &home, &ben, Redeemer).await.unwrap();

    // The holds time out a minute after their points have ended.
    let late = end.plus_micros(60 * SECOND);
    house.clock().advance_to(late);
    for name in [&anna, &home] {
        let left = balance_of(&client, name).await;
        assert_eq!((numbers(&left), left.expired), ((0, 0, 0), 30));
    }
    buys(&client, &carla, 5).await;
    buys(&client, &anna, 5).await;
    let left = refunded(&client, refund(&spent, Some(10))).await.unwrap().balance.unwrap();
    assert_eq!((left.available, left.expired), (5, 40));

    let kind = pb::Program { redemption_policy: Some(graceful(5)), ..program(PROGRAM) };
    update_program(&client, kind, &["redemption_policy"]).await.unwrap();
    let left = refunded(&client, refund(&spent, None)).await.unwrap().balance.unwrap();
    assert_eq!((left.available, left.expired), (25, 40));
    assert_eq!(left.next_expire_time, Some(timestamp(late.plus_micros(5 * 86_400 * SECOND))));
    house.clock().advance_to(late.plus_micros(SECOND));
    assert_eq!(points_at(&client, &anna, late.plus_micros(-SECOND)).await, (0, vec![]));
    assert_eq!(points_at(&client, &anna, late).await, (25, vec![20, 5]));
    house.clock().advance_to(day(96));
    let left = balance_of(&client, &anna).await;
    assert_eq!((left.available, left.expired), (5, 60));
    house.end().await;
}

async fn points_that_moved_pay_what_is_owed_when_they_come_back_late(house: House) {
    let client = house.client();
    let return_policy = pb::ReturnPolicy::Unlimited.into();
    let redemption_policy = Some(graceful(5));
    create_program_like(&client, pb::Program { return_policy, redemption_policy, ..program(PROGRAM) }).await;
    create_reward(&client, "mug", 30, None).await;
    let (anna, card) = (enroll(&client, "anna").await, enroll(&client, "card").await);
    let bought = buys(&client, &card, 30).await;
    let spent = has(&client, &card, "mug").await;
    reverse(&client, &card, &bought).await.unwrap();
    merge(&client, merger(&card, &anna)).await.unwrap();
    assert_eq!(balance_of(&client, &anna).await.arrears, 30);
    house.clock().advance_to(day(91));
    let left = refunded(&client, refund(&spent, None)).await.unwrap().balance.unwrap();
    assert_eq!((left.available, left.arrears, left.expired), (0, 0, 0));
    house.end().await;
}

async fn points_of_who_left_come_back_to_who_redeemed(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 10, None).await;
    let (anna, card) = (enroll(&client, "anna").await, enroll(&client, "card").await);
    let eve = enroll(&client, "eve").await;
    buys(&client, &card, 30).await;
    merge(&client, merger(&card, &anna)).await.unwrap();
    let spent = has(&client, &anna, "mug").await;
    let voids = makes(&client, &anna, "mug", 600).await;
    makes(&client, &anna, "mug", 60).await;
    unmerge(&client, &card).await.unwrap();
    house.clock().advance_to(house.clock().now().plus_micros(60 * SECOND));
    voided(&client, void(&voids)).await.unwrap();
    refunded(&client, refund(&spent, None)).await.unwrap();
    assert_eq!((available(&client, &anna).await, available(&client, &card).await), (30, 0));
    let list = pb::ListLotsRequest { member_id: anna.clone(), open_only: true, ..Default::default() };
    let lots = PointsServiceClient::new(client.clone()).list_lots(list).await.unwrap().into_inner().lots;
    let told: Vec<_> = lots.iter().map(|lot| (lot.remaining, &lot.member_id, lot.expire_time)).collect();
    assert_eq!(told, [(10, &anna, Some(timestamp(day(90)))); 3]);
    assert_eq!(merge(&client, merger(&anna, &eve)).await.unwrap().points_moved, 30);
    assert_eq!(available(&client, &eve).await, 30);

    let home = household(&client, PROGRAM).await;
    let (ben, carla) = (enroll(&client, "ben").await, enroll(&client, "carla").await);
    buys(&client, &ben, 10).await;
    for member in [&ben, &carla] {
        join(&client, &home, member, Redeemer).await.unwrap();
    }
    let spent = has(&client, &carla, "mug").await;
    leave(&client, &ben).await.unwrap();
    refunded(&client, refund(&spent, None)).await.unwrap();
    assert_eq!(leave(&client, &carla).await.unwrap().points_moved, 10);
    assert_eq!((available(&client, &carla).await, available(&client, &home).await), (10, 0));
    house.end().await;
}

async fn points_of_who_stayed_come_back_to_their_owner(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 10, None).await;
    let home = household(&client, PROGRAM).await;
    let (ben, carla) = (enroll(&client, "ben").await, enroll(&client, "carla").await);
    buys(&client, &ben, 30).await;
    for member in [&ben, &carla] {
        join(&client, &home, member, Redeemer).await.unwrap();
    }
    let spent = has(&client, &carla, "mug").await;
    refunded(&client, refund(&spent, None)).await.unwrap();
    // The pool is shared: what somebody holds goes along, whoever earned it.
    let kept = makes(&client, &carla, "mug", 600).await;
    leave(&client, &carla).await.unwrap();
    voided(&client, void(&kept)).await.unwrap();
    assert_eq!((available(&client, &carla).await, available(&client, &home).await), (10, 20));
    assert_eq!(leave(&client, &ben).await.unwrap().points_moved, 20);
    house.end().await;
}

async fn what_moved_and_expired_is_neither_owed_nor_reinstated(house: House) {
    let client = house.client();
    let return_policy = pb::ReturnPolicy::Unlimited.into();
    create_program_like(&client, pb::Program { return_policy, ..program(PROGRAM) }).await;
    create_reward(&client, "mug", 30, None).await;
    let anna = enroll(&client, "anna").await;
    let home = household(&client, PROGRAM).await;
    let mut bought = Vec::new();
    for card in ["card", "other card", "third card"] {
        let card = enroll(&client, card).await;
        let activity_id = buys(&client, &card, 30).await;
        let spent = has(&client, &card, "mug").await;
        merge(&client, merger(&card, &anna)).await.unwrap();
        refunded(&client, refund(&named(&spent, &anna), None)).await.unwrap();
        bought.push((card, activity_id));
    }
    house.clock().advance_to(day(91));
    let reinstated = async |member_id: &str| {
        reinstate(&client, reinstatement(member_id, day(0))).await.unwrap().points_reinstated
    };
    let owed = async |(card, activity_id): &(String, String)| {
        reverse(&client, card, activity_id).await.unwrap().points_owed
    };
    assert_eq!((balance_of(&client, &anna).await.expired, owed(&bought[0]).await), (90, 0));
    // Where it expired it comes back, but not what was taken back.
    unmerge(&client, &bought[1].0).await.unwrap();
    assert_eq!((reinstated(&bought[1].0).await, owed(&bought[1]).await), (0, 0));
    assert_eq!(reinstated(&anna).await, 30);
    // These 30 go along, expire a second time, and come home without them.
    join(&client, &home, &anna, Redeemer).await.unwrap();
    house.clock().advance_to(day(182));
    leave(&client, &anna).await.unwrap();
    join(&client, &home, &anna, Redeemer).await.unwrap();
    assert_eq!((reinstated(&home).await, owed(&bought[2]).await), (0, 0));
    assert_eq!(balance_of(&client, &home).await.arrears, 0);
    house.end().await;
}

async fn what_came_back_after_its_return_is_not_reinstated(house: House) {
    let client = house.client();
    let lenient = pb::ReturnPolicy::OnlyPending.into();
    create_program_like(&client, pb::Program { return_policy: lenient, ..program(PROGRAM) }).await;
    create_reward(&client, "mug", 30, None).await;
    let anna = enroll(&client, "anna").await;
    let card = enroll(&client, "card").await;
    let bought = [buys(&client, &card, 30).await, buys(&client, &card, 30).await];
    let spent = [has(&client, &card, "mug").await, has(&client, &card, "mug").await];
    merge(&client, merger(&card, &anna)).await.unwrap();
    reverse(&client, &card, &bought[0]).await.unwrap();
    for spent in spent {
        refunded(&client, refund(&named(&spent, &anna), None)).await.unwrap();
    }
    assert_eq!(available(&client, &anna).await, 60);
    house.clock().advance_to(day(91));
    assert_eq!(reinstate(&client, reinstatement(&anna, day(0))).await.unwrap().points_reinstated, 30);
    house.end().await;
}

async fn held_points_are_extended(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 30, None).await;
    let anna = enroll(&client, "anna").await;
    buys(&client, &anna, 30).await;
    house.clock().advance_to(day(90).plus_micros(-60 * SECOND));
    let made = makes(&client, &anna, "mug", 120).await;
    let extended = extend(&client, &anna, (day(91), day(100))).await.unwrap();
    assert_eq!(extended.points_extended, 30);
    house.clock().advance_to(day(90).plus_micros(SECOND));
    let left = voided(&client, void(&made)).await.unwrap().balance.unwrap();
    assert_eq!((left.available, left.next_expire_time), (30, Some(timestamp(day(100)))));
    house.end().await;
}

async fn units_that_are_held_count_where_their_hold_is(house: House) {
    let client = house.client();
    create_program(&client).await;
    let limit = Some(pb::RewardLimit { max_units: 1, period: 0 });
    offer(&client, pb::Reward { limit, ..reward("mug", 10) }).await.unwrap();
    let home = household(&client, PROGRAM).await;
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    for member in [&anna, &ben] {
        buys(&client, member, 100).await;
        join(&client, &home, member, Redeemer).await.unwrap();
    }
    let of_anna = makes(&client, &anna, "mug", 600).await;
    assert_eq!(refusal(&client, &ben, "mug").await, "LIMIT_REACHED");
    leave(&client, &anna).await.unwrap();
    assert_eq!(refusal(&client, &anna, "mug").await, "LIMIT_REACHED");
    has(&client, &ben, "mug").await;
    assert_eq!(refusal(&client, &ben, "mug").await, "LIMIT_REACHED");
    // One that was captured is not given back with one that was not.
    voided(&client, void(&of_anna)).await.unwrap();
    has(&client, &anna, "mug").await;
    assert_eq!(refusal(&client, &anna, "mug").await, "LIMIT_REACHED");

    let (carla, card) = (enroll(&client, "carla").await, enroll(&client, "card").await);
    buys(&client, &carla, 100).await;
    buys(&client, &card, 100).await;
    merge(&client, merger(&card, &carla)).await.unwrap();
    let of_card = makes(&client, &card, "mug", 600).await;
    unmerge(&client, &card).await.unwrap();
    has(&client, &carla, "mug").await;
    assert_eq!(refusal(&client, &card, "mug").await, "LIMIT_REACHED");
    captured(&client, capture(&of_card)).await.unwrap();
    for member in [&carla, &card] {
        assert_eq!(refusal(&client, member, "mug").await, "LIMIT_REACHED");
    }
    house.end().await;
}

async fn a_hold_that_joins_counts_once(house: House) {
    let client = house.client();
    create_program(&client).await;
    let limit = Some(pb::RewardLimit { max_units: 3, period: 0 });
    offer(&client, pb::Reward { limit, ..reward("mug", 10) }).await.unwrap();
    let home = household(&client, PROGRAM).await;
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    for member in [&anna, &ben] {
        buys(&client, member, 100).await;
    }
    join(&client, &home, &ben, Redeemer).await.unwrap();
    has(&client, &anna, "mug").await;
    let kept = makes(&client, &anna, "mug", 600).await;
    for _ in 0..2 {
        join(&client, &home, &anna, Redeemer).await.unwrap();
        leave(&client, &anna).await.unwrap();
    }
    // What Anna had and what she holds is with her.
    for _ in 0..3 {
        has(&client, &ben, "mug").await;
    }
    assert_eq!(refusal(&client, &ben, "mug").await, "LIMIT_REACHED");
    voided(&client, void(&kept)).await.unwrap();
    for _ in 0..2 {
        has(&client, &anna, "mug").await;
    }
    assert_eq!(refusal(&client, &anna, "mug").await, "LIMIT_REACHED");

    let other = household(&client, PROGRAM).await;
    let (carla, dora) = (enroll(&client, "carla").await, enroll(&client, "dora").await);
    for member in [&carla, &dora] {
        buys(&client, member, 100).await;
    }
    makes(&client, &carla, "mug", 600).await;
    for member in [&carla, &dora] {
        join(&client, &other, member, Redeemer).await.unwrap();
    }
    for _ in 0..2 {
        has(&client, &dora, "mug").await;
    }
    assert_eq!(refusal(&client, &dora, "mug").await, "LIMIT_REACHED");
    // It times out, and gives its unit back where it is.
    house.clock().advance_to(house.clock().now().plus_micros(600 * SECOND));
    has(&client, &dora, "mug").await;
    assert_eq!(refusal(&client, &carla, "mug").await, "LIMIT_REACHED");
    house.end().await;
}

async fn the_ledger_is_sound_whoever_is_named(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 10, None).await;
    let (anna, card, eve) =
        (enroll(&client, "anna").await, enroll(&client, "card").await, enroll(&client, "eve").await);
    let (home, ben) = (household(&client, PROGRAM).await, enroll(&client, "ben").await);
    buys(&client, &anna, 100).await;
    buys(&client, &card, 100).await;
    let sound = async || {
        let audit = house.audit().await;
        assert!(audit.sound, "{:#?}", audit.checks);
    };
    let of_card = has(&client, &card, "mug").await;
    let moves_twice = makes(&client, &card, "mug", 600).await;
    let of_anna = makes(&client, &anna, "mug", 600).await;
    merge(&client, merger(&card, &anna)).await.unwrap();
    captured(&client, capture(&named(&of_anna, &card))).await.unwrap();
    sound().await;
    // Anna joins with what her card holds, somebody else captures it there, and she leaves with another one.
    for member in [&ben, &anna] {
        join(&client, &home, member, Redeemer).await.unwrap();
    }
    makes(&client, &card, "mug", 600).await;
    captured(&client, capture(&named(&moves_twice, &ben))).await.unwrap();
    sound().await;
    leave(&client, &anna).await.unwrap();
    sound().await;
    merge(&client, merger(&anna, &eve)).await.unwrap();
    refunded(&client, refund(&named(&of_card, &eve), Some(3))).await.unwrap();
    refunded(&client, refund(&named(&of_anna, &card), Some(3))).await.unwrap();
    refunded(&client, refund(&named(&of_card, &anna), None)).await.unwrap();
    sound().await;
    unmerge(&client, &card).await.unwrap();
    house.end().await;
}
