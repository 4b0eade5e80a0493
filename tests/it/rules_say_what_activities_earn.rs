//! Rule sets: refused with everything that is wrong with them, held one at a time, pinned by what they
//! granted, with caps that hold exactly whoever races and explained afterwards.

use std::collections::BTreeMap;

use ambient::Time;
use futures::future::join_all;
use harness::calls::{
    PROGRAM, balance_of, create_program, enroll, purchase, reason, record, request_id, timestamp, usd,
};
use harness::house::{House, START};
use pb::activity_service_client::ActivityServiceClient;
use pb::rule::Effect;
use pb::rule_service_client::RuleServiceClient;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;
use tonic::{Code, Status};
use tonic_types::StatusExt;

in_process! {
    a_rule_set_is_refused_with_everything_that_is_wrong;
    one_rule_set_holds_at_a_time_and_what_it_granted_stays;
    caps_hold_exactly_whoever_races;
    items_come_back_with_what_they_earned;
    a_late_activity_counts_as_if_it_had_come_in_time;
}

const DAY: i64 = 86_400_000_000;

pub(crate) fn rule(rule_id: &str, effect: Effect) -> pb::Rule {
    pb::Rule { rule_id: rule_id.into(), effect: Some(effect), ..Default::default() }
}

pub(crate) fn fixed(rule_id: &str, points: i64) -> pb::Rule {
    rule(rule_id, Effect::FixedPoints(points))
}

pub(crate) fn per_dollar(rule_id: &str, points: i64) -> pb::Rule {
    let per = pb::PointsPerAmount { points, per: Some(usd(1, 0)), rounding: 0 };
    rule(rule_id, Effect::PointsPerAmount(per))
}

pub(crate) fn on(condition: &str, rule: pb::Rule) -> pb::Rule {
    pb::Rule { condition: condition.into(), ..rule }
}

pub(crate) fn of_items(condition: &str, rule: pb::Rule) -> pb::Rule {
    pb::Rule { scope: pb::RuleScope::Item.into(), ..on(condition, rule) }
}

pub(crate) fn capped(rule: pb::Rule, cap: pb::Cap) -> pb::Rule {
    pb::Rule { caps: [rule.caps, vec![cap]].concat(), ..rule }
}

pub(crate) fn cap(points_max: i64, period: pb::CapPeriod) -> pb::Cap {
    pb::Cap { points_max, period: period.into(), ..Default::default() }
}

pub(crate) fn rule_set(rules: Vec<pb::Rule>) -> pb::RuleSet {
    pb::RuleSet { program_id: PROGRAM.into(), rules, ..Default::default() }
}

pub(crate) async fn create(client: &Client, set: pb::RuleSet) -> Result<pb::RuleSet, Status> {
    let request = pb::CreateRuleSetRequest { request_id: request_id(), rule_set: Some(set) };
    let created = RuleServiceClient::new(client.clone()).create_rule_set(request).await?.into_inner();
    Ok(created.rule_set.unwrap())
}

pub(crate) async fn activate(
    client: &Client,
    version: i64,
    start: Option<Time>,
) -> Result<pb::RuleSet, Status> {
    let request = pb::ActivateRuleSetRequest {
        request_id: request_id(),
        program_id: PROGRAM.into(),
        version,
        start_time: start.map(timestamp),
    };
    let response = RuleServiceClient::new(client.clone()).activate_rule_set(request).await?.into_inner();
    Ok(response.rule_set.unwrap())
}

async fn retire(client: &Client, version: i64) -> Result<pb::RuleSet, Status> {
    let request = pb::RetireRuleSetRequest { request_id: request_id(), program_id: PROGRAM.into(), version };
    let response = RuleServiceClient::new(client.clone()).retire_rule_set(request).await?.into_inner();
    Ok(response.rule_set.unwrap())
}

/// Creates rules and lets them hold from now on.
pub(crate) async fn under(client: &Client, rules: Vec<pb::Rule>) -> i64 {
    let version = create(client, rule_set(rules)).await.unwrap().version;
    activate(client, version, None).await.unwrap();
    version
}

pub(crate) fn item(category: &str, quantity: i64, cents: i32) -> pb::LineItem {
    pb::LineItem {
        category: category.into(),
        quantity,
        amount: Some(usd(i64::from(cents / 100), cents % 100)),
        ..Default::default()
    }
}

