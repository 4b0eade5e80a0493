//! Tiers follow the policy of their program: what counts, over which days, how they are lost and what they
//! are good for. What becomes known late or is taken back corrects the tiers of the past, and what was known
//! stays.

use ambient::Time;
use harness::calls::{
    PROGRAM, balance, balance_of, create_program, create_program_like, create_reward, enroll, program,
    purchase, reason, record, redeem, redemption, request_id, timestamp, usd,
};
use harness::house::{House, START};
use pb::activity_service_client::ActivityServiceClient;
use pb::points_service_client::PointsServiceClient;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;
use tonic::{Code, Status};

in_process! {
    late_and_returned_purchases_correct_the_past;
    stays_of_the_last_months_make_a_tier;
    a_tier_earns_more_and_pays_less;
    what_time_changes_was_known_when_it_began;
    a_tier_about_to_end_is_told_once;
    points_of_the_past_are_those_of_its_tier;
}

const DAY: i64 = 86_400_000_000;

fn day(n: i64) -> Time {
    START.plus_micros(n * DAY)
}

fn bought(member_id: &str, units: i64, at: Time) -> pb::RecordActivityRequest {
    let mut request = purchase(member_id, units);
    if let Some(activity) = request.activity.as_mut() {
        activity.occurred_time = Some(timestamp(at));
    }
    request
}

async fn give_back(client: &Client, member_id: &str, activity_id: String) {
    let request = pb::ReverseActivityRequest {
        request_id: request_id(),
        member_id: member_id.into(),
        activity: Some(pb::reverse_activity_request::Activity::ActivityId(activity_id)),
        returned: Some(pb::reverse_activity_request::Returned::Whole(true)),
        ..Default::default()
    };
    ActivityServiceClient::new(client.clone()).reverse_activity(request).await.expect("a return");
}

async fn history(
    client: &Client,
    member_id: &str,
    known: Option<Time>,
) -> Result<Vec<pb::TierPeriod>, Status> {
    let request = pb::GetTierHistoryRequest { member_id: member_id.into(), known_time: known.map(timestamp) };
    let answer = PointsServiceClient::new(client.clone()).get_tier_history(request).await?;
    Ok(answer.into_inner().tiers)
}

/// Tiers with when they began.
async fn tiers(client: &Client, member_id: &str, known: Option<Time>) -> Vec<(String, Option<Time>)> {
    let periods = history(client, member_id, known).await.expect("a history").into_iter();
    let begins = |at: prost_types::Timestamp| Time::from_parts(at.seconds, at.nanos).expect("a moment");
    periods.map(|period| (period.tier_id, period.start_time.map(begins))).collect()
}

async fn tier_at(client: &Client, member_id: &str, at: Option<Time>) -> pb::TierStatus {
    let as_of = at.map(timestamp);
    let request = pb::GetBalanceRequest { member_id: member_id.into(), as_of, ..Default::default() };
    balance(client, request).await.expect("a balance").tier.expect("a tier")
}

/// How many events of a kind a wallet has announced.
pub(crate) async fn announced(house: &House, kind: &str) -> i64 {
    house.settle().await;
    let sql = format!("SELECT COUNT(*) AS n FROM event_log WHERE kind = 'rapport.loyalty.v1.{kind}'");
    house.count(&sql).await
}

fn named<const N: usize>(tiers: [(&str, Option<Time>); N]) -> Vec<(String, Option<Time>)> {
    tiers.into_iter().map(|(tier, at)| (tier.to_owned(), at)).collect()
}

