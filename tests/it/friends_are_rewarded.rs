//! A member brings a friend, and once what the friend did first stands for long enough both are rewarded:
//! once, whatever is taken back, repeated or closed meanwhile, and nobody by themselves or in a circle.

use ambient::Time;
use futures::future::join_all;
use harness::calls::{
    PROGRAM, balance_of, create_program_like, program, purchase, reason, record, request_id, timestamp, usd,
};
use harness::house::{House, START};
use harness::moves::{self, household};
use pb::activity_service_client::ActivityServiceClient;
use pb::member_service_client::MemberServiceClient;
use pb::rule_service_client::RuleServiceClient;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;
use tonic::{Code, Status};

use crate::rules_say_what_activities_earn::{cap, capped, under};

in_process! {
    both_are_rewarded_once_the_purchase_stands;
    what_is_taken_back_is_not_rewarded_but_the_next_is;
    what_is_left_of_a_purchase_must_be_enough;
    nobody_brings_themselves_or_in_a_circle;
    who_may_not_act_is_rewarded_later_and_who_left_is_not;
    a_friend_that_joined_stays_one_answer;
    who_is_beyond_a_cap_is_rewarded_later;
    a_household_gets_the_rewards_of_both;
    one_customer_is_not_its_own_friend;
    one_customer_in_a_household_is_not_its_own_friend;
    a_friend_who_is_merged_may_qualify_again_as_another;
}

const DAY: i64 = 86_400_000_000;

fn day(n: i64) -> Time {
    START.plus_micros(n * DAY)
}

fn members(client: &Client) -> MemberServiceClient<Client> {
    MemberServiceClient::new(client.clone())
}

/// So many points for one side.
pub(crate) fn reward_of((role, points): (&str, i64)) -> pb::Rule {
    pb::Rule {
        rule_id: role.into(),
        activity_types: vec![pb::ActivityType::Referral.into()],
        condition: format!("activity.attributes.role == '{role}'"),
        effect: Some(pb::rule::Effect::FixedPoints(points)),
        ..Default::default()
    }
}

/// 500 points for who brings a friend, 200 for the friend, if a purchase of 20 USD stands for 14 days.
async fn create_club(client: &Client) {
    let referral_policy = Some(pb::ReferralPolicy {
        min_amount: Some(usd(20, 0)),
        wait_days: 14,
        within_days: 60,
        ..Default::default()
    });
    let wanted = pb::Program { referral_policy: referral_policy.clone(), ..program(PROGRAM) };
    let created = create_program_like(client, wanted).await;
    assert_eq!(created.referral_policy, referral_policy);
    let rule_set = Some(pb::RuleSet {
        program_id: PROGRAM.into(),
        rules: vec![reward_of(("referrer", 500)), reward_of(("friend", 200))],
        ..Default::default()
    });
    let mut rules = RuleServiceClient::new(client.clone());
    let request = pb::CreateRuleSetRequest { request_id: request_id(), rule_set };
    let version = rules.create_rule_set(request).await.unwrap().into_inner().rule_set.unwrap().version;
    let request = pb::ActivateRuleSetRequest {
        request_id: request_id(),
        program_id: PROGRAM.into(),
        version,
        start_time: None,
    };
    rules.activate_rule_set(request).await.unwrap();
}

fn joining(external_id: &str, email: &str, code: &str) -> pb::EnrollMemberRequest {
    let emails = if email.is_empty() { Vec::new() } else { vec![email.to_owned()] };
    pb::EnrollMemberRequest {
        request_id: request_id(),
        program_id: PROGRAM.into(),
        external_id: external_id.into(),
        profile: Some(pb::MemberProfile { emails, ..Default::default() }),
        referral_code: code.into(),
    }
}

async fn join(client: &Client, request: pb::EnrollMemberRequest) -> Result<pb::Member, Status> {
    Ok(members(client).enroll_member(request).await?.into_inner().member.unwrap())
}

