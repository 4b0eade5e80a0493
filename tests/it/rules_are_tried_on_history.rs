//! Rules are tried on everything that happened before they hold: who would have won, who would have lost, and
//! what that would have cost.

use futures::{StreamExt, TryStreamExt};
use harness::calls::{
    PROGRAM, balance_of, create_program, enroll, purchase, reason, record, redeem, request_id, timestamp,
};
use harness::house::{House, START};
use harness::moves::{buys, day, household, join, merge, merger, reverse};
use harness::offers::{offer, reward};
use pb::backtest_rules_request::Rules;
use pb::backtest_rules_response::Step;
use pb::rule_service_client::RuleServiceClient;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;
use tonic::Status;

use crate::rules_say_what_activities_earn::{on, per_dollar, under};

in_process! {
    the_rules_that_held_find_what_was_earned;
    other_rules_have_winners_and_losers;
    each_member_is_asked_for_what_it_did;
    what_cannot_be_tried;
}

fn tried(rules: Vec<pb::Rule>) -> pb::BacktestRulesRequest {
    let rule_set = pb::RuleSet { program_id: PROGRAM.into(), rules, ..Default::default() };
    pb::BacktestRulesRequest {
        program_id: PROGRAM.into(),
        rules: Some(Rules::RuleSet(rule_set)),
        ..Default::default()
    }
}

/// How far it told to be, and what it found.
async fn found(
    client: &Client,
    request: pb::BacktestRulesRequest,
) -> Result<(Vec<(i64, i64)>, pb::BacktestReport), Status> {
    let stream = RuleServiceClient::new(client.clone()).backtest_rules(request).await?.into_inner();
    let mut told: Vec<Step> = stream.map(|step| step.map(|step| step.step.unwrap())).try_collect().await?;
    let Some(Step::Report(report)) = told.pop() else { panic!("no report: {told:?}") };
    let far = told.into_iter().map(|step| match step {
        Step::Progress(far) => (far.wallets_done, far.wallets_total),
        Step::Report(_) => panic!("two reports"),
    });
    Ok((far.collect(), report))
}

/// 210 members, of whom the first three buy; what one bought is brought back.
async fn history(client: &Client) -> [String; 3] {
    create_program(client).await;
    let [anna, bert, carl] = ["anna", "bert", "carl"].map(str::to_owned);
    let members = [enroll(client, &anna).await, enroll(client, &bert).await, enroll(client, &carl).await];
    for n in 3..210 {
        enroll(client, &format!("idle-{n}")).await;
    }
    for dollars in [400, 500] {
        record(client, purchase(&members[0], dollars)).await.unwrap();
    }
    record(client, purchase(&members[1], 30)).await.unwrap();
    let back = buys(client, &members[2], 70).await;
    reverse(client, &members[2], &back).await.unwrap();
    members
}

async fn the_rules_that_held_find_what_was_earned(house: House) {
    let client = house.client();
    let [anna, bert, _] = history(&client).await;
    // What is spent changes nothing of what was earned.
    offer(&client, reward("mug", 10)).await.unwrap();
    redeem(&client, harness::calls::redemption(&bert, "mug")).await.unwrap();
    house.clock().advance_to(day(1));
    let (far, report) = found(&client, tried(vec![per_dollar("points", 1)])).await.unwrap();
    assert_eq!(far, [(200, 210), (210, 210)]);
    let (held, same) = (report.held.unwrap(), report.tried.unwrap());
    assert_eq!(held, same);
    let mut issued = 0;
    for member in [&anna, &bert] {
        issued += balance_of(&client, member).await.issued;
    }
    assert_eq!((report.wallets, report.activities, held.points_issued), (2, 3, issued));
    assert_eq!((report.winners, report.losers, report.liability_delta), (0, 0, 0));
    house.end().await;
}

