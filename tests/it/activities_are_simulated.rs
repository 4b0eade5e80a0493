//! Activities are simulated without a trace: by any rules, at any present, one after the other as they would
//! be recorded.

use ambient::Time;
use futures::FutureExt;
use harness::calls::{PROGRAM, balance_of, create_program, enroll, purchase, reason, record, timestamp, usd};
use harness::house::{House, START};
use pb::rule::Effect;
use pb::rule_service_client::RuleServiceClient;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;
use sea_orm::{ConnectionTrait, Statement};
use tonic::{Code, Status};

use crate::rules_say_what_activities_earn::{
    activate, cap, capped, create, explain, on, per_dollar, rule, rule_set,
};

in_process! { a_simulation_leaves_no_trace_and_is_what_happens; }

const DAY: i64 = 86_400_000_000;

pub(crate) fn told(result: &pb::SimulatedActivity) -> &pb::Explanation {
    match result.result.as_ref().unwrap() {
        pb::simulated_activity::Result::Explanation(explanation) => explanation,
        pb::simulated_activity::Result::Error(error) => panic!("{error:?}"),
    }
}

pub(crate) async fn simulate(
    client: &Client,
    who: pb::simulate_activity_request::Who,
    rules: Option<pb::simulate_activity_request::Rules>,
    activities: Vec<pb::Activity>,
) -> Result<pb::SimulateActivityResponse, Status> {
    let request = pb::SimulateActivityRequest { who: Some(who), rules, now: None, activities };
    Ok(RuleServiceClient::new(client.clone()).simulate_activity(request).await?.into_inner())
}

/// The first reaches silver, which doubles what follows; 1,200 base points a day are granted.
fn is_chained(simulated: &pb::SimulateActivityResponse) {
    let [a, b, again, c, d] = &simulated.results[..] else { panic!() };
    assert_eq!((told(a).activity.as_ref().unwrap().points, told(a).tier_id_after.as_str()), (700, "silver"));
    assert_eq!((told(b).activity.as_ref().unwrap().points, told(b).tier_id.as_str()), (200, "silver"));
    let Some(pb::simulated_activity::Result::Error(error)) = &again.result else { panic!() };
    assert_eq!(error.code, Code::AlreadyExists as i32);
    assert_eq!(told(c).activity.as_ref().unwrap().points, 400 + 500);
    assert_eq!(told(d).activity.as_ref().unwrap().points, 100);
    assert_eq!(simulated.balance.as_ref().unwrap().available, 300 + 700 + 200 + 900 + 100);
}

async fn another_present_is_simulated(house: &House, anna: &str) {
    use pb::simulate_activity_request::Who;
    let client = house.client();
    let bought = || pb::Activity {
        r#type: pb::ActivityType::Purchase.into(),
        amount: Some(usd(10, 0)),
        ..Default::default()
    };
    let at = async |now: Option<Time>| {
        let (who, now) = (Some(Who::MemberId(anna.to_owned())), now.map(timestamp));
        let request = pb::SimulateActivityRequest { who, now, activities: vec![bought()], rules: None };
        RuleServiceClient::new(client.clone()).simulate_activity(request).await
    };
    let later = at(Some(START.plus_micros(90 * DAY))).await.unwrap().into_inner();
    assert_eq!(later.balance.unwrap().available, 10, "the three hundred have expired by then");
    let before = at(Some(START.plus_micros(-1))).await.unwrap_err();
    assert!(before.message().starts_with("now: must not be before"), "{}", before.message());
    // Another replica's clock may be ahead: its last decision is the present.
    let id = anna.parse::<uuid::Uuid>().unwrap();
    let ahead = house.db().transact(move |tx| {
        let sql = "UPDATE wallet SET now = now + 50000 WHERE wallet_id = $1";
        let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, [id.into()]);
        async move { Ok(tx.execute_raw(statement).await?.rows_affected()) }.boxed()
    });
    assert_eq!(ahead.await.unwrap(), 1);
    assert_eq!(at(None).await.unwrap().into_inner().balance.unwrap().available, 310);
}

async fn a_simulation_leaves_no_trace_and_is_what_happens(house: House) {
    use pb::simulate_activity_request::{Rules, Who};
    let client = house.client();
    create_program(&client).await;
    let bonus = pb::Rule {
        priority: -1,
        ..on("tier.id == 'silver'", rule("silver", Effect::MultiplierPercent(200)))
    };
    let rules = vec![capped(per_dollar("base", 1), cap(1_200, pb::CapPeriod::Day)), bonus];
    let version = create(&client, rule_set(rules.clone())).await.unwrap().version;
    let anna = enroll(&client, "anna").await;
    record(&client, purchase(&anna, 300)).await.unwrap();
    let before = balance_of(&client, &anna).await;
    let bought = |units: i64, at: Option<Time>, key: &str| pb::Activity {
        r#type: pb::ActivityType::Purchase.into(),
        amount: Some(usd(units, 0)),
        occurred_time: at.map(timestamp),
        external_id: key.into(),
        ..Default::default()
    };
    let tomorrow = START.plus_micros(DAY);
    let series = || {
        vec![
            bought(700, None, "a"),
            bought(100, None, "b"),
            bought(100, None, "b"),
            bought(500, None, "c"),
            bought(50, Some(tomorrow), "d"),
        ]
    };
    let who = || Who::MemberId(anna.clone());
    let simulated = simulate(&client, who(), Some(Rules::Version(version)), series()).await.unwrap();
    is_chained(&simulated);
    assert_eq!(balance_of(&client, &anna).await, before, "nothing was written");
    let own = simulate(&client, who(), None, vec![bought(10, None, "")]).await.unwrap();
    assert_eq!(told(&own.results[0]).rule_set_version, 1);
    let given = Rules::RuleSet(rule_set(vec![per_dollar("x", 7)]));
    let nobody =
        simulate(&client, Who::ProgramId(PROGRAM.into()), Some(given), vec![bought(10, None, "")]).await;
    let nobody = nobody.unwrap();
    assert_eq!(told(&nobody.results[0]).activity.as_ref().unwrap().points, 70);
    let unknown = simulate(&client, who(), Some(Rules::Version(9)), series()).await.unwrap_err();
    assert_eq!(reason(&unknown), "RULE_SET_NOT_FOUND");
    another_present_is_simulated(&house, &anna).await;

    activate(&client, version, None).await.unwrap();
    for (place, activity) in series().into_iter().enumerate() {
        if let Some(at) = activity.occurred_time {
            house.clock().advance_to(Time::from_parts(at.seconds, at.nanos).unwrap());
        }
        let recorded =
            record(&client, pb::RecordActivityRequest { activity: Some(activity), ..purchase(&anna, 0) })
                .await;
        match &simulated.results[place].result.as_ref().unwrap() {
            pb::simulated_activity::Result::Error(error) => {
                assert_eq!(recorded.unwrap_err().code() as i32, error.code)
            }
            pb::simulated_activity::Result::Explanation(explained) => {
                let activity = recorded.unwrap().activity.unwrap();
                assert_eq!(activity.points, explained.activity.as_ref().unwrap().points);
                assert_eq!(explain(&client, &anna, &activity.external_id).await.results, explained.results);
            }
        }
    }
    house.end().await;
}
