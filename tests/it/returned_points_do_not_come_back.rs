//! Nobody keeps points of a purchase that was given back by having them on hold, or spent, meanwhile: what
//! was waived because they were gone is taken of points that come back, wherever their member is by then.

use harness::calls::{
    PROGRAM, balance, balance_of, create_program, create_program_like, create_reward, enroll, program,
    purchase, record, redeem, redemption, request_id,
};
use harness::holds::{capture, captured, held, hold, refund, refunded, void, voided};
use harness::house::{House, START};
use harness::moves::{buys, merge, merger, reverse};
use pb::activity_service_client::ActivityServiceClient;
use pb::member_service_client::MemberServiceClient;
use pb::points_service_client::PointsServiceClient;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;

use crate::points_are_of_several_currencies::{COINS, coins, of, offer};
use crate::rules_say_what_activities_earn::{per_dollar, under};

in_process! {
    what_was_on_hold_is_taken_when_the_hold_ends;
    what_was_spent_is_taken_when_it_is_refunded;
    what_is_outstanding_goes_along_with_its_member;
    two_purchases_are_given_back_for_nothing;
    what_is_outstanding_of_the_erased_names_nothing;
}

/// Available, on hold, waived.
fn numbers(balance: &pb::Balance) -> (i64, i64, i64) {
    (balance.available, balance.held, balance.waived)
}

async fn points(client: &Client, member_id: &str) -> (i64, i64, i64) {
    numbers(&balance_of(client, member_id).await)
}

async fn holds(client: &Client, member_id: &str, reward_id: &str) -> pb::Redemption {
    held(client, hold(member_id, reward_id, 60)).await.unwrap().redemption.unwrap()
}

async fn activity(client: &Client, member_id: &str, id: &str) -> pb::Activity {
    let activity = Some(pb::get_activity_request::Activity::ActivityId(id.into()));
    let request = pb::GetActivityRequest { member_id: member_id.into(), activity };
    let found = ActivityServiceClient::new(client.clone()).get_activity(request).await.unwrap();
    found.into_inner().activity.unwrap()
}

async fn what_was_on_hold_is_taken_when_the_hold_ends(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 30, None).await;
    let anna = enroll(&client, "anna").await;
    let bought = buys(&client, &anna, 100).await;
    let voids = holds(&client, &anna, "mug").await;
    let captures = holds(&client, &anna, "mug").await;
    let _times_out = holds(&client, &anna, "mug").await;
    let taken = reverse(&client, &anna, &bought).await.unwrap();
    assert_eq!((taken.points_owed, taken.points_from_available, taken.points_waived), (100, 10, 90));
    assert_eq!(points(&client, &anna).await, (0, 90, 90));
    assert_eq!(activity(&client, &anna, &bought).await.points_outstanding, 90);

    let answer = voided(&client, void(&voids)).await.unwrap();
    assert_eq!(numbers(&answer.balance.unwrap()), (0, 60, 60));
    let request = pb::ListPostingsRequest { member_id: anna.clone(), ..Default::default() };
    let postings = PointsServiceClient::new(client.clone()).list_postings(request).await.unwrap();
    let last = &postings.into_inner().postings[0];
    assert_eq!((last.debit_account(), last.credit_account()), (pb::Account::Available, pb::Account::Waived));
    assert_eq!((last.reason(), last.points), (pb::PostingReason::Repay, 30));
    assert_eq!((&last.activity_id, &last.redemption_id), (&bought, &voids.redemption_id));

    let half = Some(pb::capture_redemption_request::Portion::Points(10));
    captured(&client, pb::CaptureRedemptionRequest { portion: half, ..capture(&captures) }).await.unwrap();
    assert_eq!(points(&client, &anna).await, (0, 30, 40));
    // Whoever looks before the worker came by sees what it will leave.
    house.clock().advance_to(START.plus_micros(60_000_000));
    assert_eq!(points(&client, &anna).await, (0, 0, 10));
    assert_eq!(activity(&client, &anna, &bought).await.points_outstanding, 10);
    house.settle().await;
    assert_eq!(points(&client, &anna).await, (0, 0, 10));
    assert_eq!(activity(&client, &anna, &bought).await.points_outstanding, 10);
    buys(&client, &anna, 5).await;
    assert_eq!(points(&client, &anna).await, (5, 0, 10), "nothing else pays for what was spent");
    assert!(house.audit().await.sound);
    house.end().await;
}

async fn what_was_spent_is_taken_when_it_is_refunded(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 30, None).await;
    let anna = enroll(&client, "anna").await;
    let bought = buys(&client, &anna, 40).await;
    let mug = redeem(&client, redemption(&anna, "mug")).await.unwrap().redemption.unwrap();
    let after = buys(&client, &anna, 15).await;
    reverse(&client, &anna, &bought).await.unwrap();
    assert_eq!(points(&client, &anna).await, (0, 0, 15), "25 were there");
    for (part, left) in [(Some(20), (5, 0, 0)), (None, (15, 0, 0))] {
        refunded(&client, refund(&mug, part)).await.unwrap();
        assert_eq!(points(&client, &anna).await, left);
    }
    let taken = reverse(&client, &anna, &after).await.unwrap();
    assert_eq!((taken.points_from_available, taken.points_waived), (15, 0));
    assert!(house.audit().await.sound);
    house.end().await;
}

