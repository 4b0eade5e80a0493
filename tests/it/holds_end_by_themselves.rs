//! Holds time out at their own moment, move with their members, and end when these leave; points that come
//! back late follow the policy.

use std::time::Duration;

use futures::future::join_all;
use harness::calls::{
    PROGRAM, balance_of, create_program, create_program_like, create_reward, enroll, program, purchase,
    reason, record, redeem, redemption, request_id, timestamp, update_program,
};
use harness::holds::{
    capture, captured, extended, held, hold, listed, receipt, refund, refunded, void, voided,
};
use harness::house::{House, START};
use harness::moves::{day, merge, merger, unmerge};
use proto::rapport::loyalty::v1 as pb;

use crate::rewards_are_held::{numbers, units};

in_process! {
    a_hold_times_out;
    units_go_back_at_the_moment_when_the_hold_is_over;
    points_that_come_back_late_follow_the_policy;
    holds_move_with_their_member;
    a_hold_ends_in_one_way_whatever_comes_first;
    whoever_may_not_act_holds_nothing;
}

async fn a_hold_times_out(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 30, Some(3)).await;
    let (anna, bert) = (enroll(&client, "anna").await, enroll(&client, "bert").await);
    for member in [&anna, &bert] {
        record(&client, purchase(member, 100)).await.unwrap();
    }
    let of_anna = held(&client, hold(&anna, "mug", 60)).await.unwrap().redemption.unwrap();
    let longer = held(&client, hold(&anna, "mug", 60)).await.unwrap().redemption.unwrap();
    let extended = extended(&client, &longer, 300).await.unwrap().redemption.unwrap();
    assert_eq!(extended.hold_expire_time, Some(timestamp(START.plus_micros(300_000_000))));
    held(&client, hold(&bert, "mug", 60)).await.unwrap();
    assert_eq!(numbers(&balance_of(&client, &anna).await), (40, 60, 0));
    assert_eq!(units(&client, "mug").await, 0);

    // No worker came by, and yet every answer knows.
    house.clock().advance_to(START.plus_micros(60_000_000));
    assert_eq!(units(&client, "mug").await, 2);
    assert_eq!(numbers(&balance_of(&client, &anna).await), (70, 30, 0));
    assert_eq!(reason(&captured(&client, capture(&of_anna)).await.unwrap_err()), "HOLD_EXPIRED");
    assert_eq!(reason(&voided(&client, void(&of_anna)).await.unwrap_err()), "HOLD_EXPIRED");
    let told = receipt(&client, &of_anna).await;
    assert_eq!(told.redemption.unwrap().state(), pb::RedemptionState::Expired);
    let last = told.steps.last().unwrap();
    assert_eq!(last.kind(), pb::RedemptionStepKind::Expired);
    assert_eq!(last.effective_time, of_anna.hold_expire_time);
    assert_eq!(listed(&client, &bert, pb::RedemptionState::Expired).await.len(), 1);
    assert_eq!(units(&client, "mug").await, 2);
    captured(&client, capture(&longer)).await.unwrap();

    // Nobody asks any more: the worker gives back what is held.
    held(&client, hold(&bert, "mug", 60)).await.unwrap();
    house.clock().advance_to(START.plus_micros(600_000_000));
    house.settle().await;
    assert_eq!(house.count("SELECT COUNT(*) AS n FROM redemption WHERE state = 2").await, 0);
    assert_eq!(units(&client, "mug").await, 2);
    house.end().await;
}

async fn units_go_back_at_the_moment_when_the_hold_is_over(house: House) {
    const HOLDERS: usize = 12;
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 10, Some(HOLDERS as i64)).await;
    let join = async |name: String| {
        let member = enroll(&client, &name).await;
        record(&client, purchase(&member, 100)).await.unwrap();
        member
    };
    for n in 0..HOLDERS {
        let holder = join(format!("holder {n}")).await;
        held(&client, hold(&holder, "mug", 60)).await.unwrap();
    }
    let buyers = join_all((0..HOLDERS).map(|n| join(format!("buyer {n}")))).await;
    house.clock().advance_to(START.plus_micros(59_999_999));
    let early = redeem(&client, redemption(&buyers[0], "mug")).await.unwrap_err();
    assert_eq!(reason(&early), "OUT_OF_STOCK");

    // Nobody has asked for the holders: whoever wants their units has them, each one.
    house.clock().advance_to(START.plus_micros(60_000_000));
    let bought = async |buyer: &String| match redeem(&client, redemption(buyer, "mug")).await {
        Ok(_) => Ok(()),
        Err(refused) => Err(reason(&refused)),
    };
    let answers = join_all(buyers.iter().map(bought)).await;
    assert_eq!(answers, vec![Ok(()); HOLDERS]);
    assert_eq!(units(&client, "mug").await, 0);
    assert_eq!(bought(&buyers[0]).await, Err("OUT_OF_STOCK".to_owned()));
    assert_eq!(house.count("SELECT COUNT(*) AS n FROM redemption WHERE state = 2").await, 0);
    house.end().await;
}

