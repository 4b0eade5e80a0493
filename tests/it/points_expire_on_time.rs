//! Points expire at their microsecond and tiers end with their year, for every reader, whether or not a
//! worker came by, and the past can be asked for.

use ambient::Time;
use futures::future::join_all;
use harness::calls::{
    balance, balance_of, create_program, create_reward, enroll, program, purchase, reason, record, redeem,
    redemption, request_id, timestamp, usd,
};
use harness::house::{House, START};
use proto::google::r#type::Date;
use proto::rapport::loyalty::v1 as pb;

in_process! {
    nobody_reads_expired_points;
    the_past_reads_as_it_was;
    a_backdated_purchase_lives_and_dies_at_its_own_time;
    a_tier_ends_for_every_reader;
    points_end_with_the_quarter_or_on_a_day_of_the_year;
    a_wallet_that_cannot_be_settled_holds_up_nobody;
    a_decision_that_breaks_ends_alone;
}

const DAY: i64 = 86_400_000_000;

fn day(n: i64) -> Time {
    START.plus_micros(n * DAY)
}

async fn nobody_reads_expired_points(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 100, None).await;
    let member = enroll(&client, "anna").await;
    record(&client, purchase(&member, 100)).await.unwrap();
    house.clock().advance_to(day(30));
    record(&client, purchase(&member, 50)).await.unwrap();
    house.clock().advance_to(day(90).plus_micros(-1));
    let before = balance_of(&client, &member).await;
    assert_eq!((before.available, before.expired), (150, 0));
    assert_eq!(before.next_expire_time, Some(timestamp(day(90))));
    house.clock().advance_to(day(90));
    let after = balance_of(&client, &member).await;
    assert_eq!((after.available, after.expired), (50, 100));
    assert_eq!(after.next_expire_time, Some(timestamp(day(120))));
    assert_eq!(after.version, before.version, "nothing was written yet");
    assert_eq!(
        reason(&redeem(&client, redemption(&member, "mug")).await.unwrap_err()),
        "INSUFFICIENT_POINTS"
    );
    let mut points = pb::points_service_client::PointsServiceClient::new(client.clone());
    let request = pb::ListPostingsRequest { member_id: member.clone(), ..Default::default() };
    let postings = points.list_postings(request).await.unwrap().into_inner().postings;
    assert_eq!(postings[0].reason(), pb::PostingReason::Expire);
    assert_eq!(postings[0].effective_time, Some(timestamp(day(90))));
    house.end().await;
}

async fn a_wallet_that_cannot_be_settled_holds_up_nobody(house: House) {
    const MORE_THAN_A_LOOK: usize = 300;
    let client = house.client();
    create_program(&client).await;
    let broken = (0..MORE_THAN_A_LOOK).map(|n| {
        let client = client.clone();
        async move {
            let member = enroll(&client, &format!("member-{n}")).await;
            record(&client, purchase(&member, 1)).await.unwrap();
        }
    });
    join_all(broken).await;
    house.clock().advance_to(day(1));
    let anna = enroll(&client, "anna").await;
    record(&client, purchase(&anna, 50)).await.unwrap();
    house.settle().await;
    let damaged = house.execute("UPDATE wallet SET purses = 'damaged' WHERE available = 1").await;
    assert_eq!(damaged, MORE_THAN_A_LOOK as u64);
    house.clock().advance_to(day(92));
    let settler = house.suite().loyalty().expect("a ledger").settler();
    let mut looks = 0;
    while settler.run_once().await.unwrap() > 0 {
        looks += 1;
    }
    assert_eq!(looks, 2, "all others are settled, and what is damaged is left alone");
    assert_eq!(house.execute("UPDATE wallet SET purses = '' WHERE expired = 50").await, 1);
    house.execute("UPDATE wallet SET purses = '' WHERE purses = 'damaged'").await;
    house.end().await;
}