async fn late_and_returned_purchases_correct_the_past(house: House) {
    let client = house.client();
    create_program(&client).await;
    let member = enroll(&client, "anna").await;
    let first = record(&client, bought(&member, 600, day(0))).await.unwrap().activity.unwrap().activity_id;
    house.clock().advance_to(day(100));
    record(&client, bought(&member, 500, day(100))).await.unwrap();
    let then = named([("base", None), ("silver", Some(day(100)))]);
    assert_eq!(tiers(&client, &member, None).await, then);
    assert_eq!(tier_at(&client, &member, Some(day(99))).await.tier_id, "base");
    assert_eq!(announced(&house, "TierChanged").await, 1);

    // It becomes known that silver was reached on day 50: nothing changes today, but the past does.
    house.clock().advance_to(day(200));
    let late = record(&client, bought(&member, 400, day(50))).await.unwrap().activity.unwrap().activity_id;
    let midnight = Time::from_micros(day(50).micros() / DAY * DAY);
    let corrected = named([("base", None), ("silver", Some(midnight))]);
    assert_eq!(tiers(&client, &member, None).await, corrected);
    assert_eq!(tiers(&client, &member, Some(day(150))).await, then, "as it was known then");
    assert_eq!(tiers(&client, &member, Some(day(99))).await, named([("base", None)]));
    let in_between = tier_at(&client, &member, Some(day(60))).await;
    assert_eq!((in_between.tier_id.as_str(), in_between.progress), ("silver", Some(usd(1_000, 0))));
    assert_eq!(tier_at(&client, &member, Some(day(49))).await.tier_id, "base");

    // It is given back: silver was reached on day 100 after all.
    house.clock().advance_to(day(210));
    give_back(&client, &member, late).await;
    let midnight_100 = Time::from_micros(day(100).micros() / DAY * DAY);
    let again = named([("base", None), ("silver", Some(midnight_100))]);
    assert_eq!(tiers(&client, &member, None).await, again);
    assert_eq!(tiers(&client, &member, Some(day(205))).await, corrected);
    assert_eq!(announced(&house, "TierChanged").await, 1, "the current tier did not change");

    // Without the first one it was never reached, and the member is told.
    give_back(&client, &member, first).await;
    assert_eq!(tiers(&client, &member, None).await, named([("base", None)]));
    let status = tier_at(&client, &member, None).await;
    assert_eq!((status.tier_id.as_str(), status.progress), ("base", Some(usd(500, 0))));
    assert_eq!(status.start_time, Some(timestamp(START)));
    assert_eq!(announced(&house, "TierChanged").await, 2);
    let future = history(&client, &member, Some(day(300))).await.unwrap_err();
    assert_eq!((future.code(), reason(&future).as_str()), (Code::InvalidArgument, "KNOWN_TIME_IN_FUTURE"));
    let nobody = history(&client, &harness::calls::named("nobody"), None).await.unwrap_err();
    assert_eq!((nobody.code(), reason(&nobody).as_str()), (Code::NotFound, "MEMBER_NOT_FOUND"));
    house.end().await;
}

/// Stays of the last six months: 3 reach silver and 2 keep it, 6 reach gold and 5 keep it.
fn hotel() -> pb::Program {
    let tier = |id: &str, threshold_count, keep_count| pb::Tier {
        tier_id: id.into(),
        threshold_count,
        keep_count: Some(keep_count),
        ..Default::default()
    };
    pb::Program {
        tiers: vec![tier("base", 0, 0), tier("silver", 3, 2), tier("gold", 6, 5)],
        tier_policy: Some(pb::TierPolicy {
            basis: pb::TierBasis::Activities.into(),
            activity_types: vec![pb::ActivityType::CheckIn.into()],
            window: Some(pb::tier_policy::Window::RollingMonths(6)),
            downgrade: pb::TierDowngrade::OneDown.into(),
            grace_days: 10,
            warn_days: 30,
        }),
        ..program(PROGRAM)
    }
}

