//! A program with several points currencies: coins beside points, and credits that only count for tiers. Each
//! is earned by rules of its own, lives its own life, and never pays for another.

use harness::calls::{
    PROGRAM, balance, create_program_like, enroll, profile, program, purchase, reason, record, redeem,
    redemption, request_id, timestamp, update_program, usd,
};
use harness::house::House;
use harness::moves::{day, merge, merger};
use proto::rapport::loyalty::v1 as pb;
use proto::rapport::loyalty::v1::points_service_client::PointsServiceClient;
use proto::rapport::loyalty::v1::program_service_client::ProgramServiceClient;
use proto::rapport::loyalty::v1::reward_service_client::RewardServiceClient;
use proto::rapport::loyalty::v1::rule_service_client::RuleServiceClient;
use rpc::client::Client;
use tonic::{Code, Status};

use crate::rules_say_what_activities_earn::{cap, capped, fixed, per_dollar, rule_set, under};

in_process! {
    each_currency_lives_its_own_life;
    credits_make_tiers_and_are_never_spent;
    coins_go_along_with_their_owner;
    currencies_stay_what_they_are;
    what_names_no_currency_of_the_program_is_refused;
    a_new_currency_is_known_to_every_process;
    each_currency_is_counted_by_itself;
    debts_in_coins_go_along;
}

pub(crate) const COINS: &str = "coins";
pub(crate) const STATUS: &str = "status";

pub(crate) fn coins() -> pb::FurtherCurrency {
    let policy = Some(pb::expiry_policy::Policy::RollingDays(30));
    pb::FurtherCurrency {
        code: COINS.into(),
        display_name: "Coins".into(),
        kind: pb::CurrencyKind::Spendable.into(),
        expiry_policy: Some(pb::ExpiryPolicy { policy, ..Default::default() }),
        unit_cost: None,
    }
}

pub(crate) fn status() -> pb::FurtherCurrency {
    pb::FurtherCurrency {
        code: STATUS.into(),
        display_name: "Status".into(),
        kind: pb::CurrencyKind::Qualifying.into(),
        expiry_policy: None,
        unit_cost: None,
    }
}

/// Points that live for 90 days, coins that live for 30, and tiers at 0, 100 and 250 credits.
fn wanted() -> pb::Program {
    let tier = |id: &str, threshold_count| pb::Tier {
        tier_id: id.into(),
        threshold_count,
        earn_percent: if id == "gold" { 200 } else { 100 },
        ..Default::default()
    };
    let basis = pb::TierBasis::Credits.into();
    pb::Program {
        earning_rule: None,
        further_currencies: vec![coins(), status()],
        tiers: vec![tier("base", 0), tier("silver", 100), tier("gold", 250)],
        tier_policy: Some(pb::TierPolicy { basis, ..Default::default() }),
        ..program(PROGRAM)
    }
}

pub(crate) fn of(code: &str, rule: pb::Rule) -> pb::Rule {
    pb::Rule { point_currency_code: code.into(), ..rule }
}

/// A point and three coins a dollar, at most 200 coins a day; a credit for each two dollars.
async fn open(client: &Client) -> String {
    create_program_like(client, wanted()).await;
    let half = pb::PointsPerAmount { points: 1, per: Some(usd(2, 0)), rounding: 0 };
    let credits =
        pb::Rule { effect: Some(pb::rule::Effect::PointsPerAmount(half)), ..of(STATUS, fixed("credits", 1)) };
    let coins = capped(of(COINS, per_dollar("coins", 3)), cap(200, pb::CapPeriod::Day));
    under(client, vec![per_dollar("points", 1), coins, credits]).await;
    enroll(client, "anna").await
}

async fn read(client: &Client, member_id: &str, view: pb::BalanceView) -> pb::GetBalanceResponse {
    let request =
        pb::GetBalanceRequest { member_id: member_id.into(), view: view.into(), ..Default::default() };
    balance(client, request).await.unwrap()
}

/// What a member has of points and of coins.
async fn both(client: &Client, member_id: &str) -> (i64, i64) {
    let read = read(client, member_id, pb::BalanceView::Basic).await;
    let [coins] = read.further_balances.as_slice() else { panic!("{read:?}") };
    assert_eq!(coins.currency_code, COINS);
    (read.balance.unwrap().available, coins.available)
}

