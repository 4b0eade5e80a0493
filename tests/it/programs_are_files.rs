//! The sample programs are applied as files, say what they change before they do, and earn what they promise.

use std::path::{Path, PathBuf};

use ambient::Time;
use harness::calls::{balance_of, enroll_in, reason, record, request_id, timestamp};
use harness::house::{House, START};
use harness::process::rapport;
use pb::activity_service_client::ActivityServiceClient;
use pb::program_service_client::ProgramServiceClient;
use proto::google::r#type::Money;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;

in_process! {
    a_file_is_applied_once_and_then_by_its_changes;
    what_cannot_change_is_refused_as_a_whole;
    what_was_refused_is_done_once_the_file_is_mended;
    a_coffee_shop_gives_stars;
    a_hotel_counts_nights;
    a_grocery_takes_coupons;
    an_airline_counts_tier_points;
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name)
}

/// Runs `rapport programs` on a thread of its own: the exit code, the result, and what was said beside it.
async fn programs(house: &House, verb: &str, file: &Path) -> (i32, serde_json::Value, String) {
    let (target, verb, file) = (house.target(), verb.to_owned(), file.display().to_string());
    let run = move || rapport(&["programs", &verb, &file, "--target", &target, "--output", "json"]);
    let output = tokio::task::spawn_blocking(run).await.expect("rapport runs");
    let told = serde_json::from_slice(&output.stdout).unwrap_or(serde_json::Value::Null);
    (output.status.code().unwrap_or(-1), told, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The paths that would change, or did.
async fn changed(house: &House, verb: &str, file: &Path) -> Vec<String> {
    let (code, told, error) = programs(house, verb, file).await;
    assert_eq!(code, 0, "{error}");
    let changes = told["changes"].as_array().expect("changes").iter();
    changes.map(|change| change["path"].as_str().expect("a path").to_owned()).collect()
}

async fn applied(house: &House, name: &str) -> Client {
    assert!(!changed(house, "apply", &example(name)).await.is_empty());
    house.client()
}

fn money(code: &str, units: i64) -> Option<Money> {
    Some(Money { currency_code: code.into(), units, nanos: 0 })
}

fn item(category: &str, quantity: i64, amount: Option<Money>) -> pb::LineItem {
    pb::LineItem { category: category.into(), quantity, amount, ..Default::default() }
}

fn activity(member_id: &str, kind: pb::ActivityType, at: Time) -> pb::RecordActivityRequest {
    let (r#type, occurred_time) = (kind.into(), Some(timestamp(at)));
    let activity = pb::Activity { r#type, occurred_time, ..Default::default() };
    pb::RecordActivityRequest {
        request_id: request_id(),
        member_id: member_id.into(),
        activity: Some(activity),
    }
}

fn with(
    mut request: pb::RecordActivityRequest,
    change: impl FnOnce(&mut pb::Activity),
) -> pb::RecordActivityRequest {
    change(request.activity.as_mut().expect("an activity"));
    request
}

async fn earned(client: &Client, request: pb::RecordActivityRequest) -> i64 {
    let recorded = record(client, request).await.expect("it is recorded");
    recorded.activity.expect("an activity").points
}

async fn a_file_is_applied_once_and_then_by_its_changes(house: House) {
    let file = example("coffee-shop.toml");
    let wanted = changed(&house, "diff", &file).await;
    assert!(wanted.contains(&"rule_set.rules[base].points_per_amount.points".to_owned()), "{wanted:?}");
    assert_eq!(changed(&house, "diff", &file).await, wanted, "a diff changes nothing");
    assert_eq!(changed(&house, "apply", &file).await, wanted);
    assert!(changed(&house, "apply", &file).await.is_empty());
    assert!(changed(&house, "diff", &file).await.is_empty());

    let dir = tempfile::tempdir().unwrap();
    let other = dir.path().join("coffee-shop.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text =
        text.replace("rolling_months = 6", "rolling_months = 9").replacen("points = 2,", "points = 3,", 1);
    std::fs::write(&other, text.replace("price_points = 150", "price_points = 160")).unwrap();
    let expected = [
        "program.expiry_policy.rolling_months",
        "rule_set.rules[base].points_per_amount.points",
        "rewards[coffee].price_points",
    ];
    house.clock().advance_to(START.plus_micros(1));
    assert_eq!(changed(&house, "diff", &other).await, expected);
    assert_eq!(changed(&house, "apply", &other).await, expected);
    assert!(changed(&house, "diff", &other).await.is_empty());
    house.clock().advance_to(START.plus_micros(2));
    // And back: the rules of before hold again as a new version.
    assert_eq!(changed(&house, "apply", &file).await, expected);
    assert!(changed(&house, "diff", &file).await.is_empty());
    let mut rules = pb::rule_service_client::RuleServiceClient::new(house.client());
    let request =
        pb::ListRuleSetsRequest { program_id: "coffee-shop".into(), ..pb::ListRuleSetsRequest::default() };
    let sets = rules.list_rule_sets(request).await.unwrap().into_inner().rule_sets;
    use pb::RuleSetState::{Active, Retired};
    let states: Vec<_> = sets.iter().map(|set| (set.version, set.state())).collect();
    assert_eq!(states, [(4, Active), (3, Retired), (2, Retired)]);
    // Rules that were ended are not there any more.
    let end =
        pb::RetireRuleSetRequest { request_id: request_id(), program_id: "coffee-shop".into(), version: 4 };
    rules.retire_rule_set(end).await.unwrap();
    house.clock().advance_to(START.plus_micros(3));
    assert!(!changed(&house, "apply", &file).await.is_empty());
    assert!(changed(&house, "diff", &file).await.is_empty());
    // What others have planned is in the way until they take it back.
    house.clock().advance_to(START.plus_micros(4));
    let rule_set = sets.into_iter().find(|set| set.version == 3);
    let rule_set = rule_set.map(|set| pb::RuleSet { display_name: "Planned".into(), ..set });
    let create = pb::CreateRuleSetRequest { request_id: request_id(), rule_set };
    let version = rules.create_rule_set(create).await.unwrap().into_inner().rule_set.unwrap().version;
    let program_id = "coffee-shop".to_owned();
    let start_time = Some(timestamp(START.plus_micros(1_000_000)));
    let plan = pb::ActivateRuleSetRequest { request_id: request_id(), program_id, version, start_time };
    rules.activate_rule_set(plan).await.unwrap();
    let (code, _, error) = programs(&house, "apply", &other).await;
    assert!(code != 0 && error.contains("RULE_SET_SCHEDULED"), "{error}");
    let end =
        pb::RetireRuleSetRequest { request_id: request_id(), program_id: "coffee-shop".into(), version };
    rules.retire_rule_set(end).await.unwrap();
    assert!(!changed(&house, "apply", &other).await.is_empty());
    assert!(changed(&house, "diff", &other).await.is_empty());
    house.end().await;
}

async fn what_cannot_change_is_refused_as_a_whole(house: House) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("grocery.toml");
    let text = std::fs::read_to_string(example("grocery.toml")).unwrap();
    applied(&house, "grocery.toml").await;
    let changed = text.replace("time_zone = \"Europe/Berlin\"", "time_zone = \"Europe/Paris\"");
    let changed = changed.replace("unlimited = true", "remaining = 600");
    std::fs::write(&file, changed.replace("after_days = 14", "after_days = 7")).unwrap();
    let (code, _, told) = programs(&house, "apply", &file).await;
    assert_eq!(code, 1);
    let expected = "error: nothing was changed: program.time_zone, rewards[five-euros].remaining, \
                    rewards[five-euros].unlimited cannot be changed once it is there\n";
    assert_eq!(told, expected);
    let mut programs_of = ProgramServiceClient::new(house.client());
    let request = pb::GetProgramRequest { program_id: "grocery".into() };
    let there = programs_of.get_program(request).await.unwrap().into_inner().program.unwrap();
    let after = pb::release_policy::Policy::AfterDays(14);
    assert_eq!(there.release_policy.and_then(|release| release.policy), Some(after));

    for (wrong, code, what) in [
        ("time_zone = \"Mars/Olympus\"", 2, "program.time_zone: must be an IANA name such as Europe/Berlin"),
        ("colour = \"red\"", 2, "program.colour is not known"),
    ] {
        std::fs::write(&file, text.replace("time_zone = \"Europe/Berlin\"", wrong)).unwrap();
        let (got, _, told) = programs(&house, "apply", &file).await;
        assert!(got == code && told.contains(what), "{got}: {told}");
    }
    std::fs::write(&file, text.replace("item.category == \"wine\"", "item.categori == \"wine\"")).unwrap();
    let (code, _, told) = programs(&house, "diff", &file).await;
    assert!(code == 2 && told.contains("rule_set.rules[2].condition: 1:"), "{told}");
    let (code, _, told) = programs(&house, "apply", &dir.path().join("none.toml")).await;
    assert!(code == 2 && told.contains("No such file"), "{told}");
    house.end().await;
}

async fn what_was_refused_is_done_once_the_file_is_mended(house: House) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("coffee-shop.toml");
    let text = std::fs::read_to_string(example("coffee-shop.toml")).unwrap();
    applied(&house, "coffee-shop.toml").await;
    let coffee = "reward_id = \"coffee\"\n";
    let another =
        "[[rewards]]\nreward_id = \"mug\"\nprice_points = 9\ncurrency_code = \"beans\"\nunlimited = true\n";
    let changed_coffee = text.replace(coffee, &format!("{coffee}currency_code = \"beans\"\n"));
    for wrong in [changed_coffee.clone(), text + another] {
        std::fs::write(&file, wrong).unwrap();
        let (code, _, told) = programs(&house, "apply", &file).await;
        assert!(code == 1 && told.contains("POINT_CURRENCY_NOT_FOUND"), "{told}");
    }
    let mended = "money_currency_code = \"USD\"\nfurther_currencies = [{ code = \"beans\" }]\n";
    let both = changed_coffee + another;
    std::fs::write(&file, both.replace("money_currency_code = \"USD\"\n", mended)).unwrap();
    assert!(!changed(&house, "apply", &file).await.is_empty());
    assert!(changed(&house, "diff", &file).await.is_empty());
    house.end().await;
}

async fn a_coffee_shop_gives_stars(house: House) {
    // A Tuesday morning in New York.
    let morning = "2026-03-10T09:00:00-04:00".parse::<chrono::DateTime<chrono::FixedOffset>>().unwrap();
    let morning = Time::from(morning.to_utc());
    house.clock().advance_to(morning);
    let client = applied(&house, "coffee-shop.toml").await;
    let anna = enroll_in(&client, "coffee-shop", "anna").await;
    let hour = 3_600_000_000;
    let order = |units: i64, at: Time| {
        with(activity(&anna, pb::ActivityType::Purchase, at), |it| it.amount = money("USD", units))
    };
    let with_cup = |units: i64, at: Time| {
        with(order(units, at), |it| drop(it.attributes.insert("own_cup".into(), "yes".into())))
    };
    house.clock().advance_to(morning.plus_micros(12 * hour));
    assert_eq!(earned(&client, order(10, morning)).await, 20);
    assert_eq!(earned(&client, with_cup(10, morning)).await, 25);
    assert_eq!(earned(&client, with_cup(10, morning)).await, 20, "one cup a day");
    assert_eq!(earned(&client, order(30, morning)).await, 90);
    let afternoon = morning.plus_micros(6 * hour);
    assert_eq!(earned(&client, order(30, afternoon)).await, 120, "the better of both");
    assert_eq!(earned(&client, with_cup(10, afternoon)).await, 40, "no more for the cup");
    let birthday = || activity(&anna, pb::ActivityType::Birthday, morning);
    assert_eq!((earned(&client, birthday()).await, earned(&client, birthday()).await), (150, 0));
    house.end().await;
}

async fn a_hotel_counts_nights(house: House) {
    let client = applied(&house, "hotel.toml").await;
    let guest = enroll_in(&client, "hotel", "guest").await;
    let day = 86_400_000_000;
    let stay = |nights: i64, at: Time| {
        with(activity(&guest, pb::ActivityType::CheckIn, at), |it| {
            it.items = vec![item("room", nights, money("EUR", 100 * nights))];
            it.amount = money("EUR", 100 * nights);
        })
    };
    let tier = async |client: &Client| {
        let request = pb::GetBalanceRequest { member_id: guest.clone(), ..Default::default() };
        let answer = harness::calls::balance(client, request).await.unwrap();
        let tier = answer.tier.unwrap();
        (tier.tier_id, tier.progress_count, tier.to_next_count)
    };
    assert_eq!(earned(&client, stay(9, START)).await, 9_000);
    assert_eq!(tier(&client).await, ("member".into(), 9, 1));
    let mut long = stay(16, START);
    long.activity.as_mut().unwrap().external_id = "stay-2".into();
    assert_eq!(earned(&client, long).await, 16_000);
    assert_eq!(tier(&client).await, ("gold".into(), 25, 25));
    let points = balance_of(&client, &guest).await;
    assert_eq!((points.available, points.pending), (0, 25_000), "a stay may be disputed for three days");
    // In gold a euro earns a quarter more, and what is bought in the house counts no nights.
    house.clock().advance_to(START.plus_micros(3 * day));
    assert_eq!(balance_of(&client, &guest).await.available, 25_000);
    let dinner = with(activity(&guest, pb::ActivityType::Purchase, START.plus_micros(3 * day)), |it| {
        it.amount = money("EUR", 80);
    });
    assert_eq!(earned(&client, dinner).await, 500);
    // Six of the nights are cancelled: they are owed, and gold is not reached any more.
    let back = pb::ReverseActivityRequest {
        request_id: request_id(),
        member_id: guest.clone(),
        activity: Some(pb::reverse_activity_request::Activity::ExternalId("stay-2".into())),
        returned: Some(pb::reverse_activity_request::Returned::Items(pb::ReturnedItems {
            items: vec![pb::ReturnedItem { item: 0, quantity: 6 }],
        })),
        reason: "left early".into(),
    };
    let mut activities = ActivityServiceClient::new(client.clone());
    let reversed = activities.reverse_activity(back).await.unwrap().into_inner();
    assert_eq!(reversed.reversal.unwrap().points_owed, 6_000);
    assert_eq!(tier(&client).await, ("silver".into(), 19, 6));
    house.end().await;
}

async fn an_airline_counts_tier_points(house: House) {
    let client = applied(&house, "airline.toml").await;
    assert!(changed(&house, "diff", &example("airline.toml")).await.is_empty());
    let flyer = enroll_in(&client, "airline", "flyer").await;
    let flight = with(activity(&flyer, pb::ActivityType::Purchase, START), |it| {
        it.amount = money("NOK", 8_000);
        it.items = vec![item("business", 4, money("NOK", 7_000)), item("economy", 3, money("NOK", 1_000))];
    });
    let delay = |how: &str| {
        with(activity(&flyer, pb::ActivityType::Custom, START), |it| {
            it.attributes = [("delay".into(), how.into())].into();
        })
    };
    let flown = record(&client, flight).await.unwrap().activity.unwrap();
    assert_eq!((flown.points, flown.credits), (800, 300));
    record(&client, delay("short")).await.unwrap();
    record(&client, delay("long")).await.unwrap();
    let request = pb::GetBalanceRequest { member_id: flyer.clone(), ..Default::default() };
    let read = harness::calls::balance(&client, request).await.unwrap();
    let [care] = read.further_balances.as_slice() else { panic!("{read:?}") };
    assert_eq!((care.currency_code.as_str(), care.available), ("care", 5));
    assert_eq!(read.tier.unwrap().tier_id, "silver");
    let meal = harness::calls::redeem(&client, harness::calls::redemption(&flyer, "meal")).await.unwrap();
    assert_eq!(meal.balance.unwrap().available, 0);

    let dir = tempfile::tempdir().unwrap();
    let other = dir.path().join("airline.toml");
    let text = std::fs::read_to_string(example("airline.toml")).unwrap();
    std::fs::write(&other, text.replace("rolling_months = 6 ", "rolling_months = 9 ")).unwrap();
    let expected = ["program.further_currencies[1].expiry_policy.rolling_months"];
    assert_eq!(changed(&house, "apply", &other).await, expected);
    house.end().await;
}

async fn a_grocery_takes_coupons(house: House) {
    let client = applied(&house, "grocery.toml").await;
    let anna = enroll_in(&client, "grocery", "anna").await;
    let basket = |coupon: &str| {
        with(activity(&anna, pb::ActivityType::Purchase, START), |it| {
            it.amount = money("EUR", 40);
            it.items = vec![
                item("produce", 5, money("EUR", 10)),
                item("wine", 2, money("EUR", 20)),
                item("tobacco", 1, money("EUR", 7)),
                item("bakery", 3, money("EUR", 3)),
            ];
            if !coupon.is_empty() {
                it.attributes.insert("coupon".into(), coupon.into());
            }
        })
    };
    assert_eq!(earned(&client, basket("")).await, 53, "33 without tobacco, and 20 for what is fresh");
    assert_eq!(earned(&client, basket("WINE")).await, 93);
    assert_eq!(earned(&client, basket("WINE")).await, 93);
    assert_eq!(earned(&client, basket("WINE")).await, 73, "100 points at most");
    assert_eq!(earned(&client, basket("HELLO")).await, 303);
    assert_eq!(earned(&client, basket("HELLO")).await, 53, "once for each customer");
    let points = balance_of(&client, &anna).await;
    assert_eq!((points.available, points.pending), (0, 668));
    let short = pb::RedeemRewardRequest {
        request_id: request_id(),
        member_id: anna.clone(),
        reward_id: "five-euros".into(),
        quantity: 1,
        ..Default::default()
    };
    let status = harness::calls::redeem(&client, short).await.unwrap_err();
    assert_eq!(reason(&status), "INSUFFICIENT_POINTS");
    house.clock().advance_to(START.plus_micros(14 * 86_400_000_000));
    let redeemed = harness::calls::redeem(&client, harness::calls::redemption(&anna, "five-euros")).await;
    assert_eq!(redeemed.unwrap().balance.unwrap().available, 168);
    house.end().await;
}
