//! Points live longer where their member stays active or somebody grants it, come back after they expired if
//! somebody grants that, and a program changes from now on without touching what was.

use ambient::Time;
use harness::calls::{
    PROGRAM, balance, balance_of, create_program, create_program_like, create_reward, enroll, program,
    purchase, reason, record, redeem, redemption, request_id, timestamp, usd,
};
use harness::house::{House, START};
use pb::points_service_client::PointsServiceClient;
use pb::program_service_client::ProgramServiceClient;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;
use tonic::{Code, Status};

in_process! {
    goodwill_extends_and_reinstates;
    points_slide_with_their_member;
    a_program_changes_from_now_on;
    two_changes_of_one_program_do_not_overwrite_each_other;
}

const DAY: i64 = 86_400_000_000;

fn day(n: i64) -> Time {
    START.plus_micros(n * DAY)
}

pub(crate) async fn extend(
    client: &Client,
    member_id: &str,
    (before, to): (Time, Time),
) -> Result<pb::ExtendExpiryResponse, Status> {
    let request = pb::ExtendExpiryRequest {
        currency_code: String::new(),
        request_id: request_id(),
        member_id: member_id.into(),
        expiring_before: Some(timestamp(before)),
        expire_time: Some(timestamp(to)),
        reason: "the shop was closed".into(),
        approver: "chief".into(),
    };
    Ok(PointsServiceClient::new(client.clone()).extend_expiry(request).await?.into_inner())
}

pub(crate) fn reinstatement(member_id: &str, since: Time) -> pb::ReinstatePointsRequest {
    pb::ReinstatePointsRequest {
        currency_code: String::new(),
        request_id: request_id(),
        member_id: member_id.into(),
        expired_since: Some(timestamp(since)),
        expire_time: None,
        reason: "was ill".into(),
        approver: "chief".into(),
    }
}

pub(crate) async fn reinstate(
    client: &Client,
    request: pb::ReinstatePointsRequest,
) -> Result<pb::ReinstatePointsResponse, Status> {
    Ok(PointsServiceClient::new(client.clone()).reinstate_points(request).await?.into_inner())
}

/// Available, with the sum of the expiry buckets checked against it.
async fn available_at(client: &Client, member_id: &str, at: Option<Time>) -> i64 {
    let request = pb::GetBalanceRequest {
        member_id: member_id.into(),
        view: pb::BalanceView::Full.into(),
        as_of: at.map(timestamp),
        ..Default::default()
    };
    let balance = balance(client, request).await.unwrap().balance.unwrap();
    assert_eq!(balance.expiries.iter().map(|bucket| bucket.points).sum::<i64>(), balance.available);
    balance.available
}