async fn adjust(client: &Client, member_id: &str, code: &str, points: i64) -> Result<pb::Balance, Status> {
    let request = pb::AdjustPointsRequest {
        request_id: request_id(),
        member_id: member_id.into(),
        points,
        reason: "gift".into(),
        approver: "chief".into(),
        currency_code: code.into(),
        ..Default::default()
    };
    let response = PointsServiceClient::new(client.clone()).adjust_points(request).await?;
    Ok(response.into_inner().balance.unwrap())
}

pub(crate) async fn offer(
    client: &Client,
    (reward_id, code): (&str, &str),
    price_points: i64,
) -> Result<(), Status> {
    let reward = pb::Reward {
        program_id: PROGRAM.into(),
        reward_id: reward_id.into(),
        price_points,
        currency_code: code.into(),
        stock: Some(pb::reward::Stock::Unlimited(true)),
        ..Default::default()
    };
    let request = pb::CreateRewardRequest { request_id: request_id(), reward: Some(reward) };
    RewardServiceClient::new(client.clone()).create_reward(request).await?;
    Ok(())
}

fn reversal(activity_id: &str, member_id: &str, units: i64) -> pb::ReverseActivityRequest {
    use pb::reverse_activity_request::{Activity, Returned};
    pb::ReverseActivityRequest {
        request_id: request_id(),
        member_id: member_id.into(),
        activity: Some(Activity::ActivityId(activity_id.into())),
        returned: Some(Returned::Amount(usd(units, 0))),
        reason: "broken".into(),
    }
}

async fn take_back(
    client: &Client,
    request: pb::ReverseActivityRequest,
) -> Result<pb::ReverseActivityResponse, Status> {
    let mut service = pb::activity_service_client::ActivityServiceClient::new(client.clone());
    Ok(service.reverse_activity(request).await?.into_inner())
}

async fn each_currency_lives_its_own_life(house: House) {
    let client = house.client();
    let anna = open(&client).await;
    let bought = record(&client, purchase(&anna, 50)).await.unwrap();
    let activity = bought.activity.unwrap();
    let [earned] = activity.further_points.as_slice() else { panic!("{activity:?}") };
    assert_eq!((activity.points, earned.currency_code.as_str(), earned.points), (50, COINS, 150));
    let second = record(&client, purchase(&anna, 40)).await.unwrap().activity.unwrap();
    assert_eq!(second.further_points[0].points, 50, "200 coins a day");
    assert_eq!(both(&client, &anna).await, (90, 200));

    // Returned for 30 dollars, 20 are left: 30 points and 90 of the coins are owed back.
    let back = take_back(&client, reversal(&activity.activity_id, &anna, 30)).await.unwrap();
    let [coins_back] = back.further_reversals.as_slice() else { panic!("{back:?}") };
    assert_eq!(back.reversal.unwrap().points_owed, 30);
    assert_eq!((coins_back.currency_code.as_str(), coins_back.points_owed), (COINS, 90));
    assert_eq!(back.activity.unwrap().further_points[0].points_reversed, 90);
    assert_eq!(both(&client, &anna).await, (60, 110));

    offer(&client, ("sticker", COINS), 100).await.unwrap();
    offer(&client, ("mug", ""), 100).await.unwrap();
    let spent = redeem(&client, redemption(&anna, "sticker")).await.unwrap();
    assert_eq!(spent.redemption.unwrap().currency_code, COINS);
    let left = spent.balance.unwrap();
    assert_eq!((left.currency_code.as_str(), left.available, left.redeemed), (COINS, 10, 100));
    let poor = redeem(&client, redemption(&anna, "mug")).await.unwrap_err();
    assert_eq!(reason(&poor), "INSUFFICIENT_POINTS", "coins are no points");
    assert_eq!(adjust(&client, &anna, COINS, 5).await.unwrap().available, 15);
    assert_eq!(adjust(&client, &anna, "points", -60).await.unwrap().available, 0);
    assert_eq!(reason(&adjust(&client, &anna, "", -1).await.unwrap_err()), "INSUFFICIENT_POINTS");
    adjust(&client, &anna, "", 60).await.unwrap();

    let full = read(&client, &anna, pb::BalanceView::Full).await;
    let buckets = |b: &pb::Balance| b.expiries.iter().map(|bucket| bucket.points).sum::<i64>();
    assert_eq!((buckets(&full.balance.unwrap()), buckets(&full.further_balances[0])), (60, 15));
    house.clock().advance_to(day(30));
    assert_eq!(both(&client, &anna).await, (60, 0), "coins live for 30 days");
    house.settle().await;
    let past = pb::GetBalanceRequest {
        member_id: anna.clone(),
        as_of: Some(timestamp(day(30).plus_micros(-1))),
        ..Default::default()
    };
    let past = balance(&client, past).await.unwrap();
    assert_eq!((past.balance.unwrap().available, past.further_balances[0].available), (60, 15));
    let list = pb::ListLotsRequest { member_id: anna.clone(), open_only: true, ..Default::default() };
    let lots = PointsServiceClient::new(client.clone()).list_lots(list).await.unwrap().into_inner().lots;
    assert!(lots.iter().all(|lot| lot.currency_code == "points"), "{lots:?}");
    let kept = profile(&client, &anna).await.unwrap();
    assert_eq!((kept.redemption_count, kept.points_spent), (1, 0), "coins are no points there, too");
    house.end().await;
}

