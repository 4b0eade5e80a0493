//! Points may wait for their release, and an activity may be confirmed, cancelled and taken back: whole or
//! in part, once per request, with its points, its tier and its place in lists corrected.

use ambient::Time;
use futures::future::join_all;
use harness::calls::{
    balance_of, create_program, create_program_like, create_reward, enroll, enroll_in, program, purchase,
    reason, record, redeem, redemption, request_id, timestamp, usd,
};
use harness::house::{House, START};
use pb::activity_service_client::ActivityServiceClient;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;
use tonic::{Code, Status};

in_process! {
    pending_points_are_released_when_they_are_due_or_confirmed;
    the_worker_releases_what_nobody_asks_for;
    a_cancelled_order_leaves_no_trace_in_the_balance;
    what_waits_for_a_confirmation_may_end_in_any_way;
    a_return_is_made_once_however_often_it_is_asked_for;
    what_was_spent_is_repaid_by_later_points;
    a_return_is_refused_by_name;
    twenty_gifts_at_once_are_twenty_gifts;
}

const DAY: i64 = 86_400_000_000;

fn day(n: i64) -> Time {
    START.plus_micros(n * DAY)
}

fn order(member_id: &str, units: i64, key: &str) -> pb::RecordActivityRequest {
    let mut request = purchase(member_id, units);
    request.activity.as_mut().unwrap().external_id = key.into();
    request
}

async fn create_with(
    client: &Client,
    release: Option<pb::release_policy::Policy>,
    returns: pb::ReturnPolicy,
) {
    let wanted = pb::Program {
        release_policy: release.map(|policy| pb::ReleasePolicy { policy: Some(policy) }),
        return_policy: returns.into(),
        ..program(harness::calls::PROGRAM)
    };
    let created = create_program_like(client, wanted.clone()).await;
    assert_eq!(
        (created.release_policy, created.return_policy),
        (wanted.release_policy, wanted.return_policy)
    );
}

async fn confirm(client: &Client, member_id: &str, key: &str) -> Result<pb::ConfirmActivityResponse, Status> {
    let request = pb::ConfirmActivityRequest {
        request_id: request_id(),
        member_id: member_id.into(),
        activity: Some(pb::confirm_activity_request::Activity::ExternalId(key.into())),
    };
    Ok(ActivityServiceClient::new(client.clone()).confirm_activity(request).await?.into_inner())
}

async fn cancel(client: &Client, member_id: &str, key: &str) -> Result<pb::CancelActivityResponse, Status> {
    let request = pb::CancelActivityRequest {
        request_id: request_id(),
        member_id: member_id.into(),
        activity: Some(pb::cancel_activity_request::Activity::ExternalId(key.into())),
        reason: "changed their mind".into(),
    };
    Ok(ActivityServiceClient::new(client.clone()).cancel_activity(request).await?.into_inner())
}

fn returned(member_id: &str, key: &str, units: Option<i64>) -> pb::ReverseActivityRequest {
    use pb::reverse_activity_request::{Activity, Returned};
    pb::ReverseActivityRequest {
        request_id: request_id(),
        member_id: member_id.into(),
        activity: Some(Activity::ExternalId(key.into())),
        returned: Some(units.map_or(Returned::Whole(true), |units| Returned::Amount(usd(units, 0)))),
        reason: "broken".into(),
    }
}

async fn reverse(
    client: &Client,
    request: pb::ReverseActivityRequest,
) -> Result<pb::ReverseActivityResponse, Status> {
    Ok(ActivityServiceClient::new(client.clone()).reverse_activity(request).await?.into_inner())
}

async fn activity(client: &Client, member_id: &str, key: &str) -> Result<pb::Activity, Status> {
    let request = pb::GetActivityRequest {
        member_id: member_id.into(),
        activity: Some(pb::get_activity_request::Activity::ExternalId(key.into())),
    };
    let response = ActivityServiceClient::new(client.clone()).get_activity(request).await?.into_inner();
    Ok(response.activity.unwrap())
}

