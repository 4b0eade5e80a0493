//! Whoever did nothing since, joined later, or holds a tier of before, stands by changed tiers as their terms
//! say: reads answer, nobody loses what they had, and who is at risk is told.

use harness::calls::{
    PROGRAM, balance, create_program_like, enroll, program, purchase, reason, record, timestamp, usd,
};
use harness::house::{House, START};
use harness::moves::{day, household, join, leave, merge, merger, tier, unmerge};
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;

use crate::tiers_change_from_the_next_day::{change, ladder, open, step, update};
use crate::tiers_follow_their_policy::announced;

in_process! {
    a_wallet_that_nothing_touched_is_read;
    who_comes_later_stands_by_the_same_days;
    tiers_that_are_never_lost_have_no_end;
    who_holds_a_tier_without_an_end_is_told_when_it_gets_one;
    who_rose_on_a_day_that_no_worker_saw_is_told;
    a_tier_that_would_end_today_does_not;
    what_is_enough_to_stay_lets_stay;
    who_is_at_risk_is_told_by_a_later_policy;
    only_other_terms_are_other_tiers;
    nothing_stays_due_in_wallets_that_were_left;
}

/// 1 January 2026, when what 2024 earned ends.
const END: i64 = 366 + 365;

async fn status(client: &Client, member_id: &str) -> pb::TierStatus {
    let request = pb::GetBalanceRequest { member_id: member_id.into(), ..Default::default() };
    balance(client, request).await.unwrap().tier.unwrap()
}

async fn policy(client: &Client, policy: pb::TierPolicy) -> pb::Program {
    let wanted = pb::Program { tier_policy: Some(policy), ..Default::default() };
    update(client, wanted, &["tier_policy"]).await.unwrap()
}

fn never() -> pb::TierPolicy {
    pb::TierPolicy { downgrade: pb::TierDowngrade::Never.into(), ..Default::default() }
}

async fn a_wallet_that_nothing_touched_is_read(house: House) {
    let client = house.client();
    let window = Some(pb::tier_policy::Window::RollingMonths(3));
    let tier_policy = Some(pb::TierPolicy { window, ..Default::default() });
    let tiers = ladder(1_000, 2_500);
    create_program_like(&client, pb::Program { tiers, tier_policy, ..program(PROGRAM) }).await;
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    record(&client, purchase(&ben, 1_200)).await.unwrap();
    change(&client, ladder(1_100, 2_500)).await.unwrap();
    house.clock().advance_to(day(1));
    for view in [pb::BalanceView::Full, pb::BalanceView::Basic] {
        let request =
            pb::GetBalanceRequest { member_id: anna.clone(), view: view.into(), ..Default::default() };
        assert_eq!(balance(&client, request).await.unwrap().tier.unwrap().tier_id, "base", "{view:?}");
    }
    assert_eq!(tier(&client, &ben).await, "silver");
    house.settle().await;
    house.clock().advance_to(day(120));
    assert_eq!((tier(&client, &anna).await, tier(&client, &ben).await), ("base".into(), "base".into()));
    house.end().await;
}

async fn nothing_stays_due_in_wallets_that_were_left(house: House) {
    let client = house.client();
    open(&client).await;
    let (anna, ben, carol) =
        (enroll(&client, "anna").await, enroll(&client, "ben").await, enroll(&client, "carol").await);
    record(&client, purchase(&ben, 1_200)).await.unwrap();
    change(&client, ladder(1_100, 2_500)).await.unwrap();
    merge(&client, merger(&anna, &ben)).await.unwrap();
    let home = household(&client, PROGRAM).await;
    join(&client, &home, &carol, pb::HouseholdRole::Redeemer).await.unwrap();
    house.clock().advance_to(day(1));
    for _ in 0..3 {
        house.suite().loyalty().unwrap().settler().run_once().await.unwrap();
    }
    let due = format!("SELECT COUNT(*) AS n FROM wallet WHERE next_due <= {}", day(1).micros());
    assert_eq!(house.count(&due).await, 0);
    leave(&client, &carol).await.unwrap();
    unmerge(&client, &anna).await.unwrap();
    for (member, expected) in [(&anna, "base"), (&ben, "silver"), (&carol, "base")] {
        assert_eq!(tier(&client, member).await, expected);
    }
    house.end().await;
}