async fn credits_make_tiers_and_are_never_spent(house: House) {
    let client = house.client();
    let anna = open(&client).await;
    let bought = record(&client, purchase(&anna, 500)).await.unwrap().activity.unwrap();
    assert_eq!((bought.points, bought.credits), (500, 250));
    let tier = read(&client, &anna, pb::BalanceView::Basic).await.tier.unwrap();
    assert_eq!((tier.tier_id.as_str(), tier.progress_count, tier.to_next_count), ("gold", 250, 0));
    let in_gold = record(&client, purchase(&anna, 10)).await.unwrap().activity.unwrap();
    assert_eq!((in_gold.points, in_gold.credits), (20, 5), "a tier multiplies points, not credits");

    let back = take_back(&client, reversal(&bought.activity_id, &anna, 301)).await.unwrap();
    assert_eq!(back.activity.unwrap().credits, 99, "half of what is left, rounded down");
    let tier = read(&client, &anna, pb::BalanceView::Basic).await.tier.unwrap();
    assert_eq!((tier.tier_id.as_str(), tier.progress_count), ("silver", 104));

    let refused = adjust(&client, &anna, STATUS, 5).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::FailedPrecondition, "POINT_CURRENCY_NOT_SPENDABLE")
    );
    assert_eq!(
        reason(&offer(&client, ("lounge", STATUS), 1).await.unwrap_err()),
        "POINT_CURRENCY_NOT_SPENDABLE"
    );
    house.end().await;
}

async fn coins_go_along_with_their_owner(house: House) {
    let client = house.client();
    let anna = open(&client).await;
    let ben = enroll(&client, "ben").await;
    let bought = record(&client, purchase(&anna, 50)).await.unwrap().activity.unwrap();
    let gift = pb::TransferPointsRequest {
        request_id: request_id(),
        member_id: anna.clone(),
        to_member_id: ben.clone(),
        points: 60,
        currency_code: COINS.into(),
        ..Default::default()
    };
    let given = PointsServiceClient::new(client.clone()).transfer_points(gift).await.unwrap().into_inner();
    assert_eq!(given.balance.unwrap().available, 90);
    assert_eq!((both(&client, &anna).await, both(&client, &ben).await), ((50, 90), (0, 60)));

    let moved = merge(&client, merger(&anna, &ben)).await.unwrap();
    assert_eq!(moved.points_moved, 50);
    let [coins] = moved.further_points_moved.as_slice() else { panic!("{moved:?}") };
    assert_eq!((coins.currency_code.as_str(), coins.points), (COINS, 90));
    assert_eq!(both(&client, &ben).await, (50, 150));
    // What was given away is owed by the purchase, wherever its coins are now.
    let back = take_back(&client, reversal(&bought.activity_id, &anna, 50)).await.unwrap();
    let coins = &back.further_reversals[0];
    assert_eq!((coins.points_owed, coins.points_from_available), (150, 150));
    assert_eq!(both(&client, &ben).await, (0, 0));
    house.end().await;
}

