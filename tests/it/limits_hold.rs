//! Points move only as fast as their program allows; what is beyond a limit is refused or waits until
//! somebody decides, once, whoever asks at the same time.

use ambient::Time;
use futures::future::join_all;
use harness::calls::{
    PROGRAM, balance_of, create_program, create_program_like, create_reward, enroll, enroll_in, program,
    purchase, reason, record, redeem, redemption, request_id, timestamp, update_program, usd,
};
use harness::holds::{held, hold};
use harness::house::{House, START};
use harness::offers::{change, offer, reward};
use pb::points_service_client::PointsServiceClient;
use pb::review_service_client::ReviewServiceClient;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;
use tonic::{Code, Status};

use crate::points_are_of_several_currencies::{COINS, coins};

in_process! {
    a_member_moves_only_so_much_in_an_hour_or_a_day;
    what_waits_is_done_once_or_never;
    many_adjustments_wait_for_one_approval;
    a_budget_of_the_program_holds_for_all_at_once;
    who_approves_too_late_is_told;
    what_makes_no_sense_does_not_wait;
    nobody_approves_of_a_higher_price;
}

const HOUR: i64 = 3_600_000_000;

fn hours(n: i64) -> Time {
    START.plus_micros(n * HOUR)
}

fn limit(limit_id: &str, movement: pb::Movement, window: pb::VelocityWindow) -> pb::VelocityLimit {
    pb::VelocityLimit {
        limit_id: limit_id.into(),
        movement: movement.into(),
        owner: pb::CapOwner::Member.into(),
        window: window.into(),
        breach: pb::VelocityBreach::Refuse.into(),
        ..Default::default()
    }
}

async fn create_limited(client: &Client, velocity_limits: Vec<pb::VelocityLimit>) {
    let wanted = pb::Program { velocity_limits: velocity_limits.clone(), ..program(PROGRAM) };
    assert_eq!(create_program_like(client, wanted).await.velocity_limits, velocity_limits);
}

pub(crate) fn adjustment(member_id: &str, points: i64) -> pb::AdjustPointsRequest {
    pb::AdjustPointsRequest {
        request_id: request_id(),
        member_id: member_id.into(),
        points,
        reason: "goodwill".into(),
        approver: "ben".into(),
        ..Default::default()
    }
}

async fn adjust(
    client: &Client,
    request: pb::AdjustPointsRequest,
) -> Result<pb::AdjustPointsResponse, Status> {
    Ok(PointsServiceClient::new(client.clone()).adjust_points(request).await?.into_inner())
}

pub(crate) async fn reviews(client: &Client, state: pb::ReviewState) -> Vec<pb::Review> {
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListReviewsRequest {
            program_id: PROGRAM.into(),
            state: state.into(),
            page_size: 2,
            page_token,
        };
        let page = ReviewServiceClient::new(client.clone()).list_reviews(request).await.unwrap().into_inner();
        found.extend(page.reviews);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return found;
        }
    }
}

pub(crate) fn approval(review: &pb::Review) -> pb::ApproveReviewRequest {
    pb::ApproveReviewRequest {
        request_id: request_id(),
        member_id: review.member_id.clone(),
        review_id: review.review_id.clone(),
        approver: "carla".into(),
        note: "called the customer".into(),
    }
}

pub(crate) async fn approve(
    client: &Client,
    request: pb::ApproveReviewRequest,
) -> Result<pb::ApproveReviewResponse, Status> {
    Ok(ReviewServiceClient::new(client.clone()).approve_review(request).await?.into_inner())
}

async fn reject(client: &Client, review: &pb::Review) -> Result<pb::RejectReviewResponse, Status> {
    let pb::ApproveReviewRequest { request_id, member_id, review_id, approver, note } = approval(review);
    let request = pb::RejectReviewRequest { request_id, member_id, review_id, approver, note };
    Ok(ReviewServiceClient::new(client.clone()).reject_review(request).await?.into_inner())
}

fn refused(status: &Status) -> (Code, String) {
    (status.code(), reason(status))
}

