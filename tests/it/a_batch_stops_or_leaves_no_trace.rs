//! A batch goes on, stops at the first refusal, or is done as a whole or not at all, as its mode says.

use futures::future::join_all;
use harness::calls::{
    PROGRAM, balance_of, create_program, create_program_like, enroll, program, purchase, reason, request_id,
};
use harness::house::House;
use harness::moves::{merge, merger};
use pb::BatchMode::{AllOrNothing, Continue, Stop};
use pb::activity_service_client::ActivityServiceClient;
use pb::points_service_client::PointsServiceClient;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;

in_process! {
    the_mode_says_what_becomes_of_the_others;
    what_was_not_done_may_be_sent_again;
    a_bad_item_is_a_refusal_too;
    nothing_waits_for_a_review_of_a_batch_that_is_not_done;
    whole_batches_race_over_the_same_members;
    a_batch_finds_members_where_they_are;
}

/// What became of each item: the points of the activity, or the reason why there is none.
async fn batch(
    client: &Client,
    requests: &[pb::RecordActivityRequest],
    mode: pb::BatchMode,
) -> Vec<Result<(i64, bool), String>> {
    use pb::record_activity_result::Result::{Error, Response};
    let request = pb::BatchRecordActivitiesRequest { requests: requests.to_vec(), mode: mode.into() };
    let mut activities = ActivityServiceClient::new(client.clone());
    let response = activities.batch_record_activities(request).await.unwrap().into_inner();
    let told = response.results.into_iter().map(|one| match one.result.unwrap() {
        Response(done) => Ok((done.activity.unwrap().points, done.replayed)),
        Error(status) => {
            let status = rpc::from_proto(status);
            Err(reason(&status))
        }
    });
    told.collect()
}

fn refused<T>(reason: &str) -> Result<T, String> {
    Err(reason.to_owned())
}

async fn available(client: &Client, member_id: &str) -> i64 {
    balance_of(client, member_id).await.available
}

async fn the_mode_says_what_becomes_of_the_others(house: House) {
    let client = house.client();
    create_program(&client).await;
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    let items = || [purchase(&anna, 1), purchase(&request_id(), 10), purchase(&ben, 100)];
    let (done, nobody) = (Ok((1, false)), refused("MEMBER_NOT_FOUND"));
    let stopped = || refused("BATCH_STOPPED");
    let expected = [done.clone(), nobody.clone(), Ok((100, false))];
    assert_eq!(batch(&client, &items(), Continue).await, expected);
    assert_eq!((available(&client, &anna).await, available(&client, &ben).await), (1, 100));
    assert_eq!(batch(&client, &items(), Stop).await, [done, nobody.clone(), stopped()]);
    assert_eq!((available(&client, &anna).await, available(&client, &ben).await), (2, 100));
    assert_eq!(batch(&client, &items(), AllOrNothing).await, [stopped(), nobody, stopped()]);
    assert_eq!((available(&client, &anna).await, available(&client, &ben).await), (2, 100));
    house.end().await;
}

async fn what_was_not_done_may_be_sent_again(house: House) {
    let client = house.client();
    create_program(&client).await;
    let anna = enroll(&client, "anna").await;
    let known = |external_id: &str, units: i64| {
        let request = purchase(&anna, units);
        let activity = pb::Activity { external_id: external_id.into(), ..request.activity.unwrap() };
        pb::RecordActivityRequest { activity: Some(activity), ..request }
    };
    let mut items = [known("1", 1), known("1", 10), known("3", 100)];
    for mode in [AllOrNothing, Stop] {
        let told = batch(&client, &items, mode).await;
        assert_eq!(told[1..], [refused("ACTIVITY_EXISTS"), refused("BATCH_STOPPED")]);
    }
    assert_eq!(available(&client, &anna).await, 1);
    // The refusal of the batch that stopped is remembered under its request id, as always.
    items[1] = known("2", 10);
    let told = batch(&client, &items, AllOrNothing).await;
    assert_eq!(told, [Ok((1, true)), Ok((10, false)), Ok((100, false))]);
    let told = batch(&client, &items, AllOrNothing).await;
    assert_eq!(told, [Ok((1, true)), Ok((10, true)), Ok((100, true))]);
    assert_eq!(available(&client, &anna).await, 111);
    house.end().await;
}

async fn a_bad_item_is_a_refusal_too(house: House) {
    let client = house.client();
    create_program(&client).await;
    let anna = enroll(&client, "anna").await;
    let negative = pb::Activity { amount: None, ..purchase(&anna, 1).activity.unwrap() };
    let bad = pb::RecordActivityRequest { activity: Some(negative), ..purchase(&anna, 1) };
    let items = [purchase(&anna, 1), bad, purchase(&anna, 100)];
    let (invalid, stopped) = (refused("FIELDS_INVALID"), refused("BATCH_STOPPED"));
    let told = batch(&client, &items, AllOrNothing).await;
    assert_eq!(told, [stopped.clone(), invalid.clone(), stopped.clone()]);
    assert_eq!(available(&client, &anna).await, 0);
    assert_eq!(batch(&client, &items, Stop).await, [Ok((1, false)), invalid, stopped]);
    assert_eq!(available(&client, &anna).await, 1);
    house.end().await;
}