fn check_in(member_id: &str) -> pb::RecordActivityRequest {
    let activity = pb::Activity { r#type: pb::ActivityType::CheckIn.into(), ..Default::default() };
    pb::RecordActivityRequest {
        request_id: request_id(),
        member_id: member_id.into(),
        activity: Some(activity),
    }
}

async fn stays_of_the_last_months_make_a_tier(house: House) {
    let client = house.client();
    let created = create_program_like(&client, hotel()).await;
    assert_eq!(created.tier_policy, hotel().tier_policy);
    let member = enroll(&client, "anna").await;
    // Purchases are no stays.
    record(&client, purchase(&member, 9_000)).await.unwrap();
    let mut last = String::new();
    for n in 0..6 {
        house.clock().advance_to(day(10 * n));
        last = record(&client, check_in(&member)).await.unwrap().activity.unwrap().activity_id;
    }
    let gold = tier_at(&client, &member, None).await;
    assert_eq!((gold.tier_id.as_str(), gold.progress_count, gold.to_stay_count), ("gold", 6, 0));
    assert_eq!((gold.progress, gold.next_tier_id.as_str()), (None, ""));
    // One stay that was none: still enough to keep, not to have reached it.
    give_back(&client, &member, last).await;
    let silver = tier_at(&client, &member, None).await;
    assert_eq!((silver.tier_id.as_str(), silver.progress_count, silver.to_next_count), ("silver", 5, 1));
    record(&client, check_in(&member)).await.unwrap();
    assert_eq!(tier_at(&client, &member, None).await.tier_id, "gold");
    // Six months and the grace after the last stay it is one down, and one down again.
    let mut seen = Vec::new();
    for n in 0..60 {
        house.clock().advance_to(day(50 + 10 * n));
        let tier_id = tier_at(&client, &member, None).await.tier_id;
        if seen.last().is_none_or(|(_, last)| *last != tier_id) {
            seen.push((n, tier_id));
        }
    }
    let tiers_seen: Vec<&str> = seen.iter().map(|(_, tier)| tier.as_str()).collect();
    assert_eq!(tiers_seen, ["gold", "silver", "base"], "{seen:?}");
    let past = tier_at(&client, &member, Some(day(200))).await;
    assert_eq!((past.tier_id.as_str(), past.progress_count), ("gold", 4), "what counted then");
    assert_eq!(history(&client, &member, None).await.unwrap().len(), 5);
    house.end().await;
}

async fn a_tier_earns_more_and_pays_less(house: House) {
    let client = house.client();
    let mut with_benefits = program(PROGRAM);
    with_benefits.tiers[1].earn_percent = 150;
    with_benefits.tiers[1].reward_discount_percent = 15;
    with_benefits.tiers[1].perks = vec!["A free coffee".into()];
    let created = create_program_like(&client, with_benefits).await;
    assert_eq!((created.tiers[0].earn_percent, created.tiers[1].earn_percent), (100, 150));
    assert_eq!(created.tiers[1].perks, ["A free coffee"]);
    create_reward(&client, "mug", 99, Some(10)).await;
    let member = enroll(&client, "anna").await;
    record(&client, purchase(&member, 1_000)).await.unwrap();
    assert_eq!(balance_of(&client, &member).await.available, 1_000, "the tier counts for what follows");
    let more = record(&client, purchase(&member, 33)).await.unwrap().activity.unwrap();
    assert_eq!(more.points, 49, "33 and a half of it, rounded down");
    let request = pb::ExplainActivityRequest {
        member_id: member.clone(),
        activity: Some(pb::explain_activity_request::Activity::ActivityId(more.activity_id.clone())),
    };
    let mut rules = pb::rule_service_client::RuleServiceClient::new(client.clone());
    let explained = rules.explain_activity(request).await.unwrap().into_inner().explanation.unwrap();
    assert_eq!((explained.tier_id.as_str(), explained.tier_bonus), ("silver", 16));
    let bought = redeem(&client, redemption(&member, "mug")).await.unwrap().redemption.unwrap();
    assert_eq!(bought.points, 85, "99 less 15 % of it, rounded down");
    give_back(&client, &member, more.activity_id).await;
    assert_eq!(balance_of(&client, &member).await.reversed, 49, "the bonus is owed, too");
    house.end().await;
}

/// A tier ends when it ends, whenever somebody looks.
async fn what_time_changes_was_known_when_it_began(house: House) {
    let client = house.client();
    create_program(&client).await;
    let anna = enroll(&client, "anna").await;
    record(&client, purchase(&anna, 1_000)).await.unwrap();
    let end = day(366 + 365);
    house.clock().advance_to(end.plus_micros(3 * DAY));
    let silver = ("silver", Some(START));
    let both = named([("base", None), silver, ("base", Some(end))]);
    assert_eq!(tiers(&client, &anna, None).await, both);
    assert_eq!(tiers(&client, &anna, Some(end)).await, both);
    assert_eq!(tiers(&client, &anna, Some(end.plus_micros(-1))).await, named([("base", None), silver]));
    house.end().await;
}

async fn a_tier_about_to_end_is_told_once(house: House) {
    let client = house.client();
    create_program_like(&client, hotel()).await;
    let member = enroll(&client, "anna").await;
    for _ in 0..3 {
        record(&client, check_in(&member)).await.unwrap();
    }
    let end = tier_at(&client, &member, None).await.end_time.unwrap();
    let end = Time::from_parts(end.seconds, end.nanos).unwrap();
    house.clock().advance_to(end.plus_micros(-30 * DAY - 1));
    assert_eq!(announced(&house, "TierAtRisk").await, 0);
    house.clock().advance_to(end.plus_micros(-30 * DAY));
    assert_eq!(announced(&house, "TierAtRisk").await, 1);
    house.clock().advance_to(end.plus_micros(-1));
    assert_eq!(announced(&house, "TierAtRisk").await, 1);
    assert_eq!(announced(&house, "TierChanged").await, 1);
    // The worker ends it without being asked.
    house.clock().advance_to(end);
    assert_eq!(announced(&house, "TierChanged").await, 2);
    house.end().await;
}

async fn points_of_the_past_are_those_of_its_tier(house: House) {
    let client = house.client();
    let mut with_benefits = program(PROGRAM);
    with_benefits.expiry_policy = None;
    with_benefits.tiers[1].earn_percent = 200;
    create_program_like(&client, with_benefits).await;
    let member = enroll(&client, "anna").await;
    house.clock().advance_to(day(30));
    record(&client, bought(&member, 1_000, day(20))).await.unwrap();
    for (at, points) in [(day(10), 7), (day(20), 14), (day(25), 14), (day(-900), 7)] {
        let earned = record(&client, bought(&member, 7, at)).await.unwrap().activity.unwrap().points;
        assert_eq!(earned, points, "at {at}");
    }
    house.end().await;
}
