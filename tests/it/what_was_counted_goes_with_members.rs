//! What was counted for caps and limits in a member's name is in the one wallet where the member's points
//! are: it comes along, leaves again, and is taken off where a return finds it.

use harness::calls::{
    PROGRAM, create_program, create_program_like, create_reward, enroll, program, purchase, reason, record,
    redeem, redemption,
};
use harness::house::House;
use harness::moves::{buys, household, join, leave, merge, merger, reverse, unmerge};
use harness::offers::{offer, reward};
use pb::points_service_client::PointsServiceClient;
use proto::rapport::loyalty::v1 as pb;
use proto::rapport::loyalty::v1::HouseholdRole::Redeemer;
use rpc::client::Client;

use crate::households_share::gift;
use crate::rules_say_what_activities_earn::{cap, capped, per_dollar, under};

in_process! {
    what_was_earned_in_a_household_is_returned_at_home;
    what_was_earned_at_home_is_returned_in_the_household;
    what_was_earned_as_another_member_is_returned_at_home;
    whoever_comes_again_counts_once;
    going_from_household_to_household_makes_no_room;
}

/// A point per dollar, a hundred of each wallet in a day at most.
async fn capped_by_day(client: &Client) {
    under(client, vec![capped(per_dollar("a", 1), cap(100, pb::CapPeriod::Day))]).await;
}

/// Records a purchase and returns the points that it earned.
async fn earns(client: &Client, member_id: &str, units: i64) -> i64 {
    let done = record(client, purchase(member_id, units)).await.expect("it is recorded");
    done.activity.expect("an activity").points
}

async fn has(client: &Client, member_id: &str, reward_id: &str) -> bool {
    redeem(client, redemption(member_id, reward_id)).await.is_ok()
}

async fn what_was_earned_in_a_household_is_returned_at_home(house: House) {
    let client = house.client();
    create_program(&client).await;
    capped_by_day(&client).await;
    let home = household(&client, PROGRAM).await;
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    for member in [&anna, &ben] {
        join(&client, &home, member, Redeemer).await.unwrap();
    }
    let bought = buys(&client, &anna, 60).await;
    assert_eq!(earns(&client, &ben, 50).await, 40);
    leave(&client, &anna).await.unwrap();
    assert_eq!(earns(&client, &ben, 100).await, 60, "what Anna used is not used there");
    assert_eq!(earns(&client, &anna, 10).await, 10);
    let returned = reverse(&client, &anna, &bought).await.unwrap();
    assert_eq!((returned.points_owed, returned.points_from_available), (60, 60));
    assert_eq!((earns(&client, &anna, 500).await, earns(&client, &ben, 500).await), (90, 0));
    assert!(house.audit().await.sound);
    house.end().await;
}

async fn what_was_earned_at_home_is_returned_in_the_household(house: House) {
    let client = house.client();
    create_program(&client).await;
    capped_by_day(&client).await;
    let home = household(&client, PROGRAM).await;
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    let bought = buys(&client, &anna, 60).await;
    for member in [&anna, &ben] {
        join(&client, &home, member, Redeemer).await.unwrap();
    }
    assert_eq!(earns(&client, &ben, 50).await, 40);
    reverse(&client, &ben, &bought).await.unwrap();
    assert_eq!(earns(&client, &ben, 10).await, 10);
    leave(&client, &anna).await.unwrap();
    assert_eq!((earns(&client, &anna, 500).await, earns(&client, &ben, 500).await), (100, 50));
    house.end().await;
}