async fn debts_in_coins_go_along(house: House) {
    let client = house.client();
    let return_policy = pb::ReturnPolicy::Unlimited.into();
    create_program_like(&client, pb::Program { return_policy, ..wanted() }).await;
    under(&client, vec![per_dollar("points", 1), of(COINS, per_dollar("coins", 3))]).await;
    let (anna, ben) = (enroll(&client, "anna").await, enroll(&client, "ben").await);
    let bought = record(&client, purchase(&anna, 50)).await.unwrap().activity.unwrap();
    adjust(&client, &anna, COINS, -150).await.unwrap();
    adjust(&client, &ben, COINS, 200).await.unwrap();
    let back = take_back(&client, reversal(&bought.activity_id, &anna, 50)).await.unwrap();
    assert_eq!(back.further_reversals[0].points_in_arrears, 150);
    merge(&client, merger(&anna, &ben)).await.unwrap();
    let coins = &read(&client, &ben, pb::BalanceView::Basic).await.further_balances[0];
    assert_eq!((coins.available, coins.arrears), (50, 0));
    house.end().await;
}

async fn update(
    client: &Client,
    further_currencies: Vec<pb::FurtherCurrency>,
) -> Result<pb::Program, Status> {
    let wanted = pb::Program { program_id: PROGRAM.into(), further_currencies, ..Default::default() };
    update_program(client, wanted, &["further_currencies"]).await
}

async fn currencies_stay_what_they_are(house: House) {
    let client = house.client();
    open(&client).await;
    let stars = pb::FurtherCurrency { code: "stars".into(), ..Default::default() };
    let renamed = pb::FurtherCurrency { display_name: "Taler".into(), ..coins() };
    let spendable = pb::FurtherCurrency { kind: pb::CurrencyKind::Spendable.into(), ..status() };
    let main = pb::FurtherCurrency { code: "points".into(), ..stars.clone() };
    for wrong in [
        vec![],
        vec![coins()],
        vec![status(), coins()],
        vec![coins(), spendable],
        vec![coins(), status(), main],
    ] {
        let refused = update(&client, wrong).await.unwrap_err();
        assert_eq!(reason(&refused), "POINT_CURRENCY_IN_USE", "{refused:?}");
    }
    let twice = update(&client, vec![coins(), status(), coins()]).await.unwrap_err();
    assert_eq!(twice.code(), Code::InvalidArgument);
    let changed = update(&client, vec![renamed.clone(), status(), stars]).await.unwrap();
    let codes: Vec<_> = changed.further_currencies.iter().map(|one| one.code.as_str()).collect();
    assert_eq!((codes, &changed.further_currencies[0]), (vec![COINS, STATUS, "stars"], &renamed));
    house.end().await;
}

async fn what_names_no_currency_of_the_program_is_refused(house: House) {
    let client = house.client();
    let anna = open(&client).await;
    let unknown = adjust(&client, &anna, "gems", 1).await.unwrap_err();
    assert_eq!((unknown.code(), reason(&unknown).as_str()), (Code::NotFound, "POINT_CURRENCY_NOT_FOUND"));
    assert_eq!(reason(&offer(&client, ("gem", "gems"), 1).await.unwrap_err()), "POINT_CURRENCY_NOT_FOUND");
    assert_eq!(adjust(&client, &anna, "GEMS", 1).await.unwrap_err().code(), Code::InvalidArgument);

    let grouped = |rule: pb::Rule| pb::Rule { group_id: "g".into(), ..rule };
    let budget = |rule| capped(rule, pb::Cap { budget_id: "b".into(), ..cap(9, pb::CapPeriod::Day) });
    let together =
        |rule: fn(pb::Rule) -> pb::Rule| vec![rule(fixed("one", 1)), rule(of(COINS, fixed("two", 1)))];
    for (rules, field) in [
        (vec![of("gems", fixed("one", 1))], "rule_set.rules[0].point_currency_code"),
        (together(grouped), "rule_set.rules[1].group_id"),
        (together(budget), "rule_set.rules[1].caps"),
    ] {
        let group = pb::RuleGroup { group_id: "g".into(), stacking: pb::Stacking::Sum.into() };
        let set = pb::RuleSet { groups: vec![group], ..rule_set(rules) };
        let request = pb::CreateRuleSetRequest { request_id: request_id(), rule_set: Some(set) };
        let refused = RuleServiceClient::new(client.clone()).create_rule_set(request).await.unwrap_err();
        let told = tonic_types::StatusExt::get_details_bad_request(&refused).unwrap().field_violations;
        assert_eq!(told[0].field, field, "{told:?}");
    }
    let basis = Some(pb::TierPolicy { basis: pb::TierBasis::Credits.into(), ..Default::default() });
    let without = pb::Program { program_id: "other".into(), further_currencies: vec![coins()], ..wanted() };
    let two = vec![status(), pb::FurtherCurrency { code: "more".into(), ..status() }];
    let living = pb::FurtherCurrency { expiry_policy: coins().expiry_policy, ..status() };
    for (program, field) in [
        (pb::Program { tier_policy: basis, ..without.clone() }, "program.tier_policy.basis"),
        (pb::Program { further_currencies: two, ..without.clone() }, "program.further_currencies[1].kind"),
        (
            pb::Program { further_currencies: vec![living], ..without },
            "program.further_currencies[0].expiry_policy",
        ),
    ] {
        let request = pb::CreateProgramRequest { request_id: request_id(), program: Some(program) };
        let refused = ProgramServiceClient::new(client.clone()).create_program(request).await.unwrap_err();
        let told = tonic_types::StatusExt::get_details_bad_request(&refused).unwrap().field_violations;
        assert!(told.iter().any(|one| one.field == field), "{told:?}");
    }
    // The main currency goes by its code, too.
    let by_code = vec![grouped(fixed("one", 1)), grouped(budget(of("points", fixed("two", 1))))];
    let group = pb::RuleGroup { group_id: "g".into(), stacking: pb::Stacking::Sum.into() };
    let set = pb::RuleSet { groups: vec![group], ..rule_set(by_code) };
    let request = pb::CreateRuleSetRequest { request_id: request_id(), rule_set: Some(set) };
    RuleServiceClient::new(client.clone()).create_rule_set(request).await.unwrap();
    house.end().await;
}

