//! Points that slide live where their redemption is, and where it has been: what comes back ends as if nobody
//! had moved, and what had ended stays ended.

use ambient::Time;
use harness::calls::{
    PROGRAM, balance_of, create_program_like, create_reward, enroll, program, timestamp, update_program,
};
use harness::holds::{refund, refunded};
use harness::house::House;
use harness::moves::{buys, day, household, join, leave, merge, merger};
use proto::rapport::loyalty::v1 as pb;
use proto::rapport::loyalty::v1::HouseholdRole::Redeemer;
use rpc::client::Client;

use crate::holds_move_with_members::has;

in_process! {
    a_late_refund_of_another_member_revives_nothing;
    points_of_others_that_slid_come_back_for_as_long;
    points_that_come_back_end_apart_from_others;
    points_that_had_ended_before_a_move_stay_ended;
    points_that_slid_elsewhere_come_back_for_as_long;
    points_that_ended_under_other_terms_stay_ended;
    points_that_slid_come_back_for_as_long_as_they_would_have;
}

fn rolling(days: i32, sliding: bool) -> Option<pb::ExpiryPolicy> {
    let policy = Some(pb::expiry_policy::Policy::RollingDays(days));
    Some(pb::ExpiryPolicy { policy, sliding, ..Default::default() })
}

async fn sliding(client: &Client) {
    let expiry_policy = rolling(90, true);
    create_program_like(client, pb::Program { expiry_policy, ..program(PROGRAM) }).await;
    create_reward(client, "mug", 100, None).await;
}

/// A household of two who may spend what either of them earned.
async fn at_home(client: &Client, names: [&str; 2]) -> (String, [String; 2]) {
    let [first, second] = names;
    let both = [enroll(client, first).await, enroll(client, second).await];
    let home = household(client, PROGRAM).await;
    for member in &both {
        join(client, &home, member, Redeemer).await.unwrap();
    }
    (home, both)
}

/// Somebody who earns a hundred points and spends them on day 10.
async fn spends(house: &House, name: &str) -> (String, pb::Redemption) {
    let client = house.client();
    let member = enroll(&client, name).await;
    buys(&client, &member, 100).await;
    house.clock().advance_to(day(10));
    let spent = has(&client, &member, "mug").await;
    (member, spent)
}

async fn buys_on(house: &House, member: &str, days: [i64; 2], units: i64) {
    for n in days {
        house.clock().advance_to(day(n));
        buys(&house.client(), member, units).await;
    }
}

/// Anna redeems what Ben earned, and leaves: it ends as it would have in the household.
async fn points_of_others_that_slid_come_back_for_as_long(house: House) {
    let client = house.client();
    sliding(&client).await;
    let (_, [anna, ben]) = at_home(&client, ["anna", "ben"]).await;
    buys(&client, &ben, 150).await;
    house.clock().advance_to(day(5));
    let spent = has(&client, &anna, "mug").await;
    house.clock().advance_to(day(80));
    buys(&client, &ben, 50).await;
    house.clock().advance_to(day(100));
    leave(&client, &anna).await.unwrap();
    house.clock().advance_to(day(110));
    refunded(&client, refund(&spent, None)).await.unwrap();
    let came_back = balance_of(&client, &anna).await;
    assert_eq!((came_back.available, came_back.next_expire_time), (100, Some(timestamp(day(80 + 90)))));
    house.end().await;
}

/// Anna redeems what Ben earned, leaves, and joins again: what she gets back ends as it would have where she
/// was, and what is left of his as here.
async fn points_that_come_back_end_apart_from_others(house: House) {
    let client = house.client();
    sliding(&client).await;
    create_reward(&client, "cup", 60, None).await;
    for (name, reward_id, anna_buys, ben_buys, expected) in [
        ("longer", "mug", &[50, 130][..], None, (102, 0, 130 + 90)),
        ("shorter", "cup", &[][..], Some(80), (41, 60, 80 + 90)),
    ] {
        let start = house.clock().now();
        let at = |n: i64| Time::from_micros(start.micros() + day(n).micros() - day(0).micros());
        let names = [format!("anna {name}"), format!("ben {name}")];
        let (home, [anna, ben]) = at_home(&client, names.each_ref().map(String::as_str)).await;
        buys(&client, &ben, 100).await;
        house.clock().advance_to(at(10));
        let spent = has(&client, &anna, reward_id).await;
        house.clock().advance_to(at(20));
        leave(&client, &anna).await.unwrap();
        let purchases = anna_buys.iter().map(|n| (*n, &anna)).chain(ben_buys.map(|n| (n, &ben)));
        for (n, member) in purchases {
            house.clock().advance_to(at(n));
            buys(&client, member, 1).await;
        }
        house.clock().advance_to(at(160));
        join(&client, &home, &anna, Redeemer).await.unwrap();
        refunded(&client, refund(&spent, None)).await.unwrap();
        let (available, expired, end) = expected;
        let came_back = balance_of(&client, &anna).await;
        let found = (came_back.available, came_back.expired, came_back.next_expire_time);
        assert_eq!(found, (available, expired, Some(timestamp(at(end)))), "{name}");
        house.clock().advance_to(at(161));
        assert_eq!(balance_of(&client, &anna).await.available, available, "{name}");
    }
    house.end().await;
}

