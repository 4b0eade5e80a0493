//! The tiers of a running program change from the next day on: who has what reaches a higher tier rises then,
//! by a worker and in every read, and nobody falls before the own tier ends. What happened before stays.

use harness::calls::{
    PROGRAM, balance, create_program_like, create_reward, enroll, program, purchase, reason, record, redeem,
    redemption, timestamp, update_program, usd,
};
use harness::house::{House, START};
use harness::moves::{day, reverse, tier};
use proto::rapport::loyalty::v1 as pb;
use proto::rapport::loyalty::v1::points_service_client::PointsServiceClient;
use proto::rapport::loyalty::v1::program_service_client::ProgramServiceClient;
use rpc::client::Client;
use tonic::Status;

use crate::rules_say_what_activities_earn::explain;

in_process! {
    a_program_without_tiers_gets_its_first;
    who_has_enough_rises_when_the_day_begins;
    what_tiers_give_is_that_of_the_day;
    a_change_of_the_same_day_takes_the_place_of_the_first;
    what_counts_and_where_tiers_stand_stays;
}

pub(crate) fn step(tier_id: &str, units: i64) -> pb::Tier {
    pb::Tier { tier_id: tier_id.into(), threshold: Some(usd(units, 0)), ..Default::default() }
}

pub(crate) fn ladder(silver: i64, gold: i64) -> Vec<pb::Tier> {
    vec![step("base", 0), step("silver", silver), step("gold", gold)]
}

pub(crate) async fn open(client: &Client) {
    create_program_like(client, pb::Program { tiers: ladder(1_000, 2_500), ..program(PROGRAM) }).await;
}

pub(crate) async fn update(
    client: &Client,
    wanted: pb::Program,
    mask: &[&str],
) -> Result<pb::Program, Status> {
    update_program(client, pb::Program { program_id: PROGRAM.into(), ..wanted }, mask).await
}

pub(crate) async fn change(client: &Client, tiers: Vec<pb::Tier>) -> Result<pb::Program, Status> {
    update(client, pb::Program { tiers, ..Default::default() }, &["tiers"]).await
}

async fn who_has_enough_rises_when_the_day_begins(house: House) {
    let client = house.client();
    open(&client).await;
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    let bought = record(&client, purchase(&anna, 600)).await.unwrap().activity.unwrap();
    record(&client, purchase(&ben, 1_200)).await.unwrap();
    let changed = change(&client, ladder(500, 3_000)).await.unwrap();
    let [before] = changed.earlier_tiers.as_slice() else { panic!("{changed:?}") };
    let end = before.end_date.unwrap();
    let tomorrow = day(1).to_string();
    assert_eq!(format!("{}-{:02}-{:02}", end.year, end.month, end.day), tomorrow[..10]);
    assert_eq!(before.tiers[1].threshold, Some(usd(1_000, 0)));
    assert_eq!((tier(&client, &anna).await.as_str(), tier(&client, &ben).await.as_str()), ("base", "silver"));

    // START is within a day: the next one begins before a day has passed.
    house.clock().advance_to(day(1));
    assert_eq!(tier(&client, &anna).await, "silver", "whatever the cache held");
    assert_eq!(tier(&client, &ben).await, "silver");
    house.settle().await;
    let told = [("base".to_owned(), None), ("silver".to_owned(), Some(timestamp(day(1))))];
    assert_eq!(history(&client, &anna).await, told, "a worker came by");

    // Returned down to 400, it never had enough for silver: neither by what held before nor after.
    let activity = bought.activity_id;
    reverse(&client, &anna, &activity).await.unwrap();
    record(&client, purchase(&anna, 400)).await.unwrap();
    assert_eq!(tier(&client, &anna).await, "base");
    let status = balance(&client, pb::GetBalanceRequest { member_id: anna, ..Default::default() }).await;
    assert_eq!(status.unwrap().tier.unwrap().to_next, Some(usd(100, 0)));
    house.end().await;
}

async fn history(client: &Client, member: &str) -> Vec<(String, Option<prost_types::Timestamp>)> {
    let history = pb::GetTierHistoryRequest { member_id: member.to_owned(), known_time: None };
    let mut points = PointsServiceClient::new(client.clone());
    let history = points.get_tier_history(history).await.unwrap().into_inner().tiers;
    history.into_iter().map(|one| (one.tier_id, one.start_time)).collect()
}

/// What was bought before counts; nobody had a tier before the day on which there are any.
async fn a_program_without_tiers_gets_its_first(house: House) {
    let client = house.client();
    create_program_like(&client, pb::Program { tiers: Vec::new(), ..program(PROGRAM) }).await;
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    record(&client, purchase(&anna, 1_200)).await.unwrap();
    record(&client, purchase(&ben, 100)).await.unwrap();
    assert_eq!(change(&client, ladder(1, 2)).await.unwrap().earlier_tiers.len(), 1);
    assert_eq!(change(&client, Vec::new()).await.unwrap().earlier_tiers, [], "they never held");
    let changed = change(&client, ladder(1_000, 2_500)).await.unwrap();
    assert_eq!((changed.earlier_tiers.len(), changed.earlier_tiers[0].tiers.len()), (1, 0));
    let cleo = enroll(&client, "cleo").await;
    for member in [&anna, &ben, &cleo] {
        assert_eq!((tier(&client, member).await.as_str(), history(&client, member).await.len()), ("", 0));
    }

    house.clock().advance_to(day(1));
    let dora = enroll(&client, "dora").await;
    let begins = |tier_id: &str| vec![(tier_id.to_owned(), Some(timestamp(day(1))))];
    for (member, tier_id) in [(&anna, "silver"), (&ben, "base"), (&cleo, "base"), (&dora, "base")] {
        assert_eq!(tier(&client, member).await, tier_id, "whatever the cache held");
    }
    house.settle().await;
    assert!(house.audit().await.sound);
    assert_eq!(history(&client, &anna).await, begins("silver"));
    assert_eq!(history(&client, &ben).await, begins("base"));
    assert_eq!(history(&client, &dora).await, [("base".to_owned(), None)]);
    // What is told late happened when there were no tiers, and counts.
    let mut late = purchase(&ben, 900);
    let activity = late.activity.as_mut().unwrap();
    (activity.occurred_time, activity.external_id) = (Some(timestamp(START)), "late".into());
    record(&client, late).await.unwrap();
    assert_eq!(explain(&client, &ben, "late").await.tier_id, "");
    assert_eq!(history(&client, &ben).await, begins("silver"));
    let gone = change(&client, Vec::new()).await.unwrap_err();
    assert_eq!(reason(&gone), "TIER_IN_USE");
    house.end().await;
}

