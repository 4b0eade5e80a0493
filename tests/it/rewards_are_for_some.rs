//! What a reward costs, how many units a wallet may have, and how both change.

use futures::future::join_all;
use harness::calls::{
    PROGRAM, create_program, enroll, purchase, reason, record, redeem, redemption, request_id, timestamp, usd,
};
use harness::holds::{capture, captured, held, hold, refund, refunded, void, voided};
use harness::house::{House, START};
use harness::offers::{change, offer, offers, redemption_of, reward, version};
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;

use crate::two_processes_race_for_rewards::both;

everywhere! {
    one_of_several_prices_is_paid;
    so_many_units_for_each_wallet;
    a_reward_gets_another_version;
    what_no_reward_can_be;
}

async fn one_of_several_prices_is_paid(house: House) {
    let client = house.client();
    create_program(&client).await;
    let anna = enroll(&client, "anna").await;
    record(&client, purchase(&anna, 100)).await.unwrap();
    let cheap = pb::RewardPrice {
        price_id: "part".into(),
        points: 20,
        money: Some(usd(3, 50)),
        ..Default::default()
    };
    let mug = pb::Reward { other_prices: vec![cheap], ..reward("mug", 70) };
    let there = offer(&client, mug.clone()).await.unwrap();
    assert_eq!(there.other_prices[0].money, Some(usd(3, 50)));
    let part =
        |quantity| pb::RedeemRewardRequest { price_id: "part".into(), quantity, ..redemption(&anna, "mug") };
    let told: Vec<_> = offers(&client, &anna).await.remove(0).prices;
    let told: Vec<_> =
        told.iter().map(|one| (one.price_id.as_str(), one.points, one.missing_points)).collect();
    assert_eq!(told, [("", 70, 0), ("part", 20, 0)]);
    let made = redeem(&client, part(2)).await.unwrap().redemption.unwrap();
    assert_eq!((made.points, made.price_id.as_str(), made.money.clone()), (40, "part", Some(usd(7, 0))));
    assert_eq!(redemption_of(&client, &made).await, made);
    let told: Vec<_> = offers(&client, &anna).await.remove(0).prices;
    assert_eq!(told.iter().map(|one| one.missing_points).collect::<Vec<_>>(), [10, 0]);
    let unknown = pb::RedeemRewardRequest { price_id: "gift".into(), ..part(1) };
    assert_eq!(reason(&redeem(&client, unknown).await.unwrap_err()), "REWARD_PRICE_NOT_FOUND");
    let kept = pb::CreateRedemptionRequest { price_id: "part".into(), ..hold(&anna, "mug", 60) };
    let kept = held(&client, kept).await.unwrap().redemption.unwrap();
    assert_eq!((kept.points, kept.money.clone()), (20, Some(usd(3, 50))));
    let done = captured(&client, capture(&kept)).await.unwrap().redemption.unwrap();
    assert_eq!(done.money, Some(usd(3, 50)));
    assert_eq!(
        redeem(&client, redemption(&anna, "mug")).await.map(|_| ()).map_err(|e| reason(&e)),
        Err("INSUFFICIENT_POINTS".to_owned())
    );
    house.end().await;
}