pub(crate) async fn joined(client: &Client, external_id: &str, code: &str) -> pb::Member {
    join(client, joining(external_id, "", code)).await.unwrap()
}

async fn referrals(client: &Client, member_id: &str) -> Vec<(String, pb::ReferralState)> {
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListReferralsRequest { member_id: member_id.into(), page_size: 1, page_token };
        let page = members(client).list_referrals(request).await.unwrap().into_inner();
        found.extend(page.referrals.iter().map(|of| (of.friend_member_id.clone(), of.state())));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return found;
        }
    }
}

async fn available(client: &Client, member: &pb::Member) -> i64 {
    balance_of(client, &member.member_id).await.available
}

/// When a member was rewarded for a referral.
async fn rewarded_at(client: &Client, member: &pb::Member) -> Vec<Time> {
    let types = vec![pb::ActivityType::Referral.into()];
    let request = pb::ListActivitiesRequest {
        member_id: member.member_id.clone(),
        filter: Some(pb::ActivityFilter { types, ..Default::default() }),
        ..Default::default()
    };
    let mut activities = ActivityServiceClient::new(client.clone());
    let found = activities.list_activities(request).await.unwrap().into_inner().activities;
    let micros = |at: prost_types::Timestamp| at.seconds * 1_000_000 + i64::from(at.nanos / 1_000);
    found.into_iter().map(|of| Time::from_micros(micros(of.occurred_time.unwrap()))).collect()
}

async fn bought(client: &Client, member: &pb::Member, units: i64) -> pb::Activity {
    record(client, purchase(&member.member_id, units)).await.unwrap().activity.unwrap()
}

async fn take_back(client: &Client, member: &pb::Member, activity: pb::Activity) {
    take_back_part(client, member, activity, pb::reverse_activity_request::Returned::Whole(true)).await;
}

async fn take_back_part(
    client: &Client,
    member: &pb::Member,
    activity: pb::Activity,
    part: pb::reverse_activity_request::Returned,
) {
    let request = pb::ReverseActivityRequest {
        request_id: request_id(),
        member_id: member.member_id.clone(),
        activity: Some(pb::reverse_activity_request::Activity::ActivityId(activity.activity_id)),
        returned: Some(part),
        ..Default::default()
    };
    ActivityServiceClient::new(client.clone()).reverse_activity(request).await.unwrap();
}

async fn both_are_rewarded_once_the_purchase_stands(house: House) {
    use pb::ReferralState::{Open, Qualified, Rewarded};
    let client = house.client();
    create_club(&client).await;
    let anna = joined(&client, "anna", "").await;
    assert_eq!((anna.referral_code.len(), anna.referred_by.as_str()), (12, ""));
    let typed = format!("{}-{}", anna.referral_code[..6].to_lowercase(), &anna.referral_code[6..]);
    let ben = joined(&client, "ben", &typed).await;
    assert_eq!(ben.referred_by, anna.member_id);
    let carla = joined(&client, "carla", &anna.referral_code).await;
    let states = async |house: &House| {
        let found = referrals(&house.client(), &anna.member_id).await;
        let of = |member: &pb::Member| found.iter().find(|(id, _)| *id == member.member_id).unwrap().1;
        (of(&ben), of(&carla))
    };
    assert_eq!(states(&house).await, (Open, Open));
    house.clock().advance_to(day(2));
    bought(&client, &ben, 19).await;
    assert_eq!(states(&house).await, (Open, Open), "19 dollars are not enough");
    bought(&client, &ben, 20).await;
    bought(&client, &ben, 90).await;
    assert_eq!(states(&house).await, (Qualified, Open));
    house.clock().advance_to(day(16).plus_micros(-1));
    house.settle().await;
    assert_eq!((available(&client, &anna).await, available(&client, &ben).await), (0, 0));
    house.clock().advance_to(day(19));
    house.settle().await;
    house.settle().await;
    assert_eq!(states(&house).await, (Rewarded, Open));
    assert_eq!((available(&client, &anna).await, available(&client, &ben).await), (500, 200));
    for member in [&anna, &ben] {
        assert_eq!(rewarded_at(&client, member).await, [day(16)], "when it was due");
    }
    // Nothing that Ben does later is another first purchase, and Carla is too late.
    bought(&client, &ben, 50).await;
    house.clock().advance_to(day(60));
    bought(&client, &carla, 50).await;
    house.clock().advance_to(day(80));
    house.settle().await;
    assert_eq!(states(&house).await, (Rewarded, Open));
    assert_eq!((available(&client, &anna).await, available(&client, &ben).await), (500, 200));
    house.end().await;
}