async fn points_that_come_back_late_follow_the_policy(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 30, None).await;
    let anna = enroll(&client, "anna").await;
    record(&client, purchase(&anna, 30)).await.unwrap();
    house.clock().advance_to(day(10));
    record(&client, purchase(&anna, 60)).await.unwrap();
    let first = redeem(&client, redemption(&anna, "mug")).await.unwrap().redemption.unwrap();
    house.clock().advance_to(day(91));
    let late = refunded(&client, refund(&first, Some(10))).await.unwrap();
    assert_eq!(late.points_refunded, 10);
    assert_eq!((late.balance.as_ref().unwrap().available, late.balance.unwrap().expired), (60, 10));

    let policy = pb::RedemptionPolicy {
        late_refund_policy: pb::LateRefundPolicy::Grace.into(),
        late_refund_grace_days: 5,
        max_hold_seconds: 86_400,
    };
    let graceful = pb::Program { redemption_policy: Some(policy), ..program(PROGRAM) };
    update_program(&client, graceful, &["redemption_policy"]).await.unwrap();
    let late = refunded(&client, refund(&first, None)).await.unwrap().balance.unwrap();
    assert_eq!((late.available, late.expired), (80, 10));
    assert_eq!(late.next_expire_time, Some(timestamp(day(96))));
    held(&client, hold(&anna, "mug", 86_400)).await.unwrap();
    house.clock().advance_to(day(200));
    assert_eq!(balance_of(&client, &anna).await.expired, 90);
    house.end().await;
}

async fn holds_move_with_their_member(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 30, Some(4)).await;
    let (anna, card) = (enroll(&client, "anna").await, enroll(&client, "card").await);
    record(&client, purchase(&card, 100)).await.unwrap();
    house.clock().advance_to(day(1));
    record(&client, purchase(&anna, 10)).await.unwrap();
    let spent = redeem(&client, redemption(&card, "mug")).await.unwrap().redemption.unwrap();
    let voids = held(&client, hold(&card, "mug", 600)).await.unwrap().redemption.unwrap();
    let times_out = held(&client, hold(&card, "mug", 900)).await.unwrap().redemption.unwrap();
    merge(&client, merger(&card, &anna)).await.unwrap();
    assert_eq!(numbers(&balance_of(&client, &anna).await), (20, 60, 0));

    // They are named by either of the two, and return to lots with the expiry of those they came from.
    let named = pb::Redemption { member_id: anna.clone(), ..voids };
    let back = voided(&client, void(&named)).await.unwrap().balance.unwrap();
    assert_eq!(numbers(&back), (50, 30, 0));
    assert_eq!(back.next_expire_time, Some(timestamp(day(90))));
    let told = receipt(&client, &named).await;
    assert_eq!((told.lots[0].wallet_id.as_str(), told.lots[0].lot_number), (card.as_str(), 1));
    let part = refunded(&client, refund(&spent, Some(20))).await.unwrap().balance.unwrap();
    assert_eq!(numbers(&part), (70, 30, -20), "the points were spent where they were");
    house.clock().advance_to(day(1).plus_micros(900_000_000));
    assert_eq!(balance_of(&client, &anna).await.held, 0);
    assert_eq!(reason(&captured(&client, capture(&times_out)).await.unwrap_err()), "HOLD_EXPIRED");
    assert!(house.audit().await.sound);

    // Who comes back takes along what came back in its name.
    unmerge(&client, &card).await.unwrap();
    assert_eq!(balance_of(&client, &card).await.available, 90);
    let rest = refunded(&client, refund(&spent, None)).await.unwrap().balance.unwrap();
    assert_eq!(rest.available, 100);
    assert_eq!(balance_of(&client, &anna).await.available, 10);
    house.end().await;
}

