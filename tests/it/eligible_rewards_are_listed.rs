//! Whoever looks at rewards is told everything that is in the way, and whoever redeems is refused for the
//! same reason.

use harness::calls::{
    PROGRAM, create_program, create_program_like, enroll, program, purchase, reason, record, redeem,
    redemption, request_id, timestamp,
};
use harness::holds::{capture, captured, held, hold};
use harness::house::{House, START};
use harness::moves::{household, join, merge, merger};
use harness::offers::{offer, offers, reward};
use pb::member_service_client::MemberServiceClient;
use pb::reward_service_client::RewardServiceClient;
use proto::rapport::loyalty::v1 as pb;
use proto::rapport::loyalty::v1::ObstacleReason as Why;
use rpc::client::Client;

in_process! {
    a_list_tells_everything_that_is_in_the_way;
    lists_are_read_page_by_page_and_in_a_language;
    members_of_a_household_look_with_its_eyes;
    who_was_merged_looks_through_the_survivor;
    limits_of_the_program_are_told;
    rewards_begin_and_end;
}

/// The reasons by reward, of those that cannot be had.
async fn obstacles(client: &Client, member_id: &str) -> Vec<(String, Vec<Why>)> {
    let told = offers(client, member_id).await.into_iter().map(|one| {
        assert_eq!(one.eligible, one.obstacles.is_empty());
        let reasons = one.obstacles.iter().map(pb::Obstacle::reason).collect();
        (one.reward.unwrap().reward_id, reasons)
    });
    told.filter(|(_, reasons): &(_, Vec<Why>)| !reasons.is_empty()).collect()
}

async fn a_list_tells_everything_that_is_in_the_way(house: House) {
    let client = house.client();
    create_program(&client).await;
    let anna = enroll(&client, "anna").await;
    record(&client, purchase(&anna, 500)).await.unwrap();
    let tomorrow = Some(timestamp(START.plus_micros(86_400_000_000)));
    let none = Some(pb::reward::Stock::Remaining(0));
    let once = Some(pb::RewardLimit { max_units: 1, period: 0 });
    let condition = "member.external_id == 'bert' || tier.rank >= 2".to_owned();
    for one in [
        reward("a-mug", 100),
        pb::Reward { limit: once, ..reward("b-once", 10) },
        pb::Reward { stock: none, ..reward("c-gone", 10) },
        pb::Reward { min_tier_id: "gold".into(), ..reward("d-gold", 900) },
        pb::Reward { eligibility: condition, ..reward("e-bert", 10) },
        pb::Reward { start_time: tomorrow, ..reward("f-later", 10) },
        pb::Reward { end_time: Some(timestamp(START)), ..reward("g-over", 10) },
    ] {
        offer(&client, one).await.unwrap();
    }
    redeem(&client, redemption(&anna, "b-once")).await.unwrap();
    let expected = [
        ("b-once", vec![Why::LimitReached], "LIMIT_REACHED"),
        ("c-gone", vec![Why::OutOfStock], "OUT_OF_STOCK"),
        ("d-gold", vec![Why::TierTooLow, Why::InsufficientPoints], "TIER_TOO_LOW"),
        ("e-bert", vec![Why::NotEligible], "NOT_ELIGIBLE"),
        ("f-later", vec![Why::NotStarted], "NOT_STARTED"),
        ("g-over", vec![Why::Ended], "ENDED"),
    ];
    let told: Vec<_> = expected.iter().map(|(id, why, _)| ((*id).to_owned(), why.clone())).collect();
    assert_eq!(obstacles(&client, &anna).await, told);
    for (reward_id, _, refusal) in expected {
        let refused = redeem(&client, redemption(&anna, reward_id)).await.unwrap_err();
        assert_eq!(reason(&refused), refusal, "{reward_id}");
        let refused = held(&client, hold(&anna, reward_id, 60)).await.unwrap_err();
        assert_eq!(reason(&refused), refusal, "{reward_id}");
    }
    let gold = offers(&client, &anna).await.into_iter().nth(3).unwrap();
    let missing: Vec<_> = gold.obstacles.iter().map(|one| (one.missing, one.min_tier_id.as_str())).collect();
    assert_eq!(missing, [(0, "gold"), (410, "")], "490 of 900 are there");
    let later = offers(&client, &anna).await.into_iter().nth(5).unwrap();
    assert_eq!(later.obstacles[0].until, tomorrow);
    assert!(!later.obstacles[0].message.is_empty());

    // A higher tier opens what the condition asks for.
    record(&client, purchase(&anna, 1_000)).await.unwrap();
    let left: Vec<_> = obstacles(&client, &anna).await.into_iter().map(|(id, _)| id).collect();
    assert_eq!(left, ["b-once", "c-gone", "d-gold", "f-later", "g-over"]);
    redeem(&client, redemption(&anna, "e-bert")).await.unwrap();
    let bert = enroll(&client, "bert").await;
    record(&client, purchase(&bert, 100)).await.unwrap();
    redeem(&client, redemption(&bert, "e-bert")).await.unwrap();

    // A household that is named itself is no member of whom anything is known.
    let others = "member.external_id != 'bert'".to_owned();
    offer(&client, pb::Reward { eligibility: others, ..reward("h-others", 10) }).await.unwrap();
    let home = household(&client, PROGRAM).await;
    join(&client, &home, &anna, pb::HouseholdRole::Redeemer).await.unwrap();
    assert!(!obstacles(&client, &anna).await.iter().any(|(id, _)| id == "h-others"));
    assert!(obstacles(&client, &home).await.contains(&("h-others".to_owned(), vec![Why::NotEligible])));
    let refused = redeem(&client, redemption(&home, "h-others")).await.unwrap_err();
    assert_eq!(reason(&refused), "NOT_ELIGIBLE");
    redeem(&client, redemption(&anna, "h-others")).await.unwrap();
    house.end().await;
}

