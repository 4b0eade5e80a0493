//! Points go from one member to another with the expiry that they have, whatever happens at the same time,
//! and not one is made or lost on the way.

use ambient::Time;
use futures::future::join_all;
use harness::calls::{
    PROGRAM, balance, balance_of, create_program, create_program_like, create_reward, enroll, enroll_in,
    program, purchase, reason, record, redeem, redemption, request_id, timestamp, usd,
};
use harness::house::{House, START};
use pb::points_service_client::PointsServiceClient;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;
use tonic::{Code, Status};

in_process! {
    a_gift_keeps_its_expiry_and_says_where_it_came_from;
    who_owes_repays_from_a_gift;
    a_gift_that_is_refused_changes_nobody;
    two_members_give_to_each_other_at_once;
    more_gifts_than_there_are_points;
    a_purchase_is_taken_back_from_who_earned_it;
    everything_that_moves_is_settled_first;
    whose_clock_is_behind_decides_at_the_later_moment;
}

/// A replica whose clock is ahead has just written the other wallet.
async fn whose_clock_is_behind_decides_at_the_later_moment(house: House) {
    let client = house.client();
    let window = Some(pb::tier_policy::Window::RollingMonths(3));
    let tier_policy = Some(pb::TierPolicy { window, ..Default::default() });
    create_program_like(&client, pb::Program { tier_policy, ..program(PROGRAM) }).await;
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    record(&client, purchase(&anna, 1_200)).await.unwrap();
    house.clock().advance_to(day(50));
    record(&client, purchase(&anna, 100)).await.unwrap();
    let ahead = format!("UPDATE wallet SET now = {} WHERE issued = 0", day(100).micros());
    assert_eq!(house.execute(&ahead).await, 1);
    let given = give(&client, gift(&anna, &ben, 60)).await.unwrap().balance.unwrap();
    assert_eq!((given.available, given.expired), (40, 1_200));
    house.clock().advance_to(day(100));
    let request = pb::GetBalanceRequest { member_id: anna, ..Default::default() };
    let tier = balance(&client, request).await.unwrap().tier.unwrap();
    assert_eq!((tier.tier_id.as_str(), tier.progress), ("silver", Some(usd(100, 0))));
    house.end().await;
}

fn day(n: i64) -> Time {
    START.plus_micros(n * 86_400_000_000)
}

fn gift(from: &str, to: &str, points: i64) -> pb::TransferPointsRequest {
    pb::TransferPointsRequest {
        currency_code: String::new(),
        request_id: request_id(),
        member_id: from.into(),
        to_member_id: to.into(),
        points,
        note: "for your birthday".into(),
        expected_version: 0,
    }
}

async fn give(
    client: &Client,
    request: pb::TransferPointsRequest,
) -> Result<pb::TransferPointsResponse, Status> {
    Ok(PointsServiceClient::new(client.clone()).transfer_points(request).await?.into_inner())
}

async fn lots(client: &Client, member_id: &str) -> Vec<pb::Lot> {
    let request = pb::ListLotsRequest { member_id: member_id.into(), ..Default::default() };
    PointsServiceClient::new(client.clone()).list_lots(request).await.unwrap().into_inner().lots
}

async fn postings(client: &Client, member_id: &str) -> Vec<pb::Posting> {
    let request = pb::ListPostingsRequest { member_id: member_id.into(), ..Default::default() };
    PointsServiceClient::new(client.clone()).list_postings(request).await.unwrap().into_inner().postings
}

async fn available(client: &Client, member_id: &str) -> i64 {
    balance_of(client, member_id).await.available
}

async fn a_gift_keeps_its_expiry_and_says_where_it_came_from(house: House) {
    let client = house.client();
    create_program(&client).await;
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    record(&client, purchase(&anna, 100)).await.unwrap();
    house.clock().advance_to(day(30));
    record(&client, purchase(&anna, 50)).await.unwrap();
    house.clock().advance_to(day(40));
    let request = gift(&anna, &ben, 120);
    let given = give(&client, request.clone()).await.unwrap();
    let left = given.balance.clone().unwrap();
    assert_eq!((left.available, left.issued, left.transferred), (30, 150, -120));
    let again = give(&client, request).await.unwrap();
    assert_eq!(again, pb::TransferPointsResponse { replayed: true, ..given });

    let of_ben = balance_of(&client, &ben).await;
    assert_eq!((of_ben.available, of_ben.issued, of_ben.transferred), (120, 0, 120));
    let told: Vec<_> = lots(&client, &ben).await;
    let known: Vec<_> = told
        .iter()
        .map(|lot| (lot.points, lot.remaining, lot.expire_time, lot.origin_lot_number, &lot.origin_wallet_id))
        .collect();
    let expected =
        [(100, 100, Some(timestamp(day(90))), 1, &anna), (20, 20, Some(timestamp(day(120))), 2, &anna)];
    assert_eq!(known, expected);
    let (out, received) = (&postings(&client, &anna).await[0], &postings(&client, &ben).await[0]);
    use pb::Account::{Available, Transfer};
    assert_eq!((out.debit_account(), out.credit_account()), (Available, Transfer));
    assert_eq!((received.debit_account(), received.credit_account()), (Transfer, Available));
    assert_eq!((&out.other_wallet_id, &received.other_wallet_id), (&ben, &anna));
    assert_eq!((out.points, received.points), (120, 120));
    assert_eq!((out.reason(), received.note.as_str()), (pb::PostingReason::Transfer, "for your birthday"));
    assert_eq!((&out.actor_member_id, &received.actor_member_id), (&anna, &anna));

    // Ben may pass it on, and it still ends when it would have.
    let carla = enroll(&client, "carla").await;
    give(&client, gift(&ben, &carla, 110)).await.unwrap();
    house.clock().advance_to(day(90));
    let sums = [&anna, &ben, &carla].map(|member| available(&client, member));
    assert_eq!(join_all(sums).await, [30, 10, 10]);
    house.clock().advance_to(day(120));
    let sums = [&anna, &ben, &carla].map(|member| available(&client, member));
    assert_eq!(join_all(sums).await, [0, 0, 0]);
    house.end().await;
}

