//! Rules see who the member is, as it was when the activity was recorded.

use harness::calls::{PROGRAM, create_program, purchase, record, request_id, usd};
use harness::house::House;
use harness::moves::{household, reverse};
use pb::activity_service_client::ActivityServiceClient;
use pb::rule::Effect;
use pb::rule_service_client::RuleServiceClient;
use proto::rapport::loyalty::v1 as pb;

use crate::rules_say_what_activities_earn::{on, per_dollar, rule, under};

in_process! {
    rules_see_the_member_as_it_was;
    a_household_is_no_member;
}

async fn a_household_is_no_member(house: House) {
    let client = house.client();
    create_program(&client).await;
    let loyal = on("now - member.join_time > duration('8760h')", rule("loyal", Effect::FixedPoints(100)));
    let either =
        on("member.locale == 'de' || activity.amount > 10.0", rule("either", Effect::FixedPoints(9)));
    under(&client, vec![loyal, either, per_dollar("base", 1)]).await;
    let home = household(&client, PROGRAM).await;
    let bought = record(&client, purchase(&home, 50)).await.unwrap().activity.unwrap();
    assert_eq!(bought.points, 50, "nothing is true of who is nobody");
    assert_eq!(reverse(&client, &home, &bought.activity_id).await.unwrap().points_owed, 50);
    house.end().await;
}

async fn rules_see_the_member_as_it_was(house: House) {
    use pb::member_service_client::MemberServiceClient;
    let client = house.client();
    create_program(&client).await;
    let rules = vec![
        on("member.attributes.segment == 'vip'", rule("vip", Effect::FixedPoints(100))),
        on("member.birth_month == now.getMonth() + 1", rule("birthday", Effect::FixedPoints(7))),
        per_dollar("base", 1),
    ];
    under(&client, rules).await;
    let profile = pb::MemberProfile {
        attributes: [("segment".to_owned(), "vip".to_owned())].into(),
        birthday: Some(proto::google::r#type::Date { year: 0, month: 1, day: 31 }),
        ..Default::default()
    };
    let request = pb::EnrollMemberRequest {
        request_id: request_id(),
        program_id: PROGRAM.into(),
        external_id: "anna".into(),
        profile: Some(profile),
        ..Default::default()
    };
    let mut members = MemberServiceClient::new(client.clone());
    let member_id = members.enroll_member(request).await.unwrap().into_inner().member.unwrap().member_id;
    let simulated = pb::SimulateActivityRequest {
        who: Some(pb::simulate_activity_request::Who::MemberId(member_id.clone())),
        activities: vec![purchase(&member_id, 50).activity.unwrap()],
        ..Default::default()
    };
    let told = RuleServiceClient::new(client.clone()).simulate_activity(simulated).await.unwrap();
    assert_eq!(told.into_inner().balance.unwrap().available, 157);
    let bought = record(&client, purchase(&member_id, 50)).await.unwrap().activity.unwrap();
    assert_eq!(bought.points, 157);

    let member = pb::Member { member_id: member_id.clone(), ..Default::default() };
    let update = pb::UpdateMemberRequest {
        request_id: request_id(),
        member: Some(member),
        update_mask: Some(prost_types::FieldMask { paths: vec!["profile".into()] }),
    };
    members.update_member(update).await.unwrap();
    let later = record(&client, purchase(&member_id, 50)).await.unwrap().activity.unwrap();
    assert_eq!(later.points, 50, "who is unknown meets no condition");
    // What is given back is owed by what the member was.
    let back = |cents: i32| pb::ReverseActivityRequest {
        request_id: request_id(),
        member_id: member_id.clone(),
        activity: Some(pb::reverse_activity_request::Activity::ActivityId(bought.activity_id.clone())),
        returned: Some(pb::reverse_activity_request::Returned::Amount(usd(0, cents))),
        ..Default::default()
    };
    let mut activities = ActivityServiceClient::new(client.clone());
    let part = activities.reverse_activity(back(50)).await.unwrap().into_inner().reversal.unwrap();
    assert_eq!(part.points_owed, 1, "157 less what 49.50 earns");
    let kept = house.count("SELECT COUNT(*) AS n FROM activity WHERE member <> ''").await;
    assert_eq!(kept, 2);
    let erase = pb::EraseMemberRequest { request_id: request_id(), member_id, reason: String::new() };
    members.erase_member(erase).await.unwrap();
    assert_eq!(house.count("SELECT COUNT(*) AS n FROM activity WHERE member <> ''").await, 0);
    house.end().await;
}