async fn what_is_taken_back_is_not_rewarded_but_the_next_is(house: House) {
    let client = house.client();
    create_club(&client).await;
    let anna = joined(&client, "anna", "").await;
    let ben = joined(&client, "ben", &anna.referral_code).await;
    let first = bought(&client, &ben, 30).await;
    house.clock().advance_to(day(3));
    take_back(&client, &ben, first).await;
    house.clock().advance_to(day(14));
    house.settle().await;
    assert_eq!(referrals(&client, &anna.member_id).await[0].1, pb::ReferralState::Open);
    assert_eq!(available(&client, &anna).await, 0);
    bought(&client, &ben, 30).await;
    house.clock().advance_to(day(28));
    house.settle().await;
    assert_eq!((available(&client, &anna).await, available(&client, &ben).await), (500, 200));
    house.end().await;
}

async fn what_is_left_of_a_purchase_must_be_enough(house: House) {
    use pb::ReferralState::{Open, Rewarded};
    use pb::reverse_activity_request::Returned;
    let client = house.client();
    create_club(&client).await;
    let anna = joined(&client, "anna", "").await;
    let ben = joined(&client, "ben", &anna.referral_code).await;
    // A cent less than the 20 dollars that the program asks for is left.
    let first = bought(&client, &ben, 30).await;
    take_back_part(&client, &ben, first, Returned::Amount(usd(10, 1))).await;
    house.clock().advance_to(day(14));
    house.settle().await;
    assert_eq!(referrals(&client, &anna.member_id).await[0].1, Open);
    assert_eq!((available(&client, &anna).await, available(&client, &ben).await), (0, 0));
    let second = bought(&client, &ben, 30).await;
    take_back_part(&client, &ben, second, Returned::Amount(usd(10, 0))).await;
    house.clock().advance_to(day(28));
    house.settle().await;
    assert_eq!(referrals(&client, &anna.member_id).await[0].1, Rewarded);
    assert_eq!((available(&client, &anna).await, available(&client, &ben).await), (500, 200));
    house.end().await;
}

async fn a_household_gets_the_rewards_of_both(house: House) {
    use pb::ReferralState::{Open, Rewarded};
    let client = house.client();
    create_club(&client).await;
    let anna = joined(&client, "anna", "").await;
    let ben = joined(&client, "ben", &anna.referral_code).await;
    let home = household(&client, PROGRAM).await;
    for member in [&anna, &ben] {
        let role = pb::HouseholdRole::Redeemer;
        moves::join(&client, &home, &member.member_id, role).await.unwrap();
    }
    bought(&client, &anna, 30).await;
    let first = bought(&client, &ben, 30).await;
    take_back(&client, &ben, first).await;
    house.clock().advance_to(day(14));
    house.settle().await;
    assert_eq!(referrals(&client, &anna.member_id).await[0].1, Open);
    bought(&client, &ben, 30).await;
    bought(&client, &ben, 40).await;
    house.clock().advance_to(day(28));
    house.settle().await;
    assert_eq!(referrals(&client, &anna.member_id).await[0].1, Rewarded);
    assert_eq!(balance_of(&client, &home).await.available, 200 + 500);
    // Nothing that Ben does alone is a first purchase again.
    moves::leave(&client, &ben.member_id).await.unwrap();
    bought(&client, &ben, 50).await;
    house.clock().advance_to(day(42));
    house.settle().await;
    assert_eq!(referrals(&client, &anna.member_id).await[0].1, Rewarded);
    assert_eq!(balance_of(&client, &home).await.available, 500, "Ben takes what is his");
    house.end().await;
}

