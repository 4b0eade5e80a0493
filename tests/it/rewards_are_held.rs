//! A checkout holds points and units of a reward, captures them with the order, and gives them back with a
//! return: each point to the lot that it came from.

use futures::future::join_all;
use harness::calls::{
    PROGRAM, balance_of, create_program, create_reward, enroll, purchase, reason, record, redeem, redemption,
    request_id,
};
use harness::holds::{
    capture, captured, extended, held, hold, listed, receipt, refund, refunded, void, voided,
};
use harness::house::House;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;

everywhere! {
    a_checkout_holds_captures_and_refunds;
    what_is_not_held_is_refused_for_its_own_reason;
    one_of_two_callers_resolves_a_hold;
}

/// Units of a reward that are left.
pub(crate) async fn units(client: &Client, reward_id: &str) -> i64 {
    let mut rewards = pb::reward_service_client::RewardServiceClient::new(client.clone());
    let (program_id, reward_id) = (PROGRAM.into(), reward_id.into());
    let request = pb::GetRewardRequest { program_id, reward_id, version: 0 };
    let reward = rewards.get_reward(request).await.unwrap().into_inner().reward.unwrap();
    match reward.stock {
        Some(pb::reward::Stock::Remaining(left)) => left,
        other => panic!("{other:?}"),
    }
}

/// Points available, held and redeemed.
pub(crate) fn numbers(balance: &pb::Balance) -> (i64, i64, i64) {
    (balance.available, balance.held, balance.redeemed)
}

async fn a_checkout_holds_captures_and_refunds(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 30, Some(5)).await;
    let anna = enroll(&client, "anna").await;
    for dollars in [40, 50, 60] {
        record(&client, purchase(&anna, dollars)).await.unwrap();
    }
    let asked = pb::CreateRedemptionRequest { quantity: 3, ..hold(&anna, "mug", 0) };
    let made = held(&client, asked.clone()).await.unwrap();
    assert_eq!(numbers(made.balance.as_ref().unwrap()), (60, 90, 0));
    let mut again = held(&client, asked).await.unwrap();
    assert!(std::mem::take(&mut again.replayed));
    assert_eq!(again, made);
    assert_eq!(units(&client, "mug").await, 2);
    let made = made.redemption.unwrap();
    assert_eq!((made.state(), made.points, made.points_captured), (pb::RedemptionState::Held, 90, 0));
    let hold_end = made.hold_expire_time.unwrap();
    assert_eq!(hold_end.seconds - made.create_time.unwrap().seconds, 900, "a quarter of an hour");

    // Two of the three units are sent: the rest goes back at once.
    let two = pb::capture_redemption_request::Portion::Quantity(2);
    let request = pb::CaptureRedemptionRequest { portion: Some(two), ..capture(&made) };
    let done = captured(&client, request.clone()).await.unwrap();
    assert_eq!(numbers(done.balance.as_ref().unwrap()), (90, 0, 60));
    assert_eq!(units(&client, "mug").await, 3);
    let mut again = captured(&client, request.clone()).await.unwrap();
    assert!(std::mem::take(&mut again.replayed));
    assert_eq!(again, done);
    let other = pb::CaptureRedemptionRequest { portion: None, ..request };
    assert_eq!(reason(&captured(&client, other).await.unwrap_err()), "REQUEST_ID_REUSED");

    // One is broken, the other is brought back later.
    let broken = refund(&made, Some(30));
    let first = refunded(&client, broken.clone()).await.unwrap();
    assert_eq!((first.points_refunded, numbers(first.balance.as_ref().unwrap())), (30, (120, 0, 30)));
    assert_eq!(first.redemption.unwrap().state(), pb::RedemptionState::PartiallyRefunded);
    assert!(refunded(&client, broken).await.unwrap().replayed);
    let rest = refunded(&client, refund(&made, None)).await.unwrap();
    assert_eq!((rest.points_refunded, numbers(rest.balance.as_ref().unwrap())), (30, (150, 0, 0)));
    assert_eq!(units(&client, "mug").await, 3, "what comes back is not sold again by itself");

    the_receipt_tells_all(&client, &made).await;

    // What is spent in one step is refunded in the same way.
    house.time_passes();
    let at_once = redeem(&client, redemption(&anna, "mug")).await.unwrap().redemption.unwrap();
    assert_eq!(at_once.hold_expire_time, None);
    assert_eq!(refunded(&client, refund(&at_once, Some(7))).await.unwrap().points_refunded, 7);
    house.time_passes();
    let in_hand = held(&client, hold(&anna, "mug", 60)).await.unwrap().redemption.unwrap();
    let ids = |found: Vec<pb::Redemption>| found.into_iter().map(|one| one.redemption_id).collect::<Vec<_>>();
    let (last, middle, first) = (in_hand.redemption_id, at_once.redemption_id, made.redemption_id);
    for (state, expected) in [
        (pb::RedemptionState::Unspecified, vec![last.clone(), middle.clone(), first.clone()]),
        (pb::RedemptionState::Held, vec![last]),
        (pb::RedemptionState::PartiallyRefunded, vec![middle]),
        (pb::RedemptionState::Refunded, vec![first]),
        (pb::RedemptionState::Captured, vec![]),
        (pb::RedemptionState::Voided, vec![]),
    ] {
        assert_eq!(ids(listed(&client, &anna, state).await), expected, "{state:?}");
    }
    house.end().await;
}