/// What contradicts itself is found by the decision that meets it; others of its batch go on.
async fn a_decision_that_breaks_ends_alone(house: House) {
    use pb::record_activity_result::Result::{Error, Response};
    let client = house.client();
    create_program(&client).await;
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    record(&client, purchase(&anna, 100)).await.unwrap();
    house.execute("UPDATE wallet SET available = 50, issued = 50 WHERE available = 100").await;
    house.clock().advance_to(day(90));
    let requests = vec![purchase(&anna, 1), purchase(&ben, 2), purchase(&ben, 3)];
    let batch = pb::BatchRecordActivitiesRequest { requests, ..Default::default() };
    let mut activities = pb::activity_service_client::ActivityServiceClient::new(client.clone());
    let results = activities.batch_record_activities(batch).await.unwrap().into_inner().results;
    let told: Vec<_> = results.into_iter().map(|one| one.result.unwrap()).collect();
    let [Error(broken), Response(_), Response(_)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(broken.code, tonic::Code::Internal as i32);
    assert_eq!(balance_of(&client, &ben).await.available, 5);
    house.execute("UPDATE wallet SET available = 100, issued = 100 WHERE available = 50").await;
    record(&client, purchase(&anna, 1)).await.unwrap();
    assert_eq!(balance_of(&client, &anna).await.available, 1);
    house.end().await;
}

async fn points_end_with_the_quarter_or_on_a_day_of_the_year(house: House) {
    use pb::expiry_policy::Policy;
    let client = house.client();
    let annual = pb::AnnualExpiry { month: 2, day: 29, years_later: 1 };
    let policies = [
        (Policy::RollingDays(10), pb::ExpiryPeriod::Quarter, "2024-03-31T22:00:00Z"),
        (Policy::Annual(annual), pb::ExpiryPeriod::Unspecified, "2025-02-28T23:00:00Z"),
    ];
    let mut programs = pb::program_service_client::ProgramServiceClient::new(client.clone());
    let mut members = pb::member_service_client::MemberServiceClient::new(client.clone());
    for (n, (policy, round_to, end)) in policies.into_iter().enumerate() {
        let expiry_policy =
            Some(pb::ExpiryPolicy { policy: Some(policy), round_to: round_to.into(), sliding: false });
        let named = program(&format!("program-{n}"));
        let wanted = pb::Program { time_zone: "Europe/Berlin".into(), expiry_policy, ..named };
        let request = pb::CreateProgramRequest { request_id: request_id(), program: Some(wanted) };
        let created = programs.create_program(request).await.unwrap().into_inner().program.unwrap();
        assert_eq!(created.expiry_policy, expiry_policy);
        let request = pb::EnrollMemberRequest {
            request_id: request_id(),
            program_id: created.program_id,
            external_id: "anna".into(),
            ..Default::default()
        };
        let member = members.enroll_member(request).await.unwrap().into_inner().member.unwrap().member_id;
        let mut early = purchase(&member, 100);
        early.activity.as_mut().unwrap().occurred_time = Some(timestamp(START));
        record(&client, early).await.unwrap();
        let end = Time::from(chrono::DateTime::parse_from_rfc3339(end).unwrap().to_utc());
        house.clock().advance_to(end.plus_micros(-1));
        let before = balance_of(&client, &member).await;
        assert_eq!((before.available, before.next_expire_time), (100, Some(timestamp(end))));
        house.clock().advance_to(end);
        assert_eq!(balance_of(&client, &member).await.available, 0);
    }
    house.end().await;
}

async fn the_past_reads_as_it_was(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 30, None).await;
    let member = enroll(&client, "anna").await;
    record(&client, purchase(&member, 100)).await.unwrap();
    house.clock().advance_to(day(10));
    let earned = record(&client, purchase(&member, 900)).await.unwrap();
    house.clock().advance_to(day(20));
    let spent = redeem(&client, redemption(&member, "mug")).await.unwrap();
    house.clock().advance_to(day(200));
    let at = |when: Time, view: pb::BalanceView, read_token: &str| pb::GetBalanceRequest {
        member_id: member.clone(),
        view: view.into(),
        as_of: Some(timestamp(when)),
        read_token: read_token.into(),
    };
    let read = async |when: Time| {
        let full = balance(&client, at(when, pb::BalanceView::Full, &spent.read_token)).await.unwrap();
        let (balance, tier) = (full.balance.unwrap(), full.tier.unwrap());
        assert_eq!(balance.expiries.iter().map(|b| b.points).sum::<i64>(), balance.available, "{when}");
        (balance.available, balance.redeemed, balance.expired, tier.tier_id)
    };
    assert_eq!(read(START.plus_micros(-1)).await, (0, 0, 0, "base".into()));
    assert_eq!(read(START).await, (100, 0, 0, "base".into()));
    assert_eq!(read(day(10).plus_micros(-1)).await, (100, 0, 0, "base".into()));
    assert_eq!(read(day(10)).await, (1_000, 0, 0, "silver".into()));
    assert_eq!(read(day(20)).await, (970, 30, 0, "silver".into()));
    assert_eq!(read(day(90)).await, (900, 30, 70, "silver".into()));
    assert_eq!(read(day(100)).await, (0, 30, 970, "silver".into()));
    let full = balance(&client, at(day(50), pb::BalanceView::Full, "")).await.unwrap().balance.unwrap();
    let bucket = |month: i32, day: i32, points: i64| pb::ExpiryBucket {
        expire_date: Some(Date { year: 2024, month, day }),
        points,
    };
    assert_eq!(full.expiries, [bucket(3, 31, 70), bucket(4, 10, 900)]);
    let future = balance(&client, at(day(201), pb::BalanceView::Basic, "")).await.unwrap_err();
    assert_eq!(reason(&future), "AS_OF_IN_FUTURE");
    let foreign = balance(&client, at(day(50), pb::BalanceView::Basic, "1-00000000-1")).await.unwrap_err();
    assert_eq!(reason(&foreign), "READ_TOKEN_INVALID");
    assert!(earned.read_token != spent.read_token);
    house.end().await;
}