async fn pending_points_are_released_when_they_are_due_or_confirmed(house: House) {
    let client = house.client();
    create_with(&client, Some(pb::release_policy::Policy::AfterDays(14)), pb::ReturnPolicy::WithinBalance)
        .await;
    let member = enroll(&client, "anna").await;
    record(&client, order(&member, 100, "first")).await.unwrap();
    record(&client, order(&member, 30, "second")).await.unwrap();
    let before = balance_of(&client, &member).await;
    assert_eq!((before.pending, before.available), (130, 0));
    let refused = redeem(&client, redemption(&member, "mug")).await.unwrap_err();
    assert_eq!(reason(&refused), "REWARD_NOT_FOUND");
    assert_eq!(confirm(&client, &member, "second").await.unwrap().points_released, 30);
    let mut points = pb::points_service_client::PointsServiceClient::new(client.clone());
    let list = pb::ListLotsRequest { member_id: member.clone(), open_only: true, ..Default::default() };
    let lots = points.list_lots(list).await.unwrap().into_inner().lots;
    assert_eq!(lots.iter().map(|lot| lot.pending).collect::<Vec<_>>(), [true, false]);
    assert_eq!(lots[0].activate_time, Some(timestamp(day(14))));
    house.clock().advance_to(day(14).plus_micros(-1));
    assert_eq!(balance_of(&client, &member).await.available, 30);
    house.clock().advance_to(day(14));
    let after = balance_of(&client, &member).await;
    assert_eq!((after.pending, after.available), (0, 130));
    // The early one ends 90 days after its planned release, like the other.
    assert_eq!(after.next_expire_time, Some(timestamp(day(104))));
    let past = pb::GetBalanceRequest {
        member_id: member.clone(),
        view: pb::BalanceView::Full.into(),
        as_of: Some(timestamp(day(14).plus_micros(-1))),
        ..Default::default()
    };
    let past = points.get_balance(past).await.unwrap().into_inner().balance.unwrap();
    assert_eq!((past.pending, past.available), (100, 30));
    assert_eq!(past.expiries.iter().map(|bucket| bucket.points).sum::<i64>(), 30);
    house.end().await;
}

async fn the_worker_releases_what_nobody_asks_for(house: House) {
    let client = house.client();
    create_with(&client, Some(pb::release_policy::Policy::AfterDays(1)), pb::ReturnPolicy::WithinBalance)
        .await;
    let mut members = Vec::new();
    for n in 0..20 {
        let member = enroll(&client, &format!("member-{n}")).await;
        record(&client, order(&member, 10 + n, "only")).await.unwrap();
        members.push(member);
    }
    house.clock().advance_to(day(2));
    house.settle().await;
    let mut points = pb::points_service_client::PointsServiceClient::new(client.clone());
    for (member_id, n) in members.into_iter().zip(0..) {
        let request = pb::ListPostingsRequest { member_id, ..Default::default() };
        let postings = points.list_postings(request).await.unwrap().into_inner().postings;
        let released = &postings[0];
        assert_eq!((released.reason(), released.points), (pb::PostingReason::Release, 10 + n));
        assert_eq!(released.effective_time, Some(timestamp(day(1))));
        assert_eq!(postings.len(), 2, "released once");
    }
    house.end().await;
}

async fn a_cancelled_order_leaves_no_trace_in_the_balance(house: House) {
    let client = house.client();
    let on_confirmation = pb::release_policy::Policy::OnConfirmation(true);
    create_with(&client, Some(on_confirmation), pb::ReturnPolicy::WithinBalance).await;
    let member = enroll(&client, "anna").await;
    record(&client, order(&member, 1_000, "cancelled")).await.unwrap();
    record(&client, order(&member, 40, "kept")).await.unwrap();
    let done = cancel(&client, &member, "cancelled").await.unwrap();
    assert_eq!(done.activity.unwrap().state(), pb::ActivityState::Cancelled);
    let balance = balance_of(&client, &member).await;
    assert_eq!((balance.pending, balance.issued, balance.reversed), (40, 1_040, 1_000));
    let request = pb::GetBalanceRequest { member_id: member.clone(), ..Default::default() };
    let tier = harness::calls::balance(&client, request).await.unwrap().tier.unwrap();
    assert_eq!((tier.tier_id.as_str(), tier.progress), ("base", Some(usd(40, 0))));
    assert_eq!(reason(&confirm(&client, &member, "cancelled").await.unwrap_err()), "ACTIVITY_OVER");
    confirm(&client, &member, "kept").await.unwrap();
    assert_eq!(reason(&cancel(&client, &member, "kept").await.unwrap_err()), "ACTIVITY_RELEASED");
    house.end().await;
}