async fn what_is_outstanding_goes_along_with_its_member(house: House) {
    let client = house.client();
    create_program_like(&client, pb::Program { further_currencies: vec![coins()], ..program(PROGRAM) }).await;
    under(&client, vec![per_dollar("points", 1), of(COINS, per_dollar("coins", 2))]).await;
    create_reward(&client, "mug", 30, None).await;
    offer(&client, ("sticker", COINS), 60).await.unwrap();
    let (anna, card) = (enroll(&client, "anna").await, enroll(&client, "card").await);
    let bought = buys(&client, &card, 30).await;
    let [mug, sticker] = [holds(&client, &card, "mug").await, holds(&client, &card, "sticker").await];
    let later = buys(&client, &card, 30).await;
    let _times_out = [holds(&client, &card, "mug").await, holds(&client, &card, "sticker").await];
    reverse(&client, &card, &bought).await.unwrap();
    merge(&client, merger(&card, &anna)).await.unwrap();
    house.time_passes();
    reverse(&client, &anna, &later).await.unwrap();
    for id in [&bought, &later] {
        let told = activity(&client, &anna, id).await;
        assert_eq!((told.points_outstanding, told.further_points[0].points_outstanding), (30, 60));
    }
    for hold in [mug, sticker] {
        let named = pb::Redemption { member_id: anna.clone(), ..hold };
        voided(&client, void(&named)).await.unwrap();
    }
    let told = activity(&client, &anna, &bought).await;
    assert_eq!((told.points_outstanding, told.further_points[0].points_outstanding), (0, 0));
    house.clock().advance_to(START.plus_micros(60_000_000));
    let request = pb::GetBalanceRequest { member_id: anna.clone(), ..Default::default() };
    let left = balance(&client, request).await.unwrap();
    assert_eq!(numbers(&left.balance.unwrap()), (0, 0, -30), "the first was waived elsewhere");
    assert_eq!(numbers(&left.further_balances[0]), (0, 0, -60));
    house.settle().await;
    assert_eq!(balance_of(&client, &anna).await.available, 0);

    // What comes back when its member moves is taken before that.
    let old_card = enroll(&client, "old card").await;
    let bought = buys(&client, &old_card, 30).await;
    let _times_out = [holds(&client, &old_card, "mug").await, holds(&client, &old_card, "sticker").await];
    reverse(&client, &old_card, &bought).await.unwrap();
    house.clock().advance_to(START.plus_micros(120_000_000));
    merge(&client, merger(&old_card, &anna)).await.unwrap();
    let told = activity(&client, &anna, &bought).await;
    assert_eq!((told.points_outstanding, told.further_points[0].points_outstanding), (0, 0));
    assert!(house.audit().await.sound);
    house.end().await;
}

async fn two_purchases_are_given_back_for_nothing(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 30, None).await;
    let anna = enroll(&client, "anna").await;
    let first = buys(&client, &anna, 30).await;
    let mug = holds(&client, &anna, "mug").await;
    let second = buys(&client, &anna, 30).await;
    reverse(&client, &anna, &first).await.unwrap();
    assert_eq!(points(&client, &anna).await, (0, 30, 0), "the second stands for the first");
    reverse(&client, &anna, &second).await.unwrap();
    assert_eq!(points(&client, &anna).await, (0, 30, 30));
    voided(&client, void(&mug)).await.unwrap();
    assert_eq!(points(&client, &anna).await, (0, 0, 0));

    // What is bought and redeemed after a return is nobody else's.
    let spent = buys(&client, &anna, 30).await;
    redeem(&client, redemption(&anna, "mug")).await.unwrap();
    reverse(&client, &anna, &spent).await.unwrap();
    house.time_passes();
    buys(&client, &anna, 30).await;
    let mug = holds(&client, &anna, "mug").await;
    voided(&client, void(&mug)).await.unwrap();
    assert_eq!(points(&client, &anna).await, (30, 0, 30));
    assert!(house.audit().await.sound);
    house.end().await;
}

async fn what_is_outstanding_of_the_erased_names_nothing(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 30, None).await;
    let anna = enroll(&client, "anna").await;
    let mut request = purchase(&anna, 30);
    let wanted = request.activity.as_mut().unwrap();
    wanted.location = "Main Street".into();
    let bought = record(&client, request).await.unwrap().activity.unwrap();
    holds(&client, &anna, "mug").await;
    reverse(&client, &anna, &bought.activity_id).await.unwrap();
    let request =
        pb::EraseMemberRequest { request_id: request_id(), member_id: anna.clone(), reason: "asked".into() };
    MemberServiceClient::new(client.clone()).erase_member(request).await.unwrap();
    let named = "SELECT COUNT(*) AS n FROM activity WHERE detail LIKE '%Main%'";
    assert_eq!(house.count(named).await, 0);
    assert!(house.audit().await.sound);
    house.end().await;
}