async fn who_comes_later_stands_by_the_same_days(house: House) {
    let client = house.client();
    open(&client).await;
    let anna = enroll(&client, "anna").await;
    record(&client, purchase(&anna, 600)).await.unwrap();
    change(&client, ladder(500, 2_500)).await.unwrap();
    house.clock().advance_to(day(1));
    let history = pb::GetTierHistoryRequest { member_id: anna.clone(), known_time: None };
    let mut points = pb::points_service_client::PointsServiceClient::new(client.clone());
    let history = points.get_tier_history(history).await.unwrap().into_inner().tiers;
    assert_eq!(history.last().unwrap().tier_id, "silver", "as the balance says, without a worker");
    house.settle().await;
    house.clock().advance_to(day(60));
    let home = household(&client, PROGRAM).await;
    join(&client, &home, &anna, pb::HouseholdRole::Redeemer).await.unwrap();
    assert_eq!(tier(&client, &home).await, "silver");
    leave(&client, &anna).await.unwrap();
    assert_eq!((tier(&client, &home).await, tier(&client, &anna).await), ("base".into(), "silver".into()));
    let (carol, dora) = (enroll(&client, "carol").await, enroll(&client, "dora").await);
    merge(&client, merger(&anna, &carol)).await.unwrap();
    assert_eq!(tier(&client, &carol).await, "silver");
    // A purchase of before joining, when 600 dollars were not enough.
    let mut late = purchase(&dora, 600);
    late.activity.as_mut().unwrap().occurred_time = Some(timestamp(START));
    record(&client, late).await.unwrap();
    assert_eq!(tier(&client, &dora).await, "silver");
    house.end().await;
}

async fn tiers_that_are_never_lost_have_no_end(house: House) {
    let client = house.client();
    open(&client).await;
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    for member in [&anna, &ben] {
        record(&client, purchase(member, 2_600)).await.unwrap();
    }
    assert_eq!(status(&client, &anna).await.end_time, Some(timestamp(day(END))));
    house.clock().advance_to(day(10));
    policy(&client, never()).await;
    house.clock().advance_to(day(11));
    assert_eq!(status(&client, &anna).await.end_time, None);
    house.settle().await;
    house.clock().advance_to(day(END + 1));
    assert_eq!(
        (status(&client, &anna).await.tier_id, tier(&client, &ben).await),
        ("gold".into(), "gold".into())
    );
    // Where tiers end again, this one is held as if it were reached then.
    policy(&client, pb::TierPolicy::default()).await;
    house.clock().advance_to(day(END + 2));
    let held = status(&client, &anna).await;
    assert_eq!((held.tier_id.as_str(), held.end_time), ("gold", Some(timestamp(day(END + 2 * 365)))));
    house.end().await;
}

async fn who_holds_a_tier_without_an_end_is_told_when_it_gets_one(house: House) {
    let client = house.client();
    open(&client).await;
    policy(&client, never()).await;
    house.clock().advance_to(day(1));
    let anna = enroll(&client, "anna").await;
    record(&client, purchase(&anna, 2_600)).await.unwrap();
    for n in [1, 366, END] {
        house.clock().advance_to(day(n));
        house.settle().await;
    }
    assert_eq!(announced(&house, "TierChanged").await, 1);
    policy(&client, pb::TierPolicy { warn_days: 30, ..Default::default() }).await;
    let end = END + 2 * 365;
    for (n, told) in [(END + 1, (0, 1)), (end - 31, (0, 1)), (end - 30, (1, 1)), (end, (1, 2))] {
        house.clock().advance_to(day(n));
        let counts = (announced(&house, "TierAtRisk").await, announced(&house, "TierChanged").await);
        assert_eq!(counts, told, "on day {n}");
    }
    house.end().await;
}

async fn who_rose_on_a_day_that_no_worker_saw_is_told(house: House) {
    let client = house.client();
    open(&client).await;
    let anna = enroll(&client, "anna").await;
    record(&client, purchase(&anna, 600)).await.unwrap();
    change(&client, ladder(500, 2_500)).await.unwrap();
    house.clock().advance_to(day(1));
    change(&client, ladder(1_000, 2_500)).await.unwrap();
    house.clock().advance_to(day(2));
    assert_eq!(tier(&client, &anna).await, "silver");
    assert_eq!(announced(&house, "TierChanged").await, 1);
    house.end().await;
}