/// Anna and Ben spend what Anna earned, Ben leaves, and Anna gets hers back when it has long ended.
async fn a_late_refund_of_another_member_revives_nothing(house: House) {
    let client = house.client();
    sliding(&client).await;
    for (reward_id, points) in [("cup", 60), ("pin", 40)] {
        create_reward(&client, reward_id, points, None).await;
    }
    let (_, [anna, ben]) = at_home(&client, ["anna", "ben"]).await;
    buys(&client, &anna, 100).await;
    house.clock().advance_to(day(10));
    let of_ben = has(&client, &ben, "cup").await;
    house.clock().advance_to(day(12));
    let of_anna = has(&client, &anna, "pin").await;
    house.clock().advance_to(day(20));
    leave(&client, &ben).await.unwrap();
    house.clock().advance_to(day(150));
    buys(&client, &ben, 1).await;
    house.clock().advance_to(day(200));
    refunded(&client, refund(&of_anna, None)).await.unwrap();
    house.clock().advance_to(day(205));
    refunded(&client, refund(&of_ben, None)).await.unwrap();
    for (member, available, expired) in [(&anna, 0, 40), (&ben, 1, 60)] {
        let came_back = balance_of(&client, member).await;
        assert_eq!((came_back.available, came_back.expired), (available, expired));
    }
    house.end().await;
}

/// What slid before the terms changed lives on, but not what others had earned since, and lost.
async fn points_that_ended_under_other_terms_stay_ended(house: House) {
    let client = house.client();
    let terms = pb::Program { expiry_policy: rolling(365, true), ..program(PROGRAM) };
    create_program_like(&client, terms).await;
    create_reward(&client, "mug", 100, None).await;
    let anna = enroll(&client, "anna").await;
    buys(&client, &anna, 1).await;
    house.clock().advance_to(day(1));
    let terms = pb::Program { expiry_policy: rolling(30, false), ..program(PROGRAM) };
    update_program(&client, terms, &["expiry_policy"]).await.unwrap();
    let card = enroll(&client, "card").await;
    buys(&client, &card, 100).await;
    house.clock().advance_to(day(3));
    let spent = has(&client, &card, "mug").await;
    house.clock().advance_to(day(50));
    merge(&client, merger(&card, &anna)).await.unwrap();
    house.clock().advance_to(day(60));
    refunded(&client, refund(&spent, None)).await.unwrap();
    let came_back = balance_of(&client, &anna).await;
    assert_eq!((came_back.available, came_back.expired), (1, 100));
    house.end().await;
}

/// The card is found again when its points have long ended.
async fn points_that_had_ended_before_a_move_stay_ended(house: House) {
    let client = house.client();
    sliding(&client).await;
    let anna = enroll(&client, "anna").await;
    let (card, spent) = spends(&house, "card").await;
    buys_on(&house, &anna, [60, 118], 1).await;
    house.clock().advance_to(day(120));
    merge(&client, merger(&card, &anna)).await.unwrap();
    house.clock().advance_to(day(125));
    refunded(&client, refund(&spent, None)).await.unwrap();
    let came_back = balance_of(&client, &anna).await;
    assert_eq!((came_back.available, came_back.expired), (2, 100));
    house.end().await;
}

/// There and back: what was done in the household lets points live, too.
async fn points_that_slid_elsewhere_come_back_for_as_long(house: House) {
    let client = house.client();
    sliding(&client).await;
    let home = household(&client, PROGRAM).await;
    let (anna, spent) = spends(&house, "anna").await;
    house.clock().advance_to(day(20));
    join(&client, &home, &anna, Redeemer).await.unwrap();
    buys_on(&house, &anna, [90, 150], 1).await;
    house.clock().advance_to(day(160));
    leave(&client, &anna).await.unwrap();
    house.clock().advance_to(day(170));
    refunded(&client, refund(&spent, None)).await.unwrap();
    let came_back = balance_of(&client, &anna).await;
    assert_eq!((came_back.available, came_back.expired), (102, 0));
    assert_eq!(came_back.next_expire_time, Some(timestamp(day(150 + 90))));
    house.end().await;
}

async fn points_that_slid_come_back_for_as_long_as_they_would_have(house: House) {
    let client = house.client();
    sliding(&client).await;
    let home = household(&client, PROGRAM).await;
    let (anna, spent) = spends(&house, "anna").await;
    buys_on(&house, &anna, [80, 110], 50).await;
    house.clock().advance_to(day(120));
    join(&client, &home, &anna, Redeemer).await.unwrap();
    house.clock().advance_to(day(125));
    refunded(&client, refund(&spent, None)).await.unwrap();
    let came_back = balance_of(&client, &anna).await;
    assert_eq!((came_back.available, came_back.expired), (200, 0));
    assert_eq!(came_back.next_expire_time, Some(timestamp(day(110 + 90))));
    house.end().await;
}