pub(crate) fn basket(member_id: &str, key: &str, items: Vec<pb::LineItem>) -> pb::RecordActivityRequest {
    let nanos: i64 =
        items.iter().flat_map(|i| &i.amount).map(|m| m.units * 1_000_000_000 + i64::from(m.nanos)).sum();
    let amount = usd(nanos / 1_000_000_000, i32::try_from(nanos % 1_000_000_000 / 10_000_000).unwrap());
    let mut request = purchase(member_id, 0);
    let activity = request.activity.as_mut().unwrap();
    (activity.amount, activity.items, activity.external_id) = (Some(amount), items, key.into());
    request
}

pub(crate) async fn points(client: &Client, request: pb::RecordActivityRequest) -> i64 {
    record(client, request).await.unwrap().activity.unwrap().points
}

async fn reverse(
    client: &Client,
    member_id: &str,
    key: &str,
    returned: pb::reverse_activity_request::Returned,
) -> Result<pb::ReverseActivityResponse, Status> {
    let request = pb::ReverseActivityRequest {
        request_id: request_id(),
        member_id: member_id.into(),
        activity: Some(pb::reverse_activity_request::Activity::ExternalId(key.into())),
        returned: Some(returned),
        reason: "broken".into(),
    };
    Ok(ActivityServiceClient::new(client.clone()).reverse_activity(request).await?.into_inner())
}

pub(crate) async fn owed(
    client: &Client,
    member: &str,
    key: &str,
    part: pb::reverse_activity_request::Returned,
) -> i64 {
    reverse(client, member, key, part).await.unwrap().reversal.unwrap().points_owed
}

pub(crate) fn pieces(items: &[(i32, i64)]) -> pb::reverse_activity_request::Returned {
    let item = |(item, quantity): &(i32, i64)| pb::ReturnedItem { item: *item, quantity: *quantity };
    let items = items.iter().map(item).collect();
    pb::reverse_activity_request::Returned::Items(pb::ReturnedItems { items })
}

pub(crate) const WHOLE: pb::reverse_activity_request::Returned =
    pb::reverse_activity_request::Returned::Whole(true);

pub(crate) async fn explain(client: &Client, member_id: &str, key: &str) -> pb::Explanation {
    let request = pb::ExplainActivityRequest {
        member_id: member_id.into(),
        activity: Some(pb::explain_activity_request::Activity::ExternalId(key.into())),
    };
    let response = RuleServiceClient::new(client.clone()).explain_activity(request).await.unwrap();
    response.into_inner().explanation.unwrap()
}

async fn a_rule_set_is_refused_with_everything_that_is_wrong(house: House) {
    let client = house.client();
    create_program(&client).await;
    let nameless = pb::Rule { group_id: "none".into(), ..fixed("b", 1) };
    let wrong = rule_set(vec![
        on("activity.amount >\n  'ten'", fixed("a", 1)),
        nameless,
        on("item.sku == 'x'", fixed("a", 1)),
        pb::Rule {
            window: Some(pb::RuleWindow { start: "tomorrow".into(), ..Default::default() }),
            ..fixed("c", 1)
        },
    ]);
    let refused = create(&client, wrong).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::InvalidArgument, "FIELDS_INVALID".into()));
    let listed = refused.get_details_bad_request().unwrap().field_violations;
    let listed: Vec<String> = listed.into_iter().map(|v| format!("{}: {}", v.field, v.description)).collect();
    for (n, told) in [
        "rule_set.rules[0].condition: 1:17: `>` cannot be applied to a number and text",
        "rule_set.rules[1].group_id: `none` is not one of the groups of the rule set",
        "rule_set.rules[2].rule_id: must be unique within the rule set",
        "rule_set.rules[2].condition: 1:1: `item` can be named only by rules that look at items",
        "rule_set.rules[3].window: start must be a local time such as 2026-12-01T00:00:00",
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(listed[n], told, "{listed:#?}");
    }
    let nowhere = pb::RuleSet { program_id: "nowhere".into(), ..rule_set(vec![fixed("a", 1)]) };
    assert_eq!(reason(&create(&client, nowhere).await.unwrap_err()), "PROGRAM_NOT_FOUND");
    let in_euros = pb::PointsPerAmount {
        points: 1,
        per: Some(proto::google::r#type::Money { currency_code: "EUR".into(), ..usd(1, 0) }),
        rounding: 0,
    };
    let foreign = create(&client, rule_set(vec![rule("a", Effect::PointsPerAmount(in_euros))])).await;
    assert!(foreign.unwrap_err().message().contains("rule_set.rules[0].points_per_amount.per: must be in"));
    house.end().await;
}