async fn lists_are_read_page_by_page_and_in_a_language(house: House) {
    let client = house.client();
    create_program(&client).await;
    let anna = enroll(&client, "anna").await;
    let text = |language: &str, title: &str| pb::RewardText {
        language_code: language.into(),
        title: title.into(),
        ..Default::default()
    };
    for n in 0..7 {
        let texts = vec![text("en", "Mug"), text("de-AT", "Häferl"), text("de", "Tasse")];
        offer(&client, pb::Reward { texts, ..reward(&format!("mug-{n}"), 10 * n + 1) }).await.unwrap();
    }
    record(&client, purchase(&anna, 30)).await.unwrap();
    let mut service = RewardServiceClient::new(client.clone());
    for eligible_only in [false, true] {
        let (mut ids, mut page_token, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let request = pb::ListEligibleRewardsRequest {
                member_id: anna.clone(),
                eligible_only,
                page_size: 2,
                page_token,
                language_code: "de-CH".into(),
            };
            let page = service.list_eligible_rewards(request).await.unwrap().into_inner();
            for one in page.rewards {
                assert_eq!(one.text.unwrap().title, "Häferl", "the first of the same language");
                ids.push(one.reward.unwrap().reward_id);
            }
            (page_token, pages) = (page.next_page_token, pages + 1);
            if page_token.is_empty() {
                break;
            }
        }
        let expected: Vec<_> = (0..if eligible_only { 3 } else { 7 }).map(|n| format!("mug-{n}")).collect();
        assert_eq!((ids, pages), (expected, 4));
    }
    let request = pb::ListEligibleRewardsRequest { member_id: request_id(), ..Default::default() };
    let refused = service.list_eligible_rewards(request).await.unwrap_err();
    assert_eq!(reason(&refused), "MEMBER_NOT_FOUND");
    house.end().await;
}