/// A budget that counts coins from a version of the rules on has granted no coins before.
async fn each_currency_is_counted_by_itself(house: House) {
    let client = house.client();
    let anna = open(&client).await;
    let promo = |rule| {
        let cap = pb::Cap { budget_id: "promo".into(), ..cap(100, pb::CapPeriod::Month) };
        capped(rule, cap)
    };
    house.clock().advance_to(day(1));
    under(&client, vec![promo(per_dollar("promo", 1))]).await;
    let first = record(&client, purchase(&anna, 90)).await.unwrap().activity.unwrap();
    assert_eq!(both(&client, &anna).await, (90, 0));
    house.clock().advance_to(day(2));
    under(&client, vec![promo(of(COINS, per_dollar("promo", 1)))]).await;
    record(&client, purchase(&anna, 60)).await.unwrap();
    assert_eq!(both(&client, &anna).await, (90, 60), "100 coins a month");
    take_back(&client, reversal(&first.activity_id, &anna, 90)).await.unwrap();
    let last = record(&client, purchase(&anna, 90)).await.unwrap().activity.unwrap();
    assert_eq!(both(&client, &anna).await, (0, 100), "points that were taken back make no room for coins");

    let explain = pb::ExplainActivityRequest {
        member_id: anna,
        activity: Some(pb::explain_activity_request::Activity::ActivityId(last.activity_id)),
    };
    let mut rules = RuleServiceClient::new(client.clone());
    let told = rules.explain_activity(explain).await.unwrap().into_inner().explanation.unwrap();
    let [result] = told.results.as_slice() else { panic!("{told:?}") };
    assert_eq!((result.point_currency_code.as_str(), result.points_granted), (COINS, 40));
    house.end().await;
}

async fn a_new_currency_is_known_to_every_process(house: House) {
    let client = house.client();
    create_program_like(&client, program(PROGRAM)).await;
    let anna = enroll(&client, "anna").await;
    record(&client, purchase(&anna, 10)).await.unwrap();
    update(&client, vec![coins()]).await.unwrap();
    assert_eq!(adjust(&client, &anna, COINS, 7).await.unwrap().available, 7);
    assert_eq!(both(&client, &anna).await, (10, 7));
    // Rules of before are as they were, new ones may grant it.
    under(&client, vec![per_dollar("points", 1), of(COINS, fixed("coin", 1))]).await;
    record(&client, purchase(&anna, 10)).await.unwrap();
    assert_eq!(both(&client, &anna).await, (20, 8));
    house.end().await;
}