async fn one_customer_is_not_its_own_friend(house: House) {
    let client = house.client();
    create_club(&client).await;
    let anna = joined(&client, "anna", "").await;
    let ben = joined(&client, "ben", &anna.referral_code).await;
    bought(&client, &ben, 30).await;
    let merged = moves::merge(&client, moves::merger(&anna.member_id, &ben.member_id)).await;
    assert_eq!(merged.unwrap().points_moved, 0);
    house.clock().advance_to(day(14));
    house.settle().await;
    assert_eq!(available(&client, &ben).await, 0);
    moves::unmerge(&client, &anna.member_id).await.unwrap();
    assert_eq!(referrals(&client, &anna.member_id).await[0].1, pb::ReferralState::Open);
    bought(&client, &ben, 30).await;
    house.clock().advance_to(day(28));
    house.settle().await;
    assert_eq!((available(&client, &anna).await, available(&client, &ben).await), (500, 200));
    house.end().await;
}

async fn one_customer_in_a_household_is_not_its_own_friend(house: House) {
    let client = house.client();
    create_club(&client).await;
    let anna = joined(&client, "anna", "").await;
    let ben = joined(&client, "ben", &anna.referral_code).await;
    bought(&client, &ben, 30).await;
    moves::merge(&client, moves::merger(&anna.member_id, &ben.member_id)).await.unwrap();
    let home = household(&client, PROGRAM).await;
    moves::join(&client, &home, &ben.member_id, pb::HouseholdRole::Redeemer).await.unwrap();
    house.clock().advance_to(day(14));
    house.settle().await;
    assert_eq!(balance_of(&client, &home).await.available, 0, "nobody is rewarded");
    assert_eq!(referrals(&client, &anna.member_id).await[0].1, pb::ReferralState::Open);
    // As two, they are; whether the friend has come home or not.
    moves::leave(&client, &ben.member_id).await.unwrap();
    moves::unmerge(&client, &anna.member_id).await.unwrap();
    bought(&client, &ben, 30).await;
    house.clock().advance_to(day(28));
    house.settle().await;
    assert_eq!((available(&client, &anna).await, available(&client, &ben).await), (500, 200));
    house.end().await;
}

async fn a_friend_who_is_merged_may_qualify_again_as_another(house: House) {
    let client = house.client();
    create_club(&client).await;
    let anna = joined(&client, "anna", "").await;
    let ben = joined(&client, "ben", &anna.referral_code).await;
    bought(&client, &ben, 30).await;
    moves::merge(&client, moves::merger(&ben.member_id, &anna.member_id)).await.unwrap();
    house.clock().advance_to(day(14));
    house.settle().await;
    assert_eq!(available(&client, &anna).await, 0, "nobody is rewarded");
    assert_eq!(referrals(&client, &anna.member_id).await[0].1, pb::ReferralState::Open);
    moves::unmerge(&client, &ben.member_id).await.unwrap();
    house.clock().advance_to(day(20));
    house.settle().await;
    assert_eq!(available(&client, &ben).await, 0, "what was bought before counts no more");
    bought(&client, &ben, 30).await;
    house.clock().advance_to(day(34));
    house.settle().await;
    assert_eq!((available(&client, &anna).await, available(&client, &ben).await), (500, 200));
    house.end().await;
}