async fn members_of_a_household_look_with_its_eyes(house: House) {
    let client = house.client();
    create_program(&client).await;
    let (anna, bert) = (enroll(&client, "anna").await, enroll(&client, "bert").await);
    let home = household(&client, "club").await;
    join(&client, &home, &anna, pb::HouseholdRole::Redeemer).await.unwrap();
    join(&client, &home, &bert, pb::HouseholdRole::Earner).await.unwrap();
    record(&client, purchase(&bert, 100)).await.unwrap();
    let limit = Some(pb::RewardLimit { max_units: 1, period: pb::RewardLimitPeriod::Day.into() });
    offer(&client, pb::Reward { limit, ..reward("mug", 40) }).await.unwrap();
    assert_eq!(obstacles(&client, &anna).await, []);
    assert_eq!(obstacles(&client, &bert).await, [("mug".to_owned(), vec![Why::MemberNotAllowed])]);
    redeem(&client, redemption(&anna, "mug")).await.unwrap();
    assert_eq!(obstacles(&client, &anna).await, [("mug".to_owned(), vec![Why::LimitReached])]);
    // Whoever comes to a wallet brings what was had.
    let (carl, dora) = (enroll(&client, "carl").await, enroll(&client, "dora").await);
    for member in [&carl, &dora] {
        record(&client, purchase(member, 100)).await.unwrap();
    }
    redeem(&client, redemption(&carl, "mug")).await.unwrap();
    merge(&client, merger(&carl, &dora)).await.unwrap();
    let refused = redeem(&client, redemption(&dora, "mug")).await.unwrap_err();
    assert_eq!(reason(&refused), "LIMIT_REACHED");
    house.clock().advance_to(START.plus_micros(86_400_000_000));
    redeem(&client, redemption(&dora, "mug")).await.unwrap();
    house.end().await;
}

async fn suspend(client: &Client, member_id: &str) {
    let (member_id, reason) = (member_id.to_owned(), String::new());
    let request = pb::SuspendMemberRequest { request_id: request_id(), member_id, reason };
    MemberServiceClient::new(client.clone()).suspend_member(request).await.unwrap();
}

async fn who_was_merged_looks_through_the_survivor(house: House) {
    let client = house.client();
    create_program(&client).await;
    offer(&client, reward("mug", 10)).await.unwrap();
    let not_allowed = [("mug".to_owned(), vec![Why::MemberNotAllowed])];
    let mut names = ["anna", "bert", "carl", "dora", "emil", "fred"].into_iter();
    let mut next = async || {
        let member = enroll(&client, names.next().unwrap()).await;
        record(&client, purchase(&member, 100)).await.unwrap();
        member
    };
    // Who is suspended is not merged, and of those who were only the survivor's own state counts.
    let (anna, bert) = (next().await, next().await);
    suspend(&client, &anna).await;
    assert_eq!(obstacles(&client, &anna).await, not_allowed);
    let refused = merge(&client, merger(&anna, &bert)).await.unwrap_err();
    assert_eq!(reason(&refused), "MEMBER_SUSPENDED");
    let (carl, dora) = (next().await, next().await);
    merge(&client, merger(&carl, &dora)).await.unwrap();
    suspend(&client, &dora).await;
    assert_eq!(obstacles(&client, &carl).await, not_allowed);
    assert_eq!(reason(&redeem(&client, redemption(&carl, "mug")).await.unwrap_err()), "MEMBER_SUSPENDED");
    // And its role in a household.
    let (emil, fred) = (next().await, next().await);
    merge(&client, merger(&emil, &fred)).await.unwrap();
    let home = household(&client, PROGRAM).await;
    join(&client, &home, &fred, pb::HouseholdRole::Earner).await.unwrap();
    for member in [&emil, &fred] {
        assert_eq!(obstacles(&client, member).await, not_allowed);
        let refused = redeem(&client, redemption(member, "mug")).await.unwrap_err();
        assert_eq!(reason(&refused), "HOUSEHOLD_ROLE_REQUIRED");
    }
    house.end().await;
}