async fn what_tiers_give_is_that_of_the_day(house: House) {
    let client = house.client();
    let gives = |earn_percent, reward_discount_percent| pb::Tier {
        earn_percent,
        reward_discount_percent,
        ..step("base", 0)
    };
    create_program_like(&client, pb::Program { tiers: vec![gives(150, 10)], ..program(PROGRAM) }).await;
    create_reward(&client, "mug", 100, None).await;
    let anna = enroll(&client, "anna").await;
    let first = record(&client, purchase(&anna, 100)).await.unwrap().activity.unwrap();
    change(&client, vec![gives(300, 50)]).await.unwrap();
    let same_day = record(&client, purchase(&anna, 100)).await.unwrap().activity.unwrap();
    assert_eq!((first.points, same_day.points), (150, 150));
    house.clock().advance_to(day(1));
    let next_day = record(&client, purchase(&anna, 100)).await.unwrap().activity.unwrap();
    assert_eq!(next_day.points, 300);
    let mut late = purchase(&anna, 100);
    late.activity.as_mut().unwrap().occurred_time = Some(timestamp(START));
    assert_eq!(record(&client, late).await.unwrap().activity.unwrap().points, 150, "it happened before");
    assert_eq!(reverse(&client, &anna, &first.activity_id).await.unwrap().points_owed, 150);
    let spent = redeem(&client, redemption(&anna, "mug")).await.unwrap();
    assert_eq!(spent.redemption.unwrap().points, 50);
    house.end().await;
}

async fn a_change_of_the_same_day_takes_the_place_of_the_first(house: House) {
    let client = house.client();
    open(&client).await;
    let anna = enroll(&client, "anna").await;
    record(&client, purchase(&anna, 600)).await.unwrap();
    change(&client, ladder(500, 3_000)).await.unwrap();
    let again = change(&client, ladder(700, 3_000)).await.unwrap();
    assert_eq!(again.earlier_tiers.len(), 1);
    house.clock().advance_to(day(1));
    assert_eq!(tier(&client, &anna).await, "base");
    let mut more = ladder(550, 580);
    more.push(step("platinum", 590));
    assert_eq!(change(&client, more).await.unwrap().earlier_tiers.len(), 2);
    house.clock().advance_to(day(2));
    assert_eq!(tier(&client, &anna).await, "platinum");
    let never = pb::TierPolicy { downgrade: pb::TierDowngrade::Never.into(), ..Default::default() };
    let kept = pb::Program { tier_policy: Some(never), ..Default::default() };
    let told = update(&client, kept, &["tier_policy"]).await.unwrap();
    assert_eq!(told.tier_policy.unwrap().downgrade(), pb::TierDowngrade::Never);
    assert_eq!(told.earlier_tiers[2].downgrade(), pb::TierDowngrade::Recalculate);
    house.end().await;
}

async fn what_counts_and_where_tiers_stand_stays(house: House) {
    let client = house.client();
    open(&client).await;
    let swapped = vec![step("base", 0), step("gold", 1_000), step("silver", 2_500)];
    for wrong in [vec![step("base", 0)], swapped, vec![step("lower", 0), step("base", 10)]] {
        assert_eq!(reason(&change(&client, wrong).await.unwrap_err()), "TIER_IN_USE");
    }
    assert_eq!(reason(&change(&client, Vec::new()).await.unwrap_err()), "TIER_IN_USE");
    let other = [
        pb::TierPolicy { basis: pb::TierBasis::Activities.into(), ..Default::default() },
        pb::TierPolicy { activity_types: vec![1], ..Default::default() },
        pb::TierPolicy { window: Some(pb::tier_policy::Window::RollingMonths(3)), ..Default::default() },
    ];
    for policy in other {
        let wanted = pb::Program { tier_policy: Some(policy), ..Default::default() };
        let refused = update(&client, wanted, &["tier_policy"]).await.unwrap_err();
        assert_eq!(reason(&refused), "TIER_POLICY_IN_USE");
    }
    let falling = vec![step("base", 0), step("silver", 10), step("gold", 5)];
    assert_eq!(change(&client, falling).await.unwrap_err().code(), tonic::Code::InvalidArgument);
    let read = pb::GetProgramRequest { program_id: PROGRAM.into() };
    let read = ProgramServiceClient::new(client.clone()).get_program(read).await.unwrap().into_inner();
    assert_eq!(read.program.unwrap().earlier_tiers, []);
    house.end().await;
}
