//! Who asked for what, when, and what became of it can be read for every member and every program: what was
//! done and what was refused, until the member is erased.

use ambient::Time;
use futures::future::join_all;
use harness::calls::{
    PROGRAM, create_program, create_reward, enroll, purchase, reason, record, redeem, redemption, request_id,
    timestamp,
};
use harness::house::{House, START};
use pb::audit_service_client::AuditServiceClient;
use pb::list_requests_request::Scope;
use pb::points_service_client::PointsServiceClient;
use prost::Message;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;
use tonic::{Code, Status};

use crate::limits_hold::adjustment;

in_process! {
    what_was_asked_is_listed_with_its_outcome;
    pages_hold_each_call_once;
    what_was_erased_is_gone_but_for_the_fact;
}

const DAY: i64 = 86_400_000_000;

fn day(n: i64) -> Time {
    START.plus_micros(n * DAY)
}

fn of_member(member_id: &str) -> Scope {
    Scope::MemberId(member_id.into())
}

fn of_program() -> Scope {
    Scope::ProgramId(PROGRAM.into())
}

async fn page(
    client: &Client,
    scope: Scope,
    filter: pb::RequestFilter,
    (page_size, page_token): (i32, String),
) -> Result<pb::ListRequestsResponse, Status> {
    let request = pb::ListRequestsRequest { scope: Some(scope), filter: Some(filter), page_size, page_token };
    Ok(AuditServiceClient::new(client.clone()).list_requests(request).await?.into_inner())
}

async fn listed(client: &Client, scope: Scope, filter: pb::RequestFilter) -> Vec<pb::RecordedRequest> {
    page(client, scope, filter, (0, String::new())).await.unwrap().requests
}

fn methods(found: &[pb::RecordedRequest]) -> Vec<&str> {
    found.iter().map(|of| of.method.as_str()).collect()
}

async fn what_was_asked_is_listed_with_its_outcome(house: House) {
    use pb::RequestOutcome::{Done, Refused};
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 500, None).await;
    let anna = enroll(&client, "anna").await;
    house.clock().advance_to(day(1));
    record(&client, purchase(&anna, 30)).await.unwrap();
    house.clock().advance_to(day(2));
    let extend = pb::ExtendExpiryRequest {
        request_id: request_id(),
        member_id: anna.clone(),
        expiring_before: Some(timestamp(day(100))),
        expire_time: Some(timestamp(day(200))),
        reason: "the shop was closed".into(),
        approver: "chief".into(),
        ..Default::default()
    };
    PointsServiceClient::new(client.clone()).extend_expiry(extend.clone()).await.unwrap();
    house.clock().advance_to(day(3));
    let mug = redemption(&anna, "mug");
    assert_eq!(reason(&redeem(&client, mug.clone()).await.unwrap_err()), "INSUFFICIENT_POINTS");

    let all = listed(&client, of_member(&anna), pb::RequestFilter::default()).await;
    assert_eq!(methods(&all), ["RedeemReward", "ExtendExpiry", "RecordActivity"]);
    let [refused, extended, bought] = &all[..] else { panic!("{all:?}") };
    assert_eq!((refused.outcome(), extended.outcome()), (Refused, Done));
    let error = refused.error.clone().unwrap();
    assert_eq!(error.code, Code::FailedPrecondition as i32);
    let why = Status::with_details(error.code.into(), "", error.encode_to_vec().into());
    assert_eq!(reason(&why), "INSUFFICIENT_POINTS");
    assert_eq!((refused.request_id.as_str(), extended.error.as_ref()), (mug.request_id.as_str(), None));
    assert_eq!(extended.create_time, Some(timestamp(day(2))));
    let asked = extended.request.clone().unwrap();
    assert_eq!(asked.type_url, "type.googleapis.com/rapport.loyalty.v1.ExtendExpiryRequest");
    assert_eq!(pb::ExtendExpiryRequest::decode(asked.value.as_slice()), Ok(extend));
    assert!(all.iter().all(|of| of.subject == bought.subject && !of.subject.is_empty()));

    let chosen = async |filter: pb::RequestFilter| {
        let found = listed(&client, of_member(&anna), filter).await;
        found.into_iter().map(|of| of.method).collect::<Vec<_>>().join(" ")
    };
    let none = pb::RequestFilter::default;
    let of = |methods: &[&str]| methods.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(chosen(pb::RequestFilter { methods: of(&["ExtendExpiry"]), ..none() }).await, "ExtendExpiry");
    let two = of(&["ExtendExpiry", "RecordActivity"]);
    assert_eq!(chosen(pb::RequestFilter { methods: two, ..none() }).await, "ExtendExpiry RecordActivity");
    assert_eq!(chosen(pb::RequestFilter { outcome: Refused.into(), ..none() }).await, "RedeemReward");
    let outcome = Done.into();
    assert_eq!(chosen(pb::RequestFilter { outcome, ..none() }).await, "ExtendExpiry RecordActivity");
    let request_id = bought.request_id.clone();
    assert_eq!(chosen(pb::RequestFilter { request_id, ..none() }).await, "RecordActivity");
    assert_eq!(chosen(pb::RequestFilter { subject: "nobody".into(), ..none() }).await, "");
    let (create_since, create_before) = (Some(timestamp(day(2))), Some(timestamp(day(3))));
    assert_eq!(chosen(pb::RequestFilter { create_since, create_before, ..none() }).await, "ExtendExpiry");

    others_are_lists_of_their_own(&client, &anna).await;
    house.end().await;
}