async fn so_many_units_for_each_wallet(house: House) {
    let client = house.client();
    create_program(&client).await;
    let limit = Some(pb::RewardLimit { max_units: 3, period: 0 });
    offer(&client, pb::Reward { limit, ..reward("mug", 10) }).await.unwrap();
    let (anna, bert) = (enroll(&client, "anna").await, enroll(&client, "bert").await);
    for member in [&anna, &bert] {
        record(&client, purchase(member, 1_000)).await.unwrap();
    }
    // Forty at once, some to keep and some to hold: three of each wallet, whoever comes first.
    let calls = (0..40).map(|n| {
        let (client, member) = (client.clone(), if n % 2 == 0 { anna.clone() } else { bert.clone() });
        async move {
            if n % 4 < 2 {
                redeem(&client, redemption(&member, "mug")).await.map(|done| done.redemption.unwrap())
            } else {
                held(&client, hold(&member, "mug", 600)).await.map(|done| done.redemption.unwrap())
            }
        }
    });
    let answers = join_all(calls).await;
    let made: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
    let of_anna = made.iter().filter(|one| one.member_id == anna).count();
    assert_eq!((made.len(), of_anna), (6, 3));
    for refused in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert_eq!(reason(refused), "LIMIT_REACHED");
    }
    // What is voided may be had again, what is refunded may not.
    for one in made.iter().filter(|one| one.member_id == anna) {
        if one.state() == pb::RedemptionState::Held {
            voided(&client, void(one)).await.unwrap();
            redeem(&client, redemption(&anna, "mug")).await.unwrap();
        } else {
            refunded(&client, refund(one, None)).await.unwrap();
        }
        let refused = redeem(&client, redemption(&anna, "mug")).await.unwrap_err();
        assert_eq!(reason(&refused), "LIMIT_REACHED");
    }
    let two = pb::CreateRedemptionRequest { quantity: 2, ..hold(&enroll(&client, "c").await, "mug", 60) };
    record(&client, purchase(&two.member_id, 100)).await.unwrap();
    let kept = held(&client, two.clone()).await.unwrap().redemption.unwrap();
    let one = Some(pb::capture_redemption_request::Portion::Quantity(1));
    let part = pb::CaptureRedemptionRequest { portion: one, ..capture(&kept) };
    captured(&client, part).await.unwrap();
    let again = pb::CreateRedemptionRequest { request_id: request_id(), ..two };
    held(&client, again).await.unwrap();
    house.end().await;
}

async fn program_etag(client: &Client) -> String {
    let mut programs = pb::program_service_client::ProgramServiceClient::new(client.clone());
    let request = pb::GetProgramRequest { program_id: PROGRAM.into() };
    programs.get_program(request).await.unwrap().into_inner().program.unwrap().etag
}

async fn a_reward_gets_another_version(house: House) {
    let client = house.client();
    create_program(&client).await;
    let anna = enroll(&client, "anna").await;
    record(&client, purchase(&anna, 1_000)).await.unwrap();
    let first = offer(&client, reward("mug", 70)).await.unwrap();
    let kept = held(&client, hold(&anna, "mug", 600)).await.unwrap().redemption.unwrap();
    let limit = Some(pb::RewardLimit { max_units: 2, period: 0 });
    let wanted = pb::Reward { price_points: 50, limit, display_name: "ignored".into(), ..first.clone() };
    let second = change(&client, wanted.clone(), &["price_points", "limit"]).await.unwrap();
    let told = (second.version, second.price_points, second.limit, second.display_name.as_str());
    assert_eq!(told, (2, 50, limit, "mug"));
    assert_ne!(second.etag, first.etag);
    let etag = program_etag(&client).await;
    let stale = change(&client, wanted, &["price_points"]).await.unwrap_err();
    assert_eq!(reason(&stale), "ETAG_MISMATCH");
    assert_eq!(change(&client, second.clone(), &["price_points"]).await.unwrap(), second, "nothing changed");
    assert_eq!(program_etag(&client).await, etag, "nor did the program");
    assert_eq!(version(&client, "mug", 0).await.unwrap(), second);
    assert_eq!(version(&client, "mug", 1).await.unwrap(), first);
    assert_eq!(version(&client, "mug", 2).await.unwrap(), second);
    assert_eq!(reason(&version(&client, "mug", 3).await.unwrap_err()), "REWARD_NOT_FOUND");
    let made = redeem(&client, redemption(&anna, "mug")).await.unwrap().redemption.unwrap();
    assert_eq!((made.points, made.reward_version), (50, 2));
    // What is held stays what was agreed.
    let done = captured(&client, capture(&kept)).await.unwrap().redemption.unwrap();
    assert_eq!((done.points_captured, done.reward_version), (70, 1));
    let unknown = change(&client, second.clone(), &["stock"]).await.unwrap_err();
    assert_eq!(reason(&unknown), "FIELDS_INVALID");
    let nothing = change(&client, second, &[]).await.unwrap_err();
    assert_eq!(reason(&nothing), "FIELDS_INVALID");
    house.end().await;
}

