//! A request id acts once: retried, raced or reused, it gives the first answer or a clear refusal.

use futures::future::join_all;
use harness::calls::{
    balance_of, create_program, create_reward, enroll, purchase, reason, record, redeem, redemption,
    request_id,
};
use harness::house::House;
use proto::rapport::loyalty::v1 as pb;
use tonic::Code;

everywhere! {
    the_second_time_the_stored_reply_is_the_answer;
    many_at_once_act_once;
    another_body_is_refused_by_name;
    a_refusal_is_remembered_too;
    an_external_id_is_recorded_once;
    the_same_id_twice_in_one_batch_acts_once;
    enrolments_of_a_batch_stand_each_on_its_own;
}

async fn the_second_time_the_stored_reply_is_the_answer(house: House) {
    let client = house.client();
    create_program(&client).await;
    let member = enroll(&client, "anna").await;
    let request = purchase(&member, 25);
    let first = record(&client, request.clone()).await.unwrap();
    assert!(!first.replayed);
    record(&client, purchase(&member, 5)).await.unwrap();
    let second = record(&client, request).await.unwrap();
    assert!(second.replayed);
    assert_eq!(pb::RecordActivityResponse { replayed: false, ..second }, first);
    assert_eq!(balance_of(&client, &member).await.available, 30);
    house.end().await;
}

async fn many_at_once_act_once(house: House) {
    let client = house.client();
    create_program(&client).await;
    let member = enroll(&client, "anna").await;
    let request = purchase(&member, 25);
    let answers = join_all((0..50).map(|_| record(&client, request.clone()))).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|a| !a.replayed).count(), 1);
    let ids: std::collections::HashSet<_> =
        answers.iter().map(|a| &a.activity.as_ref().unwrap().activity_id).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(balance_of(&client, &member).await.available, 25);
    house.end().await;
}

async fn another_body_is_refused_by_name(house: House) {
    let client = house.client();
    create_program(&client).await;
    let member = enroll(&client, "anna").await;
    let request = purchase(&member, 25);
    record(&client, request.clone()).await.unwrap();
    let other = pb::RecordActivityRequest { request_id: request.request_id.clone(), ..purchase(&member, 26) };
    let refused = record(&client, other).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "REQUEST_ID_REUSED"));
    assert!(refused.message().contains("activity.amount.units"), "{}", refused.message());
    create_reward(&client, "mug", 10, None).await;
    let other_method =
        pb::RedeemRewardRequest { request_id: request.request_id, ..redemption(&member, "mug") };
    let refused = redeem(&client, other_method).await.unwrap_err();
    assert_eq!(reason(&refused), "REQUEST_ID_REUSED");
    assert_eq!(balance_of(&client, &member).await.available, 25);
    house.end().await;
}

async fn a_refusal_is_remembered_too(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 100, None).await;
    let member = enroll(&client, "anna").await;
    let request = redemption(&member, "mug");
    let first = redeem(&client, request.clone()).await.unwrap_err();
    assert_eq!((first.code(), reason(&first).as_str()), (Code::FailedPrecondition, "INSUFFICIENT_POINTS"));
    record(&client, purchase(&member, 500)).await.unwrap();
    let second = redeem(&client, request).await.unwrap_err();
    assert_eq!((second.code(), second.message()), (first.code(), first.message()));
    assert_eq!(second.details(), first.details());
    redeem(&client, redemption(&member, "mug")).await.unwrap();
    house.end().await;
}