async fn limits_of_the_program_are_told(house: House) {
    let client = house.client();
    let limit = pb::VelocityLimit {
        limit_id: "much".into(),
        movement: pb::Movement::Redeem.into(),
        owner: pb::CapOwner::Member.into(),
        window: pb::VelocityWindow::Day.into(),
        breach: pb::VelocityBreach::Refuse.into(),
        points_max: Some(100),
        ..Default::default()
    };
    let often = pb::VelocityLimit {
        limit_id: "often".into(),
        breach: pb::VelocityBreach::Review.into(),
        points_max: None,
        count_max: Some(2),
        ..limit.clone()
    };
    let velocity_limits = vec![limit, often];
    create_program_like(&client, pb::Program { velocity_limits, ..program(PROGRAM) }).await;
    let anna = enroll(&client, "anna").await;
    record(&client, purchase(&anna, 500)).await.unwrap();
    let cheaper = pb::RewardPrice { price_id: "cheaper".into(), points: 40, ..Default::default() };
    for one in [
        reward("a-mug", 40),
        reward("b-bag", 101),
        reward("c-car", 600),
        pb::Reward { other_prices: vec![cheaper], ..reward("d-bag", 101) },
    ] {
        offer(&client, one).await.unwrap();
    }
    let told = |of: &[(&str, &[Why])]| -> Vec<(String, Vec<Why>)> {
        of.iter().map(|(id, why)| ((*id).to_owned(), why.to_vec())).collect()
    };
    let (fast, poor) = (Why::VelocityExceeded, Why::InsufficientPoints);
    let expected = told(&[("b-bag", &[fast]), ("c-car", &[poor, fast])]);
    assert_eq!(obstacles(&client, &anna).await, expected, "of two prices one is below the limit");
    assert_eq!(reason(&redeem(&client, redemption(&anna, "b-bag")).await.unwrap_err()), "VELOCITY_EXCEEDED");
    for _ in 0..2 {
        redeem(&client, redemption(&anna, "a-mug")).await.unwrap();
    }
    let expected =
        told(&[("a-mug", &[fast]), ("b-bag", &[fast]), ("c-car", &[poor, fast]), ("d-bag", &[fast])]);
    assert_eq!(obstacles(&client, &anna).await, expected);
    assert_eq!(reason(&redeem(&client, redemption(&anna, "a-mug")).await.unwrap_err()), "VELOCITY_EXCEEDED");
    // What waits for a review cannot be had now either.
    offer(&client, reward("e-pin", 5)).await.unwrap();
    let pin = obstacles(&client, &anna).await.pop().unwrap();
    assert_eq!(pin, ("e-pin".to_owned(), vec![fast]));
    assert_eq!(reason(&redeem(&client, redemption(&anna, "e-pin")).await.unwrap_err()), "REVIEW_REQUIRED");
    house.clock().advance_to(START.plus_micros(86_400_000_000));
    let expected = told(&[("b-bag", &[fast]), ("c-car", &[poor, fast])]);
    assert_eq!(obstacles(&client, &anna).await, expected);
    house.end().await;
}

async fn rewards_begin_and_end(house: House) {
    let client = house.client();
    create_program(&client).await;
    let anna = enroll(&client, "anna").await;
    record(&client, purchase(&anna, 100)).await.unwrap();
    let (start, end) = (START.plus_micros(10_000_000), START.plus_micros(20_000_000));
    let times = (Some(timestamp(start)), Some(timestamp(end)));
    let limit = Some(pb::RewardLimit { max_units: 2, period: 0 });
    let sale = pb::Reward { start_time: times.0, end_time: times.1, limit, ..reward("sale", 10) };
    offer(&client, sale).await.unwrap();
    let asked = || redeem(&client, redemption(&anna, "sale"));
    assert_eq!(reason(&asked().await.unwrap_err()), "NOT_STARTED");
    house.clock().advance_to(start);
    asked().await.unwrap();
    let late = held(&client, hold(&anna, "sale", 5)).await.unwrap().redemption.unwrap();
    assert_eq!(reason(&asked().await.unwrap_err()), "LIMIT_REACHED");
    // The hold times out by itself, and its unit may be had again.
    house.clock().advance_to(start.plus_micros(5_000_000));
    assert_eq!(obstacles(&client, &anna).await, [], "{late:?}");
    let kept = held(&client, hold(&anna, "sale", 60)).await.unwrap().redemption.unwrap();
    house.clock().advance_to(end);
    assert_eq!(reason(&asked().await.unwrap_err()), "ENDED");
    captured(&client, capture(&kept)).await.unwrap();
    house.end().await;
}