async fn nobody_brings_themselves_or_in_a_circle(house: House) {
    let client = house.client();
    create_club(&client).await;
    let told = async |request: pb::EnrollMemberRequest| {
        let status = join(&client, request).await.unwrap_err();
        (status.code(), reason(&status))
    };
    let anna = join(&client, joining("anna", "anna@home.example", "")).await.unwrap();
    let again = joining("anna-2", "ANNA@home.example", &anna.referral_code);
    assert_eq!(told(again).await, (Code::FailedPrecondition, "SELF_REFERRAL".into()));
    let ben = join(&client, joining("ben", "ben@home.example", &anna.referral_code)).await.unwrap();
    let carla = join(&client, joining("carla", "carla@home.example", &ben.referral_code)).await.unwrap();
    let circle = joining("anna-3", "anna@home.example", &carla.referral_code);
    assert_eq!(told(circle).await, (Code::FailedPrecondition, "REFERRAL_LOOP".into()));
    // Under whatever name somebody was merged, it is the same customer.
    let old = join(&client, joining("anna-4", "old@home.example", "")).await.unwrap();
    moves::merge(&client, moves::merger(&anna.member_id, &old.member_id)).await.unwrap();
    for (email, code) in [("anna@home.example", &old), ("old@home.example", &anna)] {
        let again = joining("anna-5", email, &code.referral_code);
        assert_eq!(told(again).await, (Code::FailedPrecondition, "SELF_REFERRAL".into()));
    }
    let circle = joining("anna-5", "old@home.example", &carla.referral_code);
    assert_eq!(told(circle).await, (Code::FailedPrecondition, "REFERRAL_LOOP".into()));
    // Whoever brought one name brought the customer.
    let carl = join(&client, joining("carl", "carl@home.example", "")).await.unwrap();
    let name = join(&client, joining("carl-2", "", &anna.referral_code)).await.unwrap();
    moves::merge(&client, moves::merger(&name.member_id, &carl.member_id)).await.unwrap();
    let home = household(&client, PROGRAM).await;
    moves::join(&client, &home, &carl.member_id, pb::HouseholdRole::Redeemer).await.unwrap();
    let circle = joining("anna-5", "anna@home.example", &carl.referral_code);
    assert_eq!(told(circle).await, (Code::FailedPrecondition, "REFERRAL_LOOP".into()));
    let unknown = joining("dora", "dora@home.example", "0000-0000-0000");
    assert_eq!(told(unknown).await, (Code::NotFound, "REFERRAL_CODE_NOT_FOUND".into()));
    let dora = join(&client, joining("dora", "dora@home.example", &carla.referral_code)).await.unwrap();
    assert_eq!(dora.referred_by, carla.member_id, "who was refused may join as another");
    create_program_like(&client, program("plain")).await;
    let plain =
        pb::EnrollMemberRequest { program_id: "plain".into(), ..joining("anna", "", &anna.referral_code) };
    assert_eq!(told(plain).await, (Code::FailedPrecondition, "REFERRALS_NOT_OFFERED".into()));
    house.end().await;
}