async fn one_rule_set_holds_at_a_time_and_what_it_granted_stays(house: House) {
    let client = house.client();
    create_program(&client).await;
    let anna = enroll(&client, "anna").await;
    let named = |key: &str| {
        let mut request = purchase(&anna, 10);
        request.activity.as_mut().unwrap().external_id = key.into();
        request
    };
    assert_eq!(points(&client, named("own")).await, 10, "by the program's own rule");
    let given = pb::RuleSet {
        display_name: "double".into(),
        groups: vec![pb::RuleGroup { group_id: "g".into(), stacking: pb::Stacking::Sum.into() }],
        ..rule_set(vec![pb::Rule { group_id: "g".into(), ..per_dollar("base", 2) }])
    };
    let draft = create(&client, given.clone()).await.unwrap();
    assert_eq!((draft.version, draft.state(), draft.start_time), (2, pb::RuleSetState::Draft, None));
    let same = pb::RuleSet { rules: draft.rules.clone(), groups: draft.groups.clone(), ..given.clone() };
    assert_eq!(create(&client, same).await.unwrap().rules, draft.rules, "what was read can be sent again");
    assert_eq!(points(&client, named("still-own")).await, 10);

    house.clock().advance_to(START.plus_micros(DAY));
    assert_eq!(reason(&activate(&client, 2, Some(START)).await.unwrap_err()), "START_IN_PAST");
    let active = activate(&client, 2, None).await.unwrap();
    assert_eq!(active.state(), pb::RuleSetState::Active);
    assert_eq!(points(&client, named("double")).await, 20);
    assert_eq!(reason(&activate(&client, 2, None).await.unwrap_err()), "RULE_SET_NOT_DRAFT");
    assert_eq!(reason(&activate(&client, 9, None).await.unwrap_err()), "RULE_SET_NOT_FOUND");

    let day = |n: i64| START.plus_micros(n * DAY);
    assert_eq!(activate(&client, 3, Some(day(5))).await.unwrap().state(), pb::RuleSetState::Scheduled);
    let fourth = create(&client, rule_set(vec![per_dollar("base", 4)])).await.unwrap().version;
    assert_eq!(reason(&activate(&client, fourth, None).await.unwrap_err()), "RULE_SET_SCHEDULED");
    assert_eq!(retire(&client, 3).await.unwrap().state(), pb::RuleSetState::Retired);
    assert_eq!(reason(&retire(&client, 3).await.unwrap_err()), "RULE_SET_NOT_ACTIVE");
    activate(&client, fourth, Some(day(3))).await.unwrap();
    house.clock().advance_to(day(3));
    assert_eq!(points(&client, named("four")).await, 40);
    retire(&client, fourth).await.unwrap();
    house.clock().advance_to(day(4));
    assert_eq!(points(&client, named("none")).await, 0, "nothing holds");

    let earned = [("own", 10), ("still-own", 10), ("double", 20), ("four", 40), ("none", 0)];
    for (key, points) in earned {
        let half = pb::reverse_activity_request::Returned::Amount(usd(5, 0));
        let owed = (owed(&client, &anna, key, half).await, owed(&client, &anna, key, WHOLE).await);
        assert_eq!(owed, (points / 2, points - points / 2), "{key} is taken back as it was granted");
    }
    let listed = pb::ListRuleSetsRequest { program_id: PROGRAM.into(), page_size: 2, ..Default::default() };
    let mut rules = RuleServiceClient::new(client.clone());
    let first = rules.list_rule_sets(listed.clone()).await.unwrap().into_inner();
    let next = pb::ListRuleSetsRequest { page_token: first.next_page_token.clone(), ..listed };
    let second = rules.list_rule_sets(next).await.unwrap().into_inner();
    let versions: Vec<i64> = first.rule_sets.iter().chain(&second.rule_sets).map(|set| set.version).collect();
    assert_eq!((versions, second.next_page_token.as_str()), (vec![4, 3, 2], ""));
    let one = pb::GetRuleSetRequest { program_id: PROGRAM.into(), version: 2 };
    let two = rules.get_rule_set(one).await.unwrap().into_inner().rule_set.unwrap();
    assert_eq!((two.end_time, two.rules), (Some(timestamp(day(3))), draft.rules));
    assert_eq!(house.audit().await.ledger_imbalance, 0);
    house.end().await;
}