async fn nothing_waits_for_a_review_of_a_batch_that_is_not_done(house: House) {
    let client = house.client();
    let limit = pb::VelocityLimit {
        limit_id: "much".into(),
        movement: pb::Movement::Adjust.into(),
        owner: pb::CapOwner::Member.into(),
        window: pb::VelocityWindow::Day.into(),
        points_max: Some(100),
        breach: pb::VelocityBreach::Review.into(),
        ..Default::default()
    };
    create_program_like(&client, pb::Program { velocity_limits: vec![limit], ..program(PROGRAM) }).await;
    let anna = enroll(&client, "anna").await;
    let gift = |points| pb::AdjustPointsRequest {
        request_id: request_id(),
        member_id: anna.clone(),
        points,
        reason: "goodwill".into(),
        approver: "ben".into(),
        ..Default::default()
    };
    let sent = async |requests: Vec<pb::AdjustPointsRequest>, mode: pb::BatchMode| {
        use pb::adjust_points_result::Result::{Error, Response};
        let request = pb::BatchAdjustPointsRequest { requests, mode: mode.into() };
        let mut points = PointsServiceClient::new(client.clone());
        let results = points.batch_adjust_points(request).await.unwrap().into_inner().results;
        let told = results.into_iter().map(|one| match one.result.unwrap() {
            Response(done) => done.balance.unwrap().available.to_string(),
            Error(status) => reason(&rpc::from_proto(status)),
        });
        told.collect::<Vec<_>>()
    };
    let told = sent(vec![gift(60), gift(60)], AllOrNothing).await;
    assert_eq!(told, ["BATCH_STOPPED", "VELOCITY_EXCEEDED"], "nobody is told to wait for a review");
    assert_eq!(house.count("SELECT COUNT(*) AS n FROM review").await, 0);
    // Nothing was counted for the limit either.
    assert_eq!(sent(vec![gift(60), gift(40)], AllOrNothing).await, ["60", "100"]);
    assert_eq!(sent(vec![gift(1), gift(1)], Stop).await, ["REVIEW_REQUIRED", "BATCH_STOPPED"]);
    assert_eq!(house.count("SELECT COUNT(*) AS n FROM review").await, 1);
    // What is made for a review is not done: no other may depend on it.
    let for_review = || pb::AdjustPointsRequest { for_review: true, ..gift(1) };
    for mode in [Stop, AllOrNothing] {
        assert_eq!(sent(vec![for_review(), gift(1)], mode).await, ["FIELDS_INVALID", "BATCH_STOPPED"]);
    }
    let told = sent(vec![for_review(), for_review()], Continue).await;
    assert_eq!(told, ["REVIEW_REQUIRED", "REVIEW_REQUIRED"]);
    house.end().await;
}

async fn whole_batches_race_over_the_same_members(house: House) {
    let client = house.client();
    create_program(&client).await;
    let names: Vec<String> = (0..20).map(|n| format!("member {n}")).collect();
    let members = join_all(names.iter().map(|name| enroll(&client, name))).await;
    let batches = (0..16_usize).map(|n| {
        let mut items: Vec<_> = members.iter().map(|member| purchase(member, 1)).collect();
        // Every order of the wallets, and every second batch cannot be done.
        items.rotate_left(n);
        if n % 3 == 0 {
            items.reverse();
        }
        if n % 2 == 0 {
            items.push(purchase(&request_id(), 1));
        }
        items
    });
    let batches: Vec<_> = batches.collect();
    let told = join_all(batches.iter().map(|items| batch(&client, items, AllOrNothing))).await;
    for (n, told) in told.iter().enumerate() {
        assert!(told.iter().all(|item| item.is_ok() == (n % 2 == 1)), "{n}: {told:?}");
    }
    for member in &members {
        assert_eq!(available(&client, member).await, 8);
    }
    house.end().await;
}

async fn a_batch_finds_members_where_they_are(house: House) {
    let client = house.client();
    create_program(&client).await;
    let (anna, card) = (enroll(&client, "anna").await, enroll(&client, "card").await);
    merge(&client, merger(&card, &anna)).await.unwrap();
    for mode in [Continue, Stop, AllOrNothing] {
        let items = [purchase(&card, 1), purchase(&anna, 10), purchase(&card, 100)];
        assert_eq!(batch(&client, &items, mode).await, [Ok((1, false)), Ok((10, false)), Ok((100, false))]);
    }
    assert_eq!((available(&client, &anna).await, available(&client, &card).await), (333, 333));
    house.end().await;
}