fn precondition(reason: &str) -> (Code, String) {
    (Code::FailedPrecondition, reason.to_owned())
}

async fn a_member_moves_only_so_much_in_an_hour_or_a_day(house: House) {
    use pb::Movement::{Earn, Redeem, Transfer};
    use pb::VelocityWindow::{Day, Hour};
    let client = house.client();
    let limits = vec![
        pb::VelocityLimit { count_max: Some(2), ..limit("quick", Redeem, Hour) },
        pb::VelocityLimit { points_max: Some(500), ..limit("gifts", Transfer, Day) },
        pb::VelocityLimit { points_max: Some(3_000), ..limit("earn", Earn, Day) },
    ];
    create_limited(&client, limits).await;
    create_reward(&client, "mug", 100, None).await;
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    record(&client, purchase(&anna, 2_000)).await.unwrap();
    let much = record(&client, purchase(&anna, 1_001)).await.unwrap_err();
    assert_eq!(refused(&much), precondition("VELOCITY_EXCEEDED"));
    record(&client, purchase(&anna, 1_000)).await.unwrap();
    // What happened on another day counts there.
    let mut late = purchase(&anna, 50);
    late.activity.as_mut().unwrap().occurred_time = Some(timestamp(hours(-24)));
    record(&client, late).await.unwrap();
    for _ in 0..2 {
        redeem(&client, redemption(&anna, "mug")).await.unwrap();
    }
    let third = redemption(&anna, "mug");
    assert_eq!(
        refused(&redeem(&client, third.clone()).await.unwrap_err()),
        precondition("VELOCITY_EXCEEDED")
    );
    let gift = |points| pb::TransferPointsRequest {
        request_id: request_id(),
        member_id: anna.clone(),
        to_member_id: ben.clone(),
        points,
        ..Default::default()
    };
    let mut points = PointsServiceClient::new(client.clone());
    points.transfer_points(gift(400)).await.unwrap();
    let much = points.transfer_points(gift(101)).await.unwrap_err();
    assert_eq!(refused(&much), precondition("VELOCITY_EXCEEDED"));
    points.transfer_points(gift(100)).await.unwrap();
    house.clock().advance_to(hours(1));
    assert_eq!(
        refused(&redeem(&client, third).await.unwrap_err()),
        precondition("VELOCITY_EXCEEDED"),
        "it is answered as before"
    );
    redeem(&client, redemption(&anna, "mug")).await.unwrap();
    assert!(points.transfer_points(gift(1)).await.is_err());
    house.clock().advance_to(hours(24));
    points.transfer_points(gift(1)).await.unwrap();
    assert_eq!(balance_of(&client, &anna).await.available, 3_050 - 300 - 501);

    // Limits change from now on.
    let unlimited = pb::Program { program_id: PROGRAM.into(), ..Default::default() };
    update_program(&client, unlimited, &["velocity_limits"]).await.unwrap();
    points.transfer_points(gift(600)).await.unwrap();
    house.end().await;
}