async fn who_owes_repays_from_a_gift(house: House) {
    let client = house.client();
    let return_policy = pb::ReturnPolicy::Unlimited.into();
    create_program_like(&client, pb::Program { return_policy, ..program(PROGRAM) }).await;
    create_reward(&client, "mug", 100, None).await;
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    let bought = record(&client, purchase(&ben, 100)).await.unwrap().activity.unwrap();
    redeem(&client, redemption(&ben, "mug")).await.unwrap();
    let back = pb::ReverseActivityRequest {
        request_id: request_id(),
        member_id: ben.clone(),
        activity: Some(pb::reverse_activity_request::Activity::ActivityId(bought.activity_id)),
        returned: Some(pb::reverse_activity_request::Returned::Whole(true)),
        ..Default::default()
    };
    let mut activities = pb::activity_service_client::ActivityServiceClient::new(client.clone());
    activities.reverse_activity(back).await.unwrap();
    assert_eq!(balance_of(&client, &ben).await.arrears, 100);
    record(&client, purchase(&anna, 250)).await.unwrap();
    give(&client, gift(&anna, &ben, 40)).await.unwrap();
    let owes = balance_of(&client, &ben).await;
    assert_eq!((owes.arrears, owes.available), (60, 0));
    give(&client, gift(&anna, &ben, 90)).await.unwrap();
    let rest = balance_of(&client, &ben).await;
    assert_eq!((rest.arrears, rest.available), (0, 30));
    house.end().await;
}

async fn a_gift_that_is_refused_changes_nobody(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_program_like(&client, program("other")).await;
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    let stranger = enroll_in(&client, "other", "anna").await;
    let nobody = request_id();
    record(&client, purchase(&anna, 100)).await.unwrap();
    let told = async |request: pb::TransferPointsRequest| {
        let status = give(&client, request).await.unwrap_err();
        (status.code(), reason(&status))
    };
    let refused = |code, reason: &str| (code, reason.to_owned());
    use Code::{Aborted, FailedPrecondition, InvalidArgument, NotFound};
    assert_eq!(told(gift(&anna, &ben, 101)).await, refused(FailedPrecondition, "INSUFFICIENT_POINTS"));
    assert_eq!(told(gift(&anna, &nobody, 1)).await, refused(NotFound, "RECIPIENT_NOT_FOUND"));
    assert_eq!(told(gift(&anna, &stranger, 1)).await, refused(NotFound, "RECIPIENT_NOT_FOUND"));
    assert_eq!(told(gift(&nobody, &anna, 1)).await, refused(NotFound, "MEMBER_NOT_FOUND"));
    assert_eq!(told(gift(&anna, &anna, 1)).await, refused(InvalidArgument, "FIELDS_INVALID"));
    assert_eq!(told(gift(&anna, &ben, 0)).await, refused(InvalidArgument, "FIELDS_INVALID"));
    assert_eq!(told(gift(&anna, &ben, i64::MAX)).await, refused(InvalidArgument, "FIELDS_INVALID"));
    let late = pb::TransferPointsRequest { expected_version: 1, ..gift(&anna, &ben, 1) };
    assert_eq!(told(late).await, refused(Aborted, "VERSION_MISMATCH"));
    let mut members = pb::member_service_client::MemberServiceClient::new(client.clone());
    let (member_id, why) = (ben.clone(), "lost card".to_owned());
    let suspend = pb::SuspendMemberRequest { request_id: request_id(), member_id, reason: why };
    members.suspend_member(suspend).await.unwrap();
    assert_eq!(told(gift(&anna, &ben, 1)).await, refused(FailedPrecondition, "RECIPIENT_SUSPENDED"));
    assert_eq!(told(gift(&ben, &anna, 1)).await, refused(FailedPrecondition, "MEMBER_SUSPENDED"));
    let close =
        pb::CloseMemberRequest { request_id: request_id(), member_id: ben.clone(), reason: String::new() };
    members.close_member(close).await.unwrap();
    assert_eq!(told(gift(&anna, &ben, 1)).await, refused(FailedPrecondition, "RECIPIENT_CLOSED"));
    assert_eq!((available(&client, &anna).await, available(&client, &ben).await), (100, 0));
    assert_eq!(postings(&client, &anna).await.len(), 1);
    assert_eq!(available(&client, &stranger).await, 0);
    house.end().await;
}