async fn what_no_reward_can_be(house: House) {
    let client = house.client();
    create_program(&client).await;
    let bare = || reward("mug", 10);
    let text = |language: &str| pb::RewardText {
        language_code: language.into(),
        title: "Mug".into(),
        ..Default::default()
    };
    let price = |id: &str, currency: &str| pb::RewardPrice {
        price_id: id.into(),
        points: 5,
        currency_code: currency.into(),
        ..Default::default()
    };
    let at = |micros| Some(timestamp(START.plus_micros(micros)));
    let limit = |max_units, period| Some(pb::RewardLimit { max_units, period });
    for (wrong, told) in [
        (pb::Reward { eligibility: "activity.amount > 1.0".into(), ..bare() }, "reward.eligibility"),
        (pb::Reward { eligibility: "tier.rank >".into(), ..bare() }, "reward.eligibility"),
        (pb::Reward { start_time: at(2), end_time: at(2), ..bare() }, "reward.end_time"),
        (pb::Reward { texts: vec![text("en"), text("EN")], ..bare() }, "reward.texts[1].language_code"),
        (pb::Reward { texts: vec![text("english please")], ..bare() }, "reward.texts[0].language_code"),
        (pb::Reward { image_uris: vec![String::new()], ..bare() }, "reward.image_uris"),
        (pb::Reward { image_uris: vec!["a".into(), "\0".into()], ..bare() }, "reward.image_uris[1]"),
        (pb::Reward { price_money: Some(usd(0, 0)), ..bare() }, "reward.price_money"),
        (pb::Reward { price_money: Some(usd(-1, 0)), ..bare() }, "reward.price_money"),
        (pb::Reward { limit: limit(0, 0), ..bare() }, "reward.limit.max_units"),
        (pb::Reward { limit: limit(1, 77), ..bare() }, "reward.limit.period"),
        (pb::Reward { fulfilment: 77, ..bare() }, "reward.fulfilment"),
        (
            pb::Reward { other_prices: vec![price("a", ""), price("a", "")], ..bare() },
            "reward.other_prices[1].price_id",
        ),
    ] {
        let refused = offer(&client, wrong).await.unwrap_err();
        assert_eq!(reason(&refused), "FIELDS_INVALID");
        assert!(refused.message().contains(told), "{told}: {}", refused.message());
    }
    let gems = pb::Reward { other_prices: vec![price("a", "gems")], ..bare() };
    assert_eq!(reason(&offer(&client, gems).await.unwrap_err()), "POINT_CURRENCY_NOT_FOUND");
    let diamond = pb::Reward { min_tier_id: "diamond".into(), ..bare() };
    assert_eq!(reason(&offer(&client, diamond.clone()).await.unwrap_err()), "TIER_NOT_FOUND");
    let made = offer(&client, pb::Reward { start_time: at(5), ..bare() }).await.unwrap();
    let refused = change(&client, pb::Reward { etag: String::new(), ..diamond }, &["min_tier_id"]).await;
    assert_eq!(reason(&refused.unwrap_err()), "TIER_NOT_FOUND");
    let early = pb::Reward { start_time: None, end_time: at(4), ..made };
    let refused = change(&client, early, &["end_time"]).await.unwrap_err();
    assert_eq!(reason(&refused), "ENDS_BEFORE_START");
    let gone = change(&client, reward("no-mug", 1), &["price_points"]).await.unwrap_err();
    assert_eq!(reason(&gone), "REWARD_NOT_FOUND");
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_knows_the_new_price_at_once() {
    let (house, _second, a, b) = both().await;
    let anna = enroll(&a, "anna").await;
    record(&a, purchase(&anna, 10_000)).await.unwrap();
    let mut mug = offer(&a, reward("mug", 100)).await.unwrap();
    for price_points in (80..100).rev() {
        mug = change(&a, pb::Reward { price_points, ..mug }, &["price_points"]).await.unwrap();
        let made = redeem(&b, redemption(&anna, "mug")).await.unwrap().redemption.unwrap();
        assert_eq!((made.points, made.reward_version), (price_points, mug.version));
    }
    assert!(house.audit().await.sound);
    house.end().await;
}