async fn a_backdated_purchase_lives_and_dies_at_its_own_time(house: House) {
    let client = house.client();
    create_program(&client).await;
    let member = enroll(&client, "anna").await;
    let mut old = purchase(&member, 40);
    old.activity.as_mut().unwrap().occurred_time = Some(timestamp(day(-100)));
    let reply = record(&client, old).await.unwrap();
    assert_eq!(reply.activity.unwrap().points, 40);
    let now = reply.balance.unwrap();
    assert_eq!((now.available, now.issued, now.expired), (0, 40, 40));
    let request = pb::GetBalanceRequest {
        member_id: member.clone(),
        as_of: Some(timestamp(day(-50))),
        ..Default::default()
    };
    let then = balance(&client, request).await.unwrap();
    assert_eq!(then.balance.unwrap().available, 40);
    assert_eq!(then.tier.unwrap().progress, Some(usd(40, 0)));
    let mut tomorrow = purchase(&member, 1);
    tomorrow.activity.as_mut().unwrap().occurred_time = Some(timestamp(day(1)));
    assert_eq!(reason(&record(&client, tomorrow).await.unwrap_err()), "OCCURRED_IN_FUTURE");
    house.end().await;
}

async fn a_tier_ends_for_every_reader(house: House) {
    let client = house.client();
    create_program(&client).await;
    let member = enroll(&client, "anna").await;
    record(&client, purchase(&member, 2_500)).await.unwrap();
    let tier = async || {
        let request = pb::GetBalanceRequest { member_id: member.clone(), ..Default::default() };
        balance(&client, request).await.unwrap().tier.unwrap()
    };
    let gold = tier().await;
    // 2024 is a leap year: 366 + 365 days to the end of 2025.
    assert_eq!((gold.tier_id.as_str(), gold.end_time), ("gold", Some(timestamp(day(731)))));
    assert_eq!((gold.to_next, gold.to_stay), (Some(usd(2_500, 0)), Some(usd(0, 0))));
    house.clock().advance_to(day(731).plus_micros(-1));
    assert_eq!(tier().await.tier_id, "gold");
    assert_eq!(tier().await.to_stay, Some(usd(2_500, 0)));
    house.clock().advance_to(day(731));
    assert_eq!(tier().await.tier_id, "base");
    house.end().await;
}