async fn an_external_id_is_recorded_once(house: House) {
    let client = house.client();
    create_program(&client).await;
    let member = enroll(&client, "anna").await;
    let basket = |units| {
        let mut request = purchase(&member, units);
        request.activity.as_mut().unwrap().external_id = "basket-1".into();
        request
    };
    let first = record(&client, basket(25)).await.unwrap().activity.unwrap();
    let refused = record(&client, basket(26)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::AlreadyExists, "ACTIVITY_EXISTS"));
    let info = tonic_types::StatusExt::get_details_error_info(&refused).unwrap();
    assert_eq!(info.metadata["activity_id"], first.activity_id);
    let other = enroll(&client, "berta").await;
    let mut elsewhere = basket(1);
    elsewhere.member_id = other;
    record(&client, elsewhere).await.unwrap();
    let mut members = pb::member_service_client::MemberServiceClient::new(client.clone());
    let again = pb::EnrollMemberRequest {
        request_id: request_id(),
        program_id: harness::calls::PROGRAM.into(),
        external_id: "anna".into(),
        ..Default::default()
    };
    let refused = members.enroll_member(again).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::AlreadyExists, "MEMBER_EXISTS"));
    house.end().await;
}

async fn the_same_id_twice_in_one_batch_acts_once(house: House) {
    let client = house.client();
    create_program(&client).await;
    let member = enroll(&client, "anna").await;
    let request = purchase(&member, 25);
    let other = pb::RecordActivityRequest { request_id: request.request_id.clone(), ..purchase(&member, 26) };
    let stranger = purchase(&request_id(), 1);
    let requests = vec![request.clone(), request, other, stranger, purchase(&member, 1)];
    let mut activities = pb::activity_service_client::ActivityServiceClient::new(client.clone());
    let batch = activities
        .batch_record_activities(pb::BatchRecordActivitiesRequest { requests, mode: 0 })
        .await
        .unwrap();
    let told: Vec<String> = batch.into_inner().results.into_iter().map(|r| told(r.result.unwrap())).collect();
    assert_eq!(told, ["done", "replayed", "REQUEST_ID_REUSED", "MEMBER_NOT_FOUND", "done"]);
    assert_eq!(balance_of(&client, &member).await.available, 26);
    house.end().await;
}

fn told(result: pb::record_activity_result::Result) -> String {
    use prost::Message;
    match result {
        pb::record_activity_result::Result::Response(r) if r.replayed => "replayed".into(),
        pb::record_activity_result::Result::Response(_) => "done".into(),
        pb::record_activity_result::Result::Error(e) => {
            reason(&tonic::Status::with_details(e.code.into(), e.message.clone(), e.encode_to_vec().into()))
        }
    }
}

async fn enrolments_of_a_batch_stand_each_on_its_own(house: House) {
    use pb::enroll_member_result::Result as One;
    let client = house.client();
    create_program(&client).await;
    let asked = |external_id: &str, program_id: &str| pb::EnrollMemberRequest {
        request_id: request_id(),
        program_id: program_id.into(),
        external_id: external_id.into(),
        ..Default::default()
    };
    let anna = asked("anna", harness::calls::PROGRAM);
    let requests = vec![
        anna.clone(),
        asked("bob", harness::calls::PROGRAM),
        asked("anna", harness::calls::PROGRAM),
        asked("carl", "nowhere"),
        anna.clone(),
    ];
    let mut members = pb::member_service_client::MemberServiceClient::new(client.clone());
    let mut told = async |requests: Vec<pb::EnrollMemberRequest>| {
        let batch = pb::BatchEnrollMembersRequest { requests };
        let results = members.batch_enroll_members(batch).await.expect("an answer").into_inner().results;
        let told = results.into_iter().map(|result| match result.result.expect("a result") {
            One::Response(response) if response.replayed => "replayed",
            One::Response(_) => "enrolled",
            One::Error(error) if error.code == Code::AlreadyExists as i32 => "exists",
            One::Error(error) => {
                assert_eq!(error.code, Code::NotFound as i32);
                "no program"
            }
        });
        told.collect::<Vec<_>>()
    };
    let first = told(requests.clone()).await;
    assert_eq!(first, ["enrolled", "enrolled", "exists", "no program", "replayed"]);
    // Refusals of members are remembered; there was no program to remember one in.
    assert_eq!(told(requests).await, ["replayed", "replayed", "exists", "no program", "replayed"]);
    let single = members.enroll_member(anna.clone()).await.expect("the same").into_inner();
    assert!(single.replayed);
    record(&client, purchase(&single.member.expect("a member").member_id, 25)).await.expect("points");
    house.end().await;
}