async fn what_waits_is_done_once_or_never(house: House) {
    let client = house.client();
    let limits = vec![pb::VelocityLimit {
        points_max: Some(1_000),
        breach: pb::VelocityBreach::Review.into(),
        ..limit("large", pb::Movement::Earn, pb::VelocityWindow::Day)
    }];
    create_limited(&client, limits).await;
    let anna = enroll(&client, "anna").await;
    let mut large = purchase(&anna, 1_500);
    large.activity.as_mut().unwrap().external_id = "order-1".into();
    assert_eq!(refused(&record(&client, large.clone()).await.unwrap_err()), precondition("REVIEW_REQUIRED"));
    assert_eq!(refused(&record(&client, large.clone()).await.unwrap_err()), precondition("REVIEW_REQUIRED"));
    assert_eq!(balance_of(&client, &anna).await.available, 0);
    record(&client, purchase(&anna, 900)).await.unwrap();
    let second = purchase(&anna, 200);
    assert_eq!(refused(&record(&client, second.clone()).await.unwrap_err()), precondition("REVIEW_REQUIRED"));
    let waiting = reviews(&client, pb::ReviewState::Open).await;
    assert_eq!(waiting.len(), 2, "asked twice, it waits once");
    let first = waiting.iter().find(|review| review.review_id == large.request_id).unwrap();
    assert_eq!((first.limit_id.as_str(), &first.member_id), ("large", &anna));
    assert_eq!(first.command, Some(pb::review::Command::RecordActivity(large.clone())));

    // Sixteen approve at once: it is done once, under one id and as one activity, of when it was told of.
    house.clock().advance_to(START.plus_micros(3_600_000_000));
    let calls = join_all((0..16).map(|_| approve(&client, approval(first)))).await;
    let done: Vec<_> = calls.iter().flatten().collect();
    assert_eq!(done.len(), 1);
    let activity = done[0].activity.as_ref().unwrap();
    assert_eq!((activity.points, activity.occurred_time), (1_500, first.create_time));
    assert_eq!(done[0].balance.as_ref().unwrap().available, 2_400);
    let over = calls.iter().filter_map(|call| call.as_ref().err()).map(reason);
    assert!(over.into_iter().all(|reason| reason == "REVIEW_OVER"));
    let other = waiting.iter().find(|review| review.review_id == second.request_id).unwrap();
    reject(&client, other).await.unwrap();
    let told = |status: Status| refused(&status);
    assert_eq!(approve(&client, approval(other)).await.map_err(told), Err(precondition("REVIEW_OVER")));
    assert_eq!(reject(&client, first).await.map_err(told), Err(precondition("REVIEW_OVER")));
    let unknown = pb::Review { review_id: request_id(), ..first.clone() };
    let missing = (Code::NotFound, "REVIEW_NOT_FOUND".to_owned());
    assert_eq!(approve(&client, approval(&unknown)).await.map_err(told), Err(missing.clone()));
    assert_eq!(reject(&client, &unknown).await.map_err(told), Err(missing));
    assert_eq!(balance_of(&client, &anna).await.available, 2_400);
    assert!(reviews(&client, pb::ReviewState::Open).await.is_empty());
    let decided = reviews(&client, pb::ReviewState::Approved).await;
    assert_eq!((decided[0].decided_by.as_str(), decided[0].note.as_str()), ("carla", "called the customer"));
    assert_eq!(reviews(&client, pb::ReviewState::Rejected).await.len(), 1);
    // Whoever sent it is answered as before, and what was approved counts.
    assert_eq!(refused(&record(&client, large).await.unwrap_err()), precondition("REVIEW_REQUIRED"));
    let next = record(&client, purchase(&anna, 1)).await.unwrap_err();
    assert_eq!(refused(&next), precondition("REVIEW_REQUIRED"));
    house.end().await;
}

async fn many_adjustments_wait_for_one_approval(house: House) {
    let client = house.client();
    create_program(&client).await;
    let mut members = Vec::new();
    for n in 0..5 {
        members.push(enroll(&client, &format!("member {n}")).await);
    }
    let mut requests: Vec<_> = members
        .iter()
        .map(|member| pb::AdjustPointsRequest { for_review: true, ..adjustment(member, 100) })
        .collect();
    requests.push(pb::AdjustPointsRequest { for_review: true, ..adjustment(&members[0], -150) });
    requests.push(adjustment(&request_id(), 1));
    let mut points = PointsServiceClient::new(client.clone());
    let asked = pb::BatchAdjustPointsRequest { requests: requests.clone(), mode: 0 };
    let results = points.batch_adjust_points(asked).await.unwrap().into_inner().results;
    let codes: Vec<i32> = results
        .iter()
        .map(|one| match &one.result {
            Some(pb::adjust_points_result::Result::Error(error)) => error.code,
            other => panic!("{other:?}"),
        })
        .collect();
    let (waits, unknown) = (Code::FailedPrecondition as i32, Code::NotFound as i32);
    assert_eq!(codes, [waits, waits, waits, waits, waits, waits, unknown]);
    let waiting = reviews(&client, pb::ReviewState::Open).await;
    assert_eq!(waiting.len(), 6);
    let request = pb::BatchApproveReviewsRequest { requests: waiting.iter().map(approval).collect() };
    let mut service = ReviewServiceClient::new(client.clone());
    let results = service.batch_approve_reviews(request.clone()).await.unwrap().into_inner().results;
    let done = |one: &&pb::ApproveReviewResult| {
        matches!(&one.result, Some(pb::approve_review_result::Result::Response(_)))
    };
    assert_eq!(results.iter().filter(done).count(), 5, "nobody owes what is taken by hand");
    let again = service.batch_approve_reviews(request).await.unwrap().into_inner().results;
    assert_eq!(again.iter().filter(done).count(), 5, "sent again, it is answered as before");
    let sums = join_all(members.iter().map(|member| balance_of(&client, member))).await;
    assert!(sums.iter().all(|balance| balance.available == 100), "{sums:?}");
    // What could not be done waits on, and is done once it can be.
    let left = reviews(&client, pb::ReviewState::Open).await;
    assert_eq!(left.len(), 1);
    adjust(&client, adjustment(&members[0], 70)).await.unwrap();
    approve(&client, approval(&left[0])).await.unwrap();
    assert_eq!(balance_of(&client, &members[0]).await.available, 20);
    house.end().await;
}