async fn a_hold_ends_in_one_way_whatever_comes_first(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 10, Some(1_000)).await;
    let anna = enroll(&client, "anna").await;
    record(&client, purchase(&anna, 50_000)).await.unwrap();
    let (mut ends, mut spent) = ([0; 3], 0);
    for round in 0..120_i64 {
        let made = held(&client, hold(&anna, "mug", 10)).await.unwrap().redemption.unwrap();
        let time_goes_on = async {
            for _ in 0..round % 5 {
                tokio::task::yield_now().await;
            }
            house.clock().advance_to(house.clock().now().plus_micros(10_000_000));
        };
        let (one, two, ()) =
            tokio::join!(captured(&client, capture(&made)), voided(&client, void(&made)), time_goes_on);
        assert!(one.is_err() || two.is_err());
        let told = receipt(&client, &made).await;
        let state = told.redemption.unwrap().state();
        let end = match state {
            pb::RedemptionState::Captured => 0,
            pb::RedemptionState::Voided => 1,
            pb::RedemptionState::Expired => 2,
            other => panic!("{other:?}"),
        };
        assert_eq!((one.is_ok(), two.is_ok()), (end == 0, end == 1), "{state:?}");
        assert_eq!(told.steps.len(), 2, "{:?}", told.steps);
        ends[end] += 1;
        spent += i64::from(end == 0);
    }
    let balance = balance_of(&client, &anna).await;
    assert_eq!(numbers(&balance), (50_000 - 10 * spent, 0, 10 * spent), "{ends:?}");
    assert_eq!(units(&client, "mug").await, 1_000 - spent);
    house.end().await;
}

async fn whoever_may_not_act_holds_nothing(house: House) {
    use pb::member_service_client::MemberServiceClient;
    let client = house.client();
    let limit = pb::VelocityLimit {
        limit_id: "large".into(),
        movement: pb::Movement::Redeem.into(),
        window: pb::VelocityWindow::Day.into(),
        points_max: Some(50),
        breach: pb::VelocityBreach::Review.into(),
        ..Default::default()
    };
    create_program_like(&client, pb::Program { velocity_limits: vec![limit], ..program(PROGRAM) }).await;
    create_reward(&client, "mug", 30, Some(9)).await;
    let anna = enroll(&client, "anna").await;
    record(&client, purchase(&anna, 100)).await.unwrap();
    let first = held(&client, hold(&anna, "mug", 600)).await.unwrap().redemption.unwrap();
    let asked = hold(&anna, "mug", 600);
    let parked = held(&client, asked.clone()).await.unwrap_err();
    assert_eq!(reason(&parked), "REVIEW_REQUIRED");
    let mut reviews = pb::review_service_client::ReviewServiceClient::new(client.clone());
    let approval = pb::ApproveReviewRequest {
        request_id: request_id(),
        member_id: anna.clone(),
        review_id: asked.request_id,
        approver: "chief".into(),
        ..Default::default()
    };
    let approved = reviews.approve_review(approval).await.unwrap().into_inner();
    let second = approved.redemption.unwrap();
    assert_eq!(
        (second.state(), numbers(&approved.balance.unwrap())),
        (pb::RedemptionState::Held, (40, 60, 0))
    );

    let mut members = MemberServiceClient::new(client.clone());
    let suspend =
        pb::SuspendMemberRequest { request_id: request_id(), member_id: anna.clone(), reason: "odd".into() };
    members.suspend_member(suspend).await.unwrap();
    let new = held(&client, hold(&anna, "mug", 600)).await.unwrap_err();
    assert_eq!(reason(&new), "MEMBER_SUSPENDED");
    captured(&client, capture(&first)).await.expect("what was promised is kept");
    let close =
        pb::CloseMemberRequest { request_id: request_id(), member_id: anna.clone(), ..Default::default() };
    members.close_member(close).await.unwrap();
    let receipt = receipt(&client, &second).await;
    assert_eq!(receipt.redemption.unwrap().state(), pb::RedemptionState::Voided);
    assert_eq!(reason(&refunded(&client, refund(&first, None)).await.unwrap_err()), "MEMBER_CLOSED");
    assert_eq!(units(&client, "mug").await, 8);
    let settled = tokio::time::timeout(Duration::from_secs(60), house.settle()).await;
    settled.expect("every event arrives");
    house.end().await;
}