async fn caps_hold_exactly_whoever_races(house: House) {
    let client = house.client();
    create_program(&client).await;
    let budget = pb::Cap {
        owner: pb::CapOwner::Program.into(),
        budget_id: "spring".into(),
        ..cap(1_000, pb::CapPeriod::Lifetime)
    };
    let daily = pb::Cap { overflow: pb::CapOverflow::Reject.into(), ..cap(20, pb::CapPeriod::Day) };
    under(
        &client,
        vec![
            pb::Rule { activity_types: vec![1], ..capped(per_dollar("bought", 1), budget.clone()) },
            pb::Rule { activity_types: vec![2], ..capped(fixed("visit", 5), cap(12, pb::CapPeriod::Day)) },
            pb::Rule { activity_types: vec![3], ..capped(fixed("review", 10), daily) },
        ],
    )
    .await;
    let names: Vec<String> = (0..16).map(|n| format!("m{n}")).collect();
    let members = join_all(names.iter().map(|name| enroll(&client, name))).await;
    let key = |n: usize| format!("order-{n}");
    let order = |n: usize| {
        let mut request = purchase(&members[n % members.len()], 17);
        request.activity.as_mut().unwrap().external_id = key(n);
        request
    };
    let granted = join_all((0..64).map(|n| points(&client, order(n)))).await;
    assert_eq!(granted.iter().sum::<i64>(), 1_000, "the budget, to the point: {granted:?}");
    let (n, taken) = granted.iter().enumerate().find(|(_, points)| **points == 17).unwrap();
    assert_eq!(owed(&client, &members[n % members.len()], &key(n), WHOLE).await, *taken);
    assert_eq!(points(&client, order(100)).await, 17, "what came back may be granted again");
    assert_eq!(points(&client, order(101)).await, 0);

    let of_type = |member: &str, kind: pb::ActivityType| {
        let activity = pb::Activity { r#type: kind.into(), ..Default::default() };
        pb::RecordActivityRequest { activity: Some(activity), ..purchase(member, 0) }
    };
    let visits = (0..20).map(|_| points(&client, of_type(&members[0], pb::ActivityType::Visit)));
    let visits = join_all(visits).await;
    assert_eq!(visits.iter().sum::<i64>(), 12, "5 + 5 + 2: {visits:?}");
    let reviews = (0..5).map(|_| record(&client, of_type(&members[0], pb::ActivityType::Review)));
    let reviews = join_all(reviews).await;
    let refused: Vec<&Status> = reviews.iter().filter_map(|review| review.as_ref().err()).collect();
    assert_eq!(refused.len(), 3, "two of ten points each");
    assert_eq!((refused[0].code(), reason(refused[0])), (Code::FailedPrecondition, "LIMIT_REACHED".into()));
    house.clock().advance_to(START.plus_micros(DAY));
    assert_eq!(points(&client, of_type(&members[0], pb::ActivityType::Review)).await, 10, "the next day");
    assert_eq!(points(&client, of_type(&members[0], pb::ActivityType::Visit)).await, 5);
    let capped =
        pb::Rule { rule_id: "other".into(), activity_types: vec![1], ..capped(per_dollar("", 3), budget) };
    under(&client, vec![capped]).await;
    assert_eq!(points(&client, order(102)).await, 0, "a budget goes on under the next version");
    assert_eq!(house.audit().await.ledger_imbalance, 0);
    house.end().await;
}

async fn items_come_back_with_what_they_earned(house: House) {
    let client = house.client();
    create_program(&client).await;
    under(
        &client,
        vec![
            of_items("item.category == 'coffee'", fixed("cups", 5)),
            of_items("item.category == 'food'", per_dollar("food", 2)),
            pb::Rule { priority: 9, ..capped(per_dollar("all", 1), cap(12, pb::CapPeriod::Activity)) },
        ],
    )
    .await;
    let anna = enroll(&client, "anna").await;
    let items = vec![item("coffee", 3, 1_000), item("food", 2, 701), item("", 1, 300)];
    // 3 cups are 15, 7.01 of food is 14, 20.01 in all is 20, of which 12 may be granted.
    let recorded = record(&client, basket(&anna, "b", items.clone())).await.unwrap().activity.unwrap();
    assert_eq!(recorded.points, 15 + 14 + 12);
    let told = explain(&client, &anna, "b").await;
    let results: BTreeMap<String, (i64, i64)> =
        told.results.iter().map(|r| (r.rule_id.clone(), (r.points_desired, r.points_granted))).collect();
    let expected = [("all", (20, 12)), ("cups", (15, 15)), ("food", (14, 14))];
    assert_eq!(results, expected.map(|(id, points)| (id.to_owned(), points)).into());
    assert_eq!(told.results[0].capped_by.as_ref().unwrap().points_max, 12);
    assert_eq!((told.rule_set_version, told.lots.len(), told.lots[0].points), (2, 1, 41));

    // Without one cup 16.67 are left of the price: the cap still cuts, only the cup is owed.
    assert_eq!(owed(&client, &anna, "b", pieces(&[(0, 1)])).await, 5);
    // Without the food 9.66 are left: 14 for it, and 12 - 9 of the whole.
    assert_eq!(owed(&client, &anna, "b", pieces(&[(1, 0)])).await, 14 + 3);
    for wrong in [pieces(&[(1, 1)]), pieces(&[(0, 3)]), pieces(&[(7, 1)])] {
        let refused = reverse(&client, &anna, "b", wrong).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused)), (Code::FailedPrecondition, "ITEM_NOT_LEFT".into()));
    }
    let twice = reverse(&client, &anna, "b", pieces(&[(0, 1), (0, 1)])).await.unwrap_err();
    assert!(twice.message().starts_with("items.items[1].item: must be named once"), "{}", twice.message());
    let again = explain(&client, &anna, "b").await;
    assert_eq!(again.results, told.results, "it was granted as it was granted");
    let items = again.activity.unwrap().items;
    assert_eq!(items.iter().map(|item| item.quantity_returned).collect::<Vec<_>>(), [1, 2, 0]);
    assert_eq!(owed(&client, &anna, "b", WHOLE).await, 41 - 5 - 17);
    assert_eq!(balance_of(&client, &anna).await.available, 0);
    assert_eq!(house.audit().await.ledger_imbalance, 0);
    house.end().await;
}