async fn what_was_earned_as_another_member_is_returned_at_home(house: House) {
    let client = house.client();
    create_program(&client).await;
    capped_by_day(&client).await;
    let home = household(&client, PROGRAM).await;
    let (anna, card) = (enroll(&client, "anna").await, enroll(&client, "card").await);
    merge(&client, merger(&card, &anna)).await.unwrap();
    let of_card = buys(&client, &card, 30).await;
    // The card comes along with Anna, and is told from her there.
    join(&client, &home, &anna, Redeemer).await.unwrap();
    assert_eq!(earns(&client, &card, 20).await, 20);
    assert_eq!(earns(&client, &anna, 500).await, 50);
    unmerge(&client, &card).await.unwrap();
    reverse(&client, &card, &of_card).await.unwrap();
    assert_eq!((earns(&client, &anna, 500).await, earns(&client, &card, 500).await), (50, 80));
    house.end().await;
}

async fn whoever_comes_again_counts_once(house: House) {
    let client = house.client();
    create_program(&client).await;
    capped_by_day(&client).await;
    let limit = Some(pb::RewardLimit { max_units: 3, period: 0 });
    offer(&client, pb::Reward { limit, ..reward("mug", 5) }).await.unwrap();
    let home = household(&client, PROGRAM).await;
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    buys(&client, &anna, 20).await;
    assert!(has(&client, &anna, "mug").await);
    join(&client, &home, &ben, Redeemer).await.unwrap();
    for _ in 0..3 {
        join(&client, &home, &anna, Redeemer).await.unwrap();
        leave(&client, &anna).await.unwrap();
    }
    join(&client, &home, &anna, Redeemer).await.unwrap();
    assert_eq!(earns(&client, &ben, 500).await, 80);
    for expected in [true, true, false] {
        assert_eq!(has(&client, &ben, "mug").await, expected);
    }
    leave(&client, &anna).await.unwrap();
    assert_eq!((earns(&client, &anna, 500).await, earns(&client, &ben, 500).await), (80, 20));
    for (name, expected) in [(&anna, [true, true, false]), (&ben, [true, false, false])] {
        for expected in expected {
            assert_eq!(has(&client, name, "mug").await, expected);
        }
    }
    house.end().await;
}

async fn going_from_household_to_household_makes_no_room(house: House) {
    let client = house.client();
    let a_day = |movement: pb::Movement, count_max, points_max| pb::VelocityLimit {
        limit_id: movement.as_str_name().to_ascii_lowercase().replace('_', "-"),
        movement: movement.into(),
        owner: pb::CapOwner::Member.into(),
        window: pb::VelocityWindow::Day.into(),
        breach: pb::VelocityBreach::Refuse.into(),
        count_max,
        points_max,
    };
    let limits = [(pb::Movement::Redeem, Some(2), None), (pb::Movement::Transfer, None, Some(10))];
    let velocity_limits = limits.map(|(movement, count, points)| a_day(movement, count, points)).to_vec();
    create_program_like(&client, pb::Program { velocity_limits, ..program(PROGRAM) }).await;
    capped_by_day(&client).await;
    let limit = Some(pb::RewardLimit { max_units: 1, period: 0 });
    offer(&client, pb::Reward { limit, ..reward("mug", 5) }).await.unwrap();
    create_reward(&client, "pin", 5, None).await;
    let (anna, carla) = (enroll(&client, "anna").await, enroll(&client, "carla").await);
    let mut done = (0, 0, 0, 0);
    for _ in 0..4 {
        let home = household(&client, PROGRAM).await;
        join(&client, &home, &anna, Redeemer).await.unwrap();
        done.0 += earns(&client, &anna, 80).await;
        done.1 += i32::from(has(&client, &anna, "mug").await);
        done.2 += i32::from(has(&client, &anna, "pin").await);
        let given = PointsServiceClient::new(client.clone()).transfer_points(gift(&anna, &carla, 10)).await;
        done.3 += i32::from(given.is_ok());
        leave(&client, &anna).await.unwrap();
    }
    assert_eq!(done, (100, 1, 1, 1));
    let status = redeem(&client, redemption(&anna, "pin")).await.unwrap_err();
    assert_eq!(reason(&status), "VELOCITY_EXCEEDED");
    house.end().await;
}