async fn a_budget_of_the_program_holds_for_all_at_once(house: House) {
    let client = house.client();
    let limits = vec![pb::VelocityLimit {
        points_max: Some(1_000),
        count_max: Some(1_000),
        owner: pb::CapOwner::Program.into(),
        ..limit("staff", pb::Movement::Adjust, pb::VelocityWindow::Month)
    }];
    create_limited(&client, limits).await;
    let members = join_all((0..16).map(|n| {
        let client = client.clone();
        async move { enroll(&client, &format!("member {n}")).await }
    }));
    let members = members.await;
    let given = join_all((0..64_usize).map(|n| adjust(&client, adjustment(&members[n % 16], 50)))).await;
    assert_eq!(given.iter().filter(|given| given.is_ok()).count(), 20);
    let refused = given.iter().filter_map(|given| given.as_ref().err()).map(reason);
    assert!(refused.into_iter().all(|reason| reason == "VELOCITY_EXCEEDED"));
    let sums = join_all(members.iter().map(|member| balance_of(&client, member))).await;
    assert_eq!(sums.iter().map(|balance| balance.available).sum::<i64>(), 1_000);
    // Another program has a limit of its own, or none.
    create_program_like(&client, program("other")).await;
    let stranger = enroll_in(&client, "other", "anna").await;
    adjust(&client, adjustment(&stranger, 5_000)).await.unwrap();
    house.end().await;
}

async fn what_makes_no_sense_does_not_wait(house: House) {
    let client = house.client();
    create_program(&client).await;
    let anna = enroll(&client, "anna").await;
    let request = || pb::AdjustPointsRequest { for_review: true, ..adjustment(&anna, 100) };
    let unknown = pb::AdjustPointsRequest { currency_code: "miles".into(), ..request() };
    let unknown = adjust(&client, unknown).await.unwrap_err();
    assert_eq!(refused(&unknown), (Code::NotFound, "POINT_CURRENCY_NOT_FOUND".into()));
    let version = adjust(&client, adjustment(&anna, 1)).await.unwrap().balance.unwrap().version;
    let stale = pb::AdjustPointsRequest { expected_version: version - 1, ..request() };
    let stale = adjust(&client, stale).await.unwrap_err();
    assert_eq!(refused(&stale), (Code::Aborted, "VERSION_MISMATCH".into()));
    assert!(reviews(&client, pb::ReviewState::Open).await.is_empty());
    // It was meant for the version that it was asked with.
    let meant = pb::AdjustPointsRequest { expected_version: version, ..request() };
    let waits = adjust(&client, meant).await.unwrap_err();
    assert_eq!(refused(&waits), precondition("REVIEW_REQUIRED"));
    adjust(&client, adjustment(&anna, 1)).await.unwrap();
    let waiting = reviews(&client, pb::ReviewState::Open).await;
    approve(&client, approval(&waiting[0])).await.unwrap();
    assert_eq!(balance_of(&client, &anna).await.available, 102);
    house.end().await;
}