async fn what_waits_for_a_confirmation_may_end_in_any_way(house: House) {
    use pb::expiry_policy::Policy;
    let client = house.client();
    let annual = pb::AnnualExpiry { month: 12, day: 31, years_later: 0 };
    let policies = [Policy::RollingDays(30), Policy::RollingMonths(1), Policy::Annual(annual)];
    for (n, policy) in policies.into_iter().enumerate() {
        for (m, round_to) in [pb::ExpiryPeriod::Unspecified, pb::ExpiryPeriod::Year].into_iter().enumerate() {
            let program_id = format!("club-{n}-{m}");
            let on_confirmation = pb::release_policy::Policy::OnConfirmation(true);
            let expiry = pb::ExpiryPolicy { policy: Some(policy), round_to: round_to.into(), sliding: false };
            let wanted = pb::Program {
                release_policy: Some(pb::ReleasePolicy { policy: Some(on_confirmation) }),
                expiry_policy: Some(expiry),
                ..program(&program_id)
            };
            create_program_like(&client, wanted).await;
            let member = enroll_in(&client, &program_id, "anna").await;
            record(&client, order(&member, 1_000, "a")).await.unwrap();
            record(&client, order(&member, 100, "b")).await.unwrap();
            cancel(&client, &member, "a").await.unwrap();
            confirm(&client, &member, "b").await.unwrap();
            assert_eq!(balance_of(&client, &member).await.available, 100, "{policy:?} {round_to:?}");
        }
    }
    house.end().await;
}

async fn a_return_is_made_once_however_often_it_is_asked_for(house: House) {
    let client = house.client();
    create_program(&client).await;
    let member = enroll(&client, "anna").await;
    record(&client, order(&member, 1_200, "order-7")).await.unwrap();
    let request = returned(&member, "order-7", Some(300));
    let answers = join_all((0..20).map(|_| reverse(&client, request.clone()))).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
    for answer in answers {
        assert_eq!(answer.reversal.unwrap().points_owed, 300);
    }
    assert_eq!(balance_of(&client, &member).await.available, 900);
    let partly = activity(&client, &member, "order-7").await.unwrap();
    assert_eq!(partly.state(), pb::ActivityState::PartlyReversed);
    assert_eq!((partly.points_reversed, partly.amount_returned), (300, Some(usd(300, 0))));
    house.clock().advance_to(day(1));
    record(&client, order(&member, 5, "order-8")).await.unwrap();
    let rest = reverse(&client, returned(&member, "order-7", None)).await.unwrap();
    assert_eq!(rest.reversal.unwrap().points_from_available, 900);
    assert_eq!(balance_of(&client, &member).await.available, 5);
    let list = pb::ListActivitiesRequest { member_id: member.clone(), ..Default::default() };
    let listed = ActivityServiceClient::new(client.clone()).list_activities(list).await.unwrap().into_inner();
    let states: Vec<_> = listed.activities.iter().map(|a| (a.external_id.as_str(), a.state())).collect();
    assert_eq!(states, [("order-8", pb::ActivityState::Recorded), ("order-7", pb::ActivityState::Reversed)]);
    house.end().await;
}