async fn who_may_not_act_is_rewarded_later_and_who_left_is_not(house: House) {
    let client = house.client();
    create_club(&client).await;
    let anna = joined(&client, "anna", "").await;
    let ben = joined(&client, "ben", &anna.referral_code).await;
    let carla = joined(&client, "carla", "").await;
    let dora = joined(&client, "dora", &carla.referral_code).await;
    for friend in [&ben, &dora] {
        bought(&client, friend, 30).await;
    }
    // Who takes everything back and leaves is due no reward, and holds up nobody's.
    let fred = joined(&client, "fred", &anna.referral_code).await;
    let taken_back = bought(&client, &fred, 30).await;
    take_back(&client, &fred, taken_back).await;
    let member_id = fred.member_id.clone();
    let close = pb::CloseMemberRequest { request_id: request_id(), member_id, reason: String::new() };
    members(&client).close_member(close).await.unwrap();
    let member_id = anna.member_id.clone();
    let suspend = pb::SuspendMemberRequest { request_id: request_id(), member_id, reason: String::new() };
    members(&client).suspend_member(suspend).await.unwrap();
    let member_id = carla.member_id.clone();
    let close = pb::CloseMemberRequest { request_id: request_id(), member_id, reason: String::new() };
    members(&client).close_member(close).await.unwrap();
    let request = joining("ed", "", &carla.referral_code);
    assert_eq!(reason(&join(&client, request).await.unwrap_err()), "REFERRAL_CODE_NOT_FOUND");
    house.clock().advance_to(day(14));
    house.settle().await;
    assert_eq!((available(&client, &anna).await, available(&client, &ben).await), (0, 200));
    assert_eq!((available(&client, &carla).await, available(&client, &dora).await), (0, 200));
    let due =
        format!("SELECT COUNT(*) AS n FROM referral WHERE due_time <= {} AND state = 2", day(14).micros());
    assert_eq!(house.count(&due).await, 0);
    let member_id = anna.member_id.clone();
    let back = pb::ReactivateMemberRequest { request_id: request_id(), member_id, reason: String::new() };
    members(&client).reactivate_member(back).await.unwrap();
    house.clock().advance_to(day(15));
    house.settle().await;
    assert_eq!((available(&client, &anna).await, available(&client, &ben).await), (500, 200));
    assert_eq!(referrals(&client, &carla.member_id).await[0].1, pb::ReferralState::Rewarded);
    house.end().await;
}

/// A cap that refuses what is beyond it may leave room for it the next day.
async fn who_is_beyond_a_cap_is_rewarded_later(house: House) {
    let client = house.client();
    create_club(&client).await;
    house.time_passes();
    let daily = pb::Cap { overflow: pb::CapOverflow::Reject.into(), ..cap(500, pb::CapPeriod::Day) };
    under(&client, vec![capped(reward_of(("referrer", 500)), daily), reward_of(("friend", 200))]).await;
    let anna = joined(&client, "anna", "").await;
    let friends =
        [joined(&client, "ben", &anna.referral_code), joined(&client, "carla", &anna.referral_code)];
    for friend in join_all(friends).await {
        bought(&client, &friend, 30).await;
    }
    for (days, points) in [(15, 500), (16, 1_000), (17, 1_000)] {
        house.clock().advance_to(day(days));
        house.settle().await;
        assert_eq!(available(&client, &anna).await, points);
    }
    let states = referrals(&client, &anna.member_id).await.into_iter().map(|(_, state)| state);
    assert_eq!(states.collect::<Vec<_>>(), [pb::ReferralState::Rewarded; 2]);
    house.end().await;
}

async fn a_friend_that_joined_stays_one_answer(house: House) {
    let client = house.client();
    create_club(&client).await;
    let anna = joined(&client, "anna", "").await;
    let request = joining("ben", "", &anna.referral_code);
    let calls = join_all((0..8).map(|_| join(&client, request.clone()))).await;
    let ids: Vec<_> = calls.into_iter().map(|member| member.unwrap().member_id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]));
    let member_id = anna.member_id.clone();
    let close = pb::CloseMemberRequest { request_id: request_id(), member_id, reason: String::new() };
    members(&client).close_member(close).await.unwrap();
    // The code is gone, but what was answered is answered again.
    assert_eq!(join(&client, request).await.unwrap().member_id, ids[0]);
    assert_eq!(referrals(&client, &anna.member_id).await, [(ids[0].clone(), pb::ReferralState::Open)]);
    let late = pb::Activity {
        r#type: pb::ActivityType::Purchase.into(),
        amount: Some(usd(50, 0)),
        occurred_time: Some(timestamp(day(-1))),
        ..Default::default()
    };
    let request = pb::RecordActivityRequest {
        request_id: request_id(),
        member_id: ids[0].clone(),
        activity: Some(late),
    };
    record(&client, request).await.unwrap();
    assert_eq!(referrals(&client, &anna.member_id).await[0].1, pb::ReferralState::Open, "before Ben joined");
    house.end().await;
}