async fn two_members_give_to_each_other_at_once(house: House) {
    let client = house.client();
    create_program(&client).await;
    let members = join_all((0..4).map(|n| {
        let client = client.clone();
        async move { enroll(&client, &format!("member {n}")).await }
    }));
    let members = members.await;
    for member in &members {
        record(&client, purchase(member, 1_000)).await.unwrap();
    }
    let gifts = (0..64_usize).flat_map(|n| {
        let (a, b, c) = (&members[n % 4], &members[(n + 1) % 4], &members[(n + 2) % 4]);
        [gift(a, b, 7), gift(b, a, 5), gift(a, c, 3)]
    });
    let done = join_all(gifts.map(|request| give(&client, request))).await;
    assert!(done.iter().all(Result::is_ok), "{:?}", done.iter().find(|given| given.is_err()));
    // Each gives 7 and 3 to, and gets 5 from, others as often as they do it.
    for member in &members {
        assert_eq!(available(&client, member).await, 1_000);
        assert_eq!(balance_of(&client, member).await.transferred, 0);
    }
    house.end().await;
}

async fn more_gifts_than_there_are_points(house: House) {
    let client = house.client();
    create_program(&client).await;
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    record(&client, purchase(&anna, 1_050)).await.unwrap();
    let given = join_all((0..20).map(|_| give(&client, gift(&anna, &ben, 100)))).await;
    assert_eq!(given.iter().filter(|given| given.is_ok()).count(), 10);
    let refused = given.into_iter().filter_map(Result::err).map(|status| reason(&status));
    assert!(refused.into_iter().all(|reason| reason == "INSUFFICIENT_POINTS"));
    assert_eq!((available(&client, &anna).await, available(&client, &ben).await), (50, 1_000));
    house.end().await;
}

async fn a_purchase_is_taken_back_from_who_earned_it(house: House) {
    let client = house.client();
    create_program(&client).await;
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    let bought = record(&client, purchase(&anna, 100)).await.unwrap().activity.unwrap();
    give(&client, gift(&anna, &ben, 70)).await.unwrap();
    let back = pb::ReverseActivityRequest {
        request_id: request_id(),
        member_id: anna.clone(),
        activity: Some(pb::reverse_activity_request::Activity::ActivityId(bought.activity_id)),
        returned: Some(pb::reverse_activity_request::Returned::Whole(true)),
        ..Default::default()
    };
    let mut activities = pb::activity_service_client::ActivityServiceClient::new(client.clone());
    let reversal = activities.reverse_activity(back).await.unwrap().into_inner().reversal.unwrap();
    assert_eq!((reversal.points_owed, reversal.points_waived), (100, 70));
    assert_eq!((available(&client, &anna).await, available(&client, &ben).await), (0, 70));
    house.end().await;
}

async fn everything_that_moves_is_settled_first(house: House) {
    let client = house.client();
    create_program(&client).await;
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    for member in [&anna, &ben] {
        record(&client, purchase(member, 100)).await.unwrap();
    }
    house.clock().advance_to(day(60));
    record(&client, purchase(&anna, 30)).await.unwrap();
    house.clock().advance_to(day(90));
    // What expired cannot be given, and what the other one has is settled in the same commit.
    let status = give(&client, gift(&anna, &ben, 31)).await.unwrap_err();
    assert_eq!(reason(&status), "INSUFFICIENT_POINTS");
    give(&client, gift(&anna, &ben, 30)).await.unwrap();
    let of_ben = balance_of(&client, &ben).await;
    assert_eq!((of_ben.available, of_ben.expired), (30, 100));
    let reasons: Vec<_> = postings(&client, &ben).await.iter().map(pb::Posting::reason).collect();
    use pb::PostingReason::{Earn, Expire, Transfer};
    assert_eq!(reasons, [Transfer, Expire, Earn]);
    // The day before, Ben had what was his, and nothing of Anna's.
    let past = pb::GetBalanceRequest {
        member_id: ben.clone(),
        as_of: Some(timestamp(day(89))),
        ..Default::default()
    };
    let past = PointsServiceClient::new(client.clone()).get_balance(past).await.unwrap().into_inner();
    assert_eq!(past.balance.unwrap().available, 100);
    house.end().await;
}