async fn a_late_activity_counts_as_if_it_had_come_in_time(house: House) {
    let client = house.client();
    create_program(&client).await;
    let day = |n: i64| START.plus_micros(n * DAY);
    let silver = on("tier.rank >= 2", rule("silver", Effect::MultiplierPercent(300)));
    let daily = capped(per_dollar("base", 1), cap(100, pb::CapPeriod::Day));
    under(&client, vec![daily.clone(), silver]).await;
    let anna = enroll(&client, "anna").await;
    let bought = |units: i64, at: Time| {
        let mut request = purchase(&anna, units);
        request.activity.as_mut().unwrap().occurred_time = Some(timestamp(at));
        request
    };
    house.clock().advance_to(day(2));
    assert_eq!(points(&client, bought(1_000, day(2))).await, 100, "base; silver from now on");
    house.clock().advance_to(day(3));
    let times_five = create(&client, rule_set(vec![per_dollar("base", 5)])).await.unwrap().version;
    activate(&client, times_five, None).await.unwrap();
    house.clock().advance_to(day(4));
    assert_eq!(points(&client, bought(40, day(1))).await, 40, "not silver yet");
    assert_eq!(points(&client, bought(40, day(2).plus_micros(1))).await, 80, "silver; the day was full");
    assert_eq!(points(&client, bought(40, day(3).plus_micros(-1))).await, 80);
    assert_eq!(points(&client, bought(40, day(3))).await, 200, "five times");
    house.end().await;
}