async fn nobody_approves_of_a_higher_price(house: House) {
    let client = house.client();
    let limits = vec![pb::VelocityLimit {
        count_max: Some(0),
        breach: pb::VelocityBreach::Review.into(),
        ..limit("all", pb::Movement::Redeem, pb::VelocityWindow::Day)
    }];
    let further_currencies = vec![coins()];
    let wanted = pb::Program { velocity_limits: limits, further_currencies, ..program(PROGRAM) };
    create_program_like(&client, wanted).await;
    let anna = enroll(&client, "anna").await;
    adjust(&client, adjustment(&anna, 1_000)).await.unwrap();
    let coins = pb::AdjustPointsRequest { currency_code: COINS.into(), ..adjustment(&anna, 1_000) };
    adjust(&client, coins).await.unwrap();
    offer(&client, pb::Reward { price_money: Some(usd(5, 0)), ..reward("mug", 100) }).await.unwrap();
    for _ in 0..2 {
        let waits = redeem(&client, redemption(&anna, "mug")).await.unwrap_err();
        assert_eq!(refused(&waits), precondition("REVIEW_REQUIRED"));
    }
    let waits = held(&client, hold(&anna, "mug", 60)).await.unwrap_err();
    assert_eq!(refused(&waits), precondition("REVIEW_REQUIRED"));
    let waiting = reviews(&client, pb::ReviewState::Open).await;
    assert_eq!(waiting.len(), 3);
    for review in &waiting {
        assert_eq!((review.points, review.currency_code.as_str()), (Some(100), "points"));
        assert_eq!(review.money, Some(usd(5, 0)));
    }
    let price = |points, code: &str, dollars: i64| pb::Reward {
        currency_code: code.into(),
        price_money: (dollars > 0).then(|| usd(dollars, 0)),
        ..reward("mug", points)
    };
    let fields = ["price_points", "currency_code", "price_money"];
    for (points, code, dollars) in [(101, "", 5), (100, COINS, 5), (100, "", 6)] {
        change(&client, price(points, code, dollars), &fields).await.unwrap();
        for review in &waiting {
            let dearer = approve(&client, approval(review)).await.unwrap_err();
            assert_eq!(refused(&dearer), precondition("REVIEW_COSTS_MORE"));
        }
    }
    change(&client, price(90, "", 4), &fields).await.unwrap();
    for review in &waiting {
        let done = approve(&client, approval(review)).await.unwrap();
        assert_eq!(done.redemption.unwrap().points, 90);
    }
    assert_eq!(balance_of(&client, &anna).await.available, 1_000 - 3 * 90);
    house.end().await;
}

async fn who_approves_too_late_is_told(house: House) {
    let client = house.client();
    create_program(&client).await;
    let anna = enroll(&client, "anna").await;
    let request = pb::AdjustPointsRequest { for_review: true, ..adjustment(&anna, 100) };
    assert!(adjust(&client, request).await.is_err());
    let waiting = reviews(&client, pb::ReviewState::Open).await;
    let mut members = pb::member_service_client::MemberServiceClient::new(client.clone());
    let member_id = anna.clone();
    let close = pb::CloseMemberRequest { request_id: request_id(), member_id, reason: String::new() };
    members.close_member(close).await.unwrap();
    let late = approve(&client, approval(&waiting[0])).await.unwrap_err();
    assert_eq!(refused(&late), precondition("MEMBER_CLOSED"));
    let member_id = anna.clone();
    let erase = pb::EraseMemberRequest { request_id: request_id(), member_id, reason: String::new() };
    members.erase_member(erase).await.unwrap();
    let gone = approve(&client, approval(&waiting[0])).await.unwrap_err();
    assert_eq!(refused(&gone), (Code::NotFound, "REVIEW_NOT_FOUND".into()));
    assert_eq!(reviews(&client, pb::ReviewState::Open).await[0].command, None);
    reject(&client, &waiting[0]).await.unwrap();
    assert!(reviews(&client, pb::ReviewState::Open).await.is_empty());
    house.end().await;
}