/// What names the program alone is its own list, and what does not exist has none.
async fn others_are_lists_of_their_own(client: &Client, anna: &str) {
    let of_club = listed(client, of_program(), pb::RequestFilter::default()).await;
    let mut names = methods(&of_club);
    names.sort_unstable();
    assert_eq!(names, ["CreateProgram", "CreateReward", "EnrollMember"]);
    let refused = async |scope: Scope, methods: Vec<String>| {
        let filter = pb::RequestFilter { methods, ..Default::default() };
        reason(&page(client, scope, filter, (0, String::new())).await.unwrap_err())
    };
    for name in ["GetBalance", "Nothing"] {
        assert_eq!(refused(of_member(anna), vec![name.into()]).await, "FIELDS_INVALID", "{name}");
    }
    assert_eq!(refused(of_member(&request_id()), vec![]).await, "MEMBER_NOT_FOUND");
    assert_eq!(refused(Scope::ProgramId("pub".into()), vec![]).await, "PROGRAM_NOT_FOUND");
}

async fn pages_hold_each_call_once(house: House) {
    const CALLS: usize = 23;
    let client = house.client();
    create_program(&client).await;
    let anna = enroll(&client, "anna").await;
    // All at one moment: their ids alone tell them apart.
    let calls: Vec<_> = (0..CALLS).map(|n| adjustment(&anna, 1 + n as i64)).collect();
    let points = PointsServiceClient::new(client.clone());
    join_all(calls.iter().map(|call| {
        let (mut points, call) = (points.clone(), call.clone());
        async move { points.adjust_points(call).await.unwrap() }
    }))
    .await;
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let next = page(&client, of_member(&anna), pb::RequestFilter::default(), (4, token)).await.unwrap();
        found.extend(next.requests.into_iter().map(|of| of.request_id));
        token = next.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let mut sent: Vec<String> = calls.into_iter().map(|call| call.request_id).collect();
    sent.sort_unstable();
    found.reverse();
    assert_eq!(found, sent);
    house.end().await;
}

async fn what_was_erased_is_gone_but_for_the_fact(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 500, None).await;
    let anna = enroll(&client, "anna").await;
    assert!(redeem(&client, redemption(&anna, "mug")).await.is_err());
    let (request_id, member_id) = (request_id(), anna.clone());
    let erase = pb::EraseMemberRequest { request_id, member_id, reason: String::new() };
    let mut members = pb::member_service_client::MemberServiceClient::new(client.clone());
    members.erase_member(erase).await.unwrap();
    let (of_anna, of_club) = (
        listed(&client, of_member(&anna), pb::RequestFilter::default()).await,
        listed(&client, of_program(), pb::RequestFilter::default()).await,
    );
    let refused = of_anna.iter().find(|of| of.method == "RedeemReward").unwrap();
    assert_eq!(
        (refused.outcome(), &refused.error, &refused.request),
        (pb::RequestOutcome::Refused, &None, &None)
    );
    let joined = of_club.iter().find(|of| of.method == "EnrollMember").unwrap();
    assert_eq!((joined.outcome(), &joined.request), (pb::RequestOutcome::Done, &None));
    assert!(of_club.iter().any(|of| of.method == "CreateProgram" && of.request.is_some()));
    house.end().await;
}