async fn goodwill_extends_and_reinstates(house: House) {
    let client = house.client();
    create_program(&client).await;
    let member = enroll(&client, "anna").await;
    record(&client, purchase(&member, 100)).await.unwrap();
    house.clock().advance_to(day(10));
    record(&client, purchase(&member, 7)).await.unwrap();
    let told = extend(&client, &member, (day(95), day(200))).await.unwrap();
    assert_eq!(
        (told.points_extended, told.balance.unwrap().next_expire_time),
        (100, Some(timestamp(day(100))))
    );
    assert_eq!(extend(&client, &member, (day(95), day(200))).await.unwrap().points_extended, 0);
    let past = extend(&client, &member, (day(95), day(10))).await.unwrap_err();
    assert_eq!((past.code(), reason(&past).as_str()), (Code::FailedPrecondition, "EXPIRES_IN_PAST"));
    house.clock().advance_to(day(200));
    assert_eq!(balance_of(&client, &member).await.available, 0);
    house.clock().advance_to(day(210));
    let request = reinstatement(&member, day(150));
    let told = reinstate(&client, request.clone()).await.unwrap();
    assert_eq!((told.points_reinstated, told.replayed), (100, false), "the 7 expired before that");
    let again = reinstate(&client, request).await.unwrap();
    assert_eq!((again.points_reinstated, again.replayed, again.balance), (100, true, told.balance.clone()));
    assert_eq!(reinstate(&client, reinstatement(&member, day(150))).await.unwrap().points_reinstated, 0);
    let balance = told.balance.unwrap();
    assert_eq!((balance.available, balance.expired), (100, 7));
    assert_eq!(balance.next_expire_time, Some(timestamp(day(300))));
    let mut points = PointsServiceClient::new(client.clone());
    let request = pb::ListPostingsRequest { member_id: member.clone(), ..Default::default() };
    let newest = points.list_postings(request).await.unwrap().into_inner().postings.remove(0);
    assert_eq!((newest.reason(), newest.points), (pb::PostingReason::Reinstate, 100));
    assert_eq!(newest.note, "was ill (approved by chief)");
    // The past stays what it was.
    let moments = [(day(50), 107), (day(199), 100), (day(200), 0), (day(209), 0), (day(210), 100)];
    for (at, expected) in moments {
        assert_eq!(available_at(&client, &member, Some(at)).await, expected, "at {at}");
    }
    let request = pb::ListLotsRequest { member_id: member.clone(), open_only: true, ..Default::default() };
    let lots = points.list_lots(request).await.unwrap().into_inner().lots;
    let held: Vec<_> = lots.iter().map(|lot| (lot.lot_number, lot.remaining, lot.expired)).collect();
    assert_eq!(held, [(1, 100, 0)], "in the lot that held them");
    house.end().await;
}

async fn points_slide_with_their_member(house: House) {
    let client = house.client();
    let wanted = program(PROGRAM);
    let expiry = wanted.expiry_policy.map(|policy| pb::ExpiryPolicy { sliding: true, ..policy });
    create_program_like(&client, pb::Program { expiry_policy: expiry, ..wanted }).await;
    create_reward(&client, "mug", 30, None).await;
    let member = enroll(&client, "anna").await;
    record(&client, purchase(&member, 100)).await.unwrap();
    house.clock().advance_to(day(89));
    let visit = pb::Activity { r#type: pb::ActivityType::Visit.into(), ..Default::default() };
    let request = pb::RecordActivityRequest { activity: Some(visit), ..purchase(&member, 1) };
    let told = record(&client, request).await.unwrap().balance.unwrap();
    assert_eq!((told.issued, told.next_expire_time), (100, Some(timestamp(day(179)))));
    house.clock().advance_to(day(170));
    redeem(&client, redemption(&member, "mug")).await.unwrap();
    assert_eq!(available_at(&client, &member, None).await, 70);
    let mut points = PointsServiceClient::new(client.clone());
    let request = pb::ListLotsRequest { member_id: member.clone(), ..Default::default() };
    let lot = points.list_lots(request.clone()).await.unwrap().into_inner().lots.remove(0);
    assert_eq!((lot.remaining, lot.expire_time), (70, Some(timestamp(day(260)))));
    house.clock().advance_to(day(260).plus_micros(-1));
    assert_eq!(balance_of(&client, &member).await.available, 70);
    // Nobody was warned of an end that did not come; the end is announced once, and comes for all at once.
    house.settle().await;
    house.clock().advance_to(day(260));
    house.settle().await;
    assert_eq!(balance_of(&client, &member).await.expired, 70);
    let lot = points.list_lots(request).await.unwrap().into_inner().lots.remove(0);
    assert_eq!((lot.remaining, lot.expired, lot.expire_time), (0, 70, Some(timestamp(day(260)))));
    for (at, expected) in [(day(120), 100), (day(171), 70), (day(259), 70), (day(260), 0)] {
        assert_eq!(available_at(&client, &member, Some(at)).await, expected, "at {at}");
    }
    house.end().await;
}

async fn read_program(client: &Client) -> pb::Program {
    let request = pb::GetProgramRequest { program_id: PROGRAM.into() };
    let read = ProgramServiceClient::new(client.clone()).get_program(request).await.unwrap();
    read.into_inner().program.unwrap()
}

async fn update(client: &Client, program: pb::Program, paths: &[&str]) -> Result<pb::Program, Status> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let request = pb::UpdateProgramRequest {
        request_id: request_id(),
        program: Some(program),
        update_mask: Some(prost_types::FieldMask { paths }),
    };
    let updated = ProgramServiceClient::new(client.clone()).update_program(request).await?;
    Ok(updated.into_inner().program.unwrap())
}