async fn the_receipt_tells_all(client: &Client, made: &pb::Redemption) {
    let told = receipt(client, made).await;
    let from: Vec<_> = told.lots.iter().map(|lot| (lot.lot_number, lot.points, lot.rule_version)).collect();
    assert_eq!(from, [(1, 40, 1), (2, 50, 1)]);
    assert!(told.lots.iter().all(|lot| lot.wallet_id == made.member_id && !lot.activity_id.is_empty()));
    use pb::RedemptionStepKind::{Captured, Held, Refunded};
    let steps: Vec<_> = told.steps.iter().map(|step| (step.kind(), step.points, step.quantity)).collect();
    assert_eq!(steps, [(Held, 90, 3), (Captured, 60, 2), (Refunded, 30, 0), (Refunded, 30, 0)]);
    assert_eq!(told.steps[2].reason, "broken");
}

async fn what_is_not_held_is_refused_for_its_own_reason(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 30, Some(1)).await;
    let (anna, bert) = (enroll(&client, "anna").await, enroll(&client, "bert").await);
    record(&client, purchase(&anna, 100)).await.unwrap();
    let mine = held(&client, hold(&anna, "mug", 600)).await.unwrap().redemption.unwrap();
    let refused = |answer: Result<i64, tonic::Status>| reason(&answer.unwrap_err());
    let holds = |request| async { held(&client, request).await.map(|_| 0) };
    assert_eq!(refused(holds(hold(&anna, "mug", 60)).await), "OUT_OF_STOCK");
    assert_eq!(refused(holds(hold(&bert, "unicorn", 60)).await), "REWARD_NOT_FOUND");
    assert_eq!(refused(holds(hold(&request_id(), "mug", 60)).await), "MEMBER_NOT_FOUND");
    assert_eq!(refused(holds(hold(&anna, "mug", 901)).await), "HOLD_TOO_LONG");
    assert_eq!(refused(holds(hold(&anna, "mug", -1)).await), "FIELDS_INVALID");
    let theirs = pb::Redemption { member_id: bert.clone(), ..mine.clone() };
    assert_eq!(reason(&captured(&client, capture(&theirs)).await.unwrap_err()), "REDEMPTION_NOT_FOUND");
    assert_eq!(reason(&refunded(&client, refund(&mine, None)).await.unwrap_err()), "NOT_CAPTURED");
    assert_eq!(reason(&extended(&client, &mine, 901).await.unwrap_err()), "HOLD_TOO_LONG");
    let part = |portion| pb::CaptureRedemptionRequest { portion: Some(portion), ..capture(&mine) };
    for portion in [
        pb::capture_redemption_request::Portion::Points(31),
        pb::capture_redemption_request::Portion::Quantity(2),
    ] {
        let answer = captured(&client, part(portion)).await;
        assert_eq!(reason(&answer.unwrap_err()), "CAPTURE_EXCEEDS_HOLD");
    }
    let nothing = part(pb::capture_redemption_request::Portion::Points(0));
    assert_eq!(reason(&captured(&client, nothing).await.unwrap_err()), "FIELDS_INVALID");
    voided(&client, void(&mine)).await.unwrap();
    assert_eq!(reason(&captured(&client, capture(&mine)).await.unwrap_err()), "ALREADY_VOIDED");
    assert_eq!(reason(&refunded(&client, refund(&mine, None)).await.unwrap_err()), "ALREADY_VOIDED");

    let next = held(&client, hold(&anna, "mug", 60)).await.unwrap().redemption.unwrap();
    captured(&client, capture(&next)).await.unwrap();
    assert_eq!(reason(&voided(&client, void(&next)).await.unwrap_err()), "ALREADY_CAPTURED");
    assert_eq!(reason(&extended(&client, &next, 60).await.unwrap_err()), "ALREADY_CAPTURED");
    let beyond = refunded(&client, refund(&next, Some(31))).await.unwrap_err();
    assert_eq!(reason(&beyond), "REFUND_EXCEEDS_REDEMPTION");
    refunded(&client, refund(&next, None)).await.unwrap();
    let again = refunded(&client, refund(&next, None)).await.unwrap_err();
    assert_eq!(reason(&again), "REFUND_EXCEEDS_REDEMPTION");
    assert_eq!(numbers(&balance_of(&client, &anna).await), (100, 0, 0));
    house.end().await;
}

async fn one_of_two_callers_resolves_a_hold(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 30, Some(1)).await;
    let anna = enroll(&client, "anna").await;
    record(&client, purchase(&anna, 3_000)).await.unwrap();
    let mut spent = 0;
    for _ in 0..60 {
        let made = held(&client, hold(&anna, "mug", 600)).await.unwrap().redemption.unwrap();
        let (one, two) = tokio::join!(captured(&client, capture(&made)), voided(&client, void(&made)));
        match (one, two) {
            (Ok(_), Err(late)) => {
                assert_eq!(reason(&late), "ALREADY_CAPTURED");
                let back = join_all([30, 30, 30].map(|p| refunded(&client, refund(&made, Some(p))))).await;
                assert_eq!(back.iter().filter(|answer| answer.is_ok()).count(), 1);
                spent += 1;
                let mut rewards = pb::reward_service_client::RewardServiceClient::new(client.clone());
                let request = pb::AdjustRewardStockRequest {
                    request_id: request_id(),
                    program_id: PROGRAM.into(),
                    reward_id: "mug".into(),
                    units: 1,
                };
                rewards.adjust_reward_stock(request).await.unwrap();
            }
            (Err(late), Ok(_)) => assert_eq!(reason(&late), "ALREADY_VOIDED"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(numbers(&balance_of(&client, &anna).await), (3_000, 0, 0));
    assert_eq!(units(&client, "mug").await, 1);
    assert_eq!(listed(&client, &anna, pb::RedemptionState::Refunded).await.len(), spent);
    house.end().await;
}