async fn a_tier_that_would_end_today_does_not(house: House) {
    let client = house.client();
    open(&client).await;
    let anna = enroll(&client, "anna").await;
    record(&client, purchase(&anna, 2_600)).await.unwrap();
    house.clock().advance_to(day(END - 1));
    policy(&client, never()).await;
    house.clock().advance_to(day(END));
    let held = status(&client, &anna).await;
    assert_eq!((held.tier_id.as_str(), held.end_time), ("gold", None));
    house.end().await;
}

async fn what_is_enough_to_stay_lets_stay(house: House) {
    let client = house.client();
    open(&client).await;
    let anna = enroll(&client, "anna").await;
    record(&client, purchase(&anna, 1_000)).await.unwrap();
    house.clock().advance_to(day(400));
    record(&client, purchase(&anna, 600)).await.unwrap();
    assert_eq!(status(&client, &anna).await.to_stay, Some(usd(400, 0)));
    let stays = pb::Tier { keep_threshold: Some(usd(500, 0)), ..step("silver", 1_000) };
    change(&client, vec![step("base", 0), stays, step("gold", 2_500)]).await.unwrap();
    house.clock().advance_to(day(401));
    assert_eq!(status(&client, &anna).await.to_stay, Some(usd(0, 0)));
    house.clock().advance_to(day(END));
    let held = status(&client, &anna).await;
    assert_eq!((held.tier_id.as_str(), held.end_time), ("silver", Some(timestamp(day(END + 365)))));
    house.clock().advance_to(day(END + 365));
    assert_eq!(tier(&client, &anna).await, "base", "nothing was spent in 2026");
    house.end().await;
}

async fn who_is_at_risk_is_told_by_a_later_policy(house: House) {
    let client = house.client();
    open(&client).await;
    let anna = enroll(&client, "anna").await;
    record(&client, purchase(&anna, 1_000)).await.unwrap();
    house.clock().advance_to(day(END - 40));
    house.settle().await;
    policy(&client, pb::TierPolicy { warn_days: 30, ..Default::default() }).await;
    house.clock().advance_to(day(END - 31));
    house.settle().await;
    assert_eq!(announced(&house, "TierAtRisk").await, 0);
    house.clock().advance_to(day(END - 30));
    house.settle().await;
    assert_eq!(announced(&house, "TierAtRisk").await, 1);
    house.settle().await;
    assert_eq!(announced(&house, "TierAtRisk").await, 1);
    house.end().await;
}

async fn only_other_terms_are_other_tiers(house: House) {
    let client = house.client();
    let types = |types: [pb::ActivityType; 2]| pb::TierPolicy {
        activity_types: types.map(Into::into).to_vec(),
        basis: pb::TierBasis::Activities.into(),
        ..Default::default()
    };
    let (buy, visit) = (pb::ActivityType::Purchase, pb::ActivityType::Visit);
    let count = |tier_id: &str, threshold_count, perks: &[&str]| pb::Tier {
        tier_id: tier_id.into(),
        threshold_count,
        perks: perks.iter().map(|perk| (*perk).to_owned()).collect(),
        ..Default::default()
    };
    let tiers = vec![count("base", 0, &[]), count("silver", 3, &[])];
    let tier_policy = Some(types([visit, buy]));
    create_program_like(&client, pb::Program { tiers, tier_policy, ..program(PROGRAM) }).await;
    let same = policy(&client, types([buy, visit])).await;
    assert_eq!(same.tier_policy.unwrap().activity_types, [buy, visit].map(i32::from));
    let perks = change(&client, vec![count("base", 0, &[]), count("silver", 3, &["tea"])]).await.unwrap();
    assert_eq!((perks.earlier_tiers, perks.tiers[1].perks[0].as_str()), (vec![], "tea"));
    // A tier that never held is taken back, one that held is not.
    let with = |id: &str| vec![count("base", 0, &[]), count("silver", 3, &[]), count(id, 9, &[])];
    change(&client, with("glod")).await.unwrap();
    let mended = change(&client, with("gold")).await.unwrap();
    assert_eq!((mended.tiers.len(), mended.earlier_tiers.len()), (3, 1));
    house.clock().advance_to(day(1));
    assert_eq!(reason(&change(&client, with("glod")).await.unwrap_err()), "TIER_IN_USE");
    house.end().await;
}