async fn other_rules_have_winners_and_losers(house: House) {
    let client = house.client();
    let [anna, bert, carl] = history(&client).await;
    house.clock().advance_to(day(1));
    record(&client, purchase(&carl, 10)).await.unwrap();
    house.clock().advance_to(day(2));
    // Three points a dollar, but only for what costs less than a hundred.
    let small = pb::Rule { condition: "activity.amount < 100.0".into(), ..per_dollar("small", 3) };
    let (_, report) = found(&client, tried(vec![small.clone()])).await.unwrap();
    let (held, other) = (report.held.unwrap(), report.tried.unwrap());
    assert_eq!((held.points_issued, other.points_issued), (940, 120));
    assert_eq!((held.points_alive, other.points_alive, report.liability_delta), (940, 120, -820));
    assert_eq!((report.winners, report.losers), (2, 1));
    let mover = |wallet_id: &String, points_held, points_tried| pb::BacktestMover {
        wallet_id: wallet_id.clone(),
        points_held,
        points_tried,
    };
    assert_eq!(report.most_won, [mover(&bert, 30, 90), mover(&carl, 10, 30)]);
    assert_eq!(report.most_lost, [mover(&anna, 900, 0)]);
    assert!(report.tier_migrations.iter().all(|one| one.held_tier_id == one.tried_tier_id));

    // Of the second day alone, and one mover of each kind.
    let later = pb::BacktestRulesRequest {
        start_time: Some(timestamp(day(1))),
        max_movers: 1,
        ..tried(vec![small.clone()])
    };
    let (_, report) = found(&client, later).await.unwrap();
    assert_eq!((report.wallets, report.activities, report.most_won), (1, 1, vec![mover(&carl, 10, 30)]));
    let later = pb::BacktestRulesRequest { max_movers: 1, ..tried(vec![small.clone()]) };
    let (_, report) = found(&client, later).await.unwrap();
    assert_eq!((report.winners, report.most_won), (2, vec![mover(&bert, 30, 90)]));

    // A draft is tried by its number; nothing of all this was written.
    let draft = pb::RuleSet { program_id: PROGRAM.into(), rules: vec![small], ..Default::default() };
    let request = pb::CreateRuleSetRequest { request_id: request_id(), rule_set: Some(draft) };
    let created = RuleServiceClient::new(client.clone()).create_rule_set(request).await.unwrap();
    let version = created.into_inner().rule_set.unwrap().version;
    let by_number = pb::BacktestRulesRequest { rules: Some(Rules::Version(version)), ..tried(vec![]) };
    let (_, report) = found(&client, by_number).await.unwrap();
    assert_eq!(report.tried.unwrap().points_issued, 120);
    assert_eq!(balance_of(&client, &anna).await.available, 900);
    house.end().await;
}

async fn each_member_is_asked_for_what_it_did(house: House) {
    let client = house.client();
    create_program(&client).await;
    let friends = on("member.external_id in ['anna', 'carl']", per_dollar("friends", 2));
    let rules = vec![friends, per_dollar("base", 1)];
    under(&client, rules.clone()).await;
    let (anna, bert) = (enroll(&client, "anna").await, enroll(&client, "bert").await);
    let (carl, dora) = (enroll(&client, "carl").await, enroll(&client, "dora").await);
    let home = household(&client, PROGRAM).await;
    for member in [&anna, &bert] {
        join(&client, &home, member, pb::HouseholdRole::Redeemer).await.unwrap();
    }
    merge(&client, merger(&carl, &dora)).await.unwrap();
    let mut earned = Vec::new();
    for member in [&anna, &bert, &carl, &dora] {
        let bought = record(&client, purchase(member, 10)).await.unwrap();
        earned.push(bought.activity.unwrap().points);
    }
    assert_eq!(earned, [30, 10, 30, 10]);
    house.clock().advance_to(day(1));
    let (_, report) = found(&client, tried(rules)).await.unwrap();
    let (held, same) = (report.held.unwrap(), report.tried.unwrap());
    assert_eq!((report.wallets, report.activities, held.points_issued), (2, 4, 80));
    assert_eq!(held, same);
    let (_, report) = found(&client, tried(vec![per_dollar("base", 1)])).await.unwrap();
    assert_eq!((report.held.unwrap().points_issued, report.tried.unwrap().points_issued), (80, 40));
    house.end().await;
}

async fn what_cannot_be_tried(house: House) {
    let client = house.client();
    create_program(&client).await;
    let refused = async |request| reason(&found(&client, request).await.unwrap_err());
    let bare = || tried(vec![per_dollar("points", 1)]);
    let unknown = pb::BacktestRulesRequest { rules: Some(Rules::Version(77)), ..bare() };
    assert_eq!(refused(unknown).await, "RULE_SET_NOT_FOUND");
    let nowhere = pb::BacktestRulesRequest { program_id: "nowhere".into(), ..bare() };
    assert_eq!(refused(nowhere).await, "PROGRAM_NOT_FOUND");
    let wrong = pb::Rule { condition: "activity.colour == 'red'".into(), ..per_dollar("points", 1) };
    for request in [
        pb::BacktestRulesRequest { rules: None, ..bare() },
        pb::BacktestRulesRequest { start_time: Some(timestamp(START.plus_micros(1))), ..bare() },
        pb::BacktestRulesRequest { max_movers: 1_001, ..bare() },
        tried(vec![wrong]),
    ] {
        assert_eq!(refused(request).await, "FIELDS_INVALID");
    }
    let (far, report) = found(&client, bare()).await.unwrap();
    assert_eq!((far, report.wallets, report.tier_migrations.len()), (vec![], 0, 0));
    house.end().await;
}