async fn what_was_spent_is_repaid_by_later_points(house: House) {
    let client = house.client();
    create_with(&client, None, pb::ReturnPolicy::Unlimited).await;
    create_reward(&client, "mug", 100, None).await;
    let member = enroll(&client, "anna").await;
    record(&client, order(&member, 120, "order-7")).await.unwrap();
    redeem(&client, redemption(&member, "mug")).await.unwrap();
    let back = reverse(&client, returned(&member, "order-7", None)).await.unwrap();
    let reversal = back.reversal.unwrap();
    assert_eq!((reversal.points_from_available, reversal.points_in_arrears), (20, 100));
    record(&client, order(&member, 60, "order-8")).await.unwrap();
    let owing = balance_of(&client, &member).await;
    assert_eq!((owing.available, owing.arrears), (0, 40));
    record(&client, order(&member, 60, "order-9")).await.unwrap();
    let free = balance_of(&client, &member).await;
    assert_eq!((free.available, free.arrears, free.version - owing.version), (20, 0, 1));
    house.end().await;
}

async fn a_return_is_refused_by_name(house: House) {
    let client = house.client();
    create_program(&client).await;
    let member = enroll(&client, "anna").await;
    let missing = reverse(&client, returned(&member, "nothing", None)).await.unwrap_err();
    assert_eq!((missing.code(), reason(&missing).as_str()), (Code::NotFound, "ACTIVITY_NOT_FOUND"));
    assert_eq!(activity(&client, &member, "nothing").await.unwrap_err().code(), Code::NotFound);
    record(&client, order(&member, 50, "order-7")).await.unwrap();
    let other = enroll(&client, "ben").await;
    let foreign = reverse(&client, returned(&other, "order-7", None)).await.unwrap_err();
    assert_eq!(reason(&foreign), "ACTIVITY_NOT_FOUND");
    let more = reverse(&client, returned(&member, "order-7", Some(51))).await.unwrap_err();
    assert_eq!((more.code(), reason(&more).as_str()), (Code::FailedPrecondition, "RETURN_EXCEEDS_ACTIVITY"));
    let nothing = reverse(&client, returned(&member, "order-7", Some(0))).await.unwrap_err();
    assert_eq!((nothing.code(), reason(&nothing).as_str()), (Code::InvalidArgument, "FIELDS_INVALID"));
    assert!(nothing.message().starts_with("amount: must be more than nothing"), "{}", nothing.message());
    let untouched = activity(&client, &member, "order-7").await.unwrap();
    assert_eq!(untouched.state(), pb::ActivityState::Recorded);
    let mut foreign = returned(&member, "order-7", Some(1));
    let euros = proto::google::r#type::Money { currency_code: "EUR".into(), ..usd(1, 0) };
    foreign.returned = Some(pb::reverse_activity_request::Returned::Amount(euros));
    assert_eq!(reason(&reverse(&client, foreign).await.unwrap_err()), "CURRENCY_MISMATCH");
    reverse(&client, returned(&member, "order-7", Some(50))).await.unwrap();
    let over = reverse(&client, returned(&member, "order-7", None)).await.unwrap_err();
    assert_eq!((over.code(), reason(&over).as_str()), (Code::FailedPrecondition, "ACTIVITY_OVER"));
    assert_eq!(balance_of(&client, &member).await.available, 0);
    house.end().await;
}

async fn twenty_gifts_at_once_are_twenty_gifts(house: House) {
    let client = house.client();
    create_program(&client).await;
    let member = enroll(&client, "anna").await;
    let gift = |_| {
        let mut points = pb::points_service_client::PointsServiceClient::new(client.clone());
        let request = pb::AdjustPointsRequest {
            currency_code: String::new(),
            request_id: request_id(),
            member_id: member.clone(),
            points: 100,
            reason: "gift".into(),
            approver: "chief".into(),
            expected_version: 0,
            for_review: false,
        };
        async move { points.adjust_points(request).await.unwrap() }
    };
    join_all((0..20).map(gift)).await;
    let balance = balance_of(&client, &member).await;
    assert_eq!((balance.available, balance.adjusted), (2_000, 2_000));
    house.end().await;
}