async fn a_program_changes_from_now_on(house: House) {
    let client = house.client();
    let before = create_program_like(&client, program(PROGRAM)).await;
    let member = enroll(&client, "anna").await;
    record(&client, purchase(&member, 100)).await.unwrap();
    let policy = pb::expiry_policy::Policy::RollingDays(10);
    let only = |program: pb::Program| pb::Program { program_id: PROGRAM.into(), ..program };
    let wanted = only(pb::Program {
        display_name: "New".into(),
        time_zone: "not looked at".into(),
        expiry_policy: Some(pb::ExpiryPolicy { policy: Some(policy), ..Default::default() }),
        ..Default::default()
    });
    let after = update(&client, wanted.clone(), &["display_name", "expiry_policy"]).await.unwrap();
    let expected = pb::Program {
        display_name: "New".into(),
        expiry_policy: wanted.expiry_policy,
        version: before.version + 1,
        etag: after.etag.clone(),
        ..before.clone()
    };
    assert_eq!(after, expected);
    assert!(after.etag != before.etag);
    assert_eq!(read_program(&client).await, after);
    record(&client, purchase(&member, 5)).await.unwrap();
    house.clock().advance_to(day(10));
    assert_eq!(balance_of(&client, &member).await.available, 100, "the older points live on");
    // Refused by name, and nothing changed.
    let refused = |status: Status| (status.code(), status.message().to_owned());
    let (code, told) = refused(update(&client, wanted.clone(), &["earning_rule"]).await.unwrap_err());
    assert_eq!(code, Code::InvalidArgument);
    assert!(told.contains("update_mask.paths: must not name \"earning_rule\""), "{told}");
    let (code, told) = refused(update(&client, wanted.clone(), &[]).await.unwrap_err());
    assert_eq!(code, Code::InvalidArgument);
    assert!(told.contains("update_mask.paths: must name what to change"), "{told}");
    let strange = pb::Program { program_id: "other".into(), ..wanted };
    let missing = update(&client, strange, &["display_name"]).await.unwrap_err();
    assert_eq!((missing.code(), reason(&missing).as_str()), (Code::NotFound, "PROGRAM_NOT_FOUND"));
    assert_eq!(read_program(&client).await, after);
    // What the mask names and the program leaves unset is as if it was created so.
    let cleared = update(&client, only(pb::Program::default()), &["display_name", "expiry_policy"]).await;
    let cleared = cleared.unwrap();
    assert_eq!((cleared.display_name.as_str(), cleared.expiry_policy), (PROGRAM, None));
    house.end().await;
}

async fn two_changes_of_one_program_do_not_overwrite_each_other(house: House) {
    let client = house.client();
    let read = create_program_like(&client, program(PROGRAM)).await;
    let named = |name: &str| pb::Program { display_name: name.into(), ..read.clone() };
    let (one, two) = tokio::join!(
        update(&client, named("one"), &["display_name"]),
        update(&client, named("two"), &["display_name"]),
    );
    let (done, refused) = match (one, two) {
        (Ok(done), Err(refused)) | (Err(refused), Ok(done)) => (done, refused),
        both => panic!("one of them must be refused: {both:?}"),
    };
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Aborted, "ETAG_MISMATCH"));
    assert_eq!(read_program(&client).await, done);
    assert_eq!(read.tiers[1].threshold, Some(usd(1_000, 0)), "as it was created");
    house.end().await;
}
